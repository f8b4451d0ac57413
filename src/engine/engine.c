/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Engines and stores: what they own, their budgets, interruption, and the code that instances of a module share.
 *
 * An engine holds what may be shared by threads (types, code) under one lock; a store belongs to one thread at a time
 * and owns everything made in it. Nothing in a store is freed before the store: references to a function may lie in any
 * table, global or host variable, and the collector of objects (heap.c) does not follow those.
 *
 * Interruption is a flag plus a stack limit of NULL. Guest code compares its frame with the limit on every call and
 * polls it in loops, so the one store stops both. engine_thread_limit sets the limit and then reads
 * the flag; engine_interrupt sets the flag and then clears the limit; both are sequentially consistent, so one sees the other. A
 * thread that waits in a memory looks at the flag whenever its wait_word has changed.
 *
 * A budget may outlive the store it was made for: stores of other threads and shared memories hold references. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/heap.h"
#include "engine/internal.h"

static const char *const trap_texts[] = {
#define X(NAME, text) text,
    ENGINE_TRAPS(X)
#undef X
};

const char *engine_trap_text(enum engine_trap trap) {
  assert((size_t)trap < BASE_ARRAY_LEN(trap_texts));
  return trap_texts[trap];
}

enum cay_status engine_new(const struct engine_options *options, struct engine **out, struct cay_error *error) {
  assert(options->tier);
  struct engine *engine = base_alloc_zero(1, sizeof *engine);
  if (!engine) return base_error_memory(error);
  engine->options = *options;
  size_t page_bytes = base_os_page_bytes();
  size_t stack_bytes = options->stack_bytes ? options->stack_bytes : ENGINE_STACK_BYTES;
  if (stack_bytes < ENGINE_STACK_MIN_BYTES) stack_bytes = ENGINE_STACK_MIN_BYTES;
  if (stack_bytes > SIZE_MAX / 8 / engine_native_factor(engine)) {
    base_free(engine);
    return base_error_set(error, CAY_ERROR_LIMIT, "a stack of %zu bytes does not fit the address space", stack_bytes);
  }
  engine->options.stack_bytes = (stack_bytes + page_bytes - 1) & ~(page_bytes - 1);
  if (pthread_mutex_init(&engine->lock, NULL) != 0) {
    base_free(engine);
    return base_error_memory(error);
  }
  if (ENGINE_SANITIZED || sizeof(void *) < 8) engine->options.explicit_bounds = true;
  engine->has_faults = !engine->options.explicit_bounds && engine->options.tier->fault && engine_arch_redirects &&
                       engine_faults_install();
  if (engine->has_faults && engine->options.tier->interrupt)
    engine->has_faults = engine->has_signals = engine_signals_install(); /* code for checked memories does without */
  engine->stack_shape = engine_stack_shape(engine);
  *out = engine;
  return CAY_OK;
}

void engine_free(struct engine *engine) {
  if (!engine) return;
  assert(!engine->codes && !engine->module_types); /* the stores go first */
  engine_stacks_free();
  engine_types_deinit(&engine->types);
  pthread_mutex_destroy(&engine->lock);
  base_free(engine);
}

/* ---- Stores ----------------------------------------------------------------------------------------------------- */

static void store_defaults(struct engine_limits *limits) {
  if (!limits->table_elements) limits->table_elements = ENGINE_TABLE_ELEMENTS;
  if (!limits->instances) limits->instances = UINT32_MAX;
  if (!limits->memories) limits->memories = UINT32_MAX;
  if (!limits->tables) limits->tables = UINT32_MAX;
}

static enum cay_status store_make(struct engine *engine, const struct engine_limits *limits, struct engine_store **out,
                                  struct cay_error *error) {
  struct engine_store *store = base_alloc_zero(1, sizeof *store);
  if (!store) return base_error_memory(error);
  store->engine = engine;
  store->limits = *limits;
  store->budget = base_budget_retain(limits->budget);
  store->stack_shape = engine->stack_shape;
  store->thread.store = store;
  store->thread.has_signals = engine->has_signals;
  *out = store;
  return CAY_OK;
}

enum cay_status engine_store_new(struct engine *engine, const struct engine_limits *limits, struct engine_store **out,
                                 struct cay_error *error) {
  struct engine_limits filled = limits ? *limits : (struct engine_limits){0};
  store_defaults(&filled);
  return store_make(engine, &filled, out, error);
}

