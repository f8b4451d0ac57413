/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* libcay-machine.so: the functions of machine.h by capstone. The build chooses MACHINE_ARCH and MACHINE_MODE. */
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>

#include "inspect/machine.h"

struct inspect_machine {
  csh handle;
  cs_insn *insn;
};

static void machine_close(struct inspect_machine *self) {
  if (self->insn) cs_free(self->insn, 1);
  if (self->handle) cs_close(&self->handle);
  free(self);
}

static struct inspect_machine *machine_open(void) {
  struct inspect_machine *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  if (cs_open(MACHINE_ARCH, (cs_mode)(MACHINE_MODE), &self->handle) == CS_ERR_OK) self->insn = cs_malloc(self->handle);
  if (self->insn) return self;
  machine_close(self);
  return NULL;
}

static size_t machine_decode(struct inspect_machine *self, const uint8_t *bytes, size_t len_bytes, uint64_t address,
                             char *text, size_t capacity) {
  if (!cs_disasm_iter(self->handle, &bytes, &len_bytes, &address, self->insn)) return 0;
  const char *operands = self->insn->op_str;
  snprintf(text, capacity, "%s%s%s", self->insn->mnemonic, operands[0] ? " " : "", operands);
  return self->insn->size;
}

extern const struct inspect_machine_table inspect_machine_table;
__attribute__((visibility("default"))) const struct inspect_machine_table inspect_machine_table = {
    machine_open,
    machine_close,
    machine_decode,
};
