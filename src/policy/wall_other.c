/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Systems and processors without a second wall: nothing holds, and the report says so. */
#include <stdio.h>

#include "policy/policy.h"

bool policy_wall_is_default(void) { return false; }

void policy_wall_enter(const struct policy_wall *wall, struct policy_wall_report *report) {
  (void)wall;
  *report = (struct policy_wall_report){0};
}

void policy_wall_part_text(const struct policy_wall_report *report, enum policy_wall_part part,
                           char out[POLICY_WALL_TEXT_BYTES]) {
  (void)report, (void)part;
  snprintf(out, POLICY_WALL_TEXT_BYTES, "this system has nothing of the kind");
}

bool policy_wall_enter_reader(void) { return false; }

void policy_wall_enter_lookup(void) {}
