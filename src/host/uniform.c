/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Files that look the same on every host, for runs that must not depend on it.
 *
 * Inodes are numbered in the order in which the guest first sees them: a table leads from (device, inode) to the number.
 * What is removed is forgotten, because file systems give its inode to the next new file, some at once and some never;
 * and a file without a name left has no number. Times are one moment, devices 0, directories have no size, and their
 * names are read in the order of their bytes. That leaves what belongs to the files themselves: names, kinds, sizes,
 * contents, the links of files.
 *
 * A listing is read whole when it starts, so that entries which come and go meanwhile make no difference to the
 * positions of the others. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/overlay.h"

struct seen {
  uint64_t device, inode, number; /* number 0: free */
};

struct host_uniform {
  pthread_mutex_t lock;
  int64_t time_ns;
  uint64_t last_number;
  struct seen *table; /* open addressing, no more than half full */
  size_t count, capacity;
  struct base_budget *budget; /* retained: of its MEMORY the table is; NULL: nobody's */
};

struct host_uniform *host_uniform_new(uint64_t time_ns) {
  struct host_uniform *uniform = base_alloc_zero(1, sizeof *uniform);
  if (!uniform) return NULL;
  pthread_mutex_init(&uniform->lock, NULL);
  uniform->time_ns = (int64_t)time_ns;
  return uniform;
}

static uint64_t table_bytes(const struct host_uniform *uniform) { return uniform->capacity * sizeof *uniform->table; }

void host_uniform_set_budget(struct host_uniform *uniform, struct base_budget *budget) {
  assert(!uniform->budget && !uniform->capacity);
  uniform->budget = base_budget_retain(budget);
}

void host_uniform_free(struct host_uniform *uniform) {
  if (!uniform) return;
  pthread_mutex_destroy(&uniform->lock);
  base_budget_give(uniform->budget, BASE_LIMIT_MEMORY, table_bytes(uniform));
  base_budget_release(uniform->budget);
  base_free(uniform->table);
  base_free(uniform);
}

/* ---- Inodes -------------------------------------------------------------------------------------------------------- */

static size_t home_of(const struct host_uniform *uniform, uint64_t device, uint64_t inode) {
  const uint64_t key[] = {device, inode};
  return base_hash(key, sizeof key) & (uniform->capacity - 1);
}

/* The entry, or the free one where it belongs. */
static struct seen *find(const struct host_uniform *uniform, uint64_t device, uint64_t inode) {
  size_t at = home_of(uniform, device, inode);
  for (;; at = (at + 1) & (uniform->capacity - 1)) {
    struct seen *seen = &uniform->table[at];
    if (seen->number == 0 || (seen->device == device && seen->inode == inode)) return seen;
  }
}

static bool grow(struct host_uniform *uniform) {
  enum { FIRST = 64 };
  struct host_uniform larger = *uniform;
  larger.capacity = uniform->capacity ? uniform->capacity * 2 : FIRST;
  if (!base_budget_take(uniform->budget, BASE_LIMIT_MEMORY, table_bytes(&larger))) return false;
  larger.table = base_alloc_zero(larger.capacity, sizeof *larger.table);
  base_budget_give(uniform->budget, BASE_LIMIT_MEMORY, table_bytes(larger.table ? uniform : &larger));
  if (!larger.table) return false;
  for (size_t i = 0; i < uniform->capacity; i++) {
    const struct seen *seen = &uniform->table[i];
    if (seen->number) *find(&larger, seen->device, seen->inode) = *seen;
  }
  base_free(uniform->table);
  uniform->table = larger.table;
  uniform->capacity = larger.capacity;
  return true;
}

static int number_locked(struct host_uniform *uniform, uint64_t device, uint64_t inode, uint64_t *number) {
  if (uniform->count * 2 >= uniform->capacity && !grow(uniform)) return -HOST_ERROR_NOMEM;
  struct seen *seen = find(uniform, device, inode);
  if (seen->number == 0) {
    *seen = (struct seen){device, inode, ++uniform->last_number};
    uniform->count++;
  }
  *number = seen->number;
  return 0;
}

static int number_of(struct host_uniform *uniform, uint64_t device, uint64_t inode, uint64_t *number) {
  pthread_mutex_lock(&uniform->lock);
  int result = number_locked(uniform, device, inode, number);
  pthread_mutex_unlock(&uniform->lock);
  return result;
}

/* Takes an entry out; those behind it move up, so that searches still find them. */
static void take_out(struct host_uniform *uniform, struct seen *seen) {
  size_t hole = (size_t)(seen - uniform->table), mask = uniform->capacity - 1;
  for (size_t at = (hole + 1) & mask; uniform->table[at].number; at = (at + 1) & mask) {
    size_t home = home_of(uniform, uniform->table[at].device, uniform->table[at].inode);
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    uniform->table[hole] = uniform->table[at];
    hole = at;
  }
  uniform->table[hole] = (struct seen){0};
  uniform->count--;
}

