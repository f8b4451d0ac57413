/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Stands in for the C library's header, which refuses to be included without exception handling. The build defines
 * Lua's throw as a trap, so that nothing of it is called. */
#ifndef COMPAT_SETJMP_H
#define COMPAT_SETJMP_H
typedef int jmp_buf[1];
#endif
