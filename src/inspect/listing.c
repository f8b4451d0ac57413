/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Functions with the machine code that a tier makes of them, side by side:
 *
 *     src/fac.c:3:10
 *     000004c:    i32.add                             15: 01 f8                    add eax, edi
 *
 * The tier tells which bytes belong to which wasm instruction (engine_tier.list). They are shown beside it wherever they
 * lie, so that what is out of line (traps, slow paths) is found at the instruction that needs it; the address in front of
 * each tells where it is. What belongs to no instruction comes first (the prologue) or last. Lines of the source come from
 * DWARF where the module has it, names of machine instructions from libcay-machine.so where that is installed; otherwise
 * there are bytes alone. */
#include "inspect/parts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { MACHINE_COLUMN = 48, BYTES_WIDTH = 24, ROW_BYTES = 8, POSITION_BYTES = 512 };

struct piece {
  uint32_t offset, position; /* of the wasm instruction; of the bytes in the function's code */
  uint32_t bytes, count;     /* in `bytes` */
  bool is_data;
};

struct inspect_listing {
  struct module *module;
  const struct engine_tier *tier;
  void *code;
  struct inspect_debug debug;
  const struct inspect_machine_table *table;
  struct inspect_machine *machine; /* NULL: bytes alone */

  /* Of the function that is being written. */
  BASE_VEC(struct piece) pieces;
  BASE_VEC(uint8_t) bytes;
  bool no_memory;
  size_t next; /* piece that is not written yet */
  char position[POSITION_BYTES];
};

enum cay_status inspect_listing_new(struct module *module, const struct engine_tier *tier, struct inspect_listing **out,
                                    struct cay_error *error) {
  const struct engine_code_options options = {.explicit_bounds = false};
  const void *const *entries;
  assert(tier->list);
  struct inspect_listing *listing = base_alloc_zero(1, sizeof *listing);
  if (!listing) return base_error_memory(error);
  listing->tier = tier;
  listing->module = module_retain(module);
  enum cay_status status = tier->code_new(module, &options, &listing->code, &entries, error);
  if (status != CAY_OK) {
    inspect_listing_free(listing);
    return status;
  }
  inspect_debug_open(&listing->debug, inspect_debug_load(), module);
  listing->table = base_os_plugin("machine", "inspect_machine_table", NULL);
  if (listing->table) listing->machine = listing->table->open();
  *out = listing;
  return CAY_OK;
}

void inspect_listing_free(struct inspect_listing *listing) {
  if (!listing) return;
  if (listing->machine) listing->table->close(listing->machine);
  inspect_debug_close(&listing->debug);
  if (listing->code) listing->tier->code_free(listing->code);
  BASE_VEC_DEINIT(&listing->pieces);
  BASE_VEC_DEINIT(&listing->bytes);
  module_release(listing->module);
  base_free(listing);
}

/* ---- Pieces -------------------------------------------------------------------------------------------------------- */

static void keep_piece(void *env, const struct engine_code_piece *piece) {
  struct inspect_listing *listing = env;
  size_t start = listing->bytes.count;
  struct piece *kept = BASE_VEC_PUSH(&listing->pieces);
  if (!kept || !BASE_VEC_RESERVE(&listing->bytes, start + piece->len_bytes)) {
    listing->no_memory = true;
    return;
  }
  memcpy(listing->bytes.items + start, piece->bytes, piece->len_bytes);
  listing->bytes.count = start + piece->len_bytes;
  bool is_last = piece->offset == 0 && piece->position > 0;
  *kept = (struct piece){is_last ? UINT32_MAX : piece->offset, piece->position, (uint32_t)start,
                         (uint32_t)piece->len_bytes, piece->is_data};
}

static int compare_pieces(const void *a, const void *b) {
  const struct piece *first = a, *second = b;
  if (first->offset != second->offset) return first->offset < second->offset ? -1 : 1;
  return (first->position > second->position) - (first->position < second->position);
}

/* ---- Lines ---------------------------------------------------------------------------------------------------------- */

/* Goes to the machine code's column of the line that starts at byte `line` of the text. */
static void pad(struct base_text *out, size_t line, size_t column) {
  size_t width = out->len_bytes - line;
  base_text_format(out, "%*s", width < column ? (int)(column - width) : 1, "");
}

