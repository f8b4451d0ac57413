/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Folders that the changes of an overlay go to: one of the host, or a file system in memory that has no name, so that
 * nobody else sees it and it goes with its last descriptor. Rejected: a user namespace for making that without a privilege,
 * which takes a process, and which containers and some distributions forbid. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "host/overlay.h"

/* Lengths are for quotas to limit; this is for what they do not see: a file takes whole pages, and memory without any. */
static uint64_t with_room(uint64_t limit_bytes) {
  const uint64_t room_bytes = 1 << 20;
  return limit_bytes < UINT64_MAX - room_bytes ? limit_bytes + room_bytes : limit_bytes;
}

enum cay_status host_scratch_in_memory(uint64_t limit_bytes, int *out, struct cay_error *error) {
  enum { BYTES_PER_FILE = 8192 };
  uint64_t bytes = with_room(limit_bytes);
  *out = host_os_memory_folder(bytes, bytes / BYTES_PER_FILE);
  if (*out >= 0) return CAY_OK;
  bool is_forbidden = errno == EPERM || errno == ENOSYS || errno == EACCES;
  return is_forbidden
             ? base_error_set(error, CAY_ERROR_UNSUPPORTED,
                              "an overlay in memory takes a file system of its own, which this process may not "
                              "make: name a folder for the changes instead")
             : base_error_system(error, errno, "an overlay in memory cannot be made");
}

/* A folder that we make is the user's own: what is copied there may have been where nobody else could read it. */
enum cay_status host_scratch_open(const char *path, bool *is_made, int *out, struct cay_error *error) {
  *is_made = mkdir(path, 0700) == 0;
  if (!*is_made && errno != EEXIST) return base_error_system(error, errno, "cannot make the overlay's folder %s", path);
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return base_error_system(error, errno, "cannot open the overlay's folder %s", path);
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
    *out = fd;
    return CAY_OK;
  }
  int failure = errno;
  close(fd);
  return failure == EWOULDBLOCK
             ? base_error_set(error, CAY_ERROR_SYSTEM, "the overlay's folder %s is used by another run", path)
             : base_error_system(error, failure, "cannot lock the overlay's folder %s", path);
}
