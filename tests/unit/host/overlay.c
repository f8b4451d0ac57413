/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Overlays: a directory with one behaves as a directory without one, what lies beneath it stays as it is to the last time
 * stamp, and the upper folder holds what changed and nothing else. */
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>

#include "scratch.h"

static const struct timespec old_times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};

static void remove_all(const char *path) {
  char command[256];
  snprintf(command, sizeof command, "rm -rf '%s'", path);
  if (system(command) != 0) abort();
}

/* NULL: in memory, where this process may make that. */
static struct host_object *grant_overlay(const char *path, const char *folder) {
  struct host_object *directory = grant(path, HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO);
  struct cay_error error;
  if (!folder && host_directory_set_overlay(directory, NULL, 64 << 20, &error) == CAY_OK) return directory;
  if (!folder) {
    static unsigned count;
    static char name[32];
    snprintf(name, sizeof name, "up%u", ++count);
    folder = name;
  }
  if (host_directory_set_overlay(directory, folder, 0, &error)) {
    fprintf(stderr, "%s\n", error.text);
    abort();
  }
  return directory;
}

static void build(const char *top) {
  char path[128];
  static const char *const directories[] = {"", "/a", "/a/b", "/a/b/c", "/b", "/b/a", "/empty"};
  static const char *const files[] = {"/f", "/a/f", "/a/g", "/a/b/f", "/b/a/g", "/a/b/c/f"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(directories); i++)
    snprintf(path, sizeof path, "%s%s", top, directories[i]), mkdir(path, 0755);
  for (size_t i = 0; i < BASE_ARRAY_LEN(files); i++)
    snprintf(path, sizeof path, "%s%s", top, files[i]), write_file(path, files[i]);
  static const char *const links[][2] = {{"a/f", "/l"}, {"b", "/a/l"}, {"../f", "/a/up"}, {"nowhere", "/b/l"}};
  for (size_t i = 0; i < BASE_ARRAY_LEN(links); i++) {
    snprintf(path, sizeof path, "%s%s", top, links[i][1]);
    if (symlink(links[i][0], path) != 0) abort();
  }
}

/* ---- What a tree looks like from outside ------------------------------------------------------------------------------- */

static char *picture;
static size_t picture_bytes;

static int draw(const char *path, const struct stat *status, int type, struct FTW *walk) {
  (void)type, (void)walk;
  char line[512];
  int len_bytes = snprintf(line, sizeof line, "%s %o %lld %lld %lld %lld.%ld\n", path, (unsigned)status->st_mode,
                           (long long)status->st_ino, (long long)status->st_size, (long long)status->st_nlink,
                           (long long)status->st_mtim.tv_sec, status->st_mtim.tv_nsec);
  picture = realloc(picture, picture_bytes + (size_t)len_bytes + 1);
  if (!picture) abort();
  memcpy(picture + picture_bytes, line, (size_t)len_bytes + 1);
  picture_bytes += (size_t)len_bytes;
  return 0;
}

/* To be freed. */
static char *picture_of(const char *top) {
  picture = NULL, picture_bytes = 0;
  nftw(top, draw, 16, FTW_PHYS);
  return picture;
}

/* ---- One after the other --------------------------------------------------------------------------------------------------- */

static bool is_there(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0;
}

/* The names in a directory, in order: "name ", or with kinds "name:kind/". */
static int list(struct host_object *root, const char *path, bool has_kinds, char *out, size_t capacity) {
  struct host_object *directory;
  struct host_uniform *uniform = has_kinds ? host_uniform_new(0) : NULL;
  struct host_listing *listing = NULL;
  struct host_entry entry = {0};
  bool found = true;
  out[0] = 0;
  int result = open_with(root, path, HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &directory);
  if (result == 0) result = host_listing_open(directory, uniform, &listing);
  for (uint64_t at = 0; result == 0 && found; at = entry.next_cookie) {
    result = host_listing_read(listing, at, &entry, &found);
    size_t len_bytes = strlen(out);
    if (result || !found || entry.name[0] == '.') continue;
    if (has_kinds)
      snprintf(out + len_bytes, capacity - len_bytes, "%s:%d/", entry.name, entry.kind);
    else
      snprintf(out + len_bytes, capacity - len_bytes, "%s ", entry.name);
  }
  host_listing_close(listing);
  host_uniform_free(uniform);
  host_object_release(directory);
  return result;
}

