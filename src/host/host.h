/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Door of the room `host`: the capability core. It knows no wasm; the WASI surfaces stand on it.
 *
 * Objects. A file, directory, pipe, terminal or socket is a `struct host_object` that carries its rights. Rights only
 * shrink: what is opened from an object has at most the object's rights, and nothing adds one. There is no ambient
 * access: every path is resolved beneath a directory object. Only the functions under "Grants" take names of the
 * host's own file system; they are for whoever configures a run, never for a surface.
 *
 * Results. Operations return 0, -HOST_ERROR_x, HOST_PENDING, or HOST_EXHAUSTED. Pending means that nothing was done
 * because the object is not ready: wait for it (host_loop_wait; readable for reads and accepts, writable for writes) and
 * call again. Operations on regular files and directories are done inline and never pend. Exhausted means that a budget
 * ended the operation after what was left of it, which is told as if it had succeeded: the guest has to end.
 *
 * Signals. Writing to a pipe without readers raises SIGPIPE, as it does natively, unless the process ignores it; then it
 * is PIPE. Sockets never raise it.
 *
 * Ownership: objects are reference-counted. Threads: an object may be used by several threads at once, as descriptors
 * can; what grants and configures is for one thread, before that. A listing or a loop is used by one thread at a time,
 * except that host_loop_wake may be called from any thread or signal handler. */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include "base/base.h"

/* ---- Errors ---------------------------------------------------------------------------------------------------- */

