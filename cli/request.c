/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Manifests beneath a command line: the operator's (--manifest), and the one that comes with a module.
 *
 * What comes with a module is a stranger's wish. It opens nothing; it is read only to say what is missing, and it grants
 * something when this very text, beside this very module, in this folder was approved. The module is read once, and the
 * bytes that were compared are the ones that run.
 *
 * A broken --manifest ends cay before anything runs. A broken request is told and then as if it were not there, because
 * nobody who runs a program can be made to mend its author's file. */
#include "cli/cli.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- Requests ------------------------------------------------------------------------------------------------------- */

static char *joined(const char *first, const char *between, const char *second) {
  struct base_text text = {0};
  base_text_format(&text, "%s%s%s", first, between, second);
  if (!text.failed) return text.bytes;
  base_text_deinit(&text);
  return NULL;
}

/* The file in the module's folder; `*missing`: there is none. */
static enum cay_status find_beside(struct cli_request *out, bool *missing, struct cay_error *error) {
  bool is_here = strcmp(out->folder, ".") == 0;
  out->name = is_here ? joined(POLICY_MANIFEST_NAME, "", "")
                      : joined(out->folder, strcmp(out->folder, "/") == 0 ? "" : "/", POLICY_MANIFEST_NAME);
  if (!out->name) return base_error_memory(error);
  enum cay_status status = policy_manifest_open(out->name, &out->file, missing, error);
  if (status) return status;
  out->bytes = out->file.bytes;
  out->len_bytes = out->file.len_bytes;
  return CAY_OK;
}

static enum cay_status find_inside(const char *path, const struct base_file *module, struct cli_request *out,
                                   struct cay_error *error) {
  base_free(out->name);
  out->name = NULL;
  if (!policy_embedded_find(module->bytes, module->len_bytes, &out->bytes, &out->len_bytes)) return CAY_OK;
  out->name = joined(path, "[" POLICY_MANIFEST_SECTION, "]");
  return out->name ? CAY_OK : base_error_memory(error);
}

enum cay_status cli_request_find(const char *path, const struct base_file *module, struct cli_request *out,
                                 struct cay_error *error) {
  bool missing = true;
  *out = (struct cli_request){.folder = policy_folder_of(path)};
  if (!out->folder) return base_error_memory(error);
  enum cay_status status = strcmp(path, "-") == 0 ? CAY_OK : find_beside(out, &missing, error);
  if (missing) status = find_inside(path, module, out, error);
  if (status || !out->name) return status;
  char *real = realpath(out->folder, NULL);
  out->real_folder = real ? base_string_copy(real, strlen(real)) : NULL;
  free(real);
  return out->real_folder ? CAY_OK : base_error_set(error, CAY_ERROR_SYSTEM, "cannot find the folder %s", out->folder);
}

void cli_request_deinit(struct cli_request *request) {
  base_free(request->name);
  base_free(request->folder);
  base_free(request->real_folder);
  base_file_deinit(&request->file);
  *request = (struct cli_request){0};
}

enum cay_status cli_request_read(const struct cli_request *request, const char *prefix,
                                 struct policy_settings *settings, struct cay_error *error) {
  const struct policy_manifest manifest = {.name = request->name,
                                           .folder = request->folder,
                                           .prefix = prefix,
                                           .is_request = true,
                                           .bytes = request->bytes,
                                           .len_bytes = request->len_bytes};
  return policy_manifest_read(settings, &manifest, error);
}

/* ---- Layers --------------------------------------------------------------------------------------------------------- */

void cli_layers_init(struct cli_layers *layers) {
  *layers = (struct cli_layers){0};
  policy_settings_init(&layers->manifest);
  policy_settings_init(&layers->request);
}

void cli_layers_deinit(struct cli_layers *layers) {
  policy_settings_deinit(&layers->manifest);
  policy_settings_deinit(&layers->request);
  cli_request_deinit(&layers->found);
}

static int read_manifest(struct policy_settings *settings, const char *path) {
  struct cay_error error;
  struct base_file file = {0};
  bool missing;
  char *folder = policy_folder_of(path);
  enum cay_status status = folder ? policy_manifest_open(path, &file, &missing, &error) : base_error_memory(&error);
  if (status) base_error_prefix(&error, "--manifest");
  const struct policy_manifest manifest = {
      .name = path, .folder = folder, .bytes = file.bytes, .len_bytes = file.len_bytes};
  if (!status) status = policy_manifest_read(settings, &manifest, &error);
  base_file_deinit(&file);
  base_free(folder);
  if (!status) return -1;
  cli_say_error(NULL, &error);
  return POLICY_EXIT_USAGE;
}

