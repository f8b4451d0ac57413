/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Functions that move between compiled code and the interpreter: whichever of them are interpreted, and whenever that
 * changes, a program does the same. Every test runs with both sets of handlers, and with a collection at every
 * allocation. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "builder.h"
#include "tiers/baseline/baseline.h"

enum {
  INT_TO_INT,
  NOTHING,
  TAKES_INT,
  LONG_TO_LONG,
  NUMBERS,
  CELL,
  CELL_TO_CELL,
  LIST,
  NOTHING_TO_INT,
  FIRST_OWN_TYPE
};
#define NUMBER_TYPES 5, T_I32, T_I64, T_F32, T_F64, T_V128
static void add_types(struct builder *b) {
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  TYPE(b, FUNC_TYPE, 0, 0);
  TYPE(b, FUNC_TYPE, 1, T_I32, 0);
  TYPE(b, FUNC_TYPE, 1, T_I64, 1, T_I64);
  TYPE(b, FUNC_TYPE, NUMBER_TYPES, NUMBER_TYPES);
  TYPE(b, STRUCT_TYPE, 1, T_I32, 1);
  TYPE(b, FUNC_TYPE, 1, REF(CELL), 1, REF(CELL));
  TYPE(b, STRUCT_TYPE, 2, T_I32, 1, REF_OR_NULL(LIST), 1);
  TYPE(b, FUNC_TYPE, 0, 1, T_I32);
}

static void in_modes(builder_function build, void (*check)(struct world *world, struct engine_instance *instance)) {
  run_in_modes(add_types, NOTHING, build, check);
}

static void interpret(struct engine_instance *instance, uint32_t func, bool is_interpreted) {
  CHECK_INT(tiers_baseline_interpret(instance->code, func, is_interpreted, NULL), CAY_OK);
}

static uint32_t defined_count(const struct engine_instance *instance) {
  return instance->module->func_count - instance->module->imported_func_count;
}

/* Those whose bit is set are interpreted. */
static void interpret_all(struct engine_instance *instance, uint32_t mask) {
  for (uint32_t i = 0; i < defined_count(instance); i++)
    interpret(instance, instance->module->imported_func_count + i, mask >> i & 1);
}

/* ---- Calls --------------------------------------------------------------------------------------------------------- */

/* Fibonacci numbers by two functions that call each other and themselves; values of all types, several at once; what
 * only lies on the stack of a caller while a callee collects. */
