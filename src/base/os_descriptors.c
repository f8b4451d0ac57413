/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What C libraries do with descriptors in another way than cay needs, or not at all. */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Closing what was inherited ----------------------------------------------------------------------------------------- */

static bool close_range_of(unsigned first, unsigned last) {
#if defined(SYS_close_range)
  return syscall(SYS_close_range, first, last, 0) == 0;
#else
  return false;
#endif
}

/* The system's own list; what is closed while it is read does not move what follows. */
static bool close_listed(int first, int kept) {
  DIR *list = opendir("/proc/self/fd");
  if (!list) return false;
  for (struct dirent *entry; (entry = readdir(list));) {
    char *end;
    long fd = strtol(entry->d_name, &end, 10);
    if (end > entry->d_name && fd >= first && fd != kept && fd != dirfd(list)) close((int)fd);
  }
  return closedir(list) == 0;
}

/* As many as a process can have had unless the machine's owner raised what Linux starts with. */
static void close_numbered(int first, int kept) {
  enum { OPEN_MAX_OF_LINUX = 1 << 20 };
  struct rlimit limit;
  int end = OPEN_MAX_OF_LINUX;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max > OPEN_MAX_OF_LINUX && limit.rlim_max < INT32_MAX)
    end = (int)limit.rlim_max;
  for (int fd = first; fd < end; fd++)
    if (fd != kept) close(fd);
}

void base_os_close_from(int first, int kept) {
  bool is_between = kept >= first; /* else there is one range */
  bool done = close_range_of(is_between ? (unsigned)kept + 1 : (unsigned)first, ~0U) &&
              (!is_between || kept == first || close_range_of((unsigned)first, (unsigned)kept - 1));
  if (done) return;
  if (!close_listed(first, kept)) close_numbered(first, kept);
}

/* ---- Sockets, by calls whose arguments a filter can see -------------------------------------------------------------------- */

/* On 32-bit x86 libraries still make the one call that all sockets had once, with its arguments in memory. */
ssize_t base_os_sendmsg(int socket, const struct msghdr *message, int flags) {
#if defined(__i386__) && defined(SYS_sendmsg)
  long sent = syscall(SYS_sendmsg, socket, message, flags);
  if (sent >= 0 || errno != ENOSYS) return sent;
#endif
  return sendmsg(socket, message, flags);
}

int base_os_socket(int family, int type, int protocol) {
#if defined(__i386__) && defined(SYS_socket)
  long result = syscall(SYS_socket, family, type, protocol);
  if (result >= 0 || errno != ENOSYS) return (int)result;
#endif
  return socket(family, type, protocol);
}

int base_os_setsockopt(int socket, int level, int option, int value) {
#if defined(__i386__) && defined(SYS_setsockopt)
  long result = syscall(SYS_setsockopt, socket, level, option, &value, sizeof value);
  if (result >= 0 || errno != ENOSYS) return (int)result;
#endif
  return setsockopt(socket, level, option, &value, sizeof value);
}
