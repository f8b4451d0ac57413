/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Values as the JSON scripts spell them. Numbers are decimal texts; floats are their bit patterns or a kind of NaN; a
 * v128 is a list of lanes. References that a script makes up are numbers of the host's; a reference to something of the
 * guest's can only be asked what it is.
 *
 * Nothing here keeps a reference: a result is looked at before the guest, or its collector, can run again. */
#include <inttypes.h>
#include <stdlib.h>

#include "api/wast.h"

static const char *text_of(const struct api_json_table *json, const struct api_json *value, const char *key) {
  size_t ignored;
  return json->text(json->member(value, key), &ignored);
}

/* Bytes of a lane or scalar type's name ("i8" ... "f64"); 0 when it is none. */
static unsigned width_of(const char *type) {
  if (!type || (type[0] != 'i' && type[0] != 'f')) return 0;
  unsigned long bits = strtoul(type + 1, NULL, 10);
  return bits == 8 || bits == 16 || bits == 32 || bits == 64 ? (unsigned)bits / 8 : 0;
}

/* Signed or unsigned decimal, cut to `width` bytes. */
static bool bits_parse(const char *text, unsigned width, uint64_t *out) {
  if (!text || !(text[0] == '-' || (text[0] >= '0' && text[0] <= '9'))) return false;
  char *end;
  uint64_t bits = text[0] == '-' ? (uint64_t)strtoll(text, &end, 10) : strtoull(text, &end, 10);
  if (*end) return false;
  *out = width == 8 ? bits : bits & ((UINT64_C(1) << width * 8) - 1);
  return true;
}

static bool type_is(module_type type, const char *name) {
  static const struct {
    const char *name;
    module_type type;
  } types[] = {
      {"i32", MODULE_I32}, {"i64", MODULE_I64}, {"f32", MODULE_F32}, {"f64", MODULE_F64}, {"v128", MODULE_V128}};
  for (size_t i = 0; i < BASE_ARRAY_LEN(types); i++)
    if (strcmp(types[i].name, name) == 0) return types[i].type == type;
  return false;
}

/* Lane `index` of a v128's list. */
static const char *lane_text(const struct api_json_table *json, const struct api_json *value, unsigned index) {
  size_t ignored;
  return json->text(json->item(json->member(value, "value"), index), &ignored);
}

static bool v128_arg(const struct api_json_table *json, const struct api_json *value, uint64_t *slots) {
  unsigned width = width_of(text_of(json, value, "lane_type"));
  if (width == 0) return false;
  for (unsigned i = 0; i < 16 / width; i++) {
    uint64_t bits;
    if (!bits_parse(lane_text(json, value, i), width, &bits)) return false;
    memcpy((uint8_t *)slots + i * width, &bits, width);
  }
  return true;
}

/* ---- References ----------------------------------------------------------------------------------------------------- */

/* The top of the hierarchy that a heap type belongs to. */
static module_type top_of(const struct engine_instance *instance, module_type heap) {
  switch (heap) {
  case MODULE_HEAP_FUNC:
  case MODULE_HEAP_NOFUNC: return MODULE_HEAP_FUNC;
  case MODULE_HEAP_EXTERN:
  case MODULE_HEAP_NOEXTERN: return MODULE_HEAP_EXTERN;
  case MODULE_HEAP_EXN:
  case MODULE_HEAP_NOEXN: return MODULE_HEAP_EXN;
  default: break;
  }
  bool is_func = !(heap & MODULE_HEAP_ABSTRACT) && instance && instance->module->types[heap].kind == MODULE_DEF_FUNC;
  return is_func ? MODULE_HEAP_FUNC : MODULE_HEAP_ANY;
}

static bool is_bottom(module_type heap) {
  return heap == MODULE_HEAP_NONE || heap == MODULE_HEAP_NOFUNC || heap == MODULE_HEAP_NOEXTERN ||
         heap == MODULE_HEAP_NOEXN;
}

/* The heap type that a script's name for a reference means; false for a name that is none, or of another hierarchy
 * than `type`. */
static bool heap_of(const char *name, const struct engine_instance *instance, module_type type, module_type *heap) {
  static const module_type heaps[] = {MODULE_HEAP_ANY,    MODULE_HEAP_EQ,       MODULE_HEAP_I31,  MODULE_HEAP_STRUCT,
                                      MODULE_HEAP_ARRAY,  MODULE_HEAP_NONE,     MODULE_HEAP_FUNC, MODULE_HEAP_NOFUNC,
                                      MODULE_HEAP_EXTERN, MODULE_HEAP_NOEXTERN, MODULE_HEAP_EXN,  MODULE_HEAP_NOEXN};
  for (size_t i = 0; i < BASE_ARRAY_LEN(heaps); i++) {
    char built[32];
    if (strcmp(module_type_name(MODULE_REF | MODULE_REF_NULL | heaps[i], built), name) != 0) continue;
    *heap = heaps[i];
    return top_of(instance, heaps[i]) == top_of(instance, type & MODULE_HEAP_MASK);
  }
  return false;
}

/* A number of the host's. */
static bool host_reference(const char *text, module_type heap, uint64_t *out) {
  if ((heap != MODULE_HEAP_ANY && heap != MODULE_HEAP_EXTERN) || !bits_parse(text, 8, out)) return false;
  *out = engine_ref_host(*out);
  return true;
}

