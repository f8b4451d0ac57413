/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Starts helpers and talks to them.
 *
 * Those that compile ahead are in os_conversation_posix.c; one that compiles while programs run yields to everything else. Each
 * inherits one descriptor, its end of a socket, and an empty environment. When it dies, whoever was talking to it sees the end of
 * the stream.
 *
 * A process that gives up its rights starts none. It gets the ends of a socket before that, and somebody outside starts the
 * helper when there is something to do (optimizer_delegate).
 *
 * Threads: what compiles while programs run is under the line's lock. */
#include "tiers/baseline/code.h"
#include "tiers/optimizer/optimizer.h"
#include "tiers/tiers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *helper_folder;
static atomic_uint mix;

/* What a helper that compiles while a program runs may take for a batch, in ms of processor time: some hundred times what most
 * take. */
static char patience[16] = "20000";

void tiers_auto_patience(uint32_t ms) { snprintf(patience, sizeof patience, "%u", ms); }

void tiers_optimized_look_in(const char *folder) { helper_folder = folder; }

void tiers_optimized_mix(uint32_t seed) { atomic_store(&mix, seed); }
uint32_t optimizer_mix(void) { return atomic_load(&mix); }

/* Beside the internal shared objects, which are searched in the same places. */
static bool spawn_in(const char *folder, const char *relative, int socket, char *word, pid_t *helper) {
  char path[PATH_MAX];
  int len = snprintf(path, sizeof path, "%s%scay-llvm", folder, relative);
  if (len < 0 || (size_t)len >= sizeof path || access(path, X_OK) != 0) return false;
  char *arguments[] = {(char[]){"cay-llvm"}, word, word ? patience : NULL, NULL}, *environment[] = {NULL};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  sigemptyset(&none);
  if (posix_spawnattr_init(&attributes) != 0) return false;
  if (posix_spawn_file_actions_init(&actions) != 0) {
    posix_spawnattr_destroy(&attributes);
    return false;
  }
  bool done = posix_spawnattr_setsigmask(&attributes, &none) == 0 &&
              posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK) == 0 &&
              posix_spawn_file_actions_adddup2(&actions, socket, WIRE_SPAWN_FD) == 0 &&
              posix_spawn(helper, path, &actions, &attributes, arguments, environment) == 0;
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return done;
}

/* `word` (NULL: none) is the helper's argument. */
static bool spawn(int socket, char *word, pid_t *helper) {
  char folder[PATH_MAX];
  if (base_os_stands_alone()) return false;
  ssize_t len = readlink(BASE_OWN_EXECUTABLE, folder, sizeof folder - 1);
  folder[len > 0 ? len : 0] = 0;
  char *slash = strrchr(folder, '/');
  folder[slash ? slash - folder + 1 : 0] = 0;
  return (helper_folder && spawn_in(helper_folder, "/", socket, word, helper)) ||
         (folder[0] && spawn_in(folder, "", socket, word, helper)) ||
         (folder[0] && spawn_in(folder, OPTIMIZER_HELPER_RELATIVE "/", socket, word, helper)) ||
         spawn_in(OPTIMIZER_HELPER_FOLDER, "/", socket, word, helper);
}

/* dup2 onto itself would leave close-on-exec set, so the number is another one in between. */
static bool spawn_at(int socket, char *word, pid_t *helper) {
  int theirs = fcntl(socket, F_DUPFD_CLOEXEC, WIRE_SPAWN_FD + 1);
  bool done = theirs >= 0 && spawn(theirs, word, helper);
  if (theirs >= 0) close(theirs);
  return done;
}

