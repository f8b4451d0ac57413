/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Building small binary modules for tests, in a fixed buffer.
 *
 *   struct build b = {0};
 *   build_head(&b);
 *   build_section(&b, 1, "\x01\x60\x00\x00", 4);
 *   BUILD_SECTION(&b, 3, 1, 0); */
#ifndef TESTS_UNIT_MODULE_BUILD_H
#define TESTS_UNIT_MODULE_BUILD_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "module/module.h"

struct build {
  uint8_t bytes[4096];
  size_t len_bytes;
};

static inline void build_bytes(struct build *b, const void *bytes, size_t len_bytes) {
  assert(b->len_bytes + len_bytes <= sizeof b->bytes);
  memcpy(b->bytes + b->len_bytes, bytes, len_bytes);
  b->len_bytes += len_bytes;
}

static inline void build_u32(struct build *b, uint32_t value) {
  for (; value >= 0x80; value >>= 7) build_bytes(b, &(uint8_t){(uint8_t)(value | 0x80)}, 1);
  build_bytes(b, &(uint8_t){(uint8_t)value}, 1);
}

static inline void build_head(struct build *b) { build_bytes(b, "\0asm\1\0\0\0", 8); }

static inline void build_section(struct build *b, uint8_t id, const void *contents, size_t len_bytes) {
  build_bytes(b, &id, 1);
  build_u32(b, (uint32_t)len_bytes);
  build_bytes(b, contents, len_bytes);
}
#define BUILD_SECTION(b, id, ...) \
  build_section((b), (id), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Head, type section with one function type () -> (), one function of it, and its body from `code`, which begins with
 * the locals. */
static inline void build_one_body(struct build *b, const void *code, size_t len_bytes) {
  struct build section = {0};
  build_head(b);
  BUILD_SECTION(b, 1, 1, 0x60, 0, 0);
  BUILD_SECTION(b, 3, 1, 0);
  build_u32(&section, 1);
  build_u32(&section, (uint32_t)len_bytes);
  build_bytes(&section, code, len_bytes);
  build_section(b, 10, section.bytes, section.len_bytes);
}
#define BUILD_BODY(b, ...) build_one_body((b), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline enum cay_status build_load(const struct build *b, struct module **out, struct cay_error *error) {
  /* From an allocation of the exact size, so that the sanitizer sees a read behind the end. */
  uint8_t *exact = base_alloc(b->len_bytes);
  memcpy(exact, b->bytes, b->len_bytes);
  enum cay_status status =
      module_load(exact, b->len_bytes, MODULE_BYTES_COPY, MODULE_FEATURES_DEFAULT, NULL, out, error);
  base_free(exact);
  return status;
}

#endif
