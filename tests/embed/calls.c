/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Calls that box nothing, in both directions, by cay.h and beside wasm.h: every kind of number, traps, nesting, time limits,
 * interruption, the end of the stack, threads; in the tier that is the argument. */
#include <cay.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wasm.h>

#include "test.h"

#if defined(__linux__)
#include <sys/auxv.h>
#endif

/* clang --target=wasm32 -mcpu=mvp -Os -nostdlib of:
 *   import "host" double mix(int, long long, float, double); import "host" int again(int depth);
 *   double mix_(int a, long long b, float c, double d) { return mix(a, b, c, d); }
 *   long long wide(int a, unsigned b) { return (long long)a - b; }
 *   float half(float a) { return a / 2; }
 *   int nest(int depth) { return depth ? again(depth) + 1 : 0; }
 *   void crash(void) { __builtin_trap(); }  void spin(void) { for (;;); }
 *   int grow(int pages) { return memory.grow(pages); }
 *   int deep(int n) { return n ? deep(n - 1) + n : 0; }  int load(int *at) { return *at; } */
#define FAST_WASM                                                                                                   \
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x1c, 0x05, 0x60, 0x04, 0x7f, 0x7e, 0x7d, 0x7c, 0x01, 0x7c, \
      0x60, 0x01, 0x7f, 0x01, 0x7f, 0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7e, 0x60, 0x01, 0x7d, 0x01, 0x7d, 0x60, 0x00,   \
      0x00, 0x02, 0x19, 0x02, 0x04, 0x68, 0x6f, 0x73, 0x74, 0x03, 0x6d, 0x69, 0x78, 0x00, 0x00, 0x04, 0x68, 0x6f,   \
      0x73, 0x74, 0x05, 0x61, 0x67, 0x61, 0x69, 0x6e, 0x00, 0x01, 0x03, 0x0a, 0x09, 0x00, 0x02, 0x03, 0x01, 0x04,   \
      0x04, 0x01, 0x01, 0x01, 0x04, 0x05, 0x01, 0x70, 0x01, 0x01, 0x01, 0x05, 0x03, 0x01, 0x00, 0x01, 0x06, 0x07,   \
      0x01, 0x7f, 0x01, 0x41, 0x80, 0x08, 0x0b, 0x07, 0x49, 0x0a, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02,   \
      0x00, 0x03, 0x6d, 0x69, 0x78, 0x00, 0x02, 0x04, 0x77, 0x69, 0x64, 0x65, 0x00, 0x03, 0x04, 0x68, 0x61, 0x6c,   \
      0x66, 0x00, 0x04, 0x04, 0x6e, 0x65, 0x73, 0x74, 0x00, 0x05, 0x05, 0x63, 0x72, 0x61, 0x73, 0x68, 0x00, 0x06,   \
      0x04, 0x73, 0x70, 0x69, 0x6e, 0x00, 0x07, 0x04, 0x67, 0x72, 0x6f, 0x77, 0x00, 0x08, 0x04, 0x64, 0x65, 0x65,   \
      0x70, 0x00, 0x09, 0x04, 0x6c, 0x6f, 0x61, 0x64, 0x00, 0x0a, 0x0a, 0x7b, 0x09, 0x10, 0x00, 0x20, 0x00, 0x20,   \
      0x01, 0x20, 0x02, 0x20, 0x03, 0x10, 0x80, 0x80, 0x80, 0x80, 0x00, 0x0b, 0x09, 0x00, 0x20, 0x00, 0xac, 0x20,   \
      0x01, 0xad, 0x7d, 0x0b, 0x0a, 0x00, 0x20, 0x00, 0x43, 0x00, 0x00, 0x00, 0x3f, 0x94, 0x0b, 0x17, 0x00, 0x02,   \
      0x40, 0x20, 0x00, 0x0d, 0x00, 0x41, 0x00, 0x0f, 0x0b, 0x20, 0x00, 0x10, 0x81, 0x80, 0x80, 0x80, 0x00, 0x41,   \
      0x01, 0x6a, 0x0b, 0x03, 0x00, 0x00, 0x0b, 0x07, 0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b, 0x06, 0x00, 0x20,   \
      0x00, 0x40, 0x00, 0x0b, 0x20, 0x01, 0x01, 0x7f, 0x02, 0x40, 0x20, 0x00, 0x0d, 0x00, 0x41, 0x00, 0x0f, 0x0b,   \
      0x20, 0x00, 0x41, 0x7f, 0x6a, 0x10, 0x89, 0x80, 0x80, 0x80, 0x00, 0x21, 0x01, 0x20, 0x01, 0x20, 0x00, 0x6a,   \
      0x0b, 0x07, 0x00, 0x20, 0x00, 0x28, 0x02, 0x00, 0x0b

