/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a program was refused, kept until it has ended: programs probe for files they can do without, so denials are
 * worth showing only when the program then failed (or when --verbose asks). Each one is kept once, and only the first
 * few, with the option of the least right that would allow it.
 *
 * The program chooses the names that it asks for, and people copy what a message proposes: names are quoted for the
 * shell, and where a link leads out of a granted directory the message says where to. The host's files are looked at
 * only after the program has ended: while it runs, its process touches nothing that was not granted. */
#include "cli/run.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CALLERS = 8 };

/* ---- Proposals ------------------------------------------------------------------------------------------------------ */

/* Adds a word as a shell reads it. */
static void add_word(struct base_text *out, const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";
  if (*word && !word[strspn(word, plain)]) {
    base_text_addz(out, word);
    return;
  }
  base_text_addz(out, "'");
  for (; *word; word++) {
    if (*word == '\'')
      base_text_addz(out, "'\\''");
    else
      base_text_add(out, word, 1);
  }
  base_text_addz(out, "'");
}

static void add_grant(struct base_text *out, const char *host, const char *guest, const char *rights) {
  struct base_text word = {0};
  base_text_format(&word, "%s::%s::%s", host, guest, rights);
  base_text_addz(out, "\n  to allow it: --dir ");
  if (!word.failed) add_word(out, word.bytes);
  base_text_deinit(&word);
}

/* What follows the directory in the name of something beneath it; NULL when it is not beneath it. */
static const char *rest_beneath(const char *directory, const char *path) {
  size_t len = strlen(directory);
  if (strcmp(directory, ".") == 0) return *path == '/' ? NULL : path;
  while (len && directory[len - 1] == '/') len--;
  if (strncmp(directory, path, len) != 0 || (path[len] && path[len] != '/')) return NULL;
  return path + len + (path[len] == '/');
}

/* The host's file that a name beneath a granted directory leads to; the caller frees it. NULL when there is none.
 * `*stays`: it is in that directory. */
static char *leads_to(const struct cli_denial *denial, bool *stays) {
  const char *rest = denial->preopen ? rest_beneath(denial->preopen, denial->guest_path) : NULL;
  bool climbs_above_root = denial->preopen && strcmp(denial->preopen, "/") == 0 && strstr(denial->guest_path, "..");
  struct base_text host = {0};
  *stays = false;
  if (!rest || !denial->host_path || climbs_above_root) return NULL;
  base_text_format(&host, "%s/%s", denial->host_path, rest);
  char *real = host.failed ? NULL : realpath(host.bytes, NULL), *directory = realpath(denial->host_path, NULL);
  *stays = real && directory && rest_beneath(directory, real);
  free(directory);
  base_text_deinit(&host);
  return real;
}

/* A single file cannot be granted as an entry of a directory that is granted, too. */
static bool can_be_granted_beside(const struct cli_denial *denial, const char *real) {
  struct stat status;
  const char *rest = rest_beneath(denial->preopen, denial->guest_path);
  return (rest && strchr(rest, '/')) || (stat(real, &status) == 0 && S_ISDIR(status.st_mode));
}

/* ---- Texts ---------------------------------------------------------------------------------------------------------- */

static void describe_escape(struct base_text *out, const struct cli_denial *denial) {
  const char *path = denial->guest_path;
  bool stays;
  char *real = leads_to(denial, &stays);
  base_text_format(out, "%s is not granted\n  %s: ", path, denial->call);
  if (real && stays) {
    base_text_format(out, "it is in %s (which is granted), but named by an absolute path or by one that leaves it",
                     denial->preopen);
    base_text_addz(out, "\n  WASI allows neither; the program has to name it relative to the directory");
  } else if (real) {
    base_text_format(out, "it leads out of %s (which is granted) to %s", denial->preopen, real);
    if (can_be_granted_beside(denial, real))
      add_grant(out, real, path, "ro");
    else
      base_text_addz(out, "\n  to allow it: put the file itself there instead of a link");
  } else if (path[0] == '/' && !strstr(path, "/..")) {
    base_text_addz(out, "it is not beneath a granted directory");
    add_grant(out, path, path, "ro");
  } else {
    base_text_format(out, "it leads out of %s", denial->preopen ? denial->preopen : "the granted directory");
    base_text_format(out, "%s\n  to allow it: --dir with the folder that holds it",
                     denial->preopen ? " (which is granted)" : "");
  }
  free(real);
}

static void describe(struct base_text *out, const struct cli_denial *denial) {
  const char *path = denial->guest_path;
  switch (denial->reason) {
  case CAY_DENIAL_ESCAPE: describe_escape(out, denial); break;
  case CAY_DENIAL_READ_ONLY:
    base_text_format(out, "%s was granted for reading only\n  %s would change it", path, denial->call);
    add_grant(out, denial->host_path ? denial->host_path : "HOST", denial->preopen ? denial->preopen : "GUEST", "rw");
    break;
  case CAY_DENIAL_ABSENT:
    base_text_format(out, "%s is not granted\n  %s: it is not among the files that were granted there", path,
                     denial->call);
    break;
  case CAY_DENIAL_DEVICE:
  case CAY_DENIAL_QUOTA:
  case CAY_DENIAL_NETWORK:
  case CAY_DENIAL_PERMIT: base_text_format(out, "%s is not granted\n  %s", path, denial->call); break;
  case CAY_DENIAL_RIGHT:
    base_text_format(out, "%s: %s was refused\n  the program opened it without the right for this call", path,
                     denial->call);
    break;
  }
}

