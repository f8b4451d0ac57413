/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Branches, labels, returns, traps, polls.
 *
 * A trap is a call that does not come back, in a block of its own: its return address says where, so it is followed by an
 * instruction that belongs to the same function. Each has its own, whose place in the source LLVM must not merge with others';
 * main.c switches off what would. */
#include <assert.h>
#include <stddef.h>

#include "tiers/optimizer/helper/helper.h"

LLVMBasicBlockRef control_block(struct batch *b) { return LLVMAppendBasicBlockInContext(b->context, b->function, ""); }

LLVMValueRef control_runtime(struct batch *b, uint64_t offset) {
  LLVMValueRef code = value_load_fixed(b, b->pointer, b->inst, offsetof(struct engine_instance, code));
  LLVMValueRef runtime = value_load_fixed(b, b->pointer, code, 0);
  return value_load_fixed(b, b->pointer, runtime, offset);
}

LLVMValueRef control_call_runtime(struct batch *b, uint64_t offset, LLVMValueRef *arguments, unsigned count) {
  LLVMTypeRef types[8];
  assert(count <= BASE_ARRAY_LEN(types));
  for (unsigned i = 0; i < count; i++) types[i] = LLVMTypeOf(arguments[i]);
  LLVMTypeRef type = LLVMFunctionType(b->void_type, types, count, false);
  return LLVMBuildCall2(b->builder, type, control_runtime(b, offset), arguments, count, "");
}

/* The compiler orders blocks by it. */
void control_branch_unlikely(struct batch *b, LLVMValueRef condition, LLVMBasicBlockRef then,
                             LLVMBasicBlockRef otherwise) {
  LLVMValueRef branch = LLVMBuildCondBr(b->builder, condition, then, otherwise);
  LLVMSetMetadata(branch, b->weights_kind, b->unlikely);
}

LLVMValueRef control_trap_number(struct batch *b, enum engine_trap trap) {
  return LLVMConstInt(b->types[VALUE_I64], trap, false);
}

void control_trap(struct batch *b, LLVMValueRef trap) {
  LLVMValueRef arguments[] = {b->inst, value_convert(b, trap, VALUE_I64)};
  control_call_runtime(b, offsetof(struct baseline_runtime, raise), arguments, 2);
  control_stop(b);
}

void control_stop(struct batch *b) {
  unsigned id = LLVMLookupIntrinsicID("llvm.trap", 9);
  LLVMValueRef stop = LLVMGetIntrinsicDeclaration(b->llvm, id, NULL, 0);
  LLVMBuildCall2(b->builder, LLVMIntrinsicGetType(b->context, id, NULL, 0), stop, NULL, 0, "");
  LLVMBuildUnreachable(b->builder);
}

void control_trap_if(struct batch *b, LLVMValueRef condition, LLVMValueRef trap) {
  LLVMBasicBlockRef trapped = control_block(b), next = control_block(b);
  control_branch_unlikely(b, condition, trapped, next);
  LLVMPositionBuilderAtEnd(b->builder, trapped);
  control_trap(b, trap);
  LLVMPositionBuilderAtEnd(b->builder, next);
}

/* ---- Polls ---------------------------------------------------------------------------------------------------------------- */

static LLVMValueRef load_limit(struct batch *b) {
  LLVMValueRef thread = value_load_fixed(b, b->pointer, b->inst, offsetof(struct engine_instance, thread));
  LLVMValueRef limit = value_load(b, b->types[VALUE_I64], thread, offsetof(struct engine_thread, stack_limit));
  LLVMSetVolatile(limit, true);
  return limit;
}

/* When the limit was only taken away so that the thread looks, there is one again afterwards, which is asked anew: an
 * interruption that came meanwhile has sent its signal to C code. */
static void build_poll(struct batch *b, uint64_t look) {
  LLVMBasicBlockRef check = control_block(b), looks = control_block(b), next = control_block(b);
  LLVMBuildBr(b->builder, check);
  LLVMPositionBuilderAtEnd(b->builder, check);
  LLVMValueRef is_missing = LLVMBuildICmp(b->builder, LLVMIntEQ, load_limit(b), LLVMConstNull(b->types[VALUE_I64]), "");
  control_branch_unlikely(b, is_missing, looks, next);
  LLVMPositionBuilderAtEnd(b->builder, looks);
  control_call_runtime(b, look, &b->inst, 1);
  LLVMBuildBr(b->builder, check);
  LLVMPositionBuilderAtEnd(b->builder, next);
}

/* Accesses are checked where no signal can be relied upon (engine.c); there loops look. And where there are tail calls, since
 * after a call of optimized code it may be other code that returns, without a look. */
static bool loops_look(const struct batch *b) {
  return b->job->flags & WIRE_EXPLICIT_BOUNDS || b->job->module->features_used & MODULE_FEATURE_BIT(TAIL_CALL);
}

