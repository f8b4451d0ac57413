/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Modules with references and exceptions for the tests of the tiers, written section by section in any order, and the
 * ways in which each test runs. Instructions are macros that spell their bytes. */
#ifndef TESTS_BUILDER_H
#define TESTS_BUILDER_H

#include "../engine/fake_tier.h"
#include "engine/heap.h"
#include "every_tier.h"

/* ---- Instructions. Immediates are single bytes, so below 128, and numbers below 64. ---- */

#define UNREACHABLE 0x00
#define BLOCK(type) 0x02, type
#define LOOP(type) 0x03, type
#define IF(type) 0x04, type
#define ELSE 0x05
#define END 0x0B
#define BR(label) 0x0C, label
#define BR_IF(label) 0x0D, label
#define RETURN 0x0F
#define CALL(func) 0x10, func
#define CALL_INDIRECT(type, table) 0x11, type, table
#define RETURN_CALL(func) 0x12, func
#define RETURN_CALL_INDIRECT(type, table) 0x13, type, table
#define CALL_REF(type) 0x14, type
#define RETURN_CALL_REF(type) 0x15, type
#define DROP 0x1A
#define SELECT(type) 0x1C, 1, type
#define GET(local) 0x20, local
#define SET(local) 0x21, local
#define TEE(local) 0x22, local
#define GLOBAL_GET(global) 0x23, global
#define GLOBAL_SET(global) 0x24, global
#define TABLE_GET(table) 0x25, table
#define TABLE_SET(table) 0x26, table
#define TABLE_INIT(elem, table) 0xFC, 12, elem, table
#define ELEM_DROP(elem) 0xFC, 13, elem
#define TABLE_GROW(table) 0xFC, 15, table
#define TABLE_FILL(table) 0xFC, 17, table
#define I32(number) 0x41, number
#define I64(number) 0x42, number
#define I32_EQZ 0x45
#define I32_EQ 0x46
#define I32_LT_U 0x49
#define I32_ADD 0x6A
#define I32_SUB 0x6B
#define I32_MUL 0x6C
#define I64_ADD 0x7C
#define I64_EXTEND_I32_U 0xAD

#define THROW(tag) 0x08, tag
#define THROW_REF 0x0A
#define TRY_TABLE(type, clauses) 0x1F, type, clauses
#define CATCH(tag, label) 0, tag, label
#define CATCH_REF(tag, label) 1, tag, label
#define CATCH_ALL(label) 2, label
#define CATCH_ALL_REF(label) 3, label
/* The legacy form. */
#define TRY(type) 0x06, type
#define OLD_CATCH(tag) 0x07, tag
#define OLD_CATCH_ALL 0x19
#define RETHROW(label) 0x09, label
#define DELEGATE(label) 0x18, label

#define REF_NULL(heap) 0xD0, heap
#define REF_IS_NULL 0xD1
#define REF_FUNC(func) 0xD2, func
#define REF_EQ 0xD3
#define REF_AS_NON_NULL 0xD4
#define BR_ON_NULL(label) 0xD5, label
#define BR_ON_NON_NULL(label) 0xD6, label

#define STRUCT_NEW(type) 0xFB, 0, type
#define STRUCT_NEW_DEFAULT(type) 0xFB, 1, type
#define STRUCT_GET(type, field) 0xFB, 2, type, field
#define STRUCT_GET_S(type, field) 0xFB, 3, type, field
#define STRUCT_GET_U(type, field) 0xFB, 4, type, field
#define STRUCT_SET(type, field) 0xFB, 5, type, field
#define ARRAY_NEW(type) 0xFB, 6, type
#define ARRAY_NEW_DEFAULT(type) 0xFB, 7, type
#define ARRAY_NEW_FIXED(type, count) 0xFB, 8, type, count
#define ARRAY_NEW_DATA(type, data) 0xFB, 9, type, data
#define ARRAY_NEW_ELEM(type, elem) 0xFB, 10, type, elem
#define ARRAY_GET(type) 0xFB, 11, type
#define ARRAY_GET_S(type) 0xFB, 12, type
#define ARRAY_GET_U(type) 0xFB, 13, type
#define ARRAY_SET(type) 0xFB, 14, type
#define ARRAY_LEN 0xFB, 15
#define ARRAY_FILL(type) 0xFB, 16, type
#define ARRAY_COPY(to, from) 0xFB, 17, to, from
#define ARRAY_INIT_DATA(type, data) 0xFB, 18, type, data
#define ARRAY_INIT_ELEM(type, elem) 0xFB, 19, type, elem
#define REF_TEST(heap) 0xFB, 20, heap
#define REF_TEST_NULL(heap) 0xFB, 21, heap
#define REF_CAST(heap) 0xFB, 22, heap
#define REF_CAST_NULL(heap) 0xFB, 23, heap
#define BR_ON_CAST(flags, label, from, to) 0xFB, 24, flags, label, from, to
#define BR_ON_CAST_FAIL(flags, label, from, to) 0xFB, 25, flags, label, from, to
#define ANY_CONVERT_EXTERN 0xFB, 26
#define EXTERN_CONVERT_ANY 0xFB, 27
#define REF_I31 0xFB, 28
#define I31_GET_S 0xFB, 29
#define I31_GET_U 0xFB, 30

