/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A program that fails as real ones do, though nothing was denied to it: names FILE | silent | blames | other | variable NAME.
 * Its data names settings.ini, and what is in the data of many: /dev/null, /tmp, missed.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *volatile constants[] = {"/dev/null", "/dev/urandom", "/tmp", __FILE__, "/etc"};

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  FILE *settings = fopen("settings.ini", "r");
  (void)constants[0];
  if (settings) return 0;
  if (strcmp(what, "names") == 0) {
    char name[64]; /* what it opens is in no argument and no constant */
    snprintf(name, sizeof name, "%s.txt", argv[2]);
    if (fopen(name, "r")) return 0;
    fprintf(stderr, "%s: cannot open '%s': file missed.c:12\n", argv[0], name);
  }
  if (strcmp(what, "blames") == 0) fprintf(stderr, "No such file or directory\n");
  if (strcmp(what, "other") == 0) fprintf(stderr, "syntax error near 7\n");
  if (strcmp(what, "variable") == 0 && !getenv(argv[2])) fprintf(stderr, "%s is not set\n", argv[2]);
  return 3;
}
