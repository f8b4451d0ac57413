/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The audit log: one JSON line for each use of a right and each denial, appended to a file of the operator's.
 *
 * Lines are collected in a buffer, because a system call for each would cost more than many uses do. The buffer is written
 * when it is full, when something was denied, when a thread of the program is about to wait, when a second has passed since
 * the last time, and at the end. What dies without passing any of these (SIGKILL, loss of power) loses the lines since then.
 * Rejected: a mapped file, which survives SIGKILL but shows half lines and zeros to whoever reads along.
 *
 * An audit that cannot be written is no audit: the first failure is kept, every later call fails with it, and the caller
 * ends the program.
 *
 * With a chain, each line ends in the SHA-256 of the line before's hash and the line itself (audit_check.c reads it). It has
 * no key: it shows changes to whoever knows the last hash, or trusts that the file was only cut or patched.
 *
 * The log may not lie where the program can write: the directories above it are known by device and inode from when it was
 * opened, and what is granted for writing is compared with them (policy_audit_guard). A file with several names might have
 * one in a granted directory and is refused.
 *
 * Invariants: 1. the file holds whole lines up to the last write, which may be cut by a full disk; 2. `hash` is that of the
 * last line in file and buffer. Threads: any; everything is under `lock`. */
#include "policy/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "policy/parts.h"

#ifndef O_PATH /* where it is missing, the folders above the log have to be readable */
#define O_PATH O_RDONLY
#endif

enum { BUFFER_BYTES = 65536, ABOVE_MAX = 4096, TAIL_BYTES = 1 << 20, SHOWN_BYTES = 8192 };

struct place {
  dev_t device;
  ino_t inode;
};

struct policy_audit {
  pthread_mutex_t lock;
  int fd;
  char *path;
  char *instance; /* as it stands in each line, behind the time */
  struct place file;
  BASE_VEC(struct place) above; /* the directory that holds the file, and all above it */
  struct base_text line, buffer;
  uint64_t flushed_ns, now_ns; /* by the clock of the lines' times */
  uint64_t uses;
  uint64_t second; /* since 1970, as `second_text` has it */
  struct base_text second_text;
  bool is_chained, has_failed;
  char hash[BASE_SHA256_HEX_BYTES];
  struct cay_error failure;
};

/* ---- Lines --------------------------------------------------------------------------------------------------------- */

/* Year, month and day of a day since 1970, by eras of 400 years. */
static void civil_date(int64_t day, int *year, unsigned *month, unsigned *day_of_month) {
  day += 719468;
  int64_t era = day / 146097;
  unsigned of_era = (unsigned)(day - era * 146097);
  unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  unsigned shifted = (5 * of_year + 2) / 153;
  *day_of_month = of_year - (153 * shifted + 2) / 5 + 1;
  *month = shifted < 10 ? shifted + 3 : shifted - 9;
  *year = (int)(year_of_era + era * 400) + (*month <= 2);
}

/* As base_text_add, in line: a line is made of some forty pieces, and their sum is what the log costs. */
static inline void add(struct base_text *text, const char *bytes, size_t len_bytes) {
  if (BASE_UNLIKELY(text->failed || text->capacity - text->len_bytes <= len_bytes)) {
    base_text_add(text, bytes, len_bytes);
    return;
  }
  memcpy(text->bytes + text->len_bytes, bytes, len_bytes);
  text->len_bytes += len_bytes;
  text->bytes[text->len_bytes] = 0;
}

static void add_digits(struct base_text *text, unsigned value, unsigned count, char after) {
  char digits[16];
  for (unsigned i = count; i--; value /= 10) digits[i] = (char)('0' + value % 10);
  digits[count] = after;
  add(text, digits, count + (after != 0));
}

enum { NS_PER_S = 1000000000 };

static void add_second(struct base_text *text, uint64_t since_1970) {
  int year;
  unsigned month, day, second = (unsigned)(since_1970 % 86400);
  civil_date((int64_t)(since_1970 / 86400), &year, &month, &day);
  add_digits(text, (unsigned)year, 4, '-');
  add_digits(text, month, 2, '-');
  add_digits(text, day, 2, 'T');
  add_digits(text, second / 3600, 2, ':');
  add_digits(text, second / 60 % 60, 2, ':');
  add_digits(text, second % 60, 2, '.');
}