struct policy_asked cli_asked(const struct cli_request *request, const struct base_file *module,
                              const struct base_file_identity *identity) {
  return (struct policy_asked){.module = module->bytes,
                               .module_bytes = module->len_bytes,
                               .request = request->bytes,
                               .request_bytes = request->len_bytes,
                               .identity = identity,
                               .folder = request->real_folder};
}

static bool is_approved(const struct policy_asked *asked) {
  struct cay_error error;
  bool found = false, has_place = getenv("HOME") || getenv("XDG_CONFIG_HOME");
  if (has_place && policy_approval_find(environ, asked, &found, &error)) cli_say_error(NULL, &error);
  return found;
}

static void read_request(struct cli_layers *layers, const char *path, const struct base_file *module,
                         const struct base_file_identity *identity) {
  struct cay_error error;
  enum cay_status status = cli_request_find(path, module, &layers->found, &error);
  if (!status && !layers->found.name) return;
  if (!status) {
    const struct policy_asked asked = cli_asked(&layers->found, module, identity);
    layers->is_approved = is_approved(&asked);
    status = cli_request_read(&layers->found, layers->is_approved ? "approved " : NULL, &layers->request, &error);
  }
  layers->asks = !status;
  if (!status) return;
  layers->is_approved = false;
  cli_say("%s\n  this only asks for rights of %s, so it is left out", error.text, path);
}

int cli_layers_join(struct cli_layers *layers, struct policy_settings *settings, const char *path,
                    const struct base_file *module, const struct base_file_identity *identity) {
  struct cay_error error;
  enum cay_status status = CAY_OK;
  int code = settings->manifest ? read_manifest(&layers->manifest, settings->manifest) : -1;
  if (code >= 0) return code;
  read_request(layers, path, module, identity);
  if (settings->manifest) status = policy_settings_join(settings, &layers->manifest, &error);
  if (!status && layers->asks && layers->is_approved) status = policy_settings_join(settings, &layers->request, &error);
  if (!status) return -1;
  cli_say_error(NULL, &error);
  return POLICY_EXIT_USAGE;
}

/* ---- What is missing ------------------------------------------------------------------------------------------------ */

enum { MISSING_LINES = 8 };

struct missing {
  const struct policy_settings *request;
  size_t count, most; /* of lines; what `out` gets at most */
  bool json;
  struct base_text *out;
};

static void add_json_item(const struct policy_settings *settings, enum policy_option option, size_t index, bool first,
                          struct base_text *out) {
  struct base_text flag = {0};
  const char *origin = policy_origin(settings, option, index);
  policy_flag_write(settings, option, index, &flag);
  base_text_format(out, "%s{\"option\":\"%s\",\"flag\":", first ? "" : ",", policy_options[option].name);
  base_text_add_json(out, flag.bytes ? flag.bytes : "", flag.len_bytes);
  base_text_addz(out, ",\"from\":");
  base_text_add_json(out, origin ? origin : "", origin ? strlen(origin) : 0);
  base_text_addz(out, "}");
  out->failed |= flag.failed;
  base_text_deinit(&flag);
}

/* A request that leaves something out does not ask for it. */
static void add_missing(void *env, const struct policy_difference *difference) {
  struct missing *missing = env;
  if (!difference->widens || difference->change == POLICY_CHANGE_REMOVED) return;
  if (missing->count++ >= missing->most) return;
  if (missing->json) {
    add_json_item(missing->request, difference->option, difference->index, missing->count == 1, missing->out);
    return;
  }
  base_text_addz(missing->out, "\n  ");
  policy_flag_write(missing->request, difference->option, difference->index, missing->out);
}

static struct missing find_missing(const struct cli_layers *layers, const struct policy_settings *settings, bool json,
                                   size_t most, struct base_text *out) {
  struct missing missing = {.request = &layers->request, .most = most, .json = json, .out = out};
  if (layers->asks) policy_compare(settings, &layers->request, add_missing, &missing);
  return missing;
}

