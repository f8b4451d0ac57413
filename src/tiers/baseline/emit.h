/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The emitter's state and what its parts use of each other: emit.c has the driver, control flow and calls, registers.c
 * which slot is in which register, regions.c which locals a loop keeps in registers, select.c the stencils of numbers
 * and memory accesses, select_slots.c of everything that works on slots. Private to the baseline tier. */
#ifndef TIERS_BASELINE_EMIT_H
#define TIERS_BASELINE_EMIT_H

#include <assert.h>

#include "tiers/baseline/baseline.h"
#include "tiers/baseline/stencil.h"

/* Registers: the integer ones, then the float ones. */
enum { INTS = STENCIL_INTS, FLOATS = STENCIL_FLOATS, REGISTERS = INTS + FLOATS, NO_REGISTER = 0xFF };
#define NO_SLOT UINT32_MAX
#define NO_OFFSET UINT32_MAX
#define NO_LABEL UINT32_MAX

/* What nearly every instruction goes through is in line, and what only some do is not: each has its own registers to save. */
#define EMIT_INLINE static inline __attribute__((always_inline))
#define EMIT_APART static __attribute__((noinline))

enum { CODE_SLACK = 512, COPIED_AT_ONCE = 32, COPIED_SINGLE = 16 };

/* What a register holds: the value of at most one slot. */
struct cached {
  uint32_t slot; /* NO_SLOT: free */
  uint8_t cls;   /* enum ir_class */
};
/* The register that holds a slot, and the one that the current region pins to it; NO_REGISTER: none. */
struct whereabouts {
  uint8_t reg, pin;
};

/* A stretch of register code with its own pinned locals: a loop, or (number 0) the function, which pins none. */
struct region {
  uint32_t first, last; /* instructions */
  uint32_t parent;
  uint32_t pinned;   /* mask of registers */
  uint32_t assigned; /* those of them whose local is written in the region */
  uint32_t pins[REGISTERS];
  uint8_t classes[REGISTERS]; /* of the pinned ones */
};

/* Something behind the function's code that a jump goes to. */
enum stub_kind { STUB_TRAP, STUB_EDGE, STUB_POLL, STUB_FUEL, STUB_STACK, STUB_COUNT, STUB_TABLE };
struct stub {
  uint8_t kind, patch;
  uint32_t hole;   /* position of the jump's hole */
  uint32_t offset; /* of the wasm instruction */
  uint32_t target; /* TRAP: the trap; EDGE: the label; POLL, FUEL: position behind it; TABLE: the table's */
  uint32_t table;  /* EDGE: position of the branch table whose entry is the hole, or NO_OFFSET */
  uint32_t region; /* EDGE, POLL, FUEL: where it comes from */
  uint32_t dirty;  /* EDGE: pinned registers that are not stored */
  uint32_t label;  /* POLL */
};

struct fixup {
  uint32_t hole, label;
  uint8_t patch;
  uint32_t table; /* of a branch table: its position; else NO_OFFSET */
};

/* `kept` says which registers hold, on all ways to the label so far, what they do in e->states from `state` on (one for
 * each of `known`, in order), which is in the slots too. */
struct label {
  uint32_t position, region;
  uint32_t references;
  uint32_t kept, known, state;
  bool catches, has_state;
};

/* Uses of slots in regions, while regions are made. */
struct slot_use {
  uint32_t slot, region, weight;
  uint32_t below; /* use of the same slot in an enclosing region, or NO_USE */
  uint32_t next_in_region;
  uint8_t cls;
  bool is_assigned;
  uint32_t padding; /* to a size that is quick to multiply by */
};

struct baseline_emitter {
  struct baseline_output out;
  const struct module *module;
  const struct ir_function *function;
  struct baseline_emit_options options;

  const struct ir_insn *insn; /* the one being emitted; NULL: none */
  const struct ir_insn *insns_end;
  uint32_t region;
  const struct ir_insn *region_end; /* behind its last instruction */
  bool is_noting;                   /* note_piece is wanted: by options.lists or for wanted_position */
  bool is_checked;                  /* accesses to memory 0 need code in front: 64 bits, or no guard pages */
  bool is_reachable, no_memory, is_unsupported;
  bool is_fast; /* the processor has what stencil_row.fast needs */

