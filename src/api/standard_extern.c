/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Globals, tables and memories of wasm.h, and externals as one.
 *
 * What the embedder makes has the types that wasm.h can name. What a guest exports may have others: it can be read and
 * looked at, and null can be written where the type has it. A reference whose store has ended fails as one of another
 * store does, or reads as empty. */
#include <inttypes.h>

#include "api/standard.h"

/* A failure that the caller sees as NULL or false. */
static bool done(enum cay_status status) { return status == CAY_OK; }

static struct engine_table *table_of(const wasm_table_t *table) {
  return table->ref.store ? standard_inner(&table->ref) : NULL;
}
static struct engine_memory *memory_of(const wasm_memory_t *memory) {
  return memory->ref.store ? standard_inner(&memory->ref) : NULL;
}

static uint32_t saturated(uint64_t size) { return size < UINT32_MAX ? (uint32_t)size : UINT32_MAX; }

/* ---- Globals ------------------------------------------------------------------------------------------------------------------ */

static bool is_traced(wasm_store_t *store, module_type type) {
  if (!module_type_is_ref(type) || type == MODULE_FUNCREF) return false;
  return type == MODULE_EXTERNREF || engine_type_is_traced(store->inner, type);
}

wasm_global_t *wasm_global_new(wasm_store_t *store, const wasm_globaltype_t *type, const wasm_val_t *value) {
  struct module_global_type inner = {standard_type_of(type->content->kind), type->mutability == WASM_VAR};
  struct engine_extern made = {.kind = MODULE_GLOBAL};
  uint64_t slots[2] = {0};
  if (inner.type == MODULE_BOTTOM) {
    base_error_set(&store->error, CAY_ERROR_UNSUPPORTED, "a host's global cannot have a type that wasm.h lacks");
    return NULL;
  }
  if (!done(standard_value_in(store, NULL, inner.type, value, slots, &store->error)) ||
      !done(engine_global_new(store->inner, &inner, slots, &made.global, &store->error)))
    return NULL;
  wasm_global_t *global = (wasm_global_t *)standard_extern(store, &made);
  if (!global) base_error_memory(&store->error);
  return global;
}

wasm_globaltype_t *wasm_global_type(const wasm_global_t *global) {
  return (wasm_globaltype_t *)standard_globaltype(&global->type);
}

void wasm_global_get(const wasm_global_t *global, wasm_val_t *out) {
  wasm_store_t *store = global->ref.store;
  static const uint64_t nothing[2];
  module_type type = global->type.type;
  const struct engine_global *cell = store ? standard_inner(&global->ref) : NULL;
  bool traced = store && is_traced(store, type);
  if (!standard_value_out(store, type, traced, cell ? cell->value : nothing, out)) base_error_memory(&store->error);
}

static enum cay_status global_set(wasm_store_t *store, const wasm_global_t *global, const wasm_val_t *value) {
  struct engine_global *cell = standard_inner(&global->ref);
  uint64_t slots[2] = {0};
  if (!global->type.is_mutable) return base_error_set(&store->error, CAY_ERROR_ARGUMENT, "the global is a constant");
  enum cay_status status = standard_value_in(store, NULL, global->type.type, value, slots, &store->error);
  if (status == CAY_OK) cell->value[0] = slots[0];
  return status;
}

void wasm_global_set(wasm_global_t *global, const wasm_val_t *value) {
  if (global->ref.store) global_set(global->ref.store, global, value);
}

/* ---- Tables ------------------------------------------------------------------------------------------------------------------- */

/* Null fits every table whose type has it, other references those that wasm.h can name. */
static bool element_in(const wasm_table_t *table, wasm_ref_t *ref, uint64_t *out) {
  wasm_store_t *store = table->ref.store;
  module_type type = table_of(table)->type.elem;
  if (!ref && !module_type_has_default(type))
    return done(base_error_set(&store->error, CAY_ERROR_ARGUMENT, "the table cannot hold null"));
  return done(standard_ref_in(store, type, ref, out, &store->error));
}

wasm_table_t *wasm_table_new(wasm_store_t *store, const wasm_tabletype_t *type, wasm_ref_t *init) {
  struct module_table_type inner = {standard_type_of(type->element->kind), standard_limits_of(&type->limits)};
  struct engine_extern made = {.kind = MODULE_TABLE};
  uint64_t value;
  if (!module_type_is_ref(inner.elem)) {
    base_error_set(&store->error, CAY_ERROR_ARGUMENT, "a table is one of funcref or externref");
    return NULL;
  }
  if (inner.limits.min > inner.limits.max) {
    base_error_set(&store->error, CAY_ERROR_ARGUMENT, "the minimum is larger than the maximum");
    return NULL;
  }
  if (!done(standard_ref_in(store, inner.elem, init, &value, &store->error)) ||
      !done(engine_table_new(store->inner, &inner, value, &made.table, &store->error)))
    return NULL;
  wasm_table_t *table = (wasm_table_t *)standard_extern(store, &made);
  if (!table) base_error_memory(&store->error);
  return table;
}

wasm_tabletype_t *wasm_table_type(const wasm_table_t *table) {
  const struct engine_table *inner = table_of(table);
  return inner ? (wasm_tabletype_t *)standard_tabletype(&inner->type, inner->count) : NULL;
}