/* ---- Types ---- */

enum {
  T_VOID = 0x40,
  T_I32 = 0x7F,
  T_I64 = 0x7E,
  T_F32 = 0x7D,
  T_F64 = 0x7C,
  T_V128 = 0x7B,
  T_I8 = 0x78,
  T_I16 = 0x77,
  T_NOFUNC = 0x73,
  T_NOEXTERN = 0x72,
  T_NONE = 0x71,
  T_FUNC = 0x70,
  T_EXTERN = 0x6F,
  T_ANY = 0x6E,
  T_EQ = 0x6D,
  T_I31 = 0x6C,
  T_STRUCT = 0x6B,
  T_ARRAY = 0x6A,
  T_EXN = 0x69,
  T_NOEXN = 0x74
};
#define REF(heap) 0x64, heap
#define REF_OR_NULL(heap) 0x63, heap
#define FUNC_TYPE 0x60
#define STRUCT_TYPE 0x5F
#define ARRAY_TYPE 0x5E

/* ---- Sections ---- */

enum part {
  PART_TYPES,
  PART_IMPORTS,
  PART_FUNCS,
  PART_TABLES,
  PART_MEMORIES,
  PART_TAGS,
  PART_GLOBALS,
  PART_EXPORTS,
  PART_ELEMS,
  PART_CODES,
  PART_DATAS,
  PARTS
};
struct builder {
  struct bytes parts[PARTS];
  uint32_t counts[PARTS];
  uint32_t funcs, tags, globals, tables; /* index spaces, imports included */
};

#define ADD(b, part, ...) ((b)->counts[part]++, PUT(&(b)->parts[part], __VA_ARGS__))
#define TYPE(b, ...) ADD(b, PART_TYPES, __VA_ARGS__)
#define ELEM(b, ...) ADD(b, PART_ELEMS, __VA_ARGS__)
#define DATA(b, ...) ADD(b, PART_DATAS, __VA_ARGS__)

static inline void export_as(struct builder *b, const char *name, uint8_t kind, uint32_t index) {
  if (!name) return;
  b->counts[PART_EXPORTS]++;
  put_name(&b->parts[PART_EXPORTS], name);
  PUT(&b->parts[PART_EXPORTS], kind, (uint8_t)index);
}
static inline void import_name(struct builder *b, const char *name) {
  b->counts[PART_IMPORTS]++;
  put_name(&b->parts[PART_IMPORTS], "m");
  put_name(&b->parts[PART_IMPORTS], name);
}
#define IMPORT_FUNC(b, name, type) (import_name(b, name), PUT(&(b)->parts[PART_IMPORTS], 0, type), (b)->funcs++)
#define IMPORT_TABLE(b, name, ...) (import_name(b, name), PUT(&(b)->parts[PART_IMPORTS], 1, __VA_ARGS__), (b)->tables++)
#define IMPORT_GLOBAL(b, name, ...) \
  (import_name(b, name), PUT(&(b)->parts[PART_IMPORTS], 3, __VA_ARGS__), (b)->globals++)
#define IMPORT_TAG(b, name, type) (import_name(b, name), PUT(&(b)->parts[PART_IMPORTS], 4, 0, type), (b)->tags++)
#define TABLE(b, name, ...) (export_as(b, name, 1, (b)->tables++), ADD(b, PART_TABLES, __VA_ARGS__))
#define GLOBAL(b, name, ...) (export_as(b, name, 3, (b)->globals++), ADD(b, PART_GLOBALS, __VA_ARGS__))
#define MEMORY(b, ...) ADD(b, PART_MEMORIES, __VA_ARGS__)
#define TAG(b, name, type) (export_as(b, name, 4, (b)->tags++), ADD(b, PART_TAGS, 0, type))