static const char *names_in(struct host_object *root, const char *path) {
  static char text[1024];
  return list(root, path, false, text, sizeof text) ? "cannot open" : text;
}

static int put(struct host_object *root, const char *path, uint32_t flags, const char *text) {
  struct host_object *file;
  int result = open_with(root, path, flags | HOST_OPEN_FOLLOW, HOST_RIGHT_READ | HOST_RIGHT_WRITE, &file);
  if (result) return result;
  struct host_buffer buffer = plain((char *)text, strlen(text));
  size_t done = 0;
  result = host_write_at(file, &buffer, 1, 0, &done);
  host_object_release(file);
  return result;
}

TEST(writes_go_up) {
  build("low");
  char *before = picture_of("low");
  struct host_object *root = grant_overlay("low", "up");
  CHECK_TEXT(contents(root, "a/f"), "/a/f");
  CHECK_TEXT(names_in(root, "."), "a b empty f l ");
  CHECK(!is_there("up/a"));
  CHECK_INT(put(root, "a/f", 0, "new!"), 0);
  CHECK_TEXT(contents(root, "a/f"), "new!");
  CHECK_TEXT(contents(root, "l"), "new!");
  CHECK_TEXT(read_file("up/a/f"), "new!");
  CHECK_TEXT(read_file("low/a/f"), "/a/f");
  CHECK(!is_there("up/a/g"));
  CHECK_INT(put(root, "a/b/c/new", HOST_OPEN_CREATE, "n"), 0);
  CHECK_TEXT(names_in(root, "a/b/c"), "f new ");
  CHECK_INT(host_unlink_at(root, path_of("a/g")), 0);
  CHECK_TEXT(contents(root, "a/g"), "ENOENT");
  CHECK_TEXT(names_in(root, "a"), "b f l up ");
  CHECK(is_there("up/a/.wh.g"));
  CHECK_INT(put(root, "a/g", HOST_OPEN_CREATE | HOST_OPEN_EXCLUSIVE, "again"), 0);
  CHECK_TEXT(contents(root, "a/g"), "again");
  CHECK_INT(host_unlink_at(root, path_of("a/g")), 0);
  CHECK_TEXT(contents(root, "a/g"), "ENOENT");
  host_object_release(root);
  /* It stays. */
  root = grant_overlay("low", "up");
  CHECK_TEXT(contents(root, "a/f"), "new!");
  CHECK_TEXT(contents(root, "a/g"), "ENOENT");
  CHECK_TEXT(names_in(root, "a/l/c"), "f new ");
  host_object_release(root);
  char *after = picture_of("low");
  CHECK_TEXT(after, before);
  free(before), free(after);
  remove_all("low"), remove_all("up");
}

TEST(directories_made_anew_are_empty) {
  build("low");
  struct host_object *root = grant_overlay("low", NULL), *kept, *file;
  CHECK_INT(open_with(root, "b", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &kept), 0);
  CHECK_INT(host_remove_directory_at(root, path_of("b")), -HOST_ERROR_NOTEMPTY);
  CHECK_INT(host_unlink_at(root, path_of("b/a/g")), 0);
  CHECK_INT(host_unlink_at(root, path_of("b/l")), 0);
  CHECK_INT(host_remove_directory_at(root, path_of("b/a")), 0);
  CHECK_INT(host_remove_directory_at(root, path_of("b")), 0);
  CHECK_TEXT(names_in(root, "b"), "cannot open");
  CHECK_INT(host_make_directory_at(root, path_of("b")), 0);
  CHECK_TEXT(names_in(root, "b"), "");
  CHECK_TEXT(contents(root, "b/a/g"), "ENOENT");
  /* What was open is no longer anywhere, also where it had not been changed before. */
  CHECK_TEXT(contents(kept, "a/g"), "ENOENT");
  CHECK_INT(open_with(kept, "x", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &file), -HOST_ERROR_NOENT);
  host_object_release(kept);
  /* A directory that is only above can be renamed, one with a part beneath cannot. */
  CHECK_INT(host_make_directory_at(root, path_of("b/d")), 0);
  CHECK_INT(host_rename_at(root, path_of("b"), root, path_of("c")), 0);
  CHECK_TEXT(names_in(root, "c"), "d ");
  CHECK_INT(host_rename_at(root, path_of("a"), root, path_of("e")), -HOST_ERROR_XDEV);
  CHECK_INT(host_rename_at(root, path_of("c"), root, path_of("empty")), 0);
  CHECK_TEXT(names_in(root, "empty"), "d ");
  CHECK_INT(host_rename_at(root, path_of("empty"), root, path_of("a")), -HOST_ERROR_NOTEMPTY);
  CHECK_TEXT(names_in(root, "."), "a empty f l ");
  host_object_release(root);
  remove_all("low");
}

