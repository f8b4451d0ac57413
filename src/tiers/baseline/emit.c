/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The emitter: turns register code (ir.h) into machine code by copying stencils one behind the other.
 *
 * One pass. For each instruction a stencil is chosen by where its operands are (register, slot, constant); registers.c
 * remembers what is where. At a label everything is in its slot, except the locals that the label's loop pins to
 * registers (regions.c). Jumps to labels that come later, and what lies out of line (traps, edges between loops, polls),
 * are patched at the end.
 *
 * The rejected alternative, a full three-address table of stencils, is eight times as large and makes the same code: a
 * move between registers costs nothing on the CPUs this is for.
 *
 * Invariants
 *  1. A jump goes to a label only when registers and slots are as the label expects them (emit_settle), or over an edge
 *     that makes them so.
 *  2. The code is position-independent; what must know its place in the arena is listed in out.site_holes.
 *  3. After memory has run out nothing is patched, and the result is thrown away. */
#include "tiers/baseline/emit.h"

#include <stddef.h>

enum { GUESSED_BYTES = 12 };

/* The position that stands for a stencil lies inside of it, so that it belongs to one instruction only. */
enum { SITE_DISTANCE = 1 };

void baseline_emitter_trim(struct baseline_emitter *e) {
  BASE_VEC_DEINIT(&e->out.code);
  BASE_VEC_DEINIT(&e->out.site_holes);
  BASE_VEC_DEINIT(&e->out.sites);
  BASE_VEC_DEINIT(&e->out.maps);
  BASE_VEC_DEINIT(&e->out.ranges);
  BASE_VEC_DEINIT(&e->out.labels);
  BASE_VEC_DEINIT(&e->out.loops);
  BASE_VEC_DEINIT(&e->out.pieces);
  BASE_VEC_DEINIT(&e->where);
  BASE_VEC_DEINIT(&e->labels);
  BASE_VEC_DEINIT(&e->states);
  BASE_VEC_DEINIT(&e->regions);
  BASE_VEC_DEINIT(&e->uses);
  BASE_VEC_DEINIT(&e->region_uses);
  BASE_VEC_DEINIT(&e->newest_use);
  BASE_VEC_DEINIT(&e->region_calls);
  BASE_VEC_DEINIT(&e->stubs);
  BASE_VEC_DEINIT(&e->fixups);
  BASE_VEC_DEINIT(&e->open_ranges);
}

struct baseline_emitter *baseline_emitter_new(void) {
  struct baseline_emitter *e = base_alloc_zero(1, sizeof(struct baseline_emitter));
  if (e) e->is_fast = STENCIL_IS_FAST();
  return e;
}

void baseline_emitter_free(struct baseline_emitter *e) {
  if (!e) return;
  baseline_emitter_trim(e);
  base_free(e);
}

/* ---- Stencils -------------------------------------------------------------------------------------------------------- */

static uint32_t position(const struct baseline_emitter *e) { return (uint32_t)e->out.code.count; }

/* The code of a function may be so much larger than its body, which is far from what programs make; and every jump in it
 * must reach. What has more is for the interpreter. */
static size_t most_code_bytes(const struct baseline_emitter *e) {
  enum { FREE_BYTES = 1 << 16, PER_BYTE = 48, MOST_BYTES = 1 << 26 };
  size_t bytes = FREE_BYTES + (size_t)e->module->funcs[e->function->func].body_bytes * PER_BYTE;
  return bytes < MOST_BYTES ? bytes : MOST_BYTES;
}

static BASE_COLD bool grow_code(struct baseline_emitter *e, size_t capacity) {
  if (e->out.code.count > most_code_bytes(e)) e->is_unsupported = true;
  if (!e->is_unsupported && BASE_VEC_RESERVE(&e->out.code, capacity)) return true;
  e->no_memory = true;
  return false;
}

/* Room for `bytes` and for copying a little more than is needed. */
static bool reserve_code(struct baseline_emitter *e, size_t bytes) {
  size_t capacity = e->out.code.count + bytes + CODE_SLACK;
  return BASE_LIKELY(capacity <= e->out.code.capacity) || grow_code(e, capacity);
}

static struct stub *add_stub(struct baseline_emitter *e, enum stub_kind kind) {
  static _Thread_local struct stub scratch;
  struct stub *stub = BASE_VEC_PUSH(&e->stubs);
  if (!stub) {
    e->no_memory = true;
    stub = &scratch;
  }
  *stub = (struct stub){
      .kind = (uint8_t)kind, .offset = e->insn ? e->insn->offset : 0, .region = e->region, .table = NO_OFFSET};
  return stub;
}

static inline void add_fixup(struct baseline_emitter *e, uint32_t hole, uint8_t patch, uint32_t label, uint32_t table) {
  struct fixup *fixup = BASE_VEC_PUSH(&e->fixups);
  if (fixup)
    *fixup = (struct fixup){.hole = hole, .label = label, .patch = patch, .table = table};
  else
    e->no_memory = true;
}

