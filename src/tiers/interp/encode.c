/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The encoder: picks, for each instruction of the register code, the handler form that moves the least.
 *
 * A handler leaves its result in the accumulator of its class (integer, f32, f64) and, unless the next reader takes it
 * from there, in a slot too. So the encoder tracks which slot each accumulator mirrors, looks a few instructions ahead
 * to see whether a temporary's only reader can take it from the accumulator (then the store is left out), and fuses a
 * comparison with the branch that consumes it.
 *
 * Invariants
 *  1. mirror[c] == s means: the accumulator of class c holds the value of slot s. Slots themselves are current, except
 *     a temporary whose store was left out; that one is mirrored until its single reader.
 *  2. At labels and calls nothing is mirrored.
 *  3. Constants and moves between slots leave the accumulators alone, so they may stand between maker and reader.
 *  4. Vectors have no accumulator; handlers that make one leave the accumulators alone. */
#include "tiers/interp/encode.h"

#include <assert.h>

enum { LOOK_AHEAD = 6, NO_SLOT = UINT32_MAX };

enum fixup_kind { FIXUP_BRANCH, FIXUP_TABLE, FIXUP_POOL };
struct interp_fixup {
  uint32_t insn;  /* that the distance counts from */
  uint32_t label; /* or index into the pool */
  uint32_t entry; /* of a table */
  uint8_t kind;
};

void interp_encoder_deinit(struct interp_encoder *e) {
  BASE_VEC_DEINIT(&e->insns);
  BASE_VEC_DEINIT(&e->pool);
  BASE_VEC_DEINIT(&e->labels);
  BASE_VEC_DEINIT(&e->fixups);
  BASE_VEC_DEINIT(&e->maps);
  BASE_VEC_DEINIT(&e->ranges);
  BASE_VEC_DEINIT(&e->open_ranges);
}

/* ---- Emitting ------------------------------------------------------------------------------------------------------ */

static struct interp_insn *emit(struct interp_encoder *e, uint32_t handler) {
  static _Thread_local struct interp_insn scratch;
  assert(handler < INTERP_HANDLER_COUNT);
  if (e->insns.count == e->wanted_insn) e->found_offset = e->function->insns.items[e->next].offset;
  struct interp_insn *insn = &scratch;
  if (BASE_LIKELY(BASE_VEC_RESERVE(&e->insns, e->insns.count + 1)))
    insn = &e->insns.items[e->insns.count++];
  else
    e->no_memory = true;
  insn->handler = interp_handler_of(e->handlers, handler);
  return insn;
}

void interp_emit(struct interp_encoder *e, uint32_t handler, uint32_t d, uint32_t a, uint32_t b) {
  struct interp_insn *insn = emit(e, handler);
  assert(d <= UINT16_MAX && a <= UINT16_MAX);
  insn->d = (uint16_t)d;
  insn->a = (uint16_t)a;
  insn->b = b;
}

void *interp_emit_room(struct interp_encoder *e, uint32_t count) {
  size_t at = e->insns.count;
  for (uint32_t i = 0; i < count; i++) emit(e, INTERP_unreachable);
  return e->no_memory ? NULL : &e->insns.items[at];
}

static void add_fixup(struct interp_encoder *e, enum fixup_kind kind, uint32_t insn, uint32_t label, uint32_t entry) {
  struct interp_fixup *fixup = BASE_VEC_PUSH(&e->fixups);
  if (!fixup) {
    e->no_memory = true;
    return;
  }
  *fixup = (struct interp_fixup){.insn = insn, .label = label, .entry = entry, .kind = kind};
}

/* The newest instruction's `b` becomes the distance to `label`. */
void interp_target_label(struct interp_encoder *e, uint64_t label) {
  add_fixup(e, FIXUP_BRANCH, (uint32_t)e->insns.count - 1, (uint32_t)label, 0);
}

void interp_target_pool(struct interp_encoder *e, const uint64_t *values, uint32_t count) {
  enum { SEARCHED = 32 };
  size_t index = 0, bytes = count * sizeof *values;
  while (index + count <= e->pool.count && index < SEARCHED && memcmp(e->pool.items + index, values, bytes) != 0)
    index++;
  if (index + count > e->pool.count || index == SEARCHED) {
    index = e->pool.count;
    if (!BASE_VEC_RESERVE(&e->pool, index + count)) {
      e->no_memory = true;
      return;
    }
    memcpy(e->pool.items + index, values, bytes);
    e->pool.count += count;
  }
  add_fixup(e, FIXUP_POOL, (uint32_t)e->insns.count - 1, (uint32_t)index, 0);
}

