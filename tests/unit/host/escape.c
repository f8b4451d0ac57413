/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The escape corpus: every path operation on every hostile path, with the kernel's resolver, with the walker and in an
 * overlay. Nothing outside the granted directory may be read, changed or even noticed; and what lies inside has to stay reachable. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "scratch.h"

static enum host_resolver resolver;
static bool has_overlay;
static unsigned grants;

static struct host_object *grant_root(uint32_t rights) {
  struct host_object *root = grant("root", rights, resolver);
  static char folder[32];
  snprintf(folder, sizeof folder, "changes%u", ++grants);
  if (has_overlay && host_directory_set_overlay(root, folder, 0, NULL)) abort();
  return root;
}

/* Layout: root/ is granted; secret and outside/ are not. */
static void build(void) {
  mkdir("root", 0755), mkdir("root/dir", 0755), mkdir("root/dir/sub", 0755), mkdir("outside", 0755);
  write_file("secret", "SECRET"), write_file("outside/file", "SECRET");
  write_file("root/file", "inside"), write_file("root/dir/file", "inside"), write_file("root/dir/sub/file", "inside");
  static const char *const links[][2] = {{"file", "root/in"},
                                         {"dir", "root/indir"},
                                         {"in", "root/chain1"},
                                         {"chain1", "root/chain2"},
                                         {"../file", "root/dir/up"},
                                         {"../dir/sub/../file", "root/dir/round"},
                                         {".", "root/self"},
                                         {"loop2", "root/loop1"},
                                         {"loop1", "root/loop2"},
                                         {"nowhere", "root/dangling"},
                                         {"../secret", "root/out"},
                                         {"../../secret", "root/dir/out"},
                                         {"../outside", "root/outdir"},
                                         {"dir/../../secret", "root/out_by_dir"},
                                         {"out", "root/out_chain"},
                                         {"outdir/file", "root/out_by_link"},
                                         {"/etc/passwd", "root/absolute"},
                                         {"/", "root/slash"},
                                         {"/proc/self/root/etc/passwd", "root/proc_root"},
                                         {"/proc/self/fd/0", "root/proc_fd"},
                                         {"/proc/self/cwd/secret", "root/proc_cwd"},
                                         {"..", "root/parent"},
                                         {"../root/file", "root/out_and_in"},
                                         {"../newfile", "root/out_new"},
                                         {"./././../secret", "root/dots_out"},
                                         {"dir/", "root/indir_slash"}};
  for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
    if (symlink(links[i][0], links[i][1]) != 0) abort();
}

static const char *const outside_paths[] = {"/etc/passwd",
                                            "//etc/passwd",
                                            "/",
                                            "..",
                                            "../",
                                            "../secret",
                                            "../outside/file",
                                            "./../secret",
                                            ".//..//secret",
                                            "dir/../../secret",
                                            "dir/sub/../../../secret",
                                            "dir/../dir/../../outside/file",
                                            "../root/file",
                                            "dir/../../root/file",
                                            "out",
                                            "out/",
                                            "dir/out",
                                            "outdir",
                                            "outdir/",
                                            "outdir/file",
                                            "outdir/../secret",
                                            "outdir/new",
                                            "outdir/.",
                                            "out_by_dir",
                                            "out_chain",
                                            "out_by_link",
                                            "absolute",
                                            "slash",
                                            "slash/etc/passwd",
                                            "slash/etc",
                                            "proc_root",
                                            "proc_fd",
                                            "proc_cwd",
                                            "parent",
                                            "parent/secret",
                                            "parent/root/file",
                                            "parent/",
                                            "parent/.",
                                            "out_and_in",
                                            "out_new",
                                            "dots_out",
                                            "self/../secret",
                                            "self/self/out",
                                            "indir/../../secret",
                                            "indir/../out",
                                            "dir/sub/../../out",
                                            "../../../../../../../../../../etc/passwd",
                                            "dir/sub/../../outdir/../secret",
                                            "self/parent/self/secret"};

