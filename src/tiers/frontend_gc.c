/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* References, casts, structures and arrays in the front-end.
 *
 * Reading, writing and casting take their operands where they are. What allocates takes them from consecutive
 * temporaries, and says which temporaries hold references meanwhile (frontend_references), its own operands among them:
 * a collection may come before the new object has taken them over. Casts and null checks leave their operand in its
 * place. Branches on casts and on null are a test and a conditional branch. */
#include <assert.h>

#include "tiers/frontend.h"

static const struct module_def_type *def_of(const struct ir_frontend *fe, uint32_t type) {
  return &fe->body.module->types[type];
}

static uint64_t both(const struct module_insn *insn) { return insn->imm.index[0] | (uint64_t)insn->imm.index[1] << 32; }

static module_type unpacked(module_type type) { return type == MODULE_I8 || type == MODULE_I16 ? MODULE_I32 : type; }

/* ---- Reading and writing ----------------------------------------------------------------------------------------- */

static void do_struct_get(struct ir_frontend *fe, const struct module_insn *from) {
  struct operand object = frontend_pop_slot(fe);
  struct ir_insn *insn = frontend_emit(fe, from->op);
  frontend_use_a(fe, insn, &object);
  insn->imm = both(from);
  frontend_push_result(fe, insn, unpacked(def_of(fe, from->imm.index[0])->fields[from->imm.index[1]].type));
}

static void do_struct_set(struct ir_frontend *fe, const struct module_insn *from) {
  struct operand value = frontend_pop_slot(fe), object = frontend_pop_slot(fe);
  struct ir_insn *insn = frontend_emit(fe, from->op);
  frontend_use_a(fe, insn, &object);
  frontend_use_b(fe, insn, &value);
  insn->imm = both(from);
}

static void do_array_get(struct ir_frontend *fe, const struct module_insn *from) {
  struct operand index = frontend_pop_slot(fe), array = frontend_pop_slot(fe);
  struct ir_insn *insn = frontend_emit(fe, from->op);
  frontend_use_a(fe, insn, &array);
  frontend_use_b(fe, insn, &index);
  insn->imm = from->imm.index[0];
  frontend_push_result(fe, insn, unpacked(def_of(fe, from->imm.index[0])->fields->type));
}

static void do_array_set(struct ir_frontend *fe, const struct module_insn *from) {
  struct operand value = frontend_pop_slot(fe), index = frontend_pop_slot(fe), array = frontend_pop_slot(fe);
  struct ir_insn *insn = frontend_emit(fe, from->op);
  frontend_use_a(fe, insn, &array);
  frontend_use_b(fe, insn, &index);
  insn->c = value.at;
  if (value.place == PLACE_TEMP) insn->flags |= IR_C_TEMP;
  insn->imm = from->imm.index[0];
}

/* One operand, one i32: array.len, i31.get, ref.test. */
static void do_query(struct ir_frontend *fe, uint16_t op, uint64_t imm) {
  struct operand reference = frontend_pop_slot(fe);
  struct ir_insn *insn = frontend_emit(fe, op);
  frontend_use_a(fe, insn, &reference);
  insn->imm = imm;
  frontend_push_result(fe, insn, MODULE_I32);
}

static void do_ref_i31(struct ir_frontend *fe) {
  struct operand value = frontend_pop_slot(fe);
  struct ir_insn *insn = frontend_emit(fe, MODULE_OP_REF_I31);
  frontend_use_a(fe, insn, &value);
  frontend_push_result(fe, insn, MODULE_REF | MODULE_HEAP_I31);
}

/* Checks the topmost operand, which stays where it is. */
static void do_check(struct ir_frontend *fe, uint16_t op, module_type type) {
  if (fe->operands.count == 0) return; /* memory ran out */
  struct operand *top = &fe->operands.items[fe->operands.count - 1];
  if (top->place == PLACE_CONST) frontend_settle_top(fe, 1);
  struct ir_insn *insn = frontend_emit(fe, op);
  insn->a = top->at;
  insn->imm = type;
  fe->last = UINT32_MAX;
}