static void target_constant(struct interp_encoder *e, uint64_t konst) { interp_target_pool(e, &konst, 1); }

static void emit_const(struct interp_encoder *e, uint32_t slot, uint64_t konst) {
  if (konst <= UINT32_MAX) {
    interp_emit(e, INTERP_const_32, slot, 0, (uint32_t)konst);
  } else {
    interp_emit(e, INTERP_const_64, slot, 0, 0);
    target_constant(e, konst);
  }
}

/* ---- Accumulators --------------------------------------------------------------------------------------------------- */

static void forget_all(struct interp_encoder *e) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(e->mirror); i++) e->mirror[i] = NO_SLOT;
}

void interp_forget_slot(struct interp_encoder *e, uint32_t slot) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(e->mirror); i++)
    if (e->mirror[i] == slot) e->mirror[i] = NO_SLOT;
}

/* Of a value of two slots. */
static void forget_slots(struct interp_encoder *e, uint32_t slot) {
  interp_forget_slot(e, slot);
  interp_forget_slot(e, slot + 1);
}

void interp_has_result(struct interp_encoder *e, const struct ir_insn *insn) {
  if (insn->result == IR_CLASS_V128) {
    forget_slots(e, insn->d); /* no accumulator holds vectors */
    return;
  }
  interp_forget_slot(e, insn->d);
  e->mirror[insn->result] = insn->d;
}

enum reading { READS_NOT, READS_ACCUMULATOR, READS_SLOT };

static bool is_imported_global(const struct interp_encoder *e, uint64_t global) {
  return global < e->module->imported_global_count;
}

/* How `insn` reads temporary `slot`. */
static enum reading reading_of(const struct interp_encoder *e, const struct ir_insn *insn, uint32_t slot) {
  bool a = (insn->flags & IR_A_TEMP) && insn->a == slot, b = (insn->flags & IR_B_TEMP) && insn->b == slot;
  switch (insn->op) {
  case IR_BR_IF:
  case IR_MOVE:
  case IR_BR_TABLE:
  case IR_CALL_REF:
  case IR_CALL_INDIRECT: return a ? READS_ACCUMULATOR : READS_NOT;
  case IR_RETURN: return a && insn->b == 1 ? READS_ACCUMULATOR : READS_NOT;
  case IR_SELECT:
    if (a || b) return READS_SLOT;
    return (insn->flags & IR_C_TEMP) && insn->c == slot ? READS_ACCUMULATOR : READS_NOT;
  case MODULE_OP_GLOBAL_SET: return !b ? READS_NOT : is_imported_global(e, insn->imm) ? READS_SLOT : READS_ACCUMULATOR;
  default: break;
  }
  if (!(a || b) || insn->op >= MODULE_OP_COUNT || interp_rows[insn->op].kind == INTERP_KIND_NONE) return READS_NOT;
  return interp_is_general(e, insn) ? READS_SLOT : READS_ACCUMULATOR;
}

static bool ends_straight_line(const struct ir_insn *insn) {
  return (insn->op > IR_CONST && insn->op != IR_SELECT) || insn->op == MODULE_OP_UNREACHABLE;
}

/* Operands stand in consecutive slots and are never in accumulators. */
static bool has_plain_operands(uint16_t op) {
  return interp_rows[op].kind == INTERP_KIND_NONE || interp_rows[op].kind == INTERP_KIND_ATOMIC;
}

static bool is_plain(const struct ir_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_GLOBAL_GET:
  case MODULE_OP_GLOBAL_SET:
  case MODULE_OP_V128_CONST:
  case MODULE_OP_I8X16_SHUFFLE: return false;
  default: return insn->op < MODULE_OP_COUNT && has_plain_operands(insn->op);
  }
}

/* Whether the result of the current instruction, a temporary, is read next from the accumulator. */
bool interp_stays_in_accumulator(const struct interp_encoder *e, const struct ir_insn *maker) {
  if (INTERP_FEW || maker->d < e->function->link_slot) return false;
  size_t end = e->next + 1 + LOOK_AHEAD;
  if (end > e->function->insns.count) end = e->function->insns.count;
  for (size_t i = e->next + 1; i < end; i++) {
    const struct ir_insn *insn = &e->function->insns.items[i];
    enum reading reading = insn->op == IR_LABEL ? READS_SLOT : reading_of(e, insn, maker->d);
    if (reading != READS_NOT) return reading == READS_ACCUMULATOR;
    if (ends_straight_line(insn) || is_plain(insn)) return false;
    bool keeps = insn->op == IR_MOVE || insn->op == IR_CONST || insn->result != maker->result;
    if (!keeps) return false;
  }
  return false;
}

