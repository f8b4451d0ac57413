/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The functions on open handles: reading, writing, attributes, preopened directories. */
#include <assert.h>

#include "wasi/p1/p1.h"

/* ---- Reading and writing ------------------------------------------------------------------------------------------- */

static int give_count(struct p1_call *call, unsigned argument, size_t count) {
  uint8_t *out = p1_range(call, p1_u32(call, argument), 4);
  if (!out) return -HOST_ERROR_FAULT;
  base_racy_store_u32(out, (uint32_t)count);
  return 0;
}

/* The buffers of arguments 1 and 2, and a place for the count: checked before anything is read or written. */
static int prepare(struct p1_call *call, uint64_t rights, unsigned count_argument, struct p1_handle **handle,
                   struct p1_buffers *buffers) {
  int result = p1_handle_need(call, p1_u32(call, 0), rights, handle);
  if (result == 0) result = p1_buffers(call, p1_u32(call, 1), p1_u32(call, 2), buffers);
  if (result == 0 && !p1_range(call, p1_u32(call, count_argument), 4)) result = -HOST_ERROR_FAULT;
  return result ? result : p1_once(call, (*handle)->once);
}

static int read_once(struct p1_call *call, struct p1_handle *handle, const struct p1_buffers *buffers, size_t first,
                     size_t *done_bytes) {
  int result;
  while ((result = host_read(handle->object, buffers->items + first, buffers->count - first, done_bytes)) ==
         HOST_PENDING) {
    if (p1_is_impatient(handle)) return -HOST_ERROR_AGAIN;
    if ((result = p1_wait(call, handle->object, HOST_READABLE))) return result;
  }
  return result;
}

/* A plain stream gives what fits, whatever pieces it comes in; but a terminal, a line. */
static int read_buffers(struct p1_call *call, struct p1_handle *handle, struct p1_buffers *buffers,
                        size_t *total_bytes) {
  size_t first = 0, done_bytes = 0;
  bool fills = handle->is_plain && !host_object_is_terminal(handle->object);
  for (;;) {
    int result = read_once(call, handle, buffers, first, &done_bytes);
    if (result) return result == P1_TRAPPED || *total_bytes == 0 ? result : 0;
    *total_bytes += done_bytes;
    if (!fills || done_bytes == 0 || !p1_buffers_advance(buffers, &first, done_bytes)) return 0;
  }
}

int p1_fd_read(struct p1_call *call) {
  struct p1_handle *handle;
  struct p1_buffers buffers;
  size_t total_bytes = 0;
  int result = prepare(call, P1_FD_READ, 3, &handle, &buffers);
  if (result == 0) result = read_buffers(call, handle, &buffers, &total_bytes);
  return result ? result : give_count(call, 3, total_bytes);
}

/* What is not a file takes part of a large write at a time; a blocking write goes on until all of it is written, as
 * natively. An error after the first part is reported by the next call. */
static int write_all(struct p1_call *call, struct p1_handle *handle, struct p1_buffers *buffers, size_t *total_bytes) {
  size_t first = 0, done_bytes = 0;
  bool is_file = p1_kind_of(handle) == HOST_KIND_REGULAR;
  for (;;) {
    int result = host_write(handle->object, buffers->items + first, buffers->count - first, &done_bytes);
    if (result == HOST_PENDING && p1_is_impatient(handle)) return *total_bytes ? 0 : -HOST_ERROR_AGAIN;
    if (result == HOST_PENDING) {
      if ((result = p1_wait(call, handle->object, HOST_WRITABLE))) return result;
      continue;
    }
    if (host_is_exhausted(result)) return result;
    if (result) return *total_bytes ? 0 : p1_grown(call, handle, result);
    *total_bytes += done_bytes;
    bool is_left = p1_buffers_advance(buffers, &first, done_bytes);
    if (!is_left || is_file || p1_is_impatient(handle) || done_bytes == 0) return 0;
  }
}

int p1_fd_write(struct p1_call *call) {
  struct p1_handle *handle;
  struct p1_buffers buffers;
  size_t total_bytes = 0;
  int result = prepare(call, P1_FD_WRITE, 3, &handle, &buffers);
  if (result == 0 && call->p1->said) p1_say(call, handle, &buffers);
  if (result == 0) result = write_all(call, handle, &buffers, &total_bytes);
  return result ? result : give_count(call, 3, total_bytes);
}

