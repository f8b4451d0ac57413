/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Places in a file of the working folder that not every file system has: what is said of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(const char *what, long long result) { printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done"); }

static void try(int fd, long long place) {
  char byte = 0;
  printf("%lld\n", place);
  say("seek", lseek(fd, place, SEEK_SET));
  lseek(fd, 0, SEEK_SET);
  say("seek from the end", lseek(fd, place, SEEK_END));
  lseek(fd, 0, SEEK_SET);
  say("write", pwrite(fd, &byte, 1, place));
  say("read", pread(fd, &byte, 1, place));
  say("cut", ftruncate(fd, place));
  say("allocate", (errno = posix_fallocate(fd, place, 1)) ? -1 : 0);
  ftruncate(fd, 0);
}

int main(void) {
  int fd = open("far", O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) return 1;
  say("cut", ftruncate(fd, 1LL << 43));
  ftruncate(fd, 0);
  try(fd, (1LL << 43) + 1);
  try(fd, 1LL << 62);
  return 0;
}
