/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The instruction table: codes, short forms, and every row through decoder and disassembler. */
#include "build.h"
#include "module/ops/ops.h"
#include "test.h"

TEST(codes_lead_back_to_rows) {
  for (unsigned op = 0; op < MODULE_OP_COUNT; op++) {
    const struct module_op_info *row = &module_ops[op];
    CHECK_INT(module_op_lookup(row->prefix, row->code), row->prefix == 0xFF ? 0 : op + 1);
    CHECK(row->mnemonic && row->mnemonic[0]);
    CHECK(row->param_count <= 4 && row->result_count <= 2);
  }
}

TEST(unassigned_codes) {
  CHECK_INT(module_op_lookup(0, 0x16), 0);
  CHECK_INT(module_op_lookup(0, 0xFC), 0);
  CHECK_INT(module_op_lookup(0, 256), 0);
  CHECK_INT(module_op_lookup(0xFC, 18), 0);
  CHECK_INT(module_op_lookup(0xFD, 0x9A), 0);
  CHECK_INT(module_op_lookup(0xFE, UINT32_MAX), 0);
  CHECK_INT(module_op_lookup(0x01, 0), 0);
}

TEST(well_known_rows) {
  const struct module_op_info *add = &module_ops[MODULE_OP_I32_ADD];
  CHECK_INT(add->code, 0x6A);
  CHECK_TEXT(add->mnemonic, "i32.add");
  CHECK_INT(add->params[1], MODULE_I32);
  CHECK_INT(module_ops[MODULE_OP_V128_LOAD].access_log2, 4);
  CHECK_INT(module_ops[MODULE_OP_I64_LOAD32_U].access_log2, 2);
  CHECK_INT(module_ops[MODULE_OP_MEMORY_FILL].code, 11);
  CHECK(module_ops[MODULE_OP_BR].flags & MODULE_OP_TERMINATES);
  CHECK(module_ops[MODULE_OP_I32_DIV_S].flags & MODULE_OP_TRAPS);
  CHECK(module_ops[MODULE_OP_I64_MUL].flags & MODULE_OP_CONST_EXT);
  CHECK_INT(module_ops[MODULE_OP_I64_MUL_WIDE_U].result_count, 2);
}

/* Immediates of a kind, with numbers that take more than one byte where the kind allows. */
static void build_immediates(struct build *b, enum module_imm imm) {
#define BYTES(...) build_bytes(b, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
  switch (imm) {
  case MODULE_IMM_NONE: break;
  case MODULE_IMM_BLOCK: BYTES(0x7F); break;
  case MODULE_IMM_BR_TABLE: BYTES(2, 1, 0x80, 1, 3); break;
  case MODULE_IMM_LABEL:
  case MODULE_IMM_FUNC:
  case MODULE_IMM_TYPE:
  case MODULE_IMM_LOCAL:
  case MODULE_IMM_GLOBAL:
  case MODULE_IMM_TABLE:
  case MODULE_IMM_ELEM:
  case MODULE_IMM_MEMORY:
  case MODULE_IMM_DATA:
  case MODULE_IMM_TAG: BYTES(0x81, 2); break;
  case MODULE_IMM_CALL_INDIRECT:
  case MODULE_IMM_TABLE_TABLE:
  case MODULE_IMM_ELEM_TABLE:
  case MODULE_IMM_MEMORY_MEMORY:
  case MODULE_IMM_DATA_MEMORY:
  case MODULE_IMM_TYPE_FIELD:
  case MODULE_IMM_TYPE_DATA:
  case MODULE_IMM_TYPE_ELEM:
  case MODULE_IMM_TYPE_LEN:
  case MODULE_IMM_TYPE_TYPE: BYTES(0x81, 2, 5); break;
  case MODULE_IMM_MEMARG: BYTES(0x40, 1, 0x88, 1); break;
  case MODULE_IMM_MEMARG_LANE: BYTES(0, 8, 1); break;
  case MODULE_IMM_LANE: BYTES(1); break;
  case MODULE_IMM_SHUFFLE:
  case MODULE_IMM_V128: BYTES(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); break;
  case MODULE_IMM_I32: BYTES(0x80, 0x7F); break;
  case MODULE_IMM_I64: BYTES(0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0); break;
  case MODULE_IMM_F32: BYTES(0, 0, 0xC0, 0x3F); break;
  case MODULE_IMM_F64: BYTES(0, 0, 0, 0, 0, 0, 0xF8, 0xBF); break;
  case MODULE_IMM_HEAP: BYTES(0x6E); break;
  case MODULE_IMM_SELECT_TYPES: BYTES(1, 0x6F); break;
  case MODULE_IMM_TRY_TABLE: BYTES(0x40, 2, 0, 3, 1, 2, 0); break;
  case MODULE_IMM_CAST: BYTES(1, 4, 0x6E, 0x6D); break;
  case MODULE_IMM_FENCE: BYTES(0); break;
  }
#undef BYTES
}

static void build_row(struct build *b, unsigned op) {
  const struct module_op_info *row = &module_ops[op];
  if (row->prefix) build_bytes(b, &row->prefix, 1);
  if (row->prefix) {
    build_u32(b, row->code);
  } else {
    build_bytes(b, &(uint8_t){(uint8_t)row->code}, 1);
  }
  build_immediates(b, row->imm);
}

