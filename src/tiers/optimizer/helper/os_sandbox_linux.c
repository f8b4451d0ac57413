/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The helper's walls: after LLVM is loaded, only memory, the socket that is open, and the end. Any other
 * system call fails; no file, no process, no other socket can be reached. */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tiers/optimizer/helper/helper.h"

static const rlim_t MOST_MEMORY_BYTES = (rlim_t)2 << 30;

/* No signals, not even to itself, but by its clock: what abort() does without them ends the process, too. */
static const uint32_t allowed[] = {
    SYS_read,    SYS_write,  SYS_mmap,      SYS_munmap,        SYS_mprotect,     SYS_mremap,       SYS_madvise,
    SYS_brk,     SYS_futex,  SYS_exit,      SYS_exit_group,    SYS_rt_sigaction, SYS_rt_sigreturn, SYS_rt_sigprocmask,
    SYS_getpid,  SYS_gettid, SYS_getrandom, SYS_clock_gettime, SYS_sched_yield,  SYS_close,        SYS_getrusage,
    SYS_sysinfo, SYS_poll,   SYS_setitimer,
};

static bool enter_filter(void) {
  enum { HEAD = 4, COUNT = sizeof allowed / sizeof *allowed };
  struct sock_filter program[HEAD + COUNT + 2] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
  };
  for (uint32_t i = 0; i < COUNT; i++)
    program[HEAD + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], (uint8_t)(COUNT - i), 0);
  program[HEAD + COUNT] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1);
  program[HEAD + COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const struct sock_fprog filter = {.len = HEAD + COUNT + 2, .filter = program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* Whatever the process was started with beside the socket is closed; what LLVM has to say is said to nobody. Where there are
 * no filters, closed files and limits are what there is. */
void sandbox_enter(void) {
  const struct rlimit nothing = {0, 0}, memory = {MOST_MEMORY_BYTES, MOST_MEMORY_BYTES};
  int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) nowhere >= 0 ? dup2(nowhere, fd) : close(fd);
  base_os_close_from(WIRE_SPAWN_FD + 1, -1);
  setrlimit(RLIMIT_CORE, &nothing);
  setrlimit(RLIMIT_FSIZE, &nothing);
  setrlimit(RLIMIT_DATA, &memory); /* without more LLVM ends the process, and the program goes on without it */
  prctl(PR_SET_DUMPABLE, 0);
  enter_filter();
}
