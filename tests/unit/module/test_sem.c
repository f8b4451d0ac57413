/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The meaning of numeric instructions at their corners. */
#include "module/ops/sem.h"
#include "test.h"

#define F32(bits) sem_f32_reinterpret_i32(bits)
#define F64(bits) sem_f64_reinterpret_i64(bits)
/* Floats are compared by their bits, so that zeros and NaNs count. */
#define CHECK_F32(actual, expected) CHECK_INT(sem_i32_reinterpret_f32(actual), sem_i32_reinterpret_f32(expected))
#define CHECK_F64(actual, expected) CHECK_INT(sem_i64_reinterpret_f64(actual), sem_i64_reinterpret_f64(expected))
#define CHECK_QUIET32(actual) CHECK((sem_i32_reinterpret_f32(actual) & 0x7FC00000) == 0x7FC00000)
#define CHECK_QUIET64(actual) CHECK((sem_i64_reinterpret_f64(actual) & 0x7FF8000000000000) == 0x7FF8000000000000)
#define CHECK_TRAP(call, trap) CHECK_INT((call), (trap))

static volatile uint32_t sn32 = 0x7FA00001; /* signaling NaNs, hidden from the compiler */
static volatile uint64_t sn64 = 0xFFF4000000000001;

TEST(division) {
  uint32_t r;
  uint64_t s;
  CHECK_TRAP(sem_i32_div_s(1, 0, &r), SEM_DIVIDE_BY_ZERO);
  CHECK_TRAP(sem_i32_div_u(1, 0, &r), SEM_DIVIDE_BY_ZERO);
  CHECK_TRAP(sem_i32_rem_s(1, 0, &r), SEM_DIVIDE_BY_ZERO);
  CHECK_TRAP(sem_i64_rem_u(1, 0, &s), SEM_DIVIDE_BY_ZERO);
  CHECK_TRAP(sem_i32_div_s(0x80000000, UINT32_MAX, &r), SEM_INTEGER_OVERFLOW);
  CHECK_TRAP(sem_i64_div_s(UINT64_C(1) << 63, UINT64_MAX, &s), SEM_INTEGER_OVERFLOW);
  CHECK_TRAP(sem_i32_rem_s(0x80000000, UINT32_MAX, &r), SEM_OK);
  CHECK_INT(r, 0);
  CHECK_TRAP(sem_i64_rem_s(UINT64_C(1) << 63, UINT64_MAX, &s), SEM_OK);
  CHECK_INT(s, 0);
  CHECK_TRAP(sem_i32_div_s((uint32_t)-7, 2, &r), SEM_OK);
  CHECK_INT(r, (uint32_t)-3);
  CHECK_TRAP(sem_i32_rem_s((uint32_t)-7, 2, &r), SEM_OK);
  CHECK_INT(r, (uint32_t)-1);
  CHECK_TRAP(sem_i32_div_u((uint32_t)-7, 2, &r), SEM_OK);
  CHECK_INT(r, 0x7FFFFFFC);
}

TEST(integer_bits) {
  CHECK_INT(sem_i32_clz(0), 32);
  CHECK_INT(sem_i32_ctz(0), 32);
  CHECK_INT(sem_i64_clz(0), 64);
  CHECK_INT(sem_i64_ctz(0), 64);
  CHECK_INT(sem_i64_clz(1), 63);
  CHECK_INT(sem_i64_ctz(UINT64_C(1) << 63), 63);
  CHECK_INT(sem_i64_popcnt(UINT64_MAX), 64);
  CHECK_INT(sem_i32_shl(1, 33), 2);
  CHECK_INT(sem_i32_shr_s(0x80000000, 31), UINT32_MAX);
  CHECK_INT(sem_i64_shr_u(UINT64_C(1) << 63, 127), 1);
  CHECK_INT(sem_i32_rotl(0x80000001, 1), 3);
  CHECK_INT(sem_i32_rotl(5, 0), 5);
  CHECK_INT(sem_i32_rotr(5, 32), 5);
  CHECK_INT(sem_i64_rotr(1, 1), UINT64_C(1) << 63);
  CHECK_INT(sem_i32_extend8_s(0x180), 0xFFFFFF80);
  CHECK_INT(sem_i64_extend32_s(0x80000000), 0xFFFFFFFF80000000);
  CHECK_INT(sem_i32_add(UINT32_MAX, 1), 0);
  CHECK_INT(sem_i32_mul(0x10000, 0x10000), 0);
  CHECK_INT(sem_i32_lt_s(UINT32_MAX, 0), 1);
  CHECK_INT(sem_i32_lt_u(UINT32_MAX, 0), 0);
}

