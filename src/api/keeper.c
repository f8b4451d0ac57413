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
 * own and has none of the command's descriptors, so nobody waits for it who waits for the command. That the command has ended it
 * hears from the kernel, not from a socket, which who has taken the command over may keep open; and when nobody waits any more, a
 * clock ends it, and what it has started, whoever hangs. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/cache.h"

#if TIERS_HAS_OPTIMIZER

enum {
  LINGER_CPU_S = 60,
  LINGER_S = 1800, /* which on a busy machine low priority may take for that */
  PATIENCE_S = 60, /* for a command that takes no answers */
  LOW_PRIORITY = 19,
  FIRST_FD = 3,
  FD_COUNT = 4
};

struct keeper {
  int socket, lock;
  int life; /* base_os_process_fd of the command; -1: there is none */
  struct api_cache cache;
  bool is_left; /* nobody waits for the answers any more */
};

/* ---- The process ----------------------------------------------------------------------------------------------------------- */

/* Leaves the process its own descriptors, and no signal that is meant for the command. */
static void be_alone(struct keeper *keeper) {
  int *own[FD_COUNT] = {&keeper->socket, &keeper->lock, &keeper->cache.folder, &keeper->life};
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  setsid();
  for (int i = 0; i < FD_COUNT; i++) *own[i] = fcntl(*own[i], F_DUPFD_CLOEXEC, FIRST_FD + FD_COUNT);
  for (int i = 0; i < FD_COUNT; i++)
    if ((*own[i] = dup3(*own[i], FIRST_FD + i, O_CLOEXEC)) < 0) close(FIRST_FD + i); /* somebody else's */
  int nowhere = open("/dev/null", O_RDWR);                                           /* when they are where they stay */
  for (int fd = 0; fd < FIRST_FD; fd++) nowhere >= 0 ? dup2(nowhere, fd) : close(fd);
  base_os_close_from(FIRST_FD + FD_COUNT, -1);
}

/* Before the process is there, so that nobody can think that nothing is going on; it holds for both. -1: there is no keeper. */
static int lock_for(const struct api_cache *cache, pid_t command) {
  int lock = openat(cache->folder, CACHE_LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (lock >= 0) cache_lock_byte(lock, command, false, false);
  return lock;
}

/* Waiting would be of no use, and the lock keeps it from nothing but being waited for. */
static void end_all(int signal) {
  (void)signal;
  kill(0, SIGKILL); /* the session's */
}

static void be_limited(void) {
  const struct sigaction action = {.sa_handler = end_all};
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGALRM);
  sigaction(SIGALRM, &action, NULL);
  sigprocmask(SIG_UNBLOCK, &one, NULL);
  alarm(LINGER_S);
}