/* One table: name, the C library's errno, WASI 0.1's errno, text for people. */
#define HOST_ERRORS(X)                                                         \
  X(2BIG, E2BIG, 1, "argument list too long")                                  \
  X(ACCES, EACCES, 2, "permission denied")                                     \
  X(ADDRINUSE, EADDRINUSE, 3, "address in use")                                \
  X(ADDRNOTAVAIL, EADDRNOTAVAIL, 4, "address not available")                   \
  X(AFNOSUPPORT, EAFNOSUPPORT, 5, "address family not supported")              \
  X(AGAIN, EAGAIN, 6, "resource temporarily unavailable")                      \
  X(ALREADY, EALREADY, 7, "connection already in progress")                    \
  X(BADF, EBADF, 8, "bad file descriptor")                                     \
  X(BADMSG, EBADMSG, 9, "bad message")                                         \
  X(BUSY, EBUSY, 10, "device or resource busy")                                \
  X(CANCELED, ECANCELED, 11, "operation cancelled")                            \
  X(CHILD, ECHILD, 12, "no child processes")                                   \
  X(CONNABORTED, ECONNABORTED, 13, "connection aborted")                       \
  X(CONNREFUSED, ECONNREFUSED, 14, "connection refused")                       \
  X(CONNRESET, ECONNRESET, 15, "connection reset")                             \
  X(DEADLK, EDEADLK, 16, "resource deadlock would occur")                      \
  X(DESTADDRREQ, EDESTADDRREQ, 17, "destination address required")             \
  X(DOM, EDOM, 18, "argument out of domain of function")                       \
  X(DQUOT, EDQUOT, 19, "disk quota exceeded")                                  \
  X(EXIST, EEXIST, 20, "file exists")                                          \
  X(FAULT, EFAULT, 21, "bad address")                                          \
  X(FBIG, EFBIG, 22, "file too large")                                         \
  X(HOSTUNREACH, EHOSTUNREACH, 23, "host is unreachable")                      \
  X(IDRM, EIDRM, 24, "identifier removed")                                     \
  X(ILSEQ, EILSEQ, 25, "illegal byte sequence")                                \
  X(INPROGRESS, EINPROGRESS, 26, "operation in progress")                      \
  X(INTR, EINTR, 27, "interrupted")                                            \
  X(INVAL, EINVAL, 28, "invalid argument")                                     \
  X(IO, EIO, 29, "input/output error")                                         \
  X(ISCONN, EISCONN, 30, "socket is connected")                                \
  X(ISDIR, EISDIR, 31, "is a directory")                                       \
  X(LOOP, ELOOP, 32, "too many levels of symbolic links")                      \
  X(MFILE, EMFILE, 33, "too many open files")                                  \
  X(MLINK, EMLINK, 34, "too many links")                                       \
  X(MSGSIZE, EMSGSIZE, 35, "message too large")                                \
  X(MULTIHOP, EMULTIHOP, 36, "multihop attempted")                             \
  X(NAMETOOLONG, ENAMETOOLONG, 37, "file name too long")                       \
  X(NETDOWN, ENETDOWN, 38, "network is down")                                  \
  X(NETRESET, ENETRESET, 39, "connection aborted by network")                  \
  X(NETUNREACH, ENETUNREACH, 40, "network unreachable")                        \
  X(NFILE, ENFILE, 41, "too many open files in system")                        \
  X(NOBUFS, ENOBUFS, 42, "no buffer space available")                          \
  X(NODEV, ENODEV, 43, "no such device")                                       \
  X(NOENT, ENOENT, 44, "no such file or directory")                            \
  X(NOEXEC, ENOEXEC, 45, "executable file format error")                       \
  X(NOLCK, ENOLCK, 46, "no locks available")                                   \
  X(NOLINK, ENOLINK, 47, "link has been severed")                              \
  X(NOMEM, ENOMEM, 48, "not enough memory")                                    \
  X(NOMSG, ENOMSG, 49, "no message of the desired type")                       \
  X(NOPROTOOPT, ENOPROTOOPT, 50, "protocol not available")                     \
  X(NOSPC, ENOSPC, 51, "no space left on device")                              \
  X(NOSYS, ENOSYS, 52, "function not supported")                               \
  X(NOTCONN, ENOTCONN, 53, "socket is not connected")                          \
  X(NOTDIR, ENOTDIR, 54, "not a directory")                                    \
  X(NOTEMPTY, ENOTEMPTY, 55, "directory not empty")                            \
  X(NOTRECOVERABLE, ENOTRECOVERABLE, 56, "state not recoverable")              \
  X(NOTSOCK, ENOTSOCK, 57, "not a socket")                                     \
  X(NOTSUP, EOPNOTSUPP, 58, "not supported")                                   \
  X(NOTTY, ENOTTY, 59, "inappropriate I/O control operation")                  \
  X(NXIO, ENXIO, 60, "no such device or address")                              \
  X(OVERFLOW, EOVERFLOW, 61, "value too large")                                \
  X(OWNERDEAD, EOWNERDEAD, 62, "previous owner died")                          \
  X(PERM, EPERM, 63, "operation not permitted")                                \
  X(PIPE, EPIPE, 64, "broken pipe")                                            \
  X(PROTO, EPROTO, 65, "protocol error")                                       \
  X(PROTONOSUPPORT, EPROTONOSUPPORT, 66, "protocol not supported")             \
  X(PROTOTYPE, EPROTOTYPE, 67, "protocol wrong type for socket")               \
  X(RANGE, ERANGE, 68, "result too large")                                     \
  X(ROFS, EROFS, 69, "read-only file system")                                  \
  X(SPIPE, ESPIPE, 70, "cannot seek")                                          \
  X(SRCH, ESRCH, 71, "no such process")                                        \
  X(STALE, ESTALE, 72, "stale file handle")                                    \
  X(TIMEDOUT, ETIMEDOUT, 73, "timed out")                                      \
  X(TXTBSY, ETXTBSY, 74, "text file busy")                                     \
  X(XDEV, EXDEV, 75, "cross-device link")                                      \
  X(NOTCAPABLE, 0, 76, "not granted") /* a right is missing, or a path leads out of its directory */

enum host_error {
  HOST_OK = 0,
#define X(NAME, errno_name, p1, text) HOST_ERROR_##NAME,
  HOST_ERRORS(X)
#undef X
  HOST_ERROR_COUNT
};
enum { HOST_PENDING = 1, HOST_EXHAUSTED = 16 /* and the enum base_limit that is used up */ };
static inline bool host_is_exhausted(int result) { return result >= HOST_EXHAUSTED; }
static inline enum base_limit host_exhausted(int result) { return (enum base_limit)(result - HOST_EXHAUSTED); }

/* The error of an errno value; IO for values the table lacks. */
enum host_error host_error_of_errno(int errno_value);
const char *host_error_text(enum host_error error); /* "no such file or directory" */
const char *host_error_name(enum host_error error); /* "ENOENT" */
uint16_t host_error_p1(enum host_error error);      /* WASI 0.1's number */

/* ---- Buffers --------------------------------------------------------------------------------------------------- */

/* Memory of a guest, named so that it may move between an operation's attempts: resolve gives the address of
 * `len_bytes` bytes at `offset` of the owner, or NULL when they are not all there. */
struct host_buffer {
  void *owner;
  void *(*resolve)(void *owner, uint64_t offset, uint64_t len_bytes);
  uint64_t offset, len_bytes;
};
enum { HOST_BUFFERS_MAX = 1024 }; /* of one operation; later ones are left for the next call, as IOV_MAX does */

