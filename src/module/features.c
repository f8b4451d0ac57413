/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Proposals: their names, which need which, and those that cay knows by sight only: their codes have no meaning here, but a
 * message should say where they come from. */
#include "module/reader.h"

#include <assert.h>

const char *module_feature_name(enum module_feature feature) {
  static const char *const names[] = {
#define X(NAME, text) text,
      MODULE_FEATURES(X)
#undef X
  };
  assert(feature < MODULE_FEATURE_COUNT);
  return names[feature];
}

/* A proposal that others need stands above them. */
static const struct {
  enum module_feature feature, needs;
} needs[] = {
    {MODULE_FEATURE_RELAXED_SIMD, MODULE_FEATURE_SIMD},
    {MODULE_FEATURE_FUNCTION_REFERENCES, MODULE_FEATURE_REFERENCE_TYPES},
    {MODULE_FEATURE_GC, MODULE_FEATURE_FUNCTION_REFERENCES},
    {MODULE_FEATURE_EXCEPTIONS, MODULE_FEATURE_REFERENCE_TYPES},
    {MODULE_FEATURE_LEGACY_EXCEPTIONS, MODULE_FEATURE_EXCEPTIONS},
};

module_features module_features_switch(module_features features, enum module_feature feature, bool on) {
  assert(feature < MODULE_FEATURE_COUNT);
  if (on) {
    features |= UINT64_C(1) << feature;
    for (size_t i = BASE_ARRAY_LEN(needs); i-- > 0;)
      if (features >> needs[i].feature & 1) features |= UINT64_C(1) << needs[i].needs;
  } else {
    features &= ~(UINT64_C(1) << feature);
    for (size_t i = 0; i < BASE_ARRAY_LEN(needs); i++)
      if (!(features >> needs[i].needs & 1)) features &= ~(UINT64_C(1) << needs[i].feature);
  }
  return features;
}

static const struct {
  const char *proposal;
  enum module_codes codes;
  uint32_t first, last;
} absent[] = {
    {"stack-switching", MODULE_CODES_OP, 0xE0, 0xE6},
    {"stack-switching", MODULE_CODES_VALUE_TYPE, 0x68, 0x68},
    {"stack-switching", MODULE_CODES_VALUE_TYPE, 0x75, 0x75},
    {"stack-switching", MODULE_CODES_TYPE_FORM, 0x5D, 0x5D},
    {"custom-descriptors", MODULE_CODES_OP_FB, 0x20, 0x26},
    {"custom-descriptors", MODULE_CODES_VALUE_TYPE, 0x62, 0x62},
    {"custom-descriptors", MODULE_CODES_TYPE_FORM, 0x4C, 0x4D},
    {"custom-descriptors", MODULE_CODES_IMPORT, 0x20, 0x20},
    {"compact-imports", MODULE_CODES_IMPORT, 0x7E, 0x7F},
    {"memory-control", MODULE_CODES_OP_FC, 0x12, 0x12},
    {"shared-everything-threads", MODULE_CODES_OP_FE, 0x04, 0x04},
    {"shared-everything-threads", MODULE_CODES_OP_FE, 0x4F, 0x76},
    {"shared-everything-threads", MODULE_CODES_VALUE_TYPE, 0x65, 0x65},
    {"shared-everything-threads", MODULE_CODES_TYPE_FORM, 0x65, 0x65},
    {"shared-everything-threads", MODULE_CODES_LIMITS, 0x02, 0x03},
    {"shared-everything-threads", MODULE_CODES_LIMITS, 0x06, 0x07},
    {"shared-everything-threads", MODULE_CODES_MUTABILITY, 0x02, 0x03},
};

bool module_reader_unknown(struct module_reader *reader, enum module_codes codes, const char *what, uint32_t code,
                           uint32_t offset) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(absent); i++)
    if (absent[i].codes == codes && absent[i].first <= code && code <= absent[i].last)
      return module_reader_fail(reader, CAY_ERROR_UNSUPPORTED, offset, "not supported: the proposal %s (%s 0x%02x)",
                                absent[i].proposal, what, code);
  return module_reader_fail(reader, CAY_ERROR_MALFORMED, offset, "unknown %s 0x%02x", what, code);
}
