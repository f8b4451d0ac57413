/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The front-end: turns a WebAssembly body into register code (ir.h).
 *
 * It runs over bodies that have been validated, so nothing is checked here. It keeps its own operand stack that says where each value is: in its temporary slot, in a local, or a constant. `local.get` and constants
 * emit nothing; the operand that consumes them names them. The price is that a `local.set` must first copy a local's
 * old value out of the way where the stack still names it.
 *
 * At the start and end of structured control every operand is brought to its own temporary, so that all paths agree.
 * Building SSA here instead was rejected: the interpreter and the baseline compiler want exactly the frame slots, and
 * one pass without a graph is what makes translation as cheap as decoding.
 *
 * Invariants
 *  1. operands[i].slot is the temporary that belongs to height i, whatever the operand's place is.
 *  2. uses[x] counts operands whose place is the local in slot x.
 *  3. operands[0 .. settled_count) are in their temporaries. What walks down the stack stops there, so that code behind
 *     a deep stack translates as fast as any other.
 *  4. `last` is the index of the newest instruction while nothing has been emitted after it that could be a branch
 *     target; only then may its result be redirected. */
#include "tiers/frontend.h"

#include <assert.h>

/* What nearly every instruction goes through. Translation is what a short run pays for: the compiler's own idea of what
 * to inline in a function as large as the dispatcher costs a tenth of it. */
#define HOT inline __attribute__((always_inline))

struct ir_frontend *ir_frontend_new(const struct engine_code_options *options) {
  struct ir_frontend *fe = base_alloc_zero(1, sizeof *fe);
  if (!fe) return NULL;
  fe->deterministic = options->deterministic_relaxed_simd;
  fe->canonical_nans = options->canonical_nans;
  fe->has_fuel = options->fuel;
  return fe;
}

void ir_frontend_trim(struct ir_frontend *fe) {
  module_body_deinit(&fe->body);
  BASE_VEC_DEINIT(&fe->out.insns);
  BASE_VEC_DEINIT(&fe->out.targets);
  BASE_VEC_DEINIT(&fe->out.nodes);
  BASE_VEC_DEINIT(&fe->out.local_references);
  BASE_VEC_DEINIT(&fe->out.tries);
  BASE_VEC_DEINIT(&fe->out.catches);
  BASE_VEC_DEINIT(&fe->operands);
  BASE_VEC_DEINIT(&fe->controls);
  BASE_VEC_DEINIT(&fe->locals);
  BASE_VEC_DEINIT(&fe->uses);
  BASE_VEC_DEINIT(&fe->fuel_costs);
}

void ir_frontend_free(struct ir_frontend *fe) {
  if (!fe) return;
  ir_frontend_trim(fe);
  base_free(fe);
}

/* ---- Emitting --------------------------------------------------------------------------------------------------- */

/* Where writes go after memory ran out; its contents mean nothing. */
static _Thread_local struct ir_insn scratch_insn;

/* Twice what the longest body makes that has an instruction in every byte. Only branches that carry values make more;
 * without a limit they could outgrow the 32-bit distances of the tiers' code. */
enum { MAX_INSNS = 1 << 24 };

static HOT struct ir_insn *emit(struct ir_frontend *fe, uint16_t op) {
  struct ir_insn *insn = &scratch_insn;
  size_t count = fe->out.insns.count;
  if (BASE_LIKELY(count < MAX_INSNS && BASE_VEC_RESERVE(&fe->out.insns, count + 1))) {
    insn = &fe->out.insns.items[count];
    fe->out.insns.count = count + 1;
  } else {
    fe->no_memory = true;
  }
  *insn = (struct ir_insn){.op = op, .d = IR_NO_SLOT, .offset = fe->offset};
  fe->last = (uint32_t)count;
  return insn;
}

static uint32_t new_label(struct ir_frontend *fe) { return fe->out.label_count++; }

static void emit_label(struct ir_frontend *fe, uint32_t label, bool loop) {
  struct ir_insn *insn = emit(fe, IR_LABEL);
  insn->imm = label;
  insn->flags = loop ? IR_LOOP : 0;
  fe->last = UINT32_MAX;
}

static void emit_br(struct ir_frontend *fe, uint32_t label) { emit(fe, IR_BR)->imm = label; }

/* ---- The operand stack -------------------------------------------------------------------------------------------- */

static uint32_t first_temp(const struct ir_frontend *fe) { return fe->out.link_slot + IR_LINK_SLOTS; }

static HOT struct operand *push(struct ir_frontend *fe, enum place place, enum ir_class cls) {
  static _Thread_local struct operand scratch;
  struct operand *operand = &scratch;
  if (place != PLACE_TEMP && fe->settled_count > fe->operands.count) fe->settled_count = fe->operands.count;
  if (BASE_LIKELY(BASE_VEC_RESERVE(&fe->operands, fe->operands.count + 1)))
    operand = &fe->operands.items[fe->operands.count++];
  else
    fe->no_memory = true;
  uint8_t slots = cls == IR_CLASS_V128 ? 2 : 1;
  uint32_t slot = fe->next_slot;
  fe->next_slot = slot + slots;
  *operand = (struct operand){.place = place, .cls = cls, .slots = slots, .slot = slot, .at = slot, .below = fe->node};
  return operand;
}

/* Makes the newest operand one of those that a collector follows. */
static void trace(struct ir_frontend *fe, struct operand *operand) {
  struct ir_node *node = BASE_VEC_PUSH(&fe->out.nodes);
  if (!node) {
    fe->no_memory = true;
    return;
  }
  *node = (struct ir_node){.slot = operand->slot, .next = operand->below};
  operand->is_traced = true;
  fe->node = (uint32_t)fe->out.nodes.count;
}

static HOT struct operand *push_typed(struct ir_frontend *fe, enum place place, module_type type) {
  struct operand *operand = push(fe, place, ir_class_of(type));
  if (module_type_is_traced(fe->body.module->types, type)) trace(fe, operand);
  return operand;
}

static HOT struct operand pop(struct ir_frontend *fe) {
  if (fe->operands.count == 0) { /* only after memory ran out */
    assert(fe->no_memory);
    return (struct operand){.slots = 1, .cls = IR_CLASS_INT};
  }
  struct operand operand = fe->operands.items[--fe->operands.count];
  fe->next_slot = operand.slot;
  fe->node = operand.below;
  if (operand.place == PLACE_LOCAL) fe->uses.items[operand.at]--;
  return operand;
}

