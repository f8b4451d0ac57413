/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Programs whose standard streams are functions of the host's, and whose file is bytes in memory. */
#include <cay.h>

#include "modules.h"
#include "test.h"

static const unsigned char copy_wasm[] = {COPY_WASM};
static struct cay_error error;
static cay_engine *engine;
static cay_module *module;

struct text {
  char bytes[256];
  size_t used, most; /* at once; 0: an error */
};

static ptrdiff_t give(void *env, void *bytes, size_t len_bytes) {
  struct text *text = env;
  size_t left = strlen(text->bytes) - text->used, count = left < text->most ? left : text->most;
  if (text->most == 0) return -1;
  if (count > len_bytes) count = len_bytes;
  memcpy(bytes, text->bytes + text->used, count);
  text->used += count;
  return (ptrdiff_t)count;
}

static ptrdiff_t take(void *env, void *bytes, size_t len_bytes) {
  struct text *text = env;
  size_t count = len_bytes < text->most ? len_bytes : text->most;
  if (text->most == 0) return -1;
  memcpy(text->bytes + text->used, bytes, count);
  text->used += count;
  return (ptrdiff_t)count;
}

static cay_wasi *wasi_of(struct text *input, struct text *output) {
  cay_wasi *wasi = NULL;
  CHECK_INT(cay_wasi_new(&wasi, &error), CAY_OK);
  if (input) CHECK_INT(cay_wasi_set_stream(wasi, 0, give, input, &error), CAY_OK);
  CHECK_INT(cay_wasi_set_stream(wasi, 1, take, output, &error), CAY_OK);
  return wasi;
}

/* Ends the configuration. */
static void run(cay_wasi *wasi) {
  cay_run *run = NULL;
  CHECK_INT(cay_run_new(module, wasi, &run, &error), CAY_OK);
  cay_wasi_free(wasi);
  CHECK_INT(cay_run_start(run, &error), CAY_OK);
  cay_run_free(run);
}

TEST(streams_come_and_go_in_parts) {
  const size_t sizes[] = {1, 7, 256};
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++) {
      struct text input = {.bytes = "what is given, however it is cut, comes out as it was, and whole",
                           .most = sizes[i]};
      struct text output = {.most = sizes[k]};
      run(wasi_of(&input, &output));
      CHECK_TEXT(output.bytes, input.bytes);
    }
}

TEST(an_error_is_the_programs) {
  struct text input = {.bytes = "text", .most = 0}, output = {.most = 9};
  run(wasi_of(&input, &output));
  CHECK_TEXT(output.bytes, "");
  input.most = 9;
  output.most = 0;
  run(wasi_of(&input, &output));
  CHECK_INT(input.used, 4); /* it read, and could not write */
  CHECK_INT(cay_wasi_set_stream(NULL, 3, take, &output, &error), CAY_ERROR_ARGUMENT);
}

TEST(bytes_are_a_file) {
  struct text output = {.most = 256};
  for (int i = 0; i < 2; i++) {
    char bytes[] = "text";
    output.used = 0;
    cay_wasi *wasi = wasi_of(NULL, &output);
    CHECK_INT(cay_wasi_grant_bytes(wasi, "/greeting", bytes, 4, NULL, &error), CAY_OK);
    CHECK_INT(cay_wasi_grant_bytes(wasi, "/empty", NULL, 0, NULL, &error), CAY_OK);
    CHECK_INT(cay_wasi_grant_bytes(wasi, "/", bytes, 4, NULL, &error), CAY_ERROR_ARGUMENT);
    bytes[0] = 'n'; /* they were copied */
    run(wasi);
    CHECK_TEXT(output.bytes, "text");
  }
}

static void note_rule(void *env, const cay_access *access) {
  if (strcmp(access->call, "path_open") == 0)
    snprintf(env, 64, "%s by %s: %s", access->object, access->rule ? access->rule : "none",
             access->host_path ? "host" : access->result);
}

TEST(uses_of_it_are_told) {
  char told[64] = "";
  struct text output = {.most = 256};
  cay_wasi *wasi = wasi_of(NULL, &output);
  CHECK_INT(cay_wasi_grant_bytes(wasi, "/greeting", "text", 4, "the greeting", &error), CAY_OK);
  cay_wasi_set_audit(wasi, note_rule, NULL, told);
  run(wasi);
  CHECK_TEXT(told, "/greeting by the greeting: OK");
}

/* Each use of a pool's run begins with the file's beginning. */
TEST(a_pools_runs_have_it) {
  struct text output = {.most = 256};
  cay_pool *pool = NULL;
  cay_wasi *wasi = wasi_of(NULL, &output);
  CHECK_INT(cay_wasi_grant_bytes(wasi, "/greeting", "text", 4, NULL, &error), CAY_OK);
  CHECK_INT(cay_pool_new(module, &(cay_pool_setup){.wasi = wasi}, &pool, &error), CAY_OK);
  for (int i = 0; i < 3; i++) {
    cay_run *taken = NULL;
    CHECK_INT(cay_pool_take(pool, &taken, &error), CAY_OK);
    CHECK_INT(cay_run_start(taken, &error), CAY_OK);
    cay_run_free(taken);
  }
  CHECK_TEXT(output.bytes, "texttexttext");
  cay_pool_free(pool);
  cay_wasi_free(wasi);
}

int main(void) {
  if (cay_engine_new(NULL, &engine, &error) || cay_module_load(engine, copy_wasm, sizeof copy_wasm, &module, &error))
    return 1;
  RUN(streams_come_and_go_in_parts)
  RUN(an_error_is_the_programs)
  RUN(bytes_are_a_file)
  RUN(uses_of_it_are_told)
  RUN(a_pools_runs_have_it)
  cay_module_release(module);
  cay_engine_free(engine);
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
