/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* http PORT | http fd N: a service on one thread that keeps connections open. GET /primes/N counts the primes below N with a
 * sieve and answers in JSON; /ping answers at once; /quit ends it. WASI 0.1 can accept but not bind, so there the listening
 * socket is given: descriptor N. */
#include "workload.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifndef __wasi__
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#endif

enum { CONNECTIONS_MAX = 512, REQUEST_MAX = 1024, PRIMES_MAX = 1 << 20 };

struct connection {
  size_t len;
  char request[REQUEST_MAX + 1];
};

static struct pollfd polled[CONNECTIONS_MAX + 1]; /* 0 is the listening socket */
static struct connection connections[CONNECTIONS_MAX + 1];
static nfds_t polled_count = 1;
static uint8_t composite[PRIMES_MAX];

#ifndef __wasi__
static int listening(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  signal(SIGPIPE, SIG_IGN);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
      bind(fd, (void *)&address, sizeof address) || listen(fd, SOMAXCONN))
    return -1;
  return fd;
}
#endif

static unsigned primes_below(unsigned limit) {
  unsigned count = 0;
  if (limit > PRIMES_MAX) limit = PRIMES_MAX;
  memset(composite, 0, limit);
  for (unsigned n = 2; n < limit; n++) {
    if (composite[n]) continue;
    count++;
    for (unsigned multiple = 2 * n; multiple < limit; multiple += n) composite[multiple] = 1;
  }
  return count;
}

/* Answers a whole request; false ends the connection. */
static int answer(int fd, const char *request) {
  char body[128], text[512];
  unsigned limit;
  if (sscanf(request, "GET /primes/%u ", &limit) == 1)
    snprintf(body, sizeof body, "{\"below\":%u,\"primes\":%u}", limit, primes_below(limit));
  else if (strncmp(request, "GET /ping ", 10) == 0)
    strcpy(body, "pong");
  else if (strncmp(request, "GET /quit ", 10) == 0)
    exit(0);
  else
    return 0;
  int len =
      snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
               strlen(body), body);
  return send(fd, text, (size_t)len, 0) == len;
}

/* Takes what has arrived; false when the connection has ended. */
static int serve(int fd, struct connection *connection) {
  ssize_t got = recv(fd, connection->request + connection->len, REQUEST_MAX - connection->len, 0);
  if (got <= 0) return got < 0 && errno == EAGAIN;
  connection->len += (size_t)got;
  connection->request[connection->len] = 0;
  for (char *end; (end = strstr(connection->request, "\r\n\r\n"));) {
    size_t taken = (size_t)(end + 4 - connection->request);
    if (!answer(fd, connection->request)) return 0;
    connection->len -= taken;
    memmove(connection->request, connection->request + taken, connection->len + 1);
  }
  return connection->len < REQUEST_MAX;
}

static void accept_all(void) {
  while (polled_count <= CONNECTIONS_MAX) {
    int fd = accept(polled[0].fd, NULL, NULL);
    if (fd < 0) return;
    fcntl(fd, F_SETFL, O_NONBLOCK);
#ifndef __wasi__
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#endif
    connections[polled_count].len = 0;
    polled[polled_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
  }
}

/* The last one takes the place of a connection that ends. */
static void end(nfds_t index) {
  close(polled[index].fd);
  polled_count--;
  polled[index] = polled[polled_count];
  connections[index] = connections[polled_count];
}

int main(int argc, char **argv) {
  int fd = -1;
  if (argc == 3 && strcmp(argv[1], "fd") == 0) fd = atoi(argv[2]);
#ifndef __wasi__
  if (argc == 2) fd = listening((uint16_t)atoi(argv[1]));
#endif
  if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK)) {
    perror("http: no socket to listen on; usage: http PORT | http fd N");
    return 2;
  }
  polled[0] = (struct pollfd){.fd = fd, .events = POLLIN};
  workload_ready();
  while (poll(polled, polled_count, -1) > 0) {
    for (nfds_t i = polled_count - 1; i > 0; i--)
      if (polled[i].revents && !serve(polled[i].fd, &connections[i])) end(i);
    if (polled[0].revents) accept_all();
  }
  perror("http: poll");
  return 1;
}
