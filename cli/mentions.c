/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a module's data mentions: names of variables, and of files. */
#include "cli/run.h"

#include <unistd.h>

enum { FILE_NAME_MAX = 1024, LOOKED_UP_MAX = 4096 };

static bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool cli_is_path_byte(char c) { return is_name_byte(c) || (c && strchr("./-+@%~", c)); }

bool cli_mentions(const char *bytes, size_t len_bytes, const char *word, size_t word_bytes) {
  const char *end = bytes + len_bytes, *at = bytes;
  while ((at = memmem(at, (size_t)(end - at), word, word_bytes))) {
    bool starts = at == bytes || !is_name_byte(at[-1]);
    bool ends = at + word_bytes == end || !is_name_byte(at[word_bytes]);
    if (starts && ends) return true;
    at++;
  }
  return false;
}

static bool module_mentions(const cay_module *module, const char *word, size_t word_bytes) {
  const char *bytes;
  size_t len_bytes;
  for (uint32_t i = 0; api_module_data(module, i, &bytes, &len_bytes); i++)
    if (cli_mentions(bytes, len_bytes, word, word_bytes)) return true;
  return false;
}

bool cli_mentioned_variables(const cay_module *module, void (*found)(void *env, const char *name), void *env) {
  for (char **variable = environ; *variable; variable++) {
    size_t len_bytes = strcspn(*variable, "=");
    if (len_bytes < 2 || strncmp(*variable, "CAY_", 4) == 0 || !module_mentions(module, *variable, len_bytes)) continue;
    char *name = base_string_copy(*variable, len_bytes);
    if (!name) return false;
    found(env, name);
    base_free(name);
  }
  return true;
}

bool cli_looks_like_file(const char *path) {
  const char *inside = strpbrk(path, "./");
  return inside && path[strspn(path, "./")] && (inside != path || *path == '/') && inside[1];
}

/* What assertions and debug information leave in the data. */
static bool is_source(const char *path) {
  static const char *const endings[] = {".c",     ".cc", ".cpp", ".cxx", ".h", ".hpp", ".rs",   ".go", ".zig",
                                        ".swift", ".s",  ".S",   ".inc", ".l", ".y",   ".java", ".kt", ".ts"};
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot && i < BASE_ARRAY_LEN(endings); i++)
    if (strcmp(dot, endings[i]) == 0) return true;
  return false;
}

/* Of the system itself, which programs try and can do without. */
static bool is_system(const char *path) {
  static const char *const folders[] = {"/dev", "/proc", "/sys", "/tmp", "/var/tmp", "/usr/tmp"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(folders); i++)
    if (policy_learn_holds(folders[i], path)) return true;
  return false;
}

/* A constant that is a name and nothing else ends in a zero, and so does what stands before it. */
void cli_mentioned_files(const cay_module *module, void (*found)(void *env, const char *path), void *env) {
  const char *bytes;
  size_t len_bytes;
  unsigned looked_up = 0;
  for (uint32_t i = 0; api_module_data(module, i, &bytes, &len_bytes); i++)
    for (size_t at = 0, text; at < len_bytes && looked_up < LOOKED_UP_MAX; at += text + 1) {
      char path[FILE_NAME_MAX];
      size_t run = 0;
      text = strnlen(bytes + at, len_bytes - at);
      while (run < text && cli_is_path_byte(bytes[at + run])) run++;
      if (run != text || run < 2 || run >= FILE_NAME_MAX) continue;
      memcpy(path, bytes + at, run);
      path[run] = 0;
      if (!cli_looks_like_file(path) || is_source(path) || is_system(path)) continue;
      looked_up++;
      if (cli_path_kind(path) == API_PATH_OTHER) found(env, path);
    }
}
