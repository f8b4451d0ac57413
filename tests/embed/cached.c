/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Code that an engine keeps for later ones, of both tiers that have a helper. `cached FOLDER HELPER [must]`: a folder that it may
 * write to, and the one of cay-llvm; must: the build has those tiers, and nothing is skipped. */
#include <cay.h>
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasm.h>

#include "test.h"

/* (func (export "sum") (param i32) (result i32) (local i32)
 *   (loop (local.set 1 (i32.add (local.get 1) (local.get 0)))
 *         (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) local.get 1)
 * and "more", which gives one more. */
static const unsigned char sum_wasm[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x06, 0x01, 0x60, 0x01, 0x7f, 0x01, 0x7f, 0x03, 0x03, 0x02,
    0x00, 0x00, 0x07, 0x0e, 0x02, 0x03, 0x73, 0x75, 0x6d, 0x00, 0x00, 0x04, 0x6d, 0x6f, 0x72, 0x65, 0x00, 0x01, 0x0a,
    0x38, 0x02, 0x19, 0x01, 0x01, 0x7f, 0x03, 0x40, 0x20, 0x01, 0x20, 0x00, 0x6a, 0x21, 0x01, 0x20, 0x00, 0x41, 0x01,
    0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b, 0x20, 0x01, 0x0b, 0x1c, 0x01, 0x01, 0x7f, 0x03, 0x40, 0x20, 0x01, 0x20, 0x00,
    0x6a, 0x21, 0x01, 0x20, 0x00, 0x41, 0x01, 0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b, 0x20, 0x01, 0x41, 0x01, 0x6a, 0x0b};

static const char *folder;
static char cache[4096];
static struct cay_error error;

static void clear(void) {
  char path[4096 + 256];
  DIR *files = opendir(cache);
  for (const struct dirent *file; files && (file = readdir(files));) {
    snprintf(path, sizeof path, "%s/%s", cache, file->d_name);
    unlink(path);
  }
  if (files) closedir(files);
  rmdir(cache);
}

/* How many files of code there are, when one was used last, and how long that is. */
static off_t kept_bytes;
static int kept(struct timespec *used) {
  char path[4096 + 256];
  struct stat status;
  int count = 0;
  DIR *files = opendir(cache);
  kept_bytes = 0;
  for (const struct dirent *file; files && (file = readdir(files));) {
    snprintf(path, sizeof path, "%s/%s", cache, file->d_name);
    if (!strstr(file->d_name, ".code") || stat(path, &status) != 0) continue;
    CHECK_INT(status.st_mode & 07777, 0400);
    *used = status.st_mtim;
    kept_bytes = status.st_size;
    count++;
  }
  if (files) closedir(files);
  return count;
}

static cay_engine *engine_of(const char *tier) {
  cay_engine *engine = NULL;
  cay_engine_config *config = NULL;
  CHECK_INT(cay_engine_config_new(&config, &error), CAY_OK);
  CHECK_INT(cay_engine_config_set_tier(config, tier, &error), CAY_OK);
  CHECK_INT(cay_engine_config_set_cache(config, cache, 0, &error), CAY_OK);
  CHECK_INT(cay_engine_new(config, &engine, &error), CAY_OK);
  cay_engine_config_free(config);
  return engine;
}

/* An engine with a run of the module, as if it were a process. */
struct process {
  cay_engine *engine;
  cay_module *module;
  cay_run *run;
};

static struct process begin(const char *tier) {
  struct process process = {.engine = engine_of(tier)};
  CHECK_INT(cay_module_load(process.engine, sum_wasm, sizeof sum_wasm, &process.module, &error), CAY_OK);
  CHECK_INT(cay_run_new(process.module, NULL, &process.run, &error), CAY_OK);
  return process;
}

static void end(struct process *process) {
  cay_run_free(process->run);
  cay_module_release(process->module);
  cay_engine_free(process->engine);
}

static void sum(const struct process *process, const char *name, int32_t rounds, int times) {
  const cay_function *function = NULL;
  CHECK_INT(cay_module_function(process->module, name, &function, &error), CAY_OK);
  for (int i = 0; i < times; i++) {
    cay_slot slots[1] = {{.i32 = rounds}};
    CHECK_INT(cay_run_call(process->run, function, slots, &error), CAY_OK);
    CHECK_INT(slots[0].u32, (uint32_t)((uint64_t)rounds * ((uint64_t)rounds + 1) / 2 + (*name == 'm')));
  }
}

static void sum_in(const char *tier, int32_t rounds, int times) {
  struct process process = begin(tier);
  sum(&process, "sum", rounds, times);
  end(&process);
}

