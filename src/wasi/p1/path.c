/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The functions on paths, and attributes of files by path or handle. A path is resolved by the host core beneath the
 * handle's directory; each use, and what is refused there, is told to whoever configured the run (use.c). */
#include <assert.h>

#include "wasi/p1/p1.h"

/* A directory handle and a path: arguments `fd` and `path`, `path` + 1. What they are used for is filled in before. */
static int target_of(struct p1_call *call, unsigned fd, unsigned path, uint64_t p1_rights, struct p1_use *out) {
  int result = p1_handle_need(call, p1_u32(call, fd), p1_rights, &out->handle);
  return result ? result : p1_path(call, path, &out->path);
}

/* ... and it is permitted. */
static int permitted_target(struct p1_call *call, unsigned fd, unsigned path, uint64_t p1_rights, struct p1_use *out) {
  int result = target_of(call, fd, path, p1_rights, out);
  return result ? result : p1_permit(call, out);
}

/* ---- Attributes ------------------------------------------------------------------------------------------------------ */

static int give_filestat(struct p1_call *call, unsigned argument, const struct host_stat *stat) {
  const size_t len_bytes = call->is_unstable ? 56 : 64;
  uint8_t *out = p1_range(call, p1_u32(call, argument), len_bytes);
  if (!out) return -HOST_ERROR_FAULT;
  base_racy_fill(out, 0, len_bytes);
  base_racy_store_u64(out, stat->device);
  base_racy_store_u64(out + 8, stat->inode);
  base_racy_store_u8(out + 16, p1_filetype(stat->kind));
  uint8_t *rest = out + 32;
  if (call->is_unstable) {
    base_racy_store_u32(out + 20, (uint32_t)stat->links);
    rest = out + 24;
  } else {
    base_racy_store_u64(out + 24, stat->links);
  }
  base_racy_store_u64(rest, stat->size_bytes);
  base_racy_store_u64(rest + 8, (uint64_t)stat->access_ns);
  base_racy_store_u64(rest + 16, (uint64_t)stat->modify_ns);
  base_racy_store_u64(rest + 24, (uint64_t)stat->change_ns);
  return 0;
}

int p1_fd_filestat_get(struct p1_call *call) {
  struct p1_handle *handle;
  struct host_stat stat;
  int result = p1_handle_need(call, p1_u32(call, 0), P1_FD_FILESTAT_GET, &handle);
  if (result == 0) result = host_stat(handle->object, &stat);
  if (result == 0) result = p1_uniform_stat(call, handle, &stat);
  return result ? result : give_filestat(call, 1, &stat);
}

int p1_path_filestat_get(struct p1_call *call) {
  struct p1_use target = {.rights = WASI_RIGHT_STAT, .host_rights = HOST_RIGHT_READ};
  struct host_stat stat;
  int result = permitted_target(call, 0, 2, P1_PATH_FILESTAT_GET, &target);
  if (result) return result;
  result = host_stat_at(target.handle->object, target.path, p1_u32(call, 1) & P1_LOOKUP_FOLLOW, &stat);
  if (result == 0) target.kind = stat.kind;
  p1_used(call, &target, result);
  if (result == 0) result = p1_uniform_stat(call, NULL, &stat);
  return result ? result : give_filestat(call, 4, &stat);
}

static int time_of(uint32_t flags, uint32_t set, uint32_t now, uint64_t ns, struct host_time *out) {
  if ((flags & set) && (flags & now)) return -HOST_ERROR_INVAL;
  *out = (struct host_time){.action = flags & set   ? HOST_TIME_SET
                                      : flags & now ? HOST_TIME_NOW
                                                    : HOST_TIME_KEEP,
                            .ns = ns};
  return 0;
}

/* The three arguments from `first` on: access time, modification time, flags. */
static int times_of(const struct p1_call *call, unsigned first, struct host_time *access, struct host_time *modify) {
  uint32_t flags = p1_u32(call, first + 2);
  if (flags > 15) return -HOST_ERROR_INVAL;
  int result = time_of(flags, P1_ATIM, P1_ATIM_NOW, p1_u64(call, first), access);
  return result ? result : time_of(flags, P1_MTIM, P1_MTIM_NOW, p1_u64(call, first + 1), modify);
}

