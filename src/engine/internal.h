/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the room `engine` share with each other and with nobody else. */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include <assert.h>
#include <pthread.h>

#include "engine/engine.h"
#include "engine/engine_arch.h"

/* Under a sanitizer memories check their bounds, because it handles faults itself; AddressSanitizer has to be told of
 * switches between stacks. */
#if defined(__SANITIZE_ADDRESS__)
#define ENGINE_ANNOUNCES_SWITCHES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ENGINE_ANNOUNCES_SWITCHES 1
#elif __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define ENGINE_SANITIZED 1
#endif
#endif
#if defined(ENGINE_ANNOUNCES_SWITCHES) || defined(__SANITIZE_THREAD__)
#define ENGINE_SANITIZED 1
#endif
#ifndef ENGINE_ANNOUNCES_SWITCHES
#define ENGINE_ANNOUNCES_SWITCHES 0
#endif
#ifndef ENGINE_SANITIZED
#define ENGINE_SANITIZED 0
#endif

/* ---- Engine ----------------------------------------------------------------------------------------------------- */

/* Defined types of all modules and host functions of an engine, each once; an id is an index here. */
struct engine_types {
  BASE_VEC(struct module_def_type) defs; /* type indices in them are ids */
  BASE_VEC(const struct engine_type *) list;
  struct module_group_set groups;
  struct base_arena arena;
};

/* The engine's types of a module's type section, shared by its instances. */
struct engine_module_types {
  struct engine_module_types *next;
  struct module *module;
  const struct engine_type **types;
  uint32_t references;
};

/* The translated code of a module, shared by its instances of the same variant. */
struct engine_code {
  struct engine_code *next;
  struct module *module;
  void *code;
  const void *const *entries;
  uint32_t references;
  bool explicit_bounds, is_made;
  bool is_cut_short; /* it was interrupted while it was made, and is for that store alone */
};

struct engine {
  struct engine_options options;
  pthread_mutex_t lock; /* types and codes */
  struct engine_types types;
  struct engine_module_types *module_types;
  struct engine_code *codes;
  bool has_faults; /* the fault handler is installed, so that guard pages may be used */
  bool has_signals; /* and so is that of interruptions, which the tier's code needs */
  size_t stack_shape; /* of a pair of stacks */
};

/* The type of functions without type indices; NULL: out of memory. Locks, as all of these do. */
const struct engine_type *engine_types_intern(struct engine *engine, const struct module_func_type *type);
/* Takes a reference to a module's types; NULL: out of memory. */
const struct engine_type *const *engine_types_take(struct engine *engine, struct module *module);
void engine_types_give(struct engine *engine, const struct module *module);
void engine_types_deinit(struct engine_types *types);
/* A module's value type with the engine's ids in it. */
module_type engine_types_value(const struct engine_type *const *types, module_type type);
/* Whether the collector follows references of an engine's value type. */
bool engine_types_traced(struct engine *engine, module_type type);
/* Subtyping of the engine's value types. */
bool engine_types_match(struct engine *engine, module_type sub, module_type super);
/* The type of the exceptions of a tag of type `func`, in the store's arena; NULL: out of memory. */
const struct engine_type *engine_types_exception(struct engine_store *store, const struct engine_type *func);

/* Takes a reference to the code of `module`, in the store's engine; engine_code_release gives it back. */
enum cay_status engine_code_get(struct engine_store *store, struct module *module, bool explicit_bounds,
                                struct engine_code **out, struct cay_error *error);
void engine_code_release(struct engine *engine, void *code);

/* ---- Store ------------------------------------------------------------------------------------------------------ */

/* A shared memory that instances of a store use. */
struct engine_memory_use {
  struct engine_memory *memory;
  struct engine_memory_use *next;
};

/* A host function that is running. The innermost one heads the store's list. */
struct engine_host_frame {
  struct engine_call call;
  uint64_t *slots;
  struct engine_activation *activation; /* thread->top when it was called */
  struct engine_host_frame *previous;
};

/* Bounds of a native stack. */
struct engine_native {
  const void *low;
  size_t bytes;
};

/* A global that belongs to no instance. */
struct engine_host_global {
  struct engine_global cell;
  struct engine_host_global *next;
};

/* Which host thread uses a store, and how many page faults it had before (own_pages.c). */
struct engine_use {
  bool is_wanted;
  uint64_t ordinal, faults; /* 0: nobody knows who */
};

struct engine_store {
  struct engine *engine;
  size_t stack_shape; /* the engine's */
  struct engine_limits limits;
  struct engine_thread thread;

