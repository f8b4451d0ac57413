/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the `cay` command share.
 *
 * Every command is a function that gets the words after its name and returns an exit code (policy's table). Output goes
 * through base_text and one write: no stdio, which keeps start-up short. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "api/api.h"
#include "base/base.h"

struct cli_words {
  char *const *items;
  size_t count;
};

/* ---- Commands ----------------------------------------------------------------------------------------------------- */

int cli_run(struct cli_words words);
int cli_validate(struct cli_words words);
int cli_inspect(struct cli_words words);
int cli_objdump(struct cli_words words);
int cli_audit(struct cli_words words);
int cli_learn(struct cli_words words);
int cli_wast(struct cli_words words);
int cli_version(struct cli_words words);
int cli_help(struct cli_words words);
int cli_completion(struct cli_words words);
int cli_manifest(struct cli_words words);
int cli_approve(struct cli_words words);
int cli_doctor(struct cli_words words);
int cli_compile(struct cli_words words);
int cli_cache(struct cli_words words);
int cli_bundle(struct cli_words words);
/* No command: the run of a bundle, whose words are all the program's. `name`: as it was called. */
int cli_run_sealed(const char *name, struct cli_words words);

/* ---- Words -------------------------------------------------------------------------------------------------------- */

/* Parses a command line whose options may stand before and after its operands. Calls `operand` (may be NULL) for each
 * operand, with the settings as they are there, and adds it to `operands` when that is not NULL.
 * Returns -1 to go on, or the exit code when the command is finished (wrong use, --help). */
int cli_parse(struct policy_settings *settings, enum policy_command command, struct cli_words words,
              struct policy_texts *operands);
/* One step of cli_parse for commands whose options apply to the operands after them: reads options, then takes one
 * operand (NULL at the end) off the front of `words`. Returns as cli_parse. */
int cli_next_operand(struct policy_settings *settings, enum policy_command command, struct cli_words *words,
                     const char **operand);
/* Whether --format json was given. */
bool cli_wants_json(const struct policy_settings *settings);

/* ---- Messages ------------------------------------------------------------------------------------------------------ */

/* Standard error: "cay: TEXT", in colour on a terminal unless NO_COLOR is set. */
void cli_say(const char *format, ...) BASE_PRINTF(1, 2);
/* A line that belongs to the message before it, indented. */
void cli_say_more(const char *format, ...) BASE_PRINTF(1, 2);
/* Reads a line of a person's and returns its first letter, '?' when it has none; 0: there was no line. All of it is taken:
 * what is left would be read by whoever comes next. */
char cli_read_letter(int fd);
/* Bytes to standard error as they are. */
void cli_say_raw(const char *text, size_t len_bytes);
/* A usage error; returns POLICY_EXIT_USAGE. */
int cli_wrong_use(const char *format, ...) BASE_PRINTF(1, 2);
/* "cay: WHERE: text (byte 0x1f)"; WHERE may be NULL. */
void cli_say_error(const char *where, const struct cay_error *error);
/* Writes the text to standard output, frees it, and returns `code`, or USAGE when it could not be written. */
int cli_print(struct base_text *text, int code);

/* ---- Module files ---------------------------------------------------------------------------------------------------- */

/* Loads a module file; "-" is standard input. Returns -1, or the exit code after a message that says what is wrong with
 * the file or what it is instead: missing, a folder, text, a component, compiled by something else. */
int cli_load(cay_engine *engine, const char *path, cay_module **out);
/* The two halves of cli_load: reads the file; makes its bytes, which it takes over, a module. Of a file of `cay compile` and
 * of a bundle it reads the module; cli_read_kept hands out the code, too, NULL when it is another file, and why it cannot be used, and
 * which file it was (NULL allowed). */
int cli_read(const char *path, struct base_file *out);
int cli_read_kept(const char *path, struct base_file *out, struct api_kept **kept, struct cay_error *why,
                  struct base_file_identity *identity);
int cli_load_read(cay_engine *engine, const char *path, struct base_file *file, cay_module **out);
/* cli_read_kept that hands out what a bundle was sealed with, too; `manifest->bytes` NULL: it is another file. */
int cli_read_sealed(const char *path, struct base_file *out, struct base_file *manifest, struct api_kept **kept,
                    struct cay_error *why);
/* Sets in `settings` what that text says; their origins name the bundle. */
enum cay_status cli_sealed_read(const char *file, const struct base_file *text, struct policy_settings *settings,
                                struct cay_error *error);
/* Says which of the module's custom sections are ignored because they are broken. */
void cli_say_ignored(const char *path, const cay_module *module);
/* The exit code for a file whose loading failed with `status`. */
int cli_load_exit(enum cay_status status);
/* Writes the file beside its place and renames it: it is the old one or the new one at any moment. */
enum cay_status cli_replace_file(const char *path, unsigned mode, const struct base_text *text, struct cay_error *error);
/* How many processes compile at once: --jobs, or one less than there are processors. */
unsigned cli_jobs(const struct policy_settings *settings);
/* Has LLVM compile all of a module as the settings say, for processors of `cpu`, with progress. */
enum cay_status cli_compile_code(const struct policy_settings *settings, const char *cpu, cay_engine *engine,
                                 const cay_module *module, struct base_text *out, struct api_compiled *counts,
                                 struct cay_error *error);
/* The engine that the settings ask for. Returns -1, or the exit code after a message. */
int cli_engine(const struct policy_settings *settings, cay_engine **out);

/* ---- Manifests and requests (request.c) ------------------------------------------------------------------------------------ */

/* The manifest that comes with a module: the file cay.toml in its folder, or else the one inside it. It only asks. */
struct cli_request {
  char *name;        /* "app/cay.toml" or "app.wasm[cay.manifest]"; NULL: there is none */
  char *folder;      /* the module's, as it was called */
  char *real_folder;
  struct base_file file; /* of one in the folder */
  const void *bytes;     /* in `file` or in the module */
  size_t len_bytes;
};
/* CAY_OK without a name: there is none. Errors say why there is one that cannot be used. cli_request_deinit in any case. */
enum cay_status cli_request_find(const char *path, const struct base_file *module, struct cli_request *out,
                                 struct cay_error *error);
void cli_request_deinit(struct cli_request *request);
/* Sets what it asks for in `settings`, whose origins get `prefix`. */
enum cay_status cli_request_read(const struct cli_request *request, const char *prefix, struct policy_settings *settings,
                                 struct cay_error *error);
struct policy_asked cli_asked(const struct cli_request *request, const struct base_file *module,
                              const struct base_file_identity *identity);

/* What lies beneath the command line and the environment: --manifest and what was approved. */
struct cli_layers {
  struct policy_settings manifest, request;
  struct cli_request found;
  bool asks;        /* `request` is what the module asks for */
  bool is_approved;
};
void cli_layers_init(struct cli_layers *layers);
void cli_layers_deinit(struct cli_layers *layers); /* after the settings */
/* Joins to the settings what the manifest and the approval grant. A request that is broken or cannot be read is told and
 * otherwise as none. `identity` is the module's file; NULL: not known. Returns -1, or the exit code after a message about --manifest. */
int cli_layers_join(struct cli_layers *layers, struct policy_settings *settings, const char *path,
                    const struct base_file *module, const struct base_file_identity *identity);
/* Says what the module asks for and was not given, with the lines that give it. */
void cli_layers_say_missing(const struct cli_layers *layers, const struct policy_settings *settings, const char *path);
/* Adds that to a report of `inspect`, and what the settings grant and limit, each with where it comes from; the `defaults`
 * are limits for which they have no value. */
void cli_layers_report(const struct cli_layers *layers, const struct policy_settings *settings,
                       const struct policy_settings *defaults, bool json, struct base_text *out);
/* Takes off the end of the JSON object that `out` ends with. */
void cli_json_reopen(struct base_text *out);
/* Adds a line for each grant and limit that the settings have, with `indent` in front. */
void cli_settings_lines(const struct policy_settings *settings, const char *indent, struct base_text *out);

/* ---- Limits (limits.c) ---------------------------------------------------------------------------------------------- */

void cli_limits_set(const struct policy_settings *settings, cay_run *run);
/* Sets in `defaults`, which are new, the limits that a run has for which the settings say nothing. */
enum cay_status cli_limits_defaults(const struct policy_settings *settings, const cay_run *run,
                                    struct policy_settings *defaults, struct cay_error *error);

/* ---- The machine (os_*.c, chosen by the build) ------------------------------------------------------------------------ */

struct cli_check {
  const char *name;
  bool ok;
  char found[128];
  const char *advice; /* what a warning means and what to do; NULL when ok */
};
enum { CLI_CHECKS = 16 };
/* Fills in what this system can be checked for; returns how many. */
size_t cli_os_checks(struct cli_check checks[CLI_CHECKS]);
/* The processor's name, or "unknown". */
void cli_os_cpu_name(char *out, size_t capacity);
/* In a child of `parent` that is to have what it opens itself, beside the standard streams: notes which descriptors it was
 * born with, and lets it end when the parent does. False: it has to end at once. */
bool cli_os_child_begin(int parent);
/* Closes what was noted, when nothing more is opened by a name like /dev/fd/63. */
void cli_os_child_close(void);
/* Processors that this process may use, at least 1. */
unsigned cli_os_cpu_count(void);

#endif
