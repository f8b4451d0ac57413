/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Loops, and the locals that each keeps in registers.
 *
 * One pass over the register code finds the labels, the loops (from a label to the last branch back to it) and how often
 * each loop, inner ones counting more, uses which local. Then every loop pins its busiest locals: from its head to its
 * end they live in registers of their own, also across labels, where everything else is in its slot. A loop inside
 * another keeps what both pin in the same register, so that crossing between them costs little.
 *
 * Graph colouring or linear scan would use the registers better, and cost more than all the rest of compiling; what a
 * loop needs is known without them.
 *
 * Invariant: regions nest; at a label of a region its pinned locals are in their registers, and those that it does not
 * write are in their slots, too, wherever the way to it began. */
#include "tiers/baseline/emit.h"

#define NO_USE UINT32_MAX
/* Registers that no loop pins: operands of the instructions need them. */
enum { UNPINNED_INTS = 3, UNPINNED_FLOATS = 3, LOOP_WEIGHT_LOG2 = 3, MAX_WEIGHT = 1 << 24, MAX_REGIONS = 1 << 14 };

/* ---- Labels and loops --------------------------------------------------------------------------------------------------- */

static void note_branch(struct baseline_emitter *e, uint32_t index, uint32_t label_index) {
  struct label *label = &e->labels.items[label_index];
  label->references++;
  if (label->region != 0) e->regions.items[label->region].last = index;
}

/* Region of a loop's label while its loop is found: every label that may be branched back to gets one. */
static void note_loop(struct baseline_emitter *e, uint32_t index, uint32_t label) {
  if (e->regions.count >= MAX_REGIONS) return;
  struct region *region = BASE_VEC_PUSH(&e->regions);
  if (!region) {
    e->no_memory = true;
    return;
  }
  region->first = region->last = index;
  e->labels.items[label].region = (uint32_t)e->regions.count - 1;
}

static void find_labels(struct baseline_emitter *e) {
  const struct ir_function *function = e->function;
  const struct ir_insn *insn = function->insns.items;
  for (uint32_t i = 0, count = (uint32_t)function->insns.count; i < count; i++, insn++) {
    if (BASE_LIKELY(insn->op - (uint32_t)IR_LABEL > IR_BR_TABLE - IR_LABEL)) continue;
    switch (insn->op) {
    case IR_LABEL:
      if (insn->flags & IR_LOOP) note_loop(e, i, (uint32_t)insn->imm);
      break;
    case IR_BR:
    case IR_BR_IF: note_branch(e, i, (uint32_t)insn->imm); break;
    default:
      for (uint32_t k = 0; k < insn->b; k++) note_branch(e, i, function->targets.items[insn->imm + k]);
    }
  }
  for (size_t i = 0; i < function->catches.count; i++) {
    struct label *label = &e->labels.items[function->catches.items[i].label];
    label->references++;
    label->catches = true;
  }
}

/* Parents, and loops made long enough to hold the loops that begin in them. */
static void nest(struct baseline_emitter *e) {
  struct region *regions = e->regions.items;
  uint32_t top = 0;
  for (uint32_t i = 1; i < e->regions.count; i++) {
    while (top != 0 && regions[top].last < regions[i].first) top = regions[top].parent;
    regions[i].parent = top;
    for (uint32_t k = top; k != 0 && regions[k].last < regions[i].last; k = regions[k].parent)
      regions[k].last = regions[i].last;
    if (regions[i].last > regions[i].first) top = i;
  }
}

/* ---- Counting uses --------------------------------------------------------------------------------------------------------- */

/* The slot's first use in the region. */
static struct slot_use *add_use(struct baseline_emitter *e, uint32_t region, uint32_t slot, enum ir_class cls) {
  if (!BASE_VEC_RESERVE(&e->uses, e->uses.count + 1)) {
    e->no_memory = true;
    return NULL;
  }
  struct slot_use *use = &e->uses.items[e->uses.count];
  *use = (struct slot_use){.slot = slot,
                           .region = region,
                           .cls = (uint8_t)cls,
                           .below = e->newest_use.items[slot],
                           .next_in_region = e->region_uses.items[region]};
  e->newest_use.items[slot] = e->region_uses.items[region] = (uint32_t)e->uses.count++;
  return use;
}

