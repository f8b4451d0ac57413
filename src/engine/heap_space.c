/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Where the heap's memory comes from: regions of address space, cut into blocks of 64 KiB.
 *
 * Blocks are aligned to their size, so that an object's address leads to its block, and with it to its mark bit, without
 * a search. Aligned memory is not to be had from base_alloc, and a mapping for each block would meet the system's limit
 * on mappings in a heap of 2 GiB. So a region of 4 MiB is reserved and made accessible in one piece; the system gives
 * memory to the pages that are touched, and takes it back when a block is given back (base_os_discard). What counts
 * against the store's budget is what is touched, not what is reserved.
 *
 * A large object takes as many adjacent blocks as it needs, though only the pages that it needs from the budget; from
 * 1 MiB on it has a region of its own. So each begins at a block's alignment too, and one mask finds the header of
 * everything. The price is address space: at most four times the memory. A list of mappings of arbitrary addresses
 * would save that and ask for a search at each reference that is marked.
 *
 * Invariants
 *  1. A block of a region is in at most one of `free`, `spare`, `starts`; in none of them are the later blocks of a
 *     large object. A region of one large object has starts = 1 and nothing free; it
 *     goes with the object, at the end of the collection.
 *  2. The budget holds 64 KiB for each small block and spare, held_bytes for each large object, and nothing else.
 *  3. Memory in `free` is zero.
 *  4. No region before first_open has a free or spare block. */
#include "engine/heap_parts.h"

enum {
  REGION_BYTES = HEAP_REGION_BLOCKS * HEAP_BLOCK_BYTES,
  SHARED_BLOCKS_MAX = 16, /* large objects of more blocks have a region of their own */
};
static const uint64_t ALL_BLOCKS = UINT64_MAX;

static uint64_t bit(size_t index) { return UINT64_C(1) << index; }

static struct engine_heap_block *block_at(const struct engine_heap_region *region, size_t index) {
  return (struct engine_heap_block *)(region->base + index * HEAP_BLOCK_BYTES);
}

