/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Translated code in several threads, each with a store of its own, on one shared memory. Threads only count and note
 * their trap; the main thread checks. */
#include <pthread.h>
#include <time.h>

#include "../engine/fake_tier.h"
#include "every_tier.h"

enum { THREADS = 4 };

/*
 * (module
 *  (import "e" "m" (memory 1 200 shared))
 *  (func (export "add") (param i32) (local i32)
 *   (loop
 *    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
 *    (drop (i64.atomic.rmw.sub (i32.const 8) (i64.const 1)))
 *    (drop (i32.atomic.rmw8.add_u (i32.const 16) (i32.const 1)))
 *    (drop (i64.atomic.rmw16.add_u (i32.const 18) (i64.const 1)))
 *    (loop
 *     (br_if 0 (i32.ne (local.tee 1 (i32.atomic.load offset=4 (i32.const 16)))
 *      (i32.atomic.rmw.cmpxchg offset=4 (i32.const 16) (local.get 1) (i32.add (local.get 1) (i32.const 1))))))
 *    (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
 *  (func (export "grow") (param i32) (local i32)
 *   (loop
 *    (if (i32.eq (local.tee 1 (memory.grow (i32.const 1))) (i32.const -1)) (then (return)))
 *    (i32.store offset=65532 (i32.shl (local.get 1) (i32.const 16)) (local.get 1))
 *    (drop (i32.atomic.rmw.add (i32.const 0) (i32.load offset=65532 (i32.shl (local.get 1) (i32.const 16)))))
 *    (br_if 0 (i32.lt_u (memory.size) (i32.const 200)))))
 *  (func (export "lock") (param i32)
 *   (loop
 *    (block (loop
 *     (br_if 1 (i32.eqz (i32.atomic.rmw.cmpxchg (i32.const 32) (i32.const 0) (i32.const 1))))
 *     (drop (memory.atomic.wait32 (i32.const 32) (i32.const 1) (i64.const -1)))
 *     (br 0)))
 *    (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
 *    (i32.atomic.store (i32.const 32) (i32.const 0))
 *    (atomic.fence)
 *    (drop (memory.atomic.notify (i32.const 32) (i32.const 1)))
 *    (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
 *  (func (export "hang") (param i32) (drop (memory.atomic.wait32 (i32.const 40) (i32.const 0) (i64.const -1))))
 *  (func (export "spin") (param i32) (loop (br 0)))
 *  (func (export "odd") (param i32) (drop (i64.atomic.rmw.xchg offset=4 (local.get 0) (i64.const 1))))
 * )
 */
