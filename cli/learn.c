/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* `cay learn`: runs a program that sees the host's folders, asks a person before each new right is used, and writes what was
 * allowed as a manifest.
 *
 * What the program sees: the working folder as "." and each folder of the root under its own name. Not the root itself:
 * C libraries leave out the leading slash when they look for the granted folder that holds a name, so that "." and "/" would
 * be the same to them; for that reason a folder of the root whose name the working folder has, too, is left out.
 *
 * Nothing is used without an answer: of a pattern given by --permit, an earlier one, or the terminal's. A name that is not
 * there and is not to be made is let through without asking, because it gives nothing. What the command line and an earlier
 * manifest grant under another name than the host's is granted as it is and stays in the manifest as it is; the rest of them
 * are answers given before.
 *
 * The program chooses the names that are shown: they are made printable, and what a person answers is read from the
 * terminal itself, never from the program's input. Threads: the hooks run one at a time. */
#include "cli/learn.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS_BYTES = 160 };
static const char rule[] = "learn";

/* ---- Answers --------------------------------------------------------------------------------------------------------- */

/* 1 and 0 of what was answered: "read:etc/hosts" itself, or a folder that holds it; -1 of anything else. */
static int answer_for(const struct cli_learn *learn, char *line) {
  if (policy_set_has(&learn->allowed, line)) return 1;
  if (policy_set_has(&learn->refused, line)) return 0;
  for (char *slash = strrchr(line, '/'); slash; slash = memrchr(line, '/', (size_t)(slash - line))) {
    char behind = slash[1];
    slash[1] = 0;
    bool is_allowed = policy_set_has(&learn->allowed, line);
    slash[1] = behind;
    if (is_allowed) return 1;
  }
  return -1;
}

static bool is_permitted(const struct policy_texts *patterns, const char *line) {
  for (size_t i = 0; i < patterns->count; i++)
    if (strcmp(patterns->items[i], "all") == 0 || policy_glob(patterns->items[i], line)) return true;
  return false;
}

/* 1 and 0 when it is known, -1 when somebody has to be asked. */
static int known(const struct cli_learn *learn, char *line) {
  int before = answer_for(learn, line);
  if (before >= 0) return before;
  return learn->allows_all || is_permitted(&learn->session->settings.permit, line) ? 1 : -1;
}

/* ---- The terminal ---------------------------------------------------------------------------------------------------- */

static void show(const struct cli_learn *learn, const char *text) {
  base_os_write_all(learn->terminal, text, strlen(text));
}

/* "read and write" */
static void say_words(uint32_t rights, char *out, size_t capacity) {
  char words[WORDS_BYTES];
  size_t used = 0;
  cli_right_words(rights, words, sizeof words);
  for (const char *from = words; *from && used + 6 < capacity; from++) {
    size_t len_bytes = *from == '|' ? 5 : 1;
    memcpy(out + used, *from == '|' ? " and " : from, len_bytes);
    used += len_bytes;
  }
  out[used] = 0;
}

static char ask(const struct cli_learn *learn, const char *words, const char *object, const char *call, bool is_path) {
  char shown[1024];
  struct base_text text = {0};
  base_text_format(&text, "cay: %s wants to %s %s (%s)\n  [y]es, [n]o%s, [a]ll that it asks for? ",
                   learn->session->file, words, base_printable(shown, sizeof shown, object, strlen(object)), call,
                   is_path ? ", yes to all in its [f]older" : "");
  char letter = 0;
  for (unsigned attempts = 0; attempts < 3 && !text.failed; attempts++) {
    show(learn, text.bytes);
    letter = cli_read_letter(learn->terminal);
    if (!letter || strchr(is_path ? "ynfa" : "yna", letter)) break;
    letter = 0;
  }
  if (!letter) show(learn, "\n");
  base_text_deinit(&text);
  return letter;
}

/* ---- One use --------------------------------------------------------------------------------------------------------- */

static void add_line(struct base_text *line, const char *right, const char *object) {
  line->len_bytes = 0;
  base_text_addz(line, right);
  base_text_addz(line, ":");
  base_text_addz(line, object);
}

/* Remembers an answer for each of the rights; of a folder, for all in it. */
static void remember(struct cli_learn *learn, uint32_t rights, const char *object, bool is_folder, bool is_allowed) {
  struct base_text line = {0};
  const char *slash = is_folder ? strrchr(object, '/') : NULL;
  for (uint32_t bit = 1; bit; bit <<= 1) {
    if (!(rights & bit)) continue;
    add_line(&line, cay_right_name((enum cay_right)bit), object);
    if (slash) line.len_bytes -= strlen(slash + 1);
    if (slash) line.bytes[line.len_bytes] = 0;
    if (!line.failed) cli_learn_keep(learn, is_allowed ? &learn->allowed : &learn->refused, line.bytes);
    learn->failed |= line.failed;
  }
  base_text_deinit(&line);
}