static void build_calls(struct builder *b) {
  TABLE(b, NULL, T_FUNC, 0, 4);
  ELEM(b, 0, I32(0), END, 2, 1, 2);
  FUNC(b, "fib", INT_TO_INT, NO_LOCALS, GET(0), I32(2), I32_LT_U, IF(T_VOID), GET(0), RETURN, END, GET(0), I32(1),
       I32_SUB, CALL(2), GET(0), I32(2), I32_SUB, CALL(1), I32_ADD); /* 1 */
  FUNC(b, "other fib", INT_TO_INT, NO_LOCALS, GET(0), I32(2), I32_LT_U, IF(T_VOID), GET(0), RETURN, END, GET(0), I32(1),
       I32_SUB, I32(0), CALL_INDIRECT(INT_TO_INT, 0), GET(0), I32(2), I32_SUB, I32(1), CALL_INDIRECT(INT_TO_INT, 0),
       I32_ADD); /* 2 */
  FUNC(b, NULL, NUMBERS, NO_LOCALS, GET(0), I32(1), I32_ADD, GET(1), I64(1), I64_ADD, GET(2), I32(1), 0xB3, 0x92,
       GET(3), I32(1), 0xB8, 0xA0, GET(4), I32(1), 0xFD, 17, 0xFD, 0xAE, 1);          /* 3: adds 1 to each */
  FUNC(b, NULL, NUMBERS, NO_LOCALS, GET(0), GET(1), GET(2), GET(3), GET(4), CALL(3)); /* 4 */
  FUNC(b, "numbers", INT_TO_INT, LOCALS(1, T_I64), GET(0), GET(0), I64_EXTEND_I32_U, GET(0), 0xB3, GET(0), 0xB8, GET(0),
       0xFD, 17, CALL(4), CALL(3), 0xFD, 27, 3, I64_EXTEND_I32_U, SET(1), 0xB1, GET(1), I64_ADD, SET(1), 0xAF, GET(1),
       I64_ADD, SET(1), GET(1), I64_ADD, 0xA7, I32_ADD); /* 5: 5 * (argument + 2) */
  FUNC(b, NULL, CELL_TO_CELL, NO_LOCALS, GET(0), STRUCT_GET(CELL, 0), I32(1), I32_ADD, STRUCT_NEW(CELL)); /* 6 */
  FUNC(b, "cells", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELL)), GET(0), STRUCT_NEW(CELL), SET(1), I32(5), STRUCT_NEW(CELL),
       GET(1), REF_AS_NON_NULL, CALL(6), CALL(6), STRUCT_GET(CELL, 0), GET(1), STRUCT_GET(CELL, 0), I32_ADD, SET(0),
       CALL(COLLECT), STRUCT_GET(CELL, 0), GET(0), I32_ADD); /* 7: 2 * argument + 7 */
}
static void check_calls(struct world *world, struct engine_instance *instance) {
  for (uint32_t mask = 0; mask < 1u << 7; mask++) {
    interpret_all(instance, mask);
    CHECK_CALL(world, instance, "fib", 10, 55);
    CHECK_CALL(world, instance, "other fib", 11, 89);
    CHECK_CALL(world, instance, "numbers", 7, 45);
    CHECK_CALL(world, instance, "cells", 20, 47);
  }
}
TEST(calls) { in_modes(build_calls, check_calls); }

/* ---- Tail calls ------------------------------------------------------------------------------------------------------ */

static void build_tails(struct builder *b) {
  TABLE(b, NULL, T_FUNC, 0, 4);
  ELEM(b, 0, I32(0), END, 2, 1, 2);
  FUNC(b, "even", INT_TO_INT, NO_LOCALS, GET(0), I32_EQZ, IF(T_VOID), I32(1), RETURN, END, GET(0), I32(1), I32_SUB,
       RETURN_CALL(2)); /* 1 */
  FUNC(b, "odd", INT_TO_INT, NO_LOCALS, GET(0), I32_EQZ, IF(T_VOID), I32(0), RETURN, END, GET(0), I32(1), I32_SUB,
       I32(0), RETURN_CALL_INDIRECT(INT_TO_INT, 0));                                                          /* 2 */
  FUNC(b, "three", INT_TO_INT, NO_LOCALS, GET(0), CALL(1), GET(0), CALL(2), I32_ADD, GET(0), RETURN_CALL(4)); /* 3 */
  FUNC(b, NULL, INT_TO_INT, NO_LOCALS, GET(0), CALL(1), I32(3), I32_ADD);                                     /* 4 */
}
static void check_tails(struct world *world, struct engine_instance *instance) {
  enum { MANY = 60000 };
  for (uint32_t mask = 0; mask < 1u << 4; mask++) {
    interpret_all(instance, mask);
    CHECK_CALL(world, instance, "even", MANY, 1);
    CHECK_CALL(world, instance, "odd", MANY, 0);
    CHECK_CALL(world, instance, "three", MANY + 1, 3);
  }
}
TEST(tails) { in_modes(build_tails, check_tails); }

/* ---- Traps ----------------------------------------------------------------------------------------------------------- */

