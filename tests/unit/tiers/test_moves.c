/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Functions that move between compiled code and the interpreter: whichever of them are interpreted, and whenever that
 * changes, a program does the same. Every test runs with both sets of handlers, and with a collection at every
 * allocation. */
#include "builder.h"

enum { INT_TO_INT, NOTHING, TAKES_INT, LONG_TO_LONG, NUMBERS, CELL, CELL_TO_CELL, LIST, FIRST_OWN_TYPE };
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
  enum { MANY = 300000 };
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
  enum { SOME = 20000, TOO_MANY = 100000000 };
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

TEST_MAIN(tested_tier = &tiers_baseline;
          RUN(calls) RUN(tails) RUN(traps) RUN(bounds) RUN(deep) RUN(exceptions) RUN(untagged))
