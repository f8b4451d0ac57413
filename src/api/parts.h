/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the room `api` share. */
#ifndef API_PARTS_H
#define API_PARTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "api/api.h"
#include "engine/engine.h"
#include "host/host.h"
#include "module/module.h"
#include "tiers/tiers.h"
#include "wasi/wasi.h"

struct cay_engine_config {
  const struct engine_tier *tier;
  size_t stack_bytes;
  bool explicit_bounds, deterministic_relaxed_simd, canonical_nans, fuel;
  module_features features;
  char *cache_folder;   /* NULL: cay's own */
  uint64_t cache_bytes; /* 0: there is no cache */
};

/* ---- Who keeps an engine's code (keeping.c) ---------------------------------------------------------------------------- */

struct api_keeper; /* it begins with the struct engine_keeper */
#if TIERS_HAS_OPTIMIZER
void api_engine_config_deinit(struct cay_engine_config *config); /* NULL allowed */
/* `*out` stays as it is when nothing is to be kept. */
enum cay_status api_keeper_open(const struct cay_engine_config *config, const struct engine_tier *tier,
                                struct api_keeper **out, struct cay_error *error);
void api_keeper_close(struct api_keeper *keeper); /* NULL allowed; after the engine */
#else
static inline void api_engine_config_deinit(struct cay_engine_config *config) { (void)config; }
static inline enum cay_status api_keeper_open(const struct cay_engine_config *config, const struct engine_tier *tier,
                                              struct api_keeper **out, struct cay_error *error) {
  (void)config, (void)tier, (void)out, (void)error;
  return CAY_OK;
}
static inline void api_keeper_close(struct api_keeper *keeper) { (void)keeper; }
#endif

/* ---- Limits of time (timeout.c) ---------------------------------------------------------------------------------------- */

/* A call that is watched, of a run that has it. Zero: it is not. */
struct api_cpu;
struct api_timeout_setup {
  uint64_t timeout_ns; /* BASE_NO_LIMIT: none */
  struct api_cpu *cpu; /* whose limit is watched; NULL: none */
  void (*expired)(void *env, enum base_limit limit); /* by the watchdog's thread, or within the start */
  void *env;
};
struct api_timeout {
  struct api_watchdog *dog;
  struct api_timeout *next;
  struct api_timeout_setup setup;
  uint64_t deadline_ns, next_ns; /* on base_os_monotonic_ns: UINT64_MAX: none; when to look again */
};
/* An engine's. Zero: it has not begun. */
struct api_watchdog {
  atomic_int process;  /* in which its thread is */
  atomic_int beginner; /* the process that begins it now; 0: none */
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct api_timeout *timeouts;
  uint64_t wakes_ns;
  bool ends;
};
void api_watchdog_end(struct api_watchdog *dog); /* nobody is watched */
/* Watches a call until it is stopped, and calls `expired` once when a limit is reached. */
enum cay_status api_timeout_start(struct api_timeout *timeout, struct api_watchdog *dog,
                                  const struct api_timeout_setup *setup, struct cay_error *error);
/* After it returns, `expired` will not be called any more. One that was not started is allowed. */
void api_timeout_stop(struct api_timeout *timeout);

struct cay_engine {
  struct engine *engine;
  const struct engine_tier *tier;
  struct api_keeper *keeper; /* NULL: none */
  size_t stack_bytes;
  module_features features;
  struct engine_code_options code_options; /* as long as memories have guard pages */
  atomic_size_t run_count;                 /* that are there */
  struct api_watchdog watchdog;
};

struct cay_module {
  atomic_uint references;
  struct cay_engine *engine; /* not owned; read by cay_run_new only */
  struct module *module;
};

/* Who is told of uses of rights (uses.c). */
struct api_uses {
  bool (*permit)(void *env, const cay_access *access);
  void *permit_env;
  void (*audit)(void *env, const cay_access *access);
  void (*waits)(void *env);
  void *audit_env;
};

struct cay_wasi {
  struct wasi_config *config;
  void (*trace)(void *env, const char *line);
  void *trace_env;
  void (*denied)(void *env, const cay_denial *denial);
  void *denied_env;
  struct api_uses uses;
  bool is_deterministic;
  struct host_network *network; /* NULL until there is a rule */
  BASE_VEC(char *) listen_addresses;
};

