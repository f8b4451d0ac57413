/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A host of plug-ins that it does not trust: each gets so much memory and so much time, and no more. */
#include <cay.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <wasm.h>

/* (memory (export "memory") 1 1000)
 * (func (export "hoard") (result i32)
 *   (loop (br_if 0 (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)))) memory.size)
 * (func (export "hang") (loop br 0)) */
static const unsigned char plugin_wasm[] = {
    0,    0x61, 0x73, 0x6d, 1,    0,    0,    0,    1,   8,    2,    0x60, 0,    1,    0x7f, 0x60, 0,
    0,    3,    3,    2,    0,    1,    5,    5,    1,   1,    1,    0xe8, 7,    7,    0x19, 3,    6,
    0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2,    0,    5,   0x68, 0x6f, 0x61, 0x72, 0x64, 0,    0,    4,
    0x68, 0x61, 0x6e, 0x67, 0,    1,    0xa,  0x1a, 2,   0x10, 0,    3,    0x40, 0x41, 1,    0x40, 0,
    0x41, 0,    0x4e, 0xd,  0,    0xb,  0x3f, 0,    0xb, 7,    0,    3,    0x40, 0xc,  0,    0xb,  0xb};

enum { MEMORY_PAGES = 16, TIME_MS = 50 };

/* Interrupts the plug-in when its time is over. A host with many plug-ins needs one such thread for all of them. */
static void *watch(void *store) {
  nanosleep(&(struct timespec){.tv_nsec = TIME_MS * 1000000}, NULL);
  cay_wasm_store_interrupt(store);
  return NULL;
}

static void report(const char *what, wasm_trap_t *trap) {
  wasm_message_t message;
  wasm_trap_message(trap, &message);
  printf("%s ended: %s\n", what, message.data);
  wasm_name_delete(&message);
  wasm_trap_delete(trap);
}

static void run(wasm_store_t *store, wasm_module_t *module) {
  wasm_extern_vec_t imports = WASM_EMPTY_VEC, exports;
  wasm_trap_t *trap = NULL;
  wasm_instance_t *instance = wasm_instance_new(store, module, &imports, &trap);
  if (!instance) {
    report("instantiating", trap);
    return;
  }
  wasm_instance_exports(instance, &exports); /* memory, hoard, hang */

  wasm_val_t pages = WASM_INIT_VAL;
  wasm_val_vec_t nothing = WASM_EMPTY_VEC, results = {1, &pages};
  trap = wasm_func_call(wasm_extern_as_func(exports.data[1]), &nothing, &results);
  if (trap)
    report("hoard", trap);
  else
    printf("hoard got %d pages\n", pages.of.i32);

  pthread_t watcher;
  if (pthread_create(&watcher, NULL, watch, store) == 0) {
    trap = wasm_func_call(wasm_extern_as_func(exports.data[2]), &nothing, &nothing);
    pthread_join(watcher, NULL);
    if (trap) report("hang", trap);
  }
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
}

int main(void) {
  struct cay_error error;
  cay_budget *budget = NULL;
  wasm_engine_t *engine = wasm_engine_new();
  wasm_store_t *store = NULL;
  if (cay_budget_new(NULL, &budget, &error) != CAY_OK ||
      cay_budget_set_limit(budget, CAY_LIMIT_MEMORY, MEMORY_PAGES * MEMORY_PAGE_SIZE, &error) != CAY_OK ||
      cay_wasm_store_new(engine, budget, &store, &error) != CAY_OK) {
    fprintf(stderr, "%s\n", error.text);
    return 1;
  }
  wasm_byte_vec_t binary = {sizeof plugin_wasm, (char *)plugin_wasm};
  wasm_module_t *module = wasm_module_new(store, &binary);
  if (module) run(store, module);
  wasm_module_delete(module);
  wasm_store_delete(store);
  cay_budget_release(budget);
  wasm_engine_delete(engine);
  return 0;
}
