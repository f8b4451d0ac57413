/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The functions that clang calls for setjmp and longjmp when it makes exceptions of them (its option
 * -wasm-enable-sjlj). A jump is thrown with the tag __c_longjmp, its value the address of what is to be returned where. */
#include <stdint.h>

struct jump {
  void *activation; /* of the function that called setjmp */
  uint32_t call;    /* which of its calls */
  struct {
    void *target;
    int value;
  } thrown;
};

void __wasm_setjmp(struct jump *jump, uint32_t call, void *activation) {
  jump->activation = activation;
  jump->call = call;
}

uint32_t __wasm_setjmp_test(struct jump *jump, void *activation) {
  return jump->activation == activation ? jump->call : 0;
}

_Noreturn void __wasm_longjmp(struct jump *jump, int value) {
  jump->thrown.target = jump;
  jump->thrown.value = value ? value : 1;
  __builtin_wasm_throw(1, &jump->thrown);
}
