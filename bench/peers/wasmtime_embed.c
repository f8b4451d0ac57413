/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* wasmtime's side of `./x bench embed`: what bench/embed.c measures of cay, by wasmtime's C API from the library of its
 * Python wheel, with its pooling allocator. `wasmtime_embed CALLS.wasm SMALL.wasm`
 *
 * Where the API has a fast and a comfortable way, both are measured. WASI is linked but not configured in the store,
 * which is less than a program that calls it would need. */
#include "../embed_measure.h"
#include "wasmtime.h"

typedef struct {
  uint64_t store_id;
  size_t private;
} wasmtime_instance_t;
typedef union {
  int32_t i32;
  int64_t i64;
  uint8_t v128[16];
} wasmtime_val_raw_t;
typedef struct {
  uint8_t kind;
  union {
    wasmtime_func_t func;
    uint8_t any[32];
  } of;
} wasmtime_extern_t;
typedef struct wasmtime_instance_pre wasmtime_instance_pre_t;
typedef struct wasmtime_caller wasmtime_caller_t;
typedef struct wasmtime_pooling wasmtime_pooling_t;
typedef struct wasm_functype wasm_functype_t;
typedef struct {
  size_t size;
  void **data;
} wasm_valtype_vec_t;

wasmtime_pooling_t *wasmtime_pooling_allocation_config_new(void);
void wasmtime_pooling_allocation_config_total_memories_set(wasmtime_pooling_t *, uint32_t);
void wasmtime_pooling_allocation_config_total_core_instances_set(wasmtime_pooling_t *, uint32_t);
void wasmtime_pooling_allocation_config_total_tables_set(wasmtime_pooling_t *, uint32_t);
void wasmtime_pooling_allocation_strategy_set(wasm_config_t *, const wasmtime_pooling_t *);
void wasmtime_store_delete(wasmtime_store_t *);
wasmtime_error_t *wasmtime_linker_define_func_unchecked(
    wasmtime_linker_t *, const char *, size_t, const char *, size_t, const wasm_functype_t *,
    wasm_trap_t *(*)(void *, wasmtime_caller_t *, wasmtime_val_raw_t *, size_t), void *, void (*)(void *));
wasmtime_error_t *wasmtime_linker_instantiate_pre(const wasmtime_linker_t *, const wasmtime_module_t *,
                                                  wasmtime_instance_pre_t **);
wasmtime_error_t *wasmtime_instance_pre_instantiate(const wasmtime_instance_pre_t *, wasmtime_context_t *,
                                                    wasmtime_instance_t *, wasm_trap_t **);
bool wasmtime_instance_export_get(wasmtime_context_t *, const wasmtime_instance_t *, const char *, size_t,
                                  wasmtime_extern_t *);
wasmtime_error_t *wasmtime_func_call_unchecked(wasmtime_context_t *, const wasmtime_func_t *, wasmtime_val_raw_t *,
                                               size_t, wasm_trap_t **);
void *wasm_valtype_new(uint8_t);
void wasm_valtype_vec_new(wasm_valtype_vec_t *, size_t, void *const *);
wasm_functype_t *wasm_functype_new(wasm_valtype_vec_t *, wasm_valtype_vec_t *);

static wasm_engine_t *engine;
static wasmtime_instance_pre_t *calls_pre, *small_pre;

/* ---- Calls ---- */

static wasmtime_context_t *store;
static wasmtime_func_t add, ticks;
static wasm_trap_t *trap;

static void call_checked(int count) {
  wasmtime_val_t args[2] = {{0, {.i32 = 1}}, {0, {.i32 = 2}}}, result;
  for (int i = 0; i < count; i++) {
    check(wasmtime_func_call(store, &add, args, 2, &result, 1, &trap));
    args[0].of.i32 = result.of.i32;
  }
}

