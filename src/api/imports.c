/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a run provides for the imports of a module beyond WASI's functions: shared memories, and functions that stand in
 * for missing ones. And what a module must have for its threads. */
#include <assert.h>

#include "api/parts.h"

bool api_name_is(struct module_name name, const char *text) {
  return name.len_bytes == strlen(text) && memcmp(name.bytes, text, name.len_bytes) == 0;
}

/* ---- Functions ---------------------------------------------------------------------------------------------------------- */

static enum engine_trap missing_function(struct engine_call *call, uint64_t *slots) {
  const struct engine_function *function = call->function;
  base_error_set(&call->thread->host_error, CAY_ERROR_LINK, "the imported function \"%s\" \"%s\" is not provided",
                 function->host_module, function->host_name);
  return ENGINE_TRAP_HOST;
}

static enum engine_trap default_function(struct engine_call *call, uint64_t *slots) {
  memset(slots, 0, call->function->type->result_slots * sizeof *slots);
  return ENGINE_TRAP_NONE;
}

/* Only a result that has a default can be returned; there is no reference that is never null. */
static bool has_default(const struct module_func_type *type) {
  for (uint32_t i = 0; i < type->result_count; i++)
    if (!module_type_has_default(type->results[i])) return false;
  return true;
}

static enum cay_status define_missing(struct engine_linker *linker, struct engine_store *store, struct module *module,
                                      uint32_t index, enum cay_unknown_imports policy, struct cay_error *error) {
  const struct module_import *import = &module->imports[index];
  bool traps = policy == CAY_UNKNOWN_TRAP || !has_default(module_func_type_of(module, import->index));
  struct engine_extern value = {.kind = MODULE_FUNC};
  enum cay_status status = engine_function_for_import(store, module, index, traps ? missing_function : default_function,
                                                      NULL, &value.func, error);
  if (status != CAY_OK) return status;
  return engine_linker_define(linker, import->module.bytes, import->module.len_bytes, import->name.bytes,
                              import->name.len_bytes, value, error);
}

enum cay_status api_define_missing(struct engine_linker *linker, struct engine_store *store, struct module *module,
                                   enum cay_unknown_imports policy, struct cay_error *error) {
  if (policy == CAY_UNKNOWN_ERROR) return CAY_OK;
  for (uint32_t i = 0; i < module->import_count; i++) {
    const struct module_import *import = &module->imports[i];
    struct engine_extern found;
    if (import->kind != MODULE_FUNC || engine_linker_find(linker, import->module, import->name, &found)) continue;
    enum cay_status status = define_missing(linker, store, module, i, policy, error);
    if (status != CAY_OK) return status;
  }
  return CAY_OK;
}

/* ---- Memories ----------------------------------------------------------------------------------------------------------- */

enum cay_status api_define_memories(struct engine_linker *linker, struct engine_store *store,
                                    const struct module *module, const struct engine_linker *first,
                                    struct cay_error *error) {
  enum cay_status status = CAY_OK;
  for (uint32_t i = 0; i < module->import_count && status == CAY_OK; i++) {
    const struct module_import *import = &module->imports[i];
    struct engine_extern value;
    if (import->kind != MODULE_MEMORY || !module->memories[import->index].limits.is_shared) continue;
    if (engine_linker_find(linker, import->module, import->name, &value)) continue;
    if (!first || !engine_linker_find(first, import->module, import->name, &value)) {
      value = (struct engine_extern){.kind = MODULE_MEMORY};
      status = engine_memory_new(store, &module->memories[import->index], &value.memory, error);
    }
    if (status == CAY_OK)
      status = engine_linker_define(linker, import->module.bytes, import->module.len_bytes, import->name.bytes,
                                    import->name.len_bytes, value, error);
  }
  return status;
}

/* ---- Threads ------------------------------------------------------------------------------------------------------------ */

bool api_uses_threads(const struct module *module) {
  for (uint32_t i = 0; i < module->import_count; i++)
    if (api_name_is(module->imports[i].module, API_THREAD_MODULE) &&
        api_name_is(module->imports[i].name, API_THREAD_SPAWN))
      return true;
  return false;
}

static bool is_thread_start(const struct module_func_type *type) {
  return type->param_count == 2 && type->result_count == 0 && type->params[0] == MODULE_I32 &&
         type->params[1] == MODULE_I32;
}

static bool imports_shared_memory(const struct module *module) {
  for (uint32_t i = 0; i < module->imported_memory_count; i++)
    if (module->memories[i].limits.is_shared) return true;
  return false;
}

enum cay_status api_threads_check(const struct module *module, struct cay_error *error) {
  const struct module_export *start = module_export_find(module, API_THREAD_START, strlen(API_THREAD_START));
  if (!start || start->kind != MODULE_FUNC || !is_thread_start(module_func_type_of(module, start->index)))
    return base_error_set(error, CAY_ERROR_LINK,
                          "the module imports thread-spawn, so it has to export a function \"" API_THREAD_START
                          "\" of type (i32, i32) -> ()");
  if (imports_shared_memory(module)) return CAY_OK;
  return base_error_set(error, CAY_ERROR_LINK,
                        "the module imports thread-spawn, but no shared memory, without which its threads would have "
                        "nothing in common; link it with --import-memory --shared-memory");
}
