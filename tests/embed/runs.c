/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What runs are made of and tell: modules that import from each other, functions of the host that read the guest's memory,
 * imports that nobody has, digests, limits and what was used of them, budgets of tenants. */
#include <cay.h>

#include "modules.h"
#include "test.h"

/* clang --target=wasm32 -mcpu=mvp -Os -nostdlib of: import "host" void say(const char *, int);
 *   void greet(void) { say("hello", 5); } */
static const unsigned char say_wasm[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x09, 0x02, 0x60, 0x02, 0x7f, 0x7f, 0x00, 0x60, 0x00, 0x00,
    0x02, 0x0c, 0x01, 0x04, 0x68, 0x6f, 0x73, 0x74, 0x03, 0x73, 0x61, 0x79, 0x00, 0x00, 0x03, 0x02, 0x01, 0x01, 0x04,
    0x05, 0x01, 0x70, 0x01, 0x01, 0x01, 0x05, 0x03, 0x01, 0x00, 0x01, 0x06, 0x07, 0x01, 0x7f, 0x01, 0x41, 0x80, 0x08,
    0x0b, 0x07, 0x12, 0x02, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, 0x05, 0x67, 0x72, 0x65, 0x65, 0x74,
    0x00, 0x01, 0x0a, 0x12, 0x01, 0x10, 0x00, 0x41, 0x80, 0x88, 0x80, 0x80, 0x00, 0x41, 0x05, 0x10, 0x80, 0x80, 0x80,
    0x80, 0x00, 0x0b, 0x0b, 0x0d, 0x01, 0x00, 0x41, 0x80, 0x08, 0x0b, 0x06, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x00};
/* (table 8 funcref) */
static const unsigned char table_wasm[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 4, 4, 1, 0x70, 0, 8};

static struct cay_error error;
static cay_engine *engine;

/* Of bytes that the run keeps. */
static cay_run *run_of(const void *bytes, size_t len_bytes) {
  cay_module *module = NULL;
  cay_run *run = NULL;
  CHECK_INT(cay_module_load(engine, bytes, len_bytes, &module, &error), CAY_OK);
  CHECK_INT(cay_run_new(module, NULL, &run, &error), CAY_OK);
  cay_module_release(module);
  return run;
}
#define RUN_OF(BYTES) run_of((const unsigned char[]){BYTES}, sizeof((const unsigned char[]){BYTES}))

static enum cay_status invoke(cay_run *run, const char *name, int32_t argument, int32_t *result) {
  const cay_value args[1] = {{CAY_I32, {.i32 = argument}}};
  cay_value values[1] = {{CAY_I32, {.i32 = 0}}};
  bool takes = strcmp(name, "grow") == 0;
  enum cay_status status = cay_run_invoke(run, name, args, takes, values, 1, NULL, &error);
  *result = values[0].of.i32;
  return status;
}

/* ---- What is imported ------------------------------------------------------------------------------------------------------- */

TEST(a_module_imports_from_another) {
  cay_module *library = NULL;
  int32_t result;
  static const unsigned char reactor[] = {REACTOR_WASM};
  cay_run *run = RUN_OF(IMPORTER_WASM);
  CHECK_INT(cay_module_load(engine, reactor, sizeof reactor, &library, &error), CAY_OK);
  CHECK_INT(cay_run_preload(run, "lib", library, &error), CAY_OK);
  cay_module_release(library);
  CHECK_INT(invoke(run, "twice", 0, &result), CAY_OK);
  CHECK_INT(result, 84); /* it was initialised */
  cay_run_free(run);
}

TEST(what_nobody_provides_is_as_was_said) {
  int32_t result;
  const enum cay_unknown_imports policies[] = {CAY_UNKNOWN_ERROR, CAY_UNKNOWN_TRAP, CAY_UNKNOWN_DEFAULT};
  const enum cay_status ends[] = {CAY_ERROR_LINK, CAY_ERROR_TRAP, CAY_OK};
  for (int i = 0; i < 3; i++) {
    cay_run *run = RUN_OF(IMPORTER_WASM);
    cay_run_set_unknown_imports(run, policies[i]);
    CHECK_INT(invoke(run, "twice", 0, &result), ends[i]);
    CHECK_INT(result, 0);
    cay_run_free(run);
  }
}

static enum cay_status say(void *env, cay_caller *caller, cay_slot *slots, struct cay_error *why) {
  size_t len_bytes;
  const char *memory = cay_caller_memory(caller, &len_bytes);
  uint32_t at = slots[0].u32, count = slots[1].u32;
  if (at > len_bytes || count > len_bytes - at || count > 15) {
    snprintf(why->text, sizeof why->text, "say: not in memory");
    return CAY_ERROR_ARGUMENT;
  }
  memcpy(env, memory + at, count);
  return CAY_OK;
}

TEST(a_function_of_the_host_reads_the_callers_memory) {
  char said[16] = "";
  cay_imports *imports = NULL;
  const enum cay_type params[] = {CAY_I32, CAY_I32};
  cay_run *run = run_of(say_wasm, sizeof say_wasm);
  CHECK_INT(cay_imports_new(&imports, &error), CAY_OK);
  CHECK_INT(cay_imports_add(imports, "host", "say", params, 2, NULL, 0, say, said, &error), CAY_OK);
  CHECK_INT(cay_run_set_imports(run, imports, &error), CAY_OK);
  cay_imports_release(imports);
  CHECK_INT(cay_run_invoke(run, "greet", NULL, 0, NULL, 0, NULL, &error), CAY_OK);
  CHECK_TEXT(said, "hello");
  cay_run_free(run);
}

/* ---- What is told ----------------------------------------------------------------------------------------------------------- */

