/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Machine code by hand for AArch64: calls, entries and returns, and how guest code is entered and left.
 *
 * fp x20, mem x21, inst x22, r0 x23, r1 x24, r2 x25; x16 and x17 are free. Guest code takes no native stack: a function
 * keeps x30 in its link slot, so sp is the same in all frames of an activation. The C convention keeps x20-x28, and
 * engine_arch_enter has saved what the guest's convention does not. The arena's pages are not of the kind that asks for
 * landing pads. */
#include <assert.h>
#include <stddef.h>

#include "tiers/baseline/arch_words.h"
#include "tiers/baseline/baseline.h"
#include "tiers/baseline/stencil.h"

const uint32_t baseline_native_frame_bytes = 0;
const uint32_t baseline_max_frame_slots = 8191; /* stencils have 16 bits for a distance in bytes */
const bool baseline_boxes_f32 = false;
const uint32_t baseline_stub_head_bytes = 16, baseline_stub_bytes = 12;

enum { FP = 20, INST = 22, R0 = 23, LINK = 30, SCRATCH = 16, SCRATCH_INDEX = 17 };

static uint8_t *word(uint8_t *to, uint32_t instruction) {
  base_store_u32(to, instruction);
  return to + 4;
}

/* reg <- value */
static uint8_t *constant(uint8_t *to, uint32_t reg, uint32_t value) {
  to = word(to, 0x52800000 | (value & 0xFFFF) << 5 | reg);                  /* movz wreg, #low */
  if (value > 0xFFFF) to = word(to, 0x72A00000 | (value >> 16) << 5 | reg); /* movk wreg, #high, lsl #16 */
  return to;
}

/* ldr or str (`opcode`: of the form with an immediate) reg, [base, #index * 8]. */
static uint8_t *access(uint8_t *to, bool is_load, uint32_t reg, uint32_t base, uint32_t index) {
  enum { INDICES = 4096 };
  uint32_t load = is_load ? 0x00400000 : 0;
  if (index < INDICES) return word(to, 0xF9000000 | load | index << 10 | base << 5 | reg);
  to = constant(to, SCRATCH_INDEX, index); /* reg, [base, x17, lsl #3] */
  return word(to, 0xF8207800 | load | SCRATCH_INDEX << 16 | base << 5 | reg);
}
static uint8_t *load(uint8_t *to, uint32_t reg, uint32_t base, uint32_t index) {
  return access(to, true, reg, base, index);
}

static_assert(offsetof(struct engine_instance, entries) % 8 == 0 && offsetof(struct engine_instance, code) % 8 == 0,
              "read with scaled offsets");

static uint8_t *jump(uint8_t *to, uint32_t reg) { return word(to, 0xD61F0000 | reg << 5); }
static uint8_t *call(uint8_t *to, uint32_t reg) { return word(to, 0xD63F0000 | reg << 5); }

static uint8_t *load_entry(uint8_t *to, uint32_t entry) {
  to = load(to, SCRATCH, INST, offsetof(struct engine_instance, entries) / 8);
  return load(to, SCRATCH, SCRATCH, entry);
}

static uint8_t *jump_runtime(uint8_t *to, size_t at) {
  to = load(to, SCRATCH, INST, offsetof(struct engine_instance, code) / 8);
  to = load(to, SCRATCH, SCRATCH, 0);
  return jump(load(to, SCRATCH, SCRATCH, (uint32_t)(at / 8)), SCRATCH);
}

uint8_t *baseline_arch_entry(uint8_t *to) { return to; }

uint8_t *baseline_arch_exhausted(uint8_t *to, uint32_t entry) {
  return jump_runtime(constant(to, R0, entry), offsetof(struct baseline_runtime, exhausted));
}

/* Nothing is optimized on this processor while it runs, so no code counts. */
uint8_t *baseline_arch_count(uint8_t *to, uint32_t *hole) {
  *hole = 0;
  return to;
}
uint8_t *baseline_arch_load_count(uint8_t *to) { return to; }
uint8_t *baseline_arch_end_count(uint8_t *to) { return to; }
uint8_t *baseline_arch_counted(uint8_t *to, uint32_t entry) { return baseline_arch_exhausted(to, entry); }

uint8_t *baseline_arch_keep_return(uint8_t *to, uint32_t link) { return access(to, false, LINK, FP, link); }

