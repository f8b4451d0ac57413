/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The state of decoding one module, shared by decode.c and segments.c. Private to the room `module`. */
#ifndef MODULE_DECODE_H
#define MODULE_DECODE_H

#include "module/internal.h"

#define DECODE_NO_ENTRY UINT32_MAX

struct decoder {
  struct module_reader reader; /* end: that of the section being read */
  struct module *module;
  const struct module_load_limits *limits;
  struct base_arena *arena;
  const char *section; /* for messages; NULL outside of sections */
  uint32_t entry;      /* being read, or DECODE_NO_ENTRY */
  uint32_t bodies_read;
  struct module_body body;
  BASE_VEC(struct module_def_type) types; /* while the type section is read */
  struct module_group_set groups;
  BASE_VEC(struct module_custom) customs;
};

/* Reads a vector's count into `*count` and allocates zeroed items of `item_bytes`: NULL after an error. An entry takes
 * at least `shortest_bytes` in the input. */
void *decode_entries(struct decoder *decoder, const char *what, uint32_t shortest_bytes, uint32_t limit,
                     size_t item_bytes, uint32_t *count);
BASE_COLD bool decode_fail_memory(struct decoder *decoder);
/* A function, table, ... index that must exist. */
bool decode_index(struct decoder *decoder, const char *what, uint32_t count, uint32_t *out);
/* A constant expression of one `type`. */
bool decode_const_expr(struct decoder *decoder, module_type type, struct module_const_expr *out);
/* Notes that ref.func may name `func`, which exists. */
bool decode_reference(struct decoder *decoder, uint32_t func);

/* The index of a defined type that must be of functions. */
bool decode_func_type_index(struct decoder *decoder, uint32_t *out);

bool decode_types(struct decoder *decoder);
bool decode_elements(struct decoder *decoder);
bool decode_data_count(struct decoder *decoder);
bool decode_data(struct decoder *decoder);
bool decode_code(struct decoder *decoder);

#endif
