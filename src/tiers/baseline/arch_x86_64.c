/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Machine code by hand for x86-64: calls, entries and returns, and how guest code is entered and left.
 *
 * fp r12, mem r13, inst r14, r0 r15, r1 rdi, r2 rsi; rcx and r10 are free; rbp is the counter of code that counts. A frame of the guest takes 16 bytes of the
 * native stack, the saved fp and the return address, so that in every function rsp is 8 modulo 16, as the C convention
 * has it at entry. The C convention keeps r12-r15, and engine_arch_enter has saved what the guest's convention does not. */
#include <assert.h>
#include <stddef.h>

#include "tiers/baseline/baseline.h"
#include "tiers/baseline/stencil.h"

const uint32_t baseline_native_frame_bytes = 16;
const uint32_t baseline_max_frame_slots = 65000;
const bool baseline_boxes_f32 = false;
const uint32_t baseline_stub_head_bytes = 16, baseline_stub_bytes = 16;

static uint8_t *bytes(uint8_t *to, const void *from, size_t count) {
  memcpy(to, from, count);
  return to + count;
}
#define BYTES(to, ...) bytes(to, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static uint8_t *number(uint8_t *to, uint32_t value) {
  base_store_u32(to, value);
  return to + 4;
}

/* The end of an instruction with a memory operand: displacement, in the short form (mod 1) where it fits. `sib`: whether
 * a SIB byte for the base alone follows, which r12 asks for. */
static uint8_t *displaced(uint8_t *to, uint8_t modrm, bool sib, uint64_t displacement) {
  assert(displacement <= INT32_MAX);
  bool is_short = displacement <= INT8_MAX;
  *to++ = modrm | (is_short ? 0x40 : 0x80);
  if (sib) *to++ = 0x24;
  if (!is_short) return number(to, (uint32_t)displacement);
  *to++ = (uint8_t)displacement;
  return to;
}

static_assert(offsetof(struct engine_instance, entries) <= INT8_MAX, "read with a short displacement");
static_assert(offsetof(struct engine_instance, code) <= INT8_MAX, "read with a short displacement");
static_assert(offsetof(struct baseline_runtime, exhausted) <= INT8_MAX, "read with a short displacement");
static_assert(offsetof(struct baseline_runtime, translate) <= INT8_MAX, "read with a short displacement");

static_assert(offsetof(struct baseline_runtime, counted) <= INT8_MAX, "read with a short displacement");
static_assert(offsetof(struct engine_instance, thread) <= INT8_MAX, "read with a short displacement");
static_assert(offsetof(struct engine_thread, ticks) <= INT8_MAX, "read with a short displacement");
static_assert(offsetof(struct engine_thread, stack_limit) == 0, "read without a displacement");

static uint8_t *load_entries(uint8_t *to) { /* mov r10, [r14 + entries] */
  return BYTES(to, 0x4D, 0x8B, 0x56, offsetof(struct engine_instance, entries));
}

static uint8_t *jump_runtime(uint8_t *to, uint8_t at) { /* mov r10, [r14 + code]; mov r10, [r10]; jmp [r10 + at] */
  return BYTES(to, 0x4D, 0x8B, 0x56, offsetof(struct engine_instance, code), 0x4D, 0x8B, 0x12, 0x41, 0xFF, 0x62, at);
}

uint64_t baseline_arch_segment(uint64_t base) {
  uint64_t before;
  __asm__ volatile("rdgsbase %0" : "=r"(before));
  if (before != base) __asm__ volatile("wrgsbase %0" : : "r"(base) : "memory");
  return before;
}

uint8_t *baseline_arch_entry(uint8_t *to) { return BYTES(to, 0xF3, 0x0F, 0x1E, 0xFA); } /* endbr64 */

uint8_t *baseline_arch_exhausted(uint8_t *to, uint32_t entry) {
  to = number(BYTES(to, 0x41, 0xBF), entry); /* mov r15d, entry */
  return jump_runtime(to, offsetof(struct baseline_runtime, exhausted));
}

/* The counter is ebp. */
uint8_t *baseline_arch_count(uint8_t *to, uint32_t *hole) { /* sub ebp, 1; jb */
  *hole = 5;
  return number(BYTES(to, 0x83, 0xED, 0x01, 0x0F, 0x82), 0);
}

static uint8_t *load_thread(uint8_t *to) { /* mov r10, [r14 + thread] */
  return BYTES(to, 0x4D, 0x8B, 0x56, offsetof(struct engine_instance, thread));
}

