/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files arch_*.c of processors whose instructions are words of four bytes have in common: whether interrupted optimized
 * code has its frame is told by its instructions. */
#ifndef TIERS_BASELINE_ARCH_WORDS_H
#define TIERS_BASELINE_ARCH_WORDS_H

#include "base/base.h"

/* Of an instruction: sets the frame pointer; brings back the caller's; goes elsewhere. */
struct arch_words {
  bool (*makes_frame)(uint32_t insn), (*ends_frame)(uint32_t insn), (*is_jump)(uint32_t insn);
};

/* Functions begin with a run of instructions, one of which sets the frame pointer, and end with one behind that which brings it
 * back. In both runs the link register is where they return to. */
static inline bool arch_words_have_frame(const struct arch_words *words, const uint8_t *start, uintptr_t pc) {
  const uint8_t *made = start, *at = (const uint8_t *)pc;
  while (made < at && !words->makes_frame(base_load_u32(made))) made += 4;
  if (made == at) return false;
  for (at -= 4; at > start && !words->is_jump(base_load_u32(at)); at -= 4)
    if (words->ends_frame(base_load_u32(at))) return false;
  return true;
}

/* Below the stack pointer: the caller's frame pointer, and where it is returned to. */
static inline uintptr_t *arch_words_make_frame(uintptr_t sp, uintptr_t frame, uintptr_t link) {
  uintptr_t *made = (uintptr_t *)sp - 2;
  made[0] = frame;
  made[1] = link;
  return made;
}

#endif