  struct cached cached[REGISTERS];
  BASE_VEC(struct whereabouts) where; /* of each slot */
  uint32_t locked;                    /* mask: operands of the current instruction */
  uint32_t reserved;                  /* mask: pinned */
  uint32_t used;                      /* mask: not free */
  uint32_t dirty;                     /* mask: the slot itself is not current */

  uint64_t values[STENCIL_TRAP]; /* for the holes of the next stencil */
  /* Where the next stencil's TARGET hole goes: to the position if there is one, else to the label, else to the stub that
   * has just been added. */
  uint32_t target_label, target_position;

  BASE_VEC(struct label) labels;
  BASE_VEC(struct cached) states;
  BASE_VEC(struct region) regions;
  BASE_VEC(struct slot_use) uses;
  BASE_VEC(uint32_t) region_uses; /* first use of each region */
  BASE_VEC(uint32_t) newest_use;  /* of each slot */
  BASE_VEC(uint32_t) region_calls;
  BASE_VEC(struct stub) stubs;
  BASE_VEC(struct fixup) fixups;
  BASE_VEC(uint32_t) open_ranges;
  uint32_t target_count; /* of options.targets that are taken */

  uint32_t noted;                         /* the code up to here belongs to what was emitted before */
  uint32_t wanted_position, found_offset; /* baseline_emit_offset */
};

static inline bool emit_is_temporary(const struct baseline_emitter *e, uint32_t slot) {
  return slot > e->function->link_slot;
}
static inline bool emit_is_float(enum ir_class cls) { return cls == IR_CLASS_F32 || cls == IR_CLASS_F64; }

/* ---- Stencils (emit.c) ----------------------------------------------------------------------------------------------- */

/* Copies stencil `id` with the holes' values in e->values; emit_target says where a TARGET hole goes. */
void emit_put_any(struct baseline_emitter *e, uint32_t id);
EMIT_INLINE void emit_put(struct baseline_emitter *e, uint32_t id) {
  assert(id < STENCIL_COUNT);
  const struct stencil *stencil = &stencils[id];
  size_t start = e->out.code.count;
  if (BASE_UNLIKELY(!stencil->is_plain || start + CODE_SLACK > e->out.code.capacity)) {
    emit_put_any(e, id);
    return;
  }
  uint8_t *to = e->out.code.items + start;
  memcpy(to, stencil_code + stencil->code, COPIED_AT_ONCE);
  base_store_u32(to + stencil->plain_at[0], (uint32_t)e->values[stencil->plain_value[0]]);
  base_store_u32(to + stencil->plain_at[1], (uint32_t)e->values[stencil->plain_value[1]]);
  e->out.code.count = start + stencil->bytes;
}
static inline void emit_put_slot_d(struct baseline_emitter *e, uint32_t id, uint32_t slot) {
  e->values[STENCIL_D] = (uint64_t)slot * 8;
  emit_put(e, id);
}
static inline void emit_put_slot_a(struct baseline_emitter *e, uint32_t id, uint32_t slot) {
  e->values[STENCIL_A] = (uint64_t)slot * 8;
  emit_put(e, id);
}
/* The same of a stencil with no hole but `value`. */
EMIT_INLINE void emit_put_one(struct baseline_emitter *e, uint32_t id, enum stencil_value value, uint64_t number) {
  assert(id < STENCIL_COUNT);
  const struct stencil *stencil = &stencils[id];
  size_t start = e->out.code.count;
  if (BASE_UNLIKELY(!stencil->is_single || start + CODE_SLACK > e->out.code.capacity)) {
    e->values[value] = number;
    emit_put_any(e, id);
    return;
  }
  assert(stencil->plain_value[0] == value);
  uint8_t *to = e->out.code.items + start;
  memcpy(to, stencil_code + stencil->code, COPIED_SINGLE);
  base_store_u32(to + stencil->plain_at[0], (uint32_t)number);
  e->out.code.count = start + stencil->bytes;
}
/* The same of a stencil with a TARGET hole. */
void emit_jump(struct baseline_emitter *e, uint32_t id);
static inline void emit_put_imm(struct baseline_emitter *e, uint32_t id, uint64_t imm) {
  e->values[STENCIL_IMM] = imm;
  emit_put(e, id);
}
/* The next stencil's TARGET is `label`, over an edge of its own where registers have to change hands. Everything that
 * the label expects is in its place already. */
