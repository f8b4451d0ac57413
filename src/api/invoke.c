/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Calls of exported functions with typed values: from C values, and from texts for the command line. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/parts.h"

/* ---- Texts --------------------------------------------------------------------------------------------------------- */

/* A whole number that fits `bits` signed or unsigned, in decimal or 0x. */
static bool integer_parse(const char *text, unsigned bits, uint64_t *out) {
  bool negative = text[0] == '-';
  const char *digits = text + (negative || text[0] == '+');
  if (digits[0] < '0' || digits[0] > '9') return false;
  int base = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') ? 16 : 10;
  char *end;
  errno = 0;
  uint64_t magnitude = strtoull(digits, &end, base);
  if (errno != 0 || *end || (base == 16 && !digits[2])) return false;
  uint64_t limit = negative ? UINT64_C(1) << (bits - 1) : UINT64_MAX >> (64 - bits);
  if (magnitude > limit) return false;
  *out = (negative ? 0 - magnitude : magnitude) & UINT64_MAX >> (64 - bits);
  return true;
}

static bool float_parse(const char *text, bool single, uint64_t *out) {
  char *end;
  if (!text[0] || strspn(text, " \t\n") > 0) return false;
  *out = 0;
  if (single) {
    float value = strtof(text, &end);
    memcpy(out, &value, sizeof value);
  } else {
    double value = strtod(text, &end);
    memcpy(out, &value, sizeof value);
  }
  return end != text && !*end;
}

enum { HOST_NUMBER_BITS = 62 }; /* of a number that stands for something of the host's */

/* 0x and up to 32 digits, most significant first, as api_value_text writes it. */
static bool v128_parse(const char *text, uint64_t *out) {
  out[0] = out[1] = 0;
  if (strncmp(text, "0x", 2) != 0) return integer_parse(text, 64, out);
  const char *digits = text + 2;
  size_t len = strlen(digits);
  if (len == 0 || len > 32 || strspn(digits, "0123456789abcdefABCDEF") != len) return false;
  for (; *digits; digits++) {
    unsigned digit = *digits <= '9' ? (unsigned)(*digits - '0') : (unsigned)((*digits | 32) - 'a' + 10);
    out[1] = out[1] << 4 | out[0] >> 60;
    out[0] = out[0] << 4 | digit;
  }
  return true;
}

bool api_value_parse(module_type type, const char *text, uint64_t *slots) {
  switch (type) {
  case MODULE_I32: return integer_parse(text, 32, slots);
  case MODULE_I64: return integer_parse(text, 64, slots);
  case MODULE_F32: return float_parse(text, true, slots);
  case MODULE_F64: return float_parse(text, false, slots);
  case MODULE_V128: return v128_parse(text, slots);
  default: break;
  }
  *slots = 0;
  if (strcmp(text, "null") == 0) return (type & MODULE_REF_NULL) != 0;
  if (type != MODULE_EXTERNREF || text[0] == '-' || !integer_parse(text, HOST_NUMBER_BITS, slots)) return false;
  *slots = engine_ref_host(*slots);
  return true;
}

static void float_text(double value, bool single, uint64_t bits, struct base_text *out) {
  if (isnan(value))
    base_text_format(out, "%snan:0x%" PRIx64, signbit(value) ? "-" : "",
                     single ? bits & 0x7FFFFF : bits & UINT64_C(0xFFFFFFFFFFFFF));
  else
    base_text_format(out, single ? "%.9g" : "%.17g", value);
}

static void reference_text(uint64_t reference, bool is_traced, struct base_text *out) {
  static const char *const kinds[] = {[ENGINE_TYPE_FUNC] = "a function",
                                      [ENGINE_TYPE_STRUCT] = "a structure",
                                      [ENGINE_TYPE_ARRAY] = "an array",
                                      [ENGINE_TYPE_EXCEPTION] = "an exception"};
  if (reference == 0)
    base_text_addz(out, "null");
  else if (!is_traced)
    base_text_addz(out, "a function");
  else if (engine_ref_is_host(reference))
    base_text_format(out, "%" PRIu64, engine_ref_host_number(reference));
  else if (engine_ref_is_i31(reference))
    base_text_format(out, "i31 %" PRId32, engine_ref_i31_signed(reference));
  else
    base_text_addz(out, kinds[engine_ref_object(reference)->type->kind]);
}

