/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A scratch directory and short forms for host objects, for the tests of this room. */
#ifndef TESTS_UNIT_HOST_SCRATCH_H
#define TESTS_UNIT_HOST_SCRATCH_H

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/host.h"
#include "test.h"

static char scratch[64];

static int scratch_remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
  (void)status, (void)type, (void)walk;
  return remove(path);
}
static inline void scratch_remove(void) { nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* Makes the directory and goes there; it is removed at exit. */
static inline void scratch_enter(void) {
  strcpy(scratch, "/tmp/cay-host-XXXXXX");
  if (!mkdtemp(scratch) || chdir(scratch) != 0) abort();
  atexit(scratch_remove);
}

static inline void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  if (!file || fputs(text, file) < 0 || fclose(file) != 0) abort();
}

static inline const char *read_file(const char *path) {
  static char text[4096];
  FILE *file = fopen(path, "r");
  if (!file) return NULL;
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  return text;
}

static inline struct host_path path_of(const char *text) { return (struct host_path){text, strlen(text)}; }

/* A buffer whose owner is plain memory. */
static inline void *resolve_plain(void *owner, uint64_t offset, uint64_t len_bytes) {
  (void)len_bytes;
  return (char *)owner + offset;
}
static inline struct host_buffer plain(void *bytes, size_t len_bytes) {
  return (struct host_buffer){bytes, resolve_plain, 0, len_bytes};
}

static inline int open_with(struct host_object *directory, const char *path, uint32_t flags, uint32_t access,
                            struct host_object **out) {
  struct host_open how = {.open_flags = flags, .access = access};
  *out = NULL;
  return host_open_at(directory, path_of(path), &how, out);
}

/* The first bytes of a file beneath the directory, or the error's name. */
static inline const char *contents(struct host_object *directory, const char *path) {
  static char text[256];
  struct host_object *file;
  int result = open_with(directory, path, HOST_OPEN_FOLLOW, HOST_RIGHT_READ, &file);
  if (result) return host_error_name((enum host_error) - result);
  struct host_buffer buffer = plain(text, sizeof text - 1);
  size_t got = 0;
  result = host_read(file, &buffer, 1, &got);
  host_object_release(file);
  text[got] = 0;
  return result ? host_error_name((enum host_error) - result) : text;
}

static inline struct host_object *grant(const char *path, uint32_t rights, enum host_resolver resolver) {
  struct host_object *directory = NULL;
  struct cay_error error;
  if (host_grant_directory(path, rights, &directory, &error)) {
    fprintf(stderr, "%s\n", error.text);
    abort();
  }
  host_directory_set_resolver(directory, resolver);
  return directory;
}

#endif
