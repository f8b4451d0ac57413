/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The kinds of processors that code is made for.
 *
 * AArch64: the tiny code model reaches everything of a batch by the distance from where it stands, so that code works wherever it
 * is put (object.c); in the small one addresses are made of pages. What is scheduled behind the allocation of registers may stand
 * before a frame is made, or behind its end, where a fault would not be found. */
#include "optimizer_semantics.gen.h"
#include "tiers/optimizer/helper/helper.h"

static const struct target targets[] = {
    {.features = "",
     .code_model = LLVMCodeModelSmall,
     .semantics = semantics_x86_64,
     .semantics_bytes = sizeof semantics_x86_64,
     .demotion = "cvtsd2ss $1, $0",
     .float_register = 'x',
     .frame_pointer = 6, /* rbp */
     .slack_bytes = 128,
     .catches = true},
    {.triple = "aarch64-unknown-linux-gnu",
     .features = "+v8a,-use-postra-scheduler",
     .code_model = LLVMCodeModelTiny,
     .semantics = semantics_aarch64,
     .semantics_bytes = sizeof semantics_aarch64,
     .demotion = "fcvt ${0:s}, ${1:d}",
     .float_register = 'w',
     .frame_pointer = 29,
     .slack_bytes = 288,
     .pairs_are_arrays = true},
};

const struct target *target_of(enum tiers_cpu cpu) { return &targets[cpu == TIERS_CPU_AARCH64]; }
