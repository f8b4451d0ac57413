/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* cay as a side of the differential test: the rooms module, engine and tiers, below the public API. */
#include "side.h"
#include "tiers/tiers.h"

enum { STACK_BYTES = 64 << 20 };

struct cay_import {
  struct side *side;
  uint32_t func;
};

struct cay_side {
  struct side side;
  bool explicit_bounds;
  struct engine *engine;
  struct engine_store *store;
  struct engine_instance *instance;
  struct engine_extern *imports;
  struct cay_import *import_functions;
};

static struct cay_side *cay_of(struct side *side) { return (struct cay_side *)side; }

static enum side_outcome outcome_of(struct side *side, enum engine_trap trap) {
  switch (trap) {
  case ENGINE_TRAP_NONE: return SIDE_DONE;
  case ENGINE_TRAP_UNREACHABLE: return SIDE_UNREACHABLE;
  case ENGINE_TRAP_MEMORY_BOUNDS: return SIDE_MEMORY_BOUNDS;
  case ENGINE_TRAP_TABLE_BOUNDS:
  case ENGINE_TRAP_UNDEFINED_ELEMENT: return SIDE_TABLE_BOUNDS;
  case ENGINE_TRAP_NULL_ELEMENT: return SIDE_NULL_ELEMENT;
  case ENGINE_TRAP_CALL_TYPE: return SIDE_CALL_TYPE;
  case ENGINE_TRAP_INTEGER_OVERFLOW: return SIDE_INTEGER_OVERFLOW;
  case ENGINE_TRAP_INTEGER_DIVIDE_BY_ZERO: return SIDE_DIVIDE_BY_ZERO;
  case ENGINE_TRAP_INVALID_CONVERSION: return SIDE_INVALID_CONVERSION;
  case ENGINE_TRAP_STACK_EXHAUSTED: return SIDE_STACK_EXHAUSTED;
  case ENGINE_TRAP_UNALIGNED_ATOMIC: return SIDE_UNALIGNED_ATOMIC;
  case ENGINE_TRAP_NOT_SHARED: return SIDE_UNSHARED_WAIT;
  case ENGINE_TRAP_HOST: return SIDE_HOST;
  default: break;
  }
  snprintf(side->reason, sizeof side->reason, "%s", engine_trap_text(trap));
  return SIDE_REFUSED;
}

/* Translates every function of what it accepts, which may be a module that is never run. */
static bool accepts(struct side *side, const uint8_t *bytes, size_t len_bytes) {
  struct cay_error error = {0};
  struct module *module;
  void *code;
  const void *const *entries;
  const struct engine_code_options options = {.explicit_bounds = cay_of(side)->explicit_bounds,
                                              .deterministic_relaxed_simd = true};
  if (module_load(bytes, len_bytes, MODULE_BYTES_BORROW, SIDE_FEATURES, NULL, &module, &error) != CAY_OK) {
    snprintf(side->reason, sizeof side->reason, "%s (offset %llu)", error.text, (unsigned long long)error.offset);
    side->refuses_proposal = error.status == CAY_ERROR_UNSUPPORTED;
    return false;
  }
  if (tiers_interp.code_new(module, &options, &code, &entries, &error) == CAY_OK) {
    tiers_interp.code_bytes(code, true);
    tiers_interp.code_free(code);
  }
  module_release(module);
  return true;
}

/* ---- Values ----------------------------------------------------------------------------------------------------- */

static struct engine_extern export_of(struct side *side, uint32_t export_index) {
  const struct module_name *name = &side->module->exports[export_index].name;
  struct engine_extern out;
  if (!engine_export(cay_of(side)->instance, name->bytes, name->len_bytes, &out)) abort();
  return out;
}

static struct side_value see_function(struct side *side, const struct engine_function *function) {
  const struct module *module = side->module;
  for (uint32_t i = 0; i < module->export_count && cay_of(side)->instance; i++)
    if (module->exports[i].kind == MODULE_FUNC &&
        cay_of(side)->instance->functions[module->exports[i].index] == function)
      return (struct side_value){SIDE_FUNCTION, {i}};
  return (struct side_value){SIDE_FUNCTION, {SIDE_NO_EXPORT}};
}

