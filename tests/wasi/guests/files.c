/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* An open file: reading, writing, position, size, times, flags. */
#include "check.h"

static uint32_t done;
static uint64_t at;

static int32_t put(uint32_t fd, const char *text) {
  __wasi_ciovec_t vector = {(const uint8_t *)text, strlen(text)};
  return raw_fd_write(fd, &vector, 1, &done);
}

static struct raw_stat stat_of(uint32_t fd) {
  unsigned char bytes[RAW_FILESTAT_BYTES] = {0};
  OK(raw_fd_filestat_get(fd, bytes));
  return raw_stat_of(bytes);
}

static void vectors(void) {
  uint32_t fd = must_open("vectors", CREAT | EXCL, FILE_RIGHTS);
  __wasi_ciovec_t out[4] = {
      {(const uint8_t *)"one", 3}, {NULL, 0}, {(const uint8_t *)"two", 3}, {(const uint8_t *)"!", 1}};
  OK(raw_fd_write(fd, out, 4, &done));
  EQUAL(done, 7);
  OK(raw_fd_write(fd, out, 0, &done));
  EQUAL(done, 0);
  OK(raw_fd_write(fd, out + 1, 1, &done));
  EQUAL(done, 0);
  OK(raw_fd_tell(fd, &at));
  EQUAL(at, 7);
  OK(raw_fd_seek(fd, 0, RAW_SET, &at));
  char a[2], b[3], c[10];
  __wasi_iovec_t in[4] = {{(uint8_t *)a, 2}, {(uint8_t *)b, 0}, {(uint8_t *)b, 3}, {(uint8_t *)c, 10}};
  OK(raw_fd_read(fd, in, 4, &done));
  EQUAL(done, 7);
  TRUE(memcmp(a, "on", 2) == 0 && memcmp(b, "etw", 3) == 0 && memcmp(c, "o!", 2) == 0);
  OK(raw_fd_read(fd, in, 4, &done));
  EQUAL(done, 0);
  /* More buffers than a system call takes: part of it may be done, never more than there is. */
  static __wasi_ciovec_t many[3000];
  for (int i = 0; i < 3000; i++) many[i] = (__wasi_ciovec_t){(const uint8_t *)"xy", 2};
  OK(raw_fd_write(fd, many, 3000, &done));
  TRUE(done >= 1024 * 2 && done <= 6000);
  EQUAL(stat_of(fd).size, 7 + done);
  OK(raw_fd_close(fd));
}

static void position(void) {
  uint32_t fd = must_open("position", CREAT | EXCL, FILE_RIGHTS);
  OK(put(fd, "0123456789"));
  OK(raw_fd_seek(fd, -3, RAW_CUR, &at));
  EQUAL(at, 7);
  OK(raw_fd_seek(fd, -1, RAW_END, &at));
  EQUAL(at, 9);
  OK(raw_fd_seek(fd, 2, RAW_SET, &at));
  EQUAL(at, 2);
  IS(raw_fd_seek(fd, -1, RAW_SET, &at), INVAL);
  IS(raw_fd_seek(fd, -3, RAW_CUR, &at), INVAL);
  IS(raw_fd_seek(fd, -11, RAW_END, &at), INVAL);
  IS(raw_fd_seek(fd, 0, 3, &at), INVAL);
  IS(raw_fd_seek(fd, 0, 0xFFFFFFFF, &at), INVAL);
  OK(raw_fd_tell(fd, &at));
  EQUAL(at, 2);
  /* Behind the end: a gap of zeros appears when something is written there. */
  OK(raw_fd_seek(fd, 5, RAW_END, &at));
  EQUAL(at, 15);
  EQUAL(stat_of(fd).size, 10);
  OK(put(fd, "x"));
  EQUAL(stat_of(fd).size, 16);
  char gap[6];
  __wasi_iovec_t in = {(uint8_t *)gap, 6};
  OK(raw_fd_pread(fd, &in, 1, 10, &done));
  TRUE(done == 6 && memcmp(gap, "\0\0\0\0\0x", 6) == 0);
  OK(raw_fd_close(fd));
}

