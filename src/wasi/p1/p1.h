/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private to WASI 0.1: the guest's handles, a running call, and the table of functions. */
#ifndef WASI_P1_P1_H
#define WASI_P1_P1_H

#include <assert.h>
#include <pthread.h>

#include "wasi/config.h"

/* ---- Numbers of the specification --------------------------------------------------------------------------------- */

enum p1_right {
  P1_FD_DATASYNC = 1 << 0, P1_FD_READ = 1 << 1, P1_FD_SEEK = 1 << 2, P1_FD_FDSTAT_SET_FLAGS = 1 << 3,
  P1_FD_SYNC = 1 << 4, P1_FD_TELL = 1 << 5, P1_FD_WRITE = 1 << 6, P1_FD_ADVISE = 1 << 7, P1_FD_ALLOCATE = 1 << 8,
  P1_PATH_CREATE_DIRECTORY = 1 << 9, P1_PATH_CREATE_FILE = 1 << 10, P1_PATH_LINK_SOURCE = 1 << 11,
  P1_PATH_LINK_TARGET = 1 << 12, P1_PATH_OPEN = 1 << 13, P1_FD_READDIR = 1 << 14, P1_PATH_READLINK = 1 << 15,
  P1_PATH_RENAME_SOURCE = 1 << 16, P1_PATH_RENAME_TARGET = 1 << 17, P1_PATH_FILESTAT_GET = 1 << 18,
  P1_PATH_FILESTAT_SET_SIZE = 1 << 19, P1_PATH_FILESTAT_SET_TIMES = 1 << 20, P1_FD_FILESTAT_GET = 1 << 21,
  P1_FD_FILESTAT_SET_SIZE = 1 << 22, P1_FD_FILESTAT_SET_TIMES = 1 << 23, P1_PATH_SYMLINK = 1 << 24,
  P1_PATH_REMOVE_DIRECTORY = 1 << 25, P1_PATH_UNLINK_FILE = 1 << 26, P1_POLL_FD_READWRITE = 1 << 27,
  P1_SOCK_SHUTDOWN = 1 << 28, P1_SOCK_ACCEPT = 1 << 29,
};
enum p1_rights_set {
  P1_RIGHTS_FILE = P1_FD_DATASYNC | P1_FD_READ | P1_FD_SEEK | P1_FD_FDSTAT_SET_FLAGS | P1_FD_SYNC | P1_FD_TELL |
                   P1_FD_WRITE | P1_FD_ADVISE | P1_FD_ALLOCATE | P1_FD_FILESTAT_GET | P1_FD_FILESTAT_SET_SIZE |
                   P1_FD_FILESTAT_SET_TIMES | P1_POLL_FD_READWRITE,
  P1_RIGHTS_FILE_WRITING = P1_FD_WRITE | P1_FD_ALLOCATE | P1_FD_FILESTAT_SET_SIZE,
  P1_RIGHTS_STREAM = P1_FD_READ | P1_FD_FDSTAT_SET_FLAGS | P1_FD_WRITE | P1_FD_FILESTAT_GET | P1_POLL_FD_READWRITE,
  P1_RIGHTS_SOCKET = P1_RIGHTS_STREAM | P1_SOCK_SHUTDOWN,
  P1_RIGHTS_LISTENER = P1_FD_FDSTAT_SET_FLAGS | P1_FD_FILESTAT_GET | P1_POLL_FD_READWRITE | P1_FD_READ |
                       P1_SOCK_SHUTDOWN | P1_SOCK_ACCEPT,
  /* Of a standard stream, whatever it is: not to change what a file held before, nor to find others through a folder. */
  P1_RIGHTS_STANDARD = P1_RIGHTS_SOCKET | P1_SOCK_ACCEPT | P1_FD_SEEK | P1_FD_TELL | P1_FD_ADVISE | P1_FD_SYNC |
                       P1_FD_DATASYNC,
  P1_RIGHTS_DIRECTORY = P1_FD_DATASYNC | P1_FD_FDSTAT_SET_FLAGS | P1_FD_SYNC | P1_PATH_CREATE_DIRECTORY |
                        P1_PATH_CREATE_FILE | P1_PATH_LINK_SOURCE | P1_PATH_LINK_TARGET | P1_PATH_OPEN |
                        P1_FD_READDIR | P1_PATH_READLINK | P1_PATH_RENAME_SOURCE | P1_PATH_RENAME_TARGET |
                        P1_PATH_FILESTAT_GET | P1_PATH_FILESTAT_SET_SIZE | P1_PATH_FILESTAT_SET_TIMES |
                        P1_FD_FILESTAT_GET | P1_FD_FILESTAT_SET_TIMES | P1_PATH_SYMLINK | P1_PATH_REMOVE_DIRECTORY |
                        P1_PATH_UNLINK_FILE,
  P1_RIGHTS_INHERITING = P1_RIGHTS_DIRECTORY | P1_RIGHTS_FILE | P1_RIGHTS_SOCKET,
};
enum p1_fdflag {
  P1_FDFLAG_APPEND = 1, P1_FDFLAG_DSYNC = 2, P1_FDFLAG_NONBLOCK = 4, P1_FDFLAG_RSYNC = 8, P1_FDFLAG_SYNC = 16,
};
enum p1_oflag { P1_OFLAG_CREAT = 1, P1_OFLAG_DIRECTORY = 2, P1_OFLAG_EXCL = 4, P1_OFLAG_TRUNC = 8 };
enum { P1_LOOKUP_FOLLOW = 1 };
enum p1_fstflag { P1_ATIM = 1, P1_ATIM_NOW = 2, P1_MTIM = 4, P1_MTIM_NOW = 8 };

