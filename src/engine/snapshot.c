/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Snapshots: what the instances of a store hold at one moment, and stores that are brought to it, again and again.
 *
 * A snapshot is taken of a store that has been prepared. It belongs to no store: references to functions are noted by
 * instance and index, memories become images. A store in which the same modules were instantiated in the same order is
 * bound to it: images are mapped over its memories, copy-on-write, so that nothing is copied before a guest writes, and
 * everything else is written once as it will be needed, with this store's own addresses. Restoring then is to write over the
 * pages that were written to, or to throw them away (own_pages.c), and to copy tables and globals.
 *
 * Invariants
 *  1. Bound and restored, a store is to its guest what the snapshot's store was; nothing of a use is left: pages that were
 *     beyond a memory's length in the snapshot are zero when it grows again.
 *  2. What a store has taken of its budget since it was bound is given back.
 *  3. The snapshot outlives the stores that are bound to it.
 * Not for guests with shared memories, nor with objects in the heap at the moment of the snapshot: their addresses are no
 * other store's. Owner: whoever took it. Threads: it never changes. */
#include "engine/heap.h"
#include "engine/internal.h"

struct bound_memory {
  struct engine_image image; /* its descriptor, copy and view are the snapshot's, which outlives the store */
  struct engine_own_pages own;
};
/* References to functions in the form of noted_function; else as they are. */
struct values {
  uint64_t count;
  uint64_t *items;
};

struct engine_snapshot {
  uint32_t memory_count, table_count, instance_count;
  struct engine_image *memories; /* in the order of the store's lists: the newest first */
  struct values *tables;
  struct values *globals; /* of each instance, its own, two slots each */
  uint8_t **dropped;      /* of each instance: element segments, data segments */
};

/* What a bound store needs for being restored, in its arena. */
struct engine_restore {
  struct bound_memory *memories;
  uint64_t **tables, **globals;
  uint8_t **dropped;
  uint64_t *counts, *capacities; /* of the tables */
  uint64_t bytes_used;
};

/* ---- References ------------------------------------------------------------------------------------------------------ */

static size_t dropped_bytes(const struct module *module) {
  return module->elem_count / 8 + 1 + module->data_count / 8 + 1;
}
static uint32_t own_globals(const struct module *module) {
  return module->global_count - module->imported_global_count;
}

/* Instance and index of a function, plus one, so that null stays 0. UINT64_MAX: nobody has it. */
static uint64_t noted_function(const struct engine_store *store, uint64_t reference) {
  const struct engine_function *function = (const struct engine_function *)(uintptr_t)reference;
  uint64_t ordinal = 0;
  if (!function) return 0;
  for (const struct engine_instance *at = store->instances; at; at = at->next, ordinal++) {
    if (function->instance == at) return (ordinal << 32 | function->index) + 1;
    for (uint32_t i = 0; !function->instance && i < at->module->imported_func_count; i++)
      if (at->functions[i] == function) return (ordinal << 32 | i) + 1;
  }
  return UINT64_MAX;
}

static uint64_t function_noted(const struct engine_store *store, uint64_t noted) {
  if (noted == 0) return 0;
  const struct engine_instance *at = store->instances;
  for (uint64_t ordinal = (noted - 1) >> 32; ordinal > 0; ordinal--) at = at->next;
  return (uint64_t)(uintptr_t)at->functions[(uint32_t)(noted - 1)];
}

static bool is_function(const struct engine_store *store, module_type type) {
  return module_type_is_ref(type) && !engine_types_traced(store->engine, type);
}

/* ---- Images ---------------------------------------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *bytes, size_t count) {
  return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

/* Finds the pages that are not zero. A length in the middle of a page (memories with pages of one byte) ends it early. */
static void image_find(const struct engine_memory *memory, struct engine_image *image) {
  size_t page = base_os_page_bytes(), len = (size_t)memory->len_bytes, end = 0, from = SIZE_MAX;
  for (size_t at = 0; at < len; at += page) {
    if (is_zero(memory->base + at, len - at < page ? len - at : page)) continue;
    if (from == SIZE_MAX) from = at;
    end = at + page;
  }
  image->from = from == SIZE_MAX ? 0 : from;
  image->bytes = end - image->from;
}

