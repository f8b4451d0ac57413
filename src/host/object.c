/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Objects: making, sharing, and granting them; and the two kinds that live in memory.
 *
 * An object is a descriptor with rights. Objects made from the process's own descriptors (standard streams) share
 * their open file with other processes, so nothing here changes the flags of such a file; they are used with calls
 * that do not wait instead. Descriptors that we open ourselves have O_NONBLOCK unless they are regular files or
 * directories, where it means nothing.
 *
 * Invariants: (1) rights never grow after the object was made; (2) fd is -1 exactly when the object is synthetic or in
 * memory; (3) a synthetic directory never has MUTATE or CREATE; (4) MUTATE never comes without CREATE; (5) a counted twin owns
 * nothing of what it has in common with its origin, which it keeps. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/network.h"
#include "host/overlay.h"

enum { FILE_RIGHTS = HOST_RIGHT_READ | HOST_RIGHT_WRITE | HOST_RIGHT_DEVICE };

struct host_object *host_object_new(int fd, bool owns_fd, enum host_kind kind, uint32_t rights) {
  assert((rights & ~(uint32_t)(HOST_RIGHTS_ALL | HOST_RIGHT_DEVICE)) == 0);
  struct host_object *object = base_alloc_zero(1, sizeof *object);
  if (!object) {
    if (owns_fd) close(fd);
    return NULL;
  }
  atomic_init(&object->references, 1);
  object->kind = kind;
  object->rights = object->granted = (uint8_t)rights;
  object->owns_fd = owns_fd;
  object->fd = fd;
  return object;
}

struct host_object *host_object_retain(struct host_object *object) {
  unsigned before = atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
  assert(before > 0);
  (void)before;
  return object;
}

static void entry_deinit(struct host_synthetic_entry *entry) {
  base_free(entry->name);
  base_free(entry->host_name);
  base_free(entry->host_path);
  base_free(entry->rule);
  host_quota_release(entry->quota);
  if (entry->directory_fd >= 0) close(entry->directory_fd);
  if (entry->memory_fd >= 0) close(entry->memory_fd);
}

static void synthetic_free(struct host_synthetic *synthetic) {
  if (!synthetic) return;
  for (size_t i = 0; i < synthetic->entries.count; i++) entry_deinit(&synthetic->entries.items[i]);
  BASE_VEC_DEINIT(&synthetic->entries);
  base_free(synthetic);
}

void host_object_release(struct host_object *object) {
  if (!object || atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) != 1) return;
  base_budget_release(object->budget);
  if (object->origin) {
    host_object_release(object->origin);
    base_free(object);
    return;
  }
  /* As long as the descriptor is open nobody else's file gets the inode. */
  if (object->quota_file) host_quota_closed(object->quota, object->quota_file);
  if (object->owns_fd && object->fd >= 0) close(object->fd);
  host_quota_release(object->quota);
  host_network_release(object->network);
  host_peers_free(object->peers);
  base_free(object->lookup);
  synthetic_free(object->synthetic);
  host_overlaid_free(object->overlaid);
  if (object->memory) {
    base_free(object->memory->bytes);
    pthread_mutex_destroy(&object->memory->lock);
  }
  base_free(object->memory);
  base_free(object);
}

/* Whoever may change entries may make some. */
static uint32_t with_create(uint32_t rights) {
  return rights & HOST_RIGHT_MUTATE ? rights | HOST_RIGHT_CREATE : rights;
}

enum host_kind host_object_kind(const struct host_object *object) { return object->kind; }
uint32_t host_object_rights(const struct host_object *object) { return object->rights; }
bool host_object_is_terminal(const struct host_object *object) { return object->is_terminal; }
uint32_t host_object_flags(const struct host_object *object) { return object->flags; }
void host_object_shrink(struct host_object *object, uint32_t keep) {
  keep = with_create(keep);
  object->rights &= (uint8_t)keep;
  object->granted &= (uint8_t)keep;
}

void host_directory_set_resolver(struct host_object *directory, enum host_resolver resolver) {
  assert(directory->kind == HOST_KIND_DIRECTORY);
  directory->resolver = (uint8_t)resolver;
}

enum host_kind host_kind_of_mode(mode_t mode) {
  switch (mode & S_IFMT) {
  case S_IFREG: return HOST_KIND_REGULAR;
  case S_IFDIR: return HOST_KIND_DIRECTORY;
  case S_IFCHR: return HOST_KIND_CHARACTER_DEVICE;
  case S_IFBLK: return HOST_KIND_BLOCK_DEVICE;
  case S_IFLNK: return HOST_KIND_SYMLINK;
  case S_IFIFO: return HOST_KIND_PIPE;
  case S_IFSOCK: return HOST_KIND_STREAM_SOCKET;
  default: return HOST_KIND_UNKNOWN;
  }
}

