/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Loading: tables of a good module, messages for bad ones, limits, look-ups, running out of memory. */
#include "build.h"
#include "test.h"

#include <stdlib.h>

/* A module with something in every section: imports of each kind, two types, table, memory, globals, exports, start,
 * elements, data count, code, data, names. */
static void build_full(struct build *b) {
  build_head(b);
  BUILD_SECTION(b, 0, 3, 'o', 'n', 'e', 1, 2);
  BUILD_SECTION(b, 1, 4, 0x60, 0, 0, 0x60, 2, 0x7F, 0x7E, 1, 0x7D, 0x60, 0, 0, 0x60, 0, 2, 0x7F, 0x7F);
  BUILD_SECTION(b, 2, 4, 1, 'm', 1, 'f', 0, 1, 1, 'm', 1, 't', 1, 0x70, 0, 1, 1, 'm', 3, 'm', 'e', 'm', 2, 1, 1, 2, 1,
                'm', 1, 'g', 3, 0x7F, 0);
  BUILD_SECTION(b, 3, 2, 2, 3);
  BUILD_SECTION(b, 4, 1, 0x6F, 1, 1, 9);
  BUILD_SECTION(b, 6, 2, 0x7F, 0, 0x23, 0, 0x41, 2, 0x6A, 0x0B, 0x70, 1, 0xD2, 1, 0x0B);
  BUILD_SECTION(b, 7, 2, 3, 'r', 'u', 'n', 0, 2, 1, 'a', 3, 1);
  BUILD_SECTION(b, 8, 1);
  BUILD_SECTION(b, 9, 3, 0, 0x41, 0, 0x0B, 1, 2, 1, 0, 2, 0, 1, 3, 0, 1, 0);
  BUILD_SECTION(b, 12, 2);
  BUILD_SECTION(b, 10, 2, 2, 0, 0x0B, 11, 1, 2, 0x7F, 0x41, 1, 0x41, 0x7F, 0xFC, 9, 1, 0x0B);
  BUILD_SECTION(b, 11, 2, 0, 0x41, 0, 0x0B, 2, 'h', 'i', 1, 1, '!');
  BUILD_SECTION(b, 0, 4, 'n', 'a', 'm', 'e', 1, 8, 1, 1, 5, 's', 't', 'a', 'r', 't', 2, 10, 1, 2, 2, 0, 1, 'x', 1, 2,
                'y', 'z');
}

TEST(full_module) {
  struct build b = {0};
  build_full(&b);
  struct module *module;
  struct cay_error error = {.text = ""};
  CHECK_INT(build_load(&b, &module, &error), CAY_OK);
  CHECK_TEXT(error.text, "");
  if (!module) return;
  CHECK_INT(module->type_count, 4);
  CHECK_INT(module->types[2].canonical, 0);
  CHECK_INT(module->types[3].canonical, 3);
  CHECK_INT(module->types[1].func.param_slots, 2);
  CHECK_INT(module->func_count, 3);
  CHECK_INT(module->imported_func_count, 1);
  CHECK_INT(module->funcs[2].frame_slots, 4);
  CHECK_INT(module->funcs[0].frame_slots, 0);
  CHECK_INT(module->table_count, 2);
  CHECK_INT(module->tables[1].type.elem, MODULE_EXTERNREF);
  CHECK_INT(module->tables[1].type.limits.max, 9);
  CHECK(!module->tables[0].type.limits.has_max && module->tables[0].type.limits.max == UINT64_MAX);
  CHECK_INT(module->memories[0].page_log2, 16);
  CHECK_INT(module->global_count, 3);
  CHECK_INT(module->globals[0].init.len_bytes, 0);
  CHECK_INT(module->globals[1].init.len_bytes, 6);
  CHECK(module->globals[2].type.is_mutable);
  CHECK_INT(module->start_func, 1);
  CHECK_INT(module->elem_count, 3);
  CHECK_INT(module->elems[1].func_indices[1], 1);
  CHECK_INT(module->elems[2].mode, MODULE_SEGMENT_DECLARED);
  CHECK_INT(module->datas[1].mode, MODULE_SEGMENT_PASSIVE);
  CHECK_INT(module->bytes[module->datas[0].bytes_offset], 'h');
  CHECK_INT(module->funcs_referenced[0], 7);
  CHECK(module->features_used & MODULE_FEATURE_BIT(EXTENDED_CONST));
  CHECK(module->features_used & MODULE_FEATURE_BIT(MULTI_VALUE));
  CHECK(!(module->features_used & MODULE_FEATURE_BIT(TAIL_CALL)));
  CHECK_INT(module->custom_count, 2);
  CHECK(module_custom_find(module, "one") && module_custom_find(module, "one")->len_bytes == 2);
  CHECK(!module_custom_find(module, "two"));
  module_release(module);
}

