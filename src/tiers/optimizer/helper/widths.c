/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Numbers that are addresses, in the width of addresses.
 *
 * The guest's addresses have 32 bits and are extended to 64 for each access. The processor does that in passing where it makes
 * the number, but LLVM knows so only within a block and takes an instruction for it elsewhere, as it does for what was handed on
 * by a line of assembly (places.c). So, when the module is optimized, a number that is extended elsewhere than where it is made
 * is extended there, once, and cut wherever it is used as it was, which costs nothing. What comes from several blocks comes
 * extended from each. All bits above are 0 at any time, undefined numbers included: guards are as far as 32 bits reach. */
#include <assert.h>

#include "tiers/optimizer/helper/helper.h"

static bool is_wide(const struct batch *b, LLVMValueRef value) { return LLVMTypeOf(value) == b->types[VALUE_I64]; }

static bool is_narrow_load(const struct batch *b, LLVMValueRef value) {
  return LLVMIsALoadInst(value) && (LLVMTypeOf(value) == b->i8 || LLVMTypeOf(value) == b->i16);
}

/* What is cut was extended here, and not by the guest, of whose wide numbers the upper half is lost. */
LLVMValueRef width_cut(struct batch *b, LLVMValueRef wide, LLVMTypeRef type) {
  LLVMValueRef cut = LLVMBuildTrunc(b->builder, wide, type, "");
  LLVMSetMetadata(cut, b->widened_kind, b->invariant);
  return cut;
}

static LLVMValueRef widened(const struct batch *b, LLVMValueRef value) {
  bool is_marked = LLVMIsATruncInst(value) && LLVMGetMetadata(value, b->widened_kind);
  return is_marked ? LLVMGetOperand(value, 0) : NULL;
}

/* Whether there is something to be gained: a number that is extended where it comes for nothing stays as it is. */
static bool is_address(const struct batch *b, LLVMValueRef value) {
  bool is_load = LLVMIsALoadInst(value), is_made_here = LLVMIsAInstruction(value) && !LLVMIsAPHINode(value);
  bool is_narrow = is_narrow_load(b, value);
  LLVMUseRef use = LLVMGetFirstUse(value);
  if ((LLVMTypeOf(value) != b->types[VALUE_I32] && !is_narrow) || widened(b, value)) return false;
  bool has_several = use && LLVMGetNextUse(use);
  for (; use; use = LLVMGetNextUse(use)) {
    LLVMValueRef user = LLVMGetUser(use);
    if (!LLVMIsAZExtInst(user) || !(is_narrow || is_wide(b, user))) continue;
    bool is_near = is_made_here && LLVMGetInstructionParent(user) == LLVMGetInstructionParent(value);
    if (!is_near || (is_load && has_several)) return true;
  }
  return false;
}

/* ---- One number --------------------------------------------------------------------------------------------------------- */

static void go_behind_phis(struct batch *b, LLVMBasicBlockRef block) {
  LLVMValueRef at = LLVMGetFirstInstruction(block);
  while (LLVMIsAPHINode(at)) at = LLVMGetNextInstruction(at);
  LLVMPositionBuilderBefore(b->builder, at);
}

static void go_behind(struct batch *b, LLVMValueRef value) {
  if (!LLVMIsAInstruction(value))
    go_behind_phis(b, LLVMGetEntryBasicBlock(b->function));
  else if (LLVMIsAPHINode(value))
    go_behind_phis(b, LLVMGetInstructionParent(value));
  else
    LLVMPositionBuilderBefore(b->builder, LLVMGetNextInstruction(value));
}

/* Extensions of `value` are `wide`, whatever else uses it uses `cut`, which stands behind that. */
static void use_instead(struct batch *b, LLVMValueRef value, LLVMValueRef wide, LLVMValueRef cut) {
  LLVMUseRef next;
  LLVMValueRef word = NULL;
  LLVMPositionBuilderBefore(b->builder, cut);
  for (LLVMUseRef use = LLVMGetFirstUse(value); use; use = next) {
    LLVMValueRef user = LLVMGetUser(use);
    next = LLVMGetNextUse(use);
    bool is_word = LLVMTypeOf(user) == b->types[VALUE_I32];
    if (user == wide || !LLVMIsAZExtInst(user) || !(is_word || is_wide(b, user))) continue;
    if (is_word && !word) word = width_cut(b, wide, b->types[VALUE_I32]);
    LLVMReplaceAllUsesWith(user, is_word ? word : wide);
    LLVMInstructionEraseFromParent(user);
  }
  LLVMReplaceAllUsesWith(value, cut);
}

