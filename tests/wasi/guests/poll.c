/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* poll_oneoff: clocks, files, standard streams. With an argument, standard input is a pipe: "data" with bytes in it,
 * "quiet" with none and the other end open, "closed" with the other end closed. */
#include "check.h"

enum { CLOCK, READABLE, WRITABLE, MANY = 200 };
static const uint64_t ms = 1000000;
static unsigned char in[MANY * RAW_SUBSCRIPTION_BYTES], out[MANY * RAW_EVENT_BYTES];
static uint32_t count;

static uint64_t now(uint32_t clock) {
  uint64_t ns = 0;
  OK(raw_clock_time_get(clock, 0, &ns));
  return ns;
}

static void clock_at(int index, uint64_t userdata, uint32_t clock, uint64_t timeout, uint16_t flags) {
  raw_subscribe_clock(in + index * RAW_SUBSCRIPTION_BYTES, userdata, clock, timeout, flags);
}
static void fd_at(int index, uint64_t userdata, uint8_t type, uint32_t fd) {
  raw_subscribe_fd(in + index * RAW_SUBSCRIPTION_BYTES, userdata, type, fd);
}
static struct raw_event event(uint32_t index) { return raw_event_of(out + index * RAW_EVENT_BYTES); }

/* Polls; returns how long it took. */
static uint64_t polled(uint32_t subscriptions) {
  uint64_t start = now(__WASI_CLOCKID_MONOTONIC);
  memset(out, 0x5A, sizeof out);
  count = 0x5A5A;
  OK(raw_poll_oneoff(in, out, subscriptions, &count));
  TRUE(count >= 1 && count <= subscriptions);
  return now(__WASI_CLOCKID_MONOTONIC) - start;
}

static void is_clock(uint32_t index, uint64_t userdata) {
  EQUAL(event(index).userdata, userdata);
  EQUAL(event(index).error, 0);
  EQUAL(event(index).type, CLOCK);
}

static void clocks(void) {
  for (uint32_t id = 0; id < 2; id++) {
    clock_at(0, 0xABCDEF0123456789, id, 30 * ms, 0);
    uint64_t took = polled(1);
    TRUE(took >= 30 * ms && took < 5000 * ms);
    is_clock(0, 0xABCDEF0123456789);
    uint64_t then = now(id) + 30 * ms;
    clock_at(0, 1, id, then, 1);
    polled(1);
    TRUE(now(id) >= then);
    is_clock(0, 1);
    clock_at(0, 2, id, 5, 1);
    TRUE(polled(1) < 1000 * ms);
    is_clock(0, 2);
    clock_at(0, 3, id, 0, 0);
    polled(1);
    is_clock(0, 3);
  }
  /* The first of several; those of the same moment together. */
  clock_at(0, 10, __WASI_CLOCKID_MONOTONIC, 60000 * ms, 0);
  clock_at(1, 11, __WASI_CLOCKID_MONOTONIC, 20 * ms, 0);
  clock_at(2, 12, __WASI_CLOCKID_REALTIME, UINT64_MAX, 0);
  clock_at(3, 13, __WASI_CLOCKID_MONOTONIC, UINT64_MAX, 1);
  TRUE(polled(4) < 10000 * ms);
  EQUAL(count, 1);
  is_clock(0, 11);
  uint64_t moment = now(__WASI_CLOCKID_MONOTONIC) + 20 * ms;
  clock_at(0, 20, __WASI_CLOCKID_MONOTONIC, moment, 1);
  clock_at(1, 21, __WASI_CLOCKID_MONOTONIC, moment, 1);
  polled(2);
  EQUAL(count, 2);
  is_clock(0, 20);
  is_clock(1, 21);
  for (int i = 0; i < MANY; i++) clock_at(i, (uint64_t)i, __WASI_CLOCKID_MONOTONIC, (i == 150 ? 10 : 60000) * ms, 0);
  polled(MANY);
  EQUAL(count, 1);
  is_clock(0, 150);
}