/* ---- Numeric and memory instructions ----------------------------------------------------------------------------------- */

enum { FORM_SS, FORM_SI, FORM_RS, FORM_RI, FORM_SR };
enum { BRANCH_SS, BRANCH_RS, BRANCH_SI, BRANCH_RI };
enum { STORE_SS, STORE_RS, STORE_SR, STORE_SI, STORE_RI, STORE_IS, STORE_IR, STORE_II };
enum { STORE_FLOAT_RR = 3, STORE_FLOAT_IS, STORE_FLOAT_IR };
enum { LOAD_SLOT, LOAD_ACC, LOAD_CONST };

/* The branch that consumes the current instruction's result at once, or NULL. */
static const struct ir_insn *consuming_branch(const struct interp_encoder *e, const struct ir_insn *insn) {
  const struct ir_insn *branch = interp_following(e, 1);
  return branch && branch->op == IR_BR_IF && (branch->flags & IR_A_TEMP) && branch->a == insn->d ? branch : NULL;
}

bool interp_fits_16(const struct interp_row *row, uint64_t konst) {
  int64_t value = row->is_64 ? (int64_t)konst : (int32_t)(uint32_t)konst;
  return value >= INT16_MIN && value <= INT16_MAX;
}

/* Whether the constant fits in the 32 bits of a binary form (f64 goes to the pool instead). */
static bool fits_32(const struct interp_row *row, uint64_t konst) {
  return row->operand != IR_CLASS_INT || !row->is_64 || (int64_t)konst == (int32_t)(uint32_t)konst;
}

static void encode_unary(struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  const struct ir_insn *branch = consuming_branch(e, insn);
  bool in_acc = interp_mirrored(e, row->operand, insn->a);
  if (branch && (insn->op == MODULE_OP_I32_EQZ || insn->op == MODULE_OP_I64_EQZ)) {
    bool when_zero = !(branch->flags & IR_NEGATED);
    uint32_t s_form = insn->op == MODULE_OP_I32_EQZ ? (when_zero ? INTERP_br_unless_s : INTERP_br_if_s)
                                                    : (when_zero ? INTERP_br_unless64_s : INTERP_br_if64_s);
    interp_emit(e, s_form + in_acc, 0, insn->a, 0);
    interp_target_label(e, branch->imm);
    e->next++;
    return;
  }
  bool store = !interp_stays_in_accumulator(e, insn);
  interp_emit(e, row->first + interp_form(in_acc * 2u + store, 0), insn->d, insn->a, 0);
  interp_has_result(e, insn);
}

/* A comparison and its branch in one instruction. False: no such form. */
static bool encode_branch(struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  const struct ir_insn *branch = consuming_branch(e, insn);
  if (!branch || !row->branch) return false;
  uint32_t a = insn->a, b = insn->b;
  bool is_const = insn->flags & IR_B_CONST;
  if (is_const && (row->operand != IR_CLASS_INT || !interp_fits_16(row, insn->konst))) return false;
  if (!is_const && !interp_mirrored(e, row->operand, a) && interp_mirrored(e, row->operand, b)) {
    row = &interp_rows[ir_mirrored[insn->op]];
    a = insn->b;
    b = insn->a;
  }
  uint32_t first = branch->flags & IR_NEGATED ? row->branch_not : row->branch;
  uint32_t form = interp_form((is_const ? BRANCH_SI : BRANCH_SS) + interp_mirrored(e, row->operand, a), is_const);
  interp_emit(e, first + form, is_const ? (uint16_t)insn->konst : b, a, 0);
  interp_target_label(e, branch->imm);
  e->next++;
  return true;
}

static void encode_binary(struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  if (interp_fuse(e, insn) || encode_branch(e, insn, row)) return;
  bool is_const = insn->flags & IR_B_CONST;
  if (is_const && !fits_32(row, insn->konst)) {
    emit_const(e, insn->b, insn->konst);
    interp_forget_slot(e, insn->b);
    is_const = false;
  }
  bool a_in_acc = interp_mirrored(e, row->operand, insn->a),
       b_in_acc = !is_const && interp_mirrored(e, row->operand, insn->b);
  uint32_t form = a_in_acc ? (is_const ? FORM_RI : FORM_RS) : b_in_acc ? FORM_SR : is_const ? FORM_SI : FORM_SS;
  bool store = !interp_stays_in_accumulator(e, insn);
  uint32_t b = !is_const ? insn->b : row->operand == IR_CLASS_F64 ? 0 : (uint32_t)insn->konst;
  interp_emit(e, row->first + interp_form(form * 2 + store, is_const), store ? insn->d : 0, insn->a, b);
  if (is_const && row->operand == IR_CLASS_F64) target_constant(e, insn->konst);
  interp_has_result(e, insn);
}

