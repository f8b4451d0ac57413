/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The cache: a folder of kept code, one file for each key (tiers/kept.h), named by the key's hash.
 *
 * Whoever may write into this folder runs machine code in every later run. So the folder is the person's own, of mode 0700,
 * and no grant reaches it (host_forbid). What is in it is believed only where nobody else can have made it: regular files of
 * the person's, of mode 0400 exactly, with one name, and with their own key inside. WASI cannot set permissions, and what a
 * program makes is always writable for its owner; so a program that could replace the whole folder, because the folder above
 * was granted to it, could still make no file in it that counts, nor give one of cay's another meaning. Everything else is
 * as if it was not there, and written anew.
 *
 * A file is complete or absent: it is written under another name, locked meanwhile, and then renamed. Two who write the same
 * write the same bytes, and the last one stays. When one was used, its time of change says so; what was not used for the
 * longest time goes when all together are too large. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/cache.h"

enum { MOST_FILE_BYTES = 1 << 30, FILE_MODE = 0400 };

/* ---- The folder ----------------------------------------------------------------------------------------------------------- */

/* A folder: the one that holds it, and its name there. */
struct place {
  struct base_text parent, name;
};

static void place_deinit(struct place *place) {
  base_text_deinit(&place->parent);
  base_text_deinit(&place->name);
}

/* Shells end the name of a folder in a slash. */
static void split(const char *path, struct place *out) {
  size_t end = strlen(path);
  while (end > 0 && path[end - 1] == '/') end--;
  size_t start = end;
  while (start > 0 && path[start - 1] != '/') start--;
  base_text_add(&out->name, path + start, end - start);
  if (start > 0)
    base_text_add(&out->parent, path, start > 1 ? start - 1 : 1);
  else
    base_text_addz(&out->parent, end > 0 || !*path ? "." : "/");
}

/* Where the cache is: "/home/me/.cache", "cay". False: it has no place, or no memory. */
static bool find_place(const char *setting, char *const *environment, struct place *out) {
  const char *xdg = base_environment(environment, "XDG_CACHE_HOME"), *home = base_environment(environment, "HOME");
  *out = (struct place){0};
  if (setting)
    split(setting, out);
  else if (xdg && *xdg == '/')
    base_text_addz(&out->parent, xdg);
  else if (home && *home == '/')
    base_text_format(&out->parent, "%s/.cache", home);
  else
    return false;
  if (!setting) base_text_addz(&out->name, "cay");
  return !out->parent.failed && !out->name.failed;
}

/* Why the folder is not to be trusted; NULL: it is. That files in it get its group, as in all folders below one where that is so,
 * gives the group nothing. */
static const char *distrust_folder(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return "it cannot be looked at";
  if (status.st_uid != geteuid()) return "it belongs to somebody else";
  return (status.st_mode & 07777 & ~S_ISGID) == 0700 ? NULL : "its mode is not 0700";
}

/* The folder's descriptor, or -1 and errno. */
static int open_folder(const char *parent, const char *name, bool makes) {
  if (makes && mkdir(parent, 0700) != 0 && errno != EEXIST) return -1;
  int above = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (above < 0) return -1;
  int fd = makes && mkdirat(above, name, 0700) != 0 && errno != EEXIST
               ? -1
               : openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int reason = errno;
  close(above);
  errno = reason;
  return fd;
}

static bool is_off(const char *setting) { return setting && strcmp(setting, "off") == 0; }

static enum cay_status open_at(const char *parent, const char *name, bool makes, int *fd, struct cay_error *error) {
  *fd = open_folder(parent, name, makes);
  if (*fd < 0 && !makes && errno == ENOENT) return CAY_OK;
  if (*fd < 0) return base_error_system(error, errno, "the cache %s/%s cannot be used", parent, name);
  const char *problem = distrust_folder(*fd);
  if (!problem) return CAY_OK;
  close(*fd);
  *fd = -1;
  return base_error_set(error, CAY_ERROR_SYSTEM,
                        "the cache %s/%s is not trusted: it has to be a folder of yours with mode 0700, and %s", parent,
                        name, problem);
}

static enum cay_status open_place(struct place *place, bool makes, struct api_cache **out, struct cay_error *error) {
  int fd;
  enum cay_status status = open_at(place->parent.bytes, place->name.bytes, makes, &fd, error);
  if (status || fd < 0) return status;
  base_text_format(&place->parent, "/%s", place->name.bytes);
  struct api_cache *cache = place->parent.failed ? NULL : base_alloc_zero(1, sizeof *cache);
  if (!cache) {
    close(fd);
    return base_error_memory(error);
  }
  *cache = (struct api_cache){.folder = fd, .most_bytes = API_CACHE_BYTES, .jobs = 1, .path = place->parent.bytes};
  place->parent = (struct base_text){0};
  *out = cache;
  return CAY_OK;
}

