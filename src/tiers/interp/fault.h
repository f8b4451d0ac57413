/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What happens when a handler touches a guard page, in builds with guarded handlers (INTERP_IS_GUARDED). */
#ifndef TIERS_INTERP_FAULT_H
#define TIERS_INTERP_FAULT_H

#include "engine/engine.h"

/* engine_tier.fault. In the signal handler: only async-signal-safe work. */
bool interp_fault(struct engine_activation *activation, void *machine_context);

/* The guarded handlers' text range and the address where a faulting one goes on. */
void interp_fault_text(uintptr_t *entry, uintptr_t *start, uintptr_t *end);

#endif
