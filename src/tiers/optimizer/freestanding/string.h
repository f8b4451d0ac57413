/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the semantic functions, and headers that they come with, ask of <string.h>, for processors whose C library is not here. */
#ifndef TIERS_OPTIMIZER_FREESTANDING_STRING_H
#define TIERS_OPTIMIZER_FREESTANDING_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *left, const void *right, size_t count);
size_t strlen(const char *text);
int strcmp(const char *left, const char *right);

#endif
