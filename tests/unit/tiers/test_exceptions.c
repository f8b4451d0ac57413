/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Exceptions in translated code: where they land and with what, on every way that they take between instances, through
 * the host and through nested activations. Every test runs with both sets of handlers, and with a collection at every
 * allocation. */
#include "builder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* Types and tags that the modules here share. The imported tag 0 is the exporter's, with an i32; its module knows it as
 * its own. */
enum { INT_TO_INT, NOTHING, TAKES_INT, FIRST_OWN_TYPE };
static void add_types(struct builder *b) {
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  TYPE(b, FUNC_TYPE, 0, 0);
  TYPE(b, FUNC_TYPE, 1, T_I32, 0);
}

static void in_modes(builder_function build, void (*check)(struct world *world, struct engine_instance *instance)) {
  run_in_modes(add_types, NOTHING, build, check);
}

/* The i32 that the uncaught exception carries. */
static uint32_t payload_of(const struct world *world) {
  uint64_t reference = engine_store_thread(world->store)->exception;
  CHECK(engine_ref_is_object(reference));
  return (uint32_t)((const struct engine_exception *)(const void *)engine_ref_object(reference))->values[0];
}
#define CHECK_UNCAUGHT(world, instance, name, argument, payload)        \
  do {                                                                  \
    CHECK_TRAP(world, instance, name, argument, ENGINE_TRAP_EXCEPTION); \
    CHECK_INT(payload_of(world), payload);                              \
  } while (0)

/* ---- Clauses ------------------------------------------------------------------------------------------------------- */

/* Function 1 throws tag 0 (i32) with its argument, or tag 1 (nothing) for 0. */
enum { INT_TAG, EMPTY_TAG, THROWER = 1 };
static void add_thrower(struct builder *b) {
  TAG(b, NULL, TAKES_INT);
  TAG(b, NULL, NOTHING);
  FUNC(b, NULL, TAKES_INT, NO_LOCALS, GET(0), I32_EQZ, IF(T_VOID), THROW(EMPTY_TAG), END, GET(0), THROW(INT_TAG));
}

static void build_clauses(struct builder *b) {
  enum { INT_AND_EXN = FIRST_OWN_TYPE, TWO_INTS };
  TYPE(b, FUNC_TYPE, 0, 2, T_I32, REF(T_EXN));
  TYPE(b, FUNC_TYPE, 0, 2, T_I32, T_I32);
  add_thrower(b);
  /* The first clause that fits is taken, whatever comes behind it. */
  FUNC(b, "first", INT_TO_INT, NO_LOCALS, BLOCK(T_I32), BLOCK(T_VOID), BLOCK(T_I32), TRY_TABLE(T_VOID, 3),
       CATCH(INT_TAG, 0), CATCH_ALL(1), CATCH(INT_TAG, 2), GET(0), CALL(THROWER), END, I32(0), RETURN, END, I32(1),
       I32_ADD, RETURN, END, I32(50), RETURN, END);
  FUNC(b, "all first", INT_TO_INT, NO_LOCALS, BLOCK(T_I32), BLOCK(T_VOID), TRY_TABLE(T_VOID, 2), CATCH_ALL(0),
       CATCH(INT_TAG, 1), GET(0), CALL(THROWER), END, END, I32(60), RETURN, END);
  FUNC(b, "ref", INT_TO_INT, LOCALS(1, T_EXN), BLOCK(INT_AND_EXN), TRY_TABLE(T_VOID, 1), CATCH_REF(INT_TAG, 0), GET(0),
       CALL(THROWER), END, UNREACHABLE, END, SET(1), CALL(COLLECT), DROP, BLOCK(T_I32), TRY_TABLE(T_VOID, 1),
       CATCH(INT_TAG, 0), GET(1), THROW_REF, END, UNREACHABLE, END);
  FUNC(b, "all ref", INT_TO_INT, NO_LOCALS, BLOCK(T_I32), TRY_TABLE(T_VOID, 1), CATCH(INT_TAG, 0), 0x02, REF(T_EXN),
       TRY_TABLE(T_VOID, 1), CATCH_ALL_REF(0), GET(0), CALL(THROWER), END, UNREACHABLE, END, CALL(COLLECT), THROW_REF,
       END, UNREACHABLE, END);
  /* Nothing that fits in the inner block, which throws in its turn. */
  FUNC(b, "outer", INT_TO_INT, NO_LOCALS, BLOCK(T_I32), TRY_TABLE(T_VOID, 1), CATCH(INT_TAG, 0), BLOCK(T_VOID),
       TRY_TABLE(T_VOID, 1), CATCH(EMPTY_TAG, 0), GET(0), CALL(THROWER), END, END, I32(33), THROW(INT_TAG), END,
       UNREACHABLE, END);
  /* Thrown by a landing pad's block: its own clauses no longer hold. */
  FUNC(b, "not again", INT_TO_INT, NO_LOCALS, BLOCK(T_I32), TRY_TABLE(T_I32, 1), CATCH(INT_TAG, 0), GET(0),
       CALL(THROWER), I32(0), END, END, THROW(INT_TAG));
  /* A clause whose label is the function. */
  FUNC(b, "return", INT_TO_INT, NO_LOCALS, I32(8), TRY_TABLE(T_VOID, 1), CATCH(INT_TAG, 0), GET(0), CALL(THROWER), END,
       DROP, I32(7));
  /* A clause whose label is a loop: counts down, catching all the way. */
  FUNC(b, "loop", INT_TO_INT, LOCALS(1, T_I32), GET(0), LOOP(INT_TO_INT), TEE(0), I32_EQZ, IF(T_VOID), GET(1), RETURN,
       END, GET(1), GET(0), I32_ADD, SET(1), TRY_TABLE(T_VOID, 1), CATCH(INT_TAG, 0), GET(0), I32(1), I32_SUB,
       THROW(INT_TAG), END, UNREACHABLE, END);
  FUNC(b, "null", INT_TO_INT, NO_LOCALS, REF_NULL(T_EXN), THROW_REF);
}
static void check_clauses(struct world *world, struct engine_instance *instance) {
  CHECK_CALL(world, instance, "first", 5, 6);
  CHECK_CALL(world, instance, "first", 0, 50);
  CHECK_CALL(world, instance, "all first", 5, 60);
  CHECK_CALL(world, instance, "all first", 0, 60);
  CHECK_CALL(world, instance, "ref", 7, 7);
  CHECK_TRAP(world, instance, "ref", 0, ENGINE_TRAP_EXCEPTION);
  CHECK_CALL(world, instance, "all ref", 7, 7);
  CHECK_TRAP(world, instance, "all ref", 0, ENGINE_TRAP_EXCEPTION);
  CHECK_CALL(world, instance, "outer", 7, 7);
  CHECK_CALL(world, instance, "outer", 0, 33);
  CHECK_UNCAUGHT(world, instance, "not again", 9, 9);
  CHECK_CALL(world, instance, "return", 9, 9);
  CHECK_TRAP(world, instance, "return", 0, ENGINE_TRAP_EXCEPTION);
  CHECK_CALL(world, instance, "loop", 1, 1);
  CHECK_CALL(world, instance, "loop", 2000, 2000 * 2001 / 2);
  CHECK_TRAP(world, instance, "null", 0, ENGINE_TRAP_NULL_REFERENCE);
}
TEST(clauses) { in_modes(build_clauses, check_clauses); }

