/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Door of the room `tiers`: the ways of executing functions that this build has. */
#ifndef TIERS_TIERS_H
#define TIERS_TIERS_H

#include "engine/engine.h"

/* Threaded register code; runs everywhere and needs no executable memory. */
extern const struct engine_tier tiers_interp;

/* Machine code copied together from stencils; where the build has it (TIERS_HAS_BASELINE). */
extern const struct engine_tier tiers_baseline;
#if TIERS_HAS_BASELINE
/* Whether the interpreter runs function `func`, which the module defines, in place of compiled code: from the next call
 * on, in all instances that share the code object; in frames that run already, from the next loop head on after an
 * engine_look of their thread. From any thread. What cannot be compiled is interpreted anyway. */
enum cay_status tiers_baseline_interpret(void *code, uint32_t func, bool is_interpreted, struct cay_error *error);
#endif
#if TIERS_HAS_OPTIMIZER
/* The baseline, with all functions compiled by LLVM in a helper process, cay-llvm, before the first is called. Those that it
 * cannot compile, all if there is no helper, stay in the baseline; `report` says how many and why. */
extern const struct engine_tier tiers_optimized;
/* The baseline, and the same helper for what turns out to be busy while it runs: it is started by the first function that is. */
extern const struct engine_tier tiers_auto;
/* For tests: about every so many-th call or round of a loop has its function optimized, and waits for that; 0: busy ones are. */
void tiers_auto_hasten(uint32_t every);
/* Where cay-llvm is looked for first, by programs that are not beside it. The text is the caller's; before it is started. */
void tiers_optimized_look_in(const char *folder);
/* For tests: of modules that are made code of from now on, about half of the functions stay in the baseline; `seed` tells which,
 * 0: none for this reason. */
void tiers_optimized_mix(uint32_t seed);
#endif
/* All of this build, the one that is taken when nothing is asked for first; NULL ends the list. */
extern const struct engine_tier *const tiers_all[];
/* What runs when nothing is asked for: the fastest that the system lets run. */
const struct engine_tier *tiers_default(void);

#endif
