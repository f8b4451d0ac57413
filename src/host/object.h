/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private to `host`: what an object is made of, and what the files of this room share. */
#ifndef HOST_OBJECT_H
#define HOST_OBJECT_H

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "host/host.h"

_Static_assert(sizeof(off_t) == 8, "files may be larger than 2 GiB");

enum { HOST_LINKS_MAX = 40, HOST_PATH_BYTES = 4096 };

/* An entry of a synthetic directory: a name in a directory of the host. */
struct host_synthetic_entry {
  char *name;
  char *host_name; /* of one in memory: its own */
  char *host_path; /* as it was granted, for messages; NULL: it is in memory */
  char *rule;      /* NULL: none */
  struct host_quota *quota;
  int directory_fd; /* -1: it is in memory */
  int memory_fd;    /* where; -1: it is the host's */
  uint32_t rights;
  bool looks_first; /* as of an object */
};
struct host_synthetic { BASE_VEC(struct host_synthetic_entry) entries; };

/* Bytes in memory that stand in for a pipe, or who has them. */
struct host_bytes {
  pthread_mutex_t lock;
  host_transfer transfer; /* NULL: they are here */
  void *env;
  char *bytes;
  size_t len_bytes, capacity, limit_bytes, position;
  bool discards;
};

struct host_quota;
struct host_quota_file;
struct host_overlay;
struct host_overlaid;

struct host_object {
  atomic_uint references;
  enum host_kind kind;
  uint8_t rights;
  _Atomic uint8_t flags;
  uint8_t granted;       /* rights of the grant it comes from, whatever it was opened for */
  uint8_t resolver;      /* enum host_resolver, of directories */
  bool owns_fd;          /* opened by us, so that its flags are ours to change and it is closed with the object */
  bool is_nonblocking;   /* the descriptor has O_NONBLOCK */
  atomic_bool no_nowait; /* the kernel cannot read or write it with RWF_NOWAIT: poll first */
  bool is_terminal;
  _Atomic uint64_t ordinary_device; /* of directories: what lies on it is not on procfs; 0: not known yet */
  bool is_output;        /* what is written counts as output */
  bool looks_first;      /* a directory: device nodes may be in it, so that what is opened is looked at before */
  int fd;                /* -1: synthetic or in memory */
  struct host_synthetic *synthetic;
  struct host_bytes *memory;
  struct base_budget *budget; /* retained; NULL: nothing is counted */
  struct host_object *origin; /* retained; owns everything but the budget, where this is its counted twin; or NULL */
  struct host_network *network;       /* whose rules judge its peers; NULL: none */
  struct host_peers *peers;           /* of bound UDP sockets */
  struct host_lookup *lookup;         /* of the pipe that a name's addresses come through */
  struct host_quota *quota;           /* of its grant; NULL: none */
  struct host_quota_file *quota_file; /* of a regular file of a grant with a quota */
  struct host_overlaid *overlaid;     /* of directories of an overlay; NULL: none */
};

/* A new object that owns `fd` when `owns_fd`; on failure the descriptor is closed then. NULL: out of memory. */
struct host_object *host_object_new(int fd, bool owns_fd, enum host_kind kind, uint32_t rights);
enum host_kind host_kind_of_mode(mode_t mode);
void host_stat_fill(const struct stat *from, struct host_stat *out);
int host_failed(void); /* -host error of errno */
/* Resolves up to HOST_BUFFERS_MAX buffers; false when one is not there. */
bool host_iovecs(const struct host_buffer *buffers, size_t count, struct iovec *out, int *out_count);
/* Whether the descriptor is ready for one of `events` (or broken), without waiting. */
bool host_poll_now(int fd, short events);
/* Gives what was opened from `from` its budget. */
void host_object_inherit(struct host_object *object, const struct host_object *from);

/* ---- forbidden.c -------------------------------------------------------------------------------------------------- */

/* Whether the descriptor, or what has the name (links are not followed), is a folder that no grant reaches; whether the
 * descriptor is one or lies in one; and whether one lies beneath it. */
bool host_is_forbidden(int fd);
bool host_is_forbidden_name(int directory, const char *name);
bool host_is_in_forbidden(int fd);
bool host_is_above_forbidden(int fd);

