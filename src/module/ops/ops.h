/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* From opcodes to rows of the instruction table. Private to the room `module`; the arrays are generated. */
#ifndef MODULE_OPS_OPS_H
#define MODULE_OPS_OPS_H

#include "module/module.h"

/* By one-byte opcode: enum module_op + 1, or 0 for a byte that is a prefix or unassigned. */
extern const uint16_t module_op_lookup_00[256];

/* enum module_op + 1, or 0 when `code` is not assigned under `prefix` (0, 0xFB ... 0xFE). */
unsigned module_op_lookup(uint8_t prefix, uint32_t code);

#endif
