/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Canonical NaNs on request: whatever an instruction that computes floats is given, a NaN that comes out has the one
 * bit pattern; everything else is as without the request. And what only moves bits still does. */
#include "../engine/fake_tier.h"
#include "every_tier.h"

enum { END = 0x0B, LOCAL_GET = 0x20, MOST_SLOTS = 8 };

struct scene {
  struct world world;
  struct engine_function *f;
};

static struct scene scene_new(bool is_canonical, const struct bytes *type, const struct bytes *body) {
  const struct engine_options options = in_tier((struct engine_options){.canonical_nans = is_canonical});
  struct scene scene = {.world = world_new(&options, NULL)};
  struct bytes to = module_start(), types = {.count = 0}, code = {.count = 0};
  PUT(&types, 1, 0x60);
  put(&types, type->items, type->count);
  put_section(&to, 1, &types);
  SECTION(&to, 3, 1, 0);
  SECTION(&to, 7, 1, 1, 'f', 0, 0);
  put_u8(&code, 1);
  put_leb(&code, (uint32_t)body->count);
  put(&code, body->items, body->count);
  put_section(&to, 10, &code);
  struct module *module = module_of(&to);
  struct engine_instance *instance = NULL;
  struct engine_extern found = {0};
  struct cay_error error = {0};
  CHECK_INT(engine_instantiate(scene.world.store, module, NULL, "test", &instance, &error), CAY_OK);
  module_release(module);
  if (!instance || !engine_export(instance, "f", 1, &found)) {
    fprintf(stderr, "cannot start: %s\n", error.text);
    exit(1);
  }
  scene.f = found.func;
  return scene;
}

static void put_op(struct bytes *body, const struct module_op_info *row) {
  if (row->prefix) put_u8(body, row->prefix);
  if (row->prefix)
    put_leb(body, row->code);
  else
    put_u8(body, (uint8_t)row->code);
}

/* f: the row's parameters to its results. */
static struct scene scene_of(const struct module_op_info *row, bool is_canonical) {
  struct bytes type = {.count = 0}, body = {.count = 0};
  put_u8(&type, row->param_count);
  put(&type, row->params, row->param_count);
  put_u8(&type, 1);
  put_u8(&type, row->results[0]);
  put_u8(&body, 0);
  for (uint8_t i = 0; i < row->param_count; i++) PUT(&body, LOCAL_GET, i);
  put_op(&body, row);
  put_u8(&body, END);
  return scene_new(is_canonical, &type, &body);
}

/* Both signs, signalling and quiet, with payloads; and what makes NaNs. */
static const uint32_t singles[] = {0xFFC00000, 0x7F800001, 0xFFA12345, 0x7FD54321, 0x7F800000, 0xFF800000,
                                   0x00000000, 0x80000000, 0xBF800000, 0x40490FDB, 0x7FC00000, 0x7F7FFFFF};
static const uint64_t doubles[] = {0xFFF8000000000000,
                                   0x7FF0000000000001,
                                   0xFFF4000000012345,
                                   0x7FFABCDEF0123456,
                                   0x7FF0000000000000,
                                   0xFFF0000000000000,
                                   0,
                                   0x8000000000000000,
                                   0xBFF0000000000000,
                                   0x400921FB54442D18,
                                   0x7FF8000000000000,
                                   0x7FEFFFFFFFFFFFFF};
enum { VALUES = BASE_ARRAY_LEN(singles) };

static bool is_nan32(uint32_t bits) { return (bits & 0x7FFFFFFF) > 0x7F800000; }
static bool is_nan64(uint64_t bits) { return (bits & INT64_MAX) > 0x7FF0000000000000; }

static uint64_t pair(unsigned n) { return singles[n % VALUES] | (uint64_t)singles[(n + 5) % VALUES] << 32; }

/* Operand `index` of a run, of a type that holds lanes of f32 or f64. */
static unsigned put_operand(uint64_t *slots, uint8_t type, bool is_32, unsigned n) {
  switch (type) {
  case 0x7D: slots[0] = singles[n % VALUES]; return 1;
  case 0x7C: slots[0] = doubles[n % VALUES]; return 1;
  default:
    slots[0] = is_32 ? pair(n) : doubles[n % VALUES];
    slots[1] = is_32 ? pair(n + 1) : doubles[(n + 5) % VALUES];
    return 2;
  }
}

static unsigned nans_seen;

static uint64_t canonical64(uint64_t bits) {
  nans_seen += is_nan64(bits);
  return is_nan64(bits) ? 0x7FF8000000000000 : bits;
}
static uint64_t canonical32(uint32_t bits) {
  nans_seen += is_nan32(bits);
  return is_nan32(bits) ? 0x7FC00000 : bits;
}
static uint64_t canonical(uint64_t slot, uint8_t type, bool is_32) {
  if (!is_32) return canonical64(slot);
  return canonical32((uint32_t)slot) | (type == 0x7B ? canonical32((uint32_t)(slot >> 32)) << 32 : 0);
}