static void check_name(struct module_name name, const char *expected) {
  char text[32] = "";
  memcpy(text, name.bytes, name.len_bytes < 31 ? name.len_bytes : 31);
  CHECK_TEXT(text, expected);
}

TEST(lookups) {
  struct build b = {0};
  build_full(&b);
  struct module *module;
  if (build_load(&b, &module, NULL) != CAY_OK) return;
  CHECK(module_export_find(module, "run", 3) == &module->exports[0]);
  CHECK(module_export_find(module, "a", 1) == &module->exports[1]);
  CHECK(!module_export_find(module, "ru", 2) && !module_export_find(module, "", 0));
  check_name(module_func_name(module, 0), "f");
  check_name(module_func_name(module, 1), "start");
  check_name(module_func_name(module, 2), "run");
  check_name(module_func_name(module, 3), "");
  check_name(module_local_name(module, 2, 0), "x");
  check_name(module_local_name(module, 2, 1), "yz");
  check_name(module_local_name(module, 2, 2), "");
  check_name(module_local_name(module, 1, 0), "");
  CHECK_INT(module_func_at(module, module->funcs[1].body_offset), 1);
  CHECK_INT(module_func_at(module, module->funcs[2].body_offset + 3), 2);
  CHECK_INT(module_func_at(module, module->funcs[2].body_offset + module->funcs[2].body_bytes), UINT32_MAX);
  CHECK_INT(module_func_at(module, 0), UINT32_MAX);
  struct module *again = module_retain(module);
  module_release(module);
  module_release(again);
  module_release(NULL);
}

/* Cut anywhere, a module is an error or, between sections, may still be whole; it never is a crash. */
TEST(truncations) {
  struct build b = {0};
  build_full(&b);
  size_t full = b.len_bytes;
  unsigned loaded = 0;
  for (b.len_bytes = 0; b.len_bytes < full; b.len_bytes++) {
    struct module *module;
    struct cay_error error = {.text = ""};
    if (build_load(&b, &module, &error) == CAY_OK) {
      loaded++;
      module_release(module);
    } else {
      CHECK(module == NULL && error.text[0] && error.offset <= b.len_bytes);
    }
  }
  CHECK(loaded > 3 && loaded < 20);
}

/* Every byte replaced by some others: whatever comes out, nothing crashes or leaks. */
TEST(mutations) {
  struct build b = {0};
  build_full(&b);
  for (size_t i = 0; i < b.len_bytes; i++) {
    uint8_t original = b.bytes[i];
    for (unsigned change = 1; change < 256; change += 7) {
      b.bytes[i] = (uint8_t)(original + change);
      struct module *module;
      if (build_load(&b, &module, NULL) == CAY_OK) {
        for (uint32_t f = 0; f < module->func_count; f++) (void)module_func_name(module, f);
        module_release(module);
      }
    }
    b.bytes[i] = original;
  }
  CHECK(true);
}

static unsigned allocations_left;
static void *failing_resize(void *owner, void *old, size_t new_bytes) {
  if (new_bytes > 0 && allocations_left-- == 0) {
    allocations_left = 0;
    return NULL;
  }
  if (new_bytes == 0) {
    free(old);
    return NULL;
  }
  return realloc(old, new_bytes);
}

TEST(out_of_memory) {
  struct build b = {0};
  build_full(&b);
  base_allocator_set(&(struct base_allocator){failing_resize, NULL});
  unsigned n = 0;
  for (; n < 1000; n++) {
    struct module *module;
    struct cay_error error = {.text = ""};
    allocations_left = n;
    if (module_load(b.bytes, b.len_bytes, MODULE_BYTES_COPY, MODULE_FEATURES_DEFAULT, NULL, &module, &error) ==
        CAY_OK) {
      allocations_left = 0;
      CHECK_INT(module_func_name(module, 1).len_bytes, 0); /* no memory for names: no name */
      allocations_left = 1000;
      CHECK_INT(module_func_name(module, 1).len_bytes, 5);
      module_release(module);
      break;
    }
    CHECK_INT(error.status, CAY_ERROR_MEMORY);
  }
  base_allocator_set(NULL);
  CHECK(n > 5 && n < 1000);
}

