/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* `cay doctor`: the machine's checks as lines or JSON. */
#include "cli/cli.h"

static void add_line(struct base_text *out, const struct cli_check *check) {
  base_text_format(out, "%-5s%s: %s\n", check->ok ? "ok" : "warn", check->name, check->found);
  if (check->advice) base_text_format(out, "     %s\n", check->advice);
}

static void add_json_text(struct base_text *out, const char *key, const char *value) {
  base_text_format(out, "\"%s\":", key);
  if (value)
    base_text_add_json(out, value, strlen(value));
  else
    base_text_addz(out, "null");
}

static void add_json(struct base_text *out, const struct cli_check *check) {
  base_text_addz(out, "{");
  add_json_text(out, "check", check->name);
  base_text_format(out, ",\"ok\":%s,", check->ok ? "true" : "false");
  add_json_text(out, "found", check->found);
  base_text_addz(out, ",");
  add_json_text(out, "advice", check->advice);
  base_text_addz(out, "}");
}

static int print_checks(bool json) {
  struct cli_check checks[CLI_CHECKS];
  struct base_text out = {0};
  int code = 0;
  size_t count = cli_os_checks(checks);
  if (json) base_text_addz(&out, "[");
  for (size_t i = 0; i < count; i++) {
    if (!checks[i].ok) code = POLICY_EXIT_FAILED;
    if (json && i) base_text_addz(&out, ",\n ");
    if (json)
      add_json(&out, &checks[i]);
    else
      add_line(&out, &checks[i]);
  }
  if (json) base_text_addz(&out, "]\n");
  return cli_print(&out, code);
}

int cli_doctor(struct cli_words words) {
  struct policy_settings settings;
  int code = cli_parse(&settings, POLICY_COMMAND_DOCTOR, words, NULL);
  if (code < 0) code = print_checks(cli_wants_json(&settings));
  policy_settings_deinit(&settings);
  return code;
}
