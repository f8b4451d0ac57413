/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* TCP sockets that were granted: listeners and what they accept. Names are never looked up here. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/object.h"

union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

static bool parse_port(const char *text, in_port_t *port) {
  char *end = NULL;
  if (text[0] < '0' || text[0] > '9') return false;
  unsigned long value = strtoul(text, &end, 10);
  if (*end || value > 65535) return false;
  *port = htons((uint16_t)value);
  return true;
}

/* "1.2.3.4:80" or "[::1]:80". */
static bool parse_address(const char *text, union address *out, socklen_t *len_bytes) {
  char host[INET6_ADDRSTRLEN];
  bool is_v6 = text[0] == '[';
  const char *start = text + (is_v6 ? 1 : 0), *end = strchr(start, is_v6 ? ']' : ':');
  if (!end || (size_t)(end - start) >= sizeof host) return false;
  memcpy(host, start, (size_t)(end - start));
  host[end - start] = 0;
  const char *port = is_v6 ? end + 1 : end;
  if (*port != ':') return false;
  memset(out, 0, sizeof *out);
  if (is_v6) {
    out->v6.sin6_family = AF_INET6;
    *len_bytes = sizeof out->v6;
    return inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1 && parse_port(port + 1, &out->v6.sin6_port);
  }
  out->v4.sin_family = AF_INET;
  *len_bytes = sizeof out->v4;
  return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1 && parse_port(port + 1, &out->v4.sin_port);
}

enum cay_status host_grant_listener(const char *address, struct host_object **out, struct cay_error *error) {
  union address parsed;
  socklen_t len_bytes = 0;
  if (!parse_address(address, &parsed, &len_bytes))
    return base_error_set(error, CAY_ERROR_ARGUMENT,
                          "%s is not an address to listen on; it has to look like 127.0.0.1:8080 or [::1]:8080",
                          address);
  int fd = socket(parsed.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return base_error_system(error, errno, "cannot make a socket for %s", address);
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, &parsed.any, len_bytes) != 0 || listen(fd, SOMAXCONN) != 0) {
    enum cay_status status = base_error_system(error, errno, "cannot listen on %s", address);
    close(fd);
    return status;
  }
  *out = host_object_new(fd, true, HOST_KIND_LISTENER, HOST_RIGHT_READ | HOST_RIGHT_WRITE);
  if (!*out) return base_error_memory(error);
  (*out)->is_nonblocking = true;
  return CAY_OK;
}

bool host_object_address(const struct host_object *object, char *out, size_t capacity) {
  union address address;
  socklen_t len_bytes = sizeof address;
  char host[INET6_ADDRSTRLEN];
  if (object->fd < 0 || getsockname(object->fd, &address.any, &len_bytes) != 0) return false;
  if (address.any.sa_family == AF_INET) {
    if (!inet_ntop(AF_INET, &address.v4.sin_addr, host, sizeof host)) return false;
    snprintf(out, capacity, "%s:%u", host, ntohs(address.v4.sin_port));
    return true;
  }
  if (address.any.sa_family != AF_INET6 || !inet_ntop(AF_INET6, &address.v6.sin6_addr, host, sizeof host)) return false;
  snprintf(out, capacity, "[%s]:%u", host, ntohs(address.v6.sin6_port));
  return true;
}

static int pending_or_failed(void) { return errno == EAGAIN || errno == EWOULDBLOCK ? HOST_PENDING : host_failed(); }

int host_accept(struct host_object *listener, struct host_object **out) {
  if (listener->kind != HOST_KIND_LISTENER)
    return listener->kind == HOST_KIND_STREAM_SOCKET || listener->kind == HOST_KIND_DATAGRAM_SOCKET
               ? -HOST_ERROR_INVAL
               : -HOST_ERROR_NOTSOCK;
  if (!(listener->rights & HOST_RIGHT_READ)) return -HOST_ERROR_NOTCAPABLE;
  int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return pending_or_failed();
  struct host_object *object = host_object_new(fd, true, HOST_KIND_STREAM_SOCKET, HOST_RIGHT_READ | HOST_RIGHT_WRITE);
  if (!object) return -HOST_ERROR_NOMEM;
  object->is_nonblocking = true;
  host_object_inherit(object, listener);
  *out = object;
  return 0;
}

