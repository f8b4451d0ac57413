/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Growing texts, and bytes from outside made safe to show.
 *
 * A text that ran out of memory remembers it in `failed` and ignores later additions, so that callers check once at
 * the end instead of after each piece. */
#include "base/base.h"

#include <assert.h>
#include <stdio.h>

enum { FIRST_BYTES = 64 }; /* most texts are put together from pieces and never get longer */

static bool text_reserve(struct base_text *text, size_t more_bytes) {
  if (text->failed) return false;
  size_t wanted;
  if (__builtin_add_overflow(text->len_bytes, more_bytes, &wanted) || wanted == SIZE_MAX ||
      (wanted + 1 > text->capacity &&
       !base_vec_grow((void **)&text->bytes, &text->capacity, wanted < FIRST_BYTES ? FIRST_BYTES : wanted + 1, 1))) {
    text->failed = true;
    return false;
  }
  return true;
}

void base_text_add(struct base_text *text, const char *bytes, size_t len_bytes) {
  if (!text_reserve(text, len_bytes)) return;
  if (len_bytes) memcpy(text->bytes + text->len_bytes, bytes, len_bytes);
  text->len_bytes += len_bytes;
  text->bytes[text->len_bytes] = 0;
}

void base_text_addz(struct base_text *text, const char *zero_terminated) {
  base_text_add(text, zero_terminated, strlen(zero_terminated));
}

void base_text_format(struct base_text *text, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int len = vsnprintf(NULL, 0, format, arguments);
  assert(len >= 0);
  if (text_reserve(text, (size_t)len)) {
    vsnprintf(text->bytes + text->len_bytes, (size_t)len + 1, format, again);
    text->len_bytes += (size_t)len;
  }
  va_end(again);
  va_end(arguments);
}

void base_text_deinit(struct base_text *text) {
  base_free(text->bytes);
  *text = (struct base_text){0};
}

/* Length of the valid UTF-8 sequence at `p`, 0 when it is none. Unicode 15, table 3-7. */
static size_t utf8_sequence(const uint8_t *p, const uint8_t *end) {
  uint8_t first = p[0];
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  size_t len = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if ((size_t)(end - p) < len) return 0;
  uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < len; i++)
    if ((p[i] & 0xC0) != 0x80) return 0;
  return len;
}

size_t base_utf8_valid_prefix(const void *bytes, size_t len_bytes) {
  const uint8_t *start = bytes, *p = start, *end = p + len_bytes;
  for (size_t len; p < end && (len = utf8_sequence(p, end)) != 0;) p += len;
  return (size_t)(p - start);
}

bool base_utf8_valid(const void *bytes, size_t len_bytes) {
  return base_utf8_valid_prefix(bytes, len_bytes) == len_bytes;
}

/* Whether a whole UTF-8 sequence only shows itself. What does not: controls, of which U+0080 to U+009F drive some
 * terminals, too; U+2028 and U+2029, which end lines; and U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069, which make
 * the text around them look like another. */
static bool shows_only_itself(const uint8_t *p) {
  if (p[0] == 0xC2) return p[1] >= 0xA0;
  if (p[0] == 0xE2 && p[1] == 0x80) return !((p[2] >= 0x8E && p[2] <= 0x8F) || (p[2] >= 0xA8 && p[2] <= 0xAE));
  if (p[0] == 0xE2 && p[1] == 0x81) return !(p[2] >= 0xA6 && p[2] <= 0xA9);
  return p[0] >= 0x20 && p[0] != 0x7F;
}

/* The number of a character that does not show only itself: none of them has more than three bytes. */
static unsigned hidden_character(const uint8_t *p) {
  if (p[0] < 0x80) return p[0];
  return p[0] == 0xC2 ? p[1] : 0x2000u | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
}

void base_text_add_json(struct base_text *text, const char *bytes, size_t len_bytes) {
  const uint8_t *p = (const uint8_t *)bytes, *end = p + len_bytes;
  base_text_add(text, "\"", 1);
  while (p < end) {
    size_t len = utf8_sequence(p, end);
    if (!len)
      base_text_addz(text, "\\ufffd");
    else if (*p == '"' || *p == '\\')
      base_text_format(text, "\\%c", *p);
    else if (!shows_only_itself(p))
      base_text_format(text, "\\u%04x", hidden_character(p));
    else
      base_text_add(text, (const char *)p, len);
    p += len ? len : 1;
  }
  base_text_add(text, "\"", 1);
}

const char *base_printable(char *out, size_t capacity, const void *bytes, size_t len_bytes) {
  assert(capacity >= 8);
  const uint8_t *p = bytes, *end = p + len_bytes;
  size_t used = 0;
  while (p < end) {
    size_t len = utf8_sequence(p, end);
    bool plain = len && shows_only_itself(p);
    size_t needed = plain ? len : 4;
    if (used + needed + 4 > capacity) {
      memcpy(out + used, "...", 3);
      used += 3;
      break;
    }
    if (plain)
      memcpy(out + used, p, len);
    else
      snprintf(out + used, 5, "\\x%02x", *p);
    used += needed;
    p += plain ? len : 1;
  }
  out[used] = 0;
  return out;
}

const char *base_environment(char *const *environment, const char *name) {
  size_t len = strlen(name);
  for (; environment && *environment; environment++)
    if (**environment == *name && strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
      return *environment + len + 1;
  return NULL;
}
