/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Limits of a run: from settings to the run, what is said when one is met, and `--receipt FILE`.
 *
 * One table has a row for each limit. Where 0 of something makes no sense (memory, handles, fuel, times) it stands for no
 * limit; of threads, entries and bytes moved it is really none.
 *
 * The receipt's file is opened before the program runs, so that nobody learns too late that it cannot be written, and
 * written when everything has ended, however it did. */
#include "cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum unit { BYTES, COUNT, TIME };

struct row {
  enum cay_limit limit;
  enum policy_option option;
  enum policy_exit exit;
  enum unit unit;
  bool zero_is_none; /* 0 stands for no limit */
  const char *what;  /* "the limit of 64M of ..." */
};

static const struct row rows[] = {
    {CAY_LIMIT_MEMORY, POLICY_OPTION_MAX_MEMORY, POLICY_EXIT_MEMORY, BYTES, true, "memory"},
    {CAY_LIMIT_HANDLES, POLICY_OPTION_MAX_HANDLES, POLICY_EXIT_HANDLES, COUNT, true, "open handles"},
    {CAY_LIMIT_THREADS, POLICY_OPTION_MAX_THREADS, POLICY_EXIT_THREADS, COUNT, false, "threads"},
    {CAY_LIMIT_CREATED, POLICY_OPTION_MAX_CREATED, POLICY_EXIT_CREATED, COUNT, false, "new files and directories"},
    {CAY_LIMIT_READ, POLICY_OPTION_MAX_READ, POLICY_EXIT_READ, BYTES, false, "reading"},
    {CAY_LIMIT_WRITTEN, POLICY_OPTION_MAX_WRITTEN, POLICY_EXIT_WRITTEN, BYTES, false, "writing"},
    {CAY_LIMIT_SENT, POLICY_OPTION_MAX_SENT, POLICY_EXIT_SENT, BYTES, false, "sending"},
    {CAY_LIMIT_OUTPUT, POLICY_OPTION_MAX_OUTPUT, POLICY_EXIT_OUTPUT, BYTES, false, "output"},
    {CAY_LIMIT_FUEL, POLICY_OPTION_FUEL, POLICY_EXIT_FUEL, COUNT, true, "units of fuel"},
    {CAY_LIMIT_TIME, POLICY_OPTION_TIMEOUT, POLICY_EXIT_TIMEOUT, TIME, true, "time"},
    {CAY_LIMIT_CPU_TIME, POLICY_OPTION_CPU_TIME, POLICY_EXIT_CPU_TIME, TIME, true, "CPU time"},
    {CAY_LIMIT_STACK, POLICY_OPTION_STACK, POLICY_EXIT_STACK, BYTES, true, "stack"},
};

static const struct row *row_of(enum cay_limit limit) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(rows); i++)
    if (rows[i].limit == limit) return &rows[i];
  return NULL;
}

void cli_limits_set(const struct policy_settings *settings, cay_run *run) {
  /* What the machine has must not decide when memory.grow fails. */
  const uint64_t deterministic_bytes = UINT64_C(4) << 30;
  if (settings->deterministic) cay_run_set_limit(run, CAY_LIMIT_MEMORY, deterministic_bytes, NULL);
  for (size_t i = 0; i < BASE_ARRAY_LEN(rows); i++) {
    const struct row *row = &rows[i];
    uint64_t most = policy_number(settings, row->option);
    if (most == POLICY_NOT_GIVEN || row->limit == CAY_LIMIT_STACK) continue;
    if (most == 0 && row->zero_is_none) most = CAY_NO_LIMIT;
    cay_run_set_limit(run, row->limit, most, NULL);
  }
  if (settings->max_table_elements != POLICY_NOT_GIVEN) cay_run_set_table_elements(run, settings->max_table_elements);
}

static enum cay_status set_default(const struct policy_settings *settings, enum policy_option option, uint64_t most,
                                   const char *source, struct policy_settings *defaults, struct cay_error *error) {
  if (policy_is_given(settings, option) || most == CAY_NO_LIMIT) return CAY_OK;
  char digits[24];
  int len = snprintf(digits, sizeof digits, "%" PRIu64, most);
  char *value = base_arena_alloc(&defaults->arena, (size_t)len + 1, 1);
  if (!value) return base_error_memory(error);
  memcpy(value, digits, (size_t)len + 1);
  defaults->source = source;
  return policy_set(defaults, option, value, error);
}

