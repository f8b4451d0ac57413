/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Address space, clocks and whole files on POSIX systems. */
#include "base/base.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Asked for once; two threads that ask at the same time get the same answer. */
size_t base_os_page_bytes(void) {
  static _Atomic size_t page_bytes;
  size_t known = atomic_load_explicit(&page_bytes, memory_order_relaxed);
  if (known) return known;
  known = (size_t)sysconf(_SC_PAGESIZE);
  atomic_store_explicit(&page_bytes, known, memory_order_relaxed);
  return known;
}

void *base_os_map(size_t bytes) {
  void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address == MAP_FAILED ? NULL : address;
}

void *base_os_reserve(size_t bytes) {
  void *address = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address == MAP_FAILED ? NULL : address;
}

bool base_os_commit(void *address, size_t bytes) {
  return bytes == 0 || mprotect(address, bytes, PROT_READ | PROT_WRITE) == 0;
}

bool base_os_decommit(void *address, size_t bytes) {
  return bytes == 0 ||
         mmap(address, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* That the pages are zero afterwards is Linux's promise; POSIX's own call of this name makes none. A new mapping in place
 * of the old one would work everywhere, but it fails when the process has too many mappings, and leaves a hole. */
bool base_os_discard(void *address, size_t bytes) { return bytes == 0 || madvise(address, bytes, MADV_DONTNEED) == 0; }

static atomic_bool is_ending;
void base_os_set_ending(void) { atomic_store_explicit(&is_ending, true, memory_order_relaxed); }
bool base_os_is_ending(void) { return atomic_load_explicit(&is_ending, memory_order_relaxed); }

void base_os_release(void *address, size_t bytes) {
  if (base_os_is_ending()) return;
  int result = munmap(address, bytes);
  assert(result == 0);
  (void)result;
}

uint64_t base_os_monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t base_os_memory_bytes(void) {
  long pages = sysconf(_SC_PHYS_PAGES);
  return pages > 0 ? (uint64_t)pages * base_os_page_bytes() : 0;
}

void base_os_random(void *bytes, size_t len_bytes) {
  if (getentropy(bytes, len_bytes) == 0) return;
  /* Only where the kernel refuses: addresses and time are better than a constant. */
  uint64_t seed = base_os_monotonic_ns() ^ (uint64_t)(uintptr_t)&bytes;
  for (size_t i = 0; i < len_bytes; i++) ((uint8_t *)bytes)[i] = (uint8_t)(seed >> (i % 8 * 8));
}

bool base_os_write_all(int fd, const void *bytes, size_t len_bytes) {
  for (const char *at = bytes; len_bytes > 0;) {
    ssize_t written = write(fd, at, len_bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = EIO; /* neither progress nor a reason */
    if (written <= 0) return false;
    at += written;
    len_bytes -= (size_t)written;
  }
  return true;
}

/* Files are read, not mapped: somebody may change a mapped file after it was validated (the guest itself, when its own
 * file lies in a directory that was granted), and nothing later looks at it with the same distrust. */
static enum cay_status file_read_all(int fd, const char *path, size_t expected_bytes, struct base_file *out,
                                     struct cay_error *error) {
  BASE_VEC(uint8_t) bytes = {0};
  size_t room = expected_bytes + 1; /* so that the end is seen without growing */
  for (;;) {
    if (!BASE_VEC_RESERVE(&bytes, bytes.count + room)) {
      BASE_VEC_DEINIT(&bytes);
      return base_error_memory(error);
    }
    ssize_t got = read(fd, bytes.items + bytes.count, bytes.capacity - bytes.count);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      int reason = errno;
      BASE_VEC_DEINIT(&bytes);
      return base_error_system(error, reason, "cannot read %s", path);
    }
    if (got == 0) break;
    bytes.count += (size_t)got;
    room = bytes.count == bytes.capacity ? 65536 : 1;
  }
  *out = (struct base_file){.bytes = bytes.items, .len_bytes = bytes.count};
  return CAY_OK;
}

static struct base_file_identity identity_of(int fd) {
  struct stat file;
  if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) || file.st_size < 0) return (struct base_file_identity){0};
  return (struct base_file_identity){.device = file.st_dev,
                                     .inode = file.st_ino,
                                     .len_bytes = (uint64_t)file.st_size,
                                     .modify_ns = (int64_t)file.st_mtim.tv_sec * 1000000000 + file.st_mtim.tv_nsec,
                                     .change_ns = (int64_t)file.st_ctim.tv_sec * 1000000000 + file.st_ctim.tv_nsec,
                                     .is_known = 1};
}

bool base_file_is_settled(const struct base_file_identity *identity) {
  enum { MOMENT_NS = 2000000000 };
  struct timespec now;
  if (!identity->is_known || clock_gettime(CLOCK_REALTIME, &now) != 0) return false;
  int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
  return now_ns - identity->change_ns > MOMENT_NS && now_ns - identity->modify_ns > MOMENT_NS;
}

