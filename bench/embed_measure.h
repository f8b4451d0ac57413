/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Shared by the two sides of `./x bench embed`, cay's and wasmtime's: batches of one operation, timed, and printed as a
 * line "name nanoseconds", the median over the batches. bench/embed.py runs both sides in turn and compares the lines. */
#ifndef BENCH_EMBED_MEASURE_H
#define BENCH_EMBED_MEASURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCHES = 101, CALLS_OF_BATCH = 2000, LIVE = 100 };

static inline double now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline int by_size(const void *one, const void *other) {
  double a = *(const double *)one, b = *(const double *)other;
  return (a > b) - (a < b);
}

static inline void print_median(const char *name, double batches[BATCHES]) {
  qsort(batches, BATCHES, sizeof *batches, by_size);
  printf("%s %.3f\n", name, batches[BATCHES / 2]);
}

/* `run` does the operation `count` times. */
static inline void measure(const char *name, void (*run)(int count), int count) {
  double batches[BATCHES];
  run(count); /* whatever is done once is not what is measured */
  for (int i = 0; i < BATCHES; i++) {
    double start = now_ns();
    run(count);
    batches[i] = (now_ns() - start) / count;
  }
  print_median(name, batches);
}

/* LIVE instances are made, and then ended: `make` and `drop` get the number of the instance. */
static inline void measure_pair(const char *made, void (*make)(int), const char *dropped, void (*drop)(int)) {
  double makes[BATCHES], drops[BATCHES];
  for (int i = -1; i < BATCHES; i++) {
    double start = now_ns();
    for (int k = 0; k < LIVE; k++) make(k);
    double middle = now_ns();
    for (int k = 0; k < LIVE; k++) drop(k);
    if (i < 0) continue;
    makes[i] = (middle - start) / LIVE;
    drops[i] = (now_ns() - middle) / LIVE;
  }
  print_median(made, makes);
  print_median(dropped, drops);
}

static inline void *read_module(const char *path, size_t *len_bytes) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  *len_bytes = (size_t)ftell(file);
  rewind(file);
  void *bytes = malloc(*len_bytes + 1);
  if (!bytes || fread(bytes, 1, *len_bytes, file) != *len_bytes) {
    perror(path);
    exit(1);
  }
  fclose(file);
  return bytes;
}

#endif
