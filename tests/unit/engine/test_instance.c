/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Import matching, instantiation, segments, constant expressions, linking. */
#include "fake_tier.h"

static enum engine_trap host_nothing(struct engine_call *call, uint64_t *slots) {
  (void)call, (void)slots;
  return ENGINE_TRAP_NONE;
}

static const module_type one_i32[] = {MODULE_I32};
static const struct module_func_type takes_i32 = {.params = one_i32, .param_count = 1};
static const struct module_func_type gives_i32 = {.results = one_i32, .result_count = 1};
static const struct module_func_type nothing = {0};

static struct engine_function *host_of(struct engine_store *store, const struct module_func_type *type) {
  struct engine_function *function = NULL;
  CHECK_INT(engine_function_new(store, type, host_nothing, NULL, "env", "f", &function, NULL), CAY_OK);
  return function;
}

/* A module with one import "env" "x" of the descriptor given. */
static struct module *importing(const uint8_t *descriptor, size_t count) {
  struct bytes bytes = module_start(), section = {.count = 0};
  SECTION(&bytes, 1, 1, 0x60, 1, 0x7F, 0); /* (i32) -> () */
  PUT(&section, 1);
  put_name(&section, "env");
  put_name(&section, "x");
  put(&section, descriptor, count);
  put_section(&bytes, 2, &section);
  return module_of(&bytes);
}
#define IMPORTING(...) importing((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* NULL: matches; else the message. */
static const char *match(struct world *world, struct module *module, struct engine_extern value) {
  static struct cay_error error;
  enum cay_status status = engine_import_check(world->store, module, 0, &value, &error);
  module_release(module);
  if (status != CAY_OK) CHECK_INT(status, CAY_ERROR_LINK);
  return status == CAY_OK ? NULL : error.text;
}

static struct engine_extern func(struct engine_function *function) {
  return (struct engine_extern){.kind = MODULE_FUNC, .func = function};
}

TEST(match_functions) {
  struct world world = world_new(NULL, NULL);
  CHECK(!match(&world, IMPORTING(0, 0), func(host_of(world.store, &takes_i32))));
  CHECK_TEXT(match(&world, IMPORTING(0, 0), func(host_of(world.store, &gives_i32))),
             "import \"env\" \"x\" is a function (i32) -> (), but a function () -> (i32) was given");
  CHECK_TEXT(match(&world, IMPORTING(3, 0x7F, 1), func(host_of(world.store, &takes_i32))),
             "import \"env\" \"x\" is a mutable global i32, but a function (i32) -> () was given");
  CHECK(host_of(world.store, &takes_i32)->def == host_of(world.store, &takes_i32)->def);
  CHECK(host_of(world.store, &takes_i32)->def != host_of(world.store, &gives_i32)->def);
  world_free(&world);
}

static struct engine_extern table(struct world *world, module_type elem, uint64_t min, uint64_t max) {
  struct module_table_type type = {.elem = elem, .limits = {.min = min, .max = max, .has_max = max != UINT64_MAX}};
  struct engine_extern value = {.kind = MODULE_TABLE};
  CHECK_INT(engine_table_new(world->store, &type, 0, &value.table, NULL), CAY_OK);
  return value;
}

TEST(match_tables) {
  struct world world = world_new(NULL, NULL);
  CHECK(!match(&world, IMPORTING(1, 0x70, 0, 10), table(&world, MODULE_FUNCREF, 10, UINT64_MAX)));
  CHECK(!match(&world, IMPORTING(1, 0x70, 1, 10, 20), table(&world, MODULE_FUNCREF, 11, 20)));
  CHECK_TEXT(match(&world, IMPORTING(1, 0x70, 1, 10, 20), table(&world, MODULE_FUNCREF, 10, UINT64_MAX)),
             "import \"env\" \"x\" is a table of funcref with at least 10 elements, at most 20, but a table of funcref "
             "with 10 elements, no maximum was given");
  CHECK(match(&world, IMPORTING(1, 0x70, 1, 10, 20), table(&world, MODULE_FUNCREF, 10, 21)));
  CHECK(match(&world, IMPORTING(1, 0x70, 0, 10), table(&world, MODULE_EXTERNREF, 10, 20)));
  struct engine_extern grown = table(&world, MODULE_FUNCREF, 9, 20);
  CHECK(match(&world, IMPORTING(1, 0x70, 0, 10), grown));
  engine_table_grow(grown.table, 1, 0);
  CHECK(!match(&world, IMPORTING(1, 0x70, 0, 10), grown));
  world_free(&world);
}

