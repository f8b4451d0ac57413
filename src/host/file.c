/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Reading, writing and attributes of open objects.
 *
 * Regular files: one readv, writev, preadv or pwritev. Everything else may have to wait, and the descriptor may be
 * shared with processes that would not survive O_NONBLOCK (a terminal's shell). There the call that does not wait is
 * preadv2 and pwritev2 with RWF_NOWAIT, one system call as well; where the kernel cannot do that for a descriptor, poll
 * is asked first. Writing to a pipe after poll takes at most PIPE_BUF bytes: only so many are sure not to wait. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/overlay.h"

static bool is_socket(const struct host_object *object) {
  return object->kind == HOST_KIND_STREAM_SOCKET || object->kind == HOST_KIND_DATAGRAM_SOCKET ||
         object->kind == HOST_KIND_LISTENER;
}

/* A system call on a guest's memory, which other threads of the guest may use at the same time. */
#define ON_GUEST(call)          \
  ({                            \
    BASE_RACY_BEGIN();          \
    ssize_t call_result = call; \
    BASE_RACY_END();            \
    call_result;                \
  })

static int finish(ssize_t got, size_t *done_bytes) {
  if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? HOST_PENDING : host_failed();
  *done_bytes = (size_t)got;
  return 0;
}

/* ---- Objects in memory ---------------------------------------------------------------------------------------------- */

static int memory_read(struct host_bytes *memory, const struct iovec *iovecs, int count, size_t *done_bytes) {
  assert(memory->position <= memory->len_bytes);
  *done_bytes = 0;
  for (int i = 0; i < count; i++) {
    size_t left = memory->len_bytes - memory->position;
    size_t take = iovecs[i].iov_len < left ? iovecs[i].iov_len : left;
    if (take == 0) continue;
    base_racy_move(iovecs[i].iov_base, memory->bytes + memory->position, take);
    memory->position += take;
    *done_bytes += take;
  }
  return 0;
}

static int memory_write(struct host_bytes *memory, const struct iovec *iovecs, int count, size_t *done_bytes) {
  *done_bytes = 0;
  if (memory->discards) {
    for (int i = 0; i < count; i++) *done_bytes += iovecs[i].iov_len;
    return 0;
  }
  assert(memory->len_bytes <= memory->limit_bytes);
  for (int i = 0; i < count; i++) {
    size_t left = memory->limit_bytes - memory->len_bytes;
    size_t take = iovecs[i].iov_len < left ? iovecs[i].iov_len : left;
    if (take == 0) continue;
    size_t wanted = memory->len_bytes + take;
    if (wanted > memory->capacity && !base_vec_grow((void **)&memory->bytes, &memory->capacity, wanted, 1))
      return *done_bytes ? 0 : -HOST_ERROR_NOMEM;
    base_racy_move(memory->bytes + memory->len_bytes, iovecs[i].iov_base, take);
    memory->len_bytes += take;
    *done_bytes += take;
  }
  return *done_bytes || count == 0 || memory->len_bytes < memory->limit_bytes ? 0 : -HOST_ERROR_NOSPC;
}

/* Whoever has them takes or gives a part, and the guest calls again for the rest. */
static int stream_transfer(const struct host_bytes *memory, const struct iovec *iovecs, int count, size_t *done_bytes) {
  *done_bytes = 0;
  for (int i = 0; i < count; i++) {
    if (iovecs[i].iov_len == 0) continue;
    ptrdiff_t got = memory->transfer(memory->env, iovecs[i].iov_base, iovecs[i].iov_len);
    if (got < 0 || (size_t)got > iovecs[i].iov_len) return *done_bytes ? 0 : -HOST_ERROR_IO;
    *done_bytes += (size_t)got;
    if ((size_t)got < iovecs[i].iov_len) break;
  }
  return 0;
}

static int memory_transfer(struct host_bytes *memory, const struct iovec *iovecs, int count, bool writes,
                           size_t *done_bytes) {
  pthread_mutex_lock(&memory->lock);
  int result = memory->transfer ? stream_transfer(memory, iovecs, count, done_bytes)
                                : (writes ? memory_write : memory_read)(memory, iovecs, count, done_bytes);
  pthread_mutex_unlock(&memory->lock);
  return result;
}

static size_t memory_left(struct host_bytes *memory) {
  pthread_mutex_lock(&memory->lock);
  size_t left = memory->len_bytes - memory->position;
  pthread_mutex_unlock(&memory->lock);
  return left;
}

/* ---- Objects that may have to wait ----------------------------------------------------------------------------------- */

static int socket_read(const struct host_object *object, struct iovec *iovecs, int count, size_t *done_bytes) {
  struct msghdr message = {.msg_iov = iovecs, .msg_iovlen = (size_t)count};
  return finish(ON_GUEST(recvmsg(object->fd, &message, MSG_DONTWAIT)), done_bytes);
}

static int socket_write(const struct host_object *object, struct iovec *iovecs, int count, size_t *done_bytes) {
  struct msghdr message = {.msg_iov = iovecs, .msg_iovlen = (size_t)count};
  return finish(ON_GUEST(base_os_sendmsg(object->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)), done_bytes);
}

/* Whether the errors of a call with RWF_NOWAIT say that the descriptor or the kernel cannot do it at all. */
static bool cannot_nowait(ssize_t got) {
  return got < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == EPERM || errno == ESPIPE);
}