void width_use_instead(struct batch *b, LLVMValueRef value, LLVMValueRef wide) {
  use_instead(b, value, wide, width_cut(b, wide, LLVMTypeOf(value)));
}

/* Where it is a phi, what comes is added later. NULL: no memory. */
static LLVMValueRef widen(struct batch *b, LLVMValueRef value) {
  LLVMTypeRef own = LLVMTypeOf(value);
  bool is_phi = LLVMIsAPHINode(value);
  LLVMValueRef *pending = is_phi ? BASE_VEC_PUSH(&b->phis) : NULL, wide;
  if (is_phi && !pending) return NULL;
  if (is_phi) {
    LLVMPositionBuilderBefore(b->builder, value);
    *pending = value;
    wide = LLVMBuildPhi(b->builder, b->types[VALUE_I64], "");
    go_behind(b, value);
  } else {
    go_behind(b, value);
    wide = LLVMBuildZExt(b->builder, value, b->types[VALUE_I64], "");
  }
  LLVMValueRef cut = width_cut(b, wide, own);
  use_instead(b, value, wide, cut);
  if (!is_phi) LLVMSetOperand(wide, 0, value);
  return wide;
}

/* ---- Phis --------------------------------------------------------------------------------------------------------------- */

static LLVMValueRef widen_constant(const struct batch *b, LLVMValueRef value) {
  assert(LLVMIsAConstantInt(value) || LLVMIsUndef(value)); /* or poison, which is a kind of it */
  return LLVMConstInt(b->types[VALUE_I64], LLVMIsAConstantInt(value) ? LLVMConstIntGetZExtValue(value) : 0, false);
}

static LLVMValueRef come_wide(struct batch *b, LLVMValueRef value) {
  if (LLVMIsConstant(value)) return widen_constant(b, value);
  LLVMValueRef wide = widened(b, value);
  return wide ? wide : widen(b, value);
}

/* The wide phi stands before it. */
static bool fill(struct batch *b, LLVMValueRef phi) {
  LLVMValueRef wide = LLVMGetPreviousInstruction(phi);
  for (unsigned i = 0; i < LLVMCountIncoming(phi); i++) {
    LLVMBasicBlockRef from = LLVMGetIncomingBlock(phi, i);
    LLVMValueRef value = come_wide(b, LLVMGetIncomingValue(phi, i));
    if (!value) return false;
    LLVMAddIncoming(wide, &value, &from, 1);
  }
  LLVMInstructionEraseFromParent(phi);
  return true;
}

static bool widen_function(struct batch *b, LLVMValueRef function) {
  b->function = function;
  b->phis.count = 0;
  for (unsigned i = 0; i < LLVMCountParams(function); i++)
    if (is_address(b, LLVMGetParam(function, i)) && !widen(b, LLVMGetParam(function, i))) return false;
  for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block; block = LLVMGetNextBasicBlock(block))
    for (LLVMValueRef insn = LLVMGetFirstInstruction(block); insn; insn = LLVMGetNextInstruction(insn))
      if (is_address(b, insn) && !widen(b, insn)) return false;
  for (size_t i = 0; i < b->phis.count; i++)
    if (!fill(b, b->phis.items[i])) return false;
  return true;
}

bool widths_settle(struct batch *b) {
  LLVMSetCurrentDebugLocation2(b->builder, NULL);
  for (LLVMValueRef function = LLVMGetFirstFunction(b->llvm); function; function = LLVMGetNextFunction(function))
    if (LLVMGetFirstBasicBlock(function) && !widen_function(b, function)) return false;
  return true;
}
