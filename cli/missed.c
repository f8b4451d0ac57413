/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a program that failed may have missed, though nothing was denied to it.
 *
 * Two things happen without a call that could be refused: a library that knows of no granted folder that fits opens
 * nothing, and the environment comes as a whole. So what is said here is a guess, and a wrong one leads people to grant
 * what nobody needs: few names, the surest first, and none when something else explains the failure. These are
 *
 *   1. arguments that are files, and were not granted;
 *   2. files that the program named in the last of what it wrote to its standard error;
 *   3. when that says that it missed a file, or says nothing at all, files whose name is a constant in its data;
 *   4. when there is none of these, variables that it named there; when there is none again, those whose name is in its
 *      data, without those that every shell has.
 *
 * The host's files are looked at by another process (isolate.c). Rejected: to let the program see a folder that holds
 * nothing, so that each name would come to us: programs go by which folders they are given. */
#include "cli/run.h"

#include <unistd.h>

enum { SAID_FILES = 3, SAID_VARIABLES = 4 };

struct missed {
  struct cli_session *session;
  struct policy_set files; /* that were said */
  struct base_text variables;
  unsigned variable_count;
};

/* ---- The last words --------------------------------------------------------------------------------------------------- */

void cli_last_words_add(void *words_opaque, const char *bytes, size_t len_bytes) {
  struct cli_last_words *words = words_opaque;
  size_t cut = len_bytes > sizeof words->bytes ? len_bytes - sizeof words->bytes : 0;
  bytes += cut;
  len_bytes -= cut;
  size_t room = sizeof words->bytes - words->len_bytes, dropped = len_bytes > room ? len_bytes - room : 0;
  memmove(words->bytes, words->bytes + dropped, words->len_bytes - dropped);
  words->len_bytes -= dropped;
  memcpy(words->bytes + words->len_bytes, bytes, len_bytes);
  words->len_bytes += len_bytes;
}

static bool said(const struct missed *missed, const char *word) {
  const struct cli_last_words *words = &missed->session->last_words;
  return cli_mentions(words->bytes, words->len_bytes, word, strlen(word));
}

/* Whether they can mean that a file was missed: as libraries and languages say it. */
static bool blames_a_file(const struct missed *missed) {
  static const char *const texts[] = {"no such file",
                                      "not found",
                                      "notfound",
                                      "open",
                                      "does not exist",
                                      "not capable",
                                      "capabilities insufficient",
                                      "permission",
                                      "bad file descriptor",
                                      "os error"};
  const struct cli_last_words *words = &missed->session->last_words;
  char lower[sizeof words->bytes];
  for (size_t i = 0; i < words->len_bytes; i++) {
    char c = words->bytes[i];
    lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
  }
  for (size_t i = 0; i < BASE_ARRAY_LEN(texts); i++)
    if (memmem(lower, words->len_bytes, texts[i], strlen(texts[i]))) return true;
  return words->len_bytes == 0;
}

/* ---- Files ------------------------------------------------------------------------------------------------------------- */

/* What a library would find: names with and without the leading slash are the same to it. */
static bool is_granted(const struct policy_settings *settings, const char *path) {
  struct policy_settings parts = {0}; /* only its arena is used */
  char *plain = policy_learn_path(path);
  bool found = !plain;
  for (size_t i = 0; i < settings->dir.count && !found; i++) {
    struct policy_dir dir;
    char *folder = policy_dir_parse(&parts, settings->dir.items[i], &dir, NULL) ? NULL : policy_learn_path(dir.guest);
    found = !folder || policy_learn_holds(folder, plain);
    base_free(folder);
  }
  base_arena_deinit(&parts.arena);
  base_free(plain);
  return found;
}

/* A file may be read or changed, and a new one made in its place: all that could be meant is proposed. */
static bool add_proposals(struct base_text *out, const char *path, bool is_there) {
  if (!is_there)
    return cli_add_path_grants(out, "to let it make it", path, POLICY_RIGHTS_WRITE, true) &&
           cli_add_path_grants(out, "or only new files", path, POLICY_RIGHTS_CREATE_ONLY, true);
  return cli_add_path_grants(out, "to let it read it", path, POLICY_RIGHTS_READ, false) &&
         cli_add_path_grants(out, "to let it change it, too", path, POLICY_RIGHTS_WRITE, false);
}

static void say_path(struct missed *missed, const char *path, const char *how) {
  bool is_there = cli_path_kind(path) != API_PATH_ABSENT, has_none = missed->session->settings.dir.count == 0;
  struct base_text proposals = {0};
  char shown[1024];
  base_printable(shown, sizeof shown, path, strlen(path));
  if (!add_proposals(&proposals, path, is_there) || proposals.failed || !policy_set_add(&missed->files, path))
    shown[0] = 0;
  const char *file = missed->session->file;
  if (shown[0] && is_there)
    cli_say("%s: %s %s%s%s", file,
            has_none ? "it was given no directory, so it cannot see"
                     : "none of the directories that it was given holds",
            shown, how, proposals.bytes);
  else if (shown[0])
    cli_say("%s: there is no %s%s, and it was given no directory %s%s", file, shown, how,
            has_none ? "to make it in" : "that would hold it", proposals.bytes);
  base_text_deinit(&proposals);
}

static void say_file(struct missed *missed, const char *name, const char *how) {
  char *path = policy_learn_path(name);
  if (path && missed->files.texts.count < SAID_FILES && !policy_set_has(&missed->files, path) &&
      !is_granted(&missed->session->settings, path))
    say_path(missed, path, how);
  base_free(path);
}