static bool image_take(const struct engine_memory *memory, struct engine_image *image) {
  *image = (struct engine_image){.len_bytes = memory->len_bytes, .page_count = memory->page_count, .fd = -1};
  image_find(memory, image);
  if (!image->bytes) return true;
  image->fd = engine_os_image_new(memory->base + image->from, image->bytes);
  if (image->fd >= 0) image->view = engine_os_image_view(image->fd, image->bytes);
  if (image->fd >= 0) return true;
  image->copy = base_alloc(image->bytes);
  if (image->copy) memcpy(image->copy, memory->base + image->from, image->bytes);
  return image->copy != NULL;
}

/* Puts the image where it belongs in a memory whose pages are zero. */
static bool image_put(const struct engine_image *image, struct engine_memory *memory) {
  uint8_t *to = memory->base + image->from;
  if (!image->bytes) return true;
  memory->has_image = !memory->is_merged && image->fd >= 0 && engine_os_image_map(image->fd, to, image->bytes);
  if (memory->has_image) return true;
  if (image->fd >= 0) return engine_os_image_read(image->fd, to, image->bytes);
  memcpy(to, image->copy, image->bytes);
  return true;
}

static void image_free(struct engine_image *image) {
  engine_os_image_free(image->fd);
  if (image->view) base_os_release((void *)(uintptr_t)image->view, image->bytes);
  base_free(image->copy);
}

/* ---- Taking ---------------------------------------------------------------------------------------------------------- */

void engine_snapshot_free(struct engine_snapshot *snapshot) {
  if (!snapshot) return;
  for (uint32_t i = 0; i < snapshot->memory_count && snapshot->memories; i++) image_free(&snapshot->memories[i]);
  for (uint32_t i = 0; i < snapshot->table_count && snapshot->tables; i++) base_free(snapshot->tables[i].items);
  for (uint32_t i = 0; i < snapshot->instance_count; i++) {
    if (snapshot->globals) base_free(snapshot->globals[i].items);
    if (snapshot->dropped) base_free(snapshot->dropped[i]);
  }
  base_free(snapshot->memories);
  base_free(snapshot->tables);
  base_free(snapshot->globals);
  base_free(snapshot->dropped);
  base_free(snapshot);
}

static bool value_take(const struct engine_store *store, bool is_function_reference, uint64_t value, uint64_t *out) {
  *out = is_function_reference ? noted_function(store, value) : value;
  return *out != UINT64_MAX || !is_function_reference;
}

static enum cay_status foreign(struct cay_error *error) {
  return base_error_set(error, CAY_ERROR_UNSUPPORTED,
                        "a snapshot cannot hold a reference to a function of another store");
}

static enum cay_status table_take(const struct engine_table *table, struct values *out, struct cay_error *error) {
  out->count = table->count;
  out->items = base_alloc_zero((size_t)table->count + 1, sizeof *out->items);
  if (!out->items) return base_error_memory(error);
  for (uint64_t i = 0; i < table->count; i++)
    if (!value_take(table->store, !table->is_traced, table->elems[i], &out->items[i])) return foreign(error);
  return CAY_OK;
}

static enum cay_status globals_take(const struct engine_instance *instance, struct values *out,
                                    struct cay_error *error) {
  const struct module *module = instance->module;
  out->count = own_globals(module);
  out->items = base_alloc_zero(2 * (size_t)out->count + 1, sizeof *out->items);
  if (!out->items) return base_error_memory(error);
  for (uint64_t i = 0; i < out->count; i++) {
    bool is_reference = is_function(instance->store, instance->globals[module->imported_global_count + i].type.type);
    out->items[2 * i + 1] = instance->own_globals[i].value[1];
    if (!value_take(instance->store, is_reference, instance->own_globals[i].value[0], &out->items[2 * i]))
      return foreign(error);
  }
  return CAY_OK;
}

