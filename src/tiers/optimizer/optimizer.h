/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The command's side of the optimizing tier: asking the helper, and reading its answers. docs/optimizer.md has the design.
 * Private to the room `tiers`. */
#ifndef TIERS_OPTIMIZER_OPTIMIZER_H
#define TIERS_OPTIMIZER_OPTIMIZER_H

#include "engine/engine.h"
#include "tiers/baseline/code.h"
#include "tiers/optimizer/wire.h"
#include "tiers/tiers.h"

/* One batch of an answer, checked: pieces and lines lie in the code and ascend, entries exist, and the native pieces stand
 * in front of their adapters, in the same order, and the loops behind both. Arrays are the batch's. */
struct optimizer_batch {
  uint8_t *code;
  size_t code_bytes;
  struct wire_function *functions;
  uint32_t function_count, pair_count; /* pairs: native ones with their adapters */
  struct tables **tables;              /* by function, made when it is installed; NULL: none */
  struct wire_line *lines;
  uint32_t line_count;
  struct wire_inlined *inlined;
  uint32_t inlined_count;
  struct wire_refusal *refusals;
  uint32_t refusal_count;
  struct wire_target *targets; /* that it was made with; anything may stand there */
  uint32_t target_count;
  enum wire_last last;
};

/* What calls have gone to, by ascending offsets: the profile. */
struct optimizer_targets {
  BASE_VEC(struct wire_target) list;
};
/* Adds `more`, which are put in order for it; of two for one call that stays which was there, or not. Beyond WIRE_MOST_TARGETS the
 * last ones are left out. False: no memory. */
bool optimizer_targets_add(struct optimizer_targets *all, struct wire_target *more, size_t count, bool stays);
/* What code that counts has seen so far, at least so many times. False: no memory. */
bool optimizer_targets_seen(struct baseline_code *code, uint32_t least, struct optimizer_targets *out);

/* Reads `count` bytes from where an answer comes from; false: there are no more. */
typedef bool (*optimizer_source)(void *env, void *to, size_t count);

/* Reads the next batch for a module that defines `entry_count` functions. CAY_ERROR_MALFORMED, CAY_ERROR_LIMIT or
 * CAY_ERROR_SYSTEM (the helper ended): nothing after it can be read. Free what was read in any case. */
enum cay_status optimizer_batch_read(optimizer_source source, void *env, uint32_t entry_count, struct optimizer_batch *out,
                                     struct cay_error *error);
void optimizer_batch_free(struct optimizer_batch *batch);
/* Gives it to `take` as the helper sent it. False: `take` has refused it, or CAY_ERROR_MEMORY. */
bool optimizer_batch_hand_out(const struct optimizer_batch *batch, bool (*take)(void *env, const struct tiers_answer *answer),
                              void *env, struct cay_error *error);
/* How many bytes a batch takes that begins so, with what it begins with. */
enum cay_status optimizer_batch_bytes(const struct wire_batch *head, uint32_t entry_count, size_t *out,
                                      struct cay_error *error);

/* Puts a batch into the code object, while it runs or before: from now on its functions are what is called, and its loops what
 * code that counts goes on in. Wherever the batch comes from. False: no memory for code. Takes the batch's lines and what is inlined. */
bool optimizer_install(struct baseline_code *code, struct optimizer_batch *batch);

/* What the collector, and who unwinds, looks for in frames of the function, by the offsets of its instructions in the module
 * (frames.c); to be freed. `*out` NULL: nothing. False: no memory, or its native frame has no room for what it has to tell. */
bool optimizer_tables(struct baseline_code *code, const struct wire_function *function, struct tables **out);

/* Gives the code object its table of native code, `natives`, unless its code is never to be optimized. False: no memory. */
bool optimizer_begin(struct baseline_code *code);

/* Numbers that are equal where code of the one fits the other's structs; and where they are of one build, too. */
uint32_t optimizer_places(void);
uint32_t optimizer_layout(void);

/* The helpers of this process, for all engines: they are started when first asked and serve one module at a time. */
struct optimizer_conversation;
/* Sends the module. Only one conversation is open at a time; others wait. */
struct optimizer_order {
  const uint8_t *bytes; /* the module's */
  size_t len_bytes;
  const struct wire_item *items; /* what is wanted of it */
  uint32_t item_count;           /* 0: all */
  const struct wire_target *targets;
  uint32_t target_count;
  uint64_t features;             /* these as in struct wire_request */
  uint32_t entry_count, flags, level, cpu;
  const atomic_bool *interrupted; /* true ends hearing; NULL: nobody says so */
};
enum cay_status optimizer_ask(const struct optimizer_order *order, struct optimizer_conversation **out,
                              struct cay_error *error);
void optimizer_conversation_linger(struct optimizer_conversation *conversation, unsigned cpu_s); /* as optimizer_linger */
bool optimizer_hear(void *conversation, void *to, size_t count); /* an optimizer_source, of one batch */
void optimizer_turn(struct optimizer_conversation *conversation); /* between two batches */
/* All of it, waiting; false: the other side has ended. */
bool optimizer_tell_to(int socket, const void *bytes, size_t count);
bool optimizer_hear_from(int socket, void *to, size_t count);
/* An optimizer_source; false also when it is interrupted. */
struct optimizer_hearing {
  int socket;
  const atomic_bool *interrupted; /* NULL: nobody does that */
};
bool optimizer_hear_socket(void *hearing, void *to, size_t count);
/* Waits until one of them has something to tell; false: it is interrupted. */
struct pollfd;
bool optimizer_await(struct pollfd *fds, unsigned count, const atomic_bool *interrupted);
/* `is_whole`: the last batch was read, so the helpers can be asked again. */
void optimizer_end(struct optimizer_conversation *conversation, bool is_whole);