TEST(min_and_max) {
  CHECK_F32(sem_f32_min(0.0f, -0.0f), -0.0f);
  CHECK_F32(sem_f32_min(-0.0f, 0.0f), -0.0f);
  CHECK_F32(sem_f32_max(0.0f, -0.0f), 0.0f);
  CHECK_F32(sem_f32_max(-0.0f, 0.0f), 0.0f);
  CHECK_F64(sem_f64_min(-0.0, 0.0), -0.0);
  CHECK_F64(sem_f64_max(1.0, 2.0), 2.0);
  CHECK_F64(sem_f64_min(1.0, -F64(0x7FF0000000000000)), -F64(0x7FF0000000000000));
  CHECK_QUIET32(sem_f32_min(F32(sn32), 1.0f));
  CHECK_QUIET32(sem_f32_max(1.0f, F32(sn32)));
  CHECK_QUIET64(sem_f64_max(F64(sn64), F64(sn64)));
  CHECK_INT(sem_i32_reinterpret_f32(sem_f32_min(F32(0x7FC00000), 1.0f)) & 0x7FFFFFFF, 0x7FC00000);
}

TEST(sign_bits_keep_payloads) {
  CHECK_INT(sem_i32_reinterpret_f32(sem_f32_neg(F32(sn32))), 0xFFA00001);
  CHECK_INT(sem_i32_reinterpret_f32(sem_f32_abs(F32(0xFFA00001))), 0x7FA00001);
  CHECK_INT(sem_i64_reinterpret_f64(sem_f64_copysign(F64(sn64), 1.0)), 0x7FF4000000000001);
  CHECK_F32(sem_f32_copysign(1.0f, -0.0f), -1.0f);
}

TEST(rounding) {
  static const struct {
    double in, trunc, ceil, floor, nearest;
  } cases[] = {
      {0.5, 0.0, 1.0, 0.0, 0.0},
      {-0.5, -0.0, -0.0, -1.0, -0.0},
      {1.5, 1.0, 2.0, 1.0, 2.0},
      {2.5, 2.0, 3.0, 2.0, 2.0},
      {-2.5, -2.0, -2.0, -3.0, -2.0},
      {0.0, 0.0, 0.0, 0.0, 0.0},
      {-0.0, -0.0, -0.0, -0.0, -0.0},
      {0x1p-1074, 0.0, 1.0, 0.0, 0.0},
      {-0x1p-1074, -0.0, -0.0, -1.0, -0.0},
      {0x1.fffffffffffffp-2, 0.0, 1.0, 0.0, 0.0}, /* the largest below a half */
      {0x1p52, 0x1p52, 0x1p52, 0x1p52, 0x1p52},
      {0x1.fffffffffffffp51, 0x1.ffffffffffffep51, 0x1p52, 0x1.ffffffffffffep51, 0x1p52},
      {-0x1p60, -0x1p60, -0x1p60, -0x1p60, -0x1p60},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    CHECK_F64(sem_f64_trunc(cases[i].in), cases[i].trunc);
    CHECK_F64(sem_f64_ceil(cases[i].in), cases[i].ceil);
    CHECK_F64(sem_f64_floor(cases[i].in), cases[i].floor);
    CHECK_F64(sem_f64_nearest(cases[i].in), cases[i].nearest);
  }
  CHECK_F32(sem_f32_nearest(4.5f), 4.0f);
  CHECK_F32(sem_f32_nearest(-0.5f), -0.0f);
  CHECK_F32(sem_f32_ceil(-0.9f), -0.0f);
  CHECK_F32(sem_f32_floor(0x1.fffffep22f), 0x1.fffffcp22f);
  CHECK_F32(sem_f32_trunc(-F32(0x7F800000)), -F32(0x7F800000));
  CHECK_QUIET32(sem_f32_ceil(F32(sn32)));
  CHECK_QUIET64(sem_f64_nearest(F64(sn64)));
  CHECK_INT(sem_i32_reinterpret_f32(sem_f32_trunc(F32(0xFFC00000))), 0xFFC00000);
}

