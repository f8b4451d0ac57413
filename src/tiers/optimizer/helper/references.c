/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* References: fields, elements and casts in line; what allocates or copies by the helper that the baseline calls, too.
 *
 * An object is where its reference says, never moves and is the store's alone; so behind the check for null its fields are
 * memory like any other, read plainly. Writes are volatile like those of globals: what a guest has done before it traps can
 * be seen afterwards. A type is a pointer, so a type without subtypes takes one comparison, and any other the row of
 * supertypes that each type has. */
#include <stddef.h>

#include "tiers/fields.h"
#include "tiers/optimizer/helper/helper.h"

static LLVMValueRef number(const struct batch *b, uint64_t value) {
  return LLVMConstInt(b->types[VALUE_I64], value, false);
}

static void check_not_null(struct batch *b, LLVMValueRef reference) {
  LLVMValueRef is_null = LLVMBuildICmp(b->builder, LLVMIntEQ, reference, number(b, 0), "");
  control_trap_if(b, is_null, control_trap_number(b, ENGINE_TRAP_NULL_REFERENCE));
}

static LLVMValueRef pointer_of(struct batch *b, LLVMValueRef reference) {
  return LLVMBuildIntToPtr(b->builder, reference, b->pointer, "");
}

/* The object that slot `slot` refers to; not null. */
static LLVMValueRef object_in(struct batch *b, uint32_t slot) {
  LLVMValueRef reference = value_read(b, slot, VALUE_I64);
  check_not_null(b, reference);
  return pointer_of(b, reference);
}

/* ---- Fields and elements ---------------------------------------------------------------------------------------------- */

static bool is_packed(module_type type) { return type == MODULE_I8 || type == MODULE_I16; }

/* Of a value of the storage type in a slot, and in an object. */
static enum value_type slot_type(module_type type) { return is_packed(type) ? VALUE_I32 : value_type_of(type); }

static LLVMTypeRef memory_type(const struct batch *b, module_type type) {
  return type == MODULE_I8 ? b->i8 : type == MODULE_I16 ? b->i16 : b->types[value_type_of(type)];
}

static LLVMValueRef load_field(struct batch *b, LLVMValueRef place, module_type type, bool is_signed) {
  LLVMValueRef value = LLVMBuildLoad2(b->builder, memory_type(b, type), place, "");
  LLVMSetAlignment(value, 1);
  if (!is_packed(type)) return value;
  LLVMTypeRef i32 = b->types[VALUE_I32];
  return is_signed ? LLVMBuildSExt(b->builder, value, i32, "") : LLVMBuildZExt(b->builder, value, i32, "");
}

static void store_field(struct batch *b, LLVMValueRef place, module_type type, uint32_t slot) {
  LLVMValueRef value = value_read(b, slot, slot_type(type));
  if (is_packed(type)) value = LLVMBuildTrunc(b->builder, value, memory_type(b, type), "");
  LLVMValueRef store = LLVMBuildStore(b->builder, value, place);
  LLVMSetAlignment(store, 1);
  LLVMSetVolatile(store, true);
}

static LLVMValueRef field_place(struct batch *b, const struct ir_insn *insn) {
  return value_field(b, object_in(b, insn->a), fields_field(b->job->module, insn)->offset);
}

static void build_struct_get(struct batch *b, const struct ir_insn *insn) {
  module_type type = fields_field(b->job->module, insn)->type;
  value_write(b, insn->d, load_field(b, field_place(b, insn), type, insn->op == MODULE_OP_STRUCT_GET_S));
}

static void build_struct_set(struct batch *b, const struct ir_insn *insn) {
  store_field(b, field_place(b, insn), fields_field(b->job->module, insn)->type, insn->b);
}

static LLVMValueRef load_length(struct batch *b, LLVMValueRef array) {
  return value_load(b, b->types[VALUE_I32], array, offsetof(struct engine_array, length));
}

static LLVMValueRef element_place(struct batch *b, const struct ir_insn *insn) {
  const struct module_field *element = fields_element(b->job->module, insn);
  LLVMValueRef array = object_in(b, insn->a), index = value_read(b, insn->b, VALUE_I32);
  LLVMValueRef is_outside = LLVMBuildICmp(b->builder, LLVMIntUGE, index, load_length(b, array), "");
  control_trap_if(b, is_outside, control_trap_number(b, ENGINE_TRAP_ARRAY_BOUNDS));
  LLVMValueRef at = value_convert(b, index, VALUE_I64), first = value_field(b, array, element->offset);
  return LLVMBuildGEP2(b->builder, memory_type(b, element->type), first, &at, 1, "");
}