/* Frame by frame, what the thread's backtrace says. */
struct trace {
  uint32_t count;
  struct engine_frame frames[ENGINE_BACKTRACE_FRAMES];
};
static struct trace trace_of(const struct world *world) {
  struct engine_thread *thread = engine_store_thread(world->store);
  struct trace trace = {thread->backtrace_count, {{0}}};
  for (uint32_t i = 0; i < trace.count; i++) CHECK(engine_backtrace_frame(thread, i, &trace.frames[i]));
  return trace;
}
static void check_same(const struct trace *trace, const struct trace *expected) {
  CHECK_INT(trace->count, expected->count);
  for (uint32_t i = 0; i < trace->count && i < expected->count; i++) {
    CHECK_INT(trace->frames[i].func, expected->frames[i].func);
    CHECK_INT(trace->frames[i].offset, expected->frames[i].offset);
  }
}

static void build_traps(struct builder *b) {
  ADD(b, PART_TABLES, T_FUNC, 0, 1);
  FUNC(b, "divide", INT_TO_INT, NO_LOCALS, I32(1), GET(0), I32_EQZ, IF(T_VOID), CALL(4), END, GET(0), 0x6E); /* 1 */
  FUNC(b, "call", INT_TO_INT, NO_LOCALS, GET(0), I32(1), I32_EQ, IF(T_VOID), I32(0), CALL(3), DROP, END, GET(0),
       CALL(1), I32(1), I32_ADD);                                                         /* 2 */
  FUNC(b, "call both", INT_TO_INT, NO_LOCALS, GET(0), CALL(1), GET(0), CALL(2), I32_ADD); /* 3 */
  FUNC(b, NULL, NOTHING, NO_LOCALS, CALL(COLLECT));                                       /* 4 */
  FUNC(b, "null", INT_TO_INT, NO_LOCALS, GET(0), IF(T_I32), I32(0), CALL(5), ELSE, I32(0), I32(0),
       CALL_INDIRECT(INT_TO_INT, 0), END); /* 5 */
}
static void check_traps(struct world *world, struct engine_instance *instance) {
  static const struct {
    const char *name;
    uint32_t argument;
    enum engine_trap trap;
  } cases[] = {{"divide", 0, ENGINE_TRAP_INTEGER_DIVIDE_BY_ZERO},
               {"call", 0, ENGINE_TRAP_INTEGER_DIVIDE_BY_ZERO},
               {"call", 1, ENGINE_TRAP_INTEGER_DIVIDE_BY_ZERO},
               {"call both", 0, ENGINE_TRAP_INTEGER_DIVIDE_BY_ZERO},
               {"null", 1, ENGINE_TRAP_NULL_ELEMENT}};
  for (size_t i = 0; i < BASE_ARRAY_LEN(cases); i++) {
    static struct trace expected, trace;
    for (uint32_t mask = 0; mask < 1u << 5; mask++) {
      interpret_all(instance, mask);
      CHECK_TRAP(world, instance, cases[i].name, cases[i].argument, cases[i].trap);
      trace = trace_of(world);
      if (mask == 0) expected = trace;
      check_same(&trace, &expected);
    }
  }
}
TEST(traps) { in_modes(build_traps, check_traps); }

/* Out of bounds of a memory, through guard pages or not, below frames of the other kind. */
static void build_bounds(struct builder *b) {
  MEMORY(b, 0, 1);
  FUNC(b, NULL, INT_TO_INT, NO_LOCALS, GET(0), 0x28, 2, 0);                                              /* 1 */
  FUNC(b, "read", INT_TO_INT, NO_LOCALS, GET(0), CALL(1), I32(1), I32_ADD);                              /* 2 */
  FUNC(b, "read twice", INT_TO_INT, NO_LOCALS, I32(8), CALL(2), DROP, GET(0), CALL(2), I32(1), I32_ADD); /* 3 */
}
static void check_bounds(struct world *world, struct engine_instance *instance) {
  static struct trace expected, trace;
  for (uint32_t mask = 0; mask < 1u << 3; mask++) {
    interpret_all(instance, mask);
    CHECK_CALL(world, instance, "read twice", 16, 2);
    CHECK_TRAP(world, instance, "read twice", 65533, ENGINE_TRAP_MEMORY_BOUNDS);
    trace = trace_of(world);
    if (mask == 0) expected = trace;
    check_same(&trace, &expected);
  }
}
TEST(bounds) { in_modes(build_bounds, check_bounds); }

