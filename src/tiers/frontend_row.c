/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Instructions in the front-end whose row of the instruction table says nearly everything: numbers, vectors, wide
 * arithmetic, accesses to memory, and what works on tables, memories and segments as a whole.
 *
 * frontend.c has fast ways for the usual ones among them; here is every one. */
#include <assert.h>

#include "tiers/frontend.h"

/* ---- Vectors and wide arithmetic ------------------------------------------------------------------------------------ */

static void do_v128_const(struct ir_frontend *fe, const struct module_insn *from) {
  struct ir_insn *insn = frontend_emit(fe, MODULE_OP_V128_CONST);
  insn->imm = base_load_u64(from->imm.v128);
  insn->konst = base_load_u64(from->imm.v128 + 8);
  frontend_push_result(fe, insn, MODULE_V128);
}

static void do_shuffle(struct ir_frontend *fe, const struct module_insn *from) {
  struct operand b = frontend_pop(fe), a = frontend_pop(fe);
  struct ir_insn *insn = frontend_emit(fe, MODULE_OP_I8X16_SHUFFLE);
  frontend_use_a(fe, insn, &a);
  frontend_use_b(fe, insn, &b);
  insn->imm = base_load_u64(from->imm.v128);
  insn->konst = base_load_u64(from->imm.v128 + 8);
  frontend_push_result(fe, insn, MODULE_V128);
}

static void do_lane(struct ir_frontend *fe, const struct module_op_info *row, const struct module_insn *from) {
  struct operand value = row->param_count == 2 ? frontend_pop_slot(fe) : (struct operand){0};
  struct operand a = frontend_pop(fe);
  struct ir_insn *insn = frontend_emit(fe, from->op);
  frontend_use_a(fe, insn, &a);
  if (row->param_count == 2) frontend_use_b(fe, insn, &value);
  insn->imm = from->imm.index[0];
  frontend_push_result(fe, insn, row->results[0]);
}

static void do_ternary(struct ir_frontend *fe, uint16_t op) {
  struct operand c = frontend_pop(fe), b = frontend_pop(fe), a = frontend_pop(fe);
  struct ir_insn *insn = frontend_emit(fe, op);
  frontend_use_a(fe, insn, &a);
  frontend_use_b(fe, insn, &b);
  insn->c = c.at;
  frontend_push_result(fe, insn, MODULE_V128);
  if (BASE_UNLIKELY(fe->canonical_nans)) frontend_make_canonical(fe, op);
}

/* The number goes to the address's temporary, which is free then, and on from there. */
static void do_load_lane(struct ir_frontend *fe, const struct module_insn *from, uint16_t load, uint16_t replace) {
  struct operand vector = frontend_pop(fe), address = frontend_pop_address(fe, from->op, &from->imm.memarg);
  struct ir_insn *insn = frontend_emit(fe, load);
  frontend_use_address(fe, insn, &address, &from->imm.memarg);
  insn->result = IR_CLASS_INT;
  insn->d = address.slot;
  insn = frontend_emit(fe, replace);
  frontend_use_a(fe, insn, &vector);
  insn->b = address.slot;
  insn->flags |= IR_B_TEMP;
  insn->imm = from->imm.memarg.lane;
  frontend_push_result(fe, insn, MODULE_V128);
}

/* The number goes to the vector's temporary. */
static void do_store_lane(struct ir_frontend *fe, const struct module_insn *from, uint16_t extract, uint16_t store) {
  struct operand vector = frontend_pop(fe), address = frontend_pop_address(fe, from->op, &from->imm.memarg);
  struct ir_insn *insn = frontend_emit(fe, extract);
  frontend_use_a(fe, insn, &vector);
  insn->imm = from->imm.memarg.lane;
  insn->result = IR_CLASS_INT;
  insn->d = vector.slot;
  insn = frontend_emit(fe, store);
  frontend_use_address(fe, insn, &address, &from->imm.memarg);
  insn->b = vector.slot;
  insn->flags |= IR_B_TEMP;
}

static void do_wide(struct ir_frontend *fe, const struct module_op_info *row, uint16_t op) {
  struct operand operands[4];
  for (unsigned i = row->param_count; i-- > 0;) operands[i] = frontend_pop_slot(fe);
  struct ir_insn *insn = frontend_emit(fe, op);
  frontend_use_a(fe, insn, &operands[0]);
  frontend_use_b(fe, insn, &operands[1]);
  if (row->param_count == 4) {
    insn->c = operands[2].at;
    insn->imm = operands[3].at;
  }
  frontend_push_result(fe, insn, MODULE_I32);
  frontend_push(fe, MODULE_I64);
  insn->result = IR_CLASS_NONE;
}