static void check_error(const struct build *b, enum cay_status status, uint64_t offset, const char *text) {
  struct module *module = NULL;
  struct cay_error error = {.text = ""};
  CHECK_INT(build_load(b, &module, &error), status);
  CHECK_INT(error.status, status);
  CHECK_INT(error.offset, offset);
  CHECK_TEXT(error.text, text);
  CHECK(module == NULL);
  module_release(module);
}

static void check_file(const char *bytes, size_t len_bytes, enum cay_status status, uint64_t offset, const char *text) {
  struct build b = {0};
  build_bytes(&b, bytes, len_bytes);
  check_error(&b, status, offset, text);
}
#define CHECK_FILE(bytes, status, offset, text) check_file(bytes, sizeof(bytes) - 1, status, offset, text)

TEST(other_files) {
  CHECK_FILE("", CAY_ERROR_MALFORMED, 0, "the file is empty");
  CHECK_FILE("\177ELF\2\1\1\0\0\0", CAY_ERROR_MALFORMED, 0, "not a WebAssembly module: it does not start with \\0asm");
  CHECK_FILE("\0asm\1", CAY_ERROR_MALFORMED, 5, "unexpected end: the file has only 5 bytes");
  CHECK_FILE("\0asm\2\0\0\0", CAY_ERROR_MALFORMED, 4, "unknown binary version 2 (layer 0); only version 1 exists");
  CHECK_FILE("\0asm\x0d\0\1\0", CAY_ERROR_UNSUPPORTED, 4,
             "this is a component; components are not supported yet, only core modules are");
  const char *text = "this is WebAssembly text; convert it first: wat2wasm FILE -o FILE.wasm (Debian package wabt)";
  CHECK_FILE("(module)", CAY_ERROR_UNSUPPORTED, 0, text);
  CHECK_FILE("\n  (component $a)", CAY_ERROR_UNSUPPORTED, 0, text);
  CHECK_FILE(";; hello", CAY_ERROR_UNSUPPORTED, 0, text);
}

/* The head and one section. */
#define CHECK_SECTION(status, offset, text, ...) \
  do {                                           \
    struct build b = {0};                        \
    build_head(&b);                              \
    BUILD_SECTION(&b, __VA_ARGS__);              \
    check_error(&b, status, offset, text);       \
  } while (0)

