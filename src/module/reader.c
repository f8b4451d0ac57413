/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Pieces of the binary format: numbers, names and types.
 *
 * LEB128 numbers have a fast path for one byte in reader.h; here is the loop for longer ones. A number of N bits takes
 * at most ceil(N / 7) bytes, and the unused bits of the last one must repeat the sign (or be zero): the specification
 * tells two errors apart, "representation too long" and "too large", and so do the messages.
 *
 * Types are checked against the proposals here, at the place where they are read, so that nothing behind the reader
 * ever sees a type that is switched off. */
#include "module/reader.h"

#include <assert.h>
#include <stdio.h>

void module_reader_report(struct module_reader *reader, enum cay_status status, uint32_t offset, const char *format,
                          ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  base_error_set_at(reader->error, status, offset, "%s", text);
}

bool module_reader_refuse(struct module_reader *reader, enum module_feature feature, uint32_t offset,
                          const char *format, va_list arguments) {
  char text[160];
  vsnprintf(text, sizeof text, format, arguments);
  const char *name = module_feature_name(feature);
  if (!(MODULE_FEATURES_RUNNABLE >> feature & 1))
    return module_reader_fail(reader, CAY_ERROR_UNSUPPORTED, offset,
                              "%s uses the proposal %s, which is not enabled (this version does not have it)", text,
                              name);
  return module_reader_fail(reader, CAY_ERROR_UNSUPPORTED, offset,
                            "%s uses the proposal %s, which is not enabled (-W %s=y)", text, name, name);
}

bool module_reader_need(struct module_reader *reader, enum module_feature feature, uint32_t offset, const char *format,
                        ...) {
  assert(feature < MODULE_FEATURE_COUNT);
  reader->features_used |= UINT64_C(1) << feature;
  if (BASE_LIKELY(reader->features >> feature & 1)) return true;
  va_list arguments;
  va_start(arguments, format);
  module_reader_refuse(reader, feature, offset, format, arguments);
  va_end(arguments);
  return false;
}

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */

static bool cut_off(struct module_reader *reader, const char *what) {
  return module_reader_fail(reader, CAY_ERROR_MALFORMED, reader->end, "unexpected end in the %s", what);
}

/* A number of `bits` bits (at most 64), signed or not, as two's complement bits. */
static bool read_leb(struct module_reader *reader, const char *what, unsigned bits, bool is_signed, uint64_t *out) {
  assert(bits >= 32 && bits <= 64);
  uint32_t start = reader->cursor;
  uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    if (reader->cursor >= reader->end) return cut_off(reader, what);
    uint8_t byte = reader->bytes[reader->cursor++];
    value |= (uint64_t)(byte & 0x7F) << shift;
    if (shift + 7 >= bits) {
      if (byte & 0x80) {
        return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "the %s is a number of too many bytes", what);
      }
      unsigned used = bits - shift; /* of the last byte's 7 bits */
      unsigned rest = (byte & 0x7Fu) >> (is_signed ? used - 1 : used), ones = 0x7Fu >> (used - 1);
      if (rest != 0 && !(is_signed && rest == ones)) {
        return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "the %s does not fit in %u bits", what, bits);
      }
    }
    if (!(byte & 0x80)) {
      if (is_signed && (byte & 0x40) && shift + 7 < 64) value |= ~UINT64_C(0) << (shift + 7);
      break;
    }
  }
  *out = value;
  return true;
}

bool module_read_u32_long(struct module_reader *reader, const char *what, uint32_t *out) {
  uint64_t value = 0;
  if (!read_leb(reader, what, 32, false, &value)) return false;
  *out = (uint32_t)value;
  return true;
}

bool module_read_s32_long(struct module_reader *reader, const char *what, uint32_t *out) {
  uint64_t value = 0;
  if (!read_leb(reader, what, 32, true, &value)) return false;
  *out = (uint32_t)value;
  return true;
}

bool module_read_u64(struct module_reader *reader, const char *what, uint64_t *out) {
  return read_leb(reader, what, 64, false, out);
}