static int prepare(const struct host_object *socket, enum host_right right, const struct host_buffer *buffers,
                   size_t count, struct iovec *iovecs, int *iovec_count) {
  if (socket->kind != HOST_KIND_STREAM_SOCKET && socket->kind != HOST_KIND_DATAGRAM_SOCKET &&
      socket->kind != HOST_KIND_LISTENER)
    return -HOST_ERROR_NOTSOCK;
  if (!(socket->rights & right)) return -HOST_ERROR_NOTCAPABLE;
  return host_iovecs(buffers, count, iovecs, iovec_count) ? 0 : -HOST_ERROR_FAULT;
}

static int receive(const struct host_object *socket, struct iovec *iovecs, int count, struct host_receive *how,
                   size_t *done_bytes) {
  struct msghdr message = {.msg_iov = iovecs, .msg_iovlen = (size_t)count};
  BASE_RACY_BEGIN();
  ssize_t got = recvmsg(socket->fd, &message, MSG_DONTWAIT | (how->peek ? MSG_PEEK : 0));
  BASE_RACY_END();
  if (got < 0) return pending_or_failed();
  how->truncated = message.msg_flags & MSG_TRUNC;
  *done_bytes = (size_t)got;
  return 0;
}

/* MSG_WAITALL cannot be combined with not waiting: `wait_all` is for the caller, who calls again. */
int host_receive(struct host_object *socket, const struct host_buffer *buffers, size_t count, struct host_receive *how,
                 size_t *done_bytes) {
  struct iovec iovecs[HOST_BUFFERS_MAX];
  struct host_count counted;
  int iovec_count = 0;
  int result = prepare(socket, HOST_RIGHT_READ, buffers, count, iovecs, &iovec_count);
  if (result) return result;
  if (how->peek) return receive(socket, iovecs, iovec_count, how, done_bytes);
  result = host_count_read(&counted, socket, iovecs, &iovec_count);
  if (result) return result;
  return host_count_end(&counted, receive(socket, iovecs, iovec_count, how, done_bytes), done_bytes);
}

static int send_some(const struct host_object *socket, struct iovec *iovecs, int count, size_t *done_bytes) {
  struct msghdr message = {.msg_iov = iovecs, .msg_iovlen = (size_t)count};
  BASE_RACY_BEGIN();
  ssize_t sent = sendmsg(socket->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  BASE_RACY_END();
  if (sent < 0) return pending_or_failed();
  *done_bytes = (size_t)sent;
  return 0;
}

int host_send(struct host_object *socket, const struct host_buffer *buffers, size_t count, size_t *done_bytes) {
  struct iovec iovecs[HOST_BUFFERS_MAX];
  struct host_count counted;
  int iovec_count = 0;
  int result = prepare(socket, HOST_RIGHT_WRITE, buffers, count, iovecs, &iovec_count);
  if (result == 0) result = host_count_write(&counted, socket, iovecs, &iovec_count);
  if (result) return result;
  return host_count_end(&counted, send_some(socket, iovecs, iovec_count, done_bytes), done_bytes);
}

int host_shutdown(struct host_object *socket, bool reading, bool writing) {
  if (socket->kind != HOST_KIND_STREAM_SOCKET && socket->kind != HOST_KIND_DATAGRAM_SOCKET &&
      socket->kind != HOST_KIND_LISTENER)
    return -HOST_ERROR_NOTSOCK;
  if (!reading && !writing) return -HOST_ERROR_INVAL;
  int how = reading && writing ? SHUT_RDWR : reading ? SHUT_RD : SHUT_WR;
  return shutdown(socket->fd, how) != 0 ? host_failed() : 0;
}