static void build_array_get(struct batch *b, const struct ir_insn *insn) {
  module_type type = fields_element(b->job->module, insn)->type;
  value_write(b, insn->d, load_field(b, element_place(b, insn), type, insn->op == MODULE_OP_ARRAY_GET_S));
}

static void build_array_set(struct batch *b, const struct ir_insn *insn) {
  store_field(b, element_place(b, insn), fields_element(b->job->module, insn)->type, insn->c);
}

/* ---- i31 ------------------------------------------------------------------------------------------------------------------ */

static void build_ref_i31(struct batch *b, const struct ir_insn *insn) {
  LLVMValueRef one = LLVMConstInt(b->types[VALUE_I32], 1, false);
  LLVMValueRef value = LLVMBuildShl(b->builder, value_read(b, insn->a, VALUE_I32), one, "");
  value_write(b, insn->d, value_convert(b, LLVMBuildOr(b->builder, value, one, ""), VALUE_I64));
}

static void build_i31_get(struct batch *b, const struct ir_insn *insn) {
  LLVMValueRef reference = value_read(b, insn->a, VALUE_I64);
  check_not_null(b, reference);
  LLVMValueRef value = value_convert(b, reference, VALUE_I32), one = LLVMConstInt(b->types[VALUE_I32], 1, false);
  value_write(b, insn->d,
              insn->op == MODULE_OP_I31_GET_S ? LLVMBuildAShr(b->builder, value, one, "")
                                              : LLVMBuildLShr(b->builder, value, one, ""));
}

/* ---- Tests and casts -------------------------------------------------------------------------------------------------------- */

/* As engine_ref_matches, in blocks of which each but the last knows the answer or goes to the next. */
struct test {
  LLVMBasicBlockRef yes, no;
};

/* Goes on where `condition` holds, else to `otherwise`. */
static void require(struct batch *b, LLVMValueRef condition, LLVMBasicBlockRef otherwise) {
  LLVMBasicBlockRef next = control_block(b);
  LLVMBuildCondBr(b->builder, condition, next, otherwise);
  LLVMPositionBuilderAtEnd(b->builder, next);
}

static LLVMValueRef has_bits(struct batch *b, LLVMValueRef reference, uint64_t mask, uint64_t bits) {
  LLVMValueRef masked = LLVMBuildAnd(b->builder, reference, number(b, mask), "");
  return LLVMBuildICmp(b->builder, LLVMIntEQ, masked, number(b, bits), "");
}

static LLVMValueRef load_type(struct batch *b, LLVMValueRef reference) {
  return value_load(b, b->pointer, pointer_of(b, reference), offsetof(struct engine_object, type));
}

static LLVMValueRef is_of_kind(struct batch *b, LLVMValueRef type, enum engine_type_kind kind) {
  LLVMValueRef own = value_load_fixed(b, b->i8, type, offsetof(struct engine_type, kind));
  return LLVMBuildICmp(b->builder, LLVMIntEQ, own, LLVMConstInt(b->i8, kind, false), "");
}

/* Of an object's type: a module's type is at the same depth as the engine's. */
static void test_defined(struct batch *b, LLVMValueRef own, uint32_t index, const struct test *test) {
  const struct module_def_type *def = &b->job->module->types[index];
  LLVMValueRef types = value_load_fixed(b, b->pointer, b->inst, offsetof(struct engine_instance, types));
  LLVMValueRef wanted = value_load_fixed(b, b->pointer, types, index * sizeof(struct engine_type *));
  LLVMValueRef is_same = LLVMBuildICmp(b->builder, LLVMIntEQ, own, wanted, "");
  if (!def->is_final) {
    LLVMBasicBlockRef differs = control_block(b);
    LLVMBuildCondBr(b->builder, is_same, test->yes, differs);
    LLVMPositionBuilderAtEnd(b->builder, differs);
    LLVMValueRef depth = value_load_fixed(b, b->types[VALUE_I32], own, offsetof(struct engine_type, depth));
    LLVMValueRef least = LLVMConstInt(b->types[VALUE_I32], def->depth, false);
    require(b, LLVMBuildICmp(b->builder, LLVMIntUGE, depth, least, ""), test->no);
    LLVMValueRef supers = value_load_fixed(b, b->pointer, own, offsetof(struct engine_type, supers));
    LLVMValueRef super = value_load_fixed(b, b->pointer, supers, def->depth * sizeof(struct engine_type *));
    is_same = LLVMBuildICmp(b->builder, LLVMIntEQ, super, wanted, "");
  }
  LLVMBuildCondBr(b->builder, is_same, test->yes, test->no);
}

