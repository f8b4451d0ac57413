/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The reference of the differential test: wasmtime through its C API, in the library that lies in its Python wheel.
 *
 * What it imports is made of the types that it finds in the module itself, which spares this file all knowledge of
 * types. References are looked into as far as the API lets one: a struct's fields, an array's elements, an exception's
 * tag and arguments, which function it is. `extern` and `any` are one hierarchy to it too, so a reference of one is
 * turned into one of the other by its raw number. */
#include "reference_api.h"
#include "side.h"

#include <dlfcn.h>

static struct {
#define X(result, name, parameters) result(*name) parameters;
  WT_FUNCTIONS(X)
#undef X
#define X(feature, name) void (*name)(void *config, bool on);
  WT_PROPOSALS(X)
#undef X
} wt;

static bool wt_load(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), false;
#define FIND(name)                            \
  *(void **)&wt.name = dlsym(library, #name); \
  if (!wt.name) return fprintf(stderr, "%s: there is no %s\n", path, #name), false;
#define X(result, name, parameters) FIND(name)
  WT_FUNCTIONS(X)
#undef X
#define X(feature, name) FIND(name)
  WT_PROPOSALS(X)
#undef X
#undef FIND
  return true;
}

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

/* What cannot fail here. */
static void expect(void *error) {
  if (error) abort();
}

/* ---- Values that it gives ---------------------------------------------------------------------------------------- */

/* What is left to be seen of one value. */
struct walk {
  struct reference_side *reference;
  int values, depth;
};

static struct side_value see(struct walk *walk, const struct wt_value *value);

static uint64_t see_part(struct walk *walk, uint64_t digest, struct wt_value *part) {
  digest = side_mix(digest, side_value_digest(see(walk, part)));
  wt.wasmtime_val_unroot(part);
  return digest;
}

static struct side_value see_function(const struct walk *walk, const struct wt_func *func) {
  const struct reference_side *reference = walk->reference;
  const struct module *module = reference->side.module;
  if (!func->store) return (struct side_value){.kind = SIDE_NULL};
  for (uint32_t i = 0; i < module->export_count && reference->exports; i++)
    if (module->exports[i].kind == MODULE_FUNC && reference->exports[i].of.func.part == func->part)
      return (struct side_value){SIDE_FUNCTION, {i}};
  return (struct side_value){SIDE_FUNCTION, {SIDE_NO_EXPORT}};
}

static uint64_t see_struct(struct walk *walk, struct wt_ref *ref) {
  void *context = walk->reference->context;
  void *type = wt.wasmtime_structref_type(context, ref);
  size_t count = wt.wasmtime_struct_type_num_fields(type);
  uint64_t digest = count;
  wt.wasmtime_struct_type_delete(type);
  for (size_t i = 0; i < count && walk->values; i++) {
    struct wt_value field;
    expect(wt.wasmtime_structref_field(context, ref, i, &field));
    digest = see_part(walk, digest, &field);
  }
  wt.wasmtime_structref_unroot(ref);
  return digest;
}

static uint64_t see_array(struct walk *walk, struct wt_ref *ref) {
  void *context = walk->reference->context;
  uint32_t count;
  expect(wt.wasmtime_arrayref_len(context, ref, &count));
  uint64_t digest = count;
  for (uint32_t i = 0; i < count && i < SIDE_WALK_ELEMENTS && walk->values; i++) {
    struct wt_value elem;
    expect(wt.wasmtime_arrayref_get(context, ref, i, &elem));
    digest = see_part(walk, digest, &elem);
  }
  wt.wasmtime_arrayref_unroot(ref);
  return digest;
}

static uint64_t see_thrown(struct walk *walk, const struct wt_ref *ref) {
  const struct reference_side *reference = walk->reference;
  const struct module *module = reference->side.module;
  struct wt_place tag;
  if (!reference->exports) return SIDE_NO_EXPORT;
  expect(wt.wasmtime_exnref_tag(reference->context, ref, &tag));
  uint64_t digest = SIDE_NO_EXPORT;
  for (uint32_t i = 0; i < module->export_count && digest == SIDE_NO_EXPORT; i++)
    if (module->exports[i].kind == MODULE_TAG &&
        wt.wasmtime_tag_eq(reference->context, &tag, &reference->exports[i].of.place))
      digest = i;
  size_t count = wt.wasmtime_exnref_field_count(reference->context, ref);
  for (size_t i = 0; i < count && walk->values; i++) {
    struct wt_value arg;
    expect(wt.wasmtime_exnref_field(reference->context, ref, i, &arg));
    digest = see_part(walk, digest, &arg);
  }
  return digest;
}

static struct side_value see_any(struct walk *walk, const struct wt_ref *ref) {
  void *context = walk->reference->context;
  struct wt_ref part;
  uint32_t number;
  if (wt.wasmtime_anyref_i31_get_u(context, ref, &number)) return (struct side_value){SIDE_I31, {number}};
  if (wt.wasmtime_anyref_is_struct(context, ref)) {
    wt.wasmtime_anyref_as_struct(context, ref, &part);
    return (struct side_value){SIDE_STRUCT, {see_struct(walk, &part)}};
  }
  if (wt.wasmtime_anyref_is_array(context, ref)) {
    wt.wasmtime_anyref_as_array(context, ref, &part);
    return (struct side_value){SIDE_ARRAY, {see_array(walk, &part)}};
  }
  wt.wasmtime_externref_from_raw(context, wt.wasmtime_anyref_to_raw(context, ref), &part);
  uint64_t foreign = (uintptr_t)wt.wasmtime_externref_data(context, &part);
  wt.wasmtime_externref_unroot(&part);
  return (struct side_value){SIDE_FOREIGN, {foreign}};
}

static struct side_value see_extern(struct walk *walk, const struct wt_ref *ref) {
  void *context = walk->reference->context;
  uint64_t foreign = (uintptr_t)wt.wasmtime_externref_data(context, ref);
  if (foreign) return (struct side_value){SIDE_FOREIGN, {foreign}};
  struct wt_ref inner;
  wt.wasmtime_anyref_from_raw(context, wt.wasmtime_externref_to_raw(context, ref), &inner);
  struct side_value seen = see_any(walk, &inner);
  wt.wasmtime_anyref_unroot(&inner);
  return seen;
}

static struct side_value see_reference(struct walk *walk, const struct wt_value *value) {
  if (value->kind == KIND_FUNCREF) return see_function(walk, &value->of.func);
  if (!value->of.ref.store) return (struct side_value){.kind = SIDE_NULL};
  if (walk->depth == 0) return (struct side_value){SIDE_FOREIGN, {0}};
  walk->depth--;
  struct side_value seen = value->kind == KIND_ANYREF ? see_any(walk, &value->of.ref)
                           : value->kind == KIND_EXTERNREF
                               ? see_extern(walk, &value->of.ref)
                               : (struct side_value){SIDE_THROWN, {see_thrown(walk, &value->of.ref)}};
  walk->depth++;
  return seen;
}

static struct side_value see(struct walk *walk, const struct wt_value *value) {
  walk->values -= walk->values > 0;
  switch (value->kind) {
  case KIND_I32:
  case KIND_F32: return (struct side_value){SIDE_NUMBER, {value->of.i32}};
  case KIND_I64:
  case KIND_F64: return (struct side_value){SIDE_NUMBER, {value->of.i64}};
  case KIND_V128: return (struct side_value){SIDE_NUMBER, {value->of.v128[0], value->of.v128[1]}};
  default: return see_reference(walk, value);
  }
}

static struct side_value see_value(struct reference_side *reference, const struct wt_value *value) {
  return see(&(struct walk){reference, SIDE_WALK_VALUES, SIDE_WALK_DEPTH}, value);
}

static struct side_value take_value(struct reference_side *reference, struct wt_value *value) {
  struct side_value seen = see_value(reference, value);
  wt.wasmtime_val_unroot(value);
  return seen;
}

/* ---- Values that it gets ----------------------------------------------------------------------------------------- */

static uint8_t kind_of(const struct module *module, module_type type) {
  switch (type) {
  case MODULE_I32: return KIND_I32;
  case MODULE_I64: return KIND_I64;
  case MODULE_F32: return KIND_F32;
  case MODULE_F64: return KIND_F64;
  case MODULE_V128: return KIND_V128;
  default: break;
  }
  static const uint8_t kinds[] = {
      [SIDE_ANY] = KIND_ANYREF, [SIDE_EXTERN] = KIND_EXTERNREF, [SIDE_FUNC] = KIND_FUNCREF, [SIDE_EXN] = KIND_EXNREF};
  return kinds[side_hierarchy(module, type)];
}

/* A foreign value as `any`. */
static void internalize(void *context, struct wt_ref *ref) {
  struct wt_ref outer = *ref;
  wt.wasmtime_anyref_from_raw(context, wt.wasmtime_externref_to_raw(context, &outer), ref);
  wt.wasmtime_externref_unroot(&outer);
}

static void externalize(void *context, struct wt_ref *ref) {
  struct wt_ref inner = *ref;
  wt.wasmtime_externref_from_raw(context, wt.wasmtime_anyref_to_raw(context, &inner), ref);
  wt.wasmtime_anyref_unroot(&inner);
}

static struct wt_value value_new(struct reference_side *reference, module_type type, struct side_value from) {
  void *context = reference->context;
  struct wt_value value = {.kind = kind_of(reference->side.module, type)};
  struct wt_ref *ref = &value.of.ref;
  switch (from.kind) {
  case SIDE_NUMBER: memcpy(&value.of, from.bits, sizeof from.bits); break;
  case SIDE_FOREIGN:
    if (!wt.wasmtime_externref_new(context, (void *)(uintptr_t)from.bits[0], NULL, ref)) abort();
    if (value.kind == KIND_ANYREF) internalize(context, ref);
    break;
  case SIDE_I31:
    wt.wasmtime_anyref_from_i31(context, (uint32_t)from.bits[0], ref);
    if (value.kind == KIND_EXTERNREF) externalize(context, ref);
    break;
  case SIDE_FUNCTION: value.of.func = reference->exports[from.bits[0]].of.func; break;
  case SIDE_OF_GLOBAL: wt.wasmtime_global_get(context, &reference->exports[from.bits[0]].of.place, &value); break;
  default: break;
  }
  return value;
}

/* ---- Outcomes ---------------------------------------------------------------------------------------------------- */

static void refuse(struct side *side, void *error) {
  struct wt_vec text;
  wt.wasmtime_error_message(error, &text);
  snprintf(side->reason, sizeof side->reason, "%.*s", (int)text.size, (const char *)text.elems);
  wt.wasm_byte_vec_delete(&text);
  wt.wasmtime_error_delete(error);
}

static enum side_outcome outcome_of_code(uint8_t code) {
  static const uint8_t outcomes[] = {
      [0] = SIDE_STACK_EXHAUSTED,  [1] = SIDE_MEMORY_BOUNDS,   [2] = SIDE_UNALIGNED_ATOMIC,
      [3] = SIDE_TABLE_BOUNDS,     [4] = SIDE_NULL_ELEMENT,    [5] = SIDE_CALL_TYPE,
      [6] = SIDE_INTEGER_OVERFLOW, [7] = SIDE_DIVIDE_BY_ZERO,  [8] = SIDE_INVALID_CONVERSION,
      [9] = SIDE_UNREACHABLE,      [12] = SIDE_UNSHARED_WAIT,  [13] = SIDE_NULL_REFERENCE,
      [14] = SIDE_ARRAY_BOUNDS,    [15] = SIDE_HEAP_EXHAUSTED, [16] = SIDE_CAST,
  };
  bool is_known = code < sizeof outcomes / sizeof outcomes[0] && (code == 0 || outcomes[code]);
  return is_known ? outcomes[code] : SIDE_REFUSED;
}

static bool take_exception(struct side *side) {
  struct reference_side *reference = reference_of(side);
  struct wt_ref thrown;
  if (!wt.wasmtime_context_take_exception(reference->context, &thrown)) return false;
  side->exception_digest = see_thrown(&(struct walk){reference, SIDE_WALK_VALUES, SIDE_WALK_DEPTH}, &thrown);
  wt.wasmtime_exnref_unroot(&thrown);
  return true;
}

static enum side_outcome outcome_of_trap(struct side *side, void *trap) {
  uint8_t code = UINT8_MAX;
  enum side_outcome outcome = SIDE_REFUSED;
  if (wt.wasmtime_trap_code(trap, &code)) outcome = outcome_of_code(code);
  if (outcome == SIDE_REFUSED) {
    struct wt_vec text;
    wt.wasm_trap_message(trap, &text);
    snprintf(side->reason, sizeof side->reason, "%.*s (trap code %u)", (int)text.size, (const char *)text.elems, code);
    wt.wasm_byte_vec_delete(&text);
  }
  wt.wasm_trap_delete(trap);
  return outcome;
}

static enum side_outcome outcome_of(struct side *side, void *error, void *trap) {
  bool import_trapped = reference_of(side)->import_trapped;
  reference_of(side)->import_trapped = false;
  if (error) refuse(side, error);
  if ((error || trap) && take_exception(side)) {
    if (trap) wt.wasm_trap_delete(trap);
    return SIDE_EXCEPTION;
  }
  if (error) return import_trapped ? SIDE_HOST : SIDE_REFUSED;
  return trap ? outcome_of_trap(side, trap) : SIDE_DONE;
}

/* ---- Imports --------------------------------------------------------------------------------------------------- */

static void *throw_exception(struct reference_side *reference, uint32_t tag_export, const struct side_value *made) {
  const struct module_func_type *type = side_tag_type(&reference->side, tag_export);
  struct wt_value *args = calloc(type->param_count + 1, sizeof *args);
  struct wt_ref exception;
  for (uint32_t i = 0; i < type->param_count; i++) args[i] = value_new(reference, type->params[i], made[i]);
  expect(wt.wasmtime_exnref_new(reference->context, &reference->exports[tag_export].of.place, args, type->param_count,
                                &exception));
  for (uint32_t i = 0; i < type->param_count; i++) wt.wasmtime_val_unroot(&args[i]);
  void *trap = wt.wasmtime_context_set_exception(reference->context, &exception);
  wt.wasmtime_exnref_unroot(&exception);
  free(args);
  return trap;
}

static void *call_import(void *env, void *caller, const struct wt_value *args, size_t arg_count,
                         struct wt_value *results, size_t result_count) {
  (void)caller;
  const struct reference_import *import = env;
  struct reference_side *reference = reference_of(import->side);
  const struct module_func_type *type = side_func_type(import->side, import->func);
  struct side_value *values = calloc(arg_count + SIDE_MADE_VALUES, sizeof *values), *made = values + arg_count;
  uint32_t tag_export = 0;
  void *trap = NULL;
  for (size_t i = 0; i < arg_count; i++) values[i] = see_value(reference, &args[i]);
  enum side_import done = side_import_call(import->side, import->func, values, made, &tag_export);
  for (size_t i = 0; i < result_count && done == SIDE_RETURNS; i++)
    results[i] = value_new(reference, type->results[i], made[i]);
  if (done == SIDE_THROWS) trap = throw_exception(reference, tag_export, made);
  if (done == SIDE_TRAPS) trap = wt.wasmtime_trap_new("import", strlen("import"));
  free(values);
  reference->import_trapped = done == SIDE_TRAPS;
  return trap;
}

static void *make_global(struct reference_side *reference, uint32_t index, const void *type, struct wt_place *out) {
  struct side_value value;
  if (!side_import_global(&reference->side, index, &value)) abort();
  struct wt_value made = value_new(reference, reference->side.module->globals[index].type.type, value);
  void *error = wt.wasmtime_global_new(reference->context, type, &made, out);
  wt.wasmtime_val_unroot(&made);
  return error;
}

static void *make_table(struct reference_side *reference, uint32_t index, const void *type, struct wt_place *out) {
  struct side_value value;
  if (!side_import_element(&reference->side, index, &value)) abort();
  struct wt_value made = value_new(reference, reference->side.module->tables[index].type.elem, value);
  void *error = wt.wasmtime_table_new(reference->context, type, &made, out);
  wt.wasmtime_val_unroot(&made);
  return error;
}

static void *make_memory(struct reference_side *reference, const void *type, struct wt_extern *out) {
  if (!wt.wasmtime_memorytype_isshared(type)) return wt.wasmtime_memory_new(reference->context, type, &out->of.place);
  out->kind = EXTERN_SHARED_MEMORY;
  return wt.wasmtime_sharedmemory_new(reference->engine, type, &out->of.shared_memory);
}

static void *make_import(struct reference_side *reference, uint32_t position, const void *type) {
  static const uint8_t kinds[] = {
      [MODULE_FUNC] = EXTERN_FUNC,     [MODULE_TABLE] = EXTERN_TABLE, [MODULE_MEMORY] = EXTERN_MEMORY,
      [MODULE_GLOBAL] = EXTERN_GLOBAL, [MODULE_TAG] = EXTERN_TAG,
  };
  const struct module_import *import = &reference->side.module->imports[position];
  struct wt_extern *out = &reference->imports[position];
  void *context = reference->context;
  out->kind = kinds[import->kind];
  switch (import->kind) {
  case MODULE_FUNC:
    reference->import_functions[position] = (struct reference_import){&reference->side, import->index};
    wt.wasmtime_func_new(context, wt.wasm_externtype_as_functype_const(type), call_import,
                         &reference->import_functions[position], NULL, &out->of.func);
    return NULL;
  case MODULE_TABLE:
    return make_table(reference, import->index, wt.wasm_externtype_as_tabletype_const(type), &out->of.place);
  case MODULE_MEMORY: return make_memory(reference, wt.wasm_externtype_as_memorytype_const(type), out);
  case MODULE_TAG: return wt.wasmtime_tag_new(context, wt.wasm_externtype_as_tagtype_const(type), &out->of.place);
  default: return make_global(reference, import->index, wt.wasm_externtype_as_globaltype_const(type), &out->of.place);
  }
}

static void *make_imports(struct reference_side *reference) {
  uint32_t count = reference->side.module->import_count;
  struct wt_vec types;
  void *error = NULL;
  reference->imports = calloc(count + 1, sizeof *reference->imports);
  reference->import_functions = calloc(count + 1, sizeof *reference->import_functions);
  wt.wasmtime_module_imports(reference->module, &types);
  for (uint32_t i = 0; i < count && !error; i++)
    error = make_import(reference, i, wt.wasm_importtype_type(((void **)types.elems)[i]));
  wt.wasm_importtype_vec_delete(&types);
  return error;
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
  reference->store = wt.wasmtime_store_new(reference->engine, NULL, NULL);
  reference->context = wt.wasmtime_store_context(reference->store);
  void *trap = NULL, *error = wt.wasmtime_module_new(reference->engine, bytes, len_bytes, &reference->module);
  if (!error) error = make_imports(reference);
  if (!error)
    error = wt.wasmtime_instance_new(reference->context, reference->module, reference->imports,
                                     side->module->import_count, &reference->instance, &trap);
  enum side_outcome outcome = outcome_of(side, error, trap);
  if (outcome == SIDE_DONE) find_exports(reference);
  return outcome;
}

static enum side_outcome call(struct side *side, uint32_t export_index, const struct side_value *args,
                              struct side_value *results) {
  struct reference_side *reference = reference_of(side);
  const struct module_func_type *type = side_func_type(side, side->module->exports[export_index].index);
  uint32_t param_count = type->param_count, result_count = type->result_count;
  struct wt_value *given = calloc(param_count + result_count + 1, sizeof *given), *got = given + param_count;
  for (uint32_t i = 0; i < param_count; i++) given[i] = value_new(reference, type->params[i], args[i]);
  void *trap = NULL, *error = wt.wasmtime_func_call(reference->context, &reference->exports[export_index].of.func,
                                                    given, param_count, got, result_count, &trap);
  enum side_outcome outcome = outcome_of(side, error, trap);
  for (uint32_t i = 0; i < param_count; i++) wt.wasmtime_val_unroot(&given[i]);
  for (uint32_t i = 0; i < result_count && outcome == SIDE_DONE; i++) results[i] = take_value(reference, &got[i]);
  free(given);
  return outcome;
}

static const struct wt_place *place_of(struct side *side, uint32_t export_index) {
  return &reference_of(side)->exports[export_index].of.place;
}

static struct side_value global(struct side *side, uint32_t export_index) {
  struct wt_value value;
  wt.wasmtime_global_get(reference_of(side)->context, place_of(side, export_index), &value);
  return take_value(reference_of(side), &value);
}

static void set_global(struct side *side, uint32_t export_index, uint32_t number) {
  struct wt_value value = {.kind = KIND_I32, .of.i32 = number};
  expect(wt.wasmtime_global_set(reference_of(side)->context, place_of(side, export_index), &value));
}

static struct side_bytes memory(struct side *side, uint32_t export_index) {
  void *context = reference_of(side)->context;
  const struct wt_extern *export = &reference_of(side)->exports[export_index];
  if (export->kind == EXTERN_SHARED_MEMORY)
    return (struct side_bytes){wt.wasmtime_sharedmemory_data(export->of.shared_memory),
                               wt.wasmtime_sharedmemory_data_size(export->of.shared_memory)};
  return (struct side_bytes){wt.wasmtime_memory_data(context, &export->of.place),
                             wt.wasmtime_memory_data_size(context, &export->of.place)};
}

static uint64_t table_size(struct side *side, uint32_t export_index) {
  return wt.wasmtime_table_size(reference_of(side)->context, place_of(side, export_index));
}

static struct side_value table_element(struct side *side, uint32_t export_index, uint64_t at) {
  struct wt_value value;
  if (!wt.wasmtime_table_get(reference_of(side)->context, place_of(side, export_index), at, &value)) abort();
  return take_value(reference_of(side), &value);
}

static void set_table_function(struct side *side, uint32_t export_index, uint64_t at, uint32_t function_export) {
  struct reference_side *reference = reference_of(side);
  struct wt_value value = {.kind = KIND_FUNCREF, .of.func = reference->exports[function_export].of.func};
  expect(wt.wasmtime_table_set(reference->context, place_of(side, export_index), at, &value));
}

static void drop(struct side *side) {
  struct reference_side *reference = reference_of(side);
  for (uint32_t i = 0; i < side->module->export_count && reference->exports; i++)
    wt.wasmtime_extern_delete(&reference->exports[i]);
  for (uint32_t i = 0; i < side->module->import_count && reference->imports; i++)
    if (reference->imports[i].kind == EXTERN_SHARED_MEMORY) wt.wasmtime_extern_delete(&reference->imports[i]);
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

/* Exactly the proposals that cay runs. Relaxed SIMD as the specification's deterministic profile has it. */
static void *config_new(void) {
  void *config = wt.wasm_config_new();
  wt.wasmtime_config_async_stack_size_set(config, 2 * STACK_BYTES);
  wt.wasmtime_config_max_wasm_stack_set(config, STACK_BYTES);
  wt.wasmtime_config_parallel_compilation_set(config, false);
  wt.wasmtime_config_cranelift_opt_level_set(config, OPTIMIZE_NONE);
  wt.wasmtime_config_wasm_compact_imports_set(config, false);
  wt.wasmtime_config_wasm_stack_switching_set(config, false);
  wt.wasmtime_config_wasm_relaxed_simd_deterministic_set(config, true);
  wt.wasmtime_config_shared_memory_set(config, true);
#define X(feature, name) wt.name(config, (SIDE_FEATURES & MODULE_FEATURE_BIT(feature)) != 0);
  WT_PROPOSALS(X)
#undef X
  return config;
}

struct side *side_reference_new(const char *library_path) {
  if (!wt_load(library_path)) return NULL;
  struct reference_side *reference = calloc(1, sizeof *reference);
  snprintf(reference->side.name, sizeof reference->side.name, "wasmtime");
  reference->side.kind = &reference_kind;
  reference->engine = wt.wasm_engine_new_with_config(config_new());
  if (reference->engine) return &reference->side;
  free(reference);
  return NULL;
}
