/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* SHA-256: the vectors of FIPS 180-4's examples and of NIST's response files, and the two versions of the rounds. */
#include "base/sha256.h"
#include "test.h"

static const char *hex_of(const void *bytes, size_t len_bytes) {
  static char out[BASE_SHA256_HEX_BYTES];
  struct base_sha256 hash;
  uint8_t digest[BASE_SHA256_BYTES];
  base_sha256_init(&hash);
  base_sha256_add(&hash, bytes, len_bytes);
  base_sha256_finish(&hash, digest);
  base_sha256_hex(digest, out);
  return out;
}

TEST(vectors) {
  static const uint8_t one[] = {0xbd}, four[] = {0xc9, 0x8c, 0x8e, 0x55};
  static const uint8_t zeros[65];
  static const char *const text =
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
      "lmnopqrsmnopqrstnopqrstu";
  CHECK_TEXT(hex_of("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK_TEXT(hex_of("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_TEXT(hex_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
             "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK_TEXT(hex_of(text, strlen(text)), "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK_TEXT(hex_of(one, 1), "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
  CHECK_TEXT(hex_of(four, 4), "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504");
  CHECK_TEXT(hex_of(zeros, 55), "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
  CHECK_TEXT(hex_of(zeros, 56), "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb");
  CHECK_TEXT(hex_of(zeros, 57), "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785");
  CHECK_TEXT(hex_of(zeros, 64), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
}

TEST(a_million_bytes_in_pieces_of_every_length) {
  struct base_sha256 hash;
  uint8_t digest[BASE_SHA256_BYTES], piece[211];
  char hex[BASE_SHA256_HEX_BYTES];
  memset(piece, 'a', sizeof piece);
  base_sha256_init(&hash);
  for (size_t left = 1000000, len = 0; left; left -= len) {
    len = (len + 1) % sizeof piece;
    if (len > left) len = left;
    base_sha256_add(&hash, piece, len);
  }
  base_sha256_finish(&hash, digest);
  base_sha256_hex(digest, hex);
  CHECK_TEXT(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(both_versions_of_the_rounds_agree) {
  base_sha256_blocks *fast = base_sha256_fast();
  if (!fast) return;
  uint8_t bytes[8 * BASE_SHA256_BLOCK];
  for (unsigned round = 0; round < 100; round++) {
    uint32_t a[8], b[8];
    for (size_t at = 0; at < sizeof bytes; at += 256) base_os_random(bytes + at, 256);
    base_os_random(a, sizeof a);
    memcpy(b, a, sizeof a);
    base_sha256_plain()(a, bytes, 8);
    fast(b, bytes, 8);
    CHECK(memcmp(a, b, sizeof a) == 0);
  }
}

TEST_MAIN(RUN(vectors) RUN(a_million_bytes_in_pieces_of_every_length) RUN(both_versions_of_the_rounds_agree))