static inline void count_use(struct baseline_emitter *e, uint32_t region, uint32_t slot, enum ir_class cls,
                             uint32_t weight, bool is_assigned) {
  uint32_t newest = e->newest_use.items[slot];
  struct slot_use *use = newest == NO_USE ? NULL : &e->uses.items[newest];
  if (!use || use->region != region) use = add_use(e, region, slot, cls);
  if (!use) return;
  use->weight += weight; /* no function has so many instructions, and these are all that weigh 1 */
  if (weight != 1 && use->weight > MAX_WEIGHT) use->weight = MAX_WEIGHT;
  use->is_assigned |= is_assigned;
}

/* A loop has ended: its uses count in the one around it too. */
static void merge_up(struct baseline_emitter *e, uint32_t region) {
  uint32_t parent = e->regions.items[region].parent;
  /* Thousands of loops in each other, each with all locals of the innermost, would be more than memory holds. */
  bool is_too_much = e->uses.count > 4 * e->function->insns.count + (1 << 16);
  for (uint32_t i = e->region_uses.items[region]; i != NO_USE; i = e->uses.items[i].next_in_region) {
    const struct slot_use use = e->uses.items[i];
    uint32_t weight = use.weight > MAX_WEIGHT ? MAX_WEIGHT : use.weight;
    e->newest_use.items[use.slot] = use.below;
    if (parent != 0 && !is_too_much)
      count_use(e, parent, use.slot, use.cls, weight << LOOP_WEIGHT_LOG2, use.is_assigned);
  }
  uint32_t calls = e->region_calls.items[region] << LOOP_WEIGHT_LOG2;
  e->region_calls.items[parent] += calls > MAX_WEIGHT ? MAX_WEIGHT : calls;
  if (e->region_calls.items[parent] > MAX_WEIGHT) e->region_calls.items[parent] = MAX_WEIGHT;
}

static bool empties_registers(const struct ir_insn *insn) {
  if (insn->op < MODULE_OP_COUNT) {
    return stencil_rows[insn->op].kind == STENCIL_NONE && insn->op != MODULE_OP_GLOBAL_GET &&
           insn->op != MODULE_OP_GLOBAL_SET && insn->op != MODULE_OP_V128_CONST;
  }
  return insn->op == IR_CALL || insn->op == IR_CALL_INDIRECT || insn->op == IR_CALL_REF;
}

static void count_insn(struct baseline_emitter *e, uint32_t region, const struct ir_insn *insn) {
  uint32_t locals = e->function->link_slot, classes = select_classes(insn);
  if ((classes & 3) && insn->a < locals) count_use(e, region, insn->a, classes & 3, 1, false);
  if ((classes >>= 2) != 0) {
    if ((classes & 3) && insn->b < locals) count_use(e, region, insn->b, classes & 3, 1, false);
    if ((classes >>= 2) != 0 && insn->c < locals) count_use(e, region, insn->c, classes, 1, false);
  }
  if (insn->d < locals && insn->result != IR_CLASS_NONE && insn->result != IR_CLASS_V128)
    count_use(e, region, insn->d, insn->result, 1, true);
  if (empties_registers(insn)) e->region_calls.items[region]++;
}

/* ---- Choosing ------------------------------------------------------------------------------------------------------------------ */

/* Around a call a pinned register is loaded again, which an operand in its slot is not, and stored if it was written. */
static uint32_t gain_of(const struct baseline_emitter *e, const struct slot_use *use) {
  uint32_t calls = e->region_calls.items[use->region] * (use->is_assigned ? 2 : 1);
  return use->weight > calls ? use->weight - calls : 0;
}

enum { MOST_CHOSEN = REGISTERS };
struct choice {
  uint32_t uses[MOST_CHOSEN];
  uint32_t count;
};

static void choose(const struct baseline_emitter *e, struct choice *choice, uint32_t limit, uint32_t use) {
  uint32_t gain = gain_of(e, &e->uses.items[use]);
  if (gain < 2 || (choice->count == limit && gain <= gain_of(e, &e->uses.items[choice->uses[limit - 1]]))) return;
  uint32_t at = choice->count < limit ? choice->count++ : limit - 1;
  for (; at > 0 && gain_of(e, &e->uses.items[choice->uses[at - 1]]) < gain; at--)
    choice->uses[at] = choice->uses[at - 1];
  choice->uses[at] = use;
}

