/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The baseline tier: code objects, compilation on first call, positions.
 *
 * A code object belongs to a module (and a way of checking bounds) and is shared by its instances. It takes chunks of
 * the code arena. The first begins with the constants that stencils read, and a stub for each defined function, which is
 * its entry before the first call and has it compiled; functions follow in the order in which they were compiled, so
 * that the functions of a chunk are sorted by their addresses, and a position is found by two binary searches. Nothing
 * is made for a function that is never called but its stub and its entry.
 *
 * Compiling needs no lock: each thread that compiles takes a compiler (front-end and emitter) from the object's list.
 * Two threads may compile the same function; the second's result is thrown away. A function's code is copied to its
 * place, then its record is listed, then its entry is stored (release), under the lock.
 *
 * Positions are offsets in a function; those of calls are return addresses. No table maps them back to wasm: offset_of
 * emits the function once more.
 *
 * A function that cannot be compiled, or shall not, has the stub for its entry, and the interpreter's code object beside
 * this one runs it (moves.c has how frames change sides).
 *
 * Invariants
 *  1. Code and its record never move or change once its entry is stored.
 *  2. `lock` guards chunks, compilers, and who runs what. It is taken before the interpreter's own. */
#include "tiers/baseline/code.h"
#include "tiers/baseline/stencil.h"
#include "tiers/interp/beside.h"
#include "tiers/tiers.h"

#include <assert.h>
#include <pthread.h>

enum { POOL_BYTES = (STENCIL_POOL_BYTES + 63) / 64 * 64 };

/* ---- Compilers --------------------------------------------------------------------------------------------------------- */

static void compiler_free(struct compiler *compiler) {
  ir_frontend_free(compiler->frontend);
  baseline_emitter_free(compiler->emitter);
  base_free(compiler);
}

static struct compiler *compiler_new(const struct baseline_code *code) {
  struct compiler *compiler = base_alloc_zero(1, sizeof *compiler);
  if (!compiler) return NULL;
  compiler->frontend = ir_frontend_new(&code->made_with);
  compiler->emitter = baseline_emitter_new();
  if (compiler->frontend && compiler->emitter) return compiler;
  compiler_free(compiler);
  return NULL;
}

struct compiler *baseline_compiler_take(struct baseline_code *code) {
  pthread_mutex_lock(&code->lock);
  struct compiler *compiler = code->compilers;
  if (compiler) code->compilers = compiler->next;
  pthread_mutex_unlock(&code->lock);
  return compiler ? compiler : compiler_new(code);
}

/* One giant function must not leave its working storage behind for the life of the module. */
void baseline_compiler_give(struct baseline_code *code, struct compiler *compiler, size_t code_bytes) {
  enum { KEPT_BYTES = 1 << 20 };
  if (code_bytes > KEPT_BYTES) {
    ir_frontend_trim(compiler->frontend);
    baseline_emitter_trim(compiler->emitter);
  }
  pthread_mutex_lock(&code->lock);
  compiler->next = code->compilers;
  code->compilers = compiler;
  pthread_mutex_unlock(&code->lock);
}

/* ---- Code objects ------------------------------------------------------------------------------------------------------ */

static void record_free(struct compiled *record) {
  base_free(record->targets);
  base_free(record->tables);
  base_free(record);
}

static void code_free(void *object) {
  struct baseline_code *code = object;
  if (!code) return;
  if (code->watch) code->watch->free(code);
  if (code->keeping) code->made_with.keeper->end(code->keeping);
  for (size_t i = 0; i < code->chunks.count; i++) {
    struct chunk *chunk = &code->chunks.items[i];
    for (size_t k = 0; k < chunk->places.count; k++) record_free(chunk->places.items[k].function);
    BASE_VEC_DEINIT(&chunk->places);
    base_code_give(&chunk->memory);
  }
  BASE_VEC_DEINIT(&code->chunks);
  for (struct compiler *compiler = code->compilers, *next; compiler; compiler = next) {
    next = compiler->next;
    compiler_free(compiler);
  }
  struct beside *beside = atomic_load(&code->beside);
  if (beside) tiers_interp.code_free(beside->interp);
  base_free(beside);
  for (size_t i = 0; i < code->lines.count; i++) base_free(code->lines.items[i]);
  BASE_VEC_DEINIT(&code->lines);
  base_free((void *)code->natives);
  base_free((void *)code->entries);
  pthread_mutex_destroy(&code->lock);
  module_release(code->module);
  base_free(code);
}

/* A chunk with room for `bytes`, which becomes the newest. */
static struct chunk *chunk_new(struct baseline_code *code, size_t bytes) {
  size_t all = 0;
  for (size_t i = 0; i < code->chunks.count; i++) all += code->chunks.items[i].memory.bytes;
  size_t wanted = all / 2 < LARGEST_CHUNK_BYTES ? all / 2 : LARGEST_CHUNK_BYTES;
  struct base_code_chunk memory;
  if (!BASE_VEC_RESERVE(&code->chunks, code->chunks.count + 1)) return NULL;
  if (!base_code_take(wanted > bytes ? wanted : bytes, &memory) && !base_code_take(bytes, &memory)) return NULL;
  size_t at = code->chunks.count++;
  struct chunk *chunks = code->chunks.items;
  for (; at > 0 && chunks[at - 1].memory.run > memory.run; at--) chunks[at] = chunks[at - 1];
  chunks[at] = (struct chunk){.memory = memory};
  code->newest = (uint32_t)at;
  return &chunks[at];
}

