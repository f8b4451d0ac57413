/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The rest of the escape corpus (escape.c): ways out that the system lays itself, with both resolvers. Magic links of
 * /proc, mounts, hard links, folders that are moved while they are granted, chains of links at their limit, spellings
 * that mean something elsewhere, and races over every operation on paths.
 *
 * Two of them are no escapes, by design: a hard link and a mount inside of the granted folder belong to it, because
 * whoever put them there could have put the file itself there. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "scratch.h"

static enum host_resolver resolver;

static void build(void) {
  mkdir("root", 0755), mkdir("root/dir", 0755), mkdir("outside", 0755), mkdir("outside/sub", 0755);
  write_file("secret", "SECRET"), write_file("outside/file", "SECRET"), write_file("outside/kept", "SECRET");
  write_file("root/file", "inside"), write_file("root/dir/file", "inside");
}

static int link_or_die(const char *target, const char *path) {
  if (symlink(target, path) != 0) abort();
  return 0;
}

/* ---- Names ---------------------------------------------------------------------------------------------------------- */

/* What other systems, decoders and people take for "..", for a root, or for another name of the same file. */
TEST(spellings) {
  struct host_object *root = grant("root", HOST_RIGHTS_ALL, resolver);
  static const char *const names[] = {"FILE",
                                      "File",
                                      "file.",
                                      "file ",
                                      "file::$DATA",
                                      "file:stream",
                                      "..\\secret",
                                      "dir\\..\\..\\secret",
                                      "dir\\file",
                                      "C:\\secret",
                                      "C:/secret",
                                      "C:secret",
                                      "\\\\?\\C:\\secret",
                                      "NUL",
                                      "nul",
                                      "CON",
                                      "AUX",
                                      "COM1",
                                      "%2e%2e/secret",
                                      "..%2fsecret",
                                      "..;/secret",
                                      ".../secret",
                                      "\xC0\xAE\xC0\xAE/secret",
                                      "\xE2\x80\xA5/secret",
                                      "\xEF\xBC\x8E\xEF\xBC\x8E/secret",
                                      "..\xC0\xAFsecret",
                                      "~/secret",
                                      "~root",
                                      "$HOME",
                                      "*",
                                      "f?le"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    CHECK_TEXT(contents(root, names[i]), "ENOENT");
    struct host_stat status;
    CHECK_INT(host_stat_at(root, path_of(names[i]), true, &status), -HOST_ERROR_NOENT);
  }
  host_object_release(root);
}

/* Links that lead to links, up to more than are followed, with both resolvers. The kernel looks up to three times when
 * something is renamed meanwhile, and counts the links of all: 13 are followed always, 41 never. */
TEST(chains) {
  struct host_object *root = grant("root", HOST_RIGHTS_ALL, resolver);
  char name[32], target[32];
  link_or_die("file", "root/l0");
  link_or_die("../secret", "root/o0");
  for (int i = 1; i < 60; i++) {
    snprintf(name, sizeof name, "root/l%d", i), snprintf(target, sizeof target, "l%d", i - 1);
    link_or_die(target, name);
    snprintf(name, sizeof name, "root/o%d", i), snprintf(target, sizeof target, "o%d", i - 1);
    link_or_die(target, name);
  }
  CHECK_TEXT(contents(root, "l12"), "inside");
  CHECK_TEXT(contents(root, "l40"), "ELOOP");
  CHECK_TEXT(contents(root, "l59"), "ELOOP");
  CHECK_TEXT(contents(root, "o12"), "ENOTCAPABLE");
  CHECK_TEXT(contents(root, "o59"), "ELOOP");
  host_object_release(root);
}

TEST(hard_links) {
  if (link("secret", "root/hard") != 0) abort();
  struct host_object *root = grant("root", HOST_RIGHTS_ALL, resolver);
  CHECK_TEXT(contents(root, "hard"), "SECRET");
  CHECK_INT(host_rename_at(root, path_of("hard"), root, path_of("dir/hard")), 0);
  CHECK_INT(host_unlink_at(root, path_of("dir/hard")), 0);
  CHECK_TEXT(read_file("secret"), "SECRET");
  host_object_release(root);
}

/* ---- The system's own ways ------------------------------------------------------------------------------------------ */

