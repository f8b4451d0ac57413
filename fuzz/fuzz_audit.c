/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Checks arbitrary bytes as a chained audit log, in pieces: the verdict may not depend on where they were cut, and whatever
 * is added behind a log that was found whole breaks it or is a whole log itself. */
#include <stdio.h>
#include <stdlib.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

#define REQUIRE(condition)                                            \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                        \
    }                                                                 \
  } while (0)

static struct policy_audit_check check(const char *bytes, size_t len_bytes, size_t piece_bytes) {
  struct policy_audit_check state;
  policy_audit_check_init(&state);
  for (size_t at = 0; at < len_bytes; at += piece_bytes)
    policy_audit_check_add(&state, bytes + at, len_bytes - at < piece_bytes ? len_bytes - at : piece_bytes);
  policy_audit_check_end(&state);
  REQUIRE(state.line > 0 || !state.problem);
  policy_audit_check_deinit(&state);
  return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  const char *text = (const char *)bytes;
  struct policy_audit_check whole = check(text, len_bytes, len_bytes ? len_bytes : 1);
  for (size_t piece_bytes = 1; piece_bytes <= 7; piece_bytes += 3) {
    struct policy_audit_check again = check(text, len_bytes, piece_bytes);
    REQUIRE(again.line == whole.line && (again.problem == NULL) == (whole.problem == NULL));
    REQUIRE(!again.problem || strcmp(again.problem, whole.problem) == 0);
  }
  /* Of a whole log, one byte less is never whole. */
  if (!whole.problem && len_bytes) REQUIRE(check(text, len_bytes - 1, len_bytes).problem != NULL);
  return 0;
}
