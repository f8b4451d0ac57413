/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Branches that carry many values, of all kinds, which one instruction moves to where their label expects them: out of blocks,
 * back to loops, by tables, out of the function, from where exceptions land. They stand above an operand that is left behind,
 * so that they do move, and what comes of them depends on the place of each. */
#include "builder.h"

enum { NOTHING, INT_TO_INT, TO_SIX, SIX_TO_SIX, SIX_TO_INT, INT_TO_SIX, SIX_TO_NOTHING };
#define SIX T_I32, T_I64, T_F32, T_F64, T_V128, T_I32

static void add_types(struct builder *b) {
  TYPE(b, FUNC_TYPE, 0, 0);
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  TYPE(b, FUNC_TYPE, 0, 6, SIX);
  TYPE(b, FUNC_TYPE, 6, SIX, 6, SIX);
  TYPE(b, FUNC_TYPE, 6, SIX, 1, T_I32);
  TYPE(b, FUNC_TYPE, 1, T_I32, 6, SIX);
  TYPE(b, FUNC_TYPE, 6, SIX, 0);
}

/* Local 0, then n + 1, n + 2 ... n + 5; and what FOLD makes of them. */
#define VALUES(n) GET(0), I64((n) + 1), I32((n) + 2), 0xB3, I32((n) + 3), 0xB8, I32((n) + 4), 0xFD, 17, I32((n) + 5)
static uint32_t folded(uint32_t local, uint32_t n) {
  return local + 3 * (n + 1) + 5 * (n + 2) + 7 * (n + 3) + 11 * (n + 4) + 13 * (n + 5);
}
#define PLUS_TIMES(factor) I32(factor), I32_MUL, I32_ADD
#define DROP_SIX DROP, DROP, DROP, DROP, DROP, DROP
#define BELOW I32(40)
#define BR_TABLE_OF_5(a, b, c, d, e) 0x0E, 4, a, b, c, d, e

enum { FOLD = COLLECT + 1, SAME, RETURNS, THROWS };

static void build_helpers(struct builder *b) {
  TAG(b, NULL, SIX_TO_NOTHING);
  FUNC(b, NULL, SIX_TO_INT, NO_LOCALS, GET(0), GET(1), 0xA7, PLUS_TIMES(3), GET(2), 0xA8, PLUS_TIMES(5), GET(3), 0xAA,
       PLUS_TIMES(7), GET(4), 0xFD, 27, 3, PLUS_TIMES(11), GET(5), PLUS_TIMES(13));
  FUNC(b, NULL, SIX_TO_SIX, NO_LOCALS, GET(0), GET(1), GET(2), GET(3), GET(4), GET(5));
  FUNC(b, NULL, INT_TO_SIX, NO_LOCALS, BELOW, VALUES(1), GET(0), BR_IF(0), DROP_SIX, DROP, VALUES(20));
  FUNC(b, NULL, INT_TO_INT, NO_LOCALS, VALUES(1), THROW(0));
}

