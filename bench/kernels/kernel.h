/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What every kernel of the interpreter benchmark exports. No libc, no imports: engines without WASI run them too, and
 * the native build of the same file (with native.c) gives the value that each engine has to return. */
#ifndef BENCH_KERNEL_H
#define BENCH_KERNEL_H

#include <stdint.h>

/* Does `n` units of work and returns a checksum of all that was computed. */
uint32_t run(uint32_t n);

/* Marsaglia's xorshift: the same sequence everywhere. The seed must not be 0. */
static inline uint32_t kernel_random(uint32_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 17;
  *seed ^= *seed << 5;
  return *seed;
}

/* One step of FNV-1a over a whole word. */
static inline uint32_t kernel_mix(uint32_t hash, uint32_t word) { return (hash ^ word) * 16777619u; }

#endif
