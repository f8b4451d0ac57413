/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the baseline tier has and others have not: code in chunks of the arena, compiled by several threads at once. */
#include <pthread.h>

#include "../engine/fake_tier.h"
#include "tiers/tiers.h"

enum { FUNCTIONS = 3000, PADDING = 40, THREADS = 4 };

struct text {
  BASE_VEC(uint8_t) bytes;
};

static void add(struct text *to, const void *from, size_t count) {
  if (!BASE_VEC_RESERVE(&to->bytes, to->bytes.count + count)) exit(1);
  memcpy(to->bytes.items + to->bytes.count, from, count);
  to->bytes.count += count;
}
static void add_u8(struct text *to, uint8_t value) { add(to, &value, 1); }
static void add_leb(struct text *to, uint32_t value) {
  for (; value >= 0x80; value >>= 7) add_u8(to, (uint8_t)(value | 0x80));
  add_u8(to, (uint8_t)value);
}
static void add_section(struct text *to, uint8_t id, struct text *contents) {
  add_u8(to, id);
  add_leb(to, (uint32_t)contents->bytes.count);
  add(to, contents->bytes.items, contents->bytes.count);
  BASE_VEC_DEINIT(&contents->bytes);
}

/* Function i: (x) -> function i + 1 (x) + 1 when i is odd and not the last; else x + i, whose way there is long. The
 * last one traps when x is 7. */
static void add_body(struct text *to, uint32_t i) {
  struct text body = {0};
  add_u8(&body, 0);
  if (i == FUNCTIONS - 1) add(&body, "\x20\0\x41\7\x46\x04\x40\0\x0B", 9); /* x = 7: unreachable */
  add(&body, "\x20\0", 2);
  if (i % 2 && i < FUNCTIONS - 1) {
    add_u8(&body, 0x10);
    add_leb(&body, i + 1);
    add(&body, "\x41\1\x6A", 3);
  } else {
    for (int k = 0; k < PADDING; k++) add(&body, "\x41\x2A\x73", 3); /* xor 42, so often that nothing remains */
    add_u8(&body, 0x41);
    for (uint32_t value = i;; value >>= 7) { /* signed LEB128 */
      bool is_last = value < 0x40;
      add_u8(&body, (uint8_t)((value & 0x7F) | (is_last ? 0 : 0x80)));
      if (is_last) break;
    }
    add_u8(&body, 0x6A);
  }
  add_u8(&body, 0x0B);
  add_leb(to, (uint32_t)body.bytes.count);
  add(to, body.bytes.items, body.bytes.count);
  BASE_VEC_DEINIT(&body.bytes);
}

static uint32_t result_of(uint32_t i, uint32_t x) {
  return i % 2 && i < FUNCTIONS - 1 ? result_of(i + 1, x) + 1 : x + i;
}

static struct module *large_module(void) {
  struct text all = {0}, section = {0};
  add(&all, "\0asm\1\0\0\0", 8);
  add(&section, "\1\x60\1\x7F\1\x7F", 6);
  add_section(&all, 1, &section);
  add_leb(&section, FUNCTIONS);
  for (uint32_t i = 0; i < FUNCTIONS; i++) add_u8(&section, 0);
  add_section(&all, 3, &section);
  add_leb(&section, FUNCTIONS);
  for (uint32_t i = 0; i < FUNCTIONS; i++) add_body(&section, i);
  add_section(&all, 10, &section);
  struct module *module = NULL;
  struct cay_error error = {0};
  if (module_load(all.bytes.items, all.bytes.count, MODULE_BYTES_COPY, MODULE_FEATURES_DEFAULT, NULL, &module,
                  &error) != CAY_OK)
    fprintf(stderr, "%s\n", error.text);
  BASE_VEC_DEINIT(&all.bytes);
  CHECK(module);
  if (!module) exit(1);
  return module;
}

static struct engine_instance *instance_in(struct engine_store *store, struct module *module) {
  struct engine_instance *instance = NULL;
  CHECK_INT(engine_instantiate(store, module, NULL, "large", &instance, NULL), CAY_OK);
  return instance;
}

/* Calls all functions, beginning with `first`. How many were wrong. */
static int call_all(struct engine_store *store, struct engine_instance *instance, uint32_t first) {
  int wrong = 0;
  for (uint32_t n = 0; n < FUNCTIONS; n++) {
    uint32_t i = (first + n * 7) % FUNCTIONS; /* 7 does not divide 3000 */
    uint64_t slot = i + 100;
    bool is_right =
        engine_call(store, instance->functions[i], &slot) == ENGINE_TRAP_NONE && slot == result_of(i, i + 100);
    wrong += !is_right;
  }
  return wrong;
}

/* Whether nothing is left in the arena. */
static bool arena_is_empty(void) {
  struct base_code_chunk all;
  if (!base_code_take(BASE_CODE_ARENA_BYTES, &all)) return false;
  base_code_give(&all);
  return true;
}

/* ---- The tests ------------------------------------------------------------------------------------------------------ */

static uint32_t progress_last, progress_calls;
static bool see_progress(void *env, uint32_t done, uint32_t all) {
  (void)env;
  progress_calls++;
  progress_last = all == FUNCTIONS ? done : 0;
  return true;
}