enum cay_status cache_open(const char *setting, char *const *environment, bool makes, struct api_cache **out,
                           struct cay_error *error) {
  struct place place;
  *out = NULL;
  enum cay_status status = CAY_ERROR_UNSUPPORTED;
  if (find_place(setting, environment, &place))
    status = open_place(&place, makes, out, error);
  else
    base_error_set(error, status, "the cache has no place: neither XDG_CACHE_HOME nor HOME names a folder");
  place_deinit(&place);
  return status;
}

enum cay_status api_cache_open(const char *setting, char *const *environment, bool makes, struct api_cache **out,
                               struct cay_error *error) {
  *out = NULL;
  return is_off(setting) ? CAY_OK : cache_open(setting, environment, makes, out, error);
}

void api_cache_set_size(struct api_cache *cache, uint64_t most_bytes) { cache->most_bytes = most_bytes; }
void api_cache_set_jobs(struct api_cache *cache, unsigned jobs) { cache->jobs = jobs; }

void api_cache_close(struct api_cache *cache) {
  if (!cache) return;
  close(cache->folder);
  base_free(cache->path);
  base_free(cache);
}

/* Whatever is there, trusted or not. */
void api_cache_forbid(const char *setting, char *const *environment) {
  const char *const settings[] = {NULL, is_off(setting) ? NULL : setting};
  for (size_t i = 0; i < BASE_ARRAY_LEN(settings); i++) {
    struct place place;
    if (i > 0 && !settings[i]) continue;
    bool has_place = find_place(settings[i], environment, &place);
    if (has_place) base_text_format(&place.parent, "/%s", place.name.bytes);
    int fd = has_place && !place.parent.failed ? open(place.parent.bytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) host_forbid(fd);
    if (fd >= 0) close(fd);
    place_deinit(&place);
  }
}

/* ---- Files ------------------------------------------------------------------------------------------------------------------ */

/* Why the file does not count; NULL: it does. */
const char *cache_distrust(int fd, struct stat *status) {
  if (fstat(fd, status) != 0 || !S_ISREG(status->st_mode)) return "it is no regular file";
  if (status->st_uid != geteuid()) return "it belongs to somebody else";
  if ((status->st_mode & 07777) != FILE_MODE) return "its mode is not 0400, so cay has not made it";
  if (status->st_nlink != 1) return "it has several names";
  return status->st_size > MOST_FILE_BYTES ? "it is too large" : NULL;
}

