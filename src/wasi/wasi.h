/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Door of the room `wasi`: the surfaces that guests import, thin layers over `host`.
 *
 * A `struct wasi_config` says what a guest gets: arguments, environment, standard streams, directories, sockets,
 * clocks. It starts empty: no argument, no variable, standard streams that read nothing and write nowhere, no
 * directory. A surface object (`struct wasi_p1`) is made from it for one guest and holds that guest's handles.
 *
 * Ownership: everything given to a configuration is copied or retained, and a surface keeps nothing of the
 * configuration, so it can be freed or reused. Threads: one at a time, except wasi_p1_wake; a guest with several threads
 * has a wasi_p1_thread for each one besides the first, and all of them may call at once.
 * Source: WASI 0.1, witx files of `wasi_snapshot_preview1`, and the older `wasi_unstable`. */
#ifndef WASI_WASI_H
#define WASI_WASI_H

#include "engine/engine.h"
#include "host/host.h"

/* ---- What a guest gets ------------------------------------------------------------------------------------------ */

/* A call that was refused because of missing rights. Texts are valid during the callback. */
enum wasi_denial_reason {
  WASI_DENIAL_ESCAPE,    /* the path leads out of the directory it was resolved in, or is absolute */
  WASI_DENIAL_READ_ONLY, /* the directory was granted without the right to change it */
  WASI_DENIAL_RIGHT,     /* the grant or the handle lacks the right for the call */
  WASI_DENIAL_ABSENT,    /* not among the files that were granted singly */
  WASI_DENIAL_DEVICE,    /* a device, reached through a directory */
  WASI_DENIAL_QUOTA,     /* the grant's quota is used up */
  WASI_DENIAL_NETWORK,   /* no network rule allows it */
  WASI_DENIAL_PERMIT,    /* the hook `permit` said no */
};
struct wasi_denial {
  enum wasi_denial_reason reason;
  const char *call;       /* "path_open" */
  const char *guest_path; /* the path as the guest sees it, preopened directory included, made printable; never NULL */
  const char *preopen;    /* guest path of the granted directory that the handle comes from, or of the granted file;
                             NULL: not from one */
  const char *host_path;  /* where that is on the host; NULL when it is not known */
  uint32_t rights_needed; /* enum host_right; 0 when rights would not help */
  uint32_t rights_had;    /* of the directory or file that refused */
  uint32_t rights;        /* enum wasi_right: what the call takes */
  bool is_exclusive;      /* as in wasi_access */
  const char *rule;       /* as in wasi_access, or NULL; of files only where uses are told */
  const char *listener;   /* as in wasi_access */
};

/* What a use takes: bits. A file that is opened takes several at once. */
enum wasi_right {
  WASI_RIGHT_READ = 1 << 0,   /* contents of files, texts of links */
  WASI_RIGHT_WRITE = 1 << 1,  /* contents, sizes and times of files */
  WASI_RIGHT_CREATE = 1 << 2, /* new names */
  WASI_RIGHT_REMOVE = 1 << 3, /* names that go: removed, renamed */
  WASI_RIGHT_LIST = 1 << 4,
  WASI_RIGHT_STAT = 1 << 5,   /* attributes, or only opened */
  WASI_RIGHT_LINK = 1 << 6,   /* a second name for what is there */
  WASI_RIGHT_ACCEPT = 1 << 7,
  WASI_RIGHT_CONNECT = 1 << 8,
  WASI_RIGHT_ARGS = 1 << 9,
  WASI_RIGHT_ENV = 1 << 10,
  WASI_RIGHT_CLOCK = 1 << 11,
  WASI_RIGHT_RANDOM = 1 << 12,
  WASI_RIGHT_STREAM = 1 << 13,
};
/* One use of a right, before or after it. Texts are valid during the callback. */
struct wasi_access {
  const char *call;      /* "path_open" */
  uint32_t rights;       /* enum wasi_right */
  const char *object;    /* guest path with the preopened directory, name of a variable, "stdin", "realtime", address:
                            what the guest chose, not made printable */
  const char *preopen;   /* guest path of the granted directory it is used through, or NULL */
  const char *host_path; /* what `object` is on the host, as it is named, links not followed; NULL when not known */
  const char *rule;      /* what grants or would have to: "--dir /a::/b::ro"; "default"; NULL: nothing does */
  bool is_exclusive;     /* of CREATE: a file or folder, and only if there is nothing of that name */
  enum host_kind kind;   /* of what was opened; UNKNOWN before, and otherwise */
  const char *listener;  /* address of the listening socket that a peer, the object, connected to, or NULL */
  const struct wasi_denial *denial; /* NULL: not refused for lack of rights, though it may have failed */
};

