/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Pools: runs begin where the prepared one was, and see nothing of the run before; several threads; traps, limits, budgets,
 * interruption between uses; what cannot be pooled; and ten thousand live instances, what they take and that they work. The
 * first argument is the tier. */
#include <cay.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

#include "modules.h"
#include "test.h"

/* clang --target=wasm32 -mcpu=mvp -mreference-types -mbulk-memory -Os -nostdlib of:
 *   static int __attribute__((address_space(1))) counter;  static __externref_t refs[0];
 *   static int cell = 5, room[40000], twos[] = {1, 2, 4, 8};  static int (*const pointers[])(void) = {one, two};
 *   void _initialize(void) { cell = 6; }
 *   int bump(void) { return ++counter; }
 *   int swap(int value) { old = cell; cell = value; return old; }
 *   int fill(int value) { all of room = value; returns what was in it, or-ed }
 *   int apply(int index) { return pointers[index](); }
 *   int grow(int pages) { return memory.grow(pages); }
 *   int at(int where) { old = *(int *)where; *(int *)where = -1; return old; }
 *   int refs_grow(__externref_t ref, int count) { return table.grow(refs, ref, count); }
 *   int close(int fd) { return fd_close(fd); }  int random(void) { random_get }  long long clock(void) { clock_time_get }
 *   void crash(void) { cell = 1; __builtin_trap(); }  void spin(void) { for (;;); }
 *   int twice(int i) { return twos[i] *= 2; } */
