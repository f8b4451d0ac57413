/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The guests of tests/gc with a collection at every allocation: a root that a frame's map misses would be gone, and its
 * memory overwritten, before the guest looks at it again. usage: test_engine_gc GC.WASM */
#include "../tiers/every_tier.h"
#include "engine/heap.h"
#include "fake_tier.h"

static struct base_file file;

static struct engine_instance *instance_of(struct world *world) {
  struct module *module = NULL;
  struct engine_instance *instance = NULL;
  struct cay_error error = {0};
  if (module_load(file.bytes, file.len_bytes, MODULE_BYTES_COPY, MODULE_FEATURES_DEFAULT, NULL, &module, &error) !=
          CAY_OK ||
      engine_instantiate(world->store, module, NULL, "gc", &instance, &error) != CAY_OK) {
    fprintf(stderr, "%s\n", error.text);
    exit(1);
  }
  module_release(module);
  return instance;
}

static enum engine_trap call(struct world *world, struct engine_instance *instance, const char *name, uint64_t *slots) {
  struct engine_extern found = {0};
  CHECK(engine_export(instance, name, strlen(name), &found));
  return engine_call(world->store, found.func, slots);
}

static const struct {
  const char *name;
  uint64_t arguments[2], result;
} runs[] = {
    {"churn", {20}, 20},     {"cycles", {1000}, 3},      {"list", {1000}, 1000}, {"changing_sizes", {300}, 300},
    {"wide", {500}, 124750}, {"trees", {6, 5}, 6 * 127},
};

static void run_all(uint64_t budget, bool is_stressed) {
  struct engine_options options = {.tier = tested_tier};
  struct engine_limits limits = {.budget = memory_budget(budget)};
  struct world world = world_new(&options, &limits);
  struct engine_instance *instance = instance_of(&world);
  CHECK(engine_heap_set_stress(world.store, is_stressed));
  for (size_t i = 0; i < BASE_ARRAY_LEN(runs); i++) {
    uint64_t slots[2] = {runs[i].arguments[0], runs[i].arguments[1]};
    CHECK_INT(call(&world, instance, runs[i].name, slots), ENGINE_TRAP_NONE);
    CHECK_INT(slots[0], runs[i].result);
  }
  CHECK(engine_heap_stats(world.store).collections >= (is_stressed ? 5000 : 0));
  engine_heap_collect(world.store);
  CHECK_INT(engine_heap_stats(world.store).live_objects, 0); /* no call, no root */
  world_free(&world);
}

TEST(stressed) { run_all(0, true); }
TEST(quiet) { run_all(0, false); }

/* The list is a root until the trap, and garbage after it; the store goes on. */
TEST(exhausted) {
  struct engine_options options = {.tier = tested_tier};
  struct engine_limits limits = {.budget = memory_budget(1 << 20)};
  struct world world = world_new(&options, &limits);
  struct engine_instance *instance = instance_of(&world);
  for (int i = 0; i < 3; i++) {
    uint64_t slots[2] = {0};
    CHECK_INT(call(&world, instance, "keep_all", slots), ENGINE_TRAP_HEAP_EXHAUSTED);
    CHECK(engine_heap_stats(world.store).live_bytes > 900000);
    slots[0] = 10000;
    CHECK_INT(call(&world, instance, "cycles", slots), ENGINE_TRAP_NONE);
    CHECK_INT(slots[0], 3);
  }
  world_free(&world);
}

int main(int argc, char **argv) {
  struct cay_error error = {0};
  if (argc != 2 || base_file_read(argv[1], &file, &error) != CAY_OK) {
    fprintf(stderr, "usage: test_engine_gc GC.WASM %s\n", error.text);
    return 2;
  }
  RUN_IN_EVERY_TIER(RUN(stressed) RUN(quiet) RUN(exhausted))
  base_file_deinit(&file);
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