/* ---- Branches ---------------------------------------------------------------------------------------------------- */

/* A test of the topmost operand that leaves it there; the condition, popped. */
static struct operand test_top(struct ir_frontend *fe, uint16_t op, module_type type) {
  if (fe->operands.count == 0) return (struct operand){.slots = 1}; /* memory ran out */
  if (fe->operands.items[fe->operands.count - 1].place == PLACE_CONST) frontend_settle_top(fe, 1);
  struct operand reference = fe->operands.items[fe->operands.count - 1];
  struct ir_insn *insn = frontend_emit(fe, op);
  insn->a = reference.at;
  insn->imm = type;
  frontend_push_result(fe, insn, MODULE_I32);
  return frontend_pop(fe);
}

static void do_br_on_cast(struct ir_frontend *fe, const struct module_insn *from) {
  struct operand condition = test_top(fe, MODULE_OP_REF_TEST, from->imm.index[2]);
  frontend_br_if(fe, &condition, from->imm.index[0], from->op == MODULE_OP_BR_ON_CAST_FAIL);
}

static void do_br_on_null(struct ir_frontend *fe, uint32_t depth) {
  struct operand condition = test_top(fe, MODULE_OP_I64_EQZ, 0);
  frontend_settle_top(fe, 1); /* the branch must not find it gone, nor the code behind it elsewhere */
  struct operand reference = frontend_pop(fe);
  frontend_br_if(fe, &condition, depth, false);
  frontend_push(fe, reference.is_traced ? MODULE_REF | MODULE_HEAP_ANY : MODULE_FUNCREF);
}

static void do_br_on_non_null(struct ir_frontend *fe, uint32_t depth) {
  struct operand condition = test_top(fe, MODULE_OP_I64_EQZ, 0);
  frontend_br_if(fe, &condition, depth, true);
  frontend_pop(fe);
}

/* ---- Allocation and bulk operations ------------------------------------------------------------------------------ */

/* `count` operands in consecutive temporaries, which the instruction takes; they are among the traced ones. The result,
 * if there is one, replaces the first, and is never redirected elsewhere. */
static void do_plain(struct ir_frontend *fe, const struct module_insn *from, uint32_t count, module_type result) {
  frontend_settle_top(fe, count);
  uint32_t node = frontend_references(fe);
  if (BASE_UNLIKELY(fe->has_fuel)) frontend_charge_size(fe, from);
  for (uint32_t i = 0; i < count; i++) frontend_pop(fe);
  struct ir_insn *insn = frontend_emit(fe, from->op);
  insn->a = frontend_top_slot(fe);
  insn->c = node;
  insn->imm = both(from);
  if (result != MODULE_BOTTOM) frontend_push_result(fe, insn, result);
  fe->last = UINT32_MAX;
}

static void do_new(struct ir_frontend *fe, const struct module_insn *from, uint32_t count) {
  do_plain(fe, from, count, MODULE_REF | from->imm.index[0]);
}

static void do_call_ref(struct ir_frontend *fe, const struct module_insn *from, bool is_tail) {
  const struct module_func_type *type = &def_of(fe, from->imm.index[0])->func;
  struct operand callee = frontend_pop_slot(fe);
  uint32_t slot = frontend_take_arguments(fe, type);
  uint32_t node = is_tail ? IR_NO_NODE : frontend_references(fe);
  struct ir_insn *insn = frontend_emit(fe, is_tail ? IR_RETURN_CALL_REF : IR_CALL_REF);
  insn->d = slot;
  insn->imm = from->imm.index[0];
  frontend_use_a(fe, insn, &callee);
  insn->b = type->param_slots;
  insn->c = node;
  if (!is_tail) frontend_push_call_results(fe, insn, type);
}

