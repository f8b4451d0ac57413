/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Validation of bodies, and what the reader shows to translators. */
#include "build.h"
#include "test.h"

static struct module *load_body(const struct build *b) {
  struct module *module;
  struct cay_error error = {.text = ""};
  CHECK_INT(build_load(b, &module, &error), CAY_OK);
  CHECK_TEXT(error.text, "");
  return module;
}

static void check_invalid(const struct build *b, enum cay_status status, const char *text) {
  struct module *module = NULL;
  struct cay_error error = {.text = ""};
  CHECK_INT(build_load(b, &module, &error), status);
  CHECK_TEXT(error.text, text);
  module_release(module);
}
#define CHECK_BODY(status, text, ...)                             \
  do {                                                            \
    struct build b = {0};                                         \
    BUILD_BODY(&b, __VA_ARGS__);                                  \
    check_invalid(&b, status, "code section: function 0: " text); \
  } while (0)

TEST(messages) {
  CHECK_BODY(CAY_ERROR_INVALID, "type mismatch: i32.add expects i32, but the operand stack is empty", 0, 0x6A, 0x0B);
  CHECK_BODY(CAY_ERROR_INVALID, "type mismatch: i32.eqz expects i32, but found f32", 0, 0x43, 0, 0, 0, 0, 0x45, 0x0B);
  CHECK_BODY(CAY_ERROR_INVALID, "type mismatch: 1 values too many at the end of a block", 0, 0x41, 0, 0x0B);
  CHECK_BODY(CAY_ERROR_INVALID, "local.get: unknown local 1", 1, 1, 0x7F, 0x20, 1, 0x1A, 0x0B);
  CHECK_BODY(CAY_ERROR_INVALID, "br: unknown label 1", 0, 0x0C, 1, 0x0B);
  CHECK_BODY(CAY_ERROR_INVALID, "i32.load: unknown memory 0", 0, 0x41, 0, 0x28, 2, 0, 0x1A, 0x0B);
  CHECK_BODY(CAY_ERROR_MALFORMED, "else without if", 0, 0x02, 0x40, 0x05, 0x0B, 0x0B);
  CHECK_BODY(CAY_ERROR_MALFORMED, "unknown opcode 0xff", 0, 0xFF, 0x0B);
  CHECK_BODY(CAY_ERROR_MALFORMED, "unknown opcode 0xfc 0x30", 0, 0xFC, 0x30, 0x0B);
  CHECK_BODY(CAY_ERROR_UNSUPPORTED, "not supported: the proposal memory-control (opcode 0xfc 0x12)", 0, 0xFC, 0x12,
             0x0B);
  CHECK_BODY(CAY_ERROR_UNSUPPORTED, "not supported: the proposal stack-switching (opcode 0xe0)", 0, 0xE0, 0, 0x0B);
  CHECK_BODY(CAY_ERROR_UNSUPPORTED, "not supported: the proposal custom-descriptors (opcode 0xfb 0x22)", 0, 0xFB, 0x22,
             0, 0x0B);
  CHECK_BODY(CAY_ERROR_UNSUPPORTED, "not supported: the proposal shared-everything-threads (opcode 0xfe 0x04)", 0, 0xFE,
             4, 0x0B);
  CHECK_BODY(CAY_ERROR_UNSUPPORTED, "not supported: the proposal stack-switching (reference type 0x68)", 0, 0xD0, 0x68,
             0x1A, 0x0B);
  CHECK_BODY(CAY_ERROR_MALFORMED, "unexpected end in the instruction", 0, 0x02, 0x40, 0x0B);
  CHECK_BODY(CAY_ERROR_MALFORMED, "1 bytes follow the final end", 0, 0x0B, 0x01);
  CHECK_BODY(CAY_ERROR_MALFORMED, "data.drop needs a data count section", 0, 0x41, 0, 0xFC, 9, 0, 0x0B);
  CHECK_BODY(CAY_ERROR_UNSUPPORTED,
             "i64.add128 uses the proposal wide-arithmetic, which is not enabled (-W wide-arithmetic=y)", 0, 0xFC, 0x13,
             0x0B);
  CHECK_BODY(CAY_ERROR_LIMIT, "too many locals: 50001 with the parameters; at most 50000 are allowed", 1, 0xD1, 0x86, 3,
             0x7F, 0x0B);
  CHECK_BODY(CAY_ERROR_MALFORMED, "too many locals", 2, 1, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xF, 0x7E, 0x0B);
}

