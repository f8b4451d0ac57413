/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* cay.h: run WebAssembly programs from C and C++.
 *
 *   struct cay_error error;
 *   cay_engine *engine; cay_module *module; cay_wasi *wasi; cay_run *run;
 *   cay_engine_new(NULL, &engine, &error);
 *   cay_module_load_file(engine, "hello.wasm", &module, &error);
 *   cay_wasi_new(&wasi, &error);
 *   cay_wasi_add_arg(wasi, "hello", &error);
 *   cay_wasi_set_stdio(wasi, 1, CAY_STDIO_INHERIT, -1, &error);
 *   cay_run_new(module, wasi, &run, &error);
 *   if (cay_run_start(run, &error) == CAY_OK) printf("exit code %u\n", cay_run_result(run)->exit_code);
 *   cay_run_free(run); cay_wasi_free(wasi); cay_module_release(module); cay_engine_free(engine);
 *
 * Rights. A program gets what its `cay_wasi` holds and nothing else: it starts with no argument, no environment
 * variable, standard streams that are empty, no directory and no socket.
 *
 * Errors. A function that can fail returns `enum cay_status` and takes, last, a `struct cay_error *` (cay_error.h) that
 * the caller owns; NULL is allowed. It is written only on failure, and so are the out parameters only on success.
 *
 * Ownership. What a `_new` or `_load` function gives is the caller's, who ends it with the matching `_free` or
 * `_release`; both take NULL. All texts and bytes that are passed in are copied unless a comment says otherwise. What is
 * returned as `const` belongs to the object it came from and lives as long, unless a comment says shorter.
 *
 * Threads. Engines and modules may be used from several threads at once; cay_engine_config, cay_wasi and cay_run by one
 * thread at a time, except that cay_run_interrupt may be called from any thread and any signal handler.
 *
 * Misuse. What a comment forbids or asks for, and has no error, ends the process with a sentence that says what was wrong, in a
 * library with assertions (meson's -Db_ndebug=false). In one without, what happens then is not defined.
 *
 * Signals. Running a program installs process-wide handlers for SIGSEGV and SIGBUS, which pass on every fault that is
 * not a guest's. Where the optimizing tier is used, there is one for SIGURG, too, which interrupts it and passes on every
 * signal; threads that run guests should leave it unblocked. Writing to a closed pipe raises SIGPIPE unless the process
 * ignores it; cay leaves that to the embedder. */
#ifndef CAY_H
#define CAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cay_error.h"

#if defined(__GNUC__)
#define CAY_API __attribute__((visibility("default")))
#else
#define CAY_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The library -------------------------------------------------------------------------------------------------- */

/* "0.1.0" */
CAY_API const char *cay_version(void);
/* "malformed", "trap" ...: a status as one word for logs and machine-readable output. */
CAY_API const char *cay_status_name(enum cay_status status);

/* Where the library's memory comes from. `resize` with old == NULL allocates, with new_bytes == 0 frees, otherwise
 * resizes and keeps the contents; it returns NULL when it cannot, and memory aligned to 16 bytes when it can. It may be
 * called from any thread. Linear memories and stacks are mapped from the operating system, not allocated here. */
typedef struct cay_allocator {
  void *(*resize)(void *owner, void *old, size_t new_bytes);
  void *owner;
} cay_allocator;
/* Replaces the process-wide allocator; NULL restores the C library's. Only while no object of this library exists. */
CAY_API void cay_set_allocator(const cay_allocator *allocator);

/* ---- Engine ------------------------------------------------------------------------------------------------------- */

/* What is common to many modules: how code is executed, and which WebAssembly proposals modules may use. */
typedef struct cay_engine cay_engine;
typedef struct cay_engine_config cay_engine_config;

CAY_API enum cay_status cay_engine_config_new(cay_engine_config **out, struct cay_error *error);
CAY_API void cay_engine_config_free(cay_engine_config *config);
/* How code is executed: "interp"; "baseline", machine code that is made of a function when it is first called, which is the
 * default where the build has it; "auto", the same, and what turns out to be busy is compiled again by LLVM while the program runs;
 * "optimized", all of it is by LLVM, before anything runs. LLVM is in a process of its own, cay-llvm, that the first function that
 * is busy starts, or the first module; where it cannot be started everything stays in the baseline. What that has made is
 * kept where there is a cache. Error: CAY_ERROR_ARGUMENT, which lists the tiers of this build. */
CAY_API enum cay_status cay_engine_config_set_tier(cay_engine_config *config, const char *tier,
                                                   struct cay_error *error);
/* The most stack that the guest's calls may use, in bytes; 16 MiB when 0 or never set. Reserved, not touched. */
CAY_API void cay_engine_config_set_stack_bytes(cay_engine_config *config, size_t stack_bytes);
/* Checks memory accesses in code instead of reserving address space with guard pages. */
CAY_API void cay_engine_config_set_explicit_bounds(cay_engine_config *config, bool explicit_bounds);
/* Relaxed vector instructions give what the specification's deterministic profile says, and not what costs least. */
CAY_API void cay_engine_config_set_deterministic_relaxed_simd(cay_engine_config *config, bool deterministic);
/* A NaN that arithmetic makes is the canonical one, with a positive sign, whatever the processor makes of it. Slower. */
CAY_API void cay_engine_config_set_canonical_nans(cay_engine_config *config, bool canonical);
/* Counts instructions, for CAY_LIMIT_FUEL: the same number for the same run on every machine. Slower. */
CAY_API void cay_engine_config_set_fuel(cay_engine_config *config, bool counts);
/* Switches proposals: a comma-separated list of names with '+' (or nothing) or '-' in front, applied from left to
 * right to what is set; "1.0", "2.0", "3.0", "latest" and "default" replace the set. "2.0,-simd,+tail-call". What a
 * proposal needs is switched on with it, and what needs it is switched off with it.
 * Error: CAY_ERROR_ARGUMENT, which lists the names. */
CAY_API enum cay_status cay_engine_config_set_proposals(cay_engine_config *config, const char *list,
                                                        struct cay_error *error);

/* Keeps machine code of the tiers "auto" and "optimized" in a folder for later processes: NULL is the one of the command `cay`,
 * beneath XDG_CACHE_HOME or HOME. It is made where it does not exist, has to be the user's own, of mode 0700, and takes at most
 * `most_bytes` (0: 1 GiB). No grant that is made after cay_engine_new reaches it. A module's code is found by the hash of its
 * bytes; what "auto" has made of it is kept when its last instance in the engine goes. Whoever may write to the folder decides
 * what runs in this process: files of others, and those that were changed, do not count. What can be wrong with the folder,
 * cay_engine_new says: CAY_ERROR_SYSTEM; or _LIMIT: eight different ones for a process, also after their engines' end. Errors: CAY_ERROR_UNSUPPORTED: the build has no such tiers; _MEMORY. */
CAY_API enum cay_status cay_engine_config_set_cache(cay_engine_config *config, const char *folder, uint64_t most_bytes,
                                                    struct cay_error *error);
/* The folder where cay-llvm is looked for first, before that of the process's own program and the one that cay was installed in;
 * NULL: there is none. The text is not copied. Of all engines; before the first. */
CAY_API void cay_set_helper_folder(const char *folder);

/* `config` NULL: everything at its default. The configuration is not kept. CAY_ERROR_SYSTEM, _LIMIT: of its cache. */
CAY_API enum cay_status cay_engine_new(const cay_engine_config *config, cay_engine **out, struct cay_error *error);
/* After everything that was made with it, except that modules may be released later. */
CAY_API void cay_engine_free(cay_engine *engine);

/* ---- Modules ------------------------------------------------------------------------------------------------------ */

/* A validated module. It never changes; it is counted, and ends with its last reference. */
typedef struct cay_module cay_module;

/* Decodes and validates a binary module. Errors: CAY_ERROR_MALFORMED, _INVALID, _UNSUPPORTED (a component, text format,
 * a proposal that is off), _LIMIT, _MEMORY, with the byte offset and a sentence that says where and why. */
CAY_API enum cay_status cay_module_load(cay_engine *engine, const void *bytes, size_t len_bytes, cay_module **out,
                                        struct cay_error *error);
/* The same for a file; "-" is standard input. CAY_ERROR_SYSTEM when it cannot be read. */
CAY_API enum cay_status cay_module_load_file(cay_engine *engine, const char *path, cay_module **out,
                                             struct cay_error *error);
/* As cay_module_load, keeping nothing. */
CAY_API enum cay_status cay_module_validate(cay_engine *engine, const void *bytes, size_t len_bytes,
                                            struct cay_error *error);
CAY_API cay_module *cay_module_retain(cay_module *module);
CAY_API void cay_module_release(cay_module *module);

/* ---- WASI: what a program gets -------------------------------------------------------------------------------------- */

typedef struct cay_wasi cay_wasi;

CAY_API enum cay_status cay_wasi_new(cay_wasi **out, struct cay_error *error);
/* Any time; runs that were made with it keep what they need. */
CAY_API void cay_wasi_free(cay_wasi *wasi);

/* Appends an argument. The first one is the program's own name. */
CAY_API enum cay_status cay_wasi_add_arg(cay_wasi *wasi, const char *arg, struct cay_error *error);
/* Sets a variable, replacing an earlier value. The name may not be empty or contain '='. */
CAY_API enum cay_status cay_wasi_set_env(cay_wasi *wasi, const char *name, const char *value, struct cay_error *error);
/* Passes on a variable of this process, if it is set. */
CAY_API enum cay_status cay_wasi_inherit_env(cay_wasi *wasi, const char *name, struct cay_error *error);

enum cay_rights {
  CAY_RIGHTS_READ = 1,       /* read files and list directories */
  CAY_RIGHTS_READ_WRITE = 3, /* and change, make, rename and remove them */
  CAY_RIGHTS_CREATE = 4,     /* nothing but make new files, and write them through the handle that made them, and new
                                directories; of directories */
};
/* Where changes go. What lies in a directory with an overlay stays as it is, and the program sees its changes there. The
 * differences to a directory are those of Linux's overlayfs: a file is another one once it was copied for its first change,
 * directories that were there cannot be renamed (EXDEV), names that begin with ".wh." cannot be used (EPERM). */
enum cay_overlay {
  CAY_OVERLAY_NONE,   /* changes go to the directory */
  CAY_OVERLAY_MEMORY, /* ... to memory, about quota_bytes at most, and are gone with the configuration and its runs. On Linux
                         this takes CAP_SYS_ADMIN; CAY_ERROR_UNSUPPORTED without it */
  CAY_OVERLAY_FOLDER, /* ... to the folder scratch_path, where they stay in the form of an OCI image layer: it is made when
                         it does not exist, is for one configuration at a time, and does not overlap with the directory */
};
enum { CAY_OVERLAY_MEMORY_BYTES = 256 << 20 }; /* of an overlay in memory whose quota_bytes is 0 */
/* A directory, single file or device of the host. Zero-initialise, so that fields to come mean nothing. */
typedef struct cay_grant {
  const char *host_path, *guest_path;
  enum cay_rights rights;
  bool device;             /* host_path is a device node; without it, device nodes cannot be opened, also in directories */
  uint64_t quota_bytes;    /* by how much its files may grow altogether; 0: not limited */
  enum cay_overlay overlay; /* CAY_OVERLAY_NONE */
  const char *scratch_path;
  const char *rule;        /* what it is called in messages and in the audit, such as "--dir a::b::ro"; NULL: nothing */
} cay_grant;
/* Grants the host's directory, file or device under a name. Everything beneath a directory comes with it, nothing outside
 * is reachable, not even through links. A file is the only visible entry of a directory at its guest parent.
 * Errors: CAY_ERROR_SYSTEM (no such file ...), CAY_ERROR_ARGUMENT. */
CAY_API enum cay_status cay_wasi_grant(cay_wasi *wasi, const cay_grant *grant, struct cay_error *error);
/* The same with paths and rights only. */
CAY_API enum cay_status cay_wasi_grant_path(cay_wasi *wasi, const char *host_path, const char *guest_path,
                                            enum cay_rights rights, struct cay_error *error);

enum cay_clock {
  CAY_CLOCK_REAL,     /* this machine's, as when nothing is set */
  CAY_CLOCK_FIXED,    /* stands at `ns` since 1970; clocks that only measure stand, too */
  CAY_CLOCK_COARSE,   /* this machine's, rounded down to multiples of `ns` */
  CAY_CLOCK_STEPPING, /* starts as FIXED; each reading moves it on by a microsecond, waiting by the time waited for */
};
/* What the program's clocks show; each run starts anew. */
CAY_API enum cay_status cay_wasi_set_clock(cay_wasi *wasi, enum cay_clock clock, uint64_t ns, struct cay_error *error);
/* The program's random bytes follow from `seed`: each run gets the same, which anybody can foretell. */
CAY_API void cay_wasi_set_random_seed(cay_wasi *wasi, uint64_t seed);
/* What the program gets besides its inputs is the same in each run and on every host: clocks begin at a fixed moment, move
 * by a microsecond with each reading, and skip what the program waits for; random bytes follow from `seed`; names in
 * directories come in order; inodes, devices and times of files do not tell what the host has; standard streams look the
 * same whatever they are. A run starts no threads: a module that would is CAY_ERROR_LINK. For the same results on every
 * machine the engine needs canonical NaNs and deterministic relaxed instructions, too. */
CAY_API void cay_wasi_set_deterministic(cay_wasi *wasi, uint64_t seed);

/* A rule for the network: "[allow:|deny:]connect|listen|accept:tcp|udp|*:HOST[:PORT]" (docs/capabilities.md); before any
 * socket is opened. `rule` (NULL: the text) is what it is called in messages and in the audit. CAY_ERROR_ARGUMENT. */
CAY_API enum cay_status cay_wasi_net(cay_wasi *wasi, const char *text, const char *rule, struct cay_error *error);
/* Opens a listening TCP socket, "127.0.0.1:8080", "[::1]:8080" or "localhost:8080" (the first of them), and hands it to the
 * program with a number after the directories, in the order of these calls; a rule of cay_wasi_net that denies it wins.
 * Port 0 lets the system choose; cay_wasi_listen_address tells what it chose. */
CAY_API enum cay_status cay_wasi_listen(cay_wasi *wasi, const char *address, struct cay_error *error);
/* The address of listening socket `index` (0, 1, ...); NULL past the end. */
CAY_API const char *cay_wasi_listen_address(const cay_wasi *wasi, size_t index);

/* Grants a file that is nobody's: `bytes`, which are copied, under a name, for reading. It lies in memory. As of a single file
 * of the host, it is the only visible entry of a directory at its guest parent, together with others of these kinds. `rule`
 * (NULL: "bytes of the host") is what it is called in messages and in the audit. It takes one descriptor, and /proc when
 * the guest opens it. Errors: CAY_ERROR_ARGUMENT, _SYSTEM, _MEMORY. */
CAY_API enum cay_status cay_wasi_grant_bytes(cay_wasi *wasi, const char *guest_path, const void *bytes, size_t len_bytes,
                                             const char *rule, struct cay_error *error);

enum cay_stdio {
  CAY_STDIO_NULL,    /* reads nothing, writes nowhere: how all three start */
  CAY_STDIO_INHERIT, /* this process's own; closed for the guest when it is closed here */
  CAY_STDIO_FD,      /* the descriptor given; it stays the caller's and open until the run is freed */
};
/* Standard stream `index`: 0 input, 1 output, 2 error. `fd` is read for CAY_STDIO_FD only. */
CAY_API enum cay_status cay_wasi_set_stdio(cay_wasi *wasi, unsigned index, enum cay_stdio kind, int fd,
                                           struct cay_error *error);

/* Standard stream `index` is a function of the host's. Of 0, it fills in up to `len_bytes`, at least one, and returns how many
 * it has given, 0 at the end; of 1 and 2, it takes as many of them and returns how many it has taken. Less than `len_bytes` is
 * told to the program, which calls again; a negative number is an error, EIO. `bytes` are the guest's own: where it has threads,
 * they may change meanwhile. It runs on the thread of the program that calls, never twice at once of one stream, on the guest's
 * stack, of which it has 128 KiB; as long as it waits the program cannot be interrupted. It may call nothing
 * of this library. All runs of the configuration have it; `env` stays the caller's until the last of them is freed. */
typedef ptrdiff_t (*cay_transfer)(void *env, void *bytes, size_t len_bytes);
CAY_API enum cay_status cay_wasi_set_stream(cay_wasi *wasi, unsigned index, cay_transfer transfer, void *env,
                                            struct cay_error *error);

/* Calls `trace` with one line (no newline) for each WASI call of the program: name, arguments, result. NULL: off. The
 * callback runs on the thread of the program that calls, never twice at once, and may call nothing of this library but
 * cay_run_calls; a run starts no callback before cay_run_start or cay_run_invoke. The same holds for the next. */
CAY_API void cay_wasi_set_trace(cay_wasi *wasi, void (*trace)(void *env, const char *line), void *env);

enum cay_denial_reason {
  CAY_DENIAL_ESCAPE,    /* the path leads out of what was granted */
  CAY_DENIAL_READ_ONLY, /* granted for reading only */
  CAY_DENIAL_RIGHT,     /* the grant or the handle lacks the right */
  CAY_DENIAL_ABSENT,    /* not among the files that were granted singly */
  CAY_DENIAL_DEVICE,    /* a device, reached through a directory */
  CAY_DENIAL_QUOTA,     /* the grant's quota is used up */
  CAY_DENIAL_NETWORK,   /* no network rule allows it */
  CAY_DENIAL_PERMIT,    /* the callback of cay_wasi_set_permit said no */
};
/* What a use takes: bits. A file that is opened takes several at once. */
enum cay_right {
  CAY_RIGHT_READ = 1 << 0,   /* contents of files, texts of links */
  CAY_RIGHT_WRITE = 1 << 1,  /* contents, sizes and times of files */
  CAY_RIGHT_CREATE = 1 << 2, /* new names */
  CAY_RIGHT_REMOVE = 1 << 3, /* names that go: removed, renamed */
  CAY_RIGHT_LIST = 1 << 4,   /* the names in a directory */
  CAY_RIGHT_STAT = 1 << 5,   /* attributes, or only opened */
  CAY_RIGHT_LINK = 1 << 6,   /* a second name for what is there */
  CAY_RIGHT_ACCEPT = 1 << 7, /* a connection to a listening socket */
  CAY_RIGHT_CONNECT = 1 << 8,
  CAY_RIGHT_ARGS = 1 << 9,
  CAY_RIGHT_ENV = 1 << 10,
  CAY_RIGHT_CLOCK = 1 << 11,
  CAY_RIGHT_RANDOM = 1 << 12,
  CAY_RIGHT_STREAM = 1 << 13,
};
/* "read", "write" ...: one right as a word; NULL when it is none. */
CAY_API const char *cay_right_name(enum cay_right right);
/* A WASI call that was refused for lack of rights. The texts are valid during the callback. */
typedef struct cay_denial {
  enum cay_denial_reason reason;
  const char *call;       /* "path_open" */
  const char *guest_path; /* what the program named, printable; never NULL */
  const char *preopen;    /* guest path of the granted directory that was used, or NULL */
  const char *host_path;  /* that directory on the host, or NULL */
  uint32_t rights;        /* enum cay_right: what the call takes */
  bool is_exclusive;      /* of CAY_RIGHT_CREATE: a file or folder, and only if there was nothing of that name */
  const char *rule;       /* as in cay_access, or NULL; of files only when somebody audits */
  const char *listener;   /* as in cay_access */
} cay_denial;
CAY_API void cay_wasi_set_denied(cay_wasi *wasi, void (*denied)(void *env, const cay_denial *denial), void *env);

/* One use of a right. The texts are valid during the callback; what the program chose in them is not made printable. */
typedef struct cay_access {
  const char *call;      /* "path_open" */
  uint32_t rights;       /* enum cay_right */
  const char *object;    /* guest path, name of a variable, "stdin", "realtime", address; never NULL */
  const char *preopen;   /* guest path of the granted directory that was used, or NULL */
  const char *host_path; /* the object on the host, as it is named there, links not followed; NULL when not known */
  const char *rule;      /* the grant that decided, such as "--dir /a::/b::ro"; "default" for what every program has;
                            NULL: nothing granted it */
  bool is_exclusive;     /* of CAY_RIGHT_CREATE: a file or folder, and only if there was nothing of that name */
  bool is_directory;     /* the object was found to be one */
  bool is_denied;        /* refused for lack of rights, for `reason` */
  enum cay_denial_reason reason;
  const char *result; /* "OK", or the error as a name: "ENOENT", which need not be a denial; NULL before the use */
  uint32_t thread;    /* of the program; 0: its first */
  const char *listener; /* address of the listening socket that a peer, the object, connected to, or NULL */
} cay_access;
/* Calls `audit` after each use of a right and each denial: every call on a path (once for each of its paths), every
 * listing and accepted connection; of environment variables, arguments, clocks, random source and standard streams the
 * first use. NULL: off. As for the trace callback, this runs on the calling thread, never at the same time as another
 * callback; cay_run_calls and cay_run_interrupt may be called in it. `waits` (may be NULL) is called before a thread of the
 * program waits for something, at any time. */
CAY_API void cay_wasi_set_audit(cay_wasi *wasi, void (*audit)(void *env, const cay_access *access),
                                void (*waits)(void *env), void *env);
/* Asks `permit` before each such use; false refuses it: "not granted", and of the environment the variable is left out.
 * What is refused is told to the other callbacks. This can only take away: what is not granted is not asked for. */
CAY_API void cay_wasi_set_permit(cay_wasi *wasi, bool (*permit)(void *env, const cay_access *access), void *env);

/* ---- Running -------------------------------------------------------------------------------------------------------- */

enum cay_type {
  CAY_I32 = 0x7F,
  CAY_I64 = 0x7E,
  CAY_F32 = 0x7D,
  CAY_F64 = 0x7C,
  CAY_V128 = 0x7B,
  CAY_FUNCREF = 0x70,   /* opaque; only null can be made by the host */
  CAY_EXTERNREF = 0x6F, /* a number of the host's below 2^62; 0 is null */
};
typedef struct cay_value {
  enum cay_type type;
  union {
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
    uint8_t v128[16];
    uint64_t ref;
  } of;
} cay_value;

/* The same in a call that boxes nothing: which member counts, the function's type says. A v128 takes two slots, its low
 * half first; references cannot be passed this way. */
typedef union cay_slot {
  int32_t i32;
  uint32_t u32;
  int64_t i64;
  uint64_t u64;
  float f32;
  double f64;
} cay_slot;

/* One instance of a module with its memories, tables and handles, and what became of it. */
typedef struct cay_run cay_run;

/* Prepares a run; nothing of the guest is executed yet. `wasi` NULL: the program may not import WASI. The run retains
 * the module; the engine must outlive it. */
CAY_API enum cay_status cay_run_new(cay_module *module, const cay_wasi *wasi, cay_run **out, struct cay_error *error);
/* Ends it, or gives it back to its pool; nothing of it runs. */
CAY_API void cay_run_free(cay_run *run);

/* Lets the program import the exports of `module` under `name`. It is instantiated, its `_initialize` called, when the
 * run starts, in the order of these calls; it may import WASI and the ones before it. */
CAY_API enum cay_status cay_run_preload(cay_run *run, const char *name, cay_module *module, struct cay_error *error);

/* Functions of the host that programs may import. Counted by references; not to be changed any more once a run or a pool has
 * them, and then any thread may use them. */
typedef struct cay_imports cay_imports;
/* The call that a function of the host was made by, while it lasts. */
typedef struct cay_caller cay_caller;
/* `slots` holds the arguments and gets the results. Anything but CAY_OK ends the guest's call with the trap CAY_TRAP_HOST and
 * the text that was written to `error` (CAY_ERROR_MEMORY: as for lack of memory). It runs on the stack of whoever called
 * the guest, and may call the run again (cay_run_call). On x86-64 the segment gs may be the guest's meanwhile: who needs it for
 * something else sets it, and need not put it back. */
typedef enum cay_status (*cay_callback)(void *env, cay_caller *caller, cay_slot *slots, struct cay_error *error);
CAY_API enum cay_status cay_imports_new(cay_imports **out, struct cay_error *error);
CAY_API void cay_imports_release(cay_imports *imports);
/* Provides `module` `name` with this type; `env` is passed on and stays the caller's. A later one of the same name
 * replaces an earlier. Before any run or pool has them. Errors: CAY_ERROR_UNSUPPORTED: references; _LIMIT: more parameters or
 * results than a module's function may have; _MEMORY. */
CAY_API enum cay_status cay_imports_add(cay_imports *imports, const char *module, const char *name,
                                        const enum cay_type *params, size_t param_count, const enum cay_type *results,
                                        size_t result_count, cay_callback callback, void *env, struct cay_error *error);
/* The run keeps a reference. Before it is opened, once, else CAY_ERROR_ARGUMENT. Threads that the guest starts do not get
 * them: a module that imports both is CAY_ERROR_LINK. */
CAY_API enum cay_status cay_run_set_imports(cay_run *run, cay_imports *imports, struct cay_error *error);
/* The calling guest's run, and the memory that it works on, as cay_run_memory. */
CAY_API cay_run *cay_caller_run(cay_caller *caller);
CAY_API void *cay_caller_memory(cay_caller *caller, size_t *len_bytes);
/* Something of the embedder's that goes with the run; NULL at first. */
CAY_API void cay_run_set_user(cay_run *run, void *user);
CAY_API void *cay_run_user(const cay_run *run);

enum cay_unknown_imports {
  CAY_UNKNOWN_ERROR,   /* an import that nothing provides is CAY_ERROR_LINK */
  CAY_UNKNOWN_TRAP,    /* a function that traps when called */
  CAY_UNKNOWN_DEFAULT, /* a function that returns zeros */
};
/* Before it is opened; CAY_UNKNOWN_ERROR when never set. */
CAY_API void cay_run_set_unknown_imports(cay_run *run, enum cay_unknown_imports policy);

/* What a program may use. The first four are refused to it when there is no more: memory.grow says so, opening fails, and
 * so on; it may go on without. Of the others it gets what is left, and then it ends with CAY_ERROR_LIMIT.
 * TIME and CPU_TIME are in nanoseconds. */
enum cay_limit {
  CAY_LIMIT_NONE,
  CAY_LIMIT_MEMORY,   /* bytes of memories, tables, objects, and what the host needs for handles and calls, together */
  CAY_LIMIT_HANDLES,  /* open at once */
  CAY_LIMIT_THREADS,  /* at once, besides the first; 0: it gets no thread-spawn */
  CAY_LIMIT_CREATED,  /* files, directories and links made */
  CAY_LIMIT_READ,     /* bytes read from files, streams and sockets */
  CAY_LIMIT_WRITTEN,  /* bytes written to them, output and what is sent included */
  CAY_LIMIT_SENT,     /* bytes written to sockets */
  CAY_LIMIT_OUTPUT,   /* bytes written to standard output and error */
  CAY_LIMIT_FUEL,     /* instructions, in an engine that counts them */
  CAY_LIMIT_TIME,     /* wall-clock time of each start or invoke */
  CAY_LIMIT_CPU_TIME, /* of all its threads */
  CAY_LIMIT_STACK,    /* cay_engine_config_set_stack_bytes */
};
#define CAY_NO_LIMIT UINT64_MAX
/* "memory", "cpu-time" ... */
CAY_API const char *cay_limit_name(enum cay_limit limit);

/* Before the first start or invoke, else CAY_ERROR_ARGUMENT; not of STACK. When never set: MEMORY what the machine has, at
 * least 1 GiB, HANDLES 4096, THREADS 64, and no limit of the others. Times need a thread that waits, one for the engine: the
 * first start, invoke or call with such a limit begins it, and it ends with the engine. */
CAY_API enum cay_status cay_run_set_limit(cay_run *run, enum cay_limit limit, uint64_t most, struct cay_error *error);
/* The most elements of one table; 10,000,000 when 0 or never set. Before the first start or invoke. */
CAY_API void cay_run_set_table_elements(cay_run *run, uint64_t elements);
/* What was set, or holds when nothing was; CAY_NO_LIMIT: none. */
CAY_API uint64_t cay_run_limit(const cay_run *run, enum cay_limit limit);
/* What the run uses now, or has used up, and the most it used at once; of TIME, in the last start or invoke. Not while one
 * runs. How much of STACK was used is not known. */
CAY_API uint64_t cay_run_used(const cay_run *run, enum cay_limit limit);
CAY_API uint64_t cay_run_peak(const cay_run *run, enum cay_limit limit);

/* What several runs may use together, such as all of one tenant's. Counted by references. May be used from any thread. */
typedef struct cay_budget cay_budget;
/* With no limit; what is used of it is used of `parent`, too (NULL: none). */
CAY_API enum cay_status cay_budget_new(cay_budget *parent, cay_budget **out, struct cay_error *error);
CAY_API cay_budget *cay_budget_retain(cay_budget *budget);
CAY_API void cay_budget_release(cay_budget *budget);
/* Not of TIME and STACK: CAY_ERROR_ARGUMENT. Runs of a tenant go on at the same time and wait for different things, so that
 * seconds on the clock add up to nothing that it uses: CPU_TIME does. Set TIME for each run. A stack is reserved by the run
 * that needs it, in the size of its engine, and given back by its end. Below what is in use it leaves nothing, until enough
 * has been given back. */
CAY_API enum cay_status cay_budget_set_limit(cay_budget *budget, enum cay_limit limit, uint64_t most,
                                             struct cay_error *error);
CAY_API uint64_t cay_budget_used(const cay_budget *budget, enum cay_limit limit);
CAY_API uint64_t cay_budget_peak(const cay_budget *budget, enum cay_limit limit);
/* What the run uses is used of the budget as well. Before the first start or invoke, and once, else CAY_ERROR_ARGUMENT.
 * CAY_ERROR_LIMIT: what the run holds already (a pool's holds its memories) is more than the budget has left; it has none then. */
CAY_API enum cay_status cay_run_set_budget(cay_run *run, cay_budget *budget, struct cay_error *error);

/* A module that imports "wasi" "thread-spawn" (the extension wasi-threads of WASI 0.1) and a shared memory gets both in a
 * run with WASI and without preloaded modules; a thread too many is an error for the program. Threads end with the start
 * or invoke that they were started in; a trap or proc_exit in one ends all. */

/* Instantiates the module if that has not happened. A command (it exports `_start`) is run to its end; a reactor gets
 * its `_initialize` called, if it has one, once. CAY_OK: the program came to its end, also by proc_exit; the exit code
 * is in the result. Errors: _LINK (an import that nothing provides or of another type; a module that is neither command
 * nor reactor; a `_start` of a wrong type; WASI imports without a memory for them), _TRAP, _INTERRUPTED, _LIMIT,
 * _MEMORY; _ARGUMENT when a command is started a second time. */
CAY_API enum cay_status cay_run_start(cay_run *run, struct cay_error *error);
/* Instantiates and initialises as above (without calling `_start`), then calls the exported function `name`. `args` has
 * one value of the right type for each parameter; results go to `results`, which has room for `result_capacity`, and
 * their number to `*result_count` (may be NULL). Errors: as for cay_run_start; _ARGUMENT also for no such function or
 * wrong arguments; _EXIT when the guest ended itself, with its code in the result. */
CAY_API enum cay_status cay_run_invoke(cay_run *run, const char *name, const cay_value *args, size_t arg_count,
                                       cay_value *results, size_t result_capacity, size_t *result_count,
                                       struct cay_error *error);
/* Instantiates and initialises as above, if that has not happened, and calls nothing else. */
CAY_API enum cay_status cay_run_open(cay_run *run, struct cay_error *error);

/* An exported function, looked up once for all runs of its module: the module's, to which it belongs. */
typedef struct cay_function cay_function;
/* Errors: CAY_ERROR_ARGUMENT: no such function; CAY_ERROR_UNSUPPORTED: it takes or returns references. */
CAY_API enum cay_status cay_module_function(const cay_module *module, const char *name, const cay_function **out,
                                            struct cay_error *error);
/* How many slots its arguments and its results take. */
CAY_API size_t cay_function_params(const cay_function *function, const cay_module *module);
CAY_API size_t cay_function_results(const cay_function *function, const cay_module *module);
/* The type (enum cay_type) of parameter or result `index`; 0 past the end. */
CAY_API int cay_function_param_type(const cay_function *function, const cay_module *module, size_t index);
CAY_API int cay_function_result_type(const cay_function *function, const cay_module *module, size_t index);
/* As cay_run_invoke, in some nanoseconds: `slots` holds the arguments and gets the results, and has room for whichever are
 * more (NULL: there are none). Times are counted only where there is a limit of them. CAY_ERROR_ARGUMENT: a function of another module. */
CAY_API enum cay_status cay_run_call(cay_run *run, const cay_function *function, cay_slot *slots,
                                     struct cay_error *error);
/* The memory that the module exports as "memory", else its first: address and length, NULL and 0 before it is opened and
 * when there is none. Both are valid until the guest runs the next time; what the guest may know, the host may write. */
CAY_API void *cay_run_memory(cay_run *run, size_t *len_bytes);
/* Makes the current start or invoke, or the next one, end with CAY_ERROR_INTERRUPTED as soon as possible, also when
 * it waits in a WASI call. Any thread, any signal handler; the run must exist. */
CAY_API void cay_run_interrupt(cay_run *run);

enum cay_trap {
  CAY_TRAP_NONE,
  CAY_TRAP_UNREACHABLE,
  CAY_TRAP_MEMORY_BOUNDS,
  CAY_TRAP_TABLE_BOUNDS,
  CAY_TRAP_UNDEFINED_ELEMENT,
  CAY_TRAP_NULL_ELEMENT,
  CAY_TRAP_CALL_TYPE,
  CAY_TRAP_INTEGER_OVERFLOW,
  CAY_TRAP_INTEGER_DIVIDE_BY_ZERO,
  CAY_TRAP_INVALID_CONVERSION,
  CAY_TRAP_STACK_EXHAUSTED,
  CAY_TRAP_INTERRUPTED,
  CAY_TRAP_OUT_OF_MEMORY,
  CAY_TRAP_EXIT, /* not a fault: the guest ended itself */
  CAY_TRAP_HOST, /* a host function failed; the error's text says why */
  CAY_TRAP_UNALIGNED_ATOMIC,
  CAY_TRAP_NOT_SHARED, /* waiting in a memory that is not shared */
  CAY_TRAP_NULL_REFERENCE,
  CAY_TRAP_CAST,
  CAY_TRAP_ARRAY_BOUNDS,
  CAY_TRAP_HEAP_EXHAUSTED,
  CAY_TRAP_EXCEPTION, /* thrown and not caught */
  CAY_TRAP_LIMIT,     /* a limit is used up */
};
typedef struct cay_result {
  bool exited;        /* the program ended: `_start` returned, or proc_exit */
  /* With CAY_ERROR_LIMIT the limit that ended the program or did not let it begin; with a trap or an exit code other than 0
   * the one that refused it something last; else NONE. */
  enum cay_limit limit;
  uint32_t exit_code; /* of an ended program; 0 when `_start` returned */
  enum cay_trap trap;
  uint64_t trap_offset; /* of the instruction in the module's bytes, or CAY_ERROR_NO_OFFSET */
  uint32_t thread;      /* the thread whose trap or proc_exit ended it; 0: the first */
} cay_result;
/* Wants a digest of what the run does. Before the first start or invoke, and not of a run from a pool, which has begun. */
CAY_API void cay_run_set_digest(cay_run *run, bool wanted);
/* 64 hexadecimal digits, valid until the next call on the run: a hash over all WASI calls so far, with their arguments,
 * results and data, how each start or invoke ended, and the memories and globals now. Two runs that do the same have the
 * same, in every tier and on every machine. "" when none was wanted or nothing has run. */
CAY_API const char *cay_run_digest(cay_run *run);
/* What the last start or invoke did. */
CAY_API const cay_result *cay_run_result(const cay_run *run);
/* The guest's calls at the last trap, innermost first, as lines "  0: fac at src/fac.c:12:5\n"; at most `max_frames`
 * (the outermost ones are left out), 0 for all that were kept. "" when there are none; NULL when memory is out. Valid
 * until the next call on the run. Made when asked for: reading debug information takes time. */
CAY_API const char *cay_run_backtrace(cay_run *run, size_t max_frames);
/* The calls that are running now, in the same form, the WASI function first. Only for the callbacks of this run that tell of a call; valid until the next call of this function or of cay_run_backtrace. */
CAY_API const char *cay_run_calls(cay_run *run, size_t max_frames);

/* ---- Pools: starts in a microsecond ---------------------------------------------------------------------------------- */

/* Many runs of one module that all begin where a first one was prepared to be: memories are shared until somebody writes to
 * them, and an instance that was used is restored instead of made. Nothing of one use is seen by the next: memories, tables,
 * globals, handles, clocks, random numbers, limits and what was used of them are as in the beginning. What a program changed
 * outside, in files and quotas of grants, stays changed.
 *
 *   cay_pool *pool; cay_run *run;
 *   cay_pool_new(module, &(cay_pool_setup){.wasi = wasi}, &pool, &error);
 *   cay_pool_take(pool, &run, &error);     (a run like any other, already opened)
 *   cay_run_call(run, function, slots, &error);
 *   cay_run_free(run);                     (gives it back)
 *   cay_pool_free(pool);
 *
 * Threads: any may take; a run is given back by the thread that uses it. Idle runs own no stack, and
 * no descriptor but the two by which one that has waited for input is woken. Of the pages that were written to, the first 64 KiB
 * stay and are written over; what runs write to again and again costs no page fault. That is fastest where one thread takes, calls
 * and frees, and leaves cay_run_memory alone. */
typedef struct cay_pool cay_pool;
/* Zero-initialise, so that fields to come mean nothing. */
typedef struct cay_pool_setup {
  const cay_wasi *wasi;  /* has to live as long as the pool, unchanged; NULL: the program may not import WASI */
  cay_imports *imports;  /* retained; NULL: none */
  enum cay_unknown_imports unknown_imports;
  /* Called once with the first run, which is opened: what it calls in it (not cay_run_start of a command) is what all runs
   * have behind them. Anything but CAY_OK is what cay_pool_new returns. NULL: nothing. */
  enum cay_status (*prepare)(void *env, cay_run *run, struct cay_error *error);
  void *env;
  size_t kept; /* how many idle runs are kept at most; 64 when 0 */
} cay_pool_setup;
/* `setup` NULL: everything zero. It is copied. Errors: as of cay_run_open; _UNSUPPORTED: a module with shared memories, or one
 * whose objects (structs, arrays, exceptions) exist after it was prepared. */
CAY_API enum cay_status cay_pool_new(cay_module *module, const cay_pool_setup *setup, cay_pool **out,
                                     struct cay_error *error);
/* After its runs. */
CAY_API void cay_pool_free(cay_pool *pool);
/* A run in the state of the prepared one, its handles and limits those of a new one; limits and a budget can be set. Who
 * interrupts it has to have ended before it is freed. It takes no digest. CAY_ERROR_MEMORY when there is no idle one and no
 * memory for another. */
CAY_API enum cay_status cay_pool_take(cay_pool *pool, cay_run **out, struct cay_error *error);
/* How many idle runs there are. */
CAY_API size_t cay_pool_idle(cay_pool *pool);

/* ---- wasm.h and more ------------------------------------------------------------------------------------------------- */

/* What wasm.h, the standard C API, leaves out of the objects that it is about. Include wasm.h for the types. */
struct wasm_config_t;
struct wasm_engine_t;
struct wasm_store_t;
struct wasm_func_t;
struct wasm_functype_t;
struct wasm_trap_t;

/* Kinds of wasm_valkind_t and wasm_externkind_t beyond the standard's, of what modules import and export. */
enum cay_wasm_valkind {
  CAY_WASM_V128 = 64,
  CAY_WASM_REF = 192, /* every reference type but externref and funcref */
};
enum cay_wasm_externkind { CAY_WASM_EXTERN_TAG = 64 };

/* The configuration inside, to be changed by cay_engine_config_set functions; it lives as long. */
CAY_API cay_engine_config *cay_wasm_config(struct wasm_config_t *config);
/* wasm_engine_new_with_config, which says why it fails. The configuration ends in any case; NULL: none. */
CAY_API enum cay_status cay_wasm_engine_new(struct wasm_config_t *config, struct wasm_engine_t **out,
                                            struct cay_error *error);
/* wasm_store_new, with a budget for memories, tables, objects and fuel (NULL: none), which the store retains. */
CAY_API enum cay_status cay_wasm_store_new(struct wasm_engine_t *engine, cay_budget *budget,
                                           struct wasm_store_t **out, struct cay_error *error);
/* wasm_func_call without boxing: `slots` holds the arguments and gets the results, and has room for whichever are more. */
CAY_API struct wasm_trap_t *cay_wasm_func_call(const struct wasm_func_t *func, cay_slot *slots);
/* wasm_func_new_with_env, likewise: the callback finds the arguments in `slots` and leaves its results there. NULL also for
 * a type with references. */
typedef struct wasm_trap_t *(*cay_wasm_callback)(void *env, cay_slot *slots);
CAY_API struct wasm_func_t *cay_wasm_func_new(struct wasm_store_t *store, const struct wasm_functype_t *type,
                                              cay_wasm_callback callback, void *env, void (*finalizer)(void *env));
/* Why the last function that failed in the store did: status, offset in the module, text. It stays until another fails;
 * before the first its text is empty. */
CAY_API const struct cay_error *cay_wasm_store_error(const struct wasm_store_t *store);
/* Makes the call that runs in the store, or the next one, end with the trap "interrupted" as soon as possible. Any thread,
 * any signal handler; the store must exist. */
CAY_API void cay_wasm_store_interrupt(struct wasm_store_t *store);
/* Withdraws a wish that no call has met, by the store's thread, when nobody will interrupt it any more. */
CAY_API void cay_wasm_store_clear_interrupt(struct wasm_store_t *store);

#ifdef __cplusplus
}
#endif

#endif
