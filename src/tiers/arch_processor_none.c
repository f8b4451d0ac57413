/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Processors that no code is kept for: the optimizing tier does not know them. */
#include "tiers/kept.h"

const enum tiers_cpu tiers_processor_base = TIERS_CPU_COUNT;

uint64_t tiers_processor(void) { return 0; }

bool tiers_has_segment(void) { return false; }

bool tiers_processor_is(enum tiers_cpu cpu) {
  (void)cpu;
  return false;
}
