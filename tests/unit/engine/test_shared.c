/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Shared memories, budgets that stores share, waiting and waking. Threads only count; the main thread checks. */
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "fake_tier.h"

enum { THREADS = 4 };

static struct module_memory_type shared_pages(uint64_t min, uint64_t max) {
  return (struct module_memory_type){.limits = {.min = min, .max = max, .has_max = true, .is_shared = true},
                                     .page_log2 = 16};
}

static struct engine_memory *shared_memory(struct engine_store *store, uint64_t min, uint64_t max) {
  struct engine_memory *memory = NULL;
  struct module_memory_type type = shared_pages(min, max);
  CHECK_INT(engine_memory_new(store, &type, &memory, NULL), CAY_OK);
  return memory;
}

/* A module that imports "m" "m", a shared memory of one to nine pages. */
static struct module *importer(void) {
  struct bytes bytes = module_start();
  SECTION(&bytes, 2, 1, 1, 'm', 1, 'm', 2, 3, 1, 9);
  struct module *module = NULL;
  CHECK_INT(module_load(bytes.items, bytes.count, MODULE_BYTES_COPY, MODULE_FEATURES_DEFAULT, NULL, &module, NULL),
            CAY_OK);
  return module;
}

/* The memory lives as long as one of the stores that use it, and so does the budget. */
TEST(counted) {
  struct engine_limits limits = {.budget = memory_budget(4 * 65536)};
  struct world world = world_new(NULL, &limits);
  struct engine_store *second = NULL;
  CHECK_INT(engine_store_new_beside(world.store, &second, NULL), CAY_OK);
  struct engine_memory *memory = shared_memory(world.store, 1, 9);
  CHECK(!memory->store && memory->shared);
  uint8_t *base = memory->base;
  struct module *module = importer();
  struct engine_extern import = {.kind = MODULE_MEMORY, .memory = memory};
  struct engine_instance *instance = NULL, *again = NULL;
  CHECK_INT(engine_instantiate(second, module, &import, NULL, &instance, NULL), CAY_OK);
  CHECK_INT(engine_instantiate(second, module, &import, NULL, &again, NULL), CAY_OK);
  engine_store_free(world.store);
  CHECK(instance->memory0 == memory && memory->base == base);
  CHECK_INT(engine_memory_grow(memory, 3), 1);
  CHECK(engine_memory_grow(memory, 1) == UINT64_MAX); /* the limit, not the maximum */
  CHECK_INT(engine_memory_grow(memory, 0), 4);
  CHECK(memory->base == base);
  base[4 * 65536 - 1] = 1;
  world.store = second;
  module_release(module);
  world_free(&world);
}

TEST(budget_is_shared) {
  struct engine_limits limits = {.budget = memory_budget(10 * 65536)};
  struct world world = world_new(NULL, &limits);
  struct engine_store *second = NULL;
  CHECK_INT(engine_store_new_beside(world.store, &second, NULL), CAY_OK);
  struct engine_memory *shared = shared_memory(world.store, 4, 9), *own = NULL;
  struct module_memory_type type = {.limits = {.min = 5, .max = UINT64_MAX}, .page_log2 = 16};
  CHECK_INT(engine_memory_new(second, &type, &own, NULL), CAY_OK);
  CHECK_INT(engine_memory_grow(shared, 1), 4);
  CHECK(engine_memory_grow(shared, 1) == UINT64_MAX);
  engine_store_free(second); /* gives back what it alone had */
  CHECK_INT(engine_memory_grow(shared, 4), 5);
  world_free(&world);
}

/* ---- Several threads ------------------------------------------------------------------------------------------------ */

struct scene {
  struct engine_memory *memory;
  struct engine_store *stores[THREADS];
  pthread_t threads[THREADS];
  uint64_t results[THREADS];
  atomic_uint started, finished;
};
struct role {
  struct scene *scene;
  unsigned index;
};

static struct role roles[THREADS];