static size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

/* Where the next function begins. */
static size_t next_offset(const struct chunk *chunk) {
  size_t granule = base_code_granule();
  return round_up(chunk->used_bytes, granule > FUNCTION_ALIGNMENT ? granule : FUNCTION_ALIGNMENT);
}

static bool write_stubs(struct baseline_code *code) {
  uint32_t count = code_entry_count(code);
  size_t bytes = POOL_BYTES + baseline_stub_head_bytes + (size_t)count * baseline_stub_bytes;
  struct chunk *chunk = chunk_new(code, bytes);
  if (!chunk || (uintptr_t)base_code_arena() <= UINT32_MAX)
    return false; /* sites may be offsets in it: baseline_site */
  memcpy(chunk->memory.write, stencil_pool, STENCIL_POOL_BYTES);
  code->pool = (uint64_t)(chunk->memory.run - base_code_arena());
  baseline_arch_stubs(chunk->memory.write + POOL_BYTES, count);
  chunk->used_bytes = bytes;
  const uint8_t *stub = code->stubs = chunk->memory.run + POOL_BYTES + baseline_stub_head_bytes;
  for (uint32_t i = 0; i < count; i++, stub += baseline_stub_bytes) atomic_init(&code->entries[i], stub);
  return base_code_publish(&chunk->memory, 0, bytes);
}

/* ---- Interpreted functions ---------------------------------------------------------------------------------------------- */

static const void *stub_of(const struct baseline_code *code, uint32_t entry) {
  return code->stubs + (size_t)entry * baseline_stub_bytes;
}

const void *baseline_entry(const void *object, uint32_t entry) {
  const struct baseline_code *code = object;
  return atomic_load_explicit(&code->entries[entry], memory_order_acquire);
}

void *baseline_interpreter(const void *object, uint32_t entry) {
  const struct baseline_code *code = object;
  const struct beside *beside = atomic_load_explicit(&code->beside, memory_order_acquire);
  return BASE_UNLIKELY(beside != NULL) && interp_runs(beside->interp, entry) ? beside->interp : NULL;
}

void *baseline_any_interpreter(const void *object) {
  const struct baseline_code *code = object;
  return atomic_load_explicit(&code->beside, memory_order_acquire)->interp;
}

static struct beside *beside_new(struct baseline_code *code) {
  struct beside *beside = base_alloc(sizeof *beside + code_entry_count(code) * sizeof *beside->compiled);
  if (beside && interp_beside_new(code->module, &code->made_with, &baseline_looks, &beside->interp, NULL) == CAY_OK)
    return beside;
  base_free(beside);
  return NULL;
}

/* The stub is the entry of what the interpreter runs, and it runs what has it: neither changes without the other. */
static bool interpret_locked(struct baseline_code *code, uint32_t entry, bool is_interpreted) {
  struct beside *beside = atomic_load_explicit(&code->beside, memory_order_relaxed);
  if (is_interpreted == (baseline_interpreter(code, entry) != NULL)) return true;
  if (!beside && !(beside = beside_new(code))) return false;
  atomic_store_explicit(&code->beside, beside, memory_order_release);
  if (is_interpreted) {
    interp_set_runs(beside->interp, entry, true);
    beside->compiled[entry] = baseline_entry(code, entry);
    atomic_store_explicit(&code->entries[entry], stub_of(code, entry), memory_order_release);
  } else {
    atomic_store_explicit(&code->entries[entry], beside->compiled[entry], memory_order_release);
    interp_set_runs(beside->interp, entry, false);
  }
  return true;
}

enum cay_status tiers_baseline_interpret(void *object, uint32_t func, bool is_interpreted, struct cay_error *error) {
  struct baseline_code *code = object;
  pthread_mutex_lock(&code->lock);
  bool done = interpret_locked(code, func - code->module->imported_func_count, is_interpreted);
  pthread_mutex_unlock(&code->lock);
  return done ? CAY_OK : base_error_memory(error);
}

/* For tests: every so many-th function is interpreted. */
static bool mix(struct baseline_code *code) {
  for (uint32_t i = BASELINE_INTERPRET_EVERY; BASELINE_INTERPRET_EVERY && i <= code_entry_count(code);
       i += BASELINE_INTERPRET_EVERY)
    if (!interpret_locked(code, i - 1, true)) return false;
  return true;
}

/* ---- New ones ----------------------------------------------------------------------------------------------------------- */

