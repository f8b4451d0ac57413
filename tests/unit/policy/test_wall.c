/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The second wall, tried from inside: each attempt is made by a child that has entered it, and has one expected end: an
 * error number, success, or the signal by which the kernel ends who tries. What a system lacks is not tried. */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/host.h"
#include "policy/policy.h"

enum { KILLED = 1000, UNENTERED = 250 }; /* by SIGSYS; what a child says that could not enter */

static char root[] = "/tmp/cay-wall-XXXXXX";
static int granted, outside, single; /* descriptors: root/d, root, root/f */
static int listener;                 /* one that waits for connections on a port of its own */
static pid_t other;

/* ---- Attempts: 0, or an error number --------------------------------------------------------------------------------- */

static int result(long got) { return got < 0 ? errno : 0; }

static int try_open(int directory, const char *path, int flags) {
  int fd = openat(directory, path, flags, 0600);
  return fd < 0 ? errno : (close(fd), 0);
}
static int open_passwd(void) { return try_open(AT_FDCWD, "/etc/passwd", O_RDONLY); }
static int open_passwd_by_directory(void) { return try_open(granted, "/etc/passwd", O_RDONLY); }
static int open_own_memory(void) { return try_open(AT_FDCWD, "/proc/self/mem", O_RDWR); }
static int open_own_memory_by_directory(void) { return try_open(granted, "/proc/self/mem", O_RDWR); }
static int open_read(void) { return try_open(granted, "f", O_RDONLY); }
static int open_write(void) { return try_open(granted, "f", O_WRONLY); }
static int open_truncate(void) { return try_open(granted, "f", O_RDONLY | O_TRUNC); }
static int open_create(void) { return try_open(granted, "new", O_WRONLY | O_CREAT | O_EXCL); }
static int create_and_cut(void) {
  int fd = openat(granted, "new", O_WRONLY | O_CREAT | O_EXCL, 0600);
  return fd < 0 ? errno : result(ftruncate(fd, 1));
}
static int open_list(void) { return try_open(granted, ".", O_RDONLY | O_DIRECTORY); }
static int open_outside(void) { return try_open(granted, "../f", O_RDONLY); }
static int open_single_read(void) { return try_open(outside, "f", O_RDONLY); }
static int open_single_write(void) { return try_open(outside, "f", O_WRONLY); }
static int open_beside_single(void) { return try_open(outside, "g", O_RDONLY); }
static int stat_passwd(void) {
  struct stat status;
  return result(fstatat(AT_FDCWD, "/etc/passwd", &status, 0));
}
static int stat_elsewhere(void) {
  struct stat status;
  return result(fstatat(granted, "/etc/passwd", &status, 0));
}
static int read_link_elsewhere(void) {
  char text[8];
  return result(readlinkat(granted, "/proc/self", text, sizeof text));
}
static int stat_granted(void) {
  struct stat status;
  return result(fstatat(granted, "f", &status, 0));
}
static int make_directory(void) { return result(mkdirat(granted, "made", 0700)); }
static int make_fifo(void) { return result(mknodat(granted, "fifo", S_IFIFO | 0600, 0)); }
static int make_link(void) { return result(linkat(granted, "f", granted, "link", 0)); }
static int make_symlink(void) { return result(symlinkat("f", granted, "symlink")); }
static int rename_inside(void) { return result(renameat(granted, "f", granted, "s/f")); }
static int rename_outside(void) { return result(renameat(granted, "f", outside, "moved")); }
static int remove_file(void) { return result(unlinkat(granted, "f", 0)); }
static int remove_directory(void) { return result(unlinkat(granted, "s", AT_REMOVEDIR)); }
static int change_times(void) { return result(utimensat(granted, "f", NULL, 0)); }
static int change_times_elsewhere(void) {
  char path[64];
  snprintf(path, sizeof path, "%s/g", root);
  return result(utimensat(granted, path, NULL, 0));
}
static int change_times_of_descriptor(void) { return result(futimens(single, NULL)); }
static int change_mode(void) { return result(fchmodat(granted, "f", 0777, 0)); }
static int truncate_by_name(void) { return result(truncate("/etc/passwd", 0)); }

