/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The audit log: its lines, its chain and what breaks it, what it refuses to lie in. */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "policy/parts.h"
#include "test.h"

static struct cay_error error;
static struct base_file file;

static const char *time_of(uint64_t ns) {
  static char shown[64];
  struct base_text text = {0};
  policy_audit_time(&text, ns);
  snprintf(shown, sizeof shown, "%s", text.bytes);
  base_text_deinit(&text);
  return shown;
}

TEST(times) {
  CHECK_TEXT(time_of(0), "1970-01-01T00:00:00.000000000Z");
  CHECK_TEXT(time_of(UINT64_C(951827696) * 1000000000 + 7), "2000-02-29T12:34:56.000000007Z");
  CHECK_TEXT(time_of(UINT64_C(1798761599) * 1000000000 + 999999999), "2026-12-31T23:59:59.999999999Z");
  CHECK_TEXT(time_of(UINT64_C(4107542400) * 1000000000), "2100-03-01T00:00:00.000000000Z");
}

static void write_log(const char *path, bool is_chained, unsigned uses) {
  struct policy_audit *audit = NULL;
  CHECK_INT(policy_audit_open(path, "app.wasm", is_chained, &audit, &error), CAY_OK);
  struct policy_audit_use use = {.call = "path_open", .object = "/a\n\xff\"", .result = "OK", .rights = "read|write"};
  for (unsigned i = 0; i < uses && audit; i++) CHECK_INT(policy_audit_add(audit, &use, &error), CAY_OK);
  use.reason = "escape";
  use.rule = "--dir /a::/b::ro";
  use.backtrace = "  0: f at a.c:1\n  1: g\n";
  if (uses) CHECK_INT(policy_audit_add(audit, &use, &error), CAY_OK);
  CHECK_INT(policy_audit_close(audit, &error), CAY_OK);
}

static void load(const char *path) {
  base_file_deinit(&file);
  CHECK_INT(base_file_read(path, &file, &error), CAY_OK);
}

