/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Writes a JSON document of about 600 KB once and parses it n times by recursive descent, with numbers, escapes and
 * checks: byte loads, unpredictable branches and calls, as real parsers have them. */
#include "kernel.h"

enum { ROOM = 1 << 20, DEEPEST = 64 };

static char document[ROOM];
static uint32_t length, hash;
static const char *at;

static void put(char c) { document[length++] = c; }

static void put_text(const char *text) {
  while (*text) put(*text++);
}

static void put_number(uint32_t value) {
  char digits[10];
  int count = 0;
  do digits[count++] = (char)('0' + value % 10);
  while (value /= 10);
  while (count) put(digits[--count]);
}

/* A record: {"id": 17, "name": "a word\n", "score": -12.5e1, "tags": [...], "next": {...} or null}. */
static void put_record(uint32_t *seed, uint32_t id, uint32_t depth) {
  put_text("{\"id\": ");
  put_number(id);
  put_text(", \"name\": \"");
  for (uint32_t i = 8 + kernel_random(seed) % 24; i > 0; i--) put((char)('a' + kernel_random(seed) % 26));
  put_text(id % 3 ? "\\n\\u00e9\", \"score\": " : "\", \"score\": -");
  put_number(kernel_random(seed) % 100000);
  put('.');
  put_number(kernel_random(seed) % 1000);
  put_text(id % 5 ? ", \"tags\": [" : "e-2, \"tags\": [");
  for (uint32_t i = kernel_random(seed) % 6; i > 0; i--) put_text(i & 1 ? "true, " : "false, ");
  put_text("null], \"next\": ");
  if (depth > 0)
    put_record(seed, id * 7 % 1009, depth - 1);
  else
    put_text("null");
  put_text("}");
}

static void put_document(void) {
  uint32_t seed = 99;
  length = 0;
  put_text("[\n");
  for (uint32_t id = 0; length < 600000; id++) {
    put_record(&seed, id, kernel_random(&seed) % 4);
    put_text(",\n");
  }
  put_text("0]");
  put(0);
}

static int value(uint32_t depth);

static void blanks(void) {
  while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') at++;
}

static int word(const char *expected) {
  while (*expected)
    if (*at++ != *expected++) return 0;
  return 1;
}

static int escape(void) {
  char c = *at++;
  if (c != 'u') {
    hash = kernel_mix(hash, (uint8_t)c);
    return c == 'n' || c == 't' || c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'r';
  }
  uint32_t code = 0;
  for (int i = 0; i < 4; i++) {
    char digit = *at++, lower = digit | 32;
    if (digit >= '0' && digit <= '9')
      code = code * 16 + (uint32_t)(digit - '0');
    else if (lower >= 'a' && lower <= 'f')
      code = code * 16 + (uint32_t)(lower - 'a' + 10);
    else
      return 0;
  }
  hash = kernel_mix(hash, code);
  return 1;
}

static int string(void) {
  for (at++; *at != '"';) {
    uint8_t c = (uint8_t)*at++;
    if (c < 32) return 0;
    if (c != '\\')
      hash = kernel_mix(hash, c);
    else if (!escape())
      return 0;
  }
  at++;
  return 1;
}

static int number(void) {
  double real = 0, scale = 1;
  int negative = *at == '-', exponent = 0, below = 0;
  at += negative;
  if (*at < '0' || *at > '9') return 0;
  for (; *at >= '0' && *at <= '9'; at++) real = real * 10 + (*at - '0');
  if (*at == '.')
    for (at++; *at >= '0' && *at <= '9'; at++) real += (*at - '0') * (scale /= 10);
  if (*at == 'e') {
    below = *++at == '-';
    for (at += below; *at >= '0' && *at <= '9'; at++) exponent = exponent * 10 + (*at - '0');
  }
  while (exponent-- > 0) real = below ? real / 10 : real * 10;
  hash = kernel_mix(hash, (uint32_t)(int32_t)((negative ? -real : real) * 8));
  return 1;
}

static int array(uint32_t depth) {
  at++;
  for (uint32_t count = 1;; count++) {
    if (!value(depth)) return 0;
    hash = kernel_mix(hash, count);
    if (*at != ',') return *at++ == ']';
    at++;
  }
}

static int object(uint32_t depth) {
  for (at++;; at++) {
    blanks();
    if (*at != '"' || !string()) return 0;
    blanks();
    if (*at++ != ':' || !value(depth)) return 0;
    if (*at != ',') return *at++ == '}';
  }
}

/* A value and the blanks around it. */
static int value(uint32_t depth) {
  int good;
  blanks();
  if (depth == DEEPEST) return 0;
  switch (*at) {
  case '{': good = object(depth + 1); break;
  case '[': good = array(depth + 1); break;
  case '"': good = string(); break;
  case 't': good = word("true"); break;
  case 'f': good = word("false"); break;
  case 'n': good = word("null"); break;
  default: good = number(); break;
  }
  blanks();
  return good;
}

uint32_t run(uint32_t n) {
  put_document();
  hash = 2166136261u;
  for (uint32_t i = 0; i < n; i++) {
    at = document;
    if (!value(0) || *at) return 0;
  }
  return hash;
}