static void scene_start(struct scene *scene, struct world *world, void *(*run)(void *)) {
  for (unsigned i = 0; i < THREADS; i++) {
    CHECK_INT(engine_store_new_beside(world->store, &scene->stores[i], NULL), CAY_OK);
    roles[i] = (struct role){scene, i};
    CHECK_INT(pthread_create(&scene->threads[i], NULL, run, &roles[i]), 0);
  }
}

static void scene_end(struct scene *scene) {
  for (unsigned i = 0; i < THREADS; i++) {
    pthread_join(scene->threads[i], NULL);
    engine_store_free(scene->stores[i]);
  }
}

static void *grower(void *arg) {
  struct role *role = arg;
  struct engine_memory *memory = role->scene->memory;
  for (unsigned i = 0; i < 50; i++) {
    uint64_t old_pages = engine_memory_grow(memory, 1);
    if (old_pages == UINT64_MAX) continue;
    uint8_t *page = engine_memory_range(memory, old_pages << 16, 65536);
    if (!page) return NULL;
    for (unsigned at = 0; at < 65536; at += 4096)
      if (page[at]) return NULL;
    page[65535] = 1;
    role->scene->results[role->index] += old_pages;
  }
  return NULL;
}

/* Each page is given to one thread, and is there when its number is known. */
static void check_growing(bool explicit_bounds) {
  struct engine_options options = {.explicit_bounds = explicit_bounds};
  struct world world = world_new(&options, NULL);
  struct scene scene = {.memory = shared_memory(world.store, 0, 190)};
  uint8_t *base = scene.memory->base;
  scene_start(&scene, &world, grower);
  scene_end(&scene);
  uint64_t sum = 0;
  for (unsigned i = 0; i < THREADS; i++) sum += scene.results[i];
  CHECK_INT(sum, 189 * 190 / 2);
  CHECK_INT(scene.memory->page_count, 190);
  CHECK_INT(scene.memory->len_bytes, 190 << 16);
  CHECK(scene.memory->base == base);
  world_free(&world);
}
TEST(growing) { check_growing(false); }
TEST(growing_explicit) { check_growing(true); }

static void pause_ms(unsigned ms) { nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL); }

/* Until `count` threads wait at the address: notify of none tells nothing, so the threads' own state has to. */
static void await(const atomic_uint *counter, unsigned count) {
  while (atomic_load(counter) < count) pause_ms(1);
  pause_ms(20);
}

static void *waiter(void *arg) {
  struct role *role = arg;
  struct scene *scene = role->scene;
  uint32_t result = 9;
  atomic_fetch_add(&scene->started, 1);
  struct engine_thread *thread = engine_store_thread(scene->stores[role->index]);
  enum engine_trap trap = engine_memory_wait(thread, scene->memory, 8, 8, role->index % 2 ? 4 : 8, 0, -1, &result);
  atomic_fetch_add(&scene->finished, 1);
  scene->results[role->index] = (uint64_t)trap * 10 + result;
  return NULL;
}

TEST(notify_counts) {
  struct world world = world_new(NULL, NULL);
  struct scene scene = {.memory = shared_memory(world.store, 1, 1)};
  scene_start(&scene, &world, waiter);
  await(&scene.started, THREADS);
  uint32_t woken = 9;
  CHECK_INT(engine_memory_notify(scene.memory, 16, 0, 0, &woken), ENGINE_TRAP_NONE);
  CHECK_INT(woken, 0);
  CHECK_INT(engine_memory_notify(scene.memory, 20, 0, UINT32_MAX, &woken), ENGINE_TRAP_NONE);
  CHECK_INT(woken, 0);
  CHECK_INT(engine_memory_notify(scene.memory, 16, 0, 1, &woken), ENGINE_TRAP_NONE);
  CHECK_INT(woken, 1);
  await(&scene.finished, 1);
  CHECK_INT(atomic_load(&scene.finished), 1);
  CHECK_INT(engine_memory_notify(scene.memory, 0, 16, UINT32_MAX, &woken), ENGINE_TRAP_NONE);
  CHECK_INT(woken, THREADS - 1);
  scene_end(&scene);
  for (unsigned i = 0; i < THREADS; i++) CHECK_INT(scene.results[i], 0);
  CHECK_INT(engine_memory_notify(scene.memory, 16, 0, UINT32_MAX, &woken), ENGINE_TRAP_NONE);
  CHECK_INT(woken, 0);
  world_free(&world);
}

