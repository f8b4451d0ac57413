/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Telling whoever configured the run what was refused and what would have allowed it. Only refusals by grants are told,
 * not those of the host's own file system. */
#include "wasi/p1/p1.h"

static void add_guest_path(struct base_text *text, const char *directory, struct host_path path) {
  char printable[1024];
  bool is_absolute = path.len_bytes && path.bytes[0] == '/';
  if (!is_absolute && directory && strcmp(directory, ".") != 0) {
    base_text_addz(text, directory);
    if (text->len_bytes && text->bytes[text->len_bytes - 1] != '/') base_text_addz(text, "/");
  }
  base_text_addz(text, base_printable(printable, sizeof printable, path.bytes, path.len_bytes));
}

static const struct wasi_preopen *preopen_of(const struct wasi_p1 *p1, const struct p1_handle *handle) {
  return handle->preopen >= 0 ? &p1->preopens.items[handle->preopen] : NULL;
}

int p1_denied(struct p1_call *call, const struct p1_handle *handle, struct host_path path, uint32_t rights_needed,
              int result) {
  const struct wasi_hooks *hooks = &call->p1->hooks;
  if (!hooks->denied || (result != -HOST_ERROR_NOTCAPABLE && result != -HOST_ERROR_ROFS)) return result;
  const struct wasi_preopen *preopen = preopen_of(call->p1, handle);
  bool is_synthetic = preopen && preopen->is_synthetic;
  uint32_t missing = rights_needed & ~host_object_rights(handle->object);
  /* Without a missing right it is the host's own file system that is read-only. */
  if (result == -HOST_ERROR_ROFS && !missing && !is_synthetic) return result;
  /* A missing right to change directories is reported as ROFS, so it is not why a path was refused. */
  if (result == -HOST_ERROR_NOTCAPABLE) missing &= ~(uint32_t)HOST_RIGHT_MUTATE;
  struct base_text guest_path = {0};
  const char *directory = handle->guest_path ? handle->guest_path : preopen ? preopen->guest_path : NULL;
  add_guest_path(&guest_path, directory, path);
  enum wasi_denial_reason reason = result == -HOST_ERROR_ROFS ? WASI_DENIAL_READ_ONLY
                                   : missing                  ? WASI_DENIAL_RIGHT
                                                              : WASI_DENIAL_ESCAPE;
  const char *granted_file = is_synthetic ? host_granted_file(handle->object, path) : NULL;
  struct wasi_denial denial = {.reason = reason,
                               .call = call->function->name,
                               .guest_path = guest_path.bytes ? guest_path.bytes : "",
                               .preopen = preopen ? preopen->guest_path : NULL,
                               .host_path = preopen ? preopen->host_path : NULL,
                               .rights_needed = missing};
  if (granted_file) {
    denial.preopen = denial.guest_path;
    denial.host_path = granted_file;
  }
  p1_telling(call);
  hooks->denied(hooks->denied_env, &denial);
  p1_told(call);
  base_text_deinit(&guest_path);
  return result;
}