/* Bytes of a path, not NUL-terminated; see "Paths beneath a directory". */
struct host_path { const char *bytes; size_t len_bytes; };

/* ---- Objects --------------------------------------------------------------------------------------------------- */

enum host_right {
  HOST_RIGHT_READ = 1,    /* read contents and attributes, follow links, open for reading */
  HOST_RIGHT_WRITE = 2,   /* change contents, size and times of files */
  HOST_RIGHT_MUTATE = 4,  /* make, remove, rename and link entries of directories; comes with CREATE */
  HOST_RIGHT_LIST = 8,    /* read the names in directories */
  HOST_RIGHT_CREATE = 16, /* make new files, which can be written through the handle that made them, and directories */
  HOST_RIGHT_DEVICE = 32, /* open device nodes: of single files only, never of directories */
  HOST_RIGHTS_READ_ONLY = HOST_RIGHT_READ | HOST_RIGHT_LIST,
  HOST_RIGHTS_CREATE_ONLY = HOST_RIGHT_CREATE,
  HOST_RIGHTS_ALL = 31, /* without DEVICE */
};

enum host_kind {
  HOST_KIND_UNKNOWN,
  HOST_KIND_BLOCK_DEVICE,
  HOST_KIND_CHARACTER_DEVICE,
  HOST_KIND_DIRECTORY,
  HOST_KIND_REGULAR,
  HOST_KIND_DATAGRAM_SOCKET,
  HOST_KIND_STREAM_SOCKET,
  HOST_KIND_LISTENER, /* a stream socket that accepts */
  HOST_KIND_SYMLINK,
  HOST_KIND_PIPE,
};

struct host_object;
struct host_object *host_object_retain(struct host_object *object);
void host_object_release(struct host_object *object); /* closes with the last reference; NULL allowed */
enum host_kind host_object_kind(const struct host_object *object);
uint32_t host_object_rights(const struct host_object *object);
bool host_object_is_terminal(const struct host_object *object);
/* Takes away every right that is not in `keep`. */
void host_object_shrink(struct host_object *object, uint32_t keep);

/* The same object with rights and flags of its own, whose use a budget counts, and so is the use of what is opened,
 * accepted and listed from it: READ, WRITTEN (storage that is allocated, too), SENT by sockets, CREATED (refused with
 * DQUOT), MEMORY of listings. `is_output`: what is written counts as OUTPUT as well. NULL: out of memory. */
struct host_object *host_object_counted(struct host_object *object, struct base_budget *budget, bool is_output);

/* ---- Grants: for whoever configures a run ------------------------------------------------------------------------ */

/* Opens a directory of the host's file system (links are followed) as a capability. */
enum cay_status host_grant_directory(const char *host_path, uint32_t rights, struct host_object **out,
                                     struct cay_error *error);
/* By how many bytes the files beneath a directory may grow altogether, through everything that is opened from it: before
 * that. A write is cut to what is left, then it is DQUOT; what a file took is given back when it shrinks or goes. */
enum cay_status host_directory_set_quota(struct host_object *directory, uint64_t limit_bytes, struct cay_error *error);
uint64_t host_object_quota_used(const struct host_object *object); /* 0 without a quota */
bool host_object_has_quota(const struct host_object *object);      /* of a file: that of its grant */
/* Whether the object's quota has refused something, so that DQUOT was not the host's own. */
bool host_object_quota_refused(const struct host_object *object);
enum { HOST_OVERLAY_MEMORY_BYTES = 256 << 20 }; /* how much an overlay in memory holds where nobody says it */
/* Where changes beneath a directory go. */
enum host_overlay_kind {
  HOST_OVERLAY_NONE,   /* to the directory itself */
  HOST_OVERLAY_MEMORY, /* to memory, and away with the last object that comes from it */
  HOST_OVERLAY_FOLDER, /* to a folder of the host, where they stay */
};
/* From now on changes beneath a directory of the host go to the folder `scratch_path`, which is made when it does not
 * exist, is for one run at a time and neither lies in the directory nor holds it; or, NULL, to `memory_bytes` of memory, and
 * away with the last object that comes from it. The directory itself stays as it is. Before a quota is set and the directory used. What
 * a file is copied for its first change counts as growth of a quota and as WRITTEN of a budget. overlay.c tells how an
 * overlay differs from one directory. SYSTEM, ARGUMENT; UNSUPPORTED: this process may not make a file system in memory. */
