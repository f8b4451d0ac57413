/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of `cay run` share. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/cli.h"

enum { CLI_DENIALS = 8 };
struct cli_denial {
  enum cay_denial_reason reason;
  char *call, *guest_path, *preopen, *host_path; /* the last two NULL when not known */
  char *callers;                                 /* cay_run_calls, or NULL */
  uint32_t rights;                               /* enum cay_right that the call takes */
  bool is_exclusive;
  char *rule, *listener; /* NULL: none */
};
struct cli_denials {
  struct cli_denial items[CLI_DENIALS];
  size_t kept;
  bool has_more; /* than are kept */
  cay_run *run; /* whose calls are kept with each denial; NULL: nobody's */
};
/* For cay_wasi_set_denied, with the denials as env. */
void cli_denials_add(void *denials, const cay_denial *denial);
/* Says what was denied and what would have allowed it; returns how many there were to say. */
size_t cli_denials_say(const struct cli_denials *denials, struct policy_settings *settings, const char *file);
void cli_denials_deinit(struct cli_denials *denials);

/* ---- Proposals (proposals.c) ---------------------------------------------------------------------------------------- */

/* The least rights of a grant that allow a use (enum cay_right). */
enum policy_rights cli_rights_for(uint32_t rights, bool is_exclusive);
/* "HOST::GUEST::ro"; false: a name cannot stand in it. */
bool cli_grant_text(const char *host, const char *guest, enum policy_rights rights, struct base_text *out);
/* Adds "accept:tcp:HOST:PORT" for a refused peer: its host, the port of the listener. False: they have none. */
bool cli_add_peer_rule(struct base_text *out, const char *peer, const char *listener);
/* Adds `dir = ["VALUE"]`. */
void cli_add_manifest_line(struct base_text *out, const char *option, const char *value);
/* Adds a line "LEAD: --dir VALUE        in cay.toml: dir = ["VALUE"]", and the same of a grant. */
void cli_add_allow(struct base_text *out, const char *lead, const char *option, const char *value);
void cli_add_grant(struct base_text *out, const char *lead, const char *host, const char *guest,
                   enum policy_rights rights);
/* Adds the grants that make a path of the host usable: itself, or the folder that it would be made in when `creates`. False:
 * there is nothing to grant. */
bool cli_add_path_grants(struct base_text *out, const char *lead, const char *path, enum policy_rights rights,
                         bool creates);

/* ---- What was missed without being asked for (missed.c, mentions.c) --------------------------------------------------- */

/* The end of what the program wrote to its standard error. */
struct cli_last_words {
  char bytes[4096];
  size_t len_bytes;
};
void cli_last_words_add(void *words, const char *bytes, size_t len_bytes);
/* After a failed run in which nothing was denied: says which files and variables it may have missed. False: nothing. */
struct cli_session;
bool cli_say_missed(struct cli_session *session);
/* Whether the word is there with something else before and behind it. */
bool cli_mentions(const char *bytes, size_t len_bytes, const char *word, size_t word_bytes);
/* Variables of cay's environment whose names occur in the module's data. False: memory is out. */
bool cli_mentioned_variables(const cay_module *module, void (*found)(void *env, const char *name), void *env);
/* Files of the host, folders excepted, whose names are constants in the module's data; none of the system's own, such as
 * /dev/null, and no sources, whose names are there for messages. */
void cli_mentioned_files(const cay_module *module, void (*found)(void *env, const char *path), void *env);
bool cli_is_path_byte(char c); /* of names that stand in other text */
/* More than a word: "out" occurs in many texts. */
bool cli_looks_like_file(const char *path);

/* A line on the terminal that counts up while something takes longer than a moment, and goes when that ends. There is none
 * when standard error is no terminal. */
struct cli_progress {
  const char *what;
  uint64_t next_ns; /* when it changes next */
  bool has_terminal, is_shown;
};
void cli_progress_begin(struct cli_progress *progress, const char *what);
void cli_progress_show(void *progress, uint32_t done, uint32_t all);
void cli_progress_end(struct cli_progress *progress);

/* ---- One run -------------------------------------------------------------------------------------------------------- */