static const unsigned char fast_wasm[] = {FAST_WASM};
static const char *tier; /* NULL: the default one */
static cay_engine *engine;
static cay_module *module;
static cay_imports *imports;
static struct cay_error error;

/* ---- Functions of the host ---------------------------------------------------------------------------------------------- */

static cay_slot mixed[4];
static enum cay_status mix_fails; /* unless OK */

static const cay_function *mix_calls; /* unless NULL; what becomes of it is no matter */

static enum cay_status mix(void *env, cay_caller *caller, cay_slot *slots, struct cay_error *why) {
  (void)env;
  struct cay_error ignored;
  if (mix_calls) CHECK_INT(cay_run_call(cay_caller_run(caller), mix_calls, NULL, &ignored), CAY_ERROR_TRAP);
  memcpy(mixed, slots, sizeof mixed);
  if (mix_fails == CAY_ERROR_TRAP) strcpy(why->text, "mix will not");
  slots[0].f64 = slots[0].i32 + (double)slots[1].i64 + (double)slots[2].f32 + slots[3].f64;
  return mix_fails;
}

static const cay_function *function_of(const char *name) {
  const cay_function *function = NULL;
  CHECK_INT(cay_module_function(module, name, &function, &error), CAY_OK);
  return function;
}

/* Calls the guest that calls it; what lies above the results in the slots is no matter. */
static enum cay_status again(void *env, cay_caller *caller, cay_slot *slots, struct cay_error *why) {
  (void)env;
  cay_slot own[1] = {{.u64 = UINT64_C(0xDEAD0000) << 32 | (uint32_t)(slots[0].i32 - 1)}};
  const cay_function *nest = cay_run_user(cay_caller_run(caller));
  enum cay_status status = cay_run_call(cay_caller_run(caller), nest, own, why);
  slots[0].u64 = UINT64_C(0xBAD) << 32 | own[0].u32;
  return status;
}

static cay_run *run_new(void) {
  cay_run *run = NULL;
  CHECK_INT(cay_run_new(module, NULL, &run, &error), CAY_OK);
  CHECK_INT(cay_run_set_imports(run, imports, &error), CAY_OK);
  cay_run_set_user(run, (void *)(uintptr_t)function_of("nest"));
  return run;
}

static enum cay_status call(cay_run *run, const char *name, cay_slot *slots) {
  return cay_run_call(run, function_of(name), slots, &error);
}

/* ---- Tests -------------------------------------------------------------------------------------------------------------- */

TEST(numbers_pass_in_both_directions) {
  cay_run *run = run_new();
  cay_slot slots[4] = {{.u64 = UINT64_C(0x123456780000000A)}, {.i64 = -3}, {.f32 = 0.5f}, {.f64 = 100}};
  CHECK_INT(call(run, "mix", slots), CAY_OK);
  CHECK(slots[0].f64 == 107.5);
  CHECK_INT(mixed[0].u64, 10); /* 32 bits, whatever was above them */
  CHECK_INT(mixed[1].i64, -3);
  slots[0].i32 = -1;
  slots[1].u32 = UINT32_MAX;
  CHECK_INT(call(run, "wide", slots), CAY_OK);
  CHECK_INT(slots[0].i64, -1 - (long long)UINT32_MAX);
  slots[0].f32 = -3;
  CHECK_INT(call(run, "half", slots), CAY_OK);
  CHECK(slots[0].f32 == -1.5f);
  CHECK_INT(cay_function_params(function_of("mix"), module), 4);
  CHECK_INT(cay_function_results(function_of("crash"), module), 0);
  CHECK_INT(cay_function_param_type(function_of("mix"), module, 2), CAY_F32);
  CHECK_INT(cay_function_param_type(function_of("mix"), module, 4), 0);
  CHECK_INT(cay_function_result_type(function_of("wide"), module, 0), CAY_I64);
  CHECK_INT(cay_function_result_type(function_of("crash"), module, 0), 0);
  cay_run_free(run);
}

/* (func (export "f") (param i32 v128 i32...) (result i64)): 40 parameters, of which the first and the last are added as unsigned. */
static const unsigned char many_wasm[] = {
    0,    0x61, 0x73, 0x6d, 1,    0,    0,    0,    1,    0x2d, 1,    0x60, 40,   0x7f, 0x7b, 0x7f,
    0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f,
    0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f,
    0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 1,    0x7e, 3,    2,    1,    0,    7,    5,    1,    1,    'f',
    0,    0,    10,   11,   1,    9,    0,    0x20, 0,    0xad, 0x20, 39,   0xad, 0x7c, 0x0b};

