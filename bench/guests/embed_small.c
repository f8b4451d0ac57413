/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* For `./x bench embed`: a small reactor of WASI 0.1, one call of which writes to one page of its memory. */
#include <stdio.h>

static volatile char page[4096] = {1};

__attribute__((export_name("touch"))) int touch(int value) { return page[128] = (char)value; }

__attribute__((export_name("say"))) void say(void) { puts("hello"); }
