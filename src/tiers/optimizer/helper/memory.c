/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Loads, stores, globals.
 *
 * What a guest has done before it traps can be seen afterwards. So each access to guarded memory is volatile: it is made
 * where it stands, also when nobody needs its value, since it may be where the guest ends. Volatile too is what checked
 * accesses and globals write. Memory without guard pages is checked by comparison, at each access, against a length that
 * calls may change. */
#include <stddef.h>
#include <string.h>

#include "tiers/optimizer/helper/helper.h"

/* ---- Addresses -------------------------------------------------------------------------------------------------------- */

struct access {
  LLVMTypeRef type; /* what is in memory */
  uint32_t bytes;
};

static LLVMTypeRef integer_of(const struct batch *b, uint32_t bytes) {
  return LLVMIntTypeInContext(b->context, bytes * 8);
}

LLVMValueRef memory_load(struct batch *b, uint32_t index) {
  if (index == 0) return value_load_fixed(b, b->pointer, b->inst, offsetof(struct engine_instance, memory0));
  LLVMValueRef memories = value_load_fixed(b, b->pointer, b->inst, offsetof(struct engine_instance, memories));
  return value_load_fixed(b, b->pointer, memories, index * sizeof(struct engine_memory *));
}

static bool is_guarded(const struct batch *b, uint32_t memory) {
  return memory == 0 && !(b->job->flags & WIRE_EXPLICIT_BOUNDS);
}

LLVMValueRef memory_base(struct batch *b, uint32_t index) {
  LLVMValueRef memory = memory_load(b, index);
  uint64_t base = offsetof(struct engine_memory, base);
  return is_guarded(b, index) ? value_load_fixed(b, b->pointer, memory, base) : value_load(b, b->pointer, memory, base);
}

LLVMValueRef memory_at(struct batch *b, LLVMValueRef base, LLVMValueRef address) {
  return LLVMBuildGEP2(b->builder, b->i8, base, &address, 1, "");
}

/* The index with its offset, in 64 bits; traps when that overflows. */
static LLVMValueRef add_offset(struct batch *b, LLVMValueRef index, uint64_t offset, bool is_64) {
  LLVMTypeRef i64 = b->types[VALUE_I64];
  LLVMValueRef sum = LLVMBuildAdd(b->builder, index, LLVMConstInt(i64, offset, false), "");
  if (!is_64 || offset == 0) return sum;
  control_trap_if(b, LLVMBuildICmp(b->builder, LLVMIntULT, sum, index, ""),
                  control_trap_number(b, ENGINE_TRAP_MEMORY_BOUNDS));
  return sum;
}

/* at + bytes <= length, without overflow. Returns `at`. */
static LLVMValueRef check_bounds(struct batch *b, LLVMValueRef at, uint32_t bytes, LLVMValueRef memory) {
  LLVMTypeRef i64 = b->types[VALUE_I64];
  LLVMValueRef trap = control_trap_number(b, ENGINE_TRAP_MEMORY_BOUNDS), size = LLVMConstInt(i64, bytes, false);
  LLVMValueRef length = value_load(b, i64, memory, offsetof(struct engine_memory, len_bytes));
  control_trap_if(b, LLVMBuildICmp(b->builder, LLVMIntULT, length, size, ""), trap);
  LLVMValueRef last = LLVMBuildSub(b->builder, length, size, "");
  control_trap_if(b, LLVMBuildICmp(b->builder, LLVMIntUGT, at, last, ""), trap);
  return value_narrow(b, at, last);
}

LLVMValueRef memory_place(struct batch *b, const struct ir_insn *insn, uint32_t bytes) {
  uint32_t index = insn->c;
  bool is_64 = b->job->module->memories[index].limits.is_64, is_const = insn->flags & IR_A_CONST;
  LLVMValueRef address = is_const ? LLVMConstNull(b->types[VALUE_I64])
                         : is_64  ? value_read(b, insn->a, VALUE_I64)
                                  : value_convert(b, value_read(b, insn->a, VALUE_I32), VALUE_I64);
  LLVMValueRef at = add_offset(b, address, insn->imm, is_64);
  if (!is_guarded(b, index)) at = check_bounds(b, at, bytes, memory_load(b, index));
  if (is_guarded(b, index) && b->job->flags & WIRE_SEGMENT) return LLVMBuildIntToPtr(b->builder, at, b->segment, "");
  return memory_at(b, memory_base(b, index), at);
}

static bool goes_by_halves(const struct batch *b, LLVMTypeRef type) {
  return type == b->types[VALUE_V128] && !b->job->target->has_vectors;
}

LLVMValueRef memory_read(struct batch *b, LLVMValueRef place, LLVMTypeRef type) {
  LLVMTypeRef half = b->types[VALUE_I64];
  if (goes_by_halves(b, type)) {
    LLVMValueRef lower = memory_read(b, place, half);
    return value_join(b, lower, memory_read(b, value_field(b, place, 8), half));
  }
  LLVMValueRef value = LLVMBuildLoad2(b->builder, type, place, "");
  LLVMSetAlignment(value, 1);
  LLVMSetVolatile(value, true);
  return value;
}