TEST(of_arguments_of_32_bits_the_low_halves_count) {
  cay_slot slots[41];
  cay_module *many = NULL;
  cay_run *run = NULL;
  const cay_function *function = NULL;
  CHECK_INT(cay_module_load(engine, many_wasm, sizeof many_wasm, &many, &error), CAY_OK);
  CHECK_INT(cay_run_new(many, NULL, &run, &error), CAY_OK);
  CHECK_INT(cay_module_function(many, "f", &function, &error), CAY_OK);
  for (int round = 0; round < 2; round++) { /* the first one opens the run */
    memset(slots, 0xff, sizeof slots);
    slots[0].i32 = 3;
    slots[40].i32 = -4; /* behind both slots of the v128 */
    CHECK_INT(cay_run_call(run, function, slots, &error), CAY_OK);
    CHECK(slots[0].i64 == 3 + (INT64_C(1) << 32) - 4);
  }
  cay_run_free(run);
  cay_module_release(many);
}

TEST(traps_come_out_and_are_forgotten) {
  cay_run *run = run_new();
  cay_slot slots[4] = {{0}};
  for (int i = 0; i < 3; i++) {
    CHECK_INT(call(run, "crash", slots), CAY_ERROR_TRAP);
    CHECK_INT(cay_run_result(run)->trap, CAY_TRAP_UNREACHABLE);
    CHECK(strstr(cay_run_backtrace(run, 0), "  0: ") != NULL);
    slots[0].i32 = -4;
    CHECK_INT(call(run, "load", slots), CAY_ERROR_TRAP);
    CHECK_INT(cay_run_result(run)->trap, CAY_TRAP_MEMORY_BOUNDS);
    slots[0].i32 = 0;
    CHECK_INT(call(run, "load", slots), CAY_OK);
    CHECK_INT(cay_run_result(run)->trap, CAY_TRAP_NONE);
    CHECK_TEXT(cay_run_backtrace(run, 0), "");
  }
  slots[0].i32 = 100000000;
  CHECK_INT(call(run, "deep", slots), CAY_ERROR_TRAP);
  CHECK_INT(cay_run_result(run)->trap, CAY_TRAP_STACK_EXHAUSTED);
  slots[0].i32 = 100;
  CHECK_INT(call(run, "deep", slots), CAY_OK);
  cay_run_free(run);
}

TEST(a_host_function_fails) {
  cay_run *run = run_new();
  cay_slot slots[4] = {{0}};
  mix_fails = CAY_ERROR_TRAP;
  CHECK_INT(call(run, "mix", slots), CAY_ERROR_TRAP);
  CHECK_INT(cay_run_result(run)->trap, CAY_TRAP_HOST);
  CHECK_TEXT(error.text, "mix will not");
  mix_fails = CAY_ERROR_DENIED;
  CHECK_INT(call(run, "mix", slots), CAY_ERROR_TRAP);
  CHECK(strstr(error.text, "did not say why") != NULL);
  mix_fails = CAY_ERROR_MEMORY;
  CHECK_INT(call(run, "mix", slots), CAY_ERROR_MEMORY);
  mix_fails = CAY_OK;
  CHECK_INT(call(run, "mix", slots), CAY_OK);
  cay_run_free(run);
}

TEST(calls_nest) {
  cay_run *run = run_new();
  cay_slot slots[4] = {{.i32 = 50}};
  CHECK_INT(call(run, "nest", slots), CAY_OK);
  CHECK_INT(slots[0].i32, 50);
  slots[0].i32 = 10000000; /* either stack ends, as a trap */
  CHECK_INT(call(run, "nest", slots), CAY_ERROR_TRAP);
  CHECK_TEXT(error.text, "call stack exhausted");
  slots[0].i32 = 3;
  CHECK_INT(call(run, "nest", slots), CAY_OK);
  CHECK_INT(slots[0].i32, 3);
  cay_run_free(run);
}

TEST(a_nested_trap_that_was_seen_to_is_nobodys_result) {
  cay_run *run = run_new();
  cay_slot slots[4] = {{0}};
  for (int i = 0; i < 3; i++) { /* of a new run, and of one that has called */
    mix_calls = function_of("crash");
    CHECK_INT(call(run, "mix", slots), CAY_OK);
    CHECK_INT(cay_run_result(run)->trap, CAY_TRAP_NONE);
    CHECK_TEXT(cay_run_backtrace(run, 0), "");
    mix_calls = NULL;
    for (int k = 0; k < i; k++) CHECK_INT(call(run, "mix", slots), CAY_OK);
  }
  cay_run_free(run);
}

