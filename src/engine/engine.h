/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Door of the room `engine`: everything that exists while WebAssembly runs: stores, instances, memories, tables,
 * globals, functions, guest stacks, calls and traps. It knows no tier: tiers hand themselves in as `engine_tier`.
 *
 * Structs are open on purpose: tiers compile accesses to their fields into code. Other rooms use the functions.
 *
 * Ownership: everything made in a store belongs to it and is freed with it; nothing is freed earlier. Modules are
 * retained by their instances. Threads: a store is used by one thread at a time; engine_interrupt alone may be called
 * from any thread or signal handler. A guest with several threads has a store for each; they share modules, code,
 * budget and shared memories. Source: Core Specification 3.0, chapter 4, and the threads proposal. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/base.h"
#include "engine/gc.h"
#include "module/module.h"

struct engine;
struct engine_store;
struct engine_thread;
struct engine_instance;
struct engine_function;
struct engine_activation;

/* ---- Traps ---------------------------------------------------------------------------------------------------- */

/* One table: name, text for people (the specification's wording where it has one). */
#define ENGINE_TRAPS(X)                                                                    \
  X(NONE, "no trap")                                                                       \
  X(UNREACHABLE, "unreachable instruction executed")                                       \
  X(MEMORY_BOUNDS, "out of bounds memory access")                                          \
  X(TABLE_BOUNDS, "out of bounds table access")                                            \
  X(UNDEFINED_ELEMENT, "undefined element: the table has no such index")                   \
  X(NULL_ELEMENT, "uninitialized element: the table's entry is null")                      \
  X(CALL_TYPE, "indirect call type mismatch")                                              \
  X(INTEGER_OVERFLOW, "integer overflow")                                                  \
  X(INTEGER_DIVIDE_BY_ZERO, "integer divide by zero")                                      \
  X(INVALID_CONVERSION, "invalid conversion to integer")                                   \
  X(STACK_EXHAUSTED, "call stack exhausted")                                               \
  X(INTERRUPTED, "interrupted")                                                            \
  X(OUT_OF_MEMORY, "the host is out of memory")                                            \
  X(EXIT, "exit")                     /* the guest asked to end; engine_thread.exit_code */ \
  X(HOST, "host function failed")     /* engine_thread.host_error says why */              \
  X(UNALIGNED_ATOMIC, "unaligned atomic")                                                  \
  X(NOT_SHARED, "expected shared memory")                                                  \
  X(NULL_REFERENCE, "null reference")                                                      \
  X(CAST, "cast failure: the reference is not of the type")                                \
  X(ARRAY_BOUNDS, "out of bounds array access")                                            \
  X(HEAP_EXHAUSTED, "no memory left for objects: the memory limit is reached")             \
  X(EXCEPTION, "uncaught exception")  /* engine_thread.exception */                        \
  X(LIMIT, "a limit is used up")      /* engine_thread.limit says which */
enum engine_trap {
#define X(NAME, text) ENGINE_TRAP_##NAME,
  ENGINE_TRAPS(X)
#undef X
};
const char *engine_trap_text(enum engine_trap trap);

/* ---- Objects -------------------------------------------------------------------------------------------------- */

/* A linear memory. With guard pages the whole index range (4 GiB + 4 GiB of offset + one guard page) is reserved and
 * `base` never moves; without, compiled code checks `len_bytes` and `base` may move when the memory grows. Memories
 * with 64-bit addresses or pages of one byte have no guard pages.
 *
 * A shared memory belongs to no store: every store that uses it counts, and the last one frees it. Its base never moves,
 * and only len_bytes and page_count change, in this order, after the new pages are there. */
struct engine_memory {
  uint8_t *base;
  _Atomic uint64_t len_bytes, page_count;
  uint64_t max_pages;
  struct module_memory_type type;
  bool guarded;
  bool is_merged; /* shares a mapping with others, which it may not split */
  bool has_image; /* part of it is a mapping of a snapshot's file, which ends where that ends */
  bool is_exposed; /* the embedder was given its address since it was bound or restored, for whatever thread */
  size_t reserved_bytes;
  struct engine_store *store;    /* NULL: shared */
  struct engine_shared *shared;  /* NULL: not shared */
  struct base_budget *budget;    /* retained by a shared one */
  struct engine_memory *next;    /* in the store's list */
};

/* References are 64-bit, see gc.h; 0 is null. */
struct engine_table {
  uint64_t *elems;
  uint64_t count, max_count, capacity;
  bool is_traced; /* elements are references that the collector follows */
  struct module_table_type type;
  struct engine_store *store;
  struct engine_table *next;
};

