/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Approvals: which requests a person has granted, as files in $XDG_CONFIG_HOME/cay/approved (or ~/.config/...).
 *
 * An approval is a file whose name is a hash over the module, the request and the folder that its relative paths begin
 * at. So a change of any of them needs a new approval, and finding one is opening one file.
 *
 * A program that may write to the person's home must not be able to approve anything. WASI cannot set permissions: what a
 * program makes is always writable for its owner. Therefore the files have mode 0400 exactly, in folders that only their
 * owner enters, and each repeats its own name in its text, so that one that was renamed or linked counts for nothing. No
 * link is followed beneath the configuration folder. (Root may write to every file; there it is the second wall, which drops
 * that capability, that keeps a program from changing an approval in place.)
 *
 * To hash a large module takes longer than all the rest of a start. So the hash of one that was found approved stays in a file
 * of the same folder, named after its device and inode, and counts while its size and times are what they were: nobody but
 * the kernel sets the time of a file's last change (ctime). It is kept for modules on the folder's own file system alone. Another
 * one might be somebody's image, made to have any inode and times; whoever could do that with this one could approve, too.
 *
 * Invariant: a file is complete or absent: it is written under another name and then renamed. */
#include "policy/parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES = 16384, NAME_BYTES = BASE_SHA256_HEX_BYTES - 1 };
static const char first_line[] = "cay approval 1\n", hash_line[] = "cay module 1\n";

/* Of the digests of module and request, in this order. */
static void name_of(uint8_t digests[2][BASE_SHA256_BYTES], const char *folder, char out[BASE_SHA256_HEX_BYTES]) {
  struct base_sha256 hash;
  uint8_t name[BASE_SHA256_BYTES];
  base_sha256_init(&hash);
  base_sha256_add(&hash, first_line, sizeof first_line);
  base_sha256_add(&hash, digests, 2 * BASE_SHA256_BYTES);
  base_sha256_add(&hash, folder, strlen(folder));
  base_sha256_finish(&hash, name);
  base_sha256_hex(name, out);
}

void policy_approval_name(const struct policy_asked *asked, char out[BASE_SHA256_HEX_BYTES]) {
  uint8_t digests[2][BASE_SHA256_BYTES];
  base_sha256_of(asked->module, asked->module_bytes, digests[0]);
  base_sha256_of(asked->request, asked->request_bytes, digests[1]);
  name_of(digests, asked->folder, out);
}

/* ---- The folder ----------------------------------------------------------------------------------------------------- */

/* Adds the configuration folder of the person, which XDG_CONFIG_HOME names or HOME holds. */
static enum cay_status config_folder(char *const *environment, struct base_text *out, struct cay_error *error) {
  const char *xdg = base_environment(environment, "XDG_CONFIG_HOME"), *home = base_environment(environment, "HOME");
  if (xdg && *xdg == '/')
    base_text_addz(out, xdg);
  else if (home && *home == '/')
    base_text_format(out, "%s/.config", home);
  else
    return base_error_set(error, CAY_ERROR_SYSTEM,
                          "approvals have no place: neither XDG_CONFIG_HOME nor HOME names a folder");
  return out->failed ? base_error_memory(error) : CAY_OK;
}

/* Opens a folder beneath another one, which only its owner may change (and enter, where `mode` says 0700). -1: errno. */
static int open_folder(int at, const char *name, bool makes, mode_t forbidden) {
  struct stat status;
  if (makes && mkdirat(at, name, 0700) != 0 && errno != EEXIST) return -1;
  int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || (fstat(fd, &status) == 0 && status.st_uid == geteuid() && !(status.st_mode & forbidden))) return fd;
  close(fd);
  errno = EPERM;
  return -1;
}

