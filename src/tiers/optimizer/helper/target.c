/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The kinds of processors that code is made for.
 *
 * What is scheduled behind the allocation of registers may stand before a frame is made, or behind its end, where a fault would
 * not be found.
 *
 * AArch64: the tiny code model reaches everything of a batch by the distance from where it stands, so that code works wherever it
 * is put (object.c); in the small one addresses are made of pages.
 *
 * RISC-V: instructions are of four bytes each, so that arch_riscv64.c can walk back from one. Linux lets accesses be unaligned on all
 * of these processors. Without relaxation by a linker, distances within the code are known here. */
#include <elf.h>

#include "optimizer_semantics.gen.h"
#include "tiers/optimizer/helper/helper.h"

/* All registers but s0, sp, gp and tp. */
#define RISCV_CHANGED                                                                                              \
  "~{ra},~{t0},~{t1},~{s1},~{a5},~{a6},~{a7},~{s2},~{s3},~{s4},~{s5},~{s6},~{s7},~{s8},~{s9},~{s10},~{s11},~{t3}," \
  "~{t4},~{t5},~{t6},~{ft0},~{ft1},~{ft2},~{ft3},~{ft4},~{ft5},~{ft6},~{ft7},~{fs0},~{fs1},~{fa0},~{fa1},~{fa2},"  \
  "~{fa3},~{fa4},~{fa5},~{fa6},~{fa7},~{fs2},~{fs3},~{fs4},~{fs5},~{fs6},~{fs7},~{fs8},~{fs9},~{fs10},~{fs11},"    \
  "~{ft8},~{ft9},~{ft10},~{ft11},~{memory}"

static const struct target targets[TIERS_CPU_COUNT] = {
    [TIERS_CPU_X86_64] = {.features = "",
                          .code_model = LLVMCodeModelSmall,
                          .semantics = semantics_x86_64,
                          .semantics_bytes = sizeof semantics_x86_64,
                          .demotion = "cvtsd2ss $1, $0",
                          .float_register = 'x',
                          .frame_pointer = 6, /* rbp */
                          .slack_bytes = 128,
                          .has_vectors = true,
                          .rounds = true,
                          .registers = {4, 1, 6, 2},
                          .tail_calls = true,
                          .put = relocations_put_x86_64,
                          .absolute = R_X86_64_64},
    [TIERS_CPU_AARCH64] = {.triple = "aarch64-unknown-linux-gnu",
                           .cpu = "generic",
                           .features = "+v8a,-use-postra-scheduler",
                           .code_model = LLVMCodeModelTiny,
                           .semantics = semantics_aarch64,
                           .semantics_bytes = sizeof semantics_aarch64,
                           .demotion = "fcvt ${0:s}, ${1:d}",
                           .float_register = 'w',
                           .frame_pointer = 29,
                           .slack_bytes = 112,
                           .stub_bytes = 176,
                           .registers = {9, 0, 8, 7},
                           .pairs_are_arrays = true,
                           .has_vectors = true,
                           .rounds = true,
                           .tail_calls = true,
                           .put = relocations_put_aarch64,
                           .absolute = R_AARCH64_ABS64},
    [TIERS_CPU_RISCV64] = {.triple = "riscv64-unknown-linux-gnu",
                           .cpu = "generic-rv64",
                           .features = "+m,+a,+f,+d,+unaligned-scalar-mem,-relax,-use-postra-scheduler",
                           .abi = "lp64d",
                           .code_model = LLVMCodeModelSmall,
                           .semantics = semantics_riscv64,
                           .semantics_bytes = sizeof semantics_riscv64,
                           .demotion = "fcvt.s.d $0, $1",
                           .float_register = 'f',
                           .frame_pointer = 8, /* s0 */
                           .slack_bytes = 96,
                           .stub_bytes = 208,
                           .call = "jalr $5",
                           .call_constraints = "={a0},={a1},={a2},={a3},={a4},={t2},0,1,2,3,4,5," RISCV_CHANGED,
                           .pairs_are_arrays = true,
                           .put = relocations_put_riscv64,
                           .absolute = R_RISCV_64,
                           .lower = {R_RISCV_PCREL_LO12_I, R_RISCV_PCREL_LO12_S}},
};

const struct target *target_of(enum tiers_cpu cpu) { return &targets[tiers_cpu_base(cpu)]; }