/* ---- Handles --------------------------------------------------------------------------------------------------------- */

/* Counted: by the table, and by each call that uses it, so that a call of another thread may close its number. */
struct p1_handle {
  atomic_uint references;
  struct host_object *object;
  _Atomic uint32_t rights, inheriting; /* bits of enum p1_right; they only shrink */
  atomic_bool is_nonblocking; /* the guest's wish; the host's descriptor is never changed for it */
  pthread_mutex_t listing_lock;
  struct host_listing *listing;
  struct base_budget *budget; /* that counts it: the surface's; NULL: none */
  uint32_t counted_bytes;
  int32_t preopen;            /* index of the preopened directory it is or comes from; -1: none */
  int32_t socket;             /* index of the granted socket it is or was accepted from; -1: none */
  bool is_preopen;
  bool is_plain;              /* a standard stream that looks the same whatever it is */
  atomic_bool is_quota_told;
  char *guest_path;           /* of directories and files with a quota when somebody listens to denials, of all files when
                                 uses are told; otherwise, and where it is the preopen's, NULL */
  uint8_t once;               /* enum p1_once, of standard streams */
};
/* What a new handle begins with. */
struct p1_opened {
  struct host_object *object;
  uint64_t rights, inheriting;
  bool is_nonblocking, is_preopen, is_plain;
  uint8_t once;
  int32_t preopen, socket;
  char *guest_path;
};

/* Rights whose first use is told and not the later ones. */
enum p1_once {
  P1_ONCE_NONE, P1_ONCE_ARGS, P1_ONCE_ENV, P1_ONCE_RANDOM, P1_ONCE_STREAM /* + number */,
  P1_ONCE_CLOCK = P1_ONCE_STREAM + 3 /* + enum host_clock */, P1_ONCE_COUNT = P1_ONCE_CLOCK + 4,
};

/* What a thread of the guest has for itself. */
struct wasi_p1_thread {
  struct wasi_p1 *p1;
  struct host_loop *loop;
  struct base_text trace;
  struct p1_binding *bindings;
};

/* What the threads of a guest share. It is made complete before the first call; after that only the handles change,
 * under `lock`. */
