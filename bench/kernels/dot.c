/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Dot products of vectors of 4096 f32, n of them, with instructions for four lanes where the target has them: the sums of
 * the lanes are added in one order, so the result is the same everywhere. */
#include "kernel.h"

enum { LENGTH = 4096, LANES = 4 };
typedef float lanes __attribute__((vector_size(16)));

static lanes a[LENGTH / LANES], b[LENGTH / LANES];

static float dot(uint32_t from) {
  lanes one = {0}, other = {0};
  for (uint32_t i = 0; i + 1 < LENGTH / LANES; i += 2) {
    one += a[i] * b[(i + from) % (LENGTH / LANES)];
    other += a[i + 1] * b[(i + from + 1) % (LENGTH / LANES)];
  }
  one += other;
  return one[0] + one[1] + one[2] + one[3];
}

uint32_t run(uint32_t n) {
  uint32_t seed = 5, hash = 2166136261u;
  for (uint32_t i = 0; i < LENGTH; i++) {
    a[i / LANES][i % LANES] = (float)(kernel_random(&seed) & 0xff) / 16;
    b[i / LANES][i % LANES] = (float)(kernel_random(&seed) & 0xff) / 16;
  }
  for (uint32_t i = 0; i < n; i++) hash = kernel_mix(hash, (uint32_t)dot(i));
  return hash;
}
