/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* copytree FROM TO: copies a directory with everything in it: files with their times, directories, symbolic links. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned long files, directories, links;

static void fail(const char *path) {
  perror(path);
  exit(1);
}

static void copy_bytes(int from, int to, const char *path) {
  static char buffer[1 << 16];
  ssize_t got;
  while ((got = read(from, buffer, sizeof buffer)) > 0)
    for (ssize_t done = 0, part; done < got; done += part)
      if ((part = write(to, buffer + done, (size_t)(got - done))) < 0) fail(path);
  if (got < 0) fail(path);
}

static void copy_file(const char *from_path, const char *to_path, const struct stat *about) {
  int from = open(from_path, O_RDONLY), to = open(to_path, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (from < 0) fail(from_path);
  if (to < 0) fail(to_path);
  copy_bytes(from, to, from_path);
  struct timespec times[2] = {about->st_atim, about->st_mtim};
  if (futimens(to, times) != 0) fail(to_path);
  close(from);
  if (close(to) != 0) fail(to_path);
  files++;
}

static void copy_link(const char *from_path, const char *to_path) {
  char target[4096];
  ssize_t length = readlink(from_path, target, sizeof target - 1);
  if (length < 0) fail(from_path);
  target[length] = '\0';
  if (symlink(target, to_path) != 0) fail(to_path);
  links++;
}

static void copy_directory(const char *from_path, const char *to_path);

static void copy(const char *from_path, const char *to_path) {
  struct stat about;
  if (lstat(from_path, &about) != 0) fail(from_path);
  if (S_ISDIR(about.st_mode))
    copy_directory(from_path, to_path);
  else if (S_ISLNK(about.st_mode))
    copy_link(from_path, to_path);
  else
    copy_file(from_path, to_path, &about);
}

static void copy_directory(const char *from_path, const char *to_path) {
  if (mkdir(to_path, 0777) != 0 && errno != EEXIST) fail(to_path);
  DIR *directory = opendir(from_path);
  if (!directory) fail(from_path);
  struct dirent *entry;
  char from[4096], to[4096];
  while ((entry = readdir(directory))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    snprintf(from, sizeof from, "%s/%s", from_path, entry->d_name);
    snprintf(to, sizeof to, "%s/%s", to_path, entry->d_name);
    copy(from, to);
  }
  closedir(directory);
  directories++;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: copytree FROM TO\n");
    return 2;
  }
  copy(argv[1], argv[2]);
  printf("%lu files, %lu directories, %lu links\n", files, directories, links);
  return 0;
}
