/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* One surface in several threads: handles that come and go, a call that blocks while its number is closed, waking one
 * thread of several, hooks one at a time. Threads only count; the main thread checks. */
#include <pthread.h>
#include <stdatomic.h>

#include "guest.h"

enum { THREADS = 4, AREA_BYTES = 0x4000, TIMES = 300 };

/* A thread of the guest: a store of its own, a quarter of the memory. */
struct worker {
  struct engine_store *store;
  struct engine_linker *linker;
  struct wasi_p1_thread *own;
  struct engine_instance *instance;
  uint32_t area;
  enum engine_trap trap;
  int result;
  unsigned failures;
  void (*run)(struct worker *worker);
  pthread_t thread;
};

static struct worker workers[THREADS];

static int call_of(struct worker *worker, const char *name, uint64_t *slots) {
  struct engine_extern found;
  struct module_name module_name = {surface, (uint32_t)strlen(surface)}, function = {name, (uint32_t)strlen(name)};
  if (!engine_linker_find(worker->linker, module_name, function, &found)) return -1;
  struct engine_call call = {.thread = engine_store_thread(worker->store),
                             .caller = worker->instance,
                             .function = found.func,
                             .env = found.func->env};
  worker->trap = found.func->host(&call, slots);
  return worker->trap == ENGINE_TRAP_NONE ? (int)(uint32_t)slots[0] : -1;
}
#define CALL_OF(worker, name, ...) call_of(worker, #name, (uint64_t[10]){__VA_ARGS__})

static void *run_worker(void *arg) {
  struct worker *worker = arg;
  worker->run(worker);
  return NULL;
}

static void worker_set_up(struct worker *worker, struct engine_memory *shared, unsigned index) {
  struct cay_error error = {0};
  *worker = (struct worker){.area = index * AREA_BYTES, .instance = base_alloc_zero(1, sizeof *worker->instance)};
  if (!worker->instance) abort();
  worker->instance->memory0 = worker->instance->host_memory = shared;
  if (engine_store_new_beside(store, &worker->store, &error) ||
      engine_linker_new(worker->store, &worker->linker, &error) || wasi_p1_thread_new(p1, &worker->own, &error) ||
      wasi_p1_thread_define(worker->linker, worker->store, worker->own, NULL, &error)) {
    fprintf(stderr, "%s\n", error.text);
    abort();
  }
}

static void workers_set_up(struct wasi_config *config) {
  guest_start(config);
  struct engine_memory *shared = NULL;
  struct module_memory_type type = {.limits = {.min = 1, .max = 1, .has_max = true, .is_shared = true},
                                    .page_log2 = 16};
  CHECK_INT(engine_memory_new(store, &type, &shared, NULL), CAY_OK);
  for (unsigned i = 0; i < THREADS; i++) worker_set_up(&workers[i], shared, i);
}

static void worker_start(struct worker *worker, void (*run)(struct worker *worker)) {
  worker->run = run;
  CHECK_INT(pthread_create(&worker->thread, NULL, run_worker, worker), 0);
}

static void workers_end(void) {
  for (unsigned i = 0; i < THREADS; i++) {
    engine_linker_free(workers[i].linker);
    engine_store_free(workers[i].store);
    wasi_p1_thread_free(workers[i].own);
    base_free(workers[i].instance);
  }
  guest_end();
}

static uint8_t *at(const struct worker *worker, uint32_t offset) {
  return worker->instance->host_memory->base + worker->area + offset;
}

static void pause_ms(unsigned ms) { usleep(ms * 1000); }

/* ---- Opening, using and closing -------------------------------------------------------------------------------------- */

/* poll_oneoff for the handle and a clock that has run out. */
static void poll_both(struct worker *worker, uint32_t fd) {
  memset(at(worker, 0x1000), 0, 96);
  *at(worker, 0x1000 + 8) = 1;
  base_store_u32(at(worker, 0x1000 + 16), fd);
  CALL_OF(worker, poll_oneoff, worker->area + 0x1000, worker->area + 0x1100, 2, worker->area + 20);
}

