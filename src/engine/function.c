/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Functions and globals that the host makes. They live in the store's arena. */
#include "engine/internal.h"

static const char *copy_name(struct engine_store *store, const char *name, bool *failed) {
  if (!name) return NULL;
  size_t len_bytes = strlen(name);
  char *copy = base_arena_alloc(&store->arena, len_bytes + 1, 1);
  if (copy)
    memcpy(copy, name, len_bytes);
  else
    *failed = true;
  return copy;
}

static bool names_a_type(module_type type) { return module_type_is_ref(type) && !(type & MODULE_HEAP_ABSTRACT); }

static bool func_type_names_types(const struct module_func_type *type) {
  for (uint32_t i = 0; i < type->param_count; i++)
    if (names_a_type(type->params[i])) return true;
  for (uint32_t i = 0; i < type->result_count; i++)
    if (names_a_type(type->results[i])) return true;
  return false;
}

static enum cay_status make(struct engine_store *store, const struct engine_type *def, engine_host_function host,
                            void *env, const char *module_name, const char *name, struct engine_function **out,
                            struct cay_error *error) {
  struct engine_function *function = base_arena_alloc(&store->arena, 1, sizeof *function);
  if (!function || !def) return base_error_memory(error);
  bool failed = false;
  function->host = host;
  function->env = env;
  function->host_module = copy_name(store, module_name, &failed);
  function->host_name = copy_name(store, name, &failed);
  function->def = def;
  function->type = def->func;
  if (failed) return base_error_memory(error);
  *out = function;
  return CAY_OK;
}

enum cay_status engine_function_new(struct engine_store *store, const struct module_func_type *type,
                                    engine_host_function host, void *env, const char *module_name, const char *name,
                                    struct engine_function **out, struct cay_error *error) {
  if (func_type_names_types(type))
    return base_error_set(error, CAY_ERROR_UNSUPPORTED, "a host function cannot have a type that names another type");
  return make(store, engine_types_intern(store->engine, type), host, env, module_name, name, out, error);
}

/* The types of `module`, kept for its next import: taking them costs time for each type, and a million imports of a
 * million types must not cost their product. */
static const struct engine_type *const *import_types(struct engine_store *store, struct module *module) {
  if (store->import_module == module) return store->import_types;
  const struct engine_type *const *types = engine_types_take(store->engine, module);
  if (!types) return NULL;
  if (store->import_module) engine_types_give(store->engine, store->import_module);
  store->import_module = module; /* which the types hold */
  store->import_types = types;
  return types;
}

enum cay_status engine_function_for_import(struct engine_store *store, struct module *module, uint32_t index,
                                           engine_host_function host, void *env, struct engine_function **out,
                                           struct cay_error *error) {
  assert(index < module->import_count && module->imports[index].kind == MODULE_FUNC);
  const struct module_import *import = &module->imports[index];
  char from[ENGINE_NAME_TEXT_BYTES], name[ENGINE_NAME_TEXT_BYTES];
  base_printable(from, sizeof from, import->module.bytes, import->module.len_bytes);
  base_printable(name, sizeof name, import->name.bytes, import->name.len_bytes);
  const struct engine_type *const *types = import_types(store, module);
  if (!types) return base_error_memory(error);
  return make(store, types[module->funcs[import->index].type], host, env, from, name, out, error);
}

enum cay_status engine_global_new(struct engine_store *store, const struct module_global_type *type,
                                  const uint64_t value[2], struct engine_global_ref *out, struct cay_error *error) {
  if (names_a_type(type->type))
    return base_error_set(error, CAY_ERROR_UNSUPPORTED, "a host global cannot have a type that names another type");
  struct engine_host_global *global = base_arena_alloc(&store->arena, 1, sizeof *global);
  if (!global) return base_error_memory(error);
  global->cell.value[0] = value[0];
  if (type->type == MODULE_V128) global->cell.value[1] = value[1];
  *out = (struct engine_global_ref){.cell = &global->cell, .type = *type};
  if (!module_type_is_traced(NULL, type->type)) return CAY_OK;
  global->next = store->host_globals;
  store->host_globals = global;
  return CAY_OK;
}

enum cay_status engine_tag_new(struct engine_store *store, const struct module_func_type *type, struct engine_tag **out,
                               struct cay_error *error) {
  if (func_type_names_types(type))
    return base_error_set(error, CAY_ERROR_UNSUPPORTED, "a host tag cannot have a type that names another type");
  struct engine_tag *tag = base_arena_alloc(&store->arena, 1, sizeof *tag);
  if (!tag) return base_error_memory(error);
  tag->store = store;
  tag->type = engine_types_intern(store->engine, type);
  tag->exception = tag->type ? engine_types_exception(store, tag->type) : NULL;
  if (!tag->exception) return base_error_memory(error);
  *out = tag;
  return CAY_OK;
}
