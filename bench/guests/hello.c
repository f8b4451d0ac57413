/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The smallest command there is, for the time from start to exit. */
#include <stdio.h>

int main(void) {
  puts("hello");
  return 0;
}
