/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What every program of the evaluation says about itself: that it has begun, as its first output, by which its cold start
 * is told; and how long it worked by its own clock, which leaves out what a process, a runtime or a container takes to start
 * and to end. The same source is built natively and for WebAssembly. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static uint64_t workload_started_ns;

static inline uint64_t workload_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline void workload_ready(void) {
  puts("ready");
  fflush(stdout);
  workload_started_ns = workload_now_ns();
}

static inline void workload_done(void) {
  printf("inside_us %llu\n", (unsigned long long)((workload_now_ns() - workload_started_ns) / 1000));
}

#endif
