/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Selection of stencils for numbers, memory accesses, variables and conditional branches: by what stencil_rows says of
 * the instruction and where its operands are.
 *
 * Most stencils have two addresses, d <- d op b. Where a dies (a temporary) its register becomes d's; otherwise a is
 * copied, or loaded, into d first, unless that would overwrite b. */
#include "tiers/baseline/emit.h"

#include <stddef.h>

enum { MAX_ACCESS_BYTES = 16, MAX_DISPLACEMENT = INT32_MAX - MAX_ACCESS_BYTES };

static bool fits_s32(uint64_t value) { return value == (uint64_t)(int64_t)(int32_t)value; }

/* ---- Operand classes ----------------------------------------------------------------------------------------------------- */

enum { CLASS_BITS = 2, CLASS_MASK = 3 };

uint32_t select_classes(const struct ir_insn *insn) {
  if (BASE_LIKELY(insn->op < MODULE_OP_COUNT)) {
    uint32_t classes = stencil_rows[insn->op].classes;
    if (insn->flags & IR_A_CONST) classes &= ~(uint32_t)CLASS_MASK;
    if (insn->flags & IR_B_CONST) classes &= ~(uint32_t)(CLASS_MASK << CLASS_BITS);
    return classes;
  }
  uint32_t result = insn->result == IR_CLASS_V128 ? IR_CLASS_NONE : insn->result;
  switch (insn->op) {
  case IR_BR_IF:
  case IR_BR_TABLE: return IR_CLASS_INT;
  case IR_MOVE: return result;
  case IR_SELECT: return result ? result | result << CLASS_BITS | IR_CLASS_INT << 2 * CLASS_BITS : 0;
  case IR_RETURN: return insn->b == 1 && !(insn->flags & IR_A_CONST) ? result : 0;
  default: return 0;
  }
}

static enum ir_class class_of_a(const struct stencil_row *row) { return row->classes & CLASS_MASK; }
static enum ir_class class_of_b(const struct stencil_row *row) { return row->classes >> CLASS_BITS & CLASS_MASK; }

/* ---- Results ----------------------------------------------------------------------------------------------------------------- */

/* None is free for the result: that of operand `a`, which lives on in its slot, or what is evicted. Locked. */
EMIT_APART uint32_t make_room(struct baseline_emitter *e, enum ir_class cls, uint32_t a_reg, bool same_file) {
  if (same_file && !(e->reserved >> a_reg & 1) && !registers_any_left(e, cls)) {
    registers_vacate(e, a_reg);
    return a_reg;
  }
  return registers_take(e, cls);
}

/* The register that the result in slot d goes to, for an instruction that reads its operands before it writes: the pinned
 * one; that of operand `a`, which dies; or any. Locked. */
EMIT_INLINE uint32_t result_in(struct baseline_emitter *e, const struct ir_insn *insn, uint32_t a_reg, bool is_float) {
  struct whereabouts d = e->where.items[insn->d];
  if (d.pin != NO_REGISTER) {
    registers_lock(e, d.pin);
    return d.pin;
  }
  bool same_file = is_float ? a_reg >= INTS && a_reg != NO_REGISTER : a_reg < INTS;
  bool dies = (insn->flags & IR_A_TEMP) || insn->a == insn->d;
  if (same_file && dies && !(e->reserved >> a_reg & 1)) return a_reg;
  /* A value that was dropped, of another class, may still be cached. */
  bool same_class = d.reg != NO_REGISTER && (d.reg >= INTS) == is_float;
  if (same_class && !(e->locked >> d.reg & 1)) {
    registers_lock(e, d.reg);
    return d.reg;
  }
  uint32_t free_ones =
      registers_of_class(is_float ? IR_CLASS_F64 : IR_CLASS_INT) & ~(e->locked | e->reserved | e->used);
  if (BASE_UNLIKELY(!free_ones)) return make_room(e, insn->result, a_reg, same_file);
  uint32_t reg = (uint32_t)__builtin_ctz(free_ones);
  registers_lock(e, reg);
  return reg;
}

static uint32_t result_register(struct baseline_emitter *e, const struct ir_insn *insn, uint32_t a_reg) {
  return result_in(e, insn, a_reg, emit_is_float(insn->result));
}

