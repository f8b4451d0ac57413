/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Which wasm instruction a fault is said to be at, made sure of when the LLVM module is optimized and not yet compiled.
 *
 * A location follows an instruction of LLVM to the machine's instruction that does it, unless the two are not one to one:
 * where the machine can load and do something with what it has loaded, the location is the latter's, or lost. What is
 * selected for an access must be that access alone, or something that can be given the access's location:
 *
 *  1. Of all that register code was made into, only guest accesses, which may fault, and calls, whose return addresses tell
 *     where they were made, need locations. Everything else has none of its own.
 *  2. What computes with a number that was loaded, right where it may be merged with the load, has the load's: the newest
 *     one's, since volatile accesses keep their order and what is merged with one stands where it stood.
 *  3. Where the machine's instruction loads, computes and stores, the load is what faults. So a store right behind a load from
 *     the same place, which cannot fault any more, has the load's location, too.
 *  4. Where a function is inlined, the location is a row of the answer, which has the offset and who calls it.
 *  5. Any other number that is loaded is handed on by a line of assembly without instructions, through which LLVM does not
 *     look: an extension, an address, a comparison of other width. Merging those is what loses locations. */
#include <string.h>

#include "tiers/optimizer/helper/helper.h"

static bool is_access(LLVMValueRef insn) {
  LLVMOpcode opcode = LLVMGetInstructionOpcode(insn);
  bool is_one = opcode == LLVMLoad || opcode == LLVMStore || opcode == LLVMAtomicRMW || opcode == LLVMAtomicCmpXchg;
  return is_one && LLVMGetVolatile(insn);
}

static bool is_load(LLVMValueRef insn) { return LLVMIsALoadInst(insn) && LLVMGetVolatile(insn); }

/* A call that is one in machine code. */
static bool is_call(LLVMValueRef insn) {
  if (LLVMGetInstructionOpcode(insn) != LLVMCall) return false;
  LLVMValueRef callee = LLVMGetCalledValue(insn);
  if (LLVMIsAInlineAsm(callee)) return LLVMGetInlineAsmHasSideEffects(callee); /* catches.c */
  return LLVMGetIntrinsicID(callee) == 0;
}

static bool is_placed(LLVMValueRef insn) { return is_access(insn) || is_call(insn); }

/* ---- Stores ----------------------------------------------------------------------------------------------------------- */

/* Two addresses that are the same, as far as can be seen without asking what they are made of. */
static bool is_same_place(LLVMValueRef one, LLVMValueRef other) {
  if (one == other) return true;
  if (!LLVMIsAGetElementPtrInst(one) || !LLVMIsAGetElementPtrInst(other)) return false;
  int count = LLVMGetNumOperands(one);
  bool is_same = count == LLVMGetNumOperands(other);
  for (int i = 0; is_same && i < count; i++)
    is_same = LLVMGetOperand(one, (unsigned)i) == LLVMGetOperand(other, (unsigned)i);
  return is_same;
}

/* Whether `store` writes back what `access`, the newest one before it, has read. */
static bool writes_back(LLVMValueRef store, LLVMValueRef access) {
  return access && LLVMIsALoadInst(access) && LLVMIsAStoreInst(store) &&
         LLVMTypeOf(LLVMGetOperand(store, 0)) == LLVMTypeOf(access) &&
         is_same_place(LLVMGetOperand(store, 1), LLVMGetOperand(access, 0));
}

/* ---- What is merged with a load ----------------------------------------------------------------------------------------- */

static LLVMValueRef only_user(LLVMValueRef value) {
  LLVMUseRef use = LLVMGetFirstUse(value);
  if (!use || LLVMGetNextUse(use)) return NULL;
  LLVMValueRef user = LLVMGetUser(use);
  return LLVMGetInstructionParent(user) == LLVMGetInstructionParent(value) && !LLVMIsAPHINode(user) ? user : NULL;
}

static bool is_narrow(const struct batch *b, LLVMTypeRef type) { return type == b->i8 || type == b->i16; }

/* Computes with numbers of one type what the machine's instruction for it may read one of from memory. */
static bool is_arithmetic(LLVMValueRef insn) {
  LLVMOpcode opcode = LLVMGetInstructionOpcode(insn);
  return opcode == LLVMICmp || opcode == LLVMFCmp || (LLVMIsABinaryOperator(insn) && opcode != LLVMShl);
}