  struct base_arena arena; /* globals, host functions, instances: everything that is freed with the store */
  struct engine_memory *memories;
  struct engine_table *tables;
  struct engine_instance *instances;
  struct engine_memory_use *shared; /* each once */
  uint32_t memory_count, shared_count, table_count, instance_count;
  struct base_budget *budget; /* retained */
  uint64_t bytes_used;        /* of the budget, by this store alone */
  struct engine_heap *heap; /* NULL: nothing was allocated in it yet */
  bool has_guarded; /* a memory with guard pages exists: calls need the fault handler's stack */

  struct module *import_module; /* that host functions were made for last, and its types; NULL: none */
  const struct engine_type *const *import_types;

  struct engine_root_span *root_spans;
  struct engine_host_global *host_globals; /* made by the host with types that are traced */

  struct engine_restore *restore; /* what engine_store_restore brings it to; NULL: it is bound to no snapshot */
  struct engine_use use;
  struct engine_stack *reserved_stack; /* for the next call; NULL: the host thread has one, or makes one */
  struct engine_host_frame *host_frame;
  /* Where the guest's native stack was left by the innermost switch to the host's; NULL: we are on it (or in no call).
   * Nested calls continue below. */
  void *guest_sp;
  uintptr_t native_limit;               /* lowest stack pointer of the guest's native stack that leaves the margin */
  uintptr_t host_limit;                 /* the same for the host's stack; 0: not asked yet */
  struct engine_native host_native;     /* the sanitizers' view of the host's stack */
  _Atomic(enum engine_trap) fault_trap; /* what the fault that is being redirected means, when not a bounds trap */

  void (*wake)(void *env);
  void *wake_env;
};

/* Takes `bytes` of memory from the store's budget, until its end or until they are given back; false when it has not so
 * many, which is noted as a hit unless it is only tried. */
bool engine_budget_take(struct engine_store *store, uint64_t bytes);
bool engine_budget_try(struct engine_store *store, uint64_t bytes);
/* After a failure for want of `bytes`: a hit, if that was the budget's fault and not the system's. */
void engine_budget_refused(struct engine_store *store, uint64_t bytes);
void engine_budget_give(struct engine_store *store, uint64_t bytes);
/* "the memory limit of 100 bytes, of which 60 are in use": what refused. */
enum { ENGINE_LIMIT_TEXT_BYTES = 96 };
const char *engine_budget_text(const struct base_budget *budget, char out[ENGINE_LIMIT_TEXT_BYTES]);

/* Gives back what fuel the thread has not used. No code of the guest runs. */
void engine_fuel_settle(struct engine_thread *thread);

void engine_memory_deinit(struct engine_memory *memory);
/* As many bytes as whole pages of the system take. */
uint64_t engine_os_pages(uint64_t bytes);
/* Gives a zeroed memory, whose `store` or `shared` is set, its type, its budget and a place. */
enum cay_status engine_memory_set_up(struct engine_memory *memory, struct engine_store *store,
                                     const struct module_memory_type *type, struct cay_error *error);
/* Makes the bytes up to `len_bytes` accessible, all of them inside the reservation. */
bool engine_memory_commit(struct engine_memory *memory, uint64_t len_bytes);
void engine_table_deinit(struct engine_table *table);
void engine_instance_deinit(struct engine_instance *instance);
/* Frees the memories and tables that were made since the store had so many; nothing refers to them yet. */
void engine_memories_drop(struct engine_store *store, uint32_t count);
void engine_shared_drop(struct engine_store *store, uint32_t count);

/* A memory of no pages, for instances without one. */
extern struct engine_memory engine_empty_memory;

void engine_tables_drop(struct engine_store *store, uint32_t count);

/* ---- Shared memories (shared.c) ----------------------------------------------------------------------------------- */

enum cay_status engine_shared_new(struct engine_store *store, const struct module_memory_type *type,
                                  struct engine_memory **out, struct cay_error *error);
/* Makes the store one that uses the memory, if it is not yet; false: out of memory. */
bool engine_shared_use(struct engine_store *store, struct engine_memory *memory);
uint64_t engine_shared_grow(struct engine_memory *memory, uint64_t delta_pages);

enum cay_status engine_import_check_typed(struct engine_store *store, const struct module *module,
                                          const struct engine_type *const *types, uint32_t index,
                                          const struct engine_extern *value, struct cay_error *error);

/* ---- Imports -------------------------------------------------------------------------------------------------------- */

enum { ENGINE_TYPE_TEXT_BYTES = 160, ENGINE_NAME_TEXT_BYTES = 64 };
/* "function (i32) -> ()", "memory of at least 1 page, no maximum" ... */
void engine_import_type_text(const struct module *module, const struct module_import *import,
                             char out[ENGINE_TYPE_TEXT_BYTES]);

/* ---- Constant expressions ----------------------------------------------------------------------------------------- */