TEST(section_messages) {
  CHECK_SECTION(CAY_ERROR_MALFORMED, 11, "type section: entry 0: unknown type form 0x40", 1, 1, 0x40, 0);
  CHECK_SECTION(CAY_ERROR_MALFORMED, 13, "type section: entry 0: unknown value type 0x01", 1, 1, 0x60, 1, 1, 0);
  CHECK_SECTION(CAY_ERROR_MALFORMED, 10, "type section: the number of types is 9, but only 1 bytes follow", 1, 9, 0x60);
  CHECK_SECTION(CAY_ERROR_MALFORMED, 14, "type section: 1 bytes follow the last entry", 1, 1, 0x60, 0, 0, 0);
  CHECK_SECTION(CAY_ERROR_MALFORMED, 10, "type section: the number of types is a number of too many bytes", 1, 0x80,
                0x80, 0x80, 0x80, 0x80, 0);
  CHECK_SECTION(CAY_ERROR_MALFORMED, 10, "type section: the number of types does not fit in 32 bits", 1, 0x80, 0x80,
                0x80, 0x80, 0x10);
  CHECK_SECTION(CAY_ERROR_MALFORMED, 8, "unknown section id 14", 14, 0);
  CHECK_SECTION(CAY_ERROR_INVALID, 16, "import section: entry 0: unknown type 0", 2, 1, 1, 'a', 1, 'b', 0, 0);
  CHECK_SECTION(CAY_ERROR_MALFORMED, 12, "import section: entry 0: the module name is not valid UTF-8", 2, 1, 1, 0xFF,
                1, 'b', 0, 0);
  CHECK_SECTION(CAY_ERROR_UNSUPPORTED, 14,
                "import section: entry 0: not supported: the proposal compact-imports (kind of import 0x7f)", 2, 1, 1,
                'a', 0, 0x7F, 0);
  CHECK_SECTION(CAY_ERROR_UNSUPPORTED, 12,
                "table section: entry 0: not supported: the proposal shared-everything-threads (flags of limits 0x03)",
                4, 1, 0x70, 3, 1, 1);
  CHECK_SECTION(CAY_ERROR_UNSUPPORTED, 12,
                "global section: entry 0: not supported: the proposal shared-everything-threads (mutability 0x02)", 6,
                1, 0x7F, 2, 0x41, 0, 0x0B);
  CHECK_SECTION(CAY_ERROR_UNSUPPORTED, 11,
                "type section: entry 0: not supported: the proposal stack-switching (type form 0x5d)", 1, 1, 0x5D, 0);
  CHECK_SECTION(CAY_ERROR_INVALID, 11, "memory section: entry 0: memory size must be at most 65536", 5, 1, 0, 0x81,
                0x80, 4);
  CHECK_SECTION(CAY_ERROR_INVALID, 11,
                "memory section: entry 0: memory size minimum 2 must not be greater than maximum 1", 5, 1, 1, 2, 1);
  CHECK_SECTION(CAY_ERROR_UNSUPPORTED, 11,
                "memory section: entry 0: a page size uses the proposal custom-page-sizes, which is not enabled "
                "(-W custom-page-sizes=y)",
                5, 1, 8, 1, 0);
  CHECK_SECTION(CAY_ERROR_INVALID, 11, "memory section: entry 0: memory size must be at most 281474976710656", 5, 1, 4,
                0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0xC0, 0);
  CHECK_SECTION(CAY_ERROR_INVALID, 12, "table section: entry 0: table size must be at most 4294967295", 4, 1, 0x70, 0,
                0x80, 0x80, 0x80, 0x80, 0x10);
  CHECK_SECTION(CAY_ERROR_MALFORMED, 12, "table section: entry 0: unknown flags of limits 0x08", 4, 1, 0x70, 8, 0);
  CHECK_SECTION(CAY_ERROR_INVALID, 15, "global section: entry 0: type mismatch: end expects i64, but found i32", 6, 1,
                0x7E, 0, 0x41, 0, 0x0B);
  CHECK_SECTION(CAY_ERROR_INVALID, 13,
                "global section: entry 0: constant expression required: nop is not allowed in one", 6, 1, 0x7F, 0, 1,
                0x0B);
  CHECK_SECTION(CAY_ERROR_INVALID, 10, "start section: unknown function 0", 8, 0);
  CHECK_SECTION(CAY_ERROR_INVALID, 11, "data section: entry 0: unknown memory 0", 11, 1, 0, 0x41, 0, 0x0B, 0);
}

TEST(order_of_sections) {
  struct build b = {0};
  build_head(&b);
  BUILD_SECTION(&b, 1, 0);
  BUILD_SECTION(&b, 1, 0);
  check_error(&b, CAY_ERROR_MALFORMED, 11, "type section: there is more than one");
  b = (struct build){0};
  build_head(&b);
  BUILD_SECTION(&b, 3, 0);
  BUILD_SECTION(&b, 1, 0);
  check_error(&b, CAY_ERROR_MALFORMED, 11, "type section: stands behind a section it must precede");
}

TEST(duplicate_exports) {
  struct build b = {0};
  build_head(&b);
  BUILD_SECTION(&b, 5, 1, 0, 1);
  BUILD_SECTION(&b, 7, 3, 1, 'a', 2, 0, 1, 'b', 2, 0, 1, 'a', 2, 0);
  check_error(&b, CAY_ERROR_INVALID, 25, "export section: entry 2: duplicate export name \"a\"");
}

TEST(missing_sections) {
  struct build b = {0};
  build_head(&b);
  BUILD_SECTION(&b, 1, 1, 0x60, 0, 0);
  BUILD_SECTION(&b, 3, 1, 0);
  check_error(&b, CAY_ERROR_MALFORMED, 18, "the function section declares 1 functions, but there is no code section");
  b = (struct build){0};
  build_head(&b);
  BUILD_SECTION(&b, 12, 1);
  check_error(&b, CAY_ERROR_MALFORMED, 11, "the data count section says 1 segments, but there is no data section");
}

