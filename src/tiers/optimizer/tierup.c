/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The tier `auto`: a code object of the baseline whose code counts, and the helper for what is busy.
 *
 * Calls and rounds of loops count down in a register. When it is down, whoever runs comes here: that is a sample, and the
 * function that it finds gets a point. Samples come about as often as a clock would have them, because the register gets what
 * took such a time before. With some points a function is wanted of the helper, which is started by the first that is, and with
 * it what it calls. When the answer is there, calls go to it. A frame that stays in
 * a loop goes on in code that is entered there: at the head of a loop everything is in the frame, so that the two frames are
 * one, and going on is a jump (bridge.c).
 *
 * Rejected: counters in memory, for each function and loop or for the thread. Measured, they take 14 % of the kernels' time
 * and half of fib's; the register nothing. Nor a clock that interrupts: a library has no signals of its own, and a thread would
 * have to know all others that run.
 *
 * Ticks between samples are chosen by chance (the same in each run), lest they beat with what is sampled. */
#include "tiers/baseline/code.h"
#include "tiers/optimizer/optimizer.h"
#include "tiers/tiers.h"

#include <assert.h>

enum {
  PERIOD_NS = 200 * 1000, /* of a processor, between two samples of a thread: what they cost is lost in it */
  POINTS = 5,             /* of one who is busy: that is a millisecond */
  LEAST_TICKS = 64,
  FIRST_TICKS = 4096,
  MOST_TICKS = 1 << 16, /* an interruption has to wait for them, in a loop that calls nothing */
  MOST_LOOPS = 1000,
  LEAST_VOTES = 16,  /* of a call, before it is told what it goes to */
  MOST_LATER = 8192, /* which a socket takes at once */
  REFUSED = UINT8_MAX - 1,
  ASKED,
};

/* For tests: one sample is enough, comes after so many ticks, and waits for the answer; 0: as above. */
static uint32_t hasty = TIERUP_EVERY;

void tiers_auto_hasten(uint32_t every) { hasty = every; }

uint32_t optimizer_least_votes(void) { return hasty ? 1 : LEAST_VOTES; }

/* ---- Samples --------------------------------------------------------------------------------------------------------------- */

static uint32_t draw(struct optimizer_watch *watch) {
  watch->random = watch->random * UINT64_C(6364136223846793005) + 1;
  return (uint32_t)(watch->random >> 33);
}

/* As many ticks as took about a period; where the last ones took another time, not at once. */
static uint32_t next_interval(struct engine_thread *thread) {
  enum { FACTOR = 8 };
  uint64_t now_ns = optimizer_busy_ns(), taken_ns = now_ns - thread->ticked_ns, last = thread->tick_interval;
  thread->ticked_ns = now_ns;
  if (last == 0) return FIRST_TICKS;
  uint64_t next = last * PERIOD_NS / (taken_ns + 1);
  next = next < last / FACTOR ? last / FACTOR : next > last * FACTOR ? last * FACTOR : next;
  return next < LEAST_TICKS ? LEAST_TICKS : next > MOST_TICKS ? MOST_TICKS : (uint32_t)next;
}

static void refill(struct optimizer_watch *watch, struct engine_thread *thread) {
  uint32_t interval = hasty ? hasty : next_interval(thread);
  thread->tick_interval = interval;
  thread->ticks = interval - interval / 4 + draw(watch) % (interval / 2 + 1);
}

/* Another thread that is here already does what there is to do; and a thread that begins has nothing to count yet. */
static bool begin(struct baseline_code *code, struct engine_thread *thread) {
  bool has_counted = thread->tick_interval > 0;
  if (!optimizer_line_trylock()) {
    thread->ticks = thread->tick_interval;
    return false;
  }
  refill(optimizer_watch_of(code), thread);
  if (has_counted) return true;
  optimizer_line_unlock();
  return false;
}

/* Optimized code does not count. So what is left of the program, when the busiest part of it is, may take seconds for as many
 * ticks as that part has taken in a period, and how many ticks it takes for one has to be found out anew. */
