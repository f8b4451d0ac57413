/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The front-end's state and what its parts use of it: frontend.c has the invariants and most instructions,
 * frontend_row.c what its row describes, frontend_gc.c references and objects, frontend_eh.c exceptions, frontend_fuel.c
 * what is charged. Private to the room `tiers`. */
#ifndef TIERS_FRONTEND_H
#define TIERS_FRONTEND_H

#include "engine/engine.h"
#include "tiers/ir.h"

enum place { PLACE_TEMP, PLACE_LOCAL, PLACE_CONST };

struct operand {
  uint8_t place;
  uint8_t cls; /* enum ir_class */
  uint8_t slots;
  bool is_traced; /* a reference that a collector follows */
  uint32_t slot;  /* its temporary */
  uint32_t at;    /* the slot that it is in: its temporary, or the local's when PLACE_LOCAL */
  uint32_t below; /* node of the topmost traced operand below this one, or IR_NO_NODE */
  uint64_t konst;
};

struct local {
  uint32_t slot;
  uint8_t cls;
  bool is_traced;
};

struct control {
  uint8_t kind;   /* enum module_frame_kind */
  bool dead;      /* began in unreachable code: no code was emitted for it */
  uint32_t label; /* where `br` goes */
  uint32_t else_label;
  uint32_t height; /* operands below the parameters */
  uint32_t param_count, result_count;
  uint32_t type; /* with more than one value: their type */
  const module_type *params, *results; /* results NULL: the one in `single` */
  module_type single;
  uint32_t own_try;        /* TRY_TABLE, TRY: index in out.tries */
  uint32_t outer_try;      /* of the innermost that encloses it, or IR_NO_TRY */
  uint32_t clauses_offset; /* TRY_TABLE: of its catch clauses in the module's bytes */
};

struct ir_frontend {
  struct module_body body;
  struct ir_function out;
  BASE_VEC(struct operand) operands;
  size_t settled_count;
  BASE_VEC(struct control) controls;
  BASE_VEC(struct local) locals;
  BASE_VEC(uint32_t) uses; /* by slot of a local: operands whose place it is */
  uint32_t next_slot;      /* the temporary of the next operand */
  uint32_t node;           /* of the topmost traced operand, or IR_NO_NODE */
  uint32_t last;
  uint32_t current_try; /* that encloses the instruction being translated, or IR_NO_TRY */
  bool unreachable, no_memory;
  bool deterministic; /* relaxed instructions as the deterministic profile has them */
  bool canonical_nans;
  bool has_fuel;
  BASE_VEC(uint32_t) fuel_costs; /* of the function outside of loops, and of each loop, in the order of the code */
  uint32_t loop_count;           /* loops so far */
  uint32_t offset;    /* of the instruction being translated */
};

static inline const module_type *frontend_results(const struct control *control) {
  return control->results ? control->results : &control->single;
}

/* A LEB128 number of a validated body. */
static inline uint32_t frontend_read_u32(const uint8_t **cursor) {
  uint32_t value = 0, shift = 0;
  uint8_t byte;
  do {
    byte = *(*cursor)++;
    value |= (uint32_t)(byte & 0x7F) << shift;
    shift += 7;
  } while (byte & 0x80);
  return value;
}

struct ir_insn *frontend_emit(struct ir_frontend *fe, uint16_t op);
uint32_t frontend_new_label(struct ir_frontend *fe);
void frontend_emit_label(struct ir_frontend *fe, uint32_t label);
void frontend_emit_br(struct ir_frontend *fe, uint32_t label);
/* `br` to the control `depth`, with its values. */
void frontend_br(struct ir_frontend *fe, uint32_t depth);
/* Branches to the control `depth` when `condition`, which is popped already, is not zero (or is, when negated). */
void frontend_br_if(struct ir_frontend *fe, const struct operand *condition, uint32_t depth, bool negated);