static enum cay_status code_new(struct module *module, const struct engine_code_options *options, void **out,
                                const void *const **entries, struct cay_error *error) {
  struct baseline_code *code = base_alloc_zero(1, sizeof *code);
  if (!code) return base_error_memory(error);
  code->runtime = &baseline_runtime;
  code->module = module_retain(module);
  code->options.explicit_bounds = options->explicit_bounds;
  code->options.exact_locals = options->exact_locals;
  code->made_with = *options;
  code->made_with.interrupted = NULL;
  pthread_mutex_init(&code->lock, NULL);
  uint32_t count = code_entry_count(code);
  code->entries = base_alloc_zero(count, sizeof *code->entries);
  if (!code->entries || !BASE_VEC_RESERVE(&code->chunks, 1)) {
    code_free(code);
    return base_error_memory(error);
  }
  if (!write_stubs(code)) {
    code_free(code);
    return base_error_set(error, CAY_ERROR_LIMIT,
                          "no memory for machine code: all of it is in use, or this process may have none; the tier "
                          "interp needs none");
  }
  if (!mix(code)) {
    code_free(code);
    return base_error_memory(error);
  }
  *out = code;
  *entries = (const void *const *)code->entries;
  return CAY_OK;
}

/* ---- Compilation ------------------------------------------------------------------------------------------------------- */

/* A copy of what the emitter found besides code. NULL: no memory. */
static struct compiled *record_new(const struct baseline_output *output, const struct ir_function *ir, uint32_t entry) {
  size_t site_bytes = output->sites.count * sizeof *output->sites.items;
  struct compiled *record = base_alloc(sizeof *record + site_bytes);
  if (!record) return NULL;
  *record = (struct compiled){.entry = entry,
                              .bytes = (uint32_t)output->code.count,
                              .link_slot = ir->link_slot,
                              .site_count = (uint32_t)output->sites.count};
  if (site_bytes) memcpy(record->sites, output->sites.items, site_bytes);
  struct tables_source found = {output->maps.items, output->maps.count, output->ranges.items, output->ranges.count,
                                output->labels.items};
  if (tables_new(&found, ir, &record->tables)) return record;
  base_free(record);
  return NULL;
}

/* Copies the code to its place and tells it where it is. */
static bool place_code(const struct baseline_code *code, struct chunk *chunk, size_t offset,
                       const struct baseline_output *output) {
  uint8_t *to = chunk->memory.write + offset;
  static_assert(BASE_CODE_ARENA_BYTES <= 1 << 30, "a site's number is not negative");
  uint64_t in_arena = (uint64_t)(chunk->memory.run - base_code_arena()) + offset;
  memcpy(to, output->code.items, output->code.count);
  for (size_t i = 0; i < output->site_holes.count; i++) {
    const struct baseline_site_hole *hole = &output->site_holes.items[i];
    uint64_t value =
        hole->is_pool ? code->pool - in_arena + hole->position : baseline_site_number(in_arena + hole->position);
    baseline_arch_patch(to, hole->at, hole->kind, value);
  }
  return base_code_publish(&chunk->memory, offset, output->code.count);
}

/* What the function's entry is, or would be if it were not interpreted. */
static const void *own_entry_locked(const struct baseline_code *code, uint32_t entry) {
  return baseline_interpreter(code, entry) ? atomic_load(&code->beside)->compiled[entry] : baseline_entry(code, entry);
}

bool baseline_is_compiled_locked(const struct baseline_code *code, uint32_t entry) {
  return own_entry_locked(code, entry) != stub_of(code, entry);
}

/* False: no memory. */
struct chunk *baseline_room_locked(struct baseline_code *code, size_t bytes, size_t place_count, size_t *offset) {
  if (!base_code_is_writable()) return NULL;
  struct chunk *chunk = &code->chunks.items[code->newest];
  if (next_offset(chunk) + bytes > chunk->memory.bytes) chunk = chunk_new(code, bytes);
  if (!chunk || !BASE_VEC_RESERVE(&chunk->places, chunk->places.count + place_count)) return NULL;
  *offset = next_offset(chunk);
  return chunk;
}

void baseline_enter_locked(struct baseline_code *code, uint32_t entry, const void *start) {
  if (baseline_interpreter(code, entry))
    atomic_load(&code->beside)->compiled[entry] = start;
  else
    atomic_store_explicit(&code->entries[entry], start, memory_order_release);
}

static bool publish_locked(struct baseline_code *code, const struct baseline_output *output, struct compiled *record) {
  size_t offset;
  struct chunk *chunk = baseline_room_locked(code, record->bytes, 1, &offset);
  if (!chunk || !place_code(code, chunk, offset, output)) return false;
  chunk->used_bytes = offset + record->bytes;
  chunk->places.items[chunk->places.count++] = (struct place){(uint32_t)offset, record};
  record->code = chunk->memory.run + offset;
  baseline_enter_locked(code, record->entry, record->code);
  return true;
}

/* What its code writes to when it counts. */
struct targets {
  struct baseline_target *items; /* NULL: none */
  uint32_t count;
};

static bool targets_make(const struct baseline_code *code, const struct ir_function *ir, struct targets *out) {
  *out = (struct targets){0};
  for (size_t i = 0; code->options.counts && i < ir->insns.count; i++)
    out->count += ir->insns.items[i].op == IR_CALL_INDIRECT || ir->insns.items[i].op == IR_CALL_REF;
  if (out->count > 0) out->items = base_alloc_zero(out->count, sizeof *out->items);
  return out->count == 0 || out->items;
}

