/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Guests that write wherever they can, beside others and inside of a host that watches.
 *
 * One process, through the public library: an attacker between two witnesses, which are instances of the same module with
 * memories of known contents, one of which works in a thread of its own all the time; and the host's canaries: blocks of
 * the heap and pages of their own between everything that is made, and a frame of the stack below each call. After each
 * kind of attack all of them have to be what they were, and every access has to end as the specification says: done when
 * all its bytes are inside of the memory, a trap of the right kind otherwise.
 *
 * usage: neighbours FOLDER OVERFLOW.wasm [NAME=CODE...]     (code: an exit code, or `trap`)
 * FOLDER has what wild.py writes. Everything is done in each tier of the build, with guard pages and with explicit
 * bounds. */
#include <cay.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "test.h"

static struct cay_error error;
static cay_engine *engine;
static const char *folder;
static char setting[64];

/* ---- Canaries of the host ------------------------------------------------------------------------------------------- */

enum { CANARIES = 64, MEMORY_BYTES = 2 * 65536 };

static struct canary {
  unsigned char *bytes;
  size_t len_bytes;
  bool is_mapped;
} canaries[CANARIES];
static size_t canary_count;

static unsigned char pattern(size_t canary, size_t at) { return (unsigned char)(canary * 37 + at * 11 + 5); }

/* A block of the heap and a page of its own, beside whatever the library has just made. */
static void place_canaries(void) {
  for (int i = 0; i < 2 && canary_count < CANARIES; i++) {
    struct canary *canary = &canaries[canary_count];
    canary->is_mapped = i;
    canary->len_bytes = i ? 4096 : 100 + 300 * canary_count;
    canary->bytes = i ? mmap(NULL, canary->len_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                      : malloc(canary->len_bytes);
    if (!canary->bytes || canary->bytes == MAP_FAILED) abort();
    for (size_t at = 0; at < canary->len_bytes; at++) canary->bytes[at] = pattern(canary_count, at);
    canary_count++;
  }
}

static bool canaries_live(void) {
  for (size_t i = 0; i < canary_count; i++)
    for (size_t at = 0; at < canaries[i].len_bytes; at++)
      if (canaries[i].bytes[at] != pattern(i, at)) return false;
  return true;
}

static void remove_canaries(void) {
  for (size_t i = 0; i < canary_count; i++) {
    if (canaries[i].is_mapped)
      munmap(canaries[i].bytes, canaries[i].len_bytes);
    else
      free(canaries[i].bytes);
  }
  canary_count = 0;
}

/* ---- Runs ------------------------------------------------------------------------------------------------------------- */

static cay_module *load(const char *name) {
  char path[4096];
  cay_module *module = NULL;
  snprintf(path, sizeof path, "%s%s%s", name[0] == '/' ? "" : folder, name[0] == '/' ? "" : "/", name);
  if (cay_module_load_file(engine, path, &module, &error)) {
    fprintf(stderr, "%s: %s\n", path, error.text);
    exit(1);
  }
  return module;
}

static cay_run *run_new(cay_module *module) {
  cay_run *run = NULL;
  if (cay_run_new(module, NULL, &run, &error)) {
    fprintf(stderr, "%s\n", error.text);
    exit(1);
  }
  return run;
}

static int64_t sum_of(cay_run *run) {
  cay_value sum = {.type = CAY_I64};
  struct cay_error own_error;
  return cay_run_invoke(run, "sum", NULL, 0, &sum, 1, NULL, &own_error) ? -1 : sum.of.i64;
}

static void fill(cay_run *run, int64_t word) {
  cay_value argument = {CAY_I64, {.i64 = word}};
  CHECK_INT(cay_run_invoke(run, "fill", &argument, 1, NULL, 0, NULL, &error), CAY_OK);
}

/* A witness that works while the others attack. */
struct worker {
  cay_run *run;
  int64_t sum;
  atomic_bool stops;
  atomic_int wrong, rounds;
};

static void *work(void *worker_opaque) {
  struct worker *worker = worker_opaque;
  while (!atomic_load(&worker->stops)) {
    if (sum_of(worker->run) != worker->sum) atomic_fetch_add(&worker->wrong, 1);
    atomic_fetch_add(&worker->rounds, 1);
  }
  return NULL;
}

/* ---- Wild accesses -------------------------------------------------------------------------------------------------------- */

struct access {
  char name[64], kind[16];
  uint64_t width, offset;
};

static uint64_t random_state = 88172645463325252u;
static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}