TEST(lanes) {
#define ZEROS 0xFD, 0x0C, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 /* v128.const */
  CHECK_BODY(CAY_ERROR_INVALID, "type mismatch: v128.not expects v128, but found i32", 0, 0x41, 0, 0xFD, 0x4D, 0x0B);
  CHECK_BODY(CAY_ERROR_INVALID, "i8x16.extract_lane_s: invalid lane index 16; there are 16 lanes", 0, ZEROS, 0xFD, 0x15,
             16, 0x1A, 0x0B);
  CHECK_BODY(CAY_ERROR_INVALID, "f64x2.replace_lane: invalid lane index 2; there are 2 lanes", 0, ZEROS, 0xFD, 0x22, 2,
             0x1A, 0x0B);
  CHECK_BODY(CAY_ERROR_INVALID, "i8x16.shuffle: invalid lane index 32; there are 32 lanes", 0, ZEROS, ZEROS, 0xFD, 0x0D,
             31, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0x1A, 0x0B);
  CHECK_BODY(CAY_ERROR_MALFORMED, "the 16 bytes of the vector takes 16 bytes, but only 2 are left", 0, ZEROS, ZEROS,
             0xFD, 0x0D, 0, 0x0B);
  CHECK_BODY(CAY_ERROR_INVALID, "v128.load16_lane: unknown memory 0", 0, 0x41, 0, ZEROS, 0xFD, 0x55, 0, 0, 7, 0x1A,
             0x0B);
}

/* A memory, another one with 64-bit addresses, and one function; its body with the size in front. */
static void build_memory_body(struct build *b, const void *body, size_t len_bytes) {
  struct build code = {0};
  build_head(b);
  BUILD_SECTION(b, 1, 1, 0x60, 0, 0);
  BUILD_SECTION(b, 3, 1, 0);
  BUILD_SECTION(b, 5, 2, 0, 0, 4, 0);
  build_u32(&code, 1);
  build_u32(&code, (uint32_t)len_bytes);
  build_bytes(&code, body, len_bytes);
  build_section(b, 10, code.bytes, code.len_bytes);
}
#define CHECK_MEMORY_BODY(status, text, ...)                      \
  do {                                                            \
    struct build b = {0};                                         \
    const uint8_t bytes[] = {__VA_ARGS__};                        \
    build_memory_body(&b, bytes, sizeof bytes);                   \
    check_invalid(&b, status, "code section: function 0: " text); \
  } while (0)

TEST(lanes_in_memory) {
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID, "v128.load64_lane: invalid lane index 2; there are 2 lanes", 0, 0x41, 0, ZEROS,
                    0xFD, 0x57, 3, 0, 2, 0x1A, 0x0B);
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID, "v128.store8_lane: invalid lane index 16; there are 16 lanes", 0, 0x41, 0, ZEROS,
                    0xFD, 0x58, 0, 0, 16, 0x0B);
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID,
                    "v128.load32_splat: the alignment must not be larger than natural (2**2 bytes), found 2**3", 0,
                    0x41, 0, 0xFD, 0x09, 3, 0, 0x1A, 0x0B);
}

