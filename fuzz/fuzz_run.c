/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Instantiates arbitrary modules and calls what they export, with arguments made of the input's length: in every tier,
 * with guard pages and with explicit bounds, in lock-step. Outcomes, results, the place of a trap and, at the end,
 * memories, globals and tables must be the same.
 *
 * Imports are host functions that hand numbers back and may throw, and objects of just the type that is asked for.
 * Every instantiation and call ends after a few milliseconds by engine_interrupt, from a timer's signal; what comes of it
 * then is a matter of time, and the module is left. Limits are small, so that running into them is common. Every second
 * input runs with a collection at every allocation.
 *
 * Which NaN arithmetic makes is open (specification, 4.3.3), and a module can look at its bits: one that computes with
 * floats and differs is left, too, except among every second two inputs: these run with canonical NaNs, and count fuel,
 * of which all must use the same. */
#include <errno.h>
#include <inttypes.h>
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

/* One way of running. */
enum { MAX_WAYS = 8, CALLS = 16, SEEN_FRAMES = 4 };
struct way {
  const char *tier;
  bool is_explicit;
  struct engine *engine;
  struct engine_store *store;
  struct base_budget *budget;
  struct engine_instance *instance;
  struct engine_extern *imports;
  struct engine_tag *empty_tag; /* an imported one without values, or NULL */
  unsigned host_calls;
};
struct ways {
  struct way items[MAX_WAYS];
  int count;
  struct module *module;
  bool is_exact;   /* canonical NaNs, fuel */
  bool has_floats; /* it computes with them, and NaNs may differ */
  uint64_t seed;
};

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
static enum engine_trap host(struct engine_call *call, uint64_t *slots) {
  struct way *way = call->env;
  const struct module_func_type *type = call->function->type;
  if (++way->host_calls % 7 == 0 && way->empty_tag) {
    enum engine_trap trap = engine_exception_new(call->thread->store, way->empty_tag, slots, &call->thread->exception);
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

static bool give(struct way *way, const struct module *module, const struct module_import *import,
                 struct engine_extern *out) {
  static const uint64_t zeros[2];
  struct engine_store *store = way->store;
  out->kind = import->kind;
  switch (import->kind) {
  case MODULE_FUNC:
    return engine_function_new(store, module_func_type_of(module, import->index), host, way, "fuzz", "host", &out->func,
                               NULL) == CAY_OK;
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
    if (type->param_count == 0) way->empty_tag = out->tag;
    return true;
  }
  }
  return false;
}

/* ---- What may differ ------------------------------------------------------------------------------------------------- */

static bool computes_with_floats(const struct module *module) {
  for (uint32_t func = module->imported_func_count; func < module->func_count; func++) {
    struct module_body body = {0};
    struct module_insn insn;
    bool found = false;
    if (module_body_begin(&body, module, func, NULL) == CAY_OK)
      while (body.cursor < body.end && module_insn_decode(module, &body.cursor, body.end, &insn, NULL) == CAY_OK)
        found |= (module_ops[insn.op].flags & (MODULE_OP_NAN32 | MODULE_OP_NAN64)) != 0;
    module_body_deinit(&body);
    if (found) return true;
  }
  return false;
}

/* Says what differs, and ends, unless bits of NaNs can be the reason. Returns true: nothing more can be compared. */
__attribute__((format(printf, 3, 4))) static bool differs(const struct ways *ways, const struct way *way,
                                                          const char *format, ...) {
  if (ways->has_floats) return true;
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s, %s bounds, instead of %s: ", way->tier, way->is_explicit ? "explicit" : "guarded",
          ways->items[0].tier);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  abort();
}

/* A trap whose moment is not the guest's affair. */
static bool is_left(enum engine_trap trap) {
  return trap == ENGINE_TRAP_INTERRUPTED || trap == ENGINE_TRAP_OUT_OF_MEMORY;
}

static bool fuel_differs(const struct ways *ways, const struct way *way) {
  uint64_t used = base_budget_used(way->budget, BASE_LIMIT_FUEL);
  uint64_t expected = base_budget_used(ways->items[0].budget, BASE_LIMIT_FUEL);
  return used != expected && differs(ways, way, "%" PRIu64 " of fuel, not %" PRIu64, used, expected);
}

static bool frames_differ(const struct ways *ways, const struct way *way) {
  struct engine_thread *first = engine_store_thread(ways->items[0].store), *thread = engine_store_thread(way->store);
  struct engine_frame expected, frame;
  if (thread->backtrace_total != first->backtrace_total)
    return differs(ways, way, "%" PRIu64 " frames, not %" PRIu64, thread->backtrace_total, first->backtrace_total);
  for (uint32_t i = 0; i < SEEN_FRAMES && engine_backtrace_frame(first, i, &expected); i++)
    if (!engine_backtrace_frame(thread, i, &frame) || frame.func != expected.func || frame.offset != expected.offset)
      return differs(ways, way, "frame %u in function %u at 0x%x, not in %u at 0x%x", i, frame.func, frame.offset,
                     expected.func, expected.offset);
  return false;
}

