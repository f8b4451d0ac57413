/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Sequences of register instructions that become one handler. Each is here because measuring showed that it pays:
 *
 *   add, load                  array of bytes, structure behind a computed pointer
 *   shl, add, load / shl, add  array of larger elements
 *   mul, add or sub (floats)   inner products; rounded twice, as two instructions would
 *   add, compare, branch       the end of a counting loop
 *
 * A sequence is joined only when the values between its parts are temporaries, which nobody else reads. */
#include "tiers/interp/encode.h"

#include <assert.h>

enum { FORM_SS, FORM_RS, FORM_SR };

static bool is_temp_result(const struct interp_encoder *e, const struct ir_insn *insn) {
  return insn->d > e->function->link_slot;
}

static bool reads_as_a(const struct ir_insn *insn, uint32_t slot) {
  return (insn->flags & IR_A_TEMP) && insn->a == slot;
}

static bool reads_as_b(const struct ir_insn *insn, uint32_t slot) {
  return (insn->flags & IR_B_TEMP) && insn->b == slot;
}

/* Emits the family's form for operands a and b (one of them may be in the accumulator of `cls`), result as `last`
 * makes it; `last` is `steps` instructions further on. */
static void emit_fused(struct interp_encoder *e, uint32_t first, enum ir_class cls, uint32_t a, uint32_t b,
                       uint32_t high, const struct ir_insn *last, uint32_t steps) {
  uint32_t form = interp_mirrored(e, cls, a) ? FORM_RS : interp_mirrored(e, cls, b) ? FORM_SR : FORM_SS;
  e->next += steps;
  bool store = !interp_stays_in_accumulator(e, last);
  assert(b <= UINT16_MAX && high <= UINT16_MAX);
  interp_emit(e, first + form * 2 + store, store ? last->d : 0, a, b | high << 16);
  interp_has_result(e, last);
}

/* As emit_fused for operands that can be exchanged: families without a form for b in the accumulator. */
static void emit_fused_commuting(struct interp_encoder *e, uint32_t first, enum ir_class cls, uint32_t a, uint32_t b,
                                 uint32_t high, const struct ir_insn *last, uint32_t steps) {
  bool exchange = !interp_mirrored(e, cls, a) && interp_mirrored(e, cls, b);
  emit_fused(e, first, cls, exchange ? b : a, exchange ? a : b, high, last, steps);
}

/* The load at `distance` whose address is temporary `slot`, with an offset of at most `max_offset`; or NULL. */
static const struct ir_insn *load_of(const struct interp_encoder *e, uint32_t distance, uint32_t slot,
                                     uint32_t max_offset) {
  const struct ir_insn *load = interp_following(e, distance);
  bool fits = load && load->op < MODULE_OP_COUNT && interp_rows[load->op].kind == INTERP_KIND_LOAD &&
              !ir_access_is_general(e->module, load->c) && reads_as_a(load, slot) && load->imm <= max_offset;
  return fits ? load : NULL;
}

/* The first of the forms of a load with an index. Where there are few, the one for slots is the first and not the second. */
static uint32_t indexed_forms(const struct ir_insn *load) { return interp_rows[load->op].fused - INTERP_FEW; }

static bool fuse_add_load(struct interp_encoder *e, const struct ir_insn *add) {
  if (add->flags & IR_B_CONST) return false;
  const struct ir_insn *load = load_of(e, 1, add->d, UINT16_MAX);
  if (!load) return false;
  emit_fused_commuting(e, indexed_forms(load), IR_CLASS_INT, add->a, add->b, (uint32_t)load->imm, load, 1);
  return true;
}

static bool fuse_shift_add(struct interp_encoder *e, const struct ir_insn *shift) {
  enum { ADD_FORMS = INTERP_FEW ? 1 : 4, MAX_SHIFT = 7, MAX_OFFSET = UINT16_MAX >> 3 };
  const struct ir_insn *add = interp_following(e, 1);
  if (!(shift->flags & IR_B_CONST) || !add || add->op != MODULE_OP_I32_ADD || (add->flags & IR_B_CONST)) return false;
  bool is_a = reads_as_a(add, shift->d);
  if (!is_a && !reads_as_b(add, shift->d)) return false;
  uint32_t base = is_a ? add->b : add->a, distance = (uint32_t)shift->konst & 31;
  const struct ir_insn *load =
      distance <= MAX_SHIFT && is_temp_result(e, add) ? load_of(e, 2, add->d, MAX_OFFSET) : NULL;
  if (load)
    emit_fused(e, indexed_forms(load) + ADD_FORMS, IR_CLASS_INT, base, shift->a, distance | (uint32_t)load->imm << 3,
               load, 2);
  else
    emit_fused(e, INTERP_i32_add_shl_ss_r, IR_CLASS_INT, base, shift->a, distance, add, 1);
  return true;
}

