/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Door of the room `tiers`: the ways of executing functions that this build has. */
#ifndef TIERS_TIERS_H
#define TIERS_TIERS_H

#include "engine/engine.h"

/* Threaded register code; runs everywhere and needs no executable memory. */
extern const struct engine_tier tiers_interp;

/* Machine code copied together from stencils; where the build has it (TIERS_HAS_BASELINE). */
extern const struct engine_tier tiers_baseline;
/* All of this build, the default first; NULL ends the list. */
extern const struct engine_tier *const tiers_all[];

#endif
