/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Reports on modules, as text and as JSON. Both are made of the same parts in the same order: file, sizes, proposals,
 * capabilities, imports, exports, memories, tables, sections. Sections are found by walking the bytes again, which the
 * loader has checked; the walk still trusts nothing. */
#include <inttypes.h>

#include "inspect/parts.h"

/* ---- Sections --------------------------------------------------------------------------------------------------------- */

struct section {
  uint8_t id;
  uint32_t offset, len_bytes; /* of the contents */
};

static bool leb_u32(const struct module *module, size_t *cursor, uint32_t *out) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 35 && *cursor < module->len_bytes; shift += 7) {
    uint8_t byte = module->bytes[(*cursor)++];
    value |= (uint64_t)(byte & 0x7F) << shift;
    if (byte & 0x80) continue;
    *out = (uint32_t)value;
    return value <= UINT32_MAX;
  }
  return false;
}

/* The section at `*cursor`, which is moved behind it; false at the end. */
static bool section_next(const struct module *module, size_t *cursor, struct section *out) {
  if (*cursor >= module->len_bytes) return false;
  out->id = module->bytes[(*cursor)++];
  if (!leb_u32(module, cursor, &out->len_bytes) || out->len_bytes > module->len_bytes - *cursor) return false;
  out->offset = (uint32_t)*cursor;
  *cursor += out->len_bytes;
  return true;
}

static const char *section_name(uint8_t id) {
  static const char *const names[] = {"custom", "type",  "import",  "function", "table", "memory",     "global",
                                      "export", "start", "element", "code",     "data",  "data count", "tag"};
  return id < BASE_ARRAY_LEN(names) ? names[id] : "unknown";
}

static const struct module_custom *custom_at(const struct module *module, const struct section *section) {
  if (section->id != 0) return NULL;
  for (uint32_t i = 0; i < module->custom_count; i++) {
    uint32_t offset = module->customs[i].offset;
    if (offset >= section->offset && offset - section->offset <= section->len_bytes &&
        module->customs[i].len_bytes == section->len_bytes - (offset - section->offset))
      return &module->customs[i];
  }
  return NULL;
}

/* ---- Capabilities ----------------------------------------------------------------------------------------------------- */

/* What WASI functions are for; a trailing '*' stands for any rest. The first row that fits counts. */
static const struct {
  const char *function, *capability;
} capabilities[] = {
    {"args_*", "arguments"},    {"environ_*", "environment"}, {"clock_*", "clocks"},     {"random_get", "random"},
    {"sock_*", "sockets"},      {"path_*", "files"},          {"fd_prestat_*", "files"}, {"fd_readdir", "files"},
    {"fd_write", "output"},     {"fd_pwrite", "output"},      {"fd_read", "input"},      {"fd_pread", "input"},
    {"poll_oneoff", "waiting"}, {"thread-spawn", "threads"},
};

/* Which rows of the table a module's imports meet, and whether it imports from anything but WASI. */
struct wishes {
  bool row[BASE_ARRAY_LEN(capabilities)];
  bool wasi, other;
};

static bool name_fits(struct module_name name, const char *pattern) {
  size_t len = strlen(pattern);
  if (pattern[len - 1] == '*') return name.len_bytes >= len - 1 && memcmp(name.bytes, pattern, len - 1) == 0;
  return name.len_bytes == len && memcmp(name.bytes, pattern, len) == 0;
}

/* Functions of WASI 0.1 and its extension for threads. */
static bool is_wasi(const struct module_import *import) {
  return name_fits(import->module, "wasi_snapshot_preview1") || name_fits(import->module, "wasi_unstable") ||
         (name_fits(import->module, "wasi") && name_fits(import->name, "thread-spawn"));
}

/* Any run provides it. */
static bool is_shared_memory(const struct module *module, const struct module_import *import) {
  return import->kind == MODULE_MEMORY && module->memories[import->index].limits.is_shared;
}

static struct wishes wishes_of(const struct module *module) {
  struct wishes wishes = {0};
  for (uint32_t i = 0; i < module->import_count; i++) {
    const struct module_import *import = &module->imports[i];
    if (is_shared_memory(module, import)) continue;
    if (!is_wasi(import)) {
      wishes.other = true;
      continue;
    }
    wishes.wasi = true;
    for (size_t row = 0; row < BASE_ARRAY_LEN(capabilities); row++)
      wishes.row[row] |= name_fits(import->name, capabilities[row].function);
  }
  return wishes;
}

