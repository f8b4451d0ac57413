/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The square of the spectral norm of an infinite matrix (after the Benchmarks Game), of which it takes n by n at most 4000:
 * f64 divisions and sums, with an inner loop whose integers become floats. */
#include "kernel.h"

enum { MOST = 4000, STEPS = 10 };

static double u[MOST], v[MOST], between[MOST];

static double entry(uint32_t i, uint32_t j) { return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1); }

static void multiply(uint32_t n, const double *from, double *to) {
  for (uint32_t i = 0; i < n; i++) {
    double sum = 0;
    for (uint32_t j = 0; j < n; j++) sum += entry(i, j) * from[j];
    to[i] = sum;
  }
}

static void multiply_transposed(uint32_t n, const double *from, double *to) {
  for (uint32_t i = 0; i < n; i++) {
    double sum = 0;
    for (uint32_t j = 0; j < n; j++) sum += entry(j, i) * from[j];
    to[i] = sum;
  }
}

static void step(uint32_t n, const double *from, double *to) {
  multiply(n, from, between);
  multiply_transposed(n, between, to);
}

uint32_t run(uint32_t n) {
  if (n > MOST) n = MOST;
  for (uint32_t i = 0; i < n; i++) u[i] = 1;
  for (uint32_t i = 0; i < STEPS; i++) step(n, u, v), step(n, v, u);
  double uv = 0, vv = 0;
  for (uint32_t i = 0; i < n; i++) uv += u[i] * v[i], vv += v[i] * v[i];
  return (uint32_t)(uv / vv * 1e9);
}
