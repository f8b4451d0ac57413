/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Linkers: externs by module and name, and the sentence for imports that nobody provides.
 *
 * A hash table with linear probing whose entries are either one extern or a whole instance under a module name. An
 * instance's exports are looked up in it, not copied: that costs nothing per definition, and names chosen by a guest
 * never fill our table. Entries carry a number that grows, so that the later of two definitions wins whichever kind
 * they are. */
#include <stdio.h>

#include "engine/internal.h"

struct definition {
  struct definition *older; /* an instance that was given the same module name before */
  const char *module, *name;
  uint32_t module_bytes, name_bytes;
  uint64_t number;
  struct engine_instance *instance; /* not NULL: all its exports, and `name` is unused */
  struct engine_extern value;
};

struct engine_linker {
  struct engine_store *store;
  struct base_arena arena;
  struct definition **slots;
  uint32_t slot_count, used;
  uint64_t next_number;
};

enum cay_status engine_linker_new(struct engine_store *store, struct engine_linker **out, struct cay_error *error) {
  struct engine_linker *linker = base_alloc_zero(1, sizeof *linker);
  if (!linker) return base_error_memory(error);
  linker->store = store;
  *out = linker;
  return CAY_OK;
}

void engine_linker_free(struct engine_linker *linker) {
  if (!linker) return;
  base_arena_deinit(&linker->arena);
  base_free(linker->slots);
  base_free(linker);
}

/* ---- The table ----------------------------------------------------------------------------------------------------- */

struct key {
  const char *module, *name; /* name NULL: the entry of an instance */
  size_t module_bytes, name_bytes;
};

static uint64_t key_hash(const struct key *key) {
  uint64_t hash = base_hash(key->module, key->module_bytes);
  return key->name ? hash * UINT64_C(0x9E3779B97F4A7C15) + base_hash(key->name, key->name_bytes) : hash;
}

static bool key_is(const struct key *key, const struct definition *entry) {
  if (key->module_bytes != entry->module_bytes || memcmp(key->module, entry->module, key->module_bytes) != 0)
    return false;
  if (!key->name || entry->instance) return !key->name && entry->instance;
  return key->name_bytes == entry->name_bytes && memcmp(key->name, entry->name, key->name_bytes) == 0;
}

static struct definition **slot_of(const struct engine_linker *linker, const struct key *key) {
  assert(linker->used < linker->slot_count); /* or the search would not end */
  uint32_t mask = linker->slot_count - 1;
  uint32_t slot = (uint32_t)(key_hash(key) >> 9) & mask;
  while (linker->slots[slot] && !key_is(key, linker->slots[slot])) slot = (slot + 1) & mask;
  return &linker->slots[slot];
}

static struct definition *find(const struct engine_linker *linker, const struct key *key) {
  return linker->slot_count ? *slot_of(linker, key) : NULL;
}

static bool slots_reserve(struct engine_linker *linker) {
  if ((linker->used + 1) * 2 <= linker->slot_count) return true;
  uint32_t old_count = linker->slot_count;
  struct definition **old = linker->slots;
  struct definition **slots = base_alloc_zero(old_count ? (size_t)old_count * 2 : 128, sizeof(struct definition *));
  if (!slots) return false;
  linker->slots = slots;
  linker->slot_count = old_count ? old_count * 2 : 128;
  for (uint32_t i = 0; i < old_count; i++) {
    if (!old[i]) continue;
    struct key key = {old[i]->module, old[i]->instance ? NULL : old[i]->name, old[i]->module_bytes, old[i]->name_bytes};
    *slot_of(linker, &key) = old[i];
  }
  base_free(old);
  return true;
}

/* A new entry with copied names; not yet in the table. */
static struct definition *definition_new(struct engine_linker *linker, const struct key *key) {
  struct definition *entry = base_arena_alloc(&linker->arena, 1, sizeof *entry);
  char *names = base_arena_alloc(&linker->arena, key->module_bytes + key->name_bytes + 1, 1);
  if (!entry || !names) return NULL;
  memcpy(names, key->module, key->module_bytes);
  if (key->name_bytes) memcpy(names + key->module_bytes, key->name, key->name_bytes);
  entry->module = names;
  entry->name = names + key->module_bytes;
  entry->module_bytes = (uint32_t)key->module_bytes;
  entry->name_bytes = (uint32_t)key->name_bytes;
  return entry;
}

