/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Values of two slots on every way that values take: operands, locals, blocks, branches, calls, returns, globals; and
 * instructions with two results. The official suite has every instruction, but few of these ways.
 *
 * Most programs are the body of f(v128 a, v128 b, i32 c) -> v128, and what they compute depends on the order of a and b
 * (subtraction), so that values in each other's place are seen. */
#include "../engine/fake_tier.h"
#include "every_tier.h"
#include "module/ops/sem_simd.h"

static const struct engine_options kinds[] = {{.explicit_bounds = false}, {.explicit_bounds = true}};

enum { I32 = 0x7F, I64 = 0x7E, V128 = 0x7B };
#define GET(local) 0x20, (local)
#define SET(local) 0x21, (local)
#define TEE(local) 0x22, (local)
#define ADD 0xFD, 0x6E
#define SUB 0xFD, 0x71
enum { END = 0x0B };

static sem_v128 add(sem_v128 a, sem_v128 b) { return sem_i8x16_add(a, b); }
static sem_v128 sub(sem_v128 a, sem_v128 b) { return sem_i8x16_sub(a, b); }

struct scene {
  struct world world;
  struct engine_function *f;
};

/* Functions: 0 is "f" of type `type`, 1 gives its parameters (v128, i32, v128) back in opposite order with 1 added to
 * the number, 2 subtracts. A memory of one page, an imported and an own global of type v128. */
static struct bytes module_with(uint8_t type, const uint8_t *body, size_t len_bytes) {
  struct bytes to = module_start(), code = {.count = 0};
  SECTION(&to, 1, 5,                                                             /* */
          0x60, 3, V128, V128, I32, 1, V128, 0x60, 2, V128, V128, 2, V128, V128, /* */
          0x60, 3, V128, I32, V128, 3, V128, I32, V128, 0x60, 1, V128, 1, V128, 0x60, 4, I64, I64, I64, I64, 2, I64,
          I64);
  SECTION(&to, 2, 1, 1, 'm', 1, 'g', 3, V128, 1);
  SECTION(&to, 3, 3, type, 2, 0);
  SECTION(&to, 5, 1, 0, 1);
  SECTION(&to, 6, 1, V128, 1, 0xFD, 0x0C, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, END);
  SECTION(&to, 7, 1, 1, 'f', 0, 0);
  put_u8(&code, 3);
  put_leb(&code, (uint32_t)len_bytes);
  put(&code, body, len_bytes);
  PUT(&code, 11, 0, GET(2), GET(1), 0x41, 1, 0x6A, GET(0), END);
  PUT(&code, 8, 0, GET(0), GET(1), SUB, END);
  put_section(&to, 10, &code);
  return to;
}

static struct scene scene_new(const struct engine_options *options, uint8_t type, const uint8_t *body, size_t len_bytes,
                              struct engine_extern *global) {
  const struct engine_options own = in_tier(*options);
  struct scene scene = {.world = world_new(&own, NULL)};
  struct cay_error error = {0};
  struct engine_instance *instance = NULL;
  struct engine_extern found = {0};
  struct bytes bytes = module_with(type, body, len_bytes);
  struct module *module = module_of(&bytes);
  *global = (struct engine_extern){.kind = MODULE_GLOBAL};
  CHECK_INT(engine_global_new(scene.world.store, &(struct module_global_type){V128, true}, (uint64_t[2]){100, 200},
                              &global->global, &error),
            CAY_OK);
  enum cay_status status = engine_instantiate(scene.world.store, module, global, "test", &instance, &error);
  module_release(module);
  if (status != CAY_OK || !engine_export(instance, "f", 1, &found)) {
    fprintf(stderr, "cannot start: %s\n", error.text);
    exit(1);
  }
  scene.f = found.func;
  return scene;
}

static const sem_v128 first = {0x1122334455667788, 0x99AABBCCDDEEFF00},
                      second = {0x0F1E2D3C4B5A6978, 0x8796A5B4C3D2E1F0};

/* The result of f(first, second, c). */
static sem_v128 call(const struct engine_options *options, uint32_t c, const uint8_t *body, size_t len_bytes) {
  struct engine_extern global;
  struct scene scene = scene_new(options, 0, body, len_bytes, &global);
  uint64_t slots[5] = {first[0], first[1], second[0], second[1], c};
  CHECK_INT(engine_call(scene.world.store, scene.f, slots), ENGINE_TRAP_NONE);
  world_free(&scene.world);
  return (sem_v128){slots[0], slots[1]};
}

