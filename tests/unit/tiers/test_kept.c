/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Files of kept code, whole and broken in every place. */
#include "test.h"
#include "tiers/kept.h"

static const char module_text[] = "the module", first_answer[] = "first", second_answer[] = "the second answer";

enum {
  MODULE_BYTES = sizeof module_text - 1,
  FIRST_BYTES = sizeof first_answer - 1,
  SECOND_BYTES = sizeof second_answer - 1,
  ANSWERS_BYTES = 2 * TIERS_KEPT_ANSWER_HEAD_BYTES + FIRST_BYTES + SECOND_BYTES,
  FILE_BYTES = TIERS_KEPT_HEAD_BYTES + MODULE_BYTES + ANSWERS_BYTES,
};

static uint8_t *add(uint8_t *at, const void *bytes, size_t count) {
  return (uint8_t *)memcpy(at, bytes, count) + count;
}

static uint8_t *add_answer(uint8_t *at, const char *bytes, size_t count) {
  tiers_kept_answer_head(bytes, count, at);
  return add(at + TIERS_KEPT_ANSWER_HEAD_BYTES, bytes, count);
}

static struct tiers_kept_key own_key(void) {
  struct tiers_kept_key key = {.processor = tiers_processor(), .level = 1, .entry_count = 2};
  tiers_kept_build(key.build);
  return key;
}

static void write_file(uint8_t file[FILE_BYTES], const struct tiers_kept_key *key) {
  struct tiers_kept kept = {.key = *key,
                            .module = (const uint8_t *)module_text,
                            .module_bytes = MODULE_BYTES,
                            .answers_bytes = ANSWERS_BYTES,
                            .answer_count = 2};
  tiers_kept_head(&kept, file);
  uint8_t *at = add(file + TIERS_KEPT_HEAD_BYTES, module_text, MODULE_BYTES);
  at = add_answer(at, first_answer, FIRST_BYTES);
  at = add_answer(at, second_answer, SECOND_BYTES);
  CHECK(at == file + FILE_BYTES);
}

static bool has_module(const struct tiers_kept *kept) {
  return kept->module && kept->module_bytes == MODULE_BYTES && memcmp(kept->module, module_text, MODULE_BYTES) == 0;
}

TEST(a_whole_file_is_read) {
  struct tiers_kept kept;
  struct tiers_kept_key key = own_key();
  uint8_t file[FILE_BYTES];
  char taken[32] = "";
  write_file(file, &key);
  CHECK(tiers_kept_is(file, sizeof file));
  CHECK_INT(tiers_kept_read(file, sizeof file, &kept, NULL), CAY_OK);
  CHECK(has_module(&kept) && memcmp(&kept.key, &key, sizeof key) == 0);
  struct tiers_kept_reader reader = {.at = kept.answers, .end = kept.answers + kept.answers_bytes};
  CHECK(tiers_kept_take(&reader, taken, 2) && tiers_kept_take(&reader, taken + 2, FIRST_BYTES - 2));
  CHECK_TEXT(taken, first_answer);
  CHECK(!tiers_kept_take(&reader, taken, SECOND_BYTES + 1));
  CHECK(tiers_kept_take(&reader, taken, SECOND_BYTES) && !tiers_kept_take(&reader, taken, 1));
  CHECK(memcmp(taken, second_answer, SECOND_BYTES) == 0);
}

/* The module is found as long as its own bytes and what leads to them are there. */
TEST(every_changed_byte_is_found) {
  struct tiers_kept kept;
  struct tiers_kept_key key = own_key();
  uint8_t file[FILE_BYTES];
  const size_t leads_end = 32, module_end = TIERS_KEPT_HEAD_BYTES + MODULE_BYTES;
  for (size_t i = 0; i < FILE_BYTES; i++) {
    write_file(file, &key);
    file[i] ^= 0x10;
    CHECK(tiers_kept_read(file, sizeof file, &kept, NULL) != CAY_OK);
    if (i >= leads_end && i < TIERS_KEPT_HEAD_BYTES) CHECK(has_module(&kept));
    if (i >= TIERS_KEPT_HEAD_BYTES && i < module_end) CHECK(!kept.module);
    if (i >= module_end) CHECK(has_module(&kept));
  }
}