static void dropped_copy(uint8_t *to, const struct engine_instance *instance) {
  size_t elem_bytes = instance->module->elem_count / 8 + 1, data_bytes = instance->module->data_count / 8 + 1;
  memcpy(to, instance->elems_dropped, elem_bytes);
  memcpy(to + elem_bytes, instance->datas_dropped, data_bytes);
}

static enum cay_status instances_take(const struct engine_store *store, struct engine_snapshot *snapshot,
                                      struct cay_error *error) {
  enum cay_status status = CAY_OK;
  uint32_t i = 0;
  for (const struct engine_instance *at = store->instances; at && status == CAY_OK; at = at->next, i++) {
    snapshot->dropped[i] = base_alloc(dropped_bytes(at->module));
    if (!snapshot->dropped[i]) return base_error_memory(error);
    dropped_copy(snapshot->dropped[i], at);
    status = globals_take(at, &snapshot->globals[i], error);
  }
  return status;
}

static enum cay_status parts_take(const struct engine_store *store, struct engine_snapshot *snapshot,
                                  struct cay_error *error) {
  enum cay_status status = CAY_OK;
  uint32_t i = 0;
  for (const struct engine_memory *at = store->memories; at; at = at->next, i++)
    if (!image_take(at, &snapshot->memories[i])) return base_error_memory(error);
  i = 0;
  for (const struct engine_table *at = store->tables; at && status == CAY_OK; at = at->next, i++)
    status = table_take(at, &snapshot->tables[i], error);
  return status == CAY_OK ? instances_take(store, snapshot, error) : status;
}

enum cay_status engine_snapshot_take(struct engine_store *store, struct engine_snapshot **out,
                                     struct cay_error *error) {
  assert(!store->thread.top);
  if (store->shared_count)
    return base_error_set(error, CAY_ERROR_UNSUPPORTED, "a snapshot of a program with shared memories is not possible");
  store->thread.exception = 0;
  engine_heap_collect(store);
  if (engine_heap_stats(store).live_objects > 0)
    return base_error_set(
        error, CAY_ERROR_UNSUPPORTED,
        "a snapshot of a program that has made objects (structs, arrays, exceptions) is not possible");
  struct engine_snapshot *snapshot = base_alloc_zero(1, sizeof *snapshot);
  if (!snapshot) return base_error_memory(error);
  snapshot->memory_count = store->memory_count;
  snapshot->table_count = store->table_count;
  snapshot->instance_count = store->instance_count;
  snapshot->memories = base_alloc_zero((size_t)store->memory_count + 1, sizeof *snapshot->memories);
  snapshot->tables = base_alloc_zero((size_t)store->table_count + 1, sizeof *snapshot->tables);
  snapshot->globals = base_alloc_zero((size_t)store->instance_count + 1, sizeof *snapshot->globals);
  snapshot->dropped = base_alloc_zero((size_t)store->instance_count + 1, sizeof *snapshot->dropped);
  for (uint32_t i = 0; snapshot->memories && i < store->memory_count; i++) snapshot->memories[i].fd = -1;
  bool has_room = snapshot->memories && snapshot->tables && snapshot->globals && snapshot->dropped;
  enum cay_status status = has_room ? parts_take(store, snapshot, error) : base_error_memory(error);
  if (status != CAY_OK) {
    engine_snapshot_free(snapshot);
    return status;
  }
  *out = snapshot;
  return CAY_OK;
}

/* ---- Binding --------------------------------------------------------------------------------------------------------- */

static bool memory_bind(const struct engine_image *image, struct engine_memory *memory, struct bound_memory *bound) {
  if (image->page_count > memory->page_count &&
      engine_memory_grow(memory, image->page_count - memory->page_count) == UINT64_MAX)
    return false;
  assert(memory->page_count == image->page_count);
  bound->image = *image;
  if (!base_os_discard(memory->base, engine_os_pages(memory->len_bytes)) || !image_put(image, memory)) return false;
  engine_own_pages_init(&bound->own, memory, image);
  return true;
}

