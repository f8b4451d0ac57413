/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The garbage-collected heap: allocation, when to collect, and what a collection leaves.
 *
 * Mark-sweep without moving, and without a sweep: a block's mark bits are the list of its free cells. After a
 * collection the blocks in which nothing was marked are empty, and serve any size; the others wait in their class's
 * pending list. Allocation takes a block from it, finds the next run of cells without a mark, clears some of it and
 * hands cells out by adding to a pointer, as in a fresh block. Dead cells are not written to before they are reused.
 *
 * Why not move: references lie in frames, host variables and compiled code as plain addresses; a copying collector
 * would have to find and correct each, and needs up to twice the memory under a cap. Why no generations: they ask for
 * a barrier in each store to a field, in every tier; the pauses (docs/heap.md) are those of small heaps.
 *
 * When to collect: when cells of max(4 MiB, what the last collection left) were handed out, so that the work of marking
 * is in proportion to allocation and the heap below twice of what lives; and before an allocation fails. When budget or
 * system have no more blocks, and little was allocated since the last collection, a cell of a larger class serves.
 *
 * Invariants
 *  1. An object's cell is below the allocation point of its block (what is below was marked by the last collection or
 *     handed out since) or was marked by it; every other cell is free. The allocation point is `next` of the class for
 *     its current block, the end for exhausted blocks, the beginning for the others. engine_heap_contains reads this.
 *  2. For each class: [next, end) is zero and free, [end, run_end) free; all lie in `current`, or all are NULL.
 *  3. A block is in one place: current, pending, or exhausted (in no list).
 *  4. Outside of a collection bits[!mark_index] of a block are the last collection's marks.
 *  5. Every object has a type from the moment it exists; memory behind the type is zero then.
 *
 * Owner: the store. Threads: the store's. */
#include "engine/heap_parts.h"

enum {
  TRIGGER_BYTES = 4 * 1024 * 1024,
  CLEAR_BYTES = 4096, /* of a run at a time: what the cache still holds when the cells are handed out */
  NO_CLASS = HEAP_CLASSES,
  LITTLE = 8,       /* less than this part of the trigger is little */
  DEAD_BYTE = 0xDA, /* under stress; as a reference it is a host value, as a type no address */
};

/* Up to 128 bytes a class each 16 bytes, then four for each doubling; from 1 KiB on adjusted so that a block has no
 * more than 2 % left over. At most a fifth of a cell, or 15 bytes, stays unused. */
static const uint16_t class_bytes[HEAP_CLASSES] = {
    16,  32,   48,   64,   80,   96,   112,  128,  160,  192,  224,  256,  320,  384,  448,  512,   640,   768,
    896, 1024, 1280, 1568, 1840, 2064, 2576, 3216, 3776, 4288, 5360, 6432, 7152, 8048, 9200, 10736, 12880, 16112,
};

/* ---- Making and freeing ------------------------------------------------------------------------------------------- */

static void classes_init(struct engine_heap *heap) {
  assert(class_bytes[HEAP_CLASSES - 1] == HEAP_SMALL_BYTES);
  uint8_t index = 0;
  for (uint32_t granules = 0; granules < BASE_ARRAY_LEN(heap->class_of); granules++) {
    if (granules * HEAP_GRANULE_BYTES > class_bytes[index]) index++;
    heap->class_of[granules] = index;
  }
  for (size_t i = 0; i < HEAP_CLASSES; i++) heap->classes[i].cell_bytes = class_bytes[i];
}

/* The store's heap, made now if there is none; NULL: no memory. */
static struct engine_heap *heap_of(struct engine_store *store) {
  if (store->heap) return store->heap;
  struct engine_heap *heap = base_alloc_zero(1, sizeof *heap);
  if (!heap) return NULL;
  heap->store = store;
  heap->roots = engine_roots_mark;
  heap->trigger_bytes = TRIGGER_BYTES;
  heap->stress_bytes = ENGINE_HEAP_STRESS_BYTES;
  heap->marker.words = heap->marker.first;
  classes_init(heap);
  store->heap = heap;
  return heap;
}

void engine_heap_free(struct engine_heap *heap) {
  if (!heap) return;
  engine_heap_space_free(heap);
  base_free(heap);
}

/* ---- Collection --------------------------------------------------------------------------------------------------- */