/* The operands have been read: those that die are forgotten, and `reg` holds the result. */
EMIT_INLINE void finish(struct baseline_emitter *e, const struct ir_insn *insn, uint32_t reg) {
  if (insn->flags & IR_A_TEMP) registers_drop(e, insn->a);
  if (insn->flags & IR_B_TEMP) registers_drop(e, insn->b);
  if (BASE_UNLIKELY(insn->flags & IR_C_TEMP)) registers_drop(e, insn->c);
  registers_set(e, reg, insn->d, insn->result);
}

/* ---- Constants and moves --------------------------------------------------------------------------------------------------------- */

void select_constant(struct baseline_emitter *e, uint32_t reg, enum ir_class cls, uint64_t konst) {
  if (cls == IR_CLASS_INT) {
    if (konst == 0)
      emit_put(e, STENCIL_ZERO_INT + reg);
    else
      emit_put_imm(e, (konst <= UINT32_MAX ? STENCIL_CONST_INT : STENCIL_CONST_INT64) + reg, konst);
    return;
  }
  uint32_t index = reg - INTS;
  if (konst == 0)
    emit_put(e, (cls == IR_CLASS_F32 ? STENCIL_ZERO_F32 : STENCIL_ZERO_F64) + index);
  else
    emit_put_imm(e, (cls == IR_CLASS_F32 ? STENCIL_CONST_F32 : STENCIL_CONST_F64) + index, konst);
}

void select_store_constant(struct baseline_emitter *e, uint32_t slot, enum ir_class cls, uint64_t konst) {
  registers_drop(e, slot);
  if (cls == IR_CLASS_F32) konst = (uint64_t)(int64_t)(int32_t)konst; /* the upper half of the slot does not count */
  e->values[STENCIL_IMM] = konst;
  emit_put_slot_d(e, fits_s32(konst) ? STENCIL_PUT_IMM : STENCIL_PUT_IMM64, slot);
}

void select_const(struct baseline_emitter *e, const struct ir_insn *insn) {
  uint32_t pin = registers_pin_of(e, insn->d);
  if (pin == NO_REGISTER) {
    select_store_constant(e, insn->d, insn->result, insn->konst);
    return;
  }
  select_constant(e, pin, insn->result, insn->konst);
  registers_set(e, pin, insn->d, insn->result);
}

/* A temporary that another is moved to is an argument or crosses a label: it belongs in its slot. */
static void move_to_slot(struct baseline_emitter *e, const struct ir_insn *insn) {
  uint32_t reg = registers_find(e, insn->a);
  registers_drop(e, insn->d);
  if (reg == NO_REGISTER) {
    e->values[STENCIL_A] = (uint64_t)insn->a * 8;
    emit_put_slot_d(e, STENCIL_MOVE_SLOT, insn->d);
  } else {
    registers_put(e, reg, insn->d, insn->result);
  }
  if (insn->flags & IR_A_TEMP) registers_drop(e, insn->a);
}

static void move_vector(struct baseline_emitter *e, const struct ir_insn *insn) {
  registers_drop_vector(e, insn->d);
  e->values[STENCIL_A] = (uint64_t)insn->a * 8;
  emit_put_slot_d(e, STENCIL_MOVE_V128, insn->d);
}

void select_move(struct baseline_emitter *e, const struct ir_insn *insn) {
  if (insn->result == IR_CLASS_V128) {
    move_vector(e, insn);
    return;
  }
  if (emit_is_temporary(e, insn->d)) {
    move_to_slot(e, insn);
    return;
  }
  uint32_t a = registers_find(e, insn->a), d = result_register(e, insn, a);
  if (a != NO_REGISTER)
    registers_move(e, d, a);
  else
    registers_load(e, d, insn->a, insn->result);
  finish(e, insn, d);
}

/* ---- Arithmetic --------------------------------------------------------------------------------------------------------------------- */

/* How operand b enters a stencil: a register, or the forms behind the registers. */
struct operand_form {
  uint32_t form;
  uint32_t reg; /* NO_REGISTER: slot or constant */
};

