/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Addresses that are sums. They wrap around at 32 bits before an access adds its offset, whatever instruction makes them: each
 * load and store is done at sums of two numbers and a constant, in memory, behind its end and around the end of addresses. */
#include "builder.h"

enum { I32_SHL = 0x74, PAGE_BYTES = 65536, MOST_BYTES = 16 };

/* What is loaded and stored, in wasm's numbers; bytes: of memory. */
static const struct pair {
  uint8_t load[2], store[2], loaded_bytes, stored_bytes;
  bool is_signed;
} pairs[] = {
    {{0x28}, {0x36}, 4, 4, false}, {{0x29}, {0x37}, 8, 8, false},          {{0x2A}, {0x38}, 4, 4, false},
    {{0x2B}, {0x39}, 8, 8, false}, {{0x2C}, {0x36}, 1, 4, true},           {{0x2D}, {0x36}, 1, 4, false},
    {{0x2E}, {0x36}, 2, 4, true},  {{0x2F}, {0x36}, 2, 4, false},          {{0x30}, {0x37}, 1, 8, true},
    {{0x31}, {0x37}, 1, 8, false}, {{0x32}, {0x37}, 2, 8, true},           {{0x33}, {0x37}, 2, 8, false},
    {{0x34}, {0x37}, 4, 8, true},  {{0x35}, {0x37}, 4, 8, false},          {{0x28}, {0x3A}, 4, 1, false},
    {{0x28}, {0x3B}, 4, 2, false}, {{0x29}, {0x3C}, 8, 1, false},          {{0x29}, {0x3D}, 8, 2, false},
    {{0x29}, {0x3E}, 8, 4, false}, {{0xFD, 0}, {0xFD, 11}, 16, 16, false},
};

/* x, i: in memory; the load or the store behind its end; sums that wrap around. */
static const uint32_t arguments[][2] = {{1000, 5},
                                        {60000, 3000},
                                        {64000, 2000},
                                        {(uint32_t)-8, 100},
                                        {(uint32_t)-4000, 5000},
                                        {100, (uint32_t)-4},
                                        {8, 0x40000008},
                                        {(uint32_t)-0x40000000, 0x40000100},
                                        {16, (uint32_t)-16}};

static void put_access(struct bytes *body, const uint8_t op[2]) {
  PUT(body, op[0]);
  if (op[0] == 0xFD) PUT(body, op[1]);
  PUT(body, 0, 0);
}

/* copy(x, i): from x + 4 * i + 24 to x + i - 56. Where load and store are in the body is told. */
static struct bytes body_of(const struct pair *pair, size_t places[2]) {
  struct bytes body = {.count = 0};
  PUT(&body, 0, GET(0), GET(1), I32_ADD, I32(0x48), I32_ADD);
  PUT(&body, GET(0), GET(1), I32(2), I32_SHL, I32_ADD, I32(24), I32_ADD);
  places[0] = body.count;
  put_access(&body, pair->load);
  places[1] = body.count;
  put_access(&body, pair->store);
  return body;
}

static size_t find(const struct bytes *bytes, const struct bytes *body) {
  for (size_t at = 0; at + body->count <= bytes->count; at++)
    if (memcmp(bytes->items + at, body->items, body->count) == 0) return at;
  CHECK(!"the body is in the module");
  return 0;
}

static void fill(uint8_t *memory) {
  for (uint32_t i = 0; i < PAGE_BYTES; i++) memory[i] = (uint8_t)(i * 37 + (i >> 8));
}

/* As the specification says it. Which access traps: 0, 1, or -1. */
static int copy(const struct pair *pair, uint8_t *memory, uint32_t x, uint32_t i) {
  uint32_t from = x + 4 * i + 24, to = x + i - 56;
  uint8_t value[MOST_BYTES] = {0};
  if ((uint64_t)from + pair->loaded_bytes > PAGE_BYTES) return 0;
  if ((uint64_t)to + pair->stored_bytes > PAGE_BYTES) return 1;
  memcpy(value, memory + from, pair->loaded_bytes);
  bool is_negative = pair->is_signed && value[pair->loaded_bytes - 1] & 0x80;
  if (is_negative) memset(value + pair->loaded_bytes, 0xFF, sizeof value - pair->loaded_bytes);
  memcpy(memory + to, value, pair->stored_bytes);
  return -1;
}

