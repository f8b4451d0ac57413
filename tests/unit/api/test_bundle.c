/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Bundles of a small executable, whole and broken in every place; and one of this very program. */
#include "api/bundle.h"
#include "test.h"

static const char kept_text[] = "the kept code", manifest_text[] = "timeout = \"5s\"\n";
enum {
  FRONT_BYTES = 100,
  BACK_BYTES = 60,
  KEPT_BYTES = sizeof kept_text - 1,
  MANIFEST_BYTES = sizeof manifest_text - 1
};

/* What a command is to a bundle: ELF, and somewhere in it the seal. */
struct command {
  uint8_t front[FRONT_BYTES];
  struct bundle_seal seal;
  uint8_t back[BACK_BYTES];
};

static struct base_text text_of(const char *text, size_t len_bytes) {
  struct base_text out = {0};
  base_text_add(&out, text, len_bytes);
  return out;
}

static struct command command_new(void) {
  struct command command = {.front = {0x7F, 'E', 'L', 'F'}, .seal = bundle_seal_own()};
  return command;
}

static enum cay_status join(const struct command *command, struct base_text *out) {
  struct base_file executable = {.bytes = (const uint8_t *)command, .len_bytes = sizeof *command};
  struct base_text kept = text_of(kept_text, KEPT_BYTES), manifest = text_of(manifest_text, MANIFEST_BYTES);
  enum cay_status status = bundle_join(&executable, &kept, &manifest, out, NULL);
  base_text_deinit(&kept);
  base_text_deinit(&manifest);
  return status;
}

static enum cay_status read_text(const struct base_text *file, size_t len_bytes, struct api_bundle *out) {
  struct base_file bytes = {.bytes = (const uint8_t *)file->bytes, .len_bytes = len_bytes};
  return api_bundle_read(&bytes, out, NULL);
}

static bool is_whole(const struct api_bundle *bundle) {
  return bundle->kept.len_bytes == KEPT_BYTES && memcmp(bundle->kept.bytes, kept_text, KEPT_BYTES) == 0 &&
         bundle->manifest.len_bytes == MANIFEST_BYTES &&
         memcmp(bundle->manifest.bytes, manifest_text, MANIFEST_BYTES) == 0;
}

TEST(a_bundle_is_read_as_it_was_made) {
  struct command command = command_new();
  struct base_file executable = {.bytes = (const uint8_t *)&command, .len_bytes = sizeof command};
  struct base_text file = {0};
  struct api_bundle bundle;
  CHECK(!api_bundle_is(&executable) && !api_bundle_is_own());
  CHECK_INT(join(&command, &file), CAY_OK);
  struct base_file made = {.bytes = (const uint8_t *)file.bytes, .len_bytes = file.len_bytes};
  CHECK(api_bundle_is(&made));
  CHECK_INT(read_text(&file, file.len_bytes, &bundle), CAY_OK);
  CHECK(is_whole(&bundle));
  CHECK(file.len_bytes == base_os_page_bytes() + KEPT_BYTES + MANIFEST_BYTES);
  CHECK(memcmp(file.bytes, &command, FRONT_BYTES) == 0);
  api_bundle_deinit(&bundle);
  base_text_deinit(&file);
}

/* Of the kept code the reader of that finds it. */
TEST(every_changed_byte_of_seal_and_manifest_is_found) {
  struct command command = command_new();
  struct base_text file = {0};
  CHECK_INT(join(&command, &file), CAY_OK);
  const size_t seal = offsetof(struct command, seal), seal_end = seal + sizeof command.seal;
  for (size_t i = 0; i < file.len_bytes; i++) {
    bool is_in_seal = i >= seal && i < seal_end;
    if (!is_in_seal && i < file.len_bytes - MANIFEST_BYTES) continue;
    struct api_bundle bundle;
    file.bytes[i] ^= 0x10;
    CHECK(read_text(&file, file.len_bytes, &bundle) != CAY_OK);
    CHECK(!bundle.kept.bytes && !bundle.manifest.bytes);
    file.bytes[i] ^= 0x10;
  }
  base_text_deinit(&file);
}

TEST(every_cut_is_found) {
  struct command command = command_new();
  struct base_text file = {0};
  CHECK_INT(join(&command, &file), CAY_OK);
  for (size_t len = 0; len < file.len_bytes; len++) {
    struct api_bundle bundle;
    uint8_t *exact = malloc(len ? len : 1); /* so that a sanitizer sees what reads on */
    if (!exact) abort();
    memcpy(exact, file.bytes, len);
    struct base_file cut = {.bytes = exact, .len_bytes = len};
    CHECK_INT(api_bundle_read(&cut, &bundle, NULL), CAY_ERROR_MALFORMED);
    free(exact);
  }
  base_text_deinit(&file);
}

/* Lengths are a stranger's, and their checksum is right. */
TEST(lengths_are_not_believed) {
  static const uint64_t lengths[] = {1, 100000, UINT32_MAX, UINT64_MAX, UINT64_MAX - 4096, INT64_MAX};
  struct command command = command_new();
  struct base_text file = {0};
  CHECK_INT(join(&command, &file), CAY_OK);
  char *place = file.bytes + offsetof(struct command, seal);
  for (size_t field = 0; field < 3; field++)
    for (size_t i = 0; i < BASE_ARRAY_LEN(lengths); i++) {
      struct bundle_seal seal, old;
      struct api_bundle bundle;
      memcpy(&old, place, sizeof old);
      seal = old;
      *(field == 0 ? &seal.at : field == 1 ? &seal.kept_bytes : &seal.manifest_bytes) = lengths[i];
      seal.check = bundle_seal_check(&seal);
      memcpy(place, &seal, sizeof seal);
      CHECK_INT(read_text(&file, file.len_bytes, &bundle), CAY_ERROR_MALFORMED);
      memcpy(place, &old, sizeof old);
    }
  base_text_deinit(&file);
}

TEST(only_an_untouched_command_is_sealed) {
  struct command command = command_new();
  struct base_text file = {0};
  command.seal.at = 4096;
  CHECK_INT(join(&command, &file), CAY_ERROR_UNSUPPORTED);
  command = command_new();
  command.seal.mark[0] ^= 1;
  CHECK_INT(join(&command, &file), CAY_ERROR_UNSUPPORTED);
  struct command two[2] = {command_new(), command_new()};
  struct base_file executable = {.bytes = (const uint8_t *)two, .len_bytes = sizeof two};
  struct base_text nothing = {0};
  CHECK_INT(bundle_join(&executable, &nothing, &nothing, &file, NULL), CAY_ERROR_UNSUPPORTED);
  CHECK(file.len_bytes == 0);
}

TEST(this_program_can_be_one) {
  struct base_text kept = text_of(kept_text, KEPT_BYTES), manifest = text_of(manifest_text, MANIFEST_BYTES), file = {0};
  struct api_bundle bundle;
  CHECK_INT(api_bundle_make(&kept, &manifest, &file, NULL), CAY_OK);
  CHECK_INT(read_text(&file, file.len_bytes, &bundle), CAY_OK);
  CHECK(is_whole(&bundle));
  api_bundle_deinit(&bundle);
  base_text_deinit(&kept);
  base_text_deinit(&manifest);
  base_text_deinit(&file);
}

TEST_MAIN(RUN(a_bundle_is_read_as_it_was_made) RUN(every_changed_byte_of_seal_and_manifest_is_found)
              RUN(every_cut_is_found) RUN(lengths_are_not_believed) RUN(only_an_untouched_command_is_sealed)
                  RUN(this_program_can_be_one))
