/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What an engine is configured to do and its programs show: arithmetic that is the same on every machine, counted
 * instructions, the stack, proposals, checked bounds; and the ways to get a module. Its argument is a folder that it may write
 * to. */
#include <cay.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

/* clang --target=wasm32 -mcpu=mvp -msimd128 -mrelaxed-simd -Os -nostdlib of:
 *   float divide(float a, float b) { return a / b; }
 *   int swizzle(int i) { lane 0 of wasm_i8x16_relaxed_swizzle(16 times 7, 16 times i) }
 *   int deep(int n) { return n ? deep(n - 1) + n : 0; }
 *   int load(int *at) { return *at; }  void spin(void) { for (;;); } */
static const unsigned char engines_wasm[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x0f, 0x03, 0x60, 0x02, 0x7d, 0x7d, 0x01, 0x7d, 0x60,
    0x01, 0x7f, 0x01, 0x7f, 0x60, 0x00, 0x00, 0x03, 0x06, 0x05, 0x00, 0x01, 0x01, 0x01, 0x02, 0x04, 0x05, 0x01,
    0x70, 0x01, 0x01, 0x01, 0x05, 0x03, 0x01, 0x00, 0x01, 0x06, 0x07, 0x01, 0x7f, 0x01, 0x41, 0x80, 0x08, 0x0b,
    0x07, 0x32, 0x06, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, 0x06, 0x64, 0x69, 0x76, 0x69, 0x64,
    0x65, 0x00, 0x00, 0x07, 0x73, 0x77, 0x69, 0x7a, 0x7a, 0x6c, 0x65, 0x00, 0x01, 0x04, 0x64, 0x65, 0x65, 0x70,
    0x00, 0x02, 0x04, 0x6c, 0x6f, 0x61, 0x64, 0x00, 0x03, 0x04, 0x73, 0x70, 0x69, 0x6e, 0x00, 0x04, 0x0a, 0x53,
    0x05, 0x07, 0x00, 0x20, 0x00, 0x20, 0x01, 0x95, 0x0b, 0x1e, 0x00, 0xfd, 0x0c, 0x07, 0x07, 0x07, 0x07, 0x07,
    0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x20, 0x00, 0xfd, 0x0f, 0xfd, 0x80, 0x02,
    0xfd, 0x15, 0x00, 0x0b, 0x1a, 0x00, 0x02, 0x40, 0x20, 0x00, 0x0d, 0x00, 0x41, 0x00, 0x0f, 0x0b, 0x20, 0x00,
    0x41, 0x7f, 0x6a, 0x10, 0x82, 0x80, 0x80, 0x80, 0x00, 0x20, 0x00, 0x6a, 0x0b, 0x07, 0x00, 0x20, 0x00, 0x28,
    0x02, 0x00, 0x0b, 0x07, 0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b};

static struct cay_error error;

typedef void configure(cay_engine_config *config);

struct guest {
  cay_engine *engine;
  cay_module *module;
  cay_run *run;
};

static struct guest guest_new(configure *set) {
  struct guest guest = {0};
  cay_engine_config *config = NULL;
  CHECK_INT(cay_engine_config_new(&config, &error), CAY_OK);
  if (set) set(config);
  CHECK_INT(cay_engine_new(config, &guest.engine, &error), CAY_OK);
  cay_engine_config_free(config); /* it is not kept */
  CHECK_INT(cay_module_load(guest.engine, engines_wasm, sizeof engines_wasm, &guest.module, &error), CAY_OK);
  CHECK_INT(cay_run_new(guest.module, NULL, &guest.run, &error), CAY_OK);
  return guest;
}

static void guest_free(struct guest *guest) {
  cay_run_free(guest->run);
  cay_module_release(guest->module);
  cay_engine_free(guest->engine);
}

static enum cay_status call(const struct guest *guest, const char *name, cay_slot *slots) {
  const cay_function *function = NULL;
  CHECK_INT(cay_module_function(guest->module, name, &function, &error), CAY_OK);
  return cay_run_call(guest->run, function, slots, &error);
}