#define POOL_WASM                                                                                                   \
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x24, 0x07, 0x60, 0x00, 0x01, 0x7f, 0x60, 0x01, 0x7f, 0x01, \
      0x7f, 0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7f, 0x60, 0x03, 0x7f, 0x7e, 0x7f, 0x01, 0x7f, 0x60, 0x00, 0x00, 0x60,   \
      0x02, 0x6f, 0x7f, 0x01, 0x7f, 0x60, 0x00, 0x01, 0x7e, 0x02, 0x6f, 0x03, 0x16, 0x77, 0x61, 0x73, 0x69, 0x5f,   \
      0x73, 0x6e, 0x61, 0x70, 0x73, 0x68, 0x6f, 0x74, 0x5f, 0x70, 0x72, 0x65, 0x76, 0x69, 0x65, 0x77, 0x31, 0x08,   \
      0x66, 0x64, 0x5f, 0x63, 0x6c, 0x6f, 0x73, 0x65, 0x00, 0x01, 0x16, 0x77, 0x61, 0x73, 0x69, 0x5f, 0x73, 0x6e,   \
      0x61, 0x70, 0x73, 0x68, 0x6f, 0x74, 0x5f, 0x70, 0x72, 0x65, 0x76, 0x69, 0x65, 0x77, 0x31, 0x0a, 0x72, 0x61,   \
      0x6e, 0x64, 0x6f, 0x6d, 0x5f, 0x67, 0x65, 0x74, 0x00, 0x02, 0x16, 0x77, 0x61, 0x73, 0x69, 0x5f, 0x73, 0x6e,   \
      0x61, 0x70, 0x73, 0x68, 0x6f, 0x74, 0x5f, 0x70, 0x72, 0x65, 0x76, 0x69, 0x65, 0x77, 0x31, 0x0e, 0x63, 0x6c,   \
      0x6f, 0x63, 0x6b, 0x5f, 0x74, 0x69, 0x6d, 0x65, 0x5f, 0x67, 0x65, 0x74, 0x00, 0x03, 0x03, 0x11, 0x10, 0x04,   \
      0x00, 0x01, 0x01, 0x01, 0x01, 0x01, 0x05, 0x01, 0x00, 0x06, 0x04, 0x04, 0x01, 0x00, 0x00, 0x04, 0x08, 0x02,   \
      0x6f, 0x00, 0x00, 0x70, 0x01, 0x03, 0x03, 0x05, 0x03, 0x01, 0x00, 0x03, 0x06, 0x0c, 0x02, 0x7f, 0x01, 0x41,   \
      0x80, 0x08, 0x0b, 0x7f, 0x01, 0x41, 0x00, 0x0b, 0x07, 0x7d, 0x0f, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79,   \
      0x02, 0x00, 0x0b, 0x5f, 0x69, 0x6e, 0x69, 0x74, 0x69, 0x61, 0x6c, 0x69, 0x7a, 0x65, 0x00, 0x03, 0x04, 0x62,   \
      0x75, 0x6d, 0x70, 0x00, 0x04, 0x04, 0x73, 0x77, 0x61, 0x70, 0x00, 0x05, 0x04, 0x66, 0x69, 0x6c, 0x6c, 0x00,   \
      0x06, 0x05, 0x61, 0x70, 0x70, 0x6c, 0x79, 0x00, 0x07, 0x04, 0x67, 0x72, 0x6f, 0x77, 0x00, 0x08, 0x02, 0x61,   \
      0x74, 0x00, 0x09, 0x09, 0x72, 0x65, 0x66, 0x73, 0x5f, 0x67, 0x72, 0x6f, 0x77, 0x00, 0x0a, 0x05, 0x63, 0x6c,   \
      0x6f, 0x73, 0x65, 0x00, 0x0b, 0x06, 0x72, 0x61, 0x6e, 0x64, 0x6f, 0x6d, 0x00, 0x0c, 0x05, 0x63, 0x6c, 0x6f,   \
      0x63, 0x6b, 0x00, 0x0d, 0x05, 0x63, 0x72, 0x61, 0x73, 0x68, 0x00, 0x0e, 0x04, 0x73, 0x70, 0x69, 0x6e, 0x00,   \
      0x0f, 0x05, 0x74, 0x77, 0x69, 0x63, 0x65, 0x00, 0x10, 0x09, 0x0a, 0x01, 0x02, 0x01, 0x41, 0x01, 0x0b, 0x00,   \
      0x02, 0x11, 0x12, 0x0a, 0x98, 0x03, 0x10, 0x0d, 0x00, 0x41, 0x00, 0x41, 0x06, 0x36, 0x02, 0x90, 0x88, 0x80,   \
      0x80, 0x00, 0x0b, 0x17, 0x01, 0x01, 0x7f, 0x23, 0x81, 0x80, 0x80, 0x80, 0x00, 0x41, 0x01, 0x6a, 0x22, 0x00,   \
      0x24, 0x81, 0x80, 0x80, 0x80, 0x00, 0x20, 0x00, 0x0b, 0x1c, 0x01, 0x01, 0x7f, 0x41, 0x00, 0x28, 0x02, 0x90,   \
      0x88, 0x80, 0x80, 0x00, 0x21, 0x01, 0x41, 0x00, 0x20, 0x00, 0x36, 0x02, 0x90, 0x88, 0x80, 0x80, 0x00, 0x20,   \
      0x01, 0x0b, 0x3a, 0x01, 0x04, 0x7f, 0x41, 0x00, 0x21, 0x01, 0x41, 0x80, 0x9e, 0x76, 0x21, 0x02, 0x03, 0x40,   \
      0x20, 0x02, 0x41, 0xb0, 0xea, 0x89, 0x80, 0x00, 0x6a, 0x22, 0x03, 0x28, 0x02, 0x00, 0x21, 0x04, 0x20, 0x03,   \
      0x20, 0x00, 0x36, 0x02, 0x00, 0x20, 0x04, 0x20, 0x01, 0x72, 0x21, 0x01, 0x20, 0x02, 0x41, 0x04, 0x6a, 0x22,   \
      0x02, 0x0d, 0x00, 0x0b, 0x20, 0x01, 0x0b, 0x1c, 0x00, 0x20, 0x00, 0x41, 0x02, 0x74, 0x41, 0x80, 0x88, 0x80,   \
      0x80, 0x00, 0x6a, 0x28, 0x02, 0x00, 0x11, 0x80, 0x80, 0x80, 0x80, 0x00, 0x81, 0x80, 0x80, 0x80, 0x00, 0x0b,   \
      0x06, 0x00, 0x20, 0x00, 0x40, 0x00, 0x0b, 0x14, 0x01, 0x01, 0x7f, 0x20, 0x00, 0x28, 0x02, 0x00, 0x21, 0x01,   \
      0x20, 0x00, 0x41, 0x7f, 0x36, 0x02, 0x00, 0x20, 0x01, 0x0b, 0x0d, 0x00, 0x20, 0x00, 0x20, 0x01, 0xfc, 0x0f,   \
      0x80, 0x80, 0x80, 0x80, 0x00, 0x0b, 0x0a, 0x00, 0x20, 0x00, 0x10, 0x80, 0x80, 0x80, 0x80, 0x00, 0x0b, 0x3e,   \
      0x01, 0x02, 0x7f, 0x23, 0x80, 0x80, 0x80, 0x80, 0x00, 0x41, 0x10, 0x6b, 0x22, 0x00, 0x24, 0x80, 0x80, 0x80,   \
      0x80, 0x00, 0x20, 0x00, 0x41, 0x00, 0x36, 0x02, 0x0c, 0x20, 0x00, 0x41, 0x0c, 0x6a, 0x41, 0x04, 0x10, 0x81,   \
      0x80, 0x80, 0x80, 0x00, 0x1a, 0x20, 0x00, 0x28, 0x02, 0x0c, 0x21, 0x01, 0x20, 0x00, 0x41, 0x10, 0x6a, 0x24,   \
      0x80, 0x80, 0x80, 0x80, 0x00, 0x20, 0x01, 0x0b, 0x42, 0x02, 0x01, 0x7f, 0x01, 0x7e, 0x23, 0x80, 0x80, 0x80,   \
      0x80, 0x00, 0x41, 0x10, 0x6b, 0x22, 0x00, 0x24, 0x80, 0x80, 0x80, 0x80, 0x00, 0x20, 0x00, 0x42, 0x00, 0x37,   \
      0x03, 0x08, 0x41, 0x00, 0x42, 0x01, 0x20, 0x00, 0x41, 0x08, 0x6a, 0x10, 0x82, 0x80, 0x80, 0x80, 0x00, 0x1a,   \
      0x20, 0x00, 0x29, 0x03, 0x08, 0x21, 0x01, 0x20, 0x00, 0x41, 0x10, 0x6a, 0x24, 0x80, 0x80, 0x80, 0x80, 0x00,   \
      0x20, 0x01, 0x0b, 0x0e, 0x00, 0x41, 0x00, 0x41, 0x01, 0x36, 0x02, 0x90, 0x88, 0x80, 0x80, 0x00, 0x00, 0x0b,   \
      0x07, 0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b, 0x23, 0x00, 0x20, 0x00, 0x41, 0x03, 0x71, 0x41, 0x02, 0x74,   \
      0x22, 0x00, 0x20, 0x00, 0x28, 0x02, 0xa0, 0x88, 0x80, 0x80, 0x00, 0x41, 0x01, 0x74, 0x22, 0x00, 0x36, 0x02,   \
      0xa0, 0x88, 0x80, 0x80, 0x00, 0x20, 0x00, 0x0b, 0x04, 0x00, 0x41, 0x01, 0x0b, 0x04, 0x00, 0x41, 0x02, 0x0b,   \
      0x0b, 0x35, 0x02, 0x00, 0x41, 0x80, 0x08, 0x0b, 0x08, 0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00,   \
      0x41, 0x90, 0x08, 0x0b, 0x20, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,   \
      0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00

