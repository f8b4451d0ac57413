/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Tables of translated functions, read when something is collected or thrown; most functions have none.
 *
 * References: a map for each position that may collect, ascending, leads to a list of the temporaries that hold
 * references there; parameters and locals hold theirs all the time. Exceptions: ranges of positions, inner ones first,
 * each with clauses in the order in which they are tried. One block of memory. */
#include "tiers/tables.h"

#include <assert.h>

struct tables {
  uint32_t local_count, map_count, node_count, range_count, clause_count, try_count;
  size_t bytes;
  uint32_t *locals;
  struct tables_map *maps;
  struct ir_node *nodes;
  struct tables_range *ranges;
  struct ir_try *tries;
  struct tables_clause *clauses;
};

static void *take(char **cursor, size_t count, size_t item_bytes, const void *from) {
  char *at = *cursor;
  if (from && count) memcpy(at, from, count * item_bytes);
  *cursor += (count * item_bytes + 7) & ~(size_t)7;
  return at;
}

static void fill_clauses(struct tables *tables, const uint32_t *labels, const struct ir_function *ir) {
  for (uint32_t i = 0; i < tables->clause_count; i++) {
    const struct ir_catch *from = &ir->catches.items[i];
    tables->clauses[i] = (struct tables_clause){.tag = from->tag,
                                                .position = labels[from->label],
                                                .value_slot = from->value_slot,
                                                .ref_slot = from->ref_slot,
                                                .next = from->next};
    assert(tables->clauses[i].position != UINT32_MAX);
  }
}

bool tables_new(const struct tables_source *from, const struct ir_function *ir, struct tables **out) {
  *out = NULL;
  size_t nodes = from->map_count ? ir->nodes.count : 0, locals = ir->local_references.count;
  size_t tries = from->range_count ? ir->tries.count : 0, catches = from->range_count ? ir->catches.count : 0;
  if (locals + from->map_count + from->range_count == 0) return true;
  size_t bytes = sizeof **out + locals * sizeof(uint32_t) + from->map_count * sizeof(struct tables_map) +
                 nodes * sizeof(struct ir_node) + from->range_count * sizeof(struct tables_range) +
                 tries * sizeof(struct ir_try) + catches * sizeof(struct tables_clause) + 6 * 8;
  struct tables *tables = base_alloc(bytes);
  if (!tables) return false;
  char *cursor = (char *)(tables + 1);
  *tables = (struct tables){.local_count = (uint32_t)locals,
                            .map_count = (uint32_t)from->map_count,
                            .node_count = (uint32_t)nodes,
                            .range_count = (uint32_t)from->range_count,
                            .clause_count = (uint32_t)catches,
                            .try_count = (uint32_t)tries,
                            .bytes = bytes};
  tables->locals = take(&cursor, locals, sizeof(uint32_t), ir->local_references.items);
  tables->maps = take(&cursor, tables->map_count, sizeof *tables->maps, from->maps);
  tables->nodes = take(&cursor, nodes, sizeof *tables->nodes, ir->nodes.items);
  tables->ranges = take(&cursor, tables->range_count, sizeof *tables->ranges, from->ranges);
  tables->tries = take(&cursor, tables->try_count, sizeof *tables->tries, ir->tries.items);
  tables->clauses = take(&cursor, tables->clause_count, sizeof *tables->clauses, NULL);
  assert(cursor <= (char *)tables + bytes);
  fill_clauses(tables, from->labels, ir);
  *out = tables;
  return true;
}

size_t tables_bytes(const struct tables *tables) { return tables ? tables->bytes : 0; }

/* ---- References -------------------------------------------------------------------------------------------------- */

static uint32_t node_at(const struct tables *tables, uint32_t position) {
  uint32_t low = 0, high = tables->map_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (tables->maps[middle].position == position) return tables->maps[middle].node;
    if (tables->maps[middle].position < position)
      low = middle + 1;
    else
      high = middle;
  }
  return IR_NO_NODE;
}

void tables_visit(const struct tables *tables, uint32_t position, const uint64_t *fp,
                  void (*visit)(void *env, uint64_t reference), void *env) {
  if (!tables) return;
  for (uint32_t i = 0; i < tables->local_count; i++) visit(env, fp[tables->locals[i]]);
  for (uint32_t node = node_at(tables, position); node != IR_NO_NODE; node = tables->nodes[node - 1].next) {
    assert(node <= tables->node_count);
    visit(env, fp[tables->nodes[node - 1].slot]);
  }
}

/* ---- Exceptions -------------------------------------------------------------------------------------------------- */

static const struct tables_clause *clause_of(const struct tables *tables, const struct ir_try *range,
                                             const struct engine_instance *instance, const struct engine_tag *tag) {
  for (uint32_t i = range->first_catch; i != IR_NO_CATCH; i = tables->clauses[i].next) {
    const struct tables_clause *clause = &tables->clauses[i];
    if (clause->tag == IR_ANY_TAG || instance->tags[clause->tag] == tag) return clause;
  }
  return NULL;
}

const struct tables_clause *tables_catch(const struct tables *tables, uint32_t position,
                                         const struct engine_instance *instance, const struct engine_tag *tag) {
  bool is_delegated = false;
  uint32_t target = IR_NO_TRY;
  for (uint32_t i = 0; tables && i < tables->range_count; i++) {
    const struct tables_range *range = &tables->ranges[i];
    if (position < range->start || position >= range->end || (is_delegated && range->own != target)) continue;
    const struct ir_try *own = &tables->tries[range->own];
    is_delegated = own->delegates;
    target = own->target;
    if (is_delegated && target == IR_NO_TRY) return NULL;
    const struct tables_clause *clause = is_delegated ? NULL : clause_of(tables, own, instance, tag);
    if (clause) return clause;
  }
  return NULL;
}

void tables_land(const struct tables_clause *clause, uint64_t *fp, uint64_t reference) {
  const struct engine_exception *exception = (const struct engine_exception *)(void *)engine_ref_object(reference);
  if (clause->tag != IR_ANY_TAG && exception->type->func->param_slots)
    memcpy(fp + clause->value_slot, exception->values, exception->type->func->param_slots * sizeof *fp);
  if (clause->ref_slot != IR_NO_SLOT) fp[clause->ref_slot] = reference;
}
