/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The broker: its messages, what it answers, and that neither side can make the other wait or keep anything. Here the
 * asking process is not confined, and plays one that was taken over. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/broker.h"
#include "modules.h"
#include "test.h"

static cay_engine *engine;
static cay_run *run;
static struct host_network *network;
static struct cay_error error;

static void setup(void) {
  static const uint8_t bytes[] = {KINDS_WASM};
  cay_module *module;
  if (cay_engine_new(NULL, &engine, &error) || cay_module_load(engine, bytes, sizeof bytes, &module, &error) ||
      cay_run_new(module, NULL, &run, &error))
    abort();
  cay_module_release(module);
}

static void add_name(const char *name) {
  const struct host_net_rule rule = {.directions = HOST_NET_CONNECT,
                                     .protocols = HOST_NET_TCP,
                                     .what = HOST_NET_NAME,
                                     .name = name,
                                     .port_last = 65535};
  CHECK_INT(host_network_add(network, &rule, NULL), CAY_OK);
}

/* Names that are answered by the machine itself. */
static void begin(void) {
  CHECK_INT(host_network_new(&network, NULL), CAY_OK);
  add_name("localhost");
  add_name("127.1");
  const struct host_net_rule loopback = {.directions = HOST_NET_CONNECT,
                                         .protocols = HOST_NET_TCP,
                                         .what = HOST_NET_RANGE,
                                         .address = {.bytes = {127}},
                                         .prefix_bits = 8,
                                         .port_last = 65535};
  CHECK_INT(host_network_add(network, &loopback, NULL), CAY_OK);
}

static struct broker_request request_of(enum broker_kind kind, const char *path) {
  struct broker_request request = {.kind = kind, .path_bytes = (uint32_t)strlen(path)};
  memcpy(request.path, path, strlen(path));
  return request;
}

/* ---- Messages ---------------------------------------------------------------------------------------------------------- */

static void refused(const void *bytes, size_t len_bytes, uint64_t offset) {
  struct broker_request read;
  CHECK_INT(broker_request_parse(bytes, len_bytes, &read, &error), CAY_ERROR_MALFORMED);
  CHECK_INT(error.offset, offset);
  CHECK_INT(broker_request_parse(bytes, len_bytes, &read, NULL), CAY_ERROR_MALFORMED);
}

TEST(requests) {
  enum { KIND = 0, PATH_BYTES = 8, PATH = 12 };
  struct broker_request request = request_of(BROKER_NAME, "localhost"), read;
  size_t len_bytes = broker_request_bytes(&request);
  CHECK_INT(broker_request_parse(&request, len_bytes, &read, &error), CAY_OK);
  CHECK_TEXT(read.path, "localhost");
  for (size_t cut = 0; cut < len_bytes; cut++) refused(&request, cut, cut < PATH ? cut : PATH_BYTES);
  refused(&request, len_bytes + 1, PATH_BYTES);
  refused(&request, sizeof request, sizeof request - 1);
  request.kind = BROKER_KIND_COUNT;
  refused(&request, len_bytes, KIND);
  request.kind = BROKER_POSITIONS;
  refused(&request, len_bytes, PATH_BYTES);
  request = request_of(BROKER_POSITIONS, "");
  CHECK_INT(broker_request_parse(&request, PATH, &read, &error), CAY_OK);
  request = request_of(BROKER_REAL_PATH, "");
  refused(&request, PATH, PATH_BYTES);
  request = request_of(BROKER_REAL_PATH, "/etc/passwd");
  request.path[4] = 0;
  refused(&request, PATH + 11, PATH + 4);
  memset(request.path, 'a', sizeof request.path);
  request.path_bytes = sizeof request.path - 1;
  CHECK_INT(broker_request_parse(&request, broker_request_bytes(&request), &read, &error), CAY_OK);
  CHECK_INT(strlen(read.path), sizeof request.path - 1);
}

static int ends[2];
static void connect_ends(void) { CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0); }
static void close_ends(void) { close(ends[0]), close(ends[1]); }