/* A hole that takes something which is known when the code's place is. */
static void note_place(struct baseline_emitter *e, uint32_t start, const struct stencil_hole *from) {
  struct baseline_site_hole *hole = BASE_VEC_PUSH(&e->out.site_holes);
  if (!hole) {
    e->no_memory = true;
    return;
  }
  *hole = (struct baseline_site_hole){.at = start + from->at, .position = start + SITE_DISTANCE, .kind = from->kind};
  if (from->value != STENCIL_POOL) return;
  hole->is_pool = true;
  hole->position = base_load_u32(e->out.code.items + hole->at); /* the constant's place in the pool */
}

static inline void fill_target(struct baseline_emitter *e, uint32_t at, uint8_t kind) {
  if (e->target_position != NO_OFFSET) {
    baseline_arch_patch(e->out.code.items, at, kind, e->target_position);
  } else if (e->target_label != NO_LABEL) {
    add_fixup(e, at, kind, e->target_label, NO_OFFSET);
  } else if (!e->no_memory) {
    struct stub *stub = &e->stubs.items[e->stubs.count - 1];
    stub->patch = kind;
    stub->hole = at;
  }
}

/* A jump in the stencil that has just been copied to `start`. */
static void fill_jump(struct baseline_emitter *e, uint32_t start, const struct stencil_hole *hole) {
  uint32_t at = start + hole->at;
  if (hole->value >= STENCIL_TRAP) {
    struct stub *stub = add_stub(e, STUB_TRAP);
    stub->patch = hole->kind;
    stub->hole = at;
    stub->target = hole->value - STENCIL_TRAP;
  } else {
    fill_target(e, at, hole->kind);
  }
}

static void target_stub(struct baseline_emitter *e) {
  e->target_label = NO_LABEL;
  e->target_position = NO_OFFSET;
}

static void target_position(struct baseline_emitter *e, uint32_t at) {
  e->target_label = NO_LABEL;
  e->target_position = at;
}

/* Backward: the position is known. */
static void target_label(struct baseline_emitter *e, uint32_t label) {
  e->target_label = label;
  e->target_position = e->labels.items[label].position;
}

/* Holes that wait for something: a label, the function's place. */
static void fill_later(struct baseline_emitter *e, uint32_t start, const struct stencil_hole *hole) {
  if (hole->value == STENCIL_SITE || hole->value == STENCIL_POOL)
    note_place(e, start, hole);
  else
    fill_jump(e, start, hole);
}

void emit_put_any(struct baseline_emitter *e, uint32_t id) {
  const struct stencil *stencil = &stencils[id];
  uint32_t start = position(e), bytes = stencil->bytes;
  if (BASE_UNLIKELY(!reserve_code(e, bytes))) return;
  uint8_t *to = e->out.code.items + start;
  const uint8_t *from = stencil_code + stencil->code;
  memcpy(to, from, COPIED_AT_ONCE);
  if (BASE_UNLIKELY(bytes > COPIED_AT_ONCE)) memcpy(to + COPIED_AT_ONCE, from + COPIED_AT_ONCE, bytes - COPIED_AT_ONCE);
  e->out.code.count = start + bytes;
  const struct stencil_hole *hole = &stencil_holes[stencil->holes];
  for (const struct stencil_hole *end = hole + stencil->hole_count; hole < end; hole++) {
    if (BASE_LIKELY(hole->value < STENCIL_SITE))
      baseline_arch_patch(to - start, start + hole->at, hole->kind, e->values[hole->value]);
    else
      fill_later(e, start, hole);
  }
}

void emit_jump(struct baseline_emitter *e, uint32_t id) {
  const struct stencil *stencil = &stencils[id];
  uint32_t start = position(e), at = start + stencil->plain_at[1];
  if (BASE_UNLIKELY(!stencil->is_jump || start + CODE_SLACK > e->out.code.capacity)) {
    emit_put_any(e, id);
    return;
  }
  uint8_t *to = e->out.code.items + start;
  memcpy(to, stencil_code + stencil->code, COPIED_AT_ONCE);
  base_store_u32(to + stencil->plain_at[0], (uint32_t)e->values[stencil->plain_value[0]]);
  e->out.code.count = start + stencil->bytes;
  fill_target(e, at, STENCIL_PATCH_REL32);
}

/* Machine code that is not a stencil. */
static void put_bytes(struct baseline_emitter *e, const uint8_t *end) {
  e->out.code.count = (size_t)(end - e->out.code.items);
}
static uint8_t *here(struct baseline_emitter *e) {
  return reserve_code(e, BASELINE_ARCH_MAX_BYTES) ? e->out.code.items + e->out.code.count : NULL;
}

/* ---- Labels and branches ------------------------------------------------------------------------------------------------ */

void emit_settle(struct baseline_emitter *e) {
  const struct region *region = &e->regions.items[e->region];
  registers_store_all(e, region->assigned); /* what the region does not write, a loop inside of it may have written */
  for (uint32_t left = region->pinned & ~e->used; left; left &= left - 1) {
    uint32_t slot = region->pins[__builtin_ctz(left)];
    registers_drop(e, slot);
    registers_fetch_pinned(e, slot);
  }
}