/* ---- What a landing pad finds ----------------------------------------------------------------------------------------- */

/* Payloads of all types, references among them; operands of outer blocks below; locals as they were last set. */
static void build_values(struct builder *b) {
  enum { CELL = FIRST_OWN_TYPE, MANY, MANY_OUT, CELL_TO_CELL, INT_TO_LONG };
  TYPE(b, STRUCT_TYPE, 1, T_I32, 1);
#define MANY_TYPES 6, T_I64, T_V128, REF(CELL), T_F32, T_EXTERN, T_F64
  TYPE(b, FUNC_TYPE, MANY_TYPES, 0);
  TYPE(b, FUNC_TYPE, 0, MANY_TYPES);
  TYPE(b, FUNC_TYPE, 1, REF(CELL), 1, REF(CELL));
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I64);
  add_thrower(b);
  TAG(b, NULL, MANY); /* 2 */
  FUNC(b, NULL, TAKES_INT, NO_LOCALS, I64(1), I32(2), 0xFD, 17, GET(0), STRUCT_NEW(CELL), I32(4), 0xB3, I32(5), REF_I31,
       EXTERN_CONVERT_ANY, I32(6), 0xB8, THROW(2)); /* 2 */
  /* 1 + 2 + argument + 4 + 5 + 6, and 7 that waited below. */
  FUNC(b, "many", INT_TO_LONG, LOCALS(1, T_I64), I32(7), STRUCT_NEW(CELL), BLOCK(MANY_OUT), I32(1), STRUCT_NEW(CELL),
       TRY_TABLE(T_VOID, 1), CATCH(2, 0), GET(0), CALL(2), END, UNREACHABLE, END, CALL(COLLECT), 0xB1, SET(1),
       ANY_CONVERT_EXTERN, REF_CAST(T_I31), I31_GET_U, I64_EXTEND_I32_U, GET(1), I64_ADD, SET(1), 0xAF, GET(1), I64_ADD,
       SET(1), STRUCT_GET(CELL, 0), I64_EXTEND_I32_U, GET(1), I64_ADD, SET(1), 0xFD, 27, 3, I64_EXTEND_I32_U, GET(1),
       I64_ADD, SET(1), GET(1), I64_ADD, SET(1), STRUCT_GET(CELL, 0), I64_EXTEND_I32_U, GET(1), I64_ADD);
  /* Locals set before, in and after what throws; one that only its operand on the stack still knows. */
  FUNC(b, "locals", INT_TO_INT, LOCALS(3, T_I32), I32(1), SET(1), GET(1), BLOCK(T_I32), I32(2), SET(1), GET(1),
       TRY_TABLE(T_VOID, 1), CATCH(INT_TAG, 0), I32(3), SET(2), GET(1), I32(10), I32_ADD, SET(1), GET(0), CALL(THROWER),
       I32(4), SET(3), END, UNREACHABLE, END, I32_ADD, GET(1), I32_ADD, GET(2), I32_ADD, GET(3), I32_ADD);
  /* Fewer and more operands at the label than where the exception comes from. */
  FUNC(b, "heights", INT_TO_INT, NO_LOCALS, I32(1), BLOCK(T_I32), I32(2), I32(3), BLOCK(T_VOID), I32(4), I32(5), I32(6),
       TRY_TABLE(T_VOID, 1), CATCH(INT_TAG, 1), I32(7), I32(8), GET(0), CALL(THROWER), DROP, DROP, END, UNREACHABLE,
       END, UNREACHABLE, END, I32_ADD);
  /* A reference below the block and one in a local live on through a collection in the block and one at the pad. */
  FUNC(b, "below", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELL)), I32(20), STRUCT_NEW(CELL), I32(30), STRUCT_NEW(CELL),
       SET(1), BLOCK(T_I32), TRY_TABLE(T_VOID, 1), CATCH(INT_TAG, 0), CALL(COLLECT), I32(9), STRUCT_NEW(CELL), GET(0),
       CALL(THROWER), DROP, END, UNREACHABLE, END, CALL(COLLECT), SET(0), I32(9), STRUCT_NEW(CELL), DROP,
       STRUCT_GET(CELL, 0), GET(1), STRUCT_GET(CELL, 0), I32_ADD, GET(0), I32_ADD);
}
static void check_values(struct world *world, struct engine_instance *instance) {
  uint64_t slot = 3;
  CHECK_INT(call_with(world, instance, "many", &slot), ENGINE_TRAP_NONE);
  CHECK_INT(slot, 1 + 2 + 3 + 4 + 5 + 6 + 7);
  CHECK_CALL(world, instance, "locals", 5, 1 + 5 + 12 + 3);
  CHECK_CALL(world, instance, "heights", 40, 41);
  CHECK_CALL(world, instance, "below", 5, 55);
}
TEST(values) { in_modes(build_values, check_values); }

