/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The meaning of the vector instructions, relaxed ones included, and of wide arithmetic, by the rules of sem.h. Apart
 * from it because few files need vectors.
 *
 * Functions are written on the vector types of GCC and clang, which become the host's vector instructions where it has
 * them and scalar code where not. A v128 is the same 16 bytes under every lane type; casts between them change nothing.
 * Lane 0 is at the lowest address, so the host must be little-endian, as everywhere in the tiers.
 *
 * A comparison gives all ones or zeros in each lane. Shifts take their count as a scalar and wrap it. What would be
 * undefined in C is masked out before: a float out of range never reaches a conversion. */
#ifndef MODULE_OPS_SEM_SIMD_H
#define MODULE_OPS_SEM_SIMD_H

#include "module/ops/sem.h"

/* u8x16, s8x16 ...: lanes of unsigned and signed integers, f32x4, f64x2: of floats. */
#define SEM_VECTOR(name, lane) typedef lane sem_##name __attribute__((vector_size(16)));
SEM_VECTOR(u8x16, uint8_t)
SEM_VECTOR(s8x16, int8_t)
SEM_VECTOR(u16x8, uint16_t)
SEM_VECTOR(s16x8, int16_t)
SEM_VECTOR(u32x4, uint32_t)
SEM_VECTOR(s32x4, int32_t)
SEM_VECTOR(u64x2, uint64_t)
SEM_VECTOR(s64x2, int64_t)
SEM_VECTOR(f32x4, float)
SEM_VECTOR(f64x2, double)
#undef SEM_VECTOR
typedef sem_u64x2 sem_v128; /* how vectors are passed */

/* Defines sem_NAME with parameters a, b, c of the lane type. */
#define SEM_V1(name, lanes, expression)               \
  static inline sem_v128 sem_##name(sem_v128 first) { \
    sem_##lanes a = (sem_##lanes)first;               \
    return (sem_v128)(expression);                    \
  }
#define SEM_V2(name, lanes, expression)                                \
  static inline sem_v128 sem_##name(sem_v128 first, sem_v128 second) { \
    sem_##lanes a = (sem_##lanes)first, b = (sem_##lanes)second;       \
    return (sem_v128)(expression);                                     \
  }
#define SEM_V3(name, lanes, expression)                                                  \
  static inline sem_v128 sem_##name(sem_v128 first, sem_v128 second, sem_v128 third) {   \
    sem_##lanes a = (sem_##lanes)first, b = (sem_##lanes)second, c = (sem_##lanes)third; \
    return (sem_v128)(expression);                                                       \
  }

/* `a` where the mask's bits are set, else `b`. */
static inline sem_v128 sem_choose(sem_v128 mask, sem_v128 a, sem_v128 b) { return (a & mask) | (b & ~mask); }
#define SEM_CHOOSE(mask, a, b) sem_choose((sem_v128)(mask), (sem_v128)(a), (sem_v128)(b))

#include "module/ops/sem_simd_int.h"

#include "module/ops/sem_simd_lane.h"

#include "module/ops/sem_simd_float.h"

#include "module/ops/sem_relaxed.h"

#include "module/ops/sem_wide.h"

#endif