static void add_fraction(struct base_text *text, uint64_t ns) { add_digits(text, (unsigned)(ns % NS_PER_S), 9, 'Z'); }

void policy_audit_time(struct base_text *text, uint64_t ns) {
  add_second(text, ns / NS_PER_S);
  add_fraction(text, ns);
}

/* The same; of many lines in one second its text is made once. */
static void add_time(struct policy_audit *audit, uint64_t ns) {
  struct base_text *second_text = &audit->second_text;
  if (!second_text->len_bytes || second_text->failed || audit->second != ns / NS_PER_S) {
    second_text->len_bytes = 0;
    second_text->failed = false;
    audit->second = ns / NS_PER_S;
    add_second(second_text, audit->second);
  }
  audit->line.failed |= second_text->failed;
  add(&audit->line, second_text->bytes, second_text->len_bytes);
  add_fraction(&audit->line, ns);
}

/* Of a name that is long or not UTF-8 a readable part is told, and the hash of all its bytes: a program can neither make
 * two names look the same nor lines that are too long to be read back. */
static void add_unusual(struct base_text *text, const char *lead, const char *value, size_t len_bytes) {
  char shown[SHOWN_BYTES], hex[BASE_SHA256_HEX_BYTES];
  uint8_t digest[BASE_SHA256_BYTES];
  base_printable(shown, sizeof shown, value, len_bytes);
  base_text_add_json(text, shown, strlen(shown));
  base_sha256_of(value, len_bytes, digest);
  base_sha256_hex(digest, hex);
  base_text_format(text, "%.*s_sha256\":\"%s\"", (int)strlen(lead) - 2, lead, hex);
}

/* Of the bytes of a JSON text; not the zero at the end. */
static const bool stands_as_it_is[UINT8_MAX + 1] = {
    [' ' ... '"' - 1] = true, ['"' + 1 ... '\\' - 1] = true, ['\\' + 1 ... '~'] = true};

static void add_value(struct base_text *text, const char *lead, const char *value) {
  size_t len_bytes = 0;
  while (stands_as_it_is[(uint8_t)value[len_bytes]]) len_bytes++;
  bool is_plain = !value[len_bytes]; /* nearly always */
  if (!is_plain) len_bytes += strlen(value + len_bytes);
  if (is_plain && len_bytes < SHOWN_BYTES) {
    add(text, "\"", 1);
    add(text, value, len_bytes);
    add(text, "\"", 1);
  } else if (len_bytes < SHOWN_BYTES && base_utf8_valid(value, len_bytes)) {
    base_text_add_json(text, value, len_bytes);
  } else {
    add_unusual(text, lead, value, len_bytes);
  }
}

/* `lead` is `,"call":`, in front of the value: a constant, whose copying in line is a few stores. */
static inline __attribute__((always_inline)) void add_field(struct base_text *text, const char *lead,
                                                            const char *value) {
  add(text, lead, strlen(lead));
  if (value)
    add_value(text, lead, value);
  else
    add(text, "null", 4);
}

/* "read|write" as an array. */
static void add_words(struct base_text *text, const char *words) {
  add(text, ",\"right\":[", 10);
  for (const char *word = words; *word;) {
    size_t len_bytes = 0;
    while (word[len_bytes] && word[len_bytes] != '|') len_bytes++;
    add(text, word == words ? "\"" : ",\"", word == words ? 1 : 2);
    add(text, word, len_bytes);
    add(text, "\"", 1);
    word += len_bytes + (word[len_bytes] == '|');
  }
  add(text, "]", 1);
}