enum { EDGES = 19, RANDOM = 200 };

/* Edges first, then steps through all of the 4 GiB, then anywhere; of 64-bit addresses also those of the host's own
 * canaries, which would be hit if an address were used as it is. */
static uint64_t address_of(unsigned index, bool is_wide) {
  static const uint64_t edges[EDGES] = {0,
                                        1,
                                        MEMORY_BYTES - 17,
                                        MEMORY_BYTES - 16,
                                        MEMORY_BYTES - 8,
                                        MEMORY_BYTES - 4,
                                        MEMORY_BYTES - 1,
                                        MEMORY_BYTES,
                                        MEMORY_BYTES + 1,
                                        2 * MEMORY_BYTES,
                                        0x7FFFFFFF,
                                        0x80000000,
                                        0xFFFFFFF0,
                                        0xFFFFFFFF,
                                        UINT64_C(1) << 32,
                                        UINT64_C(1) << 47,
                                        INT64_MAX,
                                        UINT64_C(1) << 63,
                                        UINT64_MAX};
  uint64_t address = index < EDGES ? edges[index] : index < EDGES + RANDOM ? index * UINT64_C(21474836) : next_random();
  if (index >= EDGES + RANDOM && index % 3 == 0) address %= 2 * MEMORY_BYTES;
  if (is_wide && index % 5 == 4) address = (uint64_t)(uintptr_t)canaries[index % canary_count].bytes - address % 2 * 64;
  return is_wide ? address : (uint32_t)address;
}

/* Whether `len_bytes` from `address` + `offset` on lie inside; the sum may not fit in 64 bits. */
static bool is_inside(uint64_t address, uint64_t offset, uint64_t len_bytes) {
  return address <= MEMORY_BYTES && offset <= MEMORY_BYTES - address && len_bytes <= MEMORY_BYTES - address - offset;
}

static uint64_t length_of(unsigned index, bool is_wide) {
  static const uint64_t lengths[] = {0, 1, 16, 17, 65536, MEMORY_BYTES, MEMORY_BYTES + 1, 0x7FFFFFFF, UINT32_MAX};
  if (is_wide && index % 11 == 10) return UINT64_MAX - index % 3;
  return lengths[index % (sizeof lengths / sizeof *lengths)];
}

static enum cay_trap wanted_trap(const struct access *access, uint64_t address, uint64_t length) {
  if (strcmp(access->kind, "memory") == 0)
    return is_inside(address, access->offset, access->width) ? CAY_TRAP_NONE : CAY_TRAP_MEMORY_BOUNDS;
  if (strcmp(access->kind, "range") == 0) return is_inside(address, 0, length) ? CAY_TRAP_NONE : CAY_TRAP_MEMORY_BOUNDS;
  if (strcmp(access->kind, "segment") == 0)
    return is_inside(address, 0, (uint32_t)length) && (uint32_t)length <= 16 ? CAY_TRAP_NONE : CAY_TRAP_MEMORY_BOUNDS;
  uint32_t index = (uint32_t)address;
  if (strcmp(access->kind, "table") == 0) return index < 4 ? CAY_TRAP_NONE : CAY_TRAP_TABLE_BOUNDS;
  return index == 0 ? CAY_TRAP_NONE : index == 1 ? CAY_TRAP_CALL_TYPE : CAY_TRAP_UNDEFINED_ELEMENT;
}

