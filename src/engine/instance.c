/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Instantiation (specification 3.0, section 4.7.2).
 *
 * Order: imports are checked before anything is made; then memories and tables, the code, the index spaces, globals,
 * tables' initial values, active elements, active data, the start function. From the elements on, effects stay when a
 * later step traps, and the instance stays in the store, because tables may hold its functions. All arrays lie in the
 * store's arena; an instance that fails leaves them there until the store is freed. */
#include "engine/internal.h"

/* ---- Making ------------------------------------------------------------------------------------------------------- */

static enum cay_status check_features(const struct module *module, struct cay_error *error) {
  module_features missing = module->features_used & ~MODULE_FEATURES_RUNNABLE;
  for (int i = 0; i < MODULE_FEATURE_COUNT; i++)
    if (missing >> i & 1)
      return base_error_set(error, CAY_ERROR_UNSUPPORTED, "the module uses the proposal %s, which cannot be run yet",
                            module_feature_name((enum module_feature)i));
  return CAY_OK;
}

static enum cay_status check_imports(struct engine_store *store, const struct module *module,
                                     const struct engine_type *const *types, const struct engine_extern *imports,
                                     struct cay_error *error) {
  for (uint32_t i = 0; i < module->import_count; i++) {
    enum cay_status status = engine_import_check_typed(store, module, types, i, &imports[i], error);
    if (status != CAY_OK) return status;
  }
  return CAY_OK;
}

/* Everything of fixed size; false: out of memory. */
static struct engine_instance *instance_allocate(struct engine_store *store, struct module *module, const char *name) {
  struct base_arena *arena = &store->arena;
  uint32_t own_globals = module->global_count - module->imported_global_count;
  uint32_t own_functions = module->func_count - module->imported_func_count;
  struct engine_instance *instance =
      base_arena_alloc(arena, 1, sizeof *instance + (size_t)own_globals * sizeof *instance->own_globals);
  if (!instance) return NULL;
  size_t name_bytes = name ? strlen(name) : 0;
  char *name_copy = base_arena_alloc(arena, name_bytes + 1, 1);
  instance->name = name_copy;
  instance->functions = base_arena_alloc(arena, module->func_count, sizeof *instance->functions);
  instance->own_functions = base_arena_alloc(arena, own_functions, sizeof *instance->own_functions);
  instance->tables = base_arena_alloc(arena, module->table_count, sizeof *instance->tables);
  instance->memories = base_arena_alloc(arena, module->memory_count, sizeof *instance->memories);
  instance->globals = base_arena_alloc(arena, module->global_count, sizeof *instance->globals);
  instance->tags = base_arena_alloc(arena, module->tag_count, sizeof *instance->tags);
  instance->elems_dropped = base_arena_alloc(arena, module->elem_count / 8 + 1, 1);
  instance->datas_dropped = base_arena_alloc(arena, module->data_count / 8 + 1, 1);
  instance->elem_items = base_arena_alloc(arena, module->elem_count, sizeof *instance->elem_items);
  if (!name_copy || !instance->functions || !instance->own_functions || !instance->tables || !instance->memories ||
      !instance->globals || !instance->tags || !instance->elems_dropped || !instance->datas_dropped ||
      !instance->elem_items)
    return NULL;
  if (name_bytes) memcpy(name_copy, name, name_bytes);
  instance->store = store;
  instance->thread = &store->thread;
  instance->tier = store->engine->options.tier;
  return instance;
}

static void take_imports(struct engine_instance *instance, const struct module *module,
                         const struct engine_extern *imports) {
  for (uint32_t i = 0; i < module->import_count; i++) {
    uint32_t index = module->imports[i].index;
    assert(imports[i].kind == module->imports[i].kind);
    switch (imports[i].kind) {
    case MODULE_FUNC: instance->functions[index] = imports[i].func; break;
    case MODULE_TABLE: instance->tables[index] = imports[i].table; break;
    case MODULE_MEMORY: instance->memories[index] = imports[i].memory; break;
    case MODULE_GLOBAL: instance->globals[index] = imports[i].global; break;
    case MODULE_TAG: instance->tags[index] = imports[i].tag; break;
    }
  }
}

