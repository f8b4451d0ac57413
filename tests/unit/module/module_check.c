/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* module_check [--time N] [--features +NAME,-NAME...] FILE...: loads each file and prints a line for it: "ok", or
 * "malformed", "invalid", ... with the message. --time loads N times and prints the best speed. For scripts and
 * measurements; the exit code is 1 when any file failed to load. */
#include <stdio.h>
#include <stdlib.h>

#include "module/module.h"

static const char *status_word(enum cay_status status) {
  switch (status) {
  case CAY_OK: return "ok";
  case CAY_ERROR_MALFORMED: return "malformed";
  case CAY_ERROR_INVALID: return "invalid";
  case CAY_ERROR_UNSUPPORTED: return "unsupported";
  case CAY_ERROR_LIMIT: return "limit";
  default: return "error";
  }
}

static module_features find_feature(const char *name, size_t len_bytes) {
  for (int i = 0; i < MODULE_FEATURE_COUNT; i++) {
    const char *candidate = module_feature_name((enum module_feature)i);
    if (strlen(candidate) == len_bytes && memcmp(candidate, name, len_bytes) == 0) return UINT64_C(1) << i;
  }
  fprintf(stderr, "unknown proposal %.*s\n", (int)len_bytes, name);
  exit(2);
}

static module_features parse_features(const char *text) {
  module_features features = MODULE_FEATURES_DEFAULT;
  while (*text) {
    size_t len_bytes = strcspn(text + 1, ",");
    module_features bit = find_feature(text + 1, len_bytes);
    features = *text == '-' ? features & ~bit : features | bit;
    text += 1 + len_bytes;
    if (*text == ',') text++;
  }
  return features;
}

static enum cay_status load(const char *path, module_features features, struct cay_error *error) {
  struct base_file file;
  enum cay_status status = base_file_read(path, &file, error);
  if (status != CAY_OK) return status;
  struct module *module;
  status = module_load_file(&file, features, NULL, &module, error);
  if (status == CAY_OK) {
    module_release(module);
  } else {
    base_file_deinit(&file);
  }
  return status;
}

static void measure(const char *path, module_features features, int times) {
  struct base_file file;
  struct cay_error error;
  if (base_file_read(path, &file, &error) != CAY_OK) return;
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < times; i++) {
    struct module *module;
    uint64_t start = base_os_monotonic_ns();
    if (module_load(file.bytes, file.len_bytes, MODULE_BYTES_BORROW, features, NULL, &module, &error) != CAY_OK) break;
    uint64_t took = base_os_monotonic_ns() - start;
    if (took < best) best = took;
    printf("  %u functions, %u bytes of code, %zu bytes: %.2f ms\n", module->func_count, module->code_bytes,
           file.len_bytes, (double)took / 1e6);
    module_release(module);
  }
  printf("  best %.1f MB/s\n", (double)file.len_bytes * 1e3 / (double)best);
  base_file_deinit(&file);
}

int main(int argc, char **argv) {
  module_features features = MODULE_FEATURES_DEFAULT;
  int times = 0, failures = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--time") == 0 && i + 1 < argc) {
      times = atoi(argv[++i]);
    } else if (strcmp(argv[i], "--features") == 0 && i + 1 < argc) {
      features = parse_features(argv[++i]);
    } else {
      struct cay_error error = {.text = ""};
      enum cay_status status = load(argv[i], features, &error);
      failures += status != CAY_OK;
      printf("%s: %s%s%s", argv[i], status_word(status), error.text[0] ? ": " : "", error.text);
      if (error.text[0] && error.offset != CAY_ERROR_NO_OFFSET)
        printf(" (at 0x%llx)", (unsigned long long)error.offset);
      puts("");
      if (times > 0) measure(argv[i], features, times);
    }
  }
  return failures > 0;
}
