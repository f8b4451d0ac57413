/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Memories and tables that are not the usual ones: 64-bit addresses, several memories, pages of one byte.
 *
 *  - every load and store in the general form traps at its own offset and lets no sum of address and offset wrap;
 *  - sizes, growth, bulk instructions and indices are as wide as the address type says;
 *  - a sparse memory of many GiB takes little memory, also while it grows. */
#include <fcntl.h>
#include <unistd.h>

#include "tiers/narrow.h"

#include "../engine/fake_tier.h"
#include "every_tier.h"

static const struct engine_options kinds[] = {{.explicit_bounds = false}, {.explicit_bounds = true}};

/* The contents of a module's sections, for one function "f" of type 0; empty ones are left out. */
struct program {
  struct bytes types, tables, memories, elements, data, body; /* body: locals and code */
  unsigned data_count;
};

struct scene {
  struct world world;
  struct engine_instance *instance;
  struct engine_function *f;
  struct cay_error error;
};

static void put_optional(struct bytes *to, unsigned id, const struct bytes *contents) {
  if (contents->count) put_section(to, id, contents);
}

static struct bytes module_bytes(const struct program *program) {
  struct bytes to = module_start(), code = {.count = 0};
  put_section(&to, 1, &program->types);
  SECTION(&to, 3, 1, 0);
  put_optional(&to, 4, &program->tables);
  put_optional(&to, 5, &program->memories);
  SECTION(&to, 7, 1, 1, 'f', 0, 0);
  put_optional(&to, 9, &program->elements);
  if (program->data_count) SECTION(&to, 12, (uint8_t)program->data_count);
  put_u8(&code, 1);
  put_leb(&code, (uint32_t)program->body.count);
  put(&code, program->body.items, program->body.count);
  put_section(&to, 10, &code);
  put_optional(&to, 11, &program->data);
  return to;
}

static enum cay_status scene_try(struct scene *scene, const struct engine_options *options,
                                 const struct engine_limits *limits, const struct program *program) {
  struct bytes bytes = module_bytes(program);
  struct module *module = module_of(&bytes);
  const struct engine_options own = in_tier(*options);
  scene->world = world_new(&own, limits);
  enum cay_status status =
      engine_instantiate(scene->world.store, module, NULL, "test", &scene->instance, &scene->error);
  module_release(module);
  struct engine_extern found = {0};
  if (status == CAY_OK && engine_export(scene->instance, "f", 1, &found)) scene->f = found.func;
  return status;
}

static struct scene scene_new(const struct engine_options *options, const struct program *program) {
  struct scene scene = {0};
  if (scene_try(&scene, options, NULL, program) != CAY_OK) {
    fprintf(stderr, "cannot start: %s\n", scene.error.text);
    exit(1);
  }
  return scene;
}

static enum engine_trap call(struct scene *scene, uint64_t *slots) {
  return engine_call(scene->world.store, scene->f, slots);
}

/* The result of a call that must not trap. */
#define CALL(scene, ...) call_value((scene), (uint64_t[4]){__VA_ARGS__})
static uint64_t call_value(struct scene *scene, uint64_t slots[4]) {
  CHECK_INT(call(scene, slots), ENGINE_TRAP_NONE);
  return slots[0];
}
#define TRAP(scene, ...) call((scene), (uint64_t[4]){__VA_ARGS__})

enum { I32 = 0x7F, I64 = 0x7E, FUNCREF = 0x70 };
#define BYTES(...) {.items = {__VA_ARGS__}, .count = sizeof((const uint8_t[]){__VA_ARGS__})}

/* ---- The general form ------------------------------------------------------------------------------------------------- */

enum place { SLOT, ACCUMULATOR, CONSTANT };

struct layout {
  const char *name;
  struct bytes memories;
  uint8_t memory;
  bool is_64, has_page_size;
};
static const struct layout layouts[] = {
    {"64-bit", BYTES(1, 4, 1), 0, true, false},
    {"second", BYTES(2, 0, 0, 0, 1), 1, false, false},
    {"64-bit second", BYTES(2, 0, 1, 4, 1), 1, true, false},
    {"second to a 64-bit one", BYTES(2, 4, 0, 0, 1), 1, false, false},
    {"of bytes", BYTES(1, 8, 0x80, 0x80, 4, 0), 0, false, true},
    {"of bytes, 64-bit", BYTES(1, 12, 0x80, 0x80, 4, 0), 0, true, true},
};