/* ---- count.c: budgets ------------------------------------------------------------------------------------------- */

/* Around an operation that moves bytes. _begin cuts the buffers to what may be moved: for writes, which it pays for in
 * advance, to what is left of the budget; for reads to one byte more, which tells the end of what is read from that of
 * the budget. The second is HOST_EXHAUSTED when nothing is left, or less than a datagram. _end is given what the operation returned, and returns what it shall. */
struct host_count {
  struct base_budget *budget; /* NULL: nothing is counted */
  uint64_t wanted_bytes, paid_bytes;
  enum base_limit limits[3];  /* of writes */
  unsigned limit_count;       /* 0: reads */
  enum base_limit tightest;
};
void host_count_read(struct host_count *count, const struct host_object *object, struct iovec *iovecs, int *iovec_count);
int host_count_write(struct host_count *count, const struct host_object *object, struct iovec *iovecs,
                     int *iovec_count);
int host_count_end(struct host_count *count, int result, size_t *done_bytes);
/* The iovecs that are left of the first `limit_bytes` bytes. */
int host_cut(struct iovec *iovecs, int count, uint64_t limit_bytes);

/* ---- resolve.c: paths ------------------------------------------------------------------------------------------- */

/* A directory of an overlay is two (overlay.c); any other one is all `upper`. -1: not there. */
struct host_layers { int upper, lower; };

/* The last component of a path and the directory that holds it. It holds the lock of an overlay. */
enum host_last { HOST_LAST_NAME, HOST_LAST_SELF /* ".", "..", "a/." : a directory without a name to operate on */ };
struct host_place {
  const struct host_object *root;
  struct host_overlay *overlay; /* borrowed; NULL: none */
  struct host_layers layers;    /* borrowed from the root or owned */
  bool owns_layers;
  int parent;                   /* the layer where the last component is, or would be; -1: it is the synthetic root, or in memory */
  int memory;                   /* of a file in memory: where; -1: it is none */
  bool walks;               /* resolved by the walker, whatever the kernel could */
  bool wants_directory;     /* a trailing slash */
  enum host_last last_kind; /* SELF: `parent` is the directory itself */
  uint32_t rights;
  bool looks_first;         /* as of an object */
  struct host_quota *quota; /* borrowed, of a single file; otherwise the root's */
  unsigned links;           /* followed so far */
  const char *last;
  char text[HOST_PATH_BYTES];
  char directory[HOST_PATH_BYTES]; /* in an overlay: the layers' path from its root */
};
/* Of a place that may be left before it is found. */
static inline void host_place_init(struct host_place *place) {
  place->owns_layers = false;
  place->overlay = NULL;
}
int host_place_find(const struct host_object *root, struct host_path path, struct host_place *out);
int host_place_walk(const struct host_object *root, struct host_path path, struct host_place *out); /* by the walker */
/* When the last component is a link, goes to where it leads; returns 1 then, 0 when it is none, or an error. */
int host_place_follow(struct host_place *place);
/* host_place_follow until the last component is no link. */
int host_place_follow_all(struct host_place *place);
void host_place_deinit(struct host_place *place);
static inline void host_place_auto_deinit(struct host_place *place) { host_place_deinit(place); }
#define HOST_AUTO_PLACE __attribute__((cleanup(host_place_auto_deinit))) struct host_place
/* A new entry is paid for before it is made; what was not made costs nothing. The second returns `result`. */
bool host_pay_for_entry(const struct host_object *directory);
int host_entry_made(const struct host_object *directory, int result);
/* 0 when the right is there; without it, ROFS for changes where one may read, and NOTCAPABLE. */
int host_need(uint32_t rights, enum host_right right);
/* True when openat2 shall resolve paths of this directory. */
bool host_resolves_in_kernel(const struct host_object *directory);
/* openat2 beneath the directory: a descriptor or -host error; *unavailable when the kernel cannot. */
int host_open_beneath(const struct host_object *directory, const char *path, int flags, mode_t mode,
                      bool *unavailable);

/* ---- procfs.c: the folders of processes ------------------------------------------------------------------------- */

/* Whether the name in the directory is a process's, which no path may lead through. */
bool host_is_process(int directory, const char *name);
/* Whether what was opened from `directory` lies on procfs. */
bool host_leads_to_procfs(struct host_object *directory, int fd, const struct stat *status);
/* Whether what is open as `fd` belongs to this process by its path, which holds no links. */
bool host_is_own_process(int fd, const char *real_path);

