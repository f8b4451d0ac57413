/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Waiting for a word in memory, on Linux: futexes of this process. */
#include "base/base.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the system call without 64-bit times takes on every CPU. */
struct kernel_time {
  long seconds, nanoseconds;
};

enum { LONGEST_WAIT_SECONDS = 1000000 }; /* the caller asks again; fits 32-bit times */

bool base_os_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns) {
  struct kernel_time left, *timeout = NULL;
  if (deadline_ns != UINT64_MAX) {
    uint64_t now = base_os_monotonic_ns(), ns = deadline_ns > now ? deadline_ns - now : 0;
    if (ns == 0) return false;
    uint64_t seconds = ns / 1000000000;
    left = (struct kernel_time){(long)(seconds < LONGEST_WAIT_SECONDS ? seconds : LONGEST_WAIT_SECONDS),
                                (long)(ns % 1000000000)};
    timeout = &left;
  }
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout, NULL, 0);
  return true;
}

void base_os_wake(_Atomic uint32_t *word) {
  int saved = errno;
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
  errno = saved;
}
