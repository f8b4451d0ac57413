/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* `cay compile`: a module and its machine code in one file, which `cay run` takes like a module. */
#include "cli/run.h"

#include <inttypes.h>
#include <sys/stat.h>

static void add_text(const struct policy_settings *settings, const struct api_compiled *counts, size_t len_bytes,
                     struct base_text *out) {
  base_text_format(out, "%s: compiled %" PRIu32 " of %" PRIu32 " functions", settings->output, counts->optimized,
                   counts->functions);
  if (counts->refused) base_text_addz(out, ", the others run in the baseline");
  base_text_format(out, "; %zu bytes\n", len_bytes);
}

static void add_json(const struct policy_settings *settings, const char *path, const struct api_compiled *counts,
                     size_t len_bytes, struct base_text *out) {
  base_text_addz(out, "{\"file\":");
  base_text_add_json(out, path, strlen(path));
  base_text_addz(out, ",\"output\":");
  base_text_add_json(out, settings->output, strlen(settings->output));
  base_text_format(out, ",\"functions\":%" PRIu32 ",\"compiled\":%" PRIu32 ",\"bytes\":%zu}\n", counts->functions,
                   counts->optimized, len_bytes);
}

static int write_out(const struct policy_settings *settings, const char *path, const struct base_text *bytes,
                     const struct api_compiled *counts) {
  struct cay_error error;
  struct base_text said = {0};
  if (cli_replace_file(settings->output, 0666, bytes, &error)) {
    cli_say_error(NULL, &error);
    return POLICY_EXIT_USAGE;
  }
  if (cli_wants_json(settings))
    add_json(settings, path, counts, bytes->len_bytes, &said);
  else
    add_text(settings, counts, bytes->len_bytes, &said);
  return cli_print(&said, 0);
}

enum cay_status cli_compile_code(const struct policy_settings *settings, const char *cpu, cay_engine *engine,
                                 const cay_module *module, struct base_text *out, struct api_compiled *counts,
                                 struct cay_error *error) {
  struct cli_progress progress;
  const struct api_compile how = {.cpu = cpu,
                                  .target = settings->target,
                                  .level = settings->opt_level ? (uint32_t)(settings->opt_level[0] - '0')
                                                               : API_COMPILE_LEVEL,
                                  .jobs = cli_jobs(settings),
                                  .progress = cli_progress_show,
                                  .env = &progress};
  cli_progress_begin(&progress, "compiling functions");
  enum cay_status status = api_compile(engine, module, &how, out, counts, error);
  cli_progress_end(&progress);
  return status;
}

static int compile(const struct policy_settings *settings, const char *path, cay_engine *engine, cay_module *module) {
  struct cay_error error;
  struct api_compiled counts;
  struct base_text bytes = {0};
  enum cay_status status = cli_compile_code(settings, settings->cpu, engine, module, &bytes, &counts, &error);
  int code = POLICY_EXIT_USAGE;
  if (status)
    cli_say_error(path, &error);
  else
    code = write_out(settings, path, &bytes, &counts);
  base_text_deinit(&bytes);
  return code;
}

int cli_compile(struct cli_words words) {
  struct policy_settings settings;
  struct policy_texts files = {0};
  cay_engine *engine = NULL;
  cay_module *module = NULL;
  int code = cli_parse(&settings, POLICY_COMMAND_COMPILE, words, &files);
  if (code < 0 && files.count != 1) code = cli_wrong_use("name one file: cay compile [options] FILE -o OUTPUT");
  if (code < 0 && !settings.output) code = cli_wrong_use("where to? write: cay compile %s -o app.cay", files.items[0]);
  if (code < 0) code = cli_engine(&settings, &engine);
  if (code < 0) code = cli_load(engine, files.items[0], &module);
  if (code < 0) code = compile(&settings, files.items[0], engine, module);
  cay_module_release(module);
  cay_engine_free(engine);
  BASE_VEC_DEINIT(&files);
  policy_settings_deinit(&settings);
  return code;
}
