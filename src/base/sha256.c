/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* SHA-256 (FIPS 180-4), for approvals, the audit log's chain and digests of runs.
 *
 * A library's would be faster to write and slower to use: libcrypto takes longer to load than a small module to run. The
 * rounds are plain C; where the processor has instructions for them, arch_sha256_*.c has a second version, chosen at the
 * first use.
 *
 * Invariant: `buffered` is the number of bytes in `buffer`, always less than one block between calls. */
#include "base/sha256.h"

#include <assert.h>
#include <pthread.h>

const uint32_t base_sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t rotate(uint32_t value, unsigned bits) { return value >> bits | value << (32 - bits); }

/* Word t of the schedule, in a ring of the last sixteen. */
static inline uint32_t next_word(uint32_t w[16], unsigned t) {
  uint32_t far = w[(t + 1) & 15], near = w[(t + 14) & 15];
  return w[t & 15] += (rotate(far, 7) ^ rotate(far, 18) ^ far >> 3) + w[(t + 9) & 15] +
                      (rotate(near, 17) ^ rotate(near, 19) ^ near >> 10);
}

static void block(uint32_t state[8], const uint8_t *bytes) {
  uint32_t w[16], s[8];
  memcpy(s, state, sizeof s);
  for (unsigned t = 0; t < 16; t++) w[t] = __builtin_bswap32(base_load_u32(bytes + 4 * t));
  for (unsigned t = 0; t < 64; t++) {
    uint32_t a = s[0], e = s[4];
    uint32_t one = s[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (s[6] ^ (e & (s[5] ^ s[6]))) +
                   base_sha256_constants[t] + (t < 16 ? w[t] : next_word(w, t));
    uint32_t two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & (s[1] | s[2])) | (s[1] & s[2]));
    s[7] = s[6], s[6] = s[5], s[5] = e, s[4] = s[3] + one, s[3] = s[2], s[2] = s[1], s[1] = a, s[0] = one + two;
  }
  for (unsigned i = 0; i < 8; i++) state[i] += s[i];
}

static void blocks_plain(uint32_t state[8], const uint8_t *bytes, size_t count) {
  for (; count; count--, bytes += BASE_SHA256_BLOCK) block(state, bytes);
}

static base_sha256_blocks *blocks = blocks_plain;
static pthread_once_t blocks_once = PTHREAD_ONCE_INIT;

static void choose_blocks(void) {
  base_sha256_blocks *fast = base_sha256_fast();
  if (fast) blocks = fast;
}

base_sha256_blocks *base_sha256_plain(void) { return blocks_plain; }

void base_sha256_init(struct base_sha256 *hash) {
  pthread_once(&blocks_once, choose_blocks);
  *hash = (struct base_sha256){
      .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void base_sha256_add(struct base_sha256 *hash, const void *bytes, size_t len_bytes) {
  const uint8_t *from = bytes;
  hash->len_bytes += len_bytes;
  if (hash->buffered) {
    size_t room = BASE_SHA256_BLOCK - hash->buffered, part = len_bytes < room ? len_bytes : room;
    if (part) memcpy(hash->buffer + hash->buffered, from, part);
    hash->buffered += (unsigned)part, from += part, len_bytes -= part;
    if (hash->buffered < BASE_SHA256_BLOCK) return;
    blocks(hash->state, hash->buffer, 1);
    hash->buffered = 0;
  }
  size_t whole = len_bytes / BASE_SHA256_BLOCK;
  blocks(hash->state, from, whole);
  hash->buffered = (unsigned)(len_bytes % BASE_SHA256_BLOCK);
  if (hash->buffered) memcpy(hash->buffer, from + whole * BASE_SHA256_BLOCK, hash->buffered);
}

void base_sha256_finish(struct base_sha256 *hash, uint8_t out[BASE_SHA256_BYTES]) {
  static const uint8_t padding[BASE_SHA256_BLOCK] = {0x80};
  uint64_t bits = __builtin_bswap64(hash->len_bytes * 8);
  size_t used = hash->buffered, zeros = (used < 56 ? 56 : 56 + BASE_SHA256_BLOCK) - used;
  base_sha256_add(hash, padding, zeros);
  base_sha256_add(hash, &bits, sizeof bits);
  assert(hash->buffered == 0);
  for (unsigned i = 0; i < 8; i++) base_store_u32(out + 4 * i, __builtin_bswap32(hash->state[i]));
}

void base_sha256_of(const void *bytes, size_t len_bytes, uint8_t out[BASE_SHA256_BYTES]) {
  struct base_sha256 hash;
  base_sha256_init(&hash);
  base_sha256_add(&hash, bytes, len_bytes);
  base_sha256_finish(&hash, out);
}

void base_sha256_hex(const uint8_t digest[BASE_SHA256_BYTES], char out[BASE_SHA256_HEX_BYTES]) {
  static const char digits[] = "0123456789abcdef";
  for (unsigned i = 0; i < BASE_SHA256_BYTES; i++) {
    out[2 * i] = digits[digest[i] >> 4];
    out[2 * i + 1] = digits[digest[i] & 15];
  }
  out[2 * BASE_SHA256_BYTES] = 0;
}
