/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "base/base.h"

#include <stdio.h>

/* Words from manifests, modules and file systems stand in errors, and none of them may make a line of its own. */
static void make_printable(struct cay_error *error) {
  char shown[sizeof error->text];
  base_printable(shown, sizeof shown, error->text, strlen(error->text));
  memcpy(error->text, shown, strlen(shown) + 1);
}

static enum cay_status error_write(struct cay_error *error, enum cay_status status, uint64_t offset, const char *format,
                                   va_list arguments) {
  if (error) {
    error->status = status;
    error->kind = CAY_KIND_NONE;
    error->offset = offset;
    vsnprintf(error->text, sizeof error->text, format, arguments);
    make_printable(error);
  }
  return status;
}

enum cay_status base_error_set(struct cay_error *error, enum cay_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  error_write(error, status, CAY_ERROR_NO_OFFSET, format, arguments);
  va_end(arguments);
  return status;
}

enum cay_status base_error_set_at(struct cay_error *error, enum cay_status status, uint64_t offset, const char *format,
                                  ...) {
  va_list arguments;
  va_start(arguments, format);
  error_write(error, status, offset, format, arguments);
  va_end(arguments);
  return status;
}

enum cay_status base_error_system(struct cay_error *error, int errno_value, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  error_write(error, CAY_ERROR_SYSTEM, CAY_ERROR_NO_OFFSET, format, arguments);
  va_end(arguments);
  if (error) {
    size_t len = strlen(error->text);
    snprintf(error->text + len, sizeof error->text - len, ": %s", strerror(errno_value));
  }
  return CAY_ERROR_SYSTEM;
}

enum cay_status base_error_memory(struct cay_error *error) {
  return base_error_set(error, CAY_ERROR_MEMORY, "out of memory");
}

enum cay_status base_error_kind(struct cay_error *error, enum cay_status status, enum cay_error_kind kind) {
  if (error) error->kind = kind;
  return status;
}

void base_error_prefix(struct cay_error *error, const char *format, ...) {
  if (!error) return;
  char old[CAY_ERROR_TEXT_BYTES];
  memcpy(old, error->text, sizeof old);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->text, sizeof error->text, format, arguments);
  va_end(arguments);
  make_printable(error);
  size_t len = strlen(error->text);
  snprintf(error->text + len, sizeof error->text - len, ": %s", old);
}