static void check_pair(const struct pair *pair, const struct mode *mode) {
  static uint8_t expected[PAGE_BYTES];
  static struct builder b;
  size_t places[2];
  struct bytes body = body_of(pair, places);
  b = (struct builder){0};
  TYPE(&b, FUNC_TYPE, 2, T_I32, T_I32, 0);
  MEMORY(&b, 0, 1);
  add_func(&b, "copy", 0, body.items, body.count);
  struct bytes bytes = built(&b);
  struct world world = world_of(mode);
  struct engine_instance *instance = instance_of(&world, &b, NULL, CAY_OK);
  for (size_t i = 0; instance && i < BASE_ARRAY_LEN(arguments); i++) {
    uint64_t slots[4] = {arguments[i][0], arguments[i][1]};
    fill(expected);
    fill(instance->memory0->base);
    int stopped = copy(pair, expected, arguments[i][0], arguments[i][1]);
    enum engine_trap trap = call_with(&world, instance, "copy", slots);
    CHECK_INT(trap, stopped < 0 ? ENGINE_TRAP_NONE : ENGINE_TRAP_MEMORY_BOUNDS);
    CHECK(memcmp(expected, instance->memory0->base, PAGE_BYTES) == 0);
    struct engine_frame frame = {0};
    if (stopped < 0) continue;
    CHECK(engine_backtrace_frame(engine_store_thread(world.store), 0, &frame));
    CHECK_INT(frame.offset, find(&bytes, &body) + places[stopped]);
  }
  world_free(&world);
}

TEST(accesses_at_sums) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(pairs); i++)
    for (size_t mode = 0; mode < BASE_ARRAY_LEN(modes); mode++) check_pair(&pairs[i], &modes[mode]);
}

/* ---- Sums of one number --------------------------------------------------------------------------------------------------- */

enum { I32_LOAD = 0x28, I32_STORE = 0x36, SUMS = 6, HOST = 0 };

static enum engine_trap host_triple(struct engine_call *call, uint64_t *slots) {
  (void)call;
  slots[0] = (uint32_t)(slots[0] * 3);
  return ENGINE_TRAP_NONE;
}

/* The sum of x and 9 * k as a number, as an address with and without an offset, and as what is stored. */
#define USE(k)                                                                                                         \
  GET(2), GET(0), I32(9 * (k)), I32_ADD, CALL(HOST), I32_ADD, SET(2), GET(2), GET(0), I32(9 * (k)), I32_ADD, I32_LOAD, \
      0, 0, I32_ADD, SET(2), GET(2), GET(0), I32(9 * (k)), I32_ADD, I32_LOAD, 0, 4, I32_ADD, SET(2), I32(k), GET(0),   \
      I32(9 * (k)), I32_ADD, I32_STORE, 0, 0

static void build_sums(struct builder *b) {
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  TYPE(b, FUNC_TYPE, 2, T_I32, T_I32, 1, T_I32);
  IMPORT_FUNC(b, "triple", 0);
  MEMORY(b, 0, 1);
  FUNC(b, "sums", 1, LOCALS(1, T_I32), LOOP(T_VOID), USE(1), USE(2), USE(3), GET(1), IF(T_VOID), USE(4), USE(5), USE(6),
       END, GET(1), I32(1), I32_SUB, TEE(1), BR_IF(0), END, GET(2));
}

static uint32_t word_at(const uint8_t *memory, uint32_t address) {
  uint32_t word;
  memcpy(&word, memory + address, sizeof word);
  return word;
}

static uint32_t sums(uint8_t *memory, uint32_t x, uint32_t rounds) {
  uint32_t sum = 0;
  for (; rounds; rounds--)
    for (uint32_t k = 1; k <= SUMS; k++) {
      sum += (x + 9 * k) * 3 + word_at(memory, x + 9 * k) + word_at(memory, x + 9 * k + 4);
      uint32_t at = x + 9 * k;
      memcpy(memory + k, &at, sizeof at);
    }
  return sum;
}

TEST(sums_in_loops) {
  static uint8_t expected[PAGE_BYTES];
  static struct builder b;
  b = (struct builder){0};
  build_sums(&b);
  for (size_t i = 0; i < BASE_ARRAY_LEN(modes); i++) {
    struct world world = world_of(&modes[i]);
    struct engine_extern import = host_function(&world, &i32_to_i32, host_triple, NULL);
    struct engine_instance *instance = instance_of(&world, &b, &import, CAY_OK);
    for (uint32_t x = 0; instance && x < 60; x += 7) {
      uint64_t slots[4] = {x - 9, 3};
      fill(expected);
      fill(instance->memory0->base);
      uint32_t result = sums(expected, x - 9, 3);
      CHECK_INT(call_with(&world, instance, "sums", slots), ENGINE_TRAP_NONE);
      CHECK_INT(slots[0], result);
      CHECK(memcmp(expected, instance->memory0->base, PAGE_BYTES) == 0);
    }
    world_free(&world);
  }
}

TIERS_TEST_MAIN(RUN(accesses_at_sums) RUN(sums_in_loops))
