/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a guest gets, collected before it starts. Everything is checked here, so that making a surface from a
 * configuration can only fail for lack of memory. */
#include "wasi/config.h"

#include <assert.h>

enum cay_status wasi_config_new(struct wasi_config **out, struct cay_error *error) {
  struct wasi_config *config = base_alloc_zero(1, sizeof *config);
  if (!config) return base_error_memory(error);
  *out = config;
  return CAY_OK;
}

void wasi_config_free(struct wasi_config *config) {
  if (!config) return;
  for (size_t i = 0; i < config->args.count; i++) base_free(config->args.items[i]);
  for (size_t i = 0; i < config->env.count; i++) base_free(config->env.items[i]);
  for (size_t i = 0; i < 3; i++) host_object_release(config->streams[i].object);
  for (size_t i = 0; i < config->sockets.count; i++) {
    host_object_release(config->sockets.items[i].object);
    base_free(config->sockets.items[i].rule);
  }
  for (size_t i = 0; i < config->preopens.count; i++) {
    host_object_release(config->preopens.items[i].directory);
    base_free(config->preopens.items[i].guest_path);
    base_free(config->preopens.items[i].host_path);
    base_free(config->preopens.items[i].rule);
  }
  BASE_VEC_DEINIT(&config->args);
  BASE_VEC_DEINIT(&config->env);
  BASE_VEC_DEINIT(&config->sockets);
  BASE_VEC_DEINIT(&config->preopens);
  base_free(config);
}

enum cay_status wasi_config_add_arg(struct wasi_config *config, const char *arg, struct cay_error *error) {
  char *copy = base_string_copy(arg, strlen(arg));
  char **slot = copy ? BASE_VEC_PUSH(&config->args) : NULL;
  if (!slot) {
    base_free(copy);
    return base_error_memory(error);
  }
  *slot = copy;
  return CAY_OK;
}

enum cay_status wasi_config_set_env(struct wasi_config *config, const char *name, const char *value,
                                    struct cay_error *error) {
  size_t name_bytes = strlen(name), value_bytes = strlen(value);
  if (name_bytes == 0 || strchr(name, '='))
    return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%s\" cannot be the name of an environment variable", name);
  char *text = base_alloc(name_bytes + 1 + value_bytes + 1);
  if (!text) return base_error_memory(error);
  memcpy(text, name, name_bytes);
  text[name_bytes] = '=';
  memcpy(text + name_bytes + 1, value, value_bytes + 1);
  char **slot = NULL;
  for (size_t i = 0; i < config->env.count && !slot; i++)
    if (strncmp(config->env.items[i], text, name_bytes + 1) == 0) slot = &config->env.items[i];
  if (slot)
    base_free(*slot);
  else
    slot = BASE_VEC_PUSH(&config->env);
  if (!slot) {
    base_free(text);
    return base_error_memory(error);
  }
  *slot = text;
  return CAY_OK;
}

enum cay_status wasi_config_set_stdio(struct wasi_config *config, unsigned index, struct host_object *object,
                                      struct cay_error *error) {
  assert(index < 3);
  (void)error;
  if (object) host_object_retain(object);
  host_object_release(config->streams[index].object);
  config->streams[index] = (struct wasi_stream){.object = object, .is_set = true};
  return CAY_OK;
}

void wasi_config_empty_stdio(struct wasi_config *config, unsigned index) {
  assert(index < 3);
  host_object_release(config->streams[index].object);
  config->streams[index] = (struct wasi_stream){0};
}

enum cay_status wasi_config_inherit_stdio(struct wasi_config *config, struct cay_error *error) {
  for (unsigned i = 0; i < 3; i++) {
    struct host_object *object = NULL;
    enum cay_status status = host_grant_fd((int)i, i == 0 ? HOST_RIGHT_READ : HOST_RIGHT_WRITE, &object, error);
    if (status == CAY_ERROR_MEMORY) return status;
    status = wasi_config_set_stdio(config, i, status ? NULL : object, error);
    host_object_release(object);
    if (status) return status;
  }
  return CAY_OK;
}

/* ---- Directories and files ------------------------------------------------------------------------------------------ */

/* The length without trailing slashes; "/" stays. */
static size_t trimmed(const char *path) {
  size_t len_bytes = strlen(path);
  while (len_bytes > 1 && path[len_bytes - 1] == '/') len_bytes--;
  return len_bytes;
}