/* Takes the targets. */
static bool publish(struct baseline_code *code, uint32_t entry, const struct baseline_output *output,
                    const struct ir_function *ir, const struct targets *targets) {
  struct compiled *record = record_new(output, ir, entry);
  if (!record) {
    base_free(targets->items);
    return false;
  }
  record->targets = targets->items;
  record->target_count = targets->count;
  pthread_mutex_lock(&code->lock);
  bool is_first = !baseline_is_compiled_locked(code, entry); /* no other thread was faster */
  bool is_published = is_first && publish_locked(code, output, record);
  pthread_mutex_unlock(&code->lock);
  if (!is_published) record_free(record);
  return is_published || !is_first;
}

static bool compile_now(struct baseline_code *code, uint32_t entry) {
  struct compiler *compiler = baseline_compiler_take(code);
  if (!compiler) return false;
  const struct ir_function *ir =
      ir_translate(compiler->frontend, code->module, code->module->imported_func_count + entry);
  bool unsupported = false;
  struct baseline_emit_options options = code->options;
  struct targets targets = {0};
  bool is_ready = ir && targets_make(code, ir, &targets);
  options.targets = targets.items;
  const struct baseline_output *output =
      is_ready ? baseline_emit(compiler->emitter, code->module, ir, &options, &unsupported) : NULL;
  bool has_output = output != NULL, is_published = has_output && publish(code, entry, output, ir, &targets);
  if (!has_output) base_free(targets.items);
  baseline_compiler_give(code, compiler, has_output ? output->code.count : SIZE_MAX);
  if (is_published || (!has_output && !unsupported)) return is_published;
  /* No room for code, or none to write to, as in a forked child, or no stencil: the interpreter needs none. */
  return tiers_baseline_interpret(code, code->module->imported_func_count + entry, true, NULL) == CAY_OK;
}

static bool compile(struct baseline_code *code, uint32_t entry) {
  uint64_t begin_ns = base_os_monotonic_ns();
  bool done = compile_now(code, entry);
  atomic_fetch_add_explicit(&code->compile_ns, base_os_monotonic_ns() - begin_ns, memory_order_relaxed);
  return done;
}

bool baseline_translate(void *object, uint32_t entry) {
  struct baseline_code *code = object;
  assert(entry < code_entry_count(code));
  if (baseline_interpreter(code, entry) || baseline_entry(code, entry) != stub_of(code, entry)) return true;
  return compile(code, entry);
}

static size_t code_bytes(void *object, bool all) {
  struct baseline_code *code = object;
  size_t bytes = code_entry_count(code) * sizeof *code->entries;
  for (uint32_t i = 0; all && i < code_entry_count(code); i++) baseline_translate(code, i);
  const struct beside *beside = atomic_load(&code->beside);
  if (beside)
    bytes += code_entry_count(code) * sizeof *beside->compiled + tiers_interp.code_bytes(beside->interp, false);
  for (size_t i = 0; i < code->chunks.count; i++) {
    const struct chunk *chunk = &code->chunks.items[i];
    bytes += chunk->used_bytes + chunk->places.capacity * sizeof(struct place);
    for (size_t k = 0; k < chunk->places.count; k++) {
      const struct compiled *function = chunk->places.items[k].function;
      bytes += sizeof *function + function->site_count * sizeof *function->sites + tables_bytes(function->tables) +
               function->target_count * sizeof *function->targets;
    }
  }
  return bytes;
}

static void count(void *object, struct engine_code_stats *out) {
  struct baseline_code *code = object;
  *out = (struct engine_code_stats){.compile_ns = atomic_load(&code->compile_ns)};
#if TIERS_RUNS_OPTIMIZED
  optimizer_count(code, out);
#endif
  pthread_mutex_lock(&code->lock);
  for (size_t i = 0; i < code->chunks.count; i++)
    for (size_t k = 0; k < code->chunks.items[i].places.count; k++)
      out->compiled += code->chunks.items[i].places.items[k].function->kind == COMPILED_BASELINE;
  pthread_mutex_unlock(&code->lock);
}

/* ---- All at once --------------------------------------------------------------------------------------------------------- */

struct batch {
  struct baseline_code *code;
  engine_progress progress;
  void *env;
  atomic_uint next, done;
  atomic_bool failed, stopped;
};

static void batch_do(struct batch *batch, bool reports) {
  uint32_t count = code_entry_count(batch->code), entry;
  while (!atomic_load(&batch->stopped) && (entry = atomic_fetch_add(&batch->next, 1)) < count) {
    if (!baseline_translate(batch->code, entry)) {
      atomic_store(&batch->failed, true);
      atomic_store(&batch->stopped, true);
    }
    uint32_t done = atomic_fetch_add(&batch->done, 1) + 1;
    bool tells = reports && batch->progress && done < count;
    if (tells && !batch->progress(batch->env, done, count)) atomic_store(&batch->stopped, true);
  }
}

static void *batch_run(void *batch) {
  batch_do(batch, false);
  return NULL;
}