enum cay_status host_directory_set_overlay(struct host_object *directory, const char *scratch_path,
                                           uint64_t memory_bytes, struct cay_error *error);
/* What `host_path` is, links followed. */
enum cay_status host_path_kind(const char *host_path, enum host_kind *out, struct cay_error *error);
/* A directory that exists only for the guest and holds only the entries added to it; it cannot be changed. */
enum cay_status host_grant_synthetic(struct host_object **out, struct cay_error *error);
/* A single file of the host, or with DEVICE a device node. */
struct host_file_grant {
  const char *host_path; /* told of what is in memory: NULL */
  uint32_t rights;      /* READ, WRITE, DEVICE */
  uint64_t quota_bytes; /* as of host_directory_set_quota; 0: not limited */
  const char *rule;     /* what granted it, for messages; NULL: nothing to tell */
};
/* Puts a file of the host into a synthetic directory as `name`. The grant is for the name: a file that replaces it later
 * is reached, a link that replaces it is not followed. Whoever confines the process to what host_object_reach tells (the
 * command does) confines it to the file that was there then: one that replaces it is refused (ACCES). */
enum cay_status host_grant_file(struct host_object *synthetic, const char *name, const struct host_file_grant *grant,
                                struct cay_error *error);
/* The same of bytes that are copied, a file which can be read only. */
enum cay_status host_grant_bytes(struct host_object *synthetic, const char *name, const void *bytes, size_t len_bytes,
                                 const char *rule, struct cay_error *error);
/* The grant of the file `name` of a synthetic directory, as it was made; false when there is none. The texts live as
 * long as the directory. */
bool host_granted_file(const struct host_object *directory, struct host_path name, struct host_file_grant *out);
/* Descriptor `fd` of this process (0, 1, 2 or one passed in), which stays open: rights are READ and/or WRITE, as far as
 * it is open for them; SYSTEM when it is not open for any. */
enum cay_status host_grant_fd(int fd, uint32_t rights, struct host_object **out, struct cay_error *error);
/* A listening TCP socket at "127.0.0.1:8080", "[::1]:8080" or "0.0.0.0:0" (numbers only, no name lookup). */
enum cay_status host_grant_listener(const char *address, struct host_object **out, struct cay_error *error);
/* "127.0.0.1:43567", of a listener or socket; false when it has none. */
bool host_object_address(const struct host_object *object, char *out, size_t capacity);
/* Bytes kept in memory as a readable object, and a writable one that collects up to a limit (NOSPC after); never pend. */
enum cay_status host_memory_reader(const void *bytes, size_t len_bytes, struct host_object **out,
                                   struct cay_error *error);
enum cay_status host_memory_writer(size_t limit_bytes, struct host_object **out, struct cay_error *error);
/* A stream that somebody has: reads up to `len_bytes` into `bytes`, 0 being the end, or takes as many of them; negative: IO. It
 * is called with at least one byte, by one thread at a time, and may make the caller wait, which nothing ends. */
typedef ptrdiff_t (*host_transfer)(void *env, void *bytes, size_t len_bytes);
enum cay_status host_stream(uint32_t right, host_transfer transfer, void *env, struct host_object **out,
                            struct cay_error *error);
/* Takes everything that is written and keeps nothing. */
enum cay_status host_memory_sink(struct host_object **out, struct cay_error *error);
/* What a memory writer holds; valid until the next write, so no other thread may write meanwhile. */
const char *host_memory_bytes(const struct host_object *object, size_t *len_bytes);

/* A folder that no grant of this process reaches, neither as one nor through one above it. Before the grants are made; it may
 * be closed afterwards. Any thread. False: there are HOST_FORBIDDEN_MAX others, or it cannot be told which one it is. */
enum { HOST_FORBIDDEN_MAX = 8 };
bool host_forbid(int folder);

/* What of the host's file system an object reaches by names, for whoever confines the process: directories, and single
 * files of a synthetic one. `tell` is called for each; a file that has gone meanwhile is left out. */
struct host_reach {
  int fd; /* names it; whoever is told closes it when owns_fd */
  bool owns_fd, is_directory;
  uint32_t rights;
};
void host_object_reach(const struct host_object *object, void (*tell)(void *env, const struct host_reach *reach), void *env);

