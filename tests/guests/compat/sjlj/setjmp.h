/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Stands in for the C library's header, which older versions of WASI's C library refuse to have used. */
#ifndef COMPAT_SETJMP_H
#define COMPAT_SETJMP_H
typedef struct compat_jump { void *words[8]; } jmp_buf[1];
int setjmp(jmp_buf) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf, int);
#define setjmp setjmp
#endif
