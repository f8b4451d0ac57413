/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Loads and runs small programs while allocation number 1, 2, 3 ... fails, until one round needs no more allocations than
 * were allowed. Each round must end in success or CAY_ERROR_MEMORY, give back all memory and all descriptors, and leave
 * the library usable. Meant for a build with AddressSanitizer, which sees what is touched in between. */
#include <cay.h>
#include <dirent.h>
#include <sys/stat.h>

#include "failing.h"
#include "modules.h"
#include "test.h"

static int open_descriptors(void) {
  DIR *folder = opendir("/proc/self/fd");
  if (!folder) return 0;
  int count = 0;
  while (readdir(folder)) count++;
  closedir(folder);
  return count;
}

static const char *folder;

static enum cay_status configure(cay_wasi *wasi, struct cay_error *error) {
  enum cay_status status = cay_wasi_add_arg(wasi, "program", error);
  if (status == CAY_OK) status = cay_wasi_set_env(wasi, "NAME", "value", error);
  if (status == CAY_OK) status = cay_wasi_set_env(wasi, "NAME", "another value", error);
  if (status == CAY_OK) status = cay_wasi_set_stdio(wasi, 1, CAY_STDIO_NULL, -1, error);
  if (status == CAY_OK) status = cay_wasi_grant_path(wasi, folder, "/w", CAY_RIGHTS_READ_WRITE, error);
  if (status == CAY_OK) status = cay_wasi_listen(wasi, "127.0.0.1:0", error);
  return status;
}

/* Reports anything but success and lack of memory. */
static enum cay_status expect(enum cay_status status, const struct cay_error *error, const char *what) {
  if (status != CAY_OK && status != CAY_ERROR_MEMORY) {
    fprintf(stderr, "allocation %lu of %s: %s: %s\n", allowed + 1, what, cay_status_name(status), error->text);
    test_failures++;
  }
  return status;
}

static enum cay_status run_program(cay_engine *engine, const void *bytes, size_t len_bytes, const char *function,
                                   struct cay_error *error) {
  cay_module *module = NULL;
  cay_wasi *wasi = NULL;
  cay_run *run = NULL;
  enum cay_status status = cay_module_load(engine, bytes, len_bytes, &module, error);
  if (status == CAY_OK) status = cay_wasi_new(&wasi, error);
  if (status == CAY_OK) status = configure(wasi, error);
  if (status == CAY_OK) status = cay_run_new(module, wasi, &run, error);
  if (status == CAY_OK) {
    cay_run_set_limit(run, CAY_LIMIT_TIME, 60000000000, NULL);
    status = function ? cay_run_invoke(run, function, NULL, 0, NULL, 0, NULL, error) : cay_run_start(run, error);
    /* A trap that was expected: its backtrace may fail, the trap may not get lost. */
    if (function && status == CAY_ERROR_TRAP) status = cay_run_backtrace(run, 0) ? CAY_OK : CAY_ERROR_MEMORY;
  }
  /* The guest's heap says in its own way that there is no more memory. */
  if (run && cay_run_result(run)->trap == CAY_TRAP_HEAP_EXHAUSTED) status = CAY_ERROR_MEMORY;
  cay_run_free(run);
  cay_wasi_free(wasi);
  cay_module_release(module);
  return status;
}

static enum cay_status never(void *env, cay_caller *caller, cay_slot *slots, struct cay_error *error) {
  (void)env, (void)caller, (void)slots, (void)error;
  return CAY_ERROR_TRAP;
}

static enum cay_status imports_new(cay_imports **out, struct cay_error *error) {
  static const enum cay_type i32 = CAY_I32;
  cay_imports *imports = NULL;
  enum cay_status status = cay_imports_new(&imports, error);
  if (status == CAY_OK) status = cay_imports_add(imports, "host", "never", &i32, 1, &i32, 1, never, NULL, error);
  if (status == CAY_OK)
    *out = imports;
  else
    cay_imports_release(imports);
  return status;
}