static void put_address(struct bytes *body, bool is_64, enum place place) {
  if (place == CONSTANT) {
    PUT(body, is_64 ? 0x42 : 0x41, 0xF8, 0xFF, 3); /* 65528 */
    return;
  }
  PUT(body, 0x20, 0);
  if (place == ACCUMULATOR) PUT(body, is_64 ? 0x42 : 0x41, 0, is_64 ? 0x7C : 0x6A);
}

static void put_value(struct bytes *body, uint8_t type, enum place place) {
  unsigned index = 0x7Fu - type; /* i32 i64 f32 f64; v128 has no short constant */
  if (index == 4) {
    PUT(body, 0x20, 5);
    if (place == ACCUMULATOR) PUT(body, 0xFD, 0x4D); /* v128.not */
    return;
  }
  static const uint8_t constants[4][9] = {{0x41, 5}, {0x42, 5}, {0x43}, {0x44}}, lengths[4] = {2, 2, 5, 9};
  static const uint8_t identities[4][3] = {{0x41, 0, 0x6A}, {0x42, 0, 0x7C}, {0x8C}, {0x9A}};
  static const uint8_t identity_lengths[4] = {3, 3, 1, 1};
  if (place == CONSTANT) {
    put(body, constants[index], lengths[index]);
    return;
  }
  PUT(body, 0x20, (uint8_t)(index + 1));
  if (place == ACCUMULATOR) put(body, identities[index], identity_lengths[index]);
}

enum { ACCESS_SLOTS = 7 }; /* of the parameters: an address, then one of each type */

/* One access with `offset`, at the returned place in the body. */
static size_t put_access(struct program *program, const struct module_op_info *row, const struct layout *layout,
                         enum place address, enum place value, uint32_t offset) {
  bool is_load = row->flags & MODULE_OP_LOAD;
  struct bytes *body = &program->body;
  program->memories = layout->memories;
  PUT(&program->types, 1, 0x60, 6, layout->is_64 ? I64 : I32, 0x7F, 0x7E, 0x7D, 0x7C, 0x7B, 0);
  PUT(body, 0);
  put_address(body, layout->is_64, address);
  if (row->param_count > 1) put_value(body, row->params[1], value);
  size_t at = body->count;
  if (row->prefix)
    PUT(body, row->prefix, (uint8_t)row->code); /* none of them takes two bytes */
  else
    PUT(body, (uint8_t)row->code);
  if (layout->memory)
    PUT(body, 0x40, layout->memory);
  else
    PUT(body, 0);
  put_leb(body, offset);
  if (row->imm == MODULE_IMM_MEMARG_LANE) PUT(body, 0);
  if (is_load && value == ACCUMULATOR) PUT(body, 0x21, (uint8_t)(0x7F - row->results[0] + 1));
  if (is_load && value != ACCUMULATOR) PUT(body, 0x1A);
  PUT(body, 0x0B);
  return at;
}

static void check_traps(struct scene *scene, uint64_t address, uint32_t offset_expected, const char *name) {
  CHECK_INT(call(scene, (uint64_t[ACCESS_SLOTS]){address, 7, 7, 7, 7}), ENGINE_TRAP_MEMORY_BOUNDS);
  struct engine_frame frame = {0};
  CHECK(engine_backtrace_frame(engine_store_thread(scene->world.store), 0, &frame));
  if (frame.offset != offset_expected) fprintf(stderr, "%s: ", name);
  CHECK_INT(frame.offset, offset_expected);
}

