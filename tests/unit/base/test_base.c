/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Errors, memory, texts and hashes. */
#include <errno.h>

#include "base/base.h"
#include "test.h"

static bool is_utf8(const char *bytes) { return base_utf8_valid(bytes, strlen(bytes)); }

TEST(utf8) {
  CHECK(is_utf8("plain") && is_utf8("\xC3\xA9") && is_utf8("\xE2\x82\xAC") && is_utf8("\xF0\x9F\x8F\x9D"));
  CHECK(!is_utf8("\x80") && !is_utf8("\xC0\xAF") && !is_utf8("\xC3")); /* stray, overlong, cut off */
  CHECK(!is_utf8("\xED\xA0\x80") && !is_utf8("\xF4\x90\x80\x80") &&
        !is_utf8("\xE0\x80\xAF")); /* surrogate, too large */
  CHECK(base_utf8_valid("a\0b", 3));
}

TEST(what_is_printed_is_harmless) {
  char out[32];
  CHECK_TEXT(base_printable(out, sizeof out, "caf\xC3\xA9", 5), "caf\xC3\xA9");
  CHECK_TEXT(base_printable(out, sizeof out, "\x1B[2J\n", 5), "\\x1b[2J\\x0a");
  CHECK_TEXT(base_printable(out, sizeof out,
                            "\xC2\x9B"
                            "A\xFF",
                            4),
             "\\xc2\\x9bA\\xff"); /* a C1 control and a stray byte */
  CHECK_TEXT(base_printable(out, sizeof out, "a\xE2\x80\xAEz", 5), "a\\xe2\\x80\\xaez");
  CHECK_TEXT(base_printable(out, sizeof out, "\xE2\x80\xA8\xE2\x81\xA6", 6), "\\xe2\\x80\\xa8\\xe2\\x81\\xa6");
  CHECK_TEXT(base_printable(out, sizeof out, "\xE2\x80\x94\xE2\x82\xAC", 6), "\xE2\x80\x94\xE2\x82\xAC");
  CHECK_TEXT(base_printable(out, 12, "abcdefghijklmnop", 16), "abcdefgh...");
}

TEST(json_strings) {
  struct base_text text = {0};
  base_text_add_json(&text, "a\"\\\n\xFF\0z", 7);
  CHECK_TEXT(text.bytes, "\"a\\\"\\\\\\u000a\\ufffd\\u0000z\"");
  base_text_deinit(&text);
  base_text_add_json(&text, "\xC2\x9B\xC3\xA9\xE2\x80\xAE\xE2\x81\xA6\x7F", 11);
  CHECK_TEXT(text.bytes, "\"\\u009b\xC3\xA9\\u202e\\u2066\\u007f\"");
  base_text_deinit(&text);
}

TEST(texts_grow) {
  struct base_text text = {0};
  for (int i = 0; i < 1000; i++) base_text_format(&text, "%d,", i);
  CHECK(!text.failed);
  CHECK_INT(text.len_bytes, 10 * 2 + 90 * 3 + 900 * 4);
  CHECK(strncmp(text.bytes + text.len_bytes - 8, "998,999,", 8) == 0);
  base_text_deinit(&text);
}

TEST(errors_are_one_line) {
  struct cay_error error;
  base_error_set(&error, CAY_ERROR_ARGUMENT, "cannot find %s", "a\n  env ok\033[2J");
  CHECK_TEXT(error.text, "cannot find a\\x0a  env ok\\x1b[2J");
  base_error_prefix(&error, "dir %s", "b\r\nc");
  CHECK_TEXT(error.text, "dir b\\x0d\\x0ac: cannot find a\\x0a  env ok\\x1b[2J");
  base_error_system(&error, ENOENT, "cannot open %s", "\xe2\x80\xa8\xe4\xff");
  CHECK(strncmp(error.text, "cannot open \\xe2\\x80\\xa8\\xe4\\xff: ", 34) == 0);
}

TEST(errors_fit) {
  struct cay_error error;
  char longer[2 * CAY_ERROR_TEXT_BYTES];
  memset(longer, 'x', sizeof longer);
  longer[sizeof longer - 1] = 0;
  CHECK_INT(base_error_set_at(&error, CAY_ERROR_INVALID, 7, "%s", longer), CAY_ERROR_INVALID);
  CHECK_INT(strlen(error.text), CAY_ERROR_TEXT_BYTES - 1);
  base_error_prefix(&error, "where");
  CHECK(strncmp(error.text, "where: xxx", 10) == 0);
  CHECK_INT(error.offset, 7);
  CHECK_INT(base_error_set(NULL, CAY_ERROR_LIMIT, "nobody looks"), CAY_ERROR_LIMIT);
}

TEST(arenas_give_zeroed_memory_and_refuse_overflow) {
  struct base_arena arena = {0};
  for (size_t bytes = 1; bytes < 100000; bytes *= 3) {
    uint8_t *memory = base_arena_alloc(&arena, 1, bytes);
    CHECK(memory && memory[0] == 0 && memory[bytes - 1] == 0);
    memset(memory, 0xFF, bytes);
  }
  CHECK(!base_arena_alloc(&arena, SIZE_MAX / 2, 4));
  base_arena_deinit(&arena);
  CHECK(!base_alloc_zero(SIZE_MAX / 2, 4));
  CHECK(!base_resize_array(NULL, SIZE_MAX / 2, 4));
}

TEST(hashes_see_every_byte_and_the_length) {
  uint8_t bytes[40] = {0};
  for (size_t len_bytes = 0; len_bytes < sizeof bytes; len_bytes++) {
    uint64_t hash = base_hash(bytes, len_bytes);
    CHECK(hash == base_hash(bytes, len_bytes));
    CHECK(hash != base_hash(bytes, len_bytes + 1));
    for (size_t i = 0; i < len_bytes; i++) {
      bytes[i] ^= 0x80;
      CHECK(hash != base_hash(bytes, len_bytes));
      bytes[i] ^= 0x80;
    }
  }
}

TEST_MAIN(RUN(utf8) RUN(what_is_printed_is_harmless) RUN(json_strings) RUN(texts_grow) RUN(errors_are_one_line)
              RUN(errors_fit) RUN(arenas_give_zeroed_memory_and_refuse_overflow)
                  RUN(hashes_see_every_byte_and_the_length))
