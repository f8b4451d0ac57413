/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The file that code is kept in.
 *
 *   head      struct head: what it is, what the code depends on, how long the parts are; a checksum over it
 *   module    its bytes, or none, in the cache, where the module is a file of its own
 *   answers   of the optimizer's helper as they came, each behind its length and checksum
 *
 * Numbers are little-endian, of machines with pointers of 64 bits; the key tells for which kind of processor its code is. What is
 * checked here is that the file is what was once written: a disk, a kill in the middle or a careless tool may have changed anything.
 * Nothing is allocated and nothing is read beyond what the head says and the length allows. What the answers say is checked
 * when they are installed, by answer.c, as when they come from the helper. A checksum keeps no one out who wants in: that the
 * file is one of the person's own, the cache sees to, or the person says so (docs/cache.md). */
#include "tiers/kept.h"

#include <assert.h>
#include <stdio.h>

#include "tiers/build_id.gen.h"
#if TIERS_RUNS_OPTIMIZED
#include "tiers/optimizer/optimizer.h"
#endif

static const uint8_t magic[8] = {0x7F, 'c', 'a', 'y', '\r', '\n', 0x1A, '\n'};
enum { FORMAT = 1 };

/* Up to module_check it is the same in every format, so that every cay finds the module. */
struct head {
  uint8_t magic[8];
  uint32_t format, head_bytes;
  uint64_t module_bytes, module_check;
  struct tiers_kept_key key;
  uint64_t answers_bytes;
  uint32_t answer_count, is_part;
  uint64_t check; /* of all before it */
};
struct answer_head {
  uint64_t len_bytes, check;
};
static_assert(sizeof(struct tiers_kept_key) == 96 && sizeof(struct head) == TIERS_KEPT_HEAD_BYTES &&
                  sizeof(struct answer_head) == TIERS_KEPT_ANSWER_HEAD_BYTES,
              "heads have no holes");

/* ---- Processors and builds --------------------------------------------------------------------------------------------- */

static const char *const cpu_names[TIERS_CPU_COUNT] = {
#define X(NAME, name, BASE) [TIERS_CPU_##NAME] = name,
    TIERS_CPUS(X)
#undef X
};

const char *tiers_cpu_name(enum tiers_cpu cpu) { return cpu_names[cpu]; }

enum tiers_cpu tiers_cpu_find(const char *name) {
  enum tiers_cpu cpu = 0;
  while (cpu < TIERS_CPU_COUNT && strcmp(cpu_names[cpu], name) != 0) cpu++;
  return cpu;
}

enum tiers_cpu tiers_cpu_base(enum tiers_cpu cpu) {
  static const uint8_t bases[TIERS_CPU_COUNT] = {
#define X(NAME, name, BASE) [TIERS_CPU_##NAME] = TIERS_CPU_##BASE,
      TIERS_CPUS(X)
#undef X
  };
  return cpu == TIERS_CPU_NATIVE ? tiers_processor_base : (enum tiers_cpu)bases[cpu];
}

enum tiers_cpu tiers_target_find(const char *name) {
  static const struct {
    const char *name;
    enum tiers_cpu cpu;
  } targets[] = {
      {"x86_64-linux", TIERS_CPU_X86_64}, {"aarch64-linux", TIERS_CPU_AARCH64}, {"riscv64-linux", TIERS_CPU_RISCV64}};
  for (size_t i = 0; i < BASE_ARRAY_LEN(targets); i++)
    if (strcmp(name, targets[i].name) == 0) return targets[i].cpu;
  return TIERS_CPU_COUNT;
}

void tiers_kept_build(uint8_t out[BASE_SHA256_BYTES]) {
  static const uint8_t build[BASE_SHA256_BYTES] = {TIERS_BUILD_ID};
  memcpy(out, build, sizeof build);
#if TIERS_RUNS_OPTIMIZED
  base_store_u32(out, base_load_u32(out) ^ optimizer_places()); /* which options of the compiler may change */
#endif
}

enum cay_status tiers_kept_runs(const struct tiers_kept *kept, struct cay_error *error) {
  const struct tiers_kept_key *key = &kept->key;
  uint8_t build[BASE_SHA256_BYTES];
  tiers_kept_build(build);
  if (memcmp(key->build, build, sizeof build) != 0)
    return base_error_set(error, CAY_ERROR_UNSUPPORTED, "its code was made by another build of cay");
  if (key->cpu == TIERS_CPU_NATIVE && (key->processor != tiers_processor() || key->processor == 0))
    return base_error_set(error, CAY_ERROR_UNSUPPORTED, "its code was made for another processor");
  if (key->cpu != TIERS_CPU_NATIVE && !tiers_processor_is(key->cpu))
    return base_error_set(error, CAY_ERROR_UNSUPPORTED, "its code is for %s, which this processor is not",
                          tiers_cpu_name(key->cpu));
  return CAY_OK;
}

/* ---- Reading ------------------------------------------------------------------------------------------------------------- */

static enum cay_status damaged(struct cay_error *error, const char *what) {
  return base_error_set(error, CAY_ERROR_MALFORMED, "the kept code is damaged: %s", what);
}

