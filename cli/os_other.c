/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* `cay doctor` on systems without checks of their own: what every POSIX system can be asked. */
#include "cli/cli.h"

#include <stdio.h>

size_t cli_os_checks(struct cli_check checks[CLI_CHECKS]) {
  size_t bytes = sizeof(size_t) > 4 ? (size_t)(UINT64_C(8) << 30) : (size_t)64 << 20;
  void *memory = base_os_reserve(bytes);
  checks[0] = (struct cli_check){.name = "address space for guard pages", .ok = memory != NULL};
  snprintf(checks[0].found, sizeof checks[0].found, "%s", memory ? "available" : "not available");
  if (!memory) checks[0].advice = "memories are checked by explicit comparisons, which costs some speed";
  if (memory) base_os_release(memory, bytes);
  return 1;
}

bool cli_os_child_begin(int parent) { return true; }

void cli_os_child_close(void) {}

void cli_os_cpu_name(char *out, size_t capacity) { snprintf(out, capacity, "unknown"); }

unsigned cli_os_cpu_count(void) { return 1; }
