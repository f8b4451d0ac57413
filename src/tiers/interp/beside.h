/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The interpreter beside another tier, whose code object owns one of the interpreter for the same module. Each function
 * is run by one of the two; which one may change at any time, and is seen at the next call. */
#ifndef TIERS_INTERP_BESIDE_H
#define TIERS_INTERP_BESIDE_H

#include "engine/engine.h"

/* All functions are run by the other tier at first. Beyond what is here the code object is as of tiers_interp. */
enum cay_status interp_beside_new(struct module *module, const struct engine_code_options *options, void **out,
                                  struct cay_error *error);
/* From any thread. */
void interp_set_runs(void *code, uint32_t entry, bool runs);
bool interp_runs(const void *code, uint32_t entry);
/* Runs the activation's function, as engine_tier.invoke; INTERP_AGAIN (insn.h): it has been given another one. */
int interp_run(void *code, struct engine_activation *activation);

#endif
