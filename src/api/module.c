/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Modules: counted handles on what the room `module` loads. */
#include "api/parts.h"

#include <assert.h>

/* Takes over the reference to `module`. */
static enum cay_status wrap(cay_engine *engine, struct module *module, cay_module **out, struct cay_error *error) {
  cay_module *handle = base_alloc_zero(1, sizeof *handle);
  if (!handle) {
    module_release(module);
    return base_error_memory(error);
  }
  atomic_init(&handle->references, 1);
  handle->engine = engine;
  handle->module = module;
  *out = handle;
  return CAY_OK;
}

enum cay_status cay_module_load(cay_engine *engine, const void *bytes, size_t len_bytes, cay_module **out,
                                struct cay_error *error) {
  struct module *module = NULL;
  assert(engine && (bytes || !len_bytes) && "a module is loaded in an engine, from bytes");
  assert(engine->engine && "an engine was used after its end");
  enum cay_status status = module_load(bytes, len_bytes, MODULE_BYTES_COPY, engine->features, NULL, &module, error);
  return status == CAY_OK ? wrap(engine, module, out, error) : status;
}

enum cay_status api_module_load(cay_engine *engine, struct base_file *file, cay_module **out, struct cay_error *error) {
  struct module *module = NULL;
  enum cay_status status = module_load_file(file, engine->features, NULL, &module, error);
  if (status == CAY_OK) return wrap(engine, module, out, error);
  base_file_deinit(file);
  return status;
}

enum cay_status cay_module_load_file(cay_engine *engine, const char *path, cay_module **out, struct cay_error *error) {
  struct base_file file = {0};
  enum cay_status status = base_file_read(path, &file, error);
  return status == CAY_OK ? api_module_load(engine, &file, out, error) : status;
}

enum cay_status cay_module_validate(cay_engine *engine, const void *bytes, size_t len_bytes, struct cay_error *error) {
  struct module *module = NULL;
  enum cay_status status = module_load(bytes, len_bytes, MODULE_BYTES_BORROW, engine->features, NULL, &module, error);
  if (status == CAY_OK) module_release(module);
  return status;
}

cay_module *cay_module_retain(cay_module *module) {
  unsigned before = atomic_fetch_add_explicit(&module->references, 1, memory_order_relaxed);
  assert(before > 0 && "a module was used after its end");
  (void)before;
  return module;
}

void cay_module_release(cay_module *module) {
  if (!module) return;
  unsigned before = atomic_fetch_sub_explicit(&module->references, 1, memory_order_acq_rel);
  assert(before > 0 && "a module was released more often than it was made and retained");
  if (before > 1) return;
  module_release(module->module);
  base_free(module);
}

const struct module *api_module(const cay_module *module) { return module->module; }

bool api_module_data(const cay_module *module, uint32_t index, const char **bytes, size_t *len_bytes) {
  if (index >= module->module->data_count) return false;
  const struct module_data_segment *segment = &module->module->datas[index];
  *bytes = (const char *)module->module->bytes + segment->bytes_offset;
  *len_bytes = segment->len_bytes;
  return true;
}

enum cay_status api_module_check_customs(const cay_module *module, struct cay_error *error) {
  return module_branch_hints_check(module->module, error);
}

void api_module_sha256(const cay_module *module, char out[API_SHA256_HEX_BYTES]) {
  uint8_t digest[BASE_SHA256_BYTES];
  base_sha256_of(module->module->bytes, module->module->len_bytes, digest);
  base_sha256_hex(digest, out);
}
