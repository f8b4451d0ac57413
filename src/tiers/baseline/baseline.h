/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the baseline tier share: the compiled function, the runtime that compiled code calls, and the steps
 * of compiling. docs/baseline.md has the design; stencil.h the machine code it is made of. */
#ifndef TIERS_BASELINE_BASELINE_H
#define TIERS_BASELINE_BASELINE_H

#include "engine/engine.h"
#include "tiers/ir.h"

#if __has_attribute(preserve_none) && (defined(__x86_64__) || defined(__aarch64__))
#define BASELINE_GUEST_CC __attribute__((preserve_none))
#else
#define BASELINE_GUEST_CC
#endif
typedef BASELINE_GUEST_CC void (*baseline_code_pointer)(uint64_t *fp, uint8_t *mem, struct engine_instance *inst,
                                                         uint64_t r0, uint64_t r1, uint64_t r2);

/* Operations by C functions (helpers.c). `operands`: d | a << 16 | b << 32 | c << 48, slots or small numbers. */
typedef int (*baseline_helper)(uint64_t *fp, struct engine_instance *inst, uint64_t operands, uint64_t imm);
#define BASELINE_HELPERS(X) \
  X(memory_size) X(memory_grow) X(memory_fill) X(memory_copy) X(memory_init) X(data_drop)                        \
  X(table_get) X(table_set) X(table_size) X(table_grow) X(table_fill) X(table_copy) X(table_init) X(elem_drop)    \
  X(struct_new) X(struct_new_default) X(struct_get) X(struct_set) X(array_new) X(array_new_default)               \
  X(array_new_fixed) X(array_new_data) X(array_new_elem) X(array_get) X(array_set) X(array_len) X(array_fill)     \
  X(array_copy) X(array_init_data) X(array_init_elem) X(ref_i31) X(i31_get_s) X(i31_get_u) X(ref_test) X(ref_cast) \
  X(ref_as_non_null) X(throw) X(throw_ref) X(poll)
enum baseline_helper_index {
#define X(name) BASELINE_HELPER_##name,
  BASELINE_HELPERS(X)
#undef X
      BASELINE_HELPER_COUNT
};

/* What compiled code reaches through its instance's code object, whose first member points here. */
struct baseline_runtime {
  baseline_code_pointer trap;      /* r0: trap, r1: site. Does not return */
  baseline_code_pointer leave;     /* r0: trap that is reported already, or EXCEPTION; r1: site */
  baseline_code_pointer away;      /* a call out of the instance: r1: function, r2: d in bytes; fp: the callee's */
  baseline_code_pointer tail_away; /* the same by a tail call: the frame is gone, arguments at fp */
  baseline_code_pointer translate; /* r0: entry of the function to compile; goes on in it */
  baseline_code_pointer overflow;  /* at a function's entry: its frame does not fit, or stack_limit is missing. A trap of the caller's */
  baseline_helper helpers[BASELINE_HELPER_COUNT];
};

/* A call in compiled code. */
struct baseline_site {
  uint32_t offset; /* of the return address in the function */
  uint32_t d;      /* callee's frame minus this one, in slots */
};

/* What the emitter makes of a function: position-independent bytes, and where they must be told the arena's offset. */
struct baseline_output {
  BASE_VEC(uint8_t) code;
  BASE_VEC(uint32_t) site_holes; /* byte positions of 32-bit numbers that the function's offset in the arena is added to */
  BASE_VEC(struct baseline_site) sites;
  BASE_VEC(struct baseline_map) maps;     /* positions that may collect: ascending */
  BASE_VEC(struct baseline_range) ranges; /* code whose exceptions are caught, inner ones first */
  BASE_VEC(uint32_t) labels;              /* byte position of the landing pad of each label that is a catch clause's */
  BASE_VEC(struct baseline_loop) loops;
};
struct baseline_map {
  uint32_t offset; /* return address, or the start of a helper's stencil, which is its site */
  uint32_t node;   /* in ir_function.nodes */
};
struct baseline_range {
  uint32_t start, end; /* a site is inside when start <= site < end: sites lie in their instruction's own bytes */
  uint32_t own;        /* in ir_function.tries */
};
/* A loop head that execution can enter and leave from outside: there the frame is exact. */
struct baseline_loop {
  uint32_t label;  /* of the register code */
  uint32_t entry;  /* position that loads the loop's registers and goes on at its head */
};

struct baseline_emitter;
struct baseline_emit_options {
  bool explicit_bounds;
  bool exact_locals; /* every write to a local goes to its slot at once, so that it can be read after a trap */
};
struct baseline_emitter *baseline_emitter_new(void);
void baseline_emitter_free(struct baseline_emitter *emitter);
/* Compiles `function`. The result is the emitter's and valid until the next call. NULL: `*unsupported` tells whether it
 * cannot be compiled, or memory ran out. */
const struct baseline_output *baseline_emit(struct baseline_emitter *emitter, const struct module *module,
                                            const struct ir_function *function,
                                            const struct baseline_emit_options *options, bool *unsupported);
/* The wasm offset of the instruction that the byte at `position` belongs to; emits the function again. */
uint32_t baseline_emit_offset(struct baseline_emitter *emitter, const struct module *module,
                              const struct ir_function *function, const struct baseline_emit_options *options,
                              uint32_t position);

/* ---- The machine (arch_*.c) ---------------------------------------------------------------------------------------- */

enum { BASELINE_ARCH_MAX_BYTES = 64 }; /* of each sequence below */
extern const uint32_t baseline_native_frame_bytes;
extern const uint32_t baseline_max_frame_slots; /* functions with larger frames are not compiled */

/* Each writes code at `to` and returns its end. `d`: slots. */
uint8_t *baseline_arch_entry(uint8_t *to);                        /* landing pad for indirect calls */
uint8_t *baseline_arch_keep_return(uint8_t *to, uint32_t link);   /* link slot <- return address */
uint8_t *baseline_arch_return(uint8_t *to); /* after reload_return */
uint8_t *baseline_arch_call_entry(uint8_t *to, uint32_t d, uint32_t entry, uint32_t *return_offset); /* inst->entries[entry] */
uint8_t *baseline_arch_call_r0(uint8_t *to, uint32_t d, uint32_t *return_offset);
uint8_t *baseline_arch_reload_return(uint8_t *to, uint32_t link); /* before results or arguments overwrite the frame */
uint8_t *baseline_arch_jump_entry(uint8_t *to, uint32_t entry);
uint8_t *baseline_arch_jump_r0(uint8_t *to);
/* Stub of a function that is not compiled yet: r0 <- entry, jumps to `translate`, an absolute address. */
uint8_t *baseline_arch_stub(uint8_t *to, uint32_t entry, const void *translate);
/* Writes a value into a hole at `at`, which will run `at_offset` bytes into the function; jumps get the target's offset. */
void baseline_arch_patch(uint8_t *code, uint32_t at, uint8_t kind, uint64_t value);
/* Goes on at `pc` with the given state and native stack pointer. */
_Noreturn void baseline_arch_resume(const void *pc, uint64_t *fp, uint8_t *mem, struct engine_instance *inst, void *sp);

#endif
