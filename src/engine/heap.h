/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The garbage-collected heap of a store: structs, arrays and exceptions. Made on first use, freed with the store.
 *
 * Objects never move, so a reference is an address for as long as something reaches the object. Collections run inside
 * engine_heap_alloc and engine_heap_collect and nowhere else: whatever a caller holds across those must be reachable
 * from what the roots function marks. Threads: as the store, one at a time. docs/heap.md has the numbers. */
#ifndef ENGINE_HEAP_H
#define ENGINE_HEAP_H

#include "engine/engine.h"

struct engine_heap;

/* An object of `bytes` bytes (header included), aligned to 16, zeroed, with its type set. An array's length is for the
 * caller to set before it allocates again. May collect. NULL: even after a collection the store's budget or the system
 * has no room (ENGINE_TRAP_HEAP_EXHAUSTED). */
void *engine_heap_alloc(struct engine_store *store, const struct engine_type *type, uint64_t bytes);

/* Only inside the roots function: what `reference` points to lives on. Null, i31 and host values are ignored; a funcref
 * must not come here. */
void engine_heap_mark(struct engine_heap *heap, uint64_t reference);

/* Whether `reference` is the address of an object that has not been collected: any 64 bits may be asked about. For
 * slots of which it is not known what they hold. `heap` may be NULL. */
bool engine_heap_contains(const struct engine_heap *heap, uint64_t reference);

/* Collects now. Nothing happens in a store without a heap. */
void engine_heap_collect(struct engine_store *store);

/* Marks everything outside of the heap that holds references to objects: tables, globals, frames, a pending exception. */
typedef void (*engine_heap_roots)(struct engine_store *store, struct engine_heap *heap);
void engine_roots_mark(struct engine_store *store, struct engine_heap *heap);

struct engine_heap_stats {
  uint64_t collections;
  uint64_t live_objects, live_bytes; /* after the last collection; bytes of whole cells */
  uint64_t allocated_bytes;          /* of cells handed out since the store was made */
  uint64_t held_bytes;               /* taken from the store's budget now; spares included */
  uint64_t spare_bytes;              /* empty blocks that are kept for the next allocations */
  uint64_t pause_total_ns, pause_longest_ns;
  uint64_t rescans;                  /* times that the mark stack was too small */
};
struct engine_heap_stats engine_heap_stats(const struct engine_store *store); /* zeros without a heap */

/* ---- For tests --------------------------------------------------------------------------------------------------- */

/* Collects at every allocation and overwrites what died. False: no memory for a heap. */
bool engine_heap_set_stress(struct engine_store *store, bool is_stressed);
/* Replaces engine_roots_mark. False: no memory for a heap. */
bool engine_heap_set_roots(struct engine_store *store, engine_heap_roots roots);
/* The mark stack gets no larger than so many words, but never below 512; 0: as large as usual. */
bool engine_heap_set_mark_words(struct engine_store *store, size_t words);

/* ---- For engine.c -------------------------------------------------------------------------------------------------- */

/* Gives kept empty blocks back to budget and system; false: there were none. `heap` may be NULL. */
bool engine_heap_drop_spares(struct engine_heap *heap);
void engine_heap_free(struct engine_heap *heap); /* NULL is allowed */

#endif