/* More arguments of both kinds than there are registers, and as many values as there are that wait for the call, in a loop; thrown
 * or returned as the argument is odd or even. */
static void build_registers(struct builder *b) {
  enum { WIDE = FIRST_OWN_TYPE };
  TYPE(b, FUNC_TYPE, 18, T_I32, T_F64, T_I32, T_F64, T_I32, T_F64, T_I32, T_F64, T_I32, T_F64, T_I32, T_F64, T_I32,
       T_F64, T_I32, T_F64, T_F64, T_F64, 1, T_I32);
  add_thrower(b);
#define F64_ADD 0xA0
#define I32_TRUNC_F64_U 0xAB
#define AS_F64(local) GET(local), 0xB8
#define AND_ADD(local) GET(local), I32_ADD
  FUNC(b, NULL, WIDE, LOCALS(1, T_I32), GET(0), AND_ADD(2), AND_ADD(4), AND_ADD(6), AND_ADD(8), AND_ADD(10),
       AND_ADD(12), AND_ADD(14), GET(1), GET(3), F64_ADD, GET(5), F64_ADD, GET(7), F64_ADD, GET(9), F64_ADD, GET(11),
       F64_ADD, GET(13), F64_ADD, GET(15), F64_ADD, GET(16), F64_ADD, GET(17), F64_ADD, I32_TRUNC_F64_U, I32_ADD,
       SET(18), GET(0), IF(T_VOID), GET(18), THROW(INT_TAG), END, GET(18), I32(60), I32_ADD); /* 2 */
#define LATER(local) GET(0), I32(local), I32_ADD, SET(local)
  FUNC(b, "wide", INT_TO_INT, LOCALS(10, T_I32), I32(3), SET(10), LOOP(T_VOID), LATER(1), LATER(2), LATER(3), LATER(4),
       LATER(5), LATER(6), LATER(7), LATER(8), BLOCK(T_I32), TRY_TABLE(T_I32, 1), CATCH(INT_TAG, 0), GET(0), I32(1),
       0x71, AS_F64(1), GET(1), AS_F64(2), GET(2), AS_F64(3), GET(3), AS_F64(4), GET(4), AS_F64(5), GET(5), AS_F64(6),
       GET(6), AS_F64(7), GET(7), AS_F64(8), AS_F64(1), AS_F64(2), CALL(2), END, END, AND_ADD(1), AND_ADD(2),
       AND_ADD(3), AND_ADD(4), AND_ADD(5), AND_ADD(6), AND_ADD(7), AND_ADD(8), AND_ADD(9), SET(9), GET(10), I32(1),
       I32_SUB, TEE(10), BR_IF(0), END, GET(9));
  /* A loop in a range, which is left by what it throws; something waits below. */
  FUNC(b, "loop inside", INT_TO_INT, LOCALS(1, T_I32), I32(50), BLOCK(T_I32), TRY_TABLE(T_VOID, 1), CATCH(INT_TAG, 0),
       LOOP(T_VOID), GET(0), AND_ADD(1), SET(1), GET(0), I32(1), I32_SUB, TEE(0), BR_IF(0), END, GET(1), CALL(THROWER),
       END, UNREACHABLE, END, I32_ADD);
  /* Ranges in ranges in a loop: the inner catches odd numbers and throws the last one on. */
  FUNC(b, "nested", INT_TO_INT, LOCALS(1, T_I32), BLOCK(T_I32), TRY_TABLE(T_VOID, 1), CATCH(INT_TAG, 0), LOOP(T_VOID),
       BLOCK(T_I32), TRY_TABLE(T_I32, 1), CATCH(INT_TAG, 0), GET(0), I32(1), 0x71, IF(T_VOID), GET(0), CALL(THROWER),
       END, I32(1), END, END, AND_ADD(1), SET(1), GET(0), I32_EQZ, IF(T_VOID), GET(1), THROW(INT_TAG), END, GET(0),
       I32(1), I32_SUB, SET(0), BR(0), END, END, UNREACHABLE, END);
}
static void check_registers(struct world *world, struct engine_instance *instance) {
  CHECK_CALL(world, instance, "wide", 4, 3 * (25 * 4 + 103 + 60));
  CHECK_CALL(world, instance, "wide", 5, 3 * (25 * 5 + 103 + 1));
  CHECK_CALL(world, instance, "loop inside", 2000, 50 + 2000 * 2001 / 2);
  CHECK_CALL(world, instance, "nested", 100, 50 * 50 + 51);
  CHECK_CALL(world, instance, "nested", 1001, 501 * 501 + 501);
}
TEST(registers) { in_modes(build_registers, check_registers); }