void emit_target(struct baseline_emitter *e, uint32_t label);
/* Brings slots and pinned registers to where a label of this region expects them: before a branch, or the label itself. */
void emit_settle(struct baseline_emitter *e);
/* The instruction after the current one, when nothing can jump between them; NULL otherwise. */
static inline const struct ir_insn *emit_following(const struct baseline_emitter *e) {
  return e->insn + 1 < e->insns_end ? e->insn + 1 : NULL;
}
/* A call to a helper: everything to its slot, nothing in registers afterwards. Returns its site. */
uint32_t emit_helper(struct baseline_emitter *e, const struct baseline_helper_call *call);
/* A trap whatever happens; what follows is not reached. */
void emit_raise(struct baseline_emitter *e, enum engine_trap trap);
/* At the position `site` a collection may come while the temporaries in the list `node` hold references. */
void emit_note_references(struct baseline_emitter *e, uint32_t site, uint32_t node);

/* ---- Registers (registers.c) ------------------------------------------------------------------------------------------ */

static inline void registers_lock(struct baseline_emitter *e, uint32_t reg) { e->locked |= 1u << reg; }
void registers_reset(struct baseline_emitter *e);
/* Empties register `reg` without writing it back. */
EMIT_INLINE void registers_clear(struct baseline_emitter *e, uint32_t reg) {
  uint32_t others = ~(1u << reg);
  if (!(e->used & ~others)) return;
  e->where.items[e->cached[reg].slot].reg = NO_REGISTER;
  e->cached[reg].slot = NO_SLOT;
  e->used &= others;
  e->dirty &= others;
}
/* Whether registers_take has one to give. */
bool registers_any_left(const struct baseline_emitter *e, enum ir_class cls);
/* A free register for a value of `cls`, locked; something is evicted when none is free. */
uint32_t registers_evict(struct baseline_emitter *e, uint32_t candidates);
static inline uint32_t registers_of_class(enum ir_class cls) {
  return emit_is_float(cls) ? ((1u << FLOATS) - 1) << INTS : (1u << INTS) - 1;
}
static inline uint32_t registers_take(struct baseline_emitter *e, enum ir_class cls) {
  uint32_t candidates = registers_of_class(cls) & ~(e->locked | e->reserved), free_ones = candidates & ~e->used;
  assert(candidates);
  uint32_t reg = BASE_LIKELY(free_ones) ? (uint32_t)__builtin_ctz(free_ones) : registers_evict(e, candidates);
  registers_lock(e, reg);
  return reg;
}
/* The register that holds the slot, which is loaded if need be; locked. */
uint32_t registers_fetch(struct baseline_emitter *e, uint32_t slot, enum ir_class cls);
EMIT_INLINE uint32_t registers_use(struct baseline_emitter *e, uint32_t slot, enum ir_class cls) {
  uint32_t reg = e->where.items[slot].reg;
  if (reg == NO_REGISTER) return registers_fetch(e, slot, cls);
  registers_lock(e, reg);
  return reg;
}
/* The register that holds the slot or is reserved for it (loaded then), locked; or NO_REGISTER. */
uint32_t registers_fetch_pinned(struct baseline_emitter *e, uint32_t slot);
EMIT_INLINE uint32_t registers_find(struct baseline_emitter *e, uint32_t slot) {
  struct whereabouts where = e->where.items[slot];
  if (where.reg != NO_REGISTER) {
    registers_lock(e, where.reg);
    return where.reg;
  }
  return where.pin == NO_REGISTER ? NO_REGISTER : registers_fetch_pinned(e, slot);
}
/* The register that is pinned to the slot, or NO_REGISTER. */
static inline uint32_t registers_pin_of(const struct baseline_emitter *e, uint32_t slot) {
  return e->where.items[slot].pin;
}
/* Forgets the cached value of a slot, which is dead or will be written in its slot. */
EMIT_INLINE void registers_drop(struct baseline_emitter *e, uint32_t slot) {
  uint32_t reg = e->where.items[slot].reg;
  if (reg != NO_REGISTER) registers_clear(e, reg);
}
/* The same of a vector's two slots: before it is written, because a value that was dropped may be cached of either. */
static inline void registers_drop_vector(struct baseline_emitter *e, uint32_t slot) {
  registers_drop(e, slot);
  registers_drop(e, slot + 1);
}
/* An operand that is read for the last time when `is_temp`. */
static inline void registers_done(struct baseline_emitter *e, uint32_t slot, bool is_temp) {
  if (is_temp) registers_drop(e, slot);
}
/* The slot's own memory becomes current. */
void registers_store(struct baseline_emitter *e, uint32_t slot);
void registers_store_register(struct baseline_emitter *e, uint32_t reg);
/* All that is dirty, and not in `but`. */
void registers_store_all(struct baseline_emitter *e, uint32_t but);
void registers_store_temporaries(struct baseline_emitter *e);
/* Forgets all registers in the mask. */
void registers_forget(struct baseline_emitter *e, uint32_t mask);
/* The slot gets what the register holds; what is known of either stays as it is. */
void registers_put(struct baseline_emitter *e, uint32_t reg, uint32_t slot, enum ir_class cls);
/* Loads `slot` into `reg`, which is clean then. */
void registers_load(struct baseline_emitter *e, uint32_t reg, uint32_t slot, enum ir_class cls);
void registers_move(struct baseline_emitter *e, uint32_t to, uint32_t from);
/* Register `reg` holds the slot's value, which is in the slot too. */
void registers_hold(struct baseline_emitter *e, uint32_t reg, uint32_t slot, enum ir_class cls);
/* Register `reg` now holds the newest value of `slot`. */
EMIT_INLINE void registers_set(struct baseline_emitter *e, uint32_t reg, uint32_t slot, enum ir_class cls) {
  if (e->cached[reg].slot != slot) registers_hold(e, reg, slot, cls);
  e->cached[reg].cls = (uint8_t)cls;
  e->dirty |= 1u << reg;
  if (BASE_UNLIKELY(e->options.exact_locals) && !emit_is_temporary(e, slot)) registers_store_register(e, reg);
}
/* Empties register `reg`, so that it may take something else. */
void registers_vacate(struct baseline_emitter *e, uint32_t reg);

