/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the collector finds in frames of optimized code.
 *
 * It looks into the frame on the value stack, at the slots that it looks at in every tier (frames.c): of locals that hold
 * references always, of temporaries where the register code says so. So every such local is written through to its slot, from
 * the function's start on, and before a call, and whatever else may collect, those temporaries are brought to theirs. Objects
 * do not move: nothing is read back.
 *
 * Where the frame is, is kept in the native frame, at a place that LLVM tells in a stack map (stackmaps.c).
 *
 * A function that never collects while it runs needs none of it. */
#include <string.h>

#include "tiers/optimizer/helper/helper.h"

/* Stores and steps along lists, of a function: beyond that it is not what programs make. */
enum { MOST_STEPS = 1 << 18 };

static bool may_collect(const struct ir_function *ir) {
  for (size_t i = 0; i < ir->insns.count; i++)
    if (ir_may_collect(ir->insns.items[i].op)) return true;
  return false;
}

bool roots_begin(struct batch *b) {
  const struct ir_function *ir = b->ir;
  b->has_roots = (ir->nodes.count > 0 || ir->local_references.count > 0) && may_collect(ir);
  b->root_steps = 0;
  b->is_root = base_alloc_zero(ir->link_slot + 1, 1);
  if (!b->is_root) return false;
  for (size_t i = 0; b->has_roots && i < ir->local_references.count; i++) b->is_root[ir->local_references.items[i]] = 1;
  return true;
}

/* AArch64's saved registers may leave room for a single word among them, above the frame pointer, where nobody looks. */
void roots_place_told(struct batch *b) {
  bool catches = b->ir->tries.count > 0;
  LLVMTypeRef words = LLVMArrayType2(b->pointer, catches ? WIRE_TOLD_WORDS : WIRE_TOLD_FRAME + 2);
  b->told = catches || b->has_roots ? LLVMBuildAlloca(b->entry_builder, words, "") : NULL;
}

static void tell(struct batch *b, enum wire_told what, LLVMValueRef value) {
  LLVMSetVolatile(LLVMBuildStore(b->builder, value, value_field(b, b->told, what * sizeof(uint64_t))), true);
}

/* It stays as it is from the prologue on. */
static LLVMValueRef stack_pointer(struct batch *b) {
  unsigned id = LLVMLookupIntrinsicID("llvm.stacksave", 14);
  LLVMValueRef save = LLVMGetIntrinsicDeclaration(b->llvm, id, &b->pointer, 1);
  return LLVMBuildCall2(b->builder, LLVMIntrinsicGetType(b->context, id, &b->pointer, 1), save, NULL, 0, "");
}

void roots_tell_frame(struct batch *b) {
  unsigned id = LLVMLookupIntrinsicID("llvm.experimental.stackmap", 26);
  tell(b, WIRE_TOLD_FRAME, b->fp);
  if (b->ir->tries.count > 0) {
    tell(b, WIRE_TOLD_LANDED, LLVMConstNull(b->types[VALUE_I64]));
    tell(b, WIRE_TOLD_STACK, stack_pointer(b));
  }
  uint64_t name = stackmap_name(b->own->entry, b->is_at_loop);
  LLVMValueRef arguments[] = {LLVMConstInt(b->types[VALUE_I64], name, false), LLVMConstNull(b->types[VALUE_I32]),
                              b->told};
  LLVMValueRef map = LLVMGetIntrinsicDeclaration(b->llvm, id, NULL, 0);
  LLVMBuildCall2(b->builder, LLVMIntrinsicGetType(b->context, id, NULL, 0), map, arguments, 3, "");
}

void root_write(struct batch *b, uint32_t local, LLVMValueRef value) {
  if (b->is_root[local]) value_store_slot(b, b->fp, local, value);
}

void root_settle(struct batch *b, uint32_t slot, LLVMValueRef value) {
  bool is_temporary = slot >= b->ir->link_slot;
  if (is_temporary && b->known[slot].value == value && b->known[slot].is_in_frame) return;
  value_store_slot(b, b->fp, slot, value);
  if (is_temporary && b->known[slot].value == value) b->known[slot].is_in_frame = true;
}

void roots_settle(struct batch *b, uint32_t node) {
  for (; node != IR_NO_NODE && b->refusal < 0; node = b->ir->nodes.items[node - 1].next) {
    uint32_t slot = b->ir->nodes.items[node - 1].slot;
    root_settle(b, slot, value_recall(b, slot));
    if (++b->root_steps > MOST_STEPS) b->refusal = WIRE_REASON_TOO_LARGE;
  }
}
