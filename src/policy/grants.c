/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* From the texts of options to grants: directories and environment variables.
 *
 * A directory's rights stand only in the third part of HOST::GUEST::RIGHTS, so that a guest name may be called "ro".
 * Files of environment variables are read here because they are cay's own input, not the program's. */
#include "policy/parts.h"

#include <assert.h>
#include <inttypes.h>

char *policy_arena_copy(struct policy_settings *settings, const char *text, size_t len) {
  char *copy = base_arena_alloc(&settings->arena, len + 1, 1);
  if (copy && len) memcpy(copy, text, len);
  return copy;
}

/* ---- Paths ---------------------------------------------------------------------------------------------------------- */

static bool is_nothing(const char *component, size_t len) { return len == 0 || (len == 1 && *component == '.'); }

void policy_path_clean(char *path) {
  if (!*path) return; /* there is no room for a "." */
  char *const start = path + (*path == '/');
  const char *from = start;
  char *to = start;
  while (*from) {
    size_t len = strcspn(from, "/");
    const char *next = from + len + (from[len] == '/');
    if (!is_nothing(from, len)) {
      if (to > start) *to++ = '/';
      memmove(to, from, len);
      to += len;
    }
    from = next;
  }
  if (to == path) *to++ = '.';
  *to = 0;
}

/* ---- Directories -------------------------------------------------------------------------------------------------- */

static const char *const rights_names[] = {
    [POLICY_RIGHTS_READ] = "ro", [POLICY_RIGHTS_WRITE] = "rw", [POLICY_RIGHTS_CREATE_ONLY] = "create-only"};

const char *policy_rights_name(enum policy_rights rights) { return rights_names[rights]; }

static bool starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

/* One option of a directory. `given`: the options so far, as bits. */
static enum cay_status parse_dir_option(const char *word, struct policy_dir *out, unsigned *given,
                                        struct cay_error *error) {
  enum { RIGHTS = 1, QUOTA = 2, OVERLAY = 4 };
  unsigned kind = RIGHTS;
  enum policy_rights rights = 0;
  while (rights < BASE_ARRAY_LEN(rights_names) && strcmp(word, rights_names[rights]) != 0) rights++;
  if (rights < BASE_ARRAY_LEN(rights_names)) {
    out->rights = rights;
  } else if (strcmp(word, "overlay") == 0) {
    out->overlay = POLICY_OVERLAY_MEMORY, kind = OVERLAY;
  } else if (starts_with(word, "overlay=") && word[8]) {
    out->overlay = POLICY_OVERLAY_FOLDER, out->scratch = word + 8, kind = OVERLAY;
  } else if (starts_with(word, "quota=")) {
    enum cay_status status = policy_size_parse(word + 6, &out->quota_bytes, error);
    if (status) return status;
    if (!out->quota_bytes) return base_error_set(error, CAY_ERROR_ARGUMENT, POLICY_NO_QUOTA);
    kind = QUOTA;
  } else {
    return base_error_set(error, CAY_ERROR_ARGUMENT,
                          "\"%.40s\" is not a right; write ro, rw, create-only or quota=SIZE", word);
  }
  if (*given & kind)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%.40s\": this is said twice, or contradicts what stands before",
                          word);
  *given |= kind;
  return CAY_OK;
}

/* Takes `words` apart. */
static enum cay_status parse_dir_options(char *words, struct policy_dir *out, struct cay_error *error) {
  unsigned given = 0;
  enum cay_status status;
  do {
    bool is_last = starts_with(words, "overlay=");
    size_t len = is_last ? strlen(words) : strcspn(words, ",");
    char *next = words[len] ? words + len + 1 : NULL;
    words[len] = 0;
    status = parse_dir_option(words, out, &given, error);
    words = next;
  } while (!status && words);
  if (!status && out->overlay && out->rights != POLICY_RIGHTS_WRITE)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "overlay and %s contradict each other: an overlay is for writing",
                          rights_names[out->rights]);
  return status;
}

enum cay_status policy_dir_parse(struct policy_settings *settings, const char *text, struct policy_dir *out,
                                 struct cay_error *error) {
  const char *guest = strstr(text, "::");
  const char *options = guest ? strstr(guest + 2, "::") : NULL;
  size_t host_len = guest ? (size_t)(guest - text) : strlen(text);
  guest = guest ? guest + 2 : text;
  size_t guest_len = options ? (size_t)(options - guest) : strlen(guest);
  *out = (struct policy_dir){.rights = POLICY_RIGHTS_WRITE};
  char *words = options ? policy_arena_copy(settings, options + 2, strlen(options + 2)) : NULL;
  if (options && !words) return base_error_memory(error);
  enum cay_status status = options ? parse_dir_options(words, out, error) : CAY_OK;
  if (status) return status;
  if (!host_len) return base_error_set(error, CAY_ERROR_ARGUMENT, "the host's part of \"%.200s\" is empty", text);
  if (!guest_len) return base_error_set(error, CAY_ERROR_ARGUMENT, "the guest's part of \"%.200s\" is empty", text);
  out->host = policy_arena_copy(settings, text, host_len);
  char *name = policy_arena_copy(settings, guest, guest_len);
  if (!out->host || !name) return base_error_memory(error);
  policy_path_clean(name);
  out->guest = name;
  return CAY_OK;
}

