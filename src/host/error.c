/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include <assert.h>
#include <errno.h>

#include "host/object.h"

static const struct {
  int errno_value;
  uint16_t p1;
  const char *name, *text;
} rows[HOST_ERROR_COUNT] = {[HOST_OK] = {0, 0, "SUCCESS", "success"},
#define X(NAME, errno_name, p1, text) [HOST_ERROR_##NAME] = {errno_name, p1, "E" #NAME, text},
                            HOST_ERRORS(X)
#undef X
};

enum host_error host_error_of_errno(int errno_value) {
  for (int error = 1; error < HOST_ERROR_COUNT; error++)
    if (rows[error].errno_value == errno_value && errno_value != 0) return (enum host_error)error;
  return HOST_ERROR_IO;
}

const char *host_error_text(enum host_error error) { return error < HOST_ERROR_COUNT ? rows[error].text : "unknown"; }

const char *host_error_name(enum host_error error) { return error < HOST_ERROR_COUNT ? rows[error].name : "EUNKNOWN"; }

uint16_t host_error_p1(enum host_error error) { return rows[error < HOST_ERROR_COUNT ? error : HOST_ERROR_IO].p1; }

int host_failed(void) {
  int result = -(int)host_error_of_errno(errno);
  assert(result < 0);
  return result;
}
