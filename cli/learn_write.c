/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What `cay learn` writes: a manifest with one grant a line, so that each can be read, compared and taken out by itself.
 *
 * An earlier manifest at the place of the output is read first and joined: its grants and variables are kept, its limits
 * stay where they are larger. The new text takes its place in one step. Comments of the earlier one are not kept. */
#include "cli/learn.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Limits --------------------------------------------------------------------------------------------------------------- */

/* Times are no limits to learn: how long something takes says more about the machine. */
static const struct {
  enum cay_limit limit;
  const char *option;
  uint64_t unit; /* what it is rounded up to */
} learned_limits[] = {
    {CAY_LIMIT_MEMORY, "max-memory", 1 << 20}, {CAY_LIMIT_HANDLES, "max-handles", 16},
    {CAY_LIMIT_THREADS, "max-threads", 1},     {CAY_LIMIT_CREATED, "max-created", 16},
    {CAY_LIMIT_READ, "max-read", 1 << 20},     {CAY_LIMIT_WRITTEN, "max-written", 1 << 20},
    {CAY_LIMIT_SENT, "max-sent", 1 << 20},     {CAY_LIMIT_OUTPUT, "max-output", 1 << 16},
};
static_assert(BASE_ARRAY_LEN(learned_limits) == CLI_LEARNED_LIMITS, "each has a place for what was learned before");

static enum policy_option option_of(const char *name) {
  enum policy_option option = 0;
  while (option < POLICY_OPTION_COUNT && strcmp(policy_options[option].name, name) != 0) option++;
  return option;
}

static uint64_t *field_of(struct policy_settings *settings, enum policy_option option) {
  return (uint64_t *)(void *)((char *)settings + policy_options[option].field);
}

/* Takes the limits out of what was learned before: they are not this run's. */
static void keep_limits(struct cli_learn *learn) {
  for (size_t i = 0; i < CLI_LEARNED_LIMITS; i++) {
    enum policy_option option = option_of(learned_limits[i].option);
    learn->limits_before[i] = POLICY_NOT_GIVEN;
    if (option == POLICY_OPTION_NONE || !policy_is_given(&learn->before, option)) continue;
    learn->limits_before[i] = *field_of(&learn->before, option);
    *field_of(&learn->before, option) = POLICY_NOT_GIVEN;
    learn->before.origins[option].count = 0;
  }
}

/* Twice what was used, rounded up, or what was learned before when that is more; 0 is no limit, of threads it is none. */
static enum cay_status set_limit(struct cli_learn *learn, size_t index, struct cay_error *error) {
  struct policy_settings *settings = &learn->session->settings;
  enum policy_option option = option_of(learned_limits[index].option);
  if (option == POLICY_OPTION_NONE || policy_is_given(settings, option)) return CAY_OK;
  bool is_threads = learned_limits[index].limit == CAY_LIMIT_THREADS;
  uint64_t peak = cay_run_peak(learn->session->run, learned_limits[index].limit), unit = learned_limits[index].unit;
  uint64_t value = peak > UINT64_MAX / 4 ? UINT64_MAX / 2 : 2 * peak, before = learn->limits_before[index];
  value = value ? (value + unit - 1) / unit * unit : is_threads ? 0 : unit;
  if (before != POLICY_NOT_GIVEN && (before > value || (before == 0 && !is_threads))) value = before;
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, value);
  return policy_set(settings, option, text, error);
}

/* ---- What was learned before -------------------------------------------------------------------------------------------- */

enum cay_status cli_learn_load(struct cli_learn *learn, struct cay_error *error) {
  struct policy_settings *settings = &learn->session->settings;
  learn->before.command = POLICY_COMMAND_RUN;
  if (settings->audit)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "cay learn writes no audit log; --audit is an option of cay run");
  keep_limits(learn);
  if (!settings->output) return CAY_OK;
  struct base_file file = {0};
  bool is_missing = false;
  enum cay_status status = policy_manifest_open(settings->output, &file, &is_missing, error);
  if (is_missing) return CAY_OK;
  if (status) return status;
  char *folder = policy_folder_of(settings->output);
  struct policy_manifest manifest = {.name = settings->output,
                                     .folder = folder && strcmp(folder, ".") != 0 ? folder : NULL,
                                     .bytes = (const char *)file.bytes,
                                     .len_bytes = file.len_bytes};
  status = folder ? policy_manifest_read(&learn->before, &manifest, error) : base_error_memory(error);
  if (!status) keep_limits(learn);
  if (!status) status = policy_settings_join(settings, &learn->before, error);
  base_free(folder);
  base_file_deinit(&file);
  return status;
}

/* ---- Lists ------------------------------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void add_list(struct base_text *out, const char *key, const struct policy_texts *texts) {
  if (!texts->count) return;
  base_text_format(out, "%s = [\n", key);
  for (size_t i = 0; i < texts->count; i++) {
    const char *item = texts->items[i];
    char shown[2048];
    size_t len_bytes = strlen(item);
    if (base_utf8_valid(item, len_bytes)) {
      base_text_addz(out, "  ");
      policy_toml_text(item, len_bytes, out);
      base_text_addz(out, ",\n");
    } else {
      base_text_format(out, "  # left out, because it is not UTF-8: %s\n",
                       base_printable(shown, sizeof shown, item, len_bytes));
    }
  }
  base_text_addz(out, "]\n");
}

/* A path of the host as it has to stand in the manifest: relative ones only where they mean the same there. */
static char *host_name(const struct cli_learn *learn, const char *path) {
  char folder[PATH_MAX];
  struct base_text text = {0};
  if (*path == '/' || learn->is_beside || !getcwd(folder, sizeof folder)) return base_string_copy(path, strlen(path));
  if (strcmp(path, ".") == 0) return base_string_copy(folder, strlen(folder));
  base_text_format(&text, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, path);
  if (!text.failed) return text.bytes;
  base_text_deinit(&text);
  return NULL;
}

