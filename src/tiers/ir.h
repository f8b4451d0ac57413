/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Register code: what the front-end makes of a function body and every tier reads.
 *
 * A function's values live in the slots of its frame (design: [params | locals | link | operand temporaries], 8 bytes
 * each). An instruction names its operands as slots or constants and its result as a slot.
 *
 * Invariants
 *  1. A temporary is written once before it is read and read exactly once after each write (stack discipline), so an
 *     operand marked as a temporary is dead after its instruction. Casts, tests of references and rethrow read theirs
 *     in place, without the mark.
 *  2. At a label every live operand is in its temporary; nothing is cached across labels.
 *  3. Arguments of calls, and operands of instructions without register form, stand in consecutive temporaries.
 *  4. Of two operands of a numeric instruction at most `b` is a constant (the front-end swaps or materialises). */
#ifndef TIERS_IR_H
#define TIERS_IR_H

#include "base/base.h"
#include "module/module.h"

/* Operations beyond the instruction table's. `label` operands index ir_function.labels. */
enum ir_op {
  IR_MOVE = MODULE_OP_COUNT, /* d <- a (slot) */
  IR_CONST,                  /* d <- konst */
  IR_LABEL,                  /* imm: label */
  IR_BR,                     /* imm: label */
  IR_BR_IF,                  /* a: condition; imm: label; IR_NEGATED: when zero */
  IR_BR_TABLE,               /* a: index; imm: first entry in ir_function.targets; b: entry count, default last */
  IR_RETURN,                 /* b: value slots; a: first one (one value: any slot or constant) */
  IR_CALL,                   /* d: first argument slot; imm: function */
  IR_CALL_INDIRECT,          /* d: first argument slot; a: index; imm: type; b: table */
  IR_RETURN_CALL,            /* as IR_CALL; b: argument slots */
  IR_RETURN_CALL_INDIRECT,   /* as IR_CALL_INDIRECT; konst: argument slots */
  IR_SELECT,                 /* d <- c ? a : b */
  IR_CALL_REF,               /* d: first argument slot; a: function; b: argument slots; imm: type */
  IR_RETURN_CALL_REF,        /* as IR_CALL_REF */
  IR_TRY,                    /* here begins range `imm` of ir_function.tries */
  IR_TRY_END,                /* here it ends */
  IR_FUEL,                   /* charges imm; only at the start and behind labels of loops: nothing is in registers */
  IR_FUEL_BYTES,             /* charges for the work of (a << imm) bytes; a is read in place */
  IR_MOVE_SLOTS,             /* d ... <- a ...: b slots of temporaries, in ascending order, d < a; imm: a type, whose
                                results they are, from number c on; IR_LOOP: its parameters */
  IR_OP_COUNT,
};

enum ir_flags {
  IR_A_TEMP = 1, /* operand a is a temporary: dead afterwards */
  IR_B_TEMP = 2,
  IR_C_TEMP = 4,
  IR_B_CONST = 8,  /* operand b is `konst` */
  IR_A_CONST = 16, /* IR_RETURN: operand a is `konst`; loads and stores: the address is `imm` alone */
  IR_NEGATED = 32,
  IR_LOOP = 64, /* IR_LABEL: target of backward branches; IR_MOVE_SLOTS: what one carries */
};

/* Where a value of a type is kept besides its slot. */
enum ir_class { IR_CLASS_NONE, IR_CLASS_INT, IR_CLASS_F32, IR_CLASS_F64, IR_CLASS_V128 };

struct ir_insn {
  uint16_t op; /* enum module_op or enum ir_op */
  uint8_t flags;
  uint8_t result; /* enum ir_class of d */
  uint32_t d, a, b, c;
  uint32_t offset; /* of the wasm instruction in the module */
  uint64_t imm;    /* index, label or memory offset; loads and stores have the memory in c */
  uint64_t konst;  /* the constant operand, as it lies in a slot */
};

/* Beyond these fields' plain meaning:
 *   v128.const               imm, konst: the low and the high half
 *   i8x16.shuffle            imm, konst: the lanes
 *   lane instructions        imm: the lane
 *   i64.add128, sub128       d, d + 1 <- (a, b), (c, imm): slots of the low and the high halves
 *   i64.mul_wide_s, _u       d, d + 1 <- a, b
 * Loads and stores of a lane are made of a load and a replacement, an extraction and a store. */