/* Others may close the handle or give up its rights at any moment; then the answer says so. */
static void churn(struct worker *worker) {
  memcpy(at(worker, 0), "note", 4);
  for (unsigned i = 0; i < TIMES; i++) {
    if (CALL_OF(worker, path_open, 3, 1, worker->area, 4, 0, ALL_RIGHTS, ALL_RIGHTS, 0, worker->area + 16)) {
      worker->failures++;
      continue;
    }
    uint32_t fd = base_load_u32(at(worker, 16));
    base_store_u32(at(worker, 32), worker->area + 64);
    base_store_u32(at(worker, 36), 3);
    int result = CALL_OF(worker, fd_read, fd, worker->area + 32, 1, worker->area + 20);
    if (result && result != E_BADF && result != E_NOTCAPABLE) worker->failures++;
    CALL_OF(worker, fd_fdstat_get, fd, worker->area + 128);
    poll_both(worker, fd);
    CALL_OF(worker, fd_readdir, 3, worker->area + 256, 512, 0, worker->area + 20);
    CALL_OF(worker, fd_renumber, fd, fd ^ 1);
    CALL_OF(worker, fd_close, fd + i % 3 % 2);
    CALL_OF(worker, fd_fdstat_set_rights, fd, 0, 0);
  }
}

TEST(churning) {
  write_file("note", "abc");
  struct wasi_config *config = config_new();
  grant_path(config, ".", "/", HOST_RIGHTS_ALL);
  workers_set_up(config);
  for (unsigned i = 0; i < THREADS; i++) worker_start(&workers[i], churn);
  unsigned failures = 0;
  for (unsigned i = 0; i < THREADS; i++) {
    pthread_join(workers[i].thread, NULL);
    failures += workers[i].failures;
  }
  CHECK_INT(failures, 0);
  workers_end();
}

/* ---- A path that changes while it is used ------------------------------------------------------------------------------ */

static atomic_bool is_over;

/* "a/../inner" with something else in it now and then: "../../inner", an absolute path, a NUL. */
static void change_path(struct worker *worker) {
  (void)worker;
  volatile uint8_t *path = at(&workers[0], 0);
  while (!atomic_load(&is_over)) {
    path[0] = '.', path[1] = '.';
    path[0] = '/', path[2] = '/';
    path[2] = 0;
    path[0] = 'a', path[1] = '/', path[2] = '.';
  }
}

/* Until it succeeded once: on a busy machine the path may stay wrong for a long time. */
static void open_often(struct worker *worker) {
  for (unsigned i = 0; i < 20 * TIMES || worker->result == 0; i++) {
    if (CALL_OF(worker, path_open, 3, 1, worker->area, 10, 0, RIGHT_READ, 0, 0, worker->area + 16)) continue;
    uint32_t fd = base_load_u32(at(worker, 16));
    base_store_u32(at(worker, 32), worker->area + 64);
    base_store_u32(at(worker, 36), 5);
    CALL_OF(worker, fd_read, fd, worker->area + 32, 1, worker->area + 20);
    if (memcmp(at(worker, 64), "inner", 5) != 0) worker->failures++;
    CALL_OF(worker, fd_close, fd);
    worker->result++;
  }
  atomic_store(&is_over, true);
}

static void check_changing_path(enum host_resolver resolver) {
  struct wasi_config *config = config_new();
  struct host_object *directory = NULL;
  CHECK_INT(host_grant_directory("granted", HOST_RIGHTS_ALL, &directory, NULL), CAY_OK);
  host_directory_set_resolver(directory, resolver);
  struct wasi_grant grant = {.guest_path = "/"};
  CHECK_INT(wasi_config_preopen(config, directory, &grant, NULL), CAY_OK);
  host_object_release(directory);
  workers_set_up(config);
  memcpy(at(&workers[0], 0), "a/../inner", 10);
  atomic_store(&is_over, false);
  worker_start(&workers[0], open_often);
  worker_start(&workers[1], change_path);
  for (unsigned i = 0; i < 2; i++) pthread_join(workers[i].thread, NULL);
  CHECK_INT(workers[0].failures, 0);
  CHECK(workers[0].result > 0);
  workers_end();
}

TEST(changing_path) {
  CHECK(mkdir("granted", 0700) == 0 && mkdir("granted/a", 0700) == 0);
  write_file("granted/inner", "inner");
  write_file("inner", "outer");
  check_changing_path(HOST_RESOLVER_AUTO);
  check_changing_path(HOST_RESOLVER_WALKER);
}

