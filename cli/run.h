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
};
struct cli_denials {
  struct cli_denial items[CLI_DENIALS];
  size_t kept, left_out;
  cay_run *run; /* whose calls are kept with each denial; NULL: nobody's */
};
/* For cay_wasi_set_denied, with the denials as env. */
void cli_denials_add(void *denials, const cay_denial *denial);
void cli_denials_say(const struct cli_denials *denials, const char *file);
void cli_denials_deinit(struct cli_denials *denials);

/* For a program that failed: when an argument names an existing file that no granted directory `dirs` (texts of --dir)
 * holds, says which option gives it. */
void cli_say_ungranted_file(const char *file, const struct cli_words *arguments, const struct policy_texts *dirs);

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
  cay_engine *engine;
  cay_module *module;
  cay_wasi *wasi;
  cay_run *run;
  struct cli_denials denials;
  struct policy_audit *audit; /* NULL: no --audit */
  bool audit_failed;          /* the program was interrupted for it */
  struct cli_progress progress; /* of --eager */
};

/* --audit (audit.c). Opens the log, before anything is granted. */
enum cay_status cli_audit_open(struct cli_session *session, struct cay_error *error);
/* Whether the log is out of the grant's reach. */
enum cay_status cli_audit_guard(const struct cli_session *session, const struct policy_dir *dir,
                                struct cay_error *error);
void cli_audit_hook(struct cli_session *session);  /* session->wasi tells it */
void cli_audit_begin(struct cli_session *session); /* before the program runs */
/* After it: ends the log. Returns `code`, or another one after a message. */
int cli_audit_end(struct cli_session *session, int code);
/* "read|write" of enum cay_right. */
void cli_right_words(uint32_t rights, char *out, size_t capacity);

/* Makes session->wasi, which holds what the settings name (grants.c). */
enum cay_status cli_grant(struct cli_session *session, struct cay_error *error);

#endif
