/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "side.h"

/* One call in this many of an imported function traps; one calls an export; one throws. */
enum { IMPORT_TRAPS_ONE_IN = 16, IMPORT_THROWS_ONE_IN = 4, IMPORT_REENTERS_ONE_IN = 3, MAX_DEPTH = 3 };

const struct module_func_type *side_func_type(const struct side *side, uint32_t func) {
  return module_func_type_of(side->module, func);
}

/* ---- Values ----------------------------------------------------------------------------------------------------- */

uint64_t side_mix(uint64_t a, uint64_t b) {
  uint64_t z = a + UINT64_C(0x9E3779B97F4A7C15) * (b + 1);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

static uint64_t integer_value(uint64_t random) {
  static const uint64_t extremes[] = {
      0,  1,  UINT64_MAX, INT32_MAX, UINT64_C(0x80000000), UINT32_MAX, INT64_MAX, UINT64_C(0x8000000000000000),
      63, 64, 65535,      65536};
  uint64_t rest = random >> 8;
  switch (random % 4) {
  case 0: return extremes[rest % (sizeof extremes / sizeof extremes[0])];
  case 1: return rest % 256;
  default: return side_mix(random, 1);
  }
}

static uint64_t float_value(uint64_t random, bool is_double) {
  static const double special[] = {
      0.0,  -0.0, 1.0, -1.0, 0.5, 1e300, 1e-310, 2147483648.0, -2147483649.0, 4294967296.0, 18446744073709551616.0,
      1e-42};
  uint64_t rest = random >> 8, bits = side_mix(random, 2);
  double value = special[rest % (sizeof special / sizeof special[0])];
  if (random % 4 == 0) value = (double)(int64_t)bits / 1e15;
  if (random % 4 == 1) return is_double ? bits : bits & UINT32_MAX;
  if (rest % 11 == 0) value = __builtin_inf();
  bits = 0;
  float narrow = (float)value;
  if (is_double)
    memcpy(&bits, &value, sizeof value);
  else
    memcpy(&bits, &narrow, sizeof narrow);
  return bits;
}

static struct side_value number_value(module_type type, uint64_t random) {
  struct side_value value = {.kind = SIDE_NUMBER};
  switch (type) {
  case MODULE_I32: value.bits[0] = integer_value(random) & UINT32_MAX; break;
  case MODULE_I64: value.bits[0] = integer_value(random); break;
  case MODULE_F32: value.bits[0] = float_value(random, false); break;
  case MODULE_F64: value.bits[0] = float_value(random, true); break;
  default:
    for (int i = 0; i < 2; i++) {
      uint64_t half = side_mix(random, 4 + (uint64_t)i);
      value.bits[i] = random % 3 == 0   ? float_value(half, false) | float_value(side_mix(half, 0), false) << 32
                      : random % 3 == 1 ? float_value(half, true)
                                        : integer_value(half);
    }
  }
  return value;
}

uint64_t side_value_digest(struct side_value value) {
  return side_mix(side_mix(value.kind, value.bits[0]), value.bits[1]);
}

bool side_value_equal(struct side_value a, struct side_value b) {
  return a.kind == b.kind && a.bits[0] == b.bits[0] && a.bits[1] == b.bits[1];
}

enum side_hierarchy side_hierarchy(const struct module *module, module_type type) {
  if (module_type_is_defined(type))
    return module->types[type & MODULE_HEAP_MASK].kind == MODULE_DEF_FUNC ? SIDE_FUNC : SIDE_ANY;
  switch (type & MODULE_HEAP_MASK) {
  case MODULE_HEAP_FUNC:
  case MODULE_HEAP_NOFUNC: return SIDE_FUNC;
  case MODULE_HEAP_EXTERN:
  case MODULE_HEAP_NOEXTERN: return SIDE_EXTERN;
  case MODULE_HEAP_EXN:
  case MODULE_HEAP_NOEXN: return SIDE_EXN;
  default: return SIDE_ANY;
  }
}

static bool is_value_of(const struct module *module, const struct module_export *export, module_type type) {
  if (export->kind == MODULE_GLOBAL)
    return module_types_match(module->types, module->globals[export->index].type.type, type);
  if (export->kind != MODULE_FUNC) return false;
  uint32_t canonical = module->types[module->funcs[export->index].type].canonical;
  return module_types_match(module->types, MODULE_REF | canonical, type);
}

/* The first export from `start` on, around the end, that is or has a value of `type`. */
static bool exported_value(const struct side *side, module_type type, uint64_t start, struct side_value *out) {
  const struct module *module = side->module;
  for (uint32_t i = 0; i < module->export_count && side->has_exports; i++) {
    uint32_t at = (uint32_t)((start + i) % module->export_count);
    if (!is_value_of(module, &module->exports[at], type)) continue;
    *out = (struct side_value){module->exports[at].kind == MODULE_FUNC ? SIDE_FUNCTION : SIDE_OF_GLOBAL, {at}};
    return true;
  }
  return false;
}

/* What needs no instance. */
static bool made_value(module_type type, uint64_t random, struct side_value *out) {
  uint32_t heap = type & MODULE_HEAP_MASK;
  bool is_top = heap == MODULE_HEAP_ANY || heap == MODULE_HEAP_EXTERN;
  if (is_top && random % 2) {
    *out = (struct side_value){SIDE_FOREIGN, {1 + (random >> 1) % 3}};
    return true;
  }
  if (!is_top && heap != MODULE_HEAP_EQ && heap != MODULE_HEAP_I31) return false;
  *out = (struct side_value){SIDE_I31, {integer_value(random) & INT32_MAX}};
  return true;
}

bool side_value(const struct side *side, module_type type, uint64_t random, struct side_value *out) {
  if (!module_type_is_ref(type)) return *out = number_value(type, random), true;
  bool has_null = (type & MODULE_REF_NULL) != 0;
  *out = (struct side_value){.kind = SIDE_NULL};
  if (has_null && random % 4 == 0) return true;
  random = side_mix(random, 6);
  if (random % 2 && exported_value(side, type, random >> 8, out)) return true;
  return made_value(type, random >> 1, out) || exported_value(side, type, random >> 8, out) || has_null;
}

/* ---- Imports ---------------------------------------------------------------------------------------------------- */

bool side_import_global(const struct side *side, uint32_t index, struct side_value *out) {
  return side_value(side, side->module->globals[index].type.type, side_mix(7, index), out);
}

bool side_import_element(const struct side *side, uint32_t table, struct side_value *out) {
  module_type type = side->module->tables[table].type.elem;
  *out = (struct side_value){.kind = SIDE_NULL};
  return (type & MODULE_REF_NULL) || side_value(side, type, side_mix(8, table), out);
}

void side_reset(struct side *side) {
  side->import_calls = side->import_digest = side->exception_digest = 0;
  side->frames[0] = 0;
  side->has_exports = side->stack_ended = false;
  side->depth = 0;
}

static bool make_values(const struct side *side, const module_type *types, uint32_t count, uint64_t random,
                        struct side_value *out) {
  for (uint32_t i = 0; i < count; i++)
    if (!side_value(side, types[i], side_mix(random, i), &out[i])) return false;
  return true;
}

static void reenter(struct side *side) {
  uint64_t digest = side->import_digest;
  const struct module_export *export = &side->module->exports[digest % side->module->export_count];
  if (export->kind != MODULE_FUNC || side->depth == MAX_DEPTH) return;
  const struct module_func_type *type = side_func_type(side, export->index);
  struct side_value *args = calloc(type->param_count + type->result_count + 1, sizeof *args);
  struct side_value *results = args + type->param_count;
  enum side_outcome outcome = SIDE_REFUSED;
  side->depth++;
  if (make_values(side, type->params, type->param_count, digest, args))
    outcome = side->kind->call(side, (uint32_t)(export - side->module->exports), args, results);
  side->depth--;
  if (outcome == SIDE_STACK_EXHAUSTED) side->stack_ended = true;
  bool may_be_bounds = outcome == SIDE_UNSHARED_WAIT || outcome == SIDE_UNALIGNED_ATOMIC; /* see diff.c */
  digest = side_mix(side->import_digest, may_be_bounds ? SIDE_MEMORY_BOUNDS : outcome);
  for (uint32_t i = 0; i < type->result_count && outcome == SIDE_DONE; i++)
    digest = side_mix(digest, side_value_digest(results[i]));
  side->import_digest = digest;
  free(args);
}

const struct module_func_type *side_tag_type(const struct side *side, uint32_t tag_export) {
  const struct module *module = side->module;
  return &module->types[module->tags[module->exports[tag_export].index].type].func;
}

static bool make_exception(const struct side *side, uint64_t random, struct side_value *made, uint32_t *tag_export) {
  const struct module *module = side->module;
  if (random % IMPORT_THROWS_ONE_IN || !side->has_exports) return false;
  for (uint32_t i = 0; i < module->export_count; i++) {
    *tag_export = (uint32_t)(((random >> 8) + i) % module->export_count);
    if (module->exports[*tag_export].kind != MODULE_TAG) continue;
    const struct module_func_type *type = side_tag_type(side, *tag_export);
    return make_values(side, type->params, type->param_count, random, made);
  }
  return false;
}

enum side_import side_import_call(struct side *side, uint32_t func, const struct side_value *args,
                                  struct side_value *made, uint32_t *tag_export) {
  const struct module_func_type *type = side_func_type(side, func);
  uint64_t digest = side_mix(side->import_digest, func);
  for (uint32_t i = 0; i < type->param_count; i++) digest = side_mix(digest, side_value_digest(args[i]));
  side->import_digest = digest;
  side->import_calls++;
  if (side->has_exports && side->import_calls % IMPORT_REENTERS_ONE_IN == 0) reenter(side);
  digest = side->import_digest;
  if (digest % IMPORT_TRAPS_ONE_IN == 0) return SIDE_TRAPS;
  if (make_exception(side, side_mix(digest, 9), made, tag_export)) return SIDE_THROWS;
  return make_values(side, type->results, type->result_count, digest, made) ? SIDE_RETURNS : SIDE_TRAPS;
}
