/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* An allocator for embedders' tests, whose allocations fail from a number on. */
#ifndef TESTS_FAILING_H
#define TESTS_FAILING_H

#include <stdlib.h>

static unsigned long allocations, allowed; /* asked for; that succeed */
static long live;

static void *failing_resize(void *owner, void *old, size_t new_bytes) {
  if (new_bytes == 0) {
    live -= old != NULL;
    free(old);
    return NULL;
  }
  if (++allocations > allowed) return NULL;
  void *memory = realloc(old, new_bytes);
  live += memory && !old;
  return memory;
}

#endif