/* For tests: what died is not only free but unusable. */
static void overwrite_dead(const struct engine_heap *heap, struct engine_heap_block *block) {
  for (uint32_t at = HEAP_FIRST_BYTES; at < block->end_bytes; at += block->cell_bytes) {
    uint32_t granule = at / HEAP_GRANULE_BYTES;
    if (!(block->bits[heap->mark_index][granule / 64] >> granule % 64 & 1))
      memset((uint8_t *)block + at, DEAD_BYTE, block->cell_bytes);
  }
}

static void count_live(struct engine_heap *heap, uint64_t objects, uint64_t bytes) {
  heap->stats.live_objects += objects;
  heap->stats.live_bytes += bytes;
}

static void finish_block(struct engine_heap *heap, struct engine_heap_block *block) {
  if (heap->stress_bytes) overwrite_dead(heap, block);
  if (block->marked == 0) {
    engine_heap_block_drop(heap, block);
    return;
  }
  count_live(heap, block->marked, (uint64_t)block->marked * block->cell_bytes);
  uint32_t cells = (block->end_bytes - HEAP_FIRST_BYTES) / block->cell_bytes;
  assert(block->marked <= cells);
  block->is_zero = false;
  block->is_exhausted = block->marked == cells;
  if (block->is_exhausted) return;
  struct engine_heap_class *class = &heap->classes[block->class_index];
  block->next = class->pending;
  class->pending = block;
}

/* From the last to the first, so that the pending lists begin at the lowest address: blocks in use gather there. */
static void finish_blocks(struct engine_heap *heap) {
  for (size_t i = heap->regions.count; i-- > 0;) {
    struct engine_heap_block *block;
    uint64_t left = heap->regions.items[i].starts;
    while ((block = engine_heap_block_pop(&heap->regions.items[i], &left)))
      if (block->class_index != HEAP_LARGE) finish_block(heap, block);
  }
}

static void finish_large(struct engine_heap *heap) {
  struct engine_heap_block **link = &heap->large;
  while (*link) {
    struct engine_heap_block *block = *link;
    if (block->marked) {
      count_live(heap, 1, block->held_bytes);
      link = &block->next;
    } else {
      *link = block->next;
      engine_heap_large_drop(heap, block);
    }
  }
}

static uint64_t unused_bytes(const struct engine_heap *heap) {
  uint64_t sum = 0;
  for (size_t i = 0; i < HEAP_CLASSES; i++) sum += (uint64_t)(heap->classes[i].end - heap->classes[i].next);
  return sum;
}

static void finish(struct engine_heap *heap) {
  heap->stats.allocated_bytes -= unused_bytes(heap);
  for (size_t i = 0; i < HEAP_CLASSES; i++)
    heap->classes[i] = (struct engine_heap_class){.cell_bytes = heap->classes[i].cell_bytes};
  heap->stats.live_objects = heap->stats.live_bytes = 0;
  finish_blocks(heap);
  finish_large(heap);
  heap->mark_index ^= 1;
  heap->since_bytes = 0;
  heap->trigger_bytes = heap->stats.live_bytes > TRIGGER_BYTES ? heap->stats.live_bytes : TRIGGER_BYTES;
  /* What the next cycle will ask for again. */
  engine_heap_space_trim(heap, heap->trigger_bytes / HEAP_BLOCK_BYTES);
}

static void collect(struct engine_heap *heap) {
  assert(!heap->is_collecting);
  uint64_t start_ns = base_os_monotonic_ns();
  heap->is_collecting = true;
  engine_heap_mark_all(heap);
  finish(heap);
  heap->is_collecting = false;
  uint64_t pause_ns = base_os_monotonic_ns() - start_ns;
  heap->stats.collections++;
  heap->stats.pause_total_ns += pause_ns;
  if (pause_ns > heap->stats.pause_longest_ns) heap->stats.pause_longest_ns = pause_ns;
}

void engine_heap_collect(struct engine_store *store) {
  if (store->heap) collect(store->heap);
}

bool engine_collect(struct engine_store *store, engine_host_visit visit, void *env) {
  struct engine_heap *heap = heap_of(store);
  if (!heap) return false;
  heap->host_visit = visit;
  heap->host_env = env;
  collect(heap);
  heap->host_visit = NULL;
  return true;
}

/* ---- Runs of free cells --------------------------------------------------------------------------------------------- */