static void call_unchecked(int count) {
  wasmtime_val_raw_t slots[2] = {{1}, {2}};
  for (int i = 0; i < count; i++) {
    slots[1].i32 = 2;
    check(wasmtime_func_call_unchecked(store, &add, slots, 2, &trap));
  }
}

static void call_back(int count) {
  wasmtime_val_raw_t slots[1] = {{count}};
  check(wasmtime_func_call_unchecked(store, &ticks, slots, 1, &trap));
}

static wasm_trap_t *tick(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *slots, size_t count) {
  (void)env, (void)caller, (void)count;
  slots[0].i32++;
  return NULL;
}

/* ---- Instances ---- */

static wasmtime_store_t *live[LIVE];
static wasmtime_instance_t instances[LIVE];

static void make(int index) {
  live[index] = wasmtime_store_new(engine, NULL, NULL);
  check(wasmtime_instance_pre_instantiate(small_pre, wasmtime_store_context(live[index]), &instances[index], &trap));
}
static void drop(int index) { wasmtime_store_delete(live[index]); }

static wasmtime_func_t exported(wasmtime_context_t *of, const wasmtime_instance_t *instance, const char *name) {
  wasmtime_extern_t found;
  if (wasmtime_instance_export_get(of, instance, name, strlen(name), &found)) return found.of.func;
  fprintf(stderr, "wasmtime_embed: no export \"%s\"\n", name);
  exit(1);
}

static void make_and_use(int index) {
  make(index);
  wasmtime_context_t *context = wasmtime_store_context(live[index]);
  wasmtime_func_t touch = exported(context, &instances[index], "touch");
  wasmtime_val_raw_t slots[1] = {{index}};
  check(wasmtime_func_call_unchecked(context, &touch, slots, 1, &trap));
}

static void use_once(int count) {
  for (int i = 0; i < count; i++) {
    make_and_use(0);
    drop(0);
  }
}

static wasmtime_module_t *load(const char *path) {
  size_t len_bytes;
  wasmtime_module_t *module;
  const uint8_t *bytes = read_module(path, &len_bytes);
  check(wasmtime_module_new(engine, bytes, len_bytes, &module));
  return module;
}

static void link_all(const wasmtime_module_t *calls, const wasmtime_module_t *small) {
  wasmtime_linker_t *linker = wasmtime_linker_new(engine);
  void *param = wasm_valtype_new(0), *result = wasm_valtype_new(0);
  wasm_valtype_vec_t params, results;
  wasm_valtype_vec_new(&params, 1, &param);
  wasm_valtype_vec_new(&results, 1, &result);
  check(wasmtime_linker_define_wasi(linker));
  check(wasmtime_linker_define_func_unchecked(linker, "host", 4, "tick", 4, wasm_functype_new(&params, &results), tick,
                                              NULL, NULL));
  check(wasmtime_linker_instantiate_pre(linker, calls, &calls_pre));
  check(wasmtime_linker_instantiate_pre(linker, small, &small_pre));
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  wasm_config_t *config = wasm_config_new();
  wasmtime_pooling_t *pooling = wasmtime_pooling_allocation_config_new();
  wasmtime_pooling_allocation_strategy_set(config, pooling);
  engine = wasm_engine_new_with_config(config);
  link_all(load(argv[1]), load(argv[2]));
  wasmtime_instance_t instance;
  store = wasmtime_store_context(wasmtime_store_new(engine, NULL, NULL));
  check(wasmtime_instance_pre_instantiate(calls_pre, store, &instance, &trap));
  add = exported(store, &instance, "add");
  ticks = exported(store, &instance, "ticks");
  measure("call", call_checked, CALLS_OF_BATCH);
  measure("call-typed", call_unchecked, CALLS_OF_BATCH);
  measure("call-host", call_back, CALLS_OF_BATCH);
  measure_pair("instantiate", make, "drop", drop);
  measure_pair("instantiate-and-use", make_and_use, "drop-used", drop);
  measure("use-once", use_once, LIVE);
  return 0;
}
