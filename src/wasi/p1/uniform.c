/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Attributes and removals in runs that must not depend on the host (host_uniform). */
#include "wasi/p1/p1.h"

int p1_uniform_stat(struct p1_call *call, const struct p1_handle *handle, struct host_stat *stat) {
  if (!call->p1->uniform) return 0;
  /* A standard stream is a stream, whatever it is here. */
  if (handle && handle->is_plain) *stat = (struct host_stat){.kind = HOST_KIND_PIPE};
  return host_uniform_stat(call->p1->uniform, stat);
}

struct p1_removed p1_before_removal(struct p1_call *call, const struct p1_use *target) {
  struct p1_removed removed = {.is_known = false};
  if (call->p1->uniform)
    removed.is_known = host_stat_at(target->handle->object, target->path, false, &removed.stat) == 0;
  return removed;
}

void p1_after_removal(struct p1_call *call, const struct p1_removed *removed, int result) {
  if (removed->is_known && result == 0) host_uniform_forget(call->p1->uniform, &removed->stat);
}

/* ---- Places in files --------------------------------------------------------------------------------------------------- */

/* 8 TiB: half of what ext4 can, which has the least among the file systems that programs run on; so a write that begins
 * before it ends within what each of them can. */
bool p1_is_too_far(const struct p1_call *call, const struct p1_handle *handle, uint64_t place) {
  const uint64_t end = UINT64_C(1) << 43;
  return call->p1->uniform && p1_kind_of(handle) == HOST_KIND_REGULAR && place > end;
}