bool module_read_s64(struct module_reader *reader, const char *what, uint64_t *out) {
  return read_leb(reader, what, 64, true, out);
}

bool module_read_s33(struct module_reader *reader, const char *what, int64_t *out) {
  uint64_t value = 0;
  if (!read_leb(reader, what, 33, true, &value)) return false;
  *out = (int64_t)value;
  return true;
}

/* ---- Bytes, names, counts ---------------------------------------------------------------------------------------- */

bool module_read_byte(struct module_reader *reader, const char *what, uint8_t *out) {
  assert(reader->cursor <= reader->end);
  if (reader->cursor == reader->end) return cut_off(reader, what);
  *out = reader->bytes[reader->cursor++];
  return true;
}

bool module_read_skip(struct module_reader *reader, const char *what, uint32_t len_bytes) {
  assert(reader->cursor <= reader->end);
  if (len_bytes > reader->end - reader->cursor) {
    return module_reader_fail(reader, CAY_ERROR_MALFORMED, reader->cursor,
                              "the %s takes %u bytes, but only %u are left", what, len_bytes,
                              reader->end - reader->cursor);
  }
  reader->cursor += len_bytes;
  return true;
}

bool module_read_name(struct module_reader *reader, const char *what, struct module_name *out) {
  uint32_t len_bytes;
  if (!module_read_u32(reader, what, &len_bytes)) return false;
  uint32_t start = reader->cursor;
  if (!module_read_skip(reader, what, len_bytes)) return false;
  *out = (struct module_name){(const char *)reader->bytes + start, len_bytes};
  if (base_utf8_valid(out->bytes, len_bytes)) return true;
  return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "the %s is not valid UTF-8", what);
}

bool module_read_count(struct module_reader *reader, const char *what, uint32_t entry_bytes, uint32_t limit,
                       uint32_t *out) {
  assert(entry_bytes > 0);
  uint32_t start = reader->cursor;
  if (!module_read_u32(reader, what, out)) return false;
  if (*out > (reader->end - reader->cursor) / entry_bytes) {
    return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "the %s is %u, but only %u bytes follow", what, *out,
                              reader->end - reader->cursor);
  }
  if (*out <= limit) return true;
  return module_reader_fail(reader, CAY_ERROR_LIMIT, start, "the %s is %u; at most %u are allowed", what, *out, limit);
}

/* ---- Types ------------------------------------------------------------------------------------------------------- */

/* The proposal that brought an abstract heap type, by its code; MODULE_FEATURE_COUNT: unknown. */
static enum module_feature heap_code_feature(uint8_t code) {
  switch (code) {
  case 0x70:
  case 0x6F: return MODULE_FEATURE_REFERENCE_TYPES;
  case 0x69:
  case 0x74: return MODULE_FEATURE_EXCEPTIONS;
  case 0x6A:
  case 0x6B:
  case 0x6C:
  case 0x6D:
  case 0x6E:
  case 0x71:
  case 0x72:
  case 0x73: return MODULE_FEATURE_GC;
  default: return MODULE_FEATURE_COUNT;
  }
}

static bool need_heap_code(struct module_reader *reader, uint8_t code, uint32_t offset) {
  enum module_feature feature = heap_code_feature(code);
  if (feature == MODULE_FEATURE_COUNT) {
    return module_reader_unknown(reader, MODULE_CODES_VALUE_TYPE, "reference type", code, offset);
  }
  char name[32];
  return module_reader_need(reader, feature, offset, "the type %s",
                            module_type_name(MODULE_REF | MODULE_REF_NULL | MODULE_HEAP_ABSTRACT | code, name));
}

