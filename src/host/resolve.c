/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Paths beneath a directory.
 *
 * Every path operation works on a place: the last component of the path and a descriptor of the directory that holds
 * it. Finding the place means resolving everything in front of the last component, which one of two resolvers does:
 *
 * - the kernel's openat2 with RESOLVE_BENEATH, in one call;
 * - a walker that opens one component after the other with O_NOFOLLOW, expands links by hand and keeps the descriptors
 *   of the directories it came through, so that ".." goes back to a directory that was already passed, wherever the
 *   directories have been moved to meanwhile. It is for overlays, whose directories are two, for systems without openat2
 *   and for filters that forbid it.
 *
 * Links in the last place are followed by replacing the last component with the link's text and finding the place
 * again from the root (host_place_follow). The operation itself then names one component with a call that does not
 * follow links. So a link that is put in place between finding and operating is operated on itself, or refused; it is
 * never followed.
 *
 * Rejected: normalising ".." in the text, which means something else as soon as a link is involved, and checking a
 * path with realpath before use, which races.
 *
 * Invariants: (1) no call follows a link that was not resolved beneath the root; (2) no path given to a call of the
 * walker holds a slash; (3) the walker's stack never holds more than STACK_FDS descriptors: the oldest are closed, and
 * a ".." past them is refused. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "host/overlay.h"

bool host_resolves_in_kernel(const struct host_object *directory) {
  return !directory->synthetic && !directory->overlaid && directory->resolver != HOST_RESOLVER_WALKER;
}

int host_open_beneath(const struct host_object *directory, const char *path, int flags, mode_t mode,
                      bool *unavailable) {
  int fd = host_os_open_beneath(directory->fd, path, flags, mode, false);
  *unavailable = fd == HOST_OS_UNAVAILABLE;
  if (*unavailable) return -HOST_ERROR_NOSYS;
  if (fd >= 0) return fd;
  return errno == EXDEV ? -HOST_ERROR_NOTCAPABLE : host_failed();
}

/* ---- The walker ---------------------------------------------------------------------------------------------------- */

enum { STACK_FDS = 64 };

struct walk {
  struct host_place *place;
  struct host_layers stack[STACK_FDS]; /* the innermost directories, oldest first */
  size_t count;
  bool lost_oldest;
  size_t at; /* the rest of the path is text + at, NUL-terminated at the end of `text` */
  char text[2 * HOST_PATH_BYTES];
};

static const struct host_layers *innermost(const struct walk *walk) {
  return walk->count ? &walk->stack[walk->count - 1] : &walk->place->layers;
}

static bool prepend(struct walk *walk, const char *bytes, size_t len_bytes) {
  assert(walk->at <= sizeof walk->text);
  if (len_bytes > walk->at) return false;
  walk->at -= len_bytes;
  memcpy(walk->text + walk->at, bytes, len_bytes);
  return true;
}

/* The path in its overlay of the innermost directory with a lower part gets one component more, or one less. */
static bool push_name(struct host_place *place, const char *name) {
  size_t len_bytes = strlen(place->directory);
  size_t room = sizeof place->directory - len_bytes;
  return (size_t)snprintf(place->directory + len_bytes, room, "%s%s", len_bytes ? "/" : "", name) < room;
}

static void pop_name(struct host_place *place) {
  char *slash = strrchr(place->directory, '/');
  *(slash ? slash : place->directory) = 0;
}

static int leave(struct walk *walk) {
  if (walk->count == 0) return walk->lost_oldest ? -HOST_ERROR_NAMETOOLONG : -HOST_ERROR_NOTCAPABLE;
  struct host_layers *left = &walk->stack[--walk->count];
  if (left->lower >= 0) pop_name(walk->place);
  host_layers_close(left);
  return 0;
}

static void push(struct walk *walk, const struct host_layers *directory) {
  assert(walk->count <= STACK_FDS);
  if (walk->count == STACK_FDS) {
    host_layers_close(&walk->stack[0]);
    memmove(walk->stack, walk->stack + 1, (STACK_FDS - 1) * sizeof walk->stack[0]);
    walk->count--;
    walk->lost_oldest = true;
  }
  walk->stack[walk->count++] = *directory;
}

/* The text of link `name`, or -INVAL when it is no link. */
static int read_link(int directory, const char *name, char *out, size_t capacity, size_t *len_bytes) {
  ssize_t got = readlinkat(directory, name, out, capacity);
  if (got < 0) return host_failed();
  if ((size_t)got == capacity) return -HOST_ERROR_NAMETOOLONG;
  if (got == 0) return -HOST_ERROR_NOENT;
  if (out[0] == '/') return -HOST_ERROR_NOTCAPABLE;
  *len_bytes = (size_t)got;
  return 0;
}

