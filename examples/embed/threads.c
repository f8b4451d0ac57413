/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* One module, translated once, run by several threads: each has a store of its own. */
#include <pthread.h>
#include <stdio.h>
#include <wasm.h>

/* (func (export "square") (param i32) (result i32) local.get 0 local.get 0 i32.mul) */
static const unsigned char square_wasm[] = {0,    0x61, 0x73, 0x6d, 1, 0, 0,   0,    1, 6,    1,   0x60, 1,   0x7f, 1,
                                            0x7f, 3,    2,    1,    0, 7, 0xa, 1,    6, 's',  'q', 'u',  'a', 'r',  'e',
                                            0,    0,    0xa,  9,    1, 7, 0,   0x20, 0, 0x20, 0,   0x6c, 0xb};

enum { THREADS = 4 };

struct job {
  wasm_engine_t *engine;
  const wasm_shared_module_t *shared;
  int32_t number, square;
};

static void *work(void *argument) {
  struct job *job = argument;
  wasm_store_t *store = wasm_store_new(job->engine);
  wasm_module_t *module = wasm_module_obtain(store, job->shared);
  wasm_extern_vec_t imports = WASM_EMPTY_VEC, exports;
  wasm_instance_t *instance = wasm_instance_new(store, module, &imports, NULL);
  if (instance) {
    wasm_instance_exports(instance, &exports);
    wasm_val_t number = WASM_I32_VAL(job->number), square = WASM_I32_VAL(0);
    wasm_val_vec_t args = {1, &number}, results = {1, &square};
    wasm_trap_delete(wasm_func_call(wasm_extern_as_func(exports.data[0]), &args, &results));
    job->square = square.of.i32;
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
  }
  wasm_module_delete(module);
  wasm_store_delete(store);
  return NULL;
}

int main(void) {
  wasm_engine_t *engine = wasm_engine_new();
  wasm_store_t *store = wasm_store_new(engine);
  wasm_byte_vec_t binary = {sizeof square_wasm, (char *)square_wasm};
  wasm_module_t *module = wasm_module_new(store, &binary);
  if (!module) return 1;
  wasm_shared_module_t *shared = wasm_module_share(module);
  wasm_module_delete(module);
  wasm_store_delete(store); /* the shared module needs neither */

  pthread_t threads[THREADS];
  struct job jobs[THREADS];
  for (int i = 0; i < THREADS; i++) {
    jobs[i] = (struct job){.engine = engine, .shared = shared, .number = i + 1};
    if (pthread_create(&threads[i], NULL, work, &jobs[i]) != 0) return 1;
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    printf("%d squared is %d\n", jobs[i].number, jobs[i].square);
  }
  wasm_shared_module_delete(shared);
  wasm_engine_delete(engine);
  return 0;
}
