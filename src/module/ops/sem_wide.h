/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Wide arithmetic: 128-bit numbers as two i64, the low one first. Included by sem_simd.h only. */
#ifndef MODULE_OPS_SEM_WIDE_H
#define MODULE_OPS_SEM_WIDE_H

struct sem_wide {
  uint64_t low, high;
};

static inline struct sem_wide sem_i64_add128(uint64_t a_low, uint64_t a_high, uint64_t b_low, uint64_t b_high) {
  uint64_t low = a_low + b_low;
  return (struct sem_wide){low, a_high + b_high + (low < a_low)};
}
static inline struct sem_wide sem_i64_sub128(uint64_t a_low, uint64_t a_high, uint64_t b_low, uint64_t b_high) {
  return (struct sem_wide){a_low - b_low, a_high - b_high - (a_low < b_low)};
}

#if defined(__SIZEOF_INT128__)
static inline struct sem_wide sem_i64_mul_wide_u(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (struct sem_wide){(uint64_t)product, (uint64_t)(product >> 64)};
}
#else
/* By halves, as on paper; 32-bit hosts have no type for the product. */
static inline struct sem_wide sem_i64_mul_wide_u(uint64_t a, uint64_t b) {
  uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
  uint64_t middle = a1 * b0 + (a0 * b0 >> 32), carried = a0 * b1 + (uint32_t)middle;
  return (struct sem_wide){a * b, a1 * b1 + (middle >> 32) + (carried >> 32)};
}
#endif
/* A negative operand counts 2^64 too much. */
static inline struct sem_wide sem_i64_mul_wide_s(uint64_t a, uint64_t b) {
  struct sem_wide product = sem_i64_mul_wide_u(a, b);
  product.high -= ((int64_t)a < 0 ? b : 0) + ((int64_t)b < 0 ? a : 0);
  return product;
}

#endif