TEST(directories_stay_the_same) {
  build("low");
  utimensat(AT_FDCWD, "low/a", old_times, 0);
  struct host_object *root = grant_overlay("low", "up"), *opened;
  struct host_stat before, after, there;
  CHECK_INT(open_with(root, "a", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &opened), 0);
  CHECK_INT(host_stat(opened, &before), 0);
  /* Copies leave the times of the directory alone; new names do not. */
  CHECK_INT(put(root, "a/f", 0, "x"), 0);
  CHECK_INT(host_stat(opened, &after), 0);
  CHECK_INT(after.inode, before.inode);
  CHECK_INT(after.modify_ns, INT64_C(2000000000000));
  CHECK_INT(put(opened, "new", HOST_OPEN_CREATE, "x"), 0);
  CHECK_INT(host_stat_at(root, path_of("a"), true, &there), 0);
  CHECK_INT(there.inode, before.inode);
  CHECK_INT(there.device, before.device);
  CHECK(there.modify_ns > after.modify_ns);
  CHECK_INT(host_sync(opened, false), 0);
  struct host_time time = {.action = HOST_TIME_SET, .ns = 5};
  CHECK_INT(host_set_times(opened, time, time), 0);
  CHECK_INT(host_stat(opened, &after), 0);
  CHECK_INT(after.modify_ns, 5);
  CHECK_INT(host_set_times_at(root, path_of("b"), false, time, time), 0);
  CHECK_INT(host_stat_at(root, path_of("b"), true, &after), 0);
  CHECK_INT(after.modify_ns, 5);
  CHECK_INT(host_set_times_at(root, path_of("f"), false, time, time), 0);
  CHECK_INT(host_stat_at(root, path_of("f"), true, &after), 0);
  CHECK_INT(after.modify_ns, 5);
  CHECK_TEXT(contents(root, "f"), "/f");
  host_object_release(opened);
  host_object_release(root);
  remove_all("low"), remove_all("up");
}

TEST(names_of_its_own) {
  build("low");
  struct host_object *root = grant_overlay("low", "up"), *file;
  struct host_stat status;
  CHECK_INT(host_unlink_at(root, path_of("f")), 0);
  CHECK_INT(host_stat_at(root, path_of(".wh.f"), true, &status), -HOST_ERROR_PERM);
  CHECK_INT(host_unlink_at(root, path_of(".wh.f")), -HOST_ERROR_PERM);
  CHECK_INT(host_stat_at(root, path_of("a/../.wh.f"), true, &status), -HOST_ERROR_PERM);
  CHECK_INT(open_with(root, ".wh.a", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &file), -HOST_ERROR_PERM);
  CHECK_INT(host_make_directory_at(root, path_of(".wh.a")), -HOST_ERROR_PERM);
  CHECK_INT(host_make_directory_at(root, path_of(".wh.d/x")), -HOST_ERROR_PERM);
  CHECK_INT(host_rename_at(root, path_of("l"), root, path_of(".wh.l")), -HOST_ERROR_PERM);
  CHECK_INT(host_symlink_at(path_of(".wh.f"), root, path_of("s")), 0);
  CHECK_TEXT(contents(root, "s"), "EPERM");
  host_object_release(root);
  remove_all("low"), remove_all("up");
}

TEST(special_files_are_not_written) {
  build("low");
  if (mkfifo("low/pipe", 0666) != 0) abort();
  struct host_object *root = grant_overlay("low", "up"), *file;
  CHECK_INT(open_with(root, "pipe", 0, HOST_RIGHT_WRITE, &file), -HOST_ERROR_NOTSUP);
  CHECK_INT(host_rename_at(root, path_of("pipe"), root, path_of("p")), -HOST_ERROR_NOTSUP);
  CHECK_INT(host_unlink_at(root, path_of("pipe")), 0);
  CHECK_TEXT(names_in(root, "."), "a b empty f l ");
  CHECK(is_there("low/pipe"));
  host_object_release(root);
  remove_all("low"), remove_all("up");
}

