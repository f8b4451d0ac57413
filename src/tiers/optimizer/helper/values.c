/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Slots of register code as values of LLVM.
 *
 * A local has memory of its type, from which LLVM makes values (mem2reg). A temporary is written once before it is read, and
 * nearly always in the same run of code without labels, so its value is kept here; only what still lives at a branch goes to
 * memory, of its class: integers as 64 bits, as in a frame. An i32 is extended and cut only where its reader is of the other
 * width. */
#include "tiers/optimizer/helper/helper.h"

#include <assert.h>
#include <stdio.h>

enum value_type value_type_of(module_type type) {
  switch (type) {
  case MODULE_I32: return VALUE_I32;
  case MODULE_F32: return VALUE_F32;
  case MODULE_F64: return VALUE_F64;
  case MODULE_V128: return VALUE_V128;
  default: return VALUE_I64;
  }
}

static enum value_type type_of_class(enum ir_class cls) {
  static const uint8_t types[] = {
      [IR_CLASS_INT] = VALUE_I64, [IR_CLASS_F32] = VALUE_F32, [IR_CLASS_F64] = VALUE_F64, [IR_CLASS_V128] = VALUE_V128};
  return types[cls];
}

static enum value_type type_of_value(const struct batch *b, LLVMValueRef value) {
  LLVMTypeRef type = LLVMTypeOf(value);
  for (unsigned i = 0; i < VALUE_TYPES; i++)
    if (b->types[i] == type) return i;
  assert(!"a value of no type of the guest's");
  return VALUE_I64;
}

static enum ir_class class_of_value(const struct batch *b, LLVMValueRef value) {
  static const uint8_t classes[] = {[VALUE_I32] = IR_CLASS_INT,
                                    [VALUE_I64] = IR_CLASS_INT,
                                    [VALUE_F32] = IR_CLASS_F32,
                                    [VALUE_F64] = IR_CLASS_F64,
                                    [VALUE_V128] = IR_CLASS_V128};
  return classes[type_of_value(b, value)];
}

static bool makes_tail_calls(const struct batch *b) {
  return b->job->module->features_used & MODULE_FEATURE_BIT(TAIL_CALL);
}

bool values_are_in_frames(const struct batch *b) { return makes_tail_calls(b) && !b->job->target->tail_calls; }

LLVMTypeRef value_function_type(const struct batch *b, const struct module_func_type *type) {
  LLVMTypeRef params[MOST_ARGUMENTS];
  assert(type->param_count <= MOST_PARAMS);
  params[0] = params[1] = params[2] = b->pointer;
  LLVMTypeRef result = type->result_count == 1 ? b->types[value_type_of(type->results[0])] : b->void_type;
  if (values_are_in_frames(b)) return LLVMFunctionType(result, params, 3, false);
  for (uint32_t i = 0; i < type->param_count; i++) params[2 + i] = b->types[value_type_of(type->params[i])];
  return LLVMFunctionType(result, params, 2 + type->param_count, false);
}

void value_set_convention(const struct batch *b, LLVMValueRef function_or_call) {
  enum { TAIL_CONVENTION = 18 };
  if (!makes_tail_calls(b) || values_are_in_frames(b)) return;
  if (LLVMIsAFunction(function_or_call))
    LLVMSetFunctionCallConv(function_or_call, TAIL_CONVENTION);
  else
    LLVMSetInstructionCallConv(function_or_call, TAIL_CONVENTION);
}

static unsigned pinned_kind(void) {
  static const char name[] = "swiftself";
  return LLVMGetEnumAttributeKindForName(name, sizeof name - 1);
}

bool value_is_pinned(LLVMValueRef call) { return LLVMGetCallSiteEnumAttribute(call, 1, pinned_kind()) != NULL; }

