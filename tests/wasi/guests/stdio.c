/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Standard streams. Arguments say what the runner made of them: the file type of 0, 1 and 2 as a number, "t" behind it
 * for a terminal, or "closed". */
#include "check.h"

static uint32_t done;
static uint64_t at;

static void closed(uint32_t fd) {
  __wasi_fdstat_t stat;
  IS(raw_fd_fdstat_get(fd, &stat), BADF);
  IS(raw_fd_close(fd), BADF);
}

static void stream(uint32_t fd, const char *wanted) {
  __wasi_fdstat_t stat = {0};
  unsigned char bytes[RAW_FILESTAT_BYTES];
  OK(raw_fd_fdstat_get(fd, &stat));
  IN_CASE(EQUAL(stat.fs_filetype, wanted[0] - '0'), "stream %u", (unsigned)fd);
  OK(raw_fd_filestat_get(fd, bytes));
  EQUAL(raw_stat_of(bytes).type, stat.fs_filetype);
  bool can_seek = stat.fs_rights_base & (__WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL);
  if (wanted[1] == 't') TRUE(!can_seek);
  if (stat.fs_filetype != __WASI_FILETYPE_REGULAR_FILE && !can_seek) {
    IN_CASE(IS(raw_fd_seek(fd, 0, RAW_CUR, &at), SPIPE), "stream %u", (unsigned)fd);
    IS(raw_fd_tell(fd, &at), SPIPE);
    TRUE(raw_fd_pread(fd, NULL, 0, 0, &done) != 0);
  }
  TRUE(raw_fd_readdir(fd, bytes, sizeof bytes, 0, &done) != 0);
  TRUE(raw_path_unlink_file(fd, P("x")) != 0);
  TRUE(raw_sock_shutdown(fd, 1) != 0);
  IS_OR(raw_sock_accept(fd, 0, &done), NOTSOCK, BADF);
}

static void reading(void) {
  char text[6];
  __wasi_iovec_t in[2] = {{(uint8_t *)text, 2}, {(uint8_t *)text + 2, 4}};
  OK(raw_fd_read(0, in, 2, &done));
  TRUE(done == 6 && memcmp(text, "input\n", 6) == 0);
  OK(raw_fd_read(0, in, 2, &done));
  EQUAL(done, 0);
}

int main(int argc, char **argv) {
  for (uint32_t fd = 0; fd < 3 && (int)fd + 1 < argc; fd++) {
    if (strcmp(argv[fd + 1], "closed") == 0)
      closed(fd);
    else
      stream(fd, argv[fd + 1]);
  }
  if (argc > 4 && strcmp(argv[4], "input") == 0) reading();
  __wasi_ciovec_t out = {(const uint8_t *)"error\n", 6};
  if (argc > 3 && strcmp(argv[3], "closed") != 0) OK(raw_fd_write(2, &out, 1, &done));
  if (argc > 2 && strcmp(argv[2], "closed") == 0) return check_failures ? 1 : 0;
  return check_end();
}
