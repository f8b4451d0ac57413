/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Between compiled code and the rest: functions with the guest's convention, which compiled code jumps to or calls.
 *
 * A function here that returns to compiled code does so through baseline_arch_back, which puts the state where compiled
 * code expects it; one that does not ends the activation (engine_arch_leave) or goes on at a handler of an exception
 * (baseline_arch_resume). What is abandoned then owns nothing, and this file is built without sanitizers, which mark
 * stack frames as in use.
 *
 * Invariants
 *  1. The activation's site, fp and instance are current whenever C code runs that may walk frames.
 *  2. A call's return address is the site of its caller; it is outside of the code arena when the callee is the
 *     activation's first frame, and in the stub for such calls (baseline_arch_crossed) when the caller is optimized. Where
 *     compiled code tells a site by a number, it is the offset in the arena. */
#include <assert.h>

#include "engine/engine_arch.h"
#include "tiers/baseline/code.h"
#include "tiers/interp/beside.h"
#include "tiers/interp/insn.h"
#include "tiers/tiers.h"

#define STATE uint64_t *fp, uint8_t *mem, struct engine_instance *inst, uint64_t r0, uint64_t r1, uint64_t r2
/* Jumped to by arch_*.c as well. */
#define BRIDGE(name)                  \
  BASELINE_GUEST_CC void name(STATE); \
  BASELINE_GUEST_CC __attribute__((used)) void name(STATE)

/* Who called: a site, or what is none, for where an activation begins; then the frame is the callee's own. `sp`: the native
 * stack pointer at the callee's entry, where exceptions are looked after. */
#define NO_SITE ((const void *)UINTPTR_MAX)
#define CALLER(sp) called_from(inst, __builtin_return_address(0), fp, sp)
static struct baseline_caller called_from(struct engine_instance *inst, const void *return_address, uint64_t *fp,
                                          uint64_t sp) {
  struct baseline_caller caller = {NO_SITE, fp, 0}, called = {return_address, fp, (uintptr_t)sp};
  const void *crossing = inst->thread->top->crossing;
  baseline_caller_at(inst->code, &called, &crossing, &caller);
  return caller;
}

/* How invoke's loop is told that a tail call has given the activation another function. */
enum { AGAIN = INTERP_AGAIN };

/* Added to the address of a function for tail_away: after the call the thread looks again. */
enum { LOOKS_AFTER = 1 };

/* ---- Into compiled code ------------------------------------------------------------------------------------------------ */

/* The native stack that is left for C code below compiled code. */
enum { NATIVE_KEPT_BYTES = 128 * 1024 };

/* A call in compiled code takes at least as much of the value stack as of the native stack, in optimized code a share of it
 * (BASELINE_NATIVE_FACTOR), so that a limit of the former is one of the latter, too. Where host functions have used up much
 * native stack, that is less than what there is. */
static uint64_t *limit_from(const struct engine_thread *thread, uint64_t *base_fp) {
  static_assert(IR_LINK_SLOTS * sizeof(uint64_t) >= 16, "of a frame in compiled code");
  uintptr_t here = (uintptr_t)__builtin_frame_address(0), low = (uintptr_t)thread->stack->native_low;
  size_t left = here > low + NATIVE_KEPT_BYTES ? here - low - NATIVE_KEPT_BYTES : 0;
  size_t values = base_fp < thread->value_limit ? (size_t)(thread->value_limit - base_fp) : 0;
  size_t slots = left / sizeof *base_fp / thread->stack->native_factor;
  bool takes_native = baseline_native_frame_bytes || thread->stack->native_factor > 1;
  return slots < values && takes_native ? base_fp + slots : thread->value_limit;
}

