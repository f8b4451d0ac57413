/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* `cay approve`: a person reads what a module asks for, and grants it for as long as nothing of it changes. What is shown
 * is what is stored: module and request are read once. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int fail(const char *where, const struct cay_error *error) {
  cli_say_error(where, error);
  return POLICY_EXIT_USAGE;
}

/* The file's real path as it is stored; the caller frees it. */
static char *shown_module(const char *path) {
  char shown[4096], *real = realpath(path, NULL);
  base_printable(shown, sizeof shown, real ? real : path, strlen(real ? real : path));
  free(real);
  return base_string_copy(shown, strlen(shown));
}

static bool answers_yes(void) {
  cli_say_raw("  grant this? [y/N] ", 20);
  char letter = cli_read_letter(STDIN_FILENO);
  if (!letter) cli_say_raw("\n", 1);
  return letter == 'y' || letter == 'Y';
}

/* -1: shown. */
static int show(const char *path, const struct cli_request *request, const struct policy_settings *settings) {
  struct base_text lines = {0};
  cli_settings_lines(settings, "  ", &lines);
  int code = lines.failed ? cli_wrong_use("out of memory") : -1;
  if (code < 0 && lines.len_bytes) {
    lines.bytes[lines.len_bytes - 1] = 0; /* the message ends its last line itself */
    cli_say("%s: %s asks for:\n%s", path, request->name, lines.bytes);
  } else if (code < 0) {
    cli_say("%s: %s asks for nothing", path, request->name);
  }
  base_text_deinit(&lines);
  return code;
}

static int approve_read(const struct policy_settings *options, const char *path, const struct base_file *module,
                        const struct cli_request *request, struct policy_settings *asked) {
  struct cay_error error;
  char name[BASE_SHA256_HEX_BYTES];
  if (cli_request_read(request, NULL, asked, &error)) return fail(NULL, &error);
  int code = show(path, request, asked);
  if (code >= 0) return code;
  if (!options->yes && !isatty(STDIN_FILENO))
    return cli_wrong_use("standard input is no terminal to ask on; --yes approves without asking");
  if (!options->yes && !answers_yes()) return POLICY_EXIT_FAILED;
  const struct policy_asked what = cli_asked(request, module, NULL);
  policy_approval_name(&what, name);
  BASE_AUTO_FREE char *shown = shown_module(path);
  char shown_name[4096];
  base_printable(shown_name, sizeof shown_name, request->name, strlen(request->name));
  const struct policy_approval approval = {.name = name, .module = shown ? shown : "", .request = shown_name};
  return policy_approval_store(environ, &approval, &error) ? fail(NULL, &error) : 0;
}

static int approve(const struct policy_settings *options, const char *path) {
  struct cay_error error;
  struct base_file module = {0};
  struct cli_request request = {0};
  struct policy_settings asked;
  policy_settings_init(&asked);
  int code = cli_read(path, &module);
  if (code < 0 && cli_request_find(path, &module, &request, &error)) code = fail(NULL, &error);
  if (code < 0 && !request.name)
    code = cli_wrong_use(
        "%s asks for nothing: there is no " POLICY_MANIFEST_NAME " beside it and no manifest inside it", path);
  if (code < 0) code = approve_read(options, path, &module, &request, &asked);
  policy_settings_deinit(&asked);
  cli_request_deinit(&request);
  base_file_deinit(&module);
  return code;
}

/* ---- List and revoke ------------------------------------------------------------------------------------------------- */

static bool add_line(void *out, const struct policy_approval *approval) {
  base_text_format(out, "%.12s %s (%s)\n", approval->name, approval->module, approval->request);
  return false;
}

static int list_all(void) {
  struct cay_error error;
  struct base_text out = {0};
  if (!policy_approvals_each(environ, add_line, &out, &error)) return cli_print(&out, 0);
  base_text_deinit(&out);
  return fail(NULL, &error);
}

struct revoked {
  const char *module;
  size_t count;
};

static bool is_of_module(void *env, const struct policy_approval *approval) {
  struct revoked *revoked = env;
  bool is_it = strcmp(approval->module, revoked->module) == 0;
  revoked->count += is_it;
  return is_it;
}

static int revoke_all(const char *path) {
  struct cay_error error;
  BASE_AUTO_FREE char *module = shown_module(path);
  if (!module) return cli_wrong_use("out of memory");
  struct revoked revoked = {.module = module};
  if (policy_approvals_each(environ, is_of_module, &revoked, &error)) return fail(NULL, &error);
  if (revoked.count) return 0;
  cli_say("nothing is approved for %s", path);
  return POLICY_EXIT_FAILED;
}

int cli_approve(struct cli_words words) {
  struct policy_settings settings;
  struct policy_texts files = {0};
  int code = cli_parse(&settings, POLICY_COMMAND_APPROVE, words, &files);
  if (code < 0 && files.count != (settings.list ? 0 : 1))
    code = cli_wrong_use("name one file: cay approve [--yes | --revoke] FILE; or write: cay approve --list");
  if (code < 0)
    code = settings.list     ? list_all()
           : settings.revoke ? revoke_all(files.items[0])
                             : approve(&settings, files.items[0]);
  BASE_VEC_DEINIT(&files);
  policy_settings_deinit(&settings);
  return code;
}
