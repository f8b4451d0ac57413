/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Line tables made here: of DWARF 4 and 5, whole, cut off everywhere, and with every byte changed. */
#include "inspect/parts.h"
#include "test.h"

enum { CODE_BYTES = 1000 };

/* Rows: 0x10 main.c:7:3, 0x12 main.c:8:3, 0x14 sub/lib.c:100, end at 0x20; and what the linker has left out, at 0. */
#define PROGRAM                                                        \
  0, 5, 2, 0x10, 0, 0, 0,               /* the address */              \
      3, 6, 5, 3, 1,                    /* line 7, column 3 */         \
      13 + 14 * 2 - (-5) + 1,           /* two bytes and a line on */  \
      4, FILE_LIB, 3, 0xDC, 0, 2, 2, 1, /* the other file, line 100 */ \
      9, 12, 0, 0, 1, 1,                /* the end */                  \
      0, 5, 2, 0, 0, 0, 0, 3, 50, 1, 2, 100, 0, 1, 1
#define COMMON_HEAD 1, 1, 1, 0xFB /* lines from -5 on */, 14 /* of 14 */, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1

#define FILE_LIB 2
static const uint8_t head_4[] = {COMMON_HEAD, 's', 'u', 'b', 0,   0,   'm', 'a', 'i', 'n', '.', 'c', 0,
                                 0,           0,   0,   'l', 'i', 'b', '.', 'c', 0,   1,   0,   0,   0};
static const uint8_t program_4[] = {PROGRAM};
#undef FILE_LIB
#define FILE_LIB 1
/* Folders as texts, files as a text in .debug_line_str, a folder's number and a checksum of 16 bytes. */
static const uint8_t head_5[] = {COMMON_HEAD, 1, 1,    0x08, 2,  '/', 'w', 0,  's', 'u', 'b', 0,  3,  1, 0x1F, 2,
                                 0x0B,        5, 0x1E, 2,    0,  0,   0,   0,  0,   1,   2,   3,  4,  5, 6,    7,
                                 8,           9, 10,   11,   12, 13,  14,  15, 16,  7,   0,   0,  0,  1, 1,    2,
                                 3,           4, 5,    6,    7,  8,   9,   10, 11,  12,  13,  14, 15, 16};
static const uint8_t program_5[] = {4, 0, PROGRAM};
static const uint8_t texts_5[] = "main.c\0lib.c";

struct table {
  uint8_t bytes[512];
  size_t len_bytes;
};

static void put(struct table *table, const void *bytes, size_t len_bytes) {
  memcpy(table->bytes + table->len_bytes, bytes, len_bytes);
  table->len_bytes += len_bytes;
}

