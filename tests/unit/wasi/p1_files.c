/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* WASI 0.1 on files: opening, rights, reading, attributes, directories, preopens, denials; both surfaces. */
#include "guest.h"

static char denials[2048];

static void on_denied(void *env, const struct wasi_denial *denial) {
  (void)env;
  static const char *const reasons[] = {"escape", "read-only", "right", "absent"};
  size_t used = strlen(denials);
  snprintf(denials + used, sizeof denials - used, "%s %s %s [%s=%s]; ", reasons[denial->reason], denial->call,
           denial->guest_path, denial->preopen ? denial->preopen : "-", denial->host_path ? denial->host_path : "-");
}

static void start(uint32_t rights) {
  struct wasi_config *config = config_new();
  struct wasi_hooks hooks = {.denied = on_denied};
  denials[0] = 0;
  next_hooks = hooks;
  grant_path(config, "root", "/work/", rights);
  guest_start(config);
}

TEST(open_read_write) {
  start(HOST_RIGHTS_ALL);
  int fd = open_path("new", 1 /* creat */, RIGHT_READ | RIGHT_WRITE | RIGHT_SEEK, 0);
  CHECK_INT(fd, 4);
  memcpy(memory(BYTES), "hello world", 11);
  base_store_u32(memory(IOVECS), BYTES), base_store_u32(memory(IOVECS + 4), 6);
  base_store_u32(memory(IOVECS + 8), BYTES + 6), base_store_u32(memory(IOVECS + 12), 5);
  CHECK_INT(CALL(fd_write, fd, IOVECS, 2, OUT), 0);
  CHECK_INT(get32(OUT), 11);
  CHECK_INT(CALL(fd_pwrite, fd, iovec(BYTES, 1), 1, 100, OUT), 0);
  CHECK_INT(CALL(fd_seek, fd, (uint64_t)-1, 2, OUT), 0);
  CHECK_INT(get64(OUT), 100);
  CHECK_INT(CALL(fd_seek, fd, 6, 0, OUT), 0);
  CHECK_INT(CALL(fd_tell, fd, OUT), E_NOTCAPABLE); /* not asked for when opening */
  CHECK_INT(CALL(fd_read, fd, iovec(BYTES + 100, 5), 1, OUT), 0);
  CHECK(memcmp(memory(BYTES + 100), "world", 5) == 0);
  CHECK_INT(CALL(fd_pread, fd, iovec(BYTES + 200, 5), 1, 0, OUT), 0);
  CHECK(memcmp(memory(BYTES + 200), "hello", 5) == 0);
  /* Overlapping buffers are filled in order. */
  base_store_u32(memory(IOVECS), BYTES), base_store_u32(memory(IOVECS + 4), 4);
  base_store_u32(memory(IOVECS + 8), BYTES + 2), base_store_u32(memory(IOVECS + 12), 4);
  CHECK_INT(CALL(fd_pread, fd, IOVECS, 2, 0, OUT), 0);
  CHECK(memcmp(memory(BYTES), "heo wo", 6) == 0);
  CHECK_INT(CALL(fd_close, fd), 0);
  CHECK_INT(CALL(fd_close, fd), E_BADF);
  CHECK_INT(CALL(fd_read, fd, IOVECS, 1, OUT), E_BADF);
  guest_end();
}

