/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Waiting: for one object, and poll_oneoff.
 *
 * 0.1 has no other way to wait than to block in a call, so the event loop runs inside it. A wake ends the call with the
 * trap INTERRUPTED: the guest does not get to see the interruption.
 *
 * poll_oneoff turns subscriptions into a list of waits and one deadline, waits once, and writes an event for each
 * subscription that came true. A subscription that cannot be waited for (a bad handle) is an event with an error.
 *
 * Where clocks move by steps, waiting for them takes no time: they skip to the first one that is due. Plain streams are
 * always ready; whoever reads one waits then. */
#include <assert.h>

#include "wasi/p1/p1.h"

int p1_interrupted(struct p1_call *call) {
  call->trap = ENGINE_TRAP_INTERRUPTED;
  return P1_TRAPPED;
}

int p1_wait(struct p1_call *call, struct host_object *object, enum host_interest interest) {
  struct host_wait wait = {.object = object, .interest = (uint8_t)interest};
  p1_waits(call);
  int result = host_loop_wait(call->own->loop, &wait, 1, HOST_NO_DEADLINE);
  if (result == -HOST_ERROR_INTR) return p1_interrupted(call);
  return result < 0 ? result : 0;
}

/* ---- Clocks -------------------------------------------------------------------------------------------------------- */

static bool clock_of(uint32_t id, enum host_clock *out) {
  static const enum host_clock clocks[] = {HOST_CLOCK_REALTIME, HOST_CLOCK_MONOTONIC, HOST_CLOCK_PROCESS_CPU,
                                           HOST_CLOCK_THREAD_CPU};
  if (id >= BASE_ARRAY_LEN(clocks)) return false;
  *out = clocks[id];
  return true;
}

static int give_time(struct p1_call *call, unsigned argument, uint64_t ns) {
  uint8_t *out = p1_range(call, p1_u32(call, argument), 8);
  if (!out) return -HOST_ERROR_FAULT;
  base_racy_store_u64(out, ns);
  return 0;
}

int p1_clock_res_get(struct p1_call *call) {
  enum host_clock clock;
  uint64_t ns = 0;
  if (!clock_of(p1_u32(call, 0), &clock)) return -HOST_ERROR_INVAL;
  int result = p1_once(call, P1_ONCE_CLOCK + clock);
  if (result == 0) result = host_clocks_resolution(&call->p1->clocks, clock, &ns);
  return result ? result : give_time(call, 1, ns);
}

int p1_clock_time_get(struct p1_call *call) {
  enum host_clock clock;
  uint64_t ns = 0;
  if (!clock_of(p1_u32(call, 0), &clock)) return -HOST_ERROR_INVAL;
  int result = p1_once(call, P1_ONCE_CLOCK + clock);
  if (result == 0) result = host_clocks_now(&call->p1->clocks, clock, &ns);
  return result ? result : give_time(call, 2, ns);
}

/* ---- poll_oneoff ------------------------------------------------------------------------------------------------------ */

enum { EVENT_CLOCK = 0, EVENT_READ = 1, EVENT_WRITE = 2, EVENT_BYTES = 32, MAX_SUBSCRIPTIONS = 65536, FEW = 32 };
enum { FLAG_ABSOLUTE = 1, EVENT_HANGUP = 1 };

/* A subscription, and what became of it. */
struct item {
  uint64_t userdata, due_ns; /* of clocks: when, on the monotonic clock */
  struct p1_handle *handle;  /* held */
  uint8_t type;
  bool is_done, hangup;
  enum host_error error;
};

static uint64_t saturating_add(uint64_t a, uint64_t b) { return a + b < a ? UINT64_MAX - 1 : a + b; }

