/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* References and objects in translated code, above all that a collection, which may come at every allocation, finds
 * everything that is still needed: operands, locals, globals, tables, segments, arguments of the host, constants on the
 * way. Every test runs with both sets of handlers, and with a collection at every allocation that overwrites what died. */
#include "builder.h"

/* Types that most modules here share:
 *  0 (struct (field $value (mut i32)) (field $next (mut (ref null 0)))), not final
 *  1 (func (param i32) (result i32))   2 (func)   3 (func (param (ref null 0)) (result (ref null 0)))
 *  4 (func (param i32) (result (ref null 0))) */
enum { CELL, INT_TO_INT, NOTHING, CELL_TO_CELL, INT_TO_CELL, FIRST_OWN_TYPE };
static void add_types(struct builder *b) {
  TYPE(b, 0x50, 0, STRUCT_TYPE, 2, T_I32, 1, REF_OR_NULL(CELL), 1);
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  TYPE(b, FUNC_TYPE, 0, 0);
  TYPE(b, FUNC_TYPE, 1, REF_OR_NULL(CELL), 1, REF_OR_NULL(CELL));
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, REF_OR_NULL(CELL));
}
#define NEW_CELL(...) __VA_ARGS__, REF_NULL(CELL), STRUCT_NEW(CELL)
#define VALUE STRUCT_GET(CELL, 0)

static void in_modes(builder_function build, void (*check)(struct world *world, struct engine_instance *instance)) {
  run_in_modes(add_types, NOTHING, build, check);
}

/* ---- Operands ---------------------------------------------------------------------------------------------------- */

/* Three cells wait on the stack, one of them named by a local, while a host function collects, while a function of the
 * same instance allocates, by index, through the table and by reference. */
static void build_operands(struct builder *b) {
  TABLE(b, NULL, T_FUNC, 0, 1);
  FUNC(b, NULL, NOTHING, NO_LOCALS, NEW_CELL(I32(9)), DROP, NEW_CELL(I32(9)), DROP, CALL(COLLECT)); /* 1 */
  ELEM(b, 0, I32(0), END, 1, 1);
#define AROUND(...)                                                                                                    \
  LOCALS(1, REF_OR_NULL(CELL)), NEW_CELL(GET(0)), NEW_CELL(GET(0), I32(1), I32_ADD), SET(1), GET(1), NEW_CELL(I32(5)), \
      __VA_ARGS__, VALUE, SET(0), VALUE, GET(0), I32_ADD, SET(0), VALUE, GET(0), I32_ADD
  FUNC(b, "host", INT_TO_INT, AROUND(CALL(COLLECT)));
  FUNC(b, "call", INT_TO_INT, AROUND(CALL(1)));
  FUNC(b, "table", INT_TO_INT, AROUND(I32(0), CALL_INDIRECT(NOTHING, 0)));
  FUNC(b, "ref", INT_TO_INT, AROUND(REF_FUNC(1), CALL_REF(NOTHING)));
  FUNC(b, "alloc", INT_TO_INT, AROUND(NEW_CELL(I32(3)), DROP));
#undef AROUND
}
static void check_operands(struct world *world, struct engine_instance *instance) {
  static const char *const names[] = {"host", "call", "table", "ref", "alloc"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) CHECK_CALL(world, instance, names[i], 20, 20 + 21 + 5);
}
TEST(operands) { in_modes(build_operands, check_operands); }

/* Operands of the instruction itself: the fields of a struct, many elements of an array, both ends of a long list. */
static void build_own_operands(struct builder *b) {
  enum { CELLS = FIRST_OWN_TYPE };
  TYPE(b, ARRAY_TYPE, REF_OR_NULL(CELL), 1);
  FUNC(b, "nest", INT_TO_INT, NO_LOCALS, I32(1), I32(2), I32(3), NEW_CELL(GET(0)), STRUCT_NEW(CELL), STRUCT_NEW(CELL),
       STRUCT_NEW(CELL), STRUCT_GET(CELL, 1), STRUCT_GET(CELL, 1), STRUCT_GET(CELL, 1), VALUE);
#define TEN(n)                                                                                              \
  NEW_CELL(I32(n)), NEW_CELL(I32(n + 1)), NEW_CELL(I32(n + 2)), NEW_CELL(I32(n + 3)), NEW_CELL(I32(n + 4)), \
      NEW_CELL(I32(n + 5)), NEW_CELL(I32(n + 6)), NEW_CELL(I32(n + 7)), NEW_CELL(I32(n + 8)), NEW_CELL(I32(n + 9))
  FUNC(b, "fixed", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELLS)), TEN(0), TEN(10), TEN(20), TEN(30), TEN(40),
       ARRAY_NEW_FIXED(CELLS, 50), SET(1), CALL(COLLECT), GET(1), GET(0), ARRAY_GET(CELLS), VALUE);
  FUNC(b, "fill", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELLS)), NEW_CELL(GET(0)), I32(20), ARRAY_NEW(CELLS), TEE(1),
       I32(3), NEW_CELL(I32(7)), I32(4), ARRAY_FILL(CELLS), CALL(COLLECT), NEW_CELL(I32(1)), DROP, GET(1), I32(2),
       ARRAY_GET(CELLS), VALUE, GET(1), I32(6), ARRAY_GET(CELLS), VALUE, I32_ADD);
  FUNC(b, "list", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELL)), LOOP(T_VOID), GET(0), GET(1), STRUCT_NEW(CELL), SET(1),
       GET(0), I32(1), I32_SUB, TEE(0), BR_IF(0), END, CALL(COLLECT), LOOP(T_VOID), GET(0), GET(1), VALUE, I32_ADD,
       SET(0), GET(1), STRUCT_GET(CELL, 1), TEE(1), REF_IS_NULL, I32_EQZ, BR_IF(0), END, GET(0));
}
static void check_own_operands(struct world *world, struct engine_instance *instance) {
  CHECK_CALL(world, instance, "nest", 44, 44);
  for (int i = 0; i < 50; i += 7) CHECK_CALL(world, instance, "fixed", i, i);
  CHECK_CALL(world, instance, "fill", 5, 12);
  CHECK_CALL(world, instance, "list", 300, 300 * 301 / 2);
}
TEST(own_operands) { in_modes(build_own_operands, check_own_operands); }

