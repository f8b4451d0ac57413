/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The library as a whole, engines and their configuration, tiers and proposals by name. */
#include <assert.h>
#include <stdio.h>

#include "api/parts.h"

const char *cay_version(void) { return CAY_VERSION; }

const char *cay_status_name(enum cay_status status) {
  switch (status) {
  case CAY_OK: return "ok";
  case CAY_ERROR_MEMORY: return "out-of-memory";
  case CAY_ERROR_ARGUMENT: return "argument";
  case CAY_ERROR_MALFORMED: return "malformed";
  case CAY_ERROR_INVALID: return "invalid";
  case CAY_ERROR_UNSUPPORTED: return "unsupported";
  case CAY_ERROR_LIMIT: return "limit";
  case CAY_ERROR_LINK: return "link";
  case CAY_ERROR_TRAP: return "trap";
  case CAY_ERROR_EXIT: return "exit";
  case CAY_ERROR_INTERRUPTED: return "interrupted";
  case CAY_ERROR_DENIED: return "denied";
  case CAY_ERROR_SYSTEM: return "system";
  }
  return "unknown";
}

/* An embedder's first object and last: what is there in between was allocated by one allocator. */
static atomic_size_t engine_count;

void cay_set_allocator(const cay_allocator *allocator) {
  assert(atomic_load(&engine_count) == 0 && "the allocator is replaced before the first engine, or after the last");
  if (!allocator) {
    base_allocator_set(NULL);
    return;
  }
  struct base_allocator inner = {allocator->resize, allocator->owner};
  base_allocator_set(&inner);
}

/* ---- Tiers and proposals ---------------------------------------------------------------------------------------------- */

const char *api_tier_name(unsigned index) {
  unsigned at = 0;
  while (at < index && tiers_all[at]) at++;
  return tiers_all[at] ? tiers_all[at]->name : NULL;
}

const char *api_tier_default(void) { return tiers_fastest()->name; }

const struct engine_tier *api_tier_find(const char *name, struct cay_error *error) {
  if (!name) return tiers_default();
  char list[128] = "";
  for (size_t i = 0; tiers_all[i]; i++) {
    if (strcmp(tiers_all[i]->name, name) == 0) return tiers_all[i];
    size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", tiers_all[i]->name);
  }
  char printable[64];
  base_error_set(error, CAY_ERROR_ARGUMENT, "there is no tier \"%s\"; this build has: %s",
                 base_printable(printable, sizeof printable, name, strlen(name)), list);
  return NULL;
}

const char *api_proposal(unsigned index, bool *runs, bool *is_default) {
  if (index >= MODULE_FEATURE_COUNT) return NULL;
  *runs = MODULE_FEATURES_RUNNABLE >> index & 1;
  *is_default = MODULE_FEATURES_DEFAULT >> index & 1;
  return module_feature_name((enum module_feature)index);
}

static const struct {
  const char *name;
  module_features features;
} feature_sets[] = {
    {"1.0", MODULE_FEATURES_1_0},       {"2.0", MODULE_FEATURES_2_0},         {"3.0", MODULE_FEATURES_3_0},
    {"latest", MODULE_FEATURES_LATEST}, {"default", MODULE_FEATURES_DEFAULT}, {"all", MODULE_FEATURES_LATEST},
};

/* Applies one word of a list. */
static bool feature_apply(const char *word, size_t len, module_features *features) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(feature_sets); i++)
    if (strlen(feature_sets[i].name) == len && memcmp(feature_sets[i].name, word, len) == 0) {
      *features = feature_sets[i].features;
      return true;
    }
  bool off = word[0] == '-';
  size_t sign = off || word[0] == '+';
  word += sign;
  len -= sign;
  for (unsigned i = 0; i < MODULE_FEATURE_COUNT; i++) {
    const char *name = module_feature_name((enum module_feature)i);
    if (strlen(name) != len || memcmp(name, word, len) != 0) continue;
    *features = module_features_switch(*features, (enum module_feature)i, !off);
    return true;
  }
  return false;
}

