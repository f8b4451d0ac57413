/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Source lines from a module's .debug_line, without a library: for programs that have none at hand, such as bundles. What
 * libdw reads beside it, inlined functions and the names of functions, is not known here; an address has one position, the
 * innermost.
 *
 * DWARF 2 to 5 (6.2 of its specification) as compilers make it for wasm: 32-bit offsets, one operation an instruction. The
 * programs of all units are run once, and their rows sorted; a lookup is a binary search. Rejected: running them at each lookup,
 * which makes a listing quadratic.
 *
 * All of it comes from the module and is hostile. Invariants: 1. a byte is read only where the cursor has it, and what
 * fails ends its unit; 2. every row, file and folder was paid for with a byte of the section, so memory is a small multiple of it
 * and time linear but for the sorting; so that files whose names are all one long text do not change that, nobody looks for
 * the end of a text in another section; 3. a text ends inside its section. */
#include <limits.h>
#include <stdlib.h>

#include "inspect/parts.h"

struct row {
  uint32_t address, line, file, order; /* `file` is an index of inspect_lines.files, UINT32_MAX: not known */
  uint32_t column : 31, ends : 1;      /* nothing is known from this address on */
};
struct file {
  const char *folder, *name; /* in the sections; `folder` NULL: the name alone */
  char *path;                /* both, once somebody has asked */
};
struct inspect_lines {
  struct inspect_line_sections sections;
  uint32_t code_bytes;
  BASE_VEC(struct row) rows;
  BASE_VEC(struct file) files;
};

/* ---- Reading ----------------------------------------------------------------------------------------------------------- */

struct cursor {
  const uint8_t *at, *end;
  bool failed;
};

static uint64_t take(struct cursor *cursor, size_t bytes) {
  uint64_t value = 0;
  if ((size_t)(cursor->end - cursor->at) < bytes || bytes > 8) {
    cursor->failed = true;
    cursor->at = cursor->end;
    return 0;
  }
  for (size_t i = 0; i < bytes; i++) value |= (uint64_t)cursor->at[i] << 8 * i;
  cursor->at += bytes;
  return value;
}

static void skip(struct cursor *cursor, uint64_t bytes) {
  if ((uint64_t)(cursor->end - cursor->at) < bytes) cursor->failed = true;
  cursor->at = cursor->failed ? cursor->end : cursor->at + bytes;
}

static uint64_t take_leb(struct cursor *cursor, bool is_signed) {
  uint64_t value = 0, byte;
  unsigned shift = 0;
  do {
    byte = take(cursor, 1);
    if (shift < 64) value |= (byte & 0x7F) << shift;
    shift += 7;
  } while (byte & 0x80);
  if (is_signed && shift < 64 && byte & 0x40) value |= UINT64_MAX << shift;
  return value;
}

static uint64_t take_unsigned(struct cursor *cursor) { return take_leb(cursor, false); }
static uint64_t take_signed(struct cursor *cursor) { return take_leb(cursor, true); }

/* NULL: it does not end. */
static const char *take_text(struct cursor *cursor) {
  const uint8_t *start = cursor->at;
  const uint8_t *end = cursor->at < cursor->end ? memchr(start, 0, (size_t)(cursor->end - start)) : NULL;
  if (!end) cursor->failed = true;
  cursor->at = end ? end + 1 : cursor->end;
  return end ? (const char *)start : NULL;
}

static struct cursor cursor_of(struct inspect_bytes section) {
  return (struct cursor){.at = section.bytes, .end = section.bytes ? section.bytes + section.len_bytes : NULL};
}

/* What ends its last text ends every one. */
static struct inspect_bytes texts_of(struct inspect_bytes section) {
  while (section.len_bytes > 0 && section.bytes[section.len_bytes - 1]) section.len_bytes--;
  return section;
}

static const char *text_at(struct inspect_bytes texts, uint64_t offset) {
  return offset < texts.len_bytes ? (const char *)texts.bytes + offset : NULL;
}

/* ---- Files ------------------------------------------------------------------------------------------------------------- */

struct unit {
  struct inspect_lines *lines;
  struct cursor cursor;
  unsigned version, least_bytes, line_range, opcode_base;
  int line_base;
  const uint8_t *operand_counts;  /* of the opcodes from 1 on */
  uint32_t first_file, file_base; /* of lines->files; what number the first one has */
  BASE_VEC(const char *) folders;
};

