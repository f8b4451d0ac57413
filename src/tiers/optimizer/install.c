/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The tier `optimized`: a code object of the baseline, whose functions are compiled by the helper before anything runs.
 * What the helper refuses, and everything when there is no helper, stays in the baseline.
 *
 * A batch is copied to the arena as it came, thunks behind it. Then its records are listed, then the tables are stored that
 * calls go through: `natives` for optimized callers, `entries` for all others. Nothing in the code depends on where it is. */
#include "tiers/baseline/code.h"
#include "tiers/optimizer/optimizer.h"
#include "tiers/tiers.h"

#include <assert.h>
#include <stddef.h>

/* Every place that code of the helper knows; and the build, since a helper that was installed while this process ran may mean
 * something else by the same numbers. Kept code is of a build with the same places (tiers_kept_build). */
uint32_t optimizer_places(void) {
  static const uint32_t numbers[] = {
      MODULE_OP_COUNT,
      IR_OP_COUNT,
      BASELINE_HELPER_COUNT,
      offsetof(struct baseline_code, natives),
      offsetof(struct baseline_runtime, raise),
      offsetof(struct baseline_runtime, helpers),
      offsetof(struct engine_instance, own_globals),
      offsetof(struct engine_instance, types),
      offsetof(struct engine_thread, fuel),
      offsetof(struct engine_thread, stack_limit),
      offsetof(struct engine_memory, len_bytes),
      offsetof(struct engine_table, count),
      offsetof(struct engine_function, entry),
      offsetof(struct engine_type, supers),
      offsetof(struct engine_array, length),
      WIRE_REASON_COUNT,
  };
  uint32_t sum = sizeof(struct wire_request) + sizeof(struct wire_batch) + sizeof(struct wire_function) +
                 sizeof(struct wire_inlined);
  for (size_t i = 0; i < BASE_ARRAY_LEN(numbers); i++) sum = sum * 31 + numbers[i];
  return sum;
}

uint32_t optimizer_layout(void) {
  uint8_t build[BASE_SHA256_BYTES];
  tiers_kept_build(build);
  return base_load_u32(build);
}

/* ---- Installing --------------------------------------------------------------------------------------------------------- */

enum { CODE_ALIGNMENT = 64 };

static size_t aligned(size_t value) { return (value + CODE_ALIGNMENT - 1) / CODE_ALIGNMENT * CODE_ALIGNMENT; }

/* Of a batch: one for each pair, then one for each loop. */
static uint32_t thunk_count(const struct optimizer_batch *batch) { return batch->function_count - batch->pair_count; }

/* Where things are in a chunk: the batch's code at `code`, its thunks at `thunks`. */
struct layout {
  size_t code, thunks, end;
};

static void write_code(const struct baseline_code *code, const struct chunk *chunk, const struct layout *at,
                       const struct optimizer_batch *batch) {
  const struct module *module = code->module;
  uint8_t *write = chunk->memory.write;
  memcpy(write + at->code, batch->code, batch->code_bytes);
  for (uint32_t i = 0; i < thunk_count(batch); i++) {
    const struct wire_function *called = &batch->functions[batch->pair_count + i];
    size_t thunk = at->thunks + (size_t)i * baseline_thunk_bytes;
    int64_t distance = (int64_t)(at->code + called->start) - (int64_t)thunk;
    bool boxes = baseline_boxes(module_func_type_of(module, module->imported_func_count + called->entry));
    baseline_arch_thunk(write + thunk, (int32_t)distance, boxes);
  }
}

/* The lines of a piece: those that begin in it. */
static void find_lines(const struct optimizer_batch *batch, struct compiled *record) {
  uint32_t first = 0, end = record->position + record->bytes;
  while (first < batch->line_count && batch->lines[first].position < record->position) first++;
  uint32_t last = first;
  while (last < batch->line_count && batch->lines[last].position < end) last++;
  record->inlined = batch->inlined_count ? batch->inlined : NULL;
  record->lines = batch->lines + first;
  record->line_count = last - first;
}

/* Room for the places is reserved. */
static bool add_place(struct chunk *chunk, size_t offset, const struct compiled *what) {
  struct compiled *record = base_alloc(sizeof *record);
  if (!record) return false;
  *record = *what;
  record->code = chunk->memory.run + offset;
  chunk->places.items[chunk->places.count++] = (struct place){(uint32_t)offset, record};
  return true;
}

