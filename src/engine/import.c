/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Import matching (specification 3.0, section 4.5.1 "External typing" with 3.3.10 "Matching"): whether what is given
 * for an import has a type that matches the declared one, and the sentence that says why not. */
#include <stdio.h>

#include "engine/internal.h"

/* ---- Types as text ------------------------------------------------------------------------------------------------ */

static void limits_text(char *out, size_t capacity, const char *start, uint64_t count, bool is_actual,
                        const struct module_limits *limits, const char *unit) {
  const char *least = is_actual ? "" : "at least ";
  int len =
      snprintf(out, capacity, "%s%s%llu %s%s", start, least, (unsigned long long)count, unit, count == 1 ? "" : "s");
  if (len < 0 || (size_t)len >= capacity) return;
  if (limits->has_max)
    snprintf(out + len, capacity - (size_t)len, ", at most %llu%s", (unsigned long long)limits->max,
             limits->is_64 ? ", 64-bit" : "");
  else
    snprintf(out + len, capacity - (size_t)len, ", no maximum%s", limits->is_64 ? ", 64-bit" : "");
}

static void func_text(char out[ENGINE_TYPE_TEXT_BYTES], const struct module_func_type *type) {
  char text[ENGINE_TYPE_TEXT_BYTES - 16];
  snprintf(out, ENGINE_TYPE_TEXT_BYTES, "function %s", module_func_type_text(type, text, sizeof text));
}

static void tag_text(char out[ENGINE_TYPE_TEXT_BYTES], const struct module_func_type *type) {
  char text[ENGINE_TYPE_TEXT_BYTES - 16];
  snprintf(out, ENGINE_TYPE_TEXT_BYTES, "tag %s", module_func_type_text(type, text, sizeof text));
}

static void table_text(char out[ENGINE_TYPE_TEXT_BYTES], const struct module_table_type *type, uint64_t count,
                       bool is_actual) {
  char name[32], start[64];
  snprintf(start, sizeof start, "table of %s with ", module_type_name(type->elem, name));
  limits_text(out, ENGINE_TYPE_TEXT_BYTES, start, count, is_actual, &type->limits, "element");
}

static void memory_text(char out[ENGINE_TYPE_TEXT_BYTES], const struct module_memory_type *type, uint64_t count,
                        bool is_actual) {
  char start[64];
  if (type->page_log2 == 16)
    snprintf(start, sizeof start, "%smemory of ", type->limits.is_shared ? "shared " : "");
  else
    snprintf(start, sizeof start, "%smemory with pages of %llu byte%s and ", type->limits.is_shared ? "shared " : "",
             1ULL << (type->page_log2 & 63), type->page_log2 == 0 ? "" : "s");
  limits_text(out, ENGINE_TYPE_TEXT_BYTES, start, count, is_actual, &type->limits, "page");
}

static void global_text(char out[ENGINE_TYPE_TEXT_BYTES], const struct module_global_type *type) {
  char name[32];
  snprintf(out, ENGINE_TYPE_TEXT_BYTES, "%s global %s", type->is_mutable ? "mutable" : "constant",
           module_type_name(type->type, name));
}

void engine_import_type_text(const struct module *module, const struct module_import *import,
                             char out[ENGINE_TYPE_TEXT_BYTES]) {
  switch (import->kind) {
  case MODULE_FUNC: func_text(out, module_func_type_of(module, import->index)); return;
  case MODULE_TABLE: {
    const struct module_table_type *type = &module->tables[import->index].type;
    table_text(out, type, type->limits.min, false);
    return;
  }
  case MODULE_MEMORY: {
    const struct module_memory_type *type = &module->memories[import->index];
    memory_text(out, type, type->limits.min, false);
    return;
  }
  case MODULE_GLOBAL: global_text(out, &module->globals[import->index].type); return;
  case MODULE_TAG: tag_text(out, &module->types[module->tags[import->index].type].func); return;
  }
  snprintf(out, ENGINE_TYPE_TEXT_BYTES, "%s", module_extern_kind_name(import->kind));
}

static void extern_text(const struct engine_extern *value, char out[ENGINE_TYPE_TEXT_BYTES]) {
  switch (value->kind) {
  case MODULE_FUNC: func_text(out, value->func->type); return;
  case MODULE_TABLE: table_text(out, &value->table->type, value->table->count, true); return;
  case MODULE_MEMORY: memory_text(out, &value->memory->type, value->memory->page_count, true); return;
  case MODULE_GLOBAL: global_text(out, &value->global.type); return;
  case MODULE_TAG: tag_text(out, value->tag->type->func); return;
  }
  snprintf(out, ENGINE_TYPE_TEXT_BYTES, "%s", module_extern_kind_name(value->kind));
}

/* ---- Matching ------------------------------------------------------------------------------------------------------ */