void value_pin_instance(const struct batch *b, LLVMValueRef function_or_call) {
  LLVMAttributeRef attribute = LLVMCreateEnumAttribute(b->context, pinned_kind(), 0);
  if (LLVMIsAFunction(function_or_call))
    LLVMAddAttributeAtIndex(function_or_call, 1, attribute);
  else
    LLVMAddCallSiteAttribute(function_or_call, 1, attribute);
}

void value_keep_call(const struct batch *b, LLVMValueRef call) {
  unsigned kind = LLVMGetEnumAttributeKindForName("noinline", 8);
  LLVMAddCallSiteAttribute(call, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(b->context, kind, 0));
}

LLVMValueRef value_const(const struct batch *b, enum value_type type, uint64_t bits) {
  switch (type) {
  case VALUE_I32: return LLVMConstInt(b->types[VALUE_I32], (uint32_t)bits, false);
  case VALUE_I64: return LLVMConstInt(b->types[VALUE_I64], bits, false);
  case VALUE_F32:
    return LLVMConstBitCast(LLVMConstInt(b->types[VALUE_I32], (uint32_t)bits, false), b->types[VALUE_F32]);
  case VALUE_F64: return LLVMConstBitCast(LLVMConstInt(b->types[VALUE_I64], bits, false), b->types[VALUE_F64]);
  default: assert(bits == 0); return LLVMConstNull(b->types[VALUE_V128]);
  }
}

/* 0, 1, -1 and NaNs. */
static bool is_telling(enum value_type type, uint64_t bits) {
  const uint64_t one_32 = 0x3F800000, infinity_32 = 0x7F800000;
  const uint64_t one_64 = UINT64_C(0x3FF0000000000000), infinity_64 = UINT64_C(0x7FF0000000000000);
  uint64_t magnitude = bits & (type == VALUE_F32 ? UINT32_MAX >> 1 : UINT64_MAX >> 1);
  if (type == VALUE_F32) return magnitude == 0 || magnitude == one_32 || magnitude > infinity_32;
  return type == VALUE_F64 && (magnitude == 0 || magnitude == one_64 || magnitude > infinity_64);
}

LLVMValueRef value_number(struct batch *b, enum value_type type, uint64_t bits) {
  if (!is_telling(type, bits)) return value_const(b, type, bits);
  char name[40];
  snprintf(name, sizeof name, "number.%d.%llx", type, (unsigned long long)bits);
  LLVMValueRef number = LLVMGetNamedGlobal(b->llvm, name);
  if (!number) {
    number = LLVMAddGlobal(b->llvm, b->types[type], name);
    LLVMSetInitializer(number, value_const(b, type, bits));
    LLVMSetLinkage(number, LLVMInternalLinkage);
    LLVMSetExternallyInitialized(number, true);
  }
  return value_load_fixed(b, b->types[type], number, 0);
}

bool value_is_float(const struct batch *b, LLVMTypeRef type) {
  return type == b->types[VALUE_F32] || type == b->types[VALUE_F64] || LLVMGetTypeKind(type) == LLVMVectorTypeKind;
}

LLVMValueRef value_convert(struct batch *b, LLVMValueRef value, enum value_type type) {
  enum value_type from = type_of_value(b, value);
  if (from == type) return value;
  if (type == VALUE_I32) return LLVMBuildTrunc(b->builder, value, b->types[VALUE_I32], "");
  assert(type == VALUE_I64 && from == VALUE_I32);
  return LLVMBuildZExt(b->builder, value, b->types[VALUE_I64], "");
}

/* ---- What LLVM does not know ---------------------------------------------------------------------------------------------- */

/* By a line of assembly without instructions. */
static LLVMValueRef hand_on(struct batch *b, LLVMValueRef value) {
  LLVMTypeRef own = LLVMTypeOf(value), type = LLVMFunctionType(own, &own, 1, false);
  char constraints[] = {'=', value_is_float(b, own) ? b->job->target->float_register : 'r', ',', '0'};
  LLVMValueRef line = LLVMGetInlineAsm(type, (char *)"", 0, constraints, sizeof constraints, false, false,
                                       LLVMInlineAsmDialectATT, false);
  return LLVMBuildCall2(b->builder, type, line, &value, 1, "");
}

