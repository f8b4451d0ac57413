/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Accesses whose address is a sum, by one instruction.
 *
 * x86-64 adds two registers, one of them times 2, 4 or 8, and a constant when it reaches memory. The guest's sums have 32 bits and
 * may wrap around, so LLVM, which adds in 64, has to make each by an instruction of its own. But with another size of addresses
 * (a prefix) the processor adds in 32 bits, extends that and adds the segment's base: exactly what the guest means, where memory is a
 * segment and the access itself has no offset. LLVM does not make such instructions, so they are lines of assembly, in
 * place of the access where nothing else needs the sum.
 *
 * A line of assembly with side effects is as volatile as the access is, and places.c lets it have its place. What the processor
 * could compute in passing with a number from memory takes an instruction more then; that is as many as with the sum. Functions of
 * very many blocks stay as they are: QuickJS's interpreter took a tenth longer (optimizer.md). */
#include <stdio.h>
#include <string.h>

#include "tiers/optimizer/helper/helper.h"

enum { MOST_BLOCKS = 300 };

/* base + (index << shift) + constant */
struct mode {
  LLVMValueRef base, index; /* index: may be NULL */
  unsigned shift;
  uint32_t constant;
};

static bool is_add(const struct batch *b, LLVMValueRef value) {
  return LLVMIsAInstruction(value) && LLVMGetInstructionOpcode(value) == LLVMAdd &&
         LLVMTypeOf(value) == b->types[VALUE_I32];
}

static bool has_one_use(LLVMValueRef value) {
  LLVMUseRef use = LLVMGetFirstUse(value);
  return use && !LLVMGetNextUse(use);
}

/* ---- Which accesses ------------------------------------------------------------------------------------------------------ */

static LLVMValueRef place_of(LLVMValueRef access) { return LLVMGetOperand(access, LLVMIsAStoreInst(access) ? 1 : 0); }

static bool is_plain(const struct batch *b, LLVMValueRef insn) {
  if (!LLVMIsALoadInst(insn) && !LLVMIsAStoreInst(insn)) return false;
  return LLVMGetVolatile(insn) && LLVMGetOrdering(insn) == LLVMAtomicOrderingNotAtomic &&
         LLVMTypeOf(place_of(insn)) == b->segment;
}

/* The number of 32 bits at which an access is, or NULL. */
static LLVMValueRef number_at(const struct batch *b, LLVMValueRef access) {
  LLVMValueRef place = place_of(access), wide = LLVMIsAIntToPtrInst(place) ? LLVMGetOperand(place, 0) : NULL;
  LLVMValueRef number = wide && LLVMIsAZExtInst(wide) ? LLVMGetOperand(wide, 0) : NULL;
  return number && is_add(b, number) ? number : NULL;
}

/* Whether `sum`, a number, its extension or address, is only used by accesses in its block. */
static bool is_for_accesses(const struct batch *b, LLVMValueRef sum, LLVMBasicBlockRef block) {
  for (LLVMUseRef use = LLVMGetFirstUse(sum); use; use = LLVMGetNextUse(use)) {
    LLVMValueRef user = LLVMGetUser(use);
    bool is_link = LLVMIsAIntToPtrInst(user) || (LLVMIsAZExtInst(user) && LLVMTypeOf(user) == b->types[VALUE_I64]);
    if (is_link ? !is_for_accesses(b, user, block) : !is_plain(b, user) || LLVMGetInstructionParent(user) != block)
      return false;
  }
  return true;
}

/* ---- What they add --------------------------------------------------------------------------------------------------------- */

/* What goes around a loop is made there, and not needed from before. */
static bool goes_around(LLVMValueRef value) {
  for (LLVMUseRef use = LLVMGetFirstUse(value); use; use = LLVMGetNextUse(use))
    if (LLVMIsAPHINode(LLVMGetUser(use))) return true;
  return false;
}

static LLVMValueRef without_constants(const struct batch *b, LLVMValueRef value, struct mode *mode) {
  while (is_add(b, value) && LLVMIsAConstantInt(LLVMGetOperand(value, 1)) && !goes_around(value)) {
    mode->constant += (uint32_t)LLVMConstIntGetZExtValue(LLVMGetOperand(value, 1));
    value = LLVMGetOperand(value, 0);
  }
  return value;
}

