/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Which slot of the frame is in which register.
 *
 * A register is a cache of one slot: reading a slot may leave it in a register, writing one leaves the new value there
 * and the slot stale ("dirty") until somebody needs the slot: a call, a label, an operation on slots, or the register for
 * something else. Temporaries are written back only when they outlive their register, because they are read once.
 *
 * In a loop some registers are pinned to the loop's busiest locals (regions.c): they are reserved for them even while
 * they hold nothing, and are loaded again before the next label.
 *
 * Invariants
 *  1. where[slot] == r exactly when cached[r].slot == slot; `used` has the registers that hold something.
 *  2. A reserved register holds its own local or nothing.
 *  3. A locked register is not evicted until the instruction's end. */
#include "tiers/baseline/emit.h"

static uint32_t class_mask(enum ir_class cls) {
  return emit_is_float(cls) ? ((1u << FLOATS) - 1) << INTS : (1u << INTS) - 1;
}

void registers_reset(struct baseline_emitter *e) {
  for (uint32_t i = 0; i < REGISTERS; i++) e->cached[i] = (struct cached){.slot = NO_SLOT};
  e->locked = e->reserved = e->used = 0;
}

/* ---- Moving values ----------------------------------------------------------------------------------------------------- */

void registers_load(struct baseline_emitter *e, uint32_t reg, uint32_t slot, enum ir_class cls) {
  if (cls == IR_CLASS_INT)
    emit_put_slot_a(e, STENCIL_GET_INT + reg, slot);
  else
    emit_put_slot_a(e, (cls == IR_CLASS_F32 ? STENCIL_GET_F32 : STENCIL_GET_F64) + (reg - INTS), slot);
}

static void put(struct baseline_emitter *e, uint32_t reg, uint32_t slot, enum ir_class cls) {
  if (cls == IR_CLASS_INT)
    emit_put_slot_d(e, STENCIL_PUT_INT + reg, slot);
  else
    emit_put_slot_d(e, (cls == IR_CLASS_F32 ? STENCIL_PUT_F32 : STENCIL_PUT_F64) + (reg - INTS), slot);
}

void registers_move(struct baseline_emitter *e, uint32_t to, uint32_t from) {
  if (to == from) return;
  if (to < INTS)
    emit_put(e, STENCIL_MOVE_INT + to * INTS + from);
  else
    emit_put(e, STENCIL_MOVE_FLOAT + (to - INTS) * FLOATS + (from - INTS));
}

void registers_store_register(struct baseline_emitter *e, uint32_t reg) {
  struct cached *cached = &e->cached[reg];
  if (cached->slot == NO_SLOT || !cached->is_dirty) return;
  put(e, reg, cached->slot, cached->cls);
  cached->is_dirty = false;
}

void registers_store(struct baseline_emitter *e, uint32_t slot) {
  if (e->where.items[slot] != NO_REGISTER) registers_store_register(e, e->where.items[slot]);
}

void registers_store_all(struct baseline_emitter *e, uint32_t but) {
  for (uint32_t left = e->used & ~but; left; left &= left - 1)
    registers_store_register(e, (uint32_t)__builtin_ctz(left));
}

void registers_store_temporaries(struct baseline_emitter *e) {
  for (uint32_t left = e->used; left; left &= left - 1) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    if (emit_is_temporary(e, e->cached[reg].slot)) registers_store_register(e, reg);
  }
}

/* ---- The map ----------------------------------------------------------------------------------------------------------------- */

static void forget(struct baseline_emitter *e, uint32_t reg) {
  if (e->cached[reg].slot == NO_SLOT) return;
  e->where.items[e->cached[reg].slot] = NO_REGISTER;
  e->cached[reg].slot = NO_SLOT;
  e->cached[reg].is_dirty = false;
  e->used &= ~(1u << reg);
}

void registers_forget(struct baseline_emitter *e, uint32_t mask) {
  for (uint32_t left = e->used & mask; left; left &= left - 1) forget(e, (uint32_t)__builtin_ctz(left));
}

void registers_drop(struct baseline_emitter *e, uint32_t slot) {
  if (e->where.items[slot] != NO_REGISTER) forget(e, e->where.items[slot]);
}

void registers_vacate(struct baseline_emitter *e, uint32_t reg) {
  registers_store_register(e, reg);
  forget(e, reg);
}

static void hold(struct baseline_emitter *e, uint32_t reg, uint32_t slot, enum ir_class cls, bool is_dirty) {
  assert(slot < e->where.count);
  if (e->cached[reg].slot != slot) {
    forget(e, reg);
    registers_drop(e, slot);
  }
  e->cached[reg] = (struct cached){.slot = slot, .cls = (uint8_t)cls, .is_dirty = is_dirty};
  e->where.items[slot] = (uint8_t)reg;
  e->used |= 1u << reg;
}

void registers_set(struct baseline_emitter *e, uint32_t reg, uint32_t slot, enum ir_class cls) {
  hold(e, reg, slot, cls, true);
  if (BASE_UNLIKELY(e->options.exact_locals) && !emit_is_temporary(e, slot)) registers_store_register(e, reg);
}

void registers_hold(struct baseline_emitter *e, uint32_t reg, const struct cached *cached) {
  hold(e, reg, cached->slot, cached->cls, false);
}

uint32_t registers_pin_of(const struct baseline_emitter *e, uint32_t slot) {
  const struct region *region = &e->regions.items[e->region];
  for (uint32_t left = e->reserved; left; left &= left - 1) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    if (region->pins[reg] == slot) return reg;
  }
  return NO_REGISTER;
}

/* Whom it costs least to evict: what needs no store, then locals, then the temporary that will be read last. */
static uint32_t eviction_cost(const struct baseline_emitter *e, uint32_t reg) {
  const struct cached *cached = &e->cached[reg];
  if (emit_is_temporary(e, cached->slot)) return UINT32_MAX - 0x10000 + (cached->slot & 0xFFFF);
  return cached->is_dirty;
}

bool registers_any_left(const struct baseline_emitter *e, enum ir_class cls) {
  return (class_mask(cls) & ~e->locked & ~e->reserved) != 0;
}

uint32_t registers_take(struct baseline_emitter *e, enum ir_class cls) {
  uint32_t candidates = class_mask(cls) & ~e->locked & ~e->reserved;
  assert(candidates);
  uint32_t free_ones = candidates & ~e->used;
  uint32_t best = (uint32_t)__builtin_ctz(free_ones ? free_ones : candidates);
  if (!free_ones) {
    for (uint32_t left = candidates; left; left &= left - 1) {
      uint32_t reg = (uint32_t)__builtin_ctz(left);
      if (eviction_cost(e, reg) < eviction_cost(e, best)) best = reg;
    }
    registers_vacate(e, best);
  }
  registers_lock(e, best);
  return best;
}

uint32_t registers_find(struct baseline_emitter *e, uint32_t slot) {
  uint32_t reg = e->where.items[slot];
  if (reg == NO_REGISTER && e->reserved && (reg = registers_pin_of(e, slot)) != NO_REGISTER) {
    enum ir_class cls = e->regions.items[e->region].classes[reg];
    registers_load(e, reg, slot, cls);
    hold(e, reg, slot, cls, false);
  }
  if (reg != NO_REGISTER) registers_lock(e, reg);
  return reg;
}

uint32_t registers_use(struct baseline_emitter *e, uint32_t slot, enum ir_class cls) {
  uint32_t reg = registers_find(e, slot);
  if (reg != NO_REGISTER) return reg;
  reg = registers_take(e, cls);
  registers_load(e, reg, slot, cls);
  hold(e, reg, slot, cls, false);
  return reg;
}