/* What the deterministic profile prescribes in place of a relaxed instruction that has a faster outcome here. */
static uint16_t deterministic_op(uint16_t op) {
  switch (op) {
  case MODULE_OP_I32X4_RELAXED_TRUNC_F32X4_S: return MODULE_OP_I32X4_TRUNC_SAT_F32X4_S;
  case MODULE_OP_I32X4_RELAXED_TRUNC_F32X4_U: return MODULE_OP_I32X4_TRUNC_SAT_F32X4_U;
  case MODULE_OP_I32X4_RELAXED_TRUNC_F64X2_S_ZERO: return MODULE_OP_I32X4_TRUNC_SAT_F64X2_S_ZERO;
  case MODULE_OP_I32X4_RELAXED_TRUNC_F64X2_U_ZERO: return MODULE_OP_I32X4_TRUNC_SAT_F64X2_U_ZERO;
  case MODULE_OP_F32X4_RELAXED_MIN: return MODULE_OP_F32X4_MIN;
  case MODULE_OP_F32X4_RELAXED_MAX: return MODULE_OP_F32X4_MAX;
  case MODULE_OP_F64X2_RELAXED_MIN: return MODULE_OP_F64X2_MIN;
  case MODULE_OP_F64X2_RELAXED_MAX: return MODULE_OP_F64X2_MAX;
  case MODULE_OP_I16X8_RELAXED_Q15MULR_S: return MODULE_OP_I16X8_Q15MULR_SAT_S;
  default: return op;
  }
}

/* ---- NaNs ----------------------------------------------------------------------------------------------------------- */

static uint16_t canonical_op(uint32_t flags, enum ir_class cls) {
  bool is_32 = flags & MODULE_OP_NAN32;
  if (cls == IR_CLASS_V128) return is_32 ? MODULE_OP_F32X4_CANONICAL : MODULE_OP_F64X2_CANONICAL;
  return is_32 ? MODULE_OP_F32_CANONICAL : MODULE_OP_F64_CANONICAL;
}

static bool may_make_nan(uint16_t op) { return (module_ops[op].flags & (MODULE_OP_NAN32 | MODULE_OP_NAN64)) != 0; }

/* Whether a NaN that goes into `op` comes out as some NaN, whatever its bits are: of vectors, in lanes of one kind. */
static bool hides_nan(uint16_t op, uint16_t canonical) {
  bool changes_lanes = op == MODULE_OP_F32X4_DEMOTE_F64X2_ZERO || op == MODULE_OP_F64X2_PROMOTE_LOW_F32X4;
  switch (canonical) {
  case MODULE_OP_F32_CANONICAL:
  case MODULE_OP_F64_CANONICAL: return may_make_nan(op);
  case MODULE_OP_F32X4_CANONICAL: return (module_ops[op].flags & MODULE_OP_NAN32) && !changes_lanes;
  case MODULE_OP_F64X2_CANONICAL: return (module_ops[op].flags & MODULE_OP_NAN64) && !changes_lanes;
  default: return false;
  }
}

void frontend_leave_nan(struct ir_frontend *fe, uint16_t op, const struct operand *operand) {
  if (operand->place != PLACE_TEMP || fe->last == UINT32_MAX || fe->last + 1 != fe->out.insns.count) return;
  const struct ir_insn *newest = &fe->out.insns.items[fe->last];
  if (newest->d != operand->slot || newest->a != operand->slot || !hides_nan(op, newest->op)) return;
  fe->out.insns.count = fe->last--; /* what made it stands right in front */
}

void frontend_make_canonical(struct ir_frontend *fe, uint16_t op) {
  uint32_t flags = module_ops[op].flags;
  if (!may_make_nan(op) || fe->operands.count == 0) return;
  const struct operand *result = &fe->operands.items[fe->operands.count - 1];
  struct ir_insn *insn = frontend_emit(fe, canonical_op(flags, result->cls));
  insn->d = insn->a = result->slot;
  insn->flags = IR_A_TEMP;
  insn->result = result->cls;
}

/* ---- Without register form ------------------------------------------------------------------------------------------ */

/* An instruction without register form: operands in consecutive temporaries from `a`, index immediates in imm. */
static struct ir_insn *do_plain(struct ir_frontend *fe, const struct module_insn *from, uint32_t params,
                                module_type result) {
  frontend_settle_top(fe, params);
  if (BASE_UNLIKELY(fe->has_fuel)) frontend_charge_size(fe, from);
  for (uint32_t i = 0; i < params; i++) frontend_pop(fe);
  struct ir_insn *insn = frontend_emit(fe, from->op);
  insn->a = frontend_top_slot(fe);
  insn->imm = from->imm.index[0] | (uint64_t)from->imm.index[1] << 32;
  if (result != MODULE_BOTTOM) frontend_push_result(fe, insn, result);
  return insn;
}

