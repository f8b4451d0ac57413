/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* From what a program used to the smallest grants that let it do the same again.
 *
 * Uses are kept by the path as the program named it. A file that was only read, or changed in place, becomes a grant of its
 * own. A folder is granted where nothing less would do: its names were listed, or something in it was made, removed or
 * renamed; or where more single files would be tedious: FEW of them in one folder. What lies beneath a granted folder comes
 * with it, when its rights suffice. Where they do not, the folder that holds the file gets its own grant, because a single
 * file cannot be granted in a folder that is granted, too, and a folder of single files hides everything else in it.
 *
 * "Made" comes in two kinds. What was made under the condition that it was not there needs create-only. Anything else has to
 * work again when it is there, so it needs rw, as does whatever opens by name what it has made.
 *
 * Rejected: generalising to patterns; a grant is a folder or a file, and what a person cannot read at a glance he does not
 * check. */
#include "policy/parts.h"

#include <stdlib.h>

enum { FEW = 4 };
/* Rights as bits, so that they can be joined. */
enum { CAN_READ = 1, CAN_MAKE = 2, CAN_CHANGE = 4 };

struct use {
  char *path;
  uint32_t used; /* enum policy_used */
  bool is_directory, was_there;
};
struct grant {
  char *path;
  uint32_t rights;
  bool is_directory;
};
struct policy_learn {
  BASE_VEC(struct use) uses;
  struct policy_index by_path; /* of the uses */
  BASE_VEC(struct grant) grants;
};

/* ---- Paths --------------------------------------------------------------------------------------------------------- */

char *policy_learn_path(const char *path) {
  char *out = base_string_copy(path, strlen(path));
  if (out) policy_path_clean(out);
  return out;
}

/* The folder that holds it, as a copy. */
static char *parent_of(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return base_string_copy(".", 1);
  return base_string_copy(path, slash == path ? 1 : (size_t)(slash - path));
}

bool policy_learn_holds(const char *folder, const char *path) {
  size_t len_bytes = strlen(folder);
  if (strcmp(folder, ".") == 0) return *path != '/';
  if (strcmp(folder, "/") == 0) return *path == '/';
  return strncmp(folder, path, len_bytes) == 0 && (!path[len_bytes] || path[len_bytes] == '/');
}

bool policy_glob(const char *pattern, const char *text) {
  const char *star = NULL, *from = NULL; /* where the last star stands, and what it has not taken yet */
  while (*text) {
    if (*pattern == '*') {
      star = pattern++;
      from = text;
    } else if (*pattern == '?' || *pattern == *text) {
      pattern++;
      text++;
    } else if (star) {
      pattern = star + 1;
      text = ++from;
    } else {
      return false;
    }
  }
  return pattern[strspn(pattern, "*")] == 0;
}

/* ---- Uses ------------------------------------------------------------------------------------------------------------ */

struct policy_learn *policy_learn_new(void) { return base_alloc_zero(1, sizeof(struct policy_learn)); }

static void drop_grants(struct policy_learn *learn) {
  for (size_t i = 0; i < learn->grants.count; i++) base_free(learn->grants.items[i].path);
  BASE_VEC_DEINIT(&learn->grants);
}

void policy_learn_free(struct policy_learn *learn) {
  if (!learn) return;
  for (size_t i = 0; i < learn->uses.count; i++) base_free(learn->uses.items[i].path);
  BASE_VEC_DEINIT(&learn->uses);
  policy_index_deinit(&learn->by_path);
  drop_grants(learn);
  base_free(learn);
}

/* Takes `path` and keeps it. NULL: memory is out. */
static struct use *new_use(struct policy_learn *learn, char *path, bool was_there) {
  struct use *use = BASE_VEC_PUSH(&learn->uses);
  if (use && !policy_index_add(&learn->by_path, path, strlen(path), learn->uses.count - 1)) {
    learn->uses.count--;
    use = NULL;
  }
  if (use)
    *use = (struct use){.path = path, .was_there = was_there};
  else
    base_free(path);
  return use;
}

