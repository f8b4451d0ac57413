/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Telling whoever configured the run which rights are used, and what was refused and what would have allowed it.
 *
 * Every place where a right is used passes here twice, before and after: p1_permit and p1_used. Both cost one predictable
 * branch when nobody listens, and what they tell is put together only when somebody does. Rejected: telling from the
 * trace of calls, which knows numbers of handles but not what was granted.
 *
 * A refusal is told as a denial when a grant or a handle is the reason, not when the host's own file system is. The name of
 * a file in a directory of singly granted files that is not among them is a denial, too, though the guest sees an ordinary
 * "no such file": nothing else would say which grant is missing.
 *
 * Invariants: 1. the hooks run one at a time, under told_lock; 2. what is told once is told before `once_told` says so,
 * and the environment does not change afterwards. */
#include <assert.h>

#include "wasi/p1/p1.h"

/* ---- Names ----------------------------------------------------------------------------------------------------------- */

static const struct wasi_preopen *preopen_of(const struct wasi_p1 *p1, const struct p1_handle *handle) {
  return handle && handle->preopen >= 0 ? &p1->preopens.items[handle->preopen] : NULL;
}

static const char *directory_name(const struct wasi_p1 *p1, const struct p1_handle *handle) {
  const struct wasi_preopen *preopen = preopen_of(p1, handle);
  return handle->guest_path ? handle->guest_path : preopen ? preopen->guest_path : NULL;
}

/* What no host accepts is not told in full, and a chain of ever deeper directories does not take ever more memory. */
enum { PATH_BYTES_MAX = 4096, GUEST_PATH_BYTES_MAX = 8192 };

static void add_cut(struct base_text *text, const char *bytes, size_t len_bytes, size_t most_bytes) {
  base_text_add(text, bytes, len_bytes < most_bytes ? len_bytes : most_bytes);
  if (len_bytes > most_bytes) base_text_addz(text, "...");
}

/* A zero byte is told as it is printed: no file's name holds one, and what stands behind it would be lost in a C string. */
static void add_name(struct base_text *text, struct host_path path) {
  struct base_text name = {0};
  for (size_t at = 0; at < path.len_bytes;) {
    const char *zero = memchr(path.bytes + at, 0, path.len_bytes - at);
    size_t end = zero ? (size_t)(zero - path.bytes) : path.len_bytes;
    base_text_add(&name, path.bytes + at, end - at);
    if (zero) base_text_addz(&name, "\\x00");
    at = end + (zero != NULL);
  }
  text->failed |= name.failed;
  if (name.len_bytes && !name.failed) add_cut(text, name.bytes, name.len_bytes, PATH_BYTES_MAX);
  base_text_deinit(&name);
}

static bool holds_zero(struct host_path path) { return path.len_bytes && memchr(path.bytes, 0, path.len_bytes); }

static void add_guest_path(struct base_text *text, const char *directory, struct host_path path) {
  bool is_absolute = path.len_bytes && path.bytes[0] == '/', is_self = path.len_bytes == 1 && path.bytes[0] == '.';
  bool names_directory = directory && !is_absolute && (is_self || strcmp(directory, ".") != 0);
  if (names_directory) base_text_addz(text, directory);
  if (names_directory && is_self) return;
  if (names_directory && text->len_bytes && text->bytes[text->len_bytes - 1] != '/') base_text_addz(text, "/");
  if (holds_zero(path))
    add_name(text, path);
  else
    add_cut(text, path.bytes, path.len_bytes, PATH_BYTES_MAX);
}

char *p1_guest_path(const struct wasi_p1 *p1, const struct p1_handle *directory, struct host_path path) {
  struct base_text text = {0};
  add_guest_path(&text, directory_name(p1, directory), path);
  if (!text.failed && text.len_bytes > GUEST_PATH_BYTES_MAX) {
    text.len_bytes = GUEST_PATH_BYTES_MAX;
    base_text_addz(&text, "...");
  }
  if (text.failed) base_text_deinit(&text);
  return text.bytes;
}

