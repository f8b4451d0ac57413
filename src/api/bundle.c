/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Bundles: the command itself with a module, machine code for it, and what it may use, in one executable file.
 *
 *   the command's own file, its seal filled in
 *   nothing, up to a multiple of the page size
 *   kept code (tiers/kept.c): the module, and its machine code or none
 *   the manifest that it was sealed with
 *
 * The seal is a structure in the command's read-only data, which is found in the copy by its mark. In a command that is no
 * bundle it is empty, and looking at it is all that an ordinary start pays. Rejected: a trailer at the end of the file, which
 * every start would have to open itself for; a section of its own, which takes a linker where bundles are made; a file in
 * memory, as of /dev/shm, which is none where programs are copied to.
 *
 * What is checked is that the file is what was once written: all numbers, and all bytes behind the command's own. A checksum
 * keeps nobody out who wants in, and could not: whoever can change the file can change the command in it.
 *
 * Invariants: 1. the mark is in a command once, so that nothing else is taken for the seal; 2. nothing is allocated that the
 * file's length does not back; 3. the seal is read through volatile only, because the compiler would know it to be empty. */
#include "api/bundle.h"

#include <assert.h>

static_assert(sizeof(struct bundle_seal) == BUNDLE_MARK_BYTES + 48, "the seal has no holes");

static const volatile struct bundle_seal own = {
    .mark = {180, 248, 51, 218, 132, 25, 136, 122, 218, 165, 163, 237, 211, 129, 15, 73,
             90,  96,  81, 169, 178, 65, 233, 213, 234, 236, 114, 201, 246, 134, 68, 241},
    .format = BUNDLE_FORMAT,
};

struct bundle_seal bundle_seal_own(void) { return own; }

uint64_t bundle_seal_check(const struct bundle_seal *seal) {
  enum { FROM = offsetof(struct bundle_seal, format), TO = offsetof(struct bundle_seal, check) };
  return base_checksum((const uint8_t *)seal + FROM, TO - FROM);
}

static enum cay_status damaged(struct cay_error *error, const char *what) {
  return base_error_set(error, CAY_ERROR_MALFORMED, "this bundle is damaged: %s", what);
}

static enum cay_status ends_early(struct cay_error *error) { return damaged(error, "the file ends too early"); }

enum cay_status bundle_seal_read(const struct bundle_seal *seal, uint64_t file_bytes, struct cay_error *error) {
  if (seal->format != BUNDLE_FORMAT)
    return base_error_set(error, CAY_ERROR_UNSUPPORTED, "this is a bundle of format %u; this cay reads %u",
                          seal->format, (unsigned)BUNDLE_FORMAT);
  if (seal->nothing || seal->check != bundle_seal_check(seal)) return damaged(error, "its seal has another checksum");
  if (seal->at > file_bytes || seal->kept_bytes > file_bytes - seal->at ||
      seal->manifest_bytes > file_bytes - seal->at - seal->kept_bytes)
    return ends_early(error);
  return CAY_OK;
}

/* ---- Reading ------------------------------------------------------------------------------------------------------------- */

static enum cay_status check_manifest(const struct bundle_seal *seal, struct api_bundle *out, struct cay_error *error) {
  if (seal->manifest_check == base_checksum(out->manifest.bytes, out->manifest.len_bytes)) return CAY_OK;
  return damaged(error, "what it was sealed with has another checksum");
}

bool api_bundle_is_own(void) { return own.at != 0; }

static enum cay_status map_payload(const struct bundle_seal *seal, struct base_file *out, struct cay_error *error) {
  bool is_short;
  enum cay_status status = base_file_map_own(seal->at, seal->kept_bytes + seal->manifest_bytes, out, &is_short, error);
  return status && is_short ? ends_early(error) : status;
}

enum cay_status api_bundle_read_own(struct api_bundle *out, struct cay_error *error) {
  struct bundle_seal seal = bundle_seal_own();
  struct base_file payload;
  *out = (struct api_bundle){0};
  enum cay_status status = bundle_seal_read(&seal, UINT64_MAX, error);
  if (!status) status = map_payload(&seal, &payload, error);
  if (status) return status;
  out->kept = out->manifest = payload;
  out->kept.len_bytes = (size_t)seal.kept_bytes;
  out->manifest.bytes += seal.kept_bytes;
  out->manifest.len_bytes = (size_t)seal.manifest_bytes;
  status = check_manifest(&seal, out, error);
  if (status) api_bundle_deinit(out);
  return status;
}

