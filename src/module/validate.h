/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the validation algorithm share: validate.c has the algorithm and the instructions of 2.0,
 * validate_run.c a fast way over what is usual, validate_gc.c references and objects, validate_eh.c exceptions. Private to the room `module`.
 *
 * Every check returns false after filling the body's error; then the body must not be read further. */
#ifndef MODULE_VALIDATE_H
#define MODULE_VALIDATE_H

#include "module/internal.h"

BASE_COLD void validate_report(struct module_body *body, enum cay_status status, const struct module_insn *insn,
                               const char *format, ...) BASE_PRINTF(4, 5);
/* Fills in the error and is false: a macro, so that every compiler sees that. */
#define validate_fail(...) (validate_report(__VA_ARGS__), false)
BASE_COLD bool validate_fail_unknown(struct module_body *body, const struct module_insn *insn, const char *what,
                                     uint32_t index);
/* `found` NULL: the operand stack is empty. */
BASE_COLD bool validate_fail_operand(struct module_body *body, const struct module_insn *insn, module_type expected,
                                     const module_type *found);

bool validate_push(struct module_body *body, module_type type);
/* Pops a value of type `expected` (MODULE_BOTTOM: any); `*actual`, unless NULL, is its type, MODULE_BOTTOM when the code
 * is unreachable and nothing is known. */
bool validate_pop(struct module_body *body, const struct module_insn *insn, module_type expected, module_type *actual);
bool validate_push_types(struct module_body *body, const module_type *types, uint32_t count);
bool validate_pop_types(struct module_body *body, const struct module_insn *insn, const module_type *types,
                        uint32_t count);
void validate_set_unreachable(struct module_body *body);
/* Room that a translator needs above the operands for a moment. */
static inline void validate_need_slots(struct module_body *body, uint32_t slots) {
  if (body->operand_slots + slots > body->max_operand_slots) body->max_operand_slots = body->operand_slots + slots;
}
/* Room in the frame besides the operands; given back by reducing operand_slots. */
void validate_reserve_slots(struct module_body *body, uint32_t slots);

struct validate_label {
  const module_type *types; /* valid until a frame is opened or closed */
  uint32_t count;
};
bool validate_find_label(struct module_body *body, const struct module_insn *insn, uint32_t depth,
                         struct validate_label *out);

/* The function type of index `type`; NULL after an error. */
const struct module_func_type *validate_func_type(struct module_body *body, const struct module_insn *insn,
                                                  uint32_t type);
/* The heap type that names defined type `type`, which exists. */
static inline module_type validate_canonical(const struct module_body *body, uint32_t type) {
  return body->module->types[type].canonical;
}
/* There is a data count section, and it announces data segment `index`. */
bool validate_has_data(struct module_body *body, const struct module_insn *insn, uint32_t index);
/* Parameters popped, results pushed, or for a tail call compared with the function's. */
bool validate_call_type(struct module_body *body, const struct module_insn *insn, const struct module_func_type *type);

bool validate_open_block(struct module_body *body, const struct module_insn *insn, enum module_frame_kind kind);
/* The end of an arm: exactly the results are there. They are popped. */
bool validate_close_arm(struct module_body *body, const struct module_insn *insn);
bool validate_end(struct module_body *body, const struct module_insn *insn);

/* A `catch` of the legacy form keeps the caught exception below its values, for `rethrow`. */
enum { CATCH_SLOTS = 1 };

/* Goes over instructions of a function's body as long as they are usual ones, and right. */
void validate_run(struct module_body *body);

bool validate_references(struct module_body *body, const struct module_insn *insn); /* references and objects */
bool validate_exceptions(struct module_body *body, const struct module_insn *insn);

#endif