static bool is_outside(const struct host_object *object_const) {
  struct host_object *object = (struct host_object *)object_const;
  struct host_stat got;
  struct stat inside;
  static const char *const inside_names[] = {"root",          "root/file",    "root/dir",
                                             "root/dir/file", "root/dir/sub", "root/dir/sub/file"};
  if (host_stat(object, &got)) return true;
  for (size_t i = 0; i < sizeof inside_names / sizeof inside_names[0]; i++)
    if (stat(inside_names[i], &inside) == 0 && inside.st_ino == got.inode && inside.st_dev == got.device) return false;
  return true;
}

static void expect_refused(const char *what, const char *path, int result) {
  test_checks++;
  if (result < 0) return;
  test_failures++;
  fprintf(stderr, "resolver %d: %s of \"%s\" was not refused\n", resolver, what, path);
}

/* Every operation on a path that leads outside when it is followed. `is_link` paths may be operated on as links. */
static void attack(struct host_object *root, const char *text) {
  struct host_path path = path_of(text);
  struct host_object *object = NULL;
  struct host_stat status;
  static const uint32_t flags[] = {0, HOST_OPEN_CREATE, HOST_OPEN_DIRECTORY, HOST_OPEN_TRUNCATE,
                                   HOST_OPEN_CREATE | HOST_OPEN_TRUNCATE};
  for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
    for (uint32_t access = 0; access <= 3; access++) {
      expect_refused("open", text, open_with(root, text, flags[i] | HOST_OPEN_FOLLOW, access, &object));
      if (object) CHECK(!is_outside(object));
      host_object_release(object);
    }
  }
  expect_refused("stat", text, host_stat_at(root, path, true, &status));
  struct host_time now = {.action = HOST_TIME_SET, .ns = 1};
  expect_refused("set times", text, host_set_times_at(root, path, true, now, now));
  expect_refused("link", text, host_link_at(root, path, true, root, path_of("stolen")));
}

/* Operations that do not follow: they may act on a link inside, never on what it leads to. */
static void attack_changes(struct host_object *root, const char *text) {
  char below[512];
  snprintf(below, sizeof below, "%s/new", text);
  host_make_directory_at(root, path_of(below));
  host_symlink_at(path_of("x"), root, path_of(below));
  host_rename_at(root, path_of("file"), root, path_of(below));
  host_link_at(root, path_of("file"), false, root, path_of(below));
  snprintf(below, sizeof below, "%s/file", text);
  host_unlink_at(root, path_of(below));
  host_rename_at(root, path_of(below), root, path_of("stolen"));
  host_link_at(root, path_of(below), false, root, path_of("stolen"));
  host_remove_directory_at(root, path_of(text));
  struct host_time past = {.action = HOST_TIME_SET, .ns = 1};
  host_set_times_at(root, path_of(text), false, past, past);
}

static void check_outside_is_untouched(void) {
  struct stat status;
  CHECK_TEXT(read_file("secret"), "SECRET");
  CHECK_TEXT(read_file("outside/file"), "SECRET");
  CHECK(stat("newfile", &status) != 0);
  CHECK(stat("outside/new", &status) != 0);
  CHECK(stat("new", &status) != 0);
  CHECK(stat("root/stolen", &status) != 0);
  CHECK(stat("secret", &status) == 0 && status.st_nlink == 1 && status.st_mtime > 1000);
  CHECK(stat("outside", &status) == 0 && status.st_mtime > 1000);
}

TEST(corpus) {
  struct host_object *root = grant_root(HOST_RIGHTS_ALL);
  for (size_t i = 0; i < sizeof outside_paths / sizeof outside_paths[0]; i++) attack(root, outside_paths[i]);
  check_outside_is_untouched();
  host_object_release(root);
}

TEST(changes) {
  struct host_object *root = grant_root(HOST_RIGHTS_ALL);
  for (size_t i = 0; i < sizeof outside_paths / sizeof outside_paths[0]; i++) attack_changes(root, outside_paths[i]);
  check_outside_is_untouched();
  host_object_release(root);
}

