/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Threads of a guest through cay.h: how many there may be, how they end, alone and all together. */
#include "api/api.h"
#include "api/parts.h"
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/*
 * (module
 *  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
 *  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
 *  (import "env" "memory" (memory 1 4 shared))
 *  (export "memory" (memory 0))
 *  (func $fail unreachable)
 *  (func $act (param $how i32)
 *   (if (i32.eq (local.get $how) (i32.const 1)) (then (call $fail)))
 *   (if (i32.eq (local.get $how) (i32.const 2)) (then (call $exit (i32.const 42))))
 *   (if (i32.eq (local.get $how) (i32.const 3))
 *    (then (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))
 *   (if (i32.eq (local.get $how) (i32.const 4)) (then (loop (br 0))))
 *   (if (i32.eq (local.get $how) (i32.const 5))
 *    (then (drop (call $spawn (i32.const 5))) (drop (call $spawn (i32.const 5))))))
 *  (func (export "wasi_thread_start") (param $tid i32) (param $how i32)
 *   (drop (i32.atomic.rmw.add (i32.const 16) (i32.const 1)))
 *   (drop (memory.atomic.notify (i32.const 16) (i32.const -1)))
 *   (call $act (local.get $how)))
 *  (func $run (export "run") (param $count i32) (param $how i32) (param $then i32) (result i32)
 *   (local $refused i32) (local $seen i32)
 *   (loop
 *    (if (i32.lt_s (call $spawn (local.get $how)) (i32.const 1))
 *     (then (local.set $refused (i32.add (local.get $refused) (i32.const 1))))
 *     (else (loop
 *      (br_if 0 (i32.eq (local.get $seen) (i32.const -1)))
 *      (if (i32.eqz (local.tee $seen (i32.atomic.rmw.and (i32.const 16) (i32.const 0)))) (then
 *       (drop (memory.atomic.wait32 (i32.const 16) (i32.const 0) (i64.const -1)))
 *       (br 1))))))
 *    (br_if 0 (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
 *   (call $act (local.get $then))
 *   (local.get $refused))
 *  (func (export "_start") (drop (call $run (i32.const 2) (i32.const 4) (i32.const 0))))
 * )
 */
