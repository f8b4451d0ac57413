/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Making, removing, renaming and linking names, each with every kind of thing in its way. */
#include "check.h"

static int32_t make_directory(const char *path) { return raw_path_create_directory(ROOT, P(path)); }
static int32_t remove_directory(const char *path) { return raw_path_remove_directory(ROOT, P(path)); }
static int32_t unlink_file(const char *path) { return raw_path_unlink_file(ROOT, P(path)); }
static int32_t move(const char *from, const char *to) { return raw_path_rename(ROOT, P(from), ROOT, P(to)); }
static int32_t link(const char *from, const char *to) { return raw_path_link(ROOT, 0, P(from), ROOT, P(to)); }
static int32_t point(const char *target, const char *path) { return raw_path_symlink(P(target), ROOT, P(path)); }

static char long_name[257];

static uint8_t type_of(const char *path, uint32_t lookup) {
  struct raw_stat stat = {0};
  int32_t error = stat_at(path, lookup, &stat);
  return error ? 0xFF : stat.type;
}

/* What the other tests find: f, g, d/f, e (empty), lf (to f), ld (to d), l0 (to nothing). */
static void prepare(void) {
  make_file("f", "f");
  make_file("g", "g");
  OK(make_directory("d"));
  OK(make_directory("e"));
  make_file("d/f", "d/f");
  OK(point("f", "lf"));
  OK(point("d", "ld"));
  OK(point("nothing", "l0"));
}

static void directories(void) {
  OK(make_directory("new"));
  EQUAL(type_of("new", 0), __WASI_FILETYPE_DIRECTORY);
  OK(make_directory("new/slash/"));
  static const char *const there[] = {"new", "f", "lf", "ld", "l0", ".", "d/", "d/..", "./d"};
  for (int i = 0; i < 9; i++) IN_CASE(IS(make_directory(there[i]), EXIST), "%s", there[i]);
  IS(make_directory("nothing/new"), NOENT);
  IS(make_directory("f/new"), NOTDIR);
  IS(make_directory(""), NOENT);
  IS(make_directory(long_name), NAMETOOLONG);
  IS_OR(raw_path_create_directory(ROOT, "a\0b", 3), INVAL, ILSEQ);
  OK(make_directory("ld/through"));
  EQUAL(type_of("d/through", 0), __WASI_FILETYPE_DIRECTORY);
  OK(remove_directory("ld/through"));
  OK(remove_directory("new/slash/"));
  OK(remove_directory("new"));
  IS(remove_directory("new"), NOENT);
  IS_OR(remove_directory("d"), NOTEMPTY, EXIST);
  IS(remove_directory("f"), NOTDIR);
  IS(remove_directory("lf"), NOTDIR);
  IS(remove_directory("ld"), NOTDIR);
  IS(remove_directory("ld/"), NOTDIR);
  IS(remove_directory("l0"), NOTDIR);
  IS(remove_directory("f/x"), NOTDIR);
  IS(remove_directory(""), NOENT);
  IS(remove_directory(long_name), NAMETOOLONG);
  IS_OR(remove_directory("e/."), INVAL, NOTEMPTY);
  TRUE(remove_directory(".") != 0);
  TRUE(remove_directory("d/..") != 0);
  EQUAL(type_of("e", 0), __WASI_FILETYPE_DIRECTORY);
}

static void unlinking(void) {
  make_file("x", "");
  OK(unlink_file("x"));
  IS(unlink_file("x"), NOENT);
  OK(point("d", "x"));
  OK(unlink_file("x"));
  EQUAL(type_of("d", 0), __WASI_FILETYPE_DIRECTORY);
  IS_OR(unlink_file("d"), ISDIR, PERM);
  IS_OR(unlink_file("e"), ISDIR, PERM);
  IS_OR(unlink_file("e/"), ISDIR, NOTDIR);
  IS_OR(unlink_file("."), ISDIR, PERM);
  IS(unlink_file("f/"), NOTDIR);
  IS(unlink_file("f/x"), NOTDIR);
  IS_OR(unlink_file("ld/"), NOTDIR, ISDIR);
  IS(unlink_file(""), NOENT);
  IS(unlink_file(long_name), NAMETOOLONG);
  TRUE(exists("f") && exists("ld") && exists("e"));
}

