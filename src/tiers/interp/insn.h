/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The interpreter's instruction: what the encoder writes and the handlers read.
 *
 * 16 bytes (12 on 32-bit hosts): the handler's address, or its number in the build without tail calls, and three
 * operands whose meaning the handler knows. Slots are 16 bits wide because a frame has at most 65,000 of them. */
#ifndef TIERS_INTERP_INSN_H
#define TIERS_INTERP_INSN_H

#include "engine/engine.h"
#include "module/module.h"
#include "tiers/arch_convention.h"

struct interp_insn;

/* With tail calls every handler has this signature and ends by jumping to the next one. The first four arguments stay
 * in fixed registers (preserve_none where the CPU has it). `acc`, `f`, `g` hold the last integer, f32 and f64 result. */
#if defined(__clang__) && !defined(CAY_INTERP_SWITCH)
#define INTERP_TAIL_CALLS 1
typedef TIERS_GUEST_CC int (*interp_handler)(const struct interp_insn *ip, uint64_t *fp, uint8_t *mem,
                                                struct engine_instance *inst, uint64_t acc, float f, double g);
#else
#define INTERP_TAIL_CALLS 0
typedef uintptr_t interp_handler;
#endif

struct interp_insn {
  interp_handler handler;
  uint16_t d, a;
  union {
    uint32_t b;
    struct {
      uint16_t lo, hi;
    };
  };
};

/* 1: the families of the instruction table have no form for an accumulator, and the encoder uses none: a third of the code of
 * the handlers, for a library that is built for size. */
#ifndef INTERP_FEW
#define INTERP_FEW 0
#endif

/* Instructions that the 16 bytes behind a v128.const or a shuffle take. */
enum { INTERP_V128_INSNS = (16 + sizeof(struct interp_insn) - 1) / sizeof(struct interp_insn) };

