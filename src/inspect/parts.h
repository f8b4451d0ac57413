/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the room `inspect` share. */
#ifndef INSPECT_PARTS_H
#define INSPECT_PARTS_H

#include "inspect/dwarf.h"
#include "inspect/inspect.h"
#include "inspect/machine.h"

/* Adds a name of the module's, made printable; long ones are cut. */
void inspect_name(struct base_text *out, struct module_name name);

/* The line table of a module, read without a library (lines.c). */
struct inspect_bytes { const uint8_t *bytes; size_t len_bytes; }; /* NULL: there is no such section */
struct inspect_line_sections { struct inspect_bytes line, line_str, str; };
struct inspect_lines;
/* NULL: no memory. The sections have to stay; addresses are offsets in the code section, whose contents are that long. */
struct inspect_lines *inspect_lines_new(const struct inspect_line_sections *sections, uint32_t code_bytes);
void inspect_lines_free(struct inspect_lines *lines); /* NULL allowed */
/* As inspect_dwarf_table.find, but that it knows nothing of inlined functions and no function's name: one position or none. */
size_t inspect_lines_find(struct inspect_lines *lines, uint64_t address, struct inspect_position *out, size_t capacity);

/* Debug information of one module, or none. Zero-initialise. */
struct inspect_debug {
  const struct inspect_dwarf_table *table;
  struct inspect_dwarf *dwarf; /* NULL: there is none that libdw can read, and that in `lines` is used */
  char *image;
  struct inspect_lines *lines;
};
/* NULL: libdw is not there. */
const struct inspect_dwarf_table *inspect_debug_load(void);
/* `table` NULL: line tables are read, and no more. */
void inspect_debug_open(struct inspect_debug *debug, const struct inspect_dwarf_table *table,
                        const struct module *module);
void inspect_debug_close(struct inspect_debug *debug);
/* The positions of byte `offset` of the module, as inspect_dwarf_table.find. */
size_t inspect_debug_find(struct inspect_debug *debug, const struct module *module, uint32_t offset,
                          struct inspect_position *out, size_t capacity);

/* What stands beside the instructions of a function. */
struct inspect_columns {
  void (*before)(void *env, uint32_t offset, struct base_text *out);             /* lines of its own */
  void (*after)(void *env, uint32_t offset, size_t line, struct base_text *out); /* in the line that starts at `line` */
  void *env;
};
/* As inspect_disassemble, with `columns`, which may be NULL. */
enum cay_status inspect_function(const struct module *module, uint32_t func, const struct inspect_columns *columns,
                                 struct base_text *out, struct cay_error *error);

#endif
