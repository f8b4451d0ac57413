/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The numbers of RISC-V's system calls, for test_wall_filter.c on another processor: those that are common to newer ones, and
 * its own. */
#define __ARCH_WANT_NEW_STAT
#define __ARCH_WANT_SET_GET_RLIMIT
#define __ARCH_WANT_SYS_CLONE3
#include <asm-generic/unistd.h>
#define __NR_riscv_hwprobe (__NR_arch_specific_syscall + 14)
#define __NR_riscv_flush_icache (__NR_arch_specific_syscall + 15)
