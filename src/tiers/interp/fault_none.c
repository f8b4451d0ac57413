/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Builds whose handlers check bounds themselves: no fault is the interpreter's. */
#include "tiers/interp/fault.h"
#include "tiers/interp/insn.h"

bool interp_fault(struct engine_activation *activation, void *machine_context) {
  (void)activation;
  (void)machine_context;
  return false;
}

const struct interp_handlers *interp_handlers_guarded(void) { return NULL; }
