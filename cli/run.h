/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of `cay run` share. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/cli.h"

enum { CLI_DENIALS = 8 };
struct cli_denials {
  struct base_text texts[CLI_DENIALS];
  size_t kept, left_out;
};
/* For cay_wasi_set_denied, with the denials as env. */
void cli_denials_add(void *denials, const cay_denial *denial);
void cli_denials_say(const struct cli_denials *denials, const char *file);
void cli_denials_deinit(struct cli_denials *denials);

/* For a program that failed without any grant of files: when an argument names an existing file, says which option
 * gives it. */
void cli_say_ungranted_file(const char *file, char *const *arguments, size_t count);

#endif