void interp_target_place(struct interp_encoder *e, const struct ir_insn *insn) {
  const struct interp_place place = {.offset = insn->imm, .memory = insn->c};
  interp_target_pool(e, (const uint64_t[]){place.offset, place.memory}, sizeof place / sizeof(uint64_t));
}

static void encode_load_general(struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  interp_emit(e, row->general, insn->d, insn->a, 0);
  interp_target_place(e, insn);
  interp_has_result(e, insn);
}

static void encode_store_general(struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  if (insn->flags & IR_B_CONST) {
    emit_const(e, insn->b, insn->konst);
    interp_forget_slot(e, insn->b);
  }
  interp_emit(e, row->general, insn->b, insn->a, 0);
  interp_target_place(e, insn);
}

/* The two families have the same forms. */
static uint32_t first_form(const struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  return interp_is_wide(e, insn) ? row->wide : row->first;
}

static void encode_load(struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  bool store = !interp_stays_in_accumulator(e, insn), is_const = insn->flags & IR_A_CONST;
  uint32_t form = is_const ? LOAD_CONST : interp_mirrored(e, IR_CLASS_INT, insn->a) ? LOAD_ACC : LOAD_SLOT;
  interp_emit(e, first_form(e, insn, row) + interp_form(form * 2 + store, is_const), store ? insn->d : 0,
              is_const ? 0 : insn->a, (uint32_t)insn->imm);
  interp_has_result(e, insn);
}

static uint32_t store_form(const struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row,
                           bool value_is_const) {
  bool is_int = row->operand == IR_CLASS_INT;
  if (INTERP_FEW) return (insn->flags & IR_A_CONST ? (is_int ? 2 : 1) : 0) + value_is_const;
  bool value_in_acc = !value_is_const && interp_mirrored(e, row->operand, insn->b);
  if (insn->flags & IR_A_CONST) return value_is_const ? STORE_II : (is_int ? STORE_IS : STORE_FLOAT_IS) + value_in_acc;
  bool address_in_acc = interp_mirrored(e, IR_CLASS_INT, insn->a);
  if (value_is_const) return STORE_SI + address_in_acc;
  if (address_in_acc && value_in_acc && !is_int) return STORE_FLOAT_RR;
  return address_in_acc ? STORE_RS : value_in_acc ? STORE_SR : STORE_SS;
}

static void encode_store(struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  bool is_const = insn->flags & IR_B_CONST;
  if (is_const && (row->operand != IR_CLASS_INT || !interp_fits_16(row, insn->konst))) {
    emit_const(e, insn->b, insn->konst);
    interp_forget_slot(e, insn->b);
    is_const = false;
  }
  uint32_t form = store_form(e, insn, row, is_const), a = insn->flags & IR_A_CONST ? 0 : insn->a;
  interp_emit(e, first_form(e, insn, row) + form, is_const ? (uint16_t)insn->konst : insn->b, a, (uint32_t)insn->imm);
}

/* ---- Moves, variables, select ------------------------------------------------------------------------------------------------ */

/* The class whose accumulator holds `slot`, or IR_CLASS_NONE. */
static enum ir_class mirror_of(const struct interp_encoder *e, uint32_t slot) {
  for (enum ir_class cls = IR_CLASS_INT; cls <= IR_CLASS_F64; cls++)
    if (interp_mirrored(e, cls, slot)) return cls;
  return IR_CLASS_NONE;
}

static void encode_move(struct interp_encoder *e, const struct ir_insn *insn) {
  if (insn->result == IR_CLASS_V128) {
    interp_emit(e, INTERP_move_v, insn->d, insn->a, 0);
    forget_slots(e, insn->d);
    return;
  }
  enum ir_class cls = mirror_of(e, insn->a);
  if (cls != IR_CLASS_NONE) {
    interp_emit(e, INTERP_move_r + (uint32_t)cls - IR_CLASS_INT, insn->d, 0, 0);
    interp_forget_slot(e, insn->d);
    if (insn->flags & IR_A_TEMP) e->mirror[cls] = insn->d;
    return;
  }
  const struct ir_insn *second = interp_following(e, 1);
  bool pair = second && second->op == IR_MOVE && second->result != IR_CLASS_V128 && second->d == insn->d + 1 &&
              second->a != insn->d && mirror_of(e, second->a) == IR_CLASS_NONE;
  interp_emit(e, pair ? INTERP_move2 : INTERP_move, insn->d, insn->a, pair ? second->a : 0);
  interp_forget_slot(e, insn->d);
  if (!pair) return;
  interp_forget_slot(e, second->d);
  e->next++;
}

