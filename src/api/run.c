/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Runs: one store with the module's instance, the preloaded ones and a WASI surface, from preparation to result.
 *
 * A run is prepared (nothing made), then opened by its first start or invoke (store, linker, instances, `_initialize`),
 * then called. The store is made late because its limits are set after cay_run_new.
 *
 * Interruption. cay_run_interrupt sets `interrupt_wanted` and, if the store exists already, passes it on; opening
 * publishes the store and then looks at the flag, so a wish is never lost. A call that ended by it clears it; the time
 * limit's own wish is withdrawn when its thread has ended, which leaves a wish of the embedder's in place.
 *
 * Threads. The store is the first thread's; the others are in `threads`, and end with each start or invoke. What ended
 * it, the first thread or another, is what the result is about (`reported`).
 *
 * Invariants: 1. `store` once set stays until free. 2. `instance` is set exactly when opening succeeded. 3. A run whose
 * opening failed is failed for good: starting it again gives the same status.
 * Order of freeing: threads, linker, store, surface (its functions are the store's), modules. */
#include "api/parts.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "inspect/inspect.h"

struct preload {
  char *name;
  struct cay_module *module;
};

struct cay_run {
  uintptr_t exports, exports_bytes; /* the module's, where they lie: what a cay_function points to */
  struct wasi_p1 *p1;               /* NULL without WASI */
  struct api_hearers hearers;
  struct cay_module *module; /* NULL: the run has ended, and somebody uses it yet */
  BASE_VEC(struct preload) preloads;
  struct engine_limits engine_limits;
  struct api_limits limits;
  enum cay_unknown_imports unknown_imports;
  cay_imports *imports;                   /* NULL: none */
  void *user;                             /* the embedder's */
  struct cay_pool *pool;                  /* NULL: none */
  const struct engine_snapshot *snapshot; /* that it is opened in; NULL: it initialises itself */
  cay_run *next;                          /* the pool's */
  unsigned eager_threads;                 /* 0: functions are translated at their first call */
  void (*eager_progress)(void *env, uint32_t done, uint32_t all);
  void *eager_env;

  _Atomic(struct engine_store *) store;
  const struct engine_thread *thread; /* the store's; for the thread that the run is used by */
  struct engine_linker *linker;
  struct engine_instance *instance;
  /* Its functions where cay_run_call has nothing to begin and to end but what its budget says; NULL: it has to look closer. */
  struct engine_function *const *plain;
  struct api_threads *threads;    /* NULL: the module starts none */
  struct engine_thread *reported; /* that the result is about; NULL: the first */
  bool opened, started;
  struct cay_error open_error; /* when opened without instance */
  enum base_limit open_limit;  /* and the limit that was why */

  bool is_deterministic, wants_digest;
  struct base_sha256 digest; /* of everything but the memories and globals */
  char digest_text[BASE_SHA256_HEX_BYTES];

  atomic_bool interrupt_wanted;
  struct cay_result result;
  bool has_result; /* something in it is the last call's; `plain` is NULL then */
  struct base_text backtrace;
  const struct inspect_source *source; /* of debug information; NULL: this process reads it */
};

/* In a call of the run itself, which a function of the host makes: it is the outer one that begins, ends and reports. */
static bool is_running(const struct cay_run *run) { return run->thread && run->thread->top; }

/* ---- Making and freeing ------------------------------------------------------------------------------------------------ */

static uint32_t teller_number(void *env) {
  struct cay_run *run = env;
  struct engine_thread *thread = wasi_p1_teller(run->p1);
  return thread && run->threads ? api_threads_number(run->threads, thread) : 0;
}

static enum cay_status surface_new(struct cay_run *run, const cay_wasi *wasi, struct cay_error *error) {
  struct wasi_hooks hooks = {.trace = wasi->trace, .trace_env = wasi->trace_env};
  run->hearers = (struct api_hearers){wasi->uses, wasi->denied, wasi->denied_env, teller_number, run};
  api_hearers_hook(&run->hearers, &hooks);
  run->is_deterministic = wasi->is_deterministic;
  return wasi_p1_new(wasi->config, &hooks, &run->p1, error);
}

enum cay_status cay_run_new(cay_module *module, const cay_wasi *wasi, cay_run **out, struct cay_error *error) {
  assert(module && "a run is of a module");
  cay_run *run = base_alloc_zero(1, sizeof *run);
  if (!run) return base_error_memory(error);
  run->result.trap_offset = CAY_ERROR_NO_OFFSET;
  run->module = cay_module_retain(module);
  run->exports = (uintptr_t)module->module->exports;
  run->exports_bytes = module->module->export_count * sizeof *module->module->exports;
  atomic_fetch_add_explicit(&module->engine->run_count, 1, memory_order_relaxed);
  enum cay_status status = api_limits_init(&run->limits, module->engine->stack_bytes, error);
  if (status == CAY_OK && wasi) status = surface_new(run, wasi, error);
  if (status != CAY_OK) {
    cay_run_free(run);
    return status;
  }
  *out = run;
  return CAY_OK;
}

void cay_run_free(cay_run *run) {
  assert((!run || run->module) && "a run was freed twice");
  assert((!run || !is_running(run)) && "a run was freed by a function that it was calling");
  if (run && run->pool)
    api_pool_give(run->pool, run);
  else
    api_run_destroy(run);
}

void api_run_destroy(cay_run *run) {
  if (!run) return;
  api_threads_free(run->threads);
  if (run->linker) engine_linker_free(run->linker);
  if (run->store) engine_store_free(run->store);
  wasi_p1_free(run->p1);
  for (size_t i = 0; i < run->preloads.count; i++) {
    base_free(run->preloads.items[i].name);
    cay_module_release(run->preloads.items[i].module);
  }
  BASE_VEC_DEINIT(&run->preloads);
  cay_imports_release(run->imports);
  atomic_fetch_sub_explicit(&run->module->engine->run_count, 1, memory_order_relaxed);
  cay_module_release(run->module);
  run->module = NULL;
  base_text_deinit(&run->backtrace);
  api_limits_deinit(&run->limits);
  base_free(run);
}

struct api_limits *api_run_limits(const cay_run *run) { return (struct api_limits *)(uintptr_t)&run->limits; }

void cay_run_set_table_elements(cay_run *run, uint64_t elements) {
  assert(!run->store && "tables are limited before the run has any");
  run->engine_limits.table_elements = elements;
}

uint64_t api_run_table_elements(const cay_run *run) {
  return run->engine_limits.table_elements ? run->engine_limits.table_elements : ENGINE_TABLE_ELEMENTS;
}

void api_run_set_eager(cay_run *run, unsigned threads, void (*progress)(void *env, uint32_t done, uint32_t all),
                       void *env) {
  run->eager_threads = threads;
  run->eager_progress = progress;
  run->eager_env = env;
}

void api_run_set_said(cay_run *run, void (*said)(void *env, const char *bytes, size_t len_bytes), void *env) {
  if (run->p1) wasi_p1_set_said(run->p1, said, env);
}

enum cay_status cay_run_set_imports(cay_run *run, cay_imports *imports, struct cay_error *error) {
  if (run->opened || run->imports)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "a run gets functions of the host once, before it is opened");
  run->imports = api_imports_retain(imports);
  return CAY_OK;
}