bool policy_learn_add(struct policy_learn *learn, const char *guest_path, uint32_t used, bool is_directory,
                      bool was_there) {
  char *path = policy_learn_path(guest_path);
  if (!path) return false;
  size_t known = policy_index_find(&learn->by_path, path, strlen(path));
  struct use *use = known == SIZE_MAX ? new_use(learn, path, was_there) : &learn->uses.items[known];
  if (known != SIZE_MAX) base_free(path);
  if (!use) return false;
  use->used |= used;
  use->is_directory |= is_directory;
  return true;
}

/* ---- Grants ----------------------------------------------------------------------------------------------------------- */

/* Joins what is needed with what is already granted at the same path. */
static bool need(struct policy_learn *learn, const char *path, uint32_t rights, bool is_directory) {
  for (size_t i = 0; i < learn->grants.count; i++) {
    struct grant *grant = &learn->grants.items[i];
    if (strcmp(grant->path, path) != 0) continue;
    grant->rights |= rights;
    grant->is_directory |= is_directory;
    return true;
  }
  char *copy = base_string_copy(path, strlen(path));
  struct grant *grant = copy ? BASE_VEC_PUSH(&learn->grants) : NULL;
  if (!grant) {
    base_free(copy);
    return false;
  }
  *grant = (struct grant){copy, rights, is_directory};
  return true;
}

static bool need_parent(struct policy_learn *learn, const char *path, uint32_t rights) {
  char *parent = parent_of(path);
  bool good = parent && need(learn, parent, rights, true);
  base_free(parent);
  return good;
}

static bool need_for(struct policy_learn *learn, const struct use *use) {
  const uint32_t reads = POLICY_USED_READ | POLICY_USED_STAT;
  bool is_made = !use->was_there && (use->used & (POLICY_USED_CREATE | POLICY_USED_CREATE_NEW));
  uint32_t of_folder = 0, own = 0;
  if (use->used & POLICY_USED_CREATE_NEW) of_folder |= CAN_MAKE;
  if ((use->used & POLICY_USED_CREATE) && !use->was_there) of_folder |= CAN_CHANGE;
  if (use->used & POLICY_USED_REMOVE) of_folder |= CAN_CHANGE;
  if (is_made && (use->used & (reads | POLICY_USED_LIST))) of_folder |= CAN_READ | CAN_CHANGE;
  if (!is_made && (use->used & (reads | POLICY_USED_LIST))) own |= CAN_READ;
  if (!is_made && (use->used & (POLICY_USED_WRITE | POLICY_USED_CREATE))) own |= CAN_CHANGE;
  if (of_folder && !need_parent(learn, use->path, of_folder)) return false;
  bool only_looked_at = use->is_directory && !(use->used & ~(uint32_t)reads); /* decided when all else is known */
  return !own || only_looked_at || need(learn, use->path, own, use->is_directory);
}

static bool are_beside(const char *a, const char *b) {
  const char *a_slash = strrchr(a, '/'), *b_slash = strrchr(b, '/');
  if (!a_slash || !b_slash) return !a_slash && !b_slash;
  return a_slash - a == b_slash - b && memcmp(a, b, (size_t)(a_slash - a)) == 0;
}

/* Whether FEW files are granted singly in the folder of this one. */
static bool are_many(const struct policy_learn *learn, const char *path) {
  unsigned count = 0;
  for (size_t i = 0; i < learn->grants.count && count < FEW; i++) {
    const struct grant *grant = &learn->grants.items[i];
    count += !grant->is_directory && are_beside(grant->path, path);
  }
  return count == FEW;
}

/* Many single files in a folder become the folder. */
static bool gather(struct policy_learn *learn) {
  for (size_t i = 0; i < learn->grants.count; i++) {
    const struct grant *grant = &learn->grants.items[i];
    if (grant->is_directory || strrchr(grant->path, '/') == grant->path || !are_many(learn, grant->path)) continue;
    if (!need_parent(learn, grant->path, CAN_READ)) return false;
  }
  return true;
}

static bool covers(uint32_t rights, uint32_t needed) {
  if (rights & CAN_CHANGE) return true; /* which is rw: everything */
  return (needed & ~rights) == 0;
}

/* The nearest granted folder above it, or NULL. */
static struct grant *above(const struct policy_learn *learn, size_t index) {
  const struct grant *self = &learn->grants.items[index];
  struct grant *best = NULL;
  for (size_t i = 0; i < learn->grants.count; i++) {
    struct grant *grant = &learn->grants.items[i];
    if (i == index || !grant->is_directory || !policy_learn_holds(grant->path, self->path)) continue;
    if (!best || policy_learn_holds(best->path, grant->path)) best = grant;
  }
  return best;
}