static void build_loop_poll(struct batch *b) {
  if (loops_look(b)) build_poll(b, offsetof(struct baseline_runtime, look));
}

/* The signal is for optimized code alone, so that its way in looks at what came before. */
void control_look_on_entry(struct batch *b) {
  if (!loops_look(b)) build_poll(b, offsetof(struct baseline_runtime, no_room));
}

void control_look_on_return(struct batch *b) {
  if (!loops_look(b)) build_poll(b, offsetof(struct baseline_runtime, look));
}

void control_check_room(struct batch *b) {
  LLVMBasicBlockRef check = control_block(b), full = control_block(b), next = control_block(b);
  uint64_t bytes = (uint64_t)b->ir->frame_slots * 8;
  LLVMBuildBr(b->builder, check);
  LLVMPositionBuilderAtEnd(b->builder, check);
  LLVMValueRef end = LLVMBuildPtrToInt(b->builder, value_field(b, b->fp, bytes), b->types[VALUE_I64], "");
  LLVMValueRef is_full = LLVMBuildICmp(b->builder, LLVMIntUGT, end, load_limit(b), "");
  control_branch_unlikely(b, is_full, full, next);
  LLVMPositionBuilderAtEnd(b->builder, full);
  control_call_runtime(b, offsetof(struct baseline_runtime, no_room), &b->inst, 1);
  LLVMBuildBr(b->builder, check);
  LLVMPositionBuilderAtEnd(b->builder, next);
}

/* ---- Fuel ----------------------------------------------------------------------------------------------------------------- */

static void charge(struct batch *b, uint64_t cost) {
  LLVMValueRef thread = value_load_fixed(b, b->pointer, b->inst, offsetof(struct engine_instance, thread));
  LLVMValueRef left = value_load(b, b->types[VALUE_I64], thread, offsetof(struct engine_thread, fuel));
  left = LLVMBuildSub(b->builder, left, LLVMConstInt(b->types[VALUE_I64], cost, false), "");
  LLVMBuildStore(b->builder, left, value_field(b, thread, offsetof(struct engine_thread, fuel)));
  LLVMBasicBlockRef more = control_block(b), next = control_block(b);
  LLVMValueRef is_spent = LLVMBuildICmp(b->builder, LLVMIntSLT, left, LLVMConstNull(b->types[VALUE_I64]), "");
  control_branch_unlikely(b, is_spent, more, next);
  LLVMPositionBuilderAtEnd(b->builder, more);
  call_help(b, BASELINE_HELPER_fuel, 0, 0);
  LLVMBuildBr(b->builder, next);
  LLVMPositionBuilderAtEnd(b->builder, next);
}

static void charge_bytes(struct batch *b, const struct ir_insn *insn) {
  value_store_slot(b, b->fp, insn->a, value_read(b, insn->a, VALUE_I64));
  call_help(b, BASELINE_HELPER_fuel_bytes, (uint64_t)insn->a << 16, insn->imm);
}

/* ---- Branches ------------------------------------------------------------------------------------------------------------- */

static LLVMBasicBlockRef label_of(struct batch *b, uint64_t label) {
  if (!b->labels[label]) b->labels[label] = control_block(b);
  return b->labels[label];
}

LLVMBasicBlockRef control_label(struct batch *b, uint64_t label) { return label_of(b, label); }

bool control_has_ended(const struct batch *b) {
  return LLVMGetBasicBlockTerminator(LLVMGetInsertBlock(b->builder)) != NULL;
}

static void build_label(struct batch *b, const struct ir_insn *insn) {
  LLVMBasicBlockRef block = label_of(b, insn->imm);
  if (!control_has_ended(b)) {
    values_settle(b);
    LLVMBuildBr(b->builder, block);
  }
  values_forget(b);
  LLVMMoveBasicBlockAfter(block, LLVMGetInsertBlock(b->builder));
  LLVMPositionBuilderAtEnd(b->builder, block);
  if (insn->flags & IR_LOOP) build_loop_poll(b);
}

void control_pass_label(struct batch *b, const struct ir_insn *insn) {
  values_settle(b);
  values_forget(b);
  if (insn->flags & IR_LOOP) build_loop_poll(b);
}

static void build_branch(struct batch *b, const struct ir_insn *insn) {
  values_settle(b);
  if (dispatch_is_near(b, insn->imm))
    dispatch_copy(b, insn->imm);
  else
    LLVMBuildBr(b->builder, label_of(b, insn->imm));
}

