/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Door of the room `policy`: what a person may ask for when running a program, and how it is spelled.
 *
 * options.def is the one table of commands, options and exit codes; wasmtime.def maps wasmtime's option groups onto it.
 * policy_parse turns a command line into `struct policy_settings`; policy_dir_parse and policy_environment
 * turn the texts in it into grants. Nothing here opens a file of the program or grants anything.
 *
 * Ownership: settings hold copies of nothing: their texts point into argv, the environment or the settings' own arena,
 * and live as long as those. Threads: the tables never change; settings belong to one thread. */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/base.h"
#include "host/host.h"
#include "policy/wall.h"

/* ---- Tables ----------------------------------------------------------------------------------------------------- */

enum policy_command {
#define POLICY_COMMAND(ID, name, operands, summary, text) POLICY_COMMAND_##ID,
#include "policy/options.def"
  POLICY_COMMAND_COUNT
};
struct policy_command_row {
  const char *name, *operands, *summary, *text;
};
extern const struct policy_command_row policy_commands[POLICY_COMMAND_COUNT];

enum policy_group {
#define POLICY_GROUP(ID, heading) POLICY_GROUP_##ID,
#include "policy/options.def"
  POLICY_GROUP_COUNT
};
extern const char *const policy_group_headings[POLICY_GROUP_COUNT];

enum policy_option {
#define POLICY_OPTION(ID, field, name, letter, argument, KIND, commands, manifest, GROUP, help) POLICY_OPTION_##ID,
#include "policy/options.def"
  POLICY_OPTION_COUNT,
  POLICY_OPTION_NONE = POLICY_OPTION_COUNT,
};

/* What an option's value is, and what the field of the settings holds. */
struct policy_texts {
  const char **items;
  size_t count, capacity;
};
typedef bool policy_FLAG;                 /* given or not */
typedef const char *policy_TEXT;          /* NULL: not given */
typedef const char *policy_PATH;          /* a TEXT that names a file; in a manifest, beneath the manifest's folder */
typedef struct policy_texts policy_TEXTS; /* in the order given; environment variables come first */
typedef struct policy_texts policy_PATHS; /* TEXTS that name files */
typedef struct policy_texts policy_GRANTS; /* TEXTS of the form HOST[::GUEST[::OPTIONS]] (policy_dir_parse) */
typedef uint64_t policy_SIZE;             /* bytes; UINT64_MAX: not given */
typedef uint64_t policy_COUNT;            /* UINT64_MAX: not given */
typedef uint64_t policy_DURATION;         /* nanoseconds; UINT64_MAX: not given */
typedef const char *policy_CHOICE;        /* one of the argument's words; NULL: not given */
typedef bool policy_KEYS;                 /* the keys were applied to the options they map to; the field says: given */
typedef bool policy_ACTION;
enum policy_kind {
  POLICY_FLAG,
  POLICY_TEXT,
  POLICY_PATH,
  POLICY_TEXTS,
  POLICY_PATHS,
  POLICY_GRANTS,
  POLICY_SIZE,
  POLICY_COUNT,
  POLICY_DURATION,
  POLICY_CHOICE,
  POLICY_KEYS,
  POLICY_ACTION,
};
#define POLICY_NOT_GIVEN UINT64_MAX
/* Whether a kind's field is a struct policy_texts. */
static inline bool policy_kind_is_list(uint8_t kind) {
  return kind == POLICY_TEXTS || kind == POLICY_PATHS || kind == POLICY_GRANTS;
}

struct policy_option_row {
  const char *name;        /* without the dashes */
  const char *argument;    /* placeholder, or NULL when it takes none */
  const char *environment; /* "CAY_DIR" ..., NULL for kinds KEYS and ACTION */
  const char *manifest;    /* key in a manifest, or NULL when it cannot stand there */
  const char *help;
  uint32_t commands; /* bit set of 1 << enum policy_command */
  uint16_t field;    /* offset in struct policy_settings */
  char letter;       /* short form, or 0 */
  uint8_t kind, group;
};
extern const struct policy_option_row policy_options[POLICY_OPTION_COUNT];

