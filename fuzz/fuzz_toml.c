/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The TOML parser over arbitrary bytes: every value lies in the text, every member is found by its key, and a refusal
 * names a line and a column. */
#include <assert.h>
#include <stdio.h>

#include "policy/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static void check(struct policy_toml *toml, const struct policy_toml_value *value) {
  bool is_table = value->type == POLICY_TOML_TABLE;
  size_t count = 0;
  assert(value->offset <= toml->len_bytes && value->key_offset <= toml->len_bytes);
  if (value->type == POLICY_TOML_STRING) assert(base_utf8_valid(value->of.text.bytes, value->of.text.len_bytes));
  if (value->type < POLICY_TOML_ARRAY) return;
  for (const struct policy_toml_value *item = value->of.items.first; item; item = item->next, count++) {
    if (is_table) assert(policy_toml_find(toml, value, item->key, item->key_len) == item);
    check(toml, item);
  }
  assert(count == value->of.items.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  struct policy_toml toml;
  struct cay_error error;
  unsigned line, column;
  enum cay_status status = policy_toml_parse(&toml, "f", bytes, len_bytes, &error);
  if (status == CAY_ERROR_ARGUMENT)
    assert(sscanf(error.text, "f:%u:%u: ", &line, &column) == 2 && line && column);
  else if (!status)
    check(&toml, toml.root);
  policy_toml_deinit(&toml);
  return 0;
}
