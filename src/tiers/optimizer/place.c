/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Where a fault in optimized code is, in the wasm module.
 *
 * The processor's instruction that faults says which wasm instruction it belongs to. But where the number that was loaded is
 * an operand in memory of the instruction that takes it, the line table names the latter. Then the load is what has made one
 * of its operands: the register code tells, walked backwards from there. Keeping loads apart instead would cost registers and
 * instructions in all code, for the sake of what is reported once. */
#include "tiers/baseline/code.h"

enum { MOST_WANTED = 16 };
struct wanted {
  uint32_t slots[MOST_WANTED];
  uint32_t count;
};

static bool is_access(const struct ir_insn *insn) {
  return insn->op < MODULE_OP_COUNT && (module_ops[insn->op].flags & (MODULE_OP_LOAD | MODULE_OP_STORE));
}

static void want(struct wanted *wanted, uint32_t slot) {
  if (wanted->count < MOST_WANTED) wanted->slots[wanted->count++] = slot;
}

static bool take(struct wanted *wanted, uint32_t slot) {
  for (uint32_t i = 0; i < wanted->count; i++) {
    if (wanted->slots[i] != slot) continue;
    wanted->slots[i] = wanted->slots[--wanted->count];
    return true;
  }
  return false;
}

/* How many of a, b and c are slots that it reads. */
static uint32_t operand_count(const struct ir_insn *insn) {
  switch (insn->op) {
  case IR_MOVE:
  case IR_BR_IF:
  case IR_BR_TABLE:
  case IR_RETURN: return 1;
  case IR_SELECT: return 3;
  case MODULE_OP_GLOBAL_SET: return 2;
  default: return insn->op < MODULE_OP_COUNT ? module_ops[insn->op].param_count : 0;
  }
}

static void want_operands(struct wanted *wanted, const struct ir_insn *insn) {
  const uint32_t slots[] = {insn->a, insn->b, insn->c}, count = operand_count(insn);
  for (uint32_t i = 0; i < count && i < BASE_ARRAY_LEN(slots); i++)
    if (!(i == 1 && (insn->flags & IR_B_CONST)) && !(i == 0 && (insn->flags & IR_A_CONST))) want(wanted, slots[i]);
}

uint32_t optimizer_place_of(const struct ir_function *ir, uint32_t offset) {
  size_t at = ir->insns.count;
  struct wanted wanted = {.count = 0};
  while (at > 0 && ir->insns.items[at - 1].offset != offset) at--;
  for (size_t i = at; i > 0 && ir->insns.items[i - 1].offset == offset; i--) {
    if (operand_count(&ir->insns.items[i - 1]) == 0 || is_access(&ir->insns.items[i - 1])) return offset;
    want_operands(&wanted, &ir->insns.items[i - 1]);
  }
  for (; at > 0 && wanted.count > 0; at--) {
    const struct ir_insn *insn = &ir->insns.items[at - 1];
    if (insn->offset == offset || insn->d == IR_NO_SLOT || !take(&wanted, insn->d)) continue;
    if (is_access(insn)) return insn->offset;
    want_operands(&wanted, insn);
  }
  return offset;
}