/* Copies count. A file that is cut anyway is not copied, holes stay holes. */
TEST(quota_and_budget) {
  build("low");
  int fd = open("low/large", O_WRONLY | O_CREAT, 0644);
  if (fd < 0 || ftruncate(fd, 1 << 20) != 0 || pwrite(fd, "end", 3, (1 << 20) - 3) != 3) abort();
  close(fd);
  struct host_object *root = grant_overlay("low", "up"), *file;
  CHECK_INT(host_directory_set_quota(root, 1000000, NULL), CAY_OK);
  CHECK_INT(open_with(root, "large", 0, HOST_RIGHT_WRITE, &file), -HOST_ERROR_DQUOT);
  CHECK(host_object_quota_refused(root));
  CHECK_INT(host_object_quota_used(root), 0);
  CHECK(!is_there("up/large") && !is_there("up/.wh..wh.copy"));
  CHECK_INT(open_with(root, "large", HOST_OPEN_TRUNCATE, HOST_RIGHT_WRITE, &file), 0);
  host_object_release(file);
  CHECK_INT(host_object_quota_used(root), 0);
  CHECK_INT(open_with(root, "a/f/", HOST_OPEN_TRUNCATE, HOST_RIGHT_WRITE, &file), -HOST_ERROR_NOTDIR);
  CHECK_TEXT(contents(root, "a/f"), "/a/f");
  CHECK_INT(put(root, "a/f", 0, "x"), 0);
  CHECK_INT(host_object_quota_used(root), 4);
  CHECK_INT(host_unlink_at(root, path_of("a/f")), 0);
  CHECK_INT(host_object_quota_used(root), 0);
  host_object_release(root);
  remove_all("up");
  struct base_budget *budget = base_budget_new(NULL);
  base_budget_set_limit(budget, BASE_LIMIT_WRITTEN, (1 << 20) + 10);
  struct host_object *plain_root = grant_overlay("low", "up");
  root = host_object_counted(plain_root, budget, false);
  CHECK_INT(put(root, "large", 0, "1234"), 0);
  struct stat status;
  CHECK(stat("up/large", &status) == 0 && status.st_size == 1 << 20 && status.st_blocks * 512 < 1 << 20);
  CHECK_INT(put(root, "a/f", 0, "1"), 0);
  CHECK_INT(put(root, "b/a/g", 0, "1"), HOST_EXHAUSTED + BASE_LIMIT_WRITTEN);
  CHECK_TEXT(contents(root, "b/a/g"), "/b/a/g");
  host_object_release(root);
  host_object_release(plain_root);
  base_budget_release(budget);
  remove_all("low"), remove_all("up");
}

TEST(folders_that_cannot_be) {
  build("low");
  struct cay_error error;
  static const char *const folders[] = {"low", "low/a", ".", "low/../low/new"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(folders); i++) {
    struct host_object *directory = grant("low", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO);
    CHECK_INT(host_directory_set_overlay(directory, folders[i], 0, &error), CAY_ERROR_ARGUMENT);
    CHECK(strstr(error.text, "lie in each other"));
    host_object_release(directory);
  }
  CHECK(!is_there("low/new"));
  struct host_object *root = grant_overlay("low", "up"), *other = grant("low", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO);
  CHECK_INT(host_directory_set_overlay(other, "up", 0, &error), CAY_ERROR_SYSTEM);
  CHECK(strstr(error.text, "used by another run"));
  host_object_release(other);
  other = grant("low", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO);
  CHECK_INT(host_directory_set_overlay(other, "no/such", 0, &error), CAY_ERROR_SYSTEM);
  CHECK_INT(host_rename_at(root, path_of("f"), other, path_of("f2")), -HOST_ERROR_XDEV);
  host_object_release(other);
  host_object_release(root);
  remove_all("low"), remove_all("up");
}

/* ---- Nothing leads below ------------------------------------------------------------------------------------------------------- */