static void emit_move(struct ir_frontend *fe, uint32_t d, const struct operand *from) {
  if (from->place == PLACE_CONST) {
    struct ir_insn *insn = emit(fe, IR_CONST);
    insn->d = d;
    insn->konst = from->konst;
    insn->result = from->cls;
    return;
  }
  struct ir_insn *insn = emit(fe, IR_MOVE);
  insn->d = d;
  insn->a = from->at;
  insn->flags = from->place == PLACE_TEMP ? IR_A_TEMP : 0;
  insn->result = from->cls;
}

/* Brings an operand to its temporary. */
static void settle(struct ir_frontend *fe, struct operand *operand) {
  if (operand->place == PLACE_TEMP) return;
  emit_move(fe, operand->slot, operand);
  if (operand->place == PLACE_LOCAL) fe->uses.items[operand->at]--;
  operand->place = PLACE_TEMP;
  operand->at = operand->slot;
}

static void settle_top(struct ir_frontend *fe, uint32_t count) {
  assert(count <= fe->operands.count || fe->no_memory);
  if (count > fe->operands.count) return;
  for (size_t i = fe->operands.count - count; i < fe->operands.count; i++) settle(fe, &fe->operands.items[i]);
}

static void settle_all(struct ir_frontend *fe) {
  size_t count = fe->operands.count;
  if (fe->settled_count < count) settle_top(fe, (uint32_t)(count - fe->settled_count));
  fe->settled_count = count;
}

/* Copies the old value of a local to the temporaries of the operands that still name it. One that lies deep is not
 * looked for: settling everything makes the next search start above it. */
static void release_local(struct ir_frontend *fe, uint32_t slot) {
  enum { SEARCH_DEPTH = 64 };
  size_t end = fe->operands.count > SEARCH_DEPTH ? fe->operands.count - SEARCH_DEPTH : 0;
  for (size_t i = fe->operands.count; fe->uses.items[slot] > 0 && i-- > end;) {
    struct operand *operand = &fe->operands.items[i];
    if (operand->place == PLACE_LOCAL && operand->at == slot) settle(fe, operand);
  }
  if (fe->uses.items[slot] > 0) settle_all(fe);
}

static void cut(struct ir_frontend *fe, uint32_t height) {
  while (fe->operands.count > height) pop(fe);
}

static HOT void push_types(struct ir_frontend *fe, const module_type *types, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) push_typed(fe, PLACE_TEMP, types[i]);
}

static void use_a(struct ir_frontend *fe, struct ir_insn *insn, const struct operand *operand) {
  insn->a = operand->at;
  if (operand->place == PLACE_TEMP) insn->flags |= IR_A_TEMP;
}

static void use_b(struct ir_frontend *fe, struct ir_insn *insn, const struct operand *operand) {
  insn->b = operand->at;
  if (operand->place == PLACE_TEMP) insn->flags |= IR_B_TEMP;
  if (operand->place == PLACE_CONST) {
    insn->flags |= IR_B_CONST;
    insn->konst = operand->konst;
  }
}

/* Pops an operand that must not be a constant: a constant goes to its temporary first. */
static struct operand pop_slot(struct ir_frontend *fe) {
  if (fe->operands.count > 0) {
    struct operand *top = &fe->operands.items[fe->operands.count - 1];
    if (top->place == PLACE_CONST) settle(fe, top);
  }
  return pop(fe);
}

static HOT void push_result(struct ir_frontend *fe, struct ir_insn *insn, enum ir_class cls) {
  insn->result = cls;
  insn->d = push(fe, PLACE_TEMP, cls)->slot;
}

static void push_result_typed(struct ir_frontend *fe, struct ir_insn *insn, module_type type) {
  struct operand *operand = push_typed(fe, PLACE_TEMP, type);
  insn->result = operand->cls;
  insn->d = operand->slot;
}

/* The node that lists the traced operands on the stack, all of which are in their temporaries then. */
static uint32_t references(struct ir_frontend *fe) {
  if (fe->node != IR_NO_NODE) settle_all(fe);
  return fe->node;
}

/* ---- Branches ------------------------------------------------------------------------------------------------------ */

static struct control *control_at(struct ir_frontend *fe, uint32_t depth) {
  assert(depth < fe->controls.count);
  return &fe->controls.items[fe->controls.count - 1 - depth];
}

static uint32_t branch_arity(const struct control *target) {
  return target->kind == MODULE_FRAME_LOOP ? target->param_count : target->result_count;
}

/* The slot of the first value that a branch to `target` carries. */
static uint32_t branch_slot(const struct ir_frontend *fe, const struct control *target) {
  if (target->height == 0) return first_temp(fe);
  const struct operand *below = &fe->operands.items[target->height - 1];
  return below->slot + below->slots;
}

/* From so many values on, a branch that may be followed by others with the same values brings them to their temporaries
 * first, once for all of them, and one instruction moves them. A branch takes two bytes, and carries a thousand values. */
enum { MANY_VALUES = 4 };

static void settle_many(struct ir_frontend *fe, const struct control *target) {
  if (branch_arity(target) >= MANY_VALUES) settle_all(fe);
}

/* Behind the operands from `first` on that are in their temporaries, and so in consecutive slots. */
static size_t end_of_run(const struct ir_frontend *fe, size_t first) {
  size_t end = first < fe->settled_count ? fe->settled_count : first, count = fe->operands.count;
  while (end < count && fe->operands.items[end].place == PLACE_TEMP) end++;
  return end < count ? end : count;
}

static bool branch_values_in_place(const struct ir_frontend *fe, const struct control *target) {
  uint32_t arity = branch_arity(target);
  if (arity == 0 || arity > fe->operands.count) return true; /* the latter: memory ran out */
  size_t first = fe->operands.count - arity;
  return end_of_run(fe, first) == fe->operands.count && fe->operands.items[first].slot == branch_slot(fe, target);
}

static uint32_t run_slots(const struct ir_frontend *fe, size_t first, size_t end) {
  const struct operand *last = &fe->operands.items[end - 1];
  return last->slot + last->slots - fe->operands.items[first].slot;
}

