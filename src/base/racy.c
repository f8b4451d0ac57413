/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* memset and memmove for memory that other threads may change meanwhile, in words where there are eight bytes left. */
#include "base/base.h"

BASE_RACY void base_racy_fill(void *to, uint8_t value, size_t count) {
  uint8_t *at = to;
  uint64_t word = value * UINT64_C(0x0101010101010101);
  for (; count >= sizeof word; count -= sizeof word, at += sizeof word) base_racy_store_u64(at, word);
  for (; count; count--, at++) base_racy_store_u8(at, value);
}

BASE_RACY static void move_up(uint8_t *to, const uint8_t *from, size_t count) {
  for (; count >= 8; count -= 8, to += 8, from += 8) base_racy_store_u64(to, base_racy_load_u64(from));
  for (; count; count--, to++, from++) base_racy_store_u8(to, base_racy_load_u8(from));
}

/* From the end, for a target that begins inside the source. */
BASE_RACY static void move_down(uint8_t *to, const uint8_t *from, size_t count) {
  for (; count >= 8; count -= 8) base_racy_store_u64(to + count - 8, base_racy_load_u64(from + count - 8));
  for (; count; count--) base_racy_store_u8(to + count - 1, base_racy_load_u8(from + count - 1));
}

void base_racy_move(void *to, const void *from, size_t count) {
  if ((uintptr_t)to - (uintptr_t)from < count)
    move_down(to, from, count);
  else
    move_up(to, from, count);
}
