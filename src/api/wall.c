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

struct ports {
  BASE_VEC(struct policy_wall_ports) items;
  bool failed, any; /* of TCP or UDP */
  bool names;       /* are looked up */
};

/* What a rule lets sockets do; accepting needs none of their own. */
static void add_rule(void *env, const struct host_net_rule *rule) {
  struct ports *ports = env;
  if (rule->denies || !(rule->directions & (HOST_NET_CONNECT | HOST_NET_LISTEN))) return;
  ports->any = true;
  ports->names |= rule->directions & HOST_NET_CONNECT && (rule->what == HOST_NET_NAME || rule->what == HOST_NET_ANY);
  if (!(rule->protocols & HOST_NET_TCP)) return;
  struct policy_wall_ports *added = BASE_VEC_PUSH(&ports->items);
  ports->failed |= !added;
  if (added)
    *added = (struct policy_wall_ports){.first = rule->port_first,
                                        .last = rule->port_last,
                                        .connects = rule->directions & HOST_NET_CONNECT,
                                        .listens = rule->directions & HOST_NET_LISTEN};
}

static void places_deinit(struct places *places) {
  for (size_t i = 0; i < places->owned.count; i++) close(places->owned.items[i]);
  BASE_VEC_DEINIT(&places->owned);
  BASE_VEC_DEINIT(&places->paths);
}

/* What calls no WASI is denied nothing; without debug information, too, and where the tier starts no process, there is nothing to
 * ask, and the fork is saved. */
static bool may_ask(const cay_run *run) {
  const struct module *module;
  for (size_t i = 0; i < api_run_modules(run, i, &module); i++)
    if (inspect_has_positions(module)) return true;
  return api_run_uses_wasi(run) || api_run_makes_sockets(run) || api_run_tier(run)->delegate;
}

/* Messages can do without a broker, names cannot. */
static enum cay_status start_broker(cay_run *run, const cay_wasi *wasi, const struct api_cache *cache, bool has_names,
                                    struct api_broker **broker, struct cay_error *missing, struct cay_error *error) {
  if (!may_ask(run)) return CAY_OK;
  struct host_network *network = wasi && api_run_makes_sockets(run) ? wasi->network : NULL;
  enum cay_status status = api_broker_new(run, network, cache, broker, has_names ? error : missing);
  return has_names ? status : CAY_OK;
}

enum cay_status api_run_wall(cay_run *run, const cay_wasi *wasi, const struct api_cache *cache,
                             struct policy_wall_report *report, struct api_broker **broker, struct cay_error *missing,
                             struct cay_error *error) {
  struct places places = {0};
  struct ports ports = {0};
  if (api_run_tier(run)->prepare) api_run_tier(run)->prepare();
  if (wasi) wasi_config_reach(wasi->config, add_place, &places);
  if (wasi && wasi->network && api_run_makes_sockets(run)) host_network_each_rule(wasi->network, add_rule, &ports);
  struct policy_wall wall = {.paths = places.paths.items,
                             .path_count = places.paths.count,
                             .threads = api_run_starts_threads(run),
                             .listeners = wasi && wasi_config_accepts(wasi->config),
                             .sockets = ports.any,
                             .ports = ports.items.items,
                             .port_count = ports.items.count,
                             .code = (uintptr_t)base_code_arena(),
                             .code_bytes = base_code_arena_bytes(),
                             .code_change = base_code_change()};
  *broker = NULL;
  *missing = (struct cay_error){.status = CAY_OK};
  enum cay_status status = places.failed || ports.failed ? base_error_memory(error) : CAY_OK;
  if (status == CAY_OK) status = start_broker(run, wasi, cache, ports.names, broker, missing, error);
  wall.child = api_broker_process(*broker);
  if (status == CAY_OK) policy_wall_enter(&wall, report);
  base_os_await_waiter(); /* which another processor made meanwhile */
  places_deinit(&places);
  BASE_VEC_DEINIT(&ports.items);
  return status;
}

enum cay_status api_run_keep(cay_run *run, const struct api_cache *cache, struct api_broker **broker,
                             struct cay_error *error) {
  *broker = NULL;
  if (!api_run_tier(run)->start_for) return CAY_OK;
  enum cay_status status = api_broker_new(run, NULL, cache, broker, error);
  base_os_await_waiter();
  return status;
}