TEST(inside_works) {
  struct host_object *root = grant_root(HOST_RIGHTS_ALL);
  static const char *const good[] = {"file",
                                     "./file",
                                     "dir/../file",
                                     "dir/sub/../../file",
                                     "in",
                                     "chain2",
                                     "dir/up",
                                     "dir/round",
                                     "self/self/file",
                                     "indir/file",
                                     "indir/sub/../file",
                                     "indir/../file",
                                     "dir//sub///file",
                                     "indir_slash/file",
                                     "self/dir/up",
                                     "dir/sub/../sub/./../../dir/.//file"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) CHECK_TEXT(contents(root, good[i]), "inside");
  CHECK_TEXT(contents(root, "loop1"), "ELOOP");
  CHECK_TEXT(contents(root, "loop1/x"), "ELOOP");
  CHECK_TEXT(contents(root, "dangling"), "ENOENT");
  CHECK_TEXT(contents(root, ""), "ENOENT");
  CHECK_TEXT(contents(root, "file/"), "ENOTDIR");
  CHECK_TEXT(contents(root, "file/x"), "ENOTDIR");
  CHECK_TEXT(contents(root, "in/"), "ENOTDIR");
  CHECK_TEXT(contents(root, "dir"), "EISDIR");
  CHECK_TEXT(contents(root, "nothing/../file"), "ENOENT");
  CHECK_TEXT(contents(root, "../secret"), "ENOTCAPABLE");
  CHECK_TEXT(contents(root, "absolute"), "ENOTCAPABLE");
  CHECK_TEXT(contents(root, "/etc/passwd"), "ENOTCAPABLE");
  host_object_release(root);
}

TEST(odd_names) {
  struct host_object *root = grant_root(HOST_RIGHTS_ALL), *object;
  struct host_stat status;
  struct host_open how = {.access = HOST_RIGHT_READ};
  CHECK_INT(host_open_at(root, (struct host_path){"fi\0le", 5}, &how, &object), -HOST_ERROR_INVAL);
  CHECK_INT(host_stat_at(root, (struct host_path){"file\0", 5}, true, &status), -HOST_ERROR_INVAL);
  char text[9000];
  memset(text, 'n', sizeof text);
  CHECK_INT(host_stat_at(root, (struct host_path){text, 256}, true, &status), -HOST_ERROR_NAMETOOLONG);
  CHECK_INT(host_open_at(root, (struct host_path){text, 256}, &how, &object), -HOST_ERROR_NAMETOOLONG);
  CHECK_INT(host_stat_at(root, (struct host_path){text, 9000}, true, &status), -HOST_ERROR_NAMETOOLONG);
  CHECK_INT(host_make_directory_at(root, (struct host_path){text, 300}), -HOST_ERROR_NAMETOOLONG);
  for (size_t i = 0; i < sizeof text; i += 2) memcpy(text + i, "./", 2);
  CHECK_INT(host_stat_at(root, (struct host_path){text, 4094}, true, &status), 0);
  CHECK_INT(host_stat_at(root, (struct host_path){text, 4096}, true, &status), -HOST_ERROR_NAMETOOLONG);
  host_object_release(root);
}

/* Deeper than the walker's stack of descriptors; only going back further than that is refused. */
TEST(deep) {
  struct host_object *root = grant_root(HOST_RIGHTS_ALL);
  char path[2048] = "", back[4000];
  for (int i = 0; i < 300; i++) {
    strcat(path, i ? "/d" : "d");
    CHECK_INT(host_make_directory_at(root, path_of(path)), 0);
  }
  struct host_stat status;
  CHECK_INT(host_stat_at(root, path_of(path), true, &status), 0);
  strcpy(back, path);
  for (int i = 0; i < 40; i++) strcat(back, "/..");
  CHECK_INT(host_stat_at(root, path_of(back), true, &status), 0);
  strcpy(back, path);
  for (int i = 0; i < 301; i++) strcat(back, "/..");
  CHECK(host_stat_at(root, path_of(back), true, &status) < 0);
  host_object_release(root);
}

/* ---- Races ---------------------------------------------------------------------------------------------------------- */

static atomic_bool racing;