/* ---- Locals and parameters ---------------------------------------------------------------------------------------- */

/* "deep": each of n frames holds a cell in a local and one that it was given, and adds them up on the way back.
 * "tail": the same by a tail call that moves the cell into the parameter of the next. */
static void build_locals(struct builder *b) {
  enum { DEEP = FIRST_OWN_TYPE };
  TYPE(b, FUNC_TYPE, 2, T_I32, REF_OR_NULL(CELL), 1, T_I32);
  FUNC(b, NULL, DEEP, LOCALS(1, REF_OR_NULL(CELL)), GET(0), I32_EQZ, IF(T_I32), CALL(COLLECT), I32(0), ELSE,
       NEW_CELL(GET(0)), SET(2), GET(0), I32(1), I32_SUB, GET(2), CALL(1), END, GET(1), VALUE, I32_ADD, GET(2),
       REF_IS_NULL, IF(T_I32), I32(0), ELSE, GET(2), VALUE, END, I32_ADD);
  FUNC(b, "deep", INT_TO_INT, NO_LOCALS, GET(0), NEW_CELL(I32(0)), CALL(1));
  FUNC(b, NULL, DEEP, NO_LOCALS, GET(0), I32_EQZ, IF(T_VOID), CALL(COLLECT), GET(1), VALUE, RETURN, END, GET(0), I32(1),
       I32_SUB, GET(1), VALUE, I32(1), I32_ADD, REF_NULL(CELL), STRUCT_NEW(CELL), RETURN_CALL(3));
  FUNC(b, "tail", INT_TO_INT, NO_LOCALS, GET(0), NEW_CELL(I32(0)), CALL(3));
}
static void check_locals(struct world *world, struct engine_instance *instance) {
  CHECK_CALL(world, instance, "deep", 300, 300 * 301);
  CHECK_CALL(world, instance, "tail", 3000, 3000);
}
TEST(locals) { in_modes(build_locals, check_locals); }

/* ---- Blocks ---------------------------------------------------------------------------------------------------------- */

/* References as parameters and results of blocks and loops, and as what select, br_if, br_on_null, br_on_cast leave. */
static void build_blocks(struct builder *b) {
  FUNC(b, "loop", INT_TO_INT, NO_LOCALS, NEW_CELL(I32(0)), LOOP(CELL_TO_CELL), CALL(COLLECT), VALUE, GET(0), I32_ADD,
       REF_NULL(CELL), STRUCT_NEW(CELL), GET(0), I32(1), I32_SUB, TEE(0), BR_IF(0), END, CALL(COLLECT),
       NEW_CELL(I32(1)), DROP, VALUE);
  FUNC(b, "select", INT_TO_INT, NO_LOCALS, NEW_CELL(I32(3)), NEW_CELL(I32(4)), GET(0), 0x1C, 1, REF_OR_NULL(CELL),
       CALL(COLLECT), NEW_CELL(I32(1)), DROP, VALUE);
  FUNC(b, "select_null", INT_TO_INT, NO_LOCALS, NEW_CELL(I32(3)), REF_NULL(CELL), GET(0), 0x1C, 1, REF_OR_NULL(CELL),
       CALL(COLLECT), NEW_CELL(I32(1)), DROP, VALUE);
  FUNC(b, "if", INT_TO_INT, NO_LOCALS, NEW_CELL(I32(8)), GET(0), IF(CELL_TO_CELL), DROP, NEW_CELL(I32(9)), END,
       CALL(COLLECT), NEW_CELL(I32(1)), DROP, VALUE);
  FUNC(b, "on_null", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELL)), GET(0), IF(T_VOID), NEW_CELL(I32(6)), SET(1), END,
       BLOCK(T_VOID), GET(1), BR_ON_NULL(0), CALL(COLLECT), REF_NULL(CELL), SET(1), NEW_CELL(I32(1)), DROP, VALUE,
       RETURN, END, I32(40));
  FUNC(b, "on_non_null", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELL)), GET(0), IF(T_VOID), NEW_CELL(I32(6)), SET(1), END,
       0x02, REF(CELL), GET(1), BR_ON_NON_NULL(0), I32(40), RETURN, END, REF_NULL(CELL), SET(1), CALL(COLLECT),
       NEW_CELL(I32(1)), DROP, VALUE);
  FUNC(b, "on_cast", INT_TO_INT, LOCALS(1, T_ANY), GET(0), IF(T_ANY), NEW_CELL(I32(6)), ELSE, I32(33), REF_I31, END,
       SET(1), 0x02, REF(CELL), GET(1), BR_ON_CAST(1, 0, T_ANY, CELL), CALL(COLLECT), REF_CAST(T_I31), I31_GET_S,
       RETURN, END, REF_NULL(T_NONE), SET(1), CALL(COLLECT), NEW_CELL(I32(1)), DROP, VALUE);
  FUNC(b, "on_cast_fail", INT_TO_INT, LOCALS(1, T_ANY), GET(0), IF(T_ANY), NEW_CELL(I32(6)), ELSE, I32(33), REF_I31,
       END, SET(1), BLOCK(T_ANY), GET(1), BR_ON_CAST_FAIL(1, 0, T_ANY, CELL), CALL(COLLECT), NEW_CELL(I32(1)), DROP,
       VALUE, RETURN, END, CALL(COLLECT), REF_CAST(T_I31), I31_GET_S);
  FUNC(b, "table", INT_TO_INT, NO_LOCALS, NEW_CELL(GET(0)), BLOCK(CELL_TO_CELL), BLOCK(CELL_TO_CELL), CALL(COLLECT),
       GET(0), 0x0E, 1, 0, 1, END, DROP, NEW_CELL(I32(50)), END, CALL(COLLECT), NEW_CELL(I32(1)), DROP, VALUE);
}
static void check_blocks(struct world *world, struct engine_instance *instance) {
  CHECK_CALL(world, instance, "loop", 100, 5050);
  CHECK_CALL(world, instance, "select", 1, 3);
  CHECK_CALL(world, instance, "select", 0, 4);
  CHECK_CALL(world, instance, "select_null", 1, 3);
  CHECK_TRAP(world, instance, "select_null", 0, ENGINE_TRAP_NULL_REFERENCE);
  CHECK_CALL(world, instance, "if", 0, 8);
  CHECK_CALL(world, instance, "if", 1, 9);
  CHECK_CALL(world, instance, "on_null", 0, 40);
  CHECK_CALL(world, instance, "on_null", 1, 6);
  CHECK_CALL(world, instance, "on_non_null", 0, 40);
  CHECK_CALL(world, instance, "on_non_null", 1, 6);
  CHECK_CALL(world, instance, "on_cast", 0, 33);
  CHECK_CALL(world, instance, "on_cast", 1, 6);
  CHECK_CALL(world, instance, "on_cast_fail", 0, 33);
  CHECK_CALL(world, instance, "on_cast_fail", 1, 6);
  CHECK_CALL(world, instance, "table", 0, 50);
  CHECK_CALL(world, instance, "table", 5, 5);
}
TEST(blocks) { in_modes(build_blocks, check_blocks); }