/* The tier called `name`, or NULL with an error that lists them. */
const struct engine_tier *api_tier_find(const char *name, struct cay_error *error);

/* Sets the hooks that pass denials and uses on to `hearers`, which has to live as long as the surface. */
struct api_hearers {
  struct api_uses uses;
  void (*denied)(void *env, const cay_denial *denial);
  void *denied_env;
  uint32_t (*thread_of)(void *env); /* the number of the thread that is told about */
  void *thread_env;
};
void api_hearers_hook(struct api_hearers *hearers, struct wasi_hooks *hooks);

/* ---- CPU time (cpu.c) ------------------------------------------------------------------------------------------------- */

struct api_cpu_thread {
  struct api_cpu_thread *next;
  clockid_t clock;
  uint64_t begin_ns;
};
struct api_cpu {
  pthread_mutex_t lock;
  struct base_budget *budget; /* borrowed */
  struct api_cpu_thread *threads;
  uint64_t count;
  uint64_t ended_ns, charged_ns; /* of threads that ended; taken from the budget */
};
void api_cpu_init(struct api_cpu *cpu, struct base_budget *budget);
void api_cpu_deinit(struct api_cpu *cpu);
/* The calling thread begins and ends to run the guest. What it has computed then is taken from the budget. */
void api_cpu_enter(struct api_cpu *cpu, struct api_cpu_thread *thread);
void api_cpu_leave(struct api_cpu *cpu, struct api_cpu_thread *thread);
/* Takes what all of them have computed until now. False: the limit is reached; else it cannot be before `*wait_ns` of
 * wall-clock time have passed. */
bool api_cpu_look(struct api_cpu *cpu, uint64_t *wait_ns);
/* What all of them have computed until now, beyond the limit, too. */
uint64_t api_cpu_total_ns(struct api_cpu *cpu);

/* ---- Calls without boxing ------------------------------------------------------------------------------------------------ */

/* 32 bits of an embedder's, zero-extended in place. They were just written, as were their neighbours perhaps at another time:
 * a load of all 64 bits would have to wait for both, so none may be made of this. */
static inline uint64_t api_low_half(const void *slot) { return *(const volatile uint32_t *)slot; }

/* Numbers in slots that somebody else filled, as the engine has them. */
static inline void api_slots_take(const module_type *types, uint32_t count, uint64_t *slots) {
  for (uint32_t i = 0; i < count; i++) {
    if (types[i] == MODULE_I32 || types[i] == MODULE_F32) *(volatile uint64_t *)slots = api_low_half(slots);
    slots += module_type_slots(types[i]);
    __asm__(""); /* there is one or two: no loop to be unrolled */
  }
}
/* Defines the functions in a linker (host_function.c). */
enum cay_status api_imports_define(const cay_imports *imports, struct engine_linker *linker, struct engine_store *store,
                                   struct cay_error *error);
cay_imports *api_imports_retain(cay_imports *imports);
/* The memory that surfaces work on, for the embedder; NULL and 0 when there is none. */
static inline void *api_memory_of(const struct engine_instance *instance, size_t *len_bytes) {
  struct engine_memory *memory = instance->module->memory_count ? instance->host_memory : NULL;
  *len_bytes = memory ? (size_t)memory->len_bytes : 0;
  if (memory) memory->is_exposed = true;
  return memory ? memory->base : NULL;
}

/* ---- Limits (limits.c) ----------------------------------------------------------------------------------------------- */