static const unsigned char pool_wasm[] = {POOL_WASM};
static cay_engine *engine;
static cay_module *module;
static struct cay_error error;

enum { PREPARED = 1234, PREPARED_PAGES = 2 };

static int call(cay_run *run, const char *name, int argument) {
  const cay_function *function = NULL;
  cay_slot slots[2] = {{.i32 = argument}};
  CHECK_INT(cay_module_function(module, name, &function, &error), CAY_OK);
  enum cay_status status = cay_run_call(run, function, slots, &error);
  if (status != CAY_OK) fprintf(stderr, "%s: %s\n", name, error.text);
  CHECK_INT(status, CAY_OK);
  return slots[0].i32;
}

static int grow_refs(cay_run *run, uint64_t number, int count) {
  cay_value args[2] = {{CAY_EXTERNREF, {.ref = number}}, {CAY_I32, {.i32 = count}}}, result = {CAY_I32, {0}};
  CHECK_INT(cay_run_invoke(run, "refs_grow", args, 2, &result, 1, NULL, &error), CAY_OK);
  return result.of.i32;
}

static enum cay_status prepare(void *env, cay_run *run, struct cay_error *why) {
  (void)why;
  CHECK_INT(call(run, "swap", PREPARED), 6); /* _initialize has run */
  CHECK_INT(call(run, "bump", 0), 1);
  CHECK_INT(call(run, "grow", PREPARED_PAGES), 3);
  CHECK_INT(call(run, "at", 4 * 65536 + 100), 0);
  CHECK_INT(grow_refs(run, 77, 2), 0);
  call(run, "random", 0);
  CHECK_INT(call(run, "close", 1), 0);
  *(int *)env += 1;
  return CAY_OK;
}

static cay_wasi *wasi_new(void) {
  cay_wasi *wasi = NULL;
  CHECK_INT(cay_wasi_new(&wasi, &error), CAY_OK);
  cay_wasi_set_random_seed(wasi, 7);
  CHECK_INT(cay_wasi_set_clock(wasi, CAY_CLOCK_STEPPING, 1000000, &error), CAY_OK);
  return wasi;
}

