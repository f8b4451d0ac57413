/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Decodes and validates arbitrary bytes with all proposals that run. What loads is walked as translators and the
 * disassembler walk it: the reader of bodies must accept every body again and agree with the plain decoder on every
 * instruction, and every look-up must answer. */
#include <stdio.h>
#include <stdlib.h>

#include "module/module.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

#define REQUIRE(condition)                                            \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                        \
    }                                                                 \
  } while (0)

static void disassemble(const struct module *module, uint32_t cursor, uint32_t end) {
  struct base_text text = {0};
  struct module_insn insn;
  while (cursor < end) {
    REQUIRE(module_insn_decode(module, &cursor, end, &insn, NULL) == CAY_OK);
    text.len_bytes = 0;
    module_insn_text(module, &insn, &text);
    REQUIRE(text.failed || text.len_bytes > 0);
  }
  base_text_deinit(&text);
}

/* Reading without checks sees the same. */
static void read_again(const struct module *module, const struct module_insn *insn, uint32_t end) {
  uint32_t cursor = insn->offset;
  struct module_insn again;
  memset(&again, 0, sizeof again);
  REQUIRE(module_insn_again(module, &cursor, &again));
  REQUIRE(again.op == insn->op && again.offset == insn->offset && cursor == end);
  enum module_imm imm = module_ops[insn->op].imm;
  REQUIRE((imm != MODULE_IMM_HEAP && imm != MODULE_IMM_SELECT_TYPES) || insn->imm.type == again.imm.type);
}

/* What has been accepted fast is what is accepted one instruction at a time, with the same depth of operands. */
static void walk_body(struct module_body *body, const struct module *module, uint32_t func) {
  struct module_insn insn, again;
  struct cay_error error;
  REQUIRE(module_body_begin(body, module, func, &error) == CAY_OK);
  uint32_t start = body->cursor;
  int more;
  while ((more = module_body_next(body, &insn)) > 0) {
    uint32_t cursor = insn.offset;
    REQUIRE(module_insn_decode(module, &cursor, body->end, &again, NULL) == CAY_OK);
    REQUIRE(again.op == insn.op && cursor == body->cursor);
    REQUIRE(module_ops[insn.op].imm != MODULE_IMM_I32 || insn.imm.i64 == again.imm.i64);
    REQUIRE(body->frames.count == 0 || body->operands.count >= body->frames.items[body->frames.count - 1].height);
    REQUIRE(module_func_at(module, insn.offset) == func);
    module_branch_hint(module, func, insn.offset);
    read_again(module, &insn, body->cursor);
  }
  REQUIRE(more == 0 && body->locals_slots + body->max_operand_slots == module->funcs[func].frame_slots);
  disassemble(module, start, body->end);
}

/* A type is what its canonical one is; supertypes come before, and subtypes match them. */
static void look_up_types(const struct module *module) {
  char text[64];
  for (uint32_t i = 0; i < module->type_count; i++) {
    const struct module_def_type *type = &module->types[i], *same = &module->types[type->canonical];
    REQUIRE(type->canonical <= i && same->canonical == type->canonical && same->kind == type->kind);
    REQUIRE(type->group_start <= i && i < type->group_start + type->group_count);
    REQUIRE(type->group_start + type->group_count <= module->type_count);
    if (type->super != MODULE_NO_TYPE) {
      const struct module_def_type *super = &module->types[type->super];
      REQUIRE(type->super < i && type->depth == super->depth + 1 && type->depth <= MODULE_SUBTYPE_DEPTH_MAX);
      REQUIRE(!super->is_final && super->kind == type->kind);
      module_type reference = MODULE_REF | type->canonical, above = MODULE_REF | type->super;
      REQUIRE(module_types_match(module->types, reference, above));
      REQUIRE(!module_types_match(module->types, above, reference));
    }
    if (type->kind == MODULE_DEF_FUNC) module_func_type_text(&type->func, text, sizeof text);
  }
}

static void look_up(const struct module *module) {
  for (uint32_t i = 0; i < module->export_count; i++) {
    const struct module_export *export = &module->exports[i];
    REQUIRE(module_export_find(module, export->name.bytes, export->name.len_bytes) == export);
  }
  look_up_types(module);
  for (uint32_t i = 0; i < module->global_count; i++) {
    const struct module_const_expr *init = &module->globals[i].init;
    disassemble(module, init->offset, init->offset + init->len_bytes);
  }
  for (uint32_t i = 0; i < module->elem_count; i++)
    for (uint32_t item = 0; module->elems[i].exprs && item < module->elems[i].count; item++) {
      const struct module_const_expr *expr = &module->elems[i].exprs[item];
      disassemble(module, expr->offset, expr->offset + expr->len_bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  struct module *module;
  struct cay_error error = {.text = ""};
  if (module_load(bytes, len_bytes, MODULE_BYTES_COPY, MODULE_FEATURES_RUNNABLE, NULL, &module, &error) != CAY_OK) {
    REQUIRE(module == NULL && error.status != CAY_OK && error.text[0]);
    REQUIRE(base_utf8_valid(error.text, strlen(error.text)));
    return 0;
  }
  struct module_body body = {0};
  look_up(module);
  module_branch_hints_check(module, &error);
  for (uint32_t func = 0; func < module->func_count; func++) {
    module_local_name(module, func, 0);
    if (func < module->imported_func_count) continue;
    walk_body(&body, module, func);
  }
  module_body_deinit(&body);
  module_release(module);
  return 0;
}
