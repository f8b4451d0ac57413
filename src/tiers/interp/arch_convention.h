/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The calling convention of handlers that end in tail calls: one that keeps arguments in registers and saves none, where
 * the processor has it; otherwise the default one. */
#ifndef TIERS_INTERP_ARCH_CONVENTION_H
#define TIERS_INTERP_ARCH_CONVENTION_H

#if __has_attribute(preserve_none) && (defined(__x86_64__) || defined(__aarch64__))
#define INTERP_CONVENTION __attribute__((preserve_none))
#else
#define INTERP_CONVENTION
#endif

#endif