/* Of a value in slots. */
static struct side_value see(struct side *side, module_type type, const uint64_t *slots) {
  if (!module_type_is_ref(type))
    return (struct side_value){SIDE_NUMBER, {slots[0], type == MODULE_V128 ? slots[1] : 0}};
  if (!slots[0]) return (struct side_value){.kind = SIDE_NULL};
  if (side_hierarchy(side->module, type) == SIDE_FUNC)
    return see_function(side, (const struct engine_function *)(uintptr_t)slots[0]);
  return (struct side_value){SIDE_FOREIGN, {engine_ref_host_number(slots[0])}};
}

static void see_all(struct side *side, const module_type *types, uint32_t count, const uint64_t *slots,
                    struct side_value *out) {
  for (uint32_t i = 0; i < count; slots += module_type_slots(types[i]), i++) out[i] = see(side, types[i], slots);
}

static void put(struct side *side, struct side_value value, uint64_t *slots, uint32_t slot_count) {
  uint64_t first = value.bits[0];
  uint32_t export_index = (uint32_t)first;
  switch (value.kind) {
  case SIDE_NULL: first = 0; break;
  case SIDE_FOREIGN: first = engine_ref_host(first); break;
  case SIDE_I31: first = engine_ref_i31((uint32_t)first); break;
  case SIDE_FUNCTION: first = engine_ref_of(export_of(side, export_index).func); break;
  case SIDE_OF_GLOBAL:
    memcpy(slots, export_of(side, export_index).global.cell->value, slot_count * sizeof *slots);
    return;
  default: break;
  }
  slots[0] = first;
  if (slot_count == 2) slots[1] = value.bits[1];
}

static void put_all(struct side *side, const module_type *types, uint32_t count, const struct side_value *values,
                    uint64_t *slots) {
  for (uint32_t i = 0; i < count; slots += module_type_slots(types[i]), i++)
    put(side, values[i], slots, module_type_slots(types[i]));
}

/* ---- Instances ------------------------------------------------------------------------------------------------- */

static enum engine_trap call_import(struct engine_call *call, uint64_t *slots) {
  const struct cay_import *import = call->env;
  const struct module_func_type *type = side_func_type(import->side, import->func);
  struct side_value *args = calloc(type->param_count + type->result_count + 1, sizeof *args);
  struct side_value *results = args + type->param_count;
  see_all(import->side, type->params, type->param_count, slots, args);
  bool is_done = side_import_call(import->side, import->func, args, results);
  if (is_done) put_all(import->side, type->results, type->result_count, results, slots);
  free(args);
  return is_done ? ENGINE_TRAP_NONE : ENGINE_TRAP_HOST;
}

static enum cay_status make_import(struct cay_side *cay, uint32_t position, struct cay_error *error) {
  struct side *side = &cay->side;
  const struct module *module = side->module;
  const struct module_import *import = &module->imports[position];
  struct engine_extern *out = &cay->imports[position];
  struct side_value value = {0};
  uint64_t slots[2] = {0};
  uint32_t index = import->index;
  out->kind = import->kind;
  switch (import->kind) {
  case MODULE_FUNC:
    cay->import_functions[position] = (struct cay_import){side, index};
    return engine_function_new(cay->store, side_func_type(side, index), call_import, &cay->import_functions[position],
                               "test", "import", &out->func, error);
  case MODULE_TABLE:
    if (!side_import_element(side, index, &value)) abort();
    put(side, value, slots, 1);
    return engine_table_new(cay->store, &module->tables[index].type, slots[0], &out->table, error);
  case MODULE_MEMORY: return engine_memory_new(cay->store, &module->memories[index], &out->memory, error);
  default: break;
  }
  const struct module_global_type *type = &module->globals[index].type;
  if (!side_import_global(side, index, &value)) abort();
  put(side, value, slots, module_type_slots(type->type));
  return engine_global_new(cay->store, type, slots, &out->global, error);
}

