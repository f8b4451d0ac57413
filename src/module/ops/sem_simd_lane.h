/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Vector instructions that make, take apart and rearrange lanes, and what loads do with the bytes they read. Included by
 * sem_simd.h only. Lane numbers are valid: validation has seen them. */
#ifndef MODULE_OPS_SEM_SIMD_LANE_H
#define MODULE_OPS_SEM_SIMD_LANE_H

/* A lane is replaced by a comparison of the lanes' numbers, not through memory, so that no caller needs a stack frame. */
static const sem_u8x16 sem_numbers_u8x16 = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const sem_u16x8 sem_numbers_u16x8 = {0, 1, 2, 3, 4, 5, 6, 7};
static const sem_u32x4 sem_numbers_u32x4 = {0, 1, 2, 3};
static const sem_u64x2 sem_numbers_u64x2 = {0, 1};

#define SEM_LANES(shape, value_type, lanes, number_lanes, number_type)                                 \
  static inline sem_v128 sem_##shape##_splat(value_type value) {                                       \
    return (sem_v128)((sem_##lanes){0} + (__typeof__(((sem_##lanes){0})[0]))value);                    \
  }                                                                                                    \
  static inline sem_v128 sem_##shape##_replace_lane(sem_v128 a, value_type value, uint32_t lane) {     \
    return SEM_CHOOSE(sem_numbers_##number_lanes == (number_type)lane, sem_##shape##_splat(value), a); \
  }
SEM_LANES(i8x16, uint32_t, u8x16, u8x16, uint8_t)
SEM_LANES(i16x8, uint32_t, u16x8, u16x8, uint16_t)
SEM_LANES(i32x4, uint32_t, u32x4, u32x4, uint32_t)
SEM_LANES(i64x2, uint64_t, u64x2, u64x2, uint64_t)
#undef SEM_LANES
/* Of floats every bit counts, so they travel as integers: adding zero would make a signaling NaN quiet. */
static inline sem_v128 sem_f32x4_splat(float value) { return sem_i32x4_splat(sem_i32_reinterpret_f32(value)); }
static inline sem_v128 sem_f64x2_splat(double value) { return sem_i64x2_splat(sem_i64_reinterpret_f64(value)); }
static inline sem_v128 sem_f32x4_replace_lane(sem_v128 a, float value, uint32_t lane) {
  return sem_i32x4_replace_lane(a, sem_i32_reinterpret_f32(value), lane);
}
static inline sem_v128 sem_f64x2_replace_lane(sem_v128 a, double value, uint32_t lane) {
  return sem_i64x2_replace_lane(a, sem_i64_reinterpret_f64(value), lane);
}

static inline uint32_t sem_i8x16_extract_lane_s(sem_v128 a, uint32_t lane) {
  return (uint32_t)(int32_t)((sem_s8x16)a)[lane];
}
static inline uint32_t sem_i8x16_extract_lane_u(sem_v128 a, uint32_t lane) { return ((sem_u8x16)a)[lane]; }
static inline uint32_t sem_i16x8_extract_lane_s(sem_v128 a, uint32_t lane) {
  return (uint32_t)(int32_t)((sem_s16x8)a)[lane];
}
static inline uint32_t sem_i16x8_extract_lane_u(sem_v128 a, uint32_t lane) { return ((sem_u16x8)a)[lane]; }
static inline uint32_t sem_i32x4_extract_lane(sem_v128 a, uint32_t lane) { return ((sem_u32x4)a)[lane]; }
static inline uint64_t sem_i64x2_extract_lane(sem_v128 a, uint32_t lane) { return a[lane]; }
static inline float sem_f32x4_extract_lane(sem_v128 a, uint32_t lane) { return ((sem_f32x4)a)[lane]; }
static inline double sem_f64x2_extract_lane(sem_v128 a, uint32_t lane) { return ((sem_f64x2)a)[lane]; }

/* ---- Rearranging bytes: through memory, since few processors can do it otherwise without being asked. ---- */

static inline sem_v128 sem_i8x16_shuffle(sem_v128 a, sem_v128 b, sem_v128 lanes) {
  uint8_t from[32], to[16];
  memcpy(from, &a, 16);
  memcpy(from + 16, &b, 16);
  for (unsigned i = 0; i < 16; i++) to[i] = from[((sem_u8x16)lanes)[i] & 31];
  sem_v128 result;
  memcpy(&result, to, 16);
  return result;
}
/* Bytes whose number is 16 or more become 0. */
static inline sem_v128 sem_i8x16_swizzle(sem_v128 a, sem_v128 lanes) {
  sem_v128 chosen = sem_i8x16_shuffle(a, a, lanes);
  return chosen & (sem_v128)((sem_u8x16)lanes < 16);
}

/* ---- Loads: from the number that was read ---- */

static inline sem_v128 sem_v128_load32_zero(uint32_t value) { return (sem_v128){value, 0}; }
static inline sem_v128 sem_v128_load64_zero(uint64_t value) { return (sem_v128){value, 0}; }
static inline sem_v128 sem_v128_load8x8_s(uint64_t v) { return sem_i16x8_extend_low_i8x16_s((sem_v128){v, 0}); }
static inline sem_v128 sem_v128_load8x8_u(uint64_t v) { return sem_i16x8_extend_low_i8x16_u((sem_v128){v, 0}); }
static inline sem_v128 sem_v128_load16x4_s(uint64_t v) { return sem_i32x4_extend_low_i16x8_s((sem_v128){v, 0}); }
static inline sem_v128 sem_v128_load16x4_u(uint64_t v) { return sem_i32x4_extend_low_i16x8_u((sem_v128){v, 0}); }
static inline sem_v128 sem_v128_load32x2_s(uint64_t v) { return sem_i64x2_extend_low_i32x4_s((sem_v128){v, 0}); }
static inline sem_v128 sem_v128_load32x2_u(uint64_t v) { return sem_i64x2_extend_low_i32x4_u((sem_v128){v, 0}); }

#endif
