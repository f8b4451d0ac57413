/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What Lua's libraries use and WASI lacks: processes and temporary files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int system(const char *command) { return command ? -1 : 0; }
FILE *tmpfile(void) {
  errno = ENOTSUP;
  return NULL;
}
char *tmpnam(char *name) {
  (void)name;
  return NULL;
}
