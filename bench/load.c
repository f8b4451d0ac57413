/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* load PORT PATH CONNECTIONS MILLISECONDS: asks 127.0.0.1:PORT for PATH over so many connections, which stay open and have one
 * request each under way, for so long, and prints a line
 *
 *   requests N milliseconds T mean_us M p50_us A p90_us B p99_us C max_us D
 *
 * It ends with status 1 when a connection breaks or an answer is not 200, and 3 when nothing comes for five seconds. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, ANSWER_MAX = 4096, PATIENCE_MS = 5000 };

struct connection {
  int fd;
  size_t len;
  uint64_t asked_ns;
  char answer[ANSWER_MAX + 1];
};

static struct connection connections[CONNECTIONS_MAX];
static char request[1024];
static size_t request_len;
static uint32_t *taken_us;
static size_t taken_count, taken_room;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static _Noreturn void fail(const char *what, int status) {
  fprintf(stderr, "load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
  exit(status);
}

static void connect_one(struct connection *connection, uint16_t port, int loop) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int on = 1;
  connection->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connection->fd < 0 || connect(connection->fd, (void *)&address, sizeof address)) fail("connect", 1);
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(loop, EPOLL_CTL_ADD, connection->fd, &event)) fail("epoll", 1);
}

static void ask(struct connection *connection) {
  connection->len = 0;
  connection->asked_ns = now_ns();
  if (send(connection->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len) fail("send", 1);
}

static void keep(uint64_t taken_ns) {
  if (taken_count == taken_room) {
    taken_room = taken_room ? 2 * taken_room : 65536;
    taken_us = realloc(taken_us, taken_room * sizeof *taken_us);
    if (!taken_us) fail("out of memory", 1);
  }
  taken_us[taken_count++] = (uint32_t)(taken_ns / 1000);
}

/* Takes what has arrived; true when the answer is whole. */
static int receive(struct connection *connection) {
  ssize_t got = recv(connection->fd, connection->answer + connection->len, ANSWER_MAX - connection->len, 0);
  if (got <= 0) fail("the connection ended", 1);
  connection->len += (size_t)got;
  connection->answer[connection->len] = 0;
  char *end = strstr(connection->answer, "\r\n\r\n"), *length = strstr(connection->answer, "Content-Length: ");
  errno = 0;
  if (!end) return 0;
  if (strncmp(connection->answer, "HTTP/1.1 200 ", 13) != 0 || !length) fail("the answer is not 200, with a length", 1);
  size_t whole = (size_t)(end + 4 - connection->answer) + strtoul(length + 16, NULL, 10);
  if (connection->len > whole || whole > ANSWER_MAX) fail("the answer has another length", 1);
  return connection->len == whole;
}

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static unsigned quantile(double part) { return taken_us[(size_t)(part * (double)(taken_count - 1))]; }

static void print(uint64_t elapsed_ns) {
  double sum = 0;
  if (!taken_count) fail("nothing was answered", 1);
  qsort(taken_us, taken_count, sizeof *taken_us, ascending);
  for (size_t i = 0; i < taken_count; i++) sum += taken_us[i];
  printf("requests %zu milliseconds %.3f mean_us %.1f p50_us %u p90_us %u p99_us %u max_us %u\n", taken_count,
         (double)elapsed_ns / 1e6, sum / (double)taken_count, quantile(0.5), quantile(0.9), quantile(0.99),
         quantile(1));
}

static void run(int loop, size_t count, uint64_t until_ns) {
  struct epoll_event events[256];
  for (size_t i = 0; i < count; i++) ask(&connections[i]);
  for (size_t under_way = count; under_way > 0;) {
    int ready = epoll_wait(loop, events, 256, PATIENCE_MS);
    if (ready == 0) fail("nothing is answered", 3);
    for (int i = 0; i < ready; i++) {
      struct connection *connection = events[i].data.ptr;
      if (!receive(connection)) continue;
      uint64_t now = now_ns();
      keep(now - connection->asked_ns);
      if (now < until_ns)
        ask(connection);
      else
        under_way--;
    }
  }
}

int main(int argc, char **argv) {
  size_t count = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
  if (count < 1 || count > CONNECTIONS_MAX) fail("usage: load PORT PATH CONNECTIONS MILLISECONDS", 2);
  request_len = (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[2]);
  if (request_len >= sizeof request) fail("the path is too long", 2);
  int loop = epoll_create1(0);
  for (size_t i = 0; i < count; i++) connect_one(&connections[i], (uint16_t)atoi(argv[1]), loop);
  uint64_t started = now_ns();
  run(loop, count, started + strtoull(argv[4], NULL, 10) * 1000000);
  print(now_ns() - started);
  return 0;
}
