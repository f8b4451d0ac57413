/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Integer instructions. Included by sem.h only. */
#ifndef MODULE_OPS_SEM_INT_H
#define MODULE_OPS_SEM_INT_H

/* ---- i32 ---- */

static inline uint32_t sem_i32_eqz(uint32_t a) { return a == 0; }
static inline uint32_t sem_i32_eq(uint32_t a, uint32_t b) { return a == b; }
static inline uint32_t sem_i32_ne(uint32_t a, uint32_t b) { return a != b; }
static inline uint32_t sem_i32_lt_s(uint32_t a, uint32_t b) { return (int32_t)a < (int32_t)b; }
static inline uint32_t sem_i32_lt_u(uint32_t a, uint32_t b) { return a < b; }
static inline uint32_t sem_i32_gt_s(uint32_t a, uint32_t b) { return (int32_t)a > (int32_t)b; }
static inline uint32_t sem_i32_gt_u(uint32_t a, uint32_t b) { return a > b; }
static inline uint32_t sem_i32_le_s(uint32_t a, uint32_t b) { return (int32_t)a <= (int32_t)b; }
static inline uint32_t sem_i32_le_u(uint32_t a, uint32_t b) { return a <= b; }
static inline uint32_t sem_i32_ge_s(uint32_t a, uint32_t b) { return (int32_t)a >= (int32_t)b; }
static inline uint32_t sem_i32_ge_u(uint32_t a, uint32_t b) { return a >= b; }

static inline uint32_t sem_i32_clz(uint32_t a) { return a ? (uint32_t)__builtin_clz(a) : 32; }
static inline uint32_t sem_i32_ctz(uint32_t a) { return a ? (uint32_t)__builtin_ctz(a) : 32; }
static inline uint32_t sem_i32_popcnt(uint32_t a) { return (uint32_t)__builtin_popcount(a); }
static inline uint32_t sem_i32_add(uint32_t a, uint32_t b) { return a + b; }
static inline uint32_t sem_i32_sub(uint32_t a, uint32_t b) { return a - b; }
static inline uint32_t sem_i32_mul(uint32_t a, uint32_t b) { return a * b; }
static inline uint32_t sem_i32_and(uint32_t a, uint32_t b) { return a & b; }
static inline uint32_t sem_i32_or(uint32_t a, uint32_t b) { return a | b; }
static inline uint32_t sem_i32_xor(uint32_t a, uint32_t b) { return a ^ b; }
static inline uint32_t sem_i32_shl(uint32_t a, uint32_t b) { return a << (b & 31); }
static inline uint32_t sem_i32_shr_s(uint32_t a, uint32_t b) { return (uint32_t)((int32_t)a >> (b & 31)); }
static inline uint32_t sem_i32_shr_u(uint32_t a, uint32_t b) { return a >> (b & 31); }
static inline uint32_t sem_i32_rotl(uint32_t a, uint32_t b) { return a << (b & 31) | a >> (-b & 31); }
static inline uint32_t sem_i32_rotr(uint32_t a, uint32_t b) { return a >> (b & 31) | a << (-b & 31); }

static inline enum sem_trap sem_i32_div_s(uint32_t a, uint32_t b, uint32_t *result) {
  if (b == 0) return SEM_DIVIDE_BY_ZERO;
  if (a == (uint32_t)1 << 31 && b == (uint32_t)-1) return SEM_INTEGER_OVERFLOW;
  *result = (uint32_t)((int32_t)a / (int32_t)b);
  return SEM_OK;
}
static inline enum sem_trap sem_i32_div_u(uint32_t a, uint32_t b, uint32_t *result) {
  if (b == 0) return SEM_DIVIDE_BY_ZERO;
  *result = a / b;
  return SEM_OK;
}
static inline enum sem_trap sem_i32_rem_s(uint32_t a, uint32_t b, uint32_t *result) {
  if (b == 0) return SEM_DIVIDE_BY_ZERO;
  *result =
      b == (uint32_t)-1 ? 0 : (uint32_t)((int32_t)a % (int32_t)b); /* the processor would fault on smallest % -1 */
  return SEM_OK;
}
static inline enum sem_trap sem_i32_rem_u(uint32_t a, uint32_t b, uint32_t *result) {
  if (b == 0) return SEM_DIVIDE_BY_ZERO;
  *result = a % b;
  return SEM_OK;
}

static inline uint32_t sem_i32_extend8_s(uint32_t a) { return (uint32_t)(int32_t)(int8_t)a; }
static inline uint32_t sem_i32_extend16_s(uint32_t a) { return (uint32_t)(int32_t)(int16_t)a; }

