/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The reference of the differential test: wasmtime through its C API, in the library that lies in its Python wheel. The
 * wheel has no headers, so what is used of the API is declared here; the layouts are those of the pinned version. */
#include "side.h"

#include <dlfcn.h>

/* ---- The C API ------------------------------------------------------------------------------------------------- */

enum { KIND_I32, KIND_I64, KIND_F32, KIND_F64, KIND_V128, KIND_FUNCREF, KIND_EXTERNREF };
enum { TYPE_EXTERNREF = 128, TYPE_FUNCREF = 129 }; /* wasm_valkind_t; numbers as above */
enum { EXTERN_FUNC, EXTERN_GLOBAL, EXTERN_TABLE, EXTERN_MEMORY };
enum { OPTIMIZE_NONE = 0 };
enum { TRAP_CODES = 10 };

struct wt_vec {
  size_t size;
  void *elems;
}; /* wasm_byte_vec_t, wasm_valtype_vec_t */
struct wt_limits {
  uint32_t min, max;
};
struct wt_func {
  uint64_t store;
  void *part;
};
struct wt_place {
  uint64_t store;
  uint32_t parts[3];
}; /* global, table, memory */
struct wt_externref {
  uint64_t store;
  uint32_t parts[2];
  void *part;
};
struct wt_instance {
  uint64_t store;
  size_t part;
};
struct wt_value {
  uint8_t kind;
  union {
    uint32_t i32;
    uint64_t i64;
    struct wt_externref externref;
    struct wt_func funcref;
    uint8_t v128[16];
  } of;
};
struct wt_extern {
  uint8_t kind;
  union {
    struct wt_func func;
    struct wt_place place;
  } of;
};
_Static_assert(sizeof(struct wt_value) == 32 && sizeof(struct wt_extern) == 32 && sizeof(struct wt_place) == 24,
               "the layouts of wasmtime's C API");
typedef void *(*wt_callback)(void *env, void *caller, const struct wt_value *args, size_t arg_count,
                             struct wt_value *results, size_t result_count);
typedef void (*wt_finalizer)(void *env);

