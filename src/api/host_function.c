/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Functions of the host for runs: a counted list that the linker of each run is filled from.
 *
 * A call passes the engine's slots through as they are. What the callback leaves in the results is made what the engine
 * takes numbers for, so that an embedder who writes 32 bits only gives the guest no others. */
#include <assert.h>

#include "api/parts.h"

static_assert(sizeof(cay_slot) == sizeof(uint64_t), "a slot of the engine's");

struct function {
  char *module, *name;
  module_type *types; /* parameters, then results */
  struct module_func_type type;
  cay_callback callback;
  void *env;
};

struct cay_imports {
  atomic_uint references;
  BASE_VEC(struct function) functions;
};

enum cay_status cay_imports_new(cay_imports **out, struct cay_error *error) {
  cay_imports *imports = base_alloc_zero(1, sizeof *imports);
  if (!imports) return base_error_memory(error);
  atomic_init(&imports->references, 1);
  *out = imports;
  return CAY_OK;
}

cay_imports *api_imports_retain(cay_imports *imports) {
  atomic_fetch_add_explicit(&imports->references, 1, memory_order_relaxed);
  return imports;
}

static void function_deinit(struct function *function) {
  base_free(function->module);
  base_free(function->name);
  base_free(function->types);
}

void cay_imports_release(cay_imports *imports) {
  if (!imports) return;
  unsigned before = atomic_fetch_sub_explicit(&imports->references, 1, memory_order_acq_rel);
  assert(before > 0 && "imports were released more often than they were made");
  if (before > 1) return;
  for (size_t i = 0; i < imports->functions.count; i++) function_deinit(&imports->functions.items[i]);
  BASE_VEC_DEINIT(&imports->functions);
  base_free(imports);
}

/* ---- Adding --------------------------------------------------------------------------------------------------------- */

/* The engine's types of the public ones; false: a reference, or none. */
static bool types_take(const enum cay_type *types, size_t count, module_type *out, uint32_t *slots) {
  for (size_t i = 0; i < count; i++) {
    if (types[i] < CAY_V128 || types[i] > CAY_I32) return false;
    out[i] = (module_type)types[i];
    *slots += module_type_slots(out[i]);
  }
  return true;
}
static_assert((int)CAY_I32 == (int)MODULE_I32 && (int)CAY_V128 == (int)MODULE_V128, "the numbers are the same");

static enum cay_status type_take(struct function *function, const enum cay_type *params, size_t param_count,
                                 const enum cay_type *results, size_t result_count, struct cay_error *error) {
  struct module_func_type *type = &function->type;
  if (param_count > module_default_limits.params || result_count > module_default_limits.results)
    return base_error_set(error, CAY_ERROR_LIMIT, "a function of too many parameters or results");
  function->types = base_alloc_zero(param_count + result_count + 1, sizeof *function->types);
  if (!function->types) return base_error_memory(error);
  type->params = function->types;
  type->results = function->types + param_count;
  type->param_count = (uint32_t)param_count;
  type->result_count = (uint32_t)result_count;
  if (types_take(params, param_count, function->types, &type->param_slots) &&
      types_take(results, result_count, function->types + param_count, &type->result_slots))
    return CAY_OK;
  return base_error_set(error, CAY_ERROR_UNSUPPORTED,
                        "a function of the host takes and returns numbers and vectors only");
}

enum cay_status cay_imports_add(cay_imports *imports, const char *module, const char *name, const enum cay_type *params,
                                size_t param_count, const enum cay_type *results, size_t result_count,
                                cay_callback callback, void *env, struct cay_error *error) {
  assert(atomic_load(&imports->references) == 1 && "functions are added before a run has them");
  assert(module && name && callback && "a function of the host has a module, a name and a callback");
  struct function function = {.module = base_string_copy(module, strlen(module)),
                              .name = base_string_copy(name, strlen(name)),
                              .callback = callback,
                              .env = env};
  enum cay_status status =
      function.module && function.name && BASE_VEC_RESERVE(&imports->functions, imports->functions.count + 1)
          ? type_take(&function, params, param_count, results, result_count, error)
          : base_error_memory(error);
  if (status != CAY_OK) {
    function_deinit(&function);
    return status;
  }
  imports->functions.items[imports->functions.count++] = function;
  return CAY_OK;
}

/* ---- Calls ---------------------------------------------------------------------------------------------------------- */

/* A nested call has written to the thread's own error meanwhile, perhaps from it. */
static enum engine_trap refused(struct engine_thread *thread, enum cay_status status, struct cay_error *why) {
  if (status == CAY_ERROR_MEMORY) return ENGINE_TRAP_OUT_OF_MEMORY;
  why->text[CAY_ERROR_TEXT_BYTES - 1] = 0;
  base_error_set(&thread->host_error, status, "%s",
                 why->text[0] ? why->text : "a function of the host failed and did not say why");
  return ENGINE_TRAP_HOST;
}

static enum engine_trap host_function(struct engine_call *call, uint64_t *slots) {
  const struct function *function = call->env;
  struct cay_error why;
  why.text[0] = 0;
  if (BASE_UNLIKELY(!call->caller)) {
    base_error_set(&why, CAY_ERROR_ARGUMENT, "only a guest can call a function of the host");
    return refused(call->thread, CAY_ERROR_ARGUMENT, &why);
  }
  enum cay_status status = function->callback(function->env, (cay_caller *)call, (cay_slot *)slots, &why);
  if (BASE_UNLIKELY(status != CAY_OK)) return refused(call->thread, status, &why);
  api_slots_take(function->type.results, function->type.result_count, slots);
  return ENGINE_TRAP_NONE;
}

enum cay_status api_imports_define(const cay_imports *imports, struct engine_linker *linker, struct engine_store *store,
                                   struct cay_error *error) {
  enum cay_status status = CAY_OK;
  for (size_t i = 0; status == CAY_OK && i < imports->functions.count; i++) {
    struct function *function = &imports->functions.items[i];
    struct engine_extern value = {.kind = MODULE_FUNC};
    status = engine_function_new(store, &function->type, host_function, function, function->module, function->name,
                                 &value.func, error);
    if (status != CAY_OK) return status;
    value.func->on_host_stack = true;
    status = engine_linker_define(linker, function->module, strlen(function->module), function->name,
                                  strlen(function->name), value, error);
  }
  return status;
}

static const struct engine_call *call_of(const cay_caller *caller) {
  return (const struct engine_call *)(const void *)caller;
}

cay_run *cay_caller_run(cay_caller *caller) { return call_of(caller)->caller->host_data; }

void *cay_caller_memory(cay_caller *caller, size_t *len_bytes) {
  return api_memory_of(call_of(caller)->caller, len_bytes);
}
