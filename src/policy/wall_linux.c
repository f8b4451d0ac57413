/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Entering the second wall, on Linux: first what needs rights (the bounding set of capabilities), then what only takes
 * rights away, the filter of system calls last, since it would forbid the others.
 *
 * Every part stands alone. A container may have taken one away, an old kernel may lack one; the others still hold, and the
 * report says which do. The user id stays what it is: a guest's files belong to whoever runs cay. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy/wall_parts.h"

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

bool policy_wall_is_default(void) { return POLICY_WALL_BY_DEFAULT; }

static void tell(struct policy_wall_report *report, enum policy_wall_part part, bool holds) {
  report->parts[part].holds = holds;
  report->parts[part].failure = holds ? 0 : errno;
}

/* ---- Privileges and capabilities ------------------------------------------------------------------------------------- */

/* A process that executes whatever it may read would make a map without PROT_EXEC one of code. */
static void stop_implied_execution(void) {
  int flags = personality(UINT32_MAX);
  if (flags >= 0 && flags & READ_IMPLIES_EXEC) personality((unsigned long)flags & ~(unsigned long)READ_IMPLIES_EXEC);
}

static void enter_privileges(struct policy_wall_report *report) {
  tell(report, POLICY_WALL_PRIVILEGES, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

static bool capabilities(int call, struct __user_cap_data_struct data[2]) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  return syscall(call, &header, data) == 0;
}

/* Those that a program could get again, where nothing else forbids it: behind no_new_privs no program gains any. */
static void drop_bounding_set(const struct __user_cap_data_struct *now) {
  if (!(now[0].effective & 1U << CAP_SETPCAP)) return;
  for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++) {
  }
}

/* The ambient ones go with those that are permitted. */
static void enter_capabilities(struct policy_wall_report *report) {
  struct __user_cap_data_struct now[2] = {0}, none[2] = {0};
  bool is_known = capabilities(SYS_capget, now);
  report->had_capabilities = memcmp(now, none, sizeof now) != 0;
  if (is_known && !report->parts[POLICY_WALL_PRIVILEGES].holds) drop_bounding_set(now);
  bool holds = is_known && (!report->had_capabilities || capabilities(SYS_capset, none));
  tell(report, POLICY_WALL_CAPABILITIES, holds);
}

/* ---- Landlock and seccomp --------------------------------------------------------------------------------------------- */

static void enter_files(const struct policy_wall *wall, struct policy_wall_report *report) {
  struct wall_landlock landlock;
  bool holds = wall_landlock_enter(wall, &landlock);
  report->landlock_version = landlock.version;
  report->limits_tcp = landlock.limits_tcp;
  errno = landlock.failure;
  tell(report, POLICY_WALL_FILES, holds);
}

/* Loads that go ahead of checks stay allowed: what they could leak is memory of this process, which the guest's own code
 * reaches as well as cay's, and forbidding them takes a good part of the guest's speed on older kernels. */
static bool install(struct wall_filter *filter) {
  struct sock_fprog program = {.len = (unsigned short)filter->count,
                               .filter = filter->code + WALL_FILTER_MAX - filter->count};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0) return true;
  return errno == EINVAL && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

static void enter_calls(const struct policy_wall *wall, struct policy_wall_report *report) {
  struct wall_filter filter;
  bool fits = wall_filter_make(wall, &filter);
  if (!fits) errno = E2BIG;
  tell(report, POLICY_WALL_CALLS, fits && install(&filter));
}

void policy_wall_enter(const struct policy_wall *wall, struct policy_wall_report *report) {
  *report = (struct policy_wall_report){0};
  stop_implied_execution();
  enter_privileges(report);
  enter_capabilities(report);
  enter_files(wall, report);
  enter_calls(wall, report);
}

bool policy_wall_enter_reader(void) {
  struct policy_wall_report report;
  struct wall_filter filter;
  enter_privileges(&report);
  return wall_filter_make(NULL, &filter) && install(&filter);
}

void policy_wall_enter_lookup(void) {
  struct policy_wall_report report;
  enter_privileges(&report);
  enter_capabilities(&report);
  wall_landlock_only_read();
}

/* ---- The report, in words ---------------------------------------------------------------------------------------------- */

static void tell_files(const struct policy_wall_report *report, char out[POLICY_WALL_TEXT_BYTES]) {
  int version = report->landlock_version;
  snprintf(out, POLICY_WALL_TEXT_BYTES, "version %d: files%s%s%s%s%s", version, version >= 2 ? ", moving" : "",
           version >= 3 ? ", truncating" : "", report->limits_tcp ? ", TCP" : "", version >= 5 ? ", devices" : "",
           version >= 6 ? ", abstract sockets, signals" : "");
}

void policy_wall_part_text(const struct policy_wall_report *report, enum policy_wall_part part,
                           char out[POLICY_WALL_TEXT_BYTES]) {
  const char *held[] = {[POLICY_WALL_PRIVILEGES] = "set",
                        [POLICY_WALL_CAPABILITIES] = report->had_capabilities ? "dropped" : "had none",
                        [POLICY_WALL_CALLS] = "filter"};
  int failure = report->parts[part].failure;
  if (report->parts[part].holds && part == POLICY_WALL_FILES)
    tell_files(report, out);
  else if (report->parts[part].holds)
    snprintf(out, POLICY_WALL_TEXT_BYTES, "%s", held[part]);
  else
    snprintf(out, POLICY_WALL_TEXT_BYTES, "%s",
             failure ? strerror(failure) : "version 1 forbids moving files, which was granted");
}
