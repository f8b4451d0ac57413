/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* How fields of structures and elements of arrays are read and written, by their types. */
#ifndef TIERS_FIELDS_H
#define TIERS_FIELDS_H

#include "tiers/ir.h"

enum fields_get { FIELDS_GET_8S, FIELDS_GET_8U, FIELDS_GET_16S, FIELDS_GET_16U, FIELDS_GET_32, FIELDS_GET_64,
                  FIELDS_GET_F32, FIELDS_GET_F64, FIELDS_GET_V128 };
enum fields_set { FIELDS_SET_8, FIELDS_SET_16, FIELDS_SET_32, FIELDS_SET_64, FIELDS_SET_V128 };

static inline enum fields_get fields_get_of(module_type type, bool is_signed) {
  switch (type) {
  case MODULE_I8: return is_signed ? FIELDS_GET_8S : FIELDS_GET_8U;
  case MODULE_I16: return is_signed ? FIELDS_GET_16S : FIELDS_GET_16U;
  case MODULE_I32: return FIELDS_GET_32;
  case MODULE_F32: return FIELDS_GET_F32;
  case MODULE_F64: return FIELDS_GET_F64;
  case MODULE_V128: return FIELDS_GET_V128;
  default: return FIELDS_GET_64;
  }
}

static inline enum fields_set fields_set_of(module_type type) {
  switch (module_storage_bytes(type)) {
  case 1: return FIELDS_SET_8;
  case 2: return FIELDS_SET_16;
  case 4: return FIELDS_SET_32;
  case 8: return FIELDS_SET_64;
  default: return FIELDS_SET_V128;
  }
}

/* The field that struct.get and struct.set name; the element of the array that an instruction names. */
static inline const struct module_field *fields_field(const struct module *module, const struct ir_insn *insn) {
  return &module->types[(uint32_t)insn->imm].fields[insn->imm >> 32];
}
static inline const struct module_field *fields_element(const struct module *module, const struct ir_insn *insn) {
  return module->types[(uint32_t)insn->imm].fields;
}

#endif