bool host_poll_now(int fd, short events) {
  struct pollfd one = {.fd = fd, .events = events};
  return poll(&one, 1, 0) > 0;
}

bool host_iovecs(const struct host_buffer *buffers, size_t count, struct iovec *out, int *out_count) {
  if (count > HOST_BUFFERS_MAX) count = HOST_BUFFERS_MAX;
  for (size_t i = 0; i < count; i++) {
    void *bytes = buffers[i].resolve(buffers[i].owner, buffers[i].offset, buffers[i].len_bytes);
    if (!bytes) return false;
    out[i] = (struct iovec){.iov_base = bytes, .iov_len = (size_t)buffers[i].len_bytes};
  }
  *out_count = (int)count;
  return true;
}

/* ---- Grants ------------------------------------------------------------------------------------------------------ */

static enum cay_status give(struct host_object *object, struct host_object **out, struct cay_error *error) {
  if (!object) return base_error_memory(error);
  *out = object;
  return CAY_OK;
}

static enum cay_status own_process(const char *host_path, struct cay_error *error) {
  return base_error_set(error, CAY_ERROR_ARGUMENT,
                        "%s belongs to the process that runs the program; its memory and environment are never granted",
                        host_path);
}

static enum cay_status forbidden(const char *host_path, struct cay_error *error) {
  return base_error_set(error, CAY_ERROR_ARGUMENT,
                        "%s is where cay keeps machine code for later runs; no program is given that", host_path);
}

