/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Floating-point instructions. Included by sem.h only. */
#ifndef MODULE_OPS_SEM_FLOAT_H
#define MODULE_OPS_SEM_FLOAT_H

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

static inline uint32_t sem_i32_reinterpret_f32(float a) {
  uint32_t bits;
  memcpy(&bits, &a, sizeof bits);
  return bits;
}
static inline float sem_f32_reinterpret_i32(uint32_t a) {
  float value;
  memcpy(&value, &a, sizeof value);
  return value;
}
static inline uint64_t sem_i64_reinterpret_f64(double a) {
  uint64_t bits;
  memcpy(&bits, &a, sizeof bits);
  return bits;
}
static inline double sem_f64_reinterpret_i64(uint64_t a) {
  double value;
  memcpy(&value, &a, sizeof value);
  return value;
}

/* ---- f32 ---- */

static inline uint32_t sem_f32_eq(float a, float b) { return a == b; }
static inline uint32_t sem_f32_ne(float a, float b) { return a != b; }
static inline uint32_t sem_f32_lt(float a, float b) { return a < b; }
static inline uint32_t sem_f32_gt(float a, float b) { return a > b; }
static inline uint32_t sem_f32_le(float a, float b) { return a <= b; }
static inline uint32_t sem_f32_ge(float a, float b) { return a >= b; }

static inline float sem_f32_add(float a, float b) { return a + b; }
static inline float sem_f32_sub(float a, float b) { return a - b; }
static inline float sem_f32_mul(float a, float b) { return a * b; }
static inline float sem_f32_div(float a, float b) { return a / b; }
static inline float sem_f32_sqrt(float a) {
#if defined(__clang__)
  return __builtin_elementwise_sqrt(a); /* __builtin_sqrtf would call libm for negative operands, to set errno */
#else
  return __builtin_sqrtf(a);
#endif
}

/* Signs are bits, so that a NaN's payload stays as it is. */
static inline float sem_f32_abs(float a) { return sem_f32_reinterpret_i32(sem_i32_reinterpret_f32(a) & ~0x80000000u); }
static inline float sem_f32_neg(float a) { return sem_f32_reinterpret_i32(sem_i32_reinterpret_f32(a) ^ 0x80000000u); }
static inline float sem_f32_copysign(float a, float b) {
  return sem_f32_reinterpret_i32((sem_i32_reinterpret_f32(a) & ~0x80000000u) |
                                 (sem_i32_reinterpret_f32(b) & 0x80000000u));
}

/* Equal operands differ at most in the sign of zero: min takes the union of the signs, max the intersection. */
static inline float sem_f32_min(float a, float b) {
  if (a != a || b != b) return a + b;
  if (a == b) return sem_f32_reinterpret_i32(sem_i32_reinterpret_f32(a) | sem_i32_reinterpret_f32(b));
  return a < b ? a : b;
}
static inline float sem_f32_max(float a, float b) {
  if (a != a || b != b) return a + b;
  if (a == b) return sem_f32_reinterpret_i32(sem_i32_reinterpret_f32(a) & sem_i32_reinterpret_f32(b));
  return a > b ? a : b;
}

/* From 2^23 on, every float is an integer. What is not below it (infinity and NaN too) comes back unrounded, a NaN
 * quiet: `a + 0` would do that, but compilers may remove it. */
static inline float sem_f32_unrounded(float a) {
  return a != a ? sem_f32_reinterpret_i32(sem_i32_reinterpret_f32(a) | 0x00400000u) : a;
}
static inline float sem_f32_trunc(float a) {
  if (!(sem_f32_abs(a) < 0x1p23f)) return sem_f32_unrounded(a);
  return sem_f32_copysign((float)(int32_t)a, a);
}
static inline float sem_f32_ceil(float a) {
  float towards_zero = sem_f32_trunc(a);
  return towards_zero < a ? towards_zero + 1 : towards_zero;
}
static inline float sem_f32_floor(float a) {
  float towards_zero = sem_f32_trunc(a);
  return towards_zero > a ? towards_zero - 1 : towards_zero;
}
/* Adding 2^23 leaves no room for a fraction: the addition rounds, to even as nearest asks. */
static inline float sem_f32_nearest(float a) {
  float magnitude = sem_f32_abs(a);
  if (!(magnitude < 0x1p23f)) return sem_f32_unrounded(a);
  return sem_f32_copysign((magnitude + 0x1p23f) - 0x1p23f, a);
}