static bool decide(struct cli_learn *learn, const cay_access *access, const char *object, bool is_path) {
  uint32_t unknown = 0;
  bool is_refused = false;
  struct base_text line = {0};
  for (uint32_t bit = 1; bit; bit <<= 1) {
    if (!(access->rights & bit)) continue;
    add_line(&line, cay_right_name((enum cay_right)bit), object);
    bool in_folder = is_path && *object != '/' && (learn->in_working_folder & bit);
    int one = line.failed ? 0 : in_folder ? 1 : known(learn, line.bytes);
    is_refused |= one == 0;
    if (one < 0) unknown |= bit;
  }
  base_text_deinit(&line);
  if (is_refused || !unknown) return !is_refused;
  char words[WORDS_BYTES];
  say_words(unknown, words, sizeof words);
  char letter = learn->terminal >= 0 ? ask(learn, words, object, access->call, is_path) : 0;
  bool is_allowed = letter && letter != 'n';
  learn->allows_all |= letter == 'a';
  if (letter == 'f' && !strchr(object, '/')) learn->in_working_folder |= unknown;
  if (letter != 'a') remember(learn, unknown, object, letter == 'f', is_allowed);
  return is_allowed;
}

static uint32_t used(const cay_access *access) {
  static const struct {
    uint32_t right, used;
  } table[] = {{CAY_RIGHT_READ, POLICY_USED_READ},     {CAY_RIGHT_WRITE, POLICY_USED_WRITE},
               {CAY_RIGHT_REMOVE, POLICY_USED_REMOVE}, {CAY_RIGHT_LINK, POLICY_USED_REMOVE},
               {CAY_RIGHT_LIST, POLICY_USED_LIST},     {CAY_RIGHT_STAT, POLICY_USED_STAT}};
  uint32_t bits = 0;
  for (size_t i = 0; i < BASE_ARRAY_LEN(table); i++)
    if (access->rights & table[i].right) bits |= table[i].used;
  if (access->rights & CAY_RIGHT_CREATE) bits |= access->is_exclusive ? POLICY_USED_CREATE_NEW : POLICY_USED_CREATE;
  return bits;
}

static bool permit_path(struct cli_learn *learn, const cay_access *access) {
  struct stat status;
  bool is_there = access->host_path && stat(access->host_path, &status) == 0;
  bool is_link = !is_there && access->host_path && lstat(access->host_path, &status) == 0;
  if (!is_there && !is_link && !(access->rights & CAY_RIGHT_CREATE)) return true;
  char *path = policy_learn_path(access->object);
  bool is_allowed = path && decide(learn, access, path, true);
  if (is_allowed)
    learn->failed |=
        !policy_learn_add(learn->uses, path, used(access), is_there && S_ISDIR(status.st_mode), is_there || is_link);
  learn->failed |= !path;
  base_free(path);
  return is_allowed;
}

static bool permit_variable(struct cli_learn *learn, const cay_access *access) {
  if (!policy_set_has(&learn->candidates, access->object)) return true;
  bool is_allowed = decide(learn, access, access->object, false);
  if (is_allowed) cli_learn_keep(learn, &learn->variables, access->object);
  return is_allowed;
}

static bool permit(void *env, const cay_access *access) {
  struct cli_learn *learn = env;
  const uint32_t of_paths = CAY_RIGHT_READ | CAY_RIGHT_WRITE | CAY_RIGHT_CREATE | CAY_RIGHT_REMOVE | CAY_RIGHT_LIST |
                            CAY_RIGHT_STAT | CAY_RIGHT_LINK;
  if (access->rights & CAY_RIGHT_ENV) return permit_variable(learn, access);
  bool is_ours = access->rule && strcmp(access->rule, rule) == 0;
  return !(access->rights & of_paths) || !is_ours || permit_path(learn, access);
}