static void check_access(const struct module_op_info *row, const struct layout *layout,
                         const struct engine_options *options, enum place address, enum place value) {
  struct program program = {.data_count = 0};
  size_t at = put_access(&program, row, layout, address, value, 1);
  struct scene scene = scene_new(options, &program);
  uint32_t expected = scene.instance->module->funcs[0].body_offset + (uint32_t)at;
  uint64_t bytes = UINT64_C(1) << row->access_log2;
  CHECK_INT(call(&scene, (uint64_t[ACCESS_SLOTS]){16, 7, 7, 7, 7}), ENGINE_TRAP_NONE);
  CHECK_INT(call(&scene, (uint64_t[ACCESS_SLOTS]){65536 - bytes - 1, 7, 7, 7, 7}), ENGINE_TRAP_NONE);
  check_traps(&scene, 65536 - bytes, expected, row->mnemonic);
  check_traps(&scene, UINT32_MAX, expected, row->mnemonic);
  for (uint64_t k = 0; layout->is_64 && k < 20; k++) check_traps(&scene, UINT64_MAX - k, expected, row->mnemonic);
  if (layout->is_64) check_traps(&scene, UINT64_C(1) << 32, expected, row->mnemonic);
  world_free(&scene.world);
}

/* A constant address of 65528 and an offset of 0 or 8. */
static void check_constant(const struct module_op_info *row, const struct layout *layout, enum place value) {
  for (uint32_t offset = 0; offset <= 8; offset += 8) {
    struct program program = {.data_count = 0};
    put_access(&program, row, layout, CONSTANT, value, offset);
    struct scene scene = scene_new(&kinds[0], &program);
    CHECK_INT(call(&scene, (uint64_t[ACCESS_SLOTS]){0, 7, 7, 7, 7}),
              offset || row->access_log2 > 3 ? ENGINE_TRAP_MEMORY_BOUNDS : ENGINE_TRAP_NONE);
    world_free(&scene.world);
  }
}

static void check_layout(const struct module_op_info *row, const struct layout *layout) {
  enum place last_value = row->flags & MODULE_OP_LOAD ? ACCUMULATOR : CONSTANT;
  tested_features = MODULE_FEATURES_DEFAULT;
  if (layout->has_page_size) tested_features |= MODULE_FEATURE_BIT(CUSTOM_PAGE_SIZES);
  for (enum place value = SLOT; value <= last_value; value++) {
    for (enum place address = SLOT; address <= ACCUMULATOR; address++)
      check_access(row, layout, &kinds[(address + value) % 2], address, value);
    check_constant(row, layout, value);
  }
  tested_features = MODULE_FEATURES_DEFAULT;
}

TEST(accesses_trap_at_their_own_offset) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(layouts); i++)
    for (uint16_t op = 0; op < MODULE_OP_COUNT; op++)
      if ((module_ops[op].flags & (MODULE_OP_LOAD | MODULE_OP_STORE)) && !(module_ops[op].flags & MODULE_OP_ATOMIC))
        check_layout(&module_ops[op], &layouts[i]);
}

/* An offset of 2**32 + 16 reaches nothing in a small memory, whatever the address is: not even by wrapping round. */
TEST(large_offsets) {
  struct program program = {.types = BYTES(1, 0x60, 1, I64, 1, I32), .memories = BYTES(1, 4, 1)};
  PUT(&program.body, 0, 0x20, 0, 0x28, 2, 0x90, 0x80, 0x80, 0x80, 0x10, 0x0B);
  for (size_t i = 0; i < BASE_ARRAY_LEN(kinds); i++) {
    struct scene scene = scene_new(&kinds[i], &program);
    CHECK_INT(TRAP(&scene, 0), ENGINE_TRAP_MEMORY_BOUNDS);
    CHECK_INT(TRAP(&scene, 0 - (UINT64_C(1) << 32)), ENGINE_TRAP_MEMORY_BOUNDS);
    CHECK_INT(TRAP(&scene, 0 - (UINT64_C(1) << 32) - 16), ENGINE_TRAP_MEMORY_BOUNDS);
    CHECK_INT(TRAP(&scene, UINT64_MAX), ENGINE_TRAP_MEMORY_BOUNDS);
    world_free(&scene.world);
  }
}

/* ---- Sizes ---------------------------------------------------------------------------------------------------------------- */

/* "f" grows memory 1 of those given. */
static struct program growing(struct bytes memories, uint8_t type) {
  struct program program = {.memories = memories, .body = BYTES(0, 0x20, 0, 0x40, 1, 0x0B)};
  PUT(&program.types, 1, 0x60, 1, type, 1, type);
  return program;
}