static bool table_bind(const struct values *values, struct engine_table *table, uint64_t *bound) {
  struct engine_store *store = table->store;
  if (values->count > table->count && engine_table_grow(table, values->count - table->count, 0) == UINT64_MAX)
    return false;
  assert(table->count == values->count);
  for (uint64_t i = 0; i < values->count; i++)
    bound[i] = table->is_traced ? values->items[i] : function_noted(store, values->items[i]);
  if (values->count) memcpy(table->elems, bound, (size_t)values->count * sizeof *bound);
  return true;
}

static void globals_bind(const struct values *values, const struct engine_instance *instance, uint64_t *bound) {
  const struct module *module = instance->module;
  for (uint64_t i = 0; i < values->count; i++) {
    bool is_reference = is_function(instance->store, instance->globals[module->imported_global_count + i].type.type);
    bound[2 * i] = is_reference ? function_noted(instance->store, values->items[2 * i]) : values->items[2 * i];
    bound[2 * i + 1] = values->items[2 * i + 1];
  }
}

static void dropped_restore(const struct engine_instance *instance, const uint8_t *dropped) {
  size_t elem_bytes = instance->module->elem_count / 8 + 1, data_bytes = instance->module->data_count / 8 + 1;
  memcpy(instance->elems_dropped, dropped, elem_bytes);
  memcpy(instance->datas_dropped, dropped + elem_bytes, data_bytes);
}

/* What a dropped segment was made into goes with it, for good: objects of its making end with the heap. */
static void dropped_bind(struct engine_instance *instance, const uint8_t *dropped) {
  for (uint32_t i = 0; i < instance->module->elem_count; i++)
    if (dropped[i / 8] >> (i % 8) & 1) engine_elem_drop(instance, i);
  dropped_restore(instance, dropped);
}

static void globals_restore(struct engine_instance *instance, const uint64_t *bound) {
  memcpy(instance->own_globals, bound, own_globals(instance->module) * sizeof *instance->own_globals);
}

static bool instances_bind(const struct engine_snapshot *snapshot, struct engine_store *store,
                           struct engine_restore *restore) {
  uint32_t i = 0;
  for (struct engine_instance *at = store->instances; at; at = at->next, i++) {
    uint64_t *globals = base_arena_alloc(&store->arena, 2 * (size_t)own_globals(at->module) + 1, sizeof *globals);
    uint8_t *dropped = base_arena_alloc(&store->arena, dropped_bytes(at->module), 1);
    if (!globals || !dropped) return false;
    globals_bind(&snapshot->globals[i], at, globals);
    globals_restore(at, globals);
    memcpy(dropped, snapshot->dropped[i], dropped_bytes(at->module));
    dropped_bind(at, dropped);
    restore->globals[i] = globals;
    restore->dropped[i] = dropped;
  }
  return true;
}

static bool parts_bind(const struct engine_snapshot *snapshot, struct engine_store *store,
                       struct engine_restore *restore) {
  uint32_t i = 0;
  for (struct engine_memory *at = store->memories; at; at = at->next, i++)
    if (!memory_bind(&snapshot->memories[i], at, &restore->memories[i])) return false;
  i = 0;
  for (struct engine_table *at = store->tables; at; at = at->next, i++) {
    restore->tables[i] =
        base_arena_alloc(&store->arena, (size_t)snapshot->tables[i].count + 1, sizeof **restore->tables);
    if (!restore->tables[i] || !table_bind(&snapshot->tables[i], at, restore->tables[i])) return false;
    restore->counts[i] = at->count;
    restore->capacities[i] = at->capacity;
  }
  return instances_bind(snapshot, store, restore);
}

