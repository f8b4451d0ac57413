/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* For `./x bench embed`: functions that do next to nothing, so that what is measured is the call. */
__attribute__((import_module("host"), import_name("tick"))) int tick(int value);

__attribute__((export_name("add"))) int add(int a, int b) { return a + b; }

__attribute__((export_name("ticks"))) int ticks(int count) {
  int value = 0;
  for (int i = 0; i < count; i++) value = tick(value);
  return value;
}