static void pin(struct region *region, uint32_t reg, const struct slot_use *use) {
  region->pins[reg] = use->slot;
  region->classes[reg] = use->cls;
  region->pinned |= 1u << reg;
  if (use->is_assigned) region->assigned |= 1u << reg;
}

static uint32_t register_in(const struct region *region, uint32_t slot) {
  for (uint32_t left = region->pinned; left; left &= left - 1) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    if (region->pins[reg] == slot) return reg;
  }
  return NO_REGISTER;
}

/* First what the loop around pins too, in the same registers; the rest gets the ones that are left. */
static void assign(struct baseline_emitter *e, uint32_t index, const struct choice *choice, uint32_t allowed) {
  struct region *region = &e->regions.items[index];
  const struct region *parent = &e->regions.items[region->parent];
  bool is_done[MOST_CHOSEN] = {false};
  for (uint32_t i = 0; i < choice->count; i++) {
    const struct slot_use *use = &e->uses.items[choice->uses[i]];
    uint32_t reg = register_in(parent, use->slot);
    if (reg == NO_REGISTER) continue;
    pin(region, reg, use);
    is_done[i] = true;
  }
  for (uint32_t i = 0; i < choice->count; i++) {
    uint32_t left = allowed & ~region->pinned;
    if (is_done[i] || !left) continue;
    uint32_t strange = left & ~parent->pinned; /* rather not a register that the loop around needs afterwards */
    pin(region, (uint32_t)__builtin_ctz(strange ? strange : left), &e->uses.items[choice->uses[i]]);
  }
}

static void choose_pins(struct baseline_emitter *e, uint32_t index) {
  struct choice ints = {.count = 0}, floats = {.count = 0};
  for (uint32_t i = e->region_uses.items[index]; i != NO_USE; i = e->uses.items[i].next_in_region) {
    if (emit_is_float(e->uses.items[i].cls))
      choose(e, &floats, FLOATS - UNPINNED_FLOATS, i);
    else
      choose(e, &ints, INTS - UNPINNED_INTS, i);
  }
  assign(e, index, &ints, ((1u << INTS) - 1) & ~((1u << UNPINNED_INTS) - 1));
  assign(e, index, &floats, (((1u << FLOATS) - 1) & ~((1u << UNPINNED_FLOATS) - 1)) << INTS);
}

/* A stretch of instructions in one region. */
static void count_stretch(struct baseline_emitter *e, uint32_t region, uint32_t first, uint32_t end) {
  const struct ir_insn *insn = &e->function->insns.items[first], *last = &e->function->insns.items[end];
  for (; insn < last; insn++) {
    if (insn->op == IR_LABEL)
      e->labels.items[insn->imm].region = region;
    else
      count_insn(e, region, insn);
  }
}

/* The innermost region of each label, and the uses in each region. Labels outside of all loops are in region 0 already. */
static void count_uses(struct baseline_emitter *e) {
  uint32_t count = (uint32_t)e->regions.count, insn_count = (uint32_t)e->function->insns.count;
  const struct region *regions = e->regions.items; /* none is added any more */
  uint32_t region = 0;
  for (uint32_t i = 1; i < count && !e->no_memory; i++) {
    uint32_t at = regions[i].first, next = i + 1 < count ? regions[i + 1].first : insn_count;
    bool is_loop = regions[i].last > at;
    if (is_loop) region = i;
    e->labels.items[e->function->insns.items[at].imm].region = region;
    for (at++; region != 0 && !e->no_memory; region = regions[region].parent) {
      uint32_t end = regions[region].last < next ? regions[region].last + 1 : next;
      if (at < end) count_stretch(e, region, at, end);
      at = at < end ? end : at;
      if (regions[region].last >= next) break;
      merge_up(e, region);
    }
  }
  for (; region != 0 && !e->no_memory; region = regions[region].parent) merge_up(e, region);
}

static bool reserve(struct baseline_emitter *e) {
  size_t regions = e->regions.count, slots = e->function->frame_slots + 1;
  if (!BASE_VEC_RESERVE(&e->region_uses, regions) || !BASE_VEC_RESERVE(&e->region_calls, regions) ||
      !BASE_VEC_RESERVE(&e->newest_use, slots))
    return false;
  memset(e->region_uses.items, 0xFF, regions * sizeof *e->region_uses.items);
  memset(e->region_calls.items, 0, regions * sizeof *e->region_calls.items);
  memset(e->newest_use.items, 0xFF, slots * sizeof *e->newest_use.items);
  return true;
}

