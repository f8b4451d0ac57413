/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Clocks, random bytes, yielding. */
#include "check.h"

static void *const outside = (void *)(intptr_t)-4;

static void clocks(void) {
  for (uint32_t id = 0; id < 4; id++) {
    uint64_t resolution = 0, first = 0, second = 0;
    IN_CASE(OK(raw_clock_res_get(id, &resolution)), "clock %u", (unsigned)id);
    IN_CASE(TRUE(resolution > 0 && resolution <= 1000000000), "clock %u", (unsigned)id);
    OK(raw_clock_time_get(id, 0, &first));
    OK(raw_clock_time_get(id, 1000000000, &second));
    if (id != __WASI_CLOCKID_REALTIME) IN_CASE(TRUE(second >= first), "clock %u", (unsigned)id);
    IS(raw_clock_res_get(id, outside), FAULT);
    IS(raw_clock_time_get(id, 0, outside), FAULT);
  }
  uint64_t now = 0;
  OK(raw_clock_time_get(__WASI_CLOCKID_REALTIME, 0, &now));
  TRUE(now > UINT64_C(1700000000) * 1000000000);
  static const uint32_t wrong[] = {4, 5, 1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
  for (int i = 0; i < 6; i++) {
    IS(raw_clock_res_get(wrong[i], &now), INVAL);
    IS(raw_clock_time_get(wrong[i], 0, &now), INVAL);
  }
}

/* The clock of the process counts work and not waiting. */
static void processor_time(void) {
  uint64_t before = 0, after = 0;
  OK(raw_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 0, &before));
  for (volatile unsigned i = 0; i < 3000000; i++) {
  }
  OK(raw_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 0, &after));
  TRUE(after > before);
}

static void randomness(void) {
  static unsigned char bytes[70000];
  unsigned counts[256] = {0}, seen = 0;
  OK(raw_random_get(bytes, sizeof bytes));
  for (size_t i = 0; i < sizeof bytes; i++) counts[bytes[i]]++;
  for (int i = 0; i < 256; i++) seen += counts[i] > 150 && counts[i] < 420;
  EQUAL(seen, 256);
  unsigned char one[16], other[16] = {0};
  OK(raw_random_get(one, 16));
  OK(raw_random_get(other, 16));
  TRUE(memcmp(one, other, 16) != 0);
  memset(one, 0x5A, 16);
  OK(raw_random_get(one, 1));
  EQUAL(one[1], 0x5A);
  OK(raw_random_get(one, 0));
  IS(raw_random_get(outside, 8), FAULT);
  IS(raw_random_get(one, 0xFFFFFFFF), FAULT);
}

int main(void) {
  clocks();
  processor_time();
  randomness();
  OK(raw_sched_yield());
  return check_end();
}
