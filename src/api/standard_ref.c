/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* References of wasm.h: the objects that they are, the store's set of them, host info, and conversions.
 *
 * The set is a hash table with chains, keyed by what an object stands for; adding to it cannot fail, because objects are
 * their own links and a table that could not grow only gets longer chains.
 *
 * Invariants
 *  1. An object is in its store's set from its creation until it is freed or the store ends.
 *  2. An object with references is never freed; one without stays only for its host info, or because a guest may have
 *     it (is_held).
 *  3. The finalizer of an object has run, or there is none, when its host info is gone. */
#include "api/standard.h"

enum { FIRST_BUCKETS = 64 };

/* ---- The set -------------------------------------------------------------------------------------------------------------- */

static size_t bucket_of(uint64_t key, size_t bucket_count) {
  return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (bucket_count - 1);
}

bool standard_set_init(wasm_store_t *store) {
  store->buckets = base_alloc_zero(FIRST_BUCKETS, sizeof *store->buckets);
  store->bucket_count = FIRST_BUCKETS;
  return store->buckets != NULL;
}

static void set_grow(wasm_store_t *store) {
  size_t count = store->bucket_count * 4;
  wasm_ref_t **buckets = base_alloc_zero(count, sizeof *buckets);
  if (!buckets) return;
  for (size_t i = 0; i < store->bucket_count; i++)
    for (wasm_ref_t *object = store->buckets[i], *next; object; object = next) {
      next = object->next;
      wasm_ref_t **bucket = &buckets[bucket_of(object->key, count)];
      object->next = *bucket;
      *bucket = object;
    }
  base_free(store->buckets);
  store->buckets = buckets;
  store->bucket_count = count;
}

static void set_add(wasm_store_t *store, wasm_ref_t *object) {
  if (++store->object_count > store->bucket_count * 2) set_grow(store);
  wasm_ref_t **bucket = &store->buckets[bucket_of(object->key, store->bucket_count)];
  object->next = *bucket;
  *bucket = object;
}

static void set_remove(wasm_store_t *store, wasm_ref_t *object) {
  wasm_ref_t **link = &store->buckets[bucket_of(object->key, store->bucket_count)];
  while (*link != object) link = &(*link)->next;
  *link = object->next;
  store->object_count--;
}

static wasm_ref_t *set_find(const wasm_store_t *store, enum standard_kind kind, uint64_t key) {
  wasm_ref_t *object = store->buckets[bucket_of(key, store->bucket_count)];
  while (object && (object->key != key || object->kind != kind)) object = object->next;
  return object;
}

void standard_visit(wasm_store_t *store, void (*visit)(void *env, wasm_ref_t *object), void *env) {
  for (size_t i = 0; i < store->bucket_count; i++)
    for (wasm_ref_t *object = store->buckets[i]; object; object = object->next) visit(env, object);
}

/* ---- Roots of the guest's objects ----------------------------------------------------------------------------------------- */

/* A free place holds the index of the next one plus one, in the form of an i31, which the collector ignores. */
static bool root_take(wasm_store_t *store, uint64_t reference, size_t *out) {
  if (store->roots_free) {
    *out = store->roots_free - 1;
    store->roots_free = (size_t)(store->roots.items[*out] >> 1);
  } else {
    if (!BASE_VEC_PUSH(&store->roots)) return false;
    *out = store->roots.count - 1;
  }
  store->roots.items[*out] = reference;
  store->root_span.slots = store->roots.items;
  store->root_span.count = store->roots.count;
  return true;
}

static void root_give(wasm_store_t *store, size_t root) {
  store->roots.items[root] = (uint64_t)store->roots_free << 1 | 1;
  store->roots_free = root + 1;
}

/* ---- Objects --------------------------------------------------------------------------------------------------------------- */

static size_t bytes_of(enum standard_kind kind) {
  switch (kind) {
  case STANDARD_GLOBAL: return sizeof(wasm_global_t);
  case STANDARD_TRAP: return sizeof(wasm_trap_t);
  case STANDARD_GUEST: return sizeof(struct standard_guest);
  default: return sizeof(wasm_ref_t);
  }
}

