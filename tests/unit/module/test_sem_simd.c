/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The meaning of vector instructions: each lane is compared with the same computed on one number, for pairs from a set
 * of vectors whose lanes are limits of every width, and pseudo-random ones. Then the corners of floats, of relaxed
 * instructions and of wide arithmetic. */
#include "module/ops/sem_simd.h"
#include "test.h"

#include <stdbool.h>

enum { VECTORS = 40 };
static sem_v128 vectors[VECTORS];

static void make_vectors(void) {
  static const uint64_t limits[] = {
      0,
      UINT64_MAX,
      0x8080808080808080,
      0x7F7F7F7F7F7F7F7F,
      0x8000800080008000,
      0x7FFF7FFF7FFF7FFF,
      0x8000000080000000,
      0x7FFFFFFF7FFFFFFF,
      UINT64_C(1) << 63,
      INT64_MAX,
      0x0001020304050607,
      0x8081FF7F00017E80,
  };
  uint64_t state = 0x9E3779B97F4A7C15;
  for (unsigned i = 0; i < VECTORS; i++)
    for (unsigned half = 0; half < 2; half++) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      unsigned limit = (i * (half ? 5 : 1) + half) % (sizeof limits / sizeof limits[0]);
      vectors[i][half] = i < VECTORS / 2 ? limits[limit] : state;
    }
}

/* Lanes of a result that are not what `expression`, of the operands' lanes a and b, gives. */
#define WRONG(op, lane, expression)                                \
  ({                                                               \
    unsigned wrong = 0;                                            \
    for (unsigned i = 0; i < VECTORS * VECTORS; i++) {             \
      sem_v128 x = vectors[i / VECTORS], y = vectors[i % VECTORS]; \
      sem_v128 z = sem_##op(x, y);                                 \
      for (unsigned k = 0; k < 16 / sizeof(lane); k++) {           \
        lane a, b, got;                                            \
        memcpy(&a, (char *)&x + k * sizeof a, sizeof a);           \
        memcpy(&b, (char *)&y + k * sizeof b, sizeof b);           \
        memcpy(&got, (char *)&z + k * sizeof got, sizeof got);     \
        (void)b;                                                   \
        if (got != (lane)(expression)) wrong++;                    \
      }                                                            \
    }                                                              \
    wrong;                                                         \
  })
#define IGNORING_SECOND(op) \
  static sem_v128 sem_##op##_of_first(sem_v128 a, sem_v128 b) { return (void)b, sem_##op(a); }
#define CHECK_LANES(op, lane, expression) CHECK_INT(WRONG(op, lane, expression), 0)
#define CHECK_LANES_UNARY(op, lane, expression) CHECK_INT(WRONG(op##_of_first, lane, expression), 0)