TEST(rights) {
  start(HOST_RIGHTS_ALL);
  int fd = open_path("file", 0, RIGHT_READ, 0);
  CHECK_INT(CALL(fd_write, fd, iovec(BYTES, 1), 1, OUT), E_NOTCAPABLE);
  CHECK_INT(CALL(fd_pread, fd, iovec(BYTES, 1), 1, 0, OUT), E_NOTCAPABLE);
  CHECK_INT(CALL(fd_filestat_get, fd, OUT), E_NOTCAPABLE);
  CHECK_INT(CALL(fd_fdstat_get, fd, OUT), 0);
  CHECK_INT(memory(OUT)[0], 4);
  CHECK_INT(get64(OUT + 8), RIGHT_READ);
  CHECK_INT(CALL(fd_fdstat_set_rights, fd, RIGHT_READ | RIGHT_WRITE, 0), E_NOTCAPABLE);
  CHECK_INT(CALL(fd_fdstat_set_rights, fd, 0, 0), 0);
  CHECK_INT(CALL(fd_read, fd, iovec(BYTES, 1), 1, OUT), E_NOTCAPABLE);
  CHECK_INT(CALL(path_open, fd, 0, PATH("x"), 0, 0, 0, 0, OUT), E_NOTDIR);
  CHECK_INT(CALL(fd_read, 3, iovec(BYTES, 1), 1, OUT), E_ISDIR);
  CHECK_INT(CALL(fd_seek, 3, 0, 0, OUT), E_ISDIR);
  CHECK_INT(CALL(fd_seek, 1, 0, 0, OUT), E_SPIPE);
  CHECK_INT(CALL(sock_shutdown, 1, 1), E_NOTSOCK);
  CHECK_INT(CALL(sock_accept, fd, 0, OUT), E_NOTSOCK);
  CHECK_INT(CALL(fd_readdir, fd, BYTES, 100, 0, OUT), E_NOTDIR);
  /* What a directory may pass on is what it still has itself. */
  int dir = open_path("dir", 2, ALL_RIGHTS & ~RIGHT_WRITE, 0);
  CHECK_INT(CALL(fd_fdstat_get, dir, OUT), 0);
  CHECK_INT(get64(OUT + 8) & (RIGHT_READ | RIGHT_SEEK | RIGHT_WRITE), 0);
  uint64_t base = get64(OUT + 8), inheriting = get64(OUT + 16);
  CHECK_INT(CALL(fd_fdstat_set_rights, dir, base, inheriting & ~(uint64_t)RIGHT_WRITE), 0);
  CHECK_INT(CALL(path_open, dir, 0, PATH("inner"), 0, RIGHT_WRITE, 0, 0, OUT), E_NOTCAPABLE);
  CHECK_INT(CALL(path_open, dir, 0, PATH("inner"), 0, RIGHT_READ, 0, 0, OUT), 0);
  guest_end();
}

TEST(attributes) {
  start(HOST_RIGHTS_ALL);
  CHECK_INT(CALL(path_filestat_get, 3, 1, PATH("file"), OUT), 0);
  CHECK_INT(memory(OUT + 16)[0], 4);
  CHECK_INT(get64(OUT + 24), 1);
  CHECK_INT(get64(OUT + 32), 4);
  CHECK_INT(CALL(path_filestat_set_times, 3, 1, PATH("file"), 1000, 2000, 5), 0);
  CHECK_INT(CALL(path_filestat_get, 3, 1, PATH("file"), OUT), 0);
  CHECK_INT(get64(OUT + 40), 1000);
  CHECK_INT(get64(OUT + 48), 2000);
  CHECK_INT(CALL(path_filestat_set_times, 3, 1, PATH("file"), 0, 0, 3), E_INVAL);
  CHECK_INT(CALL(path_filestat_set_times, 3, 1, PATH("file"), 0, 0, 16), E_INVAL);
  surface = "wasi_unstable"; /* links in 32 bits, everything behind them 8 bytes earlier */
  memset(memory(OUT), 0xEE, 64);
  CHECK_INT(CALL(path_filestat_get, 3, 1, PATH("file"), OUT), 0);
  CHECK_INT(get32(OUT + 20), 1);
  CHECK_INT(get64(OUT + 24), 4);
  CHECK_INT(get64(OUT + 32), 1000);
  CHECK_INT(get64(OUT + 40), 2000);
  CHECK_INT(memory(OUT)[56], 0xEE);
  int fd = open_path("file", 0, ALL_RIGHTS, 0);
  CHECK_INT(CALL(fd_seek, fd, 1, 2 /* set */, OUT), 0);
  CHECK_INT(get64(OUT), 1);
  CHECK_INT(CALL(fd_seek, fd, 1, 0 /* cur */, OUT), 0);
  CHECK_INT(get64(OUT), 2);
  CHECK_INT(CALL(fd_seek, fd, 0, 1 /* end */, OUT), 0);
  CHECK_INT(get64(OUT), 4);
  surface = "wasi_snapshot_preview1";
  CHECK_INT(CALL(fd_filestat_set_size, fd, 2), 0);
  CHECK_INT(CALL(fd_filestat_set_times, fd, 0, 5000, 4), 0);
  CHECK_INT(CALL(fd_filestat_get, fd, OUT), 0);
  CHECK_INT(get64(OUT + 32), 2);
  CHECK_INT(get64(OUT + 48), 5000);
  CHECK_INT(CALL(fd_advise, fd, 0, 0, 6), E_INVAL);
  CHECK_INT(CALL(fd_sync, fd), 0);
  CHECK_INT(CALL(fd_datasync, fd), 0);
  guest_end();
}