int p1_fd_pread(struct p1_call *call) {
  struct p1_handle *handle;
  struct p1_buffers buffers;
  size_t done_bytes = 0;
  int result = prepare(call, P1_FD_READ | P1_FD_SEEK, 4, &handle, &buffers);
  bool is_far = result == 0 && p1_is_too_far(call, handle, p1_u64(call, 3));
  if (result == 0 && !is_far)
    result = host_read_at(handle->object, buffers.items, buffers.count, p1_u64(call, 3), &done_bytes);
  if (result == HOST_PENDING) return -HOST_ERROR_AGAIN;
  return result ? result : give_count(call, 4, done_bytes);
}

int p1_fd_pwrite(struct p1_call *call) {
  struct p1_handle *handle;
  struct p1_buffers buffers;
  size_t done_bytes = 0;
  int result = prepare(call, P1_FD_WRITE | P1_FD_SEEK, 4, &handle, &buffers);
  if (result == 0 && p1_is_too_far(call, handle, p1_u64(call, 3))) result = -HOST_ERROR_FBIG;
  if (result) return result;
  result = host_write_at(handle->object, buffers.items, buffers.count, p1_u64(call, 3), &done_bytes);
  if (result == HOST_PENDING) return -HOST_ERROR_AGAIN;
  return result ? p1_grown(call, handle, result) : give_count(call, 4, done_bytes);
}

/* ---- Positions ------------------------------------------------------------------------------------------------------- */

/* Where a uniform run ends a file is known before the host is asked. */
static int check_seek(const struct p1_call *call, const struct p1_handle *handle, int64_t delta,
                      enum host_whence whence) {
  struct host_stat stat;
  uint64_t from = 0;
  int result = 0;
  if (delta <= 0 || !p1_is_too_far(call, handle, UINT64_MAX)) return 0;
  if (whence == HOST_SEEK_CURRENT) result = host_seek(handle->object, 0, HOST_SEEK_CURRENT, &from);
  if (whence == HOST_SEEK_END) result = host_stat(handle->object, &stat);
  if (whence == HOST_SEEK_END && result == 0) from = stat.size_bytes;
  return result == 0 && p1_is_too_far(call, handle, from + (uint64_t)delta) ? -HOST_ERROR_INVAL : result;
}

static int seek(struct p1_call *call, uint64_t right, int64_t delta, enum host_whence whence, unsigned argument) {
  struct p1_handle *handle;
  uint64_t position = 0;
  int result = p1_handle_need(call, p1_u32(call, 0), right, &handle);
  uint8_t *out = p1_range(call, p1_u32(call, argument), 8);
  if (result == 0 && !out) result = -HOST_ERROR_FAULT;
  if (result == 0) result = check_seek(call, handle, delta, whence);
  if (result == 0) result = host_seek(handle->object, delta, whence, &position);
  if (result == 0) base_racy_store_u64(out, position);
  return result;
}

int p1_fd_seek(struct p1_call *call) {
  static const enum host_whence now[] = {HOST_SEEK_SET, HOST_SEEK_CURRENT, HOST_SEEK_END};
  static const enum host_whence unstable[] = {HOST_SEEK_CURRENT, HOST_SEEK_END, HOST_SEEK_SET};
  uint32_t whence = p1_u32(call, 2);
  if (whence > 2) return -HOST_ERROR_INVAL;
  enum host_whence meant = call->is_unstable ? unstable[whence] : now[whence];
  int64_t delta = (int64_t)p1_u64(call, 1);
  /* Asking where one is needs no right to move. */
  bool only_asks = delta == 0 && meant == HOST_SEEK_CURRENT;
  return seek(call, only_asks ? P1_FD_TELL : P1_FD_SEEK, delta, meant, 3);
}

int p1_fd_tell(struct p1_call *call) { return seek(call, P1_FD_TELL, 0, HOST_SEEK_CURRENT, 1); }

/* ---- Storage ----------------------------------------------------------------------------------------------------------- */

int p1_fd_advise(struct p1_call *call) {
  struct p1_handle *handle;
  uint32_t advice = p1_u32(call, 3);
  int result = p1_handle_need(call, p1_u32(call, 0), P1_FD_ADVISE, &handle);
  if (result) return result;
  if (advice > HOST_ADVICE_NO_REUSE) return -HOST_ERROR_INVAL;
  return host_advise(handle->object, p1_u64(call, 1), p1_u64(call, 2), (enum host_advice)advice);
}

