/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of cay-llvm share. The program reads modules that anybody may have written, so it has no rights but the
 * socket it was given (os_sandbox_linux.c), and nothing that it does is believed without a check.
 *
 * The code of function N is f<N>, which takes instance, frame and the arguments by the C convention, and a<N>, which takes
 * instance and frame, and the arguments from there. o<N>.<L>, of the same form, goes on at the head of loop L. Where one calls what is not of its batch, it looks into the code object's
 * `natives`, and leaves through the runtime when there is nothing. */
#ifndef TIERS_OPTIMIZER_HELPER_HELPER_H
#define TIERS_OPTIMIZER_HELPER_HELPER_H

#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/TargetMachine.h>

#include "tiers/baseline/baseline.h"
#include "tiers/ir.h"
#include "tiers/kept.h"
#include "tiers/optimizer/wire.h"

/* How values are kept while a function is translated: of INT, as what they were made. */
enum value_type { VALUE_I32, VALUE_I64, VALUE_F32, VALUE_F64, VALUE_V128, VALUE_TYPES };

/* Of a native function: instance, frame, and as many as a function of wasm may have. */
enum { MOST_PARAMS = 1000, MOST_ARGUMENTS = 2 + MOST_PARAMS };

/* What differs by the kind of processor that code is made for (target.c). */
struct target {
  const char *triple;   /* NULL: of this machine */
  const char *cpu;      /* what LLVM calls all of the kind; NULL: as cay calls them */
  const char *features; /* besides those of the processor */
  const char *abi;      /* where LLVM asks for its name; else NULL */
  LLVMCodeModel code_model;
  const unsigned char *semantics; /* bitcode of the semantic functions */
  size_t semantics_bytes;
  const char *demotion;       /* a line of assembly: an f64 becomes an f32 */
  char float_register;        /* as constraints of lines of assembly name it */
  uint8_t frame_pointer;      /* as DWARF numbers registers */
  /* What a call takes of the native stack besides what LLVM tells: return address, adapter, thunk; and by the stub, which only counts
   * where calls in a range go through it: else what it calls is compiled code, whose frame of values allows for more. */
  uint16_t slack_bytes, stub_bytes;
  bool pairs_are_arrays;      /* what C returns a struct of two integers as */
  bool has_vectors;           /* in registers; else C passes them as integers, and they are loaded and stored by halves */
  bool rounds;                /* by instructions that do as wasm's; of x86-64 all but the first level */
  /* Of those in which LLVM's convention preserve_none passes integers, how many come before those of the C convention, which of
   * them has the instance, how many are as in C, and how many come behind (catches.c). */
  struct {
    uint8_t before, instance, as_in_c, behind;
  } registers;
  /* Where LLVM has no such convention: a line of assembly that calls with CALL_INTEGERS integers, and changes everything else. */
  const char *call, *call_constraints;
  bool tail_calls;            /* LLVM promises them between any two types of functions */
  /* Writes the distance from `hole`, an instruction or a number, that a relocation tells. False: it does not reach, or the
   * relocation is none that is expected (relocations.c). */
  bool (*put)(uint8_t *hole, uint32_t type, int64_t distance);
  uint32_t absolute;   /* the relocation that is an address */
  uint32_t lower[2];   /* those whose distance is that of the relocation at the place that they name; else 0 */
};
bool relocations_put_x86_64(uint8_t *hole, uint32_t type, int64_t distance);
bool relocations_put_aarch64(uint8_t *hole, uint32_t type, int64_t distance);
bool relocations_put_riscv64(uint8_t *hole, uint32_t type, int64_t distance);
enum { CALL_INTEGERS = 5 };
const struct target *target_of(enum tiers_cpu cpu);

/* What all functions of a module share. */
struct job {
  const struct module *module;
  uint8_t *bytes;    /* the module's */
  bool *is_answered; /* by entry: has been compiled or refused */
  struct wire_target *targets; /* what the request says of calls */
  uint32_t target_count;
  uint32_t flags; /* enum wire_flags */
  uint32_t mix;   /* as in struct wire_request */
  uint32_t share, shares, batch_count; /* the same, at least one; batches of the request so far, others' too */
  uint32_t level, cpu_kind; /* as in the request; cpu_kind: that `machine` is for */
  struct ir_frontend *frontend;
  const struct target *target;
  LLVMTargetMachineRef machine;
  char *cpu, *features, *triple, *layout;
  LLVMModuleRef meanings; /* the semantic functions, to ask which there are */
  bool rounds; /* the processor has instructions that round */
  bool has_avx;
};