/* A peer that connected, without its port, which is another one each time. */
static void keep_peer(struct cli_learn *learn, const cay_denial *denial) {
  const char *port = strrchr(denial->guest_path, ':');
  size_t len_bytes = port ? (size_t)(port - denial->guest_path) : strlen(denial->guest_path);
  struct base_text line = {0}, grant = {0};
  base_text_format(&line, "accept %.*s (%s)", (int)len_bytes, denial->guest_path, denial->call);
  if (denial->rule) {
    base_text_format(&line, ", which %s denies", denial->rule);
  } else if (cli_add_peer_rule(&grant, denial->guest_path, denial->listener)) {
    base_text_addz(&line, ": ");
    cli_add_manifest_line(&line, "net", grant.bytes);
  }
  if (!line.failed) cli_learn_keep(learn, &learn->wanted, line.bytes);
  learn->failed |= line.failed || grant.failed;
  base_text_deinit(&line);
  base_text_deinit(&grant);
}

/* What was refused: by an answer, or because no folder that is shown reaches it. */
static void denied(void *env, const cay_denial *denial) {
  struct cli_learn *learn = env;
  if (denial->reason == CAY_DENIAL_NETWORK) {
    keep_peer(learn, denial);
    return;
  }
  struct base_text line = {0}, grant = {0};
  char words[WORDS_BYTES];
  say_words(denial->rights, words, sizeof words);
  base_text_format(&line, "%s %s (%s)", words, denial->guest_path, denial->call);
  bool was_asked = denial->reason == CAY_DENIAL_PERMIT, is_variable = denial->rights & CAY_RIGHT_ENV;
  char *path = policy_learn_path(denial->guest_path);
  if (path && (denial->rights & CAY_RIGHT_CREATE) && access(path, F_OK) != 0) { /* it is its folder that is needed */
    char *folder = policy_folder_of(path);
    base_free(path);
    path = folder;
  }
  bool has_grant = was_asked && !is_variable && path &&
                   cli_grant_text(path, path, cli_rights_for(denial->rights, denial->is_exclusive), &grant);
  if (has_grant || (was_asked && is_variable)) {
    base_text_addz(&line, ": ");
    cli_add_manifest_line(&line, is_variable ? "env" : "dir", is_variable ? denial->guest_path : grant.bytes);
  } else if (denial->reason == CAY_DENIAL_DEVICE) {
    base_text_addz(&line, ", a device");
  }
  if (!line.failed) cli_learn_keep(learn, &learn->wanted, line.bytes);
  learn->failed |= line.failed || !path;
  base_free(path);
  base_text_deinit(&line);
  base_text_deinit(&grant);
}

/* ---- What it is shown --------------------------------------------------------------------------------------------------- */

void cli_learn_keep(struct cli_learn *learn, struct policy_set *set, const char *text) {
  learn->failed |= !policy_set_add(set, text);
}

static enum cay_status show_folder(struct cli_learn *learn, const char *path, struct cay_error *error) {
  cay_grant grant = {.host_path = path, .guest_path = path, .rights = CAY_RIGHTS_READ_WRITE, .rule = rule};
  return cay_wasi_grant(learn->session->wasi, &grant, error);
}

static bool is_granted(const struct cli_learn *learn, const char *path) {
  for (size_t i = 0; i < learn->carried.count; i++)
    if (strcmp(learn->carried.items[i].guest, path) == 0) return true;
  return false;
}

static enum cay_status show_root(struct cli_learn *learn, struct cay_error *error) {
  DIR *root = opendir("/");
  enum cay_status status = CAY_OK;
  for (struct dirent *entry; root && !status && (entry = readdir(root));) {
    struct stat here;
    char path[300];
    size_t len_bytes = strlen(entry->d_name);
    if (len_bytes + 2 > sizeof path || entry->d_name[0] == '.' || lstat(entry->d_name, &here) == 0) continue;
    path[0] = '/';
    memcpy(path + 1, entry->d_name, len_bytes + 1);
    if (stat(path, &here) != 0 || !S_ISDIR(here.st_mode) || is_granted(learn, path)) continue;
    status = show_folder(learn, path, error);
    if (status == CAY_ERROR_SYSTEM) status = CAY_OK; /* one that cay itself may not open */
  }
  if (root) closedir(root);
  return status;
}

static void add_candidate(void *env, const char *name) {
  struct cli_learn *learn = env;
  const struct policy_texts *given = &learn->session->settings.env;
  size_t len_bytes = strlen(name);
  for (size_t i = 0; i < given->count; i++)
    if (strncmp(given->items[i], name, len_bytes) == 0 && strchr("=", given->items[i][len_bytes])) return;
  cli_learn_keep(learn, &learn->candidates, name);
}

static enum cay_status show_variables(struct cli_learn *learn, struct cay_error *error) {
  if (!cli_mentioned_variables(learn->session->module, add_candidate, learn) || learn->failed)
    return base_error_memory(error);
  enum cay_status status = CAY_OK;
  for (size_t i = 0; !status && i < learn->candidates.texts.count; i++)
    status = cay_wasi_inherit_env(learn->session->wasi, learn->candidates.texts.items[i], error);
  return status;
}

