/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Runs one exported function in wasm3: wasm3_run FILE N prints what run(N) returns. wasm3 has no command of its own in
 * the package it is taken from, so this is the least that its API needs. */
#include "wasm3.h"
#include <stdio.h>
#include <stdlib.h>

enum { STACK_BYTES = 1 << 20, MOST_MODULE_BYTES = 1 << 20 };

static uint8_t bytes[MOST_MODULE_BYTES];

static M3Result run(uint32_t len_bytes, const char *argument, uint32_t *result) {
  IM3Environment environment = m3_NewEnvironment();
  IM3Runtime runtime = m3_NewRuntime(environment, STACK_BYTES, NULL);
  IM3Module module;
  IM3Function function;
  M3Result failure = m3_ParseModule(environment, &module, bytes, len_bytes);
  if (!failure) failure = m3_LoadModule(runtime, module);
  if (!failure) failure = m3_FindFunction(&function, runtime, "run");
  if (!failure) failure = m3_CallV(function, (uint32_t)strtoul(argument, NULL, 10));
  return failure ? failure : m3_GetResultsV(function, result);
}

int main(int argc, char **argv) {
  FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
  if (!file) {
    fprintf(stderr, "usage: wasm3_run FILE N\n");
    return 2;
  }
  uint32_t result = 0;
  M3Result failure = run((uint32_t)fread(bytes, 1, sizeof bytes, file), argv[2], &result);
  fclose(file);
  if (failure) {
    fprintf(stderr, "wasm3_run: %s: %s\n", argv[1], failure);
    return 1;
  }
  printf("%d\n", (int32_t)result);
  return 0;
}