static enum cay_status define(struct engine_linker *linker, const struct key *key, struct definition **out,
                              struct cay_error *error) {
  if (key->module_bytes > UINT32_MAX || key->name_bytes > UINT32_MAX)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "a name is too long");
  if (!slots_reserve(linker)) return base_error_memory(error);
  struct definition **slot = slot_of(linker, key), *entry = *slot;
  bool is_hidden_instance = entry && entry->instance;
  if (!entry || is_hidden_instance) {
    entry = definition_new(linker, key);
    if (!entry) return base_error_memory(error);
    entry->older = *slot;
    if (!*slot) linker->used++;
    *slot = entry;
  }
  entry->number = linker->next_number++;
  *out = entry;
  return CAY_OK;
}

enum cay_status engine_linker_define(struct engine_linker *linker, const char *module, size_t module_len_bytes,
                                     const char *name, size_t name_len_bytes, struct engine_extern value,
                                     struct cay_error *error) {
  struct key key = {module, name, module_len_bytes, name_len_bytes};
  struct definition *entry;
  enum cay_status status = define(linker, &key, &entry, error);
  if (status == CAY_OK) entry->value = value;
  return status;
}

enum cay_status engine_linker_define_instance(struct engine_linker *linker, const char *module, size_t module_len_bytes,
                                              struct engine_instance *instance, struct cay_error *error) {
  struct key key = {module, NULL, module_len_bytes, 0};
  struct definition *entry;
  enum cay_status status = define(linker, &key, &entry, error);
  if (status == CAY_OK) entry->instance = instance;
  return status;
}

bool engine_linker_find(const struct engine_linker *linker, struct module_name module, struct module_name name,
                        struct engine_extern *out) {
  struct key exact = {module.bytes, name.bytes ? name.bytes : "", module.len_bytes, name.len_bytes};
  struct key whole = {module.bytes, NULL, module.len_bytes, 0};
  const struct definition *one = find(linker, &exact);
  for (const struct definition *all = find(linker, &whole); all; all = all->older) {
    if (one && one->number > all->number) break;
    if (engine_export(all->instance, name.bytes, name.len_bytes, out)) return true;
  }
  if (one) *out = one->value;
  return one != NULL;
}

/* ---- What is missing ----------------------------------------------------------------------------------------------- */

static const char not_in_wasi[] = "the function is not part of WASI 0.1";

/* What imports from a module of this name usually come from. A final '*' stands for anything. */
static const struct hint {
  const char *module, *name; /* NULL: any */
  const char *text;
  enum cay_error_kind kind; /* CAY_KIND_NONE: CAY_KIND_UNKNOWN_IMPORT says all */
} hints[] = {
    {"wasi_snapshot_preview1", NULL, not_in_wasi},
    {"wasi_unstable", NULL, not_in_wasi},
    {"wasi_snapshot_preview2", NULL, "core modules import WASI 0.1, as wasi_snapshot_preview1"},
    {"wasi:*", NULL, "this is the core module of a component; run the component that it was taken from"},
    {"wasi", "thread-spawn", "the host offers no threads here", CAY_KIND_NO_THREADS},
    {"env", NULL, "made by Emscripten or for another host; build it for wasm32-wasi"},
    {"wbg", NULL, "wasm-bindgen's output is for browsers and JavaScript; build for wasm32-wasip1"},
    {"__wbindgen*", NULL, "wasm-bindgen's output is for browsers and JavaScript; build for wasm32-wasip1"},
    {"./*_bg.js", NULL, "wasm-bindgen's output is for browsers and JavaScript; build for wasm32-wasip1"},
    {"go", NULL, "made with GOOS=js, for browsers; build with GOOS=wasip1"},
    {"gojs", NULL, "made with GOOS=js, for browsers; build with GOOS=wasip1"},
};

static bool pattern_matches(const char *pattern, struct module_name name) {
  const char *star = strchr(pattern, '*');
  size_t head = star ? (size_t)(star - pattern) : strlen(pattern);
  size_t tail = star ? strlen(star + 1) : 0;
  if (name.len_bytes < head + tail || (!star && name.len_bytes != head)) return false;
  return memcmp(name.bytes, pattern, head) == 0 &&
         memcmp(name.bytes + name.len_bytes - tail, pattern + head + !!star, tail) == 0;
}

static bool module_is_defined(const struct engine_linker *linker, struct module_name module) {
  for (uint32_t i = 0; i < linker->slot_count; i++) {
    const struct definition *entry = linker->slots[i];
    if (entry && entry->module_bytes == module.len_bytes && memcmp(entry->module, module.bytes, module.len_bytes) == 0)
      return true;
  }
  return false;
}

