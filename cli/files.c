/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Reading module files, and writing what a command makes. People give the command many things that are not core modules; each
 * kind that can be told from its first bytes gets a message with the step that leads to a module. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool starts_with(const struct base_file *file, const char *bytes, size_t len) {
  return file->len_bytes >= len && memcmp(file->bytes, bytes, len) == 0;
}

/* WebAssembly text: "(" or ";;" after blanks. */
static bool is_text(const struct base_file *file) {
  size_t i = 0;
  while (i < file->len_bytes && memchr(" \t\r\n", file->bytes[i], 4)) i++;
  return i < file->len_bytes &&
         (file->bytes[i] == '(' || (i + 1 < file->len_bytes && file->bytes[i] == ';' && file->bytes[i + 1] == ';'));
}

struct kind {
  const char *what, *next;
};

/* What the file is instead of a core module; `what` NULL: it may be one. */
static struct kind kind_of(const struct base_file *file) {
  if (file->len_bytes == 0) return (struct kind){"the file is empty", "check how it was made or copied"};
  if (starts_with(file, "\0asm\x0d\0\1\0", 8))
    return (struct kind){"this is a component; this version of cay runs core modules",
                         "build it for WASI 0.1 instead: Rust --target wasm32-wasip1, clang --target=wasm32-wasi"};
  if (is_text(file))
    return (struct kind){"this is WebAssembly text, not a binary module",
                         "translate it first: wat2wasm FILE.wat -o FILE.wasm (Debian package wabt)"};
  if (starts_with(file,
                  "\x7f"
                  "ELF",
                  4))
    return (struct kind){"this is an ELF file: a native program, or a module that another runtime compiled",
                         "give the .wasm file that it was made from"};
  if (starts_with(file, "\x1f\x8b", 2) || starts_with(file, "PK\3\4", 4))
    return (struct kind){"this is a compressed file", "unpack it first"};
  if (starts_with(file, "#!", 2)) return (struct kind){"this is a script", "give the .wasm file"};
  return (struct kind){0};
}

static int say_unreadable(const char *path, const char *why, int error) {
  const char *command = error == ENOENT ? policy_command_suggest(path) : NULL;
  cli_say("%s: %s", path, why);
  if (command && strcmp(command, path) == 0)
    cli_say_more("options stand after the command: cay %s [options]", path);
  else if (command)
    cli_say_more("there is a command of a similar name: cay %s", command);
  if (error == EACCES) cli_say_more("its permissions, or those of a folder above it, do not let you read it");
  return POLICY_EXIT_NOT_FOUND;
}

/* Looks at a file that could not be loaded. -1: nothing was found that explains it. */
static int diagnose(const char *path) {
  struct stat status;
  struct base_file file;
  if (stat(path, &status) != 0) return say_unreadable(path, strerror(errno), errno);
  if (S_ISDIR(status.st_mode)) return say_unreadable(path, "this is a directory, not a module", EISDIR);
  if (access(path, R_OK) != 0) return say_unreadable(path, strerror(errno), errno);
  if (!S_ISREG(status.st_mode) || base_file_read(path, &file, NULL)) return -1;
  struct kind kind = kind_of(&file);
  base_file_deinit(&file);
  if (!kind.what) return -1;
  cli_say("%s: %s", path, kind.what);
  cli_say_more("%s", kind.next);
  return POLICY_EXIT_MODULE;
}

int cli_load_exit(enum cay_status status) {
  if (status == CAY_ERROR_MEMORY) return POLICY_EXIT_USAGE;
  return status == CAY_ERROR_SYSTEM ? POLICY_EXIT_NOT_FOUND : POLICY_EXIT_MODULE;
}

static const char *shown_path(const char *path) { return strcmp(path, "-") == 0 ? "standard input" : path; }

/* The exit code after a message about a file that could not be read or loaded. */
static int say_unloadable(const char *path, const struct cay_error *error) {
  int code = strcmp(path, "-") == 0 ? -1 : diagnose(path);
  if (code >= 0) return code;
  cli_say_error(shown_path(path), error);
  return cli_load_exit(error->status);
}

static int say_broken(const char *path, const struct cay_error *error) {
  cli_say_error(shown_path(path), error);
  return cli_load_exit(error->status);
}

/* Of a bundle, what is in it: kept code takes the file's place, and the manifest is handed out. */
static int read_file(const char *path, struct base_file *out, struct base_file *manifest,
                     struct base_file_identity *identity) {
  struct cay_error error;
  struct api_bundle bundle;
  bool from_terminal = strcmp(path, "-") == 0 && isatty(STDIN_FILENO);
  *manifest = (struct base_file){0};
  if (from_terminal) return cli_wrong_use("standard input is a terminal; send a module to it");
  if (base_file_read_known(path, out, identity, &error)) return say_unloadable(path, &error);
  if (!api_bundle_is(out)) return -1;
  enum cay_status status = api_bundle_read(out, &bundle, &error);
  base_file_deinit(out);
  if (status) return say_broken(path, &error);
  *out = bundle.kept;
  *manifest = bundle.manifest;
  return -1;
}

static int take_kept(const char *path, struct base_file *file, struct api_kept **kept, struct cay_error *why) {
  struct cay_error error;
  *kept = NULL;
  return api_kept_is(file) && api_kept_open(file, kept, why, &error) ? say_broken(path, &error) : -1;
}