TEST(lines) {
  write_log("plain", false, 1);
  load("plain");
  char *text = base_string_copy((const char *)file.bytes, file.len_bytes);
  CHECK(strncmp(text, "{\"record\":\"begin\",\"time\":\"20", 27) == 0);
  CHECK(strstr(text,
               "\"thread\":0,\"call\":\"path_open\",\"right\":[\"read\",\"write\"],\"object\":\"/a\\\\x0a\\\\xff\\\"\","
               "\"object_sha256\":\"af33f17c539261e1e27b318dae90413ae0858420cdf1026b50d30743823b8d65\",\"host\":null,"
               "\"decision\":\"allow\",\"rule\":null,\"result\":\"OK\"}\n") != NULL);
  CHECK(strstr(text, "\"decision\":\"deny\",\"rule\":\"--dir /a::/b::ro\",\"result\":\"OK\",\"reason\":\"escape\","
                     "\"backtrace\":[\"f at a.c:1\",\"g\"]}\n") != NULL);
  CHECK(strstr(text, "\"uses\":2}\n") != NULL);
  base_free(text);
  struct stat status;
  CHECK_INT(stat("plain", &status), 0);
  CHECK_INT(status.st_mode & 0777, 0600);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Lines of one second and of the next: each has the time at which it was made. */
TEST(times_of_lines) {
  struct policy_audit *audit = NULL;
  const struct policy_audit_use use = {.call = "path_open", .object = "/a", .result = "OK", .rights = "read"};
  char bounds[3][64];
  CHECK_INT(policy_audit_open("timed", "app.wasm", false, &audit, &error), CAY_OK);
  for (int i = 0; i < 3; i++) {
    uint64_t before_ns = now_ns();
    snprintf(bounds[i], sizeof bounds[i], "%s", time_of(before_ns));
    CHECK_INT(policy_audit_add(audit, &use, &error), CAY_OK);
    if (i == 1) usleep((useconds_t)(1000000 - before_ns / 1000 % 1000000));
  }
  CHECK_INT(policy_audit_close(audit, &error), CAY_OK);
  load("timed");
  char *text = base_string_copy((const char *)file.bytes, file.len_bytes), *line = text;
  for (int i = 0; i < 3 && line; i++) {
    line = strstr(line + 1, "{\"record\":\"use\",\"time\":\"");
    CHECK(line && strncmp(line + 24, bounds[i], 30) >= 0);
    CHECK(line && strncmp(line + 24, i < 2 ? bounds[i + 1] : time_of(now_ns()), 30) <= 0);
  }
  base_free(text);
}

/* The number of the broken line, 0: none. */
static uint64_t check(const char *bytes, size_t len_bytes, size_t piece_bytes) {
  struct policy_audit_check state;
  policy_audit_check_init(&state);
  for (size_t at = 0; at < len_bytes; at += piece_bytes)
    policy_audit_check_add(&state, bytes + at, len_bytes - at < piece_bytes ? len_bytes - at : piece_bytes);
  policy_audit_check_end(&state);
  uint64_t line = state.problem ? state.line : 0;
  policy_audit_check_deinit(&state);
  return line;
}

static void write_object(const char *path, const char *object) {
  struct policy_audit *audit = NULL;
  CHECK_INT(policy_audit_open(path, "a", true, &audit, &error), CAY_OK);
  const struct policy_audit_use use = {.call = "path_open", .object = object, .result = "OK", .rights = "read"};
  CHECK_INT(policy_audit_add(audit, &use, &error), CAY_OK);
  CHECK_INT(policy_audit_close(audit, &error), CAY_OK);
  load(path);
}

/* Where a program chooses names that would look the same, or a line that nobody reads to its end. */
TEST(unusual_names) {
  write_object("bytes", "\xff");
  char *text = base_string_copy((const char *)file.bytes, file.len_bytes);
  CHECK(strstr(text, "\"object\":\"\\\\xff\",\"object_sha256\":\"") != NULL);
  base_free(text);
  write_object("spelled", "\\xff");
  text = base_string_copy((const char *)file.bytes, file.len_bytes);
  CHECK(strstr(text, "\"object\":\"\\\\xff\",\"host\":") != NULL);
  base_free(text);
  enum { LONG_BYTES = 4 << 20 };
  char *name = base_alloc_zero(LONG_BYTES + 1, 1);
  memset(name, 1, LONG_BYTES);
  write_object("long", name);
  base_free(name);
  CHECK(file.len_bytes < 100000);
  CHECK_INT(check((const char *)file.bytes, file.len_bytes, 4096), 0);
}

static char *line_at(char *text, unsigned number) {
  while (--number) text = strchr(text, '\n') + 1;
  return text;
}

TEST(chains) {
  write_log("chained", true, 3);
  write_log("chained", true, 0); /* goes on */
  load("chained");
  char *text = base_string_copy((const char *)file.bytes, file.len_bytes), *copy = base_alloc(file.len_bytes + 1);
  size_t len_bytes = file.len_bytes;
  CHECK_INT(check(text, len_bytes, len_bytes), 0);
  CHECK_INT(check(text, len_bytes, 1), 0);
  CHECK_INT(check(text, len_bytes, 100), 0);
  for (size_t i = 0; i < len_bytes; i++) { /* any changed byte; the newline before a line is its own */
    text[i] ^= 1;
    uint64_t broken = check(text, len_bytes, len_bytes);
    text[i] ^= 1;
    uint64_t line = 1;
    for (size_t j = 0; j < i; j++) line += text[j] == '\n';
    CHECK(broken == line);
  }
  for (size_t cut = 0; cut < len_bytes; cut++) {
    uint64_t broken = check(text, cut, 4096);
    bool is_whole_program = text + cut == line_at(text, 7);
    CHECK((broken == 0) == is_whole_program);
  }
  for (unsigned number = 1; number <= 7; number++) { /* a removed line, and a line that changed places with the next */
    char *line = line_at(text, number), *next = line_at(text, number + 1);
    memcpy(copy, text, (size_t)(line - text));
    memcpy(copy + (line - text), next, len_bytes - (size_t)(next - text));
    CHECK_INT(check(copy, len_bytes - (size_t)(next - line), 4096), number);
    if (number == 7) break;
    char *after = line_at(text, number + 2);
    memcpy(copy + (line - text), next, (size_t)(after - next));
    memcpy(copy + (line - text) + (after - next), line, (size_t)(next - line));
    memcpy(copy + (after - text), after, len_bytes - (size_t)(after - text));
    CHECK_INT(check(copy, len_bytes, 4096), number);
  }
  base_free(text);
  base_free(copy);
}

static enum cay_status try_open(const char *path, bool is_chained) {
  struct policy_audit *audit = NULL;
  enum cay_status status = policy_audit_open(path, "a", is_chained, &audit, &error);
  policy_audit_close(audit, NULL);
  return status;
}

TEST(going_on) {
  CHECK_INT(try_open("plain", false), CAY_OK);
  CHECK_INT(try_open("plain", true), CAY_ERROR_ARGUMENT);
  CHECK_INT(try_open("chained", false), CAY_ERROR_ARGUMENT);
  CHECK_INT(truncate("chained", 100), 0);
  CHECK_INT(try_open("chained", true), CAY_ERROR_ARGUMENT);
  struct policy_audit *audit = NULL;
  CHECK_INT(policy_audit_open("held", "a", true, &audit, &error), CAY_OK);
  CHECK_INT(try_open("held", true), CAY_ERROR_SYSTEM);
  policy_audit_close(audit, NULL);
  CHECK_INT(try_open("held", true), CAY_OK);
  CHECK_INT(symlink("plain", "link"), 0);
  CHECK_INT(try_open("link", false), CAY_ERROR_SYSTEM);
  CHECK_INT(link("plain", "second"), 0);
  CHECK_INT(try_open("plain", false), CAY_ERROR_ARGUMENT);
  CHECK_INT(try_open("nowhere/log", false), CAY_ERROR_SYSTEM);
  CHECK_INT(try_open("folder", false), CAY_ERROR_SYSTEM);
  CHECK_INT(try_open("", false), CAY_ERROR_SYSTEM);
}

TEST(failing_writes) {
  struct policy_audit *audit = NULL;
  CHECK_INT(policy_audit_open("/dev/full", "a", false, &audit, &error), CAY_ERROR_SYSTEM);
  CHECK(strstr(error.text, "cannot write the audit log /dev/full") != NULL);
}

TEST(guards) {
  struct policy_audit *audit = NULL;
  CHECK_INT(symlink("folder", "to-folder"), 0);
  CHECK_INT(policy_audit_open("folder/deep/log", "a", false, &audit, &error), CAY_OK);
  CHECK_INT(policy_audit_guard(audit, "folder/deep", &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(policy_audit_guard(audit, "folder", &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(policy_audit_guard(audit, "to-folder", &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(policy_audit_guard(audit, ".", &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(policy_audit_guard(audit, "..", &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(policy_audit_guard(audit, "folder/deep/log", &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(policy_audit_guard(audit, "folder/other", &error), CAY_OK);
  CHECK_INT(policy_audit_guard(audit, "nothing", &error), CAY_OK);
  int fd = open("folder/deep/log", O_WRONLY), other = open("plain", O_WRONLY);
  CHECK_INT(policy_audit_guard_stream(audit, fd, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(policy_audit_guard_stream(audit, other, &error), CAY_OK);
  CHECK_INT(policy_audit_guard_stream(audit, 999, &error), CAY_OK);
  close(fd), close(other);
  policy_audit_close(audit, NULL);
}

static char folder[] = "/tmp/cay-audit-XXXXXX";

static void enter(void) {
  if (!mkdtemp(folder) || chdir(folder) != 0) abort();
  mkdir("folder", 0755), mkdir("folder/deep", 0755), mkdir("folder/other", 0755);
}

static void leave(void) {
  static const char *const files[] = {"plain", "chained", "held", "link", "second", "to-folder", "folder/deep/log"};
  static const char *const folders[] = {"folder/deep", "folder/other", "folder"};
  base_file_deinit(&file);
  for (size_t i = 0; i < BASE_ARRAY_LEN(files); i++) unlink(files[i]);
  for (size_t i = 0; i < BASE_ARRAY_LEN(folders); i++) rmdir(folders[i]);
  rmdir(folder);
}

TEST_MAIN({
  enter();
  RUN(times)
  RUN(lines) RUN(times_of_lines) RUN(unusual_names) RUN(chains) RUN(going_on) RUN(failing_writes) RUN(guards) leave();
})