/* What follows the granted directory in a guest path; NULL when it does not lie beneath it as it is written. */
static const char *beneath(const char *directory, const char *path) {
  size_t len_bytes = strlen(directory);
  if (strcmp(directory, ".") == 0) return *path == '/' ? NULL : path;
  while (len_bytes && directory[len_bytes - 1] == '/') len_bytes--;
  if (strncmp(directory, path, len_bytes) != 0 || (path[len_bytes] && path[len_bytes] != '/')) return NULL;
  return path + len_bytes + (path[len_bytes] == '/');
}

static void add_host_path(struct base_text *text, const struct wasi_preopen *preopen, const char *object) {
  const char *rest = preopen->host_path ? beneath(preopen->guest_path, object) : NULL;
  if (!rest) return;
  base_text_addz(text, preopen->host_path);
  if (!*rest || strcmp(rest, ".") == 0) return;
  if (text->len_bytes && text->bytes[text->len_bytes - 1] != '/') base_text_addz(text, "/");
  base_text_addz(text, rest);
}

/* ---- One use ----------------------------------------------------------------------------------------------------------- */

struct telling {
  struct wasi_access access;
  struct wasi_denial denial;
  struct base_text object, host_path, rule;
  char printable[1024];
};

static void telling_deinit(struct telling *telling) {
  base_text_deinit(&telling->object);
  base_text_deinit(&telling->host_path);
  base_text_deinit(&telling->rule);
}

static const char *text_of(const struct base_text *text) {
  return text->failed ? "(out of memory)" : text->bytes ? text->bytes : "";
}

/* The grant of a file among singly granted ones: one that is named in their directory, or one that was opened. */
static bool find_file(const struct wasi_preopen *preopen, const struct p1_use *use, struct host_file_grant *out) {
  const char *opened = use->handle->guest_path, *slash = opened ? strrchr(opened, '/') : NULL;
  if (host_object_kind(use->handle->object) == HOST_KIND_DIRECTORY)
    return host_granted_file(use->handle->object, use->path, out);
  if (!opened) return false;
  const char *name = slash ? slash + 1 : opened;
  return host_granted_file(preopen->directory, (struct host_path){name, strlen(name)}, out);
}

/* A file that was granted singly is its own grant. */
static void describe_file(struct telling *telling, const struct wasi_preopen *preopen, const struct p1_use *use) {
  struct host_file_grant file;
  if (!find_file(preopen, use, &file)) return;
  if (file.host_path) base_text_addz(&telling->host_path, file.host_path);
  if (file.rule)
    base_text_addz(&telling->rule, file.rule);
  else if (file.host_path)
    base_text_format(&telling->rule, "--dir %s::%s", file.host_path, text_of(&telling->object));
  telling->access.preopen = text_of(&telling->object);
}

static void describe_path(struct p1_call *call, const struct p1_use *use, struct telling *telling) {
  const struct wasi_preopen *preopen = preopen_of(call->p1, use->handle);
  add_guest_path(&telling->object, directory_name(call->p1, use->handle), use->path);
  if (!preopen) return;
  if (preopen->is_synthetic) {
    describe_file(telling, preopen, use);
    return;
  }
  telling->access.preopen = preopen->guest_path;
  telling->access.rule = preopen->rule;
  if (!holds_zero(use->path)) add_host_path(&telling->host_path, preopen, text_of(&telling->object));
}

/* telling_deinit afterwards. What only denials have is set by set_denial. */
static void describe(struct p1_call *call, const struct p1_use *use, struct telling *telling) {
  telling->object = telling->host_path = telling->rule = (struct base_text){0};
  telling->access = (struct wasi_access){
      .call = call->function->name, .rights = use->rights, .is_exclusive = use->is_exclusive, .kind = use->kind};
  if (use->object) {
    telling->access.object = use->object;
    telling->access.rule = use->rule;
    telling->access.listener = use->listener;
    return;
  }
  describe_path(call, use, telling);
  telling->access.object = text_of(&telling->object);
  if (telling->host_path.bytes) telling->access.host_path = text_of(&telling->host_path);
  if (telling->rule.bytes) telling->access.rule = text_of(&telling->rule);
}