/* Of the values for `target`, which they are from number `index` on. */
static void emit_run(struct ir_frontend *fe, const struct control *target, uint32_t slot, size_t first, size_t end,
                     size_t index) {
  struct ir_insn *insn = emit(fe, IR_MOVE_SLOTS);
  insn->d = slot;
  insn->a = fe->operands.items[first].slot;
  insn->b = run_slots(fe, first, end);
  insn->c = (uint32_t)index;
  insn->imm = target->type;
  insn->flags = target->kind == MODULE_FRAME_LOOP ? IR_LOOP : 0;
}

/* Moves the values of a branch down to where the target expects them. Ascending order is safe: value k's destination
 * is never above value k's own temporary, and constants and locals are not in the way. */
static void emit_values(struct ir_frontend *fe, const struct control *target, uint32_t arity) {
  uint32_t slot = branch_slot(fe, target);
  size_t first = fe->operands.count - arity;
  for (size_t i = first, end; i < fe->operands.count; i = end) {
    const struct operand *operand = &fe->operands.items[i];
    end = end_of_run(fe, i);
    bool is_in_place = end > i && operand->slot == slot;
    if (!is_in_place && end < i + MANY_VALUES) {
      emit_move(fe, slot, operand);
      end = i + 1;
    } else if (!is_in_place) {
      emit_run(fe, target, slot, i, end, i - first);
    }
    slot += run_slots(fe, i, end);
  }
}

static void emit_branch_values(struct ir_frontend *fe, const struct control *target) {
  emit_values(fe, target, branch_arity(target));
}

static void emit_result_values(struct ir_frontend *fe, const struct control *target) {
  emit_values(fe, target, target->result_count);
}

/* Several values return from consecutive temporaries. The copies leave the operands' places as they are, because the
 * return may stand on one of several paths. */
static void emit_return(struct ir_frontend *fe) {
  const struct module_func_type *type = fe->body.type;
  uint32_t count = type->result_count;
  if (count > fe->operands.count) return; /* memory ran out */
  const size_t first_index = fe->operands.count - count;
  size_t first_unsettled = first_index > fe->settled_count ? first_index : fe->settled_count;
  for (size_t i = first_unsettled; count > 1 && i < fe->operands.count; i++)
    if (fe->operands.items[i].place != PLACE_TEMP) emit_move(fe, fe->operands.items[i].slot, &fe->operands.items[i]);
  struct ir_insn *insn = emit(fe, IR_RETURN);
  insn->b = type->result_slots;
  if (count == 0) return;
  const struct operand *first = &fe->operands.items[first_index];
  insn->result = first->cls;
  if (count > 1) {
    insn->a = first->slot;
    return;
  }
  use_a(fe, insn, first);
  if (first->place == PLACE_CONST) {
    insn->flags |= IR_A_CONST;
    insn->konst = first->konst;
  }
}

static void do_br(struct ir_frontend *fe, uint32_t depth) {
  const struct control *target = control_at(fe, depth);
  if (target->kind == MODULE_FRAME_FUNC) {
    emit_return(fe);
    return;
  }
  emit_branch_values(fe, target);
  emit_br(fe, target->label);
}

/* Branches on `condition`; an `i32.eqz` that has just made it is taken back and the test turned round. */
static void emit_br_if(struct ir_frontend *fe, const struct operand *condition, uint32_t label, bool negated) {
  if (condition->place == PLACE_CONST) {
    if ((condition->konst != 0) != negated) emit_br(fe, label);
    fe->last = UINT32_MAX;
    return;
  }
  uint32_t slot = condition->at;
  bool is_temp = condition->place == PLACE_TEMP;
  while (is_temp && fe->last != UINT32_MAX && fe->last + 1 == fe->out.insns.count) {
    const struct ir_insn *eqz = &fe->out.insns.items[fe->last];
    if (eqz->op != MODULE_OP_I32_EQZ || eqz->d != slot) break;
    slot = eqz->a;
    is_temp = eqz->flags & IR_A_TEMP;
    negated = !negated;
    fe->out.insns.count = fe->last--;
  }
  struct ir_insn *insn = emit(fe, IR_BR_IF);
  insn->a = slot;
  insn->flags = (is_temp ? IR_A_TEMP : 0) | (negated ? IR_NEGATED : 0);
  insn->imm = label;
}

static void branch_if(struct ir_frontend *fe, const struct operand *condition, uint32_t depth, bool negated) {
  const struct control *target = control_at(fe, depth);
  if (condition->place == PLACE_CONST && (condition->konst != 0) == negated) return;
  settle_many(fe, target);
  if (target->kind != MODULE_FRAME_FUNC && branch_values_in_place(fe, target)) {
    emit_br_if(fe, condition, target->label, negated);
    return;
  }
  uint32_t skip = new_label(fe);
  emit_br_if(fe, condition, skip, !negated);
  do_br(fe, depth);
  emit_label(fe, skip, false);
}

static void do_br_if(struct ir_frontend *fe, uint32_t depth) {
  struct operand condition = pop(fe);
  branch_if(fe, &condition, depth, false);
}

/* Arms whose values are not in place, and returns, go to a landing pad behind the table; equal neighbours share it. */
static void do_br_table(struct ir_frontend *fe, const struct module_insn *insn) {
  struct operand index = pop_slot(fe);
  uint32_t count = insn->imm.br_table.target_count + 1;
  size_t first = fe->out.targets.count;
  const uint8_t *cursor = fe->body.module->bytes + insn->imm.br_table.targets_offset, *first_target = cursor;
  settle_many(fe, control_at(fe, frontend_read_u32(&first_target))); /* all of them take as many values */
  struct ir_insn *table = emit(fe, IR_BR_TABLE);
  use_a(fe, table, &index);
  table->imm = first;
  table->b = count;
  if (!BASE_VEC_RESERVE(&fe->out.targets, first + count)) {
    fe->no_memory = true;
    return;
  }
  fe->out.targets.count += count;
  uint32_t previous_depth = UINT32_MAX;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t depth = frontend_read_u32(&cursor);
    const struct control *target = control_at(fe, depth);
    uint32_t *label = &fe->out.targets.items[first + i];
    if (depth == previous_depth) {
      *label = label[-1];
    } else if (target->kind != MODULE_FRAME_FUNC && branch_values_in_place(fe, target)) {
      *label = target->label;
    } else {
      *label = new_label(fe);
      emit_label(fe, *label, false);
      do_br(fe, depth);
    }
    previous_depth = depth;
  }
}

