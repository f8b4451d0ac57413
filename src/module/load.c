/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A module's life: from bytes or a file to a reference-counted value, and the look-ups in its finished tables.
 *
 * What is not a core module is recognised by its first bytes, so that the message can name the next step. */
#include <assert.h>

#include "module/internal.h"

static const uint8_t magic_and_version[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};

static bool starts_with(const uint8_t *bytes, size_t len_bytes, const char *text) {
  size_t text_bytes = strlen(text);
  return len_bytes >= text_bytes && memcmp(bytes, text, text_bytes) == 0;
}

static bool looks_like_text(const uint8_t *bytes, size_t len_bytes) {
  while (len_bytes > 0 && (*bytes == ' ' || *bytes == '\t' || *bytes == '\n' || *bytes == '\r')) bytes++, len_bytes--;
  return starts_with(bytes, len_bytes, "(module") || starts_with(bytes, len_bytes, "(component") ||
         starts_with(bytes, len_bytes, ";;") || starts_with(bytes, len_bytes, "(;");
}

static enum cay_status check_version(const uint8_t *bytes, struct cay_error *error) {
  unsigned version = base_load_u16(bytes + 4), layer = base_load_u16(bytes + 6);
  if (layer == 1) {
    return base_error_set_at(error, CAY_ERROR_UNSUPPORTED, 4,
                             "this is a component; components are not supported yet, only core modules are");
  }
  return base_error_set_at(error, CAY_ERROR_MALFORMED, 4, "unknown binary version %u (layer %u); only version 1 exists",
                           version, layer);
}

static enum cay_status check_head(const uint8_t *bytes, size_t len_bytes, const struct module_load_limits *limits,
                                  struct cay_error *error) {
  if (len_bytes > limits->module_bytes || len_bytes > UINT32_MAX) {
    return base_error_set(error, CAY_ERROR_LIMIT, "the module has %zu bytes; at most %llu are allowed", len_bytes,
                          (unsigned long long)limits->module_bytes);
  }
  if (len_bytes >= sizeof magic_and_version) {
    if (memcmp(bytes, magic_and_version, sizeof magic_and_version) == 0) return CAY_OK;
    if (memcmp(bytes, magic_and_version, 4) == 0) return check_version(bytes, error);
  }
  if (len_bytes == 0) return base_error_set_at(error, CAY_ERROR_MALFORMED, 0, "the file is empty");
  if (looks_like_text(bytes, len_bytes)) {
    return base_error_set_at(error, CAY_ERROR_UNSUPPORTED, 0,
                             "this is WebAssembly text; convert it first: wat2wasm FILE -o FILE.wasm "
                             "(Debian package wabt)");
  }
  if (memcmp(bytes, magic_and_version, len_bytes < 4 ? len_bytes : 4) == 0) {
    return base_error_set_at(error, CAY_ERROR_MALFORMED, len_bytes, "unexpected end: the file has only %zu bytes",
                             len_bytes);
  }
  return base_error_set_at(error, CAY_ERROR_MALFORMED, 0, "not a WebAssembly module: it does not start with \\0asm");
}

/* A module without tables, holding one reference. */
static struct module *module_new(const struct module_load_limits *limits, module_features features) {
  struct module *module = base_alloc_zero(1, sizeof *module);
  struct module_private *private_part = base_alloc_zero(1, sizeof *private_part);
  if (!module || !private_part) {
    base_free(module);
    base_free(private_part);
    return NULL;
  }
  atomic_init(&module->references, 1);
  atomic_init(&private_part->names, NULL);
  atomic_init(&private_part->hints, NULL);
  private_part->limits = *limits;
  module->private_part = private_part;
  module->features = features & MODULE_FEATURES_RUNNABLE;
  return module;
}

static void module_free(struct module *module) {
  struct module_private *private_part = module->private_part;
  assert(atomic_load(&module->references) <= 1);
  module_names_free(atomic_load_explicit(&private_part->names, memory_order_acquire));
  module_hints_free(atomic_load_explicit(&private_part->hints, memory_order_acquire));
  base_arena_deinit(&private_part->arena);
  base_free(private_part->owned_bytes);
  base_file_deinit(&private_part->file);
  base_free(private_part);
  base_free(module);
}