/* ---- Denials ------------------------------------------------------------------------------------------------------------- */

static bool is_device(const struct p1_use *use) {
  struct host_stat stat;
  if (!use->path.len_bytes || host_stat_at(use->handle->object, use->path, true, &stat)) return false;
  return stat.kind == HOST_KIND_CHARACTER_DEVICE || stat.kind == HOST_KIND_BLOCK_DEVICE;
}

static bool in_single_files(const struct p1_call *call, const struct p1_use *use) {
  const struct wasi_preopen *preopen = preopen_of(call->p1, use->handle);
  return preopen && preopen->is_synthetic && host_object_kind(use->handle->object) == HOST_KIND_DIRECTORY;
}

/* Whether `result` is a refusal by a grant; then why, and the rights that are missing. */
static bool is_refusal(struct p1_call *call, const struct p1_use *use, int result, enum wasi_denial_reason *reason,
                       uint32_t *missing) {
  struct host_file_grant file;
  bool is_single = in_single_files(call, use),
       is_known = is_single && host_granted_file(use->handle->object, use->path, &file);
  *missing = use->host_rights & ~host_object_rights(use->handle->object);
  if (is_single && !is_known && (result == -HOST_ERROR_NOENT || result == -HOST_ERROR_ROFS)) {
    *reason = WASI_DENIAL_ABSENT;
    *missing = use->host_rights;
    return true;
  }
  if (result == -HOST_ERROR_ROFS) {
    *reason = WASI_DENIAL_READ_ONLY;
    /* Without a missing right it is the host's own file system that is read-only. */
    return *missing || is_single;
  }
  if (result != -HOST_ERROR_NOTCAPABLE) return false;
  /* Where one may read, a missing right to change directories is reported as ROFS, so it is not why it was refused. */
  if (host_object_rights(use->handle->object) & HOST_RIGHT_READ)
    *missing &= ~(uint32_t)(HOST_RIGHT_MUTATE | HOST_RIGHT_CREATE);
  *reason = *missing ? WASI_DENIAL_RIGHT : is_device(use) ? WASI_DENIAL_DEVICE : WASI_DENIAL_ESCAPE;
  return true;
}

static void set_denial(struct telling *telling, const struct p1_use *use, enum wasi_denial_reason reason,
                       uint32_t missing) {
  struct wasi_access *access = &telling->access;
  telling->denial = (struct wasi_denial){.reason = reason,
                                         .call = access->call,
                                         .guest_path = base_printable(telling->printable, sizeof telling->printable,
                                                                      access->object, strlen(access->object)),
                                         .preopen = access->preopen,
                                         .rights_needed = missing,
                                         .rights = access->rights,
                                         .is_exclusive = access->is_exclusive,
                                         .rule = access->rule,
                                         .listener = access->listener,
                                         .rights_had = use->handle ? host_object_rights(use->handle->object) : 0};
  access->denial = &telling->denial;
}

/* Where the granted directory or file lies, which is what a denial names. */
static void set_denial_place(const struct p1_call *call, const struct p1_use *use, struct telling *telling) {
  const struct wasi_preopen *preopen = preopen_of(call->p1, use->handle);
  if (!preopen) return;
  telling->denial.host_path = preopen->is_synthetic ? telling->access.host_path : preopen->host_path;
  if (preopen->is_synthetic && telling->access.host_path) telling->denial.preopen = telling->denial.guest_path;
}

static void tell(struct p1_call *call, const struct telling *telling, int result) {
  const struct wasi_hooks *hooks = &call->p1->hooks;
  p1_telling(call);
  if (telling->access.denial && hooks->denied) hooks->denied(hooks->denied_env, telling->access.denial);
  if (hooks->accessed) hooks->accessed(hooks->accessed_env, &telling->access, result);
  p1_told(call);
}

/* ---- Before and after ------------------------------------------------------------------------------------------------------ */

