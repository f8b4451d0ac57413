/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Sockets: those that were granted, what they accept, and those that a network's rules allow to make. Names are never
 * looked up here.
 *
 * A listener and a UDP socket keep their network: each peer is judged when it comes. A peer that may not is dropped
 * without a word to the program, which would learn of it otherwise. A UDP socket that is bound answers: it may send to the
 * last ones that it received from. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/network.h"

static bool parse_port(const char *text, in_port_t *port) {
  char *end = NULL;
  if (text[0] < '0' || text[0] > '9') return false;
  unsigned long value = strtoul(text, &end, 10);
  if (*end || value > 65535) return false;
  *port = htons((uint16_t)value);
  return true;
}

/* "1.2.3.4:80" or "[::1]:80". */
static bool parse_address(const char *text, union host_sockaddr *out, socklen_t *len_bytes) {
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

/* A new socket, not waiting; the descriptor or -host error. */
static int make_socket(int family, int type) {
  int fd = base_os_socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return fd < 0 ? host_failed() : fd;
}

static int adopt(int fd, enum host_kind kind, struct host_network *network, struct host_object **out) {
  struct host_object *object = host_object_new(fd, true, kind, HOST_RIGHT_READ | HOST_RIGHT_WRITE);
  if (!object) return -HOST_ERROR_NOMEM;
  object->is_nonblocking = true;
  object->network = network ? host_network_retain(network) : NULL;
  *out = object;
  return 0;
}

/* Each socket is of one family, so that no address has two forms in it. */
static int keep_to_family(int fd, bool is_v6) {
  return is_v6 && base_os_setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, true) != 0 ? -1 : 0;
}

static int listen_on(const union host_sockaddr *address, socklen_t len_bytes, int *out) {
  int fd = make_socket(address->any.sa_family, SOCK_STREAM);
  if (fd < 0) return fd;
  base_os_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, true);
  *out = fd;
  if (keep_to_family(fd, address->any.sa_family == AF_INET6) == 0 && bind(fd, &address->any, len_bytes) == 0 &&
      listen(fd, SOMAXCONN) == 0)
    return 0;
  int result = host_failed();
  close(fd);
  return result;
}

bool host_net_address_parse(const char *text, struct host_net_address *out) {
  union host_sockaddr parsed;
  socklen_t len_bytes = 0;
  return parse_address(text, &parsed, &len_bytes) && host_net_of_sockaddr(&parsed, out);
}

enum cay_status host_grant_listener(const char *address, struct host_object **out, struct cay_error *error) {
  union host_sockaddr parsed;
  socklen_t len_bytes = 0;
  int fd = -1;
  if (!parse_address(address, &parsed, &len_bytes))
    return base_error_set(error, CAY_ERROR_ARGUMENT,
                          "%s is not an address to listen on; it has to look like 127.0.0.1:8080 or [::1]:8080",
                          address);
  if (listen_on(&parsed, len_bytes, &fd)) return base_error_system(error, errno, "cannot listen on %s", address);
  return adopt(fd, HOST_KIND_LISTENER, NULL, out) ? base_error_memory(error) : CAY_OK;
}

static bool address_text(const union host_sockaddr *address, char *out, size_t capacity) {
  char host[INET6_ADDRSTRLEN];
  if (address->any.sa_family == AF_INET) {
    if (!inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof host)) return false;
    snprintf(out, capacity, "%s:%u", host, ntohs(address->v4.sin_port));
    return true;
  }
  if (address->any.sa_family != AF_INET6 || !inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof host))
    return false;
  snprintf(out, capacity, "[%s]:%u", host, ntohs(address->v6.sin6_port));
  return true;
}

bool host_object_address(const struct host_object *object, char *out, size_t capacity) {
  union host_sockaddr address;
  socklen_t len_bytes = sizeof address;
  if (object->fd < 0 || getsockname(object->fd, &address.any, &len_bytes) != 0) return false;
  return address_text(&address, out, capacity);
}

static int pending_or_failed(void) { return errno == EAGAIN || errno == EWOULDBLOCK ? HOST_PENDING : host_failed(); }

/* The own port of a socket, 0 when it has none. */
static uint16_t own_port(int fd) {
  union host_sockaddr own;
  struct host_net_address address;
  socklen_t len_bytes = sizeof own;
  return getsockname(fd, &own.any, &len_bytes) == 0 && host_net_of_sockaddr(&own, &address) ? address.port : 0;
}

/* `out` is NULL, or tells of the peer. */
static bool may_accept(struct host_object *socket, const union host_sockaddr *from, struct host_peer *out) {
  struct host_net_address address;
  const char *rule = NULL;
  bool is_known = host_net_of_sockaddr(from, &address);
  bool is_allowed = !socket->network || (is_known && host_network_judge(socket->network, HOST_NET_ACCEPT, HOST_NET_TCP,
                                                                        &address, own_port(socket->fd), &rule) == 0);
  if (!out) return is_allowed;
  union host_sockaddr normal = {0};
  if (is_known) host_net_to_sockaddr(&address, &normal);
  *out = (struct host_peer){.rule = rule, .is_refused = !is_allowed};
  if (!is_known || !address_text(&normal, out->address, sizeof out->address)) out->address[0] = 0;
  return is_allowed;
}

