/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Instantiates arbitrary modules and calls what they export, with arguments made of the input's length.
 *
 * Imports are host functions that hand numbers back and may throw, and objects of just the type that is asked for.
 * Every instance and call ends after a few milliseconds by engine_interrupt, from a timer's signal. Limits are small, so
 * that running into them is common. Every second input runs with a collection at every allocation. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/engine.h"
#include "engine/heap.h"
#include "tiers/tiers.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

#define REQUIRE(condition)                                            \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                        \
    }                                                                 \
  } while (0)

/* ---- The deadline -------------------------------------------------------------------------------------------------- */

enum { DEADLINE_NS = 5 * 1000 * 1000 };
static struct engine_store *volatile running;
static timer_t timer;

static void interrupt(int number) {
  (void)number;
  int saved = errno;
  if (running) engine_interrupt(running);
  errno = saved;
}

static void deadline_set(struct engine_store *store) {
  static bool is_made;
  if (!is_made) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART | SA_ONSTACK};
    REQUIRE(sigaction(SIGRTMIN, &action, NULL) == 0 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    is_made = true;
  }
  engine_interrupt_clear(store);
  running = store;
  struct itimerspec when = {.it_value = {.tv_nsec = DEADLINE_NS}};
  REQUIRE(timer_settime(timer, 0, &when, NULL) == 0);
}

static void deadline_unset(void) { running = NULL; }

/* ---- Imports --------------------------------------------------------------------------------------------------------- */

/* Its results are its arguments, as far as these are numbers. Every seventh call throws, if there is a tag without values. */
static struct engine_tag *empty_tag;
static unsigned host_calls;

static enum engine_trap host(struct engine_call *call, uint64_t *slots) {
  const struct module_func_type *type = call->function->type;
  if (++host_calls % 7 == 0 && empty_tag) {
    enum engine_trap trap = engine_exception_new(call->thread->store, empty_tag, slots, &call->thread->exception);
    return trap == ENGINE_TRAP_NONE ? ENGINE_TRAP_EXCEPTION : trap;
  }
  for (uint32_t i = 0, slot = 0; i < type->result_count; slot += module_type_slots(type->results[i++])) {
    if (slot >= type->param_slots || module_type_is_ref(type->results[i])) slots[slot] = 0;
    if (module_type_is_ref(type->results[i]) && !(type->results[i] & MODULE_REF_NULL)) return ENGINE_TRAP_HOST;
    if (type->results[i] == MODULE_I32 || type->results[i] == MODULE_F32) slots[slot] = (uint32_t)slots[slot];
    if (type->results[i] == MODULE_V128) slots[slot + 1] = 0;
  }
  return ENGINE_TRAP_NONE;
}

static bool give(struct engine_store *store, const struct module *module, const struct module_import *import,
                 struct engine_extern *out) {
  static const uint64_t zeros[2];
  out->kind = import->kind;
  switch (import->kind) {
  case MODULE_FUNC:
    return engine_function_new(store, module_func_type_of(module, import->index), host, NULL, "fuzz", "host",
                               &out->func, NULL) == CAY_OK;
  case MODULE_TABLE: {
    const struct module_table_type *type = &module->tables[import->index].type;
    bool has_default = !module_type_is_ref(type->elem) || (type->elem & MODULE_REF_NULL);
    bool is_known = type->elem & MODULE_HEAP_ABSTRACT;
    return has_default && is_known && engine_table_new(store, type, 0, &out->table, NULL) == CAY_OK;
  }
  case MODULE_MEMORY: return engine_memory_new(store, &module->memories[import->index], &out->memory, NULL) == CAY_OK;
  case MODULE_GLOBAL: {
    const struct module_global_type *type = &module->globals[import->index].type;
    bool has_default = !module_type_is_ref(type->type) || (type->type & MODULE_REF_NULL);
    return has_default && engine_global_new(store, type, zeros, &out->global, NULL) == CAY_OK;
  }
  case MODULE_TAG: {
    const struct module_func_type *type = &module->types[module->tags[import->index].type].func;
    if (engine_tag_new(store, type, &out->tag, NULL) != CAY_OK) return false;
    if (type->param_count == 0) empty_tag = out->tag;
    return true;
  }
  }
  return false;
}