enum cay_status host_grant_directory(const char *host_path, uint32_t rights, struct host_object **out,
                                     struct cay_error *error) {
  int fd = open(host_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  /* A directory that may be searched but not read still works; only its names cannot be listed. */
  if (fd < 0 && errno == EACCES) {
    fd = open(host_path, host_os_directory_flags);
    rights &= ~(uint32_t)HOST_RIGHT_LIST;
  }
  if (fd < 0) return base_error_system(error, errno, "cannot open the directory %s", host_path);
  char real[PATH_MAX];
  if (host_os_is_procfs(fd) && (!realpath(host_path, real) || host_is_own_process(fd, real))) {
    close(fd);
    return own_process(host_path, error);
  }
  if (host_is_in_forbidden(fd)) {
    close(fd);
    return forbidden(host_path, error);
  }
  bool walks = host_is_above_forbidden(fd);
  bool looks_first = host_os_holds_devices(fd);
  struct host_object *object = host_object_new(fd, true, HOST_KIND_DIRECTORY, with_create(rights) & HOST_RIGHTS_ALL);
  if (object) object->looks_first = looks_first;
  if (object && walks) host_directory_set_resolver(object, HOST_RESOLVER_WALKER);
  return give(object, out, error);
}

enum cay_status host_directory_set_quota(struct host_object *directory, uint64_t limit_bytes, struct cay_error *error) {
  assert(directory->kind == HOST_KIND_DIRECTORY && !directory->quota && !directory->synthetic);
  directory->quota = host_quota_new(limit_bytes);
  return directory->quota ? CAY_OK : base_error_memory(error);
}

bool host_object_has_quota(const struct host_object *object) { return object->quota_file; }

bool host_object_quota_refused(const struct host_object *object) {
  return object->quota && host_quota_has_refused(object->quota);
}

uint64_t host_object_quota_used(const struct host_object *object) {
  return object->quota ? host_quota_used(object->quota) : 0;
}

enum cay_status host_path_kind(const char *host_path, enum host_kind *out, struct cay_error *error) {
  struct stat status;
  if (stat(host_path, &status) != 0) return base_error_system(error, errno, "cannot find %s", host_path);
  *out = host_kind_of_mode(status.st_mode);
  return CAY_OK;
}

enum cay_status host_grant_synthetic(struct host_object **out, struct cay_error *error) {
  struct host_synthetic *synthetic = base_alloc_zero(1, sizeof *synthetic);
  if (!synthetic) return base_error_memory(error);
  struct host_object *object = host_object_new(
      -1, false, HOST_KIND_DIRECTORY, HOST_RIGHT_READ | HOST_RIGHT_WRITE | HOST_RIGHT_LIST | HOST_RIGHT_DEVICE);
  if (!object) {
    base_free(synthetic);
    return base_error_memory(error);
  }
  object->synthetic = synthetic;
  *out = object;
  return CAY_OK;
}

/* Links are followed now, so that the entry names the file itself. `real` becomes its directory, `name` points behind
 * it. */
static enum cay_status split_real_path(const char *host_path, char real[PATH_MAX], char **name,
                                       struct cay_error *error) {
  if (!realpath(host_path, real)) return base_error_system(error, errno, "cannot find %s", host_path);
  char *slash = strrchr(real, '/');
  assert(slash);
  *slash = 0;
  *name = slash + 1;
  return CAY_OK;
}

static char *copy(const char *text) { return base_string_copy(text, strlen(text)); }

/* Takes over what the entry has. `status`: why it cannot be granted. */
static enum cay_status add_entry(struct host_object *synthetic, struct host_synthetic_entry *entry, const char *rule,
                                 enum cay_status status, struct cay_error *error) {
  if (rule) entry->rule = copy(rule);
  bool complete = entry->name && entry->host_name && (entry->rule || !rule);
  struct host_synthetic_entry *added = status || !complete ? NULL : BASE_VEC_PUSH(&synthetic->synthetic->entries);
  if (added) {
    *added = *entry;
    return CAY_OK;
  }
  entry_deinit(entry);
  return status ? status : base_error_memory(error);
}

/* An entry of neither kind yet. */
static struct host_synthetic_entry entry_of(const struct host_object *synthetic, const char *name,
                                            const char *host_name, uint32_t rights) {
  assert(synthetic->synthetic && name[0] && !strchr(name, '/'));
  return (struct host_synthetic_entry){
      .name = copy(name), .host_name = copy(host_name), .rights = rights, .directory_fd = -1, .memory_fd = -1};
}

enum cay_status host_grant_file(struct host_object *synthetic, const char *name, const struct host_file_grant *grant,
                                struct cay_error *error) {
  char real[PATH_MAX], *host_name = NULL;
  enum cay_status status = split_real_path(grant->host_path, real, &host_name, error);
  if (status) return status;
  struct host_synthetic_entry entry = entry_of(synthetic, name, host_name, grant->rights & FILE_RIGHTS);
  entry.host_path = copy(grant->host_path);
  entry.directory_fd = open(real[0] ? real : "/", host_os_directory_flags);
  int reason = errno;
  if (grant->quota_bytes) entry.quota = host_quota_new(grant->quota_bytes);
  if (!entry.host_path || (grant->quota_bytes && !entry.quota))
    status = base_error_memory(error);
  else if (entry.directory_fd < 0)
    status = base_error_system(error, reason, "cannot open the directory of %s", grant->host_path);
  else if (host_is_own_process(entry.directory_fd, real))
    status = own_process(grant->host_path, error);
  else if (host_is_in_forbidden(entry.directory_fd))
    status = forbidden(grant->host_path, error);
  else
    entry.looks_first = host_os_holds_devices(entry.directory_fd);
  return add_entry(synthetic, &entry, grant->rule, status, error);
}

enum cay_status host_grant_bytes(struct host_object *synthetic, const char *name, const void *bytes, size_t len_bytes,
                                 const char *rule, struct cay_error *error) {
  struct host_synthetic_entry entry = entry_of(synthetic, name, name, HOST_RIGHT_READ);
  enum cay_status status = CAY_OK;
  entry.memory_fd = host_os_memory_file(bytes, len_bytes);
  if (entry.memory_fd < 0) status = base_error_system(error, errno, "cannot make the file %s in memory", name);
  return add_entry(synthetic, &entry, rule, status, error);
}

bool host_granted_file(const struct host_object *directory, struct host_path name, struct host_file_grant *out) {
  if (!directory->synthetic) return false;
  for (size_t i = 0; i < directory->synthetic->entries.count; i++) {
    const struct host_synthetic_entry *entry = &directory->synthetic->entries.items[i];
    if (strlen(entry->name) != name.len_bytes || memcmp(entry->name, name.bytes, name.len_bytes) != 0) continue;
    *out = (struct host_file_grant){.host_path = entry->host_path, .rights = entry->rights, .rule = entry->rule};
    return true;
  }
  return false;
}

static void tell_entries(const struct host_object *object, void (*tell)(void *env, const struct host_reach *reach),
                         void *env) {
  for (size_t i = 0; i < object->synthetic->entries.count; i++) {
    const struct host_synthetic_entry *entry = &object->synthetic->entries.items[i];
    if (entry->memory_fd >= 0) continue; /* it has no name there */
    int fd = openat(entry->directory_fd, entry->host_name, O_RDONLY | O_NOFOLLOW | host_os_name_flags);
    if (fd >= 0) tell(env, &(struct host_reach){fd, true, false, entry->rights & object->rights});
  }
}

void host_object_reach(const struct host_object *object, void (*tell)(void *env, const struct host_reach *reach),
                       void *env) {
  if (object->kind != HOST_KIND_DIRECTORY) return;
  if (object->synthetic)
    tell_entries(object, tell, env);
  else if (object->overlaid)
    host_overlay_reach(object, tell, env);
  else
    tell(env, &(struct host_reach){object->fd, false, true, object->rights});
}

static enum host_kind socket_kind(int fd) {
  int type = 0, accepts = 0;
  socklen_t len_bytes = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len_bytes) != 0 || type != SOCK_STREAM)
    return HOST_KIND_DATAGRAM_SOCKET;
  len_bytes = sizeof accepts;
  bool is_listener = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len_bytes) == 0 && accepts;
  return is_listener ? HOST_KIND_LISTENER : HOST_KIND_STREAM_SOCKET;
}

