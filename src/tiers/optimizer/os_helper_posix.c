/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Starts the helper and talks to it.
 *
 * There is one for the process, because starting it costs what loading LLVM costs. It inherits one descriptor, its end of a
 * socket, and an empty environment. When it dies, whoever was talking to it sees the end of the stream, and the next one who
 * asks starts another. A forked child does not use its parent's.
 *
 * Threads: one conversation at a time, under `lock`, which is held from optimizer_ask to optimizer_end. */
#include "tiers/baseline/code.h"
#include "tiers/optimizer/optimizer.h"
#include "tiers/tiers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct optimizer_conversation {
  int socket;
  pid_t helper, owner; /* owner: the process that started it; 0: there is none */
} running;

static const char *helper_folder;
static atomic_uint mix;

void tiers_optimized_look_in(const char *folder) { helper_folder = folder; }

void tiers_optimized_mix(uint32_t seed) { atomic_store(&mix, seed); }

static void stop(void) {
  if (running.owner == 0) return;
  close(running.socket);
  if (running.owner == getpid() && kill(running.helper, SIGKILL) == 0)
    while (waitpid(running.helper, NULL, 0) < 0 && errno == EINTR) continue;
  running.owner = 0;
}

/* Beside the internal shared objects, which are searched in the same places. */
static bool spawn_in(const char *folder, const char *relative, int socket, pid_t *helper) {
  char path[PATH_MAX];
  int len = snprintf(path, sizeof path, "%s%scay-llvm", folder, relative);
  if (len < 0 || (size_t)len >= sizeof path || access(path, X_OK) != 0) return false;
  char *arguments[] = {(char[]){"cay-llvm"}, NULL}, *environment[] = {NULL};
  posix_spawn_file_actions_t actions;
  if (posix_spawn_file_actions_init(&actions) != 0) return false;
  bool done = posix_spawn_file_actions_adddup2(&actions, socket, WIRE_SPAWN_FD) == 0 &&
              posix_spawn(helper, path, &actions, NULL, arguments, environment) == 0;
  posix_spawn_file_actions_destroy(&actions);
  return done;
}

static bool spawn(int socket, pid_t *helper) {
  char folder[PATH_MAX];
  ssize_t len = readlink("/proc/self/exe", folder, sizeof folder - 1);
  folder[len > 0 ? len : 0] = 0;
  char *slash = strrchr(folder, '/');
  folder[slash ? slash - folder + 1 : 0] = 0;
  return (helper_folder && spawn_in(helper_folder, "/", socket, helper)) ||
         (folder[0] && spawn_in(folder, "", socket, helper)) ||
         (folder[0] && spawn_in(folder, OPTIMIZER_HELPER_RELATIVE "/", socket, helper)) ||
         spawn_in(OPTIMIZER_HELPER_FOLDER, "/", socket, helper);
}

/* dup2 onto itself would leave close-on-exec set, so the number is another one in between. */
static bool start(void) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  int theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, WIRE_SPAWN_FD + 1);
  bool done = theirs >= 0 && spawn(theirs, &running.helper);
  if (theirs >= 0) close(theirs);
  close(pair[1]);
  if (!done) {
    close(pair[0]);
    return false;
  }
  running.socket = pair[0];
  running.owner = getpid();
  return true;
}

void optimizer_prepare(void) {
  base_code_may_run();
  pthread_mutex_lock(&lock);
  if (running.owner == 0) start();
  pthread_mutex_unlock(&lock);
}

/* Behind a wall the helper cannot be killed, nor waited for; it ends by itself. */
void optimizer_settle(void) {
  pthread_mutex_lock(&lock);
  stop();
  pthread_mutex_unlock(&lock);
}

static bool tell(const void *bytes, size_t count) {
  for (const uint8_t *at = bytes; count > 0;) {
    ssize_t sent = send(running.socket, at, count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    count -= (size_t)sent;
  }
  return true;
}

bool optimizer_hear(void *conversation, void *to, size_t count) {
  struct optimizer_conversation *self = conversation;
  for (uint8_t *at = to; count > 0;) {
    ssize_t got = recv(self->socket, at, count, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    count -= (size_t)got;
  }
  return true;
}

static uint32_t flags_of(const struct engine_code_options *options) {
  return (options->explicit_bounds ? WIRE_EXPLICIT_BOUNDS : 0) |
         (options->deterministic_relaxed_simd ? WIRE_DETERMINISTIC : 0) |
         (options->canonical_nans ? WIRE_CANONICAL_NANS : 0) | (options->fuel ? WIRE_FUEL : 0);
}

enum cay_status optimizer_ask(const struct module *module, const struct engine_code_options *options,
                              struct optimizer_conversation **out, struct cay_error *error) {
  struct wire_request request = {.magic = WIRE_MAGIC,
                                 .layout = optimizer_layout(),
                                 .features = module->features,
                                 .flags = flags_of(options),
                                 .module_bytes = (uint32_t)module->len_bytes,
                                 .mix = atomic_load(&mix)};
  pthread_mutex_lock(&lock);
  if (running.owner != getpid()) stop();
  bool can_ask = running.owner != 0 || start();
  if (can_ask && tell(&request, sizeof request) && tell(module->bytes, module->len_bytes)) {
    *out = &running;
    return CAY_OK;
  }
  stop();
  pthread_mutex_unlock(&lock);
  return base_error_set(error, CAY_ERROR_UNSUPPORTED,
                        can_ask ? "cay-llvm has ended" : "cay-llvm cannot be started: it is not beside cay");
}

void optimizer_end(struct optimizer_conversation *conversation, bool is_whole) {
  (void)conversation;
  if (!is_whole) stop();
  pthread_mutex_unlock(&lock);
}
