/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Takes more and more of one thing; what the guest cannot have makes it trap. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char block[65536];

static void handles(void) {
  while (open("/work/bomb", O_RDONLY | O_CREAT, 0666) >= 0) {
  }
}

static void directories(void) {
  char name[64];
  for (int i = 0; snprintf(name, sizeof name, "/work/d%d", i) > 0 && mkdir(name, 0777) == 0; i++) {
  }
}

static void flood(int fd) {
  while (write(fd, block, sizeof block) > 0) {
  }
}

static void soak(int fd) {
  while (read(fd, block, sizeof block) > 0) {
  }
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "handles") == 0) handles();
  if (strcmp(what, "directories") == 0) directories();
  if (strcmp(what, "output") == 0) flood(1);
  if (strcmp(what, "file") == 0) flood(open("/work/bomb", O_WRONLY | O_CREAT, 0666));
  if (strcmp(what, "read") == 0) soak(0);
  if (strcmp(what, "sleep") == 0) nanosleep(&(struct timespec){.tv_sec = 3600}, NULL);
  if (strcmp(what, "fail") == 0) return directories(), 3;
  __builtin_trap();
}