static void begin(struct keeper *keeper) {
  be_alone(keeper);
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
  be_limited();
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

/* What the command has sent before its end is not wanted any more. */
static bool hear_number(const struct keeper *keeper, uint32_t *out) {
  struct pollfd fds[] = {{.fd = keeper->socket, .events = POLLIN}, {.fd = keeper->life, .events = POLLIN}};
  int ready;
  do ready = poll(fds, BASE_ARRAY_LEN(fds), -1);
  while (ready < 0 && errno == EINTR);
  return ready > 0 && !fds[1].revents && recv(keeper->socket, out, sizeof *out, MSG_DONTWAIT) == (ssize_t)sizeof *out;
}

_Noreturn static void serve(struct keeper *keeper, const struct keeper_job *jobs, uint32_t count) {
  uint32_t number;
  const struct timeval patience = {PATIENCE_S, 0};
  begin(keeper);
  setsockopt(keeper->socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  tiers_optimized.prepare();
  bool goes_on = true;
  while (goes_on && hear_number(keeper, &number))
    goes_on = number < count && keep(keeper, &jobs[number]) && !keeper->is_left;
  end(keeper);
}

int keeper_start(const struct api_cache *cache, const struct keeper_job *jobs, uint32_t count) {
  int ends[2];
  struct keeper keeper = {.cache = *cache, .lock = lock_for(cache, getpid()), .life = base_os_process_fd(getpid())};
  bool can_start = keeper.lock >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0;
  if (can_start) keeper.socket = ends[1];
  pid_t child = can_start ? fork() : -1;
  if (child == 0) serve(&keeper, jobs, count);
  if (keeper.lock >= 0) close(keeper.lock);
  if (keeper.life >= 0) close(keeper.life);
  if (!can_start) return -1;
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
/* By the relay's numbers. */
struct parts {
  struct keeper *keeper;
  struct part items[TIERS_RELAY_MODULES];
};

/* What another run of the program has added to the file since then: behind what was there, or, when it was compiled afresh, all. */
static void add_others(struct part *part) {
  struct base_file file;
  struct tiers_kept now;
  size_t before = part->kept.answers_bytes;
  if (cache_read(&part->keeper->cache, &part->draft.kept.key, &file, &now)) {
    bool goes_on = before && now.answers_bytes >= before && memcmp(now.answers, part->kept.answers, before) == 0;
    struct tiers_kept added = now;
    added.answers += goes_on ? before : 0;
    added.answers_bytes -= goes_on ? before : 0;
    added.answer_count -= goes_on ? part->kept.answer_count : 0;
    draft_add_kept(&part->draft, &added);
  }
  base_file_deinit(&file);
}

static bool is_whole_now(const struct part *part) {
  return cache_has_whole(&part->keeper->cache, &part->draft.kept.key);
}

/* A run that comes with one module after the other fills no more of the disk than some. */
static void finish_part(struct part *part) {
  bool is_wanted = part->draft.fd >= 0 && part->has_new && !is_whole_now(part);
  if (is_wanted) add_others(part);
  if (is_wanted && draft_finish(&part->draft, true)) cache_trim(&part->keeper->cache);
  draft_give_up(&part->draft);
}

/* The file goes on with what it has. */
static const struct tiers_kept *begin_part(void *env, unsigned module, const struct tiers_kept_key *key) {
  struct parts *parts = env;
  struct part *part = &parts->items[module];
  finish_part(part);
  base_file_deinit(&part->file);
  *part = (struct part){.keeper = parts->keeper, .draft = {.fd = -1, .kept.key = *key}};
  bool is_there = cache_read(&part->keeper->cache, key, &part->file, &part->kept);
  part->has_whole = is_there && !part->kept.is_part;
  if (!part->has_whole) draft_begin(&part->draft, &part->keeper->cache, key);
  if (!is_there || part->has_whole) return NULL;
  draft_add_kept(&part->draft, &part->kept);
  return &part->kept;
}

/* What has failed may not another time. */
static void take_part(void *env, unsigned module, const struct tiers_answer *answer) {
  struct parts *parts = env;
  struct part *part = &parts->items[module];
  part->has_failed |= answer->has_failed;
  if (answer->has_failed) return;
  draft_add(&part->draft, answer);
  part->has_new = true;
}

/* One keeper at a time takes that much of the machine, until it ends. A few wait for it, so that each program of a pipe has its
 * turn; of many that end at once the others do without. */
static bool takes_turn(const struct keeper *keeper) {
  enum { PLACES = 8 };
  int lock = openat(keeper->cache.folder, CACHE_TURN_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) == 0) return lock >= 0;
  int place = 0;
  while (place < PLACES && !cache_lock_byte(lock, place, true, false)) place++;
  bool is_mine = place < PLACES && flock(lock, LOCK_EX) == 0;
  if (place < PLACES) cache_unlock_byte(lock, place);
  return is_mine;
}

/* Another run of the program may have added to the file meanwhile. */
static void want_others(const struct part *part, unsigned module) {
  struct base_file file;
  struct tiers_kept kept;
  if (cache_read(&part->keeper->cache, &part->draft.kept.key, &file, &kept)) tiers_auto_relay_want(module, &kept);
  base_file_deinit(&file);
}

static void do_afresh(struct part *part, const struct tiers_relay *relay, unsigned module) {
  const struct tiers_kept_key key = part->draft.kept.key;
  want_others(part, module);
  draft_begin(&part->draft, &part->keeper->cache, &key);
  part->has_failed = false;
  if (tiers_auto_relay_afresh(relay, module) && !part->has_failed && !is_whole_now(part))
    draft_finish(&part->draft, true);
  draft_give_up(&part->draft);
}

/* Functions that were compiled one after the other, as they were wanted, know nothing of each other, and have entries in loops that
 * later runs have no use for. */
static void do_all_afresh(struct parts *parts, const struct tiers_relay *relay) {
  bool has_turn = false;
  for (unsigned i = 0; i < TIERS_RELAY_MODULES; i++) {
    struct part *part = &parts->items[i];
    if (part->has_whole || !part->has_new) continue;
    if (!has_turn && !(has_turn = takes_turn(parts->keeper))) return;
    do_afresh(part, relay, i);
  }
}

static void be_left_by(void *env) {
  const struct parts *parts = env;
  be_left(parts->keeper);
}

_Noreturn static void serve_part(struct keeper *keeper) {
  struct parts parts = {.keeper = keeper};
  struct tiers_relay relay = {
      .linger_cpu_s = LINGER_CPU_S, .env = &parts, .left = be_left_by, .begin = begin_part, .take = take_part};
  for (unsigned i = 0; i < TIERS_RELAY_MODULES; i++) parts.items[i] = (struct part){.keeper = keeper, .draft.fd = -1};
  begin(keeper);
  relay.asker = keeper->socket;
  relay.life = keeper->life;
  setpriority(PRIO_PROCESS, 0, LOW_PRIORITY);
  tiers_optimized_jobs(keeper->cache.jobs, SIZE_MAX);
  tiers_auto_relay(&relay);
  for (unsigned i = 0; i < TIERS_RELAY_MODULES; i++) finish_part(&parts.items[i]);
  do_all_afresh(&parts, &relay);
  tiers_auto_relay_end();
  end(keeper);
}

bool keeper_start_for(const struct api_cache *cache, int socket, pid_t command, int life) {
  struct keeper keeper = {.cache = *cache, .socket = socket, .lock = lock_for(cache, command), .life = life};
  if (keeper.lock < 0) return false;
  pid_t child = fork();
  if (child == 0) serve_part(&keeper);
  close(keeper.lock);
  return child > 0;
}

#else

bool keeper_start_for(const struct api_cache *cache, int socket, pid_t command, int life) {
  (void)cache, (void)socket, (void)command, (void)life;
  return false;
}

#endif
