/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The small library reads no line table: without libdw its backtraces have no lines. */
#include "inspect/parts.h"

struct inspect_lines *inspect_lines_new(const struct inspect_line_sections *sections, uint32_t code_bytes) {
  (void)sections;
  (void)code_bytes;
  return NULL;
}

void inspect_lines_free(struct inspect_lines *lines) { (void)lines; }

size_t inspect_lines_find(struct inspect_lines *lines, uint64_t address, struct inspect_position *out,
                          size_t capacity) {
  (void)lines;
  (void)address;
  (void)out;
  (void)capacity;
  return 0;
}