enum cay_status api_proposals_parse(const char *list, uint64_t *proposals, struct cay_error *error) {
  module_features features = *proposals == API_PROPOSALS_DEFAULT ? MODULE_FEATURES_DEFAULT : *proposals;
  for (const char *word = list; *word; word += strspn(word, ", ")) {
    size_t len = strcspn(word, ", ");
    if (len > 0 && !feature_apply(word, len, &features)) {
      char printable[40];
      base_error_set(error, CAY_ERROR_ARGUMENT, "there is no proposal \"%s\"; there are 1.0, 2.0, 3.0, latest, default",
                     base_printable(printable, sizeof printable, word, len));
      for (unsigned i = 0; error && i < MODULE_FEATURE_COUNT; i++) {
        size_t used = strlen(error->text);
        snprintf(error->text + used, sizeof error->text - used, ", %s", module_feature_name((enum module_feature)i));
      }
      return CAY_ERROR_ARGUMENT;
    }
    word += len;
  }
  *proposals = features;
  return CAY_OK;
}

/* ---- Engines ------------------------------------------------------------------------------------------------------------ */

static_assert(MODULE_FEATURE_COUNT < 64, "API_PROPOSALS_DEFAULT is no set of proposals");
static const struct cay_engine_config default_config = {.features = MODULE_FEATURES_DEFAULT};

enum cay_status cay_engine_config_new(cay_engine_config **out, struct cay_error *error) {
  cay_engine_config *config = base_alloc(sizeof *config);
  if (!config) return base_error_memory(error);
  *config = default_config;
  *out = config;
  return CAY_OK;
}

void cay_engine_config_free(cay_engine_config *config) {
  api_engine_config_deinit(config);
  base_free(config);
}

enum cay_status cay_engine_config_set_tier(cay_engine_config *config, const char *tier, struct cay_error *error) {
  const struct engine_tier *found = api_tier_find(tier, error);
  if (!found) return CAY_ERROR_ARGUMENT;
  config->tier = found;
  return CAY_OK;
}

void cay_engine_config_set_stack_bytes(cay_engine_config *config, size_t stack_bytes) {
  config->stack_bytes = stack_bytes;
}

void cay_engine_config_set_explicit_bounds(cay_engine_config *config, bool explicit_bounds) {
  config->explicit_bounds = explicit_bounds;
}

void cay_engine_config_set_deterministic_relaxed_simd(cay_engine_config *config, bool deterministic) {
  config->deterministic_relaxed_simd = deterministic;
}

void cay_engine_config_set_canonical_nans(cay_engine_config *config, bool canonical) {
  config->canonical_nans = canonical;
}

void cay_engine_config_set_fuel(cay_engine_config *config, bool counts) { config->fuel = counts; }

enum cay_status cay_engine_config_set_proposals(cay_engine_config *config, const char *list, struct cay_error *error) {
  return api_proposals_parse(list, &config->features, error);
}

enum cay_status cay_engine_new(const cay_engine_config *config, cay_engine **out, struct cay_error *error) {
  if (!config) config = &default_config;
  cay_engine *engine = base_alloc_zero(1, sizeof *engine);
  if (!engine) return base_error_memory(error);
  engine->features = config->features;
  engine->stack_bytes = config->stack_bytes ? config->stack_bytes : ENGINE_STACK_BYTES;
  struct engine_options options = {.tier = config->tier ? config->tier : tiers_default(),
                                   .stack_bytes = config->stack_bytes,
                                   .explicit_bounds = config->explicit_bounds,
                                   .deterministic_relaxed_simd = config->deterministic_relaxed_simd,
                                   .canonical_nans = config->canonical_nans,
                                   .fuel = config->fuel};
  engine->tier = options.tier;
  engine->code_options.explicit_bounds = options.explicit_bounds;
  engine->code_options.deterministic_relaxed_simd = options.deterministic_relaxed_simd;
  engine->code_options.canonical_nans = options.canonical_nans;
  engine->code_options.fuel = options.fuel;
  enum cay_status status = api_keeper_open(config, engine->tier, &engine->keeper, error);
  options.keeper = (const struct engine_keeper *)(const void *)engine->keeper;
  if (status == CAY_OK) status = engine_new(&options, &engine->engine, error);
  if (status != CAY_OK) {
    api_keeper_close(engine->keeper);
    base_free(engine);
    return status;
  }
  atomic_fetch_add(&engine_count, 1);
  *out = engine;
  return CAY_OK;
}

void cay_engine_free(cay_engine *engine) {
  if (!engine) return;
  assert(atomic_load(&engine->run_count) == 0 && "an engine ends after its runs");
  atomic_fetch_sub(&engine_count, 1);
  api_watchdog_end(&engine->watchdog);
  engine_free(engine->engine);
  engine->engine = NULL; /* for who uses it yet */
  api_keeper_close(engine->keeper);
  base_free(engine);
}