/* Whether all users take the number as it is: a cast may be drawn before the computation, and then is what is merged. */
static bool has_plain_users(LLVMValueRef value) {
  for (LLVMUseRef use = LLVMGetFirstUse(value); use; use = LLVMGetNextUse(use)) {
    LLVMValueRef user = LLVMGetUser(use);
    if (LLVMIsACastInst(user) || LLVMIsAGetElementPtrInst(user)) return false;
  }
  return true;
}

/* Whether nobody needs what is in the register of the operand `value` afterwards. The machine's instruction leaves its result in
 * the register of one operand; where that is needed LLVM takes load and instruction apart again, and the load, which it makes anew,
 * has no location. Instructions on floats have a register for the result where there is AVX. */
static bool is_given_up(const struct batch *b, LLVMValueRef value, LLVMValueRef user) {
  if (LLVMIsConstant(value) || (b->job->has_avx && value_is_float(b, LLVMTypeOf(value)))) return true;
  LLVMUseRef use = LLVMGetFirstUse(value);
  return LLVMIsAInstruction(value) && LLVMGetInstructionParent(value) == LLVMGetInstructionParent(user) &&
         !LLVMGetNextUse(use);
}

/* A mask that is a constant LLVM rewrites together with what follows it, on which way the load's location was lost. */
static bool may_be_merged(const struct batch *b, LLVMValueRef load) {
  if (is_narrow(b, LLVMTypeOf(load))) return false;
  LLVMValueRef value = load, user = only_user(load);
  for (; user && LLVMIsABitCastInst(user); user = only_user(user)) value = user;
  if (!user || !is_arithmetic(user)) return false;
  if (LLVMIsACmpInst(user)) return true;
  if (LLVMGetInstructionOpcode(user) == LLVMAnd && LLVMIsConstant(LLVMGetOperand(user, 1))) return false;
  LLVMValueRef other = LLVMGetOperand(user, LLVMGetOperand(user, 0) == value);
  return is_given_up(b, other, user) && has_plain_users(user);
}

/* Gives what uses `value` in its block its location, but for what has one. What the newest load has marked, with all that uses
 * it, an older one need not go through again. False: no memory. */
static bool spread(struct batch *b, LLVMValueRef value, LLVMMetadataRef place) {
  b->users.count = 0;
  LLVMBasicBlockRef block = LLVMGetInstructionParent(value);
  for (;;) {
    for (LLVMUseRef use = LLVMGetFirstUse(value); use; use = LLVMGetNextUse(use)) {
      LLVMValueRef user = LLVMGetUser(use);
      if (LLVMGetInstructionParent(user) != block || is_placed(user) || LLVMIsAPHINode(user)) continue;
      if (LLVMInstructionGetDebugLoc(user)) continue;
      LLVMValueRef *next = BASE_VEC_PUSH(&b->users);
      if (!next) return false;
      LLVMInstructionSetDebugLoc(user, place);
      *next = user;
    }
    if (b->users.count == 0) return true;
    value = b->users.items[--b->users.count];
  }
}

/* ---- What is kept apart --------------------------------------------------------------------------------------------------- */

/* All users of `value` but `first`, which is made of it, use `instead`. */
static void replace(LLVMValueRef value, LLVMValueRef first, LLVMValueRef instead) {
  LLVMReplaceAllUsesWith(value, instead);
  LLVMSetOperand(first, 0, value);
}

/* A narrow number is extended, which the load does in passing. */
static void keep_apart(struct batch *b, LLVMValueRef load) {
  LLVMValueRef extended = only_user(load), value = load;
  if (extended && (LLVMIsAZExtInst(extended) || LLVMIsASExtInst(extended))) value = extended;
  LLVMPositionBuilderBefore(b->builder, LLVMGetNextInstruction(value));
  LLVMSetCurrentDebugLocation2(b->builder, NULL);
  if (value == load && is_narrow(b, LLVMTypeOf(load))) {
    LLVMValueRef wide = LLVMBuildZExt(b->builder, load, b->types[VALUE_I32], "");
    replace(load, wide, LLVMBuildTrunc(b->builder, value_hand_on(b, wide), LLVMTypeOf(load), ""));
  } else {
    LLVMValueRef handed = value_hand_on(b, value);
    replace(value, handed, handed);
  }
}

