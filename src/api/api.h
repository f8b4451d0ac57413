/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Door of the room `api`, for the command alone: what it needs beyond the public header cay.h. Embedders cannot see any
 * of this. Texts are added to a `struct base_text` of the caller's; running out of memory shows in its `failed`. */
#ifndef API_API_H
#define API_API_H

#include "base/base.h"
#include "cay.h"
#include "policy/policy.h" /* the option table, which the command may only see through this door */

struct module;
struct api_broker;

/* ---- What this build has ------------------------------------------------------------------------------------------- */

/* Name of tier `index`, the default first; NULL past the end. */
const char *api_tier_name(unsigned index);
/* Name of the one that runs when nothing is asked for. */
const char *api_tier_default(void);
/* Name of proposal `index` ("multi-value"), whether this build runs it, and whether it is on by default; NULL past the
 * end. */
const char *api_proposal(unsigned index, bool *runs, bool *is_default);
/* Applies a list as cay_engine_config_set_proposals does to `*proposals`, a set of bits whose start value is
 * API_PROPOSALS_DEFAULT. */
#define API_PROPOSALS_DEFAULT UINT64_MAX
enum cay_status api_proposals_parse(const char *list, uint64_t *proposals, struct cay_error *error);

/* ---- Modules -------------------------------------------------------------------------------------------------------- */

/* The loaded module itself, for the room `inspect`; borrowed. */
const struct module *api_module(const cay_module *module);

/* The bytes of data segment `index`; false past the end. Borrowed. */
bool api_module_data(const cay_module *module, uint32_t index, const char **bytes, size_t *len_bytes);
/* cay_module_load of a file that was read; takes its bytes over and empties `*file`, also when that fails. */
enum cay_status api_module_load(cay_engine *engine, struct base_file *file, cay_module **out, struct cay_error *error);
/* The SHA-256 of the module's bytes as hexadecimal digits. */
enum { API_SHA256_HEX_BYTES = BASE_SHA256_HEX_BYTES };
void api_module_sha256(const cay_module *module, char out[API_SHA256_HEX_BYTES]);

/* What is wrong with a custom section that cay reads and then ignores (branch hints); the module is valid all the same.
 * CAY_OK: nothing, or there is none. */
enum cay_status api_module_check_customs(const cay_module *module, struct cay_error *error);

/* ---- Kept code --------------------------------------------------------------------------------------------------------- */

/* What a file of `cay compile` holds beside the module. */
struct api_kept;
/* Whether the file is one, by its first bytes. */
bool api_kept_is(const struct base_file *file);
/* Takes such a file apart: `*file` becomes the module in it. `why`: why its code cannot be used, with a status; CAY_OK: it can.
 * An error when not even the module is whole; `*file` is empty then. */
enum cay_status api_kept_open(struct base_file *file, struct api_kept **out, struct cay_error *why, struct cay_error *error);
void api_kept_free(struct api_kept *kept); /* NULL allowed */
/* Which processors its code is for, as `cay compile --cpu` names them; NULL: it has none that can be read. */
const char *api_kept_cpu(const struct api_kept *kept);
/* Lets the run, whose tier is "optimized", take the code in place of compiling. `where`, for people: "in app.cay". Both have to
 * live until api_run_forget_kept. CAY_ERROR_UNSUPPORTED: it does not fit the engine, and the
 * baseline runs all. */
enum cay_status api_run_use_kept(cay_run *run, struct api_kept *kept, const char *where, struct cay_error *error);
void api_run_forget_kept(void);

/* Adds the file of `cay compile` without machine code. */
enum cay_status api_keep_module(const cay_module *module, struct base_text *out, struct cay_error *error);

/* Bundles: the command and a program in one executable (bundle.c). */
struct api_bundle {
  struct base_file kept;     /* for api_kept_open */
  struct base_file manifest; /* what it was sealed with, a text */
};
/* Whether this process is one that was started; costs nothing. */
bool api_bundle_is_own(void);
/* What is in it. CAY_ERROR_MALFORMED: it is damaged; CAY_ERROR_SYSTEM: it cannot be read. */
enum cay_status api_bundle_read_own(struct api_bundle *out, struct cay_error *error);
/* Whether the file is a bundle; and a copy of what is in it. CAY_ERROR_UNSUPPORTED: another version of cay has made it. */
bool api_bundle_is(const struct base_file *file);
enum cay_status api_bundle_read(const struct base_file *file, struct api_bundle *out, struct cay_error *error);
void api_bundle_deinit(struct api_bundle *bundle);
/* Adds to `out` this process's own executable with what it is to hold. CAY_ERROR_UNSUPPORTED: it cannot be made one. */
enum cay_status api_bundle_make(const struct base_text *kept, const struct base_text *manifest, struct base_text *out,
                                struct cay_error *error);

