/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Budgets: what a program may use, counted in one place for all rooms.
 *
 * Each limit is a counter with an end. Taking is a compare and exchange, because two threads that each find room must not
 * both take the last of it. A budget may have a parent, which is what a tenant's programs share: what is taken from a
 * budget is taken from all above it, from below to above, and is given back where one of them refuses.
 *
 * Invariants: 1. taking never makes used exceed the limit, which may be set below what is used already: then nothing is
 * left. 2. What a budget uses is part of what its parent uses. 3. The peak is at least what is used, as soon as taking has
 * returned; what was refused above does not raise it. */
#include <assert.h>
#include <stddef.h>

#include "base/base.h"

struct counter {
  _Atomic uint64_t limit, used, peak;
};

struct base_budget {
  struct base_budget_head head;
  atomic_uint references;
  _Atomic(enum base_limit) last_hit;
  struct counter counters[BASE_LIMIT_COUNT];
};
static_assert(offsetof(struct base_budget, head) == 0, "base_budget_is_quiet reads it");

static const char *const names[BASE_LIMIT_COUNT] = {
#define X(NAME, name) name,
    BASE_LIMITS(X)
#undef X
};

const char *base_limit_name(enum base_limit limit) { return names[limit]; }

struct base_budget *base_budget_new(struct base_budget *parent) {
  struct base_budget *budget = base_alloc_zero(1, sizeof *budget);
  if (!budget) return NULL;
  atomic_init(&budget->references, 1);
  budget->head.parent = parent ? base_budget_retain(parent) : NULL;
  for (size_t i = 0; i < BASE_LIMIT_COUNT; i++) atomic_init(&budget->counters[i].limit, BASE_NO_LIMIT);
  atomic_init(&budget->last_hit, BASE_LIMIT_COUNT);
  return budget;
}

struct base_budget *base_budget_retain(struct base_budget *budget) {
  if (budget) atomic_fetch_add_explicit(&budget->references, 1, memory_order_relaxed);
  return budget;
}

void base_budget_release(struct base_budget *budget) {
  while (budget) {
    unsigned before = atomic_fetch_sub_explicit(&budget->references, 1, memory_order_acq_rel);
    assert(before > 0 && "a budget was released more often than it was made and retained");
    if (before > 1) return;
    struct base_budget *parent = budget->head.parent;
    base_free(budget);
    budget = parent;
  }
}

void base_budget_set_limit(struct base_budget *budget, enum base_limit limit, uint64_t most) {
  atomic_store_explicit(&budget->counters[limit].limit, most, memory_order_relaxed);
  if (limit != BASE_LIMIT_TIME && limit != BASE_LIMIT_CPU_TIME) return;
  if (most == BASE_NO_LIMIT)
    atomic_fetch_and_explicit(&budget->head.times, ~(UINT32_C(1) << limit), memory_order_relaxed);
  else
    atomic_fetch_or_explicit(&budget->head.times, UINT32_C(1) << limit, memory_order_relaxed);
}

static uint64_t limit_of(const struct counter *counter) {
  return atomic_load_explicit(&counter->limit, memory_order_relaxed);
}

/* The most of `amount` that one counter has left, taken from it; all of it or nothing unless `part`. `*before` is what was
 * used. */
static uint64_t take_here(struct counter *counter, uint64_t amount, bool part, uint64_t *before) {
  uint64_t used = atomic_load_explicit(&counter->used, memory_order_relaxed), taken;
  do {
    uint64_t limit = limit_of(counter), left = used < limit ? limit - used : 0;
    taken = amount <= left ? amount : part ? left : 0;
    if (taken == 0) return 0;
  } while (!atomic_compare_exchange_weak_explicit(&counter->used, &used, used + taken, memory_order_relaxed,
                                                  memory_order_relaxed));
  *before = used;
  return taken;
}

static void raise_peak(struct counter *counter, uint64_t used) {
  uint64_t peak = atomic_load_explicit(&counter->peak, memory_order_relaxed);
  while (used > peak && !atomic_compare_exchange_weak_explicit(&counter->peak, &peak, used, memory_order_relaxed,
                                                               memory_order_relaxed)) {
  }
}

static void give_here(struct counter *counter, uint64_t amount) {
  uint64_t before = atomic_fetch_sub_explicit(&counter->used, amount, memory_order_relaxed);
  assert(before >= amount);
  (void)before;
}

/* Takes from `budget` and all above it. */
static uint64_t take_up(struct base_budget *budget, enum base_limit limit, uint64_t amount, bool part) {
  if (!budget) return amount;
  struct counter *counter = &budget->counters[limit];
  uint64_t before, here = take_here(counter, amount, part, &before);
  if (here == 0) return 0;
  uint64_t above = take_up(budget->head.parent, limit, here, part);
  if (above < here) give_here(counter, here - above);
  if (above) raise_peak(counter, before + above);
  return above;
}

static bool is_held(size_t limit) {
  return limit == BASE_LIMIT_MEMORY || limit == BASE_LIMIT_HANDLES || limit == BASE_LIMIT_THREADS;
}

