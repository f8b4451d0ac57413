/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a module mentions. The system cannot see which environment variable a program missed, because it gets them all at
 * once; and a library that knows of no granted folder that fits opens nothing at all. Both leave their names in the data
 * segments, where they are looked for once the program has failed, or before `cay learn` starts it. */
#include "cli/run.h"

#include <unistd.h>

enum { FILE_NAME_MAX = 1024, LOOKED_UP_MAX = 4096 };

static bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The word with something else before and behind it. */
static bool mentions(const char *bytes, size_t len_bytes, const char *word, size_t word_bytes) {
  const char *end = bytes + len_bytes, *at = bytes;
  while ((at = memmem(at, (size_t)(end - at), word, word_bytes))) {
    bool starts = at == bytes || !is_name_byte(at[-1]);
    bool ends = at + word_bytes == end || !is_name_byte(at[word_bytes]);
    if (starts && ends) return true;
    at++;
  }
  return false;
}

static bool module_mentions(const cay_module *module, const char *word, size_t word_bytes) {
  const char *bytes;
  size_t len_bytes;
  for (uint32_t i = 0; api_module_data(module, i, &bytes, &len_bytes); i++)
    if (mentions(bytes, len_bytes, word, word_bytes)) return true;
  return false;
}

bool cli_mentioned_variables(const cay_module *module, void (*found)(void *env, const char *name), void *env) {
  for (char **variable = environ; *variable; variable++) {
    size_t len_bytes = strcspn(*variable, "=");
    if (len_bytes < 2 || strncmp(*variable, "CAY_", 4) == 0 || !module_mentions(module, *variable, len_bytes)) continue;
    char *name = base_string_copy(*variable, len_bytes);
    if (!name) return false;
    found(env, name);
    base_free(name);
  }
  return true;
}

/* More than a word: "out" occurs in many texts. */
static bool looks_like_file(const char *path) {
  const char *inside = strpbrk(path, "./");
  return inside && path[strspn(path, "./")] && (inside != path || *path == '/') && inside[1];
}

static bool is_path_byte(char c) { return is_name_byte(c) || strchr("./-+@%~", c) != NULL; }

void cli_mentioned_files(const cay_module *module, void (*found)(void *env, const char *path), void *env) {
  const char *bytes;
  size_t len_bytes;
  unsigned looked_up = 0;
  for (uint32_t i = 0; api_module_data(module, i, &bytes, &len_bytes); i++) {
    for (size_t at = 0, run; at < len_bytes && looked_up < LOOKED_UP_MAX; at += run + 1) {
      for (run = 0; at + run < len_bytes && bytes[at + run] && is_path_byte(bytes[at + run]); run++) continue;
      char path[FILE_NAME_MAX];
      if (run < 2 || run >= FILE_NAME_MAX) continue;
      memcpy(path, bytes + at, run);
      path[run] = 0;
      if (!looks_like_file(path)) continue;
      looked_up++;
      if (cli_path_kind(path) != API_PATH_ABSENT) found(env, path);
    }
  }
}

/* ---- After a failure ------------------------------------------------------------------------------------------------ */

enum { SAID_MAX = 8 };
struct missed {
  struct cli_session *session;
  char *said[SAID_MAX];
  struct base_text text;
  unsigned count;
};

/* What a library would find: names with and without the leading slash are the same to it. */
static bool is_granted(const struct policy_settings *settings, const char *path) {
  bool found = false;
  char *plain = policy_learn_path(path);
  for (size_t i = 0; plain && i < settings->dir.count && !found; i++) {
    const char *guest = strstr(settings->dir.items[i], "::"), *rights = guest ? strstr(guest + 2, "::") : NULL;
    guest = guest ? guest + 2 : settings->dir.items[i];
    char *name = base_string_copy(guest, rights ? (size_t)(rights - guest) : strlen(guest));
    char *folder = name ? policy_learn_path(name) : NULL;
    found = !folder || policy_learn_holds(folder, plain);
    base_free(name);
    base_free(folder);
  }
  base_free(plain);
  return found || !plain;
}

/* A file may be read or changed, and a new one made in its place: all that could be meant is proposed. */
static bool add_proposals(struct base_text *out, const char *path) {
  if (cli_path_kind(path) == API_PATH_ABSENT)
    return cli_add_path_grants(out, "to let it make it", path, POLICY_RIGHTS_WRITE, true) &&
           cli_add_path_grants(out, "or only new files", path, POLICY_RIGHTS_CREATE_ONLY, true);
  return cli_add_path_grants(out, "to let it read it", path, POLICY_RIGHTS_READ, false) &&
         cli_add_path_grants(out, "to let it change it, too", path, POLICY_RIGHTS_WRITE, false);
}

static bool say_file(struct cli_session *session, const char *name, const char *how) {
  struct base_text text = {0};
  char shown[1024], *path = policy_learn_path(name);
  bool nothing_granted = session->settings.dir.count == 0, is_said = path && add_proposals(&text, path) && !text.failed;
  if (is_said)
    cli_say("%s: %s %s%s%s", session->file,
            nothing_granted ? "it was given no directory, so it cannot see"
                            : "none of the directories that it was given holds",
            base_printable(shown, sizeof shown, path, strlen(path)), how, text.bytes);
  base_text_deinit(&text);
  base_free(path);
  return is_said;
}

static bool say_arguments(struct cli_session *session) {
  bool nothing_granted = session->settings.dir.count == 0;
  for (size_t i = 0; i < session->arguments.count; i++) {
    const char *path = session->arguments.items[i];
    /* A bare word may mean something else than a file when directories were given. */
    bool is_file_name =
        nothing_granted ? cli_path_kind(path) != API_PATH_ABSENT || strchr(path, '/') : strpbrk(path, "./") != NULL;
    if (*path == '-' || !*path || !is_file_name || is_granted(&session->settings, path)) continue;
    if (say_file(session, path, "")) return true;
  }
  return false;
}

static void found_file(void *env, const char *path) {
  struct missed *missed = env;
  if (missed->count >= SAID_MAX || is_granted(&missed->session->settings, path)) return;
  for (unsigned i = 0; i < missed->count; i++)
    if (missed->said[i] && strcmp(missed->said[i], path) == 0) return;
  if (say_file(missed->session, path, ", whose name occurs in it"))
    missed->said[missed->count++] = base_string_copy(path, strlen(path));
}

static bool is_given(const struct policy_settings *settings, const char *name) {
  size_t len_bytes = strlen(name);
  for (size_t i = 0; i < settings->env.count; i++)
    if (strncmp(settings->env.items[i], name, len_bytes) == 0 && strchr("=", settings->env.items[i][len_bytes]))
      return true;
  return settings->inherit_env;
}

static void found_variable(void *env, const char *name) {
  struct missed *missed = env;
  if (missed->count >= SAID_MAX || is_given(&missed->session->settings, name)) return;
  missed->count++;
  cli_add_allow(&missed->text, "to give it one", "env", name);
}

void cli_say_missed(struct cli_session *session) {
  if (say_arguments(session)) return;
  struct missed files = {.session = session}, variables = {.session = session};
  cli_mentioned_files(session->module, found_file, &files);
  cli_mentioned_variables(session->module, found_variable, &variables);
  if (variables.count && !variables.text.failed)
    cli_say("%s: variables were not given to it whose names occur in it%s", session->file, variables.text.bytes);
  for (unsigned i = 0; i < files.count; i++) base_free(files.said[i]);
  base_text_deinit(&variables.text);
}
