/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private to `api`: what the files that implement wasm.h share (standard_*.c).
 *
 * An object of wasm.h is a struct that starts with `struct wasm_ref_t`. There is one for each engine object that the
 * embedder has seen, found again by its key in the store's set, so that references to one object are one pointer:
 * copying counts, comparing compares pointers, and host info needs no other place. Objects of the engine exist as long as
 * their store; an object here goes when nothing of the embedder's depends on it (object_is_needed), and is made anew when
 * it is asked for again. When the store ends, objects that are still referred to stay as shells without a store. */
#ifndef API_STANDARD_H
#define API_STANDARD_H

#include <assert.h>

#include "api/parts.h"
#include "wasm.h"

struct wasm_config_t {
  struct cay_engine_config config;
};

struct wasm_engine_t {
  atomic_uint references; /* the embedder's, and one for each store */
  cay_engine *engine;
};

/* ---- Objects (standard_ref.c) ------------------------------------------------------------------------------------------ */

enum standard_kind {
  STANDARD_FUNC, /* the first four as wasm_externkind_enum */
  STANDARD_GLOBAL,
  STANDARD_TABLE,
  STANDARD_MEMORY,
  STANDARD_TAG,
  STANDARD_INSTANCE,
  STANDARD_MODULE,
  STANDARD_TRAP,
  STANDARD_FOREIGN,
  STANDARD_GUEST, /* a struct, array, exception or i31 of the guest's */
};

struct wasm_ref_t {
  uint8_t kind;       /* enum standard_kind */
  bool is_static;     /* neither counted nor freed */
  bool is_held;       /* a guest may have it as an externref (standard_held.c) */
  bool is_reached;    /* while that is found out: one has */
  size_t references;
  wasm_store_t *store; /* NULL: it has ended, or this never had one */
  uint64_t key;        /* address of the engine's object or of the module, the guest's reference, or this address */
  wasm_ref_t *next;    /* in the store's set */
  void *host_info;
  void (*finalizer)(void *);
};

struct wasm_extern_t { wasm_ref_t ref; };
struct wasm_func_t { wasm_ref_t ref; };
struct wasm_table_t { wasm_ref_t ref; };
struct wasm_memory_t { wasm_ref_t ref; };
struct wasm_instance_t { wasm_ref_t ref; };
struct wasm_module_t { wasm_ref_t ref; };
struct wasm_foreign_t { wasm_ref_t ref; };
struct wasm_global_t {
  wasm_ref_t ref;
  struct module_global_type type;
};
struct wasm_shared_module_t; /* it is a struct module */

struct wasm_frame_t {
  wasm_instance_t *instance; /* a reference of its own, or NULL */
  uint32_t func;
  size_t func_offset, module_offset;
};
struct wasm_trap_t {
  wasm_ref_t ref;
  char *message;
  bool has_frames; /* they were looked for */
  uint32_t frame_count;
  struct wasm_frame_t *frames;
};
struct standard_guest {
  wasm_ref_t ref;
  size_t root; /* index in the store's roots */
};

/* Engine objects behind objects that have a store. */
static inline void *standard_inner(const wasm_ref_t *object) { return (void *)(uintptr_t)object->key; }
static inline uint64_t standard_key(const void *inner) { return (uint64_t)(uintptr_t)inner; }

/* A new reference to the object of that kind and key: the one that exists, or a new one, zeroed behind its head. Key 0: a
 * new one, whose address is its key. `store` NULL: one without a store. NULL: no memory. */
wasm_ref_t *standard_take(wasm_store_t *store, enum standard_kind kind, uint64_t key);
/* The same for what an instance exports. */
wasm_extern_t *standard_extern(wasm_store_t *store, const struct engine_extern *value);
void standard_release(wasm_ref_t *object); /* NULL allowed */
/* A reference more; NULL allowed. */
wasm_ref_t *standard_retain(const wasm_ref_t *object);
/* Ends what an object of its kind owns besides itself. */
void standard_trap_deinit(wasm_trap_t *trap);
/* Calls `visit` with each object of the store. */
void standard_visit(wasm_store_t *store, void (*visit)(void *env, wasm_ref_t *object), void *env);

/* ---- What guests have of the host's (standard_held.c) ------------------------------------------------------------------- */

enum { STANDARD_HELD_LEAST = 1024 }; /* so many are never looked through */
/* The object as an externref of the guest's. */
uint64_t standard_hold(wasm_ref_t *object);
/* The other way. */
wasm_ref_t *standard_held(uint64_t reference);
/* Once in a while, finds out which objects no guest has any more. A call of the host's: finalizers run. */
void standard_held_review(wasm_store_t *store);

/* ---- Stores (standard_store.c) ----------------------------------------------------------------------------------------- */

