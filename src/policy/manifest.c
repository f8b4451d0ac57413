/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Manifests: from the tree of a TOML text to settings.
 *
 * A manifest has no grammar of its own: a key is a row of the option table, and its value goes through the same parser as
 * the flag's. What is special here is what a file has and a command line has not: types, places for messages, paths that
 * begin at its folder, tables for grants, and values that contradict each other, which for flags is a matter of order.
 *
 * The text may be a stranger's. Lists are bounded, so that what compares their items with each other stays quick, and a
 * request may only ask for grants and limits: it cannot switch off a wall or choose where cay writes files of its own.
 *
 * Ownership: everything that settings keep is copied into their arena; the tree ends with the call. */
#include "policy/parts.h"
#include "policy/toml.h"

#include <inttypes.h>
#include <stdio.h>

struct reader {
  struct policy_settings *settings;
  const struct policy_manifest *manifest;
  struct policy_toml toml;
  struct cay_error *error;
};

/* ---- Errors and places ---------------------------------------------------------------------------------------------- */

static enum cay_status fail(struct reader *reader, const struct policy_toml_value *at, const char *format, ...)
    BASE_PRINTF(3, 4);

static enum cay_status fail(struct reader *reader, const struct policy_toml_value *at, const char *format, ...) {
  char text[300];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  base_error_set(reader->error, CAY_ERROR_ARGUMENT, "%s", text);
  policy_toml_place(&reader->toml, at->offset, reader->error);
  return CAY_ERROR_ARGUMENT;
}

/* Gives an error that a parser of values made its place. */
static enum cay_status place(struct reader *reader, const struct policy_toml_value *at, const char *key,
                             enum cay_status status) {
  if (status != CAY_ERROR_ARGUMENT) return status;
  base_error_prefix(reader->error, "%s", key);
  policy_toml_place(&reader->toml, at->offset, reader->error);
  return status;
}

static const char *origin_of(struct reader *reader, uint32_t offset) {
  char text[400];
  uint32_t line, column;
  policy_toml_position(&reader->toml, offset, &line, &column);
  const char *prefix = reader->manifest->prefix ? reader->manifest->prefix : "";
  snprintf(text, sizeof text, "%.60s%.300s:%u:%u", prefix, reader->manifest->name, line, column);
  return policy_arena_copy(reader->settings, text, strlen(text));
}

static const char *key_text(const struct policy_toml_value *value, char out[64]) {
  return base_printable(out, 64, value->key, value->key_len);
}

static enum cay_status fail_type(struct reader *reader, const struct policy_toml_value *value, const char *key,
                                 const char *wanted) {
  return fail(reader, value, "%s is %s, not %s", key, wanted, policy_toml_type_name(value->type));
}

/* The text of a string, in the settings' arena. */
static enum cay_status string_of(struct reader *reader, const struct policy_toml_value *value, const char *key,
                                 const char *wanted, const char **out) {
  if (value->type != POLICY_TOML_STRING) return fail_type(reader, value, key, wanted);
  const char *bytes = value->of.text.bytes;
  size_t len = value->of.text.len_bytes;
  if (memchr(bytes, 0, len)) return fail(reader, value, "%s: the string holds a zero byte", key);
  *out = policy_arena_copy(reader->settings, bytes, len);
  return *out ? CAY_OK : base_error_memory(reader->error);
}

/* ---- Paths ---------------------------------------------------------------------------------------------------------- */

char *policy_folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return base_string_copy(".", 1);
  return base_string_copy(path, slash == path ? 1 : (size_t)(slash - path));
}

/* The path as it is called from the current folder. */
static const char *path_in(struct reader *reader, const char *path) {
  const char *folder = reader->manifest->folder;
  if (!folder || *path == '/' || strcmp(folder, ".") == 0) return path;
  if (strcmp(path, ".") == 0) return policy_arena_copy(reader->settings, folder, strlen(folder));
  size_t folder_len = strlen(folder), path_len = strlen(path);
  bool has_slash = folder_len && folder[folder_len - 1] == '/';
  char *joined = base_arena_alloc(&reader->settings->arena, folder_len + path_len + 2, 1);
  if (!joined) return NULL;
  memcpy(joined, folder, folder_len);
  if (!has_slash) joined[folder_len++] = '/';
  memcpy(joined + folder_len, path, path_len);
  return joined;
}

