/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* References and exceptions where optimized and compiled frames alternate: whichever functions are optimized, a collection finds
 * what each frame holds, an exception comes to the same handler, and nothing is lost on the way. The baseline says what is right. */
#include "builder.h"

enum { INT_TO_INT, NOTHING, TAKES_INT, CELL };
static void add_types(struct builder *b) {
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  TYPE(b, FUNC_TYPE, 0, 0);
  TYPE(b, FUNC_TYPE, 1, T_I32, 0);
  TYPE(b, STRUCT_TYPE, 1, T_I32, 1);
}

/* Each holds one cell in a local and one on the stack while it calls the next with one less, and adds up what they hold. At 0
 * comes `bottom`, which throws or returns as the global says. */
enum { HOST_COLLECT, BOTTOM, DIRECT, INDIRECT, CATCHING, LOOPING, TAILING, CATCHING_REF, FUNCTIONS };
enum { MIXES = 12, DEEPEST = 14, INT_TAG = 0 };
#define HOLD(...)                                                                                                  \
  GET(0), STRUCT_NEW(CELL), SET(1), GET(0), I32(1), I32_ADD, STRUCT_NEW(CELL), GET(0), I32_EQZ, IF(T_I32), I32(0), \
      CALL(BOTTOM), ELSE, __VA_ARGS__, END
#define LET_GO SET(0), STRUCT_GET(CELL, 0), GET(0), I32_ADD, GET(1), STRUCT_GET(CELL, 0), I32_ADD
#define ONE_LESS GET(0), I32(1), I32_SUB

static void build(struct builder *b) {
  TABLE(b, NULL, T_FUNC, 0, FUNCTIONS);
  TAG(b, NULL, TAKES_INT);
  GLOBAL(b, "throws", T_I32, 1, I32(0), END);
  FUNC(b, "bottom", INT_TO_INT, NO_LOCALS, CALL(HOST_COLLECT), GLOBAL_GET(0), IF(T_VOID), GLOBAL_GET(0), THROW(INT_TAG),
       END, I32(5));
  FUNC(b, "direct", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELL)), HOLD(ONE_LESS, CALL(INDIRECT)), LET_GO);
  FUNC(b, "indirect", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELL)),
       HOLD(ONE_LESS, I32(CATCHING), CALL_INDIRECT(INT_TO_INT, 0)), LET_GO);
  FUNC(b, "catching", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELL)),
       HOLD(BLOCK(T_I32), TRY_TABLE(T_I32, 1), CATCH(INT_TAG, 0), ONE_LESS, CALL(LOOPING), END, END),
       CALL(HOST_COLLECT), LET_GO);
  FUNC(b, "looping", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELL)),
       HOLD(LOOP(T_I32), ONE_LESS, CALL(TAILING), GET(0), I32(40), I32_LT_U, I32_EQZ, BR_IF(0), END), LET_GO);
  FUNC(b, "tailing", INT_TO_INT, NO_LOCALS, GET(0), I32_EQZ, IF(T_VOID), I32(0), RETURN_CALL(BOTTOM), END, ONE_LESS,
       RETURN_CALL(CATCHING_REF));
  FUNC(b, "catching ref", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELL)),
       HOLD(0x02, REF(T_EXN), TRY_TABLE(T_I32, 1), CATCH_ALL_REF(0), ONE_LESS, CALL(DIRECT), END, BR(1), END,
            CALL(HOST_COLLECT), THROW_REF),
       LET_GO);
  ELEM(b, 0, I32(0), END, FUNCTIONS, HOST_COLLECT, BOTTOM, DIRECT, INDIRECT, CATCHING, LOOPING, TAILING, CATCHING_REF);
}

struct outcome {
  enum engine_trap trap;
  uint64_t result, frames;
};

static struct outcome run(struct world *world, struct engine_instance *instance, const char *name, uint32_t argument) {
  uint64_t slots[4] = {argument};
  enum engine_trap trap = call_with(world, instance, name, slots);
  struct engine_thread *thread = engine_store_thread(world->store);
  return (struct outcome){trap, trap ? 0 : slots[0], trap ? thread->backtrace_total : 0};
}

static struct outcome right[FUNCTIONS][DEEPEST][2];
static bool is_right_known;

static void check(struct world *world, struct engine_instance *instance) {
  static const char *const names[FUNCTIONS] = {[DIRECT] = "direct",     [INDIRECT] = "indirect",
                                               [CATCHING] = "catching", [LOOPING] = "looping",
                                               [TAILING] = "tailing",   [CATCHING_REF] = "catching ref"};
  for (int first = DIRECT; first < FUNCTIONS; first++)
    for (uint32_t depth = 0; depth < DEEPEST; depth++)
      for (uint32_t throws = 0; throws < 2; throws++) {
        export_of(instance, "throws").global.cell->value[0] = throws * 1000;
        struct outcome own = run(world, instance, names[first], depth), *expected = &right[first][depth][throws];
        if (!is_right_known) *expected = own;
        CHECK_INT(own.trap, expected->trap);
        CHECK_INT(own.result, expected->result);
        CHECK_INT(own.frames, expected->frames);
      }
}

static void run_all(const struct engine_tier *tier) {
  tested_tier = tier;
  run_in_modes(add_types, NOTHING, build, check);
  is_right_known = true;
}

TEST(the_baseline) {
  run_all(&tiers_baseline);
  CHECK_INT(right[DIRECT][0][0].result, 5 + 1);
  CHECK_INT(right[CATCHING][1][1].result, 1000 + 1 + 2);
  CHECK_INT(right[DIRECT][1][1].trap, ENGINE_TRAP_EXCEPTION);
}
TEST(all_mixes) {
  for (uint32_t mix = 0; mix < MIXES; mix++) {
    tiers_optimized_mix(mix);
    run_all(&tiers_optimized);
  }
  tiers_optimized_mix(0);
}
static void check_report(struct world *world, struct engine_instance *instance) {
  (void)world;
  struct base_text text = {0};
  tiers_optimized.report(instance->code, &text);
  CHECK(text.bytes && strstr(text.bytes, "optimized 7 of 7 functions"));
  base_text_deinit(&text);
}
TEST(nothing_is_left_out) { run_in_modes(add_types, NOTHING, build, check_report); }
TEST(while_it_runs) { run_all(&tiers_auto); }

TEST_MAIN(tiers_find_helper(); RUN(the_baseline) RUN(all_mixes) RUN(nothing_is_left_out) RUN(while_it_runs))