static enum cay_status translate_all(void *object, unsigned threads, engine_progress progress, void *env,
                                     struct cay_error *error) {
  enum { MOST_THREADS = 64 };
  struct batch batch = {.code = object, .progress = progress, .env = env};
  pthread_t others[MOST_THREADS];
  unsigned count = 0;
  for (; count < MOST_THREADS && count + 1 < threads; count++)
    if (pthread_create(&others[count], NULL, batch_run, &batch) != 0) break; /* fewer do it as well */
  batch_do(&batch, true);
  for (unsigned i = 0; i < count; i++) pthread_join(others[i], NULL);
  if (atomic_load(&batch.failed)) return base_error_memory(error);
  if (progress && !atomic_load(&batch.stopped))
    progress(env, code_entry_count(batch.code), code_entry_count(batch.code));
  return CAY_OK;
}

/* ---- Positions ------------------------------------------------------------------------------------------------------------ */

static bool contains(const struct compiled *function, const void *site) {
  return (uintptr_t)site - (uintptr_t)function->code < function->bytes;
}

static const struct chunk *find_chunk(const struct baseline_code *code, const uint8_t *site) {
  size_t low = 0, high = code->chunks.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const struct chunk *chunk = &code->chunks.items[middle];
    if (site < chunk->memory.run)
      high = middle;
    else if (site >= chunk->memory.run + chunk->used_bytes)
      low = middle + 1;
    else
      return chunk;
  }
  return NULL;
}

/* The function that `site` lies in, or NULL. */
static const struct compiled *find_locked(const struct baseline_code *code, const uint8_t *site) {
  const struct chunk *chunk = find_chunk(code, site);
  if (!chunk) return NULL;
  size_t low = 0, high = chunk->places.count; /* behind the place that `site` is in */
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (chunk->memory.run + chunk->places.items[middle].offset <= site)
      low = middle + 1;
    else
      high = middle;
  }
  const struct compiled *function = low > 0 ? chunk->places.items[low - 1].function : NULL;
  return function && contains(function, site) ? function : NULL;
}

static const struct compiled *find(struct baseline_code *code, const void *site) {
  if (!base_code_contains((uintptr_t)site)) return NULL;
  const struct compiled *last = atomic_load_explicit(&code->last_located, memory_order_acquire);
  if (last && contains(last, site)) return last;
  pthread_mutex_lock(&code->lock);
  const struct compiled *found = find_locked(code, site);
  pthread_mutex_unlock(&code->lock);
  if (found) atomic_store_explicit(&code->last_located, found, memory_order_release);
  return found;
}

static bool call_distance(const struct compiled *function, const void *site, uint32_t *d) {
  uint32_t offset = (uint32_t)((const uint8_t *)site - function->code);
  uint32_t low = 0, high = function->site_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (function->sites[middle].offset < offset)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == function->site_count || function->sites[low].offset != offset) return false;
  *d = function->sites[low].d;
  return true;
}

bool baseline_call_distance(void *code, const void *site, uint32_t *d) {
  const struct compiled *function = find(code, site);
  return function && call_distance(function, site, d);
}

/* A position that is not in the arena is the interpreter's, which knows by itself what is none; NULL: it does not run. */
static void *interpreter_at(const struct baseline_code *code, const void *position) {
  if (base_code_contains((uintptr_t)baseline_site((uintptr_t)position))) return NULL;
  const struct beside *beside = atomic_load_explicit(&code->beside, memory_order_acquire);
  return beside ? beside->interp : NULL;
}

/* The frame of the optimized caller lies above what the stub keeps, which tells a crossing from those that are further in. */
static const struct baseline_crossing *crossing_above(const void *crossing, const uint64_t *fp) {
  const struct baseline_crossing *found = crossing;
  while (found && (uintptr_t)found < (uintptr_t)fp) found = found->outer;
  return found;
}

bool baseline_caller_at(void *code, const struct baseline_caller *called, const void **crossing,
                        struct baseline_caller *out) {
  uint32_t d;
  if (called->site == baseline_arch_crossed) {
    const struct baseline_crossing *crossed = *crossing;
    assert(crossed);
    *out = (struct baseline_caller){.site = crossed->site, .fp = crossed->fp};
    *crossing = crossed->outer;
    return true;
  }
  if (!baseline_call_distance(code, called->site, &d)) return false;
  *out = (struct baseline_caller){called->site, called->fp - d, called->native_sp + baseline_native_frame_bytes};
  return true;
}

/* The caller of an optimized frame: another one, or compiled code that a thunk came from. */
bool baseline_optimized_caller(void *code, uint64_t *fp, const void **crossing, struct baseline_caller *out) {
  const struct baseline_record *record;
  const struct compiled *function;
  do {
    record = baseline_record_of(fp);
    function = find(code, record->site);
    if (!function) return false;
    if (function->kind == COMPILED_NATIVE) {
      *out = (struct baseline_caller){.site = record->site, .fp = record->fp};
      return true;
    }
    fp = record->fp;
  } while (function->kind != COMPILED_THUNKS);
  *crossing = crossing_above(*crossing, fp);
  record = baseline_record_of(fp);
  struct baseline_caller called = {record->site, ((uint64_t *const *)record)[-1],
                                   (uintptr_t)(fp + baseline_thunk_frame_slots)};
  return baseline_caller_at(code, &called, crossing, out);
}

