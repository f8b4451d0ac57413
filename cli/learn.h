/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of `cay learn` share: learn.c asks and records, learn_write.c writes the manifest. */
#ifndef CLI_LEARN_H
#define CLI_LEARN_H

#include "cli/run.h"

enum { CLI_LEARNED_LIMITS = 8 };
struct cli_learn {
  struct cli_session *session;
  struct policy_learn *uses;
  int terminal; /* -1: nobody can be asked */
  bool allows_all, failed /* memory ran out */;
  bool is_beside;             /* the manifest lies in the working folder */
  struct policy_settings before; /* of the manifest that is there */
  uint64_t limits_before[CLI_LEARNED_LIMITS];
  uint32_t in_working_folder; /* enum cay_right: allowed for all that is named relative to it */
  struct policy_set allowed, refused; /* answers: "read:/etc/hosts"; "read:/etc/" for all in it */
  BASE_VEC(struct policy_dir) carried;             /* grants that stay as they are */
  struct policy_set wanted, variables, candidates; /* refused; allowed; of the host, and named in the module */
};

/* Adds a copy of a text, once. */
void cli_learn_keep(struct cli_learn *learn, struct policy_set *set, const char *text);
/* Joins the settings with the manifest that is at --output, if there is one. */
enum cay_status cli_learn_load(struct cli_learn *learn, struct cay_error *error);
/* Takes what the settings grant by the host's own names out of them: it is an answer, not a grant to show. */
enum cay_status cli_learn_begin(struct cli_learn *learn, struct cay_error *error);
/* Adds what the program is shown to session->wasi, and the hooks that ask. */
enum cay_status cli_learn_show(struct cli_learn *learn, struct cay_error *error);
/* After the run: writes the manifest to --output, or shows it. */
enum cay_status cli_learn_write(struct cli_learn *learn, struct cay_error *error);
void cli_learn_deinit(struct cli_learn *learn);

#endif