enum policy_exit {
#define POLICY_EXIT(ID, number, meaning) POLICY_EXIT_##ID = number,
#include "policy/options.def"
};
struct policy_exit_row {
  int number;
  const char *meaning;
};
extern const struct policy_exit_row policy_exits[];
extern const size_t policy_exit_count;

/* ---- Texts by hash ------------------------------------------------------------------------------------------------- */

/* The item with each key, in constant time whoever chose the keys. Zero-initialise. */
struct policy_index_entry {
  const char *key; /* NULL: free */
  size_t len_bytes, item;
};
struct policy_index {
  struct policy_index_entry *entries;
  size_t count, capacity;
};
/* The item of the key, or SIZE_MAX. */
size_t policy_index_find(const struct policy_index *index, const char *key, size_t len_bytes);
/* Adds a key that is not there. It is not copied and has to live as long as the index. False: memory is out. */
bool policy_index_add(struct policy_index *index, const char *key, size_t len_bytes, size_t item);
void policy_index_deinit(struct policy_index *index);

/* Copies of texts, each kept once, in the order of their first coming. Zero-initialise. */
struct policy_set {
  struct policy_texts texts;
  struct policy_index index;
};
bool policy_set_has(const struct policy_set *set, const char *text);
/* False: memory is out. */
bool policy_set_add(struct policy_set *set, const char *text);
void policy_set_deinit(struct policy_set *set);

/* ---- Command lines ---------------------------------------------------------------------------------------------- */

struct policy_settings {
#define POLICY_OPTION(ID, field, name, letter, argument, KIND, commands, manifest, GROUP, help) policy_##KIND field;
#include "policy/options.def"
  /* Where each value came from, in the order of the values: "--dir a::b", "CAY_DIR", "cay.toml:3:7". */
  struct policy_texts origins[POLICY_OPTION_COUNT];
  const char *source; /* the origin of what policy_set sets; NULL: its flag and value. Lives as long as the settings */
  enum policy_option keys_help; /* the group whose keys were asked for ("-W help"); NONE otherwise */
  enum policy_command command;  /* that was parsed for */
  struct base_arena arena;
};
void policy_settings_init(struct policy_settings *settings);
void policy_settings_deinit(struct policy_settings *settings);

/* The command called `name`, or POLICY_COMMAND_COUNT. */
enum policy_command policy_command_find(const char *name);
/* The command whose name is nearest to a mistyped one, or NULL when none is near. */
const char *policy_command_suggest(const char *name);

/* Sets the options of `command` that have an environment variable (CAY_DIR, ...) in `environment`, a NULL-terminated
 * list of NAME=VALUE. An empty value counts as not set. A variable of kind TEXTS holds one value a line; a FLAG is set
 * by 1, y, yes or true and not set by 0, n, no or false. */
enum cay_status policy_parse_environment(struct policy_settings *settings, enum policy_command command,
                                         char *const *environment, struct cay_error *error);
/* Reads options from words[0..count) up to the first operand; a "--" before it is skipped. `*used` is the number of
 * words read; words[*used], if there is one, is the operand. Call again behind an operand to allow options after it.
 * A list option adds to what is there, every other one replaces it. Error: CAY_ERROR_ARGUMENT with the nearest name. */
enum cay_status policy_parse(struct policy_settings *settings, enum policy_command command, char *const *words,
                             size_t count, size_t *used, struct cay_error *error);
/* Sets one option as if it had been given on the command line; a FLAG also to "false". `value` is kept, not copied. */
enum cay_status policy_set(struct policy_settings *settings, enum policy_option option, const char *value,
                           struct cay_error *error);