/* ---- Grants --------------------------------------------------------------------------------------------------------- */

/* Sets the grant, written so that each part is there. */
static enum cay_status set_grant(struct reader *reader, enum policy_option option,
                                 const struct policy_toml_value *value, struct policy_dir *dir) {
  const char *key = policy_options[option].manifest;
  struct base_text text = {0};
  char *guest = policy_arena_copy(reader->settings, dir->guest, strlen(dir->guest));
  if (!guest) return base_error_memory(reader->error);
  policy_path_clean(guest);
  dir->guest = guest;
  dir->host = path_in(reader, dir->host);
  if (dir->scratch) dir->scratch = path_in(reader, dir->scratch);
  if (!dir->host || (dir->overlay == POLICY_OVERLAY_FOLDER && !dir->scratch)) return base_error_memory(reader->error);
  if (!policy_dir_text(dir, &text))
    return fail(reader, value, "%s: a path that holds \"::\" or ends in \":\" cannot be granted", key);
  const char *copy = text.failed ? NULL : policy_arena_copy(reader->settings, text.bytes, text.len_bytes);
  base_text_deinit(&text);
  if (!copy) return base_error_memory(reader->error);
  return place(reader, value, key, policy_set(reader->settings, option, copy, reader->error));
}

static enum cay_status read_grant_text(struct reader *reader, enum policy_option option,
                                       const struct policy_toml_value *value) {
  const char *key = policy_options[option].manifest, *text;
  struct policy_dir dir;
  enum cay_status status = string_of(reader, value, key, "an array of strings or tables", &text);
  if (!status) status = place(reader, value, key, policy_dir_parse(reader->settings, text, &dir, reader->error));
  return status ? status : set_grant(reader, option, value, &dir);
}

static enum cay_status read_rights(struct reader *reader, const struct policy_toml_value *value, const char *text,
                                   enum policy_rights *out) {
  for (enum policy_rights rights = 0; rights <= POLICY_RIGHTS_CREATE_ONLY; rights++)
    if (strcmp(text, policy_rights_name(rights)) == 0) {
      *out = rights;
      return CAY_OK;
    }
  return fail(reader, value, "rights: \"%.40s\" is none of ro, rw, create-only", text);
}

static enum cay_status read_size(struct reader *reader, const struct policy_toml_value *value, const char *key,
                                 uint64_t *out) {
  const char *text;
  if (value->type == POLICY_TOML_INTEGER) {
    if (value->of.integer < 0) return fail(reader, value, "%s: a size is not negative", key);
    *out = (uint64_t)value->of.integer;
    return CAY_OK;
  }
  enum cay_status status = string_of(reader, value, key, "a size, such as \"64M\" or 65536", &text);
  return status ? status : place(reader, value, key, policy_size_parse(text, out, reader->error));
}

static enum cay_status read_overlay(struct reader *reader, const struct policy_toml_value *value,
                                    struct policy_dir *dir) {
  if (value->type == POLICY_TOML_BOOLEAN) {
    dir->overlay = value->of.boolean ? POLICY_OVERLAY_MEMORY : POLICY_OVERLAY_NONE;
    return CAY_OK;
  }
  dir->overlay = POLICY_OVERLAY_FOLDER;
  enum cay_status status = string_of(reader, value, "overlay", "true or the name of a folder", &dir->scratch);
  return !status && !*dir->scratch ? fail(reader, value, "overlay: the name of the folder is empty") : status;
}