/* ---- The same results everywhere ---------------------------------------------------------------------------------------- */

static void canonical_nans(cay_engine_config *config) { cay_engine_config_set_canonical_nans(config, true); }

TEST(nans_are_canonical) {
  struct guest guest = guest_new(canonical_nans);
  cay_slot slots[2] = {{.f32 = 0}, {.f32 = 0}};
  CHECK_INT(call(&guest, "divide", slots), CAY_OK);
  CHECK_INT(slots[0].u32, 0x7FC00000); /* x86-64 makes a negative one */
  slots[0].u32 = 0xFFC12345;
  slots[1].f32 = 2;
  CHECK_INT(call(&guest, "divide", slots), CAY_OK);
  CHECK_INT(slots[0].u32, 0x7FC00000); /* and keeps what came in */
  guest_free(&guest);
}

static void deterministic(cay_engine_config *config) { cay_engine_config_set_deterministic_relaxed_simd(config, true); }

TEST(relaxed_instructions_are_deterministic) {
  struct guest guest = guest_new(deterministic);
  const int32_t indices[] = {3, 15, 16, 127, 128}, lanes[] = {7, 7, 0, 0, 0};
  for (int i = 0; i < 5; i++) {
    cay_slot slots[1] = {{.i32 = indices[i]}};
    CHECK_INT(call(&guest, "swizzle", slots), CAY_OK);
    CHECK_INT(slots[0].i32, lanes[i]);
  }
  guest_free(&guest);
}

/* ---- Limits of an engine --------------------------------------------------------------------------------------------------- */

static void fuel(cay_engine_config *config) { cay_engine_config_set_fuel(config, true); }

TEST(fuel_runs_out) {
  struct guest guest = guest_new(fuel);
  CHECK_INT(cay_run_set_limit(guest.run, CAY_LIMIT_FUEL, 10000, &error), CAY_OK);
  CHECK_INT(call(&guest, "spin", NULL), CAY_ERROR_LIMIT);
  CHECK_INT(cay_run_result(guest.run)->limit, CAY_LIMIT_FUEL);
  CHECK_INT(cay_run_used(guest.run, CAY_LIMIT_FUEL), 10000);
  guest_free(&guest);
}

static void small_stack(cay_engine_config *config) { cay_engine_config_set_stack_bytes(config, 64 << 10); }

/* How deep it goes tells how large the stack is. */
TEST(the_stack_is_as_large_as_was_said) {
  struct guest small = guest_new(small_stack), usual = guest_new(NULL);
  cay_slot slots[1] = {{.i32 = 20000}};
  CHECK_INT(cay_run_limit(small.run, CAY_LIMIT_STACK), 64 << 10);
  CHECK_INT(call(&small, "deep", slots), CAY_ERROR_TRAP);
  CHECK_INT(cay_run_result(small.run)->trap, CAY_TRAP_STACK_EXHAUSTED);
  slots[0].i32 = 20000;
  CHECK_INT(call(&usual, "deep", slots), CAY_OK);
  CHECK_INT(slots[0].i32, 200010000);
  guest_free(&small);
  guest_free(&usual);
}

static void without_vectors(cay_engine_config *config) {
  CHECK_INT(cay_engine_config_set_proposals(config, "default,-simd", &error), CAY_OK);
}