static void check_trap(struct world *world, struct engine_instance *instance) {
  struct engine_thread *thread = engine_store_thread(world->store);
  struct engine_frame frame;
  uint64_t slot = 7;
  CHECK_INT(engine_call(world->store, instance->functions[FUNCTIONS - 1], &slot), ENGINE_TRAP_UNREACHABLE);
  CHECK(engine_backtrace_frame(thread, 0, &frame));
  CHECK_INT(frame.func, FUNCTIONS - 1);
  CHECK_INT(instance->module->bytes[frame.offset], 0);
}

TEST(all_at_once) {
  bool was_empty = arena_is_empty();
  for (unsigned threads = 0; threads <= THREADS; threads += THREADS) {
    struct world world = world_new(&(struct engine_options){.tier = &tiers_baseline}, NULL);
    struct module *module = large_module();
    struct engine_instance *instance = instance_in(world.store, module);
    module_release(module);
    size_t before = tiers_baseline.code_bytes(instance->code, false);
    progress_last = progress_calls = 0;
    CHECK_INT(tiers_baseline.translate_all(instance->code, threads, see_progress, NULL, NULL), CAY_OK);
    CHECK_INT(progress_last, FUNCTIONS);
    size_t after = tiers_baseline.code_bytes(instance->code, false);
    CHECK(after > before + BASE_CODE_CHUNK_BYTES * 2); /* several chunks */
    CHECK_INT(call_all(world.store, instance, 0), 0);
    check_trap(&world, instance);
    CHECK_INT(tiers_baseline.code_bytes(instance->code, true), after);
    world_free(&world);
  }
  CHECK(was_empty == arena_is_empty());
}

struct caller {
  pthread_t thread;
  struct engine_store *store;
  struct engine_instance *instance;
  uint32_t first;
  int wrong;
};

static void *call_from_thread(void *env) {
  struct caller *caller = env;
  caller->wrong = call_all(caller->store, caller->instance, caller->first);
  return NULL;
}

TEST(threads_compile_what_they_call) {
  struct world world = world_new(&(struct engine_options){.tier = &tiers_baseline}, NULL);
  struct module *module = large_module();
  struct caller callers[THREADS];
  for (uint32_t i = 0; i < THREADS; i++) {
    callers[i] = (struct caller){.first = i % 2}; /* two and two do the same */
    CHECK_INT(engine_store_new(world.engine, NULL, &callers[i].store, NULL), CAY_OK);
    callers[i].instance = instance_in(callers[i].store, module);
    CHECK(callers[i].instance->code == callers[0].instance->code);
  }
  module_release(module);
  for (uint32_t i = 0; i < THREADS; i++)
    CHECK_INT(pthread_create(&callers[i].thread, NULL, call_from_thread, &callers[i]), 0);
  for (uint32_t i = 0; i < THREADS; i++) {
    pthread_join(callers[i].thread, NULL);
    CHECK_INT(callers[i].wrong, 0);
  }
  for (uint32_t i = 0; i < THREADS; i++) engine_store_free(callers[i].store);
  world_free(&world);
}

/* (n) -> (): a loop counts a local, which it keeps in a register, up to n and traps. */
static struct module *counting_module(void) {
  static const uint8_t code[] = "\0asm\1\0\0\0"
                                "\1\5\1\x60\1\x7F\0"
                                "\3\2\1\0"
                                "\x0A\x19\1\x17\1\1\x7F\3\x40"
                                "\x20\1\x41\1\x6A\x22\1\x20\0\x46\4\x40\0\x0B\x0C\0\x0B\x0B";
  struct module *module = NULL;
  struct cay_error error = {0};
  CHECK_INT(module_load(code, sizeof code - 1, MODULE_BYTES_COPY, MODULE_FEATURES_DEFAULT, NULL, &module, &error),
            CAY_OK);
  return module;
}

TEST(locals_are_in_the_frame_after_a_trap) {
  struct world world = world_new(&(struct engine_options){.tier = &tiers_baseline, .exact_locals = true}, NULL);
  struct module *module = counting_module();
  struct engine_instance *instance = instance_in(world.store, module);
  module_release(module);
  uint64_t slot = 1000;
  CHECK_INT(engine_call(world.store, instance->functions[0], &slot), ENGINE_TRAP_UNREACHABLE);
  const struct engine_thread *thread = engine_store_thread(world.store);
  CHECK_INT(thread->backtrace_count, 1);
  CHECK_INT(thread->backtrace[0].fp[1], 1000); /* the stack is kept for the next call */
  world_free(&world);
}

TEST(code_objects_come_and_go) {
  struct module *module = large_module();
  const struct engine_code_options options = {0};
  void *codes[8] = {0};
  for (uint32_t round = 0; round < 40; round++) {
    void **code = &codes[round * 5 % 8];
    const void *const *entries;
    if (*code) tiers_baseline.code_free(*code);
    CHECK_INT(tiers_baseline.code_new(module, &options, code, &entries, NULL), CAY_OK);
    CHECK(base_code_contains((uintptr_t)entries[0]) && base_code_contains((uintptr_t)entries[FUNCTIONS - 1]));
    if (round % 3 == 0) CHECK(tiers_baseline.code_bytes(*code, true) > BASE_CODE_CHUNK_BYTES * 2);
  }
  for (size_t i = 0; i < 8; i++) tiers_baseline.code_free(codes[i]);
  module_release(module);
  CHECK(arena_is_empty());
}

TEST_MAIN(RUN(all_at_once) RUN(threads_compile_what_they_call) RUN(locals_are_in_the_frame_after_a_trap)
              RUN(code_objects_come_and_go))