uint8_t *baseline_arch_reload_return(uint8_t *to, uint32_t link) { return load(to, LINK, FP, link); }

uint8_t *baseline_arch_return(uint8_t *to) { return word(to, 0xD65F03C0); }

/* fp += or -= d slots, in steps of 12 bits. */
static uint8_t *move_frame(uint8_t *to, bool is_down, uint32_t d) {
  uint32_t opcode = (is_down ? 0xD1000000 : 0x91000000) | FP << 5 | FP, distance = d * 8;
  assert(distance < 1 << 24);
  if (distance & 0xFFF) to = word(to, opcode | (distance & 0xFFF) << 10);
  if (distance >> 12) to = word(to, opcode | 0x400000 | (distance >> 12) << 10);
  return to;
}

uint8_t *baseline_arch_call_entry(uint8_t *to, uint32_t d, uint32_t entry, uint32_t *return_offset) {
  uint8_t *start = to;
  to = call(load_entry(move_frame(to, false, d), entry), SCRATCH);
  *return_offset = (uint32_t)(to - start);
  return move_frame(to, true, d);
}

uint8_t *baseline_arch_call_r0(uint8_t *to, uint32_t d, uint32_t *return_offset) {
  uint8_t *start = to;
  to = call(move_frame(to, false, d), R0);
  *return_offset = (uint32_t)(to - start);
  return move_frame(to, true, d);
}

uint8_t *baseline_arch_jump_entry(uint8_t *to, uint32_t entry) { return jump(load_entry(to, entry), SCRATCH); }

uint8_t *baseline_arch_jump_r0(uint8_t *to) { return jump(to, R0); }

void baseline_arch_stubs(uint8_t *to, uint32_t count) {
  const uint8_t *head = to;
  to = jump_runtime(to, offsetof(struct baseline_runtime, translate));
  assert(to == head + baseline_stub_head_bytes);
  for (uint32_t i = 0; i < count; i++) {
    to = word(to, 0x52800000 | (i & 0xFFFF) << 5 | R0); /* movz, movk, b head */
    to = word(to, 0x72A00000 | (i >> 16) << 5 | R0);
    to = word(to, 0x14000000 | ((uint32_t)(head - to) >> 2 & 0x03FFFFFF));
  }
}

/* The bits of `mask` at the hole become those of `bits`. */
static void put_bits(uint8_t *hole, uint32_t mask, uint32_t bits) {
  base_store_u32(hole, (base_load_u32(hole) & ~mask) | (bits & mask));
}

uint64_t baseline_arch_segment(uint64_t base) { return base; } /* there is none */
uintptr_t baseline_arch_below(uintptr_t sp) { return sp & ~(uintptr_t)15; }

/* ---- Optimized code ------------------------------------------------------------------------------------------------------ */

static bool makes_frame(uint32_t insn) { return (insn & 0xFFC003FF) == 0x910003FD; } /* add x29, sp, #n */
static bool ends_frame(uint32_t insn) { /* ldp x29, x30, [sp ...] */ return (insn & 0xFE407FFF) == 0xA8407BFD; }
static bool is_jump(uint32_t insn) { /* b, bl; b.cond; cbz, tbz; br, blr, ret */
  return (insn & 0x7C000000) == 0x14000000 || (insn & 0xFE000000) == 0x54000000 || (insn & 0x7C000000) == 0x34000000 ||
         (insn & 0xFE000000) == 0xD6000000;
}

static const struct arch_words words = {makes_frame, ends_frame, is_jump};

uintptr_t baseline_arch_frame(const uint8_t *start, uintptr_t pc, uintptr_t sp, uintptr_t frame, uintptr_t link) {
  if (arch_words_have_frame(&words, start, pc)) return frame;
  return (uintptr_t)arch_words_make_frame(sp, frame, link);
}

/* Keeps the frame pointer chain, and the callee's frame where the walker of frames finds it. Behind it, memory may have
 * moved, and a single result is in the first registers too. */
const uint32_t baseline_thunk_bytes = 64, baseline_thunk_frame_slots = 2, baseline_record_slots = 0;
static_assert(offsetof(struct engine_instance, memory0) == 0 && offsetof(struct engine_memory, base) == 0,
              "read by a thunk");
