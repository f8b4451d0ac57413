/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Budgets: limits, peaks, parents, and threads that take at once. */
#include <pthread.h>

#include "base/base.h"
#include "test.h"

TEST(nobody_is_without_limit) {
  CHECK(base_budget_take(NULL, BASE_LIMIT_MEMORY, UINT64_MAX));
  CHECK_INT(base_budget_take_part(NULL, BASE_LIMIT_OUTPUT, 7), 7);
  base_budget_give(NULL, BASE_LIMIT_MEMORY, 7);
  CHECK_INT(base_budget_hits(NULL), 0);
  CHECK_INT(base_budget_last_hit(NULL), BASE_LIMIT_COUNT);
}

TEST(takes_up_to_the_limit) {
  struct base_budget *budget = base_budget_new(NULL);
  base_budget_set_limit(budget, BASE_LIMIT_MEMORY, 100);
  CHECK(base_budget_take(budget, BASE_LIMIT_MEMORY, 60));
  CHECK(!base_budget_try(budget, BASE_LIMIT_MEMORY, 41));
  CHECK_INT(base_budget_hits(budget), 0);
  CHECK(base_budget_take(budget, BASE_LIMIT_MEMORY, 40));
  CHECK(!base_budget_take(budget, BASE_LIMIT_MEMORY, 1));
  CHECK_INT(base_budget_hits(budget), 1 << BASE_LIMIT_MEMORY);
  base_budget_give(budget, BASE_LIMIT_MEMORY, 70);
  CHECK_INT(base_budget_used(budget, BASE_LIMIT_MEMORY), 30);
  CHECK_INT(base_budget_peak(budget, BASE_LIMIT_MEMORY), 100);
  CHECK(base_budget_take(budget, BASE_LIMIT_READ, UINT64_MAX));
  CHECK(!base_budget_take(budget, BASE_LIMIT_READ, 1));
  base_budget_release(budget);
}

TEST(takes_a_part) {
  struct base_budget *budget = base_budget_new(NULL);
  base_budget_set_limit(budget, BASE_LIMIT_OUTPUT, 10);
  CHECK_INT(base_budget_take_part(budget, BASE_LIMIT_OUTPUT, 8), 8);
  CHECK_INT(base_budget_take_part(budget, BASE_LIMIT_OUTPUT, 0), 0);
  CHECK_INT(base_budget_hits(budget), 0);
  CHECK_INT(base_budget_take_part(budget, BASE_LIMIT_OUTPUT, 8), 2);
  CHECK_INT(base_budget_take_part(budget, BASE_LIMIT_OUTPUT, 8), 0);
  CHECK_INT(base_budget_hits(budget), 1 << BASE_LIMIT_OUTPUT);
  CHECK_INT(base_budget_last_hit(budget), BASE_LIMIT_OUTPUT);
  base_budget_hit(budget, BASE_LIMIT_MEMORY);
  base_budget_give(budget, BASE_LIMIT_OUTPUT, 4);
  CHECK_INT(base_budget_try_part(budget, BASE_LIMIT_OUTPUT, 8), 4);
  CHECK_INT(base_budget_hits(budget), 1 << BASE_LIMIT_OUTPUT | 1 << BASE_LIMIT_MEMORY);
  CHECK_INT(base_budget_last_hit(budget), BASE_LIMIT_MEMORY);
  base_budget_release(budget);
}

/* What is left is what the tightest of a budget and those above it has. */
TEST(the_tightest_decides) {
  struct base_budget *tenant = base_budget_new(NULL), *own = base_budget_new(NULL);
  CHECK(base_budget_join(own, tenant));
  base_budget_set_limit(own, BASE_LIMIT_SENT, 10);
  base_budget_set_limit(tenant, BASE_LIMIT_SENT, 12);
  CHECK_INT(base_budget_left(own, BASE_LIMIT_SENT), 10);
  CHECK(base_budget_tightest(own, BASE_LIMIT_SENT) == own);
  CHECK(base_budget_take(tenant, BASE_LIMIT_SENT, 5));
  CHECK_INT(base_budget_left(own, BASE_LIMIT_SENT), 7);
  CHECK(base_budget_tightest(own, BASE_LIMIT_SENT) == tenant);
  CHECK(base_budget_left(own, BASE_LIMIT_READ) == BASE_NO_LIMIT);
  CHECK(base_budget_left(NULL, BASE_LIMIT_SENT) == BASE_NO_LIMIT);
  CHECK_INT(base_budget_last_hit(own), BASE_LIMIT_COUNT);
  base_budget_release(tenant);
  base_budget_release(own);
}

TEST(children_share_what_the_parent_has) {
  struct base_budget *tenant = base_budget_new(NULL);
  base_budget_set_limit(tenant, BASE_LIMIT_WRITTEN, 10);
  struct base_budget *first = base_budget_new(tenant), *second = base_budget_new(tenant);
  base_budget_set_limit(first, BASE_LIMIT_WRITTEN, 8);
  base_budget_release(tenant);
  CHECK_INT(base_budget_take_part(second, BASE_LIMIT_WRITTEN, 5), 5);
  CHECK(!base_budget_take(first, BASE_LIMIT_WRITTEN, 6));
  CHECK_INT(base_budget_used(first, BASE_LIMIT_WRITTEN), 0);
  CHECK_INT(base_budget_take_part(first, BASE_LIMIT_WRITTEN, 8), 5);
  CHECK_INT(base_budget_used(first, BASE_LIMIT_WRITTEN), 5);
  CHECK(!base_budget_take(second, BASE_LIMIT_WRITTEN, 1));
  base_budget_release(first);
  base_budget_release(second);
}

