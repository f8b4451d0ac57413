/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Vector instructions on integers and bits. Included by sem_simd.h only. */
#ifndef MODULE_OPS_SEM_SIMD_INT_H
#define MODULE_OPS_SEM_SIMD_INT_H

/* ---- Bits ---- */

SEM_V1(v128_not, u64x2, ~a)
SEM_V2(v128_and, u64x2, a &b)
SEM_V2(v128_andnot, u64x2, a & ~b)
SEM_V2(v128_or, u64x2, a | b)
SEM_V2(v128_xor, u64x2, a ^ b)
static inline sem_v128 sem_v128_bitselect(sem_v128 a, sem_v128 b, sem_v128 mask) { return sem_choose(mask, a, b); }
static inline uint32_t sem_v128_any_true(sem_v128 a) { return (a[0] | a[1]) != 0; }

/* ---- Comparisons ---- */

#define SEM_COMPARISONS(shape, signed_lanes, unsigned_lanes) \
  SEM_V2(shape##_eq, unsigned_lanes, a == b)                 \
  SEM_V2(shape##_ne, unsigned_lanes, a != b)                 \
  SEM_V2(shape##_lt_s, signed_lanes, a < b)                  \
  SEM_V2(shape##_gt_s, signed_lanes, a > b)                  \
  SEM_V2(shape##_le_s, signed_lanes, a <= b)                 \
  SEM_V2(shape##_ge_s, signed_lanes, a >= b)
#define SEM_UNSIGNED_COMPARISONS(shape, lanes) \
  SEM_V2(shape##_lt_u, lanes, a < b)           \
  SEM_V2(shape##_gt_u, lanes, a > b)           \
  SEM_V2(shape##_le_u, lanes, a <= b)          \
  SEM_V2(shape##_ge_u, lanes, a >= b)
SEM_COMPARISONS(i8x16, s8x16, u8x16)
SEM_COMPARISONS(i16x8, s16x8, u16x8)
SEM_COMPARISONS(i32x4, s32x4, u32x4)
SEM_COMPARISONS(i64x2, s64x2, u64x2)
SEM_UNSIGNED_COMPARISONS(i8x16, u8x16)
SEM_UNSIGNED_COMPARISONS(i16x8, u16x8)
SEM_UNSIGNED_COMPARISONS(i32x4, u32x4)
#undef SEM_COMPARISONS
#undef SEM_UNSIGNED_COMPARISONS

/* ---- Arithmetic ---- */

#define SEM_ARITHMETIC(shape, signed_lanes, unsigned_lanes, bits)                            \
  SEM_V2(shape##_add, unsigned_lanes, a + b)                                                 \
  SEM_V2(shape##_sub, unsigned_lanes, a - b)                                                 \
  SEM_V1(shape##_neg, unsigned_lanes, -a)                                                    \
  static inline sem_v128 sem_##shape##_abs(sem_v128 a) {                                     \
    sem_##unsigned_lanes sign = (sem_##unsigned_lanes)((sem_##signed_lanes)a >> (bits - 1)); \
    return (sem_v128)(((sem_##unsigned_lanes)a ^ sign) - sign);                              \
  }                                                                                          \
  static inline sem_v128 sem_##shape##_shl(sem_v128 a, uint32_t count) {                     \
    return (sem_v128)((sem_##unsigned_lanes)a << (count & (bits - 1)));                      \
  }                                                                                          \
  static inline sem_v128 sem_##shape##_shr_s(sem_v128 a, uint32_t count) {                   \
    return (sem_v128)((sem_##signed_lanes)a >> (count & (bits - 1)));                        \
  }                                                                                          \
  static inline sem_v128 sem_##shape##_shr_u(sem_v128 a, uint32_t count) {                   \
    return (sem_v128)((sem_##unsigned_lanes)a >> (count & (bits - 1)));                      \
  }
SEM_ARITHMETIC(i8x16, s8x16, u8x16, 8)
SEM_ARITHMETIC(i16x8, s16x8, u16x8, 16)
SEM_ARITHMETIC(i32x4, s32x4, u32x4, 32)
SEM_ARITHMETIC(i64x2, s64x2, u64x2, 64)
#undef SEM_ARITHMETIC
SEM_V2(i16x8_mul, u16x8, a *b)
SEM_V2(i32x4_mul, u32x4, a *b)
SEM_V2(i64x2_mul, u64x2, a *b)

#define SEM_MIN_MAX(shape, signed_lanes, unsigned_lanes)         \
  SEM_V2(shape##_min_s, signed_lanes, SEM_CHOOSE(a < b, a, b))   \
  SEM_V2(shape##_min_u, unsigned_lanes, SEM_CHOOSE(a < b, a, b)) \
  SEM_V2(shape##_max_s, signed_lanes, SEM_CHOOSE(a > b, a, b))   \
  SEM_V2(shape##_max_u, unsigned_lanes, SEM_CHOOSE(a > b, a, b))
SEM_MIN_MAX(i8x16, s8x16, u8x16)
SEM_MIN_MAX(i16x8, s16x8, u16x8)
SEM_MIN_MAX(i32x4, s32x4, u32x4)
#undef SEM_MIN_MAX

/* Signed overflow of a + b shows where the result's sign differs from both operands', of a - b where a's sign differs
 * from b's and from the result's. Then the result is the largest number, or the smallest when a is negative. */
#if __has_builtin(__builtin_elementwise_add_sat)
#define SEM_SATURATING_SIGNED(shape, s, u, bits)                    \
  SEM_V2(shape##_add_sat_s, s, __builtin_elementwise_add_sat(a, b)) \
  SEM_V2(shape##_sub_sat_s, s, __builtin_elementwise_sub_sat(a, b))
#else
#define SEM_SATURATING_SIGNED(shape, s, u, bits)                                                                      \
  static inline sem_v128 sem_##shape##_saturated(sem_##s a, sem_##s overflow, sem_##s wrapped) {                      \
    sem_##s limit = a >> (bits - 1) ^ INT##bits##_MAX;                                                                \
    return SEM_CHOOSE(overflow >> (bits - 1), limit, wrapped);                                                        \
  }                                                                                                                   \
  SEM_V2(shape##_add_sat_s, s,                                                                                        \
         sem_##shape##_saturated(a,                                                                                   \
                                 (a ^ (sem_##s)((sem_##u)a + (sem_##u)b)) & (b ^ (sem_##s)((sem_##u)a + (sem_##u)b)), \
                                 (sem_##s)((sem_##u)a + (sem_##u)b)))                                                 \
  SEM_V2(shape##_sub_sat_s, s,                                                                                        \
         sem_##shape##_saturated(a, (a ^ b) & (a ^ (sem_##s)((sem_##u)a - (sem_##u)b)),                               \
                                 (sem_##s)((sem_##u)a - (sem_##u)b)))
#endif
#define SEM_SATURATING(shape, s, u, bits)                        \
  SEM_SATURATING_SIGNED(shape, s, u, bits)                       \
  SEM_V2(shape##_add_sat_u, u, (a + b) | (sem_##u)((a + b) < a)) \
  SEM_V2(shape##_sub_sat_u, u, (a - b) & (sem_##u)(a > b))
SEM_SATURATING(i8x16, s8x16, u8x16, 8)
SEM_SATURATING(i16x8, s16x8, u16x8, 16)
#undef SEM_SATURATING
#undef SEM_SATURATING_SIGNED

/* The average rounded up, without a wider type. */
SEM_V2(i8x16_avgr_u, u8x16, (a | b) - ((a ^ b) >> 1))
SEM_V2(i16x8_avgr_u, u16x8, (a | b) - ((a ^ b) >> 1))

/* Counts of pairs, fours and eights of bits. */
static inline sem_v128 sem_i8x16_popcnt(sem_v128 vector) {
  sem_u8x16 a = (sem_u8x16)vector;
  a = a - ((a >> 1) & 0x55);
  a = (a & 0x33) + ((a >> 2) & 0x33);
  return (sem_v128)((a + (a >> 4)) & 0x0F);
}

/* ---- Widening. Low: the first half of the lanes; the upper half of a wide lane is the sign or zero. ---- */

#define SEM_LOW_8(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define SEM_HIGH_8(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define SEM_LOW_16(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define SEM_HIGH_16(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define SEM_LOW_32(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define SEM_HIGH_32(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define SEM_WIDENING(wide, narrow, s, u, wide_u, bits)                            \
  SEM_V1(wide##_extend_low_##narrow##_s, s, SEM_LOW_##bits(a, a >> (bits - 1)))   \
  SEM_V1(wide##_extend_high_##narrow##_s, s, SEM_HIGH_##bits(a, a >> (bits - 1))) \
  SEM_V1(wide##_extend_low_##narrow##_u, u, SEM_LOW_##bits(a, (sem_##u){0}))      \
  SEM_V1(wide##_extend_high_##narrow##_u, u, SEM_HIGH_##bits(a, (sem_##u){0}))    \
  SEM_V2(wide##_extmul_low_##narrow##_s, wide_u,                                  \
         (sem_##wide_u)sem_##wide##_extend_low_##narrow##_s((sem_v128)a) *        \
             (sem_##wide_u)sem_##wide##_extend_low_##narrow##_s((sem_v128)b))     \
  SEM_V2(wide##_extmul_high_##narrow##_s, wide_u,                                 \
         (sem_##wide_u)sem_##wide##_extend_high_##narrow##_s((sem_v128)a) *       \
             (sem_##wide_u)sem_##wide##_extend_high_##narrow##_s((sem_v128)b))    \
  SEM_V2(wide##_extmul_low_##narrow##_u, wide_u,                                  \
         (sem_##wide_u)sem_##wide##_extend_low_##narrow##_u((sem_v128)a) *        \
             (sem_##wide_u)sem_##wide##_extend_low_##narrow##_u((sem_v128)b))     \
  SEM_V2(wide##_extmul_high_##narrow##_u, wide_u,                                 \
         (sem_##wide_u)sem_##wide##_extend_high_##narrow##_u((sem_v128)a) *       \
             (sem_##wide_u)sem_##wide##_extend_high_##narrow##_u((sem_v128)b))
SEM_WIDENING(i16x8, i8x16, s8x16, u8x16, u16x8, 8)
SEM_WIDENING(i32x4, i16x8, s16x8, u16x8, u32x4, 16)
SEM_WIDENING(i64x2, i32x4, s32x4, u32x4, u64x2, 32)
#undef SEM_WIDENING

/* The two narrow lanes that lie in a wide one, widened: the even one has the lower address. */
#define SEM_EVEN_S(vector, wide_s, wide_u, bits) ((sem_##wide_s)((sem_##wide_u)(vector) << bits) >> bits)
#define SEM_ODD_S(vector, wide_s, bits) ((sem_##wide_s)(vector) >> bits)
SEM_V1(i16x8_extadd_pairwise_i8x16_s, u16x8, SEM_EVEN_S(a, s16x8, u16x8, 8) + SEM_ODD_S(a, s16x8, 8))
SEM_V1(i16x8_extadd_pairwise_i8x16_u, u16x8, (a & 0xFF) + (a >> 8))
SEM_V1(i32x4_extadd_pairwise_i16x8_s, u32x4, SEM_EVEN_S(a, s32x4, u32x4, 16) + SEM_ODD_S(a, s32x4, 16))
SEM_V1(i32x4_extadd_pairwise_i16x8_u, u32x4, (a & 0xFFFF) + (a >> 16))

/* ---- Narrowing: a's lanes, then b's, each to the nearest number that fits. Both in one vector of 32 bytes on the
 * way, which compilers recognise. ---- */

typedef int16_t sem_s16x16 __attribute__((vector_size(32)));
typedef int32_t sem_s32x8 __attribute__((vector_size(32)));
#define SEM_JOIN_16(a, b) \
  __builtin_shufflevector((sem_s16x8)a, (sem_s16x8)b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define SEM_JOIN_32(a, b) __builtin_shufflevector((sem_s32x4)a, (sem_s32x4)b, 0, 1, 2, 3, 4, 5, 6, 7)
#define SEM_NARROW(name, wide, join, narrow, low, high)                      \
  static inline sem_v128 sem_##name(sem_v128 a, sem_v128 b) {                \
    wide all = join(a, b), least = (wide){0} + low, most = (wide){0} + high; \
    all = (all & (all > least)) | (least & ~(all > least));                  \
    all = (all & (all < most)) | (most & ~(all < most));                     \
    return (sem_v128) __builtin_convertvector(all, narrow);                  \
  }
SEM_NARROW(i8x16_narrow_i16x8_s, sem_s16x16, SEM_JOIN_16, sem_s8x16, INT8_MIN, INT8_MAX)
SEM_NARROW(i8x16_narrow_i16x8_u, sem_s16x16, SEM_JOIN_16, sem_u8x16, 0, UINT8_MAX)
SEM_NARROW(i16x8_narrow_i32x4_s, sem_s32x8, SEM_JOIN_32, sem_s16x8, INT16_MIN, INT16_MAX)
SEM_NARROW(i16x8_narrow_i32x4_u, sem_s32x8, SEM_JOIN_32, sem_u16x8, 0, UINT16_MAX)
#undef SEM_NARROW

/* ---- Products of signed 16-bit lanes, in 32 bits ---- */

/* A macro: GCC has no convention for returning 32 bytes without AVX. */
#define SEM_PRODUCTS(a, b) \
  (__builtin_convertvector((sem_s16x8)(a), sem_s32x8) * __builtin_convertvector((sem_s16x8)(b), sem_s32x8))
/* Neighbours added. Only -32768 * -32768 twice is out of range, and wraps. */
static inline sem_v128 sem_i32x4_dot_i16x8_s(sem_v128 a, sem_v128 b) {
  sem_s32x8 products = SEM_PRODUCTS(a, b);
  return (sem_v128)((sem_u32x4)__builtin_shufflevector(products, products, 0, 2, 4, 6) +
                    (sem_u32x4)__builtin_shufflevector(products, products, 1, 3, 5, 7));
}
/* Numbers with 15 bits behind the point, rounded. Only -1 * -1 does not fit; SATURATED: it becomes the largest. */
static inline sem_v128 sem_i16x8_q15mulr_sat_s(sem_v128 a, sem_v128 b) {
  sem_s32x8 rounded = (SEM_PRODUCTS(a, b) + 0x4000) >> 15, most = (sem_s32x8){0} + INT16_MAX;
  rounded = (rounded & (rounded < most)) | (most & ~(rounded < most));
  return (sem_v128) __builtin_convertvector(rounded, sem_s16x8);
}

/* ---- Reductions ---- */

#define SEM_ALL_TRUE(shape, lanes)                            \
  static inline uint32_t sem_##shape##_all_true(sem_v128 a) { \
    sem_v128 zeros = (sem_v128)((sem_##lanes)a == 0);         \
    return (zeros[0] | zeros[1]) == 0;                        \
  }
SEM_ALL_TRUE(i8x16, u8x16)
SEM_ALL_TRUE(i16x8, u16x8)
SEM_ALL_TRUE(i32x4, u32x4)
SEM_ALL_TRUE(i64x2, u64x2)
#undef SEM_ALL_TRUE

/* The lanes' signs, lane 0 in the lowest bit. clang has vectors of bits, which it takes from the sign bits at once. */
#if defined(__clang__)
#define SEM_BITMASK(shape, lanes, count)                            \
  static inline uint32_t sem_##shape##_bitmask(sem_v128 a) {        \
    typedef _Bool bits __attribute__((ext_vector_type(count)));     \
    bits signs = __builtin_convertvector((sem_##lanes)a < 0, bits); \
    uint32_t mask = 0;                                              \
    memcpy(&mask, &signs, sizeof signs);                            \
    return mask & (((uint32_t)1 << count) - 1);                     \
  }
#else
#define SEM_BITMASK(shape, lanes, count)                                                   \
  static inline uint32_t sem_##shape##_bitmask(sem_v128 a) {                               \
    uint32_t mask = 0;                                                                     \
    for (unsigned i = 0; i < count; i++) mask |= (uint32_t)(((sem_##lanes)a)[i] < 0) << i; \
    return mask;                                                                           \
  }
#endif
SEM_BITMASK(i8x16, s8x16, 16)
SEM_BITMASK(i16x8, s16x8, 8)
SEM_BITMASK(i32x4, s32x4, 4)
SEM_BITMASK(i64x2, s64x2, 2)
#undef SEM_BITMASK

#endif