void baseline_arch_thunk(uint8_t *to, int32_t distance, bool boxes) {
  enum { BL = 6, FAR = 1 << 27 };
  (void)boxes;
  assert(distance >= -FAR && distance < FAR);
  const uint32_t insns[] = {
      0xD10083FF,                                                     /* sub sp, sp, #32 */
      0xA9017BFD,                                                     /* stp x29, x30, [sp, #16] */
      0x910043FD,                                                     /* add x29, sp, #16 */
      0xF90007F4,                                                     /* str x20, [sp, #8] */
      0xAA1603E0,                                                     /* mov x0, x22 */
      0xAA1403E1,                                                     /* mov x1, x20 */
      0x94000000 | ((uint32_t)(distance - BL * 4) >> 2 & 0x03FFFFFF), /* bl adapter */
      0xA9417BFD,                                                     /* ldp x29, x30, [sp, #16] */
      0x910083FF,                                                     /* add sp, sp, #32 */
      0xF94002D5,                                                     /* ldr x21, [x22] */
      0xF94002B5,                                                     /* ldr x21, [x21] */
      0xF9400297,                                                     /* ldr x23, [x20] */
      0x9E6702E0,                                                     /* fmov d0, x23 */
      0xD65F03C0,                                                     /* ret */
  };
  static_assert(sizeof insns <= 64, "baseline_thunk_bytes");
  for (size_t i = 0; i < BASE_ARRAY_LEN(insns); i++) to = word(to, insns[i]);
}

void baseline_arch_patch(uint8_t *code, uint32_t at, uint8_t kind, uint64_t value) {
  enum { IMM16 = 0xFFFF << 5, IMM26 = 0x03FFFFFF, IMM19 = 0x7FFFF << 5 };
  uint8_t *hole = code + at;
  uint32_t distance = (uint32_t)value - at;
  switch ((enum stencil_patch)kind) {
  case STENCIL_PATCH_A64_MOVW0: put_bits(hole, IMM16, (uint32_t)(value & 0xFFFF) << 5); break;
  case STENCIL_PATCH_A64_MOVW1: put_bits(hole, IMM16, (uint32_t)(value >> 16 & 0xFFFF) << 5); break;
  case STENCIL_PATCH_A64_MOVW2: put_bits(hole, IMM16, (uint32_t)(value >> 32 & 0xFFFF) << 5); break;
  case STENCIL_PATCH_A64_MOVW3: put_bits(hole, IMM16, (uint32_t)(value >> 48) << 5); break;
  case STENCIL_PATCH_A64_JUMP: put_bits(hole, IMM26, distance >> 2); break;
  case STENCIL_PATCH_A64_ADR: put_bits(hole, 3u << 29 | IMM19, (distance & 3) << 29 | (distance >> 2) << 5); break;
  default: assert(!"of another CPU");
  }
}

/* ---- Entering and leaving ---------------------------------------------------------------------------------------------- */