EMIT_INLINE struct operand_form form_of_b(struct baseline_emitter *e, const struct ir_insn *insn, enum ir_class cls) {
  uint32_t first = emit_is_float(cls) ? INTS : 0, count = emit_is_float(cls) ? FLOATS : INTS;
  struct operand_form b = {.reg = NO_REGISTER};
  if (!(insn->flags & IR_B_CONST)) {
    b.reg = registers_find(e, insn->b);
    e->values[STENCIL_B] = (uint64_t)insn->b * 8;
    b.form = b.reg == NO_REGISTER ? count : b.reg - first;
  } else if (cls == IR_CLASS_INT && (fits_s32(insn->konst) || module_ops[insn->op].params[0] == MODULE_I32)) {
    e->values[STENCIL_IMM] = insn->konst;
    b.form = count + 1;
  } else {
    b.reg = registers_take(e, cls);
    select_constant(e, b.reg, cls, insn->konst);
    b.form = b.reg - first;
  }
  return b;
}

EMIT_INLINE void put_two_address(struct baseline_emitter *e, const struct stencil_row *row, bool is_float, uint32_t d,
                                 uint32_t b_form) {
  emit_put(e, row->first + (is_float ? (d - INTS) * (FLOATS + 1) : d * (INTS + 2)) + b_form);
}

/* d <- a op b without touching a. */
EMIT_INLINE bool put_three_address(struct baseline_emitter *e, const struct stencil_row *row, uint32_t d, uint32_t a,
                                   struct operand_form b) {
  if (!row->three || d == a || a == NO_REGISTER || b.form == INTS) return false;
  uint32_t form = b.form == INTS + 1 ? INTS : b.form;
  emit_put(e, row->three + (d * INTS + a) * (INTS + 1) + form);
  return true;
}

/* The result would overwrite b before it is read. */
EMIT_APART void binary_over_b(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row,
                              uint32_t d, uint32_t a, uint32_t b_form) {
  enum ir_class cls = class_of_a(row);
  bool is_float = emit_is_float(cls);
  if (ir_mirrored[insn->op] == insn->op && a != NO_REGISTER) {
    put_two_address(e, row, is_float, d, is_float ? a - INTS : a);
    return;
  }
  uint32_t fresh = registers_take(e, insn->result);
  if (a != NO_REGISTER)
    registers_move(e, fresh, a);
  else
    registers_load(e, fresh, insn->a, cls);
  put_two_address(e, row, is_float, fresh, b_form);
  registers_move(e, d, fresh);
}

EMIT_INLINE void binary(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row,
                        bool is_float) {
  enum ir_class cls = is_float ? class_of_a(row) : IR_CLASS_INT;
  uint32_t a = registers_find(e, insn->a);
  struct operand_form b = form_of_b(e, insn, cls);
  uint32_t d = result_in(e, insn, a, is_float);
  if (is_float || !put_three_address(e, row, d, a, b)) {
    if (BASE_UNLIKELY(d == b.reg && d != a)) {
      binary_over_b(e, insn, row, d, a, b.form);
    } else {
      if (a == NO_REGISTER)
        registers_load(e, d, insn->a, cls);
      else if (d != a)
        registers_move(e, d, a);
      put_two_address(e, row, is_float, d, b.form);
    }
  }
  finish(e, insn, d);
}

EMIT_APART void select_int_binary(struct baseline_emitter *e, const struct ir_insn *insn,
                                  const struct stencil_row *row) {
  binary(e, insn, row, false);
}
EMIT_APART void select_float_binary(struct baseline_emitter *e, const struct ir_insn *insn,
                                    const struct stencil_row *row) {
  binary(e, insn, row, true);
}

/* Comparisons that a branch consumes at once. */
static bool is_consumed(const struct baseline_emitter *e, const struct ir_insn *insn) {
  const struct ir_insn *branch = emit_following(e);
  return branch && branch->op == IR_BR_IF && branch->a == insn->d && (branch->flags & IR_A_TEMP);
}

EMIT_APART void select_compare_and_branch(struct baseline_emitter *e, const struct ir_insn *insn,
                                          const struct stencil_row *row) {
  const struct ir_insn *branch = emit_following(e);
  enum ir_class cls = class_of_a(row);
  bool is_float = emit_is_float(cls);
  uint32_t a = registers_use(e, insn->a, cls);
  struct operand_form b = form_of_b(e, insn, cls);
  if (insn->flags & IR_A_TEMP) registers_drop(e, insn->a);
  if (insn->flags & IR_B_TEMP) registers_drop(e, insn->b);
  emit_settle(e);
  emit_target(e, (uint32_t)branch->imm);
  uint32_t first = branch->flags & IR_NEGATED ? row->branch_not : row->branch;
  emit_jump(e, first + (is_float ? (a - INTS) * (FLOATS + 1) : a * (INTS + 2)) + b.form);
  e->insn++;
}