/* Who called the frame of `function` at `fp`; false: it is its activation's first. `native_sp`: in that frame. */
static bool caller_of(struct baseline_code *code, const struct compiled *function, uint64_t *fp, uintptr_t native_sp,
                      const void **crossing, struct baseline_caller *out) {
  if (BASE_UNLIKELY(function->kind != COMPILED_BASELINE)) return baseline_optimized_caller(code, fp, crossing, out);
  struct baseline_caller called = {(const void *)(uintptr_t)fp[function->link_slot], fp, native_sp};
  return baseline_caller_at(code, &called, crossing, out);
}

bool baseline_is_optimized(void *code, const void *site) {
  const struct compiled *function = find(code, site);
  return function && function->kind != COMPILED_BASELINE;
}

const uint8_t *baseline_framed_code(void *code, const void *pc) {
  const struct compiled *function = find(code, pc);
  bool is_framed = function && (function->kind == COMPILED_NATIVE || function->kind == COMPILED_ADAPTER);
  return is_framed ? function->code : NULL;
}

/* ---- Lines of optimized code --------------------------------------------------------------------------------------------- */

static uint32_t position_in(const struct compiled *function, const void *site) {
  return (uint32_t)((const uint8_t *)site - function->code);
}

/* Of optimized code: a site is a return address, or one behind the start of what faulted. What belongs to no instruction, as
 * where LLVM has merged several, is shown as what stands before it. */
static uint32_t line_at(const struct compiled *function, uint32_t site) {
  uint32_t position = function->position + site - 1, low = 0, high = function->line_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (function->lines[middle].position <= position)
      low = middle + 1;
    else
      high = middle;
  }
  while (low > 1 && function->lines[low - 1].offset == 0) low--;
  return low > 0 ? function->lines[low - 1].offset : 0;
}

/* ---- Frames -------------------------------------------------------------------------------------------------------------- */

/* What is inlined into an optimized function has its frame. For who walks frames they are several, and which of them it is, from
 * the innermost on, stands in the lowest bits of the position. */
enum { LEVELS = WIRE_MOST_INLINED + 1 };
static uint32_t level_of(const uint64_t *fp) { return (uintptr_t)fp % LEVELS; }
static uint64_t *native_frame(uint64_t *fp) { return (uint64_t *)((uintptr_t)fp / LEVELS * LEVELS); }
static uint64_t *next_level(uint64_t *fp) { return (uint64_t *)((uintptr_t)fp + 1); }

/* The line of the frame so many levels further out, of the outermost at most: an offset, or of what is inlined. */
static uint32_t line_of_level(const struct compiled *function, const void *site, uint32_t level) {
  uint32_t line = line_at(function, position_in(function, site));
  for (; line & WIRE_INLINED && level > 0; level--) line = function->inlined[line & ~WIRE_INLINED].caller;
  return line;
}

static const struct wire_inlined *inlined_at(const struct compiled *function, const void *site, const uint64_t *fp) {
  uint32_t line = function->inlined ? line_of_level(function, site, level_of(fp)) : 0;
  return line & WIRE_INLINED ? &function->inlined[line & ~WIRE_INLINED] : NULL;
}

/* The offset of the instruction of the function itself. */
static uint32_t own_offset(const struct compiled *function, const void *site) {
  return line_of_level(function, site, LEVELS);
}

bool baseline_is_inlined(void *code, struct baseline_caller *at) {
  const struct compiled *function = find(code, at->site);
  if (!function || !inlined_at(function, at->site, at->fp)) return false;
  at->fp = next_level(at->fp);
  return true;
}

static bool locate(void *object, const void *position, uint64_t *fp, struct engine_location *out) {
  struct baseline_code *code = object;
  void *interp = interpreter_at(code, position);
  if (interp) return tiers_interp.locate(interp, position, fp, out);
  const struct compiled *function = find(code, baseline_site((uintptr_t)position));
  if (!function) return false;
  const struct wire_inlined *inlined = inlined_at(function, position, fp);
  out->func = code->module->imported_func_count + (inlined ? inlined->entry : function->entry);
  struct baseline_caller caller = {position, next_level(fp)};
  bool has_caller = inlined || caller_of(code, function, native_frame(fp), 0, &out->crossing, &caller);
  out->caller_site = has_caller ? caller.site : NULL;
  out->caller_fp = has_caller ? caller.fp : NULL;
  return true;
}

/* enum wire_told of the optimized frame at `fp`. */
static uint64_t *told_by(const struct compiled *function, uint64_t *fp) {
  return (uint64_t *)(void *)((char *)fp + function->slots_at);
}

/* Its frame on the value stack. */
static uint64_t *slots_of(const struct compiled *function, uint64_t *fp) {
  return (uint64_t *)(uintptr_t)told_by(function, fp)[WIRE_TOLD_FRAME];
}

static void visit_references(void *code, uint32_t func, const void *position, uint64_t *fp,
                             void (*visit)(void *env, uint64_t reference), void *env) {
  void *interp = interpreter_at(code, position);
  if (interp) {
    tiers_interp.visit_references(interp, func, position, fp, visit, env);
    return;
  }
  const void *site = baseline_site((uintptr_t)position);
  const struct compiled *function = find(code, site);
  assert(function);
  if (!function || !function->tables) return;
  if (function->kind == COMPILED_BASELINE)
    tables_visit(function->tables, position_in(function, site), fp, visit, env);
  else if (!inlined_at(function, site, fp)) /* what is inlined keeps no references */
    tables_visit(function->tables, own_offset(function, site), slots_of(function, native_frame(fp)), visit, env);
}

