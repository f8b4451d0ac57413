/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* x86-64, System V convention, Linux machine contexts. */
#include <ucontext.h>

#include "engine/engine_arch.h"

const bool engine_arch_switches = true;
const bool engine_arch_redirects = true;

/* The called function keeps all callee-saved registers, so the switch itself saves only the one it needs. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl engine_arch_switch_call\n"
        ".hidden engine_arch_switch_call\n"
        ".type engine_arch_switch_call, @function\n"
        "engine_arch_switch_call:\n"
        "  .cfi_startproc\n"
        "  endbr64\n"
        "  push %rbp\n"
        "  .cfi_def_cfa_offset 16\n"
        "  .cfi_offset %rbp, -16\n"
        "  mov %rsp, %rbp\n"
        "  .cfi_def_cfa_register %rbp\n"
        "  mov %rsp, (%rcx)\n"
        "  mov %rdi, %rsp\n"
        "  mov %rdx, %rdi\n"
        "  call *%rsi\n"
        "  mov %rbp, %rsp\n"
        "  pop %rbp\n"
        "  .cfi_def_cfa %rsp, 8\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size engine_arch_switch_call, . - engine_arch_switch_call\n");

/* engine_arch_leave ends by a return to behind the call in engine_arch_enter, and not by a jump: the processor foretells
 * returns by counting calls, and a call without its return costs a wrong guess in each function further out. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl engine_arch_enter\n"
        ".hidden engine_arch_enter\n"
        ".type engine_arch_enter, @function\n"
        "engine_arch_enter:\n"
        "  .cfi_startproc\n"
        "  endbr64\n"
        "  push %rbp\n"
        "  .cfi_def_cfa_offset 16\n"
        "  .cfi_offset %rbp, -16\n"
        "  mov %rsp, %rbp\n"
        "  .cfi_def_cfa_register %rbp\n"
        "  push %rbx\n"
        "  .cfi_offset %rbx, -24\n"
        "  push %r12\n"
        "  .cfi_offset %r12, -32\n"
        "  push %r13\n"
        "  .cfi_offset %r13, -40\n"
        "  push %r14\n"
        "  .cfi_offset %r14, -48\n"
        "  push %r15\n"
        "  .cfi_offset %r15, -56\n"
        "  sub $8, %rsp\n"
        "  mov %rsp, (%rdx)\n"
        "  mov %rdi, %rax\n"
        "  mov %rsi, %rdi\n"
        "  call *%rax\n"
        "1:\n"
        "  mov -8(%rbp), %rbx\n"
        "  mov -16(%rbp), %r12\n"
        "  mov -24(%rbp), %r13\n"
        "  mov -32(%rbp), %r14\n"
        "  mov -40(%rbp), %r15\n"
        "  mov %rbp, %rsp\n"
        "  pop %rbp\n"
        "  .cfi_def_cfa %rsp, 8\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size engine_arch_enter, . - engine_arch_enter\n"
        ".p2align 4\n"
        ".globl engine_arch_leave\n"
        ".hidden engine_arch_leave\n"
        ".type engine_arch_leave, @function\n"
        "engine_arch_leave:\n"
        "  .cfi_startproc\n"
        "  endbr64\n"
        "  lea -8(%rdi), %rsp\n"
        "  lea 48(%rdi), %rbp\n"
        "  mov %esi, %eax\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size engine_arch_leave, . - engine_arch_leave\n");

static greg_t *registers(void *machine_context) { return ((ucontext_t *)machine_context)->uc_mcontext.gregs; }

static const greg_t *registers_read(const void *machine_context) {
  return ((const ucontext_t *)machine_context)->uc_mcontext.gregs;
}

static const int pinned[4] = {REG_R12, REG_R13, REG_R14, REG_R15};

uintptr_t engine_arch_pc(const void *machine_context) { return (uintptr_t)registers_read(machine_context)[REG_RIP]; }

void engine_arch_set_pc(void *machine_context, uintptr_t pc) { registers(machine_context)[REG_RIP] = (greg_t)pc; }

uintptr_t engine_arch_sp(const void *machine_context) { return (uintptr_t)registers_read(machine_context)[REG_RSP]; }

uintptr_t engine_arch_frame(const void *machine_context) { return (uintptr_t)registers_read(machine_context)[REG_RBP]; }

uintptr_t engine_arch_link(const void *machine_context) {
  (void)machine_context;
  return 0;
}

void engine_arch_set_sp(void *machine_context, uintptr_t sp) { registers(machine_context)[REG_RSP] = (greg_t)sp; }

uint64_t engine_arch_pinned(const void *machine_context, unsigned index) {
  return (uint64_t)registers_read(machine_context)[pinned[index]];
}

void engine_arch_set_pinned(void *machine_context, unsigned index, uint64_t value) {
  registers(machine_context)[pinned[index]] = (greg_t)value;
}

/* A called function finds a return address on the stack. */
void engine_arch_redirect(void *machine_context, void *sp, void (*fn)(void *argument), void *argument) {
  engine_arch_set_pc(machine_context, (uintptr_t)fn);
  engine_arch_set_sp(machine_context, (uintptr_t)sp - 8);
  registers(machine_context)[REG_RDI] = (greg_t)(uintptr_t)argument;
}
