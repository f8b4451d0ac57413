/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the engine and the tiers need from the CPU: switching stacks, and reading and changing the registers of an
 * interrupted program. One arch_*.c, chosen by the build, implements it; arch_portable.c does without assembly, and
 * then there are neither own native stacks nor guard pages. */
#ifndef ENGINE_ENGINE_ARCH_H
#define ENGINE_ENGINE_ARCH_H

#include <stdbool.h>
#include <stdint.h>

/* engine_arch_switch_call really switches. */
extern const bool engine_arch_switches;
/* The functions on machine contexts work, so that a fault can be redirected. */
extern const bool engine_arch_redirects;

/* Calls fn(argument) with the stack pointer at `sp` (aligned to 16) and returns its result on the stack it was called
 * on. Before the switch, `*old_sp` becomes this stack's pointer: everything below it is free until the return. */
int engine_arch_switch_call(void *sp, int (*fn)(void *argument), void *argument, void **old_sp);

/* Calls fn(argument) on the same stack with all callee-saved registers stored in a frame whose address is written to
 * `*frame` first. While fn runs, engine_arch_leave(frame, value) makes engine_arch_enter return `value`, whatever was
 * called in between: nothing of it is unwound, so it must own nothing. */
int engine_arch_enter(int (*fn)(void *argument), void *argument, void **frame);
_Noreturn void engine_arch_leave(void *frame, int value);

/* Registers in the machine context (third argument of a signal handler). */
uintptr_t engine_arch_pc(const void *machine_context);
void engine_arch_set_pc(void *machine_context, uintptr_t pc);
uintptr_t engine_arch_sp(const void *machine_context);
void engine_arch_set_sp(void *machine_context, uintptr_t sp);
/* The frame pointer of code that has one. */
uintptr_t engine_arch_frame(const void *machine_context);
/* The return address of code that has called nothing yet, where it is in a register; else 0. */
uintptr_t engine_arch_link(const void *machine_context);
/* The register of integer argument `index` (0 to 3) of the convention preserve_none where clang has it for this CPU,
 * else of the C convention: r12-r15 on x86-64, x20-x23 on AArch64, a0-a3 on RISC-V. */
uint64_t engine_arch_pinned(const void *machine_context, unsigned index);
void engine_arch_set_pinned(void *machine_context, unsigned index, uint64_t value);
/* Makes the interrupted program go on as if it had called fn(argument) with the stack pointer at `sp`, which is aligned
 * to 16. What called it is lost, so fn ends with engine_arch_leave. */
void engine_arch_redirect(void *machine_context, void *sp, void (*fn)(void *argument), void *argument);

#endif