static enum cay_status make_memories(struct engine_instance *instance, const struct module *module,
                                     struct cay_error *error) {
  for (uint32_t i = 0; i < module->imported_memory_count; i++)
    if (instance->memories[i]->shared && !engine_shared_use(instance->store, instance->memories[i]))
      return base_error_memory(error);
  for (uint32_t i = module->imported_memory_count; i < module->memory_count; i++) {
    enum cay_status status = engine_memory_new(instance->store, &module->memories[i], &instance->memories[i], error);
    if (status != CAY_OK) return status;
  }
  instance->memory0 = module->memory_count ? instance->memories[0] : &engine_empty_memory;
  const struct module_export *export = module_export_find(module, "memory", strlen("memory"));
  bool is_memory = export && export->kind == MODULE_MEMORY;
  instance->host_memory = is_memory ? instance->memories[export->index] : instance->memory0;
  return CAY_OK;
}

static enum cay_status make_tables(struct engine_instance *instance, const struct module *module,
                                   struct cay_error *error) {
  for (uint32_t i = module->imported_table_count; i < module->table_count; i++) {
    struct module_table_type type = module->tables[i].type;
    type.elem = engine_types_value(instance->types, type.elem);
    enum cay_status status = engine_table_new(instance->store, &type, 0, &instance->tables[i], error);
    if (status != CAY_OK) return status;
  }
  return CAY_OK;
}

static bool make_tags(struct engine_instance *instance, const struct module *module) {
  for (uint32_t i = module->imported_tag_count; i < module->tag_count; i++) {
    struct engine_tag *tag = base_arena_alloc(&instance->store->arena, 1, sizeof *tag);
    if (!tag) return false;
    tag->store = instance->store;
    tag->type = instance->types[module->tags[i].type];
    tag->exception = engine_types_exception(instance->store, tag->type);
    if (!tag->exception) return false;
    instance->tags[i] = tag;
  }
  return true;
}

/* Accesses to other memories than the first check their bounds in any code. */
static bool needs_explicit_bounds(const struct engine_instance *instance) { return !instance->memory0->guarded; }

static enum cay_status take_code(struct engine_instance *instance, struct module *module, struct cay_error *error) {
  struct engine_code *code;
  enum cay_status status = engine_code_get(instance->store, module, needs_explicit_bounds(instance), &code, error);
  if (status != CAY_OK) return status;
  assert(code->module == module);
  instance->module = code->module; /* the code holds the reference */
  instance->code = instance->interp_code = code->code;
  instance->entries = instance->interp_entries = code->entries;
  return CAY_OK;
}

static void make_functions(struct engine_instance *instance, const struct module *module) {
  uint32_t imported = module->imported_func_count;
  for (uint32_t i = imported; i < module->func_count; i++) {
    struct engine_function *function = &instance->own_functions[i - imported];
    uint32_t type = module->funcs[i].type;
    function->instance = instance;
    function->type = &module->types[type].func;
    function->def = instance->types[type];
    function->index = i;
    function->entry = i - imported;
    instance->functions[i] = function;
  }
}

/* ---- Initial values ------------------------------------------------------------------------------------------------ */

static enum engine_trap make_globals(struct engine_instance *instance, const struct module *module) {
  uint32_t imported = module->imported_global_count;
  for (uint32_t i = imported; i < module->global_count; i++) {
    struct engine_global *cell = &instance->own_globals[i - imported];
    struct module_global_type type = module->globals[i].type;
    type.type = engine_types_value(instance->types, type.type);
    enum engine_trap trap = engine_const_value(instance, module->globals[i].init, cell->value);
    if (trap != ENGINE_TRAP_NONE) return trap;
    instance->globals[i] = (struct engine_global_ref){.cell = cell, .type = type};
  }
  return ENGINE_TRAP_NONE;
}

static enum engine_trap fill_tables(struct engine_instance *instance, const struct module *module) {
  for (uint32_t i = module->imported_table_count; i < module->table_count; i++) {
    uint64_t value[2];
    if (module->tables[i].init.len_bytes == 0) continue;
    enum engine_trap trap = engine_const_value(instance, module->tables[i].init, value);
    if (trap != ENGINE_TRAP_NONE) return trap;
    engine_table_fill(instance->tables[i], 0, value[0], instance->tables[i]->count);
  }
  return ENGINE_TRAP_NONE;
}

