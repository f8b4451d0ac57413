/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Structures, arrays and exceptions: making, filling and copying them (specification 4.6.7).
 *
 * Where a field lies is in the module's types, the same in every module that has the type. A value moves between its
 * slot and its place in an object as the low bytes of the slot, so nothing here asks for types of values, only for
 * their sizes; slots are little-endian pieces of 64 bits, and so are fields.
 *
 * An object is made first and filled then; between the two nothing can collect, so what is filled in needs no root but
 * what already keeps the operands. Checks come before anything is written. */
#include "engine/heap.h"
#include "engine/heap_parts.h"
#include "engine/internal.h"

enum { SLOT_BYTES = sizeof(uint64_t) };
/* Longest array: its bytes must be a number that allocation can be asked for, whatever the elements. */
#define LENGTH_MAX ((uint32_t)1 << 30)

static inline const struct module_def_type *def_of(const struct engine_instance *instance, uint32_t type) {
  return &instance->module->types[type];
}

static void store_value(void *to, const uint64_t *slot, uint32_t bytes) {
  switch (bytes) {
  case 1: memcpy(to, slot, 1); break;
  case 2: memcpy(to, slot, 2); break;
  case 4: memcpy(to, slot, 4); break;
  case 8: memcpy(to, slot, 8); break;
  default: memcpy(to, slot, 16);
  }
}

static enum engine_trap allocate(struct engine_store *store, const struct engine_type *type, uint64_t bytes,
                                 void **out) {
  *out = engine_heap_alloc(store, type, bytes);
  if (BASE_LIKELY(*out)) return ENGINE_TRAP_NONE;
  engine_budget_refused(store, bytes + HEAP_BLOCK_BYTES);
  return ENGINE_TRAP_HEAP_EXHAUSTED;
}

enum engine_trap engine_struct_new(struct engine_instance *instance, uint32_t type, const uint64_t *slots,
                                   uint64_t *out) {
  const struct module_def_type *def = def_of(instance, type);
  void *object;
  enum engine_trap trap = allocate(instance->store, instance->types[type], def->object_bytes, &object);
  if (trap != ENGINE_TRAP_NONE) return trap;
  for (uint32_t i = 0; slots && i < def->field_count; i++) {
    const struct module_field *field = &def->fields[i];
    store_value((uint8_t *)object + field->offset, slots, module_storage_bytes(field->type));
    slots += module_type_slots(field->type);
  }
  *out = engine_ref_of(object);
  return ENGINE_TRAP_NONE;
}

/* ---- Arrays ------------------------------------------------------------------------------------------------------- */

static uint32_t elem_bytes(const struct engine_type *type) { return (uint32_t)1 << type->elem_log2; }

static void fill_range(uint8_t *at, uint32_t bytes, const uint64_t *value, uint32_t count) {
  if (bytes == 1) {
    memset(at, (int)(*value & 0xFF), count);
    return;
  }
  for (uint32_t i = 0; i < count; i++) store_value(at + (size_t)i * bytes, value, bytes);
}

static enum engine_trap array_allocate(struct engine_instance *instance, uint32_t type, uint32_t length,
                                       struct engine_array **out) {
  const struct engine_type *runtime = instance->types[type];
  if (length > LENGTH_MAX) return ENGINE_TRAP_HEAP_EXHAUSTED;
  void *object;
  enum engine_trap trap =
      allocate(instance->store, runtime, runtime->fixed_bytes + ((uint64_t)length << runtime->elem_log2), &object);
  if (trap != ENGINE_TRAP_NONE) return trap;
  *out = object;
  (*out)->length = length;
  return ENGINE_TRAP_NONE;
}

enum engine_trap engine_array_new(struct engine_instance *instance, uint32_t type, uint32_t length,
                                  const uint64_t *value, uint64_t *out) {
  struct engine_array *array;
  enum engine_trap trap = array_allocate(instance, type, length, &array);
  if (trap != ENGINE_TRAP_NONE) return trap;
  if (value) fill_range(engine_array_elems(array), elem_bytes(array->type), value, length);
  *out = engine_ref_of(array);
  return ENGINE_TRAP_NONE;
}