TEST(growing_gives_a_number_of_the_address_type) {
  struct program narrow = growing((struct bytes)BYTES(2, 4, 1, 1, 1, 3), I32);
  struct program wide = growing((struct bytes)BYTES(2, 0, 1, 5, 1, 3), I64);
  for (size_t i = 0; i < BASE_ARRAY_LEN(kinds); i++) {
    struct scene scene = scene_new(&kinds[i], &narrow);
    CHECK_INT(CALL(&scene, 2), 1);
    CHECK_INT(CALL(&scene, 1), UINT32_MAX);
    CHECK_INT(CALL(&scene, UINT32_MAX), UINT32_MAX);
    CHECK_INT(CALL(&scene, 0), 3);
    world_free(&scene.world);
    scene = scene_new(&kinds[i], &wide);
    CHECK_INT(CALL(&scene, 2), 1);
    CHECK(CALL(&scene, 1) == UINT64_MAX);
    CHECK(CALL(&scene, UINT64_C(1) << 48) == UINT64_MAX);
    CHECK(CALL(&scene, UINT64_MAX) == UINT64_MAX);
    CHECK_INT(CALL(&scene, 0), 3);
    CHECK_INT(scene.instance->memory0->page_count, 1);
    world_free(&scene.world);
  }
}

/* Memory 0 may move when it grows: the accesses after it see the new place, of it and of others. */
TEST(growing_between_accesses) {
  struct program program = {.types = BYTES(1, 0x60, 1, I32, 1, I32), .memories = BYTES(2, 0, 1, 4, 1)};
  PUT(&program.body, 0);
  PUT(&program.body, 0x41, 8, 0x41, 40, 0x36, 2, 0);       /* memory 0 at 8: 40 */
  PUT(&program.body, 0x42, 16, 0x41, 2, 0x36, 0x42, 1, 0); /* memory 1 at 16: 2 */
  PUT(&program.body, 0x20, 0, 0x40, 0, 0x1A);              /* memory 0 grows */
  PUT(&program.body, 0x42, 3, 0x40, 1, 0x1A);              /* and memory 1 */
  PUT(&program.body, 0x41, 8, 0x28, 2, 0, 0x42, 16, 0x28, 0x42, 1, 0, 0x6A, 0x0B);
  for (size_t i = 0; i < BASE_ARRAY_LEN(kinds); i++) {
    struct scene scene = scene_new(&kinds[i], &program);
    CHECK_INT(CALL(&scene, 1000), 42);
    CHECK_INT(scene.instance->memory0->page_count, 1001);
    world_free(&scene.world);
  }
}

TEST(pages_of_one_byte) {
  tested_features |= MODULE_FEATURE_BIT(CUSTOM_PAGE_SIZES);
  struct program program = {.types = BYTES(1, 0x60, 1, I32, 1, I32), .memories = BYTES(1, 8, 3, 0)};
  /* grow by the argument; the last byte := 7; its sum with the byte before it */
  PUT(&program.body, 1, 1, I32, 0x20, 0, 0x40, 0, 0x1A, 0x3F, 0, 0x41, 1, 0x6B, 0x22, 1, 0x41, 7, 0x3A, 0, 0);
  PUT(&program.body, 0x20, 1, 0x2D, 0, 0, 0x20, 1, 0x41, 1, 0x6B, 0x2D, 0, 0, 0x6A, 0x0B);
  for (size_t i = 0; i < BASE_ARRAY_LEN(kinds); i++) {
    struct scene scene = scene_new(&kinds[i], &program);
    CHECK_INT(CALL(&scene, 0), 7);
    CHECK_INT(CALL(&scene, 1), 14);
    uint64_t before_ns = base_os_monotonic_ns();
    struct engine_memory *memory = scene.instance->memory0;
    for (uint64_t n = 4; n < 1000000; n++) CHECK(engine_memory_grow(memory, 1) == n);
    CHECK(base_os_monotonic_ns() - before_ns < UINT64_C(5000000000)); /* copying each time would move 500 GB */
    CHECK_INT(CALL(&scene, 1), 7);
    CHECK_INT(CALL(&scene, 1), 14);
    CHECK_INT(memory->len_bytes, 1000002);
    CHECK_INT(memory->page_count, 1000002);
    CHECK(engine_memory_grow(memory, UINT32_MAX) == UINT64_MAX);
    world_free(&scene.world);
  }
  tested_features = MODULE_FEATURES_DEFAULT;
}

