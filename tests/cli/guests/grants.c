/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What grants other than ro and rw do: fill PATH BYTES (in pieces of 100; says how many were written and why no more),
 * append PATH TEXT, list PATH, remove PATH, rename OLD NEW, folder PATH, link OLD NEW, new PATH COUNT (as many files with
 * numbers behind that name, twice), clock, random. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  return 1;
}

static int fill(const char *path, long bytes) {
  static char piece[100];
  long done = 0;
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (fd < 0) return failed(path);
  while (done < bytes) {
    ssize_t wrote = write(fd, piece, sizeof piece);
    if (wrote <= 0) break;
    done += wrote;
  }
  printf("%ld bytes%s%s\n", done, done < bytes ? ": " : "", done < bytes ? strerror(errno) : "");
  return 0;
}

static int append(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (fd < 0 || write(fd, text, strlen(text)) < 0 || write(fd, "\n", 1) < 0) return failed(path);
  return close(fd);
}

static int compare(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static int list(const char *path) {
  struct dirent **names;
  int count = scandir(path, &names, NULL, compare);
  if (count < 0) return failed(path);
  for (int i = 0; i < count; i++)
    if (names[i]->d_name[0] != '.' || names[i]->d_name[1] > '.') printf("%s\n", names[i]->d_name);
  return 0;
}

static int clocks(void) {
  struct timespec now, then;
  clock_gettime(CLOCK_REALTIME, &now);
  clock_gettime(CLOCK_MONOTONIC, &then);
  printf("%lld.%09ld %lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec, (long long)then.tv_sec, then.tv_nsec);
  return 0;
}

static int random_bytes(void) {
  unsigned char bytes[8];
  if (getentropy(bytes, sizeof bytes) != 0) return failed("random");
  for (size_t i = 0; i < sizeof bytes; i++) printf("%02x", bytes[i]);
  printf("\n");
  return 0;
}

/* Fails when one of them cannot be made. */
static int make_many(const char *path, int count) {
  int failures = 0;
  for (int i = 0; i < 2 * count; i++) {
    char name[128];
    snprintf(name, sizeof name, "%s%d", path, i % count);
    failures += open(name, O_WRONLY | O_CREAT, 0666) < 0;
  }
  return failures > 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "clock") == 0) return clocks();
  if (strcmp(what, "random") == 0) return random_bytes();
  if (argc < 3) return 2;
  if (strcmp(what, "list") == 0) return list(argv[2]);
  if (strcmp(what, "remove") == 0) return remove(argv[2]) ? failed(argv[2]) : 0;
  if (strcmp(what, "folder") == 0) return mkdir(argv[2], 0777) ? failed(argv[2]) : 0;
  if (argc < 4) return 2;
  if (strcmp(what, "fill") == 0) return fill(argv[2], atol(argv[3]));
  if (strcmp(what, "new") == 0) return make_many(argv[2], atoi(argv[3]));
  if (strcmp(what, "append") == 0) return append(argv[2], argv[3]);
  if (strcmp(what, "rename") == 0) return rename(argv[2], argv[3]) ? failed(argv[2]) : 0;
  if (strcmp(what, "link") == 0) return link(argv[2], argv[3]) ? failed(argv[2]) : 0;
  return 2;
}
