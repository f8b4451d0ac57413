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
 *  1. where[slot].reg == r exactly when cached[r].slot == slot; `used` has the registers that hold something, `dirty`
 *     those of them whose slot is stale.
 *  2. A reserved register holds its own local or nothing.
 *  3. A locked register is not evicted until the instruction's end. */
#include "tiers/baseline/emit.h"

void registers_reset(struct baseline_emitter *e) {
  for (uint32_t i = 0; i < REGISTERS; i++) e->cached[i] = (struct cached){.slot = NO_SLOT};
  e->locked = e->reserved = e->used = e->dirty = 0;
}

/* ---- Moving values ----------------------------------------------------------------------------------------------------- */

void registers_load(struct baseline_emitter *e, uint32_t reg, uint32_t slot, enum ir_class cls) {
  if (cls == IR_CLASS_INT)
    emit_put_one(e, STENCIL_GET_INT + reg, STENCIL_A, (uint64_t)slot * 8);
  else
    emit_put_slot_a(e, (cls == IR_CLASS_F32 ? STENCIL_GET_F32 : STENCIL_GET_F64) + (reg - INTS), slot);
}

void registers_put(struct baseline_emitter *e, uint32_t reg, uint32_t slot, enum ir_class cls) {
  if (cls == IR_CLASS_INT)
    emit_put_one(e, STENCIL_PUT_INT + reg, STENCIL_D, (uint64_t)slot * 8);
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
  if (!(e->dirty >> reg & 1)) return;
  registers_put(e, reg, e->cached[reg].slot, e->cached[reg].cls);
  e->dirty &= ~(1u << reg);
}

void registers_store(struct baseline_emitter *e, uint32_t slot) {
  if (e->where.items[slot].reg != NO_REGISTER) registers_store_register(e, e->where.items[slot].reg);
}

void registers_store_all(struct baseline_emitter *e, uint32_t but) {
  for (uint32_t left = e->dirty & ~but; left; left &= left - 1) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    registers_put(e, reg, e->cached[reg].slot, e->cached[reg].cls);
  }
  e->dirty &= but;
}

void registers_store_temporaries(struct baseline_emitter *e) {
  for (uint32_t left = e->dirty; left; left &= left - 1) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    if (emit_is_temporary(e, e->cached[reg].slot)) registers_store_register(e, reg);
  }
}

/* ---- The map ----------------------------------------------------------------------------------------------------------------- */

void registers_forget(struct baseline_emitter *e, uint32_t mask) {
  for (uint32_t left = e->used & mask; left; left &= left - 1) {
    struct cached *cached = &e->cached[__builtin_ctz(left)];
    e->where.items[cached->slot].reg = NO_REGISTER;
    cached->slot = NO_SLOT;
  }
  e->used &= ~mask;
  e->dirty &= ~mask;
}

void registers_vacate(struct baseline_emitter *e, uint32_t reg) {
  registers_store_register(e, reg);
  registers_clear(e, reg);
}

/* Both are free: the register and the slot. */
static void claim(struct baseline_emitter *e, uint32_t reg, uint32_t slot, enum ir_class cls) {
  assert(slot < e->where.count && e->where.items[slot].reg == NO_REGISTER && e->cached[reg].slot == NO_SLOT);
  e->cached[reg] = (struct cached){.slot = slot, .cls = (uint8_t)cls};
  e->where.items[slot].reg = (uint8_t)reg;
  e->used |= 1u << reg;
}

void registers_hold(struct baseline_emitter *e, uint32_t reg, uint32_t slot, enum ir_class cls) {
  registers_clear(e, reg);
  registers_drop(e, slot);
  claim(e, reg, slot, cls);
}

/* Whom it costs least to evict: what needs no store, then locals, then the temporary that will be read last. */
static uint32_t eviction_cost(const struct baseline_emitter *e, uint32_t reg) {
  const struct cached *cached = &e->cached[reg];
  if (emit_is_temporary(e, cached->slot)) return UINT32_MAX - 0x10000 + (cached->slot & 0xFFFF);
  return e->dirty >> reg & 1;
}

bool registers_any_left(const struct baseline_emitter *e, enum ir_class cls) {
  return (registers_of_class(cls) & ~e->locked & ~e->reserved) != 0;
}

uint32_t registers_evict(struct baseline_emitter *e, uint32_t candidates) {
  uint32_t best = (uint32_t)__builtin_ctz(candidates), best_cost = eviction_cost(e, best);
  for (uint32_t left = candidates & (candidates - 1); left; left &= left - 1) {
    uint32_t reg = (uint32_t)__builtin_ctz(left), cost = eviction_cost(e, reg);
    if (cost >= best_cost) continue;
    best = reg;
    best_cost = cost;
  }
  registers_vacate(e, best);
  return best;
}

uint32_t registers_fetch_pinned(struct baseline_emitter *e, uint32_t slot) {
  uint32_t reg = e->where.items[slot].pin;
  enum ir_class cls = e->regions.items[e->region].classes[reg];
  registers_load(e, reg, slot, cls);
  registers_hold(e, reg, slot, cls);
  registers_lock(e, reg);
  return reg;
}

uint32_t registers_fetch(struct baseline_emitter *e, uint32_t slot, enum ir_class cls) {
  if (e->where.items[slot].pin != NO_REGISTER) return registers_fetch_pinned(e, slot);
  uint32_t reg = registers_take(e, cls);
  registers_load(e, reg, slot, cls);
  claim(e, reg, slot, cls);
  return reg;
}