/* Offset in `block` of the first marked cell at or after `from`; its end when there is none. */
static uint32_t next_marked(const struct engine_heap *heap, const struct engine_heap_block *block, uint32_t from) {
  const uint64_t *marks = block->bits[heap->mark_index ^ 1];
  uint32_t granule = from / HEAP_GRANULE_BYTES, word = granule / 64;
  if (from >= block->end_bytes) return block->end_bytes;
  uint64_t left = marks[word] >> granule % 64 << granule % 64;
  while (!left) {
    if (++word == HEAP_BIT_WORDS) return block->end_bytes;
    left = marks[word];
  }
  return (word * 64 + (uint32_t)__builtin_ctzll(left)) * HEAP_GRANULE_BYTES;
}

/* Moves to the next run of the current block at or after offset `from`; false: it has none, and is exhausted. */
static bool next_run(const struct engine_heap *heap, struct engine_heap_class *class, uint32_t from) {
  struct engine_heap_block *block = class->current;
  uint32_t to = next_marked(heap, block, from);
  while (to == from && from < block->end_bytes) {
    from += class->cell_bytes;
    to = next_marked(heap, block, from);
  }
  if (from >= block->end_bytes) {
    block->is_exhausted = true;
    *class = (struct engine_heap_class){.cell_bytes = class->cell_bytes, .pending = class->pending};
    return false;
  }
  class->next = class->end = (uint8_t *)block + from;
  class->run_end = (uint8_t *)block + to;
  return true;
}

/* Makes a block with free cells the current one; false: no room. */
static bool next_block(struct engine_heap *heap, struct engine_heap_class *class) {
  struct engine_heap_block *block = class->pending;
  if (block)
    class->pending = block->next;
  else
    block = engine_heap_block_new(heap, (uint8_t)(class - heap->classes), class->cell_bytes);
  if (!block) return false;
  assert(!block->is_exhausted && block->cell_bytes == class->cell_bytes);
  block->next = NULL;
  class->current = block;
  return next_run(heap, class, HEAP_FIRST_BYTES);
}

/* Clears the next cells of the run. */
static void extend(struct engine_heap *heap, struct engine_heap_class *class) {
  size_t bytes = (size_t)(class->run_end - class->end), step = CLEAR_BYTES / class->cell_bytes * class->cell_bytes;
  if (step == 0 || heap->stress_bytes) step = class->cell_bytes;
  if (bytes > step) bytes = step;
  if (!class->current->is_zero) memset(class->end, 0, bytes);
  class->end += bytes;
  heap->since_bytes += bytes;
  heap->stats.allocated_bytes += bytes;
}

/* Makes next < end; false: no room. */
static bool refill(struct engine_heap *heap, struct engine_heap_class *class) {
  if (class->next < class->end) return true;
  bool has_run = class->end < class->run_end;
  if (!has_run && class->current)
    has_run = next_run(heap, class, (uint32_t)(class->run_end - (uint8_t *)class->current));
  if (!has_run && !next_block(heap, class)) return false;
  extend(heap, class);
  return true;
}

/* ---- Allocation ------------------------------------------------------------------------------------------------------- */

static inline void *take_cell(struct engine_heap_class *class, const struct engine_type *type) {
  assert(class->next < class->end);
  struct engine_object *object = (struct engine_object *)class->next;
  class->next += class->cell_bytes;
  object->type = type;
  return object;
}

static bool is_due(const struct engine_heap *heap) {
  return heap->since_bytes >= (heap->stress_bytes ? heap->stress_bytes : heap->trigger_bytes);
}

/* The smallest class from `index` on that has a cell; NO_CLASS: none. */
static size_t find_class(struct engine_heap *heap, size_t index) {
  while (index < HEAP_CLASSES && !refill(heap, &heap->classes[index])) index++;
  return index;
}

/* A larger cell is taken when a collection has just shown that there is no other, or would not find much. */
static size_t find_cell(struct engine_heap *heap, size_t index) {
  bool has_collected = is_due(heap);
  if (has_collected) collect(heap);
  for (;;) {
    if (refill(heap, &heap->classes[index])) return index;
    if (has_collected || heap->since_bytes < heap->trigger_bytes / LITTLE) {
      size_t larger = find_class(heap, index + 1);
      if (larger != NO_CLASS || has_collected) return larger;
    }
    collect(heap);
    has_collected = true;
  }
}