/* Whether row `row` is the first of its capability that is wished for. */
static bool is_first_wish(const struct wishes *wishes, size_t row) {
  if (!wishes->row[row]) return false;
  for (size_t before = 0; before < row; before++)
    if (wishes->row[before] && strcmp(capabilities[before].capability, capabilities[row].capability) == 0) return false;
  return true;
}

/* "command", "reactor" or "library": how the module can be run. */
static const char *kind_of(const struct module *module) {
  if (module_export_find(module, "_start", strlen("_start"))) return "command";
  return module_export_find(module, "_initialize", strlen("_initialize")) ? "reactor" : "library";
}

/* ---- Types of imports and exports ------------------------------------------------------------------------------------- */

static void add_limits(const struct module_limits *limits, struct base_text *out) {
  base_text_format(out, "%" PRIu64, limits->min);
  if (limits->has_max) base_text_format(out, "..%" PRIu64, limits->max);
}

static void add_memory_type(const struct module_memory_type *type, struct base_text *out) {
  const struct module_limits *limits = &type->limits;
  add_limits(limits, out);
  base_text_format(out, " page%s of %" PRIu64 " byte%s%s%s", limits->has_max || limits->min != 1 ? "s" : "",
                   UINT64_C(1) << type->page_log2, type->page_log2 == 0 ? "" : "s", limits->is_64 ? ", 64-bit" : "",
                   limits->is_shared ? ", shared" : "");
}

static void add_type(const struct module *module, enum module_extern_kind kind, uint32_t index, struct base_text *out) {
  char text[256], name[32];
  switch (kind) {
  case MODULE_FUNC:
    base_text_addz(out, module_func_type_text(module_func_type_of(module, index), text, sizeof text));
    return;
  case MODULE_TABLE:
    add_limits(&module->tables[index].type.limits, out);
    base_text_format(out, " %s%s", module_type_name(module->tables[index].type.elem, name),
                     module->tables[index].type.limits.is_64 ? ", 64-bit" : "");
    return;
  case MODULE_MEMORY: add_memory_type(&module->memories[index], out); return;
  case MODULE_GLOBAL:
    base_text_format(out, "%s%s", module->globals[index].type.is_mutable ? "mutable " : "",
                     module_type_name(module->globals[index].type.type, name));
    return;
  case MODULE_TAG:
    base_text_addz(out, module_func_type_text(&module->types[module->tags[index].type].func, text, sizeof text));
    return;
  }
}

/* ---- Text ------------------------------------------------------------------------------------------------------------- */

static void text_proposals(const struct module *module, struct base_text *out) {
  base_text_addz(out, "proposals used:");
  bool any = false;
  for (unsigned i = 0; i < MODULE_FEATURE_COUNT; i++) {
    if (!(module->features_used >> i & 1)) continue;
    base_text_format(out, "%s %s", any ? "," : "", module_feature_name((enum module_feature)i));
    any = true;
  }
  base_text_addz(out, any ? "\n" : " none\n");
}

static void text_capabilities(const struct module *module, struct base_text *out) {
  struct wishes wishes = wishes_of(module);
  base_text_addz(out, "can ask for:");
  bool any = false;
  for (size_t i = 0; i < BASE_ARRAY_LEN(capabilities); i++) {
    if (!is_first_wish(&wishes, i)) continue;
    base_text_format(out, "%s %s", any ? "," : "", capabilities[i].capability);
    any = true;
  }
  base_text_addz(out, any ? "\n" : wishes.wasi ? " nothing that has to be granted\n" : " nothing\n");
  if (wishes.other) base_text_addz(out, "imports that are not WASI have to be provided by the embedder or --preload\n");
}

static void text_imports(const struct module *module, struct base_text *out) {
  base_text_format(out, "imports: %" PRIu32 "\n", module->import_count);
  for (uint32_t i = 0; i < module->import_count; i++) {
    const struct module_import *import = &module->imports[i];
    base_text_format(out, "  %-8s ", module_extern_kind_name(import->kind));
    inspect_name(out, import->module);
    base_text_addz(out, " ");
    inspect_name(out, import->name);
    base_text_addz(out, " ");
    add_type(module, import->kind, import->index, out);
    base_text_addz(out, "\n");
  }
}

