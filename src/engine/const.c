/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Constant expressions: a stack machine over the validated bytes.
 *
 * An instruction that pushes takes at least two bytes (v128.const, which takes two slots, eighteen), but for the
 * conversions, which replace their operand; so an expression of n bytes never holds more than n slots. Short ones,
 * which are nearly all, need no allocation. Objects that are made on the way are kept alive by a span over the stack. */
#include "engine/internal.h"

enum { LOCAL_SLOTS = 64 };

struct evaluation {
  struct engine_instance *instance;
  uint64_t *top; /* the first free slot */
  enum engine_trap trap;
};

static void push(struct evaluation *state, uint64_t value) { *state->top++ = value; }

static void push_global(struct evaluation *state, const struct engine_global_ref *global) {
  push(state, global->cell->value[0]);
  if (global->type.type == MODULE_V128) push(state, global->cell->value[1]);
}

/* The instructions of extended-const. */
static void binary(struct evaluation *state, uint16_t op) {
  uint64_t b = *--state->top, a = state->top[-1], *result = &state->top[-1];
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

static uint32_t slots_of_fields(const struct module_def_type *type) {
  uint32_t slots = 0;
  for (uint32_t i = 0; i < type->field_count; i++) slots += module_type_slots(type->fields[i].type);
  return slots;
}

/* The operands stay on the stack until the object is there. */
static void make_object(struct evaluation *state, const struct module_insn *insn) {
  uint32_t index = insn->imm.index[0], operands = 0;
  const struct module_def_type *type = &state->instance->module->types[index];
  uint64_t object = 0, *top = state->top;
  switch (insn->op) {
  case MODULE_OP_STRUCT_NEW:
    operands = slots_of_fields(type);
    state->trap = engine_struct_new(state->instance, index, top - operands, &object);
    break;
  case MODULE_OP_STRUCT_NEW_DEFAULT: state->trap = engine_struct_new(state->instance, index, NULL, &object); break;
  case MODULE_OP_ARRAY_NEW:
    operands = module_type_slots(type->fields->type) + 1;
    state->trap = engine_array_new(state->instance, index, (uint32_t)top[-1], top - operands, &object);
    break;
  case MODULE_OP_ARRAY_NEW_DEFAULT:
    operands = 1;
    state->trap = engine_array_new(state->instance, index, (uint32_t)top[-1], NULL, &object);
    break;
  default:
    assert(insn->op == MODULE_OP_ARRAY_NEW_FIXED);
    operands = module_type_slots(type->fields->type) * insn->imm.index[1];
    state->trap = engine_array_new_fixed(state->instance, index, insn->imm.index[1], top - operands, &object);
  }
  state->top -= operands;
  push(state, object);
}

static void step(struct evaluation *state, const struct module_insn *insn) {
  struct engine_instance *instance = state->instance;
  switch (insn->op) {
  case MODULE_OP_I32_CONST: push(state, insn->imm.i32); break;
  case MODULE_OP_F32_CONST: push(state, (uint32_t)insn->imm.i64); break;
  case MODULE_OP_I64_CONST:
  case MODULE_OP_F64_CONST: push(state, insn->imm.i64); break;
  case MODULE_OP_V128_CONST:
    push(state, base_load_u64(insn->imm.v128));
    push(state, base_load_u64(insn->imm.v128 + 8));
    break;
  case MODULE_OP_REF_NULL: push(state, 0); break;
  case MODULE_OP_REF_FUNC: push(state, (uintptr_t)instance->functions[insn->imm.index[0]]); break;
  case MODULE_OP_GLOBAL_GET: push_global(state, &instance->globals[insn->imm.index[0]]); break;
  case MODULE_OP_REF_I31: state->top[-1] = engine_ref_i31((uint32_t)state->top[-1]); break;
  case MODULE_OP_ANY_CONVERT_EXTERN:
  case MODULE_OP_EXTERN_CONVERT_ANY: break;
  case MODULE_OP_STRUCT_NEW:
  case MODULE_OP_STRUCT_NEW_DEFAULT:
  case MODULE_OP_ARRAY_NEW:
  case MODULE_OP_ARRAY_NEW_DEFAULT:
  case MODULE_OP_ARRAY_NEW_FIXED: make_object(state, insn); break;
  default: binary(state, insn->op);
  }
}

/* `stack` has `slots` zeroed slots. */
static enum engine_trap evaluate(struct engine_instance *instance, struct module_const_expr expr, uint64_t *stack,
                                 size_t slots, uint64_t out[2]) {
  struct evaluation state = {instance, stack, ENGINE_TRAP_NONE};
  struct engine_root_span span = {.slots = stack, .count = slots};
  uint32_t cursor = expr.offset, end = expr.offset + expr.len_bytes;
  struct module_insn insn;
  engine_roots_push(instance->store, &span);
  while (cursor < end && state.trap == ENGINE_TRAP_NONE) {
    enum cay_status status = module_insn_decode(instance->module, &cursor, end, &insn, NULL);
    assert(status == CAY_OK);
    if (status != CAY_OK || insn.op == MODULE_OP_END) break;
    step(&state, &insn);
  }
  engine_roots_pop(instance->store, &span);
  if (state.trap != ENGINE_TRAP_NONE) return state.trap;
  assert(state.top - stack == 1 || state.top - stack == 2);
  out[0] = stack[0];
  out[1] = state.top - stack == 2 ? stack[1] : 0;
  return ENGINE_TRAP_NONE;
}

enum engine_trap engine_const_value(struct engine_instance *instance, struct module_const_expr expr, uint64_t out[2]) {
  if (expr.len_bytes <= LOCAL_SLOTS) {
    uint64_t local[LOCAL_SLOTS] = {0};
    return evaluate(instance, expr, local, LOCAL_SLOTS, out);
  }
  BASE_AUTO_FREE uint64_t *stack = base_alloc_zero(expr.len_bytes, sizeof *stack);
  if (!stack) return ENGINE_TRAP_OUT_OF_MEMORY;
  return evaluate(instance, expr, stack, expr.len_bytes, out);
}
