/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Instructions as text, in the text format's spelling: the mnemonic of the row, then its immediates.
 *
 * An index 0 that the text format lets one leave out (memory, table of call_indirect) is left out. Constants are
 * written exactly: integers signed, floating point in hexadecimal, so that assembling the text gives the same bits. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "module/internal.h"

static void add_index(struct base_text *out, uint32_t index) { base_text_format(out, " %" PRIu32, index); }

static void add_nonzero(struct base_text *out, uint32_t index) {
  if (index != 0) add_index(out, index);
}

static void add_type(struct base_text *out, module_type type) {
  char name[32];
  base_text_format(out, " %s", module_type_name(type, name));
}

/* The operand of ref.null is a heap type; that of ref.test and ref.cast a reference, always spelled out. */
static void add_heap(struct base_text *out, const struct module_insn *insn) {
  char name[32];
  const char *heap = module_heap_name(insn->imm.type & MODULE_HEAP_MASK, name);
  if (insn->op == MODULE_OP_REF_NULL) {
    base_text_format(out, " %s", heap);
  } else {
    base_text_format(out, insn->imm.type & MODULE_REF_NULL ? " (ref null %s)" : " (ref %s)", heap);
  }
}

static void add_block_type(struct base_text *out, int64_t raw) {
  char name[32];
  if (raw == MODULE_BLOCK_EMPTY) return;
  if (raw >= 0) {
    base_text_format(out, " (type %" PRId64 ")", raw);
  } else {
    base_text_format(out, " (result %s)", module_type_name(module_block_value_type(raw), name));
  }
}

static void add_func(const struct module *module, struct base_text *out, uint32_t func) {
  add_index(out, func);
  struct module_name name = module_func_name(module, func);
  char text[128];
  if (name.len_bytes > 0) {
    base_text_format(out, " (;%s;)", base_printable(text, sizeof text, name.bytes, name.len_bytes));
  }
}

/* The operands were read before, so reading them again cannot fail. */
static struct module_reader reader_at(const struct module *module, uint32_t offset) {
  return (struct module_reader){
      .bytes = module->bytes, .cursor = offset, .end = (uint32_t)module->len_bytes, .features = ~UINT64_C(0)};
}

static void add_br_table(const struct module *module, const struct module_insn *insn, struct base_text *out) {
  struct module_reader reader = reader_at(module, insn->imm.br_table.targets_offset);
  uint32_t label;
  for (uint32_t i = 0; i <= insn->imm.br_table.target_count && module_read_u32(&reader, "label", &label); i++) {
    add_index(out, label);
  }
}

static void add_catches(const struct module *module, const struct module_insn *insn, struct base_text *out) {
  static const char *const names[] = {"catch", "catch_ref", "catch_all", "catch_all_ref"};
  struct module_reader reader = reader_at(module, insn->imm.block.catches_offset);
  add_block_type(out, insn->imm.block.raw);
  for (uint32_t i = 0; i < insn->imm.block.catch_count; i++) {
    uint8_t kind;
    uint32_t tag, label;
    if (!module_read_byte(&reader, "catch kind", &kind) || kind > 3 ||
        (kind < 2 && !module_read_u32(&reader, "tag index", &tag)) || !module_read_u32(&reader, "label", &label)) {
      return;
    }
    base_text_format(out, " (%s", names[kind]);
    if (kind < 2) add_index(out, tag);
    base_text_format(out, " %" PRIu32 ")", label);
  }
}

static void add_memarg(const struct module_insn *insn, struct base_text *out) {
  const struct module_memarg *memarg = &insn->imm.memarg;
  add_nonzero(out, memarg->memory);
  if (memarg->offset != 0) base_text_format(out, " offset=%" PRIu64, memarg->offset);
  if (memarg->align_log2 != module_ops[insn->op].access_log2) {
    base_text_format(out, " align=%" PRIu64, UINT64_C(1) << memarg->align_log2);
  }
}

/* A NaN with its payload, infinity, or an exact hexadecimal number; `fraction_bits` of the type. */
static void add_float(struct base_text *out, uint64_t bits, unsigned fraction_bits, bool negative, double value) {
  uint64_t fraction = bits & ((UINT64_C(1) << fraction_bits) - 1);
  const char *sign = negative ? "-" : "";
  if (__builtin_isinf(value)) {
    base_text_format(out, " %sinf", sign);
  } else if (!__builtin_isnan(value)) {
    char number[64];
    snprintf(number, sizeof number, "%a", value);
    char *point = strpbrk(number, ",."); /* printf uses the locale's */
    if (point) *point = '.';
    base_text_format(out, " %s", number);
  } else if (fraction == UINT64_C(1) << (fraction_bits - 1)) {
    base_text_format(out, " %snan", sign);
  } else {
    base_text_format(out, " %snan:0x%" PRIx64, sign, fraction);
  }
}