TEST(interruption_ends_waiting) {
  struct world world = world_new(NULL, NULL);
  struct scene scene = {.memory = shared_memory(world.store, 1, 1)};
  scene_start(&scene, &world, waiter);
  await(&scene.started, THREADS);
  for (unsigned i = 0; i < THREADS; i++) engine_interrupt(scene.stores[i]);
  scene_end(&scene);
  for (unsigned i = 0; i < THREADS; i++) CHECK_INT(scene.results[i] / 10, ENGINE_TRAP_INTERRUPTED);
  uint32_t woken = 9;
  CHECK_INT(engine_memory_notify(scene.memory, 16, 0, UINT32_MAX, &woken), ENGINE_TRAP_NONE);
  CHECK_INT(woken, 0);
  world_free(&world);
}

static struct engine_store *store_of_signal;
static void interrupt_in_handler(int number) {
  (void)number;
  engine_interrupt(store_of_signal);
}

/* The handler runs in the thread that waits. */
TEST(interruption_by_signal) {
  struct sigaction action = {.sa_handler = interrupt_in_handler}, before;
  sigaction(SIGALRM, &action, &before);
  struct world world = world_new(NULL, NULL);
  struct engine_memory *memory = shared_memory(world.store, 1, 1);
  store_of_signal = world.store;
  ualarm(30000, 0);
  uint32_t result = 9;
  CHECK_INT(engine_memory_wait(engine_store_thread(world.store), memory, 0, 0, 4, 0, -1, &result),
            ENGINE_TRAP_INTERRUPTED);
  /* A wish that came before is not lost. */
  CHECK_INT(engine_memory_wait(engine_store_thread(world.store), memory, 0, 0, 4, 0, -1, &result),
            ENGINE_TRAP_INTERRUPTED);
  world_free(&world);
  sigaction(SIGALRM, &before, NULL);
}