/* Exchanges a directory inside with a link to outside, and moves a directory out and in, as fast as it can. */
static void *racer(void *unused) {
  (void)unused;
  while (atomic_load(&racing)) {
    syscall(SYS_renameat2, AT_FDCWD, "root/swap", AT_FDCWD, "root/swap_link", 2 /* RENAME_EXCHANGE */);
    if (rename("root/moving/deep", "outside/deep") == 0) rename("outside/deep", "root/moving/deep");
  }
  return NULL;
}

static void race_once(struct host_object *root) {
  static const char *const paths[] = {"swap/file", "swap/../swap/file", "moving/deep/../../swap/file",
                                      "moving/deep/../file", "moving/deep/../../file"};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    const char *text = contents(root, paths[i]);
    CHECK(strcmp(text, "SECRET") != 0);
  }
  struct host_object *object;
  if (open_with(root, "swap/new", HOST_OPEN_FOLLOW | HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &object) == 0) {
    host_object_release(object);
    host_unlink_at(root, path_of("swap/new"));
  }
  host_make_directory_at(root, path_of("swap/newdir"));
  host_remove_directory_at(root, path_of("swap/newdir"));
  host_rename_at(root, path_of("swap/file"), root, path_of("swap/file2"));
  host_rename_at(root, path_of("swap/file2"), root, path_of("swap/file"));
}

TEST(race) {
  mkdir("root/swap", 0755), mkdir("root/moving", 0755), mkdir("root/moving/deep", 0755);
  write_file("root/swap/file", "inside"), write_file("root/moving/file", "inside");
  if (symlink("../outside", "root/swap_link") != 0) abort();
  struct host_object *root = grant_root(HOST_RIGHTS_ALL);
  pthread_t thread;
  atomic_store(&racing, true);
  pthread_create(&thread, NULL, racer, NULL);
  uint64_t start = base_os_monotonic_ns();
  while (base_os_monotonic_ns() - start < 200000000) race_once(root);
  atomic_store(&racing, false);
  pthread_join(thread, NULL);
  CHECK_TEXT(read_file("outside/file"), "SECRET");
  struct stat status;
  CHECK(stat("outside/new", &status) != 0);
  CHECK(stat("outside/newdir", &status) != 0);
  CHECK(stat("outside/file2", &status) != 0);
  host_object_release(root);
}

/* ---- Rights ---------------------------------------------------------------------------------------------------------- */

TEST(read_only) {
  struct host_object *root = grant_root(HOST_RIGHTS_READ_ONLY), *dir, *object;
  CHECK_INT(open_with(root, "dir", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &dir), 0);
  CHECK_INT(host_object_rights(dir), HOST_RIGHTS_READ_ONLY);
  struct host_object *both[] = {root, dir};
  struct host_time now = {.action = HOST_TIME_NOW};
  for (int i = 0; i < 2; i++) {
    struct host_object *at = both[i];
    CHECK_INT(open_with(at, "file", HOST_OPEN_FOLLOW, HOST_RIGHT_WRITE, &object), -HOST_ERROR_ROFS);
    CHECK_INT(open_with(at, "file", HOST_OPEN_TRUNCATE, HOST_RIGHT_READ, &object), -HOST_ERROR_ROFS);
    CHECK_INT(open_with(at, "fresh", HOST_OPEN_CREATE, HOST_RIGHT_READ, &object), -HOST_ERROR_ROFS);
    CHECK_INT(open_with(at, "file", HOST_OPEN_CREATE | HOST_OPEN_EXCLUSIVE, HOST_RIGHT_READ, &object),
              -HOST_ERROR_EXIST);
    CHECK_INT(open_with(at, "file", HOST_OPEN_CREATE, HOST_RIGHT_READ, &object), 0);
    CHECK_INT(host_set_times(object, now, now), -HOST_ERROR_ROFS);
    CHECK_INT(host_set_size(object, 0), -HOST_ERROR_NOTCAPABLE);
    host_object_release(object);
    CHECK_INT(host_make_directory_at(at, path_of("fresh")), -HOST_ERROR_ROFS);
    CHECK_INT(host_remove_directory_at(at, path_of("sub")), -HOST_ERROR_ROFS);
    CHECK_INT(host_unlink_at(at, path_of("file")), -HOST_ERROR_ROFS);
    CHECK_INT(host_rename_at(at, path_of("file"), at, path_of("fresh")), -HOST_ERROR_ROFS);
    CHECK_INT(host_link_at(at, path_of("file"), false, at, path_of("fresh")), -HOST_ERROR_ROFS);
    CHECK_INT(host_symlink_at(path_of("file"), at, path_of("fresh")), -HOST_ERROR_ROFS);
    CHECK_INT(host_set_times_at(at, path_of("file"), false, now, now), -HOST_ERROR_ROFS);
    CHECK_TEXT(contents(at, "file"), "inside");
  }
  host_object_release(dir);
  host_object_release(root);
}