static wasm_ref_t *object_new(wasm_store_t *store, enum standard_kind kind, uint64_t key) {
  wasm_ref_t *object = base_alloc_zero(1, bytes_of(kind));
  if (!object) return NULL;
  object->kind = (uint8_t)kind;
  object->references = 1;
  object->store = store;
  object->key = key ? key : standard_key(object);
  if (kind == STANDARD_GUEST && !root_take(store, key, &((struct standard_guest *)object)->root)) {
    base_free(object);
    return NULL;
  }
  if (store) set_add(store, object);
  return object;
}

wasm_ref_t *standard_take(wasm_store_t *store, enum standard_kind kind, uint64_t key) {
  wasm_ref_t *object = key ? set_find(store, kind, key) : NULL;
  if (!object) return object_new(store, kind, key);
  object->references++;
  return object;
}

static void finalize(wasm_ref_t *object) {
  void (*finalizer)(void *) = object->finalizer;
  void *host_info = object->host_info;
  object->finalizer = NULL;
  object->host_info = NULL;
  if (finalizer) finalizer(host_info);
}

/* What it owns besides itself goes; it stands for nothing any more. */
static void object_deinit(wasm_ref_t *object) {
  if (object->kind == STANDARD_TRAP) standard_trap_deinit((wasm_trap_t *)object);
  if (object->kind == STANDARD_MODULE && object->key) module_release(standard_inner(object));
  if (object->kind == STANDARD_GUEST && object->store)
    root_give(object->store, ((struct standard_guest *)object)->root);
}

static bool ends_with_its_references(const wasm_ref_t *object) {
  return object->kind == STANDARD_MODULE || object->kind == STANDARD_TRAP || object->kind == STANDARD_FOREIGN;
}

static bool is_needed(const wasm_ref_t *object) {
  if (!object->store) return false;
  bool has_info = object->host_info || object->finalizer;
  return object->is_held || (has_info && !ends_with_its_references(object));
}

void standard_release(wasm_ref_t *object) {
  if (!object || object->is_static) return;
  assert(object->references > 0 && "a reference was deleted more often than it was made");
  if (--object->references > 0 || is_needed(object)) return;
  if (object->store) set_remove(object->store, object);
  finalize(object);
  object_deinit(object);
  base_free(object);
}

wasm_ref_t *standard_retain(const wasm_ref_t *object) {
  wasm_ref_t *shared = (wasm_ref_t *)(uintptr_t)object;
  if (shared && !shared->is_static) shared->references++;
  return shared;
}

/* A shell keeps what is its own (a trap's message), and loses what was the store's. A trap's frames refer to instances,
 * which become shells of their own or are freed, in any order: by their counts. */
static void shell_make(wasm_ref_t *object) {
  if (object->kind == STANDARD_MODULE) module_release(standard_inner(object));
  if (object->kind != STANDARD_TRAP && object->kind != STANDARD_FOREIGN) object->key = 0;
  object->store = NULL;
}

void standard_set_deinit(wasm_store_t *store) {
  wasm_ref_t *all = NULL;
  for (size_t i = 0; i < store->bucket_count && store->buckets; i++)
    for (wasm_ref_t *object = store->buckets[i], *next; object; object = next) {
      next = object->next;
      shell_make(object);
      object->references++; /* none goes before all are shells */
      object->next = all;
      all = object;
    }
  base_free(store->buckets);
  BASE_VEC_DEINIT(&store->roots);
  for (wasm_ref_t *object = all, *next; object; object = next) {
    next = object->next;
    finalize(object);
    standard_release(object);
  }
}

wasm_extern_t *standard_extern(wasm_store_t *store, const struct engine_extern *value) {
  switch (value->kind) {
  case MODULE_FUNC: return (wasm_extern_t *)standard_take(store, STANDARD_FUNC, standard_key(value->func));
  case MODULE_TABLE: return (wasm_extern_t *)standard_take(store, STANDARD_TABLE, standard_key(value->table));
  case MODULE_MEMORY: return (wasm_extern_t *)standard_take(store, STANDARD_MEMORY, standard_key(value->memory));
  case MODULE_TAG: return (wasm_extern_t *)standard_take(store, STANDARD_TAG, standard_key(value->tag));
  case MODULE_GLOBAL: {
    wasm_global_t *global = (wasm_global_t *)standard_take(store, STANDARD_GLOBAL, standard_key(value->global.cell));
    if (global) global->type = value->global.type;
    return (wasm_extern_t *)global;
  }
  }
  return NULL;
}

/* ---- What wasm.h has for every kind ------------------------------------------------------------------------------------------ */

