/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Functions of wasm.h: calls in both directions.
 *
 * Values and slots of a call lie on the C stack when there are few, else in memory of their own. A host function's
 * arguments are references that this file made and ends; its results start as zeros of the right kinds, so that whatever
 * it leaves unwritten is valid, and are the callback's until they are in the slots. */
#include <inttypes.h>

#include "api/standard.h"

enum { FEW = 8 };

/* Room for the values of a call: `count` of `item_bytes`, in `few` when it has so many. */
static void *room(void *few, size_t few_count, size_t count, size_t item_bytes) {
  return count <= few_count ? few : base_alloc_zero(count, item_bytes);
}

static void values_end(wasm_val_t *values, size_t count) {
  for (size_t i = 0; i < count; i++) wasm_val_delete(&values[i]);
}

/* References of a type in a function's own terms. */
static bool is_traced(const struct engine_function *function, module_type type) {
  return module_type_is_traced(function->instance ? function->instance->module->types : NULL, type);
}

/* ---- From the guest ------------------------------------------------------------------------------------------------------------- */

static enum engine_trap failed(struct engine_thread *thread, enum cay_status status) {
  return status == CAY_ERROR_MEMORY ? ENGINE_TRAP_OUT_OF_MEMORY : ENGINE_TRAP_HOST; /* host_error says why */
}

/* Numbers, which is what nearly all calls pass; false: something else. The kinds of both sides count in the same order, one
 * down and one up, and 32 bits lie in the low half of 64. */
static_assert(MODULE_I32 - MODULE_I64 == WASM_I64 - WASM_I32 && MODULE_I32 - MODULE_F32 == WASM_F32 - WASM_I32 &&
                  MODULE_I32 - MODULE_F64 == WASM_F64 - WASM_I32 && WASM_I32 == 0 && WASM_F64 == 3,
              "a number's kind is its distance from i32");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "as the guest's memory is");

static bool number_out(module_type type, uint64_t slot, wasm_val_t *out) {
  uint32_t kind = (uint32_t)MODULE_I32 - type;
  if (kind > WASM_F64) return false;
  out->kind = (wasm_valkind_t)kind;
  out->of.i64 = (int64_t)slot;
  return true;
}

static bool number_in(module_type type, const wasm_val_t *value, uint64_t *slot) {
  uint32_t kind = (uint32_t)MODULE_I32 - type;
  if (kind & 1) /* i64, f64 */
    *slot = (uint64_t)value->of.i64;
  else
    *slot = api_low_half(&value->of.i32);
  return kind == value->kind && kind <= WASM_F64;
}

static bool args_out(wasm_store_t *store, const struct engine_function *function, const uint64_t *slots,
                     wasm_val_vec_t *args) {
  const struct module_func_type *type = function->type;
  for (; args->size < type->param_count; args->size++) {
    module_type param = type->params[args->size];
    if (BASE_LIKELY(number_out(param, *slots, &args->data[args->size]))) {
      slots++;
      continue;
    }
    if (!standard_value_out(store, param, is_traced(function, param), slots, &args->data[args->size])) return false;
    slots += module_type_slots(param);
  }
  return true;
}

static enum engine_trap results_in(wasm_store_t *store, struct engine_call *call, const wasm_val_vec_t *results,
                                   uint64_t *slots) {
  const struct module_func_type *type = call->function->type;
  struct cay_error *error = &call->thread->host_error;
  for (uint32_t i = 0; i < type->result_count; i++) {
    if (BASE_LIKELY(number_in(type->results[i], &results->data[i], &slots[i]))) continue;
    enum cay_status status = standard_value_in(store, NULL, type->results[i], &results->data[i], &slots[i], error);
    if (status == CAY_OK) continue;
    base_error_prefix(error, "result %" PRIu32 " of the host's function", i);
    return failed(call->thread, status);
  }
  return ENGINE_TRAP_NONE;
}

/* The callback's trap ends the guest's call. */
static enum engine_trap thrown(const struct standard_host_function *host, wasm_trap_t *trap) {
  standard_trap_locate(host->store, trap);
  assert(!host->store->thrown);
  host->store->thrown = trap;
  return ENGINE_TRAP_HOST;
}

static enum engine_trap callback_run(const struct standard_host_function *host, struct engine_call *call,
                                     const wasm_val_vec_t *args, wasm_val_vec_t *results, uint64_t *slots) {
  wasm_trap_t *trap = host->plain ? host->plain(args, results) : host->with_env(host->env, args, results);
  return trap ? thrown(host, trap) : results_in(host->store, call, results, slots);
}

static enum engine_trap fast_function(struct engine_call *call, uint64_t *slots) {
  const struct standard_host_function *host = call->env;
  wasm_trap_t *trap = host->fast(host->env, (cay_slot *)slots);
  if (BASE_UNLIKELY(trap != NULL)) return thrown(host, trap);
  api_slots_take(call->function->type->results, call->function->type->result_count, slots);
  return ENGINE_TRAP_NONE;
}