static uint64_t resident_bytes(void) {
  char text[128] = {0};
  int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
  if (fd >= 0) close(fd);
  const char *second = len > 0 ? strchr(text, ' ') : NULL;
  return second ? strtoull(second, NULL, 10) * base_os_page_bytes() : 0;
}

/* 8 GiB, later 20 GiB, of which four pages are touched. */
TEST(sparse) {
  if (sizeof(void *) < 8) return;
  void *room = base_os_reserve((size_t)64 << 30);
  if (!room) return; /* no such address space here */
  base_os_release(room, (size_t)64 << 30);
  struct program program = {.types = BYTES(1, 0x60, 2, I64, I64, 1, I64)};
  PUT(&program.memories, 1, 4, 0x80, 0x80, 8); /* 131,072 pages */
  /* exchanges the i64 at the argument for the other one */
  PUT(&program.body, 1, 1, I64, 0x20, 0, 0x29, 3, 0, 0x21, 2, 0x20, 0, 0x20, 1, 0x37, 3, 0, 0x20, 2, 0x0B);
  const uint64_t gib = UINT64_C(1) << 30;
  uint64_t before = resident_bytes();
  struct scene scene = scene_new(&kinds[0], &program);
  CHECK_INT(CALL(&scene, 5 * gib, 55), 0);
  CHECK_INT(CALL(&scene, 8 * gib - 8, 88), 0);
  CHECK_INT(TRAP(&scene, 8 * gib - 7, 1), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(engine_memory_grow(scene.instance->memory0, 12 * gib >> 16), 131072);
  CHECK_INT(CALL(&scene, 5 * gib, 56), 55);
  CHECK_INT(CALL(&scene, 8 * gib - 8, 89), 88);
  CHECK_INT(CALL(&scene, 20 * gib - 8, 200), 0);
  CHECK_INT(CALL(&scene, 20 * gib - 8, 201), 200);
  CHECK(resident_bytes() - before < UINT64_C(64) << 20);
  world_free(&scene.world);
}

/* ---- Bulk instructions -------------------------------------------------------------------------------------------------------- */

/* ---- Short ranges -------------------------------------------------------------------------------------------------------- */

enum { MOST_COUNT = 66, AROUND = 200, PAGE = 65536 };

/* Copies or fills by the guest and by C: the memory is the same afterwards. */
static void check_range(struct scene *scene, bool is_copy, uint32_t to, uint32_t source, uint32_t count) {
  uint8_t *base = scene->instance->memory0->base, expected[AROUND];
  uint32_t from = to < PAGE / 2 ? 0 : PAGE - AROUND;
  for (uint32_t i = 0; i < AROUND; i++) expected[i] = base[from + i] = (uint8_t)(i * 7 + count);
  bool is_inside = to + count <= PAGE && (!is_copy || source + count <= PAGE);
  if (is_inside && is_copy)
    memmove(expected + (to - from), expected + (source - from), count);
  else if (is_inside)
    memset(expected + (to - from), (uint8_t)source, count);
  CHECK_INT(TRAP(scene, to, source, count), is_inside ? ENGINE_TRAP_NONE : ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK(memcmp(base + from, expected, AROUND) == 0);
}

static void check_ranges(bool is_copy, const struct engine_options *options) {
  struct program program = {.memories = BYTES(1, 0, 1)};
  PUT(&program.types, 1, 0x60, 3, I32, I32, I32, 0);
  PUT(&program.body, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xFC);
  if (is_copy)
    PUT(&program.body, 10, 0, 0, 0x0B);
  else
    PUT(&program.body, 11, 0, 0x0B);
  struct scene scene = scene_new(options, &program);
  for (uint32_t count = 0; count <= MOST_COUNT; count++) {
    for (uint32_t source = 40; source <= 100; source += 3) check_range(&scene, is_copy, 70, source, count);
    for (uint32_t beyond = 0; beyond <= 2; beyond++) {
      check_range(&scene, is_copy, PAGE - count + beyond, PAGE - AROUND, count);
      check_range(&scene, is_copy, PAGE - AROUND, PAGE - count + beyond, count);
    }
    CHECK_INT(TRAP(&scene, UINT32_MAX - 7, 0, count), ENGINE_TRAP_MEMORY_BOUNDS);
  }
  world_free(&scene.world);
}

TEST(narrowed_indices) {
  const uint64_t most = UINT64_C(1) << 62;
  CHECK_INT(tiers_narrowed(0, 1), 0);
  CHECK_INT(tiers_narrowed(6, 7), 6);
  CHECK_INT(tiers_narrowed(7, 7), 0);
  CHECK_INT(tiers_narrowed(8, 7), 0);
  CHECK_INT(tiers_narrowed(0, 0), 0);
  CHECK_INT(tiers_narrowed(most - 1, most), most - 1);
  CHECK_INT(tiers_narrowed(UINT64_C(1) << 63, most), 0);
  CHECK_INT(tiers_narrowed(UINT64_MAX, most), 0);
  CHECK_INT(tiers_narrowed(UINT64_MAX, 0), 0);
}

TEST(ranges_of_any_length) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(kinds); i++) {
    check_ranges(true, &kinds[i]);
    check_ranges(false, &kinds[i]);
  }
}