void cay_run_set_user(cay_run *run, void *user) { run->user = user; }
void *cay_run_user(const cay_run *run) { return run->user; }

void cay_run_set_unknown_imports(cay_run *run, enum cay_unknown_imports policy) {
  assert(!run->opened && "what becomes of unknown imports is said before the run is opened");
  run->unknown_imports = policy;
}

enum cay_status cay_run_preload(cay_run *run, const char *name, cay_module *module, struct cay_error *error) {
  assert(name && module && "what is preloaded has a name and is a module");
  if (run->opened) return base_error_set(error, CAY_ERROR_ARGUMENT, "modules are preloaded before the run starts");
  char *copy = base_string_copy(name, strlen(name));
  struct preload *preload = copy ? BASE_VEC_PUSH(&run->preloads) : NULL;
  if (!preload) {
    base_free(copy);
    return base_error_memory(error);
  }
  *preload = (struct preload){copy, cay_module_retain(module)};
  return CAY_OK;
}

/* ---- Interruption -------------------------------------------------------------------------------------------------- */

void cay_run_interrupt(cay_run *run) {
  atomic_store(&run->interrupt_wanted, true);
  struct engine_store *store = atomic_load(&run->store);
  if (store) engine_interrupt(store);
}

static void time_is_up(void *env, enum base_limit limit) {
  struct cay_run *run = env;
  atomic_store(&run->limits.expired, limit);
  base_budget_hit(run->limits.budget, limit); /* ends what looks at the budget only */
  engine_interrupt(atomic_load(&run->store));
}

/* Withdraws the wishes that the call which just ended has met; one that came too late is kept for the next call. */
static void withdraw_interrupts(struct cay_run *run, bool interrupted, bool by_thread) {
  bool timed_out = atomic_exchange(&run->limits.expired, BASE_LIMIT_COUNT) != BASE_LIMIT_COUNT;
  if (interrupted) atomic_store(&run->interrupt_wanted, false);
  if (!interrupted && !timed_out && !by_thread) return;
  engine_interrupt_clear(run->store);
  if (run->p1) wasi_p1_clear(run->p1);
  if (atomic_load(&run->interrupt_wanted)) engine_interrupt(run->store);
}

static void result_reset(struct cay_run *run) {
  run->result = (struct cay_result){.trap_offset = CAY_ERROR_NO_OFFSET};
  run->has_result = false;
  base_text_deinit(&run->backtrace);
  run->reported = NULL;
}

static void note_result(struct cay_run *run) {
  run->has_result = true;
  run->plain = NULL;
}

static struct engine_thread *reported_thread(const struct cay_run *run) {
  return run->reported ? run->reported : engine_store_thread(run->store);
}

static enum cay_status result_of_exception(struct cay_run *run, struct cay_error *error) {
  struct base_text text = {0};
  api_exception_text(reported_thread(run), &text);
  if (error)
    base_error_set_at(error, CAY_ERROR_TRAP, run->result.trap_offset, "%s",
                      text.failed ? engine_trap_text(ENGINE_TRAP_EXCEPTION) : text.bytes);
  base_text_deinit(&text);
  return CAY_ERROR_TRAP;
}

