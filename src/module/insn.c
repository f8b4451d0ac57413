/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Reading one instruction: the opcode by the generated lookup, then its immediates by their kind.
 *
 * The validator and the disassembler share this, so that both see the same bytes. It knows the binary format only;
 * whether indices exist and types fit is the validator's business. */
#include "module/internal.h"

#include <assert.h>

static bool unknown_opcode(struct module_reader *reader, uint32_t offset, uint8_t byte, uint32_t code) {
  static const char *const prefixed[] = {"opcode 0xfb", "opcode 0xfc", "opcode 0xfd", "opcode 0xfe"};
  if (byte < 0xFB || byte > 0xFE) return module_reader_unknown(reader, MODULE_CODES_OP, "opcode", byte, offset);
  unsigned row = byte - 0xFBu;
  return module_reader_unknown(reader, MODULE_CODES_OP_FB + row, prefixed[row], code, offset);
}

static bool read_opcode(struct module_reader *reader, struct module_insn *out) {
  out->offset = reader->cursor;
  uint8_t byte;
  if (!module_read_byte(reader, "instruction", &byte)) return false;
  unsigned found = module_op_lookup_00[byte];
  uint32_t code = byte;
  if (byte >= 0xFB && byte <= 0xFE) {
    if (!module_read_u32(reader, "opcode", &code)) return false;
    found = module_op_lookup(byte, code);
  }
  if (found == 0) return unknown_opcode(reader, out->offset, byte, code);
  out->op = (uint16_t)(found - 1);
  return true;
}

/* Alignment, memory index and offset. The flag 0x40 announces a memory index; more bits mean nothing. */
static bool read_memarg(struct module_reader *reader, struct module_memarg *out) {
  uint32_t start = reader->cursor, flags;
  *out = (struct module_memarg){0};
  if (!module_read_u32(reader, "alignment", &flags)) return false;
  if (flags >= 0x80) {
    return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown alignment flags 0x%x", flags);
  }
  if (flags & 0x40) {
    if (!module_reader_need(reader, MODULE_FEATURE_MULTI_MEMORY, start, "a memory index") ||
        !module_read_u32(reader, "memory index", &out->memory)) {
      return false;
    }
  }
  out->align_log2 = flags & 0x3F;
  uint32_t offset;
  if (BASE_UNLIKELY(reader->cursor >= reader->end || reader->bytes[reader->cursor] >= 0x80)) {
    return module_read_u64(reader, "offset", &out->offset);
  }
  if (!module_read_u32(reader, "offset", &offset)) return false;
  out->offset = offset;
  return true;
}

static bool read_lane(struct module_reader *reader, uint8_t *out) { return module_read_byte(reader, "lane", out); }

static bool read_bytes(struct module_reader *reader, const char *what, void *out, uint32_t len_bytes) {
  const uint8_t *from = reader->bytes + reader->cursor;
  if (!module_read_skip(reader, what, len_bytes)) return false;
  memcpy(out, from, len_bytes);
  return true;
}

static bool read_br_table(struct module_reader *reader, struct module_insn *out) {
  uint32_t count, label;
  if (!module_read_count(reader, "number of labels", 1, UINT32_MAX, &count)) return false;
  out->imm.br_table.target_count = count;
  out->imm.br_table.targets_offset = reader->cursor;
  for (uint32_t i = 0; i <= count; i++) {
    if (!module_read_u32(reader, "label", &label)) return false;
  }
  return true;
}

static bool read_select_types(struct module_reader *reader, struct module_insn *out) {
  uint32_t count;
  if (!module_read_count(reader, "number of types", 1, UINT32_MAX, &count)) return false;
  out->imm.index[1] = count;
  for (uint32_t i = 0; i < count; i++) {
    if (!module_read_value_type(reader, &out->imm.type)) return false;
  }
  return true;
}