/* Whether the option has a value, from anywhere. */
bool policy_is_given(const struct policy_settings *settings, enum policy_option option);
/* Where value `index` of the option came from (0 for what is no list); NULL when it has no such value. */
const char *policy_origin(const struct policy_settings *settings, enum policy_option option, size_t index);
/* Puts where value `index` came from in front of an error's text: "--dir", or "cay.toml:3:7: dir". */
void policy_error_origin(const struct policy_settings *settings, enum policy_option option, size_t index,
                         struct cay_error *error);
/* Puts the values of `lower` beneath those of `settings`: where both have a value, that of `settings` stays; lists are
 * joined, lower ones first, except grants of a guest path that `settings` grants, too, and texts that it has already. `lower` has to live as long as
 * `settings`. Error: no memory. */
enum cay_status policy_settings_join(struct policy_settings *settings, const struct policy_settings *lower,
                                     struct cay_error *error);
/* Whether values of different options can hold together. `is_whole`: nothing will be joined to them any more. Error:
 * CAY_ERROR_ARGUMENT with where the value came from. */
enum cay_status policy_settings_check(const struct policy_settings *settings, bool is_whole, struct cay_error *error);

/* "64M", "16MiB", "65536": digits (decimal with _ allowed, or 0x...), then k, M, G or T, then iB or B. Powers of 1024. */
enum cay_status policy_size_parse(const char *text, uint64_t *bytes, struct cay_error *error);
/* Adds the shortest text of the same size or duration: "64M", "500ms". */
void policy_size_text(uint64_t bytes, struct base_text *out);
void policy_duration_text(uint64_t ns, struct base_text *out);
/* The value of an option of kind SIZE, COUNT or DURATION; POLICY_NOT_GIVEN. */
uint64_t policy_number(const struct policy_settings *settings, enum policy_option option);
/* "2", "1.5s", "500ms", "20us", "7ns", "5m", "1h", and as wasmtime reads times also "1m30s", "1min 30sec", "2days". */
enum cay_status policy_duration_parse(const char *text, uint64_t *ns, struct cay_error *error);

/* ---- Grants ------------------------------------------------------------------------------------------------------ */

enum policy_rights { POLICY_RIGHTS_READ, POLICY_RIGHTS_WRITE, POLICY_RIGHTS_CREATE_ONLY };
enum policy_overlay { POLICY_OVERLAY_NONE, POLICY_OVERLAY_MEMORY, POLICY_OVERLAY_FOLDER };
struct policy_dir {
  const char *host, *guest;
  enum policy_rights rights;
  enum policy_overlay overlay;
  const char *scratch;  /* the folder of POLICY_OVERLAY_FOLDER, else NULL */
  uint64_t quota_bytes; /* 0: not limited */
};
/* HOST[::GUEST[::OPTION,...]] with the options ro, rw, create-only, quota=SIZE, overlay and, as the last one, because the
 * name may hold commas, overlay=FOLDER. The parts are copied into the settings' arena. */
enum cay_status policy_dir_parse(struct policy_settings *settings, const char *text, struct policy_dir *out,
                                 struct cay_error *error);
/* The same text with nothing left out but what is normal. False: it has no such form, because a name holds "::". */
bool policy_dir_text(const struct policy_dir *dir, struct base_text *out);
/* "ro", "rw", "create-only" */
const char *policy_rights_name(enum policy_rights rights);

/* A rule of --net: [allow:|deny:]connect|listen|accept:tcp|udp|*:HOST[:PORT]. HOST: a name or *.NAME (connect only), an
 * address, ADDRESS/BITS, *, private, localhost; IPv6 in brackets. PORT: N, FIRST-LAST or *, which is normal. The rule's
 * text is `text`; its name lies in `out`, which may not be moved. */
enum { POLICY_NET_HOST = 256 };
struct policy_net {
  struct host_net_rule rule;
  char name[POLICY_NET_HOST];
};
enum cay_status policy_net_parse(const char *text, struct policy_net *out, struct cay_error *error);
/* Whether it names one TCP address and port to listen on, and that as "127.0.0.1:80". */
bool policy_net_listens(const struct policy_net *net);
void policy_net_address(const struct policy_net *net, char *out, size_t capacity);
/* --listen: an address and a port, or localhost:PORT. */
enum cay_status policy_listen_parse(const char *text, struct host_net_address *out, struct cay_error *error);

