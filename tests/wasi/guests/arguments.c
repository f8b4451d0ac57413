/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Arguments and environment: sizes, strings, order, and pointers outside of memory. Prints both for the runner. */
#include "check.h"

enum { MANY = 64, BYTES = 4096 };
static char *strings[MANY + 1];
static char bytes[BYTES];
static void *const outside = (void *)(intptr_t)-8;

typedef int32_t get_function(void *, void *);

static void check(const char *what, get_function *sizes_get, get_function *get) {
  uint32_t count = 0, size = 0;
  OK(sizes_get(&count, &size));
  TRUE(count <= MANY && size <= BYTES);
  memset(strings, 0x5A, sizeof strings);
  memset(bytes, 0x5A, sizeof bytes);
  OK(get(strings, bytes));
  const char *at = bytes;
  for (uint32_t i = 0; i < count; i++) {
    EQUAL(strings[i], at);
    printf("%s[%s]\n", what, strings[i]);
    at += strlen(at) + 1;
  }
  EQUAL(at - bytes, size);
  EQUAL((uintptr_t)strings[count], 0x5A5A5A5A);
  EQUAL(bytes[size], 0x5A);
  IS(sizes_get(outside + 6, &size), FAULT);
  IS(sizes_get(&count, outside + 6), FAULT);
  if (count == 0) return;
  IS(get(outside + 6, bytes), FAULT);
  IS(get(strings, (void *)(__builtin_wasm_memory_size(0) * 65536 - size + 1)), FAULT);
}

int main(void) {
  check("argument", raw_args_sizes_get, raw_args_get);
  check("variable", raw_environ_sizes_get, raw_environ_get);
  return check_end();
}
