/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* From bytes to a module's tables: the sections in one pass, each validated with what came before it.
 *
 * The order of sections in the format makes one pass enough: code comes after everything it can refer to but the data
 * segments, whose number the data count section tells in advance.
 *
 * Memory: a vector's count is believed only up to the bytes that are left (module_read_count), so tables are at most a
 * constant times the input; they live in the module's arena. Nothing is copied out of the input: names, bodies and
 * segments are offsets into it.
 *
 * Invariants while a section is read: the counts of the module are those of complete entries for index spaces that
 * constant expressions look at (globals), and complete sections otherwise. */
#include "module/decode.h"

#include <assert.h>

enum {
  SECTION_CUSTOM = 0,
  SECTION_TYPE,
  SECTION_IMPORT,
  SECTION_FUNCTION,
  SECTION_TABLE,
  SECTION_MEMORY,
  SECTION_GLOBAL,
  SECTION_EXPORT,
  SECTION_START,
  SECTION_ELEMENT,
  SECTION_CODE,
  SECTION_DATA,
  SECTION_DATA_COUNT,
  SECTION_TAG,
  SECTION_COUNT,
};

enum { CUSTOM_SECTIONS_MAX = 100000 }; /* one takes two bytes in the input and 24 in memory */

/* ---- Helpers ----------------------------------------------------------------------------------------------------- */

bool decode_fail_memory(struct decoder *decoder) {
  base_error_memory(decoder->reader.error);
  return false;
}

static void *allocate(struct decoder *decoder, uint32_t count, size_t entry_bytes) {
  void *entries = base_arena_alloc(decoder->arena, count ? count : 1, entry_bytes);
  if (!entries) decode_fail_memory(decoder);
  return entries;
}

void *decode_entries(struct decoder *decoder, const char *what, uint32_t shortest_bytes, uint32_t limit,
                     size_t item_bytes, uint32_t *count) {
  bool is_read = module_read_count(&decoder->reader, what, shortest_bytes, limit, count);
  return is_read ? allocate(decoder, *count, item_bytes) : NULL;
}

bool decode_index(struct decoder *decoder, const char *what, uint32_t count, uint32_t *out) {
  uint32_t start = decoder->reader.cursor;
  if (!module_read_u32(&decoder->reader, what, out)) return false;
  return *out < count || module_reader_fail(&decoder->reader, CAY_ERROR_INVALID, start, "unknown %s %u", what, *out);
}

bool decode_reference(struct decoder *decoder, uint32_t func) {
  struct module *module = decoder->module;
  assert(func < module->func_count);
  if (!module->funcs_referenced) {
    module->funcs_referenced = allocate(decoder, (module->func_count + 7) / 8, 1);
    if (!module->funcs_referenced) return false;
  }
  module->funcs_referenced[func / 8] |= (uint8_t)(1u << (func % 8));
  return true;
}

bool decode_const_expr(struct decoder *decoder, module_type type, struct module_const_expr *out) {
  struct module_reader *reader = &decoder->reader;
  struct module_body *body = &decoder->body;
  if (module_body_begin_const(body, decoder->module, reader->cursor, reader->end, type, reader->error) != CAY_OK) {
    return false;
  }
  struct module_insn insn;
  int more;
  while ((more = module_body_next(body, &insn)) > 0) {
    if (insn.op == MODULE_OP_REF_FUNC && !decode_reference(decoder, insn.imm.index[0])) return false;
  }
  if (more < 0) return false;
  assert(body->cursor > reader->cursor && body->cursor <= reader->end);
  *out = (struct module_const_expr){reader->cursor, body->cursor - reader->cursor};
  reader->cursor = body->cursor;
  reader->features_used |= body->features_used;
  return true;
}

/* ---- Types ------------------------------------------------------------------------------------------------------- */

bool decode_func_type_index(struct decoder *decoder, uint32_t *out) {
  uint32_t start = decoder->reader.cursor;
  if (!decode_index(decoder, "type", decoder->module->type_count, out)) return false;
  return decoder->module->types[*out].kind == MODULE_DEF_FUNC ||
         module_reader_fail(&decoder->reader, CAY_ERROR_INVALID, start, "type %u is not a function type", *out);
}

