/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The Fibonacci number n by recursion: calls and little else. */
#include "kernel.h"

uint32_t run(uint32_t n) { return n < 2 ? n : run(n - 1) + run(n - 2); }