static void refused_below(const char *granted, const char *text) {
  struct host_object *root = grant(granted, HOST_RIGHTS_READ_ONLY, resolver), *object;
  struct host_stat status;
  int result = open_with(root, text, HOST_OPEN_FOLLOW, HOST_RIGHT_READ, &object);
  CHECK(result < 0);
  if (result >= 0) fprintf(stderr, "resolver %d: %s of %s was opened\n", resolver, text, granted);
  if (result >= 0) host_object_release(object);
  result = open_with(root, text, HOST_OPEN_FOLLOW | HOST_OPEN_DIRECTORY, 0, &object);
  CHECK(result < 0);
  if (result >= 0) host_object_release(object);
  CHECK(host_stat_at(root, path_of(text), true, &status) < 0);
  host_object_release(root);
}

/* Another process, with the same descriptors open. */
static pid_t begin_neighbour(void) {
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  return child;
}
static void end_neighbour(pid_t child) { kill(child, SIGKILL), waitpid(child, NULL, 0); }

/* Links that the kernel follows to an object and not to a name. */
TEST(magic_links) {
  int folder = open("outside", O_RDONLY | O_DIRECTORY), file = open("secret", O_RDONLY);
  pid_t child = begin_neighbour();
  char text[64], process[32], fds[48];
  snprintf(process, sizeof process, "/proc/%d", (int)child), snprintf(fds, sizeof fds, "%s/fd", process);
  static const char *const below_self[] = {"cwd",  "cwd/secret", "root",        "root/etc/passwd",
                                           "exe",  "fd/0",       "ns/mnt",      "task/../root/etc/passwd",
                                           "../1", "fd/../root", "fd/../cwd/.."};
  for (size_t i = 0; i < sizeof below_self / sizeof *below_self; i++) refused_below(process, below_self[i]);
  static const char *const below_proc[] = {"self/cwd/secret", "self/root/etc", "thread-self/cwd", "self/fd/0",
                                           "mounts/..",       "../etc/passwd", "self/exe"};
  for (size_t i = 0; i < sizeof below_proc / sizeof *below_proc; i++) refused_below("/proc", below_proc[i]);
  static const char *const rests[] = {"", "/", "/.", "/file", "/sub", "/../secret"};
  for (size_t k = 0; k < sizeof rests / sizeof *rests; k++) {
    snprintf(text, sizeof text, "%d%s", folder, rests[k]);
    refused_below(fds, text);
  }
  snprintf(text, sizeof text, "%d", file);
  refused_below(fds, text);
  end_neighbour(child);
  close(folder), close(file);
}

static int try_open(const char *granted, const char *text, uint32_t flags) {
  struct host_object *root = grant(granted, HOST_RIGHTS_READ_ONLY, resolver), *object;
  int result = open_with(root, text, HOST_OPEN_FOLLOW | flags, HOST_RIGHT_READ, &object);
  if (result == 0) host_object_release(object);
  host_object_release(root);
  return result;
}

/* Emulators put a folder of theirs in the place of the root, which has no processes in it. */
static bool root_has_processes(void) {
  struct stat named, below;
  int root = open("/", O_RDONLY | O_DIRECTORY);
  bool is_same = stat("/proc", &named) == 0 && fstatat(root, "proc", &below, 0) == 0 && named.st_ino == below.st_ino &&
                 named.st_dev == below.st_dev;
  close(root);
  return is_same;
}

static void refused_in_proc(const char *text) {
  char below_root[64];
  snprintf(below_root, sizeof below_root, "proc/%s", text);
  for (uint32_t flags = 0; flags <= HOST_OPEN_DIRECTORY; flags += HOST_OPEN_DIRECTORY) {
    int result = try_open("/proc", text, flags);
    int from_root = root_has_processes() ? try_open("/", below_root, flags) : result;
    if (result != from_root || result >= 0) fprintf(stderr, "%s: %d, %d\n", text, result, from_root);
    CHECK(result == -HOST_ERROR_NOTCAPABLE || (flags && result == -HOST_ERROR_NOTDIR));
    CHECK_INT(from_root, result);
  }
}

