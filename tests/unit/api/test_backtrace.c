/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Backtraces with positions from DWARF, inlined functions included; and with DWARF that was damaged. The guest is
 * positions.c; its path is the argument. */
#include "api/parts.h"
#include "test.h"

static cay_engine *engine;
static struct cay_error error;

static const char *backtrace_of(cay_module *module, cay_run **run) {
  CHECK_INT(cay_run_new(module, NULL, run, &error), CAY_OK);
  int32_t result;
  cay_value value;
  CHECK_INT(cay_run_invoke(*run, "run", NULL, 0, &value, 1, NULL, &error), CAY_ERROR_TRAP);
  result = cay_run_result(*run)->trap;
  CHECK_INT(result, CAY_TRAP_MEMORY_BOUNDS);
  return cay_run_backtrace(*run, 0);
}

static void names_files_and_lines(const char *path) {
  cay_module *module = NULL;
  cay_run *run;
  CHECK_INT(cay_module_load_file(engine, path, &module, &error), CAY_OK);
  const char *text = backtrace_of(module, &run);
  static const char *const lines[] = {
      "  0: inner at ", "positions.c:4:10 (inlined)\n", "  0: middle at ", "positions.c:8:10 (inlined)\n",
      "  0: outer at ", "positions.c:12:10\n",          "  1: run at ",    "positions.c:15:60\n"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(lines); i++)
    if (!strstr(text, lines[i])) {
      test_failures++;
      fprintf(stderr, "the backtrace lacks \"%s\":\n%s", lines[i], text);
    }
  cay_run_free(run);
  cay_module_release(module);
}

/* Every byte of the debug sections is drawn upon by a simple generator; whatever comes, names stay and nothing breaks. */
static void survives_damage(const char *path) {
  struct base_file file;
  CHECK_INT(base_file_read(path, &file, &error), CAY_OK);
  uint8_t *bytes = base_alloc(file.len_bytes);
  uint64_t state = 1;
  for (int round = 0; round < 40; round++) {
    memcpy(bytes, file.bytes, file.len_bytes);
    cay_module *module = NULL;
    cay_run *run;
    CHECK_INT(cay_module_load(engine, bytes, file.len_bytes, &module, &error), CAY_OK);
    for (uint32_t i = 0; i < module->module->custom_count; i++) {
      const struct module_custom *custom = &module->module->customs[i];
      if (custom->name.bytes[0] != '.') continue;
      for (uint32_t k = 0; k < custom->len_bytes; k++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        if ((state >> 33) % 50 == 0) bytes[custom->offset + k] = (uint8_t)(state >> 40);
      }
    }
    cay_module_release(module);
    CHECK_INT(cay_module_load(engine, bytes, file.len_bytes, &module, &error), CAY_OK);
    const char *text = backtrace_of(module, &run);
    CHECK(text && strstr(text, "outer") && strstr(text, "  1: run"));
    cay_run_free(run);
    cay_module_release(module);
  }
  base_free(bytes);
  base_file_deinit(&file);
}

int main(int argc, char **argv) {
  if (argc != 2 || cay_engine_new(NULL, &engine, &error) != CAY_OK) return 1;
  names_files_and_lines(argv[1]);
  survives_damage(argv[1]);
  cay_engine_free(engine);
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