/* The upper half first, so that what reaches over the end of memory writes nothing. */
void memory_write(struct batch *b, LLVMValueRef place, LLVMValueRef value) {
  if (goes_by_halves(b, LLVMTypeOf(value))) {
    memory_write(b, value_field(b, place, 8), value_half(b, value, 1));
    memory_write(b, place, value_half(b, value, 0));
    return;
  }
  LLVMValueRef store = LLVMBuildStore(b->builder, value, place);
  LLVMSetAlignment(store, 1);
  LLVMSetVolatile(store, true);
}

/* ---- Loads and stores --------------------------------------------------------------------------------------------------- */

static bool is_signed(const struct module_op_info *row) {
  size_t len = strlen(row->mnemonic);
  return len > 2 && strcmp(row->mnemonic + len - 2, "_s") == 0;
}

static void build_load(struct batch *b, const struct ir_insn *insn, const struct module_op_info *row) {
  uint32_t bytes = 1u << row->access_log2;
  enum value_type type = value_type_of(row->results[0]);
  LLVMValueRef place = memory_place(b, insn, bytes);
  if (type == VALUE_F32 || type == VALUE_F64) {
    value_write(b, insn->d, memory_read(b, place, b->types[type]));
    return;
  }
  LLVMValueRef value = memory_read(b, place, integer_of(b, bytes));
  if (bytes < (type == VALUE_I32 ? 4u : 8u))
    value = is_signed(row) ? LLVMBuildSExt(b->builder, value, b->types[type], "")
                           : LLVMBuildZExt(b->builder, value, b->types[type], "");
  value_write(b, insn->d, value);
}

static void build_store(struct batch *b, const struct ir_insn *insn, const struct module_op_info *row) {
  uint32_t bytes = 1u << row->access_log2;
  enum value_type type = value_type_of(row->params[1]);
  LLVMValueRef value = insn->flags & IR_B_CONST ? value_const(b, type, insn->konst) : value_read(b, insn->b, type);
  LLVMValueRef place = memory_place(b, insn, bytes);
  if ((type == VALUE_I32 && bytes < 4) || (type == VALUE_I64 && bytes < 8))
    value = LLVMBuildTrunc(b->builder, value, integer_of(b, bytes), "");
  memory_write(b, place, value);
}

static void build_vector_load(struct batch *b, const struct ir_insn *insn, const struct module_op_info *row) {
  uint32_t bytes = 1u << row->access_log2;
  LLVMValueRef place = memory_place(b, insn, bytes);
  LLVMValueRef value = memory_read(b, place, bytes == 16 ? b->types[VALUE_V128] : integer_of(b, bytes));
  value_write(b, insn->d, bytes == 16 ? value : numeric_call(b, insn->op, &value, 1));
}

/* ---- Globals --------------------------------------------------------------------------------------------------------------- */

static LLVMValueRef global_cell(struct batch *b, uint32_t global) {
  const struct module *module = b->job->module;
  if (global >= module->imported_global_count)
    return value_field(b, b->inst,
                       offsetof(struct engine_instance, own_globals) +
                           (uint64_t)(global - module->imported_global_count) * sizeof(struct engine_global));
  LLVMValueRef globals = value_load_fixed(b, b->pointer, b->inst, offsetof(struct engine_instance, globals));
  return value_load_fixed(b, b->pointer, globals,
                          global * sizeof(struct engine_global_ref) + offsetof(struct engine_global_ref, cell));
}

static enum value_type global_type(const struct batch *b, uint32_t global) {
  return value_type_of(b->job->module->globals[global].type.type);
}

static void build_global_get(struct batch *b, const struct ir_insn *insn) {
  LLVMValueRef cell = global_cell(b, (uint32_t)insn->imm);
  value_write(b, insn->d, value_load_slot(b, cell, 0, global_type(b, (uint32_t)insn->imm)));
}

static void build_global_set(struct batch *b, const struct ir_insn *insn) {
  enum value_type type = global_type(b, (uint32_t)insn->imm);
  LLVMValueRef value = insn->flags & IR_B_CONST ? value_const(b, type, insn->konst) : value_read(b, insn->b, type);
  value_store_slot(b, global_cell(b, (uint32_t)insn->imm), 0, value);
  LLVMSetVolatile(LLVMGetLastInstruction(LLVMGetInsertBlock(b->builder)), true);
}

bool memory_insn(struct batch *b, const struct ir_insn *insn) {
  if (insn->op == MODULE_OP_GLOBAL_GET) build_global_get(b, insn);
  if (insn->op == MODULE_OP_GLOBAL_SET) build_global_set(b, insn);
  if (insn->op == MODULE_OP_GLOBAL_GET || insn->op == MODULE_OP_GLOBAL_SET) return true;
  if (insn->op >= MODULE_OP_COUNT) return false;
  const struct module_op_info *row = &module_ops[insn->op];
  if (row->imm != MODULE_IMM_MEMARG || row->flags & MODULE_OP_ATOMIC) return false;
  if (row->flags & MODULE_OP_STORE)
    build_store(b, insn, row);
  else if (row->results[0] == MODULE_V128)
    build_vector_load(b, insn, row);
  else
    build_load(b, insn, row);
  return true;
}
