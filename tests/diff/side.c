/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "side.h"

/* One call in this many of an imported function traps; one calls an export. */
enum { IMPORT_TRAPS_ONE_IN = 16, IMPORT_REENTERS_ONE_IN = 3, MAX_DEPTH = 3 };

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

uint64_t side_value(module_type type, uint64_t random) {
  switch (type) {
  case MODULE_I32: return integer_value(random) & UINT32_MAX;
  case MODULE_I64: return integer_value(random);
  case MODULE_F32: return float_value(random, false);
  case MODULE_F64: return float_value(random, true);
  case MODULE_EXTERNREF: return random % 4;
  default: return 0;
  }
}

uint64_t side_import_global(uint32_t index, module_type type) { return side_value(type, side_mix(7, index)); }

void side_reset(struct side *side) {
  side->import_calls = side->import_digest = 0;
  side->can_reenter = side->stack_ended = false;
  side->depth = 0;
}

static void reenter(struct side *side) {
  uint64_t digest = side->import_digest;
  const struct module_export *export = &side->module->exports[digest % side->module->export_count];
  if (export->kind != MODULE_FUNC || side->depth == MAX_DEPTH) return;
  const struct module_func_type *type = side_func_type(side, export->index);
  uint64_t *slots = calloc(type->param_count + type->result_count + 1, sizeof *slots);
  for (uint32_t i = 0; i < type->param_count; i++) slots[i] = side_value(type->params[i], side_mix(digest, i));
  side->depth++;
  enum side_outcome outcome = side->kind->call(side, (uint32_t)(export - side->module->exports), slots);
  side->depth--;
  if (outcome == SIDE_STACK_EXHAUSTED) side->stack_ended = true;
  digest = side_mix(side->import_digest, outcome);
  for (uint32_t i = 0; i < type->result_count && outcome == SIDE_DONE; i++) digest = side_mix(digest, slots[i]);
  side->import_digest = digest;
  free(slots);
}

bool side_import_call(struct side *side, uint32_t func, const struct module_func_type *type, uint64_t *slots) {
  uint64_t digest = side_mix(side->import_digest, func);
  for (uint32_t i = 0; i < type->param_count; i++) digest = side_mix(digest, slots[i]);
  side->import_digest = digest;
  side->import_calls++;
  if (side->can_reenter && side->import_calls % IMPORT_REENTERS_ONE_IN == 0) reenter(side);
  digest = side->import_digest;
  for (uint32_t i = 0; i < type->result_count; i++) slots[i] = side_value(type->results[i], side_mix(digest, i));
  return digest % IMPORT_TRAPS_ONE_IN != 0;
}