/* ---- The stack's end ---------------------------------------------------------------------------------------------------- */

static void build_deep(struct builder *b) {
  FUNC(b, "deep", INT_TO_INT, NO_LOCALS, GET(0), IF(T_I32), GET(0), I32(1), I32_SUB, CALL(2), I32(1), I32_ADD, ELSE,
       I32(0), END); /* 1 */
  FUNC(b, "other", INT_TO_INT, NO_LOCALS, GET(0), IF(T_I32), GET(0), I32(1), I32_SUB, CALL(1), I32(1), I32_ADD, ELSE,
       I32(0), END); /* 2 */
}
static void check_deep(struct world *world, struct engine_instance *instance) {
  enum { SOME = 2000, TOO_MANY = 100000000 }; /* each change of tier takes native stack, under sanitizers much of it */
  for (uint32_t mask = 0; mask < 1u << 2; mask++) {
    interpret_all(instance, mask);
    CHECK_CALL(world, instance, "deep", SOME, SOME);
    CHECK_TRAP(world, instance, "deep", TOO_MANY, ENGINE_TRAP_STACK_EXHAUSTED);
    CHECK_CALL(world, instance, "other", SOME, SOME);
  }
}
TEST(deep) { in_modes(build_deep, check_deep); }

/* ---- Exceptions -------------------------------------------------------------------------------------------------------- */

/* Thrown in 1, through 2, which catches nothing, caught in 3 or, when it is 7, not before 4, or not at all. */
static void build_exceptions(struct builder *b) {
  TAG(b, "tag", TAKES_INT);
  TAG(b, NULL, NOTHING);
  FUNC(b, "throw", TAKES_INT, NO_LOCALS, GET(0), I32(7), I32_EQ, IF(T_VOID), THROW(1), END, GET(0), THROW(0)); /* 1 */
  FUNC(b, NULL, TAKES_INT, NO_LOCALS, GET(0), CALL(1), UNREACHABLE);                                           /* 2 */
  FUNC(b, "catch", INT_TO_INT, LOCALS(1, T_I32), I32(1), SET(1), BLOCK(T_I32), TRY_TABLE(T_VOID, 1), CATCH(0, 0),
       I32(2), SET(1), GET(0), CALL(2), END, UNREACHABLE, END, GET(1), I32_ADD); /* 3: argument + 2 */
  FUNC(b, "catch all", INT_TO_INT, NO_LOCALS, BLOCK(T_VOID), TRY_TABLE(T_VOID, 1), CATCH_ALL(0), GET(0), CALL(3),
       I32(1), I32_ADD, RETURN, END, END, I32(40)); /* 4 */
}
static void check_exceptions(struct world *world, struct engine_instance *instance) {
  static struct trace expected, trace;
  for (uint32_t mask = 0; mask < 1u << 4; mask++) {
    interpret_all(instance, mask);
    CHECK_CALL(world, instance, "catch", 5, 7);
    CHECK_CALL(world, instance, "catch all", 5, 8);
    CHECK_CALL(world, instance, "catch all", 7, 40);
    CHECK_TRAP(world, instance, "catch", 7, ENGINE_TRAP_EXCEPTION);
    trace = trace_of(world);
    if (mask == 0) expected = trace;
    check_same(&trace, &expected);
  }
}
TEST(exceptions) { in_modes(build_exceptions, check_exceptions); }