/* What tiers_optimized_mix was told. */
uint32_t optimizer_mix(void);

/* enum wire_flags of code that is made of the module with the options for an enum tiers_cpu. */
uint32_t optimizer_flags(const struct module *module, const struct engine_code_options *options, uint32_t cpu);
/* What code is made for that runs here. The helper knows the processor that it runs on itself, and that may be of another kind. */
static inline uint32_t optimizer_own_cpu(void) {
  return tiers_processor_is(TIERS_CPU_X86_64) ? TIERS_CPU_NATIVE : tiers_processor_base;
}
bool optimizer_takes(const struct engine_code_options *options); /* false: what is made with them stays in the baseline */

/* Offers in place of the helper (offer.c). Whether there are any, and the one for the module, or NULL. */
bool optimizer_has_offers(void);
const struct tiers_offer *optimizer_offered(const struct module *module);
void optimizer_offers_settle(void); /* no more will be asked for */
/* Asks the process behind it. */
bool optimizer_accept_offer(const struct tiers_offer *offer);
/* Installs what it answers, where it is for the same options. */
enum cay_status optimizer_take_offer(struct baseline_code *code, const struct tiers_offer *offer,
                                     const atomic_bool *interrupted, struct cay_error *error);

/* What is kept by who keeps code of this process, or NULL; from now on it is told what is made. Not where there are offers. */
const struct tiers_kept *optimizer_begin_keeping(struct baseline_code *code);
enum cay_status optimizer_take_kept(struct baseline_code *code, const struct tiers_kept *kept, struct cay_error *error);
/* Tells it of a batch that the helper has made, before that is installed. */
void optimizer_keep(struct baseline_code *code, const struct optimizer_batch *batch);

/* ---- While the program runs --------------------------------------------------------------------------------------------- */

/* A helper of its own that yields to everything else, and the socket to it (os_helper_posix.c). None of these waits. */
struct optimizer_helper {
  int socket;     /* -1: none */
  pid_t process;  /* 0: another process has started it */
  int process_fd; /* of that; -1: there is none */
};
/* CAY_ERROR_LIMIT: not now. */
enum cay_status optimizer_helper_start(struct optimizer_helper *out, struct cay_error *error);
/* Starts one here, with `word` (NULL: none) as its argument. */
bool optimizer_spawn(char *word, struct optimizer_helper *out);
void optimizer_helper_end(struct optimizer_helper *helper);
void optimizer_helper_forget(struct optimizer_helper *helper); /* in a forked child: it is the parent's */
void optimizer_linger(pid_t helper, unsigned cpu_s); /* it gets at most so much more CPU time */
/* How many bytes went through; 0: not now; negative: it has ended. */
ptrdiff_t optimizer_helper_send(const struct optimizer_helper *helper, const void *bytes, size_t count);
ptrdiff_t optimizer_helper_receive(const struct optimizer_helper *helper, void *to, size_t count);
/* Waits until one of the two would do something. */
void optimizer_helper_wait(const struct optimizer_helper *helper, bool sends);

/* What the calling thread has had of the processors. */
uint64_t optimizer_busy_ns(void);

/* What is asked for while programs run, and the answers (line.c): one line for the process, whose lock the caller holds. A code
 * object has one request under way; what is wanted meanwhile waits. */
void optimizer_line_lock(void);
bool optimizer_line_trylock(void);
void optimizer_line_unlock(void);
/* Does what can be done without waiting: sends, receives, installs. True: there is code now that was not there before. */
bool optimizer_line_advance(struct baseline_code *code);
/* The same until there is nothing to do. */
void optimizer_line_finish(struct baseline_code *code);
/* The code object goes: what it has asked for is not wanted any more. */
void optimizer_line_forget(struct baseline_code *code);
/* Before that: says what it wants for later runs, where somebody keeps what is made. */
void optimizer_line_leave(struct baseline_code *code);

/* What a code object whose code counts knows of its functions (tierup.c). The line's lock guards it. */
struct optimizer_loop {
  uint32_t entry, label;
  const void *site; /* of the poll, by which it was found */
  const void *code; /* where a frame goes on; NULL: nowhere yet */
};
struct optimizer_watch {
  struct baseline_watch watch; /* first */
  uint8_t *points;             /* by entry */
  uint64_t number;             /* of the code object in the process, from 1 on */
  bool has_wanted;             /* anything, at any time */
  bool is_over;                /* nobody answers any more */
  uint64_t random;
  uint32_t moves; /* of frames that ran, for people */
  BASE_VEC(struct wire_item) wanted;
  BASE_VEC(struct optimizer_loop) loops;
};
/* What has been asked for with this label is at `code` now; under the code object's lock as well. */
void optimizer_loop_ready(struct baseline_code *code, uint32_t entry, uint32_t label, const void *loop);
/* The helper does not compile it. */
void optimizer_refused(struct baseline_code *code, uint32_t entry);
uint32_t optimizer_least_votes(void); /* baseline_target.votes, for what is told */
/* Such of them as were asked for and not answered. */
void optimizer_want_again(struct baseline_code *code, const struct wire_item *items, size_t count);
static inline struct optimizer_watch *optimizer_watch_of(const struct baseline_code *code) {
  return (struct optimizer_watch *)(void *)code->watch;
}

#endif