/* Lines "  2: name at file:line" become "  called from name at file:line". The first one is the refused call itself. */
static void add_callers(struct base_text *out, const char *callers) {
  for (const char *line = strchr(callers, '\n'); line && line[1]; line = strchr(line, '\n')) {
    const char *name = strstr(++line, ": ");
    size_t len = strcspn(line, "\n");
    bool is_frame = name && name < line + len && strspn(line, " 0123456789") == (size_t)(name - line);
    base_text_addz(out, is_frame ? "\n  called from " : "\n");
    if (is_frame) len -= (size_t)(name + 2 - line), line = name + 2;
    base_text_add(out, line, len);
  }
}

/* ---- Denials -------------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static bool is_known(const struct cli_denials *denials, const cay_denial *denial) {
  for (size_t i = 0; i < denials->kept; i++) {
    const struct cli_denial *item = &denials->items[i];
    if (item->reason == denial->reason && same_text(item->call, denial->call) &&
        same_text(item->guest_path, denial->guest_path) && same_text(item->preopen, denial->preopen))
      return true;
  }
  return false;
}

static void denial_deinit(struct cli_denial *denial) {
  char *const texts[] = {denial->call, denial->guest_path, denial->preopen, denial->host_path, denial->callers};
  for (size_t i = 0; i < BASE_ARRAY_LEN(texts); i++) base_free(texts[i]);
}

static char *copy(const char *text) { return text ? base_string_copy(text, strlen(text)) : NULL; }

void cli_denials_add(void *denials_opaque, const cay_denial *denial) {
  struct cli_denials *denials = denials_opaque;
  if (is_known(denials, denial)) return;
  struct cli_denial item = {denial->reason,        copy(denial->call),      copy(denial->guest_path),
                            copy(denial->preopen), copy(denial->host_path), NULL};
  if (denials->kept == CLI_DENIALS || !item.call || !item.guest_path) {
    denials->left_out++;
    denial_deinit(&item);
    return;
  }
  if (denials->run) item.callers = copy(cay_run_calls(denials->run, CALLERS));
  denials->items[denials->kept++] = item;
}

void cli_denials_say(const struct cli_denials *denials, const char *file) {
  for (size_t i = 0; i < denials->kept; i++) {
    struct base_text text = {0};
    describe(&text, &denials->items[i]);
    if (denials->items[i].callers) add_callers(&text, denials->items[i].callers);
    if (!text.failed) cli_say("%s: %s", file, text.bytes);
    base_text_deinit(&text);
  }
  if (denials->left_out) cli_say_more("and %zu more denials", denials->left_out);
}

void cli_denials_deinit(struct cli_denials *denials) {
  for (size_t i = 0; i < denials->kept; i++) denial_deinit(&denials->items[i]);
}

/* ---- Arguments ------------------------------------------------------------------------------------------------------ */

static bool is_granted(const struct policy_texts *dirs, const char *path) {
  for (size_t i = 0; i < dirs->count; i++) {
    const char *guest = strstr(dirs->items[i], "::"), *rights = guest ? strstr(guest + 2, "::") : NULL;
    guest = guest ? guest + 2 : dirs->items[i];
    char *name = base_string_copy(guest, rights ? (size_t)(rights - guest) : strlen(guest));
    bool found = name && rest_beneath(name, path);
    base_free(name);
    if (found || !name) return true;
  }
  return false;
}

static void say_ungranted(const char *file, const char *path, bool nothing_granted) {
  struct base_text grant = {0};
  add_grant(&grant, path, path, "ro");
  if (nothing_granted)
    cli_say("%s: it was given no directory, so it cannot see %s", file, path);
  else
    cli_say("%s: none of the directories that it was given holds %s", file, path);
  if (!grant.failed) cli_say_more("%s\n  with rw instead of ro it may change it, too", grant.bytes + strlen("\n  "));
  base_text_deinit(&grant);
}

void cli_say_ungranted_file(const char *file, const struct cli_words *arguments, const struct policy_texts *dirs) {
  for (size_t i = 0; i < arguments->count; i++) {
    const char *path = arguments->items[i];
    /* A bare word may mean something else when directories were given. */
    bool is_file_name = dirs->count == 0 || strpbrk(path, "./");
    if (*path == '-' || !*path || !is_file_name || is_granted(dirs, path) || access(path, F_OK) != 0) continue;
    say_ungranted(file, path, dirs->count == 0);
    return;
  }
}