static struct wasi_preopen *find_preopen(struct wasi_config *config, const char *guest_path, size_t len_bytes) {
  for (size_t i = 0; i < config->preopens.count; i++) {
    struct wasi_preopen *preopen = &config->preopens.items[i];
    if (strlen(preopen->guest_path) == len_bytes && memcmp(preopen->guest_path, guest_path, len_bytes) == 0)
      return preopen;
  }
  return NULL;
}

/* A copy that may be missing: true when it is there as far as there is a text. */
static bool copy_text(const char *text, char **out) {
  *out = text ? base_string_copy(text, strlen(text)) : NULL;
  return *out || !text;
}

static enum cay_status add_preopen(struct wasi_config *config, struct host_object *directory,
                                   const struct wasi_grant *grant, struct host_path guest_path, bool is_synthetic,
                                   struct cay_error *error) {
  if (guest_path.len_bytes == 0)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "a directory needs a name in the guest");
  if (find_preopen(config, guest_path.bytes, guest_path.len_bytes))
    return base_error_set(error, CAY_ERROR_ARGUMENT, "%.*s is granted twice; give each a path of its own in the guest",
                          (int)guest_path.len_bytes, guest_path.bytes);
  struct wasi_preopen preopen = {.guest_path = base_string_copy(guest_path.bytes, guest_path.len_bytes),
                                 .is_synthetic = is_synthetic};
  bool complete = copy_text(is_synthetic ? NULL : grant->host_path, &preopen.host_path);
  complete &= copy_text(is_synthetic ? NULL : grant->rule, &preopen.rule);
  struct wasi_preopen *slot = complete && preopen.guest_path ? BASE_VEC_PUSH(&config->preopens) : NULL;
  if (!slot) {
    base_free(preopen.guest_path);
    base_free(preopen.host_path);
    base_free(preopen.rule);
    return base_error_memory(error);
  }
  preopen.directory = host_object_retain(directory);
  *slot = preopen;
  return CAY_OK;
}

enum cay_status wasi_config_preopen(struct wasi_config *config, struct host_object *directory,
                                    const struct wasi_grant *grant, struct cay_error *error) {
  assert(host_object_kind(directory) == HOST_KIND_DIRECTORY);
  return add_preopen(config, directory, grant, (struct host_path){grant->guest_path, trimmed(grant->guest_path)}, false,
                     error);
}

/* Splits "/etc/hosts" into "/etc" and "hosts", "hosts" into "." and "hosts". */
static bool split_guest_path(const char *guest_path, struct host_path *parent, const char **name) {
  const char *slash = strrchr(guest_path, '/');
  *name = slash ? slash + 1 : guest_path;
  *parent = slash ? (struct host_path){guest_path, (size_t)(slash - guest_path)} : (struct host_path){".", 1};
  while (parent->len_bytes > 1 && parent->bytes[parent->len_bytes - 1] == '/') parent->len_bytes--;
  if (slash && parent->len_bytes == 0) parent->len_bytes = 1;
  return **name && strcmp(*name, ".") != 0 && strcmp(*name, "..") != 0;
}

static enum cay_status put_file(struct host_object *directory, const char *name, const struct wasi_grant *grant,
                                struct cay_error *error) {
  if (grant->bytes) return host_grant_bytes(directory, name, grant->bytes, grant->len_bytes, grant->rule, error);
  struct host_file_grant file = {
      .host_path = grant->host_path, .rights = grant->rights, .quota_bytes = grant->quota_bytes, .rule = grant->rule};
  return host_grant_file(directory, name, &file, error);
}

static enum cay_status grant_file(struct wasi_config *config, const struct wasi_grant *grant, struct cay_error *error) {
  struct host_path parent;
  const char *name = NULL;
  if (!split_guest_path(grant->guest_path, &parent, &name))
    return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%s\" cannot be a file's path in the guest", grant->guest_path);
  struct wasi_preopen *preopen = find_preopen(config, parent.bytes, parent.len_bytes);
  if (preopen && !preopen->is_synthetic)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "%s cannot be granted as a file: its directory %s is granted too",
                          grant->guest_path, preopen->guest_path);
  if (preopen) return put_file(preopen->directory, name, grant, error);
  struct host_object *synthetic = NULL;
  enum cay_status status = host_grant_synthetic(&synthetic, error);
  if (status == CAY_OK) status = put_file(synthetic, name, grant, error);
  if (status == CAY_OK) status = add_preopen(config, synthetic, grant, parent, true, error);
  host_object_release(synthetic);
  return status;
}

