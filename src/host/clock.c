/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <time.h>

#include "host/object.h"

static const clockid_t clocks[] = {[HOST_CLOCK_REALTIME] = CLOCK_REALTIME,
                                   [HOST_CLOCK_MONOTONIC] = CLOCK_MONOTONIC,
                                   [HOST_CLOCK_PROCESS_CPU] = CLOCK_PROCESS_CPUTIME_ID,
                                   [HOST_CLOCK_THREAD_CPU] = CLOCK_THREAD_CPUTIME_ID};

static uint64_t nanoseconds(struct timespec time) {
  return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

int host_clock_now(enum host_clock clock, uint64_t *ns) {
  struct timespec now;
  assert((size_t)clock < BASE_ARRAY_LEN(clocks));
  if (clock_gettime(clocks[clock], &now) != 0) return host_failed();
  *ns = nanoseconds(now);
  return 0;
}

int host_clock_resolution(enum host_clock clock, uint64_t *ns) {
  struct timespec resolution;
  assert((size_t)clock < BASE_ARRAY_LEN(clocks));
  if (clock_getres(clocks[clock], &resolution) != 0) return host_failed();
  *ns = nanoseconds(resolution);
  return 0;
}

void host_yield(void) { sched_yield(); }

int host_random(void *bytes, size_t len_bytes) {
  for (size_t done = 0; done < len_bytes;) {
    ssize_t got = host_os_random((char *)bytes + done, len_bytes - done);
    if (got < 0 && errno != EINTR) return host_failed();
    if (got > 0) done += (size_t)got;
  }
  return 0;
}