/* Where a frame goes on that is the first now; NULL: in the interpreter. */
BASE_COLD static const void *start_at_site(const struct engine_activation *activation) {
  const void *site = activation->site;
  if (!base_code_contains((uintptr_t)site)) return NULL;
  uint64_t *link;
  baseline_frame(activation->instance->code, site, activation->base_fp, &link);
  *link = (uint64_t)(uintptr_t)baseline_arch_returned;
  return site;
}

/* Where compiled code starts, or NULL: the interpreter runs. */
static inline const void *start_of(const struct engine_activation *activation) {
  if (BASE_UNLIKELY(activation->site)) return start_at_site(activation);
  const struct baseline_code *code = activation->instance->code;
  uint32_t entry = activation->function->entry;
  if (BASE_UNLIKELY(atomic_load_explicit(&code->beside, memory_order_acquire)) && baseline_interpreter(code, entry))
    return NULL;
  return atomic_load_explicit(&code->entries[entry], memory_order_acquire);
}

/* The segment begins at memory 0 while code of the instance runs, and where it was when that ends: what it was. */
static inline uint64_t move_segment(struct engine_instance *inst) {
  const struct baseline_code *code = inst->code;
  return code->has_segment ? baseline_arch_segment((uintptr_t)inst->memory0->base) : 0;
}

/* Calls what may do anything, even leave the segment elsewhere. */
static inline enum engine_trap call_out(struct engine_instance *inst, struct engine_function *function,
                                        uint64_t *slots) {
  enum engine_trap trap = engine_call_from_guest(inst->thread, function, slots);
  move_segment(inst);
  return trap;
}

BASE_COLD static int interpret(struct engine_activation *activation) {
  return interp_run(baseline_any_interpreter(activation->instance->code), activation);
}

/* What has to be known afterwards lies in `start`: registers that hold it would have to be saved. */
static __attribute__((always_inline)) inline int run_code(struct engine_activation *activation) {
  struct engine_instance *inst = activation->instance;
  struct baseline_start start = {start_of(activation), activation->base_fp, inst->memory0->base, inst,
                                 inst->thread->ticks};
  if (BASE_UNLIKELY(!start.code)) return interpret(activation);
  int ended = engine_arch_enter(baseline_arch_start, &start, &activation->native_sp);
  start.inst->thread->ticks = (uint32_t)start.ticks;
  return ended;
}

static __attribute__((noinline)) int run_in_segment(struct engine_activation *activation) {
  uint64_t outer = baseline_arch_segment((uintptr_t)activation->instance->memory0->base);
  int ended = run_code(activation);
  baseline_arch_segment(outer);
  return ended;
}

static inline int run_once(struct engine_activation *activation) {
  const struct baseline_code *code = activation->instance->code;
  return code->has_segment ? run_in_segment(activation) : run_code(activation);
}

/* A tail call has given the activation another function. */
BASE_COLD static int run_on(struct engine_activation *activation) {
  int ended = AGAIN;
  while (ended == AGAIN) ended = run_once(activation);
  return ended;
}

static inline int run(struct engine_activation *activation) {
  int ended = run_once(activation);
  if (BASE_UNLIKELY(ended == AGAIN)) ended = run_on(activation);
  if (BASE_UNLIKELY(activation->looks_after)) engine_look(activation->instance->store);
  return ended;
}

static __attribute__((noinline)) int invoke_nested(struct engine_activation *activation) {
  struct engine_thread *thread = activation->instance->thread;
  uint64_t *before = thread->value_limit, *limit = limit_from(thread, activation->base_fp);
  if (BASE_LIKELY(limit == before)) return run(activation);
  engine_thread_limit(thread, limit);
  int trap = run(activation);
  engine_thread_limit(thread, before);
  return trap;
}

int baseline_invoke(void *arg) {
  struct engine_activation *activation = arg;
  return activation->previous ? invoke_nested(activation)
                              : run(activation); /* of the first, the native stack is all there */
}

/* ---- Traps and exceptions ---------------------------------------------------------------------------------------------- */

