/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a translated function keeps besides its code, in every tier: where references lie, and what catches exceptions.
 * A position is what the tier counts in: instructions or bytes. */
#ifndef TIERS_TABLES_H
#define TIERS_TABLES_H

#include "engine/engine.h"
#include "tiers/ir.h"

/* Which node of the register code's lists holds at a position. */
struct tables_map {
  uint32_t position, node;
};
/* Positions [start, end) whose exceptions range `own` of the register code catches. */
struct tables_range {
  uint32_t start, end, own;
};
struct tables_clause {
  uint32_t tag;                  /* index in the module, or IR_ANY_TAG */
  uint32_t position;             /* where it goes on */
  uint32_t value_slot, ref_slot; /* ref_slot: or IR_NO_SLOT */
  uint32_t next;                 /* or IR_NO_CATCH */
};

/* What a tier's translation of a function found. */
struct tables_source {
  const struct tables_map *maps; /* ascending */
  size_t map_count;
  const struct tables_range *ranges; /* inner ones first */
  size_t range_count;
  const uint32_t *labels; /* position of each label of the register code */
};

struct tables;
/* Copies what the translation and the register code have; `*out` is NULL when there is nothing. False: no memory. Freed
 * by base_free. */
bool tables_new(const struct tables_source *from, const struct ir_function *ir, struct tables **out);
size_t tables_bytes(const struct tables *tables); /* NULL: 0 */
/* Visits what the frame at `fp`, standing at `position`, holds. */
void tables_visit(const struct tables *tables, uint32_t position, const uint64_t *fp,
                  void (*visit)(void *env, uint64_t reference), void *env);
/* The clause that catches an exception of tag `tag` of `instance`, thrown at `position`; NULL: none. */
const struct tables_clause *tables_catch(const struct tables *tables, uint32_t position,
                                         const struct engine_instance *instance, const struct engine_tag *tag);
/* Writes the exception's values to where the clause wants them, in the frame at `fp`. */
void tables_land(const struct tables_clause *clause, uint64_t *fp, uint64_t exception);

#endif
