/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a call between functions of two tiers costs: a loop in one function calls another one, which adds 1. Of the two, both,
 * one or none is optimized. Prints a line for each: who is optimized, and nanoseconds of processor time for a round, the least
 * of many. Used by tierup.py. */
#include "tiers/baseline/code.h"
#include "tiers/tiers.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 2000000, TRIES = 15, MIXES = 64, CALLER = 0 };

/* (i32 rounds) -> i32: calls 1 as often, directly or through the table; 1: (i32) -> i32, one more. */
#define MODULE_WITH(...)                           \
  {0,    'a',                                      \
   's',  'm',                                      \
   1,    0,                                        \
   0,    0,                                        \
   1,    6,                                        \
   1,    0x60,                                     \
   1,    0x7F,                                     \
   1,    0x7F,                                     \
   3,    3,                                        \
   2,    0,                                        \
   0,    4,                                        \
   4,    1,                                        \
   0x70, 0,                                        \
   2,    7,                                        \
   5,    1,                                        \
   1,    'f',                                      \
   0,    0,                                        \
   9,    8,                                        \
   1,    0,                                        \
   0x41, 0,                                        \
   0x0B, 2,                                        \
   0,    1,                                        \
   10,   32 + sizeof((const char[]){__VA_ARGS__}), \
   2,    22 + sizeof((const char[]){__VA_ARGS__}), \
   1,    1,                                        \
   0x7F, 3,                                        \
   0x40, 0x20,                                     \
   1,    __VA_ARGS__,                              \
   0x21, 1,                                        \
   0x20, 0,                                        \
   0x41, 1,                                        \
   0x6B, 0x22,                                     \
   0,    0x0D,                                     \
   0,    0x0B,                                     \
   0x20, 1,                                        \
   0x0B, 7,                                        \
   0,    0x20,                                     \
   0,    0x41,                                     \
   1,    0x6A,                                     \
   0x0B}
static const uint8_t direct[] = MODULE_WITH(0x10, 1), indirect[] = MODULE_WITH(0x41, 1, 0x11, 0, 0);

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "calls: %s\n", what);
  exit(1);
}

static double cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double least_ns(struct engine_store *store, struct engine_function *function) {
  double least = 1e9;
  for (int i = 0; i < TRIES; i++) {
    uint64_t slots[] = {ROUNDS};
    double before = cpu_ns();
    if (engine_call(store, function, slots) != ENGINE_TRAP_NONE || slots[0] != ROUNDS) fail("a wrong result");
    double taken = (cpu_ns() - before) / ROUNDS;
    if (taken < least) least = taken;
  }
  return least;
}

/* `is_done`: by who is optimized. */
static void measure(const char *name, const uint8_t *bytes, size_t len_bytes, uint32_t mix, bool is_done[4]) {
  struct engine *engine;
  struct engine_store *store;
  struct engine_instance *instance;
  struct engine_extern found;
  struct module *module;
  struct cay_error error = {0};
  tiers_optimized_mix(mix);
  const struct engine_options options = {.tier = mix ? &tiers_optimized : &tiers_baseline};
  if (module_load(bytes, len_bytes, MODULE_BYTES_BORROW, MODULE_FEATURES_DEFAULT, NULL, &module, &error) ||
      engine_new(&options, &engine, &error) || engine_store_new(engine, NULL, &store, &error) ||
      engine_instantiate(store, module, NULL, "calls", &instance, &error) || !engine_export(instance, "f", 1, &found))
    fail(error.text);
  const struct baseline_code *code = instance->code;
  unsigned which = code->natives ? (code->natives[0] ? 1 : 0) | (code->natives[1] ? 2 : 0) : 0;
  if (!is_done[which])
    printf("%s %s %s %.2f\n", name, which & 1 ? "optimized" : "baseline", which & 2 ? "optimized" : "baseline",
           least_ns(store, found.func));
  is_done[which] = true;
  engine_store_free(store);
  engine_free(engine);
  module_release(module);
}

int main(int argc, char **argv) {
  if (argc < 2) fail("usage: calls FOLDER-OF-CAY-LLVM");
  tiers_optimized_look_in(argv[1]);
  bool is_done[2][4] = {{false}};
  for (uint32_t mix = 0; mix < MIXES; mix++) {
    measure("direct", direct, sizeof direct, mix, is_done[0]);
    measure("indirect", indirect, sizeof indirect, mix, is_done[1]);
  }
  return 0;
}
