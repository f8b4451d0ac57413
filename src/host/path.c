/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Operations on paths beneath a directory. resolve.c finds the place; here one system call acts on its last component,
 * never following a link there. Trailing slashes are judged here, because the kernel would follow links for them. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "host/object.h"

static void place_auto_deinit(struct host_place *place) { host_place_deinit(place); }
#define AUTO_PLACE __attribute__((cleanup(place_auto_deinit))) struct host_place

static int need(uint32_t rights, enum host_right right) {
  assert((right & (right - 1)) == 0 && right);
  if (rights & right) return 0;
  return right == HOST_RIGHT_WRITE || right == HOST_RIGHT_MUTATE ? -HOST_ERROR_ROFS : -HOST_ERROR_NOTCAPABLE;
}

static int outcome(int returned) { return returned < 0 ? host_failed() : 0; }

/* The place of a path that is to be changed, in a directory with MUTATE. */
static int find_to_change(const struct host_object *directory, struct host_path path, struct host_place *place) {
  place->owns_parent = false;
  if (directory->kind != HOST_KIND_DIRECTORY) return -HOST_ERROR_NOTDIR;
  int result = need(directory->rights, HOST_RIGHT_MUTATE);
  return result ? result : host_place_find(directory, path, place);
}

static bool pay_for_entry(const struct host_object *directory) {
  return base_budget_take(directory->budget, BASE_LIMIT_CREATED, 1);
}

/* What was paid for was made, or failed to be: then it costs nothing. */
static int entry_made(const struct host_object *directory, int result) {
  if (result < 0) base_budget_give(directory->budget, BASE_LIMIT_CREATED, 1);
  return result;
}

/* ---- Opening ------------------------------------------------------------------------------------------------------- */

static int flags_of(const struct host_open *how, uint32_t rights) {
  bool reads = how->access & HOST_RIGHT_READ, writes = how->access & HOST_RIGHT_WRITE;
  bool truncates = how->open_flags & HOST_OPEN_TRUNCATE;
  int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  /* O_TRUNC with O_RDONLY is undefined, so truncating opens for writing too. */
  flags |= writes || truncates ? (reads ? O_RDWR : O_WRONLY) : O_RDONLY;
  if (truncates) flags |= O_TRUNC;
  if (how->open_flags & HOST_OPEN_DIRECTORY) flags |= O_DIRECTORY;
  if ((how->open_flags & HOST_OPEN_CREATE) && (rights & HOST_RIGHT_MUTATE)) {
    flags |= O_CREAT;
    if (how->open_flags & HOST_OPEN_EXCLUSIVE) flags |= O_EXCL;
  }
  if (how->object_flags & HOST_FLAG_APPEND) flags |= O_APPEND;
  if (how->object_flags & HOST_FLAG_DSYNC) flags |= O_DSYNC;
  if (how->object_flags & HOST_FLAG_RSYNC) flags |= O_RSYNC;
  if (how->object_flags & HOST_FLAG_SYNC) flags |= O_SYNC;
  return flags;
}

static int open_self(const struct host_place *place, int flags) {
  assert(place->parent >= 0);
  if (flags & O_EXCL) return -HOST_ERROR_EXIST;
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT)) return -HOST_ERROR_ISDIR;
  int fd = openat(place->parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? host_failed() : fd;
}

/* Opens the last component without following it; follows by hand where that is asked for. */
static int open_place(struct host_place *place, int flags, bool follow) {
  for (;;) {
    if (place->last_kind == HOST_LAST_SELF) return open_self(place, flags);
    if (place->wants_directory) {
      if (flags & O_CREAT) return -HOST_ERROR_ISDIR;
      flags |= O_DIRECTORY;
      follow = true;
    }
    int fd = openat(place->parent, place->last, flags | O_NOFOLLOW, 0666);
    if (fd >= 0) return fd;
    int failure = errno;
    bool may_be_link = failure == ELOOP || (failure == ENOTDIR && (flags & O_DIRECTORY));
    if (!may_be_link || !follow || (flags & O_EXCL)) return -(int)host_error_of_errno(failure);
    int followed = host_place_follow(place);
    if (followed <= 0) return followed ? followed : -(int)host_error_of_errno(failure);
  }
}

