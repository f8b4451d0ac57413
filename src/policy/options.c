/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The option table as data, and the parser that reads command lines with it.
 *
 * The parser knows kinds, not options: a row says where its value goes (an offset in the settings) and the kind says
 * how. What a value means (a grant, a limit) is for grants.c and the command. wasmtime's option groups are a second
 * table of keys, each of which becomes an ordinary option, a proposal switch, or a documented yes or no.
 *
 * Invariants: 1. every field of the settings has exactly one row; 2. a text that is set outlives the settings or lies in
 * their arena; 3. an error names the option as the person wrote it. */
#include "policy/parts.h"

#include <assert.h>

const struct policy_command_row policy_commands[POLICY_COMMAND_COUNT] = {
#define POLICY_COMMAND(ID, name, operands, summary, text) {name, operands, summary, text},
#include "policy/options.def"
};

const char *const policy_group_headings[POLICY_GROUP_COUNT] = {
#define POLICY_GROUP(ID, heading) heading,
#include "policy/options.def"
};

enum {
#define POLICY_COMMAND(ID, name, operands, summary, text) P_##ID = 1 << POLICY_COMMAND_##ID,
#include "policy/options.def"
  P_ALL = (1 << POLICY_COMMAND_COUNT) - 1,
  P_NONE = 0,
};

