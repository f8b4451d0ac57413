/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The SQLite shell looks for the home directory of its user; WASI has no users. */
#ifndef COMPAT_PWD_H
#define COMPAT_PWD_H
#include <stddef.h>
struct passwd {
  char *pw_dir;
};
static inline struct passwd *getpwuid(unsigned user) { return (void)user, NULL; }
#endif
