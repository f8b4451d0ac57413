/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private header of the room: what its files share and other rooms do not see. */
#ifndef POLICY_PARTS_H
#define POLICY_PARTS_H

#include "policy/policy.h"

/* Finds the name nearest to a mistyped word (edit distance with transpositions, at most a third of the length):
 * start with policy_nearest_to, offer every name, read `best` (NULL: none is near). */
struct policy_nearest {
  const char *word;
  size_t len;
  unsigned distance; /* of `best`; before that, the first distance that is too far */
  const char *best;
};
struct policy_nearest policy_nearest_to(const char *word, size_t len_bytes);
void policy_nearest_try(struct policy_nearest *nearest, const char *name);

/* y, yes, true, 1 (and NULL: the word alone) or n, no, false, 0. */
enum cay_status policy_bool_parse(const char *text, bool *out, struct cay_error *error);

/* Why a quota of 0 is refused: elsewhere 0 is no limit, and here it might be meant as the smallest. */
#define POLICY_NO_QUOTA "a quota of 0 is refused, because it may mean none or nothing; leave it out, or write ro"

/* Takes "./" in front, doubled slashes, "/./" and slashes at the end out of a path, in place: how C libraries compare names
 * with grants. ".." stays, because they leave it, too. */
void policy_path_clean(char *path);
/* The guest's part of a grant HOST[::GUEST[::OPTIONS]]. */
const char *policy_guest_part(const char *grant, size_t *len_bytes);

/* A zero-terminated copy in the settings' arena; NULL: no memory. */
char *policy_arena_copy(struct policy_settings *settings, const char *text, size_t len_bytes);

/* Whether a request, which is a stranger's, may ask for the option. */
bool policy_may_request(enum policy_option option);

/* Applies "key=value,key,..." of one of wasmtime's groups. */
enum cay_status policy_keys_apply(struct policy_settings *settings, enum policy_option group, const char *text,
                                  struct cay_error *error);
/* For a long option that is not cay's: whether it is one of wasmtime's. REFUSED sets `error` to the reason. */
enum policy_foreign { POLICY_FOREIGN_UNKNOWN, POLICY_FOREIGN_ACCEPTED, POLICY_FOREIGN_REFUSED };
enum policy_foreign policy_wasmtime_option(const char *name, size_t len_bytes, struct cay_error *error);

/* ---- Audit log (audit.c, audit_check.c) ---- */

/* Adds "2026-11-26T21:10:55.123456789Z", of nanoseconds since 1970. */
void policy_audit_time(struct base_text *text, uint64_t ns);
/* The hash of a line (without its own hash) after the line whose hash is `previous`; `out` may be `previous`. */
void policy_audit_link(const char *previous, const char *line, size_t len_bytes, char out[BASE_SHA256_HEX_BYTES]);
/* The hash at the end of a whole line, without newline; false when there is none. */
bool policy_audit_hash_of(const char *line, size_t len_bytes, char out[BASE_SHA256_HEX_BYTES]);

#endif