#define TEST_INTEGERS(shape, bits, s, u)                                               \
  IGNORING_SECOND(shape##_neg) IGNORING_SECOND(shape##_abs) TEST(shape##_arithmetic) { \
    CHECK_LANES(shape##_add, u, a + b);                                                \
    CHECK_LANES(shape##_sub, u, a - b);                                                \
    CHECK_LANES_UNARY(shape##_neg, u, -a);                                             \
    CHECK_LANES_UNARY(shape##_abs, u, (s)a < 0 ? -a : a);                              \
    CHECK_LANES(shape##_eq, u, a == b ? -1 : 0);                                       \
    CHECK_LANES(shape##_ne, u, a != b ? -1 : 0);                                       \
    CHECK_LANES(shape##_lt_s, s, a < b ? -1 : 0);                                      \
    CHECK_LANES(shape##_gt_s, s, a > b ? -1 : 0);                                      \
    CHECK_LANES(shape##_le_s, s, a <= b ? -1 : 0);                                     \
    CHECK_LANES(shape##_ge_s, s, a >= b ? -1 : 0);                                     \
    for (unsigned i = 0; i < VECTORS; i++) {                                           \
      uint32_t signs = 0, zeros = 0;                                                   \
      for (unsigned k = 0; k < 128 / bits; k++) {                                      \
        s lane;                                                                        \
        memcpy(&lane, (char *)&vectors[i] + k * sizeof lane, sizeof lane);             \
        signs |= (uint32_t)(lane < 0) << k;                                            \
        zeros += lane == 0;                                                            \
      }                                                                                \
      CHECK_INT(sem_##shape##_bitmask(vectors[i]), signs);                             \
      CHECK_INT(sem_##shape##_all_true(vectors[i]), zeros == 0);                       \
    }                                                                                  \
  }                                                                                    \
  static uint32_t shape##_count;                                                       \
  static sem_v128 sem_##shape##_shl_some(sem_v128 a, sem_v128 b) {                     \
    return (void)b, sem_##shape##_shl(a, shape##_count);                               \
  }                                                                                    \
  static sem_v128 sem_##shape##_shr_s_some(sem_v128 a, sem_v128 b) {                   \
    return (void)b, sem_##shape##_shr_s(a, shape##_count);                             \
  }                                                                                    \
  static sem_v128 sem_##shape##_shr_u_some(sem_v128 a, sem_v128 b) {                   \
    return (void)b, sem_##shape##_shr_u(a, shape##_count);                             \
  }                                                                                    \
  TEST(shape##_shifts) {                                                               \
    static const uint32_t counts[] = {0, 1, bits - 1, bits, bits + 3, UINT32_MAX};     \
    for (unsigned n = 0; n < sizeof counts / sizeof counts[0]; n++) {                  \
      shape##_count = counts[n];                                                       \
      CHECK_LANES(shape##_shl_some, u, (u)(a << (counts[n] % bits)));                  \
      CHECK_LANES(shape##_shr_s_some, s, a >> (counts[n] % bits));                     \
      CHECK_LANES(shape##_shr_u_some, u, a >> (counts[n] % bits));                     \
    }                                                                                  \
  }
TEST_INTEGERS(i8x16, 8, int8_t, uint8_t)
TEST_INTEGERS(i16x8, 16, int16_t, uint16_t)
TEST_INTEGERS(i32x4, 32, int32_t, uint32_t)
TEST_INTEGERS(i64x2, 64, int64_t, uint64_t)

static int64_t clamp(int64_t value, int64_t least, int64_t most) {
  return value < least ? least : value > most ? most : value;
}

IGNORING_SECOND(i8x16_popcnt)
TEST(what_some_shapes_have) {
  CHECK_LANES(i8x16_lt_u, uint8_t, a < b ? -1 : 0);
  CHECK_LANES(i16x8_ge_u, uint16_t, a >= b ? -1 : 0);
  CHECK_LANES(i32x4_gt_u, uint32_t, a > b ? -1 : 0);
  CHECK_LANES(i32x4_le_u, uint32_t, a <= b ? -1 : 0);
  CHECK_LANES(i8x16_min_s, int8_t, a < b ? a : b);
  CHECK_LANES(i8x16_max_u, uint8_t, a > b ? a : b);
  CHECK_LANES(i16x8_min_u, uint16_t, a < b ? a : b);
  CHECK_LANES(i16x8_max_s, int16_t, a > b ? a : b);
  CHECK_LANES(i32x4_min_u, uint32_t, a < b ? a : b);
  CHECK_LANES(i32x4_max_s, int32_t, a > b ? a : b);
  CHECK_LANES(i8x16_add_sat_s, int8_t, clamp((int64_t)a + b, INT8_MIN, INT8_MAX));
  CHECK_LANES(i8x16_sub_sat_s, int8_t, clamp((int64_t)a - b, INT8_MIN, INT8_MAX));
  CHECK_LANES(i16x8_add_sat_s, int16_t, clamp((int64_t)a + b, INT16_MIN, INT16_MAX));
  CHECK_LANES(i16x8_sub_sat_s, int16_t, clamp((int64_t)a - b, INT16_MIN, INT16_MAX));
  CHECK_LANES(i8x16_add_sat_u, uint8_t, clamp((int64_t)a + b, 0, UINT8_MAX));
  CHECK_LANES(i8x16_sub_sat_u, uint8_t, clamp((int64_t)a - b, 0, UINT8_MAX));
  CHECK_LANES(i16x8_add_sat_u, uint16_t, clamp((int64_t)a + b, 0, UINT16_MAX));
  CHECK_LANES(i16x8_sub_sat_u, uint16_t, clamp((int64_t)a - b, 0, UINT16_MAX));
  CHECK_LANES(i8x16_avgr_u, uint8_t, (a + b + 1) / 2);
  CHECK_LANES(i16x8_avgr_u, uint16_t, (a + b + 1) / 2);
  CHECK_LANES_UNARY(i8x16_popcnt, uint8_t, __builtin_popcount(a));
  CHECK_LANES(i16x8_mul, uint16_t, (uint32_t)a *b);
  CHECK_LANES(i32x4_mul, uint32_t, a *b);
  CHECK_LANES(i64x2_mul, uint64_t, a *b);
  CHECK_LANES(i16x8_q15mulr_sat_s, int16_t, clamp(((int64_t)a * b + 0x4000) >> 15, INT16_MIN, INT16_MAX));
  CHECK_LANES(i16x8_relaxed_q15mulr_s, int16_t, ((int64_t)a * b + 0x4000) >> 15);
}

/* ---- Between widths ---- */

#define LANE(vector, type, k) (((const type *)&(vector))[k]) /* compiled with -fno-strict-aliasing */

#define TEST_WIDENING(wide, narrow, sn, un, sw, uw, count)                                                         \
  TEST(wide##_from_##narrow) {                                                                                     \
    unsigned wrong = 0;                                                                                            \
    for (unsigned i = 0; i < VECTORS * VECTORS; i++) {                                                             \
      sem_v128 x = vectors[i / VECTORS], y = vectors[i % VECTORS];                                                 \
      sem_v128 low_s = sem_##wide##_extend_low_##narrow##_s(x), high_s = sem_##wide##_extend_high_##narrow##_s(x); \
      sem_v128 low_u = sem_##wide##_extend_low_##narrow##_u(x), high_u = sem_##wide##_extend_high_##narrow##_u(x); \
      sem_v128 mul_low_s = sem_##wide##_extmul_low_##narrow##_s(x, y);                                             \
      sem_v128 mul_high_s = sem_##wide##_extmul_high_##narrow##_s(x, y);                                           \
      sem_v128 mul_low_u = sem_##wide##_extmul_low_##narrow##_u(x, y);                                             \
      sem_v128 mul_high_u = sem_##wide##_extmul_high_##narrow##_u(x, y);                                           \
      for (unsigned k = 0; k < count; k++) {                                                                       \
        wrong += LANE(low_s, sw, k) != LANE(x, sn, k);                                                             \
        wrong += LANE(high_s, sw, k) != LANE(x, sn, count + k);                                                    \
        wrong += LANE(low_u, uw, k) != LANE(x, un, k);                                                             \
        wrong += LANE(high_u, uw, k) != LANE(x, un, count + k);                                                    \
        wrong += LANE(mul_low_s, sw, k) != (sw)LANE(x, sn, k) * LANE(y, sn, k);                                    \
        wrong += LANE(mul_high_s, sw, k) != (sw)LANE(x, sn, count + k) * LANE(y, sn, count + k);                   \
        wrong += LANE(mul_low_u, uw, k) != (uw)((uw)LANE(x, un, k) * LANE(y, un, k));                              \
        wrong += LANE(mul_high_u, uw, k) != (uw)((uw)LANE(x, un, count + k) * LANE(y, un, count + k));             \
      }                                                                                                            \
    }                                                                                                              \
    CHECK_INT(wrong, 0);                                                                                           \
  }
TEST_WIDENING(i16x8, i8x16, int8_t, uint8_t, int16_t, uint16_t, 8)
TEST_WIDENING(i32x4, i16x8, int16_t, uint16_t, int32_t, uint32_t, 4)
TEST_WIDENING(i64x2, i32x4, int32_t, uint32_t, int64_t, uint64_t, 2)

TEST(narrowing) {
  unsigned wrong = 0;
  for (unsigned i = 0; i < VECTORS * VECTORS; i++) {
    sem_v128 xy[2] = {vectors[i / VECTORS], vectors[i % VECTORS]};
    sem_v128 bytes_s = sem_i8x16_narrow_i16x8_s(xy[0], xy[1]), bytes_u = sem_i8x16_narrow_i16x8_u(xy[0], xy[1]);
    sem_v128 words_s = sem_i16x8_narrow_i32x4_s(xy[0], xy[1]), words_u = sem_i16x8_narrow_i32x4_u(xy[0], xy[1]);
    for (unsigned k = 0; k < 16; k++) {
      wrong += LANE(bytes_s, int8_t, k) != clamp(LANE(xy, int16_t, k), INT8_MIN, INT8_MAX);
      wrong += LANE(bytes_u, uint8_t, k) != clamp(LANE(xy, int16_t, k), 0, UINT8_MAX);
    }
    for (unsigned k = 0; k < 8; k++) {
      wrong += LANE(words_s, int16_t, k) != clamp(LANE(xy, int32_t, k), INT16_MIN, INT16_MAX);
      wrong += LANE(words_u, uint16_t, k) != clamp(LANE(xy, int32_t, k), 0, UINT16_MAX);
    }
  }
  CHECK_INT(wrong, 0);
}

TEST(pairs) {
  unsigned wrong = 0;
  for (unsigned i = 0; i < VECTORS * VECTORS; i++) {
    sem_v128 x = vectors[i / VECTORS], y = vectors[i % VECTORS], z = vectors[(i + 7) % VECTORS];
    sem_v128 words_s = sem_i16x8_extadd_pairwise_i8x16_s(x), words_u = sem_i16x8_extadd_pairwise_i8x16_u(x);
    sem_v128 longs_s = sem_i32x4_extadd_pairwise_i16x8_s(x), longs_u = sem_i32x4_extadd_pairwise_i16x8_u(x);
    sem_v128 dot = sem_i32x4_dot_i16x8_s(x, y), short_dot = sem_i16x8_relaxed_dot_i8x16_i7x16_s(x, y);
    sem_v128 long_dot = sem_i32x4_relaxed_dot_i8x16_i7x16_add_s(x, y, z);
    for (unsigned k = 0; k < 8; k++) {
      wrong += LANE(words_s, int16_t, k) != LANE(x, int8_t, 2 * k) + LANE(x, int8_t, 2 * k + 1);
      wrong += LANE(words_u, uint16_t, k) != LANE(x, uint8_t, 2 * k) + LANE(x, uint8_t, 2 * k + 1);
      wrong += LANE(short_dot, int16_t, k) != (int16_t)(LANE(x, int8_t, 2 * k) * LANE(y, int8_t, 2 * k) +
                                                        LANE(x, int8_t, 2 * k + 1) * LANE(y, int8_t, 2 * k + 1));
    }
    for (unsigned k = 0; k < 4; k++) {
      wrong += LANE(longs_s, int32_t, k) != LANE(x, int16_t, 2 * k) + LANE(x, int16_t, 2 * k + 1);
      wrong += LANE(longs_u, uint32_t, k) != (uint32_t)LANE(x, uint16_t, 2 * k) + LANE(x, uint16_t, 2 * k + 1);
      wrong += LANE(dot, uint32_t, k) != (uint32_t)(LANE(x, int16_t, 2 * k) * LANE(y, int16_t, 2 * k)) +
                                             (uint32_t)(LANE(x, int16_t, 2 * k + 1) * LANE(y, int16_t, 2 * k + 1));
      wrong += LANE(long_dot, uint32_t, k) !=
               (uint32_t)(LANE(short_dot, int16_t, 2 * k) + LANE(short_dot, int16_t, 2 * k + 1)) + LANE(z, uint32_t, k);
    }
  }
  CHECK_INT(wrong, 0);
}

/* ---- Lanes ---- */

TEST(lanes) {
  sem_v128 v = {0x0706050403020100, 0x8F0E0D0C0B0A0908};
  CHECK_INT(sem_i8x16_extract_lane_s(v, 15), 0xFFFFFF8F);
  CHECK_INT(sem_i8x16_extract_lane_u(v, 15), 0x8F);
  CHECK_INT(sem_i16x8_extract_lane_s(v, 7), 0xFFFF8F0E);
  CHECK_INT(sem_i64x2_extract_lane(v, 1), 0x8F0E0D0C0B0A0908);
  for (uint32_t lane = 0; lane < 16; lane++) {
    sem_v128 replaced = sem_i8x16_replace_lane(v, 0x1AB, lane);
    for (uint32_t k = 0; k < 16; k++)
      CHECK_INT(sem_i8x16_extract_lane_u(replaced, k), k == lane ? 0xAB : sem_i8x16_extract_lane_u(v, k));
  }
  CHECK_INT(sem_i64x2_replace_lane(v, 5, 1)[1], 5);
  CHECK_INT(sem_i64x2_replace_lane(v, 5, 1)[0], v[0]);
  CHECK_INT(sem_i16x8_splat(0x12345)[1], 0x2345234523452345);
  volatile uint32_t signaling = 0x7FA00001; /* bits of a float travel untouched */
  sem_v128 splat = sem_f32x4_splat(sem_f32_reinterpret_i32(signaling));
  CHECK_INT(splat[0], 0x7FA000017FA00001);
  CHECK_INT(sem_i32_reinterpret_f32(sem_f32x4_extract_lane(splat, 3)), 0x7FA00001);
  sem_v128 picked = sem_i8x16_shuffle(v, sem_i8x16_splat(0xEE), (sem_v128){0x1F0F101112130001, 0});
  CHECK_INT(picked[0], 0xEE8FEEEEEEEE0001);
  CHECK_INT(picked[1], 0);
  picked = sem_i8x16_swizzle(v, (sem_v128){0xFF100F0E80030201, 0x0F0F0F0F0F0F0F0F});
  CHECK_INT(picked[0], 0x00008F0E00030201);
  CHECK_INT(picked[1], 0x8F8F8F8F8F8F8F8F);
  CHECK_INT(sem_v128_load8x8_s(0x80FF7F0102030405)[1], 0xFF80FFFF007F0001);
  CHECK_INT(sem_v128_load32x2_u(0x80000000FFFFFFFF)[1], 0x80000000);
  CHECK_INT(sem_v128_load32_zero(7)[0], 7);
  CHECK_INT(sem_v128_any_true((sem_v128){0, 1}), 1);
  CHECK_INT(sem_v128_any_true((sem_v128){0, 0}), 0);
  CHECK_INT(sem_v128_bitselect(v, ~v, (sem_v128){0xF0, UINT64_MAX})[0], (v[0] & 0xF0) | (~v[0] & ~UINT64_C(0xF0)));
}

/* ---- Floats: as the scalar instructions, whose own test knows the corners ---- */

static const uint32_t floats[] = {0,          0x80000000, 1,          0x80000001, 0x3F000000, 0xBF000000,
                                  0x3F7FFFFF, 0xBF800000, 0x40200000, 0xC0200000, 0x4AFFFFFF, 0xCB000001,
                                  0x4F000000, 0xCF000000, 0xCF000001, 0x4F7FFFFF, 0x4F800000, 0x7F7FFFFF,
                                  0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00123, 0x7FA00001, 0xFFA00001};
static const uint64_t doubles[] = {0,
                                   UINT64_C(1) << 63,
                                   1,
                                   0x3FE0000000000000,
                                   0xBFE0000000000000,
                                   0x3FEFFFFFFFFFFFFF,
                                   0xBFF0000000000000,
                                   0x4004000000000000,
                                   0xC004000000000000,
                                   0x432FFFFFFFFFFFFF,
                                   0xC330000000000001,
                                   0x41DFFFFFFFC00000, /* INT32_MAX */
                                   0x41E0000000000000,
                                   0xC1E0000000000000,
                                   0xC1E00000001FFFFF,
                                   0xC1E0000000200000,
                                   0x41EFFFFFFFE00000, /* UINT32_MAX */
                                   0x41F0000000000000,
                                   0x7FEFFFFFFFFFFFFF,
                                   0x7FF0000000000000,
                                   0xFFF0000000000000,
                                   0x7FF8000000000000,
                                   0xFFF8000000000123,
                                   0x7FF4000000000001};
enum { FLOATS = sizeof floats / sizeof floats[0], DOUBLES = sizeof doubles / sizeof doubles[0] };

/* Equal bits; a NaN that was computed may be any quiet one. */
static bool same32(float a, float b) {
  uint32_t x = sem_i32_reinterpret_f32(a), y = sem_i32_reinterpret_f32(b);
  return x == y || ((x & 0x7FC00000) == 0x7FC00000 && (y & 0x7FC00000) == 0x7FC00000);
}
static bool same64(double a, double b) {
  uint64_t x = sem_i64_reinterpret_f64(a), y = sem_i64_reinterpret_f64(b), quiet = 0x7FF8000000000000;
  return x == y || ((x & quiet) == quiet && (y & quiet) == quiet);
}
static sem_v128 splat32(uint32_t bits) { return sem_i32x4_splat(bits); }
static sem_v128 splat64(uint64_t bits) { return sem_i64x2_splat(bits); }

#define CHECK_FLOAT1(op)                                                            \
  for (unsigned i = 0; i < FLOATS; i++)                                             \
    CHECK(same32(sem_f32x4_extract_lane(sem_f32x4_##op(splat32(floats[i])), i % 4), \
                 sem_f32_##op(sem_f32_reinterpret_i32(floats[i]))));                \
  for (unsigned i = 0; i < DOUBLES; i++)                                            \
  CHECK(same64(sem_f64x2_extract_lane(sem_f64x2_##op(splat64(doubles[i])), i % 2),  \
               sem_f64_##op(sem_f64_reinterpret_i64(doubles[i]))))
#define CHECK_FLOAT2(op)                                                                 \
  for (unsigned i = 0; i < FLOATS * FLOATS; i++) {                                       \
    uint32_t a = floats[i / FLOATS], b = floats[i % FLOATS];                             \
    CHECK(same32(sem_f32x4_extract_lane(sem_f32x4_##op(splat32(a), splat32(b)), i % 4),  \
                 sem_f32_##op(sem_f32_reinterpret_i32(a), sem_f32_reinterpret_i32(b)))); \
  }                                                                                      \
  for (unsigned i = 0; i < DOUBLES * DOUBLES; i++) {                                     \
    uint64_t a = doubles[i / DOUBLES], b = doubles[i % DOUBLES];                         \
    CHECK(same64(sem_f64x2_extract_lane(sem_f64x2_##op(splat64(a), splat64(b)), i % 2),  \
                 sem_f64_##op(sem_f64_reinterpret_i64(a), sem_f64_reinterpret_i64(b)))); \
  }
#define CHECK_FLOAT_COMPARISON(op)                                                                          \
  for (unsigned i = 0; i < FLOATS * FLOATS; i++) {                                                          \
    uint32_t a = floats[i / FLOATS], b = floats[i % FLOATS];                                                \
    uint32_t expected = 0 - sem_f32_##op(sem_f32_reinterpret_i32(a), sem_f32_reinterpret_i32(b));           \
    CHECK_INT(sem_i32x4_extract_lane(sem_f32x4_##op(splat32(a), splat32(b)), i % 4), expected);             \
  }                                                                                                         \
  for (unsigned i = 0; i < DOUBLES * DOUBLES; i++) {                                                        \
    uint64_t a = doubles[i / DOUBLES], b = doubles[i % DOUBLES];                                            \
    uint64_t expected = 0 - (uint64_t)sem_f64_##op(sem_f64_reinterpret_i64(a), sem_f64_reinterpret_i64(b)); \
    CHECK_INT(sem_i64x2_extract_lane(sem_f64x2_##op(splat64(a), splat64(b)), i % 2), expected);             \
  }

TEST(floats_as_scalars) {
  CHECK_FLOAT1(sqrt);
  CHECK_FLOAT1(ceil);
  CHECK_FLOAT1(floor);
  CHECK_FLOAT1(trunc);
  CHECK_FLOAT1(nearest);
  CHECK_FLOAT2(add);
  CHECK_FLOAT2(sub);
  CHECK_FLOAT2(mul);
  CHECK_FLOAT2(div);
  CHECK_FLOAT2(min);
  CHECK_FLOAT2(max);
  CHECK_FLOAT_COMPARISON(eq);
  CHECK_FLOAT_COMPARISON(ne);
  CHECK_FLOAT_COMPARISON(lt);
  CHECK_FLOAT_COMPARISON(gt);
  CHECK_FLOAT_COMPARISON(le);
  CHECK_FLOAT_COMPARISON(ge);
}

TEST(float_bits) {
  for (unsigned i = 0; i < FLOATS; i++) {
    CHECK_INT(sem_f32x4_abs(splat32(floats[i]))[0], splat32(floats[i] & 0x7FFFFFFF)[0]);
    CHECK_INT(sem_f32x4_neg(splat32(floats[i]))[1], splat32(floats[i] ^ 0x80000000)[0]);
  }
  CHECK_INT(sem_f64x2_neg(splat64(0x7FF4000000000001))[1], 0xFFF4000000000001);
  /* pmin and pmax give one of their operands, every bit of it: the first unless the second is really beyond it. */
  CHECK_INT(sem_f32x4_pmin(splat32(0), splat32(0x80000000))[0], 0);
  CHECK_INT(sem_f32x4_pmax(splat32(0x7FA00001), splat32(0x3F800000))[0], splat32(0x7FA00001)[0]);
  CHECK_INT(sem_f32x4_pmin(splat32(0x3F800000), splat32(0x7FA00001))[0], splat32(0x3F800000)[0]);
  CHECK_INT(sem_f64x2_pmin(splat64(0x4000000000000000), splat64(0x3FF0000000000000))[0], 0x3FF0000000000000);
}

TEST(conversions) {
  for (unsigned i = 0; i < FLOATS; i++) {
    float f = sem_f32_reinterpret_i32(floats[i]);
    uint32_t r;
    bool fits = sem_i32_trunc_f32_s(f, &r) == SEM_OK;
    CHECK_INT((uint32_t)sem_i32x4_trunc_sat_f32x4_s(splat32(floats[i]))[0], sem_i32_trunc_sat_f32_s(f));
    CHECK_INT((uint32_t)sem_i32x4_relaxed_trunc_f32x4_s(splat32(floats[i]))[0], fits ? r : 0x80000000);
    fits = sem_i32_trunc_f32_u(f, &r) == SEM_OK;
    CHECK_INT((uint32_t)sem_i32x4_trunc_sat_f32x4_u(splat32(floats[i]))[0], sem_i32_trunc_sat_f32_u(f));
    CHECK_INT((uint32_t)sem_i32x4_relaxed_trunc_f32x4_u(splat32(floats[i]))[0], fits ? r : UINT32_MAX);
    CHECK(same64(sem_f64x2_extract_lane(sem_f64x2_promote_low_f32x4(splat32(floats[i])), 1), (double)f));
    CHECK(same32(sem_f32x4_extract_lane(sem_f32x4_convert_i32x4_s(splat32(floats[i])), 2), (float)(int32_t)floats[i]));
    CHECK(same32(sem_f32x4_extract_lane(sem_f32x4_convert_i32x4_u(splat32(floats[i])), 2), (float)floats[i]));
    CHECK(same64(sem_f64x2_extract_lane(sem_f64x2_convert_low_i32x4_s(splat32(floats[i])), 1), (int32_t)floats[i]));
    CHECK(same64(sem_f64x2_extract_lane(sem_f64x2_convert_low_i32x4_u(splat32(floats[i])), 1), floats[i]));
  }
  for (unsigned i = 0; i < DOUBLES; i++) {
    double d = sem_f64_reinterpret_i64(doubles[i]);
    sem_v128 from = {doubles[i], 0}, s = sem_i32x4_trunc_sat_f64x2_s_zero(from);
    CHECK_INT(s[0], sem_i32_trunc_sat_f64_s(d));
    CHECK_INT(s[1], 0);
    CHECK_INT(sem_i32x4_trunc_sat_f64x2_u_zero(from)[0], sem_i32_trunc_sat_f64_u(d));
    uint32_t r;
    bool fits = sem_i32_trunc_f64_s(d, &r) == SEM_OK;
    CHECK_INT(sem_i32x4_relaxed_trunc_f64x2_s_zero(from)[0], fits ? r : 0x80000000);
    fits = sem_i32_trunc_f64_u(d, &r) == SEM_OK;
    CHECK_INT(sem_i32x4_relaxed_trunc_f64x2_u_zero(from)[0], fits ? r : UINT32_MAX);
    sem_v128 demoted = sem_f32x4_demote_f64x2_zero(from);
    CHECK(same32(sem_f32x4_extract_lane(demoted, 0), (float)d));
    CHECK_INT(demoted[1], 0);
  }
}

TEST(relaxed) {
  sem_v128 nan = splat32(0x7FC00000), one = splat32(0x3F800000), zero = splat32(0), minus_zero = splat32(0x80000000);
  CHECK_INT(sem_f32x4_relaxed_min(nan, one)[0], one[0]);
  CHECK_INT(sem_f32x4_relaxed_min(one, nan)[0], nan[0]);
  CHECK_INT(sem_f32x4_relaxed_max(zero, minus_zero)[0], minus_zero[0]);
  CHECK_INT(sem_f32x4_relaxed_max(zero, one)[0], one[0]);
  /* (1 + 2^-23)^2 - 1 is 2^-22 when the product is rounded first. */
  sem_v128 a = splat32(0x3F800001);
  CHECK_INT((uint32_t)sem_f32x4_relaxed_madd(a, a, splat32(0xBF800000))[0], 0x34800000);
  CHECK_INT((uint32_t)sem_f32x4_relaxed_nmadd(a, a, one)[0], 0xB4800000);
  sem_v128 b = splat64(0x3FF0000000000001);
  CHECK_INT(sem_f64x2_relaxed_madd(b, b, splat64(0xBFF0000000000000))[0], 0x3CC0000000000000);
  CHECK_INT(sem_f64x2_relaxed_nmadd(b, b, splat64(0x3FF0000000000000))[0], 0xBCC0000000000000);
}

#define CHECK_WIDE(call, expected_low, expected_high) \
  do {                                                \
    struct sem_wide wide = (call);                    \
    CHECK_INT(wide.low, (uint64_t)(expected_low));    \
    CHECK_INT(wide.high, (uint64_t)(expected_high));  \
  } while (0)
TEST(wide_arithmetic) {
  CHECK_WIDE(sem_i64_add128(UINT64_MAX, 1, 1, 2), 0, 4);
  CHECK_WIDE(sem_i64_add128(UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX - 1, UINT64_MAX);
  CHECK_WIDE(sem_i64_sub128(0, 5, 1, 2), UINT64_MAX, 2);
  CHECK_WIDE(sem_i64_sub128(0, 0, 0, 1), 0, UINT64_MAX);
  CHECK_WIDE(sem_i64_mul_wide_u(UINT64_MAX, UINT64_MAX), 1, UINT64_MAX - 1);
  CHECK_WIDE(sem_i64_mul_wide_u(0x123456789ABCDEF0, 0xFEDCBA9876543210), 0x236D88FE5618CF00, 0x121FA00AD77D7422);
  CHECK_WIDE(sem_i64_mul_wide_s(UINT64_MAX, UINT64_MAX), 1, 0);
  CHECK_WIDE(sem_i64_mul_wide_s(UINT64_MAX, 5), -5, -1);
  CHECK_WIDE(sem_i64_mul_wide_s(UINT64_C(1) << 63, UINT64_C(1) << 63), 0, UINT64_C(1) << 62);
  CHECK_WIDE(sem_i64_mul_wide_s(UINT64_C(1) << 63, INT64_MAX), UINT64_C(1) << 63, 0xC000000000000000);
}

TEST_MAIN(make_vectors(); RUN(i8x16_arithmetic) RUN(i8x16_shifts) RUN(i16x8_arithmetic) RUN(i16x8_shifts)
              RUN(i32x4_arithmetic) RUN(i32x4_shifts) RUN(i64x2_arithmetic) RUN(i64x2_shifts) RUN(what_some_shapes_have)
                  RUN(i16x8_from_i8x16) RUN(i32x4_from_i16x8) RUN(i64x2_from_i32x4) RUN(narrowing) RUN(pairs) RUN(lanes)
                      RUN(floats_as_scalars) RUN(float_bits) RUN(conversions) RUN(relaxed) RUN(wide_arithmetic))
