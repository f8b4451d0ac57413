/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Shared memories and waiting in them (threads proposal).
 *
 * A shared memory is one object for all threads of a guest, counted by the stores that use it. It never moves: its
 * whole maximum is reserved, growing makes pages accessible where they are and then publishes the new length, so that
 * whoever sees the length may touch the pages, and nobody who reads needs a lock.
 *
 * Waiting. The waiters of a memory stand in queues by address under one lock, in the order in which they came, so that
 * notify counts exactly. Comparing the value and queueing happen under the lock; a notifier stores its value before it
 * takes the lock, so no wake is lost. A waiter then blocks on its own thread's wait_word, which notify and
 * engine_interrupt change; the latter may run in a signal handler, where a condition variable could not be used. One
 * lock for all addresses, because each wait and each wake that finds somebody makes a system call anyway.
 *
 * Invariants: 1. `references` is the number of stores whose list holds the memory. 2. A waiter is in a queue exactly
 * while `is_queued`; only the holder of `lock` changes either. */
#include "engine/internal.h"

enum { QUEUES = 64 };

struct waiter {
  struct waiter *previous, *next;
  uint64_t address;
  struct engine_thread *thread;
  atomic_bool is_queued;
};

struct queue {
  struct waiter *first, *last;
};

struct engine_shared {
  atomic_uint references;
  pthread_mutex_t grow_lock, lock;
  struct queue queues[QUEUES];
};

/* ---- Making, using, growing ----------------------------------------------------------------------------------------- */

static void shared_free(struct engine_memory *memory) {
  pthread_mutex_destroy(&memory->shared->grow_lock);
  pthread_mutex_destroy(&memory->shared->lock);
  base_free(memory->shared);
  base_free(memory);
}

static struct engine_memory *shared_alloc(void) {
  struct engine_memory *memory = base_alloc_zero(1, sizeof *memory);
  struct engine_shared *shared = base_alloc_zero(1, sizeof *shared);
  if (!memory || !shared) {
    base_free(memory);
    base_free(shared);
    return NULL;
  }
  pthread_mutex_init(&shared->grow_lock, NULL);
  pthread_mutex_init(&shared->lock, NULL);
  memory->shared = shared;
  return memory;
}

static void shared_release(struct engine_memory *memory) {
  if (atomic_fetch_sub_explicit(&memory->shared->references, 1, memory_order_acq_rel) != 1) return;
  base_budget_give(memory->budget, BASE_LIMIT_MEMORY, memory->len_bytes);
  base_budget_release(memory->budget);
  engine_memory_deinit(memory);
  shared_free(memory);
}

bool engine_shared_use(struct engine_store *store, struct engine_memory *memory) {
  for (const struct engine_memory_use *use = store->shared; use; use = use->next)
    if (use->memory == memory) return true;
  struct engine_memory_use *use = base_arena_alloc(&store->arena, 1, sizeof *use);
  if (!use) return false;
  atomic_fetch_add_explicit(&memory->shared->references, 1, memory_order_relaxed);
  *use = (struct engine_memory_use){memory, store->shared};
  store->shared = use;
  store->shared_count++;
  store->has_guarded |= memory->guarded;
  return true;
}

void engine_shared_drop(struct engine_store *store, uint32_t count) {
  for (; store->shared_count > count; store->shared_count--) {
    struct engine_memory *memory = store->shared->memory;
    store->shared = store->shared->next;
    shared_release(memory);
  }
}

enum cay_status engine_shared_new(struct engine_store *store, const struct module_memory_type *type,
                                  struct engine_memory **out, struct cay_error *error) {
  struct engine_memory *memory = shared_alloc();
  if (!memory) return base_error_memory(error);
  enum cay_status status = engine_memory_set_up(memory, store, type, error);
  if (status != CAY_OK) {
    shared_free(memory);
    return status;
  }
  base_budget_retain(memory->budget);
  atomic_init(&memory->shared->references, 1);
  bool is_used = engine_shared_use(store, memory);
  shared_release(memory);
  if (!is_used) return base_error_memory(error);
  *out = memory;
  return CAY_OK;
}

static uint64_t grow_locked(struct engine_memory *memory, uint64_t delta_pages) {
  uint64_t old_pages = memory->page_count, delta_bytes = delta_pages << memory->type.page_log2;
  if (delta_pages > memory->max_pages - old_pages) return UINT64_MAX;
  uint64_t len_bytes = memory->len_bytes + delta_bytes;
  if (!base_budget_take(memory->budget, BASE_LIMIT_MEMORY, delta_bytes)) return UINT64_MAX;
  if (!engine_memory_commit(memory, len_bytes)) {
    base_budget_give(memory->budget, BASE_LIMIT_MEMORY, delta_bytes);
    return UINT64_MAX;
  }
  atomic_store(&memory->len_bytes, len_bytes);
  atomic_store(&memory->page_count, old_pages + delta_pages);
  return old_pages;
}

uint64_t engine_shared_grow(struct engine_memory *memory, uint64_t delta_pages) {
  if (delta_pages == 0) return memory->page_count;
  pthread_mutex_lock(&memory->shared->grow_lock);
  uint64_t old_pages = grow_locked(memory, delta_pages);
  pthread_mutex_unlock(&memory->shared->grow_lock);
  return old_pages;
}

/* ---- Waiting and waking ------------------------------------------------------------------------------------------------- */

