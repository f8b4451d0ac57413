/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Settings from several places put on top of each other: command line, environment, manifest, approval; and whether the
 * whole of them makes sense. */
#include "policy/parts.h"

static const size_t scalar_bytes[] = {
    [POLICY_FLAG] = sizeof(policy_FLAG),
    [POLICY_TEXT] = sizeof(policy_TEXT),
    [POLICY_PATH] = sizeof(policy_PATH),
    [POLICY_SIZE] = sizeof(policy_SIZE),
    [POLICY_COUNT] = sizeof(policy_COUNT),
    [POLICY_DURATION] = sizeof(policy_DURATION),
    [POLICY_CHOICE] = sizeof(policy_CHOICE),
    [POLICY_KEYS] = sizeof(policy_KEYS),
    [POLICY_ACTION] = sizeof(policy_ACTION),
    [POLICY_TEXTS] = 0,
    [POLICY_PATHS] = 0,
    [POLICY_GRANTS] = 0,
};

const char *policy_guest_part(const char *grant, size_t *len_bytes) {
  const char *guest = strstr(grant, "::");
  const char *options = guest ? strstr(guest + 2, "::") : NULL;
  guest = guest ? guest + 2 : grant;
  *len_bytes = options ? (size_t)(options - guest) : strlen(guest);
  return guest;
}

/* What makes two values of a list the same: of grants their guest path, of others all of it. The caller frees it. */
static char *key_of(enum policy_option option, const char *text) {
  bool is_grant = policy_options[option].kind == POLICY_GRANTS;
  size_t len_bytes = strlen(text);
  const char *part = is_grant ? policy_guest_part(text, &len_bytes) : text;
  char *key = base_string_copy(part, len_bytes);
  if (key && is_grant) policy_path_clean(key);
  return key;
}

/* Marks what is not in `above`, and is not to be repeated. False: memory is out. */
static bool choose(enum policy_option option, const struct policy_texts *above, const struct policy_texts *below,
                   bool *kept) {
  struct policy_set keys = {0};
  bool good = true;
  for (size_t i = 0; good && i < above->count; i++) {
    BASE_AUTO_FREE char *key = key_of(option, above->items[i]);
    good = key && policy_set_add(&keys, key);
  }
  for (size_t i = 0; good && i < below->count; i++) {
    BASE_AUTO_FREE char *key = key_of(option, below->items[i]);
    good = key != NULL;
    kept[i] = good && !policy_set_has(&keys, key);
  }
  policy_set_deinit(&keys);
  return good;
}

/* Puts the lower values in front of the texts, origins likewise; `kept` says which. */
static bool put_in_front(struct policy_texts *texts, const struct policy_texts *lower, const bool *kept) {
  size_t count = 0, at = 0;
  for (size_t i = 0; i < lower->count; i++) count += kept[i];
  if (!count) return true;
  if (!BASE_VEC_RESERVE(texts, texts->count + count)) return false;
  memmove(texts->items + count, texts->items, texts->count * sizeof *texts->items);
  for (size_t i = 0; i < lower->count; i++)
    if (kept[i]) texts->items[at++] = lower->items[i];
  texts->count += count;
  return true;
}

static bool join_list(struct policy_settings *settings, const struct policy_settings *lower,
                      enum policy_option option) {
  struct policy_texts *texts = (void *)((char *)settings + policy_options[option].field);
  const struct policy_texts *below = (const void *)((const char *)lower + policy_options[option].field);
  if (!below->count) return true;
  BASE_AUTO_FREE bool *kept = base_alloc_zero(below->count, sizeof *kept);
  if (!kept || !choose(option, texts, below, kept)) return false;
  return put_in_front(texts, below, kept) && put_in_front(&settings->origins[option], &lower->origins[option], kept);
}

static bool join_scalar(struct policy_settings *settings, const struct policy_settings *lower,
                        enum policy_option option) {
  const struct policy_option_row *row = &policy_options[option];
  if (policy_is_given(settings, option) || !policy_is_given(lower, option)) return true;
  const char **origin = BASE_VEC_PUSH(&settings->origins[option]);
  if (!origin) return false;
  *origin = policy_origin(lower, option, 0);
  memcpy((char *)settings + row->field, (const char *)lower + row->field, scalar_bytes[row->kind]);
  return true;
}

enum cay_status policy_settings_join(struct policy_settings *settings, const struct policy_settings *lower,
                                     struct cay_error *error) {
  bool good = true;
  for (enum policy_option option = 0; good && option < POLICY_OPTION_COUNT; option++)
    good = policy_kind_is_list(policy_options[option].kind) ? join_list(settings, lower, option)
                                                            : join_scalar(settings, lower, option);
  return good ? CAY_OK : base_error_memory(error);
}

/* ---- Values that exclude each other --------------------------------------------------------------------------------- */

static enum cay_status refuse(const struct policy_settings *settings, enum policy_option option, const char *why,
                              struct cay_error *error) {
  base_error_set(error, CAY_ERROR_ARGUMENT, "%s", why);
  policy_error_origin(settings, option, 0, error);
  return CAY_ERROR_ARGUMENT;
}

enum cay_status policy_settings_check(const struct policy_settings *settings, bool is_whole, struct cay_error *error) {
  bool is_set = settings->deterministic;
  if (is_set && settings->clock)
    return refuse(settings, POLICY_OPTION_CLOCK,
                  "a --deterministic run has clocks of its own; leave one of the two out", error);
  if (is_set && settings->random)
    return refuse(settings, POLICY_OPTION_RANDOM,
                  "the random bytes of a --deterministic run follow from --seed; leave one of the two out", error);
  if (is_whole && !is_set && settings->seed != POLICY_NOT_GIVEN)
    return refuse(settings, POLICY_OPTION_SEED,
                  "only a --deterministic run has a seed; for random bytes alone: --random seed=N", error);
  return CAY_OK;
}
