/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The type section: defined types in recursive groups.
 *
 * A group is read, found to repeat an earlier one or not (groups.c), and its references into itself are made canonical;
 * only then are its declarations of supertypes checked, for they compare types. References into earlier groups are
 * made canonical as they are read (reader.c), so a type can never be told from an equal one by its numbers.
 *
 * Everything is linear in the section: a group is spelled once, a check of a supertype compares two types' own lists,
 * and chains of supertypes are at most MODULE_SUBTYPE_DEPTH_MAX long. */
#include <assert.h>

#include "module/decode.h"

enum {
  FORM_FUNC = 0x60,
  FORM_STRUCT = 0x5F,
  FORM_ARRAY = 0x5E,
  FORM_SUB = 0x50,
  FORM_SUB_FINAL = 0x4F,
  FORM_REC = 0x4E
};
enum { OBJECT_HEADER_BYTES = 8 };

/* ---- Composite types --------------------------------------------------------------------------------------------- */

static bool value_types(struct decoder *decoder, const char *what, uint32_t limit, const module_type **types,
                        uint32_t *count, uint32_t *slots, bool *has_references) {
  module_type *list = decode_entries(decoder, what, 1, limit, sizeof *list, count);
  if (!list) return false;
  *types = list;
  for (uint32_t i = 0; i < *count; i++) {
    if (!module_read_value_type(&decoder->reader, &list[i])) return false;
    *slots += module_type_slots(list[i]);
    *has_references |= module_type_is_ref(list[i]);
  }
  if (*slots != *count) decoder->module->private_part->has_vector_types = true;
  return true;
}

static bool func_type(struct decoder *decoder, struct module_func_type *type) {
  const struct module_load_limits *limits = decoder->limits;
  if (!value_types(decoder, "number of parameters", limits->params, &type->params, &type->param_count,
                   &type->param_slots, &type->has_references)) {
    return false;
  }
  uint32_t start = decoder->reader.cursor;
  if (!value_types(decoder, "number of results", limits->results, &type->results, &type->result_count,
                   &type->result_slots, &type->has_references)) {
    return false;
  }
  return type->result_count <= 1 || module_reader_need(&decoder->reader, MODULE_FEATURE_MULTI_VALUE, start,
                                                       "a function with %u results", type->result_count);
}

static bool field(struct decoder *decoder, struct module_field *out) {
  struct module_reader *reader = &decoder->reader;
  uint8_t code = reader->cursor < reader->end ? reader->bytes[reader->cursor] : 0;
  if (code == MODULE_I8 || code == MODULE_I16) {
    reader->cursor++;
    out->type = code;
  } else if (!module_read_value_type(reader, &out->type)) {
    return false;
  }
  uint32_t start = reader->cursor;
  uint8_t mutability;
  if (!module_read_byte(reader, "mutability", &mutability)) return false;
  out->is_mutable = mutability == 1;
  return mutability <= 1 ||
         module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown mutability 0x%02x", mutability);
}

static bool struct_type(struct decoder *decoder, struct module_def_type *type) {
  struct module_field *fields = decode_entries(decoder, "number of fields", 2, decoder->limits->struct_fields,
                                               sizeof *fields, &type->field_count);
  if (!fields) return false;
  type->fields = fields;
  uint32_t at = OBJECT_HEADER_BYTES;
  type->has_default = true;
  for (uint32_t i = 0; i < type->field_count; i++) {
    if (!field(decoder, &fields[i])) return false;
    if (!module_type_has_default(fields[i].type)) type->has_default = false;
    uint32_t bytes = module_storage_bytes(fields[i].type), align = bytes < 8 ? bytes : 8;
    fields[i].offset = (at + align - 1) & ~(align - 1);
    at = fields[i].offset + bytes;
  }
  type->object_bytes = (at + 7) & ~7u;
  return true;
}

static bool array_type(struct decoder *decoder, struct module_def_type *type) {
  struct module_field *element = base_arena_alloc(decoder->arena, 1, sizeof *element);
  if (!element) return decode_fail_memory(decoder);
  type->fields = element;
  type->field_count = 1;
  if (!field(decoder, element)) return false;
  element->offset = OBJECT_HEADER_BYTES + (module_storage_bytes(element->type) <= 4 ? 4 : 8);
  return true;
}

static bool composite_type(struct decoder *decoder, uint8_t form, uint32_t start, struct module_def_type *type) {
  struct module_reader *reader = &decoder->reader;
  switch (form) {
  case FORM_FUNC: type->kind = MODULE_DEF_FUNC; return func_type(decoder, &type->func);
  case FORM_STRUCT:
    type->kind = MODULE_DEF_STRUCT;
    return module_reader_need(reader, MODULE_FEATURE_GC, start, "a struct type") && struct_type(decoder, type);
  case FORM_ARRAY:
    type->kind = MODULE_DEF_ARRAY;
    return module_reader_need(reader, MODULE_FEATURE_GC, start, "an array type") && array_type(decoder, type);
  default: return module_reader_unknown(reader, MODULE_CODES_TYPE_FORM, "type form", form, start);
  }
}