int p1_fd_filestat_set_times(struct p1_call *call) {
  struct p1_use use = {.path = {".", 1}, .rights = WASI_RIGHT_WRITE, .host_rights = HOST_RIGHT_WRITE};
  struct host_time access, modify;
  int result = p1_handle_need(call, p1_u32(call, 0), P1_FD_FILESTAT_SET_TIMES, &use.handle);
  if (result == 0) result = times_of(call, 1, &access, &modify);
  /* A file that was opened to read, or a folder, is changed here without a path that says so. */
  if (result == 0) result = p1_permit(call, &use);
  if (result) return result;
  return p1_used(call, &use, host_set_times(use.handle->object, access, modify));
}

int p1_path_filestat_set_times(struct p1_call *call) {
  struct p1_use target = {.rights = WASI_RIGHT_WRITE, .host_rights = HOST_RIGHT_WRITE};
  struct host_time access, modify;
  int result = target_of(call, 0, 2, P1_PATH_FILESTAT_SET_TIMES, &target);
  if (result == 0) result = times_of(call, 4, &access, &modify);
  if (result == 0) result = p1_permit(call, &target);
  if (result) return result;
  bool follow = p1_u32(call, 1) & P1_LOOKUP_FOLLOW;
  result = host_set_times_at(target.handle->object, target.path, follow, access, modify);
  return p1_used(call, &target, result);
}

/* ---- Opening --------------------------------------------------------------------------------------------------------------- */

struct opening {
  uint32_t oflags, fdflags;
  uint64_t rights, inheriting;
  struct host_open how;
};

/* The rights of the directory handle that opening like this takes. */
static uint64_t needed_rights(uint32_t oflags) {
  return P1_PATH_OPEN | (oflags & P1_OFLAG_CREAT ? P1_PATH_CREATE_FILE : 0) |
         (oflags & P1_OFLAG_TRUNC ? P1_PATH_FILESTAT_SET_SIZE : 0);
}

static void decide_flags(struct p1_call *call, struct opening *opening, struct p1_use *target) {
  uint32_t oflags = opening->oflags, fdflags = opening->fdflags;
  struct host_open *how = &opening->how;
  *how = (struct host_open){.open_flags = (p1_u32(call, 1) & P1_LOOKUP_FOLLOW ? HOST_OPEN_FOLLOW : 0) |
                                          (oflags & P1_OFLAG_CREAT ? HOST_OPEN_CREATE : 0) |
                                          (oflags & P1_OFLAG_EXCL ? HOST_OPEN_EXCLUSIVE : 0) |
                                          (oflags & P1_OFLAG_TRUNC ? HOST_OPEN_TRUNCATE : 0) |
                                          (oflags & P1_OFLAG_DIRECTORY ? HOST_OPEN_DIRECTORY : 0),
                            .access = (opening->rights & P1_FD_READ ? HOST_RIGHT_READ : 0) |
                                      (opening->rights & P1_FD_WRITE ? HOST_RIGHT_WRITE : 0),
                            .object_flags = (fdflags & P1_FDFLAG_APPEND ? HOST_FLAG_APPEND : 0) |
                                            (fdflags & P1_FDFLAG_DSYNC ? HOST_FLAG_DSYNC : 0) |
                                            (fdflags & P1_FDFLAG_RSYNC ? HOST_FLAG_RSYNC : 0) |
                                            (fdflags & P1_FDFLAG_SYNC ? HOST_FLAG_SYNC : 0)};
  bool creates = oflags & P1_OFLAG_CREAT;
  target->host_rights =
      how->access | (oflags & P1_OFLAG_TRUNC ? HOST_RIGHT_WRITE : 0) | (creates ? HOST_RIGHT_CREATE : 0);
  target->rights = (target->host_rights & HOST_RIGHT_READ ? WASI_RIGHT_READ : 0) |
                   (target->host_rights & HOST_RIGHT_WRITE ? WASI_RIGHT_WRITE : 0) | (creates ? WASI_RIGHT_CREATE : 0);
  if (!target->rights) target->rights = WASI_RIGHT_STAT;
  target->is_exclusive = creates && (oflags & P1_OFLAG_EXCL);
}

