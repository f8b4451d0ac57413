/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* From register code to the interpreter's instructions. */
#ifndef TIERS_INTERP_ENCODE_H
#define TIERS_INTERP_ENCODE_H

#include "tiers/interp/insn.h"
#include "tiers/ir.h"

/* Working storage, reused between functions. Zero-initialise; interp_encoder_deinit at the end. */
struct interp_encoder {
  const struct module *module;
  const struct interp_handlers *handlers;
  const struct ir_function *function;
  BASE_VEC(struct interp_insn) insns;
  BASE_VEC(uint64_t) pool;   /* 64-bit constants; lie behind the instructions */
  BASE_VEC(uint32_t) labels; /* instruction index of each label, UINT32_MAX while unknown */
  BASE_VEC(struct interp_fixup) fixups;
  uint32_t next;      /* index of the register instruction to encode next */
  uint32_t mirror[5]; /* by enum ir_class: the slot whose value the accumulator holds */
  uint32_t wanted_insn, found_offset;
  bool no_memory;
};

/* Encodes a function. On success insns and pool hold it: pool references are relative to the end of insns. */
bool interp_encode(struct interp_encoder *encoder, const struct module *module, const struct interp_handlers *handlers,
                   const struct ir_function *function);
/* The wasm offset that instruction `insn` of the encoded function comes from. */
uint32_t interp_encode_offset(struct interp_encoder *encoder, const struct module *module,
                              const struct interp_handlers *handlers, const struct ir_function *function,
                              uint32_t insn);
void interp_encoder_deinit(struct interp_encoder *encoder);

#endif