/* A function of a batch. */
struct batch_function {
  uint32_t entry;
  uint32_t native_limit; /* bytes that it may take of the native stack, as far as LLVM tells */
  uint32_t loop;         /* label of the loop at which it shall be entered, too, or WIRE_NO_LABEL */
  bool keeps_calls;      /* nothing is inlined into it */
  int refusal;           /* enum wire_reason, or -1 */
};

/* A slot whose value is known: a temporary that the current run of code has written or read. */
struct known {
  LLVMValueRef value; /* NULL: it is in memory */
  bool is_stale;      /* its memory is */
  bool is_in_frame;   /* a collector finds it there */
};

/* Where exceptions of a range land (catches.c). */
struct landing {
  LLVMBasicBlockRef block; /* NULL: nothing asks */
  uint32_t outer;          /* the range around it, or IR_NO_TRY */
  uint32_t offset;         /* of the instruction that it begins with */
};

/* One LLVM module and what is translated into it. */
struct batch {
  struct job *job;
  struct batch_function *functions;
  uint32_t function_count;

  LLVMContextRef context;
  LLVMModuleRef llvm;
  LLVMBuilderRef builder, entry_builder; /* entry_builder: at the end of what stands at the function's start */
  LLVMDIBuilderRef debug;
  LLVMMetadataRef file, function_debug_type, scope;
  LLVMTypeRef types[VALUE_TYPES], void_type, i8, i16, pointer, segment; /* segment: a pointer to the guest's memory, as its address */
  unsigned invariant_kind, weights_kind, widened_kind;
  LLVMValueRef invariant, unlikely; /* the metadata */
  bool has_meanings;      /* semantic functions are called */
  bool is_again;          /* a function is to be translated otherwise, or not at all */
  LLVMValueRef *natives;  /* by entry: f<N>, or NULL */

  /* The function that is being translated. */
  const struct ir_function *ir;
  struct batch_function *own;
  LLVMValueRef function, inst, fp;
  LLVMValueRef *locals;          /* by slot: its memory */
  uint8_t *local_types;          /* by slot: enum value_type */
  struct known *known;           /* by slot */
  LLVMValueRef *homes[IR_CLASS_V128 + 1]; /* by class and slot: memory of temporaries */
  LLVMBasicBlockRef *labels;
  uint32_t *label_places;        /* by label: its position in the register code */
  uint32_t *jump_counts;         /* by position of a br_table: how many jumps come to it soon */
  uint32_t copied_edges;         /* of br_tables that are written again (dispatch.c) */
  bool is_copying;
  BASE_VEC(uint32_t) stale;      /* slots */
  BASE_VEC(uint32_t) known_slots;
  BASE_VEC(LLVMValueRef) users;  /* while places are settled */
  BASE_VEC(LLVMValueRef) phis;   /* while widths are */
  bool needs_frame;              /* something is in it that is not in registers */
  bool has_roots;                /* a collector looks into its frame (roots.c) */
  uint8_t *is_root;              /* by slot: it is a local that it looks at */
  uint32_t root_steps;
  LLVMValueRef told;             /* what a stack map tells the place of: enum wire_told; NULL: nothing */
  struct landing *landings;      /* by range */
  uint32_t current_try;          /* the innermost range that is being translated, or IR_NO_TRY */
  int refusal;
  bool is_at_loop; /* it begins at a loop, with its values in the frame, and leaves its results there */
};

/* ---- Values (values.c) -------------------------------------------------------------------------------------------- */

enum value_type value_type_of(module_type type);
LLVMTypeRef value_function_type(const struct batch *b, const struct module_func_type *type);
/* Whether native functions take their arguments in the frame: where LLVM promises tail calls between functions of one type only, all
 * functions of a module that makes some have one, of three pointers, the last of which is a stub's (calls.c). */
