/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What `cay doctor` checks on Linux. Each check does the thing itself, on itself, instead of reading version numbers:
 * containers and seccomp filters take features away that the kernel has. Nothing is changed that outlives the call. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct checks {
  struct cli_check *items;
  size_t count;
};

static void add(struct checks *checks, const char *name, bool ok, const char *advice, const char *format, ...)
    BASE_PRINTF(5, 6);
static void add(struct checks *checks, const char *name, bool ok, const char *advice, const char *format, ...) {
  struct cli_check *check = &checks->items[checks->count++];
  *check = (struct cli_check){.name = name, .ok = ok, .advice = ok ? NULL : advice};
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(check->found, sizeof check->found, format, arguments);
  va_end(arguments);
}

static void add_errno(struct checks *checks, const char *name, bool ok, int error, const char *advice) {
  add(checks, name, ok, advice, "%s", ok ? "available" : strerror(error));
}

/* ---- Kernel features ------------------------------------------------------------------------------------------------ */

static void check_openat2(struct checks *checks) {
  struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
  long fd = syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);
  int error = errno;
  if (fd >= 0) close((int)fd);
  add_errno(
      checks, "openat2", fd >= 0, error,
      "paths are resolved one component at a time instead, which is as safe but slower; Linux 5.6 or newer, and a "
      "container whose seccomp profile allows openat2, make it available");
}

static void check_memfd(struct checks *checks) {
  long fd = syscall(SYS_memfd_create, "cay-doctor", 1u /* MFD_CLOEXEC */);
  int error = errno;
  if (fd >= 0) close((int)fd);
  add_errno(checks, "memfd", fd >= 0, error,
            "memories cannot be made from copy-on-write images; programs start slower. Allow memfd_create in the "
            "container's seccomp profile");
}

/* A child enters the wall and tells what holds. */
static bool try_wall(struct policy_wall_report *report) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  pid_t child = fork();
  if (child == 0) {
    policy_wall_enter(&(struct policy_wall){0}, report);
    _exit(write(ends[1], report, sizeof *report) != sizeof *report);
  }
  close(ends[1]);
  bool told = child > 0 && read(ends[0], report, sizeof *report) == sizeof *report;
  close(ends[0]);
  if (child > 0) waitpid(child, NULL, 0);
  return told;
}

static void check_wall(struct checks *checks) {
  static const char *const names[] = {"wall: privileges", "wall: capabilities", "wall: Landlock", "wall: seccomp"};
  static const char *const advices[] = {
      "the kernel is older than 3.5, or a filter forbids it; the rest of the wall cannot hold either",
      "the process keeps rights that no program needs; a container's filter forbids to give them up",
      "the kernel cannot confine cay's own file access; boot Linux 5.19 or newer with lsm=landlock,...",
      "the kernel cannot filter cay's own system calls; it needs CONFIG_SECCOMP_FILTER",
  };
  _Static_assert(BASE_ARRAY_LEN(names) == POLICY_WALL_PART_COUNT, "a line for each part");
  struct policy_wall_report report;
  bool told = try_wall(&report);
  for (enum policy_wall_part part = 0; part < POLICY_WALL_PART_COUNT; part++) {
    char text[POLICY_WALL_TEXT_BYTES] = "a child that tried it did not come back";
    if (told) policy_wall_part_text(&report, part, text);
    add(checks, names[part], told && report.parts[part].holds, advices[part], "%s", text);
  }
  add(checks, "wall: broker and --isolate=process", told, "no second process can be started beside the program's", "%s",
      told ? "available" : "not available");
}

static void check_executable_memory(struct checks *checks) {
  size_t bytes = base_os_page_bytes();
  void *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  bool ok = page != MAP_FAILED && mprotect(page, bytes, PROT_READ | PROT_EXEC) == 0;
  int error = errno;
  if (page != MAP_FAILED) munmap(page, bytes);
  add_errno(checks, "executable memory", ok, error,
            "code cannot be generated here; the interpreter runs programs without it (--tier interp)");
}

/* ---- Limits ---------------------------------------------------------------------------------------------------------- */

static void check_limit(struct checks *checks, const char *name, int resource, uint64_t enough, const char *advice) {
  struct rlimit limit;
  if (getrlimit(resource, &limit) != 0)
    add(checks, name, false, advice, "%s", strerror(errno));
  else if (limit.rlim_cur == RLIM_INFINITY)
    add(checks, name, true, NULL, "unlimited");
  else
    add(checks, name, limit.rlim_cur >= enough, advice, "%llu", (unsigned long long)limit.rlim_cur);
}