static _Noreturn void raise_at(struct engine_instance *inst, const void *site, uint64_t *fp, enum engine_trap trap) {
  struct engine_activation *activation = engine_publish(inst, site, fp);
  trap = engine_trap_raise(inst->thread, trap);
  engine_arch_leave(activation->native_sp, (int)trap);
}

/* An exception that nothing in this activation catches leaves it like a trap. It is reported where it was thrown, while
 * all frames are still there. */
static _Noreturn void leave_by_exception(struct engine_instance *inst, const void *site, uint64_t *fp) {
  if (inst->thread->trap != ENGINE_TRAP_EXCEPTION) raise_at(inst, site, fp, ENGINE_TRAP_EXCEPTION);
  engine_arch_leave(engine_publish(inst, site, fp)->native_sp, ENGINE_TRAP_EXCEPTION);
}

/* thread->exception is thrown at from->site, where the native stack pointer is from->native_sp. */
static _Noreturn void unwind(struct engine_instance *inst, struct baseline_caller from) {
  struct baseline_landing landing;
  enum engine_trap trap = baseline_land(inst, &from, inst->thread->exception, &landing);
  if (trap == ENGINE_TRAP_INTERRUPTED) raise_at(inst, from.site, from.fp, trap);
  if (trap != ENGINE_TRAP_NONE) leave_by_exception(inst, from.site, from.fp);
  if (landing.is_optimized) baseline_arch_land(landing.pc, landing.fp, (void *)landing.native_sp);
  baseline_arch_resume(landing.pc, landing.fp, inst->memory0->base, inst, (void *)landing.native_sp);
}

BRIDGE(baseline_trap) { raise_at(inst, baseline_site(r1), fp, (enum engine_trap)r0); }

BASELINE_GUEST_CC void baseline_moving(STATE);

/* r2: native stack pointer. */
BRIDGE(baseline_leave) {
  if (r0 == BASELINE_IS_OPTIMIZED) {
    r0 = (uint64_t)(uintptr_t)inst->thread->top->site;
    r1 = inst->thread->ticks;
    __attribute__((musttail)) return baseline_arch_go(fp, mem, inst, r0, r1, r2);
  }
  if (r0 >= BASELINE_MOVES) __attribute__
    ((musttail)) return baseline_moving(fp, mem, inst, r0, r1, r2);
  if (r0 != ENGINE_TRAP_EXCEPTION) raise_at(inst, baseline_site(r1), fp, (enum engine_trap)r0);
  unwind(inst, (struct baseline_caller){baseline_site(r1), fp, (uintptr_t)r2});
}

/* From the signal handler, which has set the stack pointer. r0: faulting instruction; mem: the
 * frame pointer, which is what tells where a frame of optimized code is. A site lies behind its instruction's start. */
BRIDGE(baseline_faulted) {
  if (baseline_is_optimized(inst->code, (const void *)(uintptr_t)r0))
    raise_at(inst, (const void *)(uintptr_t)(r0 + 1), (uint64_t *)(void *)mem, ENGINE_TRAP_MEMORY_BOUNDS);
  raise_at(inst, baseline_site(r0), fp, ENGINE_TRAP_MEMORY_BOUNDS);
}

/* The same where optimized code is interrupted. */
BRIDGE(baseline_interrupted) {
  raise_at(inst, (const void *)(uintptr_t)(r0 + 1), (uint64_t *)(void *)mem, ENGINE_TRAP_INTERRUPTED);
}

/* Frames of optimized code are on the native stack, and shall still be there when somebody walks them; but where it was that
 * stack that ended, there is room only where the activation began. */
static uintptr_t sp_after(const struct engine_activation *activation, uintptr_t sp) {
  enum { LEFT_BYTES = 64 * 1024 };
  uintptr_t low = (uintptr_t)activation->instance->thread->stack->native_low;
  if (baseline_thunk_bytes && sp > low + LEFT_BYTES) return baseline_arch_below(sp);
  return (uintptr_t)baseline_arch_first_sp(activation->native_sp);
}