/* The limit that the trap is about, or that was met before it. */
static enum base_limit limit_of_trap(const struct cay_run *run, enum engine_trap trap,
                                     const struct engine_thread *thread) {
  if (trap == ENGINE_TRAP_LIMIT) return thread->limit;
  if (trap == ENGINE_TRAP_STACK_EXHAUSTED) return BASE_LIMIT_STACK;
  bool is_good = trap == ENGINE_TRAP_INTERRUPTED || (trap == ENGINE_TRAP_EXIT && thread->exit_code == 0);
  return is_good ? BASE_LIMIT_COUNT : api_limit_met(&run->limits);
}

/* Turns a trap into result and error. */
static enum cay_status result_of_trap(struct cay_run *run, enum engine_trap trap, struct cay_error *error) {
  if (trap == ENGINE_TRAP_NONE) {
    if (run->has_result && !is_running(run)) result_reset(run); /* of a nested call, which the host took care of */
    return CAY_OK;
  }
  note_result(run);
  struct engine_thread *thread = reported_thread(run);
  enum base_limit expired = atomic_load(&run->limits.expired), limit = limit_of_trap(run, trap, thread);
  if (trap == ENGINE_TRAP_INTERRUPTED && expired != BASE_LIMIT_COUNT) {
    trap = ENGINE_TRAP_LIMIT;
    limit = expired;
  }
  run->result.trap = (enum cay_trap)trap;
  run->result.limit = api_limit_of(limit);
  struct engine_frame frame;
  if (trap != ENGINE_TRAP_EXIT && engine_backtrace_frame(thread, 0, &frame) && frame.offset != UINT32_MAX)
    run->result.trap_offset = frame.offset;
  switch (trap) {
  case ENGINE_TRAP_EXIT:
    run->result.exited = true;
    run->result.exit_code = thread->exit_code;
    return base_error_set(error, CAY_ERROR_EXIT, "the program ended itself with code %" PRIu32, thread->exit_code);
  case ENGINE_TRAP_INTERRUPTED: return base_error_set(error, CAY_ERROR_INTERRUPTED, "interrupted");
  case ENGINE_TRAP_LIMIT: return api_limit_error(&run->limits, limit, error);
  case ENGINE_TRAP_OUT_OF_MEMORY: return base_error_memory(error);
  case ENGINE_TRAP_HOST: return base_error_set(error, CAY_ERROR_TRAP, "%s", thread->host_error.text);
  case ENGINE_TRAP_EXCEPTION: return result_of_exception(run, error);
  default:
    if (error) base_error_set_at(error, CAY_ERROR_TRAP, run->result.trap_offset, "%s", engine_trap_text(trap));
    return CAY_ERROR_TRAP;
  }
}

static_assert((int)CAY_TRAP_NONE == (int)ENGINE_TRAP_NONE &&
                  (int)CAY_TRAP_UNREACHABLE == (int)ENGINE_TRAP_UNREACHABLE &&
                  (int)CAY_TRAP_STACK_EXHAUSTED == (int)ENGINE_TRAP_STACK_EXHAUSTED &&
                  (int)CAY_TRAP_INTERRUPTED == (int)ENGINE_TRAP_INTERRUPTED &&
                  (int)CAY_TRAP_EXIT == (int)ENGINE_TRAP_EXIT && (int)CAY_TRAP_HOST == (int)ENGINE_TRAP_HOST &&
                  (int)CAY_TRAP_NOT_SHARED == (int)ENGINE_TRAP_NOT_SHARED &&
                  (int)CAY_TRAP_NULL_REFERENCE == (int)ENGINE_TRAP_NULL_REFERENCE &&
                  (int)CAY_TRAP_LIMIT == (int)ENGINE_TRAP_LIMIT,
              "the public trap codes are the engine's");

/* ---- What a module has to export ------------------------------------------------------------------------------------------ */

/* "functions "add", "fac" and 12 more", for messages. */
static void exported_functions(const struct module *module, char *out, size_t capacity) {
  size_t used = 0, shown = 0, total = 0;
  for (uint32_t i = 0; i < module->export_count; i++) {
    const struct module_export *export = &module->exports[i];
    if (export->kind != MODULE_FUNC) continue;
    total++;
    char name[48];
    base_printable(name, sizeof name, export->name.bytes, export->name.len_bytes);
    if (shown == 6 || used + strlen(name) + 32 >= capacity) continue;
    used += (size_t)snprintf(out + used, capacity - used, "%s\"%s\"", shown++ ? ", " : "the functions ", name);
  }
  if (total == 0)
    snprintf(out, capacity, "no function");
  else if (shown < total)
    snprintf(out + used, capacity - used, " and %zu more", total - shown);
}

/* The type of the exported function `name`. CAY_ERROR_ARGUMENT when there is none. */
static const struct module_func_type *export_type(const struct module *module, const char *name,
                                                  struct cay_error *error) {
  const struct module_export *export = module_export_find(module, name, strlen(name));
  char printable[64], list[320];
  base_printable(printable, sizeof printable, name, strlen(name));
  if (export && export->kind == MODULE_FUNC) return module_func_type_of(module, export->index);
  if (export) {
    base_error_set(error, CAY_ERROR_ARGUMENT, "the export \"%s\" is a %s, not a function", printable,
                   module_extern_kind_name(export->kind));
    return NULL;
  }
  exported_functions(module, list, sizeof list);
  base_error_set(error, CAY_ERROR_ARGUMENT, "the module exports no function \"%s\"; it exports %s", printable, list);
  return NULL;
}