/* `*fd` -1 without an error: there is no such folder yet. */
static enum cay_status open_store(char *const *environment, bool makes, int *fd, struct cay_error *error) {
  struct base_text path = {0};
  *fd = -1;
  enum cay_status status = config_folder(environment, &path, error);
  if (status) goto end;
  if (makes && mkdir(path.bytes, 0700) != 0 && errno != EEXIST)
    status = base_error_system(error, errno, "cannot make the folder %s", path.bytes);
  if (status) goto end;
  int config = open(path.bytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int cay = config < 0 ? -1 : open_folder(config, "cay", makes, 022);
  *fd = cay < 0 ? -1 : open_folder(cay, "approved", makes, 077);
  int reason = errno;
  if (config >= 0) close(config);
  if (cay >= 0) close(cay);
  if (*fd < 0 && (makes || reason != ENOENT))
    status =
        reason == EPERM || reason == ELOOP
            ? base_error_set(error, CAY_ERROR_SYSTEM,
                             "%s/cay/approved is not trusted: it has to be a folder of yours with mode 0700, in one "
                             "that only you can change",
                             path.bytes)
            : base_error_system(error, reason, "cannot open the folder %s/cay/approved", path.bytes);
end:
  base_text_deinit(&path);
  return status;
}

/* ---- Files in it ----------------------------------------------------------------------------------------------------- */

/* Reads the file into `text`, which has FILE_BYTES. False: it is absent, not to be trusted, or of another kind or name. */
static bool read_trusted(int folder, const char *kind, const char *name, char *text) {
  struct stat status;
  int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  bool good = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
              (status.st_mode & 07777) == 0400;
  ssize_t len = good ? read(fd, text, FILE_BYTES - 1) : -1;
  close(fd);
  if (len < 0) return false;
  text[len] = 0;
  size_t start = strlen(kind), name_bytes = strlen(name);
  return strncmp(text, kind, start) == 0 && strncmp(text + start, name, name_bytes) == 0 &&
         text[start + name_bytes] == '\n';
}

static enum cay_status write_file(int folder, const char *name, const struct base_text *text, struct cay_error *error) {
  char temporary[32];
  snprintf(temporary, sizeof temporary, ".new-%ld", (long)getpid());
  unlinkat(folder, temporary, 0);
  int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
  bool good = fd >= 0 && fchmod(fd, 0400) == 0 && base_os_write_all(fd, text->bytes, text->len_bytes) && fsync(fd) == 0;
  int reason = errno;
  if (fd >= 0 && close(fd) != 0 && good) good = false, reason = errno;
  if (good && renameat(folder, temporary, folder, name) != 0) good = false, reason = errno;
  if (good) return CAY_OK;
  unlinkat(folder, temporary, 0);
  return base_error_system(error, reason, "cannot store the approval");
}

/* ---- Hashes of modules ------------------------------------------------------------------------------------------------ */

/* The file that a module's hash is in, and its text up to there. */
struct kept_hash {
  char name[64], text[192];
};

/* False: none is kept for this file. */
static bool keeps_hash(int folder, const struct base_file_identity *module, struct kept_hash *out) {
  struct stat status;
  if (!module || !module->is_known || fstat(folder, &status) != 0 || status.st_dev != module->device) return false;
  snprintf(out->name, sizeof out->name, "at-%" PRIx64 "-%" PRIx64, module->device, module->inode);
  snprintf(out->text, sizeof out->text, "%s%s\nbytes %" PRIu64 " modified %" PRId64 " changed %" PRId64 " sha256 ",
           hash_line, out->name, module->len_bytes, module->modify_ns, module->change_ns);
  return true;
}

static bool read_digest(const char *hex, uint8_t out[BASE_SHA256_BYTES]) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < NAME_BYTES; i++) {
    const char *digit = hex[i] ? strchr(digits, hex[i]) : NULL;
    if (!digit) return false;
    out[i / 2] = (uint8_t)(out[i / 2] << 4 | (digit - digits));
  }
  return strcmp(hex + NAME_BYTES, "\n") == 0;
}

static bool recall_hash(int folder, const struct kept_hash *kept, uint8_t out[BASE_SHA256_BYTES]) {
  char text[FILE_BYTES];
  size_t len_bytes = strlen(kept->text);
  return read_trusted(folder, hash_line, kept->name, text) && strncmp(text, kept->text, len_bytes) == 0 &&
         read_digest(text + len_bytes, out);
}

