/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Validation of exceptions, in the form of WebAssembly 3.0 (try_table, throw, throw_ref) and in the legacy form (try,
 * catch, catch_all, delegate, rethrow), which old C++ binaries have. */
#include <assert.h>

#include "module/validate.h"

static const struct module_func_type *find_tag(struct module_body *body, const struct module_insn *insn, uint32_t tag) {
  const struct module *module = body->module;
  if (tag < module->tag_count) return &module->types[module->tags[tag].type].func;
  validate_fail_unknown(body, insn, "tag", tag);
  return NULL;
}

static bool check_throw(struct module_body *body, const struct module_insn *insn) {
  const struct module_func_type *tag = find_tag(body, insn, insn->imm.index[0]);
  if (!tag || !validate_pop_types(body, insn, tag->params, tag->param_count)) return false;
  validate_set_unreachable(body);
  return true;
}

static bool check_throw_ref(struct module_body *body, const struct module_insn *insn) {
  if (!validate_pop(body, insn, MODULE_EXNREF, NULL)) return false;
  validate_set_unreachable(body);
  return true;
}

/* ---- try_table --------------------------------------------------------------------------------------------------- */

enum { CATCH_REF = 1, CATCH_ALL = 2 }; /* bits of a catch clause's kind */

/* What a clause passes on, a tag's values and for the _ref kinds the exception, must be what the label takes. */
static bool check_catch_label(struct module_body *body, const struct module_insn *insn, uint8_t kind,
                              const struct module_func_type *tag, uint32_t depth) {
  const struct module_def_type *types = body->module->types;
  struct validate_label label = {0};
  if (!validate_find_label(body, insn, depth, &label)) return false;
  uint32_t values = tag ? tag->param_count : 0, count = values + (kind & CATCH_REF);
  bool fits = label.count == count;
  validate_need_slots(body, (tag ? tag->param_slots : 0) + 1); /* where the values land */
  if (fits && tag) fits = module_type_lists_match(types, tag->params, label.types, values);
  if (fits && (kind & CATCH_REF)) fits = module_types_match(types, MODULE_REF | MODULE_HEAP_EXN, label.types[values]);
  return fits || validate_fail(body, CAY_ERROR_INVALID, insn,
                               "type mismatch: a catch clause passes other values than label %u takes", depth);
}

/* The clauses stand outside of the block: their labels count from there. */
static bool check_catches(struct module_body *body, const struct module_insn *insn) {
  struct module_reader reader = {
      .bytes = body->module->bytes, .cursor = insn->imm.block.catches_offset, .end = body->end, .error = body->error};
  for (uint32_t i = 0; i < insn->imm.block.catch_count; i++) {
    uint8_t kind;
    uint32_t tag_index, depth;
    const struct module_func_type *tag = NULL;
    if (!module_read_byte(&reader, "catch kind", &kind)) return false;
    if (!(kind & CATCH_ALL)) {
      if (!module_read_u32(&reader, "tag index", &tag_index)) return false;
      tag = find_tag(body, insn, tag_index);
      if (!tag) return false;
    }
    if (!module_read_u32(&reader, "label", &depth) || !check_catch_label(body, insn, kind, tag, depth)) return false;
  }
  return true;
}

/* ---- The legacy form --------------------------------------------------------------------------------------------- */

static bool check_catch(struct module_body *body, const struct module_insn *insn) {
  const struct module_func_type *tag = NULL;
  if (insn->op == MODULE_OP_CATCH) {
    tag = find_tag(body, insn, insn->imm.index[0]);
    if (!tag) return false;
  }
  struct module_frame *frame = &body->frames.items[body->frames.count - 1];
  if (frame->kind != MODULE_FRAME_TRY && frame->kind != MODULE_FRAME_CATCH) {
    return validate_fail(body, CAY_ERROR_MALFORMED, insn, "%s without try", module_ops[insn->op].mnemonic);
  }
  if (!validate_close_arm(body, insn)) return false;
  if (frame->kind == MODULE_FRAME_TRY) validate_reserve_slots(body, CATCH_SLOTS);
  frame->kind = tag ? MODULE_FRAME_CATCH : MODULE_FRAME_CATCH_ALL;
  frame->unreachable = false;
  return !tag || validate_push_types(body, tag->params, tag->param_count);
}

/* Ends a `try` whose exceptions go to what encloses label `depth`, which counts from outside of the `try`. */
static bool check_delegate(struct module_body *body, const struct module_insn *insn) {
  const struct module_frame *frame = &body->frames.items[body->frames.count - 1];
  if (frame->kind != MODULE_FRAME_TRY) {
    return validate_fail(body, CAY_ERROR_MALFORMED, insn, "delegate without try");
  }
  if (insn->imm.index[0] >= body->frames.count - 1) {
    return validate_fail_unknown(body, insn, "label", insn->imm.index[0]);
  }
  return validate_end(body, insn);
}

static bool check_rethrow(struct module_body *body, const struct module_insn *insn) {
  struct validate_label ignored;
  uint32_t depth = insn->imm.index[0];
  if (!validate_find_label(body, insn, depth, &ignored)) return false;
  uint8_t kind = body->frames.items[body->frames.count - 1 - depth].kind;
  if (kind != MODULE_FRAME_CATCH && kind != MODULE_FRAME_CATCH_ALL) {
    return validate_fail(body, CAY_ERROR_INVALID, insn, "invalid rethrow label: label %u is not of a catch", depth);
  }
  validate_set_unreachable(body);
  return true;
}

bool validate_exceptions(struct module_body *body, const struct module_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_THROW: return check_throw(body, insn);
  case MODULE_OP_THROW_REF: return check_throw_ref(body, insn);
  case MODULE_OP_TRY_TABLE: return check_catches(body, insn) && validate_open_block(body, insn, MODULE_FRAME_TRY_TABLE);
  case MODULE_OP_TRY: return validate_open_block(body, insn, MODULE_FRAME_TRY);
  case MODULE_OP_CATCH:
  case MODULE_OP_CATCH_ALL: return check_catch(body, insn);
  case MODULE_OP_DELEGATE: return check_delegate(body, insn);
  case MODULE_OP_RETHROW: return check_rethrow(body, insn);
  default: assert(false && "not an instruction of exceptions"); return false;
  }
}
