/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the process and the thread may use, on Linux, and mappings that POSIX does not have: larger ones, images in memory. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/internal.h"

uint64_t engine_os_address_space(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

void *engine_os_extend(void *address, size_t old_bytes, size_t new_bytes) {
  void *moved = mremap(address, old_bytes, new_bytes, MREMAP_MAYMOVE);
  return moved == MAP_FAILED ? NULL : moved;
}

int engine_os_thread_number(void) { return (int)syscall(SYS_gettid); }

/* A number that is no thread's of this process any more does no harm. */
void engine_os_signal(int thread_number, int signal) { syscall(SYS_tgkill, getpid(), thread_number, signal); }

static struct engine_native stack_ask(void) {
  struct engine_native stack = {NULL, 0};
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return stack;
  void *low = NULL;
  size_t bytes = 0, guard_bytes = 0;
  if (pthread_attr_getstack(&attributes, &low, &bytes) == 0 &&
      pthread_attr_getguardsize(&attributes, &guard_bytes) == 0 && guard_bytes < bytes)
    stack = (struct engine_native){(char *)low + guard_bytes, bytes - guard_bytes};
  pthread_attr_destroy(&attributes);
  return stack;
}

/* The main thread's stack is read from /proc, which may be missing: then three quarters of the limit, from here. */
static struct engine_native stack_assume(void) {
  enum { USUAL_BYTES = 8 * 1024 * 1024 };
  struct rlimit limit;
  size_t bytes = USUAL_BYTES;
  if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < USUAL_BYTES) bytes = (size_t)limit.rlim_cur;
  bytes = bytes / 4 * 3;
  return (struct engine_native){(char *)__builtin_frame_address(0) - bytes, bytes};
}

struct engine_native engine_os_stack(void) {
  static _Thread_local struct engine_native stack;
  if (!stack.bytes) stack = stack_ask();
  if (!stack.bytes) stack = stack_assume();
  return stack;
}

/* ---- Mappings -------------------------------------------------------------------------------------------------------- */

static size_t map_limit;

static void map_limit_read(void) {
  enum { USUAL = 65530 };
  char text[32] = {0};
  int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  map_limit = got > 0 ? (size_t)strtoul(text, NULL, 10) : 0;
  if (map_limit == 0) map_limit = USUAL;
}

size_t engine_os_map_limit(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, map_limit_read);
  return map_limit;
}

/* Pages that are zero stay holes. */
static bool write_pages(int fd, const uint8_t *bytes, size_t len_bytes) {
  static const uint8_t zeros[4096];
  for (size_t at = 0, count; at < len_bytes; at += count) {
    count = len_bytes - at < sizeof zeros ? len_bytes - at : sizeof zeros;
    if (memcmp(bytes + at, zeros, count) == 0) continue;
    ssize_t written = pwrite(fd, bytes + at, count, (off_t)at);
    if (written < 0 && errno == EINTR) written = 0;
    if (written < 0) return false;
    count = (size_t)written;
  }
  return true;
}

int engine_os_image_new(const uint8_t *bytes, size_t len_bytes) {
  int fd = memfd_create("cay-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -1;
  if (ftruncate(fd, (off_t)len_bytes) == 0 && write_pages(fd, bytes, len_bytes) &&
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
    return fd;
  close(fd);
  return -1;
}

void engine_os_image_free(int image) {
  if (image >= 0) close(image);
}

bool engine_os_image_map(int image, uint8_t *address, size_t len_bytes) {
  return mmap(address, len_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, image, 0) != MAP_FAILED;
}

bool engine_os_image_read(int image, uint8_t *to, size_t len_bytes) {
  for (size_t at = 0; at < len_bytes;) {
    ssize_t got = pread(image, to + at, len_bytes - at, (off_t)at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += (size_t)got;
  }
  return true;
}