static void add_folder(struct unit *unit, const char *folder) {
  const char **place = BASE_VEC_PUSH(&unit->folders);
  if (place)
    *place = folder;
  else
    unit->cursor.failed = true;
}

static void add_file(struct unit *unit, const char *name, uint64_t folder) {
  struct file *file = unit->lines->files.count < UINT32_MAX ? BASE_VEC_PUSH(&unit->lines->files) : NULL;
  if (!file) {
    unit->cursor.failed = true;
    return;
  }
  /* Folder 0 is where it was compiled, and a name there needs no more. */
  bool is_elsewhere = folder > 0 && folder < unit->folders.count && name && name[0] != '/';
  *file = (struct file){.name = name, .folder = is_elsewhere ? unit->folders.items[folder] : NULL};
}

/* Before DWARF 5: two lists, each with an empty text behind it. */
static void take_file(struct unit *unit, const char *name) {
  uint64_t folder = take_unsigned(&unit->cursor);
  take_unsigned(&unit->cursor); /* when it was changed */
  take_unsigned(&unit->cursor); /* how long it is */
  add_file(unit, name, folder);
}

static void read_lists(struct unit *unit) {
  const char *text;
  unit->file_base = 1;
  add_folder(unit, "");
  while ((text = take_text(&unit->cursor)) && text[0]) add_folder(unit, text);
  while ((text = take_text(&unit->cursor)) && text[0]) take_file(unit, text);
}

enum form {
  FORM_BLOCK2 = 0x03,
  FORM_BLOCK4,
  FORM_DATA2,
  FORM_DATA4,
  FORM_DATA8,
  FORM_STRING,
  FORM_BLOCK,
  FORM_BLOCK1,
  FORM_DATA1,
  FORM_STRP = 0x0E,
  FORM_UDATA = 0x0F,
  FORM_DATA16 = 0x1E,
  FORM_LINE_STRP = 0x1F
};
enum { CONTENT_PATH = 1, CONTENT_FOLDER = 2 };

struct value {
  const char *text;
  uint64_t number;
};

/* A form of no bytes would let a file name entries without end; there is none here. */
static struct value take_value(struct unit *unit, uint64_t form) {
  struct cursor *cursor = &unit->cursor;
  const struct inspect_line_sections *sections = &unit->lines->sections;
  switch (form) {
  case FORM_STRING: return (struct value){.text = take_text(cursor)};
  case FORM_STRP: return (struct value){.text = text_at(sections->str, take(cursor, 4))};
  case FORM_LINE_STRP: return (struct value){.text = text_at(sections->line_str, take(cursor, 4))};
  case FORM_DATA1: return (struct value){.number = take(cursor, 1)};
  case FORM_DATA2: return (struct value){.number = take(cursor, 2)};
  case FORM_DATA4: return (struct value){.number = take(cursor, 4)};
  case FORM_DATA8: return (struct value){.number = take(cursor, 8)};
  case FORM_UDATA: return (struct value){.number = take_unsigned(cursor)};
  case FORM_DATA16: skip(cursor, 16); break;
  case FORM_BLOCK1: skip(cursor, take(cursor, 1)); break;
  case FORM_BLOCK2: skip(cursor, take(cursor, 2)); break;
  case FORM_BLOCK4: skip(cursor, take(cursor, 4)); break;
  case FORM_BLOCK: skip(cursor, take_unsigned(cursor)); break;
  default: cursor->failed = true;
  }
  return (struct value){0};
}

/* DWARF 5: a list says first what its entries are made of, as pairs of content and form. */
static void read_entries(struct unit *unit, bool are_files) {
  struct cursor *cursor = &unit->cursor;
  uint64_t pairs = take(cursor, 1);
  struct cursor format = *cursor;
  for (uint64_t i = 0; i < 2 * pairs; i++) take_unsigned(cursor);
  uint64_t count = take_unsigned(cursor);
  if (pairs == 0 && count > 0) cursor->failed = true;
  for (uint64_t i = 0; i < count && !cursor->failed; i++) {
    const char *path = NULL;
    uint64_t folder = 0;
    struct cursor pair = format;
    for (uint64_t k = 0; k < pairs; k++) {
      uint64_t content = take_unsigned(&pair);
      struct value value = take_value(unit, take_unsigned(&pair));
      if (content == CONTENT_PATH) path = value.text;
      if (content == CONTENT_FOLDER) folder = value.number;
    }
    if (are_files)
      add_file(unit, path, folder);
    else
      add_folder(unit, path);
  }
}

