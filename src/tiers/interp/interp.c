/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The interpreter as a tier: code objects, translation on first call, positions, faults.
 *
 * A code object belongs to a module (and a way of checking bounds) and is shared by its instances. Each defined
 * function has an entry, the address of its first instruction; before the first call that is a stub whose handler
 * translates the function and stores the real address, so that a call never asks whether it has to.
 *
 * Positions are instruction addresses. No table maps them back to wasm: offset_of encodes the function once more and
 * watches which instruction falls on the position, which costs time only when somebody wants to know.
 *
 * The interpreter may also run some of the functions of another tier's modules (beside.h). Then the entry of what the
 * other tier runs stays the stub, and an instance's interp_entries and interp_code are those of this code object.
 *
 * Invariants
 *  1. A function's instructions never move or change once its entry is stored (release; readers depend on the address).
 *  2. `lock` guards translation and the list of located functions.
 * Threads: instances of one module may run in different threads and share the code object. */
#include "tiers/interp/beside.h"
#include "tiers/interp/encode.h"
#include "tiers/interp/fault.h"
#include "tiers/ir.h"
#include "tiers/tables.h"
#include "tiers/tiers.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct translated {
  const struct interp_insn *insns; /* NULL: not yet */
  struct tables *tables;           /* NULL: none */
  uint32_t count, bytes;
};

struct interp_code {
  struct module *module;
  const struct interp_handlers *handlers;
  _Atomic(const void *) *entries;
  atomic_bool *runs;                /* which functions are not another tier's; NULL: all */
  const struct interp_looks *looks; /* NULL: there is no other */
  struct interp_insn *stubs;
  struct translated *functions;
  struct interp_insn exit_pair[2]; /* where the first frame of an activation returns to */
  pthread_mutex_t lock;
  struct ir_frontend *frontend;
  struct interp_encoder encoder;
  uint32_t *by_address; /* translated functions, the first `sorted_count` in the order of their addresses */
  uint32_t translated_count, sorted_count, by_address_capacity;
  atomic_uint last_located;
};

static uint32_t entry_count(const struct interp_code *code) {
  return code->module->func_count - code->module->imported_func_count;
}

static void code_free(void *object) {
  struct interp_code *code = object;
  if (!code) return;
  for (uint32_t i = 0; code->functions && i < entry_count(code); i++) {
    base_free((void *)(uintptr_t)code->functions[i].insns);
    base_free(code->functions[i].tables);
  }
  base_free((void *)code->entries);
  base_free((void *)code->runs);
  base_free(code->stubs);
  base_free(code->functions);
  base_free(code->by_address);
  ir_frontend_free(code->frontend);
  interp_encoder_deinit(&code->encoder);
  pthread_mutex_destroy(&code->lock);
  module_release(code->module);
  base_free(code);
}

static void write_stubs(struct interp_code *code) {
  for (uint32_t i = 0; i < entry_count(code); i++) {
    code->stubs[i] = (struct interp_insn){.handler = interp_handler_of(code->handlers, INTERP_translate), .b = i};
    atomic_init(&code->entries[i], (const void *)&code->stubs[i]);
  }
  code->exit_pair[0].handler = code->exit_pair[1].handler = interp_handler_of(code->handlers, INTERP_exit);
}

static enum cay_status code_new(struct module *module, const struct engine_code_options *options, void **out,
                                const void *const **entries, struct cay_error *error) {
  struct interp_code *code = base_alloc_zero(1, sizeof *code);
  if (!code) return base_error_memory(error);
  code->module = module_retain(module);
  code->handlers = options->explicit_bounds ? NULL : interp_handlers_guarded();
  if (!code->handlers) code->handlers = interp_handlers_explicit();
  uint32_t count = entry_count(code);
  pthread_mutex_init(&code->lock, NULL);
  atomic_init(&code->last_located, UINT32_MAX); /* none: what it names was seen under the lock */
  code->entries = base_alloc_zero(count, sizeof *code->entries);
  code->stubs = base_alloc_zero(count, sizeof *code->stubs);
  code->functions = base_alloc_zero(count, sizeof *code->functions);
  code->frontend = ir_frontend_new(options);
  if (!code->entries || !code->stubs || !code->functions || !code->frontend) {
    code_free(code);
    return base_error_memory(error);
  }
  write_stubs(code);
  *out = code;
  *entries = (const void *const *)code->entries;
  return CAY_OK;
}

