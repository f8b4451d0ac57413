/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Digests of runs: SHA-256 over numbers in little-endian order and bytes of the guest, so that it is the same on every
 * host. References are pointers of the host: of them only whether they are null counts. */
#include "api/parts.h"

void api_digest_add(void *sha256, const void *bytes, size_t len_bytes) { base_sha256_add(sha256, bytes, len_bytes); }

void api_digest_number(struct base_sha256 *hash, uint64_t value) {
  uint8_t bytes[8];
  for (unsigned i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(value >> 8 * i);
  base_sha256_add(hash, bytes, sizeof bytes);
}

static bool is_zero(const uint8_t *bytes, size_t len_bytes) {
  return len_bytes == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len_bytes - 1) == 0);
}

/* Its length, and the parts that are not zero, each behind its place: most of a large memory is never touched. */
static void add_memory(struct base_sha256 *hash, const struct engine_memory *memory) {
  enum { PART_BYTES = 4096 };
  uint64_t len_bytes = memory->len_bytes;
  api_digest_number(hash, len_bytes);
  for (uint64_t at = 0; at < len_bytes; at += PART_BYTES) {
    size_t part = len_bytes - at < PART_BYTES ? (size_t)(len_bytes - at) : PART_BYTES;
    if (is_zero(memory->base + at, part)) continue;
    api_digest_number(hash, at);
    base_sha256_add(hash, memory->base + at, part);
  }
}

void api_digest_value(struct base_sha256 *hash, module_type type, const uint64_t *value) {
  switch (type) {
  case MODULE_I32:
  case MODULE_F32: api_digest_number(hash, (uint32_t)value[0]); break;
  case MODULE_I64:
  case MODULE_F64: api_digest_number(hash, value[0]); break;
  case MODULE_V128:
    api_digest_number(hash, value[0]);
    api_digest_number(hash, value[1]);
    break;
  default: api_digest_number(hash, value[0] != 0); break;
  }
}

void api_digest_state(struct base_sha256 *hash, const struct engine_store *store) {
  for (const struct engine_instance *instance = engine_store_instances(store); instance; instance = instance->next) {
    const struct module *module = instance->module;
    for (uint32_t i = 0; i < module->memory_count; i++) add_memory(hash, instance->memories[i]);
    for (uint32_t i = 0; i < module->global_count; i++)
      api_digest_value(hash, module->globals[i].type.type, instance->globals[i].cell->value);
  }
}