static bool add_places(struct chunk *chunk, const struct layout *at, const struct optimizer_batch *batch) {
  for (uint32_t i = 0; i < batch->function_count; i++) {
    const struct wire_function *function = &batch->functions[i];
    struct compiled record = {.entry = function->entry,
                              .bytes = function->bytes,
                              .position = function->start,
                              .slots_at = function->slots_at,
                              .tables = batch->tables[i],
                              .kind = function->kind == WIRE_ADAPTER ? COMPILED_ADAPTER : COMPILED_NATIVE};
    if (record.kind == COMPILED_NATIVE) find_lines(batch, &record);
    if (!add_place(chunk, at->code + function->start, &record)) return false;
    batch->tables[i] = NULL; /* the record's */
  }
  struct compiled thunks = {.kind = COMPILED_THUNKS, .bytes = (uint32_t)(at->end - at->thunks)};
  return add_place(chunk, at->thunks, &thunks);
}

static const void *thunk_of(const struct chunk *chunk, const struct layout *at, uint32_t index) {
  return chunk->memory.run + at->thunks + (size_t)index * baseline_thunk_bytes;
}

static void enter(struct baseline_code *code, const struct chunk *chunk, const struct layout *at,
                  const struct optimizer_batch *batch) {
  for (uint32_t i = 0; i < batch->pair_count; i++) {
    const struct wire_function *native = &batch->functions[i];
    const void *before = atomic_load_explicit(&code->natives[native->entry], memory_order_relaxed);
    atomic_store_explicit(&code->natives[native->entry], (const void *)(chunk->memory.run + at->code + native->start),
                          memory_order_release);
    baseline_enter_locked(code, native->entry, thunk_of(chunk, at, i));
    code->optimized_count += before == NULL;
  }
  for (uint32_t i = batch->pair_count; i < thunk_count(batch); i++) {
    const struct wire_function *loop = &batch->functions[batch->pair_count + i];
    if (code->watch) optimizer_loop_ready(code, loop->entry, loop->label, thunk_of(chunk, at, i));
  }
}

/* False: no memory. Takes the batch's lines and what is inlined. */
static bool take_lines(struct baseline_code *code, struct optimizer_batch *batch) {
  if (!BASE_VEC_RESERVE(&code->lines, code->lines.count + 2)) return false;
  code->lines.items[code->lines.count++] = batch->lines;
  code->lines.items[code->lines.count++] = batch->inlined;
  return true;
}

/* False: no memory; whatever was done by then does no harm. Takes the batch's tables, too. */
static bool install_locked(struct baseline_code *code, struct optimizer_batch *batch) {
  size_t thunk_bytes = (size_t)thunk_count(batch) * baseline_thunk_bytes, offset;
  size_t bytes = CODE_ALIGNMENT + aligned(batch->code_bytes) + thunk_bytes;
  struct chunk *chunk = baseline_room_locked(code, bytes, batch->function_count + 1, &offset);
  if (!chunk || !take_lines(code, batch)) return false;
  struct layout at = {.code = aligned(offset)};
  at.thunks = at.code + aligned(batch->code_bytes);
  at.end = at.thunks + thunk_bytes;
  write_code(code, chunk, &at, batch);
  chunk->used_bytes = at.end;
  bool done = base_code_publish(&chunk->memory, at.code, at.end - at.code) && add_places(chunk, &at, batch);
  if (done) enter(code, chunk, &at, batch);
  batch->lines = NULL;
  batch->inlined = NULL;
  return done;
}

/* Of those whose frames somebody looks into. */
static bool make_tables(struct baseline_code *code, struct optimizer_batch *batch) {
  batch->tables = base_alloc_zero((size_t)batch->function_count + 1, sizeof *batch->tables);
  bool done = batch->tables != NULL;
  for (uint32_t i = 0; done && i < batch->function_count; i++)
    if (batch->functions[i].slots_at) done = optimizer_tables(code, &batch->functions[i], &batch->tables[i]);
  return done;
}

bool optimizer_install(struct baseline_code *code, struct optimizer_batch *batch) {
  bool done = make_tables(code, batch);
  pthread_mutex_lock(&code->lock);
  for (uint32_t i = 0; i < batch->refusal_count; i++) {
    code->refused[batch->refusals[i].reason]++;
    if (code->watch) optimizer_refused(code, batch->refusals[i].entry);
  }
  if (done && batch->function_count > 0) done = install_locked(code, batch);
  pthread_mutex_unlock(&code->lock);
  return done;
}

/* ---- All of a module ------------------------------------------------------------------------------------------------------ */