enum cay_status cli_limits_defaults(const struct policy_settings *settings, const cay_run *run,
                                    struct policy_settings *defaults, struct cay_error *error) {
  enum cay_status status = CAY_OK;
  bool is_same_everywhere = settings->deterministic;
  for (size_t i = 0; !status && i < BASE_ARRAY_LEN(rows); i++) {
    const struct row *row = &rows[i];
    bool is_memory = row->limit == CAY_LIMIT_MEMORY, is_threads = row->limit == CAY_LIMIT_THREADS;
    uint64_t most = is_threads && is_same_everywhere ? 0 : cay_run_limit(run, row->limit);
    const char *source = is_same_everywhere && (is_memory || is_threads) ? "default of deterministic runs"
                         : is_memory                                     ? "default: what the machine has"
                                                                         : "default";
    status = set_default(settings, row->option, most, source, defaults, error);
  }
  if (status) return status;
  return set_default(settings, POLICY_OPTION_MAX_TABLE_ELEMENTS, api_run_table_elements(run), "default", defaults,
                     error);
}

/* ---- What is said ---------------------------------------------------------------------------------------------------- */

static void add_value(const struct row *row, uint64_t value, struct base_text *out) {
  switch (row->unit) {
  case BYTES: policy_size_text(value, out); break;
  case COUNT: base_text_format(out, "%" PRIu64, value); break;
  case TIME: policy_duration_text(value, out); break;
  }
}

/* "64M of memory". */
static void add_limit(const struct cli_session *session, const struct row *row, struct base_text *out) {
  add_value(row, cay_run_limit(session->run, row->limit), out);
  base_text_format(out, row->unit == BYTES ? " of %s" : " %s", row->what);
}

/* "more with --max-memory 128M, or max-memory = "128M" in a manifest": twice what there was. */
static void add_more(const struct cli_session *session, const struct row *row, struct base_text *out) {
  const struct policy_option_row *option = &policy_options[row->option];
  uint64_t most = cay_run_limit(session->run, row->limit), more = most == 0                ? 1
                                                                  : most <= UINT64_MAX / 4 ? 2 * most
                                                                                           : most;
  const char *quote = row->unit == COUNT ? "" : "\"";
  base_text_format(out, "more with --%s ", option->name);
  add_value(row, more, out);
  base_text_format(out, ", or %s = %s", option->manifest, quote);
  add_value(row, more, out);
  base_text_format(out, "%s in a manifest", quote);
}

int cli_say_limit(const struct cli_session *session, const struct cay_error *error) {
  const struct row *row = row_of(cay_run_result(session->run)->limit);
  struct base_text what = {0}, more = {0};
  if (!row) {
    cli_say_error(session->file, error);
    return POLICY_EXIT_MODULE;
  }
  bool is_time = row->unit == TIME, did_run = cay_run_result(session->run)->trap == CAY_TRAP_LIMIT;
  add_value(row, cay_run_limit(session->run, row->limit), &what);
  add_more(session, row, &more);
  if (is_time)
    cli_say("%s: stopped after %s%s, its --%s", session->file, what.failed ? "" : what.bytes,
            row->limit == CAY_LIMIT_TIME ? "" : " of CPU time", policy_options[row->option].name);
  else if (did_run)
    cli_say("%s: stopped: its limit of %s%s %s is used up", session->file, what.failed ? "" : what.bytes,
            row->unit == BYTES ? " of" : "", row->what);
  else
    cli_say_error(session->file, error);
  if (!more.failed) cli_say_more("%s", more.bytes);
  base_text_deinit(&what);
  base_text_deinit(&more);
  return row->exit;
}

