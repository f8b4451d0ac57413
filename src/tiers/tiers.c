/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "tiers/tiers.h"

const struct engine_tier *const tiers_all[] = {
#if TIERS_HAS_BASELINE
    &tiers_baseline,
#endif
    &tiers_interp,
    NULL,
};