/* ---- Globals, tables, segments --------------------------------------------------------------------------------------- */

/* Own globals and tables with initial values that are objects made of objects; elements that are expressions, active
 * and passive, read by all four instructions. */
static void build_holders(struct builder *b) {
  enum { CELLS = FIRST_OWN_TYPE };
  TYPE(b, ARRAY_TYPE, REF_OR_NULL(CELL), 1);
#define CHAIN(n) I32(n), I32(n + 1), REF_NULL(CELL), STRUCT_NEW(CELL), STRUCT_NEW(CELL)
  GLOBAL(b, "g", REF_OR_NULL(CELL), 1, CHAIN(10), END);                                 /* 0 */
  GLOBAL(b, NULL, REF(CELLS), 0, CHAIN(20), CHAIN(22), ARRAY_NEW_FIXED(CELLS, 2), END); /* 1 */
  TABLE(b, "t", 0x40, 0, REF_OR_NULL(CELL), 0, 4, CHAIN(30), END);                      /* 0 */
  TABLE(b, NULL, REF_OR_NULL(CELL), 0, 4);                                              /* 1 */
  ELEM(b, 6, 1, I32(1), END, REF_OR_NULL(CELL), 2, CHAIN(40), END, CHAIN(42), END);
  ELEM(b, 5, REF_OR_NULL(CELL), 3, CHAIN(50), END, REF_NULL(CELL), END, CHAIN(52), END);
#define SECOND STRUCT_GET(CELL, 1), VALUE
  FUNC(b, "global", INT_TO_INT, NO_LOCALS, CALL(COLLECT), NEW_CELL(I32(0)), DROP, GLOBAL_GET(0), SECOND);
  FUNC(b, "set", INT_TO_INT, NO_LOCALS, GET(0), NEW_CELL(GET(0)), STRUCT_NEW(CELL), GLOBAL_SET(0), CALL(COLLECT),
       NEW_CELL(I32(0)), DROP, GLOBAL_GET(0), SECOND);
  FUNC(b, "array", INT_TO_INT, NO_LOCALS, GLOBAL_GET(1), GET(0), ARRAY_GET(CELLS), CALL(COLLECT), NEW_CELL(I32(0)),
       DROP, SECOND);
  FUNC(b, "table", INT_TO_INT, NO_LOCALS, GET(0), TABLE_GET(0), CALL(COLLECT), NEW_CELL(I32(0)), DROP, SECOND);
  FUNC(b, "put", INT_TO_INT, NO_LOCALS, I32(3), I32(0), NEW_CELL(GET(0)), STRUCT_NEW(CELL), TABLE_SET(0), CALL(COLLECT),
       NEW_CELL(I32(0)), DROP, I32(3), TABLE_GET(0), SECOND);
  FUNC(b, "grow", INT_TO_INT, NO_LOCALS, I32(0), NEW_CELL(I32(17)), STRUCT_NEW(CELL), GET(0), TABLE_GROW(0), DROP,
       CALL(COLLECT), NEW_CELL(I32(0)), DROP, I32(4), TABLE_GET(0), SECOND);
  FUNC(b, "active", INT_TO_INT, NO_LOCALS, CALL(COLLECT), GET(0), TABLE_GET(1), SECOND);
  /* The first use of the passive segment comes while a cell waits on the stack. */
  FUNC(b, "init", INT_TO_INT, NO_LOCALS, I32(1), NEW_CELL(GET(0)), STRUCT_NEW(CELL), I32(0), I32(0), I32(3),
       TABLE_INIT(1, 1), CALL(COLLECT), SECOND, I32(2), TABLE_GET(1), SECOND, I32_ADD);
  FUNC(b, "new", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELLS)), NEW_CELL(I32(1)), I32(1), I32(2), ARRAY_NEW_ELEM(CELLS, 1),
       SET(1), CALL(COLLECT), NEW_CELL(I32(0)), DROP, VALUE, GET(1), GET(0), ARRAY_GET(CELLS), SECOND, I32_ADD);
  FUNC(b, "into", INT_TO_INT, LOCALS(1, REF_OR_NULL(CELLS)), I32(9), ARRAY_NEW_DEFAULT(CELLS), TEE(1), I32(6), I32(0),
       I32(3), ARRAY_INIT_ELEM(CELLS, 1), CALL(COLLECT), NEW_CELL(I32(0)), DROP, GET(1), GET(0), ARRAY_GET(CELLS),
       SECOND);
  FUNC(b, "same", INT_TO_INT, NO_LOCALS, I32(0), I32(3), ARRAY_NEW_ELEM(CELLS, 1), GET(0), ARRAY_GET(CELLS), I32(0),
       I32(3), ARRAY_NEW_ELEM(CELLS, 1), GET(0), ARRAY_GET(CELLS), REF_EQ);
  FUNC(b, "drop", INT_TO_INT, NO_LOCALS, I32(0), I32(3), ARRAY_NEW_ELEM(CELLS, 1), ELEM_DROP(1), CALL(COLLECT),
       NEW_CELL(I32(0)), DROP, GET(0), ARRAY_GET(CELLS), SECOND);
}
static void check_holders(struct world *world, struct engine_instance *instance) {
  CHECK_CALL(world, instance, "global", 0, 11);
  CHECK_CALL(world, instance, "set", 61, 61);
  CHECK_CALL(world, instance, "array", 0, 21);
  CHECK_CALL(world, instance, "array", 1, 23);
  CHECK_CALL(world, instance, "table", 3, 31);
  CHECK_CALL(world, instance, "put", 62, 62);
  CHECK_CALL(world, instance, "grow", 3, 17);
  CHECK_CALL(world, instance, "active", 1, 41);
  CHECK_CALL(world, instance, "active", 2, 43);
  CHECK_CALL(world, instance, "init", 5, 5 + 53);
  CHECK_CALL(world, instance, "new", 1, 1 + 53);
  CHECK_CALL(world, instance, "into", 6, 51);
  CHECK_CALL(world, instance, "into", 8, 53);
  CHECK_TRAP(world, instance, "into", 7, ENGINE_TRAP_NULL_REFERENCE);
  CHECK_CALL(world, instance, "same", 0, 1);
  CHECK_CALL(world, instance, "drop", 2, 53);
  CHECK_TRAP(world, instance, "drop", 2, ENGINE_TRAP_TABLE_BOUNDS);
}
TEST(holders) { in_modes(build_holders, check_holders); }

