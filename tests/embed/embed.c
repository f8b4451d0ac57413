/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A program that embeds the shared library with nothing but cay.h: runs programs in several threads, interrupts one,
 * grants a directory and one file, and sees a denial. Its argument is a folder that it may write to. */
#include <cay.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "modules.h"
#include "test.h"

static cay_engine *engine;
static struct cay_error error;

static cay_module *load(const void *bytes, size_t len_bytes) {
  cay_module *module = NULL;
  CHECK_INT(cay_module_load(engine, bytes, len_bytes, &module, &error), CAY_OK);
  return module;
}
#define LOAD(BYTES) load((const unsigned char[]){BYTES}, sizeof((const unsigned char[]){BYTES}))

/* ---- Many threads, one module ------------------------------------------------------------------------------------ */

static void *add_many(void *argument) {
  cay_module *module = argument;
  struct cay_error own_error;
  cay_run *run = NULL;
  intptr_t wrong = cay_run_new(module, NULL, &run, &own_error) != CAY_OK;
  for (int i = 0; i < 200 && !wrong; i++) {
    cay_value args[2] = {{CAY_I32, {.i32 = i}}, {CAY_I32, {.i32 = 1000}}}, sum;
    wrong += cay_run_invoke(run, "add", args, 2, &sum, 1, NULL, &own_error) != CAY_OK || sum.of.i32 != i + 1000;
  }
  cay_run_free(run);
  return (void *)wrong;
}

TEST(threads_share_a_module) {
  cay_module *module = LOAD(KINDS_WASM);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) CHECK_INT(pthread_create(&threads[i], NULL, add_many, module), 0);
  for (int i = 0; i < 4; i++) {
    void *wrong;
    pthread_join(threads[i], &wrong);
    CHECK(!wrong);
  }
  cay_module_release(module);
}

static void *interrupt_soon(void *run) {
  nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
  cay_run_interrupt(run);
  return NULL;
}

TEST(a_run_is_interrupted) {
  cay_module *module = LOAD(KINDS_WASM);
  cay_run *run = NULL;
  CHECK_INT(cay_run_new(module, NULL, &run, &error), CAY_OK);
  cay_module_release(module); /* the run keeps it */
  pthread_t thread;
  CHECK_INT(pthread_create(&thread, NULL, interrupt_soon, run), 0);
  CHECK_INT(cay_run_invoke(run, "spin", NULL, 0, NULL, 0, NULL, &error), CAY_ERROR_INTERRUPTED);
  pthread_join(thread, NULL);
  CHECK_INT(cay_run_result(run)->trap, CAY_TRAP_INTERRUPTED);
  CHECK(strstr(cay_run_backtrace(run, 0), "spin"));
  cay_run_free(run);
}

/* ---- Files -------------------------------------------------------------------------------------------------------- */

static void write_file(const char *folder, const char *name, const char *text) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  CHECK(file != NULL);
  if (!file) return;
  fputs(text, file);
  fclose(file);
}

struct seen {
  char denial[64], calls[256];
  cay_run *run;
};

static void keep_denial(void *env, const cay_denial *denial) {
  struct seen *seen = env;
  snprintf(seen->denial, sizeof seen->denial, "%s %s", denial->call, denial->guest_path);
  snprintf(seen->calls, sizeof seen->calls, "%s", cay_run_calls(seen->run, 0));
}

/* OPEN_WASM opens argument-less the path that stands in its memory beneath its first directory and exits with errno. */
static unsigned open_in(const char *folder, const char *granted, enum cay_rights rights, struct seen *seen) {
  char host[4096];
  snprintf(host, sizeof host, "%s%s%s", folder, granted ? "/" : "", granted ? granted : "");
  cay_wasi *wasi = NULL;
  cay_run *run = NULL;
  *seen = (struct seen){0};
  CHECK_INT(cay_wasi_new(&wasi, &error), CAY_OK);
  CHECK_INT(cay_wasi_grant_path(wasi, host, granted ? "/w/note" : "/w", rights, &error), CAY_OK);
  cay_wasi_set_denied(wasi, keep_denial, seen);
  cay_module *module = LOAD(OPEN_WASM);
  CHECK_INT(cay_run_new(module, wasi, &run, &error), CAY_OK);
  seen->run = run;
  cay_module_release(module);
  cay_wasi_free(wasi); /* the run keeps what it needs */
  if (cay_run_start(run, &error) != CAY_OK) fprintf(stderr, "%s\n", error.text);
  CHECK(cay_run_result(run)->exited);
  unsigned code = cay_run_result(run)->exit_code;
  cay_run_free(run);
  return code;
}

static const char *folder;

TEST(files_are_granted) {
  struct seen seen;
  write_file(folder, "note", "text");
  CHECK_INT(open_in(folder, NULL, CAY_RIGHTS_READ_WRITE, &seen), 0);
  CHECK_TEXT(seen.denial, "");
  CHECK_INT(open_in(folder, "note", CAY_RIGHTS_READ_WRITE, &seen), 0);
  CHECK_INT(open_in(folder, NULL, CAY_RIGHTS_READ, &seen), 69); /* ROFS: the guest opens for writing */
  CHECK(strncmp(seen.denial, "path_open ", 10) == 0 && strstr(seen.denial, "note"));
  CHECK_TEXT(seen.calls, "  0: wasi_snapshot_preview1.path_open (host function)\n  1: _start at offset 0x9e\n");
  write_file(folder, "other", "text");
  CHECK_INT(open_in(folder, "other", CAY_RIGHTS_READ_WRITE, &seen), 0); /* seen as note */
}

/* A build that lacks the tier has nothing to run in it. */
static int run_in_tier(const char *tier) {
  cay_engine_config *config = NULL;
  CHECK_INT(cay_engine_config_new(&config, &error), CAY_OK);
  enum cay_status status = cay_engine_config_set_tier(config, tier, &error);
  if (status == CAY_OK) CHECK_INT(cay_engine_new(config, &engine, &error), CAY_OK);
  cay_engine_config_free(config);
  if (status != CAY_OK) {
    CHECK_INT(status, CAY_ERROR_ARGUMENT);
    return 0;
  }
  printf("in the tier %s:\n", tier);
  RUN(threads_share_a_module)
  RUN(a_run_is_interrupted)
  RUN(files_are_granted)
  cay_engine_free(engine);
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 2) return 1;
  folder = argv[1];
  mkdir(folder, 0700);
  printf("cay %s\n", cay_version());
  CHECK(run_in_tier("interp"));
  run_in_tier("baseline");
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
