/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* That functions and loops are optimized while they run, and go on with the same values. Samples come after a few ticks and
 * wait for the answer, so that they come at many moments; other tests run so, too (every_tier.h). */
#include "builder.h"

#include <pthread.h>

enum { INT_TO_INT, NUMBERS };
static void add_types(struct builder *b) {
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  TYPE(b, FUNC_TYPE, 5, T_I32, T_I64, T_F32, T_F64, T_V128, 5, T_I32, T_I64, T_F32, T_F64, T_V128);
}

/* Counts local `counter` down to 0. */
#define COUNT_DOWN(counter) LOOP(T_VOID), GET(counter), I32(1), I32_SUB, TEE(counter), BR_IF(0), END

static void build(struct builder *b) {
  add_types(b);
  /* 0: 7 n + n (n + 1) / 2; the former lies on the stack below the loop. */
  FUNC(b, "sum", INT_TO_INT, LOCALS(1, T_I32), GET(0), I32(7), I32_MUL, LOOP(T_VOID), GET(1), GET(0), I32_ADD, SET(1),
       GET(0), I32(1), I32_SUB, TEE(0), BR_IF(0), END, GET(1), I32_ADD);
  FUNC(b, "fib", INT_TO_INT, NO_LOCALS, GET(0), I32(2), I32_LT_U, IF(T_VOID), GET(0), RETURN, END, GET(0), I32(1),
       I32_SUB, CALL(1), GET(0), I32(2), I32_SUB, CALL(1), I32_ADD); /* 1 */
  /* 2: returns what it was given, of which a loop sees all, in locals and on the stack. */
  FUNC(b, NULL, NUMBERS, LOCALS(1, T_I32), GET(0), GET(1), GET(2), GET(3), GET(4), I32(50), SET(5), COUNT_DOWN(5),
       SET(4), SET(3), SET(2), SET(1), SET(0), I32(50), SET(5), COUNT_DOWN(5), GET(0), GET(1), GET(2), GET(3), GET(4));
  /* 3: 5 n, by numbers of all types. */
  FUNC(b, "numbers", INT_TO_INT, LOCALS(1, T_I64), GET(0), GET(0), I64_EXTEND_I32_U, GET(0), 0xB3, GET(0), 0xB8, GET(0),
       0xFD, 17, CALL(2), 0xFD, 27, 3, I64_EXTEND_I32_U, SET(1), 0xB1, GET(1), I64_ADD, SET(1), 0xAF, GET(1), I64_ADD,
       SET(1), GET(1), I64_ADD, 0xA7, I32_ADD);
  /* 4: traps when it has counted down; 5: after calls of it that do not. */
  FUNC(b, "count", INT_TO_INT, NO_LOCALS, COUNT_DOWN(0), GET(0), I32_EQZ, IF(T_VOID), UNREACHABLE, END, GET(0));
  FUNC(b, "trap", INT_TO_INT, NO_LOCALS, GET(0), CALL(4), DROP, I32(1));
  FUNC(b, "holds", INT_TO_INT, LOCALS(1, T_ANY), COUNT_DOWN(0), I32(9)); /* 6: a reference */
}

static void ask_early(void) {
  tiers_find_helper();
  tiers_auto_hasten(10);
}

struct setting {
  struct world world;
  struct engine_instance *instance;
};
static struct setting begin(void) {
  static struct builder b;
  b = (struct builder){0};
  build(&b);
  struct setting setting = {.world = world_new(&(struct engine_options){.tier = &tiers_auto}, NULL)};
  setting.instance = instance_of(&setting.world, &b, NULL, CAY_OK);
  return setting;
}

static void check_report(const struct setting *setting, const char *expected) {
  struct base_text text = {0};
  tiers_auto.report(setting->instance->code, &text);
  CHECK_TEXT(text.bytes ? text.bytes : "", expected);
  base_text_deinit(&text);
}

TEST(without_a_helper_the_baseline_runs) {
  struct setting setting = begin();
  tiers_optimized_look_in("/nowhere");
  CHECK_CALL(&setting.world, setting.instance, "sum", 1000, 507500);
  check_report(&setting,
               "optimized 0 of 7 functions while it ran, and moved 0 times; the rest is not: cay-llvm cannot be "
               "started: it is not beside cay");
  world_free(&setting.world);
  ask_early();
}

TEST(nothing_is_asked_for_before_it_is_busy) {
  tiers_auto_hasten(0);
  struct setting setting = begin();
  CHECK_CALL(&setting.world, setting.instance, "sum", 10, 125);
  check_report(&setting, "");
  world_free(&setting.world);
  ask_early();
}

