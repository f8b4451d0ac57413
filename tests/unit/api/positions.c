/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A guest for test_backtrace.c, which knows the lines and columns of this file. */
static inline __attribute__((always_inline)) int inner(const int *p) {
  return *p; /* traps for an address out of bounds */
}

static inline __attribute__((always_inline)) int middle(const int *p) {
  return inner(p + 1) + 1;
}

__attribute__((noinline, export_name("outer"))) int outer(int address) {
  return middle((const int *)address) * 3;
}

__attribute__((export_name("run"))) int run(void) { return outer(0x7FFFFFF0) + 1; }