static void keep_some(struct baseline_emitter *e, struct label *label) {
  enum { MOST_STATES = 1 << 18 }; /* of a function: beyond that nothing is kept, which is slower but right */
  label->has_state = true;
  if (e->states.count >= MOST_STATES) return;
  if (!BASE_VEC_RESERVE(&e->states, e->states.count + REGISTERS)) {
    e->no_memory = true; /* positions are found by emitting again, which must come out the same */
    return;
  }
  label->kept = label->known = e->used & ~e->reserved;
  label->state = (uint32_t)e->states.count;
  for (uint32_t left = label->known; left; left &= left - 1)
    e->states.items[e->states.count++] = e->cached[__builtin_ctz(left)];
}

/* The label is reached from here too: what it keeps in registers is what all ways to it have there. */
static void merge_into(struct baseline_emitter *e, struct label *label) {
  if (!label->has_state) {
    keep_some(e, label);
    return;
  }
  const struct cached *state = &e->states.items[label->state];
  for (uint32_t left = label->kept ? label->known : 0; left; left &= left - 1, state++) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    if (e->cached[reg].slot != state->slot) label->kept &= ~(1u << reg);
  }
}

static void hold_what_is_kept(struct baseline_emitter *e, const struct label *label) {
  const struct cached *state = &e->states.items[label->state];
  for (uint32_t left = label->kept ? label->known : 0; left; left &= left - 1, state++) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    if (label->kept >> reg & 1) registers_hold(e, reg, state->slot, state->cls);
  }
}

static void keep_nothing(struct label *label) {
  label->has_state = true;
  label->kept = 0;
}

static uint32_t dirty_pins(const struct baseline_emitter *e) { return e->dirty & e->reserved; }

/* Regions without pinned locals need no edge. */
static bool is_direct(const struct baseline_emitter *e, uint32_t label) {
  uint32_t to = e->labels.items[label].region;
  return to == e->region || (e->regions.items[to].pinned | e->regions.items[e->region].pinned) == 0;
}

static uint32_t add_edge(struct baseline_emitter *e, uint32_t label) {
  struct stub *stub = add_stub(e, STUB_EDGE);
  keep_nothing(&e->labels.items[label]);
  stub->target = label;
  stub->dirty = dirty_pins(e);
  return (uint32_t)e->stubs.count - 1;
}

void emit_target(struct baseline_emitter *e, uint32_t label) {
  if (is_direct(e, label)) {
    merge_into(e, &e->labels.items[label]);
    target_label(e, label);
    return;
  }
  add_edge(e, label);
  target_stub(e);
}

/* A jump that ends the path: the edge's code is in line. */
static void jump_to(struct baseline_emitter *e, uint32_t label) {
  emit_settle(e);
  if (is_direct(e, label)) {
    merge_into(e, &e->labels.items[label]);
  } else {
    uint32_t region = e->region;
    keep_nothing(&e->labels.items[label]);
    regions_cross(e, region, dirty_pins(e), e->labels.items[label].region);
    regions_select(e, region);
  }
  target_label(e, label);
  emit_jump(e, STENCIL_BRANCH);
}

static void emit_br(struct baseline_emitter *e, const struct ir_insn *insn) {
  const struct ir_insn *after = emit_following(e);
  bool falls_there = after && after->op == IR_LABEL && after->imm == insn->imm;
  if (falls_there) return;
  jump_to(e, (uint32_t)insn->imm);
  e->is_reachable = false;
}

/* Goes to the stub that has just been added when it has counted down. */
static void emit_count(struct baseline_emitter *e) {
  uint8_t *to = here(e);
  uint32_t start = position(e), hole;
  if (!to || e->no_memory) return;
  put_bytes(e, baseline_arch_count(to, &hole));
  struct stub *stub = &e->stubs.items[e->stubs.count - 1];
  stub->patch = STENCIL_PATCH_REL32;
  stub->hole = start + hole;
}

static void emit_poll(struct baseline_emitter *e, uint32_t label) {
  struct stub *stub = add_stub(e, STUB_POLL);
  stub->label = label;
  target_stub(e);
  size_t index = e->stubs.count - 1;
  if (e->options.counts)
    emit_count(e);
  else
    emit_put(e, STENCIL_POLL);
  if (!e->no_memory) e->stubs.items[index].target = position(e);
}

/* Out of line everything is as at a label, and so it must be here: behind a label that nobody branches to it need not. */
static void emit_fuel(struct baseline_emitter *e, const struct ir_insn *insn) {
  emit_settle(e);
  regions_canonical(e, e->region);
  add_stub(e, STUB_FUEL);
  target_stub(e);
  size_t index = e->stubs.count - 1;
  emit_put_imm(e, STENCIL_FUEL, insn->imm);
  if (!e->no_memory) e->stubs.items[index].target = position(e);
}

static void emit_fuel_bytes(struct baseline_emitter *e, const struct ir_insn *insn) {
  emit_helper(e, &(struct baseline_helper_call){.helper = BASELINE_HELPER_fuel_bytes, .a = insn->a, .imm = insn->imm});
}

