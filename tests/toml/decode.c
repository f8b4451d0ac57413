/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* usage: toml_decode FILE: the tree that the parser makes of it, as JSON in the form of toml-test's expected results;
 * exit code 1 and the message on standard error when it refuses the text. */
#include "policy/toml.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const type_names[] = {
    [POLICY_TOML_STRING] = "string",         [POLICY_TOML_INTEGER] = "integer",
    [POLICY_TOML_FLOAT] = "float",           [POLICY_TOML_BOOLEAN] = "bool",
    [POLICY_TOML_DATE_TIME] = "datetime",    [POLICY_TOML_LOCAL_DATE_TIME] = "datetime-local",
    [POLICY_TOML_LOCAL_DATE] = "date-local", [POLICY_TOML_LOCAL_TIME] = "time-local",
};

static void add(struct base_text *out, const struct policy_toml_value *value) {
  bool is_table = value->type == POLICY_TOML_TABLE;
  if (is_table || value->type == POLICY_TOML_ARRAY) {
    base_text_addz(out, is_table ? "{" : "[");
    for (const struct policy_toml_value *item = value->of.items.first; item; item = item->next) {
      if (item != value->of.items.first) base_text_addz(out, ",");
      if (is_table) base_text_add_json(out, item->key, item->key_len);
      if (is_table) base_text_addz(out, ":");
      add(out, item);
    }
    base_text_addz(out, is_table ? "}" : "]");
    return;
  }
  base_text_format(out, "{\"type\":\"%s\",\"value\":", type_names[value->type]);
  if (value->type == POLICY_TOML_INTEGER)
    base_text_format(out, "\"%" PRId64 "\"}", value->of.integer);
  else if (value->type == POLICY_TOML_BOOLEAN)
    base_text_format(out, "\"%s\"}", value->of.boolean ? "true" : "false");
  else {
    base_text_add_json(out, value->of.text.bytes, value->of.text.len_bytes);
    base_text_addz(out, "}");
  }
}

int main(int argc, char **argv) {
  struct policy_toml toml;
  struct base_file file;
  struct base_text out = {0};
  struct cay_error error;
  if (argc != 2 || base_file_read(argv[1], &file, &error)) return 2;
  enum cay_status status = policy_toml_parse(&toml, argv[1], file.bytes, file.len_bytes, &error);
  if (status)
    fprintf(stderr, "%s\n", error.text);
  else
    add(&out, toml.root);
  if (!status) printf("%s\n", out.bytes);
  base_text_deinit(&out);
  policy_toml_deinit(&toml);
  base_file_deinit(&file);
  return status != CAY_OK;
}
