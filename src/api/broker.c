/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The side of the broker that the command sees: starting it, asking, ending it. Asking about files and positions never
 * fails in a way that matters: without an answer a message lacks a detail. After the first question without one nothing
 * is asked any more. A lookup of a name is sent off together with the pipe that its answer comes through.
 *
 * The broker's end is not certain: it may have been stopped, or be in a call to a file system that does not answer. So this
 * side never waits for it without a limit, and leaves it behind rather than hang; it ends by itself when it can.
 *
 * Threads: any may ask, one at a time. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/broker.h"
#include "api/cache.h"

static const char role[] = "cay: broker";
static bool is_own_broker; /* this program knows the role */

struct api_broker {
  pthread_mutex_t lock;
  struct inspect_source source;
  const struct module *module;  /* which the broker has been given last */
  struct host_network *network; /* NULL: none */
  int socket;
  bool is_over; /* no questions any more, which the broker has been told */
  pid_t process;
  char reply[BROKER_REPLY_BYTES + 1];
};

/* ---- Asking -------------------------------------------------------------------------------------------------------------- */

static void end_questions(struct api_broker *broker) {
  broker->is_over = true;
  shutdown(broker->socket, SHUT_WR);
}

/* The bytes of the answer, in broker->reply, with a NUL behind them; 0: none. Under the lock. */
static size_t hear(struct api_broker *broker, bool is_sent) {
  size_t len_bytes = 0;
  if (!is_sent || !broker_receive(broker->socket, broker->reply, BROKER_REPLY_BYTES, &len_bytes, BROKER_CLIENT_MS)) {
    end_questions(broker);
    return 0;
  }
  broker->reply[len_bytes] = 0;
  return len_bytes;
}

static size_t ask(struct api_broker *broker, const struct broker_request *request) {
  if (broker->is_over) return 0;
  return hear(broker, broker_send(broker->socket, request, broker_request_bytes(request)));
}

/* Sends the request with a module, whose bytes it takes from this process's memory: what lies under the module's name by now
 * is nobody's business. */
static bool send_module(struct api_broker *broker, const struct broker_request *request, const struct module *module) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  bool is_sent = broker_send_with(broker->socket, request, broker_request_bytes(request), ends[0]);
  close(ends[0]);
  is_sent = is_sent && broker_write(ends[1], module->bytes, module->len_bytes, BROKER_CLIENT_MS);
  close(ends[1]);
  return is_sent;
}

static size_t ask_about(struct api_broker *broker, const struct broker_request *request, const struct module *module) {
  if (module == broker->module || broker->is_over) return ask(broker, request);
  broker->module = module;
  return hear(broker, send_module(broker, request, module));
}

static size_t find(void *env, const struct module *module, uint32_t offset, struct inspect_position *out,
                   size_t capacity) {
  struct api_broker *broker = env;
  struct broker_request request = {.kind = BROKER_POSITIONS, .offset = offset};
  if (!inspect_has_positions(module)) return 0;
  pthread_mutex_lock(&broker->lock);
  size_t len_bytes = ask_about(broker, &request, module);
  size_t count = broker_positions_read(broker->reply, len_bytes, out, capacity);
  pthread_mutex_unlock(&broker->lock);
  return count;
}

enum api_path_kind api_path_kind_here(const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) return API_PATH_ABSENT;
  return S_ISDIR(status.st_mode) ? API_PATH_DIRECTORY : API_PATH_OTHER;
}

static bool path_request(struct broker_request *request, enum broker_kind kind, const char *path) {
  size_t len_bytes = strlen(path);
  if (len_bytes == 0 || len_bytes >= sizeof request->path) return false;
  request->kind = kind;
  request->offset = 0;
  request->path_bytes = (uint32_t)len_bytes;
  memcpy(request->path, path, len_bytes);
  return true;
}

enum api_path_kind api_path_kind(struct api_broker *broker, const char *path) {
  struct broker_request request;
  if (!broker) return api_path_kind_here(path);
  if (!path_request(&request, BROKER_PATH_KIND, path)) return API_PATH_ABSENT;
  pthread_mutex_lock(&broker->lock);
  size_t len_bytes = ask(broker, &request);
  enum api_path_kind kind = len_bytes == 1 ? (enum api_path_kind)broker->reply[0] : API_PATH_ABSENT;
  pthread_mutex_unlock(&broker->lock);
  return kind;
}

char *api_real_path(struct api_broker *broker, const char *path) {
  struct broker_request request;
  char real[PATH_MAX];
  if (!broker) return realpath(path, real) ? base_string_copy(real, strlen(real)) : NULL;
  if (!path_request(&request, BROKER_REAL_PATH, path)) return NULL;
  pthread_mutex_lock(&broker->lock);
  size_t len_bytes = ask(broker, &request);
  char *copy = len_bytes && broker->reply[0] == '/' ? base_string_copy(broker->reply, strlen(broker->reply)) : NULL;
  pthread_mutex_unlock(&broker->lock);
  return copy;
}

/* A resolver of the run's network. */
static int look_up(void *env, const char *name, int fd) {
  struct api_broker *broker = env;
  struct broker_request request;
  if (!path_request(&request, BROKER_NAME, name)) return -HOST_ERROR_INVAL;
  pthread_mutex_lock(&broker->lock);
  bool is_sent = !broker->is_over && broker_send_with(broker->socket, &request, broker_request_bytes(&request), fd);
  pthread_mutex_unlock(&broker->lock);
  return is_sent ? 0 : -HOST_ERROR_AGAIN;
}