/* Whatever a directory is opened with, budgets included, what is done in it is done above. */
TEST(every_way_to_a_directory) {
  static const char *const paths[] = {"a", "b/a", ".", "a/l", "a/b/..", "empty/", "a/f"};
  static const uint32_t flags[] = {0,
                                   HOST_OPEN_CREATE,
                                   HOST_OPEN_DIRECTORY,
                                   HOST_OPEN_CREATE | HOST_OPEN_DIRECTORY,
                                   HOST_OPEN_CREATE | HOST_OPEN_EXCLUSIVE,
                                   HOST_OPEN_TRUNCATE};
  build("low");
  char *before = picture_of("low");
  struct base_budget *budget = base_budget_new(NULL);
  struct host_object *uncounted = grant_overlay("low", "up");
  struct host_object *roots[] = {uncounted, host_object_counted(uncounted, budget, false)}, *object, *file;
  struct host_time time = {.action = HOST_TIME_SET, .ns = 7};
  unsigned opened = 0;
  for (size_t i = 0; i < 2 * BASE_ARRAY_LEN(paths) * BASE_ARRAY_LEN(flags) * 2; i++) {
    struct host_object *root = roots[i & 1];
    uint32_t flag = flags[i / 4 % BASE_ARRAY_LEN(flags)] | (i & 2 ? HOST_OPEN_FOLLOW : 0);
    if (open_with(root, paths[i / 4 / BASE_ARRAY_LEN(flags)], flag, HOST_RIGHT_READ, &object)) continue;
    opened++;
    host_set_times(object, time, time);
    if (host_object_kind(object) == HOST_KIND_DIRECTORY) {
      if (open_with(object, "made", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &file) == 0) host_object_release(file);
      put(object, "f", 0, "changed"), put(object, "g", 0, "changed");
      host_make_directory_at(object, path_of("dir")), host_unlink_at(object, path_of("g"));
    }
    host_object_release(object);
  }
  CHECK(opened > 40);
  host_object_release(roots[1]);
  host_object_release(roots[0]);
  base_budget_release(budget);
  char *after = picture_of("low");
  CHECK_TEXT(after, before);
  free(before), free(after);
  /* Nobody holds the folder any more. */
  host_object_release(grant_overlay("low", "up"));
  remove_all("low"), remove_all("up");
}

/* A file that is open for reading is the one beneath, whose times are nobody's to set. */
TEST(files_below_keep_their_times) {
  build("low");
  char *before = picture_of("low");
  struct host_object *root = grant_overlay("low", "up"), *file;
  struct host_time time = {.action = HOST_TIME_SET, .ns = 7};
  CHECK_INT(open_with(root, "f", 0, HOST_RIGHT_READ, &file), 0);
  CHECK_INT(host_set_times(file, time, time), -HOST_ERROR_ROFS);
  host_object_release(file);
  CHECK_INT(put(root, "f", 0, "x"), 0);
  CHECK_INT(open_with(root, "f", 0, HOST_RIGHT_READ, &file), 0);
  CHECK_INT(host_set_times(file, time, time), 0);
  host_object_release(file);
  host_object_release(root);
  char *after = picture_of("low");
  CHECK_TEXT(after, before);
  free(before), free(after);
  remove_all("low"), remove_all("up");
}

/* A name that cannot be marked as removed cannot be replaced, and what it held does not come back. */
TEST(what_fails_brings_nothing_back) {
  char name[300], inside[320];
  build("low");
  memset(name, 'n', 253);
  name[253] = 0;
  snprintf(inside, sizeof inside, "low/%s", name);
  mkdir(inside, 0755);
  snprintf(inside, sizeof inside, "low/%s/secret", name);
  write_file(inside, "SECRET");
  struct host_object *root = grant_overlay("low", "up");
  CHECK_INT(host_unlink_at(root, path_of(inside + 4)), 0);
  CHECK_TEXT(contents(root, inside + 4), "ENOENT");
  CHECK_INT(host_make_directory_at(root, path_of("e")), 0);
  CHECK_INT(host_rename_at(root, path_of("e"), root, path_of(name)), -HOST_ERROR_NAMETOOLONG);
  CHECK_TEXT(contents(root, inside + 4), "ENOENT");
  CHECK_INT(host_remove_directory_at(root, path_of(name)), -HOST_ERROR_NAMETOOLONG);
  CHECK_TEXT(contents(root, inside + 4), "ENOENT");
  host_object_release(root);
  remove_all("low"), remove_all("up");
}

