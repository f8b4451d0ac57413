/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the command tells of a run that has ended: what became of its functions. */
#include <assert.h>

#include "api/parts.h"

static const struct engine_instance *own_instance(const cay_run *run) {
  const struct module *module;
  const struct engine_store *store = api_run_store(run);
  const struct engine_instance *at = store ? engine_store_instances(store) : NULL;
  api_run_modules(run, 0, &module);
  while (at && at->module != module) at = at->next;
  return at;
}

void api_run_report(const cay_run *run, struct base_text *out) {
  const struct engine_instance *own = own_instance(run);
  if (own && own->tier->report) own->tier->report(own->code, out);
}

bool api_run_stats(const cay_run *run, struct api_run_stats *out) {
  const struct engine_instance *own = own_instance(run);
  struct engine_code_stats code = {0};
  if (!own) return false;
  if (own->tier->count) own->tier->count(own->code, &code);
  *out = (struct api_run_stats){.tier = own->tier->name,
                                .functions = own->module->func_count - own->module->imported_func_count,
                                .compiled = code.compiled,
                                .optimized = code.optimized,
                                .moves = code.moves,
                                .has_asked = code.has_asked,
                                .helper_end = code.ended ? code.ended->text : NULL,
                                .is_kept = code.kept_where != NULL,
                                .is_part = code.is_part,
                                .code_bytes = own->tier->code_bytes(own->code, false),
                                .compile_ns = code.compile_ns};
  static_assert((int)API_STATS_REASONS == (int)ENGINE_CODE_REASONS, "each has its place");
  for (size_t i = 0; i < API_STATS_REASONS; i++) {
    out->left[i].why = code.left[i].why;
    out->left[i].functions = code.left[i].functions;
  }
  return true;
}
