/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a program was refused, kept until it has ended: programs probe for files they can do without, so denials are
 * worth showing only when the program then failed (or when --verbose asks). Each one is kept once, and only the first
 * few, with the option of the least right that would allow it.
 *
 * The program chooses the names that it asks for, and people copy what a message proposes (proposals.c). Where a link leads
 * out of a granted directory the message says where to. The host's files are looked at only after the program has ended, and
 * by another process (isolate.c). */
#include "cli/run.h"

enum { CALLERS = 8 };

/* ---- Proposals ------------------------------------------------------------------------------------------------------ */

/* What follows the directory in the name of something beneath it; NULL when it is not beneath it. */
static const char *rest_beneath(const char *directory, const char *path) {
  size_t len = strlen(directory);
  if (strcmp(directory, ".") == 0) return *path == '/' ? NULL : path;
  while (len && directory[len - 1] == '/') len--;
  if (strncmp(directory, path, len) != 0 || (path[len] && path[len] != '/')) return NULL;
  return path + len + (path[len] == '/');
}

static enum policy_rights needed(const struct cli_denial *denial) {
  return cli_rights_for(denial->rights, denial->is_exclusive);
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
  char *real = host.failed ? NULL : cli_real_path(host.bytes), *directory = cli_real_path(denial->host_path);
  *stays = real && directory && rest_beneath(directory, real);
  base_free(directory);
  base_text_deinit(&host);
  return real;
}

/* A single file cannot be granted as an entry of a directory that is granted, too. */
static bool can_be_granted_beside(const struct cli_denial *denial, const char *real) {
  const char *rest = rest_beneath(denial->preopen, denial->guest_path);
  return (rest && strchr(rest, '/')) || cli_path_kind(real) == API_PATH_DIRECTORY;
}

/* ---- Texts ---------------------------------------------------------------------------------------------------------- */

/* Told by its name: who is behind the wall cannot look. */
static bool is_of_process(const char *real) {
  const char *name = real && strncmp(real, "/proc/", 6) == 0 ? real + 6 : "";
  return *name >= '0' && *name <= '9';
}

static void describe_escape(struct base_text *out, const struct cli_denial *denial) {
  const char *path = denial->guest_path;
  bool stays;
  char *real = leads_to(denial, &stays);
  base_text_format(out, "%s is not granted\n  %s: ", path, denial->call);
  if (is_of_process(real)) {
    base_text_addz(out, "it belongs to a process; no folder above that process's own gives it");
  } else if (real && stays) {
    base_text_format(out, "it is in %s (which is granted), but named by an absolute path or by one that leaves it",
                     denial->preopen);
    base_text_addz(out, "\n  WASI allows neither; the program has to name it relative to the directory");
  } else if (real) {
    base_text_format(out, "it leads out of %s (which is granted) to %s", denial->preopen, real);
    if (can_be_granted_beside(denial, real))
      cli_add_grant(out, "to allow it", real, path, needed(denial));
    else
      base_text_addz(out, "\n  to allow it: put the file itself there instead of a link");
  } else if (path[0] == '/' && !strstr(path, "/..")) {
    base_text_addz(out, "it is not beneath a granted directory");
    cli_add_grant(out, "to allow it", path, path, needed(denial));
  } else {
    base_text_format(out, "it leads out of %s", denial->preopen ? denial->preopen : "the granted directory");
    base_text_format(out, "%s\n  to allow it: --dir with the folder that holds it",
                     denial->preopen ? " (which is granted)" : "");
  }
  base_free(real);
}

/* The grant that a directory or file of the program comes from; false: none that the settings name. */
static bool find_grant(struct policy_settings *settings, const struct cli_denial *denial, struct policy_dir *out) {
  for (size_t i = 0; denial->preopen && i < settings->dir.count; i++) {
    struct cay_error error;
    if (policy_dir_parse(settings, settings->dir.items[i], out, &error)) continue;
    char *guest = policy_learn_path(out->guest), *preopen = policy_learn_path(denial->preopen);
    bool is_it = guest && preopen && strcmp(guest, preopen) == 0;
    base_free(guest);
    base_free(preopen);
    if (is_it) return true;
  }
  return false;
}

/* The grant as it is, with other rights. */
static void add_widened(struct base_text *out, const char *lead, struct policy_dir dir) {
  struct base_text value = {0};
  if (policy_dir_text(&dir, &value)) cli_add_allow(out, lead, "dir", value.bytes);
  base_text_deinit(&value);
}

