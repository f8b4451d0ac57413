/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Sockets. 0.1 cannot open any: what there is was granted, or accepted from a listener that was. */
#include "wasi/p1/p1.h"

enum { RECV_PEEK = 1, RECV_WAIT_ALL = 2, RECV_TRUNCATED = 1, SHUT_READ = 1, SHUT_WRITE = 2 };

/* Waits for a peer that may connect, and tells of those that may not. Of these there may be no end: who waits waits in
 * between, and sees there that the guest was interrupted; who does not is told to try again after some. */
static int accept_peer(struct p1_call *call, struct p1_handle *handle, const char *listener, struct host_object **out,
                       struct host_peer *peer) {
  enum { REFUSED_MAX = 64 };
  int result;
  for (unsigned refused = 0; (result = host_accept(handle->object, out, peer)) == HOST_PENDING;) {
    struct p1_use use = {
        .object = peer->address, .rule = peer->rule, .listener = listener, .rights = WASI_RIGHT_ACCEPT};
    if (peer->is_refused && call->p1->tells) p1_peer_refused(call, &use);
    if (handle->is_nonblocking && peer->is_refused && refused++ < REFUSED_MAX) continue;
    if (handle->is_nonblocking) return -HOST_ERROR_AGAIN;
    if ((result = p1_wait(call, handle->object, HOST_READABLE))) return result;
  }
  return result;
}

/* Permission is asked for the listener: who connects is not known before. Nothing is used by who waits in vain. */
static int accept_permitted(struct p1_call *call, struct p1_handle *handle, struct host_object **out) {
  char address[128] = "";
  const char *rule = handle->socket >= 0 ? call->p1->sockets.items[handle->socket].rule : NULL;
  struct host_peer peer = {0};
  if (call->p1->tells) host_object_address(handle->object, address, sizeof address);
  struct p1_use use = {.object = address, .rule = rule, .rights = WASI_RIGHT_ACCEPT};
  int result = p1_permit(call, &use);
  if (result == 0) result = p1_handle_room(call->p1);
  if (result) return result;
  result = accept_peer(call, handle, address, out, &peer);
  if (result == -HOST_ERROR_AGAIN || result == P1_TRAPPED) return result;
  if (peer.address[0]) use.object = peer.address, use.listener = address;
  if (peer.rule) use.rule = peer.rule;
  return p1_used(call, &use, result);
}

int p1_sock_accept(struct p1_call *call) {
  struct p1_handle *handle;
  struct host_object *socket = NULL;
  uint32_t flags = p1_u32(call, 1), fd = 0;
  int result = p1_handle_need(call, p1_u32(call, 0), P1_SOCK_ACCEPT, &handle);
  if (result) return result;
  if (flags & ~(uint32_t)P1_FDFLAG_NONBLOCK) return -HOST_ERROR_INVAL;
  if (!p1_range(call, p1_u32(call, 2), 4)) return -HOST_ERROR_FAULT;
  if ((result = accept_permitted(call, handle, &socket))) return result;
  struct p1_opened accepted = {.object = socket,
                               .rights = p1_rights_of(socket) & handle->inheriting,
                               .is_nonblocking = flags & P1_FDFLAG_NONBLOCK,
                               .preopen = -1,
                               .socket = handle->socket};
  result = p1_handle_add(call->p1, &accepted, &fd);
  if (result == 0) base_racy_store_u32(p1_range(call, p1_u32(call, 2), 4), fd);
  return result;
}

/* Receives until something came, or with wait_all until the buffers are full or the other end has closed. */
static int receive(struct p1_call *call, struct p1_handle *handle, struct p1_buffers *buffers, struct host_receive *how,
                   size_t *total_bytes) {
  size_t first = 0, done_bytes = 0;
  for (;;) {
    int result = host_receive(handle->object, buffers->items + first, buffers->count - first, how, &done_bytes);
    if (result == HOST_PENDING && handle->is_nonblocking) return *total_bytes ? 0 : -HOST_ERROR_AGAIN;
    if (result == HOST_PENDING) {
      if ((result = p1_wait(call, handle->object, HOST_READABLE))) return result;
      continue;
    }
    if (host_is_exhausted(result)) return result;
    if (result) return *total_bytes ? 0 : result;
    *total_bytes += done_bytes;
    bool is_left = p1_buffers_advance(buffers, &first, done_bytes);
    if (!is_left || !how->wait_all || how->peek || done_bytes == 0) return 0;
  }
}