/* The rights that a descriptor's access mode can serve. */
static uint32_t rights_of_mode(int flags) {
  if ((flags & O_ACCMODE) == O_RDONLY) return ~(uint32_t)HOST_RIGHT_WRITE;
  return (flags & O_ACCMODE) == O_WRONLY ? ~(uint32_t)HOST_RIGHT_READ : UINT32_MAX;
}

enum cay_status host_grant_fd(int fd, uint32_t rights, struct host_object **out, struct cay_error *error) {
  struct stat status;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || host_os_stat(fd, &status) != 0) return base_error_system(error, errno, "descriptor %d", fd);
  rights &= rights_of_mode(flags);
  if (!rights) return base_error_system(error, EBADF, "descriptor %d", fd);
  enum host_kind kind = S_ISSOCK(status.st_mode) ? socket_kind(fd) : host_kind_of_mode(status.st_mode);
  struct host_object *object = host_object_new(fd, false, kind, rights & HOST_RIGHTS_ALL);
  if (!object) return base_error_memory(error);
  /* accept has no flag for not waiting; a listener handed to us is ours to use. */
  if (kind == HOST_KIND_LISTENER) fcntl(fd, F_SETFL, flags |= O_NONBLOCK);
  object->is_nonblocking = flags & O_NONBLOCK;
  if (flags & O_APPEND) object->flags |= HOST_FLAG_APPEND;
  object->is_terminal = kind == HOST_KIND_CHARACTER_DEVICE && isatty(fd);
  *out = object;
  return CAY_OK;
}

/* ---- In memory ----------------------------------------------------------------------------------------------------- */

static enum cay_status memory_object(uint32_t rights, struct host_object **out, struct cay_error *error) {
  struct host_object *object = host_object_new(-1, false, HOST_KIND_PIPE, rights);
  if (object) object->memory = base_alloc_zero(1, sizeof *object->memory);
  if (!object || !object->memory) {
    base_free(object);
    return base_error_memory(error);
  }
  pthread_mutex_init(&object->memory->lock, NULL);
  *out = object;
  return CAY_OK;
}

enum cay_status host_memory_reader(const void *bytes, size_t len_bytes, struct host_object **out,
                                   struct cay_error *error) {
  struct host_object *object = NULL;
  enum cay_status status = memory_object(HOST_RIGHT_READ, &object, error);
  if (status) return status;
  object->memory->bytes = base_string_copy(len_bytes ? bytes : "", len_bytes);
  object->memory->len_bytes = len_bytes;
  if (!object->memory->bytes) {
    host_object_release(object);
    return base_error_memory(error);
  }
  *out = object;
  return CAY_OK;
}

enum cay_status host_memory_writer(size_t limit_bytes, struct host_object **out, struct cay_error *error) {
  enum cay_status status = memory_object(HOST_RIGHT_WRITE, out, error);
  if (status == CAY_OK) (*out)->memory->limit_bytes = limit_bytes;
  return status;
}

enum cay_status host_stream(uint32_t right, host_transfer transfer, void *env, struct host_object **out,
                            struct cay_error *error) {
  assert(right == HOST_RIGHT_READ || right == HOST_RIGHT_WRITE);
  enum cay_status status = memory_object(right, out, error);
  if (status) return status;
  (*out)->memory->transfer = transfer;
  (*out)->memory->env = env;
  return CAY_OK;
}

enum cay_status host_memory_sink(struct host_object **out, struct cay_error *error) {
  enum cay_status status = memory_object(HOST_RIGHT_WRITE, out, error);
  if (status == CAY_OK) (*out)->memory->discards = true;
  return status;
}

const char *host_memory_bytes(const struct host_object *object, size_t *len_bytes) {
  assert(object->memory);
  *len_bytes = object->memory->len_bytes;
  return object->memory->bytes ? object->memory->bytes : "";
}