/* Of optimized code it goes on behind the call, with what has landed told in the native frame (optimizer/helper/catches.c). */
static struct baseline_landing land_at(const struct compiled *function, const struct baseline_caller *at,
                                       const struct tables_clause *clause, uint64_t reference) {
  if (function->kind == COMPILED_BASELINE) {
    tables_land(clause, at->fp, reference);
    return (struct baseline_landing){function->code + clause->position, at->fp, at->native_sp, false};
  }
  uint64_t *told = told_by(function, at->fp);
  tables_land(clause, slots_of(function, at->fp), reference);
  told[WIRE_TOLD_LANDED] = WIRE_LANDED(clause->position);
  return (struct baseline_landing){at->site, at->fp, (uintptr_t)told[WIRE_TOLD_STACK], true};
}

static const struct tables_clause *catch_at(const struct compiled *function, const struct baseline_caller *at,
                                            const struct engine_instance *instance, const struct engine_tag *tag) {
  uint32_t position = position_in(function, at->site);
  if (function->kind != COMPILED_BASELINE && function->tables) position = own_offset(function, at->site);
  return tables_catch(function->tables, position, instance, tag);
}

enum engine_trap baseline_land(struct engine_instance *instance, const struct baseline_caller *from, uint64_t reference,
                               struct baseline_landing *out) {
  struct baseline_code *code = instance->code;
  const struct engine_tag *tag = ((const struct engine_exception *)(void *)engine_ref_object(reference))->tag;
  const void *crossing = instance->thread->top->crossing;
  for (struct baseline_caller at = *from;;) {
    if (atomic_load_explicit(&instance->thread->interrupted, memory_order_relaxed)) return ENGINE_TRAP_INTERRUPTED;
    const struct compiled *function = find(code, at.site);
    assert(function);
    if (!function) return ENGINE_TRAP_EXCEPTION;
    const struct tables_clause *clause = catch_at(function, &at, instance, tag);
    if (clause) {
      bool is_on_top = function->kind == COMPILED_BASELINE; /* of what is left of the native stack */
      instance->thread->top->crossing = is_on_top ? crossing : crossing_above(crossing, at.fp);
      *out = land_at(function, &at, clause, reference);
      return ENGINE_TRAP_NONE;
    }
    if (!caller_of(code, function, at.fp, at.native_sp, &crossing, &at)) return ENGINE_TRAP_EXCEPTION;
  }
}

/* ---- Loops ----------------------------------------------------------------------------------------------------------------- */

uint32_t baseline_frame(void *code, const void *site, uint64_t *fp, uint64_t **link) {
  const struct compiled *function = find(code, site);
  assert(function);
  *link = fp + function->link_slot;
  return function->entry;
}

static const struct baseline_output *emit_again(struct baseline_code *code, struct compiler *compiler, uint32_t entry) {
  bool unsupported;
  const struct ir_function *ir =
      ir_translate(compiler->frontend, code->module, code->module->imported_func_count + entry);
  return ir ? baseline_emit(compiler->emitter, code->module, ir, &code->options, &unsupported) : NULL;
}

/* A poll lies right before the entry of its loop. */
uint32_t baseline_label_at(void *object, const void *site) {
  struct baseline_code *code = object;
  const struct compiled *function = find(code, site);
  struct compiler *compiler = baseline_compiler_take(code);
  if (!compiler) return UINT32_MAX;
  const struct baseline_output *output = emit_again(code, compiler, function->entry);
  uint32_t found = UINT32_MAX, nearest = UINT32_MAX, position = position_in(function, site);
  for (size_t i = 0; output && i < output->loops.count; i++) {
    const struct baseline_loop *loop = &output->loops.items[i];
    if (loop->entry <= position || loop->entry >= nearest) continue;
    nearest = loop->entry;
    found = loop->label;
  }
  baseline_compiler_give(code, compiler, function->bytes);
  return found;
}

/* ---- Counting -------------------------------------------------------------------------------------------------------------- */

void baseline_ticked_at_call(void *object, struct engine_thread *thread, uint32_t entry) {
  struct baseline_code *code = object;
  code->watch->at_call(code, thread, entry);
}

const void *baseline_ticked_at_loop(void *object, struct engine_thread *thread, uint32_t entry, const void *site) {
  struct baseline_code *code = object;
  return code->watch ? code->watch->at_loop(code, thread, entry, site) : NULL;
}

void baseline_poll_calls(void *object, uint32_t entry) {
  struct baseline_code *code = object;
  pthread_mutex_lock(&code->lock);
  const void *start = own_entry_locked(code, entry);
  pthread_mutex_unlock(&code->lock);
  const struct compiled *function = start != stub_of(code, entry) ? find(code, start) : NULL;
  for (uint32_t i = 0; function && i < function->target_count; i++) function->targets[i].left = BASELINE_VOTERS;
}