static enum cay_status value_failed(struct engine_instance *instance, enum engine_trap trap, struct cay_error *error) {
  engine_trap_raise(instance->thread, trap);
  if (trap == ENGINE_TRAP_OUT_OF_MEMORY) return base_error_memory(error);
  return base_error_set(error, CAY_ERROR_TRAP, "in a constant expression: %s", engine_trap_text(trap));
}

static enum cay_status make_values(struct engine_instance *instance, const struct module *module,
                                   struct cay_error *error) {
  enum engine_trap trap = make_globals(instance, module);
  if (trap == ENGINE_TRAP_NONE) trap = fill_tables(instance, module);
  for (uint32_t i = 0; trap == ENGINE_TRAP_NONE && i < module->elem_count; i++)
    if (engine_elem_makes_objects(instance, i)) trap = engine_elem_evaluate(instance, i);
  return trap == ENGINE_TRAP_NONE ? CAY_OK : value_failed(instance, trap, error);
}

static enum cay_status segment_failed(struct engine_instance *instance, enum engine_trap trap, const char *kind,
                                      uint32_t index, uint64_t at, uint64_t count, uint64_t size,
                                      struct cay_error *error) {
  engine_trap_raise(instance->thread, trap);
  if (trap == ENGINE_TRAP_OUT_OF_MEMORY) return base_error_memory(error);
  return base_error_set(error, CAY_ERROR_TRAP, "%s: %s segment %u, %llu long, does not fit at %llu in a size of %llu",
                        engine_trap_text(trap), kind, index, (unsigned long long)count, (unsigned long long)at,
                        (unsigned long long)size);
}

static enum cay_status run_elements(struct engine_instance *instance, struct cay_error *error) {
  const struct module *module = instance->module;
  for (uint32_t i = 0; i < module->elem_count; i++) {
    const struct module_elem *segment = &module->elems[i];
    if (segment->mode == MODULE_SEGMENT_ACTIVE) {
      uint64_t at[2];
      enum engine_trap trap = engine_const_value(instance, segment->offset, at);
      if (trap != ENGINE_TRAP_NONE) return value_failed(instance, trap, error);
      trap = engine_table_init(instance, segment->table, i, at[0], 0, segment->count);
      if (trap != ENGINE_TRAP_NONE)
        return segment_failed(instance, trap, "element", i, at[0], segment->count,
                              instance->tables[segment->table]->count, error);
    }
    if (segment->mode != MODULE_SEGMENT_PASSIVE) engine_elem_drop(instance, i);
  }
  return CAY_OK;
}

static enum cay_status run_data(struct engine_instance *instance, struct cay_error *error) {
  const struct module *module = instance->module;
  for (uint32_t i = 0; i < module->data_count; i++) {
    const struct module_data_segment *segment = &module->datas[i];
    if (segment->mode != MODULE_SEGMENT_ACTIVE) continue;
    uint64_t at[2];
    enum engine_trap trap = engine_const_value(instance, segment->offset, at);
    if (trap != ENGINE_TRAP_NONE) return value_failed(instance, trap, error);
    trap = engine_memory_init(instance, segment->memory, i, at[0], 0, segment->len_bytes);
    if (trap != ENGINE_TRAP_NONE)
      return segment_failed(instance, trap, "data", i, at[0], segment->len_bytes,
                            instance->memories[segment->memory]->len_bytes, error);
    engine_data_drop(instance, i);
  }
  return CAY_OK;
}

enum cay_status engine_instance_start(struct engine_instance *instance, struct cay_error *error) {
  const struct module *module = instance->module;
  if (module->start_func == UINT32_MAX) return CAY_OK;
  uint64_t no_slots[1] = {0};
  struct engine_thread *thread = instance->thread;
  enum engine_trap trap = engine_call(instance->store, instance->functions[module->start_func], no_slots);
  switch (trap) {
  case ENGINE_TRAP_NONE: return CAY_OK;
  case ENGINE_TRAP_EXIT:
    return base_error_set(error, CAY_ERROR_TRAP, "the start function exited with code %u", thread->exit_code);
  case ENGINE_TRAP_HOST:
    return base_error_set(error, CAY_ERROR_TRAP, "in the start function: %s", thread->host_error.text);
  default: return base_error_set(error, CAY_ERROR_TRAP, "in the start function: %s", engine_trap_text(trap));
  }
}