struct cli_session {
  struct policy_settings settings;
  const char *file;
  struct cli_words arguments; /* of the program, after the file */
  struct cli_layers layers;   /* beneath the settings */
  struct base_file read;      /* the file, until it is loaded */
  struct base_file_identity identity; /* of that */
  struct api_kept *kept;      /* code that came with it, to be used; NULL: none */
  struct api_cache *cache;    /* NULL: none is used */
  bool chose_tier;            /* nobody has asked for one */
  bool uses_cache;            /* it had one */
  struct cay_error without_cache; /* why it has none; CAY_OK: none was wanted */
  uint64_t decode_ns;         /* that reading and checking the module took */
  cay_engine *engine;
  cay_module *module;
  cay_wasi *wasi;
  cay_run *run;
  struct cli_denials denials;
  struct policy_audit *audit; /* NULL: no --audit */
  atomic_bool audit_failed;   /* the program was interrupted for it */
  int receipt_fd;             /* -1: no --receipt, or it is written */
  struct cli_learn *learn;    /* NULL: this is no `cay learn` */
  struct cli_last_words last_words;
  bool is_sealed; /* this process is a bundle that was started */
  bool has_run;
  bool lost_results; /* of --invoke: they could not be written */
  int ended_by; /* the signal; 0: none */
  struct cli_progress progress; /* of --eager */
};

/* --audit (audit.c). Opens the log, before anything is granted. */
enum cay_status cli_audit_open(struct cli_session *session, struct cay_error *error);
/* Whether the log is out of the grant's reach. */
enum cay_status cli_audit_guard(const struct cli_session *session, const struct policy_dir *dir,
                                struct cay_error *error);
void cli_audit_hook(struct cli_session *session);  /* session->wasi tells it */
/* After it: ends the log. Returns `code`, or another one after a message. */
int cli_audit_end(struct cli_session *session, int code);
/* "read|write" of enum cay_right. */
void cli_right_words(uint32_t rights, char *out, size_t capacity);
/* Puts the second wall around this process, when that is wanted. Returns -1 to go on, or the exit code after a message. */
int cli_enter_wall(struct cli_session *session);
/* What is asked about the host's files after a run: by this process, or when it is behind the wall by its broker. */
enum api_path_kind cli_path_kind(const char *path);
char *cli_real_path(const char *path); /* NULL, or to be freed by base_free */
/* No questions any more; and, after the run is gone, the broker's end. */
void cli_leave_wall(void);
void cli_end_broker(void);
/* With --isolate=process: goes on as a child, which returns -1; in the process that was started it returns the exit code,
 * when the child has ended. */
int cli_become_child(struct cli_session *session);

/* Signals that would end cay (signals.c). From now on they are noted, and interrupt the run that they were told. */
void cli_signals_catch(void);
void cli_signals_end(cay_run *run); /* NULL: none any more */
int cli_signals_last(void);         /* the one that came; 0: none */
const char *cli_signal_name(int number); /* NULL: of none that is caught */

/* Limits (limits.c). */
/* Says which limit ended the program or did not let it begin, and how to raise it; returns the exit code. */
int cli_say_limit(const struct cli_session *session, const struct cay_error *error);
/* After a trap or the program's own end with `code`: says which limit it had met. Returns the exit code. */
int cli_say_limit_met(const struct cli_session *session, int code);
/* --receipt. Opens the file, before anything is granted, and writes it: returns `code`, or another one after a message. */
enum cay_status cli_receipt_open(struct cli_session *session, struct cay_error *error);
int cli_receipt_write(struct cli_session *session, int code);

/* --stats (stats.c): says at the end what became of the program. */
void cli_say_stats(const struct cli_session *session);

/* Takes settings and module from the bundle that this process is (sealed.c). Returns -1, or the exit code after a message. */
int cli_unseal(struct cli_session *session);

/* Makes session->wasi, which holds what the settings name (grants.c). */
enum cay_status cli_grant(struct cli_session *session, struct cay_error *error);
/* A new folder in memory, which is removed when the process ends, however (scratch.c). */
bool cli_scratch_make(char *path, size_t capacity);

#endif