static int read_opening(struct p1_call *call, struct p1_use *target, struct opening *out) {
  *out = (struct opening){
      .oflags = p1_u32(call, 4), .rights = p1_u64(call, 5), .inheriting = p1_u64(call, 6), .fdflags = p1_u32(call, 7)};
  int result = target_of(call, 0, 2, needed_rights(out->oflags), target);
  if (result) return result;
  if (out->oflags > 15 || out->fdflags > 31) return -HOST_ERROR_INVAL;
  if (!p1_range(call, p1_u32(call, 8), 4)) return -HOST_ERROR_FAULT;
  /* Rights that make no sense for what is opened are dropped; those that the directory cannot pass on are not. */
  uint64_t applicable = out->oflags & P1_OFLAG_DIRECTORY ? P1_RIGHTS_DIRECTORY : P1_RIGHTS_FILE;
  uint64_t missing = out->rights & applicable & ~(uint64_t)target->handle->inheriting;
  if (missing) return p1_handle_denied(call, target->handle, missing, -HOST_ERROR_NOTCAPABLE);
  decide_flags(call, out, target);
  return p1_permit(call, target);
}

static struct p1_opened opened_handle(const struct wasi_p1 *p1, const struct p1_use *target,
                                      const struct opening *opening, struct host_object *object) {
  struct p1_opened handle = {.object = object,
                             .rights = opening->rights & target->handle->inheriting & p1_rights_of(object),
                             .is_nonblocking = opening->fdflags & P1_FDFLAG_NONBLOCK,
                             .preopen = target->handle->preopen,
                             .socket = -1};
  if (host_object_kind(object) == HOST_KIND_DIRECTORY) {
    handle.inheriting = opening->inheriting & target->handle->inheriting;
    /* Go's library does not ask for this right and truncates files all the same. */
    handle.rights |= target->handle->rights & target->handle->inheriting & P1_PATH_FILESTAT_SET_SIZE;
  }
  bool is_named = p1->tells_uses ||
                  (p1->tells && (host_object_kind(object) == HOST_KIND_DIRECTORY || host_object_has_quota(object)));
  if (is_named && target->handle->preopen >= 0) handle.guest_path = p1_guest_path(p1, target->handle, target->path);
  return handle;
}

int p1_path_open(struct p1_call *call) {
  struct p1_use target = {0};
  struct opening opening;
  struct host_object *object = NULL;
  int result = read_opening(call, &target, &opening);
  if (result) return result;
  result = host_open_at(target.handle->object, target.path, &opening.how, &object);
  if (result == 0) target.kind = host_object_kind(object);
  p1_used(call, &target, result);
  if (result) return p1_grown(call, target.handle, result);
  uint32_t fd = 0;
  struct p1_opened opened = opened_handle(call->p1, &target, &opening, object);
  result = p1_handle_add(call->p1, &opened, &fd);
  if (result == 0) base_racy_store_u32(p1_range(call, p1_u32(call, 8), 4), fd);
  return result;
}

/* ---- Changing directories ------------------------------------------------------------------------------------------------------ */

int p1_path_create_directory(struct p1_call *call) {
  struct p1_use target = {.rights = WASI_RIGHT_CREATE, .host_rights = HOST_RIGHT_CREATE, .is_exclusive = true};
  int result = permitted_target(call, 0, 1, P1_PATH_CREATE_DIRECTORY, &target);
  if (result) return result;
  return p1_used(call, &target, host_make_directory_at(target.handle->object, target.path));
}

int p1_path_remove_directory(struct p1_call *call) {
  struct p1_use target = {.rights = WASI_RIGHT_REMOVE, .host_rights = HOST_RIGHT_MUTATE};
  int result = permitted_target(call, 0, 1, P1_PATH_REMOVE_DIRECTORY, &target);
  if (result) return result;
  struct p1_removed removed = p1_before_removal(call, &target);
  result = host_remove_directory_at(target.handle->object, target.path);
  p1_after_removal(call, &removed, result);
  return p1_used(call, &target, result);
}