static struct queue *queue_of(struct engine_shared *shared, uint64_t address) {
  uint64_t hash = (address >> 2) * UINT64_C(0x9E3779B97F4A7C15);
  return &shared->queues[hash >> 58];
}
static_assert(QUEUES == 1 << (64 - 58), "queue_of takes the upper bits");

static void queue_add(struct queue *queue, struct waiter *waiter) {
  waiter->previous = queue->last;
  waiter->next = NULL;
  *(queue->last ? &queue->last->next : &queue->first) = waiter;
  queue->last = waiter;
  atomic_store(&waiter->is_queued, true);
}

static void queue_remove(struct queue *queue, struct waiter *waiter) {
  *(waiter->previous ? &waiter->previous->next : &queue->first) = waiter->next;
  *(waiter->next ? &waiter->next->previous : &queue->last) = waiter->previous;
  atomic_store(&waiter->is_queued, false);
}

/* Where the access lies, or the trap. */
static enum engine_trap locate(const struct engine_memory *memory, uint64_t at, uint64_t offset, unsigned bytes,
                               bool must_be_shared, uint64_t *address) {
  bool wraps = __builtin_add_overflow(at, offset, address);
  if (*address & (bytes - 1)) return ENGINE_TRAP_UNALIGNED_ATOMIC;
  if (must_be_shared && !memory->shared) return ENGINE_TRAP_NOT_SHARED;
  return !wraps && engine_memory_range(memory, *address, bytes) ? ENGINE_TRAP_NONE : ENGINE_TRAP_MEMORY_BOUNDS;
}

/* A mapping starts at a page, so what is aligned for the guest is aligned for the host. */
static uint64_t value_at(const struct engine_memory *memory, uint64_t address, unsigned bytes) {
  const uint8_t *at = memory->base + address;
  return bytes == 8 ? atomic_load((const _Atomic uint64_t *)at) : atomic_load((const _Atomic uint32_t *)at);
}

static bool queue_if_equal(struct engine_memory *memory, struct waiter *waiter, unsigned bytes, uint64_t expected) {
  pthread_mutex_lock(&memory->shared->lock);
  bool is_equal = value_at(memory, waiter->address, bytes) == expected;
  if (is_equal) queue_add(queue_of(memory->shared, waiter->address), waiter);
  pthread_mutex_unlock(&memory->shared->lock);
  return is_equal;
}

static void block(struct waiter *waiter, int64_t timeout_ns) {
  uint64_t deadline_ns = UINT64_MAX;
  if (timeout_ns >= 0) deadline_ns = base_os_monotonic_ns() + (uint64_t)timeout_ns;
  struct engine_thread *thread = waiter->thread;
  for (;;) {
    uint32_t seen = atomic_load(&thread->wait_word);
    if (!atomic_load(&waiter->is_queued) || atomic_load(&thread->interrupted)) return;
    if (!base_os_wait(&thread->wait_word, seen, deadline_ns)) return;
  }
}

/* Whether it was woken; it is in no queue afterwards. */
static bool leave(struct engine_shared *shared, struct waiter *waiter) {
  pthread_mutex_lock(&shared->lock);
  bool was_woken = !atomic_load(&waiter->is_queued);
  if (!was_woken) queue_remove(queue_of(shared, waiter->address), waiter);
  pthread_mutex_unlock(&shared->lock);
  return was_woken;
}

enum engine_trap engine_memory_wait(struct engine_thread *thread, struct engine_memory *memory, uint64_t at,
                                    uint64_t offset, unsigned bytes, uint64_t expected, int64_t timeout_ns,
                                    uint32_t *result) {
  enum { WOKEN, NOT_EQUAL, TIMED_OUT };
  assert(bytes == 4 || bytes == 8);
  struct waiter waiter = {.thread = thread};
  enum engine_trap trap = locate(memory, at, offset, bytes, true, &waiter.address);
  if (trap != ENGINE_TRAP_NONE) return trap;
  *result = NOT_EQUAL;
  if (!queue_if_equal(memory, &waiter, bytes, expected)) return ENGINE_TRAP_NONE;
  block(&waiter, timeout_ns);
  bool was_woken = leave(memory->shared, &waiter);
  *result = was_woken ? WOKEN : TIMED_OUT;
  return !was_woken && atomic_load(&thread->interrupted) ? ENGINE_TRAP_INTERRUPTED : ENGINE_TRAP_NONE;
}

/* The waiter cannot leave before the lock is free, so its thread is still there to be woken. */
static uint32_t wake_locked(struct engine_shared *shared, uint64_t address, uint32_t count) {
  struct queue *queue = queue_of(shared, address);
  uint32_t woken = 0;
  for (struct waiter *waiter = queue->first, *next; waiter && woken < count; waiter = next) {
    next = waiter->next;
    if (waiter->address != address) continue;
    queue_remove(queue, waiter);
    atomic_fetch_add(&waiter->thread->wait_word, 1);
    base_os_wake(&waiter->thread->wait_word);
    woken++;
  }
  return woken;
}

enum engine_trap engine_memory_notify(struct engine_memory *memory, uint64_t at, uint64_t offset, uint32_t count,
                                      uint32_t *woken) {
  uint64_t address;
  enum engine_trap trap = locate(memory, at, offset, 4, false, &address);
  if (trap != ENGINE_TRAP_NONE) return trap;
  *woken = 0;
  if (!memory->shared) return ENGINE_TRAP_NONE;
  pthread_mutex_lock(&memory->shared->lock);
  *woken = wake_locked(memory->shared, address, count);
  pthread_mutex_unlock(&memory->shared->lock);
  return ENGINE_TRAP_NONE;
}
