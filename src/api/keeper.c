/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The keeper: the process that fills the cache.
 *
 * The command, which is about to give up its rights, starts it when the cache lacks code for the run. It alone holds the
 * cache's folder and the helper, and passes on to the command what the helper answers, after checking it and after writing it
 * down. So nothing that runs beside a guest ever writes what a later run will believe: all that the keeper reads from the
 * command is which of the modules it shall compile, one number.
 *
 * The file has its name before the last answer is passed on; so who has seen the program start finds its code in the cache.
 * When the command ends earlier the keeper goes on, out of the way of others and for a while only: it is in a session of its
 * own and has none of the command's descriptors, so nobody waits for it who waits for the command. Killed at any moment it
 * leaves a file that nobody looks at, which the next one removes. A full disk ends the writing, not the program. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/cache.h"

#if TIERS_HAS_OPTIMIZER

enum { LINGER_CPU_S = 20, LOW_PRIORITY = 19, FIRST_FD = 3, FD_COUNT = 3 };

struct keeper {
  const struct keeper_job *jobs;
  uint32_t count;
  int socket, lock;
  struct api_cache cache;
  bool is_left; /* nobody waits for the answers any more */
};

/* One module's file; `fd` -1: it is not written, or not any more. */
struct draft {
  struct keeper *keeper;
  const struct keeper_job *job;
  int fd;
  char name[64];
  struct tiers_kept kept;
};

static void give_up(struct draft *draft) {
  if (draft->fd < 0) return;
  unlinkat(draft->keeper->cache.folder, draft->name, 0);
  close(draft->fd);
  draft->fd = -1;
}

static void begin(struct draft *draft) {
  uint8_t head[TIERS_KEPT_HEAD_BYTES] = {0};
  draft->fd = cache_begin(&draft->keeper->cache, draft->name, sizeof draft->name);
  if (draft->fd >= 0 && !base_os_write_all(draft->fd, head, sizeof head)) give_up(draft);
}

static void write_answer(struct draft *draft, const struct tiers_answer *answer) {
  uint8_t head[TIERS_KEPT_ANSWER_HEAD_BYTES];
  tiers_kept_answer_head(answer->bytes, answer->len_bytes, head);
  draft->kept.answer_count++;
  draft->kept.answers_bytes += sizeof head + answer->len_bytes;
  if (draft->kept.answers_bytes > draft->keeper->cache.most_bytes || !base_os_write_all(draft->fd, head, sizeof head) ||
      !base_os_write_all(draft->fd, answer->bytes, answer->len_bytes))
    give_up(draft);
}

static void finish(struct draft *draft) {
  uint8_t head[TIERS_KEPT_HEAD_BYTES];
  char name[CACHE_NAME_BYTES];
  tiers_kept_head(&draft->kept, head);
  cache_name(&draft->kept.key, name);
  if (pwrite(draft->fd, head, sizeof head, 0) != (ssize_t)sizeof head ||
      !cache_commit(&draft->keeper->cache, draft->fd, draft->name, name)) {
    give_up(draft);
    return;
  }
  close(draft->fd);
  draft->fd = -1;
}

static void be_left(struct keeper *keeper) {
  keeper->is_left = true;
  setpriority(PRIO_PROCESS, 0, LOW_PRIORITY);
  tiers_optimized_linger(LOW_PRIORITY, LINGER_CPU_S);
}

static bool take(void *env, const struct tiers_answer *answer) {
  struct draft *draft = env;
  struct keeper *keeper = draft->keeper;
  if (answer->has_failed) give_up(draft);
  if (draft->fd >= 0) write_answer(draft, answer);
  if (draft->fd >= 0 && answer->is_last) finish(draft);
  if (!keeper->is_left && !base_os_write_all(keeper->socket, answer->bytes, answer->len_bytes)) be_left(keeper);
  return !keeper->is_left || draft->fd >= 0;
}

/* The key's hash may be one that was remembered for the module's file; what is written down must be certain. */
static bool has_own_hash(const struct keeper_job *job) {
  uint8_t digest[BASE_SHA256_BYTES];
  base_sha256_of(job->module->bytes, job->module->len_bytes, digest);
  return memcmp(digest, job->key.module, sizeof digest) == 0;
}

/* False: the helper did not answer for all, and the other side learns it by the end. */
static bool keep(struct keeper *keeper, const struct keeper_job *job) {
  struct draft draft = {.keeper = keeper, .job = job, .fd = -1, .kept.key = job->key};
  if (has_own_hash(job)) begin(&draft);
  bool done = tiers_optimized_make(job->module, &job->key, take, &draft, NULL) == CAY_OK;
  give_up(&draft);
  return done;
}

static bool hear_number(int socket, uint32_t *out) {
  ssize_t got;
  do got = recv(socket, out, sizeof *out, MSG_WAITALL);
  while (got < 0 && errno == EINTR);
  return got == (ssize_t)sizeof *out;
}

/* Leaves the process its three descriptors, and no signal that is meant for the command. */
static void be_alone(struct keeper *keeper) {
  int *own[FD_COUNT] = {&keeper->socket, &keeper->lock, &keeper->cache.folder};
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  setsid();
  int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i < FD_COUNT; i++) *own[i] = fcntl(*own[i], F_DUPFD_CLOEXEC, FIRST_FD + FD_COUNT);
  for (int i = 0; i < FD_COUNT; i++) *own[i] = dup3(*own[i], FIRST_FD + i, O_CLOEXEC);
  for (int fd = 0; fd < FIRST_FD; fd++) nowhere >= 0 ? dup2(nowhere, fd) : close(fd);
  base_os_close_from(FIRST_FD + FD_COUNT, -1);
}

_Noreturn static void serve(struct keeper *keeper) {
  uint32_t number;
  be_alone(keeper);
  flock(keeper->lock, LOCK_SH);
  tiers_optimized_forget();
  tiers_optimized.prepare();
  bool goes_on = true;
  while (goes_on && hear_number(keeper->socket, &number))
    goes_on = number < keeper->count && keep(keeper, &keeper->jobs[number]) && !keeper->is_left;
  shutdown(keeper->socket, SHUT_RDWR);
  cache_trim(&keeper->cache);
  _exit(0);
}

int keeper_start(const struct api_cache *cache, const struct keeper_job *jobs, uint32_t count) {
  int ends[2];
  struct keeper keeper = {.jobs = jobs, .count = count, .cache = *cache};
  keeper.lock = openat(cache->folder, CACHE_LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (keeper.lock < 0) return -1;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    close(keeper.lock);
    return -1;
  }
  keeper.socket = ends[1];
  flock(keeper.lock, LOCK_SH | LOCK_NB); /* for both; before anybody can think that nothing is going on */
  pid_t child = fork();
  if (child == 0) serve(&keeper);
  close(keeper.lock);
  close(ends[1]);
  if (child > 0) return ends[0];
  close(ends[0]);
  return -1;
}

#endif