/* Where the file's seal is; NULL: it has none. */
static const uint8_t *find_seal(const uint8_t *bytes, size_t len_bytes) {
  struct bundle_seal seal = bundle_seal_own();
  const uint8_t *found = len_bytes ? memmem(bytes, len_bytes, seal.mark, sizeof seal.mark) : NULL;
  return found && (size_t)(bytes + len_bytes - found) >= sizeof seal ? found : NULL;
}

static bool seal_of(const struct base_file *file, struct bundle_seal *out) {
  static const uint8_t elf[] = {0x7F, 'E', 'L', 'F'};
  if (file->len_bytes < sizeof elf || memcmp(file->bytes, elf, sizeof elf) != 0) return false;
  const uint8_t *found = find_seal(file->bytes, file->len_bytes);
  if (found) memcpy(out, found, sizeof *out);
  return found && out->at != 0;
}

bool api_bundle_is(const struct base_file *file) {
  struct bundle_seal seal;
  return seal_of(file, &seal);
}

static bool copy(const uint8_t *bytes, uint64_t len_bytes, struct base_file *out) {
  uint8_t *to = base_alloc(len_bytes ? (size_t)len_bytes : 1);
  if (!to) return false;
  memcpy(to, bytes, (size_t)len_bytes);
  *out = (struct base_file){.bytes = to, .len_bytes = (size_t)len_bytes};
  return true;
}

enum cay_status api_bundle_read(const struct base_file *file, struct api_bundle *out, struct cay_error *error) {
  struct bundle_seal seal;
  *out = (struct api_bundle){0};
  if (!seal_of(file, &seal)) return base_error_set(error, CAY_ERROR_MALFORMED, "this is no bundle");
  enum cay_status status = bundle_seal_read(&seal, file->len_bytes, error);
  if (status) return status;
  const uint8_t *kept = file->bytes + seal.at;
  if (!copy(kept, seal.kept_bytes, &out->kept) || !copy(kept + seal.kept_bytes, seal.manifest_bytes, &out->manifest))
    status = base_error_memory(error);
  if (!status) status = check_manifest(&seal, out, error);
  if (status) api_bundle_deinit(out);
  return status;
}

void api_bundle_deinit(struct api_bundle *bundle) {
  base_file_deinit(&bundle->kept);
  base_file_deinit(&bundle->manifest);
}

/* ---- Making -------------------------------------------------------------------------------------------------------------- */

static void pad(struct base_text *out, size_t alignment) {
  static const char nothing[4096];
  for (size_t left = (alignment - out->len_bytes % alignment) % alignment; left && !out->failed;) {
    size_t count = left < sizeof nothing ? left : sizeof nothing;
    base_text_add(out, nothing, count);
    left -= count;
  }
}

enum cay_status bundle_join(const struct base_file *executable, const struct base_text *kept,
                            const struct base_text *manifest, struct base_text *out, struct cay_error *error) {
  const uint8_t *end = executable->bytes + executable->len_bytes;
  const uint8_t *found = find_seal(executable->bytes, executable->len_bytes);
  struct bundle_seal seal = bundle_seal_own();
  bool is_alone = found && !find_seal(found + 1, (size_t)(end - found - 1));
  if (!is_alone || memcmp(found, &seal, sizeof seal) != 0)
    return base_error_set(error, CAY_ERROR_UNSUPPORTED,
                          "this cay cannot be made a bundle: its file was changed after it was built");
  size_t start = out->len_bytes;
  base_text_add(out, (const char *)executable->bytes, executable->len_bytes);
  pad(out, base_os_page_bytes());
  seal.at = out->len_bytes - start;
  seal.kept_bytes = kept->len_bytes;
  seal.manifest_bytes = manifest->len_bytes;
  seal.manifest_check = base_checksum(manifest->bytes, manifest->len_bytes);
  seal.check = bundle_seal_check(&seal);
  base_text_add(out, kept->bytes, kept->len_bytes);
  base_text_add(out, manifest->bytes, manifest->len_bytes);
  if (out->failed) return base_error_memory(error);
  memcpy(out->bytes + start + (found - executable->bytes), &seal, sizeof seal);
  return CAY_OK;
}

enum cay_status api_bundle_make(const struct base_text *kept, const struct base_text *manifest, struct base_text *out,
                                struct cay_error *error) {
  struct base_file executable = {0};
  enum cay_status status = base_file_read(BASE_OWN_EXECUTABLE, &executable, error);
  if (!status) status = bundle_join(&executable, kept, manifest, out, error);
  base_file_deinit(&executable);
  return status;
}
