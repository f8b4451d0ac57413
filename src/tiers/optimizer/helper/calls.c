/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Calls, and what functions of the runtime do.
 *
 * A callee's frame begins where its arguments stand in the caller's, as in every tier; that of a tail call takes the caller's
 * place. Native code takes its arguments in registers and returns a single result in one; several results are in its frame.
 * Everything else takes arguments and results in the frame. Whether a function of this instance has native code is asked at
 * run time, where it is not of the same batch: a table says so.
 *
 * Where a call finds its function at run time and the profile tells which one that mostly is, it is asked for first: what was found is
 * compared with the instance's own function of that number, which says all that is asked of a function otherwise, that it is there, of
 * the type and of this instance. Whatever the profile says, the code is right. */
#include <stddef.h>

#include "tiers/baseline/code.h"
#include "tiers/optimizer/helper/helper.h"

struct call {
  const struct module_func_type *type;
  uint32_t slot;      /* of the first argument and result in this frame */
  LLVMValueRef frame; /* the callee's */
  bool is_tail;       /* it takes the place of this frame, and what it returns is returned */
};

static struct call call_begin(struct batch *b, const struct module_func_type *type, const struct ir_insn *insn) {
  bool is_tail = insn->op == IR_RETURN_CALL || insn->op == IR_RETURN_CALL_INDIRECT || insn->op == IR_RETURN_CALL_REF;
  return (struct call){type, insn->d, is_tail ? b->fp : value_slot_address(b, b->fp, insn->d), is_tail};
}

/* Nothing stands between a tail call and the return of its result. */
static void jump(struct batch *b, LLVMValueRef made) {
  LLVMSetTailCallKind(made, LLVMTailCallKindMustTail);
  value_set_convention(b, made);
  if (LLVMGetTypeKind(LLVMTypeOf(made)) == LLVMVoidTypeKind)
    LLVMBuildRetVoid(b->builder);
  else
    LLVMBuildRet(b->builder, made);
}

static void store_arguments(struct batch *b, const struct call *call) {
  uint32_t slot = 0;
  for (uint32_t i = 0; i < call->type->param_count; i++) {
    value_store_slot(b, call->frame, slot, value_read(b, call->slot + slot, value_type_of(call->type->params[i])));
    slot += module_type_slots(call->type->params[i]);
  }
}

/* Calls native code; its single result, or NULL. */
static LLVMValueRef call_native(struct batch *b, const struct call *call, LLVMValueRef function) {
  LLVMValueRef arguments[MOST_ARGUMENTS] = {b->inst, call->frame, LLVMGetUndef(b->pointer)};
  LLVMTypeRef type = value_function_type(b, call->type);
  if (values_are_in_frames(b)) store_arguments(b, call);
  for (uint32_t i = 0, slot = call->slot; i < call->type->param_count && !values_are_in_frames(b); i++) {
    arguments[2 + i] = value_read(b, slot, value_type_of(call->type->params[i]));
    slot += module_type_slots(call->type->params[i]);
  }
  LLVMValueRef result = LLVMBuildCall2(b->builder, type, function, arguments, LLVMCountParamTypes(type), "");
  value_pin_instance(b, result);
  value_set_convention(b, result);
  if (b->own->keeps_calls || catches_here(b))
    value_keep_call(b, result); /* calls of what is inlined would not ask (catches.c) */
  if (call->is_tail) {
    b->needs_frame = true; /* functions that only follow one another ask here whether they are to end */
    jump(b, result);
  } else {
    catches_ask(b, result);
  }
  return call->type->result_count == 1 ? result : NULL;
}

/* The same as a tail call: by a stub, which takes this frame's place, so that it has the native convention. */
static LLVMValueRef jump_away(struct batch *b, const struct call *call, LLVMValueRef function) {
  LLVMTypeRef own = LLVMGetReturnType(LLVMGlobalGetValueType(b->function));
  LLVMTypeRef params[] = {b->pointer, b->pointer, b->pointer};
  store_arguments(b, call);
  b->needs_frame = true;
  LLVMValueRef arguments[] = {b->inst, b->fp, function};
  LLVMValueRef stub = control_runtime(b, offsetof(struct baseline_runtime, leave_tail));
  LLVMValueRef made = LLVMBuildCall2(b->builder, LLVMFunctionType(own, params, 3, false), stub, arguments, 3, "");
  value_pin_instance(b, made);
  jump(b, made);
  return NULL;
}

