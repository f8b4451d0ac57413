/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* latency FOLDER TIMES: what single operations on files take. Prints a line NAME NANOSECONDS for each: the median of 21
 * batches of TIMES calls. */
#include "workload.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCHES = 21, PAGE = 4096 };

static char path[1024], page[PAGE];
static int fd;

static int one_stat(void) {
  struct stat found;
  return stat(path, &found);
}
static int one_open(void) {
  int opened = open(path, O_RDONLY);
  return opened < 0 ? -1 : close(opened);
}
static int one_read(void) { return pread(fd, page, PAGE, 0) == PAGE ? 0 : -1; }
static int one_write(void) { return pwrite(fd, page, PAGE, 0) == PAGE ? 0 : -1; }
static int one_clock(void) { return workload_now_ns() ? 0 : -1; }

static const struct {
  const char *name;
  int (*run)(void);
} operations[] = {{"stat", one_stat},
                  {"open and close", one_open},
                  {"read 4 KiB", one_read},
                  {"write 4 KiB", one_write},
                  {"clock", one_clock}};

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double measured(int (*run)(void), int times) {
  double taken[BATCHES];
  for (int batch = 0; batch < BATCHES; batch++) {
    uint64_t started = workload_now_ns();
    for (int i = 0; i < times; i++)
      if (run()) return -1;
    taken[batch] = (double)(workload_now_ns() - started) / times;
  }
  qsort(taken, BATCHES, sizeof taken[0], by_value);
  return taken[BATCHES / 2];
}

int main(int argc, char **argv) {
  if (argc != 3 || snprintf(path, sizeof path, "%s/latency.bin", argv[1]) >= (int)sizeof path) {
    fputs("usage: latency FOLDER TIMES\n", stderr);
    return 2;
  }
  fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || one_write()) {
    perror(path);
    return 1;
  }
  for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
    double taken_ns = measured(operations[i].run, atoi(argv[2]));
    if (taken_ns < 0) {
      perror(operations[i].name);
      return 1;
    }
    printf("%s\t%.1f\n", operations[i].name, taken_ns);
  }
  return 0;
}