/* ---- Structured control --------------------------------------------------------------------------------------------- */

static struct control *push_control(struct ir_frontend *fe, enum module_frame_kind kind, bool dead) {
  static _Thread_local struct control scratch;
  struct control *control = BASE_VEC_PUSH(&fe->controls);
  if (!control) {
    fe->no_memory = true;
    control = &scratch;
  }
  *control = (struct control){.kind = kind,
                              .dead = dead,
                              .label = UINT32_MAX,
                              .else_label = UINT32_MAX,
                              .own_try = IR_NO_TRY,
                              .outer_try = fe->current_try};
  return control;
}

static void set_block_type(const struct ir_frontend *fe, struct control *control, int64_t raw) {
  if (raw == MODULE_BLOCK_EMPTY) return;
  if (raw < 0) {
    control->single = module_block_value_type(raw);
    control->result_count = 1;
    return;
  }
  const struct module_func_type *type = &fe->body.module->types[raw].func;
  control->type = (uint32_t)raw;
  control->param_count = type->param_count;
  control->result_count = type->result_count;
  control->params = type->params;
  control->results = type->results;
}

static void do_block(struct ir_frontend *fe, enum module_frame_kind kind, int64_t raw) {
  if (kind == MODULE_FRAME_LOOP) fe->loop_count++;
  if (fe->unreachable) {
    push_control(fe, kind, true);
    return;
  }
  struct operand condition = {0};
  if (kind == MODULE_FRAME_IF) condition = pop(fe);
  settle_all(fe);
  struct control *control = push_control(fe, kind, false);
  set_block_type(fe, control, raw);
  control->height = (uint32_t)fe->operands.count - control->param_count;
  control->label = new_label(fe);
  if (kind == MODULE_FRAME_LOOP) emit_label(fe, control->label, true);
  if (kind == MODULE_FRAME_LOOP && fe->has_fuel) frontend_charge(fe, fe->loop_count);
  if (kind == MODULE_FRAME_IF) {
    control->else_label = new_label(fe);
    emit_br_if(fe, &condition, control->else_label, true);
  }
}

/* Ends one arm: its results to where the label expects them. A legacy catch has them one slot higher. */
static void end_arm(struct ir_frontend *fe, const struct control *control) {
  bool is_catch = control->kind == MODULE_FRAME_CATCH;
  if (!fe->unreachable && is_catch && fe->operands.count >= control->result_count) emit_result_values(fe, control);
  if (!fe->unreachable && !is_catch) settle_top(fe, control->result_count);
  cut(fe, control->height);
}

static void do_else(struct ir_frontend *fe) {
  struct control *control = control_at(fe, 0);
  if (control->dead) return;
  bool falls_through = !fe->unreachable;
  end_arm(fe, control);
  if (falls_through) emit_br(fe, control->label);
  emit_label(fe, control->else_label, false);
  control->else_label = UINT32_MAX;
  control->kind = MODULE_FRAME_ELSE;
  push_types(fe, control->params, control->param_count);
  fe->unreachable = false;
}

static void do_end(struct ir_frontend *fe) {
  struct control control = *control_at(fe, 0);
  if (control.kind == MODULE_FRAME_FUNC) {
    if (!fe->unreachable) emit_return(fe);
    fe->controls.count--;
    return;
  }
  fe->controls.count--;
  if (control.dead) return;
  end_arm(fe, &control);
  if (control.kind == MODULE_FRAME_TRY || control.kind == MODULE_FRAME_TRY_TABLE) frontend_end_try(fe, &control);
  if (control.else_label != UINT32_MAX) emit_label(fe, control.else_label, false); /* no else: parameters are results */
  if (control.kind != MODULE_FRAME_LOOP) emit_label(fe, control.label, false);
  push_types(fe, frontend_results(&control), control.result_count);
  fe->unreachable = false;
}

/* ---- Variables -------------------------------------------------------------------------------------------------------- */

static HOT void do_local_get(struct ir_frontend *fe, uint32_t local) {
  const struct local *entry = &fe->locals.items[local];
  struct operand *operand = push(fe, PLACE_LOCAL, entry->cls);
  operand->at = entry->slot;
  fe->uses.items[entry->slot]++;
  if (BASE_UNLIKELY(entry->is_traced)) trace(fe, operand);
}

/* Whether the results of an operation must stay where they are made: those of calls, and two of them. */
static bool has_fixed_results(uint16_t op) {
  return op == IR_CALL || op == IR_CALL_INDIRECT || op == IR_CALL_REF ||
         (op < MODULE_OP_COUNT && module_ops[op].result_count > 1);
}

/* Stores the popped `value` in a local: by redirecting the instruction that has just made it where possible. */
static void set_local(struct ir_frontend *fe, uint32_t local, const struct operand *value) {
  uint32_t slot = fe->locals.items[local].slot;
  bool named = fe->uses.items[slot] > 0;
  if (value->place == PLACE_LOCAL && value->at == slot) return;
  bool redirect = !named && value->place == PLACE_TEMP && fe->last != UINT32_MAX &&
                  fe->last + 1 == fe->out.insns.count && fe->out.insns.items[fe->last].d == value->slot &&
                  !has_fixed_results(fe->out.insns.items[fe->last].op);
  if (redirect) {
    fe->out.insns.items[fe->last].d = slot;
    return;
  }
  if (named) release_local(fe, slot);
  emit_move(fe, slot, value);
}

static void do_local_set(struct ir_frontend *fe, uint32_t local) {
  struct operand value = pop(fe);
  set_local(fe, local, &value);
}

static void do_local_tee(struct ir_frontend *fe, uint32_t local) {
  struct operand value = pop(fe);
  set_local(fe, local, &value);
  if (value.place == PLACE_CONST)
    push(fe, PLACE_CONST, value.cls)->konst = value.konst;
  else
    do_local_get(fe, local);
}

static void do_global_get(struct ir_frontend *fe, uint32_t global) {
  struct ir_insn *insn = emit(fe, MODULE_OP_GLOBAL_GET);
  insn->imm = global;
  push_result_typed(fe, insn, fe->body.module->globals[global].type.type);
}

