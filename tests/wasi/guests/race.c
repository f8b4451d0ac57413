/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The runner replaces `swapped`, a directory with `file` in it, by a link that leads out, and back, again and again.
 * Whatever is read must be what is inside. */
#include "check.h"

static unsigned inside, refused, missing;

static void read_one(void) {
  uint32_t fd, done = 0;
  char text[16];
  __wasi_iovec_t vector = {(uint8_t *)text, sizeof text};
  int32_t error = open_at(ROOT, "swapped/file", FOLLOW, 0, READ, 0, &fd);
  if (error == 0) {
    raw_fd_read(fd, &vector, 1, &done);
    raw_fd_close(fd);
    TRUE(done == 6 && memcmp(text, "inside", 6) == 0);
    inside++;
  } else if (error == E(NOTCAPABLE) || error == E(PERM)) {
    refused++;
  } else {
    missing++;
    TRUE(error == E(NOENT) || error == E(LOOP) || error == E(AGAIN));
  }
}

/* Neither made nor removed outside. */
static void change_one(void) {
  uint32_t fd;
  if (open_at(ROOT, "swapped/made", 0, CREAT, WRITE, 0, &fd) == 0) raw_fd_close(fd);
  raw_path_unlink_file(ROOT, P("swapped/kept"));
  raw_path_rename(ROOT, P("swapped/kept"), ROOT, P("stolen"));
  raw_path_create_directory(ROOT, P("swapped/directory"));
  TRUE(!exists("stolen"));
}

int main(void) {
  uint64_t start = 0, now = 0;
  raw_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &start);
  do {
    for (int i = 0; i < 50; i++) read_one();
    change_one();
    raw_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &now);
  } while (now - start < 1500000000);
  printf("inside %u, refused %u, missing %u\n", inside, refused, missing);
  return check_end();
}