/* --clock: real, fixed[=TIME], coarse[=DURATION]. `ns`: since 1970, or the step. TIME is seconds since 1970, a date, or a
 * date and time of day in UTC: 2024-05-01T12:00:00Z. */
enum policy_clock { POLICY_CLOCK_REAL, POLICY_CLOCK_FIXED, POLICY_CLOCK_COARSE };
enum cay_status policy_clock_parse(const char *text, enum policy_clock *clock, uint64_t *ns, struct cay_error *error);
/* --random: real, seed=N. */
enum cay_status policy_random_parse(const char *text, bool *is_seeded, uint64_t *seed, struct cay_error *error);

/* The program's environment: a NULL-terminated list of NAME=VALUE in the settings' arena, from --inherit-env, then the
 * files, then --env, where a later one replaces an earlier one of the same name. `host` is cay's own environment. */
enum cay_status policy_environment(struct policy_settings *settings, char *const *host, const char *const **out,
                                   struct cay_error *error);

/* Adds a word as a shell reads it. Words come from strangers and are read by the person who decides: one that does not show
 * itself as it is, such as one with a line end, stands as $'...' with the numbers of its bytes. */
void policy_shell_word(const char *word, struct base_text *out);

/* ---- Manifests --------------------------------------------------------------------------------------------------- */

/* Adds the settings as the text of a manifest in its one canonical form: every option that has a value and may stand in
 * a manifest, in the order of the table; grants as tables [[dir]] at the end. Paths are written as they are, so they have
 * to be absolute or relative to the folder that the manifest is going to lie in. Error: CAY_ERROR_ARGUMENT for a value that
 * is not UTF-8, which no manifest can hold, with its option and nothing added; out->failed when memory is out. */
enum cay_status policy_manifest_write(const struct policy_settings *settings, struct base_text *out,
                                      struct cay_error *error);
/* Adds a text as a manifest writes it: with quotes, and what does not show itself as it is, such as the end of a line, as
 * an escape. It has to be UTF-8 to be read back as it was: other bytes become U+FFFD. */
void policy_toml_text(const char *text, size_t len_bytes, struct base_text *out);

/* ---- Learning ----------------------------------------------------------------------------------------------------- */

/* What a program did with a path, and the grants that let it do so again. False: memory is out. */
enum policy_used {
  POLICY_USED_READ = 1,
  POLICY_USED_WRITE = 2,
  POLICY_USED_CREATE = 4,      /* made, or used as it was */
  POLICY_USED_CREATE_NEW = 8,  /* made, if it was not there */
  POLICY_USED_REMOVE = 16,     /* removed, renamed, linked */
  POLICY_USED_LIST = 32,
  POLICY_USED_STAT = 64,
};
struct policy_learn;
struct policy_learn *policy_learn_new(void); /* NULL: memory is out */
void policy_learn_free(struct policy_learn *learn);
/* `was_there`: before the first use. */
bool policy_learn_add(struct policy_learn *learn, const char *guest_path, uint32_t used, bool is_directory,
                      bool was_there);
/* A grant that was learned before. */
bool policy_learn_seed(struct policy_learn *learn, const char *guest_path, enum policy_rights rights, bool is_directory);
/* Makes the grants of what has been added until now. */
bool policy_learn_conclude(struct policy_learn *learn);
/* Grant `index` of them, in the order of their paths; false past the end. */
bool policy_learn_grant(const struct policy_learn *learn, size_t index, const char **guest_path,
                        enum policy_rights *rights);
