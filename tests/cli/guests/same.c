/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Prints what usually differs from run to run and from host to host: clocks, sleeping, random bytes, the order of names,
 * inodes, times, the bits of NaNs, what standard streams are. An argument: a folder to look at. */
#include <dirent.h>
#include <math.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void show_clock(const char *name, clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  printf("%s %lld.%09ld\n", name, (long long)now.tv_sec, now.tv_nsec);
}

static void show_folder(const char *path) {
  DIR *directory = opendir(path);
  if (!directory) return;
  for (struct dirent *entry; (entry = readdir(directory));) {
    char name[512];
    struct stat status;
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    if (strcmp(entry->d_name, "..") == 0 || lstat(name, &status)) continue;
    printf("%s: inode %llu, %llu, device %llu, links %llu, size %lld, changed %lld\n", entry->d_name,
           (unsigned long long)entry->d_ino, (unsigned long long)status.st_ino, (unsigned long long)status.st_dev,
           (unsigned long long)status.st_nlink, (long long)status.st_size, (long long)status.st_mtim.tv_sec);
  }
  closedir(directory);
}

/* What is removed gives its inode back to the host, not to the guest's next file. */
static void replace(const char *path) {
  struct stat before, after;
  char name[512];
  snprintf(name, sizeof name, "%s/made", path);
  for (int i = 0; i < 2; i++) {
    FILE *file = fopen(name, "w");
    if (!file || fclose(file) || stat(name, i ? &after : &before) || remove(name)) return;
  }
  printf("replaced: inode %llu, %llu\n", (unsigned long long)before.st_ino, (unsigned long long)after.st_ino);
}

static void show_nans(void) {
  volatile double zero = 0, one = -1;
  double values[] = {zero / zero, -(zero / zero), sqrt(one), zero * INFINITY};
  for (int i = 0; i < 4; i++) {
    uint64_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    printf("%s%016llx", i ? " " : "nan ", (unsigned long long)bits);
  }
  printf("\n");
}

int main(int argc, char **argv) {
  unsigned char bytes[8];
  char text[64];
  show_clock("real", CLOCK_REALTIME);
  show_clock("monotonic", CLOCK_MONOTONIC);
  nanosleep(&(struct timespec){.tv_sec = 3600}, NULL);
  show_clock("an hour later", CLOCK_MONOTONIC);
  struct pollfd input = {.fd = 0, .events = POLLIN};
  printf("poll %d\n", poll(&input, 1, 1000));
  show_clock("at once", CLOCK_MONOTONIC);
  getentropy(bytes, sizeof bytes);
  printf("random");
  for (unsigned i = 0; i < sizeof bytes; i++) printf(" %02x", bytes[i]);
  printf("\n");
  show_nans();
  struct stat status;
  fstat(0, &status);
  printf("input: terminal %d, size %lld, read %zd\n", isatty(0), (long long)status.st_size, read(0, text, sizeof text));
  if (argc > 1) show_folder(argv[1]);
  if (argc > 1) replace(argv[1]);
  return 0;
}