/* Which path resolver a directory and everything opened from it uses. AUTO: the kernel's (openat2) where it exists. */
enum host_resolver { HOST_RESOLVER_AUTO, HOST_RESOLVER_KERNEL, HOST_RESOLVER_WALKER };
void host_directory_set_resolver(struct host_object *directory, enum host_resolver resolver);

/* ---- Reading and writing ------------------------------------------------------------------------------------------- */

/* Each is one system call with all buffers. `*done_bytes` may be short; 0 bytes from a read is the end. At most
 * HOST_BUFFERS_MAX buffers are used. FAULT when a buffer does not resolve; NOTCAPABLE without the right. */
int host_read(struct host_object *object, const struct host_buffer *buffers, size_t count, size_t *done_bytes);
int host_write(struct host_object *object, const struct host_buffer *buffers, size_t count, size_t *done_bytes);
int host_read_at(struct host_object *object, const struct host_buffer *buffers, size_t count, uint64_t offset,
                 size_t *done_bytes);
int host_write_at(struct host_object *object, const struct host_buffer *buffers, size_t count, uint64_t offset,
                  size_t *done_bytes);

enum host_whence { HOST_SEEK_SET, HOST_SEEK_CURRENT, HOST_SEEK_END };
int host_seek(struct host_object *object, int64_t delta, enum host_whence whence, uint64_t *position);
int host_sync(struct host_object *object, bool contents_only);
enum host_advice { HOST_ADVICE_NORMAL, HOST_ADVICE_SEQUENTIAL, HOST_ADVICE_RANDOM, HOST_ADVICE_WILL_NEED,
                   HOST_ADVICE_DONT_NEED, HOST_ADVICE_NO_REUSE };
int host_advise(struct host_object *object, uint64_t offset, uint64_t len_bytes, enum host_advice advice);
/* Makes sure the file has storage for the range, growing it when needed. */
int host_allocate(struct host_object *object, uint64_t offset, uint64_t len_bytes);
int host_set_size(struct host_object *object, uint64_t len_bytes);

enum host_flag { HOST_FLAG_APPEND = 1, HOST_FLAG_DSYNC = 2, HOST_FLAG_RSYNC = 4, HOST_FLAG_SYNC = 8 };
uint32_t host_object_flags(const struct host_object *object);
/* APPEND can be changed on files opened through a directory; anything else is NOTSUP. */
int host_set_flags(struct host_object *object, uint32_t flags);

/* ---- Attributes ---------------------------------------------------------------------------------------------------- */

struct host_stat {
  uint64_t device, inode, links, size_bytes;
  int64_t access_ns, modify_ns, change_ns; /* since 1970 */
  enum host_kind kind;
};
enum host_time_action { HOST_TIME_KEEP, HOST_TIME_NOW, HOST_TIME_SET };
struct host_time { enum host_time_action action; uint64_t ns; };
int host_stat(struct host_object *object, struct host_stat *out);
/* ROFS when the object was opened in a directory without WRITE. */
int host_set_times(struct host_object *object, struct host_time access, struct host_time modify);

/* ---- Paths beneath a directory ---------------------------------------------------------------------------------------- */

/* `path` is bytes, not NUL-terminated, with '/' between components; it may not contain NUL (INVAL), be empty (NOENT) or
 * lead out of `directory` at any moment, by "..", absolute or through links (NOTCAPABLE). A trailing slash asks for a
 * directory. `follow` says whether a link in the last place is followed. Changes to directories without MUTATE or files
 * without WRITE: ROFS when the directory was granted for reading only. */

enum host_open_flag {
  HOST_OPEN_FOLLOW = 1, HOST_OPEN_CREATE = 2, HOST_OPEN_EXCLUSIVE = 4, HOST_OPEN_TRUNCATE = 8, HOST_OPEN_DIRECTORY = 16,
};
struct host_open {
  uint32_t open_flags;   /* enum host_open_flag */
  uint32_t access;       /* READ and/or WRITE */
  uint32_t object_flags; /* enum host_flag */
};
/* Never blocks, whatever kind of file it is. A file has `access` as its rights; a directory has those of `directory`,
 * and opening one for writing is ISDIR. */
int host_open_at(struct host_object *directory, struct host_path path, const struct host_open *how,
                 struct host_object **out);
int host_stat_at(struct host_object *directory, struct host_path path, bool follow, struct host_stat *out);
int host_set_times_at(struct host_object *directory, struct host_path path, bool follow, struct host_time access,
                      struct host_time modify);
