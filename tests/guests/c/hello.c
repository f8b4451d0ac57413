/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Says what it was given: arguments, the variable GREETING, what it reads from standard input. "!" as first argument
 * makes it exit with code 7, "trap" makes it run into `unreachable`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void echo_input(void) {
  char line[256];
  while (fgets(line, sizeof line, stdin)) printf("read %s", line);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "!") == 0) exit(7);
  if (argc > 1 && strcmp(argv[1], "trap") == 0) __builtin_trap();
  printf("hello from C, argc=%d\n", argc);
  for (int i = 1; i < argc; i++) printf("argument %d: %s\n", i, argv[i]);
  const char *greeting = getenv("GREETING");
  if (greeting) printf("GREETING=%s\n", greeting);
  echo_input();
  return 0;
}
