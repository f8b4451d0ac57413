/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the room `module` share. Private to the room. */
#ifndef MODULE_INTERNAL_H
#define MODULE_INTERNAL_H

#include "module/module.h"
#include "module/ops/ops.h"
#include "module/reader.h"

struct module_names; /* what the name section says, see names.c */
struct module_hints; /* what the branch hints say, see hints.c */

struct module_private {
  struct base_arena arena;          /* every table of the module */
  struct module_load_limits limits; /* those it was loaded with; bodies are read with them again */
  uint8_t *owned_bytes;             /* MODULE_BYTES_COPY, else NULL */
  struct base_file file;            /* module_load_file, else empty */
  uint32_t *exports_by_name;        /* export indices, sorted by name */
  uint32_t declared_data_count;     /* of the data count section: what code may refer to before the segments are read */
  bool has_data_count;
  bool has_memory64;                    /* a memory with 64-bit addresses */
  bool has_vector_types;                /* a function type with a parameter or result of two slots */
  _Atomic(struct module_names *) names; /* NULL until somebody asks for a name */
  _Atomic(struct module_hints *) hints; /* NULL until somebody asks for a hint */
};

const char *module_heap_name(module_type heap, char out[32]);

/* Sorts indices with a stable merge sort, which no input makes slow; `scratch` has room for `count` more. */
typedef int module_compare(const struct module *module, uint32_t a,
                           uint32_t b); /* a type, to be readable as argument */
void module_sort(uint32_t *items, uint32_t *scratch, uint32_t count, module_compare *compare,
                 const struct module *module);

/* Names in the order of their bytes. */
int module_name_compare(struct module_name a, struct module_name b);
void module_names_free(struct module_names *names);
void module_hints_free(struct module_hints *hints);

/* Decodes and validates the bytes of `module` (bytes, len_bytes, features and private_part are set) into its tables. */
enum cay_status module_decode(struct module *module, const struct module_load_limits *limits, struct cay_error *error);

/* Prepares `body` for the constant expression at `offset`, which ends before `end` and must leave one `type`.
 * module_body_next returns 0 after its `end`, and then `body->cursor` is behind it. */
enum cay_status module_body_begin_const(struct module_body *body, const struct module *module, uint32_t offset,
                                        uint32_t end, module_type type, struct cay_error *error);

static inline bool module_func_is_referenced(const struct module *module, uint32_t func) {
  return module->funcs_referenced && (module->funcs_referenced[func / 8] >> (func % 8) & 1) != 0;
}

#endif
