/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* By how much the files of a grant may grow altogether.
 *
 * What counts is the length of files: a file that grows takes from the quota, one that shrinks or goes gives back what
 * its growth took, and no more: bytes that were there before the grant are not the program's to give back. So each file
 * that grew, and each one that is open, has an entry with what it took. Rejected: one number for all files, which a
 * program raises by removing what it never wrote; and the size of the whole tree, which others change, too.
 *
 * A file without a name keeps its space until it is closed, so what it took is given back by the last close. Whether a
 * removed name was a file's last one is asked of the file itself, by a descriptor that was opened before; names of a grant
 * that go are found where they go (path.c).
 *
 * Exactness needs what was judged to be what is done: writes of one grant are made one after the other, under its lock,
 * and at the offset that was judged, whatever another thread does to the position of the file meanwhile. Other processes
 * that change the same files at the same time are counted as far as can be seen.
 *
 * What an entry takes counts as memory of whoever opened the file first, until the entry goes: a program that makes very
 * many files pays for what is known of them.
 *
 * Invariants, under the lock: (1) `used` is the sum of `counted`; (2) used <= limit; (3) an entry has counted > 0 or
 * opens > 0. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "host/object.h"

struct host_quota_file {
  struct host_quota_file *next;
  struct key {
    uint64_t device, inode;
  } key;
  struct base_budget *budget; /* retained: of its MEMORY the entry is */
  uint64_t counted;
  uint32_t opens;
  bool is_nameless; /* the last name went while it was open */
};

struct host_quota {
  atomic_uint references;
  pthread_mutex_t lock;
  uint64_t limit, used;
  atomic_bool has_refused;
  struct host_quota_file **buckets;
  size_t bucket_count, file_count; /* a power of two */
};

enum {
  FIRST_BUCKETS = 64,
  ENTRY_BYTES = sizeof(struct host_quota_file) + 32 /* with its buckets and the allocator's */
};

static struct host_quota_file *entry_new(const struct key *key, struct base_budget *budget) {
  if (!base_budget_take(budget, BASE_LIMIT_MEMORY, ENTRY_BYTES)) return NULL;
  struct host_quota_file *file = base_alloc_zero(1, sizeof *file);
  if (!file) {
    base_budget_give(budget, BASE_LIMIT_MEMORY, ENTRY_BYTES);
    return NULL;
  }
  file->key = *key;
  file->budget = base_budget_retain(budget);
  return file;
}

static void entry_free(struct host_quota_file *file) {
  base_budget_give(file->budget, BASE_LIMIT_MEMORY, ENTRY_BYTES);
  base_budget_release(file->budget);
  base_free(file);
}

struct host_quota *host_quota_new(uint64_t limit_bytes) {
  struct host_quota *quota = base_alloc_zero(1, sizeof *quota);
  struct host_quota_file **buckets = base_alloc_zero(FIRST_BUCKETS, sizeof(struct host_quota_file *));
  if (!quota || !buckets) {
    base_free(quota);
    base_free(buckets);
    return NULL;
  }
  atomic_init(&quota->references, 1);
  pthread_mutex_init(&quota->lock, NULL);
  quota->limit = limit_bytes;
  quota->buckets = buckets;
  quota->bucket_count = FIRST_BUCKETS;
  return quota;
}

struct host_quota *host_quota_retain(struct host_quota *quota) {
  if (quota) atomic_fetch_add_explicit(&quota->references, 1, memory_order_relaxed);
  return quota;
}

void host_quota_release(struct host_quota *quota) {
  if (!quota || atomic_fetch_sub_explicit(&quota->references, 1, memory_order_acq_rel) != 1) return;
  for (size_t i = 0; i < quota->bucket_count; i++)
    for (struct host_quota_file *file = quota->buckets[i], *next; file; file = next) {
      assert(file->opens == 0);
      next = file->next;
      entry_free(file);
    }
  base_free(quota->buckets);
  pthread_mutex_destroy(&quota->lock);
  base_free(quota);
}

uint64_t host_quota_used(struct host_quota *quota) {
  pthread_mutex_lock(&quota->lock);
  uint64_t used = quota->used;
  pthread_mutex_unlock(&quota->lock);
  return used;
}

bool host_quota_has_refused(const struct host_quota *quota) {
  return atomic_load_explicit(&quota->has_refused, memory_order_relaxed);
}

/* ---- Files, under the lock ------------------------------------------------------------------------------------------- */

static struct host_quota_file **slot_of(const struct host_quota *quota, const struct key *key) {
  struct host_quota_file **slot = &quota->buckets[base_hash(key, sizeof *key) & (quota->bucket_count - 1)];
  while (*slot && memcmp(&(*slot)->key, key, sizeof *key) != 0) slot = &(*slot)->next;
  return slot;
}

/* Fewer buckets only make it slower, so it is no failure. */
static void widen(struct host_quota *quota) {
  struct host_quota old = *quota;
  struct host_quota_file **buckets = base_alloc_zero(2 * old.bucket_count, sizeof(struct host_quota_file *));
  if (!buckets) return;
  quota->buckets = buckets;
  quota->bucket_count = 2 * old.bucket_count;
  for (size_t i = 0; i < old.bucket_count; i++)
    for (struct host_quota_file *file = old.buckets[i], *next; file; file = next) {
      next = file->next;
      struct host_quota_file **slot = slot_of(quota, &file->key);
      assert(!*slot);
      file->next = NULL;
      *slot = file;
    }
  base_free(old.buckets);
}

