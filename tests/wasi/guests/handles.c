/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The table of handles: numbers, closing, renumbering, preopened directories, and running out of them. With the argument
 * "limit" the host allows few open files. */
#include "check.h"

static void preopened(void) {
  __wasi_prestat_t about = {0};
  char name[] = "................";
  OK(raw_fd_prestat_get(ROOT, &about));
  EQUAL(about.tag, 0);
  EQUAL(about.u.dir.pr_name_len, 2);
  OK(raw_fd_prestat_dir_name(ROOT, name, 2));
  TRUE(memcmp(name, "/d..............", 16) == 0);
  IS_OR(raw_fd_prestat_dir_name(ROOT, name, 1), NAMETOOLONG, INVAL);
  IS_OR(raw_fd_prestat_dir_name(ROOT, name, 0), NAMETOOLONG, INVAL);
  OK(raw_fd_prestat_dir_name(ROOT, name, 16));
  for (uint32_t fd = 0; fd < 3; fd++) IS_OR(raw_fd_prestat_get(fd, &about), BADF, NOTSUP);
  IS(raw_fd_prestat_get(ROOT + 1, &about), BADF);
  uint32_t directory = must_open(".", DIRECTORY, DIRECTORY_RIGHTS);
  IS_OR(raw_fd_prestat_get(directory, &about), BADF, NOTSUP);
  IS_OR(raw_fd_prestat_dir_name(directory, name, 16), BADF, NOTDIR);
  OK(raw_fd_close(directory));
}

static void numbers(void) {
  uint32_t a = must_open("a", CREAT, FILE_RIGHTS), b = must_open("b", CREAT, FILE_RIGHTS);
  TRUE(a != b && a > 3 && b > 3);
  OK(raw_fd_close(a));
  EQUAL(must_open("a", 0, FILE_RIGHTS), a);
  OK(raw_fd_close(a));
  IS(raw_fd_close(a), BADF);
  OK(raw_fd_close(b));
}

static void renumbering(void) {
  make_file("from", "from");
  make_file("to", "to");
  uint32_t from = must_open("from", 0, FILE_RIGHTS), to = must_open("to", 0, FILE_RIGHTS), done;
  char text[8];
  __wasi_iovec_t in = {(uint8_t *)text, 2};
  OK(raw_fd_read(from, &in, 1, &done));
  OK(raw_fd_renumber(from, to));
  IS(raw_fd_close(from), BADF);
  OK(raw_fd_read(to, &in, 1, &done));
  TRUE(memcmp(text, "om", 2) == 0);
  OK(raw_fd_renumber(to, to));
  OK(raw_fd_read(to, &in, 1, &done));
  EQUAL(done, 0);
  /* A number that is free is none to move to. */
  IS(raw_fd_renumber(to, from), BADF);
  IS(raw_fd_renumber(to, 12345), BADF);
  EQUAL(must_open("from", 0, FILE_RIGHTS), from);
  OK(raw_fd_close(from));
  OK(raw_fd_close(to));
  /* A directory moves like any other handle, and is no preopened one any more when it replaces one. */
  uint32_t directory = must_open(".", DIRECTORY, DIRECTORY_RIGHTS), file;
  OK(raw_fd_renumber(directory, 0));
  OK(open_at(0, "from", 0, 0, READ, 0, &file));
  OK(raw_fd_close(file));
  OK(raw_fd_close(0));
  IS(raw_fd_close(0), BADF);
  EQUAL(must_open("to", 0, READ), 0);
  OK(raw_fd_close(0));
}

static void limit(void) {
  uint32_t fds[1000], count = 0;
  int32_t error = 0;
  while (count < 1000 && (error = open_at(ROOT, "from", 0, CREAT, READ, 0, &fds[count])) == 0) count++;
  TRUE(count > 10 && count < 1000);
  IS_OR(error, MFILE, NFILE);
  OK(raw_fd_close(fds[count / 2]));
  OK(open_at(ROOT, "from", 0, 0, READ, 0, &fds[count / 2]));
  while (count > 0) OK(raw_fd_close(fds[--count]));
}

/* Whoever closes the preopened directory has nothing left. */
static void last(void) {
  uint32_t fd;
  OK(raw_fd_close(ROOT));
  IS(open_at(ROOT, "from", 0, 0, READ, 0, &fd), BADF);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "limit") == 0) {
    limit();
    return check_end();
  }
  preopened();
  numbers();
  renumbering();
  last();
  return check_end();
}
