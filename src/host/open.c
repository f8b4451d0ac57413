/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Opening beneath a directory.
 *
 * Where the kernel resolves paths, one system call opens; otherwise the place is found and its last component opened
 * without following. What was opened is looked at afterwards (adopt), because only then it is certain what it is. What lies
 * on procfs is opened once more, by hand (procfs.c).
 *
 * Opening a device node can have effects, so it has to be refused before. But looking first costs a sixth of what opening a
 * file does. It is done where device nodes are made: on the file systems of /dev, wherever they are mounted, which is known
 * of what is granted and cannot change without crossing to another mount; that the kernel is asked to refuse, and what
 * it refused is looked at. A node that somebody made by hand on another file system is open for a moment, without waiting
 * and without becoming the controlling terminal, and so is one that takes a file's place between the two looks.
 *
 * A directory that was granted for creating only never opens what exists: the name has to be new, which the kernel
 * decides with the creation itself (O_EXCL). What was created so may be written through the object that comes out.
 *
 * Invariants: (1) O_CREAT is given only with CREATE; (2) without MUTATE it comes with O_EXCL; (3) O_TRUNC is not given
 * to files of a grant with a quota, which are cut where the quota sees it. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "host/overlay.h"

/* One opening: `rights` are those that its object may have at most. */
struct opening {
  struct host_object *directory;
  struct host_path path;
  struct host_open how;
  uint32_t rights;
  bool looks_first;
  struct host_quota *quota;
  bool walks;                     /* by the walker, whatever the kernel could */
  struct host_overlaid *overlaid; /* what was opened is a directory of an overlay */
  int exhausted;                  /* HOST_EXHAUSTED, when a budget ended it */
};

static bool cuts(const struct opening *opening) { return opening->how.open_flags & HOST_OPEN_TRUNCATE; }
static bool changes(const struct opening *opening) { return (opening->how.access & HOST_RIGHT_WRITE) || cuts(opening); }

/* How a directory is opened that only has to be entered: where its names may not be read, whoever confines the process
 * forbids to open it for that. */
static bool only_enters(const struct opening *opening) {
  return (opening->how.open_flags & HOST_OPEN_DIRECTORY) && !(opening->how.open_flags & HOST_OPEN_CREATE) &&
         !(opening->directory->rights & HOST_RIGHT_LIST) && !changes(opening);
}

