/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The Linux system calls of `host` that POSIX does not have. Each has a way out: openat2 and RWF_NOWAIT are missing on
 * older kernels and may be forbidden by a container's filter; callers then walk paths themselves and poll first. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "host/object.h"

const int host_os_directory_flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
const int host_os_name_flags = O_PATH | O_CLOEXEC;

/* The C library names "" beside the descriptor. Its structure is the kernel's where words have 64 bits. */
int host_os_stat(int fd, struct stat *out) {
#if defined(__LP64__) && defined(SYS_fstat)
  return (int)syscall(SYS_fstat, fd, out);
#else
  return fstat(fd, out);
#endif
}

/* What a filter answers (EPERM) is also what openat2 itself may answer, so one harmless call decides. */
static bool openat2_missing(int directory) {
  struct open_how how = {.flags = O_PATH | O_CLOEXEC};
  long fd = syscall(SYS_openat2, directory, ".", &how, sizeof how);
  if (fd >= 0) close((int)fd);
  return fd < 0 && (errno == ENOSYS || errno == EPERM);
}

int host_os_open_beneath(int directory, const char *path, int flags, mode_t mode, bool stays) {
  static atomic_bool missing;
  if (atomic_load_explicit(&missing, memory_order_relaxed)) return HOST_OS_UNAVAILABLE;
  struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                         .mode = flags & O_CREAT ? mode : 0,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (stays ? RESOLVE_NO_XDEV : 0)};
  /* EAGAIN: a rename or mount happened beside a "..", and the kernel could not prove that it stayed inside. */
  long fd = -1;
  for (int attempt = 0; attempt < 64; attempt++) {
    fd = syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  if (fd >= 0) return (int)fd;
  int failure = errno;
  if ((failure == ENOSYS || failure == EPERM) && openat2_missing(directory)) {
    atomic_store_explicit(&missing, true, memory_order_relaxed);
    return HOST_OS_UNAVAILABLE;
  }
  if (failure == EAGAIN) return HOST_OS_UNAVAILABLE;
  errno = failure;
  return -1;
}

/* A kernel makes its nodes on devtmpfs, which says that it is tmpfs (or ramfs), and devpts; containers have theirs on tmpfs. */
bool host_os_holds_devices(int directory) {
  struct statfs system;
  if (fstatfs(directory, &system) != 0) return true;
  if (system.f_flags & ST_NODEV) return false;
  return system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC || system.f_type == DEVPTS_SUPER_MAGIC;
}

ssize_t host_os_read_nowait(int fd, const struct iovec *iovecs, int count) {
  return preadv2(fd, iovecs, count, -1, RWF_NOWAIT);
}

ssize_t host_os_write_nowait(int fd, const struct iovec *iovecs, int count) {
  return pwritev2(fd, iovecs, count, -1, RWF_NOWAIT);
}

bool host_os_is_procfs(int fd) {
  struct statfs status;
  return fstatfs(fd, &status) != 0 || status.f_type == PROC_SUPER_MAGIC;
}

/* Not posix_fallocate, which writes to every block where the file system cannot allocate. */
int host_os_allocate(int fd, off_t offset, off_t len_bytes) { return fallocate(fd, 0, offset, len_bytes); }

ssize_t host_os_random(void *bytes, size_t len_bytes) { return getrandom(bytes, len_bytes, 0); }

ssize_t host_os_read_directory(int fd, char *records, size_t capacity) {
  return syscall(SYS_getdents64, fd, records, capacity);
}

static bool set_number(int context, const char *key, uint64_t number) {
  char text[24];
  snprintf(text, sizeof text, "%llu", (unsigned long long)number);
  return syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, text, 0) == 0;
}

int host_os_memory_folder(uint64_t len_bytes, uint64_t files) {
  const unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  int folder = -1;
  int context = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
  if (context < 0) return -1;
  if (set_number(context, "size", len_bytes) && set_number(context, "nr_inodes", files) &&
      syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", "0700", 0) == 0 &&
      syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
    folder = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
  close(context);
  return folder;
}

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3; some systems allow no others */
#endif

int host_os_memory_file(const void *bytes, size_t len_bytes) {
  const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  int fd = memfd_create("cay-file", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno == EINVAL) fd = memfd_create("cay-file", MFD_CLOEXEC | MFD_ALLOW_SEALING); /* an older kernel */
  if (fd < 0 || (base_os_write_all(fd, bytes, len_bytes) && fcntl(fd, F_ADD_SEALS, seals) == 0)) return fd;
  close(fd); /* which changes errno only when it fails itself */
  return -1;
}

int host_os_reopen(int fd, int flags) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int again = open(path, flags | O_CLOEXEC);
  return again < 0 ? host_failed() : again;
}

void host_os_record(const char *records, struct host_os_record *out) {
  const struct dirent64 *record = (const struct dirent64 *)records;
  *out = (struct host_os_record){.inode = record->d_ino,
                                 .next_cookie = (uint64_t)record->d_off,
                                 .name = record->d_name,
                                 .len_bytes = strlen(record->d_name),
                                 .record_bytes = record->d_reclen,
                                 .mode = record->d_type == DT_UNKNOWN ? 0 : DTTOIF(record->d_type)};
}
