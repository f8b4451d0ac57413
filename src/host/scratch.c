/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Folders that the changes of an overlay go to: one of the host, or a file system in memory that has no name, so that
 * nobody else sees it and it goes with its last descriptor. Rejected: a user namespace for making that without a privilege,
 * which takes a process, and which containers and some distributions forbid. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "host/overlay.h"

enum cay_status host_scratch_in_memory(int *out, struct cay_error *error) {
  *out = host_os_memory_folder();
  return *out >= 0
             ? CAY_OK
             : base_error_set(error, CAY_ERROR_UNSUPPORTED,
                              "an overlay in memory takes a file system of its own, which this process may not make "
                              "(%s): name a folder for the changes instead",
                              strerror(errno));
}

enum cay_status host_scratch_open(const char *path, int *out, struct cay_error *error) {
  if (mkdir(path, 0777) != 0 && errno != EEXIST)
    return base_error_system(error, errno, "cannot make the overlay's folder %s", path);
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