static void info_set(wasm_ref_t *object, void *host_info, void (*finalizer)(void *)) {
  if (object->is_static) return;
  finalize(object);
  object->host_info = host_info;
  object->finalizer = finalizer;
}

static wasm_ref_t *as(const wasm_ref_t *object, enum standard_kind kind) {
  return object && object->kind == kind ? (wasm_ref_t *)(uintptr_t)object : NULL;
}

#define REF_BASE(name)                                                                                                 \
  void wasm_##name##_delete(wasm_##name##_t *object) { standard_release((wasm_ref_t *)object); }                       \
  wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *object) {                                                 \
    return (wasm_##name##_t *)standard_retain((const wasm_ref_t *)object);                                             \
  }                                                                                                                    \
  bool wasm_##name##_same(const wasm_##name##_t *one, const wasm_##name##_t *other) { return one == other; }           \
  void *wasm_##name##_get_host_info(const wasm_##name##_t *object) { return ((const wasm_ref_t *)object)->host_info; } \
  void wasm_##name##_set_host_info(wasm_##name##_t *object, void *host_info) {                                         \
    info_set((wasm_ref_t *)object, host_info, NULL);                                                                   \
  }                                                                                                                    \
  void wasm_##name##_set_host_info_with_finalizer(wasm_##name##_t *object, void *host_info, void (*end)(void *)) {     \
    info_set((wasm_ref_t *)object, host_info, end);                                                                    \
  }
#define UPCAST(name)                                                                         \
  wasm_ref_t *wasm_##name##_as_ref(wasm_##name##_t *object) { return (wasm_ref_t *)object; } \
  const wasm_ref_t *wasm_##name##_as_ref_const(const wasm_##name##_t *object) { return (const wasm_ref_t *)object; }
#define REF(name, KIND)                                                                                   \
  REF_BASE(name)                                                                                          \
  UPCAST(name)                                                                                            \
  wasm_##name##_t *wasm_ref_as_##name(wasm_ref_t *object) { return (wasm_##name##_t *)as(object, KIND); } \
  const wasm_##name##_t *wasm_ref_as_##name##_const(const wasm_ref_t *object) {                           \
    return (const wasm_##name##_t *)as(object, KIND);                                                     \
  }
#define EXTERN(name, KIND)                                                                            \
  REF(name, KIND)                                                                                     \
  wasm_extern_t *wasm_##name##_as_extern(wasm_##name##_t *object) { return (wasm_extern_t *)object; } \
  const wasm_extern_t *wasm_##name##_as_extern_const(const wasm_##name##_t *object) {                 \
    return (const wasm_extern_t *)object;                                                             \
  }                                                                                                   \
  wasm_##name##_t *wasm_extern_as_##name(wasm_extern_t *object) {                                     \
    return (wasm_##name##_t *)as((const wasm_ref_t *)object, KIND);                                   \
  }                                                                                                   \
  const wasm_##name##_t *wasm_extern_as_##name##_const(const wasm_extern_t *object) {                 \
    return (const wasm_##name##_t *)as((const wasm_ref_t *)object, KIND);                             \
  }

REF_BASE(ref)
REF(trap, STANDARD_TRAP)
REF(foreign, STANDARD_FOREIGN)
REF(module, STANDARD_MODULE)
REF(instance, STANDARD_INSTANCE)
EXTERN(func, STANDARD_FUNC)
EXTERN(global, STANDARD_GLOBAL)
EXTERN(table, STANDARD_TABLE)
EXTERN(memory, STANDARD_MEMORY)
REF_BASE(extern)
UPCAST(extern)

static wasm_ref_t *as_extern(const wasm_ref_t *object) {
  return object && object->kind <= STANDARD_TAG ? (wasm_ref_t *)(uintptr_t)object : NULL;
}
wasm_extern_t *wasm_ref_as_extern(wasm_ref_t *object) { return (wasm_extern_t *)as_extern(object); }
const wasm_extern_t *wasm_ref_as_extern_const(const wasm_ref_t *object) {
  return (const wasm_extern_t *)as_extern(object);
}

/* ---- Foreign objects ----------------------------------------------------------------------------------------------------------- */

wasm_foreign_t *wasm_foreign_new(wasm_store_t *store) {
  standard_held_review(store);
  wasm_foreign_t *foreign = (wasm_foreign_t *)standard_take(store, STANDARD_FOREIGN, 0);
  if (!foreign) base_error_memory(&store->error);
  return foreign;
}