enum { /* bits of the flags of limits */
       LIMITS_MAX = 1,
       LIMITS_SHARED = 2,
       LIMITS_64 = 4,
       LIMITS_PAGE_SIZE = 8,
};
enum { USUAL_PAGE_LOG2 = 16 };

/* `allowed`: the flags that limits of this kind may have. */
static bool limits_flags(struct decoder *decoder, uint8_t allowed, uint8_t *flags) {
  struct module_reader *reader = &decoder->reader;
  uint32_t start = reader->cursor;
  if (!module_read_byte(reader, "flags of the limits", flags)) return false;
  if (*flags & ~allowed) {
    return module_reader_unknown(reader, MODULE_CODES_LIMITS, "flags of limits", *flags, start);
  }
  return (!(*flags & LIMITS_SHARED) || module_reader_need(reader, MODULE_FEATURE_THREADS, start, "a shared memory")) &&
         (!(*flags & LIMITS_64) || module_reader_need(reader, MODULE_FEATURE_MEMORY64, start, "a 64-bit index")) &&
         (!(*flags & LIMITS_PAGE_SIZE) ||
          module_reader_need(reader, MODULE_FEATURE_CUSTOM_PAGE_SIZES, start, "a page size"));
}

static bool limits(struct decoder *decoder, uint8_t flags, struct module_limits *out) {
  struct module_reader *reader = &decoder->reader;
  *out = (struct module_limits){
      .has_max = flags & LIMITS_MAX, .is_shared = flags & LIMITS_SHARED, .is_64 = flags & LIMITS_64, .max = UINT64_MAX};
  return module_read_u64(reader, "minimum", &out->min) &&
         (!out->has_max || module_read_u64(reader, "maximum", &out->max));
}

/* The numbers of limits, which began at `start`, may be up to `range`. */
static bool limits_fit(struct decoder *decoder, uint32_t start, const char *what, uint64_t range,
                       const struct module_limits *limits) {
  struct module_reader *reader = &decoder->reader;
  if (limits->min > range || (limits->has_max && limits->max > range)) {
    return module_reader_fail(reader, CAY_ERROR_INVALID, start, "%s size must be at most %llu", what,
                              (unsigned long long)range);
  }
  if (limits->min <= limits->max) return true;
  return module_reader_fail(reader, CAY_ERROR_INVALID, start,
                            "%s size minimum %llu must not be greater than maximum %llu", what,
                            (unsigned long long)limits->min, (unsigned long long)limits->max);
}

static bool table_type(struct decoder *decoder, struct module_table_type *out) {
  struct module_reader *reader = &decoder->reader;
  if (!module_read_ref_type(reader, &out->elem)) return false;
  uint32_t start = reader->cursor;
  uint8_t flags;
  return limits_flags(decoder, LIMITS_MAX | LIMITS_64, &flags) && limits(decoder, flags, &out->limits) &&
         limits_fit(decoder, start, "table", out->limits.is_64 ? UINT64_MAX : UINT32_MAX, &out->limits);
}

/* Behind the limits of a memory that says so: the logarithm of its page size. */
static bool page_size(struct decoder *decoder, uint8_t *page_log2) {
  struct module_reader *reader = &decoder->reader;
  uint32_t start = reader->cursor, log2;
  if (!module_read_u32(reader, "page size", &log2)) return false;
  *page_log2 = (uint8_t)log2;
  if (log2 == 0 || log2 == USUAL_PAGE_LOG2) return true;
  return module_reader_fail(reader, log2 < 64 ? CAY_ERROR_INVALID : CAY_ERROR_MALFORMED, start,
                            "invalid custom page size 2**%u: it must be 1 or 65536 bytes", log2);
}

/* Whole pages in the address range; of one-byte pages one less, so that memory.size can tell their number. */
static uint64_t memory_range(const struct module_memory_type *type) {
  if (type->page_log2 == 0) return type->limits.is_64 ? UINT64_MAX : UINT32_MAX;
  return UINT64_C(1) << ((type->limits.is_64 ? 64 : 32) - type->page_log2);
}

