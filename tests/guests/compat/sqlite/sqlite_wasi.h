/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* SQLite's Unix layer wants users, modes and file locks; WASI has none of them. It puts some of these functions into a
 * table, so they have to be functions. The builds choose the VFS without locks ("unix-none"). */
#ifndef COMPAT_SQLITE_WASI_H
#define COMPAT_SQLITE_WASI_H
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static inline int compat_fchmod(int fd, mode_t mode) { return (void)fd, (void)mode, 0; }
static inline int compat_fchown(int fd, uid_t owner, gid_t group) { return (void)fd, (void)owner, (void)group, 0; }
static inline uid_t compat_geteuid(void) { return 0; }
#define fchmod compat_fchmod
#define fchown compat_fchown
#define geteuid compat_geteuid
#define getuid() 0
#define chmod(path, mode) 0
#define umask(mask) 0

#ifndef F_RDLCK
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#endif
#ifndef F_GETLK
#define F_GETLK 5
#define F_SETLK 6
#define F_SETLKW 7
#endif
#endif
