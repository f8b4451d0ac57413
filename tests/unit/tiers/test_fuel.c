/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Fuel: what is charged is what the code says, counted by hand here, in every tier; a limit ends the guest at the same
 * place in each; and results are as without. */
#include "builder.h"

enum { INT_TO_INT, NOTHING, BYTES };
static void add_types(struct builder *b) {
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  TYPE(b, FUNC_TYPE, 0, 0);
  TYPE(b, ARRAY_TYPE, T_I8, 1);
}

#define COUNT_DOWN(local) GET(local), I32(1), I32_SUB, TEE(local), BR_IF(0) /* 5 */
static void build(struct builder *b) {
  MEMORY(b, 1, 1, 4);
  TABLE(b, NULL, T_FUNC, 1, 8, 64);
  GLOBAL(b, "count", T_I32, 1, I32(0), END);
  DATA(b, 1, 4, 1, 2, 3, 4);
  FUNC(b, "straight", INT_TO_INT, NO_LOCALS, GET(0), I32(1), I32_ADD);
  FUNC(b, "loop", INT_TO_INT, NO_LOCALS, LOOP(T_VOID), COUNT_DOWN(0), END, GET(0));
  FUNC(b, "nested", INT_TO_INT, LOCALS(1, T_I32), LOOP(T_VOID), I32(3), SET(1), LOOP(T_VOID), GLOBAL_GET(0), I32(1),
       I32_ADD, GLOBAL_SET(0), COUNT_DOWN(1), END, COUNT_DOWN(0), END, GLOBAL_GET(0));
  FUNC(b, "dead", INT_TO_INT, NO_LOCALS, BLOCK(T_VOID), BR(0), LOOP(T_VOID), 0x01, 0x01, BR(0), END, END, LOOP(T_VOID),
       COUNT_DOWN(0), END, GET(0));
  FUNC(b, "fib", INT_TO_INT, NO_LOCALS, GET(0), I32(2), I32_LT_U, IF(T_VOID), GET(0), RETURN, END, GET(0), I32(1),
       I32_SUB, CALL(5), GET(0), I32(2), I32_SUB, CALL(5), I32_ADD);
  /* A loop that nobody branches to, around it one that somebody does. */
  FUNC(b, "idle", INT_TO_INT, LOCALS(2, T_I32), LOOP(T_VOID), GET(1), I32(3), I32_ADD, SET(1), LOOP(T_VOID), GET(1),
       GET(2), I32_ADD, SET(2), END, COUNT_DOWN(0), END, GET(2));
  FUNC(b, "fill", INT_TO_INT, NO_LOCALS, I32(0), I32(7), GET(0), 0xFC, 11, 0, I32(0), 0x28, 2, 0);
  FUNC(b, "copy", INT_TO_INT, NO_LOCALS, I32(0), I32(16), GET(0), 0xFC, 10, 0, 0, I32(9));
  FUNC(b, "init", INT_TO_INT, NO_LOCALS, I32(0), I32(0), GET(0), 0xFC, 8, 0, 0, I32(0), 0x28, 2, 0);
  FUNC(b, "grow", INT_TO_INT, NO_LOCALS, GET(0), 0x40, 0);
  FUNC(b, "tables", INT_TO_INT, NO_LOCALS, REF_NULL(T_FUNC), GET(0), TABLE_GROW(0), DROP, I32(0), REF_NULL(T_FUNC),
       GET(0), TABLE_FILL(0), I32(5));
  FUNC(b, "arrays", INT_TO_INT, NO_LOCALS, I32(6), GET(0), ARRAY_NEW(BYTES), ARRAY_LEN);
  FUNC(b, "tail", INT_TO_INT, NO_LOCALS, GET(0), I32_EQZ, IF(T_VOID), I32(7), RETURN, END, GET(0), I32(1), I32_SUB,
       RETURN_CALL(13));
}

static struct base_budget *budget;
static struct world world;
static struct engine_instance *instance;

static void start(const struct mode *mode, uint64_t limit) {
  static struct builder b;
  b = (struct builder){0};
  add_types(&b);
  IMPORT_FUNC(&b, "collect", NOTHING);
  build(&b);
  budget = base_budget_new(NULL);
  base_budget_set_limit(budget, BASE_LIMIT_FUEL, limit);
  world = world_in(mode, budget);
  struct engine_extern import = host_function(&world, &no_values, host_collect, NULL);
  instance = instance_of(&world, &b, &import, CAY_OK);
}
static void end(void) {
  world_free(&world);
  base_budget_release(budget);
}
static uint64_t used(void) { return base_budget_used(budget, BASE_LIMIT_FUEL); }