static void emit_label(struct baseline_emitter *e, const struct ir_insn *insn) {
  struct label *label = &e->labels.items[insn->imm];
  if (BASE_UNLIKELY(e->no_memory)) e->insns_end = insn;
  if (label->references == 0) {
    if (!e->is_reachable) regions_canonical(e, label->region);
    e->is_reachable = true;
    return;
  }
  bool is_head = (insn->flags & IR_LOOP) && label->region != e->region;
  if ((insn->flags & IR_LOOP) || label->catches) keep_nothing(label);
  if (e->is_reachable && is_head) {
    regions_enter(e, label->region);
  } else if (e->is_reachable) {
    emit_settle(e);
    merge_into(e, label);
  }
  regions_canonical(e, label->region);
  hold_what_is_kept(e, label);
  label->position = position(e);
  e->is_reachable = true;
  if (insn->flags & IR_LOOP) emit_poll(e, (uint32_t)insn->imm);
}

/* What was emitted since the last call belongs to the wasm instruction at `offset`. */
static void note_bytes(struct baseline_emitter *e, uint32_t offset, bool is_data) {
  uint32_t start = e->noted;
  e->noted = position(e);
  if (e->wanted_position >= start && e->wanted_position < e->noted) e->found_offset = offset;
  if (!e->options.lists || start == e->noted) return;
  struct baseline_piece *piece = BASE_VEC_PUSH(&e->out.pieces);
  if (piece)
    *piece = (struct baseline_piece){start, e->noted, offset, is_data};
  else
    e->no_memory = true;
}

static inline void note_piece(struct baseline_emitter *e, uint32_t offset, bool is_data) {
  if (BASE_UNLIKELY(e->is_noting)) note_bytes(e, offset, is_data);
}

/* The table lies behind the instruction, aligned to its entries, which are distances from its start. */
static void emit_br_table(struct baseline_emitter *e, const struct ir_insn *insn) {
  uint32_t index = registers_use(e, insn->a, IR_CLASS_INT);
  registers_done(e, insn->a, insn->flags & IR_A_TEMP);
  emit_settle(e);
  add_stub(e, STUB_TABLE);
  size_t stub_index = e->stubs.count - 1;
  target_stub(e);
  emit_put_imm(e, STENCIL_BRANCH_TABLE + index, insn->b - 1);
  note_piece(e, insn->offset, false);
  if (!reserve_code(e, (size_t)insn->b * 4 + 4)) return;
  while (e->out.code.count % 4) e->out.code.items[e->out.code.count++] = 0;
  uint32_t table = position(e);
  e->stubs.items[stub_index].target = table;
  e->out.code.count += (size_t)insn->b * 4;
  note_piece(e, insn->offset, true);
  for (uint32_t i = 0; i < insn->b; i++) {
    uint32_t label = e->function->targets.items[insn->imm + i];
    if (is_direct(e, label)) {
      merge_into(e, &e->labels.items[label]);
      add_fixup(e, table + i * 4, 0, label, table);
    } else {
      uint32_t added = add_edge(e, label);
      if (e->no_memory) return;
      struct stub *edge = &e->stubs.items[added];
      edge->hole = table + i * 4;
      edge->table = table;
    }
  }
  e->is_reachable = false;
}

/* ---- Calls ---------------------------------------------------------------------------------------------------------------- */

/* Everything goes to its slot, so that the frame is whole while the callee runs. */
static void leave_registers(struct baseline_emitter *e) {
  registers_store_all(e, 0);
  registers_forget(e, e->used);
}

static void note_call(struct baseline_emitter *e, uint32_t d, uint32_t return_offset, uint32_t node) {
  struct baseline_site *site = BASE_VEC_PUSH(&e->out.sites);
  if (site)
    *site = (struct baseline_site){.offset = return_offset, .d = d};
  else
    e->no_memory = true;
  emit_note_references(e, return_offset, node);
}

void emit_note_references(struct baseline_emitter *e, uint32_t site, uint32_t node) {
  if (node == IR_NO_NODE) return;
  struct tables_map *map = BASE_VEC_PUSH(&e->out.maps);
  if (map)
    *map = (struct tables_map){.position = site, .node = node};
  else
    e->no_memory = true;
}

/* A single number is in r0 or x0 besides its slot. */
static void after_call(struct baseline_emitter *e, const struct ir_insn *insn) {
  if (insn->result == IR_CLASS_NONE || insn->result == IR_CLASS_V128) return;
  uint32_t reg = insn->result == IR_CLASS_INT ? 0 : INTS;
  registers_hold(e, reg, insn->d, insn->result);
}

static void call_r0(struct baseline_emitter *e, const struct ir_insn *insn) {
  uint8_t *to = here(e);
  uint32_t start = position(e), after = 0;
  if (!to) return;
  put_bytes(e, baseline_arch_call_r0(to, insn->d, &after));
  note_call(e, insn->d, start + after, insn->c);
  after_call(e, insn);
}