void api_value_text(module_type type, bool is_traced, const uint64_t *slots, struct base_text *out) {
  float single;
  double number;
  switch (type) {
  case MODULE_I32: base_text_format(out, "%" PRId32, (int32_t)slots[0]); return;
  case MODULE_I64: base_text_format(out, "%" PRId64, (int64_t)slots[0]); return;
  case MODULE_F32:
    memcpy(&single, slots, sizeof single);
    float_text((double)single, true, slots[0], out);
    return;
  case MODULE_F64:
    memcpy(&number, slots, sizeof number);
    float_text(number, false, slots[0], out);
    return;
  case MODULE_V128: base_text_format(out, "0x%016" PRIx64 "%016" PRIx64, slots[1], slots[0]); return;
  default: reference_text(slots[0], is_traced, out); return;
  }
}

/* ---- Calls --------------------------------------------------------------------------------------------------------- */

/* Space for parameters and results of a call; NULL when memory is out. */
static uint64_t *slots_new(const struct module_func_type *type) {
  uint32_t count = type->param_slots > type->result_slots ? type->param_slots : type->result_slots;
  return base_alloc_zero((size_t)count + 1, sizeof(uint64_t));
}

static enum cay_status count_error(const char *name, const struct module_func_type *type, size_t given,
                                   struct cay_error *error) {
  char printable[64], text[128];
  return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%s\" takes %" PRIu32 " argument%s, not %zu; its type is %s",
                        base_printable(printable, sizeof printable, name, strlen(name)), type->param_count,
                        type->param_count == 1 ? "" : "s", given, module_func_type_text(type, text, sizeof text));
}

enum cay_status api_run_invoke_text(cay_run *run, const char *name, const char *const *args, size_t arg_count,
                                    struct base_text *out, struct cay_error *error) {
  const struct module_func_type *type = api_run_export_type(run, name, error);
  if (!type) return CAY_ERROR_ARGUMENT;
  if (arg_count != type->param_count) return count_error(name, type, arg_count, error);
  BASE_AUTO_FREE uint64_t *slots = slots_new(type);
  if (!slots) return base_error_memory(error);
  uint64_t *slot = slots;
  for (size_t i = 0; i < arg_count; slot += module_type_slots(type->params[i++])) {
    if (api_value_parse(type->params[i], args[i], slot)) continue;
    char printable[64], type_name[32];
    return base_error_set(error, CAY_ERROR_ARGUMENT, "argument %zu, \"%s\", is not a %s", i + 1,
                          base_printable(printable, sizeof printable, args[i], strlen(args[i])),
                          module_type_name(type->params[i], type_name));
  }
  assert(slot == slots + type->param_slots);
  enum cay_status status = api_run_call(run, name, slots, error);
  slot = slots;
  for (uint32_t i = 0; status == CAY_OK && i < type->result_count; slot += module_type_slots(type->results[i++])) {
    api_value_text(type->results[i], module_type_is_traced(api_run_types(run), type->results[i]), slot, out);
    base_text_addz(out, "\n");
  }
  return status;
}

/* The public type of a value type; false for one that the public API cannot pass. */
static bool public_type(module_type type, enum cay_type *out) {
  if (type == MODULE_FUNCREF || type == MODULE_EXTERNREF)
    *out = type == MODULE_FUNCREF ? CAY_FUNCREF : CAY_EXTERNREF;
  else if (!module_type_is_ref(type))
    *out = (enum cay_type)type;
  else
    return false;
  return true;
}

/* i32 and f32 are zero-extended in their slot. */
static void value_store(const cay_value *value, uint64_t *slot) {
  switch (value->type) {
  case CAY_I32: slot[0] = (uint32_t)value->of.i32; return;
  case CAY_F32:
    slot[0] = 0;
    memcpy(slot, &value->of.f32, sizeof value->of.f32);
    return;
  case CAY_V128: memcpy(slot, value->of.v128, sizeof value->of.v128); return;
  case CAY_EXTERNREF: slot[0] = value->of.ref == 0 ? 0 : engine_ref_host(value->of.ref); return;
  default: memcpy(slot, &value->of.i64, sizeof value->of.i64); return;
  }
}

