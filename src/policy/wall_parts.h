/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private to `policy`: what the files of the wall share on Linux. */
#ifndef POLICY_WALL_PARTS_H
#define POLICY_WALL_PARTS_H

#include <linux/filter.h>

#include "policy/policy.h"

/* What is looked at before a system call is let through: the words of wall.def, and what becomes of them. */
enum wall_check {
  WALL_REFUSED, /* no row */
  WALL_ALWAYS,
  WALL_READER,
  WALL_NAMED,
  WALL_NAMED_1, /* has no row: what CHANGE_1 becomes */
  WALL_CHANGE,
  WALL_CHANGE_1,
  WALL_CHANGE_0_2,
  WALL_TIMES,
  WALL_DESCRIBE,
  WALL_LIST,
  WALL_MAP,
  WALL_PROTECT,
  WALL_REMAP,
  WALL_THREAD,
  WALL_THREADS,
  WALL_NOT_THERE,
  WALL_SELF,
  WALL_CHILD,
  WALL_LOOK,
  WALL_CONTROL,
  WALL_FLAGS,
  WALL_NAMING,
  WALL_ACCEPT,
  WALL_SOCKET,
  WALL_SOCKETS,
  WALL_OPTION,
  WALL_SEND_2,
  WALL_SEND_3,
  WALL_SOCKETCALL,
  WALL_DEADLY,
  WALL_CHECK_COUNT,
};

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