bool optimizer_spawn(char *word, struct optimizer_helper *out) {
  int pair[2];
  *out = (struct optimizer_helper){.socket = -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  pid_t process;
  bool done = spawn_at(pair[1], word, &process);
  close(pair[1]);
  if (!done) close(pair[0]);
  if (done)
    *out = (struct optimizer_helper){.socket = pair[0], .process = process, .process_fd = base_os_process_fd(process)};
  return done;
}

/* An embedder that waits for any child may have waited for this one, too, and its number be another's by now. */
static void end_process(const struct optimizer_helper *helper) {
  if (helper->process_fd >= 0)
    base_os_process_end(helper->process_fd);
  else if (kill(helper->process, SIGKILL) == 0)
    while (waitpid(helper->process, NULL, 0) < 0 && errno == EINTR) continue;
}

void optimizer_linger(pid_t helper, unsigned cpu_s) {
  clockid_t clock;
  struct timespec used = {0};
  if (clock_getcpuclockid(helper, &clock) == 0) clock_gettime(clock, &used);
  const struct rlimit most = {(rlim_t)used.tv_sec + cpu_s, (rlim_t)used.tv_sec + cpu_s};
  prlimit(helper, RLIMIT_CPU, &most, NULL);
}

/* ---- Waiting ----------------------------------------------------------------------------------------------------------------- */

bool optimizer_await(struct pollfd *fds, unsigned count, const atomic_bool *interrupted) {
  enum { LOOK_MS = 20 }; /* between two looks at the wish */
  while (!interrupted || !atomic_load_explicit(interrupted, memory_order_relaxed))
    if (poll(fds, count, interrupted ? LOOK_MS : -1) > 0) return true;
  return false;
}

bool optimizer_tell_to(int socket, const void *bytes, size_t count) {
  for (const uint8_t *at = bytes; count > 0;) {
    ssize_t sent = send(socket, at, count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    count -= (size_t)sent;
  }
  return true;
}

bool optimizer_hear_from(int socket, void *to, size_t count) {
  for (uint8_t *at = to; count > 0;) {
    ssize_t got = recv(socket, at, count, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    count -= (size_t)got;
  }
  return true;
}

bool optimizer_hear_socket(void *hearing, void *to, size_t count) {
  const struct optimizer_hearing *self = hearing;
  struct pollfd fd = {.fd = self->socket, .events = POLLIN};
  for (uint8_t *at = to; count > 0;) {
    if (!optimizer_await(&fd, 1, self->interrupted)) return false;
    ssize_t got = recv(self->socket, at, count, MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return false;
    at += got;
    count -= (size_t)got;
  }
  return true;
}

bool optimizer_accept_offer(const struct tiers_offer *offer) {
  return optimizer_tell_to(offer->socket, &offer->number, sizeof offer->number);
}

/* ---- While programs run ---------------------------------------------------------------------------------------------------- */

static char yielding[] = WIRE_YIELDS;

/* How a helper is started where this process must not: once, with the socket that was made before. */
static struct {
  enum engine_start (*start)(void *env, int socket);
  void *env;
  int ours, theirs;
} delegate = {.ours = -1, .theirs = -1};

bool optimizer_delegate(enum engine_start (*start)(void *env, int socket), void *env) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  delegate.start = start;
  delegate.env = env;
  delegate.ours = pair[0];
  delegate.theirs = pair[1];
  return true;
}

bool optimizer_start_for(int socket, pid_t *process) { return spawn_at(socket, yielding, process); }

static enum cay_status start_by_delegate(struct optimizer_helper *out, struct cay_error *error) {
  enum engine_start outcome =
      delegate.theirs >= 0 ? delegate.start(delegate.env, delegate.theirs) : ENGINE_START_REFUSED;
  *out = (struct optimizer_helper){.socket = -1};
  if (outcome == ENGINE_START_BUSY) return base_error_set(error, CAY_ERROR_LIMIT, "who starts cay-llvm is busy");
  if (delegate.theirs >= 0) close(delegate.theirs);
  delegate.theirs = -1;
  if (outcome != ENGINE_STARTED)
    return base_error_set(error, CAY_ERROR_UNSUPPORTED, "cay-llvm has ended, or is not beside cay");
  *out = (struct optimizer_helper){.socket = delegate.ours};
  return CAY_OK;
}

enum cay_status optimizer_helper_start(struct optimizer_helper *out, struct cay_error *error) {
  if (delegate.start) return start_by_delegate(out, error);
  if (optimizer_spawn(yielding, out)) return CAY_OK;
  return base_error_set(error, CAY_ERROR_UNSUPPORTED, "cay-llvm cannot be started: it is not beside cay");
}

void optimizer_helper_forget(struct optimizer_helper *helper) {
  if (helper->socket >= 0) close(helper->socket);
  if (helper->process && helper->process_fd >= 0) close(helper->process_fd);
  *helper = (struct optimizer_helper){.socket = -1};
}

void optimizer_helper_end(struct optimizer_helper *helper) {
  if (helper->process) end_process(helper);
  optimizer_helper_forget(helper);
}

static ptrdiff_t passed(ssize_t count) {
  if (count > 0) return count;
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

ptrdiff_t optimizer_helper_send(const struct optimizer_helper *helper, const void *bytes, size_t count) {
  return passed(send(helper->socket, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT));
}

ptrdiff_t optimizer_helper_receive(const struct optimizer_helper *helper, void *to, size_t count) {
  return passed(recv(helper->socket, to, count, MSG_DONTWAIT));
}

void optimizer_helper_wait(const struct optimizer_helper *helper, bool sends) {
  struct pollfd fd = {.fd = helper->socket, .events = (short)(sends ? POLLIN | POLLOUT : POLLIN)};
  poll(&fd, 1, -1);
}

uint64_t optimizer_busy_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}
