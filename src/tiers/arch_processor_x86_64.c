/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What LLVM judges an x86-64 processor by when it compiles for this one: family and model, and the features that processor
 * and system offer. Two machines with one number get the same code. */
#include <cpuid.h>

#include "tiers/arch_features.h"
#include "tiers/kept.h"

const enum tiers_cpu tiers_processor_base = TIERS_CPU_X86_64;

static uint64_t offered_by_system(void) {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

uint64_t tiers_processor(void) {
  enum { FEATURES = 1, STRUCTURED = 7, MORE = 0x14, EXTENDED = 0x80000001u, SAVES_STATE = 1 << 27 };
  static const uint32_t leaves[][2] = {{FEATURES, 0}, {STRUCTURED, 0}, {STRUCTURED, 1}, {0x0D, 1},
                                       {MORE, 0},     {0x19, 0},       {0x24, 0},       {EXTENDED, 0}};
  uint32_t found[BASE_ARRAY_LEN(leaves)][4] = {{0}};
  uint64_t state = 0;
  for (size_t i = 0; i < BASE_ARRAY_LEN(leaves); i++) {
    uint32_t *out = found[i];
    if (!__get_cpuid_count(leaves[i][0], leaves[i][1], &out[0], &out[1], &out[2], &out[3])) continue;
    if (leaves[i][0] == FEATURES) out[1] = 0; /* which of the processors this thread is on */
    if (leaves[i][0] == 0x0D) out[1] = 0;     /* the size of the state that is switched on now */
    if (leaves[i][0] == FEATURES && out[2] & SAVES_STATE) state = offered_by_system();
  }
  return base_checksum(found, sizeof found) ^ state * UINT64_C(0x9E3779B97F4A7C15);
}

bool tiers_processor_is(enum tiers_cpu cpu) {
  switch (cpu) {
  case TIERS_CPU_X86_64: return true;
  case TIERS_CPU_X86_64_V2: return arch_level() >= 2;
  case TIERS_CPU_X86_64_V3: return arch_level() >= 3;
  case TIERS_CPU_X86_64_V4: return arch_level() >= 4;
  default: return false;
  }
}