#define ALSO_INSPECT(commands, GROUP)                                                                   \
  (((commands) & P_RUN) &&                                                                              \
           (POLICY_GROUP_##GROUP == POLICY_GROUP_GRANTS || POLICY_GROUP_##GROUP == POLICY_GROUP_LIMITS) \
       ? P_INSPECT                                                                                      \
       : 0)
const struct policy_option_row policy_options[POLICY_OPTION_COUNT] = {
#define POLICY_OPTION(ID, member, name_, letter_, argument_, KIND, commands_, manifest_, GROUP, help_)   \
  {                                                                                                      \
      .name = name_,                                                                                     \
      .argument = argument_,                                                                             \
      .environment = POLICY_##KIND == POLICY_KEYS || POLICY_##KIND == POLICY_ACTION ? NULL : "CAY_" #ID, \
      .manifest = manifest_,                                                                             \
      .help = help_,                                                                                     \
      .commands = (commands_) | ALSO_INSPECT(commands_, GROUP),                                          \
      .field = offsetof(struct policy_settings, member),                                                 \
      .letter = letter_,                                                                                 \
      .kind = POLICY_##KIND,                                                                             \
      .group = POLICY_GROUP_##GROUP,                                                                     \
  },
#include "policy/options.def"
};

static const struct {
  enum policy_option option;
  const char *name;
} aliases[] = {
#define POLICY_ALIAS(ID, name) {POLICY_OPTION_##ID, name},
#include "policy/options.def"
};

const struct policy_exit_row policy_exits[] = {
#define POLICY_EXIT(ID, number, meaning) {number, meaning},
#include "policy/options.def"
};
const size_t policy_exit_count = BASE_ARRAY_LEN(policy_exits);

/* ---- Settings ---------------------------------------------------------------------------------------------------- */

static void *field_of(struct policy_settings *settings, enum policy_option option) {
  assert(option < POLICY_OPTION_COUNT);
  return (char *)settings + policy_options[option].field;
}

void policy_settings_init(struct policy_settings *settings) {
  *settings = (struct policy_settings){.keys_help = POLICY_OPTION_NONE};
  for (enum policy_option option = 0; option < POLICY_OPTION_COUNT; option++) {
    uint8_t kind = policy_options[option].kind;
    if (kind == POLICY_SIZE || kind == POLICY_COUNT || kind == POLICY_DURATION)
      *(uint64_t *)field_of(settings, option) = POLICY_NOT_GIVEN;
  }
}

uint64_t policy_number(const struct policy_settings *settings, enum policy_option option) {
  uint8_t kind = policy_options[option].kind;
  assert(kind == POLICY_SIZE || kind == POLICY_COUNT || kind == POLICY_DURATION);
  (void)kind;
  return *(const uint64_t *)((const char *)settings + policy_options[option].field);
}

void policy_settings_deinit(struct policy_settings *settings) {
  for (enum policy_option option = 0; option < POLICY_OPTION_COUNT; option++) {
    if (policy_kind_is_list(policy_options[option].kind)) {
      struct policy_texts *texts = field_of(settings, option);
      BASE_VEC_DEINIT(texts);
    }
    BASE_VEC_DEINIT(&settings->origins[option]);
  }
  base_arena_deinit(&settings->arena);
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */

static enum cay_status add_text(struct policy_texts *texts, const char *value, struct cay_error *error) {
  const char **item = BASE_VEC_PUSH(texts);
  if (!item) return base_error_memory(error);
  *item = value;
  return CAY_OK;
}

static enum cay_status parse_count(const char *text, uint64_t *out, struct cay_error *error) {
  uint64_t value = 0;
  bool any = false;
  for (const char *p = text; *p; p++) {
    if (*p == '_') continue;
    if (*p < '0' || *p > '9' || __builtin_mul_overflow(value, 10, &value) ||
        __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
      return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%.100s\" is not a number", text);
    any = true;
  }
  if (!any) return base_error_set(error, CAY_ERROR_ARGUMENT, "a number is missing");
  *out = value;
  return CAY_OK;
}

/* `words` is "text|json": the one equal to `value`, or NULL. The result has the life of `value`. */
static bool is_choice(const char *words, const char *value) {
  size_t len = strlen(value);
  for (const char *word = words; *word;) {
    size_t word_len = strcspn(word, "|");
    if (len == word_len && memcmp(word, value, len) == 0) return true;
    word += word_len + (word[word_len] == '|');
  }
  return false;
}

static enum cay_status set_value(struct policy_settings *settings, enum policy_option option, const char *value,
                                 struct cay_error *error) {
  const struct policy_option_row *row = &policy_options[option];
  void *field = field_of(settings, option);
  switch ((enum policy_kind)row->kind) {
  case POLICY_FLAG: return policy_bool_parse(value, field, error);
  case POLICY_ACTION:
  case POLICY_KEYS: *(bool *)field = true; return CAY_OK;
  case POLICY_TEXT:
  case POLICY_PATH: *(const char **)field = value; return CAY_OK;
  case POLICY_TEXTS:
  case POLICY_PATHS:
  case POLICY_GRANTS: return add_text(field, value, error);
  case POLICY_SIZE: return policy_size_parse(value, field, error);
  case POLICY_COUNT: return parse_count(value, field, error);
  case POLICY_DURATION: return policy_duration_parse(value, field, error);
  case POLICY_CHOICE:
    if (!is_choice(row->argument, value))
      return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%.100s\" is none of %s", value, row->argument);
    *(const char **)field = value;
    return CAY_OK;
  }
  return CAY_OK;
}

/* "--dir a::b" */
static const char *flag_text(struct policy_settings *settings, enum policy_option option, const char *value) {
  const char *name = policy_options[option].name;
  size_t name_len = strlen(name), value_len = value ? strlen(value) : 0;
  char *text = base_arena_alloc(&settings->arena, name_len + value_len + sizeof "-- ", 1);
  if (!text) return NULL;
  memcpy(text, "--", 2);
  memcpy(text + 2, name, name_len);
  if (!value) return text;
  text[2 + name_len] = ' ';
  memcpy(text + 3 + name_len, value, value_len);
  return text;
}

static enum cay_status set_origin(struct policy_settings *settings, enum policy_option option, const char *value,
                                  struct cay_error *error) {
  struct policy_texts *origins = &settings->origins[option];
  const char *text = settings->source ? settings->source : flag_text(settings, option, value);
  if (!policy_kind_is_list(policy_options[option].kind)) origins->count = 0;
  return text ? add_text(origins, text, error) : base_error_memory(error);
}

enum cay_status policy_set(struct policy_settings *settings, enum policy_option option, const char *value,
                           struct cay_error *error) {
  enum cay_status status =
      policy_options[option].kind == POLICY_KEYS ? policy_keys_apply(settings, option, value, error) : CAY_OK;
  if (!status) status = set_value(settings, option, value, error);
  if (!status) status = set_origin(settings, option, value, error);
  return status;
}

bool policy_is_given(const struct policy_settings *settings, enum policy_option option) {
  return settings->origins[option].count != 0;
}

const char *policy_origin(const struct policy_settings *settings, enum policy_option option, size_t index) {
  const struct policy_texts *origins = &settings->origins[option];
  return index < origins->count ? origins->items[index] : NULL;
}

void policy_error_origin(const struct policy_settings *settings, enum policy_option option, size_t index,
                         struct cay_error *error) {
  const char *origin = policy_origin(settings, option, index), *name = policy_options[option].name;
  if (!origin || strncmp(origin, "--", 2) == 0)
    base_error_prefix(error, "--%s", name);
  else if (strncmp(origin, "CAY_", 4) == 0)
    base_error_prefix(error, "%s", origin);
  else
    base_error_prefix(error, "%.300s: %s", origin, name);
}

/* ---- Finding names ----------------------------------------------------------------------------------------------- */

enum policy_command policy_command_find(const char *name) {
  enum policy_command command = 0;
  while (command < POLICY_COMMAND_COUNT && strcmp(policy_commands[command].name, name) != 0) command++;
  return command;
}

const char *policy_command_suggest(const char *name) {
  struct policy_nearest nearest = policy_nearest_to(name, strlen(name));
  for (size_t i = 0; i < POLICY_COMMAND_COUNT; i++) policy_nearest_try(&nearest, policy_commands[i].name);
  return nearest.best;
}

/* An option is hidden from a command it does not apply to, so that each error can say where it belongs. */
static enum policy_option find_long(const char *name, size_t len) {
  for (enum policy_option i = 0; i < POLICY_OPTION_COUNT; i++)
    if (strlen(policy_options[i].name) == len && memcmp(policy_options[i].name, name, len) == 0) return i;
  for (size_t i = 0; i < BASE_ARRAY_LEN(aliases); i++)
    if (strlen(aliases[i].name) == len && memcmp(aliases[i].name, name, len) == 0) return aliases[i].option;
  return POLICY_OPTION_NONE;
}

/* What runs a program to learn takes all that runs one, and what seals it all that can be written down. */
static bool applies(enum policy_option option, enum policy_command command) {
  const struct policy_option_row *row = &policy_options[option];
  bool runs = row->commands >> POLICY_COMMAND_RUN & 1;
  return (row->commands >> command & 1) || (command == POLICY_COMMAND_LEARN && runs) ||
         (command == POLICY_COMMAND_BUNDLE && runs && row->manifest);
}

/* Two commands may mean different options by a letter; where it is none of the command's, it is any other's. */
static enum policy_option find_letter(char letter, enum policy_command command) {
  enum policy_option any = POLICY_OPTION_NONE;
  for (enum policy_option i = 0; i < POLICY_OPTION_COUNT; i++) {
    if (policy_options[i].letter != letter) continue;
    if (applies(i, command)) return i;
    any = i;
  }
  return any;
}

static enum cay_status unknown_option(const char *word, size_t name_len, enum policy_command command,
                                      struct cay_error *error) {
  struct policy_nearest nearest = policy_nearest_to(word + 2, name_len);
  if (word[1] == '-')
    for (enum policy_option i = 0; i < POLICY_OPTION_COUNT; i++)
      if (applies(i, command)) policy_nearest_try(&nearest, policy_options[i].name);
  char shown[80];
  base_printable(shown, sizeof shown, word, strcspn(word, "="));
  const char *command_name = policy_commands[command].name;
  if (nearest.best)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "there is no option %s; did you mean --%s? (cay help %s)", shown,
                          nearest.best, command_name);
  return base_error_set(error, CAY_ERROR_ARGUMENT, "there is no option %s; \"cay help %s\" lists the options", shown,
                        command_name);
}

