/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* jsonio IN OUT: reads a JSON file into a tree, writes it back without blanks, and prints how many values it has and the
 * sum of its numbers. Memory for the tree grows as the file asks for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { WORD, NUMBER, STRING, ARRAY, OBJECT };

struct value {
  enum kind kind;
  const char *text; /* words, numbers and strings as they stand in the file */
  size_t length;
  struct value *first, *next; /* of an object: name, value, name, value ... */
};

static const char *at, *end;
static unsigned long value_count;
static double number_sum;

static void fail(const char *why) {
  fprintf(stderr, "jsonio: %s, %zu bytes before the end\n", why, (size_t)(end - at));
  exit(1);
}

static char peek(void) {
  while (at < end && strchr(" \t\r\n", *at)) at++;
  return at < end ? *at : '\0';
}

static void expect(char wanted) {
  if (peek() != wanted) fail("a character is missing");
  at++;
}

static struct value *value_new(enum kind kind) {
  struct value *value = calloc(1, sizeof *value);
  if (!value) fail("out of memory");
  value->kind = kind;
  value->text = at;
  value_count++;
  return value;
}

static struct value *parse_string(void) {
  struct value *string = value_new(STRING);
  for (at++; at < end && *at != '"'; at++)
    if (*at == '\\') at++;
  expect('"');
  string->length = (size_t)(at - string->text);
  return string;
}

static struct value *parse(void);

static struct value *parse_group(enum kind kind, char close) {
  struct value *group = value_new(kind), **last = &group->first;
  at++;
  while (peek() != close) {
    if (group->first) expect(',');
    if (kind == OBJECT) {
      if (peek() != '"') fail("a name is missing");
      *last = parse_string();
      last = &(*last)->next;
      expect(':');
    }
    *last = parse();
    last = &(*last)->next;
  }
  at++;
  return group;
}

static struct value *parse_plain(void) {
  struct value *plain = value_new(WORD);
  while (at < end && !strchr(" \t\r\n,]}", *at)) at++;
  plain->length = (size_t)(at - plain->text);
  if (plain->length == 0) fail("a value is missing");
  if (strchr("-0123456789", plain->text[0])) {
    plain->kind = NUMBER;
    number_sum += strtod(plain->text, NULL);
  }
  return plain;
}

static struct value *parse(void) {
  switch (peek()) {
  case '[': return parse_group(ARRAY, ']');
  case '{': return parse_group(OBJECT, '}');
  case '"': return parse_string();
  default: return parse_plain();
  }
}

static void print(const struct value *value, FILE *out) {
  if (value->kind < ARRAY) {
    fwrite(value->text, 1, value->length, out);
    return;
  }
  fputc(value->kind == ARRAY ? '[' : '{', out);
  int is_name = value->kind == OBJECT;
  for (const struct value *part = value->first; part; part = part->next) {
    print(part, out);
    if (part->next) fputc(is_name ? ':' : ',', out);
    if (value->kind == OBJECT) is_name = !is_name;
  }
  fputc(value->kind == ARRAY ? ']' : '}', out);
}

static char *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  *length = (size_t)ftell(file);
  rewind(file);
  char *text = malloc(*length + 1);
  if (!text || fread(text, 1, *length, file) != *length) {
    perror(path);
    exit(1);
  }
  text[*length] = '\0';
  fclose(file);
  return text;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: jsonio IN OUT\n");
    return 2;
  }
  size_t length;
  at = read_file(argv[1], &length);
  end = at + length;
  struct value *root = parse();
  FILE *out = fopen(argv[2], "wb");
  if (!out) {
    perror(argv[2]);
    return 1;
  }
  print(root, out);
  printf("in=%zu out=%ld values=%lu sum=%.3f\n", length, ftell(out), value_count, number_sum);
  return fclose(out) == 0 ? 0 : 1;
}
