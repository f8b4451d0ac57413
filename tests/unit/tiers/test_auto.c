/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* That functions and loops are optimized while they run, and go on with the same values. Samples come after a few ticks and
 * wait for the answer, so that they come at many moments; other tests run so, too (every_tier.h). */
#include "builder.h"

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
              RUN(a_loop_goes_on_in_optimized_code) RUN(calls_go_to_optimized_code) RUN(values_of_all_types_move)
                  RUN(a_trap_has_the_frames_of_both) RUN(what_is_refused_goes_on) RUN(a_frame_with_references_moves)
                      RUN(modules_take_turns))
