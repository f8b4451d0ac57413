/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* wasmtime's option groups: `-W max-memory-size=64M,simd=n` as settings of cay.
 *
 * Every key of wasmtime's release 50 has a row in wasmtime.def. A key either becomes one of cay's options, or asks for
 * something whose answer is the same here (then it is accepted), or asks for something this build does not do (then the
 * error says so). Nothing that would change what a program can do is accepted and ignored. */
#include "policy/parts.h"

#include <assert.h>

enum action { MAP, SWITCH, SET_NO, SET_ZERO, SET_YES, PROPOSAL, ALWAYS, NEVER, EITHER, REFUSE };

struct key_row {
  const char *key, *text;
  uint8_t group, action, option;
};
static const struct key_row key_rows[] = {
#define POLICY_KEY(GROUP, key, ACTION, OPTION, text) {key, text, POLICY_OPTION_##GROUP, ACTION, POLICY_OPTION_##OPTION},
#include "policy/wasmtime.def"
};

/* wasmtime's long options that stand alone; no reason: accepted, because nothing here depends on it. */
static const struct {
  const char *name, *reason;
} foreign_options[] = {
    {"allow-precompiled", NULL},
    {"profile", "profiles are not available in this build"},
    {"target", "programs are not compiled for other machines here"},
    {"config", "wasmtime's configuration files are not read; give the options themselves"},
    {"gdb", "this build has no debugger"},
    {"record", "recording is not available in this build"},
    {"mapdir", "use --dir HOST::GUEST (the host's name comes first)"},
    {"net", "programs of WASI 0.1 cannot open connections; --listen gives them a listening socket"},
};

enum policy_foreign policy_wasmtime_option(const char *name, size_t len_bytes, struct cay_error *error) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(foreign_options); i++) {
    const char *foreign = foreign_options[i].name, *reason = foreign_options[i].reason;
    if (strlen(foreign) != len_bytes || memcmp(foreign, name, len_bytes) != 0) continue;
    if (!reason) return POLICY_FOREIGN_ACCEPTED;
    base_error_set(error, CAY_ERROR_ARGUMENT, "--%s: %s", foreign, reason);
    return POLICY_FOREIGN_REFUSED;
  }
  return POLICY_FOREIGN_UNKNOWN;
}

/* A key that ends in "-" in the table stands for all keys that start so. */
static bool key_matches(const struct key_row *row, const char *key) {
  size_t len = strlen(row->key);
  return row->key[len - 1] == '-' ? strncmp(row->key, key, len) == 0 : strcmp(row->key, key) == 0;
}

static const struct key_row *find_key(enum policy_option group, const char *key, struct cay_error *error) {
  struct policy_nearest nearest = policy_nearest_to(key, strlen(key));
  for (size_t i = 0; i < BASE_ARRAY_LEN(key_rows); i++) {
    if (key_rows[i].group != group) continue;
    if (key_matches(&key_rows[i], key)) return &key_rows[i];
    policy_nearest_try(&nearest, key_rows[i].key);
  }
  char letter = policy_options[group].letter, shown[80];
  base_printable(shown, sizeof shown, key, strlen(key));
  base_error_set(error, CAY_ERROR_ARGUMENT, "there is no key \"%s\"%s%s%s; \"cay run -%c help\" lists the keys", shown,
                 nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "", nearest.best ? "\"" : "",
                 letter);
  return NULL;
}

/* The first word of a SET_YES row's text, as a text of its own. */
static const char *first_word(struct policy_settings *settings, const char *text) {
  size_t len = strcspn(text, ":");
  char *word = base_arena_alloc(&settings->arena, len + 1, 1);
  if (word) memcpy(word, text, len);
  return word;
}

static const char *signed_name(struct policy_settings *settings, const char *name, bool yes) {
  size_t len = strlen(name);
  char *word = base_arena_alloc(&settings->arena, len + 2, 1);
  if (!word) return NULL;
  word[0] = yes ? '+' : '-';
  memcpy(word + 1, name, len);
  return word;
}