static enum side_outcome instantiate(struct side *side, const uint8_t *bytes, size_t len_bytes) {
  struct cay_side *cay = cay_of(side);
  struct cay_error error = {0};
  uint32_t import_count = side->module->import_count;
  cay->imports = calloc(import_count + 1, sizeof *cay->imports);
  cay->import_functions = calloc(import_count + 1, sizeof *cay->import_functions);
  enum cay_status status = engine_store_new(cay->engine, NULL, &cay->store, &error);
  for (uint32_t i = 0; i < import_count && status == CAY_OK; i++) status = make_import(cay, i, &error);
  if (status == CAY_OK)
    status = engine_instantiate(cay->store, side->module, cay->imports, "generated", &cay->instance, &error);
  if (status == CAY_OK) return SIDE_DONE;
  if (status == CAY_ERROR_TRAP) return outcome_of(side, engine_store_thread(cay->store)->trap);
  snprintf(side->reason, sizeof side->reason, "%s", error.text);
  return SIDE_REFUSED;
}

static enum side_outcome call(struct side *side, uint32_t export_index, const struct side_value *args,
                              struct side_value *results) {
  struct engine_function *function = export_of(side, export_index).func;
  const struct module_func_type *type = function->type;
  uint32_t slot_count = type->param_slots > type->result_slots ? type->param_slots : type->result_slots;
  uint64_t *slots = calloc(slot_count + 1, sizeof *slots);
  put_all(side, type->params, type->param_count, args, slots);
  enum engine_trap trap = engine_call(cay_of(side)->store, function, slots);
  if (trap == ENGINE_TRAP_NONE) see_all(side, type->results, type->result_count, slots, results);
  free(slots);
  return outcome_of(side, trap);
}

static struct side_value global(struct side *side, uint32_t export_index) {
  struct engine_global_ref ref = export_of(side, export_index).global;
  return see(side, ref.type.type, ref.cell->value);
}

static void set_global(struct side *side, uint32_t export_index, uint32_t value) {
  export_of(side, export_index).global.cell->value[0] = value;
}

static struct side_bytes memory(struct side *side, uint32_t export_index) {
  const struct engine_memory *found = export_of(side, export_index).memory;
  return (struct side_bytes){found->base, found->len_bytes};
}

static uint64_t table_size(struct side *side, uint32_t export_index) {
  return export_of(side, export_index).table->count;
}

static struct side_value table_element(struct side *side, uint32_t export_index, uint64_t at) {
  const struct engine_table *table = export_of(side, export_index).table;
  return see(side, table->type.elem, &table->elems[at]);
}

static void set_table_function(struct side *side, uint32_t export_index, uint64_t at, uint32_t function_export) {
  export_of(side, export_index).table->elems[at] = (uintptr_t)export_of(side, function_export).func;
}

static void drop(struct side *side) {
  struct cay_side *cay = cay_of(side);
  engine_store_free(cay->store);
  free(cay->imports);
  free(cay->import_functions);
  cay->store = NULL;
  cay->instance = NULL;
  cay->imports = NULL;
  cay->import_functions = NULL;
}

static void free_side(struct side *side) {
  engine_free(cay_of(side)->engine);
  free(side);
}

static const struct side_kind cay_kind = {
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

struct side *side_cay_new(bool explicit_bounds) {
  struct cay_side *cay = calloc(1, sizeof *cay);
  cay->side.name = explicit_bounds ? "cay with explicit bounds" : "cay";
  cay->side.kind = &cay_kind;
  cay->explicit_bounds = explicit_bounds;
  const struct engine_options options = {.tier = &tiers_interp,
                                         .stack_bytes = STACK_BYTES,
                                         .explicit_bounds = explicit_bounds,
                                         .deterministic_relaxed_simd = true};
  struct cay_error error;
  if (engine_new(&options, &cay->engine, &error) == CAY_OK) return &cay->side;
  fprintf(stderr, "%s\n", error.text);
  free(cay);
  return NULL;
}