TEST(address_types) {
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID, "type mismatch: i32.load expects i64, but found i32", 0, 0x41, 0, 0x28, 0x42, 1,
                    0, 0x1A, 0x0B);
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID, "type mismatch: f64.store expects i32, but found i64", 0, 0x42, 0, 0x44, 0, 0, 0,
                    0, 0, 0, 0, 0, 0x39, 3, 0, 0x0B);
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID, "type mismatch: v128.load8_lane expects i64, but found i32", 0, 0x41, 0, ZEROS,
                    0xFD, 0x54, 0x40, 1, 0, 0, 0x1A, 0x0B);
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID, "i32.load: unknown memory 2", 0, 0x41, 0, 0x28, 0x42, 2, 0, 0x1A, 0x0B);
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID, "i32.load: offset out of range: 4294967296 does not fit in 32 bits", 0, 0x41, 0,
                    0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x10, 0x1A, 0x0B);
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID, "type mismatch: i32.eqz expects i32, but found i64", 0, 0x3F, 1, 0x45, 0x1A,
                    0x0B);
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID, "type mismatch: memory.grow expects i64, but found i32", 0, 0x41, 0, 0x40, 1,
                    0x1A, 0x0B);
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID, "type mismatch: memory.fill expects i64, but found i32", 0, 0x42, 0, 0x41, 0,
                    0x41, 0, 0xFC, 11, 1, 0x0B);
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID, "type mismatch: memory.copy expects i32, but found i64", 0, 0x41, 0, 0x42, 0,
                    0x42, 0, 0xFC, 10, 0, 1, 0x0B);
  CHECK_MEMORY_BODY(CAY_ERROR_INVALID, "type mismatch: memory.copy expects i64, but found i32", 0, 0x42, 0, 0x42, 0,
                    0x41, 0, 0xFC, 10, 1, 1, 0x0B);
}

/* Vectors take two slots: a type with 20 of them and an i32 is counted as such where types are handled as blocks. */
TEST(slots_of_many_types) {
  struct build b = {0}, types = {0};
  build_bytes(&types, "\2\x60\0\0\x60\0\x15", 7);
  for (int i = 0; i < 20; i++) build_bytes(&types, "\x7b", 1);
  build_bytes(&types, "\x7f", 1);
  build_head(&b);
  build_section(&b, 1, types.bytes, types.len_bytes);
  BUILD_SECTION(&b, 3, 2, 0, 1);
  /* call 1, 21 times drop, end; unreachable, end */
  BUILD_SECTION(&b, 10, 2, 25, 0, 0x10, 1, 0x1A, 0x1A, 0x1A, 0x1A, 0x1A, 0x1A, 0x1A, 0x1A, 0x1A, 0x1A, 0x1A, 0x1A, 0x1A,
                0x1A, 0x1A, 0x1A, 0x1A, 0x1A, 0x1A, 0x1A, 0x1A, 0x0B, 3, 0, 0x00, 0x0B);
  struct module *module = load_body(&b);
  CHECK_INT(module->funcs[0].frame_slots, 41);
  CHECK_INT(module->types[1].func.result_slots, 41);
  module_release(module);
}

/* Steps through function 0, and returns the instruction's number `index` (counted from 0) with the reader behind it. */
static struct module_insn step_to(struct module_body *body, const struct module *module, unsigned index) {
  struct module_insn insn;
  struct cay_error error = {.text = ""};
  CHECK_INT(module_body_begin(body, module, 0, &error), CAY_OK);
  for (unsigned i = 0; i <= index; i++) CHECK_INT(module_body_next(body, &insn), 1);
  return insn;
}

TEST(reader_shows_frames_and_operands) {
  struct build b = {0};
  /* block (result i32)  i32.const -5  i32.const 1  br_if 0  end  drop  end */
  BUILD_BODY(&b, 0, 0x02, 0x7F, 0x41, 0x7B, 0x41, 1, 0x0D, 0, 0x0B, 0x1A, 0x0B);
  struct module *module = load_body(&b);
  struct module_body body = {0};
  struct module_insn insn = step_to(&body, module, 0);
  CHECK_INT(insn.op, MODULE_OP_BLOCK);
  CHECK_INT(body.frames.count, 2);
  CHECK_INT(body.frames.items[1].kind, MODULE_FRAME_BLOCK);
  CHECK_INT(body.frames.items[1].result_count, 1);
  CHECK_INT(module_frame_results(&body.frames.items[1])[0], MODULE_I32);
  insn = step_to(&body, module, 1);
  CHECK_INT((int32_t)insn.imm.i32, -5);
  CHECK_INT(body.operands.count, 1);
  insn = step_to(&body, module, 3);
  CHECK_INT(insn.op, MODULE_OP_BR_IF);
  CHECK_INT(insn.imm.index[0], 0);
  CHECK_INT(body.operands.count, 1);
  insn = step_to(&body, module, 4);
  CHECK_INT(insn.op, MODULE_OP_END);
  CHECK_INT(body.frames.count, 1);
  CHECK_INT(body.operands.count, 1);
  insn = step_to(&body, module, 5);
  CHECK_INT(insn.imm.type, MODULE_I32);
  step_to(&body, module, 6);
  CHECK_INT(body.frames.count, 0);
  CHECK_INT(module_body_next(&body, &insn), 0);
  CHECK_INT(module->funcs[0].frame_slots, 2);
  module_body_deinit(&body);
  module_release(module);
}

