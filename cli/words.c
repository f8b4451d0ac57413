/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Command lines of the commands that are not `run`, and `help`, which prints the option table. */
#include "cli/cli.h"

#include "cli/completions.gen.h"

#include <unistd.h>

static int show_help(enum policy_command command) {
  struct base_text text = {0};
  policy_help_command(&text, command);
  return cli_print(&text, 0);
}

static int show_keys(enum policy_option group) {
  struct base_text text = {0};
  policy_help_keys(&text, group);
  return cli_print(&text, 0);
}

int cli_next_operand(struct policy_settings *settings, enum policy_command command, struct cli_words *words,
                     const char **operand) {
  struct cay_error error;
  size_t used;
  *operand = NULL;
  if (policy_parse(settings, command, words->items, words->count, &used, &error)) {
    cli_say_error(NULL, &error);
    return POLICY_EXIT_USAGE;
  }
  if (settings->show_help) return show_help(command);
  if (settings->keys_help != POLICY_OPTION_NONE) return show_keys(settings->keys_help);
  if (used < words->count) *operand = words->items[used++];
  words->items += used;
  words->count -= used;
  return -1;
}

int cli_parse(struct policy_settings *settings, enum policy_command command, struct cli_words words,
              struct policy_texts *operands) {
  struct cay_error error;
  const char *operand;
  policy_settings_init(settings);
  if (policy_parse_environment(settings, command, environ, &error)) {
    cli_say_error(NULL, &error);
    return POLICY_EXIT_USAGE;
  }
  do {
    int code = cli_next_operand(settings, command, &words, &operand);
    if (code >= 0) return code;
    if (operand && !operands)
      return cli_wrong_use("\"cay %s\" takes no \"%s\"", policy_commands[command].name, operand);
    const char **item = operand ? BASE_VEC_PUSH(operands) : NULL;
    if (operand && !item) return cli_wrong_use("out of memory");
    if (item) *item = operand;
  } while (operand);
  return -1;
}

bool cli_wants_json(const struct policy_settings *settings) {
  return settings->format && strcmp(settings->format, "json") == 0;
}

static int help_about(const char *topic) {
  struct base_text text = {0};
  enum policy_command command = policy_command_find(topic);
  if (command < POLICY_COMMAND_COUNT)
    policy_help_command(&text, command);
  else if (strcmp(topic, "exit-codes") == 0)
    policy_help_exit_codes(&text);
  else if (strcmp(topic, "environment") == 0)
    policy_help_environment(&text);
  else
    return cli_wrong_use("there is no help about \"%s\"; \"cay help\" lists the commands", topic);
  return cli_print(&text, 0);
}

int cli_help(struct cli_words words) {
  struct policy_settings settings;
  struct policy_texts topics = {0};
  int code = cli_parse(&settings, POLICY_COMMAND_HELP, words, &topics);
  if (code < 0) {
    struct base_text text = {0};
    if (topics.count == 0) policy_help_overview(&text);
    code = topics.count ? help_about(topics.items[0]) : cli_print(&text, 0);
  }
  BASE_VEC_DEINIT(&topics);
  policy_settings_deinit(&settings);
  return code;
}

static int print_completion(const char *shell) {
  static const struct {
    const char *shell, *script;
  } scripts[] = {{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};
  for (size_t i = 0; i < BASE_ARRAY_LEN(scripts); i++)
    if (strcmp(shell, scripts[i].shell) == 0) {
      struct base_text text = {0};
      base_text_addz(&text, scripts[i].script);
      return cli_print(&text, 0);
    }
  return cli_wrong_use("there is no completion for \"%s\"; write bash, zsh or fish", shell);
}

int cli_completion(struct cli_words words) {
  struct policy_settings settings;
  struct policy_texts shells = {0};
  int code = cli_parse(&settings, POLICY_COMMAND_COMPLETION, words, &shells);
  if (code < 0)
    code = shells.count == 1 ? print_completion(shells.items[0])
                             : cli_wrong_use("name one shell: cay completion bash, zsh or fish");
  BASE_VEC_DEINIT(&shells);
  policy_settings_deinit(&settings);
  return code;
}