/* An atomic access: operands as of a plain instruction, address first; where it goes as of a load. */
static void do_atomic(struct ir_frontend *fe, const struct module_op_info *row, const struct module_insn *from) {
  module_type result = row->result_count ? row->results[0] : MODULE_BOTTOM;
  struct ir_insn *insn = do_plain(fe, from, row->param_count, result);
  insn->imm = from->imm.memarg.offset;
  insn->c = from->imm.memarg.memory;
}

static void translate_access(struct ir_frontend *fe, const struct module_op_info *row, const struct module_insn *insn) {
  if (row->flags & MODULE_OP_ATOMIC)
    do_atomic(fe, row, insn);
  else if (row->flags & MODULE_OP_LOAD)
    frontend_load(fe, insn->op, ir_class_of(row->results[0]), &insn->imm.memarg);
  else
    frontend_store(fe, insn->op, &insn->imm.memarg);
}

/* Numbers and memory accesses, by what their row says. */
static void translate_by_row(struct ir_frontend *fe, const struct module_insn *insn) {
  const struct module_op_info *row = &module_ops[insn->op];
  uint16_t op = fe->deterministic ? deterministic_op(insn->op) : insn->op;
  if (row->result_count == 2)
    do_wide(fe, row, insn->op);
  else if (row->imm == MODULE_IMM_LANE)
    do_lane(fe, row, insn);
  else if (row->imm != MODULE_IMM_NONE)
    translate_access(fe, row, insn);
  else if (row->param_count == 2)
    frontend_binary(fe, op, ir_class_of(row->results[0]));
  else if (row->param_count == 1)
    frontend_unary(fe, op, ir_class_of(row->results[0]));
  else
    do_ternary(fe, op);
}

void frontend_row_insn(struct ir_frontend *fe, const struct module_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_V128_CONST: do_v128_const(fe, insn); break;
  case MODULE_OP_I8X16_SHUFFLE: do_shuffle(fe, insn); break;
  case MODULE_OP_V128_LOAD8_LANE: do_load_lane(fe, insn, MODULE_OP_I32_LOAD8_U, MODULE_OP_I8X16_REPLACE_LANE); break;
  case MODULE_OP_V128_LOAD16_LANE: do_load_lane(fe, insn, MODULE_OP_I32_LOAD16_U, MODULE_OP_I16X8_REPLACE_LANE); break;
  case MODULE_OP_V128_LOAD32_LANE: do_load_lane(fe, insn, MODULE_OP_I32_LOAD, MODULE_OP_I32X4_REPLACE_LANE); break;
  case MODULE_OP_V128_LOAD64_LANE: do_load_lane(fe, insn, MODULE_OP_I64_LOAD, MODULE_OP_I64X2_REPLACE_LANE); break;
  case MODULE_OP_V128_STORE8_LANE: do_store_lane(fe, insn, MODULE_OP_I8X16_EXTRACT_LANE_U, MODULE_OP_I32_STORE8); break;
  case MODULE_OP_V128_STORE16_LANE:
    do_store_lane(fe, insn, MODULE_OP_I16X8_EXTRACT_LANE_U, MODULE_OP_I32_STORE16);
    break;
  case MODULE_OP_V128_STORE32_LANE: do_store_lane(fe, insn, MODULE_OP_I32X4_EXTRACT_LANE, MODULE_OP_I32_STORE); break;
  case MODULE_OP_V128_STORE64_LANE: do_store_lane(fe, insn, MODULE_OP_I64X2_EXTRACT_LANE, MODULE_OP_I64_STORE); break;
  case MODULE_OP_REF_FUNC:
  case MODULE_OP_MEMORY_SIZE:
  case MODULE_OP_TABLE_SIZE: do_plain(fe, insn, 0, MODULE_I32); break;
  case MODULE_OP_DATA_DROP:
  case MODULE_OP_ELEM_DROP: do_plain(fe, insn, 0, MODULE_BOTTOM); break;
  case MODULE_OP_MEMORY_GROW: do_plain(fe, insn, 1, MODULE_I32); break;
  case MODULE_OP_TABLE_GET: do_plain(fe, insn, 1, fe->body.module->tables[insn->imm.index[0]].type.elem); break;
  case MODULE_OP_TABLE_SET: do_plain(fe, insn, 2, MODULE_BOTTOM); break;
  case MODULE_OP_TABLE_GROW: do_plain(fe, insn, 2, MODULE_I32); break;
  case MODULE_OP_MEMORY_FILL:
  case MODULE_OP_MEMORY_COPY:
  case MODULE_OP_MEMORY_INIT:
  case MODULE_OP_TABLE_FILL:
  case MODULE_OP_TABLE_COPY:
  case MODULE_OP_TABLE_INIT: do_plain(fe, insn, 3, MODULE_BOTTOM); break;
  default: translate_by_row(fe, insn);
  }
}
