/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Reads the object that LLVM has made, of which few things are expected: one section of code, constants, and relative
 * relocations between them. All of it becomes one run of bytes, which works wherever it is put; anything else is refused.
 * The object is our own compiler's work, so it is not checked as a stranger's would be. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tiers/optimizer/helper/helper.h"

struct object {
  const struct target *target;
  const uint8_t *bytes;
  const Elf64_Ehdr *head;
  const Elf64_Shdr *sections;
  const char *names;
  uint64_t *places; /* by section: where it lies in the code, or NOWHERE */
};
#define NOWHERE UINT64_MAX

static const void *contents(const struct object *o, const Elf64_Shdr *section) { return o->bytes + section->sh_offset; }

static const char *name_of(const struct object *o, const Elf64_Shdr *section) { return o->names + section->sh_name; }

/* ---- Placing ---------------------------------------------------------------------------------------------------------------- */

/* `bytes` NULL: zeroes. */
static bool append(struct object_code *out, const void *bytes, size_t count, size_t alignment, uint64_t *place) {
  size_t at = (out->bytes.count + alignment - 1) / alignment * alignment;
  if (!BASE_VEC_RESERVE(&out->bytes, at + count)) return false;
  memset(out->bytes.items + out->bytes.count, 0xCC, at - out->bytes.count);
  if (bytes)
    memcpy(out->bytes.items + at, bytes, count);
  else
    memset(out->bytes.items + at, 0, count);
  out->bytes.count = at + count;
  *place = at;
  return true;
}

static bool is_stackmap(const struct object *o, const Elf64_Shdr *section) {
  return strcmp(name_of(o, section), ".llvm_stackmaps") == 0;
}

static bool is_placed(const struct object *o, const Elf64_Shdr *section, bool is_code) {
  bool has_bytes = section->sh_type == SHT_PROGBITS || section->sh_type == SHT_NOBITS;
  if (!(section->sh_flags & SHF_ALLOC) || section->sh_size == 0 || !has_bytes || is_stackmap(o, section)) return false;
  return is_code == ((section->sh_flags & SHF_EXECINSTR) != 0);
}

/* Code first. */
static bool place_sections(struct object *o, struct object_code *out) {
  for (int pass = 0; pass < 2; pass++)
    for (unsigned i = 0; i < o->head->e_shnum; i++) {
      const Elf64_Shdr *section = &o->sections[i];
      if (!is_placed(o, section, pass == 0)) continue;
      size_t alignment = section->sh_addralign ? section->sh_addralign : 1;
      const void *bytes = section->sh_type == SHT_NOBITS ? NULL : contents(o, section);
      if (alignment > 64 || !append(out, bytes, section->sh_size, alignment, &o->places[i])) return false;
    }
  return true;
}

/* ---- Relocations ---------------------------------------------------------------------------------------------------------------- */

static const Elf64_Sym *symbols_of(const struct object *o, const Elf64_Shdr *section) {
  return contents(o, &o->sections[section->sh_link]);
}

static bool is_in_code(const struct object *o, const Elf64_Sym *symbol) {
  return symbol->st_shndx < o->head->e_shnum && symbol->st_shndx != SHN_UNDEF && o->places[symbol->st_shndx] != NOWHERE;
}

/* How far from its hole what a relocation names is. */
static bool distance_of(const struct object *o, const Elf64_Shdr *section, const Elf64_Rela *row, int64_t *out) {
  const Elf64_Sym *symbol = &symbols_of(o, section)[ELF64_R_SYM(row->r_info)];
  if (!is_in_code(o, symbol)) return false;
  uint64_t at = o->places[section->sh_info] + row->r_offset;
  *out = (int64_t)(o->places[symbol->st_shndx] + symbol->st_value) + row->r_addend - (int64_t)at;
  return true;
}

/* The row whose distance counts: its own, or, for the lower part of one, that of the instruction with the upper part, which is
 * what it names. NULL: there is none. */
static const Elf64_Rela *counting_row(const struct object *o, const Elf64_Shdr *section, const Elf64_Rela *row) {
  const Elf64_Rela *rows = contents(o, section);
  size_t count = section->sh_size / sizeof *rows, own = (size_t)(row - rows);
  uint32_t type = ELF64_R_TYPE(row->r_info);
  if (type == 0 || (type != o->target->lower[0] && type != o->target->lower[1])) return row;
  uint64_t named = symbols_of(o, section)[ELF64_R_SYM(row->r_info)].st_value;
  for (size_t i = 1; i <= count; i++) { /* mostly it is the one before */
    const Elf64_Rela *other = &rows[(own + count - i) % count];
    if (other->r_offset == named) return other;
  }
  return NULL;
}

static bool relocate(const struct object *o, const Elf64_Shdr *section, struct object_code *out) {
  const Elf64_Rela *rows = contents(o, section);
  for (size_t i = 0; i < section->sh_size / sizeof *rows; i++) {
    const Elf64_Rela *counts = counting_row(o, section, &rows[i]);
    uint8_t *hole = out->bytes.items + o->places[section->sh_info] + rows[i].r_offset;
    int64_t distance;
    if (!counts || !distance_of(o, section, counts, &distance)) return false;
    if (!o->target->put(hole, ELF64_R_TYPE(rows[i].r_info), distance)) return false;
  }
  return true;
}

