/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Numbers and vectors: an instruction of LLVM where there is one that means the same, else a call of the semantic function,
 * which is linked as bitcode and always inlined.
 *
 * The same means, for floats: no NaN that was signaling comes out of arithmetic as it went in. LLVM does not promise that; see
 * value_number. A demotion is hidden in a line of assembly, for one of a promotion would be left out. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <llvm-c/BitReader.h>
#include <llvm-c/Linker.h>

#include "tiers/optimizer/helper/helper.h"

/* ---- Semantic functions --------------------------------------------------------------------------------------------------- */

static void name_of(uint16_t op, char out[64]) {
  snprintf(out, 64, "op_%s", module_ops[op].mnemonic);
  for (char *at = out; *at; at++)
    if (*at == '.') *at = '_';
}

/* The type as which C passes what is of this one. */
static LLVMTypeRef passed_type(const struct batch *b, LLVMTypeRef type) {
  bool is_integer = type == b->types[VALUE_V128] && !b->job->target->has_vectors;
  return is_integer ? LLVMIntTypeInContext(b->context, 128) : type;
}

static LLVMTypeRef result_type(const struct batch *b, const struct module_op_info *row) {
  if (row->flags & MODULE_OP_TRAPS && row->imm != MODULE_IMM_MEMARG) return b->types[VALUE_I32];
  if (row->result_count == 1) return passed_type(b, b->types[value_type_of(row->results[0])]);
  if (b->job->target->pairs_are_arrays) return LLVMArrayType2(b->types[VALUE_I64], 2);
  LLVMTypeRef pair[] = {b->types[VALUE_I64], b->types[VALUE_I64]};
  return LLVMStructTypeInContext(b->context, pair, 2, false);
}

LLVMValueRef numeric_call(struct batch *b, uint16_t op, LLVMValueRef *arguments, unsigned count) {
  char name[64];
  LLVMTypeRef types[6];
  LLVMValueRef passed[6];
  name_of(op, name);
  for (unsigned i = 0; i < count; i++) {
    types[i] = passed_type(b, LLVMTypeOf(arguments[i]));
    passed[i] = LLVMBuildBitCast(b->builder, arguments[i], types[i], "");
  }
  LLVMTypeRef type = LLVMFunctionType(result_type(b, &module_ops[op]), types, count, false);
  LLVMValueRef function = LLVMGetNamedFunction(b->llvm, name);
  if (!function) function = LLVMAddFunction(b->llvm, name, type);
  b->has_meanings = true;
  LLVMValueRef result = LLVMBuildCall2(b->builder, type, function, passed, count, "");
  bool is_vector = passed_type(b, b->types[VALUE_V128]) == LLVMTypeOf(result);
  return is_vector ? LLVMBuildBitCast(b->builder, result, b->types[VALUE_V128], "") : result;
}

static LLVMMemoryBufferRef semantics_of(const struct target *target) {
  return LLVMCreateMemoryBufferWithMemoryRange((const char *)target->semantics, target->semantics_bytes, "semantics",
                                               false);
}

/* Of linkage that lets the linker leave out what is not called; bodies are read when they are linked. */
bool numeric_link(struct batch *b) {
  if (!b->has_meanings) return true;
  LLVMModuleRef source;
  if (LLVMGetBitcodeModuleInContext2(b->context, semantics_of(b->job->target), &source)) return false;
  LLVMSetModuleDataLayout(source, LLVMGetModuleDataLayout(b->llvm));
  LLVMSetTarget(source, b->job->triple);
  for (LLVMValueRef at = LLVMGetFirstFunction(source); at; at = LLVMGetNextFunction(at))
    if (!LLVMIsDeclaration(at)) LLVMSetLinkage(at, LLVMLinkOnceODRLinkage);
  return !LLVMLinkModules2(b->llvm, source);
}

/* ---- Direct forms ----------------------------------------------------------------------------------------------------------- */

enum form_kind {
  FORM_NONE,
  FORM_BINARY,
  FORM_SHIFT,
  FORM_COMPARE,
  FORM_COMPARE_FLOAT,
  FORM_CAST,
  FORM_DEMOTE,
  FORM_ROTATE,
  FORM_ROUND
};
struct form {
  uint8_t kind;
  uint8_t code; /* an opcode or predicate of LLVM */
  const char *intrinsic;
};