/* False: the grant has no text, and says so as a comment. */
static void keep_grant(struct cli_learn *learn, struct policy_set *grants, struct policy_dir dir) {
  struct base_text value = {0};
  char *host = host_name(learn, dir.host);
  dir.host = host;
  bool is_text = host && base_utf8_valid(host, strlen(host)) && base_utf8_valid(dir.guest, strlen(dir.guest)) &&
                 policy_dir_text(&dir, &value);
  if (is_text)
    cli_learn_keep(learn, grants, value.bytes);
  else if (host)
    cli_learn_keep(learn, &learn->wanted, "a file whose name cannot stand in a grant");
  learn->failed |= !host || value.failed;
  base_text_deinit(&value);
  base_free(host);
}

static void collect_grants(struct cli_learn *learn, struct policy_set *grants) {
  struct policy_dir dir = {0};
  learn->failed |= !policy_learn_conclude(learn->uses);
  for (size_t i = 0; i < learn->carried.count; i++) keep_grant(learn, grants, learn->carried.items[i]);
  for (size_t i = 0; policy_learn_grant(learn->uses, i, &dir.guest, &dir.rights); i++) {
    dir.host = dir.guest;
    keep_grant(learn, grants, dir);
  }
}

/* In the order of their bytes. */
static void collect_variables(struct cli_learn *learn, struct policy_set *variables) {
  const struct policy_texts *given = &learn->session->settings.env;
  for (size_t i = 0; i < given->count; i++) cli_learn_keep(learn, variables, given->items[i]);
  for (size_t i = 0; i < learn->variables.texts.count; i++)
    cli_learn_keep(learn, variables, learn->variables.texts.items[i]);
  if (variables->texts.count)
    qsort(variables->texts.items, variables->texts.count, sizeof *variables->texts.items, by_text);
}

/* ---- The text ---------------------------------------------------------------------------------------------------------------- */

static void add_wanted(const struct cli_learn *learn, struct base_text *out) {
  if (!learn->wanted.texts.count) return;
  base_text_addz(out, "\n# Wanted, but not allowed:\n");
  for (size_t i = 0; i < learn->wanted.texts.count; i++) {
    const char *wanted = learn->wanted.texts.items[i];
    char shown[2048];
    base_text_format(out, "#   %s\n", base_printable(shown, sizeof shown, wanted, strlen(wanted)));
  }
}

static enum cay_status add_manifest(struct cli_learn *learn, struct base_text *out, struct cay_error *error) {
  struct policy_set grants = {0}, variables = {0};
  struct policy_settings rest = learn->session->settings; /* the lists that are written here taken out */
  char name[256];
  const char *file = learn->session->file;
  base_text_format(out, "# What `cay learn` saw %s use.\n", base_printable(name, sizeof name, file, strlen(file)));
  collect_grants(learn, &grants);
  collect_variables(learn, &variables);
  add_list(out, "dir", &grants.texts);
  add_list(out, "env", &variables.texts);
  rest.dir.count = rest.env.count = rest.origins[POLICY_OPTION_DIR].count = rest.origins[POLICY_OPTION_ENV].count = 0;
  enum cay_status status = policy_manifest_write(&rest, out, error);
  add_wanted(learn, out);
  policy_set_deinit(&grants);
  policy_set_deinit(&variables);
  return status;
}

/* ---- The file -------------------------------------------------------------------------------------------------------------------- */

/* Whether the manifest will lie in the working folder. */
static bool is_beside(const char *output) {
  struct stat here, there;
  char *folder = output ? policy_folder_of(output) : NULL;
  bool is_same = !output || (folder && stat(".", &here) == 0 && stat(folder, &there) == 0 &&
                             here.st_dev == there.st_dev && here.st_ino == there.st_ino);
  base_free(folder);
  return is_same;
}

static void say_wanted(const char *wanted) {
  char shown[2048];
  cli_say_more("wanted, but not allowed: %s", base_printable(shown, sizeof shown, wanted, strlen(wanted)));
}

enum cay_status cli_learn_write(struct cli_learn *learn, struct cay_error *error) {
  const char *output = learn->session->settings.output;
  struct base_text text = {0};
  enum cay_status status = CAY_OK;
  for (size_t i = 0; !status && i < CLI_LEARNED_LIMITS; i++) status = set_limit(learn, i, error);
  learn->is_beside = is_beside(output);
  if (!status) status = add_manifest(learn, &text, error);
  if (status) {
    base_text_deinit(&text);
    return status;
  }
  if (text.failed || learn->failed) {
    status = base_error_memory(error);
  } else if (output) {
    status = cli_replace_file(output, 0644, &text, error);
    if (!status) cli_say("%s: what it used is in %s", learn->session->file, output);
  } else {
    cli_say("%s: what it used, as a manifest (-o FILE writes it to a file):", learn->session->file);
    cli_say_raw(text.bytes, text.len_bytes);
  }
  for (size_t i = 0; !status && output && i < learn->wanted.texts.count; i++) say_wanted(learn->wanted.texts.items[i]);
  base_text_deinit(&text);
  return status;
}