static void *alloc_large(struct engine_heap *heap, const struct engine_type *type, uint64_t bytes) {
  bool has_collected = is_due(heap);
  if (has_collected) collect(heap);
  struct engine_heap_block *block = engine_heap_large_new(heap, bytes);
  if (!block && !has_collected) {
    collect(heap);
    block = engine_heap_large_new(heap, bytes);
  }
  if (!block) { /* spares may lie between the free blocks that would be enough */
    engine_heap_space_trim(heap, 0);
    block = engine_heap_large_new(heap, bytes);
  }
  if (!block) return NULL;
  heap->since_bytes += block->held_bytes;
  heap->stats.allocated_bytes += block->held_bytes;
  struct engine_object *object = (struct engine_object *)((uint8_t *)block + HEAP_LARGE_OFFSET);
  object->type = type;
  return object;
}

static __attribute__((noinline)) void *alloc_slow(struct engine_store *store, const struct engine_type *type,
                                                  uint64_t bytes) {
  struct engine_heap *heap = heap_of(store);
  if (!heap) return NULL;
  assert(!heap->is_collecting);
  if (bytes > HEAP_SMALL_BYTES) return alloc_large(heap, type, bytes);
  size_t index = find_cell(heap, heap->class_of[(bytes + HEAP_GRANULE_BYTES - 1) / HEAP_GRANULE_BYTES]);
  return index == NO_CLASS ? NULL : take_cell(&heap->classes[index], type);
}

void *engine_heap_alloc(struct engine_store *store, const struct engine_type *type, uint64_t bytes) {
  assert(type->kind != ENGINE_TYPE_FUNC && bytes >= sizeof(struct engine_object));
  struct engine_heap *heap = store->heap;
  if (BASE_LIKELY(heap && bytes <= HEAP_SMALL_BYTES)) {
    size_t granules = (size_t)(bytes + HEAP_GRANULE_BYTES - 1) / HEAP_GRANULE_BYTES;
    struct engine_heap_class *class = &heap->classes[heap->class_of[granules]];
    if (BASE_LIKELY(class->next != class->end)) return take_cell(class, type);
  }
  return alloc_slow(store, type, bytes);
}

/* ---- Questions -------------------------------------------------------------------------------------------------------- */

bool engine_heap_contains(const struct engine_heap *heap, uint64_t reference) {
  if (!heap || !engine_ref_is_object(reference)) return false;
  const struct engine_heap_block *block = engine_heap_space_find(heap, reference);
  if (!block) return false;
  uint64_t at = reference - (uintptr_t)block;
  if (block->class_index == HEAP_LARGE) return at == HEAP_LARGE_OFFSET;
  if (at < HEAP_FIRST_BYTES || at >= block->end_bytes || (at - HEAP_FIRST_BYTES) % block->cell_bytes) return false;
  const struct engine_heap_class *class = &heap->classes[block->class_index];
  if (block->is_exhausted || (class->current == block && reference < (uintptr_t)class->next)) return true;
  size_t granule = (size_t)at / HEAP_GRANULE_BYTES;
  return block->bits[heap->mark_index ^ 1][granule / 64] >> granule % 64 & 1;
}

struct engine_heap_stats engine_heap_stats(const struct engine_store *store) {
  const struct engine_heap *heap = store->heap;
  if (!heap) return (struct engine_heap_stats){0};
  struct engine_heap_stats stats = heap->stats;
  stats.allocated_bytes -= unused_bytes(heap);
  stats.spare_bytes = heap->spare_count * HEAP_BLOCK_BYTES;
  return stats;
}

/* ---- For tests ---------------------------------------------------------------------------------------------------------- */

bool engine_heap_set_stress(struct engine_store *store, bool is_stressed) {
  struct engine_heap *heap = heap_of(store);
  if (!heap) return false;
  heap->stress_bytes = is_stressed ? 1 : 0;
  collect(heap); /* so that no class has more than a cell ready */
  return true;
}

bool engine_heap_set_roots(struct engine_store *store, engine_heap_roots roots) {
  struct engine_heap *heap = heap_of(store);
  if (heap) heap->roots = roots;
  return heap != NULL;
}

bool engine_heap_set_mark_words(struct engine_store *store, size_t words) {
  struct engine_heap *heap = heap_of(store);
  if (heap) heap->mark_words_limit = words;
  return heap != NULL;
}
