/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* `cay run`: settings become an engine, a module, grants and limits; then the program runs, and its end becomes an exit
 * code and, if it went wrong, a message with the next step.
 *
 * Invariants: 1. nothing is granted that the settings do not name; 2. cay itself writes to standard error only, except
 * for the results of --invoke; 3. every way out passes finish(), so a sanitizer build sees no leak. */
#include "cli/learn.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { DEFAULT_BACKTRACE = 32 };

/* ---- The command line ---------------------------------------------------------------------------------------------- */

static int read_words(struct cli_session *session, enum policy_command command, struct cli_words words) {
  struct policy_settings *settings = &session->settings;
  struct cay_error error;
  if (policy_parse_environment(settings, command, environ, &error)) {
    cli_say_error(NULL, &error);
    return POLICY_EXIT_USAGE;
  }
  int code = cli_next_operand(settings, command, &words, &session->file);
  if (code >= 0) return code;
  if (!session->file)
    return cli_wrong_use("which file? write: cay %s [options] FILE [arguments]", policy_commands[command].name);
  session->arguments = words;
  return -1;
}

/* ---- The run ---------------------------------------------------------------------------------------------------------- */

static enum cay_unknown_imports unknown_imports(const char *choice) {
  if (!choice || strcmp(choice, "error") == 0) return CAY_UNKNOWN_ERROR;
  return strcmp(choice, "trap") == 0 ? CAY_UNKNOWN_TRAP : CAY_UNKNOWN_DEFAULT;
}

static void limit(struct cli_session *session) {
  const struct policy_settings *settings = &session->settings;
  cli_limits_set(settings, session->run);
  cay_run_set_unknown_imports(session->run, unknown_imports(settings->unknown_imports));
  cay_run_set_digest(session->run, settings->digest);
}

static void be_eager(struct cli_session *session) {
  cli_progress_begin(&session->progress, "translating functions");
  api_run_set_eager(session->run, cli_os_cpu_count(), cli_progress_show, &session->progress);
}

/* --preload NAME=FILE. Returns -1, or the exit code after a message. */
static int preload(struct cli_session *session, const char *text) {
  struct cay_error error;
  cay_module *module;
  const char *equals = strchr(text, '=');
  if (!equals || equals == text || !equals[1]) return cli_wrong_use("--preload: \"%s\" is not NAME=FILE", text);
  int code = cli_load(session->engine, equals + 1, &module);
  if (code >= 0) return code;
  BASE_AUTO_FREE char *name = base_string_copy(text, (size_t)(equals - text));
  enum cay_status status = name ? cay_run_preload(session->run, name, module, &error) : base_error_memory(&error);
  cay_module_release(module);
  if (!status) return -1;
  base_error_prefix(&error, "--preload %s", text);
  cli_say_error(NULL, &error);
  return POLICY_EXIT_USAGE;
}

/* A library starts no process that nobody asked for, but a command may. `cay learn` looks at a run and hurries nothing. */
static enum cay_status choose_tier(struct cli_session *session, struct cay_error *error) {
  if (session->settings.tier || session->learn) return CAY_OK;
  session->chose_tier = true;
  return policy_set(&session->settings, POLICY_OPTION_TIER, api_tier_default(), error);
}

/* Code that came with the file is used where it is trusted and can run, unless another tier was asked for. */
static enum cay_status choose_code(struct cli_session *session, const struct cay_error *why, struct cay_error *error) {
  struct policy_settings *settings = &session->settings;
  bool is_wanted = !settings->tier || strcmp(settings->tier, "optimized") == 0;
  if (session->kept && settings->trust_precompiled && is_wanted && why->status) {
    cli_say_error(session->file, why);
    cli_say_more("the module in it runs; to compile it again: cay compile %s -o OUTPUT", session->file);
  }
  if (session->kept && !settings->trust_precompiled && settings->verbose)
    cli_say("%s: the compiled code in it is not used without --trust-precompiled", session->file);
  if (session->kept && settings->trust_precompiled && is_wanted && !why->status)
    return policy_set(settings, POLICY_OPTION_TIER, "optimized", error);
  api_kept_free(session->kept);
  session->kept = NULL;
  return CAY_OK;
}

