/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The guest's handles: small numbers, the lowest free one first, as POSIX does and as guests expect.
 *
 * A handle has the rights of 0.1 (fs_rights_base and _inheriting) besides those of its host object. The bits only
 * record what the guest asked for and gave up; what the operator granted is enforced by the object. So directories that
 * were granted for reading still show every bit, and a guest that tries to write learns that the file system is
 * read-only when it opens the file, not when it writes.
 *
 * Invariants: 1. Every number below `lowest_free` is taken. 2. The table is read and changed under p1->lock; nothing is
 * freed under it. */
#include <assert.h>

#include "wasi/p1/p1.h"

uint64_t p1_rights_of(const struct host_object *object) {
  uint32_t granted = host_object_rights(object);
  uint64_t missing = (granted & HOST_RIGHT_READ ? 0 : P1_FD_READ) | (granted & HOST_RIGHT_WRITE ? 0 : P1_FD_WRITE);
  switch (host_object_kind(object)) {
  case HOST_KIND_DIRECTORY: return P1_RIGHTS_DIRECTORY;
  case HOST_KIND_REGULAR:
  case HOST_KIND_BLOCK_DEVICE:
    if (missing & P1_FD_WRITE) missing = missing | P1_RIGHTS_FILE_WRITING;
    return P1_RIGHTS_FILE & ~missing;
  case HOST_KIND_CHARACTER_DEVICE:
    /* A terminal is told apart from other devices by these two: it is what isatty looks at. */
    return (P1_RIGHTS_STREAM | (host_object_is_terminal(object) ? 0 : P1_FD_SEEK | P1_FD_TELL)) & ~missing;
  case HOST_KIND_LISTENER: return P1_RIGHTS_LISTENER;
  case HOST_KIND_STREAM_SOCKET:
  case HOST_KIND_DATAGRAM_SOCKET: return P1_RIGHTS_SOCKET & ~missing;
  default: return P1_RIGHTS_STREAM & ~missing;
  }
}

uint8_t p1_filetype(enum host_kind kind) {
  static const uint8_t types[] = {[HOST_KIND_UNKNOWN] = 0,          [HOST_KIND_BLOCK_DEVICE] = 1,
                                  [HOST_KIND_CHARACTER_DEVICE] = 2, [HOST_KIND_DIRECTORY] = 3,
                                  [HOST_KIND_REGULAR] = 4,          [HOST_KIND_DATAGRAM_SOCKET] = 5,
                                  [HOST_KIND_STREAM_SOCKET] = 6,    [HOST_KIND_LISTENER] = 6,
                                  [HOST_KIND_SYMLINK] = 7,          [HOST_KIND_PIPE] = 0};
  return types[kind];
}

/* The handle of a number, retained; NULL: none. */
static struct p1_handle *look_up(struct wasi_p1 *p1, uint32_t fd) {
  pthread_mutex_lock(&p1->lock);
  struct p1_handle *handle = fd < p1->handle_count ? p1->handles[fd] : NULL;
  if (handle) atomic_fetch_add_explicit(&handle->references, 1, memory_order_relaxed);
  pthread_mutex_unlock(&p1->lock);
  return handle;
}

static void hold(struct p1_call *call, struct p1_handle *handle) {
  assert(call->held_count < P1_HELD_MAX);
  call->held[call->held_count++] = handle;
}

int p1_handle_get(struct p1_call *call, uint32_t fd, struct p1_handle **out) {
  *out = look_up(call->p1, fd);
  if (!*out) return -HOST_ERROR_BADF;
  hold(call, *out);
  return 0;
}

