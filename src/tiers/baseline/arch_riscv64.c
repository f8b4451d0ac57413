/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Machine code by hand for RISC-V with 64 bits: calls, entries and returns, and how guest code is entered and left.
 *
 * fp a0, mem a1, inst a2, r0 a3, r1 a4, r2 a5; t0 and t1 are free. Guest code takes no native stack: a function keeps ra
 * in its link slot, so sp is the same in all frames of an activation. Instructions are of four bytes, without the
 * compressed extension, so that their places are easy to name. */
#include <assert.h>
#include <stddef.h>

#include "tiers/baseline/arch_words.h"
#include "tiers/baseline/baseline.h"
#include "tiers/baseline/stencil.h"

const uint32_t baseline_native_frame_bytes = 0;
const uint32_t baseline_max_frame_slots = 65000;
const bool baseline_boxes_f32 = true;
const uint32_t baseline_stub_head_bytes = 16, baseline_stub_bytes = 16;

enum { ZERO = 0, RA = 1, SP = 2, T0 = 5, T1 = 6, S0 = 8, FP = 10, MEM = 11, INST = 12, R0 = 13 };

static uint8_t *word(uint8_t *to, uint32_t instruction) {
  base_store_u32(to, instruction);
  return to + 4;
}

static uint8_t *addi(uint8_t *to, uint32_t d, uint32_t a, uint32_t imm12) {
  return word(to, 0x00000013 | imm12 << 20 | a << 15 | d << 7);
}
static uint8_t *add(uint8_t *to, uint32_t d, uint32_t a, uint32_t b) {
  return word(to, 0x00000033 | b << 20 | a << 15 | d << 7);
}
static uint8_t *ld(uint8_t *to, uint32_t d, uint32_t base, uint32_t imm12) {
  return word(to, 0x00003003 | imm12 << 20 | base << 15 | d << 7);
}
static uint8_t *sd(uint8_t *to, uint32_t from, uint32_t base, uint32_t imm12) {
  return word(to, 0x00003023 | (imm12 >> 5) << 25 | from << 20 | base << 15 | (imm12 & 31) << 7);
}
static uint8_t *jalr(uint8_t *to, uint32_t link, uint32_t reg) { return word(to, 0x00000067 | reg << 15 | link << 7); }

/* The upper part of a number whose low 12 bits the next instruction adds with a sign; d <- that part. */
static uint8_t *lui(uint8_t *to, uint32_t d, uint32_t value) {
  return word(to, 0x00000037 | ((value + 0x800) & 0xFFFFF000) | d << 7);
}

/* A jump by a distance from `to`; link <- what is behind it. */
static uint8_t *jump_by(uint8_t *to, uint32_t link, uint32_t scratch, uint32_t distance) {
  to = word(to, 0x00000017 | ((distance + 0x800) & 0xFFFFF000) | scratch << 7); /* auipc */
  return word(to, 0x00000067 | distance << 20 | scratch << 15 | link << 7);     /* jalr */
}

static bool is_short(uint64_t distance) { return distance < 2048; }

/* Where `base` plus `distance`, which fits 31 bits, lies: a register and 12 bits. */
static uint8_t *reach(uint8_t *to, uint32_t *base, uint64_t distance) {
  assert(distance < INT32_MAX - 0x800);
  if (is_short(distance)) return to;
  to = add(lui(to, T1, (uint32_t)distance), T1, T1, *base);
  *base = T1;
  return to;
}

static uint8_t *load(uint8_t *to, uint32_t d, uint32_t base, uint64_t distance) {
  to = reach(to, &base, distance);
  return ld(to, d, base, (uint32_t)distance & 0xFFF);
}
static uint8_t *store(uint8_t *to, uint32_t from, uint32_t base, uint64_t distance) {
  to = reach(to, &base, distance);
  return sd(to, from, base, (uint32_t)distance & 0xFFF);
}

static uint8_t *load_entry(uint8_t *to, uint32_t entry) {
  to = load(to, T0, INST, offsetof(struct engine_instance, entries));
  return load(to, T0, T0, (uint64_t)entry * 8);
}

static uint8_t *jump_runtime(uint8_t *to, size_t at) {
  to = load(to, T0, INST, offsetof(struct engine_instance, code));
  to = load(to, T0, T0, 0);
  return jalr(load(to, T0, T0, at), ZERO, T0);
}

uint8_t *baseline_arch_entry(uint8_t *to) { return to; }