TEST(a_proposal_that_is_off_is_named) {
  cay_engine_config *config = NULL;
  cay_engine *engine = NULL;
  CHECK_INT(cay_engine_config_new(&config, &error), CAY_OK);
  without_vectors(config);
  CHECK_INT(cay_engine_config_set_proposals(config, "telepathy", &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(cay_engine_new(config, &engine, &error), CAY_OK);
  CHECK_INT(cay_module_validate(engine, engines_wasm, sizeof engines_wasm, &error), CAY_ERROR_UNSUPPORTED);
  CHECK(strstr(error.text, "simd") != NULL);
  cay_engine_free(engine);
  cay_engine_config_free(config);
}

/* ---- Bounds ---------------------------------------------------------------------------------------------------------------- */

static long long address_space_pages(void) {
  long long pages = -1;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file) return -1;
  if (fscanf(file, "%lld", &pages) != 1) pages = -1;
  fclose(file);
  return pages;
}

enum { GIB_LOG2 = 30 };
#define GUARDED_BYTES (8LL << GIB_LOG2)

static void explicit_bounds(cay_engine_config *config) { cay_engine_config_set_explicit_bounds(config, true); }

/* A guard takes 8 GiB, for what 32 bits and an offset reach. The bounds are the same with both. */
TEST(explicit_bounds_reserve_no_guard) {
  struct guest guest = guest_new(explicit_bounds);
  long long before = address_space_pages();
  CHECK_INT(cay_run_open(guest.run, &error), CAY_OK);
  CHECK((address_space_pages() - before) * sysconf(_SC_PAGESIZE) < GUARDED_BYTES);
  size_t len_bytes;
  CHECK(cay_run_memory(guest.run, &len_bytes) != NULL);
  cay_slot slots[1] = {{.u32 = (uint32_t)len_bytes - 4}};
  CHECK_INT(call(&guest, "load", slots), CAY_OK);
  slots[0].u32 = (uint32_t)len_bytes - 3;
  CHECK_INT(call(&guest, "load", slots), CAY_ERROR_TRAP);
  CHECK_INT(cay_run_result(guest.run)->trap, CAY_TRAP_MEMORY_BOUNDS);
  guest_free(&guest);
}

/* ---- Modules --------------------------------------------------------------------------------------------------------------- */

static const char *folder;

static const char *write_module(char path[4096]) {
  snprintf(path, 4096, "%s/engines.wasm", folder);
  FILE *file = fopen(path, "wb");
  CHECK(file && fwrite(engines_wasm, sizeof engines_wasm, 1, file) == 1);
  if (file) fclose(file);
  return path;
}

TEST(a_module_comes_from_a_file_and_is_counted) {
  char path[4096];
  struct guest guest = {0};
  CHECK_INT(cay_engine_new(NULL, &guest.engine, &error), CAY_OK);
  CHECK_INT(cay_module_load_file(guest.engine, "/no/such/module.wasm", &guest.module, &error), CAY_ERROR_SYSTEM);
  CHECK_INT(cay_module_load_file(guest.engine, write_module(path), &guest.module, &error), CAY_OK);
  unlink(path);
  cay_module *second = cay_module_retain(guest.module);
  CHECK(second == guest.module);
  cay_module_release(guest.module);
  CHECK_INT(cay_run_new(second, NULL, &guest.run, &error), CAY_OK);
  cay_slot slots[1] = {{.i32 = 3}};
  CHECK_INT(call(&guest, "deep", slots), CAY_OK);
  CHECK_INT(slots[0].i32, 6);
  guest_free(&guest);
}

TEST(a_module_is_validated_and_not_kept) {
  struct guest guest = guest_new(NULL);
  CHECK_INT(cay_module_validate(guest.engine, engines_wasm, sizeof engines_wasm, &error), CAY_OK);
  CHECK_INT(cay_module_validate(guest.engine, engines_wasm, sizeof engines_wasm - 1, &error), CAY_ERROR_MALFORMED);
  CHECK(error.offset != CAY_ERROR_NO_OFFSET);
  guest_free(&guest);
}

int main(int argc, char **argv) {
  if (argc != 2) return 1;
  folder = argv[1];
  mkdir(folder, 0700);
  RUN(nans_are_canonical)
  RUN(relaxed_instructions_are_deterministic)
  RUN(fuel_runs_out)
  RUN(the_stack_is_as_large_as_was_said)
  RUN(a_proposal_that_is_off_is_named)
  RUN(explicit_bounds_reserve_no_guard)
  RUN(a_module_comes_from_a_file_and_is_counted)
  RUN(a_module_is_validated_and_not_kept)
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
