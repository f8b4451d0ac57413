/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Validation of typed references, casts, structures and arrays (specification 3.4.8 to 3.4.11).
 *
 * Types in instructions are canonical where the reader gives a heap type; bare type indices are made so here. Errors
 * spell types by their canonical index, which is the smallest one of the type. */
#include <assert.h>

#include "module/validate.h"

static module_type non_null(module_type type) { return type & ~(module_type)MODULE_REF_NULL; }

/* Pops any reference; of unreachable code where nothing is known it is the bottom one. */
static bool pop_ref(struct module_body *body, const struct module_insn *insn, module_type *out) {
  if (!validate_pop(body, insn, MODULE_BOTTOM, out)) return false;
  if (*out == MODULE_BOTTOM) *out = MODULE_REF | MODULE_HEAP_BOT;
  return module_type_is_ref(*out) || validate_fail_operand(body, insn, MODULE_FUNCREF, out);
}

static const struct module_def_type *find_def(struct module_body *body, const struct module_insn *insn, uint32_t index,
                                              enum module_def_kind kind) {
  static const char *const names[] = {"a function", "a structure", "an array"};
  const struct module *module = body->module;
  if (index >= module->type_count) {
    validate_fail_unknown(body, insn, "type", index);
    return NULL;
  }
  if (module->types[index].kind == kind) return &module->types[index];
  validate_report(body, CAY_ERROR_INVALID, insn, "type mismatch: %s needs %s type; type %u is none",
                  module_ops[insn->op].mnemonic, names[kind], index);
  return NULL;
}

static module_type null_ref_to(const struct module_body *body, uint32_t index) {
  return MODULE_REF | MODULE_REF_NULL | validate_canonical(body, index);
}

static bool push_ref_to(struct module_body *body, uint32_t index) {
  return validate_push(body, MODULE_REF | validate_canonical(body, index));
}

/* ---- References -------------------------------------------------------------------------------------------------- */

static bool check_ref_as_non_null(struct module_body *body, const struct module_insn *insn) {
  module_type type;
  return pop_ref(body, insn, &type) && validate_push(body, non_null(type));
}

static bool check_br_on_null(struct module_body *body, const struct module_insn *insn) {
  module_type type;
  struct validate_label label = {0};
  validate_need_slots(body, 1); /* the outcome of the test, above the reference */
  return pop_ref(body, insn, &type) && validate_find_label(body, insn, insn->imm.index[0], &label) &&
         validate_pop_types(body, insn, label.types, label.count) &&
         validate_push_types(body, label.types, label.count) && validate_push(body, non_null(type));
}

/* The label's last type, which must be a reference. */
static bool find_ref_label(struct module_body *body, const struct module_insn *insn, struct validate_label *label) {
  validate_need_slots(body, 1); /* the outcome of the test, above the reference */
  if (!validate_find_label(body, insn, insn->imm.index[0], label)) return false;
  return (label->count > 0 && module_type_is_ref(label->types[label->count - 1])) ||
         validate_fail(body, CAY_ERROR_INVALID, insn, "type mismatch: label %u takes no reference as its last value",
                       insn->imm.index[0]);
}

static bool check_br_on_non_null(struct module_body *body, const struct module_insn *insn) {
  struct validate_label label = {0};
  if (!find_ref_label(body, insn, &label)) return false;
  module_type wanted = label.types[label.count - 1] | MODULE_REF_NULL;
  return validate_pop(body, insn, wanted, NULL) && validate_pop_types(body, insn, label.types, label.count - 1) &&
         validate_push_types(body, label.types, label.count - 1);
}

static bool check_call_ref(struct module_body *body, const struct module_insn *insn) {
  const struct module_func_type *type = validate_func_type(body, insn, insn->imm.index[0]);
  return type && validate_pop(body, insn, null_ref_to(body, insn->imm.index[0]), NULL) &&
         validate_call_type(body, insn, type);
}