uint8_t *baseline_arch_exhausted(uint8_t *to, uint32_t entry) {
  to = addi(lui(to, R0, entry), R0, R0, entry & 0xFFF);
  return jump_runtime(to, offsetof(struct baseline_runtime, exhausted));
}

/* Nothing is optimized on this processor while it runs, so no code counts. */
uint8_t *baseline_arch_count(uint8_t *to, uint32_t *hole) {
  *hole = 0;
  return to;
}
uint8_t *baseline_arch_load_count(uint8_t *to) { return to; }
uint8_t *baseline_arch_end_count(uint8_t *to) { return to; }
uint8_t *baseline_arch_counted(uint8_t *to, uint32_t entry) { return baseline_arch_exhausted(to, entry); }

uint8_t *baseline_arch_keep_return(uint8_t *to, uint32_t link) { return store(to, RA, FP, (uint64_t)link * 8); }

uint8_t *baseline_arch_reload_return(uint8_t *to, uint32_t link) { return load(to, RA, FP, (uint64_t)link * 8); }

uint8_t *baseline_arch_return(uint8_t *to) { return jalr(to, ZERO, RA); }

/* fp += d slots, or -=. */
static uint8_t *move_frame(uint8_t *to, bool is_down, uint32_t d) {
  uint32_t distance = is_down ? -(d * 8) : d * 8;
  if (is_short((uint64_t)d * 8)) return addi(to, FP, FP, distance & 0xFFF);
  to = addi(lui(to, T1, distance), T1, T1, distance & 0xFFF);
  return add(to, FP, FP, T1);
}

uint8_t *baseline_arch_call_entry(uint8_t *to, uint32_t d, uint32_t entry, uint32_t *return_offset) {
  uint8_t *start = to;
  to = jalr(load_entry(move_frame(to, false, d), entry), RA, T0);
  *return_offset = (uint32_t)(to - start);
  return move_frame(to, true, d);
}

uint8_t *baseline_arch_call_r0(uint8_t *to, uint32_t d, uint32_t *return_offset) {
  uint8_t *start = to;
  to = jalr(move_frame(to, false, d), RA, R0);
  *return_offset = (uint32_t)(to - start);
  return move_frame(to, true, d);
}

uint8_t *baseline_arch_jump_entry(uint8_t *to, uint32_t entry) { return jalr(load_entry(to, entry), ZERO, T0); }

uint8_t *baseline_arch_jump_r0(uint8_t *to) { return jalr(to, ZERO, R0); }

/* A stub's jump to the head would not reach far enough, so that it goes by the distance from itself. */
void baseline_arch_stubs(uint8_t *to, uint32_t count) {
  const uint8_t *head = to;
  to = jump_runtime(to, offsetof(struct baseline_runtime, translate));
  assert(to == head + baseline_stub_head_bytes);
  for (uint32_t i = 0; i < count; i++) {
    to = addi(lui(to, R0, i), R0, R0, i & 0xFFF);
    to = jump_by(to, ZERO, T0, (uint32_t)(head - to));
  }
}

static void put_upper(uint8_t *hole, uint32_t value) { /* lui, auipc */
  base_store_u32(hole, (base_load_u32(hole) & 0xFFF) | ((value + 0x800) & 0xFFFFF000));
}
static void put_lower(uint8_t *hole, uint32_t value) { /* 12 bits of a load, addi, jalr */
  base_store_u32(hole, (base_load_u32(hole) & 0x000FFFFF) | value << 20);
}
static void put_lower_of_store(uint8_t *hole, uint32_t value) {
  uint32_t bits = (value >> 5 & 0x7F) << 25 | (value & 31) << 7;
  base_store_u32(hole, (base_load_u32(hole) & 0x01FFF07F) | bits);
}

uint64_t baseline_arch_segment(uint64_t base) { return base; } /* there is none */
uintptr_t baseline_arch_below(uintptr_t sp) { return sp & ~(uintptr_t)15; }

/* ---- Optimized code ------------------------------------------------------------------------------------------------------ */

static bool makes_frame(uint32_t insn) { return (insn & 0x000FFFFF) == 0x00010413; } /* addi s0, sp, n */
static bool ends_frame(uint32_t insn) { return (insn & 0x000FFFFF) == 0x00013403; }  /* ld s0, n(sp) */
static bool is_jump(uint32_t insn) {                                                 /* branches, jalr, jal */
  uint32_t opcode = insn & 0x7F;
  return opcode == 0x63 || opcode == 0x67 || opcode == 0x6F;
}

static const struct arch_words words = {makes_frame, ends_frame, is_jump};

