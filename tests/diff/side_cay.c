/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* cay as a side of the differential test: the rooms module, engine and tiers, below the public API. */
#include "engine/heap.h"
#include "side.h"
#include "tiers/tiers.h"

enum { STACK_BYTES = 64 << 20 };
#define GC_FEATURES (MODULE_FEATURE_BIT(GC) | MODULE_FEATURE_BIT(EXCEPTIONS))

struct cay_import {
  struct side *side;
  uint32_t func;
};

struct cay_side {
  struct side side;
  const struct engine_tier *tier;
  bool is_checked, is_mixed;
  struct engine *engine;
  struct engine_store *store;
  struct engine_instance *instance;       /* NULL until it is made */
  const struct engine_type *const *types; /* of it */
  struct engine_extern *imports;
  struct cay_import *import_functions;
};

static struct cay_side *cay_of(struct side *side) { return (struct cay_side *)side; }

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

/* What is left to be seen of one value. */
struct walk {
  struct side *side;
  int values, depth;
};

static struct side_value see(struct walk *walk, module_type type, const void *bytes);

static uint64_t see_part(struct walk *walk, uint64_t digest, module_type type, const void *bytes) {
  return side_mix(digest, side_value_digest(see(walk, type, bytes)));
}

static const struct module_def_type *def_of(const struct side *side, const struct engine_type *type) {
  const struct engine_type *const *types = ((const struct cay_side *)side)->types;
  for (uint32_t i = 0; i < side->module->type_count; i++)
    if (types[i] == type) return &side->module->types[i];
  abort();
}

static uint64_t see_struct(struct walk *walk, const struct engine_object *object) {
  const struct module_def_type *def = def_of(walk->side, object->type);
  uint64_t digest = def->field_count;
  for (uint32_t i = 0; i < def->field_count && walk->values; i++)
    digest = see_part(walk, digest, def->fields[i].type, (const uint8_t *)object + def->fields[i].offset);
  return digest;
}

static uint64_t see_array(struct walk *walk, struct engine_array *array) {
  module_type type = def_of(walk->side, array->type)->fields->type;
  const uint8_t *elems = engine_array_elems(array);
  uint64_t digest = array->length;
  for (uint32_t i = 0; i < array->length && i < SIDE_WALK_ELEMENTS && walk->values; i++)
    digest = see_part(walk, digest, type, elems + (size_t)i * module_storage_bytes(type));
  return digest;
}

/* Types of tags, as of other things that the engine keeps, are not the module's: the module's tag is looked for. */
static uint64_t see_thrown(struct walk *walk, const struct engine_exception *exception) {
  const struct module *module = walk->side->module;
  const struct engine_instance *instance = cay_of(walk->side)->instance;
  uint32_t tag = 0, export_index = 0;
  if (!instance) return SIDE_NO_EXPORT;
  while (instance->tags[tag] != exception->tag) tag++;
  while (module->exports[export_index].kind != MODULE_TAG || module->exports[export_index].index != tag)
    if (++export_index == module->export_count) abort();
  const struct module_func_type *type = &module->types[module->tags[tag].type].func;
  const uint64_t *values = exception->values;
  uint64_t digest = export_index;
  for (uint32_t i = 0; i < type->param_count && walk->values; values += module_type_slots(type->params[i]), i++)
    digest = see_part(walk, digest, type->params[i], values);
  return digest;
}

static struct side_value see_object(struct walk *walk, uint64_t reference) {
  struct engine_object *object = engine_ref_object(reference);
  switch (object->type->kind) {
  case ENGINE_TYPE_STRUCT: return (struct side_value){SIDE_STRUCT, {see_struct(walk, object)}};
  case ENGINE_TYPE_ARRAY: return (struct side_value){SIDE_ARRAY, {see_array(walk, (struct engine_array *)object)}};
  default: return (struct side_value){SIDE_THROWN, {see_thrown(walk, (struct engine_exception *)object)}};
  }
}

static struct side_value see_reference(struct walk *walk, module_type type, uint64_t reference) {
  if (!reference) return (struct side_value){.kind = SIDE_NULL};
  if (side_hierarchy(walk->side->module, type) == SIDE_FUNC)
    return see_function(walk->side, (const struct engine_function *)(uintptr_t)reference);
  if (walk->depth == 0) return (struct side_value){SIDE_FOREIGN, {0}};
  if (engine_ref_is_i31(reference)) return (struct side_value){SIDE_I31, {engine_ref_i31_unsigned(reference)}};
  if (engine_ref_is_host(reference)) return (struct side_value){SIDE_FOREIGN, {engine_ref_host_number(reference)}};
  walk->depth--;
  struct side_value seen = see_object(walk, reference);
  walk->depth++;
  return seen;
}