static void check_reservation(struct checks *checks) {
  size_t bytes = sizeof(size_t) > 4 ? (size_t)(UINT64_C(8) << 30) : (size_t)64 << 20;
  void *memory = base_os_reserve(bytes);
  int error = errno;
  if (memory) base_os_release(memory, bytes);
  add_errno(checks, "address space for guard pages", memory != NULL, error,
            "memories are checked by explicit comparisons, which costs some speed; raise the limit of address space "
            "(ulimit -v unlimited) or set vm.overcommit_memory to 0 or 1");
}

/* The number in a file of /proc, or `missing`. */
static long read_number(const char *path, long missing) {
  char text[32];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (fd >= 0) close(fd);
  if (len <= 0) return missing;
  text[len] = 0;
  return strtol(text, NULL, 10);
}

static void check_overcommit(struct checks *checks) {
  long mode = read_number("/proc/sys/vm/overcommit_memory", -1);
  add(checks, "overcommit", mode == 0 || mode == 1,
      mode < 0
          ? "/proc is not mounted, so the setting is unknown"
          : "reserved address space counts as used memory; set vm.overcommit_memory to 0 or 1, or give --max-memory",
      "mode %ld", mode);
}

static void check_map_count(struct checks *checks) {
  long count = read_number("/proc/sys/vm/max_map_count", -1);
  add(checks, "mappings", count >= 65530,
      count < 0 ? "/proc is not mounted, so the limit is unknown"
                : "very many instances in one process may not fit; raise vm.max_map_count to 65530 or more",
      "at most %ld", count);
}

size_t cli_os_checks(struct cli_check items[CLI_CHECKS]) {
  struct checks checks = {.items = items};
  check_openat2(&checks);
  check_memfd(&checks);
  check_wall(&checks);
  check_executable_memory(&checks);
  check_limit(&checks, "address space (RLIMIT_AS)", RLIMIT_AS, UINT64_C(64) << 30,
              "memories may be checked by explicit comparisons, which costs some speed; ulimit -v unlimited");
  check_reservation(&checks);
  check_limit(&checks, "native stack (RLIMIT_STACK)", RLIMIT_STACK, 1 << 20,
              "cay needs little of it, because programs have stacks of their own (--stack), but not so little; "
              "ulimit -s 8192");
  check_limit(&checks, "open files (RLIMIT_NOFILE)", RLIMIT_NOFILE, 1024,
              "programs that open many files will be refused; ulimit -n 1024");
  check_overcommit(&checks);
  check_map_count(&checks);
  return checks.count;
}

void cli_os_cpu_name(char *out, size_t capacity) {
  char text[4096];
  snprintf(out, capacity, "unknown");
  int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
  ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (fd >= 0) close(fd);
  if (len <= 0) return;
  text[len] = 0;
  const char *line = strstr(text, "model name");
  const char *name = line ? strchr(line, ':') : NULL;
  if (name) snprintf(out, capacity, "%.*s", (int)strcspn(name + 2, "\n"), name + 2);
}

/* More processors than the set has room for are enough, too. */
unsigned cli_os_cpu_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return CPU_SETSIZE;
  int count = CPU_COUNT(&set);
  return count > 0 ? (unsigned)count : 1;
}

/* ---- A child for the guest ------------------------------------------------------------------------------------------------ */

enum { FIRST_INHERITED = 3, INHERITED_MAX = 1024 };
static uint8_t is_inherited[INHERITED_MAX];

bool cli_os_child_begin(int parent) {
  struct pollfd fds[INHERITED_MAX];
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) return false;
  for (int fd = 0; fd < INHERITED_MAX; fd++) fds[fd] = (struct pollfd){.fd = fd};
  /* One call for all, which a limit of descriptors that is lower forbids; there may be such above the limit. */
  bool is_told = poll(fds, INHERITED_MAX, 0) >= 0;
  for (int fd = FIRST_INHERITED; fd < INHERITED_MAX; fd++)
    is_inherited[fd] = is_told ? !(fds[fd].revents & POLLNVAL) : fcntl(fd, F_GETFD) >= 0;
  base_os_close_from(INHERITED_MAX, -1);
  return true;
}

void cli_os_child_close(void) {
  for (int fd = FIRST_INHERITED; fd < INHERITED_MAX; fd++)
    if (is_inherited[fd]) close(fd);
}
