/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A function of the host that reads the guest's memory, and what becomes of a guest that passes nonsense. */
#include <stdio.h>
#include <wasm.h>

/* (import "host" "say" (func $say (param i32 i32)))
 * (memory (export "memory") 1) (data (i32.const 16) "hello from the guest")
 * (func (export "greet") i32.const 16 i32.const 20 call $say)
 * (func (export "babble") i32.const 70000 i32.const 1 call $say) */
static const unsigned char greet_wasm[] = {
    0,    0x61, 0x73, 0x6d, 1,    0,    0,    0,    1,    9,    2,    0x60, 2,    0x7f, 0x7f, 0,    0x60, 0,
    0,    2,    0xc,  1,    4,    0x68, 0x6f, 0x73, 0x74, 3,    0x73, 0x61, 0x79, 0,    0,    3,    3,    2,
    1,    1,    5,    3,    1,    0,    1,    7,    0x1b, 3,    6,    0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2,
    0,    5,    0x67, 0x72, 0x65, 0x65, 0x74, 0,    1,    6,    0x62, 0x61, 0x62, 0x62, 0x6c, 0x65, 0,    2,
    0xa,  0x15, 2,    8,    0,    0x41, 0x10, 0x41, 0x14, 0x10, 0,    0xb,  0xa,  0,    0x41, 0xf0, 0xa2, 4,
    0x41, 1,    0x10, 0,    0xb,  0xb,  0x1a, 1,    0,    0x41, 0x10, 0xb,  0x14, 0x68, 0x65, 0x6c, 0x6c, 0x6f,
    0x20, 0x66, 0x72, 0x6f, 0x6d, 0x20, 0x74, 0x68, 0x65, 0x20, 0x67, 0x75, 0x65, 0x73, 0x74};

struct host {
  wasm_store_t *store;
  wasm_memory_t *memory; /* the guest's, known once there is an instance */
};

/* Addresses and lengths come from the guest: nothing about them is true before it was checked. */
static wasm_trap_t *say(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  struct host *host = env;
  size_t at = (uint32_t)args->data[0].of.i32, count = (uint32_t)args->data[1].of.i32;
  size_t size = wasm_memory_data_size(host->memory);
  if (at > size || count > size - at) {
    wasm_message_t message;
    wasm_name_new_from_string_nt(&message, "say: not in memory");
    wasm_trap_t *trap = wasm_trap_new(host->store, &message);
    wasm_name_delete(&message);
    return trap;
  }
  printf("the guest says: %.*s\n", (int)count, wasm_memory_data(host->memory) + at);
  return NULL;
}

static void call(const wasm_extern_t *export) {
  wasm_val_vec_t nothing = WASM_EMPTY_VEC;
  wasm_trap_t *trap = wasm_func_call(wasm_extern_as_func_const(export), &nothing, &nothing);
  if (!trap) return;
  wasm_message_t message;
  wasm_frame_vec_t frames;
  wasm_trap_message(trap, &message);
  wasm_trap_trace(trap, &frames);
  printf("trap: %s\n", message.data);
  for (size_t i = 0; i < frames.size; i++)
    printf("  in function %u at offset 0x%zx\n", wasm_frame_func_index(frames.data[i]),
           wasm_frame_module_offset(frames.data[i]));
  wasm_frame_vec_delete(&frames);
  wasm_name_delete(&message);
  wasm_trap_delete(trap);
}

int main(void) {
  wasm_engine_t *engine = wasm_engine_new();
  struct host host = {.store = wasm_store_new(engine)};
  wasm_byte_vec_t binary = {sizeof greet_wasm, (char *)greet_wasm};
  wasm_module_t *module = wasm_module_new(host.store, &binary);

  wasm_functype_t *type = wasm_functype_new_2_0(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  wasm_func_t *func = wasm_func_new_with_env(host.store, type, say, &host, NULL);
  wasm_extern_t *given[] = {wasm_func_as_extern(func)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(given), exports;
  wasm_instance_t *instance = wasm_instance_new(host.store, module, &imports, NULL);
  if (!instance) return 1;

  wasm_instance_exports(instance, &exports); /* memory, greet, babble */
  host.memory = wasm_extern_as_memory(exports.data[0]);
  call(exports.data[1]);
  call(exports.data[2]);

  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_func_delete(func);
  wasm_functype_delete(type);
  wasm_module_delete(module);
  wasm_store_delete(host.store);
  wasm_engine_delete(engine);
  return 0;
}
