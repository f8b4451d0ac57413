/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private to `api` and its tests: the seal of a bundle (bundle.c). */
#ifndef API_BUNDLE_H
#define API_BUNDLE_H

#include "api/parts.h"

enum { BUNDLE_MARK_BYTES = 32, BUNDLE_FORMAT = 1 };
/* In the read-only data of every command. Numbers are the machine's, because the command is. */
struct bundle_seal {
  uint8_t mark[BUNDLE_MARK_BYTES];
  uint32_t format, nothing;
  uint64_t at; /* where the kept code begins in the file, and behind it the manifest; 0: this is no bundle */
  uint64_t kept_bytes, manifest_bytes;
  uint64_t manifest_check; /* the kept code has its own */
  uint64_t check;          /* of all before it but the mark */
};
/* That of this process. */
struct bundle_seal bundle_seal_own(void);
uint64_t bundle_seal_check(const struct bundle_seal *seal);
/* CAY_OK: what it says holds for a file of this length. */
enum cay_status bundle_seal_read(const struct bundle_seal *seal, uint64_t file_bytes, struct cay_error *error);
/* Adds a bundle to `out` whose executable is this one. CAY_ERROR_UNSUPPORTED: it has no seal that can be filled in. */
enum cay_status bundle_join(const struct base_file *executable, const struct base_text *kept, const struct base_text *manifest,
                            struct base_text *out, struct cay_error *error);

#endif
