/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Reads LLVM's stack map, format 3: where in its native frame a function keeps the pointer to its frame on the value stack.
 * Each function that tells has one record, with a number that names it and one place (roots.c); everything else in the map
 * is skipped. The object is our own compiler's work. */
#include "tiers/optimizer/helper/helper.h"

enum { VERSION = 3, HEAD_BYTES = 16, FUNCTION_BYTES = 24, CONSTANT_BYTES = 8, RECORD_BYTES = 16, PLACE_BYTES = 12 };
enum { PLACE_DIRECT = 2 };

static struct wire_function *find(struct object_code *code, uint64_t name) {
  for (size_t i = 0; i < code->functions.count; i++) {
    struct wire_function *function = &code->functions.items[i];
    if (function->kind != WIRE_ADAPTER && stackmap_name(function->entry, function->kind == WIRE_LOOP) == name)
      return function;
  }
  return NULL;
}

/* One record; its bytes, or 0: it is not as expected. */
static size_t read_record(const struct target *target, const uint8_t *at, size_t left, struct object_code *out) {
  if (left < RECORD_BYTES + PLACE_BYTES || base_load_u16(at + 14) != 1) return 0;
  const uint8_t *place = at + RECORD_BYTES;
  struct wire_function *function = find(out, base_load_u64(at));
  if (!function || place[0] != PLACE_DIRECT || base_load_u16(place + 4) != target->frame_pointer) return 0;
  function->slots_at = (int32_t)base_load_u32(place + 8);
  size_t live_outs = RECORD_BYTES + (PLACE_BYTES + 7) / 8 * 8 + 2;
  if (left < live_outs + 2) return 0;
  size_t bytes = live_outs + 2 + (size_t)base_load_u16(at + live_outs) * 4;
  bytes = (bytes + 7) / 8 * 8;
  return bytes <= left ? bytes : 0;
}

bool stackmaps_read(const struct target *target, const uint8_t *bytes, size_t len_bytes, struct object_code *out) {
  if (len_bytes < HEAD_BYTES || bytes[0] != VERSION) return false;
  size_t functions = base_load_u32(bytes + 4), constants = base_load_u32(bytes + 8);
  uint32_t records = base_load_u32(bytes + 12);
  size_t at = HEAD_BYTES + functions * FUNCTION_BYTES + constants * CONSTANT_BYTES;
  for (uint32_t i = 0; i < records; i++) {
    size_t taken = at < len_bytes ? read_record(target, bytes + at, len_bytes - at, out) : 0;
    if (taken == 0) return false;
    at += taken;
  }
  return true;
}
