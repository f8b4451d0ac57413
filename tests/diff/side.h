/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* One implementation of WebAssembly in the differential test: it says whether it accepts a module, and runs one
 * instance at a time. There are several: each tier of cay with guard pages and with explicit bounds, and the reference.
 *
 * Exports are numbered as in the module. A reference is compared by what can be seen of it from outside: its kind and,
 * as a digest, what it holds. */
#ifndef TESTS_DIFF_SIDE_H
#define TESTS_DIFF_SIDE_H

#include "module/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What both sides run. What cay runs in addition, the legacy form of exceptions, is translated for the reference. */
#define SIDE_FEATURES (MODULE_FEATURES_RUNNABLE & ~MODULE_FEATURE_BIT(LEGACY_EXCEPTIONS))

#define SIDE_OUTCOMES(X)                                                                             \
  X(DONE)                                                                                            \
  X(UNREACHABLE)                                                                                     \
  X(MEMORY_BOUNDS)                                                                                   \
  X(TABLE_BOUNDS)                                                                                    \
  X(NULL_ELEMENT)                                                                                    \
  X(CALL_TYPE)                                                                                       \
  X(INTEGER_OVERFLOW)                                                                                \
  X(DIVIDE_BY_ZERO)                                                                                  \
  X(INVALID_CONVERSION)                                                                              \
  X(STACK_EXHAUSTED)                                                                                 \
  X(NULL_REFERENCE)                                                                                  \
  X(ARRAY_BOUNDS) X(CAST) X(UNALIGNED_ATOMIC) X(UNSHARED_WAIT) X(EXCEPTION) /* that nobody caught */ \
      X(HEAP_EXHAUSTED) X(HOST)                                             /* an import trapped */  \
      X(REFUSED) /* neither done nor a trap the test knows: `reason` tells */
enum side_outcome {
#define X(NAME) SIDE_##NAME,
  SIDE_OUTCOMES(X)
#undef X
      SIDE_OUTCOME_COUNT
};

enum side_value_kind {
  SIDE_NUMBER, /* the bits, zero-extended; two words for a vector */
  SIDE_NULL,
  SIDE_FOREIGN,   /* the test's: a number other than 0 */
  SIDE_I31,       /* 31 bits */
  SIDE_FUNCTION,  /* the first export that it is, or SIDE_NO_EXPORT */
  SIDE_STRUCT,    /* a digest of its fields */
  SIDE_ARRAY,     /* a digest of its length and elements */
  SIDE_THROWN,    /* an exception: a digest of its tag and arguments */
  SIDE_OF_GLOBAL, /* only given to a side: what the exported global holds, bits[0] the export */
};
#define SIDE_NO_EXPORT UINT64_MAX
struct side_value {
  enum side_value_kind kind;
  uint64_t bits[2];
};

struct side_bytes {
  const uint8_t *base;
  uint64_t len_bytes;
};

struct side {
  char name[32];
  const struct side_kind *kind;
  struct module *module;     /* what is instantiated, as cay reads it; for types and exports */
  uint64_t import_calls;     /* since instantiation began */
  uint64_t import_digest;    /* of all these calls' functions and arguments, and of what they call */
  uint64_t exception_digest; /* of what nobody caught last */
  char frames[128];          /* where in the module the last trap's calls stood; only of cay's sides */
  bool has_exports;          /* imports may use them */
  bool is_stressed;          /* a heap that can be stressed collects at every allocation */
  int depth;                 /* of calls of exports by imports now */
  bool stack_ended;          /* in one of them */
  char reason[CAY_ERROR_TEXT_BYTES];
  bool refuses_proposal; /* what was refused last belongs to a proposal that is off */
};

struct side_kind {
  bool (*accepts)(struct side *side, const uint8_t *bytes, size_t len_bytes);
  /* Imports are made anew, see side_import_*. Whatever the outcome, drop ends it. */
  enum side_outcome (*instantiate)(struct side *side, const uint8_t *bytes, size_t len_bytes);
  enum side_outcome (*call)(struct side *side, uint32_t export_index, const struct side_value *args,
                            struct side_value *results);
  struct side_value (*global)(struct side *side, uint32_t export_index);
  void (*set_global)(struct side *side, uint32_t export_index, uint32_t value);
  struct side_bytes (*memory)(struct side *side, uint32_t export_index); /* valid until code runs */
  uint64_t (*table_size)(struct side *side, uint32_t export_index);
  struct side_value (*table_element)(struct side *side, uint32_t export_index, uint64_t at);
  void (*set_table_function)(struct side *side, uint32_t export_index, uint64_t at, uint32_t function_export);
  void (*drop)(struct side *side);
  void (*free)(struct side *side);
};

/* NULL after a message. */
struct engine_tier;
struct side *side_cay_new(const struct engine_tier *tier, bool is_checked); /* explicit bounds, a heap to be stressed */
/* The optimizing tier with about half of the functions in the baseline, others in each module. */
struct side *side_cay_mixed(const struct engine_tier *tier);
struct side *side_reference_new(const char *library_path);

/* ---- Values ----------------------------------------------------------------------------------------------------- */

/* A number that looks random: the same for the same arguments. */
uint64_t side_mix(uint64_t a, uint64_t b);
uint64_t side_value_digest(struct side_value value);
bool side_value_equal(struct side_value a, struct side_value b);
/* How much of what hangs together is seen: values, in the order of a walk in depth. */
enum { SIDE_WALK_VALUES = 100, SIDE_WALK_DEPTH = 6, SIDE_WALK_ELEMENTS = 16 };

/* The reference types fall into four hierarchies; null is one of each. */
enum side_hierarchy { SIDE_ANY, SIDE_EXTERN, SIDE_FUNC, SIDE_EXN };
enum side_hierarchy side_hierarchy(const struct module *module, module_type type);

/* A value of `type` drawn from `random`: small, extreme and arbitrary numbers, null, references that the test makes,
 * and what exported globals hold. False: none is known. */
bool side_value(const struct side *side, module_type type, uint64_t random, struct side_value *out);

/* ---- What all sides' imports are ------------------------------------------------------------------------------- */

/* What an imported global and the elements of an imported table start with. False: not known. */
bool side_import_global(const struct side *side, uint32_t index, struct side_value *out);
bool side_import_element(const struct side *side, uint32_t table, struct side_value *out);
/* For a new instance. */
void side_reset(struct side *side);
enum side_import { SIDE_RETURNS, SIDE_TRAPS, SIDE_THROWS };
/* An imported function: sometimes calls an export, whatever comes of it, then makes results of the arguments, or throws
 * an exception of the exported tag `*tag_export`, whose arguments it makes. `made` has SIDE_MADE_VALUES. */
enum { SIDE_MADE_VALUES = 2048 };
enum side_import side_import_call(struct side *side, uint32_t func, const struct side_value *args,
                                  struct side_value *made, uint32_t *tag_export);
/* Of the tag that is exported. */
const struct module_func_type *side_tag_type(const struct side *side, uint32_t tag_export);

const struct module_func_type *side_func_type(const struct side *side, uint32_t func);

#endif