/* The same with a module in between that knows no tags. */
static struct engine_instance *untagged_of(struct world *world, struct engine_instance *thrower) {
  static struct builder b;
  b = (struct builder){0};
  add_types(&b);
  IMPORT_FUNC(&b, "throw", TAKES_INT);
  FUNC(&b, "pass", TAKES_INT, NO_LOCALS, GET(0), CALL(0), UNREACHABLE);
  FUNC(&b, "pass on", TAKES_INT, NO_LOCALS, GET(0), RETURN_CALL(1));
  struct engine_extern import = export_of(thrower, "throw");
  return instance_of(world, &b, &import, CAY_OK);
}
static struct engine_instance *catcher_of(struct world *world, struct engine_instance *thrower,
                                          struct engine_instance *untagged) {
  static struct builder b;
  b = (struct builder){0};
  add_types(&b);
  IMPORT_FUNC(&b, "pass", TAKES_INT);
  IMPORT_TAG(&b, "tag", TAKES_INT);
  FUNC(&b, "catch", INT_TO_INT, NO_LOCALS, BLOCK(T_I32), TRY_TABLE(T_VOID, 1), CATCH(0, 0), GET(0), CALL(0), END,
       UNREACHABLE, END);
  struct engine_extern imports[] = {export_of(untagged, "pass on"), export_of(thrower, "tag")};
  return instance_of(world, &b, imports, CAY_OK);
}
static void check_untagged(struct world *world, struct engine_instance *thrower) {
  struct engine_instance *untagged = untagged_of(world, thrower), *catcher = catcher_of(world, thrower, untagged);
  for (uint32_t mask = 0; mask < 1u << 4; mask++) {
    interpret_all(thrower, mask & 1);
    interpret_all(untagged, mask >> 1 & 3);
    interpret_all(catcher, mask >> 3);
    CHECK_CALL(world, catcher, "catch", 5, 5);
    CHECK_TRAP(world, catcher, "catch", 7, ENGINE_TRAP_EXCEPTION);
  }
}
TEST(untagged) { in_modes(build_exceptions, check_untagged); }

/* ---- Loops --------------------------------------------------------------------------------------------------------------- */