#define INTEGERS(I)                                                                                         \
  [MODULE_OP_##I##_ADD] = {FORM_BINARY, LLVMAdd}, [MODULE_OP_##I##_SUB] = {FORM_BINARY, LLVMSub},           \
  [MODULE_OP_##I##_MUL] = {FORM_BINARY, LLVMMul}, [MODULE_OP_##I##_AND] = {FORM_BINARY, LLVMAnd},           \
  [MODULE_OP_##I##_OR] = {FORM_BINARY, LLVMOr}, [MODULE_OP_##I##_XOR] = {FORM_BINARY, LLVMXor},             \
  [MODULE_OP_##I##_SHL] = {FORM_SHIFT, LLVMShl}, [MODULE_OP_##I##_SHR_S] = {FORM_SHIFT, LLVMAShr},          \
  [MODULE_OP_##I##_SHR_U] = {FORM_SHIFT, LLVMLShr}, [MODULE_OP_##I##_ROTL] = {FORM_ROTATE, 0, "llvm.fshl"}, \
  [MODULE_OP_##I##_ROTR] = {FORM_ROTATE, 0, "llvm.fshr"}, [MODULE_OP_##I##_EQ] = {FORM_COMPARE, LLVMIntEQ}, \
  [MODULE_OP_##I##_NE] = {FORM_COMPARE, LLVMIntNE}, [MODULE_OP_##I##_LT_S] = {FORM_COMPARE, LLVMIntSLT},    \
  [MODULE_OP_##I##_LT_U] = {FORM_COMPARE, LLVMIntULT}, [MODULE_OP_##I##_GT_S] = {FORM_COMPARE, LLVMIntSGT}, \
  [MODULE_OP_##I##_GT_U] = {FORM_COMPARE, LLVMIntUGT}, [MODULE_OP_##I##_LE_S] = {FORM_COMPARE, LLVMIntSLE}, \
  [MODULE_OP_##I##_LE_U] = {FORM_COMPARE, LLVMIntULE}, [MODULE_OP_##I##_GE_S] = {FORM_COMPARE, LLVMIntSGE}, \
  [MODULE_OP_##I##_GE_U] = {FORM_COMPARE, LLVMIntUGE}
#define FLOATS(F)                                                                                                     \
  [MODULE_OP_##F##_ADD] = {FORM_BINARY, LLVMFAdd}, [MODULE_OP_##F##_SUB] = {FORM_BINARY, LLVMFSub},                   \
  [MODULE_OP_##F##_MUL] = {FORM_BINARY, LLVMFMul}, [MODULE_OP_##F##_DIV] = {FORM_BINARY, LLVMFDiv},                   \
  [MODULE_OP_##F##_EQ] = {FORM_COMPARE_FLOAT, LLVMRealOEQ}, [MODULE_OP_##F##_NE] = {FORM_COMPARE_FLOAT, LLVMRealUNE}, \
  [MODULE_OP_##F##_LT] = {FORM_COMPARE_FLOAT, LLVMRealOLT}, [MODULE_OP_##F##_GT] = {FORM_COMPARE_FLOAT, LLVMRealOGT}, \
  [MODULE_OP_##F##_LE] = {FORM_COMPARE_FLOAT, LLVMRealOLE}, [MODULE_OP_##F##_GE] = {FORM_COMPARE_FLOAT, LLVMRealOGE}, \
  [MODULE_OP_##F##_CEIL] = {FORM_ROUND, 0, "llvm.ceil"}, [MODULE_OP_##F##_FLOOR] = {FORM_ROUND, 0, "llvm.floor"},     \
  [MODULE_OP_##F##_TRUNC] = {FORM_ROUND, 0, "llvm.trunc"},                                                            \
  [MODULE_OP_##F##_NEAREST] = {FORM_ROUND, 0, "llvm.roundeven"}

static const struct form forms[MODULE_OP_COUNT] = {
    INTEGERS(I32),
    INTEGERS(I64),
    FLOATS(F32),
    FLOATS(F64),
    [MODULE_OP_I32_WRAP_I64] = {FORM_CAST, LLVMTrunc},
    [MODULE_OP_I64_EXTEND_I32_S] = {FORM_CAST, LLVMSExt},
    [MODULE_OP_F64_PROMOTE_F32] = {FORM_CAST, LLVMFPExt},
    [MODULE_OP_F32_DEMOTE_F64] = {FORM_DEMOTE},
    [MODULE_OP_F32_REINTERPRET_I32] = {FORM_CAST, LLVMBitCast},
    [MODULE_OP_I32_REINTERPRET_F32] = {FORM_CAST, LLVMBitCast},
    [MODULE_OP_F64_REINTERPRET_I64] = {FORM_CAST, LLVMBitCast},
    [MODULE_OP_I64_REINTERPRET_F64] = {FORM_CAST, LLVMBitCast},
    [MODULE_OP_F32_CONVERT_I32_S] = {FORM_CAST, LLVMSIToFP},
    [MODULE_OP_F32_CONVERT_I64_S] = {FORM_CAST, LLVMSIToFP},
    [MODULE_OP_F64_CONVERT_I32_S] = {FORM_CAST, LLVMSIToFP},
    [MODULE_OP_F64_CONVERT_I64_S] = {FORM_CAST, LLVMSIToFP},
    [MODULE_OP_F32_CONVERT_I32_U] = {FORM_CAST, LLVMUIToFP},
    [MODULE_OP_F32_CONVERT_I64_U] = {FORM_CAST, LLVMUIToFP},
    [MODULE_OP_F64_CONVERT_I32_U] = {FORM_CAST, LLVMUIToFP},
    [MODULE_OP_F64_CONVERT_I64_U] = {FORM_CAST, LLVMUIToFP},
};

static LLVMValueRef call_intrinsic(struct batch *b, const char *name, LLVMValueRef *arguments, unsigned count) {
  LLVMTypeRef type = LLVMTypeOf(arguments[0]);
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  LLVMValueRef function = LLVMGetIntrinsicDeclaration(b->llvm, id, &type, 1);
  return LLVMBuildCall2(b->builder, LLVMIntrinsicGetType(b->context, id, &type, 1), function, arguments, count, "");
}

static LLVMValueRef build_demotion(struct batch *b, LLVMValueRef value) {
  const struct target *target = b->job->target;
  char constraints[] = {'=', target->float_register, ',', target->float_register};
  LLVMTypeRef type = LLVMFunctionType(b->types[VALUE_F32], &b->types[VALUE_F64], 1, false);
  LLVMValueRef line = LLVMGetInlineAsm(type, (char *)(uintptr_t)target->demotion, strlen(target->demotion), constraints,
                                       sizeof constraints, false, false, LLVMInlineAsmDialectATT, false);
  return LLVMBuildCall2(b->builder, type, line, &value, 1, "");
}

/* Of a comparison: 0 or 1. */
static LLVMValueRef truth(struct batch *b, LLVMValueRef value) {
  return LLVMBuildZExt(b->builder, value, b->types[VALUE_I32], "");
}

static LLVMValueRef build_form(struct batch *b, const struct form *form, uint16_t op, LLVMValueRef *v) {
  LLVMTypeRef type = LLVMTypeOf(v[0]);
  switch ((enum form_kind)form->kind) {
  case FORM_BINARY: return LLVMBuildBinOp(b->builder, form->code, v[0], v[1], "");
  case FORM_SHIFT: {
    LLVMValueRef mask = LLVMConstInt(type, LLVMGetIntTypeWidth(type) - 1, false);
    return LLVMBuildBinOp(b->builder, form->code, v[0], LLVMBuildAnd(b->builder, v[1], mask, ""), "");
  }
  case FORM_COMPARE: return truth(b, LLVMBuildICmp(b->builder, form->code, v[0], v[1], ""));
  case FORM_COMPARE_FLOAT: return truth(b, LLVMBuildFCmp(b->builder, form->code, v[0], v[1], ""));
  case FORM_CAST:
    return LLVMBuildCast(b->builder, form->code, v[0], b->types[value_type_of(module_ops[op].results[0])], "");
  case FORM_DEMOTE: return build_demotion(b, v[0]);
  case FORM_ROTATE: return call_intrinsic(b, form->intrinsic, (LLVMValueRef[]){v[0], v[0], v[1]}, 3);
  case FORM_ROUND: return call_intrinsic(b, form->intrinsic, v, 1);
  case FORM_NONE: break;
  }
  assert(!"no form");
  return v[0];
}

/* ---- Vectors ------------------------------------------------------------------------------------------------------------------ */

static LLVMValueRef lanes_const(const struct batch *b, const struct ir_insn *insn) {
  LLVMValueRef halves[] = {value_const(b, VALUE_I64, insn->imm), value_const(b, VALUE_I64, insn->konst)};
  return LLVMConstVector(halves, 2);
}

static void build_shuffle(struct batch *b, const struct ir_insn *insn) {
  LLVMTypeRef bytes = LLVMVectorType(b->i8, 16);
  LLVMValueRef lanes[16];
  for (unsigned i = 0; i < 16; i++)
    lanes[i] = LLVMConstInt(b->types[VALUE_I32], (i < 8 ? insn->imm >> 8 * i : insn->konst >> 8 * (i - 8)) & 31, false);
  LLVMValueRef one = LLVMBuildBitCast(b->builder, value_read(b, insn->a, VALUE_V128), bytes, "");
  LLVMValueRef other = LLVMBuildBitCast(b->builder, value_read(b, insn->b, VALUE_V128), bytes, "");
  LLVMValueRef result = LLVMBuildShuffleVector(b->builder, one, other, LLVMConstVector(lanes, 16), "");
  value_write(b, insn->d, LLVMBuildBitCast(b->builder, result, b->types[VALUE_V128], ""));
}

/* ---- Instructions ------------------------------------------------------------------------------------------------------------- */

static LLVMValueRef read_b(struct batch *b, const struct ir_insn *insn, enum value_type type) {
  bool is_arithmetic = forms[insn->op].kind != FORM_COMPARE_FLOAT;
  if (!(insn->flags & IR_B_CONST)) return value_read(b, insn->b, type);
  return is_arithmetic ? value_number(b, type, insn->konst) : value_const(b, type, insn->konst);
}

static unsigned read_operands(struct batch *b, const struct ir_insn *insn, const struct module_op_info *row,
                              LLVMValueRef out[4]) {
  const uint32_t slots[] = {insn->a, insn->b, insn->c, (uint32_t)insn->imm};
  for (unsigned i = 0; i < row->param_count; i++) {
    enum value_type type = value_type_of(row->params[i]);
    out[i] = i == 1 ? read_b(b, insn, type) : value_read(b, slots[i], type);
    bool is_float = row->flags & (MODULE_OP_NAN32 | MODULE_OP_NAN64);
    if (is_float && type == VALUE_V128 && LLVMIsConstant(out[i])) out[i] = value_hand_on(b, out[i]);
  }
  return row->param_count;
}

/* The function's result says whether there is a trap, the number is in memory. */
static void build_trapping(struct batch *b, const struct ir_insn *insn, LLVMValueRef *operands, unsigned count) {
  LLVMTypeRef type = b->types[value_type_of(module_ops[insn->op].results[0])];
  LLVMValueRef out = LLVMBuildAlloca(b->entry_builder, type, "");
  operands[count] = out;
  LLVMValueRef trap = numeric_call(b, insn->op, operands, count + 1);
  control_trap_if(b, LLVMBuildIsNotNull(b->builder, trap, ""), trap);
  value_write(b, insn->d, LLVMBuildLoad2(b->builder, type, out, ""));
}

static void build_meaning(struct batch *b, const struct ir_insn *insn, const struct module_op_info *row) {
  LLVMValueRef operands[6];
  unsigned count = read_operands(b, insn, row, operands);
  if (row->imm == MODULE_IMM_LANE) operands[count++] = value_const(b, VALUE_I32, insn->imm);
  if (row->flags & MODULE_OP_TRAPS) {
    build_trapping(b, insn, operands, count);
    return;
  }
  LLVMValueRef result = numeric_call(b, insn->op, operands, count);
  if (row->result_count == 1) {
    value_write(b, insn->d, result);
    return;
  }
  for (unsigned i = 0; i < 2; i++) value_write(b, insn->d + i, LLVMBuildExtractValue(b->builder, result, i, ""));
}

static bool has_meaning(const struct batch *b, uint16_t op) {
  char name[64];
  name_of(op, name);
  return LLVMGetNamedFunction(b->job->meanings, name) != NULL;
}

bool numeric_insn(struct batch *b, const struct ir_insn *insn) {
  if (insn->op >= MODULE_OP_COUNT) return false;
  const struct module_op_info *row = &module_ops[insn->op];
  const struct form *form = &forms[insn->op];
  if (insn->op == MODULE_OP_V128_CONST) {
    value_write(b, insn->d, lanes_const(b, insn));
  } else if (insn->op == MODULE_OP_I8X16_SHUFFLE) {
    build_shuffle(b, insn);
  } else if (form->kind != FORM_NONE && (form->kind != FORM_ROUND || b->job->rounds)) {
    LLVMValueRef operands[4];
    read_operands(b, insn, row, operands);
    value_write(b, insn->d, build_form(b, form, insn->op, operands));
  } else if (row->result_count > 0 && !(row->flags & MODULE_OP_ATOMIC) && row->imm != MODULE_IMM_MEMARG &&
             has_meaning(b, insn->op)) {
    build_meaning(b, insn, row);
  } else {
    return false;
  }
  return true;
}

/* ---- Names --------------------------------------------------------------------------------------------------------------------- */

bool numeric_prepare(struct job *job, LLVMContextRef context) {
  return !LLVMGetBitcodeModuleInContext2(context, semantics_of(job->target), &job->meanings);
}