static bool traps_differ(const struct ways *ways, const struct way *way, enum engine_trap trap,
                         enum engine_trap expected, const char *what) {
  REQUIRE(engine_trap_text(trap));
  if (trap != expected)
    return differs(ways, way, "%s: %s, not %s", what, engine_trap_text(trap), engine_trap_text(expected));
  return trap != ENGINE_TRAP_NONE && frames_differ(ways, way);
}

/* Numbers by their bits, of which an f32 has 32; of a reference, whether it is null, and which function it is. */
static bool values_differ(module_type type, const uint64_t *a, const uint64_t *b) {
  if (!module_type_is_ref(type)) return memcmp(a, b, module_storage_bytes(type)) != 0;
  if (!a[0] || !b[0] || (type & MODULE_HEAP_MASK) != MODULE_HEAP_FUNC) return !a[0] != !b[0];
  const struct engine_function *first = (const struct engine_function *)(uintptr_t)a[0];
  const struct engine_function *second = (const struct engine_function *)(uintptr_t)b[0];
  return first->index != second->index || !first->instance != !second->instance;
}

static bool memories_differ(const struct ways *ways, const struct way *way) {
  for (uint32_t i = 0; i < ways->module->memory_count; i++) {
    const struct engine_memory *memory = way->instance->memories[i], *first = ways->items[0].instance->memories[i];
    if (memory->len_bytes != first->len_bytes || memcmp(memory->base, first->base, memory->len_bytes) != 0)
      return differs(ways, way, "another memory %u", i);
  }
  return false;
}

static bool globals_differ(const struct ways *ways, const struct way *way) {
  for (uint32_t i = 0; i < ways->module->global_count; i++)
    if (values_differ(ways->module->globals[i].type.type, way->instance->globals[i].cell->value,
                      ways->items[0].instance->globals[i].cell->value))
      return differs(ways, way, "another global %u", i);
  return false;
}

