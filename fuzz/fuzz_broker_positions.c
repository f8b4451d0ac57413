/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The broker's answers about positions, which come from a process that has read what a stranger wrote: what is accepted
 * lies within the message, and is the same when it is written and read again. */
#include <assert.h>
#include <stdlib.h>

#include "api/broker.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static void check_text(const char *text, const char *begin, const char *end) {
  if (!text) return;
  assert(text >= begin && text < end && strnlen(text, (size_t)(end - text)) < (size_t)(end - text));
  assert(strlen(text) <= BROKER_TEXT_BYTES);
}

static bool is_same_text(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }

static void check_again(const struct inspect_position *positions, size_t count) {
  static char again[BROKER_REPLY_BYTES];
  struct inspect_position read[INSPECT_POSITIONS_MAX];
  size_t len_bytes = broker_positions_write(positions, count, again);
  assert(len_bytes <= sizeof again && broker_positions_read(again, len_bytes, read, INSPECT_POSITIONS_MAX) == count);
  for (size_t i = 0; i < count; i++) {
    assert(read[i].line == positions[i].line && read[i].column == positions[i].column);
    assert(read[i].inlined == positions[i].inlined);
    assert(is_same_text(read[i].function, positions[i].function) && is_same_text(read[i].file, positions[i].file));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  struct inspect_position positions[INSPECT_POSITIONS_MAX];
  const char *message = (const char *)bytes, *end = message + len_bytes;
  size_t count = broker_positions_read(message, len_bytes, positions, INSPECT_POSITIONS_MAX);
  assert(count <= INSPECT_POSITIONS_MAX);
  for (size_t i = 0; i < count; i++) {
    check_text(positions[i].function, message, end);
    check_text(positions[i].file, message, end);
  }
  if (count) check_again(positions, count);
  return 0;
}