/* `body`: declarations of locals and the instructions; the last `end` is added. */
static inline void add_func(struct builder *b, const char *name, uint8_t type, const uint8_t *body, size_t len_bytes) {
  export_as(b, name, 0, b->funcs++);
  ADD(b, PART_FUNCS, type);
  b->counts[PART_CODES]++;
  put_leb(&b->parts[PART_CODES], (uint32_t)len_bytes + 1);
  put(&b->parts[PART_CODES], body, len_bytes);
  put_u8(&b->parts[PART_CODES], END);
}
#define NO_LOCALS 0
#define LOCALS(count, ...) 1, count, __VA_ARGS__
#define FUNC(b, name, type, ...) \
  add_func(b, name, type, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline struct bytes built(const struct builder *b) {
  static const uint8_t ids[PARTS] = {1, 2, 3, 4, 5, 13, 6, 7, 9, 10, 11};
  struct bytes bytes = module_start();
  for (int part = 0; part < PARTS; part++) {
    if (part == PART_CODES && b->counts[PART_DATAS]) SECTION(&bytes, 12, (uint8_t)b->counts[PART_DATAS]);
    if (b->counts[part] == 0) continue;
    struct bytes section = {.count = 0};
    put_leb(&section, b->counts[part]);
    put(&section, b->parts[part].items, b->parts[part].count);
    put_section(&bytes, ids[part], &section);
  }
  return bytes;
}

/* ---- Running ---- */

/* Both sets of handlers, and each with a collection at every allocation; with and without fuel. */
struct mode {
  bool is_explicit, is_stressed, has_fuel;
};
static const struct mode modes[] = {{false, false, false}, {true, false, true}, {false, true, true}, {true, true, false}};

static inline struct world world_in(const struct mode *mode, struct base_budget *budget) {
  const struct engine_options options = {
      .tier = tested_tier, .explicit_bounds = mode->is_explicit, .fuel = mode->has_fuel};
  struct world world = world_new(&options, &(struct engine_limits){.budget = budget});
  if (mode->is_stressed) CHECK(engine_heap_set_stress(world.store, true));
  return world;
}
static inline struct world world_of(const struct mode *mode) { return world_in(mode, NULL); }

static inline struct engine_instance *instance_of(struct world *world, const struct builder *b,
                                                  const struct engine_extern *imports, enum cay_status expected) {
  struct bytes bytes = built(b);
  struct module *module = module_of(&bytes);
  struct engine_instance *instance = NULL;
  struct cay_error error = {0};
  enum cay_status status = engine_instantiate(world->store, module, imports, "built", &instance, &error);
  if (status != expected) fprintf(stderr, "%s\n", error.text);
  CHECK_INT(status, expected);
  module_release(module);
  return instance;
}

static inline struct engine_extern export_of(struct engine_instance *instance, const char *name) {
  struct engine_extern found = {0};
  CHECK(engine_export(instance, name, strlen(name), &found));
  return found;
}

static inline enum engine_trap call_with(struct world *world, struct engine_instance *instance, const char *name,
                                         uint64_t *slots) {
  struct engine_extern found = export_of(instance, name);
  return found.func ? engine_call(world->store, found.func, slots) : ENGINE_TRAP_HOST;
}

/* Calls an export that takes an i32 and returns one. */
#define CHECK_CALL(world, instance, name, argument, expected)                                         \
  do {                                                                                                \
    uint64_t call_slots[4] = {argument};                                                              \
    CHECK_INT(call_with(world, instance, name, call_slots), ENGINE_TRAP_NONE);                        \
    if (call_slots[0] != (uint32_t)(expected)) fprintf(stderr, "in %s(%d)\n", name, (int)(argument)); \
    CHECK_INT(call_slots[0], (uint32_t)(expected));                                                   \
  } while (0)
#define CHECK_TRAP(world, instance, name, argument, expected)                                 \
  do {                                                                                        \
    uint64_t call_slots[4] = {argument};                                                      \
    enum engine_trap call_trap = call_with(world, instance, name, call_slots);                \
    if (call_trap != (expected))                                                              \
      fprintf(stderr, "in %s(%d): %s\n", name, (int)(argument), engine_trap_text(call_trap)); \
    CHECK_INT(call_trap, expected);                                                           \
  } while (0)

static const module_type one_i32[] = {MODULE_I32};
static const struct module_func_type i32_to_i32 = {
    .params = one_i32, .param_count = 1, .results = one_i32, .result_count = 1};
static const struct module_func_type no_values = {0};

/* A host function that collects. */
static inline enum engine_trap host_collect(struct engine_call *call, uint64_t *slots) {
  (void)slots;
  engine_heap_collect(call->thread->store);
  return ENGINE_TRAP_NONE;
}
static inline struct engine_extern host_function(struct world *world, const struct module_func_type *type,
                                                 engine_host_function host, void *env) {
  struct engine_extern out = {.kind = MODULE_FUNC};
  CHECK_INT(engine_function_new(world->store, type, host, env, "m", "host", &out.func, NULL), CAY_OK);
  return out;
}

/* Runs a test of one module in every mode. Its types come first; `nothing` is that of its function 0, which is the
 * host's and collects. */
typedef void (*builder_function)(struct builder *b);
enum { COLLECT = 0 };
static inline void run_in_modes(builder_function add_types, uint8_t nothing, builder_function build,
                                void (*check)(struct world *world, struct engine_instance *instance)) {
  static struct builder b;
  b = (struct builder){0};
  add_types(&b);
  IMPORT_FUNC(&b, "collect", nothing);
  build(&b);
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    struct world world = world_of(&modes[i]);
    struct engine_extern import = host_function(&world, &no_values, host_collect, NULL);
    struct engine_instance *instance = instance_of(&world, &b, &import, CAY_OK);
    if (instance) check(&world, instance);
    world_free(&world);
  }
}

#endif
