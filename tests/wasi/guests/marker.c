/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* For a look at the system calls of the runtime: between the two markers on standard error, the guest tries to reach
 * what was not granted, then reads and writes a granted file a known number of times. */
#include "check.h"

static uint32_t done;

static void mark(const char *words) {
  __wasi_ciovec_t vector = {(const uint8_t *)words, strlen(words)};
  raw_fd_write(2, &vector, 1, &done);
}

static void try_everything(void) {
  static const char *const paths[] = {"/etc/passwd", "../../etc/passwd", "/proc/self/environ", "escape/etc/passwd",
                                      "nothing"};
  unsigned char bytes[256];
  uint32_t fd;
  for (int i = 0; i < 5; i++) {
    if (open_at(ROOT, paths[i], FOLLOW, 0, READ, 0, &fd) == 0) raw_fd_close(fd);
    raw_path_filestat_get(ROOT, FOLLOW, P(paths[i]), bytes);
    raw_path_create_directory(ROOT, P(paths[i]));
    raw_path_unlink_file(ROOT, P(paths[i]));
  }
  for (fd = 0; fd < 20; fd++) raw_sock_accept(fd, 0, &done);
  getenv("PATH");
}

int main(void) {
  static char a[3000], b[1000];
  __wasi_iovec_t vectors[3] = {{(uint8_t *)a, 3000}, {(uint8_t *)b, 0}, {(uint8_t *)b, 1000}};
  uint64_t ns;
  uint32_t fd = must_open("data", 0, FILE_RIGHTS);
  mark("MARKER begin\n");
  try_everything();
  mark("MARKER counted\n");
  for (int i = 0; i < 5; i++) {
    OK(raw_fd_read(fd, vectors, 3, &done));
    EQUAL(done, 4000);
  }
  for (int i = 0; i < 7; i++) OK(raw_fd_write(fd, vectors, 3, &done));
  OK(raw_fd_pread(fd, vectors, 3, 100, &done));
  OK(raw_fd_pwrite(fd, vectors, 3, 100, &done));
  OK(raw_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &ns));
  mark("MARKER end\n");
  return check_end();
}
