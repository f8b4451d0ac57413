/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the processor can. __builtin_cpu_supports would do, but the library behind it asks the processor everything there is
 * at every start, and each question takes a virtual machine a microsecond: here only what is wanted, when it is. */
#ifndef TIERS_ARCH_FEATURES_H
#define TIERS_ARCH_FEATURES_H

#include <stdbool.h>

#if defined(__x86_64__)
#include <cpuid.h>

static inline bool arch_has_ssse3(void) {
  unsigned eax, ebx, ecx, edx;
  __cpuid(1, eax, ebx, ecx, edx);
  return ecx & bit_SSSE3;
}

/* All of the level x86-64-v2. */
static inline bool arch_is_v2(void) {
  const unsigned wanted = bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT | bit_CMPXCHG16B;
  unsigned eax, ebx, ecx, edx, extended_ecx;
  __cpuid(1, eax, ebx, ecx, edx);
  __cpuid(0x80000001, eax, ebx, extended_ecx, edx);
  return (ecx & wanted) == wanted && extended_ecx & bit_LAHF_LM;
}
#endif
#endif