TEST(flags) {
  start(HOST_RIGHTS_ALL);
  int fd = open_path("log", 1, ALL_RIGHTS, 1 /* append */);
  CHECK_INT(CALL(fd_fdstat_get, fd, OUT), 0);
  CHECK_INT(base_load_u16(memory(OUT + 2)), 1);
  CHECK_INT(CALL(fd_fdstat_set_flags, fd, 4 /* nonblock */), 0);
  CHECK_INT(CALL(fd_fdstat_get, fd, OUT), 0);
  CHECK_INT(base_load_u16(memory(OUT + 2)), 4);
  CHECK_INT(CALL(fd_fdstat_set_flags, fd, 16 /* sync */), E_NOTSUP);
  CHECK_INT(CALL(fd_fdstat_set_flags, fd, 32), E_INVAL);
  CHECK_INT(open_path("log", 16, 0, 0), -E_INVAL);
  CHECK_INT(open_path("log", 0, 0, 32), -E_INVAL);
  guest_end();
}

TEST(changing_directories) {
  start(HOST_RIGHTS_ALL);
  CHECK_INT(CALL(path_create_directory, 3, PATH("made")), 0);
  CHECK_INT(CALL(path_create_directory, 3, PATH("made")), E_EXIST);
  CHECK_INT(CALL(path_symlink, PATH("../file"), 3, PATH2("made/link")), 0);
  CHECK_INT(CALL(path_readlink, 3, PATH("made/link"), BYTES, 100, OUT), 0);
  CHECK_INT(get32(OUT), 7);
  CHECK_INT(CALL(path_link, 3, 0, PATH("file"), 3, PATH2("made/hard")), 0);
  CHECK_INT(CALL(path_remove_directory, 3, PATH("made")), E_NOTEMPTY);
  CHECK_INT(CALL(path_rename, 3, PATH("made/hard"), 3, PATH2("moved")), 0);
  CHECK_INT(CALL(path_unlink_file, 3, PATH("moved")), 0);
  CHECK_INT(CALL(path_unlink_file, 3, PATH("made/link")), 0);
  CHECK_INT(CALL(path_unlink_file, 3, PATH("made")), E_ISDIR);
  CHECK_INT(CALL(path_remove_directory, 3, PATH("made")), 0);
  CHECK_INT(CALL(path_symlink, PATH("/etc"), 3, PATH2("abs")), E_NOTCAPABLE);
  guest_end();
}

TEST(names_in_directories) {
  start(HOST_RIGHTS_ALL);
  CHECK_INT(CALL(fd_readdir, 3, BYTES, 4096, 0, OUT), 0);
  uint32_t all = get32(OUT), entries = 0;
  uint64_t second_cookie = get64(BYTES);
  for (uint32_t at = 0; at < all; entries++) at += 24 + get32(BYTES + at + 16);
  CHECK_INT(entries, 5); /* . .. dir file new */
  /* Any capacity gives a prefix of the same bytes. */
  static uint8_t whole[4096];
  memcpy(whole, memory(BYTES), all);
  for (uint32_t capacity = 0; capacity < all; capacity++) {
    CHECK_INT(CALL(fd_readdir, 3, BYTES, capacity, 0, OUT), 0);
    CHECK_INT(get32(OUT), capacity);
    CHECK(memcmp(whole, memory(BYTES), capacity) == 0);
  }
  CHECK_INT(CALL(fd_readdir, 3, BYTES, 4096, second_cookie, OUT), 0);
  CHECK_INT(get32(OUT), all - 24 - base_load_u32(whole + 16));
  CHECK_INT(CALL(fd_readdir, 3, MEMORY_BYTES - 10, 11, 0, OUT), E_FAULT);
  CHECK_INT(CALL(fd_readdir, 3, BYTES, 100, UINT64_MAX, OUT), E_INVAL);
  guest_end();
}