/* Copied out: it is valid until the next call only. */
static void digest_after(int pages, char out[65]) {
  int32_t result;
  cay_run *run = RUN_OF(KINDS_WASM);
  cay_run_set_digest(run, true);
  CHECK_TEXT(cay_run_digest(run), "");
  CHECK_INT(invoke(run, "grow", pages, &result), CAY_OK);
  snprintf(out, 65, "%s", cay_run_digest(run));
  CHECK_INT(strlen(out), 64);
  cay_run_free(run);
}

TEST(digests_tell_what_was_done) {
  char one[65], again[65], two[65];
  digest_after(1, one);
  digest_after(1, again);
  digest_after(2, two);
  CHECK_TEXT(again, one);
  CHECK(strcmp(two, one) != 0);
}

TEST(tables_are_limited) {
  cay_run *run = run_of(table_wasm, sizeof table_wasm);
  CHECK_INT(cay_run_open(run, &error), CAY_OK);
  cay_run_free(run);
  run = run_of(table_wasm, sizeof table_wasm);
  cay_run_set_table_elements(run, 7);
  CHECK(cay_run_open(run, &error) != CAY_OK);
  cay_run_free(run);
}

TEST(limits_have_names) {
  CHECK_TEXT(cay_limit_name(CAY_LIMIT_NONE), "none");
  CHECK_TEXT(cay_limit_name(CAY_LIMIT_MEMORY), "memory");
  CHECK_TEXT(cay_limit_name(CAY_LIMIT_CPU_TIME), "cpu-time");
}

/* ---- Budgets ---------------------------------------------------------------------------------------------------------------- */

enum { PAGE = 65536 };

/* Two runs of one tenant, at the same time: what both hold counts, and what the second gets is what the first left. */
TEST(runs_of_a_tenant_share_a_budget) {
  cay_budget *budget = NULL;
  int32_t result;
  cay_run *first = RUN_OF(KINDS_WASM), *second = RUN_OF(KINDS_WASM);
  CHECK_INT(cay_budget_new(NULL, &budget, &error), CAY_OK);
  CHECK_INT(cay_budget_set_limit(budget, CAY_LIMIT_MEMORY, 5 * PAGE, &error), CAY_OK);
  CHECK_INT(cay_budget_set_limit(budget, CAY_LIMIT_TIME, 1, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(cay_run_set_budget(first, budget, &error), CAY_OK);
  CHECK_INT(cay_run_set_budget(second, budget, &error), CAY_OK);
  CHECK_INT(cay_run_set_budget(second, budget, &error), CAY_ERROR_ARGUMENT); /* once */
  CHECK(cay_budget_retain(budget) == budget);
  cay_budget_release(budget);
  CHECK_INT(invoke(first, "grow", 2, &result), CAY_OK);
  CHECK_INT(result, 1);
  CHECK_INT(invoke(second, "grow", 2, &result), CAY_OK);
  CHECK_INT(result, -1);
  CHECK_INT(cay_run_peak(first, CAY_LIMIT_MEMORY) / PAGE, 3);
  CHECK_INT(cay_budget_used(budget, CAY_LIMIT_MEMORY) / PAGE, 4);
  cay_run_free(first);
  cay_run_free(second);
  CHECK_INT(cay_budget_used(budget, CAY_LIMIT_MEMORY), 0);
  CHECK_INT(cay_budget_peak(budget, CAY_LIMIT_MEMORY) / PAGE, 4);
  cay_budget_release(budget);
}

TEST(a_budget_that_is_full_takes_no_run) {
  cay_budget *budget = NULL;
  cay_run *run = RUN_OF(KINDS_WASM);
  CHECK_INT(cay_budget_new(NULL, &budget, &error), CAY_OK);
  CHECK_INT(cay_budget_set_limit(budget, CAY_LIMIT_MEMORY, 1, &error), CAY_OK);
  CHECK_INT(cay_run_set_budget(run, budget, &error), CAY_OK); /* it holds nothing yet */
  CHECK_INT(cay_run_open(run, &error), CAY_ERROR_LIMIT);
  cay_run_free(run);
  cay_budget_release(budget);
}

/* A pool's run holds its memories when it is taken. */
TEST(a_budget_has_no_room_for_what_a_run_holds) {
  static const unsigned char kinds[] = {KINDS_WASM};
  cay_budget *budget = NULL;
  cay_module *module = NULL;
  cay_pool *pool = NULL;
  cay_run *run = NULL;
  CHECK_INT(cay_module_load(engine, kinds, sizeof kinds, &module, &error), CAY_OK);
  CHECK_INT(cay_pool_new(module, NULL, &pool, &error), CAY_OK);
  CHECK_INT(cay_budget_new(NULL, &budget, &error), CAY_OK);
  CHECK_INT(cay_budget_set_limit(budget, CAY_LIMIT_MEMORY, PAGE / 2, &error), CAY_OK);
  CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
  CHECK_INT(cay_run_set_budget(run, budget, &error), CAY_ERROR_LIMIT);
  CHECK_INT(cay_budget_used(budget, CAY_LIMIT_MEMORY), 0);
  cay_run_free(run);
  cay_pool_free(pool);
  cay_budget_release(budget);
  cay_module_release(module);
}

int main(void) {
  if (cay_engine_new(NULL, &engine, &error) != CAY_OK) return 1;
  RUN(a_module_imports_from_another)
  RUN(what_nobody_provides_is_as_was_said)
  RUN(a_function_of_the_host_reads_the_callers_memory)
  RUN(digests_tell_what_was_done)
  RUN(tables_are_limited)
  RUN(limits_have_names)
  RUN(runs_of_a_tenant_share_a_budget)
  RUN(a_budget_that_is_full_takes_no_run)
  RUN(a_budget_has_no_room_for_what_a_run_holds)
  cay_engine_free(engine);
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