static int adopt(const struct host_object *directory, uint32_t rights, const struct host_open *how, int fd,
                 struct host_object **out) {
  struct stat status;
  if (fstat(fd, &status) != 0) {
    int result = host_failed();
    close(fd);
    return result;
  }
  enum host_kind kind = host_kind_of_mode(status.st_mode);
  /* The grant of a single file does not become the grant of a directory that replaced it. */
  if (kind == HOST_KIND_DIRECTORY && directory->synthetic) {
    close(fd);
    return -HOST_ERROR_NOTCAPABLE;
  }
  struct host_object *object =
      host_object_new(fd, true, kind, kind == HOST_KIND_DIRECTORY ? rights : rights & how->access);
  if (!object) return -HOST_ERROR_NOMEM;
  object->granted = (uint8_t)rights;
  object->flags = (uint8_t)how->object_flags;
  object->resolver = directory->resolver;
  object->is_nonblocking = true;
  object->is_terminal = kind == HOST_KIND_CHARACTER_DEVICE && isatty(fd);
  host_object_inherit(object, directory);
  *out = object;
  return 0;
}

static int open_walked(const struct host_object *directory, struct host_path path, const struct host_open *how,
                       uint32_t *rights, struct host_object **self) {
  AUTO_PLACE place;
  int result = host_place_find(directory, path, &place);
  if (result) return result;
  *rights = place.rights;
  bool changes = (how->access & HOST_RIGHT_WRITE) || (how->open_flags & HOST_OPEN_TRUNCATE);
  if (changes && (result = need(place.rights, HOST_RIGHT_WRITE))) return result;
  if (place.parent < 0) {
    *self = host_object_retain((struct host_object *)directory);
    return changes ? -HOST_ERROR_ISDIR : 0;
  }
  return open_place(&place, flags_of(how, directory->rights), how->open_flags & HOST_OPEN_FOLLOW);
}

/* One system call where the kernel resolves paths. */
static int open_direct(const struct host_object *directory, struct host_path path, const struct host_open *how,
                       bool *unavailable) {
  char text[HOST_PATH_BYTES];
  if (path.len_bytes == 0) return -HOST_ERROR_NOENT;
  if (path.len_bytes >= sizeof text) return -HOST_ERROR_NAMETOOLONG;
  if (memchr(path.bytes, 0, path.len_bytes)) return -HOST_ERROR_INVAL;
  memcpy(text, path.bytes, path.len_bytes);
  text[path.len_bytes] = 0;
  int flags = flags_of(how, directory->rights);
  if (!(how->open_flags & HOST_OPEN_FOLLOW)) flags |= O_NOFOLLOW;
  return host_open_beneath(directory, text, flags, 0666, unavailable);
}

/* What making `path` anew fails with where nothing can be made. */
static int refuse_new(struct host_object *directory, struct host_path path) {
  struct host_stat status;
  int result = host_stat_at(directory, path, false, &status);
  if (result == 0) return -HOST_ERROR_EXIST;
  return result == -HOST_ERROR_NOENT ? -HOST_ERROR_ROFS : result;
}

/* A descriptor, or an error; or `*self`, which is the directory, retained. */
static int open_as(struct host_object *directory, struct host_path path, const struct host_open *how, uint32_t *rights,
                   struct host_object **self) {
  bool unavailable = !host_resolves_in_kernel(directory);
  int fd = unavailable ? -1 : open_direct(directory, path, how, &unavailable);
  return unavailable ? open_walked(directory, path, how, rights, self) : fd;
}

/* As open_as, of what may have to be made: the kernel does not tell whether it made it, so that what exists is opened
 * first, without making anything. */
static int open_or_make(struct host_object *directory, struct host_path path, const struct host_open *how,
                        uint32_t *rights, struct host_object **self) {
  struct host_open existing = *how;
  existing.open_flags &= ~(uint32_t)HOST_OPEN_CREATE;
  int fd =
      how->open_flags & HOST_OPEN_EXCLUSIVE ? -HOST_ERROR_NOENT : open_as(directory, path, &existing, rights, self);
  if (fd != -HOST_ERROR_NOENT) return fd;
  if (!pay_for_entry(directory)) return -HOST_ERROR_DQUOT;
  fd = open_as(directory, path, how, rights, self);
  return fd < 0 ? entry_made(directory, fd) : fd;
}