void host_uniform_forget(struct host_uniform *uniform, const struct host_stat *stat) {
  if (stat->kind != HOST_KIND_DIRECTORY && stat->links > 1) return; /* it has another name */
  pthread_mutex_lock(&uniform->lock);
  struct seen *seen = uniform->capacity ? find(uniform, stat->device, stat->inode) : NULL;
  if (seen && seen->number) take_out(uniform, seen);
  pthread_mutex_unlock(&uniform->lock);
}

int host_uniform_stat(struct host_uniform *uniform, struct host_stat *stat) {
  uint64_t number = 0;
  bool is_file = stat->kind == HOST_KIND_REGULAR || stat->kind == HOST_KIND_SYMLINK;
  bool has_name = stat->links > 0;
  int result = has_name ? number_of(uniform, stat->device, stat->inode, &number) : 0;
  if (result) return result;
  *stat = (struct host_stat){.inode = number,
                             .links = is_file ? stat->links : 1,
                             .size_bytes = is_file ? stat->size_bytes : 0,
                             .access_ns = uniform->time_ns,
                             .modify_ns = uniform->time_ns,
                             .change_ns = uniform->time_ns,
                             .kind = stat->kind};
  return 0;
}

/* ---- Names in order --------------------------------------------------------------------------------------------------- */

void host_names_deinit(struct host_names *names) {
  for (size_t i = 0; i < names->items.count; i++) base_free(names->items.items[i].bytes);
  BASE_VEC_DEINIT(&names->items);
  base_budget_give(names->budget, BASE_LIMIT_MEMORY, names->counted_bytes);
  names->counted_bytes = 0;
}

static int compare(const void *a, const void *b) {
  return strcmp(((const struct host_name *)a)->bytes, ((const struct host_name *)b)->bytes);
}

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

static bool add(struct host_names *names, const char *bytes) {
  enum { PLACE_BYTES = 32 }; /* of a name, besides its own bytes */
  uint64_t counted_bytes = PLACE_BYTES + strlen(bytes);
  if (!base_budget_take(names->budget, BASE_LIMIT_MEMORY, counted_bytes)) return false;
  names->counted_bytes += counted_bytes;
  struct host_name *name = BASE_VEC_PUSH(&names->items);
  if (name) name->bytes = base_string_copy(bytes, strlen(bytes));
  return name && name->bytes;
}

/* Names that the upper layer has, too, are read there. */
static bool shows(const struct host_layers *layers, int fd, const char *name) {
  return !host_layers_reserve(name) && (fd == layers->upper || host_layers_holder(layers, name) == fd);
}

static int read_all(struct host_names *names, DIR *directory, const struct host_layers *layers, int fd) {
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(directory);
    if (!entry) return errno ? host_failed() : 0;
    if (is_dots(entry->d_name) || (names->is_overlay && !shows(layers, fd, entry->d_name))) continue;
    if (!add(names, entry->d_name)) return -HOST_ERROR_NOMEM;
  }
}

static int read_layer(struct host_names *names, const struct host_layers *layers, int fd) {
  if (fd < 0) return 0;
  int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = own < 0 ? NULL : fdopendir(own);
  if (!directory) {
    int result = host_failed();
    if (own >= 0) close(own);
    return result;
  }
  int result = read_all(names, directory, layers, fd);
  closedir(directory);
  return result;
}

int host_names_read(struct host_names *names, const struct host_layers *directory) {
  host_names_deinit(names);
  int result = read_layer(names, directory, directory->upper);
  if (result == 0) result = read_layer(names, directory, directory->lower);
  if (result == 0 && names->items.count)
    qsort(names->items.items, names->items.count, sizeof *names->items.items, compare);
  return result;
}

/* One that went away since the names were read has no kind and no number. */
static int describe(struct host_uniform *uniform, const struct host_layers *directory, const char *name,
                    struct host_entry *out) {
  struct stat status;
  bool is_self = strcmp(name, ".") == 0;
  int result = is_self ? host_layers_stat_self(directory, &status) : host_layers_stat(directory, name, &status);
  if (result) return 0;
  out->kind = host_kind_of_mode(status.st_mode);
  out->inode = status.st_ino;
  if (!uniform) return 0;
  return number_of(uniform, status.st_dev, status.st_ino, &out->inode);
}

int host_names_entry(struct host_names *names, struct host_uniform *uniform, const struct host_layers *directory,
                     uint64_t cookie, struct host_entry *out, bool *found) {
  enum { DOTS = 2 };
  int result = cookie == 0 ? host_names_read(names, directory) : 0;
  *found = result == 0 && cookie < names->items.count + DOTS;
  if (!*found) return result;
  const char *name = cookie == 0 ? "." : cookie == 1 ? ".." : names->items.items[cookie - DOTS].bytes;
  *out = (struct host_entry){
      .next_cookie = cookie + 1, .kind = HOST_KIND_DIRECTORY, .name = name, .len_bytes = strlen(name)};
  if (cookie == 1) return 0; /* the parent of a granted directory is nobody's business */
  if (cookie >= DOTS) out->kind = HOST_KIND_UNKNOWN;
  return describe(uniform, directory, name, out);
}
