/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Types of an engine: the defined types of all its modules, each stored once, so that equality of types across modules
 * is equality of pointers and a subtype test takes constant time.
 *
 * A module's groups of types are already canonical within the module. Each is spelled once more in the engine's terms,
 * type indices being ids, and looked up among the groups that are there. Types are never removed: there are few, and
 * objects and functions point to them. What a module's type index means is kept for each module as long as it has
 * instances, and for the one whose imports a store made host functions for last. Everything here happens under the
 * engine's lock; what is handed out never changes. */
#include "engine/internal.h"

/* ---- A group in the engine's terms ------------------------------------------------------------------------------------ */

struct translation {
  const struct engine_type *const *types; /* of the module, as far as they are known */
  uint32_t start, count;                  /* the group in the module */
  uint32_t base;                          /* where it would stand in the engine */
};

static uint32_t index_translated(const struct translation *translation, uint32_t index) {
  bool is_own = index >= translation->start && index < translation->start + translation->count;
  return is_own ? index - translation->start + translation->base : translation->types[index]->id;
}

static module_type type_translated(const struct translation *translation, module_type type) {
  if (!module_type_is_defined(type)) return type;
  return module_type_with_index(type, index_translated(translation, type & MODULE_HEAP_MASK));
}

static module_type *types_copied(struct base_arena *arena, const struct translation *translation,
                                 const module_type *from, uint32_t count) {
  module_type *list = base_arena_alloc(arena, (size_t)count + 1, sizeof *list);
  for (uint32_t i = 0; list && i < count; i++) list[i] = type_translated(translation, from[i]);
  return list;
}

static struct module_field *fields_copied(struct base_arena *arena, const struct translation *translation,
                                          const struct module_def_type *from) {
  struct module_field *list = base_arena_alloc(arena, (size_t)from->field_count + 1, sizeof *list);
  for (uint32_t i = 0; list && i < from->field_count; i++) {
    list[i] = from->fields[i];
    list[i].type = type_translated(translation, from->fields[i].type);
  }
  return list;
}

static uint32_t slots_of(const module_type *types, uint32_t count, bool *has_references) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    sum += module_type_slots(types[i]);
    *has_references |= module_type_is_ref(types[i]);
  }
  return sum;
}

static bool def_copied(struct base_arena *arena, const struct translation *translation,
                       const struct module_def_type *from, struct module_def_type *out) {
  *out = *from;
  out->place = out->reach = 0;
  out->group_start = translation->base;
  out->group_count = translation->count;
  out->canonical = translation->base + (from->canonical - translation->start);
  if (from->super != MODULE_NO_TYPE) out->super = index_translated(translation, from->super);
  if (from->kind != MODULE_DEF_FUNC) {
    out->fields = fields_copied(arena, translation, from);
    return out->fields != NULL;
  }
  out->func.params = types_copied(arena, translation, from->func.params, from->func.param_count);
  out->func.results = types_copied(arena, translation, from->func.results, from->func.result_count);
  /* Hosts do not count them. */
  out->func.param_slots = slots_of(from->func.params, from->func.param_count, &out->func.has_references);
  out->func.result_slots = slots_of(from->func.results, from->func.result_count, &out->func.has_references);
  return out->func.params && out->func.results;
}

/* ---- Runtime types --------------------------------------------------------------------------------------------------------- */

static bool fill_struct(struct engine_types *types, const struct module_def_type *def, struct engine_type *out) {
  out->kind = ENGINE_TYPE_STRUCT;
  out->fixed_bytes = def->object_bytes;
  uint32_t *offsets = base_arena_alloc(&types->arena, (size_t)def->field_count + 1, sizeof *offsets);
  if (!offsets) return false;
  out->ref_offsets = offsets;
  for (uint32_t i = 0; i < def->field_count; i++)
    if (module_type_is_traced(types->defs.items, def->fields[i].type))
      offsets[out->ref_count++] = def->fields[i].offset;
  return true;
}

static void fill_array(const struct engine_types *types, const struct module_def_type *def, struct engine_type *out) {
  out->kind = ENGINE_TYPE_ARRAY;
  out->fixed_bytes = def->fields->offset;
  out->elem_log2 = (uint8_t)__builtin_ctz(module_storage_bytes(def->fields->type));
  out->elem_is_ref = module_type_is_traced(types->defs.items, def->fields->type);
}

static bool fill_func(struct engine_types *types, const struct module_def_type *def, struct engine_type *out) {
  struct module_func_type *func = base_arena_alloc(&types->arena, 1, sizeof *func);
  if (!func) return false;
  *func = def->func;
  out->kind = ENGINE_TYPE_FUNC;
  out->func = func;
  return true;
}