TEST(match_memories_and_globals) {
  struct world world = world_new(NULL, NULL);
  struct module_memory_type type = {.limits = {.min = 1, .max = 3, .has_max = true}, .page_log2 = 16};
  struct engine_extern memory = {.kind = MODULE_MEMORY};
  CHECK_INT(engine_memory_new(world.store, &type, &memory.memory, NULL), CAY_OK);
  CHECK(!match(&world, IMPORTING(2, 0, 1), memory));
  CHECK(!match(&world, IMPORTING(2, 1, 0, 3), memory));
  CHECK_TEXT(match(&world, IMPORTING(2, 1, 0, 2), memory),
             "import \"env\" \"x\" is a memory of at least 0 pages, at most 2, but a memory of 1 page, at most 3 was "
             "given");
  CHECK(match(&world, IMPORTING(2, 0, 2), memory));
  struct module_global_type global_type = {.type = MODULE_I32};
  struct engine_extern global = {.kind = MODULE_GLOBAL};
  const uint64_t value[2] = {42, 0};
  CHECK_INT(engine_global_new(world.store, &global_type, value, &global.global, NULL), CAY_OK);
  CHECK(!match(&world, IMPORTING(3, 0x7F, 0), global));
  CHECK(match(&world, IMPORTING(3, 0x7F, 1), global));
  CHECK_TEXT(match(&world, IMPORTING(3, 0x7E, 0), global),
             "import \"env\" \"x\" is a constant global i64, but a constant global i32 was given");
  struct world other = world_new(NULL, NULL);
  struct module *module = IMPORTING(2, 0, 1);
  CHECK_INT(engine_import_check(other.store, module, 0, &memory, NULL), CAY_ERROR_ARGUMENT);
  module_release(module);
  world_free(&other);
  world_free(&world);
}

TEST(match_address_types) {
  struct world world = world_new(NULL, NULL);
  tested_features |= MODULE_FEATURE_BIT(CUSTOM_PAGE_SIZES);
  struct module_memory_type type = {.limits = {.min = 1, .max = 3, .has_max = true}, .page_log2 = 16};
  struct engine_extern usual = {.kind = MODULE_MEMORY}, wide = usual, bytes = usual;
  CHECK_INT(engine_memory_new(world.store, &type, &usual.memory, NULL), CAY_OK);
  type.limits.is_64 = true;
  CHECK_INT(engine_memory_new(world.store, &type, &wide.memory, NULL), CAY_OK);
  type.page_log2 = 0;
  CHECK_INT(engine_memory_new(world.store, &type, &bytes.memory, NULL), CAY_OK);
  CHECK(!match(&world, IMPORTING(2, 5, 1, 3), wide));
  CHECK(!match(&world, IMPORTING(2, 13, 1, 3, 0), bytes));
  CHECK_TEXT(
      match(&world, IMPORTING(2, 4, 1), usual),
      "import \"env\" \"x\" is a memory of at least 1 page, no maximum, 64-bit, but a memory of 1 page, at most 3 "
      "was given");
  CHECK(match(&world, IMPORTING(2, 0, 1), wide));
  CHECK_TEXT(
      match(&world, IMPORTING(2, 5, 1, 3), bytes),
      "import \"env\" \"x\" is a memory of at least 1 page, at most 3, 64-bit, but a memory with pages of 1 byte "
      "and 1 page, at most 3, 64-bit was given");
  CHECK(match(&world, IMPORTING(1, 0x70, 4, 10), table(&world, MODULE_FUNCREF, 10, UINT64_MAX)));
  tested_features = MODULE_FEATURES_DEFAULT;
  world_free(&world);
}

