/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* RISC-V, 64 bits, LP64D, Linux machine contexts. */
#include <ucontext.h>

#include "engine/engine_arch.h"

const bool engine_arch_switches = true;
const bool engine_arch_redirects = true;

/* The called function keeps all callee-saved registers, so the switch itself saves only the one it needs. */
__asm__(".text\n"
        ".p2align 2\n"
        ".globl engine_arch_switch_call\n"
        ".hidden engine_arch_switch_call\n"
        ".type engine_arch_switch_call, @function\n"
        "engine_arch_switch_call:\n"
        "  .cfi_startproc\n"
        "  addi sp, sp, -16\n"
        "  .cfi_def_cfa_offset 16\n"
        "  sd ra, 8(sp)\n"
        "  sd s0, 0(sp)\n"
        "  .cfi_offset ra, -8\n"
        "  .cfi_offset s0, -16\n"
        "  addi s0, sp, 16\n"
        "  .cfi_def_cfa s0, 0\n"
        "  sd sp, 0(a3)\n"
        "  mv sp, a0\n"
        "  mv a0, a2\n"
        "  jalr a1\n"
        "  addi sp, s0, -16\n"
        "  ld ra, 8(sp)\n"
        "  ld s0, 0(sp)\n"
        "  addi sp, sp, 16\n"
        "  .cfi_def_cfa sp, 0\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size engine_arch_switch_call, . - engine_arch_switch_call\n");

__asm__(".text\n"
        ".p2align 2\n"
        ".globl engine_arch_enter\n"
        ".hidden engine_arch_enter\n"
        ".type engine_arch_enter, @function\n"
        "engine_arch_enter:\n"
        "  .cfi_startproc\n"
        "  addi sp, sp, -208\n"
        "  .cfi_def_cfa_offset 208\n"
        "  sd ra, 200(sp)\n"
        "  sd s0, 192(sp)\n"
        "  .cfi_offset ra, -8\n"
        "  .cfi_offset s0, -16\n"
        "  addi s0, sp, 208\n"
        "  .cfi_def_cfa s0, 0\n"
        "  sd s1, 0(sp)\n"
        "  sd s2, 8(sp)\n"
        "  sd s3, 16(sp)\n"
        "  sd s4, 24(sp)\n"
        "  sd s5, 32(sp)\n"
        "  sd s6, 40(sp)\n"
        "  sd s7, 48(sp)\n"
        "  sd s8, 56(sp)\n"
        "  sd s9, 64(sp)\n"
        "  sd s10, 72(sp)\n"
        "  sd s11, 80(sp)\n"
        "  fsd fs0, 88(sp)\n"
        "  fsd fs1, 96(sp)\n"
        "  fsd fs2, 104(sp)\n"
        "  fsd fs3, 112(sp)\n"
        "  fsd fs4, 120(sp)\n"
        "  fsd fs5, 128(sp)\n"
        "  fsd fs6, 136(sp)\n"
        "  fsd fs7, 144(sp)\n"
        "  fsd fs8, 152(sp)\n"
        "  fsd fs9, 160(sp)\n"
        "  fsd fs10, 168(sp)\n"
        "  fsd fs11, 176(sp)\n"
        "  sd sp, 0(a2)\n"
        "  mv a3, a0\n"
        "  mv a0, a1\n"
        "  jalr a3\n"
        "1:\n"
        "  addi sp, s0, -208\n"
        "  ld s1, 0(sp)\n"
        "  ld s2, 8(sp)\n"
        "  ld s3, 16(sp)\n"
        "  ld s4, 24(sp)\n"
        "  ld s5, 32(sp)\n"
        "  ld s6, 40(sp)\n"
        "  ld s7, 48(sp)\n"
        "  ld s8, 56(sp)\n"
        "  ld s9, 64(sp)\n"
        "  ld s10, 72(sp)\n"
        "  ld s11, 80(sp)\n"
        "  fld fs0, 88(sp)\n"
        "  fld fs1, 96(sp)\n"
        "  fld fs2, 104(sp)\n"
        "  fld fs3, 112(sp)\n"
        "  fld fs4, 120(sp)\n"
        "  fld fs5, 128(sp)\n"
        "  fld fs6, 136(sp)\n"
        "  fld fs7, 144(sp)\n"
        "  fld fs8, 152(sp)\n"
        "  fld fs9, 160(sp)\n"
        "  fld fs10, 168(sp)\n"
        "  fld fs11, 176(sp)\n"
        "  ld ra, 200(sp)\n"
        "  ld s0, 192(sp)\n"
        "  addi sp, sp, 208\n"
        "  .cfi_def_cfa sp, 0\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size engine_arch_enter, . - engine_arch_enter\n"
        ".p2align 2\n"
        ".globl engine_arch_leave\n"
        ".hidden engine_arch_leave\n"
        ".type engine_arch_leave, @function\n"
        "engine_arch_leave:\n"
        "  .cfi_startproc\n"
        "  addi s0, a0, 208\n"
        "  mv a0, a1\n"
        "  j 1b\n"
        "  .cfi_endproc\n"
        ".size engine_arch_leave, . - engine_arch_leave\n");

enum { RISCV_PC = 0, RISCV_SP = 2, RISCV_A0 = 10 };

static unsigned long *registers(void *machine_context) { return ((ucontext_t *)machine_context)->uc_mcontext.__gregs; }

static const unsigned long *registers_read(const void *machine_context) {
  return ((const ucontext_t *)machine_context)->uc_mcontext.__gregs;
}

uintptr_t engine_arch_pc(const void *machine_context) { return registers_read(machine_context)[RISCV_PC]; }

void engine_arch_set_pc(void *machine_context, uintptr_t pc) { registers(machine_context)[RISCV_PC] = pc; }

uintptr_t engine_arch_sp(const void *machine_context) { return registers_read(machine_context)[RISCV_SP]; }

uintptr_t engine_arch_frame(const void *machine_context) { return registers_read(machine_context)[8]; }

uintptr_t engine_arch_link(const void *machine_context) { return registers_read(machine_context)[1]; }

void engine_arch_set_sp(void *machine_context, uintptr_t sp) { registers(machine_context)[RISCV_SP] = sp; }

uint64_t engine_arch_pinned(const void *machine_context, unsigned index) {
  return registers_read(machine_context)[RISCV_A0 + index];
}

void engine_arch_set_pinned(void *machine_context, unsigned index, uint64_t value) {
  registers(machine_context)[RISCV_A0 + index] = value;
}

void engine_arch_redirect(void *machine_context, void *sp, void (*fn)(void *argument), void *argument) {
  engine_arch_set_pc(machine_context, (uintptr_t)fn);
  engine_arch_set_sp(machine_context, (uintptr_t)sp);
  registers(machine_context)[RISCV_A0] = (uintptr_t)argument;
}