int host_make_directory_at(struct host_object *directory, struct host_path path);
int host_remove_directory_at(struct host_object *directory, struct host_path path);
int host_unlink_at(struct host_object *directory, struct host_path path);
/* The new name may not give rights that the old one did not have (NOTCAPABLE). */
int host_rename_at(struct host_object *from_directory, struct host_path from, struct host_object *to_directory,
                   struct host_path to);
int host_link_at(struct host_object *from_directory, struct host_path from, bool follow,
                 struct host_object *to_directory, struct host_path to);
/* The target is stored as it is unless it is absolute (NOTCAPABLE); following it is what is checked. */
int host_symlink_at(struct host_path target, struct host_object *directory, struct host_path path);
/* Up to `capacity` bytes, without NUL; a longer target is cut. */
int host_read_link_at(struct host_object *directory, struct host_path path, char *out, size_t capacity,
                      size_t *len_bytes);

struct host_uniform;
struct host_entry {
  uint64_t next_cookie; /* reads the entry after this one */
  uint64_t inode;       /* 0: not told */
  enum host_kind kind;
  const char *name;     /* valid until the next call on the listing */
  size_t len_bytes;
};
/* A reader of a directory's names, with its own position; needs LIST. It keeps the directory. `uniform`, which outlives
 * it: names come in the order of their bytes, as they were when the entry at 0 was read last; NULL: as the host has them. */
struct host_listing;
int host_listing_open(struct host_object *directory, struct host_uniform *uniform, struct host_listing **out);
void host_listing_close(struct host_listing *listing); /* NULL allowed */
/* The entry at `cookie`; 0 is the first. "." and ".." are included. *found is false at the end. Reading an entry again
 * or the one after it costs no system call most of the time; any other cookie is looked up. */
int host_listing_read(struct host_listing *listing, uint64_t cookie, struct host_entry *out, bool *found);

/* What files look like where a run must not depend on the host: inodes are numbered from 1 in the order in which they are
 * seen, devices are 0, all times are one moment, directories have no size. Any thread. */
struct host_uniform *host_uniform_new(uint64_t time_ns); /* since 1970; NULL: no memory */
/* Before it is used: what is kept of files is MEMORY of the budget, NOMEM without it. */
void host_uniform_set_budget(struct host_uniform *uniform, struct base_budget *budget);
void host_uniform_free(struct host_uniform *uniform);    /* NULL allowed */
int host_uniform_stat(struct host_uniform *uniform, struct host_stat *stat);
/* After something was removed: `stat`, as the host told it before. */
void host_uniform_forget(struct host_uniform *uniform, const struct host_stat *stat);

/* ---- Sockets ------------------------------------------------------------------------------------------------------------ */

/* Who connects. */
struct host_peer {
  char address[64]; /* "192.0.2.1:50000"; "" when nobody does, or it has none */
  const char *rule; /* of the listener's network that decided, or NULL; lives as long as the listener */
  bool is_refused;
};
/* The new socket can be read and written. A peer that the rules do not allow is dropped, and HOST_PENDING returned, however
 * many more there are: they may never stop coming. `peer` may be NULL. */
int host_accept(struct host_object *listener, struct host_object **out, struct host_peer *peer);
/* What is only looked at (`peek`) counts as read, too. UDP sockets receive as by host_receive_from. */
struct host_receive { bool peek, wait_all, truncated /* out */; };
int host_receive(struct host_object *socket, const struct host_buffer *buffers, size_t count,
                 struct host_receive *how, size_t *done_bytes);
int host_send(struct host_object *socket, const struct host_buffer *buffers, size_t count, size_t *done_bytes);
/* A listener has no connection: NOTCONN. */
int host_shutdown(struct host_object *socket, bool reading, bool writing);

/* ---- Network ------------------------------------------------------------------------------------------------------------- */

/* What a program may do on the network: a list of rules, and the one place where connecting, listening and accepting is
 * judged by them. A rule that denies wins over every rule that allows, wherever they stand; what no rule allows is
 * denied. Addresses that are private (loopback, link-local, RFC 1918, carrier-grade NAT, unique local, multicast,
 * unspecified, and IPv6 addresses that carry such a one) can be connected to only by rules that name them: an address, a
 * range within one of theirs, the name localhost, or HOST_NET_PRIVATE. Names are allowed by their text and looked up
 * once; afterwards the name stands for the addresses it had then. */