/* Where that fails, the next start hashes again. */
static void keep_hash(int folder, const struct kept_hash *kept, const uint8_t digest[BASE_SHA256_BYTES]) {
  struct base_text text = {0};
  char hex[BASE_SHA256_HEX_BYTES];
  base_sha256_hex(digest, hex);
  base_text_format(&text, "%s%s\n", kept->text, hex);
  if (!text.failed) write_file(folder, kept->name, &text, NULL);
  base_text_deinit(&text);
}

/* ---- One approval --------------------------------------------------------------------------------------------------- */

static bool is_approved(int folder, const struct policy_asked *asked) {
  uint8_t digests[2][BASE_SHA256_BYTES];
  char name[BASE_SHA256_HEX_BYTES], text[FILE_BYTES];
  struct kept_hash kept;
  bool keeps = keeps_hash(folder, asked->identity, &kept), recalls = keeps && recall_hash(folder, &kept, digests[0]);
  if (!recalls) base_sha256_of(asked->module, asked->module_bytes, digests[0]);
  base_sha256_of(asked->request, asked->request_bytes, digests[1]);
  name_of(digests, asked->folder, name);
  if (!read_trusted(folder, first_line, name, text)) return false;
  if (keeps && !recalls && base_file_is_settled(asked->identity)) keep_hash(folder, &kept, digests[0]);
  return true;
}

enum cay_status policy_approval_find(char *const *environment, const struct policy_asked *asked, bool *found,
                                     struct cay_error *error) {
  int folder;
  *found = false;
  enum cay_status status = open_store(environment, false, &folder, error);
  if (status || folder < 0) return status;
  *found = is_approved(folder, asked);
  close(folder);
  return CAY_OK;
}

static void add_line(struct base_text *out, const char *key, const char *value) {
  char shown[4096];
  base_text_format(out, "%s %s\n", key, base_printable(shown, sizeof shown, value, strlen(value)));
}

enum cay_status policy_approval_store(char *const *environment, const struct policy_approval *approval,
                                      struct cay_error *error) {
  struct base_text text = {0};
  int folder;
  enum cay_status status = open_store(environment, true, &folder, error);
  if (status) return status;
  base_text_format(&text, "%s%s\n", first_line, approval->name);
  add_line(&text, "module", approval->module);
  add_line(&text, "request", approval->request);
  status = text.failed ? base_error_memory(error) : write_file(folder, approval->name, &text, error);
  base_text_deinit(&text);
  close(folder);
  return status;
}

/* ---- All of them ---------------------------------------------------------------------------------------------------- */

/* The rest of the line that starts with `key`, zero-terminated in place; "" when there is none. */
static const char *take_line(char *text, const char *key) {
  size_t len = strlen(key);
  for (char *line = text; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, key, len) == 0 && line[len] == ' ') {
      line += len + 1;
      line[strcspn(line, "\n")] = 0;
      return line;
    }
  }
  return "";
}

enum cay_status policy_approvals_each(char *const *environment,
                                      bool (*each)(void *env, const struct policy_approval *approval), void *env,
                                      struct cay_error *error) {
  int folder;
  char text[FILE_BYTES];
  enum cay_status status = open_store(environment, false, &folder, error);
  if (status || folder < 0) return status;
  DIR *directory = fdopendir(folder);
  if (!directory) {
    close(folder);
    return base_error_system(error, errno, "cannot list the approvals");
  }
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (strlen(entry->d_name) != NAME_BYTES || !read_trusted(dirfd(directory), first_line, entry->d_name, text))
      continue;
    struct policy_approval approval = {.name = entry->d_name};
    approval.request = take_line(text, "request");
    approval.module = take_line(text, "module");
    if (each(env, &approval) && unlinkat(dirfd(directory), entry->d_name, 0) != 0)
      status = base_error_system(error, errno, "cannot revoke the approval %s", entry->d_name);
  }
  closedir(directory);
  return status;
}
