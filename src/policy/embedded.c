/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The manifest inside a module: its custom section "cay.manifest". Only the frames of sections are read, so that a module
 * can be looked at before it is decoded, and the same for every version of the format. */
#include "policy/parts.h"

struct section {
  size_t start, end, content; /* of the whole section; of what follows its name */
  bool is_manifest;
};

static bool read_length(const uint8_t *bytes, size_t len, size_t *at, size_t *out) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    if (*at == len) return false;
    uint8_t byte = bytes[(*at)++];
    value |= (uint64_t)(byte & 0x7F) << shift;
    if (!(byte & 0x80)) {
      *out = (size_t)value;
      return value <= UINT32_MAX;
    }
  }
  return false;
}

/* The section that starts at `*at`, which moves behind it. False: there is none, or the frame is broken. */
static bool next_section(const uint8_t *bytes, size_t len, size_t *at, struct section *out) {
  static const char name[] = POLICY_MANIFEST_SECTION;
  size_t size, name_len, p = *at;
  *out = (struct section){.start = p};
  if (p >= len) return false;
  uint8_t id = bytes[p++];
  if (!read_length(bytes, len, &p, &size) || size > len - p) return false;
  *at = out->end = p + size;
  if (id == 0 && read_length(bytes, out->end, &p, &name_len) && name_len <= out->end - p) {
    out->is_manifest = name_len == sizeof name - 1 && memcmp(bytes + p, name, name_len) == 0;
    out->content = p + name_len;
  }
  return true;
}

enum { HEADER_BYTES = 8 };

static bool is_module(const uint8_t *bytes, size_t len) {
  return len >= HEADER_BYTES && memcmp(bytes, "\0asm", 4) == 0;
}

bool policy_embedded_find(const void *module, size_t len_bytes, const void **bytes, size_t *found_bytes) {
  struct section section;
  size_t at = HEADER_BYTES;
  if (!is_module(module, len_bytes)) return false;
  while (next_section(module, len_bytes, &at, &section))
    if (section.is_manifest) {
      *bytes = (const uint8_t *)module + section.content;
      *found_bytes = section.end - section.content;
      return true;
    }
  return false;
}

static void add_length(struct base_text *out, size_t value) {
  do {
    char byte = (char)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
    base_text_add(out, &byte, 1);
    value >>= 7;
  } while (value);
}

enum cay_status policy_embedded_put(const void *module, size_t len_bytes, const void *manifest, size_t manifest_bytes,
                                    struct base_text *out, struct cay_error *error) {
  static const char name[] = POLICY_MANIFEST_SECTION;
  struct section section;
  size_t at = HEADER_BYTES;
  if (!is_module(module, len_bytes))
    return base_error_set(error, CAY_ERROR_MALFORMED, "this is not a WebAssembly module");
  base_text_add(out, module, HEADER_BYTES);
  while (next_section(module, len_bytes, &at, &section))
    if (!section.is_manifest) base_text_add(out, (const char *)module + section.start, section.end - section.start);
  if (at != len_bytes)
    return base_error_set_at(error, CAY_ERROR_MALFORMED, at, "a section does not fit into the module");
  base_text_add(out, "", 1);
  add_length(out, 1 + sizeof name - 1 + manifest_bytes);
  add_length(out, sizeof name - 1);
  base_text_addz(out, name);
  base_text_add(out, manifest, manifest_bytes);
  return out->failed ? base_error_memory(error) : CAY_OK;
}
