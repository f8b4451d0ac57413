/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Runs a kernel natively: native N prints what run(N) returns, as engines print an i32. */
#include "kernel.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s N\n", argv[0]);
    return 2;
  }
  printf("%d\n", (int32_t)run((uint32_t)strtoul(argv[1], NULL, 10)));
  return 0;
}