static void go_on_at(baseline_code_pointer place, struct engine_activation *activation, uintptr_t frame, uintptr_t sp,
                     void *machine_context) {
  enum { PINNED_MEM = 1, PINNED_INST = 2, PINNED_R0 = 3 };
  engine_arch_set_pinned(machine_context, PINNED_MEM, frame);
  engine_arch_set_pinned(machine_context, PINNED_INST, (uint64_t)(uintptr_t)activation->instance);
  engine_arch_set_pinned(machine_context, PINNED_R0, engine_arch_pc(machine_context));
  engine_arch_set_sp(machine_context, sp_after(activation, sp));
  engine_arch_set_pc(machine_context, (uintptr_t)place);
}

bool baseline_fault(struct engine_activation *activation, void *machine_context) {
  uintptr_t frame = engine_arch_frame(machine_context), sp = engine_arch_sp(machine_context);
  if (!base_code_contains(engine_arch_pc(machine_context)))
    return tiers_interp.fault && tiers_interp.fault(activation, machine_context);
  go_on_at(baseline_faulted, activation, frame, sp, machine_context);
  return true;
}

/* Compiled code of the baseline looks by itself, and so does optimized code where it is come to from elsewhere: by an adapter,
 * or after a call of what is not optimized. In guest code nothing of C is under way, so that a lock may be taken here. */
bool baseline_interrupt(struct engine_activation *activation, void *machine_context) {
  uintptr_t pc = engine_arch_pc(machine_context), sp = engine_arch_sp(machine_context);
  if (!base_code_contains(pc)) return false;
  const uint8_t *start = baseline_framed_code(activation->instance->code, (const void *)pc);
  if (!start) return true;
  uintptr_t frame =
      baseline_arch_frame(start, pc, sp, engine_arch_frame(machine_context), engine_arch_link(machine_context));
  uintptr_t record = (uintptr_t)baseline_record_of((const uint64_t *)frame);
  go_on_at(baseline_interrupted, activation, frame, record < sp ? record : sp, machine_context);
  return true;
}

/* Whether the call of what has no frame yet goes on in an activation of its own, because the thread looks after it. */
static bool looks_after_call(struct engine_instance *inst, struct baseline_caller caller) {
  bool is_first = caller.site == NO_SITE;
  struct engine_activation *activation = engine_publish(inst, is_first ? NULL : caller.site, caller.fp);
  if (!baseline_has_strays(inst->thread, false)) return false;
  activation->looks_after |= is_first;
  return !is_first && engine_can_nest(inst->thread);
}

/* The call is begun once more, perhaps of other code. r0: entry. */
BRIDGE(baseline_counted) {
  baseline_ticked_at_call(inst->code, inst->thread, (uint32_t)r0);
  r0 = (uint64_t)(uintptr_t)baseline_entry(inst->code, (uint32_t)r0);
  r1 = inst->thread->ticks;
  __attribute__((musttail)) return baseline_arch_go(fp, mem, inst, r0, r1, r2);
}

/* The frame that has no room does not exist yet: the trap is the call's. r0: entry. */
BRIDGE(baseline_exhausted) {
  struct baseline_caller caller = CALLER(0);
  bool has_limit = atomic_load_explicit(&inst->thread->stack_limit, memory_order_relaxed) != NULL;
  if (has_limit || !engine_thread_looks(inst->thread))
    raise_at(inst, caller.site, caller.fp, has_limit ? ENGINE_TRAP_STACK_EXHAUSTED : ENGINE_TRAP_INTERRUPTED);
  if (looks_after_call(inst, caller)) {
    r1 = (uint64_t)(uintptr_t)&inst->own_functions[r0] | LOOKS_AFTER;
    __attribute__((musttail)) return baseline_arch_tail_away(fp, mem, inst, r0, r1, r2);
  }
  baseline_code_pointer code = (baseline_code_pointer)(uintptr_t)baseline_entry(inst->code, (uint32_t)r0);
  __attribute__((musttail)) return code(fp, mem, inst, r0, r1, r2);
}

