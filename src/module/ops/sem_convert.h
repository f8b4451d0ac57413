/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Conversions between number types. Included by sem.h only. */
#ifndef MODULE_OPS_SEM_CONVERT_H
#define MODULE_OPS_SEM_CONVERT_H

static inline uint32_t sem_i32_wrap_i64(uint64_t a) { return (uint32_t)a; }
static inline uint64_t sem_i64_extend_i32_s(uint32_t a) { return (uint64_t)(int64_t)(int32_t)a; }
static inline uint64_t sem_i64_extend_i32_u(uint32_t a) { return a; }
static inline float sem_f32_demote_f64(double a) { return (float)a; }
static inline double sem_f64_promote_f32(float a) { return (double)a; }

static inline float sem_f32_convert_i32_s(uint32_t a) { return (float)(int32_t)a; }
static inline float sem_f32_convert_i32_u(uint32_t a) { return (float)a; }
static inline float sem_f32_convert_i64_s(uint64_t a) { return (float)(int64_t)a; }
static inline float sem_f32_convert_i64_u(uint64_t a) { return (float)a; }
static inline double sem_f64_convert_i32_s(uint32_t a) { return (double)(int32_t)a; }
static inline double sem_f64_convert_i32_u(uint32_t a) { return (double)a; }
static inline double sem_f64_convert_i64_s(uint64_t a) { return (double)(int64_t)a; }
static inline double sem_f64_convert_i64_u(uint64_t a) { return (double)a; }

/* Truncation to integers. The bounds are the neighbours of the integer's range that the float type can represent: a
 * value strictly between them truncates into the range. Where only the bound itself is representable, it is included.
 * A comparison with a NaN is false, so a NaN is out of bounds. */

static inline enum sem_trap sem_i32_trunc_f32_s(float a, uint32_t *result) {
  if (!(a >= -0x1p31f && a < 0x1p31f)) return a != a ? SEM_INVALID_CONVERSION : SEM_INTEGER_OVERFLOW;
  *result = (uint32_t)(int32_t)a;
  return SEM_OK;
}
static inline enum sem_trap sem_i32_trunc_f32_u(float a, uint32_t *result) {
  if (!(a > -1.0f && a < 0x1p32f)) return a != a ? SEM_INVALID_CONVERSION : SEM_INTEGER_OVERFLOW;
  *result = (uint32_t)a;
  return SEM_OK;
}
static inline enum sem_trap sem_i32_trunc_f64_s(double a, uint32_t *result) {
  if (!(a > -2147483649.0 && a < 0x1p31)) return a != a ? SEM_INVALID_CONVERSION : SEM_INTEGER_OVERFLOW;
  *result = (uint32_t)(int32_t)a;
  return SEM_OK;
}
static inline enum sem_trap sem_i32_trunc_f64_u(double a, uint32_t *result) {
  if (!(a > -1.0 && a < 0x1p32)) return a != a ? SEM_INVALID_CONVERSION : SEM_INTEGER_OVERFLOW;
  *result = (uint32_t)a;
  return SEM_OK;
}
static inline enum sem_trap sem_i64_trunc_f32_s(float a, uint64_t *result) {
  if (!(a >= -0x1p63f && a < 0x1p63f)) return a != a ? SEM_INVALID_CONVERSION : SEM_INTEGER_OVERFLOW;
  *result = (uint64_t)(int64_t)a;
  return SEM_OK;
}
static inline enum sem_trap sem_i64_trunc_f32_u(float a, uint64_t *result) {
  if (!(a > -1.0f && a < 0x1p64f)) return a != a ? SEM_INVALID_CONVERSION : SEM_INTEGER_OVERFLOW;
  *result = (uint64_t)a;
  return SEM_OK;
}
static inline enum sem_trap sem_i64_trunc_f64_s(double a, uint64_t *result) {
  if (!(a >= -0x1p63 && a < 0x1p63)) return a != a ? SEM_INVALID_CONVERSION : SEM_INTEGER_OVERFLOW;
  *result = (uint64_t)(int64_t)a;
  return SEM_OK;
}
static inline enum sem_trap sem_i64_trunc_f64_u(double a, uint64_t *result) {
  if (!(a > -1.0 && a < 0x1p64)) return a != a ? SEM_INVALID_CONVERSION : SEM_INTEGER_OVERFLOW;
  *result = (uint64_t)a;
  return SEM_OK;
}

/* Saturating: the nearest end of the range instead of a trap, and 0 for a NaN. */

static inline uint32_t sem_i32_trunc_sat_f32_s(float a) {
  uint32_t result;
  if (sem_i32_trunc_f32_s(a, &result) == SEM_OK) return result;
  return a != a ? 0 : a < 0 ? (uint32_t)INT32_MIN : INT32_MAX;
}
static inline uint32_t sem_i32_trunc_sat_f32_u(float a) {
  uint32_t result;
  if (sem_i32_trunc_f32_u(a, &result) == SEM_OK) return result;
  return a != a ? 0 : a < 0 ? 0 : UINT32_MAX;
}
static inline uint32_t sem_i32_trunc_sat_f64_s(double a) {
  uint32_t result;
  if (sem_i32_trunc_f64_s(a, &result) == SEM_OK) return result;
  return a != a ? 0 : a < 0 ? (uint32_t)INT32_MIN : INT32_MAX;
}
static inline uint32_t sem_i32_trunc_sat_f64_u(double a) {
  uint32_t result;
  if (sem_i32_trunc_f64_u(a, &result) == SEM_OK) return result;
  return a != a ? 0 : a < 0 ? 0 : UINT32_MAX;
}
static inline uint64_t sem_i64_trunc_sat_f32_s(float a) {
  uint64_t result;
  if (sem_i64_trunc_f32_s(a, &result) == SEM_OK) return result;
  return a != a ? 0 : a < 0 ? (uint64_t)INT64_MIN : INT64_MAX;
}
static inline uint64_t sem_i64_trunc_sat_f32_u(float a) {
  uint64_t result;
  if (sem_i64_trunc_f32_u(a, &result) == SEM_OK) return result;
  return a != a ? 0 : a < 0 ? 0 : UINT64_MAX;
}
static inline uint64_t sem_i64_trunc_sat_f64_s(double a) {
  uint64_t result;
  if (sem_i64_trunc_f64_s(a, &result) == SEM_OK) return result;
  return a != a ? 0 : a < 0 ? (uint64_t)INT64_MIN : INT64_MAX;
}
static inline uint64_t sem_i64_trunc_sat_f64_u(double a) {
  uint64_t result;
  if (sem_i64_trunc_f64_u(a, &result) == SEM_OK) return result;
  return a != a ? 0 : a < 0 ? 0 : UINT64_MAX;
}

#endif
