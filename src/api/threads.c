/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Threads of a guest: `thread-spawn` of the module `wasi` (wasi-threads, the extension of WASI 0.1).
 *
 * A thread is a host thread with a store of its own and a new instance of the module, which imports what the first one
 * imports. The spawning thread makes both, so that a lack of memory is an error number for the guest; the new thread
 * runs the start function and `wasi_thread_start`.
 *
 * The end. A trap or exit in one thread ends all, and so does the end of the first thread's call. Whoever comes first
 * decides what the run's result is (`ending` is set under the lock once); the others are interrupted and their own end
 * means nothing. The first thread's call always ends in api_threads_end, which waits for every other thread: so a signal
 * handler or the time limit has to interrupt the first thread only. The store of a thread whose trap is the result is
 * kept for its backtrace.
 *
 * Invariants: 1. A store in the list `running` exists; it leaves the list, under the lock, before it is freed.
 * 2. `unjoined` counts the host threads that were made and not joined. 3. Host threads take no signals but those that
 * their own instructions cause: the rest are the embedder's. */
#include <assert.h>
#include <pthread.h>
#include <signal.h>

#include "api/parts.h"

enum { TID_MAX = 0x1FFFFFFF, HOST_STACK_BYTES = 1024 * 1024, ERROR_AGAIN = -6 /* WASI 0.1's number */ };

struct thread {
  struct thread *previous, *next; /* in `running` or, by `next` alone, in `finished` */
  struct api_threads *all;
  pthread_t host;
  struct engine_store *store;
  struct engine_linker *linker;
  struct engine_instance *instance;
  struct wasi_p1_thread *own;
  uint32_t tid, argument;
};

struct api_threads {
  struct api_thread_setup setup;
  pthread_mutex_t lock;
  pthread_cond_t changed; /* a thread has finished */
  struct thread *running, *finished;
  uint32_t unfinished, unjoined, next_tid;
  bool ending, main_interrupted;
  struct thread *culprit; /* whose trap or exit is the result; kept until the next call */
  enum engine_trap trap;
};

/* ---- Making and freeing one ------------------------------------------------------------------------------------------- */

static void thread_free(struct thread *thread) {
  if (!thread) return;
  engine_linker_free(thread->linker);
  engine_store_free(thread->store);
  wasi_p1_thread_free(thread->own);
  base_free(thread);
}

static enum cay_status thread_fill(struct thread *thread, struct cay_error *error) {
  const struct api_thread_setup *setup = &thread->all->setup;
  enum cay_status status = engine_store_new_beside(setup->store, &thread->store, error);
  if (status == CAY_OK) status = wasi_p1_thread_new(setup->p1, &thread->own, error);
  if (status != CAY_OK) return status;
  engine_store_set_wake(thread->store, wasi_p1_thread_wake, thread->own);
  status = engine_linker_new(thread->store, &thread->linker, error);
  if (status == CAY_OK) status = setup->define(setup->env, thread->linker, thread->store, thread->own, error);
  if (status == CAY_OK)
    status = engine_linker_instance_new(thread->linker, setup->module, "", &thread->instance, error);
  if (status == CAY_OK && !engine_store_reserve_stack(thread->store)) status = base_error_memory(error);
  return status;
}

static struct thread *thread_new(struct api_threads *threads, uint32_t tid, uint32_t argument) {
  struct thread *thread = base_alloc_zero(1, sizeof *thread);
  if (!thread) return NULL;
  thread->all = threads;
  thread->tid = tid;
  thread->argument = argument;
  if (thread_fill(thread, NULL) == CAY_OK) return thread;
  thread_free(thread);
  return NULL;
}

/* ---- Its life ---------------------------------------------------------------------------------------------------------- */

static void list_add(struct api_threads *threads, struct thread *thread) {
  thread->previous = NULL;
  thread->next = threads->running;
  if (thread->next) thread->next->previous = thread;
  threads->running = thread;
}

static void list_remove(struct api_threads *threads, struct thread *thread) {
  *(thread->previous ? &thread->previous->next : &threads->running) = thread->next;
  if (thread->next) thread->next->previous = thread->previous;
}

static void interrupt_all(struct api_threads *threads) {
  for (struct thread *thread = threads->running; thread; thread = thread->next) engine_interrupt(thread->store);
}