TEST(every_row_is_decoded_and_written) {
  for (unsigned op = 0; op < MODULE_OP_COUNT; op++) {
    if (module_ops[op].prefix == 0xFF) continue; /* no module has it */
    struct build b = {0};
    build_row(&b, op);
    struct module module = {.bytes = b.bytes, .len_bytes = b.len_bytes};
    struct module_insn insn;
    uint32_t cursor = 0;
    struct cay_error error = {.text = ""};
    CHECK_INT(module_insn_decode(&module, &cursor, (uint32_t)b.len_bytes, &insn, &error), CAY_OK);
    CHECK_TEXT(error.text, "");
    CHECK_INT(cursor, b.len_bytes);
    CHECK_INT(insn.op, op);
    struct base_text text = {0};
    module_insn_text(&module, &insn, &text);
    size_t mnemonic_bytes = strlen(module_ops[op].mnemonic);
    CHECK(text.bytes && strncmp(text.bytes, module_ops[op].mnemonic, mnemonic_bytes) == 0);
    base_text_deinit(&text);
    for (uint32_t end = 0; end < b.len_bytes; end++) { /* cut anywhere: an error */
      cursor = 0;
      CHECK_INT(module_insn_decode(&module, &cursor, end, &insn, NULL), CAY_ERROR_MALFORMED);
      CHECK(cursor <= end);
    }
  }
}

static void check_text(const char *bytes, size_t len_bytes, const char *expected) {
  struct module module = {.bytes = (const uint8_t *)bytes, .len_bytes = len_bytes};
  struct module_insn insn;
  uint32_t cursor = 0;
  CHECK_INT(module_insn_decode(&module, &cursor, (uint32_t)len_bytes, &insn, NULL), CAY_OK);
  struct base_text text = {0};
  module_insn_text(&module, &insn, &text);
  CHECK_TEXT(text.bytes, expected);
  base_text_deinit(&text);
}
#define CHECK_INSN(bytes, expected) check_text(bytes, sizeof(bytes) - 1, expected)

TEST(texts) {
  CHECK_INSN("\x41\x7f", "i32.const -1");
  CHECK_INSN("\x42\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", "i64.const -9223372036854775808");
  CHECK_INSN("\x43\x00\x00\xc0\x3f", "f32.const 0x1.8p+0");
  CHECK_INSN("\x43\x01\x00\xa0\xff", "f32.const -nan:0x200001");
  CHECK_INSN("\x43\x00\x00\xc0\x7f", "f32.const nan");
  CHECK_INSN("\x44\x00\x00\x00\x00\x00\x00\xf0\xff", "f64.const -inf");
  CHECK_INSN("\x44\x00\x00\x00\x00\x00\x00\x00\x80", "f64.const -0x0p+0");
  CHECK_INSN("\x02\x40", "block");
  CHECK_INSN("\x03\x7e", "loop (result i64)");
  CHECK_INSN("\x04\x05", "if (type 5)");
  CHECK_INSN("\x02\x63\x03", "block (result (ref null 3))");
  CHECK_INSN("\x0e\x02\x00\x01\x02", "br_table 0 1 2");
  CHECK_INSN("\x11\x03\x00", "call_indirect (type 3)");
  CHECK_INSN("\x11\x03\x01", "call_indirect 1 (type 3)");
  CHECK_INSN("\x28\x02\x00", "i32.load");
  CHECK_INSN("\x28\x00\x10", "i32.load offset=16 align=1");
  CHECK_INSN("\x36\x42\x01\x08", "i32.store 1 offset=8");
  CHECK_INSN("\x1c\x01\x70", "select (result funcref)");
  CHECK_INSN("\xd0\x70", "ref.null func");
  CHECK_INSN("\xd0\x05", "ref.null 5");
  CHECK_INSN("\xfb\x14\x6e", "ref.test (ref any)");
  CHECK_INSN("\xfb\x15\x03", "ref.test (ref null 3)");
  CHECK_INSN("\xfb\x18\x03\x00\x6e\x6d", "br_on_cast 0 anyref eqref");
  CHECK_INSN("\x1f\x40\x02\x00\x01\x02\x03\x00", "try_table (catch 1 2) (catch_all_ref 0)");
  CHECK_INSN("\x3f\x00", "memory.size");
  CHECK_INSN("\xfc\x08\x02\x00", "memory.init 2");
  CHECK_INSN("\xfc\x0c\x02\x01", "table.init 1 2");
  CHECK_INSN("\xfd\x0c\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00",
             "v128.const i32x4 0x00000001 0x00000002 0x00000003 0x00000004");
  CHECK_INSN("\xfd\x54\x00\x04\x07", "v128.load8_lane offset=4 7");
  CHECK_INSN("\xfe\x10\x02\x00", "i32.atomic.load");
}

TEST_MAIN(RUN(codes_lead_back_to_rows) RUN(unassigned_codes) RUN(well_known_rows) RUN(every_row_is_decoded_and_written)
              RUN(texts))