#define FUNCTIONS(X)                                                                                                  \
  X(void *, wasm_config_new, (void))                                                                                  \
  X(void, wasmtime_config_max_wasm_stack_set, (void *config, size_t bytes))                                           \
  X(void, wasmtime_config_async_stack_size_set, (void *config, uint64_t bytes))                                       \
  X(void, wasmtime_config_parallel_compilation_set, (void *config, bool on))                                          \
  X(void, wasmtime_config_cranelift_opt_level_set, (void *config, uint8_t level))                                     \
  X(void, wasmtime_config_wasm_tail_call_set, (void *config, bool on))                                                \
  X(void, wasmtime_config_wasm_simd_set, (void *config, bool on))                                                     \
  X(void, wasmtime_config_wasm_relaxed_simd_set, (void *config, bool on))                                             \
  X(void, wasmtime_config_wasm_threads_set, (void *config, bool on))                                                  \
  X(void, wasmtime_config_wasm_multi_memory_set, (void *config, bool on))                                             \
  X(void, wasmtime_config_wasm_memory64_set, (void *config, bool on))                                                 \
  X(void, wasmtime_config_wasm_function_references_set, (void *config, bool on))                                      \
  X(void, wasmtime_config_wasm_gc_set, (void *config, bool on))                                                       \
  X(void, wasmtime_config_wasm_exceptions_set, (void *config, bool on))                                               \
  X(void, wasmtime_config_wasm_wide_arithmetic_set, (void *config, bool on))                                          \
  X(void, wasmtime_config_wasm_custom_page_sizes_set, (void *config, bool on))                                        \
  X(void, wasmtime_config_wasm_compact_imports_set, (void *config, bool on))                                          \
  X(void *, wasm_engine_new_with_config, (void *config))                                                              \
  X(void, wasm_engine_delete, (void *engine))                                                                         \
  X(void *, wasmtime_store_new, (void *engine, void *env, wt_finalizer finalizer))                                    \
  X(void *, wasmtime_store_context, (void *store))                                                                    \
  X(void, wasmtime_store_delete, (void *store))                                                                       \
  X(void *, wasmtime_module_new, (void *engine, const uint8_t *bytes, size_t len_bytes, void **out))                  \
  X(void *, wasmtime_module_validate, (void *engine, const uint8_t *bytes, size_t len_bytes))                         \
  X(void, wasmtime_module_delete, (void *module))                                                                     \
  X(void *, wasmtime_instance_new,                                                                                    \
    (void *context, void *module, const struct wt_extern *imports, size_t count, struct wt_instance *out,             \
     void **trap))                                                                                                    \
  X(bool, wasmtime_instance_export_nth,                                                                               \
    (void *context, const struct wt_instance *instance, size_t index, char **name, size_t *name_bytes,                \
     struct wt_extern *out))                                                                                          \
  X(void, wasmtime_func_new,                                                                                          \
    (void *context, const void *type, wt_callback callback, void *env, wt_finalizer finalizer, struct wt_func *out))  \
  X(void *, wasmtime_func_call,                                                                                       \
    (void *context, const struct wt_func *func, const struct wt_value *args, size_t arg_count,                        \
     struct wt_value *results, size_t result_count, void **trap))                                                     \
  X(void *, wasmtime_global_new,                                                                                      \
    (void *context, const void *type, const struct wt_value *value, struct wt_place *out))                            \
  X(void, wasmtime_global_get, (void *context, const struct wt_place *global, struct wt_value *out))                  \
  X(void *, wasmtime_global_set, (void *context, const struct wt_place *global, const struct wt_value *value))        \
  X(void *, wasmtime_memory_new, (void *context, const void *type, struct wt_place *out))                             \
  X(uint8_t *, wasmtime_memory_data, (void *context, const struct wt_place *memory))                                  \
  X(size_t, wasmtime_memory_data_size, (void *context, const struct wt_place *memory))                                \
  X(void *, wasmtime_table_new, (void *context, const void *type, const struct wt_value *init, struct wt_place *out)) \
  X(uint64_t, wasmtime_table_size, (void *context, const struct wt_place *table))                                     \
  X(bool, wasmtime_table_get, (void *context, const struct wt_place *table, uint64_t at, struct wt_value *out))       \
  X(void *, wasmtime_table_set,                                                                                       \
    (void *context, const struct wt_place *table, uint64_t at, const struct wt_value *value))                         \
  X(bool, wasmtime_externref_new, (void *context, void *value, wt_finalizer finalizer, struct wt_externref *out))     \
  X(void *, wasmtime_externref_data, (void *context, const struct wt_externref *ref))                                 \
  X(void, wasmtime_val_unroot, (struct wt_value * value))                                                             \
  X(void *, wasmtime_trap_new, (const char *text, size_t len_bytes))                                                  \
  X(bool, wasmtime_trap_code, (const void *trap, uint8_t *code))                                                      \
  X(void, wasm_trap_delete, (void *trap))                                                                             \
  X(void, wasmtime_error_message, (const void *error, struct wt_vec *out))                                            \
  X(void, wasmtime_error_delete, (void *error))                                                                       \
  X(void, wasm_byte_vec_delete, (struct wt_vec * vec))                                                                \
  X(void *, wasm_valtype_new, (uint8_t kind))                                                                         \
  X(void, wasm_valtype_vec_new, (struct wt_vec * out, size_t count, void *const *types))                              \
  X(void *, wasm_functype_new, (struct wt_vec * params, struct wt_vec * results))                                     \
  X(void, wasm_functype_delete, (void *type))                                                                         \
  X(void *, wasm_globaltype_new, (void *type, uint8_t is_mutable))                                                    \
  X(void, wasm_globaltype_delete, (void *type))                                                                       \
  X(void *, wasm_tabletype_new, (void *type, const struct wt_limits *limits))                                         \
  X(void, wasm_tabletype_delete, (void *type))                                                                        \
  X(void *, wasm_memorytype_new, (const struct wt_limits *limits))                                                    \
  X(void, wasm_memorytype_delete, (void *type))

