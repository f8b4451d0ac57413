/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Element and data segments: the instructions that read them, and dropping.
 *
 * Segments stay in the module, which never changes; an instance only remembers which it has dropped. Elements given as
 * function indices need no storage; those given as expressions are evaluated once: on first use, which nobody can tell from
 * instantiation because they read only constants, but at instantiation when they may make objects, because the
 * instructions that read segments are no place to collect. */
#include "engine/internal.h"

static bool is_dropped(const uint8_t *bits, uint32_t index) { return bits[index / 8] >> (index % 8) & 1; }

static void set_dropped(uint8_t *bits, uint32_t index) { bits[index / 8] |= (uint8_t)(1u << (index % 8)); }

enum engine_trap engine_memory_init(struct engine_instance *instance, uint32_t memory, uint32_t data, uint64_t at,
                                    uint64_t from_at, uint64_t count) {
  assert(data < instance->module->data_count && memory < instance->module->memory_count);
  const struct module_data_segment *segment = &instance->module->datas[data];
  uint64_t len_bytes = engine_data_length(instance, data);
  uint8_t *to = engine_memory_range(instance->memories[memory], at, count);
  if (!to || from_at > len_bytes || count > len_bytes - from_at) return ENGINE_TRAP_MEMORY_BOUNDS;
  const uint8_t *from = instance->module->bytes + segment->bytes_offset + from_at;
  if (count && instance->memories[memory]->shared)
    base_racy_move(to, from, (size_t)count);
  else if (count)
    memcpy(to, from, (size_t)count);
  return ENGINE_TRAP_NONE;
}

void engine_data_drop(struct engine_instance *instance, uint32_t data) { set_dropped(instance->datas_dropped, data); }

uint64_t engine_data_length(const struct engine_instance *instance, uint32_t data) {
  return is_dropped(instance->datas_dropped, data) ? 0 : instance->module->datas[data].len_bytes;
}

uint64_t engine_elem_length(const struct engine_instance *instance, uint32_t elem) {
  return is_dropped(instance->elems_dropped, elem) ? 0 : instance->module->elems[elem].count;
}

bool engine_elem_makes_objects(const struct engine_instance *instance, uint32_t elem) {
  const struct module_elem *segment = &instance->module->elems[elem];
  return segment->exprs && module_type_is_traced(instance->module->types, segment->type);
}

/* The items are the instance's from the beginning, so that a collection finds those that are there. */
enum engine_trap engine_elem_evaluate(struct engine_instance *instance, uint32_t elem) {
  const struct module_elem *segment = &instance->module->elems[elem];
  uint64_t *items = base_alloc_zero(segment->count, sizeof *items);
  if (!items) return ENGINE_TRAP_OUT_OF_MEMORY;
  instance->elem_items[elem] = items;
  for (uint32_t i = 0; i < segment->count; i++) {
    uint64_t value[2];
    enum engine_trap trap = engine_const_value(instance, segment->exprs[i], value);
    if (trap == ENGINE_TRAP_NONE) {
      items[i] = value[0];
      continue;
    }
    instance->elem_items[elem] = NULL;
    base_free(items);
    return trap;
  }
  return ENGINE_TRAP_NONE;
}

enum engine_trap engine_elem_copy(struct engine_instance *instance, uint32_t elem, uint64_t from_at, uint64_t count,
                                  uint64_t *to) {
  assert(from_at <= engine_elem_length(instance, elem) && count <= engine_elem_length(instance, elem) - from_at);
  if (count == 0) return ENGINE_TRAP_NONE;
  const struct module_elem *segment = &instance->module->elems[elem];
  if (segment->func_indices) {
    for (uint64_t i = 0; i < count; i++) to[i] = (uintptr_t)instance->functions[segment->func_indices[from_at + i]];
    return ENGINE_TRAP_NONE;
  }
  if (!instance->elem_items[elem]) {
    enum engine_trap trap = engine_elem_evaluate(instance, elem);
    if (trap != ENGINE_TRAP_NONE) return trap;
  }
  memcpy(to, instance->elem_items[elem] + from_at, (size_t)count * sizeof *to);
  return ENGINE_TRAP_NONE;
}

enum engine_trap engine_table_init(struct engine_instance *instance, uint32_t table, uint32_t elem, uint64_t at,
                                   uint64_t from_at, uint64_t count) {
  assert(elem < instance->module->elem_count && table < instance->module->table_count);
  const struct engine_table *to = instance->tables[table];
  uint64_t items = engine_elem_length(instance, elem);
  if (at > to->count || count > to->count - at || from_at > items || count > items - from_at)
    return ENGINE_TRAP_TABLE_BOUNDS;
  return engine_elem_copy(instance, elem, from_at, count, to->elems + at);
}

void engine_elem_drop(struct engine_instance *instance, uint32_t elem) {
  set_dropped(instance->elems_dropped, elem);
  base_free(instance->elem_items[elem]);
  instance->elem_items[elem] = NULL;
}
