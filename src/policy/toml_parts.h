/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private header of the two files of the TOML parser. */
#ifndef POLICY_TOML_PARTS_H
#define POLICY_TOML_PARTS_H

#include "policy/toml.h"

struct policy_toml_parser {
  struct policy_toml *toml;
  const char *at, *end;
  struct policy_toml_value *table; /* that lines fill now */
  unsigned depth;                  /* of arrays and inline tables around `at` */
  enum cay_status status;          /* not CAY_OK once anything failed */
  struct cay_error *error;
};

/* Both return false. `at`: the place in the text. */
bool policy_toml_fail(struct policy_toml_parser *parser, const char *at, const char *format, ...) BASE_PRINTF(3, 4);
bool policy_toml_fail_memory(struct policy_toml_parser *parser);
/* A new value of the tree, not yet part of anything; NULL: no memory. */
struct policy_toml_value *policy_toml_new(struct policy_toml_parser *parser, enum policy_toml_type type,
                                          const char *at);
/* What may stand neither in a comment nor in a string. */
static inline bool policy_toml_is_control(char c) { return ((uint8_t)c < 0x20 && c != '\t') || c == 0x7F; }

/* A string on one line, in " or ', which stands at parser->at. */
bool policy_toml_read_line_string(struct policy_toml_parser *parser, const char **bytes, size_t *len_bytes);
/* A string, number, boolean, date or time. NULL without a failure: none stands here. */
struct policy_toml_value *policy_toml_read_scalar(struct policy_toml_parser *parser);

#endif
