/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the room `inspect` share. */
#ifndef INSPECT_PARTS_H
#define INSPECT_PARTS_H

#include "inspect/dwarf.h"
#include "inspect/inspect.h"
#include "inspect/machine.h"

/* Adds a name of the module's, made printable; long ones are cut. */
void inspect_name(struct base_text *out, struct module_name name);

/* Debug information of one module, or none. Zero-initialise. */
struct inspect_debug {
  const struct inspect_dwarf_table *table;
  struct inspect_dwarf *dwarf; /* NULL: there is none that can be read */
  char *image;
};
/* `table` NULL: it is loaded (inspect_debug_load; NULL: it is not there). */
const struct inspect_dwarf_table *inspect_debug_load(void);
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