static const struct hint *hint_of(const struct module_import *import) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(hints); i++)
    if (pattern_matches(hints[i].module, import->module) &&
        (!hints[i].name || pattern_matches(hints[i].name, import->name)))
      return &hints[i];
  return NULL;
}

static const char *hint_text(const struct engine_linker *linker, const struct module_import *import) {
  const struct hint *hint = hint_of(import);
  if (!hint) return NULL;
  bool is_absent = hint->text == not_in_wasi && !module_is_defined(linker, import->module);
  return is_absent ? "the host offers no WASI 0.1 here" : hint->text;
}

static enum cay_error_kind kind_of(const struct module_import *const *missing, uint32_t listed) {
  for (uint32_t i = 0; i < listed; i++) {
    const struct hint *hint = hint_of(missing[i]);
    if (hint && hint->kind) return hint->kind;
  }
  return CAY_KIND_UNKNOWN_IMPORT;
}

enum { MISSING_LISTED = 8 };

static void name_add(struct base_text *text, const struct module_import *import) {
  char module[ENGINE_NAME_TEXT_BYTES], name[ENGINE_NAME_TEXT_BYTES];
  base_text_format(text, "\"%s\" \"%s\"",
                   base_printable(module, sizeof module, import->module.bytes, import->module.len_bytes),
                   base_printable(name, sizeof name, import->name.bytes, import->name.len_bytes));
}

/* `missing` holds the first `listed` of `count` imports that nobody provides. */
static enum cay_status report_missing(const struct engine_linker *linker, const struct module *module,
                                      const struct module_import *const *missing, uint32_t listed, uint32_t count,
                                      struct cay_error *error) {
  assert(listed > 0 && listed <= count);
  struct base_text text = {0};
  char type[ENGINE_TYPE_TEXT_BYTES];
  engine_import_type_text(module, missing[0], type);
  base_text_addz(&text, "unknown import ");
  name_add(&text, missing[0]);
  base_text_format(&text, ", a %s", type);
  const char *hint = hint_text(linker, missing[0]);
  if (hint) base_text_format(&text, ": %s", hint);
  for (uint32_t i = 1; i < listed; i++) {
    base_text_addz(&text, i == 1 ? "; also missing: " : ", ");
    name_add(&text, missing[i]);
  }
  if (count > listed) base_text_format(&text, " and %u more", count - listed);
  bool failed = text.failed;
  enum cay_status status = failed ? base_error_memory(error) : base_error_set(error, CAY_ERROR_LINK, "%s", text.bytes);
  base_text_deinit(&text);
  return failed ? status : base_error_kind(error, status, kind_of(missing, listed));
}

static enum cay_status look_up(const struct engine_linker *linker, const struct module *module,
                               struct engine_extern *imports, struct cay_error *error) {
  const struct module_import *missing[MISSING_LISTED];
  uint32_t count = 0;
  for (uint32_t i = 0; i < module->import_count; i++) {
    const struct module_import *import = &module->imports[i];
    if (engine_linker_find(linker, import->module, import->name, &imports[i])) continue;
    if (count < MISSING_LISTED) missing[count] = import;
    count++;
  }
  if (count == 0) return CAY_OK;
  return report_missing(linker, module, missing, count < MISSING_LISTED ? count : MISSING_LISTED, count, error);
}

static enum cay_status link_and(struct engine_linker *linker, struct module *module, const char *name,
                                __typeof__(engine_instantiate) *make, struct engine_instance **out,
                                struct cay_error *error) {
  BASE_AUTO_FREE struct engine_extern *imports = base_alloc_zero(module->import_count, sizeof *imports);
  if (!imports) return base_error_memory(error);
  enum cay_status status = look_up(linker, module, imports, error);
  if (status != CAY_OK) return status;
  return make(linker->store, module, imports, name, out, error);
}

enum cay_status engine_linker_instance_new(struct engine_linker *linker, struct module *module, const char *name,
                                           struct engine_instance **out, struct cay_error *error) {
  return link_and(linker, module, name, engine_instance_new, out, error);
}

enum cay_status engine_linker_instantiate(struct engine_linker *linker, struct module *module, const char *name,
                                          struct engine_instance **out, struct cay_error *error) {
  return link_and(linker, module, name, engine_instantiate, out, error);
}