enum host_net_protocol { HOST_NET_TCP = 1, HOST_NET_UDP = 2 };
enum host_net_direction {
  HOST_NET_CONNECT = 1, /* the host and port that are connected or sent to */
  HOST_NET_LISTEN = 2,  /* the own address and port that are listened or received on */
  HOST_NET_ACCEPT = 4,  /* the address of a peer, and the own port; without rules that allow, everybody is accepted */
};
enum host_net_what {
  HOST_NET_ANY,         /* every address that is not private, every name; of LISTEN and ACCEPT: every address */
  HOST_NET_NAME,        /* "example.org"; "*.example.org": names that end so; only of CONNECT */
  HOST_NET_RANGE,       /* an address and how many of its bits count */
  HOST_NET_PRIVATE,     /* all private addresses */
};
struct host_net_address {
  bool is_v6;
  uint8_t bytes[16]; /* the first 4 of an IPv4 address; an IPv4 address is never written as an IPv6 one */
  uint16_t port;
  uint32_t scope; /* interface of a link-local IPv6 address, or 0 */
};
/* "127.0.0.1:80" or "[::1]:80". */
bool host_net_address_parse(const char *text, struct host_net_address *out);
struct host_net_rule {
  bool denies;
  uint8_t directions, protocols; /* bits of the enums */
  enum host_net_what what;
  const char *name;
  struct host_net_address address;
  uint8_t prefix_bits;
  uint16_t port_first, port_last;
  const char *rule; /* the text, for messages and the audit */
};
struct host_network;
enum cay_status host_network_new(struct host_network **out, struct cay_error *error);
struct host_network *host_network_retain(struct host_network *network);
void host_network_release(struct host_network *network); /* NULL allowed */
/* Adds a rule, whose texts are copied; before the network is used. */
enum cay_status host_network_add(struct host_network *network, const struct host_net_rule *rule,
                                 struct cay_error *error);
/* Tells every rule, in order. */
void host_network_each_rule(const struct host_network *network,
                            void (*tell)(void *env, const struct host_net_rule *rule), void *env);

/* Names. A lookup is an object that becomes readable when its answer is there, at the latest HOST_LOOKUP_MS after it was
 * begun, so that it is waited for like everything else. Who knows the answer writes it into a pipe: */
enum { HOST_LOOKUP_MS = 15 * 1000 };
/* Sees to it that host_network_answer is called for `name` and `fd`, by whom and where it likes, and returns at once: 0 or
 * -HOST_ERROR_x. `fd` is borrowed; the answer is that there is none when its last copy is closed. Any thread. */
typedef int host_net_resolver(void *env, const char *name, int fd);
/* While nobody uses the network. Without one (NULL), a new thread of this process answers. */
void host_network_set_resolver(struct host_network *network, host_net_resolver *resolve, void *env);
/* For resolvers: asks the system for `name`, if the rules allow that, leaves out what they do not allow to be connected to, and
 * writes what is left to `fd`. May take as long as it likes. */
void host_network_answer(const struct host_network *network, const char *name, int fd);
/* For resolvers that know better: an answer of their own, 0 or -HOST_ERROR_x. Only the first 32 addresses count. */
void host_network_answer_with(int fd, int result, const struct host_net_address *addresses, size_t count);

/* Each of these returns NOTCAPABLE when the rules do not allow it. `*rule` (NULL allowed) is the text of the rule that
 * decided, or NULL when none did; it lives as long as the network. Any thread. */
/* Begins to look `name` up. Nobody is asked for an address in text form, for localhost and for a name whose answer is
 * known. INVAL: it is no name. */
int host_network_lookup(struct host_network *network, const char *name, struct host_object **out, const char **rule);
/* 0 and the first `capacity` addresses (without ports), or HOST_PENDING. The answer is kept: what it leads to may be
 * connected to by the rules that name it, and every later lookup of the name gives the same. Private addresses are left
 * out unless rules name them; when nothing is left: NOTCAPABLE. NOENT: there is no such name. AGAIN, TIMEDOUT: there was
 * no answer. By one thread at a time. */
int host_lookup_finish(struct host_object *lookup, struct host_net_address *out, size_t capacity, size_t *count);
/* A TCP socket that is connected or connecting: host_connect_finish tells, once it is writable. */
int host_network_connect(struct host_network *network, const struct host_net_address *address,
                         struct host_object **out, const char **rule);
/* 0: connected; HOST_PENDING; or why it failed. */
int host_connect_finish(struct host_object *socket);
/* A listening TCP socket; port 0 lets the system choose and needs a rule for port 0 or for all ports. */
int host_network_listen(struct host_network *network, const struct host_net_address *address,
                        struct host_object **out, const char **rule);
