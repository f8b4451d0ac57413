/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* path_open: flags, kinds of files, spellings of paths. The runner has put there: file (with "file"), dir/inside, link
 * (to file), dirlink (to dir), dangling (to nothing), loop (to itself), fifo, and socket. */
#include "check.h"

static uint32_t fd;

static int32_t try_open(const char *path, uint32_t lookup, uint32_t oflags, uint64_t rights) {
  int32_t error = open_at(ROOT, path, lookup, oflags, rights, 0, &fd);
  if (error == 0 && raw_fd_close(fd) != 0) printf("%s cannot be closed\n", path);
  return error;
}

static uint8_t type_of_open(const char *path, uint32_t lookup, uint32_t oflags, uint64_t rights) {
  __wasi_fdstat_t stat = {0};
  if (open_at(ROOT, path, lookup, oflags, rights, 0, &fd) != 0) return 0;
  OK(raw_fd_fdstat_get(fd, &stat));
  raw_fd_close(fd);
  return stat.fs_filetype;
}

static void creating(void) {
  IS(try_open("new", 0, 0, FILE_RIGHTS), NOENT);
  IS(try_open("new", 0, TRUNC, FILE_RIGHTS), NOENT);
  OK(try_open("new", 0, CREAT, FILE_RIGHTS));
  OK(try_open("new", 0, CREAT, FILE_RIGHTS));
  IS(try_open("new", 0, CREAT | EXCL, FILE_RIGHTS), EXIST);
  OK(try_open("new2", 0, CREAT | EXCL, FILE_RIGHTS));
  OK(try_open("new3", 0, CREAT, READ));
  IS(try_open("link", 0, CREAT | EXCL, FILE_RIGHTS), EXIST);
  IS(try_open("dangling", 0, CREAT | EXCL, FILE_RIGHTS), EXIST);
  IS(try_open("dangling", FOLLOW, CREAT | EXCL, FILE_RIGHTS), EXIST);
  IS(try_open("dir", 0, CREAT | EXCL, FILE_RIGHTS), EXIST);
  IS(try_open("nothing/new", 0, CREAT, FILE_RIGHTS), NOENT);
  IS(try_open("file/new", 0, CREAT, FILE_RIGHTS), NOTDIR);
  TRUE(try_open("new4/", 0, CREAT, FILE_RIGHTS) != 0);
  TRUE(!exists("new4"));
  IS(try_open("made", 0, CREAT | DIRECTORY, READ), INVAL);
  TRUE(!exists("made"));
  OK(try_open("dangling", FOLLOW, CREAT, FILE_RIGHTS));
  TRUE(exists("nowhere"));
}

static void truncating(void) {
  make_file("cut", "0123456789");
  OK(try_open("cut", 0, TRUNC, FILE_RIGHTS));
  TRUE(holds("cut", ""));
  make_file("cut", "0123456789");
  OK(try_open("cut", 0, CREAT | TRUNC, WRITE));
  TRUE(holds("cut", ""));
  IS_OR(try_open("dir", 0, TRUNC, READ | WRITE), ISDIR, INVAL);
}

static void kinds(void) {
  EQUAL(type_of_open("file", 0, 0, READ), __WASI_FILETYPE_REGULAR_FILE);
  EQUAL(type_of_open("dir", 0, 0, READ), __WASI_FILETYPE_DIRECTORY);
  EQUAL(type_of_open("dir", 0, DIRECTORY, READ), __WASI_FILETYPE_DIRECTORY);
  EQUAL(type_of_open("dir", 0, DIRECTORY, 0), __WASI_FILETYPE_DIRECTORY);
  EQUAL(type_of_open("file", 0, 0, 0), __WASI_FILETYPE_REGULAR_FILE);
  EQUAL(type_of_open("link", FOLLOW, 0, READ), __WASI_FILETYPE_REGULAR_FILE);
  EQUAL(type_of_open("dirlink", FOLLOW, DIRECTORY, READ), __WASI_FILETYPE_DIRECTORY);
  IS(try_open("file", 0, DIRECTORY, READ), NOTDIR);
  IS(try_open("link", FOLLOW, DIRECTORY, READ), NOTDIR);
  IS(try_open("link", 0, 0, READ), LOOP);
  IS_OR(try_open("dirlink", 0, DIRECTORY, READ), LOOP, NOTDIR);
  IS(try_open("dangling", 0, 0, READ), LOOP);
  IS(try_open("dangling-too", FOLLOW, 0, READ), NOENT);
  IS(try_open("loop", FOLLOW, 0, READ), LOOP);
  IS(try_open("loop", 0, 0, READ), LOOP);
  IS(try_open("loop/x", 0, 0, READ), LOOP);
  IS(try_open("dir", 0, 0, WRITE | __WASI_RIGHTS_FD_SEEK), ISDIR);
  /* Neither may block the guest. */
  try_open("fifo", 0, 0, READ);
  try_open("fifo", 0, 0, WRITE);
  TRUE(try_open("socket", 0, 0, READ) != 0);
}