const struct module_func_type *api_run_export_type(cay_run *run, const char *name, struct cay_error *error) {
  return export_type(run->module->module, name, error);
}

const struct module_def_type *api_run_types(const cay_run *run) { return run->module->module->types; }

/* An entry point is a function () -> (); `*exists` tells whether the module exports it. */
static enum cay_status entry_check(const struct module *module, const char *name, bool *exists,
                                   struct cay_error *error) {
  *exists = module_export_find(module, name, strlen(name)) != NULL;
  if (!*exists) return CAY_OK;
  const struct module_func_type *type = export_type(module, name, error);
  if (!type) {
    if (error) error->status = CAY_ERROR_LINK;
    return CAY_ERROR_LINK;
  }
  if (type->param_count == 0 && type->result_count == 0) return CAY_OK;
  char text[128];
  return base_error_set(error, CAY_ERROR_LINK, "the function \"%s\" has the type %s; to be started it must be () -> ()",
                        name, module_func_type_text(type, text, sizeof text));
}

static bool is_wasi(const struct module_import *import) {
  return api_name_is(import->module, "wasi_snapshot_preview1") || api_name_is(import->module, "wasi_unstable");
}

static bool uses_wasi(const struct module *module) {
  for (uint32_t i = 0; i < module->import_count; i++)
    if (is_wasi(&module->imports[i])) return true;
  return false;
}

bool api_run_uses_wasi(const struct cay_run *run) {
  bool uses = uses_wasi(run->module->module);
  for (size_t i = 0; i < run->preloads.count; i++) uses |= uses_wasi(run->preloads.items[i].module->module);
  return uses;
}

/* WASI 0.1 has no call that does. A surface that has some says so here, and the wall and the broker follow. */
bool api_run_makes_sockets(const struct cay_run *run) {
  (void)run;
  return false;
}

/* WASI reads and writes the memory called "memory"; a few of its functions do without. */
static enum cay_status memory_check(const struct module *module, struct cay_error *error) {
  static const char *const without[] = {"proc_exit", "proc_raise", "sched_yield", "fd_close"};
  const struct module_export *export = module_export_find(module, "memory", strlen("memory"));
  if (export && export->kind == MODULE_MEMORY) return CAY_OK;
  for (uint32_t i = 0; i < module->import_count; i++) {
    const struct module_import *import = &module->imports[i];
    bool needs = is_wasi(import);
    for (size_t k = 0; k < BASE_ARRAY_LEN(without); k++) needs &= !api_name_is(import->name, without[k]);
    if (!needs) continue;
    char name[64];
    base_printable(name, sizeof name, import->name.bytes, import->name.len_bytes);
    return base_error_set(error, CAY_ERROR_LINK,
                          "the module exports no memory called \"memory\", which WASI's %s, that it imports, needs",
                          name);
  }
  return CAY_OK;
}

/* ---- Opening -------------------------------------------------------------------------------------------------------------- */

/* Calls an exported function without parameters and results, if there is one. */
static enum cay_status call_entry(struct cay_run *run, struct engine_instance *instance, const char *name,
                                  struct cay_error *error) {
  struct engine_extern entry;
  if (!engine_export(instance, name, strlen(name), &entry)) return CAY_OK;
  assert(entry.kind == MODULE_FUNC);
  uint64_t no_slots[1];
  return result_of_trap(run, engine_call(run->store, entry.func, no_slots), error);
}

static bool is_command(const struct module *module) {
  return module_export_find(module, "_start", strlen("_start")) != NULL;
}

/* An interruption, as when the time is over, ends translating; the guest then finds it at once. */
static bool eager_goes_on(void *env, uint32_t done, uint32_t all) {
  const struct cay_run *run = env;
  if (run->eager_progress) run->eager_progress(run->eager_env, done, all);
  return !atomic_load_explicit(&engine_store_thread(run->store)->interrupted, memory_order_relaxed);
}

/* Makes an instance and runs its start function; between the two everything is translated, if that is wanted. */
static enum cay_status link_instance(struct cay_run *run, struct module *module, const char *name,
                                     struct engine_instance **out, struct cay_error *error) {
  enum cay_status status = engine_linker_instance_new(run->linker, module, name, out, error);
  if (status == CAY_OK) (*out)->host_data = run;
  if (module == run->module->module && api_run_tier(run)->settle) api_run_tier(run)->settle(); /* the last one */
  if (status == CAY_OK && run->eager_threads)
    status = (*out)->tier->translate_all((*out)->code, run->eager_threads, eager_goes_on, run, error);
  return status == CAY_OK ? engine_instance_start(*out, error) : status;
}

