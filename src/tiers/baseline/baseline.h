/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the baseline tier share: the compiled function, the runtime that compiled code calls, and the steps
 * of compiling. docs/baseline.md has the design; stencil.h the machine code it is made of. */
#ifndef TIERS_BASELINE_BASELINE_H
#define TIERS_BASELINE_BASELINE_H

#include "engine/engine.h"
#include "tiers/arch_convention.h"
#include "tiers/ir.h"
#include "tiers/tables.h"

#define BASELINE_GUEST_CC TIERS_GUEST_CC
typedef BASELINE_GUEST_CC void (*baseline_code_pointer)(uint64_t *fp, uint8_t *mem, struct engine_instance *inst,
                                                         uint64_t r0, uint64_t r1, uint64_t r2);

/* ---- Helpers (helpers.c) ----------------------------------------------------------------------------------------- */

/* Operations by C functions. `operands`: d | a << 16 | b << 32 | c << 48, slots or small numbers: the fields of the
 * register instruction, if not said otherwise by baseline_helper_find. The position is published. Returns a trap that is
 * not reported yet, or EXCEPTION when thread->exception is thrown. */
typedef int (*baseline_helper)(uint64_t *fp, struct engine_instance *inst, uint64_t operands, uint64_t imm);
#define BASELINE_HELPERS(X) \
  X(memory_size) X(memory_grow) X(memory_fill) X(memory_copy) X(memory_init) X(data_drop)                        \
  X(table_get) X(table_set) X(table_size) X(table_grow) X(table_fill) X(table_copy) X(table_init) X(elem_drop)    \
  X(struct_new) X(struct_new_default) X(struct_get) X(struct_set) X(array_new) X(array_new_default)               \
  X(array_new_fixed) X(array_new_data) X(array_new_elem) X(array_get) X(array_set) X(array_len) X(array_fill)     \
  X(array_copy) X(array_init_data) X(array_init_elem) X(ref_i31) X(i31_get_s) X(i31_get_u) X(ref_test) X(ref_cast) \
  X(ref_as_non_null) X(throw) X(throw_ref) X(atomic_notify) X(atomic_wait32) X(atomic_wait64) X(poll)         \
  X(fuel) X(fuel_bytes)
enum baseline_helper_index {
#define X(name) BASELINE_HELPER_##name,
  BASELINE_HELPERS(X)
#undef X
      BASELINE_HELPER_COUNT
};
#define X(name) \
  int baseline_helper_##name(uint64_t *fp, struct engine_instance *inst, uint64_t operands, uint64_t imm);
BASELINE_HELPERS(X)
#undef X

struct baseline_helper_call {
  enum baseline_helper_index helper;
  uint32_t d, a, b, c;
  uint64_t imm;
};
/* The call that does what `insn` says; false: there is no helper for it, or its operands do not fit. */
bool baseline_helper_find(const struct module *module, const struct ir_insn *insn, struct baseline_helper_call *out);

/* ---- The runtime (bridge.c) --------------------------------------------------------------------------------------- */

/* A site is a place in compiled code: an address, or a number of 32 bits that is odd, as no address of an instruction of
 * the interpreter is, and has its offset in the code arena in the bits above. */
static inline uint64_t baseline_site_number(uint64_t offset) { return offset << 1 | 1; }
static inline const void *baseline_site(uint64_t site) {
  bool is_number = site <= UINT32_MAX && (site & 1);
  return (const void *)(uintptr_t)(is_number ? (uint64_t)(uintptr_t)base_code_arena() + (site >> 1) : site);
}

/* What compiled code reaches through its instance's code object, whose first member points here. None of trap, leave and
 * exhausted returns. */
