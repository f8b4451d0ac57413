/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The scalars of TOML: strings in their four forms, numbers, booleans, dates and times.
 *
 * A string is read in two steps: first its end is found, so that the memory for it is known, then it is decoded there.
 * Everything else is a word without blanks, cut off first and then checked as a whole; only between a date and its time
 * may stand one space. */
#include "policy/toml_parts.h"

#include <assert.h>
#include <stdio.h>

/* ---- Strings -------------------------------------------------------------------------------------------------------- */

struct string {
  const char *at, *end; /* its contents in the text */
  char quote;
  bool has_lines;
};

static bool stands_here(const struct policy_toml_parser *parser, const char *at, char quote, size_t count) {
  if ((size_t)(parser->end - at) < count) return false;
  for (size_t i = 0; i < count; i++)
    if (at[i] != quote) return false;
  return true;
}

static bool fail_unclosed(struct policy_toml_parser *parser, const char *start, const char *at) {
  if (at == parser->end) return policy_toml_fail(parser, start, "the string is never closed");
  if (*at == '\n' || *at == '\r') return policy_toml_fail(parser, start, "the string is not closed in its line");
  return policy_toml_fail(parser, at, "a control character stands in the string; write \\u%04X", (uint8_t)*at);
}

/* Finds the end of the string that starts at parser->at, and moves behind it. */
static bool find_end(struct policy_toml_parser *parser, struct string *out) {
  const char *start = parser->at, *at = start + (out->has_lines ? 3 : 1);
  size_t quotes = out->has_lines ? 3 : 1;
  if (out->has_lines && at < parser->end && *at == '\r') at += at + 1 < parser->end && at[1] == '\n';
  if (out->has_lines && at < parser->end && *at == '\n') at++;
  for (out->at = at; !stands_here(parser, at, out->quote, quotes); at++) {
    bool escapes = at < parser->end && *at == '\\' && out->quote == '"';
    if (escapes && at + 1 < parser->end && (at[1] == '"' || at[1] == '\\')) {
      at++;
      continue;
    }
    bool ends_line = at < parser->end && (*at == '\n' || (*at == '\r' && at + 1 < parser->end && at[1] == '\n'));
    if (at == parser->end || (policy_toml_is_control(*at) && !(ends_line && out->has_lines)))
      return fail_unclosed(parser, start, at);
  }
  /* Up to two quotes may belong to the string itself. */
  for (int i = 0; i < 2 && out->has_lines && stands_here(parser, at + 1, out->quote, quotes); i++) at++;
  out->end = at;
  parser->at = at + quotes;
  return true;
}