static void put_number(struct table *table, size_t width, size_t value) {
  for (size_t i = 0; i < width; i++) put(table, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static struct table table_new(unsigned version) {
  struct table table = {0};
  bool is_new = version >= 5;
  size_t head_bytes = is_new ? sizeof head_5 : sizeof head_4,
         program_bytes = is_new ? sizeof program_5 : sizeof program_4;
  put_number(&table, 4, 2 + (is_new ? 2 : 0) + 4 + head_bytes + program_bytes);
  put_number(&table, 2, version);
  if (is_new) put_number(&table, 2, 4);
  put_number(&table, 4, head_bytes);
  put(&table, is_new ? head_5 : head_4, head_bytes);
  put(&table, is_new ? program_5 : program_4, program_bytes);
  return table;
}

static struct inspect_lines *read_lines(const uint8_t *bytes, size_t len_bytes) {
  const struct inspect_line_sections sections = {.line = {bytes, len_bytes}, .line_str = {texts_5, sizeof texts_5}};
  struct inspect_lines *lines = inspect_lines_new(&sections, CODE_BYTES);
  CHECK(lines != NULL);
  return lines;
}

static void check_row(struct inspect_lines *lines, uint64_t address, const char *file, int line, int column) {
  struct inspect_position position;
  size_t found = inspect_lines_find(lines, address, &position, 1);
  CHECK_INT(found, file != NULL);
  if (!found || !file) return;
  CHECK_TEXT(position.file, file);
  CHECK_INT(position.line, line);
  CHECK_INT(position.column, column);
  CHECK(!position.inlined && !position.function);
}

static void check_rows(const struct table *table) {
  struct inspect_lines *lines = read_lines(table->bytes, table->len_bytes);
  check_row(lines, 0xF, NULL, 0, 0);
  check_row(lines, 0x10, "main.c", 7, 3);
  check_row(lines, 0x11, "main.c", 7, 3);
  check_row(lines, 0x12, "main.c", 8, 3);
  check_row(lines, 0x14, "sub/lib.c", 100, 3);
  check_row(lines, 0x1F, "sub/lib.c", 100, 3);
  check_row(lines, 0x20, NULL, 0, 0);
  check_row(lines, 0, NULL, 0, 0);
  check_row(lines, UINT64_MAX, NULL, 0, 0);
  inspect_lines_free(lines);
}

TEST(rows_are_found) {
  for (unsigned version = 2; version <= 5; version++) {
    if (version == 2 || version == 3) continue; /* their head is a byte shorter: older_heads */
    struct table table = table_new(version);
    check_rows(&table);
  }
}

/* Without the number of operations an instruction. */
TEST(older_heads) {
  for (uint8_t version = 2; version <= 3; version++) {
    struct table table = table_new(4);
    enum { OPERATIONS = 4 + 2 + 4 + 1 };
    memmove(table.bytes + OPERATIONS, table.bytes + OPERATIONS + 1, table.len_bytes - OPERATIONS - 1);
    table.len_bytes--;
    table.bytes[0]--, table.bytes[4] = version, table.bytes[6]--;
    check_rows(&table);
  }
}

TEST(several_units_are_one_table) {
  struct table table = table_new(4), second = table_new(5);
  put(&table, second.bytes, second.len_bytes);
  check_rows(&table);
}

/* As many files as there is room for, all named by one text that is as long as them: to look for its end each time would take
 * minutes. */
TEST(long_texts_cost_nothing) {
  enum { FILES = 1 << 19, ENTRY_BYTES = 4 };
  static const uint8_t start[] = {COMMON_HEAD, 0, 0, 1, 1, 0x1F, 0x80, 0x80, 0x10},
                       row[] = {0, 5, 2, 0x10, 0, 0, 0, 4, 0, 1};
  static uint8_t bytes[4 + 2 + 2 + 4 + sizeof start + FILES * ENTRY_BYTES + sizeof row], text[FILES * ENTRY_BYTES];
  uint8_t *at = bytes + 4 + 2 + 2 + 4 + sizeof start;
  memset(text, 'a', sizeof text - 2); /* and a zero, and what does not end */
  text[sizeof text - 1] = 'b';
  base_store_u32(bytes, sizeof bytes - 4);
  bytes[4] = 5, bytes[6] = 4;
  base_store_u32(bytes + 8, sizeof start + FILES * ENTRY_BYTES);
  memcpy(bytes + 12, start, sizeof start);
  base_store_u32(at + ENTRY_BYTES, sizeof text - 1);
  memcpy(at + FILES * ENTRY_BYTES, row, sizeof row);
  const struct inspect_line_sections sections = {.line = {bytes, sizeof bytes}, .line_str = {text, sizeof text}};
  uint64_t start_ns = base_os_monotonic_ns();
  struct inspect_lines *lines = inspect_lines_new(&sections, CODE_BYTES);
  CHECK(base_os_monotonic_ns() - start_ns < UINT64_C(5000000000));
  struct inspect_position position;
  size_t found = inspect_lines_find(lines, 0x10, &position, 1);
  CHECK(found == 1 && strlen(position.file) == sizeof text - 2);
  inspect_lines_free(lines);
  /* The text that does not end is none. */
  at[FILES * ENTRY_BYTES + 8] = 1;
  lines = inspect_lines_new(&sections, CODE_BYTES);
  CHECK_INT(inspect_lines_find(lines, 0x10, &position, 1), 0);
  inspect_lines_free(lines);
}

/* In a block of their own size, so that a sanitizer sees what reads on. */
static void look_everywhere(const uint8_t *bytes, size_t len_bytes) {
  uint8_t *exact = malloc(len_bytes ? len_bytes : 1);
  if (!exact) abort();
  memcpy(exact, bytes, len_bytes);
  struct inspect_lines *lines = read_lines(exact, len_bytes);
  for (uint64_t address = 0; address <= CODE_BYTES; address++) {
    struct inspect_position position;
    if (inspect_lines_find(lines, address, &position, 1)) CHECK(strlen(position.file) < 64 && position.line >= 0);
  }
  inspect_lines_free(lines);
  free(exact);
}

TEST(nothing_is_believed) {
  for (unsigned version = 4; version <= 5; version++) {
    struct table table = table_new(version);
    for (size_t len = 0; len < table.len_bytes; len++) look_everywhere(table.bytes, len);
    for (size_t i = 0; i < table.len_bytes; i++)
      for (unsigned change = 1; change < 256; change += 7) {
        table.bytes[i] ^= (uint8_t)change;
        look_everywhere(table.bytes, table.len_bytes);
        table.bytes[i] ^= (uint8_t)change;
      }
  }
}

TEST_MAIN(RUN(rows_are_found) RUN(older_heads) RUN(several_units_are_one_table) RUN(long_texts_cost_nothing)
              RUN(nothing_is_believed))
