/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Proposals: their names, and which need which. */
#include "module/module.h"

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