struct wasi_p1 {
  pthread_mutex_t lock;
  struct p1_handle **handles; /* NULL: a free number */
  size_t handle_count, handle_capacity, lowest_free;
  struct base_budget *budget; /* NULL: nothing is counted */
  struct wasi_p1_thread main;
  BASE_VEC(struct wasi_preopen) preopens; /* with the directories of single files when somebody listens, without others */
  BASE_VEC(struct wasi_socket) sockets; /* without their objects, which the handles hold */
  struct host_clocks clocks;
  struct host_random_source random;
  struct host_uniform *uniform; /* NULL: files are as the host has them */
  /* Strings one after the other, NUL included, and how many. */
  struct base_text args, env;
  uint32_t arg_count, env_count;
  struct wasi_hooks hooks;
  bool tells, tells_uses;      /* whether denials or uses; whether uses */
  atomic_bool is_used;         /* there was a call */
  _Atomic uint32_t once_told, once_refused; /* bits 1 << enum p1_once; environment changes before its bit is set */
  pthread_mutex_t told_lock;   /* held while hooks.trace or hooks.denied runs */
  struct engine_thread *teller; /* whose call it is about */
  void (*record)(void *env, const void *bytes, size_t len_bytes); /* NULL: nobody wants to know */
  void *record_env;
  void (*said)(void *env, const char *bytes, size_t len_bytes); /* NULL: nobody listens */
  void *said_env;
};

/* A running call. */
enum { P1_HELD_MAX = 4 };
struct p1_call {
  struct wasi_p1 *p1;
  struct wasi_p1_thread *own;
  struct engine_memory *memory;
  struct engine_thread *thread;
  const struct p1_function *function;
  bool is_unstable;       /* called through wasi_unstable: some layouts differ */
  enum engine_trap trap;  /* set together with the result P1_TRAPPED */
  const uint64_t *args;
  struct p1_handle *held[P1_HELD_MAX]; /* released when the call ends, and so are the copies of paths */
  char *copies[P1_HELD_MAX];
  unsigned held_count, copy_count;
  uint32_t copied_bytes;
};
enum { P1_TRAPPED = 2 }; /* beside 0, -HOST_ERROR_x and HOST_EXHAUSTED, which ends the guest */


/* handles.c */
/* The handle stays until the end of the call, whatever becomes of its number. BADF. */
int p1_handle_get(struct p1_call *call, uint32_t fd, struct p1_handle **out);
/* ... and the rights are there: NOTCAPABLE, or ISDIR, NOTDIR, SPIPE, NOTSOCK where the kind of object is the reason. */
int p1_handle_need(struct p1_call *call, uint32_t fd, uint64_t rights, struct p1_handle **out);
/* As p1_handle_need, for the caller to release. */
int p1_handle_take(struct p1_call *call, uint32_t fd, uint64_t rights, struct p1_handle **out);
void p1_handle_release(struct p1_handle *handle); /* NULL allowed */
/* Takes over what was opened, also when it fails. */
int p1_handle_add(struct wasi_p1 *p1, const struct p1_opened *opened, uint32_t *fd);
/* MFILE when there is no room for one more now. For what has to be asked first: a connection that was accepted cannot be put
 * back. */
int p1_handle_room(struct wasi_p1 *p1);
int p1_handle_close(struct wasi_p1 *p1, uint32_t fd); /* BADF */
/* Counts a handle in the surface's budget, and its bytes unless it was granted: MFILE, NOMEM. */
int p1_handle_count(struct p1_handle *handle, struct base_budget *budget, bool is_granted);
uint64_t p1_rights_of(const struct host_object *object);
uint8_t p1_filetype(enum host_kind kind);
/* What the guest sees of it. */
static inline enum host_kind p1_kind_of(const struct p1_handle *handle) {
  return handle->is_plain ? HOST_KIND_PIPE : host_object_kind(handle->object);
}
/* Whether calls that would have to wait fail instead. Plain streams let nobody see what has to wait. */
static inline bool p1_is_impatient(const struct p1_handle *handle) {
  return handle->is_nonblocking && !handle->is_plain;
}