static uint32_t cell_offset(const struct interp_encoder *e, uint64_t global) {
  size_t own = (size_t)global - e->module->imported_global_count;
  return (uint32_t)(offsetof(struct engine_instance, own_globals) + own * sizeof(struct engine_global));
}

static void encode_global_get(struct interp_encoder *e, const struct ir_insn *insn) {
  bool is_vector = insn->result == IR_CLASS_V128;
  if (is_imported_global(e, insn->imm)) {
    interp_emit(e, is_vector ? INTERP_import_get_v : INTERP_import_get, insn->d, 0, (uint32_t)insn->imm);
    forget_slots(e, insn->d);
    return;
  }
  uint32_t handler =
      is_vector ? (uint32_t)INTERP_global_get_v : INTERP_global_get + (uint32_t)insn->result - IR_CLASS_INT;
  interp_emit(e, handler, insn->d, 0, cell_offset(e, insn->imm));
  interp_has_result(e, insn);
}

static void encode_global_set(struct interp_encoder *e, const struct ir_insn *insn) {
  if (insn->flags & IR_B_CONST) {
    emit_const(e, insn->b, insn->konst);
    interp_forget_slot(e, insn->b);
  }
  bool is_vector = e->module->globals[insn->imm].type.type == MODULE_V128;
  if (is_imported_global(e, insn->imm)) {
    interp_emit(e, is_vector ? INTERP_import_set_v : INTERP_import_set, 0, insn->b, (uint32_t)insn->imm);
    return;
  }
  /* s, r, f, g in the order of classes */
  uint32_t handler = is_vector ? (uint32_t)INTERP_global_set_v : INTERP_global_set_s + (uint32_t)mirror_of(e, insn->b);
  interp_emit(e, handler, 0, insn->b, cell_offset(e, insn->imm));
}

static void encode_select(struct interp_encoder *e, const struct ir_insn *insn) {
  bool in_acc = interp_mirrored(e, IR_CLASS_INT, insn->c);
  uint32_t first = insn->result == IR_CLASS_V128 ? (uint32_t)INTERP_select_vs
                                                 : INTERP_select_s + 2 * ((uint32_t)insn->result - IR_CLASS_INT);
  interp_emit(e, first + in_acc, insn->d, insn->a, insn->b | (in_acc ? 0 : insn->c << 16));
  interp_has_result(e, insn);
}

/* ---- Control -------------------------------------------------------------------------------------------------------------------- */

static void encode_br(struct interp_encoder *e, const struct ir_insn *insn) {
  const struct ir_insn *after = interp_following(e, 1);
  if (after && after->op == IR_LABEL && after->imm == insn->imm) return;
  bool backward = e->labels.items[insn->imm] != UINT32_MAX;
  interp_emit(e, backward ? INTERP_br_loop : INTERP_br, 0, 0, 0);
  interp_target_label(e, insn->imm);
}

static void encode_br_if(struct interp_encoder *e, const struct ir_insn *insn) {
  uint32_t first = insn->flags & IR_NEGATED ? INTERP_br_unless_s : INTERP_br_if_s;
  interp_emit(e, first + interp_mirrored(e, IR_CLASS_INT, insn->a), 0, insn->a, 0);
  interp_target_label(e, insn->imm);
}

static void encode_br_table(struct interp_encoder *e, const struct ir_insn *insn) {
  enum { PER_INSN = sizeof(struct interp_insn) / sizeof(int32_t) };
  bool in_acc = interp_mirrored(e, IR_CLASS_INT, insn->a);
  uint32_t at = (uint32_t)e->insns.count, count = insn->b;
  interp_emit(e, in_acc ? INTERP_br_table_r : INTERP_br_table_s, 0, insn->a, count - 1);
  interp_emit_room(e, (count + PER_INSN - 1) / PER_INSN);
  for (uint32_t i = 0; i < count; i++) add_fixup(e, FIXUP_TABLE, at, e->function->targets.items[insn->imm + i], i);
}

