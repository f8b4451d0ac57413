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
  const struct engine_code_options options = {.explicit_bounds = cay_of(side)->explicit_bounds};
  if (module_load(bytes, len_bytes, MODULE_BYTES_BORROW, MODULE_FEATURES_DEFAULT, NULL, &module, &error) != CAY_OK) {
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

/* ---- Instances ------------------------------------------------------------------------------------------------- */

static enum engine_trap call_import(struct engine_call *call, uint64_t *slots) {
  const struct cay_import *import = call->env;
  const struct module_func_type *type = side_func_type(import->side, import->func);
  for (uint32_t i = 0; i < type->param_count; i++)
    if (type->params[i] == MODULE_FUNCREF) slots[i] = slots[i] != 0;
  return side_import_call(import->side, import->func, type, slots) ? ENGINE_TRAP_NONE : ENGINE_TRAP_HOST;
}

static enum cay_status make_import(struct cay_side *cay, uint32_t position, struct cay_error *error) {
  const struct module *module = cay->side.module;
  const struct module_import *import = &module->imports[position];
  struct engine_extern *out = &cay->imports[position];
  uint32_t index = import->index;
  out->kind = import->kind;
  switch (import->kind) {
  case MODULE_FUNC:
    cay->import_functions[position] = (struct cay_import){&cay->side, index};
    return engine_function_new(cay->store, side_func_type(&cay->side, index), call_import,
                               &cay->import_functions[position], "test", "import", &out->func, error);
  case MODULE_TABLE: return engine_table_new(cay->store, &module->tables[index].type, 0, &out->table, error);
  case MODULE_MEMORY: return engine_memory_new(cay->store, &module->memories[index], &out->memory, error);
  default: break;
  }
  const struct module_global_type *type = &module->globals[index].type;
  uint64_t value[2] = {side_import_global(index, type->type), 0};
  return engine_global_new(cay->store, type, value, &out->global, error);
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

static struct engine_extern export_of(struct side *side, uint32_t export_index) {
  const struct module_name *name = &side->module->exports[export_index].name;
  struct engine_extern out;
  if (!engine_export(cay_of(side)->instance, name->bytes, name->len_bytes, &out)) abort();
  return out;
}

static enum side_outcome call(struct side *side, uint32_t export_index, uint64_t *slots) {
  struct engine_function *function = export_of(side, export_index).func;
  enum engine_trap trap = engine_call(cay_of(side)->store, function, slots);
  if (trap == ENGINE_TRAP_NONE)
    for (uint32_t i = 0; i < function->type->result_count; i++)
      if (function->type->results[i] == MODULE_FUNCREF) slots[i] = slots[i] != 0;
  return outcome_of(side, trap);
}

static uint64_t reference_as_number(module_type type, uint64_t value) {
  return type == MODULE_FUNCREF ? value != 0 : value;
}

static uint64_t global(struct side *side, uint32_t export_index) {
  struct engine_global_ref ref = export_of(side, export_index).global;
  return reference_as_number(ref.type.type, ref.cell->value[0]);
}

static void set_global(struct side *side, uint32_t export_index, uint64_t value) {
  export_of(side, export_index).global.cell->value[0] = value;
}

static struct side_bytes memory(struct side *side, uint32_t export_index) {
  const struct engine_memory *found = export_of(side, export_index).memory;
  return (struct side_bytes){found->base, found->len_bytes};
}

static uint64_t table_size(struct side *side, uint32_t export_index) {
  return export_of(side, export_index).table->count;
}

static uint64_t table_element(struct side *side, uint32_t export_index, uint64_t at) {
  const struct engine_table *table = export_of(side, export_index).table;
  return reference_as_number(table->type.elem, table->elems[at]);
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
  const struct engine_options options = {
      .tier = &tiers_interp, .stack_bytes = STACK_BYTES, .explicit_bounds = explicit_bounds};
  struct cay_error error;
  if (engine_new(&options, &cay->engine, &error) == CAY_OK) return &cay->side;
  fprintf(stderr, "%s\n", error.text);
  free(cay);
  return NULL;
}
