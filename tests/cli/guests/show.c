/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Shows what a program was given: arguments, environment, standard input. With `exit N` it ends with that code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "exit") == 0) return atoi(argv[2]);
  for (int i = 0; i < argc; i++) printf("argument %d: %s\n", i, argv[i]);
  for (char **variable = environ; *variable; variable++) printf("variable: %s\n", *variable);
  char line[256];
  while (fgets(line, sizeof line, stdin)) printf("input: %s", line);
  fprintf(stderr, "done\n");
  return 0;
}