TEST(preopens_and_numbers) {
  struct wasi_config *config = config_new();
  grant_path(config, "root", "/", HOST_RIGHTS_ALL);
  grant_path(config, "root/dir", "sub", HOST_RIGHTS_ALL);
  struct cay_error error;
  CHECK_INT(try_grant(config, "root", "/", HOST_RIGHTS_ALL, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(try_grant(config, "missing", "/m", HOST_RIGHTS_ALL, &error), CAY_ERROR_SYSTEM);
  guest_start(config);
  CHECK_INT(CALL(fd_prestat_get, 3, OUT), 0);
  CHECK_INT(get32(OUT + 4), 1);
  CHECK_INT(CALL(fd_prestat_get, 4, OUT), 0);
  CHECK_INT(get32(OUT + 4), 3);
  CHECK_INT(CALL(fd_prestat_dir_name, 4, BYTES, 3), 0);
  CHECK(memcmp(memory(BYTES), "sub", 3) == 0);
  CHECK_INT(CALL(fd_prestat_dir_name, 4, BYTES, 2), E_NAMETOOLONG);
  CHECK_INT(CALL(fd_prestat_get, 5, OUT), E_BADF);
  CHECK_INT(CALL(fd_prestat_get, 1, OUT), E_BADF);
  CHECK_INT(open_path("file", 0, RIGHT_READ, 0), 5);
  CHECK_INT(open_path("file", 0, RIGHT_READ, 0), 6);
  CHECK_INT(open_path("file", 0, RIGHT_READ, 0), 7);
  CHECK_INT(CALL(fd_close, 5), 0);
  CHECK_INT(CALL(fd_renumber, 7, 6), 0);
  CHECK_INT(CALL(fd_renumber, 7, 6), E_BADF);
  CHECK_INT(CALL(fd_renumber, 6, 7), E_BADF);
  CHECK_INT(CALL(fd_renumber, 6, 6), 0);
  CHECK_INT(open_path("file", 0, RIGHT_READ, 0), 5);
  CHECK_INT(open_path("file", 0, RIGHT_READ, 0), 7);
  CHECK_INT(CALL(fd_close, 0), 0);
  CHECK_INT(open_path("file", 0, RIGHT_READ, 0), 0);
  CHECK_INT(CALL(fd_prestat_get, 5, OUT), E_BADF);
  CHECK_INT(CALL(fd_close, 3), 0);
  CHECK_INT(CALL(fd_prestat_get, 3, OUT), E_BADF);
  guest_end();
}

TEST(handle_limit) {
  struct wasi_config *config = config_new();
  grant_path(config, "root", "/", HOST_RIGHTS_ALL);
  guest_start(config);
  limit_handles(6);
  CHECK_INT(open_path("file", 0, RIGHT_READ, 0), 4);
  CHECK_INT(open_path("file", 0, RIGHT_READ, 0), 5);
  CHECK_INT(open_path("file", 0, RIGHT_READ, 0), -E_MFILE);
  CHECK_INT(CALL(fd_close, 4), 0);
  CHECK_INT(open_path("file", 0, RIGHT_READ, 0), 4);
  guest_end();
}

TEST(read_only_and_denials) {
  start(HOST_RIGHTS_READ_ONLY);
  CHECK_INT(open_path("file", 0, RIGHT_WRITE, 0), -E_ROFS);
  CHECK_TEXT(denials, "read-only path_open /work/file [/work=root]; ");
  CHECK_INT(open_path("file", 8 /* trunc */, 0, 0), -E_ROFS);
  CHECK_INT(open_path("fresh", 1, 0, 0), -E_ROFS);
  CHECK_INT(CALL(path_create_directory, 3, PATH("d")), E_ROFS);
  CHECK_INT(CALL(path_unlink_file, 3, PATH("file")), E_ROFS);
  CHECK_INT(CALL(path_rename, 3, PATH("file"), 3, PATH2("x")), E_ROFS);
  CHECK_INT(CALL(path_link, 3, 0, PATH("file"), 3, PATH2("x")), E_ROFS);
  CHECK_INT(CALL(path_symlink, PATH("file"), 3, PATH2("x")), E_ROFS);
  CHECK_INT(CALL(path_filestat_set_times, 3, 0, PATH("file"), 0, 0, 5), E_ROFS);
  int fd = open_path("file", 0, ALL_RIGHTS & ~RIGHT_WRITE, 0);
  CHECK_INT(CALL(fd_filestat_set_size, fd, 0), E_NOTCAPABLE);
  CHECK_INT(CALL(fd_allocate, fd, 0, 1), E_NOTCAPABLE);
  CHECK_INT(CALL(fd_filestat_set_times, fd, 0, 0, 5), E_ROFS);
  int dir = open_path("dir", 2, ALL_RIGHTS & ~RIGHT_WRITE, 0);
  denials[0] = 0;
  CHECK_INT(CALL(path_open, dir, 1, PATH("../file"), 0, RIGHT_READ, 0, 0, OUT), E_NOTCAPABLE);
  CHECK_INT(CALL(path_create_directory, dir, PATH("x\n")), E_ROFS);
  CHECK_TEXT(denials, "escape path_open /work/dir/../file [/work=root]; "
                      "read-only path_create_directory /work/dir/x\\x0a [/work=root]; ");
  denials[0] = 0;
  CHECK_INT(open_path("/etc/passwd", 0, RIGHT_READ, 0), -E_NOTCAPABLE);
  CHECK_INT(open_path("missing", 0, RIGHT_READ, 0), -E_NOENT);
  CHECK_TEXT(denials, "escape path_open /etc/passwd [/work=root]; ");
  guest_end();
}

TEST(single_files) {
  struct wasi_config *config = config_new();
  struct wasi_hooks hooks = {.denied = on_denied};
  struct cay_error error;
  denials[0] = 0;
  next_hooks = hooks;
  grant_path(config, "root/file", "/etc/hosts", HOST_RIGHTS_READ_ONLY);
  grant_path(config, "root/dir/inner", "/etc/inner", HOST_RIGHTS_ALL);
  grant_path(config, "root/file", "name", HOST_RIGHTS_ALL);
  CHECK_INT(try_grant(config, "root/file", "/etc/", HOST_RIGHTS_ALL, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(try_grant(config, "root/file", "..", HOST_RIGHTS_ALL, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(try_grant(config, "root/dir", "/etc", HOST_RIGHTS_ALL, &error), CAY_ERROR_ARGUMENT);
  grant_path(config, "root/dir", "/d", HOST_RIGHTS_ALL);
  CHECK_INT(try_grant(config, "root/file", "/d/x", HOST_RIGHTS_ALL, &error), CAY_ERROR_ARGUMENT);
  guest_start(config);
  CHECK_INT(CALL(fd_prestat_dir_name, 3, BYTES, 10), 0);
  CHECK(memcmp(memory(BYTES), "/etc", 4) == 0);
  CHECK_INT(CALL(fd_prestat_dir_name, 4, BYTES, 10), 0);
  CHECK(memcmp(memory(BYTES), ".", 1) == 0);
  int fd = open_path("hosts", 0, RIGHT_READ, 0);
  CHECK(fd > 0);
  CHECK(open_path("inner", 0, RIGHT_READ | RIGHT_WRITE, 0) > 0);
  CHECK_INT(open_path("passwd", 0, RIGHT_READ, 0), -E_NOENT);
  CHECK_INT(open_path("hosts", 0, RIGHT_WRITE, 0), -E_ROFS);
  CHECK_TEXT(denials, "absent path_open /etc/passwd [-=-]; "
                      "read-only path_open /etc/hosts [/etc/hosts=root/file]; ");
  CHECK_INT(CALL(fd_readdir, 3, BYTES, 4096, 0, OUT), 0);
  CHECK_INT(get32(OUT), 4 * 24 + 1 + 2 + 5 + 5);
  CHECK_INT(CALL(fd_filestat_get, 3, OUT), 0);
  CHECK_INT(memory(OUT + 16)[0], 3);
  guest_end();
}

static void prepare(void) {
  scratch_enter();
  mkdir("root", 0755), mkdir("root/dir", 0755);
  write_file("root/file", "text"), write_file("root/dir/inner", "inner");
}

TEST_MAIN({
  prepare();
  RUN(open_read_write)
  RUN(rights)
  RUN(flags)
  RUN(changing_directories)
  unlink("root/log");
  RUN(names_in_directories)
  RUN(preopens_and_numbers)
  RUN(handle_limit)
  RUN(read_only_and_denials)
  RUN(single_files)
  RUN(attributes)
})
