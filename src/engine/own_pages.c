/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Which pages of a bound memory are its own: written to since it was bound, and so no longer the image's, nor nothing's.
 *
 * To throw written pages away takes a call of the system that costs as much for one page as for ten, and the next use a fault
 * for each page that it writes to. Programs write to the same few pages again and again: stack, heap, a buffer. So the first
 * pages that are written to stay the memory's own, and restoring writes over them what the snapshot has; only when a
 * use has written to more than ENGINE_KEPT_PAGES in all, everything is thrown away.
 *
 * A page becomes the memory's own by a page fault, and by nothing else: they lie where no huge pages are made, and the system
 * counts the faults of each thread. A use in which one thread alone could write, and which had no fault, has written to no page
 * but those that are known. After any other use, the system is asked for each page of the memory, which costs less than to
 * throw pages away.
 *
 * Rejected: to protect pages from being written to, and to note them in the handler of faults. Functions of the host that
 * give the guest's memory to the system would fail, and each page that is written to would take a mapping.
 *
 * Invariants
 *  1. What is not in `pages` of a memory is as it was bound; or somebody may have written since, and engine_store_use_end says so, or the memory
 *     is_exposed.
 *  2. The marks of a thread that ended, or of the process that this one was forked from, are no other thread's. */
#include "engine/internal.h"

/* A length above is asked for at a cost that throwing away never has. Most memories of plug-ins are smaller. */
#define TRACKED_BYTES_MAX (UINT64_C(2) << 20)

/* ---- Who uses a store ------------------------------------------------------------------------------------------------ */

/* A number that no other thread of the process had before, nor has in a child. */
static uint64_t host_ordinal(void) {
  static atomic_ullong last;
  if (BASE_UNLIKELY(!engine_host_thread.ordinal))
    engine_host_thread.ordinal = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
  return engine_host_thread.ordinal;
}

static void mark(struct engine_use *use) { use->ordinal = engine_os_faults(&use->faults) ? host_ordinal() : 0; }

void engine_store_use_begin(struct engine_store *store) {
  if (store->use.is_wanted && store->use.ordinal != host_ordinal()) mark(&store->use);
}

void engine_store_use_enter(struct engine_store *store) {
  if (BASE_UNLIKELY(store->use.ordinal != host_ordinal())) store->use.ordinal = 0;
}

bool engine_store_use_end(struct engine_store *store) {
  struct engine_use before = store->use;
  if (!before.is_wanted) return false;
  mark(&store->use);
  return before.ordinal && before.ordinal == store->use.ordinal && before.faults == store->use.faults;
}

/* ---- Its pages ------------------------------------------------------------------------------------------------------- */

/* An image that was copied into the memory has made all of its pages the memory's own. */
void engine_own_pages_init(struct engine_own_pages *own, struct engine_memory *memory,
                           const struct engine_image *image) {
  memory->is_exposed = false;
  if (image->bytes && !(memory->has_image && image->view)) return;
  if (!memory->guarded || memory->len_bytes == 0 || memory->len_bytes > TRACKED_BYTES_MAX) return;
  own->is_tracked = engine_os_tells_own_pages() && engine_os_small_pages(memory->base, (size_t)memory->len_bytes);
  if (own->is_tracked) memory->store->use.is_wanted = true;
}

static bool contains(const uint32_t *pages, uint32_t count, uint32_t page) {
  while (count > 0)
    if (pages[--count] == page) return true;
  return false;
}

/* A page that is known to be its own and is not told of means that something else answers. */
static bool find(struct engine_own_pages *own, const struct engine_memory *memory) {
  static_assert(ENGINE_KEPT_PAGES * 4096 >= ENGINE_KEPT_BYTES, "no pages are smaller");
  uint32_t pages[ENGINE_KEPT_PAGES], count = 0;
  uint32_t room = (uint32_t)(ENGINE_KEPT_BYTES / base_os_page_bytes());
  if (!engine_os_own_pages(memory->base, (size_t)memory->len_bytes, pages, room, &count)) return false;
  for (uint32_t i = 0; i < own->count; i++)
    if (!contains(pages, count, own->pages[i])) return false;
  memcpy(own->pages, pages, count * sizeof *pages);
  own->count = count;
  return true;
}

/* Whoever only read a page, or wrote what was there, has not made it differ; then it need not be written to either. */
static void page_restore(uint8_t *page, const uint8_t *original, size_t count) {
  if (original) {
    if (memcmp(page, original, count) != 0) memcpy(page, original, count);
  } else if (page[0] != 0 || memcmp(page, page + 1, count - 1) != 0) {
    memset(page, 0, count);
  }
}

bool engine_own_pages_restore(struct engine_own_pages *own, struct engine_memory *memory,
                              const struct engine_image *image, bool is_seen) {
  size_t page_bytes = base_os_page_bytes();
  bool is_known = is_seen && !memory->is_exposed;
  memory->is_exposed = false;
  if (!own->is_tracked) return false;
  if (memory->len_bytes != image->len_bytes || (!is_known && !find(own, memory))) {
    own->count = 0;
    return false;
  }
  for (uint32_t i = 0; i < own->count; i++) {
    size_t at = own->pages[i] * page_bytes;
    bool is_in_image = at - image->from < image->bytes; /* wraps below `from` */
    page_restore(memory->base + at, is_in_image ? image->view + (at - image->from) : NULL, page_bytes);
  }
  return true;
}
