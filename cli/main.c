/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The `cay` command: finds the command among the words and hands the rest to it. A first word that is no command is a
 * file to run, and a first word that is an option belongs to `run`. In a bundle all words are the program's. */
#include "cli/cli.h"

#include <fcntl.h>
#include <unistd.h>

static int (*const commands[POLICY_COMMAND_COUNT])(struct cli_words) = {
    [POLICY_COMMAND_RUN] = cli_run,           [POLICY_COMMAND_VALIDATE] = cli_validate,
    [POLICY_COMMAND_INSPECT] = cli_inspect,   [POLICY_COMMAND_OBJDUMP] = cli_objdump,
    [POLICY_COMMAND_WAST] = cli_wast,         [POLICY_COMMAND_VERSION] = cli_version,
    [POLICY_COMMAND_HELP] = cli_help,         [POLICY_COMMAND_COMPLETION] = cli_completion,
    [POLICY_COMMAND_DOCTOR] = cli_doctor,     [POLICY_COMMAND_AUDIT] = cli_audit,
    [POLICY_COMMAND_MANIFEST] = cli_manifest, [POLICY_COMMAND_APPROVE] = cli_approve,
    [POLICY_COMMAND_LEARN] = cli_learn,       [POLICY_COMMAND_COMPILE] = cli_compile,
    [POLICY_COMMAND_CACHE] = cli_cache,       [POLICY_COMMAND_BUNDLE] = cli_bundle,
};

static struct cli_words rest(struct cli_words words) { return (struct cli_words){words.items + 1, words.count - 1}; }

static int overview(int code) {
  struct base_text text = {0};
  policy_help_overview(&text);
  return cli_print(&text, code);
}

static int dispatch(struct cli_words words) {
  if (words.count == 0) return overview(POLICY_EXIT_USAGE);
  const char *first = words.items[0];
  if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) return overview(0);
  if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) return cli_version((struct cli_words){0});
  enum policy_command command = policy_command_find(first);
  if (command < POLICY_COMMAND_COUNT) return commands[command](rest(words));
  return cli_run(words);
}

/* A standard stream that is closed keeps its number taken, or a file that the program opens would get it and then what
 * cay has to say. What takes it is open in the direction that nobody uses, so that the stream stays closed for all. */
static void keep_streams_closed(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0) return;
}

/* The environment that a process was started with can be read by its name beneath /proc as long as it lives: so its own
 * environment is a copy from now on. Without memory for it everything stays as it is. */
static void move_environment(void) {
  size_t count = 0, len_bytes = 0;
  for (; environ[count]; count++) len_bytes += strlen(environ[count]) + 1;
  char **copy = base_alloc((count + 1) * sizeof *copy + len_bytes);
  if (!copy) return;
  char *at = (char *)(copy + count + 1);
  for (size_t i = 0; i < count; i++) {
    size_t size = strlen(environ[i]) + 1;
    copy[i] = memcpy(at, environ[i], size);
    memset(environ[i], 0, size);
    at += size;
  }
  copy[count] = NULL;
  environ = copy;
}

int main(int argc, char **argv) {
  bool is_bundle = api_bundle_is_own();
  if (is_bundle) base_os_stand_alone();
  api_broker_main(argc, argv);
  keep_streams_closed();
  move_environment();
  struct cli_words words = {argv + (argc > 0), argc > 0 ? (size_t)argc - 1 : 0};
  return is_bundle ? cli_run_sealed(argc > 0 ? argv[0] : "bundle", words) : dispatch(words);
}