static void check_call(const struct engine_options *options, uint32_t c, const uint8_t *body, size_t len_bytes,
                       sem_v128 expected) {
  sem_v128 result = call(options, c, body, len_bytes);
  CHECK_INT(result[0], expected[0]);
  CHECK_INT(result[1], expected[1]);
}

/* Body (locals included), for c = 0 and c = 1; in the expected value a, b and c are the arguments. */
#define CHECK_F(expected, ...)                                                                                         \
  do {                                                                                                                 \
    const uint8_t body[] = {__VA_ARGS__};                                                                              \
    sem_v128 a = first, b = second;                                                                                    \
    for (size_t kind = 0; kind < BASE_ARRAY_LEN(kinds); kind++)                                                        \
      for (uint32_t c = 0; c < 2; c++) check_call(&kinds[kind], c, body, sizeof body, ((void)a, (void)b, (expected))); \
  } while (0)

TEST(locals) {
  CHECK_F(sub(a, b), 0, GET(0), GET(1), SET(0), GET(0), SUB, END); /* the operand keeps the old value */
  CHECK_F(sub(add(add(a, b), add(a, b)), b), 0, GET(0), GET(1), ADD, TEE(0), GET(0), ADD, GET(1), SUB, END);
  CHECK_F(sub((sem_v128){0, 0}, a), 1, 1, V128, GET(3), GET(0), SUB, END);
  CHECK_F(sub(b, a), 1, 1, V128, GET(0), SET(3), GET(1), SET(0), GET(3), SET(1), GET(0), GET(1), SUB, END);
  CHECK_F(a, 0, GET(0), GET(1), 0x1A, END);
}

TEST(select) {
  CHECK_F(c ? sub(a, b) : sub(b, a), 0, GET(0), GET(1), GET(2), 0x1B, GET(1), GET(0), GET(2), 0x1C, 1, V128, SUB, END);
  CHECK_F(c ? b : a, 0, GET(0), GET(1), GET(2), 0x45, 0x1B, END); /* the condition is in the accumulator */
}

TEST(blocks_and_branches) {
  /* block (v128 v128 -> v128 v128): out at once with c, else exchanged */
  CHECK_F(c ? sub(a, b) : sub(b, a), 0, GET(0), GET(1), 0x02, 1, GET(2), 0x0D, 0, SET(0), SET(1), GET(0), GET(1), END,
          SUB, END);
  /* loop (v128 -> v128), twice */
  CHECK_F(add(add(a, b), b), 1, 1, I32, 0x41, 2, SET(3), GET(0), 0x03, 3, GET(1), ADD, GET(3), 0x41, 0x7F, 0x6A, TEE(3),
          0x0D, 0, END, END);
  CHECK_F(c ? b : sub(b, a), 0, 0x02, V128, 0x02, V128, GET(0), GET(1), GET(2), 0x0E, 1, 0, 1, END, GET(0), SUB, END,
          END);
  CHECK_F(c ? b : sub(a, b), 0, GET(0), GET(1), GET(2), 0x04, 0x40, GET(1), 0x0F, END, SUB, END);
  CHECK_F(c ? a : b, 0, GET(2), 0x04, V128, GET(0), 0x05, GET(1), END, END);
  /* a branch over operands: from the third temporary down to the first */
  CHECK_F(c ? b : sub(a, sub(a, b)), 0, 0x02, V128, GET(0), GET(0), GET(1), GET(2), 0x0D, 0, SUB, SUB, END, END);
}

TEST(calls) {
  CHECK_F(sub(add(b, sem_i8x16_splat(c + 1)), a), 0, GET(0), GET(2), GET(1), 0x10, 1, SET(0), 0xFD, 0x0F, ADD, GET(0),
          SUB, END);
  CHECK_F(sub(b, a), 0, GET(1), GET(0), GET(2), 0x12, 2, END); /* return_call */
  CHECK_F(sub(sub(a, b), a), 0, GET(0), GET(1), GET(2), 0x10, 2, GET(0), SUB, END);
}