static void renaming_files(void) {
  OK(move("f", "f2"));
  TRUE(!exists("f") && holds("f2", "f"));
  OK(move("f2", "f"));
  make_file("victim", "victim");
  OK(move("f", "victim"));
  TRUE(!exists("f") && holds("victim", "f"));
  OK(move("victim", "f"));
  OK(move("f", "f"));
  TRUE(holds("f", "f"));
  OK(move("f", "d/../d/moved"));
  OK(move("ld/moved", "f"));
  IS(move("f", "d"), ISDIR);
  IS(move("f", "e"), ISDIR);
  IS(move("nothing", "y"), NOENT);
  IS(move("f", "nothing/y"), NOENT);
  IS(move("f/x", "y"), NOTDIR);
  IS(move("f", "g/x"), NOTDIR);
  IS(move("f/", "y"), NOTDIR);
  IS_OR(move("f", "y/"), NOTDIR, NOENT);
  IS(move("", "y"), NOENT);
  IS(move("f", ""), NOENT);
  IS(move("f", long_name), NAMETOOLONG);
  IS(move(long_name, "f"), NAMETOOLONG);
  TRUE(holds("f", "f") && holds("g", "g") && !exists("y"));
  /* Links are moved themselves, and replaced themselves. */
  OK(move("lf", "lf2"));
  EQUAL(type_of("lf2", 0), __WASI_FILETYPE_SYMBOLIC_LINK);
  OK(move("lf2", "lf"));
  make_file("over", "over");
  OK(point("g", "to-g"));
  OK(move("over", "to-g"));
  TRUE(holds("g", "g") && holds("to-g", "over"));
  OK(unlink_file("to-g"));
}

static void renaming_directories(void) {
  OK(move("d", "d2"));
  TRUE(holds("d2/f", "d/f") && !exists("d"));
  OK(move("d2/", "d"));
  OK(move("d", "e"));
  TRUE(holds("e/f", "d/f") && !exists("d"));
  OK(move("e", "d"));
  OK(make_directory("e"));
  IS(move("d", "f"), NOTDIR);
  IS_OR(move("e", "d"), NOTEMPTY, EXIST);
  IS(move("d", "d/inside"), INVAL);
  OK(move("d", "d"));
  TRUE(move(".", "y") != 0);
  TRUE(move("d", ".") != 0);
  TRUE(move("d/..", "y") != 0);
  OK(move("ld", "ld2"));
  EQUAL(type_of("ld2", 0), __WASI_FILETYPE_SYMBOLIC_LINK);
  OK(move("ld2", "ld"));
  TRUE(holds("d/f", "d/f"));
}

static void hard_links(void) {
  struct raw_stat one = {0}, other = {0};
  OK(link("f", "h"));
  OK(stat_at("f", 0, &one));
  OK(stat_at("h", 0, &other));
  TRUE(one.inode == other.inode && one.links == 2 && other.links == 2);
  OK(move("f", "h"));
  TRUE(exists("f") && exists("h"));
  make_file("h", "both");
  TRUE(holds("f", "both"));
  OK(unlink_file("h"));
  OK(stat_at("f", 0, &one));
  EQUAL(one.links, 1);
  make_file("f", "f");
  static const char *const there[] = {"g", "d", "e", "lf", "ld", "l0"};
  for (int i = 0; i < 6; i++) IN_CASE(IS(link("f", there[i]), EXIST), "%s", there[i]);
  IS(link("f", "f"), EXIST);
  IS_OR(link("d", "y"), PERM, ACCES);
  IS(link("nothing", "y"), NOENT);
  IS(link("f", "nothing/y"), NOENT);
  IS(link("f/x", "y"), NOTDIR);
  IS(link("f", "g/y"), NOTDIR);
  IS(link("f/", "y"), NOTDIR);
  IS_OR(link("f", "y/"), NOENT, NOTDIR);
  IS(link("", "y"), NOENT);
  IS(link("f", ""), NOENT);
  IS(link("f", long_name), NAMETOOLONG);
  /* The link itself, or what it points to. */
  OK(link("lf", "y"));
  EQUAL(type_of("y", 0), __WASI_FILETYPE_SYMBOLIC_LINK);
  OK(unlink_file("y"));
  OK(link("l0", "y"));
  OK(unlink_file("y"));
  int32_t error = raw_path_link(ROOT, FOLLOW, P("lf"), ROOT, P("y"));
  IS_OR(error, SUCCESS, INVAL);
  if (error == 0) {
    EQUAL(type_of("y", 0), __WASI_FILETYPE_REGULAR_FILE);
    OK(unlink_file("y"));
  }
  TRUE(raw_path_link(ROOT, FOLLOW, P("l0"), ROOT, P("y")) != 0);
  TRUE(!exists("y"));
}