static bool check_ref_eq(struct module_body *body, const struct module_insn *insn) {
  for (unsigned operand = 0; operand < 2; operand++) {
    if (!validate_pop(body, insn, MODULE_REF | MODULE_REF_NULL | MODULE_HEAP_EQ, NULL)) return false;
  }
  return validate_push(body, MODULE_I32);
}

/* ---- Casts ------------------------------------------------------------------------------------------------------- */

/* The top of the hierarchy that a reference type belongs to, nullable. */
static module_type top_of(const struct module_body *body, module_type type) {
  module_type heap = type & MODULE_HEAP_MASK, top = MODULE_HEAP_ANY;
  if (!(heap & MODULE_HEAP_ABSTRACT)) {
    if (body->module->types[heap].kind == MODULE_DEF_FUNC) top = MODULE_HEAP_FUNC;
  } else if (heap == MODULE_HEAP_FUNC || heap == MODULE_HEAP_NOFUNC) {
    top = MODULE_HEAP_FUNC;
  } else if (heap == MODULE_HEAP_EXTERN || heap == MODULE_HEAP_NOEXTERN) {
    top = MODULE_HEAP_EXTERN;
  } else if (heap == MODULE_HEAP_EXN || heap == MODULE_HEAP_NOEXN) {
    top = MODULE_HEAP_EXN;
  }
  return MODULE_REF | MODULE_REF_NULL | top;
}

static bool check_ref_cast(struct module_body *body, const struct module_insn *insn) {
  module_type type = insn->imm.type;
  bool is_test = insn->op == MODULE_OP_REF_TEST || insn->op == MODULE_OP_REF_TEST_NULL;
  return validate_pop(body, insn, top_of(body, type), NULL) && validate_push(body, is_test ? MODULE_I32 : type);
}

static bool check_br_on_cast(struct module_body *body, const struct module_insn *insn) {
  const struct module_def_type *types = body->module->types;
  module_type from = insn->imm.index[1], to = insn->imm.index[2];
  struct validate_label label = {0};
  char from_name[32], to_name[32];
  if (!find_ref_label(body, insn, &label)) return false;
  if (!module_types_match(types, to, from)) {
    return validate_fail(body, CAY_ERROR_INVALID, insn, "type mismatch: %s from %s to %s, which is no subtype",
                         module_ops[insn->op].mnemonic, module_type_name(from, from_name),
                         module_type_name(to, to_name));
  }
  module_type rest = to & MODULE_REF_NULL ? non_null(from) : from;
  bool taken_when_cast = insn->op == MODULE_OP_BR_ON_CAST;
  module_type taken = taken_when_cast ? to : rest;
  if (!module_types_match(types, taken, label.types[label.count - 1])) {
    return validate_fail(body, CAY_ERROR_INVALID, insn, "type mismatch: label %u does not take %s", insn->imm.index[0],
                         module_type_name(taken, to_name));
  }
  return validate_pop(body, insn, from, NULL) && validate_pop_types(body, insn, label.types, label.count - 1) &&
         validate_push_types(body, label.types, label.count - 1) && validate_push(body, taken_when_cast ? rest : to);
}

static bool check_convert(struct module_body *body, const struct module_insn *insn) {
  bool to_any = insn->op == MODULE_OP_ANY_CONVERT_EXTERN;
  module_type from = to_any ? MODULE_HEAP_EXTERN : MODULE_HEAP_ANY, to = to_any ? MODULE_HEAP_ANY : MODULE_HEAP_EXTERN;
  module_type found = MODULE_BOTTOM;
  if (!validate_pop(body, insn, MODULE_REF | MODULE_REF_NULL | from, &found)) return false;
  bool is_null = found != MODULE_BOTTOM && (found & MODULE_REF_NULL);
  return validate_push(body, MODULE_REF | (is_null ? MODULE_REF_NULL : 0) | to);
}