uint8_t *baseline_arch_load_count(uint8_t *to) { /* mov ebp, [r10 + ticks] */
  return BYTES(load_thread(to), 0x41, 0x8B, 0x6A, offsetof(struct engine_thread, ticks));
}

uint8_t *baseline_arch_end_count(uint8_t *to) { /* cmp qword [r10], 0; jne 1f; xor ebp, ebp; 1: */
  return BYTES(load_thread(to), 0x49, 0x83, 0x3A, 0x00, 0x75, 0x02, 0x31, 0xED);
}

uint8_t *baseline_arch_counted(uint8_t *to, uint32_t entry) {
  to = number(BYTES(to, 0x41, 0xBF), entry); /* mov r15d, entry */
  return jump_runtime(to, offsetof(struct baseline_runtime, counted));
}

uint8_t *baseline_arch_keep_return(uint8_t *to, uint32_t link) {
  to = BYTES(to, 0x48, 0x8B, 0x0C, 0x24); /* mov rcx, [rsp] */
  to = BYTES(to, 0x49, 0x89);             /* mov [r12 + link], rcx */
  return displaced(to, 0x0C, true, (uint64_t)link * 8);
}

uint8_t *baseline_arch_reload_return(uint8_t *to, uint32_t link) {
  (void)link; /* it is on the stack */
  return to;
}

uint8_t *baseline_arch_return(uint8_t *to) { return BYTES(to, 0xC3); }

static uint8_t *call_begin(uint8_t *to, uint32_t d) {
  to = BYTES(to, 0x41, 0x54, 0x4D, 0x8D); /* push r12; lea r12, [r12 + d] */
  return displaced(to, 0x24, true, (uint64_t)d * 8);
}

static uint8_t *call_end(uint8_t *to, const uint8_t *start, uint32_t *return_offset) {
  *return_offset = (uint32_t)(to - start);
  return BYTES(to, 0x41, 0x5C); /* pop r12 */
}

uint8_t *baseline_arch_call_entry(uint8_t *to, uint32_t d, uint32_t entry, uint32_t *return_offset) {
  uint8_t *start = to;
  to = load_entries(call_begin(to, d));
  to = BYTES(to, 0x41, 0xFF); /* call [r10 + entry] */
  return call_end(displaced(to, 0x12, false, (uint64_t)entry * 8), start, return_offset);
}

uint8_t *baseline_arch_call_r0(uint8_t *to, uint32_t d, uint32_t *return_offset) {
  uint8_t *start = to;
  to = BYTES(call_begin(to, d), 0x41, 0xFF, 0xD7); /* call r15 */
  return call_end(to, start, return_offset);
}

uint8_t *baseline_arch_jump_entry(uint8_t *to, uint32_t entry) {
  to = BYTES(load_entries(to), 0x41, 0xFF); /* jmp [r10 + entry] */
  return displaced(to, 0x22, false, (uint64_t)entry * 8);
}

uint8_t *baseline_arch_jump_r0(uint8_t *to) { return BYTES(to, 0x41, 0xFF, 0xE7); } /* jmp r15 */

void baseline_arch_stubs(uint8_t *to, uint32_t count) {
  const uint8_t *head = to;
  jump_runtime(to, offsetof(struct baseline_runtime, translate));
  to += baseline_stub_head_bytes;
  for (uint32_t i = 0; i < count; i++, to += baseline_stub_bytes) {
    uint8_t *at = BYTES(to, 0xF3, 0x0F, 0x1E, 0xFA, 0x41, 0xBF); /* endbr64; mov r15d, i */
    at = number(at, i);
    *at++ = 0xE9; /* jmp head */
    number(at, (uint32_t)(head - (at + 4)));
  }
}

/* Keeps the frame pointer chain, and the callee's frame where the walker of frames finds it. Behind it, memory may have
 * moved, others have counted, and a single result is in the first registers too. */
const uint32_t baseline_thunk_bytes = 64, baseline_thunk_frame_slots = 1, baseline_record_slots = 0;
static_assert(offsetof(struct engine_instance, memory0) == 0 && offsetof(struct engine_memory, base) == 0,
              "read by a thunk");
