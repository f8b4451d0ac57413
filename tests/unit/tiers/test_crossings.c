/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Calls between optimized and compiled code: whichever functions are optimized, everything is as if none was: results, traps with
 * their frames and positions, where the stack ends, fuel, and what the host sees from inside. The baseline says what is right. */
#include "builder.h"
#include "tiers/tiers.h"

/* Each calls others with one less, in a way of its own, and comes to `bottom` at 0. */
enum { INT_TO_INT, MANY };
enum { HOST, BOTTOM, DIRECT, INDIRECT, LOOPING, MIXED, SEVERAL, READ, READS, FUNCTIONS };
enum { MIXES = 24 };

static void build(struct builder *b) {
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  TYPE(b, FUNC_TYPE, 5, T_I32, T_I64, T_F32, T_F64, T_V128, 5, T_I32, T_I64, T_F32, T_F64, T_V128);
  IMPORT_FUNC(b, "host", INT_TO_INT);
  TABLE(b, NULL, T_FUNC, 0, FUNCTIONS);
  MEMORY(b, 0, 1);
  /* BOTTOM: what the host makes of the byte at 0, or, beyond 5, a trap of its own. */
  FUNC(b, "bottom", INT_TO_INT, NO_LOCALS, I32(0), 0x2D, 0, 0, CALL(HOST), TEE(0), I32(5), I32_LT_U, IF(T_VOID), GET(0),
       RETURN, END, UNREACHABLE);
  FUNC(b, "direct", INT_TO_INT, LOCALS(2, T_I64), GET(0), I32_EQZ, IF(T_VOID), I32(0), CALL(BOTTOM), RETURN, END,
       GET(0), GET(0), I32(1), I32_SUB, CALL(INDIRECT), I32_ADD);
  FUNC(b, "indirect", INT_TO_INT, NO_LOCALS, GET(0), I32_EQZ, IF(T_VOID), I32(0), CALL(BOTTOM), RETURN, END, I32(3),
       GET(0), I32(1), I32_SUB, I32(LOOPING), CALL_INDIRECT(INT_TO_INT, 0), I32_ADD);
  FUNC(b, "looping", INT_TO_INT, LOCALS(1, T_I32), GET(0), I32_EQZ, IF(T_VOID), I32(0), CALL(BOTTOM), RETURN, END,
       I32(2), SET(1), LOOP(T_VOID), GET(1), I32(1), I32_SUB, TEE(1), BR_IF(0), END, GET(0), I32(1), I32_SUB,
       CALL(MIXED), GET(1), I32_ADD);
  FUNC(b, "mixed", INT_TO_INT, NO_LOCALS, GET(0), I32_EQZ, IF(T_VOID), I32(0), CALL(BOTTOM), RETURN, END, GET(0),
       GET(0), I64_EXTEND_I32_U, GET(0), 0xB3, GET(0), 0xB8, GET(0), 0xFD, 17, CALL(SEVERAL), 0xFD, 27, 3, GET(0),
       I32_ADD, SET(0), 0xAA, GET(0), I32_ADD, SET(0), 0xA8, GET(0), I32_ADD, SET(0), 0xA7, GET(0), I32_ADD, I32_ADD);
  FUNC(b, NULL, MANY, NO_LOCALS, GET(0), I32(1), I32_SUB, CALL(DIRECT), GET(1), GET(2), GET(3), GET(4));
  FUNC(b, NULL, INT_TO_INT, NO_LOCALS, GET(0), 0x28, 2, 0);
  FUNC(b, "reads", INT_TO_INT, NO_LOCALS, GET(0), CALL(BOTTOM), DROP, GET(0), I32(16), 0x74, CALL(READ), GET(0),
       I32_ADD);
  ELEM(b, 0, I32(0), END, FUNCTIONS, HOST, BOTTOM, DIRECT, INDIRECT, LOOPING, MIXED, SEVERAL, READ, READS);
}

/* What the host gives back, and what it sees. */
struct seen {
  uint64_t answer;
  uint64_t frame_count; /* of all activations */
  int nests;            /* how many more times it calls the guest from inside */
  struct engine_store *store;
  struct engine_function *direct;
};

static enum engine_trap host(struct engine_call *call, uint64_t *slots) {
  struct seen *seen = call->env;
  engine_backtrace_capture(call->thread);
  seen->frame_count = call->thread->backtrace_total;
  if (seen->answer == UINT32_MAX) engine_interrupt(seen->store);
  slots[0] = seen->answer;
  if (seen->nests == 0) return ENGINE_TRAP_NONE;
  seen->nests--;
  slots[0] = 7;
  return engine_call(seen->store, seen->direct, slots);
}

struct outcome {
  enum engine_trap trap;
  uint64_t result, seen_frames, total;
  int64_t fuel;
  uint32_t count;
  struct engine_frame frames[ENGINE_BACKTRACE_FRAMES];
};

struct wish {
  const char *name;
  uint64_t argument, answer;
  int nests;
  bool is_deterministic;
  uint64_t fuel; /* 0: enough */
};

