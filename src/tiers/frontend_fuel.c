/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a run costs in fuel, as the front-end charges it.
 *
 * The cost is a function of the WebAssembly code alone, so that every tier and processor counts the same: an instruction
 * costs 1, `else` and `end` nothing. Each entry of a function pays for its instructions outside of loops at once, and
 * each iteration of a loop for those inside of it and outside of inner loops, whichever of them run. Counting the basic
 * blocks that run instead was rejected: it is no harder to predict for whoever sets a limit, and costs an instruction at
 * each branch. What works on as many bytes as an operand says pays for them as well, before it does, at 16 bytes for 1;
 * an element of a table or an array counts as 8 bytes.
 *
 * The bodies are read once more for it, in this mode only. */
#include <assert.h>

#include "tiers/frontend.h"

/* Loops that the instruction being counted lies in; one entry for each control. */
struct counter {
  BASE_VEC(uint32_t) enclosing; /* by depth: index in fuel_costs of the innermost loop, or 0 */
};

static bool enter(struct counter *counter, uint32_t index) {
  uint32_t *entry = BASE_VEC_PUSH(&counter->enclosing);
  if (entry) *entry = index;
  return entry != NULL;
}

static bool is_opening(uint16_t op) {
  switch (op) {
  case MODULE_OP_BLOCK:
  case MODULE_OP_LOOP:
  case MODULE_OP_IF:
  case MODULE_OP_TRY:
  case MODULE_OP_TRY_TABLE: return true;
  default: return false;
  }
}

/* `delegate` ends its `try` without an `end`. */
static bool is_closing(uint16_t op) { return op == MODULE_OP_END || op == MODULE_OP_DELEGATE; }

static bool count_insn(struct ir_frontend *fe, struct counter *counter, uint16_t op) {
  uint32_t index = counter->enclosing.items[counter->enclosing.count - 1];
  if (op != MODULE_OP_END && op != MODULE_OP_ELSE) fe->fuel_costs.items[index]++;
  if (is_closing(op)) counter->enclosing.count--;
  if (!is_opening(op)) return true;
  if (op == MODULE_OP_LOOP) {
    index = (uint32_t)fe->fuel_costs.count;
    if (!BASE_VEC_PUSH(&fe->fuel_costs)) return false;
  }
  return enter(counter, index);
}

static bool find_costs(struct ir_frontend *fe) {
  struct counter counter = {0};
  uint32_t cursor = fe->body.cursor;
  fe->fuel_costs.count = 0;
  bool done = BASE_VEC_PUSH(&fe->fuel_costs) && enter(&counter, 0);
  while (done && counter.enclosing.count > 0) {
    struct module_insn insn = {0};
    assert(cursor < fe->body.end);
    done = module_insn_again(fe->body.module, &cursor, &insn) && count_insn(fe, &counter, insn.op);
  }
  BASE_VEC_DEINIT(&counter.enclosing);
  return done;
}

void frontend_charge(struct ir_frontend *fe, uint32_t index) {
  uint32_t cost = fe->fuel_costs.items[index];
  if (cost == 0) return;
  frontend_emit(fe, IR_FUEL)->imm = cost;
  fe->last = UINT32_MAX;
}

void frontend_begin_fuel(struct ir_frontend *fe) {
  if (find_costs(fe))
    frontend_charge(fe, 0);
  else
    fe->no_memory = true;
}

enum { NOTHING = -1, ELEMENT_LOG2 = 3 };

/* Log2 of the bytes that each unit of the size operand stands for. */
static int unit_log2(const struct ir_frontend *fe, const struct module_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_MEMORY_FILL:
  case MODULE_OP_MEMORY_COPY:
  case MODULE_OP_MEMORY_INIT: return 0;
  case MODULE_OP_MEMORY_GROW: return fe->body.module->memories[insn->imm.index[0]].page_log2;
  case MODULE_OP_TABLE_FILL:
  case MODULE_OP_TABLE_COPY:
  case MODULE_OP_TABLE_INIT:
  case MODULE_OP_TABLE_GROW:
  case MODULE_OP_ARRAY_NEW:
  case MODULE_OP_ARRAY_NEW_DEFAULT:
  case MODULE_OP_ARRAY_NEW_DATA:
  case MODULE_OP_ARRAY_NEW_ELEM:
  case MODULE_OP_ARRAY_FILL:
  case MODULE_OP_ARRAY_COPY:
  case MODULE_OP_ARRAY_INIT_DATA:
  case MODULE_OP_ARRAY_INIT_ELEM: return ELEMENT_LOG2;
  default: return NOTHING;
  }
}

void frontend_charge_size(struct ir_frontend *fe, const struct module_insn *insn) {
  int log2 = unit_log2(fe, insn);
  if (log2 == NOTHING || fe->operands.count == 0) return; /* or memory ran out */
  struct ir_insn *charge = frontend_emit(fe, IR_FUEL_BYTES);
  charge->a = fe->operands.items[fe->operands.count - 1].slot;
  charge->imm = (uint64_t)log2;
  fe->last = UINT32_MAX;
}