static void at_offsets(void) {
  uint32_t fd = must_open("offsets", CREAT | EXCL, FILE_RIGHTS);
  OK(put(fd, "0123456789"));
  char text[4] = {0};
  __wasi_iovec_t in[2] = {{(uint8_t *)text, 1}, {(uint8_t *)text + 1, 2}};
  __wasi_ciovec_t out[2] = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"bc", 2}};
  OK(raw_fd_pread(fd, in, 2, 4, &done));
  TRUE(done == 3 && strcmp(text, "456") == 0);
  OK(raw_fd_pread(fd, in, 2, 9, &done));
  EQUAL(done, 1);
  OK(raw_fd_pread(fd, in, 2, 10, &done));
  EQUAL(done, 0);
  OK(raw_fd_pread(fd, in, 2, 1000000, &done));
  EQUAL(done, 0);
  OK(raw_fd_pwrite(fd, out, 2, 1, &done));
  EQUAL(done, 3);
  OK(raw_fd_pwrite(fd, out, 2, 12, &done));
  OK(raw_fd_tell(fd, &at));
  EQUAL(at, 10);
  EQUAL(stat_of(fd).size, 15);
  IS(raw_fd_pread(fd, in, 2, UINT64_C(1) << 63, &done), INVAL);
  IS(raw_fd_pwrite(fd, out, 2, UINT64_MAX, &done), INVAL);
  OK(raw_fd_pread(fd, in, 0, 0, &done));
  EQUAL(done, 0);
  OK(raw_fd_close(fd));
}

static void size(void) {
  uint32_t fd = must_open("size", CREAT | EXCL, FILE_RIGHTS);
  OK(put(fd, "0123456789"));
  OK(raw_fd_filestat_set_size(fd, 4));
  EQUAL(stat_of(fd).size, 4);
  TRUE(holds("size", "0123"));
  OK(raw_fd_filestat_set_size(fd, 1 << 20));
  EQUAL(stat_of(fd).size, 1 << 20);
  IS_OR(raw_fd_filestat_set_size(fd, UINT64_MAX), INVAL, FBIG);
  IS_OR(raw_fd_filestat_set_size(fd, UINT64_C(1) << 63), INVAL, FBIG);
  OK(raw_fd_filestat_set_size(fd, 0));
  OK(raw_fd_tell(fd, &at));
  EQUAL(at, 10);
  OK(raw_fd_allocate(fd, 0, 100));
  EQUAL(stat_of(fd).size, 100);
  OK(raw_fd_allocate(fd, 50, 20));
  EQUAL(stat_of(fd).size, 100);
  OK(raw_fd_allocate(fd, 200, 56));
  EQUAL(stat_of(fd).size, 256);
  IS(raw_fd_allocate(fd, 0, 0), INVAL);
  IS_OR(raw_fd_allocate(fd, UINT64_MAX, 1), INVAL, FBIG);
  IS_OR(raw_fd_allocate(fd, (UINT64_C(1) << 63) - 1, (UINT64_C(1) << 63) - 1), INVAL, FBIG);
  EQUAL(stat_of(fd).size, 256);
  OK(raw_fd_sync(fd));
  OK(raw_fd_datasync(fd));
  for (uint32_t advice = 0; advice < 6; advice++) OK(raw_fd_advise(fd, 0, 100, advice));
  OK(raw_fd_advise(fd, 0, 0, 0));
  OK(raw_fd_advise(fd, 100000, 100, 0));
  IS(raw_fd_advise(fd, 0, 100, 6), INVAL);
  IS(raw_fd_advise(fd, 0, 100, 0xFFFFFFFF), INVAL);
  IS(raw_fd_advise(fd, 0, UINT64_MAX, 0), INVAL);
  OK(raw_fd_close(fd));
}

enum { ATIM = 1, ATIM_NOW = 2, MTIM = 4, MTIM_NOW = 8 };