/* ---- The legacy form ------------------------------------------------------------------------------------------------------ */

static void build_legacy(struct builder *b) {
  add_thrower(b);
  FUNC(b, "catch", INT_TO_INT, NO_LOCALS, TRY(T_I32), GET(0), CALL(THROWER), I32(1), OLD_CATCH(INT_TAG), I32(1),
       I32_ADD, OLD_CATCH_ALL, I32(40), END, I32(2), I32_MUL);
  FUNC(b, "not thrown", INT_TO_INT, NO_LOCALS, I32(5), TRY(T_I32), GET(0), OLD_CATCH_ALL, I32(40), END, I32_ADD);
  /* Thrown again from a catch in a catch, of the inner or the outer exception. */
  FUNC(b, "rethrow", INT_TO_INT, NO_LOCALS, TRY(T_I32), TRY(T_I32), I32(11), CALL(THROWER), I32(0), OLD_CATCH_ALL,
       TRY(T_I32), I32(22), CALL(THROWER), I32(0), OLD_CATCH_ALL, CALL(COLLECT), GET(0), IF(T_VOID), RETHROW(1), END,
       RETHROW(1), END, END, OLD_CATCH(INT_TAG), END);
  FUNC(b, "uncaught", INT_TO_INT, NO_LOCALS, TRY(T_I32), GET(0), CALL(THROWER), I32(0), OLD_CATCH_ALL, CALL(COLLECT),
       RETHROW(0), END);
  /* Delegated past a catch that would fit, to the outer try; to the function; to a block, so to what encloses it. */
  FUNC(b, "delegate", INT_TO_INT, NO_LOCALS, TRY(T_I32), TRY(T_I32), TRY(T_I32), GET(0), CALL(THROWER), I32(0),
       DELEGATE(1), OLD_CATCH_ALL, I32(50), END, OLD_CATCH(INT_TAG), I32(1), I32_ADD, END);
  FUNC(b, "delegate out", INT_TO_INT, NO_LOCALS, TRY(T_I32), TRY(T_I32), GET(0), CALL(THROWER), I32(0), DELEGATE(1),
       OLD_CATCH_ALL, I32(50), END);
  FUNC(b, "delegate block", INT_TO_INT, NO_LOCALS, TRY(T_I32), BLOCK(T_I32), TRY(T_I32), TRY(T_I32), GET(0),
       CALL(THROWER), I32(0), DELEGATE(1), OLD_CATCH_ALL, I32(50), END, END, OLD_CATCH(INT_TAG), I32(1), I32_ADD, END);
  /* Inside of a catch: what is delegated to the try whose catch it is passes by that try. */
  FUNC(b, "delegate in catch", INT_TO_INT, NO_LOCALS, TRY(T_I32), TRY(T_I32), I32(9), CALL(THROWER), I32(0),
       OLD_CATCH_ALL, TRY(T_I32), GET(0), CALL(THROWER), I32(0), DELEGATE(0), END, OLD_CATCH(INT_TAG), END);
  FUNC(b, "delegate chain", INT_TO_INT, NO_LOCALS, TRY(T_I32), TRY(T_I32), TRY(T_I32), TRY(T_I32), TRY(T_I32), GET(0),
       CALL(THROWER), I32(0), DELEGATE(0), DELEGATE(1), OLD_CATCH_ALL, I32(50), END, DELEGATE(0), OLD_CATCH(INT_TAG),
       I32(2), I32_ADD, END);
  /* A try without clauses catches nothing. Both forms in one function. */
  FUNC(b, "bare", INT_TO_INT, NO_LOCALS, BLOCK(T_I32), TRY_TABLE(T_I32, 1), CATCH(INT_TAG, 0), TRY(T_I32), GET(0),
       CALL(THROWER), I32(0), END, END, END);
  /* Operands below and a branch out of a catch. */
  FUNC(b, "branch", INT_TO_INT, NO_LOCALS, I32(3), BLOCK(T_I32), I32(4), TRY(T_I32), I32(6), GET(0), CALL(THROWER),
       OLD_CATCH(INT_TAG), BR(1), END, I32_ADD, END, I32_ADD);
  /* Throws in a catch and in a loop. */
  FUNC(b, "loop", INT_TO_INT, LOCALS(1, T_I32), LOOP(T_VOID), TRY(T_VOID), TRY(T_VOID), GET(0), THROW(INT_TAG),
       OLD_CATCH(INT_TAG), I32(1), I32_SUB, TEE(0), THROW(INT_TAG), END, OLD_CATCH(INT_TAG), GET(1), I32_ADD, SET(1),
       END, GET(0), BR_IF(0), END, GET(1));
}
static void check_legacy(struct world *world, struct engine_instance *instance) {
  CHECK_CALL(world, instance, "catch", 5, 12);
  CHECK_CALL(world, instance, "catch", 0, 80);
  CHECK_CALL(world, instance, "not thrown", 3, 8);
  CHECK_CALL(world, instance, "rethrow", 0, 11);
  CHECK_CALL(world, instance, "rethrow", 1, 22);
  CHECK_UNCAUGHT(world, instance, "uncaught", 17, 17);
  CHECK_CALL(world, instance, "delegate", 5, 6);
  CHECK_TRAP(world, instance, "delegate", 0, ENGINE_TRAP_EXCEPTION);
  CHECK_UNCAUGHT(world, instance, "delegate out", 5, 5);
  CHECK_CALL(world, instance, "delegate block", 5, 6);
  CHECK_CALL(world, instance, "delegate in catch", 5, 5);
  CHECK_CALL(world, instance, "delegate chain", 5, 7);
  CHECK_CALL(world, instance, "bare", 5, 5);
  CHECK_TRAP(world, instance, "bare", 0, ENGINE_TRAP_EXCEPTION);
  CHECK_CALL(world, instance, "branch", 5, 8);
  CHECK_CALL(world, instance, "loop", 1000, 999 * 1000 / 2);
}
TEST(legacy) {
  tested_features |= MODULE_FEATURE_BIT(LEGACY_EXCEPTIONS);
  in_modes(build_legacy, check_legacy);
  tested_features = MODULE_FEATURES_DEFAULT;
}