/* Without descriptors things fail, but nothing is taken for absent. */
TEST(few_descriptors) {
  struct rlimit limit, low_limit;
  struct host_stat status;
  build("low");
  struct host_object *root = grant_overlay("low", "up");
  CHECK_INT(put(root, "a/b/new", HOST_OPEN_CREATE, "x"), 0);
  int first_free = dup(0);
  close(first_free);
  getrlimit(RLIMIT_NOFILE, &limit);
  for (int room = 0; room < 8; room++) {
    low_limit = (struct rlimit){.rlim_cur = (rlim_t)(first_free + room), .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low_limit);
    int result = host_stat_at(root, path_of("a/b/f"), true, &status);
    int made = host_make_directory_at(root, path_of("a/f"));
    setrlimit(RLIMIT_NOFILE, &limit);
    CHECK(result == 0 || result == -HOST_ERROR_MFILE);
    CHECK(made == -HOST_ERROR_EXIST || made == -HOST_ERROR_MFILE);
  }
  CHECK_TEXT(contents(root, "a/f"), "/a/f");
  host_object_release(root);
  remove_all("low"), remove_all("up");
}

/* A directory of both layers does not say how many directories it has; a folder that is made is the user's alone. */
TEST(links_and_modes) {
  struct host_stat status;
  struct stat made;
  build("low");
  struct host_object *root = grant_overlay("low", "up");
  CHECK_INT(put(root, "a/new", HOST_OPEN_CREATE, "x"), 0);
  CHECK_INT(host_stat_at(root, path_of("a"), true, &status), 0);
  CHECK_INT(status.links, 1);
  CHECK(stat("up", &made) == 0 && (made.st_mode & 0777) == 0700);
  host_object_release(root);
  remove_all("low"), remove_all("up");
}

/* Paths with handles may be longer than one path where nothing lies beneath. */
TEST(long_paths_above) {
  char name[201];
  memset(name, 'd', 200);
  name[200] = 0;
  build("low");
  struct host_object *root = grant_overlay("low", "up"), *at = host_object_retain(root), *next;
  for (int i = 0; i < 60; i++) {
    CHECK_INT(host_make_directory_at(at, path_of(name)), 0);
    CHECK_INT(open_with(at, name, HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &next), 0);
    host_object_release(at);
    at = next;
  }
  CHECK_INT(put(at, "f", HOST_OPEN_CREATE, "deep"), 0);
  host_object_release(at);
  host_object_release(root);
  remove_all("low"), remove_all("up");
}

/* ---- Against a plain directory --------------------------------------------------------------------------------------------------- */

static uint64_t state;
static unsigned below(unsigned limit) {
  state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
  return (unsigned)(state >> 33) % limit;
}

static const char *some_path(void) {
  static char paths[2][64];
  static int turn;
  static const char *const names[] = {"a", "b", "c", "f", "g", "l", "up", "empty", "..", "."};
  char *out = paths[turn ^= 1];
  out[0] = 0;
  for (unsigned depth = 1 + below(3); depth; depth--) {
    strcat(out, names[below(below(4) ? 8 : 10)]);
    if (depth > 1 || below(12) == 0) strcat(out, "/");
  }
  return out;
}

/* Both do it; directories that an overlay cannot rename are left alone. The kernel has more to say than that a directory is
 * in the way when it is one above. */
static int rename_both(struct host_object *const roots[2], struct host_path from, struct host_path to) {
  int result = host_rename_at(roots[1], from, roots[1], to);
  if (result == -HOST_ERROR_XDEV) return 0;
  int expected = host_rename_at(roots[0], from, roots[0], to);
  CHECK_INT(result < 0, expected < 0);
  return expected;
}

static int act(struct host_object *root, unsigned what, const char *path, const char *other, unsigned choice) {
  struct host_path at = path_of(path);
  static const uint32_t flags[] = {0, HOST_OPEN_CREATE, HOST_OPEN_CREATE | HOST_OPEN_EXCLUSIVE, HOST_OPEN_TRUNCATE,
                                   HOST_OPEN_CREATE | HOST_OPEN_TRUNCATE};
  struct host_stat status;
  struct host_object *object;
  struct host_time time = {.action = HOST_TIME_SET, .ns = choice};
  switch (what) {
  case 0: return put(root, path, flags[choice % BASE_ARRAY_LEN(flags)], other);
  case 1: return host_make_directory_at(root, at);
  case 2: return host_remove_directory_at(root, at);
  case 3: return host_unlink_at(root, at);
  case 4: return host_link_at(root, at, choice & 1, root, path_of(other));
  case 5: return host_symlink_at(path_of(other), root, at);
  case 6: return host_set_times_at(root, at, choice & 1, time, time);
  case 7: {
    int result = host_stat_at(root, at, choice & 1, &status);
    return result ? result : (int)status.kind;
  }
  default: {
    int result = open_with(root, path, HOST_OPEN_DIRECTORY | (choice & 1), HOST_RIGHT_READ, &object);
    if (result == 0) result = put(object, other, HOST_OPEN_CREATE, path);
    host_object_release(object);
    return result;
  }
  }
}