TEST(arithmetic_nans_are_quiet) {
  CHECK_QUIET32(sem_f32_add(F32(sn32), 1.0f));
  CHECK_QUIET64(sem_f64_sqrt(F64(sn64)));
  CHECK_QUIET64(sem_f64_sqrt(-1.0));
  CHECK_F64(sem_f64_sqrt(-0.0), -0.0);
  CHECK_QUIET32(sem_f32_demote_f64(F64(sn64)));
  CHECK_QUIET64(sem_f64_promote_f32(F32(sn32)));
  CHECK_INT(sem_f32_eq(F32(0x7FC00000), F32(0x7FC00000)), 0);
  CHECK_INT(sem_f32_ne(F32(0x7FC00000), F32(0x7FC00000)), 1);
}

TEST(truncation_to_integers) {
  uint32_t r;
  uint64_t s;
  CHECK_TRAP(sem_i32_trunc_f32_s(F32(sn32), &r), SEM_INVALID_CONVERSION);
  CHECK_TRAP(sem_i32_trunc_f32_s(0x1p31f, &r), SEM_INTEGER_OVERFLOW);
  CHECK_TRAP(sem_i32_trunc_f32_s(-0x1p31f, &r), SEM_OK);
  CHECK_INT(r, 0x80000000);
  CHECK_TRAP(sem_i32_trunc_f32_s(-0x1.000002p31f, &r), SEM_INTEGER_OVERFLOW);
  CHECK_TRAP(sem_i32_trunc_f64_s(-2147483648.9, &r), SEM_OK);
  CHECK_INT(r, 0x80000000);
  CHECK_TRAP(sem_i32_trunc_f64_s(-2147483649.0, &r), SEM_INTEGER_OVERFLOW);
  CHECK_TRAP(sem_i32_trunc_f64_s(2147483647.9, &r), SEM_OK);
  CHECK_INT(r, 0x7FFFFFFF);
  CHECK_TRAP(sem_i32_trunc_f64_u(-0.9, &r), SEM_OK);
  CHECK_INT(r, 0);
  CHECK_TRAP(sem_i32_trunc_f64_u(-1.0, &r), SEM_INTEGER_OVERFLOW);
  CHECK_TRAP(sem_i32_trunc_f64_u(4294967295.9, &r), SEM_OK);
  CHECK_INT(r, UINT32_MAX);
  CHECK_TRAP(sem_i64_trunc_f64_s(0x1p63, &s), SEM_INTEGER_OVERFLOW);
  CHECK_TRAP(sem_i64_trunc_f64_s(-0x1p63, &s), SEM_OK);
  CHECK_INT(s, UINT64_C(1) << 63);
  CHECK_TRAP(sem_i64_trunc_f32_u(0x1.fffffep63f, &s), SEM_OK);
  CHECK_INT(s, 0xFFFFFF0000000000);
  CHECK_INT(sem_i32_trunc_sat_f32_s(F32(sn32)), 0);
  CHECK_INT(sem_i32_trunc_sat_f64_s(-1e10), 0x80000000);
  CHECK_INT(sem_i32_trunc_sat_f64_s(1e10), 0x7FFFFFFF);
  CHECK_INT(sem_i32_trunc_sat_f64_u(-1e10), 0);
  CHECK_INT(sem_i64_trunc_sat_f32_u(1e30f), UINT64_MAX);
  CHECK_INT(sem_i64_trunc_sat_f64_s(-1e30), UINT64_C(1) << 63);
}

TEST(integers_to_floats_round_to_even) {
  CHECK_F32(sem_f32_convert_i32_u(UINT32_MAX), 0x1p32f);
  CHECK_F32(sem_f32_convert_i32_s(0x80000000), -0x1p31f);
  CHECK_F32(sem_f32_convert_i32_s(16777217), 16777216.0f);
  CHECK_F32(sem_f32_convert_i64_u(UINT64_C(0x8000008000000001)), 0x1.000002p63f); /* one rounding, not two */
  CHECK_F32(sem_f32_convert_i64_s(UINT64_C(0x20000020000001)), 0x1.000002p53f);
  CHECK_F64(sem_f64_convert_i64_u(UINT64_MAX), 0x1p64);
  CHECK_F64(sem_f64_convert_i64_u(0x8000000000000400), 0x1p63);
  CHECK_F64(sem_f64_convert_i64_u(0x8000000000000401), 0x1.0000000000001p63);
}

TEST_MAIN(RUN(division) RUN(integer_bits) RUN(min_and_max) RUN(sign_bits_keep_payloads) RUN(rounding)
              RUN(arithmetic_nans_are_quiet) RUN(truncation_to_integers) RUN(integers_to_floats_round_to_even))