static struct {
#define X(result, name, parameters) result(*name) parameters;
  FUNCTIONS(X)
#undef X
} wt;

static bool wt_load(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), false;
#define X(result, name, parameters)           \
  *(void **)&wt.name = dlsym(library, #name); \
  if (!wt.name) return fprintf(stderr, "%s: there is no %s\n", path, #name), false;
  FUNCTIONS(X)
#undef X
  return true;
}

/* ---- Values and types ------------------------------------------------------------------------------------------ */

enum { STACK_BYTES = 64 << 20 };

struct reference_import {
  struct side *side;
  uint32_t func;
};

struct reference_side {
  struct side side;
  void *engine, *store, *context, *module;
  struct wt_instance instance;
  struct wt_extern *imports, *exports;
  struct reference_import *import_functions;
  bool import_trapped; /* since the last outcome; the API reports it as an error like others */
};

static struct reference_side *reference_of(struct side *side) { return (struct reference_side *)side; }

static uint8_t kind_of(module_type type) {
  switch (type) {
  case MODULE_I32: return KIND_I32;
  case MODULE_I64: return KIND_I64;
  case MODULE_F32: return KIND_F32;
  case MODULE_F64: return KIND_F64;
  case MODULE_FUNCREF: return KIND_FUNCREF;
  default: return KIND_EXTERNREF;
  }
}

static void *type_new(module_type type) {
  uint8_t kind = kind_of(type);
  return wt.wasm_valtype_new(kind == KIND_FUNCREF ? TYPE_FUNCREF : kind == KIND_EXTERNREF ? TYPE_EXTERNREF : kind);
}

static struct wt_value value_new(void *context, module_type type, uint64_t slot) {
  struct wt_value value = {.kind = kind_of(type)};
  if (value.kind == KIND_EXTERNREF) {
    if (slot && !wt.wasmtime_externref_new(context, (void *)(uintptr_t)slot, NULL, &value.of.externref)) abort();
  } else if (value.kind != KIND_FUNCREF)
    value.of.i64 = slot;
  return value;
}

static uint64_t value_slot(void *context, const struct wt_value *value) {
  switch (value->kind) {
  case KIND_I32:
  case KIND_F32: return value->of.i32;
  case KIND_I64:
  case KIND_F64: return value->of.i64;
  case KIND_FUNCREF: return value->of.funcref.store != 0;
  default: break;
  }
  return value->of.externref.store ? (uintptr_t)wt.wasmtime_externref_data(context, &value->of.externref) : 0;
}

static uint64_t value_take(void *context, struct wt_value *value) {
  uint64_t slot = value_slot(context, value);
  wt.wasmtime_val_unroot(value);
  return slot;
}

static void refuse(struct side *side, void *error) {
  struct wt_vec text;
  wt.wasmtime_error_message(error, &text);
  snprintf(side->reason, sizeof side->reason, "%.*s", (int)text.size, (const char *)text.elems);
  wt.wasm_byte_vec_delete(&text);
  wt.wasmtime_error_delete(error);
}

static enum side_outcome outcome_of(struct side *side, void *error, void *trap) {
  static const uint8_t outcomes[TRAP_CODES] = {
      [0] = SIDE_STACK_EXHAUSTED, [1] = SIDE_MEMORY_BOUNDS,      [3] = SIDE_TABLE_BOUNDS,
      [4] = SIDE_NULL_ELEMENT,    [5] = SIDE_CALL_TYPE,          [6] = SIDE_INTEGER_OVERFLOW,
      [7] = SIDE_DIVIDE_BY_ZERO,  [8] = SIDE_INVALID_CONVERSION, [9] = SIDE_UNREACHABLE,
  };
  bool import_trapped = reference_of(side)->import_trapped;
  reference_of(side)->import_trapped = false;
  if (error) return refuse(side, error), import_trapped ? SIDE_HOST : SIDE_REFUSED;
  if (!trap) return SIDE_DONE;
  uint8_t code = UINT8_MAX;
  enum side_outcome outcome = SIDE_REFUSED;
  if (wt.wasmtime_trap_code(trap, &code)) outcome = code < TRAP_CODES && outcomes[code] ? outcomes[code] : SIDE_REFUSED;
  if (outcome == SIDE_REFUSED) snprintf(side->reason, sizeof side->reason, "trap code %u", code);
  wt.wasm_trap_delete(trap);
  return outcome;
}

/* ---- Imports --------------------------------------------------------------------------------------------------- */

static void *call_import(void *env, void *caller, const struct wt_value *args, size_t arg_count,
                         struct wt_value *results, size_t result_count) {
  const struct reference_import *import = env;
  struct reference_side *reference = reference_of(import->side);
  void *context = reference->context;
  uint64_t *slots = calloc((arg_count > result_count ? arg_count : result_count) + 1, sizeof *slots);
  const struct module_func_type *type = side_func_type(import->side, import->func);
  for (size_t i = 0; i < arg_count; i++) slots[i] = value_slot(context, &args[i]);
  bool is_done = side_import_call(import->side, import->func, type, slots);
  if (is_done)
    for (size_t i = 0; i < result_count; i++) results[i] = value_new(context, type->results[i], slots[i]);
  free(slots);
  reference->import_trapped = !is_done;
  return is_done ? NULL : wt.wasmtime_trap_new("import", strlen("import"));
}

static struct wt_vec types_new(const module_type *types, uint32_t count) {
  void **list = calloc(count + 1, sizeof *list);
  for (uint32_t i = 0; i < count; i++) list[i] = type_new(types[i]);
  struct wt_vec out;
  wt.wasm_valtype_vec_new(&out, count, list);
  free(list);
  return out;
}

static void make_function(struct reference_side *reference, uint32_t position, uint32_t func, struct wt_func *out) {
  const struct module_func_type *type = side_func_type(&reference->side, func);
  struct wt_vec params = types_new(type->params, type->param_count);
  struct wt_vec results = types_new(type->results, type->result_count);
  void *function_type = wt.wasm_functype_new(&params, &results);
  reference->import_functions[position] = (struct reference_import){&reference->side, func};
  wt.wasmtime_func_new(reference->context, function_type, call_import, &reference->import_functions[position], NULL,
                       out);
  wt.wasm_functype_delete(function_type);
}

static void *make_global(struct reference_side *reference, uint32_t index, struct wt_place *out) {
  const struct module_global_type *type = &reference->side.module->globals[index].type;
  void *global_type = wt.wasm_globaltype_new(type_new(type->type), type->is_mutable);
  struct wt_value value = value_new(reference->context, type->type, side_import_global(index, type->type));
  void *error = wt.wasmtime_global_new(reference->context, global_type, &value, out);
  wt.wasmtime_val_unroot(&value);
  wt.wasm_globaltype_delete(global_type);
  return error;
}

static struct wt_limits limits_of(const struct module_limits *limits) {
  return (struct wt_limits){(uint32_t)limits->min, limits->has_max ? (uint32_t)limits->max : UINT32_MAX};
}

static void *make_table(struct reference_side *reference, const struct module_table_type *type, struct wt_place *out) {
  struct wt_limits limits = limits_of(&type->limits);
  void *table_type = wt.wasm_tabletype_new(type_new(type->elem), &limits);
  struct wt_value null = value_new(reference->context, type->elem, 0);
  void *error = wt.wasmtime_table_new(reference->context, table_type, &null, out);
  wt.wasm_tabletype_delete(table_type);
  return error;
}

static void *make_memory(struct reference_side *reference, const struct module_memory_type *type,
                         struct wt_place *out) {
  struct wt_limits limits = limits_of(&type->limits);
  void *memory_type = wt.wasm_memorytype_new(&limits);
  void *error = wt.wasmtime_memory_new(reference->context, memory_type, out);
  wt.wasm_memorytype_delete(memory_type);
  return error;
}

static void *make_import(struct reference_side *reference, uint32_t position) {
  static const uint8_t kinds[] = {
      [MODULE_FUNC] = EXTERN_FUNC,
      [MODULE_TABLE] = EXTERN_TABLE,
      [MODULE_MEMORY] = EXTERN_MEMORY,
      [MODULE_GLOBAL] = EXTERN_GLOBAL,
  };
  const struct module *module = reference->side.module;
  const struct module_import *import = &module->imports[position];
  struct wt_extern *out = &reference->imports[position];
  out->kind = kinds[import->kind];
  switch (import->kind) {
  case MODULE_FUNC: return make_function(reference, position, import->index, &out->of.func), NULL;
  case MODULE_TABLE: return make_table(reference, &module->tables[import->index].type, &out->of.place);
  case MODULE_MEMORY: return make_memory(reference, &module->memories[import->index], &out->of.place);
  default: return make_global(reference, import->index, &out->of.place);
  }
}

/* ---- The side -------------------------------------------------------------------------------------------------- */

static bool accepts(struct side *side, const uint8_t *bytes, size_t len_bytes) {
  void *error = wt.wasmtime_module_validate(reference_of(side)->engine, bytes, len_bytes);
  if (error) refuse(side, error);
  return !error;
}

static void find_exports(struct reference_side *reference) {
  uint32_t count = reference->side.module->export_count;
  reference->exports = calloc(count + 1, sizeof *reference->exports);
  for (uint32_t i = 0; i < count; i++) {
    char *name;
    size_t name_bytes;
    if (!wt.wasmtime_instance_export_nth(reference->context, &reference->instance, i, &name, &name_bytes,
                                         &reference->exports[i]))
      abort();
  }
}

static enum side_outcome instantiate(struct side *side, const uint8_t *bytes, size_t len_bytes) {
  struct reference_side *reference = reference_of(side);
  uint32_t import_count = side->module->import_count;
  reference->imports = calloc(import_count + 1, sizeof *reference->imports);
  reference->import_functions = calloc(import_count + 1, sizeof *reference->import_functions);
  reference->store = wt.wasmtime_store_new(reference->engine, NULL, NULL);
  reference->context = wt.wasmtime_store_context(reference->store);
  void *trap = NULL, *error = wt.wasmtime_module_new(reference->engine, bytes, len_bytes, &reference->module);
  for (uint32_t i = 0; i < import_count && !error; i++) error = make_import(reference, i);
  if (!error)
    error = wt.wasmtime_instance_new(reference->context, reference->module, reference->imports, import_count,
                                     &reference->instance, &trap);
  enum side_outcome outcome = outcome_of(side, error, trap);
  if (outcome == SIDE_DONE) find_exports(reference);
  return outcome;
}

static enum side_outcome call(struct side *side, uint32_t export_index, uint64_t *slots) {
  struct reference_side *reference = reference_of(side);
  const struct module_func_type *type = side_func_type(side, side->module->exports[export_index].index);
  uint32_t param_count = type->param_count, result_count = type->result_count;
  struct wt_value *args = calloc(param_count + result_count + 1, sizeof *args), *results = args + param_count;
  for (uint32_t i = 0; i < param_count; i++) args[i] = value_new(reference->context, type->params[i], slots[i]);
  void *trap = NULL, *error = wt.wasmtime_func_call(reference->context, &reference->exports[export_index].of.func, args,
                                                    param_count, results, result_count, &trap);
  enum side_outcome outcome = outcome_of(side, error, trap);
  for (uint32_t i = 0; i < param_count; i++) wt.wasmtime_val_unroot(&args[i]);
  for (uint32_t i = 0; i < result_count && outcome == SIDE_DONE; i++)
    slots[i] = value_take(reference->context, &results[i]);
  free(args);
  return outcome;
}

static const struct wt_place *place_of(struct side *side, uint32_t export_index) {
  return &reference_of(side)->exports[export_index].of.place;
}

static uint64_t global(struct side *side, uint32_t export_index) {
  void *context = reference_of(side)->context;
  struct wt_value value;
  wt.wasmtime_global_get(context, place_of(side, export_index), &value);
  return value_take(context, &value);
}

static void set_global(struct side *side, uint32_t export_index, uint64_t slot) {
  void *context = reference_of(side)->context;
  uint32_t index = side->module->exports[export_index].index;
  struct wt_value value = value_new(context, side->module->globals[index].type.type, slot);
  if (wt.wasmtime_global_set(context, place_of(side, export_index), &value)) abort();
}

static struct side_bytes memory(struct side *side, uint32_t export_index) {
  void *context = reference_of(side)->context;
  const struct wt_place *found = place_of(side, export_index);
  return (struct side_bytes){wt.wasmtime_memory_data(context, found), wt.wasmtime_memory_data_size(context, found)};
}

static uint64_t table_size(struct side *side, uint32_t export_index) {
  return wt.wasmtime_table_size(reference_of(side)->context, place_of(side, export_index));
}

static uint64_t table_element(struct side *side, uint32_t export_index, uint64_t at) {
  void *context = reference_of(side)->context;
  struct wt_value value;
  if (!wt.wasmtime_table_get(context, place_of(side, export_index), at, &value)) abort();
  return value_take(context, &value);
}

static void set_table_function(struct side *side, uint32_t export_index, uint64_t at, uint32_t function_export) {
  struct reference_side *reference = reference_of(side);
  struct wt_value value = {.kind = KIND_FUNCREF, .of.funcref = reference->exports[function_export].of.func};
  if (wt.wasmtime_table_set(reference->context, place_of(side, export_index), at, &value)) abort();
}

static void drop(struct side *side) {
  struct reference_side *reference = reference_of(side);
  if (reference->store) wt.wasmtime_store_delete(reference->store);
  if (reference->module) wt.wasmtime_module_delete(reference->module);
  free(reference->imports);
  free(reference->import_functions);
  free(reference->exports);
  reference->store = reference->module = NULL;
  reference->imports = reference->exports = NULL;
  reference->import_functions = NULL;
}

static void free_side(struct side *side) {
  wt.wasm_engine_delete(reference_of(side)->engine);
  free(side);
}

static const struct side_kind reference_kind = {
    .accepts = accepts,
    .instantiate = instantiate,
    .call = call,
    .global = global,
    .set_global = set_global,
    .memory = memory,
    .table_size = table_size,
    .table_element = table_element,
    .set_table_function = set_table_function,
    .drop = drop,
    .free = free_side,
};

/* WebAssembly 2.0 without SIMD, with tail calls and extended constants: what cay has on by default. */
static void *config_new(void) {
  void *config = wt.wasm_config_new();
  wt.wasmtime_config_async_stack_size_set(config, 2 * STACK_BYTES);
  wt.wasmtime_config_max_wasm_stack_set(config, STACK_BYTES);
  wt.wasmtime_config_parallel_compilation_set(config, false);
  wt.wasmtime_config_cranelift_opt_level_set(config, OPTIMIZE_NONE);
  wt.wasmtime_config_wasm_tail_call_set(config, true);
  wt.wasmtime_config_wasm_relaxed_simd_set(config, false);
  wt.wasmtime_config_wasm_simd_set(config, false);
  wt.wasmtime_config_wasm_threads_set(config, false);
  wt.wasmtime_config_wasm_multi_memory_set(config, false);
  wt.wasmtime_config_wasm_memory64_set(config, false);
  wt.wasmtime_config_wasm_exceptions_set(config, false);
  wt.wasmtime_config_wasm_gc_set(config, false);
  wt.wasmtime_config_wasm_function_references_set(config, false);
  wt.wasmtime_config_wasm_wide_arithmetic_set(config, false);
  wt.wasmtime_config_wasm_custom_page_sizes_set(config, false);
  wt.wasmtime_config_wasm_compact_imports_set(config, false);
  return config;
}

struct side *side_reference_new(const char *library_path) {
  if (!wt_load(library_path)) return NULL;
  struct reference_side *reference = calloc(1, sizeof *reference);
  reference->side.name = "wasmtime";
  reference->side.kind = &reference_kind;
  reference->engine = wt.wasm_engine_new_with_config(config_new());
  if (reference->engine) return &reference->side;
  free(reference);
  return NULL;
}
