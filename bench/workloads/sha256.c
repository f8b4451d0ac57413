/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* sha256 FILE: prints the SHA-256 of a file. */
#include "../kernels/sha256.h"
#include "workload.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 64, ROOM = 64 * 1024 };

static uint8_t bytes[ROOM];

static void finish(uint32_t state[8], const uint8_t *rest, size_t rest_len, uint64_t len) {
  uint8_t last[2 * BLOCK] = {0};
  size_t size = rest_len + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
  memcpy(last, rest, rest_len);
  last[rest_len] = 0x80;
  for (int i = 0; i < 8; i++) last[size - 1 - (size_t)i] = (uint8_t)(len * 8 >> 8 * i);
  for (size_t at = 0; at < size; at += BLOCK) sha256_compress(state, last + at);
}

int main(int argc, char **argv) {
  uint32_t state[8] = SHA256_START;
  uint64_t len = 0;
  size_t held = 0;
  workload_ready();
  int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
  if (fd < 0) {
    perror(argc == 2 ? argv[1] : "usage: sha256 FILE");
    return 2;
  }
  for (ssize_t got; (got = read(fd, bytes + held, ROOM - held)) > 0;) {
    size_t at = 0;
    len += (size_t)got;
    held += (size_t)got;
    for (; at + BLOCK <= held; at += BLOCK) sha256_compress(state, bytes + at);
    held -= at;
    memmove(bytes, bytes + at, held);
  }
  finish(state, bytes, held, len);
  for (int i = 0; i < 8; i++) printf("%08x", state[i]);
  printf("  %llu bytes\n", (unsigned long long)len);
  workload_done();
  return 0;
}