static void encode_return(struct interp_encoder *e, const struct ir_insn *insn) {
  uint32_t link = e->function->link_slot;
  if (insn->b == 0) {
    interp_emit(e, INTERP_return_void, link, 0, 0);
  } else if (insn->result == IR_CLASS_V128 && insn->b == 2) {
    interp_emit(e, INTERP_return_v, link, insn->a, 0);
  } else if (insn->b > 1) {
    interp_emit(e, INTERP_return_n, link, insn->a, insn->b);
  } else if ((insn->flags & IR_A_CONST) && insn->result == IR_CLASS_INT && insn->konst <= UINT32_MAX) {
    interp_emit(e, INTERP_return_const, link, 0, (uint32_t)insn->konst);
  } else {
    if (insn->flags & IR_A_CONST) {
      emit_const(e, insn->a, insn->konst);
      interp_forget_slot(e, insn->a);
    }
    uint32_t first = INTERP_return_s + 2 * ((uint32_t)insn->result - IR_CLASS_INT);
    interp_emit(e, first + interp_mirrored(e, insn->result, insn->a), link, insn->a, 0);
  }
}

static void after_call(struct interp_encoder *e, const struct ir_insn *insn) {
  forget_all(e);
  if (insn->result != IR_CLASS_NONE && insn->result != IR_CLASS_V128) e->mirror[insn->result] = insn->d;
}

static void encode_call(struct interp_encoder *e, const struct ir_insn *insn) {
  uint32_t imported = e->module->imported_func_count, func = (uint32_t)insn->imm;
  bool import = func < imported;
  interp_emit(e, import ? INTERP_call_import : INTERP_call, insn->d, 0, import ? func : func - imported);
  interp_note_references(e, insn);
  after_call(e, insn);
}

static void encode_call_indirect(struct interp_encoder *e, const struct ir_insn *insn) {
  if (!interp_mirrored(e, IR_CLASS_INT, insn->a)) interp_emit(e, INTERP_get, 0, insn->a, 0);
  interp_emit(e, INTERP_call_indirect, insn->d, insn->b, (uint32_t)insn->imm);
  interp_note_references(e, insn);
  after_call(e, insn);
}

static void encode_call_ref(struct interp_encoder *e, const struct ir_insn *insn) {
  if (!interp_mirrored(e, IR_CLASS_INT, insn->a)) interp_emit(e, INTERP_get, 0, insn->a, 0);
  interp_emit(e, INTERP_call_ref, insn->d, 0, 0);
  interp_note_references(e, insn);
  after_call(e, insn);
}

static void encode_return_call_ref(struct interp_encoder *e, const struct ir_insn *insn) {
  interp_emit(e, INTERP_tail_check_ref, 0, insn->a, 0);
  /* The callee must outlive the move of the arguments over the frame: it goes above them. */
  uint32_t callee = insn->d + insn->b;
  if (callee != insn->a) interp_emit(e, INTERP_move, callee, insn->a, 0);
  interp_emit(e, INTERP_tail_move, insn->d, insn->b, e->function->link_slot);
  interp_emit(e, INTERP_tail_call_ref, 0, callee, 0);
}

static void encode_return_call(struct interp_encoder *e, const struct ir_insn *insn) {
  uint32_t imported = e->module->imported_func_count, func = (uint32_t)insn->imm;
  interp_emit(e, INTERP_tail_move, insn->d, insn->b, e->function->link_slot);
  interp_emit(e, func < imported ? INTERP_tail_call_import : INTERP_tail_call, 0, 0,
              func < imported ? func : func - imported);
}

static void encode_return_call_indirect(struct interp_encoder *e, const struct ir_insn *insn) {
  interp_emit(e, INTERP_tail_check, insn->b, insn->a, (uint32_t)insn->imm);
  /* The index must outlive the move of the arguments over the frame: it goes above them. */
  uint32_t index = insn->d + (uint32_t)insn->konst;
  if (index != insn->a) interp_emit(e, INTERP_move, index, insn->a, 0);
  interp_emit(e, INTERP_tail_move, insn->d, (uint32_t)insn->konst, e->function->link_slot);
  interp_emit(e, INTERP_tail_call_indirect, insn->b, index, (uint32_t)insn->imm);
}

/* ---- Memory and table management --------------------------------------------------------------------------------------------------- */

/* Which of an instruction's two indices goes where: b takes the one that may be large. */
static bool second_index_in_d(uint16_t op) {
  return op == MODULE_OP_MEMORY_INIT || op == MODULE_OP_TABLE_INIT || op == MODULE_OP_MEMORY_COPY ||
         op == MODULE_OP_TABLE_COPY;
}

