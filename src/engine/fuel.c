/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Fuel: what the guest's code charges, taken from the store's budget in chunks and given back when a call ends. So the
 * budget knows what one thread has used exactly whenever no guest code runs; of several threads each holds at most a
 * chunk more than it has used. */
#include "engine/internal.h"

enum { CHUNK = 1 << 16 };

bool engine_fuel_more(struct engine_thread *thread) {
  struct base_budget *budget = thread->store->budget;
  assert(thread->fuel < 0);
  uint64_t owed = (uint64_t)-thread->fuel;
  for (uint64_t chunk = CHUNK; chunk > 0; chunk /= 2) {
    if (!base_budget_try(budget, BASE_LIMIT_FUEL, owed + chunk)) continue;
    thread->fuel = (int64_t)chunk;
    return true;
  }
  thread->fuel = 0;
  if (base_budget_take_part(budget, BASE_LIMIT_FUEL, owed) == owed) return true;
  engine_limit_reached(thread, BASE_LIMIT_FUEL);
  return false;
}

void engine_fuel_settle(struct engine_thread *thread) {
  assert(thread->fuel >= 0);
  base_budget_give(thread->store->budget, BASE_LIMIT_FUEL, (uint64_t)thread->fuel);
  thread->fuel = 0;
}