static int flags_of(const struct opening *opening) {
  const struct host_open *how = &opening->how;
  bool reads = how->access & HOST_RIGHT_READ;
  if (only_enters(opening)) return host_os_directory_flags;
  int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  /* O_TRUNC with O_RDONLY is undefined, so truncating opens for writing too. */
  flags |= changes(opening) ? (reads ? O_RDWR : O_WRONLY) : O_RDONLY;
  if (cuts(opening) && !opening->quota) flags |= O_TRUNC;
  if (how->open_flags & HOST_OPEN_DIRECTORY) flags |= O_DIRECTORY;
  if (how->open_flags & HOST_OPEN_CREATE) {
    assert(opening->directory->rights & HOST_RIGHT_CREATE);
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
  bool lists = place->rights & HOST_RIGHT_LIST;
  int fd = openat(place->parent, ".", lists ? O_RDONLY | O_DIRECTORY | O_CLOEXEC : host_os_directory_flags);
  return fd < 0 ? host_failed() : fd;
}

static bool is_device(mode_t mode) { return S_ISCHR(mode) || S_ISBLK(mode); }

/* Whether what has the name may be opened; what is not there may be. */
static int look_at_place(const struct host_place *place, int flags) {
  struct stat status;
  if (!place->looks_first || (place->rights & HOST_RIGHT_DEVICE) || (flags & O_EXCL)) return 0;
  if (fstatat(place->parent, place->last, &status, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return is_device(status.st_mode) ? -HOST_ERROR_NOTCAPABLE : 0;
}

/* The descriptor of the last component, which is no link (LOOP). */
static int open_last(struct opening *opening, struct host_place *place, int flags) {
  struct host_opening_flags how = {.flags = flags, .mode = 0666, .is_cut = cuts(opening)};
  int result = host_overlay_settle(place, &how);
  if (host_is_exhausted(result)) return opening->exhausted = result, -HOST_ERROR_DQUOT;
  if (result == 0) result = look_at_place(place, how.flags);
  if (result) return result;
  int fd = openat(place->parent, place->last, how.flags | O_NOFOLLOW, how.mode);
  return fd < 0 ? host_failed() : fd;
}

/* Opens the last component without following it; follows by hand where that is asked for. */
static int open_place(struct opening *opening, struct host_place *place) {
  int flags = flags_of(opening);
  bool follow = opening->how.open_flags & HOST_OPEN_FOLLOW;
  for (;;) {
    if (place->last_kind == HOST_LAST_SELF) return open_self(place, flags);
    if (place->wants_directory) {
      if (flags & O_CREAT) return -HOST_ERROR_ISDIR;
      flags |= O_DIRECTORY;
      follow = true;
    }
    int fd = open_last(opening, place, flags);
    bool may_be_link = fd == -HOST_ERROR_LOOP || (fd == -HOST_ERROR_NOTDIR && (flags & O_DIRECTORY));
    if (!may_be_link || !follow || (flags & O_EXCL)) return fd;
    int followed = host_place_follow(place);
    if (followed <= 0) return followed ? followed : fd;
  }
}

/* ---- What was opened ------------------------------------------------------------------------------------------------- */

/* The grant of a single file does not become the grant of a directory that replaced it; a device has to be granted as
 * one. */
static int check_kind(const struct opening *opening, mode_t mode) {
  if (is_device(mode) && !(opening->rights & HOST_RIGHT_DEVICE)) return -HOST_ERROR_NOTCAPABLE;
  /* A directory of an overlay that were one layer alone would be changed where nothing may change. */
  if (S_ISDIR(mode) && opening->directory->overlaid && !opening->overlaid) return -HOST_ERROR_IO;
  return S_ISDIR(mode) && opening->directory->synthetic ? -HOST_ERROR_NOTCAPABLE : 0;
}

/* A file of a grant with a quota: what it takes is counted from now on, and what it loses. */
static int count(const struct opening *opening, const struct stat *status, struct host_object *object) {
  object->quota = host_quota_retain(opening->quota);
  if (!opening->quota || object->kind != HOST_KIND_REGULAR) return 0;
  int result = host_quota_opened(object->quota, status, object->budget, &object->quota_file);
  if (result || !cuts(opening)) return result;
  struct host_growth growth;
  result = host_resize_begin(object, 0, &growth);
  if (result) return result;
  result = ftruncate(object->fd, 0) != 0 ? host_failed() : 0;
  host_growth_end(object, &growth, result ? growth.size_before : 0);
  return result;
}

enum { BY_HAND = 1 }; /* it has to be opened once more, so */

static int check(const struct opening *opening, int fd, struct stat *status) {
  if (host_os_stat(fd, status) != 0) return host_failed();
  if (!opening->walks && host_leads_to_procfs(opening->directory, fd, status)) return BY_HAND;
  return check_kind(opening, status->st_mode);
}

/* Makes the object; takes over the descriptor. */
static int adopt(const struct opening *opening, int fd, struct host_object **out) {
  struct stat status;
  int result = check(opening, fd, &status);
  if (result) {
    close(fd);
    host_overlaid_free(opening->overlaid);
    return result;
  }
  enum host_kind kind = host_kind_of_mode(status.st_mode);
  uint32_t rights = opening->rights;
  struct host_object *object =
      host_object_new(fd, true, kind, kind == HOST_KIND_DIRECTORY ? rights : rights & opening->how.access);
  if (!object) {
    host_overlaid_free(opening->overlaid);
    return -HOST_ERROR_NOMEM;
  }
  object->overlaid = opening->overlaid;
  object->granted = (uint8_t)rights;
  object->flags = (uint8_t)opening->how.object_flags;
  object->resolver = opening->directory->resolver;
  if (!opening->walks) atomic_init(&object->ordinary_device, status.st_dev);
  object->looks_first = opening->looks_first;
  object->is_nonblocking = true;
  object->is_terminal = kind == HOST_KIND_CHARACTER_DEVICE && isatty(fd);
  host_object_inherit(object, opening->directory);
  result = count(opening, &status, object);
  if (result)
    host_object_release(object);
  else
    *out = object;
  return result;
}

/* ---- Ways to open ------------------------------------------------------------------------------------------------------ */

/* A directory of an overlay is both of its layers, whichever of them was opened; anything else of the lower one is not
 * changed through what comes out. */
static int open_layers(struct opening *opening, const struct host_place *place, int fd) {
  struct stat status;
  if (fd < 0 || !place->overlay) return fd;
  int result = host_os_stat(fd, &status) != 0 ? host_failed() : 0;
  bool is_directory = result == 0 && S_ISDIR(status.st_mode);
  if (is_directory) result = host_overlay_open(place, &opening->overlaid);
  if (!is_directory && host_overlay_is_lower(place)) opening->rights &= ~(uint32_t)HOST_RIGHT_WRITE;
  if (result == 0) return fd;
  close(fd);
  return result;
}

/* A descriptor, or the directory itself in *self. */
static int open_walked(struct opening *opening, struct host_object **self) {
  HOST_AUTO_PLACE place;
  int result = (opening->walks ? host_place_walk : host_place_find)(opening->directory, opening->path, &place);
  if (result) return result;
  if (opening->directory->synthetic) {
    opening->rights = place.rights;
    opening->quota = place.quota;
    if (changes(opening) && (result = host_need(place.rights, HOST_RIGHT_WRITE))) return result;
  }
  if (place.memory >= 0) return host_os_reopen(place.memory, flags_of(opening));
  if (place.parent < 0) {
    *self = host_object_retain(opening->directory);
    return changes(opening) ? -HOST_ERROR_ISDIR : 0;
  }
  return open_layers(opening, &place, open_place(opening, &place));
}

/* Whether what the path leads to may be opened: a name for it tells what it is and opens nothing. */
static int look_at_path(const struct host_object *directory, const char *path, int flags, bool *unavailable) {
  struct stat status;
  int name = host_open_beneath(directory, path, host_os_name_flags | (flags & O_NOFOLLOW), 0, unavailable);
  if (name < 0) return name == -HOST_ERROR_NOENT && (flags & O_CREAT) ? 0 : name;
  int result = host_os_stat(name, &status) != 0 ? host_failed() : 0;
  close(name);
  return result == 0 && is_device(status.st_mode) ? -HOST_ERROR_NOTCAPABLE : result;
}

/* One system call where the kernel resolves paths and no devices are, or three. */
static int open_text(struct opening *opening, const char *path, int flags, bool *unavailable) {
  const struct host_object *directory = opening->directory;
  int fd = opening->looks_first ? -1 : host_os_open_beneath(directory->fd, path, flags, 0666, true);
  *unavailable = fd == HOST_OS_UNAVAILABLE;
  if (fd >= 0 || *unavailable) return fd;
  if (!opening->looks_first && errno != EXDEV) return host_failed();
  opening->looks_first = true;
  int result = flags & O_EXCL ? 0 : look_at_path(directory, path, flags, unavailable);
  return result || *unavailable ? result : host_open_beneath(directory, path, flags, 0666, unavailable);
}

static int open_direct(struct opening *opening, bool *unavailable) {
  char text[HOST_PATH_BYTES];
  struct host_path path = opening->path;
  if (path.len_bytes == 0) return -HOST_ERROR_NOENT;
  if (path.len_bytes >= sizeof text) return -HOST_ERROR_NAMETOOLONG;
  if (memchr(path.bytes, 0, path.len_bytes)) return -HOST_ERROR_INVAL;
  memcpy(text, path.bytes, path.len_bytes);
  text[path.len_bytes] = 0;
  int flags = flags_of(opening);
  if (!(opening->how.open_flags & HOST_OPEN_FOLLOW)) flags |= O_NOFOLLOW;
  return open_text(opening, text, flags, unavailable);
}

static int open_any(struct opening *opening, struct host_object **self) {
  bool unavailable = opening->walks || !host_resolves_in_kernel(opening->directory);
  int fd = unavailable ? -1 : open_direct(opening, &unavailable);
  return unavailable ? open_walked(opening, self) : fd;
}

/* As open_any, of what may have to be made: the kernel does not tell whether it made it, so that what exists is opened
 * first, without making anything. */
static int open_or_make(struct opening *opening, struct host_object **self) {
  const uint32_t open_flags = opening->how.open_flags;
  opening->how.open_flags &= ~(uint32_t)HOST_OPEN_CREATE;
  int fd = open_flags & HOST_OPEN_EXCLUSIVE ? -HOST_ERROR_NOENT : open_any(opening, self);
  opening->how.open_flags = open_flags;
  if (fd != -HOST_ERROR_NOENT) return fd;
  if (!host_pay_for_entry(opening->directory)) return -HOST_ERROR_DQUOT;
  fd = open_any(opening, self);
  return fd < 0 ? host_entry_made(opening->directory, fd) : fd;
}

static int open_once(struct opening *opening, struct host_object **out) {
  struct host_object *self = NULL;
  bool makes = opening->directory->budget && (opening->how.open_flags & HOST_OPEN_CREATE);
  int fd = (makes ? open_or_make : open_any)(opening, &self);
  if (fd < 0) {
    host_object_release(self);
    return opening->exhausted ? opening->exhausted : fd;
  }
  if (!self) return adopt(opening, fd, out);
  assert(self == opening->directory);
  *out = self;
  return 0;
}

static int open_as(struct opening *opening, struct host_object **out) {
  int result = open_once(opening, out);
  if (result != BY_HAND) return result;
  opening->walks = true;
  opening->overlaid = NULL;
  return open_once(opening, out);
}

static int check_access(const struct opening *opening) {
  int result = changes(opening) ? host_need(opening->rights, HOST_RIGHT_WRITE) : 0;
  /* A directory may be entered without reading it. */
  bool reads = (opening->how.access & HOST_RIGHT_READ) && !(opening->how.open_flags & HOST_OPEN_DIRECTORY);
  return result == 0 && reads ? host_need(opening->rights, HOST_RIGHT_READ) : result;
}

static int open_existing(struct opening *opening, struct host_object **out) {
  int result = check_access(opening);
  return result ? result : open_as(opening, out);
}

/* What making `path` anew fails with where nothing can be made. */
static int refuse_new(struct host_object *directory, struct host_path path) {
  struct host_stat status;
  int result = host_stat_at(directory, path, false, &status);
  if (result == 0) return -HOST_ERROR_EXIST;
  return result == -HOST_ERROR_NOENT ? -HOST_ERROR_ROFS : result;
}

/* In a directory without CREATE nothing is created, so that opening what exists still works. */
static int open_without_creating(struct opening *opening, struct host_object **out) {
  int result = check_access(opening);
  if (result) return result;
  if (opening->how.open_flags & HOST_OPEN_EXCLUSIVE) return refuse_new(opening->directory, opening->path);
  opening->how.open_flags &= ~(uint32_t)HOST_OPEN_CREATE;
  result = open_as(opening, out);
  return result == -HOST_ERROR_NOENT ? -HOST_ERROR_ROFS : result;
}

/* In one with CREATE, but not MUTATE: a new file may be written, whatever the rights to others are. */
static int open_new(struct opening *opening, struct host_object **out) {
  struct opening fresh = *opening;
  fresh.rights |= HOST_RIGHT_WRITE;
  fresh.how.access &= fresh.rights;
  fresh.how.open_flags |= HOST_OPEN_EXCLUSIVE;
  int result = open_as(&fresh, out);
  if (result != -HOST_ERROR_EXIST || (opening->how.open_flags & HOST_OPEN_EXCLUSIVE)) return result;
  opening->how.open_flags &= ~(uint32_t)HOST_OPEN_CREATE;
  return open_existing(opening, out);
}

int host_open_at(struct host_object *directory, struct host_path path, const struct host_open *how,
                 struct host_object **out) {
  if (directory->kind != HOST_KIND_DIRECTORY) return -HOST_ERROR_NOTDIR;
  struct opening opening = {.directory = directory,
                            .path = path,
                            .how = *how,
                            .rights = directory->rights,
                            .looks_first = directory->looks_first,
                            .quota = directory->quota};
  if (!(how->open_flags & HOST_OPEN_CREATE)) return open_existing(&opening, out);
  if (!(directory->rights & HOST_RIGHT_CREATE)) return open_without_creating(&opening, out);
  return directory->rights & HOST_RIGHT_MUTATE ? open_existing(&opening, out) : open_new(&opening, out);
}