int p1_permit_asked(struct p1_call *call, const struct p1_use *use) {
  const struct wasi_hooks *hooks = &call->p1->hooks;
  struct telling telling;
  describe(call, use, &telling);
  p1_telling(call);
  bool is_allowed = hooks->permit(hooks->permit_env, &telling.access);
  p1_told(call);
  if (!is_allowed) {
    set_denial(&telling, use, WASI_DENIAL_PERMIT, use->host_rights);
    tell(call, &telling, -HOST_ERROR_NOTCAPABLE);
  }
  telling_deinit(&telling);
  return is_allowed ? 0 : -HOST_ERROR_NOTCAPABLE;
}

int p1_used_told(struct p1_call *call, const struct p1_use *use, int result) {
  enum wasi_denial_reason reason = WASI_DENIAL_RIGHT;
  uint32_t missing = 0;
  if (result == P1_TRAPPED) return result;
  bool is_denied = result < 0 && use->handle && is_refusal(call, use, result, &reason, &missing);
  if (!is_denied && !call->p1->tells_uses) return result;
  struct telling telling;
  describe(call, use, &telling);
  if (is_denied) {
    set_denial(&telling, use, reason, missing);
    set_denial_place(call, use, &telling);
  }
  tell(call, &telling, result);
  telling_deinit(&telling);
  return result;
}

/* ---- Handles --------------------------------------------------------------------------------------------------------------- */

static uint32_t use_of_rights(uint64_t p1_rights) {
  static const struct {
    uint64_t p1_rights;
    uint32_t rights;
  } table[] = {
      {P1_FD_READ | P1_PATH_READLINK, WASI_RIGHT_READ},
      {P1_RIGHTS_FILE_WRITING | P1_PATH_FILESTAT_SET_SIZE | P1_FD_FILESTAT_SET_TIMES | P1_PATH_FILESTAT_SET_TIMES,
       WASI_RIGHT_WRITE},
      {P1_PATH_CREATE_DIRECTORY | P1_PATH_CREATE_FILE | P1_PATH_LINK_TARGET | P1_PATH_RENAME_TARGET | P1_PATH_SYMLINK,
       WASI_RIGHT_CREATE},
      {P1_PATH_RENAME_SOURCE | P1_PATH_REMOVE_DIRECTORY | P1_PATH_UNLINK_FILE, WASI_RIGHT_REMOVE},
      {P1_PATH_LINK_SOURCE, WASI_RIGHT_LINK},
      {P1_FD_READDIR, WASI_RIGHT_LIST},
      {P1_SOCK_ACCEPT, WASI_RIGHT_ACCEPT}};
  uint32_t rights = 0;
  for (size_t i = 0; i < BASE_ARRAY_LEN(table); i++)
    if (p1_rights & table[i].p1_rights) rights |= table[i].rights;
  return rights ? rights : WASI_RIGHT_STAT;
}

static const char *once_name(enum p1_once once) {
  static const char *const names[P1_ONCE_COUNT] = {
      [P1_ONCE_NONE] = "handle",          [P1_ONCE_ARGS] = "arguments",      [P1_ONCE_RANDOM] = "random",
      [P1_ONCE_STREAM] = "stdin",         [P1_ONCE_STREAM + 1] = "stdout",   [P1_ONCE_STREAM + 2] = "stderr",
      [P1_ONCE_CLOCK] = "realtime",       [P1_ONCE_CLOCK + 1] = "monotonic", [P1_ONCE_CLOCK + 2] = "process-cpu",
      [P1_ONCE_CLOCK + 3] = "thread-cpu",
  };
  return names[once];
}

/* A use that was refused for `reason`. Returns `result`. */
static int tell_refused(struct p1_call *call, const struct p1_use *use, enum wasi_denial_reason reason, int result) {
  struct telling telling;
  describe(call, use, &telling);
  set_denial(&telling, use, reason, 0);
  set_denial_place(call, use, &telling);
  tell(call, &telling, result);
  telling_deinit(&telling);
  return result;
}