/* False: a reference to something of the guest's. */
static bool value_load(enum cay_type type, const uint64_t *slot, cay_value *value) {
  memset(value, 0, sizeof *value);
  value->type = type;
  if (type == CAY_EXTERNREF) {
    if (slot[0] == 0) return true;
    value->of.ref = engine_ref_host_number(slot[0]);
    return engine_ref_is_host(slot[0]);
  }
  memcpy(&value->of, slot, type == CAY_V128 ? 16 : type == CAY_I32 || type == CAY_F32 ? 4 : 8);
  return true;
}

static enum cay_status args_store(const struct module_func_type *type, const cay_value *args, uint64_t *slot,
                                  struct cay_error *error) {
  for (uint32_t i = 0; i < type->param_count; slot += module_type_slots(type->params[i++])) {
    enum cay_type wanted;
    char name[32];
    if (!public_type(type->params[i], &wanted) || args[i].type != wanted)
      return base_error_set(error, CAY_ERROR_ARGUMENT, "argument %" PRIu32 " is not a value of the parameter's type %s",
                            i + 1, module_type_name(type->params[i], name));
    if (wanted == CAY_FUNCREF && args[i].of.ref != 0)
      return base_error_set(error, CAY_ERROR_ARGUMENT, "argument %" PRIu32 " is a funcref other than null", i + 1);
    if (wanted == CAY_EXTERNREF && args[i].of.ref >> HOST_NUMBER_BITS)
      return base_error_set(error, CAY_ERROR_ARGUMENT, "argument %" PRIu32 " is an externref of more than %d bits",
                            i + 1, HOST_NUMBER_BITS);
    value_store(&args[i], slot);
  }
  return CAY_OK;
}

static enum cay_status results_check(const struct module_func_type *type, size_t capacity, struct cay_error *error) {
  if (capacity < type->result_count)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "there is room for %zu results, the function has %" PRIu32,
                          capacity, type->result_count);
  for (uint32_t i = 0; i < type->result_count; i++) {
    enum cay_type ignored;
    char name[32];
    if (!public_type(type->results[i], &ignored))
      return base_error_set(error, CAY_ERROR_UNSUPPORTED, "a result of type %s cannot be passed to C",
                            module_type_name(type->results[i], name));
  }
  return CAY_OK;
}

enum cay_status cay_run_invoke(cay_run *run, const char *name, const cay_value *args, size_t arg_count,
                               cay_value *results, size_t result_capacity, size_t *result_count,
                               struct cay_error *error) {
  const struct module_func_type *type = api_run_export_type(run, name, error);
  if (!type) return CAY_ERROR_ARGUMENT;
  if (arg_count != type->param_count) return count_error(name, type, arg_count, error);
  assert((args || !arg_count) && (results || !result_capacity) && "a call has its arguments and room for its results");
  BASE_AUTO_FREE uint64_t *slots = slots_new(type);
  if (!slots) return base_error_memory(error);
  enum cay_status status = args_store(type, args, slots, error);
  if (status == CAY_OK) status = results_check(type, result_capacity, error);
  if (status == CAY_OK) status = api_run_call(run, name, slots, error);
  if (status != CAY_OK) return status;
  uint64_t *slot = slots;
  for (uint32_t i = 0; i < type->result_count; slot += module_type_slots(type->results[i++])) {
    enum cay_type result = CAY_I32;
    public_type(type->results[i], &result);
    if (!value_load(result, slot, &results[i]))
      return base_error_set(error, CAY_ERROR_UNSUPPORTED,
                            "result %" PRIu32 " is a value of the guest's, which cannot be passed to C", i + 1);
  }
  assert(slot == slots + type->result_slots);
  if (result_count) *result_count = type->result_count;
  return CAY_OK;
}
