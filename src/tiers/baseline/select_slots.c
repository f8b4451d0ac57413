/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Instructions whose operands stay in the frame: vectors, atomic accesses, accesses to other memories, wide arithmetic,
 * and everything that a helper does. */
#include "tiers/baseline/emit.h"

/* The operand stands in its slot afterwards, also a constant: its temporary is free for it. */
static void to_slot(struct baseline_emitter *e, uint32_t slot, bool is_const, uint64_t konst) {
  if (is_const)
    select_store_constant(e, slot, IR_CLASS_INT, konst);
  else
    registers_store(e, slot);
}

static void forget_operands(struct baseline_emitter *e, const struct ir_insn *insn) {
  registers_done(e, insn->a, (insn->flags & IR_A_TEMP) != 0);
  registers_done(e, insn->b, (insn->flags & IR_B_TEMP) != 0);
  registers_done(e, insn->c, (insn->flags & IR_C_TEMP) != 0);
}

static void name_slots(struct baseline_emitter *e, uint32_t d, uint32_t a, uint32_t b, uint32_t c) {
  e->values[STENCIL_D] = (uint64_t)d * 8;
  e->values[STENCIL_A] = (uint64_t)a * 8;
  e->values[STENCIL_B] = (uint64_t)b * 8;
  e->values[STENCIL_C] = (uint64_t)c * 8;
}

/* What registers say of the result's slots is old. A pinned local is read again from its slot. */
static void has_slot_result(struct baseline_emitter *e, const struct ir_insn *insn, uint32_t slots) {
  for (uint32_t i = 0; insn->d != IR_NO_SLOT && i < slots; i++) registers_drop(e, insn->d + i);
}

void select_general(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row) {
  bool is_store = module_ops[insn->op].flags & MODULE_OP_STORE;
  to_slot(e, insn->a, false, 0);
  if (is_store) to_slot(e, insn->b, insn->flags & IR_B_CONST, insn->konst);
  forget_operands(e, insn);
  has_slot_result(e, insn, insn->result == IR_CLASS_V128 ? 2 : 1);
  name_slots(e, insn->d, insn->a, insn->b, 0);
  e->values[STENCIL_IMM] = insn->imm;
  e->values[STENCIL_IMM2] = insn->c;
  emit_put(e, row->general);
}

static void select_wide(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row) {
  bool has_four = module_ops[insn->op].param_count == 4;
  to_slot(e, insn->a, false, 0);
  to_slot(e, insn->b, false, 0);
  if (has_four) to_slot(e, insn->c, false, 0);
  if (has_four) to_slot(e, (uint32_t)insn->imm, false, 0);
  has_slot_result(e, insn, 2);
  name_slots(e, insn->d, insn->a, insn->b, insn->c);
  emit_put_imm(e, row->first, insn->imm * 8);
}

static void select_atomic(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row) {
  uint32_t count = module_ops[insn->op].param_count;
  for (uint32_t i = 0; i < count; i++) {
    to_slot(e, insn->a + i, false, 0);
    registers_drop(e, insn->a + i);
  }
  has_slot_result(e, insn, 1);
  name_slots(e, insn->d == IR_NO_SLOT ? 0 : insn->d, insn->a, insn->a + 1, insn->a + 2);
  e->values[STENCIL_IMM2] = insn->c;
  emit_put_imm(e, row->first, insn->imm);
}

static void select_vector_access(struct baseline_emitter *e, const struct ir_insn *insn,
                                 const struct stencil_row *row) {
  if (insn->c != 0 || e->module->memories[0].limits.is_64) {
    select_general(e, insn, row);
    return;
  }
  struct place place = select_place(e, insn, module_ops[insn->op].access_log2);
  registers_done(e, insn->a, (insn->flags & IR_A_TEMP) != 0);
  has_slot_result(e, insn, 2);
  name_slots(e, insn->d, 0, insn->b, 0);
  emit_put_imm(e, row->first + place.reg, place.offset);
}

static void select_vector(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row) {
  uint32_t count = module_ops[insn->op].param_count;
  to_slot(e, insn->a, false, 0);
  if (count >= 2) to_slot(e, insn->b, insn->flags & IR_B_CONST, insn->konst);
  if (count == 3) to_slot(e, insn->c, false, 0);
  forget_operands(e, insn);
  has_slot_result(e, insn, insn->result == IR_CLASS_V128 ? 2 : 1);
  name_slots(e, insn->d, insn->a, insn->b, insn->c);
  e->values[STENCIL_IMM] = insn->imm;
  if (insn->op == MODULE_OP_I8X16_SHUFFLE) e->values[STENCIL_IMM2] = insn->konst;
  emit_put(e, row->first);
}

static void select_v128_const(struct baseline_emitter *e, const struct ir_insn *insn) {
  registers_drop_vector(e, insn->d);
  e->values[STENCIL_IMM] = insn->imm;
  e->values[STENCIL_IMM2] = insn->konst;
  emit_put_slot_d(e, STENCIL_V128_CONST, insn->d);
}

static bool select_helper(struct baseline_emitter *e, const struct ir_insn *insn) {
  struct baseline_helper_call call;
  if (!baseline_helper_find(e->module, insn, &call)) return false;
  uint32_t site = emit_helper(e, &call);
  if (ir_may_collect(insn->op)) emit_note_references(e, site, insn->c);
  return true;
}

bool select_slots(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row) {
  uint32_t flags = module_ops[insn->op].flags;
  switch (row->kind) {
  case STENCIL_LOAD_V128:
  case STENCIL_STORE_V128: select_vector_access(e, insn, row); return true;
  case STENCIL_SLOTS:
    if (flags & MODULE_OP_ATOMIC)
      select_atomic(e, insn, row);
    else if (module_ops[insn->op].result_count == 2)
      select_wide(e, insn, row);
    else
      select_vector(e, insn, row);
    return true;
  default: break;
  }
  switch (insn->op) {
  case MODULE_OP_UNREACHABLE: emit_raise(e, ENGINE_TRAP_UNREACHABLE); return true;
  case MODULE_OP_V128_CONST: select_v128_const(e, insn); return true;
  case MODULE_OP_ATOMIC_FENCE: emit_put(e, STENCIL_ATOMIC_FENCE); return true;
  case MODULE_OP_GLOBAL_GET: select_global_get(e, insn); return true;
  case MODULE_OP_GLOBAL_SET: select_global_set(e, insn); return true;
  case MODULE_OP_REF_FUNC: select_ref_func(e, insn); return true;
  default: return select_helper(e, insn);
  }
}