struct standard_host_function {
  struct standard_host_function *next;
  wasm_store_t *store;
  wasm_func_callback_t plain; /* NULL: `with_env` */
  wasm_func_callback_with_env_t with_env;
  cay_wasm_callback fast; /* NULL: one of the others */
  void *env;
  void (*finalizer)(void *);
};

struct wasm_store_t {
  wasm_engine_t *engine;
  struct engine_store *inner;
  wasm_ref_t **buckets; /* the set of objects */
  size_t bucket_count;  /* a power of two */
  size_t object_count;
  BASE_VEC(uint64_t) roots; /* guest's objects that objects here stand for; each knows its place */
  size_t roots_free;        /* the first free place, plus one; 0: none */
  struct engine_root_span root_span;
  size_t held_count;        /* objects that are held */
  size_t held_most;         /* how many there may be before those are looked for that no guest has any more */
  struct standard_host_function *host_functions;
  wasm_trap_t *thrown; /* what the host function returned that makes the guest's call end just now; owned */
  struct cay_error error;
};

bool standard_set_init(wasm_store_t *store);
/* Ends all objects: finalizers run, those that are referred to become shells. */
void standard_set_deinit(wasm_store_t *store);

/* ---- Types (standard_type.c) ------------------------------------------------------------------------------------------- */

struct wasm_valtype_t { wasm_valkind_t kind; };
struct wasm_externtype_t { wasm_externkind_t kind; };
struct wasm_functype_t {
  wasm_externtype_t base;
  wasm_valtype_vec_t params, results;
};
struct wasm_globaltype_t {
  wasm_externtype_t base;
  wasm_mutability_t mutability;
  wasm_valtype_t *content;
};
struct wasm_tabletype_t {
  wasm_externtype_t base;
  wasm_limits_t limits;
  wasm_valtype_t *element;
};
struct wasm_memorytype_t {
  wasm_externtype_t base;
  wasm_limits_t limits;
};

wasm_valkind_t standard_kind_of(module_type type);
/* MODULE_BOTTOM: not a kind that the embedder can make. */
module_type standard_type_of(wasm_valkind_t kind);
/* Types as wasm.h has them; NULL: no memory. `count`: the present size, which is the minimum. */
wasm_externtype_t *standard_functype(const struct module_func_type *type);
wasm_externtype_t *standard_globaltype(const struct module_global_type *type);
wasm_externtype_t *standard_tabletype(const struct module_table_type *type, uint64_t count);
wasm_externtype_t *standard_memorytype(const struct module_memory_type *type, uint64_t count);
wasm_externtype_t *standard_tagtype(void);
struct module_limits standard_limits_of(const wasm_limits_t *limits);

/* ---- Vectors (standard_vec.c) ------------------------------------------------------------------------------------------ */

/* Whether a vector could not be made for want of memory. */
bool standard_vec_failed(const void *data);
/* Makes a byte vector of a text. */
void standard_name(wasm_name_t *out, const char *bytes, size_t len_bytes);

/* ---- Values (standard_value.c) ----------------------------------------------------------------------------------------- */

/* The slots of a value of `type`. `instance`: whose types a type index in `type` means; NULL: there is none in it. */
enum cay_status standard_value_in(wasm_store_t *store, const struct engine_instance *instance, module_type type,
                                  const wasm_val_t *value, uint64_t *slots, struct cay_error *error);
/* The same for a reference of type funcref or externref. */
enum cay_status standard_ref_in(wasm_store_t *store, module_type type, const wasm_ref_t *ref, uint64_t *out,
                                struct cay_error *error);
/* The value in slots; false: no memory, `*out` is null. `is_traced`: of a reference, that it is none to a function. */
bool standard_value_out(wasm_store_t *store, module_type type, bool is_traced, const uint64_t *slots, wasm_val_t *out);
/* A new reference to what a reference of the guest refers to; NULL: null. False: no memory. */
bool standard_ref_out(wasm_store_t *store, bool is_traced, uint64_t reference, wasm_ref_t **out);

/* ---- Traps (standard_trap.c) ------------------------------------------------------------------------------------------- */

/* Never NULL: without memory it is the one trap that is always there. */
wasm_trap_t *standard_trap_new(wasm_store_t *store, const char *message);
/* What the store's last call ended with, with its frames. */
wasm_trap_t *standard_trap_of_call(wasm_store_t *store, enum engine_trap trap);
/* Of a failure that is no call's. */
wasm_trap_t *standard_trap_of_error(wasm_store_t *store, const struct cay_error *error);
/* Gives a trap of the host's the frames that are running. */
void standard_trap_locate(wasm_store_t *store, wasm_trap_t *trap);

#endif