static bool is_later(struct timespec a, struct timespec b) {
  return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

TEST(what_is_optimized_is_kept) {
  struct timespec made = {0}, used = {0};
  clear();
  sum_in("optimized", 10, 1);
  CHECK_INT(kept(&made), 1);
  usleep(20000);
  sum_in("optimized", 10, 1);
  CHECK_INT(kept(&used), 1);
  CHECK(is_later(used, made));
}

/* The helper needs some time, more on a busy machine, and the first engines may have ended before it has answered. */
TEST(what_was_busy_is_kept) {
  enum { ROUNDS = 1 << 28, TRIES = 30 };
  struct timespec made = {0}, used = {0};
  clear();
  for (int i = 0; i < TRIES && !kept(&made); i++) sum_in("auto", ROUNDS, i + 1);
  CHECK_INT(kept(&made), 1);
  usleep(20000);
  sum_in("auto", 10, 1);
  CHECK_INT(kept(&used), 1);
  CHECK(is_later(used, made));
  sum_in("optimized", 10, 1); /* for which a part is not enough */
  CHECK_INT(kept(&used), 1);
}

/* Two that begin with nothing; the last to end has found less. */
TEST(what_another_has_found_stays) {
  enum { ROUNDS = 1 << 28, TRIES = 30 };
  struct timespec used;
  off_t least = 0, most = 0;
  for (int i = 0; i < TRIES && least == 0; i++) { /* what there is with one of them alone */
    clear();
    sum_in("auto", ROUNDS, i + 1);
    kept(&used);
    least = kept_bytes;
  }
  for (int i = 0; i < TRIES && most <= least; i++) {
    clear();
    struct process one = begin("auto"), other = begin("auto");
    sum(&one, "sum", ROUNDS, i + 1);
    sum(&other, "sum", ROUNDS, i + 1);
    sum(&other, "more", ROUNDS, i + 1);
    end(&other);
    kept(&used);
    most = kept_bytes;
    end(&one);
  }
  CHECK(least > 0 && most > least);
  CHECK_INT(kept(&used), 1);
  CHECK(kept_bytes >= most);
}

TEST(the_standard_api_has_it_too) {
  struct timespec used;
  wasm_config_t *config = wasm_config_new();
  wasm_engine_t *engine = NULL;
  clear();
  CHECK_INT(cay_engine_config_set_tier(cay_wasm_config(config), "optimized", &error), CAY_OK);
  CHECK_INT(cay_engine_config_set_cache(cay_wasm_config(config), cache, 1 << 20, &error), CAY_OK);
  CHECK_INT(cay_wasm_engine_new(config, &engine, &error), CAY_OK);
  wasm_store_t *store = wasm_store_new(engine);
  wasm_byte_vec_t binary = {sizeof sum_wasm, (char *)(uintptr_t)sum_wasm};
  wasm_module_t *module = wasm_module_new(store, &binary);
  wasm_extern_vec_t imports = WASM_EMPTY_VEC;
  wasm_instance_t *instance = wasm_instance_new(store, module, &imports, NULL);
  CHECK(instance != NULL);
  CHECK_INT(kept(&used), 1);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
}

TEST(a_folder_of_others_is_not_trusted) {
  cay_engine_config *config = NULL;
  cay_engine *engine = NULL;
  clear();
  mkdir(cache, 0700);
  chmod(cache, 0755);
  CHECK_INT(cay_engine_config_new(&config, &error), CAY_OK);
  CHECK_INT(cay_engine_config_set_cache(config, cache, 0, &error), CAY_OK);
  CHECK_INT(cay_engine_new(config, &engine, &error), CAY_OK); /* the default tier keeps nothing */
  cay_engine_free(engine);
  CHECK_INT(cay_engine_config_set_tier(config, "auto", &error), CAY_OK);
  CHECK_INT(cay_engine_new(config, &engine, &error), CAY_ERROR_SYSTEM);
  CHECK(strstr(error.text, "is not trusted") != NULL);
  cay_engine_config_free(config);
}

TEST(no_grant_reaches_it) {
  cay_wasi *wasi = NULL;
  clear();
  cay_engine *engine = engine_of("auto");
  CHECK_INT(cay_wasi_new(&wasi, &error), CAY_OK);
  CHECK_INT(cay_wasi_grant_path(wasi, cache, "/cache", CAY_RIGHTS_READ, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(cay_wasi_grant_path(wasi, folder, "/above", CAY_RIGHTS_READ, &error), CAY_OK);
  cay_wasi_free(wasi);
  cay_engine_free(engine);
}

int main(int argc, char **argv) {
  cay_engine_config *config = NULL;
  if (argc < 3) return 1;
  folder = argv[1];
  mkdir(folder, 0700);
  snprintf(cache, sizeof cache, "%s/code", folder);
  cay_set_helper_folder(argv[2]);
  CHECK_INT(cay_engine_config_new(&config, &error), CAY_OK);
  enum cay_status status = cay_engine_config_set_cache(config, cache, 0, &error);
  cay_engine_config_free(config);
  if (status == CAY_ERROR_UNSUPPORTED) {
    printf("skipped: %s\n", error.text);
    return argc > 3 ? 1 : 77;
  }
  RUN(what_is_optimized_is_kept)
  RUN(what_was_busy_is_kept)
  RUN(what_another_has_found_stays)
  RUN(the_standard_api_has_it_too)
  RUN(a_folder_of_others_is_not_trusted)
  RUN(no_grant_reaches_it)
  clear();
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