/* Lines "  2: name at file:line" become an array of "name at file:line". */
static void add_frames(struct base_text *text, const char *lines) {
  bool is_first = true;
  base_text_addz(text, ",\"backtrace\":[");
  while (*lines) {
    size_t len_bytes = strcspn(lines, "\n"), digits = strspn(lines, " 0123456789");
    size_t skipped = digits + 2 <= len_bytes && memcmp(lines + digits, ": ", 2) == 0 ? digits + 2 : 0;
    if (!is_first) base_text_addz(text, ",");
    base_text_add_json(text, lines + skipped, len_bytes - skipped);
    is_first = false;
    lines += len_bytes + (lines[len_bytes] == '\n');
  }
  base_text_addz(text, "]");
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void begin_line(struct policy_audit *audit, const char *record) {
  struct base_text *line = &audit->line;
  line->len_bytes = 0;
  line->failed = false;
  add(line, record, strlen(record));
  audit->now_ns = now_ns();
  add_time(audit, audit->now_ns);
  add(line, audit->instance, strlen(audit->instance));
}

/* ---- Writing ---------------------------------------------------------------------------------------------------------- */

static enum cay_status fail(struct policy_audit *audit, enum cay_status status, struct cay_error *error) {
  audit->has_failed = true;
  if (error) *error = audit->failure;
  return status;
}

static enum cay_status write_buffer(struct policy_audit *audit, struct cay_error *error) {
  if (!base_os_write_all(audit->fd, audit->buffer.bytes, audit->buffer.len_bytes)) {
    base_error_system(&audit->failure, errno, "cannot write the audit log %s", audit->path);
    return fail(audit, audit->failure.status, error);
  }
  audit->buffer.len_bytes = 0;
  audit->flushed_ns = audit->now_ns;
  return CAY_OK;
}

/* Ends the line and puts it into the buffer. */
static enum cay_status end_line(struct policy_audit *audit, struct cay_error *error) {
  struct base_text *line = &audit->line;
  if (audit->is_chained) {
    policy_audit_link(audit->hash, line->bytes, line->failed ? 0 : line->len_bytes, audit->hash);
    base_text_addz(line, ",\"chain\":\"");
    base_text_addz(line, audit->hash);
    base_text_addz(line, "\"");
  }
  add(line, "}\n", 2);
  if (!line->failed) base_text_add(&audit->buffer, line->bytes, line->len_bytes);
  if (line->failed || audit->buffer.failed) return fail(audit, base_error_memory(&audit->failure), error);
  return CAY_OK;
}

/* A clock that was set back makes a very long time of it. */
static bool is_due(const struct policy_audit *audit) {
  return audit->buffer.len_bytes >= BUFFER_BYTES || audit->now_ns - audit->flushed_ns >= NS_PER_S;
}

static enum cay_status add_use(struct policy_audit *audit, const struct policy_audit_use *use,
                               struct cay_error *error) {
  struct base_text *line = &audit->line;
  begin_line(audit, "{\"record\":\"use\",\"time\":\"");
  if (use->thread)
    base_text_format(line, ",\"thread\":%u", use->thread);
  else
    add(line, ",\"thread\":0", 11);
  add_field(line, ",\"call\":", use->call);
  add_words(line, use->rights);
  add_field(line, ",\"object\":", use->object);
  if (use->listener) add_field(line, ",\"listener\":", use->listener);
  add_field(line, ",\"host\":", use->host_path);
  const char *decision = use->reason ? ",\"decision\":\"deny\"" : ",\"decision\":\"allow\"";
  add(line, decision, strlen(decision));
  add_field(line, ",\"rule\":", use->rule);
  add_field(line, ",\"result\":", use->result);
  if (use->reason) add_field(line, ",\"reason\":", use->reason);
  if (use->reason) add_frames(line, use->backtrace ? use->backtrace : "");
  audit->uses++;
  enum cay_status status = end_line(audit, error);
  if (!status && (use->reason || is_due(audit))) status = write_buffer(audit, error);
  return status;
}

enum cay_status policy_audit_add(struct policy_audit *audit, const struct policy_audit_use *use,
                                 struct cay_error *error) {
  pthread_mutex_lock(&audit->lock);
  enum cay_status status = audit->has_failed ? fail(audit, audit->failure.status, error) : add_use(audit, use, error);
  pthread_mutex_unlock(&audit->lock);
  return status;
}

enum cay_status policy_audit_flush(struct policy_audit *audit, struct cay_error *error) {
  pthread_mutex_lock(&audit->lock);
  enum cay_status status = audit->has_failed ? fail(audit, audit->failure.status, error) : write_buffer(audit, error);
  pthread_mutex_unlock(&audit->lock);
  return status;
}

/* ---- Opening ------------------------------------------------------------------------------------------------------------ */

/* Device and inode of the directory `fd` and of all above it. Closes `fd`. */
static enum cay_status look_above(struct policy_audit *audit, int fd, struct cay_error *error) {
  enum cay_status status = CAY_OK;
  while (fd >= 0 && !status) {
    struct stat here;
    if (fstat(fd, &here) != 0) status = base_error_system(error, errno, "cannot look at the folder of %s", audit->path);
    struct place place = {here.st_dev, here.st_ino};
    const struct place *last = audit->above.count ? &audit->above.items[audit->above.count - 1] : NULL;
    bool is_root = !status && last && last->device == place.device && last->inode == place.inode;
    if (status || is_root || audit->above.count == ABOVE_MAX) break;
    struct place *slot = BASE_VEC_PUSH(&audit->above);
    if (!slot) {
      status = base_error_memory(error);
      break;
    }
    *slot = place;
    int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (up < 0) status = base_error_system(error, errno, "cannot look above the folder of %s", audit->path);
    close(fd);
    fd = up;
  }
  if (fd >= 0) close(fd);
  return status;
}

/* The file itself; its folder is found first and then named by a descriptor, so that both belong together. */
static enum cay_status open_file(struct policy_audit *audit, struct cay_error *error) {
  const char *slash = strrchr(audit->path, '/'), *name = slash ? slash + 1 : audit->path;
  char *folder = slash ? base_string_copy(audit->path, slash == audit->path ? 1 : (size_t)(slash - audit->path))
                       : base_string_copy(".", 1);
  if (!folder) return base_error_memory(error);
  int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int failure = errno;
  base_free(folder);
  if (folder_fd < 0)
    return base_error_system(error, failure, "cannot open the folder of the audit log %s", audit->path);
  int flags = O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
  audit->fd = openat(folder_fd, *name ? name : ".", O_RDWR | flags, 0600);
  if (audit->fd < 0 && errno == EACCES) audit->fd = openat(folder_fd, *name ? name : ".", O_WRONLY | flags, 0600);
  failure = errno;
  if (audit->fd >= 0) return look_above(audit, folder_fd, error);
  close(folder_fd);
  if (failure == ELOOP)
    return base_error_set(error, CAY_ERROR_SYSTEM, "the audit log %s is a link; name the file itself", audit->path);
  return base_error_system(error, failure, "cannot open the audit log %s", audit->path);
}

static enum cay_status check_file(struct policy_audit *audit, struct cay_error *error) {
  struct stat file;
  if (fstat(audit->fd, &file) != 0) return base_error_system(error, errno, "cannot look at %s", audit->path);
  audit->file = (struct place){file.st_dev, file.st_ino};
  if (!S_ISREG(file.st_mode) && audit->is_chained)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "%s is no regular file, which a chain needs", audit->path);
  if (S_ISREG(file.st_mode) && file.st_nlink != 1)
    return base_error_set(
        error, CAY_ERROR_ARGUMENT,
        "the audit log %s has %ju names, and the program might reach it by another one; name a new file", audit->path,
        (uintmax_t)file.st_nlink);
  if (S_ISREG(file.st_mode) && flock(audit->fd, (audit->is_chained ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0)
    return base_error_set(error, CAY_ERROR_SYSTEM, "the audit log %s is being written by another cay", audit->path);
  return CAY_OK;
}

/* What the file's last line says about how to go on. */
static enum cay_status read_tail(struct policy_audit *audit, struct cay_error *error) {
  off_t end = lseek(audit->fd, 0, SEEK_END);
  if (end <= 0) return CAY_OK; /* empty, or a pipe */
  size_t len_bytes = end < TAIL_BYTES ? (size_t)end : TAIL_BYTES;
  char *tail = base_alloc(len_bytes);
  if (!tail) return base_error_memory(error);
  ssize_t got = pread(audit->fd, tail, len_bytes, end - (off_t)len_bytes);
  bool is_read = got == (ssize_t)len_bytes, is_whole = is_read && tail[len_bytes - 1] == '\n';
  size_t start = is_whole ? len_bytes - 1 : 0;
  while (start && tail[start - 1] != '\n') start--;
  bool has_chain = is_whole && policy_audit_hash_of(tail + start, len_bytes - 1 - start, audit->hash);
  base_free(tail);
  if (audit->is_chained && !has_chain)
    return base_error_set(error, CAY_ERROR_ARGUMENT,
                          "the last line of %s %s, so that no chain can go on there; name a new file", audit->path,
                          is_whole ? "has no hash" : "cannot be read, or is cut");
  if (!audit->is_chained && has_chain)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "the lines of %s are chained: --audit-chain", audit->path);
  if (is_read && !is_whole) base_text_addz(&audit->buffer, "\n"); /* after a line that a full disk has cut */
  return CAY_OK;
}

static void audit_free(struct policy_audit *audit) {
  if (audit->fd >= 0) close(audit->fd);
  BASE_VEC_DEINIT(&audit->above);
  base_text_deinit(&audit->line);
  base_text_deinit(&audit->buffer);
  base_text_deinit(&audit->second_text);
  base_free(audit->path);
  base_free(audit->instance);
  pthread_mutex_destroy(&audit->lock);
  base_free(audit);
}

static enum cay_status begin(struct policy_audit *audit, struct cay_error *error) {
  enum cay_status status = open_file(audit, error);
  if (!status) status = check_file(audit, error);
  if (!status) status = read_tail(audit, error);
  if (status) return status;
  begin_line(audit, "{\"record\":\"begin\",\"time\":\"");
  status = end_line(audit, error);
  return status ? status : write_buffer(audit, error);
}

enum cay_status policy_audit_open(const char *path, const char *instance, bool is_chained, struct policy_audit **out,
                                  struct cay_error *error) {
  struct policy_audit *audit = base_alloc_zero(1, sizeof *audit);
  if (!audit) return base_error_memory(error);
  pthread_mutex_init(&audit->lock, NULL);
  audit->fd = -1;
  audit->is_chained = is_chained;
  memset(audit->hash, '0', BASE_SHA256_HEX_BYTES - 1);
  audit->path = base_string_copy(path, strlen(path));
  struct base_text name = {0}, field = {0};
  base_text_format(&name, "%s[%ld]", instance, (long)getpid());
  base_text_addz(&field, "\"");
  if (!name.failed) add_field(&field, ",\"instance\":", name.bytes);
  field.failed |= name.failed;
  base_text_deinit(&name);
  audit->instance = field.bytes;
  enum cay_status status =
      audit->path && audit->instance && !field.failed ? begin(audit, error) : base_error_memory(error);
  if (status)
    audit_free(audit);
  else
    *out = audit;
  return status;
}

enum cay_status policy_audit_close(struct policy_audit *audit, struct cay_error *error) {
  if (!audit) return CAY_OK;
  enum cay_status status = audit->has_failed ? fail(audit, audit->failure.status, error) : CAY_OK;
  if (!status) {
    begin_line(audit, "{\"record\":\"end\",\"time\":\"");
    base_text_format(&audit->line, ",\"uses\":%llu", (unsigned long long)audit->uses);
    status = end_line(audit, error);
  }
  if (!status) status = write_buffer(audit, error);
  audit_free(audit);
  return status;
}

/* ---- Keeping it out of reach ------------------------------------------------------------------------------------------------ */

static bool is_at(const struct place *place, const struct stat *status) {
  return place->device == status->st_dev && place->inode == status->st_ino;
}

enum cay_status policy_audit_guard(const struct policy_audit *audit, const char *host_path, struct cay_error *error) {
  struct stat granted;
  if (stat(host_path, &granted) != 0) return CAY_OK; /* what is not there is refused by who grants it */
  bool reaches = is_at(&audit->file, &granted);
  for (size_t i = 0; i < audit->above.count && !reaches; i++) reaches = is_at(&audit->above.items[i], &granted);
  if (!reaches) return CAY_OK;
  return base_error_set(error, CAY_ERROR_ARGUMENT,
                        "the audit log %s lies in %s, where the program may write; put it elsewhere", audit->path,
                        host_path);
}

enum cay_status policy_audit_guard_stream(const struct policy_audit *audit, int fd, struct cay_error *error) {
  struct stat stream;
  if (fstat(fd, &stream) != 0 || !is_at(&audit->file, &stream)) return CAY_OK;
  return base_error_set(error, CAY_ERROR_ARGUMENT,
                        "the audit log %s is also where the program's %s goes; use another file", audit->path,
                        fd == 0   ? "standard input"
                        : fd == 1 ? "standard output"
                                  : "standard error");
}