static cay_pool *pool_new(const cay_wasi *wasi, size_t kept) {
  cay_pool *pool = NULL;
  int prepared = 0;
  cay_pool_setup setup = {.wasi = wasi, .prepare = prepare, .env = &prepared, .kept = kept};
  CHECK_INT(cay_pool_new(module, &setup, &pool, &error), CAY_OK);
  CHECK_INT(prepared, 1);
  CHECK_INT(cay_pool_idle(pool), 1);
  return pool;
}

/* Looks at everything that a run can see, and changes all of it. */
static void use(cay_run *run, int *first_random, long long *first_clock) {
  const cay_function *clock = NULL;
  cay_slot slots[1];
  CHECK_INT(call(run, "swap", 99), PREPARED);
  CHECK_INT(call(run, "bump", 0), 2);
  CHECK_INT(call(run, "fill", -1), 0);
  CHECK_INT(call(run, "twice", 2), 8);
  CHECK_INT(call(run, "apply", 0) + 10 * call(run, "apply", 1), 21);
  CHECK_INT(call(run, "at", 4 * 65536 + 100), -1); /* the prepared run wrote that */
  CHECK_INT(call(run, "grow", 3), 3 + PREPARED_PAGES);
  CHECK_INT(call(run, "at", (4 + PREPARED_PAGES) * 65536), 0); /* in what was grown */
  CHECK_INT(grow_refs(run, 88, 1000), 2);
  CHECK_INT(call(run, "close", 1), 0); /* is open again */
  CHECK_INT(call(run, "close", 1), 8); /* EBADF */
  int random = call(run, "random", 0);
  if (*first_random == 0) *first_random = random;
  CHECK_INT(random, *first_random);
  CHECK_INT(cay_module_function(module, "clock", &clock, &error), CAY_OK);
  CHECK_INT(cay_run_call(run, clock, slots, &error), CAY_OK);
  if (*first_clock == 0) *first_clock = slots[0].i64;
  CHECK_INT(slots[0].i64, *first_clock);
}

TEST(nothing_of_one_use_is_seen_by_the_next) {
  cay_wasi *wasi = wasi_new();
  cay_pool *pool = pool_new(wasi, 3);
  int random = 0;
  long long clock = 0;
  cay_run *runs[5];
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 5; i++) CHECK_INT(cay_pool_take(pool, &runs[i], &error), CAY_OK);
    CHECK_INT(cay_pool_idle(pool), 0);
    for (int i = 0; i < 5; i++) {
      CHECK(cay_run_user(runs[i]) == NULL);
      CHECK_INT(cay_run_used(runs[i], CAY_LIMIT_HANDLES), 3);
      CHECK_INT(cay_run_result(runs[i])->trap, CAY_TRAP_NONE);
      cay_run_set_user(runs[i], pool);
      use(runs[i], &random, &clock);
    }
    for (int i = 0; i < 5; i++) cay_run_free(runs[i]);
    CHECK_INT(cay_pool_idle(pool), 3);
  }
  cay_pool_free(pool);
  cay_wasi_free(wasi);
}

TEST(a_trap_spoils_nothing) {
  cay_wasi *wasi = wasi_new();
  cay_pool *pool = pool_new(wasi, 1);
  const cay_function *crash = NULL, *spin = NULL;
  cay_run *run = NULL;
  cay_slot slots[1];
  int random = 0;
  long long clock = 0;
  CHECK_INT(cay_module_function(module, "crash", &crash, &error), CAY_OK);
  CHECK_INT(cay_module_function(module, "spin", &spin, &error), CAY_OK);
  for (int i = 0; i < 3; i++) {
    CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
    CHECK_TEXT(cay_run_backtrace(run, 0), "");
    CHECK_INT(cay_run_call(run, crash, slots, &error), CAY_ERROR_TRAP);
    cay_run_free(run);
    CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
    CHECK_INT(cay_run_set_limit(run, CAY_LIMIT_TIME, 5000000, &error), CAY_OK);
    CHECK_INT(cay_run_call(run, spin, slots, &error), CAY_ERROR_LIMIT);
    cay_run_free(run);
    CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
    cay_run_interrupt(run); /* unused, and interrupted */
    cay_run_free(run);
    CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
    CHECK(cay_run_limit(run, CAY_LIMIT_TIME) == CAY_NO_LIMIT);
    use(run, &random, &clock);
    cay_run_free(run);
  }
  cay_pool_free(pool);
  cay_wasi_free(wasi);
}

