/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* OPERATION PATH [PATH]: one use of the file system through the C library, as programs do it. Exit code 0: it worked. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int opened(const char *path, int flags) {
  int fd = open(path, flags, 0666);
  char byte = 'A';
  if (fd < 0) return -1;
  if ((flags & (O_WRONLY | O_RDWR)) == O_RDONLY) return read(fd, &byte, 1) == 1 ? close(fd) : -1;
  return write(fd, &byte, 1) == 1 ? close(fd) : -1;
}

static int listed(const char *path) {
  DIR *folder = opendir(path);
  if (!folder) return -1;
  errno = 0;
  while (readdir(folder)) continue;
  return errno ? -1 : closedir(folder);
}

static int linked(const char *path) {
  char text[256];
  return readlink(path, text, sizeof text) > 0 ? 0 : -1;
}

static int run(const char *operation, const char *path, const char *other) {
  struct stat about;
  static const struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 5}};
  if (strcmp(operation, "read") == 0) return opened(path, O_RDONLY);
  if (strcmp(operation, "write") == 0) return opened(path, O_WRONLY);
  if (strcmp(operation, "both") == 0) return opened(path, O_RDWR);
  if (strcmp(operation, "append") == 0) return opened(path, O_WRONLY | O_APPEND | O_CREAT);
  if (strcmp(operation, "truncate") == 0) return opened(path, O_WRONLY | O_TRUNC);
  if (strcmp(operation, "create") == 0) return opened(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (strcmp(operation, "create-new") == 0) return opened(path, O_WRONLY | O_CREAT | O_EXCL);
  if (strcmp(operation, "stat") == 0) return stat(path, &about);
  if (strcmp(operation, "list") == 0) return listed(path);
  if (strcmp(operation, "readlink") == 0) return linked(path);
  if (strcmp(operation, "times") == 0) return utimensat(AT_FDCWD, path, times, 0);
  if (strcmp(operation, "mkdir") == 0) return mkdir(path, 0777);
  if (strcmp(operation, "rmdir") == 0) return rmdir(path);
  if (strcmp(operation, "unlink") == 0) return unlink(path);
  if (strcmp(operation, "symlink") == 0) return symlink("file", path);
  if (strcmp(operation, "rename") == 0) return rename(path, other);
  if (strcmp(operation, "link") == 0) return link(path, other);
  if (strcmp(operation, "env") == 0) return getenv("AUDIT_PROBE_NAME") ? 0 : -1;
  return -1;
}

int main(int argc, char **argv) {
  if (argc < 3 || run(argv[1], argv[2], argc > 3 ? argv[3] : "") != 0) {
    fprintf(stderr, "%s: %s\n", argc > 2 ? argv[2] : "", strerror(errno));
    return 1;
  }
  return 0;
}