/* The value of a validated constant expression. Traps: OUT_OF_MEMORY, HEAP_EXHAUSTED. */
enum engine_trap engine_const_value(struct engine_instance *instance, struct module_const_expr expr, uint64_t out[2]);

/* ---- Segments ------------------------------------------------------------------------------------------------------- */

/* Copies `count` items of an element segment from `from_at` on, which the segment has. */
enum engine_trap engine_elem_copy(struct engine_instance *instance, uint32_t elem, uint64_t from_at, uint64_t count,
                                  uint64_t *to);
/* Whether evaluating a segment may collect: then that is done at instantiation. */
bool engine_elem_makes_objects(const struct engine_instance *instance, uint32_t elem);
enum engine_trap engine_elem_evaluate(struct engine_instance *instance, uint32_t elem);
/* How long segments are now: 0 when they were dropped. */
uint64_t engine_elem_length(const struct engine_instance *instance, uint32_t elem);
uint64_t engine_data_length(const struct engine_instance *instance, uint32_t data);

/* ---- Stacks ------------------------------------------------------------------------------------------------------- */

/* Room on the native stack that is kept for surfaces and the engine itself beyond options.stack_bytes. */
enum { ENGINE_NATIVE_MARGIN_BYTES = 256 * 1024, ENGINE_STACK_MIN_BYTES = 64 * 1024, ENGINE_GUARD_BYTES = 64 * 1024 };

/* What a host thread has of the engine's. The static model, so that the handler of faults, which reads `running`, never
 * enters the lazy allocation of thread-local storage. */
struct engine_host_thread {
  struct engine_thread *running; /* whose memories the thread's faults are looked up in; NULL: none */
  struct engine_stack *stacks;   /* idle ones, for its next calls, of whatever store */
  bool has_signal_stack;
  bool holds_signal; /* it blocks the signal of interruptions, which is pending; see os_fault_posix.c */
  int number;        /* engine_os_thread_number; 0: not asked for yet */
  uint64_t ordinal;  /* own_pages.c's; 0: none yet */
  bool has_end; /* its stacks are freed when it ends */
};
extern _Thread_local struct engine_host_thread engine_host_thread __attribute__((tls_model("initial-exec")));

unsigned engine_native_factor(const struct engine *engine); /* of its tier, at least 1 */
/* A number for the sizes of all parts of a pair, for engine->stack_shape. */
size_t engine_stack_shape(const struct engine *engine);
/* Of the same sizes as the engine's calls need. */
static inline bool engine_stack_fits(const struct engine_stack *stack, const struct engine *engine) {
  return stack->shape == engine->stack_shape;
}
/* The store's own, one of the thread's that is large enough, or a new one; NULL: no memory. */
struct engine_stack *engine_stack_find(struct engine_store *store);
void engine_stack_keep(struct engine_stack *stack);
void engine_stack_free(struct engine_stack *stack); /* NULL allowed */
static inline struct engine_stack *engine_stack_take(struct engine_store *store) {
  struct engine_stack *stack = engine_host_thread.stacks;
  if (BASE_UNLIKELY(!stack || store->reserved_stack || stack->shape != store->stack_shape))
    return engine_stack_find(store);
  engine_host_thread.stacks = stack->next;
  return stack;
}
static inline void engine_stack_give(struct engine_stack *stack) {
  if (BASE_UNLIKELY(engine_host_thread.stacks || !engine_host_thread.has_end)) {
    engine_stack_keep(stack);
    return;
  }
  stack->next = NULL;
  engine_host_thread.stacks = stack;
}
/* Frees those that the calling thread keeps. */
void engine_stacks_free(void);
/* Calls fn(arg) on the stack `to` with the stack pointer at `sp`, writes the stack pointer that was left to `*old_sp`
 * and the bounds of the stack that was left, where a sanitizer knows them, to `*old` (may be NULL). */
#if ENGINE_ANNOUNCES_SWITCHES
int engine_stack_switch(struct engine_native to, void *sp, int (*fn)(void *), void *arg, void **old_sp,
                        struct engine_native *old);
#else
static inline int engine_stack_switch(struct engine_native to, void *sp, int (*fn)(void *), void *arg, void **old_sp,
                                      struct engine_native *old) {
  (void)to, (void)old;
  return engine_arch_switch_call(sp, fn, arg, old_sp);
}
#endif

/* ---- Faults and the operating system (os_*.c) --------------------------------------------------------------------- */