TEST(what_the_host_writes_is_forgotten) {
  cay_wasi *wasi = wasi_new();
  cay_pool *pool = pool_new(wasi, 1);
  cay_run *run = NULL;
  size_t len_bytes = 0;
  CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
  uint8_t *bytes = cay_run_memory(run, &len_bytes);
  CHECK_INT(len_bytes, (3 + PREPARED_PAGES) * 65536);
  memset(bytes, 0x55, len_bytes);
  cay_run_free(run);
  CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
  bytes = cay_run_memory(run, &len_bytes);
  int found = 0;
  for (size_t i = 0; i < len_bytes; i++) found += bytes[i] == 0x55;
  CHECK_INT(found, 0);
  cay_run_free(run);
  cay_pool_free(pool);
  cay_wasi_free(wasi);
}

TEST(budgets_get_back_what_runs_held) {
  cay_wasi *wasi = wasi_new();
  cay_pool *pool = pool_new(wasi, 2);
  cay_budget *tenant = NULL, *poor = NULL;
  cay_run *run = NULL;
  CHECK_INT(cay_budget_new(NULL, &tenant, &error), CAY_OK);
  CHECK_INT(cay_budget_new(NULL, &poor, &error), CAY_OK);
  CHECK_INT(cay_budget_set_limit(poor, CAY_LIMIT_MEMORY, 1000, &error), CAY_OK);
  for (int i = 0; i < 3; i++) {
    CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
    CHECK_INT(cay_run_set_budget(run, poor, &error), CAY_ERROR_LIMIT);
    CHECK_INT(cay_run_set_budget(run, tenant, &error), CAY_OK);
    uint64_t held = cay_budget_used(tenant, CAY_LIMIT_MEMORY);
    CHECK(held >= (3 + PREPARED_PAGES) * 65536);
    CHECK_INT(call(run, "grow", 1), 3 + PREPARED_PAGES);
    CHECK(cay_budget_used(tenant, CAY_LIMIT_MEMORY) >= held + 65536);
    cay_run_free(run);
    CHECK_INT(cay_budget_used(tenant, CAY_LIMIT_MEMORY), 0);
    CHECK_INT(cay_budget_used(tenant, CAY_LIMIT_HANDLES), 0);
    CHECK_INT(cay_budget_used(poor, CAY_LIMIT_MEMORY), 0);
  }
  cay_budget_release(tenant);
  cay_budget_release(poor);
  cay_pool_free(pool);
  cay_wasi_free(wasi);
}

/* ---- Others ------------------------------------------------------------------------------------------------------------- */

static enum cay_status fail(void *env, cay_run *run, struct cay_error *why) {
  (void)env, (void)run;
  strcpy(why->text, "not today");
  return CAY_ERROR_DENIED;
}

TEST(what_cannot_be_prepared_is_no_pool) {
  cay_pool *pool = NULL;
  cay_wasi *wasi = wasi_new();
  cay_pool_setup setup = {.wasi = wasi, .prepare = fail};
  CHECK_INT(cay_pool_new(module, &setup, &pool, &error), CAY_ERROR_DENIED);
  CHECK_TEXT(error.text, "not today");
  CHECK_INT(cay_pool_new(module, NULL, &pool, &error), CAY_ERROR_LINK); /* without WASI */
  CHECK(pool == NULL);
  cay_wasi_free(wasi);
}

/* (module (type $cell (struct (mut i32))) (elem $e (ref null $cell) (struct.new_default $cell))
 *   (func $start elem.drop $e) (start $start)
 *   (func (export "alloc") (param i32) (loop (drop (struct.new_default $cell)) (br_if 0 (local.tee 0 ...one less)))) */
static const unsigned char dropping_wasm[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x0c, 0x03, 0x5f, 0x01, 0x7f, 0x01, 0x60,
    0x00, 0x00, 0x60, 0x01, 0x7f, 0x00, 0x03, 0x03, 0x02, 0x01, 0x02, 0x07, 0x09, 0x01, 0x05, 'a',
    'l',  'l',  'o',  'c',  0x00, 0x01, 0x08, 0x01, 0x00, 0x09, 0x09, 0x01, 0x05, 0x63, 0x00, 0x01,
    0xfb, 0x01, 0x00, 0x0b, 0x0a, 0x1a, 0x02, 0x05, 0x00, 0xfc, 0x0d, 0x00, 0x0b, 0x12, 0x00, 0x03,
    0x40, 0xfb, 0x01, 0x00, 0x1a, 0x20, 0x00, 0x41, 0x01, 0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b, 0x0b};

static enum cay_status prepare_with_objects(void *alloc, cay_run *run, struct cay_error *why) {
  cay_slot slots[1] = {{.i32 = 100000}};
  return cay_run_call(run, *(const cay_function **)alloc, slots, why);
}

