/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Tables: arrays of references that grow by doubling. Their capacity, not their count, is taken from the budget. */
#include "engine/internal.h"

static void fill(uint64_t *elems, uint64_t value, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) elems[i] = value;
}

static uint64_t max_count_of(const struct engine_store *store, const struct module_table_type *type) {
  uint64_t max = store->limits.table_elements;
  if (max > SIZE_MAX / sizeof(uint64_t)) max = SIZE_MAX / sizeof(uint64_t);
  if (!type->limits.is_64 && max > UINT32_MAX) max = UINT32_MAX;
  return type->limits.has_max && type->limits.max < max ? type->limits.max : max;
}

/* The first time as zeros, which the system gives without touching them: a module may ask for thousands of tables. */
static bool resize(struct engine_table *table, uint64_t capacity) {
  uint64_t *elems = table->elems ? base_resize_array(table->elems, (size_t)capacity, sizeof *elems)
                                 : base_alloc_zero((size_t)capacity, sizeof *elems);
  if (!elems) return false;
  table->elems = elems;
  table->capacity = capacity;
  return true;
}

/* Makes room for `capacity` elements, more than there is; a refusal is no hit. */
static bool reserve(struct engine_table *table, uint64_t capacity) {
  assert(capacity > table->capacity && capacity <= table->max_count);
  uint64_t more_bytes = (capacity - table->capacity) * sizeof(uint64_t);
  if (!engine_budget_try(table->store, more_bytes)) return false;
  if (resize(table, capacity)) return true;
  engine_budget_give(table->store, more_bytes);
  return false;
}

/* As reserve, for a new table, saying why not. */
static enum cay_status reserve_first(struct engine_table *table, uint64_t count, struct cay_error *error) {
  struct engine_store *store = table->store;
  char limit[ENGINE_LIMIT_TEXT_BYTES];
  if (!engine_budget_take(store, count * sizeof(uint64_t)))
    return base_error_set(error, CAY_ERROR_LIMIT, "a table of %llu elements exceeds %s", (unsigned long long)count,
                          engine_budget_text(store->budget, limit));
  if (count == 0 || resize(table, count)) return CAY_OK;
  engine_budget_give(store, count * sizeof(uint64_t));
  return base_error_set(error, CAY_ERROR_MEMORY, "no memory for a table of %llu elements", (unsigned long long)count);
}

enum cay_status engine_table_new(struct engine_store *store, const struct module_table_type *type, uint64_t init,
                                 struct engine_table **out, struct cay_error *error) {
  if (store->table_count >= store->limits.tables)
    return base_error_set(error, CAY_ERROR_LIMIT, "more than %u tables", store->limits.tables);
  uint64_t count = type->limits.min, max_count = max_count_of(store, type);
  if (count > max_count)
    return base_error_set(error, CAY_ERROR_LIMIT, "a table of %llu elements exceeds the limit of %llu",
                          (unsigned long long)count, (unsigned long long)max_count);
  struct engine_table *table = base_arena_alloc(&store->arena, 1, sizeof *table);
  if (!table) return base_error_memory(error);
  table->type = *type;
  table->is_traced = engine_types_traced(store->engine, type->elem);
  table->store = store;
  table->max_count = max_count;
  enum cay_status status = reserve_first(table, count, error);
  if (status != CAY_OK) return status;
  if (init != 0) fill(table->elems, init, count);
  table->count = count;
  table->next = store->tables;
  store->tables = table;
  store->table_count++;
  *out = table;
  return CAY_OK;
}

void engine_table_deinit(struct engine_table *table) { base_free(table->elems); }

void engine_tables_drop(struct engine_store *store, uint32_t count) {
  for (; store->table_count > count; store->table_count--) {
    struct engine_table *table = store->tables;
    store->tables = table->next;
    engine_budget_give(store, table->capacity * sizeof *table->elems);
    engine_table_deinit(table);
  }
}

static uint64_t refused(const struct engine_table *table, uint64_t capacity) {
  uint64_t more_bytes = (capacity - table->capacity) * sizeof(uint64_t);
  engine_budget_refused(table->store, more_bytes);
  return UINT64_MAX;
}

uint64_t engine_table_grow(struct engine_table *table, uint64_t delta, uint64_t value) {
  uint64_t old_count = table->count;
  assert(old_count <= table->capacity && old_count <= table->max_count);
  if (delta > table->max_count - old_count) return UINT64_MAX;
  uint64_t count = old_count + delta;
  if (count > table->capacity) {
    uint64_t doubled = table->capacity < table->max_count / 2 ? table->capacity * 2 : table->max_count;
    if ((doubled <= count || !reserve(table, doubled)) && !reserve(table, count)) return refused(table, count);
  }
  if (delta) fill(table->elems + old_count, value, delta);
  table->count = count;
  return old_count;
}

static bool in_range(const struct engine_table *table, uint64_t at, uint64_t count) {
  return at <= table->count && count <= table->count - at;
}

enum engine_trap engine_table_fill(struct engine_table *table, uint64_t at, uint64_t value, uint64_t count) {
  if (!in_range(table, at, count)) return ENGINE_TRAP_TABLE_BOUNDS;
  if (count) fill(table->elems + at, value, count);
  return ENGINE_TRAP_NONE;
}

enum engine_trap engine_table_copy(struct engine_table *to, uint64_t to_at, struct engine_table *from, uint64_t from_at,
                                   uint64_t count) {
  if (!in_range(to, to_at, count) || !in_range(from, from_at, count)) return ENGINE_TRAP_TABLE_BOUNDS;
  if (count) memmove(to->elems + to_at, from->elems + from_at, (size_t)count * sizeof *to->elems);
  return ENGINE_TRAP_NONE;
}