/* Entries 2 and 3 of the table are null. */
static bool same_kind_of_trap(enum cay_trap got, enum cay_trap wanted) {
  if (wanted == CAY_TRAP_UNDEFINED_ELEMENT) return got == wanted || got == CAY_TRAP_NULL_ELEMENT;
  return got == wanted;
}

/* A call with a frame of this file's on both sides of the library's. */
__attribute__((noinline)) static enum cay_trap attack(cay_run *run, const struct access *access, uint64_t address,
                                                      uint64_t length, bool is_wide) {
  volatile unsigned char frame[256];
  for (size_t i = 0; i < sizeof frame; i++) frame[i] = pattern(1, i);
  cay_value arguments[2] = {{is_wide ? CAY_I64 : CAY_I32, {.i64 = (int64_t)address}},
                            {CAY_I64, {.i64 = (int64_t)length}}};
  if (!is_wide) arguments[0].of.i32 = (int32_t)address;
  enum cay_status status = cay_run_invoke(run, access->name, arguments, 2, NULL, 0, NULL, &error);
  for (size_t i = 0; i < sizeof frame; i++)
    if (frame[i] != pattern(1, i)) return CAY_TRAP_HOST;
  if (status == CAY_OK) return CAY_TRAP_NONE;
  return status == CAY_ERROR_TRAP ? cay_run_result(run)->trap : CAY_TRAP_HOST;
}

static void attack_everywhere(cay_run *run, const struct access *access, bool is_wide) {
  bool is_ranged = strcmp(access->kind, "range") == 0 || strcmp(access->kind, "segment") == 0;
  for (unsigned i = 0; i < EDGES + 2 * RANDOM; i++) {
    uint64_t address = address_of(i, is_wide), length = is_ranged ? length_of(i, is_wide) : next_random();
    enum cay_trap wanted = wanted_trap(access, address, is_wide || is_ranged == 0 ? length : (uint32_t)length);
    enum cay_trap got = attack(run, access, address, length, is_wide);
    test_checks++;
    if (same_kind_of_trap(got, wanted)) continue;
    test_failures++;
    fprintf(stderr, "%s: %s at %#llx with %#llx: trap %d, expected %d\n", setting, access->name,
            (unsigned long long)address, (unsigned long long)length, got, wanted);
  }
}

/* Of the witnesses, one lies in front of the attacker and one behind it, as far as that is ours to say. */
static void be_wild(const char *bits) {
  char name[64], path[4096];
  bool is_wide = strcmp(bits, "64") == 0;
  snprintf(name, sizeof name, "wild-%s.wasm", bits);
  snprintf(path, sizeof path, "%s/wild-%s.txt", folder, bits);
  cay_module *module = load(name);
  place_canaries();
  cay_run *before = run_new(module);
  fill(before, 0x0123456789ABCDEF);
  place_canaries();
  cay_run *attacker = run_new(module);
  fill(attacker, 1);
  place_canaries();
  struct worker worker = {.run = run_new(module)};
  fill(worker.run, 0x1122334455667788);
  place_canaries();
  int64_t before_sum = sum_of(before);
  worker.sum = sum_of(worker.run);
  CHECK(before_sum != -1 && worker.sum != -1 && before_sum != worker.sum);
  pthread_t thread;
  if (pthread_create(&thread, NULL, work, &worker) != 0) abort();
  FILE *list = fopen(path, "r");
  if (!list) abort();
  struct access access;
  unsigned long long width, offset;
  unsigned kinds = 0;
  for (; fscanf(list, "%63s %llu %llu %15s", access.name, &width, &offset, access.kind) == 4; kinds++) {
    access.width = width;
    access.offset = offset;
    attack_everywhere(attacker, &access, is_wide);
    bool is_well = sum_of(before) == before_sum && canaries_live() && atomic_load(&worker.wrong) == 0;
    CHECK(is_well);
    if (!is_well) fprintf(stderr, "%s: after %s\n", setting, access.name);
  }
  CHECK(kinds > 100);
  fclose(list);
  atomic_store(&worker.stops, true);
  pthread_join(thread, NULL);
  CHECK(atomic_load(&worker.wrong) == 0 && atomic_load(&worker.rounds) > 10 && sum_of(worker.run) == worker.sum);
  cay_run_free(before);
  cay_run_free(attacker);
  cay_run_free(worker.run);
  cay_module_release(module);
  remove_canaries();
}

