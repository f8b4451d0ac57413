/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* cay's side of `./x bench embed`: calls in both directions, boxed and not, by wasm.h and cay.h, and pooled instances.
 * `embed CALLS.wasm SMALL.wasm`; wasmtime's side is bench/peers/wasmtime_embed.c. */
#include <cay.h>
#include <string.h>
#include <wasm.h>

#include "embed_measure.h"

static struct cay_error error;

static void check(enum cay_status status) {
  if (status == CAY_OK) return;
  fprintf(stderr, "embed: %s\n", error.text);
  exit(1);
}

static void check_trap(const wasm_trap_t *trap) {
  if (!trap) return;
  fprintf(stderr, "embed: trap\n");
  exit(1);
}

/* ---- Calls by wasm.h ---- */

static wasm_func_t *add, *ticks;

static void call_checked(int count) {
  wasm_val_t args[2] = {WASM_I32_VAL(1), WASM_I32_VAL(2)}, result = WASM_INIT_VAL;
  wasm_val_vec_t arguments = WASM_ARRAY_VEC(args), results = {1, &result};
  for (int i = 0; i < count; i++) {
    check_trap(wasm_func_call(add, &arguments, &results));
    args[0].of.i32 = result.of.i32;
  }
}

static void call_standard_typed(int count) {
  cay_slot slots[2] = {{.i32 = 1}};
  for (int i = 0; i < count; i++) {
    slots[1].i32 = 2;
    check_trap(cay_wasm_func_call(add, slots));
  }
}

static wasm_trap_t *tick_checked(const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  results->data[0].of.i32 = args->data[0].of.i32 + 1;
  return NULL;
}

static void call_back_checked(int count) {
  cay_slot slots[1] = {{.i32 = count}};
  check_trap(cay_wasm_func_call(ticks, slots));
}

static wasm_func_t *exported(const wasm_module_t *module, const wasm_extern_vec_t *exports, const char *name) {
  wasm_exporttype_vec_t types;
  wasm_module_exports(module, &types);
  for (size_t i = 0; i < types.size; i++) {
    const wasm_name_t *found = wasm_exporttype_name(types.data[i]);
    if (found->size >= strlen(name) && memcmp(found->data, name, strlen(name)) == 0)
      return wasm_extern_as_func(exports->data[i]);
  }
  fprintf(stderr, "embed: no export \"%s\"\n", name);
  exit(1);
}

static void by_standard(const void *bytes, size_t len_bytes) {
  wasm_engine_t *engine = wasm_engine_new();
  wasm_store_t *store = wasm_store_new(engine);
  wasm_byte_vec_t binary = {len_bytes, (char *)(uintptr_t)bytes};
  wasm_module_t *module = wasm_module_new(store, &binary);
  wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  wasm_extern_t *import = wasm_func_as_extern(wasm_func_new(store, type, tick_checked));
  wasm_extern_vec_t imports = {1, &import}, exports;
  wasm_instance_exports(wasm_instance_new(store, module, &imports, NULL), &exports);
  add = exported(module, &exports, "add");
  ticks = exported(module, &exports, "ticks");
  measure("call", call_checked, CALLS_OF_BATCH);
  measure("call-typed-standard", call_standard_typed, CALLS_OF_BATCH);
  measure("call-host-boxed", call_back_checked, CALLS_OF_BATCH);
}

/* ---- Calls by cay.h ---- */

static cay_run *run;
static const cay_function *run_add, *run_ticks;

static void call_typed(int count) {
  cay_slot slots[2] = {{.i32 = 1}};
  for (int i = 0; i < count; i++) {
    slots[1].i32 = 2;
    check(cay_run_call(run, run_add, slots, &error));
  }
}

static void call_back(int count) {
  cay_slot slots[1] = {{.i32 = count}};
  check(cay_run_call(run, run_ticks, slots, &error));
}

static enum cay_status tick(void *env, cay_caller *caller, cay_slot *slots, struct cay_error *why) {
  (void)env, (void)caller, (void)why;
  slots[0].i32++;
  return CAY_OK;
}

static void by_runs(cay_engine *engine, const void *bytes, size_t len_bytes) {
  static const enum cay_type i32 = CAY_I32;
  cay_module *module;
  cay_imports *imports;
  check(cay_module_load(engine, bytes, len_bytes, &module, &error));
  check(cay_imports_new(&imports, &error));
  check(cay_imports_add(imports, "host", "tick", &i32, 1, &i32, 1, tick, NULL, &error));
  check(cay_run_new(module, NULL, &run, &error));
  check(cay_run_set_imports(run, imports, &error));
  check(cay_module_function(module, "add", &run_add, &error));
  check(cay_module_function(module, "ticks", &run_ticks, &error));
  measure("call-typed", call_typed, CALLS_OF_BATCH);
  measure("call-host", call_back, CALLS_OF_BATCH);
}

/* ---- Instances ---- */

static cay_pool *pool;
static cay_run *live[LIVE];
static const cay_function *touch;

static void make(int index) { check(cay_pool_take(pool, &live[index], &error)); }
static void drop(int index) { cay_run_free(live[index]); }

static void use(int index) {
  cay_slot slots[1] = {{.i32 = index}};
  check(cay_run_call(live[index], touch, slots, &error));
}
static void make_and_use(int index) {
  make(index);
  use(index);
}

static void use_once(int count) {
  for (int i = 0; i < count; i++) {
    make_and_use(0);
    drop(0);
  }
}

static void by_pool(cay_engine *engine, const void *bytes, size_t len_bytes) {
  cay_module *module;
  cay_wasi *wasi;
  check(cay_module_load(engine, bytes, len_bytes, &module, &error));
  check(cay_wasi_new(&wasi, &error));
  check(cay_module_function(module, "touch", &touch, &error));
  check(cay_pool_new(module, &(cay_pool_setup){.wasi = wasi, .kept = LIVE}, &pool, &error));
  measure_pair("instantiate", make, "drop", drop);
  measure_pair("instantiate-and-use", make_and_use, "drop-used", drop);
  measure("use-once", use_once, LIVE);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  cay_engine *engine;
  size_t len_bytes;
  void *bytes = read_module(argv[1], &len_bytes);
  check(cay_engine_new(NULL, &engine, &error));
  by_standard(bytes, len_bytes);
  by_runs(engine, bytes, len_bytes);
  free(bytes);
  bytes = read_module(argv[2], &len_bytes);
  by_pool(engine, bytes, len_bytes);
  free(bytes);
  return 0;
}
