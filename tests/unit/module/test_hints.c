/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Branch hints: what the look-up finds, and how a broken section is called. */
#include "build.h"
#include "test.h"

/* Function 0: (local i32) at byte 0, br_if at byte 5, if at byte 9. */
static const uint8_t code[] = {1, 1, 0x7F, 0x20, 0, 0x0D, 0, 0x20, 0, 0x04, 0x40, 0x0B, 0x0B};

static struct module *load(const struct build *hints, bool behind_code, unsigned copies) {
  struct build b = {0}, custom = {0}, section = {0};
  build_u32(&custom, 25);
  build_bytes(&custom, "metadata.code.branch_hint", 25);
  build_bytes(&custom, hints->bytes, hints->len_bytes);
  build_u32(&section, 2);
  for (int i = 0; i < 2; i++) {
    build_u32(&section, sizeof code);
    build_bytes(&section, code, sizeof code);
  }
  build_head(&b);
  BUILD_SECTION(&b, 1, 1, 0x60, 0, 0);
  BUILD_SECTION(&b, 3, 2, 0, 0);
  if (behind_code) build_section(&b, 10, section.bytes, section.len_bytes);
  for (unsigned i = 0; i < copies; i++) build_section(&b, 0, custom.bytes, custom.len_bytes);
  if (!behind_code) build_section(&b, 10, section.bytes, section.len_bytes);
  struct module *module = NULL;
  struct cay_error error = {.text = ""};
  CHECK_INT(build_load(&b, &module, &error), CAY_OK);
  CHECK_TEXT(error.text, "");
  return module;
}

static enum module_hint at(const struct module *module, uint32_t func, uint32_t byte) {
  return module_branch_hint(module, func, module->funcs[func].body_offset + byte);
}

#define HINTS(...) \
  (struct build) { .bytes = {__VA_ARGS__}, .len_bytes = sizeof((const uint8_t[]){__VA_ARGS__}) }

TEST(hints_are_found) {
  struct build hints = HINTS(2, 0, 2, 5, 1, 0, 9, 1, 1, 1, 1, 9, 1, 0);
  struct module *module = load(&hints, false, 1);
  struct cay_error error;
  CHECK_INT(module_branch_hints_check(module, &error), CAY_OK);
  CHECK_INT(at(module, 0, 5), MODULE_HINT_UNLIKELY);
  CHECK_INT(at(module, 0, 9), MODULE_HINT_LIKELY);
  CHECK_INT(at(module, 1, 5), MODULE_HINT_NONE);
  CHECK_INT(at(module, 1, 9), MODULE_HINT_UNLIKELY);
  CHECK_INT(at(module, 0, 0), MODULE_HINT_NONE);
  CHECK_INT(module_branch_hint(module, 0, 0), MODULE_HINT_NONE);
  CHECK_INT(module_branch_hint(module, 7, 100), MODULE_HINT_NONE);
  module_release(module);
  module = load(&hints, false, 0);
  CHECK_INT(module_branch_hints_check(module, &error), CAY_OK);
  CHECK_INT(at(module, 0, 5), MODULE_HINT_NONE);
  module_release(module);
}

static void check_broken(struct build hints, bool behind_code, unsigned copies, enum cay_status status,
                         const char *text) {
  struct module *module = load(&hints, behind_code, copies);
  struct cay_error error = {.text = ""};
  CHECK_INT(module_branch_hints_check(module, &error), status);
  CHECK(strncmp(error.text, "custom section metadata.code.branch_hint: ", 42) == 0);
  CHECK_TEXT(error.text + 42, text);
  if (status == CAY_ERROR_MALFORMED) CHECK_INT(at(module, 0, 5), MODULE_HINT_NONE);
  module_release(module);
}

TEST(broken_sections_are_explained) {
  check_broken(HINTS(1, 0, 1, 5, 1, 1), true, 1, CAY_ERROR_MALFORMED, "it stands behind the code section");
  check_broken(HINTS(1, 0, 1, 5, 1, 1), false, 2, CAY_ERROR_MALFORMED, "there is more than one");
  check_broken(HINTS(1, 0, 1, 5, 1), false, 1, CAY_ERROR_MALFORMED,
               "the number of hints is 1, but only 2 bytes follow");
  check_broken(HINTS(1, 0, 1, 5, 1, 0x80), false, 1, CAY_ERROR_MALFORMED, "unexpected end in the hint");
  check_broken(HINTS(1, 0, 1, 5, 1, 2), false, 1, CAY_ERROR_MALFORMED, "unknown hint 0x02");
  check_broken(HINTS(1, 0, 1, 5, 2, 1, 1), false, 1, CAY_ERROR_MALFORMED, "a hint of 2 bytes, not 1");
  check_broken(HINTS(0, 7), false, 1, CAY_ERROR_MALFORMED, "1 bytes follow the last function");
  check_broken(HINTS(2, 1, 0, 1, 0), false, 1, CAY_ERROR_MALFORMED, "function 1 is out of order");
  check_broken(HINTS(1, 0, 2, 5, 1, 0, 5, 1, 0), false, 1, CAY_ERROR_MALFORMED,
               "the hint for byte 5 of function 0 is out of order");
  check_broken(HINTS(1, 2, 0), false, 1, CAY_ERROR_INVALID, "no function 2 is defined here");
  check_broken(HINTS(1, 0, 1, 13, 1, 0), false, 1, CAY_ERROR_INVALID, "invalid target: the function has only 13 bytes");
  check_broken(HINTS(1, 0, 2, 3, 1, 0, 5, 1, 0), false, 1, CAY_ERROR_INVALID,
               "invalid target: neither if nor br_if stands at byte 3 of function 0");
  check_broken(HINTS(1, 0, 1, 4, 1, 0), false, 1, CAY_ERROR_INVALID,
               "invalid target: neither if nor br_if stands at byte 4 of function 0");
}

TEST_MAIN(RUN(hints_are_found) RUN(broken_sections_are_explained))
