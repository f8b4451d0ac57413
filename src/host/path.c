/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Operations on paths beneath a directory. resolve.c finds the place; here one system call acts on its last component,
 * never following a link there. Trailing slashes are judged here, because the kernel would follow links for them. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "host/overlay.h"

int host_need(uint32_t rights, enum host_right right) {
  assert((right & (right - 1)) == 0 && right);
  if (rights & right) return 0;
  bool reads_only = (rights & HOST_RIGHT_READ) && (right & (HOST_RIGHT_WRITE | HOST_RIGHT_MUTATE | HOST_RIGHT_CREATE));
  return reads_only ? -HOST_ERROR_ROFS : -HOST_ERROR_NOTCAPABLE;
}

static int outcome(int returned) { return returned < 0 ? host_failed() : 0; }

/* The place of a path that is to be changed, in a directory with the right. */
static int find_to_change(const struct host_object *directory, struct host_path path, enum host_right right,
                          struct host_place *place) {
  host_place_init(place);
  if (directory->kind != HOST_KIND_DIRECTORY) return -HOST_ERROR_NOTDIR;
  int result = host_need(directory->rights, right);
  return result ? result : host_place_find(directory, path, place);
}

bool host_pay_for_entry(const struct host_object *directory) {
  return base_budget_take(directory->budget, BASE_LIMIT_CREATED, 1);
}

int host_entry_made(const struct host_object *directory, int result) {
  if (result < 0) base_budget_give(directory->budget, BASE_LIMIT_CREATED, 1);
  return result;
}

/* ---- Attributes ------------------------------------------------------------------------------------------------------ */

static int stat_place(struct host_place *place, bool follow, struct stat *out) {
  if (place->memory >= 0) return host_os_stat(place->memory, out) != 0 ? host_failed() : 0;
  assert(place->parent >= 0);
  for (int attempt = 0; attempt <= HOST_LINKS_MAX; attempt++) {
    if (place->last_kind == HOST_LAST_SELF) return host_layers_stat_self(&place->layers, out);
    int result = host_layers_stat(&place->layers, place->last, out);
    if (result) return result;
    bool follows = follow || place->wants_directory;
    if (!S_ISLNK(out->st_mode) || !follows)
      return place->wants_directory && !S_ISDIR(out->st_mode) ? -HOST_ERROR_NOTDIR : 0;
    int followed = host_place_follow(place);
    if (followed < 0) return followed;
  }
  return -HOST_ERROR_LOOP;
}

int host_stat_at(struct host_object *directory, struct host_path path, bool follow, struct host_stat *out) {
  HOST_AUTO_PLACE place;
  int result = host_place_find(directory, path, &place);
  if (result == 0) result = host_need(place.rights, HOST_RIGHT_READ);
  if (result) return result;
  if (place.parent < 0 && place.memory < 0) return host_stat(directory, out);
  struct stat status;
  result = stat_place(&place, follow, &status);
  if (result == 0) host_stat_fill(&status, out);
  return result;
}

static struct timespec timespec_of(struct host_time time) {
  if (time.action == HOST_TIME_KEEP) return (struct timespec){.tv_nsec = UTIME_OMIT};
  if (time.action == HOST_TIME_NOW) return (struct timespec){.tv_nsec = UTIME_NOW};
  return (struct timespec){.tv_sec = (time_t)(time.ns / 1000000000), .tv_nsec = (long)(time.ns % 1000000000)};
}

int host_set_times_at(struct host_object *directory, struct host_path path, bool follow, struct host_time access,
                      struct host_time modify) {
  HOST_AUTO_PLACE place;
  int result = host_place_find(directory, path, &place);
  if (result == 0) result = host_need(place.rights, HOST_RIGHT_WRITE);
  if (result) return result;
  if (place.parent < 0) return -HOST_ERROR_ROFS;
  bool wants_directory = place.wants_directory;
  if (follow || wants_directory) result = host_place_follow_all(&place);
  if (result) return result;
  struct timespec times[2] = {timespec_of(access), timespec_of(modify)};
  struct stat status;
  if (wants_directory && place.last_kind == HOST_LAST_NAME) result = stat_place(&place, false, &status);
  if (result == 0) result = host_overlay_own(&place);
  if (result) return result;
  if (place.last_kind == HOST_LAST_SELF) return outcome(utimensat(place.parent, ".", times, 0));
  return outcome(utimensat(place.parent, place.last, times, AT_SYMLINK_NOFOLLOW));
}

static int set_directory_times(struct host_object *directory, const struct timespec times[2]) {
  struct host_layers layers;
  host_overlay_lock(host_overlay_of(directory));
  int result = host_overlay_own_object(directory, &layers);
  if (result == 0) result = outcome(utimensat(layers.upper, ".", times, 0));
  host_overlay_unlock(host_overlay_of(directory));
  return result;
}