/* memory.c: guest memory */
/* NULL: not all inside. Other threads may change the bytes: use base_racy_load and its like. */
uint8_t *p1_range(const struct p1_call *call, uint64_t at, uint64_t len_bytes);
struct p1_buffers { struct host_buffer items[HOST_BUFFERS_MAX]; size_t count; };
int p1_buffers(const struct p1_call *call, uint32_t iovecs, uint32_t count, struct p1_buffers *out);
/* Cuts `done_bytes` off the front; true while something is left. */
bool p1_buffers_advance(struct p1_buffers *buffers, size_t *first, size_t done_bytes);
/* The path of the pointer argument and the length behind it: a copy where other threads may change it. */
int p1_path(struct p1_call *call, unsigned argument, struct host_path *out);

/* wait.c */
/* Ends the call with the trap INTERRUPTED: returns P1_TRAPPED. */
int p1_interrupted(struct p1_call *call);
/* Blocks until the object is ready. 0, or P1_TRAPPED when the guest was interrupted, or an error. */
int p1_wait(struct p1_call *call, struct host_object *object, enum host_interest interest);

/* use.c: telling uses and denials */
/* A use of rights: of a path in a directory, or of `object`. */
struct p1_use {
  struct p1_handle *handle;
  struct host_path path;
  const char *object;    /* instead of a path: NULL */
  const char *rule;      /* of an object */
  const char *listener;  /* of a peer */
  uint32_t rights;       /* enum wasi_right */
  uint32_t host_rights;  /* enum host_right that it takes */
  bool is_exclusive;
  enum host_kind kind;
};
int p1_permit_asked(struct p1_call *call, const struct p1_use *use);
int p1_used_told(struct p1_call *call, const struct p1_use *use, int result);
int p1_once_told(struct p1_call *call, enum p1_once once);
/* Before the use: 0, or NOTCAPABLE, which has been told then. */
static inline int p1_permit(struct p1_call *call, const struct p1_use *use) {
  return BASE_LIKELY(!call->p1->hooks.permit) ? 0 : p1_permit_asked(call, use);
}
/* After it. Returns `result`. */
static inline int p1_used(struct p1_call *call, const struct p1_use *use, int result) {
  return BASE_LIKELY(!call->p1->tells) ? result : p1_used_told(call, use, result);
}
/* Both, for what is told once: 0, or NOTCAPABLE. */
static inline int p1_once(struct p1_call *call, enum p1_once once) {
  struct wasi_p1 *shared = call->p1;
  if (BASE_LIKELY(!shared->tells_uses) || once == P1_ONCE_NONE) return 0;
  if (!(atomic_load_explicit(&shared->once_told, memory_order_acquire) >> once & 1)) return p1_once_told(call, once);
  return atomic_load_explicit(&shared->once_refused, memory_order_relaxed) >> once & 1 ? -HOST_ERROR_NOTCAPABLE : 0;
}
/* Before a thread of the guest blocks. */
static inline void p1_waits(const struct p1_call *call) {
  const struct wasi_hooks *hooks = &call->p1->hooks;
  if (BASE_UNLIKELY(hooks->waits != NULL)) hooks->waits(hooks->accessed_env);
}
/* What makes a file grow has ended: a refusal by the quota of its grant is told, once for each handle. Returns `result`. */
int p1_grown_told(struct p1_call *call, struct p1_handle *handle, int result);
static inline int p1_grown(struct p1_call *call, struct p1_handle *handle, int result) {
  return BASE_LIKELY(result != -HOST_ERROR_DQUOT) ? result : p1_grown_told(call, handle, result);
}
/* A peer was refused by the rules of the network. */
void p1_peer_refused(struct p1_call *call, const struct p1_use *use);
/* A handle lacked rights (enum p1_right). Returns `result`. */
int p1_handle_denied(struct p1_call *call, struct p1_handle *handle, uint64_t missing, int result);
/* The path of something beneath a directory as the guest sees it; NULL when memory is out. */
char *p1_guest_path(const struct wasi_p1 *p1, const struct p1_handle *directory, struct host_path path);

