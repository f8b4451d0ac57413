/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a program gets: the public face of `struct wasi_config`. */
#include "api/parts.h"

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
  wasi_config_free(wasi->config);
  base_free(wasi);
}

enum cay_status cay_wasi_add_arg(cay_wasi *wasi, const char *arg, struct cay_error *error) {
  return wasi_config_add_arg(wasi->config, arg, error);
}

enum cay_status cay_wasi_set_env(cay_wasi *wasi, const char *name, const char *value, struct cay_error *error) {
  return wasi_config_set_env(wasi->config, name, value, error);
}

enum cay_status cay_wasi_inherit_env(cay_wasi *wasi, const char *name, struct cay_error *error) {
  const char *value = getenv(name);
  return value ? wasi_config_set_env(wasi->config, name, value, error) : CAY_OK;
}

enum cay_status cay_wasi_grant_path(cay_wasi *wasi, const char *host_path, const char *guest_path,
                                    enum cay_rights rights, struct cay_error *error) {
  if (rights != CAY_RIGHTS_READ && rights != CAY_RIGHTS_READ_WRITE)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "a path is granted for reading, or for reading and writing");
  uint32_t host_rights = rights == CAY_RIGHTS_READ ? HOST_RIGHTS_READ_ONLY : HOST_RIGHTS_ALL;
  return wasi_config_grant_path(wasi->config, host_path, guest_path, host_rights, error);
}

enum cay_status cay_wasi_listen(cay_wasi *wasi, const char *address, struct cay_error *error) {
  struct host_object *listener = NULL;
  enum cay_status status = host_grant_listener(address, &listener, error);
  if (status != CAY_OK) return status;
  char bound[128];
  if (!host_object_address(listener, bound, sizeof bound)) bound[0] = 0;
  char *copy = base_string_copy(bound, strlen(bound));
  if (!copy || !BASE_VEC_RESERVE(&wasi->listen_addresses, wasi->listen_addresses.count + 1))
    status = base_error_memory(error);
  else
    status = wasi_config_add_socket(wasi->config, listener, error);
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

enum cay_status cay_wasi_set_stdio(cay_wasi *wasi, unsigned index, enum cay_stdio kind, int fd,
                                   struct cay_error *error) {
  if (index > 2) return base_error_set(error, CAY_ERROR_ARGUMENT, "standard streams are 0, 1 and 2, not %u", index);
  if (kind == CAY_STDIO_NULL) {
    wasi_config_empty_stdio(wasi->config, index);
    return CAY_OK;
  }
  if (kind != CAY_STDIO_INHERIT && kind != CAY_STDIO_FD)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "there is no such kind of standard stream");
  struct host_object *object = NULL;
  enum cay_status status = host_grant_fd(kind == CAY_STDIO_INHERIT ? (int)index : fd,
                                         index == 0 ? HOST_RIGHT_READ : HOST_RIGHT_WRITE, &object, error);
  if (status == CAY_ERROR_SYSTEM && kind == CAY_STDIO_INHERIT) status = CAY_OK; /* closed here, closed for the guest */
  if (status == CAY_OK) status = wasi_config_set_stdio(wasi->config, index, object, error);
  host_object_release(object);
  return status;
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
