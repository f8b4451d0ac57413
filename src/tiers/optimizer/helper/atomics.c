/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Atomic accesses: LLVM's, sequentially consistent. An address that is not aligned traps before one that is out of bounds.
 * Waiting and notifying are the runtime's (calls.c). */
#include <string.h>

#include "tiers/optimizer/helper/helper.h"

/* What the mnemonic says behind its last dot: "add" of "i64.atomic.rmw32.add_u". */
static bool is_operation(const struct module_op_info *row, const char *name) {
  const char *last = strrchr(row->mnemonic, '.') + 1;
  return strncmp(last, name, strlen(name)) == 0;
}

static LLVMAtomicRMWBinOp operation_of(const struct module_op_info *row) {
  static const struct {
    const char *name;
    LLVMAtomicRMWBinOp code;
  } operations[] = {{"add", LLVMAtomicRMWBinOpAdd},
                    {"sub", LLVMAtomicRMWBinOpSub},
                    {"and", LLVMAtomicRMWBinOpAnd},
                    {"or", LLVMAtomicRMWBinOpOr},
                    {"xor", LLVMAtomicRMWBinOpXor}};
  for (size_t i = 0; i < BASE_ARRAY_LEN(operations); i++)
    if (is_operation(row, operations[i].name)) return operations[i].code;
  return LLVMAtomicRMWBinOpXchg;
}

static void check_alignment(struct batch *b, const struct ir_insn *insn, uint32_t bytes) {
  LLVMTypeRef i64 = b->types[VALUE_I64];
  LLVMValueRef at =
      LLVMBuildAdd(b->builder, value_read(b, insn->a, VALUE_I64), value_const(b, VALUE_I64, insn->imm), "");
  LLVMValueRef rest = LLVMBuildAnd(b->builder, at, LLVMConstInt(i64, bytes - 1, false), "");
  control_trap_if(b, LLVMBuildICmp(b->builder, LLVMIntNE, rest, LLVMConstNull(i64), ""),
                  control_trap_number(b, ENGINE_TRAP_UNALIGNED_ATOMIC));
}

/* Operand `index` behind the address, as wide as what is in memory. */
static LLVMValueRef operand(struct batch *b, const struct ir_insn *insn, uint32_t index, LLVMTypeRef narrow) {
  LLVMValueRef value = value_read(b, insn->a + index, value_type_of(module_ops[insn->op].params[index]));
  return LLVMTypeOf(value) == narrow ? value : LLVMBuildTrunc(b->builder, value, narrow, "");
}

/* Returns what was in memory, or NULL. */
static LLVMValueRef access(struct batch *b, const struct ir_insn *insn, LLVMValueRef place, uint32_t bytes) {
  const LLVMAtomicOrdering order = LLVMAtomicOrderingSequentiallyConsistent;
  const struct module_op_info *row = &module_ops[insn->op];
  LLVMTypeRef narrow = LLVMIntTypeInContext(b->context, bytes * 8);
  LLVMValueRef made, old;
  if (is_operation(row, "load")) {
    made = old = LLVMBuildLoad2(b->builder, narrow, place, "");
    LLVMSetOrdering(made, order);
    LLVMSetAlignment(made, bytes);
  } else if (is_operation(row, "store")) {
    made = LLVMBuildStore(b->builder, operand(b, insn, 1, narrow), place), old = NULL;
    LLVMSetOrdering(made, order);
    LLVMSetAlignment(made, bytes);
  } else if (is_operation(row, "cmpxchg")) {
    LLVMValueRef expected = operand(b, insn, 1, narrow), replacement = operand(b, insn, 2, narrow);
    made = LLVMBuildAtomicCmpXchg(b->builder, place, expected, replacement, order, order, false);
    old = LLVMBuildExtractValue(b->builder, made, 0, "");
  } else {
    made = old = LLVMBuildAtomicRMW(b->builder, operation_of(row), place, operand(b, insn, 1, narrow), order, false);
  }
  LLVMSetVolatile(made, true);
  return old;
}

bool atomic_insn(struct batch *b, const struct ir_insn *insn) {
  if (insn->op >= MODULE_OP_COUNT) return false;
  const struct module_op_info *row = &module_ops[insn->op];
  if (!(row->flags & MODULE_OP_ATOMIC) || !(row->flags & (MODULE_OP_LOAD | MODULE_OP_STORE))) return false;
  uint32_t bytes = 1u << row->access_log2;
  check_alignment(b, insn, bytes);
  LLVMValueRef old = access(b, insn, memory_place(b, insn, bytes), bytes);
  if (!old) return true;
  LLVMTypeRef type = b->types[value_type_of(row->results[0])];
  value_write(b, insn->d, LLVMTypeOf(old) == type ? old : LLVMBuildZExt(b->builder, old, type, ""));
  return true;
}