/* One member of a table [[dir]]. */
static enum cay_status read_grant_member(struct reader *reader, const struct policy_toml_value *member,
                                         struct policy_dir *dir) {
  static const char *const keys[] = {"host", "guest", "rights", "quota", "overlay"};
  enum { HOST, GUEST, RIGHTS, QUOTA, OVERLAY };
  const char *text;
  char shown[64];
  unsigned i = 0;
  while (i < BASE_ARRAY_LEN(keys) &&
         (strlen(keys[i]) != member->key_len || memcmp(keys[i], member->key, member->key_len) != 0))
    i++;
  if (i == QUOTA) {
    enum cay_status status = read_size(reader, member, keys[i], &dir->quota_bytes);
    return !status && !dir->quota_bytes ? fail(reader, member, POLICY_NO_QUOTA) : status;
  }
  if (i == OVERLAY) return read_overlay(reader, member, dir);
  if (i < BASE_ARRAY_LEN(keys)) {
    enum cay_status status = string_of(reader, member, keys[i], "a string", &text);
    if (status) return status;
    if (!*text) return fail(reader, member, "%s is empty", keys[i]);
    if (i == RIGHTS) return read_rights(reader, member, text, &dir->rights);
    *(i == HOST ? &dir->host : &dir->guest) = text;
    return CAY_OK;
  }
  struct policy_nearest nearest = policy_nearest_to(member->key, member->key_len);
  for (i = 0; i < BASE_ARRAY_LEN(keys); i++) policy_nearest_try(&nearest, keys[i]);
  struct policy_toml_value at = *member;
  at.offset = member->key_offset;
  return fail(reader, &at, "a grant has no key \"%s\"; %s%s", key_text(member, shown),
              nearest.best ? "did you mean " : "there are host, guest, rights and quota",
              nearest.best ? nearest.best : "");
}

static enum cay_status read_grant_table(struct reader *reader, enum policy_option option,
                                        const struct policy_toml_value *value) {
  struct policy_dir dir = {.rights = POLICY_RIGHTS_WRITE};
  enum cay_status status = CAY_OK;
  for (const struct policy_toml_value *m = value->of.items.first; !status && m; m = m->next)
    status = read_grant_member(reader, m, &dir);
  if (status) return status;
  if (!dir.host) return fail(reader, value, "the grant has no host");
  if (!dir.guest) dir.guest = dir.host;
  if (dir.overlay && dir.rights != POLICY_RIGHTS_WRITE)
    return fail(reader, value, "overlay and %s contradict each other: an overlay is for writing",
                policy_rights_name(dir.rights));
  return set_grant(reader, option, value, &dir);
}

/* What a text has to be beyond what its kind says, found here so that the message can tell its place. */
static enum cay_status check_text(struct reader *reader, enum policy_option option, const char *text) {
  enum policy_clock clock;
  struct policy_net net;
  struct host_net_address address;
  uint64_t number;
  bool is_seeded;
  switch (option) {
  case POLICY_OPTION_NET: return policy_net_parse(text, &net, reader->error);
  case POLICY_OPTION_LISTEN: return policy_listen_parse(text, &address, reader->error);
  case POLICY_OPTION_CLOCK: return policy_clock_parse(text, &clock, &number, reader->error);
  case POLICY_OPTION_RANDOM: return policy_random_parse(text, &is_seeded, &number, reader->error);
  case POLICY_OPTION_ENV:
    if (*text && *text != '=') return CAY_OK;
    return base_error_set(reader->error, CAY_ERROR_ARGUMENT, "\"%.100s\" has no name; write NAME=VALUE, or NAME", text);
  default: return CAY_OK;
  }
}

static enum cay_status set_text(struct reader *reader, enum policy_option option, const struct policy_toml_value *value,
                                const char *text) {
  enum cay_status status = check_text(reader, option, text);
  if (!status) status = policy_set(reader->settings, option, text, reader->error);
  return place(reader, value, policy_options[option].manifest, status);
}

/* ---- Lists ---------------------------------------------------------------------------------------------------------- */

/* A rule of the network without "allow:" or "deny:". */
static const char *net_object(const char *rule) {
  if (strncmp(rule, "allow:", 6) == 0) return rule + 6;
  return strncmp(rule, "deny:", 5) == 0 ? rule + 5 : rule;
}

/* What items of a list can contradict each other about; NULL: about nothing. */
static const char *object_of(enum policy_option option, const char *text, size_t *len_bytes) {
  if (policy_options[option].kind == POLICY_GRANTS) return policy_guest_part(text, len_bytes);
  const char *object = option == POLICY_OPTION_NET ? net_object(text) : option == POLICY_OPTION_ENV ? text : NULL;
  *len_bytes = option == POLICY_OPTION_ENV ? strcspn(text, "=") : object ? strlen(object) : 0;
  return object;
}

