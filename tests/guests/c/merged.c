/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Counts the words of standard input in a store that has a memory of its own (merged_store.c). */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>

#define IMPORT(name) __attribute__((import_module("store"), import_name(name)))

IMPORT("store_byte") void store_byte(uint32_t byte);
IMPORT("store_end") uint32_t store_end(void);
IMPORT("store_times") uint32_t store_times(uint32_t index);
IMPORT("store_text") uint32_t store_text(uint32_t index, uint32_t position);
IMPORT("store_grow") uint32_t store_grow(void);

int main(void) {
  int words = 0, different = 0, in_word = 0, next;
  do {
    next = getchar();
    if (next != EOF && isalpha(next)) {
      store_byte((uint32_t)next);
      in_word = 1;
    } else if (in_word) {
      words++;
      different += store_end() == 1;
      in_word = 0;
    }
  } while (next != EOF);
  printf("%d words, %d of them different\n", words, different);
  for (uint32_t n = 0; store_times(n); n++) {
    for (uint32_t position = 0, letter; (letter = store_text(n, position)); position++) putchar((int)letter);
    printf(" %u\n", store_times(n));
  }
  size_t before = __builtin_wasm_memory_size(0);
  uint32_t grown = store_grow();
  printf("the store grew to %u MB, the program %s\n", grown,
         __builtin_wasm_memory_size(0) == before ? "did not" : "did, too");
  return 0;
}
