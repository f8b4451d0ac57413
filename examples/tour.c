/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A guest that shows what grants are. It was given arguments, one variable, a folder to read (/notes) and a folder to
 * write (/out); it uses all of them, and then tries what it was not given. Build it with any WASI C compiler:
 *
 *   clang --target=wasm32-wasi -O2 -g -o tour.wasm examples/tour.c
 *   cay run --dir examples/notes::/notes::ro --dir out::/out --env GREETING=hello tour.wasm one two */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void show_what_was_given(int argc, char **argv) {
  printf("arguments:");
  for (int i = 1; i < argc; i++) printf(" %s", argv[i]);
  printf("\nenvironment:");
  for (char **entry = environ; entry && *entry; entry++) printf(" %s", *entry);
  printf("\n");
}

static long words_in(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) return -1;
  long words = 0;
  int previous = ' ';
  for (int c; (c = getc(file)) != EOF; previous = c) words += isspace(previous) && !isspace(c);
  fclose(file);
  return words;
}

/* Counts the words of each note and writes the counts to a report. Returns the number of notes, or -1. */
static int report_on(const char *folder, const char *report_path) {
  DIR *notes = opendir(folder);
  FILE *report = fopen(report_path, "w");
  int count = 0;
  if (notes && report) {
    for (struct dirent *entry; (entry = readdir(notes));) {
      if (entry->d_name[0] == '.') continue;
      char path[1024];
      snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
      fprintf(report, "%s: %ld words\n", entry->d_name, words_in(path));
      count++;
    }
  }
  if (notes) closedir(notes);
  if (!report || fclose(report) != 0) return -1;
  return notes ? count : -1;
}

/* Says whether what must be refused is refused. */
static int expect_refusal(const char *what, const char *path, int flags) {
  int fd = open(path, flags, 0666);
  if (fd < 0) {
    printf("  %-28s refused: %s\n", what, strerror(errno));
    return 0;
  }
  close(fd);
  printf("  %-28s was possible, and should not have been\n", what);
  return 1;
}

int main(int argc, char **argv) {
  show_what_was_given(argc, argv);
  int notes = report_on("/notes", "/out/report.txt");
  if (notes < 0) {
    fprintf(stderr, "the grants are missing: run it with --dir NOTES::/notes::ro --dir OUT::/out\n");
    return 1;
  }
  printf("counted the words of %d notes in /out/report.txt\nand what was not granted:\n", notes);
  int surprises = expect_refusal("writing to the notes", "/notes/new.txt", O_WRONLY | O_CREAT);
  surprises += expect_refusal("reading /etc/passwd", "/etc/passwd", O_RDONLY);
  surprises += expect_refusal("leaving a folder by ..", "/notes/../../../etc/passwd", O_RDONLY);
  return surprises ? 1 : 0;
}