/* ---- Instantiation -------------------------------------------------------------------------------------------------- */

static int started;
static enum engine_trap body_start(struct engine_thread *thread, struct engine_activation *activation, uint64_t *fp) {
  (void)activation, (void)fp;
  started++;
  return started == 2 ? engine_trap_raise(thread, ENGINE_TRAP_UNREACHABLE) : ENGINE_TRAP_NONE;
}

/* Imports global "env" "x" (const i32); function 0 start; table 10 funcref; memory 1; globals: 1 = x * 2 + 1 (i32),
 * 2 = ref.func 0; element segments: active at 3: f0 f0; passive expressions: null, f0; declared f0; data: active at
 * x "abc", passive "xyz", active at `data_at` "!". Exports m, t, g. */
static struct module *full_module(uint32_t data_at) {
  struct bytes bytes = module_start(), section = {.count = 0};
  SECTION(&bytes, 1, 1, 0x60, 0, 0);
  PUT(&section, 1);
  put_name(&section, "env");
  put_name(&section, "x");
  PUT(&section, 3, 0x7F, 0);
  put_section(&bytes, 2, &section);
  SECTION(&bytes, 3, 1, 0);
  SECTION(&bytes, 4, 1, 0x70, 0, 10);
  SECTION(&bytes, 5, 1, 1, 1, 2);
  SECTION(&bytes, 6, 2, 0x7F, 0, 0x23, 0, 0x41, 2, 0x6C, 0x41, 1, 0x6A, 0x0B, 0x70, 1, 0xD2, 0, 0x0B);
  section.count = 0;
  PUT(&section, 3, 1, 'm', 2, 0, 1, 't', 1, 0, 1, 'g', 3, 1);
  put_section(&bytes, 7, &section);
  SECTION(&bytes, 8, 0);
  SECTION(&bytes, 9, 3, 0, 0x41, 3, 0x0B, 2, 0, 0, 5, 0x70, 2, 0xD0, 0x70, 0x0B, 0xD2, 0, 0x0B, 3, 0, 1, 0);
  SECTION(&bytes, 12, 3);
  SECTION(&bytes, 10, 1, 2, 0, 0x0B);
  section.count = 0;
  PUT(&section, 3, 0, 0x23, 0, 0x0B, 3, 'a', 'b', 'c', 1, 3, 'x', 'y', 'z', 0, 0x41);
  for (; data_at >= 0x40; data_at >>= 7) put_u8(&section, (data_at & 0x7F) | 0x80); /* signed LEB */
  put_u8(&section, data_at);
  PUT(&section, 0x0B, 1, '!');
  put_section(&bytes, 11, &section);
  return module_of(&bytes);
}

static struct engine_extern global_i32(struct world *world, uint64_t number) {
  struct module_global_type type = {.type = MODULE_I32};
  struct engine_extern global = {.kind = MODULE_GLOBAL};
  const uint64_t value[2] = {number, 0};
  CHECK_INT(engine_global_new(world->store, &type, value, &global.global, NULL), CAY_OK);
  return global;
}