/* ---- Between instances -------------------------------------------------------------------------------------------------------- */

/* First module: the tag and functions that throw. Second: passes calls on in every way, and knows no tags. Third: calls
 * that and catches. */
static void build_first(struct builder *b) {
  add_types(b);
  TAG(b, "tag", TAKES_INT);
  FUNC(b, "throw", INT_TO_INT, NO_LOCALS, GET(0), THROW(0));
  FUNC(b, "deep", INT_TO_INT, NO_LOCALS, GET(0), I32_EQZ, IF(T_VOID), I32(13), THROW(0), END, GET(0), I32(1), I32_SUB,
       CALL(1), I32(1), I32_ADD);
  TABLE(b, "table", T_FUNC, 0, 2);
  ELEM(b, 0, I32(0), END, 2, 0, 1);
}
static void build_second(struct builder *b) {
  add_types(b);
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  IMPORT_FUNC(b, "throw", INT_TO_INT); /* 0 */
  IMPORT_FUNC(b, "deep", INT_TO_INT);  /* 1 */
  IMPORT_TABLE(b, "table", T_FUNC, 0, 2);
  ELEM(b, 3, 0, 1, 0);
#define PAST(...) NO_LOCALS, GET(0), __VA_ARGS__, I32(1), I32_ADD
  FUNC(b, "direct", INT_TO_INT, PAST(CALL(0)));
  FUNC(b, "indirect", INT_TO_INT, PAST(I32(0), CALL_INDIRECT(INT_TO_INT, 0)));
  FUNC(b, "ref", INT_TO_INT, PAST(REF_FUNC(0), CALL_REF(INT_TO_INT)));
  FUNC(b, "tail", INT_TO_INT, NO_LOCALS, GET(0), RETURN_CALL(0));
  FUNC(b, "tail indirect", INT_TO_INT, NO_LOCALS, GET(0), I32(0), RETURN_CALL_INDIRECT(INT_TO_INT, 0));
  FUNC(b, "tail ref", INT_TO_INT, NO_LOCALS, GET(0), REF_FUNC(0), RETURN_CALL_REF(INT_TO_INT));
  FUNC(b, "inner", INT_TO_INT, PAST(CALL(5))); /* a frame of its own around the tail call */
  FUNC(b, "inner ref", INT_TO_INT, PAST(CALL(7)));
  FUNC(b, "deep", INT_TO_INT, PAST(CALL(1)));
}
static const char *const ways[] = {"direct",   "indirect", "ref",       "tail", "tail indirect",
                                   "tail ref", "inner",    "inner ref", "deep"};