static int expand(struct walk *walk, const char *name) {
  char target[HOST_PATH_BYTES];
  size_t len_bytes = 0;
  int holder = host_layers_holder(innermost(walk), name);
  int result = read_link(holder, name, target, sizeof target, &len_bytes);
  if (result == -HOST_ERROR_INVAL) return -HOST_ERROR_NOTDIR;
  if (result) return result;
  if (++walk->place->links > HOST_LINKS_MAX) return -HOST_ERROR_LOOP;
  return prepend(walk, "/", 1) && prepend(walk, target, len_bytes) ? 0 : -HOST_ERROR_NAMETOOLONG;
}

static int step(struct walk *walk, const char *name) {
  assert(*name && !strchr(name, '/'));
  if (strcmp(name, ".") == 0) return 0;
  if (strcmp(name, "..") == 0) return leave(walk);
  if (walk->place->overlay && host_layers_reserve(name)) return -HOST_ERROR_PERM;
  struct host_layers directory;
  if (host_is_process(host_layers_holder(innermost(walk), name), name)) return -HOST_ERROR_NOTCAPABLE;
  int result = host_layers_enter(innermost(walk), name, &directory);
  if (result) return result == -HOST_ERROR_NOTDIR || result == -HOST_ERROR_LOOP ? expand(walk, name) : result;
  if (host_is_forbidden(directory.upper) || host_is_forbidden(directory.lower)) {
    host_layers_close(&directory);
    return -HOST_ERROR_NOTCAPABLE;
  }
  push(walk, &directory);
  return directory.lower < 0 || push_name(walk->place, name) ? 0 : -HOST_ERROR_NAMETOOLONG;
}

/* Takes the next component off the text; false at the end. */
static bool next_component(struct walk *walk, char *out, int *result) {
  while (walk->text[walk->at] == '/') walk->at++;
  size_t len_bytes = strcspn(walk->text + walk->at, "/");
  if (len_bytes == 0) return false;
  *result = len_bytes > NAME_MAX ? -HOST_ERROR_NAMETOOLONG : 0;
  if (*result) return true;
  memcpy(out, walk->text + walk->at, len_bytes);
  out[len_bytes] = 0;
  walk->at += len_bytes;
  return true;
}

/* Goes from the place's layers to the directory `path`, which becomes them. */
static int walk_to(struct host_place *place, const char *path) {
  struct walk walk;
  walk.place = place;
  walk.count = 0;
  walk.lost_oldest = false;
  walk.at = sizeof walk.text;
  bool fits = prepend(&walk, "", 1) && prepend(&walk, path, strlen(path));
  assert(fits);
  (void)fits;
  char name[NAME_MAX + 1];
  int result = 0;
  while (result == 0 && next_component(&walk, name, &result))
    if (result == 0) result = step(&walk, name);
  if (result == 0 && walk.count) {
    place->layers = walk.stack[--walk.count];
    place->owns_layers = true;
  }
  while (walk.count) host_layers_close(&walk.stack[--walk.count]);
  return result;
}

/* ---- Places -------------------------------------------------------------------------------------------------------- */

static int set_directory(struct host_place *place, const char *path) {
  bool unavailable = place->walks || !host_resolves_in_kernel(place->root);
  int fd = unavailable ? -1 : host_open_beneath(place->root, path, host_os_directory_flags, 0, &unavailable);
  if (unavailable) return walk_to(place, path);
  if (fd < 0) return fd;
  place->layers = (struct host_layers){.upper = fd, .lower = -1};
  place->owns_layers = true;
  return 0;
}

/* Where the walk begins. */
static int set_root(struct host_place *place) {
  place->owns_layers = false;
  const char *path = host_overlay_path_of(place->root);
  int result = host_layers_of(place->root, &place->layers);
  if (place->overlay) memcpy(place->directory, path, strlen(path) + 1);
  return result;
}

/* A synthetic directory has no depth: the first real component is an entry, and an entry has nothing below it. */
static int find_synthetic(struct host_place *place) {
  char *at = place->text;
  for (;;) {
    at += strspn(at, "/");
    size_t len_bytes = strcspn(at, "/");
    if (len_bytes == 0) break;
    if (len_bytes == 2 && memcmp(at, "..", 2) == 0) return -HOST_ERROR_NOTCAPABLE;
    if (len_bytes == 1 && *at == '.') {
      at += len_bytes;
      continue;
    }
    const struct host_synthetic *synthetic = place->root->synthetic;
    for (size_t i = 0; i < synthetic->entries.count; i++) {
      const struct host_synthetic_entry *entry = &synthetic->entries.items[i];
      if (strlen(entry->name) != len_bytes || memcmp(entry->name, at, len_bytes) != 0) continue;
      if (at[len_bytes]) return -HOST_ERROR_NOTDIR;
      place->layers = (struct host_layers){.upper = entry->directory_fd, .lower = -1};
      place->memory = entry->memory_fd;
      place->last = entry->host_name;
      place->rights = entry->rights & place->root->rights;
      place->looks_first = entry->looks_first;
      place->quota = entry->quota;
      return 0;
    }
    return -HOST_ERROR_NOENT;
  }
  place->last_kind = HOST_LAST_SELF;
  return 0;
}