void regions_find(struct baseline_emitter *e) {
  e->regions.count = e->uses.count = 0;
  if (!BASE_VEC_PUSH(&e->regions)) {
    e->no_memory = true;
    return;
  }
  e->regions.items[0].last = UINT32_MAX;
  find_labels(e);
  if (e->regions.count == 1 || e->no_memory) return;
  nest(e);
  if (!reserve(e)) {
    e->no_memory = true;
    return;
  }
  count_uses(e);
  for (uint32_t i = 1; i < e->regions.count && !e->no_memory; i++) choose_pins(e, i);
}

/* ---- Crossing ---------------------------------------------------------------------------------------------------------------------- */

void regions_select(struct baseline_emitter *e, uint32_t index) {
  const struct region *old = &e->regions.items[e->region], *region = &e->regions.items[index];
  e->reserved = region->pinned;
  if (old == region) return;
  for (uint32_t left = old->pinned; left; left &= left - 1)
    e->where.items[old->pins[__builtin_ctz(left)]].pin = NO_REGISTER;
  for (uint32_t left = region->pinned; left; left &= left - 1) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    e->where.items[region->pins[reg]].pin = (uint8_t)reg;
  }
  e->region = index;
  bool is_function = index == 0;
  e->region_end = e->function->insns.items + (is_function ? e->function->insns.count : (size_t)region->last + 1);
}

void regions_leave(struct baseline_emitter *e) {
  uint32_t region = e->region, next = (uint32_t)(e->insn - e->function->insns.items);
  while (region != 0 && next > e->regions.items[region].last) region = e->regions.items[region].parent;
  regions_select(e, region);
  /* A pinned register of the outer loop may hold what the inner one put there. */
  for (uint32_t left = e->used & e->reserved; left; left &= left - 1) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    if (e->cached[reg].slot != e->regions.items[e->region].pins[reg]) registers_vacate(e, reg);
  }
}

void regions_canonical(struct baseline_emitter *e, uint32_t index) {
  const struct region *region = &e->regions.items[index];
  uint32_t kept = index == e->region ? region->pinned : 0; /* there or not, but nowhere else */
  registers_forget(e, e->used & ~kept);
  regions_select(e, index);
  for (uint32_t left = region->pinned & ~e->used; left; left &= left - 1) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    e->cached[reg] = (struct cached){region->pins[reg], region->classes[reg]};
    e->where.items[region->pins[reg]].reg = (uint8_t)reg;
  }
  e->used = region->pinned;
  e->dirty = e->options.exact_locals ? 0 : region->assigned;
}

static void load_pins(struct baseline_emitter *e, const struct region *region, uint32_t mask) {
  for (uint32_t left = region->pinned & mask; left; left &= left - 1) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    registers_load(e, reg, region->pins[reg], region->classes[reg]);
  }
}

void regions_enter(struct baseline_emitter *e, uint32_t index) {
  const struct region *region = &e->regions.items[index];
  uint32_t kept = 0;
  for (uint32_t left = e->used & region->pinned; left; left &= left - 1) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    if (e->cached[reg].slot == region->pins[reg]) kept |= 1u << reg;
  }
  registers_store_all(e, kept & region->assigned); /* what the loop does not write is current in its slot there */
  load_pins(e, region, ~kept);
}

void regions_cross(struct baseline_emitter *e, uint32_t from_index, uint32_t dirty, uint32_t to_index) {
  const struct region *from = &e->regions.items[from_index], *to = &e->regions.items[to_index];
  uint32_t kept = 0;
  for (uint32_t left = from->pinned & to->pinned; left; left &= left - 1) {
    uint32_t reg = (uint32_t)__builtin_ctz(left);
    if (from->pins[reg] == to->pins[reg]) kept |= 1u << reg;
  }
  regions_canonical(e, from_index);
  e->dirty = dirty & from->pinned;
  registers_store_all(e, kept & to->assigned); /* the rest is current in its slot there */
  load_pins(e, to, ~kept);
}