struct api_limits {
  struct base_budget *budget; /* the run's own */
  uint64_t memory_bytes, stack_bytes; /* usual limits */
  bool has_parent;
  bool has_begun, is_used; /* something of it, or of the run, is not as it was in the beginning */
  _Atomic(enum base_limit) expired; /* the time that is over; BASE_LIMIT_COUNT: none */
  struct api_cpu cpu;
  struct api_cpu_thread first; /* thread of a call */
  struct api_timeout timeout;  /* of a call */
  uint64_t begin_ns;           /* of a call */
  uint64_t wall_ns;            /* of the last call, which may have lasted longer than its limit */
};
/* With what is set when nothing is said: the machine's memory, 4096 handles, API_MAX_THREADS threads. */
enum cay_status api_limits_init(struct api_limits *limits, uint64_t stack_bytes, struct cay_error *error);
void api_limits_deinit(struct api_limits *limits);
/* As new, but for what is held. */
void api_limits_restart(struct api_limits *limits);
enum cay_limit api_limit_of(enum base_limit limit); /* BASE_LIMIT_COUNT: none */
struct base_budget *api_budget(const cay_budget *budget); /* the one that it is; NULL allowed */
/* The limit that refused last, BASE_LIMIT_COUNT: none did. */
enum base_limit api_limit_met(const struct api_limits *limits);
/* CAY_ERROR_LIMIT, of one that is used up. */
enum cay_status api_limit_error(const struct api_limits *limits, enum base_limit limit, struct cay_error *error);
struct api_limits *api_run_limits(const cay_run *run); /* run.c */
/* Around a call of the guest, on its first thread: times are counted, and when one is over `expired` is called. */
enum cay_status api_limits_begin(struct api_limits *limits, struct api_watchdog *dog,
                                 void (*expired)(void *env, enum base_limit limit), void *env, struct cay_error *error);
void api_limits_end(struct api_limits *limits);

/* ---- What is imported (imports.c) ----------------------------------------------------------------------------------- */

bool api_name_is(struct module_name name, const char *text);
/* Defines functions for the imports that the linker lacks, as `policy` says. */
enum cay_status api_define_missing(struct engine_linker *linker, struct engine_store *store, struct module *module,
                                   enum cay_unknown_imports policy, struct cay_error *error);
/* Defines the shared memories that the module imports and the linker lacks: those of the linker `first`, of the guest's
 * first thread; NULL: new ones. */
enum cay_status api_define_memories(struct engine_linker *linker, struct engine_store *store,
                                    const struct module *module, const struct engine_linker *first,
                                    struct cay_error *error);

/* ---- Digests (digest.c) ------------------------------------------------------------------------------------------- */

/* A hash over what happened so far. */
void api_digest_add(void *sha256, const void *bytes, size_t len_bytes); /* for wasi_p1_set_record */
void api_digest_number(struct base_sha256 *hash, uint64_t value);
void api_digest_value(struct base_sha256 *hash, module_type type, const uint64_t *slots);
/* All memories and globals of the store's instances. */
void api_digest_state(struct base_sha256 *hash, const struct engine_store *store);

/* ---- Threads of a guest (threads.c) ----------------------------------------------------------------------------------- */

#define API_THREAD_MODULE "wasi"
#define API_THREAD_SPAWN "thread-spawn"
#define API_THREAD_START "wasi_thread_start"
enum { API_MAX_THREADS = 64 };

bool api_uses_threads(const struct module *module);
/* Whether a module that imports thread-spawn has what its threads need; CAY_ERROR_LINK. */
enum cay_status api_threads_check(const struct module *module, struct cay_error *error);

/* The threads of a run besides the first. */
struct api_threads;
struct api_thread_setup {
  struct engine_store *store; /* the first thread's */
  struct wasi_p1 *p1;
  struct module *module;
  struct base_budget *budget; /* its THREADS counts them; borrowed */
  struct api_cpu *cpu;
  /* Defines in a new thread's linker what the module imports. Called by several threads at once. */
  enum cay_status (*define)(void *env, struct engine_linker *linker, struct engine_store *store,
                            struct wasi_p1_thread *own, struct cay_error *error);
  void *env;
};
enum cay_status api_threads_new(const struct api_thread_setup *setup, struct api_threads **out,
                                struct cay_error *error);
void api_threads_free(struct api_threads *threads); /* NULL allowed; none may run */
/* Defines thread-spawn for a store. */
enum cay_status api_threads_define(struct api_threads *threads, struct engine_linker *linker,
                                   struct engine_store *store, struct cay_error *error);
