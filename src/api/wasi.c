/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a program gets: the public face of `struct wasi_config`. */
#include "api/parts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum cay_status cay_wasi_new(cay_wasi **out, struct cay_error *error) {
  cay_wasi *wasi = base_alloc_zero(1, sizeof *wasi);
  if (!wasi) return base_error_memory(error);
  enum cay_status status = wasi_config_new(&wasi->config, error);
  if (status != CAY_OK) {
    base_free(wasi);
    return status;
  }
  *out = wasi;
  return CAY_OK;
}

void cay_wasi_free(cay_wasi *wasi) {
  if (!wasi) return;
  for (size_t i = 0; i < wasi->listen_addresses.count; i++) base_free(wasi->listen_addresses.items[i]);
  BASE_VEC_DEINIT(&wasi->listen_addresses);
  host_network_release(wasi->network);
  wasi_config_free(wasi->config);
  base_free(wasi);
}

enum cay_status cay_wasi_add_arg(cay_wasi *wasi, const char *arg, struct cay_error *error) {
  assert(wasi && arg && "an argument is a text");
  return wasi_config_add_arg(wasi->config, arg, error);
}

enum cay_status cay_wasi_set_env(cay_wasi *wasi, const char *name, const char *value, struct cay_error *error) {
  assert(wasi && name && value && "a variable has a name and a value");
  return wasi_config_set_env(wasi->config, name, value, error);
}

enum cay_status cay_wasi_inherit_env(cay_wasi *wasi, const char *name, struct cay_error *error) {
  const char *value = getenv(name);
  return value ? wasi_config_set_env(wasi->config, name, value, error) : CAY_OK;
}

_Static_assert((int)CAY_OVERLAY_MEMORY_BYTES == (int)HOST_OVERLAY_MEMORY_BYTES, "cay.h tells what host does");

static enum cay_status check_grant(const cay_grant *grant, struct cay_error *error) {
  bool creates = grant->rights == CAY_RIGHTS_CREATE, writes = grant->rights == CAY_RIGHTS_READ_WRITE;
  if (!creates && !writes && grant->rights != CAY_RIGHTS_READ)
    return base_error_set(error, CAY_ERROR_ARGUMENT,
                          "a path is granted for reading, for reading and writing, or for creating");
  if (grant->overlay != CAY_OVERLAY_NONE && !writes)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "an overlay is for what may be read and written");
  if (creates && grant->device) return base_error_set(error, CAY_ERROR_ARGUMENT, "a device cannot be created");
  return CAY_OK;
}

enum cay_status cay_wasi_grant(cay_wasi *wasi, const cay_grant *grant, struct cay_error *error) {
  static const enum host_overlay_kind overlays[] = {[CAY_OVERLAY_NONE] = HOST_OVERLAY_NONE,
                                                    [CAY_OVERLAY_MEMORY] = HOST_OVERLAY_MEMORY,
                                                    [CAY_OVERLAY_FOLDER] = HOST_OVERLAY_FOLDER};
  static const uint32_t rights[] = {[CAY_RIGHTS_READ] = HOST_RIGHTS_READ_ONLY,
                                    [CAY_RIGHTS_READ_WRITE] = HOST_RIGHTS_ALL,
                                    [CAY_RIGHTS_CREATE] = HOST_RIGHTS_CREATE_ONLY};
  assert(grant->host_path && grant->guest_path && "a grant says what it grants, and under which name");
  if ((size_t)grant->overlay >= BASE_ARRAY_LEN(overlays))
    return base_error_set(error, CAY_ERROR_ARGUMENT, "there is no such kind of overlay");
  enum cay_status status = check_grant(grant, error);
  if (status) return status;
  struct wasi_grant granted = {.host_path = grant->host_path,
                               .guest_path = grant->guest_path,
                               .rights = rights[grant->rights] | (grant->device ? (uint32_t)HOST_RIGHT_DEVICE : 0),
                               .quota_bytes = grant->quota_bytes,
                               .overlay = overlays[grant->overlay],
                               .scratch_path = grant->scratch_path,
                               .rule = grant->rule};
  return wasi_config_grant(wasi->config, &granted, error);
}