static bool memory_type(struct decoder *decoder, struct module_memory_type *out) {
  enum { ALLOWED = LIMITS_MAX | LIMITS_SHARED | LIMITS_64 | LIMITS_PAGE_SIZE };
  uint32_t start = decoder->reader.cursor;
  uint8_t flags;
  out->page_log2 = USUAL_PAGE_LOG2;
  if (!limits_flags(decoder, ALLOWED, &flags) || !limits(decoder, flags, &out->limits) ||
      ((flags & LIMITS_PAGE_SIZE) && !page_size(decoder, &out->page_log2))) {
    return false;
  }
  if (out->limits.is_shared && !out->limits.has_max) {
    return module_reader_fail(&decoder->reader, CAY_ERROR_INVALID, start, "a shared memory must have a maximum size");
  }
  if (out->limits.is_64) decoder->module->private_part->has_memory64 = true;
  return limits_fit(decoder, start, "memory", memory_range(out), &out->limits);
}

static bool global_type(struct decoder *decoder, struct module_global_type *out) {
  struct module_reader *reader = &decoder->reader;
  if (!module_read_value_type(reader, &out->type)) return false;
  uint32_t start = reader->cursor;
  uint8_t mutability;
  if (!module_read_byte(reader, "mutability", &mutability)) return false;
  out->is_mutable = mutability == 1;
  return mutability <= 1 || module_reader_unknown(reader, MODULE_CODES_MUTABILITY, "mutability", mutability, start);
}

/* ---- Index spaces ------------------------------------------------------------------------------------------------ */

/* Every index space grows twice: by the imports, then by the section that defines the rest. Its entries are counted
 * first, so that the arena holds them once. */

/* Makes room in `*items` for `more` entries behind `count`. */
static bool widen(struct decoder *decoder, void **items, uint32_t count, uint32_t more, size_t entry_bytes) {
  assert(count == 0 || *items);
  void *wider = allocate(decoder, count + more, entry_bytes);
  if (!wider) return false;
  if (count > 0) memcpy(wider, *items, count * entry_bytes);
  *items = wider;
  return true;
}

#define WIDEN(decoder, items, count, more) widen((decoder), (void **)&(items), (count), (more), sizeof *(items))

/* Reads the count of the entries to define, of a kind that may have `limit` in all, and makes room. */
#define WIDEN_BY_SECTION(decoder, what, shortest_bytes, limit, items, count, more)                            \
  (module_read_count(&(decoder)->reader, (what), (shortest_bytes), (limit) > (count) ? (limit) - (count) : 0, \
                     (more)) &&                                                                               \
   WIDEN((decoder), (items), (count), *(more)))

/* ---- Imports ----------------------------------------------------------------------------------------------------- */

static bool import_head(struct decoder *decoder, struct module_import *import) {
  struct module_reader *reader = &decoder->reader;
  if (!module_read_name(reader, "module name", &import->module) ||
      !module_read_name(reader, "item name", &import->name)) {
    return false;
  }
  uint32_t start = reader->cursor;
  uint8_t kind;
  if (!module_read_byte(reader, "kind of import", &kind)) return false;
  if (kind > MODULE_TAG) {
    return module_reader_unknown(reader, MODULE_CODES_IMPORT, "kind of import", kind, start);
  }
  import->kind = kind;
  return kind != MODULE_TAG || module_reader_need(reader, MODULE_FEATURE_EXCEPTIONS, start, "a tag");
}

/* An exception's tag: an attribute byte and a function type whose parameters are the exception's values. */
static bool tag_type(struct decoder *decoder, struct module_tag *out) {
  struct module_reader *reader = &decoder->reader;
  uint32_t start = reader->cursor;
  uint8_t attribute;
  if (!module_read_byte(reader, "tag attribute", &attribute)) return false;
  if (attribute != 0) {
    return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown tag attribute 0x%02x", attribute);
  }
  if (!decode_func_type_index(decoder, &out->type)) return false;
  return decoder->module->types[out->type].func.result_count == 0 ||
         module_reader_fail(reader, CAY_ERROR_INVALID, start, "a tag's type must have no results, that of type %u has",
                            out->type);
}