static cay_module *load_dropping(const cay_function **alloc) {
  cay_module *dropping = NULL;
  CHECK_INT(cay_module_load(engine, dropping_wasm, sizeof dropping_wasm, &dropping, &error), CAY_OK);
  CHECK_INT(cay_module_function(dropping, "alloc", alloc, &error), CAY_OK);
  return dropping;
}

TEST(what_was_prepared_holds_no_heap) {
  const cay_function *alloc = NULL;
  cay_module *dropping = load_dropping(&alloc);
  cay_pool *pool = NULL;
  cay_run *runs[2] = {NULL};
  cay_pool_setup setup = {.prepare = prepare_with_objects, .env = &alloc};
  CHECK_INT(cay_pool_new(dropping, &setup, &pool, &error), CAY_OK);
  for (int i = 0; i < 2; i++) CHECK_INT(cay_pool_take(pool, &runs[i], &error), CAY_OK);
  for (int i = 0; i < 2; i++) CHECK_INT(cay_run_used(runs[i], CAY_LIMIT_MEMORY), 0); /* the first is the prepared one */
  for (int i = 0; i < 2; i++) cay_run_free(runs[i]);
  cay_pool_free(pool);
  cay_module_release(dropping);
}

TEST(objects_of_a_dropped_segment_end_with_the_heap) {
  const cay_function *alloc = NULL;
  cay_module *dropping = load_dropping(&alloc);
  cay_pool *pool = NULL;
  cay_run *runs[2] = {NULL};
  CHECK_INT(cay_pool_new(dropping, NULL, &pool, &error), CAY_OK);
  for (int use = 0; use < 3; use++) {
    for (int i = 0; i < 2; i++) CHECK_INT(cay_pool_take(pool, &runs[i], &error), CAY_OK);
    for (int i = 0; i < 2; i++) {
      cay_slot slots[1] = {{.i32 = 1000000}};
      CHECK_INT(cay_run_call(runs[i], alloc, slots, &error), CAY_OK);
    }
    for (int i = 0; i < 2; i++) cay_run_free(runs[i]);
  }
  cay_pool_free(pool);
  cay_module_release(dropping);
}

TEST(a_command_starts_again_and_again) {
  static const unsigned char hello[] = {HELLO_WASM};
  cay_module *command = NULL;
  cay_pool *pool = NULL;
  cay_wasi *wasi = NULL;
  CHECK_INT(cay_wasi_new(&wasi, &error), CAY_OK);
  CHECK_INT(cay_module_load(engine, hello, sizeof hello, &command, &error), CAY_OK);
  cay_pool_setup setup = {.wasi = wasi};
  CHECK_INT(cay_pool_new(command, &setup, &pool, &error), CAY_OK);
  for (int i = 0; i < 4; i++) {
    cay_run *run = NULL;
    CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
    CHECK_INT(cay_run_start(run, &error), CAY_OK);
    CHECK(cay_run_result(run)->exited);
    CHECK_INT(cay_run_start(run, &error), CAY_ERROR_ARGUMENT);
    cay_run_free(run);
  }
  cay_pool_free(pool);
  cay_module_release(command);
  cay_wasi_free(wasi);
}

static cay_pool *shared_pool;
static void *take_many(void *unused) {
  (void)unused;
  struct cay_error own_error;
  const cay_function *swap = NULL;
  intptr_t wrong = cay_module_function(module, "swap", &swap, &own_error) != CAY_OK;
  for (int i = 0; i < 300; i++) {
    cay_run *run = NULL;
    cay_slot slots[1] = {{.i32 = i}};
    wrong += cay_pool_take(shared_pool, &run, &own_error) != CAY_OK;
    wrong += cay_run_call(run, swap, slots, &own_error) != CAY_OK || slots[0].i32 != PREPARED;
    cay_run_free(run);
  }
  return (void *)wrong;
}

TEST(threads_share_a_pool) {
  cay_wasi *wasi = wasi_new();
  shared_pool = pool_new(wasi, 2);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) CHECK_INT(pthread_create(&threads[i], NULL, take_many, NULL), 0);
  for (int i = 0; i < 4; i++) {
    void *wrong;
    pthread_join(threads[i], &wrong);
    CHECK(!wrong);
  }
  cay_pool_free(shared_pool);
  cay_wasi_free(wasi);
}

/* ---- Pages that stay ----------------------------------------------------------------------------------------------------- */

/* A run keeps the first few pages that were written to (engine/own_pages.c), and has to know of each that is written to by whoever
 * may: the guest, the host by its address, in this thread or another. One run, PAGES places in as many pages of it. */
enum { ROUNDS = 4000, PAGES = 40, PLACES_APART = 4096, PLACE = 2048 };