int cli_say_limit_met(const struct cli_session *session, int code) {
  const struct cay_result *result = cay_run_result(session->run);
  const struct row *row = row_of(result->limit);
  struct base_text text = {0};
  if (!row) return code;
  if (result->exited) cli_say("%s: ended with code %" PRIu32, session->file, result->exit_code);
  base_text_addz(&text, row->limit == CAY_LIMIT_STACK ? "it had " : "before that it met its limit of ");
  add_limit(session, row, &text);
  base_text_addz(&text, "; ");
  add_more(session, row, &text);
  if (!text.failed) cli_say_more("%s", text.bytes);
  base_text_deinit(&text);
  return result->exited ? code : (int)row->exit;
}

/* ---- The receipt ------------------------------------------------------------------------------------------------------- */

enum cay_status cli_receipt_open(struct cli_session *session, struct cay_error *error) {
  const char *path = session->settings.receipt;
  if (!path) return CAY_OK;
  session->receipt_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (session->receipt_fd < 0) return base_error_system(error, errno, "--receipt: cannot write %s", path);
  cli_signals_catch();
  return CAY_OK;
}

static void add_number(struct base_text *out, const char *key, uint64_t value, bool is_known) {
  base_text_format(out, is_known ? ",\"%s\":%" PRIu64 : ",\"%s\":null", key, value);
}

/* The peak of what is used up is what was used. How deep the stack was is not known. */
static void add_row(const struct cli_session *session, const struct row *row, struct base_text *out) {
  bool is_held = row->limit <= CAY_LIMIT_THREADS, is_stack = row->limit == CAY_LIMIT_STACK;
  uint64_t used = cay_run_used(session->run, row->limit), limit = cay_run_limit(session->run, row->limit);
  base_text_format(out, "{\"name\":\"%s\",\"option\":\"--%s\"", cay_limit_name(row->limit),
                   policy_options[row->option].name);
  add_number(out, "used", used, !is_stack);
  add_number(out, "peak", is_held ? cay_run_peak(session->run, row->limit) : used, !is_stack);
  add_number(out, "limit", limit, limit != CAY_NO_LIMIT);
  base_text_addz(out, "}");
}

static void add_receipt(const struct cli_session *session, int code, struct base_text *out) {
  char sha256[API_SHA256_HEX_BYTES];
  api_module_sha256(session->module, sha256);
  base_text_addz(out, "{\"module\":");
  base_text_add_json(out, session->file, strlen(session->file));
  base_text_format(out, ",\"sha256\":\"%s\",\"exit_code\":%d", sha256, code);
  const char *name = cli_signal_name(session->ended_by);
  base_text_format(out, name ? ",\"signal\":\"%s\"" : ",\"signal\":null", name);
  if (!session->run) {
    base_text_addz(out, "}\n");
    return;
  }
  enum cay_limit met = cay_run_result(session->run)->limit;
  base_text_format(out, met == CAY_LIMIT_NONE ? ",\"limit_met\":null" : ",\"limit_met\":\"%s\"", cay_limit_name(met));
  base_text_format(out, ",\"wall_ns\":%" PRIu64 ",\"cpu_ns\":%" PRIu64 ",\"limits\":[", api_run_wall_ns(session->run),
                   api_run_cpu_ns(session->run));
  for (size_t i = 0; i < BASE_ARRAY_LEN(rows); i++) {
    base_text_addz(out, i ? "," : "");
    add_row(session, &rows[i], out);
  }
  base_text_addz(out, "]}\n");
}

/* Some file systems say only when a file is closed that they did not write it. Returns 0 or errno. */
static int write_and_close(int fd, const struct base_text *text) {
  int failure = text->failed ? ENOMEM : base_os_write_all(fd, text->bytes, text->len_bytes) ? 0 : errno;
  if (close(fd) != 0 && !failure) failure = errno;
  return failure;
}

int cli_receipt_write(struct cli_session *session, int code) {
  struct base_text text = {0};
  if (session->receipt_fd < 0) return code;
  add_receipt(session, code, &text);
  int failure = write_and_close(session->receipt_fd, &text);
  session->receipt_fd = -1;
  base_text_deinit(&text);
  if (!failure) return code;
  cli_say("cannot write the receipt %s: %s", session->settings.receipt, strerror(failure));
  return code ? code : POLICY_EXIT_USAGE;
}
