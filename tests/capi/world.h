/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the tests of wasm.h share: a store with an instance, calls by the name of an export, and texts of traps. */
#ifndef TESTS_CAPI_WORLD_H
#define TESTS_CAPI_WORLD_H

#include <cay.h>
#include <wasm.h>

#include "modules.h"
#include "test.h"

struct world {
  wasm_engine_t *engine;
  wasm_store_t *store;
  wasm_module_t *module;
  wasm_instance_t *instance;
  wasm_exporttype_vec_t types;
  wasm_extern_vec_t exports;
};

static const char *test_tier; /* NULL: the default one */

static wasm_engine_t *engine_new(void) {
  wasm_config_t *config = wasm_config_new();
  CHECK_INT(cay_engine_config_set_tier(cay_wasm_config(config), test_tier, NULL), CAY_OK);
  return wasm_engine_new_with_config(config);
}

static struct world world_new(void) {
  struct world world = {.engine = engine_new()};
  world.store = wasm_store_new(world.engine);
  return world;
}

static void world_load(struct world *world, const unsigned char *bytes, size_t len_bytes) {
  wasm_byte_vec_t binary = {len_bytes, (char *)(uintptr_t)bytes};
  world->module = wasm_module_new(world->store, &binary);
  CHECK(world->module != NULL);
}
#define LOAD(world, BYTES) \
  world_load((world), (const unsigned char[]){BYTES}, sizeof((const unsigned char[]){BYTES}))

/* The text of a trap, which it ends; valid until the next one. */
static const char *trap_text(wasm_trap_t *trap) {
  static char text[512];
  wasm_message_t message;
  if (!trap) return "no trap";
  wasm_trap_message(trap, &message);
  CHECK(message.size > 0 && message.data[message.size - 1] == '\0');
  snprintf(text, sizeof text, "%s", message.data);
  wasm_byte_vec_delete(&message);
  wasm_trap_delete(trap);
  return text;
}

/* What is wrong, or "no trap". */
static const char *world_instantiate(struct world *world, const wasm_extern_vec_t *imports) {
  wasm_trap_t *trap = NULL;
  world->instance = wasm_instance_new(world->store, world->module, imports, &trap);
  CHECK((world->instance == NULL) == (trap != NULL));
  if (!world->instance) return trap_text(trap);
  wasm_module_exports(world->module, &world->types);
  wasm_instance_exports(world->instance, &world->exports);
  CHECK_INT(world->types.size, world->exports.size);
  return "no trap";
}
#define INSTANTIATE(world, ...)                                                        \
  CHECK_TEXT(world_instantiate((world), &(wasm_extern_vec_t){                          \
                                            sizeof((wasm_extern_t *[]){__VA_ARGS__}) / sizeof(wasm_extern_t *), \
                                            (wasm_extern_t *[]){__VA_ARGS__}}),        \
             "no trap")

static void world_free(struct world *world) {
  if (world->instance) {
    wasm_exporttype_vec_delete(&world->types);
    wasm_extern_vec_delete(&world->exports);
    wasm_instance_delete(world->instance);
  }
  wasm_module_delete(world->module);
  wasm_store_delete(world->store);
  wasm_engine_delete(world->engine);
}

static wasm_extern_t *world_export(const struct world *world, const char *name) {
  for (size_t i = 0; i < world->types.size; i++) {
    const wasm_name_t *found = wasm_exporttype_name(world->types.data[i]);
    if (found->size == strlen(name) && memcmp(found->data, name, found->size) == 0) return world->exports.data[i];
  }
  fprintf(stderr, "no export %s\n", name);
  abort();
}
static wasm_func_t *world_func(const struct world *world, const char *name) {
  return wasm_extern_as_func(world_export(world, name));
}

/* Calls with the values given; `result` is where the only result goes. */
static wasm_trap_t *call(const wasm_func_t *func, size_t count, wasm_val_t *args, wasm_val_t *result) {
  wasm_val_vec_t arguments = {count, args}, results = {result != NULL, result};
  return wasm_func_call(func, &arguments, &results);
}

__attribute__((unused)) static int32_t call_int(const struct world *world, const char *name, size_t count, wasm_val_t *args) {
  wasm_val_t result = WASM_I32_VAL(-1);
  wasm_trap_t *trap = call(world_func(world, name), count, args, &result);
  if (trap) CHECK_TEXT(trap_text(trap), "no trap");
  return result.of.i32;
}

__attribute__((unused)) static wasm_func_t *host(wasm_store_t *store, wasm_functype_t *type, wasm_func_callback_with_env_t callback, void *env) {
  wasm_func_t *func = wasm_func_new_with_env(store, type, callback, env, NULL);
  wasm_functype_delete(type);
  CHECK(func != NULL);
  return func;
}

static wasm_trap_t *trap_new(wasm_store_t *store, const char *text) {
  wasm_message_t message;
  wasm_name_new_from_string_nt(&message, text);
  wasm_trap_t *trap = wasm_trap_new(store, &message);
  wasm_name_delete(&message);
  return trap;
}

#endif