static void add_bytes(struct base_text *out, const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) base_text_format(out, "%02x ", bytes[i]);
}

/* One machine instruction, or a row of bytes; how many bytes it took. */
static size_t add_machine(struct inspect_listing *listing, const struct piece *piece, size_t at,
                          struct base_text *out) {
  const uint8_t *bytes = listing->bytes.items + piece->bytes + at;
  size_t left = piece->count - at, taken = 0;
  char text[256] = "";
  if (listing->machine && !piece->is_data)
    taken = listing->table->decode(listing->machine, bytes, left, piece->position + at, text, sizeof text);
  if (taken == 0) taken = left < ROW_BYTES ? left : ROW_BYTES;
  base_text_format(out, "%5zx: ", piece->position + at);
  size_t start = out->len_bytes;
  add_bytes(out, bytes, taken);
  if (text[0]) {
    pad(out, start, BYTES_WIDTH);
    base_text_addz(out, text);
  }
  return taken;
}

/* The pieces of the wasm instruction at `offset` and of none before it; the first goes on in the line of the text that
 * starts at byte `line`. */
static void add_pieces(struct inspect_listing *listing, uint32_t offset, size_t line, struct base_text *out) {
  bool is_first = true;
  for (; listing->next < listing->pieces.count && listing->pieces.items[listing->next].offset <= offset;
       listing->next++) {
    const struct piece *piece = &listing->pieces.items[listing->next];
    for (size_t at = 0; at < piece->count && !out->failed; is_first = false) {
      if (!is_first) {
        base_text_addz(out, "\n");
        line = out->len_bytes;
      }
      pad(out, line, MACHINE_COLUMN);
      at += add_machine(listing, piece, at, out);
    }
  }
}

/* The place in the source, where it is another than that of the instruction before. */
static void add_position(struct inspect_listing *listing, uint32_t offset, struct base_text *out) {
  struct inspect_position position;
  char file[POSITION_BYTES - 32], text[POSITION_BYTES];
  if (!inspect_debug_find(&listing->debug, listing->module, offset, &position, 1) || !position.file) return;
  base_printable(file, sizeof file, position.file, strlen(position.file));
  snprintf(text, sizeof text, "%s:%d:%d", file, position.line, position.column);
  if (strcmp(text, listing->position) == 0) return;
  memcpy(listing->position, text, sizeof text);
  base_text_format(out, "  %s\n", text);
}

/* ---- Functions ------------------------------------------------------------------------------------------------------- */

static void before(void *env, uint32_t offset, struct base_text *out) {
  struct inspect_listing *listing = env;
  size_t line = out->len_bytes, next = listing->next;
  add_pieces(listing, offset - 1, line, out);
  if (listing->next != next) base_text_addz(out, "\n");
  add_position(listing, offset, out);
}

static void after(void *env, uint32_t offset, size_t line, struct base_text *out) {
  add_pieces(env, offset, line, out);
}

enum cay_status inspect_listing_add(struct inspect_listing *listing, uint32_t func, struct base_text *out,
                                    struct cay_error *error) {
  struct cay_error reason;
  listing->pieces.count = listing->bytes.count = listing->next = 0;
  listing->no_memory = false;
  listing->position[0] = 0;
  enum cay_status status = listing->tier->list(listing->code, func, keep_piece, listing, &reason);
  if (status == CAY_ERROR_UNSUPPORTED)
    base_text_format(out, "not for %s: %s\n", listing->tier->name, reason.text);
  else if (status != CAY_OK || listing->no_memory)
    return base_error_memory(error);
  if (listing->pieces.count)
    qsort(listing->pieces.items, listing->pieces.count, sizeof *listing->pieces.items, compare_pieces);
  status = inspect_function(listing->module, func, &(struct inspect_columns){before, after, listing}, out, error);
  size_t line = out->len_bytes, next = listing->next;
  if (status == CAY_OK) add_pieces(listing, UINT32_MAX, line, out);
  if (listing->next != next) base_text_addz(out, "\n");
  return status;
}