static enum engine_trap host_function(struct engine_call *call, uint64_t *slots) {
  const struct standard_host_function *host = call->env;
  const struct module_func_type *type = call->function->type;
  wasm_val_t few[2 * FEW];
  size_t count = (size_t)type->param_count + type->result_count;
  wasm_val_t *values = room(few, BASE_ARRAY_LEN(few), count, sizeof *values);
  if (!values) return ENGINE_TRAP_OUT_OF_MEMORY;
  wasm_val_vec_t args = {0, values}, results = {type->result_count, values + type->param_count};
  for (uint32_t i = 0; i < type->result_count; i++)
    results.data[i] = (wasm_val_t){.kind = standard_kind_of(type->results[i])};
  enum engine_trap trap = ENGINE_TRAP_OUT_OF_MEMORY;
  if (args_out(host->store, call->function, slots, &args)) trap = callback_run(host, call, &args, &results, slots);
  values_end(values, args.size);
  values_end(values + type->param_count, type->result_count);
  if (values != few) base_free(values);
  return trap;
}

/* ---- Into the guest ------------------------------------------------------------------------------------------------------------- */

static enum cay_status type_check(const struct module_func_type *type, const wasm_val_vec_t *args,
                                  struct cay_error *error) {
  if (args->size != type->param_count)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "the function takes %" PRIu32 " arguments, %zu were given",
                          type->param_count, args->size);
  for (uint32_t i = 0; i < type->result_count; i++)
    if (type->results[i] == MODULE_V128)
      return base_error_set(error, CAY_ERROR_UNSUPPORTED, "result %" PRIu32 " is a v128, which wasm.h does not have",
                            i);
  return CAY_OK;
}

static enum cay_status args_in(wasm_store_t *store, const struct engine_function *function, const wasm_val_vec_t *args,
                               uint64_t *slots, struct cay_error *error) {
  const struct module_func_type *type = function->type;
  for (uint32_t i = 0; i < type->param_count; i++) {
    if (BASE_LIKELY(number_in(type->params[i], &args->data[i], &slots[i]))) continue;
    enum cay_status status =
        standard_value_in(store, function->instance, type->params[i], &args->data[i], &slots[i], error);
    if (status == CAY_OK) continue;
    base_error_prefix(error, "argument %" PRIu32, i);
    return status;
  }
  return CAY_OK;
}

/* The results are written when all of them could be made. */
static enum cay_status results_out(wasm_store_t *store, const struct engine_function *function, const uint64_t *slots,
                                   wasm_val_vec_t *results, struct cay_error *error) {
  const struct module_func_type *type = function->type;
  if (results->size < type->result_count)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "the function has %" PRIu32 " results, there is room for %zu",
                          type->result_count, results->size);
  for (uint32_t i = 0; i < type->result_count; i++) {
    module_type result = type->results[i];
    if (BASE_LIKELY(number_out(result, slots[i], &results->data[i]))) continue;
    if (standard_value_out(store, result, is_traced(function, result), &slots[i], &results->data[i])) continue;
    values_end(results->data, i);
    return base_error_memory(error);
  }
  return CAY_OK;
}

/* Room for results is not looked at before there are any: who expects a trap need not make it. */
static wasm_trap_t *call(wasm_store_t *store, struct engine_function *function, const wasm_val_vec_t *args,
                         uint64_t *slots, wasm_val_vec_t *results) {
  enum cay_status status = args_in(store, function, args, slots, &store->error);
  if (status != CAY_OK) return standard_trap_of_error(store, &store->error);
  enum engine_trap trap = engine_call(store->inner, function, slots);
  if (trap != ENGINE_TRAP_NONE) return standard_trap_of_call(store, trap);
  status = results_out(store, function, slots, results, &store->error);
  return status == CAY_OK ? NULL : standard_trap_of_error(store, &store->error);
}

wasm_trap_t *wasm_func_call(const wasm_func_t *func, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  assert(func && args && results && "a call has a function, arguments and room for results");
  assert((func->ref.is_static || func->ref.references > 0) && "a function was called after its end");
  wasm_store_t *store = func->ref.store;
  if (!store) return standard_trap_new(NULL, "the function's store was deleted");
  struct engine_function *function = standard_inner(&func->ref);
  const struct module_func_type *type = function->type;
  if (type_check(type, args, &store->error) != CAY_OK) return standard_trap_of_error(store, &store->error);
  uint64_t few[FEW];
  size_t count = type->param_slots > type->result_slots ? type->param_slots : type->result_slots;
  uint64_t *slots = room(few, FEW, count, sizeof *slots);
  if (!slots) base_error_memory(&store->error);
  wasm_trap_t *trap =
      slots ? call(store, function, args, slots, results) : standard_trap_of_error(store, &store->error);
  if (slots != few) base_free(slots);
  return trap;
}

