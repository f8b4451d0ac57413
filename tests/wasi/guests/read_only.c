/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Grants for reading. The first directory, /ro, is granted for reading only and holds file, link (to file) and dir/x; the
 * second, /rw, for everything, and holds mine; the third, /single, holds two granted files: one for reading (only), one
 * for everything (both). */
#include "check.h"

enum { RO = 3, RW = 4, SINGLE = 5 };
static uint32_t fd, done;
static unsigned char bytes[512];
static struct raw_stat before, after;

#define DENIED(call) check_result((call), E(ROFS), E(NOTCAPABLE), E(PERM), __LINE__, #call, "ROFS or NOTCAPABLE")

static int32_t opened(uint32_t dir, const char *path, uint32_t oflags, uint64_t rights) {
  int32_t error = open_at(dir, path, 0, oflags, rights, 0, &fd);
  if (error == 0) raw_fd_close(fd);
  return error;
}

static void reading(void) {
  __wasi_iovec_t vector = {bytes, 8};
  OK(open_at(RO, "file", 0, 0, READING_RIGHTS, 0, &fd));
  OK(raw_fd_read(fd, &vector, 1, &done));
  TRUE(done == 4 && memcmp(bytes, "file", 4) == 0);
  IS_OR(raw_fd_write(fd, &vector, 1, &done), NOTCAPABLE, BADF);
  TRUE(raw_fd_filestat_set_size(fd, 0) != 0);
  TRUE(raw_fd_allocate(fd, 0, 100) != 0);
  DENIED(raw_fd_filestat_set_times(fd, 0, 0, 5));
  OK(raw_fd_close(fd));
  OK(opened(RO, "dir/x", 0, READ));
  OK(raw_path_filestat_get(RO, 0, P("file"), bytes));
  OK(raw_path_readlink(RO, P("link"), bytes, sizeof bytes, &done));
  OK(raw_fd_readdir(RO, bytes, sizeof bytes, 0, &done));
  TRUE(done > 24);
}

static void changing(uint32_t dir, const char *existing) {
  DENIED(opened(dir, existing, 0, READ | WRITE));
  DENIED(opened(dir, existing, 0, WRITE));
  DENIED(opened(dir, existing, TRUNC, READ));
  DENIED(opened(dir, "new", CREAT, READ));
  DENIED(opened(dir, "new", CREAT | EXCL, WRITE));
  DENIED(raw_path_create_directory(dir, P("new")));
  DENIED(raw_path_unlink_file(dir, P(existing)));
  DENIED(raw_path_remove_directory(dir, P("dir")));
  DENIED(raw_path_symlink(P("file"), dir, P("new")));
  DENIED(raw_path_link(dir, 0, P(existing), dir, P("new")));
  DENIED(raw_path_rename(dir, P(existing), dir, P("new")));
  DENIED(raw_path_filestat_set_times(dir, 0, P(existing), 0, 0, 5));
  DENIED(raw_path_rename(dir, P(existing), RW, P("stolen")));
  DENIED(raw_path_rename(RW, P("mine"), dir, P("new")));
  DENIED(raw_path_link(RW, 0, P("mine"), dir, P("new")));
  /* A name in a directory with more rights would give them to the file. */
  DENIED(raw_path_link(dir, 0, P(existing), RW, P("stolen")));
}

/* Rights are not regained by opening the directory again, nor a directory below. */
static void below(void) {
  uint32_t dir;
  OK(open_at(RO, ".", 0, DIRECTORY, DIRECTORY_RIGHTS, 0, &dir));
  DENIED(opened(dir, "file", 0, READ | WRITE));
  DENIED(raw_path_create_directory(dir, P("new")));
  DENIED(raw_fd_filestat_set_times(dir, 0, 0, 5));
  OK(raw_fd_close(dir));
  OK(open_at(RO, "dir", 0, DIRECTORY, DIRECTORY_RIGHTS, 0, &dir));
  DENIED(raw_path_unlink_file(dir, P("x")));
  DENIED(opened(dir, "x", 0, WRITE));
  OK(opened(dir, "x", 0, READ));
  OK(raw_fd_close(dir));
}

/* Two files, and nothing else of the folder they lie in. */
static void single_files(void) {
  OK(opened(SINGLE, "only", 0, READ));
  DENIED(opened(SINGLE, "only", 0, READ | WRITE));
  OK(opened(SINGLE, "both", 0, READ | WRITE));
  TRUE(opened(SINGLE, "third", 0, READ) != 0);
  TRUE(opened(SINGLE, "new", CREAT, WRITE) != 0);
  TRUE(opened(SINGLE, "../rw/mine", 0, READ) != 0);
  TRUE(opened(SINGLE, "only/../third", 0, READ) != 0);
  TRUE(raw_path_unlink_file(SINGLE, P("both")) != 0);
  TRUE(raw_path_rename(SINGLE, P("both"), SINGLE, P("only")) != 0);
  TRUE(raw_path_rename(SINGLE, P("both"), RW, P("stolen")) != 0);
  TRUE(raw_path_symlink(P("third"), SINGLE, P("new")) != 0);
  TRUE(raw_path_create_directory(SINGLE, P("new")) != 0);
  OK(raw_path_filestat_get(SINGLE, 0, P("only"), bytes));
  EQUAL(bytes[16], __WASI_FILETYPE_REGULAR_FILE);
  unsigned entries = 0;
  OK(raw_fd_readdir(SINGLE, bytes, sizeof bytes, 0, &done));
  for (uint32_t at = 0; at + 24 <= done; at += 24 + (uint32_t)raw_load(bytes + at + 16, 4)) entries++;
  TRUE(entries == 2 || entries == 4);
}

int main(void) {
  OK(raw_path_filestat_get(RO, 0, P("file"), bytes));
  before = raw_stat_of(bytes);
  reading();
  changing(RO, "file");
  below();
  single_files();
  OK(raw_path_filestat_get(RO, 0, P("file"), bytes));
  after = raw_stat_of(bytes);
  TRUE(after.mtim == before.mtim && after.ctim == before.ctim && after.links == 1 && after.size == 4);
  return check_end();
}