int host_accept(struct host_object *listener, struct host_object **out, struct host_peer *who) {
  if (who) *who = (struct host_peer){0};
  if (listener->kind != HOST_KIND_LISTENER)
    return listener->kind == HOST_KIND_STREAM_SOCKET || listener->kind == HOST_KIND_DATAGRAM_SOCKET
               ? -HOST_ERROR_INVAL
               : -HOST_ERROR_NOTSOCK;
  if (!(listener->rights & HOST_RIGHT_READ)) return -HOST_ERROR_NOTCAPABLE;
  union host_sockaddr peer;
  socklen_t len_bytes = sizeof peer;
  int fd = accept4(listener->fd, &peer.any, &len_bytes, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return pending_or_failed();
  if (!may_accept(listener, &peer, who)) {
    close(fd);
    return HOST_PENDING;
  }
  int result = adopt(fd, HOST_KIND_STREAM_SOCKET, NULL, out);
  if (result == 0) host_object_inherit(*out, listener);
  return result;
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

/* What is only looked at is read as well. */
static int receive_counted(struct host_object *socket, const struct host_buffer *buffers, size_t count,
                           struct host_receive *how, size_t *done_bytes) {
  struct iovec iovecs[HOST_BUFFERS_MAX];
  struct host_count counted;
  int iovec_count = 0;
  int result = prepare(socket, HOST_RIGHT_READ, buffers, count, iovecs, &iovec_count);
  if (result) return result;
  host_count_read(&counted, socket, iovecs, &iovec_count);
  return host_count_end(&counted, receive(socket, iovecs, iovec_count, how, done_bytes), done_bytes);
}

/* MSG_WAITALL cannot be combined with not waiting: `wait_all` is for the caller, who calls again. */
int host_receive(struct host_object *socket, const struct host_buffer *buffers, size_t count, struct host_receive *how,
                 size_t *done_bytes) {
  struct host_net_address from;
  bool judges = socket->kind == HOST_KIND_DATAGRAM_SOCKET && socket->network;
  return judges ? host_receive_from(socket, buffers, count, how, &from, done_bytes)
                : receive_counted(socket, buffers, count, how, done_bytes);
}

static int send_some(const struct host_object *socket, struct iovec *iovecs, int count, size_t *done_bytes) {
  struct msghdr message = {.msg_iov = iovecs, .msg_iovlen = (size_t)count};
  BASE_RACY_BEGIN();
  ssize_t sent = base_os_sendmsg(socket->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
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

/* A listener was lent: shutting it down would end it for whoever lent it, and it has no connection of its own. */
int host_shutdown(struct host_object *socket, bool reading, bool writing) {
  if (socket->kind == HOST_KIND_LISTENER) return -HOST_ERROR_NOTCONN;
  if (socket->kind != HOST_KIND_STREAM_SOCKET && socket->kind != HOST_KIND_DATAGRAM_SOCKET) return -HOST_ERROR_NOTSOCK;
  if (!reading && !writing) return -HOST_ERROR_INVAL;
  int how = reading && writing ? SHUT_RDWR : reading ? SHUT_RD : SHUT_WR;
  return shutdown(socket->fd, how) != 0 ? host_failed() : 0;
}

/* ---- By the rules of a network ---------------------------------------------------------------------------------------- */

int host_network_connect(struct host_network *network, const struct host_net_address *address, struct host_object **out,
                         const char **rule) {
  struct host_net_address normal = *address;
  union host_sockaddr target;
  host_net_normalize(&normal);
  int result = host_network_judge(network, HOST_NET_CONNECT, HOST_NET_TCP, &normal, normal.port, rule);
  if (result) return result;
  socklen_t len_bytes = host_net_to_sockaddr(&normal, &target);
  int fd = make_socket(target.any.sa_family, SOCK_STREAM);
  if (fd < 0) return fd;
  if (connect(fd, &target.any, len_bytes) != 0 && errno != EINPROGRESS) {
    result = host_failed();
    close(fd);
    return result;
  }
  return adopt(fd, HOST_KIND_STREAM_SOCKET, network, out);
}

int host_connect_finish(struct host_object *socket) {
  int failure = 0;
  socklen_t len_bytes = sizeof failure;
  if (socket->kind != HOST_KIND_STREAM_SOCKET) return -HOST_ERROR_NOTSOCK;
  if (!host_poll_now(socket->fd, POLLOUT)) return HOST_PENDING;
  if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &failure, &len_bytes) != 0) return host_failed();
  return failure ? -(int)host_error_of_errno(failure) : 0;
}

int host_network_listen(struct host_network *network, const struct host_net_address *address, struct host_object **out,
                        const char **rule) {
  union host_sockaddr own;
  struct host_net_address normal = *address;
  int fd = -1;
  host_net_normalize(&normal);
  int result = host_network_judge(network, HOST_NET_LISTEN, HOST_NET_TCP, &normal, normal.port, rule);
  if (result) return result;
  socklen_t len_bytes = host_net_to_sockaddr(&normal, &own);
  result = listen_on(&own, len_bytes, &fd);
  return result ? result : adopt(fd, HOST_KIND_LISTENER, network, out);
}

static int bind_datagram(int fd, const struct host_net_address *address, bool is_v6) {
  union host_sockaddr own;
  if (keep_to_family(fd, is_v6) != 0) return host_failed();
  if (!address) return 0;
  socklen_t len_bytes = host_net_to_sockaddr(address, &own);
  return bind(fd, &own.any, len_bytes) != 0 ? host_failed() : 0;
}

int host_network_datagram(struct host_network *network, const struct host_net_address *address, bool is_v6,
                          struct host_object **out, const char **rule) {
  struct host_net_address normal = {.is_v6 = is_v6};
  int result = 0;
  if (address) {
    normal = *address;
    host_net_normalize(&normal);
    result = host_network_judge(network, HOST_NET_LISTEN, HOST_NET_UDP, &normal, normal.port, rule);
  }
  if (result) return result;
  int fd = make_socket(normal.is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
  if (fd < 0) return fd;
  result = bind_datagram(fd, address ? &normal : NULL, normal.is_v6);
  if (result) {
    close(fd);
    return result;
  }
  result = adopt(fd, HOST_KIND_DATAGRAM_SOCKET, network, out);
  if (result == 0 && address && !((*out)->peers = host_peers_new())) {
    host_object_release(*out);
    return -HOST_ERROR_NOMEM;
  }
  return result;
}

static int may_send(struct host_object *socket, const struct host_net_address *to, const char **rule) {
  if (!socket->network) return -HOST_ERROR_NOTCAPABLE;
  int result = host_network_judge(socket->network, HOST_NET_CONNECT, HOST_NET_UDP, to, to->port, rule);
  bool answers = socket->peers && host_peers_have(socket->peers, to);
  return answers && !host_network_denies(socket->network, HOST_NET_CONNECT, HOST_NET_UDP, to, to->port) ? 0 : result;
}

int host_send_to(struct host_object *socket, const struct host_buffer *buffers, size_t count,
                 const struct host_net_address *to, size_t *done_bytes, const char **rule) {
  struct iovec iovecs[HOST_BUFFERS_MAX];
  struct host_count counted;
  struct host_net_address normal = *to;
  union host_sockaddr target;
  int iovec_count = 0;
  host_net_normalize(&normal);
  int result = socket->kind == HOST_KIND_DATAGRAM_SOCKET ? may_send(socket, &normal, rule) : -HOST_ERROR_NOTSOCK;
  if (result == 0) result = prepare(socket, HOST_RIGHT_WRITE, buffers, count, iovecs, &iovec_count);
  if (result == 0) result = host_count_write(&counted, socket, iovecs, &iovec_count);
  if (result) return result;
  struct msghdr message = {.msg_name = &target,
                           .msg_namelen = host_net_to_sockaddr(&normal, &target),
                           .msg_iov = iovecs,
                           .msg_iovlen = (size_t)iovec_count};
  BASE_RACY_BEGIN();
  ssize_t sent = base_os_sendmsg(socket->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  BASE_RACY_END();
  result = sent < 0 ? pending_or_failed() : 0;
  if (sent >= 0) *done_bytes = (size_t)sent;
  return host_count_end(&counted, result, done_bytes);
}

static bool may_receive(struct host_object *socket, const struct host_net_address *from) {
  if (!socket->network) return false;
  if (host_network_judge(socket->network, HOST_NET_CONNECT, HOST_NET_UDP, from, from->port, NULL) == 0) return true;
  return socket->peers &&
         host_network_judge(socket->network, HOST_NET_ACCEPT, HOST_NET_UDP, from, own_port(socket->fd), NULL) == 0;
}

/* Looks at the sender of the next datagram and drops it when it may not; HOST_PENDING when there is none. */
static int next_allowed(struct host_object *socket, struct host_net_address *from) {
  for (;;) {
    union host_sockaddr sender;
    socklen_t len_bytes = sizeof sender;
    char byte;
    if (recvfrom(socket->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK, &sender.any, &len_bytes) < 0)
      return pending_or_failed();
    if (host_net_of_sockaddr(&sender, from) && may_receive(socket, from)) return 0;
    recv(socket->fd, &byte, 1, MSG_DONTWAIT);
  }
}

int host_receive_from(struct host_object *socket, const struct host_buffer *buffers, size_t count,
                      struct host_receive *how, struct host_net_address *from, size_t *done_bytes) {
  if (socket->kind != HOST_KIND_DATAGRAM_SOCKET) return -HOST_ERROR_NOTSOCK;
  /* Two threads must not take each other's datagram between looking and taking. */
  static pthread_mutex_t looking = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&looking);
  int result = next_allowed(socket, from);
  if (result == 0) result = receive_counted(socket, buffers, count, how, done_bytes);
  if (result == 0 && socket->peers) host_peers_add(socket->peers, from);
  pthread_mutex_unlock(&looking);
  return result;
}