TEST(a_loop_goes_on_in_optimized_code) {
  struct setting setting = begin();
  CHECK_CALL(&setting.world, setting.instance, "sum", 1000, 507500);
  check_report(&setting, "optimized 1 of 7 functions while it ran, and moved 1 times");
  CHECK_CALL(&setting.world, setting.instance, "sum", 1000, 507500);
  check_report(&setting, "optimized 1 of 7 functions while it ran, and moved 1 times");
  world_free(&setting.world);
}

TEST(calls_go_to_optimized_code) {
  struct setting setting = begin();
  CHECK_CALL(&setting.world, setting.instance, "fib", 15, 610);
  check_report(&setting, "optimized 1 of 7 functions while it ran, and moved 0 times");
  world_free(&setting.world);
}

TEST(values_of_all_types_move) {
  for (uint32_t every = 1; every < 60; every += 7) {
    tiers_auto_hasten(every);
    struct setting setting = begin();
    CHECK_CALL(&setting.world, setting.instance, "numbers", 12, 60);
    CHECK_CALL(&setting.world, setting.instance, "numbers", 13, 65);
    world_free(&setting.world);
  }
  ask_early();
}

static void check_frame(const struct setting *setting, uint32_t at, uint32_t func) {
  struct engine_frame frame;
  CHECK(engine_backtrace_frame(engine_store_thread(setting->world.store), at, &frame));
  CHECK_INT(frame.func, func);
}

TEST(a_trap_has_the_frames_of_both) {
  struct setting setting = begin();
  CHECK_TRAP(&setting.world, setting.instance, "trap", 100, ENGINE_TRAP_UNREACHABLE);
  CHECK_INT(engine_store_thread(setting.world.store)->backtrace_count, 2);
  check_frame(&setting, 0, 4);
  check_frame(&setting, 1, 5);
  check_report(&setting, "optimized 1 of 7 functions while it ran, and moved 1 times");
  world_free(&setting.world);
}

TEST(what_is_refused_goes_on) {
  enum { WITHOUT_THE_LAST = 7 };
  tiers_optimized_mix(WITHOUT_THE_LAST);
  struct setting setting = begin();
  CHECK_CALL(&setting.world, setting.instance, "holds", 100, 9);
  struct base_text text = {0};
  tiers_auto.report(setting.instance->code, &text);
  CHECK(strstr(text.bytes, "; 1 not for the sake of a test"));
  base_text_deinit(&text);
  world_free(&setting.world);
  tiers_optimized_mix(0);
}

TEST(a_frame_with_references_moves) {
  struct setting setting = begin();
  CHECK_CALL(&setting.world, setting.instance, "holds", 100, 9);
  check_report(&setting, "optimized 1 of 7 functions while it ran, and moved 1 times");
  world_free(&setting.world);
}

/* More than the builder takes: "slow", whose code LLVM takes a while for, and "fib". Each step of the former has a remainder,
 * which may trap. Lengths have five bytes. */
enum { SLOW_STEPS = 3000 };
static struct {
  uint8_t items[1 << 17];
  size_t count;
} large;

static void add_large(const uint8_t *bytes, size_t count) {
  memcpy(large.items + large.count, bytes, count);
  large.count += count;
}
#define ADD_LARGE(...) add_large((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static size_t begin_length(void) {
  large.count += 5;
  return large.count;
}

static void end_length(size_t start) {
  size_t value = large.count - start;
  for (size_t i = 0; i < 5; i++) large.items[start - 5 + i] = (uint8_t)((value >> 7 * i & 0x7F) | (i < 4 ? 0x80 : 0));
}

static void build_large(void) {
  large.count = 0;
  ADD_LARGE(0, 'a', 's', 'm', 1, 0, 0, 0, 1, 6, 1, 0x60, 1, T_I32, 1, T_I32, 3, 3, 2, 0, 0);
  ADD_LARGE(7, 14, 2, 4, 's', 'l', 'o', 'w', 0, 0, 3, 'f', 'i', 'b', 0, 1, 10);
  size_t section = begin_length();
  ADD_LARGE(2);
  size_t function = begin_length();
  ADD_LARGE(LOCALS(1, T_I32), GET(0), TEE(1), COUNT_DOWN(0), I32(0));
  for (int i = 0; i < SLOW_STEPS; i++)
    ADD_LARGE(GET(1), I32(3), I32_ADD, TEE(1), GET(1), I32(7), I32_ADD, 0x70, I32_ADD);
  ADD_LARGE(I32_ADD, END);
  end_length(function);
  function = begin_length();
  ADD_LARGE(NO_LOCALS, GET(0), I32(2), I32_LT_U, IF(T_VOID), GET(0), RETURN, END, GET(0), I32(1), I32_SUB, CALL(1),
            GET(0), I32(2), I32_SUB, CALL(1), I32_ADD, END);
  end_length(function);
  end_length(section);
}

