/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* bzip2 copies owner and mode to its output; WASI has neither. */
#ifndef COMPAT_BZIP2_H
#define COMPAT_BZIP2_H
#include <sys/stat.h>
#include <unistd.h>
#define chmod(path, mode) 0
#define chown(path, owner, group) 0
#define fchmod(fd, mode) 0
#define fchown(fd, owner, group) 0
#endif