/* What `away` wants to know, should r0 be it. */
static void tell_distance(struct baseline_emitter *e, uint32_t d) {
  emit_put_imm(e, STENCIL_CONST_INT + 2, (uint64_t)d * 8);
}

static void emit_call(struct baseline_emitter *e, const struct ir_insn *insn) {
  uint32_t imported = e->module->imported_func_count, func = (uint32_t)insn->imm;
  leave_registers(e);
  if (func < imported) {
    emit_put_imm(e, STENCIL_IMPORT, func);
    tell_distance(e, insn->d);
    call_r0(e, insn);
    return;
  }
  uint8_t *to = here(e);
  uint32_t start = position(e), after = 0;
  if (!to) return;
  put_bytes(e, baseline_arch_call_entry(to, insn->d, func - imported, &after));
  note_call(e, insn->d, start + after, insn->c);
  after_call(e, insn);
}

/* The operand in slot `slot` to r0, everything else to its slot. */
static void operand_to_r0(struct baseline_emitter *e, uint32_t slot, bool is_temp) {
  uint32_t reg = registers_find(e, slot);
  if (reg != NO_REGISTER && is_temp) e->dirty &= ~(1u << reg);
  registers_store_all(e, 0);
  if (reg != NO_REGISTER)
    registers_move(e, 0, reg);
  else
    registers_load(e, 0, slot, IR_CLASS_INT);
  registers_forget(e, e->used);
}

static void find_callee(struct baseline_emitter *e, const struct ir_insn *insn) {
  operand_to_r0(e, insn->a, insn->flags & IR_A_TEMP);
  if (insn->op == IR_CALL_REF || insn->op == IR_RETURN_CALL_REF) {
    emit_put(e, STENCIL_BY_REFERENCE);
    return;
  }
  e->values[STENCIL_IMM] = insn->b;
  e->values[STENCIL_IMM2] = insn->imm;
  emit_put(e, STENCIL_INDIRECT);
}

/* What its code writes to is the caller's, and stays where it is. */
static void note_target(struct baseline_emitter *e, const struct ir_insn *insn) {
  struct baseline_target *target = e->options.targets ? &e->options.targets[e->target_count++] : NULL;
  if (target)
    *target = (struct baseline_target){.offset = insn->offset, .entry = BASELINE_NO_ENTRY, .left = BASELINE_VOTERS};
  emit_put_imm(e, STENCIL_NOTE_TARGET, (uint64_t)(uintptr_t)target);
}

static void emit_call_found(struct baseline_emitter *e, const struct ir_insn *insn) {
  find_callee(e, insn);
  if (e->options.counts) note_target(e, insn);
  tell_distance(e, insn->d);
  call_r0(e, insn);
}

static void copy_slots(struct baseline_emitter *e, uint32_t d, uint32_t a, uint32_t count) {
  if (count == 0 || d == a) return;
  e->values[STENCIL_D] = (uint64_t)d * 8;
  e->values[STENCIL_A] = (uint64_t)a * 8;
  emit_put_imm(e, STENCIL_COPY_SLOTS, count);
}

/* What the registers say of the temporaries is old then. */
static void emit_move_slots(struct baseline_emitter *e, const struct ir_insn *insn) {
  leave_registers(e);
  copy_slots(e, insn->d, insn->a, insn->b);
}

static void reload_return(struct baseline_emitter *e) {
  uint8_t *to = here(e);
  if (to) put_bytes(e, baseline_arch_reload_return(to, e->function->link_slot));
}

static void emit_return_call(struct baseline_emitter *e, const struct ir_insn *insn) {
  uint32_t imported = e->module->imported_func_count, func = (uint32_t)insn->imm;
  bool is_found = insn->op != IR_RETURN_CALL, is_import = !is_found && func < imported;
  uint32_t count = insn->op == IR_RETURN_CALL_INDIRECT ? (uint32_t)insn->konst : insn->b;
  if (is_found)
    find_callee(e, insn);
  else
    registers_store_temporaries(e);
  registers_forget(e, e->used);
  reload_return(e);
  copy_slots(e, 0, insn->d, count);
  if (is_import) emit_put_imm(e, STENCIL_IMPORT, func);
  if (is_found || is_import) emit_put(e, STENCIL_TAIL);
  uint8_t *to = here(e);
  if (!to) return;
  put_bytes(e, is_found || is_import ? baseline_arch_jump_r0(to) : baseline_arch_jump_entry(to, func - imported));
  e->is_reachable = false;
}

static void give_number(struct baseline_emitter *e, const struct ir_insn *insn) {
  static const uint32_t give[] = {
      [IR_CLASS_INT] = STENCIL_RETURN_INT, [IR_CLASS_F32] = STENCIL_RETURN_F32, [IR_CLASS_F64] = STENCIL_RETURN_F64};
  uint32_t first = insn->result == IR_CLASS_INT ? 0 : INTS, reg = first;
  if (insn->flags & IR_A_CONST)
    select_constant(e, reg, insn->result, insn->konst);
  else
    reg = registers_use(e, insn->a, insn->result);
  reload_return(e);
  emit_put(e, give[insn->result] + reg - first);
}

