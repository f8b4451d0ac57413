/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Tests that run in every tier: options name `tested_tier`, and TIERS_TEST_MAIN stands in place of TEST_MAIN. CAY_TIERS
 * in the environment names those to test, separated by spaces; all when it is not set. */
#ifndef TESTS_EVERY_TIER_H
#define TESTS_EVERY_TIER_H

#include "test.h"
#include "tiers/tiers.h"

enum { TICKS_FOR_TESTS = 3 };

static const struct engine_tier *tested_tier;

static inline struct engine_options in_tier(struct engine_options options) {
  options.tier = tested_tier;
  return options;
}

static inline int tier_is_wanted(const struct engine_tier *tier) {
  const char *wanted = getenv("CAY_TIERS");
  return !wanted || test_is_word(wanted, tier->name);
}

/* CAY_HELPER_FOLDER in the environment: where cay-llvm is. Functions are optimized while they run as soon as that can be. */
static inline void tiers_find_helper(void) {
#if TIERS_RUNS_OPTIMIZED
  tiers_optimized_look_in(getenv("CAY_HELPER_FOLDER"));
#endif
#if TIERS_HAS_OPTIMIZER
  tiers_auto_hasten(TICKS_FOR_TESTS);
#endif
}

#define RUN_IN_EVERY_TIER(runs)                                        \
  tiers_find_helper();                                                 \
  for (const struct engine_tier *const *at = tiers_all; *at; at++) {   \
    if (!tier_is_wanted(*at)) continue;                                \
    tested_tier = *at;                                                 \
    printf("in the tier %s:\n", tested_tier->name);                    \
    runs;                                                              \
  }
#define TIERS_TEST_MAIN(runs) TEST_MAIN(RUN_IN_EVERY_TIER(runs))

#endif