/* Checks, instantiates and initialises one module. */
static enum cay_status instantiate(struct cay_run *run, struct module *module, const char *name,
                                   struct engine_instance **out, struct cay_error *error) {
  bool has_initialize;
  enum cay_status status = entry_check(module, "_initialize", &has_initialize, error);
  if (status == CAY_OK && run->p1) status = memory_check(module, error);
  if (status == CAY_OK) status = api_define_memories(run->linker, run->store, module, NULL, error);
  if (status == CAY_OK) status = api_define_missing(run->linker, run->store, module, run->unknown_imports, error);
  if (status != CAY_OK) return status;
  if (run->snapshot) {
    status = engine_linker_instance_new(run->linker, module, name, out, error);
    if (status == CAY_OK) (*out)->host_data = run;
    return status == CAY_OK ? engine_snapshot_bind(run->snapshot, run->store, error) : status;
  }
  status = link_instance(run, module, name, out, error);
  if (status == CAY_ERROR_TRAP) return result_of_trap(run, engine_store_thread(run->store)->trap, error);
  if (status != CAY_OK || !has_initialize || is_command(module)) return status;
  return call_entry(run, *out, "_initialize", error);
}

static enum cay_status preload_all(struct cay_run *run, struct cay_error *error) {
  for (size_t i = 0; i < run->preloads.count; i++) {
    const struct preload *preload = &run->preloads.items[i];
    struct engine_instance *instance = NULL;
    enum cay_status status = instantiate(run, preload->module->module, preload->name, &instance, error);
    if (status == CAY_OK)
      status = engine_linker_define_instance(run->linker, preload->name, strlen(preload->name), instance, error);
    if (status != CAY_OK) {
      base_error_prefix(error, "the preloaded module \"%s\"", preload->name);
      return status;
    }
  }
  return CAY_OK;
}

/* What a further thread of the guest imports: the same as the first, with functions of its own. */
static enum cay_status define_in_thread(void *env, struct engine_linker *linker, struct engine_store *store,
                                        struct wasi_p1_thread *own, struct cay_error *error) {
  struct cay_run *run = env;
  struct module *module = run->module->module;
  enum cay_status status = api_threads_define(run->threads, linker, store, error);
  if (status == CAY_OK) status = wasi_p1_thread_define(linker, store, own, module, error);
  if (status == CAY_OK) status = api_define_memories(linker, store, module, run->linker, error);
  if (status == CAY_OK) status = api_define_missing(linker, store, module, run->unknown_imports, error);
  return status;
}

static bool has_threads(const struct cay_run *run) {
  return run->p1 && base_budget_limit(run->limits.budget, BASE_LIMIT_THREADS) > 0 &&
         api_uses_threads(run->module->module);
}

const struct engine_store *api_run_store(const cay_run *run) { return atomic_load(&run->store); }

const struct engine_tier *api_run_tier(const cay_run *run) { return run->module->engine->tier; }

const struct engine_code_options *api_run_code_options(const cay_run *run) {
  return &run->module->engine->code_options;
}

bool api_run_starts_threads(const cay_run *run) {
  return has_threads(run) || run->eager_threads > 1 ||
         base_budget_limit(run->limits.budget, BASE_LIMIT_TIME) != BASE_NO_LIMIT ||
         base_budget_left(run->limits.budget, BASE_LIMIT_CPU_TIME) != BASE_NO_LIMIT;
}

static enum cay_status make_threads(struct cay_run *run, struct cay_error *error) {
  const struct api_thread_setup setup = {.store = run->store,
                                         .p1 = run->p1,
                                         .module = run->module->module,
                                         .budget = run->limits.budget,
                                         .cpu = &run->limits.cpu,
                                         .define = define_in_thread,
                                         .env = run};
  if (run->preloads.count || run->imports)
    return base_error_set(error, CAY_ERROR_LINK, "a module that starts threads cannot be run with %s",
                          run->imports ? "functions of the host" : "preloaded modules");
  enum cay_status status = api_threads_check(setup.module, error);
  if (status == CAY_OK) status = api_threads_new(&setup, &run->threads, error);
  if (status == CAY_OK) status = api_threads_define(run->threads, run->linker, run->store, error);
  return status;
}

/* Makes store and linker. The surface is defined only for a module that imports it: half of a small program's start. */
static enum cay_status define_wasi(struct cay_run *run, struct cay_error *error) {
  enum cay_status status = wasi_p1_define(run->linker, run->store, run->p1, run->module->module, error);
  for (size_t i = 0; status == CAY_OK && i < run->preloads.count; i++)
    status = wasi_p1_define(run->linker, run->store, run->p1, run->preloads.items[i].module->module, error);
  return status;
}

static enum cay_status make_store(struct cay_run *run, struct cay_error *error) {
  struct engine_store *store = NULL;
  run->engine_limits.budget = run->limits.budget;
  enum cay_status status = engine_store_new(run->module->engine->engine, &run->engine_limits, &store, error);
  if (status == CAY_OK && run->p1) status = wasi_p1_set_budget(run->p1, run->limits.budget, error);
  if (status != CAY_OK) {
    engine_store_free(store);
    return status;
  }
  if (run->p1) engine_store_set_wake(store, wasi_p1_wake, run->p1);
  atomic_store(&run->store, store);
  run->thread = engine_store_thread(store);
  if (atomic_load(&run->interrupt_wanted)) engine_interrupt(store);
  status = engine_linker_new(store, &run->linker, error);
  if (status == CAY_OK && run->imports) status = api_imports_define(run->imports, run->linker, store, error);
  if (status == CAY_OK && run->p1) status = define_wasi(run, error);
  if (status == CAY_OK && run->is_deterministic && api_uses_threads(run->module->module))
    return base_error_set(error, CAY_ERROR_LINK,
                          "the module imports \"thread-spawn\", but the host decides in what order threads run: a "
                          "deterministic run has none");
  if (status == CAY_OK && has_threads(run)) status = make_threads(run, error);
  return status;
}