/* ---- Beside another tier ------------------------------------------------------------------------------------------- */

enum cay_status interp_beside_new(struct module *module, const struct engine_code_options *options,
                                  const struct interp_looks *looks, void **out, struct cay_error *error) {
  const void *const *entries;
  enum cay_status status = code_new(module, options, out, &entries, error);
  if (status != CAY_OK) return status;
  struct interp_code *code = *out;
  code->looks = looks;
  code->runs = base_alloc_zero(entry_count(code), sizeof *code->runs);
  if (code->runs) return CAY_OK;
  code_free(code);
  return base_error_memory(error);
}

bool interp_runs(const void *object, uint32_t entry) {
  const struct interp_code *code = object;
  return !code->runs || atomic_load_explicit(&code->runs[entry], memory_order_acquire);
}

/* The entry of a function, by what is known of it. */
static void enter_by(struct interp_code *code, uint32_t entry) {
  const struct interp_insn *insns = code->functions[entry].insns;
  const void *by = insns && interp_runs(code, entry) ? insns : &code->stubs[entry];
  atomic_store_explicit(&code->entries[entry], by, memory_order_release);
}

void interp_set_runs(void *object, uint32_t entry, bool runs) {
  struct interp_code *code = object;
  pthread_mutex_lock(&code->lock);
  atomic_store(&code->runs[entry], runs);
  enter_by(code, entry);
  pthread_mutex_unlock(&code->lock);
}

/* ---- Translation --------------------------------------------------------------------------------------------------- */

/* Room for one more function in by_address. It is made here so that finding a function never needs memory: a
 * collection or an exception that found none would do worse than fail. */
static bool reserve_address(struct interp_code *code) {
  if (code->translated_count < code->by_address_capacity) return true;
  uint32_t capacity = code->by_address_capacity ? code->by_address_capacity * 2 : 16;
  uint32_t *order = base_resize_array(code->by_address, capacity, sizeof *order);
  if (!order) return false;
  code->by_address = order;
  code->by_address_capacity = capacity;
  return true;
}

/* Instructions and constants in one block of their own, as they stay. */
static const struct interp_insn *publish_function(struct interp_code *code, const struct ir_function *ir,
                                                  struct translated *function) {
  const struct interp_encoder *encoder = &code->encoder;
  size_t insn_bytes = encoder->insns.count * sizeof(struct interp_insn);
  size_t pool_bytes = encoder->pool.count * sizeof(uint64_t);
  struct tables_source found = {encoder->maps.items, encoder->maps.count, encoder->ranges.items, encoder->ranges.count,
                                encoder->labels.items};
  struct tables *tables;
  if (!reserve_address(code) || !tables_new(&found, ir, &tables)) return NULL;
  struct interp_insn *insns = base_alloc(insn_bytes + pool_bytes);
  if (!insns) {
    base_free(tables);
    return NULL;
  }
  memcpy(insns, encoder->insns.items, insn_bytes);
  if (pool_bytes) memcpy((char *)insns + insn_bytes, encoder->pool.items, pool_bytes);
  *function = (struct translated){insns, tables, (uint32_t)encoder->insns.count, (uint32_t)(insn_bytes + pool_bytes)};
  code->by_address[code->translated_count++] = (uint32_t)(function - code->functions);
  return insns;
}

/* One giant function must not leave its working storage behind for the life of the module. */
static void trim(struct interp_code *code) {
  enum { KEPT_INSNS = 1 << 15 };
  if (code->encoder.insns.capacity <= KEPT_INSNS) return;
  ir_frontend_trim(code->frontend);
  interp_encoder_deinit(&code->encoder);
}

static const struct interp_insn *translate_locked(struct interp_code *code, uint32_t entry) {
  struct translated *function = &code->functions[entry];
  if (function->insns) return function->insns; /* another thread was faster */
  const struct ir_function *ir = ir_translate(code->frontend, code->module, code->module->imported_func_count + entry);
  if (!ir || !interp_encode(&code->encoder, code->module, code->handlers, ir)) return NULL;
  const struct interp_insn *insns = publish_function(code, ir, function);
  trim(code);
  if (insns) enter_by(code, entry);
  return insns;
}

