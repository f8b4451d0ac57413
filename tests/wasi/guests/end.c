/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Ways to end: end HOW [NUMBER]. */
#include "check.h"

static char pages[3][65536];

/* Deeper than any stack. */
static int deeper(volatile int *depth) {
  volatile int here[64] = {*depth};
  return ++*depth < 0 ? 0 : deeper(depth) + here[0];
}

/* Blocks until the runtime ends it. */
static void block(const char *on) {
  unsigned char in[RAW_SUBSCRIPTION_BYTES], out[RAW_EVENT_BYTES];
  uint32_t done;
  __wasi_iovec_t vector = {out, 1};
  if (strcmp(on, "clock") == 0) {
    raw_subscribe_clock(in, 1, __WASI_CLOCKID_MONOTONIC, UINT64_MAX, 0);
    raw_poll_oneoff(in, out, 1, &done);
  } else if (strcmp(on, "input") == 0) {
    raw_fd_read(0, &vector, 1, &done);
  } else if (strcmp(on, "accept") == 0) {
    raw_sock_accept(ROOT, 0, &done);
  } else {
    for (volatile uint64_t count = 0;; count++) {
    }
  }
}

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "";
  uint32_t number = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 0;
  int depth = 0;
  if (strcmp(how, "return") == 0) return (int)number;
  if (strcmp(how, "exit") == 0) exit((int)number);
  if (strcmp(how, "proc_exit") == 0) raw_proc_exit(number);
  if (strcmp(how, "abort") == 0) abort();
  if (strcmp(how, "trap") == 0) __builtin_trap();
  if (strcmp(how, "load") == 0) return *(volatile int *)((char *)pages + 0x40000000);
  if (strcmp(how, "stack") == 0) return deeper(&depth);
  if (strcmp(how, "raise") == 0) {
    int32_t error = raw_proc_raise(number);
    printf("raised, %d\n", (int)error);
    return 0;
  }
  if (strcmp(how, "block") == 0) block(argv[2]);
  return 99;
}