static void do_ref_eq(struct ir_frontend *fe) {
  struct operand b = frontend_pop_slot(fe), a = frontend_pop_slot(fe);
  struct ir_insn *insn = frontend_emit(fe, MODULE_OP_I64_EQ);
  frontend_use_a(fe, insn, &a);
  frontend_use_b(fe, insn, &b);
  frontend_push_result(fe, insn, MODULE_I32);
}

static void do_object(struct ir_frontend *fe, const struct module_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_STRUCT_NEW: do_new(fe, insn, def_of(fe, insn->imm.index[0])->field_count); break;
  case MODULE_OP_STRUCT_NEW_DEFAULT: do_new(fe, insn, 0); break;
  case MODULE_OP_STRUCT_GET:
  case MODULE_OP_STRUCT_GET_S:
  case MODULE_OP_STRUCT_GET_U: do_struct_get(fe, insn); break;
  case MODULE_OP_STRUCT_SET: do_struct_set(fe, insn); break;
  case MODULE_OP_ARRAY_NEW:
  case MODULE_OP_ARRAY_NEW_DATA:
  case MODULE_OP_ARRAY_NEW_ELEM: do_new(fe, insn, 2); break;
  case MODULE_OP_ARRAY_NEW_DEFAULT: do_new(fe, insn, 1); break;
  case MODULE_OP_ARRAY_NEW_FIXED: do_new(fe, insn, insn->imm.index[1]); break;
  case MODULE_OP_ARRAY_GET:
  case MODULE_OP_ARRAY_GET_S:
  case MODULE_OP_ARRAY_GET_U: do_array_get(fe, insn); break;
  case MODULE_OP_ARRAY_SET: do_array_set(fe, insn); break;
  case MODULE_OP_ARRAY_LEN: do_query(fe, insn->op, 0); break;
  case MODULE_OP_ARRAY_FILL:
  case MODULE_OP_ARRAY_INIT_DATA:
  case MODULE_OP_ARRAY_INIT_ELEM: do_plain(fe, insn, 4, MODULE_BOTTOM); break;
  default: assert(insn->op == MODULE_OP_ARRAY_COPY); do_plain(fe, insn, 5, MODULE_BOTTOM);
  }
}

void frontend_references_insn(struct ir_frontend *fe, const struct module_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_REF_AS_NON_NULL: do_check(fe, insn->op, 0); break;
  case MODULE_OP_REF_CAST:
  case MODULE_OP_REF_CAST_NULL: do_check(fe, MODULE_OP_REF_CAST, insn->imm.type); break;
  case MODULE_OP_REF_TEST:
  case MODULE_OP_REF_TEST_NULL: do_query(fe, MODULE_OP_REF_TEST, insn->imm.type); break;
  case MODULE_OP_BR_ON_NULL: do_br_on_null(fe, insn->imm.index[0]); break;
  case MODULE_OP_BR_ON_NON_NULL: do_br_on_non_null(fe, insn->imm.index[0]); break;
  case MODULE_OP_BR_ON_CAST:
  case MODULE_OP_BR_ON_CAST_FAIL: do_br_on_cast(fe, insn); break;
  case MODULE_OP_CALL_REF: do_call_ref(fe, insn, false); break;
  case MODULE_OP_RETURN_CALL_REF: do_call_ref(fe, insn, true); break;
  case MODULE_OP_REF_EQ: do_ref_eq(fe); break;
  case MODULE_OP_ANY_CONVERT_EXTERN:
  case MODULE_OP_EXTERN_CONVERT_ANY: break; /* one representation for all hierarchies */
  case MODULE_OP_REF_I31: do_ref_i31(fe); break;
  case MODULE_OP_I31_GET_S:
  case MODULE_OP_I31_GET_U: do_query(fe, insn->op, 0); break;
  default: do_object(fe, insn);
  }
}