static int make_socket(void) { return result(base_os_socket(AF_INET, SOCK_STREAM, 0)); }
static int make_netlink(void) { return result(base_os_socket(AF_NETLINK, SOCK_RAW, 0)); }
static int connect_somewhere(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  return result(connect(single, (struct sockaddr *)&to, sizeof to));
}
static int bind_somewhere(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  return result(bind(single, (struct sockaddr *)&to, sizeof to));
}
static int make_unix(void) { return result(base_os_socket(AF_UNIX, SOCK_STREAM, 0)); }
static int make_raw(void) { return result(base_os_socket(AF_INET, SOCK_RAW, IPPROTO_UDP)); }
static int make_multipath(void) { return result(base_os_socket(AF_INET, SOCK_STREAM, 262)); }
static int make_datagram(void) {
  return result(base_os_socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}
enum { PORT = 9, OTHER_PORT = 11 }; /* nobody listens there */
static int with_port(int (*use)(int, const struct sockaddr *, socklen_t), uint16_t port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = base_os_socket(AF_INET, SOCK_STREAM, 0);
  return fd < 0 ? errno : result(use(fd, (struct sockaddr *)&at, sizeof at));
}
static int connect_port(void) { return with_port(connect, PORT); }
static int connect_other_port(void) { return with_port(connect, OTHER_PORT); }
static int bind_any_port(void) { return with_port(bind, 0); }
static int bind_other_port(void) { return with_port(bind, 61234); }
static int abstract_socket(void) {
  struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "\0cay"};
  int fd = base_os_socket(AF_UNIX, SOCK_DGRAM, 0);
  return fd < 0 ? errno : result(sendto(fd, "", 1, 0, (struct sockaddr *)&to, sizeof to));
}
/* What waited for connections connects: the first packet brings data. */
static int fast_open(bool by_message) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1};
  shutdown(listener, SHUT_RD);
  return result(by_message ? sendmsg(listener, &message, MSG_FASTOPEN | MSG_NOSIGNAL)
                           : sendto(listener, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to));
}
static int fast_open_sendto(void) { return fast_open(false); }
static int fast_open_sendmsg(void) { return fast_open(true); }
static int set_option(int level, int option) { return result(base_os_setsockopt(listener, level, option, 1)); }
static int reuse_address(void) { return set_option(SOL_SOCKET, SO_REUSEADDR); }
static int only_v6(void) { return set_option(IPPROTO_IPV6, IPV6_V6ONLY); }
static int keep_alive(void) { return set_option(SOL_SOCKET, SO_KEEPALIVE); }
static int fast_open_at_connect(void) { return set_option(IPPROTO_TCP, 30 /* TCP_FASTOPEN_CONNECT */); }
static int accept_somebody(void) { return result(accept4(single, NULL, NULL, 0)); }

static int execute(void) {
  char *const words[] = {"/bin/true", NULL};
  return result(execve("/bin/true", words, words + 1));
}
static int execute_at(void) {
  char *const words[] = {"", NULL};
  return result(syscall(SYS_execveat, single, "", words, words + 1, AT_EMPTY_PATH));
}
static int make_process(void) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  return result(child);
}
static int make_process_like_a_thread(void) {
  return result(syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0));
}
static int make_namespace(void) { return result(unshare(CLONE_NEWUSER)); }
static void *nothing(void *argument) { return argument; }
static int make_thread(void) {
  pthread_t thread;
  int failure = pthread_create(&thread, NULL, nothing, NULL);
  return failure ? failure : pthread_join(thread, NULL);
}
static int trace_other(void) { return result(ptrace(PTRACE_ATTACH, other, NULL, NULL)); }
static int read_other(void) {
  char byte;
  struct iovec to = {&byte, 1}, from = {&byte, 1};
  return result(syscall(SYS_process_vm_readv, other, &to, 1, &from, 1, 0));
}
static int kill_other(void) { return result(kill(other, SIGKILL)); }
static int kill_thread_of_other(void) { return result(syscall(SYS_tgkill, other, other, SIGKILL)); }
static int name_other(void) { return result(syscall(SYS_pidfd_open, other, 0)); }
static int raise_signal(void) {
  signal(SIGUSR1, SIG_IGN);
  return result(raise(SIGUSR1));
}
static int wait_for_any(void) { return result(waitpid(-1, NULL, WNOHANG)); }
static int wait_for_child(void) {
  int got = result(waitpid(other, NULL, WNOHANG));
  return got == ECHILD ? 0 : got; /* it is this process's brother */
}