static void emit_return(struct baseline_emitter *e, const struct ir_insn *insn) {
  if (insn->b == 1 && insn->result != IR_CLASS_V128 && insn->result != IR_CLASS_NONE) {
    give_number(e, insn);
  } else {
    if (insn->b == 2 && insn->result == IR_CLASS_V128) registers_store(e, insn->a);
    registers_store_temporaries(e);
    reload_return(e);
    copy_slots(e, 0, insn->a, insn->b);
  }
  uint8_t *to = here(e);
  if (!to) return;
  put_bytes(e, baseline_arch_return(to));
  registers_forget(e, e->used);
  e->is_reachable = false;
}

/* What takes long must not be done as often as is left to count. */
static void look_soon(struct baseline_emitter *e) {
  uint8_t *to = here(e);
  if (to) put_bytes(e, baseline_arch_end_count(to));
}

uint32_t emit_helper(struct baseline_emitter *e, const struct baseline_helper_call *call) {
  leave_registers(e);
  assert(call->d <= UINT16_MAX && call->a <= UINT16_MAX && call->b <= UINT16_MAX && call->c <= UINT16_MAX);
  e->values[STENCIL_IMM] = offsetof(struct baseline_runtime, helpers) + call->helper * sizeof(baseline_helper);
  e->values[STENCIL_IMM2] = call->imm;
  e->values[STENCIL_D] = call->d | (uint64_t)call->a << 16 | (uint64_t)call->b << 32 | (uint64_t)call->c << 48;
  uint32_t start = position(e);
  emit_put(e, STENCIL_HELPER);
  if (e->options.counts) look_soon(e);
  return start + SITE_DISTANCE;
}

void emit_raise(struct baseline_emitter *e, enum engine_trap trap) {
  emit_put_imm(e, STENCIL_RAISE, (uint64_t)trap);
  registers_forget(e, e->used);
  e->is_reachable = false;
}

/* ---- Exceptions ---------------------------------------------------------------------------------------------------------------- */

static void begin_range(struct baseline_emitter *e) {
  uint32_t *start = BASE_VEC_PUSH(&e->open_ranges);
  if (start)
    *start = position(e);
  else
    e->no_memory = true;
}

static void end_range(struct baseline_emitter *e, const struct ir_insn *insn) {
  struct tables_range *range = e->no_memory ? NULL : BASE_VEC_PUSH(&e->out.ranges);
  if (range)
    *range = (struct tables_range){e->open_ranges.items[--e->open_ranges.count], position(e), (uint32_t)insn->imm};
  else
    e->no_memory = true;
}

/* ---- Instructions ---------------------------------------------------------------------------------------------------------------- */

static void emit_table_insn(struct baseline_emitter *e, const struct ir_insn *insn) {
  const struct stencil_row *row = &stencil_rows[insn->op];
  struct stencil_row fast;
  if (BASE_UNLIKELY(row->fast && e->is_fast)) {
    fast = *row;
    fast.first = row->fast;
    row = &fast;
  }
  if (BASE_LIKELY(select_row(e, insn, row))) return;
  e->is_unsupported = true;
  e->insns_end = insn;
}

/* One that is not in the table. */
EMIT_APART void emit_one(struct baseline_emitter *e, const struct ir_insn *insn) {
  switch (insn->op) {
  case IR_MOVE: select_move(e, insn); break;
  case IR_MOVE_SLOTS: emit_move_slots(e, insn); break;
  case IR_CONST: select_const(e, insn); break;
  case IR_LABEL: emit_label(e, insn); break;
  case IR_BR: emit_br(e, insn); break;
  case IR_BR_IF: select_branch_if(e, insn); break;
  case IR_BR_TABLE: emit_br_table(e, insn); break;
  case IR_RETURN: emit_return(e, insn); break;
  case IR_CALL: emit_call(e, insn); break;
  case IR_CALL_INDIRECT:
  case IR_CALL_REF: emit_call_found(e, insn); break;
  case IR_RETURN_CALL:
  case IR_RETURN_CALL_INDIRECT: emit_return_call(e, insn); break;
  case IR_SELECT: select_select(e, insn); break;
  case IR_FUEL: emit_fuel(e, insn); break;
  case IR_FUEL_BYTES: emit_fuel_bytes(e, insn); break;
  case IR_TRY: begin_range(e); break;
  case IR_TRY_END: end_range(e, insn); break;
  default: assert(insn->op == IR_RETURN_CALL_REF); emit_return_call(e, insn);
  }
}

/* Ends early at what is not supported, and at a label when memory has run out. */
EMIT_INLINE void emit_insns(struct baseline_emitter *e, bool is_noting) {
  for (const struct ir_insn *insn = e->insn; insn < e->insns_end; insn = ++e->insn) {
    e->locked = 0;
    if (BASE_UNLIKELY(insn >= e->region_end)) regions_leave(e);
    if (insn->op < MODULE_OP_COUNT)
      emit_table_insn(e, insn);
    else
      emit_one(e, insn);
    if (is_noting) note_bytes(e, insn->offset, false);
  }
}