TEST(limits_are_obeyed) {
  struct build b = {0};
  build_full(&b);
  struct module *module;
  struct cay_error error;
  struct module_load_limits limits = module_default_limits;
  limits.module_bytes = b.len_bytes - 1;
  CHECK_INT(module_load(b.bytes, b.len_bytes, MODULE_BYTES_BORROW, MODULE_FEATURES_DEFAULT, &limits, &module, &error),
            CAY_ERROR_LIMIT);
#define CHECK_LIMIT(field, value)                                                                                      \
  limits = module_default_limits;                                                                                      \
  limits.field = (value);                                                                                              \
  CHECK_INT(module_load(b.bytes, b.len_bytes, MODULE_BYTES_BORROW, MODULE_FEATURES_DEFAULT, &limits, &module, &error), \
            CAY_ERROR_LIMIT);                                                                                          \
  limits.field = (value) + 1;                                                                                          \
  CHECK_INT(module_load(b.bytes, b.len_bytes, MODULE_BYTES_BORROW, MODULE_FEATURES_DEFAULT, &limits, &module, &error), \
            CAY_OK);                                                                                                   \
  module_release(module);
  CHECK_LIMIT(types, 3);
  CHECK_LIMIT(imports, 3);
  CHECK_LIMIT(funcs, 2);
  CHECK_LIMIT(tables, 1);
  CHECK_LIMIT(globals, 2);
  CHECK_LIMIT(exports, 1);
  CHECK_LIMIT(elem_segments, 2);
  CHECK_LIMIT(elem_segment_items, 1);
  CHECK_LIMIT(data_segments, 1);
  CHECK_LIMIT(func_body_bytes, 10);
  CHECK_LIMIT(params, 1);
  CHECK_LIMIT(results, 1);
  CHECK_LIMIT(locals, 1);
  CHECK_LIMIT(frame_slots, 3);
#undef CHECK_LIMIT
}

/* Imports are bound by the limits of their kind, not only by that of imports. */
TEST(imports_alone_can_be_too_many) {
  struct build b = {0};
  build_head(&b);
  BUILD_SECTION(&b, 2, 2, 0, 0, 1, 0x70, 0, 0, 0, 0, 1, 0x70, 0, 0);
  struct module_load_limits limits = module_default_limits;
  struct module *module;
  struct cay_error error;
  limits.tables = 2;
  CHECK_INT(module_load(b.bytes, b.len_bytes, MODULE_BYTES_BORROW, MODULE_FEATURES_DEFAULT, &limits, &module, &error),
            CAY_OK);
  module_release(module);
  limits.tables = 1;
  CHECK_INT(module_load(b.bytes, b.len_bytes, MODULE_BYTES_BORROW, MODULE_FEATURES_DEFAULT, &limits, &module, &error),
            CAY_ERROR_LIMIT);
  CHECK_TEXT(error.text, "import section: 2 tables are imported; at most 1 are allowed");
  /* What the tiers write in 16 bits. */
  CHECK(module_default_limits.tables <= UINT16_MAX && module_default_limits.memories <= UINT16_MAX);
}

/* Huge counts with nothing behind them are refused before memory is taken for them. */
TEST(counts_are_not_trusted) {
  for (uint8_t id = 1; id <= 11; id++) {
    if (id == 8) continue;
    struct build b = {0};
    build_head(&b);
    BUILD_SECTION(&b, id, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F);
    struct module *module;
    struct cay_error error;
    CHECK_INT(build_load(&b, &module, &error), CAY_ERROR_MALFORMED);
  }
}

TEST(type_texts) {
  char name[32], text[64];
  CHECK_TEXT(module_type_name(MODULE_FUNCREF, name), "funcref");
  CHECK_TEXT(module_type_name(MODULE_REF | MODULE_REF_NULL | 3, name), "(ref null 3)");
  CHECK_TEXT(module_type_name(MODULE_REF | MODULE_HEAP_EXTERN, name), "(ref extern)");
  static const module_type params[] = {MODULE_I32, MODULE_F64}, results[] = {MODULE_V128};
  struct module_func_type type = {.params = params, .results = results, .param_count = 2, .result_count = 1};
  CHECK_TEXT(module_func_type_text(&type, text, sizeof text), "(i32, f64) -> (v128)");
  CHECK_TEXT(module_func_type_text(&type, text, 12), "(i32, f6...");
  CHECK_TEXT(module_func_type_text(&type, text, 2), ".");
}

/* Groups of types are told apart as long as indices leave the bits alone that their spelling uses. */
TEST(too_many_types_to_tell_apart) {
  struct module_group_set groups = {0};
  struct module_def_type type = {.kind = MODULE_DEF_STRUCT, .super = MODULE_NO_TYPE, .group_count = 1};
  uint32_t found = 1;
  CHECK(module_groups_intern(&groups, &type, 0, 1, &found));
  CHECK_INT(found, 0);
  CHECK(!module_groups_intern(&groups, &type, 0, MODULE_TYPE_INDEX_MAX + 1, &found));
  CHECK(!module_groups_find(&groups, &type, MODULE_TYPE_INDEX_MAX, 1, &found));
  module_groups_deinit(&groups);
}