struct import_spaces { /* what imports add to the index spaces; vectors, because their numbers come out at the end */
  BASE_VEC(struct module_func) funcs;
  BASE_VEC(struct module_table) tables;
  BASE_VEC(struct module_memory_type) memories;
  BASE_VEC(struct module_global) globals;
  BASE_VEC(struct module_tag) tags;
};

static bool import_entry(struct decoder *decoder, struct import_spaces *spaces, struct module_import *import) {
  if (!import_head(decoder, import)) return false;
  uint32_t start = decoder->reader.cursor;
  struct module_global *global;
  struct module_func *func;
  struct module_table *table;
  struct module_memory_type *memory;
  struct module_tag *tag;
  switch (import->kind) {
  case MODULE_FUNC:
    import->index = (uint32_t)spaces->funcs.count;
    func = BASE_VEC_PUSH(&spaces->funcs);
    return func ? decode_func_type_index(decoder, &func->type) : decode_fail_memory(decoder);
  case MODULE_TABLE:
    import->index = (uint32_t)spaces->tables.count;
    table = BASE_VEC_PUSH(&spaces->tables);
    return table ? table_type(decoder, &table->type) : decode_fail_memory(decoder);
  case MODULE_MEMORY:
    import->index = (uint32_t)spaces->memories.count;
    memory = BASE_VEC_PUSH(&spaces->memories);
    return memory ? memory_type(decoder, memory) : decode_fail_memory(decoder);
  case MODULE_GLOBAL:
    import->index = (uint32_t)spaces->globals.count;
    global = BASE_VEC_PUSH(&spaces->globals);
    if (!global) return decode_fail_memory(decoder);
    return global_type(decoder, &global->type) &&
           (!global->type.is_mutable ||
            module_reader_need(&decoder->reader, MODULE_FEATURE_MUTABLE_GLOBALS, start, "a mutable imported global"));
  case MODULE_TAG:
    import->index = (uint32_t)spaces->tags.count;
    tag = BASE_VEC_PUSH(&spaces->tags);
    return tag ? tag_type(decoder, tag) : decode_fail_memory(decoder);
  }
  return false;
}

#define TAKE_IMPORTED(decoder, spaces, kind)                                                          \
  (take_imported((decoder), (spaces)->kind.items, (spaces)->kind.count, sizeof *(spaces)->kind.items, \
                 (void **)&(decoder)->module->kind))

static bool take_imported(struct decoder *decoder, const void *items, size_t count, size_t entry_bytes, void **out) {
  *out = allocate(decoder, (uint32_t)count, entry_bytes);
  if (*out && count > 0) memcpy(*out, items, count * entry_bytes);
  return *out != NULL;
}

static bool take_all_imported(struct decoder *decoder, const struct import_spaces *spaces) {
  struct module *module = decoder->module;
  module->func_count = module->imported_func_count = (uint32_t)spaces->funcs.count;
  module->table_count = module->imported_table_count = (uint32_t)spaces->tables.count;
  module->memory_count = module->imported_memory_count = (uint32_t)spaces->memories.count;
  module->global_count = module->imported_global_count = (uint32_t)spaces->globals.count;
  module->tag_count = module->imported_tag_count = (uint32_t)spaces->tags.count;
  return TAKE_IMPORTED(decoder, spaces, funcs) && TAKE_IMPORTED(decoder, spaces, tables) &&
         TAKE_IMPORTED(decoder, spaces, memories) && TAKE_IMPORTED(decoder, spaces, globals) &&
         TAKE_IMPORTED(decoder, spaces, tags);
}

static bool one_memory_and_table(struct decoder *decoder, uint32_t start) {
  const struct module *module = decoder->module;
  decoder->entry = DECODE_NO_ENTRY;
  return (module->table_count <= 1 ||
          module_reader_need(&decoder->reader, MODULE_FEATURE_REFERENCE_TYPES, start, "more than one table")) &&
         (module->memory_count <= 1 ||
          module_reader_need(&decoder->reader, MODULE_FEATURE_MULTI_MEMORY, start, "more than one memory"));
}