/* A granted file is no name of a folder that could be removed, renamed or linked: that takes the folder. */
static bool describe_name(struct base_text *out, const struct cli_denial *denial, const struct policy_dir *dir) {
  const uint32_t of_names = CAY_RIGHT_CREATE | CAY_RIGHT_REMOVE | CAY_RIGHT_LINK;
  const char *host_slash = strrchr(dir->host, '/'), *guest_slash = strrchr(dir->guest, '/');
  bool is_opened = strcmp(denial->call, "path_open") == 0; /* what is there needs no new name */
  if (is_opened || !(denial->rights & of_names) || cli_path_kind(dir->host) != API_PATH_OTHER) return false;
  char *host = host_slash ? base_string_copy(dir->host, (size_t)(host_slash - dir->host)) : base_string_copy(".", 1);
  char *guest =
      guest_slash ? base_string_copy(dir->guest, (size_t)(guest_slash - dir->guest)) : base_string_copy(".", 1);
  base_text_format(out, "%s was granted as a file, and not its name\n  %s would change the folder", denial->guest_path,
                   denial->call);
  if (host && guest)
    cli_add_grant(out, "to allow it, in place of the file", *host ? host : "/", *guest ? guest : "/",
                  POLICY_RIGHTS_WRITE);
  base_free(host);
  base_free(guest);
  return true;
}

static void describe_missing_right(struct base_text *out, const struct cli_denial *denial,
                                   struct policy_settings *settings) {
  struct policy_dir dir = {.host = denial->host_path ? denial->host_path : "HOST",
                           .guest = denial->preopen ? denial->preopen : "GUEST"};
  bool is_known = find_grant(settings, denial, &dir),
       is_create_only = is_known && dir.rights == POLICY_RIGHTS_CREATE_ONLY;
  if (denial->reason == CAY_DENIAL_RIGHT && !is_create_only) {
    base_text_format(out, "%s: %s was refused\n  the program opened it without the right for this call",
                     denial->guest_path, denial->call);
    return;
  }
  if (is_known && describe_name(out, denial, &dir)) return;
  base_text_format(out, "%s was granted for %s only\n  %s would %s", denial->guest_path,
                   is_create_only ? "making new files" : "reading", denial->call,
                   denial->reason == CAY_DENIAL_RIGHT ? "read it" : "change it");
  dir.rights = POLICY_RIGHTS_WRITE;
  add_widened(out, "to allow it", dir);
}

static void describe_quota(struct base_text *out, const struct cli_denial *denial, struct policy_settings *settings) {
  struct policy_dir dir;
  base_text_format(out, "%s: the quota of its grant is used up\n  %s would let its files grow", denial->guest_path,
                   denial->call);
  if (!find_grant(settings, denial, &dir) || __builtin_mul_overflow(dir.quota_bytes, 2, &dir.quota_bytes)) return;
  add_widened(out, "to allow more", dir);
}

static void describe_device(struct base_text *out, const struct cli_denial *denial) {
  const char *rest = denial->preopen ? rest_beneath(denial->preopen, denial->guest_path) : NULL;
  struct base_text host = {0}, value = {0};
  base_text_format(out, "%s is a device, which does not come with its folder\n  %s was refused", denial->guest_path,
                   denial->call);
  base_text_format(&host, "%s/%s", denial->host_path ? denial->host_path : "", rest ? rest : denial->guest_path);
  enum policy_rights rights = needed(denial) == POLICY_RIGHTS_READ ? POLICY_RIGHTS_READ : POLICY_RIGHTS_WRITE;
  if (!host.failed &&
      cli_grant_text(host.bytes + (strncmp(host.bytes, "//", 2) == 0), denial->guest_path, rights, &value))
    cli_add_allow(out, "to allow it", "device", value.bytes);
  base_text_deinit(&host);
  base_text_deinit(&value);
}

/* A name among singly granted files. Libraries leave the leading slash out where they look names up, so that it may mean
 * a file of the root. False: there is no such file, and nothing was missed. */
static bool describe_absent(struct base_text *out, const struct cli_denial *denial) {
  struct base_text rooted = {0};
  base_text_format(&rooted, "/%s", denial->guest_path);
  const char *const names[] = {denial->guest_path, rooted.failed ? denial->guest_path : rooted.bytes};
  bool found = false;
  for (size_t i = 0; i < BASE_ARRAY_LEN(names) && !found; i++) {
    struct base_text grants = {0};
    found = cli_add_path_grants(&grants, "to allow it", names[i], needed(denial), denial->rights & CAY_RIGHT_CREATE);
    if (found)
      base_text_format(out, "%s is not granted\n  %s: nothing that was granted holds it", names[i], denial->call);
    if (found && !grants.failed) base_text_addz(out, grants.bytes);
    base_text_deinit(&grants);
  }
  base_text_deinit(&rooted);
  return found;
}