/* uniform.c: a run that must not depend on the host. */
/* What the guest may know of attributes: `stat` as it is, or made uniform. */
int p1_uniform_stat(struct p1_call *call, const struct p1_handle *handle, struct host_stat *stat);
/* Whether a uniform run has no such place in a file: file systems end at different ones. */
bool p1_is_too_far(const struct p1_call *call, const struct p1_handle *handle, uint64_t place);
/* Around the removal of a name (by unlinking, or by renaming over it). */
struct p1_removed {
  struct host_stat stat;
  bool is_known;
};
struct p1_removed p1_before_removal(struct p1_call *call, const struct p1_use *target);
void p1_after_removal(struct p1_call *call, const struct p1_removed *removed, int result);

/* record.c: tells p1->record of a call that has ended. */
void p1_record(const struct p1_call *call, int result);
/* Tells p1->said what is about to be written through a handle, when that is standard error. */
void p1_say(struct p1_call *call, const struct p1_handle *handle, const struct p1_buffers *buffers);

/* trace.c */
void p1_trace_begin(struct p1_call *call);
void p1_trace_end(struct p1_call *call, int result);

/* Around a hook that may ask whose call it is. */
void p1_telling(struct p1_call *call);
void p1_told(struct p1_call *call);

/* ---- The table of functions -------------------------------------------------------------------------------------------- */

/* name, parameters, result, and the parameters' names and kinds for --trace, in order: f handle, u 32-bit number,
 * U 64-bit number, I signed 64-bit number, p path (pointer and length), v buffers (pointer and count), x pointer,
 * c clock, w whence, o oflags, l lookup flags, d fdflags, R rights, t fstflags. After '=': results in guest memory, =u
 * 32-bit, =U 64-bit, =f handle; their pointers are the parameters in that place. */