/* Sections that define more look at what is left of the limit; here is what imports alone may take. */
static bool imports_fit(struct decoder *decoder, uint32_t start) {
  const struct module *module = decoder->module;
  const struct module_load_limits *limits = decoder->limits;
  const struct {
    const char *what;
    uint32_t count, limit;
  } spaces[] = {{"functions", module->func_count, limits->funcs},
                {"tables", module->table_count, limits->tables},
                {"memories", module->memory_count, limits->memories},
                {"globals", module->global_count, limits->globals},
                {"tags", module->tag_count, limits->tags}};
  decoder->entry = DECODE_NO_ENTRY;
  for (size_t i = 0; i < BASE_ARRAY_LEN(spaces); i++) {
    if (spaces[i].count <= spaces[i].limit) continue;
    return module_reader_fail(&decoder->reader, CAY_ERROR_LIMIT, start, "%u %s are imported; at most %u are allowed",
                              spaces[i].count, spaces[i].what, spaces[i].limit);
  }
  return true;
}

static bool import_entries(struct decoder *decoder, struct import_spaces *spaces) {
  struct module *module = decoder->module;
  uint32_t start = decoder->reader.cursor, count;
  module->imports =
      decode_entries(decoder, "number of imports", 4, decoder->limits->imports, sizeof *module->imports, &count);
  if (!module->imports) return false;
  for (decoder->entry = 0; decoder->entry < count; decoder->entry++) {
    if (!import_entry(decoder, spaces, &module->imports[decoder->entry])) return false;
  }
  module->import_count = count;
  return take_all_imported(decoder, spaces) && imports_fit(decoder, start) && one_memory_and_table(decoder, start);
}

static bool import_section(struct decoder *decoder) {
  struct import_spaces spaces = {0};
  bool is_read = import_entries(decoder, &spaces);
  BASE_VEC_DEINIT(&spaces.funcs);
  BASE_VEC_DEINIT(&spaces.tables);
  BASE_VEC_DEINIT(&spaces.memories);
  BASE_VEC_DEINIT(&spaces.globals);
  BASE_VEC_DEINIT(&spaces.tags);
  return is_read;
}

/* ---- Definitions ------------------------------------------------------------------------------------------------- */

static bool function_section(struct decoder *decoder) {
  struct module *module = decoder->module;
  uint32_t more;
  if (!WIDEN_BY_SECTION(decoder, "number of functions", 1, decoder->limits->funcs, module->funcs, module->func_count,
                        &more)) {
    return false;
  }
  for (decoder->entry = 0; decoder->entry < more; decoder->entry++) {
    struct module_func *func = &module->funcs[module->func_count + decoder->entry];
    if (!decode_func_type_index(decoder, &func->type)) return false;
  }
  module->func_count += more;
  return true;
}

/* A table with an initial value starts with 0x40 0x00. Without one its elements must have a default. */
static bool table_entry(struct decoder *decoder, struct module_table *table) {
  struct module_reader *reader = &decoder->reader;
  uint32_t start = reader->cursor;
  bool has_value = start < reader->end && reader->bytes[start] == 0x40;
  if (has_value) {
    uint8_t zero;
    reader->cursor++;
    if (!module_reader_need(reader, MODULE_FEATURE_FUNCTION_REFERENCES, start, "a table's initial value") ||
        !module_read_byte(reader, "zero byte", &zero)) {
      return false;
    }
    if (zero != 0) return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown form of a table");
  }
  if (!table_type(decoder, &table->type)) return false;
  if (has_value) return decode_const_expr(decoder, table->type.elem, &table->init);
  char name[32];
  return module_type_has_default(table->type.elem) ||
         module_reader_fail(reader, CAY_ERROR_INVALID, start,
                            "type mismatch: a table of %s, which has no default, needs an initial value",
                            module_type_name(table->type.elem, name));
}

static bool table_section(struct decoder *decoder) {
  struct module *module = decoder->module;
  uint32_t start = decoder->reader.cursor, more;
  if (!WIDEN_BY_SECTION(decoder, "number of tables", 3, decoder->limits->tables, module->tables, module->table_count,
                        &more)) {
    return false;
  }
  for (decoder->entry = 0; decoder->entry < more; decoder->entry++) {
    if (!table_entry(decoder, &module->tables[module->table_count + decoder->entry])) return false;
  }
  module->table_count += more;
  return one_memory_and_table(decoder, start);
}

