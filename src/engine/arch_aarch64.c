/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* AArch64, AAPCS64, Linux machine contexts. */
#include <ucontext.h>

#include "engine/engine_arch.h"

const bool engine_arch_switches = true;
const bool engine_arch_redirects = true;

/* The called function keeps all callee-saved registers, so the switch itself saves only the one it needs. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl engine_arch_switch_call\n"
        ".hidden engine_arch_switch_call\n"
        ".type engine_arch_switch_call, %function\n"
        "engine_arch_switch_call:\n"
        "  .cfi_startproc\n"
        "  hint #34\n" /* bti c */
        "  stp x29, x30, [sp, #-16]!\n"
        "  .cfi_def_cfa_offset 16\n"
        "  .cfi_offset x29, -16\n"
        "  .cfi_offset x30, -8\n"
        "  mov x29, sp\n"
        "  .cfi_def_cfa_register x29\n"
        "  str x29, [x3]\n"
        "  mov sp, x0\n"
        "  mov x0, x2\n"
        "  blr x1\n"
        "  mov sp, x29\n"
        "  ldp x29, x30, [sp], #16\n"
        "  .cfi_def_cfa sp, 0\n"
        "  .cfi_restore x29\n"
        "  .cfi_restore x30\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size engine_arch_switch_call, . - engine_arch_switch_call\n");

__asm__(".text\n"
        ".p2align 4\n"
        ".globl engine_arch_enter\n"
        ".hidden engine_arch_enter\n"
        ".type engine_arch_enter, %function\n"
        "engine_arch_enter:\n"
        "  .cfi_startproc\n"
        "  hint #34\n"
        "  stp x29, x30, [sp, #-160]!\n"
        "  .cfi_def_cfa_offset 160\n"
        "  .cfi_offset x29, -160\n"
        "  .cfi_offset x30, -152\n"
        "  mov x29, sp\n"
        "  .cfi_def_cfa_register x29\n"
        "  stp x19, x20, [sp, #16]\n"
        "  stp x21, x22, [sp, #32]\n"
        "  stp x23, x24, [sp, #48]\n"
        "  stp x25, x26, [sp, #64]\n"
        "  stp x27, x28, [sp, #80]\n"
        "  stp d8, d9, [sp, #96]\n"
        "  stp d10, d11, [sp, #112]\n"
        "  stp d12, d13, [sp, #128]\n"
        "  stp d14, d15, [sp, #144]\n"
        "  .cfi_offset x19, -144\n"
        "  .cfi_offset x20, -136\n"
        "  .cfi_offset x21, -128\n"
        "  .cfi_offset x22, -120\n"
        "  .cfi_offset x23, -112\n"
        "  .cfi_offset x24, -104\n"
        "  .cfi_offset x25, -96\n"
        "  .cfi_offset x26, -88\n"
        "  .cfi_offset x27, -80\n"
        "  .cfi_offset x28, -72\n"
        "  str x29, [x2]\n"
        "  mov x3, x0\n"
        "  mov x0, x1\n"
        "  blr x3\n"
        "1:\n"
        "  mov sp, x29\n"
        "  ldp x19, x20, [sp, #16]\n"
        "  ldp x21, x22, [sp, #32]\n"
        "  ldp x23, x24, [sp, #48]\n"
        "  ldp x25, x26, [sp, #64]\n"
        "  ldp x27, x28, [sp, #80]\n"
        "  ldp d8, d9, [sp, #96]\n"
        "  ldp d10, d11, [sp, #112]\n"
        "  ldp d12, d13, [sp, #128]\n"
        "  ldp d14, d15, [sp, #144]\n"
        "  ldp x29, x30, [sp], #160\n"
        "  .cfi_def_cfa sp, 0\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size engine_arch_enter, . - engine_arch_enter\n"
        ".p2align 4\n"
        ".globl engine_arch_leave\n"
        ".hidden engine_arch_leave\n"
        ".type engine_arch_leave, %function\n"
        "engine_arch_leave:\n"
        "  .cfi_startproc\n"
        "  hint #34\n"
        "  mov x29, x0\n"
        "  mov w0, w1\n"
        "  b 1b\n"
        "  .cfi_endproc\n"
        ".size engine_arch_leave, . - engine_arch_leave\n");

static mcontext_t *registers(void *machine_context) { return &((ucontext_t *)machine_context)->uc_mcontext; }

static const mcontext_t *registers_read(const void *machine_context) {
  return &((const ucontext_t *)machine_context)->uc_mcontext;
}

uintptr_t engine_arch_pc(const void *machine_context) { return registers_read(machine_context)->pc; }

void engine_arch_set_pc(void *machine_context, uintptr_t pc) { registers(machine_context)->pc = pc; }

uintptr_t engine_arch_sp(const void *machine_context) { return registers_read(machine_context)->sp; }

uintptr_t engine_arch_frame(const void *machine_context) { return registers_read(machine_context)->regs[29]; }

uintptr_t engine_arch_link(const void *machine_context) { return registers_read(machine_context)->regs[30]; }

void engine_arch_set_sp(void *machine_context, uintptr_t sp) { registers(machine_context)->sp = sp; }

uint64_t engine_arch_pinned(const void *machine_context, unsigned index) {
  return registers_read(machine_context)->regs[20 + index];
}

void engine_arch_set_pinned(void *machine_context, unsigned index, uint64_t value) {
  registers(machine_context)->regs[20 + index] = value;
}

void engine_arch_redirect(void *machine_context, void *sp, void (*fn)(void *argument), void *argument) {
  engine_arch_set_pc(machine_context, (uintptr_t)fn);
  engine_arch_set_sp(machine_context, (uintptr_t)sp);
  registers(machine_context)->regs[0] = (uintptr_t)argument;
}