const struct interp_insn *interp_translate(void *object, uint32_t entry) {
  struct interp_code *code = object;
  assert(entry < entry_count(code));
  pthread_mutex_lock(&code->lock);
  const struct interp_insn *insns = translate_locked(code, entry);
  pthread_mutex_unlock(&code->lock);
  return insns;
}

static enum cay_status translate_all(void *object, unsigned threads, engine_progress progress, void *env,
                                     struct cay_error *error) {
  struct interp_code *code = object;
  (void)threads; /* one translates at a time */
  for (uint32_t i = 0; i < entry_count(code); i++) {
    if (!interp_translate(code, i)) return base_error_memory(error);
    if (progress && !progress(env, i + 1, entry_count(code))) break;
  }
  return CAY_OK;
}

static size_t code_bytes(void *object, bool all) {
  struct interp_code *code = object;
  size_t bytes = entry_count(code) * (sizeof *code->entries + sizeof *code->stubs + sizeof *code->functions);
  for (uint32_t i = 0; i < entry_count(code); i++) {
    if (all) interp_translate(code, i);
    bytes += code->functions[i].bytes + tables_bytes(code->functions[i].tables);
  }
  return bytes;
}

/* ---- Running ---------------------------------------------------------------------------------------------------------- */

static int invoke(void *arg) {
  struct engine_activation *activation = arg;
  for (;;) {
    assert(activation->instance->tier == &tiers_interp);
    int ended = interp_run(activation->instance->code, activation);
    if (ended != INTERP_AGAIN) return ended;
  }
}

/* ---- Positions ---------------------------------------------------------------------------------------------------------- */

static bool contains(const struct translated *function, const struct interp_insn *site) {
  return function->insns && site >= function->insns && site < function->insns + function->count;
}

static _Thread_local const struct interp_code *sorting; /* qsort has no argument for it */

static int compare_addresses(const void *a, const void *b) {
  uintptr_t first = (uintptr_t)sorting->functions[*(const uint32_t *)a].insns;
  uintptr_t second = (uintptr_t)sorting->functions[*(const uint32_t *)b].insns;
  return (first > second) - (first < second);
}

/* New functions wait unsorted until they are a small part of all, so that a guest that calls one, throws, calls the next
 * and so on does not have all of them sorted each time. */
static void sort_functions(struct interp_code *code) {
  enum { FEW = 32, PART = 16 };
  if (code->translated_count - code->sorted_count <= FEW + code->sorted_count / PART) return;
  sorting = code;
  qsort(code->by_address, code->translated_count, sizeof *code->by_address, compare_addresses);
  code->sorted_count = code->translated_count;
}

/* The entry of the function that `site` lies in, or UINT32_MAX. */
static uint32_t find_locked(struct interp_code *code, const struct interp_insn *site) {
  sort_functions(code);
  uint32_t low = 0, high = code->sorted_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const struct translated *function = &code->functions[code->by_address[middle]];
    if (contains(function, site)) return code->by_address[middle];
    if (site < function->insns)
      high = middle;
    else
      low = middle + 1;
  }
  for (uint32_t i = code->sorted_count; i < code->translated_count; i++)
    if (contains(&code->functions[code->by_address[i]], site)) return code->by_address[i];
  return UINT32_MAX;
}

static uint32_t find(struct interp_code *code, const struct interp_insn *site) {
  uint32_t last = atomic_load_explicit(&code->last_located, memory_order_acquire);
  if (last < entry_count(code) && contains(&code->functions[last], site)) return last;
  pthread_mutex_lock(&code->lock);
  uint32_t found = find_locked(code, site);
  pthread_mutex_unlock(&code->lock);
  if (found != UINT32_MAX) atomic_store_explicit(&code->last_located, found, memory_order_release);
  return found;
}

/* A frame's link: the first instruction is `enter`. */
static uint64_t *link_of(const struct interp_code *code, uint32_t entry, uint64_t *fp) {
  return fp + code->functions[entry].insns[0].d;
}

static bool locate(void *object, const void *site, uint64_t *fp, struct engine_location *out) {
  struct interp_code *code = object;
  uint32_t entry = site ? find(code, site) : UINT32_MAX;
  if (entry == UINT32_MAX) return false;
  const uint64_t *link = link_of(code, entry, fp);
  const struct interp_insn *caller = (const struct interp_insn *)(uintptr_t)link[0];
  bool is_first = interp_is_exit(code->handlers, caller);
  out->func = code->module->imported_func_count + entry;
  out->caller_site = is_first ? NULL : caller;
  out->caller_fp = is_first ? NULL : (uint64_t *)(uintptr_t)link[1];
  return true;
}