enum cay_status base_file_read_known(const char *path, struct base_file *out, struct base_file_identity *identity,
                                     struct cay_error *error) {
  if (identity) *identity = (struct base_file_identity){0};
  if (strcmp(path, "-") == 0) return file_read_all(STDIN_FILENO, "standard input", 65536, out, error);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return base_error_system(error, errno, "cannot open %s", path);
  struct base_file_identity before = identity_of(fd), after;
  size_t expected_bytes = before.is_known ? (size_t)before.len_bytes : 65536;
  enum cay_status status = file_read_all(fd, path, expected_bytes, out, error);
  if (identity && !status) {
    after = identity_of(fd);
    bool is_same = memcmp(&before, &after, sizeof before) == 0 && out->len_bytes == before.len_bytes;
    if (is_same) *identity = before;
  }
  close(fd);
  return status;
}

enum cay_status base_file_read(const char *path, struct base_file *out, struct cay_error *error) {
  return base_file_read_known(path, out, NULL, error);
}

enum cay_status base_file_read_from(int fd, struct base_file *out, struct cay_error *error) {
  return file_read_all(fd, "what was sent", 65536, out, error);
}

static bool holds(const struct base_file_identity *file, uint64_t at, uint64_t len_bytes) {
  return file->is_known && at <= file->len_bytes && len_bytes <= file->len_bytes - at && len_bytes < SIZE_MAX / 2;
}

/* Mapped and not read, though a file may change: the program's own instructions are mapped from that file in the same way, so
 * who can change the one can change the other. Linux lets nobody write to a file that is executed (ETXTBSY), but for 6.11
 * and early 6.12; a file system that other machines write to, too, may know nothing of that. */
enum cay_status base_file_map_own(uint64_t at, uint64_t len_bytes, struct base_file *out, bool *is_short,
                                  struct cay_error *error) {
  *out = (struct base_file){.stays = true};
  *is_short = false;
  int fd = open(BASE_OWN_EXECUTABLE, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return base_error_system(error, errno, "cannot open %s", BASE_OWN_EXECUTABLE);
  struct base_file_identity file = identity_of(fd);
  *is_short = !holds(&file, at, len_bytes);
  size_t before = (size_t)(at % base_os_page_bytes());
  void *map = MAP_FAILED;
  if (!*is_short && len_bytes > 0)
    map = mmap(NULL, before + (size_t)len_bytes, PROT_READ, MAP_PRIVATE, fd, (off_t)(at - before));
  int reason = errno;
  close(fd);
  if (*is_short) return base_error_set(error, CAY_ERROR_MALFORMED, "%s ends too early", BASE_OWN_EXECUTABLE);
  if (len_bytes == 0) return CAY_OK;
  if (map == MAP_FAILED) return base_error_system(error, reason, "cannot map %s", BASE_OWN_EXECUTABLE);
  out->bytes = (const uint8_t *)map + before;
  out->len_bytes = (size_t)len_bytes;
  return CAY_OK;
}

/* Looks before it opens, because opening alone can block or rewind a tape; and once more, because a stranger may change
 * what is there in between. */
static enum cay_status open_regular(const char *path, int *fd, bool *missing, struct cay_error *error) {
  struct stat file;
  *fd = -1;
  *missing = false;
  bool found = stat(path, &file) == 0;
  if (found && S_ISREG(file.st_mode)) {
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    found = *fd >= 0 && fstat(*fd, &file) == 0;
  }
  if (found && S_ISREG(file.st_mode)) return CAY_OK;
  int reason = errno;
  if (*fd >= 0) close(*fd);
  if (found) return base_error_set(error, CAY_ERROR_UNSUPPORTED, "%s is not a regular file", path);
  *missing = reason == ENOENT || reason == ENOTDIR;
  return base_error_system(error, reason, "cannot open %s", path);
}

enum cay_status base_file_read_small(const char *path, size_t most_bytes, struct base_file *out, bool *missing,
                                     struct cay_error *error) {
  int fd;
  enum cay_status status = open_regular(path, &fd, missing, error);
  if (status) return status;
  uint8_t *bytes = base_alloc(most_bytes + 1);
  size_t len = 0;
  ssize_t got = bytes ? 1 : 0;
  while (got > 0 && len <= most_bytes) {
    got = read(fd, bytes + len, most_bytes + 1 - len);
    if (got < 0 && errno == EINTR)
      got = 1;
    else if (got > 0)
      len += (size_t)got;
  }
  int reason = errno;
  close(fd);
  *out = (struct base_file){.bytes = bytes, .len_bytes = len};
  if (bytes && got >= 0) return CAY_OK;
  base_file_deinit(out);
  return bytes ? base_error_system(error, reason, "cannot read %s", path) : base_error_memory(error);
}

void base_file_deinit(struct base_file *file) {
  if (!file->stays) base_free((void *)(uintptr_t)file->bytes);
  *file = (struct base_file){0};
}