/* ---- Regions (regions.c) ------------------------------------------------------------------------------------------------ */

/* Finds labels, loops and the locals that each loop keeps in registers. */
void regions_find(struct baseline_emitter *e);
/* Makes region `index` the current one: its pins are those that count. */
void regions_select(struct baseline_emitter *e, uint32_t index);
/* Leaves the regions that end before instruction e->insn: their pinned registers become ordinary ones. */
void regions_leave(struct baseline_emitter *e);
/* From the region around a loop into the loop, at its head; the loop's registers are loaded when control falls in. */
void regions_enter(struct baseline_emitter *e, uint32_t region);
/* The code of an edge: from registers as in region `from`, of which `dirty` are not stored, to what `to` expects. */
void regions_cross(struct baseline_emitter *e, uint32_t from, uint32_t dirty, uint32_t to);
/* What the registers hold at each label of the region. */
void regions_canonical(struct baseline_emitter *e, uint32_t region);

/* ---- Locals at the start (zeroes.c) ------------------------------------------------------------------------------------- */

/* Which of at most 64 slots of locals behind the parameters have to be zeroed. */
uint64_t zeroes_needed(const struct baseline_emitter *e);

/* ---- Selection (select.c, select_slots.c) --------------------------------------------------------------------------------- */

void select_move(struct baseline_emitter *e, const struct ir_insn *insn);
void select_const(struct baseline_emitter *e, const struct ir_insn *insn);
void select_constant(struct baseline_emitter *e, uint32_t reg, enum ir_class cls, uint64_t konst);
void select_store_constant(struct baseline_emitter *e, uint32_t slot, enum ir_class cls, uint64_t konst);
void select_ref_func(struct baseline_emitter *e, const struct ir_insn *insn);
void select_select(struct baseline_emitter *e, const struct ir_insn *insn);
void select_global_get(struct baseline_emitter *e, const struct ir_insn *insn);
void select_global_set(struct baseline_emitter *e, const struct ir_insn *insn);
void select_branch_if(struct baseline_emitter *e, const struct ir_insn *insn);
/* An instruction of the table. False: there is nothing for it. */
bool select_row(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row);
/* Where an access to memory 0 goes: register of the address (INTS: none) and what is added to it. */
struct place {
  uint32_t reg;
  uint64_t offset;
};
struct place select_place(struct baseline_emitter *e, const struct ir_insn *insn, uint32_t access_log2);
/* In the general form: any memory, operands in slots. */
void select_general(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row);
/* The same of those that work by slots or by a helper. */
bool select_slots(struct baseline_emitter *e, const struct ir_insn *insn, const struct stencil_row *row);
/* Classes of the operands a, b and c that are used in registers, two bits each; IR_CLASS_NONE for others. */
uint32_t select_classes(const struct ir_insn *insn);

#endif