int p1_handle_denied(struct p1_call *call, struct p1_handle *handle, uint64_t missing, int result) {
  if (!call->p1->tells) return result;
  struct p1_use use = {.handle = handle, .path = {".", 1}, .rights = use_of_rights(missing)};
  if (handle->preopen < 0) use.object = once_name(handle->once);
  return tell_refused(call, &use, WASI_DENIAL_RIGHT, result);
}

int p1_grown_told(struct p1_call *call, struct p1_handle *handle, int result) {
  assert(result == -HOST_ERROR_DQUOT);
  if (!call->p1->tells || !host_object_quota_refused(handle->object)) return result;
  if (atomic_exchange_explicit(&handle->is_quota_told, true, memory_order_relaxed)) return result;
  struct p1_use use = {.handle = handle, .path = {".", 1}, .rights = WASI_RIGHT_WRITE};
  return tell_refused(call, &use, WASI_DENIAL_QUOTA, result);
}

void p1_peer_refused(struct p1_call *call, const struct p1_use *use) {
  if (call->p1->tells) tell_refused(call, use, WASI_DENIAL_NETWORK, -HOST_ERROR_NOTCAPABLE);
}

/* ---- What is told once --------------------------------------------------------------------------------------------------------- */

static uint32_t once_right(enum p1_once once) {
  return once == P1_ONCE_ARGS     ? WASI_RIGHT_ARGS
         : once == P1_ONCE_RANDOM ? WASI_RIGHT_RANDOM
         : once >= P1_ONCE_CLOCK  ? WASI_RIGHT_CLOCK
                                  : WASI_RIGHT_STREAM;
}

/* Asks and tells, with told_lock held. */
static bool ask_and_tell(struct p1_call *call, uint32_t right, const char *object) {
  const struct wasi_hooks *hooks = &call->p1->hooks;
  struct wasi_access access = {.call = call->function->name, .rights = right, .object = object, .rule = "default"};
  struct wasi_denial denial = {
      .reason = WASI_DENIAL_PERMIT, .call = access.call, .guest_path = object, .rights = right};
  bool is_allowed = !hooks->permit || hooks->permit(hooks->permit_env, &access);
  if (!is_allowed) access.denial = &denial;
  if (!is_allowed && hooks->denied) hooks->denied(hooks->denied_env, &denial);
  if (hooks->accessed) hooks->accessed(hooks->accessed_env, &access, is_allowed ? 0 : -HOST_ERROR_NOTCAPABLE);
  return is_allowed;
}

/* Variables that are not permitted are taken out. The name ends in a zero while it is told. */
static void tell_environment(struct p1_call *call) {
  struct wasi_p1 *p1 = call->p1;
  size_t at = 0, kept_bytes = 0;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < p1->env_count; i++) {
    char *variable = p1->env.bytes + at;
    size_t len_bytes = strlen(variable) + 1;
    char *name_end = variable + strcspn(variable, "="), behind_name = *name_end;
    *name_end = 0;
    bool is_allowed = ask_and_tell(call, WASI_RIGHT_ENV, variable);
    *name_end = behind_name;
    at += len_bytes;
    if (!is_allowed) continue;
    memmove(p1->env.bytes + kept_bytes, variable, len_bytes);
    kept_bytes += len_bytes;
    kept++;
  }
  assert(at == p1->env.len_bytes);
  p1->env.len_bytes = kept_bytes;
  p1->env_count = kept;
}

int p1_once_told(struct p1_call *call, enum p1_once once) {
  struct wasi_p1 *p1 = call->p1;
  uint32_t bit = UINT32_C(1) << once;
  p1_telling(call);
  bool is_first = !(atomic_load_explicit(&p1->once_told, memory_order_relaxed) & bit);
  if (is_first && once == P1_ONCE_ENV)
    tell_environment(call);
  else if (is_first && !ask_and_tell(call, once_right(once), once_name(once)))
    atomic_fetch_or_explicit(&p1->once_refused, bit, memory_order_relaxed);
  atomic_fetch_or_explicit(&p1->once_told, bit, memory_order_release);
  p1_told(call);
  return atomic_load_explicit(&p1->once_refused, memory_order_relaxed) & bit ? -HOST_ERROR_NOTCAPABLE : 0;
}
