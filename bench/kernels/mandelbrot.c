/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The Mandelbrot set on n by n points, at most 100 steps each: f64 arithmetic and a compare in a tight loop. */
#include "kernel.h"

static uint32_t steps_until_escape(double re, double im) {
  double x = 0, y = 0;
  uint32_t step = 0;
  while (step < 100 && x * x + y * y <= 4.0) {
    double next = x * x - y * y + re;
    y = 2 * x * y + im;
    x = next;
    step++;
  }
  return step;
}

uint32_t run(uint32_t n) {
  uint32_t hash = 2166136261u;
  for (uint32_t row = 0; row < n; row++)
    for (uint32_t column = 0; column < n; column++)
      hash = kernel_mix(hash, steps_until_escape(3.0 * column / n - 2.0, 2.0 * row / n - 1.0));
  return hash;
}