/* How a guest path is written in a grant, as a copy; NULL: memory is out. */
char *policy_learn_path(const char *path);
/* Whether a path that is written so lies in a folder, or is it. */
bool policy_learn_holds(const char *folder, const char *path);
/* Whether `text` is `pattern`, in which * stands for any text and ? for any byte. */
bool policy_glob(const char *pattern, const char *text);

enum { POLICY_MANIFEST_MAX_BYTES = 1 << 20, POLICY_MANIFEST_MAX_ITEMS = 4096 /* of one list */ };
#define POLICY_MANIFEST_NAME "cay.toml"            /* of a request beside a module */
#define POLICY_MANIFEST_SECTION "cay.manifest"     /* of the custom section with one inside a module */
struct policy_manifest {
  const char *name;   /* in messages and origins: "conf/cay.toml" */
  const char *folder; /* where its relative paths begin; NULL: they stay as they are */
  const char *prefix; /* of its origins, such as "approved "; NULL: none */
  bool is_request;    /* it may ask for grants and limits only: what else a manifest may set is an error */
  const void *bytes;
  size_t len_bytes;
};
/* Sets the values of a manifest (TOML 1.0; keys are the manifest column of the option table, grants strings or tables
 * [[dir]]) in settings that have none of them yet. The texts are copied. Errors, each with "NAME:LINE:COLUMN: " in front:
 * not TOML, not UTF-8, too long, an unknown key (with the nearest one), a value of the wrong type or form, values that
 * contradict each other. After an error the settings are good for policy_settings_deinit only. */
enum cay_status policy_manifest_read(struct policy_settings *settings, const struct policy_manifest *manifest,
                                     struct cay_error *error);
/* Reads the manifest file `path`, a regular file, into `*file` (with base_file_read_small's errors) for policy_manifest_read,
 * which says if it is too long. */
enum cay_status policy_manifest_open(const char *path, struct base_file *file, bool *missing, struct cay_error *error);
/* The folder of a path as a text that the caller frees: "." when it has none. NULL: no memory. */
char *policy_folder_of(const char *path);
/* A JSON Schema (2020-12) of manifests. */
void policy_manifest_schema(struct base_text *out);

/* The manifest in a module's custom section, the first one; points into the module. False: there is none. */
bool policy_embedded_find(const void *module, size_t len_bytes, const void **bytes, size_t *found_bytes);
/* Adds the module to `out` with this manifest in place of those it has. CAY_ERROR_MALFORMED: no module. */
enum cay_status policy_embedded_put(const void *module, size_t len_bytes, const void *manifest, size_t manifest_bytes,
                                    struct base_text *out, struct cay_error *error);

/* ---- Comparing ------------------------------------------------------------------------------------------------------ */

enum policy_change { POLICY_CHANGE_ADDED, POLICY_CHANGE_REMOVED, POLICY_CHANGE_OTHER /* another value */ };
/* One difference. `index`: of the value in the settings that have it: `after`, unless it was removed. `widens`: the program
 * may do more after it, or that cannot be excluded. */
struct policy_difference {
  enum policy_option option;
  enum policy_change change;
  size_t index;
  bool widens;
};
/* Tells the differences between settings, in the order of the table. A grant that another one covers is none: what is
 * beneath a granted folder, under the same names and with no more rights. Only options that may stand in a manifest. */
void policy_compare(const struct policy_settings *before, const struct policy_settings *after,
                    void (*tell)(void *env, const struct policy_difference *difference), void *env);
/* Adds value `index` of an option as it is given on a command line, quoted for a shell: --env 'A=b c'. */
void policy_flag_write(const struct policy_settings *settings, enum policy_option option, size_t index,
                       struct base_text *out);

/* ---- Approvals ------------------------------------------------------------------------------------------------------ */