/* ---- What is inlined ------------------------------------------------------------------------------------------------------ */

/* The number of such a row, one of the newest or a new one; UINT32_MAX: no memory. */
static uint32_t row_of(struct object_code *out, struct wire_inlined wanted) {
  enum { NEWEST = 16 };
  for (size_t i = out->inlined.count, least = i > NEWEST ? i - NEWEST : 0; i-- > least;)
    if (memcmp(&out->inlined.items[i], &wanted, sizeof wanted) == 0) return (uint32_t)i;
  struct wire_inlined *row = BASE_VEC_PUSH(&out->inlined);
  if (!row) return UINT32_MAX;
  *row = wanted;
  return (uint32_t)(out->inlined.count - 1);
}

/* What a place is as in struct wire_line. UINT32_MAX: no memory. */
static uint32_t line_of(LLVMMetadataRef place, struct object_code *out) {
  LLVMMetadataRef call = LLVMDILocationGetInlinedAt(place);
  uint32_t offset = LLVMDILocationGetLine(place);
  if (!call || offset == 0) return offset;
  uint32_t caller = line_of(call, out);
  if (caller == UINT32_MAX) return caller;
  uint32_t entry = LLVMDISubprogramGetLine(LLVMDILocationGetScope(place));
  return WIRE_INLINED | row_of(out, (struct wire_inlined){entry, offset, caller});
}

static bool tell_inlined(struct batch *b, LLVMValueRef insn, struct object_code *out) {
  LLVMMetadataRef place = LLVMInstructionGetDebugLoc(insn), outer = place;
  unsigned depth = 0;
  if (!place || !LLVMDILocationGetInlinedAt(place)) return true;
  for (; LLVMDILocationGetInlinedAt(outer); outer = LLVMDILocationGetInlinedAt(outer)) depth++;
  uint32_t line = depth <= WIRE_MOST_INLINED ? line_of(place, out) : 0;
  if (line == UINT32_MAX) return false;
  if (depth > WIRE_MOST_INLINED) batch_inlines_less(b, LLVMDISubprogramGetLine(LLVMDILocationGetScope(outer)));
  LLVMMetadataRef scope = LLVMDILocationGetScope(outer);
  LLVMInstructionSetDebugLoc(insn, LLVMDIBuilderCreateDebugLocation(b->context, line, 0, scope, NULL));
  return true;
}

/* ---- All of it -------------------------------------------------------------------------------------------------------------- */

static bool clear(struct batch *b, LLVMBasicBlockRef block, struct object_code *out) {
  LLVMValueRef access = NULL;
  for (LLVMValueRef insn = LLVMGetFirstInstruction(block); insn; insn = LLVMGetNextInstruction(insn)) {
    if (!is_placed(insn)) LLVMInstructionSetDebugLoc(insn, NULL);
    if (is_placed(insn) && !tell_inlined(b, insn, out)) return false;
    if (writes_back(insn, access)) LLVMInstructionSetDebugLoc(insn, LLVMInstructionGetDebugLoc(access));
    if (is_placed(insn)) access = is_access(insn) ? insn : NULL;
    if (is_load(insn) && !may_be_merged(b, insn)) keep_apart(b, insn);
  }
  return true;
}

/* The newest load first: who has a location then keeps it. */
static bool settle(struct batch *b, LLVMBasicBlockRef block, struct object_code *out) {
  if (!clear(b, block, out)) return false;
  for (LLVMValueRef insn = LLVMGetLastInstruction(block); insn; insn = LLVMGetPreviousInstruction(insn)) {
    LLVMMetadataRef place = is_load(insn) ? LLVMInstructionGetDebugLoc(insn) : NULL;
    if (place && !spread(b, insn, place)) return false;
  }
  return true;
}

bool places_settle(struct batch *b, struct object_code *out) {
  for (LLVMValueRef function = LLVMGetFirstFunction(b->llvm); function; function = LLVMGetNextFunction(function))
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block; block = LLVMGetNextBasicBlock(block))
      if (!settle(b, block, out)) return false;
  return true;
}
