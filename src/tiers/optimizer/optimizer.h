/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The command's side of the optimizing tier: asking the helper, and reading its answers. docs/optimizer.md has the design.
 * Private to the room `tiers`. */
#ifndef TIERS_OPTIMIZER_OPTIMIZER_H
#define TIERS_OPTIMIZER_OPTIMIZER_H

#include "engine/engine.h"
#include "tiers/optimizer/wire.h"

/* One batch of an answer, checked: pieces and lines lie in the code and ascend, entries exist, and the native pieces stand
 * in front of their adapters, in the same order. Arrays are the batch's. */
struct optimizer_batch {
  uint8_t *code;
  size_t code_bytes;
  struct wire_function *functions;
  uint32_t function_count;
  struct wire_line *lines;
  uint32_t line_count;
  struct wire_refusal *refusals;
  uint32_t refusal_count;
  bool is_last;
};

/* Reads `count` bytes from where an answer comes from; false: there are no more. */
typedef bool (*optimizer_source)(void *env, void *to, size_t count);

/* Reads the next batch for a module that defines `entry_count` functions. CAY_ERROR_MALFORMED, CAY_ERROR_LIMIT or
 * CAY_ERROR_SYSTEM (the helper ended): nothing after it can be read. Free what was read in any case. */
enum cay_status optimizer_batch_read(optimizer_source source, void *env, uint32_t entry_count, struct optimizer_batch *out,
                                     struct cay_error *error);
void optimizer_batch_free(struct optimizer_batch *batch);

/* A number that is equal where code of the one fits the other's structs. */
uint32_t optimizer_layout(void);

/* The helper of this process, one for all engines: it is started when first asked and serves one module at a time. */
struct optimizer_conversation;
/* Sends the module. Only one conversation is open at a time; others wait. */
enum cay_status optimizer_ask(const struct module *module, const struct engine_code_options *options,
                              struct optimizer_conversation **out, struct cay_error *error);
bool optimizer_hear(void *conversation, void *to, size_t count); /* an optimizer_source */
/* `is_whole`: the last batch was read, so the helper can be asked again. */
void optimizer_end(struct optimizer_conversation *conversation, bool is_whole);

#endif
