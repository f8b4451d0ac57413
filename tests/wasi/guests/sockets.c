/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A preopened listener is handle 3. The runner connects when it reads "listening", and plays the other end: it sends
 * "hello", reads "reply", sends "01234" and a little later "56789", reads until the end, sends "late" and closes. */
#include "check.h"

static uint32_t done;
static uint16_t flags_out;
static char text[64];

static int32_t receive(uint32_t fd, uint32_t length, uint32_t flags) {
  __wasi_iovec_t vectors[2] = {{(uint8_t *)text, 2}, {(uint8_t *)text + 2, length - 2}};
  memset(text, 0, sizeof text);
  return raw_sock_recv(fd, vectors, 2, flags, &done, &flags_out);
}

static int32_t transmit(uint32_t fd, const char *words, uint32_t flags) {
  __wasi_ciovec_t vectors[2] = {{(const uint8_t *)words, 1}, {(const uint8_t *)words + 1, strlen(words) - 1}};
  return raw_sock_send(fd, vectors, 2, flags, &done);
}

static struct raw_event wait_for(uint32_t fd, uint8_t type) {
  unsigned char in[RAW_SUBSCRIPTION_BYTES], out[RAW_EVENT_BYTES];
  raw_subscribe_fd(in, 9, type, fd);
  OK(raw_poll_oneoff(in, out, 1, &done));
  EQUAL(done, 1);
  return raw_event_of(out);
}

static void say(const char *words) {
  puts(words);
  fflush(stdout);
}

static void listening(void) {
  __wasi_fdstat_t stat = {0};
  uint32_t fd;
  OK(raw_fd_fdstat_get(ROOT, &stat));
  EQUAL(stat.fs_filetype, __WASI_FILETYPE_SOCKET_STREAM);
  OK(raw_fd_fdstat_set_flags(ROOT, __WASI_FDFLAGS_NONBLOCK));
  IS(raw_sock_accept(ROOT, 0, &fd), AGAIN);
  OK(raw_fd_fdstat_set_flags(ROOT, 0));
  IS(raw_sock_accept(ROOT, __WASI_FDFLAGS_APPEND, &fd), INVAL);
  IS(raw_sock_accept(ROOT, 0, (void *)(intptr_t)-4), FAULT);
  TRUE(receive(ROOT, 5, 0) != 0);
  TRUE(transmit(ROOT, "hello", 0) != 0);
  IS_OR(raw_fd_prestat_get(ROOT, text), BADF, NOTSUP);
}

static void errors(uint32_t fd) {
  __wasi_iovec_t vector = {(uint8_t *)text, 4};
  uint64_t at;
  IS(raw_fd_seek(fd, 0, RAW_CUR, &at), SPIPE);
  IS(raw_fd_tell(fd, &at), SPIPE);
  TRUE(raw_fd_pread(fd, &vector, 1, 0, &done) != 0);
  TRUE(raw_fd_filestat_set_size(fd, 0) != 0);
  TRUE(raw_sock_accept(fd, 0, &done) != 0);
  IS(transmit(fd, "x", 1), INVAL);
  IS_OR(receive(fd, 4, 8), INVAL, NOTSUP);
  IS(raw_sock_shutdown(fd, 0), INVAL);
  IS(raw_sock_shutdown(fd, 4), INVAL);
  void *outside = (void *)(intptr_t)-8;
  IS(raw_sock_recv(fd, outside, 2, 0, &done, &flags_out), FAULT);
  IS(raw_sock_recv(fd, &vector, 1, 0, outside + 6, &flags_out), FAULT);
  IS(raw_sock_recv(fd, &vector, 1, 0, &done, outside + 7), FAULT);
  IS(raw_sock_send(fd, outside, 2, 0, &done), FAULT);
  IS(raw_sock_send(fd, &vector, 1, 0, outside + 6), FAULT);
  vector.buf = outside;
  vector.buf_len = 9;
  IS(raw_sock_recv(fd, &vector, 1, 0, &done, &flags_out), FAULT);
  IS(raw_sock_send(fd, &vector, 1, 0, &done), FAULT);
  /* Not sockets. */
  for (uint32_t stream = 0; stream < 3; stream++) {
    IS(receive(stream, 4, 0), NOTSOCK);
    IS(transmit(stream, "word", 0), NOTSOCK);
    IS(raw_sock_shutdown(stream, 1), NOTSOCK);
  }
}

static void conversation(uint32_t fd) {
  struct raw_event event = wait_for(fd, 1);
  TRUE(event.error == 0 && event.type == 1 && event.bytes == 5);
  OK(receive(fd, 3, __WASI_RIFLAGS_RECV_PEEK));
  TRUE(done == 3 && strcmp(text, "hel") == 0);
  OK(receive(fd, 20, 0));
  TRUE(done == 5 && strcmp(text, "hello") == 0 && flags_out == 0);
  OK(raw_fd_fdstat_set_flags(fd, __WASI_FDFLAGS_NONBLOCK));
  IS(receive(fd, 4, 0), AGAIN);
  __wasi_iovec_t vector = {(uint8_t *)text, 10};
  IS(raw_fd_read(fd, &vector, 1, &done), AGAIN);
  OK(raw_fd_fdstat_set_flags(fd, 0));
  event = wait_for(fd, 2);
  TRUE(event.error == 0 && event.type == 2);
  OK(transmit(fd, "reply", 0));
  EQUAL(done, 5);
  OK(receive(fd, 10, __WASI_RIFLAGS_RECV_WAITALL));
  TRUE(done == 10 && strcmp(text, "0123456789") == 0);
  __wasi_ciovec_t out = {(const uint8_t *)"written", 7};
  OK(raw_fd_write(fd, &out, 1, &done));
  EQUAL(done, 7);
  OK(raw_sock_shutdown(fd, 2));
  IS(transmit(fd, "more", 0), PIPE);
  IS(raw_fd_write(fd, &out, 1, &done), PIPE);
  vector.buf_len = 10;
  OK(raw_fd_read(fd, &vector, 1, &done));
  TRUE(done == 4 && memcmp(text, "late", 4) == 0);
  OK(raw_fd_read(fd, &vector, 1, &done));
  EQUAL(done, 0);
  OK(receive(fd, 4, 0));
  EQUAL(done, 0);
}

int main(void) {
  uint32_t fd = 0;
  __wasi_fdstat_t stat = {0};
  listening();
  say("listening");
  OK(raw_sock_accept(ROOT, 0, &fd));
  TRUE(fd > ROOT);
  OK(raw_fd_fdstat_get(fd, &stat));
  EQUAL(stat.fs_filetype, __WASI_FILETYPE_SOCKET_STREAM);
  EQUAL(stat.fs_flags, 0);
  errors(fd);
  conversation(fd);
  OK(raw_fd_close(fd));
  IS(receive(fd, 4, 0), BADF);
  return check_end();
}
