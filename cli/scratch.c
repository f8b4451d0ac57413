/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private folders in memory, for overlays of those who may not make a file system of their own.
 *
 * A folder where the system keeps files in memory, with a process beside us whose only task is to remove it: it waits for
 * the end of a pipe, which comes however we end. Rejected: removing it ourselves, which a kill prevents and the second wall
 * forbids. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

/* ---- Removing ------------------------------------------------------------------------------------------------------------ */

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

static bool remove_name(int directory, const char *name) {
  return unlinkat(directory, name, 0) == 0 || unlinkat(directory, name, AT_REMOVEDIR) == 0;
}

static DIR *open_names(int directory, const char *name) {
  int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *names = fd < 0 ? NULL : fdopendir(fd);
  if (!names && fd >= 0) close(fd);
  return names;
}

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

/* Lifts the folders of a folder out of it. */
static void empty(struct removal *removal, const char *name) {
  DIR *names = open_names(removal->folder, name);
  if (!names) return;
  for (const struct dirent *entry; (entry = readdir(names));)
    if (!is_dots(entry->d_name) && !remove_name(dirfd(names), entry->d_name))
      lift(removal, dirfd(names), entry->d_name);
  closedir(names);
}

/* Once over all names; what was lifted is found the next time. */
static void remove_names(struct removal *removal) {
  DIR *names = open_names(removal->folder, ".");
  if (!names) return;
  for (const struct dirent *entry; (entry = readdir(names));) {
    if (is_dots(entry->d_name)) continue;
    if (!remove_name(removal->folder, entry->d_name)) empty(removal, entry->d_name);
    removal->progress |= remove_name(removal->folder, entry->d_name) || errno == ENOENT;
  }
  closedir(names);
}

static void remove_tree(const char *path) {
  struct removal removal = {.folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (removal.folder < 0) return;
  do {
    removal.progress = false;
    remove_names(&removal);
  } while (rmdir(path) != 0 && removal.progress);
}

/* ---- The process that does it ------------------------------------------------------------------------------------------- */

static void ignore_signals(void) {
  for (int number = 1; number < NSIG; number++)
    if (number != SIGKILL && number != SIGSTOP) signal(number, SIG_IGN);
}

/* It keeps nothing of the command's but its end of the pipe. */
static _Noreturn void wait_and_remove(int end, const char *path) {
  char byte;
  setsid();
  if (chdir("/") != 0) _exit(1);
  ignore_signals();
  base_os_close_from(0, end);
  while (read(end, &byte, 1) < 0 && errno == EINTR);
  remove_tree(path);
  _exit(0);
}

/* It is nobody's child, so that nobody has to wait for it. The other end of the pipe stays open until this process ends. */
static bool start_removal(const char *path) {
  int ends[2], status = 1;
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  pid_t child = fork();
  if (child == 0) {
    pid_t grandchild = fork();
    if (grandchild != 0) _exit(grandchild < 0);
    wait_and_remove(ends[0], path);
  }
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR);
  close(ends[0]);
  if (child > 0 && status == 0) return true;
  close(ends[1]);
  return false;
}

static bool make_in(const char *parent, char *path, size_t capacity) {
  if ((size_t)snprintf(path, capacity, "%s/cay-overlay-XXXXXX", parent) >= capacity || !mkdtemp(path)) return false;
  bool is_kept = start_removal(path);
  if (!is_kept) rmdir(path);
  return is_kept;
}

bool cli_scratch_make(char *path, size_t capacity) {
  const char *own = getenv("XDG_RUNTIME_DIR");
  return make_in("/dev/shm", path, capacity) || (own && *own == '/' && make_in(own, path, capacity));
}
