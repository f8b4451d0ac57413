/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Bundles made of arbitrary bytes behind the mark: what is accepted was in the file. The checksums are set right, which a
 * fuzzer could not guess. */
#include <assert.h>
#include <stdlib.h>

#include "api/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

enum { ELF_BYTES = 4 };

static void mend(uint8_t *file, size_t len_bytes) {
  struct bundle_seal seal;
  if (len_bytes < ELF_BYTES + sizeof seal) return;
  memcpy(&seal, file + ELF_BYTES, sizeof seal);
  seal.format = BUNDLE_FORMAT;
  seal.nothing = 0;
  uint64_t kept_end, end;
  if (!__builtin_add_overflow(seal.at, seal.kept_bytes, &kept_end) &&
      !__builtin_add_overflow(kept_end, seal.manifest_bytes, &end) && end <= len_bytes)
    seal.manifest_check = base_checksum(file + kept_end, (size_t)seal.manifest_bytes);
  seal.check = bundle_seal_check(&seal);
  memcpy(file + ELF_BYTES, &seal, sizeof seal);
}

/* Lengths are made small now and then, or hardly any file would hold what it says. */
static void shrink(uint8_t *file, size_t len_bytes) {
  struct bundle_seal seal;
  if (len_bytes < ELF_BYTES + sizeof seal) return;
  memcpy(&seal, file + ELF_BYTES, sizeof seal);
  seal.at %= 256;
  seal.kept_bytes %= 256;
  seal.manifest_bytes %= 256;
  memcpy(file + ELF_BYTES, &seal, sizeof seal);
}

static void try(const uint8_t *bytes, size_t len_bytes) {
  struct base_file file = {.bytes = bytes, .len_bytes = len_bytes};
  struct api_bundle bundle;
  if (api_bundle_read(&file, &bundle, NULL) != CAY_OK) return;
  assert(bundle.kept.len_bytes + bundle.manifest.len_bytes <= len_bytes);
  assert(memmem(bytes, len_bytes, bundle.kept.bytes, bundle.kept.len_bytes));
  struct api_kept *kept = NULL;
  struct cay_error why, error;
  if (api_kept_is(&bundle.kept) && !api_kept_open(&bundle.kept, &kept, &why, &error)) api_kept_free(kept);
  api_bundle_deinit(&bundle);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  struct bundle_seal seal = bundle_seal_own();
  size_t file_bytes = ELF_BYTES + sizeof seal.mark + len_bytes;
  for (int mends = 0; mends < 3; mends++) {
    uint8_t *file = malloc(file_bytes);
    if (!file) abort();
    memcpy(file,
           "\x7F"
           "ELF",
           ELF_BYTES);
    memcpy(file + ELF_BYTES, seal.mark, sizeof seal.mark);
    if (len_bytes) memcpy(file + ELF_BYTES + sizeof seal.mark, bytes, len_bytes);
    if (mends == 2) shrink(file, file_bytes);
    if (mends) mend(file, file_bytes);
    try(file, file_bytes);
    free(file);
  }
  return 0;
}
