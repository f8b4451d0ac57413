/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The functions of WASI 0.1 as they are imported: pointers and lengths apart, so that tests can pass anything. With
 * -DWASI_UNSTABLE they come from `wasi_unstable`, whose layouts differ in three places; this header hides that. */
#ifndef GUESTS_RAW_H
#define GUESTS_RAW_H

#include <stdint.h>
#include <string.h>
#include <wasi/api.h>

#ifdef WASI_UNSTABLE
#define RAW_MODULE "wasi_unstable"
enum { RAW_CUR, RAW_END, RAW_SET };
enum { RAW_FILESTAT_BYTES = 56, RAW_SUBSCRIPTION_BYTES = 56 };
#else
#define RAW_MODULE "wasi_snapshot_preview1"
enum { RAW_SET, RAW_CUR, RAW_END };
enum { RAW_FILESTAT_BYTES = 64, RAW_SUBSCRIPTION_BYTES = 48 };
#endif

#define RAW(name, ...) __attribute__((import_module(RAW_MODULE), import_name(#name))) int32_t raw_##name(__VA_ARGS__)

RAW(args_get, void *, void *);
RAW(args_sizes_get, void *, void *);
RAW(environ_get, void *, void *);
RAW(environ_sizes_get, void *, void *);
RAW(clock_res_get, uint32_t, void *);
RAW(clock_time_get, uint32_t, uint64_t, void *);
RAW(fd_advise, uint32_t, uint64_t, uint64_t, uint32_t);
RAW(fd_allocate, uint32_t, uint64_t, uint64_t);
RAW(fd_close, uint32_t);
RAW(fd_datasync, uint32_t);
RAW(fd_fdstat_get, uint32_t, void *);
RAW(fd_fdstat_set_flags, uint32_t, uint32_t);
RAW(fd_fdstat_set_rights, uint32_t, uint64_t, uint64_t);
RAW(fd_filestat_get, uint32_t, void *);
RAW(fd_filestat_set_size, uint32_t, uint64_t);
RAW(fd_filestat_set_times, uint32_t, uint64_t, uint64_t, uint32_t);
RAW(fd_pread, uint32_t, const void *, uint32_t, uint64_t, void *);
RAW(fd_prestat_get, uint32_t, void *);
RAW(fd_prestat_dir_name, uint32_t, void *, uint32_t);
RAW(fd_pwrite, uint32_t, const void *, uint32_t, uint64_t, void *);
RAW(fd_read, uint32_t, const void *, uint32_t, void *);
RAW(fd_readdir, uint32_t, void *, uint32_t, uint64_t, void *);
RAW(fd_renumber, uint32_t, uint32_t);
RAW(fd_seek, uint32_t, int64_t, uint32_t, void *);
RAW(fd_sync, uint32_t);
RAW(fd_tell, uint32_t, void *);
RAW(fd_write, uint32_t, const void *, uint32_t, void *);
RAW(path_create_directory, uint32_t, const void *, uint32_t);
RAW(path_filestat_get, uint32_t, uint32_t, const void *, uint32_t, void *);
RAW(path_filestat_set_times, uint32_t, uint32_t, const void *, uint32_t, uint64_t, uint64_t, uint32_t);
RAW(path_link, uint32_t, uint32_t, const void *, uint32_t, uint32_t, const void *, uint32_t);
RAW(path_open, uint32_t, uint32_t, const void *, uint32_t, uint32_t, uint64_t, uint64_t, uint32_t, void *);
RAW(path_readlink, uint32_t, const void *, uint32_t, void *, uint32_t, void *);
RAW(path_remove_directory, uint32_t, const void *, uint32_t);
RAW(path_rename, uint32_t, const void *, uint32_t, uint32_t, const void *, uint32_t);
RAW(path_symlink, const void *, uint32_t, uint32_t, const void *, uint32_t);
RAW(path_unlink_file, uint32_t, const void *, uint32_t);
RAW(poll_oneoff, const void *, void *, uint32_t, void *);
RAW(proc_raise, uint32_t);
RAW(random_get, void *, uint32_t);
RAW(sched_yield, void);
RAW(sock_recv, uint32_t, const void *, uint32_t, uint32_t, void *, void *);
RAW(sock_send, uint32_t, const void *, uint32_t, uint32_t, void *);
RAW(sock_shutdown, uint32_t, uint32_t);
__attribute__((import_module(RAW_MODULE), import_name("proc_exit"))) _Noreturn void raw_proc_exit(uint32_t);
/* wasi_unstable never had it. */
__attribute__((import_module("wasi_snapshot_preview1"), import_name("sock_accept"))) int32_t raw_sock_accept(uint32_t,
                                                                                                             uint32_t,
                                                                                                             void *);

/* A path argument: pointer and length. */
#define P(text) (text), (uint32_t)strlen(text)

/* What fd_filestat_get and path_filestat_get wrote. */
struct raw_stat {
  uint64_t device, inode, links, size, atim, mtim, ctim;
  uint8_t type;
};

static inline uint64_t raw_load(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  memcpy(&value, at, (size_t)bytes);
  return value;
}

static inline struct raw_stat raw_stat_of(const unsigned char *bytes) {
  struct raw_stat stat = {.device = raw_load(bytes, 8), .inode = raw_load(bytes + 8, 8), .type = bytes[16]};
#ifdef WASI_UNSTABLE
  stat.links = raw_load(bytes + 20, 4);
  bytes += 24;
#else
  stat.links = raw_load(bytes + 24, 8);
  bytes += 32;
#endif
  stat.size = raw_load(bytes, 8);
  stat.atim = raw_load(bytes + 8, 8);
  stat.mtim = raw_load(bytes + 16, 8);
  stat.ctim = raw_load(bytes + 24, 8);
  return stat;
}

static inline void raw_store(unsigned char *at, uint64_t value, int bytes) { memcpy(at, &value, (size_t)bytes); }

/* A subscription to a clock; flag 1: the timeout is absolute. */
static inline void raw_subscribe_clock(unsigned char *at, uint64_t userdata, uint32_t clock, uint64_t timeout,
                                       uint16_t flags) {
  memset(at, 0, RAW_SUBSCRIPTION_BYTES);
  raw_store(at, userdata, 8);
#ifdef WASI_UNSTABLE
  raw_store(at + 16, userdata, 8);
  at += 8;
#endif
  raw_store(at + 16, clock, 4);
  raw_store(at + 24, timeout, 8);
  raw_store(at + 40, flags, 2);
}

/* A subscription to a handle; type 1: readable, 2: writable. */
static inline void raw_subscribe_fd(unsigned char *at, uint64_t userdata, uint8_t type, uint32_t fd) {
  memset(at, 0, RAW_SUBSCRIPTION_BYTES);
  raw_store(at, userdata, 8);
  at[8] = type;
  raw_store(at + 16, fd, 4);
}

struct raw_event {
  uint64_t userdata, bytes;
  uint16_t error, flags;
  uint8_t type;
};
enum { RAW_EVENT_BYTES = 32 };

static inline struct raw_event raw_event_of(const unsigned char *at) {
  return (struct raw_event){.userdata = raw_load(at, 8),
                            .error = (uint16_t)raw_load(at + 8, 2),
                            .type = at[10],
                            .bytes = raw_load(at + 16, 8),
                            .flags = (uint16_t)raw_load(at + 24, 2)};
}

#endif
