/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Runs through cay.h: entry points, typed calls, limits, interruption, results. */
#include "api/api.h"
#include "modules.h"
#include "test.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

static cay_engine *engine;
static struct cay_error error;

static cay_module *load(const uint8_t *bytes, size_t len_bytes) {
  cay_module *module = NULL;
  if (cay_module_load(engine, bytes, len_bytes, &module, &error) != CAY_OK) fprintf(stderr, "%s\n", error.text);
  CHECK(module != NULL);
  return module;
}
#define LOAD(BYTES) load((const uint8_t[]){BYTES}, sizeof((const uint8_t[]){BYTES}))

static cay_run *prepare(cay_module *module, const cay_wasi *wasi) {
  cay_run *run = NULL;
  CHECK_INT(cay_run_new(module, wasi, &run, &error), CAY_OK);
  cay_module_release(module);
  return run;
}

TEST(calls_pass_values) {
  cay_run *run = prepare(LOAD(KINDS_WASM), NULL);
  cay_value args[3] = {{CAY_I32, {.i32 = 40}}, {CAY_I32, {.i32 = 2}}}, results[3];
  size_t count = 0;
  CHECK_INT(cay_run_invoke(run, "add", args, 2, results, 3, &count, &error), CAY_OK);
  CHECK_INT(count, 1);
  CHECK(results[0].type == CAY_I32 && results[0].of.i32 == 42);
  args[0] = (cay_value){CAY_I64, {.i64 = -5}};
  args[1] = (cay_value){CAY_F32, {.f32 = 1.5f}};
  args[2] = (cay_value){CAY_F64, {.f64 = -2.25}};
  CHECK_INT(cay_run_invoke(run, "pass", args, 3, results, 3, &count, &error), CAY_OK);
  CHECK_INT(count, 3);
  CHECK(results[0].type == CAY_F64 && results[0].of.f64 == -2.25);
  CHECK(results[1].type == CAY_F32 && results[1].of.f32 == 1.5f);
  CHECK(results[2].type == CAY_I64 && results[2].of.i64 == -5);
  CHECK(!cay_run_result(run)->exited);
  cay_run_free(run);
}

