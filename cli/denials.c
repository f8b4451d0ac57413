/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a program was refused, kept until it has ended: programs probe for files they can do without, so denials are
 * worth showing only when the program then failed (or when --verbose asks). Each one is kept once, and only the first
 * few, with the option that would allow it. */
#include "cli/run.h"

#include <stdio.h>
#include <unistd.h>

static void describe(struct base_text *out, const cay_denial *denial) {
  const char *path = denial->guest_path, *preopen = denial->preopen ? denial->preopen : "";
  const char *host = denial->host_path ? denial->host_path : "HOST";
  switch (denial->reason) {
  case CAY_DENIAL_ESCAPE:
    base_text_format(out, "%s is not granted\n  %s: ", path, denial->call);
    if (path[0] == '/' && !strstr(path, "/.."))
      base_text_format(out, "it is not beneath a granted directory\n  to allow it: --dir %s::%s::ro\n", path, path);
    else
      base_text_format(out, "it leads out of %s%s\n  to allow it: --dir with the folder that holds it\n",
                       *preopen ? preopen : "the granted directory", *preopen ? " (which is granted)" : "");
    break;
  case CAY_DENIAL_READ_ONLY:
    base_text_format(out, "%s was granted for reading only\n  %s would change it\n  to allow it: --dir %s::%s::rw\n",
                     path, denial->call, host, *preopen ? preopen : "GUEST");
    break;
  case CAY_DENIAL_RIGHT:
    base_text_format(out, "%s: %s was refused\n  the program opened it without the right for this call\n", path,
                     denial->call);
    break;
  }
}

void cli_denials_add(void *denials_opaque, const cay_denial *denial) {
  struct cli_denials *denials = denials_opaque;
  struct base_text text = {0};
  describe(&text, denial);
  bool known = text.failed;
  for (size_t i = 0; i < denials->kept && !known; i++) known = strcmp(denials->texts[i].bytes, text.bytes) == 0;
  if (known || denials->kept == CLI_DENIALS) {
    denials->left_out += !known;
    base_text_deinit(&text);
    return;
  }
  denials->texts[denials->kept++] = text;
}

void cli_denials_say(const struct cli_denials *denials, const char *file) {
  for (size_t i = 0; i < denials->kept; i++) {
    const struct base_text *text = &denials->texts[i];
    cli_say("%s: %.*s", file, (int)(text->len_bytes - 1), text->bytes);
  }
  if (denials->left_out) cli_say_more("and %zu more denials", denials->left_out);
}

void cli_denials_deinit(struct cli_denials *denials) {
  for (size_t i = 0; i < denials->kept; i++) base_text_deinit(&denials->texts[i]);
}

void cli_say_ungranted_file(const char *file, char *const *arguments, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const char *path = arguments[i];
    if (*path == '-' || !*path || access(path, F_OK) != 0) continue;
    const char *slash = strrchr(path, '/');
    int folder_len = slash ? (int)(slash - path) + (slash == path) : 1;
    const char *folder = slash ? path : ".";
    cli_say("%s: it was given no directory, so it cannot see %s", file, path);
    cli_say_more("to allow it: --dir %.*s", folder_len, folder);
    return;
  }
}
