/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The keeper: the process that fills the cache.
 *
 * It alone holds the cache's folder and the helper, and passes on to the command what the helper answers, after checking it and
 * after writing it down. So nothing that runs beside a guest ever writes what a later run will believe. There are two:
 *
 * - Of the tier `optimized`, the command, which is about to give up its rights, starts it when the cache lacks code for the run. It
 *   knows the modules, and reads from the command which of them it shall compile, one number. The file has its name before
 *   the last answer is passed on; so who has seen the program start finds its code in the cache.
 * - Of the tier `auto`, the broker starts it when the first function turns out to be busy, which most short programs never see. What
 *   is asked for then is a part of the module, of which a file is kept when the command has ended, together with what the file
 *   had before; and all of that is then compiled once more as one whole, into a file that replaces it.
 *
 * When the command has ended the keeper goes on, out of the way of others and for a while only: it is in a session of its
 * own and has none of the command's descriptors, so nobody waits for it who waits for the command. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/cache.h"

#if TIERS_HAS_OPTIMIZER

enum { LINGER_CPU_S = 60, LOW_PRIORITY = 19, FIRST_FD = 3, FD_COUNT = 3 };

struct keeper {
  int socket, lock;
  struct api_cache cache;
  bool is_left; /* nobody waits for the answers any more */
};

/* ---- The process ----------------------------------------------------------------------------------------------------------- */

/* Leaves the process its three descriptors, and no signal that is meant for the command. */
static void be_alone(struct keeper *keeper) {
  int *own[FD_COUNT] = {&keeper->socket, &keeper->lock, &keeper->cache.folder};
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  setsid();
  for (int i = 0; i < FD_COUNT; i++) *own[i] = fcntl(*own[i], F_DUPFD_CLOEXEC, FIRST_FD + FD_COUNT);
  for (int i = 0; i < FD_COUNT; i++) *own[i] = dup3(*own[i], FIRST_FD + i, O_CLOEXEC);
  int nowhere = open("/dev/null", O_RDWR); /* when the three are where they stay */
  for (int fd = 0; fd < FIRST_FD; fd++) nowhere >= 0 ? dup2(nowhere, fd) : close(fd);
  base_os_close_from(FIRST_FD + FD_COUNT, -1);
}

/* Before the process is there, so that nobody can think that nothing is going on; it holds for both. -1: there is no keeper. */
static int lock_for(const struct api_cache *cache) {
  int lock = openat(cache->folder, CACHE_LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (lock >= 0) flock(lock, LOCK_SH | LOCK_NB);
  return lock;
}

static void begin(struct keeper *keeper) {
  be_alone(keeper);
  flock(keeper->lock, LOCK_SH);
  tiers_optimized_forget();
}

_Noreturn static void end(struct keeper *keeper) {
  shutdown(keeper->socket, SHUT_RDWR);
  cache_trim(&keeper->cache);
  _exit(0);
}

/* ---- All of some modules --------------------------------------------------------------------------------------------------- */

struct making {
  struct keeper *keeper;
  struct draft draft;
};

static void be_left(struct keeper *keeper) {
  keeper->is_left = true;
  setpriority(PRIO_PROCESS, 0, LOW_PRIORITY);
  tiers_optimized_linger(LOW_PRIORITY, LINGER_CPU_S);
}

static bool take(void *env, const struct tiers_answer *answer) {
  struct making *making = env;
  struct keeper *keeper = making->keeper;
  if (answer->has_failed) draft_give_up(&making->draft);
  draft_add(&making->draft, answer);
  bool goes_on = making->draft.fd >= 0;
  if (answer->is_last) draft_finish(&making->draft, false);
  if (!keeper->is_left && !base_os_write_all(keeper->socket, answer->bytes, answer->len_bytes)) be_left(keeper);
  return !keeper->is_left || goes_on;
}

/* The key's hash may be one that was remembered for the module's file; what is written down must be certain. */
static bool has_own_hash(const struct keeper_job *job) {
  uint8_t digest[BASE_SHA256_BYTES];
  base_sha256_of(job->module->bytes, job->module->len_bytes, digest);
  return memcmp(digest, job->key.module, sizeof digest) == 0;
}

/* False: the helper did not answer for all, and the other side learns it by the end. */
static bool keep(struct keeper *keeper, const struct keeper_job *job) {
  struct making making = {.keeper = keeper, .draft.fd = -1};
  if (has_own_hash(job)) draft_begin(&making.draft, &keeper->cache, &job->key);
  bool done = tiers_optimized_make(job->module, &job->key, take, &making, NULL) == CAY_OK;
  draft_give_up(&making.draft);
  return done;
}

static bool hear_number(int socket, uint32_t *out) {
  ssize_t got;
  do got = recv(socket, out, sizeof *out, MSG_WAITALL);
  while (got < 0 && errno == EINTR);
  return got == (ssize_t)sizeof *out;
}

_Noreturn static void serve(struct keeper *keeper, const struct keeper_job *jobs, uint32_t count) {
  uint32_t number;
  begin(keeper);
  tiers_optimized.prepare();
  bool goes_on = true;
  while (goes_on && hear_number(keeper->socket, &number))
    goes_on = number < count && keep(keeper, &jobs[number]) && !keeper->is_left;
  end(keeper);
}

int keeper_start(const struct api_cache *cache, const struct keeper_job *jobs, uint32_t count) {
  int ends[2];
  struct keeper keeper = {.cache = *cache, .lock = lock_for(cache)};
  if (keeper.lock < 0) return -1;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    close(keeper.lock);
    return -1;
  }
  keeper.socket = ends[1];
  pid_t child = fork();
  if (child == 0) serve(&keeper, jobs, count);
  close(keeper.lock);
  close(ends[1]);
  if (child > 0) return ends[0];
  close(ends[0]);
  return -1;
}