#define FUNCTION(name, ...)                                                                                  \
  __asm__(".text\n.p2align 4\n.globl " #name "\n.hidden " #name "\n.type " #name ", %function\n" #name ":\n" \
          "  .cfi_startproc\n  hint #34\n" __VA_ARGS__ "  .cfi_endproc\n.size " #name ", . - " #name "\n")

/* engine_arch_enter calls this with sp at native_sp and all registers saved; struct baseline_start is at x0. What an
 * exception has unwound did not give x29 back, so all registers come from where they were saved. */
FUNCTION(baseline_arch_start, "  ldp x16, x20, [x0]\n"
                              "  ldp x21, x22, [x0, #16]\n"
                              "  blr x16\n"
                              ".globl baseline_arch_returned\n"
                              ".hidden baseline_arch_returned\n"
                              "baseline_arch_returned:\n"
                              "  mov x0, sp\n"
                              "  mov w1, #0\n"
                              "  b engine_arch_leave\n");
static_assert(offsetof(struct baseline_start, fp) == 8 && offsetof(struct baseline_start, mem) == 16 &&
                  offsetof(struct baseline_start, inst) == 24,
              "read by baseline_arch_start");

void *baseline_arch_first_sp(void *native_sp) { return native_sp; }

/* LLVM's tailcc without arguments on the stack: instance x20, which is kept, slots x0, function x1. */
FUNCTION(baseline_arch_leave_tail,
         "  stp x29, x30, [sp, #-32]!\n  mov x29, sp\n  str x0, [sp, #16]\n"
         "  mov x2, x1\n  mov x1, x0\n  mov x0, x20\n  bl baseline_leave_tail\n"
         "  ldr x9, [sp, #16]\n  ldr x0, [x9]\n  ldr q0, [x9]\n  ldp x29, x30, [sp], #32\n  ret\n");

/* x0: instance, x1: slots, x2: function. At its stack pointer is struct baseline_crossing, which the activation shows to whoever
 * walks frames while compiled code runs; behind that, what else the C convention keeps and compiled code does not. */
FUNCTION(baseline_arch_leave_call,
         "  ldr x9, [x2]\n  cmp x9, x0\n  b.ne baseline_leave_call\n"
         "  sub sp, sp, #176\n  stp x19, x20, [sp, #8]\n  stp x21, x22, [sp, #24]\n  str x23, [sp, #40]\n"
         "  stp x29, x30, [sp, #48]\n  stp x24, x25, [sp, #64]\n  stp x26, x27, [sp, #80]\n  str x28, [sp, #96]\n"
         "  stp d8, d9, [sp, #112]\n  stp d10, d11, [sp, #128]\n  stp d12, d13, [sp, #144]\n"
         "  stp d14, d15, [sp, #160]\n"
         "  ldr x9, [x0, #8]\n  ldr x9, [x9, #32]\n  ldr x10, [x9, #64]\n  str x10, [sp]\n"
         "  mov x10, sp\n  str x10, [x9, #64]\n"
         "  mov x20, x1\n  ldr x21, [x0]\n  ldr x21, [x21]\n  mov x22, x0\n"
         "  ldr w9, [x2, #28]\n  ldr x10, [x0, #16]\n  ldr x16, [x10, x9, lsl #3]\n  blr x16\n"
         ".globl baseline_arch_crossed\n.hidden baseline_arch_crossed\nbaseline_arch_crossed:\n"
         "  ldr x9, [x22, #8]\n  ldr x9, [x9, #32]\n  ldr x10, [sp]\n  str x10, [x9, #64]\n"
         "  ldp x19, x20, [sp, #8]\n  ldp x21, x22, [sp, #24]\n  ldr x23, [sp, #40]\n"
         "  ldp x29, x30, [sp, #48]\n  ldp x24, x25, [sp, #64]\n  ldp x26, x27, [sp, #80]\n  ldr x28, [sp, #96]\n"
         "  ldp d8, d9, [sp, #112]\n  ldp d10, d11, [sp, #128]\n  ldp d12, d13, [sp, #144]\n"
         "  ldp d14, d15, [sp, #160]\n  add sp, sp, #176\n  ret\n");
static_assert(offsetof(struct engine_function, instance) == 0 && offsetof(struct engine_function, entry) == 28 &&
                  offsetof(struct engine_instance, thread) == 8 && offsetof(struct engine_instance, entries) == 16 &&
                  offsetof(struct engine_thread, top) == 32 && offsetof(struct engine_activation, crossing) == 64 &&
                  offsetof(struct baseline_crossing, fp) == 48 && offsetof(struct baseline_crossing, site) == 56,
              "read by baseline_arch_leave_call");

FUNCTION(baseline_arch_leave, "  mov x25, sp\n  b baseline_leave\n");
FUNCTION(baseline_arch_away, "  mov x23, sp\n  b baseline_away\n");
FUNCTION(baseline_arch_tail_away, "  mov x23, sp\n  b baseline_tail_away\n");
FUNCTION(baseline_arch_back, "  fmov d0, x23\n  ret\n");
FUNCTION(baseline_arch_back_soon, "  b baseline_arch_back\n");
FUNCTION(baseline_arch_go, "  mov x16, x23\n  br x16\n");
FUNCTION(baseline_arch_return_to, "  fmov d0, x23\n  mov x30, x24\n  ret\n");
FUNCTION(baseline_arch_resume, "  mov x20, x1\n  mov x21, x2\n  mov x22, x3\n  mov sp, x4\n  br x0\n");
FUNCTION(baseline_arch_land, "  mov x29, x1\n  mov sp, x2\n  br x0\n");