static enum cay_status apply_switch(struct policy_settings *settings, const struct key_row *row, bool yes,
                                    struct cay_error *error) {
  const char *value = NULL;
  switch ((enum action)row->action) {
  case SWITCH: return yes ? policy_set(settings, row->option, NULL, error) : CAY_OK;
  case SET_NO: return yes ? CAY_OK : policy_set(settings, row->option, "null", error);
  case SET_ZERO: return yes ? CAY_OK : policy_set(settings, row->option, "0", error);
  case SET_YES:
    if (!yes) return CAY_OK;
    value = first_word(settings, row->text);
    break;
  case PROPOSAL: value = signed_name(settings, row->text, yes); break;
  case ALWAYS: return yes ? CAY_OK : base_error_set(error, CAY_ERROR_ARGUMENT, "%s=n: %s", row->key, row->text);
  default:
    assert(row->action == NEVER);
    return yes ? base_error_set(error, CAY_ERROR_ARGUMENT, "%s: %s", row->key, row->text) : CAY_OK;
  }
  if (!value) return base_error_memory(error);
  return policy_set(settings, row->option, value, error);
}

static enum cay_status apply_key(struct policy_settings *settings, const struct key_row *row, const char *value,
                                 struct cay_error *error) {
  if (row->action == EITHER) return CAY_OK;
  if (row->action == REFUSE) return base_error_set(error, CAY_ERROR_ARGUMENT, "%s: %s", row->key, row->text);
  if (row->option != POLICY_OPTION_NONE && !(policy_options[row->option].commands >> settings->command & 1))
    return base_error_set(error, CAY_ERROR_ARGUMENT, "%s means nothing to \"cay %s\"", row->key,
                          policy_commands[settings->command].name);
  if (row->action == MAP && !value)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "%s needs a value: %s=%s", row->key, row->key,
                          policy_options[row->option].argument);
  bool yes = true;
  enum cay_status status =
      row->action == MAP ? policy_set(settings, row->option, value, error) : policy_bool_parse(value, &yes, error);
  if (status == CAY_ERROR_ARGUMENT) base_error_prefix(error, "%s", row->key);
  return status || row->action == MAP ? status : apply_switch(settings, row, yes, error);
}

static enum cay_status apply_item(struct policy_settings *settings, enum policy_option group, const char *item,
                                  size_t len, struct cay_error *error) {
  char *key = base_arena_alloc(&settings->arena, len + 1, 1);
  if (!key) return base_error_memory(error);
  memcpy(key, item, len);
  char *value = strchr(key, '=');
  if (value) *value++ = 0;
  if (strcmp(key, "help") == 0) {
    settings->keys_help = group;
    return CAY_OK;
  }
  const struct key_row *row = find_key(group, key, error);
  return row ? apply_key(settings, row, value, error) : CAY_ERROR_ARGUMENT;
}

enum cay_status policy_keys_apply(struct policy_settings *settings, enum policy_option group, const char *text,
                                  struct cay_error *error) {
  assert(policy_options[group].kind == POLICY_KEYS);
  enum cay_status status = CAY_OK;
  while (!status && *text) {
    size_t len = strcspn(text, ",");
    if (len) status = apply_item(settings, group, text, len, error);
    text += len + (text[len] == ',');
  }
  return status;
}

static const char *const action_texts[] = {
    [MAP] = "",
    [SWITCH] = "",
    [SET_NO] = "",
    [SET_ZERO] = "",
    [SET_YES] = "",
    [PROPOSAL] = "proposal: ",
    [ALWAYS] = "always so: ",
    [NEVER] = "not available: ",
    [EITHER] = "accepted: ",
    [REFUSE] = "not available: ",
};

void policy_help_keys(struct base_text *out, enum policy_option group) {
  base_text_format(out, "Keys of wasmtime's -%c and what they do in cay:\n", policy_options[group].letter);
  for (size_t i = 0; i < BASE_ARRAY_LEN(key_rows); i++)
    if (key_rows[i].group == group) {
      bool prefix = key_rows[i].key[strlen(key_rows[i].key) - 1] == '-';
      base_text_format(out, "  %s%-*s %s%s\n", key_rows[i].key, 36 - (int)strlen(key_rows[i].key), prefix ? "*" : "",
                       action_texts[key_rows[i].action], key_rows[i].text);
    }
}