/* The definition of `id` and those it refers to are in `defs`, its supertype in `list`. */
static struct engine_type *type_new(struct engine_types *types, uint32_t id) {
  const struct module_def_type *def = &types->defs.items[id];
  struct engine_type *type = base_arena_alloc(&types->arena, 1, sizeof *type);
  const struct engine_type **supers = base_arena_alloc(&types->arena, def->depth + 1u, sizeof *supers);
  if (!type || !supers) return NULL;
  type->id = id;
  type->is_final = def->is_final;
  type->depth = def->depth;
  type->supers = supers;
  for (uint32_t i = 0; i < def->depth; i++) supers[i] = types->list.items[def->super]->supers[i];
  supers[def->depth] = type;
  bool is_filled = true;
  if (def->kind == MODULE_DEF_FUNC)
    is_filled = fill_func(types, def, type);
  else if (def->kind == MODULE_DEF_STRUCT)
    is_filled = fill_struct(types, def, type);
  else
    fill_array(types, def, type);
  return is_filled ? type : NULL;
}

static bool types_made(struct engine_types *types, uint32_t base, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const struct engine_type *type = type_new(types, base + i);
    if (!type) return false;
    types->list.items[types->list.count++] = type;
  }
  return true;
}

static bool defs_copied(struct engine_types *types, struct base_arena *arena, const struct translation *translation,
                        const struct module_def_type *defs) {
  for (uint32_t i = 0; i < translation->count; i++)
    if (!def_copied(arena, translation, &defs[translation->start + i], &types->defs.items[translation->base + i]))
      return false;
  return true;
}

/* The group is new: it gets copies that stay, and runtime types. */
static bool group_add(struct engine_types *types, const struct translation *translation,
                      const struct module_def_type *defs) {
  uint32_t base = translation->base, found;
  types->defs.count = base + translation->count;
  bool is_added = defs_copied(types, &types->arena, translation, defs) && types_made(types, base, translation->count) &&
                  module_groups_intern(&types->groups, types->defs.items, base, translation->count, &found);
  if (!is_added) types->defs.count = types->list.count = base;
  return is_added;
}

static bool names_no_types(const module_type *types, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (module_type_is_defined(types[i])) return false;
  return true;
}

/* Nearly all types are of this kind, which reads the same in the module's and the engine's terms. */
static bool is_plain_func(const struct module_def_type *def, uint32_t count) {
  return count == 1 && def->kind == MODULE_DEF_FUNC && def->super == MODULE_NO_TYPE &&
         names_no_types(def->func.params, def->func.param_count) &&
         names_no_types(def->func.results, def->func.result_count);
}

/* Adds the group of `defs` in the module's terms, or finds its equal; `*first` is the id of its first type. */
static bool group_intern(struct engine_types *types, const struct module_def_type *defs,
                         const struct engine_type *const *known, uint32_t start, uint32_t count, uint32_t *first) {
  uint32_t base = (uint32_t)types->defs.count;
  struct translation translation = {known, start, count, base};
  if (!BASE_VEC_RESERVE(&types->defs, (size_t)base + count) || !BASE_VEC_RESERVE(&types->list, (size_t)base + count))
    return false;
  struct base_arena scratch = {0};
  bool is_plain = is_plain_func(&defs[start], count);
  if (is_plain) types->defs.items[base] = defs[start];
  bool is_looked_up = (is_plain || defs_copied(types, &scratch, &translation, defs)) &&
                      module_groups_find(&types->groups, types->defs.items, base, count, first);
  base_arena_deinit(&scratch);
  if (!is_looked_up || *first != base) return is_looked_up;
  return group_add(types, &translation, defs);
}

/* ---- Modules ------------------------------------------------------------------------------------------------------------------ */

static bool module_intern(struct engine *engine, const struct module *module, const struct engine_type **out) {
  struct engine_types *types = &engine->types;
  for (uint32_t start = 0, count; start < module->type_count; start += count) {
    const struct module_def_type *def = &module->types[start];
    uint32_t first;
    count = def->group_count;
    if (def->canonical != start) {
      memcpy(out + start, out + def->canonical, count * sizeof *out);
      continue;
    }
    if (!group_intern(types, module->types, out, start, count, &first)) return false;
    for (uint32_t i = 0; i < count; i++) out[start + i] = types->list.items[first + i];
  }
  return true;
}

static void module_types_free(struct engine_module_types *entry) {
  if (!entry) return;
  base_free(entry->types);
  base_free(entry);
}

