/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Requests to the broker, which come from a process that may have been taken over: what is accepted has one meaning, and is
 * what the asking side would have sent. */
#include <assert.h>

#include "api/broker.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  static struct broker_request request;
  struct cay_error error;
  if (broker_request_parse(bytes, len_bytes, &request, &error) != CAY_OK) {
    assert(error.status == CAY_ERROR_MALFORMED && error.offset <= len_bytes);
    return 0;
  }
  assert(request.kind < BROKER_KIND_COUNT && strlen(request.path) == request.path_bytes);
  bool pathless = request.kind == BROKER_POSITIONS || request.kind == BROKER_HELPER;
  assert((request.path_bytes == 0) == pathless);
  assert(broker_request_bytes(&request) == len_bytes && memcmp(&request, bytes, len_bytes) == 0);
  return 0;
}
