/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private to `api`: the cache's folder (cache.c), and the process that fills it (keeper.c). */
#ifndef API_CACHE_H
#define API_CACHE_H

#include "api/parts.h"
#include "tiers/tiers.h"

struct api_cache {
  int folder;
  uint64_t most_bytes; /* of all files together */
  char *path;          /* for people */
};

enum { CACHE_NAME_BYTES = BASE_SHA256_HEX_BYTES - 1 + sizeof ".code" };
#define CACHE_NEW_PREFIX "new-"
#define CACHE_LOCK_NAME "lock" /* held, shared, by whoever fills the cache */

/* The file that code for the key is in. */
void cache_name(const struct tiers_kept_key *key, char out[CACHE_NAME_BYTES]);
/* Reads it whole, where it is one that cay has written, and checks it. False: there is none that can be used. */
bool cache_read(const struct api_cache *cache, const char *name, struct base_file *file, struct tiers_kept *out);
void cache_forget(void); /* what was read for this process's run */
/* Removes what was not used for the longest time until the rest is small enough, and what writers left that were killed. */
void cache_trim(const struct api_cache *cache);
/* A new file of a name that nobody else has, locked as long as it is open; -1: errno. */
int cache_begin(const struct api_cache *cache, char *name, size_t capacity);
/* Gives it its name; false: errno. */
bool cache_commit(const struct api_cache *cache, int fd, const char *from, const char *to);

/* A module of a run for which there is no code yet. */
struct keeper_job {
  const struct module *module;
  struct tiers_kept_key key;
};
/* Starts the keeper, a process that has the helper compile what it is asked for, answers on the socket that is returned, and
 * writes the cache; -1: it cannot be started. */
int keeper_start(const struct api_cache *cache, const struct keeper_job *jobs, uint32_t count);

#endif