static void visit_references(void *object, uint32_t func, const void *site, uint64_t *fp,
                             void (*visit)(void *env, uint64_t reference), void *env) {
  const struct interp_code *code = object;
  const struct translated *function = &code->functions[func - code->module->imported_func_count];
  uint32_t insn = (uint32_t)((const struct interp_insn *)site - function->insns);
  tables_visit(function->tables, insn, fp, visit, env);
}

/* ---- Exceptions --------------------------------------------------------------------------------------------------------- */

enum engine_trap interp_land(struct engine_instance *instance, const struct interp_insn *ip, uint64_t *fp,
                             uint64_t reference) {
  struct interp_code *code = instance->interp_code;
  const struct engine_tag *tag = ((const struct engine_exception *)(void *)engine_ref_object(reference))->tag;
  for (;;) {
    if (atomic_load_explicit(&instance->thread->interrupted, memory_order_relaxed)) return ENGINE_TRAP_INTERRUPTED;
    uint32_t entry = find(code, ip);
    assert(entry != UINT32_MAX);
    if (entry == UINT32_MAX) return ENGINE_TRAP_EXCEPTION;
    const struct translated *function = &code->functions[entry];
    const struct tables_clause *clause =
        tables_catch(function->tables, (uint32_t)(ip - function->insns), instance, tag);
    if (clause) {
      tables_land(clause, fp, reference);
      instance->thread->top->site = function->insns + clause->position;
      instance->thread->top->fp = fp;
      return ENGINE_TRAP_NONE;
    }
    const uint64_t *link = link_of(code, entry, fp);
    ip = (const struct interp_insn *)(uintptr_t)link[0];
    if (interp_is_exit(code->handlers, ip)) return ENGINE_TRAP_EXCEPTION;
    fp = (uint64_t *)(uintptr_t)link[1];
  }
}

/* ---- Going on elsewhere ------------------------------------------------------------------------------------------------- */

int interp_run(void *object, struct engine_activation *activation) {
  struct interp_code *code = object;
  struct engine_instance *inst = activation->instance;
  inst->interp_entries = (const void *const *)code->entries;
  inst->interp_code = object;
  const struct interp_insn *at = activation->site;
  if (at) {
    uint64_t *link = link_of(code, find(code, at), activation->base_fp);
    link[0] = (uint64_t)(uintptr_t)code->exit_pair;
    link[1] = (uint64_t)(uintptr_t)activation->base_fp;
  } else {
    at = atomic_load_explicit(&code->entries[activation->function->entry], memory_order_acquire);
  }
  return code->handlers->run(at, activation->base_fp, inst, code->exit_pair);
}

/* Encodes a function again, so that the encoder has the positions of its labels. */
static const struct ir_function *encode_again_locked(struct interp_code *code, uint32_t entry) {
  const struct ir_function *ir = ir_translate(code->frontend, code->module, code->module->imported_func_count + entry);
  return ir && interp_encode(&code->encoder, code->module, code->handlers, ir) ? ir : NULL;
}

const void *interp_loop(void *object, uint32_t entry, uint32_t label) {
  struct interp_code *code = object;
  const struct interp_insn *insns = interp_translate(code, entry);
  if (!insns) return NULL;
  pthread_mutex_lock(&code->lock);
  const struct ir_function *ir = encode_again_locked(code, entry);
  const struct interp_insn *at = ir ? insns + code->encoder.labels.items[label] : NULL;
  trim(code);
  pthread_mutex_unlock(&code->lock);
  return at;
}

/* The loops that begin at `target`: as many as there is room for. Their count. */
enum { LABELS = 8 };
static uint32_t find_labels(struct interp_code *code, uint32_t entry, const struct interp_insn *target,
                            uint32_t out[LABELS]) {
  uint32_t position = (uint32_t)(target - code->functions[entry].insns), count = 0;
  pthread_mutex_lock(&code->lock);
  const struct ir_function *ir = encode_again_locked(code, entry);
  for (size_t i = 0; ir && i < ir->insns.count && count < LABELS; i++) {
    const struct ir_insn *insn = &ir->insns.items[i];
    if (insn->op == IR_LABEL && (insn->flags & IR_LOOP) && code->encoder.labels.items[insn->imm] == position)
      out[count++] = (uint32_t)insn->imm;
  }
  trim(code);
  pthread_mutex_unlock(&code->lock);
  return count;
}

