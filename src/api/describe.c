/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Modules as texts, for the command: reports and disassembly, made by the room `inspect`. */
#include <inttypes.h>
#include <stdlib.h>

#include "api/parts.h"
#include "inspect/inspect.h"

void api_module_report(const cay_module *module, const char *file_name, enum api_format format, struct base_text *out) {
  if (format == API_JSON)
    inspect_report_json(module->module, file_name, out);
  else
    inspect_report_text(module->module, file_name, out);
}

static bool name_is(struct module_name name, const char *text) {
  return name.len_bytes == strlen(text) && memcmp(name.bytes, text, name.len_bytes) == 0;
}

/* A function by number, by name, or by the name of its export. */
static enum cay_status function_find(const struct module *module, const char *wanted, uint32_t *out,
                                     struct cay_error *error) {
  char *end;
  unsigned long number = strtoul(wanted, &end, 10);
  char printable[64];
  base_printable(printable, sizeof printable, wanted, strlen(wanted));
  const struct module_export *export = module_export_find(module, wanted, strlen(wanted));
  uint32_t found = module->func_count;
  if (export && export->kind == MODULE_FUNC)
    found = export->index;
  else if (wanted[0] >= '0' && wanted[0] <= '9' && !*end && number < module->func_count)
    found = (uint32_t)number;
  else
    for (found = 0; found < module->func_count && !name_is(module_func_name(module, found), wanted);) found++;
  if (found == module->func_count)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "there is no function \"%s\" in the module", printable);
  if (found < module->imported_func_count)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "the function \"%s\" is imported: it has no code", printable);
  *out = found;
  return CAY_OK;
}

typedef bool (*text_writer)(void *env, const char *bytes, size_t len_bytes);

struct disassembly {
  struct module *module;
  struct inspect_listing *listing; /* NULL: wasm alone */
  text_writer write;
  void *env;
};

static enum cay_status disassemble_one(const struct disassembly *self, uint32_t func, struct cay_error *error) {
  struct base_text text = {0};
  enum cay_status status = self->listing ? inspect_listing_add(self->listing, func, &text, error)
                                         : inspect_disassemble(self->module, func, &text, error);
  if (status == CAY_OK && text.failed) status = base_error_memory(error);
  if (status == CAY_OK && !self->write(self->env, text.bytes, text.len_bytes))
    status = base_error_set(error, CAY_ERROR_SYSTEM, "the disassembly cannot be written");
  base_text_deinit(&text);
  return status;
}

static enum cay_status open_listing(struct disassembly *self, const char *name, struct cay_error *error) {
  const struct engine_tier *tier = name ? api_tier_find(name, error) : NULL;
  if (name && !tier) return CAY_ERROR_ARGUMENT;
  return tier && tier->list ? inspect_listing_new(self->module, tier, &self->listing, error) : CAY_OK;
}

enum cay_status api_module_disassemble(const cay_module *handle, const char *const *functions, size_t count,
                                       const char *tier, text_writer write, void *env, struct cay_error *error) {
  struct module *module = handle->module;
  struct disassembly self = {.module = module, .write = write, .env = env};
  enum cay_status status = open_listing(&self, tier, error);
  for (size_t i = 0; status == CAY_OK && i < count; i++) {
    uint32_t func = 0;
    status = function_find(module, functions[i], &func, error);
    if (status == CAY_OK) status = disassemble_one(&self, func, error);
  }
  for (uint32_t func = module->imported_func_count; status == CAY_OK && count == 0 && func < module->func_count; func++)
    status = disassemble_one(&self, func, error);
  inspect_listing_free(self.listing);
  return status;
}
