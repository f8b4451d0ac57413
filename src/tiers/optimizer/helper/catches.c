/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Exceptions that a function catches itself.
 *
 * Whoever unwinds finds the call in the function's range by its return address, as it finds callers (baseline_land). It writes
 * the exception's values to their slots of the frame, notes the clause's label in the native frame, sets stack and frame
 * pointer as they are behind the call, and returns to there. So behind each call in a range the code asks whether an exception
 * has landed, and such a call is one that keeps no register but the frame pointer: LLVM has everything that is used behind it in
 * memory, and the function saves all registers for its own caller. What is in no range pays nothing. Rejected: LLVM's landing pads, whose
 * tables somebody would have to read and run, who also knows where each function has saved which registers; and marks where a
 * range is entered, as of setjmp, which cost more and know only the locals of that time.
 *
 * The stack pointer is the same behind every call, so that a function notes it when it begins. Behind calls whose callee takes its
 * arguments from the stack that is not so: where there are tail calls, those in a range go through the runtime.
 *
 * At a landing the locals are what they were at the call, temporaries below the range's block have been in their memory since it
 * began, and the clause's values come from the frame. */
#include <assert.h>
#include <string.h>

#include "tiers/optimizer/helper/helper.h"

static const char mark[] = "cay-landing"; /* of a call behind which exceptions land */

bool catches_begin(struct batch *b) {
  b->current_try = IR_NO_TRY;
  b->landings = base_alloc_zero(b->ir->tries.count + 1, sizeof *b->landings);
  return b->landings != NULL;
}

bool catches_insn(struct batch *b, const struct ir_insn *insn) {
  if (insn->op != IR_TRY && insn->op != IR_TRY_END) return false;
  struct landing *landing = &b->landings[insn->imm];
  if (insn->op == IR_TRY) {
    values_settle(b);
    *landing = (struct landing){.outer = b->current_try, .offset = insn->offset};
    b->current_try = (uint32_t)insn->imm;
  } else {
    b->current_try = landing->outer;
  }
  return true;
}

bool catches_here(const struct batch *b) { return b->current_try != IR_NO_TRY; }

/* Where exceptions of the range land; NULL: nowhere. */
static LLVMBasicBlockRef landing_of(struct batch *b, uint32_t own) {
  if (own == IR_NO_TRY) return NULL;
  if (!b->landings[own].block) b->landings[own].block = control_block(b);
  return b->landings[own].block;
}

/* Not volatile, as accesses of the guest are; calls may change it, because a stack map is told where it is. */
static LLVMValueRef load_landed(struct batch *b) {
  return value_load(b, b->types[VALUE_I64], b->told, WIRE_TOLD_LANDED * sizeof(uint64_t));
}

void catches_ask(struct batch *b, LLVMValueRef call) {
  LLVMBasicBlockRef landing = landing_of(b, b->current_try), next;
  if (!landing) return;
  LLVMAddCallSiteAttribute(call, LLVMAttributeFunctionIndex,
                           LLVMCreateStringAttribute(b->context, mark, sizeof mark - 1, "", 0));
  next = control_block(b);
  LLVMValueRef has_landed =
      LLVMBuildICmp(b->builder, LLVMIntNE, load_landed(b), LLVMConstNull(b->types[VALUE_I64]), "");
  control_branch_unlikely(b, has_landed, landing, next);
  LLVMPositionBuilderAtEnd(b->builder, next);
}

/* ---- Landings ------------------------------------------------------------------------------------------------------------ */

static void take_values(struct batch *b, const struct ir_catch *clause) {
  const struct module *module = b->job->module;
  const struct module_func_type *type =
      clause->tag == IR_ANY_TAG ? NULL : &module->types[module->tags[clause->tag].type].func;
  uint32_t slot = clause->value_slot;
  for (uint32_t i = 0; type && i < type->param_count; i++) {
    value_write(b, slot, value_load_slot(b, b->fp, slot, value_type_of(type->params[i])));
    slot += module_type_slots(type->params[i]);
  }
  if (clause->ref_slot != IR_NO_SLOT)
    value_write(b, clause->ref_slot, value_load_slot(b, b->fp, clause->ref_slot, VALUE_I64));
}

