/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Time and random bytes: the host's, and what stands in for them. */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <time.h>

#include "host/object.h"

static const clockid_t ids[] = {[HOST_CLOCK_REALTIME] = CLOCK_REALTIME,
                                [HOST_CLOCK_MONOTONIC] = CLOCK_MONOTONIC,
                                [HOST_CLOCK_PROCESS_CPU] = CLOCK_PROCESS_CPUTIME_ID,
                                [HOST_CLOCK_THREAD_CPU] = CLOCK_THREAD_CPUTIME_ID};

static uint64_t nanoseconds(struct timespec time) {
  return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

int host_clock_now(enum host_clock clock, uint64_t *ns) {
  struct timespec now;
  assert((size_t)clock < BASE_ARRAY_LEN(ids));
  if (clock_gettime(ids[clock], &now) != 0) return host_failed();
  *ns = nanoseconds(now);
  return 0;
}

int host_clock_resolution(enum host_clock clock, uint64_t *ns) {
  struct timespec resolution;
  assert((size_t)clock < BASE_ARRAY_LEN(ids));
  if (clock_getres(ids[clock], &resolution) != 0) return host_failed();
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

/* ---- What a guest sees ----------------------------------------------------------------------------------------------- */

/* Not zero: there are programs that take a clock at zero for a broken one. */
enum { STANDING_NS = 1000000000 };

static uint64_t standing(const struct host_clocks *clocks, enum host_clock clock) {
  return clock == HOST_CLOCK_REALTIME ? clocks->realtime_ns : STANDING_NS;
}

int host_clocks_now(struct host_clocks *clocks, enum host_clock clock, uint64_t *ns) {
  int result = 0;
  switch (clocks->kind) {
  case HOST_CLOCKS_FIXED: *ns = standing(clocks, clock); return 0;
  case HOST_CLOCKS_STEPPING:
    *ns =
        standing(clocks, clock) + atomic_fetch_add_explicit(&clocks->elapsed_ns, clocks->step_ns, memory_order_relaxed);
    return 0;
  case HOST_CLOCKS_COARSE:
    assert(clocks->step_ns > 0);
    result = host_clock_now(clock, ns);
    if (result == 0) *ns -= *ns % clocks->step_ns;
    return result;
  case HOST_CLOCKS_REAL: break;
  }
  return host_clock_now(clock, ns);
}

int host_clocks_resolution(const struct host_clocks *clocks, enum host_clock clock, uint64_t *ns) {
  *ns = clocks->step_ns ? clocks->step_ns : 1; /* of clocks that are not the host's */
  if (clocks->kind == HOST_CLOCKS_FIXED || clocks->kind == HOST_CLOCKS_STEPPING) return 0;
  int result = host_clock_resolution(clock, ns);
  if (result == 0 && clocks->kind == HOST_CLOCKS_COARSE && clocks->step_ns > *ns) *ns = clocks->step_ns;
  return result;
}

bool host_clocks_skip(struct host_clocks *clocks, uint64_t ns) {
  if (clocks->kind != HOST_CLOCKS_STEPPING) return false;
  atomic_fetch_add_explicit(&clocks->elapsed_ns, ns, memory_order_relaxed);
  return true;
}

/* Byte `at` of the seed's stream comes from word at / 8, which is a function of its number: SplitMix64, whose generator
 * is a counter. So threads need no lock, and asking in parts changes nothing. */
static uint64_t word_of(uint64_t seed, uint64_t number) {
  uint64_t z = seed + (number + 1) * UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

int host_random_fill(struct host_random_source *source, void *bytes, size_t len_bytes) {
  if (!source->is_seeded) return host_random(bytes, len_bytes);
  uint64_t at = atomic_fetch_add_explicit(&source->used_bytes, len_bytes, memory_order_relaxed);
  for (size_t i = 0; i < len_bytes; i++, at++)
    ((uint8_t *)bytes)[i] = (uint8_t)(word_of(source->seed, at / 8) >> (at % 8 * 8));
  return 0;
}
