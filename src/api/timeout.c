/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Limits of time: an engine's watchdog, one thread for all its runs, that sleeps on a condition until the first deadline, or
 * until a limit of CPU time may be used up. A thread and not a timer of the system, because every kind of timer claims a signal
 * or makes a thread itself; one for the engine and not one for each call, because making a thread takes longer than most calls.
 *
 * It begins with the first call that has a limit and ends with the engine. A call puts itself into the list and takes itself
 * out; the thread is woken only for one that is over before what it waits for anyhow, so that short calls, each with its limit,
 * wake it once in the time of one limit.
 *
 * CPU time cannot be used up before what is left of it has passed for each of the guest's threads, so that is when the
 * thread looks again; but not later than after MOST_NS, because a guest may start threads meanwhile, and other runs may use
 * the same budget; and not sooner than after LEAST_NS, by which the limit may be passed.
 *
 * A process that was forked has the memory of a watchdog and not its thread: its first call with a limit begins another, and the
 * call that it was forked in, if any, is watched no more. Another thread may just have begun it when the process was forked,
 * which is gone then; so what keeps two from doing so is no lock, but says which process's it is.
 *
 * Invariants: 1. The lock guards everything but `process`; `expired` is called with it held, so that nobody is called once
 * api_timeout_stop has returned. 2. The lock is taken before a run's lock of CPU time. */
#include <assert.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "api/parts.h"

#define LEAST_NS UINT64_C(1000000)
#define MOST_NS UINT64_C(50000000)
#define NEVER_NS UINT64_MAX

static struct timespec timespec_of(uint64_t ns) {
  const uint64_t second = UINT64_C(1000000000);
  return (struct timespec){.tv_sec = (time_t)(ns / second), .tv_nsec = (long)(ns % second)};
}

/* Whether a limit is reached, and which one; else until when it cannot be, as `next_ns`. */
static bool is_over(struct api_timeout *timeout, uint64_t now_ns, enum base_limit *limit) {
  uint64_t wait_ns = 0;
  *limit = BASE_LIMIT_TIME;
  timeout->next_ns = timeout->deadline_ns;
  if (now_ns >= timeout->deadline_ns) return true;
  if (!timeout->setup.cpu) return false;
  *limit = BASE_LIMIT_CPU_TIME;
  if (!api_cpu_look(timeout->setup.cpu, &wait_ns)) return true;
  wait_ns = wait_ns < LEAST_NS ? LEAST_NS : wait_ns > MOST_NS ? MOST_NS : wait_ns;
  if (wait_ns < timeout->next_ns - now_ns) timeout->next_ns = now_ns + wait_ns;
  return false;
}

static void look(struct api_timeout *timeout, uint64_t now_ns) {
  enum base_limit limit;
  if (!is_over(timeout, now_ns, &limit)) return;
  timeout->next_ns = NEVER_NS;
  timeout->setup.expired(timeout->setup.env, limit);
}

/* ---- The thread ------------------------------------------------------------------------------------------------------ */

/* Looks at the calls whose time it is; returns when the next one's will be. */
static uint64_t look_at_all(struct api_watchdog *dog) {
  uint64_t now_ns = base_os_monotonic_ns(), first_ns = NEVER_NS;
  for (struct api_timeout *at = dog->timeouts; at; at = at->next) {
    if (now_ns >= at->next_ns) look(at, now_ns);
    if (at->next_ns < first_ns) first_ns = at->next_ns;
  }
  return first_ns;
}

static void *watch(void *argument) {
  struct api_watchdog *dog = argument;
  pthread_mutex_lock(&dog->lock);
  while (!dog->ends) {
    dog->wakes_ns = look_at_all(dog);
    struct timespec next = timespec_of(dog->wakes_ns);
    pthread_cond_timedwait(&dog->changed, &dog->lock, &next);
  }
  pthread_mutex_unlock(&dog->lock);
  return NULL;
}

static bool is_awake(struct api_watchdog *dog) { return atomic_load(&dog->process) == getpid(); }

static void parts_init(struct api_watchdog *dog) {
  pthread_condattr_t monotonic;
  pthread_mutex_init(&dog->lock, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&dog->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  dog->timeouts = NULL;
  dog->wakes_ns = NEVER_NS;
}

/* The thread takes no signals: they are the embedder's, and the guest's faults belong to the guest's thread. */
static int make_thread(struct api_watchdog *dog) {
  sigset_t all, before;
  sigfillset(&all);
  parts_init(dog);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int result = pthread_create(&dog->thread, NULL, watch, dog);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (result == 0) atomic_store(&dog->process, getpid());
  return result;
}

static int begin(struct api_watchdog *dog) {
  int own = getpid(), other;
  do {
    other = atomic_load(&dog->beginner);
    if (other == own) sched_yield(); /* while another thread does it */
  } while (other == own || !atomic_compare_exchange_weak(&dog->beginner, &other, own));
  int result = is_awake(dog) ? 0 : make_thread(dog);
  atomic_store(&dog->beginner, 0);
  return result;
}

void api_watchdog_end(struct api_watchdog *dog) {
  if (!is_awake(dog)) return;
  assert(!dog->timeouts);
  pthread_mutex_lock(&dog->lock);
  dog->ends = true;
  pthread_cond_signal(&dog->changed);
  pthread_mutex_unlock(&dog->lock);
  pthread_join(dog->thread, NULL);
  pthread_cond_destroy(&dog->changed);
  pthread_mutex_destroy(&dog->lock);
}

/* ---- Calls ----------------------------------------------------------------------------------------------------------- */

enum cay_status api_timeout_start(struct api_timeout *timeout, struct api_watchdog *dog,
                                  const struct api_timeout_setup *setup, struct cay_error *error) {
  assert(setup->expired && !timeout->dog);
  int result = is_awake(dog) ? 0 : begin(dog);
  if (result != 0) return base_error_system(error, result, "the time limit's thread cannot be started");
  uint64_t now_ns = base_os_monotonic_ns();
  timeout->setup = *setup;
  timeout->dog = dog;
  timeout->deadline_ns = setup->timeout_ns < NEVER_NS - now_ns ? now_ns + setup->timeout_ns : NEVER_NS;
  pthread_mutex_lock(&dog->lock);
  look(timeout, now_ns);
  timeout->next = dog->timeouts;
  dog->timeouts = timeout;
  if (timeout->next_ns < dog->wakes_ns) pthread_cond_signal(&dog->changed);
  pthread_mutex_unlock(&dog->lock);
  return CAY_OK;
}

void api_timeout_stop(struct api_timeout *timeout) {
  struct api_watchdog *dog = timeout->dog;
  timeout->dog = NULL;
  if (!dog || !is_awake(dog)) return;
  pthread_mutex_lock(&dog->lock);
  struct api_timeout **link = &dog->timeouts;
  while (*link && *link != timeout) link = &(*link)->next;
  if (*link) *link = timeout->next;
  pthread_mutex_unlock(&dog->lock);
}