static uint64_t round_up(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

/* ---- Regions ---------------------------------------------------------------------------------------------------- */

/* Index of the first region that begins after `address`. */
static size_t region_after(const struct engine_heap *heap, uintptr_t address) {
  size_t low = 0, high = heap->regions.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if ((uintptr_t)heap->regions.items[middle].base <= address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* The region around `address`, which lies in one. */
static struct engine_heap_region *region_of(const struct engine_heap *heap, const void *address) {
  size_t after = region_after(heap, (uintptr_t)address);
  assert(after > 0);
  struct engine_heap_region *region = &heap->regions.items[after - 1];
  assert((uintptr_t)address - (uintptr_t)region->base < region->bytes);
  return region;
}

/* A new region of `bytes`, no block of it in any set; NULL: no room. Pointers to regions are no longer valid. */
static struct engine_heap_region *region_new(struct engine_heap *heap, uint64_t bytes) {
  if (bytes > SIZE_MAX / 2 || !BASE_VEC_RESERVE(&heap->regions, heap->regions.count + 1)) return NULL;
  struct engine_heap_region made = {.bytes = (size_t)bytes, .reserved_bytes = (size_t)bytes + HEAP_BLOCK_BYTES};
  made.reserved = base_os_reserve(made.reserved_bytes);
  if (!made.reserved) return NULL;
  made.base = (uint8_t *)((uintptr_t)round_up((uintptr_t)made.reserved, HEAP_BLOCK_BYTES));
  if (!base_os_commit(made.base, made.bytes)) {
    base_os_release(made.reserved, made.reserved_bytes);
    return NULL;
  }
  size_t at = region_after(heap, (uintptr_t)made.base);
  struct engine_heap_region *items = heap->regions.items;
  memmove(items + at + 1, items + at, (heap->regions.count - at) * sizeof *items);
  items[at] = made;
  heap->regions.count++;
  if (heap->first_open >= at) heap->first_open = at;
  return &items[at];
}

struct engine_heap_block *engine_heap_space_find(const struct engine_heap *heap, uint64_t reference) {
  if (reference > UINTPTR_MAX) return NULL;
  size_t after = region_after(heap, (uintptr_t)reference);
  if (after == 0) return NULL;
  const struct engine_heap_region *region = &heap->regions.items[after - 1];
  uint64_t index = (reference - (uintptr_t)region->base) / HEAP_BLOCK_BYTES;
  return index < HEAP_REGION_BLOCKS && region->starts & bit(index) ? block_at(region, index) : NULL;
}

/* ---- Small blocks ------------------------------------------------------------------------------------------------- */

/* A region with a spare block, or one with a free block when `spares` is false; NULL: none. */
static struct engine_heap_region *region_with(struct engine_heap *heap, bool spares) {
  for (size_t i = heap->first_open; i < heap->regions.count; i++) {
    struct engine_heap_region *region = &heap->regions.items[i];
    if (spares ? region->spare : region->free) return region;
    if (i == heap->first_open && !region->spare && !region->free) heap->first_open++;
  }
  return NULL;
}

static struct engine_heap_block *take_spare(struct engine_heap *heap) {
  struct engine_heap_region *region = heap->spare_count ? region_with(heap, true) : NULL;
  if (!region) return NULL;
  size_t index = (size_t)__builtin_ctzll(region->spare);
  region->spare &= ~bit(index);
  region->starts |= bit(index);
  heap->spare_count--;
  struct engine_heap_block *block = block_at(region, index);
  memset(block, 0, sizeof *block);
  return block;
}

static struct engine_heap_block *take_free(struct engine_heap *heap) {
  if (!engine_budget_try(heap->store, HEAP_BLOCK_BYTES)) return NULL;
  struct engine_heap_region *region = region_with(heap, false);
  if (!region) {
    region = region_new(heap, REGION_BYTES);
    if (region) region->free = ALL_BLOCKS;
  }
  if (!region) {
    engine_budget_give(heap->store, HEAP_BLOCK_BYTES);
    return NULL;
  }
  size_t index = (size_t)__builtin_ctzll(region->free);
  region->free &= ~bit(index);
  region->starts |= bit(index);
  heap->stats.held_bytes += HEAP_BLOCK_BYTES;
  struct engine_heap_block *block = block_at(region, index);
  block->is_zero = true;
  return block;
}

struct engine_heap_block *engine_heap_block_new(struct engine_heap *heap, uint8_t class_index, uint32_t cell_bytes) {
  struct engine_heap_block *block = take_spare(heap);
  if (!block) block = take_free(heap);
  if (!block) return NULL;
  assert(block->marked == 0 && block->bits[0][0] == 0 && !block->is_exhausted);
  block->class_index = class_index;
  block->cell_bytes = cell_bytes;
  block->end_bytes = HEAP_FIRST_BYTES + (HEAP_BLOCK_BYTES - HEAP_FIRST_BYTES) / cell_bytes * cell_bytes;
  return block;
}

/* Marks the region of `block` as one that has room. */
static struct engine_heap_region *reopen(struct engine_heap *heap, const struct engine_heap_block *block) {
  struct engine_heap_region *region = region_of(heap, block);
  size_t at = (size_t)(region - heap->regions.items);
  if (heap->first_open > at) heap->first_open = at;
  return region;
}

void engine_heap_block_drop(struct engine_heap *heap, struct engine_heap_block *block) {
  struct engine_heap_region *region = reopen(heap, block);
  size_t index = (size_t)((uint8_t *)block - region->base) / HEAP_BLOCK_BYTES;
  assert(region->starts & bit(index));
  region->starts &= ~bit(index);
  region->spare |= bit(index);
  heap->spare_count++;
}

/* ---- Giving back ---------------------------------------------------------------------------------------------------- */

/* Where the system cannot take pages back they are cleared, which is what the callers rely on. */
static void discard(void *address, size_t bytes) {
  if (!base_os_discard(address, bytes)) memset(address, 0, bytes);
}

static void give(struct engine_heap *heap, uint64_t bytes) {
  assert(heap->stats.held_bytes >= bytes);
  heap->stats.held_bytes -= bytes;
  engine_budget_give(heap->store, bytes);
}

/* From the highest addresses down, so that the blocks in use gather at the low ones. */
static void drop_spares(struct engine_heap *heap, uint64_t count) {
  for (size_t i = heap->regions.count; i-- > 0 && heap->spare_count > count;) {
    struct engine_heap_region *region = &heap->regions.items[i];
    while (region->spare && heap->spare_count > count) {
      size_t index = 63 - (size_t)__builtin_clzll(region->spare);
      discard(block_at(region, index), HEAP_BLOCK_BYTES);
      region->spare &= ~bit(index);
      region->free |= bit(index);
      heap->spare_count--;
      give(heap, HEAP_BLOCK_BYTES);
    }
  }
}

/* Whether the region goes: nothing lies in it. One with free blocks is kept, so that a heap that fills and empties does
 * not ask for it each time. */
static bool is_useless(const struct engine_heap_region *region, bool *has_kept) {
  if (region->starts || region->spare) return false;
  if (region->free == 0 || *has_kept) return true;
  *has_kept = true;
  return false;
}

static void release_regions(struct engine_heap *heap) {
  size_t kept = 0;
  bool has_kept = false;
  struct engine_heap_region *items = heap->regions.items;
  for (size_t i = 0; i < heap->regions.count; i++) {
    if (is_useless(&items[i], &has_kept))
      base_os_release(items[i].reserved, items[i].reserved_bytes);
    else
      items[kept++] = items[i];
  }
  heap->regions.count = kept;
  heap->first_open = 0;
}

void engine_heap_space_trim(struct engine_heap *heap, uint64_t count) {
  drop_spares(heap, count);
  release_regions(heap);
}

bool engine_heap_drop_spares(struct engine_heap *heap) {
  if (!heap || heap->spare_count == 0) return false;
  drop_spares(heap, 0);
  return true;
}

void engine_heap_space_free(struct engine_heap *heap) {
  for (size_t i = 0; i < heap->regions.count; i++)
    base_os_release(heap->regions.items[i].reserved, heap->regions.items[i].reserved_bytes);
  BASE_VEC_DEINIT(&heap->regions);
}

/* ---- Large objects ---------------------------------------------------------------------------------------------------- */

/* Index of `count` adjacent bits that are set in `set`; 64: there are none. */
static size_t find_run(uint64_t set, size_t count) {
  for (size_t i = 1; i < count && set; i++) set &= set >> 1;
  return set ? (size_t)__builtin_ctzll(set) : HEAP_REGION_BLOCKS;
}

static struct engine_heap_region *region_with_run(struct engine_heap *heap, size_t count, size_t *index) {
  for (size_t i = heap->first_open; i < heap->regions.count; i++) {
    *index = find_run(heap->regions.items[i].free, count);
    if (*index < HEAP_REGION_BLOCKS) return &heap->regions.items[i];
  }
  *index = 0;
  struct engine_heap_region *region = region_new(heap, REGION_BYTES);
  if (region) region->free = ALL_BLOCKS;
  return region;
}

static uint64_t run_mask(size_t count, size_t index) { return (bit(count) - 1) << index; }

static struct engine_heap_block *large_place(struct engine_heap *heap, uint64_t held_bytes) {
  uint64_t count = round_up(held_bytes, HEAP_BLOCK_BYTES) / HEAP_BLOCK_BYTES;
  size_t index = 0;
  struct engine_heap_region *region;
  if (count > SHARED_BLOCKS_MAX)
    region = region_new(heap, held_bytes);
  else
    region = region_with_run(heap, (size_t)count, &index);
  if (!region) return NULL;
  if (count <= SHARED_BLOCKS_MAX) region->free &= ~run_mask((size_t)count, index);
  region->starts |= bit(index);
  return block_at(region, index);
}

struct engine_heap_block *engine_heap_large_new(struct engine_heap *heap, uint64_t bytes) {
  if (bytes > SIZE_MAX / 4) return NULL;
  uint64_t held_bytes = round_up(bytes + HEAP_LARGE_OFFSET, base_os_page_bytes());
  if (!engine_budget_try(heap->store, held_bytes)) return NULL;
  struct engine_heap_block *block = large_place(heap, held_bytes);
  if (!block) {
    engine_budget_give(heap->store, held_bytes);
    return NULL;
  }
  heap->stats.held_bytes += held_bytes;
  block->class_index = HEAP_LARGE;
  block->held_bytes = held_bytes;
  block->next = heap->large;
  heap->large = block;
  return block;
}

void engine_heap_large_drop(struct engine_heap *heap, struct engine_heap_block *block) {
  struct engine_heap_region *region = reopen(heap, block);
  uint64_t held_bytes = block->held_bytes;
  size_t count = (size_t)(round_up(held_bytes, HEAP_BLOCK_BYTES) / HEAP_BLOCK_BYTES);
  size_t index = (size_t)((uint8_t *)block - region->base) / HEAP_BLOCK_BYTES;
  region->starts &= ~bit(index);
  if (count <= SHARED_BLOCKS_MAX) {
    discard(block, (size_t)held_bytes);
    region->free |= run_mask(count, index);
  }
  give(heap, held_bytes);
}
