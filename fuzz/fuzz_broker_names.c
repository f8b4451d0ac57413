/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Answers to lookups, which come from a process that has read what strangers sent: what is accepted is the only way to write
 * it, and what is refused has a place and leaves nothing. */
#include <assert.h>

#include "host/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  struct host_answer answer;
  struct cay_error error;
  char again[HOST_ANSWER_BYTES];
  if (host_answer_parse((const char *)bytes, len_bytes, &answer, &error) != CAY_OK) {
    assert(error.status == CAY_ERROR_MALFORMED && error.offset <= len_bytes && answer.count == 0);
    return 0;
  }
  assert(answer.error < HOST_ERROR_COUNT && (answer.count == 0) == (answer.error != HOST_OK));
  assert(host_answer_write(&answer, again) == len_bytes && memcmp(again, bytes, len_bytes) == 0);
  for (size_t i = 0; i < answer.count; i++) {
    struct host_net_address normal = answer.addresses[i];
    host_net_normalize(&normal);
    host_net_is_private(&normal);
  }
  return 0;
}
