/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* TOML 1.0 (https://toml.io/en/v1.0.0): the text of a manifest as a tree.
 *
 * A manifest may come from a stranger, so the parser is one pass of recursive descent that knows its limits: the text has
 * at most POLICY_TOML_MAX_BYTES, and arrays, inline tables and the parts of a dotted key nest at most
 * POLICY_TOML_MAX_DEPTH deep, which bounds its stack. Members are found through one hash table with the process's secret
 * key; a list of each table alone would make a text of many keys take quadratic time. Values that no key takes (numbers
 * with fractions, dates) are checked completely and kept as text.
 *
 * Scalars are in toml_scalars.c. Here are the structure and the rules about what may be defined when: a table is complete
 * where it was written as a value; [a.b] may define what another header only named on its way, once; and a dotted key
 * adds only to what dotted keys began.
 *
 * Invariants: 1. parser->at never passes parser->end, and the text is valid UTF-8; 2. the first failure is the one that is
 * told: everything returns false from there; 3. each member of a table is in the index exactly once. Threads: none. */
#include "policy/toml_parts.h"

#include <assert.h>
#include <stdio.h>

struct policy_toml_entry {
  const struct policy_toml_value *table;
  struct policy_toml_value *member;
};

/* ---- Positions and errors ------------------------------------------------------------------------------------------- */

void policy_toml_position(struct policy_toml *toml, uint32_t offset, uint32_t *line, uint32_t *column) {
  assert(offset <= toml->len_bytes);
  if (offset < toml->seen_offset || !toml->seen_line) toml->seen_offset = 0, toml->seen_line = toml->seen_column = 1;
  for (; toml->seen_offset < offset; toml->seen_offset++) {
    uint8_t byte = (uint8_t)toml->bytes[toml->seen_offset];
    if (byte == '\n')
      toml->seen_line++, toml->seen_column = 1;
    else
      toml->seen_column += (byte & 0xC0) != 0x80;
  }
  *line = toml->seen_line;
  *column = toml->seen_column;
}

void policy_toml_place(struct policy_toml *toml, uint32_t offset, struct cay_error *error) {
  uint32_t line, column;
  policy_toml_position(toml, offset, &line, &column);
  base_error_prefix(error, "%.200s:%u:%u", toml->name, line, column);
}

bool policy_toml_fail(struct policy_toml_parser *parser, const char *at, const char *format, ...) {
  va_list arguments;
  char text[160];
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  parser->status = base_error_set(parser->error, CAY_ERROR_ARGUMENT, "%s", text);
  policy_toml_place(parser->toml, (uint32_t)(at - parser->toml->bytes), parser->error);
  return false;
}

bool policy_toml_fail_memory(struct policy_toml_parser *parser) {
  parser->status = base_error_memory(parser->error);
  return false;
}

const char *policy_toml_type_name(enum policy_toml_type type) {
  static const char *const names[] = {
      [POLICY_TOML_STRING] = "a string",
      [POLICY_TOML_INTEGER] = "an integer",
      [POLICY_TOML_FLOAT] = "a number with a fraction",
      [POLICY_TOML_BOOLEAN] = "a boolean",
      [POLICY_TOML_DATE_TIME] = "a date",
      [POLICY_TOML_LOCAL_DATE_TIME] = "a date",
      [POLICY_TOML_LOCAL_DATE] = "a date",
      [POLICY_TOML_LOCAL_TIME] = "a time of day",
      [POLICY_TOML_ARRAY] = "an array",
      [POLICY_TOML_TABLE] = "a table",
  };
  return names[type];
}

/* What stands at a place, for messages; valid until the next call in the same buffer. */
static const char *shown(const struct policy_toml_parser *parser, const char *at, char out[16]) {
  if (at == parser->end) return "the end of the text";
  if (*at == '\n' || *at == '\r') return "the end of the line";
  size_t len = 1;
  while (at + len < parser->end && ((uint8_t)at[len] & 0xC0) == 0x80) len++;
  char character[14];
  snprintf(out, 16, "\"%s\"", base_printable(character, sizeof character, at, len));
  return out;
}

/* ---- The index ------------------------------------------------------------------------------------------------------ */

static struct policy_toml_entry *index_slot(const struct policy_toml *toml, const struct policy_toml_value *table,
                                            const char *key, size_t len) {
  uint64_t hash = base_hash(key, len) ^ (uint64_t)(uintptr_t)table * UINT64_C(0x9E3779B97F4A7C15);
  size_t mask = toml->index_capacity - 1, i = (size_t)(hash ^ hash >> 32) & mask;
  for (;; i = (i + 1) & mask) {
    struct policy_toml_entry *entry = &toml->index[i];
    if (!entry->member || (entry->table == table && entry->member->key_len == len &&
                           (len == 0 || memcmp(entry->member->key, key, len) == 0)))
      return entry;
  }
}

struct policy_toml_value *policy_toml_find(const struct policy_toml *toml, const struct policy_toml_value *table,
                                           const char *key, size_t key_len) {
  assert(table->type == POLICY_TOML_TABLE);
  return toml->index_capacity ? index_slot(toml, table, key, key_len)->member : NULL;
}

static bool index_grow(struct policy_toml *toml) {
  struct policy_toml old = *toml;
  toml->index_capacity = old.index_capacity ? old.index_capacity * 2 : 64;
  toml->index = base_alloc_zero(toml->index_capacity, sizeof *toml->index);
  if (!toml->index) {
    *toml = old;
    return false;
  }
  for (size_t i = 0; i < old.index_capacity; i++) {
    struct policy_toml_entry *entry = &old.index[i];
    if (entry->member) *index_slot(toml, entry->table, entry->member->key, entry->member->key_len) = *entry;
  }
  base_free(old.index);
  return true;
}

/* ---- The tree ------------------------------------------------------------------------------------------------------- */

struct policy_toml_value *policy_toml_new(struct policy_toml_parser *parser, enum policy_toml_type type,
                                          const char *at) {
  struct policy_toml_value *value = base_arena_alloc(&parser->toml->arena, 1, sizeof *value);
  if (!value) {
    policy_toml_fail_memory(parser);
    return NULL;
  }
  value->type = type;
  value->offset = value->key_offset = (uint32_t)(at - parser->toml->bytes);
  return value;
}

static void append(struct policy_toml_value *to, struct policy_toml_value *value) {
  assert(to->type == POLICY_TOML_ARRAY || to->type == POLICY_TOML_TABLE);
  if (to->of.items.last)
    to->of.items.last->next = value;
  else
    to->of.items.first = value;
  to->of.items.last = value;
  to->of.items.count++;
}

/* One part of a key. */
struct part {
  const char *bytes, *at; /* the name; where it stands */
  size_t len;
};
struct key {
  struct part parts[POLICY_TOML_MAX_DEPTH];
  unsigned count;
};

static bool add_member(struct policy_toml_parser *parser, struct policy_toml_value *table, const struct part *name,
                       struct policy_toml_value *value) {
  struct policy_toml *toml = parser->toml;
  if (toml->index_count * 2 >= toml->index_capacity && !index_grow(toml)) return policy_toml_fail_memory(parser);
  struct policy_toml_entry *entry = index_slot(toml, table, name->bytes, name->len);
  assert(!entry->member);
  value->key = name->bytes;
  value->key_len = name->len;
  value->key_offset = (uint32_t)(name->at - toml->bytes);
  *entry = (struct policy_toml_entry){table, value};
  toml->index_count++;
  append(table, value);
  return true;
}

static struct policy_toml_value *new_member(struct policy_toml_parser *parser, struct policy_toml_value *table,
                                            const struct part *name, enum policy_toml_type type,
                                            enum policy_toml_made made) {
  struct policy_toml_value *value = policy_toml_new(parser, type, name->at);
  if (!value || !add_member(parser, table, name, value)) return NULL;
  value->made = made;
  return value;
}

static bool fail_twice(struct policy_toml_parser *parser, const struct part *name,
                       const struct policy_toml_value *first) {
  uint32_t line, column;
  char shown_name[64];
  base_printable(shown_name, sizeof shown_name, name->bytes, name->len);
  policy_toml_position(parser->toml, first->key_offset, &line, &column);
  return policy_toml_fail(parser, name->at, "\"%s\" is defined already, in line %u as %s", shown_name, line,
                          policy_toml_type_name(first->type));
}

/* ---- Lines ---------------------------------------------------------------------------------------------------------- */

static bool starts_newline(const struct policy_toml_parser *parser) {
  const char *at = parser->at, *end = parser->end;
  return at < end && (*at == '\n' || (*at == '\r' && at + 1 < end && at[1] == '\n'));
}

static void skip_blanks(struct policy_toml_parser *parser) {
  while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\t')) parser->at++;
}

/* A comment, if one starts here, and the end of the line or text. */
static bool read_line_end(struct policy_toml_parser *parser) {
  if (parser->at < parser->end && *parser->at == '#')
    while (parser->at < parser->end && !starts_newline(parser)) {
      if (policy_toml_is_control(*parser->at))
        return policy_toml_fail(parser, parser->at, "a control character stands in the comment");
      parser->at++;
    }
  if (starts_newline(parser)) parser->at += *parser->at == '\r' ? 2 : 1;
  return true;
}

static bool expect_line_end(struct policy_toml_parser *parser) {
  char found[16];
  skip_blanks(parser);
  bool ends = parser->at == parser->end || *parser->at == '#' || starts_newline(parser);
  if (!ends)
    return policy_toml_fail(parser, parser->at, "the line has to end before %s", shown(parser, parser->at, found));
  return read_line_end(parser);
}

/* Blanks, comments and ends of lines, as between the items of an array. */
static bool skip_lines(struct policy_toml_parser *parser) {
  for (;;) {
    skip_blanks(parser);
    if (parser->at == parser->end || (*parser->at != '#' && !starts_newline(parser))) return true;
    if (!read_line_end(parser)) return false;
  }
}

/* ---- Keys ----------------------------------------------------------------------------------------------------------- */

static bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool read_part(struct policy_toml_parser *parser, struct part *out) {
  char found[16];
  out->at = out->bytes = parser->at;
  if (parser->at < parser->end && (*parser->at == '"' || *parser->at == '\''))
    return policy_toml_read_line_string(parser, &out->bytes, &out->len);
  while (parser->at < parser->end && is_bare(*parser->at)) parser->at++;
  out->len = (size_t)(parser->at - out->at);
  return out->len ||
         policy_toml_fail(parser, parser->at, "a key has to stand before %s", shown(parser, parser->at, found));
}

static bool read_key(struct policy_toml_parser *parser, struct key *key) {
  for (key->count = 0;; parser->at++) {
    skip_blanks(parser);
    if (key->count == POLICY_TOML_MAX_DEPTH)
      return policy_toml_fail(parser, parser->at, "the key has more than %d parts", POLICY_TOML_MAX_DEPTH);
    if (!read_part(parser, &key->parts[key->count++])) return false;
    skip_blanks(parser);
    if (parser->at == parser->end || *parser->at != '.') return true;
  }
}

/* ---- Values --------------------------------------------------------------------------------------------------------- */

static struct policy_toml_value *read_value(struct policy_toml_parser *parser);

/* Reads what closes an array or inline table after an item, or the comma before the next one. `*more`: a comma. */
static bool read_separator(struct policy_toml_parser *parser, char close, bool *more) {
  char found[16];
  *more = parser->at < parser->end && *parser->at == ',';
  if (!*more && (parser->at == parser->end || *parser->at != close))
    return policy_toml_fail(parser, parser->at, "\",\" or \"%c\" has to stand before %s", close,
                            shown(parser, parser->at, found));
  parser->at++;
  return true;
}

static bool read_items(struct policy_toml_parser *parser, struct policy_toml_value *array) {
  bool more = true;
  while (more) {
    if (!skip_lines(parser)) return false;
    if (parser->at < parser->end && *parser->at == ']') {
      parser->at++;
      return true;
    }
    struct policy_toml_value *item = read_value(parser);
    if (!item) return false;
    append(array, item);
    if (!skip_lines(parser) || !read_separator(parser, ']', &more)) return false;
  }
  return true;
}

static bool read_assignment(struct policy_toml_parser *parser, struct policy_toml_value *table);

static bool read_members(struct policy_toml_parser *parser, struct policy_toml_value *table) {
  bool more = true;
  skip_blanks(parser);
  if (parser->at < parser->end && *parser->at == '}') {
    parser->at++;
    return true;
  }
  while (more) {
    if (!read_assignment(parser, table)) return false;
    skip_blanks(parser);
    if (!read_separator(parser, '}', &more)) return false;
  }
  return true;
}

static struct policy_toml_value *read_value(struct policy_toml_parser *parser) {
  char found[16];
  const char *at = parser->at;
  bool is_array = at < parser->end && *at == '[', is_table = at < parser->end && *at == '{';
  if (!is_array && !is_table) {
    struct policy_toml_value *scalar = policy_toml_read_scalar(parser);
    if (!scalar && !parser->status)
      policy_toml_fail(parser, at, "a value has to stand before %s", shown(parser, at, found));
    return scalar;
  }
  if (parser->depth == POLICY_TOML_MAX_DEPTH) {
    policy_toml_fail(parser, at, "arrays and tables are nested more than %d deep", POLICY_TOML_MAX_DEPTH);
    return NULL;
  }
  struct policy_toml_value *value = policy_toml_new(parser, is_array ? POLICY_TOML_ARRAY : POLICY_TOML_TABLE, at);
  if (!value) return NULL;
  parser->depth++;
  parser->at++;
  bool good = is_array ? read_items(parser, value) : read_members(parser, value);
  parser->depth--;
  return good ? value : NULL;
}

/* ---- Assignments and headers ---------------------------------------------------------------------------------------- */

/* The table in which the last part of a dotted key is set. */
static struct policy_toml_value *enter_dotted(struct policy_toml_parser *parser, struct policy_toml_value *table,
                                              const struct key *key) {
  for (unsigned i = 0; table && i + 1 < key->count; i++) {
    const struct part *name = &key->parts[i];
    struct policy_toml_value *child = policy_toml_find(parser->toml, table, name->bytes, name->len);
    if (!child) {
      table = new_member(parser, table, name, POLICY_TOML_TABLE, POLICY_TOML_MADE_DOTTED);
    } else if (child->type != POLICY_TOML_TABLE || child->made != POLICY_TOML_MADE_DOTTED) {
      fail_twice(parser, name, child);
      return NULL;
    } else {
      table = child;
    }
  }
  return table;
}

static bool read_assignment(struct policy_toml_parser *parser, struct policy_toml_value *table) {
  struct key key;
  char found[16];
  if (!read_key(parser, &key)) return false;
  if (parser->at == parser->end || *parser->at != '=')
    return policy_toml_fail(parser, parser->at, "\"=\" has to stand before %s", shown(parser, parser->at, found));
  parser->at++;
  table = enter_dotted(parser, table, &key);
  if (!table) return false;
  const struct part *name = &key.parts[key.count - 1];
  const struct policy_toml_value *first = policy_toml_find(parser->toml, table, name->bytes, name->len);
  if (first) return fail_twice(parser, name, first);
  skip_blanks(parser);
  struct policy_toml_value *value = read_value(parser);
  return value && add_member(parser, table, name, value);
}

/* The table in which the last part of a header is defined. */
static struct policy_toml_value *enter_header(struct policy_toml_parser *parser, const struct key *key) {
  struct policy_toml_value *table = parser->toml->root;
  for (unsigned i = 0; table && i + 1 < key->count; i++) {
    const struct part *name = &key->parts[i];
    struct policy_toml_value *child = policy_toml_find(parser->toml, table, name->bytes, name->len);
    if (!child) {
      table = new_member(parser, table, name, POLICY_TOML_TABLE, POLICY_TOML_MADE_IMPLICIT);
      continue;
    }
    if (child->type < POLICY_TOML_ARRAY || child->made == POLICY_TOML_MADE_VALUE) {
      fail_twice(parser, name, child);
      return NULL;
    }
    table = child->type == POLICY_TOML_ARRAY ? child->of.items.last : child;
  }
  return table;
}

/* [a.b]: the table that the lines after it fill. */
static struct policy_toml_value *define_table(struct policy_toml_parser *parser, struct policy_toml_value *parent,
                                              const struct part *name) {
  struct policy_toml_value *table = policy_toml_find(parser->toml, parent, name->bytes, name->len);
  if (!table) return new_member(parser, parent, name, POLICY_TOML_TABLE, POLICY_TOML_MADE_HEADER);
  if (table->type == POLICY_TOML_TABLE && table->made == POLICY_TOML_MADE_IMPLICIT) {
    table->made = POLICY_TOML_MADE_HEADER;
    return table;
  }
  fail_twice(parser, name, table);
  return NULL;
}

/* [[a.b]]: a new item of the array. */
static struct policy_toml_value *define_item(struct policy_toml_parser *parser, struct policy_toml_value *parent,
                                             const struct part *name, const char *header) {
  struct policy_toml_value *array = policy_toml_find(parser->toml, parent, name->bytes, name->len);
  if (array && (array->type != POLICY_TOML_ARRAY || array->made != POLICY_TOML_MADE_HEADER)) {
    fail_twice(parser, name, array);
    return NULL;
  }
  if (!array) array = new_member(parser, parent, name, POLICY_TOML_ARRAY, POLICY_TOML_MADE_HEADER);
  struct policy_toml_value *item = array ? policy_toml_new(parser, POLICY_TOML_TABLE, header) : NULL;
  if (!item) return NULL;
  item->made = POLICY_TOML_MADE_HEADER;
  append(array, item);
  return item;
}

static bool read_header(struct policy_toml_parser *parser) {
  struct key key;
  char found[16];
  const char *header = parser->at++;
  bool is_item = parser->at < parser->end && *parser->at == '[';
  parser->at += is_item;
  if (!read_key(parser, &key)) return false;
  size_t closing = is_item ? 2 : 1;
  if ((size_t)(parser->end - parser->at) < closing || memcmp(parser->at, "]]", closing) != 0)
    return policy_toml_fail(parser, parser->at, "\"%s\" has to stand before %s", is_item ? "]]" : "]",
                            shown(parser, parser->at, found));
  parser->at += closing;
  struct policy_toml_value *parent = enter_header(parser, &key);
  if (!parent) return false;
  const struct part *name = &key.parts[key.count - 1];
  parser->table = is_item ? define_item(parser, parent, name, header) : define_table(parser, parent, name);
  return parser->table != NULL;
}

/* ---- The whole text ------------------------------------------------------------------------------------------------- */

static bool read_text(struct policy_toml_parser *parser) {
  for (;;) {
    if (!skip_lines(parser)) return false;
    if (parser->at == parser->end) return true;
    bool good = *parser->at == '[' ? read_header(parser) : read_assignment(parser, parser->table);
    if (!good || !expect_line_end(parser)) return false;
  }
}

/* The length is checked before the bytes, so that a large text is refused quickly whatever it is. */
static bool check_bytes(struct policy_toml_parser *parser, const char *bytes, size_t len_bytes) {
  size_t valid = base_utf8_valid_prefix(bytes, len_bytes < POLICY_TOML_MAX_BYTES ? len_bytes : POLICY_TOML_MAX_BYTES);
  if (len_bytes > POLICY_TOML_MAX_BYTES) {
    parser->toml->len_bytes = POLICY_TOML_MAX_BYTES;
    return policy_toml_fail(parser, bytes + valid, "the text goes on here behind 1 MiB, which is the most");
  }
  return valid == len_bytes ||
         policy_toml_fail(parser, bytes + valid, "this is not UTF-8: byte 0x%02x", (uint8_t)bytes[valid]);
}

enum cay_status policy_toml_parse(struct policy_toml *toml, const char *name, const void *bytes, size_t len_bytes,
                                  struct cay_error *error) {
  *toml = (struct policy_toml){.name = name, .bytes = len_bytes ? bytes : "", .len_bytes = len_bytes};
  struct policy_toml_parser parser = {.toml = toml, .at = toml->bytes, .error = error};
  parser.end = parser.at + len_bytes;
  if (!check_bytes(&parser, toml->bytes, len_bytes)) return parser.status;
  toml->root = parser.table = policy_toml_new(&parser, POLICY_TOML_TABLE, parser.at);
  if (toml->root) read_text(&parser);
  assert(parser.status || parser.at == parser.end);
  return parser.status;
}

void policy_toml_deinit(struct policy_toml *toml) {
  base_arena_deinit(&toml->arena);
  base_free(toml->index);
  *toml = (struct policy_toml){0};
}
