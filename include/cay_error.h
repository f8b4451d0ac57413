/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The error value every fallible function of cay fills in.
 *
 * It is owned by the caller, has a fixed size and needs no cleanup, so that even running out of memory can be
 * reported. A function that takes a `struct cay_error *` accepts NULL when the caller wants the status alone; it
 * writes the value only when it fails. */
#ifndef CAY_ERROR_H
#define CAY_ERROR_H

#include <stdint.h>

#define CAY_ERROR_TEXT_BYTES 512
#define CAY_ERROR_NO_OFFSET UINT64_MAX

enum cay_status {
  CAY_OK = 0,
  CAY_ERROR_MEMORY,      /* an allocation failed */
  CAY_ERROR_ARGUMENT,    /* the caller broke the contract of the function in a way that can be reported */
  CAY_ERROR_MALFORMED,   /* the bytes are not a WebAssembly binary module; `offset` says where */
  CAY_ERROR_INVALID,     /* well-formed, but validation failed; `offset` says where */
  CAY_ERROR_UNSUPPORTED, /* valid in a proposal or format that this build or configuration does not run */
  CAY_ERROR_LIMIT,       /* an implementation limit or a budget was exceeded, a time limit is over */
  CAY_ERROR_LINK,        /* an import could not be satisfied, or the module lacks what it has to export */
  CAY_ERROR_TRAP,        /* guest code trapped */
  CAY_ERROR_EXIT,        /* the guest asked to exit; the exit code is reported beside the error */
  CAY_ERROR_INTERRUPTED, /* stopped from outside: cay_run_interrupt */
  CAY_ERROR_DENIED,      /* a right that was not granted was needed */
  CAY_ERROR_SYSTEM,      /* the operating system refused; the text holds its reason */
};

/* What the status leaves open, where a caller may want to say what to do next. */
enum cay_error_kind {
  CAY_KIND_NONE = 0,
  CAY_KIND_UNKNOWN_IMPORT, /* CAY_ERROR_LINK: nothing provides something that the module imports */
  CAY_KIND_NO_THREADS,     /* the same, and thread-spawn of wasi-threads is in it */
  CAY_KIND_NO_ENTRY,       /* CAY_ERROR_LINK: the module exports neither _start nor _initialize */
};

struct cay_error {
  enum cay_status status;
  enum cay_error_kind kind;
  uint64_t offset; /* byte offset in the module, or CAY_ERROR_NO_OFFSET */
  char text[CAY_ERROR_TEXT_BYTES]; /* one sentence without a final newline; always NUL-terminated UTF-8 */
};

#endif