/* `at` is the subscription_clock. In wasi_unstable a 64-bit identifier stands in front of the clock's number. */
static void read_clock(struct p1_call *call, const uint8_t *at, struct item *item, uint64_t now_ns) {
  if (call->is_unstable) at += 8;
  enum host_clock clock;
  uint64_t timeout = base_racy_load_u64(at + 8), clock_ns = 0;
  bool is_absolute = base_racy_load_u16(at + 24) & FLAG_ABSOLUTE;
  bool known = clock_of(base_racy_load_u32(at), &clock) && clock <= HOST_CLOCK_MONOTONIC;
  item->error = known ? (enum host_error) - p1_once(call, P1_ONCE_CLOCK + clock) : HOST_ERROR_INVAL;
  if (item->error == HOST_OK && is_absolute) {
    item->error = (enum host_error) - host_clocks_now(&call->p1->clocks, clock, &clock_ns);
    timeout = timeout > clock_ns ? timeout - clock_ns : 0;
  }
  item->due_ns = saturating_add(now_ns, timeout);
  item->is_done = item->error != HOST_OK;
}

static void read_handle(struct p1_call *call, const uint8_t *at, struct item *item) {
  struct p1_handle *handle;
  uint64_t direction = item->type == EVENT_READ ? P1_FD_READ : P1_FD_WRITE;
  int result = p1_handle_take(call, base_racy_load_u32(at), direction | P1_POLL_FD_READWRITE, &handle);
  if (result == 0 && (result = p1_once(call, handle->once))) p1_handle_release(handle);
  item->error = (enum host_error) - result;
  item->is_done = result != 0 || handle->is_plain;
  if (result == 0) item->handle = handle;
}

static int read_subscription(struct p1_call *call, const uint8_t *at, struct item *item, uint64_t now_ns) {
  *item = (struct item){.userdata = base_racy_load_u64(at), .type = base_racy_load_u8(at + 8)};
  if (item->type == EVENT_CLOCK)
    read_clock(call, at + 16, item, now_ns);
  else if (item->type == EVENT_READ || item->type == EVENT_WRITE)
    read_handle(call, at + 16, item);
  else
    return -HOST_ERROR_INVAL;
  return 0;
}

static void write_event(uint8_t *out, const struct item *item) {
  base_racy_fill(out, 0, EVENT_BYTES);
  base_racy_store_u64(out, item->userdata);
  base_racy_store_u16(out + 8, host_error_p1(item->error));
  base_racy_store_u8(out + 10, item->type);
  if (item->type == EVENT_CLOCK || item->error) return;
  bool tells_bytes = item->type == EVENT_READ && !item->handle->is_plain;
  uint64_t ready_bytes = tells_bytes ? host_readable_bytes(item->handle->object) : 1;
  base_racy_store_u64(out + 16, ready_bytes);
  base_racy_store_u16(out + 24, item->hangup ? EVENT_HANGUP : 0);
}

/* Where clocks move by steps, the times of items count from the start of the call, not of the monotonic clock. */
static bool is_stepping(const struct p1_call *call) { return call->p1->clocks.kind == HOST_CLOCKS_STEPPING; }

/* Fills `waits` from the items that are not done yet; their count, and the time when the wait ends at the latest. */
static size_t collect(const struct item *items, uint32_t count, struct host_wait *waits, uint64_t *deadline_ns) {
  size_t wait_count = 0;
  *deadline_ns = HOST_NO_DEADLINE;
  for (uint32_t i = 0; i < count; i++) {
    if (items[i].is_done)
      *deadline_ns = 0;
    else if (items[i].type != EVENT_CLOCK)
      waits[wait_count++] = (struct host_wait){.object = items[i].handle->object,
                                               .interest = items[i].type == EVENT_READ ? HOST_READABLE : HOST_WRITABLE};
    else if (items[i].due_ns < *deadline_ns)
      *deadline_ns = items[i].due_ns;
  }
  return wait_count;
}

/* How many of the waits are ready; `*now_ns` is the time afterwards. Only what is not a clock makes anybody wait where
 * clocks are moved on, and what is ready then is ready at once. */
static int wait_stepping(struct p1_call *call, struct host_wait *waits, size_t wait_count, uint64_t deadline_ns,
                         uint64_t *now_ns) {
  uint64_t start_ns = base_os_monotonic_ns();
  bool waits_truly = wait_count > 0 && deadline_ns != 0;
  if (waits_truly) p1_waits(call);
  int result =
      host_loop_wait(call->own->loop, waits, wait_count, waits_truly ? saturating_add(start_ns, deadline_ns) : 0);
  *now_ns = result == 0 && deadline_ns != HOST_NO_DEADLINE ? deadline_ns : 0;
  host_clocks_skip(&call->p1->clocks, *now_ns);
  return result;
}

