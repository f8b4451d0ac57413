/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* From register code to the interpreter's instructions. */
#ifndef TIERS_INTERP_ENCODE_H
#define TIERS_INTERP_ENCODE_H

#include "tiers/interp/insn.h"
#include "tiers/ir.h"
#include "tiers/tables.h"

/* Working storage, reused between functions. Zero-initialise; interp_encoder_deinit at the end. */
struct interp_encoder {
  const struct module *module;
  const struct interp_handlers *handlers;
  const struct ir_function *function;
  BASE_VEC(struct interp_insn) insns;
  BASE_VEC(uint64_t) pool;   /* 64-bit constants; lie behind the instructions */
  BASE_VEC(uint32_t) labels; /* instruction index of each label, UINT32_MAX while unknown */
  BASE_VEC(struct interp_fixup) fixups;
  BASE_VEC(struct tables_map) maps;
  BASE_VEC(struct tables_range) ranges;
  BASE_VEC(uint32_t) open_ranges; /* first instruction of each */
  uint32_t next;                  /* index of the register instruction to encode next */
  uint32_t mirror[5];             /* by enum ir_class: the slot whose value the accumulator holds */
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

/* ---- For encode.c, fuse.c and encode_simd.c ----------------------------------------------------------------------------------- */

/* The register instruction `distance` after the current one, or NULL. */
static inline const struct ir_insn *interp_following(const struct interp_encoder *e, uint32_t distance) {
  size_t index = (size_t)e->next + distance;
  return index < e->function->insns.count ? &e->function->insns.items[index] : NULL;
}
/* Loads and stores: `first` is for memory 0 with 32-bit addresses, `wide` for memory 0 with 64-bit addresses as long as
 * 32 bits hold the offset; everything else is in the general form. */
static inline bool interp_is_wide(const struct interp_encoder *e, const struct ir_insn *insn) {
  return insn->op < MODULE_OP_COUNT && interp_rows[insn->op].wide != 0 && insn->c == 0 && insn->imm <= UINT32_MAX &&
         ir_access_is_general(e->module, 0);
}
static inline bool interp_is_general(const struct interp_encoder *e, const struct ir_insn *insn) {
  return insn->op < MODULE_OP_COUNT && interp_rows[insn->op].general != 0 && ir_access_is_general(e->module, insn->c) &&
         !interp_is_wide(e, insn);
}
static inline bool interp_mirrored(const struct interp_encoder *e, enum ir_class cls, uint32_t slot) {
  return !INTERP_FEW && e->mirror[cls] == slot;
}
/* A form's place in its family: among all of them, or among those without an accumulator. */
static inline uint32_t interp_form(uint32_t all, uint32_t few) { return INTERP_FEW ? few : all; }
void interp_emit(struct interp_encoder *encoder, uint32_t handler, uint32_t d, uint32_t a, uint32_t b);
/* Space of `count` instructions for what belongs to the newest one; NULL when memory ran out. */
void *interp_emit_room(struct interp_encoder *encoder, uint32_t count);
/* The newest instruction's `b` becomes the distance to `label`. */
void interp_target_label(struct interp_encoder *encoder, uint64_t label);
/* The newest instruction's `b` becomes the distance in bytes to these constants, which lie behind the function. */
void interp_target_pool(struct interp_encoder *encoder, const uint64_t *values, uint32_t count);
/* The newest instruction's `b` becomes the distance to where `insn`, an access in the general form, goes. */
void interp_target_place(struct interp_encoder *encoder, const struct ir_insn *insn);
/* Whether the result of the current instruction, a temporary, is read next from the accumulator. */
bool interp_stays_in_accumulator(const struct interp_encoder *encoder, const struct ir_insn *maker);
void interp_has_result(struct interp_encoder *encoder, const struct ir_insn *insn);
void interp_forget_slot(struct interp_encoder *encoder, uint32_t slot);
/* The newest instruction may collect while the references that its register instruction lists are in their slots. */
void interp_note_references(struct interp_encoder *encoder, const struct ir_insn *insn);
/* References, objects, exceptions (encode_gc.c); false: `insn` is none of those. */
bool interp_encode_reference(struct interp_encoder *encoder, const struct ir_insn *insn);
bool interp_fits_16(const struct interp_row *row, uint64_t konst);
/* Encodes the binary instruction `insn` together with those behind it that it pays to join; false: nothing done. */
bool interp_fuse(struct interp_encoder *encoder, const struct ir_insn *insn);
/* ---- encode_simd.c ---- */
void interp_encode_vector(struct interp_encoder *encoder, const struct ir_insn *insn, const struct interp_row *row);
void interp_encode_inline_vector(struct interp_encoder *encoder, const struct ir_insn *insn);
/* The caller forgets the results' slots. */
void interp_encode_wide(struct interp_encoder *encoder, const struct ir_insn *insn);

#endif