/* The runtime, which does not look, comes to optimized code here. */
static LLVMBasicBlockRef build_clause(struct batch *b, const struct ir_catch *clause) {
  LLVMBasicBlockRef block = control_block(b);
  LLVMPositionBuilderAtEnd(b->builder, block);
  LLVMBuildStore(b->builder, LLVMConstNull(b->types[VALUE_I64]),
                 value_field(b, b->told, WIRE_TOLD_LANDED * sizeof(uint64_t)));
  control_look_on_return(b);
  take_values(b, clause);
  values_settle(b);
  values_forget(b);
  LLVMBuildBr(b->builder, control_label(b, clause->label));
  return block;
}

/* What lands in none of the range's clauses is for a range around it; else nothing lands at all. */
static void build_landing(struct batch *b, uint32_t own) {
  const struct ir_try *range = &b->ir->tries.items[own];
  LLVMBasicBlockRef block = b->landings[own].block;
  LLVMBasicBlockRef other = landing_of(b, range->delegates ? range->target : b->landings[own].outer);
  translate_position(b, b->landings[own].offset);
  if (!other) {
    other = control_block(b);
    LLVMPositionBuilderAtEnd(b->builder, other);
    control_trap(b, control_trap_number(b, ENGINE_TRAP_UNREACHABLE)); /* or there is a fault in cay */
  }
  LLVMPositionBuilderAtEnd(b->builder, block);
  LLVMTypeRef i64 = b->types[VALUE_I64];
  LLVMValueRef choice = LLVMBuildSwitch(b->builder, load_landed(b), other, 4);
  for (uint32_t i = range->first_catch; i != IR_NO_CATCH; i = b->ir->catches.items[i].next) {
    const struct ir_catch *clause = &b->ir->catches.items[i];
    LLVMAddCase(choice, LLVMConstInt(i64, WIRE_LANDED(clause->label), false), build_clause(b, clause));
  }
}

/* Ranges within others come behind them. */
void catches_end(struct batch *b) {
  values_forget(b);
  for (size_t own = b->ir->tries.count; own-- > 0;)
    if (b->landings[own].block) build_landing(b, (uint32_t)own);
}

/* ---- Calls that keep nothing --------------------------------------------------------------------------------------------- */

/* The convention preserve_none keeps the frame pointer alone. It passes integers in some of the registers that C's keeps, then in
 * those in which C passes them, then in more, and everything else as C does. So a function of the C convention is called by it with
 * arguments in between that are not there; the instance is in the register that it is pinned to (value_pin_instance). Done
 * when the module is optimized: LLVM takes a call by another convention than the function's for one that never happens. That
 * LLVM's versions may change the convention is what `registers` in test_exceptions.c is for. Rejected: the attribute
 * no_callee_saved_registers, for which LLVM gives up the frame pointer, too, and then fails at what is addressed by it. */
enum { PRESERVE_NONE = 21, MOST_ADDED = 16 };

struct arguments {
  LLVMValueRef items[MOST_ADDED + MOST_ARGUMENTS];
  LLVMTypeRef types[MOST_ADDED + MOST_ARGUMENTS];
  unsigned count, integers;
};

static void add(struct arguments *out, LLVMValueRef value) {
  out->types[out->count] = LLVMTypeOf(value);
  out->items[out->count++] = value;
}

static void add_nothing(struct batch *b, struct arguments *out, unsigned count) {
  for (unsigned i = 0; i < count; i++) add(out, LLVMGetUndef(b->types[VALUE_I64]));
}

static bool is_integer(LLVMValueRef value) {
  LLVMTypeKind kind = LLVMGetTypeKind(LLVMTypeOf(value));
  return kind == LLVMIntegerTypeKind || kind == LLVMPointerTypeKind;
}