static enum cay_status hear_batch(struct baseline_code *code, optimizer_source source, void *env, bool *is_last,
                                  struct cay_error *error) {
  struct optimizer_batch batch;
  enum cay_status status = optimizer_batch_read(source, env, code_entry_count(code), &batch, error);
  *is_last = batch.last != WIRE_MORE;
  if (!status && source == optimizer_hear) optimizer_keep(code, &batch);
  if (!status && !optimizer_install(code, &batch)) status = base_error_memory(error);
  optimizer_batch_free(&batch);
  return status;
}

/* All of it: where it is a part of the module, it has answers to several requests. */
static enum cay_status hear_kept(struct baseline_code *code, const struct tiers_kept *kept, struct cay_error *error) {
  struct tiers_kept_reader reader = {.at = kept->answers, .end = kept->answers + kept->answers_bytes};
  enum cay_status status = CAY_OK;
  bool is_last;
  while (!status && reader.at < reader.end) status = hear_batch(code, tiers_kept_take, &reader, &is_last, error);
  return status;
}

/* Why there are no more answers. */
static enum cay_status judge(const atomic_bool *interrupted, enum cay_status status, struct cay_error *error) {
  bool was = status && interrupted && atomic_load_explicit(interrupted, memory_order_relaxed);
  return was ? base_error_set(error, CAY_ERROR_INTERRUPTED, "compiling was interrupted") : status;
}

static enum cay_status ask_helpers(struct baseline_code *code, const atomic_bool *interrupted,
                                   struct cay_error *error) {
  struct optimizer_conversation *conversation;
  uint32_t cpu = optimizer_own_cpu();
  const struct optimizer_order order = {.bytes = code->module->bytes,
                                        .len_bytes = code->module->len_bytes,
                                        .features = code->module->features,
                                        .entry_count = code_entry_count(code),
                                        .flags = optimizer_flags(code->module, &code->made_with, cpu),
                                        .level = TIERS_LEVEL_DEFAULT,
                                        .cpu = cpu,
                                        .interrupted = interrupted};
  enum cay_status status = optimizer_ask(&order, &conversation, error);
  if (status) return status;
  code->has_asked = true;
  for (bool is_last = false; !status && !is_last; optimizer_turn(conversation))
    status = hear_batch(code, optimizer_hear, conversation, &is_last, error);
  optimizer_end(conversation, status == CAY_OK);
  return judge(interrupted, status, error);
}

static enum cay_status hear_other(struct baseline_code *code, const struct tiers_offer *offer,
                                  const atomic_bool *interrupted, struct cay_error *error) {
  struct optimizer_hearing hearing = {offer->socket, interrupted};
  enum cay_status status = CAY_OK;
  if (!optimizer_accept_offer(offer)) return base_error_set(error, CAY_ERROR_SYSTEM, "nobody answers");
  code->has_asked = true;
  for (bool is_last = false; !status && !is_last;)
    status = hear_batch(code, optimizer_hear_socket, &hearing, &is_last, error);
  return judge(interrupted, status, error);
}

enum cay_status optimizer_take_offer(struct baseline_code *code, const struct tiers_offer *offer,
                                     const atomic_bool *interrupted, struct cay_error *error) {
  const struct tiers_kept *kept = offer->kept;
  if (offer->key.flags != optimizer_flags(code->module, &code->made_with, offer->key.cpu) ||
      offer->key.entry_count != code_entry_count(code) || offer->key.features != code->module->features)
    return base_error_set(error, CAY_ERROR_UNSUPPORTED, "the code was made for other options");
  code->kept_where = kept ? kept->where : NULL;
  code->is_part = kept && kept->is_part;
  return kept ? hear_kept(code, kept, error) : hear_other(code, offer, interrupted, error);
}

/* Where another process has made offers, it is the one that keeps. */
const struct tiers_kept *optimizer_begin_keeping(struct baseline_code *code) {
  const struct engine_keeper *keeper = code->made_with.keeper;
  const struct tiers_kept *kept = NULL;
  if (keeper && !optimizer_has_offers()) code->keeping = keeper->begin(keeper, code->module, &code->made_with, &kept);
  return kept;
}

enum cay_status optimizer_take_kept(struct baseline_code *code, const struct tiers_kept *kept,
                                    struct cay_error *error) {
  enum cay_status status = hear_kept(code, kept, error);
  if (status) return status;
  code->kept_where = kept->where;
  code->is_part = kept->is_part;
  return CAY_OK;
}

static bool keep(void *env, const struct tiers_answer *answer) {
  const struct baseline_code *code = env;
  code->made_with.keeper->take(code->keeping, answer);
  return true;
}