static uint64_t slow(uint32_t n) {
  uint32_t sum = 0;
  for (uint32_t i = 1; i <= SLOW_STEPS; i++) sum += (n + 3 * i) % (n + 3 * i + 7);
  return sum + n;
}

static struct setting begin_large(void) {
  struct module *module;
  struct setting setting = {.world = world_new(&(struct engine_options){.tier = &tiers_auto}, NULL)};
  build_large();
  CHECK_INT(module_load(large.items, large.count, MODULE_BYTES_BORROW, MODULE_FEATURES_DEFAULT, NULL, &module, NULL),
            CAY_OK);
  CHECK_INT(engine_instantiate(setting.world.store, module, NULL, "large", &setting.instance, NULL), CAY_OK);
  module_release(module);
  return setting;
}

/* Before there is a helper: it is told when it is started. */
TEST(what_takes_llvm_too_long_is_given_up) {
  tiers_auto_patience(300);
  struct setting setting = begin_large();
  CHECK_CALL(&setting.world, setting.instance, "slow", 100, slow(100));
  check_report(&setting,
               "optimized 0 of 2 functions while it ran, and moved 0 times; 1 not for the time that LLVM takes");
  CHECK_CALL(&setting.world, setting.instance, "fib", 15, 610);
  check_report(&setting,
               "optimized 1 of 2 functions while it ran, and moved 0 times; 1 not for the time that LLVM takes");
  world_free(&setting.world);
  tiers_auto_patience(20000);
}

static unsigned times_asked;
static enum engine_start start_at_last(void *env, int socket) {
  pid_t process;
  (void)env;
  if (++times_asked <= 3) return ENGINE_START_BUSY;
  return tiers_auto.start_for(socket, &process) ? ENGINE_STARTED : ENGINE_START_REFUSED;
}

/* The last one: from now on nobody else starts a helper. */
TEST(who_starts_the_helper_may_be_busy) {
  tiers_auto_patience(100);
  struct setting slow_one = begin_large(); /* which ends the helper that there is */
  CHECK_CALL(&slow_one.world, slow_one.instance, "slow", 100, slow(100));
  world_free(&slow_one.world);
  tiers_auto_patience(20000);
  CHECK(tiers_auto.delegate(start_at_last, NULL));
  struct setting setting = begin();
  CHECK_CALL(&setting.world, setting.instance, "sum", 1000, 507500);
  check_report(&setting, "optimized 1 of 7 functions while it ran, and moved 1 times");
  CHECK_INT(times_asked, 4);
  world_free(&setting.world);
}

/* From a thread that has no part in it: that neither waits for the other for good, and moves are never fewer than before. */
static atomic_bool is_over;
static void *count_meanwhile(void *instance) {
  uint32_t moves = 0, fewer = 0;
  while (!atomic_load(&is_over)) {
    struct engine_code_stats stats;
    tiers_auto.count(((struct engine_instance *)instance)->code, &stats);
    fewer += stats.moves < moves;
    moves = stats.moves;
  }
  return fewer ? instance : NULL;
}

TEST(counts_are_told_while_it_runs) {
  struct setting setting = begin();
  pthread_t thread;
  void *wrong;
  atomic_store(&is_over, false);
  CHECK_INT(pthread_create(&thread, NULL, count_meanwhile, setting.instance), 0);
  for (int i = 0; i < 3; i++) CHECK_CALL(&setting.world, setting.instance, "numbers", 12, 60);
  CHECK_CALL(&setting.world, setting.instance, "sum", 1000, 507500);
  atomic_store(&is_over, true);
  CHECK_INT(pthread_join(thread, &wrong), 0);
  CHECK(!wrong);
  world_free(&setting.world);
}

TEST(modules_take_turns) {
  struct setting one = begin(), other = begin();
  for (int i = 0; i < 3; i++) {
    CHECK_CALL(&one.world, one.instance, i ? "sum" : "fib", 12, i ? 162 : 144);
    CHECK_CALL(&other.world, other.instance, i == 1 ? "fib" : "sum", 20, i == 1 ? 6765 : 350);
  }
  world_free(&one.world);
  CHECK_CALL(&other.world, other.instance, "numbers", 3, 15);
  world_free(&other.world);
}

TEST_MAIN(ask_early(); RUN(without_a_helper_the_baseline_runs) RUN(nothing_is_asked_for_before_it_is_busy)
              RUN(what_takes_llvm_too_long_is_given_up) RUN(a_loop_goes_on_in_optimized_code)
                  RUN(calls_go_to_optimized_code) RUN(values_of_all_types_move) RUN(a_trap_has_the_frames_of_both)
                      RUN(what_is_refused_goes_on) RUN(a_frame_with_references_moves) RUN(counts_are_told_while_it_runs)
                          RUN(modules_take_turns) RUN(who_starts_the_helper_may_be_busy))