uintptr_t baseline_arch_frame(const uint8_t *start, uintptr_t pc, uintptr_t sp, uintptr_t frame, uintptr_t link) {
  if (arch_words_have_frame(&words, start, pc)) return frame;
  arch_words_make_frame(sp, frame, link);
  return sp; /* which is what a frame pointer is */
}

/* A frame pointer is the caller's stack pointer here. Keeps the frame pointer chain, and the callee's frame where the walker of
 * frames finds it. Behind it, memory may have moved, and a single result is in the first registers too. */
const uint32_t baseline_thunk_bytes = 80, baseline_thunk_frame_slots = 0, baseline_record_slots = 2;
static_assert(offsetof(struct engine_instance, memory0) == 0 && offsetof(struct engine_memory, base) == 0,
              "read by a thunk");
void baseline_arch_thunk(uint8_t *to, int32_t distance, bool boxes) {
  const uint8_t *start = to;
  to = addi(to, SP, SP, (uint32_t)-32 & 0xFFF);
  to = sd(sd(to, RA, SP, 24), S0, SP, 16);
  to = addi(to, S0, SP, 32);
  to = sd(sd(to, FP, SP, 8), INST, SP, 0);
  to = addi(addi(to, MEM, FP, 0), FP, INST, 0); /* the adapter's arguments: instance, frame */
  to = jump_by(to, RA, RA, (uint32_t)(distance - (int32_t)(to - start)));
  to = ld(ld(to, INST, SP, 0), FP, SP, 8);
  to = ld(ld(to, RA, SP, 24), S0, SP, 16);
  to = addi(to, SP, SP, 32);
  to = ld(ld(to, MEM, INST, 0), MEM, MEM, 0);
  if (boxes)
    to = word(word(to, 0x00052507), 0xE20506D3); /* flw fa0, 0(a0); fmv.x.d a3, fa0 */
  else
    to = word(ld(to, R0, FP, 0), 0xF2068553); /* fmv.d.x fa0, a3 */
  to = jalr(to, ZERO, RA);
  assert(to - start == (ptrdiff_t)baseline_thunk_bytes);
}

void baseline_arch_patch(uint8_t *code, uint32_t at, uint8_t kind, uint64_t value) {
  uint8_t *hole = code + at;
  uint32_t low = (uint32_t)value, high = (uint32_t)(value >> 32);
  switch ((enum stencil_patch)kind) {
  case STENCIL_PATCH_RV_HI20: put_upper(hole, low); break;
  case STENCIL_PATCH_RV_LO12_I: put_lower(hole, low); break;
  case STENCIL_PATCH_RV_LO12_S: put_lower_of_store(hole, low); break;
  case STENCIL_PATCH_RV_UPPER_HI20: put_upper(hole, high); break;
  case STENCIL_PATCH_RV_UPPER_LO12_I: put_lower(hole, high); break;
  case STENCIL_PATCH_RV_PAIR:
    put_upper(hole, low - at);
    put_lower(hole + 4, low - at);
    break;
  default: assert(!"of another CPU");
  }
}

/* ---- Entering and leaving ---------------------------------------------------------------------------------------------- */