void baseline_arch_thunk(uint8_t *to, int32_t distance, bool boxes) {
  const uint8_t *start = to;
  (void)boxes;
  to = load_thread(BYTES(to, 0xF3, 0x0F, 0x1E, 0xFA));                     /* endbr64 */
  to = BYTES(to, 0x41, 0x89, 0x6A, offsetof(struct engine_thread, ticks)); /* mov [r10 + ticks], ebp */
  to = BYTES(to, 0x55, 0x48, 0x89, 0xE5, 0x41, 0x54, 0x41, 0x54);          /* push rbp; mov rbp, rsp; push r12, twice */
  to = BYTES(to, 0x4C, 0x89, 0xF7, 0x4C, 0x89, 0xE6, 0xE8); /* mov rdi, r14; mov rsi, r12; call adapter */
  to = number(to, (uint32_t)(distance - (int32_t)(to + 4 - start)));
  to = baseline_arch_load_count(BYTES(to, 0x41, 0x5C, 0x41, 0x5C, 0x5D)); /* pop r12, twice; pop rbp */
  to = BYTES(to, 0x4D, 0x8B, 0x2E, 0x4D, 0x8B, 0x6D, 0x00);               /* mov r13, [r14]; mov r13, [r13] */
  to = BYTES(to, 0x4D, 0x8B, 0x3C, 0x24);                                 /* mov r15, [r12] */
  to = BYTES(to, 0x66, 0x49, 0x0F, 0x6E, 0xC7, 0xC3);                     /* movq xmm0, r15; ret */
  assert(to - start <= (ptrdiff_t)baseline_thunk_bytes);
}

void baseline_arch_patch(uint8_t *code, uint32_t at, uint8_t kind, uint64_t value) {
  uint8_t *hole = code + at;
  switch ((enum stencil_patch)kind) {
  case STENCIL_PATCH_ABS8: *hole = (uint8_t)value; break;
  case STENCIL_PATCH_ABS16: base_store_u16(hole, (uint16_t)value); break;
  case STENCIL_PATCH_ABS32:
  case STENCIL_PATCH_ABS32S: base_store_u32(hole, (uint32_t)value); break;
  case STENCIL_PATCH_ABS64: base_store_u64(hole, value); break;
  case STENCIL_PATCH_REL32: base_store_u32(hole, (uint32_t)(value - (at + 4))); break;
  default: assert(!"a hole of another processor");
  }
}

/* ---- Entering and leaving ---------------------------------------------------------------------------------------------- */

/* engine_arch_enter calls this with rsp at native_sp - 8 and all registers saved; struct baseline_start is at rdi, which is
 * kept to tell it what is left to count. All registers come from where they were saved. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl baseline_arch_start\n"
        ".hidden baseline_arch_start\n"
        ".type baseline_arch_start, @function\n"
        "baseline_arch_start:\n"
        "  .cfi_startproc\n"
        "  endbr64\n"
        "  push %rdi\n"
        "  .cfi_def_cfa_offset 16\n"
        "  mov 32(%rdi), %ebp\n"
        "  mov 8(%rdi), %r12\n"
        "  mov 16(%rdi), %r13\n"
        "  mov 24(%rdi), %r14\n"
        "  call *(%rdi)\n"
        ".globl baseline_arch_returned\n"
        ".hidden baseline_arch_returned\n"
        "baseline_arch_returned:\n"
        "  mov (%rsp), %rdi\n"
        "  mov %ebp, 32(%rdi)\n"
        "  lea 16(%rsp), %rdi\n"
        "  xor %esi, %esi\n"
        "  jmp engine_arch_leave\n"
        "  .cfi_endproc\n"
        ".size baseline_arch_start, . - baseline_arch_start\n");
static_assert(offsetof(struct baseline_start, fp) == 8 && offsetof(struct baseline_start, mem) == 16 &&
                  offsetof(struct baseline_start, inst) == 24 && offsetof(struct baseline_start, ticks) == 32,
              "read by baseline_arch_start");

uintptr_t baseline_arch_below(uintptr_t sp) { return ((sp - 128) & ~(uintptr_t)15) - 8; } /* the red zone */

/* Functions begin with push rbp; mov rbp, rsp, and end with pop rbp; ret, with vzeroupper in between where they use wide
 * registers. */
uintptr_t baseline_arch_frame(const uint8_t *start, uintptr_t pc, uintptr_t sp, uintptr_t frame, uintptr_t link) {
  (void)link; /* it is on the stack */
  static const uint8_t begin[] = {0x55, 0x48, 0x89, 0xE5}, widths[] = {0xC5, 0xF8, 0x77, 0xC3};
  enum { RET = 0xC3, RET_AND_DROP = 0xC2 };
  const uint8_t *at = (const uint8_t *)pc;
  if (memcmp(start, begin, sizeof begin) != 0) return frame;
  if (at > start && at < start + sizeof begin) return sp;
  if (at != start && *at != RET && *at != RET_AND_DROP && memcmp(at, widths, sizeof widths) != 0) return frame;
  uintptr_t *made = (uintptr_t *)sp - 1;
  *made = frame;
  return (uintptr_t)made;
}

