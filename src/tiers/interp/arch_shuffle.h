/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Shuffling the bytes of a vector by lanes that are not known beforehand: one instruction or two on most processors, but
 * one that C has no word for; sem_i8x16_shuffle goes through memory, which takes four times as long. Where
 * ARCH_SHUFFLE_TARGET is defined, so are these, for functions with that attribute on processors where
 * interp_arch_shuffles() is true. For handlers that are functions of their own. */
#ifndef TIERS_INTERP_ARCH_SHUFFLE_H
#define TIERS_INTERP_ARCH_SHUFFLE_H

#include "tiers/arch_features.h"
#include "tiers/interp/insn.h"

#if INTERP_TAIL_CALLS && defined(__x86_64__)
/* Each shuffle that is translated wants to know, and the processor is asked once. */
static inline bool interp_arch_shuffles(void) {
  enum { NOT_ASKED, NO, YES };
  static _Atomic int answer;
  if (answer == NOT_ASKED) answer = arch_has_ssse3() ? YES : NO;
  return answer == YES;
}
#elif INTERP_TAIL_CALLS && defined(__aarch64__)
static inline bool interp_arch_shuffles(void) { return true; }
#else
static inline bool interp_arch_shuffles(void) { return false; }
#endif

#if defined(MODULE_OPS_SEM_SIMD_H) && INTERP_TAIL_CALLS && defined(__x86_64__)
#define ARCH_SHUFFLE_TARGET __attribute__((target("ssse3")))
typedef char arch_bytes __attribute__((vector_size(16)));
/* The instruction takes lanes modulo 16, and zero for those with the highest bit set: all from 16 on have it after the
 * addition, which stops at 255, and all below 16 after the subtraction. */
static inline ARCH_SHUFFLE_TARGET sem_v128 arch_pick(sem_v128 a, sem_v128 lanes) {
  return (sem_v128)__builtin_ia32_pshufb128((arch_bytes)a, (arch_bytes)lanes);
}
static inline ARCH_SHUFFLE_TARGET sem_v128 arch_swizzle(sem_v128 a, sem_v128 lanes) {
  return arch_pick(a, sem_i8x16_add_sat_u(lanes, sem_i8x16_splat(0x70)));
}
static inline ARCH_SHUFFLE_TARGET sem_v128 arch_shuffle(sem_v128 a, sem_v128 b, sem_v128 lanes) {
  return arch_swizzle(a, lanes) | arch_pick(b, sem_i8x16_sub(lanes, sem_i8x16_splat(16)));
}
#elif defined(MODULE_OPS_SEM_SIMD_H) && INTERP_TAIL_CALLS && defined(__aarch64__)
#include <arm_neon.h>
#define ARCH_SHUFFLE_TARGET
static inline sem_v128 arch_swizzle(sem_v128 a, sem_v128 lanes) {
  return (sem_v128)vqtbl1q_u8((uint8x16_t)a, (uint8x16_t)lanes);
}
static inline sem_v128 arch_shuffle(sem_v128 a, sem_v128 b, sem_v128 lanes) {
  return (sem_v128)vqtbl2q_u8((uint8x16x2_t){{(uint8x16_t)a, (uint8x16_t)b}}, (uint8x16_t)lanes);
}
#endif

#endif