static bool fuse_multiply(struct interp_encoder *e, const struct ir_insn *multiply, uint16_t add, uint16_t subtract,
                          uint32_t first) {
  enum { OPERATION_FORMS = 4 };
  enum { MUL_ADD, MUL_FROM, MUL_SUB };
  const struct ir_insn *next = interp_following(e, 1);
  if ((multiply->flags & IR_B_CONST) || !next || (next->flags & IR_B_CONST)) return false;
  if (next->op != add && next->op != subtract) return false;
  bool is_a = reads_as_a(next, multiply->d);
  if (!is_a && !reads_as_b(next, multiply->d)) return false;
  uint32_t third = is_a ? next->b : next->a;
  uint32_t operation = next->op == add ? MUL_ADD : is_a ? MUL_SUB : MUL_FROM;
  emit_fused_commuting(e, first + operation * OPERATION_FORMS, interp_rows[multiply->op].operand, multiply->a,
                       multiply->b, third, next, 1);
  return true;
}

/* Where a counting loop's branch goes, when that is behind us and near enough. */
static bool near_loop_head(const struct interp_encoder *e, const struct ir_insn *branch, int32_t *distance) {
  uint32_t at = e->labels.items[branch->imm];
  if (at == UINT32_MAX) return false;
  *distance = (int32_t)(at - (uint32_t)e->insns.count);
  return *distance >= INT16_MIN;
}

static void emit_count(struct interp_encoder *e, const struct ir_insn *add, uint32_t handler, uint32_t limit,
                       int32_t distance, uint32_t steps) {
  uint32_t step = (uint16_t)add->konst, target = (uint16_t)distance;
  interp_emit(e, handler, limit, add->a, step | target << 16);
  interp_has_result(e, add);
  e->next += steps;
}

/* local += constant; branch while the local is not zero */
static bool fuse_count_to_zero(struct interp_encoder *e, const struct ir_insn *add) {
  enum { LIMIT_CONSTANT = 1 };
  const struct ir_insn *branch = interp_following(e, 1);
  int32_t distance;
  if (!branch || branch->op != IR_BR_IF || branch->a != add->d || !near_loop_head(e, branch, &distance)) return false;
  uint16_t op = branch->flags & IR_NEGATED ? MODULE_OP_I32_EQ : MODULE_OP_I32_NE;
  emit_count(e, add, interp_rows[op].fused + LIMIT_CONSTANT, 0, distance, 1);
  return true;
}

/* local += constant; branch on a comparison of the local */
static bool fuse_count(struct interp_encoder *e, const struct ir_insn *add) {
  const struct interp_row *add_row = &interp_rows[MODULE_OP_I32_ADD];
  if (!(add->flags & IR_B_CONST) || is_temp_result(e, add) || add->d != add->a || !interp_fits_16(add_row, add->konst))
    return false;
  if (fuse_count_to_zero(e, add)) return true;
  const struct ir_insn *compare = interp_following(e, 1), *branch = interp_following(e, 2);
  if (!branch || compare->op >= MODULE_OP_COUNT || !interp_rows[compare->op].fused || branch->op != IR_BR_IF)
    return false;
  if (interp_rows[compare->op].kind != INTERP_KIND_BINARY || !reads_as_a(branch, compare->d)) return false;
  bool is_const = compare->flags & IR_B_CONST, exchanged = compare->a != add->d;
  uint32_t limit = is_const ? (uint16_t)compare->konst : exchanged ? compare->a : compare->b;
  if (exchanged ? is_const || compare->b != add->d : !is_const && compare->b == add->d) return false;
  if (is_const && !interp_fits_16(add_row, compare->konst)) return false;
  int32_t distance;
  if (!near_loop_head(e, branch, &distance)) return false;
  const struct interp_row *row = &interp_rows[exchanged ? ir_mirrored[compare->op] : compare->op];
  emit_count(e, add, (branch->flags & IR_NEGATED ? row->fused_not : row->fused) + is_const, limit, distance, 2);
  return true;
}

bool interp_fuse(struct interp_encoder *e, const struct ir_insn *insn) {
  if (!INTERP_FEW && insn->op == MODULE_OP_I32_ADD && fuse_count(e, insn)) return true;
  if (!is_temp_result(e, insn)) return false;
  switch (insn->op) {
  case MODULE_OP_I32_ADD: return fuse_add_load(e, insn);
  case MODULE_OP_I32_SHL: return fuse_shift_add(e, insn);
  case MODULE_OP_F32_MUL: return fuse_multiply(e, insn, MODULE_OP_F32_ADD, MODULE_OP_F32_SUB, INTERP_f32_mul_add_ss_r);
  case MODULE_OP_F64_MUL: return fuse_multiply(e, insn, MODULE_OP_F64_ADD, MODULE_OP_F64_SUB, INTERP_f64_mul_add_ss_r);
  default: return false;
  }
}
