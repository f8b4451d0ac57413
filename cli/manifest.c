/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* `cay manifest`: check, schema, embed, extract, diff. What a manifest means is policy's; here are files. A module that
 * gets a manifest is written beside the old one and renamed over it, so that a full disk or a kill leaves one of the two
 * whole. Exit code 1 is what diff says when rights widen; everything else that goes wrong is a usage error. */
#include "cli/cli.h"

#include <sys/stat.h>

static int fail(const char *where, const struct cay_error *error, int code) {
  cli_say_error(where, error);
  return error->status == CAY_ERROR_MEMORY ? POLICY_EXIT_USAGE : code;
}

/* ---- Files ----------------------------------------------------------------------------------------------------------- */

static int read_file(const char *path, struct base_file *out) {
  struct cay_error error;
  bool missing;
  return policy_manifest_open(path, out, &missing, &error) ? fail(NULL, &error, POLICY_EXIT_NOT_FOUND) : -1;
}

/* Reads a manifest and what it says. Its relative paths stay as they are. */
static int read_manifest(const char *path, bool is_request, struct base_file *file, struct policy_settings *settings) {
  struct cay_error error;
  int code = read_file(path, file);
  if (code >= 0) return code;
  const struct policy_manifest manifest = {
      .name = path, .is_request = is_request, .bytes = file->bytes, .len_bytes = file->len_bytes};
  return policy_manifest_read(settings, &manifest, &error) ? fail(NULL, &error, POLICY_EXIT_FAILED) : -1;
}

/* An old file keeps its mode. */
static int write_file(const char *path, const struct base_text *text) {
  struct cay_error error;
  struct stat old;
  mode_t mode = stat(path, &old) == 0 ? old.st_mode & 0777 : 0666;
  return cli_replace_file(path, mode, text, &error) ? fail(NULL, &error, POLICY_EXIT_USAGE) : 0;
}

/* ---- The commands ------------------------------------------------------------------------------------------------------ */

static int check(const struct policy_settings *options, char *const *operands) {
  struct base_file file = {0};
  struct policy_settings settings;
  policy_settings_init(&settings);
  int code = read_manifest(operands[0], false, &file, &settings);
  base_file_deinit(&file);
  policy_settings_deinit(&settings);
  return code < 0 ? 0 : code;
}

static int schema(const struct policy_settings *options, char *const *operands) {
  struct base_text out = {0};
  policy_manifest_schema(&out);
  return cli_print(&out, 0);
}

static int embed(const struct policy_settings *options, char *const *operands) {
  struct cay_error error;
  struct base_file manifest = {0}, module = {0};
  struct policy_settings settings;
  struct base_text out = {0};
  policy_settings_init(&settings);
  int code = read_manifest(operands[0], true, &manifest, &settings);
  if (code < 0) code = cli_read(operands[1], &module);
  if (code < 0 && policy_embedded_put(module.bytes, module.len_bytes, manifest.bytes, manifest.len_bytes, &out, &error))
    code = fail(operands[1], &error, POLICY_EXIT_MODULE);
  if (code < 0) code = write_file(options->output ? options->output : operands[1], &out);
  base_text_deinit(&out);
  base_file_deinit(&manifest);
  base_file_deinit(&module);
  policy_settings_deinit(&settings);
  return code;
}

/* What a bundle was sealed with is its manifest, whatever is in the module in it. */
static int extract(const struct policy_settings *options, char *const *operands) {
  struct base_file module = {0}, sealed = {0};
  struct base_text out = {0};
  struct api_kept *kept;
  struct cay_error why;
  int code = cli_read_sealed(operands[0], &module, &sealed, &kept, &why);
  api_kept_free(kept);
  const void *bytes = sealed.bytes;
  size_t len = sealed.len_bytes;
  if (code < 0 && !bytes && !policy_embedded_find(module.bytes, module.len_bytes, &bytes, &len)) {
    cli_say("%s: there is no manifest inside", operands[0]);
    code = POLICY_EXIT_FAILED;
  } else if (code < 0) {
    base_text_add(&out, bytes, len);
    code = options->output ? write_file(options->output, &out) : -1;
    if (code < 0) code = cli_print(&out, 0);
  }
  base_text_deinit(&out);
  base_file_deinit(&module);
  base_file_deinit(&sealed);
  return code;
}

struct difference_lines {
  const struct policy_settings *before, *after;
  struct base_text *out;
  bool widens;
};

static void add_difference(void *env, const struct policy_difference *difference) {
  struct difference_lines *lines = env;
  uint8_t group = policy_options[difference->option].group;
  bool removed = difference->change == POLICY_CHANGE_REMOVED;
  const struct policy_settings *of = removed ? lines->before : lines->after;
  bool is_right = group == POLICY_GROUP_GRANTS || group == POLICY_GROUP_LIMITS;
  lines->widens |= difference->widens;
  base_text_format(lines->out, "%-8s %s ",
                   difference->widens ? "widens"
                   : is_right         ? "narrows"
                                      : "differs",
                   removed ? "-" : "+");
  policy_flag_write(of, difference->option, difference->index, lines->out);
  base_text_format(lines->out, "  (%s)\n", policy_origin(of, difference->option, difference->index));
}

static int diff(const struct policy_settings *options, char *const *operands) {
  struct base_file files[2] = {{0}, {0}};
  struct policy_settings settings[2];
  struct base_text out = {0};
  struct difference_lines lines = {.before = &settings[0], .after = &settings[1], .out = &out};
  for (int i = 0; i < 2; i++) policy_settings_init(&settings[i]);
  int code = read_manifest(operands[0], false, &files[0], &settings[0]);
  if (code < 0) code = read_manifest(operands[1], false, &files[1], &settings[1]);
  /* 1 says that rights widen, so a manifest that cannot be read is told otherwise. */
  if (code == POLICY_EXIT_FAILED) code = POLICY_EXIT_USAGE;
  if (code < 0) {
    policy_compare(&settings[0], &settings[1], add_difference, &lines);
    code = cli_print(&out, lines.widens ? POLICY_EXIT_FAILED : 0);
  }
  for (int i = 0; i < 2; i++) {
    base_file_deinit(&files[i]);
    policy_settings_deinit(&settings[i]);
  }
  return code;
}

static const struct {
  const char *name, *operands;
  size_t operand_count;
  int (*run)(const struct policy_settings *options, char *const *operands);
} commands[] = {{"check", "FILE", 1, check},
                {"schema", "", 0, schema},
                {"embed", "FILE MODULE", 2, embed},
                {"extract", "MODULE", 1, extract},
                {"diff", "OLD NEW", 2, diff}};

static int dispatch(const struct policy_settings *options, const struct policy_texts *operands) {
  size_t i = 0;
  const char *name = operands->count ? operands->items[0] : "";
  while (i < BASE_ARRAY_LEN(commands) && strcmp(commands[i].name, name) != 0) i++;
  if (i == BASE_ARRAY_LEN(commands))
    return cli_wrong_use("name what to do: cay manifest check, schema, embed, extract or diff");
  if (operands->count - 1 != commands[i].operand_count)
    return cli_wrong_use("write: cay manifest %s %s", commands[i].name, commands[i].operands);
  return commands[i].run(options, (char *const *)(uintptr_t)(operands->items + 1));
}

int cli_manifest(struct cli_words words) {
  struct policy_settings settings;
  struct policy_texts operands = {0};
  int code = cli_parse(&settings, POLICY_COMMAND_MANIFEST, words, &operands);
  if (code < 0) code = dispatch(&settings, &operands);
  BASE_VEC_DEINIT(&operands);
  policy_settings_deinit(&settings);
  return code;
}