static uint32_t random_state = 12345;
static uint32_t random_below(uint32_t bound) {
  random_state = random_state * 1664525 + 1013904223;
  return (random_state >> 8) % bound;
}

struct writer {
  cay_run *run;
  uint8_t *bytes; /* NULL: the guest writes */
  int count;
};

/* The places of a stride are different ones. */
static int place(uint32_t first, int index, bool is_anywhere) {
  return (int)((first + 7 * (uint32_t)index) % (is_anywhere ? PAGES : 10)) * PLACES_APART + PLACE;
}

static void write_some(const struct writer *writer) {
  uint32_t first = random_below(PAGES);
  bool is_anywhere = random_below(3) == 0;
  for (int i = 0; i < writer->count; i++) {
    int where = place(first, i, is_anywhere);
    if (writer->bytes)
      memset(writer->bytes + where, 0x77, 4);
    else
      call(writer->run, "at", where);
  }
}

/* A thread that is there already, so that having it write is no page fault of this one. */
static sem_t asked, answered;
static const struct writer *asked_for; /* NULL: the thread ends */
static void *write_for_others(void *unused) {
  while (sem_wait(&asked) == 0 && asked_for) {
    write_some(asked_for);
    sem_post(&answered);
  }
  return unused;
}

static void write_elsewhere(const struct writer *writer) {
  asked_for = writer;
  sem_post(&asked);
  if (writer) sem_wait(&answered);
}

static void write_somehow(cay_run *run) {
  size_t len_bytes;
  struct writer writer = {.run = run, .count = (int)random_below(4)};
  uint32_t how = random_below(32);
  if (how < 8) writer.bytes = cay_run_memory(run, &len_bytes);
  if (how == 30) CHECK_INT(call(run, "grow", 1), 3 + PREPARED_PAGES);
  if (how == 31) writer.count = PAGES;
  if (how % 4 == 0)
    write_elsewhere(&writer);
  else
    write_some(&writer);
}

/* By the guest, so that the host does not ask for the address. */
static int differing_places(cay_run *run, const uint8_t *fresh) {
  int count = 0;
  uint32_t first = random_below(PAGES);
  bool is_anywhere = random_below(3) == 0;
  for (int i = 0; i < 8; i++) {
    int where = place(first, i, is_anywhere), expected;
    memcpy(&expected, fresh + where, sizeof expected);
    count += call(run, "at", where) != expected;
  }
  return count;
}

static int use_often(cay_pool *pool, const uint8_t *fresh, int rounds) {
  int wrong = 0;
  for (int i = 0; i < rounds; i++) {
    cay_run *run = NULL;
    CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
    if (random_below(2)) wrong += differing_places(run, fresh);
    write_somehow(run);
    cay_run_free(run);
  }
  return wrong;
}

static int alone_often(cay_pool *pool, const uint8_t *fresh) {
  int wrong = 0;
  for (int i = 0; i < 50; i++) {
    cay_run *run = NULL;
    CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
    wrong += differing_places(run, fresh);
    cay_run_free(run);
  }
  return wrong;
}

static int differing_bytes(cay_pool *pool, const uint8_t *fresh, size_t fresh_bytes) {
  cay_run *run = NULL;
  size_t len_bytes = 0;
  CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
  const uint8_t *bytes = cay_run_memory(run, &len_bytes);
  bool is_same = len_bytes == fresh_bytes && memcmp(bytes, fresh, len_bytes) == 0;
  cay_run_free(run);
  return !is_same;
}