/* Calls any function through the runtime. */
static LLVMValueRef call_away(struct batch *b, const struct call *call, LLVMValueRef function) {
  if (call->is_tail) return jump_away(b, call, function);
  store_arguments(b, call);
  LLVMValueRef arguments[] = {b->inst, call->frame, function};
  catches_ask(b, control_call_runtime(b, offsetof(struct baseline_runtime, leave_call), arguments, 3));
  control_look_on_return(b);
  if (call->type->result_count != 1) return NULL;
  return value_load_slot(b, call->frame, 0, value_type_of(call->type->results[0]));
}

static void call_end(struct batch *b, const struct call *call, LLVMValueRef result) {
  uint32_t slot = 0;
  if (call->is_tail) return;
  if (result) value_write(b, call->slot, result);
  for (uint32_t i = 0; !result && i < call->type->result_count; i++) {
    value_write(b, call->slot + slot, value_load_slot(b, call->frame, slot, value_type_of(call->type->results[i])));
    slot += module_type_slots(call->type->results[i]);
  }
}

/* One of two ways to the same result. */
static LLVMValueRef join(struct batch *b, LLVMValueRef results[2], LLVMBasicBlockRef blocks[2]) {
  if (!results[0]) return NULL;
  LLVMValueRef phi = LLVMBuildPhi(b->builder, LLVMTypeOf(results[0]), "");
  LLVMAddIncoming(phi, results, blocks, 2);
  return phi;
}

/* Goes to `native`, or where that is null to the function `away`; its single result, or NULL. */
static LLVMValueRef call_either(struct batch *b, const struct call *call, LLVMValueRef native, LLVMValueRef away) {
  LLVMBasicBlockRef inside = control_block(b), outside = control_block(b), next = control_block(b), blocks[2];
  LLVMValueRef results[2];
  control_branch_unlikely(b, LLVMBuildIsNull(b->builder, native, ""), outside, inside);
  LLVMPositionBuilderAtEnd(b->builder, inside);
  results[0] = call_native(b, call, native);
  blocks[0] = LLVMGetInsertBlock(b->builder);
  if (!call->is_tail) LLVMBuildBr(b->builder, next);
  LLVMPositionBuilderAtEnd(b->builder, outside);
  results[1] = call_away(b, call, away);
  blocks[1] = LLVMGetInsertBlock(b->builder);
  if (call->is_tail) {
    LLVMDeleteBasicBlock(next);
    return NULL;
  }
  LLVMBuildBr(b->builder, next);
  LLVMPositionBuilderAtEnd(b->builder, next);
  return join(b, results, blocks);
}

/* The native code of the function that the module defines as `entry`, a number of 64 bits; null: it has none. */
static LLVMValueRef load_native(struct batch *b, LLVMValueRef entry) {
  LLVMValueRef code = value_load_fixed(b, b->pointer, b->inst, offsetof(struct engine_instance, code));
  LLVMValueRef natives = value_load_fixed(b, b->pointer, code, offsetof(struct baseline_code, natives));
  LLVMValueRef place = LLVMBuildGEP2(b->builder, b->pointer, natives, &entry, 1, "");
  return LLVMBuildLoad2(b->builder, b->pointer, place, "");
}

static LLVMValueRef load_function(struct batch *b, uint64_t func) {
  LLVMValueRef functions = value_load_fixed(b, b->pointer, b->inst, offsetof(struct engine_instance, functions));
  return value_load_fixed(b, b->pointer, functions, func * sizeof(struct engine_function *));
}

/* Whether it has to be called through the runtime, whatever it is (catches.c). */
static bool is_called_away(const struct batch *b, const struct call *call) {
  bool can_be_native = b->job->target->registers.as_in_c > 0;
  if (b->job->module->features_used & MODULE_FEATURE_BIT(TAIL_CALL)) can_be_native = false;
  return catches_here(b) && !call->is_tail && !can_be_native;
}

/* Calls a function that the module defines; its single result, or NULL. */
static LLVMValueRef call_own(struct batch *b, const struct call *call, uint32_t entry) {
  LLVMValueRef own = translate_declare(b, entry);
  if (own) return call_native(b, call, own);
  LLVMValueRef native = load_native(b, LLVMConstInt(b->types[VALUE_I64], entry, false));
  return call_either(b, call, native, load_function(b, b->job->module->imported_func_count + entry));
}