/* memory.copy from memory 1 (64-bit) to memory 0 (32-bit), and back: the length is an i32. */
static void check_copy(bool is_back, const struct engine_options *options) {
  struct program program = {.memories = BYTES(2, 0, 1, 4, 1)};
  PUT(&program.types, 1, 0x60, 3, is_back ? I64 : I32, is_back ? I32 : I64, I32, 0);
  PUT(&program.body, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xFC, 10, is_back, !is_back, 0x0B);
  struct scene scene = scene_new(options, &program);
  struct engine_memory *to = scene.instance->memories[is_back], *from = scene.instance->memories[!is_back];
  memcpy(from->base + 65530, "abcdef", 6);
  CHECK_INT(TRAP(&scene, 100, 65530, 6), ENGINE_TRAP_NONE);
  CHECK(memcmp(to->base + 100, "abcdef", 7) == 0);
  CHECK_INT(TRAP(&scene, 100, 65530, 7), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(TRAP(&scene, 65531, 65530, 6), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(TRAP(&scene, 65536, 65536, 0), ENGINE_TRAP_NONE);
  const uint64_t beyond = is_back ? 65537 : (UINT64_C(1) << 32) + 16;
  CHECK_INT(TRAP(&scene, 100, beyond, 0), ENGINE_TRAP_MEMORY_BOUNDS);
  if (is_back) CHECK_INT(TRAP(&scene, UINT64_MAX - 3, 0, 8), ENGINE_TRAP_MEMORY_BOUNDS);
  if (!is_back) CHECK_INT(TRAP(&scene, 0, UINT64_MAX - 3, 8), ENGINE_TRAP_MEMORY_BOUNDS);
  world_free(&scene.world);
}

TEST(copies_between_address_types) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(kinds); i++) {
    check_copy(false, &kinds[i]);
    check_copy(true, &kinds[i]);
  }
}

