/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A memory of 16 GiB of which next to nothing is touched: pages all over it are written, read back and summed.
 * For wasm64 and without a C library, which there is none of yet; its functions are called one by one. */
#include <stddef.h>
#include <stdint.h>

#define GIB (UINT64_C(1) << 30)
#define EXPORT(name) __attribute__((export_name(name)))

enum { WASM_PAGE = 65536, WORDS = 512, LARGEST = 16 };

static uint64_t places[] = {5, 8, 15};

static uint64_t mixed(uint64_t value) {
  value ^= value >> 31;
  value *= UINT64_C(0x9e3779b97f4a7c15);
  return value ^ value >> 29;
}

/* Makes the memory as large as it gets: the number of pages, or -1. */
EXPORT("grow") int64_t grow(void) {
  size_t have = __builtin_wasm_memory_size(0), want = LARGEST * GIB / WASM_PAGE;
  if (have < want && __builtin_wasm_memory_grow(0, want - have) == SIZE_MAX) return -1;
  return (int64_t)__builtin_wasm_memory_size(0);
}

/* Fills a page at 5, 8 and 15 GiB, and one that straddles 4 GiB. */
EXPORT("fill") uint64_t fill(void) {
  uint64_t sum = 0;
  for (size_t n = 0; n <= sizeof places / sizeof *places; n++) {
    uint64_t *page = (uint64_t *)(n < 3 ? places[n] * GIB : 4 * GIB - WORDS * 4);
    for (uint64_t word = 0; word < WORDS; word++) sum += page[word] = mixed((uint64_t)(uintptr_t)&page[word]);
  }
  return sum;
}

/* Nothing between them may have changed: the same places below 4 GiB are still zero. */
EXPORT("check") uint64_t check(void) {
  uint64_t sum = 0;
  for (size_t n = 0; n <= sizeof places / sizeof *places; n++) {
    volatile uint64_t *page = (volatile uint64_t *)(n < 3 ? places[n] * GIB : 4 * GIB - WORDS * 4);
    for (uint64_t word = 0; word < WORDS; word++) {
      sum += page[word];
      if (n < 3) sum += *(volatile uint64_t *)(((uintptr_t)&page[word] & (GIB - 1)) + 2 * GIB);
    }
  }
  return sum;
}

/* Copies a page from 15 to 9 GiB and compares, with the instructions for a whole block and byte by byte. */
EXPORT("copy") int32_t copy(void) {
  unsigned char *from = (unsigned char *)(15 * GIB), *to = (unsigned char *)(9 * GIB + 3);
  __builtin_memcpy(to, from, WASM_PAGE);
  __builtin_memset((void *)(10 * GIB), 0x5a, WASM_PAGE);
  int32_t wrong = ((volatile unsigned char *)(10 * GIB))[WASM_PAGE - 1] != 0x5a;
  for (size_t n = 0; n < WASM_PAGE; n++) wrong += to[n] != from[n];
  return wrong;
}

/* What fills, checks and copies: the sum of what was written, or 0 when something is not as it has to be. */
EXPORT("run") uint64_t run(void) {
  if (grow() < 0) return 0;
  uint64_t written = fill();
  return check() == written && copy() == 0 ? written : 0;
}

/* Reads the last byte, and, when asked to, the one after it, which is a trap. */
EXPORT("at_end") int32_t at_end(int64_t beyond) {
  return ((volatile unsigned char *)((uint64_t)grow() * WASM_PAGE - 1))[beyond];
}
