/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Waiting: ppoll over the objects and a pipe of our own.
 *
 * ppoll is enough for the few objects a WASI 0.1 guest waits for at once, and needs no registration that would have to
 * be undone. host_loop_wake may run in a signal handler or another thread at any moment: it sets a flag, and writes to
 * the pipe if there is one already. The pipe is made by the first wait that has to block, so that programs which never
 * wait do not pay for it; that wait looks at the flag after the pipe exists, so no wake is lost.
 *
 * Invariant: when `woken` is set, either nobody waits, or the pipe is readable or will be in a moment. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "host/network.h"

struct host_loop {
  atomic_bool woken;
  atomic_int wake_write;
  int wake_read;
  struct pollfd *fds; /* [0] is the wake pipe */
  size_t capacity;
  struct base_budget *budget; /* which `fds` are in; NULL: nothing is counted */
};

enum cay_status host_loop_new(struct host_loop **out, struct cay_error *error) {
  struct host_loop *loop = base_alloc_zero(1, sizeof *loop);
  if (!loop) return base_error_memory(error);
  atomic_init(&loop->woken, false);
  atomic_init(&loop->wake_write, -1);
  loop->wake_read = -1;
  *out = loop;
  return CAY_OK;
}

void host_loop_free(struct host_loop *loop) {
  if (!loop) return;
  if (loop->wake_read >= 0) {
    close(loop->wake_read);
    close(atomic_load(&loop->wake_write));
  }
  base_budget_give(loop->budget, BASE_LIMIT_MEMORY, loop->capacity * sizeof *loop->fds);
  base_budget_release(loop->budget);
  base_free(loop->fds);
  base_free(loop);
}

void host_loop_set_budget(struct host_loop *loop, struct base_budget *budget) {
  assert(!loop->budget && !loop->capacity);
  loop->budget = base_budget_retain(budget);
}

void host_loop_wake(struct host_loop *loop) {
  int saved = errno;
  atomic_store(&loop->woken, true);
  int fd = atomic_load(&loop->wake_write);
  /* A full pipe is as good as one more byte. */
  if (fd >= 0 && write(fd, "", 1) < 0) errno = saved;
  errno = saved;
}

void host_loop_clear(struct host_loop *loop) {
  char bytes[64];
  atomic_store(&loop->woken, false);
  if (loop->wake_read < 0) return;
  while (read(loop->wake_read, bytes, sizeof bytes) > 0) {
  }
}

bool host_loop_woken(const struct host_loop *loop) { return atomic_load(&loop->woken); }

static bool make_pipe(struct host_loop *loop) {
  int fds[2];
  if (loop->wake_read >= 0) return true;
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  loop->wake_read = fds[0];
  atomic_store(&loop->wake_write, fds[1]);
  return true;
}

static bool always_ready(const struct host_object *object) {
  return object->fd < 0 || object->kind == HOST_KIND_REGULAR || object->kind == HOST_KIND_DIRECTORY ||
         object->kind == HOST_KIND_BLOCK_DEVICE;
}

static bool make_room(struct host_loop *loop, size_t count) {
  size_t capacity = loop->capacity ? loop->capacity : 8;
  if (count <= loop->capacity) return true;
  while (capacity < count) capacity *= 2;
  uint64_t added_bytes = (capacity - loop->capacity) * sizeof *loop->fds;
  if (!base_budget_take(loop->budget, BASE_LIMIT_MEMORY, added_bytes)) return false;
  struct pollfd *fds = base_resize_array(loop->fds, capacity, sizeof *fds);
  if (!fds) {
    base_budget_give(loop->budget, BASE_LIMIT_MEMORY, added_bytes);
    return false;
  }
  loop->fds = fds;
  loop->capacity = capacity;
  return true;
}

/* Fills the poll table; returns how many waits are ready already. */
static int prepare(struct host_loop *loop, struct host_wait *waits, size_t count) {
  int ready = 0;
  for (size_t i = 0; i < count; i++) {
    struct host_wait *wait = &waits[i];
    assert(wait->interest && !(wait->interest & ~(HOST_READABLE | HOST_WRITABLE)));
    bool is_ready = always_ready(wait->object);
    wait->ready = is_ready ? wait->interest : 0;
    wait->hangup = false;
    wait->error = HOST_OK;
    ready += is_ready;
    short events =
        (short)((wait->interest & HOST_READABLE ? POLLIN : 0) | (wait->interest & HOST_WRITABLE ? POLLOUT : 0));
    loop->fds[i + 1] = (struct pollfd){.fd = is_ready ? -1 : wait->object->fd, .events = events};
  }
  loop->fds[0] = (struct pollfd){.fd = loop->wake_read, .events = POLLIN};
  return ready;
}

/* The answer to a lookup has a time of its own: then the object is ready, with or without it. */
static uint64_t soonest(const struct host_wait *waits, size_t count, uint64_t deadline_ns) {
  for (size_t i = 0; i < count; i++) {
    const struct host_lookup *lookup = waits[i].object->lookup;
    if (lookup && lookup->deadline_ns < deadline_ns) deadline_ns = lookup->deadline_ns;
  }
  return deadline_ns;
}

static bool is_overdue(const struct host_object *object) {
  return object->lookup && base_os_monotonic_ns() >= object->lookup->deadline_ns;
}

static int collect(const struct host_loop *loop, struct host_wait *waits, size_t count) {
  assert(count < loop->capacity);
  int ready = 0;
  for (size_t i = 0; i < count; i++) {
    struct host_wait *wait = &waits[i];
    short got = loop->fds[i + 1].revents;
    if (got & POLLNVAL) wait->error = HOST_ERROR_BADF;
    if (got & (POLLHUP | POLLERR)) wait->hangup = true;
    /* A broken object is ready: the operation will say what is wrong. */
    if (got & (POLLIN | POLLHUP | POLLERR | POLLNVAL) || is_overdue(wait->object))
      wait->ready |= wait->interest & HOST_READABLE;
    if (got & (POLLOUT | POLLERR | POLLHUP | POLLNVAL)) wait->ready |= wait->interest & HOST_WRITABLE;
    ready += wait->ready != 0;
  }
  return ready;
}

/* What is left until the deadline; NULL for none. */
static struct timespec *time_left(uint64_t deadline_ns, struct timespec *out) {
  if (deadline_ns == HOST_NO_DEADLINE) return NULL;
  uint64_t now = base_os_monotonic_ns(), left = deadline_ns > now ? deadline_ns - now : 0;
  *out = (struct timespec){.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};
  return out;
}

int host_loop_wait(struct host_loop *loop, struct host_wait *waits, size_t count, uint64_t deadline_ns) {
  if (deadline_ns != 0 && !make_pipe(loop)) return host_failed();
  if (!make_room(loop, count + 1)) return -HOST_ERROR_NOMEM;
  deadline_ns = prepare(loop, waits, count) > 0 ? 0 : soonest(waits, count, deadline_ns);
  for (;;) {
    if (host_loop_woken(loop)) return -HOST_ERROR_INTR;
    struct timespec left;
    int got = ppoll(loop->fds, (nfds_t)(count + 1), time_left(deadline_ns, &left), NULL);
    if (got < 0 && errno != EINTR) return host_failed();
    if (got < 0) continue;
    if (host_loop_woken(loop)) return -HOST_ERROR_INTR;
    return collect(loop, waits, count);
  }
}
