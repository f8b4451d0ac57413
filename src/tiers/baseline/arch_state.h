/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The machine's state between stencils as parameters of C functions with the guest's convention. */
#ifndef TIERS_BASELINE_ARCH_STATE_H
#define TIERS_BASELINE_ARCH_STATE_H

#include "tiers/arch_convention.h"

#include <stdint.h>

/* clang-format off: the macros are tables; their columns are the point. */

#if defined(__riscv)
#define INTS uint64_t r0, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4
#define INT_REGISTERS r0, r1, r2, r3, r4
#define INT_ARGUMENTS INT_REGISTERS
#define SCRATCH() (void)0
#elif defined(__aarch64__)
#define INTS uint64_t r0, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, uint64_t r6, uint64_t r7
#define INT_REGISTERS r0, r1, r2, r3, r4, r5, r6, r7
#define INT_ARGUMENTS INT_REGISTERS
#define SCRATCH() (void)0
#else
/* The argument in rcx is free for all, since shifts need it. */
#define INTS uint64_t r0, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t rcx, uint64_t r4, uint64_t r5, uint64_t r6, uint64_t r7
#define INT_REGISTERS r0, r1, r2, r3, r4, r5, r6, r7
#define INT_ARGUMENTS r0, r1, r2, r3, rcx, r4, r5, r6, r7
#define SCRATCH() __asm__("" : "=c"(rcx))
#endif
#define STATE uint64_t *fp, uint8_t *mem, struct engine_instance *inst

#endif
