/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Function types of an engine, each stored once, so that equality of types across modules is equality of numbers.
 *
 * An open hash table of ids with linear probing. Types are never removed: there are few, and ids lie in functions.
 * The runnable proposals have no types that name other types; a reference to a type index would need recursion groups
 * here and is refused by engine_instantiate. */
#include "engine/internal.h"

static uint64_t type_hash(const struct module_func_type *type) {
  uint64_t params = base_hash(type->params, type->param_count * sizeof *type->params);
  uint64_t results = base_hash(type->results, type->result_count * sizeof *type->results);
  return params * UINT64_C(0x9E3779B97F4A7C15) + results + type->param_count;
}

static uint32_t slot_find(const struct engine_types *types, const struct module_func_type *type) {
  uint32_t mask = types->slot_count - 1;
  uint32_t slot = (uint32_t)(type_hash(type) >> 7) & mask;
  while (types->slots[slot] && !module_func_type_equal(types->list.items[types->slots[slot] - 1], type))
    slot = (slot + 1) & mask;
  return slot;
}

static bool slots_reserve(struct engine_types *types) {
  if ((types->list.count + 1) * 2 <= types->slot_count) return true;
  uint32_t count = types->slot_count ? types->slot_count * 2 : 64;
  uint32_t *slots = base_alloc_zero(count, sizeof *slots);
  if (!slots) return false;
  base_free(types->slots);
  types->slots = slots;
  types->slot_count = count;
  for (uint32_t i = 0; i < types->list.count; i++) slots[slot_find(types, types->list.items[i])] = i + 1;
  return true;
}

static uint32_t slots_of(const module_type *types, uint32_t count) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < count; i++) sum += module_type_slots(types[i]);
  return sum;
}

static struct module_func_type *type_copy(struct engine_types *types, const struct module_func_type *type) {
  uint32_t params = type->param_count, results = type->result_count;
  struct module_func_type *copy = base_arena_alloc(&types->arena, 1, sizeof *copy);
  module_type *list = base_arena_alloc(&types->arena, (size_t)params + results + 1, sizeof *list);
  if (!copy || !list) return NULL;
  if (params) memcpy(list, type->params, params * sizeof *list);
  if (results) memcpy(list + params, type->results, results * sizeof *list);
  *copy = (struct module_func_type){.params = list,
                                    .results = list + params,
                                    .param_count = params,
                                    .result_count = results,
                                    .param_slots = slots_of(list, params),
                                    .result_slots = slots_of(list + params, results),
                                    .canonical = (uint32_t)types->list.count};
  return copy;
}

static const struct module_func_type *intern_locked(struct engine_types *types, const struct module_func_type *type,
                                                    uint32_t *id) {
  if (!slots_reserve(types)) return NULL;
  uint32_t slot = slot_find(types, type);
  if (!types->slots[slot]) {
    if (!BASE_VEC_RESERVE(&types->list, types->list.count + 1)) return NULL;
    struct module_func_type *copy = type_copy(types, type);
    if (!copy) return NULL;
    types->list.items[types->list.count++] = copy;
    types->slots[slot] = (uint32_t)types->list.count;
  }
  *id = types->slots[slot];
  return types->list.items[*id - 1];
}

const struct module_func_type *engine_types_intern(struct engine *engine, const struct module_func_type *type,
                                                   uint32_t *id) {
  pthread_mutex_lock(&engine->lock);
  const struct module_func_type *interned = intern_locked(&engine->types, type, id);
  pthread_mutex_unlock(&engine->lock);
  assert(!interned || *id != 0);
  return interned;
}

void engine_types_deinit(struct engine_types *types) {
  BASE_VEC_DEINIT(&types->list);
  base_free(types->slots);
  base_arena_deinit(&types->arena);
}
