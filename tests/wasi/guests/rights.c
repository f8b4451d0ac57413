/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Rights that a guest gives up are gone: for the handle, and for what is opened from a directory. */
#include "check.h"

static unsigned char bytes[256];
static uint32_t done;
static uint64_t at;
static uint32_t fd;
static __wasi_iovec_t vector = {bytes, 1};

static int32_t do_datasync(void) { return raw_fd_datasync(fd); }
static int32_t do_read(void) { return raw_fd_read(fd, &vector, 1, &done); }
static int32_t do_pread(void) { return raw_fd_pread(fd, &vector, 1, 0, &done); }
static int32_t do_seek(void) { return raw_fd_seek(fd, 1, RAW_SET, &at); }
static int32_t do_set_flags(void) { return raw_fd_fdstat_set_flags(fd, 0); }
static int32_t do_sync(void) { return raw_fd_sync(fd); }
static int32_t do_tell(void) { return raw_fd_tell(fd, &at); }
static int32_t do_write(void) { return raw_fd_write(fd, &vector, 1, &done); }
static int32_t do_pwrite(void) { return raw_fd_pwrite(fd, &vector, 1, 0, &done); }
static int32_t do_advise(void) { return raw_fd_advise(fd, 0, 1, 0); }
static int32_t do_allocate(void) { return raw_fd_allocate(fd, 0, 1); }
static int32_t do_stat(void) { return raw_fd_filestat_get(fd, bytes); }
static int32_t do_set_size(void) { return raw_fd_filestat_set_size(fd, 5); }
static int32_t do_set_times(void) { return raw_fd_filestat_set_times(fd, 0, 0, 0); }
static int32_t do_create_directory(void) { return raw_path_create_directory(fd, P("new")); }
static int32_t do_create_file(void) { return raw_path_open(fd, 0, P("new"), CREAT, READ, 0, 0, &done); }
static int32_t do_link_source(void) { return raw_path_link(fd, 0, P("file"), ROOT, P("linked")); }
static int32_t do_link_target(void) { return raw_path_link(ROOT, 0, P("file"), fd, P("linked")); }
static int32_t do_open(void) { return raw_path_open(fd, 0, P("file"), 0, READ, 0, 0, &done); }
static int32_t do_readdir(void) { return raw_fd_readdir(fd, bytes, sizeof bytes, 0, &done); }
static int32_t do_readlink(void) { return raw_path_readlink(fd, P("link"), bytes, sizeof bytes, &done); }
static int32_t do_rename_source(void) { return raw_path_rename(fd, P("file"), ROOT, P("file")); }
static int32_t do_rename_target(void) { return raw_path_rename(ROOT, P("file"), fd, P("file")); }
static int32_t do_path_stat(void) { return raw_path_filestat_get(fd, 0, P("file"), bytes); }
static int32_t do_truncate(void) { return raw_path_open(fd, 0, P("file"), TRUNC, WRITE, 0, 0, &done); }
static int32_t do_path_times(void) { return raw_path_filestat_set_times(fd, 0, P("file"), 0, 0, 0); }
static int32_t do_symlink(void) { return raw_path_symlink(P("file"), fd, P("new")); }
static int32_t do_remove(void) { return raw_path_remove_directory(fd, P("dir")); }
static int32_t do_unlink(void) { return raw_path_unlink_file(fd, P("unlinked")); }

struct row {
  uint64_t right;
  int32_t (*call)(void);
  const char *name;
};
#define ROW(right, call) {__WASI_RIGHTS_##right, call, #call}
static const struct row of_files[] = {ROW(FD_DATASYNC, do_datasync),
                                      ROW(FD_READ, do_read),
                                      ROW(FD_READ, do_pread),
                                      ROW(FD_SEEK, do_seek),
                                      ROW(FD_FDSTAT_SET_FLAGS, do_set_flags),
                                      ROW(FD_SYNC, do_sync),
                                      ROW(FD_WRITE, do_write),
                                      ROW(FD_WRITE, do_pwrite),
                                      ROW(FD_ADVISE, do_advise),
                                      ROW(FD_ALLOCATE, do_allocate),
                                      ROW(FD_FILESTAT_GET, do_stat),
                                      ROW(FD_FILESTAT_SET_SIZE, do_set_size),
                                      ROW(FD_FILESTAT_SET_TIMES, do_set_times)};
