/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The CPU time of a run: what its threads have computed, together, taken from its budget.
 *
 * Each thread has a clock of the system's, which any other thread can read. Whoever asks adds up the clocks of the threads
 * that run and what the others left when they ended, and takes what is new from the budget. Nobody has to stop for it. */
#include <assert.h>
#include <time.h>

#include "api/parts.h"

static uint64_t now_ns(clockid_t clock) {
  struct timespec now;
  if (clock_gettime(clock, &now) != 0) return 0;
  return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void api_cpu_init(struct api_cpu *cpu, struct base_budget *budget) {
  pthread_mutex_init(&cpu->lock, NULL);
  cpu->budget = budget;
}

void api_cpu_deinit(struct api_cpu *cpu) { pthread_mutex_destroy(&cpu->lock); }

void api_cpu_enter(struct api_cpu *cpu, struct api_cpu_thread *thread) {
  thread->begin_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
  if (pthread_getcpuclockid(pthread_self(), &thread->clock) != 0) thread->clock = CLOCK_THREAD_CPUTIME_ID;
  pthread_mutex_lock(&cpu->lock);
  thread->next = cpu->threads;
  cpu->threads = thread;
  cpu->count++;
  pthread_mutex_unlock(&cpu->lock);
}

static uint64_t used_ns(const struct api_cpu_thread *thread, clockid_t clock) {
  uint64_t now = now_ns(clock);
  return now > thread->begin_ns ? now - thread->begin_ns : 0;
}

/* Takes what is new from the budget; false: it has not so much. */
static bool charge(struct api_cpu *cpu, uint64_t total_ns) {
  if (total_ns <= cpu->charged_ns) return true;
  uint64_t new_ns = total_ns - cpu->charged_ns;
  cpu->charged_ns = total_ns;
  return base_budget_try_part(cpu->budget, BASE_LIMIT_CPU_TIME, new_ns) == new_ns;
}

static uint64_t total_ns(const struct api_cpu *cpu) {
  uint64_t total = cpu->ended_ns;
  for (const struct api_cpu_thread *thread = cpu->threads; thread; thread = thread->next)
    total += used_ns(thread, thread->clock);
  return total;
}

void api_cpu_leave(struct api_cpu *cpu, struct api_cpu_thread *thread) {
  pthread_mutex_lock(&cpu->lock);
  struct api_cpu_thread **link = &cpu->threads;
  while (*link != thread) link = &(*link)->next;
  *link = thread->next;
  cpu->count--;
  cpu->ended_ns += used_ns(thread, CLOCK_THREAD_CPUTIME_ID);
  charge(cpu, total_ns(cpu));
  pthread_mutex_unlock(&cpu->lock);
}

bool api_cpu_look(struct api_cpu *cpu, uint64_t *wait_ns) {
  pthread_mutex_lock(&cpu->lock);
  bool has_more = charge(cpu, total_ns(cpu));
  uint64_t left_ns = base_budget_left(cpu->budget, BASE_LIMIT_CPU_TIME);
  *wait_ns = left_ns / (cpu->count ? cpu->count : 1);
  pthread_mutex_unlock(&cpu->lock);
  return has_more && left_ns > 0;
}

uint64_t api_cpu_total_ns(struct api_cpu *cpu) {
  pthread_mutex_lock(&cpu->lock);
  uint64_t total = total_ns(cpu);
  pthread_mutex_unlock(&cpu->lock);
  return total;
}