/* ---- quota.c: by how much files may grow ------------------------------------------------------------------------- */

struct host_quota;
struct host_quota *host_quota_new(uint64_t limit_bytes); /* NULL: no memory */
struct host_quota *host_quota_retain(struct host_quota *quota); /* NULL allowed */
void host_quota_release(struct host_quota *quota);              /* NULL allowed */
uint64_t host_quota_used(struct host_quota *quota);
bool host_quota_has_refused(const struct host_quota *quota);
/* A regular file was opened; before its object goes, host_quota_closed. What is kept of it is MEMORY of the budget: NOMEM. */
int host_quota_opened(struct host_quota *quota, const struct stat *status, struct base_budget *budget,
                      struct host_quota_file **out);
void host_quota_closed(struct host_quota *quota, struct host_quota_file *file);
/* Around what changes the position or the flags of a file: the lock, when the file has a quota. */
struct host_quota *host_quota_lock(const struct host_object *object);
void host_quota_unlock(struct host_quota *locked); /* NULL allowed */
/* Around what takes the name of a file away: a descriptor, and what to do with it afterwards. */
int host_quota_watch(const struct host_quota *quota, int directory, const char *name);
void host_quota_watched(struct host_quota *quota, int watched);
/* Around what changes the length of a file with a quota, which is locked between them. */
struct host_growth { uint64_t size_before, at, allowed_bytes; };
/* A write of len_bytes at `offset`, -1: where the file stands. At most allowed_bytes may be written, at `at`; DQUOT. */
int host_growth_begin(struct host_object *object, int64_t offset, uint64_t len_bytes, struct host_growth *growth);
/* A new length: all of it or DQUOT. */
int host_resize_begin(struct host_object *object, uint64_t len_bytes, struct host_growth *growth);
void host_growth_end(struct host_object *object, const struct host_growth *growth, uint64_t size_after);

/* ---- os_linux.c: what POSIX does not have ------------------------------------------------------------------------- */

enum { HOST_OS_UNAVAILABLE = -2 };
/* Flags that open a directory for looking names up in it only. */
extern const int host_os_directory_flags;
/* Flags that open a file only as a name for what it is. */
extern const int host_os_name_flags;
/* As fstat, but in no case by a call that takes a name: a filter of system calls could not tell an empty name. */
int host_os_stat(int fd, struct stat *out);
/* A descriptor, -1 with errno, or HOST_OS_UNAVAILABLE. Leading out of `directory` is EXDEV, and when it `stays`, another
 * mount, too. */
int host_os_open_beneath(int directory, const char *path, int flags, mode_t mode, bool stays);
/* Whether device nodes are made on the directory's file system, and can be opened there: /dev is such a one. */
bool host_os_holds_devices(int directory);
/* As readv and writev without waiting: EAGAIN when it would, EOPNOTSUPP when the descriptor cannot say. */
ssize_t host_os_read_nowait(int fd, const struct iovec *iovecs, int count);
ssize_t host_os_write_nowait(int fd, const struct iovec *iovecs, int count);
/* A file in memory with these bytes, which can be read only; -1 with errno. */
int host_os_memory_file(const void *bytes, size_t len_bytes);
/* It once more, standing at its beginning: a descriptor, or -host error. */
int host_os_reopen(int fd, int flags);
/* A new file system in memory without a name, or -1 with errno: mostly, this needs a privilege. */
int host_os_memory_folder(uint64_t len_bytes, uint64_t files);
bool host_os_is_procfs(int fd); /* true as well when nobody can tell */
int host_os_allocate(int fd, off_t offset, off_t len_bytes);
ssize_t host_os_random(void *bytes, size_t len_bytes);
/* Reads directory records from where the descriptor stands; 0 at the end, -1 with errno. */
ssize_t host_os_read_directory(int fd, char *records, size_t capacity);
struct host_os_record { uint64_t inode, next_cookie; const char *name; size_t len_bytes, record_bytes; mode_t mode; };
/* The first record of `records`; mode 0 when the file system does not tell. */
void host_os_record(const char *records, struct host_os_record *out);

#endif
