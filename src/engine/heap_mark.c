/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Marking: from the roots, depth first, with a stack of its own.
 *
 * An object is marked when it is pushed, so it is pushed once. Between stack and scan lies a short queue whose members
 * are being fetched into the cache: a heap is larger than the cache, and its objects are met in no order. An array is
 * scanned a slice at a time, and pushed again with the position where the next slice begins; so the stack holds a
 * slice's children for each array on the path, not millions.
 *
 * The stack grows by doubling up to a sixteenth of the heap, because a collection must not need much memory just when
 * there is none. When it cannot grow, the object that found no room stays marked, its block is noted as overflowed, and
 * after the stack has run empty the marked objects of such blocks are scanned again. Pointer reversal would need no
 * stack, but writes to every object and is slower where it matters.
 *
 * Invariants
 *  1. A marked object is on the stack, in the queue, scanned, or in a block that is overflowed.
 *  2. A scan again starts with an empty stack, so that an array's next position finds room; each pass over the
 *     overflowed blocks scans all that was left unscanned before it. So the passes end.
 *  3. Roots are drained while they come: the stack holds what one root leads to. */
#include "engine/heap_parts.h"

enum {
  SLICE_ELEMENTS = 128,
  QUEUE_LENGTH = 8,        /* objects being fetched; a power of two */
  ROOT_WORDS = 256,        /* on the stack, from which on a root is drained at once */
  HEAP_BYTES_A_WORD = 128, /* of the stack's greatest size: 8 bytes for 128 */
};

/* ---- The stack ---------------------------------------------------------------------------------------------------- */

/* In the budget while it lasts; that it has no room is no lack of the guest's. */
static bool stack_grow(struct engine_heap *heap) {
  struct engine_heap_marker *marker = &heap->marker;
  size_t capacity = marker->capacity * 2;
  if (capacity > marker->limit) return false;
  bool is_first = marker->words == marker->first;
  uint64_t added_bytes = (capacity - (is_first ? 0 : marker->capacity)) * sizeof *marker->words;
  if (!base_budget_try(heap->store->budget, BASE_LIMIT_MEMORY, added_bytes)) return false;
  uint64_t *words = base_resize_array(is_first ? NULL : marker->words, capacity, sizeof *words);
  if (!words) {
    base_budget_give(heap->store->budget, BASE_LIMIT_MEMORY, added_bytes);
    return false;
  }
  if (is_first) memcpy(words, marker->first, sizeof marker->first);
  marker->words = words;
  marker->capacity = capacity;
  return true;
}

static inline bool stack_has_room(struct engine_heap *heap, size_t words) {
  return BASE_LIKELY(heap->marker.capacity - heap->marker.count >= words) || stack_grow(heap);
}

static void stack_reset(struct engine_heap *heap) {
  struct engine_heap_marker *marker = &heap->marker;
  if (marker->words != marker->first) {
    base_free(marker->words);
    base_budget_give(heap->store->budget, BASE_LIMIT_MEMORY, marker->capacity * sizeof *marker->words);
  }
  marker->words = marker->first;
  marker->capacity = HEAP_MARK_WORDS;
  marker->count = 0;
  marker->limit = (size_t)(heap->stats.held_bytes / HEAP_BYTES_A_WORD);
  if (heap->mark_words_limit) marker->limit = heap->mark_words_limit;
}

static BASE_COLD void overflow(struct engine_heap *heap, struct engine_heap_block *block) {
  block->is_overflowed = true;
  heap->marker.is_overflowed = true;
}

/* ---- Marks -------------------------------------------------------------------------------------------------------- */

/* False: it was marked before. */
static inline bool set_mark(struct engine_heap *heap, struct engine_heap_block *block, uint64_t reference) {
  if (block->class_index == HEAP_LARGE) {
    if (block->marked) return false;
    block->marked = 1;
    return true;
  }
  assert(block->class_index < HEAP_CLASSES);
  size_t granule = (size_t)(reference % HEAP_BLOCK_BYTES) / HEAP_GRANULE_BYTES;
  uint64_t *word = &block->bits[heap->mark_index][granule / 64], bit = UINT64_C(1) << granule % 64;
  if (*word & bit) return false;
  *word |= bit;
  block->marked++;
  return true;
}

static inline void visit(struct engine_heap *heap, uint64_t reference) {
  if (!engine_ref_is_object(reference)) {
    if (BASE_UNLIKELY(heap->host_visit) && engine_ref_is_host(reference))
      heap->host_visit(heap->host_env, engine_ref_host_number(reference));
    return;
  }
  struct engine_heap_block *block = engine_heap_block_of(reference);
  if (!set_mark(heap, block, reference)) return;
  struct engine_heap_marker *marker = &heap->marker;
  if (stack_has_room(heap, 1))
    marker->words[marker->count++] = reference;
  else
    overflow(heap, block);
}