static void times(void) {
  const uint64_t s = 1000000000;
  uint32_t fd = must_open("times", CREAT | EXCL, FILE_RIGHTS);
  OK(raw_fd_filestat_set_times(fd, 11 * s + 123456789, 22 * s + 987654321, ATIM | MTIM));
  struct raw_stat stat = stat_of(fd);
  EQUAL(stat.atim, 11 * s + 123456789);
  EQUAL(stat.mtim, 22 * s + 987654321);
  TRUE(stat.ctim > 1700000000 * s);
  OK(raw_fd_filestat_set_times(fd, 33 * s, 44 * s, ATIM));
  EQUAL(stat_of(fd).atim, 33 * s);
  EQUAL(stat_of(fd).mtim, 22 * s + 987654321);
  OK(raw_fd_filestat_set_times(fd, 0, 0, MTIM_NOW));
  EQUAL(stat_of(fd).atim, 33 * s);
  TRUE(stat_of(fd).mtim > 1700000000 * s);
  OK(raw_fd_filestat_set_times(fd, 5, 6 * s, ATIM_NOW | MTIM));
  TRUE(stat_of(fd).atim > 1700000000 * s);
  EQUAL(stat_of(fd).mtim, 6 * s);
  OK(raw_fd_filestat_set_times(fd, 7 * s, 7 * s, 0));
  EQUAL(stat_of(fd).mtim, 6 * s);
  OK(raw_fd_filestat_set_times(fd, 0, 0, ATIM | MTIM));
  EQUAL(stat_of(fd).atim, 0);
  IS(raw_fd_filestat_set_times(fd, 0, 0, ATIM | ATIM_NOW), INVAL);
  IS(raw_fd_filestat_set_times(fd, 0, 0, MTIM | MTIM_NOW), INVAL);
  IS(raw_fd_filestat_set_times(fd, 0, 0, 16), INVAL);
  IS(raw_path_filestat_set_times(ROOT, 0, P("times"), 0, 0, ATIM | ATIM_NOW), INVAL);
  OK(raw_path_filestat_set_times(ROOT, 0, P("times"), 8 * s, 9 * s, ATIM | MTIM));
  EQUAL(stat_of(fd).atim, 8 * s);
  EQUAL(stat_of(fd).mtim, 9 * s);
  IS(raw_path_filestat_set_times(ROOT, 0, P("nothing"), 0, 0, MTIM), NOENT);
  OK(raw_path_symlink(P("times"), ROOT, P("times-link")));
  OK(raw_path_filestat_set_times(ROOT, 0, P("times-link"), 1 * s, 2 * s, ATIM | MTIM));
  EQUAL(stat_of(fd).mtim, 9 * s);
  struct raw_stat link = {0};
  OK(stat_at("times-link", 0, &link));
  EQUAL(link.mtim, 2 * s);
  OK(raw_path_filestat_set_times(ROOT, FOLLOW, P("times-link"), 1 * s, 3 * s, ATIM | MTIM));
  EQUAL(stat_of(fd).mtim, 3 * s);
  OK(raw_fd_close(fd));
}

static uint16_t flags_of(uint32_t fd) {
  __wasi_fdstat_t stat = {0};
  OK(raw_fd_fdstat_get(fd, &stat));
  EQUAL(stat.fs_filetype, __WASI_FILETYPE_REGULAR_FILE);
  return stat.fs_flags;
}

static void flags(void) {
  uint32_t fd = 0;
  make_file("flags", "0123456789");
  OK(open_at(ROOT, "flags", 0, 0, FILE_RIGHTS, __WASI_FDFLAGS_APPEND, &fd));
  EQUAL(flags_of(fd), __WASI_FDFLAGS_APPEND);
  OK(raw_fd_seek(fd, 0, RAW_SET, &at));
  OK(put(fd, "ab"));
  TRUE(holds("flags", "0123456789ab"));
  OK(raw_fd_fdstat_set_flags(fd, 0));
  EQUAL(flags_of(fd), 0);
  OK(raw_fd_seek(fd, 0, RAW_SET, &at));
  OK(put(fd, "X"));
  TRUE(holds("flags", "X123456789ab"));
  OK(raw_fd_fdstat_set_flags(fd, __WASI_FDFLAGS_APPEND | __WASI_FDFLAGS_NONBLOCK));
  EQUAL(flags_of(fd), __WASI_FDFLAGS_APPEND | __WASI_FDFLAGS_NONBLOCK);
  OK(put(fd, "c"));
  TRUE(holds("flags", "X123456789abc"));
  IS(raw_fd_fdstat_set_flags(fd, 32), INVAL);
  IS(raw_fd_fdstat_set_flags(fd, 0xFFFF), INVAL);
  EQUAL(flags_of(fd), __WASI_FDFLAGS_APPEND | __WASI_FDFLAGS_NONBLOCK);
  OK(raw_fd_close(fd));
  OK(open_at(ROOT, "flags", 0, 0, FILE_RIGHTS, __WASI_FDFLAGS_NONBLOCK, &fd));
  EQUAL(flags_of(fd), __WASI_FDFLAGS_NONBLOCK);
  OK(put(fd, "y"));
  OK(raw_fd_close(fd));
  static const uint32_t syncs[] = {__WASI_FDFLAGS_DSYNC, __WASI_FDFLAGS_SYNC,
                                   __WASI_FDFLAGS_RSYNC | __WASI_FDFLAGS_SYNC};
  for (int i = 0; i < 3; i++) {
    int32_t error = open_at(ROOT, "flags", 0, 0, FILE_RIGHTS, syncs[i], &fd);
    if (!IS_OR(error, SUCCESS, NOTSUP) || error) continue;
    TRUE((flags_of(fd) & syncs[i]) != 0);
    OK(put(fd, "z"));
    OK(raw_fd_close(fd));
  }
}