/* ---- What is busy of a module ------------------------------------------------------------------------------------------------ */

struct part {
  struct keeper *keeper;
  struct draft draft;    /* of what is asked for; `fd` -1: nothing is written */
  struct base_file file; /* what the cache had at the beginning */
  struct tiers_kept kept;
  bool has_whole;           /* the cache has all of the module */
  bool has_new, has_failed; /* answers */
};

/* Another run may have made all of the module meanwhile. */
static bool is_whole_now(const struct part *part) {
  struct base_file file;
  struct tiers_kept kept;
  bool is_whole = cache_read(&part->keeper->cache, &part->draft.kept.key, &file, &kept) && !kept.is_part;
  base_file_deinit(&file);
  return is_whole;
}

/* A run that comes with one module after the other fills no more of the disk than one. */
static void finish_part(struct part *part) {
  if (part->draft.fd >= 0 && part->has_new && !is_whole_now(part) && draft_finish(&part->draft, true))
    cache_trim(&part->keeper->cache);
  draft_give_up(&part->draft);
}

/* The file goes on with what it has. */
static const struct tiers_kept *begin_part(void *env, const struct tiers_kept_key *key) {
  struct part *part = env;
  finish_part(part);
  base_file_deinit(&part->file);
  bool is_there = cache_read(&part->keeper->cache, key, &part->file, &part->kept);
  part->has_new = false;
  part->has_whole = is_there && !part->kept.is_part;
  if (!part->has_whole) draft_begin(&part->draft, &part->keeper->cache, key);
  if (!is_there || part->has_whole) return NULL;
  draft_add_kept(&part->draft, &part->kept);
  return &part->kept;
}

/* What has failed may not another time. */
static void take_part(void *env, const struct tiers_answer *answer) {
  struct part *part = env;
  part->has_failed |= answer->has_failed;
  if (answer->has_failed) return;
  draft_add(&part->draft, answer);
  part->has_new = true;
}

/* One keeper at a time takes that much of the machine; which of several runs of a program it is does not matter. */
static bool takes_turn(const struct keeper *keeper) {
  int lock = openat(keeper->cache.folder, CACHE_TURN_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  return lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0; /* until the process ends */
}

/* Functions that were compiled one after the other, as they were wanted, know nothing of each other, and have entries in loops that
 * later runs have no use for. */
static void do_afresh(struct part *part, const struct tiers_relay *relay) {
  const struct tiers_kept_key key = part->draft.kept.key;
  if (part->has_whole || !part->has_new || !takes_turn(part->keeper)) return;
  draft_begin(&part->draft, &part->keeper->cache, &key);
  part->has_failed = false;
  if (tiers_auto_relay_afresh(relay) && !part->has_failed && !is_whole_now(part)) draft_finish(&part->draft, true);
  draft_give_up(&part->draft);
}

_Noreturn static void serve_part(struct keeper *keeper) {
  struct part part = {.keeper = keeper, .draft.fd = -1};
  struct tiers_relay relay = {.linger_cpu_s = LINGER_CPU_S, .env = &part, .begin = begin_part, .take = take_part};
  begin(keeper);
  relay.asker = keeper->socket;
  setpriority(PRIO_PROCESS, 0, LOW_PRIORITY);
  tiers_auto_relay(&relay);
  finish_part(&part);
  do_afresh(&part, &relay);
  tiers_auto_relay_end();
  end(keeper);
}

bool keeper_start_for(const struct api_cache *cache, int socket) {
  struct keeper keeper = {.cache = *cache, .socket = socket, .lock = lock_for(cache)};
  if (keeper.lock < 0) return false;
  pid_t child = fork();
  if (child == 0) serve_part(&keeper);
  close(keeper.lock);
  return child > 0;
}

#else

bool keeper_start_for(const struct api_cache *cache, int socket) {
  (void)cache, (void)socket;
  return false;
}

#endif