TEST(reader_marks_unreachable_code) {
  struct build b = {0};
  /* 0 unreachable  1 block  2 drop  3 end  4 end */
  BUILD_BODY(&b, 0, 0x00, 0x02, 0x40, 0x1A, 0x0B, 0x0B);
  struct module_body body = {0};
  struct module *module;
  struct cay_error error;
  CHECK_INT(build_load(&b, &module, &error), CAY_ERROR_INVALID); /* a block begins reachable for the types */
  b = (struct build){0};
  /* 0 br 0  1 block  2 nop  3 end  4 drop  5 select  6 drop  7 end */
  BUILD_BODY(&b, 0, 0x0C, 0, 0x02, 0x40, 0x01, 0x0B, 0x1A, 0x1B, 0x1A, 0x0B);
  module = load_body(&b);
  step_to(&body, module, 0);
  CHECK(!body.was_unreachable);
  step_to(&body, module, 1);
  CHECK(body.was_unreachable && body.frames.items[1].entered_unreachable);
  step_to(&body, module, 2);
  CHECK(body.was_unreachable);
  struct module_insn insn = step_to(&body, module, 4);
  CHECK_INT(insn.imm.type, MODULE_BOTTOM);
  insn = step_to(&body, module, 5);
  CHECK_INT(insn.imm.type, MODULE_BOTTOM);
  module_body_deinit(&body);
  module_release(module);
}

/* What reads again without checks agrees with the reader that checks, and with the disassembler's. */
TEST(readers_agree) {
  for (unsigned op = 0; op < MODULE_OP_COUNT; op++) {
    const struct module_op_info *row = &module_ops[op];
    if (row->prefix != 0 || row->feature != MODULE_FEATURE_COUNT || op == MODULE_OP_ELSE) continue;
    struct build b = {0}, code = {0};
    build_head(&b);
    BUILD_SECTION(&b, 1, 1, 0x60, 0, 0);
    BUILD_SECTION(&b, 3, 1, 0);
    BUILD_SECTION(&b, 4, 1, 0x70, 0, 0);
    BUILD_SECTION(&b, 5, 1, 0, 0);
    BUILD_SECTION(&b, 6, 1, 0x7F, 1, 0x41, 0, 0x0B);
    /* size, 1 local of i32, unreachable, the instruction with immediates of zeros, unreachable, end (twice) */
    const uint8_t start[] = {1, 0, 1, 1, 0x7F, 0x00, (uint8_t)row->code};
    build_bytes(&code, start, sizeof start);
    unsigned zeros[] = {[MODULE_IMM_BLOCK] = 1,  [MODULE_IMM_LABEL] = 1,         [MODULE_IMM_BR_TABLE] = 2,
                        [MODULE_IMM_FUNC] = 1,   [MODULE_IMM_CALL_INDIRECT] = 2, [MODULE_IMM_LOCAL] = 1,
                        [MODULE_IMM_GLOBAL] = 1, [MODULE_IMM_MEMORY] = 1,        [MODULE_IMM_MEMARG] = 2,
                        [MODULE_IMM_I32] = 1,    [MODULE_IMM_I64] = 1,           [MODULE_IMM_F32] = 4,
                        [MODULE_IMM_F64] = 8,    [MODULE_IMM_FENCE] = 0};
    for (unsigned i = 0; i < zeros[row->imm]; i++) {
      build_bytes(&code, row->imm == MODULE_IMM_BLOCK ? "\x40" : "\0", 1);
    }
    build_bytes(&code, "\x00\x0b\x0b", row->imm == MODULE_IMM_BLOCK ? 3 : op == MODULE_OP_END ? 0 : 2);
    code.bytes[1] = (uint8_t)(code.len_bytes - 2);
    build_section(&b, 10, code.bytes, code.len_bytes);
    struct module *module = load_body(&b);
    if (!module) continue;
    struct module_body body = {0};
    struct module_insn insn = step_to(&body, module, 1), again = {0}, unchecked = {0};
    uint32_t cursor = insn.offset, cursor_unchecked = insn.offset;
    CHECK_INT(module_insn_decode(module, &cursor, body.end, &again, NULL), CAY_OK);
    CHECK_INT(insn.op, op);
    CHECK_INT(insn.op, again.op);
    CHECK_INT(cursor, body.cursor);
    CHECK(module_insn_again(module, &cursor_unchecked, &unchecked));
    CHECK_INT(unchecked.op, op);
    CHECK_INT(cursor_unchecked, body.cursor);
    if (row->imm != MODULE_IMM_NONE && row->imm != MODULE_IMM_BR_TABLE && op != MODULE_OP_DROP) {
      CHECK_INT(insn.imm.index[0], again.imm.index[0]);
      CHECK_INT(insn.imm.index[0], unchecked.imm.index[0]);
    }
    module_body_deinit(&body);
    module_release(module);
  }
}