static const uint8_t module_bytes[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x05, 0x01, 0x60, 0x01, 0x7f, 0x00, 0x02, 0x0a, 0x01, 0x01,
    0x65, 0x01, 0x6d, 0x02, 0x03, 0x01, 0xc8, 0x01, 0x03, 0x07, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x29,
    0x06, 0x03, 0x61, 0x64, 0x64, 0x00, 0x00, 0x04, 0x67, 0x72, 0x6f, 0x77, 0x00, 0x01, 0x04, 0x6c, 0x6f, 0x63, 0x6b,
    0x00, 0x02, 0x04, 0x68, 0x61, 0x6e, 0x67, 0x00, 0x03, 0x04, 0x73, 0x70, 0x69, 0x6e, 0x00, 0x04, 0x03, 0x6f, 0x64,
    0x64, 0x00, 0x05, 0x0a, 0xff, 0x01, 0x06, 0x4f, 0x01, 0x01, 0x7f, 0x03, 0x40, 0x41, 0x00, 0x41, 0x01, 0xfe, 0x1e,
    0x02, 0x00, 0x1a, 0x41, 0x08, 0x42, 0x01, 0xfe, 0x26, 0x03, 0x00, 0x1a, 0x41, 0x10, 0x41, 0x01, 0xfe, 0x20, 0x00,
    0x00, 0x1a, 0x41, 0x12, 0x42, 0x01, 0xfe, 0x23, 0x01, 0x00, 0x1a, 0x03, 0x40, 0x41, 0x10, 0xfe, 0x10, 0x02, 0x04,
    0x22, 0x01, 0x41, 0x10, 0x20, 0x01, 0x20, 0x01, 0x41, 0x01, 0x6a, 0xfe, 0x48, 0x02, 0x04, 0x47, 0x0d, 0x00, 0x0b,
    0x20, 0x00, 0x41, 0x01, 0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b, 0x0b, 0x39, 0x01, 0x01, 0x7f, 0x03, 0x40, 0x41, 0x01,
    0x40, 0x00, 0x22, 0x01, 0x41, 0x7f, 0x46, 0x04, 0x40, 0x0f, 0x0b, 0x20, 0x01, 0x41, 0x10, 0x74, 0x20, 0x01, 0x36,
    0x02, 0xfc, 0xff, 0x03, 0x41, 0x00, 0x20, 0x01, 0x41, 0x10, 0x74, 0x28, 0x02, 0xfc, 0xff, 0x03, 0xfe, 0x1e, 0x02,
    0x00, 0x1a, 0x3f, 0x00, 0x41, 0xc8, 0x01, 0x49, 0x0d, 0x00, 0x0b, 0x0b, 0x51, 0x00, 0x03, 0x40, 0x02, 0x40, 0x03,
    0x40, 0x41, 0x20, 0x41, 0x00, 0x41, 0x01, 0xfe, 0x48, 0x02, 0x00, 0x45, 0x0d, 0x01, 0x41, 0x20, 0x41, 0x01, 0x42,
    0x7f, 0xfe, 0x01, 0x02, 0x00, 0x1a, 0x0c, 0x00, 0x0b, 0x0b, 0x41, 0xc0, 0x00, 0x41, 0xc0, 0x00, 0x28, 0x02, 0x00,
    0x41, 0x01, 0x6a, 0x36, 0x02, 0x00, 0x41, 0x20, 0x41, 0x00, 0xfe, 0x17, 0x02, 0x00, 0xfe, 0x03, 0x00, 0x41, 0x20,
    0x41, 0x01, 0xfe, 0x00, 0x02, 0x00, 0x1a, 0x20, 0x00, 0x41, 0x01, 0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b, 0x0b, 0x0d,
    0x00, 0x41, 0x28, 0x41, 0x00, 0x42, 0x7f, 0xfe, 0x01, 0x02, 0x00, 0x1a, 0x0b, 0x07, 0x00, 0x03, 0x40, 0x0c, 0x00,
    0x0b, 0x0b, 0x0b, 0x00, 0x20, 0x00, 0x42, 0x01, 0xfe, 0x42, 0x03, 0x04, 0x1a, 0x0b,
};

struct worker {
  struct engine_store *store;
  struct engine_function *function;
  pthread_t thread;
  uint64_t argument;
  enum engine_trap trap;
};

struct scene {
  struct world world;
  struct engine_memory *memory;
  struct worker workers[THREADS];
};

static void *work(void *arg) {
  struct worker *worker = arg;
  uint64_t slots[1] = {worker->argument};
  worker->trap = engine_call(worker->store, worker->function, slots);
  return NULL;
}

static void worker_set_up(struct scene *scene, struct worker *worker, struct module *module, const char *name,
                          uint64_t argument) {
  struct engine_extern import = {.kind = MODULE_MEMORY, .memory = scene->memory}, found = {0};
  struct engine_instance *instance = NULL;
  CHECK_INT(engine_store_new_beside(scene->world.store, &worker->store, NULL), CAY_OK);
  CHECK_INT(engine_instantiate(worker->store, module, &import, "worker", &instance, NULL), CAY_OK);
  CHECK(engine_export(instance, name, strlen(name), &found));
  worker->function = found.func;
  worker->argument = argument;
}

/* Starts the function in every thread. */
static void scene_start(struct scene *scene, bool explicit_bounds, const char *name, uint64_t argument) {
  struct engine_options options = {.tier = tested_tier, .explicit_bounds = explicit_bounds};
  *scene = (struct scene){.world = world_new(&options, NULL)};
  struct module_memory_type type = {.limits = {.min = 1, .max = 200, .has_max = true, .is_shared = true},
                                    .page_log2 = 16};
  CHECK_INT(engine_memory_new(scene->world.store, &type, &scene->memory, NULL), CAY_OK);
  struct module *module = NULL;
  CHECK_INT(
      module_load(module_bytes, sizeof module_bytes, MODULE_BYTES_BORROW, MODULE_FEATURES_DEFAULT, NULL, &module, NULL),
      CAY_OK);
  for (int i = 0; i < THREADS; i++) worker_set_up(scene, &scene->workers[i], module, name, argument);
  module_release(module);
  for (int i = 0; i < THREADS; i++)
    CHECK_INT(pthread_create(&scene->workers[i].thread, NULL, work, &scene->workers[i]), 0);
}