static const uint8_t spawning[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x19, 0x05, 0x60, 0x01, 0x7f, 0x01, 0x7f, 0x60, 0x01, 0x7f,
    0x00, 0x60, 0x00, 0x00, 0x60, 0x02, 0x7f, 0x7f, 0x00, 0x60, 0x03, 0x7f, 0x7f, 0x7f, 0x01, 0x7f, 0x02, 0x47, 0x03,
    0x04, 0x77, 0x61, 0x73, 0x69, 0x0c, 0x74, 0x68, 0x72, 0x65, 0x61, 0x64, 0x2d, 0x73, 0x70, 0x61, 0x77, 0x6e, 0x00,
    0x00, 0x16, 0x77, 0x61, 0x73, 0x69, 0x5f, 0x73, 0x6e, 0x61, 0x70, 0x73, 0x68, 0x6f, 0x74, 0x5f, 0x70, 0x72, 0x65,
    0x76, 0x69, 0x65, 0x77, 0x31, 0x09, 0x70, 0x72, 0x6f, 0x63, 0x5f, 0x65, 0x78, 0x69, 0x74, 0x00, 0x01, 0x03, 0x65,
    0x6e, 0x76, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x03, 0x01, 0x04, 0x03, 0x06, 0x05, 0x02, 0x01, 0x03,
    0x04, 0x02, 0x07, 0x2d, 0x04, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, 0x11, 0x77, 0x61, 0x73, 0x69,
    0x5f, 0x74, 0x68, 0x72, 0x65, 0x61, 0x64, 0x5f, 0x73, 0x74, 0x61, 0x72, 0x74, 0x00, 0x04, 0x03, 0x72, 0x75, 0x6e,
    0x00, 0x05, 0x06, 0x5f, 0x73, 0x74, 0x61, 0x72, 0x74, 0x00, 0x06, 0x0a, 0xc3, 0x01, 0x05, 0x03, 0x00, 0x00, 0x0b,
    0x4a, 0x00, 0x20, 0x00, 0x41, 0x01, 0x46, 0x04, 0x40, 0x10, 0x02, 0x0b, 0x20, 0x00, 0x41, 0x02, 0x46, 0x04, 0x40,
    0x41, 0x2a, 0x10, 0x01, 0x0b, 0x20, 0x00, 0x41, 0x03, 0x46, 0x04, 0x40, 0x41, 0x00, 0x41, 0x00, 0x42, 0x7f, 0xfe,
    0x01, 0x02, 0x00, 0x1a, 0x0b, 0x20, 0x00, 0x41, 0x04, 0x46, 0x04, 0x40, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b, 0x20,
    0x00, 0x41, 0x05, 0x46, 0x04, 0x40, 0x41, 0x05, 0x10, 0x00, 0x1a, 0x41, 0x05, 0x10, 0x00, 0x1a, 0x0b, 0x0b, 0x18,
    0x00, 0x41, 0x10, 0x41, 0x01, 0xfe, 0x1e, 0x02, 0x00, 0x1a, 0x41, 0x10, 0x41, 0x7f, 0xfe, 0x00, 0x02, 0x00, 0x1a,
    0x20, 0x01, 0x10, 0x03, 0x0b, 0x4d, 0x01, 0x02, 0x7f, 0x03, 0x40, 0x20, 0x01, 0x10, 0x00, 0x41, 0x01, 0x48, 0x04,
    0x40, 0x20, 0x03, 0x41, 0x01, 0x6a, 0x21, 0x03, 0x05, 0x03, 0x40, 0x20, 0x04, 0x41, 0x7f, 0x46, 0x0d, 0x00, 0x41,
    0x10, 0x41, 0x00, 0xfe, 0x2c, 0x02, 0x00, 0x22, 0x04, 0x45, 0x04, 0x40, 0x41, 0x10, 0x41, 0x00, 0x42, 0x7f, 0xfe,
    0x01, 0x02, 0x00, 0x1a, 0x0c, 0x01, 0x0b, 0x0b, 0x0b, 0x20, 0x00, 0x41, 0x01, 0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b,
    0x20, 0x02, 0x10, 0x03, 0x20, 0x03, 0x0b, 0x0b, 0x00, 0x41, 0x02, 0x41, 0x04, 0x41, 0x00, 0x10, 0x05, 0x1a, 0x0b,
    0x00, 0x5e, 0x04, 0x6e, 0x61, 0x6d, 0x65, 0x01, 0x1e, 0x05, 0x00, 0x05, 0x73, 0x70, 0x61, 0x77, 0x6e, 0x01, 0x04,
    0x65, 0x78, 0x69, 0x74, 0x02, 0x04, 0x66, 0x61, 0x69, 0x6c, 0x03, 0x03, 0x61, 0x63, 0x74, 0x05, 0x03, 0x72, 0x75,
    0x6e, 0x02, 0x37, 0x03, 0x03, 0x01, 0x00, 0x03, 0x68, 0x6f, 0x77, 0x04, 0x02, 0x00, 0x03, 0x74, 0x69, 0x64, 0x01,
    0x03, 0x68, 0x6f, 0x77, 0x05, 0x05, 0x00, 0x05, 0x63, 0x6f, 0x75, 0x6e, 0x74, 0x01, 0x03, 0x68, 0x6f, 0x77, 0x02,
    0x04, 0x74, 0x68, 0x65, 0x6e, 0x03, 0x07, 0x72, 0x65, 0x66, 0x75, 0x73, 0x65, 0x64, 0x04, 0x04, 0x73, 0x65, 0x65,
    0x6e,
};

enum { RETURN, TRAP, EXIT, WAIT, SPIN, MULTIPLY };

static cay_engine *engine;
static struct cay_error error;

static cay_run *prepare_with(const uint8_t *bytes, size_t len_bytes) {
  cay_module *module = NULL;
  cay_wasi *wasi = NULL;
  cay_run *run = NULL;
  CHECK_INT(cay_module_load(engine, bytes, len_bytes, &module, &error), CAY_OK);
  CHECK_INT(cay_wasi_new(&wasi, &error), CAY_OK);
  CHECK_INT(cay_run_new(module, wasi, &run, &error), CAY_OK);
  cay_wasi_free(wasi);
  cay_module_release(module);
  return run;
}

static cay_run *prepare(void) { return prepare_with(spawning, sizeof spawning); }