/* ---- What the host holds ------------------------------------------------------------------------------------------------ */

static const module_type one_any[] = {MODULE_REF | MODULE_REF_NULL | MODULE_HEAP_ANY};
static const module_type one_extern[] = {MODULE_REF | MODULE_REF_NULL | MODULE_HEAP_EXTERN};
static const struct module_func_type any_to_any = {
    .params = one_any, .param_count = 1, .results = one_any, .result_count = 1};

/* Collects while its argument is nowhere else, then lets the guest allocate, and gives the argument back. */
static enum engine_trap host_keeps(struct engine_call *call, uint64_t *slots) {
  uint64_t *again = call->env, argument[1] = {5}, own = slots[0];
  struct engine_store *store = call->thread->store;
  engine_heap_collect(store);
  struct engine_root_span span = {.slots = &own, .count = 1};
  engine_roots_push(store, &span);
  slots[0] = 0;
  enum engine_trap trap = ENGINE_TRAP_NONE;
  if (*again) trap = engine_call(store, (struct engine_function *)(uintptr_t)*again, argument);
  engine_roots_pop(store, &span);
  slots[0] = own;
  return trap;
}

/* Imports: a host function (any) -> any, a global that the host makes, another instance's global and table. */
TEST(host_and_imports) {
  static struct builder owner, user;
  owner = user = (struct builder){0};
  add_types(&owner);
  GLOBAL(&owner, "g", REF_OR_NULL(CELL), 1, REF_NULL(CELL), END);
  GLOBAL(&owner, "h", T_ANY, 1, REF_NULL(T_NONE), END);
  TABLE(&owner, "t", REF_OR_NULL(CELL), 0, 3);
  FUNC(&owner, "churn", INT_TO_INT, NO_LOCALS, LOOP(T_VOID), NEW_CELL(GET(0)), DROP, GET(0), I32(1), I32_SUB, TEE(0),
       BR_IF(0), END, GET(0));
  add_types(&user);
  TYPE(&user, FUNC_TYPE, 1, T_ANY, 1, T_ANY);
  IMPORT_FUNC(&user, "host", FIRST_OWN_TYPE);
  IMPORT_GLOBAL(&user, "g", REF_OR_NULL(CELL), 1);
  IMPORT_GLOBAL(&user, "h", T_ANY, 1);
  IMPORT_GLOBAL(&user, "x", T_EXTERN, 1);
  IMPORT_TABLE(&user, "t", REF_OR_NULL(CELL), 0, 3);
  IMPORT_FUNC(&user, "churn", INT_TO_INT);
#define CHURN NEW_CELL(I32(1)), DROP, I32(30), CALL(1), DROP
  FUNC(&user, "host", INT_TO_INT, NO_LOCALS, NEW_CELL(I32(3)), NEW_CELL(GET(0)), CALL(0), REF_CAST(CELL), VALUE, SET(0),
       VALUE, GET(0), I32_ADD);
  FUNC(&user, "global", INT_TO_INT, NO_LOCALS, NEW_CELL(GET(0)), GLOBAL_SET(0), NEW_CELL(GET(0)), GLOBAL_SET(1),
       NEW_CELL(GET(0)), EXTERN_CONVERT_ANY, GLOBAL_SET(2), CHURN, GLOBAL_GET(0), VALUE, GLOBAL_GET(1), REF_CAST(CELL),
       VALUE, I32_ADD, GLOBAL_GET(2), ANY_CONVERT_EXTERN, REF_CAST(CELL), VALUE, I32_ADD);
  FUNC(&user, "table", INT_TO_INT, NO_LOCALS, I32(2), NEW_CELL(GET(0)), TABLE_SET(0), CHURN, I32(2), TABLE_GET(0),
       VALUE);
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    struct world world = world_of(&modes[i]);
    struct engine_instance *first = instance_of(&world, &owner, NULL, CAY_OK);
    uint64_t again = 0, null[2] = {0};
    struct engine_extern imports[6] = {host_function(&world, &any_to_any, host_keeps, &again),
                                       export_of(first, "g"),
                                       export_of(first, "h"),
                                       {.kind = MODULE_GLOBAL},
                                       export_of(first, "t"),
                                       export_of(first, "churn")};
    struct module_global_type type = {.type = *one_extern, .is_mutable = true};
    CHECK_INT(engine_global_new(world.store, &type, null, &imports[3].global, NULL), CAY_OK);
    struct engine_instance *second = instance_of(&world, &user, imports, CAY_OK);
    CHECK_CALL(&world, second, "host", 8, 11);
    again = (uintptr_t)export_of(first, "churn").func;
    CHECK_CALL(&world, second, "host", 8, 11);
    CHECK_CALL(&world, second, "global", 7, 21);
    CHECK_CALL(&world, second, "table", 9, 9);
    world_free(&world);
  }
}

/* ---- Casts -------------------------------------------------------------------------------------------------------------- */

