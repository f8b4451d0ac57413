/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A tier whose "translated code" is C functions of the test, and a writer of small binary modules.
 *
 * Function n of a module runs fake_bodies[n]. A frame's site is a struct fake_site, which the tier's locate reads. A body that faults in the section `fake_text` is ended through the engine's redirection. */
#ifndef TESTS_FAKE_TIER_H
#define TESTS_FAKE_TIER_H

#include <stdlib.h>

#include "engine/engine.h"
#include "engine/engine_arch.h"
#include "test.h"

#define FAKE_TEXT __attribute__((section("fake_text"), noinline))

struct fake_site {
  uint32_t func, offset;
  const struct fake_site *caller;
};

typedef enum engine_trap (*fake_body)(struct engine_thread *thread, struct engine_activation *activation, uint64_t *fp);
enum { FAKE_BODIES = 16 };
static fake_body fake_bodies[FAKE_BODIES];
static struct fake_site fake_sites[FAKE_BODIES];
static int fake_codes_alive, fake_codes_made;
static bool fake_code_was_explicit;

static enum cay_status fake_code_new(struct module *module, const struct engine_code_options *options, void **code,
                                     const void *const **entries, struct cay_error *error) {
  (void)module;
  void **list = base_alloc_zero(1, 64);
  if (!list) return base_error_memory(error);
  *code = list;
  *entries = (const void *const *)list;
  fake_codes_alive++;
  fake_codes_made++;
  fake_code_was_explicit = options->explicit_bounds;
  return CAY_OK;
}

static void fake_code_free(void *code) {
  base_free(code);
  fake_codes_alive--;
}

struct fake_run {
  struct engine_thread *thread;
  struct engine_activation *activation;
};

static int fake_run(void *arg) {
  struct fake_run *run = arg;
  struct engine_activation *activation = run->activation;
  uint32_t index = activation->function->index;
  fake_sites[index] = (struct fake_site){index, index * 10, NULL};
  activation->site = &fake_sites[index];
  enum engine_trap trap = fake_bodies[index](run->thread, activation, activation->base_fp);
  return (int)trap;
}

static int fake_invoke(void *arg) {
  struct engine_activation *activation = arg;
  struct fake_run run = {activation->instance->thread, activation};
  return engine_arch_enter(fake_run, &run, &activation->native_sp);
}

static bool fake_locate(void *code, const void *site, uint64_t *fp, struct engine_location *out) {
  (void)code;
  const struct fake_site *at = site;
  *out = (struct engine_location){at->func, at->caller, fp};
  return true;
}

static uint32_t fake_offset_of(void *code, uint32_t func, const void *site, const uint64_t *fp) {
  (void)code, (void)func, (void)fp;
  return ((const struct fake_site *)site)->offset;
}

static void fake_fault_landing(void *arg) {
  struct engine_activation *activation = arg;
  enum engine_trap trap = engine_trap_raise(activation->instance->thread, ENGINE_TRAP_MEMORY_BOUNDS);
  engine_arch_leave(activation->native_sp, (int)trap);
}

extern const char __start_fake_text[] __attribute__((weak)), __stop_fake_text[] __attribute__((weak));

static bool fake_fault(struct engine_activation *activation, void *machine_context) {
  uintptr_t pc = engine_arch_pc(machine_context);
  if (pc < (uintptr_t)__start_fake_text || pc >= (uintptr_t)__stop_fake_text) return false;
  engine_arch_redirect(machine_context, activation->native_sp, fake_fault_landing, activation);
  return true;
}

static size_t fake_code_bytes(void *code, bool all) {
  (void)code, (void)all;
  return 64;
}

static void fake_visit_references(void *code, uint32_t func, const void *site, uint64_t *fp,
                                  void (*visit)(void *env, uint64_t reference), void *env) {
  (void)code, (void)func, (void)site, (void)fp, (void)visit, (void)env;
}

static const struct engine_tier fake_tier = {.name = "fake",
                                             .code_new = fake_code_new,
                                             .code_free = fake_code_free,
                                             .invoke = fake_invoke,
                                             .locate = fake_locate,
                                             .offset_of = fake_offset_of,
                                             .visit_references = fake_visit_references,
                                             .fault = fake_fault,
                                             .code_bytes = fake_code_bytes};

/* ---- Modules -------------------------------------------------------------------------------------------------------- */

struct bytes {
  uint8_t items[8192];
  size_t count;
};

static void put(struct bytes *to, const void *from, size_t count) {
  memcpy(to->items + to->count, from, count);
  to->count += count;
}
static inline void put_u8(struct bytes *to, unsigned value) { to->items[to->count++] = (uint8_t)value; }
static inline void put_leb(struct bytes *to, uint32_t value) {
  for (; value >= 0x80; value >>= 7) put_u8(to, (value & 0x7F) | 0x80);
  put_u8(to, value);
}
static inline void put_name(struct bytes *to, const char *name) {
  put_leb(to, (uint32_t)strlen(name));
  put(to, name, strlen(name));
}
#define PUT(to, ...) put((to), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline struct bytes module_start(void) {
  struct bytes to = {.count = 0};
  put(&to, "\0asm\1\0\0\0", 8);
  return to;
}
static inline void put_section(struct bytes *to, unsigned id, const struct bytes *contents) {
  put_u8(to, id);
  put_leb(to, (uint32_t)contents->count);
  put(to, contents->items, contents->count);
}
#define SECTION(to, id, ...)                   \
  do {                                         \
    struct bytes section_bytes = {.count = 0}; \
    PUT(&section_bytes, __VA_ARGS__);          \
    put_section((to), (id), &section_bytes);   \
  } while (0)

static module_features tested_features = MODULE_FEATURES_DEFAULT;

static inline struct module *module_of(const struct bytes *bytes) {
  struct module *module = NULL;
  struct cay_error error = {0};
  if (module_load(bytes->items, bytes->count, MODULE_BYTES_COPY, tested_features, NULL, &module, &error) != CAY_OK)
    fprintf(stderr, "module: %s at %llu\n", error.text, (unsigned long long)error.offset);
  CHECK(module);
  if (!module) exit(1);
  return module;
}

/* ---- Engine and store ----------------------------------------------------------------------------------------------- */

static int worlds_alive;
struct world {
  struct engine *engine;
  struct engine_store *store;
};

static inline struct world world_new(const struct engine_options *options, const struct engine_limits *limits) {
  struct world world = {0};
  worlds_alive++;
  struct engine_options fake = options ? *options : (struct engine_options){0};
  if (!fake.tier) fake.tier = &fake_tier;
  CHECK_INT(engine_new(&fake, &world.engine, NULL), CAY_OK);
  CHECK_INT(engine_store_new(world.engine, limits, &world.store, NULL), CAY_OK);
  return world;
}

/* The limit on memory of the next world, which retains the budget; 0: none. */
static inline struct base_budget *memory_budget(uint64_t bytes) {
  static struct base_budget *last;
  base_budget_release(last);
  last = bytes ? base_budget_new(NULL) : NULL;
  if (last) base_budget_set_limit(last, BASE_LIMIT_MEMORY, bytes);
  return last;
}

static inline void world_free(struct world *world) {
  engine_store_free(world->store);
  engine_free(world->engine);
  memory_budget(0);
  if (--worlds_alive == 0) CHECK_INT(fake_codes_alive, 0);
}

#endif