struct engine_global {
  uint64_t value[2]; /* i32 zero-extended; f32 in the low half; v128 takes both */
};
/* A global as it is passed between instances: the cell and its type. */
struct engine_global_ref { struct engine_global *cell; struct module_global_type type; };

struct engine_call {
  struct engine_thread *thread;
  struct engine_instance *caller; /* whose memory a surface works on; NULL when called by the host */
  struct engine_function *function;
  void *env;
};
/* A function of the host. Arguments are in slots[0..]; results go to slots[0..], i32 zero-extended. A trap other than
 * NONE ends the guest's call: EXIT with thread->exit_code set, HOST with thread->host_error set, LIMIT with thread->limit
 * set, EXCEPTION with thread->exception set, which any engine_call in between has reset. */
typedef enum engine_trap (*engine_host_function)(struct engine_call *call, uint64_t *slots);

struct engine_function {
  struct engine_instance *instance; /* NULL: a host function */
  const struct module_func_type *type;
  const struct engine_type *def;    /* equal in one engine exactly when the types are equal */
  uint32_t index;                   /* in the instance's module */
  uint32_t entry;                   /* index in instance->entries; 0 for a host function */
  engine_host_function host;
  void *env;
  bool on_host_stack;               /* embedder functions: run on the caller's own stack, not on the guest's */
  const char *host_module, *host_name; /* for backtraces and --trace; NULL for anonymous ones */
};

/* An exception's tag; two tags are the same exactly when they are the same object. */
struct engine_tag {
  const struct engine_type *type;      /* of functions without results */
  const struct engine_type *exception; /* of the objects that are thrown with it: kind EXCEPTION */
  struct engine_store *store;
};

struct engine_extern {
  enum module_extern_kind kind;
  union {
    struct engine_function *func;
    struct engine_table *table;
    struct engine_memory *memory;
    struct engine_global_ref global;
    struct engine_tag *tag;
  };
};

/* An instance. The first fields are what compiled code reads. */
struct engine_instance {
  struct engine_memory *memory0;      /* memory 0; an empty memory when there is none, so never NULL */
  struct engine_thread *thread;
  const void *const *entries;         /* the tier's code entry of each defined function (index minus imported count) */
  struct engine_function **functions; /* whole index space; own ones point into own_functions */
  struct engine_table **tables;
  struct engine_memory **memories;
  struct engine_global_ref *globals;  /* whole index space; own ones point into own_globals */
  const struct engine_type *const *types; /* the engine's, by the module's type index */
  struct engine_tag **tags;           /* whole index space */

  struct engine_store *store;
  struct module *module;
  struct engine_memory *host_memory;  /* what surfaces work on: the export "memory", else memory 0; never NULL */
  const struct engine_tier *tier;
  void *code;                         /* the tier's, shared by instances of the module in the engine */
  const void *const *interp_entries;  /* the same two of the interpreter: where that is not the tier itself but runs */
  void *interp_code;                  /* functions for it, the tier sets them before it does */
  struct engine_function *own_functions; /* one per defined function */
  uint8_t *elems_dropped, *datas_dropped; /* bit sets; active segments are dropped after instantiation */
  uint64_t **elem_items;              /* evaluated element segments, NULL until first needed */
  const char *name;                   /* for messages; owned by the store */
  void *host_data;                    /* the embedder's */
  struct engine_instance *next;
  struct engine_global own_globals[]; /* at a fixed offset, so that code can address them directly */
};

/* ---- Stacks, activations, threads ------------------------------------------------------------------------------- */

/* Value stack and native stack, mapped together, each with guard pages; a pair belongs to a call, not an instance. This
 * lies in the mapping itself. */
struct engine_stack {
  uint64_t *values, *values_end;      /* grows upwards */
  uint8_t *native_low, *native_high;  /* grows downwards */
  unsigned native_factor;             /* engine_tier.native_factor, at least 1 */
  size_t shape;                       /* engine_stack_shape */
  void *mapping;
  size_t mapped_bytes;
  struct engine_stack *next;          /* among those that a host thread keeps */
};

/* One entry into guest code, linked on the native stack. Tiers keep `site`, `fp` and `instance` current whenever
 * control leaves guest code (host call, nested call, trap), so that frames can be walked at any such moment. */
struct engine_activation {
  struct engine_activation *previous; /* NULL: nothing else is on the guest's stacks */
  struct engine_function *function;   /* that was entered */
  struct engine_instance *instance;
  const void *site;                   /* the tier's position in the innermost frame; NULL: none yet, or no longer */
  uint64_t *fp;                       /* frame pointer of the innermost frame */
  uint64_t *base_fp;                  /* frame pointer of the first frame: its arguments and results */
  void *native_sp;                    /* stack pointer to restore when a fault ends the activation */
  bool looks_after;                   /* the tier's: when it ends, the thread looks again (engine_look) */
  const void *crossing;               /* the tier's: where code of one kind has last called code of another; NULL: nowhere */
};

