/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* RISC-V with 64 bits: code is made for all that Linux runs on, on another machine, and never for a certain one. */
#include "tiers/kept.h"

const enum tiers_cpu tiers_processor_base = TIERS_CPU_RISCV64;

uint64_t tiers_processor(void) { return 0; }

bool tiers_processor_is(enum tiers_cpu cpu) { return cpu == TIERS_CPU_RISCV64; }

bool tiers_has_segment(void) { return false; }