int p1_fd_allocate(struct p1_call *call) {
  struct p1_handle *handle;
  uint64_t offset = p1_u64(call, 1), len_bytes = p1_u64(call, 2), end = offset + len_bytes;
  int result = p1_handle_need(call, p1_u32(call, 0), P1_FD_ALLOCATE, &handle);
  if (result == 0 && p1_is_too_far(call, handle, end < offset ? UINT64_MAX : end)) result = -HOST_ERROR_FBIG;
  if (result) return result;
  return p1_grown(call, handle, host_allocate(handle->object, offset, len_bytes));
}

int p1_fd_datasync(struct p1_call *call) {
  struct p1_handle *handle;
  int result = p1_handle_need(call, p1_u32(call, 0), P1_FD_DATASYNC, &handle);
  return result ? result : host_sync(handle->object, true);
}

int p1_fd_sync(struct p1_call *call) {
  struct p1_handle *handle;
  int result = p1_handle_need(call, p1_u32(call, 0), P1_FD_SYNC, &handle);
  return result ? result : host_sync(handle->object, false);
}

int p1_fd_filestat_set_size(struct p1_call *call) {
  struct p1_handle *handle;
  int result = p1_handle_need(call, p1_u32(call, 0), P1_FD_FILESTAT_SET_SIZE, &handle);
  if (result == 0 && p1_is_too_far(call, handle, p1_u64(call, 1))) result = -HOST_ERROR_FBIG;
  return result ? result : p1_grown(call, handle, host_set_size(handle->object, p1_u64(call, 1)));
}

/* ---- Flags and rights ------------------------------------------------------------------------------------------------------ */

static uint16_t fdflags_of(const struct p1_handle *handle) {
  uint32_t flags = handle->is_plain ? 0 : host_object_flags(handle->object);
  return (uint16_t)((flags & HOST_FLAG_APPEND ? P1_FDFLAG_APPEND : 0) |
                    (flags & HOST_FLAG_DSYNC ? P1_FDFLAG_DSYNC : 0) | (flags & HOST_FLAG_RSYNC ? P1_FDFLAG_RSYNC : 0) |
                    (flags & HOST_FLAG_SYNC ? P1_FDFLAG_SYNC : 0) | (handle->is_nonblocking ? P1_FDFLAG_NONBLOCK : 0));
}

int p1_fd_fdstat_get(struct p1_call *call) {
  struct p1_handle *handle;
  int result = p1_handle_get(call, p1_u32(call, 0), &handle);
  uint8_t *out = p1_range(call, p1_u32(call, 1), 24);
  if (result) return result;
  if (!out) return -HOST_ERROR_FAULT;
  base_racy_fill(out, 0, 24);
  base_racy_store_u8(out, p1_filetype(p1_kind_of(handle)));
  base_racy_store_u16(out + 2, fdflags_of(handle));
  base_racy_store_u64(out + 8, handle->rights);
  base_racy_store_u64(out + 16, handle->inheriting);
  return 0;
}

/* Synchronous writing is decided when a file is opened: it stays, and cannot be asked for later. */
int p1_fd_fdstat_set_flags(struct p1_call *call) {
  enum { SYNCS = HOST_FLAG_DSYNC | HOST_FLAG_RSYNC | HOST_FLAG_SYNC };
  struct p1_handle *handle;
  uint32_t wanted = p1_u32(call, 1);
  int result = p1_handle_need(call, p1_u32(call, 0), P1_FD_FDSTAT_SET_FLAGS, &handle);
  if (result) return result;
  if (wanted > 31) return -HOST_ERROR_INVAL;
  uint32_t now = fdflags_of(handle), syncs = P1_FDFLAG_DSYNC | P1_FDFLAG_RSYNC | P1_FDFLAG_SYNC;
  if (wanted & syncs & ~now) return -HOST_ERROR_NOTSUP;
  uint32_t kept = host_object_flags(handle->object) & SYNCS;
  if (handle->is_plain)
    result = wanted & P1_FDFLAG_APPEND ? -HOST_ERROR_NOTSUP : 0;
  else
    result = host_set_flags(handle->object, kept | (wanted & P1_FDFLAG_APPEND ? HOST_FLAG_APPEND : 0));
  if (result == 0) handle->is_nonblocking = wanted & P1_FDFLAG_NONBLOCK;
  return result;
}