struct engine_raw_frame { struct engine_instance *instance; const void *site; uint64_t *fp;
                          uint32_t func; /* UINT32_MAX: not known */
                          struct engine_function *host; /* not NULL: a host function's frame */ };
#define ENGINE_BACKTRACE_FRAMES 64 /* the innermost 48 and outermost 16 are kept */

struct engine_thread {
  _Atomic(uint64_t *) stack_limit;    /* a frame may not reach past it; NULL: interrupted, or the tier shall look */
  uint32_t ticks, tick_interval;      /* the tier's, of code that counts calls and rounds of loops: what it has left when it */
  uint64_t ticked_ns;                 /* begins; what it got last, and when */
  uint64_t *value_limit;              /* what it is otherwise: engine_thread_limit */
  struct engine_activation *top;
  struct engine_stack *stack;         /* current pair; NULL outside guest calls */
  uint64_t *value_top;                /* first free slot of the value stack when the host runs */
  void *host_sp;                      /* host stack pointer at the outermost entry, for on_host_stack functions */
  struct engine_store *store;
  int64_t fuel;                       /* what code with fuel has left before it asks for more; taken from the budget */
  atomic_bool interrupted, looks;
  bool has_signals;                   /* the engine's */
  _Atomic int host_thread;            /* the system's number of the thread that called last: interruptions are sent there */
  _Atomic uint32_t wait_word;         /* changes when a thread that waits in a memory shall look again */

  /* What the last trap left; valid until the next engine_call of this store. */
  enum engine_trap trap;
  uint32_t exit_code;
  enum base_limit limit;
  struct cay_error host_error;
  uint64_t exception;                 /* reference to a struct engine_exception */
  struct engine_raw_frame backtrace[ENGINE_BACKTRACE_FRAMES];
  uint32_t backtrace_count;
  uint64_t backtrace_total;           /* frames that there were */
};

/* For tiers: makes the running frame visible to backtraces and to whatever is called. Returns the activation. */
static inline struct engine_activation *engine_publish(struct engine_instance *inst, const void *site, uint64_t *fp) {
  struct engine_activation *activation = inst->thread->top;
  activation->site = site;
  activation->fp = fp;
  activation->instance = inst;
  return activation;
}

/* ---- Tiers ----------------------------------------------------------------------------------------------------- */

/* Where a frame stands. */
struct engine_location {
  uint32_t func;                /* index in the module */
  const void *caller_site;      /* NULL when this is the activation's first frame */
  uint64_t *caller_fp;
  const void *crossing;         /* in, of the frame, and out, of the caller: of the first one it is the activation's */
};

struct engine_keeper;
struct engine_code_options {
  const struct engine_keeper *keeper; /* NULL: what is made is kept by nobody */
  bool explicit_bounds;
  bool deterministic_relaxed_simd;
  bool exact_locals;
  bool canonical_nans;
  bool fuel; /* charges engine_thread.fuel; where that would be negative: engine_fuel_more */
  const atomic_bool *interrupted; /* while the code object is made: true means that it is enough; NULL: nobody says so */
};

/* What became of a code object's functions, for people. */
enum { ENGINE_CODE_REASONS = 8 };
struct engine_code_stats {
  uint32_t compiled, optimized; /* functions: with code that was made here in no time; that was made with time */
  uint32_t moves;               /* of frames that ran, to optimized code */
  uint64_t compile_ns;          /* that the guest's threads have waited for code */
  bool has_wanted, has_asked;   /* optimized code; another process for it, which may have been none there */
  const struct cay_error *ended; /* why that has not answered for all; NULL: it has */
  const char *kept_where;       /* where optimized code was kept; NULL: nowhere */
  bool is_part;                 /* which was not for all functions */
  struct {
    const char *why; /* NULL: no more */
    uint32_t functions;
  } left[ENGINE_CODE_REASONS]; /* that are not optimized */
};

/* Who keeps code that a tier has made, for later processes. `begin` is called once for each code object, the others with what it has
 * returned, one at a time; different code objects may be in different threads. */
struct tiers_kept;
struct tiers_answer;
struct engine_keeper {
  /* Code of the module is wanted. `*kept`: what there is of it, borrowed until `end`, or NULL. Returns NULL when nothing is kept. */
  void *(*begin)(const struct engine_keeper *keeper, const struct module *module, const struct engine_code_options *options,
                 const struct tiers_kept **kept);
  void (*take)(void *keeping, const struct tiers_answer *answer); /* more of it was made */
  void (*end)(void *keeping);                                     /* the code object goes */
};