struct baseline_runtime {
  baseline_code_pointer trap;      /* r0: trap; r1: site */
  baseline_code_pointer leave;     /* what a helper returned: r0: trap, not reported, or EXCEPTION; r1: site */
  baseline_code_pointer exhausted; /* from a prologue: no room, trap at the caller's site; or look. r0: entry */
  baseline_code_pointer away;      /* a call out of the instance: r1: function, r2: d in bytes; fp: the callee's */
  baseline_code_pointer tail_away; /* the same by a tail call: the frame is gone, arguments at fp */
  baseline_code_pointer translate; /* r0: entry of the function to compile; goes on in it */
  baseline_code_pointer counted;   /* from a prologue that has counted down. r0: entry */
  /* For optimized code, by the C convention; the position is the return address in the frame that calls. */
  void (*raise)(struct engine_instance *inst, uint64_t trap); /* does not return */
  void (*no_room)(struct engine_instance *inst);              /* from a prologue: no room, or look */
  void (*look)(struct engine_instance *inst);                 /* from a loop: the stack limit is missing */
  void (*leave_call)(struct engine_instance *inst, uint64_t *slots, struct engine_function *function); /* not native */
  const char *leave_tail; /* a stub: the same by a tail call from native code, in its convention */
  void (*help)(struct engine_instance *inst, uint64_t *slots, uint64_t operands, uint64_t imm, uint64_t helper);
  void (*copy)(struct engine_instance *inst, uint64_t to, uint64_t from, uint64_t count); /* within memory 0 */
  void (*fill)(struct engine_instance *inst, uint64_t at, uint64_t value, uint64_t count);
  baseline_helper helpers[BASELINE_HELPER_COUNT];
};
extern const struct baseline_runtime baseline_runtime;

/* Where there is optimized code, whose frames on the native stack may be larger than those of values, how many times as large
 * the native stack is as that of values. */
enum { BASELINE_NATIVE_FACTOR = 16 };
/* Runs the activation's function on this stack; as engine_tier.invoke. */
int baseline_invoke(void *activation);
/* engine_tier.fault and engine_tier.interrupt */
bool baseline_fault(struct engine_activation *activation, void *machine_context);
bool baseline_interrupt(struct engine_activation *activation, void *machine_context);

/* ---- Code objects (baseline.c) ------------------------------------------------------------------------------------ */

/* Compiles function `entry` of the code object on its first call. False: no memory. It may turn out that the interpreter
 * runs it; then the entry stays as it was. */
bool baseline_translate(void *code, uint32_t entry);
const void *baseline_entry(const void *code, uint32_t entry);
/* The interpreter's code object when it is to run the function, else NULL. */
void *baseline_interpreter(const void *code, uint32_t entry);
/* The same for whoever has a position of it; it exists. */
void *baseline_any_interpreter(const void *code);
/* The entry of the function that `site`, an address in compiled code, lies in, and the link of its frame at `fp`. */
uint32_t baseline_frame(void *code, const void *site, uint64_t *fp, uint64_t **link);
/* Whether `site` is in optimized code, whose frames are positions of the native stack. */
bool baseline_is_optimized(void *code, const void *site);
/* Where the optimized function that `pc` is in begins; NULL: in none, or in a thunk. */
const uint8_t *baseline_framed_code(void *code, const void *pc);
/* What links frames of optimized code, and those of C code: it begins so many slots below a frame pointer. */
struct baseline_record {
  uint64_t *fp;     /* the caller's frame pointer */
  const void *site; /* the return address */
};
extern const uint32_t baseline_record_slots;
static inline const struct baseline_record *baseline_record_of(const uint64_t *fp) {
  return (const struct baseline_record *)(const void *)(fp - baseline_record_slots);
}
/* Where optimized code has called compiled code of the baseline, whose frame on the value stack leads nowhere else: what the
 * stub for such calls has on the native stack, at least (arch_*.c). */
struct baseline_crossing {
  const struct baseline_crossing *outer; /* of the same activation; NULL: none */
  uint64_t kept[5];
  uint64_t *fp; /* of the optimized caller */
  const void *site;
};
extern const char baseline_arch_crossed[]; /* where what was called so returns to */
/* Whether code that returns there is not the first of its activation. */
static inline bool baseline_returns_to_code(const void *address) {
  return base_code_contains((uintptr_t)address) || address == baseline_arch_crossed;
}
/* Who called what returns to called->site, and has its frame at called->fp; or who called the optimized frame at `fp`. False: it
 * is its activation's first. `*crossing`: as in struct engine_location. */
struct baseline_caller {
  const void *site;
  uint64_t *fp;
  uintptr_t native_sp; /* of compiled code: behind the call, where exceptions are looked after */
};
bool baseline_caller_at(void *code, const struct baseline_caller *called, const void **crossing,
                        struct baseline_caller *out);