/* Between asking poll and the call no other thread may take what poll saw, whichever descriptor leads there: the call
 * would block, and nothing interrupts it. */
static pthread_mutex_t after_poll = PTHREAD_MUTEX_INITIALIZER;

static int stream_read(struct host_object *object, const struct iovec *iovecs, int count, size_t *done_bytes) {
  if (!object->no_nowait && !object->is_nonblocking) {
    ssize_t got = ON_GUEST(host_os_read_nowait(object->fd, iovecs, count));
    if (!cannot_nowait(got)) return finish(got, done_bytes);
    object->no_nowait = true;
  }
  /* Reading a named pipe that nobody writes yet would say that it ended; poll knows better. */
  pthread_mutex_lock(&after_poll);
  int result = HOST_PENDING;
  if (host_poll_now(object->fd, POLLIN)) result = finish(ON_GUEST(readv(object->fd, iovecs, count)), done_bytes);
  pthread_mutex_unlock(&after_poll);
  return result;
}

static int stream_write(struct host_object *object, struct iovec *iovecs, int count, size_t *done_bytes) {
  if (object->is_nonblocking) return finish(ON_GUEST(writev(object->fd, iovecs, count)), done_bytes);
  if (!object->no_nowait) {
    ssize_t got = ON_GUEST(host_os_write_nowait(object->fd, iovecs, count));
    if (!cannot_nowait(got)) return finish(got, done_bytes);
    object->no_nowait = true;
  }
  if (object->kind == HOST_KIND_PIPE) count = host_cut(iovecs, count, PIPE_BUF);
  pthread_mutex_lock(&after_poll);
  int result = HOST_PENDING;
  if (host_poll_now(object->fd, POLLOUT)) result = finish(ON_GUEST(writev(object->fd, iovecs, count)), done_bytes);
  pthread_mutex_unlock(&after_poll);
  return result;
}

/* ---- Reading and writing ----------------------------------------------------------------------------------------------- */

/* Memory is named by 64-bit ranges; a sum above SSIZE_MAX would be refused by the kernel, which is right. */
static int prepare(const struct host_object *object, enum host_right right, const struct host_buffer *buffers,
                   size_t count, struct iovec *iovecs, int *iovec_count) {
  if (object->kind == HOST_KIND_DIRECTORY) return -HOST_ERROR_ISDIR;
  if (!(object->rights & right)) return -HOST_ERROR_NOTCAPABLE;
  return host_iovecs(buffers, count, iovecs, iovec_count) ? 0 : -HOST_ERROR_FAULT;
}

static int read_some(struct host_object *object, struct iovec *iovecs, int count, size_t *done_bytes) {
  if (object->memory) return memory_transfer(object->memory, iovecs, count, false, done_bytes);
  if (object->kind == HOST_KIND_REGULAR || object->kind == HOST_KIND_BLOCK_DEVICE)
    return finish(ON_GUEST(readv(object->fd, iovecs, count)), done_bytes);
  if (is_socket(object)) return socket_read(object, iovecs, count, done_bytes);
  return stream_read(object, iovecs, count, done_bytes);
}

int host_read(struct host_object *object, const struct host_buffer *buffers, size_t count, size_t *done_bytes) {
  struct iovec iovecs[HOST_BUFFERS_MAX];
  struct host_count counted;
  int iovec_count = 0;
  if (object->kind == HOST_KIND_DATAGRAM_SOCKET)
    return host_receive(object, buffers, count, &(struct host_receive){0}, done_bytes);
  int result = prepare(object, HOST_RIGHT_READ, buffers, count, iovecs, &iovec_count);
  if (result) return result;
  host_count_read(&counted, object, iovecs, &iovec_count);
  return host_count_end(&counted, read_some(object, iovecs, iovec_count, done_bytes), done_bytes);
}

