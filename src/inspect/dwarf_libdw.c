/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* libcay-dwarf.so: the functions of dwarf.h by libdw.
 *
 * Guests seldom carry an address index (.debug_aranges), so the compilation unit is found by asking each for its
 * ranges. The line table gives the innermost position; each inlined subroutine on the way out gives the position of the
 * call that it replaces. Everything here comes from the module and is hostile: only libdw's checked accessors read it,
 * and every list is bounded. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/dwarf.h"

enum { SCOPES_MAX = 64, ENTRIES_MAX = 10000000 };

struct inspect_dwarf {
  Elf *elf;
  Dwarf *dwarf;
};

static void dwarf_close(struct inspect_dwarf *self) {
  if (self->dwarf) dwarf_end(self->dwarf);
  if (self->elf) elf_end(self->elf);
  free(self);
}

static struct inspect_dwarf *dwarf_open(char *image, size_t len_bytes) {
  if (elf_version(EV_CURRENT) == EV_NONE) return NULL;
  struct inspect_dwarf *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->elf = elf_memory(image, len_bytes);
  if (self->elf) self->dwarf = dwarf_begin_elf(self->elf, DWARF_C_READ, NULL);
  if (self->dwarf) return self;
  dwarf_close(self);
  return NULL;
}

/* The compilation unit that covers `address`. */
static bool unit_find(Dwarf *dwarf, Dwarf_Addr address, Dwarf_Die *out) {
  Dwarf_CU *unit = NULL;
  uint8_t kind;
  Dwarf_Die skeleton;
  while (dwarf_get_units(dwarf, unit, &unit, NULL, &kind, &skeleton, NULL) == 0)
    if (dwarf_haspc(&skeleton, address) > 0) {
      *out = skeleton;
      return true;
    }
  return false;
}

static int number_of(Dwarf_Die *die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value;
  if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) != 0 || value > 0x7FFFFFFF) return 0;
  return (int)value;
}

/* A path without the folder of compilation in front. */
static const char *relative_path(Dwarf_Die *unit, const char *path) {
  Dwarf_Attribute attribute;
  const char *folder = dwarf_attr(unit, DW_AT_comp_dir, &attribute) ? dwarf_formstring(&attribute) : NULL;
  size_t len = folder ? strlen(folder) : 0;
  if (!path || len == 0 || strncmp(path, folder, len) != 0 || path[len] != '/') return path;
  return path + len + 1;
}

static void position_of_address(Dwarf_Die *unit, Dwarf_Addr address, struct inspect_position *out) {
  Dwarf_Line *line = dwarf_getsrc_die(unit, address);
  if (!line) return;
  out->file = relative_path(unit, dwarf_linesrc(line, NULL, NULL));
  if (dwarf_lineno(line, &out->line) != 0) out->line = 0;
  if (dwarf_linecol(line, &out->column) != 0) out->column = 0;
}

/* The position of the call that an inlined subroutine stands for. */
static void position_of_call(Dwarf_Die *unit, Dwarf_Die *inlined, struct inspect_position *out) {
  Dwarf_Files *files;
  size_t count;
  int file = number_of(inlined, DW_AT_call_file);
  *out = (struct inspect_position){.line = number_of(inlined, DW_AT_call_line),
                                   .column = number_of(inlined, DW_AT_call_column)};
  if (dwarf_getsrcfiles(unit, &files, &count) == 0 && (size_t)file < count)
    out->file = relative_path(unit, dwarf_filesrc(files, (size_t)file, NULL, NULL));
}

/* Entries that hold functions but have no addresses themselves. */
static bool is_container(int tag) {
  return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
         tag == DW_TAG_union_type;
}

/* The entries around an address, from the unit inwards. */
struct scopes {
  Dwarf_Die path[SCOPES_MAX];
  size_t count, visited;
};

/* Adds the entries beneath the last one that cover the address; false when there are none. An own walk of bounded depth
 * instead of dwarf_getscopes, which calls itself for each level of nesting: a module could overflow the stack. */
static bool scopes_descend(struct scopes *scopes, Dwarf_Addr address) {
  if (scopes->count == SCOPES_MAX) return false;
  Dwarf_Die *entry = &scopes->path[scopes->count];
  if (dwarf_child(entry - 1, entry) != 0) return false;
  scopes->count++;
  do {
    if (dwarf_haspc(entry, address) > 0) {
      scopes_descend(scopes, address);
      return true;
    }
    if (is_container(dwarf_tag(entry)) && scopes_descend(scopes, address)) return true;
  } while (++scopes->visited < ENTRIES_MAX && dwarf_siblingof(entry, entry) == 0);
  scopes->count--;
  return false;
}

static size_t dwarf_find(struct inspect_dwarf *self, uint64_t address, struct inspect_position *out, size_t capacity) {
  struct scopes scopes = {.count = 1};
  if (capacity == 0 || !unit_find(self->dwarf, address, &scopes.path[0])) return 0;
  Dwarf_Die unit = scopes.path[0];
  struct inspect_position here = {0};
  position_of_address(&unit, address, &here);
  scopes_descend(&scopes, address);
  size_t found = 0;
  while (scopes.count-- > 1 && found < capacity) {
    Dwarf_Die *scope = &scopes.path[scopes.count];
    int tag = dwarf_tag(scope);
    if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram) continue;
    here.function = dwarf_diename(scope);
    here.inlined = tag == DW_TAG_inlined_subroutine;
    out[found++] = here;
    if (!here.inlined) break;
    position_of_call(&unit, scope, &here);
  }
  if (found == 0 && here.file) out[found++] = here;
  return found;
}

extern const struct inspect_dwarf_table inspect_dwarf_table;
__attribute__((visibility("default"))) const struct inspect_dwarf_table inspect_dwarf_table = {
    dwarf_open,
    dwarf_close,
    dwarf_find,
};
