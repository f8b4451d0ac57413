/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* From the settings of `cay run` to what the program gets: arguments, environment, directories, sockets, streams. Nothing
 * is granted that the settings do not name. */
#include "cli/learn.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static enum cay_status grant_arguments(struct cli_session *session, struct cay_error *error) {
  const char *slash = strrchr(session->file, '/');
  const char *name = session->settings.arg0 ? session->settings.arg0 : slash ? slash + 1 : session->file;
  enum cay_status status = cay_wasi_add_arg(session->wasi, name, error);
  for (size_t i = 0; !status && i < session->arguments.count; i++)
    status = cay_wasi_add_arg(session->wasi, session->arguments.items[i], error);
  return status;
}

static enum cay_status grant_environment(struct cli_session *session, struct cay_error *error) {
  const char *const *variables;
  enum cay_status status = policy_environment(&session->settings, environ, &variables, error);
  for (size_t i = 0; !status && variables[i]; i++) {
    char name[256];
    const char *equals = strchr(variables[i], '=');
    size_t len = (size_t)(equals - variables[i]);
    if (len >= sizeof name)
      return base_error_set(error, CAY_ERROR_ARGUMENT, "the name of a variable is longer than %zu bytes",
                            sizeof name - 1);
    memcpy(name, variables[i], len);
    name[len] = 0;
    status = cay_wasi_set_env(session->wasi, name, equals + 1, error);
  }
  return status;
}

/* The same grant may stand in CAY_DIR and on the command line. */
static bool is_repeated(const struct policy_texts *texts, size_t index) {
  for (size_t i = 0; i < index; i++)
    if (strcmp(texts->items[i], texts->items[index]) == 0) return true;
  return false;
}

static enum cay_status give(struct cli_session *session, const struct policy_dir *dir, bool is_device, const char *rule,
                            struct cay_error *error) {
  static const enum cay_rights rights[] = {[POLICY_RIGHTS_READ] = CAY_RIGHTS_READ,
                                           [POLICY_RIGHTS_WRITE] = CAY_RIGHTS_READ_WRITE,
                                           [POLICY_RIGHTS_CREATE_ONLY] = CAY_RIGHTS_CREATE};
  static const enum cay_overlay overlays[] = {[POLICY_OVERLAY_NONE] = CAY_OVERLAY_NONE,
                                              [POLICY_OVERLAY_MEMORY] = CAY_OVERLAY_MEMORY,
                                              [POLICY_OVERLAY_FOLDER] = CAY_OVERLAY_FOLDER};
  if (is_device && (dir->overlay || dir->quota_bytes))
    return base_error_set(error, CAY_ERROR_ARGUMENT, "a device has no %s", dir->overlay ? "overlay" : "quota");
  cay_grant grant = {.host_path = dir->host,
                     .guest_path = dir->guest,
                     .rights = rights[dir->rights],
                     .device = is_device,
                     .quota_bytes = dir->quota_bytes,
                     .overlay = overlays[dir->overlay],
                     .scratch_path = dir->scratch,
                     .rule = rule};
  enum cay_status status = cay_wasi_grant(session->wasi, &grant, error);
  char folder[PATH_MAX];
  bool lacks_memory = status == CAY_ERROR_UNSUPPORTED && grant.overlay == CAY_OVERLAY_MEMORY;
  if (!lacks_memory || !cli_scratch_make(folder, sizeof folder)) return status;
  grant.overlay = CAY_OVERLAY_FOLDER;
  grant.scratch_path = folder;
  if (!grant.quota_bytes) grant.quota_bytes = CAY_OVERLAY_MEMORY_BYTES;
  status = cay_wasi_grant(session->wasi, &grant, error);
  if (status != CAY_ERROR_ARGUMENT) return status;
  return base_error_set(
      error, status,
      "an overlay in memory of %s, which holds the folder for it in /dev/shm, takes a privilege; name a "
      "folder outside: overlay=FOLDER",
      dir->host);
}

static enum cay_status grant_texts(struct cli_session *session, const struct policy_texts *texts,
                                   enum policy_option option, struct cay_error *error) {
  enum cay_status status = CAY_OK;
  for (size_t i = 0; !status && i < texts->count; i++) {
    struct policy_dir dir;
    if (is_repeated(texts, i)) continue;
    status = policy_dir_parse(&session->settings, texts->items[i], &dir, error);
    if (!status)
      status = give(session, &dir, option == POLICY_OPTION_DEVICE, policy_origin(&session->settings, option, i), error);
    if (status == CAY_ERROR_SYSTEM && strchr(texts->items[i], ':') && !strstr(texts->items[i], "::"))
      base_error_set(error, status, "cannot find %.200s; two colons stand between host and guest: HOST::GUEST",
                     texts->items[i]);
    if (!status) status = cli_audit_guard(session, &dir, error);
    if (status) policy_error_origin(&session->settings, option, i, error);
  }
  return status;
}