static bool reference_arg(const char *name, const char *text, const struct engine_instance *instance, module_type type,
                          uint64_t *slot) {
  module_type heap;
  if (!heap_of(name, instance, type, &heap)) return false;
  *slot = 0;
  if (is_bottom(heap) || (text && strcmp(text, "null") == 0)) return (type & MODULE_REF_NULL) != 0;
  module_type wanted = type & MODULE_HEAP_MASK;
  return (wanted == MODULE_HEAP_ANY || wanted == MODULE_HEAP_EXTERN) && host_reference(text, heap, slot);
}

bool api_wast_arg(const struct api_json_table *json, const struct api_json *value,
                  const struct engine_instance *instance, module_type type, uint64_t *slots) {
  const char *name = text_of(json, value, "type"), *text = text_of(json, value, "value");
  if (!name) return false;
  if (module_type_is_ref(type)) return reference_arg(name, text, instance, type, slots);
  if (!type_is(type, name)) return false;
  if (type == MODULE_V128) return v128_arg(json, value, slots);
  return bits_parse(text, width_of(name), slots);
}

/* ---- Comparing --------------------------------------------------------------------------------------------------------- */

/* Whether `bits`, a float of `width` bytes, is a NaN of the kind that `text` names. */
static bool nan_matches(const char *text, unsigned width, uint64_t bits) {
  unsigned mantissa_bits = width == 4 ? 23 : 52;
  uint64_t quiet_bit = UINT64_C(1) << (mantissa_bits - 1);
  uint64_t without_sign = bits & ~(UINT64_C(1) << (width * 8 - 1));
  uint64_t infinity = ((UINT64_C(1) << (width * 8 - 1 - mantissa_bits)) - 1) << mantissa_bits;
  if (strcmp(text, "nan:canonical") == 0) return without_sign == (infinity | quiet_bit);
  return strcmp(text, "nan:arithmetic") == 0 && (without_sign & (infinity | quiet_bit)) == (infinity | quiet_bit);
}

/* `text`: a bit pattern, or the kind of NaN that `bits` has to be. */
static bool scalar_matches(const char *text, unsigned width, uint64_t bits) {
  if (!text) return false;
  if (strncmp(text, "nan:", 4) == 0) return width >= 4 && nan_matches(text, width, bits);
  uint64_t wanted;
  return bits_parse(text, width, &wanted) && wanted == bits;
}

static bool v128_matches(const struct api_json_table *json, const struct api_json *expected, const uint64_t *slots) {
  unsigned width = width_of(text_of(json, expected, "lane_type"));
  if (width == 0) return false;
  for (unsigned i = 0; i < 16 / width; i++) {
    uint64_t bits = 0;
    memcpy(&bits, (const uint8_t *)slots + i * width, width);
    if (!scalar_matches(lane_text(json, expected, i), width, bits)) return false;
  }
  return true;
}

/* Without a value a name means "not null", except those of the bottom types, and "refnull", which mean null. */
static bool reference_matches(const char *name, const char *text, const struct engine_instance *instance,
                              module_type type, uint64_t reference) {
  module_type heap;
  if (strcmp(name, "refnull") == 0) return reference == 0;
  if (!heap_of(name, instance, type, &heap)) return false;
  if (is_bottom(heap) || (text && strcmp(text, "null") == 0)) return reference == 0;
  uint64_t wanted;
  if (text) return host_reference(text, heap, &wanted) && wanted == reference;
  return reference != 0 && engine_ref_matches(instance, reference, MODULE_REF | heap);
}

static bool either_matches(const struct api_json_table *json, const struct api_json *expected,
                           const struct engine_instance *instance, module_type type, const uint64_t *slots) {
  const struct api_json *values = json->member(expected, "values");
  for (size_t i = 0; i < json->count(values); i++)
    if (api_wast_matches(json, json->item(values, i), instance, type, slots)) return true;
  return false;
}

bool api_wast_matches(const struct api_json_table *json, const struct api_json *expected,
                      const struct engine_instance *instance, module_type type, const uint64_t *slots) {
  const char *name = text_of(json, expected, "type");
  if (!name) return false;
  if (strcmp(name, "either") == 0) return either_matches(json, expected, instance, type, slots);
  const char *text = text_of(json, expected, "value");
  if (module_type_is_ref(type)) return reference_matches(name, text, instance, type, slots[0]);
  if (!type_is(type, name)) return false;
  if (type == MODULE_V128) return v128_matches(json, expected, slots);
  return scalar_matches(text, width_of(name), type == MODULE_F32 ? (uint32_t)slots[0] : slots[0]);
}

void api_wast_expected_text(const struct api_json_table *json, const struct api_json *expected, struct base_text *out) {
  const char *name = text_of(json, expected, "type"), *text = text_of(json, expected, "value");
  base_text_addz(out, name ? name : "?");
  if (text) base_text_format(out, " %s", text);
  const struct api_json *lanes = json->member(expected, "value");
  const struct api_json *list = lanes && json->count(lanes) ? lanes : json->member(expected, "values");
  for (size_t i = 0; i < json->count(list); i++) {
    size_t ignored;
    const char *item = json->text(json->item(list, i), &ignored);
    base_text_addz(out, i ? ", " : " ");
    if (item)
      base_text_addz(out, item);
    else
      api_wast_expected_text(json, json->item(list, i), out);
  }
}
