/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Ways out of a directory, tried with every function that takes a path. The runner has put outside of the directory
 * `secret` and `folder/`, inside of it dir/file and links: abs (to the absolute path of secret), rel (../secret), outdir
 * (..), absdir (absolute, to the folder above), chain (to rel), deep (dir/../../secret), proc (/proc/self/fd), and in
 * (to dir). It checks afterwards that nothing outside has changed. */
#include "check.h"

static uint32_t fd, done;
static unsigned char bytes[256];

/* Refused; where the path leads through something that is not there, that is as good an answer. */
static bool refused(int32_t error, int line, const char *what, const char *path) {
  bool is_missing = strncmp(path, "nothing", 7) == 0 || strncmp(path, "....", 4) == 0;
  bool good = check_result(error, E(NOTCAPABLE), E(PERM), is_missing ? E(NOENT) : E(PERM), line, what, "NOTCAPABLE");
  IN_CASE(good, "%s", path);
  return good;
}
#define REFUSED(call) refused((call), __LINE__, #call, path)

static int32_t opened(const char *path, uint32_t lookup, uint32_t oflags, uint64_t rights) {
  int32_t error = open_at(ROOT, path, lookup, oflags, rights, 0, &fd);
  if (error == 0) raw_fd_close(fd);
  return error;
}

/* `path` leads out before its last component, or its last component is "..". */
static void leads_out(const char *path) {
  REFUSED(opened(path, 0, 0, READ));
  REFUSED(opened(path, FOLLOW, 0, READ));
  REFUSED(opened(path, FOLLOW, DIRECTORY, READ));
  REFUSED(opened(path, 0, CREAT, FILE_RIGHTS));
  REFUSED(opened(path, FOLLOW, CREAT | TRUNC, FILE_RIGHTS));
  REFUSED(raw_path_filestat_get(ROOT, 0, P(path), bytes));
  REFUSED(raw_path_filestat_get(ROOT, FOLLOW, P(path), bytes));
  REFUSED(raw_path_filestat_set_times(ROOT, 0, P(path), 0, 0, 5));
  REFUSED(raw_path_filestat_set_times(ROOT, FOLLOW, P(path), 0, 0, 5));
  REFUSED(raw_path_create_directory(ROOT, P(path)));
  REFUSED(raw_path_remove_directory(ROOT, P(path)));
  REFUSED(raw_path_unlink_file(ROOT, P(path)));
  REFUSED(raw_path_rename(ROOT, P(path), ROOT, P("stolen")));
  REFUSED(raw_path_rename(ROOT, P("dir/file"), ROOT, P(path)));
  REFUSED(raw_path_link(ROOT, 0, P(path), ROOT, P("stolen")));
  REFUSED(raw_path_link(ROOT, 0, P("dir/file"), ROOT, P(path)));
  REFUSED(raw_path_symlink(P("dir"), ROOT, P(path)));
  REFUSED(raw_path_readlink(ROOT, P(path), bytes, sizeof bytes, &done));
}

/* The last component is a link that leads out: following it is refused, the link itself is the guest's. */
static void ends_in_link(const char *path) {
  REFUSED(opened(path, FOLLOW, 0, READ));
  REFUSED(opened(path, FOLLOW, CREAT, FILE_RIGHTS));
  REFUSED(opened(path, FOLLOW, TRUNC, FILE_RIGHTS));
  REFUSED(opened(path, FOLLOW, DIRECTORY, READ));
  REFUSED(raw_path_filestat_get(ROOT, FOLLOW, P(path), bytes));
  REFUSED(raw_path_filestat_set_times(ROOT, FOLLOW, P(path), 0, 0, 5));
  int32_t error = raw_path_link(ROOT, FOLLOW, P(path), ROOT, P("stolen"));
  if (error != E(INVAL)) REFUSED(error);
  IN_CASE(IS(opened(path, 0, 0, READ), LOOP), "%s", path);
  IN_CASE(OK(raw_path_filestat_get(ROOT, 0, P(path), bytes)), "%s", path);
  IN_CASE(EQUAL(bytes[16], __WASI_FILETYPE_SYMBOLIC_LINK), "%s", path);
}

