/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Asks helpers for all of a module, and waits for what they answer.
 *
 * They stay for the next module, since starting one costs what loading LLVM costs. Each gets the whole module and answers its
 * share of the batches (wire.h); what comes of one whose turn it is not is put aside, so that none waits for another. Rejected:
 * one helper that forks when it has read the module, which would save reading it again, but needs the right to make processes
 * after it has read what a stranger wrote.
 *
 * When one dies, what it and the others have answered before its next batch counts, and all are ended; who asks next starts new
 * ones. A forked child does not use its parent's.
 *
 * Threads: one conversation at a time, under `lock`, which is held from optimizer_ask to optimizer_end. */
#include "tiers/baseline/code.h"
#include "tiers/optimizer/optimizer.h"
#include "tiers/tiers.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* A share of a module that is worth a helper, of wasm: some batches. */
enum { SHARE_BYTES = 128 * 1024, READ_BYTES = 64 * 1024, MOST_ASIDE_BYTES = 4 * 1024 * 1024 };

/* A helper, and what has come from it: `taken` of `heard.count` bytes were read. */
struct speaker {
  struct optimizer_helper helper;
  BASE_VEC(uint8_t) heard;
  size_t taken;
  bool has_ended;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct optimizer_conversation {
  struct speaker speakers[WIRE_MOST_SHARES];
  unsigned count;                 /* that run */
  unsigned shares;                /* that are asked */
  unsigned turn;                  /* whose batch is the next one */
  const atomic_bool *interrupted; /* NULL: nobody interrupts it */
  pid_t owner;                    /* the process that started them */
} running;
static unsigned most_shares = 1;

static unsigned shares_of(size_t module_bytes) {
  size_t useful = 1 + module_bytes / SHARE_BYTES;
  return useful < most_shares ? (unsigned)useful : most_shares;
}

void tiers_optimized_jobs(unsigned most, size_t module_bytes) {
  most_shares = most == 0 ? 1 : most < WIRE_MOST_SHARES ? most : WIRE_MOST_SHARES;
  most_shares = shares_of(module_bytes);
}

/* ---- Starting and ending ---------------------------------------------------------------------------------------------------- */

static void stop(void) {
  for (unsigned i = 0; i < running.count; i++) {
    struct speaker *speaker = &running.speakers[i];
    (running.owner == getpid() ? optimizer_helper_end : optimizer_helper_forget)(&speaker->helper);
    BASE_VEC_DEINIT(&speaker->heard);
    *speaker = (struct speaker){.helper.socket = -1};
  }
  running.count = 0;
}

/* Fewer than are wanted do it as well. */
static bool start(unsigned wanted) {
  if (running.owner != getpid()) stop();
  running.owner = getpid();
  while (running.count < wanted && optimizer_spawn(NULL, &running.speakers[running.count].helper)) running.count++;
  return running.count > 0;
}

void optimizer_prepare(void) {
  base_code_may_run();
  pthread_mutex_lock(&lock);
  if (!optimizer_has_offers()) start(most_shares);
  pthread_mutex_unlock(&lock);
}

/* Behind a wall the helpers cannot be killed, nor waited for; they end by themselves. */
void optimizer_settle(void) {
  optimizer_offers_settle();
  pthread_mutex_lock(&lock);
  stop();
  pthread_mutex_unlock(&lock);
}

void optimizer_conversation_linger(struct optimizer_conversation *conversation, unsigned cpu_s) {
  for (unsigned i = 0; i < conversation->count; i++)
    optimizer_linger(conversation->speakers[i].helper.process, cpu_s / conversation->count + 1);
}

void tiers_optimized_linger(int priority, unsigned cpu_s) {
  if (running.owner != getpid()) return;
  for (unsigned i = 0; i < running.count; i++)
    setpriority(PRIO_PROCESS, (id_t)running.speakers[i].helper.process, priority);
  optimizer_conversation_linger(&running, cpu_s);
}

/* ---- Asking ------------------------------------------------------------------------------------------------------------------ */

static bool tell(const struct optimizer_order *order, struct wire_request *request) {
  for (unsigned i = 0; i < running.shares; i++) {
    int socket = running.speakers[i].helper.socket;
    request->share = i;
    if (!optimizer_tell_to(socket, request, sizeof *request) ||
        !optimizer_tell_to(socket, order->bytes, order->len_bytes) ||
        !optimizer_tell_to(socket, order->targets, order->target_count * sizeof *order->targets) ||
        !optimizer_tell_to(socket, order->items, order->item_count * sizeof *order->items))
      return false;
  }
  return true;
}

enum cay_status optimizer_ask(const struct optimizer_order *order, struct optimizer_conversation **out,
                              struct cay_error *error) {
  struct wire_request request = {.magic = WIRE_MAGIC,
                                 .layout = optimizer_layout(),
                                 .features = order->features,
                                 .flags = order->flags,
                                 .module_bytes = (uint32_t)order->len_bytes,
                                 .item_count = order->item_count,
                                 .target_count = order->target_count,
                                 .level = order->level,
                                 .cpu = order->cpu,
                                 .entry_count = order->entry_count,
                                 .mix = optimizer_mix()};
  pthread_mutex_lock(&lock);
  unsigned wanted = shares_of(order->len_bytes);
  bool can_ask = start(wanted);
  request.shares = running.shares = wanted < running.count ? wanted : running.count;
  running.turn = 0;
  running.interrupted = order->interrupted;
  if (can_ask && tell(order, &request)) {
    *out = &running;
    return CAY_OK;
  }
  stop();
  pthread_mutex_unlock(&lock);
  return base_error_set(error, CAY_ERROR_UNSUPPORTED,
                        can_ask ? "cay-llvm has ended" : "cay-llvm cannot be started: it is not beside cay");
}

void optimizer_end(struct optimizer_conversation *conversation, bool is_whole) {
  (void)conversation;
  if (!is_whole) stop();
  pthread_mutex_unlock(&lock);
}

/* ---- Hearing ----------------------------------------------------------------------------------------------------------------- */

/* What was taken makes room. */
static void hear_one(struct speaker *speaker) {
  speaker->heard.count -= speaker->taken;
  if (speaker->taken) memmove(speaker->heard.items, speaker->heard.items + speaker->taken, speaker->heard.count);
  speaker->taken = 0;
  bool has_room = BASE_VEC_RESERVE(&speaker->heard, speaker->heard.count + READ_BYTES);
  ptrdiff_t got =
      has_room ? optimizer_helper_receive(&speaker->helper, speaker->heard.items + speaker->heard.count, READ_BYTES)
               : -1;
  speaker->has_ended = got < 0;
  if (got > 0) speaker->heard.count += (size_t)got;
}

/* Whether it is to be heard: who is not asked yet waits when much of it lies here. */
static bool is_heard(const struct optimizer_conversation *self, unsigned index) {
  const struct speaker *speaker = &self->speakers[index];
  return !speaker->has_ended && (index == self->turn || speaker->heard.count - speaker->taken <= MOST_ASIDE_BYTES);
}

/* Waits until something has come from any of them, and takes it. False: it is interrupted. */
static bool hear_some(struct optimizer_conversation *self) {
  struct pollfd fds[WIRE_MOST_SHARES];
  for (unsigned i = 0; i < self->shares; i++)
    fds[i] = (struct pollfd){.fd = is_heard(self, i) ? self->speakers[i].helper.socket : -1, .events = POLLIN};
  if (!optimizer_await(fds, self->shares, self->interrupted)) return false;
  for (unsigned i = 0; i < self->shares; i++)
    if (fds[i].revents) hear_one(&self->speakers[i]);
  return true;
}

bool optimizer_hear(void *conversation, void *to, size_t count) {
  struct optimizer_conversation *self = conversation;
  struct speaker *speaker = &self->speakers[self->turn];
  while (speaker->heard.count - speaker->taken < count)
    if (speaker->has_ended || !hear_some(self)) return false;
  if (count) memcpy(to, speaker->heard.items + speaker->taken, count);
  speaker->taken += count;
  return true;
}

void optimizer_turn(struct optimizer_conversation *conversation) {
  conversation->turn = (conversation->turn + 1) % conversation->shares;
}
