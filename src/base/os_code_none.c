/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Systems on which no tier makes machine code. */
#include "base/base.h"

bool base_code_take(size_t bytes, struct base_code_chunk *out) { return false; }
void base_code_give(const struct base_code_chunk *chunk) {}
bool base_code_publish(const struct base_code_chunk *chunk, size_t offset, size_t bytes) { return false; }
size_t base_code_granule(void) { return 1; }
bool base_code_is_writable(void) { return false; }
uint8_t *base_code_arena(void) { return NULL; }
size_t base_code_arena_bytes(void) { return 0; }
enum base_code_change base_code_change(void) { return BASE_CODE_NOTHING; }
bool base_code_contains(uintptr_t address) { return false; }
void base_code_set_single(bool is_single) {}
bool base_code_may_run(void) { return false; }