TEST(what_does_not_fit_is_refused) {
  cay_run *run = run_new();
  cay_module *other = NULL;
  const cay_function *foreign = NULL;
  cay_slot slots[1] = {{0}};
  const cay_function *none = NULL;
  const enum cay_type reference = CAY_EXTERNREF;
  CHECK_INT(cay_module_load(engine, fast_wasm, sizeof fast_wasm, &other, &error), CAY_OK);
  CHECK_INT(cay_module_function(other, "load", &foreign, &error), CAY_OK);
  CHECK_INT(cay_run_call(run, foreign, slots, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(cay_module_function(module, "none", &none, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(cay_module_function(module, "memory", &none, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(cay_run_set_imports(run, imports, &error), CAY_ERROR_ARGUMENT);
  cay_imports *more = NULL;
  CHECK_INT(cay_imports_new(&more, &error), CAY_OK);
  CHECK_INT(cay_imports_add(more, "host", "mix", &reference, 1, NULL, 0, mix, NULL, &error), CAY_ERROR_UNSUPPORTED);
  cay_imports_release(more);
  cay_run_free(run);
  run = NULL;
  CHECK_INT(cay_run_new(other, NULL, &run, &error), CAY_OK); /* without the imports */
  CHECK_INT(cay_run_call(run, foreign, slots, &error), CAY_ERROR_LINK);
  cay_run_free(run);
  cay_module_release(other);
}

/* (module (import "host" "f" (func)) (export "g" (func 0))) */
static const unsigned char passing_on_wasm[] = {0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01,
                                                0x60, 0x00, 0x00, 0x02, 0x0a, 0x01, 0x04, 'h',  'o',  's',  't',
                                                0x01, 'f',  0x00, 0x00, 0x07, 0x05, 0x01, 0x01, 'g',  0x00, 0x00};
/* (module (import "host" "f" (func $f)) (func $start call $f) (func (export "g")) (start $start)) */
static const unsigned char starting_wasm[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x02, 0x0a, 0x01, 0x04,
    'h',  'o',  's',  't',  0x01, 'f',  0x00, 0x00, 0x03, 0x03, 0x02, 0x00, 0x00, 0x07, 0x05, 0x01, 0x01, 'g',
    0x00, 0x02, 0x08, 0x01, 0x01, 0x0a, 0x09, 0x02, 0x04, 0x00, 0x10, 0x00, 0x0b, 0x02, 0x00, 0x0b};

static struct {
  const cay_function *g;
  int times;
  enum cay_status status;
} called;
static enum cay_status call_g(void *env, cay_caller *caller, cay_slot *slots, struct cay_error *why) {
  (void)env, (void)slots, (void)why;
  struct cay_error ignored;
  called.times++;
  called.status = cay_run_call(cay_caller_run(caller), called.g, NULL, &ignored);
  return CAY_OK;
}

static enum cay_status run_with_f(const unsigned char *bytes, size_t len_bytes) {
  cay_module *other = NULL;
  cay_imports *f = NULL;
  cay_run *run = NULL;
  called.times = 0;
  CHECK_INT(cay_module_load(engine, bytes, len_bytes, &other, &error), CAY_OK);
  CHECK_INT(cay_module_function(other, "g", &called.g, &error), CAY_OK);
  CHECK_INT(cay_imports_new(&f, &error), CAY_OK);
  CHECK_INT(cay_imports_add(f, "host", "f", NULL, 0, NULL, 0, call_g, NULL, &error), CAY_OK);
  CHECK_INT(cay_run_new(other, NULL, &run, &error), CAY_OK);
  CHECK_INT(cay_run_set_imports(run, f, &error), CAY_OK);
  enum cay_status status = cay_run_call(run, called.g, NULL, &error);
  cay_run_free(run);
  cay_imports_release(f);
  cay_module_release(other);
  return status;
}

TEST(an_import_that_is_exported_has_no_guest_to_call_it) {
  CHECK(run_with_f(passing_on_wasm, sizeof passing_on_wasm) != CAY_OK);
  CHECK_INT(called.times, 0);
}

TEST(what_is_being_opened_cannot_be_called) {
  CHECK_INT(run_with_f(starting_wasm, sizeof starting_wasm), CAY_OK);
  CHECK_INT(called.times, 1);
  CHECK_INT(called.status, CAY_ERROR_ARGUMENT);
}

TEST(memory_is_the_guests) {
  cay_run *run = run_new();
  size_t len_bytes = 1;
  cay_slot slots[1] = {{.i32 = 1}};
  CHECK(cay_run_memory(run, &len_bytes) == NULL && len_bytes == 0);
  CHECK_INT(cay_run_open(run, &error), CAY_OK);
  int32_t *memory = cay_run_memory(run, &len_bytes);
  CHECK_INT(len_bytes, 65536);
  memory[16] = 77;
  slots[0].i32 = 64;
  CHECK_INT(call(run, "load", slots), CAY_OK);
  CHECK_INT(slots[0].i32, 77);
  slots[0].i32 = 2;
  CHECK_INT(call(run, "grow", slots), CAY_OK);
  CHECK(cay_run_memory(run, &len_bytes) != NULL);
  CHECK_INT(len_bytes, 3 * 65536);
  cay_run_free(run);
}

/* ---- Limits and interruption --------------------------------------------------------------------------------------------- */

TEST(limits_hold_for_fast_calls) {
  cay_run *run = run_new();
  cay_slot slots[1] = {{.i32 = 1}};
  cay_budget *tenant = NULL;
  CHECK_INT(cay_budget_new(NULL, &tenant, &error), CAY_OK);
  CHECK_INT(cay_run_set_budget(run, tenant, &error), CAY_OK);
  CHECK_INT(cay_run_set_limit(run, CAY_LIMIT_TIME, 20000000, &error), CAY_OK);
  CHECK_INT(cay_run_set_limit(run, CAY_LIMIT_MEMORY, 1 << 20, &error), CAY_OK);
  CHECK_INT(call(run, "spin", slots), CAY_ERROR_LIMIT);
  CHECK_INT(cay_run_result(run)->limit, CAY_LIMIT_TIME);
  slots[0].i32 = 100;
  CHECK_INT(call(run, "grow", slots), CAY_OK);
  CHECK_INT(slots[0].i32, -1);
  cay_run_free(run);
  /* One that is set on a tenant after calls without any. */
  run = run_new();
  CHECK_INT(cay_run_set_budget(run, tenant, &error), CAY_OK);
  CHECK_INT(call(run, "load", (slots[0].i32 = 0, slots)), CAY_OK);
  CHECK_INT(
      cay_budget_set_limit(tenant, CAY_LIMIT_CPU_TIME, cay_budget_used(tenant, CAY_LIMIT_CPU_TIME) + 20000000, &error),
      CAY_OK);
  CHECK_INT(call(run, "spin", slots), CAY_ERROR_LIMIT);
  CHECK_INT(cay_run_result(run)->limit, CAY_LIMIT_CPU_TIME);
  cay_run_free(run);
  cay_budget_release(tenant);
}

/* Those that are there because of limits: how many lie in /proc, less what there was. */
static int thread_count(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/task");
  if (!folder) return -1;
  while (readdir(folder)) count++;
  closedir(folder);
  return count;
}

struct limited {
  uint64_t time_ns;
  enum cay_status status;
  enum cay_limit limit;
};

static void *spin_limited(void *env) {
  struct limited *limited = env;
  struct cay_error why;
  cay_run *run = NULL;
  const cay_function *spin = NULL;
  cay_module_function(module, "spin", &spin, &why);
  if (cay_run_new(module, NULL, &run, &why) || cay_run_set_imports(run, imports, &why) ||
      cay_run_set_limit(run, CAY_LIMIT_TIME, limited->time_ns, &why))
    return NULL;
  limited->status = cay_run_call(run, spin, NULL, &why);
  limited->limit = cay_run_result(run)->limit;
  cay_run_free(run);
  return NULL;
}

/* A call with a later limit that came first does not hide one with an earlier limit, and the other way round. */
TEST(one_thread_watches_all_calls) {
  enum { CALLS = 4 };
  struct limited limited[CALLS] = {{.time_ns = 90000000}, {.time_ns = 30000000}, {.time_ns = 60000000}, {.time_ns = 0}};
  pthread_t threads[CALLS];
  int before = thread_count();
  for (int i = 0; i < CALLS; i++) CHECK_INT(pthread_create(&threads[i], NULL, spin_limited, &limited[i]), 0);
  for (int i = 0; i < CALLS; i++) {
    pthread_join(threads[i], NULL);
    CHECK_INT(limited[i].status, CAY_ERROR_LIMIT);
    CHECK_INT(limited[i].limit, CAY_LIMIT_TIME);
  }
  cay_run *run = run_new();
  cay_slot slots[1];
  CHECK_INT(cay_run_set_limit(run, CAY_LIMIT_TIME, UINT64_C(3600000000000), &error), CAY_OK);
  for (int i = 0; i < 1000; i++) CHECK_INT(call(run, "load", (slots[0].i32 = 0, slots)), CAY_OK);
  CHECK(thread_count() <= before + 1);
  cay_run_free(run);
}

/* A child has the memory of the thread that watches, and not the thread. */
TEST(a_forked_process_watches_its_own_calls) {
  struct limited limited = {.time_ns = 1000000};
  int status = -1;
  spin_limited(&limited);
  CHECK_INT(limited.status, CAY_ERROR_LIMIT);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    limited.status = CAY_OK;
    spin_limited(&limited);
    _exit(limited.status != CAY_ERROR_LIMIT);
  }
  CHECK(waitpid(child, &status, 0) == child);
  CHECK_INT(status, 0);
}

static void *interrupt_soon(void *run) {
  nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
  cay_run_interrupt(run);
  return NULL;
}

TEST(a_fast_call_is_interrupted) {
  cay_run *run = run_new();
  cay_slot slots[1] = {{0}};
  CHECK_INT(call(run, "load", slots), CAY_OK);
  for (int i = 0; i < 3; i++) {
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, interrupt_soon, run), 0);
    CHECK_INT(call(run, "spin", slots), CAY_ERROR_INTERRUPTED);
    pthread_join(thread, NULL);
    slots[0].i32 = 0;
    CHECK_INT(call(run, "load", slots), CAY_OK);
  }
  cay_run_interrupt(run); /* between calls: it is the next one's */
  CHECK_INT(call(run, "spin", slots), CAY_ERROR_INTERRUPTED);
  slots[0].i32 = 0;
  CHECK_INT(call(run, "load", slots), CAY_OK);
  cay_run_free(run);
}

/* ---- Threads ------------------------------------------------------------------------------------------------------------ */

enum { THREADS = 4, RUNS = 6, ROUNDS = 300 };

static void *call_many(void *unused) {
  (void)unused;
  cay_run *runs[RUNS];
  struct cay_error own_error;
  const cay_function *nest = NULL;
  intptr_t wrong = cay_module_function(module, "nest", &nest, &own_error) != CAY_OK;
  for (int i = 0; i < RUNS; i++) {
    wrong += cay_run_new(module, NULL, &runs[i], &own_error) != CAY_OK;
    wrong += cay_run_set_imports(runs[i], imports, &own_error) != CAY_OK;
    cay_run_set_user(runs[i], (void *)(uintptr_t)nest);
  }
  for (int i = 0; i < ROUNDS; i++) {
    cay_slot slots[1] = {{.i32 = i % 7}};
    wrong += cay_run_call(runs[i % RUNS], nest, slots, &own_error) != CAY_OK || slots[0].i32 != i % 7;
  }
  for (int i = 0; i < RUNS; i++) cay_run_free(runs[i]);
  return (void *)wrong;
}

TEST(stacks_are_a_threads_own) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) CHECK_INT(pthread_create(&threads[i], NULL, call_many, NULL), 0);
  for (int i = 0; i < THREADS; i++) {
    void *wrong;
    pthread_join(threads[i], &wrong);
    CHECK(!wrong);
  }
}

/* A run that goes from one thread to the next, and calls that nest across two runs. */
static void *call_once(void *run) {
  cay_slot slots[1] = {{.i32 = 9}};
  return (void *)(intptr_t)(cay_run_call(run, cay_run_user(run), slots, NULL) != CAY_OK || slots[0].i32 != 9);
}

TEST(a_run_moves_between_threads) {
  cay_run *run = run_new();
  for (int i = 0; i < 8; i++) {
    pthread_t thread;
    void *wrong = NULL;
    CHECK(!call_once(run));
    CHECK_INT(pthread_create(&thread, NULL, call_once, run), 0);
    pthread_join(thread, &wrong);
    CHECK(!wrong);
  }
  cay_run_free(run);
}

static cay_run *other_run;
static enum cay_status into_other(void *env, cay_caller *caller, cay_slot *slots, struct cay_error *why) {
  (void)env;
  cay_run *to = cay_caller_run(caller) == other_run ? env : other_run;
  slots[0].i32--;
  return cay_run_call(to, cay_run_user(to), slots, why);
}

TEST(calls_nest_across_runs) {
  static const enum cay_type i32 = CAY_I32;
  static const enum cay_type four[] = {CAY_I32, CAY_I64, CAY_F32, CAY_F64}, f64 = CAY_F64;
  cay_run *runs[2] = {NULL, NULL};
  cay_imports *crossing = NULL;
  CHECK_INT(cay_run_new(module, NULL, &runs[0], &error), CAY_OK);
  CHECK_INT(cay_run_new(module, NULL, &runs[1], &error), CAY_OK);
  CHECK_INT(cay_imports_new(&crossing, &error), CAY_OK);
  CHECK_INT(cay_imports_add(crossing, "host", "mix", four, 4, &f64, 1, mix, NULL, &error), CAY_OK);
  CHECK_INT(cay_imports_add(crossing, "host", "again", &i32, 1, &i32, 1, into_other, runs[0], &error), CAY_OK);
  other_run = runs[1];
  for (int i = 0; i < 2; i++) {
    CHECK_INT(cay_run_set_imports(runs[i], crossing, &error), CAY_OK);
    cay_run_set_user(runs[i], (void *)(uintptr_t)function_of("nest"));
  }
  cay_slot slots[1] = {{.i32 = 12}};
  CHECK_INT(call(runs[0], "nest", slots), CAY_OK);
  CHECK_INT(slots[0].i32, 12);
  CHECK_INT(call(runs[0], "crash", slots), CAY_ERROR_TRAP);
  for (int i = 0; i < 2; i++) cay_run_free(runs[i]);
  cay_imports_release(crossing);
}

/* ---- Beside wasm.h ------------------------------------------------------------------------------------------------------- */

static bool finalized;
static void note_end(void *env) {
  (void)env;
  finalized = true;
}
static wasm_store_t *standard_store;
static wasm_trap_t *standard_mix(void *env, cay_slot *slots) {
  if (env != &finalized || slots[0].i32 == 13) {
    wasm_message_t message;
    wasm_name_new_from_string_nt(&message, "unlucky");
    wasm_trap_t *trap = wasm_trap_new(standard_store, &message);
    wasm_name_delete(&message);
    return trap;
  }
  slots[0].f64 = slots[0].i32 + (double)slots[1].i64 + (double)slots[2].f32 + slots[3].f64;
  return NULL;
}
static wasm_trap_t *standard_again(void *env, cay_slot *slots) {
  (void)env;
  slots[0].i32--;
  return NULL;
}

static wasm_functype_t *mix_type(void) {
  wasm_valtype_t *params[] = {wasm_valtype_new_i32(), wasm_valtype_new_i64(), wasm_valtype_new_f32(),
                              wasm_valtype_new_f64()};
  wasm_valtype_t *result = wasm_valtype_new_f64();
  wasm_valtype_vec_t in, out;
  wasm_valtype_vec_new(&in, 4, params);
  wasm_valtype_vec_new(&out, 1, &result);
  return wasm_functype_new(&in, &out);
}

/* (import "h" "f" (func (param i32) (result i32))) (memory 1) (data (i32.const 0) "\28")
 * (func (export "g") (param i32) (result i32) (i32.add (call 0 (local.get 0)) (i32.load (i32.const 0)))) */
static const unsigned char calls_then_loads_wasm[] = {
    0,    0x61, 0x73, 0x6d, 1,    0, 0,    0, 1,    6, 1, 0x60, 1,    0x7f, 1, 0x7f, 2,    7,    1, 1,    0x68, 1,
    0x66, 0,    0,    3,    2,    1, 0,    5, 3,    1, 0, 1,    7,    5,    1, 1,    0x67, 0,    1, 0x0a, 0x0e, 1,
    0x0c, 0,    0x20, 0,    0x10, 0, 0x41, 0, 0x28, 2, 0, 0x6a, 0x0b, 0x0b, 7, 1,    0,    0x41, 0, 0x0b, 1,    0x28};

/* The base of the segment gs, which optimized code may reach memory by; 0: programs cannot move it here. */
static uint64_t move_segment(uint64_t base) {
  uint64_t before = 0;
#if defined(__x86_64__) && defined(__linux__)
  enum { FSGSBASE = 1 << 1 };
  if (!(getauxval(AT_HWCAP2) & FSGSBASE)) return 0;
  __asm__ volatile("rdgsbase %0\n wrgsbase %1" : "=&r"(before) : "r"(base) : "memory");
#endif
  return (void)base, before;
}

static enum cay_status move_and_add(void *env, cay_caller *caller, cay_slot *slots, struct cay_error *why) {
  (void)env, (void)caller, (void)why;
  move_segment(UINT64_C(0x10000));
  slots[0].i32++;
  return CAY_OK;
}

/* The guest goes on with its memory wherever a function of the host has left the segment, and the caller finds its own. */
TEST(functions_of_the_host_may_move_the_segment) {
  static const enum cay_type i32 = CAY_I32;
  cay_imports *own = NULL;
  cay_module *loads = NULL;
  cay_run *run = NULL;
  const cay_function *g = NULL;
  uint64_t before = move_segment(UINT64_C(0x20000));
  CHECK_INT(cay_imports_new(&own, &error), CAY_OK);
  CHECK_INT(cay_imports_add(own, "h", "f", &i32, 1, &i32, 1, move_and_add, NULL, &error), CAY_OK);
  CHECK_INT(cay_module_load(engine, calls_then_loads_wasm, sizeof calls_then_loads_wasm, &loads, &error), CAY_OK);
  CHECK_INT(cay_module_function(loads, "g", &g, &error), CAY_OK);
  CHECK_INT(cay_run_new(loads, NULL, &run, &error), CAY_OK);
  CHECK_INT(cay_run_set_imports(run, own, &error), CAY_OK);
  for (int32_t i = 0; i < 3; i++) { /* the first one opens the run */
    cay_slot slots[1] = {{.i32 = i}};
    move_segment(UINT64_C(0x20000));
    CHECK_INT(cay_run_call(run, g, slots, &error), CAY_OK);
    CHECK_INT(slots[0].i32, i + 41);
    uint64_t after = move_segment(before);
    if (tier && strcmp(tier, "optimized") == 0) CHECK(after == 0 || after == UINT64_C(0x20000));
  }
  cay_run_free(run);
  cay_module_release(loads);
  cay_imports_release(own);
}

TEST(standard_functions_take_slots) {
  wasm_config_t *config = wasm_config_new();
  CHECK_INT(cay_engine_config_set_tier(cay_wasm_config(config), tier, NULL), CAY_OK);
  wasm_engine_t *standard_engine = wasm_engine_new_with_config(config);
  wasm_store_t *store = standard_store = wasm_store_new(standard_engine);
  wasm_byte_vec_t binary = {sizeof fast_wasm, (char *)(uintptr_t)fast_wasm};
  wasm_module_t *standard_module = wasm_module_new(store, &binary);
  wasm_functype_t *types[2] = {mix_type(), wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32())};
  wasm_func_t *funcs[2] = {cay_wasm_func_new(store, types[0], standard_mix, &finalized, note_end),
                           cay_wasm_func_new(store, types[1], standard_again, NULL, NULL)};
  wasm_extern_t *externs[2] = {wasm_func_as_extern(funcs[0]), wasm_func_as_extern(funcs[1])};
  wasm_extern_vec_t links = WASM_ARRAY_VEC(externs), exports;
  wasm_instance_t *instance = wasm_instance_new(store, standard_module, &links, NULL);
  CHECK(instance != NULL);
  wasm_instance_exports(instance, &exports); /* memory, mix, wide, half, nest, crash ... */
  cay_slot slots[4] = {{.i32 = 1}, {.i64 = 2}, {.f32 = 3}, {.f64 = 4}};
  CHECK(!cay_wasm_func_call(wasm_extern_as_func(exports.data[1]), slots));
  CHECK(slots[0].f64 == 10);
  slots[0].u64 = UINT64_C(1) << 40 | 13;
  wasm_trap_t *trap = cay_wasm_func_call(wasm_extern_as_func(exports.data[1]), slots);
  wasm_message_t message;
  CHECK(trap != NULL);
  wasm_trap_message(trap, &message);
  CHECK_TEXT(message.data, "unlucky");
  wasm_name_delete(&message);
  wasm_trap_delete(trap);
  slots[0].i32 = 5;
  CHECK(!cay_wasm_func_call(wasm_extern_as_func(exports.data[4]), slots));
  CHECK_INT(slots[0].i32, 5);
  trap = cay_wasm_func_call(wasm_extern_as_func(exports.data[5]), slots);
  CHECK(trap != NULL);
  wasm_trap_delete(trap);
  wasm_functype_t *references = wasm_functype_new_1_0(wasm_valtype_new(WASM_EXTERNREF));
  CHECK(!cay_wasm_func_new(store, references, standard_again, NULL, NULL));
  wasm_functype_delete(references);
  for (int i = 0; i < 2; i++) {
    wasm_functype_delete(types[i]);
    wasm_func_delete(funcs[i]);
  }
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(standard_module);
  wasm_store_delete(store);
  CHECK(finalized);
  wasm_engine_delete(standard_engine);
}