void select_branch_if(struct baseline_emitter *e, const struct ir_insn *insn) {
  uint32_t a = registers_use(e, insn->a, IR_CLASS_INT);
  registers_done(e, insn->a, insn->flags & IR_A_TEMP);
  emit_settle(e);
  emit_target(e, (uint32_t)insn->imm);
  emit_jump(e, (insn->flags & IR_NEGATED ? STENCIL_BRANCH_UNLESS32 : STENCIL_BRANCH_IF32) + a);
}

static bool is_eqz(uint16_t op) { return op == MODULE_OP_I32_EQZ || op == MODULE_OP_I64_EQZ; }

EMIT_APART void select_eqz_and_branch(struct baseline_emitter *e, const struct ir_insn *insn) {
  const struct ir_insn *branch = emit_following(e);
  uint32_t a = registers_use(e, insn->a, IR_CLASS_INT);
  registers_done(e, insn->a, insn->flags & IR_A_TEMP);
  emit_settle(e);
  emit_target(e, (uint32_t)branch->imm);
  bool if_zero = !(branch->flags & IR_NEGATED), is_64 = insn->op == MODULE_OP_I64_EQZ;
  uint32_t first = if_zero ? (is_64 ? STENCIL_BRANCH_UNLESS64 : STENCIL_BRANCH_UNLESS32)
                           : (is_64 ? STENCIL_BRANCH_IF64 : STENCIL_BRANCH_IF32);
  emit_jump(e, first + a);
  e->insn++;
}

/* The result is in r0. */
EMIT_APART void select_float_compare(struct baseline_emitter *e, const struct ir_insn *insn,
                                     const struct stencil_row *row) {
  enum ir_class cls = class_of_a(row);
  uint32_t a = registers_use(e, insn->a, cls);
  struct operand_form b = form_of_b(e, insn, cls);
  registers_vacate(e, 0);
  emit_put(e, row->first + (a - INTS) * (FLOATS + 1) + b.form);
  registers_lock(e, 0);
  uint32_t pin = registers_pin_of(e, insn->d);
  if (pin != NO_REGISTER) registers_move(e, pin, 0);
  finish(e, insn, pin != NO_REGISTER ? pin : 0);
}

