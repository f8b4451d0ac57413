/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private header of the room: TOML 1.0 as a tree (toml.c). */
#ifndef POLICY_TOML_H
#define POLICY_TOML_H

#include "base/base.h"

enum policy_toml_type {
  POLICY_TOML_STRING,
  POLICY_TOML_INTEGER,
  POLICY_TOML_FLOAT, /* kept as text: no key takes one */
  POLICY_TOML_BOOLEAN,
  POLICY_TOML_DATE_TIME, /* these four, too: checked, and kept as written */
  POLICY_TOML_LOCAL_DATE_TIME,
  POLICY_TOML_LOCAL_DATE,
  POLICY_TOML_LOCAL_TIME,
  POLICY_TOML_ARRAY,
  POLICY_TOML_TABLE,
};
/* What may still be added to a table or array, by how it came to be. */
enum policy_toml_made {
  POLICY_TOML_MADE_VALUE,    /* written as a value: complete */
  POLICY_TOML_MADE_IMPLICIT, /* named on the way in a header [a.b] */
  POLICY_TOML_MADE_HEADER,   /* by its own header [a] or [[a]] */
  POLICY_TOML_MADE_DOTTED,   /* named on the way in a key a.b = 1 */
};
struct policy_toml_value {
  enum policy_toml_type type;
  enum policy_toml_made made;
  uint32_t offset, key_offset;    /* in the text; the key's is the value's in an array */
  const char *key;                /* in a table: its name, not zero-terminated */
  size_t key_len;
  struct policy_toml_value *next; /* in the same table or array, in the order written */
  union {
    struct {
      const char *bytes; /* zero-terminated; may hold zero bytes, too */
      size_t len_bytes;
    } text;
    int64_t integer;
    bool boolean;
    struct {
      struct policy_toml_value *first, *last;
      size_t count;
    } items;
  } of;
};

enum { POLICY_TOML_MAX_BYTES = 1 << 20, POLICY_TOML_MAX_DEPTH = 64 };
struct policy_toml_entry;
struct policy_toml {
  const char *name, *bytes; /* both the caller's */
  size_t len_bytes;
  struct policy_toml_value *root;
  struct base_arena arena;
  struct policy_toml_entry *index; /* of all members of all tables, by table and key */
  size_t index_count, index_capacity;
  uint32_t seen_offset, seen_line, seen_column; /* where policy_toml_position was asked last */
};

/* Parses `bytes`, which together with `name` has to live as long as the tree. Errors: CAY_ERROR_ARGUMENT with
 * "NAME:LINE:COLUMN: " and a sentence; CAY_ERROR_MEMORY. policy_toml_deinit is to be called in any case. */
enum cay_status policy_toml_parse(struct policy_toml *toml, const char *name, const void *bytes, size_t len_bytes,
                                  struct cay_error *error);
void policy_toml_deinit(struct policy_toml *toml);
/* The member of a table, or NULL. */
struct policy_toml_value *policy_toml_find(const struct policy_toml *toml, const struct policy_toml_value *table,
                                           const char *key, size_t key_len);
/* Line and column, from 1, of a place in the text; columns count characters. Cheap when asked in rising order. */
void policy_toml_position(struct policy_toml *toml, uint32_t offset, uint32_t *line, uint32_t *column);
/* Puts "NAME:LINE:COLUMN: " in front of an error's text. */
void policy_toml_place(struct policy_toml *toml, uint32_t offset, struct cay_error *error);
/* "an array" ... */
const char *policy_toml_type_name(enum policy_toml_type type);

#endif
