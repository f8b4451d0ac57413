/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Loops that are interpreters: a br_table at the head, and at the end of every case a jump back to it.
 *
 * With one indirect jump for all, the processor has to guess from its history alone which case comes next, and each case ends
 * with a jump to the head. So what leads to the br_table is written again in place of each such jump, as people do by hand
 * with a `goto *` at the end of each case. Compilers of C do it where the source does, but a guest has one br_table whatever
 * its source had. Where only a few jumps lead to one, as in parsers, it does not pay. Every copy has an edge to each case, and
 * LLVM's work grows with their number, so that is bounded. */
#include "tiers/optimizer/helper/helper.h"

enum { MOST_COPIED = 20, LEAST_JUMPS = 6, MOST_EDGES = 1024 };

static bool is_jump(const struct ir_insn *insn) { return insn->op == IR_BR || insn->op == IR_BR_IF; }

/* Where the br_table is that a jump to `label` comes to soon, by way of a loop's head; 0: it does not. */
static uint32_t table_after(const struct batch *b, uint64_t label) {
  uint32_t at = b->label_places[label];
  bool is_loop = false;
  for (uint32_t i = 0; i < MOST_COPIED && at < b->ir->insns.count; i++) {
    const struct ir_insn *insn = &b->ir->insns.items[at++];
    switch (insn->op) {
    case IR_LABEL: is_loop = is_loop || insn->flags & IR_LOOP; break;
    case IR_BR: at = b->label_places[insn->imm]; break;
    case IR_BR_TABLE: return is_loop ? at - 1 : 0;
    case IR_RETURN:
    case IR_CALL:
    case IR_CALL_INDIRECT:
    case IR_CALL_REF:
    case IR_TRY:
    case IR_TRY_END:
    case MODULE_OP_THROW:
    case MODULE_OP_THROW_REF:
    case MODULE_OP_UNREACHABLE: return 0;
    default: break;
    }
  }
  return 0;
}

void dispatch_find(struct batch *b) {
  const struct ir_insn *insns = b->ir->insns.items;
  for (uint32_t i = 0; i < b->ir->insns.count; i++)
    if (insns[i].op == IR_LABEL) b->label_places[insns[i].imm] = i;
  for (uint32_t i = 0; i < b->ir->insns.count; i++)
    if (is_jump(&insns[i])) b->jump_counts[table_after(b, insns[i].imm)]++;
}

bool dispatch_is_near(struct batch *b, uint64_t label) {
  uint32_t table = b->is_copying ? 0 : table_after(b, label), cases = b->ir->insns.items[table].b;
  if (table == 0 || b->jump_counts[table] < LEAST_JUMPS || b->copied_edges + cases > MOST_EDGES) return false;
  b->copied_edges += cases;
  return true;
}

void dispatch_copy(struct batch *b, uint64_t label) {
  const struct ir_insn *insn;
  uint32_t at = b->label_places[label];
  b->is_copying = true;
  do {
    insn = &b->ir->insns.items[at++];
    if (insn->op == IR_BR)
      at = b->label_places[insn->imm];
    else if (insn->op == IR_LABEL)
      control_pass_label(b, insn);
    else
      translate_insn(b, insn);
  } while (insn->op != IR_BR_TABLE);
  b->is_copying = false;
}