static void advance(struct baseline_code *code, struct engine_thread *thread) {
  if (hasty)
    optimizer_line_finish(code);
  else if (optimizer_line_advance(code))
    thread->tick_interval = thread->ticks = LEAST_TICKS;
}

/* Whether the sample makes the function one that is wanted. */
static bool makes_busy(struct baseline_code *code, uint32_t entry) {
  struct optimizer_watch *watch = optimizer_watch_of(code);
  uint8_t *points = &watch->points[entry];
  if (watch->is_over || *points >= REFUSED) return false;
  baseline_poll_calls(code, entry);
  return ++*points >= (hasty ? 1 : POINTS);
}

static void want(struct optimizer_watch *watch, uint32_t entry, uint32_t label) {
  struct wire_item *item = watch->wanted.count < WIRE_MOST_ITEMS ? BASE_VEC_PUSH(&watch->wanted) : NULL;
  if (item) *item = (struct wire_item){entry, label};
  watch->has_wanted = true;
}

static void at_call(struct baseline_code *code, struct engine_thread *thread, uint32_t entry) {
  if (!begin(code, thread)) return;
  struct optimizer_watch *watch = optimizer_watch_of(code);
  if (makes_busy(code, entry)) {
    watch->points[entry] = ASKED;
    want(watch, entry, WIRE_NO_LABEL);
  }
  advance(code, thread);
  optimizer_line_unlock();
}

static struct optimizer_loop *find_loop(struct optimizer_watch *watch, const void *site) {
  for (size_t i = 0; i < watch->loops.count; i++)
    if (watch->loops.items[i].site == site) return &watch->loops.items[i];
  return NULL;
}

/* Points are the function's, but a loop is wanted even where the function has been. */
static void sample_loop(struct baseline_code *code, uint32_t entry, const void *site) {
  struct optimizer_watch *watch = optimizer_watch_of(code);
  bool was_asked = watch->points[entry] == ASKED;
  if (!was_asked && !makes_busy(code, entry)) return;
  uint32_t label = watch->loops.count < MOST_LOOPS ? baseline_label_at(code, site) : WIRE_NO_LABEL;
  struct optimizer_loop *loop = label != WIRE_NO_LABEL ? BASE_VEC_PUSH(&watch->loops) : NULL;
  if (!loop) return;
  *loop = (struct optimizer_loop){entry, label, site, NULL};
  watch->points[entry] = ASKED;
  want(watch, entry, label);
}

static const void *at_loop(struct baseline_code *code, struct engine_thread *thread, uint32_t entry, const void *site) {
  if (!begin(code, thread)) return NULL;
  struct optimizer_watch *watch = optimizer_watch_of(code);
  if (!watch->is_over && !find_loop(watch, site)) sample_loop(code, entry, site);
  advance(code, thread);
  const struct optimizer_loop *loop = find_loop(watch, site);
  const void *there = loop ? loop->code : NULL;
  watch->moves += there != NULL;
  optimizer_line_unlock();
  return there;
}

void optimizer_loop_ready(struct baseline_code *code, uint32_t entry, uint32_t label, const void *where) {
  struct optimizer_watch *watch = optimizer_watch_of(code);
  for (size_t i = 0; i < watch->loops.count; i++) {
    struct optimizer_loop *loop = &watch->loops.items[i];
    if (loop->entry == entry && loop->label == label) loop->code = where;
  }
}

void optimizer_refused(struct baseline_code *code, uint32_t entry) {
  optimizer_watch_of(code)->points[entry] = REFUSED;
}

void optimizer_want_again(struct baseline_code *code, const struct wire_item *items, size_t count) {
  struct optimizer_watch *watch = optimizer_watch_of(code);
  for (size_t i = 0; i < count; i++) {
    uint32_t entry = items[i].entry;
    bool is_answered = atomic_load_explicit(&code->natives[entry], memory_order_relaxed) != NULL;
    if (watch->points[entry] == ASKED && !is_answered) want(watch, entry, items[i].label);
  }
}