static bool tables_differ(const struct ways *ways, const struct way *way) {
  for (uint32_t i = 0; i < ways->module->table_count; i++) {
    const struct engine_table *table = way->instance->tables[i], *first = ways->items[0].instance->tables[i];
    if (table->count != first->count) return differs(ways, way, "table %u of another size", i);
    for (uint64_t at = 0; at < table->count; at++)
      if (values_differ(ways->module->tables[i].type.elem, &table->elems[at], &first->elems[at]))
        return differs(ways, way, "table %u: another element %" PRIu64, i, at);
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

static bool results_differ(const struct ways *ways, const struct way *way, const struct module_func_type *type,
                           const uint64_t *slots, const uint64_t *expected) {
  for (uint32_t i = 0, slot = 0; i < type->result_count; slot += module_type_slots(type->results[i++]))
    if (values_differ(type->results[i], slots + slot, expected + slot))
      return differs(ways, way, "result %u is 0x%" PRIx64 ", not 0x%" PRIx64, i, slots[slot], expected[slot]);
  return false;
}

/* Calls function `func` every way; false: nothing more can be compared. */
static bool call_function(struct ways *ways, uint32_t func, const char *what) {
  const struct module_func_type *type = ways->items[0].instance->functions[func]->type;
  uint32_t count = (type->param_slots > type->result_slots ? type->param_slots : type->result_slots) + 1;
  uint64_t *slots = calloc(2 * (size_t)count, sizeof *slots);
  enum engine_trap first = ENGINE_TRAP_NONE;
  bool goes_on = slots != NULL;
  for (int i = 0; i < ways->count && goes_on; i++) {
    struct way *way = &ways->items[i];
    uint64_t *own = i ? slots + count : slots;
    if (!arguments_make(type, ways->seed, own)) break;
    deadline_set(way->store);
    enum engine_trap trap = engine_call(way->store, way->instance->functions[func], own);
    deadline_unset();
    if (i == 0) first = trap;
    goes_on = !is_left(trap) && !traps_differ(ways, way, trap, first, what) && !fuel_differs(ways, way) &&
              (trap != ENGINE_TRAP_NONE || !results_differ(ways, way, type, own, slots));
  }
  free(slots);
  return goes_on;
}

static bool call_exports(struct ways *ways) {
  const struct module *module = ways->module;
  for (uint32_t i = 0, calls = 0; i < module->export_count && calls < CALLS; i++) {
    char what[32];
    if (module->exports[i].kind != MODULE_FUNC) continue;
    snprintf(what, sizeof what, "export %u", i);
    if (!call_function(ways, module->exports[i].index, what)) return false;
    calls++;
  }
  return true;
}

/* ---- Instances ------------------------------------------------------------------------------------------------------- */

static void open_way(struct way *way, const struct ways *ways) {
  way->budget = base_budget_new(NULL);
  REQUIRE(way->budget);
  base_budget_set_limit(way->budget, BASE_LIMIT_MEMORY, 8 << 20);
  base_budget_set_limit(way->budget, BASE_LIMIT_FUEL, 1 << 20);
  const struct engine_limits limits = {
      .budget = way->budget, .table_elements = 10000, .instances = 2, .memories = 10, .tables = 10};
  REQUIRE(engine_store_new(way->engine, &limits, &way->store, NULL) == CAY_OK);
  if (ways->seed & 1) engine_heap_set_stress(way->store, true);
  way->imports = calloc(ways->module->import_count + 1, sizeof *way->imports);
  REQUIRE(way->imports);
}

/* False: it cannot be given what it imports. `*trap`: what its segments or its start function end in. */
static bool instantiate(struct way *way, struct ways *ways, enum cay_status *status, enum engine_trap *trap) {
  struct cay_error error;
  for (uint32_t i = 0; i < ways->module->import_count; i++)
    if (!give(way, ways->module, &ways->module->imports[i], &way->imports[i])) return false;
  deadline_set(way->store);
  *status = engine_instantiate(way->store, ways->module, way->imports, "fuzzed", &way->instance, &error);
  deadline_unset();
  *trap = *status == CAY_ERROR_TRAP ? engine_store_thread(way->store)->trap : ENGINE_TRAP_NONE;
  return true;
}

/* False: there are no instances, or nothing more can be compared. */
static bool instantiate_all(struct ways *ways) {
  enum cay_status first = CAY_OK, status = CAY_OK;
  enum engine_trap first_trap = ENGINE_TRAP_NONE, trap;
  for (int i = 0; i < ways->count; i++) {
    struct way *way = &ways->items[i];
    open_way(way, ways);
    if (!instantiate(way, ways, &status, &trap)) return false;
    if (i == 0) first = status, first_trap = trap;
    if (is_left(trap) || status == CAY_ERROR_MEMORY || status == CAY_ERROR_SYSTEM) return false;
    if (status != first && differs(ways, way, "status %d, not %d", status, first)) return false;
    if (traps_differ(ways, way, trap, first_trap, "start")) return false;
  }
  return first == CAY_OK;
}

static bool states_differ(const struct ways *ways) {
  for (int i = 1; i < ways->count; i++) {
    const struct way *way = &ways->items[i];
    if (memories_differ(ways, way) || globals_differ(ways, way) || tables_differ(ways, way)) return true;
  }
  return false;
}

static void close_way(struct way *way) {
  if (way->store) {
    engine_heap_collect(way->store);
    engine_store_free(way->store);
  }
  engine_free(way->engine);
  base_budget_release(way->budget);
  free(way->imports);
}

static void add_way(struct ways *ways, const struct engine_tier *tier, bool is_explicit) {
  REQUIRE(ways->count < MAX_WAYS);
  struct way *way = &ways->items[ways->count++];
  const struct engine_options options = {.tier = tier,
                                         .stack_bytes = 256 << 10,
                                         .explicit_bounds = is_explicit,
                                         .canonical_nans = ways->is_exact,
                                         .fuel = ways->is_exact};
  *way = (struct way){.tier = tier->name, .is_explicit = is_explicit};
  REQUIRE(engine_new(&options, &way->engine, NULL) == CAY_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  struct module_load_limits limits = module_default_limits;
  struct ways ways = {.seed = len_bytes};
  limits.types = limits.funcs = limits.globals = limits.tags = 1000;
  limits.tables = limits.memories = 10;
  if (module_load(bytes, len_bytes, MODULE_BYTES_COPY, MODULE_FEATURES_RUNNABLE, &limits, &ways.module, NULL) != CAY_OK)
    return 0;
  ways.is_exact = ways.seed >> 1 & 1;
  ways.has_floats = !ways.is_exact && computes_with_floats(ways.module);
  for (const struct engine_tier *const *tier = tiers_all; *tier; tier++)
    for (int is_explicit = 0; is_explicit < 2; is_explicit++) add_way(&ways, *tier, is_explicit);
  if (instantiate_all(&ways) && call_exports(&ways)) states_differ(&ways);
  for (int i = 0; i < ways.count; i++) close_way(&ways.items[i]);
  module_release(ways.module);
  return 0;
}