static cay_imports *imports_new(void) {
  static const enum cay_type four[] = {CAY_I32, CAY_I64, CAY_F32, CAY_F64}, f64 = CAY_F64, i32 = CAY_I32;
  cay_imports *made = NULL;
  CHECK_INT(cay_imports_new(&made, &error), CAY_OK);
  CHECK_INT(cay_imports_add(made, "host", "mix", four, 4, &f64, 1, mix, NULL, &error), CAY_OK);
  CHECK_INT(cay_imports_add(made, "host", "again", &i32, 1, &i32, 1, again, NULL, &error), CAY_OK);
  return made;
}

static void set_up(void) {
  cay_engine_config *config = NULL;
  CHECK_INT(cay_engine_config_new(&config, &error), CAY_OK);
  if (tier) CHECK_INT(cay_engine_config_set_tier(config, tier, &error), CAY_OK);
  CHECK_INT(cay_engine_new(config, &engine, &error), CAY_OK);
  cay_engine_config_free(config);
  CHECK_INT(cay_module_load(engine, fast_wasm, sizeof fast_wasm, &module, &error), CAY_OK);
  imports = imports_new();
}

int main(int argc, char **argv) {
  tier = argc > 1 ? argv[1] : NULL;
  set_up();
  RUN(numbers_pass_in_both_directions)
  RUN(of_arguments_of_32_bits_the_low_halves_count)
  RUN(traps_come_out_and_are_forgotten)
  RUN(a_host_function_fails)
  RUN(calls_nest)
  RUN(a_nested_trap_that_was_seen_to_is_nobodys_result)
  RUN(what_does_not_fit_is_refused)
  RUN(an_import_that_is_exported_has_no_guest_to_call_it)
  RUN(what_is_being_opened_cannot_be_called)
  RUN(memory_is_the_guests)
  RUN(limits_hold_for_fast_calls)
  RUN(one_thread_watches_all_calls)
  RUN(a_forked_process_watches_its_own_calls)
  RUN(a_fast_call_is_interrupted)
  RUN(stacks_are_a_threads_own)
  RUN(a_run_moves_between_threads)
  RUN(calls_nest_across_runs)
  RUN(functions_of_the_host_may_move_the_segment)
  RUN(standard_functions_take_slots)
  cay_imports_release(imports);
  cay_module_release(module);
  cay_engine_free(engine);
  return test_failures != 0;
}