static uint32_t plain_handler(uint16_t op) {
  switch (op) {
  case MODULE_OP_UNREACHABLE: return INTERP_unreachable;
  case MODULE_OP_MEMORY_SIZE: return INTERP_memory_size;
  case MODULE_OP_MEMORY_GROW: return INTERP_memory_grow;
  case MODULE_OP_MEMORY_FILL: return INTERP_memory_fill;
  case MODULE_OP_MEMORY_COPY: return INTERP_memory_copy;
  case MODULE_OP_MEMORY_INIT: return INTERP_memory_init;
  case MODULE_OP_DATA_DROP: return INTERP_data_drop;
  case MODULE_OP_TABLE_GET: return INTERP_table_get;
  case MODULE_OP_TABLE_SET: return INTERP_table_set;
  case MODULE_OP_TABLE_SIZE: return INTERP_table_size;
  case MODULE_OP_TABLE_GROW: return INTERP_table_grow;
  case MODULE_OP_TABLE_FILL: return INTERP_table_fill;
  case MODULE_OP_TABLE_COPY: return INTERP_table_copy;
  case MODULE_OP_TABLE_INIT: return INTERP_table_init;
  case MODULE_OP_ELEM_DROP: return INTERP_elem_drop;
  case MODULE_OP_REF_FUNC: return INTERP_ref_func;
  case MODULE_OP_ATOMIC_FENCE: return INTERP_atomic_fence;
  default: assert(!"an instruction that no tier runs passed validation"); return INTERP_unreachable;
  }
}

static void encode_plain(struct interp_encoder *e, const struct ir_insn *insn) {
  uint32_t d = second_index_in_d(insn->op) ? (uint32_t)(insn->imm >> 32) : insn->d == IR_NO_SLOT ? 0 : insn->d;
  interp_emit(e, plain_handler(insn->op), d, insn->op == MODULE_OP_UNREACHABLE ? 0 : insn->a, (uint32_t)insn->imm);
  forget_all(e);
  if (insn->d != IR_NO_SLOT) e->mirror[insn->result] = insn->d;
}

static void encode_atomic(struct interp_encoder *e, const struct ir_insn *insn, const struct interp_row *row) {
  bool has_result = insn->d != IR_NO_SLOT;
  interp_emit(e, row->first, has_result ? insn->d : 0, insn->a, 0);
  interp_target_place(e, insn);
  forget_all(e);
  if (has_result) e->mirror[insn->result] = insn->d;
}

/* ---- Functions ------------------------------------------------------------------------------------------------------------------------ */

void interp_note_references(struct interp_encoder *e, const struct ir_insn *insn) {
  if (insn->c == IR_NO_NODE) return;
  struct tables_map *map = BASE_VEC_PUSH(&e->maps);
  if (map)
    *map = (struct tables_map){(uint32_t)e->insns.count - 1, insn->c};
  else
    e->no_memory = true;
}

static void begin_range(struct interp_encoder *e) {
  uint32_t *start = BASE_VEC_PUSH(&e->open_ranges);
  if (start)
    *start = (uint32_t)e->insns.count;
  else
    e->no_memory = true;
}

static void end_range(struct interp_encoder *e, const struct ir_insn *insn) {
  struct tables_range *range = e->no_memory ? NULL : BASE_VEC_PUSH(&e->ranges);
  if (range)
    *range = (struct tables_range){e->open_ranges.items[--e->open_ranges.count], (uint32_t)e->insns.count,
                                   (uint32_t)insn->imm};
  else
    e->no_memory = true;
}

static void encode_table_insn(struct interp_encoder *e, const struct ir_insn *insn) {
  const struct interp_row *row = &interp_rows[insn->op];
  switch (row->kind) {
  case INTERP_KIND_UNARY: encode_unary(e, insn, row); break;
  case INTERP_KIND_BINARY: encode_binary(e, insn, row); break;
  case INTERP_KIND_LOAD: (interp_is_general(e, insn) ? encode_load_general : encode_load)(e, insn, row); break;
  case INTERP_KIND_STORE: (interp_is_general(e, insn) ? encode_store_general : encode_store)(e, insn, row); break;
  case INTERP_KIND_ATOMIC: encode_atomic(e, insn, row); break;
  case INTERP_KIND_NONE:
    if (!interp_encode_reference(e, insn)) encode_plain(e, insn);
    break;
  default: interp_encode_vector(e, insn, row); break;
  }
}