TEST(every_cut_is_found) {
  struct tiers_kept kept;
  struct tiers_kept_key key = own_key();
  uint8_t file[FILE_BYTES + 1] = {0};
  write_file(file, &key);
  for (size_t len = 0; len < FILE_BYTES; len++) {
    uint8_t *exact = malloc(len ? len : 1); /* so that a sanitizer sees what reads on */
    if (!exact) abort();
    memcpy(exact, file, len);
    CHECK(tiers_kept_read(exact, len, &kept, NULL) == CAY_ERROR_MALFORMED);
    CHECK(has_module(&kept) == (len >= TIERS_KEPT_HEAD_BYTES + MODULE_BYTES));
    free(exact);
  }
  CHECK_INT(tiers_kept_read(file, sizeof file, &kept, NULL), CAY_ERROR_MALFORMED);
}

/* The lengths in heads are a stranger's. */
TEST(lengths_are_not_believed) {
  struct tiers_kept kept;
  struct tiers_kept_key key = own_key();
  uint8_t file[FILE_BYTES];
  uint8_t *first = file + TIERS_KEPT_HEAD_BYTES + MODULE_BYTES;
  static const uint64_t lengths[] = {0, FIRST_BYTES + 1, ANSWERS_BYTES, UINT32_MAX, UINT64_MAX, UINT64_MAX - 15};
  for (size_t i = 0; i < BASE_ARRAY_LEN(lengths); i++) {
    write_file(file, &key);
    base_store_u64(first, lengths[i]);
    CHECK_INT(tiers_kept_read(file, sizeof file, &kept, NULL), CAY_ERROR_MALFORMED);
    write_file(file, &key);
    base_store_u64(file + 16, lengths[i]); /* of the module */
    CHECK_INT(tiers_kept_read(file, sizeof file, &kept, NULL), CAY_ERROR_MALFORMED);
    CHECK(!kept.module);
  }
}

TEST(other_formats_hold_their_module) {
  struct tiers_kept kept;
  struct tiers_kept_key key = own_key();
  uint8_t file[FILE_BYTES];
  write_file(file, &key);
  file[8] = 2;
  CHECK_INT(tiers_kept_read(file, sizeof file, &kept, NULL), CAY_ERROR_UNSUPPORTED);
  CHECK(has_module(&kept));
}

static enum cay_status runs(const struct tiers_kept_key *key) {
  struct tiers_kept kept = {.key = *key};
  return tiers_kept_runs(&kept, NULL);
}

TEST(only_code_of_this_build_and_processor_runs) {
  struct tiers_kept_key key = own_key();
  CHECK_INT(runs(&key), tiers_processor() ? CAY_OK : CAY_ERROR_UNSUPPORTED); /* 0: nothing is made for this one alone */
  key.processor ^= 1;
  CHECK_INT(runs(&key), CAY_ERROR_UNSUPPORTED);
  key = own_key();
  key.build[31] ^= 1;
  CHECK_INT(runs(&key), CAY_ERROR_UNSUPPORTED);
  key = own_key();
  for (enum tiers_cpu cpu = TIERS_CPU_X86_64; cpu < TIERS_CPU_COUNT; cpu++) {
    key.cpu = cpu;
    CHECK_INT(runs(&key), tiers_processor_is(cpu) ? CAY_OK : CAY_ERROR_UNSUPPORTED);
    CHECK_INT(tiers_cpu_find(tiers_cpu_name(cpu)), cpu);
  }
  CHECK_INT(tiers_cpu_find("z80"), TIERS_CPU_COUNT);
}

TEST_MAIN(RUN(a_whole_file_is_read) RUN(every_changed_byte_is_found) RUN(every_cut_is_found)
              RUN(lengths_are_not_believed) RUN(other_formats_hold_their_module)
                  RUN(only_code_of_this_build_and_processor_runs))