static void spellings(void) {
  static const char *const good[] = {
      "./file",      "dir/../file",     ".//file",      "dir/./../dir/inside",      "dirlink/inside",
      "dir//inside", "dirlink/../file", "././././file", "dir/../dir/../dir/../file"};
  for (unsigned i = 0; i < sizeof good / sizeof *good; i++) IN_CASE(OK(try_open(good[i], 0, 0, READ)), "%s", good[i]);
  static const char *const directories[] = {".", "./", "dir/", "dir//", "dir/.", "dir/..", "dirlink/", "dirlink/."};
  for (unsigned i = 0; i < sizeof directories / sizeof *directories; i++)
    IN_CASE(EQUAL(type_of_open(directories[i], 0, 0, READ), __WASI_FILETYPE_DIRECTORY), "%s", directories[i]);
  static const char *const not_directories[] = {"file/", "file/.", "file/..",    "file/x",
                                                "link/", "link/x", "dir/inside/"};
  for (unsigned i = 0; i < sizeof not_directories / sizeof *not_directories; i++)
    IN_CASE(IS(try_open(not_directories[i], FOLLOW, 0, READ), NOTDIR), "%s", not_directories[i]);
  IS(try_open("", 0, 0, READ), NOENT);
  IS(try_open("nothing/../file", 0, 0, READ), NOENT);
  IS_OR(raw_path_open(ROOT, 0, "fi\0le", 5, 0, READ, 0, 0, &fd), INVAL, ILSEQ);
  IS_OR(raw_path_open(ROOT, 0, "file\0", 5, 0, READ, 0, 0, &fd), INVAL, ILSEQ);
  OK(raw_path_open(ROOT, 0, "file and more", 4, 0, READ, 0, 0, &fd));
  OK(raw_fd_close(fd));
}

static void lengths(void) {
  static char path[70000];
  memset(path, 'n', sizeof path);
  IS(raw_path_open(ROOT, 0, path, 256, CREAT, FILE_RIGHTS, 0, 0, &fd), NAMETOOLONG);
  OK(raw_path_open(ROOT, 0, path, 255, CREAT, FILE_RIGHTS, 0, 0, &fd));
  OK(raw_fd_close(fd));
  for (size_t i = 0; i < sizeof path; i++) path[i] = i % 2 ? '/' : '.';
  IS(raw_path_open(ROOT, 0, path, 65536, 0, READ, 0, 0, &fd), NAMETOOLONG);
  IS(raw_path_open(ROOT, 0, path, 4097, 0, READ, 0, 0, &fd), NAMETOOLONG);
  OK(raw_path_open(ROOT, 0, path, 4001, 0, READ, 0, 0, &fd));
  OK(raw_fd_close(fd));
}

static void names(void) {
  static const char *const odd[] = {" ",  "...",  "-", "a\nb", "\xC3\xBC", "\xF0\x9F\x98\x80",
                                    "C:", "a\\b", "~", "*",    "CON"};
  for (unsigned i = 0; i < sizeof odd / sizeof *odd; i++) {
    IN_CASE(OK(try_open(odd[i], 0, CREAT | EXCL, FILE_RIGHTS)), "%s", odd[i]);
    IN_CASE(OK(raw_path_unlink_file(ROOT, P(odd[i]))), "%s", odd[i]);
  }
  IS_OR(try_open("\xFF\xFE", 0, CREAT, FILE_RIGHTS), SUCCESS, ILSEQ);
}

static void flags(void) {
  IS(raw_path_open(ROOT, 0, P("file"), 16, READ, 0, 0, &fd), INVAL);
  IS(raw_path_open(ROOT, 0, P("file"), 0xFFFF, READ, 0, 0, &fd), INVAL);
  IS(raw_path_open(ROOT, 0, P("file"), 0, READ, 0, 32, &fd), INVAL);
  IS(raw_path_open(ROOT, 0, P("file"), 0, READ, 0, 0xFFFF, &fd), INVAL);
}

/* A handle has what was asked for, as far as it makes sense. */
static void rights(void) {
  __wasi_fdstat_t stat = {0};
  uint32_t file = must_open("file", 0, READ | __WASI_RIGHTS_FD_SEEK);
  OK(raw_fd_fdstat_get(file, &stat));
  TRUE((stat.fs_rights_base & READ) && !(stat.fs_rights_base & WRITE));
  OK(raw_fd_close(file));
  file = must_open("file", 0, ALL_RIGHTS & ~WRITE);
  OK(raw_fd_fdstat_get(file, &stat));
  TRUE(!(stat.fs_rights_base & (WRITE | __WASI_RIGHTS_PATH_OPEN)));
  OK(raw_fd_close(file));
}

/* Directories below can be opened from, not only the preopened one. */
static void deeper(void) {
  uint32_t dir = must_open("dir", DIRECTORY, DIRECTORY_RIGHTS), file = 0;
  OK(open_at(dir, "inside", 0, 0, READ, 0, &file));
  OK(raw_fd_close(file));
  IS(open_at(dir, "file", 0, 0, READ, 0, &file), NOENT);
  IS_OR(open_at(dir, "../file", 0, 0, READ, 0, &file), NOTCAPABLE, PERM);
  OK(raw_fd_close(dir));
  file = must_open("file", 0, FILE_RIGHTS);
  uint32_t other = 0;
  IS_OR(open_at(file, "x", 0, 0, READ, 0, &other), NOTDIR, NOTCAPABLE);
  OK(raw_fd_close(file));
}

int main(void) {
  kinds();
  spellings();
  creating();
  truncating();
  lengths();
  names();
  flags();
  rights();
  deeper();
  return check_end();
}