static bool check_i31(struct module_body *body, const struct module_insn *insn) {
  module_type i31 = MODULE_REF | MODULE_HEAP_I31;
  if (insn->op == MODULE_OP_REF_I31) return validate_pop(body, insn, MODULE_I32, NULL) && validate_push(body, i31);
  return validate_pop(body, insn, i31 | MODULE_REF_NULL, NULL) && validate_push(body, MODULE_I32);
}

/* ---- Structures and arrays --------------------------------------------------------------------------------------- */

static bool is_packed(module_type type) { return type == MODULE_I8 || type == MODULE_I16; }

static module_type unpacked(module_type type) { return is_packed(type) ? MODULE_I32 : type; }

static bool check_packing(struct module_body *body, const struct module_insn *insn, module_type type, bool has_sign) {
  if (is_packed(type) == has_sign) return true;
  return validate_fail(body, CAY_ERROR_INVALID, insn, "type mismatch: %s of a field that is %spacked",
                       module_ops[insn->op].mnemonic, has_sign ? "not " : "");
}

static bool check_mutable(struct module_body *body, const struct module_insn *insn, const struct module_field *field) {
  return field->is_mutable || validate_fail(body, CAY_ERROR_INVALID, insn, "immutable field: %s of a constant",
                                            module_ops[insn->op].mnemonic);
}

static bool check_default(struct module_body *body, const struct module_insn *insn, bool has_default) {
  return has_default || validate_fail(body, CAY_ERROR_INVALID, insn, "type mismatch: %s, but a field has no default",
                                      module_ops[insn->op].mnemonic);
}

/* Code that is never reached may lack the operands below what it has pushed itself. */
static bool may_lack_operands(const struct module_body *body) {
  const struct module_frame *frame = &body->frames.items[body->frames.count - 1];
  return frame->unreachable && body->operands.count == frame->height;
}

static bool pop_fields(struct module_body *body, const struct module_insn *insn, const struct module_def_type *type) {
  for (uint32_t i = type->field_count; i-- > 0 && !may_lack_operands(body);) {
    if (!validate_pop(body, insn, unpacked(type->fields[i].type), NULL)) return false;
  }
  return true;
}

static bool check_struct_new(struct module_body *body, const struct module_insn *insn) {
  uint32_t index = insn->imm.index[0];
  const struct module_def_type *type = find_def(body, insn, index, MODULE_DEF_STRUCT);
  if (!type) return false;
  bool fits =
      insn->op == MODULE_OP_STRUCT_NEW ? pop_fields(body, insn, type) : check_default(body, insn, type->has_default);
  return fits && push_ref_to(body, index);
}

static bool check_struct_access(struct module_body *body, const struct module_insn *insn) {
  uint32_t index = insn->imm.index[0], at = insn->imm.index[1];
  const struct module_def_type *type = find_def(body, insn, index, MODULE_DEF_STRUCT);
  if (!type) return false;
  if (at >= type->field_count) return validate_fail_unknown(body, insn, "field", at);
  const struct module_field *field = &type->fields[at];
  if (insn->op == MODULE_OP_STRUCT_SET) {
    return check_mutable(body, insn, field) && validate_pop(body, insn, unpacked(field->type), NULL) &&
           validate_pop(body, insn, null_ref_to(body, index), NULL);
  }
  return check_packing(body, insn, field->type, insn->op != MODULE_OP_STRUCT_GET) &&
         validate_pop(body, insn, null_ref_to(body, index), NULL) && validate_push(body, unpacked(field->type));
}

static bool pop_i32s(struct module_body *body, const struct module_insn *insn, unsigned count) {
  while (count-- > 0) {
    if (!validate_pop(body, insn, MODULE_I32, NULL)) return false;
  }
  return true;
}

/* Bytes of a data segment can only be numbers and vectors. */
static bool check_data(struct module_body *body, const struct module_insn *insn, const struct module_field *element) {
  return validate_has_data(body, insn, insn->imm.index[1]) &&
         (!module_type_is_ref(element->type) ||
          validate_fail(body, CAY_ERROR_INVALID, insn, "type mismatch: array type is not numeric or vector"));
}