/* Of a reference that is not null. */
static void test_heap(struct batch *b, LLVMValueRef reference, module_type heap, const struct test *test) {
  enum { I31_BIT = 1, HOST_BITS = 2, TAG_BITS = 3 };
  if (heap == MODULE_HEAP_ANY || heap == MODULE_HEAP_EXTERN) {
    LLVMBuildBr(b->builder, test->yes);
  } else if (heap == MODULE_HEAP_I31) {
    LLVMBuildCondBr(b->builder, has_bits(b, reference, I31_BIT, I31_BIT), test->yes, test->no);
  } else if (heap == MODULE_HEAP_EQ) {
    LLVMBuildCondBr(b->builder, has_bits(b, reference, TAG_BITS, HOST_BITS), test->no, test->yes);
  } else {
    require(b, has_bits(b, reference, TAG_BITS, 0), test->no);
    LLVMValueRef type = load_type(b, reference);
    if (heap == MODULE_HEAP_STRUCT || heap == MODULE_HEAP_ARRAY)
      LLVMBuildCondBr(b->builder,
                      is_of_kind(b, type, heap == MODULE_HEAP_STRUCT ? ENGINE_TYPE_STRUCT : ENGINE_TYPE_ARRAY),
                      test->yes, test->no);
    else
      test_defined(b, type, heap, test);
  }
}

/* Functions, and types without values. */
static bool is_tested_by_helper(const struct batch *b, module_type heap) {
  if (!(heap & MODULE_HEAP_ABSTRACT)) return b->job->module->types[heap].kind == MODULE_DEF_FUNC;
  switch (heap) {
  case MODULE_HEAP_ANY:
  case MODULE_HEAP_EXTERN:
  case MODULE_HEAP_EQ:
  case MODULE_HEAP_I31:
  case MODULE_HEAP_STRUCT:
  case MODULE_HEAP_ARRAY: return false;
  default: return true;
  }
}

static void test_reference(struct batch *b, const struct ir_insn *insn, const struct test *test) {
  module_type type = (module_type)insn->imm;
  LLVMBasicBlockRef is_not_null = control_block(b);
  LLVMValueRef reference = value_read(b, insn->a, VALUE_I64);
  LLVMValueRef is_null = LLVMBuildICmp(b->builder, LLVMIntEQ, reference, number(b, 0), "");
  LLVMBuildCondBr(b->builder, is_null, type & MODULE_REF_NULL ? test->yes : test->no, is_not_null);
  LLVMPositionBuilderAtEnd(b->builder, is_not_null);
  test_heap(b, reference, type & MODULE_HEAP_MASK, test);
}

static void build_ref_test(struct batch *b, const struct ir_insn *insn) {
  LLVMBasicBlockRef end = control_block(b);
  struct test test = {control_block(b), control_block(b)};
  test_reference(b, insn, &test);
  LLVMBasicBlockRef ways[] = {test.yes, test.no};
  for (int i = 0; i < 2; i++) {
    LLVMPositionBuilderAtEnd(b->builder, ways[i]);
    LLVMBuildBr(b->builder, end);
  }
  LLVMPositionBuilderAtEnd(b->builder, end);
  LLVMValueRef answers[] = {value_const(b, VALUE_I32, 1), value_const(b, VALUE_I32, 0)};
  LLVMValueRef phi = LLVMBuildPhi(b->builder, b->types[VALUE_I32], "");
  LLVMAddIncoming(phi, answers, ways, 2);
  value_write(b, insn->d, phi);
}

static void build_ref_cast(struct batch *b, const struct ir_insn *insn) {
  struct test test = {control_block(b), control_block(b)};
  test_reference(b, insn, &test);
  LLVMPositionBuilderAtEnd(b->builder, test.no);
  control_trap(b, control_trap_number(b, ENGINE_TRAP_CAST));
  LLVMPositionBuilderAtEnd(b->builder, test.yes);
}

/* ---- By a helper ------------------------------------------------------------------------------------------------------------ */

/* Brings operands to the frame, each where it is. */
static void settle_values(struct batch *b, uint32_t *slot, module_type type, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    root_settle(b, *slot, value_read(b, *slot, slot_type(type)));
    *slot += module_type_slots(type);
  }
}

static void settle_fields(struct batch *b, uint32_t slot, const struct module_def_type *def) {
  for (uint32_t i = 0; i < def->field_count; i++) settle_values(b, &slot, def->fields[i].type, 1);
}

