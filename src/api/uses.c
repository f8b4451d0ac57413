/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Uses of rights and denials on their way from the surface to the embedder: the structures of `wasi` become those of
 * cay.h. */
#include "api/parts.h"

#include <assert.h>

static_assert((int)CAY_RIGHT_READ == (int)WASI_RIGHT_READ && (int)CAY_RIGHT_WRITE == (int)WASI_RIGHT_WRITE &&
                  (int)CAY_RIGHT_CREATE == (int)WASI_RIGHT_CREATE && (int)CAY_RIGHT_REMOVE == (int)WASI_RIGHT_REMOVE &&
                  (int)CAY_RIGHT_LIST == (int)WASI_RIGHT_LIST && (int)CAY_RIGHT_STAT == (int)WASI_RIGHT_STAT &&
                  (int)CAY_RIGHT_LINK == (int)WASI_RIGHT_LINK && (int)CAY_RIGHT_ACCEPT == (int)WASI_RIGHT_ACCEPT &&
                  (int)CAY_RIGHT_CONNECT == (int)WASI_RIGHT_CONNECT && (int)CAY_RIGHT_ARGS == (int)WASI_RIGHT_ARGS &&
                  (int)CAY_RIGHT_ENV == (int)WASI_RIGHT_ENV && (int)CAY_RIGHT_CLOCK == (int)WASI_RIGHT_CLOCK &&
                  (int)CAY_RIGHT_RANDOM == (int)WASI_RIGHT_RANDOM && (int)CAY_RIGHT_STREAM == (int)WASI_RIGHT_STREAM,
              "the public rights are the surface's");
static_assert(
    (int)CAY_DENIAL_ESCAPE == (int)WASI_DENIAL_ESCAPE && (int)CAY_DENIAL_READ_ONLY == (int)WASI_DENIAL_READ_ONLY &&
        (int)CAY_DENIAL_RIGHT == (int)WASI_DENIAL_RIGHT && (int)CAY_DENIAL_ABSENT == (int)WASI_DENIAL_ABSENT &&
        (int)CAY_DENIAL_DEVICE == (int)WASI_DENIAL_DEVICE && (int)CAY_DENIAL_QUOTA == (int)WASI_DENIAL_QUOTA &&
        (int)CAY_DENIAL_NETWORK == (int)WASI_DENIAL_NETWORK && (int)CAY_DENIAL_PERMIT == (int)WASI_DENIAL_PERMIT,
    "the public reasons are the surface's");

const char *cay_right_name(enum cay_right right) {
  static const char *const names[] = {"read",   "write",   "create", "remove", "list",  "stat",   "link",
                                      "accept", "connect", "args",   "env",    "clock", "random", "stream"};
  for (unsigned i = 0; i < BASE_ARRAY_LEN(names); i++)
    if ((unsigned)right == 1u << i) return names[i];
  return NULL;
}

static void pass_denial(void *env, const struct wasi_denial *denial) {
  struct api_hearers *hearers = env;
  cay_denial public_denial = {(enum cay_denial_reason)denial->reason,
                              denial->call,
                              denial->guest_path,
                              denial->preopen,
                              denial->host_path,
                              denial->rights,
                              denial->is_exclusive,
                              denial->rule,
                              denial->listener};
  hearers->denied(hearers->denied_env, &public_denial);
}

static cay_access public_access(const struct api_hearers *hearers, const struct wasi_access *access) {
  return (cay_access){.call = access->call,
                      .rights = access->rights,
                      .object = access->object,
                      .preopen = access->preopen,
                      .host_path = access->host_path,
                      .rule = access->rule,
                      .listener = access->listener,
                      .is_exclusive = access->is_exclusive,
                      .is_directory = access->kind == HOST_KIND_DIRECTORY,
                      .is_denied = access->denial != NULL,
                      .reason = access->denial ? (enum cay_denial_reason)access->denial->reason : CAY_DENIAL_ESCAPE,
                      .thread = hearers->thread_of(hearers->thread_env)};
}

static bool pass_permit(void *env, const struct wasi_access *access) {
  struct api_hearers *hearers = env;
  cay_access passed = public_access(hearers, access);
  return hearers->uses.permit(hearers->uses.permit_env, &passed);
}

static void pass_access(void *env, const struct wasi_access *access, int result) {
  struct api_hearers *hearers = env;
  cay_access passed = public_access(hearers, access);
  passed.result = result < 0 ? host_error_name((enum host_error) - result) : "OK";
  hearers->uses.audit(hearers->uses.audit_env, &passed);
}

static void pass_wait(void *env) {
  struct api_hearers *hearers = env;
  hearers->uses.waits(hearers->uses.audit_env);
}

void api_hearers_hook(struct api_hearers *hearers, struct wasi_hooks *hooks) {
  hooks->denied_env = hooks->permit_env = hooks->accessed_env = hearers;
  hooks->denied = hearers->denied ? pass_denial : NULL;
  hooks->permit = hearers->uses.permit ? pass_permit : NULL;
  hooks->accessed = hearers->uses.audit ? pass_access : NULL;
  hooks->waits = hearers->uses.audit && hearers->uses.waits ? pass_wait : NULL;
}
