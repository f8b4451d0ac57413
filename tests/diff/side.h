/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* One implementation of WebAssembly in the differential test: it says whether it accepts a module, and runs one
 * instance at a time. There are three: cay with guard pages, cay with explicit bounds, and the reference.
 *
 * Values are 64-bit slots: i32 and f32 zero-extended; an externref is a number of the test's, a funcref is 1, and both
 * are 0 when null, because two implementations have nothing else in common. The test passes null funcrefs only.
 * Exports are numbered as in the module. */
#ifndef TESTS_DIFF_SIDE_H
#define TESTS_DIFF_SIDE_H

#include "module/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_OUTCOMES(X)                                                                                           \
  X(DONE) X(UNREACHABLE) X(MEMORY_BOUNDS) X(TABLE_BOUNDS) X(NULL_ELEMENT) X(CALL_TYPE) X(INTEGER_OVERFLOW)         \
  X(DIVIDE_BY_ZERO) X(INVALID_CONVERSION) X(STACK_EXHAUSTED) X(HOST) /* an import trapped */                       \
  X(REFUSED) /* neither done nor a trap the test knows: `reason` tells */
enum side_outcome {
#define X(NAME) SIDE_##NAME,
  SIDE_OUTCOMES(X)
#undef X
  SIDE_OUTCOME_COUNT
};

struct side_bytes { const uint8_t *base; uint64_t len_bytes; };

struct side {
  const char *name;
  const struct side_kind *kind;
  struct module *module;  /* what is instantiated, as cay reads it; for types and exports */
  uint64_t import_calls;  /* since instantiation began */
  uint64_t import_digest; /* of all these calls' functions and arguments, and of what they call */
  bool can_reenter;       /* imports may call exports */
  int depth;              /* of such calls now */
  bool stack_ended;       /* in one of them */
  char reason[CAY_ERROR_TEXT_BYTES];
  bool refuses_proposal;  /* what was refused last belongs to a proposal that is off */
};

struct side_kind {
  bool (*accepts)(struct side *side, const uint8_t *bytes, size_t len_bytes);
  /* Imports are made anew, see side_import_*. Whatever the outcome, drop ends it. */
  enum side_outcome (*instantiate)(struct side *side, const uint8_t *bytes, size_t len_bytes);
  enum side_outcome (*call)(struct side *side, uint32_t export_index, uint64_t *slots);
  uint64_t (*global)(struct side *side, uint32_t export_index);
  void (*set_global)(struct side *side, uint32_t export_index, uint64_t value); /* a number */
  struct side_bytes (*memory)(struct side *side, uint32_t export_index);        /* valid until code runs */
  uint64_t (*table_size)(struct side *side, uint32_t export_index);
  uint64_t (*table_element)(struct side *side, uint32_t export_index, uint64_t at);
  void (*set_table_function)(struct side *side, uint32_t export_index, uint64_t at, uint32_t function_export);
  void (*drop)(struct side *side);
  void (*free)(struct side *side);
};

/* NULL after a message. */
struct side *side_cay_new(bool explicit_bounds);
struct side *side_reference_new(const char *library_path);

/* ---- What all sides' imports are ------------------------------------------------------------------------------- */

/* A number that looks random: the same for the same arguments. */
uint64_t side_mix(uint64_t a, uint64_t b);
/* A value of `type` drawn from `random`: small, extreme and arbitrary numbers; null or, for externref, a number. */
uint64_t side_value(module_type type, uint64_t random);
/* What an imported global starts with. */
uint64_t side_import_global(uint32_t index, module_type type);
/* For a new instance. */
void side_reset(struct side *side);
/* An imported function: sometimes calls an export, whatever comes of it, then replaces the arguments by results.
 * False: it traps. */
bool side_import_call(struct side *side, uint32_t func, const struct module_func_type *type, uint64_t *slots);

static inline const struct module_func_type *side_func_type(const struct side *side, uint32_t func) {
  return &side->module->types[side->module->funcs[func].type];
}

#endif