/* Where the kind of object explains more than a missing right does. */
static int explain(const struct p1_handle *handle, uint64_t missing) {
  enum host_kind kind = p1_kind_of(handle);
  uint64_t usual = p1_rights_of(handle->object) & (handle->is_plain ? (uint64_t)P1_RIGHTS_STREAM : UINT64_MAX);
  if (missing & usual) return -HOST_ERROR_NOTCAPABLE; /* the guest gave it up */
  const uint64_t of_directories = P1_RIGHTS_DIRECTORY & ~(uint64_t)P1_RIGHTS_FILE;
  if (kind != HOST_KIND_DIRECTORY && (missing & of_directories)) return -HOST_ERROR_NOTDIR;
  if (kind == HOST_KIND_DIRECTORY && (missing & (P1_RIGHTS_FILE & ~(uint64_t)P1_RIGHTS_DIRECTORY)))
    return -HOST_ERROR_ISDIR;
  bool is_socket = kind == HOST_KIND_LISTENER || kind == HOST_KIND_STREAM_SOCKET || kind == HOST_KIND_DATAGRAM_SOCKET;
  if (!is_socket && (missing & (P1_SOCK_ACCEPT | P1_SOCK_SHUTDOWN))) return -HOST_ERROR_NOTSOCK;
  if (kind != HOST_KIND_REGULAR && (missing & (P1_FD_SEEK | P1_FD_TELL | P1_FD_ADVISE))) return -HOST_ERROR_SPIPE;
  if (kind != HOST_KIND_REGULAR && (missing & (P1_FD_DATASYNC | P1_FD_SYNC | P1_FD_ALLOCATE | P1_FD_FILESTAT_SET_SIZE)))
    return -HOST_ERROR_INVAL;
  return -HOST_ERROR_NOTCAPABLE;
}

static int check_rights(struct p1_call *call, struct p1_handle *handle, uint64_t rights) {
  assert((rights & ~(uint64_t)P1_RIGHTS_INHERITING & ~(uint64_t)P1_SOCK_ACCEPT) == 0);
  uint64_t missing = rights & ~(uint64_t)handle->rights;
  if (!missing) return 0;
  int result = explain(handle, missing);
  return result == -HOST_ERROR_NOTCAPABLE ? p1_handle_denied(call, handle, missing, result) : result;
}

int p1_handle_need(struct p1_call *call, uint32_t fd, uint64_t rights, struct p1_handle **out) {
  int result = p1_handle_get(call, fd, out);
  return result ? result : check_rights(call, *out, rights);
}

int p1_handle_take(struct p1_call *call, uint32_t fd, uint64_t rights, struct p1_handle **out) {
  *out = look_up(call->p1, fd);
  int result = *out ? check_rights(call, *out, rights) : -HOST_ERROR_BADF;
  if (result) p1_handle_release(*out);
  return result;
}

static void opened_release(const struct p1_opened *opened) {
  host_object_release(opened->object);
  base_free(opened->guest_path);
}

void p1_handle_release(struct p1_handle *handle) {
  if (!handle || atomic_fetch_sub_explicit(&handle->references, 1, memory_order_acq_rel) != 1) return;
  base_budget_give(handle->budget, BASE_LIMIT_HANDLES, 1);
  base_budget_give(handle->budget, BASE_LIMIT_MEMORY, handle->counted_bytes);
  host_listing_close(handle->listing);
  host_object_release(handle->object);
  base_free(handle->guest_path);
  pthread_mutex_destroy(&handle->listing_lock);
  base_free(handle);
}

/* Takes over what was opened, except when memory is out. */
static struct p1_handle *handle_new(const struct p1_opened *opened) {
  assert(opened->object && opened->rights <= UINT32_MAX && opened->inheriting <= UINT32_MAX);
  struct p1_handle *handle = base_alloc_zero(1, sizeof *handle);
  if (!handle) return NULL;
  atomic_init(&handle->references, 1);
  handle->object = opened->object;
  handle->rights = (uint32_t)opened->rights;
  handle->inheriting = (uint32_t)opened->inheriting;
  handle->is_nonblocking = opened->is_nonblocking;
  handle->preopen = opened->preopen;
  handle->socket = opened->socket;
  handle->is_preopen = opened->is_preopen;
  handle->is_plain = opened->is_plain;
  handle->guest_path = opened->guest_path;
  handle->once = opened->once;
  pthread_mutex_init(&handle->listing_lock, NULL);
  return handle;
}

int p1_handle_count(struct p1_handle *handle, struct base_budget *budget, bool is_granted) {
  enum { OBJECT_BYTES = 160 }; /* of the host, and the place in the table */
  size_t bytes = sizeof *handle + OBJECT_BYTES + (handle->guest_path ? strlen(handle->guest_path) + 1 : 0);
  assert(!handle->budget && bytes <= UINT32_MAX);
  if (is_granted) bytes = 0;
  if (!base_budget_take(budget, BASE_LIMIT_HANDLES, 1)) return -HOST_ERROR_MFILE;
  if (!base_budget_take(budget, BASE_LIMIT_MEMORY, bytes)) {
    base_budget_give(budget, BASE_LIMIT_HANDLES, 1);
    return -HOST_ERROR_NOMEM;
  }
  handle->budget = budget;
  handle->counted_bytes = (uint32_t)bytes;
  return 0;
}

