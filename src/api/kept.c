/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Files of `cay compile`: making them, and running their code. tiers/kept.c has the format.
 *
 * Such a file holds the module, which any cay can run, and code for one build of cay and one kind of processor. Opening it
 * gives back the module, and beside it the code, or why that cannot be used; nothing about the code is an error. */
#include "api/cache.h"

struct api_kept {
  struct base_file file; /* the whole file, into which `code` points */
  struct tiers_kept code;
};

bool api_kept_is(const struct base_file *file) { return tiers_kept_is(file->bytes, file->len_bytes); }

static enum cay_status take_module(const struct api_kept *kept, struct base_file *out, struct cay_error *error) {
  const struct tiers_kept *code = &kept->code;
  *out = (struct base_file){.bytes = code->module, .len_bytes = code->module_bytes, .stays = true};
  if (kept->file.stays) return CAY_OK;
  uint8_t *bytes = base_alloc(code->module_bytes);
  if (!bytes) return base_error_memory(error);
  memcpy(bytes, code->module, code->module_bytes);
  *out = (struct base_file){.bytes = bytes, .len_bytes = code->module_bytes};
  return CAY_OK;
}

enum cay_status api_kept_open(struct base_file *file, struct api_kept **out, struct cay_error *why,
                              struct cay_error *error) {
  struct base_file module = {0};
  struct api_kept *kept = base_alloc_zero(1, sizeof *kept);
  *out = NULL;
  *why = (struct cay_error){.status = CAY_OK};
  if (!kept) return base_error_memory(error);
  kept->file = *file;
  *file = (struct base_file){0};
  enum cay_status status = tiers_kept_read(kept->file.bytes, kept->file.len_bytes, &kept->code, why);
  if (!status && kept->code.answer_count == 0)
    base_error_set(why, CAY_ERROR_UNSUPPORTED, "there is no machine code in it");
  else if (!status)
    tiers_kept_runs(&kept->code, why);
  if (kept->code.module)
    status = take_module(kept, &module, error);
  else
    status =
        base_error_set(error, CAY_ERROR_MALFORMED, "this is a file of cay compile, and the module in it is damaged");
  if (status) {
    api_kept_free(kept);
    return status;
  }
  *file = module;
  *out = kept;
  return CAY_OK;
}

enum cay_status api_keep_module(const cay_module *handle, struct base_text *out, struct cay_error *error) {
  struct tiers_kept kept = {.module = handle->module->bytes, .module_bytes = handle->module->len_bytes};
  uint8_t head[TIERS_KEPT_HEAD_BYTES];
  tiers_kept_build(kept.key.build);
  tiers_kept_head(&kept, head);
  base_text_add(out, (const char *)head, sizeof head);
  base_text_add(out, (const char *)kept.module, kept.module_bytes);
  return out->failed ? base_error_memory(error) : CAY_OK;
}

const char *api_kept_cpu(const struct api_kept *kept) {
  return kept->code.answer_count ? tiers_cpu_name((enum tiers_cpu)kept->code.key.cpu) : NULL;
}

void api_kept_free(struct api_kept *kept) {
  if (!kept) return;
  base_file_deinit(&kept->file);
  base_free(kept);
}

#if TIERS_RUNS_OPTIMIZED

enum cay_status api_run_use_kept(cay_run *run, struct api_kept *kept, const char *where, struct cay_error *error) {
  const struct module *module = NULL;
  struct tiers_kept_key wanted;
  api_run_modules(run, 0, &module);
  const struct tiers_kept_key *has = &kept->code.key;
  const struct engine_code_options *options = api_run_code_options(run);
  bool fits = tiers_optimized_key(module, has->module, options, has->cpu, has->level, &wanted) &&
              memcmp(&wanted, has, sizeof wanted) == 0;
  kept->code.where = where;
  /* What does not fit is offered, too, and then not taken: so that nobody is asked for other code. */
  struct tiers_offer offer = {.module = (struct module *)(uintptr_t)module, .key = *has, .kept = &kept->code};
  if (!tiers_optimized_offer(&offer)) return base_error_memory(error);
  return fits ? CAY_OK
              : base_error_set(error, CAY_ERROR_UNSUPPORTED, "its code was made for other options of how it is run");
}

void api_run_forget_kept(void) {
  tiers_optimized_forget();
  cache_forget();
}