int host_set_times(struct host_object *object, struct host_time access, struct host_time modify) {
  if (object->synthetic) return -HOST_ERROR_ROFS;
  int result = host_need(object->granted, HOST_RIGHT_WRITE);
  if (result) return result;
  if (object->fd < 0) return -HOST_ERROR_INVAL;
  struct timespec times[2] = {timespec_of(access), timespec_of(modify)};
  return object->overlaid ? set_directory_times(object, times) : outcome(futimens(object->fd, times));
}

/* ---- Changing directories --------------------------------------------------------------------------------------------- */

int host_make_directory_at(struct host_object *directory, struct host_path path) {
  HOST_AUTO_PLACE place;
  int result = find_to_change(directory, path, HOST_RIGHT_CREATE, &place);
  if (result) return result;
  if (place.last_kind == HOST_LAST_SELF) return -HOST_ERROR_EXIST;
  if ((result = host_overlay_vacant(&place))) return result;
  if (!host_pay_for_entry(directory)) return -HOST_ERROR_DQUOT;
  return host_entry_made(directory, outcome(mkdirat(place.parent, place.last, 0777)));
}

int host_remove_directory_at(struct host_object *directory, struct host_path path) {
  HOST_AUTO_PLACE place;
  int result = find_to_change(directory, path, HOST_RIGHT_MUTATE, &place);
  if (result) return result;
  if (place.last_kind == HOST_LAST_SELF) return -HOST_ERROR_INVAL;
  return place.overlay ? host_overlay_remove_directory(&place)
                       : outcome(unlinkat(place.parent, place.last, AT_REMOVEDIR));
}

/* What is at the place, without following: 0 and its kind, or an error. */
static int kind_at(const struct host_place *place, enum host_kind *kind) {
  assert(place->last_kind == HOST_LAST_NAME && place->parent >= 0);
  *kind = HOST_KIND_UNKNOWN;
  struct stat status;
  if (fstatat(place->parent, place->last, &status, AT_SYMLINK_NOFOLLOW) != 0) return host_failed();
  *kind = host_kind_of_mode(status.st_mode);
  return 0;
}

static int unlink_place(struct host_place *place) {
  if (place->overlay) return host_overlay_unlink(place);
  struct host_quota *quota = place->root->quota;
  int watched = host_quota_watch(quota, place->parent, place->last);
  int result = outcome(unlinkat(place->parent, place->last, 0));
  host_quota_watched(quota, watched);
  return result;
}

int host_unlink_at(struct host_object *directory, struct host_path path) {
  HOST_AUTO_PLACE place;
  int result = find_to_change(directory, path, HOST_RIGHT_MUTATE, &place);
  if (result) return result;
  if (place.last_kind == HOST_LAST_SELF) return -HOST_ERROR_ISDIR;
  if (!place.wants_directory) return unlink_place(&place);
  enum host_kind kind;
  result = kind_at(&place, &kind);
  if (result) return result;
  return kind == HOST_KIND_DIRECTORY ? -HOST_ERROR_ISDIR : -HOST_ERROR_NOTDIR;
}

/* A file that gets a second name may be used with the rights of both directories' grants. What one quota counted does
 * not move to another; programs copy what cannot be moved. */
static int check_move(const struct host_object *from, const struct host_object *to) {
  if (to->rights & ~from->rights) return -HOST_ERROR_NOTCAPABLE;
  return from->quota != to->quota ? -HOST_ERROR_XDEV : 0;
}

static int rename_place(struct host_place *old, struct host_place *new) {
  if (old->overlay) return host_overlay_rename(old, new);
  struct host_quota *quota = new->root->quota;
  int watched = host_quota_watch(quota, new->parent, new->last);
  int result = outcome(renameat(old->parent, old->last, new->parent, new->last));
  host_quota_watched(quota, watched);
  return result;
}

int host_rename_at(struct host_object *from_directory, struct host_path from, struct host_object *to_directory,
                   struct host_path to) {
  HOST_AUTO_PLACE old;
  HOST_AUTO_PLACE new;
  host_place_init(&old), host_place_init(&new);
  int result = host_overlay_of(from_directory) == host_overlay_of(to_directory) ? 0 : -HOST_ERROR_XDEV;
  if (result == 0) result = find_to_change(from_directory, from, HOST_RIGHT_MUTATE, &old);
  if (result == 0) result = find_to_change(to_directory, to, HOST_RIGHT_MUTATE, &new);
  if (result) return result;
  if (old.last_kind == HOST_LAST_SELF || new.last_kind == HOST_LAST_SELF) return -HOST_ERROR_BUSY;
  result = check_move(from_directory, to_directory);
  if (result) return result;
  if (old.wants_directory || new.wants_directory) {
    enum host_kind kind;
    result = kind_at(&old, &kind);
    if (result) return result;
    if (kind != HOST_KIND_DIRECTORY) return -HOST_ERROR_NOTDIR;
  }
  return rename_place(&old, &new);
}