bool values_are_in_frames(const struct batch *b);
/* Gives a native function, or a call of one, the convention that its module's have: C's, or, where there are tail calls, one
 * in which every tail call is a jump. */
void value_set_convention(const struct batch *b, LLVMValueRef function_or_call);
/* The instance's argument of a native function, or of a call of one, is in a register that functions keep: it stays there. */
void value_pin_instance(const struct batch *b, LLVMValueRef function_or_call);
bool value_is_pinned(LLVMValueRef call);
/* The call stays one: nothing is inlined there. */
void value_keep_call(const struct batch *b, LLVMValueRef call);
LLVMValueRef value_const(const struct batch *b, enum value_type type, uint64_t bits);
/* The same for arithmetic: LLVM takes x * 1 for x, but a signaling NaN that is multiplied is quiet afterwards; and for x what
 * is x, or when that is no number a certain NaN, but NaNs have signs. So it must not know the numbers with which it could
 * leave an operation out. */
LLVMValueRef value_number(struct batch *b, enum value_type type, uint64_t bits);
/* A number of these or a vector, which a float register has. */
bool value_is_float(const struct batch *b, LLVMTypeRef type);
/* As tiers_narrowed (narrow.h), with the largest number that may pass, which is below 2^63. */
LLVMValueRef value_narrow(struct batch *b, LLVMValueRef index, LLVMValueRef most);
/* The value of a slot as it is, or as one of the type, which is of the same class. */
LLVMValueRef value_read_any(struct batch *b, uint32_t slot, enum ir_class cls);
LLVMValueRef value_read(struct batch *b, uint32_t slot, enum value_type type);
void value_write(struct batch *b, uint32_t slot, LLVMValueRef value);
/* Brings what is known to memory, before control goes elsewhere. */
void values_settle(struct batch *b);
/* At a label: nothing is known. */
void values_forget(struct batch *b);
LLVMValueRef value_convert(struct batch *b, LLVMValueRef value, enum value_type type);
/* The same value, of which LLVM knows nothing. */
LLVMValueRef value_hand_on(struct batch *b, LLVMValueRef value);
/* A vector's halves, for where there are no registers for it: one, and two made to a vector. */
LLVMValueRef value_half(struct batch *b, LLVMValueRef vector, unsigned index);
LLVMValueRef value_join(struct batch *b, LLVMValueRef lower, LLVMValueRef upper);
/* The reference in a slot, which is known from then on. */
LLVMValueRef value_recall(struct batch *b, uint32_t slot);
/* Memory of a function's frame: `base` is a frame, slots are 8 bytes. */
LLVMValueRef value_slot_address(struct batch *b, LLVMValueRef base, uint32_t slot);
void value_store_slot(struct batch *b, LLVMValueRef base, uint32_t slot, LLVMValueRef value);
LLVMValueRef value_load_slot(struct batch *b, LLVMValueRef base, uint32_t slot, enum value_type type);
/* Every temporary that has memory gets what its slot of the frame holds, whatever that is. */
void values_load_temporaries(struct batch *b);
LLVMValueRef value_field(struct batch *b, LLVMValueRef base, uint64_t offset);
/* A field that never changes, and one that may. */
LLVMValueRef value_load_fixed(struct batch *b, LLVMTypeRef type, LLVMValueRef base, uint64_t offset);
LLVMValueRef value_load(struct batch *b, LLVMTypeRef type, LLVMValueRef base, uint64_t offset);

/* ---- Control (control.c) -------------------------------------------------------------------------------------------- */

/* The function of the runtime at `offset` in it. */
LLVMValueRef control_runtime(struct batch *b, uint64_t offset);
/* Calls a function of the runtime, at `offset` in it: returns nothing, takes `count` arguments. The call. */
LLVMValueRef control_call_runtime(struct batch *b, uint64_t offset, LLVMValueRef *arguments, unsigned count);
/* Goes on only where `condition` is false; else, which is unlikely, there is a trap. */
void control_trap_if(struct batch *b, LLVMValueRef condition, LLVMValueRef trap);
void control_trap(struct batch *b, LLVMValueRef trap);
/* Behind a call that does not come back. */
void control_stop(struct batch *b);
LLVMValueRef control_trap_number(struct batch *b, enum engine_trap trap);
LLVMBasicBlockRef control_block(struct batch *b); /* an empty one */
LLVMBasicBlockRef control_label(struct batch *b, uint64_t label);
bool control_has_ended(const struct batch *b);    /* the current one */
/* In a prologue: traps or looks when the stack has no room for the frame. */
void control_check_room(struct batch *b);
/* Where a function that is called from elsewhere begins, and where one goes on after a call of what is not optimized. */
void control_look_on_entry(struct batch *b);
void control_look_on_return(struct batch *b);
void control_branch_unlikely(struct batch *b, LLVMValueRef condition, LLVMBasicBlockRef then, LLVMBasicBlockRef otherwise);

