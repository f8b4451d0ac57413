/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Answers of the optimizer's helper, made of arbitrary bytes: what is accepted lies within its code; and the profile that they bring
 * along, which is put in order with what there was. */
#include <assert.h>

#include "tiers/optimizer/optimizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

struct source {
  const uint8_t *at, *end;
};

static bool take(void *env, void *to, size_t count) {
  struct source *source = env;
  if (count > (size_t)(source->end - source->at)) return false;
  if (count) memcpy(to, source->at, count);
  source->at += count;
  return true;
}

static void check(const struct optimizer_batch *batch, uint32_t entry_count) {
  for (uint32_t i = 0; i < batch->function_count; i++) {
    const struct wire_function *function = &batch->functions[i];
    assert(function->entry < entry_count && function->bytes > 0);
    assert((uint64_t)function->start + function->bytes <= batch->code_bytes);
    assert(function->slots_at <= 0 && function->slots_at >= -WIRE_MOST_NATIVE_BYTES && function->slots_at % 8 == 0);
  }
  for (uint32_t i = 0; i < batch->line_count; i++) {
    assert(batch->lines[i].position < batch->code_bytes);
    uint32_t offset = batch->lines[i].offset;
    assert(!(offset & WIRE_INLINED) || (offset & ~WIRE_INLINED) < batch->inlined_count);
  }
  for (uint32_t i = 0; i < batch->inlined_count; i++) {
    const struct wire_inlined *row = &batch->inlined[i];
    assert(row->entry < entry_count && !(row->offset & WIRE_INLINED));
    assert(!(row->caller & WIRE_INLINED) || (row->caller & ~WIRE_INLINED) < i);
  }
  for (uint32_t i = 0; i < batch->refusal_count; i++) assert(batch->refusals[i].reason < WIRE_REASON_COUNT);
}

static void merge(struct optimizer_targets *all, const struct optimizer_batch *batch) {
  size_t before = all->list.count;
  assert(optimizer_targets_add(all, batch->targets, batch->target_count, batch->last == WIRE_MORE));
  assert(all->list.count >= before && all->list.count <= WIRE_MOST_TARGETS);
  for (size_t i = 1; i < all->list.count; i++) assert(all->list.items[i - 1].offset < all->list.items[i].offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  struct optimizer_targets targets = {0};
  enum { ENTRY_COUNT = 5 };
  struct source source = {bytes, bytes + len_bytes};
  bool goes_on = true;
  while (goes_on) {
    struct optimizer_batch batch;
    struct cay_error error;
    goes_on = optimizer_batch_read(take, &source, ENTRY_COUNT, &batch, &error) == CAY_OK;
    if (goes_on) check(&batch, ENTRY_COUNT);
    if (goes_on) merge(&targets, &batch);
    optimizer_batch_free(&batch);
  }
  BASE_VEC_DEINIT(&targets.list);
  return 0;
}