/* "64M", or bytes when that is not exact. */
void policy_size_text(uint64_t bytes, struct base_text *out) {
  static const char units[] = "kMGT";
  unsigned unit = 0;
  while (unit < 4 && bytes && bytes % 1024 == 0) bytes /= 1024, unit++;
  base_text_format(out, "%" PRIu64, bytes);
  if (unit) base_text_add(out, units + unit - 1, 1);
}

/* Whether "::" behind the path would be found where it stands. */
static bool ends_where_it_should(const char *path) {
  size_t len = strlen(path);
  return !strstr(path, "::") && (!len || path[len - 1] != ':');
}

bool policy_dir_text(const struct policy_dir *dir, struct base_text *out) {
  if (!ends_where_it_should(dir->host) || !ends_where_it_should(dir->guest)) return false;
  base_text_format(out, "%s::%s::%s", dir->host, dir->guest, rights_names[dir->rights]);
  if (dir->quota_bytes) {
    base_text_addz(out, ",quota=");
    policy_size_text(dir->quota_bytes, out);
  }
  if (dir->overlay) base_text_addz(out, ",overlay");
  if (dir->scratch) base_text_format(out, "=%s", dir->scratch);
  return true;
}

/* ---- Environment --------------------------------------------------------------------------------------------------- */

static size_t name_len(const char *variable) { return strcspn(variable, "="); }

/* Adds NAME=VALUE, in the place of an earlier one of the same name. */
static enum cay_status put(struct policy_texts *variables, const char *variable, struct cay_error *error) {
  size_t len = name_len(variable);
  for (size_t i = 0; i < variables->count; i++)
    if (name_len(variables->items[i]) == len && memcmp(variables->items[i], variable, len) == 0) {
      variables->items[i] = variable;
      return CAY_OK;
    }
  const char **item = BASE_VEC_PUSH(variables);
  if (!item) return base_error_memory(error);
  *item = variable;
  return CAY_OK;
}

/* NAME=VALUE, or NAME for the host's value; a name that the host does not have is left out. */
static enum cay_status put_named(struct policy_texts *variables, const char *variable, char *const *host,
                                 struct cay_error *error) {
  size_t len = name_len(variable);
  if (len == 0) return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%.100s\" has no name", variable);
  if (variable[len] == '=') return put(variables, variable, error);
  for (; host && *host; host++)
    if (name_len(*host) == len && memcmp(*host, variable, len) == 0) return put(variables, *host, error);
  return CAY_OK;
}

static enum cay_status put_line(struct policy_settings *settings, struct policy_texts *variables, const char *line,
                                size_t len, char *const *host, struct cay_error *error) {
  while (len && (line[len - 1] == '\r' || line[len - 1] == ' ' || line[len - 1] == '\t')) len--;
  while (len && (*line == ' ' || *line == '\t')) line++, len--;
  if (len == 0 || *line == '#') return CAY_OK;
  if (memchr(line, 0, len)) return base_error_set(error, CAY_ERROR_ARGUMENT, "the line holds a zero byte");
  char *copy = policy_arena_copy(settings, line, len);
  if (!copy) return base_error_memory(error);
  char after_name = copy[strcspn(copy, " \t=")];
  if (after_name && after_name != '=')
    return base_error_set(error, CAY_ERROR_ARGUMENT, "a blank stands in the name; write NAME=VALUE, or NAME");
  return put_named(variables, copy, host, error);
}

static enum cay_status put_file(struct policy_settings *settings, struct policy_texts *variables, const char *path,
                                char *const *host, struct cay_error *error) {
  struct base_file file;
  enum cay_status status = base_file_read(path, &file, error);
  if (status) return status;
  const char *p = (const char *)file.bytes, *end = p + file.len_bytes;
  for (unsigned number = 1; !status && p < end; number++) {
    const char *line_end = memchr(p, '\n', (size_t)(end - p));
    size_t len = (size_t)((line_end ? line_end : end) - p);
    status = put_line(settings, variables, p, len, host, error);
    if (status == CAY_ERROR_ARGUMENT) base_error_prefix(error, "--env-file %.200s:%u", path, number);
    p += len + (line_end != NULL);
  }
  base_file_deinit(&file);
  return status;
}

static enum cay_status put_all(struct policy_settings *settings, struct policy_texts *variables, char *const *host,
                               struct cay_error *error) {
  enum cay_status status = CAY_OK;
  if (settings->inherit_env)
    for (char *const *variable = host; !status && variable && *variable; variable++)
      status = put(variables, *variable, error);
  for (size_t i = 0; !status && i < settings->env_file.count; i++)
    status = put_file(settings, variables, settings->env_file.items[i], host, error);
  for (size_t i = 0; !status && i < settings->env.count; i++) {
    status = put_named(variables, settings->env.items[i], host, error);
    if (status == CAY_ERROR_ARGUMENT) policy_error_origin(settings, POLICY_OPTION_ENV, i, error);
  }
  return status;
}

enum cay_status policy_environment(struct policy_settings *settings, char *const *host, const char *const **out,
                                   struct cay_error *error) {
  struct policy_texts variables = {0};
  enum cay_status status = put_all(settings, &variables, host, error);
  const char **list = status ? NULL : base_arena_alloc(&settings->arena, variables.count + 1, sizeof *list);
  if (!status && !list) status = base_error_memory(error);
  if (!status && variables.count) memcpy(list, variables.items, variables.count * sizeof *list);
  *out = list;
  BASE_VEC_DEINIT(&variables);
  return status;
}
