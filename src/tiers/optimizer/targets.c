/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The profile: what calls of functions that are found at run time have gone to. Code of the baseline that counts notes it
 * (struct baseline_target); requests tell it to the helper, whose answers have it, so that it is kept with the code. */
#include "tiers/baseline/code.h"
#include "tiers/optimizer/optimizer.h"

#include <stdlib.h>

static int by_offset(const void *one, const void *other) {
  const struct wire_target *a = one, *b = other;
  return (a->offset > b->offset) - (a->offset < b->offset);
}

static void put_in_order(struct wire_target *targets, size_t count) {
  if (count) qsort(targets, count, sizeof *targets, by_offset);
}

/* ---- Merging ---------------------------------------------------------------------------------------------------------------- */

/* What is left of two lists. */
struct rest {
  const struct wire_target *at, *end;
};

static struct wire_target next(struct rest *rest) {
  struct wire_target first = *rest->at;
  while (rest->at < rest->end && rest->at->offset == first.offset) rest->at++;
  return first;
}

static struct wire_target next_of(struct rest *own, struct rest *more, bool stays) {
  if (more->at == more->end) return next(own);
  if (own->at == own->end || more->at->offset < own->at->offset) return next(more);
  bool are_same = own->at->offset == more->at->offset;
  struct wire_target first = next(own), other = are_same ? next(more) : first;
  return stays ? first : other;
}

bool optimizer_targets_add(struct optimizer_targets *all, struct wire_target *more, size_t count, bool stays) {
  struct optimizer_targets merged = {0};
  struct rest own_rest = {all->list.items, all->list.items + all->list.count}, rest = {more, more + count};
  if (count == 0) return true;
  put_in_order(more, count);
  size_t most = all->list.count + count;
  if (!BASE_VEC_RESERVE(&merged.list, most < WIRE_MOST_TARGETS ? most : WIRE_MOST_TARGETS)) return false;
  while ((own_rest.at < own_rest.end || rest.at < rest.end) && merged.list.count < WIRE_MOST_TARGETS)
    merged.list.items[merged.list.count++] = next_of(&own_rest, &rest, stays);
  BASE_VEC_DEINIT(&all->list);
  *all = merged;
  return true;
}

/* ---- What was seen ---------------------------------------------------------------------------------------------------------- */

/* Its code may be writing there. */
static bool see(const struct compiled *function, uint32_t least, struct optimizer_targets *out) {
  for (uint32_t i = 0; i < function->target_count && out->list.count < WIRE_MOST_TARGETS; i++) {
    const volatile struct baseline_target *target = &function->targets[i];
    uint32_t entry = target->entry;
    if (entry == BASELINE_NO_ENTRY || target->votes < least) continue;
    struct wire_target *seen = BASE_VEC_PUSH(&out->list);
    if (!seen) return false;
    *seen = (struct wire_target){target->offset, entry};
  }
  return true;
}

bool optimizer_targets_seen(struct baseline_code *code, uint32_t least, struct optimizer_targets *out) {
  bool done = true;
  pthread_mutex_lock(&code->lock);
  for (size_t i = 0; i < code->chunks.count; i++) {
    const struct chunk *chunk = &code->chunks.items[i];
    for (size_t k = 0; done && k < chunk->places.count; k++) done = see(chunk->places.items[k].function, least, out);
  }
  pthread_mutex_unlock(&code->lock);
  put_in_order(out->list.items, out->list.count);
  return done;
}