#define FUNCTION(name, ...)                                                                                  \
  __asm__(".text\n.p2align 4\n.globl " #name "\n.hidden " #name "\n.type " #name ", @function\n" #name ":\n" \
          "  .cfi_startproc\n" __VA_ARGS__ "  .cfi_endproc\n.size " #name ", . - " #name "\n")

/* engine_arch_enter calls this with sp at native_sp and all registers saved; struct baseline_start is at a0. What an
 * exception has unwound did not give the C convention's registers back, so all come from where they were saved. */
FUNCTION(baseline_arch_start, "  ld t0, 0(a0)\n"
                              "  ld a1, 16(a0)\n"
                              "  ld a2, 24(a0)\n"
                              "  ld a0, 8(a0)\n"
                              "  jalr t0\n"
                              ".globl baseline_arch_returned\n"
                              ".hidden baseline_arch_returned\n"
                              "baseline_arch_returned:\n"
                              "  mv a0, sp\n"
                              "  li a1, 0\n"
                              "  tail engine_arch_leave\n");
static_assert(offsetof(struct baseline_start, fp) == 8 && offsetof(struct baseline_start, mem) == 16 &&
                  offsetof(struct baseline_start, inst) == 24,
              "read by baseline_arch_start");

void *baseline_arch_first_sp(void *native_sp) { return native_sp; }

/* As a native function with its arguments in the frame: instance a0, slots a1, function a2. */
FUNCTION(baseline_arch_leave_tail,
         "  addi sp, sp, -32\n  sd ra, 24(sp)\n  sd s0, 16(sp)\n  addi s0, sp, 32\n  sd a1, 8(sp)\n"
         "  call baseline_leave_tail\n  fmv.d.x fa0, a0\n  ld t0, 8(sp)\n  ld a1, 8(t0)\n"
         "  ld ra, 24(sp)\n  ld s0, 16(sp)\n  addi sp, sp, 32\n  ret\n");

/* Everything that the C convention keeps and compiled code does not, where an exception has been caught in it. */
#define KEPT(word, real)                                                                                   \
  "  " word " s6, 0(sp)\n  " word " s7, 8(sp)\n  " word " s8, 16(sp)\n  " word " s9, 24(sp)\n"             \
  "  " word " s10, 32(sp)\n  " word " s11, 40(sp)\n"                                                       \
  "  " real " fs0, 48(sp)\n  " real " fs1, 56(sp)\n  " real " fs2, 64(sp)\n  " real " fs3, 72(sp)\n"       \
  "  " real " fs4, 80(sp)\n  " real " fs5, 88(sp)\n  " real " fs6, 96(sp)\n  " real " fs7, 104(sp)\n"      \
  "  " real " fs8, 112(sp)\n  " real " fs9, 120(sp)\n  " real " fs10, 128(sp)\n  " real " fs11, 136(sp)\n" \
  "  " word " s1, 152(sp)\n  " word " s2, 160(sp)\n  " word " s3, 168(sp)\n  " word " s4, 176(sp)\n"       \
  "  " word " s5, 184(sp)\n  " word " s0, 192(sp)\n  " word " ra, 200(sp)\n"

/* a0: instance, a1: slots, a2: function. The upper 64 bytes of its frame are struct baseline_crossing, which the activation shows
 * to whoever walks frames while compiled code runs. */
FUNCTION(baseline_arch_leave_call,
         "  ld t0, 0(a2)\n  beq t0, a0, 1f\n  tail baseline_leave_call\n1:\n"
         "  addi sp, sp, -208\n" KEPT(
             "sd", "fsd") "  ld t0, 8(a0)\n  ld t0, 32(t0)\n  ld t1, 64(t0)\n  sd t1, 144(sp)\n  addi t1, sp, 144\n  "
                          "sd t1, 64(t0)\n"
                          "  lwu t0, 28(a2)\n  ld t1, 16(a0)\n  slli t0, t0, 3\n  add t0, t0, t1\n  ld t0, 0(t0)\n"
                          "  mv a2, a0\n  mv a0, a1\n  ld a1, 0(a2)\n  ld a1, 0(a1)\n  jalr t0\n"
                          ".globl baseline_arch_crossed\n.hidden baseline_arch_crossed\nbaseline_arch_crossed:\n"
                          "  ld t0, 8(a2)\n  ld t0, 32(t0)\n  ld t1, 144(sp)\n  sd t1, 64(t0)\n" KEPT(
                              "ld", "fld") "  addi sp, sp, 208\n  ret\n");
static_assert(offsetof(struct engine_function, instance) == 0 && offsetof(struct engine_function, entry) == 28 &&
                  offsetof(struct engine_instance, thread) == 8 && offsetof(struct engine_instance, entries) == 16 &&
                  offsetof(struct engine_thread, top) == 32 && offsetof(struct engine_activation, crossing) == 64 &&
                  offsetof(struct baseline_crossing, fp) == 48 && offsetof(struct baseline_crossing, site) == 56,
              "read by baseline_arch_leave_call");

FUNCTION(baseline_arch_leave, "  mv a5, sp\n  tail baseline_leave\n");
FUNCTION(baseline_arch_away, "  mv a3, sp\n  tail baseline_away\n");
FUNCTION(baseline_arch_tail_away, "  mv a3, sp\n  tail baseline_tail_away\n");
FUNCTION(baseline_arch_back, "  fmv.d.x fa0, a3\n  ret\n");
FUNCTION(baseline_arch_back_soon, "  tail baseline_arch_back\n");
FUNCTION(baseline_arch_go, "  jr a3\n");
FUNCTION(baseline_arch_return_to, "  fmv.d.x fa0, a3\n  mv ra, a4\n  ret\n");
FUNCTION(baseline_arch_resume, "  mv t0, a0\n  mv a0, a1\n  mv a1, a2\n  mv a2, a3\n  mv sp, a4\n  jr t0\n");
FUNCTION(baseline_arch_land, "  mv s0, a1\n  mv sp, a2\n  jr a0\n");
