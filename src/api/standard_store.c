/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Configurations, engines and stores of wasm.h, and what cay.h adds to them.
 *
 * An engine of wasm.h is one of cay.h with a count, because embedders delete it before its stores. A store owns the
 * engine's store, the set of objects (standard_ref.c) and the functions of the host that were made in it. */
#include "api/standard.h"

/* ---- Configuration -------------------------------------------------------------------------------------------------------- */

wasm_config_t *wasm_config_new(void) {
  cay_engine_config *config = NULL;
  static_assert(offsetof(wasm_config_t, config) == 0, "the one is the other");
  return cay_engine_config_new(&config, NULL) == CAY_OK ? (wasm_config_t *)config : NULL;
}

void wasm_config_delete(wasm_config_t *config) { cay_engine_config_free((cay_engine_config *)config); }

cay_engine_config *cay_wasm_config(wasm_config_t *config) { return &config->config; }

/* ---- Engines ---------------------------------------------------------------------------------------------------------------- */

enum cay_status cay_wasm_engine_new(wasm_config_t *config, wasm_engine_t **out, struct cay_error *error) {
  wasm_engine_t *engine = base_alloc_zero(1, sizeof *engine);
  enum cay_status status =
      engine ? cay_engine_new((cay_engine_config *)config, &engine->engine, error) : base_error_memory(error);
  wasm_config_delete(config);
  if (status != CAY_OK) {
    base_free(engine);
    return status;
  }
  atomic_init(&engine->references, 1);
  *out = engine;
  return CAY_OK;
}

wasm_engine_t *wasm_engine_new_with_config(wasm_config_t *config) {
  wasm_engine_t *engine = NULL;
  return cay_wasm_engine_new(config, &engine, NULL) == CAY_OK ? engine : NULL;
}

wasm_engine_t *wasm_engine_new(void) { return wasm_engine_new_with_config(NULL); }

void wasm_engine_delete(wasm_engine_t *engine) {
  if (!engine || atomic_fetch_sub_explicit(&engine->references, 1, memory_order_acq_rel) > 1) return;
  cay_engine_free(engine->engine);
  base_free(engine);
}

/* ---- Stores ------------------------------------------------------------------------------------------------------------------- */

enum cay_status cay_wasm_store_new(wasm_engine_t *engine, cay_budget *budget, wasm_store_t **out,
                                   struct cay_error *error) {
  assert(engine && "a store is of an engine");
  wasm_store_t *store = base_alloc_zero(1, sizeof *store);
  if (!store) return base_error_memory(error);
  struct engine_limits limits = {.budget = api_budget(budget)};
  enum cay_status status = standard_set_init(store)
                               ? engine_store_new(engine->engine->engine, &limits, &store->inner, error)
                               : base_error_memory(error);
  if (status != CAY_OK) {
    base_free(store->buckets);
    base_free(store);
    return status;
  }
  atomic_fetch_add_explicit(&engine->references, 1, memory_order_relaxed);
  store->engine = engine;
  store->held_most = STANDARD_HELD_LEAST;
  engine_roots_push(store->inner, &store->root_span);
  *out = store;
  return CAY_OK;
}

wasm_store_t *wasm_store_new(wasm_engine_t *engine) {
  wasm_store_t *store = NULL;
  return cay_wasm_store_new(engine, NULL, &store, NULL) == CAY_OK ? store : NULL;
}

static void host_functions_free(struct standard_host_function *functions) {
  for (struct standard_host_function *function = functions, *next; function; function = next) {
    next = function->next;
    if (function->finalizer) function->finalizer(function->env);
    base_free(function);
  }
}

void wasm_store_delete(wasm_store_t *store) {
  if (!store) return;
  assert(!engine_store_thread(store->inner)->stack && "a store was deleted by a function that it was calling");
  engine_roots_pop(store->inner, &store->root_span);
  engine_store_free(store->inner);
  standard_set_deinit(store);
  host_functions_free(store->host_functions);
  wasm_engine_delete(store->engine);
  base_free(store);
}

const struct cay_error *cay_wasm_store_error(const wasm_store_t *store) { return &store->error; }

void cay_wasm_store_interrupt(wasm_store_t *store) { engine_interrupt(store->inner); }
void cay_wasm_store_clear_interrupt(wasm_store_t *store) { engine_interrupt_clear(store->inner); }
