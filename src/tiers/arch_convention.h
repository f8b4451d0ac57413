/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The calling convention of guest code, in which functions end in tail calls: one that keeps arguments in registers and
 * saves none, where the processor has it; otherwise the default one. */
#ifndef TIERS_ARCH_CONVENTION_H
#define TIERS_ARCH_CONVENTION_H

#if __has_attribute(preserve_none) && (defined(__x86_64__) || defined(__aarch64__))
#define TIERS_GUEST_CC __attribute__((preserve_none))
#else
#define TIERS_GUEST_CC
#endif

#endif