/* A request that a person has granted. The texts are safe to print. */
struct policy_approval {
  const char *name; /* 64 digits (policy_approval_name) */
  const char *module, *request; /* paths, for people */
};
/* What an approval is for: another module, request or folder needs another one. */
struct policy_asked {
  const void *module, *request;
  size_t module_bytes, request_bytes;
  const struct base_file_identity *identity; /* of the module's file; NULL: not known */
  const char *folder;                        /* the real path where the request's relative paths begin */
};
void policy_approval_name(const struct policy_asked *asked, char out[BASE_SHA256_HEX_BYTES]);
/* Whether it is approved. `environment` names the folder of approvals. A module is hashed only when its file's identity is new.
 * Errors: CAY_ERROR_SYSTEM: the folder has no name, or is not to be trusted. */
enum cay_status policy_approval_find(char *const *environment, const struct policy_asked *asked, bool *found,
                                     struct cay_error *error);
enum cay_status policy_approval_store(char *const *environment, const struct policy_approval *approval,
                                      struct cay_error *error);
/* Calls `each` for every approval, in no order, and revokes those for which it returns true. */
enum cay_status policy_approvals_each(char *const *environment,
                                      bool (*each)(void *env, const struct policy_approval *approval), void *env,
                                      struct cay_error *error);

/* ---- Audit log ---------------------------------------------------------------------------------------------------- */

/* Appends JSON lines to a file: "begin", one for each use, "end" (docs/capabilities.md has their fields). Lines are buffered;
 * they are written when something was denied, when the buffer is full or a second old, and when flush is called. After a
 * failure every call fails with it. Any thread. */
struct policy_audit;
struct policy_audit_use {
  const char *call, *object, *result;
  const char *rights;    /* words with | between them */
  const char *host_path; /* NULL: not known */
  const char *rule;      /* NULL: there is none */
  const char *reason;    /* why it was denied; NULL: it was not */
  const char *backtrace; /* of a denial: lines "  0: name at file:line", or NULL */
  uint32_t thread;
  const char *listener;  /* that a peer, the object, connected to; NULL: it is no peer */
};
/* Opens or makes the file (0600), following no link in its last place. `is_chained`: each line carries a hash over all lines
 * before it. `instance` names the program. Errors: CAY_ERROR_SYSTEM, _ARGUMENT (a file that cannot be gone on with). */
enum cay_status policy_audit_open(const char *path, const char *instance, bool is_chained, struct policy_audit **out,
                                  struct cay_error *error);
/* CAY_ERROR_ARGUMENT when what is granted for writing, or the program's standard stream, holds the log or is it. */
enum cay_status policy_audit_guard(const struct policy_audit *audit, const char *host_path, struct cay_error *error);
enum cay_status policy_audit_guard_stream(const struct policy_audit *audit, int fd, struct cay_error *error);
enum cay_status policy_audit_add(struct policy_audit *audit, const struct policy_audit_use *use,
                                 struct cay_error *error);
enum cay_status policy_audit_flush(struct policy_audit *audit, struct cay_error *error);
/* Writes the last line and frees, also when it fails; NULL allowed. */
enum cay_status policy_audit_close(struct policy_audit *audit, struct cay_error *error);

/* Checks a chained log that is given in pieces. `problem` is NULL afterwards, or says what is wrong with line `line` (from 1);
 * otherwise `line` is the number of lines and `hash` that of the last one. */
struct policy_audit_check {
  uint64_t line;
  const char *problem;
  char hash[BASE_SHA256_HEX_BYTES];
  bool is_open;
  struct base_text rest;
};
void policy_audit_check_init(struct policy_audit_check *check);
void policy_audit_check_deinit(struct policy_audit_check *check);
void policy_audit_check_add(struct policy_audit_check *check, const char *bytes, size_t len_bytes);
void policy_audit_check_end(struct policy_audit_check *check);

/* ---- Help -------------------------------------------------------------------------------------------------------- */

void policy_help_overview(struct base_text *out);
void policy_help_command(struct base_text *out, enum policy_command command);
void policy_help_exit_codes(struct base_text *out);
void policy_help_environment(struct base_text *out);
/* The keys of one of wasmtime's groups and what each does here. */
void policy_help_keys(struct base_text *out, enum policy_option group);

#endif