/* Whether two items about the same cannot both hold, in words, or NULL. */
static const char *contradiction(enum policy_option option, const char *text, const char *other) {
  if (strcmp(text, other) == 0) return NULL;
  if (policy_options[option].kind == POLICY_GRANTS) return "grants the same guest path otherwise";
  if (option == POLICY_OPTION_ENV) return "gives the same variable another value";
  bool denies = strncmp(text, "deny:", 5) == 0, other_denies = strncmp(other, "deny:", 5) == 0;
  return denies != other_denies ? "says the opposite about the same" : NULL;
}

/* Checks the newest item of the list against those before it. The first one about the same speaks for all of them, because
 * each was checked. */
static enum cay_status check_last(struct reader *reader, enum policy_option option,
                                  const struct policy_toml_value *value, struct policy_index *index) {
  const struct policy_texts *texts = (void *)((char *)reader->settings + policy_options[option].field);
  if (texts->count == 0) return CAY_OK;
  const char *text = texts->items[texts->count - 1];
  size_t len_bytes;
  const char *object = object_of(option, text, &len_bytes);
  if (!object) return CAY_OK;
  size_t first = policy_index_find(index, object, len_bytes);
  if (first == SIZE_MAX)
    return policy_index_add(index, object, len_bytes, texts->count - 1) ? CAY_OK : base_error_memory(reader->error);
  const char *why = contradiction(option, text, texts->items[first]);
  if (!why) return CAY_OK;
  return fail(reader, value, "%s: this contradicts %s, which %s", policy_options[option].manifest,
              policy_origin(reader->settings, option, first), why);
}

static enum cay_status read_item(struct reader *reader, enum policy_option option,
                                 const struct policy_toml_value *value) {
  const struct policy_option_row *row = &policy_options[option];
  const char *text;
  if (row->kind == POLICY_GRANTS)
    return value->type == POLICY_TOML_TABLE ? read_grant_table(reader, option, value)
                                            : read_grant_text(reader, option, value);
  enum cay_status status = string_of(reader, value, row->manifest, "an array of strings", &text);
  if (status) return status;
  if (row->kind == POLICY_PATHS) text = path_in(reader, text);
  if (!text) return base_error_memory(reader->error);
  return set_text(reader, option, value, text);
}

static enum cay_status read_list(struct reader *reader, enum policy_option option,
                                 const struct policy_toml_value *value) {
  const struct policy_option_row *row = &policy_options[option];
  if (value->type != POLICY_TOML_ARRAY)
    return fail_type(reader, value, row->manifest,
                     row->kind == POLICY_GRANTS ? "an array of strings or tables" : "an array of strings");
  if (value->of.items.count > POLICY_MANIFEST_MAX_ITEMS)
    return fail(reader, value, "%s has more than %d items", row->manifest, POLICY_MANIFEST_MAX_ITEMS);
  struct policy_index index = {0};
  enum cay_status status = CAY_OK;
  for (const struct policy_toml_value *item = value->of.items.first; !status && item; item = item->next) {
    reader->settings->source = origin_of(reader, item->offset);
    status = reader->settings->source ? read_item(reader, option, item) : base_error_memory(reader->error);
    if (!status) status = check_last(reader, option, item, &index);
  }
  policy_index_deinit(&index);
  return status;
}

/* ---- Single values -------------------------------------------------------------------------------------------------- */

/* What stands in a manifest for a kind, for messages. */
static const char *wanted_by(enum policy_kind kind) {
  switch (kind) {
  case POLICY_FLAG: return "true or false";
  case POLICY_SIZE: return "a size, such as \"64M\" or 65536";
  case POLICY_COUNT: return "a number";
  case POLICY_DURATION: return "a time in quotes, such as \"500ms\"";
  default: return "a string";
  }
}

static const char *number_text(struct reader *reader, int64_t number) {
  char text[24];
  int len = snprintf(text, sizeof text, "%" PRId64, number);
  return policy_arena_copy(reader->settings, text, (size_t)len);
}

