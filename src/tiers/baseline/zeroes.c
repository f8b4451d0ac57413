/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Which locals a function must zero at its start: those that are not written before anybody can read them. What compilers
 * make declares many locals and writes most of them first. Only the straight line from the function's start is looked at:
 * up to the first label, branch, call, or instruction that works on slots, where a frame may be read as a whole. */
#include "tiers/baseline/emit.h"

static bool is_straight(const struct ir_insn *insn) {
  if (insn->op == IR_MOVE || insn->op == IR_CONST || insn->op == IR_SELECT) return insn->result != IR_CLASS_V128;
  if (insn->op == MODULE_OP_GLOBAL_GET || insn->op == MODULE_OP_GLOBAL_SET) return true;
  if (insn->op >= MODULE_OP_COUNT) return insn->op == IR_FUEL;
  uint8_t kind = stencil_rows[insn->op].kind;
  return kind != STENCIL_NONE && kind != STENCIL_SLOTS && kind != STENCIL_LOAD_V128 && kind != STENCIL_STORE_V128;
}

uint64_t zeroes_needed(const struct baseline_emitter *e) {
  const struct ir_function *function = e->function;
  uint32_t first = function->param_slots, count = function->local_slots;
  uint64_t unknown = count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1, needed = 0;
  for (uint32_t i = 0; i < function->insns.count && unknown; i++) {
    const struct ir_insn *insn = &function->insns.items[i];
    if (!is_straight(insn)) break;
    const uint32_t read[3] = {insn->a, insn->b, insn->c};
    uint32_t classes = select_classes(insn);
    for (uint32_t k = 0; classes; k++, classes >>= 2)
      if ((classes & 3) && read[k] - first < count) needed |= unknown & UINT64_C(1) << (read[k] - first);
    if (insn->op == MODULE_OP_GLOBAL_SET && !(insn->flags & IR_B_CONST) && insn->b - first < count)
      needed |= unknown & UINT64_C(1) << (insn->b - first);
    unknown &= ~needed;
    if (insn->d != IR_NO_SLOT && insn->d - first < count) unknown &= ~(UINT64_C(1) << (insn->d - first));
  }
  return needed | unknown;
}