bool baseline_optimized_caller(void *code, uint64_t *fp, const void **crossing, struct baseline_caller *out);
/* Whether what is optimized there is inlined into another function, which `at` is then. */
bool baseline_is_inlined(void *code, struct baseline_caller *at);
/* Of code that counts, where the thread's ticks are used up: struct baseline_watch. */
void baseline_ticked_at_call(void *code, struct engine_thread *thread, uint32_t entry);
const void *baseline_ticked_at_loop(void *code, struct engine_thread *thread, uint32_t entry, const void *site);
/* The label of the loop that polls at `site`; UINT32_MAX: no memory. */
uint32_t baseline_label_at(void *code, const void *site);
/* Calls in the function's compiled code vote again. */
void baseline_poll_calls(void *code, uint32_t entry);
/* Where the function's compiled code, which is made if need be, is entered at one of these loops; NULL: not at all, or no
 * memory. */
const void *baseline_loop_entry(void *code, uint32_t entry, const uint32_t *labels, uint32_t count);

/* ---- Moves (moves.c) ---------------------------------------------------------------------------------------------- */

/* What the helper `poll` returns besides traps: the frame goes on at the activation's site; and then the thread looks
 * again after it. */
enum { BASELINE_MOVES = 2000, BASELINE_MOVES_AND_LOOKS, BASELINE_IS_OPTIMIZED }; /* the last: it is a jump */
/* Whether a frame of the thread is run by another tier than it should; `but_first`: apart from the innermost. */
bool baseline_has_strays(const struct engine_thread *thread, bool but_first);
extern const struct interp_looks baseline_looks;
/* How far the frame of what was called at `site` lies above the caller's, in slots; false: not a site of the code. */
bool baseline_call_distance(void *code, const void *site, uint32_t *d);

/* Where an exception is caught: code of the frame at `fp`, where the native stack pointer is `native_sp`. */
struct baseline_landing {
  const void *pc;
  uint64_t *fp;
  uintptr_t native_sp;
  bool is_optimized;
};
/* Finds what catches `exception`, thrown `from` there, in the frames of the running activation, and writes its values.
 * EXCEPTION: nothing in this activation. INTERRUPTED: stopped on the way, which may be long. */
enum engine_trap baseline_land(struct engine_instance *instance, const struct baseline_caller *from, uint64_t exception,
                               struct baseline_landing *out);

/* ---- The emitter (emit.c) ----------------------------------------------------------------------------------------- */

/* A call in compiled code. */
struct baseline_site {
  uint32_t offset; /* of the return address in the function */
  uint32_t d;      /* callee's frame minus this one, in slots */
};
/* A hole of kind `kind` at byte `at`, which takes the offset in the arena of the function's byte `position`, or, when
 * `is_pool`, the distance to byte `position` of stencil_pool. */
struct baseline_site_hole {
  uint32_t at, position;
  uint8_t kind;
  bool is_pool;
};

/* What the emitter makes of a function: position-independent bytes, and where they must be told the arena's offset.
 * Sites lie in the bytes of their instruction, hence of its ranges and its function: start <= site < end. */
struct baseline_output {
  BASE_VEC(uint8_t) code;
  BASE_VEC(struct baseline_site_hole) site_holes;
  BASE_VEC(struct baseline_site) sites;   /* ascending */
  BASE_VEC(struct tables_map) maps;       /* positions that may collect, sites of calls and helpers: ascending */
  BASE_VEC(struct tables_range) ranges;   /* code whose exceptions are caught, inner ones first */
  BASE_VEC(uint32_t) labels;              /* byte position of the landing pad of each label that is a catch clause's */
  BASE_VEC(struct baseline_loop) loops;
  BASE_VEC(struct baseline_piece) pieces; /* with options.lists: which bytes belong to which instruction, ascending */
};
/* A loop head that execution can enter and leave from outside: there the frame is exact. */
struct baseline_loop {
  uint32_t label;  /* of the register code */
  uint32_t entry;  /* position that loads the loop's registers and goes on at its head */
};

struct baseline_piece {
  uint32_t start, end;
  uint32_t offset; /* of the wasm instruction; 0: none */
  bool is_data;
};

/* What the call at `offset` in the module, of a function that is found at run time, goes to, as code that counts finds it: a call
 * of `entry` is a vote for it, one of another function takes two away, and becomes the new one when there are none. So votes
 * grow where more than two of three calls are of one function. Only some calls vote, lest code becomes slower: the first ones, and
 * after baseline_poll_calls more. Threads may race for it. */