static void add_f32(struct base_text *out, uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  /* Of a NaN, the conversion keeps neither payload nor, on some CPUs, the sign. */
  add_float(out, bits, 23, bits >> 31, (double)value);
}

static void add_f64(struct base_text *out, uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  add_float(out, bits, 52, bits >> 63, value);
}

static void add_v128(struct base_text *out, const uint8_t *bytes) {
  base_text_addz(out, " i32x4");
  for (unsigned i = 0; i < 16; i += 4) base_text_format(out, " 0x%08" PRIx32, base_load_u32(bytes + i));
}

static void add_shuffle(struct base_text *out, const uint8_t *lanes) {
  for (unsigned i = 0; i < 16; i++) add_index(out, lanes[i]);
}

static void add_call_indirect(const struct module_insn *insn, struct base_text *out) {
  add_nonzero(out, insn->imm.index[1]);
  base_text_format(out, " (type %" PRIu32 ")", insn->imm.index[0]);
}

static void add_two(struct base_text *out, uint32_t first, uint32_t second) {
  add_index(out, first);
  add_index(out, second);
}

void module_insn_text(const struct module *module, const struct module_insn *insn, struct base_text *out) {
  assert(insn->op < MODULE_OP_COUNT);
  const struct module_op_info *row = &module_ops[insn->op];
  const uint32_t *index = insn->imm.index;
  base_text_addz(out, row->mnemonic);
  switch ((enum module_imm)row->imm) {
  case MODULE_IMM_NONE:
  case MODULE_IMM_FENCE: return;
  case MODULE_IMM_BLOCK: add_block_type(out, insn->imm.block.raw); return;
  case MODULE_IMM_FUNC: add_func(module, out, index[0]); return;
  case MODULE_IMM_BR_TABLE: add_br_table(module, insn, out); return;
  case MODULE_IMM_CALL_INDIRECT: add_call_indirect(insn, out); return;
  case MODULE_IMM_LABEL:
  case MODULE_IMM_TYPE:
  case MODULE_IMM_LOCAL:
  case MODULE_IMM_GLOBAL:
  case MODULE_IMM_TABLE:
  case MODULE_IMM_ELEM:
  case MODULE_IMM_DATA:
  case MODULE_IMM_TAG:
  case MODULE_IMM_LANE: add_index(out, index[0]); return;
  case MODULE_IMM_MEMORY: add_nonzero(out, index[0]); return;
  case MODULE_IMM_MEMORY_MEMORY:
    if (index[0] != 0 || index[1] != 0) add_two(out, index[0], index[1]);
    return;
  case MODULE_IMM_DATA_MEMORY: /* the text format has the destination first, as for tables below */
    add_nonzero(out, index[1]);
    add_index(out, index[0]);
    return;
  case MODULE_IMM_ELEM_TABLE: add_two(out, index[1], index[0]); return;
  case MODULE_IMM_TABLE_TABLE:
  case MODULE_IMM_TYPE_FIELD:
  case MODULE_IMM_TYPE_DATA:
  case MODULE_IMM_TYPE_ELEM:
  case MODULE_IMM_TYPE_LEN:
  case MODULE_IMM_TYPE_TYPE: add_two(out, index[0], index[1]); return;
  case MODULE_IMM_MEMARG: add_memarg(insn, out); return;
  case MODULE_IMM_MEMARG_LANE:
    add_memarg(insn, out);
    add_index(out, insn->imm.memarg.lane);
    return;
  case MODULE_IMM_SHUFFLE: add_shuffle(out, insn->imm.v128); return;
  case MODULE_IMM_V128: add_v128(out, insn->imm.v128); return;
  case MODULE_IMM_I32: base_text_format(out, " %" PRId32, (int32_t)insn->imm.i32); return;
  case MODULE_IMM_I64: base_text_format(out, " %" PRId64, (int64_t)insn->imm.i64); return;
  case MODULE_IMM_F32: add_f32(out, insn->imm.i32); return;
  case MODULE_IMM_F64: add_f64(out, insn->imm.i64); return;
  case MODULE_IMM_HEAP: add_heap(out, insn); return;
  case MODULE_IMM_SELECT_TYPES:
    base_text_addz(out, " (result");
    add_type(out, insn->imm.type);
    base_text_addz(out, ")");
    return;
  case MODULE_IMM_TRY_TABLE: add_catches(module, insn, out); return;
  case MODULE_IMM_CAST:
    add_index(out, index[0]);
    add_type(out, index[1]);
    add_type(out, index[2]);
    return;
  }
  assert(false && "an immediate kind without a text");
}