#define P1_FUNCTIONS(X)                                                                                                \
  X(args_get, "ii", "i", "argv:x argv_buf:x")                                                                          \
  X(args_sizes_get, "ii", "i", "argc:=u argv_buf_size:=u")                                                             \
  X(environ_get, "ii", "i", "environ:x environ_buf:x")                                                                 \
  X(environ_sizes_get, "ii", "i", "count:=u buf_size:=u")                                                              \
  X(clock_res_get, "ii", "i", "id:c resolution:=U")                                                                    \
  X(clock_time_get, "iIi", "i", "id:c precision:U time:=U")                                                            \
  X(fd_advise, "iIIi", "i", "fd:f offset:U len:U advice:u")                                                            \
  X(fd_allocate, "iII", "i", "fd:f offset:U len:U")                                                                    \
  X(fd_close, "i", "i", "fd:f")                                                                                        \
  X(fd_datasync, "i", "i", "fd:f")                                                                                     \
  X(fd_fdstat_get, "ii", "i", "fd:f stat:x")                                                                           \
  X(fd_fdstat_set_flags, "ii", "i", "fd:f flags:d")                                                                    \
  X(fd_fdstat_set_rights, "iII", "i", "fd:f rights_base:R rights_inheriting:R")                                        \
  X(fd_filestat_get, "ii", "i", "fd:f stat:x")                                                                         \
  X(fd_filestat_set_size, "iI", "i", "fd:f size:U")                                                                    \
  X(fd_filestat_set_times, "iIIi", "i", "fd:f atim:U mtim:U fst_flags:t")                                              \
  X(fd_pread, "iiiIi", "i", "fd:f iovs:v offset:U nread:=u")                                                           \
  X(fd_prestat_get, "ii", "i", "fd:f prestat:x")                                                                       \
  X(fd_prestat_dir_name, "iii", "i", "fd:f path:x path_len:u")                                                         \
  X(fd_pwrite, "iiiIi", "i", "fd:f iovs:v offset:U nwritten:=u")                                                       \
  X(fd_read, "iiii", "i", "fd:f iovs:v nread:=u")                                                                      \
  X(fd_readdir, "iiiIi", "i", "fd:f buf:x buf_len:u cookie:U bufused:=u")                                              \
  X(fd_renumber, "ii", "i", "fd:f to:f")                                                                               \
  X(fd_seek, "iIii", "i", "fd:f offset:I whence:w newoffset:=U")                                                       \
  X(fd_sync, "i", "i", "fd:f")                                                                                         \
  X(fd_tell, "ii", "i", "fd:f offset:=U")                                                                              \
  X(fd_write, "iiii", "i", "fd:f iovs:v nwritten:=u")                                                                  \
  X(path_create_directory, "iii", "i", "fd:f path:p")                                                                  \
  X(path_filestat_get, "iiiii", "i", "fd:f flags:l path:p stat:x")                                                     \
  X(path_filestat_set_times, "iiiiIIi", "i", "fd:f flags:l path:p atim:U mtim:U fst_flags:t")                          \
  X(path_link, "iiiiiii", "i", "old_fd:f old_flags:l old_path:p new_fd:f new_path:p")                                  \
  X(path_open, "iiiiiIIii", "i",                                                                                       \
    "fd:f dirflags:l path:p oflags:o rights_base:R rights_inheriting:R fdflags:d fd:=f")                               \
  X(path_readlink, "iiiiii", "i", "fd:f path:p buf:x buf_len:u bufused:=u")                                            \
  X(path_remove_directory, "iii", "i", "fd:f path:p")                                                                  \
  X(path_rename, "iiiiii", "i", "fd:f old_path:p new_fd:f new_path:p")                                                 \
  X(path_symlink, "iiiii", "i", "old_path:p fd:f new_path:p")                                                          \
  X(path_unlink_file, "iii", "i", "fd:f path:p")                                                                       \
  X(poll_oneoff, "iiii", "i", "in:x out:x nsubscriptions:u nevents:=u")                                                \
  X(proc_exit, "i", "", "rval:u")                                                                                      \
  X(proc_raise, "i", "i", "sig:u")                                                                                     \
  X(random_get, "ii", "i", "buf:x buf_len:u")                                                                          \
  X(sched_yield, "", "i", "")                                                                                          \
  X(sock_accept, "iii", "i", "fd:f flags:d fd:=f")                                                                     \
  X(sock_recv, "iiiiii", "i", "fd:f ri_data:v ri_flags:u nread:=u ro_flags:x")                                         \
  X(sock_send, "iiiii", "i", "fd:f si_data:v si_flags:u nwritten:=u")                                                  \
  X(sock_shutdown, "ii", "i", "fd:f how:u")

struct p1_function {
  const char *name, *params, *results, *arguments;
  int (*run)(struct p1_call *call);
};
extern const struct p1_function p1_functions[];
extern const unsigned p1_function_count;

static inline uint32_t p1_u32(const struct p1_call *call, unsigned index) {
  assert(index < strlen(call->function->params) && call->function->params[index] == 'i');
  return (uint32_t)call->args[index];
}
static inline uint64_t p1_u64(const struct p1_call *call, unsigned index) {
  assert(index < strlen(call->function->params) && call->function->params[index] == 'I');
  return call->args[index];
}

#define X(name, params, results, arguments) int p1_##name(struct p1_call *call);
P1_FUNCTIONS(X)
#undef X

/* What a defined function's env points to. */
struct p1_binding {
  struct wasi_p1_thread *own;
  const struct p1_function *function;
  bool is_unstable;
};

#endif
