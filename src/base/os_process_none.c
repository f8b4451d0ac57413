/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* No descriptors of processes. */
#include "base/base.h"

int base_os_process_fd(int process) {
  (void)process;
  return -1;
}

void base_os_process_end(int fd) { (void)fd; }
