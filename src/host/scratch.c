/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Folders that the changes of an overlay go to.
 *
 * In memory means a file system of its own without a name, which nobody else sees and which goes with its last descriptor;
 * making one needs a privilege (Linux: CAP_SYS_ADMIN). Without it, a new folder where the system keeps files in memory,
 * with a process beside us whose only task is to remove it: it waits for the end of a pipe, which comes however we end.
 * Rejected: removing it ourselves, which a kill prevents and the second wall forbids; and a user namespace for the mount,
 * which containers and some distributions forbid. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/overlay.h"

/* ---- Removing a folder: after fork, so that nothing may be allocated --------------------------------------------------- */

/* The folder's folders are emptied into it one after the other, so that no depth is too deep. */
struct removal {
  int folder;
  unsigned moved; /* names given */
  bool progress;
};

static void lift(struct removal *removal, int from, const char *name) {
  char lifted[32];
  snprintf(lifted, sizeof lifted, ".wh..wh.%u", removal->moved++);
  if (renameat(from, name, removal->folder, lifted) == 0) removal->progress = true;
}

static void remove_entry(struct removal *removal, int directory, const char *name);

static void empty(struct removal *removal, int directory) {
  _Alignas(8) char records[2048];
  ssize_t got;
  while ((got = host_os_read_directory(directory, records, sizeof records)) > 0)
    for (ssize_t at = 0; at < got;) {
      struct host_os_record record;
      host_os_record(records + at, &record);
      at += (ssize_t)record.record_bytes;
      if (strcmp(record.name, ".") != 0 && strcmp(record.name, "..") != 0)
        remove_entry(removal, directory, record.name);
    }
}

static void remove_entry(struct removal *removal, int directory, const char *name) {
  if (unlinkat(directory, name, 0) == 0 || unlinkat(directory, name, AT_REMOVEDIR) == 0) {
    removal->progress = true;
    return;
  }
  if (directory != removal->folder) {
    lift(removal, directory, name);
    return;
  }
  int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return;
  empty(removal, fd);
  close(fd);
  if (unlinkat(directory, name, AT_REMOVEDIR) == 0) removal->progress = true;
}

static void remove_tree(int folder, const char *path) {
  struct removal removal = {.folder = folder};
  do {
    removal.progress = false;
    lseek(folder, 0, SEEK_SET);
    empty(&removal, folder);
  } while (removal.progress && rmdir(path) != 0);
}

/* ---- The process that removes it ------------------------------------------------------------------------------------------ */

static _Noreturn void wait_and_remove(int end, int folder, const char *path) {
  char byte;
  setsid();
  for (int signal_number = 1; signal_number < NSIG; signal_number++)
    if (signal_number != SIGKILL && signal_number != SIGSTOP) signal(signal_number, SIG_IGN);
  host_os_close_all_but(end, folder);
  while (read(end, &byte, 1) < 0 && errno == EINTR);
  remove_tree(folder, path);
  _exit(0);
}

/* It is nobody's child, so that nobody has to wait for it. The descriptor that keeps it waiting, or -1. */
static int start_removal(int folder, const char *path) {
  int ends[2], status = 0;
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  pid_t child = fork();
  if (child == 0) {
    pid_t grandchild = fork();
    if (grandchild != 0) _exit(grandchild < 0);
    wait_and_remove(ends[0], folder, path);
  }
  int failure = errno;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR);
  close(ends[0]);
  if (child > 0 && status == 0) return ends[1];
  close(ends[1]);
  errno = child < 0 ? failure : EAGAIN;
  return -1;
}

/* ---- Making and opening ------------------------------------------------------------------------------------------------------ */

bool host_scratch_make(const char *parent, struct host_scratch *out) {
  char path[PATH_MAX];
  int len_bytes = snprintf(path, sizeof path, "%s/cay-overlay-XXXXXX", parent);
  errno = ENAMETOOLONG;
  if (len_bytes >= (int)sizeof path || !mkdtemp(path)) return false;
  out->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  out->alive = out->fd < 0 ? -1 : start_removal(out->fd, path);
  if (out->alive >= 0) return true;
  int failure = errno;
  if (out->fd >= 0) close(out->fd);
  rmdir(path);
  *out = HOST_SCRATCH_NONE;
  errno = failure;
  return false;
}

enum cay_status host_scratch_in_memory(struct host_scratch *out, struct cay_error *error) {
  const char *run = getenv("XDG_RUNTIME_DIR");
  *out = (struct host_scratch){.fd = host_os_memory_folder(), .alive = -1};
  if (out->fd >= 0 || host_scratch_make("/dev/shm", out)) return CAY_OK;
  int failure = errno;
  if (run && *run == '/' && host_scratch_make(run, out)) return CAY_OK;
  return base_error_system(
      error, failure,
      "an overlay in memory needs a folder in /dev/shm, which cannot be made; or name a folder that "
      "keeps the changes: overlay=FOLDER");
}

enum cay_status host_scratch_open(const char *path, struct host_scratch *out, struct cay_error *error) {
  if (mkdir(path, 0777) != 0 && errno != EEXIST)
    return base_error_system(error, errno, "cannot make the overlay's folder %s", path);
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return base_error_system(error, errno, "cannot open the overlay's folder %s", path);
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
    *out = (struct host_scratch){.fd = fd, .alive = -1};
    return CAY_OK;
  }
  int failure = errno;
  close(fd);
  return failure == EWOULDBLOCK
             ? base_error_set(error, CAY_ERROR_SYSTEM, "the overlay's folder %s is used by another run", path)
             : base_error_system(error, failure, "cannot lock the overlay's folder %s", path);
}

void host_scratch_close(struct host_scratch *scratch) {
  if (scratch->fd >= 0) close(scratch->fd);
  if (scratch->alive >= 0) close(scratch->alive);
  *scratch = HOST_SCRATCH_NONE;
}
