/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Constant expressions: a stack machine over the validated bytes.
 *
 * An instruction that pushes takes at least two bytes (v128.const, which takes two slots, eighteen), so an expression
 * of n bytes never holds more than n slots. Short ones, which are nearly all, need no allocation. */
#include "engine/internal.h"

enum { LOCAL_SLOTS = 64 };

static void push_global(uint64_t **top, const struct engine_global_ref *global) {
  *(*top)++ = global->cell->value[0];
  if (global->type.type == MODULE_V128) *(*top)++ = global->cell->value[1];
}

/* The instructions of extended-const. */
static void binary(uint64_t **top, uint16_t op) {
  uint64_t b = *--*top, a = (*top)[-1], *result = &(*top)[-1];
  switch (op) {
  case MODULE_OP_I32_ADD: *result = (uint32_t)(a + b); break;
  case MODULE_OP_I32_SUB: *result = (uint32_t)(a - b); break;
  case MODULE_OP_I32_MUL: *result = (uint32_t)((uint32_t)a * (uint32_t)b); break;
  case MODULE_OP_I64_ADD: *result = a + b; break;
  case MODULE_OP_I64_SUB: *result = a - b; break;
  case MODULE_OP_I64_MUL: *result = a * b; break;
  default: assert(!"a validated constant expression has no other instruction");
  }
}

static void step(struct engine_instance *instance, const struct module_insn *insn, uint64_t **top) {
  switch (insn->op) {
  case MODULE_OP_I32_CONST: *(*top)++ = insn->imm.i32; break;
  case MODULE_OP_F32_CONST: *(*top)++ = (uint32_t)insn->imm.i64; break;
  case MODULE_OP_I64_CONST:
  case MODULE_OP_F64_CONST: *(*top)++ = insn->imm.i64; break;
  case MODULE_OP_V128_CONST:
    *(*top)++ = base_load_u64(insn->imm.v128);
    *(*top)++ = base_load_u64(insn->imm.v128 + 8);
    break;
  case MODULE_OP_REF_NULL: *(*top)++ = 0; break;
  case MODULE_OP_REF_FUNC: *(*top)++ = (uintptr_t)instance->functions[insn->imm.index[0]]; break;
  case MODULE_OP_GLOBAL_GET: push_global(top, &instance->globals[insn->imm.index[0]]); break;
  default: binary(top, insn->op);
  }
}

static void evaluate(struct engine_instance *instance, struct module_const_expr expr, uint64_t *stack,
                     uint64_t out[2]) {
  uint64_t *top = stack;
  uint32_t cursor = expr.offset, end = expr.offset + expr.len_bytes;
  struct module_insn insn;
  while (cursor < end) {
    enum cay_status status = module_insn_decode(instance->module, &cursor, end, &insn, NULL);
    assert(status == CAY_OK);
    if (status != CAY_OK || insn.op == MODULE_OP_END) break;
    step(instance, &insn, &top);
  }
  assert(top - stack == 1 || top - stack == 2);
  out[0] = stack[0];
  out[1] = top - stack == 2 ? stack[1] : 0;
}

bool engine_const_value(struct engine_instance *instance, struct module_const_expr expr, uint64_t out[2]) {
  uint64_t local[LOCAL_SLOTS];
  if (expr.len_bytes <= LOCAL_SLOTS) {
    evaluate(instance, expr, local, out);
    return true;
  }
  BASE_AUTO_FREE uint64_t *stack = base_alloc_zero(expr.len_bytes, sizeof *stack);
  if (!stack) return false;
  evaluate(instance, expr, stack, out);
  return true;
}
