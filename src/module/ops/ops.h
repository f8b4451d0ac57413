/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* From opcodes to rows of the instruction table. Private to the room `module`; the arrays are generated. */
#ifndef MODULE_OPS_OPS_H
#define MODULE_OPS_OPS_H

#include "module/module.h"

/* By one-byte opcode: enum module_op + 1, or 0 for a byte that is a prefix or unassigned. */
extern const uint16_t module_op_lookup_00[256];

/* enum module_op + 1, or 0 when `code` is not assigned under `prefix` (0, 0xFB ... 0xFE). */
unsigned module_op_lookup(uint8_t prefix, uint32_t code);

/* How to read the short form of a WebAssembly 1.0 instruction at once: opcode and up to two immediates of one byte. */
enum module_short_value { MODULE_SHORT_FIRST, MODULE_SHORT_MEMARG, MODULE_SHORT_I32 };
struct module_op_short {
  uint16_t op;
  uint8_t len_bytes;             /* 0: no short form */
  uint8_t first_min, first_span; /* first immediate byte: first_min ... first_min + first_span */
  uint8_t second_max;
  uint8_t sign;  /* sign bit of the first immediate byte, or 0 */
  uint8_t value; /* enum module_short_value */
};
extern const struct module_op_short module_op_shorts[256];

#endif