static enum cay_status wrong_command(enum policy_option option, enum policy_command command, struct cay_error *error) {
  struct base_text commands = {0};
  for (enum policy_command i = 0; i < POLICY_COMMAND_COUNT; i++)
    if (applies(option, i))
      base_text_format(&commands, "%s%s", commands.len_bytes ? ", " : "", policy_commands[i].name);
  base_error_set(error, CAY_ERROR_ARGUMENT, "--%s is an option of %s, not of %s", policy_options[option].name,
                 commands.len_bytes ? commands.bytes : "cay itself", policy_commands[command].name);
  base_text_deinit(&commands);
  return CAY_ERROR_ARGUMENT;
}

/* ---- Parsing ----------------------------------------------------------------------------------------------------- */

/* One option as it stands in the words. */
struct given {
  enum policy_option option;
  const char *value; /* attached ("--dir=x", "-Wx"), or NULL */
};

static enum cay_status foreign_option(const char *word, size_t len, enum policy_command command,
                                      struct cay_error *error) {
  if (command != POLICY_COMMAND_RUN) return unknown_option(word, len, command, error);
  switch (policy_wasmtime_option(word + 2, len, error)) {
  case POLICY_FOREIGN_ACCEPTED: return CAY_OK;
  case POLICY_FOREIGN_REFUSED: return CAY_ERROR_ARGUMENT;
  default: return unknown_option(word, len, command, error);
  }
}

