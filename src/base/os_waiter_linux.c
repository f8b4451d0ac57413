/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Starting a process that will perhaps be needed, for less than a fork costs: it shares this one's memory until it becomes a
 * program of its own, arch_waiter.c, so that no tables of pages are copied and no page is copied afterwards because both
 * had it. That program comes from memory, and what it may become is this process's own program, opened before: nothing is
 * looked up by a name that somebody could give to another file.
 *
 * This process stands still meanwhile (CLONE_VFORK): before the new one has left its memory, nobody whom it must not trust
 * runs in it. To go on at once and wait later (CLONE_CHILD_CLEARTID) would let a second processor do the one while this does
 * the rest of the wall: not measured yet. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

struct start {
  int socket, program, image;
  char *const *words;
  bool shares_memory; /* the new process has written this */
};

static int image_open(void) {
  int fd = memfd_create("cay-waiter", MFD_CLOEXEC | MFD_EXEC);
  if (fd < 0 && errno == EINVAL) fd = memfd_create("cay-waiter", MFD_CLOEXEC); /* before Linux 6.3 */
  if (fd >= 0 && base_os_write_all(fd, image, sizeof image)) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

/* Runs in the memory of the process that starts it: changes nothing there but one word. Numbers are made free from below, 0 first. */
static int become(void *env) {
  struct start *start = env;
  start->shares_memory = true;
  char *no_environment[] = {NULL};
  if (dup3(start->socket, 0, 0) == 0 && dup3(start->program, 1, 0) == 1 &&
      syscall(SYS_close_range, 2U, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
    syscall(SYS_execveat, start->image, "", start->words, no_environment, AT_EMPTY_PATH);
  _exit(1);
}

/* The handlers of signals are this process's, and so is the memory that they would change. */
static int start_quietly(struct start *start) {
  enum { STACK_BYTES = 8192 };
  _Alignas(16) char stack[STACK_BYTES];
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  int process = clone(become, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, start);
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (process < 0) return 0;
  /* An emulator of processors makes a fork of it, and goes on at once. Else it has become what it was to, or has ended. */
  if (!start->shares_memory) kill(process, SIGKILL);
  return waitpid(process, NULL, start->shares_memory ? WNOHANG : 0) == 0 ? process : 0;
}

int base_os_start_waiter(int socket, char *const words[]) {
  struct start start = {.socket = socket, .words = words};
  int process = 0;
  start.program = open(BASE_OWN_EXECUTABLE, O_PATH | O_CLOEXEC);
  start.image = start.program >= 0 ? image_open() : -1;
  bool fits = socket > 1 && start.program > 1 && start.image > 1;
  if (fits) process = start_quietly(&start);
  if (start.image >= 0) close(start.image);
  if (start.program >= 0) close(start.program);
  return process;
}