static struct engine_module_types *module_types_new(struct engine *engine, struct module *module) {
  struct engine_module_types *entry = base_alloc_zero(1, sizeof *entry);
  if (!entry) return NULL;
  entry->types = base_alloc_zero((size_t)module->type_count + 1, sizeof *entry->types);
  if (!entry->types || !module_intern(engine, module, entry->types)) {
    module_types_free(entry);
    return NULL;
  }
  entry->module = module_retain(module);
  entry->next = engine->module_types;
  engine->module_types = entry;
  return entry;
}

const struct engine_type *const *engine_types_take(struct engine *engine, struct module *module) {
  pthread_mutex_lock(&engine->lock);
  struct engine_module_types *entry = engine->module_types;
  while (entry && entry->module != module) entry = entry->next;
  if (!entry) entry = module_types_new(engine, module);
  if (entry) entry->references++;
  pthread_mutex_unlock(&engine->lock);
  return entry ? entry->types : NULL;
}

void engine_types_give(struct engine *engine, const struct module *module) {
  struct engine_module_types *unused = NULL;
  pthread_mutex_lock(&engine->lock);
  for (struct engine_module_types **link = &engine->module_types; *link; link = &(*link)->next) {
    if ((*link)->module != module) continue;
    if (--(*link)->references == 0) {
      unused = *link;
      *link = unused->next;
    }
    break;
  }
  pthread_mutex_unlock(&engine->lock);
  if (!unused) return;
  module_release(unused->module);
  module_types_free(unused);
}

/* ---- Single types ---------------------------------------------------------------------------------------------------------- */

const struct engine_type *engine_types_intern(struct engine *engine, const struct module_func_type *type) {
  const struct module_def_type def = {
      .kind = MODULE_DEF_FUNC, .is_final = true, .super = MODULE_NO_TYPE, .group_count = 1, .func = *type};
  uint32_t id = 0;
  pthread_mutex_lock(&engine->lock);
  bool is_known = group_intern(&engine->types, &def, NULL, 0, 1, &id);
  const struct engine_type *interned = is_known ? engine->types.list.items[id] : NULL;
  pthread_mutex_unlock(&engine->lock);
  return interned;
}

module_type engine_types_value(const struct engine_type *const *types, module_type type) {
  return module_type_is_defined(type) ? module_type_with_index(type, types[type & MODULE_HEAP_MASK]->id) : type;
}

bool engine_types_match(struct engine *engine, module_type sub, module_type super) {
  if (sub == super) return true;
  pthread_mutex_lock(&engine->lock);
  bool matches = module_types_match(engine->types.defs.items, sub, super);
  pthread_mutex_unlock(&engine->lock);
  return matches;
}

bool engine_types_traced(struct engine *engine, module_type type) {
  pthread_mutex_lock(&engine->lock);
  bool is_traced = module_type_is_traced(engine->types.defs.items, type);
  pthread_mutex_unlock(&engine->lock);
  return is_traced;
}

bool engine_type_is_traced(struct engine_store *store, module_type type) {
  return engine_types_traced(store->engine, type);
}

const struct engine_type *engine_types_exception(struct engine_store *store, const struct engine_type *func) {
  enum { HEADER_BYTES = sizeof(struct engine_exception) };
  uint32_t count = func->func->param_count, at = HEADER_BYTES;
  struct engine_type *type = base_arena_alloc(&store->arena, 1, sizeof *type);
  uint32_t *offsets = base_arena_alloc(&store->arena, (size_t)count + 1, sizeof *offsets);
  const struct engine_type **supers = base_arena_alloc(&store->arena, 1, sizeof *supers);
  if (!type || !offsets || !supers) return NULL;
  *type = (struct engine_type){
      .kind = ENGINE_TYPE_EXCEPTION, .is_final = true, .func = func->func, .supers = supers, .ref_offsets = offsets};
  supers[0] = type;
  pthread_mutex_lock(&store->engine->lock);
  for (uint32_t i = 0; i < count; i++) {
    if (module_type_is_traced(store->engine->types.defs.items, func->func->params[i])) offsets[type->ref_count++] = at;
    at += module_type_slots(func->func->params[i]) * 8;
  }
  pthread_mutex_unlock(&store->engine->lock);
  type->fixed_bytes = at;
  return type;
}

void engine_types_deinit(struct engine_types *types) {
  BASE_VEC_DEINIT(&types->defs);
  BASE_VEC_DEINIT(&types->list);
  module_groups_deinit(&types->groups);
  base_arena_deinit(&types->arena);
}
