/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* simd_dot REPEATS: dot products of floats and bytes, a transposition, a search: by vector instructions where the
 * target has them (the relaxed ones with -DRELAXED, where they cannot give another result), and one by one elsewhere. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __wasm_simd128__
#include <wasm_simd128.h>
#endif

enum { COUNT = 4096, SIDE = 64 };

static float xs[COUNT], ys[COUNT];
static int8_t as[COUNT], bs[COUNT];
static int32_t square[SIDE][SIDE], turned[SIDE][SIDE];

/* Small whole numbers and quarters: every sum is exact, in any order. */
static void prepare(void) {
  uint32_t state = 1;
  for (int n = 0; n < COUNT; n++) {
    state = state * 1103515245 + 12345;
    xs[n] = (float)(state >> 28) * 0.25f;
    ys[n] = (float)(int32_t)(state >> 24 & 15) - 8;
    as[n] = (int8_t)(state >> 8);
    bs[n] = (int8_t)(state >> 16 & 127);
    square[n / SIDE][n % SIDE] = (int32_t)state;
  }
}

#ifdef __wasm_simd128__
static float float_dot(void) {
  v128_t sum = wasm_f32x4_splat(0);
  for (int n = 0; n < COUNT; n += 4) {
#ifdef RELAXED
    sum = wasm_f32x4_relaxed_madd(wasm_v128_load(xs + n), wasm_v128_load(ys + n), sum);
#else
    sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_v128_load(xs + n), wasm_v128_load(ys + n)));
#endif
  }
  return wasm_f32x4_extract_lane(sum, 0) + wasm_f32x4_extract_lane(sum, 1) + wasm_f32x4_extract_lane(sum, 2) +
         wasm_f32x4_extract_lane(sum, 3);
}

static int32_t byte_dot(void) {
  v128_t sum = wasm_i32x4_splat(0);
  for (int n = 0; n < COUNT; n += 16) {
    v128_t a = wasm_v128_load(as + n), b = wasm_v128_load(bs + n);
#ifdef RELAXED
    sum = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(a, b, sum);
#else
    v128_t low = wasm_i16x8_extmul_low_i8x16(a, b), high = wasm_i16x8_extmul_high_i8x16(a, b);
    sum = wasm_i32x4_add(sum,
                         wasm_i32x4_add(wasm_i32x4_extadd_pairwise_i16x8(low), wasm_i32x4_extadd_pairwise_i16x8(high)));
#endif
  }
  return wasm_i32x4_extract_lane(sum, 0) + wasm_i32x4_extract_lane(sum, 1) + wasm_i32x4_extract_lane(sum, 2) +
         wasm_i32x4_extract_lane(sum, 3);
}

static void turn(void) {
  for (int row = 0; row < SIDE; row += 4) {
    for (int column = 0; column < SIDE; column += 4) {
      v128_t r[4];
      for (int n = 0; n < 4; n++) r[n] = wasm_v128_load(&square[row + n][column]);
      v128_t a = wasm_i32x4_shuffle(r[0], r[1], 0, 4, 1, 5), b = wasm_i32x4_shuffle(r[0], r[1], 2, 6, 3, 7);
      v128_t c = wasm_i32x4_shuffle(r[2], r[3], 0, 4, 1, 5), d = wasm_i32x4_shuffle(r[2], r[3], 2, 6, 3, 7);
      wasm_v128_store(&turned[column][row], wasm_i64x2_shuffle(a, c, 0, 2));
      wasm_v128_store(&turned[column + 1][row], wasm_i64x2_shuffle(a, c, 1, 3));
      wasm_v128_store(&turned[column + 2][row], wasm_i64x2_shuffle(b, d, 0, 2));
      wasm_v128_store(&turned[column + 3][row], wasm_i64x2_shuffle(b, d, 1, 3));
    }
  }
}

static int find(int8_t wanted) {
  for (int n = 0; n < COUNT; n += 16) {
    uint32_t mask = wasm_i8x16_bitmask(wasm_i8x16_eq(wasm_v128_load(as + n), wasm_i8x16_splat(wanted)));
    if (mask) return n + __builtin_ctz(mask);
  }
  return -1;
}
#else
static float float_dot(void) {
  float sum = 0;
  for (int n = 0; n < COUNT; n++) sum += xs[n] * ys[n];
  return sum;
}

static int32_t byte_dot(void) {
  int32_t sum = 0;
  for (int n = 0; n < COUNT; n++) sum += as[n] * bs[n];
  return sum;
}

static void turn(void) {
  for (int row = 0; row < SIDE; row++)
    for (int column = 0; column < SIDE; column++) turned[column][row] = square[row][column];
}

static int find(int8_t wanted) {
  for (int n = 0; n < COUNT; n++)
    if (as[n] == wanted) return n;
  return -1;
}
#endif

int main(int argc, char **argv) {
  int repeats = argc > 1 ? atoi(argv[1]) : 1;
  double floats = 0;
  int64_t bytes = 0, found = 0;
  uint32_t hash = 0;
  prepare();
  for (int n = 0; n < repeats; n++) {
    xs[n % COUNT] += 0.5f;
    bs[n % COUNT] ^= 1;
    square[n % SIDE][n / SIDE % SIDE] ^= n;
    floats += float_dot();
    bytes += byte_dot();
    found += find((int8_t)n);
    turn();
    hash = hash * 31 + (uint32_t)turned[n / SIDE % SIDE][n % SIDE];
  }
  for (int n = 0; n < COUNT; n++) hash = hash * 31 + (uint32_t)turned[n / SIDE][n % SIDE];
  printf("floats %.2f bytes %lld found %lld hash %08x\n", floats, (long long)bytes, (long long)found, hash);
  return 0;
}
