/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The commands that look at modules without running them: validate, inspect, objdump; and version. */
#include "cli/cli.h"

#include <inttypes.h>

/* ---- validate -------------------------------------------------------------------------------------------------------- */

/* ,"error":"invalid","offset":12,"message":"..." */
static void add_error(struct base_text *line, enum cay_status status, const struct cay_error *error) {
  base_text_format(line, ",\"error\":\"%s\",", cay_status_name(status));
  if (error->offset != CAY_ERROR_NO_OFFSET) base_text_format(line, "\"offset\":%" PRIu64 ",", error->offset);
  base_text_addz(line, "\"message\":");
  base_text_add_json(line, error->text, strlen(error->text));
}

/* One JSON object a file, on a line. `module` is NULL when it is not valid. */
static int print_verdict(const char *path, const cay_module *module, const struct cay_error *error) {
  struct base_text line = {0};
  struct cay_error ignored;
  base_text_addz(&line, "{\"file\":");
  base_text_add_json(&line, path, strlen(path));
  base_text_format(&line, ",\"valid\":%s", module ? "true" : "false");
  if (!module) {
    add_error(&line, error->status, error);
  } else if (api_module_check_customs(module, &ignored)) {
    base_text_addz(&line, ",\"ignored\":");
    base_text_add_json(&line, ignored.text, strlen(ignored.text));
  }
  base_text_addz(&line, "}\n");
  return cli_print(&line, 0);
}

static int validate_one(const struct policy_settings *settings, cay_engine *engine, const char *path) {
  struct cay_error error;
  cay_module *module = NULL;
  if (!cli_wants_json(settings)) {
    int code = cli_load(engine, path, &module);
    if (code < 0) cli_say_ignored(path, module);
    cay_module_release(module);
    return code < 0 ? 0 : code;
  }
  enum cay_status status = cay_module_load_file(engine, path, &module, &error);
  int code = print_verdict(path, module, &error);
  cay_module_release(module);
  return code ? code : status ? cli_load_exit(status) : 0;
}

int cli_validate(struct cli_words words) {
  struct policy_settings settings;
  struct policy_texts files = {0};
  cay_engine *engine = NULL;
  int code = cli_parse(&settings, POLICY_COMMAND_VALIDATE, words, &files);
  if (code < 0 && files.count == 0) code = cli_wrong_use("which file? write: cay validate FILE...");
  if (code < 0) code = cli_engine(&settings, &engine);
  if (code < 0) {
    code = 0;
    for (size_t i = 0; i < files.count; i++) {
      int one = validate_one(&settings, engine, files.items[i]);
      if (one > code) code = one;
    }
  }
  cay_engine_free(engine);
  BASE_VEC_DEINIT(&files);
  policy_settings_deinit(&settings);
  return code;
}

/* ---- inspect and objdump ------------------------------------------------------------------------------------------------ */

/* What a run would be limited to, without running it. */
static enum cay_status find_defaults(const struct policy_settings *settings, cay_module *module,
                                     struct policy_settings *defaults, struct cay_error *error) {
  cay_run *run = NULL;
  enum cay_status status = policy_settings_check(settings, true, error);
  if (!status) status = cay_run_new(module, NULL, &run, error);
  if (!status) cli_limits_set(settings, run);
  if (!status) status = cli_limits_defaults(settings, run, defaults, error);
  cay_run_free(run);
  return status;
}

/* What was compiled ahead, and whether it is of use here; nothing for a file of a module. */
struct ahead {
  struct api_kept *kept; /* NULL: none */
  struct cay_error why;
};

static void add_ahead_json(const char *cpu, const struct cay_error *why, struct base_text *out) {
  cli_json_reopen(out);
  base_text_addz(out, ",\"machine_code\":{\"cpu\":");
  if (cpu)
    base_text_add_json(out, cpu, strlen(cpu));
  else
    base_text_addz(out, "null");
  base_text_format(out, ",\"fits\":%s,\"why_not\":", why->status ? "false" : "true");
  if (why->status)
    base_text_add_json(out, why->text, strlen(why->text));
  else
    base_text_addz(out, "null");
  base_text_addz(out, "}}\n");
}