/* ---- i64 ---- */

static inline uint32_t sem_i64_eqz(uint64_t a) { return a == 0; }
static inline uint32_t sem_i64_eq(uint64_t a, uint64_t b) { return a == b; }
static inline uint32_t sem_i64_ne(uint64_t a, uint64_t b) { return a != b; }
static inline uint32_t sem_i64_lt_s(uint64_t a, uint64_t b) { return (int64_t)a < (int64_t)b; }
static inline uint32_t sem_i64_lt_u(uint64_t a, uint64_t b) { return a < b; }
static inline uint32_t sem_i64_gt_s(uint64_t a, uint64_t b) { return (int64_t)a > (int64_t)b; }
static inline uint32_t sem_i64_gt_u(uint64_t a, uint64_t b) { return a > b; }
static inline uint32_t sem_i64_le_s(uint64_t a, uint64_t b) { return (int64_t)a <= (int64_t)b; }
static inline uint32_t sem_i64_le_u(uint64_t a, uint64_t b) { return a <= b; }
static inline uint32_t sem_i64_ge_s(uint64_t a, uint64_t b) { return (int64_t)a >= (int64_t)b; }
static inline uint32_t sem_i64_ge_u(uint64_t a, uint64_t b) { return a >= b; }

static inline uint64_t sem_i64_clz(uint64_t a) { return a ? (uint64_t)__builtin_clzll(a) : 64; }
static inline uint64_t sem_i64_ctz(uint64_t a) { return a ? (uint64_t)__builtin_ctzll(a) : 64; }
static inline uint64_t sem_i64_popcnt(uint64_t a) { return (uint64_t)__builtin_popcountll(a); }
static inline uint64_t sem_i64_add(uint64_t a, uint64_t b) { return a + b; }
static inline uint64_t sem_i64_sub(uint64_t a, uint64_t b) { return a - b; }
static inline uint64_t sem_i64_mul(uint64_t a, uint64_t b) { return a * b; }
static inline uint64_t sem_i64_and(uint64_t a, uint64_t b) { return a & b; }
static inline uint64_t sem_i64_or(uint64_t a, uint64_t b) { return a | b; }
static inline uint64_t sem_i64_xor(uint64_t a, uint64_t b) { return a ^ b; }
static inline uint64_t sem_i64_shl(uint64_t a, uint64_t b) { return a << (b & 63); }
static inline uint64_t sem_i64_shr_s(uint64_t a, uint64_t b) { return (uint64_t)((int64_t)a >> (b & 63)); }
static inline uint64_t sem_i64_shr_u(uint64_t a, uint64_t b) { return a >> (b & 63); }
static inline uint64_t sem_i64_rotl(uint64_t a, uint64_t b) { return a << (b & 63) | a >> (-b & 63); }
static inline uint64_t sem_i64_rotr(uint64_t a, uint64_t b) { return a >> (b & 63) | a << (-b & 63); }

static inline enum sem_trap sem_i64_div_s(uint64_t a, uint64_t b, uint64_t *result) {
  if (b == 0) return SEM_DIVIDE_BY_ZERO;
  if (a == (uint64_t)1 << 63 && b == (uint64_t)-1) return SEM_INTEGER_OVERFLOW;
  *result = (uint64_t)((int64_t)a / (int64_t)b);
  return SEM_OK;
}
static inline enum sem_trap sem_i64_div_u(uint64_t a, uint64_t b, uint64_t *result) {
  if (b == 0) return SEM_DIVIDE_BY_ZERO;
  *result = a / b;
  return SEM_OK;
}
static inline enum sem_trap sem_i64_rem_s(uint64_t a, uint64_t b, uint64_t *result) {
  if (b == 0) return SEM_DIVIDE_BY_ZERO;
  *result =
      b == (uint64_t)-1 ? 0 : (uint64_t)((int64_t)a % (int64_t)b); /* the processor would fault on smallest % -1 */
  return SEM_OK;
}
static inline enum sem_trap sem_i64_rem_u(uint64_t a, uint64_t b, uint64_t *result) {
  if (b == 0) return SEM_DIVIDE_BY_ZERO;
  *result = a % b;
  return SEM_OK;
}

static inline uint64_t sem_i64_extend8_s(uint64_t a) { return (uint64_t)(int64_t)(int8_t)a; }
static inline uint64_t sem_i64_extend16_s(uint64_t a) { return (uint64_t)(int64_t)(int16_t)a; }
static inline uint64_t sem_i64_extend32_s(uint64_t a) { return (uint64_t)(int64_t)(int32_t)a; }

#endif