/* `out->option` is NONE for an option of wasmtime that is accepted without effect. */
static enum cay_status read_option(const char *word, enum policy_command command, struct given *out,
                                   struct cay_error *error) {
  if (word[1] == '-') {
    size_t len = strcspn(word + 2, "=");
    out->option = find_long(word + 2, len);
    out->value = word[2 + len] == '=' ? word + 3 + len : NULL;
    if (out->option == POLICY_OPTION_NONE) return foreign_option(word, len, command, error);
  } else {
    out->option = find_letter(word[1], command);
    out->value = word[2] ? word + 2 + (word[2] == '=') : NULL;
    if (out->option == POLICY_OPTION_NONE) return unknown_option(word, strlen(word), command, error);
  }
  if (!applies(out->option, command)) return wrong_command(out->option, command, error);
  return CAY_OK;
}

static enum cay_status set_given(struct policy_settings *settings, struct given given, struct cay_error *error) {
  const struct policy_option_row *row = &policy_options[given.option];
  if (!row->argument && given.value) return base_error_set(error, CAY_ERROR_ARGUMENT, "--%s takes no value", row->name);
  enum cay_status status = policy_set(settings, given.option, given.value, error);
  if (status == CAY_ERROR_ARGUMENT) {
    if (row->kind == POLICY_KEYS)
      base_error_prefix(error, "-%c", row->letter);
    else
      base_error_prefix(error, "--%s", row->name);
  }
  return status;
}

enum cay_status policy_parse(struct policy_settings *settings, enum policy_command command, char *const *words,
                             size_t count, size_t *used, struct cay_error *error) {
  size_t at = 0;
  settings->command = command;
  while (at < count && words[at][0] == '-' && words[at][1]) {
    if (strcmp(words[at], "--") == 0) {
      at++;
      break;
    }
    struct given given = {0};
    enum cay_status status = read_option(words[at++], command, &given, error);
    if (status) return status;
    if (given.option == POLICY_OPTION_NONE) continue;
    const struct policy_option_row *row = &policy_options[given.option];
    if (row->argument && !given.value) {
      if (at == count)
        return base_error_set(error, CAY_ERROR_ARGUMENT, "--%s needs a value: %s", row->name, row->argument);
      given.value = words[at++];
    }
    status = set_given(settings, given, error);
    if (status) return status;
  }
  *used = at;
  return CAY_OK;
}

static enum cay_status set_lines(struct policy_settings *settings, enum policy_option option, const char *lines,
                                 struct cay_error *error) {
  enum cay_status status = CAY_OK;
  while (!status && *lines) {
    size_t len = strcspn(lines, "\n");
    char *line = base_arena_alloc(&settings->arena, len + 1, 1);
    if (!line) return base_error_memory(error);
    memcpy(line, lines, len);
    if (len) status = policy_set(settings, option, line, error);
    lines += len + (lines[len] == '\n');
  }
  return status;
}

static enum cay_status set_from_variable(struct policy_settings *settings, enum policy_option option, const char *value,
                                         struct cay_error *error) {
  uint8_t kind = policy_options[option].kind;
  return policy_kind_is_list(kind) ? set_lines(settings, option, value, error)
                                   : policy_set(settings, option, value, error);
}

enum cay_status policy_parse_environment(struct policy_settings *settings, enum policy_command command,
                                         char *const *environment, struct cay_error *error) {
  settings->command = command;
  for (enum policy_option option = 0; option < POLICY_OPTION_COUNT; option++) {
    const struct policy_option_row *row = &policy_options[option];
    const char *value =
        row->environment && applies(option, command) ? base_environment(environment, row->environment) : NULL;
    if (!value || !*value) continue;
    settings->source = row->environment;
    enum cay_status status = set_from_variable(settings, option, value, error);
    settings->source = NULL;
    if (status == CAY_ERROR_ARGUMENT) base_error_prefix(error, "%s", row->environment);
    if (status) return status;
  }
  return CAY_OK;
}
