/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Accepts connections on the listening socket it was given (number 3), without waiting, and greets each with a byte. When there
 * is no handle for one more, it closes all that it has and goes on, until as many as its argument says were accepted. With a
 * second argument it waits in accept, and never closes any. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wasi/api.h>

enum { HELD_MAX = 4096, IDLE_MAX = 5000 };

int main(int argc, char **argv) {
  static __wasi_fd_t held[HELD_MAX];
  int wanted = atoi(argv[1]), accepted = 0, count = 0, times_full = 0, idle = 0;
  if (argc == 2 && __wasi_fd_fdstat_set_flags(3, __WASI_FDFLAGS_NONBLOCK)) return 2;
  while (accepted < wanted && idle < IDLE_MAX) {
    __wasi_fd_t fd;
    __wasi_errno_t error = __wasi_sock_accept(3, 0, &fd);
    if (error == 0 && count < HELD_MAX) {
      held[count++] = fd;
      accepted += write((int)fd, ".", 1) == 1;
    } else if (error == __WASI_ERRNO_MFILE && argc == 2) {
      times_full++;
      while (count) close((int)held[--count]);
    } else if (error == __WASI_ERRNO_AGAIN) {
      idle++;
      usleep(1000);
    } else {
      printf("error %d after %d\n", error, accepted);
      return 1;
    }
  }
  printf("accepted %d, %s\n", accepted, times_full ? "was full" : "was never full");
  return accepted != wanted;
}
