/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Grows its memory until that fails or 128 MiB are reached, and says how far it came. */
#include <stdio.h>

int main(void) {
  while (__builtin_wasm_memory_size(0) < 2048)
    if (__builtin_wasm_memory_grow(0, 16) == (__SIZE_TYPE__)-1) break;
  int mebibytes = (int)(__builtin_wasm_memory_size(0) / 16);
  printf("%s\n", mebibytes < 128 ? "stopped" : "unlimited");
  return mebibytes > 33 && mebibytes < 128;
}