TEST(calls_refuse_wrong_arguments) {
  cay_run *run = prepare(LOAD(KINDS_WASM), NULL);
  cay_value args[3] = {{CAY_I32, {.i32 = 1}}, {CAY_I64, {.i64 = 1}}}, results[3];
  CHECK_INT(cay_run_invoke(run, "add", args, 1, results, 3, NULL, &error), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "\"add\" takes 2 arguments, not 1; its type is (i32, i32) -> (i32)");
  CHECK_INT(cay_run_invoke(run, "add", args, 2, results, 3, NULL, &error), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "argument 2 is not a value of the parameter's type i32");
  args[1] = args[0];
  CHECK_INT(cay_run_invoke(run, "add", args, 2, results, 0, NULL, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(cay_run_invoke(run, "memory", NULL, 0, results, 3, NULL, &error), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "the export \"memory\" is a memory, not a function");
  CHECK_INT(cay_run_invoke(run, "sub", args, 2, results, 3, NULL, &error), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text,
             "the module exports no function \"sub\"; it exports the functions \"add\", \"pass\", \"boom\", "
             "\"spin\", \"grow\"");
  cay_run_free(run);
}

TEST(texts_are_parsed_by_type) {
  cay_run *run = prepare(LOAD(KINDS_WASM), NULL);
  struct base_text out = {0};
  CHECK_INT(api_run_invoke_text(run, "add", (const char *[]){"0xffffffff", "-0x2"}, 2, &out, &error), CAY_OK);
  CHECK_INT(api_run_invoke_text(run, "pass", (const char *[]){"-9223372036854775808", "0.1", "inf"}, 3, &out, &error),
            CAY_OK);
  CHECK_TEXT(out.bytes, "-3\ninf\n0.100000001\n-9223372036854775808\n");
  CHECK_INT(api_run_invoke_text(run, "add", (const char *[]){"4294967296", "1"}, 2, &out, &error), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "argument 1, \"4294967296\", is not a i32");
  static const char *const wrong[] = {"", "-", "1x", "0x", " 1", "1.5", "-2147483649", "99999999999999999999"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(wrong); i++)
    CHECK_INT(api_run_invoke_text(run, "add", (const char *[]){"1", wrong[i]}, 2, &out, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(api_run_invoke_text(run, "pass", (const char *[]){"1", "x", "1"}, 3, &out, &error), CAY_ERROR_ARGUMENT);
  base_text_deinit(&out);
  cay_run_free(run);
}

/* ---- Digests --------------------------------------------------------------------------------------------------------- */

/* Of add(a, b) and, then, of grow by a page, if that is wanted. */
static const char *digest_of(int32_t a, int32_t b, bool grows, char out[65]) {
  cay_run *run = prepare(LOAD(KINDS_WASM), NULL);
  cay_value args[2] = {{CAY_I32, {.i32 = a}}, {CAY_I32, {.i32 = b}}}, result;
  CHECK_TEXT(cay_run_digest(run), "");
  cay_run_set_digest(run, true);
  CHECK_TEXT(cay_run_digest(run), "");
  CHECK_INT(cay_run_invoke(run, "add", args, 2, &result, 1, NULL, &error), CAY_OK);
  args[0].of.i32 = 1;
  if (grows) CHECK_INT(cay_run_invoke(run, "grow", args, 1, &result, 1, NULL, &error), CAY_OK);
  const char *digest = cay_run_digest(run);
  CHECK_INT(strlen(digest), 64);
  CHECK_TEXT(cay_run_digest(run), digest); /* asking changes nothing */
  snprintf(out, 65, "%s", digest);
  cay_run_free(run);
  return out;
}

TEST(digests_tell_runs_apart) {
  char first[65], other[65];
  digest_of(1, 2, false, first);
  CHECK_TEXT(digest_of(1, 2, false, other), first);
  CHECK(strcmp(digest_of(1, 3, false, other), first) != 0); /* by its result alone */
  CHECK(strcmp(digest_of(1, 2, true, other), first) != 0);
}

static void check_fuel(bool counts) {
  cay_engine_config *config;
  cay_engine *before = engine;
  CHECK_INT(cay_engine_config_new(&config, &error), CAY_OK);
  cay_engine_config_set_fuel(config, counts);
  CHECK_INT(cay_engine_new(config, &engine, &error), CAY_OK);
  cay_engine_config_free(config);
  cay_run *run = prepare(LOAD(KINDS_WASM), NULL);
  cay_value args[2] = {{CAY_I32, {.i32 = 1}}, {CAY_I32, {.i32 = 1}}}, result;
  CHECK_INT(cay_run_set_limit(run, CAY_LIMIT_FUEL, 1000, &error), CAY_OK);
  CHECK_INT(cay_run_invoke(run, "add", args, 2, &result, 1, NULL, &error), CAY_OK);
  CHECK_INT(cay_run_used(run, CAY_LIMIT_FUEL), counts ? 3 : 0); /* two operands, an addition */
  if (counts) {
    CHECK_INT(cay_run_invoke(run, "spin", NULL, 0, NULL, 0, NULL, &error), CAY_ERROR_LIMIT);
    CHECK_INT(cay_run_result(run)->limit, CAY_LIMIT_FUEL);
    CHECK_INT(cay_run_used(run, CAY_LIMIT_FUEL), 1000);
  }
  cay_run_free(run);
  cay_engine_free(engine);
  engine = before;
}
TEST(fuel_is_counted) {
  check_fuel(true);
  check_fuel(false);
}

/* (func (export "id") (param externref) (result externref) (local.get 0)) */
#define IDENTITY_WASM                                                                                                 \
  0, 'a', 's', 'm', 1, 0, 0, 0, 1, 6, 1, 0x60, 1, 0x6F, 1, 0x6F, 3, 2, 1, 0, 7, 6, 1, 2, 'i', 'd', 0, 0, 10, 6, 1, 4, \
      0, 0x20, 0, 0x0B

TEST(numbers_of_the_host_pass_as_references) {
  cay_run *run = prepare(LOAD(IDENTITY_WASM), NULL);
  static const uint64_t numbers[] = {0, 1, 2, 3, 1000, UINT64_MAX >> 2};
  cay_value arg = {CAY_EXTERNREF, {.ref = 0}}, result;
  for (size_t i = 0; i < BASE_ARRAY_LEN(numbers); i++) {
    arg.of.ref = numbers[i];
    CHECK_INT(cay_run_invoke(run, "id", &arg, 1, &result, 1, NULL, &error), CAY_OK);
    CHECK(result.type == CAY_EXTERNREF && result.of.ref == numbers[i]);
  }
  arg.of.ref = UINT64_MAX >> 1;
  CHECK_INT(cay_run_invoke(run, "id", &arg, 1, &result, 1, NULL, &error), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "argument 1 is an externref of more than 62 bits");
  struct base_text out = {0};
  CHECK_INT(api_run_invoke_text(run, "id", (const char *[]){"null"}, 1, &out, &error), CAY_OK);
  CHECK_INT(api_run_invoke_text(run, "id", (const char *[]){"0"}, 1, &out, &error), CAY_OK);
  CHECK_INT(api_run_invoke_text(run, "id", (const char *[]){"4611686018427387903"}, 1, &out, &error), CAY_OK);
  CHECK_TEXT(out.bytes, "null\n0\n4611686018427387903\n");
  CHECK_INT(api_run_invoke_text(run, "id", (const char *[]){"-1"}, 1, &out, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(api_run_invoke_text(run, "id", (const char *[]){"4611686018427387904"}, 1, &out, &error),
            CAY_ERROR_ARGUMENT);
  base_text_deinit(&out);
  cay_run_free(run);
}

TEST(traps_have_a_backtrace) {
  cay_run *run = prepare(LOAD(KINDS_WASM), NULL);
  CHECK_TEXT(cay_run_backtrace(run, 0), "");
  CHECK_INT(cay_run_invoke(run, "boom", NULL, 0, NULL, 0, NULL, &error), CAY_ERROR_TRAP);
  CHECK_TEXT(error.text, "unreachable instruction executed");
  CHECK_INT(cay_run_result(run)->trap, CAY_TRAP_UNREACHABLE);
  CHECK_INT(cay_run_result(run)->trap_offset, error.offset);
  CHECK_TEXT(cay_run_backtrace(run, 0), "  0: inner at offset 0x74\n  1: boom at offset 0x78\n");
  CHECK_TEXT(cay_run_backtrace(run, 1), "  0: inner at offset 0x74\n  ... 1 more\n");
  cay_value args[2] = {{CAY_I32, {.i32 = 1}}, {CAY_I32, {.i32 = 1}}}, result;
  CHECK_INT(cay_run_invoke(run, "add", args, 2, &result, 1, NULL, &error), CAY_OK);
  CHECK_INT(cay_run_result(run)->trap, CAY_TRAP_NONE);
  CHECK_TEXT(cay_run_backtrace(run, 0), "");
  cay_run_free(run);
}

TEST(commands_end_with_their_code) {
  cay_wasi *wasi = NULL;
  CHECK_INT(cay_wasi_new(&wasi, &error), CAY_OK);
  cay_run *run = prepare(LOAD(COMMAND_WASM), wasi);
  cay_wasi_free(wasi);
  CHECK_INT(cay_run_start(run, &error), CAY_OK);
  CHECK(cay_run_result(run)->exited);
  CHECK_INT(cay_run_result(run)->exit_code, 7);
  CHECK_INT(cay_run_result(run)->trap, CAY_TRAP_EXIT);
  CHECK_INT(cay_run_start(run, &error), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "a command can be started only once");
  cay_run_free(run);
}

TEST(reactors_are_initialised_once) {
  cay_run *run = prepare(LOAD(REACTOR_WASM), NULL);
  cay_value result;
  CHECK_INT(cay_run_start(run, &error), CAY_OK);
  CHECK(!cay_run_result(run)->exited);
  CHECK_INT(cay_run_start(run, &error), CAY_OK);
  CHECK_INT(cay_run_invoke(run, "get", NULL, 0, &result, 1, NULL, &error), CAY_OK);
  CHECK_INT(result.of.i32, 42);
  cay_run_free(run);
}

TEST(preloaded_modules_are_linked) {
  cay_run *run = prepare(LOAD(IMPORTER_WASM), NULL);
  cay_module *library = LOAD(REACTOR_WASM);
  CHECK_INT(cay_run_preload(run, "lib", library, &error), CAY_OK);
  cay_module_release(library);
  cay_value result;
  CHECK_INT(cay_run_invoke(run, "twice", NULL, 0, &result, 1, NULL, &error), CAY_OK);
  CHECK_INT(result.of.i32, 84);
  cay_run_free(run);
}

TEST(unknown_imports_follow_the_policy) {
  cay_value result;
  cay_run *run = prepare(LOAD(IMPORTER_WASM), NULL);
  CHECK_INT(cay_run_invoke(run, "twice", NULL, 0, &result, 1, NULL, &error), CAY_ERROR_LINK);
  CHECK(strstr(error.text, "\"lib\"") && strstr(error.text, "\"get\""));
  CHECK_INT(cay_run_invoke(run, "twice", NULL, 0, &result, 1, NULL, &error), CAY_ERROR_LINK); /* fails for good */
  cay_run_free(run);
  run = prepare(LOAD(IMPORTER_WASM), NULL);
  cay_run_set_unknown_imports(run, CAY_UNKNOWN_TRAP);
  CHECK_INT(cay_run_invoke(run, "twice", NULL, 0, &result, 1, NULL, &error), CAY_ERROR_TRAP);
  CHECK_TEXT(error.text, "the imported function \"lib\" \"get\" is not provided");
  CHECK_INT(cay_run_result(run)->trap, CAY_TRAP_HOST);
  cay_run_free(run);
  run = prepare(LOAD(IMPORTER_WASM), NULL);
  cay_run_set_unknown_imports(run, CAY_UNKNOWN_DEFAULT);
  CHECK_INT(cay_run_invoke(run, "twice", NULL, 0, &result, 1, NULL, &error), CAY_OK);
  CHECK_INT(result.of.i32, 0);
  cay_run_free(run);
}

TEST(wrong_modules_are_explained) {
  cay_wasi *wasi = NULL;
  CHECK_INT(cay_wasi_new(&wasi, &error), CAY_OK);
  cay_run *run = prepare(LOAD(KINDS_WASM), wasi);
  CHECK_INT(cay_run_start(run, &error), CAY_ERROR_LINK);
  CHECK_TEXT(error.text,
             "the module cannot be started: it exports neither \"_start\" (a command) nor \"_initialize\" (a "
             "reactor); it exports the functions \"add\", \"pass\", \"boom\", \"spin\", \"grow\"");
  CHECK_INT(error.kind, CAY_KIND_NO_ENTRY);
  cay_run_free(run);
  run = prepare(LOAD(WRONG_START_WASM), wasi);
  CHECK_INT(cay_run_start(run, &error), CAY_ERROR_LINK);
  CHECK_TEXT(error.text, "the function \"_start\" has the type (i32) -> (); to be started it must be () -> ()");
  CHECK_INT(error.kind, CAY_KIND_NONE);
  cay_run_free(run);
  run = prepare(LOAD(NO_MEMORY_WASM), wasi);
  CHECK_INT(cay_run_start(run, &error), CAY_ERROR_LINK);
  CHECK_TEXT(error.text,
             "the module exports no memory called \"memory\", which WASI's fd_write, that it imports, needs");
  cay_run_free(run);
  run = prepare(LOAD(COMMAND_WASM), NULL);
  CHECK_INT(cay_run_start(run, &error), CAY_ERROR_LINK);
  cay_run_free(run);
  cay_wasi_free(wasi);
}

TEST(memory_is_limited) {
  cay_run *run = prepare(LOAD(KINDS_WASM), NULL);
  CHECK_INT(cay_run_set_limit(run, CAY_LIMIT_MEMORY, 3 * 65536, &error), CAY_OK);
  cay_value arg = {CAY_I32, {.i32 = 2}}, result;
  CHECK_INT(cay_run_invoke(run, "grow", &arg, 1, &result, 1, NULL, &error), CAY_OK);
  CHECK_INT(result.of.i32, 1);
  arg.of.i32 = 1;
  CHECK_INT(cay_run_invoke(run, "grow", &arg, 1, &result, 1, NULL, &error), CAY_OK);
  CHECK_INT(result.of.i32, -1);
  cay_run_free(run);
}

/* Two runs of one tenant share what it may have. */
TEST(tenants_share) {
  cay_budget *tenant = NULL, *region = NULL;
  CHECK_INT(cay_budget_new(NULL, &region, &error), CAY_OK);
  CHECK_INT(cay_budget_new(region, &tenant, &error), CAY_OK);
  cay_budget_release(region);
  CHECK_INT(cay_budget_set_limit(tenant, CAY_LIMIT_MEMORY, 3 * 65536, &error), CAY_OK);
  CHECK_INT(cay_budget_set_limit(tenant, CAY_LIMIT_TIME, 1, &error), CAY_ERROR_ARGUMENT);
  cay_run *runs[2];
  cay_value arg = {CAY_I32, {.i32 = 1}}, result;
  for (int i = 0; i < 2; i++) {
    runs[i] = prepare(LOAD(KINDS_WASM), NULL);
    CHECK_INT(cay_run_set_budget(runs[i], tenant, &error), CAY_OK);
    CHECK_INT(cay_run_set_budget(runs[i], tenant, &error), CAY_ERROR_ARGUMENT);
    CHECK_INT(cay_run_invoke(runs[i], "grow", &arg, 1, &result, 1, NULL, &error), CAY_OK);
    CHECK_INT(result.of.i32, i == 0 ? 1 : -1);
  }
  CHECK_INT(cay_budget_used(tenant, CAY_LIMIT_MEMORY), 3 * 65536);
  CHECK_INT(cay_run_used(runs[0], CAY_LIMIT_MEMORY), 2 * 65536);
  CHECK_INT(cay_run_set_limit(runs[0], CAY_LIMIT_MEMORY, 1, &error), CAY_ERROR_ARGUMENT);
  cay_run_free(runs[0]);
  CHECK_INT(cay_run_invoke(runs[1], "grow", &arg, 1, &result, 1, NULL, &error), CAY_OK);
  CHECK_INT(result.of.i32, 1);
  cay_run_free(runs[1]);
  CHECK_INT(cay_budget_used(tenant, CAY_LIMIT_MEMORY), 0);
  CHECK_INT(cay_budget_peak(tenant, CAY_LIMIT_MEMORY), 3 * 65536);
  cay_budget_release(tenant);
}

TEST(limits_are_told) {
  cay_run *run = prepare(LOAD(KINDS_WASM), NULL);
  CHECK_INT(cay_run_limit(run, CAY_LIMIT_HANDLES), 4096);
  CHECK_INT(cay_run_limit(run, CAY_LIMIT_THREADS), 64);
  CHECK_INT(cay_run_limit(run, CAY_LIMIT_STACK), 16 << 20);
  CHECK(cay_run_limit(run, CAY_LIMIT_MEMORY) >= 1 << 30);
  CHECK(cay_run_limit(run, CAY_LIMIT_OUTPUT) == CAY_NO_LIMIT);
  CHECK_INT(cay_run_set_limit(run, CAY_LIMIT_STACK, 1, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(cay_run_set_limit(run, CAY_LIMIT_NONE, 1, &error), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(cay_limit_name(CAY_LIMIT_CPU_TIME), "cpu-time");
  CHECK_TEXT(cay_limit_name(CAY_LIMIT_NONE), "none");
  cay_run_free(run);
}

TEST(cpu_time_is_limited) {
  cay_run *run = prepare(LOAD(KINDS_WASM), NULL);
  CHECK_INT(cay_run_set_limit(run, CAY_LIMIT_CPU_TIME, 30000000, &error), CAY_OK);
  for (int i = 0; i < 2; i++) { /* it is used up for good */
    CHECK_INT(cay_run_invoke(run, "spin", NULL, 0, NULL, 0, NULL, &error), CAY_ERROR_LIMIT);
    CHECK_TEXT(error.text, "the CPU time limit of 0.03 s is over");
    CHECK_INT(cay_run_result(run)->limit, CAY_LIMIT_CPU_TIME);
    CHECK_INT(cay_run_result(run)->trap, CAY_TRAP_LIMIT);
    CHECK_INT(cay_run_used(run, CAY_LIMIT_CPU_TIME), 30000000);
  }
  cay_run_free(run);
}

/* ---- Interruption ------------------------------------------------------------------------------------------------- */

static void *interrupt_soon(void *run) {
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  cay_run_interrupt(run);
  return NULL;
}

TEST(the_time_limit_ends_a_call) {
  cay_run *run = prepare(LOAD(KINDS_WASM), NULL);
  CHECK_INT(cay_run_set_limit(run, CAY_LIMIT_TIME, 20000000, &error), CAY_OK);
  for (int i = 0; i < 3; i++) {
    CHECK_INT(cay_run_invoke(run, "spin", NULL, 0, NULL, 0, NULL, &error), CAY_ERROR_LIMIT);
    CHECK_TEXT(error.text, "the time limit of 0.02 s is over");
    CHECK_INT(cay_run_result(run)->limit, CAY_LIMIT_TIME);
  }
  cay_value args[2] = {{CAY_I32, {.i32 = 1}}, {CAY_I32, {.i32 = 1}}}, result;
  CHECK_INT(cay_run_invoke(run, "add", args, 2, &result, 1, NULL, &error), CAY_OK);
  CHECK_INT(cay_run_result(run)->limit, CAY_LIMIT_NONE);
  cay_run_free(run);
}

TEST(another_thread_ends_a_call) {
  cay_run *run = prepare(LOAD(KINDS_WASM), NULL);
  pthread_t thread;
  CHECK_INT(pthread_create(&thread, NULL, interrupt_soon, run), 0);
  CHECK_INT(cay_run_invoke(run, "spin", NULL, 0, NULL, 0, NULL, &error), CAY_ERROR_INTERRUPTED);
  CHECK_TEXT(error.text, "interrupted");
  CHECK_INT(cay_run_result(run)->limit, CAY_LIMIT_NONE);
  pthread_join(thread, NULL);
  cay_run_interrupt(run); /* before a call: ends it at once */
  CHECK_INT(cay_run_invoke(run, "spin", NULL, 0, NULL, 0, NULL, &error), CAY_ERROR_INTERRUPTED);
  cay_run_free(run);
  run = prepare(LOAD(KINDS_WASM), NULL);
  cay_run_interrupt(run); /* before there is anything */
  CHECK_INT(cay_run_invoke(run, "spin", NULL, 0, NULL, 0, NULL, &error), CAY_ERROR_INTERRUPTED);
  cay_run_free(run);
}

/* ---- WASI ----------------------------------------------------------------------------------------------------------- */

static void count_line(void *env, const char *line) {
  (*(int *)env)++;
  CHECK(strncmp(line, "fd_write(", 9) == 0);
}

/* Runs hello with standard output at `kind` and returns what arrived in a pipe. */
static void run_hello(enum cay_stdio kind, char out[16], int *lines) {
  int ends[2];
  CHECK_INT(pipe(ends), 0);
  cay_wasi *wasi = NULL;
  CHECK_INT(cay_wasi_new(&wasi, &error), CAY_OK);
  CHECK_INT(cay_wasi_set_stdio(wasi, 1, CAY_STDIO_FD, ends[1], &error), CAY_OK);
  if (kind == CAY_STDIO_NULL) CHECK_INT(cay_wasi_set_stdio(wasi, 1, kind, -1, &error), CAY_OK);
  cay_wasi_set_trace(wasi, count_line, lines);
  cay_run *run = prepare(LOAD(HELLO_WASM), wasi);
  cay_wasi_free(wasi);
  CHECK_INT(cay_run_start(run, &error), CAY_OK);
  CHECK(cay_run_result(run)->exited && cay_run_result(run)->exit_code == 0);
  cay_run_free(run);
  close(ends[1]);
  ssize_t got = read(ends[0], out, 15);
  out[got > 0 ? got : 0] = 0;
  close(ends[0]);
}

TEST(output_goes_where_it_was_sent) {
  char text[16];
  int lines = 0;
  run_hello(CAY_STDIO_FD, text, &lines);
  CHECK_TEXT(text, "hi\n");
  CHECK_INT(lines, 1);
  run_hello(CAY_STDIO_NULL, text, &lines);
  CHECK_TEXT(text, "");
}

TEST(wrong_grants_are_refused) {
  cay_wasi *wasi = NULL;
  CHECK_INT(cay_wasi_new(&wasi, &error), CAY_OK);
  CHECK_INT(cay_wasi_set_stdio(wasi, 3, CAY_STDIO_INHERIT, -1, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(cay_wasi_grant_path(wasi, "/", "/", (enum cay_rights)7, &error), CAY_ERROR_ARGUMENT);
  CHECK(cay_wasi_grant_path(wasi, "/no/such/file", "/f", CAY_RIGHTS_READ, &error) != CAY_OK);
  CHECK(cay_wasi_listen(wasi, "nowhere", &error) != CAY_OK);
  CHECK(cay_wasi_listen_address(wasi, 0) == NULL);
  CHECK_INT(cay_wasi_listen(wasi, "127.0.0.1:0", &error), CAY_OK);
  CHECK(strncmp(cay_wasi_listen_address(wasi, 0), "127.0.0.1:", 10) == 0);
  CHECK_INT(cay_wasi_inherit_env(wasi, "A_VARIABLE_THAT_IS_NOT_SET", &error), CAY_OK);
  cay_wasi_free(wasi);
}

/* ---- Engines ------------------------------------------------------------------------------------------------------------ */

TEST(engines_are_configured) {
  cay_engine_config *config = NULL;
  CHECK_INT(cay_engine_config_new(&config, &error), CAY_OK);
  CHECK_INT(cay_engine_config_set_tier(config, "interp", &error), CAY_OK);
  CHECK_INT(cay_engine_config_set_tier(config, "warp", &error), CAY_ERROR_ARGUMENT);
  CHECK(strstr(error.text, "there is no tier \"warp\"; this build has: ") && strstr(error.text, "interp"));
  CHECK_INT(cay_engine_config_set_proposals(config, "2.0,-simd,+tail-call", &error), CAY_OK);
  CHECK_INT(cay_engine_config_set_proposals(config, "telepathy", &error), CAY_ERROR_ARGUMENT);
  CHECK(strstr(error.text, "\"telepathy\"") && strstr(error.text, "tail-call"));
  CHECK_INT(cay_engine_config_set_proposals(config, "latest,1.0", &error), CAY_OK);
  cay_engine_config_set_stack_bytes(config, 1 << 20);
  cay_engine_config_set_explicit_bounds(config, true);
  cay_engine *small = NULL;
  CHECK_INT(cay_engine_new(config, &small, &error), CAY_OK);
  cay_engine_config_free(config);
  CHECK_INT(cay_module_validate(small, (const uint8_t[]){KINDS_WASM}, sizeof((const uint8_t[]){KINDS_WASM}), &error),
            CAY_ERROR_UNSUPPORTED); /* several results */
  cay_engine_free(small);
  unsigned last = 0; /* the interpreter is there in every build */
  while (api_tier_name(last + 1)) last++;
  CHECK_TEXT(api_tier_name(last), "interp");
  CHECK(api_tier_name(1000) == NULL);
  CHECK_INT(cay_module_validate(engine, "no", 2, &error), CAY_ERROR_MALFORMED);
  CHECK_TEXT(cay_status_name(CAY_ERROR_MALFORMED), "malformed");
}

int main(void) {
  if (cay_engine_new(NULL, &engine, &error) != CAY_OK) return 1;
  RUN(calls_pass_values)
  RUN(calls_refuse_wrong_arguments)
  RUN(texts_are_parsed_by_type)
  RUN(numbers_of_the_host_pass_as_references)
  RUN(traps_have_a_backtrace)
  RUN(commands_end_with_their_code)
  RUN(reactors_are_initialised_once)
  RUN(preloaded_modules_are_linked)
  RUN(unknown_imports_follow_the_policy)
  RUN(wrong_modules_are_explained)
  RUN(memory_is_limited)
  RUN(tenants_share)
  RUN(limits_are_told)
  RUN(cpu_time_is_limited)
  RUN(the_time_limit_ends_a_call)
  RUN(another_thread_ends_a_call)
  RUN(output_goes_where_it_was_sent)
  RUN(wrong_grants_are_refused)
  RUN(engines_are_configured) RUN(digests_tell_runs_apart) RUN(fuel_is_counted) cay_engine_free(engine);
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