struct baseline_target {
  uint32_t offset;
  uint32_t entry; /* BASELINE_NO_ENTRY: of another instance, or the host's; or none yet */
  uint32_t votes;
  uint32_t left; /* calls that will vote */
};
#define BASELINE_NO_ENTRY UINT32_MAX
enum { BASELINE_VOTERS = 128 };

struct baseline_emitter;
struct baseline_emit_options {
  bool explicit_bounds;
  bool lists;        /* fills in `pieces`, for people */
  bool exact_locals; /* every write to a local goes to its slot at once, so that it can be read after a trap */
  bool counts;       /* calls and rounds of loops count down, in loops in place of the poll: baseline_arch_count */
  struct baseline_target *targets; /* of code that counts, one for each such call, in order; NULL: the code is not to run */
};
struct baseline_emitter *baseline_emitter_new(void);
void baseline_emitter_free(struct baseline_emitter *emitter);
/* Gives back what the last function needed; the next one grows it anew. */
void baseline_emitter_trim(struct baseline_emitter *emitter);
/* Compiles `function`. The result is the emitter's and valid until the next call. NULL: `*unsupported` tells whether it
 * cannot be compiled, or memory ran out. */
const struct baseline_output *baseline_emit(struct baseline_emitter *emitter, const struct module *module,
                                            const struct ir_function *function,
                                            const struct baseline_emit_options *options, bool *unsupported);
/* The wasm offset of the instruction that the byte at `position` belongs to; emits the function again. */
uint32_t baseline_emit_offset(struct baseline_emitter *emitter, const struct module *module,
                              const struct ir_function *function, const struct baseline_emit_options *options,
                              uint32_t position);

/* ---- The machine (arch_*.c) ---------------------------------------------------------------------------------------- */

enum { BASELINE_ARCH_MAX_BYTES = 64 }; /* of each sequence below */
extern const uint32_t baseline_native_frame_bytes;
extern const uint32_t baseline_max_frame_slots; /* functions with larger frames are not compiled */

/* Each writes code at `to` and returns its end. `d`, `link`: slots. Offsets of return addresses are from `to`. */
uint8_t *baseline_arch_entry(uint8_t *to);                        /* landing pad for indirect calls */
uint8_t *baseline_arch_exhausted(uint8_t *to, uint32_t entry);    /* where a prologue's STACK_CHECK goes; before keep_return */
/* Counting, where there is an optimizer for the processor: in a register, which C code keeps; a counter in memory costs a
 * seventh of the time. Down by one, to the hole's target when it was 0; the counter is what thread->ticks says; it is 0, if
 * the thread's stack limit is missing; where a prologue's count goes. */
uint8_t *baseline_arch_count(uint8_t *to, uint32_t *hole);
uint8_t *baseline_arch_load_count(uint8_t *to);
uint8_t *baseline_arch_end_count(uint8_t *to);
uint8_t *baseline_arch_counted(uint8_t *to, uint32_t entry);
uint8_t *baseline_arch_keep_return(uint8_t *to, uint32_t link);   /* link slot <- return address */
uint8_t *baseline_arch_reload_return(uint8_t *to, uint32_t link); /* before results or arguments overwrite the link slot */
uint8_t *baseline_arch_return(uint8_t *to);                       /* after reload_return */
uint8_t *baseline_arch_call_entry(uint8_t *to, uint32_t d, uint32_t entry, uint32_t *return_offset); /* inst->entries[entry] */
uint8_t *baseline_arch_call_r0(uint8_t *to, uint32_t d, uint32_t *return_offset);
uint8_t *baseline_arch_jump_entry(uint8_t *to, uint32_t entry);
uint8_t *baseline_arch_jump_r0(uint8_t *to);
/* Stubs of functions that are not compiled yet, at distances of baseline_stub_bytes from `to` plus baseline_stub_head_bytes:
 * r0 <- number, from 0 on, and to runtime->translate. */
extern const uint32_t baseline_stub_head_bytes, baseline_stub_bytes;
void baseline_arch_stubs(uint8_t *to, uint32_t count);
/* A native stack pointer below what code that has this one may use. */
uintptr_t baseline_arch_below(uintptr_t sp);
/* The frame of optimized code that begins at `start` and was interrupted anywhere, with these registers. Where it has none yet,
 * or no longer, one is made below the stack pointer. */
uintptr_t baseline_arch_frame(const uint8_t *start, uintptr_t pc, uintptr_t sp, uintptr_t frame, uintptr_t link);
/* Where optimized code is: a thunk takes calls of the guest's convention to the adapter, `distance` bytes behind it. The callee's
 * frame lies below its record. `boxes`: as baseline_boxes says. */
