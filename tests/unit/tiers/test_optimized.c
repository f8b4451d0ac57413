/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* That the tier `optimized` optimizes, says what it has left out, and does without its helper. That its code means what it
 * should is shown by the tests that run in every tier. */
#include <stdlib.h>

#include "every_tier.h"
#include "tiers/tiers.h"

/* (i32) -> i32 twice: one adds 1, one is a tail call of it. */
static const uint8_t two_functions[] = {
    0x00, 'a', 's', 'm', 1, 0, 0,    0, 1,    6, 1,    0x60, 1, 0x7F, 1,    0x7F, 3,    3, 2,    0,
    0,    10,  16,  2,   7, 0, 0x20, 0, 0x41, 1, 0x6A, 0x0B, 6, 0,    0x20, 0,    0x12, 0, 0x0B,
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
  CHECK_TEXT(text.bytes, "optimized 1 of 2 functions; 1 not for tail calls");
  base_text_deinit(&text);
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
              RUN(without_a_helper_the_baseline_runs))