static void text_exports(const struct module *module, struct base_text *out) {
  base_text_format(out, "exports: %" PRIu32 "\n", module->export_count);
  for (uint32_t i = 0; i < module->export_count; i++) {
    const struct module_export *export = &module->exports[i];
    base_text_format(out, "  %-8s ", module_extern_kind_name(export->kind));
    inspect_name(out, export->name);
    base_text_addz(out, " ");
    add_type(module, export->kind, export->index, out);
    base_text_addz(out, "\n");
  }
}

static void text_sections(const struct module *module, struct base_text *out) {
  struct section section;
  base_text_addz(out, "sections:\n");
  for (size_t cursor = 8; section_next(module, &cursor, &section);) {
    const struct module_custom *custom = custom_at(module, &section);
    base_text_format(out, "  %-10s at 0x%-8" PRIx32 " %10" PRIu32 " bytes", section_name(section.id), section.offset,
                     section.len_bytes);
    if (custom) {
      base_text_addz(out, "  ");
      inspect_name(out, custom->name);
    }
    base_text_addz(out, "\n");
  }
}

static void text_kinds(const struct module *module, enum module_extern_kind kind, const char *heading, uint32_t count,
                       struct base_text *out) {
  for (uint32_t i = 0; i < count; i++) {
    base_text_format(out, "%s %" PRIu32 ": ", heading, i);
    add_type(module, kind, i, out);
    base_text_addz(out, "\n");
  }
}

