/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* From a run to the wall around it: what its grants reach, whether it will start threads, where its code lies,
 * and whom it asks about what lies behind it. */
#include <unistd.h>

#include "api/parts.h"
#include "inspect/inspect.h"

struct places {
  BASE_VEC(struct policy_wall_path) paths;
  BASE_VEC(int) owned; /* descriptors to be closed */
  bool failed;
};

static void add_place(void *env, const struct host_reach *reach) {
  struct places *places = env;
  struct policy_wall_path *path = BASE_VEC_PUSH(&places->paths);
  int *owned = reach->owns_fd ? BASE_VEC_PUSH(&places->owned) : NULL;
  if (owned)
    *owned = reach->fd;
  else if (reach->owns_fd)
    close(reach->fd);
  places->failed |= !path || (reach->owns_fd && !owned);
  if (path) *path = (struct policy_wall_path){reach->fd, reach->rights, reach->is_directory};
}

static void places_deinit(struct places *places) {
  for (size_t i = 0; i < places->owned.count; i++) close(places->owned.items[i]);
  BASE_VEC_DEINIT(&places->owned);
  BASE_VEC_DEINIT(&places->paths);
}

/* What calls no WASI is denied nothing; without debug information, too, there is nothing to ask, and the fork is saved. */
static bool needs_broker(const cay_run *run) {
  const struct module *module;
  for (size_t i = 0; i < api_run_modules(run, i, &module); i++)
    if (inspect_has_positions(module)) return true;
  return api_run_uses_wasi(run);
}

enum cay_status api_run_wall(cay_run *run, const cay_wasi *wasi, struct policy_wall_report *report,
                             struct api_broker **broker, struct cay_error *error) {
  struct places places = {0};
  if (api_run_makes_code(run)) base_code_may_run(); /* makes the arena, which cannot be made behind the wall */
  if (wasi) wasi_config_reach(wasi->config, add_place, &places);
  struct policy_wall wall = {.paths = places.paths.items,
                             .path_count = places.paths.count,
                             .threads = api_run_starts_threads(run),
                             .listeners = wasi && wasi_config_accepts(wasi->config),
                             .code = (uintptr_t)base_code_arena(),
                             .code_bytes = base_code_arena_bytes(),
                             .code_change = base_code_change()};
  *broker = NULL;
  enum cay_status status = places.failed ? base_error_memory(error) : CAY_OK;
  if (status == CAY_OK && needs_broker(run)) status = api_broker_new(run, broker, error);
  wall.child = api_broker_process(*broker);
  if (status == CAY_OK) policy_wall_enter(&wall, report);
  places_deinit(&places);
  return status;
}