LLVMValueRef value_hand_on(struct batch *b, LLVMValueRef value) {
  if (LLVMTypeOf(value) != b->types[VALUE_V128] || b->job->target->has_vectors) return hand_on(b, value);
  return value_join(b, hand_on(b, value_half(b, value, 0)), hand_on(b, value_half(b, value, 1)));
}

LLVMValueRef value_narrow(struct batch *b, LLVMValueRef index, LLVMValueRef most) {
  LLVMValueRef hidden = value_hand_on(b, index), rest = LLVMBuildSub(b->builder, most, hidden, "");
  LLVMValueRef both = LLVMBuildOr(b->builder, hidden, rest, "");
  LLVMValueRef sign = LLVMBuildAShr(b->builder, both, LLVMConstInt(b->types[VALUE_I64], 63, false), "");
  return LLVMBuildAnd(b->builder, index, value_hand_on(b, LLVMBuildNot(b->builder, sign, "")), "");
}

LLVMValueRef value_half(struct batch *b, LLVMValueRef vector, unsigned index) {
  return LLVMBuildExtractElement(b->builder, vector, LLVMConstInt(b->types[VALUE_I32], index, false), "");
}

LLVMValueRef value_join(struct batch *b, LLVMValueRef lower, LLVMValueRef upper) {
  LLVMTypeRef i32 = b->types[VALUE_I32];
  LLVMValueRef made = LLVMGetPoison(b->types[VALUE_V128]);
  made = LLVMBuildInsertElement(b->builder, made, lower, LLVMConstInt(i32, 0, false), "");
  return LLVMBuildInsertElement(b->builder, made, upper, LLVMConstInt(i32, 1, false), "");
}

/* ---- Memory ------------------------------------------------------------------------------------------------------------ */

LLVMValueRef value_field(struct batch *b, LLVMValueRef base, uint64_t offset) {
  LLVMValueRef index = LLVMConstInt(b->types[VALUE_I64], offset, false);
  return offset ? LLVMBuildGEP2(b->builder, b->i8, base, &index, 1, "") : base;
}

LLVMValueRef value_load(struct batch *b, LLVMTypeRef type, LLVMValueRef base, uint64_t offset) {
  return LLVMBuildLoad2(b->builder, type, value_field(b, base, offset), "");
}

LLVMValueRef value_load_fixed(struct batch *b, LLVMTypeRef type, LLVMValueRef base, uint64_t offset) {
  LLVMValueRef load = value_load(b, type, base, offset);
  LLVMSetMetadata(load, b->invariant_kind, b->invariant);
  return load;
}

LLVMValueRef value_slot_address(struct batch *b, LLVMValueRef base, uint32_t slot) {
  return value_field(b, base, (uint64_t)slot * 8);
}

void value_store_slot(struct batch *b, LLVMValueRef base, uint32_t slot, LLVMValueRef value) {
  LLVMValueRef address = value_slot_address(b, base, slot);
  enum value_type type = type_of_value(b, value);
  if (type == VALUE_F32) value = LLVMBuildBitCast(b->builder, value, b->types[VALUE_I32], "");
  if (type == VALUE_I32 || type == VALUE_F32) value = LLVMBuildZExt(b->builder, value, b->types[VALUE_I64], "");
  LLVMSetAlignment(LLVMBuildStore(b->builder, value, address), 8);
}

LLVMValueRef value_load_slot(struct batch *b, LLVMValueRef base, uint32_t slot, enum value_type type) {
  LLVMValueRef load = LLVMBuildLoad2(b->builder, b->types[type], value_slot_address(b, base, slot), "");
  LLVMSetAlignment(load, 8);
  return load;
}