/* Splits place->text, which is cut apart, and opens the directory of the last component. */
static int find_directory(struct host_place *place) {
  place->last_kind = HOST_LAST_NAME;
  place->wants_directory = false;
  if (place->text[0] == '/') return -HOST_ERROR_NOTCAPABLE;
  if (place->root->synthetic) return find_synthetic(place);
  size_t end = strlen(place->text);
  while (end > 1 && place->text[end - 1] == '/') end--;
  place->wants_directory = place->text[end] == '/';
  place->text[end] = 0;
  char *slash = strrchr(place->text, '/');
  char *last = slash ? slash + 1 : place->text;
  if (strcmp(last, ".") == 0 || strcmp(last, "..") == 0) {
    place->last_kind = HOST_LAST_SELF;
    return set_directory(place, place->text);
  }
  if (strlen(last) > NAME_MAX) return -HOST_ERROR_NAMETOOLONG;
  place->last = last;
  if (!slash) return 0;
  *slash = 0;
  int result = set_directory(place, place->text);
  *slash = '/';
  return result;
}

static int find(struct host_place *place) {
  int result = set_root(place);
  if (result == 0) result = find_directory(place);
  if (result) return result;
  const struct host_layers *layers = &place->layers;
  if (place->last_kind == HOST_LAST_SELF || place->memory >= 0) {
    place->parent = layers->upper >= 0 ? layers->upper : layers->lower;
    return 0;
  }
  if (place->overlay && host_layers_reserve(place->last)) return -HOST_ERROR_PERM;
  place->parent = host_layers_holder(layers, place->last);
  bool is_closed = host_is_process(place->parent, place->last) || host_is_forbidden_name(place->parent, place->last);
  return is_closed ? -HOST_ERROR_NOTCAPABLE : 0;
}

static int begin(const struct host_object *root, struct host_path path, bool walks, struct host_place *out) {
  out->root = root;
  out->walks = walks;
  host_place_init(out);
  out->rights = root->rights;
  out->quota = root->quota;
  out->looks_first = true;
  out->memory = -1;
  out->links = 0;
  if (root->kind != HOST_KIND_DIRECTORY) return -HOST_ERROR_NOTDIR;
  if (path.len_bytes == 0) return -HOST_ERROR_NOENT;
  if (path.len_bytes >= sizeof out->text) return -HOST_ERROR_NAMETOOLONG;
  if (memchr(path.bytes, 0, path.len_bytes)) return -HOST_ERROR_INVAL;
  memcpy(out->text, path.bytes, path.len_bytes);
  out->text[path.len_bytes] = 0;
  out->overlay = host_overlay_of(root);
  host_overlay_lock(out->overlay);
  return find(out);
}

int host_place_find(const struct host_object *root, struct host_path path, struct host_place *out) {
  return begin(root, path, false, out);
}

int host_place_walk(const struct host_object *root, struct host_path path, struct host_place *out) {
  return begin(root, path, true, out);
}

static void close_layers(struct host_place *place) {
  if (place->owns_layers) host_layers_close(&place->layers);
  place->owns_layers = false;
}

void host_place_deinit(struct host_place *place) {
  close_layers(place);
  host_overlay_unlock(place->overlay);
}

int host_place_follow(struct host_place *place) {
  if (place->last_kind == HOST_LAST_SELF) return 0;
  char target[HOST_PATH_BYTES];
  size_t len_bytes = 0;
  int result = read_link(place->parent, place->last, target, sizeof target, &len_bytes);
  if (result == -HOST_ERROR_INVAL) return 0;
  if (result) return result;
  if (place->root->synthetic || ++place->links > HOST_LINKS_MAX) return -HOST_ERROR_LOOP;
  assert(place->last >= place->text && place->last < place->text + sizeof place->text);
  size_t before = (size_t)(place->last - place->text);
  size_t slash = place->wants_directory ? 1 : 0;
  if (before + len_bytes + slash >= sizeof place->text) return -HOST_ERROR_NAMETOOLONG;
  memcpy(place->text + before, target, len_bytes);
  place->text[before + len_bytes] = '/';
  place->text[before + len_bytes + slash] = 0;
  close_layers(place);
  result = find(place);
  return result ? result : 1;
}

int host_place_follow_all(struct host_place *place) {
  int result;
  do result = host_place_follow(place);
  while (result == 1);
  return result;
}