/* Starts `count` threads that do `how`, does `then`; how many threads were refused in *refused. */
static enum cay_status run_threads(cay_run *run, int count, int how, int then, int *refused) {
  cay_value args[] = {{CAY_I32, {.i32 = count}}, {CAY_I32, {.i32 = how}}, {CAY_I32, {.i32 = then}}}, result = {0};
  enum cay_status status = cay_run_invoke(run, "run", args, 3, &result, 1, NULL, &error);
  if (refused) *refused = result.of.i32;
  return status;
}

/* What several threads compute counts together. */
TEST(cpu_time_of_all) {
  cay_run *run = prepare();
  cay_run_set_limit(run, CAY_LIMIT_CPU_TIME, 200000000, NULL);
  CHECK_INT(run_threads(run, 3, SPIN, WAIT, NULL), CAY_ERROR_LIMIT);
  CHECK_INT(cay_run_result(run)->limit, CAY_LIMIT_CPU_TIME);
  CHECK_INT(cay_run_used(run, CAY_LIMIT_CPU_TIME), 200000000);
  CHECK_INT(cay_run_used(run, CAY_LIMIT_THREADS), 0);
  CHECK_INT(cay_run_peak(run, CAY_LIMIT_THREADS), 3);
  cay_run_free(run);
}

TEST(all_end_with_the_first) {
  cay_run *run = prepare();
  int refused = 9;
  CHECK_INT(run_threads(run, 5, RETURN, RETURN, &refused), CAY_OK);
  CHECK_INT(refused, 0);
  CHECK_INT(run_threads(run, 5, WAIT, RETURN, &refused), CAY_OK);
  CHECK_INT(run_threads(run, 2, SPIN, RETURN, &refused), CAY_OK);
  CHECK_INT(refused, 0);
  CHECK_INT(cay_run_start(run, &error), CAY_OK); /* it, too, leaves threads that spin */
  CHECK(cay_run_result(run)->exited && cay_run_result(run)->exit_code == 0);
  cay_run_free(run);
}

TEST(a_trap_ends_all) {
  cay_run *run = prepare();
  CHECK_INT(run_threads(run, 3, TRAP, WAIT, NULL), CAY_ERROR_TRAP);
  const cay_result *result = cay_run_result(run);
  CHECK(result->trap == CAY_TRAP_UNREACHABLE && !result->exited);
  CHECK(result->thread >= 1 && result->thread <= 3);
  CHECK_TEXT(error.text, "unreachable instruction executed");
  const char *calls = cay_run_backtrace(run, 0);
  CHECK(calls && strstr(calls, "0: fail") && strstr(calls, "2: wasi_thread_start"));
  CHECK_INT(run_threads(run, 2, WAIT, TRAP, NULL), CAY_ERROR_TRAP);
  CHECK_INT(cay_run_result(run)->thread, 0);
  calls = cay_run_backtrace(run, 0);
  CHECK(calls && strstr(calls, "0: fail") && strstr(calls, "2: run"));
  CHECK_INT(run_threads(run, 1, RETURN, RETURN, NULL), CAY_OK); /* it can be called again */
  cay_run_free(run);
}

TEST(an_exit_ends_all) {
  cay_run *run = prepare();
  CHECK_INT(run_threads(run, 3, EXIT, SPIN, NULL), CAY_ERROR_EXIT);
  CHECK(cay_run_result(run)->exited && cay_run_result(run)->exit_code == 42);
  CHECK(cay_run_result(run)->thread != 0);
  CHECK_INT(run_threads(run, 3, SPIN, EXIT, NULL), CAY_ERROR_EXIT);
  CHECK(cay_run_result(run)->exited && cay_run_result(run)->exit_code == 42);
  CHECK_INT(cay_run_result(run)->thread, 0);
  cay_run_free(run);
}

TEST(the_time_limit_ends_all) {
  cay_run *run = prepare();
  cay_run_set_limit(run, CAY_LIMIT_TIME, 50000000, NULL);
  CHECK_INT(run_threads(run, 3, SPIN, WAIT, NULL), CAY_ERROR_LIMIT);
  CHECK_INT(cay_run_result(run)->limit, CAY_LIMIT_TIME);
  CHECK_INT(run_threads(run, 3, WAIT, SPIN, NULL), CAY_ERROR_LIMIT);
  CHECK_INT(run_threads(run, 3, RETURN, RETURN, NULL), CAY_OK);
  cay_run_free(run);
}