static int change_personality(void) { return result(personality(READ_IMPLIES_EXEC)); }
static int make_ring(void) {
  char parameters[120] = {0};
  return result(syscall(SYS_io_uring_setup, 1, parameters));
}
static int load_program(void) { return result(syscall(SYS_bpf, 0, NULL, 0)); }
static int watch_faults(void) { return result(syscall(SYS_userfaultfd, 0)); }
static int foreign_call(void) { return result(syscall(0x40000000 | SYS_getpid)); }
static int raise_limit(void) {
  struct rlimit limit = {1, 1};
  return result(setrlimit(RLIMIT_CORE, &limit));
}
static int read_limit(void) {
  struct rlimit limit;
  return result(getrlimit(RLIMIT_AS, &limit));
}
static int push_input(void) { return result(ioctl(0, TIOCSTI, "x")); }
static int be_dumpable(void) { return result(prctl(PR_SET_DUMPABLE, 1)); }
static int take_owner(void) { return result(fcntl(single, F_SETOWN, other)); }
static int become_other_user(void) { return result(setuid(12345)); }
static int has_capability(void) { return prctl(PR_CAPBSET_READ, 0) == 0 ? 0 : errno; }

/* ---- Memory -------------------------------------------------------------------------------------------------------------- */

static char *arena; /* ARENA_PAGES pages, one more before and behind */
static size_t page;
static int code_file;
enum { ARENA_PAGES = 4 };

static int map(void *at, int protection, int flags, int fd) {
  return mmap(at, page, protection, flags, fd, 0) == MAP_FAILED ? errno : 0;
}
static int map_plain(void) { return map(NULL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1); }
static int map_code(void) { return map(NULL, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1); }
static int map_code_of_file(void) { return map(NULL, PROT_READ | PROT_EXEC, MAP_PRIVATE, single); }
static int map_all(void) { return map(NULL, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1); }
static int map_code_in_arena(void) { return map(arena, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, code_file); }
static int map_anonymous_code_in_arena(void) {
  return map(arena, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1);
}
static int map_code_before_arena(void) {
  return map(arena - page, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, code_file);
}
static int protect(char *at, size_t pages, int protection) { return result(mprotect(at, pages * page, protection)); }
static int protect_plain(void) { return protect(arena - page, 1, PROT_READ | PROT_WRITE); }
static int protect_first(void) { return protect(arena, 1, PROT_READ | PROT_EXEC); }
static int protect_last(void) { return protect(arena + (ARENA_PAGES - 1) * page, 1, PROT_READ | PROT_EXEC); }
static int protect_arena(void) { return protect(arena, ARENA_PAGES, PROT_READ | PROT_EXEC); }
static int protect_all_in_arena(void) { return protect(arena, 1, PROT_READ | PROT_WRITE | PROT_EXEC); }
static int protect_before(void) { return protect(arena - page, 1, PROT_READ | PROT_EXEC); }
static int protect_over_start(void) { return protect(arena - page, 2, PROT_READ | PROT_EXEC); }
static int protect_behind(void) { return protect(arena + ARENA_PAGES * page, 1, PROT_READ | PROT_EXEC); }
static int protect_over_end(void) { return protect(arena + (ARENA_PAGES - 1) * page, 2, PROT_READ | PROT_EXEC); }
static int protect_huge(void) { return result(mprotect(arena, SIZE_MAX - page + 1, PROT_READ | PROT_EXEC)); }
static int move_to(void) {
  return mremap(arena - page, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, arena) == MAP_FAILED ? errno : 0;
}

