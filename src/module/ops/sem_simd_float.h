/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Vector instructions on floats, and conversions. Included by sem_simd.h only. */
#ifndef MODULE_OPS_SEM_SIMD_FLOAT_H
#define MODULE_OPS_SEM_SIMD_FLOAT_H

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#define SEM_SQRT(a, lanes) __builtin_elementwise_sqrt(a)
#else
#define SEM_SQRT(a, lanes) sem_##lanes##_roots(a)
static inline sem_f32x4 sem_f32x4_roots(sem_f32x4 a) {
  return (sem_f32x4){sem_f32_sqrt(a[0]), sem_f32_sqrt(a[1]), sem_f32_sqrt(a[2]), sem_f32_sqrt(a[3])};
}
static inline sem_f64x2 sem_f64x2_roots(sem_f64x2 a) { return (sem_f64x2){sem_f64_sqrt(a[0]), sem_f64_sqrt(a[1])}; }
#endif

#define SEM_FLOATS(shape, u, sign_bit, canonical_bits) \
  SEM_V2(shape##_eq, shape, a == b)                    \
  SEM_V2(shape##_ne, shape, a != b)                    \
  SEM_V2(shape##_lt, shape, a < b)                     \
  SEM_V2(shape##_gt, shape, a > b)                     \
  SEM_V2(shape##_le, shape, a <= b)                    \
  SEM_V2(shape##_ge, shape, a >= b)                    \
  SEM_V2(shape##_add, shape, a + b)                    \
  SEM_V2(shape##_sub, shape, a - b)                    \
  SEM_V2(shape##_mul, shape, a *b)                     \
  SEM_V2(shape##_div, shape, a / b)                    \
  SEM_V1(shape##_sqrt, shape, SEM_SQRT(a, shape))      \
  SEM_V1(shape##_abs, u, a & ~sign_bit)                \
  SEM_V1(shape##_neg, u, a ^ sign_bit)                 \
  SEM_V2(shape##_pmin, shape, SEM_CHOOSE(b < a, b, a)) \
  SEM_V2(shape##_pmax, shape, SEM_CHOOSE(a < b, b, a)) \
  SEM_V1(shape##_canonical, shape, SEM_CHOOSE(a != a, (sem_##u){0} + canonical_bits, a))

/* As the scalar ones: where the operands are equal, the union or intersection of their signs; where one is a NaN, the
 * quiet NaN that their sum is. Both ways round, a comparison gives two values that differ in nothing but a zero's
 * sign. */
#define SEM_FLOAT_MIN_MAX(shape)                                                                    \
  SEM_V2(shape##_min, shape,                                                                        \
         SEM_CHOOSE((a != a) | (b != b), a + b, SEM_CHOOSE(a < b, a, b) | SEM_CHOOSE(b < a, b, a))) \
  SEM_V2(shape##_max, shape, SEM_CHOOSE((a != a) | (b != b), a + b, SEM_CHOOSE(a > b, a, b) & SEM_CHOOSE(b > a, b, a)))

/* Rounding to integers. Adding 2^23 (2^52) to a smaller magnitude leaves no room for a fraction: the addition rounds, to
 * even as nearest asks. Whatever is not below it comes back as it is, a NaN quiet. The other directions correct that by
 * one where it went the wrong way; the sign is put back last, because a zero must keep it. */
#define SEM_ROUNDING(shape, u, sign_bit, quiet_bit, integers_from)                                       \
  static inline sem_##shape sem_##shape##_whole(sem_##shape magnitude) {                                 \
    return (magnitude + integers_from) - integers_from;                                                  \
  }                                                                                                      \
  static inline sem_##shape sem_##shape##_one(sem_v128 mask) {                                           \
    return (sem_##shape)(mask & (sem_v128)((sem_##shape){0} + 1));                                       \
  }                                                                                                      \
  static inline sem_v128 sem_##shape##_rounded(sem_##shape a, sem_##shape whole) {                       \
    sem_v128 bits = (sem_v128)a, magnitude = sem_##shape##_abs(bits);                                    \
    sem_v128 quiet = bits | ((sem_v128)(a != a) & (sem_v128)((sem_##u){0} + quiet_bit));                 \
    sem_v128 signs = bits & (sem_v128)((sem_##u){0} + sign_bit);                                         \
    return SEM_CHOOSE((sem_##shape)magnitude < integers_from, (sem_v128)whole | signs, quiet);           \
  }                                                                                                      \
  static inline sem_##shape sem_##shape##_even(sem_##shape a) {                                          \
    sem_##shape whole = sem_##shape##_whole((sem_##shape)sem_##shape##_abs((sem_v128)a));                \
    return (sem_##shape)((sem_v128)whole | ((sem_v128)a & (sem_v128)((sem_##u){0} + sign_bit)));         \
  }                                                                                                      \
  static inline sem_v128 sem_##shape##_nearest(sem_v128 a) {                                             \
    return sem_##shape##_rounded((sem_##shape)a, sem_##shape##_even((sem_##shape)a));                    \
  }                                                                                                      \
  static inline sem_v128 sem_##shape##_floor(sem_v128 vector) {                                          \
    sem_##shape a = (sem_##shape)vector, even = sem_##shape##_even(a);                                   \
    return sem_##shape##_rounded(a, even - sem_##shape##_one((sem_v128)(even > a)));                     \
  }                                                                                                      \
  static inline sem_v128 sem_##shape##_ceil(sem_v128 vector) {                                           \
    sem_##shape a = (sem_##shape)vector, even = sem_##shape##_even(a);                                   \
    return sem_##shape##_rounded(a, even + sem_##shape##_one((sem_v128)(even < a)));                     \
  }                                                                                                      \
  static inline sem_v128 sem_##shape##_trunc(sem_v128 vector) {                                          \
    sem_##shape a = (sem_##shape)sem_##shape##_abs(vector), whole = sem_##shape##_whole(a);              \
    return sem_##shape##_rounded((sem_##shape)vector, whole - sem_##shape##_one((sem_v128)(whole > a))); \
  }

SEM_FLOATS(f32x4, u32x4, 0x80000000u, 0x7FC00000u)
SEM_FLOATS(f64x2, u64x2, 0x8000000000000000u, 0x7FF8000000000000u)
SEM_FLOAT_MIN_MAX(f32x4)
SEM_FLOAT_MIN_MAX(f64x2)
SEM_ROUNDING(f32x4, u32x4, 0x80000000u, 0x00400000u, 0x1p23f)
SEM_ROUNDING(f64x2, u64x2, 0x8000000000000000u, 0x0008000000000000u, 0x1p52)
#undef SEM_FLOATS
#undef SEM_FLOAT_MIN_MAX
#undef SEM_ROUNDING

/* ---- Conversions ---- */

SEM_V1(f32x4_convert_i32x4_s, s32x4, __builtin_convertvector(a, sem_f32x4))
SEM_V1(f32x4_convert_i32x4_u, u32x4, __builtin_convertvector(a, sem_f32x4))
SEM_V1(f64x2_convert_low_i32x4_s, s32x4, ((sem_f64x2){(double)a[0], (double)a[1]}))
SEM_V1(f64x2_convert_low_i32x4_u, u32x4, ((sem_f64x2){(double)a[0], (double)a[1]}))
SEM_V1(f64x2_promote_low_f32x4, f32x4, ((sem_f64x2){(double)a[0], (double)a[1]}))
SEM_V1(f32x4_demote_f64x2_zero, f64x2, ((sem_f32x4){(float)a[0], (float)a[1], 0, 0}))

/* Truncation. What the integers have no room for is made 0 before it is converted, and a limit afterwards. */
static inline sem_v128 sem_i32x4_trunc_sat_f32x4_s(sem_v128 vector) {
  sem_f32x4 a = (sem_f32x4)vector;
  sem_f32x4 fitting = (sem_f32x4)(vector & (sem_v128)(a >= -0x1p31f) & (sem_v128)(a < 0x1p31f));
  sem_u32x4 least = (sem_u32x4)(a < -0x1p31f) & 0x80000000u, most = (sem_u32x4)(a >= 0x1p31f) & 0x7FFFFFFFu;
  return (sem_v128)((sem_u32x4) __builtin_convertvector(fitting, sem_s32x4) | least | most);
}
static inline sem_v128 sem_i32x4_trunc_sat_f32x4_u(sem_v128 vector) {
  sem_f32x4 a = (sem_f32x4)vector;
  sem_f32x4 fitting = (sem_f32x4)(vector & (sem_v128)(a > 0.0f) & (sem_v128)(a < 0x1p32f));
  return (sem_v128)(__builtin_convertvector(fitting, sem_u32x4) | (sem_u32x4)(a >= 0x1p32f));
}
static inline sem_v128 sem_i32x4_trunc_sat_f64x2_s_zero(sem_v128 a) {
  return (sem_v128)(sem_u32x4){sem_i32_trunc_sat_f64_s(((sem_f64x2)a)[0]), sem_i32_trunc_sat_f64_s(((sem_f64x2)a)[1])};
}
static inline sem_v128 sem_i32x4_trunc_sat_f64x2_u_zero(sem_v128 a) {
  return (sem_v128)(sem_u32x4){sem_i32_trunc_sat_f64_u(((sem_f64x2)a)[0]), sem_i32_trunc_sat_f64_u(((sem_f64x2)a)[1])};
}

#endif
