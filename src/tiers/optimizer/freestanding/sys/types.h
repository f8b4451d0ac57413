/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* As string.h beside it. */
#ifndef TIERS_OPTIMIZER_FREESTANDING_TYPES_H
#define TIERS_OPTIMIZER_FREESTANDING_TYPES_H

#include <stddef.h>

typedef ptrdiff_t ssize_t;
typedef long off_t;

#endif