/* ---- Dispatch (dispatch.c) ------------------------------------------------------------------------------------------- */

/* At the start of a function. */
void dispatch_find(struct batch *b);
/* Whether a jump to `label` is to be replaced by what leads from there to a br_table; counts as done. */
bool dispatch_is_near(struct batch *b, uint64_t label);
void dispatch_copy(struct batch *b, uint64_t label);

/* ---- Roots (roots.c) ---------------------------------------------------------------------------------------------- */

/* At the start of a function; false: no memory. What is told to who looks into its frame gets its place before its code is
 * translated, and its contents where the frame exists. */
bool roots_begin(struct batch *b);
void roots_place_told(struct batch *b);
void roots_tell_frame(struct batch *b);
/* A local is written. */
void root_write(struct batch *b, uint32_t local, LLVMValueRef value);
/* Brings the value of a slot to the frame. */
void root_settle(struct batch *b, uint32_t slot, LLVMValueRef value);
/* Before what may collect: what is needed afterwards is in the frame. `node`: as in ir.h. */
void roots_settle(struct batch *b, uint32_t node);
/* By which the stack map tells a function. */
static inline uint64_t stackmap_name(uint32_t entry, bool is_at_loop) { return (uint64_t)entry << 1 | is_at_loop; }

/* ---- Exceptions (catches.c) ------------------------------------------------------------------------------------------ */

/* At the start of a function; false: no memory. And at its end: where exceptions land. */
bool catches_begin(struct batch *b);
void catches_end(struct batch *b);
/* Whether exceptions of what is being translated are caught here. */
bool catches_here(const struct batch *b);
/* Behind a call that may throw, by the C convention: where that is in a range, exceptions may land behind it. */
void catches_ask(struct batch *b, LLVMValueRef call);
/* When the LLVM module is optimized: such calls keep no registers. */
void catches_settle(struct batch *b);

/* ---- Instructions ----------------------------------------------------------------------------------------------------- */

/* Each: false when it is none of its own. */
bool control_insn(struct batch *b, const struct ir_insn *insn); /* control.c */
bool numeric_insn(struct batch *b, const struct ir_insn *insn); /* numeric.c */
bool memory_insn(struct batch *b, const struct ir_insn *insn);  /* memory.c */
bool atomic_insn(struct batch *b, const struct ir_insn *insn);  /* atomics.c */
bool range_insn(struct batch *b, const struct ir_insn *insn);   /* ranges.c */
bool call_insn(struct batch *b, const struct ir_insn *insn);    /* calls.c */
bool references_insn(struct batch *b, const struct ir_insn *insn); /* references.c */
bool catches_insn(struct batch *b, const struct ir_insn *insn);    /* catches.c */
/* Where an access of so many bytes goes; bounds are checked where there are no guard pages. */
LLVMValueRef memory_place(struct batch *b, const struct ir_insn *insn, uint32_t bytes);
/* A memory, where its first byte is, and where one lies behind that. Accesses, which are made as often and where they stand. */
LLVMValueRef memory_load(struct batch *b, uint32_t index);
LLVMValueRef memory_base(struct batch *b, uint32_t index);
LLVMValueRef memory_at(struct batch *b, LLVMValueRef base, LLVMValueRef address);
LLVMValueRef memory_read(struct batch *b, LLVMValueRef place, LLVMTypeRef type);
void memory_write(struct batch *b, LLVMValueRef place, LLVMValueRef value);
void call_help(struct batch *b, enum baseline_helper_index helper, uint64_t operands, uint64_t imm);
/* Does an instruction by its helper, which finds its operands in the frame. False: there is none. */
bool call_helper(struct batch *b, const struct ir_insn *insn);
/* The function that the request says `insn` calls, by its number among those that the module defines; CALL_NO_TARGET: none that
 * could be. */