static int check_socket(struct p1_call *call, uint64_t right, struct p1_handle **handle) {
  int result = p1_handle_get(call, p1_u32(call, 0), handle);
  if (result) return result;
  enum host_kind kind = host_object_kind((*handle)->object);
  if (kind != HOST_KIND_STREAM_SOCKET && kind != HOST_KIND_DATAGRAM_SOCKET && kind != HOST_KIND_LISTENER)
    return -HOST_ERROR_NOTSOCK;
  return p1_handle_need(call, p1_u32(call, 0), right, handle);
}

int p1_sock_recv(struct p1_call *call) {
  struct p1_handle *handle;
  struct p1_buffers buffers;
  size_t total_bytes = 0;
  uint32_t flags = p1_u32(call, 3);
  int result = check_socket(call, P1_FD_READ, &handle);
  if (result == 0) result = p1_buffers(call, p1_u32(call, 1), p1_u32(call, 2), &buffers);
  if (result) return result;
  if (flags & ~(uint32_t)(RECV_PEEK | RECV_WAIT_ALL)) return -HOST_ERROR_INVAL;
  if (!p1_range(call, p1_u32(call, 4), 4) || !p1_range(call, p1_u32(call, 5), 2)) return -HOST_ERROR_FAULT;
  struct host_receive how = {.peek = flags & RECV_PEEK, .wait_all = flags & RECV_WAIT_ALL};
  result = receive(call, handle, &buffers, &how, &total_bytes);
  if (result) return result;
  base_racy_store_u32(p1_range(call, p1_u32(call, 4), 4), (uint32_t)total_bytes);
  base_racy_store_u16(p1_range(call, p1_u32(call, 5), 2), how.truncated ? RECV_TRUNCATED : 0);
  return 0;
}

static int send_all(struct p1_call *call, struct p1_handle *handle, struct p1_buffers *buffers, size_t *total_bytes) {
  size_t first = 0, done_bytes = 0;
  for (;;) {
    int result = host_send(handle->object, buffers->items + first, buffers->count - first, &done_bytes);
    if (result == HOST_PENDING && handle->is_nonblocking) return *total_bytes ? 0 : -HOST_ERROR_AGAIN;
    if (result == HOST_PENDING) {
      if ((result = p1_wait(call, handle->object, HOST_WRITABLE))) return result;
      continue;
    }
    if (host_is_exhausted(result)) return result;
    if (result) return *total_bytes ? 0 : result;
    *total_bytes += done_bytes;
    if (!p1_buffers_advance(buffers, &first, done_bytes) || handle->is_nonblocking) return 0;
  }
}

int p1_sock_send(struct p1_call *call) {
  struct p1_handle *handle;
  struct p1_buffers buffers;
  size_t total_bytes = 0;
  int result = check_socket(call, P1_FD_WRITE, &handle);
  if (result == 0) result = p1_buffers(call, p1_u32(call, 1), p1_u32(call, 2), &buffers);
  if (result) return result;
  if (p1_u32(call, 3) != 0) return -HOST_ERROR_INVAL;
  if (!p1_range(call, p1_u32(call, 4), 4)) return -HOST_ERROR_FAULT;
  result = send_all(call, handle, &buffers, &total_bytes);
  if (result) return result;
  base_racy_store_u32(p1_range(call, p1_u32(call, 4), 4), (uint32_t)total_bytes);
  return 0;
}

int p1_sock_shutdown(struct p1_call *call) {
  struct p1_handle *handle;
  uint32_t how = p1_u32(call, 1);
  int result = check_socket(call, P1_SOCK_SHUTDOWN, &handle);
  if (result) return result;
  if (how == 0 || how > (SHUT_READ | SHUT_WRITE)) return -HOST_ERROR_INVAL;
  return host_shutdown(handle->object, how & SHUT_READ, how & SHUT_WRITE);
}