/* Devices do more than keep bytes, so each is granted as one. */
static enum cay_status check_device(const struct wasi_grant *grant, enum host_kind kind, struct cay_error *error) {
  bool is_device = kind == HOST_KIND_CHARACTER_DEVICE || kind == HOST_KIND_BLOCK_DEVICE;
  bool wants_device = grant->rights & HOST_RIGHT_DEVICE;
  if (is_device && !wants_device)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "%s is a device, which is granted by --device", grant->host_path);
  if (!is_device && wants_device) return base_error_set(error, CAY_ERROR_ARGUMENT, "%s is no device", grant->host_path);
  if (kind != HOST_KIND_DIRECTORY && grant->overlay)
    return base_error_set(error, CAY_ERROR_ARGUMENT, "%s is a file: overlays are for directories", grant->host_path);
  if (kind != HOST_KIND_DIRECTORY && !(grant->rights & (HOST_RIGHT_READ | HOST_RIGHT_WRITE)))
    return base_error_set(error, CAY_ERROR_ARGUMENT, "%s is a file: creating is granted for directories",
                          grant->host_path);
  return CAY_OK;
}

/* What is kept in memory has a limit in any case. */
static uint64_t quota_of(const struct wasi_grant *grant) {
  bool is_memory = grant->overlay == HOST_OVERLAY_MEMORY && !grant->quota_bytes;
  return is_memory ? HOST_OVERLAY_MEMORY_BYTES : grant->quota_bytes;
}

static enum cay_status set_overlay(struct host_object *directory, const struct wasi_grant *grant,
                                   struct cay_error *error) {
  bool is_folder = grant->overlay == HOST_OVERLAY_FOLDER;
  if (is_folder && (!grant->scratch_path || !*grant->scratch_path))
    return base_error_set(error, CAY_ERROR_ARGUMENT, "the folder of the overlay of %s has no name", grant->host_path);
  return host_directory_set_overlay(directory, is_folder ? grant->scratch_path : NULL, quota_of(grant), error);
}

enum cay_status wasi_config_grant(struct wasi_config *config, const struct wasi_grant *grant, struct cay_error *error) {
  enum host_kind kind;
  if (grant->bytes) return grant_file(config, grant, error);
  enum cay_status status = host_path_kind(grant->host_path, &kind, error);
  if (status) return status;
  if ((status = check_device(grant, kind, error))) return status;
  if (kind != HOST_KIND_DIRECTORY) return grant_file(config, grant, error);
  struct host_object *directory = NULL;
  status = host_grant_directory(grant->host_path, grant->rights, &directory, error);
  if (status) return status;
  if (grant->overlay) status = set_overlay(directory, grant, error);
  uint64_t quota_bytes = quota_of(grant);
  if (status == CAY_OK && quota_bytes) status = host_directory_set_quota(directory, quota_bytes, error);
  if (status == CAY_OK) status = wasi_config_preopen(config, directory, grant, error);
  host_object_release(directory);
  return status;
}

enum cay_status wasi_config_add_socket(struct wasi_config *config, struct host_object *socket, const char *rule,
                                       struct cay_error *error) {
  struct wasi_socket added = {0};
  struct wasi_socket *slot = copy_text(rule, &added.rule) ? BASE_VEC_PUSH(&config->sockets) : NULL;
  if (!slot) {
    base_free(added.rule);
    return base_error_memory(error);
  }
  added.object = host_object_retain(socket);
  *slot = added;
  return CAY_OK;
}

void wasi_config_set_clocks(struct wasi_config *config, const struct host_clocks *clocks) {
  config->clocks =
      (struct host_clocks){.kind = clocks->kind, .realtime_ns = clocks->realtime_ns, .step_ns = clocks->step_ns};
}

void wasi_config_set_uniform(struct wasi_config *config, bool is_uniform) { config->is_uniform = is_uniform; }

void wasi_config_set_random_seed(struct wasi_config *config, uint64_t seed) {
  config->random = (struct host_random_source){.is_seeded = true, .seed = seed};
}

void wasi_config_reach(const struct wasi_config *config, void (*tell)(void *env, const struct host_reach *reach),
                       void *env) {
  for (size_t i = 0; i < config->preopens.count; i++) host_object_reach(config->preopens.items[i].directory, tell, env);
}

bool wasi_config_accepts(const struct wasi_config *config) {
  bool accepts = config->sockets.count > 0;
  for (size_t i = 0; i < BASE_ARRAY_LEN(config->streams); i++)
    accepts |= config->streams[i].object && host_object_kind(config->streams[i].object) == HOST_KIND_LISTENER;
  return accepts;
}
