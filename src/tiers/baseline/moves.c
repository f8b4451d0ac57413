/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Frames that move between compiled code and the interpreter while they run.
 *
 * Which of the two runs a function is seen by each call of it. A frame that exists changes sides only at a loop head,
 * where both have every value in its slot, and only when its thread has been told to look (engine_look). The first frame
 * of an activation goes on in the same activation; any other one leaves it, and goes on as the first of a new one, as if
 * its caller had called it there.
 *
 * What the thread looks at is the frame that happens to run, and another one further out may be the one that is on the
 * wrong side, a stray. Then the frame that runs, or the call that is being made, also goes on in an activation of its own,
 * on the side where it is, and after that the thread looks again: in the end at the loop of the stray. Nothing is slower
 * meanwhile. */
#include "tiers/interp/beside.h"
#include "tiers/tiers.h"

#include "tiers/baseline/baseline.h"

static bool is_stray(const struct engine_instance *instance, const void *site, uint32_t func) {
  bool is_compiled = base_code_contains((uintptr_t)baseline_site((uintptr_t)site));
  bool is_interpreted = baseline_interpreter(instance->code, func - instance->module->imported_func_count) != NULL;
  return is_compiled == is_interpreted;
}

bool baseline_has_strays(const struct engine_thread *thread, bool but_first) {
  enum { LOOKED_AT = 1000 }; /* frames: deeper ones have to wait for another request */
  uint32_t left = LOOKED_AT;
  for (const struct engine_activation *activation = thread->top; activation; activation = activation->previous) {
    const struct engine_instance *instance = activation->instance;
    struct engine_location at = {.crossing = activation->crossing};
    const void *site = activation->site;
    for (uint64_t *fp = activation->fp; site && left > 0; site = at.caller_site, fp = at.caller_fp, left--) {
      if (!instance->tier->locate(instance->code, site, fp, &at)) break;
      if (!(but_first && left == LOOKED_AT) && is_stray(instance, site, at.func)) return true;
    }
  }
  return false;
}

static const void *look_at_loop(struct engine_instance *inst, uint32_t entry, const uint32_t *labels, uint32_t count,
                                bool *looks_after) {
  void *interpreter = baseline_interpreter(inst->code, entry);
  *looks_after = baseline_has_strays(inst->thread, true);
  if (!interpreter) return baseline_loop_entry(inst->code, entry, labels, count);
  return *looks_after ? interp_loop(interpreter, entry, labels[0]) : NULL;
}
static bool look_at_call(struct engine_instance *inst) { return baseline_has_strays(inst->thread, false); }
const struct interp_looks baseline_looks = {.at_loop = look_at_loop, .at_call = look_at_call};

/* Where the frame, compiled code that polls at `site`, goes on; NULL: where it is. */
static const void *find_place(struct engine_instance *inst, const void *site, uint32_t entry) {
  void *interpreter = baseline_interpreter(inst->code, entry);
  uint32_t label = baseline_label_at(inst->code, site);
  if (label == UINT32_MAX) return NULL;
  return interpreter ? interp_loop(interpreter, entry, label) : baseline_loop_entry(inst->code, entry, &label, 1);
}

/* The limit is there, so it is code that counts. */
static int count(struct engine_instance *inst, uint32_t entry, const void *site) {
  const void *there = baseline_ticked_at_loop(inst->code, inst->thread, entry, site);
  if (!there) return ENGINE_TRAP_NONE;
  inst->thread->top->site = there;
  return BASELINE_IS_OPTIMIZED;
}

int baseline_helper_poll(uint64_t *fp, struct engine_instance *inst, uint64_t operands, uint64_t imm) {
  (void)operands, (void)imm;
  struct engine_thread *thread = inst->thread;
  struct engine_activation *activation = thread->top;
  const void *site = baseline_site((uintptr_t)activation->site);
  uint64_t *link;
  uint32_t entry = baseline_frame(inst->code, site, fp, &link);
  if (atomic_load_explicit(&thread->stack_limit, memory_order_relaxed)) return count(inst, entry, site);
  if (!engine_thread_looks(thread)) return ENGINE_TRAP_INTERRUPTED;
  bool is_first = !baseline_returns_to_code((const void *)(uintptr_t)*link);
  bool moves = baseline_interpreter(inst->code, entry) != NULL, looks_after = baseline_has_strays(thread, true);
  if (is_first) activation->looks_after |= looks_after;
  if (!moves && (is_first || !looks_after)) return ENGINE_TRAP_NONE;
  const void *there = is_first || engine_can_nest(thread) ? find_place(inst, site, entry) : NULL;
  if (!there) return ENGINE_TRAP_NONE;
  activation->site = there;
  return looks_after && !is_first ? BASELINE_MOVES_AND_LOOKS : BASELINE_MOVES;
}
