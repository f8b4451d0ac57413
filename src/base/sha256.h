/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private header of the room: between sha256.c and arch_sha256_*.c. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/base.h"

extern const uint32_t base_sha256_constants[64];
/* Works `count` blocks of 64 bytes into the state. */
typedef void base_sha256_blocks(uint32_t state[8], const uint8_t *bytes, size_t count);
base_sha256_blocks *base_sha256_plain(void);
/* With the processor's own instructions; NULL when it has none. */
base_sha256_blocks *base_sha256_fast(void);

#endif
