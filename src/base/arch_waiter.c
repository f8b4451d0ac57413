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
#include <sys/syscall.h>

/* The words of the stack that a process begins with: how many arguments, and the arguments, up to a null pointer. */
_Noreturn void waiter(long *stack);

#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call waiter\n");
static long call(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x0, sp\n b waiter\n");
static long call(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
                   x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#endif

_Noreturn void waiter(long *stack) {
  static const char nothing[] = "";
  const char *no_environment[] = {(void *)0};
  char first;
  long got;
  do got = call(SYS_recvfrom, 0, (long)&first, 1, MSG_PEEK, 0, 0);
  while (got == -EINTR);
  if (got > 0) call(SYS_execveat, 1, (long)nothing, (long)(stack + 1), (long)no_environment, AT_EMPTY_PATH, 0);
  for (;;) call(SYS_exit_group, got != 0, 0, 0, 0, 0, 0);
}
