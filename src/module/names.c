/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Names of functions and locals, for people: the custom section "name", and imports and exports where it is silent.
 *
 * Read on the first question, because most runs never ask: a 75 MB module has 100,000 names. Threads may ask at the
 * same time; each builds the index, one publishes it, the others throw theirs away. Running out of memory is "no name".
 *
 * A name section that breaks its format is ignored from the broken subsection on: it must never make a module
 * unusable. The index is dense by function; names of locals stay where they are and are searched within their
 * function. */
#include <assert.h>

#include "module/internal.h"

enum { SUBSECTION_FUNCTIONS = 1, SUBSECTION_LOCALS = 2 };

struct local_names { /* of one function: a name map in the module's bytes */
  uint32_t func, offset, end, count;
};

struct module_names {
  struct module_name *funcs;           /* by function index */
  BASE_VEC(struct local_names) locals; /* ascending by function */
};

void module_names_free(struct module_names *names) {
  if (!names) return;
  base_free(names->funcs);
  BASE_VEC_DEINIT(&names->locals);
  base_free(names);
}

static bool read_function_names(struct module_reader *reader, const struct module *module, struct module_names *names) {
  uint32_t count, func;
  struct module_name name;
  if (!module_read_count(reader, "number of names", 2, UINT32_MAX, &count)) return false;
  for (uint32_t i = 0; i < count; i++) {
    if (!module_read_u32(reader, "function index", &func) || !module_read_name(reader, "name", &name)) return false;
    if (func < module->func_count) names->funcs[func] = name;
  }
  return true;
}

static bool skip_name_map(struct module_reader *reader, uint32_t count) {
  uint32_t index;
  struct module_name name;
  for (uint32_t i = 0; i < count; i++) {
    if (!module_read_u32(reader, "index", &index) || !module_read_name(reader, "name", &name)) return false;
  }
  return true;
}

static bool read_local_names(struct module_reader *reader, struct module_names *names) {
  uint32_t count;
  if (!module_read_count(reader, "number of functions", 2, UINT32_MAX, &count)) return false;
  for (uint32_t i = 0; i < count; i++) {
    struct local_names entry;
    if (!module_read_u32(reader, "function index", &entry.func) ||
        !module_read_count(reader, "number of names", 2, UINT32_MAX, &entry.count)) {
      return false;
    }
    entry.offset = reader->cursor;
    if (!skip_name_map(reader, entry.count)) return false;
    entry.end = reader->cursor;
    bool ascends = names->locals.count == 0 || names->locals.items[names->locals.count - 1].func < entry.func;
    struct local_names *slot = ascends ? BASE_VEC_PUSH(&names->locals) : NULL;
    if (!slot) return false;
    *slot = entry;
  }
  return true;
}

static bool read_subsection(struct module_reader *reader, const struct module *module, struct module_names *names) {
  uint8_t id;
  uint32_t len_bytes;
  if (!module_read_byte(reader, "subsection id", &id) || !module_read_u32(reader, "size", &len_bytes)) return false;
  uint32_t start = reader->cursor;
  if (!module_read_skip(reader, "subsection", len_bytes)) return false;
  struct module_reader part = *reader;
  part.cursor = start;
  part.end = start + len_bytes;
  if (id == SUBSECTION_FUNCTIONS) return read_function_names(&part, module, names);
  return id != SUBSECTION_LOCALS || read_local_names(&part, names);
}

static void add_imports_and_exports(const struct module *module, struct module_names *names) {
  for (uint32_t i = 0; i < module->export_count; i++) {
    const struct module_export *from = &module->exports[i];
    if (from->kind == MODULE_FUNC && names->funcs[from->index].len_bytes == 0) names->funcs[from->index] = from->name;
  }
  for (uint32_t i = 0; i < module->import_count; i++) {
    if (module->imports[i].kind == MODULE_FUNC) names->funcs[module->imports[i].index] = module->imports[i].name;
  }
}

static struct module_names *names_new(const struct module *module) {
  struct module_names *names = base_alloc_zero(1, sizeof *names);
  if (!names) return NULL;
  names->funcs = base_alloc_zero(module->func_count, sizeof *names->funcs);
  if (!names->funcs) {
    base_free(names);
    return NULL;
  }
  add_imports_and_exports(module, names);
  const struct module_custom *section = module_custom_find(module, "name");
  if (!section) return names;
  struct module_reader reader = {
      .bytes = module->bytes, .cursor = section->offset, .end = section->offset + section->len_bytes};
  while (reader.cursor < reader.end && read_subsection(&reader, module, names)) {
  }
  return names;
}

/* NULL: out of memory. */
static const struct module_names *names_of(const struct module *module) {
  _Atomic(struct module_names *) *published = &module->private_part->names;
  struct module_names *names = atomic_load_explicit(published, memory_order_acquire);
  if (names) return names;
  names = names_new(module);
  struct module_names *before = NULL;
  if (!names ||
      atomic_compare_exchange_strong_explicit(published, &before, names, memory_order_acq_rel, memory_order_acquire)) {
    return names;
  }
  assert(before);
  module_names_free(names);
  return before;
}

struct module_name module_func_name(const struct module *module, uint32_t func) {
  const struct module_names *names = func < module->func_count ? names_of(module) : NULL;
  return names ? names->funcs[func] : (struct module_name){"", 0};
}

static const struct local_names *find_locals(const struct module_names *names, uint32_t func) {
  size_t low = 0, high = names->locals.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (names->locals.items[middle].func == func) return &names->locals.items[middle];
    if (names->locals.items[middle].func < func) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return NULL;
}

struct module_name module_local_name(const struct module *module, uint32_t func, uint32_t local) {
  struct module_name name = {"", 0};
  const struct module_names *names = names_of(module);
  const struct local_names *locals = names ? find_locals(names, func) : NULL;
  if (!locals) return name;
  struct module_reader reader = {.bytes = module->bytes, .cursor = locals->offset, .end = locals->end};
  for (uint32_t i = 0; i < locals->count; i++) {
    uint32_t index;
    if (!module_read_u32(&reader, "local index", &index) || !module_read_name(&reader, "name", &name)) break;
    if (index == local) return name;
  }
  return (struct module_name){"", 0};
}
