/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Eight POSIX threads at work, with everything that they can wait for; prints the same every time.
 * "exit" as first argument ends the process with code 9 from a thread while others wait, "trap" runs into a trap there,
 * "spin" starts threads that never end, and returns from main. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 2000, ITEMS = 4000, CAPACITY = 16, PHASES = 10 };

static void check(int error, const char *what) {
  if (!error) return;
  fprintf(stderr, "threads: %s: %s\n", what, strerror(error));
  exit(1);
}

static void start_all(pthread_t threads[THREADS], void *(*work)(void *)) {
  for (intptr_t n = 0; n < THREADS; n++) check(pthread_create(&threads[n], NULL, work, (void *)n), "pthread_create");
}

static intptr_t join_all(pthread_t threads[THREADS]) {
  intptr_t sum = 0;
  for (int n = 0; n < THREADS; n++) {
    void *result;
    check(pthread_join(threads[n], &result), "pthread_join");
    sum += (intptr_t)result;
  }
  return sum;
}

/* ---- A lock, an atomic counter, a variable of each thread ------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long locked_total;
static atomic_long atomic_total;
static _Thread_local intptr_t own = 100;

static void *count(void *argument) {
  own += (intptr_t)argument;
  for (int n = 0; n < ROUNDS; n++) {
    pthread_mutex_lock(&lock);
    locked_total += n;
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&atomic_total, n);
    own++;
  }
  return (void *)own;
}

static void counting(void) {
  pthread_t threads[THREADS];
  start_all(threads, count);
  intptr_t sum = join_all(threads);
  printf("counting: locked %ld, atomic %ld, own %ld, main's own %ld\n", locked_total, atomic_total, (long)sum,
         (long)own);
}

/* ---- A queue between four producers and four consumers ---------------------------------------------------------------- */

static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static int queue[CAPACITY], queued, first, produced, consumed;

static void *produce_or_consume(void *argument) {
  bool produces = (intptr_t)argument % 2 == 0;
  intptr_t sum = 0;
  for (;;) {
    pthread_mutex_lock(&lock);
    int *done = produces ? &produced : &consumed, item = 0;
    while (*done < ITEMS && queued == (produces ? CAPACITY : 0))
      pthread_cond_wait(produces ? &not_full : &not_empty, &lock);
    bool ended = *done == ITEMS;
    if (!ended && produces) queue[(first + queued++) % CAPACITY] = produced++;
    if (!ended && !produces) item = queue[first], first = (first + 1) % CAPACITY, queued--, consumed++;
    if (*done == ITEMS) pthread_cond_broadcast(produces ? &not_full : &not_empty);
    pthread_cond_signal(produces ? &not_empty : &not_full);
    pthread_mutex_unlock(&lock);
    if (ended) return (void *)sum;
    sum += item;
  }
}

static void queueing(void) {
  pthread_t threads[THREADS];
  start_all(threads, produce_or_consume);
  printf("queueing: sum %ld, left %d\n", (long)join_all(threads), queued);
}

/* ---- Phases: nobody may be in the next one before all have ended this one ----------------------------------------------- */

static pthread_barrier_t barrier;
static int cells[THREADS];
static atomic_int late;

static void *phases(void *argument) {
  intptr_t self = (intptr_t)argument, leader = 0;
  for (int phase = 1; phase <= PHASES; phase++) {
    cells[self] = phase;
    leader += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
    for (int n = 0; n < THREADS; n++) late += cells[n] != phase;
    pthread_barrier_wait(&barrier);
  }
  return (void *)leader;
}

static void in_step(void) {
  pthread_t threads[THREADS];
  check(pthread_barrier_init(&barrier, NULL, THREADS), "pthread_barrier_init");
  start_all(threads, phases);
  printf("in step: %ld leaders, %d late\n", (long)join_all(threads), late);
}

/* ---- Once, keys with destructors, a lock for readers, the allocator -------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_rwlock_t readers = PTHREAD_RWLOCK_INITIALIZER;
static pthread_key_t key;
static atomic_int initialised, destroyed, torn;
static long pair[2];

static void initialise(void) { initialised++; }
static void destroy(void *value) {
  free(value);
  destroyed++;
}

static void *mixture(void *argument) {
  intptr_t self = (intptr_t)argument, bytes = 0;
  pthread_once(&once, initialise);
  pthread_setspecific(key, malloc(100));
  for (int n = 0; n < ROUNDS; n++) {
    size_t len_bytes = 1 + (size_t)(n * 37 + self * 11) % 3000;
    unsigned char *block = malloc(len_bytes);
    if (!block) exit(1);
    memset(block, (int)self, len_bytes);
    if (n % 8 == 0) {
      pthread_rwlock_wrlock(&readers);
      pair[0]++, pair[1]--;
    } else {
      pthread_rwlock_rdlock(&readers);
      torn += pair[0] + pair[1] != 0;
    }
    pthread_rwlock_unlock(&readers);
    bytes += block[0] == self && block[len_bytes - 1] == self ? (intptr_t)len_bytes : 0;
    free(block);
  }
  return (void *)bytes;
}

static void mixed(void) {
  pthread_t threads[THREADS];
  check(pthread_key_create(&key, destroy), "pthread_key_create");
  start_all(threads, mixture);
  intptr_t bytes = join_all(threads);
  printf("mixed: %ld bytes, initialised %d, destroyed %d, torn %d, written %ld\n", (long)bytes, initialised, destroyed,
         torn, pair[0]);
}

/* ---- Ends that are not a return of all threads ---------------------------------------------------------------------------- */

static const char *end;

static void *never_return(void *argument) {
  if ((intptr_t)argument == THREADS - 1 && strcmp(end, "exit") == 0) exit(9);
  if ((intptr_t)argument == THREADS - 1 && strcmp(end, "trap") == 0) __builtin_trap();
  if ((intptr_t)argument % 2)
    for (volatile unsigned n = 0;; n++) {
    }
  pthread_mutex_lock(&lock);
  for (;;) pthread_cond_wait(&not_empty, &lock);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    pthread_t threads[THREADS];
    end = argv[1];
    start_all(threads, never_return);
    if (strcmp(end, "spin") != 0) join_all(threads);
    return 4;
  }
  counting();
  queueing();
  in_step();
  mixed();
  return 0;
}