/* Of an instruction that names one first. */
static const struct module_def_type *type_named(const struct batch *b, const struct ir_insn *insn) {
  return &b->job->module->types[(uint32_t)insn->imm];
}

/* Integers and references are all the same here: 64 bits. False: it is none of these. */
static bool settle_operands(struct batch *b, const struct ir_insn *insn) {
  uint32_t slot = insn->a;
  switch (insn->op) {
  case MODULE_OP_STRUCT_NEW: settle_fields(b, slot, type_named(b, insn)); return true;
  case MODULE_OP_STRUCT_NEW_DEFAULT: return true;
  case MODULE_OP_ARRAY_NEW:
    settle_values(b, &slot, type_named(b, insn)->fields->type, 1);
    settle_values(b, &slot, MODULE_I64, 1);
    return true;
  case MODULE_OP_ARRAY_NEW_FIXED:
    settle_values(b, &slot, type_named(b, insn)->fields->type, (uint32_t)(insn->imm >> 32));
    return true;
  case MODULE_OP_ARRAY_FILL:
    settle_values(b, &slot, MODULE_I64, 2);
    settle_values(b, &slot, type_named(b, insn)->fields->type, 1);
    settle_values(b, &slot, MODULE_I64, 1);
    return true;
  case MODULE_OP_ARRAY_NEW_DEFAULT:
  case MODULE_OP_REF_TEST:
  case MODULE_OP_REF_CAST: settle_values(b, &slot, MODULE_I64, 1); return true;
  case MODULE_OP_ARRAY_NEW_DATA:
  case MODULE_OP_ARRAY_NEW_ELEM: settle_values(b, &slot, MODULE_I64, 2); return true;
  case MODULE_OP_ARRAY_INIT_DATA:
  case MODULE_OP_ARRAY_INIT_ELEM: settle_values(b, &slot, MODULE_I64, 4); return true;
  case MODULE_OP_ARRAY_COPY: settle_values(b, &slot, MODULE_I64, 5); return true;
  default: return false;
  }
}

static bool build_by_helper(struct batch *b, const struct ir_insn *insn) {
  return settle_operands(b, insn) && call_helper(b, insn);
}

/* The helper does not come back, unless what it throws lands here. */
static bool build_throw(struct batch *b, const struct ir_insn *insn) {
  const struct module *module = b->job->module;
  uint32_t slot = insn->a;
  if (insn->op == MODULE_OP_THROW_REF) settle_values(b, &slot, MODULE_EXNREF, 1);
  const struct module_func_type *type =
      insn->op == MODULE_OP_THROW ? &module->types[module->tags[insn->imm].type].func : NULL;
  for (uint32_t i = 0; type && i < type->param_count; i++) settle_values(b, &slot, type->params[i], 1);
  bool done = call_helper(b, insn);
  control_stop(b);
  return done;
}

bool references_insn(struct batch *b, const struct ir_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_STRUCT_GET:
  case MODULE_OP_STRUCT_GET_S:
  case MODULE_OP_STRUCT_GET_U: build_struct_get(b, insn); return true;
  case MODULE_OP_STRUCT_SET: build_struct_set(b, insn); return true;
  case MODULE_OP_ARRAY_GET:
  case MODULE_OP_ARRAY_GET_S:
  case MODULE_OP_ARRAY_GET_U: build_array_get(b, insn); return true;
  case MODULE_OP_ARRAY_SET: build_array_set(b, insn); return true;
  case MODULE_OP_ARRAY_LEN: value_write(b, insn->d, load_length(b, object_in(b, insn->a))); return true;
  case MODULE_OP_REF_I31: build_ref_i31(b, insn); return true;
  case MODULE_OP_I31_GET_S:
  case MODULE_OP_I31_GET_U: build_i31_get(b, insn); return true;
  case MODULE_OP_REF_AS_NON_NULL: check_not_null(b, value_read(b, insn->a, VALUE_I64)); return true;
  case MODULE_OP_REF_TEST:
  case MODULE_OP_REF_CAST:
    if (is_tested_by_helper(b, (module_type)insn->imm & MODULE_HEAP_MASK)) return build_by_helper(b, insn);
    if (insn->op == MODULE_OP_REF_TEST)
      build_ref_test(b, insn);
    else
      build_ref_cast(b, insn);
    return true;
  case MODULE_OP_THROW:
  case MODULE_OP_THROW_REF: return build_throw(b, insn);
  default: return insn->op < MODULE_OP_COUNT && build_by_helper(b, insn);
  }
}
