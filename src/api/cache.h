/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private to `api`: the cache's folder (cache.c), what a run of the command takes from it (cache_run.c), and who fills it: a
 * process beside the command (keeper.c), or the process itself (keeping.c). */
#ifndef API_CACHE_H
#define API_CACHE_H

#include "api/parts.h"
#include "tiers/tiers.h"

struct api_cache {
  int folder;
  uint64_t most_bytes; /* of all files together */
  unsigned jobs;       /* processes that compile at once what nobody waits for, at most */
  char *path;          /* for people */
};

enum { CACHE_NAME_BYTES = BASE_SHA256_HEX_BYTES - 1 + sizeof ".code" };
#define CACHE_NEW_PREFIX "new-"
#define CACHE_LOCK_NAME "lock" /* whoever fills the cache holds the byte whose number is that of the process it does that for */
#define CACHE_TURN_NAME "turn" /* held by who compiles what nobody waits for; the bytes by those who wait for that */

/* As api_cache_open, of a folder that may be called "off". */
enum cay_status cache_open(const char *setting, char *const *environment, bool makes, struct api_cache **out,
                           struct cay_error *error);

/* Locks a byte of the file until it is closed, by all who have it by a fork. False: somebody else has it, and it does not wait. */
bool cache_lock_byte(int fd, off_t at, bool is_alone, bool waits);
void cache_unlock_byte(int fd, off_t at);

/* What is open under a name in the folder, or -1; and why it does not count, NULL: it does. */
struct stat;
int cache_open_file(const struct api_cache *cache, const char *name);
const char *cache_distrust(int fd, struct stat *status);
/* The file that code for the key is in. */
void cache_name(const struct tiers_kept_key *key, char out[CACHE_NAME_BYTES]);
/* Reads it whole, where it is one that cay has written, and checks it. False: there is none that can be used. */
bool cache_read(const struct api_cache *cache, const struct tiers_kept_key *key, struct base_file *file,
                struct tiers_kept *out);
/* Whether all of the module can be used from there, as another process may have made it meanwhile. */
bool cache_has_whole(const struct api_cache *cache, const struct tiers_kept_key *key);
void cache_forget(void); /* what was read for this process's run */
/* Removes what was not used for the longest time until the rest is small enough, and what writers left that were killed. */
void cache_trim(const struct api_cache *cache);
/* A new file of a name that nobody else has, locked as long as it is open; -1: errno. */
int cache_begin(const struct api_cache *cache, char *name, size_t capacity);
/* Gives it its name; false: errno. */
bool cache_commit(const struct api_cache *cache, int fd, const char *from, const char *to);

/* A file in the making (draft.c); after any failure it is given up, and adding to it does nothing. */
struct draft {
  const struct api_cache *cache;
  int fd; /* -1: it is not written, or not any more */
  char name[64];
  struct tiers_kept kept;
};
void draft_begin(struct draft *draft, const struct api_cache *cache, const struct tiers_kept_key *key);
void draft_add(struct draft *draft, const struct tiers_answer *answer);
void draft_add_kept(struct draft *draft, const struct tiers_kept *kept); /* all that a file has */
/* Gives it its name in the cache; false: there is no such file. */
bool draft_finish(struct draft *draft, bool is_part);
void draft_give_up(struct draft *draft);

/* A module of a run for which there is no code yet. */
struct keeper_job {
  const struct module *module;
  struct tiers_kept_key key;
};
/* Starts the keeper, a process that has the helper compile what it is asked for, answers on the socket that is returned, and
 * writes the cache; -1: it cannot be started. */
int keeper_start(const struct api_cache *cache, const struct keeper_job *jobs, uint32_t count);
/* The same in place of the process of the tier `auto` (engine_tier.start_for), whose end of the socket `socket` is. False: it
 * cannot be started. `command`: the process that asks; `life`: base_os_process_fd of it. */
bool keeper_start_for(const struct api_cache *cache, int socket, pid_t command, int life);

#endif