/* The memory of a temporary, made when it is first asked for. */
static LLVMValueRef home_of(struct batch *b, uint32_t slot, enum ir_class cls) {
  LLVMValueRef *home = &b->homes[cls][slot];
  if (!*home) *home = LLVMBuildAlloca(b->entry_builder, b->types[type_of_class(cls)], "");
  return *home;
}

void values_load_temporaries(struct batch *b) {
  for (enum ir_class cls = IR_CLASS_INT; cls <= IR_CLASS_V128; cls++)
    for (uint32_t slot = b->ir->link_slot; slot < b->ir->frame_slots; slot++) {
      LLVMValueRef home = b->homes[cls][slot];
      if (home) LLVMBuildStore(b->builder, value_load_slot(b, b->fp, slot, type_of_class(cls)), home);
    }
}

/* ---- Slots -------------------------------------------------------------------------------------------------------------- */

static bool is_local(const struct batch *b, uint32_t slot) { return slot < b->ir->link_slot; }

LLVMValueRef value_read_any(struct batch *b, uint32_t slot, enum ir_class cls) {
  if (is_local(b, slot)) return LLVMBuildLoad2(b->builder, b->types[b->local_types[slot]], b->locals[slot], "");
  struct known *known = &b->known[slot];
  if (known->value && class_of_value(b, known->value) == cls) return known->value;
  return LLVMBuildLoad2(b->builder, b->types[type_of_class(cls)], home_of(b, slot, cls), "");
}

LLVMValueRef value_read(struct batch *b, uint32_t slot, enum value_type type) {
  static const uint8_t classes[] = {[VALUE_I32] = IR_CLASS_INT,
                                    [VALUE_I64] = IR_CLASS_INT,
                                    [VALUE_F32] = IR_CLASS_F32,
                                    [VALUE_F64] = IR_CLASS_F64,
                                    [VALUE_V128] = IR_CLASS_V128};
  return value_convert(b, value_read_any(b, slot, classes[type]), type);
}

void value_write(struct batch *b, uint32_t slot, LLVMValueRef value) {
  if (is_local(b, slot)) {
    LLVMBuildStore(b->builder, value_convert(b, value, b->local_types[slot]), b->locals[slot]);
    root_write(b, slot, value);
    return;
  }
  struct known *known = &b->known[slot];
  uint32_t *noted = known->value ? &slot : BASE_VEC_PUSH(&b->known_slots);
  uint32_t *stale = known->is_stale ? &slot : BASE_VEC_PUSH(&b->stale);
  if (!noted || !stale) {
    b->refusal = WIRE_REASON_TOO_LARGE;
    return;
  }
  *noted = slot;
  *stale = slot;
  *known = (struct known){value, .is_stale = true};
}

LLVMValueRef value_recall(struct batch *b, uint32_t slot) {
  struct known *known = &b->known[slot];
  if (is_local(b, slot) || known->value) return value_read(b, slot, VALUE_I64);
  uint32_t *noted = BASE_VEC_PUSH(&b->known_slots);
  if (!noted) {
    b->refusal = WIRE_REASON_TOO_LARGE;
    return value_const(b, VALUE_I64, 0);
  }
  LLVMValueRef value = value_read(b, slot, VALUE_I64);
  *noted = slot;
  *known = (struct known){.value = value};
  return value;
}

void values_settle(struct batch *b) {
  for (size_t i = 0; i < b->stale.count; i++) {
    uint32_t slot = b->stale.items[i];
    LLVMValueRef value = b->known[slot].value;
    enum ir_class cls = class_of_value(b, value);
    if (cls == IR_CLASS_INT) value = value_convert(b, value, VALUE_I64);
    LLVMBuildStore(b->builder, value, home_of(b, slot, cls));
    b->known[slot].is_stale = false;
  }
  b->stale.count = 0;
}

void values_forget(struct batch *b) {
  for (size_t i = 0; i < b->known_slots.count; i++) b->known[b->known_slots.items[i]] = (struct known){0};
  b->known_slots.count = b->stale.count = 0;
}