/* ---- Calls --------------------------------------------------------------------------------------------------------------- */

/* What the interpreter runs is called like another instance's function, and as if by a tail call: by whom is not known
 * otherwise. r0: entry. */
BRIDGE(baseline_translating) {
  const void *return_address = __builtin_return_address(0);
  if (BASE_UNLIKELY(!baseline_translate(inst->code, (uint32_t)r0))) {
    struct baseline_caller caller = called_from(inst, return_address, fp, 0);
    raise_at(inst, caller.site, caller.fp, ENGINE_TRAP_OUT_OF_MEMORY);
  }
  if (BASE_UNLIKELY(baseline_interpreter(inst->code, (uint32_t)r0) != NULL)) {
    r1 = (uint64_t)(uintptr_t)&inst->own_functions[r0];
    __attribute__((musttail)) return baseline_arch_tail_away(fp, mem, inst, r0, r1, r2);
  }
  baseline_code_pointer code = (baseline_code_pointer)(uintptr_t)baseline_entry(inst->code, (uint32_t)r0);
  __attribute__((musttail)) return code(fp, mem, inst, r0, r1, r2);
}

/* Ends the activation, or an exception's way to its handler. */
static _Noreturn BASE_COLD void call_failed(struct engine_instance *inst, struct baseline_caller caller,
                                            enum engine_trap trap) {
  if (trap == ENGINE_TRAP_EXCEPTION) unwind(inst, caller);
  engine_arch_leave(inst->thread->top->native_sp, (int)trap);
}

/* What a single result is in a register, integer or float. */
static uint64_t result_of(const struct engine_function *function, const uint64_t *fp) {
  return baseline_boxes(function->type) ? fp[0] | ~(uint64_t)UINT32_MAX : fp[0];
}

/* Loops that count look at the limit when they have counted down, which is now where the host took its time meanwhile. */
static bool is_wanted(const struct engine_instance *inst) {
  return BASE_UNLIKELY(!atomic_load_explicit(&inst->thread->stack_limit, memory_order_relaxed));
}

/* r0: native stack pointer, r1: function, r2: distance of the frames in bytes. */
BRIDGE(baseline_away) {
  struct baseline_caller caller = {__builtin_return_address(0), (uint64_t *)(void *)((char *)fp - r2),
                                   (uintptr_t)r0 + baseline_native_frame_bytes};
  engine_publish(inst, caller.site, caller.fp);
  struct engine_function *function = (struct engine_function *)(uintptr_t)r1;
  enum engine_trap trap = call_out(inst, function, fp);
  if (BASE_UNLIKELY(trap != ENGINE_TRAP_NONE)) call_failed(inst, caller, trap);
  mem = inst->memory0->base;
  r0 = result_of(function, fp);
  if (is_wanted(inst)) __attribute__
    ((musttail)) return baseline_arch_back_soon(fp, mem, inst, r0, r1, r2);
  __attribute__((musttail)) return baseline_arch_back(fp, mem, inst, r0, r1, r2);
}

/* The frame is gone: the position is the caller's. In the first frame of an activation the activation itself is handed
 * over, so that such calls do not use up the native stack. r0: native stack pointer, r1: function. */
