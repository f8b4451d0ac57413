/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Functions as text: a line with name and type, a line with the locals, a line for each instruction. */
#include <assert.h>
#include <inttypes.h>

#include "inspect/parts.h"

enum { INDENT_MAX = 60 }; /* deeper nesting is not indented further: 50,000 levels are legal */

static void add_header(const struct module *module, uint32_t func, struct base_text *out) {
  char type[256];
  const struct module_func *function = &module->funcs[func];
  base_text_format(out, "function %" PRIu32, func);
  struct module_name name = module_func_name(module, func);
  if (name.len_bytes) {
    base_text_addz(out, " <");
    inspect_name(out, name);
    base_text_addz(out, ">");
  }
  base_text_format(out, " %s, %" PRIu32 " bytes\n",
                   module_func_type_text(&module->types[function->type].func, type, sizeof type), function->body_bytes);
}

/* Locals behind the parameters, equal neighbours together: "locals 2..5: i32". */
static void add_locals(const struct module_body *body, struct base_text *out) {
  uint32_t start = body->type->param_count;
  for (size_t i = 0; i < body->local_runs.count; i++) {
    const struct module_local_run *run = &body->local_runs.items[i];
    bool several = run->end - start > 1;
    char name[32];
    base_text_format(out, "  local%s %" PRIu32, several ? "s" : "", start);
    if (several) base_text_format(out, "..%" PRIu32, run->end - 1);
    base_text_format(out, ": %s\n", module_type_name(run->type, name));
    start = run->end;
  }
}

static bool opens(uint16_t op) {
  return (module_ops[op].flags & MODULE_OP_CONTROL) && op != MODULE_OP_END && op != MODULE_OP_ELSE;
}

static void add_hint(const struct module *module, uint32_t func, const struct module_insn *insn,
                     struct base_text *out) {
  if (insn->op != MODULE_OP_IF && insn->op != MODULE_OP_BR_IF) return;
  enum module_hint hint = module_branch_hint(module, func, insn->offset);
  if (hint != MODULE_HINT_NONE) base_text_addz(out, hint == MODULE_HINT_LIKELY ? " (;likely;)" : " (;unlikely;)");
}

static enum cay_status add_instructions(const struct module *module, uint32_t func, uint32_t cursor, uint32_t end,
                                        const struct inspect_columns *columns, struct base_text *out,
                                        struct cay_error *error) {
  size_t depth = 0;
  while (cursor < end && !out->failed) {
    struct module_insn insn;
    enum cay_status status = module_insn_decode(module, &cursor, end, &insn, error);
    if (status != CAY_OK) return status;
    bool closes = insn.op == MODULE_OP_END || insn.op == MODULE_OP_ELSE;
    size_t shown = closes && depth > 0 ? depth - 1 : depth;
    if (insn.op == MODULE_OP_END && depth > 0) depth--;
    if (opens(insn.op)) depth++;
    if (columns) columns->before(columns->env, insn.offset, out);
    size_t line = out->len_bytes;
    base_text_format(out, "  %07" PRIx32 ":%*s", insn.offset, (int)(2 + 2 * (shown < INDENT_MAX ? shown : INDENT_MAX)),
                     "");
    module_insn_text(module, &insn, out);
    add_hint(module, func, &insn, out);
    if (columns) columns->after(columns->env, insn.offset, line, out);
    base_text_addz(out, "\n");
  }
  return CAY_OK;
}

enum cay_status inspect_function(const struct module *module, uint32_t func, const struct inspect_columns *columns,
                                 struct base_text *out, struct cay_error *error) {
  assert(func >= module->imported_func_count && func < module->func_count);
  struct module_body body = {0};
  add_header(module, func, out);
  enum cay_status status = module_body_begin(&body, module, func, error);
  if (status == CAY_OK) {
    add_locals(&body, out);
    status = add_instructions(module, func, body.cursor, body.end, columns, out, error);
  }
  module_body_deinit(&body);
  return status;
}

enum cay_status inspect_disassemble(const struct module *module, uint32_t func, struct base_text *out,
                                    struct cay_error *error) {
  return inspect_function(module, func, NULL, out, error);
}
