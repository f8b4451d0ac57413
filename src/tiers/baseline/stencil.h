/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Stencils: short pieces of machine code with holes, one for each instruction and way of getting its operands, which
 * clang made at build time from the instructions' semantic functions (tools/gen_stencils.py writes the C,
 * tools/extract_stencils.py reads the objects). The emitter copies and patches them.
 *
 * A stencil is a function that takes the machine's state in registers (fp, mem, inst, integer registers r0.., float
 * registers x0..) and ends in a tail call to its continuation with the new state; that jump is cut off, so that copies
 * behind each other run on. */
#ifndef TIERS_BASELINE_STENCIL_H
#define TIERS_BASELINE_STENCIL_H

#include "tiers/baseline_stencils.gen.h" /* STENCIL_INTS, STENCIL_FLOATS, STENCIL_COUNT; the first stencil of each family below */
#include "module/module.h"
#include "tiers/arch_features.h" /* for STENCIL_IS_FAST */

/* What a hole takes. */
enum stencil_value {
  STENCIL_D, /* distances of slots from fp in bytes */
  STENCIL_A,
  STENCIL_B,
  STENCIL_C,
  STENCIL_IMM, /* numbers */
  STENCIL_IMM2,
  STENCIL_SITE,   /* 32-bit offset in the code arena of the position that stands for the stencil */
  STENCIL_TARGET, /* jumps: where a taken branch goes */
  STENCIL_POOL,   /* distance to a constant in a copy of stencil_pool in the arena; the code has its offset in the pool */
  STENCIL_TRAP,   /* jumps: + k: the stub that raises engine trap k. The last, for k is added */
};
/* How a hole is written. Numbers replace what is there. Jumps within a stencil, also to its end, are done already.
 *   x86-64: little-endian numbers of so many bits, the low ones of the value, so it is for the emitter to know whether
 *   the processor extends them (families say). REL32: distance from the end of the hole's four bytes.
 *   AArch64: MOVWn: 16 bits of the value, from bit 16 n on, in movz or movk. Slots have only MOVW0, so a frame is smaller
 *   than 64 KiB. JUMP: b, ADR: adr.
 *   RISC-V: HI20, LO12_I, LO12_S: parts of a number of 32 bits, which is signed; UPPER: of its upper 32 bits. PAIR: a distance
 *   in auipc and what follows it, jalr or addi. */
enum stencil_patch {
  STENCIL_PATCH_ABS8,
  STENCIL_PATCH_ABS16,
  STENCIL_PATCH_ABS32,  /* the processor takes it as it is, or zero-extends it */
  STENCIL_PATCH_ABS32S, /* the processor may sign-extend it */
  STENCIL_PATCH_ABS64,
  STENCIL_PATCH_REL32,
  STENCIL_PATCH_A64_MOVW0,
  STENCIL_PATCH_A64_MOVW1,
  STENCIL_PATCH_A64_MOVW2,
  STENCIL_PATCH_A64_MOVW3,
  STENCIL_PATCH_A64_JUMP,
  STENCIL_PATCH_A64_ADR,
  STENCIL_PATCH_RV_HI20,
  STENCIL_PATCH_RV_LO12_I,
  STENCIL_PATCH_RV_LO12_S,
  STENCIL_PATCH_RV_UPPER_HI20,
  STENCIL_PATCH_RV_UPPER_LO12_I,
  STENCIL_PATCH_RV_PAIR,
};
/* Constants that code reads (masks, powers of two): x86-64 code has them outside itself; elsewhere they stand behind it.
 * They are copied to the arena once, aligned to 64; a hole with the value STENCIL_POOL is REL32 and takes: pool's place +
 * what the four bytes at the hole held before - place of the byte behind the hole, all in the arena. The emitter, which does
 * not know where the function will lie, can subtract the position in the function, and list the hole for its base to be
 * taken off later. */
extern const uint8_t stencil_pool[]; /* STENCIL_POOL_BYTES */

struct stencil_hole {
  uint16_t at;   /* bytes from the stencil's start */
  uint8_t kind;  /* enum stencil_patch: how it is written, see arch_*.c */
  uint8_t value; /* enum stencil_value */
};

struct stencil {
  uint32_t code;  /* in stencil_code */
  uint16_t holes; /* in stencil_holes: first one; holes shared by many stencils are listed once */
  uint8_t hole_count;
  uint8_t is_plain : 1; /* short, and its holes are the two below, of 32 bits; one that is missing lies behind the code */
  uint8_t is_jump : 1;  /* the same, and the second one is TARGET, of kind STENCIL_PATCH_REL32 */
  uint8_t is_single : 1; /* is_plain, with one hole, and of 16 bytes at most */
  uint16_t bytes;
  uint8_t plain_at[2], plain_value[2];
};