/* The same names, kinds and contents, all the way down. */
static void compare(struct host_object *const roots[2], const char *path) {
  char names[2][1024], inside[256], text[256], *rest = NULL;
  for (int i = 0; i < 2; i++) CHECK_INT(list(roots[i], path, true, names[i], sizeof names[i]), 0);
  CHECK_TEXT(names[1], names[0]);
  for (char *name = strtok_r(names[0], "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
    char *colon = strchr(name, ':');
    *colon = 0;
    snprintf(inside, sizeof inside, "%s/%s", path, name);
    if (atoi(colon + 1) == HOST_KIND_DIRECTORY) compare(roots, inside);
    if (atoi(colon + 1) != HOST_KIND_REGULAR) continue;
    strcpy(text, contents(roots[0], inside));
    CHECK_TEXT(contents(roots[1], inside), text);
  }
}

static void differ(unsigned seed, const char *folder) {
  build("low"), build("plain");
  char *before = picture_of("low");
  state = seed;
  struct host_object *const roots[2] = {grant("plain", HOST_RIGHTS_ALL, HOST_RESOLVER_WALKER),
                                        grant_overlay("low", folder)};
  for (int step = 0; step < 400; step++) {
    char path[64], other[64];
    strcpy(path, some_path()), strcpy(other, some_path());
    unsigned what = below(10), choice = below(1000);
    if (what == 9) {
      rename_both(roots, path_of(path), path_of(other));
      continue;
    }
    int expected = act(roots[0], what, path, other, choice);
    int result = act(roots[1], what, path, other, choice);
    if (result != expected)
      fprintf(stderr, "seed %u, step %d: operation %u on \"%s\", \"%s\" (%u)\n", seed, step, what, path, other, choice);
    CHECK_INT(result, expected);
  }
  compare(roots, ".");
  host_object_release(roots[0]);
  host_object_release(roots[1]);
  char *after = picture_of("low");
  CHECK_TEXT(after, before);
  free(before), free(after);
  remove_all("low"), remove_all("plain");
  if (folder) remove_all(folder);
}

TEST(behaves_as_a_directory) {
  for (unsigned seed = 1; seed <= 60; seed++) differ(seed, seed & 1 ? "up" : NULL);
}

/* ---- Threads ------------------------------------------------------------------------------------------------------------------------ */

static struct host_object *shared;

static void *worker(void *number) {
  for (int i = 0; i < 200; i++) {
    char path[64], text[2] = {(char)('0' + (int)(intptr_t)number), 0};
    struct host_object *file;
    snprintf(path, sizeof path, "a/b/%d", i);
    if (open_with(shared, path, 0, HOST_RIGHT_WRITE, &file)) abort();
    struct host_buffer buffer = plain(text, 1);
    size_t done = 0;
    host_write_at(file, &buffer, 1, (uint64_t)(intptr_t)number, &done);
    host_object_release(file);
  }
  return NULL;
}

/* One copy, to which everybody writes. */
TEST(threads_share_a_copy) {
  char path[64];
  build("low");
  for (int i = 0; i < 200; i++) snprintf(path, sizeof path, "low/a/b/%d", i), write_file(path, "....");
  shared = grant_overlay("low", "up");
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, worker, (void *)(intptr_t)i);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 200; i++) {
    snprintf(path, sizeof path, "a/b/%d", i);
    CHECK_TEXT(contents(shared, path), "0123");
  }
  host_object_release(shared);
  remove_all("low"), remove_all("up");
}

TEST_MAIN({
  scratch_enter();
  RUN(writes_go_up)
  RUN(directories_made_anew_are_empty)
  RUN(directories_stay_the_same)
  RUN(names_of_its_own)
  RUN(special_files_are_not_written)
  RUN(quota_and_budget)
  RUN(folders_that_cannot_be)
  RUN(every_way_to_a_directory)
  RUN(files_below_keep_their_times)
  RUN(what_fails_brings_nothing_back)
  RUN(few_descriptors)
  RUN(links_and_modes)
  RUN(long_paths_above)
  RUN(behaves_as_a_directory)
  RUN(threads_share_a_copy)
})
