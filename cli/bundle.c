/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* `cay bundle`: makes a program of its own of a module. sealed.c is what happens when it is started.
 *
 * What it may use is what `cay run` with the same options would grant here, with one difference: it is written down as a
 * manifest, and read when the program starts. So paths mean what they mean where it is started, and are not looked at here. */
#include "cli/run.h"

#include <inttypes.h>

struct making {
  const struct policy_settings *settings;
  const char *path;
  struct base_text kept, manifest, file;
  struct api_compiled counts;
};

static int fail(const char *where, const struct cay_error *error) {
  cli_say_error(where, error);
  return POLICY_EXIT_USAGE;
}

/* ---- The code -------------------------------------------------------------------------------------------------------- */

static bool wants_code(const struct policy_settings *settings) {
  return !settings->tier || strcmp(settings->tier, "optimized") == 0 || strcmp(settings->tier, "auto") == 0;
}

static enum cay_status compile(struct making *making, cay_engine *engine, const cay_module *module,
                               struct cay_error *error) {
  const char *cpu = making->settings->cpu ? making->settings->cpu : "portable";
  return cli_compile_code(making->settings, cpu, engine, module, &making->kept, &making->counts, error);
}

/* A cay without LLVM makes bundles, too, unless it was told how to compile. */
static bool insists(const struct policy_settings *settings) {
  return settings->tier || settings->cpu || settings->opt_level;
}

static int add_code(struct making *making, cay_engine *engine, const cay_module *module) {
  struct cay_error error;
  enum cay_status status = CAY_ERROR_UNSUPPORTED;
  bool compiles = wants_code(making->settings);
  if (compiles) status = compile(making, engine, module, &error);
  if (status == CAY_ERROR_UNSUPPORTED && !(compiles && insists(making->settings))) {
    making->kept.len_bytes = 0;
    making->counts = (struct api_compiled){0};
    status = api_keep_module(module, &making->kept, &error);
  }
  return status ? fail(making->path, &error) : -1;
}

/* ---- The seal -------------------------------------------------------------------------------------------------------- */

static enum cay_status check_grants(struct policy_settings *settings, enum policy_option option,
                                    const struct policy_texts *texts, struct cay_error *error) {
  for (size_t i = 0; i < texts->count; i++) {
    struct policy_dir dir;
    enum cay_status status = policy_dir_parse(settings, texts->items[i], &dir, error);
    if (!status) continue;
    policy_error_origin(settings, option, i, error);
    return status;
  }
  return CAY_OK;
}

/* What a start would refuse is refused here. */
static enum cay_status check_manifest(const struct base_text *text, struct cay_error *error) {
  struct policy_settings read;
  const struct policy_manifest manifest = {
      .name = "what would be sealed", .bytes = text->bytes ? text->bytes : "", .len_bytes = text->len_bytes};
  policy_settings_init(&read);
  enum cay_status status = text->failed ? base_error_memory(error) : policy_manifest_read(&read, &manifest, error);
  policy_settings_deinit(&read);
  return status;
}

static int seal(struct making *making, struct policy_settings *settings) {
  struct cay_error error;
  enum cay_status status = policy_settings_check(settings, true, &error);
  if (!status) status = check_grants(settings, POLICY_OPTION_DIR, &settings->dir, &error);
  if (!status) status = check_grants(settings, POLICY_OPTION_DEVICE, &settings->device, &error);
  if (!status) status = policy_manifest_write(settings, &making->manifest, &error);
  if (!status) status = check_manifest(&making->manifest, &error);
  return status ? fail(NULL, &error) : -1;
}

/* ---- The file -------------------------------------------------------------------------------------------------------- */

static void add_text(const struct making *making, struct base_text *out) {
  struct base_text lines = {0};
  const struct api_compiled *counts = &making->counts;
  base_text_format(out, "%s: %s", making->settings->output, making->path);
  if (counts->functions)
    base_text_format(out, ", compiled %" PRIu32 " of %" PRIu32 " functions", counts->optimized, counts->functions);
  else
    base_text_addz(out, " without machine code");
  base_text_format(out, "; %zu bytes\nsealed:", making->file.len_bytes);
  cli_settings_lines(making->settings, "  ", &lines);
  base_text_format(out, "%s\n%s", lines.len_bytes ? "" : " arguments and standard streams only",
                   lines.bytes ? lines.bytes : "");
  out->failed |= lines.failed;
  base_text_deinit(&lines);
}

static void add_json(const struct making *making, struct base_text *out) {
  base_text_addz(out, "{\"file\":");
  base_text_add_json(out, making->path, strlen(making->path));
  base_text_addz(out, ",\"output\":");
  base_text_add_json(out, making->settings->output, strlen(making->settings->output));
  base_text_format(out, ",\"functions\":%" PRIu32 ",\"compiled\":%" PRIu32 ",\"bytes\":%zu,\"sealed\":",
                   making->counts.functions, making->counts.optimized, making->file.len_bytes);
  base_text_add_json(out, making->manifest.bytes ? making->manifest.bytes : "", making->manifest.len_bytes);
  base_text_addz(out, "}\n");
}

static int write_out(struct making *making) {
  struct cay_error error;
  struct base_text said = {0};
  if (api_bundle_make(&making->kept, &making->manifest, &making->file, &error) ||
      cli_replace_file(making->settings->output, 0777, &making->file, &error))
    return fail(NULL, &error);
  (cli_wants_json(making->settings) ? add_json : add_text)(making, &said);
  return cli_print(&said, 0);
}

/* The layers have to live as long as the settings. */
static int make(struct policy_settings *settings, struct cli_layers *layers, const char *path) {
  struct making making = {.settings = settings, .path = path};
  struct base_file file = {0};
  cay_engine *engine = NULL;
  cay_module *module = NULL;
  int code = cli_read(path, &file);
  if (code < 0) code = cli_layers_join(layers, settings, path, &file, NULL);
  if (code < 0) code = seal(&making, settings);
  if (code < 0) cli_layers_say_missing(layers, settings, path);
  if (code < 0) code = cli_engine(settings, &engine);
  if (code < 0) code = cli_load_read(engine, path, &file, &module);
  if (code < 0) code = add_code(&making, engine, module);
  if (code < 0) code = write_out(&making);
  cay_module_release(module);
  cay_engine_free(engine);
  base_file_deinit(&file);
  base_text_deinit(&making.kept);
  base_text_deinit(&making.manifest);
  base_text_deinit(&making.file);
  return code;
}

int cli_bundle(struct cli_words words) {
  struct policy_settings settings;
  struct policy_texts files = {0};
  struct cli_layers layers;
  cli_layers_init(&layers);
  int code = cli_parse(&settings, POLICY_COMMAND_BUNDLE, words, &files);
  if (code < 0 && files.count != 1) code = cli_wrong_use("name one file: cay bundle [options] FILE -o OUTPUT");
  if (code < 0 && !settings.output) code = cli_wrong_use("where to? write: cay bundle %s -o app", files.items[0]);
  if (code < 0) code = make(&settings, &layers, files.items[0]);
  BASE_VEC_DEINIT(&files);
  policy_settings_deinit(&settings);
  cli_layers_deinit(&layers);
  return code;
}
