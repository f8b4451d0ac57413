/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Prints how much memory the interpreter's code of a module takes when every function is translated, beside the bytes
 * of the function bodies: {"body_bytes": N, "code_bytes": N}. A program of its own because the command has no use for
 * that figure: it translates functions when they are first called. */
#include "tiers/tiers.h"

#include <inttypes.h>
#include <stdio.h>

static int fail(const char *path, const struct cay_error *error) {
  fprintf(stderr, "code_memory: %s: %s\n", path, error->text);
  return 1;
}

static uint64_t body_bytes(const struct module *module) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < module->func_count; i++) sum += module->funcs[i].body_bytes;
  return sum;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: code_memory FILE\n");
    return 2;
  }
  struct cay_error error;
  struct base_file file;
  struct module *module;
  if (base_file_read(argv[1], &file, &error) != CAY_OK ||
      module_load_file(&file, MODULE_FEATURES_DEFAULT, NULL, &module, &error) != CAY_OK)
    return fail(argv[1], &error);
  const struct engine_code_options options = {.explicit_bounds = false};
  const void *const *entries;
  void *code;
  if (tiers_interp.code_new(module, &options, &code, &entries, &error) != CAY_OK) return fail(argv[1], &error);
  printf("{\"body_bytes\": %" PRIu64 ", \"code_bytes\": %zu}\n", body_bytes(module),
         tiers_interp.code_bytes(code, true));
  tiers_interp.code_free(code);
  module_release(module);
  return 0;
}
