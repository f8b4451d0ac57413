/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Limits of a run: what the public functions set and tell, and which limit a program met.
 *
 * A run has one budget from its beginning, so that what it uses is counted whether or not it is limited; a tenant's budget
 * becomes its parent. A limit that is used up ends the program. One that is held (memory, handles, threads, entries)
 * refuses, and what the program does about it is its own affair: only when it then traps, or ends itself with an error, is
 * the limit that it met last said to be why. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "api/parts.h"

enum { DEFAULT_HANDLES = 4096, DEFAULT_MEMORY_LEAST = 1 << 30 };

static_assert((int)CAY_LIMIT_MEMORY == BASE_LIMIT_MEMORY + 1 && (int)CAY_LIMIT_STACK == BASE_LIMIT_STACK + 1 &&
                  BASE_LIMIT_STACK + 1 == BASE_LIMIT_COUNT,
              "the public limits are the budgets', in their order, behind none");

static enum base_limit base_of(enum cay_limit limit) {
  assert(limit > CAY_LIMIT_NONE && limit <= CAY_LIMIT_STACK && "this is no limit");
  return (enum base_limit)(limit - 1);
}

enum cay_limit api_limit_of(enum base_limit limit) {
  return limit == BASE_LIMIT_COUNT ? CAY_LIMIT_NONE : (enum cay_limit)(limit + 1);
}

const char *cay_limit_name(enum cay_limit limit) {
  return limit == CAY_LIMIT_NONE ? "none" : base_limit_name(base_of(limit));
}

/* What holds when nothing is said. */
static uint64_t usual(const struct api_limits *limits, enum base_limit limit) {
  switch (limit) {
  case BASE_LIMIT_MEMORY: return limits->memory_bytes;
  case BASE_LIMIT_HANDLES: return DEFAULT_HANDLES;
  case BASE_LIMIT_THREADS: return API_MAX_THREADS;
  case BASE_LIMIT_STACK: return limits->stack_bytes;
  default: return BASE_NO_LIMIT;
  }
}

static void set_usual(struct api_limits *limits) {
  for (int i = 0; i < BASE_LIMIT_COUNT; i++)
    base_budget_set_limit(limits->budget, (enum base_limit)i, usual(limits, (enum base_limit)i));
}

enum cay_status api_limits_init(struct api_limits *limits, uint64_t stack_bytes, struct cay_error *error) {
  uint64_t memory_bytes = base_os_memory_bytes();
  limits->budget = base_budget_new(NULL);
  if (!limits->budget) return base_error_memory(error);
  atomic_init(&limits->expired, BASE_LIMIT_COUNT);
  api_cpu_init(&limits->cpu, limits->budget);
  limits->memory_bytes = memory_bytes < DEFAULT_MEMORY_LEAST ? DEFAULT_MEMORY_LEAST : memory_bytes;
  limits->stack_bytes = stack_bytes;
  set_usual(limits);
  return CAY_OK;
}

void api_limits_restart(struct api_limits *limits) {
  base_budget_leave(limits->budget);
  base_budget_restart(limits->budget);
  set_usual(limits);
  limits->cpu.ended_ns = limits->cpu.charged_ns = 0;
  limits->wall_ns = 0;
  atomic_store_explicit(&limits->expired, BASE_LIMIT_COUNT, memory_order_relaxed);
  limits->has_begun = limits->has_parent = limits->is_used = false;
}

void api_limits_deinit(struct api_limits *limits) {
  if (!limits->budget) return;
  api_cpu_deinit(&limits->cpu);
  base_budget_release(limits->budget);
}

/* ---- Around a call ------------------------------------------------------------------------------------------------------ */

enum cay_status api_limits_begin(struct api_limits *limits, struct api_watchdog *dog,
                                 void (*expired)(void *env, enum base_limit limit), void *env,
                                 struct cay_error *error) {
  struct base_budget *budget = limits->budget;
  bool watches_cpu = base_budget_left(budget, BASE_LIMIT_CPU_TIME) != BASE_NO_LIMIT;
  struct api_timeout_setup setup = {.timeout_ns = base_budget_limit(budget, BASE_LIMIT_TIME),
                                    .cpu = watches_cpu ? &limits->cpu : NULL,
                                    .expired = expired,
                                    .env = env};
  base_budget_give(budget, BASE_LIMIT_TIME, base_budget_used(budget, BASE_LIMIT_TIME));
  limits->begin_ns = base_os_monotonic_ns();
  api_cpu_enter(&limits->cpu, &limits->first);
  if (setup.timeout_ns == BASE_NO_LIMIT && !watches_cpu) return CAY_OK;
  return api_timeout_start(&limits->timeout, dog, &setup, error);
}

void api_limits_end(struct api_limits *limits) {
  if (!limits->begin_ns) return;
  api_timeout_stop(&limits->timeout);
  api_cpu_leave(&limits->cpu, &limits->first);
  limits->wall_ns = base_os_monotonic_ns() - limits->begin_ns;
  base_budget_try_part(limits->budget, BASE_LIMIT_TIME, limits->wall_ns);
  limits->begin_ns = 0;
}

/* ---- Setting --------------------------------------------------------------------------------------------------------- */