bool module_read_heap_type(struct module_reader *reader, module_type *out) {
  uint32_t start = reader->cursor;
  int64_t value;
  if (!module_read_s33(reader, "heap type", &value)) return false;
  if (value < 0) {
    if (value < -0x40 || reader->cursor - start > 1) { /* abstract ones are bytes, not numbers of any length */
      return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown heap type %lld", (long long)value);
    }
    uint8_t code = (uint8_t)(value & 0x7F);
    *out = MODULE_HEAP_ABSTRACT | code;
    return need_heap_code(reader, code, start);
  }
  if (value >= MODULE_HEAP_ABSTRACT || (reader->module && value >= reader->type_limit)) {
    return module_reader_fail(reader, CAY_ERROR_INVALID, start, "unknown type %lld", (long long)value);
  }
  *out = (module_type)value;
  if (reader->module && value < reader->module->type_count) *out = reader->module->types[value].canonical;
  return module_reader_need(reader, MODULE_FEATURE_FUNCTION_REFERENCES, start, "a reference to type %u", *out);
}

/* (ref null HEAP) or (ref HEAP), the code being read. */
static bool read_typed_ref(struct module_reader *reader, uint8_t code, uint32_t start, module_type *out) {
  if (!module_reader_need(reader, MODULE_FEATURE_FUNCTION_REFERENCES, start, "a typed reference")) return false;
  module_type heap;
  if (!module_read_heap_type(reader, &heap)) return false;
  *out = MODULE_REF | (code == 0x63 ? MODULE_REF_NULL : 0) | heap;
  return true;
}

bool module_read_value_type(struct module_reader *reader, module_type *out) {
  uint32_t start = reader->cursor;
  uint8_t code = 0;
  if (!module_read_byte(reader, "value type", &code)) return false;
  if (BASE_LIKELY(code >= MODULE_F64 && code <= MODULE_I32)) {
    *out = code;
    return true;
  }
  if (code == MODULE_V128) {
    *out = code;
    return module_reader_need(reader, MODULE_FEATURE_SIMD, start, "the type v128");
  }
  if (code == 0x63 || code == 0x64) return read_typed_ref(reader, code, start, out);
  if (heap_code_feature(code) == MODULE_FEATURE_COUNT) {
    return module_reader_unknown(reader, MODULE_CODES_VALUE_TYPE, "value type", code, start);
  }
  *out = MODULE_REF | MODULE_REF_NULL | MODULE_HEAP_ABSTRACT | code;
  return need_heap_code(reader, code, start);
}

bool module_read_ref_type(struct module_reader *reader, module_type *out) {
  uint32_t start = reader->cursor;
  if (start < reader->end && reader->bytes[start] == 0x70) { /* WebAssembly 1.0 has this one, in tables */
    reader->cursor++;
    *out = MODULE_FUNCREF;
    return true;
  }
  if (!module_read_value_type(reader, out)) return false;
  if (module_type_is_ref(*out)) return true;
  char name[32];
  return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "%s is not a reference type",
                            module_type_name(*out, name));
}

bool module_read_block_type(struct module_reader *reader, int64_t *out) {
  uint32_t start = reader->cursor;
  if (start < reader->end && (reader->bytes[start] & 0xC0) == 0x40) { /* a negative number of one byte */
    uint8_t code = reader->bytes[start];
    if (code == 0x40) {
      reader->cursor++;
      *out = MODULE_BLOCK_EMPTY;
      return true;
    }
    module_type type;
    if (!module_read_value_type(reader, &type)) return false;
    *out = code == 0x63 || code == 0x64 ? INT64_MIN + (int64_t)type : (int64_t)code - 0x80;
    return true;
  }
  if (!module_read_s33(reader, "block type", out)) return false;
  if (*out < 0) return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "unknown block type");
  return module_reader_need(reader, MODULE_FEATURE_MULTI_VALUE, start, "a block with a type index");
}

module_type module_block_value_type(int64_t raw) {
  assert(raw < 0 && raw != MODULE_BLOCK_EMPTY);
  if (raw < -0x40) return (module_type)(raw - INT64_MIN);
  module_type code = (module_type)(raw + 0x80);
  return code >= MODULE_V128 ? code : MODULE_REF | MODULE_REF_NULL | MODULE_HEAP_ABSTRACT | code;
}
