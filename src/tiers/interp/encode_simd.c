/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The encoder's part for vectors and wide arithmetic: which form of a family. Vectors are in slots; a number among the
 * operands may be in its accumulator, one that is the result goes there. */
#include "tiers/interp/arch_shuffle.h"
#include "tiers/interp/encode.h"

#include <assert.h>

enum { NUMBER_IN_SLOT, NUMBER_IN_ACCUMULATOR, NUMBER_CONST };

static uint32_t address_form(const struct interp_encoder *e, const struct ir_insn *insn) {
  if (insn->flags & IR_A_CONST) return NUMBER_CONST;
  return interp_mirrored(e, IR_CLASS_INT, insn->a) ? NUMBER_IN_ACCUMULATOR : NUMBER_IN_SLOT;
}

static void encode_number_result(struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  bool store = !interp_stays_in_accumulator(e, insn);
  interp_emit(e, row->first + store, store ? insn->d : 0, insn->a, (uint32_t)insn->imm);
}

static void encode_shift(struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  bool is_const = insn->flags & IR_B_CONST;
  uint32_t form = is_const ? NUMBER_CONST : interp_mirrored(e, row->operand, insn->b);
  interp_emit(e, row->first + form, insn->d, insn->a, is_const ? (uint32_t)insn->konst : insn->b);
}

static void encode_access(struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  uint32_t a = insn->flags & IR_A_CONST ? 0 : insn->a;
  uint32_t vector = row->kind == INTERP_KIND_V_LOAD ? insn->d : insn->b;
  if (interp_is_general(e, insn)) {
    interp_emit(e, row->general, vector, a, 0);
    interp_target_place(e, insn);
    return;
  }
  interp_emit(e, row->first + address_form(e, insn), vector, a, (uint32_t)insn->imm);
}

static bool is_swizzle(const struct ir_insn *insn) {
  return insn->op == MODULE_OP_I8X16_SWIZZLE || insn->op == MODULE_OP_I8X16_RELAXED_SWIZZLE;
}

void interp_encode_vector(struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  switch (row->kind) {
  case INTERP_KIND_V_SPLAT:
    interp_emit(e, row->first + interp_mirrored(e, row->operand, insn->a), insn->d, insn->a, 0);
    break;
  case INTERP_KIND_V_REPLACE:
    interp_emit(e, row->first + interp_mirrored(e, row->operand, insn->b), insn->d, insn->a,
                insn->b | (uint32_t)insn->imm << 16);
    break;
  case INTERP_KIND_V_TEST:
  case INTERP_KIND_V_EXTRACT: encode_number_result(e, insn, row); break;
  case INTERP_KIND_V_SHIFT: encode_shift(e, insn, row); break;
  case INTERP_KIND_V_LOAD: encode_access(e, insn, row); break;
  case INTERP_KIND_V_STORE: encode_access(e, insn, row); return;
  case INTERP_KIND_V_BINARY:
    interp_emit(e, is_swizzle(insn) && interp_arch_shuffles() ? (uint32_t)INTERP_i8x16_swizzle_fast : row->first,
                insn->d, insn->a, insn->b);
    break;
  default:
    assert(row->kind == INTERP_KIND_V_UNARY || row->kind == INTERP_KIND_V_TERNARY);
    interp_emit(e, row->first, insn->d, insn->a, insn->b | insn->c << 16);
    break;
  }
  interp_has_result(e, insn);
}

void interp_encode_inline_vector(struct interp_encoder *e, const struct ir_insn *insn) {
  uint32_t handler = insn->op == MODULE_OP_V128_CONST ? INTERP_v128_const
                     : interp_arch_shuffles()         ? INTERP_i8x16_shuffle_fast
                                                      : INTERP_i8x16_shuffle;
  interp_emit(e, handler, insn->d, insn->a, insn->b);
  uint64_t halves[2] = {insn->imm, insn->konst};
  void *room = interp_emit_room(e, INTERP_V128_INSNS);
  if (room) memcpy(room, halves, sizeof halves);
  interp_has_result(e, insn);
}

void interp_encode_wide(struct interp_encoder *e, const struct ir_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_I64_MUL_WIDE_S: interp_emit(e, INTERP_i64_mul_wide_s, insn->d, insn->a, insn->b); return;
  case MODULE_OP_I64_MUL_WIDE_U: interp_emit(e, INTERP_i64_mul_wide_u, insn->d, insn->a, insn->b); return;
  default: break;
  }
  uint32_t handler = insn->op == MODULE_OP_I64_ADD128 ? INTERP_i64_add128 : INTERP_i64_sub128;
  interp_emit(e, handler, insn->d, insn->a, insn->b | insn->c << 16);
  interp_emit(e, INTERP_unreachable, 0, (uint32_t)insn->imm, 0); /* only its a is read */
}
