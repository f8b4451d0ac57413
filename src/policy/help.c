/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Help texts, written from the option table. Lines are at most 100 columns, and nothing depends on the terminal, so that
 * the output can be compared in tests and read in a pager. */
#include "policy/policy.h"

#include <assert.h>

enum { LINE_COLUMNS = 100, OPTION_COLUMNS = 34 };

/* Adds `text`, broken at spaces, with `indent` spaces before each line but the first, which starts at column
 * `at`. A newline in the text starts a new line. Ends with a newline. */
static void add_wrapped(struct base_text *out, const char *text, size_t at, size_t indent) {
  while (*text) {
    size_t line = strcspn(text, "\n");
    size_t column = at;
    bool preformatted = *text == ' ';
    while (line) {
      size_t spaces = strspn(text, " "), word = strcspn(text + spaces, " \n");
      if (spaces > line) spaces = line;
      if (!preformatted && column + spaces + word > LINE_COLUMNS && column > indent) {
        base_text_format(out, "\n%*s", (int)indent, "");
        column = indent;
        text += spaces, line -= spaces, spaces = 0;
      }
      base_text_add(out, text, spaces + word);
      text += spaces + word, line -= spaces + word, column += spaces + word;
    }
    if (*text == '\n' && *++text) {
      base_text_format(out, "\n%*s", *text == '\n' ? 0 : (int)indent, "");
      at = indent;
    }
  }
  base_text_add(out, "\n", 1);
}

static void add_option(struct base_text *out, const struct policy_option_row *row) {
  size_t start = out->len_bytes;
  base_text_addz(out, "  ");
  if (row->letter)
    base_text_format(out, "-%c, ", row->letter);
  else
    base_text_addz(out, "    ");
  base_text_format(out, "--%s%s%s", row->name, row->argument ? " " : "", row->argument ? row->argument : "");
  size_t column = out->len_bytes - start;
  if (column + 2 > OPTION_COLUMNS) {
    base_text_add(out, "\n", 1);
    column = 0;
  }
  base_text_format(out, "%*s", (int)(OPTION_COLUMNS - column), "");
  add_wrapped(out, row->help, OPTION_COLUMNS, OPTION_COLUMNS);
}

static bool in_group(enum policy_option option, enum policy_group group, enum policy_command command) {
  return policy_options[option].group == group && (policy_options[option].commands >> command & 1);
}

static void add_group(struct base_text *out, enum policy_group group, enum policy_command command) {
  bool any = false;
  for (enum policy_option option = 0; option < POLICY_OPTION_COUNT; option++) {
    if (!in_group(option, group, command)) continue;
    if (!any) base_text_format(out, "\n%s:\n", policy_group_headings[group]);
    any = true;
    add_option(out, &policy_options[option]);
  }
}

void policy_help_command(struct base_text *out, enum policy_command command) {
  assert(command < POLICY_COMMAND_COUNT);
  const struct policy_command_row *row = &policy_commands[command];
  base_text_format(out, "cay %s%s%s: %s\n\n", row->name, *row->operands ? " " : "", row->operands, row->summary);
  add_wrapped(out, row->text, 0, 0);
  for (enum policy_group group = 0; group < POLICY_GROUP_COUNT; group++) add_group(out, group, command);
}

void policy_help_overview(struct base_text *out) {
  base_text_addz(out, "cay runs WebAssembly programs with exactly the rights they were given.\n\n"
                      "  cay app.wasm arguments              run a program\n"
                      "  cay run --dir . app.wasm            let it use this directory\n"
                      "  cay run --dir data::/data::ro --env LANG --timeout 2s app.wasm\n"
                      "\nCommands:\n");
  for (size_t i = 0; i < POLICY_COMMAND_COUNT; i++)
    base_text_format(out, "  %-12s%s\n", policy_commands[i].name, policy_commands[i].summary);
  base_text_addz(out, "\n\"cay help COMMAND\" shows the options of a command; \"cay help exit-codes\" and \"cay help "
                      "environment\"\nthe exit codes and the environment variables.\n");
}

void policy_help_exit_codes(struct base_text *out) {
  base_text_addz(out, "The exit code of cay run is the program's own. The others, of every command:\n\n");
  base_text_addz(out, "  0    success\n");
  for (size_t i = 0; i < policy_exit_count; i++) {
    base_text_format(out, "  %-5d", policy_exits[i].number);
    add_wrapped(out, policy_exits[i].meaning, 7, 7);
  }
  base_text_addz(out, "  128+n the signal n ended the program (130: interrupted from the keyboard)\n"
                      "\nA program may use these numbers itself; a message on standard error that starts with \"cay:\" "
                      "tells\nthem apart.\n");
}

void policy_help_environment(struct base_text *out) {
  base_text_addz(out,
                 "Environment variables give options; the command line wins over them. Where an option may be given "
                 "many\ntimes, the variable holds one value a line, and the command line adds to it. An option "
                 "without a value\nis given by 1, y, yes or true.\n\n");
  for (size_t i = 0; i < POLICY_OPTION_COUNT; i++)
    if (policy_options[i].environment) {
      const struct policy_option_row *row = &policy_options[i];
      base_text_format(out, "  %-24s --%s%s%s\n", row->environment, row->name, row->argument ? " " : "",
                       row->argument ? row->argument : "");
    }
  base_text_addz(out, "  NO_COLOR                 set to anything: no colour in messages on a terminal\n");
}

const char *policy_wall_part_name(enum policy_wall_part part) {
  static const char *const names[] = {
#define X(NAME, name) name,
      POLICY_WALL_PARTS(X)
#undef X
  };
  return names[part];
}
