/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Calls itself until the stack ends; how deep that is stays in memory. */
unsigned depth;
int run(int n) {
  unsigned values[4] = {depth++, (unsigned)n};
  __asm__ volatile("" : : "r"(values) : "memory");
  return run(n + 1) + (int)values[n & 3];
}