/* Pushes an operand that is in its temporary; valid until the next push. */
struct operand *frontend_push(struct ir_frontend *fe, module_type type);
void frontend_push_types(struct ir_frontend *fe, const module_type *types, uint32_t count);
/* Pushes the result of `insn`. */
void frontend_push_result(struct ir_frontend *fe, struct ir_insn *insn, module_type type);
struct operand frontend_pop(struct ir_frontend *fe);
/* Pops an operand that must not be a constant: a constant goes to its temporary first. */
struct operand frontend_pop_slot(struct ir_frontend *fe);
void frontend_use_a(struct ir_frontend *fe, struct ir_insn *insn, const struct operand *operand);
void frontend_use_b(struct ir_frontend *fe, struct ir_insn *insn, const struct operand *operand);
uint32_t frontend_top_slot(const struct ir_frontend *fe);
void frontend_settle_top(struct ir_frontend *fe, uint32_t count);
void frontend_cut(struct ir_frontend *fe, uint32_t height);
/* Consumes the arguments, which become the callee's first locals; returns their first slot. */
uint32_t frontend_take_arguments(struct ir_frontend *fe, const struct module_func_type *type);
void frontend_push_call_results(struct ir_frontend *fe, struct ir_insn *insn, const struct module_func_type *type);
/* The node that lists the traced operands on the stack. They are in their temporaries afterwards. */
uint32_t frontend_references(struct ir_frontend *fe);

struct control *frontend_control(struct ir_frontend *fe, uint32_t depth);
/* Opens a control of the block type `raw` (as in struct module_insn): operands settled, label made. NULL: dead code. */
struct control *frontend_open(struct ir_frontend *fe, enum module_frame_kind kind, int64_t raw);
/* Brings the results of an arm to where the label expects them, and cuts the stack. */
void frontend_end_arm(struct ir_frontend *fe, const struct control *control);

void frontend_unary(struct ir_frontend *fe, uint16_t op, enum ir_class result);
void frontend_binary(struct ir_frontend *fe, uint16_t op, enum ir_class result);
void frontend_load(struct ir_frontend *fe, uint16_t op, enum ir_class result, const struct module_memarg *memarg);
void frontend_store(struct ir_frontend *fe, uint16_t op, const struct module_memarg *memarg);
/* The operand of a memory access: a constant where the access has a form for it. */
struct operand frontend_pop_address(struct ir_frontend *fe, uint16_t op, const struct module_memarg *memarg);
void frontend_use_address(struct ir_frontend *fe, struct ir_insn *insn, const struct operand *address,
                          const struct module_memarg *memarg);

void frontend_row_insn(struct ir_frontend *fe, const struct module_insn *insn);        /* frontend_row.c */
void frontend_references_insn(struct ir_frontend *fe, const struct module_insn *insn); /* frontend_gc.c */
void frontend_exceptions_insn(struct ir_frontend *fe, const struct module_insn *insn); /* frontend_eh.c */
/* With canonical NaNs, after `op`, the newest instruction, whose result is the topmost operand: what makes a NaN among it
 * the canonical one. frontend_unary and _binary do it themselves (frontend_row.c). */
void frontend_make_canonical(struct ir_frontend *fe, uint16_t op);
/* With canonical NaNs, before `op`, which takes `operand`: takes back what has just made it canonical where `op` will do. */
void frontend_leave_nan(struct ir_frontend *fe, uint16_t op, const struct operand *operand);
/* At the start of a function with fuel: finds fe->fuel_costs and charges the first (frontend_fuel.c). */
void frontend_begin_fuel(struct ir_frontend *fe);
/* What each iteration of loop `index` costs, the first of the function being 1. */
void frontend_charge(struct ir_frontend *fe, uint32_t index);
/* Before an instruction without register form whose topmost operand, settled, says how much it does. */
void frontend_charge_size(struct ir_frontend *fe, const struct module_insn *insn);
/* At the end of a try_table or try: closes its range, and emits the landing pads of try_table. `control` is popped. */
void frontend_end_try(struct ir_frontend *fe, struct control *control);

#endif