static bool is_scaled(LLVMValueRef value, LLVMBasicBlockRef block) {
  enum { MOST_SHIFT = 3 };
  if (!LLVMIsAInstruction(value) || LLVMGetInstructionOpcode(value) != LLVMShl) return false;
  LLVMValueRef by = LLVMGetOperand(value, 1);
  return LLVMIsAConstantInt(by) && LLVMConstIntGetZExtValue(by) <= MOST_SHIFT &&
         LLVMGetInstructionParent(value) == block && has_one_use(value);
}

static void scale(struct mode *mode, LLVMBasicBlockRef block) {
  if (is_scaled(mode->base, block)) {
    LLVMValueRef other = mode->index;
    mode->index = mode->base;
    mode->base = other;
  }
  if (!is_scaled(mode->index, block)) return;
  mode->shift = (unsigned)LLVMConstIntGetZExtValue(LLVMGetOperand(mode->index, 1));
  mode->index = LLVMGetOperand(mode->index, 0);
}

/* What an access in `block` adds; false: it is not worth it. */
static bool take_apart(const struct batch *b, LLVMValueRef sum, LLVMBasicBlockRef block, struct mode *mode) {
  if (LLVMGetInstructionParent(sum) != block || !is_for_accesses(b, sum, block)) return false;
  LLVMValueRef rest = without_constants(b, sum, mode);
  bool is_pair = is_add(b, rest) && LLVMGetInstructionParent(rest) == block && (rest == sum || has_one_use(rest));
  mode->base = rest;
  if (is_pair) {
    mode->base = without_constants(b, LLVMGetOperand(rest, 0), mode);
    mode->index = without_constants(b, LLVMGetOperand(rest, 1), mode);
    scale(mode, block);
  }
  return rest != sum || is_pair;
}

/* ---- Lines of assembly -------------------------------------------------------------------------------------------------------- */

/* How a value is moved. */
struct move {
  const char *load, *from; /* the instruction, and the register as it names it */
  const char *store;
  LLVMTypeRef loaded;
};

static bool move_of(const struct batch *b, LLVMTypeRef type, struct move *move) {
  LLVMTypeRef i64 = b->types[VALUE_I64];
  bool has_avx = b->job->has_avx;
  if (type == b->i8)
    *move = (struct move){"movzbl", "${0:k}", "movb", i64};
  else if (type == b->i16)
    *move = (struct move){"movzwl", "${0:k}", "movw", i64};
  else if (type == b->types[VALUE_I32])
    *move = (struct move){"movl", "${0:k}", "movl", i64};
  else if (type == i64)
    *move = (struct move){"movq", "${0:q}", "movq", i64};
  else if (type == b->types[VALUE_F32])
    *move = (struct move){has_avx ? "vmovss" : "movss", "$0", has_avx ? "vmovss" : "movss", type};
  else if (type == b->types[VALUE_F64])
    *move = (struct move){has_avx ? "vmovsd" : "movsd", "$0", has_avx ? "vmovsd" : "movsd", type};
  else if (type == b->types[VALUE_V128])
    *move = (struct move){has_avx ? "vmovups" : "movups", "$0", has_avx ? "vmovups" : "movups", type};
  return move->load != NULL;
}

/* A number whose sign is extended, which nothing else needs: in place of `move`. The extension, or NULL. */
static LLVMValueRef extend_sign(const struct batch *b, LLVMValueRef load, struct move *move) {
  LLVMValueRef user = has_one_use(load) ? LLVMGetUser(LLVMGetFirstUse(load)) : NULL;
  if (!user || !LLVMIsASExtInst(user) || LLVMTypeOf(load) == b->types[VALUE_I64]) return NULL;
  bool is_wide = LLVMTypeOf(user) == b->types[VALUE_I64];
  if (!is_wide && LLVMTypeOf(user) != b->types[VALUE_I32]) return NULL;
  if (LLVMTypeOf(load) == b->i8)
    move->load = is_wide ? "movsbq" : "movsbl";
  else if (LLVMTypeOf(load) == b->i16)
    move->load = is_wide ? "movswq" : "movswl";
  else
    move->load = "movslq";
  move->from = is_wide ? "${0:q}" : "${0:k}";
  move->loaded = LLVMTypeOf(user);
  return user;
}

static void write_place(char *to, size_t room, const struct mode *mode) {
  if (mode->index)
    snprintf(to, room, "%%gs:%d(${1:k},${2:k},%u)", (int32_t)mode->constant, 1u << mode->shift);
  else
    snprintf(to, room, "%%gs:%d(${1:k})", (int32_t)mode->constant);
}

