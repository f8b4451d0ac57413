/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Exceptions in the front-end: both forms become ranges of code with catch clauses.
 *
 * A clause names a label. Whoever unwinds writes the exception's values to the clause's slots and goes on there. Entering
 * and leaving a range costs nothing when nothing is thrown; its two ends are marked for the encoder.
 *
 * try_table has its landing pads behind the block: each branches to the clause's label with the values. A legacy `catch`
 * is its own landing pad; it keeps the exception in one more operand below its values, for `rethrow`. `delegate` makes
 * a range whose exceptions skip to the range that encloses its label.
 *
 * Invariant: at a landing pad the operands below the block are in their temporaries, and locals are in their slots, at
 * every position in the range, because both were so when the block began and operands of the block lie above. */
#include <assert.h>

#include "tiers/frontend.h"

enum { CLAUSE_REF = 1, CLAUSE_ALL = 2 }; /* bits of a try_table's catch kind */

static uint32_t new_try(struct ir_frontend *fe) {
  struct ir_try *entry = BASE_VEC_PUSH(&fe->out.tries);
  if (!entry) {
    fe->no_memory = true;
    return IR_NO_TRY;
  }
  *entry = (struct ir_try){.first_catch = IR_NO_CATCH, .target = IR_NO_TRY};
  return (uint32_t)fe->out.tries.count - 1;
}

static void begin_range(struct ir_frontend *fe, struct control *control) {
  control->outer_try = fe->current_try;
  control->own_try = fe->current_try = new_try(fe);
  frontend_emit(fe, IR_TRY)->imm = control->own_try;
  fe->last = UINT32_MAX;
}

static void end_range(struct ir_frontend *fe, const struct control *control) {
  frontend_emit(fe, IR_TRY_END)->imm = control->own_try;
  fe->last = UINT32_MAX;
  fe->current_try = control->outer_try;
}

/* Adds a clause behind those that the range has. */
static void add_catch(struct ir_frontend *fe, uint32_t own_try, struct ir_catch clause) {
  struct ir_catch *entry = fe->no_memory ? NULL : BASE_VEC_PUSH(&fe->out.catches);
  if (!entry) {
    fe->no_memory = true;
    return;
  }
  *entry = clause;
  entry->next = IR_NO_CATCH;
  uint32_t index = (uint32_t)fe->out.catches.count - 1;
  struct ir_try *range = &fe->out.tries.items[own_try];
  if (range->first_catch == IR_NO_CATCH)
    range->first_catch = index;
  else
    fe->out.catches.items[range->last_catch].next = index;
  range->last_catch = index;
}

static const struct module_func_type *tag_type(const struct ir_frontend *fe, uint32_t tag) {
  const struct module *module = fe->body.module;
  return &module->types[module->tags[tag].type].func;
}

/* ---- throw ------------------------------------------------------------------------------------------------------- */

static void do_throw(struct ir_frontend *fe, uint32_t tag) {
  uint32_t count = tag_type(fe, tag)->param_count;
  frontend_settle_top(fe, count);
  uint32_t node = frontend_references(fe);
  for (uint32_t i = 0; i < count; i++) frontend_pop(fe);
  struct ir_insn *insn = frontend_emit(fe, MODULE_OP_THROW);
  insn->a = frontend_top_slot(fe);
  insn->c = node;
  insn->imm = tag;
}

static void do_throw_ref(struct ir_frontend *fe) {
  struct operand exception = frontend_pop_slot(fe);
  struct ir_insn *insn = frontend_emit(fe, MODULE_OP_THROW_REF);
  frontend_use_a(fe, insn, &exception);
}

static void do_rethrow(struct ir_frontend *fe, uint32_t depth) {
  const struct control *control = frontend_control(fe, depth);
  struct ir_insn *insn = frontend_emit(fe, MODULE_OP_THROW_REF);
  insn->a = fe->operands.count > control->height ? fe->operands.items[control->height].slot : 0;
}

/* ---- try_table --------------------------------------------------------------------------------------------------- */

struct clause {
  uint8_t kind;
  uint32_t tag, depth;
};

static struct clause read_clause(const uint8_t **cursor) {
  struct clause clause = {.kind = *(*cursor)++, .tag = IR_ANY_TAG};
  if (!(clause.kind & CLAUSE_ALL)) clause.tag = frontend_read_u32(cursor);
  clause.depth = frontend_read_u32(cursor);
  return clause;
}

