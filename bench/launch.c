/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* launch [--address-space BYTES] [--processor N] [--descendants 1] COMMAND [ARGUMENT]...: runs a command, copies its output and adds a line
 *
 *   launched FIRST_NS WALL_NS CPU_US RSS_KIB STATUS
 *
 * with the time from its start to its first output (0: there was none) and to its end, the processor time and peak resident
 * memory of it and the processes that it waited for, and its exit code (128 and more: a signal). With --descendants also of
 * those that live on when it has ended.
 *
 * A small program, because it starts others at once where an interpreter takes tenths of a millisecond, and because the
 * kernel counts what the process that starts another has in memory as the other's. */
#include <errno.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static _Noreturn void fail(const char *what, int error) {
  fprintf(stderr, "launch: %s: %s\n", what, strerror(error));
  exit(2);
}

static void limit_address_space(const char *bytes) {
  struct rlimit limit;
  limit.rlim_cur = limit.rlim_max = strtoull(bytes, NULL, 10);
  if (setrlimit(RLIMIT_AS, &limit)) fail("address space", errno);
}

static void keep_to_processor(const char *number) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((unsigned)atoi(number), &set);
  if (sched_setaffinity(0, sizeof set, &set)) fail("processor", errno);
}

/* What a process leaves behind becomes a child of this one, not of the system's first. */
static void adopt_descendants(void) {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1)) fail("descendants", errno);
}

static long cpu_us(const struct rusage *usage) {
  return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000L + usage->ru_utime.tv_usec +
         usage->ru_stime.tv_usec;
}

/* Waits until `pid` has ended, or any child where it is -1; false when there is none. */
static bool wait_for(pid_t pid, int *status, struct rusage *usage) {
  while (wait4(pid, status, 0, usage) < 0) {
    if (errno == ECHILD) return false;
    if (errno != EINTR) fail("wait", errno);
  }
  return true;
}

/* Copies until the other side has closed. Returns when the first bytes came. */
static uint64_t copy_output(int from) {
  static char bytes[65536];
  uint64_t first_ns = 0;
  for (ssize_t got; (got = read(from, bytes, sizeof bytes)) > 0;) {
    if (!first_ns) first_ns = now_ns();
    for (ssize_t done = 0, put; done < got; done += put)
      if ((put = write(1, bytes + done, (size_t)(got - done))) < 0) fail("output", errno);
  }
  return first_ns;
}

static int start(char **command, int output[2], pid_t *pid) {
  posix_spawn_file_actions_t actions;
  if (posix_spawn_file_actions_init(&actions)) return ENOMEM;
  posix_spawn_file_actions_adddup2(&actions, output[1], 1);
  posix_spawn_file_actions_addclose(&actions, output[0]);
  posix_spawn_file_actions_addclose(&actions, output[1]);
  return posix_spawnp(pid, command[0], &actions, NULL, command, environ);
}

int main(int argc, char **argv) {
  int at = 1, output[2], status, other;
  pid_t pid;
  struct rusage usage, left;
  for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
    if (strcmp(argv[at], "--address-space") == 0)
      limit_address_space(argv[at + 1]);
    else if (strcmp(argv[at], "--processor") == 0)
      keep_to_processor(argv[at + 1]);
    else if (strcmp(argv[at], "--descendants") == 0)
      adopt_descendants();
    else
      fail(argv[at], EINVAL);
  }
  if (at >= argc) fail("no command is given", EINVAL);
  if (pipe(output)) fail("pipe", errno);
  uint64_t started = now_ns();
  int error = start(argv + at, output, &pid);
  if (error) fail(argv[at], error);
  close(output[1]);
  uint64_t first = copy_output(output[0]);
  if (!wait_for(pid, &status, &usage)) fail("wait", ECHILD);
  uint64_t ended = now_ns();
  long spent_us = cpu_us(&usage), peak_kib = usage.ru_maxrss;
  while (wait_for(-1, &other, &left)) {
    spent_us += cpu_us(&left);
    if (left.ru_maxrss > peak_kib) peak_kib = left.ru_maxrss;
  }
  printf("launched %llu %llu %ld %ld %d\n", (unsigned long long)(first ? first - started : 0),
         (unsigned long long)(ended - started), spent_us, peak_kib,
         WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return 0;
}