enum cay_status cay_wasi_grant_path(cay_wasi *wasi, const char *host_path, const char *guest_path,
                                    enum cay_rights rights, struct cay_error *error) {
  cay_grant grant = {.host_path = host_path, .guest_path = guest_path, .rights = rights};
  return cay_wasi_grant(wasi, &grant, error);
}

enum cay_status cay_wasi_grant_bytes(cay_wasi *wasi, const char *guest_path, const void *bytes, size_t len_bytes,
                                     const char *rule, struct cay_error *error) {
  assert(guest_path && (bytes || !len_bytes) && "bytes are granted under a name");
  const struct wasi_grant granted = {.guest_path = guest_path,
                                     .rights = HOST_RIGHT_READ,
                                     .rule = rule ? rule : "bytes of the host",
                                     .bytes = len_bytes ? bytes : "",
                                     .len_bytes = len_bytes};
  return wasi_config_grant(wasi->config, &granted, error);
}

enum cay_status cay_wasi_set_clock(cay_wasi *wasi, enum cay_clock clock, uint64_t ns, struct cay_error *error) {
  enum { STEP_NS = 1000 };
  struct host_clocks clocks = {.kind = HOST_CLOCKS_REAL};
  switch (clock) {
  case CAY_CLOCK_REAL: break;
  case CAY_CLOCK_FIXED: clocks = (struct host_clocks){.kind = HOST_CLOCKS_FIXED, .realtime_ns = ns}; break;
  case CAY_CLOCK_COARSE:
    if (ns == 0) return base_error_set(error, CAY_ERROR_ARGUMENT, "a clock cannot move in steps of no time");
    clocks = (struct host_clocks){.kind = HOST_CLOCKS_COARSE, .step_ns = ns};
    break;
  case CAY_CLOCK_STEPPING:
    clocks = (struct host_clocks){.kind = HOST_CLOCKS_STEPPING, .realtime_ns = ns, .step_ns = STEP_NS};
    break;
  default: return base_error_set(error, CAY_ERROR_ARGUMENT, "there is no such clock");
  }
  wasi_config_set_clocks(wasi->config, &clocks);
  return CAY_OK;
}

void cay_wasi_set_random_seed(cay_wasi *wasi, uint64_t seed) { wasi_config_set_random_seed(wasi->config, seed); }

void cay_wasi_set_deterministic(cay_wasi *wasi, uint64_t seed) {
  const uint64_t begin_ns = UINT64_C(946684800000000000); /* the year 2000 */
  cay_wasi_set_clock(wasi, CAY_CLOCK_STEPPING, begin_ns, NULL);
  cay_wasi_set_random_seed(wasi, seed);
  wasi_config_set_uniform(wasi->config, true);
  wasi->is_deterministic = true;
}

static enum cay_status add_rule(cay_wasi *wasi, const struct host_net_rule *rule, struct cay_error *error) {
  enum cay_status status = wasi->network ? CAY_OK : host_network_new(&wasi->network, error);
  return status ? status : host_network_add(wasi->network, rule, error);
}

enum cay_status cay_wasi_net(cay_wasi *wasi, const char *text, const char *rule, struct cay_error *error) {
  struct policy_net net;
  enum cay_status status = policy_net_parse(text, &net, error);
  if (status) return status;
  if (rule) net.rule.rule = rule;
  return add_rule(wasi, &net.rule, error);
}

/* Granting a socket is a rule like any other, so that one which denies it wins. */
static enum cay_status open_listener(cay_wasi *wasi, const char *address, const char **rule, struct host_object **out,
                                     struct cay_error *error) {
  struct host_net_rule listen = {
      .directions = HOST_NET_LISTEN, .protocols = HOST_NET_TCP, .what = HOST_NET_RANGE, .rule = *rule};
  enum cay_status status = policy_listen_parse(address, &listen.address, error);
  if (status) return status;
  listen.prefix_bits = listen.address.is_v6 ? 128 : 32;
  listen.port_first = listen.port_last = listen.address.port;
  status = add_rule(wasi, &listen, error);
  if (status) return status;
  int result = host_network_listen(wasi->network, &listen.address, out, rule);
  if (result == 0) return CAY_OK;
  if (result == -HOST_ERROR_NOTCAPABLE)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "%s is denied by %s", address, *rule ? *rule : "a rule");
  if (result == -HOST_ERROR_NOMEM) return base_error_memory(error);
  return base_error_system(error, errno, "cannot listen on %s", address);
}

