/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Every function that takes a handle, with numbers that are none: never opened, closed, huge, just past the last. */
#include "check.h"

static unsigned char bytes[256];

static void one(uint32_t fd) {
  __wasi_iovec_t vector = {bytes, 8};
  uint32_t out;
  uint64_t position;
  unsigned before = check_failures;
  IS(raw_fd_advise(fd, 0, 0, 0), BADF);
  IS(raw_fd_allocate(fd, 0, 1), BADF);
  IS(raw_fd_close(fd), BADF);
  IS(raw_fd_datasync(fd), BADF);
  IS(raw_fd_fdstat_get(fd, bytes), BADF);
  IS(raw_fd_fdstat_set_flags(fd, 0), BADF);
  IS(raw_fd_fdstat_set_rights(fd, 0, 0), BADF);
  IS(raw_fd_filestat_get(fd, bytes), BADF);
  IS(raw_fd_filestat_set_size(fd, 0), BADF);
  IS(raw_fd_filestat_set_times(fd, 0, 0, 0), BADF);
  IS(raw_fd_pread(fd, &vector, 1, 0, &out), BADF);
  IS(raw_fd_prestat_get(fd, bytes), BADF);
  IS(raw_fd_prestat_dir_name(fd, bytes, sizeof bytes), BADF);
  IS(raw_fd_pwrite(fd, &vector, 1, 0, &out), BADF);
  IS(raw_fd_read(fd, &vector, 1, &out), BADF);
  IS(raw_fd_readdir(fd, bytes, sizeof bytes, 0, &out), BADF);
  IS(raw_fd_renumber(fd, 0), BADF);
  IS(raw_fd_renumber(0, fd), BADF);
  IS(raw_fd_renumber(fd, fd), BADF);
  IS(raw_fd_seek(fd, 0, RAW_SET, &position), BADF);
  IS(raw_fd_sync(fd), BADF);
  IS(raw_fd_tell(fd, &position), BADF);
  IS(raw_fd_write(fd, &vector, 1, &out), BADF);
  IS(raw_path_create_directory(fd, P("x")), BADF);
  IS(raw_path_filestat_get(fd, 0, P("x"), bytes), BADF);
  IS(raw_path_filestat_set_times(fd, 0, P("x"), 0, 0, 0), BADF);
  IS(raw_path_link(fd, 0, P("x"), ROOT, P("y")), BADF);
  IS(raw_path_link(ROOT, 0, P("file"), fd, P("y")), BADF);
  IS(raw_path_open(fd, 0, P("x"), 0, READ, 0, 0, &out), BADF);
  IS(raw_path_readlink(fd, P("x"), bytes, sizeof bytes, &out), BADF);
  IS(raw_path_remove_directory(fd, P("x")), BADF);
  IS(raw_path_rename(fd, P("x"), ROOT, P("y")), BADF);
  IS(raw_path_rename(ROOT, P("file"), fd, P("y")), BADF);
  IS(raw_path_symlink(P("x"), fd, P("y")), BADF);
  IS(raw_path_unlink_file(fd, P("x")), BADF);
  IS(raw_sock_accept(fd, 0, &out), BADF);
  IS(raw_sock_recv(fd, &vector, 1, 0, &out, bytes), BADF);
  IS(raw_sock_send(fd, &vector, 1, 0, &out), BADF);
  IS(raw_sock_shutdown(fd, 1), BADF);
  IN_CASE(check_failures == before, "fd %u", (unsigned)fd);
}

/* A handle that is none ends only its own subscription. */
static void polled(uint32_t fd) {
  unsigned char in[RAW_SUBSCRIPTION_BYTES], out[RAW_EVENT_BYTES];
  uint32_t count = 0;
  raw_subscribe_fd(in, 7, 1, fd);
  OK(raw_poll_oneoff(in, out, 1, &count));
  EQUAL(count, 1);
  struct raw_event event = raw_event_of(out);
  EQUAL(event.userdata, 7);
  EQUAL(event.error, E(BADF));
  EQUAL(event.type, 1);
}

int main(void) {
  uint32_t closed = must_open("file", CREAT, FILE_RIGHTS);
  OK(raw_fd_close(closed));
  const uint32_t numbers[] = {closed, closed + 1, 99, 1000000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
  for (int i = 0; i < 7; i++) {
    one(numbers[i]);
    polled(numbers[i]);
  }
  return check_end();
}
