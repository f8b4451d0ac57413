/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Where there is no waiting program for the system or the processor, whoever wants it forks. */
#include "base/base.h"

int base_os_start_waiter(int socket, int also, char *const words[]) {
  (void)socket, (void)also;
  (void)words;
  return 0;
}

void base_os_await_waiter(void) {}
