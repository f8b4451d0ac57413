/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Fannkuch-redux (the Benchmarks Game): the most pancake flips over all orders of n at most 12 numbers, and their
 * checksum: small arrays in memory, short loops that the branch predictor cannot learn. */
#include "kernel.h"

enum { MOST = 12 };

/* How often the prefix must be reversed until 0 leads. */
static uint32_t flips(const uint8_t *order, uint32_t n) {
  uint8_t work[MOST];
  for (uint32_t i = 0; i < n; i++) work[i] = order[i];
  uint32_t count = 0;
  for (uint32_t first = work[0]; first != 0; first = work[0], count++)
    for (uint32_t low = 0, high = first; low < high; low++, high--) {
      uint8_t kept = work[low];
      work[low] = work[high];
      work[high] = kept;
    }
  return count;
}

/* Steps to the next order; false after the last. */
static int advance(uint8_t *order, uint8_t *counts, uint32_t n) {
  for (uint32_t r = 1; r < n; r++) {
    uint8_t first = order[0];
    for (uint32_t i = 0; i < r; i++) order[i] = order[i + 1];
    order[r] = first;
    if (counts[r]++ < r) return 1;
    counts[r] = 0;
  }
  return 0;
}

uint32_t run(uint32_t n) {
  uint8_t order[MOST], counts[MOST];
  uint32_t most = 0, checksum = 0, parity = 0;
  n = n < 2 ? 2 : n > MOST ? MOST : n;
  for (uint32_t i = 0; i < n; i++) order[i] = (uint8_t)i, counts[i] = 0;
  do {
    uint32_t count = flips(order, n);
    most = count > most ? count : most;
    checksum += parity++ & 1 ? 0 - count : count;
  } while (advance(order, counts, n));
  return checksum * 100 + most;
}