static void store_add(struct engine_store *store, struct engine_instance *instance) {
  instance->next = store->instances;
  store->instances = instance;
  store->instance_count++;
}

/* All that instances own, with their imports; nothing refers to it yet. */
static enum cay_status make_parts(struct engine_store *store, struct module *module,
                                  const struct engine_type *const *types, const struct engine_extern *imports,
                                  const char *name, struct engine_instance **out, struct cay_error *error) {
  struct engine_instance *instance = instance_allocate(store, module, name);
  if (!instance) return base_error_memory(error);
  instance->types = types;
  take_imports(instance, module, imports);
  uint32_t memories_before = store->memory_count, tables_before = store->table_count;
  uint32_t shared_before = store->shared_count;
  enum cay_status status = make_tags(instance, module) ? CAY_OK : base_error_memory(error);
  if (status == CAY_OK) status = make_memories(instance, module, error);
  if (status == CAY_OK) status = make_tables(instance, module, error);
  if (status == CAY_OK) status = take_code(instance, module, error);
  if (status != CAY_OK) {
    engine_memories_drop(store, memories_before);
    engine_shared_drop(store, shared_before);
    engine_tables_drop(store, tables_before);
    return status;
  }
  *out = instance;
  return CAY_OK;
}

enum cay_status engine_instance_new(struct engine_store *store, struct module *module,
                                    const struct engine_extern *imports, const char *name, struct engine_instance **out,
                                    struct cay_error *error) {
  enum cay_status status = check_features(module, error);
  if (status != CAY_OK) return status;
  if (store->instance_count >= store->limits.instances)
    return base_error_set(error, CAY_ERROR_LIMIT, "more than %u instances", store->limits.instances);
  const struct engine_type *const *types = engine_types_take(store->engine, module);
  if (!types) return base_error_memory(error);
  struct engine_instance *instance = NULL;
  status = check_imports(store, module, types, imports, error);
  if (status == CAY_OK) status = make_parts(store, module, types, imports, name, &instance, error);
  if (status != CAY_OK) {
    engine_types_give(store->engine, module);
    return status;
  }
  store_add(store, instance);
  make_functions(instance, module);
  status = make_values(instance, module, error);
  if (status == CAY_OK) status = run_elements(instance, error);
  if (status == CAY_OK) status = run_data(instance, error);
  if (status != CAY_OK) return status;
  *out = instance;
  return CAY_OK;
}

enum cay_status engine_instantiate(struct engine_store *store, struct module *module,
                                   const struct engine_extern *imports, const char *name, struct engine_instance **out,
                                   struct cay_error *error) {
  struct engine_instance *instance = NULL;
  enum cay_status status = engine_instance_new(store, module, imports, name, &instance, error);
  if (status == CAY_OK) status = engine_instance_start(instance, error);
  if (status == CAY_OK) *out = instance;
  return status;
}

void engine_instance_deinit(struct engine_instance *instance) {
  for (uint32_t i = 0; i < instance->module->elem_count; i++) base_free(instance->elem_items[i]);
  engine_types_give(instance->store->engine, instance->module);
  engine_code_release(instance->store->engine, instance->code);
}

bool engine_export(struct engine_instance *instance, const char *name, size_t len_bytes, struct engine_extern *out) {
  const struct module_export *found = module_export_find(instance->module, name, len_bytes);
  if (!found) return false;
  out->kind = found->kind;
  switch (found->kind) {
  case MODULE_FUNC: out->func = instance->functions[found->index]; return true;
  case MODULE_TABLE: out->table = instance->tables[found->index]; return true;
  case MODULE_MEMORY: out->memory = instance->memories[found->index]; return true;
  case MODULE_GLOBAL: out->global = instance->globals[found->index]; return true;
  case MODULE_TAG: out->tag = instance->tags[found->index]; return true;
  }
  return false;
}
