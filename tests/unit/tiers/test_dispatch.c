/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A guest that is an interpreter: a loop with a br_table, to which every case jumps back. Compilers rearrange that, so programs
 * that take every way from case to case must come to what they come to here. */
#include "builder.h"

enum { I32_AND = 0x71, I32_XOR = 0x73, I32_SHR_U = 0x76, CASES = 7, STOP = 7 };

/* run(program): digits of three bits, lowest first; a 7 ends it. */
static uint32_t expected(uint32_t program) {
  uint32_t sum = 1;
  for (uint32_t code; (code = program & 7) != STOP; program >>= 3) sum = code == 6 ? sum ^ program : sum * 3 + code;
  return sum;
}

#define NEXT GET(0), I32(3), I32_SHR_U, SET(0)
#define CASE(code, depth) END, GET(1), I32(3), I32_MUL, I32(code), I32_ADD, SET(1), NEXT, BR(depth)

static void build(struct builder *b) {
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  FUNC(b, "run", 0, LOCALS(1, T_I32), I32(1), SET(1), LOOP(T_VOID), BLOCK(T_VOID), BLOCK(T_VOID), BLOCK(T_VOID),
       BLOCK(T_VOID), BLOCK(T_VOID), BLOCK(T_VOID), BLOCK(T_VOID), BLOCK(T_VOID), GET(0), I32(7), I32_AND, 0x0E, CASES,
       0, 1, 2, 3, 4, 5, 6, 7, CASE(0, 7), CASE(1, 6), CASE(2, 5), CASE(3, 4), CASE(4, 3), CASE(5, 2), END, GET(1),
       GET(0), I32_XOR, SET(1), NEXT, BR(1), END, GET(1), RETURN, END, UNREACHABLE);
}

TEST(cases_follow_each_other) {
  static struct builder b;
  b = (struct builder){0};
  build(&b);
  for (size_t i = 0; i < BASE_ARRAY_LEN(modes); i++) {
    struct world world = world_of(&modes[i]);
    struct engine_instance *instance = instance_of(&world, &b, NULL, CAY_OK);
    for (uint32_t pair = 0; instance && pair < CASES * CASES; pair++) {
      uint32_t program = pair % CASES | pair / CASES << 3 | pair % CASES << 6 | (uint32_t)STOP << 9;
      CHECK_CALL(&world, instance, "run", program, expected(program));
    }
    world_free(&world);
  }
}

TIERS_TEST_MAIN(RUN(cases_follow_each_other))