static void *interrupt_soon(void *run) {
  usleep(30000);
  cay_run_interrupt(run);
  return NULL;
}

TEST(an_interruption_ends_all) {
  cay_run *run = prepare();
  pthread_t thread;
  CHECK_INT(pthread_create(&thread, NULL, interrupt_soon, run), 0);
  CHECK_INT(run_threads(run, 4, WAIT, WAIT, NULL), CAY_ERROR_INTERRUPTED);
  pthread_join(thread, NULL);
  CHECK_INT(cay_run_result(run)->limit, CAY_LIMIT_NONE);
  CHECK_INT(run_threads(run, 4, WAIT, RETURN, NULL), CAY_OK);
  cay_run_free(run);
}

TEST(so_many_and_no_more) {
  cay_run *run = prepare();
  int refused = 0;
  cay_run_set_limit(run, CAY_LIMIT_THREADS, 3, NULL);
  CHECK_INT(run_threads(run, 10, WAIT, RETURN, &refused), CAY_OK);
  CHECK_INT(refused, 7);
  /* One after the other, as many as it wants; they may overlap while they end. */
  CHECK_INT(run_threads(run, 50, RETURN, RETURN, &refused), CAY_OK);
  CHECK(refused < 50);
  cay_run_free(run);
  run = prepare();
  cay_run_set_limit(run, CAY_LIMIT_THREADS, 0, NULL);
  CHECK_INT(run_threads(run, 1, RETURN, RETURN, NULL), CAY_ERROR_LINK);
  CHECK(strstr(error.text, "the host offers no threads here"));
  cay_run_free(run);
}

/* Each thread starts two more, as long as it may. */
TEST(multiplying) {
  cay_run *run = prepare();
  cay_run_set_limit(run, CAY_LIMIT_TIME, 200000000, NULL);
  CHECK_INT(run_threads(run, 2, MULTIPLY, SPIN, NULL), CAY_ERROR_LIMIT);
  CHECK_INT(run_threads(run, 2, MULTIPLY, EXIT, NULL), CAY_ERROR_EXIT);
  CHECK_INT(run_threads(run, 2, MULTIPLY, RETURN, NULL), CAY_OK);
  cay_run_free(run);
}

/* The stores of all threads have one budget. */
TEST(the_memory_limit_counts) {
  cay_run *run = prepare();
  cay_run_set_limit(run, CAY_LIMIT_MEMORY, 65535, NULL);
  CHECK_INT(run_threads(run, 1, RETURN, RETURN, NULL), CAY_ERROR_LIMIT);
  cay_run_free(run);
}

/* ---- What a module must have --------------------------------------------------------------------------------------------- */

/* (import "wasi" "thread-spawn" (func (param i32) (result i32))) (func (export "f")) and, when asked for, an import of a
 * shared memory, and f under the name "wasi_thread_start". */
static void check_refused(const char *export, bool imports_memory, const char *message) {
  uint8_t bytes[160] = "\0asm\1\0\0\0\1\x09\2\x60\0\0\x60\1\x7F\1\x7F";
  size_t at = 19, export_bytes = strlen(export);
  static const uint8_t spawn[] = {4,   'w', 'a', 's', 'i', 12,  't', 'h', 'r', 'e',
                                  'a', 'd', '-', 's', 'p', 'a', 'w', 'n', 0,   1};
  static const uint8_t memory[] = {3, 'e', 'n', 'v', 1, 'm', 2, 3, 1, 1};
  bytes[at++] = 2;
  bytes[at++] = (uint8_t)(1 + sizeof spawn + (imports_memory ? sizeof memory : 0));
  bytes[at++] = imports_memory ? 2 : 1;
  memcpy(bytes + at, spawn, sizeof spawn);
  at += sizeof spawn;
  if (imports_memory) memcpy(bytes + at, memory, sizeof memory);
  if (imports_memory) at += sizeof memory;
  memcpy(bytes + at, "\3\2\1\0\7", 5);
  at += 5;
  bytes[at++] = (uint8_t)(4 + export_bytes);
  bytes[at++] = 1;
  bytes[at++] = (uint8_t)export_bytes;
  memcpy(bytes + at, export, export_bytes);
  at += export_bytes;
  memcpy(bytes + at, "\0\1\x0A\4\1\2\0\x0B", 8);
  at += 8;
  cay_run *run = prepare_with(bytes, at);
  CHECK_INT(cay_run_invoke(run, export, NULL, 0, NULL, 0, NULL, &error), CAY_ERROR_LINK);
  CHECK_TEXT(error.text, message);
  cay_run_free(run);
}