void *baseline_arch_first_sp(void *native_sp) { return (char *)native_sp - 24; }

#define FUNCTION(name, ...)                                                                                  \
  __asm__(".text\n.p2align 4\n.globl " #name "\n.hidden " #name "\n.type " #name ", @function\n" #name ":\n" \
          "  .cfi_startproc\n  endbr64\n" __VA_ARGS__ "  .cfi_endproc\n.size " #name ", . - " #name "\n")

/* LLVM's tailcc without arguments on the stack: instance r13, which is kept, slots rdi, function rsi; the callee takes away
 * the 8 bytes behind the return address, which keep the stack aligned. */
FUNCTION(baseline_arch_leave_tail,
         "  push %rbp\n  mov %rsp, %rbp\n  push %rdi\n  sub $8, %rsp\n"
         "  mov %rsi, %rdx\n  mov %rdi, %rsi\n  mov %r13, %rdi\n  call baseline_leave_tail\n"
         "  mov -8(%rbp), %rcx\n  mov (%rcx), %rax\n  movups (%rcx), %xmm0\n  leave\n  ret $8\n");

/* rdi: instance, rsi: slots, rdx: function. What it pushes is struct baseline_crossing, which the activation shows to whoever
 * walks frames while compiled code runs. That knows no frame pointer, and leaves nothing as it was but the stack pointer, fp
 * and inst. */
FUNCTION(baseline_arch_leave_call,
         "  cmp %rdi, (%rdx)\n  jne baseline_leave_call\n"
         "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
         "  mov 8(%rdi), %r10\n  mov 32(%r10), %rcx\n  push 64(%rcx)\n  mov %rsp, 64(%rcx)\n"
         "  mov %rsi, %r12\n  mov (%rdi), %r13\n  mov (%r13), %r13\n  mov %rdi, %r14\n  mov 8(%r10), %ebp\n"
         "  mov 28(%rdx), %ecx\n  mov 16(%rdi), %r10\n  call *(%r10,%rcx,8)\n"
         ".globl baseline_arch_crossed\n.hidden baseline_arch_crossed\nbaseline_arch_crossed:\n"
         "  mov 8(%r14), %r10\n  mov %ebp, 8(%r10)\n  mov 32(%r10), %rcx\n  pop 64(%rcx)\n"
         "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n  ret\n");
static_assert(offsetof(struct engine_function, instance) == 0 && offsetof(struct engine_function, entry) == 28 &&
                  offsetof(struct engine_instance, thread) == 8 && offsetof(struct engine_instance, entries) == 16 &&
                  offsetof(struct engine_thread, top) == 32 && offsetof(struct engine_thread, ticks) == 8 &&
                  offsetof(struct engine_activation, crossing) == 64,
              "read by baseline_arch_leave_call");
static_assert(sizeof(struct baseline_crossing) == 64, "what baseline_arch_leave_call pushes");

FUNCTION(baseline_arch_leave, "  mov %rsp, %rsi\n  jmp baseline_leave\n");
FUNCTION(baseline_arch_away, "  mov %rsp, %r15\n  jmp baseline_away\n");
FUNCTION(baseline_arch_tail_away, "  mov %rsp, %r15\n  jmp baseline_tail_away\n");
FUNCTION(baseline_arch_back, "  movq %r15, %xmm0\n  ret\n");
FUNCTION(baseline_arch_back_soon, "  movq %r15, %xmm0\n  xor %ebp, %ebp\n  ret\n");
FUNCTION(baseline_arch_go, "  mov %edi, %ebp\n  jmp *%r15\n");
FUNCTION(baseline_arch_return_to, "  movq %r15, %xmm0\n  xor %ebp, %ebp\n  ret\n"); /* it is on the stack */
/* notrack: a landing pad in compiled code is a place like any other. What was left to count is not known any more. */
FUNCTION(
    baseline_arch_resume,
    "  xor %ebp, %ebp\n  mov %rsi, %r12\n  mov %rdx, %r13\n  mov %rcx, %r14\n  mov %r8, %rsp\n  notrack jmp *%rdi\n");
FUNCTION(baseline_arch_land, "  mov %rsi, %rbp\n  mov %rdx, %rsp\n  notrack jmp *%rdi\n");
