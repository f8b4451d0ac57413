/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The cache of an engine: code of the tiers that have a helper is taken from there and kept there, by this process itself.
 *
 * The command has another process for that, the keeper, because it gives up its rights and writes nothing beside a guest. A
 * library never confines its host, and starts no processes but the helper: who breaks out of a guest here has everything that
 * the host has, the cache included.
 *
 * A code object begins with what there is, and adds to it what its helper makes. Of the tier `optimized` that is all of the
 * module, of which the file is there with the last answer; of the tier `auto` what was busy, of which it is when the code object
 * goes, together with what the file had before, and unless another one has kept more meanwhile. The folder, the files and what is
 * believed of them are cache.c's.
 *
 * Threads: several code objects may be under way, of the same module, too; each writes a file of its own. A forked child keeps
 * nothing. */
#include <unistd.h>

#include "api/cache.h"

#if TIERS_HAS_OPTIMIZER

struct api_keeper {
  struct engine_keeper keeper;
  struct api_cache *cache;
  bool is_whole; /* the tier makes all of a module at once */
};

struct keeping {
  const struct api_keeper *keeper;
  pid_t process;
  struct tiers_kept_key key;
  struct base_file file; /* what the cache had */
  struct tiers_kept kept;
  struct draft draft;
  bool has_part, has_begun, is_over;
};

static void *begin(const struct engine_keeper *base, const struct module *module,
                   const struct engine_code_options *options, const struct tiers_kept **out) {
  const struct api_keeper *keeper = (const void *)base;
  uint8_t digest[BASE_SHA256_BYTES];
  struct keeping *keeping = base_alloc_zero(1, sizeof *keeping);
  if (!keeping) return NULL;
  base_sha256_of(module->bytes, module->len_bytes, digest);
  if (!tiers_optimized_key(module, digest, options, TIERS_CPU_NATIVE, TIERS_LEVEL_DEFAULT, &keeping->key)) {
    base_free(keeping);
    return NULL;
  }
  keeping->keeper = keeper;
  keeping->process = getpid();
  keeping->draft.fd = -1;
  if (!cache_read(keeper->cache, &keeping->key, &keeping->file, &keeping->kept)) return keeping;
  keeping->kept.where = "in the cache";
  keeping->has_part = keeping->kept.is_part;
  *out = &keeping->kept;
  return keeping;
}

/* Of a part, what has failed is left out, and may not fail another time. */
static bool is_good(struct keeping *keeping, const struct tiers_answer *answer) {
  if (!answer->has_failed) return true;
  if (!keeping->keeper->is_whole) return false;
  keeping->is_over = true;
  draft_give_up(&keeping->draft);
  return false;
}

static void take(void *env, const struct tiers_answer *answer) {
  struct keeping *keeping = env;
  bool is_whole = keeping->keeper->is_whole;
  if (keeping->is_over || keeping->process != getpid() || !is_good(keeping, answer)) return;
  if (!keeping->has_begun) draft_begin(&keeping->draft, keeping->keeper->cache, &keeping->key);
  if (!keeping->has_begun && keeping->has_part && !is_whole) draft_add_kept(&keeping->draft, &keeping->kept);
  keeping->has_begun = true;
  draft_add(&keeping->draft, answer);
  if (is_whole && answer->is_last && draft_finish(&keeping->draft, false)) cache_trim(keeping->keeper->cache);
}

/* Another process may have given its file the name meanwhile: what has more code stays. Joining the two would have most functions
 * twice, since what is busy in one is so in the other. */
static bool is_to_be_kept(const struct keeping *keeping) {
  struct base_file file;
  struct tiers_kept now;
  bool is_there = cache_read(keeping->keeper->cache, &keeping->key, &file, &now);
  bool has_less = !is_there || (now.is_part && now.answers_bytes < keeping->draft.kept.answers_bytes);
  base_file_deinit(&file);
  return has_less;
}

static void end(void *env) {
  struct keeping *keeping = env;
  struct draft *draft = &keeping->draft;
  if (keeping->process != getpid()) {
    if (draft->fd >= 0) close(draft->fd); /* the parent's */
    draft->fd = -1;
  }
  bool is_wanted = draft->fd >= 0 && !keeping->keeper->is_whole && is_to_be_kept(keeping);
  if (is_wanted && draft_finish(draft, true)) cache_trim(keeping->keeper->cache);
  draft_give_up(draft);
  base_file_deinit(&keeping->file);
  base_free(keeping);
}

/* ---- An engine's ---------------------------------------------------------------------------------------------------------- */

enum cay_status cay_engine_config_set_cache(cay_engine_config *config, const char *folder, uint64_t most_bytes,
                                            struct cay_error *error) {
  char *copy = folder ? base_string_copy(folder, strlen(folder)) : NULL;
  if (folder && !copy) return base_error_memory(error);
  base_free(config->cache_folder);
  config->cache_folder = copy;
  config->cache_bytes = most_bytes ? most_bytes : API_CACHE_BYTES;
  return CAY_OK;
}

void cay_set_helper_folder(const char *folder) { tiers_optimized_look_in(folder); }

void api_engine_config_deinit(struct cay_engine_config *config) {
  if (config) base_free(config->cache_folder);
}

/* Tiers without a helper make nothing that is worth keeping. */
static bool keeps(const struct engine_tier *tier) { return tier == &tiers_auto || tier == &tiers_optimized; }

enum cay_status api_keeper_open(const struct cay_engine_config *config, const struct engine_tier *tier,
                                struct api_keeper **out, struct cay_error *error) {
  struct api_cache *cache = NULL;
  if (!config->cache_bytes || !keeps(tier)) return CAY_OK;
  enum cay_status status = cache_open(config->cache_folder, environ, true, &cache, error);
  if (status) return status == CAY_ERROR_UNSUPPORTED ? CAY_ERROR_SYSTEM : status; /* there is no HOME */
  struct api_keeper *keeper = base_alloc_zero(1, sizeof *keeper);
  if (!keeper)
    status = base_error_memory(error);
  else if (!host_forbid(cache->folder))
    status = base_error_set(error, CAY_ERROR_LIMIT, "a process has at most %d folders as caches", HOST_FORBIDDEN_MAX);
  if (status) {
    base_free(keeper);
    api_cache_close(cache);
    return status;
  }
  api_cache_set_size(cache, config->cache_bytes);
  *keeper = (struct api_keeper){{begin, take, end}, cache, tier == &tiers_optimized};
  *out = keeper;
  return CAY_OK;
}

void api_keeper_close(struct api_keeper *keeper) {
  if (!keeper) return;
  api_cache_close(keeper->cache);
  base_free(keeper);
}

#else

enum cay_status cay_engine_config_set_cache(cay_engine_config *config, const char *folder, uint64_t most_bytes,
                                            struct cay_error *error) {
  (void)config, (void)folder, (void)most_bytes;
  return base_error_set(error, CAY_ERROR_UNSUPPORTED, "this build of cay makes no code to keep");
}

void cay_set_helper_folder(const char *folder) { (void)folder; }

#endif