static bool read_catches(struct module_reader *reader, struct module_insn *out) {
  uint32_t count, index;
  if (!module_read_block_type(reader, &out->imm.block.raw) ||
      !module_read_count(reader, "number of catches", 2, UINT32_MAX, &count)) {
    return false;
  }
  out->imm.block.catches_offset = reader->cursor;
  out->imm.block.catch_count = count;
  for (uint32_t i = 0; i < count; i++) {
    uint8_t kind;
    uint32_t start = reader->cursor;
    if (!module_read_byte(reader, "catch kind", &kind)) return false;
    if (kind > 3) return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown catch kind 0x%02x", kind);
    if (kind < 2 && !module_read_u32(reader, "tag index", &index)) return false;
    if (!module_read_u32(reader, "label", &index)) return false;
  }
  return true;
}

/* ref.null, ref.test and ref.cast: the row says whether the reference may be null. */
static bool read_heap(struct module_reader *reader, struct module_insn *out) {
  module_type heap;
  if (!module_read_heap_type(reader, &heap)) return false;
  bool is_null = out->op != MODULE_OP_REF_TEST && out->op != MODULE_OP_REF_CAST;
  out->imm.type = MODULE_REF | (is_null ? MODULE_REF_NULL : 0) | heap;
  return true;
}

/* br_on_cast: flags tell which of the two types, from and to, may be null. */
static bool read_cast(struct module_reader *reader, struct module_insn *out) {
  uint32_t start = reader->cursor;
  uint8_t flags;
  if (!module_read_byte(reader, "cast flags", &flags)) return false;
  if (flags > 3) return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown cast flags 0x%02x", flags);
  module_type from, to;
  if (!module_read_u32(reader, "label", &out->imm.index[0]) || !module_read_heap_type(reader, &from) ||
      !module_read_heap_type(reader, &to)) {
    return false;
  }
  out->imm.flags = flags;
  out->imm.index[1] = MODULE_REF | (flags & 1 ? MODULE_REF_NULL : 0) | from;
  out->imm.index[2] = MODULE_REF | (flags & 2 ? MODULE_REF_NULL : 0) | to;
  return true;
}

static bool read_fence(struct module_reader *reader) {
  uint32_t start = reader->cursor;
  uint8_t order;
  if (!module_read_byte(reader, "memory order", &order)) return false;
  return order == 0 || module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown memory order 0x%02x", order);
}

/* Before multi-memory there was a byte 0 in place of the memory's index. */
static bool read_memory_index(struct module_reader *reader, uint32_t *out) {
  uint32_t start = reader->cursor;
  if (!module_read_u32(reader, "memory index", out)) return false;
  return *out == 0 || module_reader_need(reader, MODULE_FEATURE_MULTI_MEMORY, start, "memory %u", *out);
}

static bool read_two(struct module_reader *reader, const char *first, const char *second, struct module_insn *out) {
  return module_read_u32(reader, first, &out->imm.index[0]) && module_read_u32(reader, second, &out->imm.index[1]);
}

/* The table index of call_indirect was a byte 0 before reference types. */
static bool read_call_indirect(struct module_reader *reader, struct module_insn *out) {
  if (!module_read_u32(reader, "type index", &out->imm.index[0])) return false;
  uint32_t start = reader->cursor;
  if (!module_read_u32(reader, "table index", &out->imm.index[1])) return false;
  return out->imm.index[1] == 0 ||
         module_reader_need(reader, MODULE_FEATURE_REFERENCE_TYPES, start, "table %u", out->imm.index[1]);
}