/* A piece of a function's machine code, before it has a place in memory. */
struct engine_code_piece {
  uint32_t offset;   /* of the wasm instruction that it belongs to, in the module's bytes; 0: to none */
  uint32_t position; /* of the bytes in the function's code */
  const uint8_t *bytes;
  size_t len_bytes;
  bool is_data;
};

typedef bool (*engine_progress)(void *env, uint32_t done, uint32_t all); /* false: stop, which is no error */

/* A way of executing functions. All members are required, except where NULL means something. */
enum engine_start { ENGINE_STARTED, ENGINE_START_BUSY, ENGINE_START_REFUSED };
struct engine_tier {
  const char *name;
  /* Makes the code object of a module: entries of all defined functions, translated on first call. */
  enum cay_status (*code_new)(struct module *module, const struct engine_code_options *options, void **code,
                              const void *const **entries, struct cay_error *error);
  void (*code_free)(void *code);
  /* Before the process gives up rights: gets what making code takes. NULL: nothing is. */
  void (*prepare)(void);
  /* No code object will be made soon: gives back what that takes and running code does not. NULL: nothing is. */
  void (*settle)(void);
  /* Before the process gives up rights, of a tier that starts a process when there is something to do for it: gets ready to
   * have `start` called instead, from any thread, with what is to be that process's end of a socket. It does not wait: when it
   * answers BUSY it is called again later, else not. False: it is not to be had, and the tier goes without. NULL, both: no such tier. */
  bool (*delegate)(enum engine_start (*start)(void *env, int socket), void *env);
  /* What that comes to, in a process that has kept its rights: starts the tier's process. `*process` is its id. */
  bool (*start_for)(int socket, int *process);
  /* Runs `function` of `instance` of a struct engine_activation; arguments are at its base_fp, results come back there. Called on the
   * guest stack with the activation linked. Returns the trap, already reported by engine_trap_raise, or NONE. Where the tier
   * has called engine_go_on_from_guest, activation->site is where to go on, else NULL. */
  int (*invoke)(void *activation);
  /* Fills `out` for a frame: cheap, walks use it for every frame. Never in a signal handler. False: unknown site. */
  bool (*locate)(void *code, const void *site, uint64_t *fp, struct engine_location *out);
  /* The wasm offset in the module's bytes of `site`, which locate found in function `func` with `fp`, where nothing need be
   * any more. May translate the function again, so it is for reporting only. UINT32_MAX when out of memory. */
  uint32_t (*offset_of)(void *code, uint32_t func, const void *site, const uint64_t *fp);
  /* Visits each slot of a frame that holds a traced reference at `site`, which locate found in function `func`. */
  void (*visit_references)(void *code, uint32_t func, const void *site, uint64_t *fp,
                           void (*visit)(void *env, uint64_t reference), void *env);
  /* Called in the SIGSEGV/SIGBUS handler when the fault address lies in a guarded memory of the store of the running
   * thread, or in the guard of its native stack: if the machine context's program counter is in this tier's code,
   * updates `activation` (site, fp, instance) and changes the context (engine_arch.h) so that execution goes on, with
   * the stack pointer at a place that was valid before, at the tier's out-of-bounds trap. That raises MEMORY_BOUNDS and
   * goes on with what engine_trap_raise returns, which is STACK_EXHAUSTED when it was the stack. NULL: this tier's code
   * never relies on guard pages, so no memory gets any. */
  bool (*fault)(struct engine_activation *activation, void *machine_context);
  /* Called in the handler of the signal by which a running thread is interrupted: if the program counter is in code of this
   * tier that does not look at stack_limit, changes activation and context as `fault` does, and execution goes on at the
   * trap INTERRUPTED. False: the program counter is not in code that the tier has made; whatever runs may return to such
   * code. NULL: all of the tier's code looks at stack_limit where it loops, and no signal is needed. */
  bool (*interrupt)(struct engine_activation *activation, void *machine_context);
  /* Bytes of memory the translated code takes, for tests of the memory bar; translates everything when `all`. */
  size_t (*code_bytes)(void *code, bool all);
  /* Translates every function now, in at most `threads` threads. `progress` (may be NULL) is called now and then, in the
   * calling thread. CAY_ERROR_MEMORY: some are left to their first call. */
  enum cay_status (*translate_all)(void *code, unsigned threads, engine_progress progress, void *env,
                                   struct cay_error *error);
  /* For people: makes the machine code of function `func` anew and hands it out in pieces, in the order of their
   * positions. CAY_ERROR_UNSUPPORTED: this function runs in another tier. NULL: there is no machine code. */
  enum cay_status (*list)(void *code, uint32_t func, void (*piece)(void *env, const struct engine_code_piece *piece),
                          void *env, struct cay_error *error);
  /* For people: what became of the code object's functions. NULL: nothing but the usual. */
  void (*report)(void *code, struct base_text *out);
  /* The same in numbers. NULL: there are none. */
  void (*count)(void *code, struct engine_code_stats *out);
  /* How many times as large as the stack of values the native stack is; 0: as large. */
  unsigned native_factor;
};

