/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the use of an object takes from a budget.
 *
 * Writes are paid for before they are done, because two threads that each find room must not both write the last of it;
 * what a pipe or socket did not take is given back. Reads are paid for afterwards: their buffers are mostly larger than
 * what comes, and one thread's empty promise would end another one. Threads that read at the same moment may therefore get
 * a few buffers more than the limit, none of which their guest sees. */
#include "host/object.h"

#include <assert.h>

struct host_object *host_object_counted(struct host_object *object, struct base_budget *budget, bool is_output) {
  struct host_object *twin = base_alloc(sizeof *twin);
  if (!twin) return NULL;
  memcpy(twin, object, sizeof *twin); /* made before anybody uses it */
  atomic_init(&twin->references, 1);
  twin->owns_fd = false;
  twin->is_output = is_output;
  twin->budget = base_budget_retain(budget);
  twin->origin = host_object_retain(object);
  return twin;
}

void host_object_inherit(struct host_object *object, const struct host_object *from) {
  assert(!object->budget);
  object->budget = base_budget_retain(from->budget);
}

int host_cut(struct iovec *iovecs, int count, uint64_t limit_bytes) {
  for (int i = 0; i < count; i++) {
    if (iovecs[i].iov_len >= limit_bytes) {
      iovecs[i].iov_len = (size_t)limit_bytes;
      return i + 1;
    }
    limit_bytes -= iovecs[i].iov_len;
  }
  return count;
}

static uint64_t total(const struct iovec *iovecs, int count) {
  uint64_t bytes = 0;
  for (int i = 0; i < count; i++) bytes += iovecs[i].iov_len;
  return bytes;
}

void host_count_read(struct host_count *count, const struct host_object *object, struct iovec *iovecs,
                     int *iovec_count) {
  *count = (struct host_count){.budget = object->budget};
  if (!object->budget) return;
  count->wanted_bytes = total(iovecs, *iovec_count);
  uint64_t left = base_budget_left(object->budget, BASE_LIMIT_READ);
  if (count->wanted_bytes > left) *iovec_count = host_cut(iovecs, *iovec_count, left + 1);
}

static void give_back(const struct host_count *count, unsigned limit_count, uint64_t bytes) {
  for (unsigned i = 0; i < limit_count && bytes; i++) base_budget_give(count->budget, count->limits[i], bytes);
}

/* Takes from each of the limits what all of them have. */
static void pay(struct host_count *count) {
  count->paid_bytes = count->wanted_bytes;
  for (unsigned i = 0; i < count->limit_count; i++) {
    uint64_t taken = base_budget_try_part(count->budget, count->limits[i], count->paid_bytes);
    if (taken == count->paid_bytes) continue;
    count->tightest = count->limits[i];
    give_back(count, i, count->paid_bytes - taken);
    count->paid_bytes = taken;
  }
}

static int exhausted(const struct host_count *count, enum base_limit limit) {
  base_budget_hit(count->budget, limit);
  return HOST_EXHAUSTED + (int)limit;
}

int host_count_write(struct host_count *count, const struct host_object *object, struct iovec *iovecs,
                     int *iovec_count) {
  *count = (struct host_count){.budget = object->budget};
  if (!object->budget) return 0;
  bool is_datagram = object->kind == HOST_KIND_DATAGRAM_SOCKET;
  count->limits[count->limit_count++] = BASE_LIMIT_WRITTEN;
  if (object->is_output) count->limits[count->limit_count++] = BASE_LIMIT_OUTPUT;
  if (is_datagram || object->kind == HOST_KIND_STREAM_SOCKET) count->limits[count->limit_count++] = BASE_LIMIT_SENT;
  count->wanted_bytes = total(iovecs, *iovec_count);
  pay(count);
  if (count->paid_bytes == count->wanted_bytes) return 0;
  if (is_datagram) { /* a part of one says something else */
    give_back(count, count->limit_count, count->paid_bytes);
    count->paid_bytes = 0;
  }
  if (count->paid_bytes == 0) return exhausted(count, count->tightest);
  *iovec_count = host_cut(iovecs, *iovec_count, count->paid_bytes);
  return 0;
}

int host_count_end(struct host_count *count, int result, size_t *done_bytes) {
  uint64_t done = result == 0 ? *done_bytes : 0;
  if (!count->budget) return result;
  if (count->limit_count == 0) {
    uint64_t taken = base_budget_try_part(count->budget, BASE_LIMIT_READ, done);
    if (taken == done) return result;
    *done_bytes = (size_t)taken;
    return exhausted(count, BASE_LIMIT_READ);
  }
  assert(done <= count->paid_bytes);
  give_back(count, count->limit_count, count->paid_bytes - done);
  bool was_cut = count->paid_bytes < count->wanted_bytes;
  return result == 0 && was_cut && done == count->paid_bytes ? exhausted(count, count->tightest) : result;
}