/* ---- Blocking ---------------------------------------------------------------------------------------------------------- */

static int pipe_ends[2];

static struct wasi_config *config_with_pipe(void) {
  if (pipe(pipe_ends) != 0) abort();
  struct wasi_config *config = config_new();
  struct host_object *reader = NULL;
  CHECK_INT(host_grant_fd(pipe_ends[0], HOST_RIGHT_READ, &reader, NULL), CAY_OK);
  CHECK_INT(wasi_config_set_stdio(config, 0, reader, NULL), CAY_OK);
  host_object_release(reader);
  return config;
}

static void read_input(struct worker *worker) {
  base_store_u32(at(worker, 0), worker->area + 64);
  base_store_u32(at(worker, 4), 16);
  worker->result = CALL_OF(worker, fd_read, 0, worker->area, 1, worker->area + 16);
}

/* The others go on while one blocks; its number may be closed under it, and what was read arrives. */
TEST(blocked_and_closed) {
  workers_set_up(config_with_pipe());
  worker_start(&workers[0], read_input);
  pause_ms(30);
  CHECK_INT(CALL_OF(&workers[1], fd_write, 1, workers[1].area, 0, workers[1].area + 16), 0);
  CHECK_INT(CALL_OF(&workers[1], fd_close, 0), 0);
  CHECK_INT(CALL_OF(&workers[1], fd_close, 0), E_BADF);
  CHECK(write(pipe_ends[1], "hi", 2) == 2);
  pthread_join(workers[0].thread, NULL);
  CHECK_INT(workers[0].result, 0);
  CHECK_INT(base_load_u32(at(&workers[0], 16)), 2);
  CHECK(memcmp(at(&workers[0], 64), "hi", 2) == 0);
  workers_end();
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

/* A wake is for one thread. */
TEST(woken_alone) {
  workers_set_up(config_with_pipe());
  worker_start(&workers[0], read_input);
  worker_start(&workers[1], read_input);
  pause_ms(30);
  wasi_p1_thread_wake(workers[1].own);
  pthread_join(workers[1].thread, NULL);
  CHECK_INT(workers[1].trap, ENGINE_TRAP_INTERRUPTED);
  CHECK(write(pipe_ends[1], "x", 1) == 1);
  pthread_join(workers[0].thread, NULL);
  CHECK_INT(workers[0].trap, ENGINE_TRAP_NONE);
  CHECK_INT(workers[0].result, 0);
  workers_end();
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

/* ---- Hooks --------------------------------------------------------------------------------------------------------------- */

static unsigned lines, wrong_lines; /* not atomic: the hook runs once at a time */
static const struct engine_thread *tellers[THREADS];

static void count_line(void *env, const char *line) {
  (void)env;
  lines++;
  const struct engine_thread *teller = wasi_p1_teller(p1);
  unsigned index = 0;
  while (index < THREADS && tellers[index] != teller) index++;
  unsigned fd = 0;
  if (sscanf(line, "fd_tell(fd=%u) = EBADF", &fd) != 1 || fd != 100 + index) wrong_lines++;
}

static void tell_often(struct worker *worker) {
  for (unsigned i = 0; i < TIMES; i++) CALL_OF(worker, fd_tell, 100 + worker->area / AREA_BYTES, worker->area);
}

TEST(hooks) {
  struct wasi_config *config = config_new();
  struct wasi_hooks hooks = {.trace = count_line};
  next_hooks = hooks;
  workers_set_up(config);
  for (unsigned i = 0; i < THREADS; i++) tellers[i] = engine_store_thread(workers[i].store);
  for (unsigned i = 0; i < THREADS; i++) worker_start(&workers[i], tell_often);
  for (unsigned i = 0; i < THREADS; i++) pthread_join(workers[i].thread, NULL);
  CHECK_INT(lines, THREADS * TIMES);
  CHECK_INT(wrong_lines, 0);
  workers_end();
}

TEST_MAIN({
  scratch_enter();
  RUN(churning)
  RUN(changing_path)
  RUN(blocked_and_closed)
  RUN(woken_alone)
  RUN(hooks)
})