static void symbolic_links(void) {
  OK(point("f", "s"));
  TRUE(holds("s", "f"));
  EQUAL(type_of("s", 0), __WASI_FILETYPE_SYMBOLIC_LINK);
  EQUAL(type_of("s", FOLLOW), __WASI_FILETYPE_REGULAR_FILE);
  OK(unlink_file("s"));
  static const char *const there[] = {"g", "d", "lf", "l0"};
  for (int i = 0; i < 4; i++) IN_CASE(IS(point("f", there[i]), EXIST), "%s", there[i]);
  IS(point("f", "nothing/s"), NOENT);
  IS(point("f", "f/s"), NOTDIR);
  IS(point("f", ""), NOENT);
  IS_OR(point("", "s"), NOENT, INVAL);
  IS(point("f", long_name), NAMETOOLONG);
  TRUE(point("f", "s/") != 0);
  IS_OR(raw_path_symlink("a\0b", 3, ROOT, P("s")), INVAL, ILSEQ);
  IS_OR(point("/etc/passwd", "s"), NOTCAPABLE, PERM);
  TRUE(!exists("s"));
  /* Where it leads is looked at when it is followed. */
  OK(point("../../..", "s"));
  struct raw_stat stat;
  IS_OR(stat_at("s", FOLLOW, &stat), NOTCAPABLE, PERM);
  OK(unlink_file("s"));
}

static void reading_links(void) {
  char text[300];
  uint32_t used = 0;
  memset(text, '.', sizeof text);
  OK(point("d/../d/f", "s"));
  OK(raw_path_readlink(ROOT, P("s"), text, sizeof text, &used));
  TRUE(used == 8 && memcmp(text, "d/../d/f..", 10) == 0);
  memset(text, '.', sizeof text);
  OK(raw_path_readlink(ROOT, P("s"), text, 4, &used));
  TRUE(used == 4 && memcmp(text, "d/....", 6) == 0);
  OK(raw_path_readlink(ROOT, P("s"), text, 8, &used));
  EQUAL(used, 8);
  IS(raw_path_readlink(ROOT, P("f"), text, sizeof text, &used), INVAL);
  IS(raw_path_readlink(ROOT, P("d"), text, sizeof text, &used), INVAL);
  IS(raw_path_readlink(ROOT, P("nothing"), text, sizeof text, &used), NOENT);
  IS(raw_path_readlink(ROOT, P("f/x"), text, sizeof text, &used), NOTDIR);
  IS(raw_path_readlink(ROOT, P(""), text, sizeof text, &used), NOENT);
  IS(raw_path_readlink(ROOT, P(long_name), text, sizeof text, &used), NAMETOOLONG);
  OK(unlink_file("s"));
}

static void attributes(void) {
  struct raw_stat stat = {0};
  EQUAL(type_of("f", 0), __WASI_FILETYPE_REGULAR_FILE);
  EQUAL(type_of("d", 0), __WASI_FILETYPE_DIRECTORY);
  EQUAL(type_of(".", 0), __WASI_FILETYPE_DIRECTORY);
  EQUAL(type_of("ld", 0), __WASI_FILETYPE_SYMBOLIC_LINK);
  EQUAL(type_of("ld", FOLLOW), __WASI_FILETYPE_DIRECTORY);
  EQUAL(type_of("ld/", 0), __WASI_FILETYPE_DIRECTORY);
  EQUAL(type_of("l0", 0), __WASI_FILETYPE_SYMBOLIC_LINK);
  OK(stat_at("ld", 0, &stat));
  EQUAL(stat.size, 1);
  IS(stat_at("l0", FOLLOW, &stat), NOENT);
  IS(stat_at("nothing", 0, &stat), NOENT);
  IS(stat_at("f/", 0, &stat), NOTDIR);
  IS(stat_at("f/x", 0, &stat), NOTDIR);
  IS(stat_at("lf/", FOLLOW, &stat), NOTDIR);
  IS(stat_at("", 0, &stat), NOENT);
  IS(stat_at(long_name, 0, &stat), NAMETOOLONG);
}

int main(void) {
  memset(long_name, 'n', 256);
  prepare();
  attributes();
  directories();
  unlinking();
  renaming_files();
  renaming_directories();
  hard_links();
  symbolic_links();
  reading_links();
  return check_end();
}