/* a * b with a third operand: added to it, subtracted from it, it subtracted; a in a slot or the accumulator. */
#define INTERP_MULTIPLY(X, t)                                                                                        \
  X(t##_mul_add_ss_r) X(t##_mul_add_ss_s) X(t##_mul_add_rs_r) X(t##_mul_add_rs_s) X(t##_mul_from_ss_r)              \
  X(t##_mul_from_ss_s) X(t##_mul_from_rs_r) X(t##_mul_from_rs_s) X(t##_mul_sub_ss_r) X(t##_mul_sub_ss_s)            \
  X(t##_mul_sub_rs_r) X(t##_mul_sub_rs_s)

/* Vectors, and what has two results. */
#define INTERP_VECTOR_HAND_WRITTEN(X)                                                                             \
  X(move_v) X(return_v) X(select_vs) X(select_vr) X(global_get_v) X(global_set_v) X(import_get_v) X(import_set_v) \
  X(v128_const) X(i8x16_shuffle) X(i8x16_shuffle_fast) X(i8x16_swizzle_fast) X(i64_add128) X(i64_sub128) X(i64_mul_wide_s) X(i64_mul_wide_u)

/* By what lies in an object: signed and unsigned bytes and halves, words, f32 and f64, which go to accumulators of their
 * own, v128. Storing asks for sizes only. */
#define INTERP_GETS(X, name)                                                                                    \
  X(name##_8s) X(name##_8u) X(name##_16s) X(name##_16u) X(name##_32) X(name##_64) X(name##_f) X(name##_g) X(name##_v)
#define INTERP_SETS(X, name) X(name##_8) X(name##_16) X(name##_32) X(name##_64) X(name##_v)
#define INTERP_REFERENCES(X)                                                                                      \
  INTERP_GETS(X, struct_get) INTERP_GETS(X, array_get) INTERP_SETS(X, struct_set) INTERP_SETS(X, array_set)       \
  X(array_len) X(ref_i31) X(i31_get_s) X(i31_get_u) X(ref_test) X(ref_cast) X(ref_as_non_null) X(struct_new)      \
  X(struct_new_default) X(array_new) X(array_new_default) X(array_new_fixed) X(array_new_data) X(array_new_elem)  \
  X(array_fill) X(array_copy) X(array_init_data) X(array_init_elem) X(throw) X(throw_ref) X(unwind) X(call_ref)   \
  X(tail_check_ref) X(tail_call_ref)

/* All handlers: the families of the instruction table, then the ones written by hand. */
#define INTERP_HAND_WRITTEN(X)                                                                                    \
  X(enter_0)                                                                                                      \
  X(enter_1) X(enter_2) X(enter_3) X(enter_n) X(translate) X(elsewhere) X(no_room) X(poll) X(fuel) X(fuel_bytes) X(fuel_more) X(exit) X(move) X(move2) X(move_n) X(move_r) X(move_f) X(move_g) \
      X(get) X(get_f) X(get_g) X(const_32) X(const_64) X(br) X(br_loop) X(br_if_s) X(br_if_r) X(br_unless_s)      \
          X(br_unless_r) X(br_if64_s) X(br_if64_r) X(br_unless64_s) X(br_unless64_r) X(br_table_s) X(br_table_r)  \
              X(return_void) X(return_const) X(return_s) X(return_r) X(return_fs) X(return_fr) X(return_gs)       \
                  X(return_gr) X(return_n) X(call) X(call_import) X(call_away) X(call_indirect) X(tail_check) X(tail_move)     \
                      X(tail_call) X(tail_call_import) X(tail_call_indirect) X(select_s) X(select_r) X(select_fs) \
                          X(select_fr) X(select_gs) X(select_gr) X(global_get) X(global_get_f) X(global_get_g)    \
                              X(global_set_s) X(global_set_r) X(global_set_f) X(global_set_g) X(import_get)       \
                                  X(import_set) X(unreachable) X(memory_size) X(memory_grow) X(memory_fill)       \
                                      X(memory_copy) X(memory_init) X(data_drop) X(table_get) X(table_set)        \
                                          X(table_size) X(table_grow) X(table_fill) X(table_copy) X(table_init)   \
                                              X(elem_drop) X(ref_func) X(atomic_fence) X(i32_add_shl_ss_r) X(i32_add_shl_ss_s) X(i32_add_shl_rs_r) X(i32_add_shl_rs_s)                        \
  X(i32_add_shl_sr_r) X(i32_add_shl_sr_s) INTERP_MULTIPLY(X, f32) INTERP_MULTIPLY(X, f64) INTERP_VECTOR_HAND_WRITTEN(X) \
  INTERP_REFERENCES(X)

enum interp_handler_index {
#define X(name) INTERP_##name,
#include "tiers/interp_names.gen.h"
  INTERP_HAND_WRITTEN(X)
#undef X
      INTERP_HANDLER_COUNT
};

/* A set of handlers: with guard pages, or with explicit bounds checks. Where the object format can say so, handlers are
 * named by their distance from one of them: addresses would be relocations, 3,600 of them at every start of a process. */
#if INTERP_TAIL_CALLS && defined(__ELF__)
#define INTERP_DISTANCES 1
#else
#define INTERP_DISTANCES 0
#endif
struct interp_handlers {
#if INTERP_DISTANCES
  const int32_t *distances;
  uintptr_t base;
#else
  const interp_handler *addresses;
#endif
  /* Runs from `ip` until the frame at `fp` returns or something traps; enum engine_trap, or INTERP_AGAIN. */
  int (*run)(const struct interp_insn *ip, uint64_t *fp, struct engine_instance *inst, const struct interp_insn *site);
};
static inline interp_handler interp_handler_of(const struct interp_handlers *handlers, uint32_t index) {
#if INTERP_DISTANCES
  return (interp_handler)(handlers->base + (uintptr_t)(intptr_t)handlers->distances[index]);
#else
  return handlers->addresses[index];
#endif
}
const struct interp_handlers *interp_handlers_guarded(void); /* NULL: not on this CPU */
const struct interp_handlers *interp_handlers_explicit(void);

/* The activation has been given another function, by a tail call out of its instance, or another position: enter it anew.
 * STAYS: nothing has happened. */
enum { INTERP_AGAIN = 1000, INTERP_STAYS };

/* The instruction pair that the first frame of an activation returns to: [0] stands for the call, [1] is `exit`. */
static inline bool interp_is_exit(const struct interp_handlers *handlers, const struct interp_insn *site) {
  return site[1].handler == interp_handler_of(handlers, INTERP_exit);
}

/* Translates function `entry` of the code object on its first call. NULL: out of memory. */
const struct interp_insn *interp_translate(void *code, uint32_t entry);
/* Whether the interpreter runs the function: always, where it is not beside another tier (beside.h). */
bool interp_runs(const void *code, uint32_t entry);

/* The stack limit is missing. At the branch `ip` to `target`: INTERP_STAYS, or the frame is gone. Then it went on
 * elsewhere and has ended so, and `*site` is its caller's, or, where that is NULL, the activation ends so. */
int interp_poll(const struct interp_insn *ip, const struct interp_insn *target, uint64_t *fp, struct engine_instance *inst,
                const struct interp_insn **site);
/* Before the function that starts at `ip` is entered from `site`: INTERP_STAYS, or the call has been made and ended so. */
int interp_poll_call(const struct interp_insn *ip, const struct interp_insn *site, uint64_t *fp,
                     struct engine_instance *inst);

/* Finds what catches `exception`, thrown at `ip` of the frame at `fp`, in the frames of the running activation: its
 * values are written, and the activation's site and fp are where it goes on. EXCEPTION: nothing in this activation.
 * INTERRUPTED: it was stopped on the way, which may be long. */
enum engine_trap interp_land(struct engine_instance *instance, const struct interp_insn *ip, uint64_t *fp,
                             uint64_t exception);

/* Where an access in the general form goes: behind the function's instructions, at the distance in `b`. */
struct interp_place {
  uint64_t offset, memory;
};

/* ---- The encoder's view of the instruction table ------------------------------------------------------------------- */

enum interp_kind {
  INTERP_KIND_NONE,
  INTERP_KIND_UNARY,
  INTERP_KIND_BINARY,
  INTERP_KIND_LOAD,
  INTERP_KIND_STORE,
  INTERP_KIND_ATOMIC,
  INTERP_KIND_V_UNARY, /* from here on: vectors, see encode_simd.c */
  INTERP_KIND_V_BINARY,
  INTERP_KIND_V_TERNARY,
  INTERP_KIND_V_SPLAT,
  INTERP_KIND_V_SHIFT,
  INTERP_KIND_V_TEST,
  INTERP_KIND_V_EXTRACT,
  INTERP_KIND_V_REPLACE,
  INTERP_KIND_V_LOAD,
  INTERP_KIND_V_STORE
};
struct interp_row {
  uint8_t kind;
  uint8_t operand;             /* enum ir_class of the (last) operand */
  uint8_t is_64;               /* of the (last) operand */
  uint16_t first;              /* handler of the family's first form */
  uint16_t branch, branch_not; /* first form of the fused branch, when the instruction compares */
  uint16_t fused, fused_not;   /* loads: first indexed form; i32 comparisons: first counting branch */
  uint16_t wide;               /* loads and stores: first form for memory 0 with 64-bit addresses */
  uint16_t general;            /* loads and stores: the form for any memory, which reads slots only */
};
extern const struct interp_row interp_rows[MODULE_OP_COUNT];

#endif