/* For opening_failed: an error with CAY_ERROR_LIMIT. Code that ran already may have used up a limit, else one refused. */
static void note_open_limit(struct cay_run *run) {
  if (run->result.limit != CAY_LIMIT_NONE)
    run->open_limit = (enum base_limit)(run->result.limit - 1);
  else
    run->open_limit = api_limit_met(&run->limits);
}

/* The same answer as the first time. */
static enum cay_status opening_failed(struct cay_run *run, struct cay_error *error) {
  assert(run->opened && !run->instance && run->open_error.status != CAY_OK);
  if (run->open_error.status == CAY_ERROR_LIMIT) run->result.limit = api_limit_of(run->open_limit);
  if (error) *error = run->open_error;
  return run->open_error.status;
}

static enum cay_status open_instance(struct cay_run *run, struct cay_error *error) {
  if (run->instance) return CAY_OK;
  assert(!run->opened && run->linker);
  run->opened = true;
  struct engine_instance *instance = NULL;
  enum cay_status status = preload_all(run, &run->open_error);
  if (status == CAY_OK) status = instantiate(run, run->module->module, "", &instance, &run->open_error);
  run->open_error.status = status;
  note_open_limit(run);
  if (status != CAY_OK) return opening_failed(run, error);
  assert(instance);
  run->instance = instance;
  return CAY_OK;
}

/* ---- Limits around a call --------------------------------------------------------------------------------------------------- */

static enum cay_status limits_begin(struct cay_run *run, struct cay_error *error) {
  assert(run->module && "a run was used after its end");
  result_reset(run);
  run->limits.has_begun = run->limits.is_used = true;
  if (run->pool && run->store) engine_store_use_enter(run->store);
  base_budget_forget_hits(run->limits.budget);
  if (run->threads) api_threads_begin(run->threads);
  if (!run->store && !run->opened) {
    run->open_error.status = make_store(run, &run->open_error);
    note_open_limit(run);
    run->opened = run->open_error.status != CAY_OK;
  }
  if (run->opened && !run->instance) return opening_failed(run, error);
  return api_limits_begin(&run->limits, &run->module->engine->watchdog, time_is_up, run, error);
}

/* Ends the other threads; when one of them ended the call, its trap is the result. */
static enum cay_status end_threads(struct cay_run *run, enum cay_status status, bool *by_thread,
                                   struct cay_error *error) {
  struct api_thread_end ended;
  api_threads_end(run->threads, &ended);
  *by_thread = ended.main_interrupted;
  if (!ended.thread) return status;
  result_reset(run);
  run->reported = ended.thread;
  run->result.thread = ended.tid;
  return result_of_trap(run, ended.trap, error);
}

/* How the call ended belongs to what the run did. */
static void digest_end(struct cay_run *run) {
  if (!run->wants_digest) return;
  api_digest_number(&run->digest, run->result.trap);
  api_digest_number(&run->digest, run->result.exit_code);
}

static void digest_results(struct cay_run *run, const struct module_func_type *type, const uint64_t *slots) {
  for (uint32_t i = 0; run->wants_digest && i < type->result_count; i++) {
    api_digest_value(&run->digest, type->results[i], slots);
    slots += module_type_slots(type->results[i]);
  }
}

/* `status` is how the first thread's call ended; returns how the whole did. */
static enum cay_status limits_end(struct cay_run *run, enum cay_status status, struct cay_error *error) {
  bool by_thread = false;
  if (run->threads) status = end_threads(run, status, &by_thread, error);
  api_limits_end(&run->limits);
  if (run->store) withdraw_interrupts(run, status == CAY_ERROR_INTERRUPTED, by_thread);
  digest_end(run);
  return status;
}

/* Neither a command nor a reactor: says what there is instead. */
static enum cay_status start_check(struct cay_run *run, struct cay_error *error) {
  const struct module *module = run->module->module;
  if (run->started) return base_error_set(error, CAY_ERROR_ARGUMENT, "a command can be started only once");
  bool has_start, has_initialize;
  enum cay_status status = entry_check(module, "_start", &has_start, error);
  if (status == CAY_OK) status = entry_check(module, "_initialize", &has_initialize, error);
  if (status != CAY_OK || has_start || has_initialize) return status;
  char list[320];
  exported_functions(module, list, sizeof list);
  status = base_error_set(error, CAY_ERROR_LINK,
                          "the module cannot be started: it exports neither \"_start\" (a command) nor "
                          "\"_initialize\" (a reactor); it exports %s",
                          list);
  return base_error_kind(error, status, CAY_KIND_NO_ENTRY);
}