struct wasi_hooks {
  /* One line for each call of the guest, without newline: `path_open(fd=3, path="a", ...) = 0 {fd=5}`. */
  void (*trace)(void *env, const char *line);
  void *trace_env;
  void (*denied)(void *env, const struct wasi_denial *denial);
  void *denied_env;
  /* Every use of a right: each call on a path (once for each of its paths), each listing and each accepted connection; of
   * the environment (once for each variable), arguments, clocks, random source and standard streams the first use. None
   * of them runs while another, `trace` or `denied` does.
   * `permit` is asked before the use; false: it is refused with NOTCAPABLE, and a variable is left out. `accessed` is told
   * after it, with 0 or -HOST_ERROR_x. What a handle without the right refuses is told, too, and once for each handle that
   * the quota of its grant refused that the file grows, and so is each peer that the rules of the network refuse.
   * `permit` is asked about the listener: who connects is not known before. `waits` is called before a
   * thread of the guest blocks. */
  bool (*permit)(void *env, const struct wasi_access *access);
  void *permit_env;
  void (*accessed)(void *env, const struct wasi_access *access, int result);
  void (*waits)(void *env);
  void *accessed_env;
};

/* A directory, single file or device of the host and what may be done with it. All zero but the paths: nothing. */
struct wasi_grant {
  const char *host_path, *guest_path;
  uint32_t rights;           /* enum host_right; with DEVICE it has to be a device node */
  uint64_t quota_bytes;      /* by how much its files may grow altogether; 0: not limited */
  enum host_overlay_kind overlay; /* of directories */
  const char *scratch_path;  /* of HOST_OVERLAY_FOLDER */
  const char *rule;          /* what it says in messages and in the audit, such as "--dir a::b::ro"; NULL: nothing */
  const void *bytes;         /* of a file that is in memory, copied, and for reading only; host_path is not looked at then */
  size_t len_bytes;
};

struct wasi_config;
enum cay_status wasi_config_new(struct wasi_config **out, struct cay_error *error);
void wasi_config_free(struct wasi_config *config); /* NULL allowed */
/* Appends an argument; the first one is the program's name. Bytes without NUL. */
enum cay_status wasi_config_add_arg(struct wasi_config *config, const char *arg, struct cay_error *error);
/* Sets a variable, replacing an earlier value of the same name. The name may not be empty or hold '='. */
enum cay_status wasi_config_set_env(struct wasi_config *config, const char *name, const char *value,
                                    struct cay_error *error);
/* Standard stream `index` (0, 1, 2) is `object`; NULL: closed, so that the guest's calls get BADF. */
enum cay_status wasi_config_set_stdio(struct wasi_config *config, unsigned index, struct host_object *object,
                                      struct cay_error *error);
/* Standard stream `index` reads nothing and writes nowhere again, as in a new configuration. */
void wasi_config_empty_stdio(struct wasi_config *config, unsigned index);
/* The process's own descriptors 0, 1 and 2; one that is not open stays closed for the guest. */
enum cay_status wasi_config_inherit_stdio(struct wasi_config *config, struct cay_error *error);
/* Grants a directory, or a single file or device, which becomes an entry of a directory preopened at the guest path's
 * parent that holds granted files only. */
enum cay_status wasi_config_grant(struct wasi_config *config, const struct wasi_grant *grant, struct cay_error *error);
/* Preopens a directory object; of the grant only guest_path, host_path and rule are looked at, which are for messages,
 * and may be NULL but for the first. */
enum cay_status wasi_config_preopen(struct wasi_config *config, struct host_object *directory,
                                    const struct wasi_grant *grant, struct cay_error *error);
/* A socket (usually a listener), numbered after the preopened directories in the order of these calls; `rule` as of a
 * grant. */
enum cay_status wasi_config_add_socket(struct wasi_config *config, struct host_object *socket, const char *rule,
                                       struct cay_error *error);
/* What each guest's clocks show, and where its random bytes come from: as new, for each surface made afterwards. */
void wasi_config_set_clocks(struct wasi_config *config, const struct host_clocks *clocks);
void wasi_config_set_random_seed(struct wasi_config *config, uint64_t seed);
/* Files look the same on every host (host_uniform, at the time where the clocks begin), and standard streams are what
 * their contents make them, not whether they are terminals, files or pipes, nor when their bytes come: reading waits until
 * the buffer is full or the stream ends (of a terminal: for a line), and poll_oneoff finds them ready. */
