/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Reads what the helper answers. The helper reads what a stranger wrote, through a compiler of millions of lines, so every
 * number in the answer is one that an attacker may have chosen: counts are bounded by what the module has before anything is
 * allocated for them, and positions are checked against the code. fuzz/fuzz_answer.c tries to break it. */
#include "tiers/optimizer/optimizer.h"

static enum cay_status malformed(struct cay_error *error, const char *what) {
  return base_error_set(error, CAY_ERROR_MALFORMED, "the helper's answer is broken: %s", what);
}

static enum cay_status cut_off(struct cay_error *error) {
  return base_error_set(error, CAY_ERROR_SYSTEM, "the helper has ended before its answer was complete");
}

/* Lines and what is inlined: no more than one for each byte of code. */
static enum cay_status check_head(const struct wire_batch *head, uint32_t entry_count, struct cay_error *error) {
  if (head->magic != WIRE_MAGIC) return malformed(error, "a batch does not begin as it should");
  if (head->code_bytes > WIRE_MOST_CODE_BYTES) return malformed(error, "more code than the arena has room for");
  if (head->function_count > (uint64_t)entry_count * WIRE_KINDS || head->refusal_count > entry_count)
    return malformed(error, "more functions than the module has");
  if (head->line_count > head->code_bytes || head->inlined_count > head->code_bytes)
    return malformed(error, "more lines than code");
  if (head->target_count > WIRE_MOST_TARGETS) return malformed(error, "more calls than it was told of");
  if (head->last > WIRE_FORGOTTEN) return malformed(error, "an end that is none");
  return CAY_OK;
}

static enum cay_status read_array(optimizer_source source, void *env, size_t count, size_t size, void *out,
                                  struct cay_error *error) {
  void *items = base_alloc(count * size + 1);
  if (!items) return base_error_memory(error);
  *(void **)out = items;
  return source(env, items, count * size) ? CAY_OK : cut_off(error);
}

/* First all native pieces, then the adapters in the same order, then the loops. */
static bool are_pairs(struct optimizer_batch *batch) {
  uint32_t count = 0, at;
  while (count < batch->function_count && batch->functions[count].kind == WIRE_NATIVE) count++;
  if (batch->function_count - count < count) return false;
  for (uint32_t i = 0; i < count; i++) {
    const struct wire_function *native = &batch->functions[i], *adapter = &batch->functions[count + i];
    if (adapter->kind != WIRE_ADAPTER || native->entry != adapter->entry) return false;
  }
  for (at = 2 * count; at < batch->function_count && batch->functions[at].kind == WIRE_LOOP;) at++;
  batch->pair_count = count;
  return at == batch->function_count;
}

static enum cay_status check_functions(struct optimizer_batch *batch, uint32_t entry_count, struct cay_error *error) {
  uint32_t end = 0;
  for (uint32_t i = 0; i < batch->function_count; i++) {
    const struct wire_function *function = &batch->functions[i];
    if (function->entry >= entry_count) return malformed(error, "a function that the module does not have");
    if (function->start < end || function->bytes == 0) return malformed(error, "functions that overlap");
    if (function->start > batch->code_bytes || function->bytes > batch->code_bytes - function->start)
      return malformed(error, "a function outside of its code");
    if ((function->kind == WIRE_ADAPTER && function->slots_at) || function->slots_at > 0 ||
        function->slots_at < -WIRE_MOST_NATIVE_BYTES || function->slots_at % 8)
      return malformed(error, "a frame that is nowhere");
    end = function->start + function->bytes;
  }
  return are_pairs(batch) ? CAY_OK : malformed(error, "a function without its adapter");
}

static enum cay_status check_lines(const struct optimizer_batch *batch, struct cay_error *error) {
  for (uint32_t i = 0; i < batch->line_count; i++) {
    const struct wire_line *line = &batch->lines[i];
    if (line->position >= batch->code_bytes || (i && line->position <= line[-1].position))
      return malformed(error, "lines that do not ascend");
    if (line->offset & WIRE_INLINED && (line->offset & ~WIRE_INLINED) >= batch->inlined_count)
      return malformed(error, "a line of nothing that is inlined");
  }
  return CAY_OK;
}