/* A name may not move to a directory that would give it more rights. */
TEST(rights_do_not_grow) {
  mkdir("partial", 0755), write_file("partial/file", "partial");
  struct host_object *partial = grant("partial", HOST_RIGHT_READ | HOST_RIGHT_MUTATE | HOST_RIGHT_LIST, resolver);
  struct host_object *all = grant_root(HOST_RIGHTS_ALL);
  CHECK_INT(host_link_at(partial, path_of("file"), false, all, path_of("gain")), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_rename_at(partial, path_of("file"), all, path_of("gain")), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_link_at(all, path_of("file"), false, partial, path_of("loss")), 0);
  host_object_shrink(all, HOST_RIGHT_READ);
  CHECK_INT(host_object_rights(all), HOST_RIGHT_READ);
  CHECK_INT(host_unlink_at(all, path_of("file")), -HOST_ERROR_ROFS);
  host_object_release(all);
  host_object_release(partial);
}

TEST(trailing_slashes_and_dots) {
  struct host_object *root = grant_root(HOST_RIGHTS_ALL);
  CHECK_INT(host_unlink_at(root, path_of("file/")), -HOST_ERROR_NOTDIR);
  CHECK_INT(host_unlink_at(root, path_of("dir/")), -HOST_ERROR_ISDIR);
  CHECK_INT(host_unlink_at(root, path_of("in/")), -HOST_ERROR_NOTDIR);
  CHECK_INT(host_unlink_at(root, path_of(".")), -HOST_ERROR_ISDIR);
  CHECK_INT(host_remove_directory_at(root, path_of(".")), -HOST_ERROR_INVAL);
  CHECK_INT(host_remove_directory_at(root, path_of("dir/sub/..")), -HOST_ERROR_INVAL);
  CHECK_INT(host_remove_directory_at(root, path_of("indir/")), -HOST_ERROR_NOTDIR);
  CHECK_INT(host_make_directory_at(root, path_of("dir/.")), -HOST_ERROR_EXIST);
  CHECK_INT(host_make_directory_at(root, path_of("made/")), 0);
  CHECK_INT(host_remove_directory_at(root, path_of("made/")), 0);
  CHECK_INT(host_rename_at(root, path_of("file/"), root, path_of("x")), -HOST_ERROR_NOTDIR);
  CHECK_INT(host_rename_at(root, path_of("file"), root, path_of("x/")), -HOST_ERROR_NOTDIR);
  CHECK_INT(host_rename_at(root, path_of("dir/."), root, path_of("x")), -HOST_ERROR_BUSY);
  CHECK_INT(host_link_at(root, path_of("file"), false, root, path_of("x/")), -HOST_ERROR_NOENT);
  CHECK_INT(host_link_at(root, path_of("dir"), false, root, path_of("x")), -HOST_ERROR_PERM);
  CHECK_INT(host_symlink_at(path_of("file"), root, path_of("x/")), -HOST_ERROR_NOENT);
  CHECK_INT(host_symlink_at(path_of("file"), root, path_of("dir/")), -HOST_ERROR_EXIST);
  CHECK_INT(host_symlink_at(path_of("/etc"), root, path_of("x")), -HOST_ERROR_NOTCAPABLE);
  struct host_stat status;
  CHECK_INT(host_stat_at(root, path_of("in"), false, &status), 0);
  CHECK_INT(status.kind, HOST_KIND_SYMLINK);
  CHECK_INT(host_stat_at(root, path_of("indir/"), false, &status), 0);
  CHECK_INT(status.kind, HOST_KIND_DIRECTORY);
  CHECK_INT(host_stat_at(root, path_of("in/"), false, &status), -HOST_ERROR_NOTDIR);
  CHECK_INT(host_stat_at(root, path_of("file/"), true, &status), -HOST_ERROR_NOTDIR);
  char target[64];
  size_t len_bytes = 0;
  CHECK_INT(host_read_link_at(root, path_of("in"), target, sizeof target, &len_bytes), 0);
  CHECK_INT(len_bytes, 4);
  CHECK_INT(host_read_link_at(root, path_of("in"), target, 2, &len_bytes), 0);
  CHECK_INT(len_bytes, 2);
  CHECK_INT(host_read_link_at(root, path_of("in"), target, 0, &len_bytes), 0);
  CHECK_INT(len_bytes, 0);
  CHECK_INT(host_read_link_at(root, path_of("file"), target, sizeof target, &len_bytes), -HOST_ERROR_INVAL);
  CHECK_INT(host_read_link_at(root, path_of("."), target, sizeof target, &len_bytes), -HOST_ERROR_INVAL);
  host_object_release(root);
}