/* The frame goes on at `there`: in this activation when it is the first one, else in one of its own. */
static int go_on(struct interp_code *code, uint32_t entry, uint64_t *fp, struct engine_instance *inst,
                 const void *there, bool looks_after, const struct interp_insn **site) {
  struct engine_thread *thread = inst->thread;
  struct engine_activation *activation = thread->top;
  const uint64_t *link = link_of(code, entry, fp);
  const struct interp_insn *caller = (const struct interp_insn *)(uintptr_t)link[0];
  if (interp_is_exit(code->handlers, caller)) {
    activation->looks_after |= looks_after;
    activation->site = there;
    return there ? INTERP_AGAIN : INTERP_STAYS;
  }
  if (!there || !engine_can_nest(thread)) return INTERP_STAYS;
  activation->site = *site = caller;
  activation->fp = (uint64_t *)(uintptr_t)link[1];
  enum engine_trap trap = engine_go_on_from_guest(thread, &inst->own_functions[entry], fp, there);
  if (looks_after) engine_look(thread->store);
  return (int)trap;
}

int interp_poll(const struct interp_insn *ip, const struct interp_insn *target, uint64_t *fp,
                struct engine_instance *inst, const struct interp_insn **site) {
  struct interp_code *code = inst->interp_code;
  bool is_loop = target <= ip; /* nothing else is branched back to; any other branch leaves the request to later ones */
  if (!is_loop && !atomic_load(&inst->thread->interrupted)) return INTERP_STAYS;
  if (!is_loop || !engine_thread_looks(inst->thread)) return ENGINE_TRAP_INTERRUPTED;
  if (!code->looks) return INTERP_STAYS;
  engine_publish(inst, ip, fp);
  uint32_t entry = find(code, ip), labels[LABELS], count = find_labels(code, entry, target, labels);
  if (count == 0) return INTERP_STAYS;
  bool looks_after = false;
  const void *there = code->looks->at_loop(inst, entry, labels, count, &looks_after);
  return go_on(code, entry, fp, inst, there, looks_after, site);
}

int interp_poll_call(const struct interp_insn *ip, const struct interp_insn *site, uint64_t *fp,
                     struct engine_instance *inst) {
  struct interp_code *code = inst->interp_code;
  struct engine_thread *thread = inst->thread;
  bool is_first = interp_is_exit(code->handlers, site);
  engine_publish(inst, is_first ? NULL : site, fp - site->d);
  if (!code->looks || !code->looks->at_call(inst)) return INTERP_STAYS;
  thread->top->looks_after |= is_first;
  if (is_first || !engine_can_nest(thread)) return INTERP_STAYS;
  enum engine_trap trap = engine_call_from_guest(thread, &inst->own_functions[find(code, ip)], fp);
  engine_look(thread->store);
  return (int)trap;
}

/* ---- Reporting ---------------------------------------------------------------------------------------------------------- */

static uint32_t offset_of(void *object, uint32_t func, const void *site, const uint64_t *fp) {
  (void)fp;
  struct interp_code *code = object;
  uint32_t entry = func - code->module->imported_func_count, offset = UINT32_MAX;
  assert(entry < entry_count(code) && contains(&code->functions[entry], site));
  uint32_t insn = (uint32_t)((const struct interp_insn *)site - code->functions[entry].insns);
  pthread_mutex_lock(&code->lock);
  const struct ir_function *ir = ir_translate(code->frontend, code->module, func);
  if (ir) offset = interp_encode_offset(&code->encoder, code->module, code->handlers, ir, insn);
  pthread_mutex_unlock(&code->lock);
  return offset;
}

const struct engine_tier tiers_interp = {
    .name = "interp",
    .code_new = code_new,
    .code_free = code_free,
    .invoke = invoke,
    .locate = locate,
    .offset_of = offset_of,
    .visit_references = visit_references,
    .fault = INTERP_IS_GUARDED ? interp_fault : NULL,
    .code_bytes = code_bytes,
    .translate_all = translate_all,
};