/* A value of each kind against a test for each heap type that it can be asked for; bits in the order of `asked`. */
static void build_casts(struct builder *b) {
  enum { SUB = FIRST_OWN_TYPE, LIST, ANY_TO_INT, EXTERN_TO_INT, OTHER };
  TYPE(b, 0x50, 1, CELL, STRUCT_TYPE, 3, T_I32, 1, REF_OR_NULL(CELL), 1, T_I32, 1);
  TYPE(b, ARRAY_TYPE, T_I8, 1);
  TYPE(b, FUNC_TYPE, 1, T_ANY, 1, T_I32);
  TYPE(b, FUNC_TYPE, 1, T_EXTERN, 1, T_I32);
  TYPE(b, STRUCT_TYPE, 3, T_I32, 1, REF_OR_NULL(CELL), 1, T_I32, 1); /* as SUB, but without its supertype */
#define ASK(test, heap, weight) GET(0), test(heap), I32(weight), I32_MUL, I32_ADD
#define ASK_ALL(test)                                                                                                  \
  GET(0), test(T_ANY), ASK(test, T_EQ, 2), ASK(test, T_I31, 4), ASK(test, T_STRUCT, 8), ASK(test, T_ARRAY, 16),        \
      ASK(test, CELL, 32), GET(0), test(SUB), I32(32), I32_MUL, I32(2), I32_MUL, I32_ADD, GET(0), test(LIST), I32(32), \
      I32_MUL, I32(4), I32_MUL, I32_ADD, GET(0), test(T_NONE), I32(32), I32_MUL, I32(8), I32_MUL, I32_ADD, GET(0),     \
      test(OTHER), I32(32), I32_MUL, I32(16), I32_MUL, I32_ADD
  FUNC(b, "tests", ANY_TO_INT, NO_LOCALS, ASK_ALL(REF_TEST));
  FUNC(b, "tests_null", ANY_TO_INT, NO_LOCALS, ASK_ALL(REF_TEST_NULL));
#define MADE(name, ...)                                       \
  FUNC(b, name, INT_TO_INT, NO_LOCALS, __VA_ARGS__, CALL(1)); \
  FUNC(b, name " null", INT_TO_INT, NO_LOCALS, __VA_ARGS__, CALL(2))
  MADE("null", REF_NULL(T_NONE));
  MADE("i31", GET(0), REF_I31);
  MADE("cell", NEW_CELL(GET(0)));
  MADE("sub", STRUCT_NEW_DEFAULT(SUB));
  MADE("list", I32(3), ARRAY_NEW_DEFAULT(LIST));
  MADE("other", STRUCT_NEW_DEFAULT(OTHER));
  FUNC(b, "host", EXTERN_TO_INT, NO_LOCALS, GET(0), ANY_CONVERT_EXTERN, CALL(1));
  FUNC(b, "cast", ANY_TO_INT, NO_LOCALS, GET(0), REF_CAST(CELL), VALUE);
  FUNC(b, "cast null", ANY_TO_INT, NO_LOCALS, GET(0), REF_CAST_NULL(CELL), REF_IS_NULL);
  FUNC(b, "same", EXTERN_TO_INT, NO_LOCALS, GET(0), ANY_CONVERT_EXTERN, EXTERN_CONVERT_ANY, ANY_CONVERT_EXTERN,
       REF_CAST_NULL(T_I31), I31_GET_U);
  FUNC(b, "signed", INT_TO_INT, NO_LOCALS, GET(0), REF_I31, I31_GET_S);
  FUNC(b, "unsigned", INT_TO_INT, NO_LOCALS, GET(0), REF_I31, I31_GET_U);
  FUNC(b, "functions", INT_TO_INT, NO_LOCALS, REF_FUNC(1), REF_TEST(ANY_TO_INT), REF_FUNC(1), REF_TEST(EXTERN_TO_INT),
       I32(2), I32_MUL, I32_ADD, REF_FUNC(1), REF_TEST(T_FUNC), I32(4), I32_MUL, I32_ADD, REF_FUNC(1),
       REF_TEST(T_NOFUNC), I32(8), I32_MUL, I32_ADD, REF_NULL(T_NOFUNC), REF_TEST_NULL(T_NOFUNC), I32(16), I32_MUL,
       I32_ADD);
  ELEM(b, 3, 0, 1, 1); /* declares function 1 */
}
static void check_casts(struct world *world, struct engine_instance *instance) {
  enum {
    ANY = 1,
    EQ = 2,
    I31 = 4,
    STRUCT = 8,
    ARRAY = 16,
    A_CELL = 32,
    SUB = 64,
    LIST = 128,
    NONE = 256,
    OTHER = 512,
    ALL = 1023
  };
  static const struct {
    const char *made;
    uint32_t is;
  } kinds[] = {{"null", 0},
               {"i31", ANY | EQ | I31},
               {"cell", ANY | EQ | STRUCT | A_CELL},
               {"sub", ANY | EQ | STRUCT | A_CELL | SUB},
               {"list", ANY | EQ | ARRAY | LIST},
               {"other", ANY | EQ | STRUCT | OTHER}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    char name[32];
    CHECK_CALL(world, instance, kinds[i].made, 5, kinds[i].is);
    snprintf(name, sizeof name, "%s null", kinds[i].made);
    CHECK_CALL(world, instance, name, 5, i == 0 ? ALL : kinds[i].is);
  }
  CHECK_CALL(world, instance, "host", engine_ref_host(77), ANY);
  CHECK_CALL(world, instance, "host", engine_ref_i31(77), ANY | EQ | I31);
  CHECK_CALL(world, instance, "same", engine_ref_i31(77), 77);
  CHECK_TRAP(world, instance, "same", engine_ref_host(77), ENGINE_TRAP_CAST);
  CHECK_TRAP(world, instance, "same", 0, ENGINE_TRAP_NULL_REFERENCE);
  CHECK_TRAP(world, instance, "cast", 0, ENGINE_TRAP_CAST);
  CHECK_TRAP(world, instance, "cast", engine_ref_i31(1), ENGINE_TRAP_CAST);
  CHECK_TRAP(world, instance, "cast", engine_ref_host(1), ENGINE_TRAP_CAST);
  CHECK_CALL(world, instance, "cast null", 0, 1);
  CHECK_TRAP(world, instance, "cast null", engine_ref_i31(1), ENGINE_TRAP_CAST);
  CHECK_CALL(world, instance, "signed", 0x40000000, 0xC0000000);
  CHECK_CALL(world, instance, "unsigned", 0xC0000000, 0x40000000);
  CHECK_CALL(world, instance, "signed", 0xFFFFFFFF, 0xFFFFFFFF);
  CHECK_CALL(world, instance, "unsigned", 0xFFFFFFFF, 0x7FFFFFFF);
  CHECK_CALL(world, instance, "functions", 0, 1 | 4 | 16);
}
TEST(casts) { in_modes(build_casts, check_casts); }

