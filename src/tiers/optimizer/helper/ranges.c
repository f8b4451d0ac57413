/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Copying and filling in memory 0.
 *
 * What programs copy is mostly short, and then the way to the runtime takes longer than the copy. So a few bytes are moved in
 * line when all of them lie in the memory: the first and the last ones of a width, which overlap where there are fewer than
 * two times as many. Loads come before stores, as the ranges may overlap, too. The runtime does all else, and traps. Without
 * guard pages it does everything: there a processor that reads ahead could leave the memory. */
#include <stddef.h>

#include "tiers/baseline/code.h"
#include "tiers/optimizer/helper/helper.h"

enum { MOST_WIDTH = 16, MOST_BYTES = 2 * MOST_WIDTH };

/* The operands, in 64 bits each. */
struct range {
  bool is_copy;
  LLVMValueRef to, source, count; /* source: an address, or the byte to fill with */
};

static LLVMTypeRef type_of_width(const struct batch *b, uint32_t width) {
  return width == MOST_WIDTH ? b->types[VALUE_V128] : LLVMIntTypeInContext(b->context, width * 8);
}

/* The byte to fill with, as often as the width has it. */
static LLVMValueRef spread(struct batch *b, const struct range *range, uint32_t width) {
  LLVMTypeRef i64 = b->types[VALUE_I64], type = type_of_width(b, width);
  LLVMValueRef byte = LLVMBuildAnd(b->builder, range->source, LLVMConstInt(i64, 0xff, false), "");
  LLVMValueRef word = LLVMBuildMul(b->builder, byte, LLVMConstInt(i64, UINT64_C(0x0101010101010101), false), "");
  if (width < sizeof(uint64_t)) return LLVMBuildTrunc(b->builder, word, type, "");
  if (width == sizeof(uint64_t)) return word;
  LLVMValueRef pair = LLVMGetPoison(type);
  for (unsigned i = 0; i < 2; i++)
    pair = LLVMBuildInsertElement(b->builder, pair, word, LLVMConstInt(b->types[VALUE_I32], i, false), "");
  return pair;
}

/* The first and the last `width` bytes. */
static void move(struct batch *b, const struct range *range, LLVMValueRef base, uint32_t width) {
  LLVMTypeRef i64 = b->types[VALUE_I64], type = type_of_width(b, width);
  LLVMValueRef last = LLVMBuildSub(b->builder, range->count, LLVMConstInt(i64, width, false), "");
  LLVMValueRef offsets[] = {LLVMConstNull(i64), last}, values[BASE_ARRAY_LEN(offsets)];
  for (size_t i = 0; i < BASE_ARRAY_LEN(offsets); i++) {
    LLVMValueRef from = LLVMBuildAdd(b->builder, range->source, offsets[i], "");
    values[i] = range->is_copy ? memory_read(b, memory_at(b, base, from), type) : spread(b, range, width);
  }
  for (size_t i = 0; i < BASE_ARRAY_LEN(offsets); i++)
    memory_write(b, memory_at(b, base, LLVMBuildAdd(b->builder, range->to, offsets[i], "")), values[i]);
}

/* 1 to MOST_BYTES bytes that lie in the memory. */
static void build_short(struct batch *b, const struct range *range, LLVMBasicBlockRef done) {
  LLVMValueRef base = memory_base(b, 0);
  for (uint32_t width = MOST_WIDTH; width > 0; width /= 2) {
    LLVMBasicBlockRef fits = control_block(b), shorter = width > 1 ? control_block(b) : NULL;
    LLVMValueRef least = LLVMConstInt(b->types[VALUE_I64], width, false);
    if (shorter)
      LLVMBuildCondBr(b->builder, LLVMBuildICmp(b->builder, LLVMIntUGE, range->count, least, ""), fits, shorter);
    else
      LLVMBuildBr(b->builder, fits);
    LLVMPositionBuilderAtEnd(b->builder, fits);
    move(b, range, base, width);
    LLVMBuildBr(b->builder, done);
    if (shorter) LLVMPositionBuilderAtEnd(b->builder, shorter);
  }
}

/* Addresses and lengths of 32 bits, so that their sums do not overflow. */
static LLVMValueRef is_short(struct batch *b, const struct range *range) {
  LLVMTypeRef i64 = b->types[VALUE_I64];
  LLVMValueRef memory = memory_load(b, 0);
  LLVMValueRef length = value_load(b, i64, memory, offsetof(struct engine_memory, len_bytes));
  LLVMValueRef before = LLVMBuildSub(b->builder, range->count, LLVMConstInt(i64, 1, false), "");
  LLVMValueRef is = LLVMBuildICmp(b->builder, LLVMIntULT, before, LLVMConstInt(i64, MOST_BYTES, false), "");
  const LLVMValueRef begins[] = {range->to, range->source};
  for (int i = 0; i < 1 + range->is_copy; i++) {
    LLVMValueRef end = LLVMBuildAdd(b->builder, begins[i], range->count, "");
    is = LLVMBuildAnd(b->builder, is, LLVMBuildICmp(b->builder, LLVMIntULE, end, length, ""), "");
  }
  return is;
}

static void build_away(struct batch *b, const struct range *range) {
  LLVMValueRef arguments[] = {b->inst, range->to, range->source, range->count};
  uint64_t copy = offsetof(struct baseline_runtime, copy), fill = offsetof(struct baseline_runtime, fill);
  control_call_runtime(b, range->is_copy ? copy : fill, arguments, BASE_ARRAY_LEN(arguments));
  control_look_on_return(b);
}

/* The operands are a temporary and the two behind it. */
bool range_insn(struct batch *b, const struct ir_insn *insn) {
  bool is_copy = insn->op == MODULE_OP_MEMORY_COPY;
  if ((!is_copy && insn->op != MODULE_OP_MEMORY_FILL) || insn->imm != 0) return false;
  struct range range = {is_copy, value_read(b, insn->a, VALUE_I64), value_read(b, insn->a + 1, VALUE_I64),
                        value_read(b, insn->a + 2, VALUE_I64)};
  if (b->job->flags & WIRE_EXPLICIT_BOUNDS) {
    build_away(b, &range);
    return true;
  }
  LLVMBasicBlockRef in_line = control_block(b), away = control_block(b), done = control_block(b);
  LLVMBuildCondBr(b->builder, is_short(b, &range), in_line, away);
  LLVMPositionBuilderAtEnd(b->builder, in_line);
  build_short(b, &range, done);
  LLVMPositionBuilderAtEnd(b->builder, away);
  build_away(b, &range);
  LLVMBuildBr(b->builder, done);
  LLVMPositionBuilderAtEnd(b->builder, done);
  return true;
}