/* Called by a tier (or the engine) where a trap starts: records trap and backtrace in the thread; returns the trap
 * that it recorded: `trap`, or what the fault handler knows better.
 * The activation's site, fp and instance are current. */
BASE_COLD enum engine_trap engine_trap_raise(struct engine_thread *thread, enum engine_trap trap);

/* Runs a host function or a function of another instance from inside guest code; arguments and results at `slots`,
 * which is at or above every live slot of the running frame. The caller's activation is current. */
enum engine_trap engine_call_from_guest(struct engine_thread *thread, struct engine_function *function,
                                        uint64_t *slots);

/* As a call of `function`, which is the tier's, but of one that runs already: its frame is at `fp`, and it goes on at the
 * tier's position `site` in an activation of its own. Results at `fp`. The running activation is that of the caller. */
enum engine_trap engine_go_on_from_guest(struct engine_thread *thread, struct engine_function *function, uint64_t *fp,
                                         const void *site);
/* Whether there is room for it on the native stack. */
bool engine_can_nest(const struct engine_thread *thread);

/* Makes the guest that runs in the store, if one does, come to its tier at its next call or loop head, as an interruption
 * would; there it looks for what else has changed. From any thread. */
void engine_look(struct engine_store *store);
/* For the tier, where the stack limit is missing: it is there again, and what was written before engine_look can be seen.
 * False: this is an interruption. */
bool engine_thread_looks(struct engine_thread *thread);

/* Frames may reach up to `limit` of the value stack from now on. For tiers whose frames take native stack as well: they
 * lower it while their activation runs when the native stack would end first. */
void engine_thread_limit(struct engine_thread *thread, uint64_t *limit);

/* For tiers, where the thread's fuel has become negative by what was charged: it is paid for, and there may be more. False:
 * the budget is used up; the trap is LIMIT. */
bool engine_fuel_more(struct engine_thread *thread);
/* What work on `count` units of 1 << log2 bytes each is charged. */
static inline int64_t engine_fuel_of_bytes(uint64_t count, uint32_t log2) {
  const uint64_t most = UINT64_C(1) << 62;
  uint64_t bytes = count > most >> log2 ? most : count << log2;
  return (int64_t)(bytes / 16);
}

/* ---- Engine and store --------------------------------------------------------------------------------------------- */

enum { ENGINE_STACK_BYTES = 16 * 1024 * 1024 };
struct engine_options {
  const struct engine_tier *tier;
  size_t stack_bytes;       /* value stack and native stack, each; ENGINE_STACK_BYTES when 0 */
  bool explicit_bounds;     /* never use guard pages */
  bool deterministic_relaxed_simd; /* relaxed vector instructions: as the deterministic profile, not the fastest way */
  bool exact_locals; /* locals are in their frames at any moment, also after a trap, for those who read frames; slower */
  bool canonical_nans; /* a NaN that arithmetic makes is the canonical one, with its sign positive, on every machine */
  bool fuel; /* instructions are counted, and taken from BASE_LIMIT_FUEL of the store's budget */
  const struct engine_keeper *keeper; /* of code; has to live as long as the engine; NULL: none */
};
enum cay_status engine_new(const struct engine_options *options, struct engine **out, struct cay_error *error);
void engine_free(struct engine *engine);

/* Of a store; 0 means no limit beyond the specification's. */
enum { ENGINE_TABLE_ELEMENTS = 10000000 };
struct engine_limits {
  struct base_budget *budget; /* retained; its MEMORY counts the lengths of memories (touched or not), tables, objects,
                                 its FUEL what code with fuel charges */
  uint64_t table_elements;  /* of one table; 0: ENGINE_TABLE_ELEMENTS */
  uint32_t instances, memories, tables;
};
enum cay_status engine_store_new(struct engine *engine, const struct engine_limits *limits,
                                 struct engine_store **out, struct cay_error *error);
/* A store for another thread of the same guest: it has the engine, the limits and the budget of `with`, which may end
 * before it. Counts (instances, memories, tables) are for each store. */