static char *put_character(char *to, uint32_t c) {
  if (c < 0x80) {
    *to++ = (char)c;
  } else if (c < 0x800) {
    *to++ = (char)(0xC0 | c >> 6);
    *to++ = (char)(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    *to++ = (char)(0xE0 | c >> 12);
    *to++ = (char)(0x80 | (c >> 6 & 0x3F));
    *to++ = (char)(0x80 | (c & 0x3F));
  } else {
    *to++ = (char)(0xF0 | c >> 18);
    *to++ = (char)(0x80 | (c >> 12 & 0x3F));
    *to++ = (char)(0x80 | (c >> 6 & 0x3F));
    *to++ = (char)(0x80 | (c & 0x3F));
  }
  return to;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* \uXXXX or \UXXXXXXXX: at its digits. */
static bool read_number_escape(struct policy_toml_parser *parser, struct string *string, int digits, char **to) {
  const char *escape = string->at - 2;
  uint32_t c = 0;
  for (int i = 0; i < digits; i++, string->at++) {
    int digit = string->at < string->end ? hex_digit(*string->at) : -1;
    if (digit < 0) return policy_toml_fail(parser, escape, "\\%c needs %d hexadecimal digits", escape[1], digits);
    c = c << 4 | (uint32_t)digit;
  }
  if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
    return policy_toml_fail(parser, escape, "there is no character U+%04X", c);
  *to = put_character(*to, c);
  return true;
}

/* A backslash at the end of a line: it and all white space up to the next character go away. */
static bool skip_line_end(struct string *string) {
  const char *at = string->at;
  while (at < string->end && (*at == ' ' || *at == '\t')) at++;
  if (!string->has_lines || at == string->end || (*at != '\n' && *at != '\r')) return false;
  while (at < string->end && memchr(" \t\r\n", *at, 4)) at++;
  string->at = at;
  return true;
}

static bool read_escape(struct policy_toml_parser *parser, struct string *string, char **to) {
  static const char letters[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
  const char *escape = string->at++;
  if (skip_line_end(string)) return true;
  char c = string->at < string->end ? *string->at : 0;
  const char *letter = c ? strchr(letters, c) : NULL;
  if (!letter && c != 'u' && c != 'U') {
    char shown[16];
    size_t len = 1;
    while (string->at + len < string->end && ((uint8_t)string->at[len] & 0xC0) == 0x80) len++;
    base_printable(shown, sizeof shown, string->at, c ? len : 0);
    return policy_toml_fail(parser, escape, "there is no escape \\%s; a backslash itself is \\\\", shown);
  }
  string->at++;
  if (!letter) return read_number_escape(parser, string, c == 'u' ? 4 : 8, to);
  *(*to)++ = meanings[letter - letters];
  return true;
}

static bool read_string(struct policy_toml_parser *parser, bool may_have_lines, const char **bytes, size_t *len_bytes) {
  struct string string = {.quote = *parser->at};
  string.has_lines = may_have_lines && stands_here(parser, parser->at, string.quote, 3);
  if (!find_end(parser, &string)) return false;
  size_t capacity = (size_t)(string.end - string.at);
  char *copy = base_arena_alloc(&parser->toml->arena, capacity + 1, 1), *to = copy;
  if (!copy) return policy_toml_fail_memory(parser);
  while (string.at < string.end) {
    if (*string.at == '\\' && string.quote == '"') {
      if (!read_escape(parser, &string, &to)) return false;
    } else {
      *to++ = *string.at++;
    }
  }
  assert(to <= copy + capacity);
  *bytes = copy;
  *len_bytes = (size_t)(to - copy);
  return true;
}

bool policy_toml_read_line_string(struct policy_toml_parser *parser, const char **bytes, size_t *len_bytes) {
  return read_string(parser, false, bytes, len_bytes);
}

/* ---- Numbers -------------------------------------------------------------------------------------------------------- */

struct word {
  const char *at, *end;
};

static bool word_is(const struct word *word, const char *text) {
  size_t len = (size_t)(word->end - word->at);
  return len == strlen(text) && memcmp(word->at, text, len) == 0;
}

static bool is_digit(char c, unsigned radix) {
  int value = hex_digit(c);
  return value >= 0 && value < (int)radix;
}

/* Moves over digits with single _ between them; false: there is none, or a _ stands wrong. */
static bool skip_digits(const char **at, const char *end, unsigned radix) {
  const char *p = *at;
  if (p == end || !is_digit(*p, radix)) return false;
  for (; p < end && (is_digit(*p, radix) || *p == '_'); p++)
    if (*p == '_' && (p + 1 == end || !is_digit(p[1], radix))) return false;
  *at = p;
  return true;
}

static bool has_leading_zero(const char *at, const char *end) {
  return end - at > 1 && at[0] == '0' && (is_digit(at[1], 10) || at[1] == '_');
}

/* 0: no integer; 1: one; -1: one of more than 64 bits. */
static int read_integer(const struct word *word, int64_t *out) {
  const char *at = word->at;
  unsigned radix = 10;
  bool negative = *at == '-';
  at += *at == '-' || *at == '+';
  if (at == word->at && word->end - at > 2 && at[0] == '0')
    radix = at[1] == 'x' ? 16 : at[1] == 'o' ? 8 : at[1] == 'b' ? 2 : 10;
  if (radix != 10) at += 2;
  const char *end = at;
  if ((radix == 10 && has_leading_zero(at, word->end)) || !skip_digits(&end, word->end, radix) || end != word->end)
    return 0;
  int64_t value = 0;
  for (; at < end; at++) {
    if (*at == '_') continue;
    int64_t digit = negative ? -hex_digit(*at) : hex_digit(*at);
    if (__builtin_mul_overflow(value, (int64_t)radix, &value) || __builtin_add_overflow(value, digit, &value))
      return -1;
  }
  *out = value;
  return 1;
}

static bool is_float(const struct word *word) {
  const char *at = word->at + (*word->at == '-' || *word->at == '+');
  const struct word name = {at, word->end};
  if (word_is(&name, "inf") || word_is(&name, "nan")) return true;
  if (has_leading_zero(at, word->end) || !skip_digits(&at, word->end, 10)) return false;
  bool has_fraction = at < word->end && *at == '.';
  if (has_fraction) {
    at++;
    if (!skip_digits(&at, word->end, 10)) return false;
  }
  bool has_exponent = at < word->end && (*at == 'e' || *at == 'E');
  if (has_exponent) {
    at++;
    at += at < word->end && (*at == '-' || *at == '+');
    if (!skip_digits(&at, word->end, 10)) return false;
  }
  return (has_fraction || has_exponent) && at == word->end;
}

/* ---- Dates and times ------------------------------------------------------------------------------------------------ */

/* Exactly `count` digits. */
static bool read_fixed(const char **at, const char *end, int count, unsigned *out) {
  *out = 0;
  for (int i = 0; i < count; i++, ++*at) {
    if (*at == end || !is_digit(**at, 10)) return false;
    *out = *out * 10 + (unsigned)(**at - '0');
  }
  return true;
}

static bool read_mark(const char **at, const char *end, const char *marks) {
  if (*at == end || !strchr(marks, **at) || !**at) return false;
  ++*at;
  return true;
}

static bool read_date(const char **at, const char *end) {
  static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  unsigned year, month, day;
  if (!read_fixed(at, end, 4, &year) || !read_mark(at, end, "-") || !read_fixed(at, end, 2, &month) ||
      !read_mark(at, end, "-") || !read_fixed(at, end, 2, &day) || month < 1 || month > 12 || day < 1)
    return false;
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return day <= days[month - 1] && (month != 2 || day < 29 || leap);
}

/* A leap second is second 60. */
static bool read_time(const char **at, const char *end) {
  unsigned hour, minute, second, digit;
  if (!read_fixed(at, end, 2, &hour) || !read_mark(at, end, ":") || !read_fixed(at, end, 2, &minute) ||
      !read_mark(at, end, ":") || !read_fixed(at, end, 2, &second) || hour > 23 || minute > 59 || second > 60)
    return false;
  if (!read_mark(at, end, ".")) return true;
  if (!read_fixed(at, end, 1, &digit)) return false;
  while (*at < end && is_digit(**at, 10)) ++*at;
  return true;
}

static bool read_offset(const char **at, const char *end) {
  unsigned hour, minute;
  if (read_mark(at, end, "Zz")) return true;
  return read_mark(at, end, "+-") && read_fixed(at, end, 2, &hour) && read_mark(at, end, ":") &&
         read_fixed(at, end, 2, &minute) && hour < 24 && minute < 60;
}

/* Whether the word, which starts like a date or a time, is one, and which. */
static bool read_moment(const struct word *word, enum policy_toml_type *type) {
  const char *at = word->at;
  if (word->end - at > 2 && at[2] == ':') {
    *type = POLICY_TOML_LOCAL_TIME;
    return read_time(&at, word->end) && at == word->end;
  }
  *type = POLICY_TOML_LOCAL_DATE;
  if (!read_date(&at, word->end)) return false;
  if (at == word->end) return true;
  *type = POLICY_TOML_LOCAL_DATE_TIME;
  if (!read_mark(&at, word->end, "Tt ") || !read_time(&at, word->end)) return false;
  if (at == word->end) return true;
  *type = POLICY_TOML_DATE_TIME;
  return read_offset(&at, word->end) && at == word->end;
}

static bool starts_moment(const struct word *word) {
  const char *at = word->at;
  unsigned digits;
  if (read_fixed(&at, word->end, 2, &digits) && at < word->end && *at == ':') return true;
  at = word->at;
  return read_fixed(&at, word->end, 4, &digits) && at < word->end && *at == '-';
}

/* ---- Any of them ---------------------------------------------------------------------------------------------------- */

static const char *word_end(const char *at, const char *end) {
  while (at < end && (is_digit(*at, 16) || (*at >= 'g' && *at <= 'z') || (*at >= 'G' && *at <= 'Z') || *at == '_' ||
                      *at == '+' || *at == '-' || *at == '.' || *at == ':'))
    at++;
  return at;
}

static struct word cut_word(const struct policy_toml_parser *parser) {
  struct word word = {parser->at, word_end(parser->at, parser->end)};
  unsigned digits;
  const char *time = word.end + 1;
  if (word.end - word.at == 10 && starts_moment(&word) && parser->end - word.end > 3 && *word.end == ' ' &&
      read_fixed(&time, parser->end, 2, &digits))
    word.end = word_end(word.end + 1, parser->end);
  return word;
}

static struct policy_toml_value *fail_word(struct policy_toml_parser *parser, const struct word *word) {
  char shown[48];
  base_printable(shown, sizeof shown, word->at, (size_t)(word->end - word->at));
  if (starts_moment(word))
    policy_toml_fail(parser, word->at, "\"%s\" is no date or time", shown);
  else
    policy_toml_fail(parser, word->at, "\"%s\" is no value; strings stand in quotes", shown);
  return NULL;
}

static struct policy_toml_value *new_text(struct policy_toml_parser *parser, enum policy_toml_type type,
                                          const struct word *word) {
  struct policy_toml_value *value = policy_toml_new(parser, type, word->at);
  size_t len = (size_t)(word->end - word->at);
  char *copy = value ? base_arena_alloc(&parser->toml->arena, len + 1, 1) : NULL;
  if (value && !copy) policy_toml_fail_memory(parser);
  if (!copy) return NULL;
  memcpy(copy, word->at, len);
  value->of.text.bytes = copy;
  value->of.text.len_bytes = len;
  return value;
}

static struct policy_toml_value *read_word(struct policy_toml_parser *parser, const struct word *word) {
  enum policy_toml_type moment;
  int64_t number = 0;
  bool is_true = word_is(word, "true");
  if (is_true || word_is(word, "false")) {
    struct policy_toml_value *value = policy_toml_new(parser, POLICY_TOML_BOOLEAN, word->at);
    if (value) value->of.boolean = is_true;
    return value;
  }
  if (starts_moment(word)) return read_moment(word, &moment) ? new_text(parser, moment, word) : fail_word(parser, word);
  int integer = read_integer(word, &number);
  if (integer < 0) {
    policy_toml_fail(parser, word->at, "the integer has more than 64 bits");
    return NULL;
  }
  if (integer) {
    struct policy_toml_value *value = policy_toml_new(parser, POLICY_TOML_INTEGER, word->at);
    if (value) value->of.integer = number;
    return value;
  }
  return is_float(word) ? new_text(parser, POLICY_TOML_FLOAT, word) : fail_word(parser, word);
}

struct policy_toml_value *policy_toml_read_scalar(struct policy_toml_parser *parser) {
  const char *at = parser->at;
  if (at < parser->end && (*at == '"' || *at == '\'')) {
    struct policy_toml_value *value = policy_toml_new(parser, POLICY_TOML_STRING, at);
    if (!value || !read_string(parser, true, &value->of.text.bytes, &value->of.text.len_bytes)) return NULL;
    return value;
  }
  struct word word = cut_word(parser);
  if (word.at == word.end) return NULL;
  struct policy_toml_value *value = read_word(parser, &word);
  parser->at = word.end;
  return value;
}