static void build(struct builder *b) {
  build_helpers(b);
  FUNC(b, "block", INT_TO_INT, NO_LOCALS, BLOCK(TO_SIX), BELOW, VALUES(1), GET(0), BR_IF(0), GET(0), BR_IF(0), DROP_SIX,
       DROP, VALUES(20), END, CALL(FOLD));
  FUNC(b, "known", INT_TO_INT, NO_LOCALS, BLOCK(TO_SIX), BELOW, VALUES(1), I32(0), BR_IF(0), I32(1), BR_IF(0), DROP_SIX,
       DROP, VALUES(20), END, CALL(FOLD));
  FUNC(b, "null", INT_TO_INT, NO_LOCALS, BLOCK(TO_SIX), BELOW, VALUES(1), REF_NULL(T_FUNC), BR_ON_NULL(0), DROP,
       DROP_SIX, DROP, VALUES(20), END, CALL(FOLD));
  /* One of them is a constant, and does not stand where the others do. */
  FUNC(b, "most", INT_TO_INT, NO_LOCALS, BLOCK(TO_SIX), BELOW, VALUES(1), CALL(SAME), DROP, I32(7), BR(0), END,
       CALL(FOLD));
  FUNC(b, "loop", INT_TO_INT, LOCALS(1, T_I32), VALUES(1), LOOP(SIX_TO_SIX), CALL(FOLD), GET(1), I32_ADD, SET(1), BELOW,
       VALUES(3), GET(0), I32(1), I32_SUB, TEE(0), BR_IF(0), GET(1), RETURN, END, CALL(FOLD));
  FUNC(b, "table", INT_TO_INT, NO_LOCALS, BLOCK(TO_SIX), BELOW, BLOCK(TO_SIX), BELOW, VALUES(1), GET(0),
       BR_TABLE_OF_5(0, 1, 1, 0, 1), END, CALL(FOLD), SET(0), VALUES(20), BR(0), END, CALL(FOLD));
  FUNC(b, "return", INT_TO_INT, NO_LOCALS, BELOW, GET(0), CALL(RETURNS), CALL(FOLD), SET(0), DROP, GET(0));
  FUNC(b, "thrown here", INT_TO_INT, NO_LOCALS, BLOCK(TO_SIX), BELOW, TRY_TABLE(T_VOID, 1), CATCH(0, 0), VALUES(1),
       THROW(0), END, UNREACHABLE, END, CALL(FOLD));
  /* The pad's values are in place, and those of the branch behind the inner block are not. */
  FUNC(b, "thrown", INT_TO_INT, NO_LOCALS, BLOCK(TO_SIX), BELOW, BLOCK(TO_SIX), TRY_TABLE(T_VOID, 1), CATCH(0, 0),
       GET(0), CALL(THROWS), DROP, END, UNREACHABLE, END, BR(0), END, CALL(FOLD));
  FUNC(b, "legacy", INT_TO_INT, NO_LOCALS, TRY(TO_SIX), GET(0), CALL(THROWS), UNREACHABLE, OLD_CATCH(0), END,
       CALL(FOLD));
}

static void check_once(struct world *world, struct engine_instance *instance) {
  CHECK_CALL(world, instance, "block", 9, folded(9, 1));
  CHECK_CALL(world, instance, "block", 0, folded(0, 20));
  CHECK_CALL(world, instance, "known", 9, folded(9, 1));
  CHECK_CALL(world, instance, "null", 9, folded(9, 1));
  CHECK_CALL(world, instance, "most", 9, folded(9, 1) + 13);
  CHECK_CALL(world, instance, "loop", 3, folded(3, 1) + folded(3, 3) + folded(2, 3));
  CHECK_CALL(world, instance, "table", 0, folded(folded(0, 1), 20));
  CHECK_CALL(world, instance, "table", 1, folded(1, 1));
  CHECK_CALL(world, instance, "table", 2, folded(2, 1));
  CHECK_CALL(world, instance, "table", 3, folded(folded(3, 1), 20));
  CHECK_CALL(world, instance, "table", 9, folded(9, 1));
  CHECK_CALL(world, instance, "return", 9, folded(9, 1));
  CHECK_CALL(world, instance, "return", 0, folded(0, 20));
  CHECK_CALL(world, instance, "thrown here", 9, folded(9, 1));
  CHECK_CALL(world, instance, "thrown", 9, folded(9, 1));
  CHECK_CALL(world, instance, "legacy", 9, folded(9, 1));
}

/* Some tiers change the code of what is busy. */
static void check(struct world *world, struct engine_instance *instance) {
  for (int i = 0; i < 2 * TICKS_FOR_TESTS; i++) check_once(world, instance);
}

TEST(values) {
  tested_features |= MODULE_FEATURE_BIT(LEGACY_EXCEPTIONS);
  run_in_modes(add_types, NOTHING, build, check);
  tested_features = MODULE_FEATURES_DEFAULT;
}

TIERS_TEST_MAIN(RUN(values))
