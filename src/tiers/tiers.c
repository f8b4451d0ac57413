/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "tiers/tiers.h"

const struct engine_tier *const tiers_all[] = {
#if TIERS_HAS_OPTIMIZER
    &tiers_auto,
#endif
#if TIERS_HAS_BASELINE
    &tiers_baseline,
#endif
#if TIERS_RUNS_OPTIMIZED
    &tiers_optimized,
#endif
    &tiers_interp,    NULL,
};

const struct engine_tier *tiers_default(void) {
#if TIERS_HAS_BASELINE
  if (base_code_may_run()) return &tiers_baseline;
#endif
  return &tiers_interp;
}

const struct engine_tier *tiers_fastest(void) {
#if TIERS_HAS_OPTIMIZER
  if (base_code_may_run()) return &tiers_auto;
#endif
  return tiers_default();
}