enum cay_status cay_run_start(cay_run *run, struct cay_error *error) {
  enum cay_status status = start_check(run, error);
  if (status != CAY_OK) return status;
  status = limits_begin(run, error);
  if (status == CAY_OK) status = open_instance(run, error);
  if (status == CAY_OK && is_command(run->module->module)) {
    run->started = true;
    status = call_entry(run, run->instance, "_start", error);
    run->result.exited |= status == CAY_OK;
    note_result(run);
  }
  status = limits_end(run, status, error);
  return status == CAY_ERROR_EXIT ? CAY_OK : status;
}

/* Function `index` of the module; UINT32_MAX: none, the instance is only opened. */
static enum cay_status call_index(cay_run *run, uint32_t index, uint64_t *slots, struct cay_error *error) {
  enum cay_status status = limits_begin(run, error);
  if (status == CAY_OK) status = open_instance(run, error);
  if (status == CAY_OK && index != UINT32_MAX) {
    struct engine_function *function = run->instance->functions[index];
    status = result_of_trap(run, engine_call(run->store, function, slots), error);
    if (status == CAY_OK) digest_results(run, function->type, slots);
  }
  return limits_end(run, status, error);
}

enum cay_status api_run_call(cay_run *run, const char *name, uint64_t *slots, struct cay_error *error) {
  const struct module_export *export = module_export_find(run->module->module, name, strlen(name));
  assert(export && export->kind == MODULE_FUNC);
  return call_index(run, export->index, slots, error);
}

enum cay_status cay_run_open(cay_run *run, struct cay_error *error) { return call_index(run, UINT32_MAX, NULL, error); }

/* ---- Calls without boxing -------------------------------------------------------------------------------------------------- */

static const struct module_export *export_of(const cay_function *function) { return (const void *)function; }

static const struct module_func_type *type_of(const cay_function *function, const cay_module *module) {
  assert(export_of(function) >= module->module->exports &&
         export_of(function) < module->module->exports + module->module->export_count &&
         "a function is asked about with the module that it is of");
  return module_func_type_of(module->module, export_of(function)->index);
}

size_t cay_function_params(const cay_function *function, const cay_module *module) {
  return type_of(function, module)->param_slots;
}

size_t cay_function_results(const cay_function *function, const cay_module *module) {
  return type_of(function, module)->result_slots;
}

int cay_function_param_type(const cay_function *function, const cay_module *module, size_t index) {
  const struct module_func_type *type = type_of(function, module);
  return index < type->param_count ? (int)type->params[index] : 0;
}

int cay_function_result_type(const cay_function *function, const cay_module *module, size_t index) {
  const struct module_func_type *type = type_of(function, module);
  return index < type->result_count ? (int)type->results[index] : 0;
}

enum cay_status cay_module_function(const cay_module *module, const char *name, const cay_function **out,
                                    struct cay_error *error) {
  const struct module_func_type *type = export_type(module->module, name, error);
  if (!type) return CAY_ERROR_ARGUMENT;
  char text[128];
  if (type->has_references)
    return base_error_set(error, CAY_ERROR_UNSUPPORTED, "the function has the type %s, and slots take no references",
                          module_func_type_text(type, text, sizeof text));
  *out = (const void *)module_export_find(module->module, name, strlen(name));
  return CAY_OK;
}

static enum cay_status call_ended(struct cay_run *run, enum engine_trap trap, struct cay_error *error) {
  enum cay_status status = result_of_trap(run, trap, error);
  if (!is_running(run)) withdraw_interrupts(run, status == CAY_ERROR_INTERRUPTED, false);
  return status;
}

/* Not of a run that is being opened. */
static enum cay_status call_now(struct cay_run *run, struct engine_function *function, uint64_t *slots,
                                struct cay_error *error) {
  struct engine_store *store = atomic_load_explicit(&run->store, memory_order_relaxed);
  assert((slots || function->type->param_slots + function->type->result_slots == 0) &&
         "a call has room for its arguments and results");
  enum engine_trap trap = engine_call(store, function, slots);
  return BASE_LIKELY(trap == ENGINE_TRAP_NONE && !run->has_result) ? CAY_OK : call_ended(run, trap, error);
}

/* Whether a call begins and ends nothing but what its budget says. */
static bool is_simple(const struct cay_run *run) { return run->instance && !run->threads && !run->wants_digest; }

/* A call from within the run, or one that has more to begin and to end. */
static __attribute__((noinline)) enum cay_status call_otherwise(struct cay_run *run, const cay_function *function,
                                                                uint64_t *slots, struct cay_error *error) {
  assert(run->module && "a run was called after its end");
  assert(function && "a call is of a function");
  if ((uintptr_t)function - run->exports >= run->exports_bytes)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "the function is of another module than the run");
  uint32_t index = export_of(function)->index;
  /* Also of a call from within, which another thread may make: whose pages it writes to has to be known. */
  if (run->pool && run->store) engine_store_use_enter(run->store);
  if (is_running(run)) {
    if (!run->instance)
      return base_error_set(error, CAY_ERROR_ARGUMENT,
                            "the run is being opened: its functions cannot be called before");
  } else {
    if (!is_simple(run) || !base_budget_is_quiet(run->limits.budget)) return call_index(run, index, slots, error);
    run->limits.has_begun = run->limits.is_used = true;
    if (run->has_result) result_reset(run);
    if (!run->pool) run->plain = run->instance->functions;
  }
  return call_now(run, run->instance->functions[index], slots, error);
}

