/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Texts of --clock and --random, from words to numbers: a moment of RFC 3339 or seconds since 1970, a length of time, a
 * seed. What they do to a program is the host's; nothing here reads a clock. Every digit is counted, so that a moment
 * that does not exist (February 30) is refused and not another one. */
#include "policy/policy.h"

static const char *after(const char *text, const char *prefix) {
  size_t len = strlen(prefix);
  return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* Exactly `count` digits. */
static bool digits(const char **at, unsigned count, unsigned *out) {
  for (*out = 0; count; count--, (*at)++) {
    if (**at < '0' || **at > '9') return false;
    *out = *out * 10 + (unsigned)(**at - '0');
  }
  return true;
}

static bool is_leap(unsigned year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

static unsigned days_of(unsigned year, unsigned month) {
  static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days[month - 1] + (month == 2 && is_leap(year) ? 1U : 0U);
}

/* "2024-05-01", from 1970 to 2400, as days since 1970. */
static bool date(const char **at, uint64_t *out) {
  unsigned year, month, day;
  if (!digits(at, 4, &year) || *(*at)++ != '-' || !digits(at, 2, &month) || *(*at)++ != '-' || !digits(at, 2, &day))
    return false;
  if (year < 1970 || year > 2400 || month < 1 || month > 12 || day < 1 || day > days_of(year, month)) return false;
  *out = day - 1;
  for (unsigned y = 1970; y < year; y++) *out += is_leap(y) ? 366 : 365;
  for (unsigned m = 1; m < month; m++) *out += days_of(year, m);
  return true;
}

/* "T12:00:00Z", or nothing, as seconds. */
static bool time_of_day(const char **at, uint64_t *out) {
  unsigned hour, minute, second;
  *out = 0;
  if (!**at) return true;
  if (*(*at)++ != 'T' || !digits(at, 2, &hour) || *(*at)++ != ':' || !digits(at, 2, &minute) || *(*at)++ != ':' ||
      !digits(at, 2, &second))
    return false;
  *out = hour * 3600 + minute * 60 + second;
  return hour < 24 && minute < 60 && second < 60 && *(*at)++ == 'Z' && !**at;
}

static bool number(const char *text, uint64_t *out) {
  if (!*text) return false;
  for (*out = 0; *text; text++) {
    if (*text < '0' || *text > '9') return false;
    if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, (uint64_t)(*text - '0'), out))
      return false;
  }
  return true;
}

static bool time_parse(const char *text, uint64_t *ns) {
  uint64_t days, seconds;
  const char *at = text;
  if (!number(text, &seconds)) {
    if (!date(&at, &days) || !time_of_day(&at, &seconds)) return false;
    seconds += days * 86400;
  }
  return !__builtin_mul_overflow(seconds, UINT64_C(1000000000), ns);
}

enum cay_status policy_clock_parse(const char *text, enum policy_clock *clock, uint64_t *ns, struct cay_error *error) {
  const char *time = after(text, "fixed="), *step = after(text, "coarse=");
  *ns = 0;
  if (strcmp(text, "real") == 0) {
    *clock = POLICY_CLOCK_REAL;
    return CAY_OK;
  }
  if (time || strcmp(text, "fixed") == 0) {
    *clock = POLICY_CLOCK_FIXED;
    if (time_parse(time ? time : "2000-01-01", ns)) return CAY_OK;
    return base_error_set(error, CAY_ERROR_ARGUMENT,
                          "\"%.60s\" is no time: write seconds since 1970, 2024-05-01, or 2024-05-01T12:00:00Z", time);
  }
  if (step || strcmp(text, "coarse") == 0) {
    *clock = POLICY_CLOCK_COARSE;
    enum cay_status status = policy_duration_parse(step ? step : "10ms", ns, error);
    if (status) return status;
    return *ns ? CAY_OK : base_error_set(error, CAY_ERROR_ARGUMENT, "a clock cannot move in steps of no time");
  }
  return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%.60s\" is no clock: write real, fixed[=TIME] or coarse[=STEP]",
                        text);
}

enum cay_status policy_random_parse(const char *text, bool *is_seeded, uint64_t *seed, struct cay_error *error) {
  const char *value = after(text, "seed=");
  *is_seeded = value != NULL;
  *seed = 0;
  if (!value && strcmp(text, "real") == 0) return CAY_OK;
  if (value && number(value, seed)) return CAY_OK;
  return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%.60s\" is no source: write real, or seed=N with N below 2^64",
                        text);
}