/* The lowest free number, which exists in the table afterwards. */
static int reserve(struct wasi_p1 *p1, size_t *out) {
  size_t at = p1->lowest_free;
  while (at < p1->handle_count && p1->handles[at]) at++;
  p1->lowest_free = at;
  if (at == p1->handle_count) {
    if (at >= p1->handle_capacity &&
        !base_vec_grow((void **)&p1->handles, &p1->handle_capacity, at + 1, sizeof *p1->handles))
      return -HOST_ERROR_NOMEM;
    p1->handles[p1->handle_count++] = NULL;
  }
  *out = at;
  return 0;
}

int p1_handle_add(struct wasi_p1 *p1, const struct p1_opened *opened, uint32_t *fd) {
  size_t at = 0;
  struct p1_handle *handle = handle_new(opened);
  if (!handle) {
    opened_release(opened);
    return -HOST_ERROR_NOMEM;
  }
  int result = p1->budget ? p1_handle_count(handle, p1->budget, false) : 0;
  if (result) {
    p1_handle_release(handle);
    return result;
  }
  pthread_mutex_lock(&p1->lock);
  result = reserve(p1, &at);
  if (result == 0) {
    p1->handles[at] = handle;
    p1->lowest_free = at + 1;
    *fd = (uint32_t)at;
  }
  pthread_mutex_unlock(&p1->lock);
  if (result) p1_handle_release(handle);
  return result;
}

int p1_handle_room(struct wasi_p1 *p1) {
  if (!p1->budget || base_budget_left(p1->budget, BASE_LIMIT_HANDLES) > 0) return 0;
  if (!base_budget_take(p1->budget, BASE_LIMIT_HANDLES, 1)) return -HOST_ERROR_MFILE; /* which is noted */
  base_budget_give(p1->budget, BASE_LIMIT_HANDLES, 1);
  return 0;
}

/* Takes a handle out of the table, which is locked. */
static struct p1_handle *take_out(struct wasi_p1 *p1, uint32_t fd) {
  struct p1_handle *handle = fd < p1->handle_count ? p1->handles[fd] : NULL;
  if (!handle) return NULL;
  p1->handles[fd] = NULL;
  if (fd < p1->lowest_free) p1->lowest_free = fd;
  return handle;
}

int p1_handle_close(struct wasi_p1 *p1, uint32_t fd) {
  pthread_mutex_lock(&p1->lock);
  struct p1_handle *handle = take_out(p1, fd);
  pthread_mutex_unlock(&p1->lock);
  p1_handle_release(handle); /* not under the lock: it may take long */
  return handle ? 0 : -HOST_ERROR_BADF;
}

int p1_fd_close(struct p1_call *call) { return p1_handle_close(call->p1, p1_u32(call, 0)); }

/* Both numbers have to be open: a guest cannot reserve numbers that it never got. */
int p1_fd_renumber(struct p1_call *call) {
  struct wasi_p1 *p1 = call->p1;
  uint32_t from = p1_u32(call, 0), to = p1_u32(call, 1);
  struct p1_handle *target = NULL;
  pthread_mutex_lock(&p1->lock);
  bool are_open = from < p1->handle_count && to < p1->handle_count && p1->handles[from] && p1->handles[to];
  if (are_open && from != to) {
    target = p1->handles[to];
    p1->handles[to] = take_out(p1, from);
  }
  pthread_mutex_unlock(&p1->lock);
  p1_handle_release(target);
  return are_open ? 0 : -HOST_ERROR_BADF;
}

int p1_fd_fdstat_set_rights(struct p1_call *call) {
  struct p1_handle *handle;
  uint64_t rights = p1_u64(call, 1), inheriting = p1_u64(call, 2);
  int result = p1_handle_get(call, p1_u32(call, 0), &handle);
  if (result) return result;
  pthread_mutex_lock(&call->p1->lock); /* two that give up different rights give up both */
  bool grows = (rights & ~(uint64_t)handle->rights) || (inheriting & ~(uint64_t)handle->inheriting);
  if (!grows) {
    handle->rights = (uint32_t)rights;
    handle->inheriting = (uint32_t)inheriting;
  }
  pthread_mutex_unlock(&call->p1->lock);
  return grows ? -HOST_ERROR_NOTCAPABLE : 0;
}
