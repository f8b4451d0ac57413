/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The small values of options: sizes, times, yes and no, and the nearest name to a mistyped one. */
#include "policy/parts.h"

#include <assert.h>
#include <stdio.h>

enum cay_status policy_bool_parse(const char *text, bool *out, struct cay_error *error) {
  static const char *const yes[] = {"y", "yes", "true", "1"}, *const no[] = {"n", "no", "false", "0"};
  *out = true;
  if (!text) return CAY_OK;
  for (size_t i = 0; i < BASE_ARRAY_LEN(yes); i++) {
    if (strcmp(text, yes[i]) == 0) return CAY_OK;
    if (strcmp(text, no[i]) == 0) {
      *out = false;
      return CAY_OK;
    }
  }
  return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%.100s\" is neither yes nor no", text);
}

/* ---- Numbers with units ------------------------------------------------------------------------------------------ */

static int digit_value(char c, unsigned radix) {
  int value = c >= '0' && c <= '9'   ? c - '0'
              : c >= 'a' && c <= 'f' ? c - 'a' + 10
              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                     : -1;
  return value < (int)radix ? value : -1;
}

/* Digits with _ between them; `*end` is the first character after them. False: none, or more than 64 bits. */
static bool read_digits(const char *text, const char **end, uint64_t *out) {
  unsigned radix = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
  const char *p = radix == 16 ? text + 2 : text;
  bool any = false;
  uint64_t value = 0;
  for (; digit_value(*p, radix) >= 0 || (any && *p == '_'); p++) {
    if (*p == '_') continue;
    if (__builtin_mul_overflow(value, radix, &value) ||
        __builtin_add_overflow(value, (uint64_t)digit_value(*p, radix), &value))
      return false;
    any = true;
  }
  *end = p;
  *out = value;
  return any;
}

enum cay_status policy_size_parse(const char *text, uint64_t *bytes, struct cay_error *error) {
  static const char units[] = "kmgt";
  const char *unit;
  uint64_t value;
  if (!read_digits(text, &unit, &value)) goto fail;
  const char *power = *unit ? strchr(units, *unit | 0x20) : NULL;
  if (power) {
    if (__builtin_mul_overflow(value, UINT64_C(1) << 10 * (power - units + 1), &value)) goto fail;
    unit++;
    if (*unit == 'i') unit++;
  }
  if (*unit == 'B') unit++;
  if (*unit || value == POLICY_NOT_GIVEN) goto fail;
  *bytes = value;
  return CAY_OK;
fail:
  return base_error_set(error, CAY_ERROR_ARGUMENT,
                        "\"%.100s\" is not a size; write bytes, or a number with k, M or G, "
                        "such as 64M",
                        text);
}

static uint64_t unit_ns(const char *unit, size_t len) {
  static const struct {
    const char *names;
    uint64_t ns;
  } units[] = {{" ns nsec ", 1},
               {" us usec ", 1000},
               {" ms msec ", 1000000},
               {" s sec secs second seconds ", 1000000000},
               {" m min mins minute minutes ", 60000000000},
               {" h hr hour hours ", 3600000000000},
               {" d day days ", 86400000000000}};
  char word[12];
  if (len == 0 || snprintf(word, sizeof word, " %.*s ", (int)len, unit) >= (int)sizeof word) return 0;
  for (size_t i = 0; i < BASE_ARRAY_LEN(units); i++)
    if (strstr(units[i].names, word)) return units[i].ns;
  return 0;
}

/* Reads ".25" as a part of `whole_ns`. */
static uint64_t read_fraction(const char **text, uint64_t whole_ns) {
  const char *p = *text;
  uint64_t sum = 0;
  for (p++; *p >= '0' && *p <= '9'; p++) sum += (whole_ns /= 10) * (uint64_t)(*p - '0');
  *text = p;
  return sum;
}

/* Reads one number with its unit and adds it to the sum. Only `may_lack_unit` lets a bare number be seconds. */
static bool read_time_part(const char **text, bool may_lack_unit, uint64_t *sum) {
  const char *p;
  uint64_t part, fraction = 0;
  if (!read_digits(*text, &p, &part)) return false;
  const char *unit = *p == '.' ? p + 1 + strspn(p + 1, "0123456789") : p;
  size_t unit_len = strcspn(unit, "0123456789 ");
  uint64_t one = may_lack_unit && !*unit ? 1000000000 : unit_ns(unit, unit_len);
  if (!one) return false;
  if (*p == '.') fraction = read_fraction(&p, one);
  *text = unit + unit_len;
  return !__builtin_mul_overflow(part, one, &part) && !__builtin_add_overflow(part, fraction, &part) &&
         !__builtin_add_overflow(*sum, part, sum);
}

enum cay_status policy_duration_parse(const char *text, uint64_t *ns, struct cay_error *error) {
  const char *p = text;
  uint64_t sum = 0;
  bool good;
  do {
    good = read_time_part(&p, p == text, &sum);
    if (good && *p) p += strspn(p, " ");
  } while (good && *p);
  if (good && sum != POLICY_NOT_GIVEN) {
    *ns = sum;
    return CAY_OK;
  }
  return base_error_set(error, CAY_ERROR_ARGUMENT,
                        "\"%.100s\" is not a time; write seconds, or a number with ms, s, m or h, such as 500ms", text);
}

/* ---- The nearest name --------------------------------------------------------------------------------------------- */

enum { LONGEST_WORD = 40 };

struct policy_nearest policy_nearest_to(const char *word, size_t len_bytes) {
  unsigned farthest = len_bytes < 3 ? 1 : 1 + (unsigned)(len_bytes / 3);
  return (struct policy_nearest){.word = word, .len = len_bytes, .distance = farthest + 1};
}

static unsigned smallest(unsigned a, unsigned b, unsigned c) {
  unsigned ab = a < b ? a : b;
  return ab < c ? ab : c;
}

/* Optimal string alignment; both words at most LONGEST_WORD. */
static unsigned edit_distance(const char *a, size_t a_len, const char *b, size_t b_len) {
  assert(a_len <= LONGEST_WORD && b_len <= LONGEST_WORD);
  unsigned rows[3][LONGEST_WORD + 1];
  unsigned *older = rows[0], *old = rows[1], *now = rows[2];
  for (unsigned j = 0; j <= b_len; j++) old[j] = j;
  for (unsigned i = 1; i <= a_len; i++) {
    now[0] = i;
    for (unsigned j = 1; j <= b_len; j++) {
      now[j] = smallest(old[j] + 1, now[j - 1] + 1, old[j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && older[j - 2] + 1 < now[j])
        now[j] = older[j - 2] + 1;
    }
    unsigned *free_row = older;
    older = old;
    old = now;
    now = free_row;
  }
  return old[b_len];
}

void policy_nearest_try(struct policy_nearest *nearest, const char *name) {
  size_t len = strlen(name);
  if (nearest->len > LONGEST_WORD || len > LONGEST_WORD || nearest->len == 0) return;
  bool starts_so = nearest->len >= 3 && len > nearest->len && memcmp(name, nearest->word, nearest->len) == 0;
  unsigned distance = starts_so ? 1 : edit_distance(nearest->word, nearest->len, name, len);
  if (distance < nearest->distance) {
    nearest->distance = distance;
    nearest->best = name;
  }
}