/* ---- Trying ---------------------------------------------------------------------------------------------------------------- */

struct attempt {
  const char *name;
  int (*make)(void);
  int expected;
};
#define ATTEMPT(function, expected) {#function, function, expected}

static void fill_folders(void) {
  char command[256];
  snprintf(command, sizeof command, "cd %s && rm -rf d && mkdir -p d/s && echo x > d/f && echo x > f && echo x > g",
           root);
  CHECK_INT(system(command), 0);
}

static void setup(void) {
  CHECK(mkdtemp(root) != NULL);
  fill_folders();
  page = base_os_page_bytes();
  outside = open(root, O_PATH | O_DIRECTORY);
  arena = mmap(NULL, (ARENA_PAGES + 2) * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  arena += page;
  code_file = memfd_create("code", 0);
  CHECK_INT(ftruncate(code_file, (off_t)(ARENA_PAGES * page)), 0);
  listener = base_os_socket(AF_INET, SOCK_STREAM, 0);
  CHECK_INT(listen(listener, 1), 0);
  other = fork();
  if (other == 0) {
    pause();
    _exit(0);
  }
}

/* Forks, enters with `wall` (NULL: as a reader) and tries. */
static int outcome(const struct policy_wall *wall, int (*make)(void)) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    struct policy_wall_report report = {0};
    struct rlimit no_core = {0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (wall)
      policy_wall_enter(wall, &report);
    else
      report.parts[POLICY_WALL_FILES].holds = report.parts[POLICY_WALL_CALLS].holds = policy_wall_enter_reader();
    if (!report.parts[POLICY_WALL_FILES].holds || !report.parts[POLICY_WALL_CALLS].holds) _exit(UNENTERED);
    _exit(make());
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGSYS ? KILLED : 2000 + WTERMSIG(status);
  return WEXITSTATUS(status);
}

static bool can_enter(void) {
  const struct policy_wall nothing_granted = {0};
  return outcome(&nothing_granted, raise_signal) != UNENTERED;
}

static void try_all(const char *which, const struct policy_wall *wall, const struct attempt *attempts, size_t count) {
  for (size_t i = 0; i < count; i++) {
    fill_folders();
    /* The names mean new files each time; rules are for files. */
    granted = openat(outside, "d", O_PATH | O_DIRECTORY);
    single = openat(outside, "f", O_RDONLY);
    struct policy_wall_path paths[2];
    struct policy_wall copy = wall ? *wall : (struct policy_wall){0};
    for (size_t place = 0; place < copy.path_count; place++) {
      paths[place] = copy.paths[place];
      paths[place].fd = paths[place].is_directory ? granted : single;
    }
    copy.paths = paths;
    int got = outcome(wall ? &copy : NULL, attempts[i].make);
    test_checks++;
    if (got != attempts[i].expected) {
      test_failures++;
      fprintf(stderr, "%s: %s gives %d (%s), expected %d\n", which, attempts[i].name, got, strerror(got),
              attempts[i].expected);
    }
    close(granted);
    close(single);
  }
}
#define TRY_ALL(which, wall, attempts) try_all(which, wall, attempts, BASE_ARRAY_LEN(attempts))

TEST(nothing_granted) {
  static const struct attempt attempts[] = {
      ATTEMPT(open_passwd, EPERM),
      ATTEMPT(open_passwd_by_directory, EPERM),
      ATTEMPT(open_own_memory, EPERM),
      ATTEMPT(open_read, EPERM),
      ATTEMPT(open_list, EPERM),
      ATTEMPT(stat_passwd, EPERM),
      ATTEMPT(stat_granted, EPERM),
      ATTEMPT(stat_elsewhere, EPERM),
      ATTEMPT(read_link_elsewhere, EPERM),
      ATTEMPT(make_directory, EPERM),
      ATTEMPT(remove_file, EPERM),
      ATTEMPT(rename_inside, EPERM),
      ATTEMPT(make_link, EPERM),
      ATTEMPT(make_symlink, EPERM),
      ATTEMPT(make_fifo, EPERM),
      ATTEMPT(change_times, EPERM),
      ATTEMPT(change_times_of_descriptor, 0),
      ATTEMPT(truncate_by_name, EPERM),
      ATTEMPT(make_socket, EPERM),
      ATTEMPT(make_netlink, EPERM),
      ATTEMPT(connect_somewhere, EPERM),
      ATTEMPT(bind_somewhere, EPERM),
      ATTEMPT(abstract_socket, EPERM),
      ATTEMPT(accept_somebody, EPERM),
      ATTEMPT(execute, KILLED),
      ATTEMPT(execute_at, KILLED),
      ATTEMPT(make_process, EPERM),
      ATTEMPT(make_process_like_a_thread, EPERM),
      ATTEMPT(make_namespace, KILLED),
      ATTEMPT(make_thread, EPERM),
      ATTEMPT(trace_other, KILLED),
      ATTEMPT(read_other, KILLED),
      ATTEMPT(name_other, KILLED),
      ATTEMPT(kill_other, EPERM),
      ATTEMPT(kill_thread_of_other, EPERM),
      ATTEMPT(raise_signal, 0),
      ATTEMPT(wait_for_any, EPERM),
      ATTEMPT(change_personality, KILLED),
      ATTEMPT(make_ring, KILLED),
      ATTEMPT(load_program, KILLED),
      ATTEMPT(watch_faults, KILLED),
      ATTEMPT(foreign_call, KILLED),
      ATTEMPT(raise_limit, EPERM),
      ATTEMPT(read_limit, 0),
      ATTEMPT(push_input, EPERM),
      ATTEMPT(be_dumpable, EPERM),
      ATTEMPT(take_owner, EPERM),
      ATTEMPT(become_other_user, EPERM),
      ATTEMPT(has_capability, EPERM),
      ATTEMPT(map_plain, 0),
      ATTEMPT(map_code, EPERM),
      ATTEMPT(map_code_of_file, EPERM),
      ATTEMPT(map_all, EPERM),
      ATTEMPT(protect_plain, 0),
      ATTEMPT(protect_first, EPERM),
      ATTEMPT(move_to, EPERM),
  };
  const struct policy_wall wall = {0};
  TRY_ALL("nothing granted", &wall, attempts);
}

TEST(granted_to_read) {
  static const struct attempt attempts[] = {
      ATTEMPT(open_read, 0),
      ATTEMPT(open_list, 0),
      ATTEMPT(stat_granted, 0),
      ATTEMPT(open_write, EACCES),
      ATTEMPT(open_truncate, EACCES),
      ATTEMPT(open_create, EACCES),
      ATTEMPT(open_outside, EACCES),
      ATTEMPT(open_passwd, EPERM),
      ATTEMPT(open_passwd_by_directory, EACCES),
      ATTEMPT(open_own_memory, EPERM),
      ATTEMPT(open_own_memory_by_directory, EACCES),
      ATTEMPT(make_directory, EPERM),
      ATTEMPT(remove_file, EPERM),
      ATTEMPT(rename_inside, EPERM),
      ATTEMPT(make_link, EPERM),
      ATTEMPT(make_symlink, EPERM),
      ATTEMPT(change_times, EPERM),
      ATTEMPT(change_times_elsewhere, EPERM),
      ATTEMPT(stat_elsewhere, 0),
      ATTEMPT(read_link_elsewhere, 0),
      ATTEMPT(change_mode, EPERM),
      ATTEMPT(execute, KILLED),
      ATTEMPT(make_socket, EPERM),
  };
  const struct policy_wall_path path = {.rights = HOST_RIGHTS_READ_ONLY, .is_directory = true};
  const struct policy_wall wall = {.paths = &path, .path_count = 1};
  TRY_ALL("granted to read", &wall, attempts);
}

TEST(granted_to_change) {
  static const struct attempt attempts[] = {
      ATTEMPT(open_read, 0),
      ATTEMPT(open_list, 0),
      ATTEMPT(open_write, 0),
      ATTEMPT(open_truncate, 0),
      ATTEMPT(open_create, 0),
      ATTEMPT(open_outside, EACCES),
      ATTEMPT(open_passwd_by_directory, EACCES),
      ATTEMPT(make_directory, 0),
      ATTEMPT(make_fifo, EPERM),
      ATTEMPT(remove_file, 0),
      ATTEMPT(remove_directory, 0),
      ATTEMPT(rename_inside, 0),
      ATTEMPT(rename_outside, EACCES),
      ATTEMPT(make_link, 0),
      ATTEMPT(make_symlink, 0),
      ATTEMPT(change_times, 0),
      /* What Landlock does not know (wall_landlock.c). */
      ATTEMPT(change_times_elsewhere, 0),
      ATTEMPT(stat_elsewhere, 0),
      ATTEMPT(read_link_elsewhere, 0),
      ATTEMPT(change_mode, EPERM),
      ATTEMPT(truncate_by_name, EPERM),
  };
  const struct policy_wall_path path = {.rights = HOST_RIGHTS_ALL, .is_directory = true};
  const struct policy_wall wall = {.paths = &path, .path_count = 1};
  TRY_ALL("granted to change", &wall, attempts);
}

TEST(granted_to_create) {
  static const struct attempt attempts[] = {
      ATTEMPT(create_and_cut, 0),    ATTEMPT(open_create, 0),           ATTEMPT(make_directory, 0),
      ATTEMPT(open_read, EACCES),    ATTEMPT(open_list, EACCES),        ATTEMPT(open_truncate, EACCES),
      ATTEMPT(remove_file, EACCES),  ATTEMPT(remove_directory, EACCES), ATTEMPT(make_symlink, EACCES),
      ATTEMPT(open_outside, EACCES),
  };
  const struct policy_wall_path path = {.rights = HOST_RIGHTS_CREATE_ONLY, .is_directory = true};
  const struct policy_wall wall = {.paths = &path, .path_count = 1};
  TRY_ALL("granted to create", &wall, attempts);
}

TEST(granted_single_file) {
  static const struct attempt to_read[] = {
      ATTEMPT(open_single_read, 0), ATTEMPT(open_single_write, EACCES), ATTEMPT(open_beside_single, EACCES),
      ATTEMPT(open_read, EACCES),   ATTEMPT(open_list, EACCES),         ATTEMPT(remove_file, EPERM),
  };
  static const struct attempt to_write[] = {
      ATTEMPT(open_single_read, 0), ATTEMPT(open_single_write, 0), ATTEMPT(open_beside_single, EACCES),
      ATTEMPT(remove_file, EPERM),  ATTEMPT(open_create, EACCES),
  };
  struct policy_wall_path path = {.rights = HOST_RIGHT_READ};
  const struct policy_wall wall = {.paths = &path, .path_count = 1};
  TRY_ALL("a single file to read", &wall, to_read);
  path.rights |= HOST_RIGHT_WRITE;
  TRY_ALL("a single file to write", &wall, to_write);
}

static const struct attempt flips[] = {
    ATTEMPT(protect_first, 0),      ATTEMPT(protect_last, 0),
    ATTEMPT(protect_arena, 0),      ATTEMPT(protect_all_in_arena, EPERM),
    ATTEMPT(protect_before, EPERM), ATTEMPT(protect_over_start, EPERM),
    ATTEMPT(protect_behind, EPERM), ATTEMPT(protect_over_end, EPERM),
    ATTEMPT(protect_huge, EPERM),   ATTEMPT(map_code_in_arena, EPERM),
    ATTEMPT(map_code, EPERM),       ATTEMPT(map_plain, 0),
    ATTEMPT(move_to, EPERM),
};

TEST(code) {
  static const struct attempt maps_anew[] = {
      ATTEMPT(map_code_in_arena, 0),         ATTEMPT(map_anonymous_code_in_arena, EPERM),
      ATTEMPT(map_code_before_arena, EPERM), ATTEMPT(map_code, EPERM),
      ATTEMPT(protect_first, EPERM),
  };
  static const struct attempt never[] = {ATTEMPT(map_code_in_arena, EPERM), ATTEMPT(protect_first, EPERM)};
  struct policy_wall wall = {
      .code = (uintptr_t)arena, .code_bytes = ARENA_PAGES * page, .code_change = BASE_CODE_FLIPS};
  TRY_ALL("code by flipping", &wall, flips);
  wall.code_change = BASE_CODE_MAPS_ANEW;
  TRY_ALL("code by mapping", &wall, maps_anew);
  wall.code_change = BASE_CODE_NOTHING;
  TRY_ALL("code that is there", &wall, never);
}

/* An arena whose addresses' upper halves differ, of which each half is more than a page. */
TEST(code_across_4_gib) {
  char *const usual = arena;
  const uint64_t first = UINT64_C(1) << 36, last = UINTPTR_MAX > UINT32_MAX ? first * 2 : 0;
  for (uint64_t border = first; arena == usual && border < last; border += UINT64_C(1) << 32) {
    char *before = (char *)(uintptr_t)border - ARENA_PAGES / 2 * page - page;
    char *got = mmap(before, (ARENA_PAGES + 2) * page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == before)
      arena = got + page;
    else if (got != MAP_FAILED)
      munmap(got, (ARENA_PAGES + 2) * page);
  }
  CHECK(arena != usual || !last);
  const struct policy_wall wall = {
      .code = (uintptr_t)arena, .code_bytes = ARENA_PAGES * page, .code_change = BASE_CODE_FLIPS};
  if (arena != usual) TRY_ALL("code across 4 GiB", &wall, flips);
  arena = usual;
}

TEST(what_runs_need) {
  static const struct attempt threads[] = {ATTEMPT(make_thread, 0), ATTEMPT(make_process, EPERM),
                                           ATTEMPT(make_process_like_a_thread, EPERM)};
  static const struct attempt listeners[] = {ATTEMPT(accept_somebody, ENOTSOCK), ATTEMPT(make_socket, EPERM),
                                             ATTEMPT(fast_open_sendto, EPERM), ATTEMPT(fast_open_sendmsg, EPERM),
                                             ATTEMPT(reuse_address, EPERM)};
  static const struct attempt sockets[] = {ATTEMPT(make_socket, 0),          ATTEMPT(connect_somewhere, ENOTSOCK),
                                           ATTEMPT(make_datagram, 0),        ATTEMPT(make_netlink, EPERM),
                                           ATTEMPT(make_unix, EPERM),        ATTEMPT(make_raw, EPERM),
                                           ATTEMPT(make_multipath, EPERM),   ATTEMPT(abstract_socket, EPERM),
                                           ATTEMPT(fast_open_sendto, EPERM), ATTEMPT(fast_open_sendmsg, EPERM),
                                           ATTEMPT(reuse_address, 0),        ATTEMPT(only_v6, ENOPROTOOPT),
                                           ATTEMPT(keep_alive, EPERM),       ATTEMPT(fast_open_at_connect, EPERM)};
  static const struct attempt child[] = {ATTEMPT(wait_for_child, 0), ATTEMPT(wait_for_any, EPERM)};
  TRY_ALL("threads", &(struct policy_wall){.threads = true}, threads);
  TRY_ALL("listeners", &(struct policy_wall){.listeners = true}, listeners);
  TRY_ALL("sockets", &(struct policy_wall){.sockets = true}, sockets);
  TRY_ALL("a child", &(struct policy_wall){.child = other}, child);
}

/* Needs version 4 of Landlock; before, the kernel does not tell ports from each other. */
TEST(ports) {
  static const struct attempt none[] = {ATTEMPT(connect_port, EACCES), ATTEMPT(bind_any_port, EACCES)};
  static const struct attempt one[] = {ATTEMPT(connect_port, ECONNREFUSED), ATTEMPT(connect_other_port, EACCES),
                                       ATTEMPT(bind_any_port, 0), ATTEMPT(bind_other_port, EACCES)};
  static const struct attempt all[] = {ATTEMPT(connect_other_port, ECONNREFUSED), ATTEMPT(bind_other_port, EACCES)};
  struct policy_wall_ports ports[] = {{.first = PORT, .last = PORT, .connects = true}, {.listens = true}};
  if (outcome(&(struct policy_wall){.sockets = true}, connect_port) != EACCES) {
    printf("left out ports: this system has no Landlock for TCP\n");
    return;
  }
  struct policy_wall wall = {.sockets = true};
  TRY_ALL("no port", &wall, none);
  wall.ports = ports;
  wall.port_count = BASE_ARRAY_LEN(ports);
  TRY_ALL("one port to connect to", &wall, one);
  ports[0].first = 0;
  ports[0].last = 65535;
  TRY_ALL("all ports to connect to", &wall, all);
}

TEST(reader) {
  static const struct attempt attempts[] = {
      ATTEMPT(map_plain, 0),
      ATTEMPT(map_code, EPERM),
      ATTEMPT(open_passwd, EPERM),
      ATTEMPT(stat_passwd, EPERM),
      ATTEMPT(make_socket, EPERM),
      ATTEMPT(execute, KILLED),
      ATTEMPT(make_process, EPERM),
      ATTEMPT(make_thread, EPERM),
      ATTEMPT(kill_other, EPERM),
      ATTEMPT(raise_limit, EPERM),
      ATTEMPT(change_times_of_descriptor, EPERM),
  };
  TRY_ALL("a reader", NULL, attempts);
}

/* The same attempts succeed where they may: they are not refused for some other reason. */
TEST(without) {
  fill_folders();
  granted = openat(outside, "d", O_PATH | O_DIRECTORY);
  single = openat(outside, "f", O_RDONLY);
  int (*const attempts[])(void) = {create_and_cut,
                                   change_times,
                                   change_times_elsewhere,
                                   keep_alive,
                                   fast_open_at_connect,
                                   open_passwd,
                                   open_read,
                                   open_write,
                                   stat_passwd,
                                   make_socket,
                                   map_code,
                                   protect_first,
                                   make_process,
                                   make_thread,
                                   raise_limit,
                                   rename_outside,
                                   make_symlink,
                                   make_fifo};
  for (size_t i = 0; i < BASE_ARRAY_LEN(attempts); i++) CHECK_INT(attempts[i](), 0);
  int fast = fast_open_sendto(); /* nobody listens there; some systems have the feature switched off */
  CHECK(fast == ECONNREFUSED || fast == EOPNOTSUPP);
}

int main(void) {
  setup();
  if (can_enter()) {
    RUN(nothing_granted)
    RUN(granted_to_read)
    RUN(granted_to_change)
    RUN(granted_to_create)
    RUN(granted_single_file)
    RUN(code)
    RUN(code_across_4_gib)
    RUN(what_runs_need)
    RUN(ports)
    RUN(reader)
    RUN(without)
  } else {
    printf("skipped: this system has no Landlock or no seccomp\n");
  }
  kill(other, SIGKILL);
  waitpid(other, NULL, 0);
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", root);
  if (system(command) != 0) test_failures++;
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