static void do_try_table(struct ir_frontend *fe, const struct module_insn *insn) {
  struct control *control = frontend_open(fe, MODULE_FRAME_TRY_TABLE, insn->imm.block.raw);
  if (!control) return;
  control->clauses_offset = insn->imm.block.catches_offset;
  begin_range(fe, control);
  const uint8_t *cursor = fe->body.module->bytes + insn->imm.block.catches_offset;
  uint32_t slot = control->height
                      ? fe->operands.items[control->height - 1].slot + fe->operands.items[control->height - 1].slots
                      : fe->out.link_slot + IR_LINK_SLOTS;
  for (uint32_t i = 0; i < insn->imm.block.catch_count; i++) {
    struct clause clause = read_clause(&cursor);
    uint32_t values = clause.tag == IR_ANY_TAG ? 0 : tag_type(fe, clause.tag)->param_slots;
    add_catch(fe, control->own_try,
              (struct ir_catch){.tag = clause.tag,
                                .label = frontend_new_label(fe),
                                .value_slot = slot,
                                .ref_slot = clause.kind & CLAUSE_REF ? slot + values : IR_NO_SLOT});
  }
}

/* The labels of the clauses count from outside of the block, whose control is popped. */
static void emit_landing_pads(struct ir_frontend *fe, const struct control *control) {
  const uint8_t *cursor = fe->body.module->bytes + control->clauses_offset;
  if (fe->no_memory) return;
  uint32_t index = fe->out.tries.items[control->own_try].first_catch;
  for (; index != IR_NO_CATCH; index = fe->out.catches.items[index].next) {
    struct clause clause = read_clause(&cursor);
    frontend_emit_label(fe, fe->out.catches.items[index].label);
    if (clause.tag != IR_ANY_TAG) {
      const struct module_func_type *type = tag_type(fe, clause.tag);
      frontend_push_types(fe, type->params, type->param_count);
    }
    if (clause.kind & CLAUSE_REF) frontend_push(fe, MODULE_EXNREF);
    frontend_br(fe, clause.depth);
    frontend_cut(fe, control->height);
  }
}

void frontend_end_try(struct ir_frontend *fe, struct control *control) {
  end_range(fe, control);
  if (control->kind != MODULE_FRAME_TRY_TABLE) return;
  if (!fe->unreachable) frontend_emit_br(fe, control->label);
  emit_landing_pads(fe, control);
}

/* ---- The legacy form --------------------------------------------------------------------------------------------- */

static void do_try(struct ir_frontend *fe, int64_t raw) {
  struct control *control = frontend_open(fe, MODULE_FRAME_TRY, raw);
  if (control) begin_range(fe, control);
}

/* `tag` IR_ANY_TAG: catch_all. */
static void do_catch(struct ir_frontend *fe, uint32_t tag) {
  struct control *control = frontend_control(fe, 0);
  if (control->dead) return;
  bool falls_through = !fe->unreachable;
  frontend_end_arm(fe, control);
  if (control->kind == MODULE_FRAME_TRY) end_range(fe, control);
  if (falls_through) frontend_emit_br(fe, control->label);
  control->kind = MODULE_FRAME_CATCH;
  fe->unreachable = false;
  uint32_t label = frontend_new_label(fe);
  frontend_emit_label(fe, label);
  uint32_t ref_slot = frontend_push(fe, MODULE_EXNREF)->slot;
  add_catch(fe, control->own_try,
            (struct ir_catch){.tag = tag, .label = label, .value_slot = ref_slot + 1, .ref_slot = ref_slot});
  if (tag == IR_ANY_TAG) return;
  const struct module_func_type *type = tag_type(fe, tag);
  frontend_push_types(fe, type->params, type->param_count);
}

/* The range that catches what is thrown at a label: its own `try` while its body runs, else what encloses it. */
static uint32_t try_of(const struct control *control) {
  return control->kind == MODULE_FRAME_TRY || control->kind == MODULE_FRAME_TRY_TABLE ? control->own_try
                                                                                      : control->outer_try;
}

static void do_delegate(struct ir_frontend *fe, uint32_t depth) {
  struct control control = *frontend_control(fe, 0);
  const struct control *target = frontend_control(fe, depth + 1);
  fe->controls.count--;
  if (control.dead) return;
  if (control.own_try != IR_NO_TRY) {
    fe->out.tries.items[control.own_try].delegates = true;
    fe->out.tries.items[control.own_try].target = try_of(target);
  }
  frontend_end_arm(fe, &control);
  end_range(fe, &control);
  frontend_emit_label(fe, control.label);
  frontend_push_types(fe, frontend_results(&control), control.result_count);
  fe->unreachable = false;
}

void frontend_exceptions_insn(struct ir_frontend *fe, const struct module_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_THROW: do_throw(fe, insn->imm.index[0]); break;
  case MODULE_OP_THROW_REF: do_throw_ref(fe); break;
  case MODULE_OP_RETHROW: do_rethrow(fe, insn->imm.index[0]); break;
  case MODULE_OP_TRY_TABLE: do_try_table(fe, insn); break;
  case MODULE_OP_TRY: do_try(fe, insn->imm.block.raw); break;
  case MODULE_OP_CATCH: do_catch(fe, insn->imm.index[0]); break;
  case MODULE_OP_CATCH_ALL: do_catch(fe, IR_ANY_TAG); break;
  default: assert(insn->op == MODULE_OP_DELEGATE); do_delegate(fe, insn->imm.index[0]);
  }
}
