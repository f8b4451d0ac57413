/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The sections with contents: elements, code, data. Bodies are validated as they are met; their bytes stay where they
 * are. */
#include <assert.h>

#include "module/decode.h"
#include "module/validate.h"

/* ---- Elements ---------------------------------------------------------------------------------------------------- */

enum {                      /* the bits of an element segment's flags */
       ELEM_NOT_ACTIVE = 1, /* passive or declared */
       ELEM_EXPLICIT = 2,   /* active: names its table; else: declared */
       ELEM_EXPRS = 4,      /* items are expressions */
};

static bool elem_func_indices(struct decoder *decoder, struct module_elem *elem) {
  uint32_t *indices =
      decode_entries(decoder, "number of items", 1, decoder->limits->elem_segment_items, sizeof *indices, &elem->count);
  if (!indices) return false;
  elem->func_indices = indices;
  for (uint32_t i = 0; i < elem->count; i++) {
    if (!decode_index(decoder, "function", decoder->module->func_count, &indices[i]) ||
        !decode_reference(decoder, indices[i])) {
      return false;
    }
  }
  return true;
}

static bool elem_exprs(struct decoder *decoder, struct module_elem *elem) {
  struct module_const_expr *exprs =
      decode_entries(decoder, "number of items", 2, decoder->limits->elem_segment_items, sizeof *exprs, &elem->count);
  if (!exprs) return false;
  elem->exprs = exprs;
  for (uint32_t i = 0; i < elem->count; i++) {
    if (!decode_const_expr(decoder, elem->type, &exprs[i])) return false;
  }
  return true;
}

/* Functions have a kind byte, expressions a type; the short forms 0 and 4 mean funcref. */
static bool elem_type(struct decoder *decoder, uint32_t flags, struct module_elem *elem) {
  struct module_reader *reader = &decoder->reader;
  bool is_typed = decoder->module->features & MODULE_FEATURE_BIT(FUNCTION_REFERENCES);
  elem->type = is_typed && !(flags & ELEM_EXPRS) ? MODULE_REF | MODULE_HEAP_FUNC : MODULE_FUNCREF;
  if (!(flags & (ELEM_NOT_ACTIVE | ELEM_EXPLICIT))) return true;
  if (flags & ELEM_EXPRS) return module_read_ref_type(reader, &elem->type);
  uint32_t start = reader->cursor;
  uint8_t kind;
  if (!module_read_byte(reader, "element kind", &kind)) return false;
  return kind == 0 || module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown element kind 0x%02x", kind);
}

static bool elem_place(struct decoder *decoder, uint32_t flags, struct module_elem *elem) {
  const struct module *module = decoder->module;
  struct module_reader *reader = &decoder->reader;
  uint32_t start = reader->cursor;
  if ((flags & ELEM_EXPLICIT) && !module_read_u32(reader, "table index", &elem->table)) return false;
  if (elem->table >= module->table_count) {
    return module_reader_fail(reader, CAY_ERROR_INVALID, start, "unknown table %u", elem->table);
  }
  return decode_const_expr(decoder, module_address_type(&module->tables[elem->table].type.limits), &elem->offset);
}

static bool elem_segment(struct decoder *decoder, struct module_elem *elem) {
  struct module_reader *reader = &decoder->reader;
  uint32_t start = reader->cursor, flags;
  if (!module_read_u32(reader, "flags", &flags)) return false;
  if (flags > 7) {
    return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown element segment flags 0x%x", flags);
  }
  if (flags != 0 && !module_reader_need(reader, MODULE_FEATURE_BULK_MEMORY, start, "the segment")) return false;
  bool is_active = !(flags & ELEM_NOT_ACTIVE);
  elem->mode = is_active               ? MODULE_SEGMENT_ACTIVE
               : flags & ELEM_EXPLICIT ? MODULE_SEGMENT_DECLARED
                                       : MODULE_SEGMENT_PASSIVE;
  if (is_active && !elem_place(decoder, flags, elem)) return false;
  if (!elem_type(decoder, flags, elem)) return false;
  if (is_active &&
      !module_types_match(decoder->module->types, elem->type, decoder->module->tables[elem->table].type.elem)) {
    char segment[32], table[32];
    return module_reader_fail(reader, CAY_ERROR_INVALID, start, "type mismatch: a segment of %s for a table of %s",
                              module_type_name(elem->type, segment),
                              module_type_name(decoder->module->tables[elem->table].type.elem, table));
  }
  return flags & ELEM_EXPRS ? elem_exprs(decoder, elem) : elem_func_indices(decoder, elem);
}

bool decode_elements(struct decoder *decoder) {
  struct module *module = decoder->module;
  uint32_t count;
  module->elems = decode_entries(decoder, "number of element segments", 3, decoder->limits->elem_segments,
                                 sizeof *module->elems, &count);
  if (!module->elems) return false;
  for (decoder->entry = 0; decoder->entry < count; decoder->entry++) {
    if (!elem_segment(decoder, &module->elems[decoder->entry])) return false;
  }
  module->elem_count = count;
  return true;
}