static void spread(struct batch *b, LLVMValueRef call, struct arguments *out) {
  const struct target *target = b->job->target;
  bool is_pinned = value_is_pinned(call);
  add_nothing(b, out, target->registers.before);
  if (is_pinned) {
    out->items[target->registers.instance] = LLVMGetArgOperand(call, 0);
    out->types[target->registers.instance] = b->pointer;
  }
  for (unsigned i = is_pinned; i < LLVMGetNumArgOperands(call); i++) {
    LLVMValueRef value = LLVMGetArgOperand(call, i);
    if (is_integer(value) && out->integers++ == target->registers.as_in_c)
      add_nothing(b, out, target->registers.behind);
    add(out, value);
  }
}

static void keep_nothing(struct batch *b, LLVMValueRef call) {
  struct arguments arguments = {.count = 0};
  spread(b, call, &arguments);
  LLVMTypeRef result = LLVMTypeOf(call);
  LLVMPositionBuilderBefore(b->builder, call);
  LLVMValueRef made = LLVMBuildCall2(b->builder, LLVMFunctionType(result, arguments.types, arguments.count, false),
                                     LLVMGetCalledValue(call), arguments.items, arguments.count, "");
  LLVMSetInstructionCallConv(made, PRESERVE_NONE);
  LLVMInstructionSetDebugLoc(made, LLVMInstructionGetDebugLoc(call));
  if (LLVMGetTypeKind(result) != LLVMVoidTypeKind) LLVMReplaceAllUsesWith(call, made);
  LLVMInstructionEraseFromParent(call);
}

/* Where there is no such convention, it is a line of assembly that changes all registers but the frame pointer. It is for functions of
 * the runtime alone, which take integers and return nothing; native ones go through it (calls.c). */
static void call_by_line(struct batch *b, LLVMValueRef call) {
  const struct target *target = b->job->target;
  LLVMValueRef operands[CALL_INTEGERS + 1];
  LLVMTypeRef types[CALL_INTEGERS + 1], i64 = b->types[VALUE_I64];
  unsigned count = LLVMGetNumArgOperands(call);
  assert(count <= CALL_INTEGERS && LLVMGetTypeKind(LLVMTypeOf(call)) == LLVMVoidTypeKind);
  LLVMPositionBuilderBefore(b->builder, call);
  for (unsigned i = 0; i <= CALL_INTEGERS; i++) {
    LLVMValueRef value = i == CALL_INTEGERS ? LLVMGetCalledValue(call) : i < count ? LLVMGetArgOperand(call, i) : NULL;
    bool is_pointer = value && LLVMTypeOf(value) == b->pointer;
    types[i] = i64;
    operands[i] = is_pointer ? LLVMBuildPtrToInt(b->builder, value, i64, "") : value ? value : LLVMGetUndef(i64);
  }
  LLVMTypeRef changed = LLVMStructTypeInContext(b->context, types, CALL_INTEGERS + 1, false);
  LLVMTypeRef type = LLVMFunctionType(changed, types, CALL_INTEGERS + 1, false);
  LLVMValueRef line = LLVMGetInlineAsm(type, (char *)(uintptr_t)target->call, strlen(target->call),
                                       (char *)(uintptr_t)target->call_constraints, strlen(target->call_constraints),
                                       true, false, LLVMInlineAsmDialectATT, false);
  LLVMValueRef made = LLVMBuildCall2(b->builder, type, line, operands, CALL_INTEGERS + 1, "");
  LLVMInstructionSetDebugLoc(made, LLVMInstructionGetDebugLoc(call));
  LLVMInstructionEraseFromParent(call);
}

static bool is_marked(LLVMValueRef insn) {
  return LLVMIsACallInst(insn) &&
         LLVMGetCallSiteStringAttribute(insn, LLVMAttributeFunctionIndex, mark, sizeof mark - 1);
}

void catches_settle(struct batch *b) {
  for (LLVMValueRef function = LLVMGetFirstFunction(b->llvm); function; function = LLVMGetNextFunction(function))
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block; block = LLVMGetNextBasicBlock(block))
      for (LLVMValueRef insn = LLVMGetFirstInstruction(block), next; insn; insn = next) {
        next = LLVMGetNextInstruction(insn);
        if (is_marked(insn) && b->job->target->registers.as_in_c)
          keep_nothing(b, insn);
        else if (is_marked(insn))
          call_by_line(b, insn);
      }
}