static size_t bytes_of(const struct iovec *iovecs, int count) {
  size_t len_bytes = 0;
  for (int i = 0; i < count; i++) len_bytes += iovecs[i].iov_len;
  return len_bytes;
}

/* At `offset`, -1: where the file stands. */
static int file_write(const struct host_object *object, const struct iovec *iovecs, int count, int64_t offset,
                      size_t *done_bytes) {
  ssize_t done = offset < 0 ? ON_GUEST(writev(object->fd, iovecs, count))
                            : ON_GUEST(pwritev(object->fd, iovecs, count, (off_t)offset));
  return finish(done, done_bytes);
}

static int quota_write(struct host_object *object, struct iovec *iovecs, int count, int64_t offset,
                       size_t *done_bytes) {
  if (!object->quota_file) return file_write(object, iovecs, count, offset, done_bytes);
  struct host_growth growth;
  uint64_t len_bytes = bytes_of(iovecs, count);
  int result = host_growth_begin(object, offset, len_bytes, &growth);
  if (result) return result;
  if (len_bytes > growth.allowed_bytes) count = host_cut(iovecs, count, growth.allowed_bytes);
  result = file_write(object, iovecs, count, (int64_t)growth.at, done_bytes);
  uint64_t after = growth.at + (result == 0 ? *done_bytes : 0);
  if (result == 0 && offset < 0) lseek(object->fd, (off_t)after, SEEK_SET);
  bool has_grown = result == 0 && *done_bytes && after > growth.size_before;
  host_growth_end(object, &growth, has_grown ? after : growth.size_before);
  return result;
}

static int write_some(struct host_object *object, struct iovec *iovecs, int count, size_t *done_bytes) {
  if (object->memory) return memory_transfer(object->memory, iovecs, count, true, done_bytes);
  if (object->kind == HOST_KIND_REGULAR || object->kind == HOST_KIND_BLOCK_DEVICE)
    return quota_write(object, iovecs, count, -1, done_bytes);
  if (is_socket(object)) return socket_write(object, iovecs, count, done_bytes);
  return stream_write(object, iovecs, count, done_bytes);
}

int host_write(struct host_object *object, const struct host_buffer *buffers, size_t count, size_t *done_bytes) {
  struct iovec iovecs[HOST_BUFFERS_MAX];
  struct host_count counted;
  int iovec_count = 0;
  int result = prepare(object, HOST_RIGHT_WRITE, buffers, count, iovecs, &iovec_count);
  if (result == 0) result = host_count_write(&counted, object, iovecs, &iovec_count);
  if (result) return result;
  return host_count_end(&counted, write_some(object, iovecs, iovec_count, done_bytes), done_bytes);
}

static int prepare_at(const struct host_object *object, enum host_right right, const struct host_buffer *buffers,
                      size_t count, uint64_t offset, struct iovec *iovecs, int *iovec_count) {
  int result = prepare(object, right, buffers, count, iovecs, iovec_count);
  if (result) return result;
  if (object->memory || is_socket(object)) return -HOST_ERROR_SPIPE;
  return offset > INT64_MAX ? -HOST_ERROR_INVAL : 0;
}

int host_read_at(struct host_object *object, const struct host_buffer *buffers, size_t count, uint64_t offset,
                 size_t *done_bytes) {
  struct iovec iovecs[HOST_BUFFERS_MAX];
  struct host_count counted;
  int iovec_count = 0;
  int result = prepare_at(object, HOST_RIGHT_READ, buffers, count, offset, iovecs, &iovec_count);
  if (result) return result;
  host_count_read(&counted, object, iovecs, &iovec_count);
  result = finish(ON_GUEST(preadv(object->fd, iovecs, iovec_count, (off_t)offset)), done_bytes);
  return host_count_end(&counted, result, done_bytes);
}

int host_write_at(struct host_object *object, const struct host_buffer *buffers, size_t count, uint64_t offset,
                  size_t *done_bytes) {
  struct iovec iovecs[HOST_BUFFERS_MAX];
  struct host_count counted;
  int iovec_count = 0;
  int result = prepare_at(object, HOST_RIGHT_WRITE, buffers, count, offset, iovecs, &iovec_count);
  if (result == 0) result = host_count_write(&counted, object, iovecs, &iovec_count);
  if (result) return result;
  result = quota_write(object, iovecs, iovec_count, (int64_t)offset, done_bytes);
  return host_count_end(&counted, result, done_bytes);
}