/* One operand, any result: first + d * count + a. */
EMIT_APART void select_unary(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row) {
  enum ir_class cls = class_of_a(row);
  uint32_t a = registers_use(e, insn->a, cls), d = result_register(e, insn, a);
  uint32_t count = emit_is_float(cls) ? FLOATS : INTS;
  uint32_t a_index = emit_is_float(cls) ? a - INTS : a, d_index = d >= INTS ? d - INTS : d;
  emit_put(e, row->first + d_index * count + a_index);
  finish(e, insn, d);
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------------------------- */

/* An offset too large for a displacement, or a constant address beyond it, is added beforehand. */
static struct place add_large_offset(struct baseline_emitter *e, struct place place) {
  if (place.offset <= MAX_DISPLACEMENT) return place;
  uint32_t sum = registers_take(e, IR_CLASS_INT);
  select_constant(e, sum, IR_CLASS_INT, place.offset);
  if (place.reg != INTS) emit_put(e, stencil_rows[MODULE_OP_I64_ADD].first + sum * (INTS + 2) + place.reg);
  return (struct place){.reg = sum};
}

/* How long memory 0 always is, at least. */
static uint64_t least_bytes(const struct baseline_emitter *e) {
  const struct module_limits *limits = &e->module->memories[0].limits;
  return limits->min > UINT32_MAX ? UINT32_MAX : limits->min << e->module->memories[0].page_log2;
}

/* The check masks the register that it checks (narrow.h), which a constant address gets for it. What lies below the memory's
 * least length is always there: with it in mind one subtraction less stands between the address and its use, and no sum wraps. */
static struct place checked_place(struct baseline_emitter *e, struct place place, uint64_t bytes) {
  bool is_64 = e->module->memories[0].limits.is_64;
  uint64_t least = least_bytes(e);
  if (place.reg == INTS && place.offset + bytes <= least) return add_large_offset(e, place);
  if (place.reg == INTS) {
    place.reg = registers_take(e, IR_CLASS_INT);
    select_constant(e, place.reg, IR_CLASS_INT, place.offset);
    place.offset = 0;
  }
  if (place.offset <= MAX_DISPLACEMENT && place.offset + bytes <= least) {
    emit_put_imm(e, STENCIL_CHECK + place.reg, place.offset + bytes - 1);
    return place;
  }
  if (!is_64) place = add_large_offset(e, place);
  e->values[STENCIL_IMM2] = -place.offset;
  emit_put_imm(e, (is_64 ? STENCIL_CHECK64 : STENCIL_CHECK32) + place.reg, place.offset + bytes);
  return add_large_offset(e, place);
}

/* With the check where there are no guard pages. */
struct place select_place(struct baseline_emitter *e, const struct ir_insn *insn, uint32_t access_log2) {
  struct place place = {.reg = INTS, .offset = insn->imm};
  if (!(insn->flags & IR_A_CONST)) place.reg = registers_use(e, insn->a, IR_CLASS_INT);
  return e->is_checked ? checked_place(e, place, UINT64_C(1) << access_log2) : add_large_offset(e, place);
}

EMIT_INLINE struct place place_of(struct baseline_emitter *e, const struct ir_insn *insn) {
  if (BASE_UNLIKELY(e->is_checked || insn->imm > MAX_DISPLACEMENT))
    return select_place(e, insn, module_ops[insn->op].access_log2);
  bool is_const = insn->flags & IR_A_CONST;
  return (struct place){.reg = is_const ? INTS : registers_use(e, insn->a, IR_CLASS_INT), .offset = insn->imm};
}

static bool is_general(const struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row) {
  if (BASE_LIKELY(insn->c == 0 && !e->is_checked) || !row->general) return false;
  return insn->c != 0 || (e->module->memories[0].limits.is_64 && insn->imm > UINT32_MAX);
}

EMIT_INLINE void put_load(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row,
                          bool is_float) {
  if (is_general(e, insn, row)) {
    select_general(e, insn, row);
    return;
  }
  struct place place = place_of(e, insn);
  uint32_t a = insn->flags & IR_A_CONST ? NO_REGISTER : e->where.items[insn->a].reg;
  uint32_t d = result_in(e, insn, a, is_float);
  emit_put_one(e, row->first + (is_float ? d - INTS : d) * (INTS + 1) + place.reg, STENCIL_IMM, place.offset);
  finish(e, insn, d);
}

EMIT_APART void select_int_load(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row) {
  put_load(e, insn, row, false);
}
EMIT_APART void select_float_load(struct baseline_emitter *e, const struct ir_insn *insn,
                                  const struct stencil_row *row) {
  put_load(e, insn, row, true);
}

/* Constants are stored as numbers of the same width. */
EMIT_APART uint32_t form_of_constant(struct baseline_emitter *e, const struct ir_insn *insn) {
  if (module_ops[insn->op].access_log2 < 3 || fits_s32(insn->konst)) {
    e->values[STENCIL_IMM2] = insn->konst;
    return INTS;
  }
  uint32_t value = registers_take(e, IR_CLASS_INT);
  select_constant(e, value, IR_CLASS_INT, insn->konst);
  return value;
}

EMIT_APART void select_store(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row) {
  if (is_general(e, insn, row)) {
    select_general(e, insn, row);
    return;
  }
  struct place place = place_of(e, insn);
  enum ir_class cls = class_of_b(row);
  uint32_t form;
  if (insn->flags & IR_B_CONST) {
    if (insn->op == MODULE_OP_F32_STORE) row = &stencil_rows[MODULE_OP_I32_STORE];
    if (insn->op == MODULE_OP_F64_STORE) row = &stencil_rows[MODULE_OP_I64_STORE];
    form = place.reg * (INTS + 1) + form_of_constant(e, insn);
  } else {
    uint32_t value = registers_use(e, insn->b, cls);
    form = emit_is_float(cls) ? place.reg * FLOATS + value - INTS : place.reg * (INTS + 1) + value;
  }
  emit_put_imm(e, row->first + form, place.offset);
  registers_done(e, insn->a, (insn->flags & IR_A_TEMP) != 0);
  registers_done(e, insn->b, (insn->flags & IR_B_TEMP) != 0);
}

bool select_row(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row) {
  switch (row->kind) {
  case STENCIL_INT_BINARY:
    if (row->branch && is_consumed(e, insn))
      select_compare_and_branch(e, insn, row);
    else
      select_int_binary(e, insn, row);
    return true;
  case STENCIL_FLOAT_BINARY: select_float_binary(e, insn, row); return true;
  case STENCIL_FLOAT_COMPARE:
    if (row->branch && is_consumed(e, insn))
      select_compare_and_branch(e, insn, row);
    else
      select_float_compare(e, insn, row);
    return true;
  case STENCIL_LOAD_INT: select_int_load(e, insn, row); return true;
  case STENCIL_LOAD_FLOAT: select_float_load(e, insn, row); return true;
  case STENCIL_STORE_INT:
  case STENCIL_STORE_FLOAT: select_store(e, insn, row); return true;
  case STENCIL_INT_UNARY:
    if (is_eqz(insn->op) && is_consumed(e, insn))
      select_eqz_and_branch(e, insn);
    else
      select_unary(e, insn, row);
    return true;
  case STENCIL_FLOAT_UNARY:
  case STENCIL_INT_TO_FLOAT:
  case STENCIL_FLOAT_TO_INT: select_unary(e, insn, row); return true;
  default: return select_slots(e, insn, row);
  }
}

/* ---- Select ------------------------------------------------------------------------------------------------------------------------------- */

void select_select(struct baseline_emitter *e, const struct ir_insn *insn) {
  if (insn->result == IR_CLASS_V128) {
    registers_store(e, insn->c);
    registers_drop_vector(e, insn->d);
    e->values[STENCIL_A] = (uint64_t)insn->a * 8;
    e->values[STENCIL_B] = (uint64_t)insn->b * 8;
    e->values[STENCIL_C] = (uint64_t)insn->c * 8;
    emit_put_slot_d(e, STENCIL_SELECT_SLOTS, insn->d);
    registers_done(e, insn->c, (insn->flags & IR_C_TEMP) != 0);
    return;
  }
  bool is_float = emit_is_float(insn->result);
  uint32_t c = registers_use(e, insn->c, IR_CLASS_INT), b = registers_use(e, insn->b, insn->result);
  uint32_t a = registers_find(e, insn->a), d = result_register(e, insn, a), work = d;
  if (d != a && (d == b || (d == c && !is_float))) work = registers_take(e, insn->result);
  if (a == NO_REGISTER)
    registers_load(e, work, insn->a, insn->result);
  else
    registers_move(e, work, a);
  if (is_float)
    emit_put(e, STENCIL_SELECT_FLOAT + ((work - INTS) * FLOATS + b - INTS) * INTS + c);
  else
    emit_put(e, STENCIL_SELECT_INT + (work * INTS + b) * INTS + c);
  registers_move(e, d, work);
  finish(e, insn, d);
}

/* ---- Globals --------------------------------------------------------------------------------------------------------------------------------- */

static bool is_imported(const struct baseline_emitter *e, const struct ir_insn *insn) {
  return insn->imm < e->module->imported_global_count;
}

static uint64_t cell_of(const struct baseline_emitter *e, const struct ir_insn *insn) {
  return offsetof(struct engine_instance, own_globals) +
         (insn->imm - e->module->imported_global_count) * sizeof(struct engine_global);
}

static uint32_t address_of_cell(struct baseline_emitter *e, const struct ir_insn *insn) {
  uint32_t address = registers_take(e, IR_CLASS_INT);
  emit_put_imm(e, STENCIL_GLOBAL_CELL + address, insn->imm);
  return address;
}

static void get_vector(struct baseline_emitter *e, const struct ir_insn *insn) {
  registers_drop_vector(e, insn->d);
  if (is_imported(e, insn)) {
    emit_put_slot_d(e, STENCIL_CELL_GET_V128 + address_of_cell(e, insn), insn->d);
    return;
  }
  e->values[STENCIL_IMM] = cell_of(e, insn);
  emit_put_slot_d(e, STENCIL_GLOBAL_GET_V128, insn->d);
}

void select_global_get(struct baseline_emitter *e, const struct ir_insn *insn) {
  if (insn->result == IR_CLASS_V128) {
    get_vector(e, insn);
    return;
  }
  uint32_t d;
  if (!is_imported(e, insn)) {
    static const uint32_t get[] = {[IR_CLASS_INT] = STENCIL_GLOBAL_GET_INT,
                                   [IR_CLASS_F32] = STENCIL_GLOBAL_GET_F32,
                                   [IR_CLASS_F64] = STENCIL_GLOBAL_GET_F64};
    d = result_register(e, insn, NO_REGISTER);
    emit_put_imm(e, get[insn->result] + (d >= INTS ? d - INTS : d), cell_of(e, insn));
  } else {
    uint32_t address = address_of_cell(e, insn);
    emit_put_imm(e, STENCIL_PEEK_INT + address * INTS + address, 0);
    d = result_register(e, insn, NO_REGISTER);
    if (d < INTS)
      registers_move(e, d, address);
    else
      emit_put(
          e, stencil_rows[insn->result == IR_CLASS_F32 ? MODULE_OP_F32_REINTERPRET_I32 : MODULE_OP_F64_REINTERPRET_I64]
                     .first +
                 (d - INTS) * INTS + address);
  }
  finish(e, insn, d);
}

static void set_vector(struct baseline_emitter *e, const struct ir_insn *insn) {
  e->values[STENCIL_B] = (uint64_t)insn->b * 8;
  if (is_imported(e, insn))
    emit_put(e, STENCIL_CELL_SET_V128 + address_of_cell(e, insn));
  else
    emit_put_imm(e, STENCIL_GLOBAL_SET_V128, cell_of(e, insn));
}

/* A constant, or whatever a cell of another instance gets, goes through an integer register. */
static uint32_t bits_of_b(struct baseline_emitter *e, const struct ir_insn *insn, enum ir_class cls) {
  if (insn->flags & IR_B_CONST) {
    uint32_t reg = registers_take(e, IR_CLASS_INT);
    select_constant(e, reg, IR_CLASS_INT, insn->konst);
    return reg;
  }
  uint32_t b = registers_use(e, insn->b, cls);
  if (b < INTS) return b;
  uint32_t reg = registers_take(e, IR_CLASS_INT);
  uint16_t op = cls == IR_CLASS_F32 ? MODULE_OP_I32_REINTERPRET_F32 : MODULE_OP_I64_REINTERPRET_F64;
  emit_put(e, stencil_rows[op].first + reg * FLOATS + b - INTS);
  return reg;
}

void select_global_set(struct baseline_emitter *e, const struct ir_insn *insn) {
  enum ir_class cls = ir_class_of(e->module->globals[insn->imm].type.type);
  if (cls == IR_CLASS_V128) {
    set_vector(e, insn);
    return;
  }
  if (is_imported(e, insn)) {
    uint32_t bits = bits_of_b(e, insn, cls), address = address_of_cell(e, insn);
    emit_put_imm(e, STENCIL_POKE_INT + address * INTS + bits, 0);
  } else if ((insn->flags & IR_B_CONST) && fits_s32(insn->konst)) {
    e->values[STENCIL_IMM2] = insn->konst;
    emit_put_imm(e, STENCIL_GLOBAL_SET_IMM, cell_of(e, insn));
  } else {
    static const uint32_t set[] = {[IR_CLASS_INT] = STENCIL_GLOBAL_SET_INT,
                                   [IR_CLASS_F32] = STENCIL_GLOBAL_SET_F32,
                                   [IR_CLASS_F64] = STENCIL_GLOBAL_SET_F64};
    bool is_const = insn->flags & IR_B_CONST;
    uint32_t b = is_const ? bits_of_b(e, insn, cls) : registers_use(e, insn->b, cls);
    uint32_t first = b < INTS ? STENCIL_GLOBAL_SET_INT : set[cls];
    emit_put_imm(e, first + (b >= INTS ? b - INTS : b), cell_of(e, insn));
  }
  registers_done(e, insn->b, (insn->flags & IR_B_TEMP) != 0);
}

/* The function's own reference: through the instance's list. */
void select_ref_func(struct baseline_emitter *e, const struct ir_insn *insn) {
  uint32_t d = result_register(e, insn, NO_REGISTER);
  emit_put_imm(e, STENCIL_FUNCTION + d, insn->imm);
  finish(e, insn, d);
}