int cli_read_kept(const char *path, struct base_file *out, struct api_kept **kept, struct cay_error *why,
                  struct base_file_identity *identity) {
  struct base_file manifest;
  *kept = NULL;
  int code = read_file(path, out, &manifest, identity);
  base_file_deinit(&manifest);
  return code < 0 ? take_kept(path, out, kept, why) : code;
}

int cli_read_sealed(const char *path, struct base_file *out, struct base_file *manifest, struct api_kept **kept,
                    struct cay_error *why) {
  *kept = NULL;
  int code = read_file(path, out, manifest, NULL);
  if (code < 0) code = take_kept(path, out, kept, why);
  if (code >= 0) base_file_deinit(manifest);
  return code;
}

int cli_read(const char *path, struct base_file *out) {
  struct api_kept *kept;
  struct cay_error why;
  int code = cli_read_kept(path, out, &kept, &why, NULL);
  api_kept_free(kept);
  return code;
}

int cli_load_read(cay_engine *engine, const char *path, struct base_file *file, cay_module **out) {
  struct cay_error error;
  return api_module_load(engine, file, out, &error) ? say_unloadable(path, &error) : -1;
}

int cli_load(cay_engine *engine, const char *path, cay_module **out) {
  struct base_file file;
  int code = cli_read(path, &file);
  return code >= 0 ? code : cli_load_read(engine, path, &file, out);
}

void cli_say_ignored(const char *path, const cay_module *module) {
  struct cay_error error;
  if (!api_module_check_customs(module, &error)) return;
  base_error_prefix(&error, "ignored");
  cli_say_error(path, &error);
}

static enum cay_status configure(const struct policy_settings *settings, cay_engine_config *config,
                                 struct cay_error *error) {
  enum cay_status status = CAY_OK;
  bool is_relaxed = !settings->relaxed_simd || strcmp(settings->relaxed_simd, "deterministic") != 0;
  cay_engine_config_set_deterministic_relaxed_simd(config, settings->deterministic || !is_relaxed);
  cay_engine_config_set_canonical_nans(config, settings->deterministic || settings->canonical_nans);
  if (settings->tier) status = cay_engine_config_set_tier(config, settings->tier, error);
  if (status) base_error_prefix(error, "--tier");
  cay_engine_config_set_fuel(config, settings->fuel != POLICY_NOT_GIVEN && settings->fuel != 0);
  if (settings->stack != POLICY_NOT_GIVEN) cay_engine_config_set_stack_bytes(config, settings->stack);
  for (size_t i = 0; !status && i < settings->proposals.count; i++) {
    status = cay_engine_config_set_proposals(config, settings->proposals.items[i], error);
    if (status) base_error_prefix(error, "--proposals");
  }
  return status;
}

unsigned cli_jobs(const struct policy_settings *settings) {
  enum { MOST = 64 };
  uint64_t wanted = settings->jobs == POLICY_NOT_GIVEN ? cli_os_cpu_count() - 1 : settings->jobs;
  return wanted < 1 ? 1 : wanted < MOST ? (unsigned)wanted : MOST;
}

int cli_engine(const struct policy_settings *settings, cay_engine **out) {
  struct cay_error error;
  cay_engine_config *config;
  enum cay_status status = cay_engine_config_new(&config, &error);
  if (!status) {
    status = configure(settings, config, &error);
    if (!status) status = cay_engine_new(config, out, &error);
    cay_engine_config_free(config);
  }
  if (!status) return -1;
  cli_say_error(NULL, &error);
  return POLICY_EXIT_USAGE;
}

/* ---- Writing --------------------------------------------------------------------------------------------------------- */

/* Into what is there and no file, as /dev/null or a pipe: root could take the place of it, too. */
static bool is_no_file(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

static enum cay_status write_into(const char *path, const struct base_text *text, struct cay_error *error) {
  int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  bool good = fd >= 0 && base_os_write_all(fd, text->bytes, text->len_bytes);
  int reason = errno;
  if (fd >= 0 && close(fd) != 0 && good) good = false, reason = errno;
  return good ? CAY_OK : base_error_system(error, reason, "cannot write %s", path);
}

static enum cay_status write_beside(const char *path, const char *draft, unsigned mode, const struct base_text *text,
                                    struct cay_error *error) {
  int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
  bool good = fd >= 0 && base_os_write_all(fd, text->bytes, text->len_bytes);
  int reason = errno;
  if (fd >= 0 && close(fd) != 0 && good) good = false, reason = errno;
  if (good && rename(draft, path) != 0) good = false, reason = errno;
  if (!good && fd >= 0) unlink(draft);
  return good ? CAY_OK : base_error_system(error, reason, "cannot write %s", path);
}

/* A signal that ends cay meanwhile would leave the draft behind. */
static enum cay_status replace(const char *path, const char *draft, unsigned mode, const struct base_text *text,
                               struct cay_error *error) {
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  enum cay_status status = write_beside(path, draft, mode, text, error);
  sigprocmask(SIG_SETMASK, &before, NULL);
  return status;
}

enum cay_status cli_replace_file(const char *path, unsigned mode, const struct base_text *text,
                                 struct cay_error *error) {
  struct base_text draft = {0};
  base_text_format(&draft, "%s.new-%ld", path, (long)getpid());
  if (draft.failed || text->failed) {
    base_text_deinit(&draft);
    return base_error_memory(error);
  }
  enum cay_status status =
      is_no_file(path) ? write_into(path, text, error) : replace(path, draft.bytes, mode, text, error);
  base_text_deinit(&draft);
  return status;
}