enum { WAYS = sizeof ways / sizeof *ways };
static void build_third(struct builder *b) {
  add_types(b);
  IMPORT_TAG(b, "tag", TAKES_INT);
  for (int i = 0; i < WAYS; i++) IMPORT_FUNC(b, ways[i], INT_TO_INT);
  for (int i = 0; i < WAYS; i++)
    FUNC(b, ways[i], INT_TO_INT, NO_LOCALS, I32(40), BLOCK(T_I32), TRY_TABLE(T_VOID, 1), CATCH(0, 0), GET(0),
         CALL((uint8_t)i), DROP, END, UNREACHABLE, END, I32_ADD);
  /* A tail call leaves the block: its callee's exception is none of the block's. */
  FUNC(b, "left", INT_TO_INT, NO_LOCALS, BLOCK(T_I32), TRY_TABLE(T_I32, 1), CATCH(0, 0), GET(0), RETURN_CALL(0), END,
       END);
  FUNC(b, "caller", INT_TO_INT, NO_LOCALS, BLOCK(T_I32), TRY_TABLE(T_I32, 1), CATCH(0, 0), GET(0), CALL(2 * WAYS), END,
       RETURN, END, I32(1), I32_ADD);
}
TEST(instances) {
  static struct builder b[3];
  memset(b, 0, sizeof b);
  build_first(&b[0]);
  build_second(&b[1]);
  build_third(&b[2]);
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    struct world world = world_of(&modes[i]);
    struct engine_instance *first = instance_of(&world, &b[0], NULL, CAY_OK);
    struct engine_extern imports[] = {export_of(first, "throw"), export_of(first, "deep"), export_of(first, "table")};
    struct engine_instance *second = instance_of(&world, &b[1], imports, CAY_OK);
    struct engine_extern tags[WAYS + 1] = {export_of(first, "tag")};
    for (int way = 0; way < WAYS; way++) tags[way + 1] = export_of(second, ways[way]);
    struct engine_instance *third = instance_of(&world, &b[2], tags, CAY_OK);
    for (int way = 0; way < WAYS; way++) {
      CHECK_CALL(&world, third, ways[way], 5, 40 + (way == WAYS - 1 ? 13 : 5));
      CHECK_UNCAUGHT(&world, second, ways[way], 5, way == WAYS - 1 ? 13 : 5);
    }
    CHECK_CALL(&world, third, "deep", 100000, 53);
    CHECK_UNCAUGHT(&world, third, "left", 6, 6);
    CHECK_CALL(&world, third, "caller", 6, 7);
    world_free(&world);
  }
}

/* ---- The host ---------------------------------------------------------------------------------------------------------------- */

/* What the host function of these tests does with the guest function that it calls. */
enum manner { PROPAGATE, SWALLOW, KEEP_AND_THROW, THROW_OWN, LOSE_AND_THROW, THROW_STOPPED };
struct host_part {
  enum manner manner;
  struct engine_function *guest;
  struct engine_tag *tag;
  int seen;
};

/* Calls the guest again before it throws what it has caught: whoever does so keeps the exception alive meanwhile. */
static enum engine_trap keep_and_throw(struct engine_store *store, struct host_part *part) {
  struct engine_thread *thread = engine_store_thread(store);
  uint64_t exception = thread->exception, argument = 1;
  struct engine_root_span span = {.slots = &exception, .count = 1};
  engine_roots_push(store, &span);
  CHECK_INT(engine_call(store, part->guest, &argument), ENGINE_TRAP_EXCEPTION);
  engine_heap_collect(store);
  engine_roots_pop(store, &span);
  thread->exception = exception;
  return ENGINE_TRAP_EXCEPTION;
}

static enum engine_trap host_part(struct engine_call *call, uint64_t *slots) {
  struct host_part *part = call->env;
  struct engine_store *store = call->thread->store;
  if (part->manner == THROW_OWN || part->manner == THROW_STOPPED) {
    part->seen++;
    if (part->manner == THROW_STOPPED) engine_interrupt(store);
    enum engine_trap trap = engine_exception_new(store, part->tag, slots, &call->thread->exception);
    return trap == ENGINE_TRAP_NONE ? ENGINE_TRAP_EXCEPTION : trap;
  }
  enum engine_trap trap = engine_call(store, part->guest, slots);
  if (trap != ENGINE_TRAP_EXCEPTION) return trap;
  part->seen++;
  if (part->manner == PROPAGATE) return trap;
  if (part->manner == KEEP_AND_THROW) return keep_and_throw(store, part);
  if (part->manner == LOSE_AND_THROW) {
    uint64_t argument = 1;
    CHECK_INT(engine_call(store, part->guest, &argument), ENGINE_TRAP_EXCEPTION);
    call->thread->exception = 0;
    return ENGINE_TRAP_EXCEPTION;
  }
  slots[0] = 1000;
  return ENGINE_TRAP_NONE;
}

static void build_host(struct builder *b) {
  add_types(b);
  IMPORT_TAG(b, "tag", TAKES_INT);
  IMPORT_FUNC(b, "host", INT_TO_INT); /* 0 */
  /* Throws its argument; 3 is first caught and thrown again. */
  FUNC(b, "guest", INT_TO_INT, NO_LOCALS, BLOCK(T_I32), TRY_TABLE(T_VOID, 1), CATCH(0, 0), GET(0), THROW(0), END,
       UNREACHABLE, END, THROW(0));
#define CAUGHT(...)                                                                                                   \
  NO_LOCALS, I32(20), BLOCK(T_I32), TRY_TABLE(T_I32, 1), CATCH(0, 0), GET(0), __VA_ARGS__, END, I32(1), I32_ADD, END, \
      I32_ADD
  FUNC(b, NULL, INT_TO_INT, NO_LOCALS, GET(0), RETURN_CALL(0)); /* 2 */
  FUNC(b, "call", INT_TO_INT, CAUGHT(CALL(0)));
  FUNC(b, "call tail", INT_TO_INT, CAUGHT(CALL(2)));
  FUNC(b, "not caught", INT_TO_INT, NO_LOCALS, GET(0), CALL(0), I32(1), I32_ADD);
  FUNC(b, "tail", INT_TO_INT, NO_LOCALS, GET(0), RETURN_CALL(0));
  /* Many times, so that what is left behind anywhere adds up. */
  FUNC(b, "many", INT_TO_INT, LOCALS(2, T_I32), LOOP(T_VOID), BLOCK(T_I32), TRY_TABLE(T_I32, 1), CATCH(0, 0), GET(0),
       CALL(0), END, END, GET(1), I32_ADD, SET(1), GET(0), I32(1), I32_SUB, TEE(0), BR_IF(0), END, GET(1));
}