enum cay_status cay_wasi_listen(cay_wasi *wasi, const char *address, struct cay_error *error) {
  struct host_object *listener = NULL;
  char bound[128], text[160];
  const char *rule = text;
  snprintf(text, sizeof text, "--listen %s", address);
  enum cay_status status = open_listener(wasi, address, &rule, &listener, error);
  if (status != CAY_OK) return status;
  if (!host_object_address(listener, bound, sizeof bound)) bound[0] = 0;
  char *copy = base_string_copy(bound, strlen(bound));
  if (!copy || !BASE_VEC_RESERVE(&wasi->listen_addresses, wasi->listen_addresses.count + 1))
    status = base_error_memory(error);
  else
    status = wasi_config_add_socket(wasi->config, listener, rule, error);
  host_object_release(listener);
  if (status == CAY_OK)
    *BASE_VEC_PUSH(&wasi->listen_addresses) = copy;
  else
    base_free(copy);
  return status;
}

const char *cay_wasi_listen_address(const cay_wasi *wasi, size_t index) {
  return index < wasi->listen_addresses.count ? wasi->listen_addresses.items[index] : NULL;
}

static enum cay_status check_stream(unsigned index, struct cay_error *error) {
  if (index <= 2) return CAY_OK;
  return base_error_set(error, CAY_ERROR_ARGUMENT, "standard streams are 0, 1 and 2, not %u", index);
}

/* Takes over the object; NULL: closed. */
static enum cay_status set_stream(cay_wasi *wasi, unsigned index, enum cay_status status, struct host_object *object,
                                  struct cay_error *error) {
  if (status == CAY_OK) status = wasi_config_set_stdio(wasi->config, index, object, error);
  host_object_release(object);
  return status;
}

static uint32_t right_of(unsigned index) { return index == 0 ? HOST_RIGHT_READ : HOST_RIGHT_WRITE; }

enum cay_status cay_wasi_set_stream(cay_wasi *wasi, unsigned index, cay_transfer transfer, void *env,
                                    struct cay_error *error) {
  struct host_object *object = NULL;
  assert(transfer && "a stream of the host's has a function");
  enum cay_status status = check_stream(index, error);
  if (status == CAY_OK) status = host_stream(right_of(index), transfer, env, &object, error);
  return set_stream(wasi, index, status, object, error);
}

enum cay_status cay_wasi_set_stdio(cay_wasi *wasi, unsigned index, enum cay_stdio kind, int fd,
                                   struct cay_error *error) {
  enum cay_status status = check_stream(index, error);
  if (status) return status;
  if (kind == CAY_STDIO_NULL) {
    wasi_config_empty_stdio(wasi->config, index);
    return CAY_OK;
  }
  if (kind != CAY_STDIO_INHERIT && kind != CAY_STDIO_FD)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "there is no such kind of standard stream");
  struct host_object *object = NULL;
  status = host_grant_fd(kind == CAY_STDIO_INHERIT ? (int)index : fd, right_of(index), &object, error);
  if (status == CAY_ERROR_SYSTEM && kind == CAY_STDIO_INHERIT) status = CAY_OK; /* closed here, closed for the guest */
  return set_stream(wasi, index, status, object, error);
}

void cay_wasi_set_trace(cay_wasi *wasi, void (*trace)(void *env, const char *line), void *env) {
  wasi->trace = trace;
  wasi->trace_env = env;
}

void cay_wasi_set_denied(cay_wasi *wasi, void (*denied)(void *env, const cay_denial *denial), void *env) {
  wasi->denied = denied;
  wasi->denied_env = env;
}

void cay_wasi_set_audit(cay_wasi *wasi, void (*audit)(void *env, const cay_access *access), void (*waits)(void *env),
                        void *env) {
  wasi->uses.audit = audit;
  wasi->uses.waits = waits;
  wasi->uses.audit_env = env;
}

void cay_wasi_set_permit(cay_wasi *wasi, bool (*permit)(void *env, const cay_access *access), void *env) {
  wasi->uses.permit = permit;
  wasi->uses.permit_env = env;
}
