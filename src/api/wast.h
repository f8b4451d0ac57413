/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the files of the script runner share. */
#ifndef API_WAST_H
#define API_WAST_H

#include "api/json.h"
#include "api/parts.h"

/* ---- Values (wast_values.c) ------------------------------------------------------------------------------------------ */

/* Writes the argument that `value` describes, which must be of `type`, into its slots. In both functions `instance` is
 * whose types an index in `type` means; NULL when there can be none. */
bool api_wast_arg(const struct api_json_table *json, const struct api_json *value,
                  const struct engine_instance *instance, module_type type, uint64_t *slots);
/* Whether the value in the slots is one that `expected` allows: exact bits, kinds of NaN, any reference of a kind. */
bool api_wast_matches(const struct api_json_table *json, const struct api_json *expected,
                      const struct engine_instance *instance, module_type type, const uint64_t *slots);
/* Adds what is expected, for a message. */
void api_wast_expected_text(const struct api_json_table *json, const struct api_json *expected, struct base_text *out);

/* ---- The module "spectest" (wast_spectest.c) --------------------------------------------------------------------------- */

enum cay_status api_wast_define_spectest(struct engine_store *store, struct engine_linker *linker,
                                         module_features features, struct cay_error *error);

#endif