/* ---- Functions ---------------------------------------------------------------------------------------------------------------------- */

static int by_start(const void *left, const void *right) {
  const struct wire_function *a = left, *b = right;
  return a->start < b->start ? -1 : a->start > b->start;
}

static bool add_function(const struct object *o, const Elf64_Sym *symbol, const char *name, struct object_code *out) {
  static const char kinds[] = {[WIRE_NATIVE] = 'f', [WIRE_ADAPTER] = 'a', [WIRE_LOOP] = 'o'};
  unsigned entry, label = WIRE_NO_LABEL;
  if (sscanf(name + 1, "%u.%u", &entry, &label) < 1) return false;
  const char *kind = memchr(kinds, name[0], sizeof kinds);
  if (!kind) return false;
  struct wire_function *function = BASE_VEC_PUSH(&out->functions);
  if (!function) return false;
  *function = (struct wire_function){.entry = entry,
                                     .kind = (uint32_t)(kind - kinds),
                                     .label = label,
                                     .start = (uint32_t)(o->places[symbol->st_shndx] + symbol->st_value),
                                     .bytes = (uint32_t)symbol->st_size};
  return true;
}

static bool add_functions(const struct object *o, const Elf64_Shdr *section, struct object_code *out) {
  const Elf64_Sym *symbols = contents(o, section);
  const char *names = contents(o, &o->sections[section->sh_link]);
  for (size_t i = 0; i < section->sh_size / sizeof *symbols; i++) {
    if (ELF64_ST_TYPE(symbols[i].st_info) != STT_FUNC) continue;
    if (!is_in_code(o, &symbols[i]) || !add_function(o, &symbols[i], names + symbols[i].st_name, out)) return false;
  }
  return true;
}

/* ---- Lines ---------------------------------------------------------------------------------------------------------------------------- */

/* The addresses in it are offsets in the text then. */
static bool read_lines(const struct object *o, unsigned index, struct object_code *out) {
  const Elf64_Shdr *section = &o->sections[index];
  uint8_t *bytes = base_alloc(section->sh_size);
  if (!bytes) return false;
  memcpy(bytes, contents(o, section), section->sh_size);
  bool done = true;
  for (unsigned i = 0; i < o->head->e_shnum; i++) {
    const Elf64_Shdr *table = &o->sections[i];
    if (table->sh_type != SHT_RELA || table->sh_info != index) continue;
    const Elf64_Rela *rows = contents(o, table);
    const Elf64_Sym *symbols = symbols_of(o, table);
    for (size_t k = 0; k < table->sh_size / sizeof *rows; k++) {
      const Elf64_Sym *symbol = &symbols[ELF64_R_SYM(rows[k].r_info)];
      if (ELF64_R_TYPE(rows[k].r_info) != o->target->absolute) continue; /* of names */
      done = done && is_in_code(o, symbol);
      if (done)
        base_store_u64(bytes + rows[k].r_offset,
                       o->places[symbol->st_shndx] + symbol->st_value + (uint64_t)rows[k].r_addend);
    }
  }
  done = done && lines_read(bytes, section->sh_size, out);
  base_free(bytes);
  return done;
}

static bool read_sections(struct object *o, struct object_code *out) {
  if (!place_sections(o, out)) return false;
  for (unsigned i = 0; i < o->head->e_shnum; i++) {
    const Elf64_Shdr *section = &o->sections[i];
    bool is_relocation = section->sh_type == SHT_RELA && o->places[section->sh_info] != NOWHERE;
    if (is_relocation && !relocate(o, section, out)) return false;
    if (section->sh_type == SHT_SYMTAB && !add_functions(o, section, out)) return false;
    if (strcmp(name_of(o, section), ".debug_line") == 0 && !read_lines(o, i, out)) return false;
  }
  for (unsigned i = 0; i < o->head->e_shnum; i++) {
    const Elf64_Shdr *section = &o->sections[i];
    if (is_stackmap(o, section) && section->sh_type == SHT_PROGBITS &&
        !stackmaps_read(o->target, contents(o, section), section->sh_size, out))
      return false;
  }
  qsort(out->functions.items, out->functions.count, sizeof *out->functions.items, by_start);
  return true;
}

bool object_read(const struct target *target, const uint8_t *bytes, size_t len_bytes, struct object_code *out) {
  struct object o = {.target = target, .bytes = bytes, .head = (const Elf64_Ehdr *)(const void *)bytes};
  if (len_bytes < sizeof *o.head || o.head->e_shoff + (uint64_t)o.head->e_shnum * sizeof *o.sections > len_bytes)
    return false;
  o.sections = (const Elf64_Shdr *)(const void *)(bytes + o.head->e_shoff);
  o.names = contents(&o, &o.sections[o.head->e_shstrndx]);
  o.places = base_alloc(o.head->e_shnum * sizeof *o.places + 1);
  if (!o.places) return false;
  for (unsigned i = 0; i < o.head->e_shnum; i++) o.places[i] = NOWHERE;
  bool done = read_sections(&o, out);
  base_free(o.places);
  return done;
}

void object_free(struct object_code *code) {
  BASE_VEC_DEINIT(&code->bytes);
  BASE_VEC_DEINIT(&code->functions);
  BASE_VEC_DEINIT(&code->lines);
  BASE_VEC_DEINIT(&code->inlined);
  *code = (struct object_code){0};
}
