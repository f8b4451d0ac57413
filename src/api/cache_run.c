/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The cache for one run of the command: what there is of its modules is offered to the tier, and of the rest a keeper is told.
 *
 * The files at-DEVICE-INODE remember the hash of a module's file, as long as nothing about that file changes, so that a
 * large one is not hashed at each start. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/cache.h"

#if TIERS_HAS_OPTIMIZER

/* ---- Hashes of modules ---------------------------------------------------------------------------------------------------------- */

struct hash_file {
  char magic[8];
  struct base_file_identity identity;
  uint8_t module[BASE_SHA256_BYTES];
  uint64_t check;
};
static const char hash_magic[8] = {'c', 'a', 'y', 'h', 'a', 's', 'h', '1'};

static void hash_name(const struct base_file_identity *identity, char out[64]) {
  snprintf(out, 64, "at-%" PRIx64 "-%" PRIx64, identity->device, identity->inode);
}

static bool recall_hash(const struct api_cache *cache, const struct base_file_identity *identity,
                        uint8_t out[BASE_SHA256_BYTES]) {
  char name[64];
  struct stat status;
  struct hash_file file;
  hash_name(identity, name);
  int fd = cache_open_file(cache, name);
  if (fd < 0) return false;
  bool good = !cache_distrust(fd, &status) && read(fd, &file, sizeof file) == (ssize_t)sizeof file &&
              memcmp(file.magic, hash_magic, sizeof hash_magic) == 0 &&
              memcmp(&file.identity, identity, sizeof *identity) == 0 &&
              file.check == base_checksum(&file, offsetof(struct hash_file, check));
  close(fd);
  if (good) memcpy(out, file.module, sizeof file.module);
  return good;
}

static void remember_hash(const struct api_cache *cache, const struct base_file_identity *identity,
                          const uint8_t module[BASE_SHA256_BYTES]) {
  char name[64], draft[64];
  struct hash_file file = {.identity = *identity};
  if (!base_file_is_settled(identity)) return;
  int fd = cache_begin(cache, draft, sizeof draft);
  if (fd < 0) return;
  memcpy(file.magic, hash_magic, sizeof hash_magic);
  memcpy(file.module, module, sizeof file.module);
  file.check = base_checksum(&file, offsetof(struct hash_file, check));
  hash_name(identity, name);
  if (!base_os_write_all(fd, &file, sizeof file) || !cache_commit(cache, fd, draft, name))
    unlinkat(cache->folder, draft, 0);
  close(fd);
}

static void hash_module(const struct api_cache *cache, const struct module *module,
                        const struct base_file_identity *identity, uint8_t out[BASE_SHA256_BYTES]) {
  bool is_known = identity && identity->is_known;
  if (is_known && recall_hash(cache, identity, out)) return;
  base_sha256_of(module->bytes, module->len_bytes, out);
  if (is_known) remember_hash(cache, identity, out);
}

/* ---- A run ---------------------------------------------------------------------------------------------------------------------- */

/* What was read from the cache for this process's run, until api_run_forget_kept. */
struct loaded {
  struct base_file file;
  struct tiers_kept kept;
};
static BASE_VEC(struct loaded *) loaded;
static int keeper_socket = -1;

void cache_forget(void) {
  for (size_t i = 0; i < loaded.count; i++) {
    base_file_deinit(&loaded.items[i]->file);
    base_free(loaded.items[i]);
  }
  BASE_VEC_DEINIT(&loaded);
  if (keeper_socket >= 0) close(keeper_socket);
  keeper_socket = -1;
}

/* Code for the key, or NULL; `parts`: for some functions is as good. */
static const struct tiers_kept *load(const struct api_cache *cache, const struct tiers_kept_key *key, bool parts) {
  struct loaded *one = base_alloc_zero(1, sizeof *one);
  bool is_there = one && cache_read(cache, key, &one->file, &one->kept) && (parts || !one->kept.is_part);
  struct loaded **slot = is_there ? BASE_VEC_PUSH(&loaded) : NULL;
  if (!slot) {
    if (one) base_file_deinit(&one->file);
    base_free(one);
    return NULL;
  }
  *slot = one;
  one->kept.where = "in the cache";
  return &one->kept;
}

/* A module's offer, from the cache or, when that has nothing, from a keeper that is told of it, or, of a tier that compiles while
 * the program runs, none: false. */
static bool offer(const struct api_cache *cache, const struct keeper_job *job, bool while_it_runs,
                  struct keeper_job *missing, uint32_t *missing_count, struct tiers_offer *out) {
  *out = (struct tiers_offer){.module = (struct module *)(uintptr_t)job->module,
                              .key = job->key,
                              .kept = load(cache, &job->key, while_it_runs),
                              .socket = -1,
                              .number = *missing_count};
  if (!out->kept && !while_it_runs) missing[(*missing_count)++] = *job;
  return out->kept || !while_it_runs;
}

static enum cay_status make_offers(cay_run *run, const struct api_cache *cache, struct tiers_offer *offers,
                                   struct keeper_job *missing, size_t count,
                                   const struct base_file_identity *identity) {
  uint32_t missing_count = 0, made = 0;
  bool while_it_runs = api_run_tier(run)->delegate != NULL;
  for (size_t i = 0; i < count; i++) {
    struct keeper_job job;
    uint8_t digest[BASE_SHA256_BYTES];
    api_run_modules(run, i, &job.module);
    hash_module(cache, job.module, i == 0 ? identity : NULL, digest);
    if (tiers_optimized_key(job.module, digest, api_run_code_options(run), TIERS_CPU_NATIVE, TIERS_LEVEL_DEFAULT,
                            &job.key))
      made += offer(cache, &job, while_it_runs, missing, &missing_count, &offers[made]);
  }
  if (missing_count) keeper_socket = keeper_start(cache, missing, missing_count);
  if (missing_count && keeper_socket < 0) return CAY_ERROR_SYSTEM;
  for (uint32_t i = 0; i < made; i++) {
    if (!offers[i].kept) offers[i].socket = keeper_socket;
    if (!tiers_optimized_offer(&offers[i])) return CAY_ERROR_MEMORY;
  }
  return CAY_OK;
}

enum cay_status api_run_use_cache(cay_run *run, struct api_cache *cache, const struct base_file_identity *identity,
                                  struct cay_error *error) {
  const struct module *module = NULL;
  size_t count = api_run_modules(run, 0, &module);
  struct tiers_offer *offers = base_alloc_zero(count, sizeof *offers);
  struct keeper_job *missing = base_alloc_zero(count, sizeof *missing);
  enum cay_status status =
      offers && missing ? make_offers(run, cache, offers, missing, count, identity) : CAY_ERROR_MEMORY;
  base_free(offers);
  base_free(missing);
  if (status) api_run_forget_kept();
  if (status == CAY_ERROR_MEMORY) return base_error_memory(error);
  return status ? base_error_set(error, status, "the process that fills the cache cannot be started") : CAY_OK;
}

#else

void cache_forget(void) {}

enum cay_status api_run_use_cache(cay_run *run, struct api_cache *cache, const struct base_file_identity *identity,
                                  struct cay_error *error) {
  (void)run, (void)cache, (void)identity;
  return base_error_set(error, CAY_ERROR_UNSUPPORTED, "this build of cay has no code to keep");
}

#endif