TEST(operands_of_huge_blocks_are_bounded) {
  /* A type with 1000 results; then unreachable, and blocks of it in a row: each adds 1000 operands for 3 bytes. */
  struct build b = {0}, types = {0}, code = {0};
  build_bytes(&types, "\2\x60\0\0\x60\0", 6);
  build_u32(&types, 1000);
  for (int i = 0; i < 1000; i++) build_bytes(&types, "\x7f", 1);
  build_head(&b);
  build_section(&b, 1, types.bytes, types.len_bytes);
  BUILD_SECTION(&b, 3, 1, 0);
  build_u32(&code, 1);
  build_u32(&code, 2 + 4 * 200);
  build_bytes(&code, "\0\0", 2);
  for (int i = 0; i < 200; i++) build_bytes(&code, "\x02\x01\x00\x0b", 4);
  build_section(&b, 10, code.bytes, code.len_bytes);
  struct module *module;
  struct cay_error error;
  CHECK_INT(build_load(&b, &module, &error), CAY_ERROR_LIMIT);
}

TEST(ref_func_needs_a_declaration) {
  CHECK_BODY(CAY_ERROR_INVALID,
             "undeclared function reference: function 0 is neither exported nor in an element segment or global", 0,
             0xD2, 0, 0x1A, 0x0B);
}

/* Two bytes declare thousands of locals: they stay groups, so that a million such functions load in linear time. */
TEST(locals_stay_groups) {
  struct build b = {0};
  /* 4 groups: 20,000 i32, 0 f32, 20,000 i32, 1 f64; local.get 40000  drop  end */
  BUILD_BODY(&b, 4, 0xA0, 0x9C, 1, 0x7F, 0, 0x7D, 0xA0, 0x9C, 1, 0x7F, 1, 0x7C, 0x20, 0xC0, 0xB8, 2, 0x1A, 0x0B);
  struct module *module = load_body(&b);
  struct module_body body = {0};
  struct module_insn insn = step_to(&body, module, 0);
  CHECK_INT(insn.imm.index[0], 40000);
  CHECK_INT(body.operands.items[0], MODULE_F64);
  CHECK_INT(body.local_count, 40001);
  CHECK_INT(body.local_runs.count, 2);
  CHECK_INT(module_body_local(&body, 0), MODULE_I32);
  CHECK_INT(module_body_local(&body, 39999), MODULE_I32);
  module_body_deinit(&body);
  module_release(module);
}

TEST_MAIN(RUN(locals_stay_groups) RUN(messages) RUN(lanes) RUN(lanes_in_memory) RUN(address_types)
              RUN(slots_of_many_types) RUN(reader_shows_frames_and_operands) RUN(reader_marks_unreachable_code)
                  RUN(readers_agree) RUN(operands_of_huge_blocks_are_bounded) RUN(ref_func_needs_a_declaration))