static int wait_really(struct p1_call *call, struct host_wait *waits, size_t wait_count, uint64_t deadline_ns,
                       uint64_t *now_ns) {
  if (deadline_ns != 0) p1_waits(call);
  int result = host_loop_wait(call->own->loop, waits, wait_count, deadline_ns);
  *now_ns = base_os_monotonic_ns();
  /* The wait ended for this deadline, whatever a second look at the clock says. */
  if (result == 0 && *now_ns < deadline_ns) *now_ns = deadline_ns;
  return result;
}

/* Waits for the items; `waits` has room for all of them. */
static int wait_for(struct p1_call *call, struct item *items, uint32_t count, struct host_wait *waits) {
  uint64_t deadline_ns, now_ns;
  size_t wait_count = collect(items, count, waits, &deadline_ns), at = 0;
  int result = (is_stepping(call) ? wait_stepping : wait_really)(call, waits, wait_count, deadline_ns, &now_ns);
  if (result < 0) return result == -HOST_ERROR_INTR ? p1_interrupted(call) : result;
  for (uint32_t i = 0; i < count; i++) {
    struct item *item = &items[i];
    if (item->is_done) continue;
    if (item->type == EVENT_CLOCK) {
      item->is_done = item->due_ns <= now_ns;
      continue;
    }
    const struct host_wait *wait = &waits[at++];
    item->is_done = wait->ready || wait->error;
    item->hangup = wait->hangup;
    item->error = wait->error;
  }
  assert(at == wait_count);
  return 0;
}

/* `*read_count` items hold handles afterwards. */
static int poll_items(struct p1_call *call, struct item *items, struct host_wait *waits, uint32_t count,
                      uint32_t *read_count) {
  const size_t stride = call->is_unstable ? 56 : 48;
  const uint8_t *in = p1_range(call, p1_u32(call, 0), count * stride);
  uint8_t *event_count = p1_range(call, p1_u32(call, 3), 4);
  if (!in || !event_count || !p1_range(call, p1_u32(call, 1), (uint64_t)count * EVENT_BYTES)) return -HOST_ERROR_FAULT;
  uint64_t now_ns = is_stepping(call) ? 0 : base_os_monotonic_ns();
  int result = 0;
  for (uint32_t i = 0; i < count && result == 0; i++, (*read_count)++)
    result = read_subscription(call, in + i * stride, &items[i], now_ns);
  if (result == 0) result = wait_for(call, items, count, waits);
  if (result) return result;
  uint8_t *out = p1_range(call, p1_u32(call, 1), (uint64_t)count * EVENT_BYTES);
  uint32_t written = 0;
  for (uint32_t i = 0; i < count; i++)
    if (items[i].is_done) write_event(out + (size_t)EVENT_BYTES * written++, &items[i]);
  base_racy_store_u32(p1_range(call, p1_u32(call, 3), 4), written);
  return 0;
}

int p1_poll_oneoff(struct p1_call *call) {
  uint32_t count = p1_u32(call, 2);
  if (count == 0 || count > MAX_SUBSCRIPTIONS) return -HOST_ERROR_INVAL;
  struct item few_items[FEW], *items = few_items;
  struct host_wait few_waits[FEW], *waits = few_waits;
  const size_t many_bytes = count > FEW ? count * (sizeof *items + sizeof *waits) : 0;
  if (count > FEW) {
    if (!p1_range(call, p1_u32(call, 0), (uint64_t)count * 48)) return -HOST_ERROR_FAULT;
    if (!base_budget_take(call->p1->budget, BASE_LIMIT_MEMORY, many_bytes)) return -HOST_ERROR_NOMEM;
    items = base_alloc(count * sizeof *items);
    waits = base_alloc(count * sizeof *waits);
  }
  uint32_t read_count = 0;
  int result = items && waits ? poll_items(call, items, waits, count, &read_count) : -HOST_ERROR_NOMEM;
  for (uint32_t i = 0; i < read_count; i++) p1_handle_release(items[i].handle);
  if (count > FEW) {
    base_free(items);
    base_free(waits);
    base_budget_give(call->p1->budget, BASE_LIMIT_MEMORY, many_bytes);
  }
  return result;
}
