/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* AArch64: code is made for all of them, on another machine, and never for a certain one. */
#include "tiers/kept.h"

const enum tiers_cpu tiers_processor_base = TIERS_CPU_AARCH64;

uint64_t tiers_processor(void) { return 0; }

bool tiers_has_segment(void) { return false; }

bool tiers_processor_is(enum tiers_cpu cpu) { return cpu == TIERS_CPU_AARCH64; }