TEST(pages_that_stay_are_restored) {
  static uint8_t fresh[(3 + PREPARED_PAGES) * 65536];
  cay_wasi *wasi = wasi_new();
  cay_pool *pool = pool_new(wasi, 1);
  cay_run *run = NULL;
  size_t len_bytes = 0;
  CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
  memcpy(fresh, cay_run_memory(run, &len_bytes), sizeof fresh);
  CHECK_INT(len_bytes, sizeof fresh);
  cay_run_free(run);
  pthread_t thread;
  sem_init(&asked, 0, 0);
  sem_init(&answered, 0, 0);
  CHECK_INT(pthread_create(&thread, NULL, write_for_others, NULL), 0);
  for (int i = 0; i < 8; i++) {
    CHECK_INT(use_often(pool, fresh, ROUNDS / 8), 0);
    CHECK_INT(differing_bytes(pool, fresh, sizeof fresh), 0);
  }
  write_elsewhere(NULL);
  pthread_join(thread, NULL);
  /* A run that was taken before a fork is used and given back behind it. */
  CHECK_INT(cay_pool_take(pool, &run, &error), CAY_OK);
  pid_t child = fork();
  if (child == 0) {
    write_some(&(struct writer){.run = run, .count = PAGES});
    cay_run_free(run);
    int wrong = differing_bytes(pool, fresh, sizeof fresh) + alone_often(pool, fresh);
    _exit(wrong + differing_bytes(pool, fresh, sizeof fresh) != 0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK_INT(status, 0);
  cay_run_free(run);
  CHECK_INT(alone_often(pool, fresh), 0);
  cay_pool_free(pool);
  cay_wasi_free(wasi);
}

/* ---- Ten thousand ------------------------------------------------------------------------------------------------------- */

static long resident_bytes(void) {
  long pages = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
  if (file) fclose(file);
  return resident * sysconf(_SC_PAGESIZE);
}

static long mappings(void) {
  long count = 0;
  FILE *file = fopen("/proc/self/maps", "r");
  for (int c; file && (c = fgetc(file)) != EOF;) count += c == '\n';
  if (file) fclose(file);
  return count;
}

static long map_limit(void) {
  long limit = 0;
  FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
  if (!file || fscanf(file, "%ld", &limit) != 1) limit = 65530;
  if (file) fclose(file);
  return limit;
}

/* Where a process may have 65,530 mappings, guard pages for all of them would take more than half. */
enum { LIVE = 10000, CROWD = 14000 };

TEST(ten_thousand_are_alive) {
  static cay_run *runs[CROWD];
  if (sizeof(void *) < 8) return; /* addresses of four bytes end before */
  cay_wasi *wasi = wasi_new();
  cay_pool *pool = pool_new(wasi, 0);
  cay_run *first = NULL;
  CHECK_INT(cay_pool_take(pool, &first, &error), CAY_OK); /* has what is there once */
  CHECK_INT(call(first, "bump", 0), 2);
  long resident_before = resident_bytes(), mappings_before = mappings();
  for (int i = 0; i < LIVE; i++) CHECK_INT(cay_pool_take(pool, &runs[i], &error), CAY_OK);
  double each = (double)(resident_bytes() - resident_before) / LIVE;
  double maps = (double)(mappings() - mappings_before) / LIVE;
  printf("%d live instances: %.1f KiB resident and %.2f mappings each\n", LIVE, each / 1024, maps);
  CHECK(each <= 64 * 1024);
  CHECK(maps <= 4);
  for (int i = LIVE; i < CROWD; i++) CHECK_INT(cay_pool_take(pool, &runs[i], &error), CAY_OK);
  long all = mappings();
  printf("%d live instances: %ld mappings\n", CROWD, all);
  CHECK(all < map_limit() / 2 + 4000);
  for (int i = 0; i < CROWD; i += i < LIVE ? 97 : 31) {
    CHECK_INT(call(runs[i], "swap", i), PREPARED);
    CHECK_INT(call(runs[i], "grow", 1), 3 + PREPARED_PAGES);
    CHECK_INT(call(runs[i], "swap", i), i);
  }
  for (int i = 0; i < CROWD; i++) cay_run_free(runs[i]);
  CHECK_INT(cay_pool_take(pool, &runs[0], &error), CAY_OK);
  CHECK_INT(call(runs[0], "swap", 1), PREPARED);
  cay_run_free(runs[0]);
  cay_run_free(first);
  cay_pool_free(pool);
  cay_wasi_free(wasi);
}

int main(int argc, char **argv) {
  cay_engine_config *config = NULL;
  CHECK_INT(cay_engine_config_new(&config, &error), CAY_OK);
  if (argc > 1) CHECK_INT(cay_engine_config_set_tier(config, argv[1], &error), CAY_OK);
  CHECK_INT(cay_engine_new(config, &engine, &error), CAY_OK);
  cay_engine_config_free(config);
  CHECK_INT(cay_module_load(engine, pool_wasm, sizeof pool_wasm, &module, &error), CAY_OK);
  RUN(nothing_of_one_use_is_seen_by_the_next)
  RUN(a_trap_spoils_nothing)
  RUN(what_the_host_writes_is_forgotten)
  RUN(budgets_get_back_what_runs_held)
  RUN(what_cannot_be_prepared_is_no_pool)
  RUN(what_was_prepared_holds_no_heap)
  RUN(objects_of_a_dropped_segment_end_with_the_heap)
  RUN(a_command_starts_again_and_again)
  RUN(threads_share_a_pool)
  RUN(pages_that_stay_are_restored)
  RUN(ten_thousand_are_alive)
  cay_module_release(module);
  cay_engine_free(engine);
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