static void scene_end(struct scene *scene, enum engine_trap expected) {
  for (int i = 0; i < THREADS; i++) pthread_join(scene->workers[i].thread, NULL);
  for (int i = 0; i < THREADS; i++) {
    CHECK_INT(scene->workers[i].trap, expected);
    engine_store_free(scene->workers[i].store);
  }
}

static void check_sums(bool explicit_bounds) {
  enum { TIMES = 20000 };
  struct scene scene;
  scene_start(&scene, explicit_bounds, "add", TIMES);
  scene_end(&scene, ENGINE_TRAP_NONE);
  const uint8_t *base = scene.memory->base;
  CHECK_INT(base_load_u32(base), THREADS * TIMES);
  CHECK_INT(base_load_u64(base + 8), -THREADS * TIMES);
  CHECK_INT(base[16], (uint8_t)(THREADS * TIMES));
  CHECK_INT(base[17], 0);
  CHECK_INT(base_load_u16(base + 18), (uint16_t)(THREADS * TIMES));
  CHECK_INT(base_load_u32(base + 20), THREADS * TIMES);
  world_free(&scene.world);
}
TEST(sums) { check_sums(false); }
TEST(sums_explicit) { check_sums(true); }

/* Each page was given to one thread, which could use it at once. */
static void check_grow(bool explicit_bounds) {
  struct scene scene;
  scene_start(&scene, explicit_bounds, "grow", 0);
  scene_end(&scene, ENGINE_TRAP_NONE);
  CHECK_INT(scene.memory->page_count, 200);
  CHECK_INT(base_load_u32(scene.memory->base), 199 * 200 / 2);
  world_free(&scene.world);
}
TEST(grow) { check_grow(false); }
TEST(grow_explicit) { check_grow(true); }

TEST(lock) {
  enum { TIMES = 3000 };
  struct scene scene;
  scene_start(&scene, false, "lock", TIMES);
  scene_end(&scene, ENGINE_TRAP_NONE);
  CHECK_INT(base_load_u32(scene.memory->base + 64), THREADS * TIMES);
  world_free(&scene.world);
}

static void check_interruption(const char *name) {
  struct scene scene;
  scene_start(&scene, false, name, 0);
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  for (int i = 0; i < THREADS; i++) engine_interrupt(scene.workers[i].store);
  scene_end(&scene, ENGINE_TRAP_INTERRUPTED);
  world_free(&scene.world);
}
TEST(interrupted_waiting) { check_interruption("hang"); }
TEST(interrupted_busy) { check_interruption("spin"); }

/* The address with the offset has to be a multiple of the size; that is looked at before the bounds. */
TEST(alignment) {
  static const struct {
    uint64_t address;
    enum engine_trap trap;
  } cases[] = {{4, ENGINE_TRAP_NONE},
               {0, ENGINE_TRAP_UNALIGNED_ATOMIC},
               {65524, ENGINE_TRAP_NONE},
               {65532, ENGINE_TRAP_MEMORY_BOUNDS},
               {65533, ENGINE_TRAP_UNALIGNED_ATOMIC},
               {0xFFFFFFFC, ENGINE_TRAP_MEMORY_BOUNDS},
               {0xFFFFFFFF, ENGINE_TRAP_UNALIGNED_ATOMIC}};
  for (size_t i = 0; i < BASE_ARRAY_LEN(cases); i++) {
    struct scene scene;
    scene_start(&scene, false, "odd", cases[i].address);
    scene_end(&scene, cases[i].trap);
    world_free(&scene.world);
  }
}

TIERS_TEST_MAIN(RUN(sums) RUN(sums_explicit) RUN(grow) RUN(grow_explicit) RUN(lock) RUN(interrupted_waiting)
                    RUN(interrupted_busy) RUN(alignment))
