/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Programs that need rights, in one: copy FROM TO | new FROM TO (only if TO is not there) | json FROM TO (numbers in a JSON
 * array are doubled, settings come from table.json in the working folder) | walk FOLDER | variable (HOME_TOWN has to be
 * set) | many FOLDER (reads its files 0 to 5) | update FILE | remove FILE. A failure ends it with code 1. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *what) {
  perror(what);
  return 1;
}

static int copy(const char *from, const char *to, int flags) {
  char bytes[4096];
  ssize_t got;
  int in = open(from, O_RDONLY);
  if (in < 0) return fail(from);
  int out = open(to, O_WRONLY | O_CREAT | flags, 0666);
  if (out < 0) return fail(to);
  while ((got = read(in, bytes, sizeof bytes)) > 0)
    if (write(out, bytes, (size_t)got) != got) return fail(to);
  return close(out) ? fail(to) : 0;
}

static int transform(const char *from, const char *to) {
  FILE *table = fopen("table.json", "r"), *in = fopen(from, "r"), *out;
  int factor = 0, c, number = -1;
  if (!table || fscanf(table, "{\"factor\":%d}", &factor) != 1) return fail("table.json");
  if (!in) return fail(from);
  if (!(out = fopen(to, "w"))) return fail(to);
  while ((c = getc(in)) != EOF) {
    if (c >= '0' && c <= '9') {
      number = (number < 0 ? 0 : number * 10) + (c - '0');
      continue;
    }
    if (number >= 0) fprintf(out, "%d", number * factor);
    number = -1;
    putc(c, out);
  }
  return fclose(out) ? fail(to) : 0;
}

static int walk(const char *path) {
  char inner[512], byte;
  struct stat status;
  DIR *folder = opendir(path);
  if (!folder) return fail(path);
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
    if (stat(inner, &status) != 0) return fail(inner);
    if (S_ISDIR(status.st_mode) && walk(inner) != 0) return 1;
    if (S_ISDIR(status.st_mode)) continue;
    int file = open(inner, O_RDONLY);
    if (file < 0 || read(file, &byte, 1) < 0) return fail(inner);
    close(file);
  }
  closedir(folder);
  return 0;
}

static int variable(void) {
  const char *value = getenv("HOME_TOWN");
  if (!value) {
    fprintf(stderr, "no home\n");
    return 1;
  }
  puts(value);
  return 0;
}

static int many(const char *folder) {
  char path[512], byte;
  for (int i = 0; i < 6; i++) {
    snprintf(path, sizeof path, "%s/%d", folder, i);
    int file = open(path, O_RDONLY);
    if (file < 0 || read(file, &byte, 1) != 1) return fail(path);
    close(file);
  }
  return 0;
}

static int update(const char *path) {
  int file = open(path, O_RDWR);
  return file < 0 || write(file, "X", 1) != 1 ? fail(path) : 0;
}

int main(int argc, char **argv) {
  const char *verb = argc > 1 ? argv[1] : "";
  if (strcmp(verb, "copy") == 0 && argc == 4) return copy(argv[2], argv[3], O_TRUNC);
  if (strcmp(verb, "new") == 0 && argc == 4) return copy(argv[2], argv[3], O_EXCL);
  if (strcmp(verb, "json") == 0 && argc == 4) return transform(argv[2], argv[3]);
  if (strcmp(verb, "walk") == 0 && argc == 3) return walk(argv[2]);
  if (strcmp(verb, "variable") == 0) return variable();
  if (strcmp(verb, "many") == 0 && argc == 3) return many(argv[2]);
  if (strcmp(verb, "update") == 0 && argc == 3) return update(argv[2]);
  if (strcmp(verb, "remove") == 0 && argc == 3) return unlink(argv[2]) ? fail(argv[2]) : 0;
  return 2;
}