/* Loops of many kinds, each called as a first frame and below another one. Function 0 collects, and may move functions. */
static void build_loops(struct builder *b) {
  MEMORY(b, 0, 1);
  /* A sum, with a value that waits below both loops: argument * (argument + 1) / 2 * 3 + 40. */
  FUNC(b, "ints", INT_TO_INT, LOCALS(3, T_I32), I32(40), LOOP(T_VOID), I32(3), SET(2), LOOP(T_VOID), GET(3), GET(0),
       I32_ADD, SET(3), GET(2), I32(1), I32_SUB, TEE(2), BR_IF(0), END, CALL(COLLECT), GET(0), I32(1), I32_SUB, TEE(0),
       BR_IF(0), END, GET(3), I32_ADD); /* 1 */
  /* f32 and f64 beside each other, the sum of both as an integer. */
  FUNC(b, "floats", INT_TO_INT, 2, 1, T_F32, 1, T_F64, LOOP(T_VOID), GET(1), I32(1), 0xB3, 0x92, SET(1), GET(2), GET(1),
       0xBB, 0xA0, SET(2), CALL(COLLECT), GET(0), I32(1), I32_SUB, TEE(0), BR_IF(0), END, GET(2), 0xAB); /* 2 */
  FUNC(b, "vectors", INT_TO_INT, LOCALS(1, T_V128), LOOP(T_VOID), GET(1), GET(0), 0xFD, 17, 0xFD, 0xAE, 1, SET(1),
       CALL(COLLECT), GET(0), I32(1), I32_SUB, TEE(0), BR_IF(0), END, GET(1), 0xFD, 27, 2); /* 3 */
  /* Makes a list, then sums it. */
  FUNC(b, "lists", INT_TO_INT, 2, 1, REF_OR_NULL(LIST), 1, T_I32, LOOP(T_VOID), GET(0), GET(1), STRUCT_NEW(LIST),
       SET(1), CALL(COLLECT), GET(0), I32(1), I32_SUB, TEE(0), BR_IF(0), END, LOOP(T_VOID), GET(1), STRUCT_GET(LIST, 0),
       GET(2), I32_ADD, SET(2), CALL(COLLECT), GET(1), STRUCT_GET(LIST, 1), TEE(1), REF_IS_NULL, I32_EQZ, BR_IF(0), END,
       GET(2)); /* 4 */
  /* A page more each time, and something in each: base moves where there are no guard pages. */
  FUNC(b, "grow", INT_TO_INT, LOCALS(2, T_I32), LOOP(T_VOID), I32(1), 0x40, 0, TEE(1), I32(16), 0x74, GET(0), 0x36, 2,
       0, CALL(COLLECT), GET(2), GET(1), I32(16), 0x74, 0x28, 2, 0, I32_ADD, SET(2), GET(0), I32(1), I32_SUB, TEE(0),
       BR_IF(0), END, GET(2)); /* 5 */
  /* Leaves by an exception now and then. */
  TAG(b, NULL, TAKES_INT);
  FUNC(b, "throws", INT_TO_INT, LOCALS(1, T_I32), LOOP(T_VOID), BLOCK(T_I32), TRY_TABLE(T_VOID, 1), CATCH(0, 0), GET(0),
       CALL(7), END, UNREACHABLE, END, GET(1), I32_ADD, SET(1), GET(0), I32(1), I32_SUB, TEE(0), BR_IF(0), END,
       GET(1)); /* 6 */
  FUNC(b, NULL, TAKES_INT, LOCALS(1, T_I32), LOOP(T_VOID), CALL(COLLECT), GET(1), I32(1), I32_ADD, TEE(1), I32(5),
       I32_LT_U, BR_IF(0), END, GET(0), THROW(0)); /* 7 */
  FUNC(b, NULL, INT_TO_INT, NO_LOCALS, I32(1), GET(0), CALL(1), I32_ADD, GET(0), CALL(2), I32_ADD, GET(0), CALL(3),
       I32_ADD, GET(0), CALL(4), I32_ADD, GET(0), CALL(6), I32_ADD); /* 8 */
  FUNC(b, "all", INT_TO_INT, LOCALS(1, T_I32), LOOP(T_VOID), GET(0), CALL(8), GET(1), I32_ADD, SET(1), GET(0), I32(1),
       I32_SUB, TEE(0), BR_IF(0), END, GET(1)); /* 9 */
  FUNC(b, "recurse", INT_TO_INT, LOCALS(1, T_I32), GET(0), I32_EQZ, IF(T_VOID), I32(7), RETURN, END, LOOP(T_VOID),
       GET(0), I32(1), I32_SUB, CALL(10), GET(1), I32_ADD, SET(1), CALL(COLLECT), GET(0), I32(1), I32_SUB, TEE(0),
       BR_IF(0), END, GET(1), I32(1), I32_ADD); /* 10: recurse(n) = sum of recurse(i) for i < n, plus 1; 7 for 0 */
}
static uint32_t sum_to(uint32_t n) { return n * (n + 1) / 2; }
static uint32_t all_of(uint32_t n) {
  uint32_t sum = 0;
  for (; n; n--) sum += 41 + 7 * sum_to(n);
  return sum;
}
static void check_loops(struct world *world, struct engine_instance *instance, uint32_t n) {
  CHECK_CALL(world, instance, "ints", n, 40 + 3 * sum_to(n));
  CHECK_CALL(world, instance, "floats", n, sum_to(n));
  CHECK_CALL(world, instance, "vectors", n, sum_to(n));
  CHECK_CALL(world, instance, "lists", n, sum_to(n));
  CHECK_CALL(world, instance, "throws", n, sum_to(n));
  CHECK_CALL(world, instance, "grow", 5, sum_to(5));
  CHECK_CALL(world, instance, "all", 6, all_of(6));
  CHECK_CALL(world, instance, "recurse", 6, 8 * 32);
}

