/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Line tables made of arbitrary bytes: the first half as .debug_line, behind it the texts. Each address has a position
 * whose texts end, or none. */
#include <assert.h>
#include <limits.h>

#include "inspect/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

enum { CODE_BYTES = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  size_t half = len_bytes / 2;
  const struct inspect_bytes texts = {bytes + half, len_bytes - half};
  const struct inspect_line_sections sections = {.line = {bytes, half}, .line_str = texts, .str = texts};
  struct inspect_lines *lines = inspect_lines_new(&sections, CODE_BYTES);
  for (uint64_t address = 0; address <= CODE_BYTES; address += 3) {
    struct inspect_position position;
    size_t found = inspect_lines_find(lines, address, &position, 1);
    assert(found == 0 || (strlen(position.file) <= 2 * len_bytes + 1 && position.line >= 0 && position.column >= 0));
  }
  inspect_lines_free(lines);
  return 0;
}