enum cay_status engine_store_new_beside(const struct engine_store *with, struct engine_store **out,
                                        struct cay_error *error) {
  return store_make(with->engine, &with->limits, out, error);
}

void engine_store_free(struct engine_store *store) {
  if (!store) return;
  assert(!store->thread.top); /* nothing of it is running */
  for (struct engine_instance *instance = store->instances, *next; instance; instance = next) {
    next = instance->next;
    engine_instance_deinit(instance);
  }
  if (store->import_module) engine_types_give(store->engine, store->import_module);
  for (struct engine_memory *memory = store->memories; memory; memory = memory->next) engine_memory_deinit(memory);
  for (struct engine_table *table = store->tables; table; table = table->next) engine_table_deinit(table);
  engine_shared_drop(store, 0);
  engine_stack_free(store->reserved_stack);
  engine_heap_free(store->heap);
  base_arena_deinit(&store->arena);
  base_budget_give(store->budget, BASE_LIMIT_MEMORY, store->bytes_used);
  base_budget_release(store->budget);
  base_free(store);
}

struct engine_thread *engine_store_thread(struct engine_store *store) { return &store->thread; }

const struct engine_instance *engine_store_instances(const struct engine_store *store) { return store->instances; }

/* ---- Budgets ---------------------------------------------------------------------------------------------------- */

/* Empty blocks that the heap only keeps in case must not be the reason why something else has no room. */
bool engine_budget_try(struct engine_store *store, uint64_t bytes) {
  bool has_room = base_budget_try(store->budget, BASE_LIMIT_MEMORY, bytes) ||
                  (engine_heap_drop_spares(store->heap) && base_budget_try(store->budget, BASE_LIMIT_MEMORY, bytes));
  if (has_room) store->bytes_used += bytes;
  return has_room;
}

void engine_budget_refused(struct engine_store *store, uint64_t bytes) {
  if (base_budget_left(store->budget, BASE_LIMIT_MEMORY) < bytes) base_budget_hit(store->budget, BASE_LIMIT_MEMORY);
}

bool engine_budget_take(struct engine_store *store, uint64_t bytes) {
  bool has_room = engine_budget_try(store, bytes);
  if (!has_room) base_budget_hit(store->budget, BASE_LIMIT_MEMORY);
  return has_room;
}

void engine_budget_give(struct engine_store *store, uint64_t bytes) {
  assert(bytes <= store->bytes_used);
  store->bytes_used -= bytes;
  base_budget_give(store->budget, BASE_LIMIT_MEMORY, bytes);
}

const char *engine_budget_text(const struct base_budget *budget, char out[ENGINE_LIMIT_TEXT_BYTES]) {
  const struct base_budget *tightest = base_budget_tightest(budget, BASE_LIMIT_MEMORY);
  snprintf(out, ENGINE_LIMIT_TEXT_BYTES, "the memory limit of %" PRIu64 " bytes, of which %" PRIu64 " are in use",
           base_budget_limit(tightest, BASE_LIMIT_MEMORY), base_budget_used(tightest, BASE_LIMIT_MEMORY));
  return out;
}

/* ---- Interruption ----------------------------------------------------------------------------------------------- */

void engine_interrupt(struct engine_store *store) {
  atomic_store(&store->thread.interrupted, true);
  atomic_store(&store->thread.stack_limit, NULL);
  atomic_fetch_add(&store->thread.wait_word, 1);
  base_os_wake(&store->thread.wait_word);
  if (store->engine->has_signals) engine_signals_send(&store->thread);
  if (store->wake) store->wake(store->wake_env);
}

void engine_thread_limit(struct engine_thread *thread, uint64_t *limit) {
  thread->value_limit = limit;
  atomic_store(&thread->stack_limit, limit);
  if (atomic_load(&thread->interrupted) || atomic_load(&thread->looks)) atomic_store(&thread->stack_limit, NULL);
}

void engine_look(struct engine_store *store) {
  atomic_store(&store->thread.looks, true);
  atomic_store(&store->thread.stack_limit, NULL);
}

bool engine_thread_looks(struct engine_thread *thread) {
  if (atomic_load(&thread->interrupted)) return false;
  atomic_store(&thread->looks, false);
  engine_thread_limit(thread, thread->value_limit);
  return true;
}