/* A run, another one beside it, and one more that may be the first one again. */
static enum cay_status use_pool(cay_pool *pool, struct cay_error *error) {
  cay_run *one = NULL, *other = NULL, *again = NULL;
  enum cay_status status = cay_pool_take(pool, &one, error);
  if (status == CAY_OK) status = cay_pool_take(pool, &other, error);
  if (status == CAY_OK) status = cay_run_start(one, error);
  cay_run_free(one);
  if (status == CAY_OK) status = cay_pool_take(pool, &again, error);
  if (status == CAY_OK) status = cay_run_start(again, error);
  cay_run_free(again);
  cay_run_free(other);
  return status;
}

static enum cay_status run_pool(cay_engine *engine, const void *bytes, size_t len_bytes, struct cay_error *error) {
  cay_module *module = NULL;
  cay_wasi *wasi = NULL;
  cay_imports *imports = NULL;
  cay_pool *pool = NULL;
  enum cay_status status = cay_module_load(engine, bytes, len_bytes, &module, error);
  if (status == CAY_OK) status = cay_wasi_new(&wasi, error);
  if (status == CAY_OK) status = configure(wasi, error);
  if (status == CAY_OK) status = imports_new(&imports, error);
  cay_pool_setup setup = {.wasi = wasi, .imports = imports};
  if (status == CAY_OK) status = cay_pool_new(module, &setup, &pool, error);
  if (status == CAY_OK) status = use_pool(pool, error);
  cay_pool_free(pool);
  cay_imports_release(imports);
  cay_wasi_free(wasi);
  cay_module_release(module);
  return status;
}

static const char *tier;

static enum cay_status engine_new(cay_engine **out, struct cay_error *error) {
  cay_engine_config *config = NULL;
  enum cay_status status = cay_engine_config_new(&config, error);
  if (status == CAY_OK) status = cay_engine_config_set_tier(config, tier, error);
  if (status == CAY_OK) status = cay_engine_new(config, out, error);
  cay_engine_config_free(config);
  return status;
}

static enum cay_status run_all(void) {
  static const unsigned char hello[] = {HELLO_WASM}, open_file[] = {OPEN_WASM}, kinds[] = {KINDS_WASM},
                             objects[] = {OBJECTS_WASM};
  struct cay_error error;
  cay_engine *engine = NULL;
  enum cay_status status = expect(engine_new(&engine, &error), &error, "engine");
  if (status == CAY_OK) status = expect(run_program(engine, hello, sizeof hello, NULL, &error), &error, "hello");
  if (status == CAY_OK) status = expect(run_program(engine, open_file, sizeof open_file, NULL, &error), &error, "open");
  if (status == CAY_OK) status = expect(run_pool(engine, open_file, sizeof open_file, &error), &error, "pool");
  if (status == CAY_OK) status = expect(run_program(engine, kinds, sizeof kinds, "boom", &error), &error, "boom");
  if (status == CAY_OK) status = expect(run_program(engine, objects, sizeof objects, NULL, &error), &error, "objects");
  if (status == CAY_OK) status = expect(run_program(engine, objects, sizeof objects, "boom", &error), &error, "throw");
  cay_engine_free(engine);
  return status;
}

static bool has_tier(void) {
  cay_engine *engine = NULL;
  enum cay_status status = engine_new(&engine, NULL);
  cay_engine_free(engine);
  return status == CAY_OK;
}

static void fail_in_turn(void) {
  CHECK_INT(run_all(), CAY_OK); /* loads what stays loaded */
  int descriptors = open_descriptors();
  enum cay_status status = CAY_ERROR_MEMORY;
  for (allowed = 0; test_failures == 0; allowed++) {
    allocations = 0;
    status = run_all();
    CHECK_INT(live, 0);
    CHECK_INT(open_descriptors(), descriptors);
    if (allocations <= allowed) break;
  }
  CHECK_INT(status, CAY_OK);
  printf("%s: %lu allocations failed in turn; %d failed checks\n", tier, allowed, test_failures);
}

int main(int argc, char **argv) {
  static const char *const tiers[] = {"interp", "baseline"};
  if (argc != 2) return 1;
  folder = argv[1];
  mkdir(folder, 0700);
  cay_set_allocator(&(cay_allocator){failing_resize, NULL});
  for (int i = 0; i < 2; i++) {
    allowed = 1000000;
    tier = tiers[i];
    if (has_tier()) fail_in_turn();
  }
  return test_failures != 0;
}
