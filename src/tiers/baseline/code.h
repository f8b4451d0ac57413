/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The code object, for the files that put code into it: baseline.c has its invariants, optimizer/install.c adds what the
 * optimizer has made. */
#ifndef TIERS_BASELINE_CODE_H
#define TIERS_BASELINE_CODE_H

#include <pthread.h>

#include "tiers/baseline/baseline.h"
#include "tiers/optimizer/wire.h"

enum { FUNCTION_ALIGNMENT = 32, LARGEST_CHUNK_BYTES = 1 << 22 };

/* What a piece of code in the arena is. The frames of optimized code are on the native stack, linked by frame pointers: the
 * frame's position is the frame pointer, at which the caller's lies below the return address. */
enum compiled_kind {
  COMPILED_BASELINE,
  COMPILED_NATIVE,  /* optimized, arguments in registers */
  COMPILED_ADAPTER, /* calls the native piece with the arguments that are in a frame */
  COMPILED_THUNKS, /* from the guest's convention to adapters: the callee's frame lies below the caller's frame pointer */
};

struct compiled {
  const uint8_t *code;
  uint32_t entry, bytes, link_slot;
  enum compiled_kind kind;
  const struct wire_line *lines; /* of native pieces: positions in their batch's code */
  const struct wire_inlined *inlined; /* rows that lines name; NULL: none do */
  uint32_t line_count, position; /* position: of the piece there */
  int32_t slots_at;              /* of native pieces, as in struct wire_function */
  struct tables *tables;         /* NULL: none; of native pieces by offset in the module */
  struct baseline_target *targets; /* of code that counts, its own; NULL: none */
  uint32_t target_count;
  uint32_t site_count;
  struct baseline_site sites[];
};

/* A function's place in a chunk. */
struct place {
  uint32_t offset;
  struct compiled *function;
};
struct chunk {
  struct base_code_chunk memory;
  size_t used_bytes;
  BASE_VEC(struct place) places; /* ascending */
};

/* What compiling takes, by one thread at a time. */
struct compiler {
  struct ir_frontend *frontend;
  struct baseline_emitter *emitter;
  struct compiler *next;
};

/* The interpreter for the module, made when it is to run a function for the first time. */
struct beside {
  void *interp;
  const void *compiled[]; /* of functions that it runs: what their entry would be else */
};

struct baseline_code {
  const struct baseline_runtime *runtime; /* first: compiled code reads it */
  _Atomic(const void *) *natives;         /* second, for optimized code: by entry; NULL, or one is: not optimized */
  struct module *module;
  struct baseline_emit_options options;
  struct engine_code_options made_with;
  _Atomic(const void *) *entries;
  pthread_mutex_t lock;
  struct compiler *compilers;    /* that nobody uses now */
  BASE_VEC(struct chunk) chunks; /* ascending addresses */
  uint32_t newest;               /* index of the chunk that is being filled */
  uint64_t pool;                 /* offset in the arena of the stencils' constants */
  const uint8_t *stubs;
  _Atomic(const struct compiled *) last_located;        /* NULL: none */
  _Atomic(struct beside *) beside;                      /* NULL: everything is compiled */
  struct baseline_watch *watch;                         /* NULL: the code does not count */
  BASE_VEC(void *) lines;                               /* arrays of optimized batches: lines, and what is inlined */
  bool has_segment;                                     /* optimized code may reach memory 0 by it */
  uint32_t optimized_count, refused[WIRE_REASON_COUNT]; /* functions, for people */
  _Atomic uint64_t compile_ns;                          /* that threads have waited for code */
  struct cay_error optimizer_ended;                     /* why the helper has not answered for all */
  const char *kept_where;                               /* where the code came from; NULL: it was made now */
  bool is_part, has_asked;                              /* that was for some functions; a helper was asked */
  void *keeping;                                        /* made_with.keeper's; NULL: nothing is kept */
};

/* Who hears from code that counts; threads that share the code may call it at once. */
struct baseline_watch {
  /* The thread's ticks are used up, at a call of function `entry` or in a loop of it, which polls at `site`: it gets more. Where
   * a frame in the loop goes on, in the guest's convention, with everything in its slots; NULL: where it is. */
  void (*at_call)(struct baseline_code *code, struct engine_thread *thread, uint32_t entry);
  const void *(*at_loop)(struct baseline_code *code, struct engine_thread *thread, uint32_t entry, const void *site);
  void (*free)(struct baseline_code *code);
};

static inline uint32_t code_entry_count(const struct baseline_code *code) {
  return code->module->func_count - code->module->imported_func_count;
}

/* engine_tier.code_new of tiers_auto (optimizer/tierup.c), and how it gets its helper. */
enum cay_status optimizer_auto_new(struct module *module, const struct engine_code_options *options, void **out,
                                   const void *const **entries, struct cay_error *error);
bool optimizer_delegate(enum engine_start (*start)(void *env, int socket), void *env);
bool optimizer_start_for(int socket, int *process);
/* Of tiers_optimized: prepare starts the helper, settle ends it (optimizer/). */
void optimizer_prepare(void);
void optimizer_settle(void);
/* "optimized 10 of 12 functions; 2 not for a frame or body too large" */
void optimizer_report(void *code, struct base_text *out);
/* What engine_tier.count tells of optimized code. Takes the line's lock, so that the caller has no code object's. */
void optimizer_count(struct baseline_code *code, struct engine_code_stats *out);
/* engine_tier.code_new of tiers_optimized (optimizer/install.c). */
enum cay_status optimizer_code_new(struct module *module, const struct engine_code_options *options, void **out,
                                   const void *const **entries, struct cay_error *error);
/* A compiler, to be given back after a function of about `code_bytes`. NULL: no memory. */
struct compiler *baseline_compiler_take(struct baseline_code *code);
void baseline_compiler_give(struct baseline_code *code, struct compiler *compiler, size_t code_bytes);
/* Where `bytes` of code may be put, in a chunk that has room for that and for `place_count` more places. NULL: nowhere. */
struct chunk *baseline_room_locked(struct baseline_code *code, size_t bytes, size_t place_count, size_t *offset);
/* Whether the function has been compiled: until then its entry is the stub. */
bool baseline_is_compiled_locked(const struct baseline_code *code, uint32_t entry);
/* `entry` has code now, which is what runs when it is called. */
void baseline_enter_locked(struct baseline_code *code, uint32_t entry, const void *start);

#endif