/* Of a value in slots, or in the field of an object. */
static struct side_value see(struct walk *walk, module_type type, const void *bytes) {
  uint64_t words[2] = {0};
  walk->values -= walk->values > 0;
  memcpy(words, bytes, module_type_is_ref(type) ? sizeof words[0] : module_storage_bytes(type));
  return module_type_is_ref(type) ? see_reference(walk, type, words[0])
                                  : (struct side_value){SIDE_NUMBER, {words[0], words[1]}};
}

static struct side_value see_value(struct side *side, module_type type, const void *bytes) {
  return see(&(struct walk){side, SIDE_WALK_VALUES, SIDE_WALK_DEPTH}, type, bytes);
}

static void see_all(struct side *side, const module_type *types, uint32_t count, const uint64_t *slots,
                    struct side_value *out) {
  for (uint32_t i = 0; i < count; slots += module_type_slots(types[i]), i++) out[i] = see_value(side, types[i], slots);
}

static uint64_t thrown_digest(struct side *side, uint64_t reference) {
  return see_thrown(&(struct walk){side, SIDE_WALK_VALUES, SIDE_WALK_DEPTH},
                    (struct engine_exception *)engine_ref_object(reference));
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

/* Frames whose offset is looked at: each costs a translation. */
enum { SEEN_FRAMES = 3 };

static void see_frames(struct side *side) {
  struct engine_thread *thread = engine_store_thread(cay_of(side)->store);
  struct engine_frame frame;
  int len = snprintf(side->frames, sizeof side->frames, "%llu calls:", (unsigned long long)thread->backtrace_total);
  for (uint32_t i = 0; i < SEEN_FRAMES && engine_backtrace_frame(thread, i, &frame); i++)
    len +=
        snprintf(side->frames + len, sizeof side->frames - (size_t)len, " %d at 0x%x", (int)frame.func, frame.offset);
}

static enum side_outcome outcome_of(struct side *side, enum engine_trap trap) {
  side->frames[0] = 0;
  if (trap != ENGINE_TRAP_NONE && trap != ENGINE_TRAP_STACK_EXHAUSTED) see_frames(side);
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
  case ENGINE_TRAP_NULL_REFERENCE: return SIDE_NULL_REFERENCE;
  case ENGINE_TRAP_CAST: return SIDE_CAST;
  case ENGINE_TRAP_ARRAY_BOUNDS: return SIDE_ARRAY_BOUNDS;
  case ENGINE_TRAP_HEAP_EXHAUSTED: return SIDE_HEAP_EXHAUSTED;
  case ENGINE_TRAP_EXCEPTION:
    side->exception_digest = thrown_digest(side, engine_store_thread(cay_of(side)->store)->exception);
    return SIDE_EXCEPTION;
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
  const struct engine_code_options options = {.explicit_bounds = cay_of(side)->is_checked,
                                              .deterministic_relaxed_simd = true};
  if (module_load(bytes, len_bytes, MODULE_BYTES_BORROW, SIDE_FEATURES, NULL, &module, &error) != CAY_OK) {
    snprintf(side->reason, sizeof side->reason, "%s (offset %llu)", error.text, (unsigned long long)error.offset);
    side->refuses_proposal = error.status == CAY_ERROR_UNSUPPORTED;
    return false;
  }
  const struct engine_tier *tier = cay_of(side)->tier;
  if (tier->code_new(module, &options, &code, &entries, &error) == CAY_OK) {
    tier->code_bytes(code, true);
    tier->code_free(code);
  }
  module_release(module);
  return true;
}

static enum engine_trap throw_exception(struct side *side, uint32_t tag_export, const struct side_value *made) {
  struct cay_side *cay = cay_of(side);
  const struct module_func_type *type = side_tag_type(side, tag_export);
  uint64_t *slots = calloc(type->param_slots + 1, sizeof *slots);
  put_all(side, type->params, type->param_count, made, slots);
  struct engine_root_span span = {.slots = slots, .count = type->param_slots};
  engine_roots_push(cay->store, &span);
  enum engine_trap trap = engine_exception_new(cay->store, export_of(side, tag_export).tag, slots,
                                               &engine_store_thread(cay->store)->exception);
  engine_roots_pop(cay->store, &span);
  free(slots);
  return trap == ENGINE_TRAP_NONE ? ENGINE_TRAP_EXCEPTION : trap;
}

static enum engine_trap call_import(struct engine_call *call, uint64_t *slots) {
  const struct cay_import *import = call->env;
  if (call->caller) cay_of(import->side)->types = call->caller->types;
  const struct module_func_type *type = side_func_type(import->side, import->func);
  struct side_value *args = calloc(type->param_count + SIDE_MADE_VALUES, sizeof *args);
  struct side_value *made = args + type->param_count;
  enum engine_trap trap = ENGINE_TRAP_NONE;
  uint32_t tag_export = 0;
  see_all(import->side, type->params, type->param_count, slots, args);
  switch (side_import_call(import->side, import->func, args, made, &tag_export)) {
  case SIDE_RETURNS: put_all(import->side, type->results, type->result_count, made, slots); break;
  case SIDE_THROWS: trap = throw_exception(import->side, tag_export, made); break;
  default: trap = ENGINE_TRAP_HOST;
  }
  free(args);
  return trap;
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
  case MODULE_TAG: return engine_tag_new(cay->store, &module->types[module->tags[index].type].func, &out->tag, error);
  default: break;
  }
  const struct module_global_type *type = &module->globals[index].type;
  if (!side_import_global(side, index, &value)) abort();
  put(side, value, slots, module_type_slots(type->type));
  return engine_global_new(cay->store, type, slots, &out->global, error);
}

