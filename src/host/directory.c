/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Reading the names in a directory.
 *
 * A listing has a descriptor of its own, so that directories stay without state and can be shared. Cookies are the
 * file system's own positions: they stay valid while entries come and go, and cost nothing to keep. Guests read a few
 * kilobytes at a time and usually get the last entry cut, so the record that was returned last is kept, and reading it
 * again or going on behind it needs no seek.
 *
 * Invariants: (1) `records` + at is the record at `at_cookie`, when at < len_bytes; (2) the descriptor stands behind
 * the last record of the buffer, so at `at_cookie` when at == len_bytes. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "host/overlay.h"

struct host_listing {
  struct host_object *directory;
  int fd;                       /* -1: names come from elsewhere */
  struct host_uniform *uniform; /* NULL: names come as the host has them, in `records`, except those of overlays */
  struct host_names names;
  size_t at, len_bytes;
  uint64_t at_cookie;
  _Alignas(8) char records[32768];
};

int host_listing_open(struct host_object *directory, struct host_uniform *uniform, struct host_listing **out) {
  if (directory->kind != HOST_KIND_DIRECTORY) return -HOST_ERROR_NOTDIR;
  if (!(directory->rights & HOST_RIGHT_LIST)) return -HOST_ERROR_NOTCAPABLE;
  if (!base_budget_take(directory->budget, BASE_LIMIT_MEMORY, sizeof(struct host_listing))) return -HOST_ERROR_NOMEM;
  struct host_listing *listing = base_alloc(sizeof *listing);
  if (!listing) {
    base_budget_give(directory->budget, BASE_LIMIT_MEMORY, sizeof *listing);
    return -HOST_ERROR_NOMEM;
  }
  listing->at = listing->len_bytes = 0;
  listing->at_cookie = 0;
  listing->uniform = uniform;
  listing->names = (struct host_names){.budget = directory->budget, .is_overlay = directory->overlaid};
  bool has_own = !directory->synthetic && !directory->overlaid && !uniform;
  listing->fd = has_own ? openat(directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (listing->fd < 0 && has_own) {
    int result = host_failed();
    base_budget_give(directory->budget, BASE_LIMIT_MEMORY, sizeof *listing);
    base_free(listing);
    return result;
  }
  listing->directory = host_object_retain(directory);
  *out = listing;
  return 0;
}

void host_listing_close(struct host_listing *listing) {
  if (!listing) return;
  if (listing->fd >= 0) close(listing->fd);
  host_names_deinit(&listing->names);
  base_budget_give(listing->directory->budget, BASE_LIMIT_MEMORY, sizeof *listing);
  host_object_release(listing->directory);
  base_free(listing);
}

/* Makes the record at `cookie` the one at `at`; at == len_bytes then means that it has to be read. */
static int move_to(struct host_listing *listing, uint64_t cookie) {
  if (listing->at == listing->len_bytes && cookie == listing->at_cookie) return 0;
  if (listing->at < listing->len_bytes && cookie != 0) {
    struct host_os_record record;
    host_os_record(listing->records + listing->at, &record);
    if (cookie == listing->at_cookie) return 0;
    if (cookie == record.next_cookie) {
      listing->at += record.record_bytes;
      listing->at_cookie = cookie;
      assert(listing->at <= listing->len_bytes);
      return 0;
    }
  }
  listing->at = listing->len_bytes = 0;
  listing->at_cookie = UINT64_MAX; /* nowhere: no cookie is that large */
  if (cookie > INT64_MAX) return -HOST_ERROR_INVAL;
  if (lseek(listing->fd, (off_t)cookie, SEEK_SET) < 0) return host_failed();
  listing->at_cookie = cookie;
  return 0;
}

static enum host_kind entry_kind(int directory, const char *name, mode_t mode) {
  struct stat status;
  if (mode) return host_kind_of_mode(mode);
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return HOST_KIND_UNKNOWN;
  return host_kind_of_mode(status.st_mode);
}

static int read_synthetic(const struct host_synthetic *synthetic, uint64_t cookie, struct host_entry *out,
                          bool *found) {
  *found = cookie < synthetic->entries.count + 2;
  if (!*found) return 0;
  *out = (struct host_entry){.next_cookie = cookie + 1, .kind = HOST_KIND_DIRECTORY, .name = cookie ? ".." : "."};
  if (cookie >= 2) {
    const struct host_synthetic_entry *entry = &synthetic->entries.items[cookie - 2];
    out->name = entry->name;
    out->kind = entry->memory_fd >= 0 ? HOST_KIND_REGULAR : entry_kind(entry->directory_fd, entry->host_name, 0);
  }
  out->len_bytes = strlen(out->name);
  return 0;
}

static int read_in_order(struct host_listing *listing, uint64_t cookie, struct host_entry *out, bool *found) {
  struct host_overlay *overlay = host_overlay_of(listing->directory);
  struct host_layers layers;
  *found = false;
  host_overlay_lock(overlay);
  int result = host_layers_of(listing->directory, &layers);
  if (result == 0) result = host_names_entry(&listing->names, listing->uniform, &layers, cookie, out, found);
  host_overlay_unlock(overlay);
  return result;
}

int host_listing_read(struct host_listing *listing, uint64_t cookie, struct host_entry *out, bool *found) {
  if (listing->directory->synthetic) return read_synthetic(listing->directory->synthetic, cookie, out, found);
  if (listing->fd < 0) return read_in_order(listing, cookie, out, found);
  *found = false;
  int result = move_to(listing, cookie);
  if (result) return result;
  if (listing->at == listing->len_bytes) {
    ssize_t got = host_os_read_directory(listing->fd, listing->records, sizeof listing->records);
    listing->at = 0;
    listing->len_bytes = got > 0 ? (size_t)got : 0;
    if (got <= 0) return got < 0 ? host_failed() : 0;
  }
  assert(listing->at < listing->len_bytes);
  struct host_os_record record;
  host_os_record(listing->records + listing->at, &record);
  /* The parent of a granted directory is nobody's business. */
  bool is_parent = strcmp(record.name, "..") == 0;
  *out = (struct host_entry){.next_cookie = record.next_cookie,
                             .inode = is_parent ? 0 : record.inode,
                             .kind = entry_kind(listing->fd, record.name, record.mode),
                             .name = record.name,
                             .len_bytes = record.len_bytes};
  *found = true;
  return 0;
}