/* For engine_tier.delegate: who asks is the guest's thread, which waits neither for another thread's answer nor for room in the
 * socket. */
static enum engine_start start_helper(void *env, int socket) {
  struct api_broker *broker = env;
  const struct broker_request request = {.kind = BROKER_HELPER};
  if (pthread_mutex_trylock(&broker->lock) != 0) return ENGINE_START_BUSY;
  errno = 0;
  bool is_over = broker->is_over;
  bool is_sent = !is_over && broker_send_with(broker->socket, &request, broker_request_bytes(&request), socket);
  bool is_full = !is_over && (errno == EAGAIN || errno == ENOBUFS);
  pthread_mutex_unlock(&broker->lock);
  return is_sent ? ENGINE_STARTED : is_full ? ENGINE_START_BUSY : ENGINE_START_REFUSED;
}

/* ---- Its life --------------------------------------------------------------------------------------------------------------- */

/* Once it has been asked something, the process that waited is this program again, from its start on: the tier is its second
 * word, what the cache may take the third, and how many may compile for it at once the fourth. */
void api_broker_main(int argc, char **argv) {
  is_own_broker = true;
  bool has_cache = argc == 4;
  if ((argc != 2 && !has_cache) || strcmp(argv[0], role) != 0) return;
  struct api_cache cache = {.folder = BROKER_FOLDER_FD};
  if (has_cache) cache.most_bytes = strtoull(argv[2], NULL, 10);
  if (has_cache) cache.jobs = (unsigned)strtoul(argv[3], NULL, 10);
  broker_serve(BROKER_SOCKET_FD, api_tier_find(argv[1], NULL), NULL, BROKER_NAME_MS, has_cache ? &cache : NULL);
}

/* What it takes to look names up is in this process's memory only, so that such a broker has a copy of that: a fork. */
static pid_t start_process(int socket, const struct engine_tier *tier, const struct host_network *network,
                           const struct api_cache *cache) {
  static char most_bytes[24], jobs[12]; /* which the new process reads when this function has returned */
  char *words[] = {(char *)role, (char *)tier->name, cache ? most_bytes : NULL, jobs, NULL};
  if (cache) snprintf(most_bytes, sizeof most_bytes, "%" PRIu64, cache->most_bytes);
  if (cache) snprintf(jobs, sizeof jobs, "%u", cache->jobs);
  pid_t process = is_own_broker && !network ? base_os_start_waiter(socket, cache ? cache->folder : -1, words) : 0;
  if (process > 0) return process;
  process = fork();
  if (process == 0) broker_serve(socket, tier, network, BROKER_NAME_MS, cache);
  return process;
}

enum cay_status api_broker_new(cay_run *run, struct host_network *network, const struct api_cache *cache,
                               struct api_broker **out, struct cay_error *error) {
  int ends[2];
  struct api_broker *broker = base_alloc(sizeof *broker); /* its pages are not touched before the first answer */
  if (!broker) return base_error_memory(error);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    base_free(broker);
    return base_error_system(error, errno, "no socket for the broker");
  }
  const struct engine_tier *tier = api_run_tier(run);
  pid_t process = start_process(ends[1], tier, network, tier->start_for ? cache : NULL);
  int failure = errno;
  close(ends[1]);
  if (process < 0) {
    close(ends[0]);
    base_free(broker);
    return base_error_system(error, failure, "the broker cannot be started");
  }
  pthread_mutex_init(&broker->lock, NULL);
  broker->module = NULL;
  broker->process = process;
  broker->network = network;
  broker->is_over = false;
  broker->socket = ends[0];
  broker->source = (struct inspect_source){find, broker};
  api_run_set_source(run, &broker->source);
  if (network) host_network_set_resolver(network, look_up, broker);
  if (api_run_tier(run)->delegate) api_run_tier(run)->delegate(start_helper, broker);
  *out = broker;
  return CAY_OK;
}

int api_broker_process(const struct api_broker *broker) { return broker ? (int)broker->process : 0; }

void api_broker_dismiss(struct api_broker *broker) {
  if (broker && !broker->is_over) end_questions(broker);
}

/* Whether the other end is closed, as it is when the broker ends. */
static bool ends_in_time(int socket) {
  struct pollfd fd = {.fd = socket}; /* of which POLLHUP is told in any case */
  uint64_t deadline_ns = base_os_monotonic_ns() + (uint64_t)BROKER_END_MS * 1000000;
  int ready;
  do ready = poll(&fd, 1, BROKER_END_MS);
  while (ready < 0 && errno == EINTR && base_os_monotonic_ns() < deadline_ns);
  return ready > 0;
}

void api_broker_free(struct api_broker *broker) {
  if (!broker) return;
  api_broker_dismiss(broker);
  if (broker->network) host_network_set_resolver(broker->network, NULL, NULL);
  while (ends_in_time(broker->socket) && waitpid(broker->process, NULL, 0) < 0 && errno == EINTR) {
  }
  close(broker->socket);
  pthread_mutex_destroy(&broker->lock);
  base_free(broker);
}