/* A UDP socket. With an address it is bound to it, which needs a rule to listen; NULL: to any, for sending. */
int host_network_datagram(struct host_network *network, const struct host_net_address *address, bool is_v6,
                          struct host_object **out, const char **rule);
/* Sends one datagram to where the rules allow to connect to, or, from a bound socket, to the last ones that it received from
 * where no rule denies them, and receives one from where they do, or, on a bound socket,
 * from those that it may accept; others are dropped unseen. */
int host_send_to(struct host_object *socket, const struct host_buffer *buffers, size_t count,
                 const struct host_net_address *to, size_t *done_bytes, const char **rule);
int host_receive_from(struct host_object *socket, const struct host_buffer *buffers, size_t count,
                      struct host_receive *how, struct host_net_address *from, size_t *done_bytes);

/* ---- Clocks, random ---------------------------------------------------------------------------------------------------- */

enum host_clock { HOST_CLOCK_REALTIME, HOST_CLOCK_MONOTONIC, HOST_CLOCK_PROCESS_CPU, HOST_CLOCK_THREAD_CPU };
int host_clock_now(enum host_clock clock, uint64_t *ns);
int host_clock_resolution(enum host_clock clock, uint64_t *ns);
void host_yield(void); /* lets other threads run */
/* Cryptographically secure bytes. */
int host_random(void *bytes, size_t len_bytes);

/* What a guest sees of the clocks. All zero: the host's own. Any thread may read them at any time. */
enum host_clocks_kind {
  HOST_CLOCKS_REAL,
  HOST_CLOCKS_FIXED,    /* they stand: the real time at realtime_ns, the others at one second */
  HOST_CLOCKS_COARSE,   /* the host's, rounded down to multiples of step_ns */
  HOST_CLOCKS_STEPPING, /* as FIXED, but each reading moves all of them on by step_ns, and waiting does without waiting */
};
struct host_clocks {
  enum host_clocks_kind kind;
  uint64_t realtime_ns, step_ns;
  _Atomic uint64_t elapsed_ns; /* of STEPPING; starts at 0 */
};
int host_clocks_now(struct host_clocks *clocks, enum host_clock clock, uint64_t *ns);
int host_clocks_resolution(const struct host_clocks *clocks, enum host_clock clock, uint64_t *ns);
/* STEPPING: moves the clocks on by `ns` and returns true: the time has passed. False: who waits has to wait. */
bool host_clocks_skip(struct host_clocks *clocks, uint64_t ns);

/* What a guest gets as random bytes. All zero: host_random. Seeded: the same bytes for the same seed, however they are
 * asked for in parts; anybody can foretell them. Any thread. */
struct host_random_source {
  bool is_seeded;
  uint64_t seed;
  _Atomic uint64_t used_bytes; /* starts at 0 */
};
int host_random_fill(struct host_random_source *source, void *bytes, size_t len_bytes);

/* ---- Event loop --------------------------------------------------------------------------------------------------------- */

enum host_interest { HOST_READABLE = 1, HOST_WRITABLE = 2 };
struct host_wait {
  struct host_object *object;
  uint8_t interest;         /* enum host_interest */
  uint8_t ready;            /* out: the interests that are ready */
  bool hangup;              /* out: the other end is closed */
  enum host_error error;    /* out: HOST_OK unless the object is broken */
};
#define HOST_NO_DEADLINE UINT64_MAX

struct host_loop;
enum cay_status host_loop_new(struct host_loop **out, struct cay_error *error);
/* Counts what waiting needs; before the first wait. */
void host_loop_set_budget(struct host_loop *loop, struct base_budget *budget);
void host_loop_free(struct host_loop *loop);
/* Waits until at least one of `waits` is ready, HOST_CLOCK_MONOTONIC reaches `deadline_ns`, or the loop is woken.
 * Returns how many are ready (0: deadline), -INTR when woken, or another error. A deadline of 0 only looks. */
int host_loop_wait(struct host_loop *loop, struct host_wait *waits, size_t count, uint64_t deadline_ns);
/* Makes the current and every later wait return -INTR until host_loop_clear. Any thread, any signal handler. */
void host_loop_wake(struct host_loop *loop);
void host_loop_clear(struct host_loop *loop);
bool host_loop_woken(const struct host_loop *loop);
/* How many bytes an object can be read without waiting; 0 when the system does not say. */
uint64_t host_readable_bytes(struct host_object *object);

#endif