bool base_budget_join(struct base_budget *budget, struct base_budget *parent) {
  assert(!budget->head.parent);
  size_t i = 0;
  while (i < BASE_LIMIT_COUNT && base_budget_try(parent, (enum base_limit)i, budget->counters[i].used)) i++;
  bool has_joined = i == BASE_LIMIT_COUNT;
  while (!has_joined && i-- > 0) base_budget_give(parent, (enum base_limit)i, budget->counters[i].used);
  if (has_joined) budget->head.parent = base_budget_retain(parent);
  return has_joined;
}

void base_budget_leave(struct base_budget *budget) {
  for (size_t i = 0; budget->head.parent && i < BASE_LIMIT_COUNT; i++)
    if (is_held(i)) base_budget_give(budget->head.parent, (enum base_limit)i, budget->counters[i].used);
  base_budget_release(budget->head.parent);
  budget->head.parent = NULL;
}

void base_budget_restart(struct base_budget *budget) {
  assert(!budget->head.parent);
  for (size_t i = 0; i < BASE_LIMIT_COUNT; i++) {
    struct counter *counter = &budget->counters[i];
    if (!is_held(i)) atomic_store_explicit(&counter->used, 0, memory_order_relaxed);
    atomic_store_explicit(&counter->peak, atomic_load_explicit(&counter->used, memory_order_relaxed),
                          memory_order_relaxed);
  }
  base_budget_forget_hits(budget);
}

bool base_budget_try(struct base_budget *budget, enum base_limit limit, uint64_t amount) {
  return amount == 0 || take_up(budget, limit, amount, false) == amount;
}

bool base_budget_take(struct base_budget *budget, enum base_limit limit, uint64_t amount) {
  if (base_budget_try(budget, limit, amount)) return true;
  base_budget_hit(budget, limit);
  return false;
}

uint64_t base_budget_take_part(struct base_budget *budget, enum base_limit limit, uint64_t amount) {
  uint64_t taken = base_budget_try_part(budget, limit, amount);
  if (taken < amount) base_budget_hit(budget, limit);
  return taken;
}

uint64_t base_budget_try_part(struct base_budget *budget, enum base_limit limit, uint64_t amount) {
  return amount == 0 ? 0 : take_up(budget, limit, amount, true);
}

void base_budget_give(struct base_budget *budget, enum base_limit limit, uint64_t amount) {
  for (; budget; budget = budget->head.parent) give_here(&budget->counters[limit], amount);
}

void base_budget_hit(struct base_budget *budget, enum base_limit limit) {
  if (!budget) return;
  atomic_fetch_or_explicit(&budget->head.hits, UINT32_C(1) << limit, memory_order_relaxed);
  atomic_store_explicit(&budget->last_hit, limit, memory_order_relaxed);
}

enum base_limit base_budget_last_hit(const struct base_budget *budget) {
  return budget ? atomic_load_explicit(&budget->last_hit, memory_order_relaxed) : BASE_LIMIT_COUNT;
}

void base_budget_forget_hits(struct base_budget *budget) {
  atomic_store_explicit(&budget->head.hits, 0, memory_order_relaxed);
  atomic_store_explicit(&budget->last_hit, BASE_LIMIT_COUNT, memory_order_relaxed);
}

static uint64_t left_here(const struct base_budget *budget, enum base_limit limit) {
  uint64_t most = limit_of(&budget->counters[limit]);
  if (most == BASE_NO_LIMIT) return BASE_NO_LIMIT; /* whatever was used */
  uint64_t used = atomic_load_explicit(&budget->counters[limit].used, memory_order_relaxed);
  return used < most ? most - used : 0;
}

const struct base_budget *base_budget_tightest(const struct base_budget *budget, enum base_limit limit) {
  const struct base_budget *tightest = budget;
  for (; budget; budget = budget->head.parent)
    if (left_here(budget, limit) < left_here(tightest, limit)) tightest = budget;
  return tightest;
}

uint64_t base_budget_left(const struct base_budget *budget, enum base_limit limit) {
  return budget ? left_here(base_budget_tightest(budget, limit), limit) : BASE_NO_LIMIT;
}

uint32_t base_budget_hits(const struct base_budget *budget) {
  return budget ? atomic_load_explicit(&budget->head.hits, memory_order_relaxed) : 0;
}

uint64_t base_budget_limit(const struct base_budget *budget, enum base_limit limit) {
  return budget ? limit_of(&budget->counters[limit]) : BASE_NO_LIMIT;
}

uint64_t base_budget_used(const struct base_budget *budget, enum base_limit limit) {
  return budget ? atomic_load_explicit(&budget->counters[limit].used, memory_order_relaxed) : 0;
}

uint64_t base_budget_peak(const struct base_budget *budget, enum base_limit limit) {
  return budget ? atomic_load_explicit(&budget->counters[limit].peak, memory_order_relaxed) : 0;
}
