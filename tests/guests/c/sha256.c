/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* sha256 FILE: prints the SHA-256 of a file, as sha256sum does. FIPS 180-4. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t round_constants[64];
static uint32_t state[8];

static uint32_t rotated(uint32_t x, int by) { return x >> by | x << (32 - by); }

/* The first 32 bits of the fractional part of a positive integer's root, found with integers only: the greatest x with
 * (x / 2^32)^power <= prime, less its whole part. */
static uint32_t root_fraction(unsigned prime, int power) {
  uint64_t low = 0, high = (uint64_t)32 << 32;
  while (high - low > 1) {
    uint64_t middle = low + (high - low) / 2;
    unsigned __int128 product = (unsigned __int128)middle * middle * (power == 3 ? middle : 1);
    unsigned __int128 limit = (unsigned __int128)prime << 32 * power;
    if (product <= limit)
      low = middle;
    else
      high = middle;
  }
  return (uint32_t)low;
}

static int is_prime(unsigned n) {
  for (unsigned d = 2; d * d <= n; d++)
    if (n % d == 0) return 0;
  return n > 1;
}

static void prepare(void) {
  int found = 0;
  for (unsigned n = 2; found < 64; n++) {
    if (!is_prime(n)) continue;
    if (found < 8) state[found] = root_fraction(n, 2);
    round_constants[found++] = root_fraction(n, 3);
  }
}

static void digest_block(const uint8_t *block) {
  uint32_t w[64], v[8];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
           block[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t a = rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t b = rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  memcpy(v, state, sizeof v);
  for (int i = 0; i < 64; i++) {
    uint32_t mixed = rotated(v[4], 6) ^ rotated(v[4], 11) ^ rotated(v[4], 25);
    uint32_t first = v[7] + mixed + ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_constants[i] + w[i];
    uint32_t second =
        (rotated(v[0], 2) ^ rotated(v[0], 13) ^ rotated(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof v[0]);
    v[4] += first;
    v[0] = first + second;
  }
  for (int i = 0; i < 8; i++) state[i] += v[i];
}

/* The last bytes, the bit 1, zeros and the length in bits. */
static void digest_end(uint8_t *block, size_t used, uint64_t length) {
  block[used++] = 0x80;
  if (used > 56) {
    memset(block + used, 0, 64 - used);
    digest_block(block);
    used = 0;
  }
  memset(block + used, 0, 56 - used);
  for (int i = 0; i < 8; i++) block[56 + i] = (uint8_t)(length * 8 >> (56 - 8 * i));
  digest_block(block);
}

int main(int argc, char **argv) {
  static uint8_t buffer[1 << 16];
  FILE *file = argc == 2 ? fopen(argv[1], "rb") : stdin;
  if (!file) {
    perror(argv[1]);
    return 1;
  }
  uint64_t length = 0;
  size_t got, done = 0;
  prepare();
  while ((got = fread(buffer, 1, sizeof buffer, file)) > 0) {
    length += got;
    for (done = 0; done + 64 <= got; done += 64) digest_block(buffer + done);
    if (got < sizeof buffer) break;
  }
  digest_end(memmove(buffer, buffer + done, length % 64), length % 64, length);
  for (int i = 0; i < 8; i++) printf("%08x", (unsigned)state[i]);
  printf("  %s\n", argc == 2 ? argv[1] : "-");
  return 0;
}
