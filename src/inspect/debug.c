/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A module's debug information: as libdw can read it, and where there is no libdw its line table alone (lines.c). DWARF lies in custom sections called ".debug_line" and so on; libdw
 * reads ELF files, so the sections are copied into one that exists in memory only. Addresses in wasm's DWARF are byte
 * offsets from the start of the code section's contents. */
#include "inspect/parts.h"

#include <assert.h>

enum { ELF_HEADER_BYTES = 52, SECTION_HEADER_BYTES = 40, NAME_TABLE = 1, FIRST_DEBUG = 2 };
enum { ELF_TYPE_EXEC = 2, ELF_MACHINE_386 = 3, SECTION_PROGBITS = 1, SECTION_STRTAB = 3 };
static const uint64_t image_bytes_max = UINT64_C(1) << 30;

static bool is_debug(const struct module_custom *custom) {
  static const char prefix[] = ".debug_";
  return custom->name.len_bytes > sizeof prefix - 1 && memcmp(custom->name.bytes, prefix, sizeof prefix - 1) == 0;
}

/* ---- The ELF image ------------------------------------------------------------------------------------------------- */

struct image {
  char *bytes;
  size_t section_headers, names, contents; /* where the next of each goes */
  size_t names_begin;
};

/* Little-endian on every host. */
static void put(char *at, unsigned width, uint64_t value) {
  for (unsigned i = 0; i < width; i++) at[i] = (char)(value >> 8 * i);
}

static void put_section(struct image *image, size_t name, uint32_t type, size_t offset, size_t len_bytes) {
  char *header = image->bytes + image->section_headers;
  put(header, 4, name);
  put(header + 4, 4, type);
  put(header + 16, 4, offset);
  put(header + 20, 4, len_bytes);
  put(header + 32, 4, 1); /* alignment */
  image->section_headers += SECTION_HEADER_BYTES;
}

static void put_elf_header(struct image *image, uint32_t section_count) {
  static const char ident[16] = {0x7F, 'E', 'L', 'F', 1 /* 32 bits */, 1 /* little-endian */, 1 /* version */};
  memcpy(image->bytes, ident, sizeof ident);
  put(image->bytes + 16, 2, ELF_TYPE_EXEC);
  put(image->bytes + 18, 2, ELF_MACHINE_386);
  put(image->bytes + 20, 4, 1);
  put(image->bytes + 32, 4, ELF_HEADER_BYTES); /* section headers follow at once */
  put(image->bytes + 40, 2, ELF_HEADER_BYTES);
  put(image->bytes + 46, 2, SECTION_HEADER_BYTES);
  put(image->bytes + 48, 2, section_count);
  put(image->bytes + 50, 2, NAME_TABLE);
}

/* Returns where the name starts in the table of names. */
static size_t put_name(struct image *image, const char *name, size_t len_bytes) {
  size_t start = image->names - image->names_begin;
  memcpy(image->bytes + image->names, name, len_bytes);
  image->names += len_bytes + 1;
  return start;
}

static void put_debug_sections(struct image *image, const struct module *module) {
  for (uint32_t i = 0; i < module->custom_count; i++) {
    const struct module_custom *custom = &module->customs[i];
    if (!is_debug(custom)) continue;
    size_t name = put_name(image, custom->name.bytes, custom->name.len_bytes);
    memcpy(image->bytes + image->contents, module->bytes + custom->offset, custom->len_bytes);
    put_section(image, name, SECTION_PROGBITS, image->contents, custom->len_bytes);
    image->contents += custom->len_bytes;
  }
}

/* NULL when the module has no line table, too much of it, or memory is out. */
static char *image_new(const struct module *module, size_t *len_bytes) {
  static const char table_name[] = ".shstrtab";
  uint64_t contents_bytes = 0, names_bytes = 1 + sizeof table_name;
  uint32_t count = FIRST_DEBUG;
  for (uint32_t i = 0; i < module->custom_count; i++) {
    const struct module_custom *custom = &module->customs[i];
    if (!is_debug(custom)) continue;
    contents_bytes += custom->len_bytes;
    names_bytes += (uint64_t)custom->name.len_bytes + 1;
    count++;
  }
  if (!module_custom_find(module, ".debug_line") || count > 100 || contents_bytes + names_bytes > image_bytes_max)
    return NULL;
  size_t headers_bytes = ELF_HEADER_BYTES + (size_t)count * SECTION_HEADER_BYTES;
  *len_bytes = headers_bytes + (size_t)(names_bytes + contents_bytes);
  struct image image = {.bytes = base_alloc_zero(1, *len_bytes),
                        .section_headers = ELF_HEADER_BYTES,
                        .names_begin = headers_bytes,
                        .names = headers_bytes + 1,
                        .contents = headers_bytes + (size_t)names_bytes};
  if (!image.bytes) return NULL;
  put_elf_header(&image, count);
  image.section_headers += SECTION_HEADER_BYTES; /* the first one is empty */
  size_t name = put_name(&image, table_name, sizeof table_name - 1);
  put_section(&image, name, SECTION_STRTAB, headers_bytes, (size_t)names_bytes);
  put_debug_sections(&image, module);
  assert(image.section_headers == headers_bytes && image.contents == *len_bytes);
  assert(image.names == headers_bytes + (size_t)names_bytes);
  return image.bytes;
}

/* ---- Looking up ---------------------------------------------------------------------------------------------------- */

const struct inspect_dwarf_table *inspect_debug_load(void) {
  return base_os_plugin("dwarf", "inspect_dwarf_table", NULL);
}

static struct inspect_bytes section_of(const struct module *module, const char *name) {
  const struct module_custom *custom = module_custom_find(module, name);
  return custom ? (struct inspect_bytes){module->bytes + custom->offset, custom->len_bytes} : (struct inspect_bytes){0};
}

static struct inspect_lines *lines_of(const struct module *module) {
  const struct inspect_line_sections sections = {.line = section_of(module, ".debug_line"),
                                                 .line_str = section_of(module, ".debug_line_str"),
                                                 .str = section_of(module, ".debug_str")};
  return sections.line.bytes ? inspect_lines_new(&sections, module->code_bytes) : NULL;
}

void inspect_debug_open(struct inspect_debug *debug, const struct inspect_dwarf_table *table,
                        const struct module *module) {
  size_t len_bytes = 0;
  *debug = (struct inspect_debug){.table = table, .image = table ? image_new(module, &len_bytes) : NULL};
  if (debug->image) debug->dwarf = table->open(debug->image, len_bytes);
  if (!debug->dwarf) debug->lines = lines_of(module);
}

void inspect_debug_close(struct inspect_debug *debug) {
  if (debug->dwarf) debug->table->close(debug->dwarf);
  base_free(debug->image);
  inspect_lines_free(debug->lines);
  *debug = (struct inspect_debug){0};
}

size_t inspect_debug_find(struct inspect_debug *debug, const struct module *module, uint32_t offset,
                          struct inspect_position *out, size_t capacity) {
  if (offset < module->code_offset) return 0;
  uint32_t address = offset - module->code_offset;
  if (debug->dwarf) return debug->table->find(debug->dwarf, address, out, capacity);
  return debug->lines ? inspect_lines_find(debug->lines, address, out, capacity) : 0;
}