TEST(filling_and_initialising) {
  struct program fill = {.types = BYTES(1, 0x60, 3, I64, I32, I64, 0), .memories = BYTES(1, 4, 1)};
  PUT(&fill.body, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xFC, 11, 0, 0x0B);
  struct scene scene = scene_new(&kinds[0], &fill);
  CHECK_INT(TRAP(&scene, 65534, 0x107, 2), ENGINE_TRAP_NONE);
  CHECK_INT(scene.instance->memory0->base[65535], 7);
  CHECK_INT(TRAP(&scene, 0, 9, UINT64_C(1) << 32), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(TRAP(&scene, 1, 9, UINT64_MAX), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(scene.instance->memory0->base[1], 0);
  world_free(&scene.world);
  struct program init = {.types = BYTES(1, 0x60, 3, I64, I32, I32, 0), .memories = BYTES(1, 4, 1), .data_count = 1};
  init.data = (struct bytes)BYTES(1, 1, 3, 'x', 'y', 'z');
  PUT(&init.body, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xFC, 8, 0, 0, 0x0B);
  scene = scene_new(&kinds[1], &init);
  CHECK_INT(TRAP(&scene, 8, 1, 2), ENGINE_TRAP_NONE);
  CHECK(memcmp(scene.instance->memory0->base + 8, "yz", 3) == 0);
  CHECK_INT(TRAP(&scene, UINT64_C(1) << 32, 1, 1), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(TRAP(&scene, 8, 1, 3), ENGINE_TRAP_MEMORY_BOUNDS);
  world_free(&scene.world);
}

/* ---- Tables --------------------------------------------------------------------------------------------------------------------- */

/* A 64-bit table of 2 to 4 functions, the first of which is "f" itself. */
static struct program with_table(struct bytes types, struct bytes body) {
  struct program program = {.types = types, .tables = BYTES(1, FUNCREF, 5, 2, 4), .body = body};
  program.elements = (struct bytes)BYTES(1, 0, 0x42, 0, 0x0B, 1, 0);
  return program;
}

TEST(indices_of_tables_are_64_bits) {
  const uint64_t far = UINT64_C(1) << 32;
  /* f(n) = n == 5 ? 5 : call_indirect[n - 6](5) */
  struct program indirect = with_table((struct bytes)BYTES(1, 0x60, 1, I64, 1, I64),
                                       (struct bytes)BYTES(0, 0x20, 0, 0x42, 5, 0x51, 0x04, 0x40, 0x42, 5, 0x0F, 0x0B,
                                                           0x42, 5, 0x20, 0, 0x42, 6, 0x7D, 0x11, 0, 0, 0x0B));
  struct program tail = indirect;
  tail.body.items[19] = 0x13; /* return_call_indirect */
  const struct program *programs[] = {&indirect, &tail};
  for (size_t i = 0; i < BASE_ARRAY_LEN(programs); i++) {
    struct scene scene = scene_new(&kinds[i], programs[i]);
    CHECK_INT(CALL(&scene, 6), 5);
    CHECK_INT(TRAP(&scene, 7), ENGINE_TRAP_NULL_ELEMENT);
    CHECK_INT(TRAP(&scene, 8), ENGINE_TRAP_UNDEFINED_ELEMENT);
    CHECK_INT(TRAP(&scene, far + 6), ENGINE_TRAP_UNDEFINED_ELEMENT);
    world_free(&scene.world);
  }
  struct program get =
      with_table((struct bytes)BYTES(1, 0x60, 1, I64, 1, I32), (struct bytes)BYTES(0, 0x20, 0, 0x25, 0, 0xD1, 0x0B));
  struct scene scene = scene_new(&kinds[0], &get);
  CHECK_INT(CALL(&scene, 0), 0);
  CHECK_INT(CALL(&scene, 1), 1);
  CHECK_INT(TRAP(&scene, far), ENGINE_TRAP_TABLE_BOUNDS);
  world_free(&scene.world);
  struct program set =
      with_table((struct bytes)BYTES(1, 0x60, 1, I64, 0), (struct bytes)BYTES(0, 0x20, 0, 0xD0, 0x70, 0x26, 0, 0x0B));
  scene = scene_new(&kinds[0], &set);
  CHECK_INT(TRAP(&scene, far), ENGINE_TRAP_TABLE_BOUNDS);
  CHECK_INT(TRAP(&scene, 0), ENGINE_TRAP_NONE);
  CHECK_INT(scene.instance->tables[0]->elems[0], 0);
  world_free(&scene.world);
}

TEST(sizes_of_tables_are_64_bits) {
  struct program grow = with_table((struct bytes)BYTES(1, 0x60, 1, I64, 1, I64),
                                   (struct bytes)BYTES(0, 0xD0, 0x70, 0x20, 0, 0xFC, 15, 0, 0x0B));
  struct scene scene = scene_new(&kinds[0], &grow);
  CHECK_INT(CALL(&scene, 1), 2);
  CHECK(CALL(&scene, 2) == UINT64_MAX);
  CHECK(CALL(&scene, UINT64_MAX) == UINT64_MAX);
  CHECK(CALL(&scene, UINT64_C(1) << 32) == UINT64_MAX);
  CHECK_INT(CALL(&scene, 0), 3);
  world_free(&scene.world);
  grow.tables = (struct bytes)BYTES(1, FUNCREF, 1, 2, 4);
  grow.elements.items[2] = 0x41;
  grow.types = (struct bytes)BYTES(1, 0x60, 1, I32, 1, I32);
  scene = scene_new(&kinds[0], &grow);
  CHECK_INT(CALL(&scene, 3), UINT32_MAX);
  CHECK_INT(CALL(&scene, 1), 2);
  world_free(&scene.world);
}

/* ---- Segments and limits ------------------------------------------------------------------------------------------------------------ */

static void check_refused(const struct program *program, enum cay_status expected, const char *text) {
  struct scene scene = {0};
  uint64_t before_ns = base_os_monotonic_ns();
  CHECK_INT(scene_try(&scene, &kinds[0], NULL, program), expected);
  CHECK(base_os_monotonic_ns() - before_ns < UINT64_C(1000000000));
  if (text) CHECK_TEXT(scene.error.text, text);
  world_free(&scene.world);
}

TEST(segments_far_away) {
  struct program program = {.types = BYTES(1, 0x60, 0, 0), .memories = BYTES(1, 4, 1), .body = BYTES(0, 0x0B)};
  program.data = (struct bytes)BYTES(1, 0, 0x42, 0x80, 0x80, 0x80, 0x80, 0x10, 0x0B, 1, 'x');
  check_refused(&program, CAY_ERROR_TRAP,
                "out of bounds memory access: data segment 0, 1 long, does not fit at 4294967296 in a size of 65536");
}

TEST(what_no_machine_has) {
  struct program program = {.types = BYTES(1, 0x60, 0, 0), .body = BYTES(0, 0x0B)};
  program.memories = (struct bytes)BYTES(1, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40);
  check_refused(&program, CAY_ERROR_LIMIT, "a memory of 281474976710656 pages does not fit the address space");
  program.memories = (struct bytes)BYTES(1, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10);
  check_refused(&program, sizeof(void *) > 4 ? CAY_ERROR_MEMORY : CAY_ERROR_LIMIT, NULL);
  program.memories.count = 0;
  program.tables = (struct bytes)BYTES(1, FUNCREF, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1);
  check_refused(&program, CAY_ERROR_LIMIT, "a table of 18446744073709551615 elements exceeds the limit of 10000000");
}

/* The budget counts what a memory may touch, not what it has touched. */
TEST(budgets_count_lengths) {
  struct program program = {.types = BYTES(1, 0x60, 0, 0), .body = BYTES(0, 0x0B)};
  program.memories = (struct bytes)BYTES(1, 4, 0x80, 0x20); /* 4,096 pages, which 32-bit hosts have room for */
  struct scene scene = {0};
  struct engine_limits limits = {.budget = memory_budget(UINT64_C(1) << 26)};
  CHECK_INT(scene_try(&scene, &kinds[0], &limits, &program), CAY_ERROR_LIMIT);
  CHECK_TEXT(scene.error.text,
             "a memory of 268435456 bytes exceeds the memory limit of 67108864 bytes, of which 0 are in use");
  world_free(&scene.world);
}

TIERS_TEST_MAIN(RUN(accesses_trap_at_their_own_offset) RUN(large_offsets)
                    RUN(growing_gives_a_number_of_the_address_type) RUN(growing_between_accesses) RUN(pages_of_one_byte)
                        RUN(sparse) RUN(copies_between_address_types) RUN(narrowed_indices) RUN(ranges_of_any_length)
                            RUN(filling_and_initialising) RUN(indices_of_tables_are_64_bits)
                                RUN(sizes_of_tables_are_64_bits) RUN(segments_far_away) RUN(what_no_machine_has)
                                    RUN(budgets_count_lengths))
