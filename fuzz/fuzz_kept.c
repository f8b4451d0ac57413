/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Files of kept code, made of arbitrary bytes: what is accepted lies within the file, and its answers can be read to their
 * end. The checksums are set right, which a fuzzer could not guess. */
#include <assert.h>
#include <stdlib.h>

#include "tiers/kept.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

enum { MODULE_BYTES_AT = 16, MODULE_CHECK_AT = 24, CHECK_AT = TIERS_KEPT_HEAD_BYTES - 8 };

static void mend(uint8_t *file, size_t len_bytes) {
  static const uint8_t front[16] = {0x7F, 'c', 'a', 'y', '\r', '\n', 0x1A, '\n', 1, 0, 0, 0, TIERS_KEPT_HEAD_BYTES};
  if (len_bytes < TIERS_KEPT_HEAD_BYTES) return;
  memcpy(file, front, sizeof front);
  uint8_t *at = file + TIERS_KEPT_HEAD_BYTES;
  size_t left = len_bytes - TIERS_KEPT_HEAD_BYTES;
  uint64_t module_bytes = base_load_u64(file + MODULE_BYTES_AT);
  if (module_bytes <= left) {
    base_store_u64(file + MODULE_CHECK_AT, module_bytes ? base_checksum(at, (size_t)module_bytes) : 0);
    at += module_bytes;
    left -= (size_t)module_bytes;
  }
  base_store_u64(file + CHECK_AT, base_checksum(file, CHECK_AT));
  while (left >= TIERS_KEPT_ANSWER_HEAD_BYTES) {
    uint64_t answer_bytes = base_load_u64(at);
    if (answer_bytes > left - TIERS_KEPT_ANSWER_HEAD_BYTES) return;
    tiers_kept_answer_head(at + TIERS_KEPT_ANSWER_HEAD_BYTES, (size_t)answer_bytes, at);
    at += TIERS_KEPT_ANSWER_HEAD_BYTES + answer_bytes;
    left -= TIERS_KEPT_ANSWER_HEAD_BYTES + (size_t)answer_bytes;
  }
}

static void check(const struct tiers_kept *kept, const uint8_t *file, size_t len_bytes) {
  const uint8_t *end = file + len_bytes;
  assert(kept->answers >= file && kept->answers <= end && kept->answers_bytes == (size_t)(end - kept->answers));
  assert(!kept->module || (kept->module >= file && kept->module + kept->module_bytes == kept->answers));
  struct tiers_kept_reader reader = {.at = kept->answers, .end = end};
  uint8_t byte;
  while (tiers_kept_take(&reader, &byte, 1)) continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  for (int mends = 0; mends < 2; mends++) {
    struct tiers_kept kept;
    uint8_t *file = malloc(len_bytes + 1);
    if (!file) abort();
    if (len_bytes) memcpy(file, bytes, len_bytes);
    if (mends) mend(file, len_bytes);
    if (tiers_kept_read(file, len_bytes, &kept, NULL) == CAY_OK) check(&kept, file, len_bytes);
    free(file);
  }
  return 0;
}