wasm_ref_t *wasm_table_get(const wasm_table_t *table, wasm_table_size_t index) {
  const struct engine_table *inner = table_of(table);
  wasm_ref_t *ref = NULL;
  if (inner && index < inner->count && !standard_ref_out(table->ref.store, inner->is_traced, inner->elems[index], &ref))
    base_error_memory(&table->ref.store->error);
  return ref;
}

static bool beyond(wasm_store_t *store, const char *what, uint64_t index, uint64_t count) {
  return done(base_error_set(&store->error, CAY_ERROR_LIMIT, "%s %" PRIu64 " of a table of %" PRIu64 " elements", what,
                             index, count));
}

bool wasm_table_set(wasm_table_t *table, wasm_table_size_t index, wasm_ref_t *ref) {
  struct engine_table *inner = table_of(table);
  uint64_t value;
  if (!inner) return false;
  if (index >= inner->count) return beyond(table->ref.store, "element", index, inner->count);
  if (!element_in(table, ref, &value)) return false;
  inner->elems[index] = value;
  return true;
}

wasm_table_size_t wasm_table_size(const wasm_table_t *table) {
  const struct engine_table *inner = table_of(table);
  return inner ? saturated(inner->count) : 0;
}

bool wasm_table_grow(wasm_table_t *table, wasm_table_size_t delta, wasm_ref_t *init) {
  struct engine_table *inner = table_of(table);
  uint64_t value = 0;
  if (!inner || (delta > 0 && !element_in(table, init, &value))) return false;
  if (engine_table_grow(inner, delta, value) != UINT64_MAX) return true;
  return beyond(table->ref.store, "no growth by", delta, inner->count);
}

/* ---- Memories ----------------------------------------------------------------------------------------------------------------- */

static_assert(sizeof(MEMORY_PAGE_SIZE) == sizeof(size_t), "as others have it");

wasm_memory_t *wasm_memory_new(wasm_store_t *store, const wasm_memorytype_t *type) {
  struct module_memory_type inner = {.limits = standard_limits_of(&type->limits), .page_log2 = 16};
  struct engine_extern made = {.kind = MODULE_MEMORY};
  const uint64_t most = UINT64_C(1) << 16;
  if (inner.limits.min > most || (inner.limits.has_max && inner.limits.max > most) ||
      inner.limits.min > inner.limits.max) {
    base_error_set(&store->error, CAY_ERROR_ARGUMENT,
                   "a memory has at most 65,536 pages, and its maximum at least as "
                   "many as its minimum");
    return NULL;
  }
  if (!done(engine_memory_new(store->inner, &inner, &made.memory, &store->error))) return NULL;
  wasm_memory_t *memory = (wasm_memory_t *)standard_extern(store, &made);
  if (!memory) base_error_memory(&store->error);
  return memory;
}

wasm_memorytype_t *wasm_memory_type(const wasm_memory_t *memory) {
  const struct engine_memory *inner = memory_of(memory);
  return inner ? (wasm_memorytype_t *)standard_memorytype(&inner->type, inner->page_count) : NULL;
}

byte_t *wasm_memory_data(wasm_memory_t *memory) {
  const struct engine_memory *inner = memory_of(memory);
  return inner ? (byte_t *)inner->base : NULL;
}

size_t wasm_memory_data_size(const wasm_memory_t *memory) {
  const struct engine_memory *inner = memory_of(memory);
  return inner ? (size_t)inner->len_bytes : 0;
}

wasm_memory_pages_t wasm_memory_size(const wasm_memory_t *memory) {
  const struct engine_memory *inner = memory_of(memory);
  return inner ? saturated(inner->page_count) : 0;
}

bool wasm_memory_grow(wasm_memory_t *memory, wasm_memory_pages_t delta) {
  struct engine_memory *inner = memory_of(memory);
  if (!inner) return false;
  if (engine_memory_grow(inner, delta) != UINT64_MAX) return true;
  return done(base_error_set(&memory->ref.store->error, CAY_ERROR_LIMIT,
                             "no growth by %" PRIu32 " of a memory of %" PRIu64 " pages", delta,
                             (uint64_t)inner->page_count));
}

/* ---- As one ------------------------------------------------------------------------------------------------------------------- */

wasm_externkind_t wasm_extern_kind(const wasm_extern_t *external) {
  return external->ref.kind == STANDARD_TAG ? (wasm_externkind_t)CAY_WASM_EXTERN_TAG : external->ref.kind;
}

wasm_externtype_t *wasm_extern_type(const wasm_extern_t *external) {
  switch ((enum standard_kind)external->ref.kind) {
  case STANDARD_FUNC: return (wasm_externtype_t *)wasm_func_type((const wasm_func_t *)external);
  case STANDARD_GLOBAL: return (wasm_externtype_t *)wasm_global_type((const wasm_global_t *)external);
  case STANDARD_TABLE: return (wasm_externtype_t *)wasm_table_type((const wasm_table_t *)external);
  case STANDARD_MEMORY: return (wasm_externtype_t *)wasm_memory_type((const wasm_memory_t *)external);
  default: return standard_tagtype();
  }
}
