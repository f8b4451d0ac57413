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
 * Programs choose how many paths there are, so nothing looks at all grants for each: equal paths are found by hash, and
 * the folder above by going through the grants in an order in which each folder stands right before what it holds.
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
  uint32_t rights; /* 0: there is none, or it turned out to be needless */
  bool is_directory, is_looked_at;
};
struct policy_learn {
  BASE_VEC(struct use) uses;
  struct policy_index by_path; /* of the uses */
  BASE_VEC(struct grant) grants;
  struct policy_index granted; /* of the grants; while they are made */
};

/* ---- Paths --------------------------------------------------------------------------------------------------------- */

char *policy_learn_path(const char *path) {
  if (!*path) path = ".";
  char *out = base_string_copy(path, strlen(path));
  if (out) policy_path_clean(out);
  return out;
}

/* The folder that holds it: so many bytes of the text that is returned. */
static const char *parent_of(const char *path, size_t *len_bytes) {
  const char *slash = strrchr(path, '/');
  *len_bytes = !slash || slash == path ? 1 : (size_t)(slash - path);
  return slash ? path : ".";
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
  policy_index_deinit(&learn->granted);
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

/* ---- Needs ------------------------------------------------------------------------------------------------------------ */

static struct grant *grant_at(struct policy_learn *learn, const char *path, size_t len_bytes) {
  size_t known = policy_index_find(&learn->granted, path, len_bytes);
  if (known != SIZE_MAX) return &learn->grants.items[known];
  char *copy = base_string_copy(path, len_bytes);
  struct grant *grant = copy ? BASE_VEC_PUSH(&learn->grants) : NULL;
  if (grant && policy_index_add(&learn->granted, copy, len_bytes, learn->grants.count - 1)) {
    grant->path = copy;
    return grant;
  }
  if (grant) learn->grants.count--;
  base_free(copy);
  return NULL;
}

/* Joins what is needed with what is already granted at the same path. */
static bool need(struct policy_learn *learn, const char *path, size_t len_bytes, uint32_t rights, bool is_directory) {
  struct grant *grant = grant_at(learn, path, len_bytes);
  if (!grant) return false;
  grant->rights |= rights;
  grant->is_directory |= is_directory;
  return true;
}

static bool need_parent(struct policy_learn *learn, const char *path, uint32_t rights) {
  size_t len_bytes;
  const char *parent = parent_of(path, &len_bytes);
  return need(learn, parent, len_bytes, rights, true);
}

/* A folder whose attributes were read, or that was opened without being listed. The root is never granted for that. */
static bool look_at(struct policy_learn *learn, const char *path) {
  if (strcmp(path, "/") == 0) return true;
  struct grant *grant = grant_at(learn, path, strlen(path));
  if (grant) grant->is_looked_at = grant->is_directory = true;
  return grant != NULL;
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
  bool only_looked_at = use->is_directory && !(use->used & ~(uint32_t)reads);
  if (own && !only_looked_at) return need(learn, use->path, strlen(use->path), own, use->is_directory);
  return !use->is_directory || is_made || look_at(learn, use->path);
}

/* ---- Folders of single files ------------------------------------------------------------------------------------------ */

/* How many files are granted singly in each folder. */
struct folders {
  struct policy_index by_path;
  BASE_VEC(unsigned) counts;
};

static void folders_deinit(struct folders *folders) {
  policy_index_deinit(&folders->by_path);
  BASE_VEC_DEINIT(&folders->counts);
}

static bool is_single(const struct grant *grant) { return grant->rights && !grant->is_directory; }

static bool folders_count(struct folders *folders, const struct policy_learn *learn) {
  for (size_t i = 0; i < learn->grants.count; i++) {
    size_t len_bytes;
    const char *parent = parent_of(learn->grants.items[i].path, &len_bytes);
    if (!is_single(&learn->grants.items[i])) continue;
    size_t known = policy_index_find(&folders->by_path, parent, len_bytes);
    unsigned *count = known == SIZE_MAX ? BASE_VEC_PUSH(&folders->counts) : &folders->counts.items[known];
    if (!count) return false;
    ++*count;
    if (known == SIZE_MAX && !policy_index_add(&folders->by_path, parent, len_bytes, folders->counts.count - 1))
      return false;
  }
  return true;
}

static unsigned files_in(const struct folders *folders, const char *folder, size_t len_bytes) {
  size_t known = policy_index_find(&folders->by_path, folder, len_bytes);
  return known == SIZE_MAX ? 0 : folders->counts.items[known];
}

/* Many single files in a folder become the folder, when that is not the root. */
static bool gather(struct policy_learn *learn, const struct folders *folders) {
  for (size_t i = 0; i < learn->grants.count; i++) {
    const struct grant *grant = &learn->grants.items[i];
    size_t len_bytes;
    const char *parent = parent_of(grant->path, &len_bytes);
    bool is_in_root = len_bytes == 1 && *parent == '/';
    if (!is_single(grant) || is_in_root || files_in(folders, parent, len_bytes) < FEW) continue;
    if (!need_parent(learn, grant->path, CAN_READ)) return false;
  }
  return true;
}

/* ---- What lies in what ------------------------------------------------------------------------------------------------- */

static int rank(char c) { return c == 0 ? 0 : c == '/' ? 1 : (unsigned char)c + 1; }

/* Each folder right before what it holds. "." holds all that is relative, and stands before it as the empty path. */
static int in_order(const void *a, const void *b) {
  const char *left = ((const struct grant *)a)->path, *right = ((const struct grant *)b)->path;
  if ((*left == '/') != (*right == '/')) return *left == '/' ? -1 : 1;
  if (strcmp(left, ".") == 0) left = "";
  if (strcmp(right, ".") == 0) right = "";
  while (*left && *left == *right) left++, right++;
  return rank(*left) - rank(*right);
}

/* Brings the grants in order; those made later stand behind. */
static bool sort(struct policy_learn *learn) {
  bool good = true;
  if (learn->grants.count) qsort(learn->grants.items, learn->grants.count, sizeof *learn->grants.items, in_order);
  policy_index_deinit(&learn->granted);
  for (size_t i = 0; good && i < learn->grants.count; i++) {
    const char *path = learn->grants.items[i].path;
    good = policy_index_add(&learn->granted, path, strlen(path), i);
  }
  return good;
}

/* The granted folders that hold the grant which a walk in order has come to, outermost first. */
struct holders {
  BASE_VEC(size_t) items;
};

/* The nearest of them, when the walk comes to `index`; SIZE_MAX: none. */
static size_t come_to(struct holders *holders, const struct policy_learn *learn, size_t index) {
  const struct grant *grants = learn->grants.items;
  while (holders->items.count &&
         !policy_learn_holds(grants[holders->items.items[holders->items.count - 1]].path, grants[index].path))
    holders->items.count--;
  return holders->items.count ? holders->items.items[holders->items.count - 1] : SIZE_MAX;
}

/* The walk goes on behind `index`, which is a holder if it is a granted folder. */
static bool leave(struct holders *holders, const struct policy_learn *learn, size_t index) {
  const struct grant *grant = &learn->grants.items[index];
  size_t *slot = grant->rights && grant->is_directory ? BASE_VEC_PUSH(&holders->items) : NULL;
  if (slot) *slot = index;
  return slot || !grant->rights || !grant->is_directory;
}

/* Grants what was looked at, unless that is possible anyway: where the nearest granted folder lets files be read or changed,
 * and where single files make their folder appear. */
static bool grant_looks(struct policy_learn *learn, const struct folders *folders) {
  struct holders holders = {0};
  bool good = true;
  for (size_t i = 0; good && i < learn->grants.count; i++) {
    struct grant *grant = &learn->grants.items[i];
    size_t folder = come_to(&holders, learn, i);
    uint32_t rights = grant->rights ? grant->rights : folder == SIZE_MAX ? 0 : learn->grants.items[folder].rights;
    bool is_reached = (rights & ~(uint32_t)CAN_MAKE) || files_in(folders, grant->path, strlen(grant->path));
    if (grant->is_looked_at && !is_reached) grant->rights |= CAN_READ;
    good = leave(&holders, learn, i);
  }
  BASE_VEC_DEINIT(&holders.items);
  return good;
}

static bool covers(uint32_t rights, uint32_t needed) {
  if (rights & CAN_CHANGE) return true; /* which is rw: everything */
  return (needed & ~rights) == 0;
}

/* No single file stays in a granted folder: it comes with that, or its own folder gets what it needs. */
static bool settle_files(struct policy_learn *learn) {
  struct holders holders = {0};
  bool good = true;
  for (size_t i = 0, count = learn->grants.count; good && i < count; i++) {
    size_t folder = come_to(&holders, learn, i);
    struct grant grant = learn->grants.items[i];
    if (is_single(&grant) && folder != SIZE_MAX) {
      learn->grants.items[i].rights = 0;
      if (!covers(learn->grants.items[folder].rights, grant.rights))
        good = need_parent(learn, grant.path, grant.rights | CAN_READ);
    }
    good = good && leave(&holders, learn, i);
  }
  BASE_VEC_DEINIT(&holders.items);
  return good;
}

static bool settle_folders(struct policy_learn *learn) {
  struct holders holders = {0};
  bool good = true;
  for (size_t i = 0; good && i < learn->grants.count; i++) {
    size_t folder = come_to(&holders, learn, i);
    struct grant *grant = &learn->grants.items[i];
    if (grant->is_directory && folder != SIZE_MAX && covers(learn->grants.items[folder].rights, grant->rights))
      grant->rights = 0;
    good = leave(&holders, learn, i);
  }
  BASE_VEC_DEINIT(&holders.items);
  return good;
}

/* ---- Grants ------------------------------------------------------------------------------------------------------------ */

static int by_path(const void *a, const void *b) {
  return strcmp(((const struct grant *)a)->path, ((const struct grant *)b)->path);
}

static void drop_needless(struct policy_learn *learn) {
  size_t kept = 0;
  for (size_t i = 0; i < learn->grants.count; i++) {
    struct grant grant = learn->grants.items[i];
    if (grant.rights)
      learn->grants.items[kept++] = grant;
    else
      base_free(grant.path);
  }
  learn->grants.count = kept;
  if (kept) qsort(learn->grants.items, kept, sizeof *learn->grants.items, by_path);
}

/* Steps in this order need no repetition: files are settled while it is known which folders are granted for themselves; what
 * that adds lies in those folders, so that it holds no other file. Folders are settled last, outer ones first. */
bool policy_learn_conclude(struct policy_learn *learn) {
  struct folders folders = {0};
  bool good = true;
  drop_grants(learn);
  for (size_t i = 0; good && i < learn->uses.count; i++) good = need_for(learn, &learn->uses.items[i]);
  good = good && folders_count(&folders, learn) && gather(learn, &folders) && sort(learn) &&
         grant_looks(learn, &folders) && settle_files(learn) && sort(learn) && settle_folders(learn);
  folders_deinit(&folders);
  policy_index_deinit(&learn->granted);
  if (good) drop_needless(learn);
  return good;
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
