/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the drivers of wasmtime have in common: the library of its Python wheel comes without headers, and these declarations
 * follow its documented C API. */
#ifndef BENCH_PEERS_WASMTIME_H
#define BENCH_PEERS_WASMTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  size_t size;
  char *data;
} wasm_byte_vec_t;
typedef struct {
  uint64_t store_id;
  void *private;
} wasmtime_func_t;
typedef struct {
  uint8_t kind;
  union {
    int32_t i32;
    int64_t i64;
    uint8_t any[24];
  } of;
} wasmtime_val_t;
typedef struct wasm_config wasm_config_t;
typedef struct wasm_engine wasm_engine_t;
typedef struct wasm_trap wasm_trap_t;
typedef struct wasmtime_error wasmtime_error_t;
typedef struct wasmtime_module wasmtime_module_t;
typedef struct wasmtime_store wasmtime_store_t;
typedef struct wasmtime_context wasmtime_context_t;
typedef struct wasmtime_linker wasmtime_linker_t;

wasm_config_t *wasm_config_new(void);
wasm_engine_t *wasm_engine_new_with_config(wasm_config_t *);
wasmtime_error_t *wasmtime_module_new(wasm_engine_t *, const uint8_t *, size_t, wasmtime_module_t **);
wasmtime_store_t *wasmtime_store_new(wasm_engine_t *, void *, void (*)(void *));
wasmtime_context_t *wasmtime_store_context(wasmtime_store_t *);
wasmtime_linker_t *wasmtime_linker_new(wasm_engine_t *);
wasmtime_error_t *wasmtime_linker_define_wasi(wasmtime_linker_t *);
wasmtime_error_t *wasmtime_func_call(wasmtime_context_t *, const wasmtime_func_t *, const wasmtime_val_t *, size_t,
                                     wasmtime_val_t *, size_t, wasm_trap_t **);
bool wasmtime_error_exit_status(const wasmtime_error_t *, int *);
void wasmtime_error_message(const wasmtime_error_t *, wasm_byte_vec_t *);

/* Ends the process when a call failed; a guest's proc_exit is such a failure too. */
static void check(wasmtime_error_t *error) {
  int status;
  wasm_byte_vec_t text;
  if (!error) return;
  if (wasmtime_error_exit_status(error, &status)) exit(status);
  wasmtime_error_message(error, &text);
  fprintf(stderr, "wasmtime: %.*s\n", (int)text.size, text.data);
  exit(1);
}

#endif
