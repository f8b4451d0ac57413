/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* That the tier `optimized` optimizes, says what it has left out, and does without its helper. That its code means what it
 * should is shown by the tests that run in every tier. */
#include <stdlib.h>

#include "every_tier.h"
#include "tiers/tiers.h"

/* (i32) -> i32 twice, exported as "f" and "g": 7 for 0, else a tail call of the other one with one less. */
#define COUNTS_DOWN(other) \
  18, 0, 0x20, 0, 0x45, 0x04, 0x40, 0x41, 7, 0x0F, 0x0B, 0x20, 0, 0x41, 1, 0x6B, 0x12, other, 0x0B
static const uint8_t two_functions[] = {
    0x00,
    'a',
    's',
    'm',
    1,
    0,
    0,
    0,
    1,
    6,
    1,
    0x60,
    1,
    0x7F,
    1,
    0x7F,
    3,
    3,
    2,
    0,
    0,
    7,
    9,
    2,
    1,
    'f',
    0,
    0,
    1,
    'g',
    0,
    1,
    10,
    39,
    2,
    COUNTS_DOWN(1),
    COUNTS_DOWN(0),
};

static struct module *load(void) {
  struct module *module = NULL;
  struct cay_error error = {0};
  enum cay_status status = module_load(two_functions, sizeof two_functions, MODULE_BYTES_BORROW,
                                       MODULE_FEATURES_DEFAULT, NULL, &module, &error);
  if (status != CAY_OK) printf("%s\n", error.text);
  CHECK_INT(status, CAY_OK);
  return module;
}

static struct base_text report_of(const struct engine_code_options *options) {
  struct base_text text = {0};
  struct module *module = load();
  void *code;
  const void *const *entries;
  if (!module) exit(1);
  CHECK_INT(tiers_optimized.code_new(module, options, &code, &entries, NULL), CAY_OK);
  tiers_optimized.report(code, &text);
  tiers_optimized.code_free(code);
  module_release(module);
  return text;
}

TEST(functions_are_optimized_and_refused) {
  struct base_text text = report_of(&(struct engine_code_options){.explicit_bounds = true});
  CHECK_TEXT(text.bytes, "optimized 2 of 2 functions");
  base_text_deinit(&text);
  tiers_optimized_mix(1);
  text = report_of(&(struct engine_code_options){.explicit_bounds = true});
  CHECK_TEXT(text.bytes, "optimized 1 of 2 functions; 1 not for the sake of a test");
  base_text_deinit(&text);
  tiers_optimized_mix(0);
}

static uint64_t count_down(struct engine *engine, const char *name, uint64_t from) {
  struct engine_store *store;
  struct engine_instance *instance;
  struct engine_extern found;
  struct module *module = load();
  CHECK_INT(engine_store_new(engine, NULL, &store, NULL), CAY_OK);
  CHECK_INT(engine_instantiate(store, module, NULL, "counts", &instance, NULL), CAY_OK);
  CHECK(engine_export(instance, name, 1, &found));
  CHECK_INT(engine_call(store, found.func, &from), ENGINE_TRAP_NONE);
  module_release(module);
  engine_store_free(store);
  return from;
}

/* Of two functions that call each other in turn, both, one or the other is optimized. */
TEST(tail_calls_between_tiers_take_no_stack) {
  for (uint32_t mix = 0; mix < 3; mix++) {
    struct engine *engine;
    tiers_optimized_mix(mix);
    CHECK_INT(engine_new(&(struct engine_options){.tier = &tiers_optimized, .stack_bytes = 1 << 16}, &engine, NULL),
              CAY_OK);
    CHECK_INT(count_down(engine, "f", 1000001), 7);
    CHECK_INT(count_down(engine, "g", 1000001), 7);
    engine_free(engine);
  }
  tiers_optimized_mix(0);
}

TEST(locals_that_others_read_are_not_optimized) {
  struct base_text text = report_of(&(struct engine_code_options){.explicit_bounds = true, .exact_locals = true});
  CHECK_TEXT(text.bytes, "optimized 0 of 2 functions");
  base_text_deinit(&text);
}

TEST(without_a_helper_the_baseline_runs) {
  tiers_optimized.settle();
  tiers_optimized_look_in("/nowhere");
  struct base_text text = report_of(&(struct engine_code_options){.explicit_bounds = true});
  CHECK(strstr(text.bytes, "optimized 0 of 2 functions; the rest is not: cay-llvm cannot be started"));
  base_text_deinit(&text);
}

TEST_MAIN(tiers_find_helper(); RUN(functions_are_optimized_and_refused) RUN(locals_that_others_read_are_not_optimized)
              RUN(tail_calls_between_tiers_take_no_stack) RUN(without_a_helper_the_baseline_runs))