static void build_branch_if(struct batch *b, const struct ir_insn *insn) {
  LLVMValueRef condition = value_read_any(b, insn->a, IR_CLASS_INT);
  LLVMIntPredicate predicate = insn->flags & IR_NEGATED ? LLVMIntEQ : LLVMIntNE;
  condition = LLVMBuildICmp(b->builder, predicate, condition, LLVMConstNull(LLVMTypeOf(condition)), "");
  values_settle(b);
  bool is_near = dispatch_is_near(b, insn->imm);
  LLVMBasicBlockRef next = control_block(b), there = is_near ? control_block(b) : label_of(b, insn->imm);
  LLVMBuildCondBr(b->builder, condition, there, next);
  if (is_near) {
    LLVMPositionBuilderAtEnd(b->builder, there);
    dispatch_copy(b, insn->imm);
    values_forget(b);
  }
  LLVMPositionBuilderAtEnd(b->builder, next);
}

static void build_branch_table(struct batch *b, const struct ir_insn *insn) {
  const uint32_t *targets = &b->ir->targets.items[insn->imm];
  LLVMValueRef index = value_read(b, insn->a, VALUE_I32);
  values_settle(b);
  LLVMValueRef table = LLVMBuildSwitch(b->builder, index, label_of(b, targets[insn->b - 1]), insn->b - 1);
  for (uint32_t i = 0; i + 1 < insn->b; i++)
    LLVMAddCase(table, LLVMConstInt(b->types[VALUE_I32], i, false), label_of(b, targets[i]));
}

/* The result in `slot`; only a single one is a constant. */
static LLVMValueRef returned(struct batch *b, const struct ir_insn *insn, uint32_t slot, enum value_type type) {
  return insn->flags & IR_A_CONST ? value_const(b, type, insn->konst) : value_read(b, insn->a + slot, type);
}

static void build_return(struct batch *b, const struct ir_insn *insn) {
  const struct module_func_type *type = module_func_type_of(b->job->module, b->ir->func);
  if (type->result_count == 1 && !b->is_at_loop) {
    LLVMBuildRet(b->builder, returned(b, insn, 0, value_type_of(type->results[0])));
    return;
  }
  uint32_t slot = 0;
  for (uint32_t i = 0; i < type->result_count; i++) {
    value_store_slot(b, b->fp, slot, returned(b, insn, slot, value_type_of(type->results[i])));
    slot += module_type_slots(type->results[i]);
  }
  LLVMBuildRetVoid(b->builder);
}

static void build_select(struct batch *b, const struct ir_insn *insn) {
  LLVMValueRef condition = value_read(b, insn->c, VALUE_I32);
  LLVMValueRef one = value_read_any(b, insn->a, insn->result), other = value_read_any(b, insn->b, insn->result);
  if (LLVMTypeOf(one) != LLVMTypeOf(other)) {
    one = value_convert(b, one, VALUE_I64);
    other = value_convert(b, other, VALUE_I64);
  }
  condition = LLVMBuildICmp(b->builder, LLVMIntNE, condition, LLVMConstNull(b->types[VALUE_I32]), "");
  value_write(b, insn->d, LLVMBuildSelect(b->builder, condition, one, other, ""));
}

static enum value_type constant_type(enum ir_class cls) {
  return cls == IR_CLASS_F32    ? VALUE_F32
         : cls == IR_CLASS_F64  ? VALUE_F64
         : cls == IR_CLASS_V128 ? VALUE_V128
                                : VALUE_I64;
}

static void move_slots(struct batch *b, const struct ir_insn *insn) {
  const struct module_func_type *type = &b->job->module->types[insn->imm].func;
  const module_type *moved = (insn->flags & IR_LOOP ? type->params : type->results) + insn->c;
  for (uint32_t i = 0; i < insn->b; i += module_type_slots(*moved++))
    value_write(b, insn->d + i, value_read_any(b, insn->a + i, ir_class_of(*moved)));
}

bool control_insn(struct batch *b, const struct ir_insn *insn) {
  switch (insn->op) {
  case IR_MOVE: value_write(b, insn->d, value_read_any(b, insn->a, insn->result)); return true;
  case IR_MOVE_SLOTS: move_slots(b, insn); return true;
  case IR_CONST: value_write(b, insn->d, value_number(b, constant_type(insn->result), insn->konst)); return true;
  case IR_SELECT: build_select(b, insn); return true;
  case IR_LABEL: build_label(b, insn); return true;
  case IR_BR: build_branch(b, insn); return true;
  case IR_BR_IF: build_branch_if(b, insn); return true;
  case IR_BR_TABLE: build_branch_table(b, insn); return true;
  case IR_RETURN: build_return(b, insn); return true;
  case IR_FUEL: charge(b, insn->imm); return true;
  case IR_FUEL_BYTES: charge_bytes(b, insn); return true;
  case MODULE_OP_UNREACHABLE: control_trap(b, control_trap_number(b, ENGINE_TRAP_UNREACHABLE)); return true;
  case MODULE_OP_ATOMIC_FENCE:
    LLVMBuildFence(b->builder, LLVMAtomicOrderingSequentiallyConsistent, false, "");
    return true;
  default: return false;
  }
}
