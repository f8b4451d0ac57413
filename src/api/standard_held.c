/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Objects of wasm.h that guests have as externrefs.
 *
 * An externref of the host's is the address of the object here, in the form of a number of the host's (engine/gc.h). Such
 * numbers come from here and nowhere else, since no guest can make one. Who drops one does not tell, so an object that was
 * given away is held, whether anybody outside still refers to it or not. When their number has doubled, the store's heap
 * is collected once more than it would be, and tells which numbers guests can reach: the others are let go. That happens
 * where a foreign object is made and not in the guest's own collections, because finalizers are the embedder's code and
 * want the embedder's stack. So a guest that gets a new object with every call keeps a bounded number of dead ones alive,
 * for a constant cost each.
 *
 * The collector also tells numbers that only look like ones; they are looked up among the addresses of held objects, in a
 * table that is made for the occasion. */
#include "api/standard.h"

static_assert(_Alignof(wasm_ref_t) >= 4, "an object's address has room for the mark of a host's number");

uint64_t standard_hold(wasm_ref_t *object) {
  if (!object->is_held) object->store->held_count++;
  object->is_held = true;
  return engine_ref_host(standard_key(object) >> 2);
}

wasm_ref_t *standard_held(uint64_t reference) {
  wasm_ref_t *object = (wasm_ref_t *)(uintptr_t)(engine_ref_host_number(reference) << 2);
  assert(object->is_held);
  return object;
}

/* Open addressing, at most half full. */
struct review {
  wasm_store_t *store;
  wasm_ref_t **slots;
  size_t slot_count; /* a power of two */
};

static wasm_ref_t **place_of(const struct review *review, uint64_t address) {
  size_t at = (size_t)((address * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
  while (review->slots[at & (review->slot_count - 1)] &&
         standard_key(review->slots[at & (review->slot_count - 1)]) != address)
    at++;
  return &review->slots[at & (review->slot_count - 1)];
}

static void add(void *env, wasm_ref_t *object) {
  struct review *review = env;
  object->is_reached = false;
  if (object->is_held) *place_of(review, standard_key(object)) = object;
}

static void reach(void *env, uint64_t number) {
  wasm_ref_t *object = *place_of(env, number << 2);
  if (object) object->is_reached = true;
}

/* Takes everything out of the table but what no guest has any more, and keeps that until all of it is known: a finalizer
 * may end others. */
static void let_go(struct review *review) {
  for (size_t i = 0; i < review->slot_count; i++) {
    wasm_ref_t *object = review->slots[i];
    if (object && object->is_reached) review->slots[i] = NULL;
    if (!object || object->is_reached) continue;
    object->is_held = false;
    object->references++;
    review->store->held_count--;
  }
  for (size_t i = 0; i < review->slot_count; i++) standard_release(review->slots[i]);
}

void standard_held_review(wasm_store_t *store) {
  if (store->held_count <= store->held_most) return;
  struct review review = {.store = store, .slot_count = STANDARD_HELD_LEAST};
  while (review.slot_count < store->held_count * 2) review.slot_count *= 2;
  review.slots = base_alloc_zero(review.slot_count, sizeof *review.slots);
  if (review.slots) {
    standard_visit(store, add, &review);
    if (engine_collect(store->inner, reach, &review)) let_go(&review);
  }
  base_free(review.slots);
  size_t twice = store->held_count * 2;
  store->held_most = twice > STANDARD_HELD_LEAST ? twice : STANDARD_HELD_LEAST;
}