/* Called by the guest: every call moves some functions and asks the thread to look. `every`: how often. */
static uint32_t flips, every = 1;
static uint32_t next_random(void) {
  static uint64_t state = 88172645463325252;
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 20);
}
static enum engine_trap host_flip(struct engine_call *call, uint64_t *slots) {
  (void)slots;
  engine_heap_collect(call->thread->store);
  if (++flips % every) return ENGINE_TRAP_NONE;
  interpret_all(call->caller, next_random());
  engine_look(call->thread->store);
  return ENGINE_TRAP_NONE;
}

static struct engine_instance *flipping_of(struct world *world, builder_function build, engine_host_function host) {
  static struct builder b;
  b = (struct builder){0};
  add_types(&b);
  IMPORT_FUNC(&b, "host", NOTHING);
  build(&b);
  struct engine_extern import = host_function(world, &no_values, host, NULL);
  return instance_of(world, &b, &import, CAY_OK);
}

TEST(loops) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(modes); i++) {
    struct world world = world_of(&modes[i]);
    struct engine_instance *instance = flipping_of(&world, build_loops, host_flip);
    for (every = 1; every < 6; every++) check_loops(&world, instance, 30);
    every = 1;
    check_loops(&world, instance, 1500); /* the native stack does not grow with the moves */
    world_free(&world);
  }
}

/* What is charged does not depend on who runs what, nor on when that changes. */
static uint64_t fuel_of_loops(const struct mode *mode, engine_host_function host, uint32_t interpreted) {
  struct base_budget *budget = base_budget_new(NULL);
  struct world world = world_in(mode, budget);
  struct engine_instance *instance = flipping_of(&world, build_loops, host);
  interpret_all(instance, interpreted);
  check_loops(&world, instance, 1500);
  uint64_t used = base_budget_used(budget, BASE_LIMIT_FUEL);
  world_free(&world);
  base_budget_release(budget);
  return used;
}
TEST(fuel) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(modes); i++) {
    const struct mode mode = {modes[i].is_explicit, modes[i].is_stressed, true};
    uint64_t expected = fuel_of_loops(&mode, host_collect, 0);
    CHECK(expected > 100000);
    CHECK_INT(fuel_of_loops(&mode, host_collect, UINT32_MAX), expected);
    for (every = 1; every < 4; every++) CHECK_INT(fuel_of_loops(&mode, host_flip, 0x55), expected);
    every = 1;
  }
}

/* ---- From another thread ------------------------------------------------------------------------------------------------- */

struct mover {
  struct engine_instance *instance;
  atomic_bool ends;
  pthread_t thread;
  uint32_t moves;
};
static void *move(void *arg) {
  struct mover *mover = arg;
  for (uint64_t state = 12345; !atomic_load(&mover->ends); mover->moves++) {
    state = state * 6364136223846793005 + 1442695040888963407;
    uint32_t func =
        mover->instance->module->imported_func_count + (uint32_t)(state >> 33) % defined_count(mover->instance);
    tiers_baseline_interpret(mover->instance->code, func, state >> 63, NULL);
    engine_look(mover->instance->store);
    nanosleep(&(struct timespec){.tv_nsec = 1000 + (long)(state >> 45 & 0xFFFF)}, NULL);
  }
  return NULL;
}
static void mover_start(struct mover *mover, struct engine_instance *instance) {
  *mover = (struct mover){.instance = instance};
  CHECK_INT(pthread_create(&mover->thread, NULL, move, mover), 0);
}
static void mover_end(struct mover *mover) {
  atomic_store(&mover->ends, true);
  pthread_join(mover->thread, NULL);
}

TEST(moved_by_another) {
  enum { TIMES = 3 };
  for (size_t i = 0; i < BASE_ARRAY_LEN(modes); i++) {
    struct world world = world_of(&modes[i]);
    struct engine_instance *instance = flipping_of(&world, build_loops, host_collect);
    struct mover mover;
    mover_start(&mover, instance);
    for (uint32_t time = 0; time < TIMES; time++) check_loops(&world, instance, 2000);
    mover_end(&mover);
    CHECK(mover.moves > 10);
    world_free(&world);
  }
}

