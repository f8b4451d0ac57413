/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Multiplies two n by n matrices (n at most 400), once in f64 and once in i32: loads with computed addresses. */
#include "kernel.h"

enum { MOST = 400 };

static double real_a[MOST][MOST], real_b[MOST][MOST], real_c[MOST][MOST];
static uint32_t int_a[MOST][MOST], int_b[MOST][MOST], int_c[MOST][MOST];

static void fill(uint32_t n) {
  uint32_t seed = 7;
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t j = 0; j < n; j++) {
      int_a[i][j] = kernel_random(&seed) & 0xffff;
      int_b[i][j] = kernel_random(&seed) & 0xffff;
      real_a[i][j] = int_a[i][j] / 65536.0;
      real_b[i][j] = int_b[i][j] / 65536.0;
    }
}

static void multiply_reals(uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t j = 0; j < n; j++) {
      double sum = 0;
      for (uint32_t k = 0; k < n; k++) sum += real_a[i][k] * real_b[k][j];
      real_c[i][j] = sum;
    }
}

static void multiply_ints(uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t j = 0; j < n; j++) {
      uint32_t sum = 0;
      for (uint32_t k = 0; k < n; k++) sum += int_a[i][k] * int_b[k][j];
      int_c[i][j] = sum;
    }
}

uint32_t run(uint32_t n) {
  if (n > MOST) n = MOST;
  fill(n);
  multiply_reals(n);
  multiply_ints(n);
  uint32_t hash = 2166136261u;
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t j = 0; j < n; j++)
      hash = kernel_mix(kernel_mix(hash, int_c[i][j]), (uint32_t)(int64_t)(real_c[i][j] * 65536.0));
  return hash;
}
