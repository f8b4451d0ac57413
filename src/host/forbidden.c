/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Folders that no grant reaches: those of which cay believes what is in them.
 *
 * A folder is known by its device and number, wherever it is moved to and by whatever name it is called. It is refused as a
 * grant, and so is what lies in it. A grant that lies above it stays what it is, but its paths are walked component by
 * component (resolve.c), and each component is looked at: one that is the folder is refused, as a last one, too, so that it
 * cannot be opened, asked about, renamed or removed. Other grants cannot come there and cost nothing. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "host/object.h"

enum { DEPTH_MAX = 128 };

struct place_id {
  dev_t device;
  ino_t inode;
};
struct forbidden {
  struct place_id self, above[DEPTH_MAX];
  size_t depth; /* how many are above */
};
static struct forbidden folders[HOST_FORBIDDEN_MAX];
static atomic_size_t folder_count;                       /* those before are there to stay */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of who adds one */

static bool id_of(int fd, struct place_id *out) {
  struct stat status;
  if (fstat(fd, &status) != 0) return false;
  *out = (struct place_id){status.st_dev, status.st_ino};
  return true;
}

static bool is_same(const struct place_id *a, const struct place_id *b) {
  return a->device == b->device && a->inode == b->inode;
}

/* The directories above `fd`, the next one first, up to the root, which is its own parent. */
static size_t climb(int fd, struct place_id out[DEPTH_MAX]) {
  size_t count = 0;
  struct place_id below;
  int at = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  bool goes_on = at >= 0 && id_of(at, &below);
  while (goes_on && count < DEPTH_MAX) {
    int parent = openat(at, "..", host_os_directory_flags);
    close(at);
    at = parent;
    goes_on = at >= 0 && id_of(at, &out[count]) && !is_same(&out[count], &below);
    if (goes_on) below = out[count++];
  }
  if (at >= 0) close(at);
  return count;
}

static bool is_known(const struct forbidden *folder) {
  for (size_t i = 0; i < folder_count; i++)
    if (is_same(&folder->self, &folders[i].self) && folder->depth == folders[i].depth &&
        memcmp(folder->above, folders[i].above, folder->depth * sizeof *folder->above) == 0)
      return true;
  return false;
}

static bool is_one(const struct place_id *id) {
  for (size_t i = 0; i < folder_count; i++)
    if (is_same(id, &folders[i].self)) return true;
  return false;
}

static bool add(int folder) {
  struct forbidden added = {.depth = 0};
  if (!id_of(folder, &added.self)) return false;
  added.depth = climb(folder, added.above);
  if (is_known(&added)) return true; /* and where it was */
  if (folder_count == HOST_FORBIDDEN_MAX) return false;
  folders[folder_count++] = added;
  return true;
}

bool host_forbid(int folder) {
  pthread_mutex_lock(&lock);
  bool is_added = add(folder);
  pthread_mutex_unlock(&lock);
  return is_added;
}

bool host_is_forbidden(int fd) {
  struct place_id id;
  return folder_count && fd >= 0 && id_of(fd, &id) && is_one(&id);
}

bool host_is_forbidden_name(int directory, const char *name) {
  struct stat status;
  if (!folder_count || fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
  return is_one(&(struct place_id){status.st_dev, status.st_ino});
}

bool host_is_in_forbidden(int fd) {
  struct place_id above[DEPTH_MAX];
  if (!folder_count) return false;
  if (host_is_forbidden(fd)) return true;
  size_t depth = climb(fd, above);
  for (size_t i = 0; i < depth; i++)
    if (is_one(&above[i])) return true;
  return false;
}

bool host_is_above_forbidden(int fd) {
  struct place_id id;
  if (!folder_count || !id_of(fd, &id)) return false;
  for (size_t i = 0; i < folder_count; i++)
    for (size_t k = 0; k < folders[i].depth; k++)
      if (is_same(&id, &folders[i].above[k])) return true;
  return false;
}
