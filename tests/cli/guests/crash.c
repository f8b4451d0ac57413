/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Traps three calls deep, so that a backtrace has names and lines to show. */
#include <stdlib.h>

static volatile int zero;

__attribute__((noinline)) static int divide(int a) { return a / zero; }
__attribute__((noinline)) static int middle(int a) { return divide(a) + 1; }
int main(int argc, char **argv) { return middle(argc); }