static void below(void) {
  const char *path = "(from dir)";
  uint32_t dir = must_open("dir", DIRECTORY, DIRECTORY_RIGHTS);
  REFUSED(open_at(dir, "..", 0, DIRECTORY, READ, 0, &fd));
  REFUSED(open_at(dir, "../..", 0, DIRECTORY, READ, 0, &fd));
  REFUSED(open_at(dir, "../dir/file", 0, 0, READ, 0, &fd));
  REFUSED(open_at(dir, "../outdir/secret", 0, 0, READ, 0, &fd));
  OK(raw_fd_close(dir));
  dir = must_open("dir/", DIRECTORY, DIRECTORY_RIGHTS);
  REFUSED(raw_path_rename(dir, P("file"), ROOT, P("../stolen")));
  REFUSED(raw_path_rename(dir, P("../dir/file"), ROOT, P("stolen")));
  REFUSED(raw_path_link(ROOT, 0, P("dir/file"), dir, P("../../stolen")));
  OK(raw_fd_close(dir));
}

/* A directory that is moved up while it is open does not lead further up than before. */
static void moved(void) {
  const char *path = "(moved)";
  OK(raw_path_create_directory(ROOT, P("a")));
  OK(raw_path_create_directory(ROOT, P("a/b")));
  OK(raw_path_create_directory(ROOT, P("a/b/c")));
  uint32_t c = must_open("a/b/c", DIRECTORY, DIRECTORY_RIGHTS);
  OK(raw_path_rename(ROOT, P("a/b/c"), ROOT, P("c")));
  REFUSED(open_at(c, "../../secret", 0, 0, READ, 0, &fd));
  REFUSED(open_at(c, "../secret", 0, 0, READ, 0, &fd));
  REFUSED(open_at(c, "..", 0, DIRECTORY, READ, 0, &fd));
  OK(raw_fd_close(c));
}

/* The second preopened directory is the host's /proc. */
static void magic_links(void) {
  static const char *const paths[] = {"self/cwd",
                                      "self/root",
                                      "self/exe",
                                      "self/fd/0",
                                      "self/root/etc/passwd",
                                      "self/cwd/secret",
                                      "self/task/../root/etc/passwd",
                                      "thread-self/root/etc"};
  __wasi_prestat_t about;
  if (raw_fd_prestat_get(ROOT + 1, &about) != 0) return;
  for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
    int32_t error = open_at(ROOT + 1, paths[i], FOLLOW, 0, READ, 0, &fd);
    IN_CASE(
        TRUE(error == E(NOTCAPABLE) || error == E(LOOP) || error == E(PERM) || error == E(ACCES) || error == E(NOENT)),
        "%s", paths[i]);
  }
}

int main(void) {
  static const char *const ways[] = {"/",
                                     "//",
                                     "/etc/passwd",
                                     "/secret",
                                     "..",
                                     "../",
                                     "../.",
                                     "../secret",
                                     "../folder",
                                     "../folder/new",
                                     "./..",
                                     "./../secret",
                                     "dir/../..",
                                     "dir/../../secret",
                                     "dir/../../folder/new",
                                     "dir/./.././../secret",
                                     "in/../../secret",
                                     "in/../..",
                                     "outdir/secret",
                                     "outdir/folder",
                                     "outdir/new",
                                     "outdir/folder/new",
                                     "absdir/secret",
                                     "absdir/new",
                                     "outdir/../secret",
                                     "dir/../outdir/secret",
                                     "proc/0",
                                     "../../../../../../../../etc/passwd",
                                     "....//../secret",
                                     ".././secret",
                                     "dir/..//..//secret",
                                     "nothing/../../secret",
                                     "outdir/inside/dir/file"};
  for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) leads_out(ways[i]);
  static const char *const links[] = {"abs", "rel", "outdir", "absdir", "chain", "deep", "proc"};
  for (unsigned i = 0; i < sizeof links / sizeof *links; i++) ends_in_link(links[i]);
  below();
  moved();
  magic_links();
  /* Not every ".." is a way out. */
  OK(opened("dir/../dir/file", 0, 0, READ));
  OK(opened("in/../dir/file", 0, 0, READ));
  OK(opened("in/file", 0, 0, READ));
  TRUE(!exists("stolen"));
  return check_end();
}
