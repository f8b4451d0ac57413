/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What compiled code and the collector both know of types, references and objects. Part of the door engine.h, apart
 * from it because it is a subject of its own. Source: Core Specification 3.0, sections 3.3 (types), 4.2.1 (values). */
#ifndef ENGINE_GC_H
#define ENGINE_GC_H

#include "base/base.h"

struct module_func_type;

/* ---- Types ---------------------------------------------------------------------------------------------------- */

enum engine_type_kind { ENGINE_TYPE_FUNC, ENGINE_TYPE_STRUCT, ENGINE_TYPE_ARRAY, ENGINE_TYPE_EXCEPTION };

/* One for each distinct defined type of an engine, so that equality is equality of pointers; immutable, and alive as
 * long as the engine. An exception's type is its tag's: it holds the arguments as fields. */
struct engine_type {
  uint8_t kind;                            /* enum engine_type_kind */
  bool is_final;
  uint8_t elem_log2;                       /* array: bytes of an element, as a power of two */
  uint32_t id;                             /* in the engine; value types of an engine name it */
  bool elem_is_ref;                        /* array: elements are references that the collector follows */
  uint32_t depth;                          /* in the chain of supertypes; 0 at its root */
  const struct engine_type *const *supers; /* [0..depth]; supers[depth] is the type itself */
  const struct module_func_type *func;     /* function, exception */
  uint32_t fixed_bytes;                    /* struct, exception: the whole object; array: where element 0 lies */
  uint32_t ref_count;                      /* struct, exception: fields that the collector follows */
  const uint32_t *ref_offsets;             /* their places from the start of the object; multiples of 8 */
};

/* In constant time. */
static inline bool engine_type_matches(const struct engine_type *sub, const struct engine_type *super) {
  return sub == super || (super->depth <= sub->depth && sub->supers[super->depth] == super);
}

/* ---- Objects ---------------------------------------------------------------------------------------------------- */

/* Every object starts with its type; fields follow at the offsets that the type's maker chose. 8 bytes on every CPU. */
struct engine_object {
  _Alignas(8) const struct engine_type *type;
};
/* Element 0 lies at type->fixed_bytes: 12 for elements of at most 4 bytes, else 16. */
struct engine_array {
  _Alignas(8) const struct engine_type *type;
  uint32_t length;
};

struct engine_tag;
struct engine_exception {
  _Alignas(8) const struct engine_type *type;
  _Alignas(8) const struct engine_tag *tag;
  _Alignas(8) uint64_t values[]; /* the arguments, as they lie in slots */
};

static inline uint8_t *engine_array_elems(struct engine_array *array) {
  return (uint8_t *)array + array->type->fixed_bytes;
}

/* ---- References ------------------------------------------------------------------------------------------------- */

/* 64 bits, one representation for all heap types, so that converting between `any` and `extern` changes nothing:
 *   0                 null
 *   bit 0 set         i31: the 31 bits above it; the upper half is zero
 *   low bits 10       a host value, a number of 62 bits that means something to the embedder
 *   low bits 00       a pointer: struct engine_function for `func`, struct engine_object for everything else */

static inline bool engine_ref_is_i31(uint64_t reference) { return reference & 1; }
/* Keeps the low 31 bits of `value`. */
static inline uint64_t engine_ref_i31(uint32_t value) { return (uint32_t)(value << 1) | 1; }
static inline uint32_t engine_ref_i31_unsigned(uint64_t reference) { return (uint32_t)reference >> 1; }
static inline int32_t engine_ref_i31_signed(uint64_t reference) { return (int32_t)(uint32_t)reference >> 1; }

static inline bool engine_ref_is_host(uint64_t reference) { return (reference & 3) == 2; }
static inline uint64_t engine_ref_host(uint64_t number) { return number << 2 | 2; }
static inline uint64_t engine_ref_host_number(uint64_t reference) { return reference >> 2; }

/* Whether it points to an object, given that it is no reference to a function. */
static inline bool engine_ref_is_object(uint64_t reference) { return reference != 0 && (reference & 3) == 0; }
static inline struct engine_object *engine_ref_object(uint64_t reference) {
  return (struct engine_object *)(uintptr_t)reference;
}
static inline uint64_t engine_ref_of(const void *object) { return (uint64_t)(uintptr_t)object; }

#endif