/* The cache: a folder of code that was made for earlier runs. `setting`: the folder, "off", or NULL for cay's own beneath
 * XDG_CACHE_HOME or HOME of `environment`. CAY_OK with NULL: it is off, or, unless `makes`, there is none. CAY_ERROR_SYSTEM:
 * why it cannot be used. */
struct api_cache;
#define API_CACHE_BYTES (UINT64_C(1) << 30)
enum cay_status api_cache_open(const char *setting, char *const *environment, bool makes, struct api_cache **out,
                               struct cay_error *error);
void api_cache_close(struct api_cache *cache); /* NULL allowed */
void api_cache_set_size(struct api_cache *cache, uint64_t most_bytes); /* API_CACHE_BYTES when not called */
void api_cache_set_jobs(struct api_cache *cache, unsigned jobs); /* how many processes compile for it when the program has ended; 1 */
/* From now on no grant reaches the folder, nor the one that is cay's when nothing is set. */
void api_cache_forbid(const char *setting, char *const *environment);
/* Lets the run, whose modules are all there, take code from the cache. With the tier "optimized" another process compiles what is
 * missing, and keeps it; with "auto", the broker has that done for what turns out to be busy (api_run_wall).
 * Before the process gives up rights. `identity`: of the file that the module
 * was read from. On an error nothing is changed. The cache may be closed at once; api_run_forget_kept ends it. */
enum cay_status api_run_use_cache(cay_run *run, struct api_cache *cache, const struct base_file_identity *identity,
                                  struct cay_error *error);
/* For people. `module`: SHA-256 in digits; not set with a `problem`, which says why the file is not used. */
struct api_cache_entry {
  const char *name, *problem;
  char module[API_SHA256_HEX_BYTES];
  uint64_t len_bytes;
  int64_t used_s; /* since 1970 */
  uint32_t functions;
  bool is_current; /* of this build */
  bool is_part;    /* has what was busy of so many functions, and not all of them */
};
/* Reads and checks each file, the last one used first. */
enum cay_status api_cache_each(const struct api_cache *cache,
                               void (*tell)(void *env, const struct api_cache_entry *entry), void *env,
                               struct cay_error *error);
enum cay_status api_cache_clear(struct api_cache *cache, size_t *count, struct cay_error *error);
enum cay_status api_cache_wait(struct api_cache *cache, struct cay_error *error); /* until nobody fills it */

/* How to compile: `target` and `cpu` are words of the options, NULL for this machine's kind and this processor, or all of another
 * target; `level` 0 to 3. */
enum { API_COMPILE_LEVEL = 2 };
struct api_compile {
  const char *target, *cpu;
  uint32_t level;
  unsigned jobs; /* processes that compile at once, at most */
  void (*progress)(void *env, uint32_t done, uint32_t all); /* NULL allowed */
  void *env;
};
struct api_compiled {
  uint32_t functions, optimized, refused;
};
/* Compiles all of the module, as the engine would have it, and adds the file to `out`. */
enum cay_status api_compile(cay_engine *engine, const cay_module *module, const struct api_compile *how, struct base_text *out,
                            struct api_compiled *counts, struct cay_error *error);

enum api_format { API_TEXT, API_JSON };
/* Imports, exports, memories, tables, proposals used, sizes, sections, custom sections, and the capabilities that the
 * module can ask for, judged by its imports. JSON: one object, with a final newline. */
void api_module_report(const cay_module *module, const char *file_name, enum api_format format, struct base_text *out);
/* Disassembles every function, or the `count` ones named or numbered in `functions`; with a `tier` (NULL: none) that makes
 * machine code, beside that. Hands the text piece by piece to `write`, so that memory stays small; stops with
 * CAY_ERROR_SYSTEM when it returns false. CAY_ERROR_ARGUMENT when there is no such function, or no such tier. */
enum cay_status api_module_disassemble(const cay_module *module, const char *const *functions, size_t count, const char *tier,
                                       bool (*write)(void *env, const char *bytes, size_t len_bytes), void *env,
                                       struct cay_error *error);

/* ---- Running -------------------------------------------------------------------------------------------------------- */

/* cay_run_invoke with arguments as texts, parsed by the parameter's type (i32 and i64: decimal or 0x, signed or
 * unsigned; f32 and f64: as strtod; externref: a number of 62 bits or "null"; funcref: "null"), and results added to `out`, one a
 * line. CAY_ERROR_ARGUMENT says which argument is wrong, or the function's type. */
enum cay_status api_run_invoke_text(cay_run *run, const char *name, const char *const *args, size_t arg_count,
                                    struct base_text *out, struct cay_error *error);

/* Most elements of a table, set or not. */
uint64_t api_run_table_elements(const cay_run *run);
/* Translates all functions of the run's modules before any of their code runs, in at most `threads` threads, and not each
 * at its first call. `progress` (may be NULL) is called now and then with the functions of one module that are done. To be
 * called before the first start or invoke. */
void api_run_set_eager(cay_run *run, unsigned threads, void (*progress)(void *env, uint32_t done, uint32_t all), void *env);
/* How many processes compile its modules, which are all there, at once, at most, with a tier that has processes compile. To be
 * called before api_run_use_cache and api_run_wall. */
