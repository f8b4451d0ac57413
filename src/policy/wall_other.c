/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Systems and processors without a second wall: nothing holds, and the report says so. */
#include <stdio.h>

#include "policy/policy.h"

bool policy_wall_is_default(void) { return false; }

void policy_wall_enter(const struct policy_wall *wall, struct policy_wall_report *report) {
  (void)wall;
  for (int part = 0; part < POLICY_WALL_PART_COUNT; part++) {
    report->parts[part].holds = false;
    snprintf(report->parts[part].text, sizeof report->parts[part].text, "this system has nothing of the kind");
  }
}

bool policy_wall_enter_reader(void) { return false; }
