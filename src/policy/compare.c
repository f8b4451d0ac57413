/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Settings compared by what they let a program do: for `cay manifest diff`, and for a request against what was granted.
 *
 * Each kind of option has an order: a directory covers what lies beneath it with no more rights, a limit is wider when it
 * is higher, a clock when it tells more. Where no order is known, or paths cannot be compared by their names ("..", ":"
 * in a host's name), a difference counts as widening: a wrong alarm is read, a missed one is not.
 *
 * Nothing here looks at files: links are not followed, so what is compared is what was written. */
#include "policy/parts.h"

#include <assert.h>
#include <inttypes.h>

struct comparison {
  const struct policy_settings *before, *after;
  void (*tell)(void *env, const struct policy_difference *difference);
  void *env;
};

static const void *field_of(const struct policy_settings *settings, enum policy_option option) {
  return (const char *)settings + policy_options[option].field;
}

static void tell(const struct comparison *c, enum policy_option option, enum policy_change change, size_t index,
                 bool widens) {
  const struct policy_difference difference = {option, change, index, widens};
  c->tell(c->env, &difference);
}

/* ---- Grants --------------------------------------------------------------------------------------------------------- */

static bool has_dots(const char *path) {
  for (const char *p = path; (p = strstr(p, "..")) != NULL; p += 2)
    if ((p == path || p[-1] == '/') && (p[2] == '/' || !p[2])) return true;
  return false;
}

static size_t trimmed(const char *path) {
  size_t len = strlen(path);
  while (len > 1 && path[len - 1] == '/') len--;
  return len;
}

/* What follows `folder` in a path beneath it, "" for the same; NULL: it is not beneath it, as far as names tell. */
static const char *beneath(const char *folder, const char *path) {
  size_t len = trimmed(folder);
  if (strcmp(folder, ".") == 0) return *path == '/' ? NULL : strcmp(path, ".") == 0 ? "" : path;
  if (len == 1 && *folder == '/') return *path == '/' ? path + 1 : NULL;
  if (strncmp(folder, path, len) != 0 || (path[len] && path[len] != '/')) return NULL;
  path += len;
  while (*path == '/') path++;
  return path;
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

/* By how much its files may really grow. */
static uint64_t quota_of(const struct policy_dir *dir) {
  if (dir->quota_bytes) return dir->quota_bytes;
  return dir->overlay == POLICY_OVERLAY_MEMORY ? HOST_OVERLAY_MEMORY_BYTES : UINT64_MAX;
}

static bool rights_cover(const struct policy_dir *wide, const struct policy_dir *narrow) {
  if (narrow->rights != POLICY_RIGHTS_READ && quota_of(narrow) > quota_of(wide)) return false;
  bool same_overlay = wide->overlay == narrow->overlay && same_text(wide->scratch, narrow->scratch);
  if (wide->rights == POLICY_RIGHTS_WRITE && !wide->overlay) return narrow->overlay != POLICY_OVERLAY_FOLDER;
  if (narrow->rights == POLICY_RIGHTS_READ) return wide->rights != POLICY_RIGHTS_CREATE_ONLY;
  return wide->rights == narrow->rights && same_overlay;
}

static bool dir_covers(const char *wide_text, const char *narrow_text) {
  struct policy_settings parts = {0}; /* only its arena is used */
  struct policy_dir wide, narrow;
  bool covers = false;
  if (!policy_dir_parse(&parts, wide_text, &wide, NULL) && !policy_dir_parse(&parts, narrow_text, &narrow, NULL) &&
      !has_dots(wide.host) && !has_dots(narrow.host) && !has_dots(wide.guest) && !has_dots(narrow.guest)) {
    const char *host_rest = beneath(wide.host, narrow.host), *guest_rest = beneath(wide.guest, narrow.guest);
    covers = host_rest && guest_rest && strcmp(host_rest, guest_rest) == 0 && rights_cover(&wide, &narrow);
  }
  base_arena_deinit(&parts.arena);
  return covers;
}

/* Whether `text` is covered by what `settings` have. Devices lie beneath no folder: a grant of one is the same or none. */
static bool is_covered(const struct policy_settings *settings, enum policy_option option, const char *text) {
  const struct policy_texts *texts = field_of(settings, option);
  if (option == POLICY_OPTION_ENV && settings->inherit_env && !strchr(text, '=')) return true;
  for (size_t i = 0; i < texts->count; i++)
    if (strcmp(texts->items[i], text) == 0 || (option == POLICY_OPTION_DIR && dir_covers(texts->items[i], text)))
      return true;
  return false;
}

/* A rule of the network that takes something away, so that to drop it is to widen. */
static bool is_denying(enum policy_option option, const char *text) {
  return strcmp(policy_options[option].name, "net") == 0 && strncmp(text, "deny:", 5) == 0;
}

static void compare_list(const struct comparison *c, enum policy_option option) {
  const struct policy_texts *before = field_of(c->before, option), *after = field_of(c->after, option);
  bool is_grant = policy_options[option].group == POLICY_GROUP_GRANTS;
  for (size_t i = 0; i < before->count; i++)
    if (!is_covered(c->after, option, before->items[i]))
      tell(c, option, POLICY_CHANGE_REMOVED, i, is_grant && is_denying(option, before->items[i]));
  for (size_t i = 0; i < after->count; i++)
    if (!is_covered(c->before, option, after->items[i]))
      tell(c, option, POLICY_CHANGE_ADDED, i, is_grant && !is_denying(option, after->items[i]));
}

/* ---- Single values -------------------------------------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

/* What limits are when they are not given, and whether 0 lifts them. All others start without a limit and take 0 as it
 * stands. */
static const struct {
  const char *name;
  uint64_t normal;
  bool zero_lifts;
} limit_rows[] = {{"max-memory", UINT64_MAX, true}, {"timeout", UINT64_MAX, true},
                  {"cpu-time", UINT64_MAX, true},   {"fuel", UINT64_MAX, true},
                  {"stack", 16 << 20, false},       {"max-table-elements", 10000000, true},
                  {"max-handles", 4096, true},      {"max-threads", 64, false}};

/* A limit as a number that is larger when it limits less. */
static uint64_t limit_value(const struct policy_settings *settings, enum policy_option option) {
  uint64_t value = *(const uint64_t *)field_of(settings, option), normal = UINT64_MAX;
  bool zero_lifts = false;
  for (size_t i = 0; i < BASE_ARRAY_LEN(limit_rows); i++)
    if (strcmp(limit_rows[i].name, policy_options[option].name) == 0)
      normal = limit_rows[i].normal, zero_lifts = limit_rows[i].zero_lifts;
  if (!policy_is_given(settings, option)) return normal;
  return value || !zero_lifts ? value : UINT64_MAX;
}

/* How much a word lets through, by its place in a list of words from the least on. Not given is `normal`. */
static int rank(const struct policy_settings *settings, enum policy_option option, const char *const *words, int count,
                int normal) {
  const char *word = *(const char *const *)field_of(settings, option);
  if (!word) return normal;
  for (int i = 0; i < count; i++)
    if (starts_with(word, words[i])) return i;
  return normal;
}

/* Among clocks and random sources the order is known between kinds, not between two of one kind. */
static bool source_widens(const struct comparison *c, enum policy_option option, const char *const *words, int count) {
  int before = rank(c->before, option, words, count, count - 1),
      after = rank(c->after, option, words, count, count - 1);
  return after > before || (after == before && after != count - 1);
}

static bool word_widens(const struct comparison *c, enum policy_option option) {
  static const char *const streams[] = {"null", "inherit"}, *const clocks[] = {"fixed", "coarse", "real"},
                           *const randoms[] = {"seed", "real"}, *const walls[] = {"process", "wall", "none"};
  switch (option) {
  case POLICY_OPTION_ISOLATE: return rank(c->after, option, walls, 3, 1) > rank(c->before, option, walls, 3, 1);
  case POLICY_OPTION_CLOCK: return source_widens(c, option, clocks, 3);
  case POLICY_OPTION_RANDOM: return source_widens(c, option, randoms, 2);
  case POLICY_OPTION_STDIN:
  case POLICY_OPTION_STDOUT:
  case POLICY_OPTION_STDERR: return rank(c->after, option, streams, 2, 1) > rank(c->before, option, streams, 2, 1);
  default: return policy_options[option].group == POLICY_GROUP_GRANTS;
  }
}

static bool flag_widens(const struct comparison *c, enum policy_option option) {
  bool before = *(const bool *)field_of(c->before, option), after = *(const bool *)field_of(c->after, option);
  /* Without it there are real clocks and random bytes. */
  if (option == POLICY_OPTION_DETERMINISTIC) return before && !after;
  return policy_options[option].group == POLICY_GROUP_GRANTS && after && !before;
}

static bool is_same(const struct comparison *c, enum policy_option option) {
  const void *before = field_of(c->before, option), *after = field_of(c->after, option);
  switch ((enum policy_kind)policy_options[option].kind) {
  case POLICY_FLAG: return *(const bool *)before == *(const bool *)after;
  case POLICY_SIZE:
  case POLICY_COUNT:
  case POLICY_DURATION: return *(const uint64_t *)before == *(const uint64_t *)after;
  default: return same_text(*(const char *const *)before, *(const char *const *)after);
  }
}

static void compare_scalar(const struct comparison *c, enum policy_option option) {
  bool widens;
  bool was = policy_is_given(c->before, option), is = policy_is_given(c->after, option);
  if (is_same(c, option)) return;
  switch ((enum policy_kind)policy_options[option].kind) {
  case POLICY_FLAG: widens = flag_widens(c, option); break;
  case POLICY_SIZE:
  case POLICY_COUNT:
  case POLICY_DURATION:
    widens = policy_options[option].group == POLICY_GROUP_LIMITS &&
             limit_value(c->after, option) > limit_value(c->before, option);
    break;
  default: widens = word_widens(c, option);
  }
  tell(c, option, !was ? POLICY_CHANGE_ADDED : !is ? POLICY_CHANGE_REMOVED : POLICY_CHANGE_OTHER, 0, widens);
}

void policy_compare(const struct policy_settings *before, const struct policy_settings *after,
                    void (*tell_one)(void *env, const struct policy_difference *difference), void *env) {
  const struct comparison comparison = {before, after, tell_one, env};
  for (enum policy_option option = 0; option < POLICY_OPTION_COUNT; option++) {
    if (!policy_options[option].manifest) continue;
    if (policy_kind_is_list(policy_options[option].kind))
      compare_list(&comparison, option);
    else
      compare_scalar(&comparison, option);
  }
}

/* ---- As flags ------------------------------------------------------------------------------------------------------- */

static void add_word_by_number(const char *word, struct base_text *out) {
  base_text_addz(out, "$'");
  for (; *word; word++) {
    bool is_plain = *word >= 0x20 && *word < 0x7F && *word != '\'' && *word != '\\';
    base_text_format(out, is_plain ? "%c" : "\\x%02x", (unsigned char)*word);
  }
  base_text_addz(out, "'");
}

static bool shows_itself(const char *word) {
  size_t len_bytes = strlen(word);
  char *printable = base_alloc(4 * len_bytes + 8);
  bool same = printable && strcmp(base_printable(printable, 4 * len_bytes + 8, word, len_bytes), word) == 0;
  base_free(printable);
  return same;
}

void policy_shell_word(const char *word, struct base_text *out) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";
  bool is_plain = *word && !word[strspn(word, plain)];
  if (!is_plain && !shows_itself(word)) {
    add_word_by_number(word, out);
    return;
  }
  if (!is_plain) base_text_addz(out, "'");
  for (; *word; word++) {
    if (*word == '\'')
      base_text_addz(out, "'\\''");
    else
      base_text_add(out, word, 1);
  }
  if (!is_plain) base_text_addz(out, "'");
}

void policy_flag_write(const struct policy_settings *settings, enum policy_option option, size_t index,
                       struct base_text *out) {
  const void *field = field_of(settings, option);
  const struct policy_option_row *row = &policy_options[option];
  base_text_format(out, "--%s", row->name);
  if (row->kind == POLICY_FLAG) return;
  base_text_addz(out, " ");
  switch ((enum policy_kind)row->kind) {
  case POLICY_SIZE: policy_size_text(*(const uint64_t *)field, out); break;
  case POLICY_COUNT: base_text_format(out, "%" PRIu64, *(const uint64_t *)field); break;
  case POLICY_DURATION: policy_duration_text(*(const uint64_t *)field, out); break;
  default:
    assert(row->kind != POLICY_KEYS && row->kind != POLICY_ACTION);
    policy_shell_word(policy_kind_is_list(row->kind) ? ((const struct policy_texts *)field)->items[index]
                                                     : *(const char *const *)field,
                      out);
  }
}