static enum cay_status too_late(struct cay_error *error) {
  return base_error_set(error, CAY_ERROR_ARGUMENT, "limits are set before the first start");
}

enum cay_status cay_run_set_limit(cay_run *run, enum cay_limit limit, uint64_t most, struct cay_error *error) {
  struct api_limits *limits = api_run_limits(run);
  if (limit <= CAY_LIMIT_NONE || limit >= CAY_LIMIT_STACK)
    return base_error_set(error, CAY_ERROR_ARGUMENT,
                          "this limit cannot be set for a run; the stack's is set for an engine");
  if (limits->has_begun) return too_late(error);
  base_budget_set_limit(limits->budget, base_of(limit), most);
  limits->is_used = true;
  return CAY_OK;
}

struct base_budget *api_budget(const cay_budget *budget) { return (struct base_budget *)(uintptr_t)budget; }

enum cay_status cay_run_set_budget(cay_run *run, cay_budget *budget, struct cay_error *error) {
  struct api_limits *limits = api_run_limits(run);
  assert(budget && "a run is given a budget");
  if (limits->has_begun) return too_late(error);
  if (limits->has_parent) return base_error_set(error, CAY_ERROR_ARGUMENT, "the run has a budget above it already");
  if (!base_budget_join(limits->budget, api_budget(budget)))
    return base_error_set(error, CAY_ERROR_LIMIT, "the budget has no room for what the run holds");
  limits->has_parent = limits->is_used = true;
  return CAY_OK;
}

uint64_t cay_run_limit(const cay_run *run, enum cay_limit limit) {
  return base_budget_limit(api_run_limits(run)->budget, base_of(limit));
}

uint64_t cay_run_used(const cay_run *run, enum cay_limit limit) {
  return base_budget_used(api_run_limits(run)->budget, base_of(limit));
}

uint64_t api_run_wall_ns(const cay_run *run) { return api_run_limits(run)->wall_ns; }
uint64_t api_run_cpu_ns(const cay_run *run) { return api_cpu_total_ns(&api_run_limits(run)->cpu); }

uint64_t cay_run_peak(const cay_run *run, enum cay_limit limit) {
  return base_budget_peak(api_run_limits(run)->budget, base_of(limit));
}

/* ---- Budgets of tenants ------------------------------------------------------------------------------------------------ */

enum cay_status cay_budget_new(cay_budget *parent, cay_budget **out, struct cay_error *error) {
  struct base_budget *budget = base_budget_new(api_budget(parent));
  if (!budget) return base_error_memory(error);
  *out = (cay_budget *)budget;
  return CAY_OK;
}

cay_budget *cay_budget_retain(cay_budget *budget) { return (cay_budget *)base_budget_retain(api_budget(budget)); }
void cay_budget_release(cay_budget *budget) { base_budget_release(api_budget(budget)); }

enum cay_status cay_budget_set_limit(cay_budget *budget, enum cay_limit limit, uint64_t most, struct cay_error *error) {
  if (limit <= CAY_LIMIT_NONE || limit >= CAY_LIMIT_STACK || limit == CAY_LIMIT_TIME)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "this limit cannot be shared by several runs");
  base_budget_set_limit(api_budget(budget), base_of(limit), most);
  return CAY_OK;
}

uint64_t cay_budget_used(const cay_budget *budget, enum cay_limit limit) {
  return base_budget_used(api_budget(budget), base_of(limit));
}

uint64_t cay_budget_peak(const cay_budget *budget, enum cay_limit limit) {
  return base_budget_peak(api_budget(budget), base_of(limit));
}

/* ---- What was met -------------------------------------------------------------------------------------------------------- */

enum base_limit api_limit_met(const struct api_limits *limits) {
  enum base_limit last = base_budget_last_hit(limits->budget);
  bool is_held = last == BASE_LIMIT_MEMORY || last == BASE_LIMIT_HANDLES || last == BASE_LIMIT_THREADS ||
                 last == BASE_LIMIT_CREATED;
  return is_held ? last : BASE_LIMIT_COUNT;
}

enum cay_status api_limit_error(const struct api_limits *limits, enum base_limit limit, struct cay_error *error) {
  static const char *const of_bytes[BASE_LIMIT_COUNT] = {[BASE_LIMIT_READ] = "bytes read",
                                                         [BASE_LIMIT_WRITTEN] = "bytes written",
                                                         [BASE_LIMIT_SENT] = "bytes sent",
                                                         [BASE_LIMIT_OUTPUT] = "bytes of output",
                                                         [BASE_LIMIT_FUEL] = "units of fuel"};
  uint64_t most = base_budget_limit(base_budget_tightest(limits->budget, limit), limit);
  if (limit == BASE_LIMIT_TIME || limit == BASE_LIMIT_CPU_TIME)
    return base_error_set(error, CAY_ERROR_LIMIT, "the %s limit of %g s is over",
                          limit == BASE_LIMIT_TIME ? "time" : "CPU time", (double)most / 1e9);
  return base_error_set(error, CAY_ERROR_LIMIT, "the limit of %" PRIu64 " %s is used up", most,
                        of_bytes[limit] ? of_bytes[limit] : base_limit_name(limit));
}