enum cay_status engine_store_new_beside(const struct engine_store *with, struct engine_store **out,
                                        struct cay_error *error);
void engine_store_free(struct engine_store *store);
struct engine_thread *engine_store_thread(struct engine_store *store);
/* The newest one; `next` leads to the others. */
const struct engine_instance *engine_store_instances(const struct engine_store *store);
/* Makes the guest stack that the store's next call needs, so that the call does not fail for want of it; false: no memory. */
bool engine_store_reserve_stack(struct engine_store *store);
/* Stack that a host thread needs for calls of the guest, beyond what other code on it needs. */
size_t engine_host_stack_bytes(const struct engine_store *store);
/* Asks the guest running in the store to stop with ENGINE_TRAP_INTERRUPTED; async-signal-safe. `wake` (below) is
 * called so that a blocking host call returns. engine_interrupt_clear withdraws it. */
void engine_interrupt(struct engine_store *store);
void engine_interrupt_clear(struct engine_store *store);
void engine_store_set_wake(struct engine_store *store, void (*wake)(void *env), void *env);
/* A trap of the guest stopped by a wish, not a fault: sets exit_code and returns ENGINE_TRAP_EXIT. */
enum engine_trap engine_exit(struct engine_thread *thread, uint32_t exit_code);
/* A trap of the guest that has used a limit up: notes it in thread and budget and returns ENGINE_TRAP_LIMIT. */
enum engine_trap engine_limit_reached(struct engine_thread *thread, enum base_limit limit);

/* ---- Making objects -------------------------------------------------------------------------------------------------- */

enum cay_status engine_function_new(struct engine_store *store, const struct module_func_type *type,
                                    engine_host_function host, void *env, const char *module_name, const char *name,
                                    struct engine_function **out, struct cay_error *error); /* type and names copied */
/* A host function of exactly the type and with the names of a module's import, which is one of a function. Its type may
 * name other types; what the host returns has to be of them. */
enum cay_status engine_function_for_import(struct engine_store *store, struct module *module, uint32_t index,
                                           engine_host_function host, void *env, struct engine_function **out,
                                           struct cay_error *error);
/* A shared one may be given to the instances of other stores, as long as one that uses it exists. */
enum cay_status engine_memory_new(struct engine_store *store, const struct module_memory_type *type,
                                  struct engine_memory **out, struct cay_error *error);
/* A type of functions whose parameters, without a type index among them, are the exception's values. */
enum cay_status engine_tag_new(struct engine_store *store, const struct module_func_type *type, struct engine_tag **out,
                               struct cay_error *error);
/* The types of tables and globals that are passed between instances are the engine's: a type index in them is an
 * engine_type's id. */
enum cay_status engine_table_new(struct engine_store *store, const struct module_table_type *type, uint64_t init,
                                 struct engine_table **out, struct cay_error *error);
enum cay_status engine_global_new(struct engine_store *store, const struct module_global_type *type,
                                  const uint64_t value[2], struct engine_global_ref *out, struct cay_error *error);

/* Checks imports, allocates, runs element and data segments and the start function. `imports` has one entry per
 * import, in order. On a trap in segments or start: CAY_ERROR_TRAP, thread->trap tells which. A failed instance stays
 * in the store when something can already refer to it (specification: tables keep its functions). */
enum cay_status engine_instantiate(struct engine_store *store, struct module *module,
                                   const struct engine_extern *imports, const char *name,
                                   struct engine_instance **out, struct cay_error *error);
/* The two halves of it: everything but the start function, and the start function. */
enum cay_status engine_instance_new(struct engine_store *store, struct module *module,
                                    const struct engine_extern *imports, const char *name,
                                    struct engine_instance **out, struct cay_error *error);
enum cay_status engine_instance_start(struct engine_instance *instance, struct cay_error *error);
/* Whether `value` may be given for import `index`; a message that says both types when not. */
enum cay_status engine_import_check(struct engine_store *store, struct module *module, uint32_t index,
                                    const struct engine_extern *value, struct cay_error *error);
/* False when there is no such export. */
bool engine_export(struct engine_instance *instance, const char *name, size_t len_bytes, struct engine_extern *out);

/* A set of named externs that imports are looked up in. */
struct engine_linker;
enum cay_status engine_linker_new(struct engine_store *store, struct engine_linker **out, struct cay_error *error);
void engine_linker_free(struct engine_linker *linker);
/* Names are copied; a later definition of the same name replaces the earlier. */
enum cay_status engine_linker_define(struct engine_linker *linker, const char *module, size_t module_len_bytes,
                                     const char *name, size_t name_len_bytes, struct engine_extern value,
                                     struct cay_error *error);