static void do_global_set(struct ir_frontend *fe, uint32_t global) {
  struct operand value = pop(fe);
  struct ir_insn *insn = emit(fe, MODULE_OP_GLOBAL_SET);
  use_b(fe, insn, &value);
  insn->imm = global;
  insn->result = IR_CLASS_NONE;
}

/* ---- Calls -------------------------------------------------------------------------------------------------------------- */

static const struct module_func_type *type_of_func(const struct ir_frontend *fe, uint32_t func) {
  return module_func_type_of(fe->body.module, func);
}

static void push_call_results(struct ir_frontend *fe, struct ir_insn *insn, const struct module_func_type *type) {
  insn->result = type->result_count == 1 ? ir_class_of(type->results[0]) : IR_CLASS_NONE;
  push_types(fe, type->results, type->result_count);
}

/* Consumes the arguments, which become the callee's first locals; returns their first slot. */
static uint32_t take_arguments(struct ir_frontend *fe, const struct module_func_type *type) {
  settle_top(fe, type->param_count);
  cut(fe, fe->operands.count >= type->param_count ? (uint32_t)fe->operands.count - type->param_count : 0);
  return fe->next_slot;
}

static void do_call(struct ir_frontend *fe, uint32_t func, bool is_tail) {
  const struct module_func_type *type = type_of_func(fe, func);
  uint32_t slot = take_arguments(fe, type), node = is_tail ? IR_NO_NODE : references(fe);
  struct ir_insn *insn = emit(fe, is_tail ? IR_RETURN_CALL : IR_CALL);
  insn->c = node;
  insn->d = slot;
  insn->imm = func;
  insn->b = type->param_slots;
  if (!is_tail) push_call_results(fe, insn, type);
}

static void do_call_indirect(struct ir_frontend *fe, const struct module_insn *from, bool is_tail) {
  const struct module_func_type *type = &fe->body.module->types[from->imm.index[0]].func;
  struct operand index = pop_slot(fe);
  uint32_t slot = take_arguments(fe, type), node = is_tail ? IR_NO_NODE : references(fe);
  struct ir_insn *insn = emit(fe, is_tail ? IR_RETURN_CALL_INDIRECT : IR_CALL_INDIRECT);
  insn->c = node;
  insn->d = slot;
  use_a(fe, insn, &index);
  insn->imm = from->imm.index[0];
  insn->b = from->imm.index[1];
  insn->konst = type->param_slots;
  if (!is_tail) push_call_results(fe, insn, type);
}

/* ---- Everything else ------------------------------------------------------------------------------------------------------ */

static HOT void canonicalize(struct ir_frontend *fe, uint16_t op) {
  if (BASE_UNLIKELY(fe->canonical_nans)) frontend_make_canonical(fe, op);
}

static HOT void do_unary(struct ir_frontend *fe, uint16_t op, enum ir_class result) {
  struct operand a = pop_slot(fe);
  if (BASE_UNLIKELY(fe->canonical_nans)) frontend_leave_nan(fe, op, &a);
  struct ir_insn *insn = emit(fe, op);
  use_a(fe, insn, &a);
  push_result(fe, insn, result);
  canonicalize(fe, op);
}

static HOT void do_binary(struct ir_frontend *fe, uint16_t op, enum ir_class result) {
  struct operand b = pop(fe), a = pop(fe);
  if (BASE_UNLIKELY(fe->canonical_nans)) {
    frontend_leave_nan(fe, op, &b);
    frontend_leave_nan(fe, op, &a);
  }
  if (a.place == PLACE_CONST && b.place != PLACE_CONST && ir_mirrored[op] != MODULE_OP_COUNT) {
    struct operand exchanged = a;
    a = b;
    b = exchanged;
    op = ir_mirrored[op];
  }
  if (a.place == PLACE_CONST) {
    emit_move(fe, a.slot, &a);
    a.place = PLACE_TEMP;
  }
  struct ir_insn *insn = emit(fe, op);
  use_a(fe, insn, &a);
  use_b(fe, insn, &b);
  push_result(fe, insn, result);
  canonicalize(fe, op);
}

/* A constant address joins the offset where 32 bits hold the sum and the tiers have a form for it: of scalar accesses to
 * memory 0, whatever its address type is; of vectors', only where it is 32 bits. */
static bool joins_offset(const struct ir_frontend *fe, uint16_t op, const struct module_memarg *memarg,
                         uint64_t address) {
  bool has_form =
      module_ops[op].prefix == 0 ? memarg->memory == 0 : !ir_access_is_general(fe->body.module, memarg->memory);
  return has_form && address <= UINT32_MAX && memarg->offset <= UINT32_MAX - address;
}

static HOT struct operand pop_address(struct ir_frontend *fe, uint16_t op, const struct module_memarg *memarg) {
  struct operand *top = fe->operands.count ? &fe->operands.items[fe->operands.count - 1] : NULL;
  if (top && top->place == PLACE_CONST && !joins_offset(fe, op, memarg, top->konst)) settle(fe, top);
  return pop(fe);
}

static HOT void use_address(struct ir_frontend *fe, struct ir_insn *insn, const struct operand *address,
                            const struct module_memarg *memarg) {
  bool joins = address->place == PLACE_CONST;
  if (joins)
    insn->flags |= IR_A_CONST;
  else
    use_a(fe, insn, address);
  insn->imm = memarg->offset + (joins ? address->konst : 0);
  insn->c = memarg->memory;
}

static HOT void do_load(struct ir_frontend *fe, uint16_t op, enum ir_class result, const struct module_memarg *memarg) {
  struct operand address = pop_address(fe, op, memarg);
  struct ir_insn *insn = emit(fe, op);
  use_address(fe, insn, &address, memarg);
  push_result(fe, insn, result);
}

static HOT void do_store(struct ir_frontend *fe, uint16_t op, const struct module_memarg *memarg) {
  struct operand value = pop(fe), address = pop_address(fe, op, memarg);
  struct ir_insn *insn = emit(fe, op);
  use_address(fe, insn, &address, memarg);
  use_b(fe, insn, &value);
}

