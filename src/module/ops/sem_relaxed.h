/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Relaxed vector instructions: for each the specification lists a few outcomes, of which an implementation keeps to one.
 * Included by sem_simd.h only.
 *
 * What is here is the outcome that costs least on common processors. The deterministic profile prescribes the first of
 * the list, which for those that differ is another instruction: the front-end translates that one instead.
 *
 *                  outcome here                                            deterministic profile
 *   swizzle        as i8x16.swizzle                                        the same
 *   trunc          out of range: the number with only the sign bit set     trunc_sat
 *                  (unsigned: the largest)
 *   madd, nmadd    rounded twice: fusing without the instruction for it    the same
 *                  would be a call
 *   min, max       NaN or zeros of two signs: the second operand           min, max
 *   laneselect     as v128.bitselect                                       the same
 *   q15mulr        -1 * -1 is -1                                           q15mulr_sat
 *   dot            both operands signed                                    the same */
#ifndef MODULE_OPS_SEM_RELAXED_H
#define MODULE_OPS_SEM_RELAXED_H

SEM_V2(f32x4_relaxed_min, f32x4, SEM_CHOOSE(a < b, a, b))
SEM_V2(f32x4_relaxed_max, f32x4, SEM_CHOOSE(a > b, a, b))
SEM_V2(f64x2_relaxed_min, f64x2, SEM_CHOOSE(a < b, a, b))
SEM_V2(f64x2_relaxed_max, f64x2, SEM_CHOOSE(a > b, a, b))
SEM_V3(f32x4_relaxed_madd, f32x4, a *b + c)
SEM_V3(f32x4_relaxed_nmadd, f32x4, c - a * b)
SEM_V3(f64x2_relaxed_madd, f64x2, a *b + c)
SEM_V3(f64x2_relaxed_nmadd, f64x2, c - a * b)

static inline sem_v128 sem_i32x4_relaxed_trunc_f32x4_s(sem_v128 vector) {
  sem_f32x4 a = (sem_f32x4)vector;
  sem_v128 fits = (sem_v128)(a >= -0x1p31f) & (sem_v128)(a < 0x1p31f);
  sem_s32x4 whole = __builtin_convertvector((sem_f32x4)(vector & fits), sem_s32x4);
  return (sem_v128)((sem_u32x4)whole | ((sem_u32x4)~fits & 0x80000000u));
}
static inline sem_v128 sem_i32x4_relaxed_trunc_f32x4_u(sem_v128 vector) {
  sem_f32x4 a = (sem_f32x4)vector;
  sem_v128 fits = (sem_v128)(a > -1.0f) & (sem_v128)(a < 0x1p32f);
  sem_u32x4 whole = __builtin_convertvector((sem_f32x4)(vector & fits), sem_u32x4);
  return (sem_v128)(whole | (sem_u32x4)~fits);
}
static inline uint32_t sem_relaxed_trunc_s(double a) {
  uint32_t result;
  return sem_i32_trunc_f64_s(a, &result) == SEM_OK ? result : 0x80000000u;
}
static inline uint32_t sem_relaxed_trunc_u(double a) {
  uint32_t result;
  return sem_i32_trunc_f64_u(a, &result) == SEM_OK ? result : UINT32_MAX;
}
static inline sem_v128 sem_i32x4_relaxed_trunc_f64x2_s_zero(sem_v128 a) {
  return (sem_v128)(sem_u32x4){sem_relaxed_trunc_s(((sem_f64x2)a)[0]), sem_relaxed_trunc_s(((sem_f64x2)a)[1])};
}
static inline sem_v128 sem_i32x4_relaxed_trunc_f64x2_u_zero(sem_v128 a) {
  return (sem_v128)(sem_u32x4){sem_relaxed_trunc_u(((sem_f64x2)a)[0]), sem_relaxed_trunc_u(((sem_f64x2)a)[1])};
}

static inline sem_v128 sem_i16x8_relaxed_q15mulr_s(sem_v128 a, sem_v128 b) {
  return (sem_v128) __builtin_convertvector((SEM_PRODUCTS(a, b) + 0x4000) >> 15, sem_s16x8);
}

/* Products of neighbours are added in 16 bits, which wraps only where the second operand is -128; the longer form adds
 * two of the sums, in 32 bits, to a third operand. */
SEM_V2(i16x8_relaxed_dot_i8x16_i7x16_s, u16x8,
       (sem_u16x8)(SEM_EVEN_S(a, s16x8, u16x8, 8) * SEM_EVEN_S(b, s16x8, u16x8, 8) +
                   SEM_ODD_S(a, s16x8, 8) * SEM_ODD_S(b, s16x8, 8)))
static inline sem_v128 sem_i32x4_relaxed_dot_i8x16_i7x16_add_s(sem_v128 a, sem_v128 b, sem_v128 c) {
  sem_v128 sums = sem_i16x8_relaxed_dot_i8x16_i7x16_s(a, b);
  return sem_i32x4_add(sem_i32x4_extadd_pairwise_i16x8_s(sums), c);
}

#endif