static void add_ahead(const struct ahead *ahead, bool json, struct base_text *out) {
  if (!ahead->kept) return;
  const char *cpu = api_kept_cpu(ahead->kept);
  if (json)
    add_ahead_json(cpu, &ahead->why, out);
  else if (!cpu)
    base_text_format(out, "machine code: none that can be used: %s\n", ahead->why.text);
  else
    base_text_format(out, "machine code: for %s; %s%s\n", cpu,
                     ahead->why.status ? "it cannot be used here: " : "it can be used here", ahead->why.text);
}

static int show_report(const struct policy_settings *settings, const char *path, const struct cli_layers *layers,
                       cay_module *module, const struct ahead *ahead) {
  struct cay_error error;
  struct policy_settings defaults;
  struct base_text out = {0};
  bool json = cli_wants_json(settings);
  policy_settings_init(&defaults);
  enum cay_status status = find_defaults(settings, module, &defaults, &error);
  if (!status) {
    api_module_report(module, path, json ? API_JSON : API_TEXT, &out);
    cli_layers_report(layers, settings, &defaults, json, &out);
    add_ahead(ahead, json, &out);
  }
  policy_settings_deinit(&defaults);
  if (!status) return cli_print(&out, 0);
  cli_say_error(NULL, &error);
  return POLICY_EXIT_USAGE;
}

/* What applies to a bundle is what is sealed in it, and to a module what a run with the same options would grant. */
static int settle(struct policy_settings *settings, struct cli_layers *layers, const char *path,
                  const struct base_file *file, const struct base_file *sealed) {
  struct cay_error error;
  if (!sealed->bytes) return cli_layers_join(layers, settings, path, file, NULL);
  for (enum policy_option option = 0; option < POLICY_OPTION_COUNT; option++)
    if (policy_options[option].manifest && policy_is_given(settings, option))
      return cli_wrong_use("%s is a bundle: nothing can be granted to it but what is sealed in it; leave out %s", path,
                           policy_origin(settings, option, 0));
  if (!cli_sealed_read(path, sealed, settings, &error)) return -1;
  cli_say_error(NULL, &error);
  return POLICY_EXIT_MODULE;
}

int cli_inspect(struct cli_words words) {
  struct policy_settings settings;
  struct policy_texts files = {0};
  struct cli_layers layers;
  struct base_file file = {0}, sealed = {0};
  struct ahead ahead = {0};
  cay_engine *engine = NULL;
  cay_module *module = NULL;
  cli_layers_init(&layers);
  int code = cli_parse(&settings, POLICY_COMMAND_INSPECT, words, &files);
  if (code < 0 && files.count != 1) code = cli_wrong_use("name one file: cay inspect [options] FILE");
  if (code < 0) code = cli_read_sealed(files.items[0], &file, &sealed, &ahead.kept, &ahead.why);
  if (code < 0) code = settle(&settings, &layers, files.items[0], &file, &sealed);
  if (code < 0) code = cli_engine(&settings, &engine);
  if (code < 0) code = cli_load_read(engine, files.items[0], &file, &module);
  if (code < 0) code = show_report(&settings, files.items[0], &layers, module, &ahead);
  cay_module_release(module);
  cay_engine_free(engine);
  base_file_deinit(&file);
  base_file_deinit(&sealed);
  api_kept_free(ahead.kept);
  BASE_VEC_DEINIT(&files);
  policy_settings_deinit(&settings);
  cli_layers_deinit(&layers);
  return code;
}

static bool write_piece(void *code, const char *bytes, size_t len) {
  struct base_text piece = {0};
  base_text_add(&piece, bytes, len);
  *(int *)code = cli_print(&piece, 0);
  return *(int *)code == 0;
}

