/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* records FOLDER COUNT: writes COUNT records to FOLDER/records.json, one JSON object a line, reads the file back and parses
 * it. Prints how many records and tags there were, and sums over numbers and names.
 *
 * Texts and numbers are written and read here, as a JSON library does it, and not by printf and scanf: otherwise two C
 * libraries would be compared, the host's and that of WASI. */
#include "workload.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM = 64 * 1024, LONGEST = 512, TAGS_MAX = 4, NAME_MAX_LEN = 31 };

struct record {
  uint32_t id, score_thousandths, tag_count, name_len;
  char name[NAME_MAX_LEN + 1];
  int active;
};

static const char *const tags[TAGS_MAX] = {"edge", "cloud", "desktop", "embedded"};
static char buffer[ROOM + 1];
static size_t used; /* of the buffer, when it is written */
static const char *at;
static int fd;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint32_t next(uint32_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 17;
  return *seed ^= *seed << 5;
}

static void make(struct record *record, uint32_t id, uint32_t *seed) {
  record->id = id;
  record->score_thousandths = next(seed) % 1000000;
  record->tag_count = next(seed) % (TAGS_MAX + 1);
  record->active = next(seed) & 1;
  record->name_len = 6 + next(seed) % 18;
  for (uint32_t i = 0; i < record->name_len; i++) record->name[i] = (char)('a' + next(seed) % 26);
}

/* ---- Writing: a record fits into what is left of the buffer ----------------------------------------------------------- */

static void put(char c) { buffer[used++] = c; }

static void put_text(const char *text) {
  while (*text) put(*text++);
}

static void put_number(uint32_t value, int least_digits) {
  char digits[10];
  int count = 0;
  for (; value || count < least_digits; value /= 10) digits[count++] = (char)('0' + value % 10);
  while (count) put(digits[--count]);
}

static void put_record(const struct record *record) {
  put_text("{\"id\":");
  put_number(record->id, 1);
  put_text(",\"name\":\"");
  for (uint32_t i = 0; i < record->name_len; i++) put(record->name[i]);
  put_text("\",\"score\":");
  put_number(record->score_thousandths / 1000, 1);
  put('.');
  put_number(record->score_thousandths % 1000, 3);
  put_text(record->active ? ",\"active\":true,\"tags\":[" : ",\"active\":false,\"tags\":[");
  for (uint32_t i = 0; i < record->tag_count; i++) {
    put_text(i ? ",\"" : "\"");
    put_text(tags[i]);
    put('"');
  }
  put_text("]}\n");
}

static void flush(void) {
  if (write(fd, buffer, used) != (ssize_t)used) fail("write");
  used = 0;
}

static void write_all(const char *path, uint32_t count) {
  uint32_t seed = 2025;
  struct record record;
  fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) fail(path);
  for (uint32_t id = 0; id < count; id++) {
    make(&record, id, &seed);
    put_record(&record);
    if (used > ROOM - LONGEST) flush();
  }
  flush();
  if (close(fd)) fail(path);
}

/* ---- Reading: the buffer ends in a NUL, which no text holds ------------------------------------------------------------ */

static int take(const char *text) {
  const char *here = at;
  while (*text)
    if (*here++ != *text++) return 0;
  at = here;
  return 1;
}

static void expect(const char *text) {
  if (take(text)) return;
  fprintf(stderr, "records: %s expected before: %.40s\n", text, at);
  exit(1);
}

static uint32_t number(void) {
  uint32_t value = 0;
  for (; *at >= '0' && *at <= '9'; at++) value = value * 10 + (uint32_t)(*at - '0');
  return value;
}

/* The text in quotes that comes next; of `text` at most NAME_MAX_LEN characters are kept. Returns their number. */
static uint32_t string(char *text) {
  uint32_t len = 0;
  expect("\"");
  for (; *at && *at != '"'; at++)
    if (len < NAME_MAX_LEN) text[len++] = *at;
  expect("\"");
  return len;
}

static void parse(struct record *record) {
  char tag[NAME_MAX_LEN];
  expect("{\"id\":");
  record->id = number();
  expect(",\"name\":");
  record->name_len = string(record->name);
  expect(",\"score\":");
  record->score_thousandths = number() * 1000;
  expect(".");
  record->score_thousandths += number();
  expect(",\"active\":");
  record->active = take("true");
  if (!record->active) expect("false");
  expect(",\"tags\":[");
  record->tag_count = 0;
  while (!take("]")) {
    if (record->tag_count++) expect(",");
    string(tag);
  }
  expect("}\n");
}

/* Reads on behind the `rest` bytes that are not parsed yet. Returns how many there are then. */
static size_t refill(size_t rest) {
  memmove(buffer, at, rest);
  ssize_t got = read(fd, buffer + rest, ROOM - rest);
  if (got < 0) fail("read");
  at = buffer;
  buffer[rest + (size_t)got] = 0;
  return rest + (size_t)got;
}

static void read_all(const char *path) {
  struct record record;
  uint64_t count = 0, tag_count = 0, score = 0, active = 0, letters = 0;
  fd = open(path, O_RDONLY);
  if (fd < 0) fail(path);
  at = buffer;
  for (size_t held = 0; (held = refill(held)) > 0;) {
    const char *end = buffer + held, *whole = held == ROOM ? end - LONGEST : end;
    while (at < whole) {
      parse(&record);
      count++;
      tag_count += record.tag_count;
      score += record.score_thousandths;
      active += (uint64_t)record.active;
      letters += record.name_len;
    }
    held = (size_t)(end - at);
  }
  close(fd);
  printf("%llu records, %llu active, %llu tags, %llu letters, score %llu\n", (unsigned long long)count,
         (unsigned long long)active, (unsigned long long)tag_count, (unsigned long long)letters,
         (unsigned long long)score);
}

int main(int argc, char **argv) {
  char path[1024];
  workload_ready();
  if (argc != 3 || snprintf(path, sizeof path, "%s/records.json", argv[1]) >= (int)sizeof path) {
    fputs("usage: records FOLDER COUNT\n", stderr);
    return 2;
  }
  write_all(path, (uint32_t)strtoul(argv[2], NULL, 10));
  read_all(path);
  workload_done();
  return 0;
}