static void one_way(void) {
  char byte;
  __wasi_iovec_t in = {(uint8_t *)&byte, 1};
  uint32_t fd = must_open("one-way", CREAT, WRITE | __WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_FILESTAT_GET);
  IS_OR(raw_fd_read(fd, &in, 1, &done), NOTCAPABLE, BADF);
  IS_OR(raw_fd_pread(fd, &in, 1, 0, &done), NOTCAPABLE, BADF);
  OK(put(fd, "w"));
  OK(raw_fd_close(fd));
  fd = must_open("one-way", 0, READ);
  OK(raw_fd_read(fd, &in, 1, &done));
  IS_OR(put(fd, "w"), NOTCAPABLE, BADF);
  IS_OR(raw_fd_pwrite(fd, &in, 1, 0, &done), NOTCAPABLE, BADF);
  TRUE(raw_fd_filestat_set_size(fd, 0) != 0);
  TRUE(raw_fd_allocate(fd, 0, 10) != 0);
  OK(raw_fd_close(fd));
  TRUE(holds("one-way", "w"));
}

/* A file without a name is a file until it is closed. */
static void unlinked(void) {
  uint32_t fd = must_open("gone", CREAT, FILE_RIGHTS);
  OK(put(fd, "still here"));
  OK(raw_path_unlink_file(ROOT, P("gone")));
  TRUE(!exists("gone"));
  EQUAL(stat_of(fd).links, 0);
  EQUAL(stat_of(fd).size, 10);
  char text[10];
  __wasi_iovec_t in = {(uint8_t *)text, 10};
  OK(raw_fd_pread(fd, &in, 1, 0, &done));
  TRUE(memcmp(text, "still here", 10) == 0);
  OK(raw_fd_close(fd));
}

static void attributes(void) {
  make_file("attributes", "12345");
  uint32_t fd = must_open("attributes", 0, FILE_RIGHTS);
  struct raw_stat by_fd = stat_of(fd), by_path = {0};
  OK(stat_at("attributes", 0, &by_path));
  TRUE(by_fd.inode == by_path.inode && by_fd.device == by_path.device && by_fd.mtim == by_path.mtim);
  EQUAL(by_fd.size, 5);
  EQUAL(by_fd.links, 1);
  EQUAL(by_fd.type, __WASI_FILETYPE_REGULAR_FILE);
  EQUAL(stat_of(ROOT).type, __WASI_FILETYPE_DIRECTORY);
  OK(raw_fd_close(fd));
}

/* What only files can do, asked of a directory. */
static void directories(void) {
  char bytes[8];
  __wasi_iovec_t in = {(uint8_t *)bytes, 8};
  IS_OR(raw_fd_read(ROOT, &in, 1, &done), ISDIR, BADF);
  IS_OR(raw_fd_pread(ROOT, &in, 1, 0, &done), ISDIR, BADF);
  IS_OR(put(ROOT, "x"), ISDIR, BADF);
  IS_OR(raw_fd_pwrite(ROOT, &in, 1, 0, &done), ISDIR, BADF);
  IS_OR(raw_fd_seek(ROOT, 0, RAW_CUR, &at), ISDIR, BADF);
  IS_OR(raw_fd_tell(ROOT, &at), ISDIR, BADF);
  IS_OR(raw_fd_allocate(ROOT, 0, 1), ISDIR, BADF);
  IS_OR(raw_fd_filestat_set_size(ROOT, 0), ISDIR, BADF);
  IS_OR(raw_fd_advise(ROOT, 0, 0, 0), ISDIR, BADF);
  OK(raw_fd_sync(ROOT));
  OK(raw_fd_datasync(ROOT));
  OK(raw_fd_filestat_set_times(ROOT, 0, 5000000000, MTIM));
  EQUAL(stat_of(ROOT).mtim, 5000000000);
  IS_OR(raw_fd_readdir(must_open("attributes", 0, FILE_RIGHTS), bytes, 8, 0, &done), NOTDIR, BADF);
}

int main(void) {
  vectors();
  position();
  at_offsets();
  size();
  times();
  flags();
  one_way();
  unlinked();
  attributes();
  directories();
  return check_end();
}