#define CALL_NO_TARGET UINT32_MAX
uint32_t call_target(const struct job *job, const struct ir_insn *insn);
/* The number of the first target at `offset` or behind it. */
uint32_t call_targets_from(const struct job *job, uint32_t offset);
/* Calls the semantic function of an instruction. */
LLVMValueRef numeric_call(struct batch *b, uint16_t op, LLVMValueRef *arguments, unsigned count);
/* Links what was called. False: no memory, or not the bitcode of this LLVM. */
bool numeric_link(struct batch *b);
bool numeric_prepare(struct job *job, LLVMContextRef context);

/* Translates function `own` into the batch; own->refusal when it cannot be (translate.c). False: no memory. */
bool translate_function(struct batch *b, struct batch_function *own);
/* Declares it, before any is translated. */
void translate_add(struct batch *b, const struct batch_function *own);
/* Why a function cannot be translated, or -1, as far as can be said without trying; and own->native_limit. */
int translate_refusal(struct job *job, struct batch_function *own);
void translate_adapter(struct batch *b, const struct batch_function *own);
/* An instruction of the function that is being translated, and of a copy of its code a label. */
void translate_insn(struct batch *b, const struct ir_insn *insn);
/* What is built from here on belongs to the instruction at `offset`. */
void translate_position(struct batch *b, uint32_t offset);
void control_pass_label(struct batch *b, const struct ir_insn *insn);
/* The same function once more, to be entered at own->loop. False: no memory. */
bool translate_loop(struct batch *b, struct batch_function *own);
/* The native function, or NULL when it is not of this batch. */
LLVMValueRef translate_declare(struct batch *b, uint32_t entry);

/* Extends addresses where they are made (widths.c). False: no memory. */
bool widths_settle(struct batch *b);
/* `wide`, of which the upper bits are 0, in the type of a number that was extended to it. */
LLVMValueRef width_cut(struct batch *b, LLVMValueRef wide, LLVMTypeRef type);
/* Whatever uses `value` uses `wide`, which is its extension, in front of where the builder is. */
void width_use_instead(struct batch *b, LLVMValueRef value, LLVMValueRef wide);

/* Makes sums part of the accesses that are there; before widths are settled (modes.c). */
void modes_settle(struct batch *b);

/* ---- Objects (object.c) -------------------------------------------------------------------------------------------------- */

struct object_code {
  BASE_VEC(uint8_t) bytes;
  BASE_VEC(struct wire_function) functions;
  BASE_VEC(struct wire_line) lines;
  BASE_VEC(struct wire_inlined) inlined;
};
/* Reads an ELF object that LLVM has made: text and constants with their relocations resolved, the pieces of the functions, and
 * lines. False: it has something that is not expected. */
bool object_read(const struct target *target, const uint8_t *bytes, size_t len_bytes, struct object_code *out);
void object_free(struct object_code *code);
/* Tells functions what a stack map says of them (stackmaps.c). */
bool stackmaps_read(const struct target *target, const uint8_t *bytes, size_t len_bytes, struct object_code *out);
/* Adds the rows of a line table, whose relocated addresses lie in the text at `text` (lines.c). */
bool lines_read(const uint8_t *bytes, size_t len_bytes, struct object_code *out);

/* Gives instructions the locations by which faults and calls are told from one another; `out` has the rows of what is inlined
 * (places.c). False: no memory. */
bool places_settle(struct batch *b, struct object_code *out);

/* The batch is made once more, and nothing is inlined into the function then. False: it is so already. (batch.c) */
bool batch_inlines_less(struct batch *b, uint32_t entry);
/* Compiles the functions of a batch; `out` has those that are not refused. False: everything failed. (batch.c) */
bool batch_compile(struct job *job, struct batch_function *functions, uint32_t count, struct object_code *out);

/* Gives up all rights but those on the descriptors that are open (os_sandbox_linux.c). */
void sandbox_enter(void);

#endif
