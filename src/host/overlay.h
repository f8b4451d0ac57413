/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private to `host`: directories that are two (overlay.c), and folders that hold an overlay's changes (scratch.c). */
#ifndef HOST_OVERLAY_H
#define HOST_OVERLAY_H

#include "host/object.h"
#include "host/uniform.h"

#define HOST_LAYERS_NONE ((struct host_layers){-1, -1})

/* ---- Layers: without a change, for every directory ------------------------------------------------------------------ */

/* Names that overlays keep for themselves. */
bool host_layers_reserve(const char *name);
void host_layers_close(struct host_layers *layers);
/* The layer where `name` is, or would be made or missed. */
int host_layers_holder(const struct host_layers *directory, const char *name);
/* The directory `name`, not following a link. As openat: NOTDIR or LOOP when it is none. */
int host_layers_enter(const struct host_layers *from, const char *name, struct host_layers *out);
int host_layers_stat(const struct host_layers *directory, const char *name, struct stat *out);
int host_layers_stat_self(const struct host_layers *directory, struct stat *out);

/* ---- Objects --------------------------------------------------------------------------------------------------------- */

/* The overlay of a directory, borrowed, or NULL; and the directory's path from its root. */
struct host_overlay *host_overlay_of(const struct host_object *directory);
const char *host_overlay_path_of(const struct host_object *directory);
void host_overlay_release(struct host_overlay *overlay);
/* NULL allowed. Recursive. */
void host_overlay_lock(struct host_overlay *overlay);
void host_overlay_unlock(struct host_overlay *overlay);
void host_overlaid_free(struct host_overlaid *overlaid);
/* Under the lock: what a directory consists of, borrowed; NOENT when it was removed. The second makes it changeable. */
int host_layers_of(const struct host_object *directory, struct host_layers *out);
int host_overlay_own_object(const struct host_object *directory, struct host_layers *out);
/* What an object of the directory at the place has. */
int host_overlay_open(const struct host_place *place, struct host_overlaid **out);
void host_overlay_reach(const struct host_object *directory, void (*tell)(void *env, const struct host_reach *reach),
                        void *env);

/* ---- Places: the first two do nothing where there is no overlay ------------------------------------------------------------- */

/* Makes what is at the place changeable: `parent` is then where it can be changed. */
int host_overlay_own(struct host_place *place);
/* Makes the place one where something new can be made; EXIST. */
int host_overlay_vacant(struct host_place *place);
/* Before `parent` is asked to open the last component so, from which goes what would change a lower file. LOOP: it is a
 * link. */
struct host_opening_flags {
  int flags;
  mode_t mode;
  bool is_cut; /* what was in the file is not needed */
};
int host_overlay_settle(struct host_place *place, struct host_opening_flags *how);
/* Whether what is at the place is the lower layer's. */
bool host_overlay_is_lower(const struct host_place *place);
int host_overlay_unlink(struct host_place *place);
int host_overlay_remove_directory(struct host_place *place);
int host_overlay_rename(struct host_place *old, struct host_place *new);

/* ---- scratch.c ----------------------------------------------------------------------------------------------------------------- */

/* A folder of the host that changes go to, which is made when it does not exist; for one run at a time. */
enum cay_status host_scratch_open(const char *path, bool *is_made, int *out, struct cay_error *error);
/* One of up to `limit_bytes` without a name, which goes with its last descriptor. UNSUPPORTED: mostly, this needs a
 * privilege. */
enum cay_status host_scratch_in_memory(uint64_t limit_bytes, int *out, struct cay_error *error);

#endif