/* ---- Subtypes ---------------------------------------------------------------------------------------------------- */

/* At most one supertype, of a smaller index. */
static bool super_type(struct decoder *decoder, uint32_t index, struct module_def_type *type) {
  struct module_reader *reader = &decoder->reader;
  uint32_t start = reader->cursor, count, super;
  if (!module_read_count(reader, "number of supertypes", 1, UINT32_MAX, &count)) return false;
  if (count > 1) {
    return module_reader_fail(reader, CAY_ERROR_INVALID, start, "a type has %u supertypes; at most one is allowed",
                              count);
  }
  if (count == 0) return true;
  if (!module_read_u32(reader, "supertype", &super)) return false;
  if (super >= index) {
    return module_reader_fail(reader, CAY_ERROR_INVALID, start, "unknown type %u: a supertype must come before", super);
  }
  const struct module_def_type *above = &decoder->module->types[super];
  if (above->depth >= MODULE_SUBTYPE_DEPTH_MAX) {
    return module_reader_fail(reader, CAY_ERROR_LIMIT, start, "type %u has more than %u supertypes", index,
                              MODULE_SUBTYPE_DEPTH_MAX);
  }
  type->super = above->canonical;
  type->depth = above->depth + 1;
  return true;
}

static bool sub_type(struct decoder *decoder, uint32_t index, struct module_def_type *type) {
  struct module_reader *reader = &decoder->reader;
  uint32_t start = reader->cursor;
  uint8_t form;
  if (!module_read_byte(reader, "type form", &form)) return false;
  type->is_final = form != FORM_SUB;
  if (form == FORM_SUB || form == FORM_SUB_FINAL) {
    if (!module_reader_need(reader, MODULE_FEATURE_GC, start, "a subtype") || !super_type(decoder, index, type)) {
      return false;
    }
    start = reader->cursor;
    if (!module_read_byte(reader, "type form", &form)) return false;
  }
  return composite_type(decoder, form, start, type);
}

static bool fields_match(const struct module_def_type *types, const struct module_field *sub,
                         const struct module_field *super) {
  if (sub->is_mutable != super->is_mutable) return false;
  return sub->is_mutable ? sub->type == super->type : module_types_match(types, sub->type, super->type);
}

static bool func_matches(const struct module_def_type *types, const struct module_func_type *sub,
                         const struct module_func_type *super) {
  return sub->param_count == super->param_count && sub->result_count == super->result_count &&
         module_type_lists_match(types, super->params, sub->params, sub->param_count) &&
         module_type_lists_match(types, sub->results, super->results, sub->result_count);
}

static bool def_matches(const struct module_def_type *types, const struct module_def_type *sub,
                        const struct module_def_type *super) {
  if (super->is_final || sub->kind != super->kind) return false;
  if (sub->kind == MODULE_DEF_FUNC) return func_matches(types, &sub->func, &super->func);
  if (sub->field_count < super->field_count) return false;
  for (uint32_t i = 0; i < super->field_count; i++) {
    if (!fields_match(types, &sub->fields[i], &super->fields[i])) return false;
  }
  return true;
}

/* ---- Groups ------------------------------------------------------------------------------------------------------ */

static void move_types(module_type *types, uint32_t count, uint32_t start, uint32_t to) {
  for (uint32_t i = 0; i < count; i++) {
    uint32_t index = types[i] & MODULE_HEAP_MASK;
    if (module_type_is_defined(types[i]) && index >= start)
      types[i] = module_type_with_index(types[i], index - start + to);
  }
}

/* Makes references into the group at `start` name its equal at `to`. The lists are the arena's own. */
static void move_references(struct module_def_type *type, uint32_t start, uint32_t to) {
  if (type->super != MODULE_NO_TYPE && type->super >= start) type->super = type->super - start + to;
  if (type->kind == MODULE_DEF_FUNC) {
    move_types((module_type *)(uintptr_t)type->func.params, type->func.param_count, start, to);
    move_types((module_type *)(uintptr_t)type->func.results, type->func.result_count, start, to);
    return;
  }
  struct module_field *fields = (struct module_field *)(uintptr_t)type->fields;
  for (uint32_t i = 0; i < type->field_count; i++) move_types(&fields[i].type, 1, start, to);
}