/* The value as the flag's text. */
static enum cay_status scalar_text(struct reader *reader, enum policy_option option,
                                   const struct policy_toml_value *value, const char **out) {
  const struct policy_option_row *row = &policy_options[option];
  bool is_number = row->kind == POLICY_COUNT || row->kind == POLICY_SIZE;
  if (row->kind == POLICY_FLAG) {
    if (value->type != POLICY_TOML_BOOLEAN) return fail_type(reader, value, row->manifest, wanted_by(row->kind));
    *out = value->of.boolean ? "true" : "false";
    return CAY_OK;
  }
  if (is_number && value->type == POLICY_TOML_INTEGER) {
    if (value->of.integer < 0) return fail(reader, value, "%s: the number is negative", row->manifest);
    *out = number_text(reader, value->of.integer);
  } else {
    if (row->kind == POLICY_COUNT) return fail_type(reader, value, row->manifest, wanted_by(row->kind));
    enum cay_status status = string_of(reader, value, row->manifest, wanted_by(row->kind), out);
    if (status) return status;
    if (row->kind == POLICY_PATH) *out = path_in(reader, *out);
  }
  return *out ? CAY_OK : base_error_memory(reader->error);
}

static enum cay_status read_scalar(struct reader *reader, enum policy_option option,
                                   const struct policy_toml_value *value) {
  const char *text = NULL;
  enum cay_status status = scalar_text(reader, option, value, &text);
  reader->settings->source = origin_of(reader, value->key_offset);
  if (!status && !reader->settings->source) status = base_error_memory(reader->error);
  if (status) return status;
  return set_text(reader, option, value, text);
}

/* ---- Keys ----------------------------------------------------------------------------------------------------------- */

bool policy_may_request(enum policy_option option) {
  return policy_options[option].group == POLICY_GROUP_GRANTS || policy_options[option].group == POLICY_GROUP_LIMITS;
}

static bool is_key(enum policy_option option, const char *key, size_t len) {
  const char *manifest = policy_options[option].manifest;
  return manifest && strlen(manifest) == len && memcmp(manifest, key, len) == 0;
}

static enum cay_status unknown_key(struct reader *reader, const struct policy_toml_value *member) {
  struct policy_nearest nearest = policy_nearest_to(member->key, member->key_len);
  char shown[64];
  for (enum policy_option i = 0; i < POLICY_OPTION_COUNT; i++)
    if (policy_options[i].manifest) policy_nearest_try(&nearest, policy_options[i].manifest);
  return fail(reader, member, "there is no key \"%s\"%s%s%s; \"cay manifest schema\" lists the keys",
              key_text(member, shown), nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
              nearest.best ? "\"" : "");
}

static enum cay_status read_member(struct reader *reader, const struct policy_toml_value *member) {
  struct policy_toml_value at_key = *member;
  at_key.offset = member->key_offset;
  enum policy_option option = 0;
  while (option < POLICY_OPTION_COUNT && !is_key(option, member->key, member->key_len)) option++;
  if (option == POLICY_OPTION_COUNT) return unknown_key(reader, &at_key);
  if (reader->manifest->is_request && !policy_may_request(option))
    return fail(reader, &at_key, "a request may ask for grants and limits, not for %s",
                policy_options[option].manifest);
  return policy_kind_is_list(policy_options[option].kind) ? read_list(reader, option, member)
                                                          : read_scalar(reader, option, member);
}

enum cay_status policy_manifest_read(struct policy_settings *settings, const struct policy_manifest *manifest,
                                     struct cay_error *error) {
  struct reader reader = {.settings = settings, .manifest = manifest, .error = error};
  settings->command = POLICY_COMMAND_RUN;
  enum cay_status status = policy_toml_parse(&reader.toml, manifest->name, manifest->bytes, manifest->len_bytes, error);
  if (!status)
    for (const struct policy_toml_value *m = reader.toml.root->of.items.first; !status && m; m = m->next)
      status = read_member(&reader, m);
  if (!status) status = policy_settings_check(settings, false, error);
  settings->source = NULL;
  policy_toml_deinit(&reader.toml);
  return status;
}

enum cay_status policy_manifest_open(const char *path, struct base_file *file, bool *missing, struct cay_error *error) {
  return base_file_read_small(path, POLICY_MANIFEST_MAX_BYTES, file, missing, error);
}
