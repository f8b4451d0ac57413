/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Against reading ahead (Spectre, variant 1).
 *
 * A processor guesses that a comparison will let an index pass, and goes on with what lies there until it knows better. What
 * was read then can be found out by what it leaves in the caches. So an index that was compared is masked by a number that is
 * all ones where it may pass, and 0 where it may not, and which comes from the same numbers without a branch. */
#ifndef TIERS_NARROW_H
#define TIERS_NARROW_H

#include <stdint.h>

/* `index` where it is below `count`, which is below 2^63, and else 0. The compiler must not see that it changes nothing
 * behind a comparison. */
static inline uint64_t tiers_narrowed(uint64_t index, uint64_t count) {
  __asm__("" : "+r"(index));
  uint64_t mask = ~(uint64_t)((int64_t)(index | (count - 1 - index)) >> 63);
  __asm__("" : "+r"(mask));
  return index & mask;
}

/* The same of a place that ends at `end`, which is no more than `length`; both sums have not wrapped, or the comparison said so. */
static inline uint64_t tiers_narrowed_place(uint64_t place, uint64_t end, uint64_t length) {
  __asm__("" : "+r"(end));
  uint64_t mask = ~(uint64_t)((int64_t)(place | end | (length - end)) >> 63);
  __asm__("" : "+r"(mask));
  return place & mask;
}

#endif
