/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Other processes by descriptors, which mean the same process however many have had its number since. Before Linux 5.4 there are
 * none. */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int base_os_process_fd(int process) { return (int)syscall(SYS_pidfd_open, process, 0); }

void base_os_process_end(int fd) {
  siginfo_t end;
  if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) != 0) return;
  while (waitid(P_PIDFD, (id_t)fd, &end, WEXITED) != 0 && errno == EINTR) continue;
}
