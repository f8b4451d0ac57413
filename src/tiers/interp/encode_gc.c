/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* References, structures, arrays and exceptions in the encoder: which handler an instruction is, by what its type says
 * about fields and elements. They work on slots; results are mirrored where a handler leaves them in an accumulator. */
#include "tiers/fields.h"
#include "tiers/interp/encode.h"

#include <assert.h>

/* The forms of INTERP_GETS and INTERP_SETS are in the order of fields.h. */

static void encode_get(struct interp_encoder *e, const struct ir_insn *insn) {
  bool is_struct =
      insn->op == MODULE_OP_STRUCT_GET || insn->op == MODULE_OP_STRUCT_GET_S || insn->op == MODULE_OP_STRUCT_GET_U;
  bool is_signed = insn->op == MODULE_OP_STRUCT_GET_S || insn->op == MODULE_OP_ARRAY_GET_S;
  const struct module_field *field = is_struct ? fields_field(e->module, insn) : fields_element(e->module, insn);
  uint32_t first = is_struct ? INTERP_struct_get_8s : INTERP_array_get_8s;
  interp_emit(e, first + fields_get_of(field->type, is_signed), insn->d, insn->a, is_struct ? field->offset : insn->b);
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
    value_slots = module_type_slots(fields_element(e->module, insn)->type);
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
    interp_emit(e, INTERP_array_set_8 + fields_set_of(fields_element(e->module, insn)->type), insn->c, insn->a,
                insn->b);
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
    interp_emit(e, INTERP_struct_set_8 + fields_set_of(fields_field(e->module, insn)->type), insn->b, insn->a,
                fields_field(e->module, insn)->offset);
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
