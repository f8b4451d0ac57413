/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the internal shared object libcay-dwarf.so offers: source positions from DWARF by libdw, which the library itself
 * does not link (base_os_plugin). Its one symbol is `inspect_dwarf_table`. */
#ifndef INSPECT_DWARF_H
#define INSPECT_DWARF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inspect/inspect.h" /* struct inspect_position */

struct inspect_dwarf; /* debug information of one module */

struct inspect_dwarf_table {
  /* `image` is an ELF file with the debug sections, which has to stay. NULL when libdw cannot read it. */
  struct inspect_dwarf *(*open)(char *image, size_t len_bytes);
  void (*close)(struct inspect_dwarf *dwarf);
  /* Fills `out` with the positions of a code address, innermost first; the last one is the function's itself. Returns
   * their number, 0 when the address is not covered. */
  size_t (*find)(struct inspect_dwarf *dwarf, uint64_t address, struct inspect_position *out, size_t capacity);
};

#endif