/* What the front-end puts behind arithmetic where NaNs shall be the same everywhere: a branch, for what is computed with the
 * result shall not wait for the answer, which hardly ever is yes. */
static inline float sem_f32_canonical(float a) {
  if (__builtin_expect(a != a, 0)) {
    __asm__ volatile("");
    a = sem_f32_reinterpret_i32(0x7FC00000u);
  }
  return a;
}

/* ---- f64 ---- */

static inline uint32_t sem_f64_eq(double a, double b) { return a == b; }
static inline uint32_t sem_f64_ne(double a, double b) { return a != b; }
static inline uint32_t sem_f64_lt(double a, double b) { return a < b; }
static inline uint32_t sem_f64_gt(double a, double b) { return a > b; }
static inline uint32_t sem_f64_le(double a, double b) { return a <= b; }
static inline uint32_t sem_f64_ge(double a, double b) { return a >= b; }

static inline double sem_f64_add(double a, double b) { return a + b; }
static inline double sem_f64_sub(double a, double b) { return a - b; }
static inline double sem_f64_mul(double a, double b) { return a * b; }
static inline double sem_f64_div(double a, double b) { return a / b; }
static inline double sem_f64_sqrt(double a) {
#if defined(__clang__)
  return __builtin_elementwise_sqrt(a); /* __builtin_sqrt would call libm for negative operands, to set errno */
#else
  return __builtin_sqrt(a);
#endif
}

/* Signs are bits, so that a NaN's payload stays as it is. */
static inline double sem_f64_abs(double a) {
  return sem_f64_reinterpret_i64(sem_i64_reinterpret_f64(a) & ~0x8000000000000000u);
}
static inline double sem_f64_neg(double a) {
  return sem_f64_reinterpret_i64(sem_i64_reinterpret_f64(a) ^ 0x8000000000000000u);
}
static inline double sem_f64_copysign(double a, double b) {
  return sem_f64_reinterpret_i64((sem_i64_reinterpret_f64(a) & ~0x8000000000000000u) |
                                 (sem_i64_reinterpret_f64(b) & 0x8000000000000000u));
}

/* Equal operands differ at most in the sign of zero: min takes the union of the signs, max the intersection. */
static inline double sem_f64_min(double a, double b) {
  if (a != a || b != b) return a + b;
  if (a == b) return sem_f64_reinterpret_i64(sem_i64_reinterpret_f64(a) | sem_i64_reinterpret_f64(b));
  return a < b ? a : b;
}
static inline double sem_f64_max(double a, double b) {
  if (a != a || b != b) return a + b;
  if (a == b) return sem_f64_reinterpret_i64(sem_i64_reinterpret_f64(a) & sem_i64_reinterpret_f64(b));
  return a > b ? a : b;
}

/* From 2^52 on, every double is an integer. What is not below it (infinity and NaN too) comes back unrounded, a NaN
 * quiet: `a + 0` would do that, but compilers may remove it. */
static inline double sem_f64_unrounded(double a) {
  return a != a ? sem_f64_reinterpret_i64(sem_i64_reinterpret_f64(a) | 0x0008000000000000u) : a;
}
static inline double sem_f64_trunc(double a) {
  if (!(sem_f64_abs(a) < 0x1p52)) return sem_f64_unrounded(a);
  return sem_f64_copysign((double)(int64_t)a, a);
}
static inline double sem_f64_ceil(double a) {
  double towards_zero = sem_f64_trunc(a);
  return towards_zero < a ? towards_zero + 1 : towards_zero;
}
static inline double sem_f64_floor(double a) {
  double towards_zero = sem_f64_trunc(a);
  return towards_zero > a ? towards_zero - 1 : towards_zero;
}
/* Adding 2^52 leaves no room for a fraction: the addition rounds, to even as nearest asks. */
static inline double sem_f64_nearest(double a) {
  double magnitude = sem_f64_abs(a);
  if (!(magnitude < 0x1p52)) return sem_f64_unrounded(a);
  return sem_f64_copysign((magnitude + 0x1p52) - 0x1p52, a);
}

static inline double sem_f64_canonical(double a) {
  if (__builtin_expect(a != a, 0)) {
    __asm__ volatile("");
    a = sem_f64_reinterpret_i64(0x7FF8000000000000u);
  }
  return a;
}

#endif
