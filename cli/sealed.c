/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The start of a bundle: what `cay bundle` has sealed in this very file becomes the settings and the module of a run.
 *
 * Nothing else has a say: no option, no variable of cay's, no manifest beside it, no approval; and nothing is loaded from where
 * it happens to lie, neither libraries nor the helper of the optimizing tier. Its machine code is trusted as the file is, which
 * somebody chose to execute. Code that is for another kind of processor is left, and the baseline makes its own.
 *
 * Invariant: a bundle with one wrong byte behind the command's own runs nothing. */
#include "cli/run.h"

static int fail(const struct cli_session *session, const struct cay_error *error) {
  cli_say_error(session->file, error);
  if (error->status == CAY_ERROR_MALFORMED)
    cli_say_more("nothing of it runs; get it again, or make it again: cay bundle");
  if (error->status == CAY_ERROR_SYSTEM) cli_say_more("a bundle reads itself, which takes /proc");
  return error->status == CAY_ERROR_MALFORMED ? POLICY_EXIT_MODULE : POLICY_EXIT_USAGE;
}

static bool has_tier(const char *wanted) {
  const char *name;
  for (unsigned i = 0; (name = api_tier_name(i)); i++)
    if (strcmp(name, wanted) == 0) return true;
  return false;
}

/* Never one that would look for the helper. */
static enum cay_status choose_tier(struct cli_session *session, bool has_code, struct cay_error *error) {
  const char *tier = session->settings.tier;
  bool is_open = !tier || strcmp(tier, "optimized") == 0 || strcmp(tier, "auto") == 0;
  if (has_code && is_open) return policy_set(&session->settings, POLICY_OPTION_TIER, "optimized", error);
  api_kept_free(session->kept);
  session->kept = NULL;
  if (!is_open) return CAY_OK;
  return policy_set(&session->settings, POLICY_OPTION_TIER, has_tier("baseline") ? "baseline" : "interp", error);
}

int cli_unseal(struct cli_session *session) {
  struct cay_error error, why = {.status = CAY_OK};
  struct api_bundle bundle;
  enum cay_status status = api_bundle_read_own(&bundle, &error);
  if (status) return fail(session, &error);
  status = cli_sealed_read(session->file, &bundle.manifest, &session->settings, &error);
  if (!status) status = policy_settings_check(&session->settings, true, &error);
  if (!status) status = api_kept_open(&bundle.kept, &session->kept, &why, &error);
  if (!status && why.status == CAY_ERROR_MALFORMED) {
    error = why;
    status = why.status;
  }
  if (!status) {
    session->read = bundle.kept;
    bundle.kept = (struct base_file){0};
    status = choose_tier(session, why.status == CAY_OK, &error);
  }
  api_bundle_deinit(&bundle);
  return status ? fail(session, &error) : -1;
}

enum cay_status cli_sealed_read(const char *file, const struct base_file *text, struct policy_settings *settings,
                                struct cay_error *error) {
  const struct policy_manifest manifest = {
      .name = file, .prefix = "sealed in ", .bytes = text->bytes, .len_bytes = text->len_bytes};
  return policy_manifest_read(settings, &manifest, error);
}
