/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Tables of translated functions, read when something is collected or thrown; most functions have none.
 *
 * References: a map for each instruction that may collect, ascending, leads to a list of the temporaries that hold
 * references there; parameters and locals hold theirs all the time. Exceptions: ranges of instructions, inner ones
 * first, each with clauses in the order in which they are tried. One block of memory, freed by base_free. */
#include "tiers/interp/tables.h"

#include <assert.h>

struct interp_tables {
  uint32_t local_count, map_count, node_count, range_count, clause_count, try_count;
  size_t bytes;
  uint32_t *locals;
  struct interp_map *maps;
  struct ir_node *nodes;
  struct interp_range *ranges;
  struct ir_try *tries;
  struct interp_clause *clauses;
};

static void *take(char **cursor, size_t count, size_t item_bytes, const void *from) {
  char *at = *cursor;
  if (from && count) memcpy(at, from, count * item_bytes);
  *cursor += (count * item_bytes + 7) & ~(size_t)7;
  return at;
}

static void fill_clauses(struct interp_tables *tables, const struct interp_encoder *encoder,
                         const struct ir_function *ir) {
  for (uint32_t i = 0; i < tables->clause_count; i++) {
    const struct ir_catch *from = &ir->catches.items[i];
    tables->clauses[i] = (struct interp_clause){.tag = from->tag,
                                                .insn = encoder->labels.items[from->label],
                                                .value_slot = from->value_slot,
                                                .ref_slot = from->ref_slot,
                                                .next = from->next};
    assert(tables->clauses[i].insn < encoder->insns.count);
  }
}

bool interp_tables_new(const struct interp_encoder *encoder, const struct ir_function *ir, struct interp_tables **out) {
  *out = NULL;
  size_t nodes = encoder->maps.count ? ir->nodes.count : 0, locals = ir->local_references.count;
  if (locals + encoder->maps.count + encoder->ranges.count == 0) return true;
  size_t bytes = sizeof **out + locals * sizeof(uint32_t) + encoder->maps.count * sizeof(struct interp_map) +
                 nodes * sizeof(struct ir_node) + encoder->ranges.count * sizeof(struct interp_range) +
                 ir->tries.count * sizeof(struct ir_try) + ir->catches.count * sizeof(struct interp_clause) + 6 * 8;
  struct interp_tables *tables = base_alloc(bytes);
  if (!tables) return false;
  char *cursor = (char *)(tables + 1);
  *tables = (struct interp_tables){.local_count = (uint32_t)locals,
                                   .map_count = (uint32_t)encoder->maps.count,
                                   .node_count = (uint32_t)nodes,
                                   .range_count = (uint32_t)encoder->ranges.count,
                                   .clause_count = (uint32_t)ir->catches.count,
                                   .try_count = (uint32_t)ir->tries.count,
                                   .bytes = bytes};
  tables->locals = take(&cursor, locals, sizeof(uint32_t), ir->local_references.items);
  tables->maps = take(&cursor, tables->map_count, sizeof *tables->maps, encoder->maps.items);
  tables->nodes = take(&cursor, nodes, sizeof *tables->nodes, ir->nodes.items);
  tables->ranges = take(&cursor, tables->range_count, sizeof *tables->ranges, encoder->ranges.items);
  tables->tries = take(&cursor, tables->try_count, sizeof *tables->tries, ir->tries.items);
  tables->clauses = take(&cursor, tables->clause_count, sizeof *tables->clauses, NULL);
  assert(cursor <= (char *)tables + bytes);
  fill_clauses(tables, encoder, ir);
  *out = tables;
  return true;
}

size_t interp_tables_bytes(const struct interp_tables *tables) { return tables ? tables->bytes : 0; }

/* ---- References -------------------------------------------------------------------------------------------------- */

static uint32_t node_at(const struct interp_tables *tables, uint32_t insn) {
  uint32_t low = 0, high = tables->map_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (tables->maps[middle].insn == insn) return tables->maps[middle].node;
    if (tables->maps[middle].insn < insn)
      low = middle + 1;
    else
      high = middle;
  }
  return IR_NO_NODE;
}

void interp_tables_visit(const struct interp_tables *tables, uint32_t insn, const uint64_t *fp,
                         void (*visit)(void *env, uint64_t reference), void *env) {
  if (!tables) return;
  for (uint32_t i = 0; i < tables->local_count; i++) visit(env, fp[tables->locals[i]]);
  for (uint32_t node = node_at(tables, insn); node != IR_NO_NODE; node = tables->nodes[node - 1].next) {
    assert(node <= tables->node_count);
    visit(env, fp[tables->nodes[node - 1].slot]);
  }
}

/* ---- Exceptions -------------------------------------------------------------------------------------------------- */

static const struct interp_clause *clause_of(const struct interp_tables *tables, const struct ir_try *range,
                                             const struct engine_instance *instance, const struct engine_tag *tag) {
  for (uint32_t i = range->first_catch; i != IR_NO_CATCH; i = tables->clauses[i].next) {
    const struct interp_clause *clause = &tables->clauses[i];
    if (clause->tag == IR_ANY_TAG || instance->tags[clause->tag] == tag) return clause;
  }
  return NULL;
}

const struct interp_clause *interp_tables_catch(const struct interp_tables *tables, uint32_t insn,
                                                const struct engine_instance *instance, const struct engine_tag *tag) {
  bool is_delegated = false;
  uint32_t target = IR_NO_TRY;
  for (uint32_t i = 0; tables && i < tables->range_count; i++) {
    const struct interp_range *range = &tables->ranges[i];
    if (insn < range->start || insn >= range->end || (is_delegated && range->own != target)) continue;
    const struct ir_try *own = &tables->tries[range->own];
    is_delegated = own->delegates;
    target = own->target;
    if (is_delegated && target == IR_NO_TRY) return NULL;
    const struct interp_clause *clause = is_delegated ? NULL : clause_of(tables, own, instance, tag);
    if (clause) return clause;
  }
  return NULL;
}