static struct outcome run(const struct engine_tier *tier, uint32_t mix, const struct wish *wish) {
  static struct builder b;
  b = (struct builder){0};
  build(&b);
  tiers_optimized_mix(mix);
  struct base_budget *budget = base_budget_new(NULL);
  CHECK(budget);
  base_budget_set_limit(budget, BASE_LIMIT_FUEL, wish->fuel ? wish->fuel : 1 << 24);
  const struct engine_options options = {
      .tier = tier, .stack_bytes = 1 << 16, .fuel = true, .canonical_nans = wish->is_deterministic};
  struct world world = world_new(&options, &(struct engine_limits){.budget = budget});
  struct seen seen = {.answer = wish->answer, .nests = wish->nests, .store = world.store};
  struct engine_extern import = host_function(&world, &i32_to_i32, host, &seen);
  struct engine_instance *instance = instance_of(&world, &b, &import, CAY_OK);
  struct outcome outcome = {0};
  uint64_t slots[4] = {wish->argument};
  seen.direct = export_of(instance, "direct").func;
  outcome.trap = call_with(&world, instance, wish->name, slots);
  struct engine_thread *thread = engine_store_thread(world.store);
  outcome.result = outcome.trap ? 0 : (uint32_t)slots[0];
  outcome.seen_frames = seen.frame_count;
  outcome.total = outcome.trap ? thread->backtrace_total : 0;
  outcome.fuel = (int64_t)base_budget_used(budget, BASE_LIMIT_FUEL);
  outcome.count = outcome.trap ? thread->backtrace_count : 0;
  for (uint32_t i = 0; i < outcome.count; i++) CHECK(engine_backtrace_frame(thread, i, &outcome.frames[i]));
  world_free(&world);
  base_budget_release(budget);
  return outcome;
}

static void check_same(const struct outcome *own, const struct outcome *right) {
  CHECK_INT(own->trap, right->trap);
  CHECK_INT(own->result, right->result);
  CHECK_INT(own->seen_frames, right->seen_frames);
  CHECK_INT(own->total, right->total);
  CHECK_INT(own->fuel, right->fuel);
  CHECK_INT(own->count, right->count);
  for (uint32_t i = 0; i < own->count && i < right->count; i++) {
    CHECK_INT(own->frames[i].func, right->frames[i].func);
    CHECK_INT(own->frames[i].offset, right->frames[i].offset);
    CHECK_INT(own->frames[i].host != NULL, right->frames[i].host != NULL);
  }
}

static void check_all_mixes(const struct wish *wish, enum engine_trap expected) {
  struct outcome right = run(&tiers_baseline, 0, wish);
  CHECK_INT(right.trap, expected);
  for (uint32_t mix = 0; mix < MIXES; mix++) {
    struct outcome own = run(&tiers_optimized, mix, wish);
    check_same(&own, &right);
  }
  tiers_optimized_mix(0);
}

TEST(results) {
  for (uint64_t n = 0; n < 8; n++) check_all_mixes(&(struct wish){"direct", n, 4, 0, false}, ENGINE_TRAP_NONE);
  check_all_mixes(&(struct wish){"indirect", 100, 4, 0, false}, ENGINE_TRAP_NONE);
}
TEST(traps) {
  for (uint64_t n = 0; n < 8; n++) check_all_mixes(&(struct wish){"looping", n, 6, 0, false}, ENGINE_TRAP_UNREACHABLE);
  check_all_mixes(&(struct wish){"mixed", 90, 6, 2, false}, ENGINE_TRAP_UNREACHABLE);
}
TEST(interruptions) {
  check_all_mixes(&(struct wish){"mixed", 5, UINT32_MAX, 0, false}, ENGINE_TRAP_INTERRUPTED);
  check_all_mixes(&(struct wish){"direct", 5, UINT32_MAX, 2, false}, ENGINE_TRAP_INTERRUPTED);
}
/* What is inlined has a frame like any other. */
TEST(faults_in_small_functions) {
  check_all_mixes(&(struct wish){"reads", 0, 4, 0, false}, ENGINE_TRAP_NONE);
  check_all_mixes(&(struct wish){"reads", 1, 4, 0, false}, ENGINE_TRAP_MEMORY_BOUNDS);
}
/* The end of the stack is at the same call only where runs are the same on every machine. */
TEST(the_stack_ends_at_the_same_call) {
  check_all_mixes(&(struct wish){"direct", 1 << 20, 4, 0, true}, ENGINE_TRAP_STACK_EXHAUSTED);
  check_all_mixes(&(struct wish){"looping", 1 << 20, 4, 0, true}, ENGINE_TRAP_STACK_EXHAUSTED);
}
TEST(fuel_ends_at_the_same_instruction) {
  for (uint64_t fuel = 100; fuel < 1000; fuel += 100)
    check_all_mixes(&(struct wish){"mixed", 1000, 4, 0, true, fuel}, ENGINE_TRAP_LIMIT);
}

TEST_MAIN(tiers_find_helper(); RUN(results) RUN(traps) RUN(interruptions) RUN(faults_in_small_functions)
              RUN(the_stack_ends_at_the_same_call) RUN(fuel_ends_at_the_same_instruction))
