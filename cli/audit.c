/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* `--audit FILE`: the log of a run, and `cay audit verify`, which reads a chained one back.
 *
 * The log is opened before anything is granted, so that it can be compared with each grant, and closed after the program
 * has ended. When it cannot be written the program is interrupted at once: what it did last is not in the log, and the
 * message says why. */
#include "cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { BACKTRACE_FRAMES = 32 };

/* ---- Writing ------------------------------------------------------------------------------------------------------- */

enum cay_status cli_audit_open(struct cli_session *session, struct cay_error *error) {
  const struct policy_settings *settings = &session->settings;
  if (!settings->audit && settings->audit_chain)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "--audit-chain needs --audit FILE");
  if (!settings->audit) return CAY_OK;
  const char *slash = strrchr(session->file, '/');
  enum cay_status status = policy_audit_open(settings->audit, slash ? slash + 1 : session->file, settings->audit_chain,
                                             &session->audit, error);
  if (!status) cli_signals_catch();
  for (int fd = 1; !status && fd < 3; fd++) status = policy_audit_guard_stream(session->audit, fd, error);
  if (status) base_error_prefix(error, "--audit");
  return status;
}

enum cay_status cli_audit_guard(const struct cli_session *session, const struct policy_dir *dir,
                                struct cay_error *error) {
  if (!session->audit || dir->rights == POLICY_RIGHTS_READ || dir->overlay == POLICY_OVERLAY_MEMORY) return CAY_OK;
  return policy_audit_guard(session->audit, dir->overlay ? dir->scratch : dir->host, error);
}

static const char *reason_name(enum cay_denial_reason reason) {
  static const char *const names[] = {
      [CAY_DENIAL_ESCAPE] = "escape",   [CAY_DENIAL_READ_ONLY] = "read-only", [CAY_DENIAL_RIGHT] = "right",
      [CAY_DENIAL_ABSENT] = "absent",   [CAY_DENIAL_DEVICE] = "device",       [CAY_DENIAL_QUOTA] = "quota",
      [CAY_DENIAL_NETWORK] = "network", [CAY_DENIAL_PERMIT] = "permit",
  };
  return names[reason];
}

void cli_right_words(uint32_t rights, char *out, size_t capacity) {
  size_t used = 0;
  out[0] = 0;
  for (uint32_t bit = 1; bit; bit <<= 1) {
    const char *name = rights & bit ? cay_right_name((enum cay_right)bit) : NULL;
    if (!name || used + strlen(name) + 2 > capacity) continue;
    if (used) out[used++] = '|';
    memcpy(out + used, name, strlen(name) + 1);
    used += strlen(name);
  }
}

static void stop(struct cli_session *session) {
  if (atomic_exchange(&session->audit_failed, true)) return;
  cay_run_interrupt(session->run);
}

static void add(void *env, const cay_access *access) {
  struct cli_session *session = env;
  char rights[160];
  cli_right_words(access->rights, rights, sizeof rights);
  struct policy_audit_use use = {.call = access->call,
                                 .object = access->object,
                                 .result = access->result,
                                 .rights = rights,
                                 .host_path = access->host_path,
                                 .rule = access->rule,
                                 .thread = access->thread,
                                 .listener = access->listener};
  if (access->is_denied) use.reason = reason_name(access->reason);
  if (access->is_denied) use.backtrace = cay_run_calls(session->run, BACKTRACE_FRAMES);
  if (policy_audit_add(session->audit, &use, NULL)) stop(session);
}

static void flush(void *env) {
  struct cli_session *session = env;
  if (policy_audit_flush(session->audit, NULL)) stop(session);
}

void cli_audit_hook(struct cli_session *session) {
  if (session->audit) cay_wasi_set_audit(session->wasi, add, flush, session);
}

int cli_audit_end(struct cli_session *session, int code) {
  struct cay_error error;
  bool has_failed = session->audit && policy_audit_close(session->audit, &error) != CAY_OK;
  session->audit = NULL;
  if (has_failed) {
    cli_say_error(session->file, &error);
    cli_say_more("an audit that cannot be written is no audit: the program was stopped");
    code = POLICY_EXIT_AUDIT;
  }
  return code;
}

/* ---- Reading back --------------------------------------------------------------------------------------------------- */

static int say_verdict(const char *path, const struct policy_audit_check *check, bool as_json) {
  struct base_text text = {0};
  bool is_whole = !check->problem;
  if (as_json) {
    base_text_addz(&text, "{\"file\":");
    base_text_add_json(&text, path, strlen(path));
    base_text_format(&text, ",\"ok\":%s,\"%s\":%llu", is_whole ? "true" : "false", is_whole ? "lines" : "line",
                     (unsigned long long)check->line);
    base_text_format(&text, is_whole ? ",\"hash\":\"%s\"}\n" : ",\"problem\":\"%s\"}\n",
                     is_whole ? check->hash : check->problem);
  } else if (is_whole) {
    base_text_format(&text, "%s: OK, %llu lines, the last hash is %s\n", path, (unsigned long long)check->line,
                     check->hash);
  } else {
    cli_say("%s:%llu: %s", path, (unsigned long long)check->line, check->problem);
  }
  return cli_print(&text, is_whole ? 0 : POLICY_EXIT_FAILED);
}

static bool read_pieces(int fd, struct policy_audit_check *check) {
  char piece[65536];
  ssize_t got;
  while ((got = read(fd, piece, sizeof piece)) > 0 || (got < 0 && errno == EINTR))
    if (got > 0) policy_audit_check_add(check, piece, (size_t)got);
  return got == 0;
}

static int verify(const char *path, bool as_json) {
  struct policy_audit_check check;
  bool is_input = strcmp(path, "-") == 0;
  int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), code = POLICY_EXIT_NOT_FOUND;
  policy_audit_check_init(&check);
  if (fd >= 0 && read_pieces(fd, &check)) {
    policy_audit_check_end(&check);
    code = say_verdict(path, &check, as_json);
  } else {
    cli_say("cannot read %s: %s", path, strerror(errno));
  }
  if (fd >= 0 && !is_input) close(fd);
  policy_audit_check_deinit(&check);
  return code;
}

int cli_audit(struct cli_words words) {
  struct policy_settings settings;
  struct policy_texts operands = {0};
  int code = cli_parse(&settings, POLICY_COMMAND_AUDIT, words, &operands);
  if (code < 0 && (operands.count < 2 || strcmp(operands.items[0], "verify") != 0))
    code = cli_wrong_use("write: cay audit verify FILE...");
  bool was_wrong_use = code >= 0;
  for (size_t i = 1; !was_wrong_use && i < operands.count; i++) {
    int one = verify(operands.items[i], cli_wants_json(&settings));
    if (one > code) code = one;
  }
  BASE_VEC_DEINIT(&operands);
  policy_settings_deinit(&settings);
  return code;
}
