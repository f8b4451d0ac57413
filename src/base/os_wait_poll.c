/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Waiting for a word in memory where the system has nothing for it: looking again and again, ever more rarely. */
#include "base/base.h"

#include <time.h>

bool base_os_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns) {
  enum { FIRST_NS = 20000, LONGEST_NS = 5000000 };
  uint64_t pause_ns = FIRST_NS;
  while (atomic_load(word) == expected) {
    uint64_t now = deadline_ns == UINT64_MAX ? 0 : base_os_monotonic_ns();
    if (now >= deadline_ns) return false;
    if (pause_ns > deadline_ns - now) pause_ns = deadline_ns - now;
    nanosleep(&(struct timespec){.tv_nsec = (long)pause_ns}, NULL);
    pause_ns = pause_ns < LONGEST_NS / 2 ? pause_ns * 2 : LONGEST_NS;
  }
  return true;
}

void base_os_wake(_Atomic uint32_t *word) { (void)word; }
