/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the internal shared object libcay-machine.so offers: the machine code of the CPU that this build is for as text, by
 * capstone, which the library itself does not link (base_os_plugin). Its one symbol is `inspect_machine_table`. */
#ifndef INSPECT_MACHINE_H
#define INSPECT_MACHINE_H

#include <stddef.h>
#include <stdint.h>

struct inspect_machine;

struct inspect_machine_table {
  struct inspect_machine *(*open)(void); /* NULL: no memory, or a CPU that the library does not know */
  void (*close)(struct inspect_machine *machine);
  /* The instruction that the bytes at `address` start with, as "add edi, 1"; returns its length, or 0 when they are none. */
  size_t (*decode)(struct inspect_machine *machine, const uint8_t *bytes, size_t len_bytes, uint64_t address,
                   char *text, size_t capacity);
};

#endif