/* ---- Scanning ----------------------------------------------------------------------------------------------------- */

static void scan_array(struct engine_heap *heap, struct engine_array *array, uint64_t from) {
  uint64_t to = array->length;
  struct engine_heap_marker *marker = &heap->marker;
  if (to - from > SLICE_ELEMENTS) {
    to = from + SLICE_ELEMENTS;
    if (!stack_has_room(heap, 2)) {
      overflow(heap, engine_heap_block_of(engine_ref_of(array)));
      return;
    }
    marker->words[marker->count++] = to;
    marker->words[marker->count++] = engine_ref_of(array) | 1;
  }
  const uint8_t *elems = engine_array_elems(array);
  for (uint64_t i = from; i < to; i++) visit(heap, base_load_u64(elems + i * 8));
}

static void scan(struct engine_heap *heap, struct engine_object *object) {
  const struct engine_type *type = object->type;
  assert(type->kind != ENGINE_TYPE_FUNC);
  if (type->kind == ENGINE_TYPE_ARRAY) {
    if (type->elem_is_ref) scan_array(heap, (struct engine_array *)object, 0);
    return;
  }
  const uint8_t *bytes = (const uint8_t *)object;
  for (uint32_t i = 0; i < type->ref_count; i++) visit(heap, base_load_u64(bytes + type->ref_offsets[i]));
}

/* Takes the top of the stack: a further slice is scanned, an object goes to the end of the queue. */
static void take(struct engine_heap *heap, uint64_t queue[QUEUE_LENGTH], unsigned end, unsigned *length) {
  struct engine_heap_marker *marker = &heap->marker;
  uint64_t top = marker->words[--marker->count];
  if (top & 1) {
    scan_array(heap, (struct engine_array *)engine_ref_object(top - 1), marker->words[--marker->count]);
    return;
  }
  __builtin_prefetch(engine_ref_object(top));
  queue[end % QUEUE_LENGTH] = top;
  ++*length;
}

static void drain(struct engine_heap *heap) {
  uint64_t queue[QUEUE_LENGTH];
  unsigned begin = 0, length = 0;
  while (heap->marker.count || length) {
    if (heap->marker.count && length < QUEUE_LENGTH) {
      take(heap, queue, begin + length, &length);
    } else {
      struct engine_object *object = engine_ref_object(queue[begin++ % QUEUE_LENGTH]);
      length--;
      scan(heap, object);
    }
  }
}

void engine_heap_mark(struct engine_heap *heap, uint64_t reference) {
  assert(heap->is_collecting);
  assert(!engine_ref_is_object(reference) || engine_heap_contains(heap, reference));
  visit(heap, reference);
  if (heap->marker.count >= ROOT_WORDS) drain(heap);
}

/* ---- Scanning again ------------------------------------------------------------------------------------------------- */

static void scan_block(struct engine_heap *heap, struct engine_heap_block *block) {
  block->is_overflowed = false;
  if (block->class_index == HEAP_LARGE) {
    if (block->marked) scan(heap, (struct engine_object *)((uint8_t *)block + HEAP_LARGE_OFFSET));
    drain(heap);
    return;
  }
  const uint64_t *marks = block->bits[heap->mark_index];
  for (size_t word = 0; word < HEAP_BIT_WORDS; word++)
    for (uint64_t left = marks[word]; left; left &= left - 1) {
      size_t granule = word * 64 + (size_t)__builtin_ctzll(left);
      scan(heap, (struct engine_object *)((uint8_t *)block + granule * HEAP_GRANULE_BYTES));
      drain(heap);
    }
}

static void scan_again(struct engine_heap *heap) {
  while (heap->marker.is_overflowed) {
    heap->marker.is_overflowed = false;
    heap->stats.rescans++;
    for (size_t i = 0; i < heap->regions.count; i++) {
      struct engine_heap_block *block;
      uint64_t left = heap->regions.items[i].starts;
      while ((block = engine_heap_block_pop(&heap->regions.items[i], &left)))
        if (block->is_overflowed) scan_block(heap, block);
    }
  }
}

/* ---- All of it -------------------------------------------------------------------------------------------------------- */

static void clear_marks(struct engine_heap *heap) {
  for (size_t i = 0; i < heap->regions.count; i++) {
    struct engine_heap_block *block;
    uint64_t left = heap->regions.items[i].starts;
    while ((block = engine_heap_block_pop(&heap->regions.items[i], &left))) {
      block->marked = 0;
      assert(!block->is_overflowed);
      if (block->class_index == HEAP_LARGE) continue;
      memset(block->bits[heap->mark_index], 0, sizeof block->bits[0]);
    }
  }
}

void engine_heap_mark_all(struct engine_heap *heap) {
  clear_marks(heap);
  stack_reset(heap);
  heap->roots(heap->store, heap);
  drain(heap);
  scan_again(heap);
  assert(heap->marker.count == 0);
  stack_reset(heap);
}