static bool memory_section(struct decoder *decoder) {
  struct module *module = decoder->module;
  uint32_t start = decoder->reader.cursor, more;
  if (!WIDEN_BY_SECTION(decoder, "number of memories", 2, decoder->limits->memories, module->memories,
                        module->memory_count, &more)) {
    return false;
  }
  for (decoder->entry = 0; decoder->entry < more; decoder->entry++) {
    if (!memory_type(decoder, &module->memories[module->memory_count + decoder->entry])) return false;
  }
  module->memory_count += more;
  return one_memory_and_table(decoder, start);
}

static bool tag_section(struct decoder *decoder) {
  struct module *module = decoder->module;
  uint32_t more;
  if (!module_reader_need(&decoder->reader, MODULE_FEATURE_EXCEPTIONS, decoder->reader.cursor, "a tag") ||
      !WIDEN_BY_SECTION(decoder, "number of tags", 2, decoder->limits->tags, module->tags, module->tag_count, &more)) {
    return false;
  }
  for (decoder->entry = 0; decoder->entry < more; decoder->entry++) {
    if (!tag_type(decoder, &module->tags[module->tag_count + decoder->entry])) return false;
  }
  module->tag_count += more;
  return true;
}

static bool global_section(struct decoder *decoder) {
  struct module *module = decoder->module;
  uint32_t more;
  if (!WIDEN_BY_SECTION(decoder, "number of globals", 3, decoder->limits->globals, module->globals,
                        module->global_count, &more)) {
    return false;
  }
  for (decoder->entry = 0; decoder->entry < more; decoder->entry++) {
    struct module_global *global = &module->globals[module->global_count];
    if (!global_type(decoder, &global->type) || !decode_const_expr(decoder, global->type.type, &global->init)) {
      return false;
    }
    module->global_count++; /* visible to the next one's expression */
  }
  return true;
}

/* ---- Exports and start ------------------------------------------------------------------------------------------- */

static uint32_t space_size(const struct module *module, enum module_extern_kind kind) {
  switch (kind) {
  case MODULE_FUNC: return module->func_count;
  case MODULE_TABLE: return module->table_count;
  case MODULE_MEMORY: return module->memory_count;
  case MODULE_GLOBAL: return module->global_count;
  case MODULE_TAG: return module->tag_count;
  }
  return 0;
}

static bool export_entry(struct decoder *decoder, struct module_export *out) {
  struct module *module = decoder->module;
  struct module_reader *reader = &decoder->reader;
  if (!module_read_name(reader, "name", &out->name)) return false;
  uint32_t start = reader->cursor;
  uint8_t kind;
  if (!module_read_byte(reader, "kind of export", &kind)) return false;
  if (kind > MODULE_TAG) {
    return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown kind of export 0x%02x", kind);
  }
  if (kind == MODULE_TAG && !module_reader_need(reader, MODULE_FEATURE_EXCEPTIONS, start, "a tag")) return false;
  out->kind = kind;
  if (!decode_index(decoder, module_extern_kind_name(kind), space_size(module, kind), &out->index)) return false;
  if (kind == MODULE_GLOBAL && module->globals[out->index].type.is_mutable &&
      !module_reader_need(reader, MODULE_FEATURE_MUTABLE_GLOBALS, start, "a mutable exported global")) {
    return false;
  }
  return kind != MODULE_FUNC || decode_reference(decoder, out->index);
}

static int compare_exports(const struct module *module, uint32_t a, uint32_t b) {
  return module_name_compare(module->exports[a].name, module->exports[b].name);
}

static bool sort_exports(struct decoder *decoder) {
  struct module *module = decoder->module;
  uint32_t count = module->export_count;
  uint32_t *order = allocate(decoder, count, sizeof *order);
  BASE_AUTO_FREE uint32_t *scratch = base_alloc_zero(count, sizeof *scratch);
  if (!order || !scratch) return decode_fail_memory(decoder);
  for (uint32_t i = 0; i < count; i++) order[i] = i;
  module_sort(order, scratch, count, compare_exports, module);
  module->private_part->exports_by_name = order;
  for (uint32_t i = 1; i < count; i++) {
    if (compare_exports(module, order[i - 1], order[i]) != 0) continue;
    struct module_name name = module->exports[order[i]].name;
    char text[64];
    decoder->entry = order[i];
    return module_reader_fail(&decoder->reader, CAY_ERROR_INVALID,
                              (uint32_t)((const uint8_t *)name.bytes - module->bytes), "duplicate export name \"%s\"",
                              base_printable(text, sizeof text, name.bytes, name.len_bytes));
  }
  return true;
}