static enum cay_status use_code(struct cli_session *session, struct cay_error *error) {
  struct cay_error why;
  if (!session->kept) return CAY_OK;
  enum cay_status status = api_run_use_kept(session->run, session->kept, "in the file", &why);
  if (status != CAY_ERROR_UNSUPPORTED) {
    *error = why;
    return status;
  }
  cli_say_error(session->file, &why);
  cli_say_more("the module in it runs");
  return CAY_OK;
}

/* Without the cache a run is as good as its first one, and nobody misses what nobody has asked for. Returns -1, or the exit code
 * after a message. */
static int say_without_cache(struct cli_session *session, enum cay_status status, const struct cay_error *why) {
  if (status) session->without_cache = *why;
  bool has_none = status == CAY_ERROR_UNSUPPORTED; /* as in a container, where that is no news */
  bool may_care = session->settings.verbose && (!session->chose_tier || session->settings.cache || !has_none);
  if (status && (may_care || status == CAY_ERROR_MEMORY)) cli_say_error(session->file, why);
  return status == CAY_ERROR_MEMORY ? POLICY_EXIT_USAGE : -1;
}

static bool has_tier(const struct cli_session *session, const char *name) {
  return session->settings.tier && strcmp(session->settings.tier, name) == 0;
}

/* Before anything is granted: the folder is made where there is none, and no grant may reach it. */
static int open_cache(struct cli_session *session) {
  const struct policy_settings *settings = &session->settings;
  struct cay_error why;
  if (session->kept || (!has_tier(session, "optimized") && !has_tier(session, "auto"))) return -1;
  enum cay_status status = api_cache_open(settings->cache, environ, true, &session->cache, &why);
  if (session->cache && settings->cache_size != POLICY_NOT_GIVEN)
    api_cache_set_size(session->cache, settings->cache_size);
  if (session->cache && settings->jobs != POLICY_NOT_GIVEN) api_cache_set_jobs(session->cache, cli_jobs(settings));
  return say_without_cache(session, status, &why);
}

static int use_cache(struct cli_session *session) {
  struct cay_error why;
  if (!session->cache) return -1;
  enum cay_status status = api_run_use_cache(session->run, session->cache, &session->identity, &why);
  session->uses_cache = status == CAY_OK;
  return say_without_cache(session, status, &why);
}

/* Reads the file and joins what manifests say about it. Returns -1, or the exit code after a message. */
static int settle(struct cli_session *session) {
  struct cay_error error, why;
  if (session->is_sealed) return cli_unseal(session);
  int code = cli_read_kept(session->file, &session->read, &session->kept, &why, &session->identity);
  if (code < 0)
    code = cli_layers_join(&session->layers, &session->settings, session->file, &session->read, &session->identity);
  if (code >= 0) return code;
  if (!choose_code(session, &why, &error) && !choose_tier(session, &error) &&
      !policy_settings_check(&session->settings, true, &error))
    return -1;
  cli_say_error(NULL, &error);
  return POLICY_EXIT_USAGE;
}

static int load(struct cli_session *session) {
  uint64_t begin_ns = base_os_monotonic_ns();
  int code = cli_load_read(session->engine, session->file, &session->read, &session->module);
  session->decode_ns = base_os_monotonic_ns() - begin_ns;
  return code;
}

static int prepare(struct cli_session *session) {
  struct cay_error error;
  int code = settle(session);
  if (code < 0 && !session->learn) cli_layers_say_missing(&session->layers, &session->settings, session->file);
  if (code < 0) code = cli_engine(&session->settings, &session->engine);
  if (code < 0) code = load(session);
  if (code < 0) code = open_cache(session);
  if (code >= 0) return code;
  if (session->settings.verbose) cli_say_ignored(session->file, session->module);
  if ((session->learn && cli_learn_begin(session->learn, &error)) || cli_receipt_open(session, &error) ||
      cli_grant(session, &error) || cay_run_new(session->module, session->wasi, &session->run, &error) ||
      use_code(session, &error)) {
    cli_say_error(NULL, &error);
    return POLICY_EXIT_USAGE;
  }
  limit(session);
  if (session->settings.eager) be_eager(session);
  api_run_set_said(session->run, cli_last_words_add, &session->last_words);
  /* Callers need debug information, which is too much for each probe of each program: only when asked for. */
  if (session->settings.verbose) session->denials.run = session->run;
  for (size_t i = 0; code < 0 && i < session->settings.preload.count; i++)
    code = preload(session, session->settings.preload.items[i]);
  if (code >= 0) return code;
  api_run_set_jobs(session->run, cli_jobs(&session->settings));
  return use_cache(session);
}