static int show_code(const struct policy_settings *settings, const char *path, const cay_module *module) {
  struct cay_error error;
  int code = 0;
  enum cay_status status = api_module_disassemble(module, settings->function.items, settings->function.count,
                                                  settings->tier, write_piece, &code, &error);
  if (!status || code) return code;
  cli_say_error(path, &error);
  return status == CAY_ERROR_ARGUMENT || status == CAY_ERROR_MEMORY ? POLICY_EXIT_USAGE : POLICY_EXIT_MODULE;
}

int cli_objdump(struct cli_words words) {
  struct policy_settings settings;
  struct policy_texts files = {0};
  cay_engine *engine = NULL;
  cay_module *module = NULL;
  int code = cli_parse(&settings, POLICY_COMMAND_OBJDUMP, words, &files);
  if (code < 0 && files.count != 1) code = cli_wrong_use("name one file: cay objdump [options] FILE");
  if (code < 0) code = cli_engine(&settings, &engine);
  if (code < 0) code = cli_load(engine, files.items[0], &module);
  if (code < 0) code = show_code(&settings, files.items[0], module);
  cay_module_release(module);
  cay_engine_free(engine);
  BASE_VEC_DEINIT(&files);
  policy_settings_deinit(&settings);
  return code;
}

/* ---- version --------------------------------------------------------------------------------------------------------------- */

static void add_version_text(struct base_text *out, const char *cpu) {
  bool runs, is_default;
  const char *name;
  base_text_format(out, "cay %s\ntiers:    ", cay_version());
  for (unsigned i = 0; (name = api_tier_name(i)); i++)
    base_text_format(out, " %s%s", name, strcmp(name, api_tier_default()) == 0 ? " (default)" : "");
  base_text_addz(out, "\nproposals:");
  for (unsigned i = 0; (name = api_proposal(i, &runs, &is_default)); i++)
    if (runs) base_text_format(out, " %s%s", name, is_default ? "" : " (off)");
  const char *heading = "\ndecoded and validated only:";
  for (unsigned i = 0; (name = api_proposal(i, &runs, &is_default)); i++) {
    if (runs) continue;
    base_text_format(out, "%s %s", heading, name);
    heading = "";
  }
  base_text_format(out, "\nWASI:      0.1 (wasi_snapshot_preview1, wasi_unstable)\nprocessor: %s\n", cpu);
}

static void add_version_json(struct base_text *out, const char *cpu) {
  bool runs, is_default;
  const char *name;
  base_text_format(out, "{\"version\":\"%s\",\"tiers\":[", cay_version());
  for (unsigned i = 0; (name = api_tier_name(i)); i++) base_text_format(out, "%s\"%s\"", i ? "," : "", name);
  base_text_addz(out, "],\"proposals\":[");
  for (unsigned i = 0; (name = api_proposal(i, &runs, &is_default)); i++)
    base_text_format(out, "%s{\"name\":\"%s\",\"runs\":%s,\"default\":%s}", i ? "," : "", name, runs ? "true" : "false",
                     is_default ? "true" : "false");
  base_text_addz(out, "],\"wasi\":[\"0.1\"],\"processor\":");
  base_text_add_json(out, cpu, strlen(cpu));
  base_text_addz(out, "}\n");
}

int cli_version(struct cli_words words) {
  struct policy_settings settings;
  int code = cli_parse(&settings, POLICY_COMMAND_VERSION, words, NULL);
  if (code < 0) {
    struct base_text out = {0};
    char cpu[128];
    cli_os_cpu_name(cpu, sizeof cpu);
    if (cli_wants_json(&settings))
      add_version_json(&out, cpu);
    else
      add_version_text(&out, cpu);
    code = cli_print(&out, 0);
  }
  policy_settings_deinit(&settings);
  return code;
}
