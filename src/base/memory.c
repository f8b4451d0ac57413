/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The process-wide allocator, arenas and growable arrays.
 *
 * One allocator for the process, as SQLite has it, rather than one in each object: passing an allocator through every
 * vector costs a pointer each and nobody has asked for two allocators in one process. It is replaced before first use
 * by embedders and by tests that make the n-th allocation fail.
 *
 * Invariant: an arena's blocks are chained newest first; only the newest has free room. */
#include "base/base.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

static void *system_resize(void *owner, void *old, size_t new_bytes) {
  (void)owner;
  if (new_bytes == 0) {
    free(old);
    return NULL;
  }
  return realloc(old, new_bytes);
}

static struct base_allocator allocator = {system_resize, NULL};

void base_allocator_set(const struct base_allocator *replacement) {
  allocator = replacement ? *replacement : (struct base_allocator){system_resize, NULL};
}

void *base_alloc(size_t bytes) { return allocator.resize(allocator.owner, NULL, bytes ? bytes : 1); }

void *base_alloc_zero(size_t count, size_t item_bytes) {
  size_t bytes;
  if (__builtin_mul_overflow(count, item_bytes, &bytes)) return NULL;
  if (allocator.resize == system_resize) return calloc(1, bytes ? bytes : 1); /* fresh pages need no clearing */
  void *memory = base_alloc(bytes);
  if (memory) memset(memory, 0, bytes);
  return memory;
}

void *base_resize(void *old, size_t bytes) {
  assert(bytes > 0);
  return allocator.resize(allocator.owner, old, bytes);
}

void *base_resize_array(void *old, size_t count, size_t item_bytes) {
  size_t bytes;
  if (__builtin_mul_overflow(count, item_bytes, &bytes)) return NULL;
  return base_resize(old, bytes ? bytes : 1);
}

void base_free(void *memory) {
  if (memory) allocator.resize(allocator.owner, memory, 0);
}

char *base_string_copy(const char *text, size_t len_bytes) {
  char *copy = base_alloc(len_bytes + 1);
  if (!copy) return NULL;
  if (len_bytes) memcpy(copy, text, len_bytes);
  copy[len_bytes] = 0;
  return copy;
}

/* Blocks come from malloc, which promises no more. */
enum { ARENA_ALIGN = _Alignof(max_align_t), ARENA_FIRST_BYTES = 1024, ARENA_BLOCK_BYTES = 16 * 1024 };

struct base_arena_block {
  _Alignas(ARENA_ALIGN) struct base_arena_block *older;
  size_t bytes;
};

static_assert(sizeof(struct base_arena_block) % ARENA_ALIGN == 0, "block contents must stay aligned");

/* Doubles up to the usual size, because each page of a block is touched at once and a start makes several arenas that
 * stay small; then grows slowly, so that large modules have few blocks. */
static size_t arena_next_block_bytes(size_t total_bytes) {
  if (total_bytes < ARENA_FIRST_BYTES) return ARENA_FIRST_BYTES;
  if (total_bytes < ARENA_BLOCK_BYTES) return total_bytes;
  return total_bytes / 4 > ARENA_BLOCK_BYTES ? total_bytes / 4 : ARENA_BLOCK_BYTES;
}

static void *arena_new_block(struct base_arena *arena, size_t bytes) {
  size_t wanted = arena_next_block_bytes(arena->total_bytes);
  if (wanted < bytes) wanted = bytes;
  if (wanted > SIZE_MAX - sizeof(struct base_arena_block)) return NULL;
  struct base_arena_block *block = base_alloc_zero(1, sizeof *block + wanted);
  if (!block) return NULL;
  block->older = arena->blocks;
  block->bytes = wanted;
  arena->blocks = block;
  arena->total_bytes += wanted;
  arena->next = (char *)(block + 1) + bytes;
  arena->end = (char *)(block + 1) + wanted;
  return block + 1;
}

void *base_arena_alloc(struct base_arena *arena, size_t count, size_t item_bytes) {
  size_t bytes;
  if (__builtin_mul_overflow(count, item_bytes, &bytes) || bytes > SIZE_MAX - ARENA_ALIGN) return NULL;
  bytes = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
  if (bytes > (size_t)(arena->end - arena->next)) return arena_new_block(arena, bytes);
  char *memory = arena->next;
  arena->next += bytes;
  assert(((uintptr_t)memory & (ARENA_ALIGN - 1)) == 0);
  return memory;
}

void base_arena_deinit(struct base_arena *arena) {
  for (struct base_arena_block *block = arena->blocks, *older; block; block = older) {
    older = block->older;
    base_free(block);
  }
  *arena = (struct base_arena){0};
}

bool base_vec_grow(void **items, size_t *capacity, size_t wanted, size_t item_bytes) {
  size_t grown = *capacity < 8 ? 8 : *capacity + *capacity / 2;
  if (grown < wanted) grown = wanted;
  void *bigger = base_resize_array(*items, grown, item_bytes);
  if (!bigger) return false;
  *items = bigger;
  *capacity = grown;
  return true;
}
