/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* `cay wast`: runs scripts of the conformance suite, one line a file. Options apply to the files after them, because
 * which proposals are on differs from file to file. */
#include "cli/cli.h"

#include <inttypes.h>
#include <unistd.h>

struct totals {
  struct api_wast_counts counts;
  uint64_t files, broken; /* broken: scripts that could not be run at all */
};

static void say_failed(void *env, const char *line) {
  struct base_text text = {0};
  base_text_format(&text, "%s\n", line);
  if (!text.failed) cli_say_raw(text.bytes, text.len_bytes);
  base_text_deinit(&text);
}

/* Returns -1, or the exit code after a message. */
static int options_of(const struct policy_settings *settings, struct api_wast_options *out) {
  struct cay_error error;
  *out = (struct api_wast_options){
      .tier = settings->tier,
      .stack_bytes = settings->stack == POLICY_NOT_GIVEN ? 0 : settings->stack,
      .proposals = API_PROPOSALS_DEFAULT,
      .deterministic_relaxed_simd = settings->relaxed_simd && strcmp(settings->relaxed_simd, "deterministic") == 0,
      .failed = say_failed,
  };
  for (size_t i = 0; i < settings->proposals.count; i++)
    if (api_proposals_parse(settings->proposals.items[i], &out->proposals, &error)) {
      base_error_prefix(&error, "--proposals");
      cli_say_error(NULL, &error);
      return POLICY_EXIT_USAGE;
    }
  return -1;
}

static void add_counts(struct api_wast_counts *sum, const struct api_wast_counts *counts) {
  sum->passed += counts->passed;
  sum->failed += counts->failed;
  sum->text += counts->text;
}

static void print_counts(const char *path, const struct api_wast_counts *counts, bool json, uint64_t text_shown) {
  struct base_text line = {0};
  if (json) {
    base_text_addz(&line, "{\"file\":");
    base_text_add_json(&line, path, strlen(path));
    base_text_format(&line, ",\"passed\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"text\":%" PRIu64 "}\n", counts->passed,
                     counts->failed, counts->text);
  } else {
    base_text_format(&line, "%s: %" PRIu64 " passed, %" PRIu64 " failed", path, counts->passed, counts->failed);
    if (text_shown) base_text_format(&line, ", %" PRIu64 " on text", text_shown);
    base_text_addz(&line, "\n");
  }
  cli_print(&line, 0);
}

static int run_file(const struct policy_settings *settings, const char *path, struct totals *totals) {
  struct api_wast_options options;
  struct api_wast_counts counts = {0};
  struct cay_error error;
  int code = options_of(settings, &options);
  if (code >= 0) return code;
  totals->files++;
  if (api_wast_run(path, &options, &counts, &error)) {
    cli_say_error(strstr(error.text, path) ? NULL : path, &error);
    totals->broken++;
  }
  add_counts(&totals->counts, &counts);
  print_counts(path, &counts, cli_wants_json(settings), counts.text);
  return -1;
}

static int print_totals(const struct policy_settings *settings, const struct totals *totals) {
  struct base_text line = {0};
  const struct api_wast_counts *counts = &totals->counts;
  if (!cli_wants_json(settings)) {
    base_text_format(&line, "%" PRIu64 " passed, %" PRIu64 " failed", counts->passed, counts->failed + totals->broken);
    if (counts->text) base_text_format(&line, ", %" PRIu64 " on text", counts->text);
    base_text_addz(&line, "\n");
  }
  return cli_print(&line, counts->failed || totals->broken ? POLICY_EXIT_FAILED : 0);
}

static int run_files(struct policy_settings *settings, struct cli_words words) {
  struct totals totals = {0};
  const char *path;
  for (;;) {
    int code = cli_next_operand(settings, POLICY_COMMAND_WAST, &words, &path);
    if (code < 0 && path) code = run_file(settings, path, &totals);
    if (code >= 0) return code;
    if (!path) break;
  }
  if (!totals.files) return cli_wrong_use("which file? write: cay wast [options] FILE.json...");
  return print_totals(settings, &totals);
}

int cli_wast(struct cli_words words) {
  struct policy_settings settings;
  struct cay_error error;
  int code;
  policy_settings_init(&settings);
  if (policy_parse_environment(&settings, POLICY_COMMAND_WAST, environ, &error)) {
    cli_say_error(NULL, &error);
    code = POLICY_EXIT_USAGE;
  } else {
    code = run_files(&settings, words);
  }
  policy_settings_deinit(&settings);
  return code;
}
