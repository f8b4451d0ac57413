/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Runs the line programs of .debug_line: which wasm instruction each byte of code belongs to. DWARF 4, section 6.2. Of the
 * rows only address and line matter, and "line" is an offset in the wasm module; the header's names are skipped. */
#include <stdlib.h>

#include "tiers/optimizer/helper/helper.h"

struct program {
  const uint8_t *at, *end;
  uint8_t least_bytes, line_range, opcode_base;
  int8_t line_base;
  uint8_t lengths[256];
  uint64_t address, line;
};

static uint64_t read_unsigned(struct program *p) {
  uint64_t value = 0;
  uint8_t byte = 0x80;
  for (unsigned shift = 0; p->at < p->end && (byte & 0x80); shift += 7) {
    byte = *p->at++;
    if (shift < 64) value |= (uint64_t)(byte & 0x7F) << shift;
  }
  return value;
}

static int64_t read_signed(struct program *p) {
  uint64_t value = 0;
  unsigned shift = 0;
  uint8_t byte = 0x80;
  while (p->at < p->end && (byte & 0x80)) {
    byte = *p->at++;
    if (shift < 64) value |= (uint64_t)(byte & 0x7F) << shift;
    shift += 7;
  }
  if (shift < 64 && (byte & 0x40)) value |= ~UINT64_C(0) << shift;
  return (int64_t)value;
}

/* A later row for the same place counts. */
static bool add_row(const struct program *p, struct object_code *out) {
  struct wire_line *newest = out->lines.count ? &out->lines.items[out->lines.count - 1] : NULL;
  if (!newest || newest->position != p->address) newest = BASE_VEC_PUSH(&out->lines);
  if (!newest) return false;
  *newest = (struct wire_line){(uint32_t)p->address, (uint32_t)p->line};
  return true;
}

static void begin_sequence(struct program *p) {
  p->address = 0;
  p->line = 1;
}

static bool run_extended(struct program *p, struct object_code *out) {
  enum { END_SEQUENCE = 1, SET_ADDRESS = 2 };
  uint64_t len = read_unsigned(p);
  if (len == 0 || len > (uint64_t)(p->end - p->at)) return false;
  const uint8_t *next = p->at + len;
  if (*p->at == SET_ADDRESS && len == 9) p->address = base_load_u64(p->at + 1);
  bool done = true;
  if (*p->at == END_SEQUENCE) {
    p->line = 0;
    done = add_row(p, out);
    begin_sequence(p);
  }
  p->at = next;
  return done;
}

static void advance(struct program *p, uint8_t opcode) {
  p->address += (uint64_t)((opcode - p->opcode_base) / p->line_range) * p->least_bytes;
}

static bool run_standard(struct program *p, uint8_t opcode, struct object_code *out) {
  enum {
    COPY = 1,
    ADVANCE_PC,
    ADVANCE_LINE,
    SET_FILE,
    SET_COLUMN,
    NEGATE,
    BASIC_BLOCK,
    CONST_ADD_PC,
    FIXED_ADVANCE_PC
  };
  switch (opcode) {
  case COPY: return add_row(p, out);
  case ADVANCE_PC: p->address += read_unsigned(p) * p->least_bytes; return true;
  case ADVANCE_LINE: p->line = (uint64_t)((int64_t)p->line + read_signed(p)); return true;
  case CONST_ADD_PC: advance(p, 255); return true;
  case FIXED_ADVANCE_PC:
    if (p->end - p->at < 2) return false;
    p->address += base_load_u16(p->at);
    p->at += 2;
    return true;
  default:
    for (uint8_t i = 0; i < p->lengths[opcode]; i++) read_unsigned(p);
    return true;
  }
}

static bool run(struct program *p, struct object_code *out) {
  begin_sequence(p);
  while (p->at < p->end) {
    uint8_t opcode = *p->at++;
    bool done;
    if (opcode >= p->opcode_base) {
      advance(p, opcode);
      p->line = (uint64_t)((int64_t)p->line + p->line_base + (opcode - p->opcode_base) % p->line_range);
      done = add_row(p, out);
    } else {
      done = opcode == 0 ? run_extended(p, out) : run_standard(p, opcode, out);
    }
    if (!done) return false;
  }
  return true;
}

static int by_position(const void *left, const void *right) {
  const struct wire_line *a = left, *b = right;
  return a->position < b->position ? -1 : a->position > b->position;
}

/* Sequences may come in any order; of the end of one and the start of the next at the same place the start counts. */
static void sort(struct object_code *out) {
  qsort(out->lines.items, out->lines.count, sizeof *out->lines.items, by_position);
  size_t kept = 0;
  for (size_t i = 0; i < out->lines.count; i++) {
    struct wire_line line = out->lines.items[i];
    if (line.position >= out->bytes.count) continue;
    bool repeats = kept && out->lines.items[kept - 1].position == line.position;
    if (repeats && line.offset == 0) continue;
    out->lines.items[repeats ? kept - 1 : kept++] = line;
  }
  out->lines.count = kept;
}

bool lines_read(const uint8_t *bytes, size_t len_bytes, struct object_code *out) {
  enum { HEAD_BYTES = 10, FIXED_BYTES = 6 };
  const uint8_t *at = bytes, *end = bytes + len_bytes;
  while (end - at >= HEAD_BYTES + FIXED_BYTES) {
    uint32_t unit = base_load_u32(at), header = base_load_u32(at + 6);
    if (unit > (size_t)(end - at) - 4 || base_load_u16(at + 4) != 4 || header > unit - 6) return false;
    const uint8_t *fixed = at + HEAD_BYTES;
    struct program p = {.at = fixed + header,
                        .end = at + 4 + unit,
                        .least_bytes = fixed[0],
                        .line_base = (int8_t)fixed[3],
                        .line_range = fixed[4],
                        .opcode_base = fixed[5]};
    if (p.line_range == 0) return false;
    for (unsigned i = 1; i < p.opcode_base; i++) p.lengths[i] = fixed[5 + i];
    if (!run(&p, out)) return false;
    at = p.end;
  }
  sort(out);
  return true;
}
