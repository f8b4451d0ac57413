/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Door of the room `tiers`: the ways of executing functions that this build has. */
#ifndef TIERS_TIERS_H
#define TIERS_TIERS_H

#include "engine/engine.h"

/* Threaded register code; runs everywhere and needs no executable memory. */
extern const struct engine_tier tiers_interp;

/* Machine code copied together from stencils; where the build has it (TIERS_HAS_BASELINE). */
extern const struct engine_tier tiers_baseline;
/* Compiles all functions of a code object of it, in `threads` threads. `progress` (may be NULL) is called now and then, in
 * the calling thread. */
enum cay_status tiers_baseline_compile_all(void *code, unsigned threads,
                                           void (*progress)(void *env, uint32_t done, uint32_t all), void *env,
                                           struct cay_error *error);

/* All of this build, the default first; NULL ends the list. */
extern const struct engine_tier *const tiers_all[];

#endif