static void do_select(struct ir_frontend *fe) {
  struct operand condition = pop_slot(fe), b = pop_slot(fe), a = pop_slot(fe);
  struct ir_insn *insn = emit(fe, IR_SELECT);
  use_a(fe, insn, &a);
  use_b(fe, insn, &b);
  insn->c = condition.at;
  if (condition.place == PLACE_TEMP) insn->flags |= IR_C_TEMP;
  push_result(fe, insn, a.cls);
  if (a.is_traced || b.is_traced) trace(fe, &fe->operands.items[fe->operands.count - 1]);
}

static HOT void push_const(struct ir_frontend *fe, enum ir_class cls, uint64_t bits) {
  push(fe, PLACE_CONST, cls)->konst = bits;
}

/* ---- For the other parts ------------------------------------------------------------------------------------------------------ */

struct ir_insn *frontend_emit(struct ir_frontend *fe, uint16_t op) { return emit(fe, op); }
uint32_t frontend_new_label(struct ir_frontend *fe) { return new_label(fe); }
void frontend_emit_label(struct ir_frontend *fe, uint32_t label) { emit_label(fe, label, false); }
void frontend_emit_br(struct ir_frontend *fe, uint32_t label) { emit_br(fe, label); }
void frontend_br(struct ir_frontend *fe, uint32_t depth) { do_br(fe, depth); }
void frontend_br_if(struct ir_frontend *fe, const struct operand *condition, uint32_t depth, bool negated) {
  branch_if(fe, condition, depth, negated);
}
struct operand *frontend_push(struct ir_frontend *fe, module_type type) { return push_typed(fe, PLACE_TEMP, type); }
void frontend_push_types(struct ir_frontend *fe, const module_type *types, uint32_t count) {
  push_types(fe, types, count);
}
void frontend_push_result(struct ir_frontend *fe, struct ir_insn *insn, module_type type) {
  push_result_typed(fe, insn, type);
}
struct operand frontend_pop(struct ir_frontend *fe) { return pop(fe); }
struct operand frontend_pop_slot(struct ir_frontend *fe) { return pop_slot(fe); }
void frontend_use_a(struct ir_frontend *fe, struct ir_insn *insn, const struct operand *operand) {
  use_a(fe, insn, operand);
}
void frontend_use_b(struct ir_frontend *fe, struct ir_insn *insn, const struct operand *operand) {
  use_b(fe, insn, operand);
}
uint32_t frontend_top_slot(const struct ir_frontend *fe) { return fe->next_slot; }
void frontend_settle_top(struct ir_frontend *fe, uint32_t count) { settle_top(fe, count); }
void frontend_cut(struct ir_frontend *fe, uint32_t height) { cut(fe, height); }
uint32_t frontend_take_arguments(struct ir_frontend *fe, const struct module_func_type *type) {
  return take_arguments(fe, type);
}
void frontend_push_call_results(struct ir_frontend *fe, struct ir_insn *insn, const struct module_func_type *type) {
  push_call_results(fe, insn, type);
}
uint32_t frontend_references(struct ir_frontend *fe) { return references(fe); }
struct control *frontend_control(struct ir_frontend *fe, uint32_t depth) { return control_at(fe, depth); }
struct control *frontend_open(struct ir_frontend *fe, enum module_frame_kind kind, int64_t raw) {
  if (fe->unreachable) {
    push_control(fe, kind, true);
    return NULL;
  }
  settle_all(fe);
  struct control *control = push_control(fe, kind, false);
  set_block_type(fe, control, raw);
  control->height = (uint32_t)fe->operands.count - control->param_count;
  control->label = new_label(fe);
  return control;
}
void frontend_end_arm(struct ir_frontend *fe, const struct control *control) { end_arm(fe, control); }
void frontend_unary(struct ir_frontend *fe, uint16_t op, enum ir_class result) { do_unary(fe, op, result); }
void frontend_binary(struct ir_frontend *fe, uint16_t op, enum ir_class result) { do_binary(fe, op, result); }
void frontend_load(struct ir_frontend *fe, uint16_t op, enum ir_class result, const struct module_memarg *memarg) {
  do_load(fe, op, result, memarg);
}
void frontend_store(struct ir_frontend *fe, uint16_t op, const struct module_memarg *memarg) {
  do_store(fe, op, memarg);
}
struct operand frontend_pop_address(struct ir_frontend *fe, uint16_t op, const struct module_memarg *memarg) {
  return pop_address(fe, op, memarg);
}
void frontend_use_address(struct ir_frontend *fe, struct ir_insn *insn, const struct operand *address,
                          const struct module_memarg *memarg) {
  use_address(fe, insn, address, memarg);
}

/* ---- Instructions ----------------------------------------------------------------------------------------------------------- */