static bool check_elem(struct module_body *body, const struct module_insn *insn, const struct module_field *element) {
  const struct module *module = body->module;
  uint32_t index = insn->imm.index[1];
  if (index >= module->elem_count) return validate_fail_unknown(body, insn, "element segment", index);
  char from[32], to[32];
  return module_types_match(module->types, module->elems[index].type, element->type) ||
         validate_fail(body, CAY_ERROR_INVALID, insn, "type mismatch: an element segment of %s for an array of %s",
                       module_type_name(module->elems[index].type, from), module_type_name(element->type, to));
}

static bool pop_elements(struct module_body *body, const struct module_insn *insn, module_type type, uint32_t count) {
  for (uint32_t i = 0; i < count && !may_lack_operands(body); i++) {
    if (!validate_pop(body, insn, type, NULL)) return false;
  }
  return true;
}

static bool check_array_new(struct module_body *body, const struct module_insn *insn) {
  enum { FIXED_MAX = 10000 };
  uint32_t index = insn->imm.index[0], count = insn->imm.index[1];
  const struct module_def_type *type = find_def(body, insn, index, MODULE_DEF_ARRAY);
  if (!type) return false;
  const struct module_field *element = type->fields;
  bool fits;
  switch (insn->op) {
  case MODULE_OP_ARRAY_NEW:
    fits = pop_i32s(body, insn, 1) && validate_pop(body, insn, unpacked(element->type), NULL);
    break;
  case MODULE_OP_ARRAY_NEW_DEFAULT:
    fits = check_default(body, insn, module_type_has_default(element->type)) && pop_i32s(body, insn, 1);
    break;
  case MODULE_OP_ARRAY_NEW_DATA: fits = check_data(body, insn, element) && pop_i32s(body, insn, 2); break;
  case MODULE_OP_ARRAY_NEW_ELEM: fits = check_elem(body, insn, element) && pop_i32s(body, insn, 2); break;
  default:
    assert(insn->op == MODULE_OP_ARRAY_NEW_FIXED);
    if (count > FIXED_MAX) {
      return validate_fail(body, CAY_ERROR_LIMIT, insn, "array.new_fixed of %u elements; at most %u are allowed", count,
                           FIXED_MAX);
    }
    fits = pop_elements(body, insn, unpacked(element->type), count);
  }
  return fits && push_ref_to(body, index);
}

static bool check_array_access(struct module_body *body, const struct module_insn *insn) {
  uint32_t index = insn->imm.index[0];
  const struct module_def_type *type = find_def(body, insn, index, MODULE_DEF_ARRAY);
  if (!type) return false;
  const struct module_field *element = type->fields;
  module_type value = unpacked(element->type), array = null_ref_to(body, index);
  switch (insn->op) {
  case MODULE_OP_ARRAY_SET:
    return check_mutable(body, insn, element) && validate_pop(body, insn, value, NULL) && pop_i32s(body, insn, 1) &&
           validate_pop(body, insn, array, NULL);
  case MODULE_OP_ARRAY_FILL:
    return check_mutable(body, insn, element) && pop_i32s(body, insn, 1) && validate_pop(body, insn, value, NULL) &&
           pop_i32s(body, insn, 1) && validate_pop(body, insn, array, NULL);
  case MODULE_OP_ARRAY_INIT_DATA:
    return check_mutable(body, insn, element) && check_data(body, insn, element) && pop_i32s(body, insn, 3) &&
           validate_pop(body, insn, array, NULL);
  case MODULE_OP_ARRAY_INIT_ELEM:
    return check_mutable(body, insn, element) && check_elem(body, insn, element) && pop_i32s(body, insn, 3) &&
           validate_pop(body, insn, array, NULL);
  default:
    return check_packing(body, insn, element->type, insn->op != MODULE_OP_ARRAY_GET) && pop_i32s(body, insn, 1) &&
           validate_pop(body, insn, array, NULL) && validate_push(body, value);
  }
}

