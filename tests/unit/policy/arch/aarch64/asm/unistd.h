/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The numbers of AArch64's system calls, for test_wall_filter.c on another processor: those that are common to newer ones. */
#define __ARCH_WANT_RENAMEAT
#define __ARCH_WANT_NEW_STAT
#define __ARCH_WANT_SET_GET_RLIMIT
#define __ARCH_WANT_TIME32_SYSCALLS
#define __ARCH_WANT_SYS_CLONE3
#include <asm-generic/unistd.h>