/* Under the lock: takes the thread out, and ends everything when its trap is the first: then it is true. */
static bool leave(struct thread *thread, enum engine_trap trap) {
  struct api_threads *threads = thread->all;
  list_remove(threads, thread);
  if (trap == ENGINE_TRAP_NONE || threads->ending) return false;
  threads->ending = threads->main_interrupted = true;
  threads->culprit = thread;
  threads->trap = trap;
  interrupt_all(threads);
  engine_interrupt(threads->setup.store);
  return true;
}

uint32_t api_threads_number(struct api_threads *threads, const struct engine_thread *thread) {
  uint32_t tid = 0;
  pthread_mutex_lock(&threads->lock);
  for (struct thread *running = threads->running; running && !tid; running = running->next)
    if (engine_store_thread(running->store) == thread) tid = running->tid;
  pthread_mutex_unlock(&threads->lock);
  return tid;
}

static void unreserve(struct api_threads *threads) {
  threads->unfinished--;
  base_budget_give(threads->setup.budget, BASE_LIMIT_THREADS, 1);
}

/* What is left is joined by whoever sees it in the list. */
static void finish(struct thread *thread, bool is_kept) {
  struct api_threads *threads = thread->all;
  if (!is_kept) {
    engine_linker_free(thread->linker);
    engine_store_free(thread->store);
    wasi_p1_thread_free(thread->own);
    thread->linker = NULL, thread->store = NULL, thread->own = NULL;
  }
  pthread_mutex_lock(&threads->lock);
  thread->next = threads->finished;
  threads->finished = thread;
  unreserve(threads);
  pthread_cond_signal(&threads->changed);
  pthread_mutex_unlock(&threads->lock);
}

static enum engine_trap run_guest(struct thread *thread) {
  struct engine_extern entry;
  uint64_t slots[2] = {thread->tid, thread->argument};
  if (engine_instance_start(thread->instance, NULL) != CAY_OK) return engine_store_thread(thread->store)->trap;
  bool found = engine_export(thread->instance, API_THREAD_START, strlen(API_THREAD_START), &entry);
  assert(found && entry.kind == MODULE_FUNC);
  return found ? engine_call(thread->store, entry.func, slots) : ENGINE_TRAP_UNREACHABLE;
}

static void *run_thread(void *argument) {
  struct thread *thread = argument;
  struct api_cpu_thread cpu;
  api_cpu_enter(thread->all->setup.cpu, &cpu);
  enum engine_trap trap = run_guest(thread);
  api_cpu_leave(thread->all->setup.cpu, &cpu);
  pthread_mutex_lock(&thread->all->lock);
  bool is_culprit = leave(thread, trap);
  pthread_mutex_unlock(&thread->all->lock);
  finish(thread, is_culprit);
  return NULL;
}

/* ---- Spawning ----------------------------------------------------------------------------------------------------------- */

/* Joins the threads of a list of finished ones; returns how many. */
static uint32_t join_all(struct thread *thread, const struct thread *culprit) {
  uint32_t count = 0;
  for (struct thread *next; thread; thread = next, count++) {
    next = thread->next;
    pthread_join(thread->host, NULL);
    if (thread != culprit) thread_free(thread);
  }
  return count;
}

static int host_thread_start(struct thread *thread) {
  static const int own_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGPIPE, SIGXFSZ};
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (size_t i = 0; i < BASE_ARRAY_LEN(own_signals); i++) sigdelset(&blocked, own_signals[i]);
  pthread_attr_t attributes;
  int result = pthread_attr_init(&attributes);
  if (result) return result;
  pthread_attr_setstacksize(&attributes, HOST_STACK_BYTES + engine_host_stack_bytes(thread->store));
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  result = pthread_create(&thread->host, &attributes, run_thread, thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return result;
}

static bool is_taken(const struct api_threads *threads, uint32_t tid) {
  for (const struct thread *thread = threads->running; thread; thread = thread->next)
    if (thread->tid == tid) return true;
  return false;
}

/* A number that no running thread has, for a thread that the budget counts; 0: it has no room for it. */
static uint32_t reserve(struct api_threads *threads) {
  if (threads->ending || !base_budget_take(threads->setup.budget, BASE_LIMIT_THREADS, 1)) return 0;
  threads->unfinished++;
  do threads->next_tid = threads->next_tid % TID_MAX + 1;
  while (is_taken(threads, threads->next_tid));
  return threads->next_tid;
}

