/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* In place of own_pages.c where memories have no guard pages, or the library is to be small: written pages are thrown away. */
#include "engine/internal.h"

const uint8_t *engine_os_image_view(int image, size_t len_bytes) { return NULL; }
void engine_own_pages_init(struct engine_own_pages *own, struct engine_memory *memory,
                           const struct engine_image *image) {}
bool engine_own_pages_restore(struct engine_own_pages *own, struct engine_memory *memory,
                              const struct engine_image *image, bool is_seen) {
  return false;
}
void engine_store_use_begin(struct engine_store *store) {}
void engine_store_use_enter(struct engine_store *store) {}
bool engine_store_use_end(struct engine_store *store) { return false; }