void cli_layers_say_missing(const struct cli_layers *layers, const struct policy_settings *settings, const char *path) {
  struct base_text lines = {0};
  struct missing missing = find_missing(layers, settings, false, MISSING_LINES, &lines);
  if (missing.count > missing.most) base_text_format(&lines, "\n  and %zu more", missing.count - missing.most);
  if (missing.count && !lines.failed) {
    cli_say("%s: %s asks for what was not granted:%s", path, layers->found.name, lines.bytes);
    if (!layers->is_approved) cli_say_more("to grant all that it asks for: cay approve %s", path);
  }
  base_text_deinit(&lines);
}

/* ---- Reports -------------------------------------------------------------------------------------------------------- */

static size_t value_count(const struct policy_settings *settings, enum policy_option option, enum policy_group group) {
  const struct policy_option_row *row = &policy_options[option];
  return row->manifest && row->group == group ? settings->origins[option].count : 0;
}

/* A line for each value of the group's options; of one that has none, what the defaults have. */
static void add_lines(const struct policy_settings *settings, const struct policy_settings *defaults,
                      enum policy_group group, const char *indent, struct base_text *out) {
  for (enum policy_option option = 0; option < POLICY_OPTION_COUNT; option++) {
    const struct policy_settings *from = defaults && !policy_is_given(settings, option) ? defaults : settings;
    for (size_t i = 0; i < value_count(from, option, group); i++) {
      base_text_addz(out, indent);
      policy_flag_write(from, option, i, out);
      base_text_format(out, "  (%s)\n", policy_origin(from, option, i));
    }
  }
}

void cli_settings_lines(const struct policy_settings *settings, const char *indent, struct base_text *out) {
  add_lines(settings, NULL, POLICY_GROUP_GRANTS, indent, out);
  add_lines(settings, NULL, POLICY_GROUP_LIMITS, indent, out);
}

static void add_json_items(const struct policy_settings *settings, const struct policy_settings *defaults,
                           enum policy_group group, struct base_text *out) {
  bool is_first = true;
  for (enum policy_option option = 0; option < POLICY_OPTION_COUNT; option++) {
    const struct policy_settings *from = defaults && !policy_is_given(settings, option) ? defaults : settings;
    for (size_t i = 0; i < value_count(from, option, group); i++, is_first = false)
      add_json_item(from, option, i, is_first, out);
  }
}

static void report_text(const struct cli_layers *layers, const struct policy_settings *settings,
                        const struct policy_settings *defaults, struct base_text *out) {
  struct base_text lines = {0};
  add_lines(settings, NULL, POLICY_GROUP_GRANTS, "  ", &lines);
  base_text_format(out, "granted:%s\n%s", lines.len_bytes ? "" : " arguments and standard streams only",
                   lines.bytes ? lines.bytes : "");
  base_text_addz(out, "limits:\n");
  add_lines(settings, defaults, POLICY_GROUP_LIMITS, "  ", out);
  lines.len_bytes = 0;
  struct missing missing = find_missing(layers, settings, false, SIZE_MAX, &lines);
  if (missing.count) base_text_format(out, "asked for in %s, not granted:%s\n", layers->found.name, lines.bytes);
  out->failed |= lines.failed;
  base_text_deinit(&lines);
}

/* The report is one object, which gets more members. */
void cli_json_reopen(struct base_text *out) {
  while (out->len_bytes && out->bytes[out->len_bytes - 1] != '}') out->len_bytes--;
  if (out->len_bytes) out->len_bytes--;
}

static void report_json(const struct cli_layers *layers, const struct policy_settings *settings,
                        const struct policy_settings *defaults, struct base_text *out) {
  cli_json_reopen(out);
  base_text_addz(out, ",\"granted\":[");
  add_json_items(settings, NULL, POLICY_GROUP_GRANTS, out);
  base_text_addz(out, "],\"limits\":[");
  add_json_items(settings, defaults, POLICY_GROUP_LIMITS, out);
  base_text_addz(out, "],\"not_granted\":[");
  find_missing(layers, settings, true, SIZE_MAX, out);
  base_text_addz(out, "]}\n");
}

void cli_layers_report(const struct cli_layers *layers, const struct policy_settings *settings,
                       const struct policy_settings *defaults, bool json, struct base_text *out) {
  (json ? report_json : report_text)(layers, settings, defaults, out);
}