void optimizer_keep(struct baseline_code *code, const struct optimizer_batch *batch) {
  if (code->keeping) optimizer_batch_hand_out(batch, keep, code, NULL);
}

static enum cay_status optimize(struct baseline_code *code, const atomic_bool *interrupted, struct cay_error *error) {
  const struct tiers_kept *kept = optimizer_begin_keeping(code);
  if (kept && !kept->is_part && optimizer_take_kept(code, kept, error) == CAY_OK) return CAY_OK;
  if (!optimizer_has_offers()) return ask_helpers(code, interrupted, error);
  const struct tiers_offer *offer = optimizer_offered(code->module);
  return offer ? optimizer_take_offer(code, offer, interrupted, error)
               : base_error_set(error, CAY_ERROR_UNSUPPORTED, "there is no code for it");
}

/* Locals that can be read at any moment are no thing for registers. */
bool optimizer_takes(const struct engine_code_options *options) {
  return baseline_thunk_bytes && !options->exact_locals;
}

bool optimizer_begin(struct baseline_code *code) {
  if (!optimizer_takes(&code->made_with) || code_entry_count(code) == 0) return true;
  code->natives = base_alloc_zero(code_entry_count(code), sizeof *code->natives);
  code->has_segment = tiers_has_segment();
  return code->natives != NULL;
}

enum cay_status optimizer_code_new(struct module *module, const struct engine_code_options *options, void **out,
                                   const void *const **entries, struct cay_error *error) {
  enum cay_status status = tiers_baseline.code_new(module, options, out, entries, error);
  if (status) return status;
  struct baseline_code *code = *out;
  if (!optimizer_begin(code)) {
    tiers_baseline.code_free(code);
    return base_error_memory(error);
  }
  if (!code->natives) return CAY_OK;
  struct cay_error reason; /* what is not optimized runs in the baseline */
  uint64_t begin_ns = base_os_monotonic_ns();
  if (optimize(code, options->interrupted, &reason) != CAY_OK) code->optimizer_ended = reason;
  atomic_fetch_add_explicit(&code->compile_ns, base_os_monotonic_ns() - begin_ns, memory_order_relaxed);
  return CAY_OK;
}

/* ---- Reporting ------------------------------------------------------------------------------------------------------------ */

static const char *const reasons[WIRE_REASON_COUNT] = {
#define X(NAME, text) [WIRE_REASON_##NAME] = text,
    WIRE_REASONS(X)
#undef X
};
static_assert((int)WIRE_REASON_COUNT < (int)ENGINE_CODE_REASONS, "all of them can be counted");

/* What changes while programs run: threads that share the code may be in the middle of it. Why the helper has ended is written
 * once. */
static void count_asked(const struct baseline_code *code, struct engine_code_stats *out) {
  if (code->watch) optimizer_line_lock();
  out->moves = code->watch ? optimizer_watch_of(code)->moves : 0;
  out->has_wanted = code->watch && optimizer_watch_of(code)->has_wanted;
  out->has_asked = code->has_asked;
  out->ended = code->optimizer_ended.status ? &code->optimizer_ended : NULL;
  if (code->watch) optimizer_line_unlock();
}

void optimizer_count(struct baseline_code *code, struct engine_code_stats *out) {
  size_t count = 0;
  count_asked(code, out);
  out->kept_where = code->kept_where;
  out->is_part = code->is_part;
  pthread_mutex_lock(&code->lock);
  out->optimized = code->optimized_count;
  for (uint32_t i = 0; i < WIRE_REASON_COUNT; i++) {
    if (!code->refused[i]) continue;
    out->left[count].why = reasons[i];
    out->left[count++].functions = code->refused[i];
  }
  pthread_mutex_unlock(&code->lock);
}

void optimizer_report(void *object, struct base_text *out) {
  struct baseline_code *code = object;
  struct engine_code_stats stats = {0};
  optimizer_count(code, &stats);
  if (code->watch && !stats.has_wanted && !stats.kept_where) return;
  base_text_format(out, "optimized %u of %u functions", stats.optimized, code_entry_count(code));
  if (code->watch) base_text_format(out, " while it ran, and moved %u times", stats.moves);
  if (stats.kept_where) base_text_format(out, " (kept %s)", stats.kept_where);
  for (size_t i = 0; i < ENGINE_CODE_REASONS && stats.left[i].why; i++)
    base_text_format(out, "; %u not for %s", stats.left[i].functions, stats.left[i].why);
  if (stats.ended) base_text_format(out, "; the rest is not: %s", stats.ended->text);
}