enum cay_status cli_learn_show(struct cli_learn *learn, struct cay_error *error) {
  struct cli_session *session = learn->session;
  enum cay_status status = is_granted(learn, ".") ? CAY_OK : show_folder(learn, ".", error);
  if (!status) status = show_root(learn, error);
  if (!status && !session->settings.inherit_env) status = show_variables(learn, error);
  cay_wasi_set_permit(session->wasi, permit, learn);
  cay_wasi_set_denied(session->wasi, denied, learn);
  return status;
}

/* ---- Grants from before --------------------------------------------------------------------------------------------------- */

/* Whether a grant names the host's file by its own name, so that it is an answer and nothing to keep as it is. */
static bool is_plain(const struct policy_dir *dir, bool *is_directory) {
  struct stat host, guest;
  *is_directory = false;
  if (dir->quota_bytes || dir->overlay || stat(dir->host, &host) != 0 || stat(dir->guest, &guest) != 0) return false;
  *is_directory = S_ISDIR(host.st_mode);
  return host.st_dev == guest.st_dev && host.st_ino == guest.st_ino;
}

static void answer_by(struct cli_learn *learn, const char *path, const struct policy_dir *dir, bool is_directory) {
  uint32_t rights = dir->rights == POLICY_RIGHTS_READ ? CAY_RIGHT_READ | CAY_RIGHT_STAT | CAY_RIGHT_LIST
                    : dir->rights == POLICY_RIGHTS_CREATE_ONLY
                        ? (uint32_t)CAY_RIGHT_CREATE | CAY_RIGHT_WRITE
                        : (uint32_t)CAY_RIGHT_READ | CAY_RIGHT_STAT | CAY_RIGHT_LIST | CAY_RIGHT_CREATE |
                              CAY_RIGHT_WRITE | CAY_RIGHT_REMOVE | CAY_RIGHT_LINK;
  remember(learn, rights, path, false, true);
  if (!is_directory) return;
  if (strcmp(path, ".") == 0) {
    learn->in_working_folder |= rights;
    return;
  }
  struct base_text inside = {0};
  base_text_format(&inside, "%s/x", path);
  if (!inside.failed) remember(learn, rights, inside.bytes, true, true);
  learn->failed |= inside.failed;
  base_text_deinit(&inside);
}

enum cay_status cli_learn_begin(struct cli_learn *learn, struct cay_error *error) {
  struct policy_settings *settings = &learn->session->settings;
  learn->uses = policy_learn_new();
  learn->terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  enum cay_status status = learn->uses ? CAY_OK : base_error_memory(error);
  size_t kept = 0;
  for (size_t i = 0; !status && i < settings->dir.count; i++) {
    struct policy_dir dir;
    bool is_directory;
    status = policy_dir_parse(settings, settings->dir.items[i], &dir, error);
    if (!status && is_plain(&dir, &is_directory)) {
      char *path = policy_learn_path(dir.guest);
      learn->failed |= !path || !policy_learn_seed(learn->uses, path, dir.rights, is_directory);
      if (path) answer_by(learn, path, &dir, is_directory);
      base_free(path);
    } else if (!status) {
      struct policy_dir *slot = BASE_VEC_PUSH(&learn->carried);
      if (slot) *slot = dir;
      learn->failed |= !slot;
      settings->dir.items[kept] = settings->dir.items[i];
      if (i < settings->origins[POLICY_OPTION_DIR].count)
        settings->origins[POLICY_OPTION_DIR].items[kept] = settings->origins[POLICY_OPTION_DIR].items[i];
      kept++;
    }
  }
  settings->dir.count = kept;
  if (settings->origins[POLICY_OPTION_DIR].count > kept) settings->origins[POLICY_OPTION_DIR].count = kept;
  return !status && learn->failed ? base_error_memory(error) : status;
}

void cli_learn_deinit(struct cli_learn *learn) {
  struct policy_set *const sets[] = {&learn->allowed, &learn->refused, &learn->wanted, &learn->variables,
                                     &learn->candidates};
  for (size_t i = 0; i < BASE_ARRAY_LEN(sets); i++) policy_set_deinit(sets[i]);
  BASE_VEC_DEINIT(&learn->carried);
  policy_learn_free(learn->uses);
  policy_settings_deinit(&learn->before);
  if (learn->terminal >= 0) close(learn->terminal);
}