BRIDGE(baseline_tail_away) {
  struct baseline_caller caller = CALLER(r0);
  bool looks_after = r1 & LOOKS_AFTER, is_first = caller.site == NO_SITE;
  struct engine_function *function = (struct engine_function *)(uintptr_t)(r1 & ~(uint64_t)LOOKS_AFTER);
  struct engine_activation *activation = engine_publish(inst, is_first ? NULL : caller.site, caller.fp);
  if (is_first && function->instance) {
    activation->function = function;
    activation->instance = function->instance;
    engine_arch_leave(activation->native_sp, AGAIN);
  }
  enum engine_trap trap = call_out(inst, function, fp);
  if (BASE_UNLIKELY(looks_after)) engine_look(inst->store);
  if (BASE_UNLIKELY(trap != ENGINE_TRAP_NONE)) {
    if (is_first) engine_arch_leave(activation->native_sp, (int)trap);
    call_failed(inst, caller, trap);
  }
  mem = inst->memory0->base;
  r0 = result_of(function, fp);
  if (is_wanted(inst)) __attribute__
    ((musttail)) return baseline_arch_back_soon(fp, mem, inst, r0, r1, r2);
  __attribute__((musttail)) return baseline_arch_back(fp, mem, inst, r0, r1, r2);
}

/* The frame goes on at the activation's site: in this activation when it is the first one, else in one of its own, and
 * this one stands in its caller. r0: as from the helper `poll`; r1: its site; r2: native stack pointer. */
BRIDGE(baseline_moving) {
  struct engine_activation *activation = inst->thread->top;
  const void *there = activation->site;
  uint64_t *link;
  uint32_t entry = baseline_frame(inst->code, baseline_site(r1), fp, &link);
  const void *return_address = (const void *)(uintptr_t)*link;
  if (!baseline_returns_to_code(return_address)) engine_arch_leave(activation->native_sp, AGAIN);
  struct baseline_caller caller = called_from(inst, return_address, fp, r2);
  engine_publish(inst, caller.site, caller.fp);
  enum engine_trap trap = engine_go_on_from_guest(inst->thread, &inst->own_functions[entry], fp, there);
  if (r0 == BASELINE_MOVES_AND_LOOKS) engine_look(inst->store);
  if (BASE_UNLIKELY(trap != ENGINE_TRAP_NONE)) call_failed(inst, caller, trap);
  mem = inst->memory0->base;
  r0 = result_of(&inst->own_functions[entry], fp);
  r1 = (uint64_t)(uintptr_t)return_address;
  __attribute__((musttail)) return baseline_arch_return_to(fp, mem, inst, r0, r1, r2);
}

/* ---- From optimized code ------------------------------------------------------------------------------------------------ */

/* Functions with the C convention that optimized code calls; it has a frame pointer. */
#define CALLING_SITE __builtin_return_address(0)
#define CALLING_FRAME (baseline_record_of(__builtin_frame_address(0))->fp)
#define CALLING ((struct baseline_caller){.site = CALLING_SITE, .fp = CALLING_FRAME})

static void optimized_raise(struct engine_instance *inst, uint64_t trap) {
  raise_at(inst, CALLING_SITE, CALLING_FRAME, (enum engine_trap)trap);
}

/* As baseline_exhausted: the trap is the call's, which has no code where the function is inlined. */
static void optimized_no_room(struct engine_instance *inst) {
  bool has_limit = atomic_load_explicit(&inst->thread->stack_limit, memory_order_relaxed) != NULL;
  if (!has_limit && engine_thread_looks(inst->thread)) return;
  struct baseline_caller caller = CALLING;
  if (!baseline_is_inlined(inst->code, &caller)) {
    const void *crossing = inst->thread->top->crossing;
    caller = (struct baseline_caller){NO_SITE, NULL};
    baseline_optimized_caller(inst->code, CALLING_FRAME, &crossing, &caller);
  }
  raise_at(inst, caller.site, caller.fp, has_limit ? ENGINE_TRAP_STACK_EXHAUSTED : ENGINE_TRAP_INTERRUPTED);
}

static void optimized_look(struct engine_instance *inst) {
  if (!engine_thread_looks(inst->thread)) raise_at(inst, CALLING_SITE, CALLING_FRAME, ENGINE_TRAP_INTERRUPTED);
}