int p1_path_unlink_file(struct p1_call *call) {
  struct p1_use target = {.rights = WASI_RIGHT_REMOVE, .host_rights = HOST_RIGHT_MUTATE};
  int result = permitted_target(call, 0, 1, P1_PATH_UNLINK_FILE, &target);
  if (result) return result;
  struct p1_removed removed = p1_before_removal(call, &target);
  result = host_unlink_at(target.handle->object, target.path);
  p1_after_removal(call, &removed, result);
  return p1_used(call, &target, result);
}

/* Which of two directories refused: the one that lacks a right, else the one whose path leads out is not known and the
 * first is named. */
static int used_two(struct p1_call *call, struct p1_use *from, struct p1_use *to, int result) {
  bool from_lacks = !(host_object_rights(from->handle->object) & HOST_RIGHT_MUTATE);
  bool to_lacks = !(host_object_rights(to->handle->object) & HOST_RIGHT_MUTATE);
  bool names_to = to_lacks && !from_lacks;
  /* A name may not move to where it could be used with more rights. */
  uint32_t gained = host_object_rights(to->handle->object) & ~host_object_rights(from->handle->object);
  if (!names_to) from->host_rights |= gained;
  if (!result || !names_to) p1_used(call, from, result);
  if (!result || names_to) p1_used(call, to, result);
  return result;
}

int p1_path_rename(struct p1_call *call) {
  struct p1_use from = {.rights = WASI_RIGHT_REMOVE, .host_rights = HOST_RIGHT_MUTATE};
  struct p1_use to = {.rights = WASI_RIGHT_CREATE, .host_rights = HOST_RIGHT_MUTATE};
  int result = permitted_target(call, 0, 1, P1_PATH_RENAME_SOURCE, &from);
  if (result == 0) result = permitted_target(call, 3, 4, P1_PATH_RENAME_TARGET, &to);
  if (result) return result;
  struct p1_removed removed = p1_before_removal(call, &to);
  result = host_rename_at(from.handle->object, from.path, to.handle->object, to.path);
  p1_after_removal(call, &removed, result);
  return used_two(call, &from, &to, result);
}

int p1_path_link(struct p1_call *call) {
  struct p1_use from = {.rights = WASI_RIGHT_LINK, .host_rights = HOST_RIGHT_MUTATE};
  struct p1_use to = {.rights = WASI_RIGHT_CREATE, .host_rights = HOST_RIGHT_MUTATE};
  int result = permitted_target(call, 0, 2, P1_PATH_LINK_SOURCE, &from);
  if (result == 0) result = permitted_target(call, 4, 5, P1_PATH_LINK_TARGET, &to);
  if (result) return result;
  bool follow = p1_u32(call, 1) & P1_LOOKUP_FOLLOW;
  return used_two(call, &from, &to, host_link_at(from.handle->object, from.path, follow, to.handle->object, to.path));
}

int p1_path_symlink(struct p1_call *call) {
  struct p1_use target = {.rights = WASI_RIGHT_CREATE, .host_rights = HOST_RIGHT_MUTATE};
  struct host_path text;
  int result = target_of(call, 2, 3, P1_PATH_SYMLINK, &target);
  if (result == 0) result = p1_path(call, 0, &text);
  if (result == 0) result = p1_permit(call, &target);
  if (result) return result;
  return p1_used(call, &target, host_symlink_at(text, target.handle->object, target.path));
}

int p1_path_readlink(struct p1_call *call) {
  struct p1_use target = {.rights = WASI_RIGHT_READ, .host_rights = HOST_RIGHT_READ};
  uint32_t capacity = p1_u32(call, 4);
  size_t used = 0;
  int result = target_of(call, 0, 1, P1_PATH_READLINK, &target);
  if (result) return result;
  uint8_t *out = p1_range(call, p1_u32(call, 3), capacity), *used_out = p1_range(call, p1_u32(call, 5), 4);
  if (!out || !used_out) return -HOST_ERROR_FAULT;
  if ((result = p1_permit(call, &target))) return result;
  BASE_RACY_BEGIN();
  result = host_read_link_at(target.handle->object, target.path, (char *)out, capacity, &used);
  BASE_RACY_END();
  p1_used(call, &target, result);
  if (result) return result;
  base_racy_store_u32(used_out, (uint32_t)used);
  return 0;
}
