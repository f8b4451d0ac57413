/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Which pages of private mappings were written to, as Linux tells it: the entries of /proc/self/pagemap, and how many page faults a
 * thread had. Both are tried once before anything is built on them, because systems that only resemble Linux have neither. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/internal.h"

/* Of an entry: the page is in memory, it is in the swap, it is a file's or shared. */
#define IS_PRESENT (UINT64_C(1) << 63)
#define IS_SWAPPED (UINT64_C(1) << 62)
#define IS_SHARED (UINT64_C(1) << 61)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool tells;
static atomic_int pagemap = -1;

bool engine_os_faults(uint64_t *count) {
  struct rusage usage;
  if (getrusage(RUSAGE_THREAD, &usage) != 0) return false;
  *count = (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
  return true;
}

bool engine_os_small_pages(uint8_t *address, size_t len_bytes) {
  return madvise(address, len_bytes, MADV_NOHUGEPAGE) == 0 || errno == EINVAL; /* a kernel that has none */
}

bool engine_os_own_pages(const uint8_t *address, size_t len_bytes, uint32_t *pages, uint32_t room, uint32_t *count) {
  enum { PART = 256 };
  uint64_t entries[PART];
  size_t page_bytes = base_os_page_bytes(), first = (uintptr_t)address / page_bytes, all = len_bytes / page_bytes;
  int fd = atomic_load_explicit(&pagemap, memory_order_relaxed);
  *count = 0;
  for (size_t at = 0, got; at < all; at += got) {
    size_t wanted = (all - at < PART ? all - at : PART) * sizeof *entries;
    if (pread(fd, entries, wanted, (off_t)((first + at) * sizeof *entries)) != (ssize_t)wanted) return false;
    got = wanted / sizeof *entries;
    for (size_t i = 0; i < got; i++) {
      if (!(entries[i] & (IS_PRESENT | IS_SWAPPED)) || entries[i] & IS_SHARED) continue;
      if (*count == room) return false;
      pages[(*count)++] = (uint32_t)(at + i);
    }
  }
  return true;
}

/* A page that is written to is a fault and the memory's own; one beside it is not. */
static bool try(uint8_t *page, size_t page_bytes) {
  uint64_t before = 0, after = 0;
  uint32_t own[2], count = 1;
  if (!engine_os_own_pages(page, 2 * page_bytes, own, 2, &count) || count != 0 || !engine_os_faults(&before))
    return false;
  *(volatile uint8_t *)(page + page_bytes) = 1;
  return engine_os_faults(&after) && after > before && engine_os_own_pages(page, 2 * page_bytes, own, 2, &count) &&
         count == 1 && own[0] == 1;
}

/* The file tells of the process that opened it. */
static void in_child(void) {
  int fd = atomic_exchange(&pagemap, -1);
  if (fd >= 0) close(fd);
  tells = false;
  engine_host_thread.ordinal = 0;
}

static void begin(void) {
  size_t page_bytes = base_os_page_bytes();
  uint8_t *page = base_os_map(2 * page_bytes);
  atomic_store(&pagemap, open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  tells = page && engine_os_small_pages(page, 2 * page_bytes) && try(page, page_bytes) &&
          pthread_atfork(NULL, NULL, in_child) == 0;
  if (page) base_os_release(page, 2 * page_bytes);
}

const uint8_t *engine_os_image_view(int image, size_t len_bytes) {
  /* Private, because before Linux 6.7 a file that is sealed against writing could not be shared, not even for reading. */
  void *view = mmap(NULL, len_bytes, PROT_READ, MAP_PRIVATE, image, 0);
  return view == MAP_FAILED ? NULL : view;
}

bool engine_os_tells_own_pages(void) {
  pthread_once(&once, begin);
  return tells;
}
