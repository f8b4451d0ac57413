/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Loads a module, which validates it, and translates all of its functions with one tier on one thread; prints what that
 * took, as JSON:
 *
 *   function_count, body_bytes   the module's own functions and the bytes of their bodies
 *   code_bytes                   the tier's own account of the memory its code takes
 *   resident_bytes               what translating added to the memory of the process, by the kernel's account
 *   load_us, translate_us        processor time of the two steps
 *
 * A program of its own because the command has no use for these figures: it translates functions when they are first
 * called. A page of code that is mapped twice, to write and to execute, counts once, as the kernel's proportional size
 * (Pss) has it. */
#include "api/parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

struct took {
  size_t code_bytes;
  int64_t resident_bytes;
  uint64_t load_us, translate_us;
};

static int fail(const char *what, const struct cay_error *error) {
  fprintf(stderr, "translate: %s: %s\n", what, error->text);
  return 1;
}

static uint64_t body_bytes(const struct module *module) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < module->func_count; i++) sum += module->funcs[i].body_bytes;
  return sum;
}

static uint64_t cpu_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* 0 where the kernel does not say. */
static int64_t resident_bytes(void) {
  FILE *file = fopen("/proc/self/smaps_rollup", "r");
  char line[256];
  int64_t kib = 0;
  if (!file) return 0;
  while (fgets(line, sizeof line, file) && sscanf(line, "Pss: %" SCNd64 " kB", &kib) != 1) continue;
  fclose(file);
  return kib * 1024;
}

static enum cay_status load(const char *path, struct module **module, struct took *took, struct cay_error *error) {
  struct base_file file;
  uint64_t started_us = cpu_us();
  enum cay_status status = base_file_read(path, &file, error);
  if (status == CAY_OK) status = module_load_file(&file, MODULE_FEATURES_LATEST, NULL, module, error);
  took->load_us = cpu_us() - started_us;
  return status;
}

static enum cay_status translate(const struct engine_tier *tier, struct module *module, struct took *took,
                                 struct cay_error *error) {
  const struct engine_code_options options = {.explicit_bounds = false};
  const void *const *entries;
  void *code;
  int64_t resident = resident_bytes();
  uint64_t started_us = cpu_us();
  enum cay_status status = tier->code_new(module, &options, &code, &entries, error);
  if (status != CAY_OK) return status;
  took->code_bytes = tier->code_bytes(code, true);
  took->translate_us = cpu_us() - started_us;
  took->resident_bytes = resident_bytes() - resident;
  tier->code_free(code);
  return CAY_OK;
}

int main(int argc, char **argv) {
  struct cay_error error;
  struct took took;
  struct module *module;
  if (argc != 3) {
    fprintf(stderr, "usage: translate TIER FILE\n");
    return 2;
  }
  const struct engine_tier *tier = api_tier_find(argv[1], &error);
  if (!tier) return fail(argv[1], &error);
  if (load(argv[2], &module, &took, &error) != CAY_OK || translate(tier, module, &took, &error) != CAY_OK)
    return fail(argv[2], &error);
  printf("{\"function_count\": %" PRIu32 ", \"body_bytes\": %" PRIu64 ", \"code_bytes\": %zu",
         module->func_count - module->imported_func_count, body_bytes(module), took.code_bytes);
  printf(", \"resident_bytes\": %" PRId64 ", \"load_us\": %" PRIu64 ", \"translate_us\": %" PRIu64 "}\n",
         took.resident_bytes, took.load_us, took.translate_us);
  module_release(module);
  return 0;
}
