/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The process file system, whose folders of processes no grant reaches.
 *
 * "/proc/self" is this process: its memory, its environment, its arguments and what it has open, none of which was granted,
 * though "/proc" may lie beneath what was. Other processes are no better, because some of them are this program's as well
 * (a broker, a parent that waits) and most have the same environment. So what belongs to a process is refused, unless the
 * grant names a place within that process's folder; and within the own one nothing is granted at all. What the system tells
 * of itself there (/proc/meminfo, /proc/sys) is like any other file.
 *
 * A descriptor does not tell which process it belongs to, but names do: on this file system, numbers, "self" and
 * "thread-self" are processes. The kernel resolves a path in one call, links included; so what it opened is looked at, and
 * when that lies on procfs, it is closed and opened once more by the walker (resolve.c), which asks here about each name.
 * That costs nothing elsewhere: what was opened is described anyhow, and a directory remembers the device that was looked
 * at last. Rejected: judging the guest's path, which links change; and walking always, which costs a call for each
 * component. */
#include "host/object.h"

#include <stdio.h>
#include <unistd.h>

static bool may_be_process(const char *name, size_t len_bytes) {
  if (strspn(name, "0123456789") >= len_bytes) return len_bytes > 0;
  const char *self = len_bytes == strlen("self") ? "self" : "thread-self";
  return strlen(self) == len_bytes && memcmp(name, self, len_bytes) == 0;
}

bool host_is_process(int directory, const char *name) {
  return may_be_process(name, strlen(name)) && host_os_is_procfs(directory);
}

bool host_leads_to_procfs(struct host_object *directory, int fd, const struct stat *status) {
  uint64_t device = status->st_dev;
  if (atomic_load_explicit(&directory->ordinary_device, memory_order_relaxed) == device) return false;
  if (host_os_is_procfs(fd)) return true;
  atomic_store_explicit(&directory->ordinary_device, device, memory_order_relaxed);
  return false;
}

/* Each procfs counts processes in its own way, so its "self" is asked. */
static bool is_self(const char *real_path, const char *name, size_t len_bytes) {
  char link[HOST_PATH_BYTES], own[32];
  int before = (int)(name - real_path);
  if (snprintf(link, sizeof link, "%.*sself", before, real_path) >= (int)sizeof link) return true;
  ssize_t got = readlink(link, own, sizeof own);
  return got == (ssize_t)len_bytes && memcmp(own, name, len_bytes) == 0;
}

bool host_is_own_process(int fd, const char *real_path) {
  if (!host_os_is_procfs(fd)) return false;
  for (const char *name = real_path; *name;) {
    size_t len_bytes = strcspn(name, "/");
    if (may_be_process(name, len_bytes) && is_self(real_path, name, len_bytes)) return true;
    name += len_bytes + (name[len_bytes] == '/');
  }
  return false;
}