/* ---- Bugs ------------------------------------------------------------------------------------------------------------------ */

/* Runs the bug `name` and compares with `code`. */
static void run_bug(cay_module *module, const char *name, const char *code) {
  cay_wasi *wasi = NULL;
  cay_run *run = NULL;
  CHECK_INT(cay_wasi_new(&wasi, &error), CAY_OK);
  CHECK_INT(cay_wasi_add_arg(wasi, "overflow", &error), CAY_OK);
  CHECK_INT(cay_wasi_add_arg(wasi, name, &error), CAY_OK);
  CHECK_INT(cay_run_new(module, wasi, &run, &error), CAY_OK);
  place_canaries();
  enum cay_status status = cay_run_start(run, &error);
  const cay_result *result = cay_run_result(run);
  bool is_right = strcmp(code, "trap") == 0 ? status == CAY_ERROR_TRAP && result->trap != CAY_TRAP_HOST
                                            : status == CAY_OK && result->exit_code == (uint32_t)atoi(code);
  CHECK(is_right);
  if (!is_right) fprintf(stderr, "%s: %s: %s, exit code %u\n", setting, name, error.text, result->exit_code);
  CHECK(canaries_live());
  cay_run_free(run);
  cay_wasi_free(wasi);
}

static void run_bugs(const char *path, char **bugs) {
  cay_module *module = load(path), *wild = load("wild-32.wasm");
  cay_run *witness = run_new(wild);
  fill(witness, 0x5555AAAA5555AAAA);
  int64_t sum = sum_of(witness);
  for (; *bugs; bugs++) {
    char name[64];
    const char *equals = strchr(*bugs, '=');
    if (!equals) abort();
    snprintf(name, sizeof name, "%.*s", (int)(equals - *bugs), *bugs);
    run_bug(module, name, equals + 1);
    bool is_well = sum_of(witness) == sum;
    CHECK(is_well);
    if (!is_well) fprintf(stderr, "%s: after %s\n", setting, name);
    if (canary_count == CANARIES) remove_canaries();
  }
  cay_run_free(witness);
  cay_module_release(wild);
  cay_module_release(module);
  remove_canaries();
}

/* ---- In every tier --------------------------------------------------------------------------------------------------------- */

static bool engine_begin(const char *tier, bool explicit_bounds) {
  cay_engine_config *config = NULL;
  if (cay_engine_config_new(&config, &error)) abort();
  bool has_tier = cay_engine_config_set_tier(config, tier, &error) == CAY_OK;
  cay_engine_config_set_explicit_bounds(config, explicit_bounds);
  CHECK_INT(cay_engine_config_set_proposals(config, "latest", &error), CAY_OK);
  if (has_tier) CHECK_INT(cay_engine_new(config, &engine, &error), CAY_OK);
  cay_engine_config_free(config);
  snprintf(setting, sizeof setting, "%s, %s", tier, explicit_bounds ? "explicit bounds" : "guard pages");
  return has_tier;
}

int main(int argc, char **argv) {
  static const char *const tiers[] = {"interp", "baseline"};
  if (argc < 3) return 1;
  folder = argv[1];
  for (int i = 0; i < 4; i++) {
    if (!engine_begin(tiers[i / 2], i % 2)) continue;
    int before = test_checks;
    be_wild("32");
    be_wild("64");
    run_bugs(argv[2], argv + 3);
    cay_engine_free(engine);
    printf("%s: %d checks\n", setting, test_checks - before);
    fflush(stdout);
  }
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