TEST(what_it_must_have) {
  check_refused("f", true,
                "the module imports thread-spawn, so it has to export a function \"wasi_thread_start\" of type "
                "(i32, i32) -> ()");
  check_refused("wasi_thread_start", true,
                "the module imports thread-spawn, so it has to export a function \"wasi_thread_start\" of type "
                "(i32, i32) -> ()");
  cay_run *run = prepare();
  cay_module *other = NULL;
  static const uint8_t empty[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
  CHECK_INT(cay_module_load(engine, empty, sizeof empty, &other, &error), CAY_OK);
  CHECK_INT(cay_run_preload(run, "other", other, &error), CAY_OK);
  cay_module_release(other);
  CHECK_INT(run_threads(run, 1, RETURN, RETURN, NULL), CAY_ERROR_LINK);
  CHECK_TEXT(error.text, "a module that starts threads cannot be run with preloaded modules");
  cay_run_free(run);
}

/* ---- Without memory -------------------------------------------------------------------------------------------------------- */

static atomic_long allocations_left;
static void *failing_resize(void *owner, void *old, size_t new_bytes) {
  (void)owner;
  if (new_bytes == 0) {
    free(old);
    return NULL;
  }
  return atomic_fetch_sub(&allocations_left, 1) > 0 ? realloc(old, new_bytes) : NULL;
}

/* Whichever allocation is the last that succeeds: an error, or fewer threads; never a leak, crash or hang. */
TEST(out_of_memory) {
  static const struct cay_allocator failing = {failing_resize, NULL};
  cay_engine *usual = engine;
  long count = 0;
  enum cay_status status = CAY_ERROR_MEMORY;
  int refused = 0;
  cay_set_allocator(&failing);
  for (; (status != CAY_OK || refused) && count < 3000; count++) {
    cay_module *module = NULL;
    cay_wasi *wasi = NULL;
    cay_run *run = NULL;
    atomic_store(&allocations_left, count);
    engine = NULL;
    refused = 1;
    status = cay_engine_new(NULL, &engine, &error);
    if (status == CAY_OK) status = cay_module_load(engine, spawning, sizeof spawning, &module, &error);
    if (status == CAY_OK) status = cay_wasi_new(&wasi, &error);
    if (status == CAY_OK) status = cay_run_new(module, wasi, &run, &error);
    if (status == CAY_OK) status = run_threads(run, 2, RETURN, RETURN, &refused);
    cay_run_free(run);
    cay_wasi_free(wasi);
    cay_module_release(module);
    cay_engine_free(engine);
  }
  cay_set_allocator(NULL);
  CHECK(status == CAY_OK && refused == 0 && count > 100);
  engine = usual;
}

/* The engine's watchdog in a process that was forked while another thread of the old one began it. */
static void never(void *env, enum base_limit limit) { (void)env, (void)limit; }
TEST(a_watchdog_that_was_just_begun) {
  struct api_watchdog dog = {.beginner = getppid()};
  struct api_timeout timeout = {.next = NULL};
  const struct api_timeout_setup setup = {.timeout_ns = UINT64_C(60000000000), .expired = never};
  alarm(20);
  CHECK_INT(api_timeout_start(&timeout, &dog, &setup, NULL), CAY_OK);
  alarm(0);
  CHECK_INT(dog.process, getpid());
  api_timeout_stop(&timeout);
  api_watchdog_end(&dog);
}

int main(void) {
  RUN(out_of_memory)
  if (cay_engine_new(NULL, &engine, &error) != CAY_OK) return 2;
  RUN(cpu_time_of_all)
  RUN(all_end_with_the_first)
  RUN(a_watchdog_that_was_just_begun)
  RUN(a_trap_ends_all)
  RUN(an_exit_ends_all)
  RUN(the_time_limit_ends_all)
  RUN(an_interruption_ends_all)
  RUN(so_many_and_no_more) RUN(multiplying) RUN(the_memory_limit_counts) RUN(what_it_must_have) cay_engine_free(engine);
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