/* Of what is not compiled code of the instance. */
__attribute__((used)) void baseline_leave_call(struct engine_instance *inst, uint64_t *slots,
                                               struct engine_function *function) {
  struct engine_activation *activation = engine_publish(inst, CALLING_SITE, CALLING_FRAME);
  enum engine_trap trap = call_out(inst, function, slots);
  if (BASE_UNLIKELY(trap == ENGINE_TRAP_EXCEPTION)) unwind(inst, CALLING);
  if (BASE_UNLIKELY(trap != ENGINE_TRAP_NONE)) engine_arch_leave(activation->native_sp, (int)trap);
}

/* By a stub that has taken the place of the frame: as baseline_tail_away. Returns a single result. */
__attribute__((used)) uint64_t baseline_leave_tail(struct engine_instance *inst, uint64_t *slots,
                                                   struct engine_function *function) {
  struct baseline_caller caller = {NULL, slots};
  const void *crossing = inst->thread->top->crossing;
  bool is_first = !baseline_optimized_caller(inst->code, CALLING_FRAME, &crossing, &caller);
  struct engine_activation *activation = engine_publish(inst, is_first ? NULL : caller.site, caller.fp);
  if (is_first && function->instance) {
    activation->function = function;
    activation->instance = function->instance;
    engine_arch_leave(activation->native_sp, AGAIN);
  }
  enum engine_trap trap = call_out(inst, function, slots);
  if (BASE_UNLIKELY(trap == ENGINE_TRAP_EXCEPTION && !is_first)) unwind(inst, caller);
  if (BASE_UNLIKELY(trap != ENGINE_TRAP_NONE)) engine_arch_leave(activation->native_sp, (int)trap);
  return result_of(function, slots);
}

static void optimized_help(struct engine_instance *inst, uint64_t *slots, uint64_t operands, uint64_t imm,
                           uint64_t helper) {
  engine_publish(inst, CALLING_SITE, CALLING_FRAME);
  int trap = baseline_runtime.helpers[helper](slots, inst, operands, imm);
  if (BASE_UNLIKELY(trap == ENGINE_TRAP_EXCEPTION)) unwind(inst, CALLING);
  if (BASE_UNLIKELY(trap)) raise_at(inst, CALLING_SITE, CALLING_FRAME, (enum engine_trap)trap);
}

/* What programs do often and with few bytes: operands come in registers, and the position is told only where it ends. */
static void optimized_copy(struct engine_instance *inst, uint64_t to, uint64_t from, uint64_t count) {
  enum engine_trap trap = engine_memory_copy(inst->memory0, to, inst->memory0, from, count);
  if (BASE_UNLIKELY(trap)) raise_at(inst, CALLING_SITE, CALLING_FRAME, trap);
}

static void optimized_fill(struct engine_instance *inst, uint64_t at, uint64_t value, uint64_t count) {
  enum engine_trap trap = engine_memory_fill(inst->memory0, at, (uint32_t)value, count);
  if (BASE_UNLIKELY(trap)) raise_at(inst, CALLING_SITE, CALLING_FRAME, trap);
}

const struct baseline_runtime baseline_runtime = {
    .trap = baseline_trap,
    .leave = baseline_arch_leave,
    .exhausted = baseline_exhausted,
    .away = baseline_arch_away,
    .tail_away = baseline_arch_tail_away,
    .translate = baseline_translating,
    .counted = baseline_counted,
    .raise = optimized_raise,
    .no_room = optimized_no_room,
    .look = optimized_look,
    .leave_call = baseline_arch_leave_call,
    .leave_tail = baseline_arch_leave_tail,
    .help = optimized_help,
    .copy = optimized_copy,
    .fill = optimized_fill,
    .helpers =
        {
#define X(name) [BASELINE_HELPER_##name] = baseline_helper_##name,
            BASELINE_HELPERS(X)
#undef X
        },
};