/* ---- Positions, sizes, flags ---------------------------------------------------------------------------------------------- */

int host_seek(struct host_object *object, int64_t delta, enum host_whence whence, uint64_t *position) {
  static const int whences[] = {[HOST_SEEK_SET] = SEEK_SET, [HOST_SEEK_CURRENT] = SEEK_CUR, [HOST_SEEK_END] = SEEK_END};
  assert((size_t)whence < BASE_ARRAY_LEN(whences));
  if (object->kind == HOST_KIND_DIRECTORY) return -HOST_ERROR_ISDIR;
  if (object->fd < 0) return -HOST_ERROR_SPIPE;
  struct host_quota *locked = host_quota_lock(object);
  off_t at = lseek(object->fd, delta, whences[whence]);
  int result = at < 0 ? host_failed() : 0;
  host_quota_unlock(locked);
  if (result == 0) *position = (uint64_t)at;
  return result;
}

/* What was never changed is as it was. */
static int sync_layers(const struct host_object *directory) {
  struct host_layers layers;
  host_overlay_lock(host_overlay_of(directory));
  int result = host_layers_of(directory, &layers);
  int fd = result || layers.upper < 0 ? -1 : openat(layers.upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  host_overlay_unlock(host_overlay_of(directory));
  if (fd < 0) return result;
  if (fsync(fd) != 0) result = host_failed();
  close(fd);
  return result;
}

int host_sync(struct host_object *object, bool contents_only) {
  if (object->overlaid) return sync_layers(object);
  if (object->fd < 0) return object->synthetic ? 0 : -HOST_ERROR_INVAL;
  return (contents_only ? fdatasync(object->fd) : fsync(object->fd)) != 0 ? host_failed() : 0;
}

int host_advise(struct host_object *object, uint64_t offset, uint64_t len_bytes, enum host_advice advice) {
  static const int advices[] = {
      [HOST_ADVICE_NORMAL] = POSIX_FADV_NORMAL,      [HOST_ADVICE_SEQUENTIAL] = POSIX_FADV_SEQUENTIAL,
      [HOST_ADVICE_RANDOM] = POSIX_FADV_RANDOM,      [HOST_ADVICE_WILL_NEED] = POSIX_FADV_WILLNEED,
      [HOST_ADVICE_DONT_NEED] = POSIX_FADV_DONTNEED, [HOST_ADVICE_NO_REUSE] = POSIX_FADV_NOREUSE};
  assert((size_t)advice < BASE_ARRAY_LEN(advices));
  if (object->kind == HOST_KIND_DIRECTORY) return -HOST_ERROR_BADF;
  if (object->fd < 0) return -HOST_ERROR_SPIPE;
  if (offset > INT64_MAX || len_bytes > INT64_MAX) return -HOST_ERROR_INVAL;
  int failure = posix_fadvise(object->fd, (off_t)offset, (off_t)len_bytes, advices[advice]);
  return failure ? -(int)host_error_of_errno(failure) : 0;
}

static int need_writable_file(const struct host_object *object) {
  if (object->kind == HOST_KIND_DIRECTORY) return -HOST_ERROR_ISDIR;
  if (!(object->rights & HOST_RIGHT_WRITE)) return -HOST_ERROR_NOTCAPABLE;
  return object->fd < 0 ? -HOST_ERROR_SPIPE : 0;
}

static uint64_t storage_bytes(int fd) {
  struct stat status;
  return host_os_stat(fd, &status) == 0 ? (uint64_t)status.st_blocks * 512 : 0;
}

/* Storage that is new counts as written: all of the range is paid for, and what was there is given back. */
static int allocate_counted(struct host_object *object, off_t offset, off_t len_bytes) {
  uint64_t asked = (uint64_t)len_bytes, before = storage_bytes(object->fd);
  if (!base_budget_take(object->budget, BASE_LIMIT_WRITTEN, asked)) return HOST_EXHAUSTED + BASE_LIMIT_WRITTEN;
  int result = host_os_allocate(object->fd, offset, len_bytes) != 0 ? host_failed() : 0;
  uint64_t after = storage_bytes(object->fd), grown = after > before ? after - before : 0;
  if (grown < asked) base_budget_give(object->budget, BASE_LIMIT_WRITTEN, asked - grown);
  return result;
}

int host_allocate(struct host_object *object, uint64_t offset, uint64_t len_bytes) {
  int result = need_writable_file(object);
  if (result) return result;
  if (offset > INT64_MAX || len_bytes > INT64_MAX || len_bytes == 0) return -HOST_ERROR_INVAL;
  if (offset + len_bytes > INT64_MAX) return -HOST_ERROR_FBIG;
  struct host_growth growth;
  uint64_t end = offset + len_bytes;
  if (object->quota_file && (result = host_resize_begin(object, end, &growth))) return result;
  result = allocate_counted(object, (off_t)offset, (off_t)len_bytes);
  if (object->quota_file)
    host_growth_end(object, &growth, result == 0 && end > growth.size_before ? end : growth.size_before);
  return result;
}

int host_set_size(struct host_object *object, uint64_t len_bytes) {
  int result = need_writable_file(object);
  if (result) return result;
  if (len_bytes > INT64_MAX) return -HOST_ERROR_INVAL;
  struct host_growth growth;
  if (object->quota_file && (result = host_resize_begin(object, len_bytes, &growth))) return result;
  result = ftruncate(object->fd, (off_t)len_bytes) != 0 ? host_failed() : 0;
  if (object->quota_file) host_growth_end(object, &growth, result ? growth.size_before : len_bytes);
  return result;
}

static int set_flags(struct host_object *object, uint32_t flags) {
  uint32_t changed = flags ^ object->flags;
  if (changed == 0) return 0;
  if (changed != HOST_FLAG_APPEND || !object->owns_fd || object->kind != HOST_KIND_REGULAR) return -HOST_ERROR_NOTSUP;
  int now = fcntl(object->fd, F_GETFL);
  if (now < 0) return host_failed();
  now = flags & HOST_FLAG_APPEND ? now | O_APPEND : now & ~O_APPEND;
  if (fcntl(object->fd, F_SETFL, now) < 0) return host_failed();
  object->flags = (uint8_t)flags;
  return 0;
}

int host_set_flags(struct host_object *object, uint32_t flags) {
  struct host_quota *locked = host_quota_lock(object);
  int result = set_flags(object, flags);
  host_quota_unlock(locked);
  return result;
}

/* ---- Attributes -------------------------------------------------------------------------------------------------------------- */

static int64_t nanoseconds(struct timespec time) { return time.tv_sec * INT64_C(1000000000) + time.tv_nsec; }

void host_stat_fill(const struct stat *from, struct host_stat *out) {
  *out = (struct host_stat){.device = from->st_dev,
                            .inode = from->st_ino,
                            .links = from->st_nlink,
                            .size_bytes = (uint64_t)from->st_size,
                            .access_ns = nanoseconds(from->st_atim),
                            .modify_ns = nanoseconds(from->st_mtim),
                            .change_ns = nanoseconds(from->st_ctim),
                            .kind = host_kind_of_mode(from->st_mode)};
}

static int stat_layers(const struct host_object *directory, struct stat *out) {
  struct host_layers layers;
  host_overlay_lock(host_overlay_of(directory));
  int result = host_layers_of(directory, &layers);
  if (result == -HOST_ERROR_NOENT || result == 0) result = host_layers_stat_self(&layers, out);
  host_overlay_unlock(host_overlay_of(directory));
  return result;
}

int host_stat(struct host_object *object, struct host_stat *out) {
  struct stat status;
  if (object->fd < 0) {
    *out = (struct host_stat){.kind = object->kind, .links = 1};
    return 0;
  }
  int result =
      object->overlaid ? stat_layers(object, &status) : (host_os_stat(object->fd, &status) != 0 ? host_failed() : 0);
  if (result) return result;
  host_stat_fill(&status, out);
  out->kind = object->kind;
  return 0;
}

uint64_t host_readable_bytes(struct host_object *object) {
  if (object->memory) return memory_left(object->memory);
  if (object->fd < 0) return 0;
  if (object->kind == HOST_KIND_REGULAR) {
    struct stat status;
    off_t at = lseek(object->fd, 0, SEEK_CUR);
    return at >= 0 && host_os_stat(object->fd, &status) == 0 && status.st_size > at ? (uint64_t)(status.st_size - at)
                                                                                    : 0;
  }
  int count = 0;
  return ioctl(object->fd, FIONREAD, &count) == 0 && count > 0 ? (uint64_t)count : 0;
}