static enum cay_status start(struct cli_session *session, struct cay_error *error) {
  if (!session->settings.invoke) return cay_run_start(session->run, error);
  struct base_text results = {0};
  enum cay_status status =
      api_run_invoke_text(session->run, session->settings.invoke, (const char *const *)session->arguments.items,
                          session->arguments.count, &results, error);
  session->lost_results = cli_print(&results, 0) != 0;
  return status;
}

/* ---- The end ---------------------------------------------------------------------------------------------------------- */

static void say_backtrace(struct cli_session *session) {
  uint64_t frames = session->settings.max_backtrace;
  if (frames == 0) return;
  const char *text = cay_run_backtrace(session->run, frames == POLICY_NOT_GIVEN ? DEFAULT_BACKTRACE : (size_t)frames);
  if (text) cli_say_raw(text, strlen(text));
}

static void say_out_of_memory(void) {
  cli_say_more("the system refused memory or stack for it; \"cay doctor\" shows limits, --stack may be smaller");
}

static int say_trap(struct cli_session *session, const struct cay_error *error) {
  char where[32] = "", thread[32] = "";
  uint32_t tid = cay_run_result(session->run)->thread;
  if (error->offset != CAY_ERROR_NO_OFFSET) snprintf(where, sizeof where, " (byte 0x%" PRIx64 ")", error->offset);
  if (tid) snprintf(thread, sizeof thread, " in thread %" PRIu32, tid);
  cli_say("%s: trap%s: %s%s", session->file, thread, error->text, where);
  say_backtrace(session);
  if (cay_run_result(session->run)->trap == CAY_TRAP_OUT_OF_MEMORY) say_out_of_memory();
  return cli_say_limit_met(session, POLICY_EXIT_TRAP);
}

static int say_interrupted(struct cli_session *session) {
  int number = cli_signals_last();
  cli_say("%s: interrupted%s%s", session->file, number ? " by " : "", number ? cli_signal_name(number) : "");
  return number ? 128 + number : POLICY_EXIT_TRAP;
}

static int say_limit(struct cli_session *session, const struct cay_error *error) {
  int code = cli_say_limit(session, error);
  if (session->settings.verbose) say_backtrace(session);
  return code;
}

static int say_unlinked(struct cli_session *session, const struct cay_error *error) {
  cli_say_error(session->file, error);
  bool threads_are_off = error->kind == CAY_KIND_NO_THREADS && session->settings.max_threads == 0;
  if (threads_are_off)
    cli_say_more("threads are switched off by --max-threads 0");
  else if (error->kind == CAY_KIND_UNKNOWN_IMPORT || error->kind == CAY_KIND_NO_THREADS)
    cli_say_more("to provide imports: --preload NAME=FILE; to run until one is used: --unknown-imports trap");
  else if (error->kind == CAY_KIND_NO_ENTRY)
    cli_say_more("to call one of its functions: cay run --invoke NAME %s [arguments]", session->file);
  return POLICY_EXIT_MODULE;
}

static int end(struct cli_session *session, enum cay_status status, const struct cay_error *error) {
  switch (status) {
  case CAY_OK:
  case CAY_ERROR_EXIT: return cli_say_limit_met(session, (int)(cay_run_result(session->run)->exit_code & 0xFF));
  case CAY_ERROR_TRAP: return say_trap(session, error);
  case CAY_ERROR_INTERRUPTED: return say_interrupted(session);
  case CAY_ERROR_LINK: return say_unlinked(session, error);
  case CAY_ERROR_LIMIT: return say_limit(session, error);
  case CAY_ERROR_MALFORMED:
  case CAY_ERROR_INVALID:
  case CAY_ERROR_UNSUPPORTED: cli_say_error(session->file, error); return POLICY_EXIT_MODULE;
  default: break;
  }
  cli_say_error(session->file, error);
  if (status == CAY_ERROR_MEMORY) say_out_of_memory();
  return POLICY_EXIT_USAGE;
}

/* What the tier made of the program. */
static void say_code(const struct cli_session *session) {
  struct base_text text = {0};
  api_run_report(session->run, &text);
  if (text.len_bytes && !text.failed) cli_say("%s: %s", session->file, text.bytes);
  base_text_deinit(&text);
}