enum cay_status engine_linker_define_instance(struct engine_linker *linker, const char *module,
                                              size_t module_len_bytes, struct engine_instance *instance,
                                              struct cay_error *error);
bool engine_linker_find(const struct engine_linker *linker, struct module_name module, struct module_name name,
                        struct engine_extern *out);
/* Looks every import up and instantiates. An unknown import: CAY_ERROR_LINK with "module" "name", its type, and what
 * usually provides it. */
enum cay_status engine_linker_instantiate(struct engine_linker *linker, struct module *module, const char *name,
                                          struct engine_instance **out, struct cay_error *error);

/* The same without running the start function, as engine_instance_new. */
enum cay_status engine_linker_instance_new(struct engine_linker *linker, struct module *module, const char *name,
                                           struct engine_instance **out, struct cay_error *error);

/* ---- Snapshots (snapshot.c) ------------------------------------------------------------------------------------------ */

struct engine_snapshot;
/* What the instances of a store, in which nothing runs, hold now. UNSUPPORTED: with shared memories, and while objects of the
 * guest exist. */
enum cay_status engine_snapshot_take(struct engine_store *store, struct engine_snapshot **out, struct cay_error *error);
void engine_snapshot_free(struct engine_snapshot *snapshot); /* NULL allowed; after the stores that are bound to it */
/* Makes a store what the snapshot's was: one in which engine_instance_new was called for the same modules, with the same kinds of
 * imports, in the same order, or the snapshot's own. MEMORY: the store is good for nothing but to be freed. */
enum cay_status engine_snapshot_bind(const struct engine_snapshot *snapshot, struct engine_store *store,
                                     struct cay_error *error);
/* Makes a bound store, in which nothing runs, that once more. False: as MEMORY above. */
bool engine_store_restore(struct engine_store *store);
/* Of a bound store. Restoring it costs less when one thread uses it: before that thread may have written anything, it
 * begins, and before each call enters. */
void engine_store_use_begin(struct engine_store *store);
void engine_store_use_enter(struct engine_store *store);

/* ---- Calls ------------------------------------------------------------------------------------------------------------ */

/* Calls `function` from the host (also from inside a host function). `slots` holds the arguments and receives the
 * results; it has room for max(param_slots, result_slots). Of arguments of 32 bits the low halves
 * count. Returns NONE or the trap; see thread fields. */
enum engine_trap engine_call(struct engine_store *store, struct engine_function *function, uint64_t *slots);

/* ---- Operations shared by tiers and API -------------------------------------------------------------------------------- */

/* Old size, or UINT64_MAX when it cannot grow. New pages are zero. */
uint64_t engine_memory_grow(struct engine_memory *memory, uint64_t delta_pages);
/* memory.atomic.wait32 and wait64 (`bytes` 4 or 8): blocks the calling thread until engine_memory_notify, the timeout
 * (negative: none) or an interruption (the trap INTERRUPTED). `*result`: 0 woken, 1 the value is not `expected`, 2 the
 * time is over. Traps: UNALIGNED_ATOMIC, MEMORY_BOUNDS, NOT_SHARED. The address is `at` + `offset`. */
enum engine_trap engine_memory_wait(struct engine_thread *thread, struct engine_memory *memory, uint64_t at,
                                    uint64_t offset, unsigned bytes, uint64_t expected, int64_t timeout_ns,
                                    uint32_t *result);
/* memory.atomic.notify: wakes at most `count` threads that wait at the address, the longest waiting first; how many. */
enum engine_trap engine_memory_notify(struct engine_memory *memory, uint64_t at, uint64_t offset, uint32_t count,
                                      uint32_t *woken);
uint64_t engine_table_grow(struct engine_table *table, uint64_t delta, uint64_t value);
/* These two end with INTERRUPTED, half done, when the store of a large memory that is not shared is interrupted. */
enum engine_trap engine_memory_fill(struct engine_memory *memory, uint64_t at, uint32_t value, uint64_t count);
enum engine_trap engine_memory_copy(struct engine_memory *to, uint64_t to_at, struct engine_memory *from,
                                    uint64_t from_at, uint64_t count);
enum engine_trap engine_memory_init(struct engine_instance *instance, uint32_t memory, uint32_t data, uint64_t at,
                                    uint64_t from_at, uint64_t count);
void engine_data_drop(struct engine_instance *instance, uint32_t data);
enum engine_trap engine_table_fill(struct engine_table *table, uint64_t at, uint64_t value, uint64_t count);
enum engine_trap engine_table_copy(struct engine_table *to, uint64_t to_at, struct engine_table *from,
                                   uint64_t from_at, uint64_t count);
