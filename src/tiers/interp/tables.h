/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a translated function keeps besides its code: where references lie, and what catches exceptions. */
#ifndef TIERS_INTERP_TABLES_H
#define TIERS_INTERP_TABLES_H

#include "tiers/interp/encode.h"

struct interp_clause {
  uint32_t tag;                  /* index in the module, or IR_ANY_TAG */
  uint32_t insn;                 /* where it goes on */
  uint32_t value_slot, ref_slot; /* ref_slot: or IR_NO_SLOT */
  uint32_t next;                 /* or IR_NO_CATCH */
};

struct interp_tables;
/* Copies what the encoder and the register code have; `*out` is NULL when there is nothing. False: no memory. */
bool interp_tables_new(const struct interp_encoder *encoder, const struct ir_function *ir, struct interp_tables **out);
size_t interp_tables_bytes(const struct interp_tables *tables); /* NULL: 0 */
/* Visits what the frame at `fp`, standing at instruction `insn`, holds. */
void interp_tables_visit(const struct interp_tables *tables, uint32_t insn, const uint64_t *fp,
                         void (*visit)(void *env, uint64_t reference), void *env);
/* The clause that catches an exception of tag `tag` of `instance`, thrown at instruction `insn`; NULL: none. */
const struct interp_clause *interp_tables_catch(const struct interp_tables *tables, uint32_t insn,
                                                const struct engine_instance *instance, const struct engine_tag *tag);

#endif
