/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Manifests over arbitrary bytes: what is accepted is written in a form that reads back as the same. */
#include <assert.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static enum cay_status read_into(struct policy_settings *settings, const void *bytes, size_t len_bytes,
                                 struct base_text *out) {
  const struct policy_manifest manifest = {.name = "f", .bytes = bytes, .len_bytes = len_bytes};
  struct cay_error error;
  policy_settings_init(settings);
  enum cay_status status = policy_manifest_read(settings, &manifest, &error);
  if (!status) status = policy_manifest_write(settings, out, &error);
  policy_settings_deinit(settings);
  return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  struct policy_settings settings;
  struct base_text once = {0}, again = {0};
  if (!read_into(&settings, bytes, len_bytes, &once) && once.len_bytes <= POLICY_MANIFEST_MAX_BYTES) {
    enum cay_status status = read_into(&settings, once.bytes, once.len_bytes, &again);
    assert(!status && again.len_bytes == once.len_bytes);
    assert(once.len_bytes == 0 || memcmp(once.bytes, again.bytes, once.len_bytes) == 0);
  }
  base_text_deinit(&once);
  base_text_deinit(&again);
  return 0;
}
