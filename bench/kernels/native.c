/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Runs a kernel natively: native N prints what run(N) returns. */
#include "kernel.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s N\n", argv[0]);
    return 2;
  }
  printf("%u\n", run((uint32_t)strtoul(argv[1], NULL, 10)));
  return 0;
}