/* `count` is the actual size, which takes the place of the given type's minimum. */
static bool limits_match(uint64_t count, const struct module_limits *is, const struct module_limits *wanted) {
  if (is->is_64 != wanted->is_64 || is->is_shared != wanted->is_shared || count < wanted->min) return false;
  return !wanted->has_max || (is->has_max && is->max <= wanted->max);
}

static bool global_matches(struct engine *engine, const struct module_global_type *is, bool is_mutable,
                           module_type wanted) {
  if (is->is_mutable != is_mutable) return false;
  return is_mutable ? is->type == wanted : engine_types_match(engine, is->type, wanted);
}

static bool extern_matches(struct engine *engine, const struct module *module, const struct engine_type *const *types,
                           const struct module_import *import, const struct engine_extern *value) {
  if (value->kind != import->kind) return false;
  switch (import->kind) {
  case MODULE_FUNC: return engine_type_matches(value->func->def, types[module->funcs[import->index].type]);
  case MODULE_TABLE: {
    const struct module_table_type *wanted = &module->tables[import->index].type;
    return value->table->type.elem == engine_types_value(types, wanted->elem) &&
           limits_match(value->table->count, &value->table->type.limits, &wanted->limits);
  }
  case MODULE_MEMORY: {
    const struct module_memory_type *wanted = &module->memories[import->index];
    return value->memory->type.page_log2 == wanted->page_log2 &&
           limits_match(value->memory->page_count, &value->memory->type.limits, &wanted->limits);
  }
  case MODULE_GLOBAL: {
    const struct module_global_type *wanted = &module->globals[import->index].type;
    return global_matches(engine, &value->global.type, wanted->is_mutable, engine_types_value(types, wanted->type));
  }
  case MODULE_TAG: return value->tag->type == types[module->tags[import->index].type];
  }
  return false;
}

/* Whether the types differ in nothing but parameters that are i32 in `is` and i64 in `wanted`: addresses, most likely. */
static bool is_narrower(const struct module_func_type *is, const struct module_func_type *wanted) {
  if (is->param_count != wanted->param_count || is->result_count != wanted->result_count) return false;
  for (uint32_t i = 0; i < is->param_count; i++) {
    bool is_widened = is->params[i] == MODULE_I32 && wanted->params[i] == MODULE_I64;
    if (is->params[i] != wanted->params[i] && !is_widened) return false;
  }
  return is->result_count == 0 || memcmp(is->results, wanted->results, is->result_count * sizeof *is->results) == 0;
}

static bool of_store(const struct engine_store *store, const struct engine_extern *value) {
  switch (value->kind) {
  case MODULE_FUNC: return !value->func->instance || value->func->instance->store == store;
  case MODULE_TABLE: return value->table->store == store;
  case MODULE_MEMORY: return value->memory->store == store || value->memory->shared;
  case MODULE_TAG: return value->tag->store == store;
  default: return true;
  }
}

enum cay_status engine_import_check_typed(struct engine_store *store, const struct module *module,
                                          const struct engine_type *const *types, uint32_t index,
                                          const struct engine_extern *value, struct cay_error *error) {
  assert(index < module->import_count);
  const struct module_import *import = &module->imports[index];
  bool matches = extern_matches(store->engine, module, types, import, value);
  if (matches && of_store(store, value)) return CAY_OK;
  char from[ENGINE_NAME_TEXT_BYTES], name[ENGINE_NAME_TEXT_BYTES], wanted[ENGINE_TYPE_TEXT_BYTES],
      given[ENGINE_TYPE_TEXT_BYTES];
  base_printable(from, sizeof from, import->module.bytes, import->module.len_bytes);
  base_printable(name, sizeof name, import->name.bytes, import->name.len_bytes);
  engine_import_type_text(module, import, wanted);
  if (matches)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "import \"%s\" \"%s\", a %s, was given from another store", from,
                          name, wanted);
  extern_text(value, given);
  bool is_narrow = value->kind == MODULE_FUNC && import->kind == MODULE_FUNC &&
                   is_narrower(value->func->type, module_func_type_of(module, import->index));
  return base_error_set(error, CAY_ERROR_LINK, "import \"%s\" \"%s\" is a %s, but a %s was given%s", from, name, wanted,
                        given, is_narrow ? ": one for 32-bit addresses, as all of WASI 0.1 is" : "");
}

enum cay_status engine_import_check(struct engine_store *store, struct module *module, uint32_t index,
                                    const struct engine_extern *value, struct cay_error *error) {
  const struct engine_type *const *types = engine_types_take(store->engine, module);
  if (!types) return base_error_memory(error);
  enum cay_status status = engine_import_check_typed(store, module, types, index, value, error);
  engine_types_give(store->engine, module);
  return status;
}