static void encode_insn(struct interp_encoder *e, const struct ir_insn *insn) {
  switch (insn->op) {
  case IR_MOVE: encode_move(e, insn); break;
  case IR_MOVE_SLOTS:
    interp_emit(e, INTERP_move_n, insn->d, insn->a, insn->b);
    forget_all(e);
    break;
  case IR_CONST:
    emit_const(e, insn->d, insn->konst);
    interp_forget_slot(e, insn->d);
    break;
  case IR_LABEL:
    forget_all(e);
    e->labels.items[insn->imm] = (uint32_t)e->insns.count;
    break;
  case IR_BR: encode_br(e, insn); break;
  case IR_BR_IF: encode_br_if(e, insn); break;
  case IR_BR_TABLE: encode_br_table(e, insn); break;
  case IR_RETURN: encode_return(e, insn); break;
  case IR_CALL: encode_call(e, insn); break;
  case IR_CALL_INDIRECT: encode_call_indirect(e, insn); break;
  case IR_RETURN_CALL: encode_return_call(e, insn); break;
  case IR_RETURN_CALL_INDIRECT: encode_return_call_indirect(e, insn); break;
  case IR_SELECT: encode_select(e, insn); break;
  case IR_CALL_REF: encode_call_ref(e, insn); break;
  case IR_RETURN_CALL_REF: encode_return_call_ref(e, insn); break;
  case IR_FUEL: interp_emit(e, INTERP_fuel, 0, 0, (uint32_t)insn->imm); break;
  case IR_FUEL_BYTES:
    interp_emit(e, INTERP_fuel_bytes, 0, insn->a, (uint32_t)insn->imm);
    forget_all(e);
    break;
  case IR_TRY: begin_range(e); break;
  case IR_TRY_END: end_range(e, insn); break;
  case MODULE_OP_GLOBAL_GET: encode_global_get(e, insn); break;
  case MODULE_OP_GLOBAL_SET: encode_global_set(e, insn); break;
  case MODULE_OP_V128_CONST:
  case MODULE_OP_I8X16_SHUFFLE: interp_encode_inline_vector(e, insn); break;
  case MODULE_OP_I64_ADD128:
  case MODULE_OP_I64_SUB128:
  case MODULE_OP_I64_MUL_WIDE_S:
  case MODULE_OP_I64_MUL_WIDE_U:
    interp_encode_wide(e, insn);
    forget_slots(e, insn->d);
    break;
  default: encode_table_insn(e, insn); break;
  }
}

static void encode_enter(struct interp_encoder *e) {
  const struct ir_function *function = e->function;
  uint32_t zeroed = function->local_slots;
  interp_emit(e, zeroed <= 3 ? INTERP_enter_0 + zeroed : INTERP_enter_n, function->link_slot, zeroed,
              function->frame_slots);
}

static void apply_fixups(struct interp_encoder *e) {
  for (size_t i = 0; i < e->fixups.count; i++) {
    const struct interp_fixup *fixup = &e->fixups.items[i];
    struct interp_insn *insn = &e->insns.items[fixup->insn];
    if (fixup->kind == FIXUP_POOL) {
      insn->b = (uint32_t)((e->insns.count - fixup->insn) * sizeof *insn + fixup->label * sizeof(uint64_t));
      continue;
    }
    assert(e->labels.items[fixup->label] != UINT32_MAX);
    int32_t distance = (int32_t)(e->labels.items[fixup->label] - fixup->insn);
    if (fixup->kind == FIXUP_BRANCH)
      insn->b = (uint32_t)distance;
    else
      memcpy((char *)(insn + 1) + fixup->entry * sizeof distance, &distance, sizeof distance);
  }
}

bool interp_encode(struct interp_encoder *e, const struct module *module, const struct interp_handlers *handlers,
                   const struct ir_function *function) {
  return interp_encode_offset(e, module, handlers, function, UINT32_MAX), !e->no_memory;
}

uint32_t interp_encode_offset(struct interp_encoder *e, const struct module *module,
                              const struct interp_handlers *handlers, const struct ir_function *function,
                              uint32_t insn) {
  e->module = module;
  e->handlers = handlers;
  e->function = function;
  e->insns.count = e->pool.count = e->fixups.count = 0;
  e->maps.count = e->ranges.count = e->open_ranges.count = 0;
  e->wanted_insn = insn;
  e->found_offset = UINT32_MAX;
  e->no_memory = !BASE_VEC_RESERVE(&e->labels, (size_t)function->label_count + 1) ||
                 !BASE_VEC_RESERVE(&e->insns, function->insns.count + 8) ||
                 !BASE_VEC_RESERVE(&e->fixups, function->insns.count / 4 + 8);
  if (e->no_memory) return UINT32_MAX;
  memset(e->labels.items, 0xFF, function->label_count * sizeof *e->labels.items);
  forget_all(e);
  e->next = 0;
  encode_enter(e);
  for (; e->next < function->insns.count && !e->no_memory; e->next++) encode_insn(e, &function->insns.items[e->next]);
  if (!e->no_memory) apply_fixups(e);
  return e->found_offset;
}
