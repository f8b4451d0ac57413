/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* References, structures, arrays and exceptions in the encoder: which handler an instruction is, by what its type says
 * about fields and elements. They work on slots; results are mirrored where a handler leaves them in an accumulator. */
#include "tiers/interp/encode.h"

#include <assert.h>

/* The forms of INTERP_GETS and INTERP_SETS, in order. */
enum { GET_8S, GET_8U, GET_16S, GET_16U, GET_32, GET_64, GET_F, GET_G, GET_V };
enum { SET_8, SET_16, SET_32, SET_64, SET_V };

static uint32_t get_form(module_type type, bool is_signed) {
  switch (type) {
  case MODULE_I8: return is_signed ? GET_8S : GET_8U;
  case MODULE_I16: return is_signed ? GET_16S : GET_16U;
  case MODULE_I32: return GET_32;
  case MODULE_F32: return GET_F;
  case MODULE_F64: return GET_G;
  case MODULE_V128: return GET_V;
  default: return GET_64;
  }
}

static uint32_t set_form(module_type type) {
  switch (module_storage_bytes(type)) {
  case 1: return SET_8;
  case 2: return SET_16;
  case 4: return SET_32;
  case 8: return SET_64;
  default: return SET_V;
  }
}

static const struct module_field *field_of(const struct interp_encoder *e, const struct ir_insn *insn) {
  return &e->module->types[(uint32_t)insn->imm].fields[insn->imm >> 32];
}

static const struct module_field *element_of(const struct interp_encoder *e, const struct ir_insn *insn) {
  return e->module->types[(uint32_t)insn->imm].fields;
}

static void encode_get(struct interp_encoder *e, const struct ir_insn *insn) {
  bool is_struct =
      insn->op == MODULE_OP_STRUCT_GET || insn->op == MODULE_OP_STRUCT_GET_S || insn->op == MODULE_OP_STRUCT_GET_U;
  bool is_signed = insn->op == MODULE_OP_STRUCT_GET_S || insn->op == MODULE_OP_ARRAY_GET_S;
  const struct module_field *field = is_struct ? field_of(e, insn) : element_of(e, insn);
  uint32_t first = is_struct ? INTERP_struct_get_8s : INTERP_array_get_8s;
  interp_emit(e, first + get_form(field->type, is_signed), insn->d, insn->a, is_struct ? field->offset : insn->b);
  interp_has_result(e, insn);
}

static void encode_query(struct interp_encoder *e, const struct ir_insn *insn, uint32_t handler) {
  interp_emit(e, handler, insn->d, insn->a, (uint32_t)insn->imm);
  interp_has_result(e, insn);
}

/* The slots from the instruction's operands on are written to: its result, and nothing that lives above it. */
static void encode_make(struct interp_encoder *e, const struct ir_insn *insn, uint32_t handler, uint32_t d) {
  interp_emit(e, handler, d, insn->a, (uint32_t)insn->imm);
  interp_note_references(e, insn);
  interp_forget_slot(e, insn->a);
}

/* As encode_make; type and segment stand in the pool. */
static void encode_make_from(struct interp_encoder *e, const struct ir_insn *insn, uint32_t handler) {
  interp_emit(e, handler, 0, insn->a, 0);
  interp_target_pool(e, (const uint64_t[]){(uint32_t)insn->imm, insn->imm >> 32}, 2);
  interp_note_references(e, insn);
  interp_forget_slot(e, insn->a);
}

static bool encode_array(struct interp_encoder *e, const struct ir_insn *insn) {
  uint32_t value_slots = 0;
  if (insn->op == MODULE_OP_ARRAY_NEW || insn->op == MODULE_OP_ARRAY_FILL)
    value_slots = module_type_slots(element_of(e, insn)->type);
  switch (insn->op) {
  case MODULE_OP_ARRAY_NEW: encode_make(e, insn, INTERP_array_new, value_slots); return true;
  case MODULE_OP_ARRAY_NEW_DEFAULT: encode_make(e, insn, INTERP_array_new_default, 0); return true;
  case MODULE_OP_ARRAY_NEW_FIXED:
    encode_make(e, insn, INTERP_array_new_fixed, (uint32_t)(insn->imm >> 32));
    return true;
  case MODULE_OP_ARRAY_NEW_DATA: encode_make_from(e, insn, INTERP_array_new_data); return true;
  case MODULE_OP_ARRAY_NEW_ELEM: encode_make_from(e, insn, INTERP_array_new_elem); return true;
  case MODULE_OP_ARRAY_GET:
  case MODULE_OP_ARRAY_GET_S:
  case MODULE_OP_ARRAY_GET_U: encode_get(e, insn); return true;
  case MODULE_OP_ARRAY_SET:
    interp_emit(e, INTERP_array_set_8 + set_form(element_of(e, insn)->type), insn->c, insn->a, insn->b);
    return true;
  case MODULE_OP_ARRAY_LEN: encode_query(e, insn, INTERP_array_len); return true;
  case MODULE_OP_ARRAY_FILL: encode_make(e, insn, INTERP_array_fill, value_slots); return true;
  case MODULE_OP_ARRAY_COPY: encode_make(e, insn, INTERP_array_copy, 0); return true;
  case MODULE_OP_ARRAY_INIT_DATA: encode_make_from(e, insn, INTERP_array_init_data); return true;
  case MODULE_OP_ARRAY_INIT_ELEM: encode_make_from(e, insn, INTERP_array_init_elem); return true;
  default: return false;
  }
}

bool interp_encode_reference(struct interp_encoder *e, const struct ir_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_STRUCT_NEW: encode_make(e, insn, INTERP_struct_new, 0); return true;
  case MODULE_OP_STRUCT_NEW_DEFAULT: encode_make(e, insn, INTERP_struct_new_default, 0); return true;
  case MODULE_OP_STRUCT_GET:
  case MODULE_OP_STRUCT_GET_S:
  case MODULE_OP_STRUCT_GET_U: encode_get(e, insn); return true;
  case MODULE_OP_STRUCT_SET:
    interp_emit(e, INTERP_struct_set_8 + set_form(field_of(e, insn)->type), insn->b, insn->a,
                field_of(e, insn)->offset);
    return true;
  case MODULE_OP_REF_I31: encode_query(e, insn, INTERP_ref_i31); return true;
  case MODULE_OP_I31_GET_S: encode_query(e, insn, INTERP_i31_get_s); return true;
  case MODULE_OP_I31_GET_U: encode_query(e, insn, INTERP_i31_get_u); return true;
  case MODULE_OP_REF_TEST: encode_query(e, insn, INTERP_ref_test); return true;
  case MODULE_OP_REF_CAST: interp_emit(e, INTERP_ref_cast, 0, insn->a, (uint32_t)insn->imm); return true;
  case MODULE_OP_REF_AS_NON_NULL: interp_emit(e, INTERP_ref_as_non_null, 0, insn->a, 0); return true;
  case MODULE_OP_THROW:
    interp_emit(e, INTERP_throw, 0, insn->a, (uint32_t)insn->imm);
    interp_note_references(e, insn);
    return true;
  case MODULE_OP_THROW_REF: interp_emit(e, INTERP_throw_ref, 0, insn->a, 0); return true;
  default: return encode_array(e, insn);
  }
}
