/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Starting a process that will perhaps be needed, for less than a fork costs: it shares this one's memory until it becomes a
 * program of its own, arch_waiter.c, so that no tables of pages are copied and no page is copied afterwards because both
 * had it. That program comes from memory, and what it may become is this process's own program, opened before: nothing is
 * looked up by a name that somebody could give to another file.
 *
 * This process goes on meanwhile, so that another processor makes the new one while this one does the rest of the wall. The
 * kernel clears a word of the shared memory when the new process has left it (CLONE_CHILD_CLEARTID), and wakes who waits for
 * that: before then, nobody whom it must not trust runs in this one. Rejected: CLONE_VFORK, for which this one stands still.
 *
 * Invariants: 1. until it has left, the new process writes to its own stack alone: what is the thread's in this one (errno) is
 * in use. 2. There is one at a time. */
#include "base/arch_call.h"
#include "base/base.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

static const unsigned char image[] = {
#include "waiter.gen.h"
};

/* What the new process runs on until it has left. */
enum { WORDS_MAX = 4 };
static struct {
  _Alignas(16) char stack[8192];
  _Atomic uint32_t is_here; /* cleared by the kernel */
  int process, socket, program, also, image;
  char *words[WORDS_MAX + 1], *no_environment[1];
} start;

static int image_open(void) {
  int fd = memfd_create("cay-waiter", MFD_CLOEXEC | MFD_EXEC);
  if (fd < 0 && errno == EINVAL) fd = memfd_create("cay-waiter", MFD_CLOEXEC); /* before Linux 6.3 */
  if (fd >= 0 && base_os_write_all(fd, image, sizeof image)) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

/* Older systems than Linux 5.11 cannot do what become() relies on. */
static bool can_leave(void) { return syscall(SYS_close_range, ~0U, ~0U, CLOSE_RANGE_CLOEXEC) == 0; }

static long call(long number, long a, long b, long c, long d, long e) {
  return base_arch_call(number, a, b, c, d, e, 0);
}

/* Runs in the memory of the process that starts it. Numbers are made free from below, 0 first. */
static int become(void *env) {
  (void)env;
  if (call(SYS_dup3, start.socket, 0, 0, 0, 0) == 0 && call(SYS_dup3, start.program, 1, 0, 0, 0) == 1 &&
      (start.also < 0 || call(SYS_dup3, start.also, 2, 0, 0, 0) == 2) &&
      call(SYS_close_range, start.also < 0 ? 2 : 3, UINT32_MAX, CLOSE_RANGE_CLOEXEC, 0, 0) == 0)
    call(SYS_execveat, start.image, (long)"", (long)start.words, (long)start.no_environment, AT_EMPTY_PATH);
  for (;;) call(SYS_exit_group, 1, 0, 0, 0, 0);
}

/* The handlers of signals are this process's, and so is the memory that they would change: the new one has none let through. */
static int start_quietly(void) {
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  atomic_store(&start.is_here, 1);
  start.process = clone(become, start.stack + sizeof start.stack, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL,
                        NULL, &start.is_here);
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (start.process > 0) return start.process;
  atomic_store(&start.is_here, 0); /* emulators of processors have no such thing */
  return 0;
}

/* Some kernels clear nothing when it ends with a dump of its memory, so that it is looked after now and then. */
void base_os_await_waiter(void) {
  const struct timespec while_waiting = {.tv_nsec = 10 * 1000 * 1000};
  while (atomic_load(&start.is_here))
    if (syscall(SYS_futex, &start.is_here, FUTEX_WAIT, 1, &while_waiting, NULL, 0) != 0 && errno == ETIMEDOUT &&
        waitpid(start.process, NULL, WNOHANG) != 0)
      atomic_store(&start.is_here, 0);
}

int base_os_start_waiter(int socket, int also, char *const words[]) {
  int process = 0;
  base_os_await_waiter();
  start.socket = socket;
  start.also = also;
  size_t count = 0;
  for (; words[count]; count++) {
    assert(count < WORDS_MAX);
    start.words[count] = words[count];
  }
  start.words[count] = NULL;
  start.program = open(BASE_OWN_EXECUTABLE, O_PATH | O_CLOEXEC);
  start.image = start.program >= 0 && can_leave() ? image_open() : -1;
  bool fits = socket > 2 && start.program > 2 && start.image > 2 && (also < 0 || also > 2);
  if (fits) process = start_quietly();
  if (start.image >= 0) close(start.image);
  if (start.program >= 0) close(start.program);
  return process;
}