/* ---- Code objects ---------------------------------------------------------------------------------------------------------- */

static bool has_had_time(const struct optimizer_watch *watch, uint32_t entry) {
  return watch->points[entry] > 0 && watch->points[entry] < REFUSED;
}

static bool is_only_called(const struct baseline_code *code, uint32_t entry) {
  return optimizer_watch_of(code)->points[entry] == 0 && !atomic_load(&code->natives[entry]) &&
         baseline_is_compiled_locked(code, entry);
}

/* Whether they are so little that a helper makes them by the way: one batch. */
static bool are_few_only_called(const struct baseline_code *code) {
  enum { MOST_BYTES = 64 * 1024 };
  size_t bytes = 0;
  for (uint32_t i = 0; i < code_entry_count(code); i++)
    if (is_only_called(code, i)) bytes += code->module->funcs[code->module->imported_func_count + i].body_bytes;
  return bytes <= MOST_BYTES;
}

/* What had some time, but too little, and in small programs what ran at all: so that the next run has less to find out. A program
 * may end before the helper, which yields to all others, has answered for the first time, and then no function has had time but the
 * busiest. Nobody else has the code object any more. */
static void want_for_later(struct baseline_code *code) {
  struct optimizer_watch *watch = optimizer_watch_of(code);
  bool few = are_few_only_called(code);
  for (uint32_t i = 0; i < code_entry_count(code) && watch->wanted.count < MOST_LATER; i++)
    if (has_had_time(watch, i) || (few && is_only_called(code, i))) want(watch, i, WIRE_NO_LABEL);
  optimizer_line_leave(code);
}

static void watch_free(struct baseline_code *code) {
  struct optimizer_watch *watch = optimizer_watch_of(code);
  optimizer_line_lock();
  if (watch->has_wanted) want_for_later(code);
  optimizer_line_forget(code);
  optimizer_line_unlock();
  base_free(watch->points);
  BASE_VEC_DEINIT(&watch->wanted);
  BASE_VEC_DEINIT(&watch->loops);
  base_free(watch);
}

static struct optimizer_watch *watch_new(const struct baseline_code *code) {
  static _Atomic uint64_t newest;
  struct optimizer_watch *watch = base_alloc_zero(1, sizeof *watch);
  if (!watch) return NULL;
  watch->watch = (struct baseline_watch){.at_call = at_call, .at_loop = at_loop, .free = watch_free};
  watch->number = atomic_fetch_add(&newest, 1) + 1;
  watch->points = base_alloc_zero(code_entry_count(code), 1);
  if (watch->points) return watch;
  base_free(watch);
  return NULL;
}

static enum cay_status take_kept(struct baseline_code *code, const struct tiers_offer *offer,
                                 const struct tiers_kept *kept) {
  return offer ? optimizer_take_offer(code, offer, NULL, NULL) : optimizer_take_kept(code, kept, NULL);
}

/* Code that is kept runs from the first instruction on, and where it is all that can be made, nothing counts. What does not fit
 * is as if there was none. */
static bool begin_code(struct baseline_code *code) {
  const struct tiers_offer *offer = optimizer_offered(code->module);
  const struct tiers_kept *kept = offer ? offer->kept : optimizer_begin_keeping(code);
  if (kept && !kept->is_part && take_kept(code, offer, kept) == CAY_OK) return true;
  struct optimizer_watch *watch = watch_new(code);
  if (!watch) return false;
  code->watch = &watch->watch;
  code->options.counts = true;
  if (kept && kept->is_part) take_kept(code, offer, kept);
  return true;
}

enum cay_status optimizer_auto_new(struct module *module, const struct engine_code_options *options, void **out,
                                   const void *const **entries, struct cay_error *error) {
  enum cay_status status = tiers_baseline.code_new(module, options, out, entries, error);
  if (status) return status;
  struct baseline_code *code = *out;
  if (optimizer_begin(code) && (!code->natives || begin_code(code))) return CAY_OK;
  tiers_baseline.code_free(code);
  return base_error_memory(error);
}