static void emit_body(struct baseline_emitter *e) {
  e->insn = e->function->insns.items;
  e->insns_end = e->no_memory ? e->insn : e->insn + e->function->insns.count;
  if (BASE_LIKELY(!e->is_noting))
    emit_insns(e, false);
  else
    emit_insns(e, true);
  e->insn = NULL;
}

/* ---- Out of line ------------------------------------------------------------------------------------------------------------------- */

/* A jump's hole, or an entry of the branch table at `table`, which is relative to it. */
static void fill_hole(struct baseline_emitter *e, uint32_t hole, uint8_t patch, uint32_t table, uint32_t target) {
  int32_t distance = (int32_t)(target - table);
  if (table == NO_OFFSET)
    baseline_arch_patch(e->out.code.items, hole, patch, target);
  else
    memcpy(e->out.code.items + hole, &distance, sizeof distance);
}

static void jump_to_position(struct baseline_emitter *e, uint32_t at) {
  target_position(e, at);
  emit_jump(e, STENCIL_BRANCH);
}

/* The frame is exact while the helper runs, and the second half is how a loop is entered from outside. */
static void emit_poll_stub(struct baseline_emitter *e, const struct stub *stub) {
  regions_canonical(e, stub->region);
  emit_helper(e, &(struct baseline_helper_call){.helper = BASELINE_HELPER_poll});
  struct baseline_loop *loop = BASE_VEC_PUSH(&e->out.loops);
  if (!loop || e->no_memory) {
    e->no_memory = true;
    return;
  }
  *loop = (struct baseline_loop){.label = stub->label, .entry = position(e)};
  uint8_t *to = here(e);
  if (!to) return;
  to = baseline_arch_entry(to);
  put_bytes(e, e->options.counts ? baseline_arch_load_count(to) : to);
  emit_settle(e);
  jump_to_position(e, stub->target);
}

/* What was charged is had, or the guest ends. */
static void emit_fuel_stub(struct baseline_emitter *e, const struct stub *stub) {
  regions_canonical(e, stub->region);
  emit_helper(e, &(struct baseline_helper_call){.helper = BASELINE_HELPER_fuel});
  emit_settle(e);
  jump_to_position(e, stub->target);
}

/* A landing pad is reached with nothing in registers. */
static void emit_landing(struct baseline_emitter *e, uint32_t index) {
  const struct label *label = &e->labels.items[index];
  e->out.labels.items[index] = position(e);
  uint8_t *to = here(e);
  if (!to) return;
  put_bytes(e, baseline_arch_entry(to));
  registers_forget(e, e->used);
  regions_select(e, label->region);
  e->locked = 0;
  emit_settle(e);
  jump_to_position(e, label->position);
}

static void emit_exhausted(struct baseline_emitter *e) {
  uint8_t *to = here(e);
  if (to) put_bytes(e, baseline_arch_exhausted(to, e->function->func - e->module->imported_func_count));
}

static void emit_counted(struct baseline_emitter *e) {
  uint8_t *to = here(e);
  if (to) put_bytes(e, baseline_arch_counted(to, e->function->func - e->module->imported_func_count));
}

static void emit_stubs(struct baseline_emitter *e) {
  for (size_t i = 0; i < e->stubs.count && !e->no_memory; i++) {
    const struct stub stub = e->stubs.items[i];
    e->locked = 0;
    if (stub.kind == STUB_TABLE) {
      baseline_arch_patch(e->out.code.items, stub.hole, stub.patch, stub.target);
      continue;
    }
    fill_hole(e, stub.hole, stub.patch, stub.table, position(e));
    switch (stub.kind) {
    case STUB_TRAP: emit_raise(e, (enum engine_trap)stub.target); break;
    case STUB_EDGE:
      regions_cross(e, stub.region, stub.dirty, e->labels.items[stub.target].region);
      jump_to_position(e, e->labels.items[stub.target].position);
      break;
    case STUB_POLL: emit_poll_stub(e, &stub); break;
    case STUB_FUEL: emit_fuel_stub(e, &stub); break;
    case STUB_COUNT: emit_counted(e); break;
    default: assert(stub.kind == STUB_STACK); emit_exhausted(e);
    }
    note_piece(e, stub.offset, false);
  }
}

/* ---- Functions -------------------------------------------------------------------------------------------------------------------- */

static void zero_locals(struct baseline_emitter *e) {
  enum { SINGLY = 8, KNOWN = 64 };
  uint32_t first = e->function->param_slots, count = e->function->local_slots;
  bool is_known = count <= KNOWN && !e->options.exact_locals;
  uint64_t needed = is_known ? zeroes_needed(e) : UINT64_MAX;
  if (count > KNOWN || __builtin_popcountll(needed) > SINGLY) {
    e->values[STENCIL_D] = (uint64_t)first * 8;
    emit_put_imm(e, STENCIL_ZERO_SLOTS, count);
    return;
  }
  e->values[STENCIL_IMM] = 0;
  for (; needed; needed &= needed - 1) emit_put_slot_d(e, STENCIL_PUT_IMM, first + (uint32_t)__builtin_ctzll(needed));
}

