/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What heap.c (allocation, collection), heap_space.c (blocks and large objects) and heap_mark.c (marking) share. */
#ifndef ENGINE_HEAP_PARTS_H
#define ENGINE_HEAP_PARTS_H

#include "engine/heap.h"
#include "engine/internal.h"

/* ---- Blocks ------------------------------------------------------------------------------------------------------ */

enum {
  HEAP_BLOCK_BYTES = 64 * 1024, /* and their alignment: an object's block is its address with 16 bits cleared */
  HEAP_GRANULE_BYTES = 16,      /* cells are multiples of it, and mark bits count in it */
  HEAP_BIT_WORDS = HEAP_BLOCK_BYTES / HEAP_GRANULE_BYTES / 64,
  HEAP_REGION_BLOCKS = 64, /* so that a set of a region's blocks is one word */
  HEAP_CLASSES = 36,
  HEAP_LARGE = 255, /* in class_index: the block is one large object's */
  HEAP_LARGE_OFFSET = 64,
};

/* At the start of each block, and of each large object's memory, where the bit sets are left out. */
struct engine_heap_block {
  uint8_t class_index;
  bool is_zero;       /* cells not handed out yet are zero */
  bool is_exhausted;  /* no cell is left to hand out before the next collection */
  bool is_overflowed; /* an object in it was marked and could not be pushed */
  uint32_t cell_bytes;
  uint32_t end_bytes; /* of the last cell, from the start of the block */
  uint32_t marked;    /* objects marked by the last or running collection */
  struct engine_heap_block *next; /* in its class's pending list, or in the list of large objects */
  uint64_t held_bytes;            /* large: taken from the budget */
  _Alignas(64) uint64_t bits[2][HEAP_BIT_WORDS];
};
enum {
  HEAP_FIRST_BYTES = sizeof(struct engine_heap_block), /* where the first cell lies */
  HEAP_SMALL_BYTES = (HEAP_BLOCK_BYTES - HEAP_FIRST_BYTES) / 4 / HEAP_GRANULE_BYTES * HEAP_GRANULE_BYTES,
};
static_assert(offsetof(struct engine_heap_block, bits) == HEAP_LARGE_OFFSET, "a large object follows the fields");
static_assert(HEAP_FIRST_BYTES % HEAP_GRANULE_BYTES == 0, "cells are aligned");

static inline struct engine_heap_block *engine_heap_block_of(uint64_t reference) {
  return (struct engine_heap_block *)(uintptr_t)(reference & ~(uint64_t)(HEAP_BLOCK_BYTES - 1));
}

/* Address space for 64 blocks, or for one large object that would take many of them. Sorted by address. */
struct engine_heap_region {
  uint8_t *base; /* aligned to a block */
  size_t bytes;
  void *reserved;
  size_t reserved_bytes;
  uint64_t free;   /* blocks without memory: not in the budget, zero when they are touched */
  uint64_t spare;  /* empty blocks that keep their memory: in the budget, contents unknown */
  uint64_t starts; /* blocks that begin with a header in use */
};

/* ---- The heap ------------------------------------------------------------------------------------------------------ */

/* Cells of one size. The fast path takes from [next, end), which is zero; [end, run_end) is free, not yet zeroed. */
struct engine_heap_class {
  uint8_t *next, *end;
  uint32_t cell_bytes;
  uint8_t *run_end;
  struct engine_heap_block *current; /* that the run lies in */
  struct engine_heap_block *pending; /* have unmarked cells; not looked at since the last collection */
};

enum { HEAP_MARK_WORDS = 512 }; /* of the mark stack that needs no allocation */
struct engine_heap_marker {
  uint64_t *words; /* an object, or a position in an array followed by the array with bit 0 set */
  size_t count, capacity, limit;
  bool is_overflowed; /* some block's is */
  uint64_t first[HEAP_MARK_WORDS];
};

struct engine_heap {
  struct engine_store *store;
  struct engine_heap_class classes[HEAP_CLASSES];
  uint8_t class_of[HEAP_SMALL_BYTES / HEAP_GRANULE_BYTES + 1]; /* by granules */

  BASE_VEC(struct engine_heap_region) regions;
  size_t first_open;       /* no region before it has a free or spare block */
  uint64_t spare_count;
  struct engine_heap_block *large;
  uint8_t mark_index;      /* which of a block's bit sets the next collection marks; the other one is the last one's */

  uint64_t since_bytes;    /* handed out since the last collection */
  uint64_t trigger_bytes;  /* collect when so many were */
  uint64_t stress_bytes;   /* collect when so many were, for tests; 0: no stress */
  bool is_collecting;
  engine_host_visit host_visit; /* NULL: numbers of the host's are ignored */
  void *host_env;
  engine_heap_roots roots;
  size_t mark_words_limit; /* for tests; 0: none */
  struct engine_heap_marker marker;
  struct engine_heap_stats stats;
};

/* ---- Space ----------------------------------------------------------------------------------------------------------- */

/* A block for cells of `cell_bytes`, no cell in use; NULL: no room. */
struct engine_heap_block *engine_heap_block_new(struct engine_heap *heap, uint8_t class_index, uint32_t cell_bytes);
/* Memory for a large object of `bytes`, zero after the header; NULL: no room. In the list of large objects. */
struct engine_heap_block *engine_heap_large_new(struct engine_heap *heap, uint64_t bytes);
/* Makes an empty block a spare. */
void engine_heap_block_drop(struct engine_heap *heap, struct engine_heap_block *block);
/* Gives a large object's memory back; it is no longer in the list. */
void engine_heap_large_drop(struct engine_heap *heap, struct engine_heap_block *block);
/* Gives spares back until `count` are left, then regions without anything in them but one. */
void engine_heap_space_trim(struct engine_heap *heap, uint64_t count);
void engine_heap_space_free(struct engine_heap *heap);
/* The block or large object whose memory `reference` points into; NULL: none. Never reads at `reference`. */
struct engine_heap_block *engine_heap_space_find(const struct engine_heap *heap, uint64_t reference);

/* The highest block of the set `left` of a region's blocks, which is taken out of it; NULL: the set is empty. */
static inline struct engine_heap_block *engine_heap_block_pop(const struct engine_heap_region *region, uint64_t *left) {
  if (!*left) return NULL;
  unsigned index = 63 - (unsigned)__builtin_clzll(*left);
  *left &= ~(UINT64_C(1) << index);
  return (struct engine_heap_block *)(region->base + index * (size_t)HEAP_BLOCK_BYTES);
}

/* ---- Marking --------------------------------------------------------------------------------------------------------- */

/* Clears marks, calls the roots function, marks everything that is reached. */
void engine_heap_mark_all(struct engine_heap *heap);

#endif
