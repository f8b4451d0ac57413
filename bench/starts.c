/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Starts commands in turn, many times, and prints what each start took: from before the process is made until its parent
 * has been told of its end, as a shell sees it.
 *
 *   starts ROUNDS COMMAND [ARGUMENT]... [, COMMAND [ARGUMENT]...]...
 *
 * Rounds go through the commands forwards and backwards in turn. A line for each round has the microseconds of each
 * command, in the order in which they were given; output goes nowhere. A command that fails ends the program.
 *
 * A small program of its own, because what starts a process has a part in what that takes: started by Python, whose work in
 * between empties the processor's caches, a native program that prints a line takes 0.35 ms instead of 0.25. */
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { COMMANDS_MAX = 16, PAUSE_NS = 200 * 1000 };

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* What is left of a process, such as memory that the kernel frees later, does not belong to the next one's time. */
static void pause_shortly(void) { nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL); }

static double start_us(char **command, const posix_spawn_file_actions_t *nowhere) {
  pid_t process;
  int status = 0;
  pause_shortly();
  double before = now_us();
  if (posix_spawn(&process, command[0], nowhere, NULL, command, environ) != 0 || waitpid(process, &status, 0) < 0 ||
      !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "starts: %s cannot be run, or failed\n", command[0]);
    exit(1);
  }
  return now_us() - before;
}

/* Splits the words at commas, in place. */
static int split(char **words, char **commands[COMMANDS_MAX]) {
  int count = 0;
  for (char **word = words; *word && count < COMMANDS_MAX; count++) {
    commands[count] = word;
    while (*word && strcmp(*word, ",") != 0) word++;
    if (*word) *word++ = NULL;
  }
  return count;
}

int main(int argc, char **argv) {
  char **commands[COMMANDS_MAX];
  double took_us[COMMANDS_MAX];
  posix_spawn_file_actions_t nowhere;
  long rounds = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
  int count = rounds > 0 ? split(argv + 2, commands) : 0;
  if (count == 0 || posix_spawn_file_actions_init(&nowhere) != 0 ||
      posix_spawn_file_actions_addopen(&nowhere, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) != 0) {
    fprintf(stderr, "usage: starts ROUNDS COMMAND [ARGUMENT]... [, COMMAND [ARGUMENT]...]...\n");
    return 2;
  }
  for (long round = 0; round < rounds; round++) {
    for (int i = 0; i < count; i++) {
      int which = round % 2 ? i : count - 1 - i;
      took_us[which] = start_us(commands[which], &nowhere);
    }
    for (int i = 0; i < count; i++) printf("%.1f%c", took_us[i], i + 1 < count ? ' ' : '\n');
  }
  return 0;
}