static enum cay_status grant_sources(struct cli_session *session, struct cay_error *error) {
  static const enum cay_clock clocks[] = {[POLICY_CLOCK_REAL] = CAY_CLOCK_REAL,
                                          [POLICY_CLOCK_FIXED] = CAY_CLOCK_FIXED,
                                          [POLICY_CLOCK_COARSE] = CAY_CLOCK_COARSE};
  const struct policy_settings *settings = &session->settings;
  enum policy_clock clock;
  enum cay_status status = CAY_OK;
  uint64_t ns, seed;
  bool is_seeded;
  if (settings->clock) {
    status = policy_clock_parse(settings->clock, &clock, &ns, error);
    if (!status) status = cay_wasi_set_clock(session->wasi, clocks[clock], ns, error);
    if (status) policy_error_origin(settings, POLICY_OPTION_CLOCK, 0, error);
  }
  if (!status && settings->random) {
    status = policy_random_parse(settings->random, &is_seeded, &seed, error);
    if (!status && is_seeded) cay_wasi_set_random_seed(session->wasi, seed);
    if (status) policy_error_origin(settings, POLICY_OPTION_RANDOM, 0, error);
  }
  return status;
}

/* Whoever lets the system choose a port has to learn which one it is. */
static enum cay_status open_socket(struct cli_session *session, const char *address, size_t *count,
                                   struct cay_error *error) {
  enum cay_status status = cay_wasi_listen(session->wasi, address, error);
  const char *port = strrchr(address, ':');
  if (!status && port && strcmp(port, ":0") == 0)
    cli_say("%s: listening on %s", session->file, cay_wasi_listen_address(session->wasi, *count));
  *count += !status;
  return status;
}

/* A rule that names one address to listen on is that socket, too. */
static enum cay_status grant_named_socket(struct cli_session *session, const char *text, size_t *count, bool *connects,
                                          struct cay_error *error) {
  struct policy_net net;
  char address[64];
  enum cay_status status = policy_net_parse(text, &net, error);
  if (status) return status;
  *connects |= !net.rule.denies && net.rule.directions == HOST_NET_CONNECT;
  if (!policy_net_listens(&net)) return CAY_OK;
  policy_net_address(&net, address, sizeof address);
  return open_socket(session, address, count, error);
}

/* All rules come first, because one that denies wins wherever it stands. */
static enum cay_status grant_network(struct cli_session *session, struct cay_error *error) {
  const struct policy_settings *settings = &session->settings;
  enum cay_status status = CAY_OK;
  size_t count = 0;
  bool connects = false;
  for (size_t i = 0; !status && i < settings->net.count; i++) {
    status = cay_wasi_net(session->wasi, settings->net.items[i], policy_origin(settings, POLICY_OPTION_NET, i), error);
    if (status) policy_error_origin(settings, POLICY_OPTION_NET, i, error);
  }
  for (size_t i = 0; !status && i < settings->listen.count; i++) {
    status = open_socket(session, settings->listen.items[i], &count, error);
    if (status) policy_error_origin(settings, POLICY_OPTION_LISTEN, i, error);
  }
  for (size_t i = 0; !status && i < settings->net.count; i++) {
    if (is_repeated(&settings->net, i)) continue;
    status = grant_named_socket(session, settings->net.items[i], &count, &connects, error);
    if (status) policy_error_origin(settings, POLICY_OPTION_NET, i, error);
  }
  if (!status && connects)
    cli_say("%s: a program of WASI 0.1 cannot make connections: --net connect gives it nothing", session->file);
  return status;
}

static enum cay_status grant_streams(struct cli_session *session, struct cay_error *error) {
  const char *const choices[] = {session->settings.stdin_from, session->settings.stdout_to,
                                 session->settings.stderr_to};
  enum cay_status status = CAY_OK;
  for (unsigned i = 0; !status && i < BASE_ARRAY_LEN(choices); i++) {
    bool nowhere = choices[i] && strcmp(choices[i], "null") == 0;
    status = cay_wasi_set_stdio(session->wasi, i, nowhere ? CAY_STDIO_NULL : CAY_STDIO_INHERIT, -1, error);
  }
  return status;
}

static void print_trace(void *env, const char *line) {
  struct base_text text = {0};
  base_text_format(&text, "%s\n", line);
  if (!text.failed) cli_say_raw(text.bytes, text.len_bytes);
  base_text_deinit(&text);
}

enum cay_status cli_grant(struct cli_session *session, struct cay_error *error) {
  enum cay_status status = cli_audit_open(session, error);
  if (!status) status = cay_wasi_new(&session->wasi, error);
  if (session->settings.dir.count || session->learn) api_cache_forbid(session->settings.cache, environ);
  if (!status) status = grant_arguments(session, error);
  if (!status) status = grant_environment(session, error);
  if (!status) status = grant_texts(session, &session->settings.dir, POLICY_OPTION_DIR, error);
  if (!status) status = grant_texts(session, &session->settings.device, POLICY_OPTION_DEVICE, error);
  if (!status) status = grant_sources(session, error);
  if (!status) status = grant_network(session, error);
  if (!status) status = grant_streams(session, error);
  if (status) return status;
  cli_audit_hook(session);
  const struct policy_settings *settings = &session->settings;
  if (settings->deterministic)
    cay_wasi_set_deterministic(session->wasi, settings->seed == POLICY_NOT_GIVEN ? 0 : settings->seed);
  cay_wasi_set_denied(session->wasi, cli_denials_add, &session->denials);
  if (session->learn && (status = cli_learn_show(session->learn, error))) return status;
  if (session->settings.trace) cay_wasi_set_trace(session->wasi, print_trace, NULL);
  return CAY_OK;
}
