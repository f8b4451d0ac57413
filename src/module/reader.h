/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Reading the binary format's pieces: bytes, LEB128 numbers, names, types. Private to the room `module`.
 *
 * Every function returns false after filling `error` when the bytes are not what they should be; then `cursor` is at
 * or near the culprit and the reader must not be used further. `what` names the piece in messages ("type index"). */
#ifndef MODULE_READER_H
#define MODULE_READER_H

#include "module/module.h"

struct module_reader {
  const uint8_t *bytes;
  uint32_t cursor, end; /* offsets in `bytes`; cursor <= end */
  module_features features;
  module_features features_used;
  const struct module *module; /* whose types may be named and are made canonical; NULL: any index, as it is */
  uint32_t type_limit;         /* below it types may be named; those from module->type_count on are not complete yet */
  struct cay_error *error;
};

BASE_COLD void module_reader_report(struct module_reader *reader, enum cay_status status, uint32_t offset,
                                    const char *format, ...) BASE_PRINTF(4, 5);
/* Fills in the error and is false: a macro, so that every compiler sees that. */
#define module_reader_fail(...) (module_reader_report(__VA_ARGS__), false)
/* "WHAT uses the proposal X, which is not enabled" unless it is; notes the use. `format` describes WHAT. */
BASE_COLD bool module_reader_refuse(struct module_reader *reader, enum module_feature feature, uint32_t offset,
                                    const char *format, va_list arguments);
bool module_reader_need(struct module_reader *reader, enum module_feature feature, uint32_t offset, const char *format,
                        ...) BASE_PRINTF(4, 5);

/* Refuses a code that means nothing in its place, `what`: as malformed, or as not supported when it belongs to a proposal
 * that cay does not have. Is false. */
enum module_codes { MODULE_CODES_OP, MODULE_CODES_OP_FB, MODULE_CODES_OP_FC, MODULE_CODES_OP_FD, MODULE_CODES_OP_FE,
                    MODULE_CODES_VALUE_TYPE, MODULE_CODES_TYPE_FORM, MODULE_CODES_IMPORT, MODULE_CODES_MUTABILITY,
                    MODULE_CODES_LIMITS /* of what cannot be shared */ };
BASE_COLD bool module_reader_unknown(struct module_reader *reader, enum module_codes codes, const char *what,
                                     uint32_t code, uint32_t offset);

bool module_read_u32_long(struct module_reader *reader, const char *what, uint32_t *out);
bool module_read_s32_long(struct module_reader *reader, const char *what, uint32_t *out);
bool module_read_u64(struct module_reader *reader, const char *what, uint64_t *out);
bool module_read_s64(struct module_reader *reader, const char *what, uint64_t *out);
bool module_read_s33(struct module_reader *reader, const char *what, int64_t *out);

static inline bool module_read_u32(struct module_reader *reader, const char *what, uint32_t *out) {
  if (BASE_LIKELY(reader->cursor < reader->end && reader->bytes[reader->cursor] < 0x80)) {
    *out = reader->bytes[reader->cursor++];
    return true;
  }
  return module_read_u32_long(reader, what, out);
}

/* A signed number as its two's complement bits. */
static inline bool module_read_s32(struct module_reader *reader, const char *what, uint32_t *out) {
  if (BASE_LIKELY(reader->cursor < reader->end && reader->bytes[reader->cursor] < 0x80)) {
    uint32_t byte = reader->bytes[reader->cursor++];
    *out = byte & 0x40 ? byte | ~(uint32_t)0x7F : byte;
    return true;
  }
  return module_read_s32_long(reader, what, out);
}

bool module_read_byte(struct module_reader *reader, const char *what, uint8_t *out);
/* Moves over `len_bytes` bytes. */
bool module_read_skip(struct module_reader *reader, const char *what, uint32_t len_bytes);
bool module_read_name(struct module_reader *reader, const char *what, struct module_name *out);
/* The number of entries of a vector: at most `limit`, and at most what the bytes that are left have room for, the
 * shortest entry taking `entry_bytes`. Memory for that many entries may be allocated at once. */
bool module_read_count(struct module_reader *reader, const char *what, uint32_t entry_bytes, uint32_t limit,
                       uint32_t *out);

bool module_read_value_type(struct module_reader *reader, module_type *out);
bool module_read_ref_type(struct module_reader *reader, module_type *out);
/* A heap type as the low bits of a module_type (no MODULE_REF). */
bool module_read_heap_type(struct module_reader *reader, module_type *out);
/* As struct module_insn's `imm.block.raw`. */
bool module_read_block_type(struct module_reader *reader, int64_t *out);

/* Reads one instruction: opcode and immediates, into `out`. */
bool module_read_insn(struct module_reader *reader, struct module_insn *out);
/* The immediates of out->op, the opcode being read. */
bool module_read_immediates(struct module_reader *reader, struct module_insn *out);

#endif