/* ---- Fields and elements ---------------------------------------------------------------------------------------------------- */

/* A struct with a field of every width, in an order that needs padding; each is set and read while its neighbours keep
 * their values. */
static void build_fields(struct builder *b) {
  enum { WIDE = FIRST_OWN_TYPE, LONG_TO_LONG, FLOAT_TO_FLOAT, DOUBLE_TO_DOUBLE, MAKER };
  TYPE(b, STRUCT_TYPE, 8, T_I8, 1, T_F64, 1, T_I16, 1, T_F32, 1, T_I8, 1, T_V128, 1, T_I64, 1, T_I16, 1);
  TYPE(b, FUNC_TYPE, 1, T_I64, 1, T_I64);
  TYPE(b, FUNC_TYPE, 1, T_F32, 1, T_F32);
  TYPE(b, FUNC_TYPE, 1, T_F64, 1, T_F64);
  TYPE(b, FUNC_TYPE, 0, 1, REF(WIDE));
#define ONES 0x7F /* -1 */
#define ALL_ONES                                                                                                \
  I32(ONES), I64(ONES), 0xBF, I32(ONES), I32(ONES), 0xBE, I32(ONES), I64(ONES), 0xFD, 18, I64(ONES), I32(ONES), \
      STRUCT_NEW(WIDE)                       /* reinterpreted; splat */
  FUNC(b, NULL, MAKER, NO_LOCALS, ALL_ONES); /* 1 */
#define FIELD(name, type, field, get)                                                                                \
  FUNC(b, name, type, LOCALS(1, REF_OR_NULL(WIDE)), CALL(1), TEE(1), GET(0), STRUCT_SET(WIDE, field), CALL(COLLECT), \
       NEW_CELL(I32(0)), DROP, GET(1), get(WIDE, field))
  FIELD("b0 s", INT_TO_INT, 0, STRUCT_GET_S);
  FIELD("b0 u", INT_TO_INT, 0, STRUCT_GET_U);
  FIELD("f64", DOUBLE_TO_DOUBLE, 1, STRUCT_GET);
  FIELD("h2 s", INT_TO_INT, 2, STRUCT_GET_S);
  FIELD("h2 u", INT_TO_INT, 2, STRUCT_GET_U);
  FIELD("f32", FLOAT_TO_FLOAT, 3, STRUCT_GET);
  FIELD("b4 s", INT_TO_INT, 4, STRUCT_GET_S);
  FIELD("i64", LONG_TO_LONG, 6, STRUCT_GET);
  FIELD("h7 u", INT_TO_INT, 7, STRUCT_GET_U);
  FUNC(b, "v128", LONG_TO_LONG, LOCALS(1, REF_OR_NULL(WIDE)), STRUCT_NEW_DEFAULT(WIDE), TEE(1), GET(0), 0xFD, 18,
       STRUCT_SET(WIDE, 5), GET(1), STRUCT_GET(WIDE, 5), 0xFD, 29, 1, GET(1), STRUCT_GET(WIDE, 6), I64_ADD);
  /* Clears one field of all ones: the sum of the others' signed values stays. */
  FUNC(b, "others", INT_TO_INT, LOCALS(1, REF_OR_NULL(WIDE)), CALL(1), TEE(1), GET(0), STRUCT_SET(WIDE, 4), GET(1),
       STRUCT_GET_S(WIDE, 0), GET(1), STRUCT_GET_S(WIDE, 2), I32_ADD, GET(1), STRUCT_GET_S(WIDE, 7), I32_ADD, GET(1),
       STRUCT_GET(WIDE, 3), 0xBC, I32_ADD);
}
static void check_fields(struct world *world, struct engine_instance *instance) {
  CHECK_CALL(world, instance, "b0 s", 0x1280, 0xFFFFFF80);
  CHECK_CALL(world, instance, "b0 u", 0x1280, 0x80);
  CHECK_CALL(world, instance, "h2 s", 0x18000, 0xFFFF8000);
  CHECK_CALL(world, instance, "h2 u", 0x18000, 0x8000);
  CHECK_CALL(world, instance, "b4 s", 0x17F, 0x7F);
  CHECK_CALL(world, instance, "h7 u", 0x12345, 0x2345);
  CHECK_CALL(world, instance, "f32", 0x3F800000, 0x3F800000);
  uint64_t slot = 0x4009333333333333;
  CHECK_INT(call_with(world, instance, "f64", &slot), ENGINE_TRAP_NONE);
  CHECK(slot == 0x4009333333333333);
  slot = 0x123456789ABCDEF0;
  CHECK_INT(call_with(world, instance, "i64", &slot), ENGINE_TRAP_NONE);
  CHECK(slot == 0x123456789ABCDEF0);
  CHECK_INT(call_with(world, instance, "v128", &slot), ENGINE_TRAP_NONE);
  CHECK(slot == 0x123456789ABCDEF0);
  CHECK_CALL(world, instance, "others", 0, 4 * -1);
}
TEST(fields) { in_modes(build_fields, check_fields); }

