/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Limits of time: one thread that sleeps on a condition until the deadline, until a limit of CPU time may be used up, or
 * until it is stopped. A thread and not a timer of the system, because every kind of timer claims a signal or makes a
 * thread itself.
 *
 * CPU time cannot be used up before what is left of it has passed for each of the guest's threads, so that is when the
 * thread looks again; but not later than after MOST_NS, because a guest may start threads meanwhile, and other runs may use
 * the same budget; and not sooner than after LEAST_NS, by which the limit may be passed. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "api/parts.h"

#define LEAST_NS UINT64_C(1000000)
#define MOST_NS UINT64_C(50000000)

struct api_timeout {
  struct api_timeout_setup setup;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t stopped_changed;
  bool stopped;
  uint64_t deadline_ns; /* on base_os_monotonic_ns; UINT64_MAX: none */
};

static struct timespec timespec_of(uint64_t ns) {
  const uint64_t second = UINT64_C(1000000000);
  return (struct timespec){.tv_sec = (time_t)(ns / second), .tv_nsec = (long)(ns % second)};
}

/* Whether a limit is reached, which one, and until when it cannot be. */
static bool is_over(struct api_timeout *timeout, enum base_limit *limit, uint64_t *next_ns) {
  uint64_t now_ns = base_os_monotonic_ns(), wait_ns = 0;
  *limit = BASE_LIMIT_TIME;
  *next_ns = timeout->deadline_ns;
  if (now_ns >= timeout->deadline_ns) return true;
  if (!timeout->setup.cpu) return false;
  *limit = BASE_LIMIT_CPU_TIME;
  if (!api_cpu_look(timeout->setup.cpu, &wait_ns)) return true;
  wait_ns = wait_ns < LEAST_NS ? LEAST_NS : wait_ns > MOST_NS ? MOST_NS : wait_ns;
  if (now_ns + wait_ns < *next_ns) *next_ns = now_ns + wait_ns;
  return false;
}

static void *wait_for_deadline(void *argument) {
  struct api_timeout *timeout = argument;
  enum base_limit limit;
  uint64_t next_ns;
  pthread_mutex_lock(&timeout->mutex);
  while (!timeout->stopped && !is_over(timeout, &limit, &next_ns)) {
    struct timespec next = timespec_of(next_ns);
    pthread_cond_timedwait(&timeout->stopped_changed, &timeout->mutex, &next);
  }
  if (!timeout->stopped) timeout->setup.expired(timeout->setup.env, limit);
  pthread_mutex_unlock(&timeout->mutex);
  return NULL;
}

/* The thread takes no signals: they are the embedder's, and the guest's faults belong to the guest's thread. */
static int thread_start(struct api_timeout *timeout) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int result = pthread_create(&timeout->thread, NULL, wait_for_deadline, timeout);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return result;
}

static void destroy(struct api_timeout *timeout) {
  pthread_cond_destroy(&timeout->stopped_changed);
  pthread_mutex_destroy(&timeout->mutex);
  base_free(timeout);
}

enum cay_status api_timeout_start(const struct api_timeout_setup *setup, struct api_timeout **out,
                                  struct cay_error *error) {
  assert(setup->expired);
  struct api_timeout *timeout = base_alloc_zero(1, sizeof *timeout);
  if (!timeout) return base_error_memory(error);
  uint64_t now_ns = base_os_monotonic_ns();
  timeout->setup = *setup;
  timeout->deadline_ns = setup->timeout_ns < UINT64_MAX - now_ns ? now_ns + setup->timeout_ns : UINT64_MAX;
  pthread_mutex_init(&timeout->mutex, NULL);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&timeout->stopped_changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  int result = thread_start(timeout);
  if (result != 0) {
    destroy(timeout);
    return base_error_system(error, result, "the time limit's thread cannot be started");
  }
  *out = timeout;
  return CAY_OK;
}

void api_timeout_stop(struct api_timeout *timeout) {
  if (!timeout) return;
  pthread_mutex_lock(&timeout->mutex);
  timeout->stopped = true;
  pthread_cond_signal(&timeout->stopped_changed);
  pthread_mutex_unlock(&timeout->mutex);
  pthread_join(timeout->thread, NULL);
  destroy(timeout);
}