/* What belongs to a process: by numbers, by "self", by the links of the system and by those of others. */
TEST(processes) {
  char text[80], own[32];
  pid_t child = begin_neighbour();
  static const char *const names[] = {
      "self",    "self/",        "self/environ", "self/mem",    "self/maps",
      "self/fd", "self/cmdline", "self/task",    "thread-self", "thread-self/environ",
      "mounts",  "net/tcp",      "./self/stat",  "sys/../self", "sys/kernel/../../self/stat",
      "1/status"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) refused_in_proc(names[i]);
  snprintf(text, sizeof text, "%d/environ", (int)getpid()), refused_in_proc(text);
  snprintf(text, sizeof text, "%d", (int)child), refused_in_proc(text);
  CHECK_INT(try_open("/proc", "meminfo", 0), 0);
  CHECK_INT(try_open("/proc", ".", HOST_OPEN_DIRECTORY), 0);
  CHECK_INT(try_open("/proc", "sys/kernel/ostype", 0), 0);
  struct host_object *proc = grant("/proc", HOST_RIGHTS_READ_ONLY, resolver), *root, *object;
  CHECK_INT(open_with(proc, "self/environ", HOST_OPEN_FOLLOW, HOST_RIGHT_READ, &object), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(open_with(proc, "version", HOST_OPEN_FOLLOW, HOST_RIGHT_READ, &object), 0);
  host_object_release(object);
  size_t len_bytes = 0;
  char target[64];
  CHECK_INT(host_read_link_at(proc, path_of("self/exe"), target, sizeof target, &len_bytes), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(len_bytes, 0);
  host_object_release(proc);
  /* A grant that names the process is one for it; but not of the own one. */
  snprintf(text, sizeof text, "/proc/%d", (int)child);
  CHECK_INT(try_open(text, "status", 0), 0);
  struct cay_error error;
  snprintf(own, sizeof own, "/proc/%d/task", (int)getpid());
  const char *const refused[] = {"/proc/self", "/proc/thread-self", "/proc/self/fd", "/dev/fd", own};
  for (size_t i = 0; i < BASE_ARRAY_LEN(refused); i++)
    CHECK_INT(host_grant_directory(refused[i], HOST_RIGHTS_READ_ONLY, &root, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(host_grant_synthetic(&root, NULL), CAY_OK);
  struct host_file_grant file = {.host_path = "/proc/self/environ", .rights = HOST_RIGHT_READ};
  CHECK_INT(host_grant_file(root, "environ", &file, &error), CAY_ERROR_ARGUMENT);
  file.host_path = "/proc/meminfo";
  CHECK_INT(host_grant_file(root, "meminfo", &file, &error), CAY_OK);
  CHECK_INT(open_with(root, "meminfo", 0, HOST_RIGHT_READ, &object), 0);
  host_object_release(object);
  host_object_release(root);
  end_neighbour(child);
}

/* From the root of the system, a folder of it, and by its links. */
TEST(processes_from_the_root) {
  struct host_object *root = grant("/", HOST_RIGHTS_READ_ONLY, resolver), *proc, *object;
  char target[64];
  size_t len_bytes = 0;
  CHECK_INT(try_open("/", "proc/meminfo", 0), 0);
  CHECK_INT(host_read_link_at(root, path_of("proc/self/cwd"), target, sizeof target, &len_bytes),
            -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(len_bytes, 0);
  int result = open_with(root, "proc", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &proc);
  CHECK_INT(result, 0);
  if (result == 0)
    CHECK_INT(open_with(proc, "self/environ", HOST_OPEN_FOLLOW, HOST_RIGHT_READ, &object), -HOST_ERROR_NOTCAPABLE);
  host_object_release(proc);
  host_object_release(root);
}

/* A link in an ordinary folder, and a folder with a name like a process's. */
TEST(names_like_processes) {
  char text[2 * PATH_MAX] = "", here[PATH_MAX];
  if (!getcwd(here, sizeof here)) abort();
  for (const char *slash = here; (slash = strchr(slash, '/')); slash++) strcat(text, "../");
  strcat(text, "proc/self/environ");
  link_or_die(text, "link_to_self");
  mkdir("root/4321", 0755), write_file("root/4321/77", "inside"), mkdir("root/self", 0755);
  snprintf(text, sizeof text, "%s/link_to_self", here + 1);
  if (root_has_processes()) CHECK_INT(try_open("/", text, 0), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(try_open("root", "4321/77", 0), 0);
  CHECK_INT(try_open("root", "self", HOST_OPEN_DIRECTORY), 0);
  unlink("link_to_self");
}

/* A granted folder that is moved stays what it is: itself and what is below. */
TEST(moved_folders) {
  mkdir("root/a", 0755), mkdir("root/a/b", 0755), write_file("root/a/b/file", "inside");
  struct host_object *root = grant("root", HOST_RIGHTS_ALL, resolver), *below;
  CHECK_INT(open_with(root, "a/b", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &below), 0);
  if (rename("root/a/b", "outside/b") != 0) abort();
  CHECK_TEXT(contents(below, "file"), "inside");
  CHECK_TEXT(contents(below, "../file"), "ENOTCAPABLE");
  CHECK_TEXT(contents(below, "../../secret"), "ENOTCAPABLE");
  if (rename("root", "outside/moved") != 0) abort();
  CHECK_TEXT(contents(root, "file"), "inside");
  CHECK_TEXT(contents(root, "../file"), "ENOTCAPABLE");
  CHECK_TEXT(contents(root, "a/../../kept"), "ENOTCAPABLE");
  if (rename("outside/moved", "root") != 0 || rename("outside/b", "root/b") != 0) abort();
  host_object_release(below);
  host_object_release(root);
}

/* In a mount namespace of its own. Returns how many checks failed, or 255 when the system allows no mounts. */
static int try_mounts(void) {
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return 255;
  mkdir("root/mnt", 0755), write_file("root/over", "inside");
  link_or_die("../secret", "outside/up");
  link_or_die("sub/../kept", "outside/in");
  struct host_object *root = grant("root", HOST_RIGHTS_ALL, resolver);
  if (mount("outside", "root/mnt", NULL, MS_BIND, NULL) != 0) return 255;
  if (mount("secret", "root/over", NULL, MS_BIND, NULL) != 0) return 255;
  test_failures = 0;
  CHECK_TEXT(contents(root, "mnt/kept"), "SECRET");
  CHECK_TEXT(contents(root, "over"), "SECRET");
  CHECK_TEXT(contents(root, "mnt/in"), "SECRET");
  CHECK_TEXT(contents(root, "mnt/../file"), "inside");
  CHECK_TEXT(contents(root, "mnt/sub/../../file"), "inside");
  /* Above the mount lies the granted folder, not what was mounted. */
  CHECK_TEXT(contents(root, "mnt/../secret"), "ENOENT");
  CHECK_TEXT(contents(root, "mnt/up"), "ENOENT");
  CHECK_TEXT(contents(root, "mnt/../../secret"), "ENOTCAPABLE");
  CHECK_TEXT(contents(root, "mnt/sub/../../../secret"), "ENOTCAPABLE");
  CHECK_INT(host_rename_at(root, path_of("mnt/kept"), root, path_of("stolen")), -HOST_ERROR_XDEV);
  CHECK_INT(host_link_at(root, path_of("mnt/kept"), false, root, path_of("stolen")), -HOST_ERROR_XDEV);
  /* A mount over the granted folder is not what was granted. */
  if (mount("outside", "root", NULL, MS_BIND, NULL) != 0) return 255;
  CHECK_TEXT(contents(root, "file"), "inside");
  host_object_release(root);
  return test_failures;
}

TEST(mounts) {
  pid_t child = fork();
  if (child == 0) _exit(try_mounts());
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
  if (WEXITSTATUS(status) == 255)
    printf("mounts: not tried, the system allows none\n");
  else
    CHECK_INT(WEXITSTATUS(status), 0);
}

/* ---- Races over every operation --------------------------------------------------------------------------------------- */

static atomic_bool racing;

/* A folder and a link to outside change places, and so do a file and a link to another. */
static void *racer(void *unused) {
  (void)unused;
  while (atomic_load(&racing)) {
    syscall(SYS_renameat2, AT_FDCWD, "root/swap", AT_FDCWD, "root/swap_link", 2 /* RENAME_EXCHANGE */);
    syscall(SYS_renameat2, AT_FDCWD, "root/leaf", AT_FDCWD, "root/leaf_link", 2);
  }
  return NULL;
}

struct victims {
  struct host_object *root;
  ino_t secret, outside_file, outside;
};

static void expect_inside(const struct victims *victims, const char *path, bool follow) {
  struct host_stat status;
  if (host_stat_at(victims->root, path_of(path), follow, &status)) return;
  CHECK(status.inode != victims->secret && status.inode != victims->outside_file && status.inode != victims->outside);
}

static void change(struct host_object *root, const char *folder, const char *leaf) {
  char below[64], fresh[64];
  snprintf(below, sizeof below, "%s/kept", folder), snprintf(fresh, sizeof fresh, "%s/fresh", folder);
  struct host_time past = {.action = HOST_TIME_SET, .ns = 1};
  struct host_object *object;
  host_set_times_at(root, path_of(leaf), true, past, past);
  host_set_times_at(root, path_of(below), true, past, past);
  host_set_times_at(root, path_of(folder), true, past, past);
  if (open_with(root, leaf, HOST_OPEN_FOLLOW | HOST_OPEN_TRUNCATE, HOST_RIGHT_WRITE, &object) == 0) {
    size_t done = 0;
    struct host_buffer buffer = plain("inside", 6);
    host_write(object, &buffer, 1, &done);
    host_object_release(object);
  }
  host_link_at(root, path_of(leaf), true, root, path_of("stolen"));
  host_unlink_at(root, path_of("stolen"));
  host_link_at(root, path_of(below), false, root, path_of("stolen"));
  host_unlink_at(root, path_of("stolen"));
  host_link_at(root, path_of("file"), false, root, path_of(fresh));
  host_unlink_at(root, path_of(fresh));
  host_symlink_at(path_of("x"), root, path_of(fresh));
  host_unlink_at(root, path_of(fresh));
  host_make_directory_at(root, path_of(fresh));
  host_remove_directory_at(root, path_of(fresh));
  snprintf(fresh, sizeof fresh, "%s/sub", folder);
  if (host_remove_directory_at(root, path_of(fresh)) == 0) host_make_directory_at(root, path_of(fresh));
  if (host_rename_at(root, path_of(below), root, path_of("moved")) == 0)
    host_rename_at(root, path_of("moved"), root, path_of(below));
  if (host_rename_at(root, path_of("file"), root, path_of(below)) == 0) write_file("root/file", "inside");
}

static void look(const struct victims *victims) {
  static const char *const paths[] = {"swap", "swap/", "swap/.", "swap/file", "swap/sub/..", "swap/sub/../file",
                                      "leaf"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    expect_inside(victims, paths[i], true);
    CHECK(strcmp(contents(victims->root, paths[i]), "SECRET") != 0);
  }
  struct host_object *object;
  if (open_with(victims->root, "swap", HOST_OPEN_FOLLOW | HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &object) == 0) {
    CHECK(strcmp(contents(object, "file"), "SECRET") != 0);
    host_object_release(object);
  }
}

static bool is_as_it_was(const char *path, nlink_t links) {
  struct stat status;
  return stat(path, &status) == 0 && status.st_nlink == links && status.st_mtime > 1000 &&
         (S_ISDIR(status.st_mode) || strcmp(read_file(path), "SECRET") == 0);
}

TEST(races) {
  mkdir("root/swap", 0755), mkdir("root/swap/sub", 0755), write_file("root/swap/file", "inside");
  write_file("root/swap/kept", "inside"), write_file("root/leaf", "inside");
  link_or_die("../outside", "root/swap_link"), link_or_die("../secret", "root/leaf_link");
  struct stat status;
  struct victims victims = {.root = grant("root", HOST_RIGHTS_ALL, resolver)};
  if (stat("secret", &status) == 0) victims.secret = status.st_ino;
  if (stat("outside/file", &status) == 0) victims.outside_file = status.st_ino;
  if (stat("outside", &status) == 0) victims.outside = status.st_ino;
  pthread_t thread;
  atomic_store(&racing, true);
  if (pthread_create(&thread, NULL, racer, NULL) != 0) abort();
  uint64_t start = base_os_monotonic_ns();
  while (base_os_monotonic_ns() - start < 400000000) {
    look(&victims);
    change(victims.root, "swap", "leaf");
  }
  atomic_store(&racing, false);
  pthread_join(thread, NULL);
  CHECK(is_as_it_was("secret", 1) && is_as_it_was("outside/file", 1) && is_as_it_was("outside/kept", 1));
  CHECK(is_as_it_was("outside", 3)); /* with the one folder that was there */
  CHECK(stat("outside/fresh", &status) != 0 && stat("outside/moved", &status) != 0);
  host_object_release(victims.root);
}

static void all_tests(enum host_resolver which) {
  scratch_enter();
  resolver = which;
  build();
  RUN(spellings)
  RUN(chains)
  RUN(magic_links)
  RUN(processes)
  if (root_has_processes()) RUN(processes_from_the_root)
  RUN(names_like_processes)
  RUN(moved_folders)
  RUN(races)
  RUN(mounts)
  RUN(hard_links)
  scratch_remove();
}

TEST_MAIN({
  all_tests(HOST_RESOLVER_KERNEL);
  all_tests(HOST_RESOLVER_WALKER);
})
