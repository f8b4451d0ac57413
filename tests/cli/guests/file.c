/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* file read PATH | write PATH | probe PATH: uses one file. `probe` succeeds whether the file is there or not. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int writes = strcmp(argv[1], "write") == 0;
  FILE *file = fopen(argv[2], writes ? "w" : "r");
  if (strcmp(argv[1], "probe") == 0) return 0;
  if (!file) {
    perror(argv[2]);
    return 1;
  }
  char line[256];
  if (writes)
    fputs("written\n", file);
  else
    while (fgets(line, sizeof line, file)) fputs(line, stdout);
  return fclose(file) != 0;
}