static bool storage_matches(const struct module_body *body, module_type from, module_type to) {
  return from == to || (!is_packed(from) && !is_packed(to) && module_types_match(body->module->types, from, to));
}

static bool check_array_copy(struct module_body *body, const struct module_insn *insn) {
  const struct module_def_type *to = find_def(body, insn, insn->imm.index[0], MODULE_DEF_ARRAY);
  const struct module_def_type *from = to ? find_def(body, insn, insn->imm.index[1], MODULE_DEF_ARRAY) : NULL;
  if (!from || !check_mutable(body, insn, to->fields)) return false;
  if (!storage_matches(body, from->fields->type, to->fields->type)) {
    return validate_fail(body, CAY_ERROR_INVALID, insn, "array types do not match: array.copy from type %u to %u",
                         insn->imm.index[1], insn->imm.index[0]);
  }
  return pop_i32s(body, insn, 2) && validate_pop(body, insn, null_ref_to(body, insn->imm.index[1]), NULL) &&
         pop_i32s(body, insn, 1) && validate_pop(body, insn, null_ref_to(body, insn->imm.index[0]), NULL);
}

static bool check_array_len(struct module_body *body, const struct module_insn *insn) {
  return validate_pop(body, insn, MODULE_REF | MODULE_REF_NULL | MODULE_HEAP_ARRAY, NULL) &&
         validate_push(body, MODULE_I32);
}

bool validate_references(struct module_body *body, const struct module_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_REF_AS_NON_NULL: return check_ref_as_non_null(body, insn);
  case MODULE_OP_BR_ON_NULL: return check_br_on_null(body, insn);
  case MODULE_OP_BR_ON_NON_NULL: return check_br_on_non_null(body, insn);
  case MODULE_OP_CALL_REF:
  case MODULE_OP_RETURN_CALL_REF: return check_call_ref(body, insn);
  case MODULE_OP_REF_EQ: return check_ref_eq(body, insn);
  case MODULE_OP_REF_TEST:
  case MODULE_OP_REF_TEST_NULL:
  case MODULE_OP_REF_CAST:
  case MODULE_OP_REF_CAST_NULL: return check_ref_cast(body, insn);
  case MODULE_OP_BR_ON_CAST:
  case MODULE_OP_BR_ON_CAST_FAIL: return check_br_on_cast(body, insn);
  case MODULE_OP_ANY_CONVERT_EXTERN:
  case MODULE_OP_EXTERN_CONVERT_ANY: return check_convert(body, insn);
  case MODULE_OP_REF_I31:
  case MODULE_OP_I31_GET_S:
  case MODULE_OP_I31_GET_U: return check_i31(body, insn);
  case MODULE_OP_STRUCT_NEW:
  case MODULE_OP_STRUCT_NEW_DEFAULT: return check_struct_new(body, insn);
  case MODULE_OP_STRUCT_GET:
  case MODULE_OP_STRUCT_GET_S:
  case MODULE_OP_STRUCT_GET_U:
  case MODULE_OP_STRUCT_SET: return check_struct_access(body, insn);
  case MODULE_OP_ARRAY_NEW:
  case MODULE_OP_ARRAY_NEW_DEFAULT:
  case MODULE_OP_ARRAY_NEW_FIXED:
  case MODULE_OP_ARRAY_NEW_DATA:
  case MODULE_OP_ARRAY_NEW_ELEM: return check_array_new(body, insn);
  case MODULE_OP_ARRAY_GET:
  case MODULE_OP_ARRAY_GET_S:
  case MODULE_OP_ARRAY_GET_U:
  case MODULE_OP_ARRAY_SET:
  case MODULE_OP_ARRAY_FILL:
  case MODULE_OP_ARRAY_INIT_DATA:
  case MODULE_OP_ARRAY_INIT_ELEM: return check_array_access(body, insn);
  case MODULE_OP_ARRAY_COPY: return check_array_copy(body, insn);
  case MODULE_OP_ARRAY_LEN: return check_array_len(body, insn);
  default: assert(false && "not an instruction of references"); return false;
  }
}
