/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What keeps objects alive: everything of a store that can hold a reference outside of its heap.
 *
 * Exact where types say what a slot holds: globals, tables, element segments, and frames of guest functions, for which
 * the tier knows which slots hold references at the position where they stand. Spans and the arguments of host functions
 * are memory that hosts may use as they like: a slot there is followed only if it is the address of an object. Objects
 * never move, so a number that looks like one costs nothing but its memory for a while. */
#include "engine/heap.h"
#include "engine/internal.h"

void engine_roots_push(struct engine_store *store, struct engine_root_span *span) {
  span->previous = store->root_spans;
  store->root_spans = span;
}

void engine_roots_pop(struct engine_store *store, struct engine_root_span *span) {
  assert(store->root_spans == span);
  store->root_spans = span->previous;
}

static bool is_traced(struct engine_instance *instance, module_type type) {
  return module_type_is_traced(instance->module->types, type);
}

static void mark_unsure(struct engine_heap *heap, const uint64_t *slots, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (engine_ref_is_host(slots[i]) || (engine_ref_is_object(slots[i]) && engine_heap_contains(heap, slots[i])))
      engine_heap_mark(heap, slots[i]);
}

static void visit(void *env, uint64_t reference) { engine_heap_mark(env, reference); }

static void mark_frames(struct engine_heap *heap, const struct engine_activation *activation) {
  struct engine_instance *instance = activation->instance;
  const void *site = activation->site;
  uint64_t *fp = activation->fp;
  struct engine_location location = {.crossing = activation->crossing};
  while (site) {
    if (!instance->tier->locate(instance->code, site, fp, &location)) return;
    instance->tier->visit_references(instance->code, location.func, site, fp, visit, heap);
    site = location.caller_site;
    fp = location.caller_fp;
  }
}

static void mark_calls(struct engine_store *store, struct engine_heap *heap) {
  for (const struct engine_activation *activation = store->thread.top; activation; activation = activation->previous)
    mark_frames(heap, activation);
  for (const struct engine_host_frame *frame = store->host_frame; frame; frame = frame->previous) {
    const struct module_func_type *type = frame->call.function->type;
    mark_unsure(heap, frame->slots, type->param_slots > type->result_slots ? type->param_slots : type->result_slots);
  }
  engine_heap_mark(heap, store->thread.exception);
}

static void mark_instance(struct engine_heap *heap, struct engine_instance *instance) {
  const struct module *module = instance->module;
  uint32_t imported = module->imported_global_count;
  for (uint32_t i = imported; i < module->global_count; i++)
    if (is_traced(instance, module->globals[i].type.type))
      engine_heap_mark(heap, instance->own_globals[i - imported].value[0]);
  for (uint32_t i = 0; i < module->elem_count; i++) {
    if (!instance->elem_items[i] || !is_traced(instance, module->elems[i].type)) continue;
    for (uint32_t item = 0; item < module->elems[i].count; item++)
      engine_heap_mark(heap, instance->elem_items[i][item]);
  }
}

static void mark_tables(struct engine_store *store, struct engine_heap *heap) {
  for (const struct engine_table *table = store->tables; table; table = table->next) {
    if (!table->is_traced) continue;
    for (uint64_t item = 0; item < table->count; item++) engine_heap_mark(heap, table->elems[item]);
  }
}

void engine_roots_mark(struct engine_store *store, struct engine_heap *heap) {
  mark_calls(store, heap);
  for (struct engine_instance *instance = store->instances; instance; instance = instance->next)
    mark_instance(heap, instance);
  mark_tables(store, heap);
  for (const struct engine_host_global *global = store->host_globals; global; global = global->next)
    engine_heap_mark(heap, global->cell.value[0]);
  for (const struct engine_root_span *span = store->root_spans; span; span = span->previous)
    mark_unsure(heap, span->slots, span->count);
}
