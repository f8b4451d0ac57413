/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What LLVM judges an x86-64 processor by when it compiles for this one: family and model, and the features that processor
 * and system offer. Two machines with one number get the same code. */
#include <sys/auxv.h>

#include "tiers/arch_features.h"
#include "tiers/kept.h"

const enum tiers_cpu tiers_processor_base = TIERS_CPU_X86_64;

static uint64_t offered_by_system(void) {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

/* Version 10 of the vector instructions has a leaf of its own, which the C library need not know. */
static bool has_vectors_10(const uint32_t more_structured[4]) { return more_structured[3] & 1 << 19; }

uint64_t tiers_processor(void) {
  enum { FEATURES, MORE_STRUCTURED = 2, STATE, VECTORS_10 = 6, SAVES_STATE = 1 << 27 };
  static const uint32_t leaves[][2] = {{1, 0},    {7, 0},    {7, 1},    {0x0D, 1},
                                       {0x14, 0}, {0x19, 0}, {0x24, 0}, {0x80000001u, 0}};
  uint32_t found[BASE_ARRAY_LEN(leaves)][4] = {{0}};
  for (size_t i = 0; i < BASE_ARRAY_LEN(leaves); i++)
    if (i != VECTORS_10 || has_vectors_10(found[MORE_STRUCTURED]))
      base_arch_cpuid(leaves[i][0], leaves[i][1], found[i]);
  uint64_t state = found[FEATURES][2] & SAVES_STATE ? offered_by_system() : 0;
  found[FEATURES][1] = 0; /* which of the processors this thread is on */
  found[STATE][1] = 0;    /* the size of the state that is switched on now */
  return base_checksum(found, sizeof found) ^ state * UINT64_C(0x9E3779B97F4A7C15);
}

bool tiers_has_segment(void) {
  enum { FSGSBASE = 1 << 1 };
  return getauxval(AT_HWCAP2) & FSGSBASE;
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