bool module_read_immediates(struct module_reader *reader, struct module_insn *out) {
  uint32_t *index = out->imm.index;
  uint8_t lane;
  switch ((enum module_imm)module_ops[out->op].imm) {
  case MODULE_IMM_NONE: return true;
  case MODULE_IMM_BLOCK: return module_read_block_type(reader, &out->imm.block.raw);
  case MODULE_IMM_LABEL: return module_read_u32(reader, "label", index);
  case MODULE_IMM_BR_TABLE: return read_br_table(reader, out);
  case MODULE_IMM_FUNC: return module_read_u32(reader, "function index", index);
  case MODULE_IMM_CALL_INDIRECT: return read_call_indirect(reader, out);
  case MODULE_IMM_TYPE: return module_read_u32(reader, "type index", index);
  case MODULE_IMM_LOCAL: return module_read_u32(reader, "local index", index);
  case MODULE_IMM_GLOBAL: return module_read_u32(reader, "global index", index);
  case MODULE_IMM_TABLE: return module_read_u32(reader, "table index", index);
  case MODULE_IMM_TABLE_TABLE: return read_two(reader, "table index", "table index", out);
  case MODULE_IMM_ELEM: return module_read_u32(reader, "element segment index", index);
  case MODULE_IMM_ELEM_TABLE: return read_two(reader, "element segment index", "table index", out);
  case MODULE_IMM_MEMORY: return read_memory_index(reader, index);
  case MODULE_IMM_MEMORY_MEMORY: return read_memory_index(reader, index) && read_memory_index(reader, index + 1);
  case MODULE_IMM_DATA: return module_read_u32(reader, "data segment index", index);
  case MODULE_IMM_DATA_MEMORY:
    return module_read_u32(reader, "data segment index", index) && read_memory_index(reader, index + 1);
  case MODULE_IMM_MEMARG: return read_memarg(reader, &out->imm.memarg);
  case MODULE_IMM_MEMARG_LANE: return read_memarg(reader, &out->imm.memarg) && read_lane(reader, &out->imm.memarg.lane);
  case MODULE_IMM_LANE:
    if (!read_lane(reader, &lane)) return false;
    index[0] = lane;
    return true;
  case MODULE_IMM_SHUFFLE:
  case MODULE_IMM_V128: return read_bytes(reader, "16 bytes of the vector", out->imm.v128, 16);
  case MODULE_IMM_I32: out->imm.i64 = 0; return module_read_s32(reader, "number", &out->imm.i32);
  case MODULE_IMM_I64: return module_read_s64(reader, "number", &out->imm.i64);
  case MODULE_IMM_F32: out->imm.i64 = 0; return read_bytes(reader, "number", &out->imm.i32, 4);
  case MODULE_IMM_F64: return read_bytes(reader, "number", &out->imm.i64, 8);
  case MODULE_IMM_HEAP: return read_heap(reader, out);
  case MODULE_IMM_SELECT_TYPES: return read_select_types(reader, out);
  case MODULE_IMM_TAG: return module_read_u32(reader, "tag index", index);
  case MODULE_IMM_TRY_TABLE: return read_catches(reader, out);
  case MODULE_IMM_TYPE_FIELD: return read_two(reader, "type index", "field index", out);
  case MODULE_IMM_TYPE_DATA: return read_two(reader, "type index", "data segment index", out);
  case MODULE_IMM_TYPE_ELEM: return read_two(reader, "type index", "element segment index", out);
  case MODULE_IMM_TYPE_LEN: return read_two(reader, "type index", "length", out);
  case MODULE_IMM_TYPE_TYPE: return read_two(reader, "type index", "type index", out);
  case MODULE_IMM_CAST: return read_cast(reader, out);
  case MODULE_IMM_FENCE: return read_fence(reader);
  }
  assert(false && "an immediate kind without a reader");
  return false;
}

bool module_read_insn(struct module_reader *reader, struct module_insn *out) {
  return read_opcode(reader, out) && module_read_immediates(reader, out);
}

enum cay_status module_insn_decode(const struct module *module, uint32_t *cursor, uint32_t end, struct module_insn *out,
                                   struct cay_error *error) {
  assert(*cursor <= end && end <= module->len_bytes);
  struct cay_error failure;
  struct module_reader reader = {
      .bytes = module->bytes, .cursor = *cursor, .end = end, .features = ~UINT64_C(0), .error = &failure};
  memset(out, 0, sizeof *out);
  bool is_read = module_read_insn(&reader, out);
  *cursor = reader.cursor;
  if (is_read) return CAY_OK;
  if (error) *error = failure;
  return failure.status;
}

bool module_insn_again(const struct module *module, uint32_t *cursor, struct module_insn *out) {
  assert(*cursor <= module->len_bytes);
  struct module_reader reader = {.bytes = module->bytes,
                                 .cursor = *cursor,
                                 .end = (uint32_t)module->len_bytes,
                                 .features = module->features,
                                 .module = module,
                                 .type_limit = module->type_count};
  bool is_read = module_read_insn(&reader, out);
  *cursor = reader.cursor;
  return is_read;
}