TEST(instantiates) {
  struct world world = world_new(NULL, NULL);
  struct module *module = full_module(100);
  struct engine_extern x = global_i32(&world, 20), found;
  struct engine_instance *instance = NULL;
  fake_bodies[0] = body_start;
  started = 0;
  CHECK_INT(engine_instantiate(world.store, module, &x, "main", &instance, NULL), CAY_OK);
  CHECK_INT(started, 1);
  CHECK_TEXT(instance->name, "main");
  CHECK(engine_export(instance, "g", 1, &found) && found.kind == MODULE_GLOBAL);
  CHECK_INT(found.global.cell->value[0], 41);
  CHECK(!engine_export(instance, "h", 1, &found));
  struct engine_function *own = instance->functions[0];
  CHECK(instance->own_globals[1].value[0] == (uintptr_t)own);
  const struct engine_table *elems = instance->tables[0];
  CHECK(elems->elems[2] == 0 && elems->elems[3] == (uintptr_t)own && elems->elems[4] == (uintptr_t)own);
  CHECK(memcmp(instance->memory0->base + 20, "abc", 4) == 0 && instance->memory0->base[100] == '!');

  /* Active and declared segments are dropped, passive ones are not. */
  CHECK_INT(engine_table_init(instance, 0, 0, 0, 0, 1), ENGINE_TRAP_TABLE_BOUNDS);
  CHECK_INT(engine_table_init(instance, 0, 0, 10, 0, 0), ENGINE_TRAP_NONE);
  CHECK_INT(engine_table_init(instance, 0, 0, 11, 0, 0), ENGINE_TRAP_TABLE_BOUNDS);
  CHECK_INT(engine_table_init(instance, 0, 2, 0, 0, 1), ENGINE_TRAP_TABLE_BOUNDS);
  CHECK_INT(engine_table_init(instance, 0, 1, 3, 0, 2), ENGINE_TRAP_NONE);
  CHECK(elems->elems[3] == 0 && elems->elems[4] == (uintptr_t)own);
  CHECK_INT(engine_table_init(instance, 0, 1, 9, 0, 2), ENGINE_TRAP_TABLE_BOUNDS);
  CHECK_INT(engine_table_init(instance, 0, 1, 0, 1, 2), ENGINE_TRAP_TABLE_BOUNDS);
  engine_elem_drop(instance, 1);
  CHECK_INT(engine_table_init(instance, 0, 1, 3, 0, 1), ENGINE_TRAP_TABLE_BOUNDS);
  CHECK_INT(engine_memory_init(instance, 0, 1, 65534, 1, 2), ENGINE_TRAP_NONE);
  CHECK(memcmp(instance->memory0->base + 65534, "yz", 2) == 0);
  CHECK_INT(engine_memory_init(instance, 0, 1, 65534, 0, 3), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(engine_memory_init(instance, 0, 1, 0, 2, 2), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(engine_memory_init(instance, 0, 0, 0, 0, 1), ENGINE_TRAP_MEMORY_BOUNDS);
  engine_data_drop(instance, 1);
  CHECK_INT(engine_memory_init(instance, 0, 1, 0, 0, 1), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(engine_memory_init(instance, 0, 1, 0, 0, 0), ENGINE_TRAP_NONE);

  /* A second instance shares the code; its start function traps. */
  struct cay_error error = {0};
  int codes = fake_codes_made;
  CHECK_INT(engine_instantiate(world.store, module, &x, NULL, &instance, &error), CAY_ERROR_TRAP);
  CHECK_TEXT(error.text, "in the start function: unreachable instruction executed");
  CHECK_INT(engine_store_thread(world.store)->trap, ENGINE_TRAP_UNREACHABLE);
  CHECK_INT(fake_codes_made, codes);
  module_release(module);
  world_free(&world);
}

TEST(segment_traps) {
  struct world world = world_new(NULL, NULL);
  struct module *module = full_module(65536);
  struct engine_extern x = global_i32(&world, 1);
  struct engine_instance *instance = NULL;
  struct cay_error error = {0};
  started = 10;
  CHECK_INT(engine_instantiate(world.store, module, &x, NULL, &instance, &error), CAY_ERROR_TRAP);
  CHECK_TEXT(error.text,
             "out of bounds memory access: data segment 2, 1 long, does not fit at 65536 in a size of 65536");
  CHECK_INT(engine_store_thread(world.store)->trap, ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(started, 10);
  module_release(module);
  world_free(&world);
}

TEST(limits) {
  struct engine_limits limits = {.instances = 1, .budget = memory_budget(65536 + 80)};
  struct world world = world_new(NULL, &limits);
  struct module *module = full_module(5);
  struct engine_extern x = global_i32(&world, 1);
  struct engine_instance *instance = NULL;
  started = 10;
  CHECK_INT(engine_instantiate(world.store, module, &x, NULL, &instance, NULL), CAY_OK);
  CHECK_INT(engine_instantiate(world.store, module, &x, NULL, &instance, NULL), CAY_ERROR_LIMIT);
  world_free(&world);
  limits.budget = memory_budget(65536 + 79); /* the table does not fit; the memory is given back each time */
  world = world_new(NULL, &limits);
  x = global_i32(&world, 1);
  for (int i = 0; i < 3; i++) {
    struct cay_error error = {0};
    CHECK_INT(engine_instantiate(world.store, module, &x, NULL, &instance, &error), CAY_ERROR_LIMIT);
    CHECK_TEXT(error.text, "a table of 10 elements exceeds the memory limit of 65615 bytes, of which 65536 are in use");
  }
  module_release(module);
  world_free(&world);
}

/* (global i32 (1 + (1 + (1 + ...)))): as deep as a constant expression can be. */
TEST(deep_constant) {
  struct world world = world_new(NULL, NULL);
  struct bytes bytes = module_start(), section = {.count = 0};
  PUT(&section, 1, 0x7F, 0);
  for (int i = 0; i < 1000; i++) PUT(&section, 0x41, 1);
  for (int i = 0; i < 999; i++) PUT(&section, 0x6A);
  PUT(&section, 0x0B);
  put_section(&bytes, 6, &section);
  SECTION(&bytes, 7, 1, 1, 'g', 3, 0);
  struct module *module = module_of(&bytes);
  struct engine_instance *instance = NULL;
  struct engine_extern found;
  CHECK_INT(engine_instantiate(world.store, module, NULL, NULL, &instance, NULL), CAY_OK);
  CHECK(engine_export(instance, "g", 1, &found));
  CHECK_INT(found.global.cell->value[0], 1000);
  CHECK(instance->memory0 && instance->memory0->len_bytes == 0);
  CHECK(fake_code_was_explicit);
  module_release(module);
  world_free(&world);
}

/* ---- Linking -------------------------------------------------------------------------------------------------------- */

static struct module *importing_functions(const char *const *names, size_t count) {
  struct bytes bytes = module_start(), section = {.count = 0};
  SECTION(&bytes, 1, 1, 0x60, 1, 0x7F, 0);
  put_leb(&section, (uint32_t)count);
  for (size_t i = 0; i < count; i++) {
    put_name(&section, names[2 * i]);
    put_name(&section, names[2 * i + 1]);
    PUT(&section, 0, 0);
  }
  put_section(&bytes, 2, &section);
  return module_of(&bytes);
}

static enum cay_error_kind check_missing(const char *const *names, size_t count, const char *message) {
  struct world world = world_new(NULL, NULL);
  struct engine_linker *linker = NULL;
  CHECK_INT(engine_linker_new(world.store, &linker, NULL), CAY_OK);
  struct engine_extern known = func(host_of(world.store, &takes_i32));
  CHECK_INT(engine_linker_define(linker, "env", 3, "known", 5, known, NULL), CAY_OK);
  CHECK_INT(engine_linker_define(linker, "wasi_snapshot_preview1", 22, "fd_read", 7, known, NULL), CAY_OK);
  struct module *module = importing_functions(names, count);
  struct engine_instance *instance = NULL;
  struct cay_error error = {0};
  CHECK_INT(engine_linker_instantiate(linker, module, NULL, &instance, &error), CAY_ERROR_LINK);
  CHECK_TEXT(error.text, message);
  module_release(module);
  engine_linker_free(linker);
  world_free(&world);
  return error.kind;
}

TEST(unknown_imports) {
  const char *const env[] = {"env", "known", "env", "emscripten_resize_heap", "env", "b"};
  enum cay_error_kind kind = check_missing(
      env, 3,
      "unknown import \"env\" \"emscripten_resize_heap\", a function (i32) -> (): made by Emscripten or for another "
      "host; build it for wasm32-wasi; also missing: \"env\" \"b\"");
  CHECK_INT(kind, CAY_KIND_UNKNOWN_IMPORT);
  const char *const wasi[] = {"wasi_snapshot_preview1", "fd_reed"};
  check_missing(wasi, 1,
                "unknown import \"wasi_snapshot_preview1\" \"fd_reed\", a function (i32) -> (): the function is not "
                "part of WASI 0.1");
  const char *const old[] = {"wasi_unstable", "fd_read"};
  check_missing(
      old, 1, "unknown import \"wasi_unstable\" \"fd_read\", a function (i32) -> (): the host offers no WASI 0.1 here");
  const char *const component[] = {"wasi:cli/stdout@0.2.0", "get-stdout"};
  check_missing(component, 1,
                "unknown import \"wasi:cli/stdout@0.2.0\" \"get-stdout\", a function (i32) -> (): this is the core "
                "module of a component; run the component that it was taken from");
  const char *const other[] = {"mine", "a", "m", "1", "m", "2", "m", "3", "m", "4", "m",
                               "5",    "m", "6", "m", "7", "m", "8", "m", "9", "m", "\x1b[1m"};
  check_missing(other, 11,
                "unknown import \"mine\" \"a\", a function (i32) -> (); also missing: \"m\" \"1\", \"m\" \"2\", \"m\" "
                "\"3\", \"m\" \"4\", \"m\" \"5\", \"m\" \"6\", \"m\" \"7\" and 3 more");
  const char *const threads[] = {"mine", "thread-spawn", "wasi", "thread-spawn"};
  kind = check_missing(threads, 1, "unknown import \"mine\" \"thread-spawn\", a function (i32) -> ()");
  CHECK_INT(kind, CAY_KIND_UNKNOWN_IMPORT);
  kind = check_missing(threads, 2,
                       "unknown import \"mine\" \"thread-spawn\", a function (i32) -> (); also missing: \"wasi\" "
                       "\"thread-spawn\"");
  CHECK_INT(kind, CAY_KIND_NO_THREADS);
}

static struct module_name name_of(const char *text) { return (struct module_name){text, (uint32_t)strlen(text)}; }

TEST(linker_finds) {
  struct world world = world_new(NULL, NULL);
  struct engine_linker *linker = NULL;
  CHECK_INT(engine_linker_new(world.store, &linker, NULL), CAY_OK);
  struct engine_extern found, f = func(host_of(world.store, &nothing)), g = func(host_of(world.store, &nothing));
  CHECK(!engine_linker_find(linker, name_of("a"), name_of("b"), &found));
  for (int i = 0; i < 500; i++) {
    char name[16];
    snprintf(name, sizeof name, "f%d", i);
    CHECK_INT(engine_linker_define(linker, "a", 1, name, strlen(name), i % 2 ? f : g, NULL), CAY_OK);
  }
  CHECK(engine_linker_find(linker, name_of("a"), name_of("f499"), &found) && found.func == f.func);
  CHECK(engine_linker_find(linker, name_of("a"), name_of("f0"), &found) && found.func == g.func);
  CHECK(!engine_linker_find(linker, name_of("af"), name_of("0"), &found));
  CHECK_INT(engine_linker_define(linker, "a", 1, "f0", 2, f, NULL), CAY_OK);
  CHECK(engine_linker_find(linker, name_of("a"), name_of("f0"), &found) && found.func == f.func);

  struct module *module = full_module(5);
  struct engine_extern x = global_i32(&world, 1);
  struct engine_instance *first = NULL, *second = NULL;
  started = 10;
  CHECK_INT(engine_linker_define(linker, "env", 3, "x", 1, x, NULL), CAY_OK);
  CHECK_INT(engine_linker_instantiate(linker, module, "first", &first, NULL), CAY_OK);
  CHECK_INT(engine_linker_instantiate(linker, module, "second", &second, NULL), CAY_OK);
  CHECK_INT(engine_linker_define(linker, "i", 1, "m", 1, f, NULL), CAY_OK);
  CHECK_INT(engine_linker_define_instance(linker, "i", 1, first, NULL), CAY_OK);
  CHECK(engine_linker_find(linker, name_of("i"), name_of("m"), &found) && found.kind == MODULE_MEMORY);
  CHECK_INT(engine_linker_define(linker, "i", 1, "m", 1, f, NULL), CAY_OK);
  CHECK(engine_linker_find(linker, name_of("i"), name_of("m"), &found) && found.kind == MODULE_FUNC);
  CHECK_INT(engine_linker_define_instance(linker, "i", 1, second, NULL), CAY_OK);
  CHECK(engine_linker_find(linker, name_of("i"), name_of("t"), &found) && found.table == second->tables[0]);
  CHECK(!engine_linker_find(linker, name_of("i"), name_of("zz"), &found));
  module_release(module);
  engine_linker_free(linker);
  world_free(&world);
}

/* ---- Allocation failure ---------------------------------------------------------------------------------------------- */

static long allocations_left, allocations_alive;

static void *failing_resize(void *owner, void *old, size_t new_bytes) {
  (void)owner;
  if (new_bytes == 0) {
    allocations_alive -= old != NULL;
    free(old);
    return NULL;
  }
  if (allocations_left-- <= 0) return NULL;
  void *memory = realloc(old, new_bytes);
  if (!old && memory) allocations_alive++;
  return memory;
}

/* Instantiates everything with the n-th allocation failing; true when all of it succeeded. */
static bool try_with(long allocations, struct module *module) {
  allocations_left = allocations;
  struct engine_options options = {.tier = &fake_tier};
  struct engine *engine = NULL;
  struct engine_store *store = NULL;
  struct engine_linker *linker = NULL;
  struct engine_instance *instance = NULL;
  struct module_global_type type = {.type = MODULE_I32};
  struct engine_extern x = {.kind = MODULE_GLOBAL};
  struct engine_function *f = NULL;
  const uint64_t value[2] = {1, 0};
  uint64_t slots[2] = {0};
  started = 10;
  bool done = engine_new(&options, &engine, NULL) == CAY_OK && engine_store_new(engine, NULL, &store, NULL) == CAY_OK &&
              engine_linker_new(store, &linker, NULL) == CAY_OK &&
              engine_global_new(store, &type, value, &x.global, NULL) == CAY_OK &&
              engine_function_new(store, &takes_i32, host_nothing, NULL, "m", "n", &f, NULL) == CAY_OK &&
              engine_linker_define(linker, "env", 3, "x", 1, x, NULL) == CAY_OK &&
              engine_linker_instantiate(linker, module, "name", &instance, NULL) == CAY_OK &&
              engine_linker_define_instance(linker, "i", 1, instance, NULL) == CAY_OK &&
              engine_table_init(instance, 0, 1, 0, 0, 2) == ENGINE_TRAP_NONE &&
              engine_memory_grow(instance->memory0, 1) == 1 && engine_table_grow(instance->tables[0], 1, 0) == 10 &&
              engine_call(store, instance->functions[0], slots) == ENGINE_TRAP_NONE;
  engine_linker_free(linker);
  engine_store_free(store);
  engine_free(engine);
  return done;
}

TEST(allocation_failure) {
  struct base_allocator failing = {failing_resize, NULL};
  base_allocator_set(&failing);
  allocations_left = 1000000;
  struct module *module = full_module(5);
  long before = allocations_alive, n = 0;
  while (!try_with(n, module) && n < 1000) {
    CHECK_INT(allocations_alive, before);
    n++;
  }
  CHECK(n > 10 && n < 1000);
  CHECK_INT(allocations_alive, before);
  module_release(module);
  CHECK_INT(allocations_alive, 0);
  CHECK_INT(fake_codes_alive, 0);
  base_allocator_set(NULL);
}

TEST_MAIN(RUN(match_functions) RUN(match_tables) RUN(match_memories_and_globals) RUN(match_address_types)
              RUN(instantiates) RUN(segment_traps) RUN(limits) RUN(deep_constant) RUN(unknown_imports) RUN(linker_finds)
                  RUN(allocation_failure))