/* A peer. A rule that denies wins over any that would allow it. */
static void describe_network(struct base_text *out, const struct cli_denial *denial) {
  struct base_text rule = {0};
  base_text_format(out, "%s was refused: %s", denial->guest_path, denial->rule ? denial->rule : "no network rule");
  base_text_format(out, " %s it\n  %s: it connected to %s", denial->rule ? "denies" : "allows", denial->call,
                   denial->listener ? denial->listener : "a listener");
  if (denial->rule)
    base_text_addz(out, "\n  to allow it: leave that rule out");
  else if (cli_add_peer_rule(&rule, denial->guest_path, denial->listener))
    cli_add_allow(out, "to allow it", "net", rule.bytes);
  base_text_deinit(&rule);
}

static bool describe(struct base_text *out, const struct cli_denial *denial, struct policy_settings *settings) {
  switch (denial->reason) {
  case CAY_DENIAL_ESCAPE: describe_escape(out, denial); break;
  case CAY_DENIAL_READ_ONLY:
  case CAY_DENIAL_RIGHT: describe_missing_right(out, denial, settings); break;
  case CAY_DENIAL_ABSENT: return describe_absent(out, denial);
  case CAY_DENIAL_DEVICE: describe_device(out, denial); break;
  case CAY_DENIAL_QUOTA: describe_quota(out, denial, settings); break;
  case CAY_DENIAL_NETWORK: describe_network(out, denial); break;
  case CAY_DENIAL_PERMIT:
    base_text_format(out, "%s was not permitted\n  %s was refused", denial->guest_path, denial->call);
    break;
  }
  return true;
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

/* A peer has another port each time. */
static bool same_object(enum cay_denial_reason reason, const char *a, const char *b) {
  const char *a_port = strrchr(a, ':'), *b_port = strrchr(b, ':');
  if (reason != CAY_DENIAL_NETWORK || !a_port || !b_port) return strcmp(a, b) == 0;
  return a_port - a == b_port - b && memcmp(a, b, (size_t)(a_port - a)) == 0;
}

static bool is_known(const struct cli_denials *denials, const cay_denial *denial) {
  for (size_t i = 0; i < denials->kept; i++) {
    const struct cli_denial *item = &denials->items[i];
    if (item->reason == denial->reason && same_text(item->call, denial->call) &&
        same_object(denial->reason, item->guest_path, denial->guest_path) &&
        same_text(item->preopen, denial->preopen) && same_text(item->listener, denial->listener) &&
        item->rights == denial->rights)
      return true;
  }
  return false;
}

static void denial_deinit(struct cli_denial *denial) {
  char *const texts[] = {denial->call,    denial->guest_path, denial->preopen, denial->host_path,
                         denial->callers, denial->rule,       denial->listener};
  for (size_t i = 0; i < BASE_ARRAY_LEN(texts); i++) base_free(texts[i]);
}

static char *copy(const char *text) { return text ? base_string_copy(text, strlen(text)) : NULL; }

void cli_denials_add(void *denials_opaque, const cay_denial *denial) {
  struct cli_denials *denials = denials_opaque;
  if (is_known(denials, denial)) return;
  struct cli_denial item = {
      denial->reason, copy(denial->call), copy(denial->guest_path), copy(denial->preopen), copy(denial->host_path),
      NULL,           denial->rights,     denial->is_exclusive,     copy(denial->rule),    copy(denial->listener)};
  if (denials->kept == CLI_DENIALS || !item.call || !item.guest_path) {
    denials->has_more = true;
    denial_deinit(&item);
    return;
  }
  if (denials->run) item.callers = copy(cay_run_calls(denials->run, CALLERS));
  denials->items[denials->kept++] = item;
}

size_t cli_denials_say(const struct cli_denials *denials, struct policy_settings *settings, const char *file) {
  size_t said = 0;
  for (size_t i = 0; i < denials->kept; i++) {
    struct base_text text = {0};
    bool is_said = describe(&text, &denials->items[i], settings);
    if (is_said && denials->items[i].callers) add_callers(&text, denials->items[i].callers);
    if (is_said && !text.failed) cli_say("%s: %s", file, text.bytes);
    said += is_said;
    base_text_deinit(&text);
  }
  if (denials->has_more) cli_say_more("and more denials: --audit FILE keeps all of them");
  return said;
}

void cli_denials_deinit(struct cli_denials *denials) {
  for (size_t i = 0; i < denials->kept; i++) denial_deinit(&denials->items[i]);
}