/* A number that is never 0 and the same for the same module decides. */
static void mix_functions(const struct cay_side *cay, size_t number) {
#if TIERS_HAS_OPTIMIZER
  tiers_optimized_mix(cay->is_mixed ? (uint32_t)number | 1u << 31 : 0);
#endif
}

static enum side_outcome instantiate(struct side *side, const uint8_t *bytes, size_t len_bytes) {
  struct cay_side *cay = cay_of(side);
  struct cay_error error = {0};
  uint32_t import_count = side->module->import_count;
  cay->imports = calloc(import_count + 1, sizeof *cay->imports);
  cay->import_functions = calloc(import_count + 1, sizeof *cay->import_functions);
  enum cay_status status = engine_store_new(cay->engine, NULL, &cay->store, &error);
  if (status == CAY_OK && cay->is_checked && side->is_stressed && (side->module->features_used & GC_FEATURES) &&
      !engine_heap_set_stress(cay->store, true))
    abort();
  for (uint32_t i = 0; i < import_count && status == CAY_OK; i++) status = make_import(cay, i, &error);
  mix_functions(cay, len_bytes);
  if (status == CAY_OK)
    status = engine_instantiate(cay->store, side->module, cay->imports, "generated", &cay->instance, &error);
  if (status == CAY_OK) cay->types = cay->instance->types;
  if (status == CAY_OK) return SIDE_DONE;
  if (status == CAY_ERROR_TRAP) return outcome_of(side, engine_store_thread(cay->store)->trap);
  snprintf(side->reason, sizeof side->reason, "%s", error.text);
  return SIDE_REFUSED;
}

static enum side_outcome call(struct side *side, uint32_t export_index, const struct side_value *args,
                              struct side_value *results) {
  struct engine_function *function = export_of(side, export_index).func;
  const struct module_func_type *type = side_func_type(side, side->module->exports[export_index].index);
  uint32_t slot_count = type->param_slots > type->result_slots ? type->param_slots : type->result_slots;
  uint64_t *slots = calloc(slot_count + 1, sizeof *slots);
  put_all(side, type->params, type->param_count, args, slots);
  enum engine_trap trap = engine_call(cay_of(side)->store, function, slots);
  if (trap == ENGINE_TRAP_NONE) see_all(side, type->results, type->result_count, slots, results);
  free(slots);
  return outcome_of(side, trap);
}

static struct side_value global(struct side *side, uint32_t export_index) {
  module_type type = side->module->globals[side->module->exports[export_index].index].type.type;
  return see_value(side, type, export_of(side, export_index).global.cell->value);
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
  module_type type = side->module->tables[side->module->exports[export_index].index].type.elem;
  return see_value(side, type, &export_of(side, export_index).table->elems[at]);
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

struct side *side_cay_new(const struct engine_tier *tier, bool is_checked) {
  struct cay_side *cay = calloc(1, sizeof *cay);
  snprintf(cay->side.name, sizeof cay->side.name, "%s%s", is_checked ? "checked " : "", tier->name);
  cay->side.kind = &cay_kind;
  cay->tier = tier;
  cay->is_checked = is_checked;
  const struct engine_options options = {
      .tier = tier, .stack_bytes = STACK_BYTES, .explicit_bounds = is_checked, .deterministic_relaxed_simd = true};
  struct cay_error error;
  if (engine_new(&options, &cay->engine, &error) == CAY_OK) return &cay->side;
  fprintf(stderr, "%s\n", error.text);
  free(cay);
  return NULL;
}

struct side *side_cay_mixed(const struct engine_tier *tier) {
  struct side *side = side_cay_new(tier, false);
  if (!side) return NULL;
  snprintf(side->name, sizeof side->name, "mixed %s", tier->name);
  cay_of(side)->is_mixed = true;
  return side;
}