int cache_open_file(const struct api_cache *cache, const char *name) {
  return openat(cache->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static bool read_whole(int fd, size_t len_bytes, struct base_file *out) {
  uint8_t *bytes = base_alloc(len_bytes + 1);
  size_t done = 0;
  ssize_t got = 1;
  while (bytes && done < len_bytes && got > 0) {
    got = read(fd, bytes + done, len_bytes - done);
    if (got < 0 && errno == EINTR)
      got = 1;
    else if (got > 0)
      done += (size_t)got;
  }
  *out = (struct base_file){.bytes = bytes, .len_bytes = done};
  return bytes && done == len_bytes;
}

static bool is_name_of(const struct tiers_kept_key *key, const char *name) {
  char own[CACHE_NAME_BYTES];
  cache_name(key, own);
  return strcmp(own, name) == 0;
}

/* Why the code in the file cannot be used; NULL: it can. */
static const char *judge(int fd, const char *name, struct base_file *file, struct tiers_kept *out) {
  struct stat status;
  const char *problem = cache_distrust(fd, &status);
  if (problem) return problem;
  if (!read_whole(fd, (size_t)status.st_size, file)) return "it cannot be read";
  if (tiers_kept_read(file->bytes, file->len_bytes, out, NULL)) return "it is damaged";
  return is_name_of(&out->key, name) ? NULL : "it is what another file should be";
}

void cache_name(const struct tiers_kept_key *key, char out[CACHE_NAME_BYTES]) {
  uint8_t digest[BASE_SHA256_BYTES];
  base_sha256_of(key, sizeof *key, digest);
  base_sha256_hex(digest, out);
  memcpy(out + BASE_SHA256_HEX_BYTES - 1, ".code", sizeof ".code");
}

bool cache_read(const struct api_cache *cache, const struct tiers_kept_key *key, struct base_file *file,
                struct tiers_kept *out) {
  char name[CACHE_NAME_BYTES];
  cache_name(key, name);
  *file = (struct base_file){0};
  int fd = cache_open_file(cache, name);
  if (fd < 0) return false;
  bool good = !judge(fd, name, file, out);
  if (good) futimens(fd, NULL); /* it was used */
  close(fd);
  if (!good) base_file_deinit(file);
  return good;
}

bool cache_has_whole(const struct api_cache *cache, const struct tiers_kept_key *key) {
  struct base_file file;
  struct tiers_kept kept;
  bool is_whole = cache_read(cache, key, &file, &kept) && !kept.is_part;
  base_file_deinit(&file);
  return is_whole;
}

/* Before it is locked, who removes what others have left behind may take it for that (remove_file). Where there are no locks,
 * nobody removes anything. */
static bool is_still_there(int fd) {
  struct stat status;
  int result;
  do result = flock(fd, LOCK_EX);
  while (result != 0 && errno == EINTR);
  return result != 0 || fstat(fd, &status) != 0 || status.st_nlink > 0;
}

int cache_begin(const struct api_cache *cache, char *name, size_t capacity) {
  enum { TRIES = 10 };
  for (int i = 0; i < TRIES; i++) {
    uint64_t number;
    base_os_random(&number, sizeof number);
    snprintf(name, capacity, CACHE_NEW_PREFIX "%016" PRIx64, number);
    int fd = openat(cache->folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || is_still_there(fd)) return fd;
    close(fd);
  }
  return -1;
}

bool cache_commit(const struct api_cache *cache, int fd, const char *from, const char *to) {
  return fchmod(fd, FILE_MODE) == 0 && renameat(cache->folder, from, cache->folder, to) == 0;
}

/* ---- All of them ------------------------------------------------------------------------------------------------------------- */

static bool ends_in(const char *name, const char *end) {
  size_t len = strlen(name), end_len = strlen(end);
  return len >= end_len && strcmp(name + len - end_len, end) == 0;
}
static bool is_code(const char *name) { return ends_in(name, ".code"); }
static bool is_new(const char *name) { return strncmp(name, CACHE_NEW_PREFIX, strlen(CACHE_NEW_PREFIX)) == 0; }
static bool is_hash(const char *name) { return strncmp(name, "at-", 3) == 0; }

struct found {
  char *name;
  int64_t used_s;
  long used_ns;
  uint64_t len_bytes;
};
typedef BASE_VEC(struct found) found_files;

static void found_deinit(found_files *files) {
  for (size_t i = 0; i < files->count; i++) base_free(files->items[i].name);
  BASE_VEC_DEINIT(files);
}

static bool add_found(const struct api_cache *cache, const char *name, found_files *out) {
  struct stat status;
  if (!is_code(name) && !is_new(name) && !is_hash(name)) return true;
  if (fstatat(cache->folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return true; /* it has gone */
  struct found found = {.name = base_string_copy(name, strlen(name)),
                        .used_s = status.st_mtim.tv_sec,
                        .used_ns = status.st_mtim.tv_nsec,
                        .len_bytes = (uint64_t)status.st_size};
  struct found *slot = found.name ? BASE_VEC_PUSH(out) : NULL;
  if (!slot) {
    base_free(found.name);
    return false;
  }
  *slot = found;
  return true;
}

static int by_use(const void *left, const void *right) {
  const struct found *a = left, *b = right;
  if (a->used_s != b->used_s) return a->used_s < b->used_s ? -1 : 1;
  return (a->used_ns > b->used_ns) - (a->used_ns < b->used_ns);
}

/* What is cay's in the folder, the one that was not used for the longest time first. */
static bool find_files(const struct api_cache *cache, found_files *out) {
  int again = openat(cache->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = again < 0 ? NULL : fdopendir(again);
  bool good = folder != NULL;
  if (!folder && again >= 0) close(again);
  for (const struct dirent *entry; good && (entry = readdir(folder));) good = add_found(cache, entry->d_name, out);
  if (folder) closedir(folder);
  if (out->count) qsort(out->items, out->count, sizeof *out->items, by_use);
  return good;
}

/* 0, or errno; EBUSY: it is being written. Who has just begun one waits for the lock, and sees then that it is gone. */
static int remove_file(const struct api_cache *cache, const char *name) {
  int fd = is_new(name) ? cache_open_file(cache, name) : -1;
  bool stays = is_new(name) && (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0);
  int result = stays ? EBUSY : unlinkat(cache->folder, name, 0) == 0 ? 0 : errno;
  if (fd >= 0) close(fd);
  return result;
}

void cache_trim(const struct api_cache *cache) {
  found_files files = {0};
  uint64_t total = 0;
  if (find_files(cache, &files))
    for (size_t i = 0; i < files.count; i++) total += files.items[i].len_bytes;
  for (size_t i = 0; i < files.count; i++) {
    const struct found *file = &files.items[i];
    bool goes = is_new(file->name) || total > cache->most_bytes;
    if (goes && remove_file(cache, file->name) == 0) total -= file->len_bytes;
  }
  found_deinit(&files);
}

static const char *look_at(const struct api_cache *cache, const char *name, struct api_cache_entry *entry) {
  struct base_file file = {0};
  struct tiers_kept kept = {0};
  uint8_t build[BASE_SHA256_BYTES];
  int fd = cache_open_file(cache, name);
  if (fd < 0) return "it cannot be opened";
  const char *problem = judge(fd, name, &file, &kept);
  close(fd);
  tiers_kept_build(build);
  entry->is_current = !problem && memcmp(kept.key.build, build, sizeof build) == 0;
  if (!problem) base_sha256_hex(kept.key.module, entry->module);
  entry->is_part = kept.is_part;
  entry->functions = kept.key.entry_count;
  base_file_deinit(&file);
  return problem;
}

enum cay_status api_cache_each(const struct api_cache *cache,
                               void (*tell)(void *env, const struct api_cache_entry *entry), void *env,
                               struct cay_error *error) {
  found_files files = {0};
  bool good = find_files(cache, &files);
  for (size_t i = files.count; good && i-- > 0;) {
    const struct found *found = &files.items[i];
    struct api_cache_entry entry = {.name = found->name, .len_bytes = found->len_bytes, .used_s = found->used_s};
    if (!is_code(found->name)) continue;
    entry.problem = look_at(cache, found->name, &entry);
    tell(env, &entry);
  }
  found_deinit(&files);
  return good ? CAY_OK : base_error_set(error, CAY_ERROR_SYSTEM, "the cache %s cannot be listed", cache->path);
}

enum cay_status api_cache_clear(struct api_cache *cache, size_t *count, struct cay_error *error) {
  found_files files = {0};
  bool good = find_files(cache, &files);
  int reason = 0;
  *count = 0;
  for (size_t i = 0; good && i < files.count; i++) {
    const char *name = files.items[i].name;
    int result = remove_file(cache, name);
    *count += result == 0 && is_code(name);
    if (result != 0 && result != ENOENT && result != EBUSY) reason = result;
  }
  found_deinit(&files);
  if (reason) return base_error_system(error, reason, "not everything in %s could be removed", cache->path);
  return good ? CAY_OK : base_error_set(error, CAY_ERROR_SYSTEM, "the cache %s cannot be listed", cache->path);
}

/* ---- Waiting ---------------------------------------------------------------------------------------------------------------- */

/* Locks of open files, which a forked child shares, and not of processes. */
static bool lock_bytes(int fd, int command, struct flock *lock) {
  int result;
  lock->l_whence = SEEK_SET;
  do result = fcntl(fd, command, lock);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

bool cache_lock_byte(int fd, off_t at, bool is_alone, bool waits) {
  struct flock lock = {.l_type = is_alone ? F_WRLCK : F_RDLCK, .l_start = at, .l_len = 1};
  return lock_bytes(fd, waits ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
}

void cache_unlock_byte(int fd, off_t at) {
  struct flock lock = {.l_type = F_UNLCK, .l_start = at, .l_len = 1};
  lock_bytes(fd, F_OFD_SETLK, &lock);
}

/* Any of the bytes from `from` to before `to` that somebody holds. */
static bool find_locked(int fd, off_t from, off_t to, off_t *out) {
  struct flock lock = {.l_type = F_WRLCK, .l_start = from, .l_len = to - from};
  if (from >= to || !lock_bytes(fd, F_OFD_GETLK, &lock) || lock.l_type == F_UNLCK) return false;
  *out = lock.l_start;
  return true;
}

static bool runs(off_t process) {
  int fd = base_os_process_fd((int)process);
  struct pollfd end = {.fd = fd, .events = POLLIN};
  bool is_over = fd < 0 || poll(&end, 1, 0) > 0;
  if (fd >= 0) close(fd);
  return !is_over;
}

/* For those whose programs have ended; what a program that still runs has compiled, it may be waiting for itself. */
static bool await_keepers(int fd, off_t from, off_t to) {
  off_t process;
  while (find_locked(fd, from, to, &process)) {
    if (runs(process)) {
      if (!await_keepers(fd, from, process)) return false;
      from = process + 1;
    } else {
      if (!cache_lock_byte(fd, process, true, true)) return false;
      cache_unlock_byte(fd, process);
    }
  }
  return true;
}

enum cay_status api_cache_wait(struct api_cache *cache, struct cay_error *error) {
  int fd = openat(cache->folder, CACHE_LOCK_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return CAY_OK; /* nobody has written yet */
  bool done = fd >= 0 && await_keepers(fd, 0, INT_MAX);
  int reason = errno;
  if (fd >= 0) close(fd);
  return done ? CAY_OK : base_error_system(error, reason, "cannot wait for the cache %s", cache->path);
}