/* What to do about what was denied or missed. */
static void say_how_to_learn(const struct cli_session *session) {
  if (session->is_sealed)
    cli_say_more("what it may use is sealed in it; to give it more, make it again: cay bundle %s -o OUTPUT",
                 session->file);
  else
    cli_say_more("to see everything it asks for: cay learn %s", session->file);
}

static int run(struct cli_session *session) {
  struct cay_error error;
  int code = cli_become_child(session);
  if (code < 0) code = prepare(session);
  if (code >= 0) return code;
  cli_os_child_close();
  code = cli_enter_wall(session);
  api_cache_close(session->cache); /* whose folder the program is not to find open */
  session->cache = NULL;
  if (code >= 0) return code;
  signal(SIGPIPE, SIG_IGN); /* the guest gets EPIPE and decides */
  cli_signals_end(session->run);
  enum cay_status status = start(session, &error);
  session->has_run = true;
  cli_progress_end(&session->progress);
  code = session->audit_failed ? POLICY_EXIT_AUDIT : end(session, status, &error);
  if (*cay_run_digest(session->run)) cli_say("%s: digest %s", session->file, cay_run_digest(session->run));
  if (code == 0 && session->lost_results) code = POLICY_EXIT_USAGE;
  bool failed = code != 0;
  size_t said =
      failed || session->settings.verbose ? cli_denials_say(&session->denials, &session->settings, session->file) : 0;
  bool ran = status == CAY_OK || status == CAY_ERROR_TRAP, may_guess = !session->learn && !session->is_sealed;
  if (failed && ran && !said && !session->settings.invoke && may_guess) said = cli_say_missed(session);
  if (said) say_how_to_learn(session);
  if (session->settings.verbose) say_code(session);
  if (session->settings.stats) cli_say_stats(session);
  return code;
}

/* What waits for cay is to see that the signal ended it. */
static void end_by(int number) {
  signal(number, SIG_DFL);
  raise(number);
}

static int finish(struct cli_session *session, int code) {
  int number = session->ended_by = cli_signals_last();
  code = cli_audit_end(session, code);
  code = cli_receipt_write(session, number ? 128 + number : code);
  cli_signals_end(NULL);
  cli_leave_wall();
  base_os_set_ending();
  cay_run_free(session->run);
  cli_end_broker();
  cay_wasi_free(session->wasi);
  api_run_forget_kept();
  api_cache_close(session->cache);
  cay_module_release(session->module);
  cay_engine_free(session->engine);
  api_kept_free(session->kept);
  cli_denials_deinit(&session->denials);
  base_file_deinit(&session->read);
  policy_settings_deinit(&session->settings);
  cli_layers_deinit(&session->layers);
  if (number) end_by(number);
  return code;
}

int cli_run(struct cli_words words) {
  struct cli_session session = {.receipt_fd = -1};
  policy_settings_init(&session.settings);
  cli_layers_init(&session.layers);
  int code = read_words(&session, POLICY_COMMAND_RUN, words);
  if (code < 0) code = run(&session);
  return finish(&session, code);
}

int cli_run_sealed(const char *name, struct cli_words words) {
  struct cli_session session = {.receipt_fd = -1, .is_sealed = true, .file = name, .arguments = words};
  policy_settings_init(&session.settings);
  cli_layers_init(&session.layers);
  return finish(&session, run(&session));
}

int cli_learn(struct cli_words words) {
  struct cli_session session = {.receipt_fd = -1};
  struct cli_learn learn = {.session = &session, .terminal = -1};
  struct cay_error error;
  session.learn = &learn;
  policy_settings_init(&session.settings);
  policy_settings_init(&learn.before);
  cli_layers_init(&session.layers);
  int code = read_words(&session, POLICY_COMMAND_LEARN, words);
  /* What is asked for is looked at while the program runs. */
  if (!session.settings.isolate) session.settings.isolate = "none";
  if (code < 0 && cli_learn_load(&learn, &error)) {
    cli_say_error(NULL, &error);
    code = POLICY_EXIT_USAGE;
  }
  if (code < 0) code = run(&session);
  if (session.has_run && cli_learn_write(&learn, &error)) {
    cli_say_error(NULL, &error);
    code = POLICY_EXIT_USAGE;
  }
  code = finish(&session, code);
  cli_learn_deinit(&learn);
  return code;
}
