/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A reactor: _initialize first, then exported functions. */
#include "check.h"

static int value = 1;

__attribute__((constructor)) static void prepare(void) { value = 41; }
__attribute__((export_name("answer"))) int answer(void) { return value + 1; }
__attribute__((export_name("add"))) int64_t add(int32_t a, int64_t b) { return a + b; }
__attribute__((export_name("half"))) double half(double x) { return x / 2; }
__attribute__((export_name("speak"))) void speak(void) { puts("spoken"); }