/* ---- Names in directories ---------------------------------------------------------------------------------------------------- */

enum { DIRENT_BYTES = 24 };

/* Adds as much of an entry as fits; the guest sees from the length that it was cut. */
static size_t add_dirent(uint8_t *out, size_t capacity, const struct host_entry *entry) {
  uint8_t head[DIRENT_BYTES] = {0};
  base_store_u64(head, entry->next_cookie);
  base_store_u64(head + 8, entry->inode);
  base_store_u32(head + 16, (uint32_t)entry->len_bytes);
  head[20] = p1_filetype(entry->kind);
  size_t head_bytes = capacity < DIRENT_BYTES ? capacity : DIRENT_BYTES;
  size_t left = capacity - head_bytes, name_bytes = entry->len_bytes < left ? entry->len_bytes : left;
  base_racy_move(out, head, head_bytes);
  base_racy_move(out + head_bytes, entry->name, name_bytes);
  return head_bytes + name_bytes;
}

static int read_directory(struct p1_handle *handle, struct host_uniform *uniform, uint64_t cookie, uint8_t *out,
                          size_t capacity, size_t *used) {
  int result = handle->listing ? 0 : host_listing_open(handle->object, uniform, &handle->listing);
  while (result == 0 && *used < capacity) {
    struct host_entry entry;
    bool found = false;
    result = host_listing_read(handle->listing, cookie, &entry, &found);
    if (result || !found) break;
    *used += add_dirent(out + *used, capacity - *used, &entry);
    cookie = entry.next_cookie;
  }
  return result;
}

int p1_fd_readdir(struct p1_call *call) {
  struct p1_handle *handle;
  uint32_t capacity = p1_u32(call, 2);
  size_t used = 0;
  int result = p1_handle_need(call, p1_u32(call, 0), P1_FD_READDIR, &handle);
  if (result) return result;
  uint8_t *out = p1_range(call, p1_u32(call, 1), capacity), *used_out = p1_range(call, p1_u32(call, 4), 4);
  if (!out || !used_out) return -HOST_ERROR_FAULT;
  struct p1_use use = {.handle = handle, .path = {".", 1}, .rights = WASI_RIGHT_LIST, .host_rights = HOST_RIGHT_LIST};
  bool is_start = p1_u64(call, 3) == 0;
  if (is_start && (result = p1_permit(call, &use))) return result;
  pthread_mutex_lock(&handle->listing_lock);
  result = read_directory(handle, call->p1->uniform, p1_u64(call, 3), out, capacity, &used);
  pthread_mutex_unlock(&handle->listing_lock);
  if (is_start || result) p1_used(call, &use, result);
  if (result) return result;
  base_racy_store_u32(used_out, (uint32_t)used);
  return 0;
}

/* ---- Preopened directories ------------------------------------------------------------------------------------------------------ */

static int preopen_of(struct p1_call *call, const char **guest_path) {
  struct p1_handle *handle;
  int result = p1_handle_get(call, p1_u32(call, 0), &handle);
  if (result) return result;
  if (!handle->is_preopen) return -HOST_ERROR_BADF;
  assert(handle->preopen >= 0 && (size_t)handle->preopen < call->p1->preopens.count);
  *guest_path = call->p1->preopens.items[handle->preopen].guest_path;
  return 0;
}

int p1_fd_prestat_get(struct p1_call *call) {
  const char *guest_path = NULL;
  int result = preopen_of(call, &guest_path);
  if (result) return result;
  uint8_t *out = p1_range(call, p1_u32(call, 1), 8);
  if (!out) return -HOST_ERROR_FAULT;
  base_racy_store_u32(out, 0); /* the only kind there is: a directory */
  base_racy_store_u32(out + 4, (uint32_t)strlen(guest_path));
  return 0;
}

int p1_fd_prestat_dir_name(struct p1_call *call) {
  const char *guest_path = NULL;
  int result = preopen_of(call, &guest_path);
  if (result) return result;
  size_t len_bytes = strlen(guest_path);
  if (p1_u32(call, 2) < len_bytes) return -HOST_ERROR_NAMETOOLONG;
  uint8_t *out = p1_range(call, p1_u32(call, 1), len_bytes);
  if (!out) return -HOST_ERROR_FAULT;
  base_racy_move(out, guest_path, len_bytes);
  return 0;
}