static bool check_supertypes(struct decoder *decoder, uint32_t offset, uint32_t start, uint32_t count) {
  const struct module_def_type *types = decoder->module->types;
  for (uint32_t i = start; i < start + count; i++) {
    uint32_t super = types[i].super;
    if (super == MODULE_NO_TYPE || def_matches(types, &types[i], &types[super])) continue;
    return module_reader_fail(&decoder->reader, CAY_ERROR_INVALID, offset,
                              types[super].is_final ? "sub type %u: its supertype %u is final"
                                                    : "sub type %u does not match its supertype %u",
                              i, super);
  }
  return true;
}

static bool close_group(struct decoder *decoder, uint32_t offset, uint32_t start, uint32_t count) {
  struct module *module = decoder->module;
  uint32_t found = start;
  if (count == 0) return true;
  if (!module_groups_intern(&decoder->groups, module->types, start, count, &found)) return decode_fail_memory(decoder);
  for (uint32_t i = 0; i < count; i++) {
    module->types[start + i].canonical = found + i;
    if (found != start) move_references(&module->types[start + i], start, found);
  }
  module->type_count = start + count;
  return found != start || check_supertypes(decoder, offset, start, count);
}

/* The types from `start` on, `count` of them, refer to each other. */
static bool group(struct decoder *decoder, uint32_t count) {
  struct module *module = decoder->module;
  uint32_t start = (uint32_t)decoder->types.count, offset = decoder->reader.cursor;
  if (count > decoder->limits->types - start) {
    return module_reader_fail(&decoder->reader, CAY_ERROR_LIMIT, offset, "there are more than %u types",
                              decoder->limits->types);
  }
  if (!BASE_VEC_RESERVE(&decoder->types, (size_t)start + count)) return decode_fail_memory(decoder);
  module->types = decoder->types.items;
  decoder->types.count = start + count;
  for (uint32_t i = 0; i < count; i++) {
    module->types[start + i] = (struct module_def_type){
        .canonical = start + i, .super = MODULE_NO_TYPE, .group_start = start, .group_count = count};
  }
  decoder->reader.type_limit = start + count;
  for (uint32_t i = 0; i < count; i++) {
    if (!sub_type(decoder, start + i, &module->types[start + i])) return false;
  }
  return close_group(decoder, offset, start, count);
}

static bool group_entry(struct decoder *decoder) {
  struct module_reader *reader = &decoder->reader;
  uint32_t start = reader->cursor, count;
  if (start >= reader->end || reader->bytes[start] != FORM_REC) return group(decoder, 1);
  reader->cursor++;
  return module_reader_need(reader, MODULE_FEATURE_GC, start, "a recursive type group") &&
         module_read_count(reader, "number of types in the group", 2, decoder->limits->types, &count) &&
         group(decoder, count);
}

/* Subtypes come after their supertypes, so one pass down adds up how many each has, and one up gives out the places. */
static bool lay_out(struct module_def_type *types, uint32_t count) {
  BASE_AUTO_FREE uint32_t *next = base_alloc_zero((size_t)count + 1, sizeof *next);
  if (!next) return false;
  for (uint32_t i = count; i-- > 0;) {
    if (types[i].canonical != i) continue;
    types[i].reach++;
    if (types[i].super != MODULE_NO_TYPE) types[types[i].super].reach += types[i].reach;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (types[i].canonical != i) continue;
    uint32_t *place = &next[types[i].super != MODULE_NO_TYPE ? types[i].super : count];
    types[i].place = *place;
    next[i] = *place + 1;
    *place += types[i].reach;
  }
  return true;
}

static bool has_supertypes(const struct module_def_type *types, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (types[i].depth > 0) return true;
  return false;
}

bool decode_types(struct decoder *decoder) {
  struct module *module = decoder->module;
  uint32_t count;
  if (!module_read_count(&decoder->reader, "number of types", 2, decoder->limits->types, &count)) return false;
  bool is_read = BASE_VEC_RESERVE(&decoder->types, (size_t)count + 1) || decode_fail_memory(decoder);
  for (decoder->entry = 0; is_read && decoder->entry < count; decoder->entry++) {
    is_read = group_entry(decoder);
    if (!is_read) break;
  }
  module->types = NULL;
  size_t total = is_read ? decoder->types.count : 0;
  struct module_def_type *types = is_read ? base_arena_alloc(decoder->arena, total + 1, sizeof *types) : NULL;
  if (types && total > 0) memcpy(types, decoder->types.items, total * sizeof *types);
  BASE_VEC_DEINIT(&decoder->types);
  module_groups_deinit(&decoder->groups);
  module->types = types;
  if (!is_read) return false;
  bool is_done = types && (!has_supertypes(types, total) || lay_out(types, (uint32_t)total));
  return is_done || decode_fail_memory(decoder);
}