/* A request that comes in between is a new one. */
void engine_interrupt_clear(struct engine_store *store) {
  atomic_store(&store->thread.interrupted, false);
  engine_thread_limit(&store->thread, store->thread.value_limit);
  engine_signals_settle();
}

void engine_store_set_wake(struct engine_store *store, void (*wake)(void *env), void *env) {
  store->wake = NULL; /* never the new function with the old environment */
  atomic_signal_fence(memory_order_seq_cst);
  store->wake_env = env;
  atomic_signal_fence(memory_order_seq_cst);
  store->wake = wake;
}

enum engine_trap engine_exit(struct engine_thread *thread, uint32_t exit_code) {
  thread->exit_code = exit_code;
  return ENGINE_TRAP_EXIT;
}

enum engine_trap engine_limit_reached(struct engine_thread *thread, enum base_limit limit) {
  base_budget_hit(thread->store->budget, limit);
  thread->limit = limit;
  return ENGINE_TRAP_LIMIT;
}

/* ---- Shared code ------------------------------------------------------------------------------------------------- */

static void code_free(struct engine *engine, struct engine_code *code) {
  if (code->is_made) engine->options.tier->code_free(code->code);
  module_release(code->module);
  base_free(code);
}

static struct engine_code *code_find(struct engine *engine, struct module *module, bool explicit_bounds) {
  for (struct engine_code *code = engine->codes; code; code = code->next)
    if (code->module == module && code->explicit_bounds == explicit_bounds && !code->is_cut_short) return code;
  return NULL;
}

static enum cay_status code_make(struct engine_store *store, struct module *module, bool explicit_bounds,
                                 struct engine_code **out, struct cay_error *error) {
  struct engine *engine = store->engine;
  struct engine_code *code = base_alloc_zero(1, sizeof *code);
  if (!code) return base_error_memory(error);
  code->module = module_retain(module);
  code->explicit_bounds = explicit_bounds;
  struct engine_code_options options = {.keeper = engine->options.keeper,
                                        .explicit_bounds = explicit_bounds,
                                        .deterministic_relaxed_simd = engine->options.deterministic_relaxed_simd,
                                        .exact_locals = engine->options.exact_locals,
                                        .canonical_nans = engine->options.canonical_nans,
                                        .fuel = engine->options.fuel,
                                        .interrupted = &store->thread.interrupted};
  enum cay_status status = engine->options.tier->code_new(module, &options, &code->code, &code->entries, error);
  code->is_made = status == CAY_OK;
  code->is_cut_short = atomic_load_explicit(&store->thread.interrupted, memory_order_relaxed);
  if (!code->is_made) code_free(engine, code);
  *out = code;
  return status;
}

/* A reference to the code that there is; else to `made`, which may be NULL. */
static struct engine_code *code_share(struct engine *engine, struct module *module, bool explicit_bounds,
                                      struct engine_code *made) {
  pthread_mutex_lock(&engine->lock);
  struct engine_code *found = code_find(engine, module, explicit_bounds);
  if (!found && made) {
    made->next = engine->codes;
    engine->codes = found = made;
  }
  if (found) found->references++;
  pthread_mutex_unlock(&engine->lock);
  return found;
}

/* Made outside the lock, because translation may take long; when two threads race, the second uses the first's. */
enum cay_status engine_code_get(struct engine_store *store, struct module *module, bool explicit_bounds,
                                struct engine_code **out, struct cay_error *error) {
  struct engine_code *made;
  *out = code_share(store->engine, module, explicit_bounds, NULL);
  if (*out) return CAY_OK;
  enum cay_status status = code_make(store, module, explicit_bounds, &made, error);
  if (status != CAY_OK) return status;
  *out = code_share(store->engine, module, explicit_bounds, made);
  if (*out != made) code_free(store->engine, made);
  return CAY_OK;
}

void engine_code_release(struct engine *engine, void *code) {
  struct engine_code *unused = NULL;
  bool was_found = false;
  pthread_mutex_lock(&engine->lock);
  for (struct engine_code **link = &engine->codes; *link; link = &(*link)->next) {
    if ((*link)->code != code) continue;
    was_found = true;
    assert((*link)->references > 0);
    if (--(*link)->references == 0) {
      unused = *link;
      *link = unused->next;
    }
    break;
  }
  pthread_mutex_unlock(&engine->lock);
  assert(was_found);
  (void)was_found;
  if (unused) code_free(engine, unused);
}