static void drop(struct policy_learn *learn, size_t index) {
  base_free(learn->grants.items[index].path);
  learn->grants.items[index] = learn->grants.items[--learn->grants.count];
}

/* One step towards grants of which none is needless; 0 when there is none left, -1 when memory is out. */
static int settle_one(struct policy_learn *learn) {
  for (size_t i = 0; i < learn->grants.count; i++) {
    struct grant *grant = &learn->grants.items[i], *folder = above(learn, i);
    if (!folder) continue;
    uint32_t rights = grant->rights;
    bool is_file = !grant->is_directory;
    if (!covers(folder->rights, rights) && !is_file) continue;
    if (!covers(folder->rights, rights) && !need_parent(learn, grant->path, rights | CAN_READ)) return -1;
    drop(learn, i);
    return 1;
  }
  return 0;
}

static bool is_reached(const struct policy_learn *learn, const char *directory) {
  bool is_reached = false;
  for (size_t i = 0; i < learn->grants.count && !is_reached; i++) {
    const struct grant *grant = &learn->grants.items[i];
    char *parent = grant->is_directory ? NULL : parent_of(grant->path);
    is_reached = grant->is_directory ? policy_learn_holds(grant->path, directory) && (grant->rights & ~CAN_MAKE)
                                     : parent && strcmp(parent, directory) == 0;
    base_free(parent);
  }
  return is_reached;
}

/* Folders whose attributes were read or that were opened without being listed. The root is never granted for that. */
static bool look_at(struct policy_learn *learn) {
  for (size_t i = 0; i < learn->uses.count; i++) {
    const struct use *use = &learn->uses.items[i];
    bool is_made = !use->was_there && (use->used & (POLICY_USED_CREATE | POLICY_USED_CREATE_NEW));
    if (!use->is_directory || is_made || strcmp(use->path, "/") == 0 || is_reached(learn, use->path)) continue;
    if (!need(learn, use->path, CAN_READ, true)) return false;
  }
  return true;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const struct grant *)a)->path, ((const struct grant *)b)->path);
}

bool policy_learn_seed(struct policy_learn *learn, const char *guest_path, enum policy_rights rights,
                       bool is_directory) {
  uint32_t used = rights == POLICY_RIGHTS_READ    ? POLICY_USED_READ
                  : rights == POLICY_RIGHTS_WRITE ? POLICY_USED_READ | POLICY_USED_WRITE
                                                  : 0;
  if (!used) { /* a folder that something is made in, whatever its name */
    struct base_text inside = {0};
    base_text_format(&inside, "%s/*", guest_path);
    bool good = !inside.failed && policy_learn_add(learn, inside.bytes, POLICY_USED_CREATE_NEW, false, false);
    base_text_deinit(&inside);
    return good;
  }
  return policy_learn_add(learn, guest_path, used | (is_directory ? POLICY_USED_LIST : 0), is_directory, true);
}

bool policy_learn_conclude(struct policy_learn *learn) {
  int step = 1;
  drop_grants(learn);
  for (size_t i = 0; i < learn->uses.count; i++)
    if (!need_for(learn, &learn->uses.items[i])) return false;
  if (!gather(learn)) return false;
  while (step > 0) step = settle_one(learn);
  if (step < 0 || !look_at(learn)) return false;
  do step = settle_one(learn);
  while (step > 0);
  if (learn->grants.count) qsort(learn->grants.items, learn->grants.count, sizeof *learn->grants.items, by_path);
  return step == 0;
}

bool policy_learn_grant(const struct policy_learn *learn, size_t index, const char **guest_path,
                        enum policy_rights *rights) {
  if (index >= learn->grants.count) return false;
  const struct grant *grant = &learn->grants.items[index];
  *guest_path = grant->path;
  *rights = grant->rights == CAN_READ                          ? POLICY_RIGHTS_READ
            : grant->rights == CAN_MAKE && grant->is_directory ? POLICY_RIGHTS_CREATE_ONLY
                                                               : POLICY_RIGHTS_WRITE;
  return true;
}