void inspect_report_text(const struct module *module, const char *file_name, struct base_text *out) {
  char printable[256];
  uint32_t defined = module->func_count - module->imported_func_count;
  base_text_format(out, "%s: %s, %zu bytes, %" PRIu32 " function%s with %" PRIu32 " bytes of code\n",
                   base_printable(printable, sizeof printable, file_name, strlen(file_name)), kind_of(module),
                   module->len_bytes, defined, defined == 1 ? "" : "s", module->code_bytes);
  text_proposals(module, out);
  text_capabilities(module, out);
  text_imports(module, out);
  text_exports(module, out);
  text_kinds(module, MODULE_MEMORY, "memory", module->memory_count, out);
  text_kinds(module, MODULE_TABLE, "table", module->table_count, out);
  base_text_format(out, "globals: %" PRIu32 ", data segments: %" PRIu32 ", element segments: %" PRIu32 "\n",
                   module->global_count, module->data_count, module->elem_count);
  text_sections(module, out);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------- */

static void json_text(struct base_text *out, const char *key, const char *bytes, size_t len_bytes) {
  base_text_format(out, "\"%s\":", key);
  base_text_add_json(out, bytes, len_bytes);
}

static void json_type(const struct module *module, enum module_extern_kind kind, uint32_t index,
                      struct base_text *out) {
  struct base_text type = {0};
  add_type(module, kind, index, &type);
  out->failed |= type.failed;
  json_text(out, "type", type.bytes ? type.bytes : "", type.len_bytes);
  base_text_deinit(&type);
}

static void json_strings(struct base_text *out, bool *any, const char *text) {
  base_text_addz(out, *any ? "," : "");
  base_text_add_json(out, text, strlen(text));
  *any = true;
}

static void json_proposals(const struct module *module, struct base_text *out) {
  bool any = false;
  base_text_addz(out, ",\"proposals\":[");
  for (unsigned i = 0; i < MODULE_FEATURE_COUNT; i++)
    if (module->features_used >> i & 1) json_strings(out, &any, module_feature_name((enum module_feature)i));
  base_text_addz(out, "]");
}

static void json_capabilities(const struct module *module, struct base_text *out) {
  struct wishes wishes = wishes_of(module);
  bool any = false;
  base_text_addz(out, ",\"capabilities\":[");
  for (size_t i = 0; i < BASE_ARRAY_LEN(capabilities); i++)
    if (is_first_wish(&wishes, i)) json_strings(out, &any, capabilities[i].capability);
  base_text_addz(out, "]");
}

static void json_imports(const struct module *module, struct base_text *out) {
  base_text_addz(out, ",\"imports\":[");
  for (uint32_t i = 0; i < module->import_count; i++) {
    const struct module_import *import = &module->imports[i];
    base_text_addz(out, i ? ",{" : "{");
    json_text(out, "module", import->module.bytes, import->module.len_bytes);
    base_text_addz(out, ",");
    json_text(out, "name", import->name.bytes, import->name.len_bytes);
    base_text_format(out, ",\"kind\":\"%s\",", module_extern_kind_name(import->kind));
    json_type(module, import->kind, import->index, out);
    base_text_addz(out, "}");
  }
  base_text_addz(out, "]");
}

static void json_exports(const struct module *module, struct base_text *out) {
  base_text_addz(out, ",\"exports\":[");
  for (uint32_t i = 0; i < module->export_count; i++) {
    const struct module_export *export = &module->exports[i];
    base_text_addz(out, i ? ",{" : "{");
    json_text(out, "name", export->name.bytes, export->name.len_bytes);
    base_text_format(out, ",\"kind\":\"%s\",", module_extern_kind_name(export->kind));
    json_type(module, export->kind, export->index, out);
    base_text_addz(out, "}");
  }
  base_text_addz(out, "]");
}

/* "max" is left out when there is none. The object is left open. */
static void json_limits(const struct module_limits *limits, bool is_first, struct base_text *out) {
  base_text_format(out, "%s{\"min\":%" PRIu64, is_first ? "" : ",", limits->min);
  if (limits->has_max) base_text_format(out, ",\"max\":%" PRIu64, limits->max);
  base_text_format(out, ",\"address_bits\":%d", limits->is_64 ? 64 : 32);
}

static void json_memories(const struct module *module, struct base_text *out) {
  base_text_addz(out, ",\"memories\":[");
  for (uint32_t i = 0; i < module->memory_count; i++) {
    const struct module_memory_type *type = &module->memories[i];
    json_limits(&type->limits, i == 0, out);
    base_text_format(out, ",\"page_bytes\":%" PRIu64 ",\"shared\":%s}", UINT64_C(1) << type->page_log2,
                     type->limits.is_shared ? "true" : "false");
  }
  base_text_addz(out, "]");
}

static void json_tables(const struct module *module, struct base_text *out) {
  char name[32];
  base_text_addz(out, ",\"tables\":[");
  for (uint32_t i = 0; i < module->table_count; i++) {
    json_limits(&module->tables[i].type.limits, i == 0, out);
    base_text_format(out, ",\"type\":\"%s\"}", module_type_name(module->tables[i].type.elem, name));
  }
  base_text_addz(out, "]");
}

static void json_sections(const struct module *module, struct base_text *out) {
  struct section section;
  bool any = false;
  base_text_addz(out, ",\"sections\":[");
  for (size_t cursor = 8; section_next(module, &cursor, &section); any = true) {
    const struct module_custom *custom = custom_at(module, &section);
    base_text_format(out, "%s{\"section\":\"%s\",\"offset\":%" PRIu32 ",\"bytes\":%" PRIu32, any ? "," : "",
                     section_name(section.id), section.offset, section.len_bytes);
    if (custom) {
      base_text_addz(out, ",");
      json_text(out, "name", custom->name.bytes, custom->name.len_bytes);
    }
    base_text_addz(out, "}");
  }
  base_text_addz(out, "]");
}

void inspect_report_json(const struct module *module, const char *file_name, struct base_text *out) {
  base_text_addz(out, "{");
  json_text(out, "file", file_name, strlen(file_name));
  base_text_format(out, ",\"kind\":\"%s\",\"bytes\":%zu,\"functions\":%" PRIu32 ",\"code_bytes\":%" PRIu32,
                   kind_of(module), module->len_bytes, module->func_count - module->imported_func_count,
                   module->code_bytes);
  json_proposals(module, out);
  json_capabilities(module, out);
  json_imports(module, out);
  json_exports(module, out);
  json_memories(module, out);
  json_tables(module, out);
  base_text_format(out, ",\"globals\":%" PRIu32 ",\"data_segments\":%" PRIu32 ",\"element_segments\":%" PRIu32,
                   module->global_count, module->data_count, module->elem_count);
  json_sections(module, out);
  base_text_addz(out, "}\n");
}