TEST(creating_through_links) {
  struct host_object *root = grant_root(HOST_RIGHTS_ALL), *object;
  uint32_t create = HOST_OPEN_CREATE;
  CHECK_INT(open_with(root, "dangling", create | HOST_OPEN_EXCLUSIVE | HOST_OPEN_FOLLOW, HOST_RIGHT_WRITE, &object),
            -HOST_ERROR_EXIST);
  CHECK_INT(open_with(root, "dangling", create, HOST_RIGHT_WRITE, &object), -HOST_ERROR_LOOP);
  CHECK_INT(open_with(root, "dangling", create | HOST_OPEN_FOLLOW, HOST_RIGHT_WRITE, &object), 0);
  host_object_release(object);
  CHECK_TEXT(contents(root, "nowhere"), "");
  CHECK_INT(host_unlink_at(root, path_of("nowhere")), 0);
  CHECK_INT(open_with(root, "fresh/", create, HOST_RIGHT_WRITE, &object), -HOST_ERROR_ISDIR);
  CHECK_INT(open_with(root, "dir", 0, HOST_RIGHT_WRITE, &object), -HOST_ERROR_ISDIR);
  CHECK_INT(open_with(root, ".", HOST_OPEN_DIRECTORY, HOST_RIGHT_WRITE | HOST_RIGHT_READ, &object), -HOST_ERROR_ISDIR);
  CHECK_INT(open_with(root, "in", HOST_OPEN_DIRECTORY | HOST_OPEN_FOLLOW, HOST_RIGHT_READ, &object),
            -HOST_ERROR_NOTDIR);
  CHECK_INT(open_with(root, "indir", HOST_OPEN_DIRECTORY | HOST_OPEN_FOLLOW, HOST_RIGHT_READ, &object), 0);
  CHECK_INT(host_object_kind(object), HOST_KIND_DIRECTORY);
  CHECK_TEXT(contents(object, "file"), "inside");
  CHECK_TEXT(contents(object, "../file"), "ENOTCAPABLE");
  host_object_release(object);
  host_object_release(root);
}

static void all_tests(enum host_resolver which, bool in_overlay) {
  scratch_enter();
  resolver = which;
  has_overlay = in_overlay;
  build();
  RUN(inside_works)
  RUN(corpus)
  RUN(odd_names)
  RUN(deep)
  RUN(read_only)
  if (!has_overlay) RUN(rights_do_not_grow) /* overlays have nothing in common that could move */
  RUN(trailing_slashes_and_dots)
  RUN(creating_through_links)
  RUN(race)
  RUN(changes)
  scratch_remove();
}

TEST_MAIN({
  all_tests(HOST_RESOLVER_KERNEL, false);
  all_tests(HOST_RESOLVER_WALKER, false);
  all_tests(HOST_RESOLVER_AUTO, true);
})
