/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Tables of optimized functions: which slots of a frame hold references. They are made here and not by the helper, from the
 * same register code: of the helper's answer the collector takes where the frame is, and which instruction an address
 * belongs to.
 *
 * A position is the offset of the wasm instruction in the module, which the lines of the function tell of each return
 * address. A call stays the call of one instruction because LLVM is told not to merge equal ends of blocks (helper/main.c): of
 * a merged one it would tell no line, and the map before it would be taken. */
#include <assert.h>

#include "tiers/baseline/code.h"
#include "tiers/optimizer/optimizer.h"

struct maps {
  BASE_VEC(struct tables_map) found;
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

static bool make(const struct ir_function *ir, struct tables **out) {
  struct maps maps = {0};
  bool done = find_maps(ir, &maps);
  struct tables_source source = {.maps = maps.found.items, .map_count = maps.found.count};
  done = done && tables_new(&source, ir, out);
  BASE_VEC_DEINIT(&maps.found);
  return done;
}

bool optimizer_tables(struct baseline_code *code, uint32_t entry, struct tables **out) {
  *out = NULL;
  struct compiler *compiler = baseline_compiler_take(code);
  if (!compiler) return false;
  const struct ir_function *ir =
      ir_translate(compiler->frontend, code->module, code->module->imported_func_count + entry);
  bool done = ir && make(ir, out);
  baseline_compiler_give(code, compiler, ir ? ir->insns.count * sizeof(struct ir_insn) : SIZE_MAX);
  return done;
}