static enum cay_status set_bytes(struct module *module, const uint8_t *bytes, size_t len_bytes,
                                 enum module_bytes ownership, struct cay_error *error) {
  module->bytes = bytes;
  module->len_bytes = len_bytes;
  if (ownership == MODULE_BYTES_BORROW) return CAY_OK;
  uint8_t *copy = base_alloc(len_bytes);
  if (!copy) return base_error_memory(error);
  memcpy(copy, bytes, len_bytes);
  module->bytes = module->private_part->owned_bytes = copy;
  return CAY_OK;
}

enum cay_status module_load(const uint8_t *bytes, size_t len_bytes, enum module_bytes ownership,
                            module_features features, const struct module_load_limits *limits, struct module **out,
                            struct cay_error *error) {
  *out = NULL;
  if (!limits) limits = &module_default_limits;
  enum cay_status status = check_head(bytes, len_bytes, limits, error);
  if (status != CAY_OK) return status;
  struct module *module = module_new(limits, features);
  if (!module) return base_error_memory(error);
  status = set_bytes(module, bytes, len_bytes, ownership, error);
  if (status == CAY_OK) status = module_decode(module, limits, error);
  if (status == CAY_OK) {
    *out = module;
  } else {
    module_free(module);
  }
  return status;
}

enum cay_status module_load_file(struct base_file *file, module_features features,
                                 const struct module_load_limits *limits, struct module **out,
                                 struct cay_error *error) {
  enum cay_status status = module_load(file->bytes, file->len_bytes, MODULE_BYTES_BORROW, features, limits, out, error);
  if (status != CAY_OK) return status;
  assert(!(*out)->private_part->owned_bytes);
  (*out)->private_part->file = *file;
  *file = (struct base_file){0};
  return CAY_OK;
}

struct module *module_retain(struct module *module) {
  unsigned before = atomic_fetch_add_explicit(&module->references, 1, memory_order_relaxed);
  assert(before > 0);
  (void)before;
  return module;
}

void module_release(struct module *module) {
  if (!module) return;
  unsigned before = atomic_fetch_sub_explicit(&module->references, 1, memory_order_acq_rel);
  assert(before > 0);
  if (before == 1) module_free(module);
}

/* ---- Look-ups ---------------------------------------------------------------------------------------------------- */

int module_name_compare(struct module_name a, struct module_name b) {
  uint32_t shorter = a.len_bytes < b.len_bytes ? a.len_bytes : b.len_bytes;
  int order = shorter ? memcmp(a.bytes, b.bytes, shorter) : 0;
  return order != 0 ? order : a.len_bytes < b.len_bytes ? -1 : a.len_bytes > b.len_bytes;
}

const struct module_export *module_export_find(const struct module *module, const char *name, size_t len_bytes) {
  if (len_bytes > UINT32_MAX) return NULL;
  struct module_name wanted = {name, (uint32_t)len_bytes};
  uint32_t low = 0, high = module->export_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const struct module_export *candidate = &module->exports[module->private_part->exports_by_name[middle]];
    int order = module_name_compare(candidate->name, wanted);
    if (order == 0) return candidate;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return NULL;
}

const struct module_custom *module_custom_find(const struct module *module, const char *name) {
  struct module_name wanted = {name, (uint32_t)strlen(name)};
  for (uint32_t i = 0; i < module->custom_count; i++) {
    if (module_name_compare(module->customs[i].name, wanted) == 0) return &module->customs[i];
  }
  return NULL;
}

uint32_t module_func_at(const struct module *module, uint32_t offset) {
  uint32_t low = module->imported_func_count, high = module->func_count; /* bodies stand in the order of functions */
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const struct module_func *func = &module->funcs[middle];
    if (offset >= func->body_offset + func->body_bytes) {
      low = middle + 1;
    } else if (offset < func->body_offset) {
      high = middle;
    } else {
      return middle;
    }
  }
  return UINT32_MAX;
}
