/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Opens PATH relative to the first granted directory, past the C library's own resolution of names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

int main(int argc, char **argv) {
  __wasi_fd_t fd;
  __wasi_errno_t error = __wasi_path_open(3, 0, argv[1], 0, __WASI_RIGHTS_FD_READ, 0, 0, &fd);
  printf("%s: error %d\n", argv[1], error);
  return argc > 2 ? 0 : error != 0;
}