enum engine_trap engine_array_new_fixed(struct engine_instance *instance, uint32_t type, uint32_t length,
                                        const uint64_t *slots, uint64_t *out) {
  struct engine_array *array;
  enum engine_trap trap = array_allocate(instance, type, length, &array);
  if (trap != ENGINE_TRAP_NONE) return trap;
  uint32_t bytes = elem_bytes(array->type), slots_each = bytes > SLOT_BYTES ? 2 : 1;
  for (uint32_t i = 0; i < length; i++)
    store_value(engine_array_elems(array) + (size_t)i * bytes, slots + (size_t)i * slots_each, bytes);
  *out = engine_ref_of(array);
  return ENGINE_TRAP_NONE;
}

/* The bytes of `count` elements in a data segment, or NULL when it has not so many. */
static const uint8_t *data_range(const struct engine_instance *instance, uint32_t data, uint32_t from_at,
                                 uint32_t count, uint8_t elem_log2) {
  uint64_t len_bytes = engine_data_length(instance, data), wanted = (uint64_t)count << elem_log2;
  if (from_at > len_bytes || wanted > len_bytes - from_at) return NULL;
  return instance->module->bytes + instance->module->datas[data].bytes_offset + from_at;
}

enum engine_trap engine_array_new_data(struct engine_instance *instance, uint32_t type, uint32_t data, uint32_t from_at,
                                       uint32_t length, uint64_t *out) {
  uint8_t elem_log2 = instance->types[type]->elem_log2;
  const uint8_t *from = data_range(instance, data, from_at, length, elem_log2);
  if (!from) return ENGINE_TRAP_MEMORY_BOUNDS;
  struct engine_array *array;
  enum engine_trap trap = array_allocate(instance, type, length, &array);
  if (trap != ENGINE_TRAP_NONE) return trap;
  memcpy(engine_array_elems(array), from, (size_t)length << elem_log2);
  *out = engine_ref_of(array);
  return ENGINE_TRAP_NONE;
}

static bool elem_has(const struct engine_instance *instance, uint32_t elem, uint32_t from_at, uint32_t count) {
  uint64_t length = engine_elem_length(instance, elem);
  return from_at <= length && count <= length - from_at;
}

static enum engine_trap elems_into(struct engine_instance *instance, struct engine_array *array, uint32_t at,
                                   uint32_t elem, uint32_t from_at, uint32_t count) {
  return engine_elem_copy(instance, elem, from_at, count, (uint64_t *)engine_array_elems(array) + at);
}

enum engine_trap engine_array_new_elem(struct engine_instance *instance, uint32_t type, uint32_t elem, uint32_t from_at,
                                       uint32_t length, uint64_t *out) {
  if (!elem_has(instance, elem, from_at, length)) return ENGINE_TRAP_TABLE_BOUNDS;
  struct engine_array *array;
  enum engine_trap trap = array_allocate(instance, type, length, &array);
  if (trap == ENGINE_TRAP_NONE) trap = elems_into(instance, array, 0, elem, from_at, length);
  if (trap == ENGINE_TRAP_NONE) *out = engine_ref_of(array);
  return trap;
}

/* Elements [at, at + count) of an array, or the trap. */
static enum engine_trap array_range(uint64_t reference, uint32_t at, uint32_t count, struct engine_array **array,
                                    uint8_t **from) {
  if (reference == 0) return ENGINE_TRAP_NULL_REFERENCE;
  *array = (struct engine_array *)engine_ref_object(reference);
  if (at > (*array)->length || count > (*array)->length - at) return ENGINE_TRAP_ARRAY_BOUNDS;
  *from = engine_array_elems(*array) + ((size_t)at << (*array)->type->elem_log2);
  return ENGINE_TRAP_NONE;
}

enum engine_trap engine_array_fill(uint64_t reference, uint32_t at, const uint64_t *value, uint32_t count) {
  struct engine_array *array;
  uint8_t *to;
  enum engine_trap trap = array_range(reference, at, count, &array, &to);
  if (trap == ENGINE_TRAP_NONE) fill_range(to, elem_bytes(array->type), value, count);
  return trap;
}

enum engine_trap engine_array_copy(uint64_t to, uint32_t to_at, uint64_t from, uint32_t from_at, uint32_t count) {
  struct engine_array *target, *source;
  uint8_t *into, *out_of;
  enum engine_trap trap = array_range(to, to_at, count, &target, &into);
  if (trap == ENGINE_TRAP_NONE) trap = array_range(from, from_at, count, &source, &out_of);
  if (trap == ENGINE_TRAP_NONE) memmove(into, out_of, (size_t)count << target->type->elem_log2);
  return trap;
}