/* ---- Interruption ------------------------------------------------------------------------------------------------------- */

static void build_spinning(struct builder *b) {
  FUNC(b, "spin", INT_TO_INT, NO_LOCALS, LOOP(T_VOID), GET(0), CALL(2), SET(0), BR(0), END, UNREACHABLE); /* 1 */
  FUNC(b, NULL, INT_TO_INT, LOCALS(1, T_I32), I32(60), SET(1), LOOP(T_VOID), GET(0), I32(1), I32_ADD, SET(0), GET(1),
       I32(1), I32_SUB, TEE(1), BR_IF(0), END, GET(0)); /* 2 */
}
static void *interrupt(void *store) {
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  engine_interrupt(store);
  return NULL;
}
TEST(interruption) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(modes); i++) {
    struct world world = world_of(&modes[i]);
    struct engine_instance *instance = flipping_of(&world, build_spinning, host_collect);
    struct mover mover;
    pthread_t interrupter;
    mover_start(&mover, instance);
    CHECK_INT(pthread_create(&interrupter, NULL, interrupt, world.store), 0);
    CHECK_TRAP(&world, instance, "spin", 0, ENGINE_TRAP_INTERRUPTED);
    pthread_join(interrupter, NULL);
    mover_end(&mover);
    world_free(&world);
  }
}

/* ---- Strays --------------------------------------------------------------------------------------------------------------- */

/* Function 1 calls 2 in a loop, which calls the host in a loop. */
static void build_stray(struct builder *b) {
  FUNC(b, "outer", INT_TO_INT, LOCALS(1, T_I32), LOOP(T_VOID), GET(1), CALL(2), I32_ADD, SET(1), GET(0), I32(1),
       I32_SUB, TEE(0), BR_IF(0), END, GET(1)); /* 1 */
  FUNC(b, NULL, NOTHING_TO_INT, LOCALS(1, T_I32), I32(4), SET(0), LOOP(T_VOID), CALL(COLLECT), GET(0), I32(1), I32_SUB,
       TEE(0), BR_IF(0), END, I32(1)); /* 2 */
}
/* The sides on which frames of function 1 were seen, by call of the host; it is moved at the 10th and the 30th. */
static bool seen_compiled[48];
static uint32_t seen_count;
static enum engine_trap host_see(struct engine_call *call, uint64_t *slots) {
  (void)slots;
  engine_backtrace_capture(call->thread);
  const struct engine_raw_frame *outer = &call->thread->backtrace[2]; /* behind the host's and function 2's */
  CHECK_INT(outer->func, 1);
  if (seen_count < BASE_ARRAY_LEN(seen_compiled))
    seen_compiled[seen_count++] = base_code_contains((uintptr_t)baseline_site((uintptr_t)outer->site));
  if (seen_count != 10 && seen_count != 30) return ENGINE_TRAP_NONE;
  interpret(call->caller, 1, seen_count == 10);
  engine_look(call->thread->store);
  return ENGINE_TRAP_NONE;
}
TEST(strays) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(modes); i++) {
    for (uint32_t inner = 0; inner < 2; inner++) {
      struct world world = world_of(&modes[i]);
      struct engine_instance *instance = flipping_of(&world, build_stray, host_see);
      interpret_all(instance, inner << 1);
      seen_count = 0;
      CHECK_CALL(&world, instance, "outer", 12, 12);
      CHECK_INT(seen_count, 48);
      for (uint32_t at = 0; at < seen_count; at++) CHECK_INT(seen_compiled[at], at < 12 || at >= 32);
      world_free(&world);
    }
  }
}

TEST_MAIN(tested_tier = &tiers_baseline; RUN(calls) RUN(tails) RUN(traps) RUN(bounds) RUN(deep) RUN(exceptions)
              RUN(untagged) RUN(loops) RUN(fuel) RUN(moved_by_another) RUN(interruption) RUN(strays))
