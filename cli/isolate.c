/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* --isolate: the second wall around this process, and a process of its own for the guest.
 *
 * With --isolate=process the command forks before it opens anything. The child is the command as always, behind the wall,
 * without the descriptors that the parent was started with; the parent only waits, and stands for the child towards whoever
 * started it: its exit code or the signal that ended it, being stopped and continued. Both are in one process group, so
 * that the terminal is the child's as well, and what the terminal sends reaches both. What somebody sends to the parent
 * alone is passed on. Rejected: a group of its own for the child, which would have to be made the terminal's foreground and
 * back, and leaves it hanging when the parent is killed. */
#include "cli/run.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_chosen(const struct cli_session *session, const char *word) {
  return session->settings.isolate && strcmp(session->settings.isolate, word) == 0;
}

static struct api_broker *broker; /* NULL: this process looks at the host itself */

/* ---- The wall -------------------------------------------------------------------------------------------------------- */

/* What a bug in cay could give the program where the part is missing; NULL: nothing that another part does not stop. */
static const char *risk(enum policy_wall_part part) {
  if (part == POLICY_WALL_FILES) return "a bug in cay could open files that were not granted";
  return part == POLICY_WALL_CALLS ? "a bug in cay could make any system call" : NULL;
}

/* Returns -1 to go on: a wall that nobody asked for is as good as the system lets it be, and never silently less. */
static int say_report(const struct cli_session *session, const struct policy_wall_report *report) {
  bool is_weak = false;
  for (enum policy_wall_part part = 0; part < POLICY_WALL_PART_COUNT; part++) {
    const char *said = risk(part);
    if (report->parts[part].holds || !(said || session->settings.verbose)) continue;
    char text[POLICY_WALL_TEXT_BYTES];
    policy_wall_part_text(report, part, text);
    cli_say("%s: the wall around cay's own process lacks %s (%s)%s%s", session->file, policy_wall_part_name(part), text,
            said ? ": " : "", said ? said : "");
    is_weak |= said != NULL;
  }
  if (!is_weak) return -1;
  if (!session->settings.isolate) {
    cli_say_more("\"cay doctor\" says what helps; --isolate none goes without the wall, and without this note");
    return -1;
  }
  cli_say_more("--isolate %s runs nothing without it; \"cay doctor\" says what helps", session->settings.isolate);
  cli_say_more("without --isolate the program runs with the parts that there are");
  return POLICY_EXIT_USAGE;
}

/* What the tier has compiled is kept by somebody else here, too. */
static int go_without_wall(struct cli_session *session) {
  struct cay_error error;
  if (session->cache && api_run_keep(session->run, session->cache, &broker, &error) && session->settings.verbose)
    cli_say_error(session->file, &error);
  return -1;
}

int cli_enter_wall(struct cli_session *session) {
  struct cay_error missing, error;
  struct policy_wall_report report;
  if (session->settings.isolate ? is_chosen(session, "none") : !policy_wall_is_default())
    return go_without_wall(session);
  if (api_run_wall(session->run, session->wasi, session->cache, &report, &broker, &missing, &error)) {
    cli_say_error("--isolate", &error);
    return POLICY_EXIT_USAGE;
  }
  if (missing.status != CAY_OK) {
    cli_say_error(session->file, &missing);
    cli_say_more("so messages cannot say where links lead, nor lines of the program's source");
  }
  return say_report(session, &report);
}

enum api_path_kind cli_path_kind(const char *path) { return api_path_kind(broker, path); }

char *cli_real_path(const char *path) { return api_real_path(broker, path); }

void cli_leave_wall(void) { api_broker_dismiss(broker); }

void cli_end_broker(void) {
  api_broker_free(broker);
  broker = NULL;
}

/* ---- A process of its own ---------------------------------------------------------------------------------------------- */

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH};

/* As the child ended, without a second core file. */
static int end_by(int number) {
  struct rlimit none = {0};
  sigset_t one;
  setrlimit(RLIMIT_CORE, &none);
  signal(number, SIG_DFL);
  sigemptyset(&one);
  sigaddset(&one, number);
  raise(number);
  sigprocmask(SIG_UNBLOCK, &one, NULL);
  return 128 + number;
}

/* Looks at the child. -1: it lives. */
static int look(pid_t child) {
  int status;
  pid_t got = waitpid(child, &status, WNOHANG | WUNTRACED);
  if (got < 0) return errno == EINTR ? -1 : POLICY_EXIT_USAGE;
  if (got == 0) return -1;
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  if (WIFSIGNALED(status)) return end_by(WTERMSIG(status));
  if (WIFSTOPPED(status)) raise(SIGSTOP);
  return -1;
}

static int stand_for(pid_t child, const sigset_t *waited) {
  for (;;) {
    siginfo_t details;
    int number = sigwaitinfo(waited, &details), code;
    /* What the terminal sends (or the kernel for it) the child has got itself. */
    if (number > 0 && number != SIGCHLD && details.si_code <= 0) kill(child, number);
    if (number == SIGCHLD && (code = look(child)) >= 0) return code;
  }
}

int cli_become_child(struct cli_session *session) {
  if (!is_chosen(session, "process")) return -1;
  sigset_t waited, before;
  sigemptyset(&waited);
  sigaddset(&waited, SIGCHLD);
  for (size_t i = 0; i < BASE_ARRAY_LEN(passed_on); i++) sigaddset(&waited, passed_on[i]);
  /* A child whose end is ignored leaves no exit code. */
  signal(SIGCHLD, SIG_DFL);
  sigprocmask(SIG_BLOCK, &waited, &before);
  pid_t parent = getpid(), child = fork();
  if (child > 0) return stand_for(child, &waited);
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (child == 0 && cli_os_child_begin(parent)) return -1;
  cli_say("--isolate: the process for the program cannot be started%s%s", child < 0 ? ": " : "",
          child < 0 ? strerror(errno) : "");
  return POLICY_EXIT_USAGE;
}
