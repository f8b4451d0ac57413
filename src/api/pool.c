/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Pools: runs that begin where another one was prepared to be.
 *
 * The first run is made, opened and prepared like any other. A snapshot of its store is what every run of the pool begins
 * with: its own store is bound to it (engine/snapshot.c) and restored when the run is given back, its surface gets the
 * handles of the configuration anew, its budget counts from the beginning. What a run has not used is not restored: taking
 * an unused run and giving it back costs two locks.
 *
 * A run is restored when it is given back and not when it is taken, so that nothing of a tenant's stays longer than it has
 * to. One that cannot be restored, for want of memory, is freed instead, and the next one taken is made anew.
 *
 * Invariants: 1. An idle run is in the state of the snapshot. 2. The pool outlives its runs. Threads: all; the lock guards
 * the list of idle runs and the counts. */
#include <assert.h>

#include "api/parts.h"

enum { KEPT = 64 };

struct cay_pool {
  pthread_mutex_t lock;
  cay_module *module;
  cay_pool_setup setup;
  struct engine_snapshot *snapshot;
  cay_run *idle;
  size_t idle_count, taken_count;
};

/* A run that nobody has used. `snapshot` NULL: the one that is to be prepared. */
static enum cay_status run_make(struct cay_pool *pool, cay_run **out, struct cay_error *error) {
  cay_run *run = NULL;
  enum cay_status status = cay_run_new(pool->module, pool->setup.wasi, &run, error);
  if (status != CAY_OK) return status;
  cay_run_set_unknown_imports(run, pool->setup.unknown_imports);
  if (pool->setup.imports) status = cay_run_set_imports(run, pool->setup.imports, error);
  if (status == CAY_OK) status = api_run_pool(run, pool, pool->snapshot, error);
  if (status != CAY_OK) {
    api_run_destroy(run);
    return status;
  }
  *out = run;
  return CAY_OK;
}

/* The first run becomes an idle one, which keeps the module's code alive until the pool ends. */
static enum cay_status prepare(struct cay_pool *pool, struct cay_error *error) {
  cay_run *run = NULL;
  enum cay_status status = run_make(pool, &run, error);
  if (status != CAY_OK) return status;
  if (pool->setup.prepare) status = pool->setup.prepare(pool->setup.env, run, error);
  if (status == CAY_OK) status = api_run_snapshot(run, pool->setup.wasi, &pool->snapshot, error);
  if (status != CAY_OK) {
    api_run_destroy(run);
    return status;
  }
  pool->idle = run;
  pool->idle_count = 1;
  return CAY_OK;
}

enum cay_status cay_pool_new(cay_module *module, const cay_pool_setup *setup, cay_pool **out, struct cay_error *error) {
  assert(module && "a pool is of a module");
  cay_pool *pool = base_alloc_zero(1, sizeof *pool);
  if (!pool) return base_error_memory(error);
  if (setup) pool->setup = *setup;
  if (!pool->setup.kept) pool->setup.kept = KEPT;
  pthread_mutex_init(&pool->lock, NULL);
  pool->module = cay_module_retain(module);
  if (pool->setup.imports) api_imports_retain(pool->setup.imports);
  enum cay_status status = prepare(pool, error);
  if (status != CAY_OK) {
    cay_pool_free(pool);
    return status;
  }
  *out = pool;
  return CAY_OK;
}

void cay_pool_free(cay_pool *pool) {
  if (!pool) return;
  assert(pool->taken_count == 0 && "a pool ends after its runs");
  while (pool->idle) {
    cay_run *run = pool->idle;
    pool->idle = *api_run_next(run);
    api_run_destroy(run);
  }
  engine_snapshot_free(pool->snapshot);
  cay_imports_release(pool->setup.imports);
  cay_module_release(pool->module);
  pthread_mutex_destroy(&pool->lock);
  base_free(pool);
}

enum cay_status cay_pool_take(cay_pool *pool, cay_run **out, struct cay_error *error) {
  pthread_mutex_lock(&pool->lock);
  cay_run *run = pool->idle;
  if (run) {
    pool->idle = *api_run_next(run);
    pool->idle_count--;
  }
  pool->taken_count++;
  pthread_mutex_unlock(&pool->lock);
  if (BASE_LIKELY(run != NULL)) {
    api_run_taken(run);
    *out = run;
    return CAY_OK;
  }
  enum cay_status status = run_make(pool, out, error);
  if (status == CAY_OK) return status;
  pthread_mutex_lock(&pool->lock);
  pool->taken_count--;
  pthread_mutex_unlock(&pool->lock);
  return status;
}

void api_pool_give(struct cay_pool *pool, cay_run *run) {
  bool is_restored = api_run_restore(run, pool->setup.wasi);
  pthread_mutex_lock(&pool->lock);
  assert(pool->taken_count > 0 && "a run was given back to its pool twice");
  pool->taken_count--;
  bool is_kept = is_restored && pool->idle_count < pool->setup.kept;
  if (is_kept) {
    *api_run_next(run) = pool->idle;
    pool->idle = run;
    pool->idle_count++;
  }
  pthread_mutex_unlock(&pool->lock);
  if (!is_kept) api_run_destroy(run);
}

size_t cay_pool_idle(cay_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  size_t count = pool->idle_count;
  pthread_mutex_unlock(&pool->lock);
  return count;
}