/* A bare word may mean something else than a file when directories were given, and a name that is not there anything. */
static bool is_file_name(const struct missed *missed, const char *argument) {
  if (*argument == '-' || !*argument) return false;
  bool is_there = cli_path_kind(argument) != API_PATH_ABSENT;
  if (missed->session->settings.dir.count) return strpbrk(argument, "./") && (is_there || strchr(argument, '/'));
  return is_there || strchr(argument, '/') || (strchr(argument, '.') && said(missed, argument));
}

static void say_arguments(struct missed *missed) {
  const struct cli_words *arguments = &missed->session->arguments;
  for (size_t i = 0; i < arguments->count && !missed->files.texts.count; i++)
    if (is_file_name(missed, arguments->items[i])) say_file(missed, arguments->items[i], "");
}

/* Programs begin messages with their own name. */
static bool is_own(const struct missed *missed, const char *name) {
  const char *file = missed->session->file, *slash = strrchr(file, '/'), *arg0 = missed->session->settings.arg0;
  return strcmp(name, file) == 0 || strcmp(name, slash ? slash + 1 : file) == 0 || (arg0 && strcmp(name, arg0) == 0);
}

/* A name with a line number behind it is a place in a source. */
static void say_named(struct missed *missed) {
  const struct cli_last_words *words = &missed->session->last_words;
  const char *bytes = words->bytes, *end = words->bytes + words->len_bytes;
  for (size_t run; bytes < end; bytes += run + 1) {
    char path[sizeof words->bytes + 1];
    for (run = 0; bytes + run < end && cli_is_path_byte(bytes[run]);) run++;
    bool is_place = bytes + run + 1 < end && bytes[run] == ':' && bytes[run + 1] >= '0' && bytes[run + 1] <= '9';
    memcpy(path, bytes, run);
    for (path[run] = 0; *path && path[strlen(path) - 1] == '.';) path[strlen(path) - 1] = 0;
    if (!is_place && !is_own(missed, path) && cli_looks_like_file(path) && cli_path_kind(path) != API_PATH_ABSENT)
      say_file(missed, path, ", which it names");
  }
}

static void found_file(void *env, const char *path) { say_file(env, path, ", whose name occurs in it"); }

/* ---- Variables --------------------------------------------------------------------------------------------------------- */

static bool is_given(const struct policy_settings *settings, const char *name) {
  size_t len_bytes = strlen(name);
  for (size_t i = 0; i < settings->env.count; i++)
    if (strncmp(settings->env.items[i], name, len_bytes) == 0 && strchr("=", settings->env.items[i][len_bytes]))
      return true;
  return settings->inherit_env;
}

static bool is_everywhere(const char *name) {
  static const char *const names[] = {"COLORTERM", "COLUMNS",  "DISPLAY", "EDITOR",   "HOME",  "HOSTNAME",
                                      "LANG",      "LANGUAGE", "LINES",   "LOGNAME",  "MAIL",  "OLDPWD",
                                      "PAGER",     "PATH",     "PWD",     "SHELL",    "SHLVL", "TERM",
                                      "TMPDIR",    "TZ",       "USER",    "USERNAME", "VISUAL"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++)
    if (strcmp(name, names[i]) == 0) return true;
  return strncmp(name, "LC_", 3) == 0 || strncmp(name, "XDG_", 4) == 0;
}

static void say_variable(struct missed *missed, const char *name) {
  if (missed->variable_count >= SAID_VARIABLES || is_given(&missed->session->settings, name)) return;
  missed->variable_count++;
  cli_add_allow(&missed->variables, "to give it one", "env", name);
}

/* Those that it named, whether or not its data shows their names as words. One is in the advice of each panic of Rust. */
static void name_variables(struct missed *missed) {
  for (char **variable = environ; *variable; variable++) {
    char name[128];
    size_t len_bytes = strcspn(*variable, "=");
    if (len_bytes < 3 || len_bytes >= sizeof name || strncmp(*variable, "CAY_", 4) == 0) continue;
    memcpy(name, *variable, len_bytes);
    name[len_bytes] = 0;
    if (strcmp(name, "RUST_BACKTRACE") != 0 && said(missed, name)) say_variable(missed, name);
  }
}

static void found_variable(void *env, const char *name) {
  if (!is_everywhere(name)) say_variable(env, name);
}

/* ---- All of it ----------------------------------------------------------------------------------------------------------- */

static void say_variables(struct missed *missed) {
  if (missed->files.texts.count) return;
  name_variables(missed);
  if (!missed->variable_count) cli_mentioned_variables(missed->session->module, found_variable, missed);
  if (missed->variable_count && !missed->variables.failed)
    cli_say("%s: variables were not given to it whose names occur in it%s", missed->session->file,
            missed->variables.bytes);
}

bool cli_say_missed(struct cli_session *session) {
  struct missed missed = {.session = session};
  bool has_words = session->last_words.len_bytes, blames = blames_a_file(&missed);
  say_arguments(&missed);
  if (!missed.files.texts.count) say_named(&missed);
  if (!missed.files.texts.count && blames) cli_mentioned_files(session->module, found_file, &missed);
  say_variables(&missed);
  bool found = missed.files.texts.count || missed.variable_count;
  bool is_blind = !found && has_words && blames && session->settings.dir.count == 0 && !session->layers.asks;
  if (is_blind) cli_say("%s: it was given no directory, so it cannot see any file", session->file);
  policy_set_deinit(&missed.files);
  base_text_deinit(&missed.variables);
  return found || is_blind;
}