static const struct {
  const char *name;
  uint32_t argument, result;
  uint64_t cost;
} cases[] = {
    {"straight", 1, 2, 3},
    {"loop", 1, 0, 2 + 5},
    {"loop", 40000, 0, 2 + 40000 * 5},
    {"nested", 7, 21, 2 + 7 * (8 + 3 * 9)},
    {"dead", 3, 0, 5 + 3 * 5},
    {"fib", 10, 55, 177 * 15},
    {"fib", 20, 6765, 21891 * 15},
    {"idle", 30001, 0, 0},
    {"fill", 160, 0x07070707, 6 + 10},
    {"fill", 175, 0x07070707, 6 + 10},
    {"copy", 48, 9, 5 + 3},
    {"init", 4, 0x04030201, 6},
    {"grow", 2, 1, 2 + 2 * 4096},
    {"grow", 100, UINT32_MAX, 2 + 100 * 4096},
    {"tables", 10, 5, 9 + 5 + 5},
    {"arrays", 100, 100, 4 + 50},
    {"tail", 1000, 7, 1001 * 9},
};

/* The loop that nobody branches to pays like one that is entered once. */
static uint64_t cost_of_idle(uint32_t n) { return 2 + (uint64_t)n * (4 + 1 + 5 + 4); }
static uint32_t result_of_idle(uint32_t n) { return 3 * (n * (n + 1) / 2); }

TEST(costs) {
  for (size_t m = 0; m < BASE_ARRAY_LEN(modes); m++)
    for (size_t i = 0; i < BASE_ARRAY_LEN(cases); i++) {
      const struct mode mode = {modes[m].is_explicit, modes[m].is_stressed, true};
      bool is_idle = strcmp(cases[i].name, "idle") == 0;
      start(&mode, BASE_NO_LIMIT);
      uint64_t cost = is_idle ? cost_of_idle(cases[i].argument) : cases[i].cost;
      CHECK_CALL(&world, instance, cases[i].name, cases[i].argument,
                 is_idle ? result_of_idle(cases[i].argument) : cases[i].result);
      if (used() != cost) fprintf(stderr, "in %s(%u)\n", cases[i].name, cases[i].argument);
      CHECK_INT(used(), cost);
      end();
    }
}

/* A code of a store without fuel charges nothing. */
TEST(without) {
  const struct mode mode = {false, false, false};
  start(&mode, 0);
  CHECK_CALL(&world, instance, "fib", 10, 55);
  CHECK_INT(used(), 0);
  end();
}

/* Whatever the limit is, the guest has done the same when it ends, in every tier: `done` is what the first one found. */
TEST(limits) {
  enum { N = 4, COST = 2 + N * (8 + 3 * 9) };
  static uint32_t done[COST + 2];
  static bool is_known;
  for (uint64_t limit = 0; limit <= COST + 1; limit++) {
    const struct mode mode = {false, false, true};
    start(&mode, limit);
    uint64_t slots[4] = {N};
    enum engine_trap trap = call_with(&world, instance, "nested", slots);
    CHECK_INT(trap, limit < COST ? ENGINE_TRAP_LIMIT : ENGINE_TRAP_NONE);
    CHECK_INT(used(), limit < COST ? limit : COST);
    if (trap != ENGINE_TRAP_NONE) CHECK_INT(engine_store_thread(world.store)->limit, BASE_LIMIT_FUEL);
    CHECK_INT(base_budget_hits(budget) >> BASE_LIMIT_FUEL & 1, limit < COST);
    uint32_t count = (uint32_t)export_of(instance, "count").global.cell->value[0];
    if (!is_known) done[limit] = count;
    CHECK_INT(count, done[limit]);
    end();
  }
  is_known = true;
  CHECK_INT(done[0], 0);
  CHECK_INT(done[COST], 3 * N);
  CHECK(done[COST / 2] > 0 && done[COST / 2] < 3 * N);
}

/* The work of large operations is paid for before it is done; the trap is where they stand. */
TEST(bulk) {
  const struct mode mode = {true, false, true};
  start(&mode, 100);
  CHECK_TRAP(&world, instance, "fill", 16 * 200, ENGINE_TRAP_LIMIT);
  struct engine_frame frame;
  CHECK(engine_backtrace_frame(engine_store_thread(world.store), 0, &frame));
  CHECK_INT(instance->module->bytes[frame.offset], 0xFC);
  CHECK_INT(used(), 100);
  CHECK_TRAP(&world, instance, "straight", 1, ENGINE_TRAP_LIMIT); /* nothing is left */
  end();
  start(&mode, BASE_NO_LIMIT);
  CHECK_TRAP(&world, instance, "fill", UINT32_MAX, ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(used(), 6 + UINT32_MAX / 16);
  end();
}

TIERS_TEST_MAIN(RUN(costs) RUN(without) RUN(limits) RUN(bulk))