static bool export_section(struct decoder *decoder) {
  struct module *module = decoder->module;
  uint32_t count;
  module->exports =
      decode_entries(decoder, "number of exports", 3, decoder->limits->exports, sizeof *module->exports, &count);
  if (!module->exports) return false;
  for (decoder->entry = 0; decoder->entry < count; decoder->entry++) {
    if (!export_entry(decoder, &module->exports[decoder->entry])) return false;
  }
  module->export_count = count;
  return sort_exports(decoder);
}

static bool start_section(struct decoder *decoder) {
  struct module *module = decoder->module;
  uint32_t start = decoder->reader.cursor;
  if (!decode_index(decoder, "function", module->func_count, &module->start_func)) return false;
  const struct module_func_type *type = module_func_type_of(module, module->start_func);
  if (type->param_count == 0 && type->result_count == 0) return true;
  char text[128];
  return module_reader_fail(&decoder->reader, CAY_ERROR_INVALID, start,
                            "start function %u must take and return nothing; its type is %s", module->start_func,
                            module_func_type_text(type, text, sizeof text));
}

static bool custom_section(struct decoder *decoder) {
  if (decoder->customs.count >= CUSTOM_SECTIONS_MAX) {
    return module_reader_fail(&decoder->reader, CAY_ERROR_LIMIT, decoder->reader.cursor,
                              "there are more than %u custom sections", CUSTOM_SECTIONS_MAX);
  }
  struct module_custom *custom = BASE_VEC_PUSH(&decoder->customs);
  if (!custom) return decode_fail_memory(decoder);
  struct module_reader *reader = &decoder->reader;
  if (!module_read_name(reader, "name of the section", &custom->name)) return false;
  custom->offset = reader->cursor;
  custom->len_bytes = reader->end - reader->cursor;
  reader->cursor = reader->end;
  return true;
}

/* ---- The module -------------------------------------------------------------------------------------------------- */

static const struct section {
  const char *name;
  uint8_t rank; /* sections stand in the order of their ranks, each at most once; 0: anywhere */
  bool (*decode)(struct decoder *decoder);
} sections[SECTION_COUNT] = {
    [SECTION_CUSTOM] = {"custom", 0, custom_section},
    [SECTION_TYPE] = {"type", 1, decode_types},
    [SECTION_IMPORT] = {"import", 2, import_section},
    [SECTION_FUNCTION] = {"function", 3, function_section},
    [SECTION_TABLE] = {"table", 4, table_section},
    [SECTION_MEMORY] = {"memory", 5, memory_section},
    [SECTION_TAG] = {"tag", 6, tag_section},
    [SECTION_GLOBAL] = {"global", 7, global_section},
    [SECTION_EXPORT] = {"export", 8, export_section},
    [SECTION_START] = {"start", 9, start_section},
    [SECTION_ELEMENT] = {"element", 10, decode_elements},
    [SECTION_DATA_COUNT] = {"data count", 11, decode_data_count},
    [SECTION_CODE] = {"code", 12, decode_code},
    [SECTION_DATA] = {"data", 13, decode_data},
};

static bool section_contents(struct decoder *decoder, const struct section *section) {
  struct module_reader *reader = &decoder->reader;
  decoder->section = section->name;
  decoder->entry = DECODE_NO_ENTRY;
  if (!section->decode(decoder)) return false;
  decoder->entry = DECODE_NO_ENTRY;
  return reader->cursor == reader->end ||
         module_reader_fail(reader, CAY_ERROR_MALFORMED, reader->cursor, "%u bytes follow the last entry",
                            reader->end - reader->cursor);
}

