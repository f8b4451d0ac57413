/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "cli/run.h"

#include <inttypes.h>
#include <unistd.h>

enum { STEP_NS = 100 * 1000 * 1000 };

void cli_progress_begin(struct cli_progress *progress, const char *what) {
  *progress = (struct cli_progress){.what = what, .has_terminal = isatty(STDERR_FILENO) == 1};
  progress->next_ns = base_os_monotonic_ns() + STEP_NS;
}

void cli_progress_end(struct cli_progress *progress) {
  static const char erase[] = "\r\033[K";
  if (progress->is_shown) cli_say_raw(erase, sizeof erase - 1);
  progress->is_shown = false;
}

void cli_progress_show(void *env, uint32_t done, uint32_t all) {
  struct cli_progress *progress = env;
  if (!progress->has_terminal) return;
  if (done == all) {
    cli_progress_end(progress);
    return;
  }
  uint64_t now_ns = base_os_monotonic_ns();
  if (now_ns < progress->next_ns) return;
  progress->next_ns = now_ns + STEP_NS;
  struct base_text line = {0};
  base_text_format(&line, "\rcay: %s: %" PRIu32 " of %" PRIu32, progress->what, done, all);
  if (!line.failed) cli_say_raw(line.bytes, line.len_bytes);
  progress->is_shown = true;
  base_text_deinit(&line);
}