TEST(abstract_heap_types_are_bytes) {
  struct build good = {0}, bad = {0};
  struct module *module;
  BUILD_BODY(&good, 0, 0xD0, 0x70, 0x1A, 0x0B);
  BUILD_BODY(&bad, 0, 0xD0, 0xF0, 0x7F, 0x1A, 0x0B);
  CHECK_INT(build_load(&good, &module, NULL), CAY_OK);
  module_release(module);
  CHECK_INT(build_load(&bad, &module, NULL), CAY_ERROR_MALFORMED);
}

/* As the supertypes say, whichever way it is found out. */
static bool is_declared_subtype(const struct module *module, uint32_t sub, uint32_t super) {
  while (sub != super && module->types[sub].super != MODULE_NO_TYPE) sub = module->types[sub].super;
  return sub == super;
}

/* A forest of types, some of them twice: type i is below type parents[i], or a root when that is itself. */
TEST(subtypes) {
  static const uint8_t parents[] = {0, 0, 1, 3, 0, 2, 3, 1, 6, 6, 8, 2, 12, 3, 12, 14};
  enum { COUNT = sizeof parents };
  uint8_t bytes[256] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1}, *at = bytes + 10;
  *at++ = COUNT;
  for (uint8_t i = 0; i < COUNT; i++) {
    *at++ = 0x50;
    *at++ = parents[i] != i;
    if (parents[i] != i) *at++ = parents[i];
    *at++ = 0x5F;
    *at++ = 0;
  }
  bytes[9] = (uint8_t)(at - bytes - 10);
  struct module *module;
  CHECK_INT(module_load(bytes, (size_t)(at - bytes), MODULE_BYTES_BORROW, MODULE_FEATURES_DEFAULT, NULL, &module, NULL),
            CAY_OK);
  for (uint32_t i = 0; i < COUNT * COUNT; i++) {
    uint32_t sub = module->types[i / COUNT].canonical, super = module->types[i % COUNT].canonical;
    CHECK_INT(module_heap_types_match(module->types, sub, super), is_declared_subtype(module, sub, super));
  }
  module_release(module);
}

TEST(proposals_that_need_others) {
  module_features none = 0, all = MODULE_FEATURES_LATEST;
  CHECK_INT(module_features_switch(none, MODULE_FEATURE_GC, true),
            MODULE_FEATURE_BIT(GC) | MODULE_FEATURE_BIT(FUNCTION_REFERENCES) | MODULE_FEATURE_BIT(REFERENCE_TYPES));
  CHECK_INT(all ^ module_features_switch(all, MODULE_FEATURE_REFERENCE_TYPES, false),
            MODULE_FEATURE_BIT(GC) | MODULE_FEATURE_BIT(FUNCTION_REFERENCES) | MODULE_FEATURE_BIT(REFERENCE_TYPES) |
                MODULE_FEATURE_BIT(EXCEPTIONS) | MODULE_FEATURE_BIT(LEGACY_EXCEPTIONS));
  CHECK_INT(all ^ module_features_switch(all, MODULE_FEATURE_SIMD, false),
            MODULE_FEATURE_BIT(SIMD) | MODULE_FEATURE_BIT(RELAXED_SIMD));
  static const module_features sets[] = {MODULE_FEATURES_1_0, MODULE_FEATURES_2_0, MODULE_FEATURES_3_0,
                                         MODULE_FEATURES_LATEST, MODULE_FEATURES_DEFAULT};
  for (size_t i = 0; i < BASE_ARRAY_LEN(sets); i++)
    for (unsigned feature = 0; feature < MODULE_FEATURE_COUNT; feature++)
      if (sets[i] >> feature & 1)
        CHECK_INT(module_features_switch(sets[i], (enum module_feature)feature, true), sets[i]);
}

TEST_MAIN(RUN(full_module) RUN(lookups) RUN(truncations) RUN(mutations) RUN(out_of_memory) RUN(other_files)
              RUN(section_messages) RUN(order_of_sections) RUN(duplicate_exports) RUN(missing_sections)
                  RUN(limits_are_obeyed) RUN(imports_alone_can_be_too_many) RUN(counts_are_not_trusted) RUN(type_texts)
                      RUN(too_many_types_to_tell_apart) RUN(subtypes) RUN(abstract_heap_types_are_bytes)
                          RUN(proposals_that_need_others))