void api_run_set_jobs(cay_run *run, unsigned jobs) {
  const struct module *module;
  size_t largest = 0;
  for (size_t i = 0; i < api_run_modules(run, i, &module); i++)
    if (module->len_bytes > largest) largest = module->len_bytes;
  tiers_optimized_jobs(jobs, largest);
}

#else

enum cay_status api_run_use_kept(cay_run *run, struct api_kept *kept, const char *where, struct cay_error *error) {
  (void)run, (void)kept, (void)where;
  return base_error_set(error, CAY_ERROR_UNSUPPORTED, "this build of cay has no tier \"optimized\"");
}

void api_run_forget_kept(void) {}

void api_run_set_jobs(cay_run *run, unsigned jobs) { (void)run, (void)jobs; }

#endif

/* ---- Making ------------------------------------------------------------------------------------------------------------ */

#if TIERS_HAS_OPTIMIZER

struct making {
  const struct api_compile *how;
  struct base_text *out;
  struct tiers_kept kept;
  struct api_compiled *counts;
};

static bool keep(void *env, const struct tiers_answer *answer) {
  struct making *making = env;
  uint8_t head[TIERS_KEPT_ANSWER_HEAD_BYTES];
  tiers_kept_answer_head(answer->bytes, answer->len_bytes, head);
  base_text_add(making->out, (const char *)head, sizeof head);
  base_text_add(making->out, (const char *)answer->bytes, answer->len_bytes);
  making->kept.answer_count++;
  making->kept.answers_bytes += sizeof head + answer->len_bytes;
  making->counts->optimized += answer->optimized;
  making->counts->refused += answer->refused;
  const struct api_compile *how = making->how;
  if (how->progress)
    how->progress(how->env, making->counts->optimized + making->counts->refused, making->counts->functions);
  return !making->out->failed;
}

static enum cay_status choose_cpu(const struct api_compile *how, enum tiers_cpu *out, struct cay_error *error) {
  enum tiers_cpu base = how->target ? tiers_target_find(how->target) : tiers_processor_base;
  bool is_portable = how->cpu ? strcmp(how->cpu, "portable") == 0 : base != tiers_processor_base;
  if (base == TIERS_CPU_COUNT)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "there is no target \"%s\"", how->target);
  *out = is_portable ? base : how->cpu ? tiers_cpu_find(how->cpu) : TIERS_CPU_NATIVE;
  if (*out == TIERS_CPU_COUNT)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "there is no processor \"%s\"", how->cpu);
  if (tiers_cpu_base(*out) != base)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "the processor \"%s\" is none of %s", how->cpu,
                          how->target ? how->target : "this machine's kind; --target says which");
  return CAY_OK;
}

enum cay_status api_compile(cay_engine *engine, const cay_module *handle, const struct api_compile *how,
                            struct base_text *out, struct api_compiled *counts, struct cay_error *error) {
  const struct module *module = handle->module;
  uint8_t digest[BASE_SHA256_BYTES], head[TIERS_KEPT_HEAD_BYTES] = {0};
  enum tiers_cpu cpu;
  struct making making = {.how = how, .out = out, .counts = counts};
  enum cay_status status = choose_cpu(how, &cpu, error);
  if (status) return status;
  tiers_optimized_jobs(how->jobs, module->len_bytes);
  base_sha256_of(module->bytes, module->len_bytes, digest);
  *counts = (struct api_compiled){.functions = module->func_count - module->imported_func_count};
  making.kept.module = module->bytes;
  making.kept.module_bytes = module->len_bytes;
  base_text_add(out, (const char *)head, sizeof head);
  base_text_add(out, (const char *)module->bytes, module->len_bytes);
  if (tiers_optimized_key(module, digest, &engine->code_options, cpu, how->level, &making.kept.key))
    status = tiers_optimized_make(module, &making.kept.key, keep, &making, error);
  if (out->failed) status = base_error_memory(error);
  if (status) return status;
  tiers_kept_head(&making.kept, head);
  memcpy(out->bytes, head, sizeof head);
  return CAY_OK;
}

#else

enum cay_status api_compile(cay_engine *engine, const cay_module *module, const struct api_compile *how,
                            struct base_text *out, struct api_compiled *counts, struct cay_error *error) {
  (void)engine, (void)module, (void)how, (void)out, (void)counts;
  return base_error_set(
      error, CAY_ERROR_UNSUPPORTED,
      "this build of cay cannot compile ahead of time: it has no tier \"optimized\", which is for x86-64 "
      "and needs LLVM (docs/optimizer.md)");
}

#endif