static bool receive(int *fd) {
  char bytes[8];
  size_t len_bytes;
  return broker_receive_with(ends[1], bytes, sizeof bytes, &len_bytes, fd) && len_bytes == 3;
}
static bool receives_nothing(void) {
  int fd = 0;
  return !receive(&fd) && fd == -1;
}

TEST(one_descriptor_comes_along) {
  char bytes[8];
  size_t len_bytes;
  int got, next;
  connect_ends();
  CHECK(broker_send_with(ends[0], "abc", 3, STDIN_FILENO));
  CHECK(receive(&next) && next > ends[1] && fcntl(next, F_GETFD) == FD_CLOEXEC);
  close(next);
  CHECK(broker_send_with(ends[0], "123456789", 9, STDIN_FILENO));
  CHECK(receives_nothing()); /* it is too long */
  CHECK(broker_send_with(ends[0], "abc", 3, STDIN_FILENO));
  CHECK(broker_receive(ends[1], bytes, sizeof bytes, &len_bytes, 0)); /* who wants none gets none */
  CHECK(broker_send(ends[0], "abc", 3));
  CHECK(receive(&got) && got == -1);
  got = dup(0);
  CHECK_INT(got, next); /* nothing was kept */
  close(got);
  shutdown(ends[0], SHUT_WR);
  CHECK(receives_nothing());
  close_ends();
}

/* Who is served is known when it has ended, and its child has another parent. */
TEST(who_is_served_is_known_after_its_end) {
  int told[2], gone[2];
  pid_t served = 0;
  CHECK_INT(pipe(told), 0);
  CHECK_INT(pipe(gone), 0);
  pid_t command = fork();
  if (command == 0) {
    connect_ends();
    if (fork() != 0) _exit(0);
    close(gone[1]);
    while (read(gone[0], &served, 1) > 0) { /* until nobody has the other end */
    }
    served = broker_served(ends[1]);
    _exit(write(told[1], &served, sizeof served) != sizeof served);
  }
  CHECK(waitpid(command, NULL, 0) == command);
  close(gone[1]), close(told[1]);
  CHECK(read(told[0], &served, sizeof served) == (ssize_t)sizeof served);
  CHECK_INT(served, command);
  close(told[0]), close(gone[0]);
}

/* By the default action of the signal the test would end. */
TEST(sending_waits_for_nobody) {
  connect_ends();
  alarm(20);
  while (broker_send(ends[0], "abc", 3)) {
  }
  CHECK(!broker_send_with(ends[0], "abc", 3, STDIN_FILENO));
  alarm(0);
  close_ends();
}

/* In the padding behind one there is room for another. */
TEST(two_descriptors) {
  char control[CMSG_SPACE(2 * sizeof(int))] = {0};
  struct iovec part = {"abc", 3};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(2 * sizeof(int))};
  memcpy(CMSG_DATA(header), (int[]){0, 1}, 2 * sizeof(int));
  connect_ends();
  int before = dup(0);
  close(before);
  CHECK_INT(sendmsg(ends[0], &message, 0), 3);
  CHECK(receives_nothing());
  int after = dup(0);
  CHECK_INT(after, before);
  close(after);
  close_ends();
}

/* ---- A broker, and who asks it ---------------------------------------------------------------------------------------------- */

static pid_t server;

static int start(int lookup_ms) {
  connect_ends();
  fflush(NULL);
  server = fork();
  if (server == 0) broker_serve(ends[1], NULL, network, lookup_ms, NULL);
  close(ends[1]);
  return ends[0];
}

/* Whether it ended of its own accord. */
static bool ended(int socket) {
  struct pollfd fd = {.fd = socket, .events = POLLIN};
  bool has_closed = poll(&fd, 1, 5000) == 1 && fd.revents & POLLHUP;
  if (!has_closed) kill(server, SIGKILL);
  int status;
  waitpid(server, &status, 0);
  close(socket);
  return has_closed && WIFEXITED(status);
}

