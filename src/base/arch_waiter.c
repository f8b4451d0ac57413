/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The program of base_os_start_waiter: a process that waits for a first packet on its descriptor 0 and then becomes the
 * program that is open as descriptor 1. It leaves the packet where it is, and ends when there will be none.
 *
 * Without the C library, because nearly always it does nothing else: what it costs is what the kernel takes to make a process of
 * two pages and to end it. It reads no byte that came from anybody, and its only memory is its stack. It is no part of the
 * library: the build makes a file of it, whose bytes are (os_waiter_linux.c). */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/arch_call.h"

/* The words of the stack that a process begins with: how many arguments, and the arguments, up to a null pointer. */
_Noreturn void waiter(long *stack);

#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call waiter\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x0, sp\n b waiter\n");
#endif

_Noreturn void waiter(long *stack) {
  static const char nothing[] = "";
  const char *no_environment[] = {(void *)0};
  char first;
  long got;
  do got = base_arch_call(SYS_recvfrom, 0, (long)&first, 1, MSG_PEEK, 0, 0);
  while (got == -EINTR);
  if (got > 0)
    base_arch_call(SYS_execveat, 1, (long)nothing, (long)(stack + 1), (long)no_environment, AT_EMPTY_PATH, 0);
  for (;;) base_arch_call(SYS_exit_group, got != 0, 0, 0, 0, 0, 0);
}