/* ---- Data -------------------------------------------------------------------------------------------------------- */

bool decode_data_count(struct decoder *decoder) {
  struct module_private *private_part = decoder->module->private_part;
  uint32_t start = decoder->reader.cursor;
  if (!module_reader_need(&decoder->reader, MODULE_FEATURE_BULK_MEMORY, start, "this section") ||
      !module_read_u32(&decoder->reader, "number of data segments", &private_part->declared_data_count)) {
    return false;
  }
  private_part->has_data_count = true;
  return true;
}

static bool data_segment(struct decoder *decoder, struct module_data_segment *segment) {
  struct module_reader *reader = &decoder->reader;
  uint32_t start = reader->cursor, flags;
  if (!module_read_u32(reader, "flags", &flags)) return false;
  if (flags > 2) {
    return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown data segment flags 0x%x", flags);
  }
  if (flags != 0 && !module_reader_need(reader, MODULE_FEATURE_BULK_MEMORY, start, "the segment")) return false;
  segment->mode = flags == 1 ? MODULE_SEGMENT_PASSIVE : MODULE_SEGMENT_ACTIVE;
  if (flags == 2 && !module_read_u32(reader, "memory index", &segment->memory)) return false;
  if (flags != 1) {
    if (segment->memory >= decoder->module->memory_count) {
      return module_reader_fail(reader, CAY_ERROR_INVALID, start, "unknown memory %u", segment->memory);
    }
    const struct module_limits *limits = &decoder->module->memories[segment->memory].limits;
    if (!decode_const_expr(decoder, module_address_type(limits), &segment->offset)) return false;
  }
  if (!module_read_u32(reader, "length", &segment->len_bytes)) return false;
  segment->bytes_offset = reader->cursor;
  return module_read_skip(reader, "contents", segment->len_bytes);
}

bool decode_data(struct decoder *decoder) {
  struct module *module = decoder->module;
  const struct module_private *private_part = module->private_part;
  uint32_t start = decoder->reader.cursor, count;
  module->datas = decode_entries(decoder, "number of data segments", 2, decoder->limits->data_segments,
                                 sizeof *module->datas, &count);
  if (!module->datas) return false;
  if (private_part->has_data_count && private_part->declared_data_count != count) {
    return module_reader_fail(&decoder->reader, CAY_ERROR_MALFORMED, start,
                              "has %u segments, but the data count section says %u", count,
                              private_part->declared_data_count);
  }
  for (decoder->entry = 0; decoder->entry < count; decoder->entry++) {
    if (!data_segment(decoder, &module->datas[decoder->entry])) return false;
  }
  module->data_count = count;
  return true;
}

/* ---- Code -------------------------------------------------------------------------------------------------------- */

static bool validate_body(struct decoder *decoder, uint32_t func) {
  struct module_body *body = &decoder->body;
  if (module_body_begin(body, decoder->module, func, decoder->reader.error) != CAY_OK) return false;
  struct module_insn insn;
  int more;
  do validate_run(body);
  while ((more = module_body_next(body, &insn)) > 0);
  if (more < 0) return false;
  assert(body->cursor == body->end && body->features_used == (body->features_used & decoder->module->features));
  decoder->module->funcs[func].frame_slots = body->locals_slots + body->max_operand_slots;
  decoder->reader.features_used |= body->features_used;
  return true;
}

static bool func_body(struct decoder *decoder, uint32_t index) {
  struct module_reader *reader = &decoder->reader;
  struct module_func *func = &decoder->module->funcs[index];
  uint32_t start = reader->cursor;
  if (!module_read_u32(reader, "size of a function body", &func->body_bytes)) return false;
  func->body_offset = reader->cursor;
  if (!module_read_skip(reader, "function body", func->body_bytes)) return false;
  if (func->body_bytes > decoder->limits->func_body_bytes) {
    return module_reader_fail(reader, CAY_ERROR_LIMIT, start, "function %u takes %u bytes; at most %u are allowed",
                              index, func->body_bytes, decoder->limits->func_body_bytes);
  }
  return validate_body(decoder, index);
}

bool decode_code(struct decoder *decoder) {
  struct module *module = decoder->module;
  uint32_t start = decoder->reader.cursor, count;
  module->code_offset = start;
  module->code_bytes = decoder->reader.end - start;
  if (!module_read_count(&decoder->reader, "number of function bodies", 2, UINT32_MAX, &count)) return false;
  if (count != module->func_count - module->imported_func_count) {
    return module_reader_fail(&decoder->reader, CAY_ERROR_MALFORMED, start,
                              "has %u bodies, but the function section declares %u functions", count,
                              module->func_count - module->imported_func_count);
  }
  for (uint32_t i = 0; i < count; i++) {
    if (!func_body(decoder, module->imported_func_count + i)) return false;
  }
  decoder->bodies_read = count;
  return true;
}
