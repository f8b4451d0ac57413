/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A time limit: one thread that sleeps on a condition until the deadline or until it is stopped. A thread and not a
 * timer of the system, because every kind of timer claims a signal or makes a thread itself. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "api/parts.h"

struct api_timeout {
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t stopped_changed;
  bool stopped;
  struct timespec deadline; /* CLOCK_MONOTONIC */
  void (*expired)(void *env);
  void *env;
};

static void *wait_for_deadline(void *argument) {
  struct api_timeout *timeout = argument;
  pthread_mutex_lock(&timeout->mutex);
  int result = 0;
  while (!timeout->stopped && result != ETIMEDOUT)
    result = pthread_cond_timedwait(&timeout->stopped_changed, &timeout->mutex, &timeout->deadline);
  if (!timeout->stopped) timeout->expired(timeout->env);
  pthread_mutex_unlock(&timeout->mutex);
  return NULL;
}

static struct timespec deadline_after(uint64_t timeout_ns) {
  const uint64_t second = UINT64_C(1000000000);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t ns = (uint64_t)now.tv_nsec + timeout_ns % second;
  uint64_t seconds = timeout_ns / second + ns / second; /* at most 585 years: no overflow */
  return (struct timespec){.tv_sec = now.tv_sec + (time_t)seconds, .tv_nsec = (long)(ns % second)};
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

enum cay_status api_timeout_start(uint64_t timeout_ns, void (*expired)(void *env), void *env, struct api_timeout **out,
                                  struct cay_error *error) {
  assert(timeout_ns > 0 && expired);
  struct api_timeout *timeout = base_alloc_zero(1, sizeof *timeout);
  if (!timeout) return base_error_memory(error);
  timeout->deadline = deadline_after(timeout_ns);
  timeout->expired = expired;
  timeout->env = env;
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
