/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The smallest embedder: loads a module, calls its function, says what went wrong. */
#include <cay.h>
#include <stdio.h>
#include <stdlib.h>
#include <wasm.h>

/* (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add) */
static const unsigned char add_wasm[] = {0,    'a', 's',  'm', 1, 0, 0, 0,    1, 7,    1, 0x60, 2,   0x7f,
                                         0x7f, 1,   0x7f, 3,   2, 1, 0, 7,    7, 1,    3, 'a',  'd', 'd',
                                         0,    0,   10,   9,   1, 7, 0, 0x20, 0, 0x20, 1, 0x6a, 0x0b};

static void fail(const wasm_store_t *store) {
  fprintf(stderr, "%s\n", cay_wasm_store_error(store)->text);
  exit(1);
}

int main(void) {
  wasm_engine_t *engine = wasm_engine_new();
  wasm_store_t *store = wasm_store_new(engine);

  wasm_byte_vec_t binary;
  wasm_byte_vec_new(&binary, sizeof add_wasm, (const char *)add_wasm);
  wasm_module_t *module = wasm_module_new(store, &binary);
  wasm_byte_vec_delete(&binary);
  if (!module) fail(store);

  wasm_extern_vec_t imports = WASM_EMPTY_VEC, exports;
  wasm_instance_t *instance = wasm_instance_new(store, module, &imports, NULL);
  if (!instance) fail(store);
  wasm_instance_exports(instance, &exports);

  wasm_val_t arguments[2] = {WASM_I32_VAL(40), WASM_I32_VAL(2)}, sum = WASM_INIT_VAL;
  wasm_val_vec_t args = WASM_ARRAY_VEC(arguments), results = {1, &sum};
  wasm_trap_t *trap = wasm_func_call(wasm_extern_as_func(exports.data[0]), &args, &results);
  if (!trap) printf("40 + 2 = %d\n", sum.of.i32);

  wasm_trap_delete(trap);
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  return 0;
}