/* ---- Calls ------------------------------------------------------------------------------------------------------------- */

/* Arguments: small numbers, floats of them, null references; false when there is no such value. */
static bool arguments_make(const struct module_func_type *type, uint64_t seed, uint64_t *slots) {
  for (uint32_t i = 0, slot = 0; i < type->param_count; slot += module_type_slots(type->params[i++])) {
    if (module_type_is_ref(type->params[i]) && !(type->params[i] & MODULE_REF_NULL)) return false;
    slots[slot] = module_type_is_ref(type->params[i]) ? 0 : (seed + i) % 40;
    if (type->params[i] == MODULE_F64) slots[slot] = UINT64_C(0x4010) << 48;
    if (type->params[i] == MODULE_V128) slots[slot + 1] = seed << 60;
  }
  return true;
}

static void call_exports(struct engine_store *store, struct engine_instance *instance, uint64_t seed) {
  enum { CALLS = 16 };
  const struct module *module = instance->module;
  for (uint32_t i = 0, calls = 0; i < module->export_count && calls < CALLS; i++) {
    if (module->exports[i].kind != MODULE_FUNC) continue;
    struct engine_function *function = instance->functions[module->exports[i].index];
    uint32_t count = function->type->param_slots > function->type->result_slots ? function->type->param_slots
                                                                                : function->type->result_slots;
    uint64_t *slots = calloc(count + 1, sizeof *slots);
    if (slots && arguments_make(function->type, seed, slots)) {
      deadline_set(store);
      enum engine_trap trap = engine_call(store, function, slots);
      deadline_unset();
      REQUIRE(engine_trap_text(trap));
      struct engine_frame frame;
      for (uint32_t at = 0; trap != ENGINE_TRAP_NONE && at < 4; at++)
        engine_backtrace_frame(engine_store_thread(store), at, &frame);
      calls++;
    }
    free(slots);
  }
}

static void run(struct engine *engine, struct module *module, uint64_t seed) {
  const struct engine_limits limits = {
      .memory_bytes = 8 << 20, .table_elements = 10000, .instances = 2, .memories = 10, .tables = 10};
  struct engine_store *store;
  struct engine_instance *instance;
  struct cay_error error;
  REQUIRE(engine_store_new(engine, &limits, &store, NULL) == CAY_OK);
  if (seed & 1) engine_heap_set_stress(store, true);
  struct engine_extern *imports = calloc(module->import_count + 1, sizeof *imports);
  bool is_given = imports != NULL;
  empty_tag = NULL;
  for (uint32_t i = 0; is_given && i < module->import_count; i++)
    is_given = give(store, module, &module->imports[i], &imports[i]);
  deadline_set(store);
  if (is_given && engine_instantiate(store, module, imports, "fuzzed", &instance, &error) == CAY_OK)
    call_exports(store, instance, seed);
  deadline_unset();
  engine_heap_collect(store);
  engine_store_free(store);
  free(imports);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  struct module_load_limits limits = module_default_limits;
  struct module *module;
  limits.types = limits.funcs = limits.globals = limits.tags = 1000;
  limits.tables = limits.memories = 10;
  if (module_load(bytes, len_bytes, MODULE_BYTES_COPY, MODULE_FEATURES_RUNNABLE, &limits, &module, NULL) != CAY_OK)
    return 0;
  const struct engine_options options = {
      .tier = &tiers_interp, .stack_bytes = 256 << 10, .explicit_bounds = len_bytes & 2};
  struct engine *engine;
  REQUIRE(engine_new(&options, &engine, NULL) == CAY_OK);
  run(engine, module, len_bytes);
  engine_free(engine);
  module_release(module);
  return 0;
}