static void build_call(struct batch *b, const struct ir_insn *insn) {
  const struct module *module = b->job->module;
  uint32_t func = (uint32_t)insn->imm;
  struct call call = call_begin(b, module_func_type_of(module, func), insn);
  if (func < module->imported_func_count || is_called_away(b, &call)) {
    call_end(b, &call, call_away(b, &call, load_function(b, func)));
    return;
  }
  call_end(b, &call, call_own(b, &call, func - module->imported_func_count));
}

/* ---- Indirect calls --------------------------------------------------------------------------------------------------------- */

uint32_t call_targets_from(const struct job *job, uint32_t offset) {
  uint32_t low = 0, high = job->target_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (job->targets[middle].offset < offset)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

uint32_t call_target(const struct job *job, const struct ir_insn *insn) {
  const struct module *module = job->module;
  uint32_t at = call_targets_from(job, insn->offset), all = module->func_count - module->imported_func_count;
  if (at == job->target_count || job->targets[at].offset != insn->offset) return CALL_NO_TARGET;
  uint32_t entry = job->targets[at].entry;
  if (entry >= all) return CALL_NO_TARGET;
  const struct module_def_type *type = &module->types[module->funcs[module->imported_func_count + entry].type];
  return type->canonical == module->types[insn->imm].canonical ? entry : CALL_NO_TARGET;
}

/* Calls `function`, whose type fits; its single result, or NULL. */
static LLVMValueRef call_function(struct batch *b, const struct call *call, LLVMValueRef function) {
  if (is_called_away(b, call)) return call_away(b, call, function);
  LLVMBasicBlockRef start = LLVMGetInsertBlock(b->builder), inside = control_block(b), next = control_block(b);
  LLVMValueRef instance = value_load_fixed(b, b->pointer, function, offsetof(struct engine_function, instance));
  LLVMValueRef is_ours = LLVMBuildICmp(b->builder, LLVMIntEQ, instance, b->inst, "");
  LLVMBuildCondBr(b->builder, is_ours, inside, next);
  LLVMPositionBuilderAtEnd(b->builder, inside);
  LLVMValueRef entry = value_load_fixed(b, b->types[VALUE_I32], function, offsetof(struct engine_function, entry));
  LLVMValueRef found = load_native(b, LLVMBuildZExt(b->builder, entry, b->types[VALUE_I64], ""));
  LLVMBuildBr(b->builder, next);
  LLVMPositionBuilderAtEnd(b->builder, next);
  LLVMValueRef native = LLVMBuildPhi(b->builder, b->pointer, ""), none = LLVMConstNull(b->pointer);
  LLVMAddIncoming(native, &none, &start, 1);
  LLVMAddIncoming(native, &found, &inside, 1);
  return call_either(b, call, native, function);
}

/* Where a call's function may be the one that is expected. */
struct guess {
  LLVMBasicBlockRef next, right; /* next NULL: none is expected. right: where the call was made that was right */
  LLVMValueRef result;
};

/* Goes on where `function`, which may be null, is another one. */
static struct guess guess_begin(struct batch *b, const struct call *call, const struct ir_insn *insn,
                                LLVMValueRef function) {
  struct guess guess = {0};
  uint32_t entry = call->is_tail || is_called_away(b, call) ? CALL_NO_TARGET : call_target(b->job, insn);
  if (entry == CALL_NO_TARGET) return guess;
  LLVMBasicBlockRef inside = control_block(b), outside = control_block(b);
  LLVMValueRef expected = load_function(b, b->job->module->imported_func_count + entry);
  control_branch_unlikely(b, LLVMBuildICmp(b->builder, LLVMIntNE, function, expected, ""), outside, inside);
  LLVMPositionBuilderAtEnd(b->builder, inside);
  guess.result = call_own(b, call, entry);
  guess.right = LLVMGetInsertBlock(b->builder);
  guess.next = control_block(b);
  LLVMBuildBr(b->builder, guess.next);
  LLVMPositionBuilderAtEnd(b->builder, outside);
  return guess;
}

static void guess_end(struct batch *b, const struct call *call, const struct guess *guess, LLVMValueRef result) {
  if (guess->next) {
    LLVMValueRef results[] = {guess->result, result};
    LLVMBasicBlockRef blocks[] = {guess->right, LLVMGetInsertBlock(b->builder)};
    LLVMBuildBr(b->builder, guess->next);
    LLVMPositionBuilderAtEnd(b->builder, guess->next);
    result = join(b, results, blocks);
  }
  call_end(b, call, result);
}

/* As engine_type_matches: equal, or the type has it among its supertypes. */
static void check_type(struct batch *b, LLVMValueRef sub, LLVMValueRef super) {
  LLVMBasicBlockRef differs = control_block(b), fits = control_block(b);
  control_branch_unlikely(b, LLVMBuildICmp(b->builder, LLVMIntNE, sub, super, ""), differs, fits);
  LLVMPositionBuilderAtEnd(b->builder, differs);
  LLVMTypeRef i32 = b->types[VALUE_I32];
  LLVMValueRef depth = value_load_fixed(b, i32, super, offsetof(struct engine_type, depth));
  LLVMValueRef own_depth = value_load_fixed(b, i32, sub, offsetof(struct engine_type, depth));
  LLVMValueRef wrong = control_trap_number(b, ENGINE_TRAP_CALL_TYPE);
  control_trap_if(b, LLVMBuildICmp(b->builder, LLVMIntUGT, depth, own_depth, ""), wrong);
  LLVMValueRef supers = value_load_fixed(b, b->pointer, sub, offsetof(struct engine_type, supers));
  LLVMValueRef index = LLVMBuildZExt(b->builder, depth, b->types[VALUE_I64], "");
  LLVMValueRef place = LLVMBuildGEP2(b->builder, b->pointer, supers, &index, 1, "");
  LLVMValueRef found = LLVMBuildLoad2(b->builder, b->pointer, place, "");
  control_trap_if(b, LLVMBuildICmp(b->builder, LLVMIntNE, found, super, ""), wrong);
  LLVMBuildBr(b->builder, fits);
  LLVMPositionBuilderAtEnd(b->builder, fits);
}

static void build_call_indirect(struct batch *b, const struct ir_insn *insn) {
  const struct module *module = b->job->module;
  struct call call = call_begin(b, &module->types[insn->imm].func, insn);
  LLVMTypeRef i64 = b->types[VALUE_I64];
  LLVMValueRef index = value_read(b, insn->a, VALUE_I64);
  LLVMValueRef tables = value_load_fixed(b, b->pointer, b->inst, offsetof(struct engine_instance, tables));
  LLVMValueRef table = value_load_fixed(b, b->pointer, tables, (uint64_t)insn->b * sizeof(struct engine_table *));
  LLVMValueRef count = value_load(b, i64, table, offsetof(struct engine_table, count));
  control_trap_if(b, LLVMBuildICmp(b->builder, LLVMIntUGE, index, count, ""),
                  control_trap_number(b, ENGINE_TRAP_UNDEFINED_ELEMENT));
  LLVMValueRef elems = value_load(b, b->pointer, table, offsetof(struct engine_table, elems));
  index = value_narrow(b, index, LLVMBuildSub(b->builder, count, LLVMConstInt(i64, 1, false), ""));
  LLVMValueRef place = LLVMBuildGEP2(b->builder, b->pointer, elems, &index, 1, "");
  LLVMValueRef function = LLVMBuildLoad2(b->builder, b->pointer, place, "");
  struct guess guess = guess_begin(b, &call, insn, function);
  control_trap_if(b, LLVMBuildIsNull(b->builder, function, ""), control_trap_number(b, ENGINE_TRAP_NULL_ELEMENT));
  LLVMValueRef def = value_load_fixed(b, b->pointer, function, offsetof(struct engine_function, def));
  LLVMValueRef types = value_load_fixed(b, b->pointer, b->inst, offsetof(struct engine_instance, types));
  check_type(b, def, value_load_fixed(b, b->pointer, types, insn->imm * sizeof(struct engine_type *)));
  guess_end(b, &call, &guess, call_function(b, &call, function));
}

/* imm: the type. */
static void build_call_ref(struct batch *b, const struct ir_insn *insn) {
  struct call call = call_begin(b, &b->job->module->types[insn->imm].func, insn);
  LLVMValueRef reference = value_read(b, insn->a, VALUE_I64);
  LLVMValueRef function = LLVMBuildIntToPtr(b->builder, reference, b->pointer, "");
  struct guess guess = guess_begin(b, &call, insn, function);
  LLVMValueRef is_null = LLVMBuildICmp(b->builder, LLVMIntEQ, reference, LLVMConstNull(b->types[VALUE_I64]), "");
  control_trap_if(b, is_null, control_trap_number(b, ENGINE_TRAP_NULL_REFERENCE));
  guess_end(b, &call, &guess, call_function(b, &call, function));
}

/* ---- The runtime's helpers --------------------------------------------------------------------------------------------------- */

void call_help(struct batch *b, enum baseline_helper_index helper, uint64_t operands, uint64_t imm) {
  LLVMTypeRef i64 = b->types[VALUE_I64];
  b->needs_frame = true;
  LLVMValueRef arguments[] = {b->inst, b->fp, LLVMConstInt(i64, operands, false), LLVMConstInt(i64, imm, false),
                              LLVMConstInt(i64, helper, false)};
  LLVMValueRef call = control_call_runtime(b, offsetof(struct baseline_runtime, help), arguments, 5);
  if (helper == BASELINE_HELPER_throw || helper == BASELINE_HELPER_throw_ref)
    catches_ask(b, call);
  else
    control_look_on_return(b);
}

/* How many operands stand in consecutive temporaries from `a` on; -1: not one of these. */
static int operand_count(uint16_t op) {
  switch (op) {
  case MODULE_OP_MEMORY_SIZE:
  case MODULE_OP_TABLE_SIZE:
  case MODULE_OP_DATA_DROP:
  case MODULE_OP_ELEM_DROP: return 0;
  case MODULE_OP_MEMORY_GROW:
  case MODULE_OP_TABLE_GET: return 1;
  case MODULE_OP_TABLE_SET:
  case MODULE_OP_TABLE_GROW:
  case MODULE_OP_MEMORY_ATOMIC_NOTIFY: return 2;
  case MODULE_OP_MEMORY_FILL:
  case MODULE_OP_MEMORY_COPY:
  case MODULE_OP_MEMORY_INIT:
  case MODULE_OP_TABLE_FILL:
  case MODULE_OP_TABLE_COPY:
  case MODULE_OP_TABLE_INIT:
  case MODULE_OP_MEMORY_ATOMIC_WAIT32:
  case MODULE_OP_MEMORY_ATOMIC_WAIT64: return 3;
  default: return -1;
  }
}

/* The helper finds its operands in the frame, as the baseline's code leaves them. */
static bool build_help(struct batch *b, const struct ir_insn *insn) {
  int count = operand_count(insn->op);
  for (uint32_t i = 0; (int)i < count; i++) root_settle(b, insn->a + i, value_read(b, insn->a + i, VALUE_I64));
  return count >= 0 && call_helper(b, insn);
}

bool call_helper(struct batch *b, const struct ir_insn *insn) {
  struct baseline_helper_call call;
  if (!baseline_helper_find(b->job->module, insn, &call)) return false;
  if (ir_may_collect(insn->op)) roots_settle(b, insn->c);
  uint64_t operands = call.d | (uint64_t)call.a << 16 | (uint64_t)call.b << 32 | (uint64_t)call.c << 48;
  call_help(b, call.helper, operands, call.imm);
  if (insn->d != IR_NO_SLOT) value_write(b, insn->d, value_load_slot(b, b->fp, insn->d, VALUE_I64));
  return true;
}

bool call_insn(struct batch *b, const struct ir_insn *insn) {
  if (insn->op >= MODULE_OP_COUNT && ir_may_collect(insn->op)) roots_settle(b, insn->c);
  switch (insn->op) {
  case IR_CALL:
  case IR_RETURN_CALL: build_call(b, insn); return true;
  case IR_CALL_INDIRECT:
  case IR_RETURN_CALL_INDIRECT: build_call_indirect(b, insn); return true;
  case IR_CALL_REF:
  case IR_RETURN_CALL_REF: build_call_ref(b, insn); return true;
  case MODULE_OP_REF_FUNC:
    value_write(b, insn->d, LLVMBuildPtrToInt(b->builder, load_function(b, insn->imm), b->types[VALUE_I64], ""));
    return true;
  default: return range_insn(b, insn) || build_help(b, insn);
  }
}