static void check_row(const struct module_op_info *row) {
  struct scene plain = scene_of(row, false), asked = scene_of(row, true);
  uint8_t result = row->results[0];
  /* demote and promote: the operand is of the other type */
  bool is_32 = (row->flags & MODULE_OP_NAN32) != 0,
       takes_32 = strstr(row->mnemonic, "promote") || strstr(row->mnemonic, "demote") ? !is_32 : is_32;
  nans_seen = 0;
  for (unsigned n = 0; n < VALUES * VALUES; n++) {
    uint64_t slots[MOST_SLOTS] = {0}, other[MOST_SLOTS];
    unsigned at = 0, which[4] = {n % VALUES, n / VALUES, n % 7, 0};
    for (unsigned i = 0; i < row->param_count; i++) at += put_operand(slots + at, row->params[i], takes_32, which[i]);
    memcpy(other, slots, sizeof slots);
    CHECK_INT(engine_call(plain.world.store, plain.f, slots), ENGINE_TRAP_NONE);
    CHECK_INT(engine_call(asked.world.store, asked.f, other), ENGINE_TRAP_NONE);
    unsigned count = result == 0x7B ? 2 : 1;
    for (unsigned i = 0; i < count; i++) {
      uint64_t expected = canonical(slots[i], result, is_32);
      uint64_t found = result == 0x7D ? (uint32_t)other[i] : other[i];
      if (found != expected) fprintf(stderr, "%s\n", row->mnemonic);
      CHECK_INT(found, expected);
    }
  }
  if (nans_seen == 0) fprintf(stderr, "%s made no NaN\n", row->mnemonic);
  CHECK(nans_seen > 0);
  world_free(&plain.world);
  world_free(&asked.world);
}

/* Every row that may make a NaN, in place of which the deterministic profile names no other here. */
TEST(results_are_canonical) {
  unsigned rows = 0;
  for (unsigned op = 0; op < MODULE_OP_COUNT; op++) {
    if (!(module_ops[op].flags & (MODULE_OP_NAN32 | MODULE_OP_NAN64))) continue;
    check_row(&module_ops[op]);
    rows++;
  }
  CHECK_INT(rows, 56);
}

/* The result goes on in a fused instruction, a local, a store, a comparison; from constants, too. */
TEST(on_the_way) {
  struct bytes type = {.count = 0}, body = {.count = 0};
  PUT(&type, 2, 0x7C, 0x7C, 1, 0x7E);
  /* local 2 <- a * b; i64.reinterpret(a * b + (0 / 0) copied with the sign of -1) xor i64.reinterpret(local 2) */
  PUT(&body, 1, 1, 0x7C, LOCAL_GET, 0, LOCAL_GET, 1, 0xA2, 0x21, 2, LOCAL_GET, 0, LOCAL_GET, 1, 0xA2, LOCAL_GET, 1,
      0xA0, LOCAL_GET, 0, 0xA6, 0xBD, LOCAL_GET, 2, 0xBD, 0x85, END);
  struct scene scene = scene_new(true, &type, &body);
  uint64_t slots[4] = {0xFFF0000000000001, 0x7FF0000000000123};
  CHECK_INT(engine_call(scene.world.store, scene.f, slots), ENGINE_TRAP_NONE);
  CHECK_INT(slots[0], 0x8000000000000000); /* canonical, then the sign of a: copysign changes nothing else */
  world_free(&scene.world);
}

/* Between lanes of two kinds the bits of a NaN matter: the sum of two f64 is looked at as two f32 each. */
TEST(other_lanes) {
  struct bytes type = {.count = 0}, body = {.count = 0};
  PUT(&type, 2, 0x7B, 0x7B, 1, 0x7B);
  PUT(&body, 0, LOCAL_GET, 0, LOCAL_GET, 1, 0xFD, 0xF0, 1, LOCAL_GET, 1, 0xFD, 0xE4, 1, END); /* f64x2.add, f32x4.add */
  struct scene scene = scene_new(true, &type, &body);
  uint64_t slots[4] = {0x7FF8000040000000, 0xFFF8000040000000, 0, 0};
  CHECK_INT(engine_call(scene.world.store, scene.f, slots), ENGINE_TRAP_NONE);
  CHECK_INT(slots[0], 0x7FC0000000000000);
  CHECK_INT(slots[1], 0x7FC0000000000000);
  world_free(&scene.world);
}

/* Bits that are moved stay. */
TEST(bits_stay) {
  static const uint16_t ops[] = {MODULE_OP_F32_ABS, MODULE_OP_F32_NEG,   MODULE_OP_F64_ABS,
                                 MODULE_OP_F64_NEG, MODULE_OP_F32X4_ABS, MODULE_OP_F64X2_NEG};
  for (size_t i = 0; i < BASE_ARRAY_LEN(ops); i++) {
    struct scene scene = scene_of(&module_ops[ops[i]], true);
    bool is_32 = strncmp(module_ops[ops[i]].mnemonic, "f32", 3) == 0,
         is_abs = strstr(module_ops[ops[i]].mnemonic, "abs");
    uint64_t sign = is_32 ? 0x80000000u : 0x8000000000000000u;
    if (module_ops[ops[i]].results[0] == 0x7B && is_32) sign |= sign << 32;
    uint64_t slots[MOST_SLOTS] = {is_32 ? 0xFFA12345FFA12345u : 0xFFF4000000012345u, 0};
    if (module_ops[ops[i]].results[0] == 0x7D) slots[0] = (uint32_t)slots[0];
    uint64_t expected = is_abs ? slots[0] & ~sign : slots[0] ^ sign;
    CHECK_INT(engine_call(scene.world.store, scene.f, slots), ENGINE_TRAP_NONE);
    CHECK_INT(module_ops[ops[i]].results[0] == 0x7D ? (uint32_t)slots[0] : slots[0], expected);
    world_free(&scene.world);
  }
}

TIERS_TEST_MAIN(RUN(results_are_canonical) RUN(on_the_way) RUN(other_lanes) RUN(bits_stay))