void wasi_config_set_uniform(struct wasi_config *config, bool is_uniform);
/* host_object_reach of everything that is granted. */
void wasi_config_reach(const struct wasi_config *config, void (*tell)(void *env, const struct host_reach *reach), void *env);
/* Whether connections can be accepted: a socket was added, or a standard stream is one. */
bool wasi_config_accepts(const struct wasi_config *config);

/* ---- WASI 0.1 ----------------------------------------------------------------------------------------------------- */

struct wasi_p1;
/* `hooks` (NULL: none) is copied. */
enum cay_status wasi_p1_new(const struct wasi_config *config, const struct wasi_hooks *hooks, struct wasi_p1 **out,
                            struct cay_error *error);
void wasi_p1_free(struct wasi_p1 *p1); /* NULL allowed; after the store that uses it */
/* Between calls, of a surface with a budget and without other threads: it is as new, with the handles of the configuration that
 * it was made of. CAY_ERROR_MEMORY, _LIMIT: it is good for nothing but to be freed. */
enum cay_status wasi_p1_reset(struct wasi_p1 *p1, const struct wasi_config *config, struct cay_error *error);
/* From now on a budget, which is retained, counts what the guest does through its handles, the handles and the memory that
 * calls need. To be called once, before the first call. A guest that has used up what it may read, write or send ends with
 * ENGINE_TRAP_LIMIT. CAY_ERROR_LIMIT: there are more handles already. */
enum cay_status wasi_p1_set_budget(struct wasi_p1 *p1, struct base_budget *budget, struct cay_error *error);
/* Defines the functions of `wasi_snapshot_preview1` and `wasi_unstable` that `module` imports in the linker, which is a
 * handful of ninety; of NULL, all. What the linker has by their names stays. The functions work on host_memory of the
 * calling instance (its first 4 GiB when it has 64-bit addresses), end the guest with ENGINE_TRAP_EXIT (proc_exit,
 * proc_raise), and with ENGINE_TRAP_INTERRUPTED when wasi_p1_wake ended a blocking call. */
enum cay_status wasi_p1_define(struct engine_linker *linker, struct engine_store *store, struct wasi_p1 *p1,
                               const struct module *module, struct cay_error *error);
/* Before the first call: `record` gets each call, when it has ended, as bytes that say the same on every host: name,
 * arguments, result, and what it read or wrote. Of a guest with one thread. */
void wasi_p1_set_record(struct wasi_p1 *p1, void (*record)(void *env, const void *bytes, size_t len_bytes), void *env);
/* Before the first call: `said` gets what the guest writes to its standard error, before it is written, in pieces, of long
 * ones the last WASI_SAID_MAX bytes, never while a hook runs. */
enum { WASI_SAID_MAX = 4096 };
void wasi_p1_set_said(struct wasi_p1 *p1, void (*said)(void *env, const char *bytes, size_t len_bytes), void *env);
/* Ends blocking calls, now and later; for engine_store_set_wake with the wasi_p1 as env. Async-signal-safe. */
void wasi_p1_wake(void *p1);
/* Withdraws it, beside engine_interrupt_clear. */
void wasi_p1_clear(struct wasi_p1 *p1);

/* The share of another thread of the guest in the surface: its functions, and where they wait. */
struct wasi_p1_thread;
enum cay_status wasi_p1_thread_new(struct wasi_p1 *p1, struct wasi_p1_thread **out, struct cay_error *error);
void wasi_p1_thread_free(struct wasi_p1_thread *thread); /* NULL allowed; after the store that uses it */
/* As wasi_p1_define and wasi_p1_wake, for that thread and its store. */
enum cay_status wasi_p1_thread_define(struct engine_linker *linker, struct engine_store *store,
                                      struct wasi_p1_thread *thread, const struct module *module,
                                      struct cay_error *error);
void wasi_p1_thread_wake(void *thread);
/* In the hooks trace, denied, permit and accessed: the thread whose call they are told about. */
struct engine_thread *wasi_p1_teller(const struct wasi_p1 *p1);

/* Name and type of function `index` ("fd_read", params as text "iiii", result "i" or ""), for inspection and
 * documentation; false past the end. */
bool wasi_p1_function(unsigned index, const char **name, const char **params, const char **results);

#endif
