/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Answers that are kept: they are collected once, and offered to a code object in place of the helper.
 *
 * An answer is kept as the helper sent it, after it was checked: what reads it again checks it again, in the same way.
 * Offers belong to the process, as the helper does: the command makes them before it gives up its rights, when it knows
 * its modules and long before their code objects are made. */
#include <sys/socket.h>

#include "tiers/baseline/baseline.h"
#include "tiers/optimizer/optimizer.h"

/* ---- Offers ---------------------------------------------------------------------------------------------------------------- */

static BASE_VEC(struct tiers_offer) offers;

bool tiers_optimized_offer(const struct tiers_offer *offer) {
  struct tiers_offer *kept = BASE_VEC_PUSH(&offers);
  if (!kept) return false;
  *kept = *offer;
  module_retain(offer->module);
  return true;
}

void tiers_optimized_forget(void) {
  for (size_t i = 0; i < offers.count; i++) module_release(offers.items[i].module);
  BASE_VEC_DEINIT(&offers);
}

void optimizer_offers_settle(void) {
  for (size_t i = 0; i < offers.count; i++)
    if (offers.items[i].socket >= 0) shutdown(offers.items[i].socket, SHUT_RDWR);
}

bool optimizer_has_offers(void) { return offers.count > 0; }

const struct tiers_offer *optimizer_offered(const struct module *module) {
  for (size_t i = 0; i < offers.count; i++)
    if (offers.items[i].module == module) return &offers.items[i];
  return NULL;
}

/* ---- Keys -------------------------------------------------------------------------------------------------------------------- */

/* There are no guard pages around what is no memory, nor around one of 64 bits. What is for other machines, too, cannot rely on
 * their systems. */
uint32_t optimizer_flags(const struct module *module, const struct engine_code_options *options, uint32_t cpu) {
  bool has_guards = module->memory_count > 0 && !module->memories[0].limits.is_64 && !options->explicit_bounds;
  return (has_guards ? 0 : WIRE_EXPLICIT_BOUNDS) | (options->deterministic_relaxed_simd ? WIRE_DETERMINISTIC : 0) |
         (options->canonical_nans ? WIRE_CANONICAL_NANS : 0) | (options->fuel ? WIRE_FUEL : 0) |
         (cpu == TIERS_CPU_NATIVE && tiers_has_segment() ? WIRE_SEGMENT : 0);
}

bool tiers_optimized_key(const struct module *module, const uint8_t module_hash[BASE_SHA256_BYTES],
                         const struct engine_code_options *options, enum tiers_cpu cpu, uint32_t level,
                         struct tiers_kept_key *out) {
  *out = (struct tiers_kept_key){.features = module->features,
                                 .processor = cpu == TIERS_CPU_NATIVE ? tiers_processor() : 0,
                                 .cpu = cpu,
                                 .flags = optimizer_flags(module, options, cpu),
                                 .level = level,
                                 .entry_count = module->func_count - module->imported_func_count};
  tiers_kept_build(out->build);
  memcpy(out->module, module_hash, sizeof out->module);
  return optimizer_takes(options) && out->entry_count > 0;
}

/* ---- Making ------------------------------------------------------------------------------------------------------------------ */

static uint8_t *append(uint8_t *at, const void *items, size_t bytes) {
  if (bytes) memcpy(at, items, bytes);
  return at + bytes;
}

bool optimizer_batch_hand_out(const struct optimizer_batch *batch,
                              bool (*take)(void *env, const struct tiers_answer *answer), void *env,
                              struct cay_error *error) {
  size_t function_bytes = batch->function_count * sizeof *batch->functions;
  size_t line_bytes = batch->line_count * sizeof *batch->lines;
  size_t inlined_bytes = batch->inlined_count * sizeof *batch->inlined;
  size_t refusal_bytes = batch->refusal_count * sizeof *batch->refusals;
  size_t target_bytes = batch->target_count * sizeof *batch->targets;
  struct wire_batch head = {.magic = WIRE_MAGIC,
                            .code_bytes = (uint32_t)batch->code_bytes,
                            .function_count = batch->function_count,
                            .line_count = batch->line_count,
                            .inlined_count = batch->inlined_count,
                            .refusal_count = batch->refusal_count,
                            .target_count = batch->target_count,
                            .last = batch->last};
  struct tiers_answer answer = {
      .len_bytes =
          sizeof head + batch->code_bytes + function_bytes + line_bytes + inlined_bytes + refusal_bytes + target_bytes,
      .optimized = batch->function_count / 2,
      .refused = batch->refusal_count,
      .is_last = batch->last != WIRE_MORE,
  };
  for (uint32_t i = 0; i < batch->refusal_count; i++)
    answer.has_failed = answer.has_failed || batch->refusals[i].reason == WIRE_REASON_FAILED;
  uint8_t *bytes = base_alloc(answer.len_bytes), *at = bytes;
  if (!bytes) {
    base_error_memory(error);
    return false;
  }
  at = append(at, &head, sizeof head);
  at = append(at, batch->code, batch->code_bytes);
  at = append(at, batch->functions, function_bytes);
  at = append(at, batch->lines, line_bytes);
  at = append(at, batch->inlined, inlined_bytes);
  at = append(at, batch->refusals, refusal_bytes);
  append(at, batch->targets, target_bytes);
  answer.bytes = bytes;
  bool is_taken = take(env, &answer);
  base_free(bytes);
  if (!is_taken) base_error_set(error, CAY_ERROR_SYSTEM, "the code was not taken");
  return is_taken;
}

enum cay_status tiers_optimized_make(const struct module *module, const struct tiers_kept_key *key,
                                     bool (*take)(void *env, const struct tiers_answer *answer), void *env,
                                     struct cay_error *error) {
  struct optimizer_conversation *conversation;
  const struct optimizer_order order = {.bytes = module->bytes,
                                        .len_bytes = module->len_bytes,
                                        .features = key->features,
                                        .entry_count = key->entry_count,
                                        .flags = key->flags,
                                        .level = key->level,
                                        .cpu = key->cpu};
  enum cay_status status = optimizer_ask(&order, &conversation, error);
  if (status) return status;
  bool goes_on = true;
  while (goes_on) {
    struct optimizer_batch batch;
    struct cay_error reason = {0};
    status = optimizer_batch_read(optimizer_hear, conversation, key->entry_count, &batch, &reason);
    if (!status && !optimizer_batch_hand_out(&batch, take, env, &reason)) status = reason.status;
    goes_on = !status && batch.last == WIRE_MORE;
    optimizer_batch_free(&batch);
    optimizer_turn(conversation);
    if (status && error) *error = reason;
  }
  optimizer_end(conversation,
                false); /* what one module may have made of the helper, the next one's code is not made by */
  return status;
}
