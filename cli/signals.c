/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Signals that end cay while an audit log or a receipt is open: the program is interrupted instead, so that both tell how it
 * ended, and cay ends by the signal afterwards. Whatever waits for cay sees what it would see without.
 *
 * The handler notes the number and interrupts the run, which may be done anywhere. A second signal of the same kind is not
 * caught any more, in case the program cannot be interrupted. A signal that is ignored stays so. */
#include "cli/run.h"

#include <signal.h>

static const struct {
  int number;
  const char *name;
} caught[] = {{SIGHUP, "SIGHUP"}, {SIGINT, "SIGINT"}, {SIGQUIT, "SIGQUIT"}, {SIGTERM, "SIGTERM"}};

static _Atomic(cay_run *) run_to_end; /* NULL: none is there yet */
static volatile sig_atomic_t last;

static void on_signal(int number) {
  cay_run *run = atomic_load(&run_to_end);
  last = number;
  if (run) cay_run_interrupt(run);
}

void cli_signals_catch(void) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(caught); i++) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}, now;
    if (sigaction(caught[i].number, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
      sigaction(caught[i].number, &action, NULL);
  }
}

void cli_signals_end(cay_run *run) {
  atomic_store(&run_to_end, run);
  if (run && last) cay_run_interrupt(run); /* it came before there was a run */
}

int cli_signals_last(void) { return last; }

const char *cli_signal_name(int number) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(caught); i++)
    if (caught[i].number == number) return caught[i].name;
  return NULL;
}