#define IR_NO_SLOT UINT32_MAX

/* Calls, and what allocates: `c` is the node of the topmost temporary that holds a reference which a collector follows
 * and that is still needed; from node to node one reaches them all. Sharing tails keeps the lists linear in the code. */
enum { IR_NO_NODE = 0 };
struct ir_node {
  uint32_t slot, next; /* next: a node, that is an index in ir_function.nodes plus one */
};

/* Whether `c` is that list: of the references that live while the instruction calls or allocates. */
static inline bool ir_may_collect(uint16_t op) {
  switch (op) {
  case IR_CALL:
  case IR_CALL_INDIRECT:
  case IR_CALL_REF:
  case MODULE_OP_STRUCT_NEW:
  case MODULE_OP_STRUCT_NEW_DEFAULT:
  case MODULE_OP_ARRAY_NEW:
  case MODULE_OP_ARRAY_NEW_DEFAULT:
  case MODULE_OP_ARRAY_NEW_FIXED:
  case MODULE_OP_ARRAY_NEW_DATA:
  case MODULE_OP_ARRAY_NEW_ELEM:
  case MODULE_OP_ARRAY_FILL:
  case MODULE_OP_ARRAY_COPY:
  case MODULE_OP_ARRAY_INIT_DATA:
  case MODULE_OP_ARRAY_INIT_ELEM:
  case MODULE_OP_THROW: return true;
  default: return false;
  }
}

/* Ranges of code whose exceptions are caught, and what catches them, in the order in which it is tried. */
#define IR_NO_TRY UINT32_MAX
#define IR_NO_CATCH UINT32_MAX
#define IR_ANY_TAG UINT32_MAX
struct ir_try {
  uint32_t first_catch, last_catch; /* in ir_function.catches */
  bool delegates;                   /* legacy `delegate`: nothing is caught, the search goes on at `target` */
  uint32_t target;                  /* a range that encloses this one, or IR_NO_TRY: it leaves the function */
};
struct ir_catch {
  uint32_t tag;   /* index in the module, or IR_ANY_TAG */
  uint32_t label; /* where it goes on */
  uint32_t value_slot;
  uint32_t ref_slot; /* takes the exception itself, or IR_NO_SLOT */
  uint32_t next;
};

struct ir_function {
  uint32_t func;                     /* index in the module */
  uint32_t param_slots, local_slots; /* local_slots: beyond the parameters */
  uint32_t link_slot;                /* = param_slots + local_slots; two slots */
  uint32_t frame_slots;              /* whole frame, link included */
  BASE_VEC(struct ir_insn) insns;
  BASE_VEC(uint32_t) targets; /* labels of the br_tables */
  BASE_VEC(struct ir_node) nodes;
  BASE_VEC(uint32_t) local_references; /* slots of parameters and locals that hold traced references */
  BASE_VEC(struct ir_try) tries;
  BASE_VEC(struct ir_catch) catches;
  uint32_t label_count;
};

enum { IR_LINK_SLOTS = 2 };

/* Everything the front-end keeps between functions; zero-initialise, reuse, ir_frontend_deinit. */
struct ir_frontend;
struct engine_code_options;
struct ir_frontend *ir_frontend_new(const struct engine_code_options *options);
void ir_frontend_free(struct ir_frontend *frontend);
/* Gives back what the last function needed; the next one grows it anew. The last result is gone. */
void ir_frontend_trim(struct ir_frontend *frontend);
/* Translates a validated function. The result is the front-end's and valid until the next call. NULL: no memory. */
const struct ir_function *ir_translate(struct ir_frontend *frontend, const struct module *module, uint32_t func);

/* Whether accesses to a memory are none of the usual ones: to memory 0, with 32-bit address and offset. */
static inline bool ir_access_is_general(const struct module *module, uint32_t memory) {
  return memory != 0 || module->memories[0].limits.is_64;
}

/* From the instruction table (ir_ops.gen.c): the same operation with its operands exchanged, or MODULE_OP_COUNT. */
extern const uint16_t ir_mirrored[MODULE_OP_COUNT];
static inline enum ir_class ir_class_of(module_type type) {
  switch (type) {
  case MODULE_F32: return IR_CLASS_F32;
  case MODULE_F64: return IR_CLASS_F64;
  case MODULE_V128: return IR_CLASS_V128;
  default: return IR_CLASS_INT;
  }
}

#endif
