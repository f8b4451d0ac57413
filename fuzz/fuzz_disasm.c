/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The plain decoder and the disassembler over arbitrary bytes, instructions of all proposals: they stop at the first
 * error, and until then always advance. */
#include <assert.h>

#include "module/module.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  /* An empty module whose bytes the instructions are read from: calls then have no names. */
  struct module module = {.bytes = bytes, .len_bytes = len_bytes};
  struct module_insn insn;
  struct base_text text = {0};
  uint32_t cursor = 0;
  while (cursor < len_bytes) {
    uint32_t before = cursor;
    if (module_insn_decode(&module, &cursor, (uint32_t)len_bytes, &insn, NULL) != CAY_OK) break;
    assert(cursor > before && insn.offset == before && insn.op < MODULE_OP_COUNT);
    text.len_bytes = 0;
    module_insn_text(&module, &insn, &text);
    assert(text.failed || strncmp(text.bytes, module_ops[insn.op].mnemonic, strlen(module_ops[insn.op].mnemonic)) == 0);
  }
  base_text_deinit(&text);
  return 0;
}
