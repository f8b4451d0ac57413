/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* SipHash-1-3 (Aumasson and Bernstein 2012), with a key of the process for tables, and with none for checksums.
 *
 * Names and types of modules go into hash tables, and whoever writes a module chooses them. Without a secret key he
 * could choose a million that collide. A checksum finds what a disk or a kill has done to a file, and has to be the same
 * in the next process. */
#include <pthread.h>

#include "base/base.h"

static uint64_t key[2];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key(void) { base_os_random(key, sizeof key); }

static inline uint64_t rotate(uint64_t value, unsigned bits) { return value << bits | value >> (64 - bits); }

static inline void sip_round(uint64_t v[4]) {
  v[0] += v[1];
  v[2] += v[3];
  v[1] = rotate(v[1], 13) ^ v[0];
  v[3] = rotate(v[3], 16) ^ v[2];
  v[0] = rotate(v[0], 32);
  v[2] += v[1];
  v[0] += v[3];
  v[1] = rotate(v[1], 17) ^ v[2];
  v[3] = rotate(v[3], 21) ^ v[0];
  v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word) {
  v[3] ^= word;
  sip_round(v);
  v[0] ^= word;
}

static uint64_t sip(const uint64_t with[2], const void *bytes, size_t len_bytes) {
  uint64_t v[4] = {with[0] ^ UINT64_C(0x736f6d6570736575), with[1] ^ UINT64_C(0x646f72616e646f6d),
                   with[0] ^ UINT64_C(0x6c7967656e657261), with[1] ^ UINT64_C(0x7465646279746573)};
  const uint8_t *at = bytes;
  size_t left = len_bytes;
  for (; left >= 8; left -= 8, at += 8) sip_word(v, base_load_u64(at));
  uint64_t last = (uint64_t)len_bytes << 56;
  for (size_t i = 0; i < left; i++) last |= (uint64_t)at[i] << (8 * i);
  sip_word(v, last);
  v[2] ^= 0xFF;
  for (int i = 0; i < 3; i++) sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t base_hash(const void *bytes, size_t len_bytes) {
  pthread_once(&key_once, make_key);
  return sip(key, bytes, len_bytes);
}

uint64_t base_checksum(const void *bytes, size_t len_bytes) {
  static const uint64_t none[2];
  return sip(none, bytes, len_bytes);
}
