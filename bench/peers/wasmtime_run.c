/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Compiles and runs WASI 0.1 commands with the library of wasmtime's Python wheel, which comes without a command and
 * without headers; the few declarations used here follow its documented C API.
 *
 *   wasmtime_run compile TARGET IN.wasm OUT.cwasm     TARGET: `native` (Cranelift) or `pulley64` (its interpreter)
 *   wasmtime_run run TARGET FILE.cwasm ARGUMENT...    standard streams are the caller's, nothing else is granted
 *
 * `run` does no more than a precompiled start needs, so it is a stricter measure than wasmtime's own command. */
#include "wasmtime.h"

typedef struct wasi_config wasi_config_t;

wasmtime_error_t *wasmtime_config_target_set(wasm_config_t *, const char *);
wasmtime_error_t *wasmtime_module_serialize(wasmtime_module_t *, wasm_byte_vec_t *);
wasmtime_error_t *wasmtime_module_deserialize_file(wasm_engine_t *, const char *, wasmtime_module_t **);
wasi_config_t *wasi_config_new(void);
bool wasi_config_set_argv(wasi_config_t *, size_t, const char *[]);
void wasi_config_inherit_stdin(wasi_config_t *);
void wasi_config_inherit_stdout(wasi_config_t *);
void wasi_config_inherit_stderr(wasi_config_t *);
wasmtime_error_t *wasmtime_context_set_wasi(wasmtime_context_t *, wasi_config_t *);
wasmtime_error_t *wasmtime_linker_module(wasmtime_linker_t *, wasmtime_context_t *, const char *, size_t,
                                         const wasmtime_module_t *);
wasmtime_error_t *wasmtime_linker_get_default(const wasmtime_linker_t *, wasmtime_context_t *, const char *, size_t,
                                              wasmtime_func_t *);

static wasm_engine_t *engine_for(const char *target) {
  wasm_config_t *config = wasm_config_new();
  if (strcmp(target, "native") != 0) check(wasmtime_config_target_set(config, target));
  return wasm_engine_new_with_config(config);
}

static void *read_file(const char *path, size_t *len_bytes) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  *len_bytes = (size_t)ftell(file);
  rewind(file);
  void *bytes = malloc(*len_bytes + 1);
  if (!bytes || fread(bytes, 1, *len_bytes, file) != *len_bytes) {
    fprintf(stderr, "wasmtime_run: cannot read %s\n", path);
    exit(1);
  }
  fclose(file);
  return bytes;
}

static int compile(const char *target, const char *from, const char *to) {
  size_t len_bytes;
  const uint8_t *bytes = read_file(from, &len_bytes);
  wasmtime_module_t *module;
  wasm_byte_vec_t code;
  check(wasmtime_module_new(engine_for(target), bytes, len_bytes, &module));
  check(wasmtime_module_serialize(module, &code));
  FILE *file = fopen(to, "wb");
  if (!file || fwrite(code.data, 1, code.size, file) != code.size || fclose(file) != 0) {
    perror(to);
    return 1;
  }
  return 0;
}

static int run(const char *target, int argc, char **argv) {
  wasm_engine_t *engine = engine_for(target);
  wasmtime_module_t *module;
  check(wasmtime_module_deserialize_file(engine, argv[0], &module));
  wasmtime_context_t *store = wasmtime_store_context(wasmtime_store_new(engine, NULL, NULL));
  wasi_config_t *wasi = wasi_config_new();
  wasi_config_set_argv(wasi, (size_t)argc, (const char **)argv);
  wasi_config_inherit_stdin(wasi);
  wasi_config_inherit_stdout(wasi);
  wasi_config_inherit_stderr(wasi);
  check(wasmtime_context_set_wasi(store, wasi));
  wasmtime_linker_t *linker = wasmtime_linker_new(engine);
  check(wasmtime_linker_define_wasi(linker));
  check(wasmtime_linker_module(linker, store, "", 0, module));
  wasmtime_func_t start;
  wasm_trap_t *trap = NULL;
  check(wasmtime_linker_get_default(linker, store, "", 0, &start));
  check(wasmtime_func_call(store, &start, NULL, 0, NULL, 0, &trap));
  if (trap) fprintf(stderr, "wasmtime_run: %s: trap\n", argv[0]);
  return trap ? 134 : 0;
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[1], "compile") == 0) return compile(argv[2], argv[3], argv[4]);
  if (argc >= 4 && strcmp(argv[1], "run") == 0) return run(argv[2], argc - 3, argv + 3);
  fprintf(stderr, "usage: wasmtime_run compile TARGET IN OUT | run TARGET FILE ARGUMENT...\n");
  return 2;
}