/* ---- Loops of compiled code ------------------------------------------------------------------------------------------------ */

static bool is_one_of(uint32_t label, const uint32_t *labels, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (labels[i] == label) return true;
  return false;
}

const void *baseline_loop_entry(void *object, uint32_t entry, const uint32_t *labels, uint32_t count) {
  struct baseline_code *code = object;
  if (!baseline_translate(code, entry)) return NULL;
  pthread_mutex_lock(&code->lock);
  const void *start = own_entry_locked(code, entry), *found = NULL;
  pthread_mutex_unlock(&code->lock);
  struct compiler *compiler = start != stub_of(code, entry) ? baseline_compiler_take(code) : NULL;
  if (!compiler) return NULL;
  const struct compiled *function = find(code, start);
  bool is_ours = function->kind == COMPILED_BASELINE;
  const struct baseline_output *output = is_ours ? emit_again(code, compiler, entry) : NULL;
  for (size_t i = 0; output && i < output->loops.count && !found; i++)
    if (is_one_of(output->loops.items[i].label, labels, count)) found = function->code + output->loops.items[i].entry;
  baseline_compiler_give(code, compiler, function->bytes);
  return found;
}

/* ---- Reporting ------------------------------------------------------------------------------------------------------------ */

static uint32_t offset_of(void *object, uint32_t func, const void *place, const uint64_t *fp) {
  struct baseline_code *code = object;
  void *interp = interpreter_at(code, place);
  if (interp) return tiers_interp.offset_of(interp, func, place, fp);
  const void *site = baseline_site((uintptr_t)place);
  const struct compiled *function = find(code, site);
  assert(function);
  if (!function) return UINT32_MAX;
  uint32_t position = position_in(function, site), offset = UINT32_MAX;
  const struct wire_inlined *inlined = inlined_at(function, site, fp);
  if (inlined) return inlined->offset;
  if (function->kind != COMPILED_BASELINE) return own_offset(function, site);
  struct compiler *compiler = baseline_compiler_take(code);
  if (!compiler) return UINT32_MAX;
  const struct ir_function *ir = ir_translate(compiler->frontend, code->module, func);
  if (ir) offset = baseline_emit_offset(compiler->emitter, code->module, ir, &code->options, position);
  baseline_compiler_give(code, compiler, function->bytes);
  return offset;
}

static void hand_out(const struct baseline_output *output,
                     void (*piece)(void *env, const struct engine_code_piece *piece), void *env) {
  for (size_t i = 0; i < output->pieces.count; i++) {
    const struct baseline_piece *own = &output->pieces.items[i];
    piece(env, &(struct engine_code_piece){.offset = own->offset,
                                           .position = own->start,
                                           .bytes = output->code.items + own->start,
                                           .len_bytes = own->end - own->start,
                                           .is_data = own->is_data});
  }
}

static enum cay_status list(void *object, uint32_t func,
                            void (*piece)(void *env, const struct engine_code_piece *piece), void *env,
                            struct cay_error *error) {
  struct baseline_code *code = object;
  struct compiler *compiler = baseline_compiler_take(code);
  if (!compiler) return base_error_memory(error);
  struct baseline_emit_options options = code->options;
  options.lists = true;
  bool unsupported = false;
  const struct ir_function *ir = ir_translate(compiler->frontend, code->module, func);
  const struct baseline_output *output =
      ir ? baseline_emit(compiler->emitter, code->module, ir, &options, &unsupported) : NULL;
  if (output) hand_out(output, piece, env);
  baseline_compiler_give(code, compiler, output ? output->code.count : SIZE_MAX);
  if (output) return CAY_OK;
  return unsupported ? base_error_set(error, CAY_ERROR_UNSUPPORTED, "the function is run by the interpreter")
                     : base_error_memory(error);
}

#define MEMBERS                                                                                \
  .code_free = code_free, .invoke = baseline_invoke, .locate = locate, .offset_of = offset_of, \
  .visit_references = visit_references, .fault = baseline_fault, .code_bytes = code_bytes,     \
  .translate_all = translate_all, .list = list, .count = count

/* The arena cannot be made later. */
static void prepare(void) { base_code_may_run(); }

const struct engine_tier tiers_baseline = {.name = "baseline", .code_new = code_new, .prepare = prepare, MEMBERS};
#if TIERS_RUNS_OPTIMIZED
const struct engine_tier tiers_optimized = {.name = "optimized",
                                            .code_new = optimizer_code_new,
                                            .prepare = optimizer_prepare,
                                            .settle = optimizer_settle,
                                            .report = optimizer_report,
                                            .native_factor = BASELINE_NATIVE_FACTOR,
                                            .interrupt = baseline_interrupt,
                                            MEMBERS};
#endif
#if TIERS_HAS_OPTIMIZER
const struct engine_tier tiers_auto = {.name = "auto",
                                       .code_new = optimizer_auto_new,
                                       .prepare = prepare,
                                       .delegate = optimizer_delegate,
                                       .start_for = optimizer_start_for,
                                       .report = optimizer_report,
                                       .native_factor = BASELINE_NATIVE_FACTOR,
                                       .interrupt = baseline_interrupt,
                                       MEMBERS};
#endif