bool tiers_kept_is(const void *bytes, size_t len_bytes) {
  return len_bytes >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

/* The module, when it is whole. */
static void find_module(const struct head *head, const uint8_t *bytes, size_t len_bytes, struct tiers_kept *out) {
  size_t start = head->head_bytes;
  if (start > len_bytes || head->module_bytes == 0 || head->module_bytes > len_bytes - start) return;
  if (head->module_check != base_checksum(bytes + start, (size_t)head->module_bytes)) return;
  out->module = bytes + start;
  out->module_bytes = (size_t)head->module_bytes;
}

static enum cay_status check_head(const struct head *head, size_t rest_bytes, struct cay_error *error) {
  if (head->head_bytes != TIERS_KEPT_HEAD_BYTES || head->check != base_checksum(head, offsetof(struct head, check)))
    return damaged(error, "its head has another checksum");
  if (head->module_bytes > rest_bytes || head->answers_bytes > rest_bytes - head->module_bytes)
    return damaged(error, "it ends too early");
  if (head->answers_bytes < rest_bytes - head->module_bytes) return damaged(error, "it goes on behind its end");
  if (head->key.cpu >= TIERS_CPU_COUNT || head->key.level >= TIERS_LEVELS || head->is_part > 1)
    return damaged(error, "a number in its head is none that there is");
  return CAY_OK;
}

static enum cay_status check_answers(const struct tiers_kept *kept, struct cay_error *error) {
  const uint8_t *at = kept->answers;
  size_t left = kept->answers_bytes;
  for (uint32_t i = 0; i < kept->answer_count; i++) {
    struct answer_head head;
    if (left < sizeof head) return damaged(error, "it has fewer answers than it says");
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    left -= sizeof head;
    if (head.len_bytes > left) return damaged(error, "an answer is longer than the file");
    if (head.check != base_checksum(at, (size_t)head.len_bytes))
      return damaged(error, "an answer has another checksum");
    at += head.len_bytes;
    left -= (size_t)head.len_bytes;
  }
  return left ? damaged(error, "it has more answers than it says") : CAY_OK;
}

enum cay_status tiers_kept_read(const void *bytes, size_t len_bytes, struct tiers_kept *out, struct cay_error *error) {
  struct head head;
  *out = (struct tiers_kept){0};
  if (!tiers_kept_is(bytes, len_bytes)) return damaged(error, "it does not begin as it should");
  if (len_bytes < sizeof head) return damaged(error, "it ends in its head");
  memcpy(&head, bytes, sizeof head);
  find_module(&head, bytes, len_bytes, out);
  if (head.format != FORMAT)
    return base_error_set(error, CAY_ERROR_UNSUPPORTED, "its code is kept in format %u; this cay reads %u", head.format,
                          (unsigned)FORMAT);
  enum cay_status status = check_head(&head, len_bytes - sizeof head, error);
  if (status) return status;
  if (head.module_bytes && !out->module) return damaged(error, "the module in it has another checksum");
  out->key = head.key;
  out->answers = (const uint8_t *)bytes + sizeof head + head.module_bytes;
  out->answers_bytes = (size_t)head.answers_bytes;
  out->answer_count = head.answer_count;
  out->is_part = head.is_part;
  return check_answers(out, error);
}

bool tiers_kept_take(void *env, void *to, size_t count) {
  struct tiers_kept_reader *reader = env;
  if (count == 0) return true;
  if (reader->left == 0 && reader->end - reader->at > TIERS_KEPT_ANSWER_HEAD_BYTES) {
    struct answer_head head;
    memcpy(&head, reader->at, sizeof head);
    reader->at += sizeof head;
    reader->left = (size_t)head.len_bytes;
  }
  if (count > reader->left || count > (size_t)(reader->end - reader->at)) return false;
  memcpy(to, reader->at, count);
  reader->at += count;
  reader->left -= count;
  return true;
}

/* ---- Writing ------------------------------------------------------------------------------------------------------------- */

void tiers_kept_head(const struct tiers_kept *kept, uint8_t out[TIERS_KEPT_HEAD_BYTES]) {
  struct head head = {.format = FORMAT,
                      .head_bytes = TIERS_KEPT_HEAD_BYTES,
                      .key = kept->key,
                      .module_bytes = kept->module_bytes,
                      .module_check = kept->module ? base_checksum(kept->module, kept->module_bytes) : 0,
                      .answers_bytes = kept->answers_bytes,
                      .answer_count = kept->answer_count,
                      .is_part = kept->is_part};
  memcpy(head.magic, magic, sizeof magic);
  head.check = base_checksum(&head, offsetof(struct head, check));
  memset(out, 0, TIERS_KEPT_HEAD_BYTES);
  memcpy(out, &head, sizeof head);
}

void tiers_kept_answer_head(const void *answer, size_t len_bytes, uint8_t out[TIERS_KEPT_ANSWER_HEAD_BYTES]) {
  struct answer_head head = {len_bytes, base_checksum(answer, len_bytes)};
  memcpy(out, &head, sizeof head);
}