TEST(globals) {
  CHECK_F(sub((sem_v128){100, 200}, a), 0, 0x23, 0, GET(0), 0x24, 0, 0x23, 0, SUB, END);
  CHECK_F(sub((sem_v128){0x0807060504030201, 0x100F0E0D0C0B0A09}, a), 0, 0x23, 1, GET(0), 0x24, 1, 0x23, 1, SUB, END);
  const uint8_t body[] = {0, GET(0), GET(1), ADD, 0x24, 0, GET(0), END};
  struct engine_extern global;
  struct scene scene = scene_new(&kinds[0], 0, body, sizeof body, &global);
  uint64_t slots[5] = {first[0], first[1], second[0], second[1], 0};
  CHECK_INT(engine_call(scene.world.store, scene.f, slots), ENGINE_TRAP_NONE);
  CHECK_INT(global.global.cell->value[0], add(first, second)[0]);
  CHECK_INT(global.global.cell->value[1], add(first, second)[1]);
  world_free(&scene.world);
}

/* Numbers beside vectors: in the accumulator while vectors are made, and in the slots where vectors were. */
TEST(numbers_between) {
  /* c + 1 is made, then a vector constant, and then the number is used as a splat and a shift */
  CHECK_F(sub((sem_v128){7, 0}, sem_i8x16_splat(c + 1)), 0, 0xFD, 0x0C, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
          GET(2), 0x41, 1, 0x6A, 0xFD, 0x0F, SUB, END);
  CHECK_F(sem_i32x4_shl(a, c + 3), 0, GET(0), GET(2), 0x41, 3, 0x6A, 0xFD, 0xAB, 1, END);
  CHECK_F(sem_i32x4_shr_s(a, 5), 0, GET(0), 0x41, 5, 0xFD, 0xAC, 1, END);
  /* extract_lane leaves a number where a vector was; it is kept in a local over a shuffle */
  CHECK_F(add(sem_i8x16_shuffle(a, b, (sem_v128){0x0706050403020100, 0x1F1E1D1C1B1A1918}),
              sem_i32x4_splat(sem_i32x4_extract_lane(b, 2))),
          1, 1, I32, GET(1), 0xFD, 0x1B, 2, SET(3), GET(0), GET(1), 0xFD, 0x0D, 0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27,
          28, 29, 30, 31, GET(3), 0xFD, 0x11, ADD, END);
  CHECK_F(sem_i64x2_replace_lane(a, sem_i64x2_extract_lane(b, 0), 1), 0, GET(0), GET(1), 0xFD, 0x1D, 0, 0xFD, 0x1E, 1,
          END);
  CHECK_F(sem_i8x16_splat(sem_i8x16_bitmask(add(a, b))), 0, GET(0), GET(1), ADD, 0xFD, 0x64, 0xFD, 0x0F, END);
}

TEST(lanes_in_memory) {
  /* b at 16; a with its lane 7 (of 8) from c + 16; its lane 14 (of 16) to 18; all of it back */
  sem_v128 a = first, b = second;
  const uint8_t body[] = {0,      0x41, 16,   GET(1), 0xFD, 0x0B, 4,      0,    GET(2), 0x41,   0,    0x6A,
                          GET(0), 0xFD, 0x55, 0,      16,   7,    SET(0), 0x41, 18,     GET(0), 0xFD, 0x58,
                          0,      0,    14,   GET(0), 0x41, 16,   0xFD,   0x00, 4,      0,      SUB,  END};
  for (size_t kind = 0; kind < BASE_ARRAY_LEN(kinds); kind++)
    for (uint32_t c = 0; c < 2; c++) {
      uint16_t loaded;
      memcpy(&loaded, (const char *)&b + c, 2);
      sem_v128 replaced = sem_i16x8_replace_lane(a, loaded, 7);
      sem_v128 stored = sem_i8x16_replace_lane(b, sem_i8x16_extract_lane_u(replaced, 14), 2);
      check_call(&kinds[kind], c, body, sizeof body, sub(replaced, stored));
    }
}

/* ---- Two results ---- */

static void check_wide(const uint8_t *body, size_t len_bytes, const uint64_t args[4], uint64_t low, uint64_t high) {
  struct engine_extern global;
  struct scene scene = scene_new(&kinds[0], 4, body, len_bytes, &global);
  uint64_t slots[4];
  memcpy(slots, args, sizeof slots);
  CHECK_INT(engine_call(scene.world.store, scene.f, slots), ENGINE_TRAP_NONE);
  CHECK_INT(slots[0], low);
  CHECK_INT(slots[1], high);
  world_free(&scene.world);
}
#define CHECK_WIDE(a, b, c, d, low, high, ...)                                                                       \
  check_wide((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), (const uint64_t[]){a, b, c, d}, \
             low, high)