/* Under the lock. The new thread cannot leave before the lock is free. */
static bool start(struct api_threads *threads, struct thread *thread) {
  bool starts = thread && !threads->ending && host_thread_start(thread) == 0;
  if (starts) {
    list_add(threads, thread);
    threads->unjoined++;
  } else {
    unreserve(threads);
  }
  return starts;
}

static int32_t spawn(struct api_threads *threads, uint32_t argument) {
  pthread_mutex_lock(&threads->lock);
  struct thread *finished = threads->ending ? NULL : threads->finished;
  if (finished) threads->finished = NULL;
  uint32_t tid = reserve(threads);
  pthread_mutex_unlock(&threads->lock);
  uint32_t joined = join_all(finished, NULL);
  struct thread *thread = tid ? thread_new(threads, tid, argument) : NULL;
  pthread_mutex_lock(&threads->lock);
  threads->unjoined -= joined;
  bool starts = tid && start(threads, thread);
  pthread_mutex_unlock(&threads->lock);
  if (starts) return (int32_t)tid;
  thread_free(thread);
  return ERROR_AGAIN;
}

static enum engine_trap thread_spawn(struct engine_call *call, uint64_t *slots) {
  slots[0] = (uint32_t)spawn(call->env, (uint32_t)slots[0]);
  return ENGINE_TRAP_NONE;
}

/* ---- All of them -------------------------------------------------------------------------------------------------------- */

enum cay_status api_threads_new(const struct api_thread_setup *setup, struct api_threads **out,
                                struct cay_error *error) {
  struct api_threads *threads = base_alloc_zero(1, sizeof *threads);
  if (!threads) return base_error_memory(error);
  threads->setup = *setup;
  pthread_mutex_init(&threads->lock, NULL);
  pthread_cond_init(&threads->changed, NULL);
  *out = threads;
  return CAY_OK;
}

void api_threads_free(struct api_threads *threads) {
  if (!threads) return;
  assert(!threads->running && !threads->unjoined);
  thread_free(threads->culprit);
  pthread_cond_destroy(&threads->changed);
  pthread_mutex_destroy(&threads->lock);
  base_free(threads);
}

enum cay_status api_threads_define(struct api_threads *threads, struct engine_linker *linker,
                                   struct engine_store *store, struct cay_error *error) {
  static const module_type i32 = MODULE_I32;
  const struct module_func_type type = {
      .params = &i32, .results = &i32, .param_count = 1, .result_count = 1, .param_slots = 1, .result_slots = 1};
  struct engine_extern value = {.kind = MODULE_FUNC};
  enum cay_status status =
      engine_function_new(store, &type, thread_spawn, threads, API_THREAD_MODULE, API_THREAD_SPAWN, &value.func, error);
  if (status != CAY_OK) return status;
  return engine_linker_define(linker, API_THREAD_MODULE, strlen(API_THREAD_MODULE), API_THREAD_SPAWN,
                              strlen(API_THREAD_SPAWN), value, error);
}

void api_threads_begin(struct api_threads *threads) {
  assert(!threads->running && !threads->unjoined);
  thread_free(threads->culprit);
  threads->culprit = NULL;
  threads->ending = threads->main_interrupted = false;
}

void api_threads_end(struct api_threads *threads, struct api_thread_end *out) {
  pthread_mutex_lock(&threads->lock);
  threads->ending = true;
  interrupt_all(threads);
  while (threads->unjoined) {
    while (!threads->finished) pthread_cond_wait(&threads->changed, &threads->lock);
    struct thread *finished = threads->finished;
    threads->finished = NULL;
    pthread_mutex_unlock(&threads->lock);
    uint32_t joined = join_all(finished, threads->culprit);
    pthread_mutex_lock(&threads->lock);
    threads->unjoined -= joined;
  }
  assert(!threads->running && !threads->unfinished);
  pthread_mutex_unlock(&threads->lock);
  *out = (struct api_thread_end){.main_interrupted = threads->main_interrupted};
  if (!threads->culprit) return;
  out->thread = engine_store_thread(threads->culprit->store);
  out->trap = threads->trap;
  out->tid = threads->culprit->tid;
}