wasm_trap_t *cay_wasm_func_call(const wasm_func_t *func, cay_slot *slots) {
  assert(func && (func->ref.is_static || func->ref.references > 0) && "what is called is a function");
  wasm_store_t *store = func->ref.store;
  if (!store) return standard_trap_new(NULL, "the function's store was deleted");
  struct engine_function *function = standard_inner(&func->ref);
  uint64_t *raw = (uint64_t *)slots;
  if (BASE_UNLIKELY(function->type->has_references))
    return standard_trap_new(store, "the function takes or returns references, which slots do not");
  enum engine_trap trap = engine_call(store->inner, function, raw);
  return BASE_LIKELY(trap == ENGINE_TRAP_NONE) ? NULL : standard_trap_of_call(store, trap);
}

/* ---- Functions ---------------------------------------------------------------------------------------------------------------------- */

/* `out` has room for all of them. */
static enum cay_status types_in(const wasm_valtype_vec_t *types, module_type *out, struct cay_error *error) {
  for (size_t i = 0; i < types->size; i++) {
    out[i] = standard_type_of(wasm_valtype_kind(types->data[i]));
    if (out[i] == MODULE_BOTTOM)
      return base_error_set(error, CAY_ERROR_UNSUPPORTED, "a host's function cannot have a type that wasm.h lacks");
  }
  return CAY_OK;
}

static enum cay_status function_new(wasm_store_t *store, const wasm_functype_t *functype,
                                    struct standard_host_function *host, struct engine_function **out) {
  size_t params = functype->params.size, results = functype->results.size;
  if (params > module_default_limits.params || results > module_default_limits.results)
    return base_error_set(&store->error, CAY_ERROR_LIMIT, "a function of more than %" PRIu32 " parameters or results",
                          module_default_limits.params);
  module_type few[2 * FEW], *types = room(few, BASE_ARRAY_LEN(few), params + results, sizeof *types);
  if (!types) return base_error_memory(&store->error);
  enum cay_status status = types_in(&functype->params, types, &store->error);
  if (status == CAY_OK) status = types_in(&functype->results, types + params, &store->error);
  struct module_func_type type = {.params = types,
                                  .results = types + params,
                                  .param_count = (uint32_t)params,
                                  .result_count = (uint32_t)results,
                                  .param_slots = (uint32_t)params,
                                  .result_slots = (uint32_t)results};
  if (status == CAY_OK)
    status = engine_function_new(store->inner, &type, host->fast ? fast_function : host_function, host, NULL, NULL, out,
                                 &store->error);
  if (types != few) base_free(types);
  return status;
}

static wasm_func_t *host_new(wasm_store_t *store, const wasm_functype_t *type,
                             const struct standard_host_function *setup) {
  struct engine_function *function = NULL;
  struct standard_host_function *host = base_alloc(sizeof *host);
  if (!host) {
    base_error_memory(&store->error);
    return NULL;
  }
  *host = *setup;
  wasm_func_t *func = NULL;
  if (function_new(store, type, host, &function) == CAY_OK) {
    func = (wasm_func_t *)standard_take(store, STANDARD_FUNC, standard_key(function));
    if (!func) base_error_memory(&store->error);
  }
  if (!func) {
    base_free(host);
    return NULL;
  }
  function->on_host_stack = true;
  host->next = store->host_functions;
  store->host_functions = host;
  return func;
}

wasm_func_t *wasm_func_new(wasm_store_t *store, const wasm_functype_t *type, wasm_func_callback_t callback) {
  return host_new(store, type, &(struct standard_host_function){.store = store, .plain = callback});
}

wasm_func_t *wasm_func_new_with_env(wasm_store_t *store, const wasm_functype_t *type,
                                    wasm_func_callback_with_env_t callback, void *env, void (*finalizer)(void *)) {
  return host_new(
      store, type,
      &(struct standard_host_function){.store = store, .with_env = callback, .env = env, .finalizer = finalizer});
}

wasm_func_t *cay_wasm_func_new(wasm_store_t *store, const wasm_functype_t *type, cay_wasm_callback callback, void *env,
                               void (*finalizer)(void *)) {
  for (size_t i = 0; i < type->params.size + type->results.size; i++) {
    const wasm_valtype_t *value =
        i < type->params.size ? type->params.data[i] : type->results.data[i - type->params.size];
    if (!wasm_valkind_is_ref(value->kind)) continue;
    base_error_set(&store->error, CAY_ERROR_UNSUPPORTED, "slots take no references");
    return NULL;
  }
  return host_new(
      store, type,
      &(struct standard_host_function){.store = store, .fast = callback, .env = env, .finalizer = finalizer});
}

static const struct module_func_type *type_of(const wasm_func_t *func) {
  static const struct module_func_type none;
  return func->ref.store ? ((const struct engine_function *)standard_inner(&func->ref))->type : &none;
}

wasm_functype_t *wasm_func_type(const wasm_func_t *func) {
  return func->ref.store ? (wasm_functype_t *)standard_functype(type_of(func)) : NULL;
}
size_t wasm_func_param_arity(const wasm_func_t *func) { return type_of(func)->param_count; }
size_t wasm_func_result_arity(const wasm_func_t *func) { return type_of(func)->result_count; }
