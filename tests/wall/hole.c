/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The deliberate hole: linked into the command with --wrap=host_random_fill, so that a guest that asks for random bytes runs
 * what an attacker would after a bug in a host function. Which of the attempts it is, CAY_HOLE in
 * the environment says; what came of it goes to standard error.
 *
 * With CAY_HOLE_SOCKETS the run counts as one whose program makes sockets (--wrap=api_run_makes_sockets); the resolver that it
 * is given is remembered for attempts (--wrap=host_network_set_resolver). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int __real_host_random_fill(void *source, void *bytes, size_t len_bytes);
int __wrap_host_random_fill(void *source, void *bytes, size_t len_bytes);

bool __wrap_api_run_makes_sockets(const void *run);
bool __wrap_api_run_makes_sockets(const void *run) {
  (void)run;
  return getenv("CAY_HOLE_SOCKETS") != NULL;
}

typedef int resolver(void *env, const char *name, int fd);
static resolver *resolve;
static void *resolve_env;
void __real_host_network_set_resolver(void *network, resolver *with, void *env);
void __wrap_host_network_set_resolver(void *network, resolver *with, void *env);
void __wrap_host_network_set_resolver(void *network, resolver *with, void *env) {
  resolve = with;
  resolve_env = env;
  __real_host_network_set_resolver(network, with, env);
}

/* Whether the broker finds an address; the first number of an answer is its error. */
static int try_lookup(const char *name) {
  int ends[2], failure = EIO;
  errno = EPERM; /* what the resolver returns is no error number of the C library's */
  if (!resolve || pipe2(ends, O_CLOEXEC) != 0 || resolve(resolve_env, name, ends[1]) != 0) return -1;
  close(ends[1]);
  bool is_answered = read(ends[0], &failure, sizeof failure) == sizeof failure;
  errno = ENOENT;
  return is_answered && failure == 0 ? 0 : -1;
}

static int try_dial(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof to);
}

static int try_connect(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof to);
}

/* The listener that was granted (--listen: descriptor of its own) connects, with data in its first packet. */
static int try_fast_open(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  for (int fd = 3; fd < 64; fd++)
    if (shutdown(fd, SHUT_RD) == 0 && sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (void *)&to, sizeof to) < 0 &&
        errno != ENOTCONN)
      return errno == EINPROGRESS || errno == ECONNREFUSED ? 0 : -1; /* it was sent */
  return -1;
}

static int try_map(int protection) {
  return mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

/* Writes code into the process's own data and makes it executable. */
static int try_protect(void) {
  static _Alignas(4096) char page[4096];
  return mprotect(page, sizeof page, PROT_READ | PROT_EXEC);
}

static int try_exec(void) {
  char *const words[] = {"sh", "-c", "echo holed: exec >&2", NULL};
  return execve("/bin/sh", words, words + 3);
}

static int attempt(const char *what) {
  struct stat status;
  if (strcmp(what, "open") == 0) return open("/etc/passwd", O_RDONLY);
  if (strcmp(what, "write") == 0) return open("made", O_WRONLY | O_CREAT, 0600);
  if (strcmp(what, "stat") == 0) return stat("/etc/passwd", &status);
  if (strcmp(what, "memory") == 0) return open("/proc/self/mem", O_RDWR);
  if (strcmp(what, "connect") == 0) return try_connect();
  if (strcmp(what, "dial") == 0) return try_dial();
  if (strcmp(what, "fastopen") == 0) return try_fast_open();
  if (strcmp(what, "netlink") == 0) return socket(AF_NETLINK, SOCK_RAW, 0);
  if (strcmp(what, "lookup") == 0) return try_lookup("localhost");
  if (strcmp(what, "lookup-other") == 0) return try_lookup("example.org");
  if (strcmp(what, "map") == 0) return try_map(PROT_READ | PROT_EXEC);
  if (strcmp(what, "mapall") == 0) return try_map(PROT_READ | PROT_WRITE | PROT_EXEC);
  if (strcmp(what, "protect") == 0) return try_protect();
  if (strcmp(what, "fork") == 0) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    return child;
  }
  return strcmp(what, "exec") == 0 ? try_exec() : -1;
}

int __wrap_host_random_fill(void *source, void *bytes, size_t len_bytes) {
  static int done;
  const char *what = getenv("CAY_HOLE");
  if (what && !done++) {
    int failed = attempt(what) < 0;
    fprintf(stderr, failed ? "stopped: %s: %s\n" : "holed: %s\n", what, strerror(errno));
  }
  return __real_host_random_fill(source, bytes, len_bytes);
}