/* What a call costs is this function and engine_call: what one call has found out holds for the next (`plain`), and nothing is
 * called before engine_call, so that few registers have to be saved. A call from within a run that is plain is like any other; one
 * of a run with a budget above its own looks there first. */
enum cay_status cay_run_call(cay_run *run, const cay_function *function, cay_slot *slots, struct cay_error *error) {
  struct engine_function *const *functions = run->plain;
  if (BASE_UNLIKELY(!functions) || BASE_UNLIKELY((uintptr_t)function - run->exports >= run->exports_bytes) ||
      BASE_UNLIKELY(!base_budget_is_alone(run->limits.budget)))
    return call_otherwise(run, function, (uint64_t *)slots, error);
  return call_now(run, functions[export_of(function)->index], (uint64_t *)slots, error);
}

void *cay_run_memory(cay_run *run, size_t *len_bytes) {
  *len_bytes = 0;
  run->limits.is_used = true; /* the host may write */
  return run->instance ? api_memory_of(run->instance, len_bytes) : NULL;
}

/* ---- Pools -------------------------------------------------------------------------------------------------------------- */

cay_run **api_run_next(cay_run *run) { return &run->next; }
void api_run_taken(cay_run *run) { engine_store_use_begin(run->store); }

enum cay_status api_run_pool(cay_run *run, struct cay_pool *pool, const struct engine_snapshot *snapshot,
                             struct cay_error *error) {
  run->pool = pool;
  run->snapshot = snapshot;
  enum cay_status status = cay_run_open(run, error);
  if (status == CAY_OK && snapshot) api_limits_restart(&run->limits);
  return status;
}

enum cay_status api_run_snapshot(cay_run *run, const cay_wasi *wasi, struct engine_snapshot **out,
                                 struct cay_error *error) {
  enum cay_status status = engine_snapshot_take(run->store, out, error);
  if (status == CAY_OK) status = engine_snapshot_bind(*out, run->store, error);
  return status != CAY_OK || api_run_restore(run, wasi) ? status : base_error_memory(error);
}

bool api_run_restore(cay_run *run, const cay_wasi *wasi) {
  run->user = NULL;
  if (!run->limits.is_used && !atomic_load_explicit(&run->interrupt_wanted, memory_order_relaxed)) return true;
  if (run->threads || !engine_store_restore(run->store)) return false;
  atomic_store_explicit(&run->interrupt_wanted, false, memory_order_relaxed);
  if (run->p1 && wasi_p1_reset(run->p1, wasi->config, NULL) != CAY_OK) return false;
  result_reset(run);
  run->started = false;
  api_limits_restart(&run->limits);
  return true;
}

size_t api_run_modules(const cay_run *run, size_t index, const struct module **out) {
  size_t count = 1 + run->preloads.count;
  if (index < count) *out = (index ? run->preloads.items[index - 1].module : run->module)->module;
  return count;
}

void api_run_set_source(cay_run *run, const struct inspect_source *source) { run->source = source; }

/* ---- Results ------------------------------------------------------------------------------------------------------------------ */

const cay_result *cay_run_result(const cay_run *run) { return &run->result; }

void cay_run_set_digest(cay_run *run, bool wanted) {
  assert(!run->opened && "a digest is of the whole run: it is wanted before the first start, and not of a pool's run");
  if (run->opened) return;
  run->wants_digest = wanted;
  if (wanted) base_sha256_init(&run->digest);
  if (run->p1) wasi_p1_set_record(run->p1, wanted ? api_digest_add : NULL, &run->digest);
}

const char *cay_run_digest(cay_run *run) {
  if (!run->wants_digest || !run->store) return "";
  struct base_sha256 hash = run->digest;
  uint8_t bytes[BASE_SHA256_BYTES];
  api_digest_state(&hash, run->store);
  base_sha256_finish(&hash, bytes);
  base_sha256_hex(bytes, run->digest_text);
  return run->digest_text;
}

/* Makes the text of the frames that the thread has recorded. */
static const char *frames_text(struct cay_run *run, struct engine_thread *thread, size_t max_frames) {
  inspect_backtrace(thread, max_frames, run->source, &run->backtrace);
  if (run->backtrace.failed) return NULL;
  return run->backtrace.bytes ? run->backtrace.bytes : "";
}

const char *cay_run_backtrace(cay_run *run, size_t max_frames) {
  base_text_deinit(&run->backtrace);
  return run->store && run->result.trap != CAY_TRAP_NONE ? frames_text(run, reported_thread(run), max_frames) : "";
}

const char *cay_run_calls(cay_run *run, size_t max_frames) {
  base_text_deinit(&run->backtrace);
  if (!run->store) return "";
  struct engine_thread *thread = run->p1 ? wasi_p1_teller(run->p1) : NULL;
  if (!thread) thread = engine_store_thread(run->store);
  engine_backtrace_capture(thread);
  return frames_text(run, thread, max_frames);
}