static bool stop(int socket) {
  int status;
  shutdown(socket, SHUT_WR);
  close(socket);
  waitpid(server, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void send_name(int socket, const char *name, int fd) {
  struct broker_request request = request_of(BROKER_NAME, name);
  CHECK(broker_send_with(socket, &request, broker_request_bytes(&request), fd));
}

/* An answer as it comes: 21 bytes an address, the first is its family. */
struct answer {
  uint32_t error, count;
  uint8_t addresses[32][21];
};

/* The error that came of a name, or -1: the pipe was closed without an answer. */
static int looked_up(int socket, const char *name, struct answer *answer) {
  int pipe_ends[2];
  CHECK_INT(pipe2(pipe_ends, O_CLOEXEC), 0);
  send_name(socket, name, pipe_ends[1]);
  close(pipe_ends[1]);
  ssize_t got = read(pipe_ends[0], answer, sizeof *answer);
  close(pipe_ends[0]);
  if (got == 0) return -1;
  CHECK_INT(got, 8 + 21 * answer->count);
  return (int)answer->error;
}

TEST(names_are_answered) {
  struct answer answer;
  begin();
  int socket = start(5000);
  CHECK_INT(looked_up(socket, "localhost", &answer), HOST_OK);
  CHECK(answer.count > 0);
  for (size_t i = 0; i < answer.count; i++)
    CHECK(answer.addresses[i][0] == 4 ? answer.addresses[i][1] == 127 : answer.addresses[i][16] == 1);
  CHECK_INT(looked_up(socket, "127.1", &answer), HOST_OK);
  CHECK(answer.count == 1 && memcmp(answer.addresses[0], (uint8_t[5]){4, 127, 0, 0, 1}, 5) == 0);
  CHECK_INT(looked_up(socket, "example.org", &answer), HOST_ERROR_NOTCAPABLE);
  CHECK_INT(looked_up(socket, "sub.localhost", &answer), HOST_ERROR_NOTCAPABLE);
  CHECK_INT(looked_up(socket, "a b", &answer), HOST_ERROR_INVAL);
  CHECK(stop(socket));
  host_network_release(network);
}

TEST(no_rules_no_names) {
  struct answer answer;
  network = NULL;
  int socket = start(5000);
  CHECK_INT(looked_up(socket, "localhost", &answer), -1);
  struct broker_request request = request_of(BROKER_PATH_KIND, "/");
  char kind;
  size_t len_bytes;
  CHECK(broker_send(socket, &request, broker_request_bytes(&request)));
  CHECK(broker_receive(socket, &kind, 1, &len_bytes, 5000));
  CHECK_INT(kind, API_PATH_DIRECTORY);
  CHECK(stop(socket));
}

/* A question that is none ends it: whoever sends one is not cay. */
TEST(lies_end_it) {
  struct broker_request request = request_of(BROKER_NAME, "localhost");
  begin();
  int socket = start(5000);
  CHECK(broker_send(socket, "?", 1));
  CHECK(ended(socket));
  socket = start(5000);
  CHECK(broker_send(socket, &request, broker_request_bytes(&request))); /* no pipe */
  CHECK(ended(socket));
  socket = start(5000);
  request.kind = BROKER_PATH_KIND;
  CHECK(broker_send_with(socket, &request, broker_request_bytes(&request), STDIN_FILENO)); /* a pipe for nothing */
  CHECK(ended(socket));
  host_network_release(network);
}

/* Whether no process holds the other end any more, in a while. */
static bool is_let_go(int end) {
  char bytes[4096];
  struct pollfd fd = {.fd = end, .events = POLLIN};
  ssize_t got = 1;
  while (got > 0 && poll(&fd, 1, 5000) == 1) got = read(end, bytes, sizeof bytes);
  return got == 0;
}

/* Pipes that are full make the children of the broker wait: it ends them, starts no more than a few, and goes on. */
TEST(nobody_waits) {
  int full[2];
  struct answer answer;
  char byte = 0;
  begin();
  int socket = start(100);
  CHECK_INT(looked_up(socket, "127.1", &answer), HOST_OK);
  CHECK_INT(pipe2(full, O_CLOEXEC | O_NONBLOCK), 0);
  while (write(full[1], &byte, 1) == 1) {
  }
  fcntl(full[1], F_SETFL, 0);
  for (int i = 0; i < 40; i++) send_name(socket, "127.1", full[1]);
  int result = looked_up(socket, "127.1", &answer);
  CHECK(result == -1 || result == HOST_OK); /* there may be too many of them */
  for (int tries = 0; tries < 50 && result != HOST_OK; tries++) {
    usleep(20 * 1000);
    result = looked_up(socket, "127.1", &answer);
  }
  CHECK_INT(result, HOST_OK);
  close(full[1]);
  CHECK(is_let_go(full[0]));
  close(full[0]);
  CHECK(stop(socket));
  host_network_release(network);
}

/* The side that asks, as the command uses it. */
TEST(broker_of_a_run) {
  struct api_broker *broker;
  struct host_object *lookup;
  struct host_net_address found[4];
  size_t count;
  begin();
  CHECK_INT(api_broker_new(run, network, NULL, &broker, &error), CAY_OK);
  CHECK_INT(host_network_lookup(network, "127.1", &lookup, NULL), 0);
  struct host_loop *loop;
  struct host_wait wait = {.object = lookup, .interest = HOST_READABLE};
  CHECK_INT(host_loop_new(&loop, NULL), CAY_OK);
  CHECK_INT(host_loop_wait(loop, &wait, 1, base_os_monotonic_ns() + UINT64_C(5000000000)), 1);
  CHECK_INT(host_lookup_finish(lookup, found, 4, &count), 0);
  CHECK_INT(count, 1);
  host_object_release(lookup);
  /* It is killed: the names that are known stay known, others are no longer found, and nobody waits. */
  kill(api_broker_process(broker), SIGKILL);
  add_name("128.1"); /* two more that nobody has asked for */
  add_name("130.1");
  signal(SIGPIPE, SIG_IGN);
  int result = host_network_lookup(network, "128.1", &lookup, NULL);
  if (result == 0) {
    CHECK_INT(host_loop_wait(loop, &wait, 0, 0), 0);
    wait.object = lookup;
    CHECK_INT(host_loop_wait(loop, &wait, 1, base_os_monotonic_ns() + UINT64_C(5000000000)), 1);
    result = host_lookup_finish(lookup, found, 4, &count);
    host_object_release(lookup);
  }
  CHECK_INT(result, -HOST_ERROR_AGAIN);
  CHECK_INT(host_network_lookup(network, "127.1", &lookup, NULL), 0);
  CHECK_INT(host_lookup_finish(lookup, found, 4, &count), 0);
  host_object_release(lookup);
  api_broker_dismiss(broker);
  CHECK_INT(host_network_lookup(network, "130.1", &lookup, NULL), -HOST_ERROR_AGAIN);
  host_loop_free(loop);
  api_broker_free(broker);
  host_network_release(network);
}

/* A broker that was stopped is left behind, and the network goes on without it. */
TEST(no_wait_for_the_stopped) {
  struct api_broker *broker;
  struct host_object *lookup;
  struct host_net_address found[4];
  size_t count;
  int status;
  begin();
  CHECK_INT(api_broker_new(run, network, NULL, &broker, &error), CAY_OK);
  pid_t process = api_broker_process(broker);
  kill(process, SIGSTOP);
  CHECK_INT(waitpid(process, &status, WUNTRACED), process);
  uint64_t start_ns = base_os_monotonic_ns();
  api_broker_free(broker);
  CHECK(base_os_monotonic_ns() - start_ns < UINT64_C(10000000000));
  CHECK_INT(waitpid(process, &status, WNOHANG), 0);
  kill(process, SIGCONT);
  CHECK_INT(waitpid(process, &status, 0), process);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK_INT(host_network_lookup(network, "127.1", &lookup, NULL), 0);
  struct host_loop *loop;
  struct host_wait wait = {.object = lookup, .interest = HOST_READABLE};
  CHECK_INT(host_loop_new(&loop, NULL), CAY_OK);
  CHECK_INT(host_loop_wait(loop, &wait, 1, base_os_monotonic_ns() + UINT64_C(5000000000)), 1);
  CHECK_INT(host_lookup_finish(lookup, found, 4, &count), 0);
  host_object_release(lookup);
  host_loop_free(loop);
  host_network_release(network);
}

/* The broker that waits and then is this program: it has nothing of the process but what it asks with, answers, and ends. */
static bool reads(pid_t process, const char *what, char *out, size_t capacity) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)process, what);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd >= 0 ? read(fd, out, capacity - 1) : -1;
  if (fd >= 0) close(fd);
  out[got > 0 ? got : 0] = 0;
  return got >= 0;
}