enum engine_trap engine_array_init_data(struct engine_instance *instance, uint64_t reference, uint32_t at,
                                        uint32_t data, uint32_t from_at, uint32_t count) {
  struct engine_array *array;
  uint8_t *to;
  enum engine_trap trap = array_range(reference, at, count, &array, &to);
  if (trap != ENGINE_TRAP_NONE) return trap;
  const uint8_t *from = data_range(instance, data, from_at, count, array->type->elem_log2);
  if (!from) return ENGINE_TRAP_MEMORY_BOUNDS;
  memcpy(to, from, (size_t)count << array->type->elem_log2);
  return ENGINE_TRAP_NONE;
}

enum engine_trap engine_array_init_elem(struct engine_instance *instance, uint64_t reference, uint32_t at,
                                        uint32_t elem, uint32_t from_at, uint32_t count) {
  struct engine_array *array;
  uint8_t *to;
  enum engine_trap trap = array_range(reference, at, count, &array, &to);
  if (trap != ENGINE_TRAP_NONE) return trap;
  if (!elem_has(instance, elem, from_at, count)) return ENGINE_TRAP_TABLE_BOUNDS;
  return elems_into(instance, array, at, elem, from_at, count);
}

/* ---- Exceptions --------------------------------------------------------------------------------------------------- */

enum engine_trap engine_exception_new(struct engine_store *store, const struct engine_tag *tag, const uint64_t *slots,
                                      uint64_t *out) {
  void *object;
  enum engine_trap trap = allocate(store, tag->exception, tag->exception->fixed_bytes, &object);
  if (trap != ENGINE_TRAP_NONE) return trap;
  struct engine_exception *exception = object;
  exception->tag = tag;
  uint32_t count = tag->type->func->param_slots;
  if (count) memcpy(exception->values, slots, count * sizeof *slots);
  *out = engine_ref_of(exception);
  return ENGINE_TRAP_NONE;
}

/* ---- Casts -------------------------------------------------------------------------------------------------------- */

static bool object_matches(const struct engine_type *type, module_type heap) {
  switch (heap) {
  case MODULE_HEAP_ANY:
  case MODULE_HEAP_EQ:
  case MODULE_HEAP_EXTERN:
  case MODULE_HEAP_EXN: return true;
  case MODULE_HEAP_STRUCT: return type->kind == ENGINE_TYPE_STRUCT;
  case MODULE_HEAP_ARRAY: return type->kind == ENGINE_TYPE_ARRAY;
  default: return false;
  }
}

static bool func_matches(const struct engine_instance *instance, uint64_t reference, module_type heap) {
  if (heap == MODULE_HEAP_FUNC) return true;
  const struct engine_function *function = (const struct engine_function *)(uintptr_t)reference;
  return !(heap & MODULE_HEAP_ABSTRACT) && engine_type_matches(function->def, instance->types[heap]);
}

static bool is_of_functions(const struct engine_instance *instance, module_type heap) {
  if (heap & MODULE_HEAP_ABSTRACT) return heap == MODULE_HEAP_FUNC || heap == MODULE_HEAP_NOFUNC;
  return instance->types[heap]->kind == ENGINE_TYPE_FUNC;
}

bool engine_ref_matches(const struct engine_instance *instance, uint64_t reference, module_type type) {
  module_type heap = type & MODULE_HEAP_MASK;
  if (reference == 0) return (type & MODULE_REF_NULL) != 0;
  if (is_of_functions(instance, heap)) return func_matches(instance, reference, heap);
  if (engine_ref_is_i31(reference))
    return heap == MODULE_HEAP_I31 || heap == MODULE_HEAP_EQ || heap == MODULE_HEAP_ANY || heap == MODULE_HEAP_EXTERN;
  if (engine_ref_is_host(reference)) return heap == MODULE_HEAP_ANY || heap == MODULE_HEAP_EXTERN;
  const struct engine_type *actual = engine_ref_object(reference)->type;
  return heap & MODULE_HEAP_ABSTRACT ? object_matches(actual, heap)
                                     : engine_type_matches(actual, instance->types[heap]);
}