extern const uint32_t baseline_thunk_bytes; /* 0: there is no optimized code for this processor */
void baseline_arch_thunk(uint8_t *to, int32_t distance, bool boxes);
extern const uint32_t baseline_thunk_frame_slots; /* from its frame pointer to the native stack pointer at its entry */
/* Writes a value into a hole at `at` of code that starts at `code`; jumps get the target's position. */
void baseline_arch_patch(uint8_t *code, uint32_t at, uint8_t kind, uint64_t value);

/* Calls `code` with the given state; for engine_arch_enter, which keeps the registers. Returns 0. */
struct baseline_start {
  const void *code;
  uint64_t *fp;
  uint8_t *mem;
  struct engine_instance *inst;
  uint64_t ticks; /* also what is left afterwards, when the function returned */
};
int baseline_arch_start(void *start);
/* Optimized code reaches memory 0 by a segment register, where there is one: gives it a base; returns what it had. */
uint64_t baseline_arch_segment(uint64_t base);
extern const char baseline_arch_returned[]; /* where that is returned to */
/* The native stack pointer in the first frame of the activation with this native_sp. */
void *baseline_arch_first_sp(void *native_sp);
/* Entries of the runtime that hand on the stack pointer: leave in r2, away and tail_away in r0. */
BASELINE_GUEST_CC void baseline_arch_leave(uint64_t *fp, uint8_t *mem, struct engine_instance *inst, uint64_t r0,
                                           uint64_t r1, uint64_t r2);
BASELINE_GUEST_CC void baseline_arch_away(uint64_t *fp, uint8_t *mem, struct engine_instance *inst, uint64_t r0,
                                          uint64_t r1, uint64_t r2);
BASELINE_GUEST_CC void baseline_arch_tail_away(uint64_t *fp, uint8_t *mem, struct engine_instance *inst, uint64_t r0,
                                               uint64_t r1, uint64_t r2);
/* Where optimized code is, called by it: enters compiled code of the instance as compiled code does, by its entry, and leaves
 * everything else to baseline_leave_call. */
void baseline_arch_leave_call(struct engine_instance *inst, uint64_t *slots, struct engine_function *function);
void baseline_leave_call(struct engine_instance *inst, uint64_t *slots, struct engine_function *function);
/* Where optimized code is, jumped to by it: makes a frame and calls baseline_leave_tail with instance, slots and function; a
 * single result is in the first registers then. */
extern const char baseline_arch_leave_tail[];
uint64_t baseline_leave_tail(struct engine_instance *inst, uint64_t *slots, struct engine_function *function);
extern const bool baseline_boxes_f32; /* an f32 in a float register has ones above it */
/* Whether that is what functions of the type return. */
static inline bool baseline_boxes(const struct module_func_type *type) {
  return baseline_boxes_f32 && type->result_count == 1 && type->results[0] == MODULE_F32;
}
/* Returns to compiled code with this state, r0 also in x0. */
BASELINE_GUEST_CC void baseline_arch_back(uint64_t *fp, uint8_t *mem, struct engine_instance *inst, uint64_t r0,
                                          uint64_t r1, uint64_t r2);
/* The same, and the counter is 0, for the thread's limit is missing. */
BASELINE_GUEST_CC void baseline_arch_back_soon(uint64_t *fp, uint8_t *mem, struct engine_instance *inst, uint64_t r0,
                                               uint64_t r1, uint64_t r2);
/* Goes to code at r0, and the counter is r1. */
BASELINE_GUEST_CC void baseline_arch_go(uint64_t *fp, uint8_t *mem, struct engine_instance *inst, uint64_t r0,
                                        uint64_t r1, uint64_t r2);
/* The same to r1, whatever the link slot holds now. */
BASELINE_GUEST_CC void baseline_arch_return_to(uint64_t *fp, uint8_t *mem, struct engine_instance *inst, uint64_t r0,
                                               uint64_t r1, uint64_t r2);
/* Goes on at `pc` with the given state and native stack pointer. */
_Noreturn void baseline_arch_resume(const void *pc, uint64_t *fp, uint8_t *mem, struct engine_instance *inst, void *sp);
/* The same in optimized code, with its frame pointer. */
_Noreturn void baseline_arch_land(const void *pc, uint64_t *frame, void *sp);

#endif
