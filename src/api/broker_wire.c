/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The broker's messages: written, sent, received, and read with distrust.
 *
 * A request is the front part of its structure, up to the end of the path. Positions are a sequence of records: line,
 * column, flags, then function and file, each as a length of 16 bits (0xFFFF: there is none), the bytes and a NUL, so that
 * what was received can be used in place. One message is one packet of the socket: what does not come whole is dropped. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/broker.h"

size_t broker_request_bytes(const struct broker_request *request) {
  return offsetof(struct broker_request, path) + request->path_bytes;
}

static enum cay_status malformed(struct cay_error *error, size_t offset, const char *what) {
  return base_error_set_at(error, CAY_ERROR_MALFORMED, offset, "a request to the broker %s", what);
}

static bool has_path(uint32_t kind) { return kind != BROKER_POSITIONS && kind != BROKER_HELPER; }

enum cay_status broker_request_parse(const void *bytes, size_t len_bytes, struct broker_request *out,
                                     struct cay_error *error) {
  const size_t head_bytes = offsetof(struct broker_request, path);
  if (len_bytes < head_bytes) return malformed(error, len_bytes, "ends too early");
  if (len_bytes >= sizeof *out) return malformed(error, sizeof *out - 1, "is too long");
  memcpy(out, bytes, len_bytes);
  if (out->kind >= BROKER_KIND_COUNT) return malformed(error, offsetof(struct broker_request, kind), "has no kind");
  if (out->path_bytes != len_bytes - head_bytes || (out->path_bytes == 0) != !has_path(out->kind))
    return malformed(error, offsetof(struct broker_request, path_bytes), "has a path of another length");
  out->path[out->path_bytes] = 0;
  size_t path_bytes = strlen(out->path);
  if (path_bytes < out->path_bytes) return malformed(error, head_bytes + path_bytes, "has a path with a zero byte");
  return CAY_OK;
}

/* ---- Positions ----------------------------------------------------------------------------------------------------------- */

enum { NO_TEXT = 0xFFFF, RECORD_BYTES = 4 + 4 + 1 + 2 * (2 + BROKER_TEXT_BYTES + 1) };
_Static_assert(INSPECT_POSITIONS_MAX *RECORD_BYTES <= BROKER_REPLY_BYTES, "an answer fits");

static char *put_text(char *at, const char *text) {
  size_t len_bytes = text ? strlen(text) : NO_TEXT;
  if (text && len_bytes > BROKER_TEXT_BYTES) len_bytes = BROKER_TEXT_BYTES;
  base_store_u16(at, (uint16_t)len_bytes);
  at += 2;
  if (!text) return at;
  memcpy(at, text, len_bytes);
  at[len_bytes] = 0;
  return at + len_bytes + 1;
}

size_t broker_positions_write(const struct inspect_position *positions, size_t count, char out[BROKER_REPLY_BYTES]) {
  char *at = out;
  for (size_t i = 0; i < count && i < INSPECT_POSITIONS_MAX; i++) {
    base_store_u32(at, (uint32_t)positions[i].line);
    base_store_u32(at + 4, (uint32_t)positions[i].column);
    at[8] = (char)positions[i].inlined;
    at = put_text(put_text(at + 9, positions[i].function), positions[i].file);
  }
  return (size_t)(at - out);
}

static bool take_text(const char **at, const char *end, const char **out) {
  *out = NULL;
  if (end - *at < 2) return false;
  size_t len_bytes = base_load_u16(*at);
  *at += 2;
  if (len_bytes == NO_TEXT) return true;
  if (len_bytes > BROKER_TEXT_BYTES || (size_t)(end - *at) <= len_bytes || strnlen(*at, len_bytes + 1) != len_bytes)
    return false;
  *out = *at;
  *at += len_bytes + 1;
  return true;
}

size_t broker_positions_read(const char *bytes, size_t len_bytes, struct inspect_position *out, size_t capacity) {
  const char *at = bytes, *end = bytes + len_bytes;
  size_t count = 0;
  for (; at < end; count++) {
    if (count == capacity || end - at < 9) return 0;
    struct inspect_position *position = &out[count];
    *position = (struct inspect_position){
        .line = (int)base_load_u32(at), .column = (int)base_load_u32(at + 4), .inlined = at[8] != 0};
    at += 9;
    if (!take_text(&at, end, &position->function) || !take_text(&at, end, &position->file)) return 0;
  }
  return count;
}

/* ---- The socket ------------------------------------------------------------------------------------------------------------ */

bool broker_send(int socket, const void *bytes, size_t len_bytes) {
  ssize_t sent;
  do sent = send(socket, bytes, len_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent == (ssize_t)len_bytes;
}

bool broker_send_with(int socket, const void *bytes, size_t len_bytes, int fd) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof fd)];
  } control = {{0}};
  struct iovec part = {(void *)bytes, len_bytes};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  ssize_t sent;
  do sent = base_os_sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent == (ssize_t)len_bytes;
}

bool broker_write(int fd, const void *bytes, size_t len_bytes, int timeout_ms) {
  struct pollfd ready = {.fd = fd, .events = POLLOUT};
  uint64_t deadline_ns = base_os_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
  if (fcntl(fd, F_SETFL, O_WRONLY | O_NONBLOCK) != 0) return false;
  for (const char *at = bytes; len_bytes > 0 && base_os_monotonic_ns() < deadline_ns;) {
    ssize_t written = write(fd, at, len_bytes);
    if (written < 0 && errno == EAGAIN) poll(&ready, 1, timeout_ms);
    if (written < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (written <= 0) continue;
    at += written;
    len_bytes -= (size_t)written;
  }
  return len_bytes == 0;
}

bool broker_receive(int socket, void *bytes, size_t capacity, size_t *len_bytes, int timeout_ms) {
  struct pollfd fd = {.fd = socket, .events = POLLIN};
  uint64_t deadline_ns = timeout_ms < 0 ? UINT64_MAX : base_os_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
  int ready;
  do ready = poll(&fd, 1, timeout_ms);
  while (ready < 0 && errno == EINTR && base_os_monotonic_ns() < deadline_ns);
  if (ready <= 0) return false;
  /* Without room for them, the system drops descriptors that came along. */
  ssize_t got = recv(socket, bytes, capacity, MSG_TRUNC | MSG_DONTWAIT);
  if (got <= 0 || (size_t)got > capacity) return false;
  *len_bytes = (size_t)got;
  return true;
}

/* There is room for exactly one descriptor: what the system gives us it has given to nobody else. */
static int descriptor_of(struct msghdr *message) {
  int fd = -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof fd))
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

bool broker_receive_with(int socket, void *bytes, size_t capacity, size_t *len_bytes, int *fd) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof *fd)];
  } control;
  struct iovec part = {bytes, capacity};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen =
                               CMSG_LEN(sizeof *fd)}; /* in the rest of CMSG_SPACE a second one would fit */
  ssize_t got;
  do got = recvmsg(socket, &message, MSG_TRUNC | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  *fd = got < 0 ? -1 : descriptor_of(&message);
  if (got > 0 && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
    *len_bytes = (size_t)got;
    return true;
  }
  if (*fd >= 0) close(*fd);
  *fd = -1;
  return false;
}