/* Every instruction, as the reader hands it out. */
static void translate_reachable(struct ir_frontend *fe, const struct module_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_NOP: break;
  case MODULE_OP_BLOCK: do_block(fe, MODULE_FRAME_BLOCK, insn->imm.block.raw); break;
  case MODULE_OP_LOOP: do_block(fe, MODULE_FRAME_LOOP, insn->imm.block.raw); break;
  case MODULE_OP_IF: do_block(fe, MODULE_FRAME_IF, insn->imm.block.raw); break;
  case MODULE_OP_ELSE: do_else(fe); break;
  case MODULE_OP_END: do_end(fe); break;
  case MODULE_OP_BR: do_br(fe, insn->imm.index[0]); break;
  case MODULE_OP_BR_IF: do_br_if(fe, insn->imm.index[0]); break;
  case MODULE_OP_BR_TABLE: do_br_table(fe, insn); break;
  case MODULE_OP_RETURN: emit_return(fe); break;
  case MODULE_OP_CALL: do_call(fe, insn->imm.index[0], false); break;
  case MODULE_OP_RETURN_CALL: do_call(fe, insn->imm.index[0], true); break;
  case MODULE_OP_CALL_INDIRECT: do_call_indirect(fe, insn, false); break;
  case MODULE_OP_RETURN_CALL_INDIRECT: do_call_indirect(fe, insn, true); break;
  case MODULE_OP_DROP: pop(fe); break;
  case MODULE_OP_SELECT:
  case MODULE_OP_SELECT_TYPED: do_select(fe); break;
  case MODULE_OP_LOCAL_GET: do_local_get(fe, insn->imm.index[0]); break;
  case MODULE_OP_LOCAL_SET: do_local_set(fe, insn->imm.index[0]); break;
  case MODULE_OP_LOCAL_TEE: do_local_tee(fe, insn->imm.index[0]); break;
  case MODULE_OP_GLOBAL_GET: do_global_get(fe, insn->imm.index[0]); break;
  case MODULE_OP_GLOBAL_SET: do_global_set(fe, insn->imm.index[0]); break;
  case MODULE_OP_I32_CONST: push_const(fe, IR_CLASS_INT, insn->imm.i32); break;
  case MODULE_OP_I64_CONST: push_const(fe, IR_CLASS_INT, insn->imm.i64); break;
  case MODULE_OP_F32_CONST: push_const(fe, IR_CLASS_F32, insn->imm.i32); break;
  case MODULE_OP_F64_CONST: push_const(fe, IR_CLASS_F64, insn->imm.i64); break;
  case MODULE_OP_REF_NULL: push_const(fe, IR_CLASS_INT, 0); break;
  case MODULE_OP_REF_IS_NULL: do_unary(fe, MODULE_OP_I64_EQZ, IR_CLASS_INT); break;
  case MODULE_OP_I64_EXTEND_I32_U: break; /* an i32 is zero-extended in its slot: nothing to do */
  case MODULE_OP_UNREACHABLE: emit(fe, MODULE_OP_UNREACHABLE); break;
  case MODULE_OP_ATOMIC_FENCE: emit(fe, MODULE_OP_ATOMIC_FENCE); break;
  case MODULE_OP_THROW:
  case MODULE_OP_THROW_REF:
  case MODULE_OP_RETHROW:
  case MODULE_OP_TRY_TABLE:
  case MODULE_OP_TRY:
  case MODULE_OP_CATCH:
  case MODULE_OP_CATCH_ALL:
  case MODULE_OP_DELEGATE: frontend_exceptions_insn(fe, insn); break;
  case MODULE_OP_CALL_REF:
  case MODULE_OP_RETURN_CALL_REF:
  case MODULE_OP_REF_EQ ... MODULE_OP_BR_ON_NON_NULL:
  case MODULE_OP_STRUCT_NEW ... MODULE_OP_I31_GET_U: frontend_references_insn(fe, insn); break;
  default: frontend_row_insn(fe, insn);
  }
}

/* The instruction at `at`, which is reachable or control. Returns the next one. */
static const uint8_t *translate_at(struct ir_frontend *fe, const uint8_t *at) {
  const uint8_t *bytes = fe->body.module->bytes;
  struct module_insn insn = {0}; /* immediates that an instruction lacks are read, too */
  uint32_t cursor = (uint32_t)(at - bytes);
  fe->offset = cursor;
  if (!module_insn_again(fe->body.module, &cursor, &insn)) {
    fe->no_memory = true;
    return at;
  }
  uint32_t flags = module_ops[insn.op].flags;
  if (!fe->unreachable || (flags & MODULE_OP_CONTROL)) translate_reachable(fe, &insn);
  if (flags & MODULE_OP_TERMINATES) fe->unreachable = true;
  return bytes + cursor;
}

/* Unreachable code, which nearly always consists of one `end`. */
static const uint8_t *skip_dead(struct ir_frontend *fe, const uint8_t *at) {
  fe->unreachable = true;
  while (fe->unreachable && !fe->no_memory && fe->controls.count > 0) {
    if (BASE_LIKELY(module_op_shorts[*at].kind == MODULE_SHORT_END)) {
      fe->offset = (uint32_t)(at++ - fe->body.module->bytes);
      do_end(fe);
    } else {
      at = translate_at(fe, at);
    }
  }
  return at;
}

static const uint8_t *translate_any(struct ir_frontend *fe) {
  const uint8_t *next = translate_at(fe, fe->body.module->bytes + fe->offset);
  return fe->unreachable ? skip_dead(fe, next) : next;
}

/* ---- The usual ones --------------------------------------------------------------------------------------------------------- */

/* Nearly all instructions are read where they are translated. */

static HOT uint32_t read_index(const uint8_t **at) {
  return BASE_LIKELY(**at < 0x80) ? *(*at)++ : frontend_read_u32(at);
}

static HOT uint64_t read_integer(const uint8_t **at) {
  uint64_t value = 0;
  uint32_t shift = 0;
  uint8_t byte;
  do {
    byte = *(*at)++;
    value |= (uint64_t)(byte & 0x7F) << shift;
    shift += 7;
  } while (byte & 0x80);
  bool is_negative = (byte & 0x40) && shift < 64;
  return is_negative ? value | ~UINT64_C(0) << shift : value;
}

static HOT const uint8_t *short_constant(struct ir_frontend *fe, const struct module_op_short *form,
                                         const uint8_t *at) {
  uint64_t value = read_integer(&at);
  push_const(fe, IR_CLASS_INT, form->result == MODULE_I32 ? (uint32_t)value : value);
  return at;
}

static HOT const uint8_t *short_float(struct ir_frontend *fe, const struct module_op_short *form, const uint8_t *at) {
  bool is_single = form->result == MODULE_F32;
  push_const(fe, is_single ? IR_CLASS_F32 : IR_CLASS_F64, is_single ? base_load_u32(at) : base_load_u64(at));
  return at + form->len_bytes - 1;
}

/* Of memory 0, with 32-bit addresses; the rest takes the long way. */
static HOT const uint8_t *short_access(struct ir_frontend *fe, const struct module_op_short *form, const uint8_t *at) {
  if (BASE_UNLIKELY(*at++ >= 0x40 || fe->body.has_memory64)) return translate_any(fe);
  struct module_memarg memarg = {.offset = read_index(&at)};
  if (form->kind == MODULE_SHORT_LOAD)
    do_load(fe, form->op, ir_class_of(form->result), &memarg);
  else
    do_store(fe, form->op, &memarg);
  return at;
}

/* Without a type or with a number's. */
static HOT const uint8_t *short_block(struct ir_frontend *fe, enum module_frame_kind kind, const uint8_t *at) {
  if (BASE_UNLIKELY(*at != 0x40 && (*at < MODULE_F64 || *at > MODULE_I32))) return translate_any(fe);
  do_block(fe, kind, (int64_t)*at - 0x80);
  return at + 1;
}