/* `value`: what is stored, or NULL. */
static LLVMValueRef build_line(struct batch *b, const struct mode *mode, const struct move *move, LLVMValueRef value) {
  char place[48], line[80], constraints[16];
  LLVMTypeRef params[3], moved = value ? LLVMTypeOf(value) : move->loaded;
  LLVMValueRef operands[3];
  unsigned count = 0;
  if (value) operands[count++] = value;
  operands[count++] = mode->base;
  if (mode->index) operands[count++] = mode->index;
  for (unsigned i = 0; i < count; i++) params[i] = LLVMTypeOf(operands[i]);
  write_place(place, sizeof place, mode);
  if (value)
    snprintf(line, sizeof line, "%s $0, %s", move->store, place);
  else
    snprintf(line, sizeof line, "%s %s, %s", move->load, place, move->from);
  const char *reg = value_is_float(b, moved) ? "x" : !value ? "r" : moved == b->types[VALUE_I64] ? "re" : "ri";
  snprintf(constraints, sizeof constraints, "%s%s,r%s", value ? "" : "=", reg, mode->index ? ",r" : "");
  LLVMTypeRef type = LLVMFunctionType(value ? b->void_type : move->loaded, params, count, false);
  LLVMValueRef code = LLVMGetInlineAsm(type, line, strlen(line), constraints, strlen(constraints), true, false,
                                       LLVMInlineAsmDialectATT, false);
  return LLVMBuildCall2(b->builder, type, code, operands, count, "");
}

static void replace_load(struct batch *b, LLVMValueRef load, const struct mode *mode, struct move *move) {
  LLVMValueRef extended = extend_sign(b, load, move), made = build_line(b, mode, move, NULL);
  LLVMInstructionSetDebugLoc(made, LLVMInstructionGetDebugLoc(load));
  if (extended) {
    LLVMReplaceAllUsesWith(extended, made);
    LLVMInstructionEraseFromParent(extended);
  } else if (LLVMTypeOf(load) == move->loaded) {
    LLVMReplaceAllUsesWith(load, made);
  } else {
    width_use_instead(b, load, made);
  }
}

/* Ends an address that nobody uses any more, and what it alone was made of. */
static void drop(LLVMValueRef value) {
  while (LLVMIsAInstruction(value) && !LLVMGetFirstUse(value)) {
    LLVMOpcode opcode = LLVMGetInstructionOpcode(value);
    if (opcode != LLVMIntToPtr && opcode != LLVMZExt) return;
    LLVMValueRef of = LLVMGetOperand(value, 0);
    LLVMInstructionEraseFromParent(value);
    value = of;
  }
}

static LLVMValueRef replace(struct batch *b, LLVMValueRef access, const struct mode *mode, struct move *move) {
  LLVMPositionBuilderBefore(b->builder, access);
  if (LLVMIsAStoreInst(access)) {
    LLVMValueRef made = build_line(b, mode, move, LLVMGetOperand(access, 0));
    LLVMInstructionSetDebugLoc(made, LLVMInstructionGetDebugLoc(access));
  } else {
    replace_load(b, access, mode, move);
  }
  LLVMValueRef place = place_of(access), next = LLVMGetNextInstruction(access);
  LLVMInstructionEraseFromParent(access);
  drop(place);
  return next;
}

/* Returns what comes behind the access. */
static LLVMValueRef settle(struct batch *b, LLVMValueRef insn) {
  LLVMValueRef sum = is_plain(b, insn) ? number_at(b, insn) : NULL;
  LLVMTypeRef type = LLVMIsAStoreInst(insn) ? LLVMTypeOf(LLVMGetOperand(insn, 0)) : LLVMTypeOf(insn);
  struct mode mode = {0};
  struct move move = {0};
  bool is_one = sum && take_apart(b, sum, LLVMGetInstructionParent(insn), &mode) && move_of(b, type, &move);
  return is_one ? replace(b, insn, &mode, &move) : LLVMGetNextInstruction(insn);
}

void modes_settle(struct batch *b) {
  if (!(b->job->flags & WIRE_SEGMENT)) return;
  for (LLVMValueRef function = LLVMGetFirstFunction(b->llvm); function; function = LLVMGetNextFunction(function)) {
    if (LLVMCountBasicBlocks(function) > MOST_BLOCKS) continue;
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block; block = LLVMGetNextBasicBlock(block))
      for (LLVMValueRef insn = LLVMGetFirstInstruction(block); insn;) insn = settle(b, insn);
  }
}