/* A new name with a trailing slash can only be a directory's, which link and symlink do not make. */
static int name_is_free(const struct host_place *place) {
  if (place->last_kind == HOST_LAST_SELF) return -HOST_ERROR_EXIST;
  if (!place->wants_directory) return 0;
  enum host_kind kind;
  int result = kind_at(place, &kind);
  return result ? result : -HOST_ERROR_EXIST;
}

/* What gets a name, and the place of the name. */
static int own_both(struct host_place *old, struct host_place *new) {
  enum host_kind kind;
  int result = kind_at(old, &kind);
  if (result == 0) result = host_overlay_vacant(new);
  if (result == 0 && kind == HOST_KIND_DIRECTORY) result = -HOST_ERROR_PERM;
  return result ? result : host_overlay_own(old);
}

int host_link_at(struct host_object *from_directory, struct host_path from, bool follow,
                 struct host_object *to_directory, struct host_path to) {
  HOST_AUTO_PLACE old;
  HOST_AUTO_PLACE new;
  host_place_init(&old), host_place_init(&new);
  int result = host_overlay_of(from_directory) == host_overlay_of(to_directory) ? 0 : -HOST_ERROR_XDEV;
  if (result == 0) result = find_to_change(from_directory, from, HOST_RIGHT_MUTATE, &old);
  if (result == 0) result = find_to_change(to_directory, to, HOST_RIGHT_MUTATE, &new);
  if (result == 0 && follow) result = host_place_follow_all(&old);
  if (result == 0) result = name_is_free(&new);
  if (result) return result;
  if (old.last_kind == HOST_LAST_SELF) return -HOST_ERROR_PERM;
  result = check_move(from_directory, to_directory);
  if (result) return result;
  if (old.wants_directory) {
    enum host_kind kind;
    result = kind_at(&old, &kind);
    if (result) return result;
    return kind == HOST_KIND_DIRECTORY ? -HOST_ERROR_PERM : -HOST_ERROR_NOTDIR;
  }
  if (old.overlay && (result = own_both(&old, &new))) return result;
  if (!host_pay_for_entry(to_directory)) return -HOST_ERROR_DQUOT;
  return host_entry_made(to_directory, outcome(linkat(old.parent, old.last, new.parent, new.last, 0)));
}

int host_symlink_at(struct host_path target, struct host_object *directory, struct host_path path) {
  HOST_AUTO_PLACE place;
  int result = find_to_change(directory, path, HOST_RIGHT_MUTATE, &place);
  if (result == 0) result = name_is_free(&place);
  if (result) return result;
  char text[HOST_PATH_BYTES];
  if (target.len_bytes == 0) return -HOST_ERROR_NOENT;
  if (target.len_bytes >= sizeof text) return -HOST_ERROR_NAMETOOLONG;
  if (memchr(target.bytes, 0, target.len_bytes)) return -HOST_ERROR_INVAL;
  if (target.bytes[0] == '/') return -HOST_ERROR_NOTCAPABLE;
  memcpy(text, target.bytes, target.len_bytes);
  text[target.len_bytes] = 0;
  if ((result = host_overlay_vacant(&place))) return result;
  if (!host_pay_for_entry(directory)) return -HOST_ERROR_DQUOT;
  return host_entry_made(directory, outcome(symlinkat(text, place.parent, place.last)));
}

int host_read_link_at(struct host_object *directory, struct host_path path, char *out, size_t capacity,
                      size_t *len_bytes) {
  HOST_AUTO_PLACE place;
  int result = host_place_find(directory, path, &place);
  if (result == 0) result = host_need(place.rights, HOST_RIGHT_READ);
  if (result) return result;
  struct stat status;
  if (place.last_kind == HOST_LAST_SELF || place.memory >= 0) return -HOST_ERROR_INVAL;
  if (place.wants_directory) {
    result = stat_place(&place, true, &status);
    return result ? result : -HOST_ERROR_INVAL;
  }
  char text[HOST_PATH_BYTES];
  ssize_t got = readlinkat(place.parent, place.last, text, sizeof text);
  if (got < 0) return host_failed();
  /* There, absolute links are those of processes, to what the host has open. */
  if (got > 0 && text[0] == '/' && host_os_is_procfs(place.parent)) return -HOST_ERROR_NOTCAPABLE;
  *len_bytes = (size_t)got < capacity ? (size_t)got : capacity;
  memcpy(out, text, *len_bytes);
  return 0;
}