/* A subscription that makes no sense ends with an event of its own. */
static void wrong(void) {
  clock_at(0, 1, 99, 5 * ms, 0);
  int32_t error = raw_poll_oneoff(in, out, 1, &count);
  if (error == 0)
    TRUE(count == 1 && event(0).error == E(INVAL) && event(0).userdata == 1);
  else
    IS(error, INVAL);
  clock_at(0, 1, __WASI_CLOCKID_MONOTONIC, 5 * ms, 0);
  in[8] = 3;
  IS(raw_poll_oneoff(in, out, 1, &count), INVAL);
  in[8] = 255;
  IS(raw_poll_oneoff(in, out, 1, &count), INVAL);
  in[8] = 0;
  IS(raw_poll_oneoff(in, out, 0, &count), INVAL);
  void *outside = (void *)(intptr_t)-8;
  IS(raw_poll_oneoff(outside, out, 1, &count), FAULT);
  IS(raw_poll_oneoff(in, outside, 1, &count), FAULT);
  IS(raw_poll_oneoff(in, out, 1, outside + 6), FAULT);
  IS_OR(raw_poll_oneoff(in, out, 0x80000000, &count), FAULT, INVAL);
  IS_OR(raw_poll_oneoff(in, out, 0xFFFFFFFF, &count), FAULT, INVAL);
  /* One that fails does not keep the others from being reported. */
  fd_at(0, 5, READABLE, NO_FD);
  clock_at(1, 6, __WASI_CLOCKID_MONOTONIC, 60000 * ms, 0);
  TRUE(polled(2) < 10000 * ms);
  EQUAL(count, 1);
  TRUE(event(0).userdata == 5 && event(0).error == E(BADF));
}

/* Regular files are always ready. */
static void files(void) {
  make_file("file", "0123456789");
  uint32_t fd = must_open("file", 0, FILE_RIGHTS);
  fd_at(0, 1, READABLE, fd);
  fd_at(1, 2, WRITABLE, fd);
  clock_at(2, 3, __WASI_CLOCKID_MONOTONIC, 60000 * ms, 0);
  TRUE(polled(3) < 10000 * ms);
  EQUAL(count, 2);
  TRUE(event(0).userdata == 1 && event(0).type == READABLE && event(0).error == 0);
  TRUE(event(1).userdata == 2 && event(1).type == WRITABLE && event(1).error == 0);
  OK(raw_fd_close(fd));
  fd = must_open("file", 0, READ);
  fd_at(0, 1, WRITABLE, fd);
  polled(1);
  EQUAL(count, 1);
  TRUE(event(0).error == E(NOTCAPABLE) || event(0).error == E(BADF) || event(0).error == 0);
  OK(raw_fd_close(fd));
}

static void standard_input(const char *state) {
  fd_at(0, 1, READABLE, 0);
  clock_at(1, 2, __WASI_CLOCKID_MONOTONIC, 100 * ms, 0);
  uint64_t took = polled(2);
  EQUAL(count, 1);
  if (strcmp(state, "quiet") == 0) {
    char byte;
    __wasi_iovec_t vector = {(uint8_t *)&byte, 1};
    uint32_t done;
    TRUE(took >= 100 * ms);
    is_clock(0, 2);
    OK(raw_fd_fdstat_set_flags(0, __WASI_FDFLAGS_NONBLOCK));
    IS(raw_fd_read(0, &vector, 1, &done), AGAIN);
    return;
  }
  TRUE(event(0).userdata == 1 && event(0).type == READABLE && event(0).error == 0);
  if (strcmp(state, "data") == 0) {
    char byte;
    __wasi_iovec_t vector = {(uint8_t *)&byte, 1};
    uint32_t done;
    EQUAL(event(0).bytes, 3);
    OK(raw_fd_read(0, &vector, 1, &done));
    polled(2);
    EQUAL(event(0).bytes, 2);
  } else {
    EQUAL(event(0).flags & 1, 1);
  }
  fd_at(0, 4, WRITABLE, 1);
  polled(1);
  TRUE(event(0).userdata == 4 && event(0).type == WRITABLE && event(0).error == 0);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    standard_input(argv[1]);
    return check_end();
  }
  clocks();
  wrong();
  files();
  return check_end();
}