int host_open_at(struct host_object *directory, struct host_path path, const struct host_open *how,
                 struct host_object **out) {
  if (directory->kind != HOST_KIND_DIRECTORY) return -HOST_ERROR_NOTDIR;
  uint32_t rights = directory->rights;
  bool changes = (how->access & HOST_RIGHT_WRITE) || (how->open_flags & HOST_OPEN_TRUNCATE);
  int result = changes ? need(rights, HOST_RIGHT_WRITE) : 0;
  if (result == 0 && (how->access & HOST_RIGHT_READ)) result = need(rights, HOST_RIGHT_READ);
  if (result) return result;
  bool refused = (how->open_flags & HOST_OPEN_CREATE) && !(rights & HOST_RIGHT_MUTATE);
  if (refused && (how->open_flags & HOST_OPEN_EXCLUSIVE)) return refuse_new(directory, path);
  struct host_object *self = NULL;
  bool makes = directory->budget && (how->open_flags & HOST_OPEN_CREATE) && !refused;
  int fd = (makes ? open_or_make : open_as)(directory, path, how, &rights, &self);
  /* Without MUTATE nothing was created, so that opening what exists still works. */
  if (refused && fd == -HOST_ERROR_NOENT) return -HOST_ERROR_ROFS;
  if (fd < 0) {
    host_object_release(self);
    return fd;
  }
  assert(!self || self == directory);
  if (self) {
    *out = self;
    return 0;
  }
  return adopt(directory, rights, how, fd, out);
}

/* ---- Attributes ------------------------------------------------------------------------------------------------------ */

static int stat_place(struct host_place *place, bool follow, struct stat *out) {
  assert(place->parent >= 0);
  for (int attempt = 0; attempt <= HOST_LINKS_MAX; attempt++) {
    if (place->last_kind == HOST_LAST_SELF) return outcome(fstat(place->parent, out));
    if (fstatat(place->parent, place->last, out, AT_SYMLINK_NOFOLLOW) != 0) return host_failed();
    bool follows = follow || place->wants_directory;
    if (!S_ISLNK(out->st_mode) || !follows)
      return place->wants_directory && !S_ISDIR(out->st_mode) ? -HOST_ERROR_NOTDIR : 0;
    int followed = host_place_follow(place);
    if (followed < 0) return followed;
  }
  return -HOST_ERROR_LOOP;
}

int host_stat_at(struct host_object *directory, struct host_path path, bool follow, struct host_stat *out) {
  AUTO_PLACE place;
  int result = host_place_find(directory, path, &place);
  if (result == 0) result = need(place.rights, HOST_RIGHT_READ);
  if (result) return result;
  if (place.parent < 0) return host_stat(directory, out);
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
  AUTO_PLACE place;
  int result = host_place_find(directory, path, &place);
  if (result == 0) result = need(place.rights, HOST_RIGHT_WRITE);
  if (result) return result;
  if (place.parent < 0) return -HOST_ERROR_ROFS;
  bool wants_directory = place.wants_directory;
  if (follow || wants_directory) result = host_place_follow_all(&place);
  if (result) return result;
  struct timespec times[2] = {timespec_of(access), timespec_of(modify)};
  if (place.last_kind == HOST_LAST_SELF) return outcome(utimensat(place.parent, ".", times, 0));
  struct stat status;
  if (wants_directory && (result = stat_place(&place, false, &status))) return result;
  return outcome(utimensat(place.parent, place.last, times, AT_SYMLINK_NOFOLLOW));
}

int host_set_times(struct host_object *object, struct host_time access, struct host_time modify) {
  if (object->synthetic || !(object->granted & HOST_RIGHT_WRITE)) return -HOST_ERROR_ROFS;
  if (object->fd < 0) return -HOST_ERROR_INVAL;
  struct timespec times[2] = {timespec_of(access), timespec_of(modify)};
  return outcome(futimens(object->fd, times));
}

/* ---- Changing directories --------------------------------------------------------------------------------------------- */

int host_make_directory_at(struct host_object *directory, struct host_path path) {
  AUTO_PLACE place;
  int result = find_to_change(directory, path, &place);
  if (result) return result;
  if (place.last_kind == HOST_LAST_SELF) return -HOST_ERROR_EXIST;
  if (!pay_for_entry(directory)) return -HOST_ERROR_DQUOT;
  return entry_made(directory, outcome(mkdirat(place.parent, place.last, 0777)));
}