static const struct row of_directories[] = {ROW(FD_SYNC, do_sync),
                                            ROW(FD_FILESTAT_GET, do_stat),
                                            ROW(FD_FILESTAT_SET_TIMES, do_set_times),
                                            ROW(PATH_CREATE_DIRECTORY, do_create_directory),
                                            ROW(PATH_CREATE_FILE, do_create_file),
                                            ROW(PATH_LINK_SOURCE, do_link_source),
                                            ROW(PATH_LINK_TARGET, do_link_target),
                                            ROW(PATH_OPEN, do_open),
                                            ROW(FD_READDIR, do_readdir),
                                            ROW(PATH_READLINK, do_readlink),
                                            ROW(PATH_RENAME_SOURCE, do_rename_source),
                                            ROW(PATH_RENAME_TARGET, do_rename_target),
                                            ROW(PATH_FILESTAT_GET, do_path_stat),
                                            ROW(PATH_FILESTAT_SET_SIZE, do_truncate),
                                            ROW(PATH_FILESTAT_SET_TIMES, do_path_times),
                                            ROW(PATH_SYMLINK, do_symlink),
                                            ROW(PATH_REMOVE_DIRECTORY, do_remove),
                                            ROW(PATH_UNLINK_FILE, do_unlink)};

/* Without the right the call is refused, with all others there. */
static void matrix(const struct row *rows, size_t count, const char *path, uint64_t all) {
  for (size_t i = 0; i < count; i++) {
    __wasi_fdstat_t stat = {0};
    fd = must_open(path, 0, all);
    OK(raw_fd_fdstat_get(fd, &stat));
    IN_CASE(TRUE(stat.fs_rights_base & rows[i].right), "%s", rows[i].name);
    /* Telling the position is part of seeking. */
    uint64_t without = stat.fs_rights_base & ~rows[i].right;
    IN_CASE(OK(raw_fd_fdstat_set_rights(fd, without, stat.fs_rights_inheriting)), "%s", rows[i].name);
    IN_CASE(IS(rows[i].call(), NOTCAPABLE), "%s", rows[i].name);
    OK(raw_fd_fdstat_get(fd, &stat));
    EQUAL(stat.fs_rights_base, without);
    IS(raw_fd_fdstat_set_rights(fd, without | rows[i].right, stat.fs_rights_inheriting), NOTCAPABLE);
    OK(raw_fd_close(fd));
  }
}

static void seek_and_tell(void) {
  fd = must_open("file", 0, FILE_RIGHTS & ~(__WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL));
  IS(do_tell(), NOTCAPABLE);
  IS(do_seek(), NOTCAPABLE);
  OK(do_read());
  OK(raw_fd_close(fd));
}

static void inheriting(void) {
  __wasi_fdstat_t stat = {0};
  uint32_t dir = must_open(".", DIRECTORY, DIRECTORY_RIGHTS), file = 0;
  OK(raw_fd_fdstat_get(dir, &stat));
  OK(raw_fd_fdstat_set_rights(dir, stat.fs_rights_base, stat.fs_rights_inheriting & ~WRITE));
  IS(raw_path_open(dir, 0, P("file"), 0, READ | WRITE, 0, 0, &file), NOTCAPABLE);
  OK(raw_path_open(dir, 0, P("file"), 0, READ, 0, 0, &file));
  OK(raw_fd_fdstat_get(file, &stat));
  TRUE(!(stat.fs_rights_base & WRITE));
  IS(raw_fd_fdstat_set_rights(file, stat.fs_rights_base | WRITE, 0), NOTCAPABLE);
  OK(raw_fd_close(file));
  OK(raw_fd_fdstat_get(dir, &stat));
  OK(raw_fd_fdstat_set_rights(dir, stat.fs_rights_base, 0));
  IS(raw_path_open(dir, 0, P("file"), 0, READ, 0, 0, &file), NOTCAPABLE);
  IS(raw_fd_fdstat_set_rights(dir, stat.fs_rights_base, READ), NOTCAPABLE);
  IS(raw_fd_fdstat_set_rights(dir, UINT64_MAX, 0), NOTCAPABLE);
  OK(raw_fd_close(dir));
}

int main(void) {
  make_file("file", "0123456789");
  make_file("unlinked", "");
  OK(raw_path_create_directory(ROOT, P("dir")));
  OK(raw_path_symlink(P("file"), ROOT, P("link")));
  matrix(of_files, sizeof of_files / sizeof *of_files, "file", FILE_RIGHTS);
  matrix(of_directories, sizeof of_directories / sizeof *of_directories, ".", DIRECTORY_RIGHTS);
  seek_and_tell();
  inheriting();
  TRUE(!exists("new") && !exists("linked") && exists("dir") && exists("unlinked"));
  TRUE(holds("file", "0123456789"));
  return check_end();
}