static bool section_head(struct decoder *decoder, uint8_t *rank, const struct section **out, uint32_t *len_bytes) {
  struct module_reader *reader = &decoder->reader;
  uint32_t start = reader->cursor;
  uint8_t id;
  if (!module_read_byte(reader, "section id", &id)) return false;
  if (id >= SECTION_COUNT) {
    return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown section id %u", id);
  }
  *out = &sections[id];
  decoder->section = (*out)->name;
  if ((*out)->rank != 0 && (*out)->rank <= *rank) {
    return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "%s",
                              (*out)->rank == *rank ? "there is more than one"
                                                    : "stands behind a section it must precede");
  }
  if ((*out)->rank != 0) *rank = (*out)->rank;
  return module_read_u32(reader, "section size", len_bytes);
}

static bool all_sections(struct decoder *decoder) {
  struct module_reader *reader = &decoder->reader;
  uint32_t module_end = reader->end;
  uint8_t rank = 0;
  while (reader->cursor < module_end) {
    const struct section *section;
    uint32_t len_bytes, start;
    decoder->section = NULL;
    decoder->entry = DECODE_NO_ENTRY;
    if (!section_head(decoder, &rank, &section, &len_bytes)) return false;
    start = reader->cursor;
    if (!module_read_skip(reader, "section", len_bytes)) return false;
    reader->cursor = start;
    reader->end = start + len_bytes;
    if (!section_contents(decoder, section)) return false;
    reader->end = module_end;
  }
  decoder->section = NULL;
  return true;
}

/* What only shows at the end: sections that others announced but that are missing. */
static bool check_completeness(struct decoder *decoder) {
  struct module *module = decoder->module;
  uint32_t declared = module->func_count - module->imported_func_count;
  if (decoder->bodies_read != declared) {
    return module_reader_fail(&decoder->reader, CAY_ERROR_MALFORMED, decoder->reader.end,
                              "the function section declares %u functions, but there is no code section", declared);
  }
  if (module->private_part->has_data_count && module->private_part->declared_data_count != module->data_count) {
    return module_reader_fail(&decoder->reader, CAY_ERROR_MALFORMED, decoder->reader.end,
                              "the data count section says %u segments, but there is no data section",
                              module->private_part->declared_data_count);
  }
  return true;
}

/* Tables that no section filled in are empty, not absent: readers need not ask. */
static bool fill_gaps(struct decoder *decoder) {
  struct module *module = decoder->module;
  if (!module->funcs_referenced) {
    module->funcs_referenced = allocate(decoder, (module->func_count + 7) / 8, 1);
    if (!module->funcs_referenced) return false;
  }
  uint32_t count = (uint32_t)decoder->customs.count;
  module->customs = allocate(decoder, count, sizeof *module->customs);
  if (!module->customs) return false;
  if (count > 0) memcpy(module->customs, decoder->customs.items, count * sizeof *module->customs);
  module->custom_count = count;
  return true;
}

static void name_the_place(const struct decoder *decoder) {
  struct cay_error *error = decoder->reader.error;
  if (!decoder->section || error->status == CAY_ERROR_MEMORY) return;
  if (decoder->entry != DECODE_NO_ENTRY) base_error_prefix(error, "entry %u", decoder->entry);
  base_error_prefix(error, "%s section", decoder->section);
}

enum cay_status module_decode(struct module *module, const struct module_load_limits *limits_used,
                              struct cay_error *error) {
  struct cay_error failure = {0};
  struct decoder decoder = {
      .reader = {.bytes = module->bytes,
                 .cursor = 8, /* behind magic and version, which module_load has checked */
                 .end = (uint32_t)module->len_bytes,
                 .features = module->features,
                 .module = module,
                 .error = &failure},
      .module = module,
      .limits = limits_used,
      .arena = &module->private_part->arena,
  };
  module->start_func = UINT32_MAX;
  bool is_decoded = all_sections(&decoder) && check_completeness(&decoder) && fill_gaps(&decoder);
  module->features_used = decoder.reader.features_used;
  if (!is_decoded) {
    name_the_place(&decoder);
    if (error) *error = failure;
  }
  module_body_deinit(&decoder.body);
  BASE_VEC_DEINIT(&decoder.customs);
  return is_decoded ? CAY_OK : failure.status;
}