TEST(two_results) {
  tested_features |= MODULE_FEATURE_BIT(WIDE_ARITHMETIC);
#define OPERANDS GET(0), GET(1), GET(2), GET(3)
  CHECK_WIDE(UINT64_MAX, 1, 2, 3, 1, 5, 0, OPERANDS, 0xFC, 0x13, END);
  CHECK_WIDE(1, 1, 2, 3, UINT64_MAX, UINT64_MAX - 2, 0, OPERANDS, 0xFC, 0x14, END);
  /* into locals that are operands of the same instruction; only the low half, the other local untouched */
  CHECK_WIDE(UINT64_MAX, 1, 2, 3, 5, 1, 0, OPERANDS, 0xFC, 0x13, SET(0), SET(1), GET(0), GET(1), END);
  CHECK_WIDE(UINT64_MAX, 1, 2, 3, 1, 1, 0, OPERANDS, 0xFC, 0x13, 0x1A, SET(0), GET(0), GET(1), END);
  /* constants and temporaries as operands */
  CHECK_WIDE(7, 0, 0, 0, 7, 9, 0, GET(0), 0x42, 4, 0x42, 0, GET(1), 0x42, 5, 0x7C, 0xFC, 0x13, END);
  CHECK_WIDE(UINT64_MAX, 3, 0, 0, -3, -1, 0, GET(0), GET(1), 0xFC, 0x15, END);
  CHECK_WIDE(UINT64_MAX, 3, 0, 0, -3, 2, 0, GET(0), GET(1), 0xFC, 0x16, END);
  tested_features = MODULE_FEATURES_DEFAULT;
}

/* ---- Relaxed ---- */

TEST(deterministic_relaxed_instructions) {
  /* the code, and what it gives for (first, second) as the deterministic profile has it */
  const sem_v128 nan = sem_i32x4_splat(0x7FC00000), one = sem_i32x4_splat(0x3F800000), most = sem_i16x8_splat(0x8000);
  const struct {
    uint8_t low, params;
    sem_v128 a, b, fast, deterministic;
  } cases[] = {
      {0x01, 1, nan, nan, sem_i32x4_splat(0x80000000), sem_i32x4_splat(0)},
      {0x02, 1, nan, nan, sem_i32x4_splat(UINT32_MAX), sem_i32x4_splat(0)},
      {0x03, 1, sem_i64x2_splat(0x7FF8000000000000), nan, {0x8000000080000000, 0}, {0, 0}},
      {0x04, 1, sem_i64x2_splat(0x7FF8000000000000), nan, {UINT64_MAX, 0}, {0, 0}},
      {0x0D, 2, nan, one, one, nan},
      {0x0E, 2, nan, one, one, nan},
      {0x0F, 2, sem_i64x2_splat(0x7FF8000000000000), one, one, sem_i64x2_splat(0x7FF8000000000000)},
      {0x10, 2, sem_i64x2_splat(0x7FF8000000000000), one, one, sem_i64x2_splat(0x7FF8000000000000)},
      {0x11, 2, most, most, most, sem_i16x8_splat(0x7FFF)},
  };
  for (size_t i = 0; i < BASE_ARRAY_LEN(cases); i++)
    for (int deterministic = 0; deterministic < 2; deterministic++) {
      struct engine_options options = {.deterministic_relaxed_simd = deterministic};
      const uint8_t unary[] = {0, GET(0), 0xFD, cases[i].low | 0x80, 2, END};
      const uint8_t binary[] = {0, GET(0), GET(1), 0xFD, cases[i].low | 0x80, 2, END};
      bool is_unary = cases[i].params == 1;
      struct engine_extern global;
      struct scene scene =
          scene_new(&options, 0, is_unary ? unary : binary, is_unary ? sizeof unary : sizeof binary, &global);
      uint64_t slots[5] = {cases[i].a[0], cases[i].a[1], cases[i].b[0], cases[i].b[1], 0};
      CHECK_INT(engine_call(scene.world.store, scene.f, slots), ENGINE_TRAP_NONE);
      sem_v128 expected = deterministic ? cases[i].deterministic : cases[i].fast;
      CHECK_INT(slots[0], expected[0]);
      CHECK_INT(slots[1], expected[1]);
      world_free(&scene.world);
    }
}

TIERS_TEST_MAIN(RUN(locals) RUN(select) RUN(blocks_and_branches) RUN(calls) RUN(globals) RUN(numbers_between)
                    RUN(lanes_in_memory) RUN(two_results) RUN(deterministic_relaxed_instructions))
