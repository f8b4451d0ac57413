/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the processor can. __builtin_cpu_supports would do, but the library behind it asks the processor everything there is
 * at every start: here only what is wanted, when it is (base_arch_cpuid). */
#ifndef TIERS_ARCH_FEATURES_H
#define TIERS_ARCH_FEATURES_H

#include "base/base.h"

#if defined(__x86_64__)
#include <cpuid.h>

static inline bool arch_has_ssse3(void) {
  uint32_t basic[4];
  return base_arch_cpuid(1, 0, basic) && (basic[2] & bit_SSSE3);
}

/* All of the level x86-64-v2. */
static inline bool arch_is_v2(void) {
  const unsigned wanted = bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT | bit_CMPXCHG16B;
  uint32_t basic[4], extended[4];
  return base_arch_cpuid(1, 0, basic) && (basic[2] & wanted) == wanted && base_arch_cpuid(0x80000001u, 0, extended) &&
         extended[2] & bit_LAHF_LM;
}

/* What processor and system offer of the levels that the ABI of x86-64 defines ("x86-64-v2" to "-v4"): 1 to 4. */
static inline int arch_level(void) {
  const unsigned third = bit_AVX | bit_F16C | bit_FMA | bit_MOVBE | bit_OSXSAVE;
  const unsigned third_structured = bit_AVX2 | bit_BMI | bit_BMI2, third_extended = bit_LZCNT;
  const unsigned fourth_structured = bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
  const unsigned third_state = 0x06, fourth_state = 0xE6; /* of XCR0: what the system keeps of the vector registers */
  uint32_t basic[4], structured[4], extended[4], state, upper_state;
  if (!arch_is_v2()) return 1;
  base_arch_cpuid(1, 0, basic);
  if ((basic[2] & third) != third || !base_arch_cpuid(7, 0, structured)) return 2;
  base_arch_cpuid(0x80000001u, 0, extended);
  __asm__("xgetbv" : "=a"(state), "=d"(upper_state) : "c"(0));
  bool has_third = (structured[1] & third_structured) == third_structured && extended[2] & third_extended;
  if (!has_third || (state & third_state) != third_state) return 2;
  return (structured[1] & fourth_structured) == fourth_structured && (state & fourth_state) == fourth_state ? 4 : 3;
}
#endif
#endif