static void check_host(struct world *world, struct engine_instance *instance, struct host_part *part) {
  static const enum manner throwing[] = {PROPAGATE, KEEP_AND_THROW, THROW_OWN};
  for (size_t i = 0; i < sizeof throwing / sizeof *throwing; i++) {
    part->manner = throwing[i];
    part->seen = 0;
    CHECK_CALL(world, instance, "call", 5, 25);
    CHECK_CALL(world, instance, "call tail", 6, 26);
    CHECK_UNCAUGHT(world, instance, "not caught", 7, 7);
    CHECK_UNCAUGHT(world, instance, "tail", 8, 8);
    CHECK_CALL(world, instance, "many", 500, 500 * 501 / 2);
    CHECK_INT(part->seen, 504);
  }
  part->manner = THROW_STOPPED; /* unwinding may be long, so it stops, too */
  CHECK_TRAP(world, instance, "call", 5, ENGINE_TRAP_INTERRUPTED);
  engine_interrupt_clear(world->store);
  part->manner = SWALLOW;
  CHECK_CALL(world, instance, "call", 5, 1021);
  CHECK_CALL(world, instance, "call tail", 5, 1021);
  CHECK_CALL(world, instance, "not caught", 5, 1001);
  CHECK_CALL(world, instance, "tail", 5, 1000);
  CHECK_CALL(world, instance, "many", 500, 500 * 1000);
  CHECK_INT(engine_store_thread(world->store)->trap, ENGINE_TRAP_NONE);
  part->manner = LOSE_AND_THROW; /* a host's mistake: a trap that says so */
  uint64_t slots[2] = {5};
  struct engine_extern lost;
  CHECK(engine_export(instance, "call", 4, &lost));
  CHECK_INT(engine_call(world->store, lost.func, slots), ENGINE_TRAP_HOST);
}

TEST(host) {
  static struct builder b;
  b = (struct builder){0};
  build_host(&b);
  for (size_t i = 0; i < 2 * (sizeof modes / sizeof *modes); i++) {
    struct world world = world_of(&modes[i / 2]);
    struct host_part part = {0};
    const struct module_func_type takes_int = {.params = one_i32, .param_count = 1};
    CHECK_INT(engine_tag_new(world.store, &takes_int, &part.tag, NULL), CAY_OK);
    struct engine_extern imports[] = {{.kind = MODULE_TAG, .tag = part.tag},
                                      host_function(&world, &i32_to_i32, host_part, &part)};
    imports[1].func->on_host_stack = i % 2;
    struct engine_instance *instance = instance_of(&world, &b, imports, CAY_OK);
    part.guest = export_of(instance, "guest").func;
    check_host(&world, instance, &part);
    world_free(&world);
  }
}

/* ---- Backtraces ------------------------------------------------------------------------------------------------------------------ */

/* An uncaught exception is reported from where it was thrown last, through all instances. */
static void build_thrower(struct builder *b) {
  add_types(b);
  TAG(b, NULL, TAKES_INT);
  FUNC(b, "throw", INT_TO_INT, NO_LOCALS, GET(0), THROW(0));
  FUNC(b, "again", INT_TO_INT, NO_LOCALS, 0x02, REF(T_EXN), TRY_TABLE(T_VOID, 1), CATCH_ALL_REF(0), GET(0), CALL(0),
       DROP, END, UNREACHABLE, END, THROW_REF);
}
static void build_caller(struct builder *b) {
  add_types(b);
  TAG(b, NULL, TAKES_INT);
  IMPORT_FUNC(b, "throw", INT_TO_INT);
  FUNC(b, NULL, INT_TO_INT, NO_LOCALS, GET(0), CALL(0), I32(1), I32_ADD);
  FUNC(b, "f", INT_TO_INT, NO_LOCALS, BLOCK(T_I32), TRY_TABLE(T_I32, 1), CATCH(0, 0), GET(0), CALL(1), END, END);
}
TEST(backtrace) {
  static struct builder thrower, caller;
  thrower = caller = (struct builder){0};
  build_thrower(&thrower);
  build_caller(&caller);
  for (size_t i = 0; i < 2 * (sizeof modes / sizeof *modes); i++) {
    struct world world = world_of(&modes[i / 2]);
    struct engine_thread *thread = engine_store_thread(world.store);
    bool is_again = i % 2;
    struct engine_instance *first = instance_of(&world, &thrower, NULL, CAY_OK);
    struct engine_extern import = export_of(first, is_again ? "again" : "throw");
    struct engine_instance *second = instance_of(&world, &caller, &import, CAY_OK);
    CHECK_UNCAUGHT(&world, second, "f", 9, 9);
    CHECK_INT(thread->trap, ENGINE_TRAP_EXCEPTION);
    CHECK_INT(thread->backtrace_count, 3);
    const struct {
      struct engine_instance *instance;
      uint32_t func;
      uint8_t opcode;
    } expected[] = {{first, is_again, is_again ? THROW_REF : 0x08}, {second, 1, 0x10}, {second, 2, 0x10}};
    for (uint32_t at = 0; at < 3; at++) {
      struct engine_frame frame;
      CHECK(engine_backtrace_frame(thread, at, &frame));
      CHECK(frame.instance == expected[at].instance);
      CHECK_INT(frame.func, expected[at].func);
      CHECK_INT(frame.instance->module->bytes[frame.offset], expected[at].opcode);
    }
    world_free(&world);
  }
}

