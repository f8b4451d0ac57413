/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The interpreter beside another tier, whose code object owns one of the interpreter for the same module. Each function
 * is run by one of the two; which one may change at any time, and is seen at the next call. */
#ifndef TIERS_INTERP_BESIDE_H
#define TIERS_INTERP_BESIDE_H

#include "engine/engine.h"

/* What the other tier is asked after engine_thread_looks, with the activation's position current. */
struct interp_looks {
  /* At a loop head of an interpreted function, by its labels in the register code, which all mean the same: where the
   * frame goes on, a position of either tier, or NULL: as before. `*looks_after`: when it is gone, the thread looks again. */
  const void *(*at_loop)(struct engine_instance *inst, uint32_t entry, const uint32_t *labels, uint32_t count,
                         bool *looks_after);
  /* Before a call: whether the thread looks again after it. */
  bool (*at_call)(struct engine_instance *inst);
};

/* All functions are run by the other tier at first. Beyond what is here the code object is as of tiers_interp. */
enum cay_status interp_beside_new(struct module *module, const struct engine_code_options *options,
                                  const struct interp_looks *looks, void **out, struct cay_error *error);
/* From any thread. */
void interp_set_runs(void *code, uint32_t entry, bool runs);
bool interp_runs(const void *code, uint32_t entry);
/* Runs the activation's function, from activation->site on if that is set, as engine_tier.invoke; INTERP_AGAIN (insn.h):
 * it has been given another function or position. */
int interp_run(void *code, struct engine_activation *activation);
/* The interpreter's position of a loop head by its label in the register code; NULL: no memory. */
const void *interp_loop(void *code, uint32_t entry, uint32_t label);

#endif
