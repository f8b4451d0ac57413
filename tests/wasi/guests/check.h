/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Checks for the guests: they go on after a failure, print only failures, and count. */
#ifndef GUESTS_CHECK_H
#define GUESTS_CHECK_H

#include "raw.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned check_count, check_failures;

static inline bool check_true(bool good, int line, const char *text) {
  check_count++;
  if (good) return true;
  check_failures++;
  printf("line %d: not true: %s\n", line, text);
  return false;
}
#define TRUE(condition) check_true((condition), __LINE__, #condition)

static inline bool check_equal(uint64_t got, uint64_t wanted, int line, const char *text) {
  check_count++;
  if (got == wanted) return true;
  check_failures++;
  printf("line %d: %s is %llu, expected %llu\n", line, text, (unsigned long long)got, (unsigned long long)wanted);
  return false;
}
#define EQUAL(got, wanted) check_equal((uint64_t)(got), (uint64_t)(wanted), __LINE__, #got)

/* The call's result is one of up to three error numbers; the first is ours, the others are as good. */
static inline bool check_result(int32_t got, int32_t a, int32_t b, int32_t c, int line, const char *text,
                                const char *names) {
  check_count++;
  if (got == a || got == b || got == c) return true;
  check_failures++;
  printf("line %d: %s gave %d, expected %s (%d)\n", line, text, (int)got, names, (int)a);
  return false;
}
#define E(name) __WASI_ERRNO_##name
#define IS(call, name) check_result((call), E(name), E(name), E(name), __LINE__, #call, #name)
#define IS_OR(call, name, other) check_result((call), E(name), E(other), E(other), __LINE__, #call, #name " or " #other)
#define OK(call) IS(call, SUCCESS)

/* For loops over cases: says which one failed. */
#define IN_CASE(good, ...)     \
  do {                         \
    if (!(good)) {             \
      printf("    in case: "); \
      printf(__VA_ARGS__);     \
      printf("\n");            \
    }                          \
  } while (0)

static inline int check_end(void) {
  printf("%u checks, %u failed\n", check_count, check_failures);
  return check_failures ? 1 : 0;
}

/* ---- Short ways to do what most tests need ---------------------------------------------------------------------- */

enum {
  ROOT = 3, /* the first preopened directory */
  CREAT = __WASI_OFLAGS_CREAT,
  DIRECTORY = __WASI_OFLAGS_DIRECTORY,
  EXCL = __WASI_OFLAGS_EXCL,
  TRUNC = __WASI_OFLAGS_TRUNC,
  FOLLOW = __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW,
  NO_FD = 99,
};
#define READ __WASI_RIGHTS_FD_READ
#define WRITE __WASI_RIGHTS_FD_WRITE
#define FILE_RIGHTS                                                                                                   \
  (READ | WRITE | __WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL | __WASI_RIGHTS_FD_SYNC | __WASI_RIGHTS_FD_DATASYNC | \
   __WASI_RIGHTS_FD_ADVISE | __WASI_RIGHTS_FD_ALLOCATE | __WASI_RIGHTS_FD_FDSTAT_SET_FLAGS |                          \
   __WASI_RIGHTS_FD_FILESTAT_GET | __WASI_RIGHTS_FD_FILESTAT_SET_SIZE | __WASI_RIGHTS_FD_FILESTAT_SET_TIMES |         \
   __WASI_RIGHTS_POLL_FD_READWRITE)
#define READING_RIGHTS (FILE_RIGHTS & ~(WRITE | __WASI_RIGHTS_FD_ALLOCATE | __WASI_RIGHTS_FD_FILESTAT_SET_SIZE))
#define ALL_RIGHTS ((UINT64_C(1) << 30) - 1)
#define DIRECTORY_RIGHTS                                                                                     \
  (ALL_RIGHTS &                                                                                              \
   ~(FILE_RIGHTS & ~(__WASI_RIGHTS_FD_SYNC | __WASI_RIGHTS_FD_DATASYNC | __WASI_RIGHTS_FD_FDSTAT_SET_FLAGS | \
                     __WASI_RIGHTS_FD_FILESTAT_GET | __WASI_RIGHTS_FD_FILESTAT_SET_TIMES)) &                 \
   ~(__WASI_RIGHTS_SOCK_SHUTDOWN | __WASI_RIGHTS_SOCK_ACCEPT))

static inline int32_t open_at(uint32_t dir, const char *path, uint32_t lookup, uint32_t oflags, uint64_t rights,
                              uint32_t fdflags, uint32_t *fd) {
  return raw_path_open(dir, lookup, P(path), oflags, rights, ALL_RIGHTS, fdflags, fd);
}

/* Opens or ends the test. */
static inline uint32_t must_open(const char *path, uint32_t oflags, uint64_t rights) {
  uint32_t fd = 0;
  int32_t error = open_at(ROOT, path, 0, oflags, rights, 0, &fd);
  if (error == 0) return fd;
  printf("opening %s gave %d\n", path, (int)error);
  check_failures++;
  exit(check_end());
}

static inline void make_file(const char *path, const char *contents) {
  uint32_t fd = must_open(path, CREAT | TRUNC, FILE_RIGHTS), done;
  __wasi_ciovec_t vector = {(const uint8_t *)contents, strlen(contents)};
  OK(raw_fd_write(fd, &vector, 1, &done));
  EQUAL(done, strlen(contents));
  OK(raw_fd_close(fd));
}

static inline int32_t stat_at(const char *path, uint32_t lookup, struct raw_stat *out) {
  unsigned char bytes[RAW_FILESTAT_BYTES];
  int32_t error = raw_path_filestat_get(ROOT, lookup, P(path), bytes);
  if (error == 0) *out = raw_stat_of(bytes);
  return error;
}

static inline bool exists(const char *path) {
  struct raw_stat stat;
  return stat_at(path, 0, &stat) == 0;
}

/* The file's contents are `wanted`. */
static inline bool holds(const char *path, const char *wanted) {
  char bytes[512];
  __wasi_iovec_t vector = {(uint8_t *)bytes, sizeof bytes};
  uint32_t fd = 0, done = 0;
  if (open_at(ROOT, path, FOLLOW, 0, READ, 0, &fd) != 0) return false;
  int32_t error = raw_fd_read(fd, &vector, 1, &done);
  raw_fd_close(fd);
  return error == 0 && done == strlen(wanted) && memcmp(bytes, wanted, done) == 0;
}

#endif