/* Installs the process-wide handler once; false: not on this system. */
bool engine_faults_install(void);
/* Gives the calling host thread, which has none yet, a signal stack; false: no memory. */
bool engine_faults_thread(void);
/* Asks store and tier whether the fault is the guest's; in the signal handler. */
bool engine_fault_redirect(struct engine_thread *thread, uintptr_t address, void *machine_context);
/* The same for the signal by which engine_interrupt reaches code that does not look at stack_limit. */
bool engine_signals_install(void);
/* The calling host thread runs the guest from now on: what is sent to the thread goes there. */
void engine_signals_direct(struct engine_thread *thread);
static inline void engine_signals_enter(struct engine_thread *thread) {
  if (BASE_LIKELY(!thread->has_signals)) return;
  int number = atomic_load_explicit(&thread->host_thread, memory_order_relaxed);
  if (BASE_UNLIKELY(number == 0 || number != engine_host_thread.number)) engine_signals_direct(thread);
}
/* Sends the signal; async-signal-safe. */
void engine_signals_send(struct engine_thread *thread);
/* Where the calling host thread goes to a guest, or is done with one: lets the signal come that the handler has left blocked
 * and pending. It is blocked again when its wish still stands. */
void engine_signals_release(void);
static inline void engine_signals_settle(void) {
  if (BASE_UNLIKELY(engine_host_thread.holds_signal)) engine_signals_release();
}
/* Asks the tier to go on at the trap; in the signal handler. False: what runs is not the guest's own code. */
bool engine_interrupt_redirect(struct engine_thread *thread, void *machine_context);
/* A number of the calling thread, by which it can be sent a signal. */
int engine_os_thread_number(void);
void engine_os_signal(int thread_number, int signal); /* async-signal-safe */
/* Bytes of address space that the process may use; UINT64_MAX: no limit. */
uint64_t engine_os_address_space(void);
/* Makes a readable and writable mapping larger, moving it where it has to; what is added is zero. NULL: no room. */
void *engine_os_extend(void *address, size_t old_bytes, size_t new_bytes);
/* How many mappings the process may have; asked for once. */
size_t engine_os_map_limit(void);
/* Images of memories: files without a name that nobody changes any more. -1: the system has none to give. */
int engine_os_image_new(const uint8_t *bytes, size_t len_bytes);
void engine_os_image_free(int image); /* -1 is allowed */
/* Maps the whole image at a place that is mapped, copy-on-write, readable and writable. */
bool engine_os_image_map(int image, uint8_t *address, size_t len_bytes);
bool engine_os_image_read(int image, uint8_t *to, size_t len_bytes);
/* The calling thread's own stack; asked for once per thread. */
struct engine_native engine_os_stack(void);

/* ---- Pages that a bound memory has of its own (own_pages.c, os_pages_linux.c) ---------------------------------------- */

/* How much of a memory stays when it is restored. */
enum { ENGINE_KEPT_BYTES = 64 * 1024, ENGINE_KEPT_PAGES = 16 };

struct engine_own_pages {
  bool is_tracked; /* else written pages are thrown away */
  uint32_t count, pages[ENGINE_KEPT_PAGES];
};
/* Of a memory in a snapshot: the bytes from the first to the last page that is not zero. */
struct engine_image {
  uint64_t len_bytes, page_count; /* of the memory */
  size_t from, bytes;
  int fd; /* -1: `copy` */
  uint8_t *copy;
  const uint8_t *view; /* of the file; NULL: there is none, or no memory for it */
};
/* The whole image as it is, readable; ended by base_os_release. NULL: no memory, or nobody needs it. */
const uint8_t *engine_os_image_view(int image, size_t len_bytes);
/* Of a memory that was just bound; `own` is zero. */
void engine_own_pages_init(struct engine_own_pages *own, struct engine_memory *memory,
                           const struct engine_image *image);
/* Makes it what it was then; false: what was written has to be thrown away, for the system does not tell or it is too much.
 * `is_seen`: what engine_store_use_end said. */
bool engine_own_pages_restore(struct engine_own_pages *own, struct engine_memory *memory,
                              const struct engine_image *image, bool is_seen);

/* A use of a bound store ends (engine_store_use_begin), and the next one begins. True: only pages that were the memories' own before
 * were written to, but for what somebody had the address of (engine_memory.is_exposed). */
bool engine_store_use_end(struct engine_store *store);

/* Whether the next three can be relied on. */
bool engine_os_tells_own_pages(void);
/* The page faults of the calling thread. */
bool engine_os_faults(uint64_t *count);
/* Whole pages: none of them becomes part of a larger one. */
bool engine_os_small_pages(uint8_t *address, size_t len_bytes);
/* The numbers of the pages, ascending, that are the mapping's own; false: more than `room`, or the system does not tell. */
bool engine_os_own_pages(const uint8_t *address, size_t len_bytes, uint32_t *pages, uint32_t room, uint32_t *count);

#endif