void api_run_set_jobs(cay_run *run, unsigned jobs);
/* Adds what the tier made of the program's functions, where it has more to say than that it runs them. */
void api_run_report(const cay_run *run, struct base_text *out);

/* The same and more in numbers. */
enum { API_STATS_REASONS = 8 };
struct api_run_stats {
  const char *tier;
  uint32_t functions, compiled, optimized; /* that the module defines; by the baseline; by LLVM */
  uint32_t moves;                          /* of running frames to LLVM's code */
  struct {
    const char *why; /* NULL: no more */
    uint32_t functions;
  } left[API_STATS_REASONS]; /* that LLVM was asked for and has not compiled */
  bool has_asked;          /* a process that compiles with LLVM */
  const char *helper_end;  /* why that has not answered for all; NULL: it has */
  bool is_kept, is_part;   /* LLVM's code was there already; for some functions */
  uint64_t code_bytes;     /* of code in memory, of all kinds */
  uint64_t compile_ns;     /* that the program has waited for code */
};
/* False: the module was not made an instance. */
bool api_run_stats(const cay_run *run, struct api_run_stats *out);

/* `said` gets what the program writes to its standard error, before it is written, in pieces, which end anywhere
 * and lack the front of what is long. To be called before the first start or invoke. */
void api_run_set_said(cay_run *run, void (*said)(void *env, const char *bytes, size_t len_bytes), void *env);

/* How long the last start or invoke lasted, and what all of the run's threads have computed: cay_run_used tells no more of
 * them than the limits allow. */
uint64_t api_run_wall_ns(const cay_run *run);
uint64_t api_run_cpu_ns(const cay_run *run);

/* ---- The second wall -------------------------------------------------------------------------------------------------- */

/* Confines this process, for good, to what the run needs: its grants, which are those of `wasi` (NULL: none), its threads
 * and its code; policy/wall.h tells what that means. To be called when everything that the command itself will need is
 * open, by the only thread of the process, before the first start or invoke, which may start threads. On an error nothing
 * holds. */
enum cay_status api_run_wall(cay_run *run, const cay_wasi *wasi, const struct api_cache *cache,
                             struct policy_wall_report *report, struct api_broker **broker, struct cay_error *missing,
                             struct cay_error *error);
/* Without a wall, for a run that has a cache and whose tier compiles while it runs: starts the broker that keeps what is made. */
enum cay_status api_run_keep(cay_run *run, const struct api_cache *cache, struct api_broker **broker,
                             struct cay_error *error);

/* What a confined process cannot find out for itself, a child answers that was started before: the broker. api_run_wall
 * starts one, `*broker`, when there will be something to ask, else it is NULL. The run's backtraces then come through it,
 * too. It gives no rights away. `cache` (NULL: none): what the tier has compiled while the program runs is kept there, by a
 * process that the broker starts; it may be closed afterwards. Where no process can be started, a run whose program looks no names up goes on without:
 * `missing->status` then says why, else it is CAY_OK. */
void api_broker_dismiss(struct api_broker *broker); /* no questions any more; NULL allowed */
void api_broker_free(struct api_broker *broker);    /* waits a second for its end; NULL allowed; after the run */
/* To be called first of all by a program whose broker may be the program itself: when it has been started to be one, it does not
 * return. Without this, the broker is a copy of the process, which costs more. */
void api_broker_main(int argc, char **argv);
/* About the host's files; without a broker the process looks itself. NULL, ABSENT: there is none, or nothing is known. */
enum api_path_kind { API_PATH_ABSENT, API_PATH_DIRECTORY, API_PATH_OTHER };
enum api_path_kind api_path_kind(struct api_broker *broker, const char *path);
char *api_real_path(struct api_broker *broker, const char *path); /* links followed; the caller frees it (base_free) */

/* ---- Scripts of the conformance suites ---------------------------------------------------------------------------------- */

struct api_wast_options {
  const char *tier;        /* NULL: the default one */
  uint64_t stack_bytes;    /* 0: the default */
  uint64_t proposals;      /* from api_proposals_parse, or API_PROPOSALS_DEFAULT */
  bool explicit_bounds, deterministic_relaxed_simd;
  /* One line without newline for each failed assertion: "i32.json:12: assert_return: got 1, expected 2". NULL: none. */
  void (*failed)(void *env, const char *line);
  void *failed_env;
};
struct api_wast_counts {
  uint64_t passed, failed;
  uint64_t text; /* assertions on malformed text: not run */
};
/* Runs one JSON script; the .wasm files lie beside it. Adds to `*counts`. A failed assertion is no error; a file that
 * cannot be read, that is not a script, or a command of an unknown type is. Loads libcay-json.so on first use. */
enum cay_status api_wast_run(const char *path, const struct api_wast_options *options, struct api_wast_counts *counts,
                             struct cay_error *error);

#endif