/* ---- Programs ---------------------------------------------------------------------------------------------------------- */

enum opcode {
  OP_EXTENDED,
  OP_COPY,
  OP_ADVANCE_ADDRESS,
  OP_ADVANCE_LINE,
  OP_FILE,
  OP_COLUMN,
  OP_NEGATE,
  OP_BLOCK,
  OP_CONST_ADD_ADDRESS,
  OP_FIXED_ADVANCE_ADDRESS
};
enum extended { EXTENDED_END = 1, EXTENDED_ADDRESS, EXTENDED_FILE };

struct machine {
  uint64_t address, file, column;
  uint32_t line;
  bool is_dead; /* what the linker has left out stands at address 0, or at none that there is */
};

static void begin(struct machine *machine) { *machine = (struct machine){.line = 1, .file = 1, .is_dead = true}; }

static void emit(struct unit *unit, const struct machine *machine, bool ends) {
  struct inspect_lines *lines = unit->lines;
  if (machine->is_dead || machine->address > lines->code_bytes) return;
  struct row *row = lines->rows.count < UINT32_MAX ? BASE_VEC_PUSH(&lines->rows) : NULL;
  if (!row) {
    unit->cursor.failed = true;
    return;
  }
  uint64_t file = machine->file - unit->file_base, files = lines->files.count - unit->first_file;
  *row = (struct row){.address = (uint32_t)machine->address,
                      .line = machine->line,
                      .file = file < files ? unit->first_file + (uint32_t)file : UINT32_MAX,
                      .order = (uint32_t)lines->rows.count,
                      .column = machine->column <= INT_MAX ? (uint32_t)machine->column : 0,
                      .ends = ends};
}

static void advance(const struct unit *unit, struct machine *machine, uint64_t operations) {
  machine->address += operations * unit->least_bytes;
}

static void run_extended(struct unit *unit, struct machine *machine) {
  struct cursor *cursor = &unit->cursor;
  uint64_t len_bytes = take_unsigned(cursor);
  struct cursor after = *cursor;
  skip(&after, len_bytes);
  uint64_t opcode = take(cursor, 1);
  if (after.failed || len_bytes == 0) {
    cursor->failed = true;
    return;
  }
  if (opcode == EXTENDED_END) {
    emit(unit, machine, true);
    begin(machine);
  } else if (opcode == EXTENDED_ADDRESS) {
    machine->address = take(cursor, (size_t)len_bytes - 1);
    machine->is_dead = machine->address == 0 || machine->address > unit->lines->code_bytes;
  } else if (opcode == EXTENDED_FILE) {
    const char *name = take_text(cursor);
    take_file(unit, name);
  }
  cursor->at = after.at;
}

static void run_special(struct unit *unit, struct machine *machine, unsigned opcode) {
  unsigned adjusted = opcode - unit->opcode_base;
  advance(unit, machine, adjusted / unit->line_range);
  machine->line += (uint32_t)(unit->line_base + (int)(adjusted % unit->line_range));
  emit(unit, machine, false);
}

static void run_standard(struct unit *unit, struct machine *machine, unsigned opcode) {
  struct cursor *cursor = &unit->cursor;
  switch (opcode) {
  case OP_EXTENDED: run_extended(unit, machine); break;
  case OP_COPY: emit(unit, machine, false); break;
  case OP_ADVANCE_ADDRESS: advance(unit, machine, take_unsigned(cursor)); break;
  case OP_ADVANCE_LINE: machine->line += (uint32_t)take_signed(cursor); break;
  case OP_FILE: machine->file = take_unsigned(cursor); break;
  case OP_COLUMN: machine->column = take_unsigned(cursor); break;
  case OP_CONST_ADD_ADDRESS: advance(unit, machine, (255 - unit->opcode_base) / unit->line_range); break;
  case OP_FIXED_ADVANCE_ADDRESS: machine->address += take(cursor, 2); break;
  default:
    for (unsigned i = 0; i < unit->operand_counts[opcode - 1]; i++) take_unsigned(cursor);
  }
}

static void run(struct unit *unit) {
  struct machine machine;
  begin(&machine);
  while (!unit->cursor.failed && unit->cursor.at < unit->cursor.end) {
    unsigned opcode = (unsigned)take(&unit->cursor, 1);
    if (opcode >= unit->opcode_base)
      run_special(unit, &machine, opcode);
    else
      run_standard(unit, &machine, opcode);
  }
}