/* Arrays of each width: filled with one value, elements copied over each other in both directions, data in and out. */
static void build_arrays(struct builder *b) {
  enum { BYTES = FIRST_OWN_TYPE, HALVES, LONGS, VECTORS };
  TYPE(b, ARRAY_TYPE, T_I8, 1);
  TYPE(b, ARRAY_TYPE, T_I16, 1);
  TYPE(b, ARRAY_TYPE, T_I64, 1);
  TYPE(b, ARRAY_TYPE, T_V128, 1);
  DATA(b, 1, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
#define MADE_OF_DATA(type, count) I32(0), I32(count), ARRAY_NEW_DATA(type, 0)
  /* Element i after elements 0..4 were copied to 2..6, and after 2..6 to 0..4. */
  FUNC(b, "up", INT_TO_INT, LOCALS(1, REF_OR_NULL(BYTES)), MADE_OF_DATA(BYTES, 10), TEE(1), I32(2), GET(1), I32(0),
       I32(5), ARRAY_COPY(BYTES, BYTES), GET(1), GET(0), ARRAY_GET_U(BYTES));
  FUNC(b, "down", INT_TO_INT, LOCALS(1, REF_OR_NULL(BYTES)), MADE_OF_DATA(BYTES, 10), TEE(1), I32(0), GET(1), I32(2),
       I32(5), ARRAY_COPY(BYTES, BYTES), GET(1), GET(0), ARRAY_GET_U(BYTES));
  FUNC(b, "halves", INT_TO_INT, NO_LOCALS, MADE_OF_DATA(HALVES, 5), GET(0), ARRAY_GET_S(HALVES));
  FUNC(b, "too many", INT_TO_INT, NO_LOCALS, MADE_OF_DATA(HALVES, 6), ARRAY_LEN);
  FUNC(b, "signed", INT_TO_INT, LOCALS(1, REF_OR_NULL(HALVES)), GET(0), I32(3), ARRAY_NEW(HALVES), TEE(1), I32(2),
       ARRAY_GET_S(HALVES), GET(1), I32(0), ARRAY_GET_U(HALVES), I32_ADD);
  FUNC(b, "length", INT_TO_INT, NO_LOCALS, GET(0), ARRAY_NEW_DEFAULT(BYTES), ARRAY_LEN);
  FUNC(b, "long", INT_TO_INT, LOCALS(1, REF_OR_NULL(LONGS)), I64(7), I32(20), ARRAY_NEW(LONGS), TEE(1), I32(5), I64(3),
       I32(10), ARRAY_FILL(LONGS), GET(1), GET(0), ARRAY_GET(LONGS), 0xA7);
  FUNC(b, "vector", INT_TO_INT, LOCALS(1, REF_OR_NULL(VECTORS)), GET(0), 0xFD, 17, I32(20), ARRAY_NEW(VECTORS), TEE(1),
       I32(5), I32(1), 0xFD, 17, I32(10), ARRAY_FILL(VECTORS), CALL(COLLECT), GET(1), I32(15), ARRAY_GET(VECTORS), 0xFD,
       27, 3, GET(1), I32(14), ARRAY_GET(VECTORS), 0xFD, 27, 0, I32_ADD);
  FUNC(b, "vectors", INT_TO_INT, NO_LOCALS, I32(1), 0xFD, 17, I32(2), 0xFD, 17, GET(0), 0xFD, 17,
       ARRAY_NEW_FIXED(VECTORS, 3), I32(2), ARRAY_GET(VECTORS), 0xFD, 27, 2);
  FUNC(b, "at", INT_TO_INT, NO_LOCALS, MADE_OF_DATA(BYTES, 10), GET(0), ARRAY_GET_U(BYTES));
  FUNC(b, "fill at", INT_TO_INT, NO_LOCALS, MADE_OF_DATA(BYTES, 10), GET(0), I32(1), I32(5), ARRAY_FILL(BYTES), I32(1));
  FUNC(b, "from", INT_TO_INT, LOCALS(1, REF_OR_NULL(BYTES)), MADE_OF_DATA(BYTES, 10), TEE(1), I32(0), GET(1), GET(0),
       I32(5), ARRAY_COPY(BYTES, BYTES), I32(1));
  FUNC(b, "data at", INT_TO_INT, NO_LOCALS, MADE_OF_DATA(BYTES, 10), I32(0), GET(0), I32(5), ARRAY_INIT_DATA(BYTES, 0),
       I32(1));
  FUNC(b, "null", INT_TO_INT, NO_LOCALS, REF_NULL(BYTES), I32(0), REF_NULL(BYTES), I32(0), I32(0),
       ARRAY_COPY(BYTES, BYTES), I32(1));
}
static void check_arrays(struct world *world, struct engine_instance *instance) {
  static const uint8_t up[] = {1, 2, 1, 2, 3, 4, 5, 8, 9, 10}, down[] = {3, 4, 5, 6, 7, 6, 7, 8, 9, 10};
  for (uint64_t i = 0; i < 10; i++) {
    CHECK_CALL(world, instance, "up", i, up[i]);
    CHECK_CALL(world, instance, "down", i, down[i]);
  }
  CHECK_CALL(world, instance, "halves", 4, 0x0A09);
  CHECK_TRAP(world, instance, "halves", 5, ENGINE_TRAP_ARRAY_BOUNDS);
  CHECK_TRAP(world, instance, "too many", 0, ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_CALL(world, instance, "signed", 0x8000, 0);
  CHECK_CALL(world, instance, "length", 100000, 100000);
  CHECK_TRAP(world, instance, "length", 0xFFFFFFFF, ENGINE_TRAP_HEAP_EXHAUSTED);
  CHECK_CALL(world, instance, "long", 4, 7);
  CHECK_CALL(world, instance, "long", 14, 3);
  CHECK_CALL(world, instance, "long", 15, 7);
  CHECK_CALL(world, instance, "vector", 9, 10);
  CHECK_CALL(world, instance, "vectors", 9, 9);
  CHECK_CALL(world, instance, "at", 9, 10);
  CHECK_TRAP(world, instance, "at", 10, ENGINE_TRAP_ARRAY_BOUNDS);
  CHECK_TRAP(world, instance, "at", 0xFFFFFFFF, ENGINE_TRAP_ARRAY_BOUNDS);
  static const struct {
    const char *name;
    enum engine_trap trap;
  } ranges[] = {{"fill at", ENGINE_TRAP_ARRAY_BOUNDS},
                {"from", ENGINE_TRAP_ARRAY_BOUNDS},
                {"data at", ENGINE_TRAP_MEMORY_BOUNDS}};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    CHECK_CALL(world, instance, ranges[i].name, 5, 1);
    CHECK_TRAP(world, instance, ranges[i].name, 6, ranges[i].trap);
    CHECK_TRAP(world, instance, ranges[i].name, 0xFFFFFFFF, ranges[i].trap);
  }
  CHECK_TRAP(world, instance, "null", 0, ENGINE_TRAP_NULL_REFERENCE);
}
TEST(arrays) { in_modes(build_arrays, check_arrays); }

/* ---- Types of several modules -------------------------------------------------------------------------------------------------- */

/* One module exports makers of objects and functions of types in recursive groups; others, whose indices differ, import
 * them. A group in which one thing differs makes other types. */
static void build_exporter(struct builder *b) {
  TYPE(b, FUNC_TYPE, 0, 1, T_ANY); /* 0 */
  ADD(b, PART_TYPES, 0x4E, 2, 0x50, 0, STRUCT_TYPE, 1, REF_OR_NULL(2), 0, 0x50, 0, STRUCT_TYPE, 1, REF_OR_NULL(1), 0);
  TYPE(b, 0x50, 1, 1, STRUCT_TYPE, 2, REF_OR_NULL(2), 0, T_I32, 0); /* 3, below 1 */
  TYPE(b, 0x50, 0, FUNC_TYPE, 0, 1, REF_OR_NULL(1));                /* 4 */
  TYPE(b, 0x4F, 1, 4, FUNC_TYPE, 0, 1, REF_OR_NULL(3));             /* 5, final, below 4 */
  FUNC(b, "first", 0, NO_LOCALS, STRUCT_NEW_DEFAULT(1));
  FUNC(b, "second", 0, NO_LOCALS, STRUCT_NEW_DEFAULT(2));
  FUNC(b, "below", 0, NO_LOCALS, STRUCT_NEW_DEFAULT(3));
  FUNC(b, "f4", 4, NO_LOCALS, STRUCT_NEW_DEFAULT(1));
  FUNC(b, "f5", 5, NO_LOCALS, STRUCT_NEW_DEFAULT(3));
  TABLE(b, "t", T_FUNC, 0, 2);
  ELEM(b, 0, I32(0), END, 2, 3, 4);
}
/* `mutable` 1: another group, the fields of whose first type are mutable. */
static void build_importer(struct builder *b, uint8_t mutable) {
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32); /* 0 */
  TYPE(b, STRUCT_TYPE, 1, T_I64, 0);      /* 1: moves all indices */
  TYPE(b, FUNC_TYPE, 0, 1, T_ANY);        /* 2 */
  ADD(b, PART_TYPES, 0x4E, 2, 0x50, 0, STRUCT_TYPE, 1, REF_OR_NULL(4), mutable, 0x50, 0, STRUCT_TYPE, 1, REF_OR_NULL(3),
      0);
  TYPE(b, 0x50, 1, 3, STRUCT_TYPE, 2, REF_OR_NULL(4), mutable, T_I32, 0); /* 5 */
  TYPE(b, 0x50, 0, FUNC_TYPE, 0, 1, REF_OR_NULL(3));                      /* 6 */
  TYPE(b, 0x4F, 1, 6, FUNC_TYPE, 0, 1, REF_OR_NULL(5));                   /* 7 */
  IMPORT_FUNC(b, "first", 2);
  IMPORT_FUNC(b, "second", 2);
  IMPORT_FUNC(b, "below", 2);
  IMPORT_TABLE(b, "t", T_FUNC, 0, 2);
#define IS_3_4_5(func)                                                                                         \
  CALL(func), REF_TEST(3), CALL(func), REF_TEST(4), I32(2), I32_MUL, I32_ADD, CALL(func), REF_TEST(5), I32(4), \
      I32_MUL, I32_ADD
  FUNC(b, "first", 0, NO_LOCALS, IS_3_4_5(0));
  FUNC(b, "second", 0, NO_LOCALS, IS_3_4_5(1));
  FUNC(b, "below", 0, NO_LOCALS, IS_3_4_5(2));
  FUNC(b, "call 6", 0, NO_LOCALS, GET(0), CALL_INDIRECT(6, 0), REF_IS_NULL);
  FUNC(b, "call 7", 0, NO_LOCALS, GET(0), CALL_INDIRECT(7, 0), REF_IS_NULL);
  FUNC(b, "tail 6", 6, NO_LOCALS, I32(1), RETURN_CALL_INDIRECT(6, 0));
  FUNC(b, "cast 7", 0, NO_LOCALS, GET(0), TABLE_GET(0), REF_CAST(7), CALL_REF(7), REF_IS_NULL);
}
TEST(types_of_modules) {
  static struct builder exporter, importer, other;
  exporter = importer = other = (struct builder){0};
  build_exporter(&exporter);
  build_importer(&importer, 0);
  build_importer(&other, 1);
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    struct world world = world_of(&modes[i]);
    struct engine_instance *first = instance_of(&world, &exporter, NULL, CAY_OK);
    struct engine_extern imports[] = {export_of(first, "first"), export_of(first, "second"), export_of(first, "below"),
                                      export_of(first, "t")};
    struct engine_instance *same = instance_of(&world, &importer, imports, CAY_OK);
    CHECK_CALL(&world, same, "first", 0, 1);
    CHECK_CALL(&world, same, "second", 0, 2);
    CHECK_CALL(&world, same, "below", 0, 1 | 4);
    CHECK_CALL(&world, same, "call 6", 0, 0);
    CHECK_CALL(&world, same, "call 6", 1, 0); /* a subtype of what is asked for */
    CHECK_TRAP(&world, same, "call 7", 0, ENGINE_TRAP_CALL_TYPE);
    CHECK_CALL(&world, same, "call 7", 1, 0);
    CHECK_TRAP(&world, same, "tail 6", 0, ENGINE_TRAP_NONE);
    CHECK_TRAP(&world, same, "cast 7", 0, ENGINE_TRAP_CAST);
    CHECK_CALL(&world, same, "cast 7", 1, 0);
    struct engine_instance *different = instance_of(&world, &other, imports, CAY_OK);
    CHECK_CALL(&world, different, "first", 0, 0);
    CHECK_CALL(&world, different, "below", 0, 0);
    CHECK_TRAP(&world, different, "call 6", 0, ENGINE_TRAP_CALL_TYPE);
    CHECK_TRAP(&world, different, "call 7", 1, ENGINE_TRAP_CALL_TYPE);
    world_free(&world);
  }
}

TIERS_TEST_MAIN(RUN(operands) RUN(own_operands) RUN(locals) RUN(blocks) RUN(holders) RUN(host_and_imports) RUN(casts)
                    RUN(fields) RUN(arrays) RUN(types_of_modules))
