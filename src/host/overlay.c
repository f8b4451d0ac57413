/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Directories that are changed in another place: overlays.
 *
 * A directory of an overlay is two directories of the host. The upper one holds what was changed, the lower one what was
 * there before and is only ever read. A name is the upper one's if that has it, otherwise the lower one's unless it was
 * removed. What is to be changed is copied to the upper one first, and so are the directories on the way to it; so the
 * upper folder holds exactly what changed, in the form of an OCI image layer: the file ".wh.NAME" says that NAME of the
 * lower directory is gone, also beside a new NAME. Therefore no name of an overlay begins with ".wh." (PERM).
 *
 * Not the kernel's overlayfs, which needs a privilege, and a mount that others see. Differences to one directory are mostly
 * overlayfs's: a file is another one after it was copied (device, inode, hard links, owner, what is open for reading
 * meanwhile, whose times cannot be set), and it can be changed whatever its mode says; directories with a lower part cannot
 * be renamed (XDEV, whereupon programs copy); what is no file, directory or link cannot be opened for writing (NOTSUP);
 * lower names longer than 251 bytes cannot be removed, and lower paths not be longer than 4095.
 *
 * Directories whose upper part does not exist are found again by their path when somebody else may have made it
 * (`changes`): such paths never change, because what has a lower part is never renamed.
 *
 * Invariants: (1) nothing is opened for writing in a lower directory, nor made, removed or renamed there; (2) an overlay is
 * used under its lock, which each place in it holds; (3) paths in an overlay consist of plain names. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "host/overlay.h"

#define REMOVED_PREFIX ".wh."
#define STAGING_NAME ".wh..wh.copy" /* of a file while it is copied */

enum { COPY_BYTES = 128 << 10, REMOVED_PREFIX_LEN = sizeof REMOVED_PREFIX - 1 };

struct host_overlay {
  atomic_uint references;
  pthread_mutex_t lock; /* recursive: an operation can have two places */
  struct host_layers root;
  int scratch;      /* of root.upper: holds its lock */
  unsigned changes; /* of which directories have an upper part */
};

/* A directory of an overlay. */
struct host_overlaid {
  struct host_overlay *overlay; /* retained */
  struct host_layers layers;
  unsigned seen; /* changes, when `layers` was right */
  char path[];   /* from the root; right where there is a lower part */
};

bool host_layers_reserve(const char *name) { return strncmp(name, REMOVED_PREFIX, REMOVED_PREFIX_LEN) == 0; }

void host_layers_close(struct host_layers *layers) {
  if (layers->upper >= 0) close(layers->upper);
  if (layers->lower >= 0) close(layers->lower);
  *layers = HOST_LAYERS_NONE;
}

static int outcome(int returned) { return returned < 0 ? host_failed() : 0; }

/* ---- Looking names up -------------------------------------------------------------------------------------------------- */

static bool removal_name(const char *name, char out[NAME_MAX + 1]) {
  int len_bytes = snprintf(out, NAME_MAX + 1, REMOVED_PREFIX "%s", name);
  return len_bytes <= NAME_MAX;
}