static HOT const uint8_t *translate_short(struct ir_frontend *fe, const struct module_op_short *form,
                                          const uint8_t *at) {
  switch ((enum module_short_kind)form->kind) {
  case MODULE_SHORT_UNARY:
    if (form->op != MODULE_OP_I64_EXTEND_I32_U) do_unary(fe, form->op, ir_class_of(form->result));
    break;
  case MODULE_SHORT_BINARY: do_binary(fe, form->op, ir_class_of(form->result)); break;
  case MODULE_SHORT_LOAD:
  case MODULE_SHORT_STORE: return short_access(fe, form, at);
  case MODULE_SHORT_INTEGER: return short_constant(fe, form, at);
  case MODULE_SHORT_FLOAT: return short_float(fe, form, at);
  case MODULE_SHORT_BLOCK: return short_block(fe, MODULE_FRAME_BLOCK, at);
  case MODULE_SHORT_LOOP: return short_block(fe, MODULE_FRAME_LOOP, at);
  case MODULE_SHORT_IF: return short_block(fe, MODULE_FRAME_IF, at);
  case MODULE_SHORT_ELSE: do_else(fe); break;
  case MODULE_SHORT_END: do_end(fe); break;
  case MODULE_SHORT_BR: do_br(fe, read_index(&at)); return skip_dead(fe, at);
  case MODULE_SHORT_BR_IF: do_br_if(fe, read_index(&at)); break;
  case MODULE_SHORT_RETURN: emit_return(fe); return skip_dead(fe, at);
  case MODULE_SHORT_CALL: do_call(fe, read_index(&at), false); break;
  case MODULE_SHORT_DROP: pop(fe); break;
  case MODULE_SHORT_SELECT: do_select(fe); break;
  case MODULE_SHORT_LOCAL_GET: do_local_get(fe, read_index(&at)); break;
  case MODULE_SHORT_LOCAL_SET: do_local_set(fe, read_index(&at)); break;
  case MODULE_SHORT_LOCAL_TEE: do_local_tee(fe, read_index(&at)); break;
  case MODULE_SHORT_GLOBAL_GET: do_global_get(fe, read_index(&at)); break;
  case MODULE_SHORT_GLOBAL_SET: do_global_set(fe, read_index(&at)); break;
  case MODULE_SHORT_NOP: break;
  case MODULE_SHORT_NONE: return translate_any(fe);
  default: __builtin_unreachable();
  }
  return at;
}

static void translate_body(struct ir_frontend *fe) {
  const uint8_t *bytes = fe->body.module->bytes, *at = bytes + fe->body.cursor, *end = bytes + fe->body.end;
  while (at < end && !fe->no_memory) {
    fe->offset = (uint32_t)(at - bytes);
    at = translate_short(fe, &module_op_shorts[*at], at + 1);
  }
  assert(fe->controls.count == 0 || fe->no_memory);
}

/* ---- A function ------------------------------------------------------------------------------------------------------------- */

static bool note_local(struct ir_frontend *fe, uint32_t slot) {
  uint32_t *entry = BASE_VEC_PUSH(&fe->out.local_references);
  if (entry) *entry = slot;
  return entry != NULL;
}

/* The locals up to `end` have this type. */
static bool lay_out_locals(struct ir_frontend *fe, uint32_t end, module_type type) {
  struct local local = {.cls = (uint8_t)ir_class_of(type),
                        .is_traced = module_type_is_traced(fe->body.module->types, type)};
  while (fe->locals.count < end) {
    local.slot = fe->next_slot;
    fe->locals.items[fe->locals.count++] = local;
    if (BASE_UNLIKELY(local.is_traced) && !note_local(fe, local.slot)) return false;
    fe->next_slot += module_type_slots(type);
  }
  return true;
}

static bool lay_out_frame(struct ir_frontend *fe) {
  const struct module_func_type *type = fe->body.type;
  uint32_t slots = fe->body.locals_slots;
  if (!BASE_VEC_RESERVE(&fe->locals, (size_t)fe->body.local_count + 1) ||
      !BASE_VEC_RESERVE(&fe->uses, (size_t)slots + 1)) {
    return false;
  }
  memset(fe->uses.items, 0, slots * sizeof *fe->uses.items);
  fe->uses.count = slots;
  fe->locals.count = 0;
  fe->next_slot = 0;
  for (uint32_t i = 0; i < type->param_count; i++) {
    if (!lay_out_locals(fe, i + 1, type->params[i])) return false;
  }
  for (size_t i = 0; i < fe->body.local_runs.count; i++) {
    const struct module_local_run *run = &fe->body.local_runs.items[i];
    if (!lay_out_locals(fe, run->end, run->type)) return false;
  }
  assert(fe->next_slot == slots);
  fe->out.param_slots = type->param_slots;
  fe->out.local_slots = fe->next_slot - type->param_slots;
  fe->out.link_slot = fe->next_slot;
  fe->next_slot += IR_LINK_SLOTS;
  return true;
}

const struct ir_function *ir_translate(struct ir_frontend *fe, const struct module *module, uint32_t func) {
  fe->out.insns.count = fe->out.targets.count = fe->out.nodes.count = 0;
  fe->out.local_references.count = fe->out.tries.count = fe->out.catches.count = 0;
  fe->current_try = IR_NO_TRY;
  fe->operands.count = fe->controls.count = fe->settled_count = 0;
  fe->node = IR_NO_NODE;
  fe->out.func = func;
  fe->out.label_count = 0;
  fe->unreachable = fe->no_memory = false;
  fe->last = UINT32_MAX;
  struct cay_error error;
  if (module_body_begin(&fe->body, module, func, &error) != CAY_OK || !lay_out_frame(fe)) return NULL;
  fe->out.frame_slots = module->funcs[func].frame_slots + IR_LINK_SLOTS;
  /* Growing step by step costs more than a generous first guess: four bytes of wasm make about one instruction. */
  fe->no_memory = !BASE_VEC_RESERVE(&fe->out.insns, (size_t)module->funcs[func].body_bytes / 3 + 16);
  struct control *body = push_control(fe, MODULE_FRAME_FUNC, false);
  body->result_count = fe->body.type->result_count;
  body->results = fe->body.type->results;
  fe->offset = fe->body.cursor;
  fe->loop_count = 0;
  if (fe->has_fuel && !fe->no_memory) frontend_begin_fuel(fe);
  translate_body(fe);
  return fe->no_memory ? NULL : &fe->out;
}