static struct engine_restore *restore_new(struct engine_store *store) {
  struct base_arena *arena = &store->arena;
  struct engine_restore *restore = base_arena_alloc(arena, 1, sizeof *restore);
  if (!restore) return NULL;
  restore->memories = base_arena_alloc(arena, (size_t)store->memory_count + 1, sizeof *restore->memories);
  restore->tables = base_arena_alloc(arena, (size_t)store->table_count + 1, sizeof *restore->tables);
  restore->counts = base_arena_alloc(arena, (size_t)store->table_count + 1, sizeof *restore->counts);
  restore->capacities = base_arena_alloc(arena, (size_t)store->table_count + 1, sizeof *restore->capacities);
  restore->globals = base_arena_alloc(arena, (size_t)store->instance_count + 1, sizeof *restore->globals);
  restore->dropped = base_arena_alloc(arena, (size_t)store->instance_count + 1, sizeof *restore->dropped);
  bool has_all = restore->memories && restore->tables && restore->counts && restore->capacities && restore->globals &&
                 restore->dropped;
  return has_all ? restore : NULL;
}

enum cay_status engine_snapshot_bind(const struct engine_snapshot *snapshot, struct engine_store *store,
                                     struct cay_error *error) {
  assert(store->memory_count == snapshot->memory_count && store->table_count == snapshot->table_count &&
         store->instance_count == snapshot->instance_count && !store->thread.top);
  struct engine_restore *restore = restore_new(store);
  if (!restore || !parts_bind(snapshot, store, restore)) return base_error_memory(error);
  engine_budget_give(store, engine_heap_stats(store).held_bytes); /* nothing lives in it */
  engine_heap_free(store->heap);
  store->heap = NULL;
  restore->bytes_used = store->bytes_used;
  engine_store_use_end(store);
  store->restore = restore;
  return CAY_OK;
}

/* ---- Restoring ------------------------------------------------------------------------------------------------------- */

/* Pages that a guarded memory has grown by lose their access, those of another are beyond what code may touch. */
static bool memory_discard(struct engine_memory *memory, const struct engine_image *image) {
  size_t kept = engine_os_pages(image->len_bytes), all = engine_os_pages(memory->len_bytes);
  bool has_grown = all > kept;
  if (!base_os_discard(memory->base, all)) return false;
  if (has_grown && memory->guarded && !base_os_decommit(memory->base + kept, all - kept)) return false;
  memory->len_bytes = image->len_bytes;
  memory->page_count = image->page_count;
  return memory->has_image || image_put(image, memory);
}

static void table_restore(struct engine_table *table, const struct engine_restore *restore, uint32_t index) {
  uint64_t capacity = restore->capacities[index];
  if (table->capacity > capacity && capacity > 0) {
    uint64_t *elems = base_resize_array(table->elems, (size_t)capacity, sizeof *elems);
    if (elems) table->elems = elems;
  } else if (table->capacity > capacity) {
    base_free(table->elems);
    table->elems = NULL;
  }
  table->capacity = capacity;
  table->count = restore->counts[index];
  if (table->count) memcpy(table->elems, restore->tables[index], (size_t)table->count * sizeof *table->elems);
}

static void thread_restore(struct engine_store *store) {
  struct engine_thread *thread = &store->thread;
  thread->trap = ENGINE_TRAP_NONE;
  thread->exit_code = 0;
  thread->exception = 0;
  thread->backtrace_count = 0;
  thread->backtrace_total = 0;
  if (atomic_load_explicit(&thread->interrupted, memory_order_relaxed)) engine_interrupt_clear(store);
}

bool engine_store_restore(struct engine_store *store) {
  const struct engine_restore *restore = store->restore;
  assert(restore && !store->thread.top);
  bool is_seen = engine_store_use_end(store);
  uint32_t i = 0;
  for (struct engine_memory *at = store->memories; at; at = at->next, i++)
    if (!engine_own_pages_restore(&restore->memories[i].own, at, &restore->memories[i].image, is_seen) &&
        !memory_discard(at, &restore->memories[i].image))
      return false;
  i = 0;
  for (struct engine_table *at = store->tables; at; at = at->next, i++) table_restore(at, restore, i);
  i = 0;
  for (struct engine_instance *at = store->instances; at; at = at->next, i++) {
    globals_restore(at, restore->globals[i]);
    dropped_restore(at, restore->dropped[i]);
  }
  engine_heap_free(store->heap);
  store->heap = NULL;
  engine_budget_give(store, store->bytes_used - restore->bytes_used);
  thread_restore(store);
  return true;
}
