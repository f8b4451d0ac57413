/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Values between wasm.h and the guest's slots.
 *
 * Numbers are copied. A reference to a function is the engine's function. As an externref, a guest's object is itself, and
 * everything else is the object that stands for it here, held by the guest (standard_held.c).
 *
 * A kind that is not the type's, an object of another store and a reference of another type are refused with a sentence:
 * what the guest gets is always of the type that its code was validated with. */
#include <inttypes.h>

#include "api/standard.h"

/* ---- In ------------------------------------------------------------------------------------------------------------------------ */

static uint64_t as_externref(wasm_ref_t *object) {
  return object->kind == STANDARD_GUEST ? object->key : standard_hold(object);
}

BASE_COLD static enum cay_status wrong(module_type type, const char *is, struct cay_error *error) {
  char name[32];
  return base_error_set(error, CAY_ERROR_ARGUMENT, "%s where a value of type %s is expected", is,
                        module_type_name(type, name));
}

static enum cay_status object_check(const wasm_store_t *store, const wasm_ref_t *ref, struct cay_error *error) {
  if (ref->store == store) return CAY_OK;
  return base_error_set(error, CAY_ERROR_ARGUMENT, "a reference to an object %s",
                        ref->store ? "of another store" : "whose store was deleted");
}

/* Exceptions are a hierarchy of their own, which casts do not tell from the others. */
static bool is_exception(uint64_t reference) {
  return engine_ref_is_object(reference) && engine_ref_object(reference)->type->kind == ENGINE_TYPE_EXCEPTION;
}

static bool is_exception_type(module_type type) { return (type & MODULE_HEAP_MASK) == MODULE_HEAP_EXN; }

/* The reference in the guest's form, whatever it is; its store is the right one. */
static bool untyped_ref_in(module_type type, bool is_traced, const wasm_ref_t *ref, uint64_t *out) {
  if (is_traced) {
    *out = as_externref((wasm_ref_t *)(uintptr_t)ref);
    return is_exception(*out) == is_exception_type(type);
  }
  *out = standard_key(standard_inner(ref));
  return ref->kind == STANDARD_FUNC;
}

enum cay_status standard_ref_in(wasm_store_t *store, module_type type, const wasm_ref_t *ref, uint64_t *out,
                                struct cay_error *error) {
  *out = 0;
  if (!ref) return CAY_OK;
  enum cay_status status = object_check(store, ref, error);
  if (status != CAY_OK) return status;
  bool is_known = type == MODULE_EXTERNREF || type == MODULE_FUNCREF;
  if (is_known && untyped_ref_in(type, type == MODULE_EXTERNREF, ref, out)) return CAY_OK;
  *out = 0;
  return wrong(type, "another reference", error);
}

/* Of the types that wasm.h cannot name; they are known as the instance knows them. */
static enum cay_status typed_ref_in(wasm_store_t *store, const struct engine_instance *instance, module_type type,
                                    const wasm_ref_t *ref, uint64_t *out, struct cay_error *error) {
  *out = 0;
  enum cay_status status = ref ? object_check(store, ref, error) : CAY_OK;
  if (status != CAY_OK) return status;
  bool is_traced = module_type_is_traced(instance->module->types, type);
  bool is_known = !ref || untyped_ref_in(type, is_traced, ref, out);
  if (is_known && engine_ref_matches(instance, *out, type)) return CAY_OK;
  *out = 0;
  return wrong(type, ref ? "another reference" : "null", error);
}

/* References of every kind are given under either name. */
static bool kind_fits(wasm_valkind_t wanted, wasm_valkind_t kind) {
  return wasm_valkind_is_ref(wanted) ? kind == WASM_EXTERNREF || kind == WASM_FUNCREF : kind == wanted;
}

enum cay_status standard_value_in(wasm_store_t *store, const struct engine_instance *instance, module_type type,
                                  const wasm_val_t *value, uint64_t *slots, struct cay_error *error) {
  if (type == MODULE_V128) return base_error_set(error, CAY_ERROR_UNSUPPORTED, "wasm.h has no values of type v128");
  if (!kind_fits(standard_kind_of(type), value->kind))
    return wrong(type, wasm_valkind_is_ref(value->kind) ? "a reference" : "a number of another type", error);
  switch (type) {
  case MODULE_I32: *slots = (uint32_t)value->of.i32; return CAY_OK;
  case MODULE_I64: *slots = (uint64_t)value->of.i64; return CAY_OK;
  case MODULE_F64: memcpy(slots, &value->of.f64, sizeof value->of.f64); return CAY_OK;
  case MODULE_F32: {
    uint32_t bits;
    memcpy(&bits, &value->of.f32, sizeof bits);
    *slots = bits;
    return CAY_OK;
  }
  case MODULE_FUNCREF:
  case MODULE_EXTERNREF: return standard_ref_in(store, type, value->of.ref, slots, error);
  default:
    if (!instance) return wrong(type, "a value of wasm.h", error);
    return typed_ref_in(store, instance, type, value->of.ref, slots, error);
  }
}

/* ---- Out ----------------------------------------------------------------------------------------------------------------------- */

bool standard_ref_out(wasm_store_t *store, bool is_traced, uint64_t reference, wasm_ref_t **out) {
  *out = NULL;
  if (reference == 0) return true;
  if (!is_traced)
    *out = standard_take(store, STANDARD_FUNC, reference);
  else if (engine_ref_is_host(reference))
    *out = standard_retain(standard_held(reference));
  else
    *out = standard_take(store, STANDARD_GUEST, reference);
  return *out != NULL;
}

bool standard_value_out(wasm_store_t *store, module_type type, bool is_traced, const uint64_t *slots, wasm_val_t *out) {
  memset(out, 0, sizeof *out);
  out->kind = standard_kind_of(type);
  switch (type) {
  case MODULE_I32: out->of.i32 = (int32_t)(uint32_t)*slots; return true;
  case MODULE_I64: out->of.i64 = (int64_t)*slots; return true;
  case MODULE_F64: memcpy(&out->of.f64, slots, sizeof out->of.f64); return true;
  case MODULE_F32: {
    uint32_t bits = (uint32_t)*slots;
    memcpy(&out->of.f32, &bits, sizeof bits);
    return true;
  }
  case MODULE_V128: return true;
  default:
    out->kind = is_traced ? WASM_EXTERNREF : WASM_FUNCREF;
    return standard_ref_out(store, is_traced, *slots, &out->of.ref);
  }
}