static void emit_prologue(struct baseline_emitter *e) {
  const struct ir_function *function = e->function;
  uint8_t *to = here(e);
  if (!to) return;
  put_bytes(e, baseline_arch_entry(to));
  add_stub(e, STUB_STACK);
  target_stub(e);
  emit_put_imm(e, STENCIL_STACK_CHECK, (uint64_t)function->frame_slots * 8);
  if (e->options.counts) {
    add_stub(e, STUB_COUNT);
    emit_count(e);
  }
  if (!(to = here(e))) return;
  put_bytes(e, baseline_arch_keep_return(to, function->link_slot));
  zero_locals(e);
}

static void apply_fixups(struct baseline_emitter *e) {
  for (size_t i = 0; i < e->fixups.count; i++) {
    const struct fixup *fixup = &e->fixups.items[i];
    uint32_t target = e->labels.items[fixup->label].position;
    assert(target != NO_OFFSET);
    fill_hole(e, fixup->hole, fixup->patch, fixup->table, target);
  }
}

static bool begin(struct baseline_emitter *e) {
  const struct ir_function *function = e->function;
  struct baseline_output *out = &e->out;
  out->code.count = out->site_holes.count = out->sites.count = out->maps.count = out->ranges.count = 0;
  e->noted = 0;
  out->pieces.count = out->loops.count = e->stubs.count = e->fixups.count = e->open_ranges.count = 0;
  e->target_count = 0;
  size_t slots = function->frame_slots + 2, labels = function->label_count;
  if (!BASE_VEC_RESERVE(&e->where, slots) || !BASE_VEC_RESERVE(&e->labels, labels + 1) ||
      !BASE_VEC_RESERVE(&out->labels, labels + 1) ||
      !BASE_VEC_RESERVE(&out->code, function->insns.count * GUESSED_BYTES))
    return false;
  memset(e->where.items, NO_REGISTER, slots * sizeof *e->where.items);
  e->where.count = slots;
  for (size_t i = 0; i < labels; i++) e->labels.items[i] = (struct label){.position = NO_OFFSET};
  e->states.count = 0;
  out->labels.count = labels;
  registers_reset(e);
  e->region = 0;
  e->region_end = function->insns.items + function->insns.count;
  e->is_noting = e->options.lists || e->wanted_position != NO_OFFSET;
  e->is_checked = e->options.explicit_bounds || (e->module->memory_count && e->module->memories[0].limits.is_64);
  e->insn = NULL;
  e->is_reachable = true;
  return true;
}

/* Sites lie in front of the function's end, also one at its very end. */
static void end(struct baseline_emitter *e) {
  enum { ALIGNMENT = 16 };
  if (!reserve_code(e, ALIGNMENT)) return;
  size_t count = (e->out.code.count + ALIGNMENT) & ~(size_t)(ALIGNMENT - 1);
  memset(e->out.code.items + e->out.code.count, 0, count - e->out.code.count);
  e->out.code.count = count;
}

static void set_up(struct baseline_emitter *e, const struct module *module, const struct ir_function *function,
                   const struct baseline_emit_options *options, uint32_t wanted_position) {
  e->module = module;
  e->function = function;
  e->options = *options;
  e->wanted_position = wanted_position;
}

static void emit_function(struct baseline_emitter *e) {
  e->no_memory = !begin(e);
  if (e->no_memory) return;
  regions_find(e);
  if (e->no_memory) return;
  emit_prologue(e);
  note_piece(e, 0, false);
  emit_body(e);
  if (e->no_memory || e->is_unsupported) return;
  emit_stubs(e);
  for (uint32_t i = 0; i < e->function->label_count && !e->no_memory; i++)
    if (e->labels.items[i].catches) emit_landing(e, i);
  note_piece(e, 0, false);
  end(e);
  if (e->out.code.count > most_code_bytes(e)) e->is_unsupported = true;
  if (!e->no_memory && !e->is_unsupported) apply_fixups(e);
}

const struct baseline_output *baseline_emit(struct baseline_emitter *e, const struct module *module,
                                            const struct ir_function *function,
                                            const struct baseline_emit_options *options, bool *unsupported) {
  set_up(e, module, function, options, NO_OFFSET);
  e->is_unsupported = function->frame_slots > baseline_max_frame_slots;
  if (!e->is_unsupported) emit_function(e);
  *unsupported = e->is_unsupported;
  return e->is_unsupported || e->no_memory ? NULL : &e->out;
}

uint32_t baseline_emit_offset(struct baseline_emitter *e, const struct module *module,
                              const struct ir_function *function, const struct baseline_emit_options *options,
                              uint32_t wanted) {
  set_up(e, module, function, options, wanted);
  e->found_offset = UINT32_MAX;
  e->is_unsupported = false;
  emit_function(e);
  return e->found_offset;
}