static bool has_descriptor(pid_t process, int fd) {
  char path[64], to[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)process, fd);
  return readlink(path, to, sizeof to) > 0;
}

TEST(broker_that_waits) {
  struct api_broker *broker;
  static char maps[256 * 1024], text[4096];
  int kept = dup2(STDIN_FILENO, 77); /* as if the caller had left one open */
  CHECK_INT(kept, 77);
  setenv("CAY_TEST_SECRET", "abc", 1);
  CHECK_INT(api_broker_new(run, NULL, NULL, &broker, &error), CAY_OK);
  pid_t process = api_broker_process(broker);
  base_os_await_waiter();
  CHECK(reads(process, "maps", maps, sizeof maps));
  bool waits = !strstr(maps, "test_broker"); /* else this system has none, and it is a fork */
  /* A fork drops them when it comes to run, and has when it answers. */
  if (waits) CHECK(reads(process, "environ", text, sizeof text) && !text[0] && !has_descriptor(process, kept));
  CHECK_INT(api_path_kind(broker, "/"), API_PATH_DIRECTORY);
  CHECK_INT(api_path_kind(broker, "/nowhere"), API_PATH_ABSENT);
  char *real = api_real_path(broker, "/proc/../proc/.");
  CHECK(real && strcmp(real, "/proc") == 0);
  base_free(real);
  if (waits) CHECK(reads(process, "environ", text, sizeof text) && !text[0]);
  CHECK(!has_descriptor(process, kept) && !has_descriptor(process, 1));
  api_broker_free(broker);
  CHECK(kill(process, 0) < 0 && errno == ESRCH);
  /* One that is never asked, and one that is told lies first. */
  CHECK_INT(api_broker_new(run, NULL, NULL, &broker, &error), CAY_OK);
  process = api_broker_process(broker);
  api_broker_free(broker);
  CHECK(kill(process, 0) < 0 && errno == ESRCH);
  if (waits) {
    connect_ends();
    char *words[] = {"cay: broker", "no tier", NULL};
    server = base_os_start_waiter(ends[1], -1, words);
    close(ends[1]);
    CHECK(server > 0 && broker_send(ends[0], "?", 1));
    base_os_await_waiter();
    CHECK(ended(ends[0]));
  }
  close(kept);
}

static void teardown(void) {
  cay_run_free(run);
  cay_engine_free(engine);
}

int main(int argc, char **argv) {
  api_broker_main(argc, argv);
  setup();
  RUN(requests)
  RUN(one_descriptor_comes_along)
  RUN(who_is_served_is_known_after_its_end)
  RUN(sending_waits_for_nobody)
  RUN(two_descriptors)
  RUN(names_are_answered)
  RUN(no_rules_no_names)
  RUN(lies_end_it)
  RUN(nobody_waits)
  RUN(broker_of_a_run)
  RUN(no_wait_for_the_stopped)
  RUN(broker_that_waits)
  teardown();
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
