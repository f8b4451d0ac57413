/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* `cay cache`: what is in the folder of kept code. The folder is not made here: where there is none, nothing is in it. Each
 * verb has a row in `verbs`; list and verify read and check every file, as a run would before it used it. */
#include "cli/cli.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

struct listing {
  const struct policy_settings *settings;
  struct base_text *out;
  size_t count, damaged;
};

static void add_day(int64_t seconds, struct base_text *out) {
  struct tm day;
  time_t at = (time_t)seconds;
  char text[32] = "?";
  if (gmtime_r(&at, &day)) strftime(text, sizeof text, "%Y-%m-%d %H:%M", &day);
  base_text_addz(out, text);
}

static void list_text(struct listing *listing, const struct api_cache_entry *entry) {
  struct base_text *out = listing->out;
  base_text_format(out, "%.16s  %10" PRIu64 " bytes  used ", entry->problem ? entry->name : entry->module,
                   entry->len_bytes);
  add_day(entry->used_s, out);
  if (entry->problem)
    base_text_format(out, "  not usable: %s\n", entry->problem);
  else
    base_text_format(out, "  %s%" PRIu32 " functions%s\n", entry->is_part ? "part of " : "", entry->functions,
                     entry->is_current ? "" : ", of another build of cay");
}

static void list_json(struct listing *listing, const struct api_cache_entry *entry) {
  struct base_text *out = listing->out;
  base_text_addz(out, listing->count > 1 ? ",{\"file\":" : "{\"file\":");
  base_text_add_json(out, entry->name, strlen(entry->name));
  base_text_format(out, ",\"bytes\":%" PRIu64 ",\"used\":%" PRId64, entry->len_bytes, entry->used_s);
  if (entry->problem) {
    base_text_addz(out, ",\"ok\":false,\"problem\":");
    base_text_add_json(out, entry->problem, strlen(entry->problem));
  } else {
    base_text_format(out, ",\"ok\":true,\"module\":\"%s\",\"functions\":%" PRIu32 ",\"part\":%s,\"current\":%s",
                     entry->module, entry->functions, entry->is_part ? "true" : "false",
                     entry->is_current ? "true" : "false");
  }
  base_text_addz(out, "}");
}

static void list_one(void *env, const struct api_cache_entry *entry) {
  struct listing *listing = env;
  listing->count++;
  listing->damaged += entry->problem != NULL;
  (cli_wants_json(listing->settings) ? list_json : list_text)(listing, entry);
}

static int fail(const struct cay_error *error) {
  cli_say_error(NULL, error);
  return POLICY_EXIT_USAGE;
}

static int list(const struct policy_settings *settings, struct api_cache *cache) {
  struct cay_error error;
  struct base_text out = {0};
  struct listing listing = {.settings = settings, .out = &out};
  bool json = cli_wants_json(settings);
  if (json) base_text_addz(&out, "[");
  if (cache && api_cache_each(cache, list_one, &listing, &error)) {
    base_text_deinit(&out);
    return fail(&error);
  }
  if (json) base_text_addz(&out, "]\n");
  return out.len_bytes ? cli_print(&out, 0) : 0;
}

static void verify_one(void *env, const struct api_cache_entry *entry) {
  struct listing *listing = env;
  listing->count++;
  listing->damaged += entry->problem != NULL;
  if (entry->problem) cli_say("%s: %s", entry->name, entry->problem);
}

static int verify(const struct policy_settings *settings, struct api_cache *cache) {
  struct cay_error error;
  struct base_text out = {0};
  struct listing listing = {.settings = settings};
  if (cache && api_cache_each(cache, verify_one, &listing, &error)) return fail(&error);
  if (cli_wants_json(settings))
    base_text_format(&out, "{\"files\":%zu,\"damaged\":%zu}\n", listing.count, listing.damaged);
  else
    base_text_format(&out, "%zu of %zu files are whole\n", listing.count - listing.damaged, listing.count);
  if (listing.damaged) cli_say_more("what is not is never used, and is written anew when a run needs it");
  return cli_print(&out, listing.damaged ? POLICY_EXIT_FAILED : 0);
}

static int clear(const struct policy_settings *settings, struct api_cache *cache) {
  struct cay_error error;
  struct base_text out = {0};
  size_t count = 0;
  if (cache && api_cache_clear(cache, &count, &error)) return fail(&error);
  base_text_format(&out, cli_wants_json(settings) ? "{\"removed\":%zu}\n" : "%zu files removed\n", count);
  return cli_print(&out, 0);
}

static int wait(const struct policy_settings *settings, struct api_cache *cache) {
  struct cay_error error;
  (void)settings;
  return cache && api_cache_wait(cache, &error) ? fail(&error) : 0;
}

static const struct {
  const char *name;
  int (*run)(const struct policy_settings *settings, struct api_cache *cache); /* NULL: there is none, or not yet */
} verbs[] = {{"list", list}, {"clear", clear}, {"verify", verify}, {"wait", wait}};

static int find_verb(const struct policy_texts *operands, size_t *out) {
  for (size_t i = 0; operands->count == 1 && i < BASE_ARRAY_LEN(verbs); i++)
    if (strcmp(operands->items[0], verbs[i].name) == 0) {
      *out = i;
      return -1;
    }
  return cli_wrong_use("write: cay cache list, clear, verify or wait");
}

int cli_cache(struct cli_words words) {
  struct policy_settings settings;
  struct policy_texts operands = {0};
  struct cay_error error;
  struct api_cache *cache = NULL;
  size_t verb = 0;
  int code = cli_parse(&settings, POLICY_COMMAND_CACHE, words, &operands);
  if (code < 0) code = find_verb(&operands, &verb);
  if (code < 0 && api_cache_open(settings.cache, environ, false, &cache, &error)) code = fail(&error);
  if (code < 0) code = verbs[verb].run(&settings, cache);
  api_cache_close(cache);
  BASE_VEC_DEINIT(&operands);
  policy_settings_deinit(&settings);
  return code;
}