TEST(waiting_alone) {
  struct world world = world_new(NULL, NULL);
  struct engine_memory *memory = shared_memory(world.store, 1, 1);
  struct engine_thread *thread = engine_store_thread(world.store);
  uint32_t result = 9, woken = 9;
  memory->base[65528] = 5;
  CHECK_INT(engine_memory_wait(thread, memory, 65528, 0, 4, 4, -1, &result), ENGINE_TRAP_NONE);
  CHECK_INT(result, 1);
  CHECK_INT(engine_memory_wait(thread, memory, 65528, 0, 8, UINT64_C(1) << 32 | 5, -1, &result), ENGINE_TRAP_NONE);
  CHECK_INT(result, 1);
  CHECK_INT(engine_memory_wait(thread, memory, 65528, 0, 8, 5, 0, &result), ENGINE_TRAP_NONE);
  CHECK_INT(result, 2);
  uint64_t start = base_os_monotonic_ns();
  CHECK_INT(engine_memory_wait(thread, memory, 65528, 0, 4, 5, 30000000, &result), ENGINE_TRAP_NONE);
  CHECK_INT(result, 2);
  CHECK(base_os_monotonic_ns() - start >= 30000000);
  CHECK_INT(engine_memory_wait(thread, memory, 65530, 0, 4, 0, 0, &result), ENGINE_TRAP_UNALIGNED_ATOMIC);
  CHECK_INT(engine_memory_wait(thread, memory, 65532, 0, 8, 0, 0, &result), ENGINE_TRAP_UNALIGNED_ATOMIC);
  CHECK_INT(engine_memory_wait(thread, memory, 65536, 0, 4, 0, 0, &result), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(engine_memory_wait(thread, memory, UINT64_MAX - 3, 4, 4, 0, 0, &result), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(engine_memory_notify(memory, 3, 0, 1, &woken), ENGINE_TRAP_UNALIGNED_ATOMIC);
  CHECK_INT(engine_memory_notify(memory, 65536, 0, 1, &woken), ENGINE_TRAP_MEMORY_BOUNDS);
  struct engine_memory *own = NULL;
  struct module_memory_type type = {.limits = {.min = 1, .max = UINT64_MAX}, .page_log2 = 16};
  CHECK_INT(engine_memory_new(world.store, &type, &own, NULL), CAY_OK);
  CHECK_INT(engine_memory_wait(thread, own, 0, 0, 4, 0, 0, &result), ENGINE_TRAP_NOT_SHARED);
  CHECK_INT(engine_memory_notify(own, 0, 0, 1, &woken), ENGINE_TRAP_NONE);
  CHECK_INT(woken, 0);
  CHECK_INT(engine_memory_notify(own, 65536, 0, 1, &woken), ENGINE_TRAP_MEMORY_BOUNDS);
  world_free(&world);
}

/* Two threads hand a number to and fro; each waits for the other's. */
static void *player(void *arg) {
  struct role *role = arg;
  struct scene *scene = role->scene;
  if (role->index > 1) return NULL;
  struct engine_thread *thread = engine_store_thread(scene->stores[role->index]);
  _Atomic uint32_t *ball = (_Atomic uint32_t *)scene->memory->base;
  for (uint32_t i = 0; i < 2000; i++) {
    uint32_t result, woken;
    while (atomic_load(ball) % 2 != role->index)
      engine_memory_wait(thread, scene->memory, 0, 0, 4, role->index ^ 1 ? i * 2 - 1 : i * 2, 1000000000, &result);
    atomic_fetch_add(ball, 1);
    engine_memory_notify(scene->memory, 0, 0, 1, &woken);
    scene->results[role->index]++;
  }
  return NULL;
}

TEST(to_and_fro) {
  struct world world = world_new(NULL, NULL);
  struct scene scene = {.memory = shared_memory(world.store, 1, 1)};
  scene_start(&scene, &world, player);
  scene_end(&scene);
  CHECK_INT(scene.results[0] + scene.results[1], 4000);
  world_free(&world);
}

TEST(bytes) {
  struct world world = world_new(NULL, NULL);
  struct engine_memory *memory = shared_memory(world.store, 1, 1);
  uint8_t expected[256];
  for (unsigned from = 0; from < 40; from += 3) {
    for (unsigned to = 0; to < 40; to++) {
      for (unsigned i = 0; i < 256; i++) memory->base[i] = expected[i] = (uint8_t)(i * 7);
      unsigned count = from * 5 % 61;
      CHECK_INT(engine_memory_copy(memory, to, memory, from, count), ENGINE_TRAP_NONE);
      memmove(expected + to, expected + from, count);
      CHECK_INT(engine_memory_fill(memory, 100 + to, 0x155, count), ENGINE_TRAP_NONE);
      memset(expected + 100 + to, 0x55, count);
      CHECK(memcmp(memory->base, expected, 256) == 0);
    }
  }
  CHECK_INT(engine_memory_copy(memory, 65530, memory, 0, 7), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(engine_memory_fill(memory, 65530, 0, 7), ENGINE_TRAP_MEMORY_BOUNDS);
  world_free(&world);
}

TEST_MAIN(RUN(counted) RUN(budget_is_shared) RUN(growing) RUN(growing_explicit) RUN(notify_counts)
              RUN(interruption_ends_waiting) RUN(interruption_by_signal) RUN(waiting_alone) RUN(to_and_fro) RUN(bytes))