extern const struct stencil stencils[STENCIL_COUNT];
extern const struct stencil_hole stencil_holes[];
extern const uint8_t stencil_code[]; /* followed by 64 more bytes, so that short copies may be of one size */

/* How an instruction of the table is made. R = STENCIL_INTS, F = STENCIL_FLOATS; `a + n` below: registers first.
 *
 * Constant operands: i32 operations take any 32 bits. i64 operations take 32 bits and sign-extend them: other constants
 * must be in a register or slot. So with IMM2 of a 64-bit store; narrower stores take the low bits.
 * Offsets of accesses (IMM) are below 2^31; a larger one is added to the address first.
 * Shifts and rotations take the count as IMM, of any size: it wraps. */
enum stencil_kind {
  STENCIL_NONE,         /* by hand in the emitter, or by a helper */
  STENCIL_INT_BINARY,   /* first + d * (R + 2) + b: d <- d op b; b: R registers, slot B, IMM. With trap holes where it traps */
  STENCIL_FLOAT_BINARY, /* first + d * (F + 1) + b: d <- d op b; b: F registers, slot B */
  STENCIL_FLOAT_COMPARE, /* first + a * (F + 1) + b: r0 <- a op b */
  STENCIL_INT_UNARY,    /* first + d * R + a */
  STENCIL_FLOAT_UNARY,  /* first + d * F + a */
  STENCIL_INT_TO_FLOAT, /* first + d * R + a */
  STENCIL_FLOAT_TO_INT, /* first + d * F + a; with trap holes where it traps */
  STENCIL_LOAD_INT,     /* first + d * (R + 1) + a: d <- memory 0 [a + IMM]; a: R registers, nothing */
  STENCIL_LOAD_FLOAT,   /* first + d * (R + 1) + a */
  STENCIL_STORE_INT,    /* first + a * (R + 1) + b: memory 0 [a + IMM] <- b; a: R registers, nothing (R); b: R registers, IMM2 */
  STENCIL_STORE_FLOAT,  /* first + a * F + b; a: R registers, nothing (R) */
  STENCIL_LOAD_V128,    /* loads of vectors: first + a: slots D, D + 8 <- memory 0 [a + IMM]; a: R registers, nothing */
  STENCIL_STORE_V128,   /* first + a: memory 0 [a + IMM] <- slots B, B + 8 */
  STENCIL_SLOTS,        /* first: all operands in slots A, B, C, result to D; no register changes.
                         *   lane instructions: the lane in IMM; i8x16.shuffle: the lanes in IMM and IMM2 (64 bits each)
                         *   atomic accesses (any memory): address (64 bits) in slot A, operands in B and C, offset IMM
                         *     (64 bits), memory IMM2 (index); they check alignment and bounds: traps UNALIGNED_ATOMIC,
                         *     MEMORY_BOUNDS. Not memory.atomic.wait and notify, which are helpers
                         *   wide arithmetic: D and D + 8 are the results; A, B, C and IMM (as a slot's byte offset) the
                         *     operands */
};
struct stencil_row {
  uint8_t kind;
  uint8_t classes; /* enum ir_class of the operands in registers, two bits each */
  uint16_t first;
  uint16_t three;   /* 0, or first + (d * R + a) * (R + 1) + b: d <- a op b; b: R registers, IMM */
  uint16_t branch;  /* comparisons: first + a * (R + 2) + b (b: registers, slot B, IMM), floats first + a * (F + 1) + b: to TARGET if it holds */
  uint16_t branch_not; /* the same if it does not hold */
  uint16_t fast;    /* 0, or what to use in place of `first` where STENCIL_IS_FAST() holds */
  uint16_t general; /* loads and stores of any memory: 0, or the stencil: address (64 bits) in slot A, value in slot D (loads)
                     * or B (stores), offset IMM (64 bits), memory IMM2 (32 bits: index); checks bounds, trap hole MEMORY_BOUNDS */
};
extern const struct stencil_row stencil_rows[MODULE_OP_COUNT];

