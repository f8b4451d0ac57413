/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Tables of optimized functions: which slots of a frame hold references, and what catches exceptions. They are made here and
 * not by the helper, from the same register code: of the helper's answer the collector and whoever unwinds take where the frame
 * is, and which instruction an address belongs to. A clause's place is its label, which the function is told (catches.c).
 *
 * A position is the offset of the wasm instruction in the module, which the lines of the function tell of each return
 * address. A call stays the call of one instruction because LLVM is told not to merge equal ends of blocks (helper/main.c): of
 * a merged one it would tell no line, and the map before it would be taken. */
#include <assert.h>

#include "tiers/baseline/code.h"
#include "tiers/optimizer/optimizer.h"

struct maps {
  BASE_VEC(struct tables_map) found;
  BASE_VEC(struct tables_range) ranges;
  BASE_VEC(uint32_t) open, labels;
};

/* Ascending, since register code is in the order of the instructions that it is made of. */
static bool find_maps(const struct ir_function *ir, struct maps *out) {
  for (size_t i = 0; i < ir->insns.count; i++) {
    const struct ir_insn *insn = &ir->insns.items[i];
    if (!ir_may_collect(insn->op) || insn->c == IR_NO_NODE) continue;
    assert(!out->found.count || out->found.items[out->found.count - 1].position < insn->offset);
    struct tables_map *map = BASE_VEC_PUSH(&out->found);
    if (!map) return false;
    *map = (struct tables_map){insn->offset, insn->c};
  }
  return true;
}

/* Inner ones end first. */
static bool find_ranges(const struct ir_function *ir, struct maps *out) {
  for (size_t i = 0; i < ir->insns.count; i++) {
    const struct ir_insn *insn = &ir->insns.items[i];
    uint32_t *start = insn->op == IR_TRY ? BASE_VEC_PUSH(&out->open) : NULL;
    struct tables_range *range = insn->op == IR_TRY_END ? BASE_VEC_PUSH(&out->ranges) : NULL;
    if ((insn->op == IR_TRY && !start) || (insn->op == IR_TRY_END && !range)) return false;
    if (start) *start = insn->offset;
    if (range) *range = (struct tables_range){out->open.items[--out->open.count], insn->offset, (uint32_t)insn->imm};
  }
  return true;
}

static bool find_labels(const struct ir_function *ir, struct maps *out) {
  if (!BASE_VEC_RESERVE(&out->labels, ir->label_count + 1)) return false;
  for (uint32_t i = 0; i <= ir->label_count; i++) out->labels.items[i] = i;
  return true;
}

static bool make(const struct ir_function *ir, struct tables **out) {
  struct maps maps = {0};
  bool done = find_maps(ir, &maps) && (ir->tries.count == 0 || (find_ranges(ir, &maps) && find_labels(ir, &maps)));
  struct tables_source source = {.maps = maps.found.items,
                                 .map_count = maps.found.count,
                                 .ranges = maps.ranges.items,
                                 .range_count = maps.ranges.count,
                                 .labels = maps.labels.items};
  done = done && tables_new(&source, ir, out);
  BASE_VEC_DEINIT(&maps.found);
  BASE_VEC_DEINIT(&maps.ranges);
  BASE_VEC_DEINIT(&maps.open);
  BASE_VEC_DEINIT(&maps.labels);
  return done;
}

static bool has_room(const struct ir_function *ir, int32_t slots_at) {
  int words = ir->tries.count > 0 ? WIRE_TOLD_WORDS : WIRE_TOLD_FRAME + 1;
  return slots_at <= -words * (int)sizeof(uint64_t);
}

bool optimizer_tables(struct baseline_code *code, const struct wire_function *function, struct tables **out) {
  *out = NULL;
  struct compiler *compiler = baseline_compiler_take(code);
  if (!compiler) return false;
  const struct ir_function *ir =
      ir_translate(compiler->frontend, code->module, code->module->imported_func_count + function->entry);
  bool done = ir && has_room(ir, function->slots_at) && make(ir, out);
  baseline_compiler_give(code, compiler, ir ? ir->insns.count * sizeof(struct ir_insn) : SIZE_MAX);
  return done;
}
