/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private to `policy`: what the files of the wall share on Linux. */
#ifndef POLICY_WALL_PARTS_H
#define POLICY_WALL_PARTS_H

#include <linux/filter.h>

#include "policy/policy.h"

enum { WALL_FILTER_MAX = 448 };
struct wall_filter {
  struct sock_filter code[WALL_FILTER_MAX]; /* the last `count` of them */
  size_t count;
};
/* The filter for a wall; `wall` NULL: for a process that only reads. False: it does not fit, which is a mistake in the
 * table that the tests find. */
bool wall_filter_make(const struct policy_wall *wall, struct wall_filter *out);

struct wall_landlock {
  int version; /* 0: the kernel has none, or it is switched off */
  int failure; /* errno, when it does not hold; 0: left out, because this version forbids moving between directories */
  bool limits_tcp; /* to the wall's ports */
};
/* Confines this thread to the wall's paths; it can get no new privileges any more. */
bool wall_landlock_enter(const struct policy_wall *wall, struct wall_landlock *out);
/* The same, for reading anything and changing nothing. */
bool wall_landlock_only_read(void);

#endif