/* Whether the row comes to an offset by earlier rows, and not too many. */
static bool has_caller(const struct optimizer_batch *batch, uint32_t row) {
  for (unsigned depth = 1; depth <= WIRE_MOST_INLINED; depth++) {
    uint32_t caller = batch->inlined[row].caller, outer = caller & ~WIRE_INLINED;
    if (outer == caller) return true;
    if (outer >= row) return false;
    row = outer;
  }
  return false;
}

static enum cay_status check_inlined(const struct optimizer_batch *batch, uint32_t entry_count,
                                     struct cay_error *error) {
  for (uint32_t i = 0; i < batch->inlined_count; i++) {
    const struct wire_inlined *row = &batch->inlined[i];
    if (row->entry >= entry_count || row->offset & WIRE_INLINED || !has_caller(batch, i))
      return malformed(error, "something inlined that is nowhere");
  }
  return CAY_OK;
}

static enum cay_status check_refusals(const struct optimizer_batch *batch, uint32_t entry_count,
                                      struct cay_error *error) {
  for (uint32_t i = 0; i < batch->refusal_count; i++) {
    const struct wire_refusal *refusal = &batch->refusals[i];
    if (refusal->entry >= entry_count || refusal->reason >= WIRE_REASON_COUNT)
      return malformed(error, "a refusal of nothing");
  }
  return CAY_OK;
}

enum cay_status optimizer_batch_bytes(const struct wire_batch *head, uint32_t entry_count, size_t *out,
                                      struct cay_error *error) {
  enum cay_status status = check_head(head, entry_count, error);
  if (status) return status;
  *out = sizeof *head + (size_t)head->code_bytes + head->function_count * sizeof(struct wire_function) +
         head->line_count * sizeof(struct wire_line) + head->inlined_count * sizeof(struct wire_inlined) +
         head->refusal_count * sizeof(struct wire_refusal) + head->target_count * sizeof(struct wire_target);
  return CAY_OK;
}

enum cay_status optimizer_batch_read(optimizer_source source, void *env, uint32_t entry_count,
                                     struct optimizer_batch *out, struct cay_error *error) {
  struct wire_batch head;
  *out = (struct optimizer_batch){0};
  if (!source(env, &head, sizeof head)) return cut_off(error);
  enum cay_status status = check_head(&head, entry_count, error);
  if (status) return status;
  out->code_bytes = head.code_bytes;
  out->function_count = head.function_count;
  out->line_count = head.line_count;
  out->inlined_count = head.inlined_count;
  out->refusal_count = head.refusal_count;
  out->target_count = head.target_count;
  out->last = (enum wire_last)head.last;
  status = read_array(source, env, head.code_bytes, 1, &out->code, error);
  if (!status) status = read_array(source, env, head.function_count, sizeof *out->functions, &out->functions, error);
  if (!status) status = read_array(source, env, head.line_count, sizeof *out->lines, &out->lines, error);
  if (!status) status = read_array(source, env, head.inlined_count, sizeof *out->inlined, &out->inlined, error);
  if (!status) status = read_array(source, env, head.refusal_count, sizeof *out->refusals, &out->refusals, error);
  if (!status) status = read_array(source, env, head.target_count, sizeof *out->targets, &out->targets, error);
  if (!status) status = check_functions(out, entry_count, error);
  if (!status) status = check_lines(out, error);
  if (!status) status = check_inlined(out, entry_count, error);
  if (!status) status = check_refusals(out, entry_count, error);
  return status;
}

void optimizer_batch_free(struct optimizer_batch *batch) {
  base_free(batch->code);
  base_free(batch->functions);
  base_free(batch->lines);
  base_free(batch->inlined);
  base_free(batch->refusals);
  base_free(batch->targets);
  for (uint32_t i = 0; batch->tables && i < batch->function_count; i++) base_free(batch->tables[i]);
  base_free(batch->tables);
}