/* Families without a row; each is a constant STENCIL_<name> in the generated header, the number of the first stencil.
 *
 *   MOVE_INT        first + d * R + a           d <- a
 *   MOVE_FLOAT      first + d * F + a           all 128 bits
 *   GET_INT         first + d                   d <- slot A
 *   GET_F32, GET_F64  first + d                 d <- slot A
 *   PUT_INT         first + b                   slot D <- b (64 bits)
 *   PUT_F32, PUT_F64  first + b                 slot D <- b
 *   PUT_IMM         1                           slot D <- IMM (64 bits, sign-extended from 32)
 *   PUT_IMM64       1                           slot D <- IMM
 *   MOVE_SLOT       1                           slot D <- slot A (64 bits)
 *   CONST_INT       first + d                   d <- IMM (32 bits, zero-extended)
 *   CONST_INT64     first + d                   d <- IMM (64 bits)
 *   ZERO_INT        first + d
 *   CONST_F32, CONST_F64  first + d             d <- IMM (32, 64 bits)
 *   ZERO_F32, ZERO_F64  first + d               two, for RISC-V has ones above an f32 in a register
 *   SELECT_INT      first + (d * R + b) * R + c   d <- c (32 bits) ? d : b
 *   SELECT_FLOAT    first + (d * F + b) * R + c   all 64 low bits
 *   SELECT_SLOTS    1                           slots D, D + 8 <- slot C (32 bits) ? slots A : slots B (v128)
 *   BRANCH          1                           to TARGET
 *   BRANCH_IF32, BRANCH_UNLESS32, BRANCH_IF64, BRANCH_UNLESS64   first + a
 *   BRANCH_TABLE    first + a                   a, at most IMM (32 bits: last index), selects a 32-bit distance from the table itself,
 *                                               whose address is behind the stencil, 4-aligned: hole TARGET; the jump wants no landing
 *                                               pad (notrack), for nobody writes to the table
 *   GLOBAL_GET_INT, _F32, _F64   first + d      d <- the instance's bytes at IMM
 *   GLOBAL_SET_INT, _F32, _F64   first + b
 *   GLOBAL_SET_IMM  1                           64 bits, IMM2 sign-extended from 32
 *   GLOBAL_CELL     first + d                   d <- address of the cell of imported global IMM (index)
 *   PEEK_INT        first + d * R + a           d <- 64 bits at address a + IMM (32 bits signed)
 *   POKE_INT        first + a * R + b           64 bits at address a + IMM <- b
 *   CHECK           first + a                   trap MEMORY_BOUNDS unless a < length of memory 0 - IMM (31 bits: offset + bytes - 1), which
 *                                               is greater than 0. a <- 0 where it is not and the processor goes on all the same
 *   CHECK32         first + a                   the same unless a (32 bits) + IMM (31 bits: offset + bytes) <= length of memory 0, which may
 *                                               be 0. a <- IMM2 (32 bits signed: 0 - offset) there
 *   CHECK64         first + a                   the same for a 64-bit address; IMM, IMM2 are of 64 bits, and no sum wraps
 *   POLL            1                           to TARGET when thread->stack_limit is null
 *   FUEL            1                           thread->fuel -= IMM (31 bits); to TARGET when it is negative then
 *   STACK_CHECK     1                           to TARGET when fp + IMM > thread->stack_limit
 *   RETURN_INT      first + b                   slot 0 <- r0 <- b (the return itself is arch's)
 *   RETURN_F32, RETURN_F64  first + b           slot 0 <- x0 <- b
 *   COPY_SLOTS      1                           IMM slots from slot A to slot D, as memmove (no call)
 *   ZERO_SLOTS      1                           IMM slots from slot D on
 *   INDIRECT        1                           r0: index (zero-extended); IMM: table, IMM2: type. To: r0 <- code address (the entry, or
 *                                               runtime->away), r1 <- function. Traps UNDEFINED_ELEMENT, NULL_ELEMENT, CALL_TYPE.
 *                                               No other register is live at this and the next three
 *   BY_REFERENCE    1                           r0: function reference, the same. Trap NULL_REFERENCE
 *   NOTE_TARGET     1                           r1: function; r0, r1 stay. IMM: address of a struct baseline_target (64 bits)
 *   IMPORT          1                           IMM: function index: r0 <- runtime->away, r1 <- function
 *   HELPER          1                           IMM: byte offset of the helper in struct baseline_runtime; IMM2: imm; operands: hole
 *                                               STENCIL_D (64 bits: packed operands); SITE. No register is live
 *   RAISE           1                           r0 <- IMM, r1 <- SITE, jumps to runtime->trap
 *   FUNCTION        first + d                   d <- inst->functions[IMM]
 *   TAIL            1                           r0 <- runtime->tail_away if r0 is runtime->away
 *   ATOMIC_FENCE    1
 *   V128_CONST      1                           slots D, D + 8 <- IMM, IMM2 (64 bits)
 *   MOVE_V128       1                           slots D, D + 8 <- slots A, A + 8
 *   GLOBAL_GET_V128, GLOBAL_SET_V128   1        slot D or B, IMM as for other globals
 *   CELL_GET_V128, CELL_SET_V128   first + a    slot D or B, address a */

#endif
