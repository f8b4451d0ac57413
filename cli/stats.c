/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* --stats: what became of a program's functions, and what it all took. Lines that belong to one message, or one line of JSON with
 * the same. Times are the program's: that a helper computes beside it is nobody's wait. */
#include "cli/run.h"

#include <inttypes.h>
#include <sys/resource.h>

struct stats {
  struct api_run_stats code;
  const char *helper, *cache;
  uint64_t memory_bytes, process_bytes; /* most that the program had; that this process had */
  uint64_t decode_ns, run_ns, cpu_ns;
  uint64_t fuel; /* POLICY_NOT_GIVEN: nobody counted */
};

/* Of a process that compiles with LLVM. */
static const char *helper_word(const struct api_run_stats *code) {
  if (code->helper_end) return code->has_asked ? "ended early" : "not there";
  return code->has_asked ? "asked" : "not needed";
}

static const char *cache_word(const struct cli_session *session, const struct api_run_stats *code) {
  if (code->is_kept && session->kept) return "file"; /* of `cay compile` */
  if (code->is_kept) return code->is_part ? "part" : "hit";
  return session->uses_cache ? "miss" : session->without_cache.status ? "unusable" : "off";
}

static void collect(const struct cli_session *session, struct stats *out) {
  struct rusage usage = {0};
  bool counts_fuel = session->settings.fuel != POLICY_NOT_GIVEN && session->settings.fuel != 0;
  getrusage(RUSAGE_SELF, &usage);
  out->helper = helper_word(&out->code);
  out->cache = cache_word(session, &out->code);
  out->memory_bytes = cay_run_peak(session->run, CAY_LIMIT_MEMORY);
  out->process_bytes = (uint64_t)usage.ru_maxrss * 1024;
  out->decode_ns = session->decode_ns;
  out->run_ns = api_run_wall_ns(session->run);
  out->cpu_ns = api_run_cpu_ns(session->run);
  out->fuel = counts_fuel ? cay_run_used(session->run, CAY_LIMIT_FUEL) : POLICY_NOT_GIVEN;
}

/* ---- For people -------------------------------------------------------------------------------------------------------- */

static double ms(uint64_t ns) { return (double)ns / 1e6; }

static void add_functions(const struct api_run_stats *code, struct base_text *out) {
  base_text_format(out, "functions: %" PRIu32 ", %" PRIu32 " compiled when called, %" PRIu32 " optimized",
                   code->functions, code->compiled, code->optimized);
  if (code->moves) base_text_format(out, ", to which running ones moved %" PRIu32 " times", code->moves);
  for (size_t i = 0; i < API_STATS_REASONS && code->left[i].why; i++)
    base_text_format(out, "; %" PRIu32 " not for %s", code->left[i].functions, code->left[i].why);
}

static void add_text(const struct cli_session *session, const struct stats *stats, struct base_text *out) {
  const struct api_run_stats *code = &stats->code;
  base_text_format(out, "%s: tier %s\n  ", session->file, code->tier);
  add_functions(code, out);
  base_text_format(out, "\n  helper: %s", stats->helper);
  if (code->helper_end) base_text_format(out, " (%s)", code->helper_end);
  base_text_format(out, "\n  cache: %s", stats->cache);
  if (session->without_cache.status) base_text_format(out, " (%s)", session->without_cache.text);
  base_text_format(out,
                   "\n  bytes: %" PRIu64 " of code, %" PRIu64 " of the program's memory, %" PRIu64 " of the process",
                   code->code_bytes, stats->memory_bytes, stats->process_bytes);
  base_text_format(out,
                   "\n  ms: %.3f reading the module, %.3f running, of them %.3f waiting for code; %.3f of CPU time",
                   ms(stats->decode_ns), ms(stats->run_ns), ms(code->compile_ns), ms(stats->cpu_ns));
  if (stats->fuel != POLICY_NOT_GIVEN) base_text_format(out, "\n  fuel: %" PRIu64, stats->fuel);
}

/* ---- For programs ------------------------------------------------------------------------------------------------------ */

static void add_string(struct base_text *out, const char *key, const char *value) {
  base_text_format(out, ",\"%s\":", key);
  if (value)
    base_text_add_json(out, value, strlen(value));
  else
    base_text_addz(out, "null");
}

static void add_number(struct base_text *out, const char *key, uint64_t value) {
  base_text_format(out, ",\"%s\":%" PRIu64, key, value);
}

static void add_left(const struct api_run_stats *code, struct base_text *out) {
  base_text_addz(out, ",\"left\":[");
  for (size_t i = 0; i < API_STATS_REASONS && code->left[i].why; i++) {
    base_text_format(out, "%s{\"functions\":%" PRIu32, i ? "," : "", code->left[i].functions);
    add_string(out, "why", code->left[i].why);
    base_text_addz(out, "}");
  }
  base_text_addz(out, "]");
}

/* A line of its own, whatever the program has left behind. */
static void add_json(const struct cli_session *session, const struct stats *stats, struct base_text *out) {
  const struct api_run_stats *code = &stats->code;
  base_text_addz(out, "\n{\"module\":");
  base_text_add_json(out, session->file, strlen(session->file));
  add_string(out, "tier", code->tier);
  add_number(out, "functions", code->functions);
  add_number(out, "compiled", code->compiled);
  add_number(out, "optimized", code->optimized);
  add_number(out, "moves", code->moves);
  add_left(code, out);
  add_string(out, "helper", stats->helper);
  add_string(out, "helper_end", code->helper_end);
  add_string(out, "cache", stats->cache);
  add_string(out, "cache_problem", session->without_cache.status ? session->without_cache.text : NULL);
  add_number(out, "code_bytes", code->code_bytes);
  add_number(out, "memory_bytes", stats->memory_bytes);
  add_number(out, "process_bytes", stats->process_bytes);
  add_number(out, "decode_ns", stats->decode_ns);
  add_number(out, "compile_ns", code->compile_ns);
  add_number(out, "run_ns", stats->run_ns);
  add_number(out, "cpu_ns", stats->cpu_ns);
  if (stats->fuel == POLICY_NOT_GIVEN)
    base_text_addz(out, ",\"fuel\":null}\n");
  else
    base_text_format(out, ",\"fuel\":%" PRIu64 "}\n", stats->fuel);
}

void cli_say_stats(const struct cli_session *session) {
  struct stats stats;
  struct base_text text = {0};
  if (!api_run_stats(session->run, &stats.code)) return;
  collect(session, &stats);
  bool json = cli_wants_json(&session->settings);
  (json ? add_json : add_text)(session, &stats, &text);
  if (!text.failed && json)
    cli_say_raw(text.bytes, text.len_bytes);
  else if (!text.failed)
    cli_say("%s", text.bytes);
  base_text_deinit(&text);
}