/* ---- Traps, interruption, many ---------------------------------------------------------------------------------------------------- */

/* Neither form catches traps, the end of the stack and of memory included. */
static void build_traps(struct builder *b) {
  enum { LIST = FIRST_OWN_TYPE };
  TYPE(b, ARRAY_TYPE, T_I64, 1);
  TAG(b, NULL, NOTHING);
#define GUARDED(...) \
  NO_LOCALS, BLOCK(T_VOID), TRY_TABLE(T_VOID, 1), CATCH_ALL(0), __VA_ARGS__, END, I32(1), RETURN, END, I32(2)
  FUNC(b, "unreachable", INT_TO_INT, GUARDED(UNREACHABLE));
  FUNC(b, "endless", INT_TO_INT, GUARDED(GET(0), CALL(2), DROP));
  FUNC(b, "big", INT_TO_INT, GUARDED(I32(0x7F), ARRAY_NEW_DEFAULT(LIST), DROP));
  FUNC(b, "old", INT_TO_INT, NO_LOCALS, TRY(T_I32), UNREACHABLE, OLD_CATCH_ALL, I32(2), END);
  FUNC(b, "spin", INT_TO_INT, NO_LOCALS, LOOP(T_VOID), TRY_TABLE(T_VOID, 1), CATCH(0, 0), THROW(0), END, END, I32(1));
  FUNC(b, "thrown", INT_TO_INT, GUARDED(THROW(0)));
}
static atomic_bool is_interrupting;
static void *interrupt_soon(void *store) {
  struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
  nanosleep(&pause, NULL);
  if (atomic_load(&is_interrupting)) engine_interrupt(store);
  return NULL;
}
static void check_traps(struct world *world, struct engine_instance *instance) {
  CHECK_TRAP(world, instance, "unreachable", 0, ENGINE_TRAP_UNREACHABLE);
  CHECK_TRAP(world, instance, "endless", 0, ENGINE_TRAP_STACK_EXHAUSTED);
  CHECK_TRAP(world, instance, "big", 0, ENGINE_TRAP_HEAP_EXHAUSTED);
  CHECK_TRAP(world, instance, "old", 0, ENGINE_TRAP_UNREACHABLE);
  CHECK_CALL(world, instance, "thrown", 0, 2);
  pthread_t thread;
  atomic_store(&is_interrupting, true);
  CHECK_INT(pthread_create(&thread, NULL, interrupt_soon, world->store), 0);
  CHECK_TRAP(world, instance, "spin", 0, ENGINE_TRAP_INTERRUPTED);
  pthread_join(thread, NULL);
  engine_interrupt_clear(world->store);
  CHECK_CALL(world, instance, "thrown", 0, 2);
}
TEST(traps) {
  tested_features |= MODULE_FEATURE_BIT(LEGACY_EXCEPTIONS);
  in_modes(build_traps, check_traps);
  tested_features = MODULE_FEATURES_DEFAULT;
}

/* A million throws, in the frame and from below, use no stack, and their memory is collected. */
static void build_many(struct builder *b) {
  add_thrower(b);
  FUNC(b, "here", INT_TO_INT, LOCALS(1, T_I32), LOOP(T_VOID), BLOCK(T_I32), TRY_TABLE(T_VOID, 1), CATCH(INT_TAG, 0),
       GET(0), THROW(INT_TAG), END, UNREACHABLE, END, GET(1), I32_ADD, SET(1), GET(0), I32(1), I32_SUB, TEE(0),
       BR_IF(0), END, GET(1));
  FUNC(b, "below", INT_TO_INT, LOCALS(1, T_I32), LOOP(T_VOID), BLOCK(T_I32), TRY_TABLE(T_VOID, 1), CATCH(INT_TAG, 0),
       GET(0), CALL(THROWER), END, UNREACHABLE, END, GET(1), I32_ADD, SET(1), GET(0), I32(1), I32_SUB, TEE(0), BR_IF(0),
       END, GET(1));
}
static void check_many(struct world *world, struct engine_instance *instance) {
  uint64_t count = engine_heap_stats(world->store).collections ? 1000 : 1000000;
  CHECK_CALL(world, instance, "here", count, count * (count + 1) / 2);
  CHECK_CALL(world, instance, "below", count, count * (count + 1) / 2);
  CHECK(engine_heap_stats(world->store).held_bytes < 64 << 20);
}
TEST(many) { in_modes(build_many, check_many); }

TIERS_TEST_MAIN(RUN(clauses) RUN(values) RUN(registers) RUN(legacy) RUN(instances) RUN(host) RUN(backtrace) RUN(traps)
                    RUN(many))
