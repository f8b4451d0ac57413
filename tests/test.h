/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The unit tests' few macros. A test program is one file:
 *
 *   TEST(grows) { CHECK(x == 1); CHECK_TEXT(s, "abc"); }
 *   TEST_MAIN(RUN(grows) RUN(shrinks))
 *
 * A failed check prints file, line and expression and goes on; the program exits 1 if any failed. Tests that the
 * environment names in CAY_TEST_EXCEPT (separated by spaces) are left out: what takes an emulator an hour. */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_failures, test_checks;

#define TEST(name) static void test_##name(void)
#define CHECK(condition)                                                                        \
  do {                                                                                          \
    test_checks++;                                                                              \
    if (!(condition)) {                                                                         \
      test_failures++;                                                                          \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                   \
    }                                                                                           \
  } while (0)
#define CHECK_INT(actual, expected)                                                             \
  do {                                                                                          \
    long long test_a = (long long)(actual), test_e = (long long)(expected);                     \
    test_checks++;                                                                              \
    if (test_a != test_e) {                                                                     \
      test_failures++;                                                                          \
      fprintf(stderr, "%s:%d: %s is %lld, expected %lld\n", __FILE__, __LINE__, #actual, test_a, test_e); \
    }                                                                                           \
  } while (0)
#define CHECK_TEXT(actual, expected)                                                            \
  do {                                                                                          \
    const char *test_a = (actual), *test_e = (expected);                                        \
    test_checks++;                                                                              \
    if (!test_a || strcmp(test_a, test_e) != 0) {                                               \
      test_failures++;                                                                          \
      fprintf(stderr, "%s:%d: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__, #actual,    \
              test_a ? test_a : "(null)", test_e);                                              \
    }                                                                                           \
  } while (0)
/* Whether `name` is one of the words, which spaces separate. */
static inline int test_is_word(const char *words, const char *name) {
  size_t len = strlen(name);
  for (const char *word = words; word && *word; word += strspn(word, " ")) {
    size_t word_len = strcspn(word, " ");
    if (word_len == len && memcmp(word, name, len) == 0) return 1;
    word += word_len;
  }
  return 0;
}
static inline void test_run(const char *name, void (*test)(void)) {
  int before = test_failures;
  if (test_is_word(getenv("CAY_TEST_EXCEPT"), name)) {
    printf("left out %s\n", name);
    return;
  }
  test();
  printf("%s %s\n", test_failures == before ? "ok" : "FAILED", name);
}
#define RUN(name) test_run(#name, test_##name);
#define TEST_MAIN(runs)                                        \
  int main(void) {                                             \
    runs;                                                      \
    printf("%d checks, %d failed\n", test_checks, test_failures); \
    return test_failures != 0;                                 \
  }

#endif