enum engine_trap engine_table_init(struct engine_instance *instance, uint32_t table, uint32_t elem, uint64_t at,
                                   uint64_t from_at, uint64_t count);
void engine_elem_drop(struct engine_instance *instance, uint32_t elem);

/* The host address of `count` bytes at `at`, or NULL when they are not all inside. Valid until guest code runs; in a
 * shared memory always, but other threads may change the bytes at any moment. */
static inline uint8_t *engine_memory_range(const struct engine_memory *memory, uint64_t at, uint64_t count) {
  uint64_t len_bytes = atomic_load_explicit(&memory->len_bytes, memory_order_relaxed);
  return at <= len_bytes && count <= len_bytes - at ? memory->base + at : NULL;
}

/* ---- Objects of the guest ------------------------------------------------------------------------------------------------ */

/* Objects live in the store's heap (heap.h) as long as something refers to them: globals, tables, element segments,
 * frames of the guest, arguments of running host functions, the last exception, and the spans below.
 *
 * A span keeps alive what its slots refer to, whatever else they hold. Spans nest; the owner keeps the memory. */
struct engine_root_span {
  const uint64_t *slots;
  size_t count;
  struct engine_root_span *previous;
};
void engine_roots_push(struct engine_store *store, struct engine_root_span *span);
void engine_roots_pop(struct engine_store *store, struct engine_root_span *span); /* the newest */

/* Collects now, and calls `visit` with each number of the host's that the guest can still reach, more than once perhaps, and
 * with others: slots of which it is not known what they hold may look like one. False: no memory, and nothing happened. */
typedef void (*engine_host_visit)(void *env, uint64_t number);
bool engine_collect(struct engine_store *store, engine_host_visit visit, void *env);

/* Whether references of a value type in the engine's terms, as tables and globals have it, are not of functions. */
bool engine_type_is_traced(struct engine_store *store, module_type type);
/* Whether a reference belongs to a heap type of the instance's module; it is of functions exactly if the type is. */
bool engine_ref_matches(const struct engine_instance *instance, uint64_t reference, module_type type);

/* New objects of module type `type`; `*out` is untouched after a trap (HEAP_EXHAUSTED, bounds). All may collect, so the
 * caller's frame or a span refers to what it still needs. `slots` are operands as the instructions take them. */
enum engine_trap engine_struct_new(struct engine_instance *instance, uint32_t type, const uint64_t *slots,
                                   uint64_t *out); /* slots NULL: defaults */
enum engine_trap engine_array_new(struct engine_instance *instance, uint32_t type, uint32_t length,
                                  const uint64_t *value, uint64_t *out); /* value NULL: default */
enum engine_trap engine_array_new_fixed(struct engine_instance *instance, uint32_t type, uint32_t length,
                                        const uint64_t *slots, uint64_t *out);
enum engine_trap engine_array_new_data(struct engine_instance *instance, uint32_t type, uint32_t data, uint32_t from_at,
                                       uint32_t length, uint64_t *out);
enum engine_trap engine_array_new_elem(struct engine_instance *instance, uint32_t type, uint32_t elem, uint32_t from_at,
                                       uint32_t length, uint64_t *out);
enum engine_trap engine_array_fill(uint64_t array, uint32_t at, const uint64_t *value, uint32_t count);
enum engine_trap engine_array_copy(uint64_t to, uint32_t to_at, uint64_t from, uint32_t from_at, uint32_t count);
enum engine_trap engine_array_init_data(struct engine_instance *instance, uint64_t array, uint32_t at, uint32_t data,
                                        uint32_t from_at, uint32_t count);
enum engine_trap engine_array_init_elem(struct engine_instance *instance, uint64_t array, uint32_t at, uint32_t elem,
                                        uint32_t from_at, uint32_t count);
/* Makes an exception with the arguments in `slots`; the caller throws it by its tier's means. */
enum engine_trap engine_exception_new(struct engine_store *store, const struct engine_tag *tag, const uint64_t *slots,
                                      uint64_t *out);

/* ---- Backtraces ---------------------------------------------------------------------------------------------------------- */

/* One line of a backtrace, resolved. */
struct engine_frame {
  struct engine_instance *instance; /* NULL for a host frame */
  struct engine_function *host;
  uint32_t func, offset;
};
/* Resolves frame `index` of the thread's last trap (0 is the innermost). False: past the end. */
bool engine_backtrace_frame(struct engine_thread *thread, uint32_t index, struct engine_frame *out);
/* Captures the frames that are running now (from inside a host function), as if they had trapped. */
void engine_backtrace_capture(struct engine_thread *thread);

#endif