static void read_head(struct unit *unit) {
  struct cursor *cursor = &unit->cursor;
  unit->version = (unsigned)take(cursor, 2);
  if (unit->version >= 5) skip(cursor, 2); /* how long an address and a selector are */
  uint64_t head_bytes = take(cursor, 4);
  struct cursor program = *cursor;
  skip(&program, head_bytes);
  unit->least_bytes = (unsigned)take(cursor, 1);
  if (unit->version >= 4) skip(cursor, 1); /* operations an instruction */
  skip(cursor, 1);                         /* whether a row begins a statement */
  unit->line_base = (int8_t)take(cursor, 1);
  unit->line_range = (unsigned)take(cursor, 1);
  unit->opcode_base = (unsigned)take(cursor, 1);
  unit->operand_counts = cursor->at;
  skip(cursor, unit->opcode_base ? unit->opcode_base - 1 : 0);
  if (unit->version < 2 || unit->version > 5 || unit->line_range == 0 || unit->opcode_base == 0) cursor->failed = true;
  if (unit->version >= 5) {
    read_entries(unit, false);
    read_entries(unit, true);
  } else {
    read_lists(unit);
  }
  program.failed |= cursor->failed;
  unit->cursor = program;
}

static void read_unit(struct inspect_lines *lines, struct cursor cursor) {
  struct unit unit = {.lines = lines, .cursor = cursor, .first_file = (uint32_t)lines->files.count};
  read_head(&unit);
  run(&unit);
  BASE_VEC_DEINIT(&unit.folders);
}

static void read_units(struct inspect_lines *lines) {
  enum { LONG_FORMAT = 0xFFFFFFF0 };
  struct cursor cursor = cursor_of(lines->sections.line);
  while (cursor.at < cursor.end) {
    uint64_t len_bytes = take(&cursor, 4);
    struct cursor unit = cursor;
    skip(&cursor, len_bytes);
    if (cursor.failed || len_bytes >= LONG_FORMAT) return;
    unit.end = cursor.at;
    read_unit(lines, unit);
  }
}

/* ---- Looking up -------------------------------------------------------------------------------------------------------- */

/* An end stands before what begins at the same address. */
static int compare(const void *a, const void *b) {
  const struct row *first = a, *second = b;
  if (first->address != second->address) return first->address < second->address ? -1 : 1;
  if (first->ends != second->ends) return first->ends ? -1 : 1;
  return (first->order > second->order) - (first->order < second->order);
}

struct inspect_lines *inspect_lines_new(const struct inspect_line_sections *sections, uint32_t code_bytes) {
  struct inspect_lines *lines = base_alloc_zero(1, sizeof *lines);
  if (!lines) return NULL;
  lines->sections = (struct inspect_line_sections){
      .line = sections->line, .line_str = texts_of(sections->line_str), .str = texts_of(sections->str)};
  lines->code_bytes = code_bytes;
  read_units(lines);
  if (lines->rows.count) qsort(lines->rows.items, lines->rows.count, sizeof(struct row), compare);
  return lines;
}

void inspect_lines_free(struct inspect_lines *lines) {
  if (!lines) return;
  for (size_t i = 0; i < lines->files.count; i++) base_free(lines->files.items[i].path);
  BASE_VEC_DEINIT(&lines->files);
  BASE_VEC_DEINIT(&lines->rows);
  base_free(lines);
}

/* Relative to where it was compiled, where the compiler wrote it so. */
static const char *path_of(struct file *file) {
  if (!file->folder || !file->folder[0] || file->path) return file->path ? file->path : file->name;
  struct base_text text = {0};
  base_text_format(&text, "%s/%s", file->folder, file->name);
  if (!text.failed) file->path = base_string_copy(text.bytes, text.len_bytes);
  base_text_deinit(&text);
  return file->path ? file->path : file->name;
}

size_t inspect_lines_find(struct inspect_lines *lines, uint64_t address, struct inspect_position *out,
                          size_t capacity) {
  size_t low = 0, high = lines->rows.count;
  while (low < high) { /* the first row behind the address */
    size_t middle = low + (high - low) / 2;
    if (lines->rows.items[middle].address <= address)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0 || capacity == 0) return 0;
  const struct row *row = &lines->rows.items[low - 1];
  if (row->ends || row->file == UINT32_MAX) return 0;
  *out = (struct inspect_position){.file = path_of(&lines->files.items[row->file]),
                                   .line = row->line <= INT_MAX ? (int)row->line : 0,
                                   .column = (int)row->column};
  return out->file ? 1 : 0;
}