static bool is_removed(const struct host_layers *directory, const char *name) {
  char removed[NAME_MAX + 1];
  struct stat status;
  return removal_name(name, removed) && fstatat(directory->upper, removed, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A directory that was removed while it was open has no names any more, also not those of its lower part. */
static bool has_lost_name(const struct host_layers *directory) {
  struct stat status;
  return host_os_stat(directory->upper, &status) != 0 || status.st_nlink == 0;
}

/* Whether the names of the lower directory count, and this one is not removed. */
static bool shows_lower(const struct host_layers *directory, const char *name) {
  if (directory->lower < 0) return false;
  return directory->upper < 0 || (!is_removed(directory, name) && !has_lost_name(directory));
}

/* The same, and the lower directory has it: what cannot be looked at is there, but no directory. */
static bool has_lower(const struct host_layers *directory, const char *name, struct stat *status) {
  if (!shows_lower(directory, name)) return false;
  if (fstatat(directory->lower, name, status, AT_SYMLINK_NOFOLLOW) == 0) return true;
  *status = (struct stat){0};
  return errno != ENOENT;
}

int host_layers_holder(const struct host_layers *directory, const char *name) {
  struct stat status;
  if (directory->lower < 0) return directory->upper;
  if (directory->upper < 0) return directory->lower;
  if (fstatat(directory->upper, name, &status, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT) return directory->upper;
  return shows_lower(directory, name) ? directory->lower : directory->upper;
}

int host_layers_enter(const struct host_layers *from, const char *name, struct host_layers *out) {
  const int flags = host_os_directory_flags | O_NOFOLLOW;
  *out = HOST_LAYERS_NONE;
  if (from->upper >= 0) out->upper = openat(from->upper, name, flags);
  if (from->upper >= 0 && out->upper < 0 && errno != ENOENT) return host_failed();
  if (shows_lower(from, name)) {
    out->lower = openat(from->lower, name, flags);
    /* What is beneath a directory and is none does not show; anything else that fails has to. */
    bool is_none = out->lower < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP);
    if (out->lower < 0 && !(out->upper >= 0 && is_none)) {
      int result = host_failed();
      host_layers_close(out);
      return result;
    }
  }
  return out->upper < 0 && out->lower < 0 ? -HOST_ERROR_NOENT : 0;
}

/* A directory is the lower one, whenever its upper part is made. How many directories are in both together is not known,
 * which one link says to those who count on it. */
static void identify(struct stat *status, const struct stat *lower) {
  status->st_dev = lower->st_dev;
  status->st_ino = lower->st_ino;
  status->st_nlink = 1;
}

int host_layers_stat(const struct host_layers *directory, const char *name, struct stat *out) {
  struct stat lower;
  int holder = host_layers_holder(directory, name);
  if (fstatat(holder, name, out, AT_SYMLINK_NOFOLLOW) != 0) return host_failed();
  bool may_be_both = S_ISDIR(out->st_mode) && holder == directory->upper && directory->lower >= 0;
  if (may_be_both && has_lower(directory, name, &lower) && S_ISDIR(lower.st_mode)) identify(out, &lower);
  return 0;
}

int host_layers_stat_self(const struct host_layers *directory, struct stat *out) {
  struct stat lower;
  int fd = directory->upper >= 0 ? directory->upper : directory->lower;
  if (host_os_stat(fd, out) != 0) return host_failed();
  if (fd != directory->lower && directory->lower >= 0 && host_os_stat(directory->lower, &lower) == 0)
    identify(out, &lower);
  return 0;
}

/* ---- Copying directories to the upper side ------------------------------------------------------------------------------ */

/* Also of a directory that a copy was made in ("."), which does not change it for whoever looks. */
static int set_times_of(int directory, const char *name, const struct stat *from) {
  const struct timespec times[2] = {from->st_atim, from->st_mtim};
  return outcome(utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW));
}

/* Makes the upper part of a lower directory. */
static int copy_directory(struct host_overlay *overlay, const struct host_layers *from, const char *name) {
  struct stat status, before;
  if (fstatat(from->lower, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return host_failed();
  if (host_os_stat(from->upper, &before) != 0) return host_failed();
  if (mkdirat(from->upper, name, (status.st_mode & 0777) | 0700) != 0) return host_failed();
  overlay->changes++;
  int result = set_times_of(from->upper, name, &status);
  set_times_of(from->upper, ".", &before);
  return result;
}

/* One step of `reach`: a directory with a lower part, whose upper part is made if that is asked for. */
static int reach_next(struct host_overlay *overlay, const struct host_layers *from, const char *name, bool makes,
                      struct host_layers *out) {
  int result = host_layers_enter(from, name, out);
  if (result == 0 && out->lower < 0) result = -HOST_ERROR_NOENT; /* another one took its place */
  if (result == 0 && out->upper < 0 && makes) {
    result = copy_directory(overlay, from, name);
    if (result == 0 && (out->upper = openat(from->upper, name, host_os_directory_flags | O_NOFOLLOW)) < 0)
      result = host_failed();
  }
  if (result) host_layers_close(out);
  return result;
}

static int open_again(const struct host_layers *layers, struct host_layers *out) {
  *out = HOST_LAYERS_NONE;
  if (layers->upper >= 0 && (out->upper = openat(layers->upper, ".", host_os_directory_flags)) < 0)
    return host_failed();
  if (layers->lower >= 0 && (out->lower = openat(layers->lower, ".", host_os_directory_flags)) < 0) {
    int result = host_failed();
    host_layers_close(out);
    return result;
  }
  return 0;
}

static bool is_same_entry(const struct stat *a, const struct stat *b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_same(int a, int b) {
  struct stat first, second;
  return host_os_stat(a, &first) == 0 && host_os_stat(b, &second) == 0 && is_same_entry(&first, &second);
}

/* Goes from the root to the directory with a lower part that was found at `path` as `lower`. */
static int reach(struct host_overlay *overlay, const char *path, int lower, bool makes, struct host_layers *out) {
  struct host_layers at;
  int result = open_again(&overlay->root, &at);
  while (result == 0 && *path) {
    char name[NAME_MAX + 1];
    size_t len_bytes = strcspn(path, "/");
    assert(len_bytes > 0 && len_bytes <= NAME_MAX);
    memcpy(name, path, len_bytes);
    name[len_bytes] = 0;
    path += len_bytes + (path[len_bytes] == '/');
    struct host_layers next;
    result = reach_next(overlay, &at, name, makes, &next);
    host_layers_close(&at);
    at = next;
  }
  if (result == 0 && !is_same(at.lower, lower)) {
    host_layers_close(&at);
    result = -HOST_ERROR_NOENT;
  }
  *out = at;
  return result;
}

/* ---- Directories as objects ----------------------------------------------------------------------------------------------- */

void host_overlaid_free(struct host_overlaid *overlaid) {
  if (!overlaid) return;
  host_layers_close(&overlaid->layers);
  host_overlay_release(overlaid->overlay);
  base_free(overlaid);
}

/* Takes over the layers, also when it fails. NULL: no memory. */
static struct host_overlaid *overlaid_new(struct host_overlay *overlay, struct host_layers *layers, const char *path) {
  size_t len_bytes = strlen(path);
  struct host_overlaid *overlaid = base_alloc(sizeof *overlaid + len_bytes + 1);
  if (!overlaid) {
    host_layers_close(layers);
    return NULL;
  }
  atomic_fetch_add_explicit(&overlay->references, 1, memory_order_relaxed);
  overlaid->overlay = overlay;
  overlaid->layers = *layers;
  overlaid->seen = overlay->changes;
  memcpy(overlaid->path, path, len_bytes + 1);
  return overlaid;
}

/* Whether its upper part has been made, or it was removed (NOENT). */
static int refresh(struct host_overlaid *overlaid, bool makes) {
  struct host_overlay *overlay = overlaid->overlay;
  if (overlaid->layers.upper >= 0 || (overlaid->seen == overlay->changes && !makes)) return 0;
  struct host_layers now;
  int result = reach(overlay, overlaid->path, overlaid->layers.lower, makes, &now);
  if (result) return result;
  host_layers_close(&overlaid->layers);
  overlaid->layers = now;
  overlaid->seen = overlay->changes;
  return 0;
}

struct host_overlay *host_overlay_of(const struct host_object *directory) {
  return directory->overlaid ? directory->overlaid->overlay : NULL;
}

const char *host_overlay_path_of(const struct host_object *directory) {
  return directory->overlaid ? directory->overlaid->path : NULL;
}

void host_overlay_lock(struct host_overlay *overlay) {
  if (overlay) pthread_mutex_lock(&overlay->lock);
}

void host_overlay_unlock(struct host_overlay *overlay) {
  if (overlay) pthread_mutex_unlock(&overlay->lock);
}

int host_layers_of(const struct host_object *directory, struct host_layers *out) {
  *out = (struct host_layers){.upper = directory->fd, .lower = -1};
  if (!directory->overlaid) return 0;
  int result = refresh(directory->overlaid, false);
  *out = directory->overlaid->layers;
  return result;
}

int host_overlay_own_object(const struct host_object *directory, struct host_layers *out) {
  assert(directory->overlaid);
  int result = refresh(directory->overlaid, true);
  *out = directory->overlaid->layers;
  return result;
}

int host_overlay_open(const struct host_place *place, struct host_overlaid **out) {
  struct host_layers layers;
  bool is_self = place->last_kind == HOST_LAST_SELF;
  int result = is_self ? open_again(&place->layers, &layers) : host_layers_enter(&place->layers, place->last, &layers);
  if (result) return result;
  char path[HOST_PATH_BYTES] = "";
  bool is_named = !is_self && layers.lower >= 0;
  int len_bytes = snprintf(path, sizeof path, "%s%s%s", place->directory, is_named && place->directory[0] ? "/" : "",
                           is_named ? place->last : "");
  if (len_bytes >= HOST_PATH_BYTES) {
    host_layers_close(&layers);
    return -HOST_ERROR_NAMETOOLONG;
  }
  *out = overlaid_new(place->overlay, &layers, path);
  return *out ? 0 : -HOST_ERROR_NOMEM;
}

/* ---- Copying files to the upper side ---------------------------------------------------------------------------------------- */

/* The directory of a place has an upper part from now on. */
static int own_directory(struct host_place *place) {
  if (place->layers.upper >= 0) return 0;
  struct host_layers owned;
  int result = reach(place->overlay, place->directory, place->layers.lower, true, &owned);
  if (result) return result;
  if (place->owns_layers) host_layers_close(&place->layers);
  place->layers = owned;
  place->owns_layers = true;
  place->parent = place->last_kind == HOST_LAST_SELF ? owned.upper : owned.lower;
  return 0;
}

static bool write_all(int fd, const char *bytes, size_t len_bytes, off_t at) {
  for (size_t done = 0; done < len_bytes;) {
    ssize_t put = pwrite(fd, bytes + done, len_bytes - done, at + (off_t)done);
    if (put == 0) errno = EIO;
    if (put <= 0) return false;
    done += (size_t)put;
  }
  return true;
}

/* A file that is copied: `end` is its length, as far as it turns out to be. */
struct copying {
  int from, to;
  off_t end;
  char *buffer;
  const struct base_budget *budget;
};

static bool is_out_of_time(const struct copying *copying) {
  return base_budget_hits(copying->budget) & (1u << BASE_LIMIT_TIME | 1u << BASE_LIMIT_CPU_TIME);
}

static int copy_range(struct copying *copying, off_t at, off_t end) {
  while (at < end) {
    if (is_out_of_time(copying)) return -HOST_ERROR_INTR;
    size_t want = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
    ssize_t got = pread(copying->from, copying->buffer, want, at);
    if (got < 0) return host_failed();
    if (got == 0) copying->end = end = at;
    if (!write_all(copying->to, copying->buffer, (size_t)got, at)) return host_failed();
    at += got;
  }
  return 0;
}

/* Holes stay holes where the file system tells them. */
static int copy_ranges(struct copying *copying) {
  int result = 0;
  for (off_t at = 0; at < copying->end && result == 0;) {
    off_t data = lseek(copying->from, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    off_t hole = data < 0 ? copying->end : lseek(copying->from, data, SEEK_HOLE);
    if (data < 0) data = at;
    if (hole < 0 || hole > copying->end) hole = copying->end;
    result = copy_range(copying, data, hole);
    at = hole;
  }
  return result;
}

/* `len_bytes` is what the file was said to have; some have less. */
static int copy_contents(const struct host_place *place, int from, struct host_object *copy, uint64_t len_bytes) {
  struct copying copying = {.from = from,
                            .to = copy->fd,
                            .end = (off_t)len_bytes,
                            .buffer = base_alloc(COPY_BYTES),
                            .budget = place->root->budget};
  if (!copying.buffer) return -HOST_ERROR_NOMEM;
  int result = copy_ranges(&copying);
  base_free(copying.buffer);
  if (result == 0 && (uint64_t)copying.end < len_bytes) result = host_set_size(copy, (uint64_t)copying.end);
  return result == 0 && fdatasync(copy->fd) != 0 ? host_failed() : result;
}

/* Pays for a copy as for any other file, and gives it its length. */
static int pay_for_copy(struct host_place *place, struct host_object *copy, const struct stat *made,
                        uint64_t len_bytes) {
  copy->quota = host_quota_retain(place->quota);
  struct base_budget *budget = place->root->budget;
  int result = copy->quota ? host_quota_opened(copy->quota, made, budget, &copy->quota_file) : 0;
  if (result) return result;
  if (!base_budget_take(budget, BASE_LIMIT_WRITTEN, len_bytes)) return HOST_EXHAUSTED + BASE_LIMIT_WRITTEN;
  result = host_set_size(copy, len_bytes);
  if (result) base_budget_give(budget, BASE_LIMIT_WRITTEN, len_bytes);
  return result;
}

static int fill_copy(struct host_place *place, int from, struct host_object *copy) {
  struct stat made, status;
  if (host_os_stat(copy->fd, &made) != 0 || host_os_stat(from, &status) != 0) return host_failed();
  if (!S_ISREG(status.st_mode)) return -HOST_ERROR_NOTSUP;
  uint64_t len_bytes = (uint64_t)status.st_size;
  int result = pay_for_copy(place, copy, &made, len_bytes);
  if (result == 0) result = copy_contents(place, from, copy, len_bytes);
  const struct timespec times[2] = {status.st_atim, status.st_mtim};
  return result ? result : outcome(futimens(copy->fd, times));
}

/* Under another name until it is complete: whoever ends in between leaves the file as it was. */
static int stage(const struct host_place *place, mode_t mode, struct host_object **out) {
  unlinkat(place->layers.upper, STAGING_NAME, 0);
  int fd = openat(place->layers.upper, STAGING_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                  (mode & 0777) | 0600);
  if (fd < 0) return host_failed();
  *out = host_object_new(fd, true, HOST_KIND_REGULAR, HOST_RIGHT_READ | HOST_RIGHT_WRITE);
  return *out ? 0 : -HOST_ERROR_NOMEM;
}

static void unstage(const struct host_place *place) {
  int watched = host_quota_watch(place->quota, place->layers.upper, STAGING_NAME);
  unlinkat(place->layers.upper, STAGING_NAME, 0);
  host_quota_watched(place->quota, watched);
}

static int copy_file(struct host_place *place, const struct stat *status) {
  int upper = place->layers.upper;
  int from = openat(place->layers.lower, place->last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (from < 0) return host_failed();
  struct host_object *copy = NULL;
  int result = stage(place, status->st_mode, &copy);
  if (result == 0) result = fill_copy(place, from, copy);
  if (result == 0) result = outcome(renameat(upper, STAGING_NAME, upper, place->last));
  if (result) unstage(place);
  host_object_release(copy);
  close(from);
  return result;
}

static int copy_link(const struct host_place *place, const struct stat *status) {
  char target[HOST_PATH_BYTES];
  ssize_t got = readlinkat(place->layers.lower, place->last, target, sizeof target);
  if (got < 0) return host_failed();
  if (got == (ssize_t)sizeof target) return -HOST_ERROR_NAMETOOLONG;
  target[got] = 0;
  int result = outcome(symlinkat(target, place->layers.upper, place->last));
  return result ? result : set_times_of(place->layers.upper, place->last, status);
}

static int copy_entry(struct host_place *place, const struct stat *status) {
  struct stat before;
  int upper = place->layers.upper, result = -HOST_ERROR_NOTSUP;
  if (host_os_stat(upper, &before) != 0) return host_failed();
  if (S_ISREG(status->st_mode)) result = copy_file(place, status);
  if (S_ISLNK(status->st_mode)) result = copy_link(place, status);
  set_times_of(upper, ".", &before);
  return result;
}

/* What is at the place of the lower directory. */
static int copy_up(struct host_place *place) {
  struct stat status;
  int result = own_directory(place);
  if (result) return result;
  if (fstatat(place->layers.lower, place->last, &status, AT_SYMLINK_NOFOLLOW) != 0) return host_failed();
  result = S_ISDIR(status.st_mode) ? copy_directory(place->overlay, &place->layers, place->last)
                                   : copy_entry(place, &status);
  if (result == 0) place->parent = place->layers.upper;
  return result;
}

/* ---- Places that are changed --------------------------------------------------------------------------------------------------- */

bool host_overlay_is_lower(const struct host_place *place) {
  return place->layers.lower >= 0 && place->parent == place->layers.lower;
}

int host_overlay_own(struct host_place *place) {
  struct stat status;
  if (!place->overlay) return 0;
  if (place->last_kind == HOST_LAST_SELF) return own_directory(place);
  if (fstatat(place->parent, place->last, &status, AT_SYMLINK_NOFOLLOW) != 0) return host_failed();
  return host_overlay_is_lower(place) ? copy_up(place) : 0;
}

int host_overlay_vacant(struct host_place *place) {
  struct stat status;
  if (!place->overlay) return 0;
  if (fstatat(place->parent, place->last, &status, AT_SYMLINK_NOFOLLOW) == 0) return -HOST_ERROR_EXIST;
  if (errno != ENOENT) return host_failed();
  int result = own_directory(place);
  place->parent = place->layers.upper;
  return result;
}

/* What is in the lower directory only is a file to be copied, or fails as opening it for writing would. A file that is cut
 * anyway is made anew, with the opening itself: when that fails, the file is as it was. */
static int settle_lower(struct host_place *place, mode_t found, struct host_opening_flags *how) {
  if (S_ISLNK(found)) return -HOST_ERROR_LOOP;
  if (S_ISDIR(found)) return -HOST_ERROR_ISDIR;
  if (how->flags & O_DIRECTORY) return -HOST_ERROR_NOTDIR;
  if (!S_ISREG(found)) return -HOST_ERROR_NOTSUP;
  if (!how->is_cut) return copy_up(place);
  int result = own_directory(place);
  place->parent = place->layers.upper;
  how->flags |= O_CREAT | O_EXCL;
  how->mode = (found & 0777) | 0600;
  return result;
}

int host_overlay_settle(struct host_place *place, struct host_opening_flags *how) {
  struct stat status;
  if (!place->overlay) return 0;
  bool writes = (how->flags & O_ACCMODE) != O_RDONLY || how->is_cut;
  bool is_there = fstatat(place->parent, place->last, &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (!is_there && errno != ENOENT) return host_failed();
  if (!is_there) return how->flags & O_CREAT ? host_overlay_vacant(place) : -HOST_ERROR_NOENT;
  if (how->flags & O_EXCL) return -HOST_ERROR_EXIST;
  int result = writes && host_overlay_is_lower(place) ? settle_lower(place, status.st_mode, how) : 0;
  if (host_overlay_is_lower(place)) how->flags = (how->flags & ~(O_ACCMODE | O_CREAT | O_TRUNC)) | O_RDONLY;
  return result;
}

/* ---- Removing -------------------------------------------------------------------------------------------------------------------- */

/* The lower directory's NAME does not show any more. */
static int hide_lower(const struct host_layers *directory, const char *name) {
  char removed[NAME_MAX + 1];
  if (!removal_name(name, removed)) return -HOST_ERROR_NAMETOOLONG;
  int fd = openat(directory->upper, removed, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (fd < 0) return host_failed();
  close(fd);
  return 0;
}

static void show_lower(const struct host_layers *directory, const char *name) {
  char removed[NAME_MAX + 1];
  if (removal_name(name, removed)) unlinkat(directory->upper, removed, 0);
}

/* Takes the upper part of what is at the place away. */
static int unlink_upper(const struct host_place *place, int flags) {
  int watched = host_quota_watch(place->quota, place->layers.upper, place->last);
  int result = outcome(unlinkat(place->layers.upper, place->last, flags));
  host_quota_watched(place->quota, watched);
  return result;
}

int host_overlay_unlink(struct host_place *place) {
  struct stat status, lower;
  if (fstatat(place->parent, place->last, &status, AT_SYMLINK_NOFOLLOW) != 0) return host_failed();
  if (S_ISDIR(status.st_mode)) return -HOST_ERROR_ISDIR;
  bool is_upper = !host_overlay_is_lower(place);
  int result = own_directory(place);
  if (result == 0 && has_lower(&place->layers, place->last, &lower)) result = hide_lower(&place->layers, place->last);
  return result == 0 && is_upper ? unlink_upper(place, 0) : result;
}

/* Of a directory without names, what says which of the lower names are gone. */
static bool forget_some(int directory, int fd) {
  _Alignas(8) char records[4096];
  bool found = false;
  ssize_t got;
  lseek(fd, 0, SEEK_SET);
  while ((got = host_os_read_directory(fd, records, sizeof records)) > 0) {
    struct host_os_record record;
    for (ssize_t at = 0; at < got; at += (ssize_t)record.record_bytes) {
      host_os_record(records + at, &record);
      if (host_layers_reserve(record.name)) found |= unlinkat(directory, record.name, 0) == 0;
    }
  }
  return found;
}

/* Until none is found: where names go while they are read, some file systems leave others out. */
static int forget_removed(int directory) {
  int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return host_failed();
  while (forget_some(directory, fd));
  close(fd);
  return 0;
}

static int check_empty(const struct host_place *place, const struct host_layers *directory) {
  struct host_names names = {.budget = place->root->budget, .is_overlay = true};
  int result = host_names_read(&names, directory);
  if (result == 0 && names.items.count) result = -HOST_ERROR_NOTEMPTY;
  host_names_deinit(&names);
  return result;
}

int host_overlay_remove_directory(struct host_place *place) {
  struct host_layers directory;
  int result = host_layers_enter(&place->layers, place->last, &directory);
  if (result) return result == -HOST_ERROR_LOOP ? -HOST_ERROR_NOTDIR : result;
  result = check_empty(place, &directory);
  if (result == 0) result = own_directory(place);
  if (result == 0 && directory.lower >= 0) result = hide_lower(&place->layers, place->last);
  if (result == 0 && directory.upper >= 0) result = forget_removed(directory.upper);
  if (result == 0 && directory.upper >= 0) result = unlink_upper(place, AT_REMOVEDIR);
  place->overlay->changes++;
  host_layers_close(&directory);
  return result;
}

/* ---- Renaming --------------------------------------------------------------------------------------------------------------------- */

/* A directory can go where nothing is, or an empty one, which it replaces. */
static int make_room(struct host_place *new) {
  struct host_layers directory;
  int result = host_layers_enter(&new->layers, new->last, &directory);
  if (result == -HOST_ERROR_NOENT) return 0;
  if (result) return result == -HOST_ERROR_LOOP ? -HOST_ERROR_NOTDIR : result;
  result = check_empty(new, &directory);
  host_layers_close(&directory);
  return result;
}

/* Before a directory takes the place of an empty one: what was beneath that does not come back with the new one, nor when
 * renaming fails. */
static int clear_place(struct host_place *new, bool *is_hidden) {
  struct stat lower;
  struct host_layers directory;
  int result = host_layers_enter(&new->layers, new->last, &directory);
  if (result) return result == -HOST_ERROR_NOENT ? 0 : result;
  bool has_upper = directory.upper >= 0;
  if (has_lower(&new->layers, new->last, &lower)) result = hide_lower(&new->layers, new->last);
  *is_hidden = result == 0 && !has_upper;
  if (result == 0 && has_upper) result = forget_removed(directory.upper);
  host_layers_close(&directory);
  return result;
}

enum { NOTHING_TO_DO = 1 };

/* NOTHING_TO_DO: both names are the same entry's. */
static int check_rename(const struct host_place *old, struct host_place *new, bool *is_directory) {
  struct stat status, there, lower;
  if (fstatat(old->parent, old->last, &status, AT_SYMLINK_NOFOLLOW) != 0) return host_failed();
  bool replaces = fstatat(new->parent, new->last, &there, AT_SYMLINK_NOFOLLOW) == 0;
  if (replaces && is_same_entry(&status, &there)) return NOTHING_TO_DO;
  *is_directory = S_ISDIR(status.st_mode);
  if (!*is_directory) return replaces && S_ISDIR(there.st_mode) ? -HOST_ERROR_ISDIR : 0;
  if (has_lower(&old->layers, old->last, &lower) && S_ISDIR(lower.st_mode)) return -HOST_ERROR_XDEV;
  return make_room(new);
}

int host_overlay_rename(struct host_place *old, struct host_place *new) {
  struct stat lower;
  bool is_directory;
  int result = check_rename(old, new, &is_directory);
  if (result) return result == NOTHING_TO_DO ? 0 : result;
  result = host_overlay_own(old);
  if (result == 0) result = own_directory(new);
  if (result == 0 && has_lower(&old->layers, old->last, &lower)) result = hide_lower(&old->layers, old->last);
  if (result) return result;
  bool is_hidden = false;
  if (is_directory && (result = clear_place(new, &is_hidden))) return result;
  int watched = host_quota_watch(new->quota, new->layers.upper, new->last);
  result = outcome(renameat(old->layers.upper, old->last, new->layers.upper, new->last));
  host_quota_watched(new->quota, watched);
  if (result && is_hidden) show_lower(&new->layers, new->last);
  if (is_directory) old->overlay->changes++;
  return result;
}

/* ---- Grants -------------------------------------------------------------------------------------------------------------------------- */

void host_overlay_release(struct host_overlay *overlay) {
  if (!overlay || atomic_fetch_sub_explicit(&overlay->references, 1, memory_order_acq_rel) != 1) return;
  host_layers_close(&overlay->root);
  if (overlay->scratch >= 0) close(overlay->scratch);
  pthread_mutex_destroy(&overlay->lock);
  base_free(overlay);
}

static struct host_overlay *overlay_new(void) {
  struct host_overlay *overlay = base_alloc_zero(1, sizeof *overlay);
  pthread_mutexattr_t kind;
  if (!overlay) return NULL;
  atomic_init(&overlay->references, 1);
  overlay->root = HOST_LAYERS_NONE;
  overlay->scratch = -1;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&overlay->lock, &kind);
  pthread_mutexattr_destroy(&kind);
  return overlay;
}

/* Whether `below` is `above` or lies in it. */
static bool lies_in(int below, int above) {
  bool is_in = is_same(below, above);
  int at = openat(below, ".", host_os_directory_flags);
  while (at >= 0 && !is_in) {
    int parent = openat(at, "..", host_os_directory_flags);
    bool is_top = parent < 0 || is_same(at, parent);
    close(at);
    at = parent;
    if (is_top) break;
    is_in = is_same(at, above);
  }
  if (at >= 0) close(at);
  return is_in;
}

/* Its own changes would be changes of the directory, or show in it. */
static enum cay_status check_apart(const struct host_overlay *overlay, const char *scratch_path,
                                   struct cay_error *error) {
  bool overlaps =
      lies_in(overlay->root.upper, overlay->root.lower) || lies_in(overlay->root.lower, overlay->root.upper);
  return overlaps ? base_error_set(error, CAY_ERROR_ARGUMENT,
                                   "the overlay's folder %s and the directory lie in each other; name another folder",
                                   scratch_path)
                  : CAY_OK;
}

enum cay_status host_directory_set_overlay(struct host_object *directory, const char *scratch_path,
                                           uint64_t memory_bytes, struct cay_error *error) {
  assert(directory->kind == HOST_KIND_DIRECTORY && !directory->overlaid && !directory->synthetic);
  struct host_overlay *overlay = overlay_new();
  bool is_made = false;
  if (!overlay) return base_error_memory(error);
  enum cay_status status = scratch_path ? host_scratch_open(scratch_path, &is_made, &overlay->scratch, error)
                                        : host_scratch_in_memory(memory_bytes, &overlay->scratch, error);
  if (status == CAY_OK) {
    const struct host_layers both = {.upper = overlay->scratch, .lower = directory->fd};
    struct host_layers layers;
    int failure = open_again(&both, &overlay->root);
    if (failure == 0) failure = open_again(&both, &layers);
    if (failure)
      status = base_error_set(error, CAY_ERROR_SYSTEM, "overlay: %s", host_error_text((enum host_error) - failure));
    else if (!(directory->overlaid = overlaid_new(overlay, &layers, "")))
      status = base_error_memory(error);
  }
  if (status == CAY_OK && scratch_path) status = check_apart(overlay, scratch_path, error);
  if (status && is_made) rmdir(scratch_path);
  host_overlay_release(overlay);
  return status;
}

void host_overlay_reach(const struct host_object *directory, void (*tell)(void *env, const struct host_reach *reach),
                        void *env) {
  const struct host_layers *layers = &directory->overlaid->layers;
  tell(env, &(struct host_reach){layers->upper, false, true, directory->rights});
  tell(env, &(struct host_reach){layers->lower, false, true, directory->rights & HOST_RIGHTS_READ_ONLY});
}