int host_remove_directory_at(struct host_object *directory, struct host_path path) {
  AUTO_PLACE place;
  int result = find_to_change(directory, path, &place);
  if (result) return result;
  if (place.last_kind == HOST_LAST_SELF) return -HOST_ERROR_INVAL;
  return outcome(unlinkat(place.parent, place.last, AT_REMOVEDIR));
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

int host_unlink_at(struct host_object *directory, struct host_path path) {
  AUTO_PLACE place;
  int result = find_to_change(directory, path, &place);
  if (result) return result;
  if (place.last_kind == HOST_LAST_SELF) return -HOST_ERROR_ISDIR;
  if (!place.wants_directory) return outcome(unlinkat(place.parent, place.last, 0));
  enum host_kind kind;
  result = kind_at(&place, &kind);
  if (result) return result;
  return kind == HOST_KIND_DIRECTORY ? -HOST_ERROR_ISDIR : -HOST_ERROR_NOTDIR;
}

/* A file that gets a second name may be used with the rights of both directories' grants. */
static bool gains_rights(const struct host_object *from, const struct host_object *to) {
  return (to->rights & ~from->rights) != 0;
}

int host_rename_at(struct host_object *from_directory, struct host_path from, struct host_object *to_directory,
                   struct host_path to) {
  AUTO_PLACE old;
  AUTO_PLACE new;
  new.owns_parent = false;
  int result = find_to_change(from_directory, from, &old);
  if (result == 0) result = find_to_change(to_directory, to, &new);
  if (result) return result;
  if (old.last_kind == HOST_LAST_SELF || new.last_kind == HOST_LAST_SELF) return -HOST_ERROR_BUSY;
  if (gains_rights(from_directory, to_directory)) return -HOST_ERROR_NOTCAPABLE;
  if (old.wants_directory || new.wants_directory) {
    enum host_kind kind;
    result = kind_at(&old, &kind);
    if (result) return result;
    if (kind != HOST_KIND_DIRECTORY) return -HOST_ERROR_NOTDIR;
  }
  return outcome(renameat(old.parent, old.last, new.parent, new.last));
}

/* A new name with a trailing slash can only be a directory's, which link and symlink do not make. */
static int name_is_free(const struct host_place *place) {
  if (place->last_kind == HOST_LAST_SELF) return -HOST_ERROR_EXIST;
  if (!place->wants_directory) return 0;
  enum host_kind kind;
  int result = kind_at(place, &kind);
  return result ? result : -HOST_ERROR_EXIST;
}

int host_link_at(struct host_object *from_directory, struct host_path from, bool follow,
                 struct host_object *to_directory, struct host_path to) {
  AUTO_PLACE old;
  AUTO_PLACE new;
  new.owns_parent = false;
  int result = find_to_change(from_directory, from, &old);
  if (result == 0) result = find_to_change(to_directory, to, &new);
  if (result == 0 && follow) result = host_place_follow_all(&old);
  if (result == 0) result = name_is_free(&new);
  if (result) return result;
  if (old.last_kind == HOST_LAST_SELF) return -HOST_ERROR_PERM;
  if (gains_rights(from_directory, to_directory)) return -HOST_ERROR_NOTCAPABLE;
  if (old.wants_directory) {
    enum host_kind kind;
    result = kind_at(&old, &kind);
    if (result) return result;
    return kind == HOST_KIND_DIRECTORY ? -HOST_ERROR_PERM : -HOST_ERROR_NOTDIR;
  }
  if (!pay_for_entry(to_directory)) return -HOST_ERROR_DQUOT;
  return entry_made(to_directory, outcome(linkat(old.parent, old.last, new.parent, new.last, 0)));
}

int host_symlink_at(struct host_path target, struct host_object *directory, struct host_path path) {
  AUTO_PLACE place;
  int result = find_to_change(directory, path, &place);
  if (result == 0) result = name_is_free(&place);
  if (result) return result;
  char text[HOST_PATH_BYTES];
  if (target.len_bytes == 0) return -HOST_ERROR_NOENT;
  if (target.len_bytes >= sizeof text) return -HOST_ERROR_NAMETOOLONG;
  if (memchr(target.bytes, 0, target.len_bytes)) return -HOST_ERROR_INVAL;
  if (target.bytes[0] == '/') return -HOST_ERROR_NOTCAPABLE;
  memcpy(text, target.bytes, target.len_bytes);
  text[target.len_bytes] = 0;
  if (!pay_for_entry(directory)) return -HOST_ERROR_DQUOT;
  return entry_made(directory, outcome(symlinkat(text, place.parent, place.last)));
}

int host_read_link_at(struct host_object *directory, struct host_path path, char *out, size_t capacity,
                      size_t *len_bytes) {
  AUTO_PLACE place;
  int result = host_place_find(directory, path, &place);
  if (result == 0) result = need(place.rights, HOST_RIGHT_READ);
  if (result) return result;
  struct stat status;
  if (place.last_kind == HOST_LAST_SELF) return -HOST_ERROR_INVAL;
  if (place.wants_directory) {
    result = stat_place(&place, true, &status);
    return result ? result : -HOST_ERROR_INVAL;
  }
  char one; /* the kernel refuses a capacity of 0 */
  ssize_t got = readlinkat(place.parent, place.last, capacity ? out : &one, capacity ? capacity : 1);
  if (got < 0) return host_failed();
  *len_bytes = capacity ? (size_t)got : 0;
  return 0;
}
