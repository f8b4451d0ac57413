/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Settings as the text of a manifest, in one canonical form: the same settings always give the same bytes, so that
 * manifests can be compared and kept in version control.
 *
 * Plain keys come first, in the order of the option table, because TOML has no way back from a table to them. A size is a
 * text with the largest unit that is exact, a time likewise; the parser reads back what was meant. */
#include "policy/parts.h"

#include <inttypes.h>

static const void *field_of(const struct policy_settings *settings, enum policy_option option) {
  return (const char *)settings + policy_options[option].field;
}

/* Each string of JSON that base_text_add_json writes is one of TOML, too. */
void policy_toml_text(const char *text, size_t len_bytes, struct base_text *out) {
  base_text_add_json(out, text, len_bytes);
}

static void add_text(const char *text, struct base_text *out) { policy_toml_text(text, strlen(text), out); }

void policy_duration_text(uint64_t ns, struct base_text *out) {
  static const struct {
    uint64_t ns;
    const char *name;
  } units[] = {{3600000000000, "h"}, {60000000000, "m"}, {1000000000, "s"}, {1000000, "ms"}, {1000, "us"}, {1, "ns"}};
  unsigned unit = 0;
  while (ns % units[unit].ns) unit++;
  if (!ns) unit = 2;
  base_text_format(out, "%" PRIu64 "%s", ns / units[unit].ns, units[unit].name);
}

static void add_list(const struct policy_texts *texts, struct base_text *out) {
  base_text_addz(out, "[");
  for (size_t i = 0; i < texts->count; i++) {
    base_text_addz(out, i ? ", " : "");
    add_text(texts->items[i], out);
  }
  base_text_addz(out, "]");
}

static void add_quoted(void (*write)(uint64_t, struct base_text *), uint64_t value, struct base_text *out) {
  base_text_addz(out, "\"");
  write(value, out);
  base_text_addz(out, "\"");
}

static void add_value(const struct policy_settings *settings, enum policy_option option, struct base_text *out) {
  const void *field = field_of(settings, option);
  switch ((enum policy_kind)policy_options[option].kind) {
  case POLICY_FLAG: base_text_addz(out, *(const bool *)field ? "true" : "false"); break;
  case POLICY_TEXT:
  case POLICY_PATH:
  case POLICY_CHOICE: add_text(*(const char *const *)field, out); break;
  case POLICY_TEXTS:
  case POLICY_PATHS: add_list(field, out); break;
  case POLICY_SIZE: add_quoted(policy_size_text, *(const uint64_t *)field, out); break;
  case POLICY_DURATION: add_quoted(policy_duration_text, *(const uint64_t *)field, out); break;
  case POLICY_COUNT: base_text_format(out, "%" PRIu64, *(const uint64_t *)field); break;
  case POLICY_GRANTS:
  case POLICY_KEYS:
  case POLICY_ACTION: break;
  }
}

static void add_member(const char *key, const char *value, struct base_text *out) {
  base_text_format(out, "%s = ", key);
  add_text(value, out);
  base_text_addz(out, "\n");
}

static void add_grant(const char *key, const struct policy_dir *dir, struct base_text *out) {
  base_text_format(out, "%s[[%s]]\n", out->len_bytes ? "\n" : "", key);
  add_member("host", dir->host, out);
  if (strcmp(dir->guest, dir->host) != 0) add_member("guest", dir->guest, out);
  add_member("rights", policy_rights_name(dir->rights), out);
  if (dir->quota_bytes) {
    base_text_addz(out, "quota = ");
    add_quoted(policy_size_text, dir->quota_bytes, out);
    base_text_addz(out, "\n");
  }
  if (dir->scratch)
    add_member("overlay", dir->scratch, out);
  else if (dir->overlay)
    base_text_addz(out, "overlay = true\n");
}

static void add_grants(const struct policy_settings *settings, enum policy_option option, struct base_text *out) {
  const struct policy_texts *texts = field_of(settings, option);
  for (size_t i = 0; i < texts->count; i++) {
    struct policy_settings parts = {0}; /* only its arena is used */
    struct policy_dir dir;
    struct cay_error error;
    enum cay_status status = policy_dir_parse(&parts, texts->items[i], &dir, &error);
    if (!status) add_grant(policy_options[option].manifest, &dir, out);
    out->failed |= status == CAY_ERROR_MEMORY;
    base_arena_deinit(&parts.arena);
  }
}

static enum cay_status check_value(enum policy_option option, const char *text, struct cay_error *error) {
  size_t len_bytes = strlen(text);
  if (base_utf8_valid(text, len_bytes)) return CAY_OK;
  return base_error_set(error, CAY_ERROR_ARGUMENT, "%s: \"%.200s\" is not UTF-8, so that no manifest can hold it",
                        policy_options[option].manifest, text);
}

static enum cay_status check_values(const struct policy_settings *settings, enum policy_option option,
                                    struct cay_error *error) {
  const void *field = field_of(settings, option);
  uint8_t kind = policy_options[option].kind;
  if (kind == POLICY_TEXT || kind == POLICY_PATH || kind == POLICY_CHOICE)
    return check_value(option, *(const char *const *)field, error);
  if (!policy_kind_is_list(kind)) return CAY_OK;
  const struct policy_texts *texts = field;
  enum cay_status status = CAY_OK;
  for (size_t i = 0; !status && i < texts->count; i++) status = check_value(option, texts->items[i], error);
  return status;
}

enum cay_status policy_manifest_write(const struct policy_settings *settings, struct base_text *out,
                                      struct cay_error *error) {
  for (enum policy_option option = 0; option < POLICY_OPTION_COUNT; option++) {
    if (!policy_options[option].manifest || !policy_is_given(settings, option)) continue;
    enum cay_status status = check_values(settings, option, error);
    if (status) return status;
  }
  for (enum policy_option option = 0; option < POLICY_OPTION_COUNT; option++) {
    const struct policy_option_row *row = &policy_options[option];
    if (!row->manifest || row->kind == POLICY_GRANTS || !policy_is_given(settings, option)) continue;
    base_text_format(out, "%s = ", row->manifest);
    add_value(settings, option, out);
    base_text_addz(out, "\n");
  }
  for (enum policy_option option = 0; option < POLICY_OPTION_COUNT; option++)
    if (policy_options[option].manifest && policy_options[option].kind == POLICY_GRANTS)
      add_grants(settings, option, out);
  return CAY_OK;
}
