/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Guard-page faults of the guarded handlers.
 *
 * Handlers are leaf functions without a stack frame whose first four arguments (ip, fp, mem, inst) are in fixed
 * registers from their first to their last instruction, so a fault needs nothing but another program counter: that of
 * the handler that raises the trap. The test "each memory instruction traps at its own offset" guards this. */
#include "engine/engine_arch.h"
#include "tiers/interp/fault.h"

bool interp_fault(struct engine_activation *activation, void *machine_context) {
  (void)activation; /* the handler that raises the trap publishes the position */
  uintptr_t entry, start, end;
  interp_fault_text(&entry, &start, &end);
  uintptr_t pc = engine_arch_pc(machine_context);
  if (pc < start || pc >= end) return false;
  engine_arch_set_pc(machine_context, entry);
  return true;
}