TEST(peaks_are_of_what_was_taken) {
  struct base_budget *tenant = base_budget_new(NULL), *own = base_budget_new(tenant);
  base_budget_set_limit(tenant, BASE_LIMIT_MEMORY, 64);
  CHECK(base_budget_take(own, BASE_LIMIT_MEMORY, 10));
  CHECK(!base_budget_take(own, BASE_LIMIT_MEMORY, 1000));
  CHECK_INT(base_budget_peak(own, BASE_LIMIT_MEMORY), 10);
  CHECK_INT(base_budget_take_part(own, BASE_LIMIT_MEMORY, 1000), 54);
  CHECK_INT(base_budget_peak(own, BASE_LIMIT_MEMORY), 64);
  CHECK_INT(base_budget_peak(tenant, BASE_LIMIT_MEMORY), 64);
  base_budget_release(tenant);
  base_budget_release(own);
}

/* An embedder may lower what a tenant has while its programs run. */
TEST(a_limit_below_what_is_used_leaves_nothing) {
  struct base_budget *tenant = base_budget_new(NULL), *own = base_budget_new(tenant);
  CHECK(base_budget_take(own, BASE_LIMIT_MEMORY, 100));
  base_budget_set_limit(tenant, BASE_LIMIT_MEMORY, 60);
  CHECK_INT(base_budget_left(own, BASE_LIMIT_MEMORY), 0);
  CHECK(base_budget_tightest(own, BASE_LIMIT_MEMORY) == tenant);
  CHECK(!base_budget_take(own, BASE_LIMIT_MEMORY, 1));
  CHECK_INT(base_budget_take_part(own, BASE_LIMIT_MEMORY, 1), 0);
  base_budget_give(own, BASE_LIMIT_MEMORY, 50);
  CHECK_INT(base_budget_take_part(own, BASE_LIMIT_MEMORY, 100), 10);
  base_budget_release(tenant);
  base_budget_release(own);
}

enum { TAKERS = 4, ROUNDS = 100000, SHARED_LIMIT = 3 };
static void *take_and_give(void *opaque) {
  struct base_budget *budget = opaque;
  uintptr_t refused = 0;
  for (int i = 0; i < ROUNDS; i++) {
    if (!base_budget_try(budget, BASE_LIMIT_HANDLES, 1))
      refused++;
    else
      base_budget_give(budget, BASE_LIMIT_HANDLES, 1);
    base_budget_take(budget, BASE_LIMIT_FUEL, 1);
  }
  return (void *)refused;
}

TEST(what_was_used_is_no_limit) {
  struct base_budget *parent = base_budget_new(NULL), *child = base_budget_new(parent);
  CHECK(base_budget_take(child, BASE_LIMIT_CPU_TIME, 1000));
  CHECK(base_budget_left(child, BASE_LIMIT_CPU_TIME) == BASE_NO_LIMIT);
  CHECK(base_budget_is_quiet(child) && base_budget_is_quiet(NULL));
  base_budget_hit(child, BASE_LIMIT_MEMORY);
  CHECK(!base_budget_is_quiet(child));
  base_budget_forget_hits(child);
  CHECK(base_budget_is_quiet(child));
  base_budget_set_limit(parent, BASE_LIMIT_CPU_TIME, 3000);
  CHECK(!base_budget_is_quiet(child));
  CHECK_INT(base_budget_left(child, BASE_LIMIT_CPU_TIME), 2000);
  base_budget_release(child);
  base_budget_release(parent);
}

TEST(threads_never_pass_the_limit) {
  struct base_budget *budget = base_budget_new(NULL);
  pthread_t threads[TAKERS];
  base_budget_set_limit(budget, BASE_LIMIT_HANDLES, SHARED_LIMIT);
  for (int i = 0; i < TAKERS; i++) CHECK(pthread_create(&threads[i], NULL, take_and_give, budget) == 0);
  for (int i = 0; i < TAKERS; i++) pthread_join(threads[i], NULL);
  CHECK_INT(base_budget_used(budget, BASE_LIMIT_HANDLES), 0);
  CHECK(base_budget_peak(budget, BASE_LIMIT_HANDLES) <= SHARED_LIMIT);
  CHECK_INT(base_budget_used(budget, BASE_LIMIT_FUEL), TAKERS * ROUNDS);
  base_budget_release(budget);
}

TEST_MAIN(RUN(nobody_is_without_limit) RUN(takes_up_to_the_limit) RUN(takes_a_part) RUN(the_tightest_decides)
              RUN(children_share_what_the_parent_has) RUN(peaks_are_of_what_was_taken)
                  RUN(a_limit_below_what_is_used_leaves_nothing) RUN(what_was_used_is_no_limit)
                      RUN(threads_never_pass_the_limit))