static void give_back(struct host_quota *quota, struct host_quota_file *file, uint64_t bytes) {
  if (bytes > file->counted) bytes = file->counted;
  assert(bytes <= quota->used);
  file->counted -= bytes;
  quota->used -= bytes;
}

/* Forgets the file when nothing has to be known of it. */
static void tidy(struct host_quota *quota, struct host_quota_file *file) {
  if (file->opens > 0) return;
  if (file->is_nameless) give_back(quota, file, file->counted);
  if (file->counted > 0) return;
  struct host_quota_file **slot = slot_of(quota, &file->key);
  assert(*slot == file);
  *slot = file->next;
  quota->file_count--;
  entry_free(file);
}

struct host_quota *host_quota_lock(const struct host_object *object) {
  struct host_quota *quota = object->quota_file ? object->quota : NULL;
  if (quota) pthread_mutex_lock(&quota->lock);
  return quota;
}

void host_quota_unlock(struct host_quota *locked) {
  if (locked) pthread_mutex_unlock(&locked->lock);
}

static struct key key_of(const struct stat *status) {
  return (struct key){.device = status->st_dev, .inode = status->st_ino};
}

/* ---- Opening and removing ---------------------------------------------------------------------------------------------- */

int host_quota_opened(struct host_quota *quota, const struct stat *status, struct base_budget *budget,
                      struct host_quota_file **out) {
  struct key key = key_of(status);
  int result = 0;
  pthread_mutex_lock(&quota->lock);
  if (quota->file_count >= 2 * quota->bucket_count) widen(quota);
  struct host_quota_file **slot = slot_of(quota, &key);
  if (!*slot && (*slot = entry_new(&key, budget))) quota->file_count++;
  if (*slot)
    (*slot)->opens++;
  else
    result = -HOST_ERROR_NOMEM;
  *out = *slot;
  pthread_mutex_unlock(&quota->lock);
  return result;
}

void host_quota_closed(struct host_quota *quota, struct host_quota_file *file) {
  pthread_mutex_lock(&quota->lock);
  assert(file->opens > 0);
  file->opens--;
  tidy(quota, file);
  pthread_mutex_unlock(&quota->lock);
}

int host_quota_watch(const struct host_quota *quota, int directory, const char *name) {
  return quota ? openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
}

void host_quota_watched(struct host_quota *quota, int watched) {
  struct stat status;
  if (watched < 0) return;
  if (host_os_stat(watched, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 0) {
    struct key key = key_of(&status);
    pthread_mutex_lock(&quota->lock);
    struct host_quota_file *file = *slot_of(quota, &key);
    if (file) {
      file->is_nameless = true;
      tidy(quota, file);
    }
    pthread_mutex_unlock(&quota->lock);
  }
  close(watched);
}

/* ---- Growing --------------------------------------------------------------------------------------------------------------- */

/* Locks, and fills in the length; unlocks when it fails. */
static int begin(struct host_object *object, struct host_growth *growth) {
  struct stat status;
  assert(object->quota && object->quota_file);
  pthread_mutex_lock(&object->quota->lock);
  if (host_os_stat(object->fd, &status) == 0) {
    growth->size_before = (uint64_t)status.st_size;
    return 0;
  }
  int result = host_failed();
  pthread_mutex_unlock(&object->quota->lock);
  return result;
}

static int refuse(struct host_object *object) {
  atomic_store_explicit(&object->quota->has_refused, true, memory_order_relaxed);
  pthread_mutex_unlock(&object->quota->lock);
  return -HOST_ERROR_DQUOT;
}

static uint64_t left(const struct host_quota *quota) { return quota->limit - quota->used; }

int host_growth_begin(struct host_object *object, int64_t offset, uint64_t len_bytes, struct host_growth *growth) {
  int result = begin(object, growth);
  if (result) return result;
  /* Linux appends whatever the offset of pwrite says. */
  bool appends = object->flags & HOST_FLAG_APPEND;
  off_t at = appends ? (off_t)growth->size_before : offset < 0 ? lseek(object->fd, 0, SEEK_CUR) : (off_t)offset;
  growth->at = at < 0 ? 0 : (uint64_t)at;
  uint64_t end = growth->size_before + left(object->quota);
  if (end < growth->size_before) end = UINT64_MAX;
  growth->allowed_bytes = end > growth->at ? end - growth->at : 0;
  return growth->allowed_bytes == 0 && len_bytes > 0 ? refuse(object) : 0;
}

int host_resize_begin(struct host_object *object, uint64_t len_bytes, struct host_growth *growth) {
  int result = begin(object, growth);
  if (result) return result;
  bool fits = len_bytes <= growth->size_before || len_bytes - growth->size_before <= left(object->quota);
  return fits ? 0 : refuse(object);
}

void host_growth_end(struct host_object *object, const struct host_growth *growth, uint64_t size_after) {
  struct host_quota *quota = object->quota;
  struct host_quota_file *file = object->quota_file;
  if (size_after > growth->size_before) {
    uint64_t grown = size_after - growth->size_before;
    assert(grown <= left(quota));
    file->counted += grown;
    quota->used += grown;
  } else {
    give_back(quota, file, growth->size_before - size_after);
  }
  pthread_mutex_unlock(&quota->lock);
}