/* Before and after a call of the first thread. The end interrupts the others and waits for them. */
void api_threads_begin(struct api_threads *threads);
struct api_thread_end {
  struct engine_thread *thread; /* whose trap ended the call, valid until the next begin; NULL: of none of them */
  enum engine_trap trap;
  uint32_t tid;
  bool main_interrupted; /* the first thread was interrupted for it */
};
void api_threads_end(struct api_threads *threads, struct api_thread_end *out);
/* The number of a thread that runs; 0: the first. Any thread. */
uint32_t api_threads_number(struct api_threads *threads, const struct engine_thread *thread);

/* ---- Runs (run.c) ---------------------------------------------------------------------------------------------------- */

/* The type of the exported function `name`; NULL and CAY_ERROR_ARGUMENT when there is none. */
const struct module_func_type *api_run_export_type(cay_run *run, const char *name, struct cay_error *error);
/* The types that indices in it mean. */
const struct module_def_type *api_run_types(const cay_run *run);
/* Instantiates and initialises if that has not happened, and calls the exported function `name`, which exists, under
 * the run's limits. `slots` has room for its parameters and for its results. */
enum cay_status api_run_call(cay_run *run, const char *name, uint64_t *slots, struct cay_error *error);

/* Whether the run, as it is configured, starts threads of any kind when it is started or invoked. */
bool api_run_starts_threads(const cay_run *run);
const struct engine_tier *api_run_tier(const cay_run *run);
const struct engine_code_options *api_run_code_options(const cay_run *run);
bool api_run_uses_wasi(const cay_run *run);
/* Whether what the run offers to its program makes sockets, beyond accepting. */
bool api_run_makes_sockets(const cay_run *run);
/* Module `index` of the run, its own first; returns how many there are. */
size_t api_run_modules(const cay_run *run, size_t index, const struct module **out);
/* NULL before it is opened. */
const struct engine_store *api_run_store(const cay_run *run);
/* Who reads debug information for its backtraces; borrowed. */
struct inspect_source;
void api_run_set_source(cay_run *run, const struct inspect_source *source);

/* ---- Pools (pool.c, run.c) ------------------------------------------------------------------------------------------- */

/* Makes a new run one of the pool and opens it: as usual, or, with a snapshot, in its state. */
enum cay_status api_run_pool(cay_run *run, struct cay_pool *pool, const struct engine_snapshot *snapshot,
                             struct cay_error *error);
/* The state of an opened run, which then has it as an idle one. */
enum cay_status api_run_snapshot(cay_run *run, const cay_wasi *wasi, struct engine_snapshot **out,
                                 struct cay_error *error);
/* Makes it an idle one again; false: it is good for nothing but to be destroyed. */
bool api_run_restore(cay_run *run, const cay_wasi *wasi);
/* What cay_run_free does with a run of no pool. */
void api_run_destroy(cay_run *run);
cay_run **api_run_next(cay_run *run); /* the pool's link */
void api_run_taken(cay_run *run); /* an idle one; the calling thread will use it */
void api_pool_give(struct cay_pool *pool, cay_run *run);

/* ---- The broker (broker.c), in the command only ---------------------------------------------------------------------------- */

/* `network` (NULL: none) has its names looked up by the broker until it is freed, when nobody may use the network. `cache` (NULL:
 * none): where what the tier's process makes for the run is kept; it may be closed at once. */
struct api_cache;
enum cay_status api_broker_new(cay_run *run, struct host_network *network, const struct api_cache *cache, struct api_broker **out,
                               struct cay_error *error);
int api_broker_process(const struct api_broker *broker); /* NULL: 0 */
enum api_path_kind api_path_kind_here(const char *path);

/* ---- Values as texts (invoke.c) ------------------------------------------------------------------------------------------ */

/* Reads one value of `type` into its slots (two for v128); false when the text is not one. */
bool api_value_parse(module_type type, const char *text, uint64_t *slots);
/* Adds the value in the slots as a text that api_value_parse reads; what belongs to the guest is described. `is_traced`:
 * of a reference, whether module_type_is_traced says so. */
void api_value_text(module_type type, bool is_traced, const uint64_t *slots, struct base_text *out);
/* "uncaught exception of tag "name" with i32 5", of the exception that ended the thread's last call. */
void api_exception_text(struct engine_thread *thread, struct base_text *out);

#endif
